"""A small firm that deploys with Bittern: its repository, its configuration, and the deliveries Bitbucket sends for it."""

import concurrent.futures
import hashlib
import hmac
import http.client
import json
import os
import pathlib
import sys
import threading
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "benchmarks"))

import deliveries  # noqa: E402 (of the benchmarks: a push as Bitbucket Cloud sends it)
from machine import expect, wait_for  # noqa: E402

SECRET = "hook-secret-of-the-systemd-test-0123"
DATABASE = "postgres://shop:not-for-any-log@db/shop"
PORT = 8470
# The commit of a branch that was not there.
NONE = "0" * 40

CONFIGURATION = """
hooks: {listen: 127.0.0.1:8470}
workers: 3
drain: 60s
accounts:
  acme:
    kind: bitbucket-cloud
    hook_secret: credential:acme-hook
"""

# Its output, its secret and its deploy step are what the journal is searched for.
SHOP = """
account: acme
repository: acme/shop
clone_url: file:///srv/git/shop.git
branch: main
root: /srv/shop
secrets: {DATABASE_URL: credential:shop-db}
build:
  - name: bundle
    run: echo "baking $(cat message)"
deploy:
  - name: warm
    run: echo "using $DATABASE_URL"
"""

# Its build begins, says so by opening a pipe, and ends when it is told how.
GATED = """
account: acme
repository: acme/shop
clone_url: file:///srv/git/shop.git
branch: gated
root: /srv/gated
build:
  - name: wait
    run: read -r answer </srv/gate; echo "told $answer"
"""

# It is held, so that thousands of pushes cost no build.
CROWD = """
account: acme
repository: acme/shop
clone_url: file:///srv/git/shop.git
branch: crowd
root: /srv/crowd
"""


def some_commit():
    """A commit that nobody has."""
    return deliveries.commit(uuid.uuid4().hex)


class Answer:
    def __init__(self, status, body, seconds, request):
        self.status = status
        self.body = body
        self.seconds = seconds
        self.request = request

    @property
    def jobs(self):
        return [result["job"] for result in json.loads(self.body)["results"] if result["job"]]


def deliver(branch, old, new, secret=SECRET, timeout=30, request=None):
    """Sends one signed push as Bitbucket Cloud does, on a connection of its own, and returns the answer."""
    body = json.dumps(deliveries.push(branch, old, new)).encode()
    request = request or str(uuid.uuid4())
    headers = {
        "Content-Type": "application/json", "User-Agent": "Bitbucket-Webhooks/2.0", "X-Event-Key": "repo:push", "X-Request-UUID": request,
        "X-Hook-UUID": "9c1a9d1e-0000-4000-8000-000000000000", "X-Attempt-Number": "1",
        "X-Hub-Signature": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
    }
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=timeout)
    try:
        connection.request("POST", "/hooks/acme", body, headers)
        response = connection.getresponse()
        return Answer(response.status, response.read().decode(), time.monotonic() - began, request)
    finally:
        connection.close()


