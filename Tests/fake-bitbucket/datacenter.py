"""Bitbucket Data Center below the context path /bitbucket: REST, git and OAuth."""

import base64
import re
import ssl
import time
import uuid
import zlib
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

import credentials
import gitrepo
import oauth
from credentials import datacenter_error, datacenter_refusal
from routing import Call, Route, body_of, find
from state import Hook
from wire import Refusal, Reply, is_web_address, json_reply

CONTEXT = "/bitbucket"
LARGEST_LIMIT = 1000
PING_SECONDS = 10
PING_BODY = b'{"test": true}'
LARGEST_PING_ANSWER = 64 * 1024
MOST_HOOKS = 1000
MOST_INVOCATIONS = 100
EVENTS = {
    "repo:refs_changed", "repo:modified", "repo:forked", "repo:comment:added", "repo:comment:edited", "repo:comment:deleted",
    "repo:secret_detected", "project:modified", "mirror:repo_synchronized", "pr:opened", "pr:from_ref_updated", "pr:to_ref_updated",
    "pr:modified", "pr:merged", "pr:declined", "pr:deleted", "pr:comment:added", "pr:comment:edited", "pr:comment:deleted",
    "pr:reviewer:updated", "pr:reviewer:approved", "pr:reviewer:unapproved", "pr:reviewer:needs_work", "pr:reviewer:changes_requested",
}
# What a permission brings along. PROJECT_READ comes with no permission on a single repository.
IMPLIED = {
    "REPO_ADMIN": ["REPO_WRITE"], "REPO_WRITE": ["REPO_READ"], "PROJECT_READ": ["REPO_READ"],
    "PROJECT_WRITE": ["PROJECT_READ", "REPO_WRITE"], "PROJECT_ADMIN": ["PROJECT_WRITE", "REPO_ADMIN"], "SYSTEM_ADMIN": ["PROJECT_ADMIN"],
}
BUILD_STATES = ("CANCELLED", "FAILED", "INPROGRESS", "SUCCESSFUL", "UNKNOWN")
BUILD_LIMITS = {"key": 255, "url": 450, "name": 255, "parent": 1024, "ref": 1024, "buildNumber": 255}
DEPLOYMENT_STATES = ("PENDING", "IN_PROGRESS", "CANCELLED", "FAILED", "ROLLED_BACK", "SUCCESSFUL", "UNKNOWN")
DEPLOYMENT_LIMITS = {"key": 255, "displayName": 255, "description": 255, "url": 1024}
ENVIRONMENT_TYPES = ("DEVELOPMENT", "TESTING", "STAGING", "PRODUCTION")


class Server:
    """What answers at https://localhost:PORT/bitbucket."""

    def __init__(self, state):
        self._state = state

    def forge_of(self, request):
        """git, OAuth or the REST API, by the path."""
        path = request.path.removeprefix(CONTEXT)
        if path.startswith("/scm/"):
            return "git-datacenter"
        return "oauth" if path.startswith("/rest/oauth2/") else "datacenter"

    def rest_path(self, request):
        """The path as the published description writes it, None for what is not in it. 1.0 is another name of latest."""
        match = re.fullmatch(CONTEXT + r"/rest(/[\w-]+)/(?:latest|1\.0)(/.*)", request.path)
        return f"{match[1]}/latest{match[2]}" if match and match[1] != "/oauth2" else None

    def handle(self, request):
        """The answer to a request of any kind."""
        if request.path.startswith(CONTEXT + "/scm/"):
            return self._git(request)
        if request.path.startswith(CONTEXT + "/rest/oauth2/latest/"):
            return oauth.datacenter(self._state, request, request.path.removeprefix(CONTEXT + "/rest/oauth2/latest"))
        path = self.rest_path(request)
        route, variables = find(ROUTES, request.method, path) if path else (None, {})
        if route is None:
            return datacenter_error(404, f"null for uri: {request.origin}{request.target}", "NoSuchResourceException")
        return self._rest(Call(self._state, request, route, variables))

    def _rest(self, call):
        headers = {}
        try:
            if call.route.permission:
                call.identity = call.request.identity = credentials.datacenter_rest(self._state, call.request)
                headers["X-AUSERNAME"] = call.identity.credential.data.get("user", "oauth")
            reply = call.route.answer(call)
        except Refusal as refusal:
            reply = refusal.reply
        reply.headers.update(headers)
        return reply

    def _git(self, request):
        match = re.fullmatch(CONTEXT + r"/scm/([^/]+)/([^/]+?)\.git(/.*)", request.path)
        if match is None:
            return Reply(404, b"Not found\n", {"Content-Type": "text/plain"})
        identity = request.identity = credentials.datacenter_git(self._state, request)
        project, slug, suffix = match.groups()
        repository = self._state.find("datacenter", project, slug)
        if repository is None or not identity.credential.sees(repository) or "REPO_READ" not in permissions(identity):
            return Reply(404, b"Repository not found\n", {"Content-Type": "text/plain"})
        if repository.full_name.lower() != f"{project}/{slug}".lower():
            query = request.target[len(request.path):]
            return Reply(301, b"", {"Location": f"{request.origin}{CONTEXT}{scm_path(repository)}{suffix}{query}"})
        return gitrepo.serve(repository.path, suffix, request)


