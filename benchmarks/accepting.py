"""How many pushes a second are taken in beside adnanh/webhook, and how quickly while builds keep the machine busy."""

import contextlib
import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time

import deliveries
import releases
from page import Line, Section, table
from serving import Site, answers, free_port, running, wait_for

HERE = os.path.dirname(os.path.abspath(__file__))
WARM_UP = 1_000
COUNTS = {1: 10_000, 16: 30_000, 64: 30_000}
WANTED = {16: 1.2, 64: 1.7}
ROUNDS = 5


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
    with running(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_for(lambda: answers(port), "webhook")
        yield port, process


def deliver(port, connections, file):
    """Sends every delivery of the file; an answer other than 202 ends the run."""
    command = ["wrk", "-t1", f"-c{connections}", "-d120s", "-s", HERE + "/deliver.lua", f"http://127.0.0.1:{port}/hooks/acme", "--", file]
    report = subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True).stderr
    result = json.loads(report.splitlines()[-1])
    if result["wrong"] or result["errors"] or not result["seconds"]:
        sys.exit(f"not every answer was a 202: {result}")
    return result


class Files:
    """The deliveries that are sent, written once."""

    def __init__(self, directory):
        self.directory = directory
        self.warm_up = self.of(WARM_UP, first=10_000_000)

    def of(self, count, first=0):
        path = f"{self.directory}/deliveries-{count}-{first}"
        if not os.path.exists(path):
            deliveries.write(path, count, first)
        return path


def one_round(directory, files, connections, count):
    """Both servers, one after the other: deliveries a second and wrk's report of each."""
    results = {}
    with webhook(directory) as (port, _):
        deliver(port, connections, files.warm_up)
        results["webhook"] = deliver(port, connections, files.of(count))
    site = Site(directory + "/accept")
    with site.serving():
        deliver(site.port, connections, files.warm_up)
        results["bittern"] = deliver(site.port, connections, files.of(count))
    stored = site.rows("SELECT count(*) FROM deliveries WHERE answer = 202")[0][0]
    if stored != count + WARM_UP:
        sys.exit(f"{stored} deliveries are in the ledger, not all")
    shutil.rmtree(site.directory)
    return {name: result | {"rate": count / result["seconds"]} for name, result in results.items()}


def measure(directory, files):
    rows, lines = [], []
    for connections, count in COUNTS.items():
        rounds = [one_round(directory, files, connections, count) for _ in range(ROUNDS)]
        ratios = sorted(r["bittern"]["rate"] / r["webhook"]["rate"] for r in rounds)
        ratio = statistics.median(ratios)
        for name in ("webhook", "bittern"):
            middle = {key: statistics.median(r[name][key] for r in rounds) for key in ("rate", "p50", "p99", "p999")}
            told = f"{ratio:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})" if name == "bittern" else "1"
            rows.append([connections, name, f"{middle['rate']:,.0f}", middle["p50"], middle["p99"], middle["p999"], told])
        if connections in WANTED:
            lines.append(Line(f"durable accepts a second, {connections} connections", "webhook, which stores nothing", ratio, "{:.2f} ×",
                              WANTED[connections], is_least=True))
    return Section("Accepting", [
        f"""Signed pushes of 5.5 KB as Bitbucket Cloud sends them, each another move of one of 100 branches, each sent once by wrk:
{COUNTS[1]:,} with one connection, {COUNTS[16]:,} with 16 and with 64. Every answer is a 202. Bittern writes each to the disk with its verdict
and its job before it answers, and ends the job it replaces; every one of them is counted in the ledger afterwards. webhook checks the same
signature and one field of the body, and neither starts a command nor stores anything. What either says on standard error goes to /dev/null.
Servers and wrk share the processors. Medians of {ROUNDS} rounds, in each of which both are started anew, one after the other.""",
        table(["connections", "", "deliveries/s", "p50 ms", "p99 ms", "p99.9 ms", "ratio (least to most)"], rows)], lines)


class Pace:
    """Deliveries that are due at moments set beforehand, and late where one before on their connection is not answered yet."""

    CONNECTIONS = 16

    def __init__(self, port, path, rate):
        self.port = port
        with open(path) as file:
            self.deliveries = [line.rstrip("\n").split("\t") for line in file]
        self.rate = rate
        self.late = []
        self.wrong = 0

    def send(self, first, began):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        for number in range(first, len(self.deliveries), self.CONNECTIONS):
            identity, signature, body = self.deliveries[number]
            due = began + number / self.rate
            time.sleep(max(0, due - time.monotonic()))
            connection.request("POST", "/hooks/acme", body, {
                "Content-Type": "application/json", "X-Event-Key": "repo:push", "X-Request-UUID": identity,
                "X-Hub-Signature": "sha256=" + signature})
            answer = connection.getresponse()
            answer.read()
            # From the moment it was due: one that stood behind another, or whose sender was not let onto a processor, waited too.
            self.late.append(time.monotonic() - due)
            self.wrong += answer.status != 202
        connection.close()

    def run(self):
        began = time.monotonic() + 0.1
        senders = [threading.Thread(target=self.send, args=[first, began]) for first in range(self.CONNECTIONS)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        if self.wrong or len(self.late) != len(self.deliveries):
            sys.exit(f"{self.wrong} answers were no 202, {len(self.late)} came")
        return sorted(self.late)


def measure_under_load(directory, files):
    rate, count = 200, 3_000
    origin = releases.Origin(directory + "/busy.git", 10, 1)
    site = Site(directory + "/busy", origin.path, workers=2)
    site.app("shop", 'branches: ["feature/**"]\n', origin.path)
    for name in ("one", "other"):
        site.app(name, 'branch: main\nbuild: ["while :; do :; done"]\n', origin.path)
    with site.serving():
        old, new = origin.push()
        releases.deliver(site.port, old, new)
        wait_for(lambda: site.rows("SELECT count(*) FROM steps WHERE name LIKE 'build%' AND state = 'running'")[0][0] == 2, "two builds")
        rounds = [Pace(site.port, files.of(count, first=20_000_000 + count * number), rate).run() for number in range(3)]
        if site.rows("SELECT count(*) FROM steps WHERE name LIKE 'build%' AND state = 'running'")[0][0] != 2:
            sys.exit("the builds ended")
        for job, in site.rows("SELECT id FROM jobs WHERE state = 'running'"):
            site.cli("cancel", str(job), times=1)
    p50, p99 = (statistics.median(late[int(count * part)] for late in rounds) * 1e3 for part in (0.5, 0.99))
    most = max(late[-1] for late in rounds) * 1e3
    shutil.rmtree(site.directory)
    return Section("Accepting while builds run", [
        f"""The same pushes, {rate} a second over {Pace.CONNECTIONS} connections, medians of three rounds of {count // rate} seconds, while two
builds, `while :; do :; done` with the priority any step has, keep two processors busy. The time is that from the moment a push was due to the last byte of its answer,
so it holds what the sender, a Python program, waited for its processor. Bitbucket gives up after 10 s.""",
        table(["pushes/s", "p50 ms", "p99 ms", "most ms"], [[rate, f"{p50:.1f}", f"{p99:.1f}", f"{most:.1f}"]])],
        [Line(f"p99 of accepting at {rate} a second while two builds keep two processors busy", "10 s, after which Bitbucket gives up", p99,
              "{:.1f} ms", 100)])