class Fire:
    """Deliveries for one app at a steady rate, as a context; afterwards `answers` and `refused` say what became of them."""

    def __init__(self, rate, branch="crowd"):
        self.rate = rate
        self.branch = branch
        self.answers = []
        self.refused = []
        self.over = threading.Event()
        self.sent = 0

    def __enter__(self):
        # Enough of them that those who wait for a daemon that restarts hold nobody else up.
        self.senders = concurrent.futures.ThreadPoolExecutor(self.rate * 4)
        self.last = some_commit()
        self.pace = threading.Thread(target=self.keep_pace)
        self.pace.start()
        return self

    def keep_pace(self):
        began = time.monotonic()
        # Bounded, should nobody end it.
        while self.sent < self.rate * 120 and not self.over.wait(max(0, began + self.sent / self.rate - time.monotonic())):
            old, self.last = self.last, some_commit()
            self.senders.submit(self.send, old, self.last)
            self.sent += 1

    def send(self, old, new):
        try:
            answer = deliver(self.branch, old, new)
            (self.answers if answer.status in (200, 202) else self.refused).append(answer)
        except Exception as error:  # whatever it is, Bitbucket would have seen it
            self.refused.append(error)

    def __exit__(self, *_):
        self.over.set()
        self.pace.join()
        self.senders.shutdown()

    def check(self, shop):
        """None refused, none lost, none twice."""
        first = self.refused[:3]
        expect(not first, f"{len(self.refused)} of {self.sent} deliveries were refused, such as "
               + "; ".join(repr(one) if isinstance(one, Exception) else f"{one.status} {one.body}" for one in first))
        expect(len(self.answers) == self.sent, f"{self.sent} deliveries were sent and {len(self.answers)} answered")
        wanted = {answer.request for answer in self.answers}
        stored = [one["request_id"] for one in shop.json("deliveries --limit 10000") if one["request_id"] in wanted]
        expect(len(stored) == len(wanted) == len(set(stored)),
               f"{len(wanted)} deliveries were answered and {len(stored)} are in the ledger")

    @property
    def summary(self):
        return f"{self.sent} deliveries, the slowest answered after {max(answer.seconds for answer in self.answers):.2f} s"


