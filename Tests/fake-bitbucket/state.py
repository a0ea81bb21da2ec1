"""What the two forges know and what was seen of the client, behind one lock.

The lock is never held while git runs or anything waits on a network.
"""

import re
import secrets
import threading
import time
import uuid
from collections import deque
from dataclasses import dataclass, field

MOST_RECORDS = 20_000
MOST_FAULTS = 1_000
CODE_SECONDS = 60
ACTIONS = {"status", "hang", "broken_json", "redirect", "endless_pages", "foreign_next", "huge", "drop"}


@dataclass
class Repository:
    """One repository of a forge. `owner` is a workspace (Cloud) or a project key (Data Center)."""

    forge: str
    owner: str
    slug: str
    name: str
    path: str
    project: str
    uuid: str
    number: int
    former: list = field(default_factory=list)

    @property
    def full_name(self):
        """How people write it: owner/slug."""
        return f"{self.owner}/{self.slug}"

    def was_ever(self, full_name):
        """Whether it has or had that name, without regard to case."""
        return full_name.lower() in [name.lower() for name in (self.full_name, *self.former)]


@dataclass
class Hook:
    """A webhook. `subject` is a Repository, or the name of a workspace or project in small letters; `members` is all but the secret."""

    forge: str
    subject: object
    id: str
    secret: str
    members: dict
    created_at: float = field(default_factory=time.time)
    updated_at: float = field(default_factory=time.time)
    invocations: list = field(default_factory=list)


@dataclass
class Credential:
    """One way in, as the scenario lists it. `data` is the scenario's own entry."""

    forge: str
    index: int
    kind: str
    data: dict
    revoked: bool = False

    def sees(self, repository):
        """Whether it may know of the repository; a renamed one stays visible under the name the scenario used."""
        names = self.data.get("repositories")
        return names is None or any(repository.was_ever(name) for name in names)


@dataclass
class Token:
    """A pair of OAuth tokens handed out in one answer. The refresh token dies at its first use."""

    credential: Credential
    grant: str
    access: str
    refresh: str
    scopes: list
    expires_at: float
    refresh_alive: bool

    @property
    def alive(self):
        """Whether the access token still opens anything."""
        return not self.credential.revoked and time.monotonic() < self.expires_at


@dataclass
class Code:
    """An authorization code, good for one exchange within CODE_SECONDS."""

    credential: Credential
    redirect_uri: str
    scopes: list
    challenge: str
    expires_at: float


class Fault:
    """Something the tests want to go wrong. `times` None means until it is cleared."""

    def __init__(self, number, document):
        self.number = number
        self.forge = document.get("forge")
        self.method = document.get("method")
        self.path = re.compile(document.get("path") or "")
        self.times = document.get("times")
        self.action = document["action"]
        if not ACTIONS.intersection(self.action):
            raise ValueError(f"an action is one of {', '.join(sorted(ACTIONS))}")
        self.cleared = threading.Event()

    def takes(self, request):
        """Whether it applies to the request."""
        return (
            self.times != 0
            and self.forge in (None, request.forge)
            and self.method in (None, request.method)
            and self.path.search(request.target) is not None
        )


