"""How quickly a step's output comes into its log, and what that costs the daemon, beside the same command writing through `cat`."""

import contextlib
import os
import random
import sqlite3
import subprocess
import threading
import time

import releases
from page import Section, table
from serving import Site, memory

SIZE = 1_000_000_000
MEGABYTE = 1_000_000
TIMES = 50
SECRETS = {"DATABASE_URL": "postgres://shop:k3Vx9qT2mZ7r@db.internal/shop", "NPM_TOKEN": "npm_8sKq2LmZx7Vb4TnR0cYw5PdHf3Gj",
           "APP_KEY": "ship-to-production"}


class Memory:
    """The largest amount of anonymous memory a process had while it was looked at."""

    def __init__(self, process):
        self.process = process
        self.most = 0
        self.watches = True
        self.thread = threading.Thread(target=self.watch)

    def now(self):
        return memory(self.process, "RssAnon")

    def watch(self):
        while self.watches:
            self.most = max(self.most, self.now())
            time.sleep(0.005)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.watches = False
        self.thread.join()


def samples(directory):
    """Files that a command repeats to the full size: lines as a build writes them, and bytes without any sense."""
    chosen = random.Random(1)
    words = "compiled src/components/checkout linking postgres warning: unused variable npm notice downloaded in seconds [info] ship".split()
    lines = directory + "/lines"
    with open(lines, "w") as file:
        while file.tell() < SIZE // TIMES:
            line = " ".join(chosen.choice(words) for _ in range(chosen.randint(4, 16)))
            file.write(f"{line} {chosen.randint(0, 99999)}\n")
        file.truncate(SIZE // TIMES)
    noise = directory + "/noise"
    with open(noise, "wb") as file:
        file.write(chosen.randbytes(SIZE // TIMES))
    return lines, noise


def repeated(path):
    return f"for time in $(seq {TIMES}); do cat {path}; done"


def app(site, script, secrets):
    """The site's one app, with one step."""
    with open(site.directory + "/apps.d/shop.yaml", "a") as file:
        file.write(f"log_limit: 2G\nbuild:\n  - {{name: build, run: '{script}', secrets: [{', '.join(secrets)}]}}\n")
        file.write("secrets: {" + ", ".join(f"{name}: file:{name}" for name in secrets) + "}\n")
    for name, value in secrets.items():
        with open(os.open(f"{site.directory}/apps.d/{name}", os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write(value)


def push(site, origin):
    """Pushes, and returns the seconds the step took and the bytes in its log, when the job has ended."""
    old, new = origin.push()
    releases.deliver(site.port, old, new)
    with contextlib.closing(sqlite3.connect(site.ledger)) as ledger:
        end = time.monotonic() + 300
        while not (row := ledger.execute("SELECT id, state, reason FROM jobs WHERE finished_at IS NOT NULL AND commit_id = ?",
                                         [bytes.fromhex(new)]).fetchone()):
            if time.monotonic() > end:
                raise SystemExit("a job did not end")
            time.sleep(0.02)
        if row[1] != "succeeded":
            raise SystemExit(f"a job {row[1]}: {row[2]}")
        began, ended = ledger.execute(
            "SELECT started_at, finished_at FROM steps WHERE name = 'build' AND job = ?", [row[0]]).fetchone()
    logs = f"{site.directory}/state/logs/{row[0]}"
    log = next(f"{logs}/{name}" for name in os.listdir(logs) if "build" in name)
    size = os.path.getsize(log)
    os.unlink(log)
    return (ended - began) / 1000, size


def by_cat(directory, script):
    """The seconds of the same command, with its output taken from a pipe and put into a file by `cat`."""
    path = directory + "/by-cat"
    releases.settle()
    began = time.monotonic()
    with open(path, "wb") as file:
        source = subprocess.Popen(["sh", "-euc", script], stdout=subprocess.PIPE)
        subprocess.run(["cat"], stdin=source.stdout, stdout=file, check=True)
        source.wait()
    taken = time.monotonic() - began
    os.unlink(path)
    return taken


def measure(directory):
    """The section, and the largest amount of anonymous memory that was seen."""
    place = directory + "/outputs"
    os.makedirs(place)
    origin = releases.Origin(place + "/origin.git", 10, 1)
    lines, noise = samples(place)
    rows, most = [], 0
    for number, (name, script, secrets) in enumerate((
        ("lines", repeated(lines), {}),
        ("lines, three secrets", repeated(lines), SECRETS),
        ("random bytes, three secrets", repeated(noise), SECRETS),
        ("one line", f"head -c {SIZE} /dev/zero", SECRETS),
    )):
        site = Site(f"{place}/site-{number}", origin.path)
        # The first job is small: what any job needs is not the output's doing.
        app(site, f"test ! -e $BITTERN_ROOT/current || {{ {script}; }}", secrets)
        with site.serving():
            push(site, origin)
            releases.settle()
            with Memory(site.process.pid) as watched:
                before = watched.now()
                taken, size = push(site, origin)
        if size < 0.9 * SIZE:
            raise SystemExit(f"{name}: only {size} bytes are in the log")
        theirs = by_cat(place, script)
        most = max(most, watched.most)
        rows.append([name, f"{SIZE / taken / MEGABYTE:,.0f}", f"{SIZE / theirs / MEGABYTE:,.0f}", f"{theirs / taken:.2f}",
                     f"{(watched.most - before) / MEGABYTE:.1f}"])
    return Section("A step's output", [
        """One step that writes 1 GB, with `log_limit: 2G`: how quickly it is in the log file, masked, and by how much the daemon's anonymous
memory was larger at most than before it; beside it the same command with its output taken from a pipe and put into a file by `cat`. (There is
no journal in this run.)""",
        table(["1 GB of output", "MB/s into the log", "MB/s through `cat`", "ratio", "anonymous memory grew by MB"], rows)]), most
