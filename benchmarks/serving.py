"""A bittern that serves, and the processes beside it."""

import contextlib
import os
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import threading
import time

import deliveries

#: The binary that is measured; bench.py says which.
BITTERN = None


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition, what, seconds=60, pause=0.01):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit("waited in vain for " + what)
        time.sleep(pause)


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


def whole_process(command, times=15, **options):
    """The median seconds from the start of a command to its end."""
    taken = []
    for _ in range(times):
        began = time.monotonic()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **options)
        taken.append(time.monotonic() - began)
    return statistics.median(taken)


def memory(process, kind):
    """A line of proc_pid_status(5) in bytes: RssAnon, VmRSS."""
    with open(f"/proc/{process}/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(kind + ":"))


def drain(inbox):
    with contextlib.suppress(OSError):
        inbox.settimeout(None)
        while inbox.recv(65536):
            pass


class Site:
    """A bittern with one app that follows every branch; nobody works, unless there is an origin to fetch from."""

    def __init__(self, directory, origin=None, workers=1):
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
workers: {0 if origin is None else workers}
accounts:
  acme: {{kind: bitbucket-cloud, hook_secret: file:hook-secret}}
""")
        self.app("shop", 'branches: ["**"]\n', origin)

    def app(self, name, lines, origin=None):
        with open(f"{self.directory}/apps.d/{name}.yaml", "w") as file:
            file.write(f"""
account: acme
repository: acme/shop
clone_url: file://{origin or self.directory + "/none.git"}
root: {self.directory}/srv/{name}
{lines}""")

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
