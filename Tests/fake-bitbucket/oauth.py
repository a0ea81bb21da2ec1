"""The OAuth 2 servers of both forges. Whoever opens the authorization page is taken to have said yes, unless the tests say no."""

import base64
import hashlib
from urllib.parse import urlencode

from credentials import authorization
from wire import Refusal, Reply, form, json_reply

DATACENTER_SCOPES = {
    "PUBLIC_REPOS", "ACCOUNT_WRITE", "REPO_READ", "REPO_WRITE", "REPO_ADMIN", "PROJECT_ADMIN", "ADMIN_WRITE", "SYSTEM_ADMIN"}
CHALLENGE_LENGTH = 43


def cloud(state, request):
    """The answer at https://bitbucket.org/site/oauth2/."""
    if (request.method, request.path) == ("GET", "/site/oauth2/authorize"):
        return cloud_authorize(state, request)
    if (request.method, request.path) == ("POST", "/site/oauth2/access_token"):
        return cloud_token(state, request)
    return page(404, "Not found")


def datacenter(state, request, path):
    """The answer at /rest/oauth2/latest/. `path` is what follows that."""
    if (request.method, path) == ("GET", "/authorize"):
        return datacenter_authorize(state, request)
    if (request.method, path) == ("POST", "/token"):
        return datacenter_token(state, request)
    return page(404, "Not found")


def page(status, text):
    """What a browser is shown where there is no address to send it back to."""
    return Reply(status, text.encode(), {"Content-Type": "text/plain; charset=utf-8"})


def failure(error, description):
    """400 of a token endpoint."""
    return Refusal(json_reply(400, {"error": error, "error_description": description}))


def consumer(state, forge, key):
    """The OAuth consumer of that key, or None."""
    return next((c for c in state.credentials(forge, "oauth") if c.data["key"] == key), None)


def send_back(state, request, redirect_uri, code):
    """Sends the browser back with the code, or with the user's no."""
    answer = {"error": "access_denied"} if state.oauth["deny"] else {"code": code()}
    if request.parameter("state") is not None:
        answer["state"] = request.parameter("state")
    joint = "&" if "?" in redirect_uri else "?"
    return Reply(302, b"", {"Location": f"{redirect_uri}{joint}{urlencode(answer)}"})


def token_document(state, token):
    """What a token endpoint answers; a pair without a refresh token does not speak of one."""
    document = {
        "access_token": token.access, "token_type": "bearer", "expires_in": state.oauth["expires_in"],
        "scope": " ".join(token.scopes)}
    return document if token.refresh is None else {**document, "refresh_token": token.refresh}


# Cloud


def cloud_authorize(state, request):
    """GET authorize. Without a redirect_uri the consumer's first one counts."""
    client = consumer(state, "cloud", request.parameter("client_id"))
    if client is None:
        return page(400, "Invalid client_id")
    registered = client.data.get("redirect_uris", [])
    redirect_uri = request.parameter("redirect_uri", registered[0] if registered else "")
    if redirect_uri not in registered:
        return page(400, "Invalid redirect_uri")
    if request.parameter("response_type") != "code":
        return page(400, "Invalid response_type")
    return send_back(state, request, redirect_uri, lambda: state.issue_code(client, redirect_uri, client.data["scopes"], None))


def cloud_token(state, request):
    """POST access_token. The consumer names itself by Basic alone."""
    try:
        members = form_of(request)
        client = cloud_consumer(state, request, members)
        token = cloud_grant(state, client, members)
    except Refusal as refusal:
        return refusal.reply
    return json_reply(200, token_document(state, token))


def form_of(request):
    """The members of the form, or 400."""
    members = form(request)
    if members is None:
        raise failure("invalid_request", "The body has to be form-encoded.")
    return members


def cloud_consumer(state, request, members):
    """The consumer that Basic names, or 400. A secret in the body or the query is refused, whatever else is there."""
    scheme, key, secret = authorization(request)
    if "client_secret" in members or request.query:
        raise failure("invalid_request", "Credentials are accepted in the Authorization header alone.")
    client = consumer(state, "cloud", key) if scheme == "Basic" else None
    if client is None or client.data["secret"] != secret:
        raise failure("unauthorized_client", "Invalid OAuth client credentials")
    request.identity = Caller(client)
    return client


