"""The forges' published descriptions (OpenAPI 3), as the judge of what is sent and of what this server answers.

Only the parts of OpenAPI that the two descriptions use are read. Every break is one sentence.
"""

import json
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

METHODS = ("get", "post", "put", "delete")
DEEPEST = 12

# Cloud's description names the body of these only in prose.
WEBHOOK = {"allOf": [{"$ref": "#/components/schemas/webhook_subscription"}, {"type": "object", "required": ["url", "events"]}]}
BODIES_IN_PROSE = {
    ("post", "/repositories/{workspace}/{repo_slug}/hooks"), ("put", "/repositories/{workspace}/{repo_slug}/hooks/{uid}"),
    ("post", "/workspaces/{workspace}/hooks"), ("put", "/workspaces/{workspace}/hooks/{uid}"),
}
# Every list of a forge is paged; the descriptions do not repeat that at each of them.
PAGING = {"cloud": {"page", "pagelen"}, "datacenter": {"start", "limit"}}
# Cloud's `type` tells kinds of answers apart; nobody sends it. `null` takes a hook's secret away, the prose says.
NOT_ASKED_OF_CLIENTS = {"type"}
MAY_BE_NULL = {"secret"}


@dataclass
class Operation:
    """One method of one path of a description."""

    method: str
    template: str
    pattern: object
    parameters: list
    body: dict
    replies: dict