# Errors, permissions and pages


def bad_request(message, context=None):
    """400; `context` is the member it is about."""
    return datacenter_error(400, message, "validation.ArgumentValidationException", context)


def permissions(identity):
    """Everything an identity may. Scopes of an OAuth token are permissions of a user, who may look into projects as well."""
    held, waiting = set(), list(identity.granted)
    if identity.kind == "oauth":
        waiting += ["PROJECT_READ"] if any(scope.startswith(("REPO", "PROJECT")) for scope in identity.granted) else []
    while waiting:
        permission = waiting.pop()
        if permission not in held:
            held.add(permission)
            waiting += IMPLIED.get(permission, [])
    return held


def require(call):
    """401 for who may not: Data Center has no other word for it."""
    if call.route.permission not in permissions(call.identity):
        raise datacenter_refusal("You are not permitted to access this resource", "AuthorisationException")


def page_of(call, items):
    """One page of a list. A limit above the server's own is lowered in silence."""
    start, limit = number(call, "start", 0), min(number(call, "limit", 25), LARGEST_LIMIT)
    if limit < 1:
        return bad_request("limit must be greater than zero", "limit")
    values = items[start:start + limit]
    document = {"values": values, "size": len(values), "limit": limit, "start": start, "isLastPage": start + limit >= len(items)}
    if not document["isLastPage"]:
        document["nextPageStart"] = start + limit
    return json_reply(200, document)


def number(call, name, default):
    """A query parameter that counts something."""
    text = call.request.parameter(name, str(default))
    if not text.isdecimal():
        raise Refusal(bad_request(f"{name} is not a number", name))
    return int(text)


def now():
    """Milliseconds since 1970, as Data Center writes times."""
    return int(time.time() * 1000)


# Repositories and branches


def repository_of(call):
    """The repository of the path, for who has the route's permission. A former name answers 301."""
    project, slug = call.variables["projectKey"], call.variables["repositorySlug"]
    repository = call.state.find("datacenter", project, slug)
    if repository is None:
        raise Refusal(missing_repository(call, project, slug))
    if not call.identity.credential.sees(repository):
        raise datacenter_refusal("You are not permitted to access this resource", "AuthorisationException")
    require(call)
    if repository.full_name.lower() != f"{project}/{slug}".lower():
        old = f"/projects/{project}/repos/{slug}"
        new = f"/projects/{repository.owner}/repos/{repository.slug}"
        raise Refusal(Reply(301, b"", {"Location": call.request.origin + call.request.target.replace(old, new, 1)}))
    return repository


def missing_repository(call, project, slug):
    """404, which tells a missing project from a missing repository."""
    if not call.state.repositories("datacenter", project):
        return datacenter_error(404, f"Project {project} does not exist.", "project.NoSuchProjectException")
    return datacenter_error(404, f"Repository {project}/{slug} does not exist.", "repository.NoSuchRepositoryException")


