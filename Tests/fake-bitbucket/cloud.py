"""Bitbucket Cloud: REST 2.0 at api.bitbucket.org, git and OAuth at bitbucket.org."""

import hashlib
import hmac
import ipaddress
import re
import secrets
import time
from datetime import datetime, timezone
from urllib.parse import quote, urlencode, urlsplit

import credentials
import gitrepo
import oauth
from routing import Call, Route, body_of, find
from state import Hook, is_owner, workspace_uuid
from wire import Refusal, Reply, is_web_address, json_reply

API = "https://api.bitbucket.org/2.0"
SITE = "https://bitbucket.org"
EVENTS = {
    "issue:comment_created", "issue:created", "issue:updated", "pipeline:span_created", "project:updated", "pullrequest:approved",
    "pullrequest:changes_request_created", "pullrequest:changes_request_removed", "pullrequest:comment_created",
    "pullrequest:comment_deleted", "pullrequest:comment_reopened", "pullrequest:comment_resolved", "pullrequest:comment_updated",
    "pullrequest:created", "pullrequest:fulfilled", "pullrequest:push", "pullrequest:rejected", "pullrequest:unapproved",
    "pullrequest:updated", "repo:commit_comment_created", "repo:commit_status_created", "repo:commit_status_updated", "repo:created",
    "repo:deleted", "repo:fork", "repo:imported", "repo:push", "repo:transfer", "repo:updated",
}
STATES = ("FAILED", "INPROGRESS", "STOPPED", "SUCCESSFUL")
STATUS_LIMITS = {"key": 40, "name": 255, "description": 255}
MOST_HOOKS = 50
MOST_CONDITIONS = 20
GONE = re.compile(r"/repositories|/workspaces|/user/permissions/\w+")
CONDITION = re.compile(r'\s*(\w+)\s*(~|!~|=|!=)\s*"((?:[^"\\]|\\.)*)"\s*(AND\b|OR\b|$)', re.IGNORECASE)
# Marks the pages of this run, so that no client can make up the address of one.
PAGE_KEY = secrets.token_bytes(16)


class Api:
    """What answers at api.bitbucket.org."""

    def __init__(self, state):
        self._state = state

    def forge_of(self, request):
        """All of it is the REST API."""
        return "cloud"

    def rest_path(self, request):
        """The path as the published description writes it."""
        return request.path.removeprefix("/2.0")

    def handle(self, request):
        """The answer to a REST request, with the headers that tell of scopes and limits."""
        if not request.path.startswith("/2.0/"):
            return error(404, "There is no API here.")
        path = self.rest_path(request)
        if GONE.fullmatch(path):
            return error(410, "CHANGE-2770 - Functionality has been deprecated")
        route, variables = find(ROUTES, request.method, path)
        if route is None:
            return error(404, "Resource not found")
        call = Call(self._state, request, route, variables)
        reply = self._answer(call)
        reply.headers.update(self._headers(call))
        return reply

    def _answer(self, call):
        try:
            if call.route.granular:
                call.identity = call.request.identity = credentials.cloud_rest(self._state, call.request)
                require(call, ())
            return call.route.answer(call)
        except Refusal as refusal:
            return refusal.reply

    def _headers(self, call):
        headers = {}
        if call.identity:
            headers["X-OAuth-Scopes"] = ", ".join(call.identity.granted)
            headers["X-Accepted-OAuth-Scopes"] = ", ".join(wanted(call))
        if self._state.near_limit:
            headers.update({"X-RateLimit-Limit": "1000", "X-RateLimit-Resource": "api", "X-RateLimit-NearLimit": "true"})
        return headers


