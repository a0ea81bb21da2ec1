#!/usr/bin/env python3
"""Measures the bittern of a release build beside what else would do its work, and prints the page's tables.

`make bench` installs what is needed, builds, and runs this. Every figure of a table comes from one run on one machine. Only loopback is
used; everything happens in a temporary directory, which is removed at the end.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import deliveries
import outputs
import releases

HERE = os.path.dirname(os.path.abspath(__file__))
BITTERN, LEDGER_BENCH = (os.path.abspath(path) for path in sys.argv[1:3])
COUNTS = {1: 10_000, 16: 30_000, 64: 30_000}
MILLION = 1_000_000


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition, what, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit("waited in vain for " + what)
        time.sleep(0.01)


def answers(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@contextlib.contextmanager
def running(arguments, **options):
    process = subprocess.Popen(arguments, **options)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def drain(inbox):
    with contextlib.suppress(OSError):
        inbox.settimeout(None)
        while inbox.recv(65536):
            pass


def whole_process(command, times=15, **options):
    """The median seconds from the start of a command to its end."""
    taken = []
    for _ in range(times):
        began = time.monotonic()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **options)
        taken.append(time.monotonic() - began)
    return statistics.median(taken)


class Site:
    """A bittern with one app that follows every branch; nobody works, unless there is an origin to fetch from."""

    def __init__(self, directory, origin=None):
        self.directory = directory
        self.port = free_port()
        self.ledger = directory + "/state/bittern.db"
        self.socket = directory + "/control.sock"
        os.makedirs(directory + "/apps.d", exist_ok=True)
        with open(os.open(directory + "/hook-secret", os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write(deliveries.SECRET)
        with open(directory + "/bittern.yaml", "w") as file:
            file.write(f"""
hooks: {{listen: 127.0.0.1:{self.port}}}
control: {{socket: {self.socket}}}
state_directory: {directory}/state
workers: {0 if origin is None else 1}
accounts:
  acme: {{kind: bitbucket-cloud, hook_secret: file:hook-secret}}
""")
        with open(directory + "/apps.d/shop.yaml", "w") as file:
            file.write(f"""