def project_of(call):
    """The repositories of the project of the path, for who has the route's permission there."""
    project = call.variables["projectKey"]
    repositories = call.state.repositories("datacenter", project)
    if not repositories:
        raise Refusal(datacenter_error(404, f"Project {project} does not exist.", "project.NoSuchProjectException"))
    require(call)
    return repositories


def base_url(call):
    """What the links begin with; an administrator may have set it wrong."""
    return call.state.datacenter.get("base_url") or call.request.origin + CONTEXT


def scm_path(repository):
    """The path of a repository for git; links write the project in small letters."""
    return f"/scm/{repository.owner.lower()}/{repository.slug}.git"


def repository_document(call, repository):
    """A repository as the API shows it."""
    is_personal = repository.owner.startswith("~")
    project = {
        "key": repository.owner, "id": zlib.crc32(repository.owner.encode()) % 100_000, "name": repository.owner.lstrip("~"),
        "public": False, "type": "PERSONAL" if is_personal else "NORMAL"}
    host = urlsplit(base_url(call)).hostname
    where = f"users/{repository.owner[1:]}" if is_personal else f"projects/{repository.owner}"
    return {
        "slug": repository.slug, "id": repository.number, "name": repository.name, "hierarchyId": f"{repository.number:020x}",
        "scmId": "git", "state": "AVAILABLE", "statusMessage": "Available", "forkable": True, "public": False, "archived": False,
        "project": project,
        "links": {
            "clone": [
                {"href": base_url(call) + scm_path(repository), "name": "http"},
                {"href": f"ssh://git@{host}:7999/{repository.owner.lower()}/{repository.slug}.git", "name": "ssh"}],
            "self": [{"href": f"{base_url(call)}/{where}/repos/{repository.slug}/browse"}]}}


def get_properties(call):
    """GET /application-properties, which asks for no credential."""
    settings = call.state.datacenter
    version = settings.get("version", "9.4.1")
    return json_reply(200, {
        "version": version, "buildNumber": version.replace(".", "00") + "0", "buildDate": "1720000000000",
        "displayName": settings.get("display_name", "Bitbucket")})


def list_repositories(call):
    """GET …/repos: what the credential sees of the project."""
    seen = [r for r in project_of(call) if call.identity.credential.sees(r)]
    return page_of(call, [repository_document(call, r) for r in sorted(seen, key=lambda r: r.slug)])


def get_repository(call):
    """GET …/repos/{repositorySlug}."""
    return json_reply(200, repository_document(call, repository_of(call)))


def list_branches(call):
    """GET …/branches, the one that moved last first unless asked otherwise."""
    repository = repository_of(call)
    default = gitrepo.default_branch(repository.path)
    text = call.request.parameter("filterText", "").lower()
    found = [b for b in gitrepo.branches(repository.path) if text in b.name.lower()]
    if call.request.parameter("orderBy", "MODIFICATION") == "MODIFICATION":
        found.sort(key=lambda b: b.date, reverse=True)
    if call.request.parameter("boostMatches") == "true":
        found.sort(key=lambda b: (b.name.lower() != text, not b.name.lower().startswith(text)))
    return page_of(call, [branch_document(branch, default) for branch in found])


def branch_document(branch, default):
    """A branch as the API shows it. Real answers say isDefault where the description says default."""
    return {
        **reference(branch.name), "latestCommit": branch.commit, "latestChangeset": branch.commit,
        "isDefault": branch.name == default, "default": branch.name == default}


def reference(name):
    """A branch without what it stands at."""
    return {"id": f"refs/heads/{name}", "displayId": name, "type": "BRANCH"}


def get_default_branch(call):
    """GET …/default-branch."""
    return json_reply(200, reference(gitrepo.default_branch(repository_of(call).path)))


# Webhooks


def hook_subject(call):
    """The repository, or the project by its name in small letters, whose hooks a path means."""
    if "repositorySlug" in call.variables:
        return repository_of(call)
    return project_of(call)[0].owner.lower()