class Site:
    """What answers at bitbucket.org: OAuth, and git."""

    def __init__(self, state):
        self._state = state

    def forge_of(self, request):
        """OAuth has its own place on the site."""
        return "oauth" if request.path.startswith("/site/oauth2/") else "git-cloud"

    def rest_path(self, request):
        """Nothing here is in the published description."""
        return None

    def handle(self, request):
        """The answer to a browser, an OAuth client or git."""
        if request.path.startswith("/site/oauth2/"):
            return oauth.cloud(self._state, request)
        match = re.fullmatch(r"/([^/]+)/([^/]+?)(?:\.git)?(/.*)", request.path)
        if match is None:
            return Reply(404, b"Not found\n", {"Content-Type": "text/plain"})
        return self._git(request, *match.groups())

    def _git(self, request, workspace, slug, suffix):
        identity = request.identity = credentials.cloud_git(self._state, request)
        needed = ["read:repository:bitbucket" if identity.is_granular else "repository"]
        repository = self._state.find("cloud", workspace, slug)
        if repository is None or not identity.credential.sees(repository):
            return Reply(404, b"Repository not found\n", {"Content-Type": "text/plain"})
        if not credentials.has_scopes(identity, needed):
            return Reply(403, b"Your credentials lack one or more required privilege scopes.\n", {"Content-Type": "text/plain"})
        if moved(repository, workspace, slug):
            query = request.target[len(request.path):]
            return Reply(301, b"", {"Location": f"{SITE}/{repository.full_name}.git{suffix}{query}"})
        return gitrepo.serve(repository.path, suffix, request)


# Errors, scopes and pages


def error(status, message, **more):
    """An error as the API words it."""
    return json_reply(status, {"type": "error", "error": {"message": message, **more}})


def bad_request(message, **more):
    """400."""
    return error(400, message, **more)


def bad_field(name, message):
    """400 for one member of a body."""
    return Refusal(bad_request(f"{name}: {message}", fields={name: [message]}))


def wanted(call):
    """The scopes a route asks of this kind of credential."""
    return call.route.granular if call.identity.is_granular else call.route.classic


def require(call, more):
    """Refuses a credential that lacks a scope of the route, or one of `more`."""
    required = [*wanted(call), *more]
    if not credentials.has_scopes(call.identity, required):
        detail = {"granted": call.identity.granted, "required": required}
        raise Refusal(error(403, "Your credentials lack one or more required privilege scopes.", detail=detail))


def page_of(call, items):
    """One page of a list. The link to the next one is the only way there: its address cannot be counted up."""
    length = call.request.parameter("pagelen", "10")
    if not length.isdecimal() or not 1 <= int(length) <= 100:
        raise Refusal(bad_request("Invalid pagelen"))
    start = page_start(call)
    end = start + int(length)
    document = {"pagelen": int(length), "values": items[start:end]}
    if end < len(items):
        kept = [(name, value) for name, value in call.request.query if name != "page"]
        document["next"] = f"{API}{call.request.path.removeprefix('/2.0')}?{urlencode([*kept, ('page', page_mark(call, end))])}"
    return json_reply(200, document)


def page_start(call):
    """Where the page begins that a mark stands for."""
    mark = call.request.parameter("page")
    if mark is None:
        return 0
    start = mark.rpartition("-")[2]
    if not start.isdecimal() or not hmac.compare_digest(mark.encode(), page_mark(call, int(start)).encode()):
        raise Refusal(error(404, "Invalid page"))
    return int(start)


def page_mark(call, start):
    """The mark of the page of this list that begins there."""
    tag = hmac.new(PAGE_KEY, f"{call.request.path} {start}".encode(), hashlib.sha256).hexdigest()[:16]
    return f"{tag}-{start}"


def selected(call, items, fields):
    """Those of (names, item) whose names fit `q`, ordered by `sort`. `fields` are the names that exist."""
    query = call.request.parameter("q")
    alternatives = parse_query(query, fields) if query else [[]]
    found = [entry for entry in items if any(all(holds(entry[0], c) for c in conditions) for conditions in alternatives)]
    sort = call.request.parameter("sort")
    if sort and sort.lstrip("-") not in fields:
        raise Refusal(bad_request(f"Invalid sort field: {sort}"))
    if sort:
        found.sort(key=lambda entry: entry[0][sort.lstrip("-")], reverse=sort.startswith("-"))
    return [item for _, item in found]