class Description:
    """One forge's description. `forge` is cloud or datacenter."""

    def __init__(self, forge, path):
        with open(path, encoding="utf-8") as file:
            self._document = json.load(file)
        self.forge = forge
        self._operations = [self._operation(*entry) for entry in self._entries()]

    def _entries(self):
        for template, item in self._document["paths"].items():
            for method in METHODS:
                if method in item:
                    yield template, method, item

    def _operation(self, template, method, item):
        described = item[method]
        body = described.get("requestBody", {})
        schema = next(iter(body.get("content", {}).values()), {}).get("schema")
        if (method, template) in BODIES_IN_PROSE:
            schema = WEBHOOK
        replies = {
            code: reply.get("content", {}).get("application/json", {}).get("schema") for code, reply in described["responses"].items()}
        parameters = item.get("parameters", []) + described.get("parameters", [])
        pattern = "".join("[^/]+" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{\w+\})", template))
        return Operation(method, template, re.compile(pattern), parameters, schema, replies)

    def operation(self, method, path):
        """The operation a request means, or None. Names win over variables (.../webhooks/test over .../webhooks/{id})."""
        found = [o for o in self._operations if o.method == method.lower() and o.pattern.fullmatch(path)]
        return min(found, key=lambda o: o.template.count("{"), default=None)

    def request_problems(self, method, path, request):
        """What is wrong with a request, as sentences."""
        operation = self.operation(method, path)
        if operation is None:
            return [f"the published description has no {method} {path}"]
        return [*self._query_problems(operation, request), *self._path_problems(operation, path), *self._body_problems(operation, request)]

    def _query_problems(self, operation, request):
        known = {p["name"]: p for p in operation.parameters if p["in"] == "query"}
        paging = PAGING[self.forge] if operation.method == "get" else set()
        given = dict(request.query)
        for name, value in given.items():
            if name in known:
                yield from self._text_problems(known[name]["schema"], value, f"query parameter {name}")
            elif name not in paging:
                yield f"query parameter {name} is not described"
        for name, parameter in known.items():
            if parameter.get("required") and name not in given:
                yield f"query parameter {name} is required"

    def _path_problems(self, operation, path):
        schemas = {p["name"]: p["schema"] for p in operation.parameters if p["in"] == "path"}
        for variable, value in zip(operation.template.split("/"), path.split("/")):
            if variable.startswith("{") and variable[1:-1] in schemas:
                yield from self._text_problems(schemas[variable[1:-1]], unquote(value), f"path variable {variable[1:-1]}")

    def _text_problems(self, schema, text, where):
        """A value of a path or query is text; the schema says what it has to read like."""
        kind = schema.get("type")
        readable = {"integer": r"-?\d+", "number": r"-?\d+(\.\d+)?", "boolean": "true|false"}.get(kind)
        if readable and not re.fullmatch(readable, text):
            yield f"{where} is no {kind}"
        elif readable is None:
            yield from self._value_problems(schema, text, where, False, 0)

    def _body_problems(self, operation, request):
        if not request.body:
            return ["the body is missing"] if operation.body and self._resolve(operation.body).get("required") else []
        if operation.body is None:
            return ["a body is sent where none is described"]
        document = request.document()
        if document is None:
            return ["the body is no JSON"]
        return list(self._value_problems(operation.body, document, "body", True, 0))

    def reply_problems(self, method, path, reply):
        """What is wrong with a successful answer of this server, as sentences."""
        operation = self.operation(method, path)
        if operation is None or not 200 <= reply.status < 300:
            return []
        described = {code: schema for code, schema in operation.replies.items() if code.startswith("2")}
        # Data Center answers 201 where its description says 200; the schema is the same.
        schema = described.get(str(reply.status), next(iter(described.values()), None))
        document = reply.document()
        if schema is None or document is None:
            return []
        return [f"this server's own answer: {problem}" for problem in self._value_problems(schema, document, "answer", False, 0)]

    def _resolve(self, schema):
        """The plain schema behind references and `allOf`, members and requirements put together."""
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return self._resolve(self._document["components"]["schemas"][name])
        if "allOf" not in schema:
            return schema
        parts = [self._resolve(part) for part in schema["allOf"]]
        whole = {"type": "object", "properties": {}, "required": []}
        for part in parts:
            whole["properties"].update(part.get("properties", {}))
            whole["required"] = whole["required"] + part.get("required", [])
        return whole

    def _value_problems(self, schema, value, where, is_sent, depth):
        schema = self._resolve(schema)
        if depth > DEEPEST:
            return
        kind = schema.get("type") or ("object" if "properties" in schema else None)
        if kind and not is_of_type(value, kind):
            yield f"{where} is no {kind}"
        elif isinstance(value, str):
            yield from text_problems(schema, value, where, is_sent)
        elif isinstance(value, dict):
            yield from self._object_problems(schema, value, where, is_sent, depth)
        elif isinstance(value, list):
            yield from self._list_problems(schema, value, where, is_sent, depth)
        elif isinstance(value, (int, float)) and not isinstance(value, bool) and value < schema.get("minimum", value):
            yield f"{where} is less than {schema['minimum']}"

    def _object_problems(self, schema, value, where, is_sent, depth):
        members = schema.get("properties", {})
        for name in schema.get("required", []):
            if name not in value and not (is_sent and name in NOT_ASKED_OF_CLIENTS):
                yield f"{where}.{name} is required"
        # A client must not send what nobody described, be it a typing error; answers may hold more where the schema is open.
        closed = bool(members) and (is_sent or schema.get("additionalProperties") is False)
        for name, member in value.items():
            if name in members:
                if not (member is None and is_sent and name in MAY_BE_NULL):
                    yield from self._value_problems(members[name], member, f"{where}.{name}", is_sent, depth + 1)
            elif closed:
                yield f"{where}.{name} is not described"

    def _list_problems(self, schema, value, where, is_sent, depth):
        if len(value) < schema.get("minItems", 0):
            yield f"{where} has fewer than {schema['minItems']} items"
        if schema.get("uniqueItems") and len({json.dumps(item, sort_keys=True) for item in value}) < len(value):
            yield f"{where} has an item twice"
        for number, item in enumerate(value):
            yield from self._value_problems(schema.get("items", {}), item, f"{where}[{number}]", is_sent, depth + 1)


def is_of_type(value, kind):
    """Whether a JSON value is of an OpenAPI type; true and false are no numbers."""
    if kind in ("integer", "number") and isinstance(value, bool):
        return False
    types = {"string": str, "object": dict, "array": list, "boolean": bool, "integer": int, "number": (int, float)}
    return isinstance(value, types[kind])


def text_problems(schema, text, where, is_sent):
    """What is wrong with a text."""
    if "enum" in schema and text not in schema["enum"]:
        yield f"{where} is {text!r}, none of {', '.join(schema['enum'])}"
    if len(text) > schema.get("maxLength", len(text)):
        yield f"{where} has more than {schema['maxLength']} characters"
    if len(text) < schema.get("minLength", 0):
        yield f"{where} has fewer than {schema['minLength']} characters"
    if "pattern" in schema and not re.search(schema["pattern"], text):
        yield f"{where} does not match {schema['pattern']}"
    # Not asked of answers: the real ones write ssh addresses as git@bitbucket.org:acme/shop.git.
    if is_sent and schema.get("format") == "uri" and not urlsplit(text).scheme:
        yield f"{where} is no absolute URL"