def hook_of(call):
    """The hook of the path."""
    subject = hook_subject(call)
    for hook in call.state.hooks_of("datacenter", subject):
        if str(hook.id) == call.variables["webhookId"]:
            return hook
    message = f"No webhook with id {call.variables['webhookId']} exists."
    raise Refusal(datacenter_error(404, message, "webhooks.NoSuchWebhookException"))


def hook_document(hook):
    """A hook as the API shows it: its configuration without the secret."""
    return {
        "id": hook.id, "createdDate": int(hook.created_at * 1000), "updatedDate": int(hook.updated_at * 1000),
        "scopeType": "project" if isinstance(hook.subject, str) else "repository", **hook.members}


def list_hooks(call):
    """GET …/webhooks."""
    hooks = call.state.hooks_of("datacenter", hook_subject(call))
    event = call.request.parameter("event")
    return page_of(call, [hook_document(hook) for hook in hooks if event is None or event in hook.members["events"]])


def get_hook(call):
    """GET …/webhooks/{webhookId}."""
    return json_reply(200, hook_document(hook_of(call)))


def create_hook(call):
    """POST …/webhooks."""
    subject, body = hook_subject(call), body_of(call, bad_request)
    check_hook(body)
    hook = Hook("datacenter", subject, call.state.next_number(), body.get("configuration", {}).get("secret"), hook_members(body))
    if not call.state.add_hook(hook, MOST_HOOKS):
        return bad_request("There are too many webhooks already.")
    return json_reply(201, hook_document(hook))


def update_hook(call):
    """PUT …/webhooks/{webhookId} replaces all of it: a configuration without a secret is a hook without a secret."""
    hook, body = hook_of(call), body_of(call, bad_request)
    check_hook(body)
    with call.state.lock:
        hook.secret = body.get("configuration", {}).get("secret")
        hook.members = hook_members(body)
        hook.updated_at = time.time()
        return json_reply(200, hook_document(hook))


def delete_hook(call):
    """DELETE …/webhooks/{webhookId}."""
    call.state.remove_hook(hook_of(call))
    return Reply(204)


def hook_members(body):
    """What a body says of a hook, but for its secret."""
    configuration = {"createdBy": "bitbucket", **body.get("configuration", {})}
    configuration.pop("secret", None)
    return {
        "name": body["name"], "url": body["url"], "active": body.get("active", True), "events": body["events"],
        "configuration": configuration, "sslVerificationRequired": body.get("sslVerificationRequired", True)}


def check_hook(body):
    """The API's own rules for a hook."""
    if not isinstance(body.get("name"), str) or not 1 <= len(body["name"]) <= 255:
        raise Refusal(bad_request("The webhook's name must be between 1 and 255 characters long.", "name"))
    if not is_web_address(body.get("url")):
        raise Refusal(bad_request("The webhook's URL must be an absolute http or https URL.", "url"))
    events = body.get("events")
    if not isinstance(events, list) or not events or not EVENTS.issuperset(map(str, events)) or len(set(map(str, events))) < len(events):
        raise Refusal(bad_request("The webhook's events must be known, each once, and at least one.", "events"))
    configuration = body.get("configuration", {})
    secret = configuration.get("secret") if isinstance(configuration, dict) else ""
    if secret is not None and (not isinstance(secret, str) or not 1 <= len(secret) <= 255):
        raise Refusal(bad_request("The webhook's secret must be between 1 and 255 characters long.", "configuration"))


# Deliveries: the test of a connection, and what is remembered of it


def test_hook(call):
    """POST …/webhooks/test: sends a ping, without a signature even where the hook has a secret."""
    subject = hook_subject(call)
    url = call.request.parameter("url")
    if not is_web_address(url):
        return bad_request("The URL must be an absolute http or https URL.", "url")
    is_verified = call.request.parameter("sslVerificationRequired", "true") != "false"
    started = now()
    headers = ping_headers(call)
    answer = send_ping(url, headers, is_verified)
    document = {"request": {"url": url, "method": "POST", "headers": headers, "body": PING_BODY.decode()}, **answer}
    for hook in call.state.hooks_of("datacenter", subject):
        if str(hook.id) == call.request.parameter("webhookId"):
            remember(call.state, hook, started, document)
    return json_reply(200, document)


