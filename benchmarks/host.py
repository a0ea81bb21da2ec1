"""The machine a page was made on, and what its disk can do."""

import os
import subprocess
import tempfile
import time


def version(*command):
    # Some say it on standard error, and wrk ends with 1.
    output = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    return output.splitlines()[0].strip()


def described(bittern):
    """The sentences at the top of the page."""
    with open("/proc/cpuinfo") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), "unknown")
    with open("/proc/meminfo") as file:
        memory = int(file.readline().split()[1]) // 1_000_000
    system = subprocess.run(["findmnt", "-n", "-o", "FSTYPE", "-T", tempfile.gettempdir()], stdout=subprocess.PIPE, text=True).stdout.strip()
    return (f"{model}, {os.cpu_count()} processors, {memory} GB, {system}, Linux {os.uname().release}. bittern {version(bittern, '--version')}; "
            f"{version('webhook', '-version')}; {version('wrk', '-v').split(' Copyright')[0]}; {version('git', '--version')}. "
            f"fdatasync after 16 KB in a file that is there already: {fdatasync_rate():,.0f} a second.")


def fdatasync_rate(times=1000, size=16384):
    """How often a second so many bytes, written over others in the middle of a file, are on the disk."""
    with tempfile.NamedTemporaryFile() as file:
        block = b"x" * size
        for number in range(64):
            os.pwrite(file.fileno(), block, number * size)
        os.fsync(file.fileno())
        began = time.monotonic()
        for number in range(times):
            os.pwrite(file.fileno(), block, number % 64 * size)
            os.fdatasync(file.fileno())
        return times / (time.monotonic() - began)