def parse_query(query, fields):
    """Alternatives of conditions (field, operator, text): the part of Bitbucket's filter language without brackets."""
    alternatives, position = [[]], 0
    for _ in range(MOST_CONDITIONS):
        match = CONDITION.match(query, position)
        if match is None or match[1] not in fields:
            break
        alternatives[-1].append((match[1], match[2], re.sub(r"\\(.)", r"\1", match[3])))
        if not match[4]:
            return alternatives
        if match[4].upper() == "OR":
            alternatives.append([])
        position = match.end()
    raise Refusal(bad_request(f"Invalid query: {query}"))


def holds(names, condition):
    """Whether one condition is true of an entry; ~ is containment without regard to case."""
    field, operator, text = condition
    is_true = text.lower() in names[field].lower() if operator.endswith("~") else names[field] == text
    return is_true != operator.startswith("!")


# Repositories and branches


def repository_of(call):
    """The repository of the path. A former name answers 301 to the same place under the new one."""
    workspace, slug = call.variables["workspace"], call.variables["repo_slug"]
    repository = call.state.find("cloud", workspace, slug)
    if repository is None or not call.identity.credential.sees(repository):
        raise Refusal(error(404, f"Repository {workspace}/{slug} not found"))
    if moved(repository, workspace, slug):
        rest = "".join("/" + part for part in call.request.path.split("/")[5:]) + call.request.target[len(call.request.path):]
        raise Refusal(Reply(301, b"", {"Location": f"{API}/repositories/{repository.full_name}{rest}"}))
    return repository


def moved(repository, workspace, slug):
    """Whether a repository goes by another name today than the one it was asked for by."""
    return not (is_owner(repository, workspace) and slug.lower() in (repository.slug.lower(), repository.uuid.lower()))


def repository_document(repository):
    """A repository as the API shows it."""
    own = f"{API}/repositories/{repository.full_name}"
    return {
        "type": "repository", "uuid": repository.uuid, "full_name": repository.full_name, "name": repository.name,
        "slug": repository.slug, "is_private": True, "scm": "git", "description": "",
        "mainbranch": {"type": "branch", "name": gitrepo.default_branch(repository.path)},
        "workspace": workspace_document(repository.owner),
        "project": {"type": "project", "key": repository.project, "name": repository.project},
        "links": {
            "self": {"href": own}, "html": {"href": f"{SITE}/{repository.full_name}"}, "hooks": {"href": f"{own}/hooks"},
            "clone": [
                {"name": "https", "href": f"{SITE}/{repository.full_name}.git"},
                {"name": "ssh", "href": f"git@bitbucket.org:{repository.full_name}.git"}]}}


def workspace_document(workspace):
    """The little that every credential may see of a workspace."""
    return {
        "type": "workspace_base", "slug": workspace, "uuid": workspace_uuid(workspace),
        "links": {"self": {"href": f"{API}/workspaces/{workspace}"}}}


def get_repository(call):
    """GET /repositories/{workspace}/{repo_slug}."""
    return json_reply(200, repository_document(repository_of(call)))


def list_repositories(call):
    """GET /repositories/{workspace}: what the credential sees there. Whatever it sees it is taken to have every role in."""
    workspace = call.variables["workspace"]
    there = call.state.repositories("cloud", workspace)
    if not there:
        return error(404, f"No workspace with identifier '{workspace}'.")
    if call.request.parameter("role", "member") not in ("admin", "contributor", "member", "owner"):
        return bad_request("Invalid role")
    fields = ("name", "full_name", "slug", "uuid")
    seen = [({name: getattr(r, name) for name in fields}, r) for r in there if call.identity.credential.sees(r)]
    repositories = selected(call, seen, fields)
    return page_of(call, [repository_document(repository) for repository in repositories])


def branch_document(repository, branch):
    """A branch as the API shows it."""
    own = f"{API}/repositories/{repository.full_name}"
    return {
        "type": "branch", "name": branch.name,
        "target": {
            "type": "commit", "hash": branch.commit, "date": branch.date, "message": branch.subject + "\n",
            "author": {"type": "author", "raw": branch.author}, "links": {"self": {"href": f"{own}/commit/{branch.commit}"}}},
        "links": {
            "self": {"href": f"{own}/refs/branches/{quote(branch.name, safe='')}"},
            "html": {"href": f"{SITE}/{repository.full_name}/branch/{quote(branch.name)}"}}}