def ping_headers(call):
    """The headers of a ping; the credentials of the body are passed on."""
    version = call.state.datacenter.get("version", "9.4.1")
    headers = {
        "X-Event-Key": "diagnostics:ping", "X-Request-Id": str(uuid.uuid4()), "Content-Type": "application/json; charset=utf-8",
        "User-Agent": f"Atlassian HttpClient 4.0.0 / Bitbucket-{version} ({version.replace('.', '00')}0) / Default"}
    given = call.request.document() or {}
    if given.get("username"):
        pair = f"{given['username']}:{given.get('password', '')}".encode()
        headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()
    return headers


def send_ping(url, headers, is_verified):
    """{"response": …} of the receiver, or {"error": …}. Nothing outside of this machine is ever reached."""
    parts = urlsplit(url)
    if parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        return {"error": f"{parts.hostname}: Name or service not known"}
    context = ssl.create_default_context()
    if not is_verified:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    secured = {"context": context} if parts.scheme == "https" else {}
    connection = (HTTPSConnection if secured else HTTPConnection)(parts.hostname, parts.port, timeout=PING_SECONDS, **secured)
    try:
        connection.request("POST", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), PING_BODY, headers)
        answer = connection.getresponse()
        body = answer.read(LARGEST_PING_ANSWER).decode("utf-8", "replace")
        return {"response": {"statusCode": answer.status, "headers": dict(answer.getheaders()), "body": body}}
    except (OSError, HTTPException) as problem:
        return {"error": str(problem)}
    finally:
        connection.close()


def remember(state, hook, started, document):
    """Notes a delivery in the hook's own log."""
    code = document.get("response", {}).get("statusCode")
    outcome = "ERROR" if code is None else "SUCCESS" if 200 <= code < 300 else "FAILURE"
    with state.lock:
        hook.invocations.append({
            "id": state.next_number(), "event": "diagnostics:ping", "start": started, "finish": now(), "duration": now() - started,
            "eventScope": {"id": "0", "type": "diagnostics"}, "request": document["request"],
            "result": {"outcome": outcome, "description": str(code or document["error"]), **document.get("response", {})}})
        del hook.invocations[:-MOST_INVOCATIONS]


def get_latest(call):
    """GET …/webhooks/{webhookId}/latest, 204 where nothing was delivered yet."""
    outcome, event = call.request.parameter("outcome"), call.request.parameter("event")
    for invocation in reversed(hook_of(call).invocations):
        if outcome in (None, invocation["result"]["outcome"]) and event in (None, invocation["event"]):
            return json_reply(200, invocation)
    return Reply(204)


def get_statistics(call):
    """GET …/webhooks/{webhookId}/statistics."""
    invocations = hook_of(call).invocations
    outcomes = [invocation["result"]["outcome"] for invocation in invocations]
    counts = {"errors": outcomes.count("ERROR"), "failures": outcomes.count("FAILURE"), "successes": outcomes.count("SUCCESS")}
    last = {f"last{outcome.capitalize()}": i for i in invocations for outcome in [i["result"]["outcome"]]}
    return json_reply(200, {"counts": counts, **last})


# Build statuses and deployments


def commit_of(call, repository):
    """The full name of the commit of the path."""
    commit = gitrepo.full_commit(repository.path, call.variables["commitId"])
    if commit is None:
        message = f"Commit '{call.variables['commitId']}' does not exist in repository '{repository.slug}'."
        raise Refusal(datacenter_error(404, message, "commit.NoSuchCommitException"))
    return commit


def create_build(call):
    """POST …/commits/{commitId}/builds. The same key again overwrites."""
    repository = repository_of(call)
    commit, body = commit_of(call, repository), body_of(call, bad_request)
    check_texts(body, ("key", "url"), BUILD_LIMITS)
    check_choice(body, "state", BUILD_STATES)
    if not is_web_address(body["url"]):
        return bad_request("url must be an absolute URL", "url")
    if "ref" in body and not body["ref"].startswith("refs/"):
        return bad_request("ref must start with refs/", "ref")
    call.state.put_result(call.state.statuses, repository, commit, body["key"], body)
    return Reply(204)


