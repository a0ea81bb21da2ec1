"""The tests' own way in: what was seen, and what is to go wrong next. Plain HTTP, JSON both ways."""

import cloud
import datacenter
from wire import Reply, json_reply


class Admin:
    """Answers on the admin port."""

    def __init__(self, state):
        self._state = state
        self._actions = {
            ("GET", "/requests"): lambda _: list(state.requests),
            ("POST", "/requests/clear"): lambda _: state.requests.clear(),
            ("GET", "/violations"): lambda _: list(state.violations),
            ("GET", "/foreign"): lambda _: list(state.foreign),
            ("GET", "/statuses"): lambda _: results(state.statuses),
            ("GET", "/deployments"): lambda _: results(state.deployments),
            ("GET", "/hooks"): lambda _: [hook_document(hook) for hook in state.hooks],
            ("GET", "/tokens"): lambda _: [token_document(token) for token in state.tokens()],
            ("POST", "/faults"): lambda body: {"id": state.add_fault(body)},
            ("DELETE", "/faults"): lambda _: state.clear_faults(),
            ("POST", "/near-limit"): self._set_near_limit,
            ("POST", "/oauth"): self._set_oauth,
            ("POST", "/rename"): lambda body: found(state.rename(body["forge"], body["from"], body["to"])),
            ("POST", "/credentials"): lambda body: found(state.set_revoked(body["forge"], body["index"], body["revoked"])),
            ("POST", "/repositories"): lambda body: {"full_name": state.add_repository(body["forge"], body).full_name},
        }

    def answer(self, request, peer):
        """The reply to a test: 400 for a request that makes no sense, 404 for what there is not."""
        action = self._actions.get((request.method, request.path))
        if action is None:
            return json_reply(404, {"error": f"no {request.method} {request.path} here"})
        try:
            with self._state.lock:
                return json_reply(200, action(request.document()))
        except NotThere:
            return json_reply(404, {"error": "there is no such thing"})
        except (KeyError, TypeError, ValueError) as problem:
            return json_reply(400, {"error": f"{type(problem).__name__}: {problem}"})

    def _set_near_limit(self, body):
        self._state.near_limit = bool(body["on"])

    def _set_oauth(self, body):
        unknown = set(body) - set(self._state.oauth)
        if unknown:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        self._state.oauth.update(body)


class NotThere(Exception):
    """What a test names does not exist."""


def found(is_there):
    """Nothing, where there was something to work on."""
    if not is_there:
        raise NotThere


def results(table):
    """Build statuses or deployments, oldest first, each with everything that was ever sent under its key."""
    return [
        {
            "forge": forge, "repository": entry["repository"].full_name, "commit": commit, "key": key,
            "current": entry["history"][-1], "history": entry["history"]}
        for (forge, _, commit, key), entry in table.items()]


def hook_document(hook):
    """A hook with what the forges never show."""
    is_repository = not isinstance(hook.subject, str)
    document = cloud.hook_document(hook) if hook.forge == "cloud" else datacenter.hook_document(hook)
    return {
        **document, "forge": hook.forge, "subject": hook.subject.full_name if is_repository else hook.subject,
        "secret": hook.secret}


def token_document(token):
    """A pair of OAuth tokens, and which half of it still lives."""
    return {
        "forge": token.credential.forge, "credential": token.credential.index, "grant": token.grant, "access_token": token.access,
        "refresh_token": token.refresh, "scopes": token.scopes, "alive": token.alive,
        "refresh_alive": token.refresh_alive and not token.credential.revoked}
