"""Who asks. Each function names the credential of a request or refuses it the way the real forge does."""

import base64
import binascii
from dataclasses import dataclass

from wire import Refusal, Reply, json_reply

# What a classic scope brings along, as the scope list of Bitbucket Cloud says. repository:admin and webhook bring nothing.
IMPLIED = {
    "repository:write": ["repository"], "pullrequest": ["repository"], "pullrequest:write": ["pullrequest", "repository:write"],
    "project": ["repository"], "account:write": ["account"], "team:write": ["team"], "pipeline:write": ["pipeline"],
    "pipeline:variable": ["pipeline:write"],
}
APP_PASSWORD_GONE = b"CHANGE-3222: app passwords were removed, use an API token instead\n"


@dataclass
class Identity:
    """A credential at work, with what it was granted: scopes on Cloud, permissions on Data Center."""

    credential: object
    granted: list

    @property
    def kind(self):
        """The kind of the scenario's entry."""
        return self.credential.kind

    @property
    def is_granular(self):
        """Whether its scopes are of the newer form, read:repository:bitbucket."""
        return self.kind == "api_token"


def authorization(request):
    """(scheme, user, secret) of a request; what it does not have is None."""
    scheme, _, rest = request.header("authorization").strip().partition(" ")
    if scheme.lower() == "bearer":
        return "Bearer", None, rest.strip()
    if scheme.lower() != "basic":
        return scheme or None, None, None
    try:
        user, _, secret = base64.b64decode(rest.strip(), validate=True).decode().partition(":")
        return "Basic", user, secret
    except (binascii.Error, UnicodeDecodeError):
        return "Basic", None, None


def has_scopes(identity, required):
    """Whether everything required was granted, or came along with what was granted."""
    held, waiting = set(), list(identity.granted)
    while waiting:
        scope = waiting.pop()
        if scope not in held:
            held.add(scope)
            waiting += IMPLIED.get(scope, [])
    return held.issuperset(required)


def bearer(state, forge, secret):
    """The identity behind an access token or a living OAuth token, or None. Raises ExpiredToken for one that has died."""
    for credential in state.credentials(forge, "access_token"):
        if secret and credential.data["token"] == secret:
            return Identity(credential, list(credential.data.get("scopes", [])))
    token = state.find_token(forge, secret) if secret else None
    if token is None:
        return None
    if not token.alive:
        raise ExpiredToken
    return Identity(token.credential, token.scopes)


class ExpiredToken(Exception):
    """An OAuth access token whose time is over, or whose consumer was switched off."""


# Cloud


def cloud_rest(state, request):
    """Basic e-mail:token for API tokens, Bearer for everything else, and nothing but the Authorization header."""
    scheme, user, secret = authorization(request)
    try:
        identity = bearer(state, "cloud", secret) if scheme == "Bearer" else api_token(state, secret, email=user)
    except ExpiredToken:
        raise cloud_refusal("Access token expired. Use your refresh token to obtain a new access token.") from None
    if identity is None:
        raise cloud_refusal("Token is invalid, expired, or not supported for this endpoint.")
    return identity


def api_token(state, secret, **owner):
    """The API token of that text, whose scenario entry has these members (email=…, username=…), or None."""
    for credential in state.credentials("cloud", "api_token"):
        is_owners = all(credential.data.get(member) == value for member, value in owner.items())
        if secret and credential.data["token"] == secret and is_owners:
            return Identity(credential, list(credential.data.get("scopes", [])))
    return None


def cloud_refusal(message):
    """401 of the Cloud API."""
    document = {"type": "error", "error": {"message": message}}
    return Refusal(json_reply(401, document, {"WWW-Authenticate": 'Basic realm="Bitbucket.org HTTP"'}))


def cloud_git(state, request):
    """Basic with a fixed user per kind of credential; the e-mail address is none of them."""
    scheme, user, secret = authorization(request)
    identity = None
    if scheme == "Basic" and user == "x-token-auth":
        try:
            identity = bearer(state, "cloud", secret)
        except ExpiredToken:
            identity = None
    elif scheme == "Basic" and user == "x-bitbucket-api-token-auth":
        identity = api_token(state, secret)
    elif scheme == "Basic":
        refuse_app_password(state, user, secret)
        identity = api_token(state, secret, username=user)
    if identity is None:
        raise git_refusal("Bitbucket.org HTTP")
    return identity


def refuse_app_password(state, user, secret):
    """git was told in so many words what had become of its app password."""
    for credential in state.credentials("cloud", "app_password"):
        if (credential.data["username"], credential.data["password"]) == (user, secret):
            raise Refusal(Reply(410, APP_PASSWORD_GONE, {"Content-Type": "text/plain"}))


def git_refusal(realm):
    """401 to git, which then asks for a name and a password."""
    return Refusal(Reply(401, b"Unauthorized\n", {"WWW-Authenticate": f'Basic realm="{realm}"', "Content-Type": "text/plain"}))


# Data Center


def datacenter_rest(state, request):
    """Bearer alone: repository and project tokens work no other way."""
    scheme, _, secret = authorization(request)
    if scheme is None:
        raise datacenter_refusal("You are not permitted to access this resource", "AuthorisationException")
    identity = datacenter_bearer(state, scheme, secret)
    if identity is None:
        message = "Authentication failed. Please check your credentials and try again."
        raise datacenter_refusal(message, "auth.IncorrectPasswordAuthenticationException")
    return identity


def datacenter_git(state, request):
    """As for REST."""
    scheme, _, secret = authorization(request)
    identity = datacenter_bearer(state, scheme, secret)
    if identity is None:
        raise git_refusal("Atlassian Bitbucket")
    return identity


def datacenter_bearer(state, scheme, secret):
    """The identity behind a Bearer token with its permissions spelt out, or None."""
    try:
        identity = bearer(state, "datacenter", secret) if scheme == "Bearer" else None
    except ExpiredToken:
        return None
    if identity is not None and identity.kind == "access_token":
        permission = identity.credential.data["permission"]
        identity.granted = [permission] if isinstance(permission, str) else list(permission)
    return identity


def datacenter_error(status, message, exception, context=None):
    """An error of Data Center's REST; `exception` is the class below com.atlassian.bitbucket."""
    error = {"context": context, "message": message, "exceptionName": f"com.atlassian.bitbucket.{exception}"}
    return json_reply(status, {"errors": [error]})


def datacenter_refusal(message, exception):
    """401 of Data Center, for credentials that are wrong and for those that may not."""
    return Refusal(datacenter_error(401, message, exception))
