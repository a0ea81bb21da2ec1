"""What it weighs: memory, wake-ups, the package."""

import glob
import os
import subprocess
import time

import accepting
import releases
from page import Line, Section, table
from serving import Site, memory

MEGABYTE = 1_000_000
IDLE_SECONDS = 60
DELIVERIES = 100_000


class Switches:
    """How often the threads of a process gave up their processor by themselves: voluntary_ctxt_switches of proc_pid_status(5), also of
    threads that end meanwhile, as far as a look each second sees them."""

    def __init__(self, process):
        self.process = process
        self.counted = 0
        self.last = self.read()

    def read(self):
        counts = {}
        for task in os.listdir(f"/proc/{self.process}/task"):
            try:
                with open(f"/proc/{self.process}/task/{task}/status") as file:
                    counts[task] = next(int(line.split()[1]) for line in file if line.startswith("voluntary_ctxt_switches"))
            except OSError:
                continue  # It has ended.
        return counts

    def look(self):
        now = self.read()
        self.counted += sum(count - self.last.get(task, 0) for task, count in now.items())
        self.last = now

    def during(self, seconds):
        for _ in range(seconds):
            time.sleep(1)
            self.look()
        return self.counted / seconds


def measure(directory, files, most_during_output, package):
    """
    - most_during_output: the anonymous memory while a step wrote 1 GB, in bytes; None where that was not measured.
    - package: the Debian package.
    """
    with accepting.webhook(directory) as (port, process):
        time.sleep(2)
        theirs = {"resident": memory(process.pid, "VmRSS"), "anonymous": memory(process.pid, "RssAnon"),
                  "wake-ups": Switches(process.pid).during(IDLE_SECONDS)}
        accepting.deliver(port, 64, files.of(DELIVERIES))
        theirs["after"] = memory(process.pid, "RssAnon")
    origin = releases.Origin(directory + "/quiet.git", 10, 1)
    site = Site(directory + "/footprint", origin.path)
    with site.serving():
        # The look for missed pushes at the start is over.
        time.sleep(5)
        idle, resident = memory(site.process.pid, "RssAnon"), memory(site.process.pid, "VmRSS")
        wakeups = Switches(site.process.pid).during(IDLE_SECONDS)
    site = Site(directory + "/storm")
    with site.serving():
        accepting.deliver(site.port, 64, files.of(DELIVERIES))
        after = memory(site.process.pid, "RssAnon")
    sizes = subprocess.run(["dpkg-deb", "--field", package, "Installed-Size"], check=True, stdout=subprocess.PIPE, text=True).stdout
    packed, installed = os.path.getsize(package) / MEGABYTE, int(sizes) * 1024 / MEGABYTE

    def shown(size):
        return "" if size is None else f"{size / MEGABYTE:.1f}"

    against = f"webhook's resident set when idle, {theirs['resident'] / MEGABYTE:.1f} MB (anonymous: {theirs['anonymous'] / MEGABYTE:.1f})"
    lines = [Line(f"anonymous memory {when}", against, size / MEGABYTE, "{:.1f} MB", limit)
             for when, size, limit in (("idle", idle, 8), (f"after {DELIVERIES:,} deliveries", after, 16),
                                       ("during 1 GB of a step's output", most_during_output, 16)) if size is not None]
    return Section("What it weighs", [
        f"""Memory that belongs to the process alone (RssAnon; what is resident beyond it is the program's file), and how often its threads
woke in {IDLE_SECONDS} idle seconds without a watchdog. (The one wake-up a second is of libdispatch, which looks after its threads.)""",
        table(["", "bittern", "webhook"], [
            ["idle, anonymous MB", shown(idle), shown(theirs["anonymous"])],
            ["idle, resident MB", shown(resident), shown(theirs["resident"])],
            [f"after {DELIVERIES:,} deliveries over 64 connections, anonymous MB", shown(after), shown(theirs["after"])],
            ["during 1 GB of a step's output, anonymous MB", shown(most_during_output), ""],
            ["idle, wake-ups a second", f"{wakeups:.2f}", f"{theirs['wake-ups']:.2f}"],
            ["package MB", f"{packed:.1f}", ""],
            ["installed MB", f"{installed:.1f}", ""]])],
        lines + [Line("wake-ups a second when idle, no watchdog", "", wakeups, "{:.1f}", 2),
                 Line("package", "", packed, "{:.1f} MB", 30), Line("installed", "", installed, "{:.1f} MB", 95)])


def package(directory):
    """The newest in the directory."""
    return max(glob.glob(directory + "/bittern_*.deb"), key=os.path.getmtime)
