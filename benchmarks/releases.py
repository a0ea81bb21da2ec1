"""How long a push takes to be live, beside the same git commands typed by hand, and beside a fresh clone."""

import hashlib
import hmac
import http.client
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import time

import deliveries
from page import Line, Section, table
from serving import Site

GIT = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.com",
       "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.com"}


def git(*words, **options):
    environment = os.environ | GIT
    return subprocess.run(["git", *words], env=environment, check=True, stdout=subprocess.PIPE, text=True, **options).stdout.strip()


class Origin:
    """A bare repository of so many files and commits, made by fast-import, and a way to push one commit more."""

    def __init__(self, path, files, commits):
        self.path = path
        self.number = 0
        git("init", "--quiet", "--bare", "--initial-branch=main", path)
        git("-C", path, "config", "gc.auto", "0")
        content = "x" * 2000
        with subprocess.Popen(["git", "-C", path, "fast-import", "--quiet"], stdin=subprocess.PIPE, text=True) as importer:
            write = importer.stdin.write
            for commit in range(commits):
                write(f"commit refs/heads/main\ncommitter a <a@example.com> {1_700_000_000 + commit} +0000\ndata 1\nc\n")
                for number in range(files) if commit == 0 else (commit % files,):
                    text = f"{content} {number} {commit}\n"
                    write(f"M 100644 inline d{number % 200}/f{number}\ndata {len(text)}\n{text}\n")
        self.head = git("-C", path, "rev-parse", "main")

    def push(self):
        """One commit that changes one file; returns the commit before it and itself."""
        self.number += 1
        text = f"changed {self.number}\n"
        stream = (f"commit refs/heads/main\ncommitter a <a@example.com> {1_800_000_000 + self.number} +0000\ndata 1\nc\nfrom {self.head}\n"
                  f"M 100644 inline d1/f1\ndata {len(text)}\n{text}\n")
        git("-C", self.path, "fast-import", "--quiet", input=stream)
        old, self.head = self.head, git("-C", self.path, "rev-parse", "main")
        return old, self.head


def settle():
    """What earlier work left for the disk is not to be paid for by the next measurement."""
    os.sync()
    time.sleep(0.2)


def deliver(port, old, new):
    body = json.dumps(deliveries.push("main", old, new)).encode()
    signature = hmac.new(deliveries.SECRET.encode(), body, hashlib.sha256).hexdigest()
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("POST", "/hooks/acme", body, {
        "Content-Type": "application/json", "X-Event-Key": "repo:push", "X-Request-UUID": new, "X-Hub-Signature": "sha256=" + signature})
    answer = connection.getresponse()
    answered = time.time()
    text = answer.read()
    if answer.status != 202:
        raise SystemExit(f"a push was answered {answer.status}: {text}")
    connection.close()
    return answered


def wait_for(condition, limit=60):
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("the release did not go live")
        time.sleep(0.0002)


def push_to_live(site, origin, times):
    """Seconds from the webhook to the renamed link, each time; and milliseconds from the answer to the first step's start."""
    root = site.directory + "/srv/shop"
    taken, first_steps = [], []
    for _ in range(times):
        # The tree for the next release is made off the critical path.
        wait_for(lambda: os.path.exists(root + "/.spare-mark") or not os.path.exists(root + "/current"))
        old, new = origin.push()
        settle()
        began = time.monotonic()
        answered = deliver(site.port, old, new)
        wait_for(lambda: os.path.islink(root + "/current") and os.readlink(root + "/current").endswith("-" + new[:7]))
        taken.append(time.monotonic() - began)
        with sqlite3.connect(site.ledger) as database:
            started = database.execute(
                "SELECT started_at FROM steps WHERE position = 0 AND job = (SELECT max(id) FROM jobs)").fetchone()[0]
            first_steps.append(started - answered * 1000)
            end = time.monotonic() + 60
            while database.execute("SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')").fetchone()[0]:
                if time.monotonic() > end:
                    raise SystemExit("a job did not end")
                time.sleep(0.01)
    return taken, first_steps