class Caller:
    """A consumer that named itself, for the record of requests."""

    def __init__(self, credential):
        self.credential = credential
        self.kind = credential.kind


def cloud_grant(state, client, members):
    """A new pair of tokens for a grant, or 400."""
    grant = members.get("grant_type")
    if grant == "client_credentials":
        return state.issue_token(client, grant, client.data["scopes"], refreshable=False)
    if grant == "authorization_code":
        code = state.use_code(client, members.get("code"))
        if code is None or members.get("redirect_uri", code.redirect_uri) != code.redirect_uri:
            raise failure("invalid_grant", "The specified code is not valid.")
        return state.issue_token(client, grant, code.scopes, refreshable=True)
    return refreshed(state, client, members)


def refreshed(state, client, members):
    """A new pair in place of an old one, whose refresh token is dead at once."""
    if members.get("grant_type") != "refresh_token":
        raise failure("unsupported_grant_type", "Unsupported grant type")
    old = state.use_refresh_token(client, members.get("refresh_token"))
    if old is None:
        raise failure("invalid_grant", "Invalid refresh_token")
    return state.issue_token(client, "refresh_token", old.scopes, refreshable=True)


# Data Center


def datacenter_authorize(state, request):
    """GET authorize. The address is compared as a whole; a challenge (PKCE) is asked for, and S256 alone will do."""
    client = consumer(state, "datacenter", request.parameter("client_id"))
    redirect_uri = request.parameter("redirect_uri")
    if client is None or redirect_uri not in client.data.get("redirect_uris", []):
        return page(400, "Unknown client_id or redirect_uri")
    scopes = request.parameter("scope", "").split()
    if request.parameter("response_type") != "code" or not scopes or not DATACENTER_SCOPES.issuperset(scopes):
        return page(400, "Invalid response_type or scope")
    challenge = request.parameter("code_challenge", "")
    if request.parameter("code_challenge_method") != "S256" or len(challenge) != CHALLENGE_LENGTH:
        return page(400, "Invalid code_challenge or code_challenge_method")
    return send_back(state, request, redirect_uri, lambda: state.issue_code(client, redirect_uri, scopes, challenge))


def datacenter_token(state, request):
    """POST token. The client names itself in the form; redirect_uri is asked for at every grant, refreshing included."""
    try:
        members = form_of(request)
        client = datacenter_client(state, request, members)
        token = datacenter_grant(state, client, members)
    except Refusal as refusal:
        return refusal.reply
    return json_reply(200, token_document(state, token))


def datacenter_client(state, request, members):
    """The client that the form names, or 400."""
    client = consumer(state, "datacenter", members.get("client_id"))
    if client is None or client.data["secret"] != members.get("client_secret") or request.query:
        raise failure("invalid_client", "Client credentials are invalid")
    if members.get("redirect_uri") not in client.data.get("redirect_uris", []):
        raise failure("invalid_grant", "Grant is not valid: redirect_uri is missing or not that of the client")
    request.identity = Caller(client)
    return client


def datacenter_grant(state, client, members):
    """A new pair of tokens for a grant, or 400."""
    if members.get("grant_type") != "authorization_code":
        return refreshed(state, client, members)
    code = state.use_code(client, members.get("code"))
    if code is None or members["redirect_uri"] != code.redirect_uri:
        raise failure("invalid_grant", "Grant is not valid: the code is unknown, used or too old")
    if challenge_of(members.get("code_verifier", "")) != code.challenge:
        raise failure("invalid_grant", "Grant is not valid: code_verifier does not fit code_challenge")
    return state.issue_token(client, "authorization_code", code.scopes, refreshable=True)


def challenge_of(verifier):
    """The S256 challenge of a verifier (RFC 7636); empty where the verifier is too short or too long."""
    if not CHALLENGE_LENGTH <= len(verifier) <= 128:
        return ""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