def list_branches(call):
    """GET …/refs/branches."""
    repository = repository_of(call)
    entries = [({"name": b.name, "target.date": b.date}, branch_document(repository, b)) for b in gitrepo.branches(repository.path)]
    return page_of(call, selected(call, entries, ("name", "target.date")))


def get_branch(call):
    """GET …/refs/branches/{name}."""
    repository = repository_of(call)
    for branch in gitrepo.branches(repository.path):
        if branch.name == call.variables["name"]:
            return json_reply(200, branch_document(repository, branch))
    return error(404, f"Branch \"{call.variables['name']}\" does not exist")


# Users


def get_user(call):
    """GET /user. Access tokens belong to no user."""
    refuse_access_tokens(call)
    name = call.identity.credential.data.get("email", "consumer")
    return json_reply(200, {
        "type": "user", "display_name": name.partition("@")[0], "nickname": name.partition("@")[0], "uuid": workspace_uuid(name),
        "account_id": f"557058:{workspace_uuid(name)[1:-1]}", "account_status": "active",
        "links": {"self": {"href": f"{API}/users/{quote(workspace_uuid(name))}"}}})


def list_workspaces(call):
    """GET /user/workspaces."""
    refuse_access_tokens(call)
    if call.request.parameter("sort", "slug").lstrip("-") != "slug":
        return bad_request("Invalid sort field")
    owners = sorted({r.owner for r in call.state.repositories("cloud") if call.identity.credential.sees(r)})
    if call.request.parameter("sort", "").startswith("-"):
        owners.reverse()
    return page_of(call, [
        {"type": "workspace_access", "administrator": True, "workspace": workspace_document(owner)} for owner in owners])


def refuse_access_tokens(call):
    """Nothing below /user is for them."""
    if call.identity.kind == "access_token":
        raise Refusal(error(403, "This API is only accessible by users: repository, project and workspace access tokens are none."))


# Webhooks


def list_events(call):
    """GET /hook_events/{subject_type}, which asks for no credential. Workspaces and repositories take the same events here."""
    if call.variables["subject_type"] not in ("repository", "workspace"):
        return error(404, "Resource not found")
    return page_of(call, [{"event": event, "category": event.partition(":")[0], "label": event} for event in sorted(EVENTS)])


def hook_subject(call):
    """The repository or the workspace (by its name in small letters) whose hooks a path means."""
    if "repo_slug" in call.variables:
        return repository_of(call)
    there = call.state.repositories("cloud", call.variables["workspace"])
    if not there:
        raise Refusal(error(404, f"No workspace with identifier '{call.variables['workspace']}'."))
    credential = call.identity.credential
    if credential.data.get("repositories") is not None or credential.data.get("level", "workspace") != "workspace":
        raise Refusal(error(403, "Only workspace owners can manage the webhooks of a workspace."))
    return there[0].owner.lower()


def hook_of(call):
    """The hook of the path."""
    subject = hook_subject(call)
    for hook in call.state.hooks_of("cloud", subject):
        if hook.id == call.variables["uid"]:
            return hook
    raise Refusal(error(404, f"Webhook {call.variables['uid']} not found"))


def hook_document(hook):
    """A hook as the API shows it: whether it has a secret, never which."""
    is_workspace = isinstance(hook.subject, str)
    subject = workspace_document(hook.subject) if is_workspace else {"type": "repository", "full_name": hook.subject.full_name}
    return {
        "type": "webhook_subscription", "uuid": hook.id, "subject_type": "workspace" if is_workspace else "repository", "subject": subject,
        "secret_set": bool(hook.secret), "created_at": moment(hook.created_at), **hook.members}


def list_hooks(call):
    """GET …/hooks."""
    return page_of(call, [hook_document(hook) for hook in call.state.hooks_of("cloud", hook_subject(call))])