BY_HAND = """
set -e
git --git-dir="$1/mirror" fetch --quiet "$2" +refs/heads/main:refs/heads/main
mkdir -p "$1/releases/$3"
GIT_INDEX_FILE="$1/index" git --git-dir="$1/mirror" --work-tree="$1/releases/$3" read-tree --reset -u main
rm -f "$1/index"
sync -f "$1/releases/$3"
ln -s "releases/$3" "$1/new"
mv -T "$1/new" "$1/current"
sync -f "$1"
"""


def by_hand(directory, origin, times):
    """The same, typed into one shell, with a mirror that is warm."""
    os.makedirs(directory + "/releases")
    git("clone", "--quiet", "--bare", "file://" + origin.path, directory + "/mirror")
    git("-C", directory + "/mirror", "config", "gc.auto", "0")
    taken = []
    for number in range(times):
        origin.push()
        settle()
        began = time.monotonic()
        subprocess.run(["sh", "-c", BY_HAND, "sh", directory, "file://" + origin.path, str(number)], check=True, env=os.environ | GIT)
        taken.append(time.monotonic() - began)
    return taken


def by_clone(directory, origin, times):
    """A fresh clone of the newest commit alone, renamed into its place."""
    os.makedirs(directory)
    taken = []
    for number in range(times):
        origin.push()
        settle()
        began = time.monotonic()
        git("clone", "--quiet", "--depth", "1", "--branch", "main", "file://" + origin.path, f"{directory}/new-{number}")
        subprocess.run(["sync", "-f", f"{directory}/new-{number}"], check=True)
        os.symlink(f"new-{number}", directory + "/link")
        os.rename(directory + "/link", directory + "/current")
        taken.append(time.monotonic() - began)
        shutil.rmtree(f"{directory}/new-{number - 1}", ignore_errors=True)
    return taken


def measure(directory):
    rows, ratios, firsts = [], [], []
    for name, files, commits, times, other, against in (
        ("100 files, one changed", 100, 200, 15, by_hand, "the same git commands in a shell"),
        ("20,000 files, 2,000 commits, one changed", 20_000, 2_000, 5, by_clone, "`git clone --depth 1 --branch`"),
    ):
        place = f"{directory}/releases-{files}"
        os.makedirs(place)
        origin = Origin(place + "/origin.git", files, commits)
        theirs = statistics.median(other(place + "/other", origin, times))
        site = Site(place + "/site", origin.path)
        with site.serving():
            push_to_live(site, origin, 2)
            ours, first = push_to_live(site, origin, times)
        ours = statistics.median(ours)
        ratios.append(ours / theirs)
        firsts.append(statistics.median(first))
        rows.append([name, f"{ours * 1e3:.0f}", against, f"{theirs * 1e3:.0f}", f"{ours / theirs:.2f}", f"{firsts[-1]:.1f}"])
        shutil.rmtree(place)
    return Section("A release", [
        """From the webhook to the renamed link, medians of 15 pushes (100 files) and 5 (20,000 files), each of one commit that changes one file,
with a warm mirror and nothing to build; beside them the same fetch, checkout, rename and `sync -f` in one shell, and a fresh clone of the
newest commit with `sync -f`. The last column is the time from the 202 to the start of the first step. (The answer to the webhook, the order
rules, the ledger and the journal are in Bittern's time.)""",
        table(["repository", "push to live ms", "against", "ms", "ratio", "answer to first step ms"], rows)], [
        Line("push to live, no build, warm mirror", "the same git commands by hand", ratios[0], "{:.2f} ×", 1.3),
        Line("push to live, 20,000 files, as many times as fast", "`git clone --depth 1 --branch` and rename", 1 / ratios[1], "{:.0f} ×", 5,
             is_least=True),
        Line("202 to the first step's start, median", "", max(firsts), "{:.1f} ms", 10)])
