"""What a long queue and a long history cost."""

import contextlib
import json
import shutil
import sqlite3
import statistics
import subprocess

import accepting
from page import Line, Section, table
from serving import Site, whole_process

MILLION = 1_000_000
#: The binary that claims and finishes; bench.py says which.
LEDGER_BENCH = None


def fill(site, finished):
    """Finished jobs with their deliveries, changes, verdicts and steps, made by SQL in the ledger of a daemon that does not run."""
    with contextlib.closing(sqlite3.connect(site.ledger)) as database:
        database.executescript(f"""
            BEGIN;
            CREATE TEMP TABLE number AS
                WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < {finished}) SELECT n FROM counted;
            INSERT INTO refs (id, account, repository, name) SELECT n, 'acme', 'acme/shop', 'refs/heads/old/' || n FROM number WHERE n <= 1000;
            INSERT INTO deliveries (id, account, event, request_id, remote_address, received_at, verified, answer, repository, body_hash,
                    body_size, request_key, headers)
                SELECT n, 'acme', 'repo:push', lower(hex(randomblob(16))), '127.0.0.1', 1790000000000 + n, 1, 202, 'acme/shop',
                    randomblob(32), 5000, randomblob(16), 'x-event-key: repo:push' || char(10) FROM number;
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
        """)


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


def claims(site, times):
    """The median of claim and of finish in microseconds, how many of both there were a second, and how many fdatasyncs between them."""
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


def measure_claims(directory):
    results = []
    for number in range(5):
        site = prepared(directory, f"claims-{number}", jobs=1_000, apps=1_000)
        results.append(claims(site, times=1_000))
        shutil.rmtree(site.directory)
    empty = {key: statistics.median(result[key] for result in results) for key in results[0]}
    share = statistics.median(result["rate"] / result["fdatasync"] for result in results)
    many = claims(prepared(directory, "many", jobs=10_000, apps=500), times=500)
    return Section("Claiming and finishing", [
        f"""Claiming a job that waits and finishing it, each a transaction on the disk, one after the other on one thread: medians of five runs
of 1,000 jobs of as many apps, and one run of 500 jobs with a longer queue. Between them the same file system is asked for fdatasync after 16 KB, which it does {empty['fdatasync']:,.0f}
times a second; {empty['rate']:,.0f} transactions a second are {share:.0%} of that.""",
        table(["jobs that wait", "claim µs", "finish µs", "ratio of claims"], [
            ["1,000 of 1,000 apps", f"{empty['claim']:.0f}", f"{empty['finish']:.0f}", "1"],
            ["10,000 of 500 apps", f"{many['claim']:.0f}", f"{many['finish']:.0f}", f"{many['claim'] / empty['claim']:.2f}"]])],
        [Line("claim and finish of an empty job, transactions a second", "the machine's fdatasync", share * 100, "{:.0f} %", 40, is_least=True)])


def measure_history(directory, files):
    figures, commands = [], []
    for name, finished in (("empty", 0), ("million", MILLION)):
        site = prepared(directory, name, finished=finished)
        with site.serving():
            accepting.deliver(site.port, 16, files.warm_up)
            count = 10_000
            rounds = [accepting.deliver(site.port, 16, files.of(count, first=count * number))["seconds"] for number in range(1, 4)]
            status, jobs = site.cli("status"), site.cli("jobs")
            if finished:
                commands, slowest = reading(site, directory)
        ready = []
        for _ in range(5):
            with site.serving() as seconds:
                ready.append(seconds)
        claimed = claims(site, times=100)
        figures.append([statistics.median(rounds) / count * 1e6, claimed["claim"], status * 1e3, jobs * 1e3, statistics.median(ready) * 1e3])
        shutil.rmtree(site.directory)
    names = ["accept, 16 connections, µs each", "claim µs", "`bittern status` ms", "`bittern jobs` ms", "start to READY ms"]
    ratios = [full / none for none, full in zip(*figures)]
    rows = [[what, f"{none:.1f}", f"{full:.1f}", f"{ratio:.2f}"] for what, none, full, ratio in zip(names, *figures, ratios)]
    lines = [Line(f"{what} with 1,000,000 jobs", "the same with none", ratio, "{:.2f} ×", 1.5)
             for what, ratio in zip(("accept", "claim", "status"), ratios)]
    lines.append(Line("start to READY with 1,000,000 jobs", "", figures[1][4], "{:.0f} ms", 300))
    lines.append(Line("the slowest command that reads, whole process, with 1,000,000 jobs", "", slowest * 1e3, "{:.0f} ms", 60))
    return Section("A long history", [
        "The ledger of a new installation, and one with a million finished jobs, their deliveries, changes, verdicts and steps, made by SQL.",
        table(["", "empty ledger", "1,000,000 jobs and deliveries", "ratio"], rows),
        "What a person waits for: whole processes that only read, with those million jobs, beside `git status` for scale; medians of 15.",
        table(["with 1,000,000 jobs and deliveries", "ms, whole process", "ratio"], commands)], lines)


def reading(site, directory):
    """What commands take that only read, beside `git status` in a repository of 100 files; and the slowest of them, in seconds."""
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
    rows, slowest = [["`git status`, 100 files", f"{scale * 1e3:.1f}", "1"]], 0
    for words in commands:
        taken = site.cli(*words)
        slowest = max(slowest, taken)
        rows.append([f"`bittern {' '.join(words)}`", f"{taken * 1e3:.1f}", f"{taken / scale:.1f}"])
    return rows, slowest