def get_hook(call):
    """GET …/hooks/{uid}."""
    return json_reply(200, hook_document(hook_of(call)))


def create_hook(call):
    """POST …/hooks."""
    subject, body = hook_subject(call), body_of(call, bad_request)
    check_hook(call, body)
    number = call.state.next_number()
    name = "{" + f"{number:08x}-0000-4000-8000-{number:012x}" + "}"
    hook = Hook("cloud", subject, name, body.get("secret") or None, hook_members(body, False))
    if not call.state.add_hook(hook, MOST_HOOKS):
        return bad_request(f"Maximum number of webhooks ({MOST_HOOKS}) reached")
    return json_reply(201, hook_document(hook), {"Location": API + call.request.path.removeprefix("/2.0") + "/" + quote(hook.id)})


def update_hook(call):
    """PUT …/hooks/{uid}. The secret changes only where the body speaks of it."""
    hook, body = hook_of(call), body_of(call, bad_request)
    check_hook(call, body)
    with call.state.lock:
        hook.members = hook_members(body, hook.members["active"])
        if "secret" in body:
            hook.secret = body["secret"] or None
        return json_reply(200, hook_document(hook))


def delete_hook(call):
    """DELETE …/hooks/{uid}."""
    call.state.remove_hook(hook_of(call))
    return Reply(204)


def hook_members(body, active):
    """What a body says of a hook, but for its secret."""
    return {
        "url": body["url"], "description": body["description"], "active": body.get("active", active), "events": body["events"],
        "skip_cert_verification": body.get("skip_cert_verification", False)}


def check_hook(call, body):
    """The API's own rules for a hook, and the scopes that its events ask for on top of the route's."""
    for name in ("description", "url", "events"):
        if name not in body:
            raise bad_field(name, "required key not provided")
    if not is_web_address(body["url"]) or is_internal(urlsplit(body["url"]).hostname):
        raise bad_field("url", "Enter a valid URL that is reachable from the internet.")
    events = body["events"]
    if not isinstance(events, list) or not events or len(set(map(str, events))) < len(events) or not EVENTS.issuperset(map(str, events)):
        raise bad_field("events", "a list of known events, each once, and at least one")
    if not isinstance(body.get("secret") or "", str) or len(body.get("secret") or "") > 128:
        raise bad_field("secret", "Ensure this value has at most 128 characters.")
    if not isinstance(body.get("active", True), bool):
        raise bad_field("active", "expected a boolean")
    require(call, event_scopes(events, call.identity.is_granular))


def is_internal(host):
    """Whether an address names a machine that Bitbucket could not reach. Only what can be told without asking a name server."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def event_scopes(events, is_granular):
    """The scopes for subscribing to events."""
    subjects = sorted({event.partition(":")[0] for event in events})
    names = ["repository" if subject == "repo" else subject for subject in subjects]
    return [f"read:{name}:bitbucket" for name in names] if is_granular else names


# Build statuses


def commit_of(call, repository):
    """The full name of the commit of the path."""
    commit = gitrepo.full_commit(repository.path, call.variables["commit"])
    if commit is None:
        raise Refusal(error(404, "Commit not found"))
    return commit


def create_status(call):
    """POST …/statuses/build. The same key again overwrites."""
    repository = repository_of(call)
    commit, body = commit_of(call, repository), body_of(call, bad_request)
    check_status(body)
    return put_status(call, 201, repository, commit, body)


def update_status(call):
    """PUT …/statuses/build/{key}. What the body leaves out stays; the key cannot change."""
    repository = repository_of(call)
    commit, body = commit_of(call, repository), body_of(call, bad_request)
    before = call.state.result(call.state.statuses, repository, commit, call.variables["key"])
    if before is None:
        return error(404, "Build status not found")
    body = {**before, **body, "key": call.variables["key"]}
    check_status(body)
    return put_status(call, 200, repository, commit, body)


def get_status(call):
    """GET …/statuses/build/{key}."""
    repository = repository_of(call)
    commit = commit_of(call, repository)
    body = call.state.result(call.state.statuses, repository, commit, call.variables["key"])
    return json_reply(200, status_document(repository, commit, body, time.time())) if body else error(404, "Build status not found")


def put_status(call, code, repository, commit, body):
    """Stores a status that was checked."""
    created = call.state.put_result(call.state.statuses, repository, commit, body["key"], body)
    return json_reply(code, status_document(repository, commit, body, created))


def status_document(repository, commit, body, created):
    """A build status as the API shows it."""
    own = f"{API}/repositories/{repository.full_name}/commit/{commit}"
    return {
        **body, "type": "build", "created_on": moment(created), "updated_on": moment(time.time()),
        "links": {"self": {"href": f"{own}/statuses/build/{quote(body['key'], safe='')}"}, "commit": {"href": own}}}


def check_status(body):
    """The API's own rules for a build status."""
    for name in ("key", "state"):
        if not body.get(name):
            raise bad_field(name, "This field is required.")
    if body["state"] not in STATES:
        raise bad_field("state", f"Select a valid choice. {body['state']} is not one of the available choices.")
    for name in ("key", "name", "description", "refname", "url"):
        value = body.get(name, "")
        if not isinstance(value, str):
            raise bad_field(name, "Enter a text.")
        if len(value) > STATUS_LIMITS.get(name, len(value)):
            raise bad_field(name, f"Ensure this value has at most {STATUS_LIMITS[name]} characters (it has {len(value)}).")
    if "url" in body and not is_web_address(body["url"]):
        raise bad_field("url", "Enter a valid URL.")


