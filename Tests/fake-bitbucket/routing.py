"""From a method and a path to the function that answers."""

import re
from dataclasses import dataclass
from functools import cache
from urllib.parse import unquote

from wire import Refusal


@dataclass(frozen=True)
class Route:
    """One operation. Cloud asks for scopes, `granular` of API tokens and `classic` of the rest; Data Center for a permission."""

    method: str
    template: str
    answer: object
    granular: tuple = ()
    classic: tuple = ()
    permission: str = None


@dataclass
class Call:
    """A request on its way through a route: who asks, and the decoded variables of the path."""

    state: object
    request: object
    route: Route
    variables: dict
    identity: object = None


@cache
def pattern(template):
    """A variable is one segment of the path: a slash inside a branch name has to come percent-encoded."""
    parts = re.split(r"(\{\w+\})", template)
    return re.compile("".join(f"(?P<{part[1:-1]}>[^/]+)" if part.startswith("{") else re.escape(part) for part in parts))


def find(routes, method, path):
    """(route, variables) of the first route that fits; the route is None where none does."""
    for route in routes:
        match = pattern(route.template).fullmatch(path) if route.method == method else None
        if match:
            return route, {name: unquote(value) for name, value in match.groupdict().items()}
    return None, {}


def body_of(call, bad_request):
    """The JSON object a client sent; `bad_request` makes the forge's own 400 of a sentence."""
    document = call.request.document()
    if call.request.media_type != "application/json" or not isinstance(document, dict):
        raise Refusal(bad_request("The body has to be a JSON object of type application/json."))
    return document