class Shop:
    """The firm's server: what an administrator has prepared on the machine, and how its state is asked for."""

    def __init__(self, machine):
        self.machine = machine
        self.heads = {}
        # git serves a repository by file:// only to its owner.
        self.fetcher = "bittern"

    # MARK: Configuration

    def configure(self, configuration=CONFIGURATION, **apps):
        """Writes everything anew; nothing of what an earlier check had written stays."""
        apps = {"shop": SHOP, "gated": GATED, "crowd": CROWD} | apps
        self.machine.run("rm -rf /etc/bittern/apps.d; mkdir -p /etc/bittern/apps.d; install -d -m 700 /etc/bittern/credentials")
        self.machine.write("/etc/bittern/bittern.yaml", configuration)
        for name, text in apps.items():
            if text is not None:
                self.machine.write(f"/etc/bittern/apps.d/{name}.yaml", text)
        self.machine.write("/etc/bittern/credentials/acme-hook", SECRET + "\n", 0o600)
        self.machine.write("/etc/bittern/credentials/shop-db", DATABASE + "\n", 0o600)

    def open_roots(self):
        """The places that belong to the daemon's user, and the repository."""
        self.machine.run("""
            install -d -o bittern -g bittern /srv/shop /srv/gated /srv/crowd
            chown -R bittern: /srv/shop /srv/gated /srv/crowd
            [ -p /srv/gate ] || mkfifo -m 666 /srv/gate
        """)
        self.make_repository("bittern")

    def make_repository(self, owner):
        """The repository with its branches, whose it is."""
        self.fetcher = owner
        self.machine.run(f"""
            [ -d /srv/git ] || git init --quiet --bare --initial-branch=main /srv/git/shop.git
            chown -R {owner}: /srv/git
        """)
        if owner != "bittern":
            self.machine.write("/etc/systemd/system/bittern.service.d/git.conf", "[Service]\nBindReadOnlyPaths=/srv/git-of-daemon:/srv/git\n")
            self.show_daemon()
        for branch in {"main", "gated", "crowd"} - self.heads.keys():
            self.commit(branch)

    def configure_units(self, **apps):
        """The same apps, each with a user of its own, and the secret of the one where only the runner sees it."""
        self.make_repository("bittern-fetch")
        self.machine.run("""
            for user in shop gated crowd; do
                id $user >/dev/null 2>&1 || useradd --system --shell /usr/sbin/nologin $user
                install -d -o $user -g $user /srv/$user
                chown -R $user: /srv/$user
            done
        """)
        texts = {"shop": SHOP, "gated": GATED, "crowd": CROWD} | apps
        texts = {name: text and text + f"user: {name}\n" for name, text in texts.items()}
        self.configure(CONFIGURATION + "runner: systemd\nrunner_roots: [/srv]\n", **texts)
        self.machine.run("cd /etc/bittern && install -d -m 700 runner-credentials && mv credentials/shop-db runner-credentials/")

    # MARK: Pushes

    def show_daemon(self):
        """The daemon asks the forge for heads as its own user; so it sees a copy that is its own."""
        self.machine.run("""
            install -d -o bittern /srv/git-of-daemon
            rm -rf /srv/git-of-daemon/*
            cp -a /srv/git/shop.git /srv/git-of-daemon/
            chown -R bittern: /srv/git-of-daemon
        """)

    def commit(self, branch, message=None):
        """Commits to a branch of the repository and returns its old and its new head."""
        old = self.heads.get(branch, NONE)
        message = message or f"{branch} {uuid.uuid4().hex[:8]}"
        self.machine.run(["runuser", "-u", self.fetcher, "--", "/bin/sh", "-euc", f"""
            export HOME=/srv/git GIT_AUTHOR_NAME=Ann GIT_AUTHOR_EMAIL=ann@example.com
            export GIT_COMMITTER_NAME=Ann GIT_COMMITTER_EMAIL=ann@example.com
            [ -d /srv/git/work ] || git clone --quiet /srv/git/shop.git /srv/git/work 2>/dev/null
            cd /srv/git/work
            git checkout --quiet -B {branch}
            printf '%s\\n' "$1" >message
            git add message
            git commit --quiet --message "$1"
            git push --quiet --force origin {branch}
        """, "commit", message])
        self.heads[branch] = self.machine.out("git -c safe.directory='*' -C /srv/git/work rev-parse HEAD")
        if self.fetcher != "bittern":
            self.show_daemon()
        return old, self.heads[branch]

    def push(self, branch, message=None):
        """Commits, delivers, and returns the number of the job and the commit."""
        old, new = self.commit(branch, message)
        answer = deliver(branch, old, new)
        expect(answer.status == 202, f"the push to {branch} was answered {answer.status} {answer.body}")
        return answer.jobs[0], new

    # MARK: State

    def cli(self, command, **options):
        return self.machine.out("bittern " + command, **options)

    def json(self, command):
        return json.loads(self.cli(command + " --json"))

    def job(self, number):
        return self.json(f"show {number}")

    def ended(self, number, state="succeeded", seconds=30):
        job = wait_for(lambda: self.ended_job(number), f"job {number} to end", seconds)
        expect(job["state"] == state, f"job {number} {job['state']}: {job['reason']}, wanted {state}")
        return job

    def ended_job(self, number):
        job = self.job(number)
        return job if job["state"] not in ["queued", "running"] else None

    def live(self, app):
        return self.machine.path(f"/srv/{app}/current/REVISION").read_text().strip()

    # MARK: The gate

    def gate(self, answer=None, seconds=15):
        """Waits until a job stands at the gate; with an answer it goes on."""
        path = self.machine.path("/srv/gate")

        def at_gate():
            try:
                return os.open(path, os.O_WRONLY | os.O_NONBLOCK) + 1
            except OSError:
                return None

        pipe = wait_for(at_gate, "a job to reach the gate", seconds) - 1
        return Gate(pipe) if answer is None else Gate(pipe).answer(answer)


class Gate:
    """The open end of the pipe that a job reads from. As long as nothing is written the job waits, and so does one that runs after it."""

    def __init__(self, pipe):
        self.pipe = pipe

    def answer(self, text):
        def written():
            try:
                return os.write(self.pipe, text.encode() + b"\n")
            except BrokenPipeError:
                return None  # nobody stands there

        try:
            wait_for(written, "a job to come to the gate")
        finally:
            self.close()

    def close(self):
        os.close(self.pipe)