class State:
    """Everything that changes while the server runs. `scenario` is the parsed scenario file."""

    def __init__(self, scenario):
        self.lock = threading.RLock()
        self.requests = deque(maxlen=MOST_RECORDS)
        self.violations = deque(maxlen=MOST_RECORDS)
        self.foreign = deque(maxlen=MOST_RECORDS)
        self.hooks = []
        self.statuses = {}
        self.deployments = {}
        self.near_limit = False
        self.oauth = {"expires_in": 7200, "deny": False}
        self.datacenter = scenario.get("datacenter") or {}
        self._repositories = []
        self._credentials = []
        self._faults = deque(maxlen=MOST_FAULTS)
        self._tokens = deque(maxlen=MOST_RECORDS)
        self._codes = {}
        self._last_number = 0
        for forge in ("cloud", "datacenter"):
            self._load(forge, scenario.get(forge) or {})

    def _load(self, forge, document):
        for entry in document.get("repositories", []):
            self.add_repository(forge, entry)
        for index, entry in enumerate(document.get("credentials", [])):
            self._credentials.append(Credential(forge, index, entry["kind"], entry))

    def next_number(self):
        """A number that no other object of this server has."""
        with self.lock:
            self._last_number += 1
            return self._last_number

    # Repositories

    def add_repository(self, forge, entry):
        """Adds a repository from a scenario's entry and returns it."""
        owner = entry["workspace" if forge == "cloud" else "project"]
        number = self.next_number()
        repository = Repository(
            forge, owner, entry["slug"], entry.get("name", entry["slug"]), entry["path"], entry.get("project", owner),
            entry.get("uuid") or braced(f"{forge}/{owner}/{entry['slug']}"), entry.get("id", number))
        with self.lock:
            self._repositories.append(repository)
        return repository

    def repositories(self, forge, owner=None):
        """The repositories of a forge, or of one owner there; Cloud takes the workspace's UUID as well."""
        with self.lock:
            return [r for r in self._repositories if r.forge == forge and (owner is None or is_owner(r, owner))]

    def find(self, forge, owner, slug):
        """The repository of that name, or of that former name, or None."""
        with self.lock:
            here = [r for r in self._repositories if r.forge == forge]
            for repository in here:
                if is_owner(repository, owner) and slug.lower() in (repository.slug.lower(), repository.uuid.lower()):
                    return repository
            return next((r for r in here if r.was_ever(f"{owner}/{slug}")), None)

    def rename(self, forge, old, new):
        """Gives a repository a new owner/slug; the old one leads to it from now on. False where there is none."""
        repository = self.find(forge, *old.split("/", 1))
        if repository is None:
            return False
        with self.lock:
            repository.former.append(repository.full_name)
            repository.owner, repository.slug = new.split("/", 1)
            repository.name = repository.slug
        return True

    # Credentials and OAuth

    def credentials(self, forge, *kinds):
        """The credentials of these kinds that were not revoked."""
        with self.lock:
            return [c for c in self._credentials if c.forge == forge and c.kind in kinds and not c.revoked]

    def set_revoked(self, forge, index, revoked):
        """Switches one credential of the scenario off or on, with every token issued for it."""
        with self.lock:
            for credential in self._credentials:
                if credential.forge == forge and credential.index == index:
                    credential.revoked = revoked
                    return True
        return False

    def issue_token(self, credential, grant, scopes, refreshable):
        """A new pair of tokens."""
        with self.lock:
            refresh = secrets.token_urlsafe(24) if refreshable else None
            expires_at = time.monotonic() + self.oauth["expires_in"]
            token = Token(credential, grant, secrets.token_urlsafe(32), refresh, scopes, expires_at, refreshable)
            self._tokens.append(token)
            return token

    def tokens(self):
        """All pairs handed out, oldest first."""
        with self.lock:
            return list(self._tokens)

    def find_token(self, forge, access):
        """The pair with that access token, alive or not, or None."""
        with self.lock:
            return next((t for t in self._tokens if t.credential.forge == forge and t.access == access), None)

    def use_refresh_token(self, credential, refresh):
        """The pair a refresh token belongs to, None where it is not alive. It is dead from now on."""
        with self.lock:
            for token in self._tokens:
                if token.credential is credential and token.refresh == refresh and token.refresh_alive:
                    token.refresh_alive = False
                    return token
        return None

    def issue_code(self, credential, redirect_uri, scopes, challenge):
        """A new authorization code; those nobody used in time are forgotten."""
        text = secrets.token_urlsafe(18)
        now = time.monotonic()
        with self.lock:
            self._codes = {key: code for key, code in self._codes.items() if code.expires_at > now}
            self._codes[text] = Code(credential, redirect_uri, scopes, challenge, now + CODE_SECONDS)
        return text

    def use_code(self, credential, text):
        """The code of that text, None where it is unknown, old, used or another client's. It is used up either way."""
        with self.lock:
            code = self._codes.pop(text, None)
        return code if code and code.credential is credential and time.monotonic() < code.expires_at else None

    # Records and faults

    def violate(self, sentence):
        """Notes that the client broke a rule."""
        with self.lock:
            self.violations.append(sentence)

    def add_fault(self, document):
        """Adds a fault from its JSON and returns its number."""
        fault = Fault(self.next_number(), document)
        with self.lock:
            self._faults.append(fault)
        return fault.number

    def clear_faults(self):
        """Ends all faults and lets go of the requests that hang in them."""
        with self.lock:
            for fault in self._faults:
                fault.cleared.set()
            self._faults.clear()

    def take_fault(self, request):
        """The oldest fault that applies to the request, or None. Counts as one of its times."""
        with self.lock:
            for fault in self._faults:
                if fault.takes(request):
                    fault.times = None if fault.times is None else fault.times - 1
                    return fault
        return None

    # Webhooks

    def hooks_of(self, forge, subject):
        """The hooks of a repository, workspace or project, oldest first."""
        with self.lock:
            return [hook for hook in self.hooks if hook.forge == forge and hook.subject == subject]

    def add_hook(self, hook, most):
        """Adds a hook where its subject has fewer than `most`, and says whether it did."""
        with self.lock:
            if len(self.hooks_of(hook.forge, hook.subject)) >= most:
                return False
            self.hooks.append(hook)
            return True

    def remove_hook(self, hook):
        """Removes a hook; one that is gone already stays gone."""
        with self.lock:
            self.hooks = [other for other in self.hooks if other is not hook]

    # Build statuses and deployments

    def put_result(self, table, repository, commit, key, body):
        """Stores the newest body under its key, keeping those before it, and returns when the first one came."""
        with self.lock:
            entry = table.setdefault(
                (repository.forge, repository.number, commit, key), {"repository": repository, "at": time.time(), "history": []})
            entry["history"].append(body)
            return entry["at"]

    def result(self, table, repository, commit, key):
        """The newest body under a key, or None."""
        with self.lock:
            entry = table.get((repository.forge, repository.number, commit, key))
            return entry["history"][-1] if entry else None


def braced(name):
    """A UUID that is always the same for a name, in Bitbucket's braces."""
    return "{" + str(uuid.uuid5(uuid.NAMESPACE_URL, name.lower())) + "}"


def workspace_uuid(workspace):
    """The UUID of a workspace."""
    return braced(f"workspace/{workspace}")


def is_owner(repository, owner):
    """Whether a repository belongs to the workspace or project of that name or UUID."""
    return owner.lower() in (repository.owner.lower(), workspace_uuid(repository.owner))