def moment(seconds):
    """A point in time as the API writes it."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="microseconds")


def not_offered(call):
    """A real operation that nothing here needs."""
    return error(501, "This server does not offer that.")


READ, READ_HOOKS = ("read:repository:bitbucket",), ("read:webhook:bitbucket",)
WRITE_HOOKS, DELETE_HOOKS = ("read:webhook:bitbucket", "write:webhook:bitbucket"), ("delete:webhook:bitbucket",)
REPOSITORY = "/repositories/{workspace}/{repo_slug}"
STATUS = REPOSITORY + "/commit/{commit}/statuses/build"


def hook_routes(prefix):
    """The five operations on the hooks of a repository or a workspace."""
    one = prefix + "/hooks/{uid}"
    return [
        Route("GET", prefix + "/hooks", list_hooks, READ_HOOKS, ("webhook",)),
        Route("POST", prefix + "/hooks", create_hook, WRITE_HOOKS, ("webhook",)),
        Route("GET", one, get_hook, READ_HOOKS, ("webhook",)),
        Route("PUT", one, update_hook, WRITE_HOOKS, ("webhook",)),
        Route("DELETE", one, delete_hook, DELETE_HOOKS, ("webhook",)),
    ]


# The scopes are those of the published description; selftest.py compares them.
ROUTES = [
    Route("GET", "/user", get_user, ("read:user:bitbucket",), ("account",)),
    Route("GET", "/user/workspaces", list_workspaces, ("read:workspace:bitbucket",), ("account",)),
    Route("GET", "/hook_events/{subject_type}", list_events),
    Route("GET", "/repositories/{workspace}", list_repositories, READ, ("repository",)),
    Route("GET", REPOSITORY, get_repository, READ, ("repository",)),
    Route("GET", REPOSITORY + "/refs/branches", list_branches, READ, ("repository",)),
    Route("GET", REPOSITORY + "/refs/branches/{name}", get_branch, READ, ("repository",)),
    Route("POST", STATUS, create_status, READ, ("repository",)),
    Route("GET", STATUS + "/{key}", get_status, READ, ("repository",)),
    Route("PUT", STATUS + "/{key}", update_status, READ, ("repository",)),
    Route("GET", REPOSITORY + "/deploy-keys", not_offered, ("admin:repository:bitbucket",), ("repository", "repository:admin")),
    Route("GET", REPOSITORY + "/diffstat/{spec}", not_offered, READ, ("repository",)),
    *hook_routes(REPOSITORY),
    *hook_routes("/workspaces/{workspace}"),
]