def get_build(call):
    """GET …/commits/{commitId}/builds?key=."""
    repository = repository_of(call)
    body = call.state.result(call.state.statuses, repository, commit_of(call, repository), call.request.parameter("key"))
    return json_reply(200, body) if body else datacenter_error(404, "No such build status", "build.NoSuchBuildStatusException")


def create_deployment(call):
    """POST …/commits/{commitId}/deployments. One environment, key and sequence number is one deployment."""
    repository = repository_of(call)
    commit, body = commit_of(call, repository), body_of(call, bad_request)
    check_deployment(body)
    key = f"{body['environment']['key']}/{body['key']}/{body['deploymentSequenceNumber']}"
    call.state.put_result(call.state.deployments, repository, commit, key, body)
    return json_reply(200, {
        **body, "lastUpdated": now(), "repository": repository_document(call, repository),
        "toCommit": {"id": commit, "displayId": commit[:11]}})


def check_deployment(body):
    """The API's own rules for a deployment."""
    check_texts(body, ("description", "displayName", "key", "url"), DEPLOYMENT_LIMITS)
    check_choice(body, "state", DEPLOYMENT_STATES)
    sequence = body.get("deploymentSequenceNumber")
    if not isinstance(sequence, int) or isinstance(sequence, bool) or sequence < 0:
        raise Refusal(bad_request("deploymentSequenceNumber must be a number", "deploymentSequenceNumber"))
    environment = body.get("environment")
    if not isinstance(environment, dict):
        raise Refusal(bad_request("environment is required", "environment"))
    check_texts(environment, ("displayName", "key"), DEPLOYMENT_LIMITS)
    if "type" in environment:
        check_choice(environment, "type", ENVIRONMENT_TYPES)


def check_texts(body, required, limits):
    """Members that have to be there, and texts that may not be longer."""
    for name in required:
        if not body.get(name):
            raise Refusal(bad_request(f"{name} is required", name))
    for name, limit in limits.items():
        value = body.get(name, "")
        if not isinstance(value, str) or len(value) > limit:
            raise Refusal(bad_request(f"{name} must be at most {limit} characters", name))


def check_choice(body, name, choices):
    """A member that is one of a few words."""
    if body.get(name) not in choices:
        raise Refusal(bad_request(f"{name} must be one of {', '.join(choices)}", name))


PROJECT = "/api/latest/projects/{projectKey}"
REPOSITORY = PROJECT + "/repos/{repositorySlug}"


def hook_routes(prefix, permission):
    """The operations on the hooks of a repository or a project."""
    one = prefix + "/webhooks/{webhookId}"
    return [
        Route("GET", prefix + "/webhooks", list_hooks, permission=permission),
        Route("POST", prefix + "/webhooks", create_hook, permission=permission),
        Route("POST", prefix + "/webhooks/test", test_hook, permission=permission),
        Route("GET", one, get_hook, permission=permission),
        Route("PUT", one, update_hook, permission=permission),
        Route("DELETE", one, delete_hook, permission=permission),
        Route("GET", one + "/latest", get_latest, permission=permission),
        Route("GET", one + "/statistics", get_statistics, permission=permission),
    ]


ROUTES = [
    Route("GET", "/api/latest/application-properties", get_properties),
    Route("GET", PROJECT + "/repos", list_repositories, permission="PROJECT_READ"),
    Route("GET", REPOSITORY, get_repository, permission="REPO_READ"),
    Route("GET", REPOSITORY + "/branches", list_branches, permission="REPO_READ"),
    Route("GET", REPOSITORY + "/default-branch", get_default_branch, permission="REPO_READ"),
    Route("POST", REPOSITORY + "/commits/{commitId}/builds", create_build, permission="REPO_READ"),
    Route("GET", REPOSITORY + "/commits/{commitId}/builds", get_build, permission="REPO_READ"),
    Route("POST", REPOSITORY + "/commits/{commitId}/deployments", create_deployment, permission="REPO_READ"),
    *hook_routes(REPOSITORY, "REPO_ADMIN"),
    *hook_routes(PROJECT, "PROJECT_ADMIN"),
]