account: acme
repository: acme/shop
clone_url: file://{origin or directory + "/none.git"}
branches: ["**"]
root: {directory}/srv/shop
""")

    @contextlib.contextmanager
    def serving(self):
        """Yields the seconds from start to READY=1."""
        notify = self.directory + "/notify.sock"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as inbox:
            inbox.bind(notify)
            inbox.settimeout(60)
            began = time.monotonic()
            command = [BITTERN, "serve", "--config", self.directory + "/bittern.yaml"]
            with running(command, stderr=subprocess.DEVNULL, env=os.environ | {"NOTIFY_SOCKET": notify}) as self.process:
                while b"READY=1" not in inbox.recv(65536):
                    pass
                ready = time.monotonic() - began
                # As systemd would: whoever says something waits until there is room for it.
                threading.Thread(target=drain, args=[inbox], daemon=True).start()
                yield ready
        os.unlink(notify)

    def rows(self, sql):
        with contextlib.closing(sqlite3.connect(self.ledger)) as database:
            return database.execute(sql).fetchall()

    def cli(self, *words, times=15):
        """The median seconds a command takes."""
        return whole_process([BITTERN, *words], times, env=os.environ | {"BITTERN_SOCKET": self.socket})


@contextlib.contextmanager
def webhook(directory):
    """adnanh/webhook that checks the signature and a field of the body, and starts no command: it stores nothing."""
    port = free_port()
    match = {"type": "value", "value": "another/repository", "parameter": {"source": "payload", "name": "repository.full_name"}}
    hmac = {"type": "payload-hmac-sha256", "secret": deliveries.SECRET, "parameter": {"source": "header", "name": "X-Hub-Signature"}}
    hook = {"id": "acme", "execute-command": "/bin/true", "trigger-rule": {"and": [{"match": hmac}, {"match": match}]},
            "trigger-rule-mismatch-http-response-code": 202}
    with open(directory + "/hooks.json", "w") as file:
        json.dump([hook], file)
    command = ["webhook", "-hooks", directory + "/hooks.json", "-ip", "127.0.0.1", "-port", str(port)]
    with running(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        wait_for(lambda: answers(port), "webhook")
        yield port


def deliver(port, connections, file):
    """Sends every delivery of the file; an answer other than 202 ends the run."""
    command = ["wrk", "-t1", f"-c{connections}", "-d60s", "-s", HERE + "/deliver.lua", f"http://127.0.0.1:{port}/hooks/acme", "--", file]
    report = subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True).stderr
    result = json.loads(report.splitlines()[-1])
    if result["wrong"] or result["errors"] or not result["seconds"]:
        sys.exit(f"not every answer was a 202: {result}")
    return result


def accept_table(directory, files):
    rows = []
    for connections, (file, warm_up, count) in files.items():
        results = {}
        with webhook(directory) as port:
            deliver(port, connections, warm_up)
            results["webhook"] = deliver(port, connections, file)
        site = Site(f"{directory}/accept-{connections}")
        with site.serving():
            deliver(site.port, connections, warm_up)
            results["bittern"] = deliver(site.port, connections, file)
        stored = site.rows("SELECT count(*) FROM deliveries WHERE answer = 202")[0][0]
        if stored != count + COUNTS[1] // 10:
            sys.exit(f"{stored} deliveries are in the ledger, not all")
        rates = {name: count / result["seconds"] for name, result in results.items()}
        for name, result in results.items():
            ratio = rates[name] / rates["webhook"]
            rows.append([connections, name, f"{rates[name]:,.0f}", result["p50"], result["p99"], result["p999"], f"{ratio:.2f}"])
        shutil.rmtree(site.directory)
    table(["connections", "", "deliveries/s", "p50 ms", "p99 ms", "p99.9 ms", "ratio"], rows)


def fill(site, finished):
    """Finished jobs with their deliveries, changes, verdicts and steps, made by SQL in the ledger of a daemon that does not run."""
    with contextlib.closing(sqlite3.connect(site.ledger)) as database:
        database.executescript(f"""
            CREATE TEMP TABLE number AS
                WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < {finished}) SELECT n FROM counted;
            INSERT INTO refs (id, account, repository, name) SELECT n, 'acme', 'acme/shop', 'refs/heads/old/' || n FROM number WHERE n <= 1000;
            INSERT INTO deliveries (id, account, event, request_id, remote_address, received_at, verified, answer, repository, body_hash,
                    body_size, request_key)
                SELECT n, 'acme', 'repo:push', lower(hex(randomblob(16))), '127.0.0.1', 1790000000000 + n, 1, 202, 'acme/shop',
                    randomblob(32), 5000, randomblob(16) FROM number;
            INSERT INTO changes (id, ref, old, new, delivery, accounted_at, previous)
                SELECT n, n % 1000 + 1, randomblob(20), randomblob(20), n, 1790000000000 + n, nullif(max(n - 1000, 0), 0) FROM number;
            UPDATE refs SET last_change = (SELECT max(n) FROM number WHERE n % 1000 + 1 = refs.id);
            INSERT INTO jobs (id, app, repository, ref, commit_id, cause, change, delivery, lock_name, state, reason, attempt, starts,
                    queued_at, started_at, finished_at, came_to_verdict)
                SELECT n, 'shop', 'acme/shop', 'refs/heads/old/' || (n % 1000 + 1), randomblob(20), 'push', n, n, 'shop', 'failed',
                    'step build exited with 1', 1, 1, 1790000000000 + n, 1790000000001 + n, 1790000000002 + n, 1 FROM number;
            INSERT INTO verdicts (delivery, position, change, ref, commit_id, app, kind, job)
                SELECT n, 0, n, 'refs/heads/old/' || (n % 1000 + 1), randomblob(20), 'shop', 'queued', n FROM number;
            INSERT INTO steps (job, start, position, name, state, exit_status, started_at, finished_at)
                SELECT n, 1, 0, 'fetch', 'succeeded', 0, 1790000000001 + n, 1790000000002 + n FROM number;
            COMMIT;
            PRAGMA wal_checkpoint(TRUNCATE);
        """.replace("CREATE TEMP TABLE", "BEGIN; CREATE TEMP TABLE", 1))


def queue(site, jobs, apps):
    """Jobs that wait, by SQL."""
    with contextlib.closing(sqlite3.connect(site.ledger)) as database:
        database.executescript(f"""
            BEGIN;
            WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < {jobs})
            INSERT INTO jobs (app, repository, ref, commit_id, cause, lock_name, state, queued_at)
                SELECT 'app' || n % {apps}, 'acme/shop', 'refs/heads/' || n, randomblob(20), 'push', 'app' || n % {apps}, 'queued', n
                FROM counted;
            COMMIT;
        """)


def claim_microseconds(site, times=200):
    """The median of claim and of finish, in the same process as the ledger."""
    output = subprocess.run([LEDGER_BENCH, site.ledger, str(times)], check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output)


def prepared(directory, name, finished=0, jobs=0, apps=1):
    site = Site(f"{directory}/{name}")
    with site.serving():
        pass
    if finished:
        fill(site, finished)
    if jobs:
        queue(site, jobs, apps)
    return site


def claim_table(directory):
    few = claim_microseconds(prepared(directory, "few", jobs=10, apps=10), times=10)
    many = claim_microseconds(prepared(directory, "many", jobs=10_000, apps=500))
    table(["queued jobs", "claim µs", "finish µs", "ratio of claims"], [
        ["10 of 10 apps", few["claim"], few["finish"], "1"],
        ["10,000 of 500 apps", many["claim"], many["finish"], f"{many['claim'] / few['claim']:.2f}"],
    ])


def history_table(directory, files):
    file, warm_up, count = files[16]
    figures = []
    for name, finished in (("empty", 0), ("million", MILLION)):
        site = prepared(directory, name, finished=finished)
        with site.serving():
            deliver(site.port, 16, warm_up)
            rate = count / deliver(site.port, 16, file)["seconds"]
            status, jobs = site.cli("status"), site.cli("jobs")
            if finished:
                commands = reading(site, directory)
        ready = []
        for _ in range(5):
            with site.serving() as seconds:
                ready.append(seconds)
        claimed = claim_microseconds(site, times=100)
        figures.append([1 / rate * 1e6, claimed["claim"], status * 1e3, jobs * 1e3, statistics.median(ready) * 1e3])
        shutil.rmtree(site.directory)
    names = ["accept, 16 connections, µs each", "claim µs", "`bittern status` ms", "`bittern jobs` ms", "start to READY ms"]
    rows = [[what, f"{none:.1f}", f"{full:.1f}", f"{full / none:.2f}"] for what, none, full in zip(names, *figures)]
    table(["", "empty ledger", "1,000,000 jobs and deliveries", "ratio"], rows)
    table(["with 1,000,000 jobs and deliveries", "ms, whole process", "ratio"], commands)


def reading(site, directory):
    """What commands take that only read, beside `git status` in a repository of 100 files."""
    repository = directory + "/small"
    subprocess.run(["git", "init", "--quiet", repository], check=True)
    for number in range(100):
        with open(f"{repository}/{number}", "w") as file:
            file.write(f"{number}\n")
    subprocess.run(["git", "-C", repository, "add", "."], check=True)
    scale = whole_process(["git", "-C", repository, "status"])
    last = site.rows("SELECT max(id) FROM deliveries")[0][0]
    commands = [
        ["status"], ["apps"], ["accounts"], ["jobs"], ["jobs", "--app", "shop", "--state", "failed", "--limit", "100"], ["show", "500000"],
        ["log", "500000"], ["releases", "shop"], ["deliveries"], ["delivery", str(last)], ["explain", str(last)], ["metrics"],
    ]
    rows = [["`git status`, 100 files", f"{scale * 1e3:.1f}", "1"]]
    for words in commands:
        taken = site.cli(*words)
        rows.append([f"`bittern {' '.join(words)}`", f"{taken * 1e3:.1f}", f"{taken / scale:.1f}"])
    return rows


def release_table(directory):
    rows = releases.measure(directory, Site)
    table(["repository", "push to live ms", "against", "ms", "ratio", "answer to first step ms"], rows)


def output_table(directory):
    rows = outputs.measure(directory, Site)
    table(["1 GB of output", "MB/s into the log", "MB/s through `cat`", "ratio", "anonymous memory grew by MB"], rows)


def table(head, rows):
    print()
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |", flush=True)


def version(*command):
    # Some say it on standard error, and wrk ends with 1.
    output = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    return output.splitlines()[0].strip()


def machine():
    with open("/proc/cpuinfo") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), "unknown")
    with open("/proc/meminfo") as file:
        memory = int(file.readline().split()[1]) // 1_000_000
    system = subprocess.run(["findmnt", "-n", "-o", "FSTYPE", "-T", tempfile.gettempdir()], stdout=subprocess.PIPE, text=True).stdout.strip()
    print(f"{model}, {os.cpu_count()} processors, {memory} GB, {system}, Linux {os.uname().release}.")
    print(f"bittern {version(BITTERN, '--version')}; {version('webhook', '-version')}; {version('wrk', '-v').split(' Copyright')[0]}.")
    print(f"fdatasync of 16 KB: {fdatasync_rate():,.0f} a second.")


def fdatasync_rate(times=500):
    with tempfile.NamedTemporaryFile() as file:
        began = time.monotonic()
        for number in range(times):
            os.pwrite(file.fileno(), b"x" * 16384, number % 64 * 16384)
            os.fdatasync(file.fileno())
        return times / (time.monotonic() - began)


def main():
    directory = tempfile.mkdtemp(prefix="bittern-bench.")
    try:
        machine()
        warm_up = directory + "/warm-up"
        deliveries.write(warm_up, COUNTS[1] // 10, first=10_000_000)
        files = {}
        for connections, count in COUNTS.items():
            file = f"{directory}/deliveries-{count}"
            if not os.path.exists(file):
                deliveries.write(file, count)
            files[connections] = (file, warm_up, count)
        wanted = sys.argv[3:] or ["accept", "claim", "history", "release", "output"]
        if "accept" in wanted:
            accept_table(directory, files)
        if "claim" in wanted:
            claim_table(directory)
        if "history" in wanted:
            history_table(directory, files)
        if "release" in wanted:
            release_table(directory)
        if "output" in wanted:
            output_table(directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
