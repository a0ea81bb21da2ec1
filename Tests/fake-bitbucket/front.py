"""What every request to a forge goes through: the record, the rules every client has to keep, the faults, then the forge itself."""

import sys
import time
import traceback
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode

from credentials import authorization
from wire import Refusal, Reply, json_reply

LONGEST_HANG = 600
PEER_POLL_MILLISECONDS = 100
PADDING = b"a" * 65536
PAGING = ("page", "start")
# A browser opens these, not the client.
OPENED_BY_BROWSERS = ("/site/oauth2/authorize", "/bitbucket/rest/oauth2/latest/authorize")


class Front:
    """One place of a forge. `site` answers; `description` is the published one, or None."""

    def __init__(self, state, site, description):
        self._state = state
        self._site = site
        self._description = description

    def answer(self, request, peer):
        """The reply to a request, or None to close the connection."""
        request.forge = self._site.forge_of(request)
        entry = self._record(request)
        self._check_request(request)
        fault = self._state.take_fault(request)
        reply = self._faulty(fault, request, peer) if fault else self._handle(request)
        with self._state.lock:
            entry["status"] = reply.status if reply else None
            entry["credential"] = request.identity.kind if request.identity else None
        return reply

    def _record(self, request):
        """Notes the request at once, so that the tests see it even while it hangs."""
        scheme, user, _ = authorization(request)
        entry = {
            "forge": request.forge, "method": request.method, "path": request.target, "status": None, "credential": None,
            "authorization": scheme, "user": user, "body": request.document(), "at": int(time.monotonic() * 1000)}
        with self._state.lock:
            self._state.requests.append(entry)
        return entry

    def _handle(self, request):
        try:
            reply = self._site.handle(request)
        except Refusal as refusal:
            reply = refusal.reply
        except Exception:
            traceback.print_exc(file=sys.stderr)
            self._violate(request, "this server failed; see its standard error")
            return Reply(500)
        path = self._site.rest_path(request)
        if self._description and path:
            self._violate(request, *self._description.reply_problems(request.method, path, reply))
        return reply

    # Rules

    def _violate(self, request, *sentences):
        for sentence in sentences:
            self._state.violate(f"{request.method} {request.target}: {sentence}")

    def _check_request(self, request):
        if request.header("host").removesuffix(":443") != request.origin.partition("://")[2]:
            self._violate(request, f"the Host header is {request.header('host')!r}")
        if request.forge.startswith("git-") or request.path in OPENED_BY_BROWSERS:
            return
        self._violate(request, *header_problems(request))
        path = self._site.rest_path(request)
        if self._description and path:
            self._violate(request, *self._description.request_problems(request.method, path, request))

    # Faults

    def _faulty(self, fault, request, peer):
        action = fault.action
        if "status" in action:
            headers = {"Content-Type": "application/json", **action.get("headers", {})}
            return Reply(action["status"], action.get("body", "").encode(), headers)
        if "redirect" in action:
            return Reply(302, b"", {"Location": action["redirect"]})
        if "huge" in action:
            return Reply(200, Huge(action["huge"]), {"Content-Type": "application/json"})
        if "hang" in action:
            return self._handle(request) if hang(fault, peer) else None
        if "endless_pages" in action:
            return self._endless(request, fault)
        return None if "drop" in action else self._bent(request, action)

    def _bent(self, request, action):
        """The real answer with something wrong in it."""
        reply = self._handle(request)
        document = reply.document()
        if "broken_json" in action and isinstance(reply.body, bytes):
            return replace(reply, status=200, body=reply.body[:len(reply.body) // 2])
        if "foreign_next" in action and isinstance(document, dict) and "values" in document:
            return json_reply(reply.status, {**document, "next": action["foreign_next"]}, reply.headers)
        return reply

    def _endless(self, request, fault):
        """The first page, over and over, each time with another one to follow."""
        kept = [(name, value) for name, value in request.query if name not in PAGING]
        first = replace(request, target=request.path + ("?" + urlencode(kept) if kept else ""))
        reply = self._handle(first)
        request.identity = first.identity
        document = reply.document()
        if not isinstance(document, dict) or "values" not in document:
            return reply
        if request.forge == "cloud":
            mark = urlencode([*kept, ("page", f"endless-{self._state.next_number()}")])
            document["next"] = f"{request.origin}{request.path}?{mark}"
        else:
            start = request.parameter("start", "0")
            start = int(start) if start.isdecimal() else 0
            document.update(start=start, isLastPage=False, nextPageStart=start + max(1, len(document["values"])))
        return json_reply(reply.status, document, reply.headers)


class Huge:
    """A JSON answer of about that many bytes, whose length is not told beforehand."""

    def __init__(self, size):
        self._size = size

    def __iter__(self):
        yield b'{"values": [], "padding": "'
        for start in range(0, self._size, len(PADDING)):
            yield PADDING[:self._size - start]
        yield b'"}'

    def close(self):
        """Nothing is held."""


def hang(fault, peer):
    """Waits until the fault is cleared (True) or the peer has left (False)."""
    deadline = time.monotonic() + LONGEST_HANG
    while time.monotonic() < deadline:
        if fault.cleared.is_set():
            return True
        if peer.wait_until_gone(PEER_POLL_MILLISECONDS):
            return False
    return False


def header_problems(request):
    """What the headers of every request of the client have to be like."""
    accepted = request.header("accept")
    if "application/json" not in accepted and "*/*" not in accepted:
        yield f"Accept is {accepted!r}, it has to hold application/json or */*"
    if not request.header("user-agent").startswith("bittern/"):
        yield f"User-Agent is {request.header('user-agent')!r}, it has to begin with bittern/"
    wanted = "application/x-www-form-urlencoded" if request.forge == "oauth" else "application/json"
    if request.body and request.media_type != wanted:
        yield f"Content-Type is {request.header('content-type')!r}, it has to be {wanted}"
    secret_names = {"access_token", "token", "client_secret", "password"}
    for name, _ in parse_qsl(request.target.partition("?")[2]):
        if name in secret_names:
            yield f"the query holds {name}: secrets do not belong into addresses"
