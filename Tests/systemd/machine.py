"""A machine with a systemd of its own: an overlay of this one's files, booted by systemd-nspawn, gone without a trace afterwards.

Whatever becomes of the test, nothing stays: processes, mounts and network live in namespaces that end with their first process, and
that one ends with the process which made them. Only the control groups outlive it; `enter` removes them, also those of a run that was
killed before it could.
"""

import contextlib
import ctypes
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import uuid

CLONE_NEWNET = 0x40000000
PREFIX = "bittern-test-"
# A host that was booted by systemd makes a scope for the container; elsewhere nobody would.
HOST_HAS_SYSTEMD = os.path.isdir("/run/systemd/system")


class Failure(Exception):
    """What a check found wrong, in a sentence."""


class Impossible(Exception):
    """Why no machine can be booted here."""


def expect(condition, message):
    if not condition:
        raise Failure(message)


def expect_equal(found, wanted, what):
    expect(found == wanted, f"{what}: found {found!r}, wanted {wanted!r}")


def expect_in(part, whole, what):
    expect(part in whole, f"{what}: no {part!r} in\n{whole}")


def wait_for(probe, what, seconds=15):
    """Asks until the answer is true, and returns it; the last thing that was seen is part of the failure."""
    end = time.monotonic() + seconds
    while True:
        seen = probe()
        if seen:
            return seen
        expect(time.monotonic() < end, f"waited {seconds} s in vain for {what}")
        time.sleep(0.02)


def expect_stays(probe, what, seconds):
    """Looks for as long as that whether it stays true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        expect(probe(), f"{what} did not last for {seconds} s")
        time.sleep(0.1)


# MARK: Namespaces


def hierarchies():
    """Our own directories in those trees of control groups that a systemd manages: the unified one, and the named one beside it."""
    ours = {}
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        ours[controllers] = path
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        before, after = line.split(" - ")
        point, (kind, _, options) = before.split()[4], after.split()[:3]
        if kind == "cgroup2" and "" in ours:
            yield pathlib.Path(point + ours[""])
        if kind == "cgroup" and "name=systemd" in options.split(",") and "name=systemd" in ours:
            yield pathlib.Path(point + ours["name=systemd"])


def remove_groups(top):
    """Removes a tree of control groups. One that is in use stays; groups are freed a moment after their last process."""
    end = time.monotonic() + 5
    while top.exists() and time.monotonic() < end:
        for directory, _, _ in os.walk(top, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(directory)
        time.sleep(0.02 if top.exists() else 0)


@contextlib.contextmanager
def control_groups():
    """Groups for one machine alone: two that boot in the same one would take each other for their own. Yields what puts a child there."""
    if HOST_HAS_SYSTEMD:
        yield lambda: None
        return
    parents = list(hierarchies())
    for parent in parents:
        for stale in parent.glob(PREFIX + "*"):
            if not os.path.exists("/proc/" + stale.name.removeprefix(PREFIX)):
                remove_groups(stale)
    groups = [parent / f"{PREFIX}{os.getpid()}" for parent in parents]
    try:
        for group in groups:
            group.mkdir()
        yield lambda: [(group / "cgroup.procs").write_text(str(os.getpid())) for group in groups]
    finally:
        for group in groups:
            remove_groups(group)


def enter(program, arguments):
    """Runs the program once more where it can boot a machine, and returns its exit status."""
    if os.geteuid() != 0:
        raise Impossible("it needs root")
    for tool in ["systemd-nspawn", "nsenter", "unshare", "setpriv", "dpkg-deb"]:
        if not shutil.which(tool):
            raise Impossible(f"there is no {tool}")
    unshare = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
               "--mount-proc"]
    attempt = "mount -t tmpfs none /mnt; cd /mnt; mkdir a b c; mount -t overlay none -o lowerdir=/,upperdir=/mnt/a,workdir=/mnt/b /mnt/c"
    trial = subprocess.run([*unshare, "/bin/sh", "-euc", attempt], stderr=subprocess.PIPE, text=True)
    if trial.returncode != 0:
        raise Impossible("namespaces and mounts are not allowed: " + " ".join(trial.stderr.split()))
    with control_groups() as join:
        child = subprocess.Popen([*unshare, sys.executable, program, "--inside", *arguments], preexec_fn=join)
        for number in [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]:
            signal.signal(number, lambda *_: pass_on(child.pid))
        return child.wait()


def pass_on(pid):
    """Has the program inside end its machine: unshare(1) passes no signal on to what it runs."""
    for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        os.kill(int(child), signal.SIGTERM)


def end_once(*_):
    """Ends this program by an exception, so that the machine is shut down; a second signal must not end the shutting down."""
    for number in [signal.SIGINT, signal.SIGTERM]:
        signal.signal(number, signal.SIG_IGN)
    raise SystemExit(130)


# MARK: Machine


class Machine:
    ENVIRONMENT = ["env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8",
                   "TERM=dumb", "DEBIAN_FRONTEND=noninteractive", "SYSTEMD_PAGER=", "SYSTEMD_COLORS=0"]

    def __init__(self):
        # In this mount namespace alone.
        if not HOST_HAS_SYSTEMD:
            self.mount("tmpfs", "/run")
        self.mount("tmpfs", "/mnt")
        self.tree = pathlib.Path("/mnt/root")
        self.console = pathlib.Path("/mnt/console")
        for name in ["root", "changes", "work"]:
            os.mkdir("/mnt/" + name)
        self.changes = pathlib.Path("/mnt/changes")
        self.mount("overlay", str(self.tree), f"lowerdir=/,upperdir={self.changes},workdir=/mnt/work")
        self.strip()
        self.boot()

    @staticmethod
    def mount(kind, point, options="mode=755"):
        subprocess.run(["mount", "-t", kind, "-o", options, kind, point], check=True)

    def strip(self):
        """Makes a freshly installed Debian of what the host happens to be, as far as it matters here."""
        for target in ["multi-user.target.wants", "timers.target.wants", "sockets.target.wants"]:
            shutil.rmtree(self.tree / "etc/systemd/system" / target, ignore_errors=True)
        shutil.rmtree(self.tree / "var/log/journal", ignore_errors=True)
        (self.tree / "etc/machine-id").write_text(uuid.uuid4().hex + "\n")
        # Images for containers forbid services to be started and leave out documentation; an administrator's machine does not.
        (self.tree / "usr/sbin/policy-rc.d").unlink(missing_ok=True)
        for file in (self.tree / "etc/dpkg/dpkg.cfg.d").glob("*"):
            file.unlink()
        # The index of all manual pages of the host is no business of ours, and takes longer than the installation.
        (self.tree / "var/lib/man-db/auto-update").unlink(missing_ok=True)
        # There is no network, so what is only recommended cannot be fetched.
        (self.tree / "etc/apt/apt.conf.d/99alone").write_text('APT::Install-Recommends "false";\nAcquire::Languages "none";\n')
        (self.tree / "tmp").chmod(0o1777)

    def boot(self):
        command = ["systemd-nspawn", "--quiet", f"--machine={PREFIX}{uuid.uuid4().hex[:8]}", f"--directory={self.tree}", "--boot",
                   "--private-network", "--register=no", "--link-journal=no"]
        if not HOST_HAS_SYSTEMD:
            command.append("--keep-unit")
        with open(self.console, "wb") as console:
            self.nspawn = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT,
                                           start_new_session=True)
        try:
            self.init = wait_for(self.find_init, "the machine's first process")
            self.root = pathlib.Path(f"/proc/{self.init}/root")
            wait_for(self.is_up, "the machine to boot", 60)
        except BaseException as error:
            self.end()
            if isinstance(error, Failure):
                raise Failure(f"{error}\n{self.console.read_text(errors='replace')[-4000:]}") from error
            raise
        # From here on this process, and every thread it starts, speaks on the machine's loopback.
        with open(f"/proc/{self.init}/ns/net") as namespace:
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")

    def find_init(self):
        expect(self.nspawn.poll() is None, "systemd-nspawn ended by itself")
        children = pathlib.Path(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children").read_text().split()
        # Its helper is a child, too, until it has done its work; the machine's is the one that became systemd.
        for child in children:
            with contextlib.suppress(OSError):
                if b"systemd\0" in pathlib.Path(f"/proc/{child}/cmdline").read_bytes().split(b"/")[-1] + b"\0":
                    return int(child)
        return None

    def is_up(self):
        expect(self.nspawn.poll() is None, "systemd-nspawn ended by itself")
        state = self.run("systemctl is-system-running", check=False).stdout.strip()
        if state in ["degraded", "maintenance"]:
            raise Failure(f"the machine is {state}:\n" + self.out("systemctl --failed --no-legend", check=False))
        return state == "running"

    def end(self):
        """Powers the machine off; one that does not go is ended."""
        with contextlib.suppress(OSError, AttributeError):
            os.kill(self.init, signal.SIGRTMIN + 4)
        end = time.monotonic() + 20
        while self.nspawn.poll() is None and time.monotonic() < end:
            self.reap()
            time.sleep(0.02)
        if self.nspawn.poll() is None:
            self.nspawn.kill()
            self.nspawn.wait(10)

    def reap(self):
        """Buries what was adopted: a command whose nsenter was interrupted would keep the machine waiting for it to end."""
        for child in map(int, pathlib.Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()):
            if child != self.nspawn.pid:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(child, os.WNOHANG)

    def run(self, command, check=True, timeout=60, input=None):
        """Runs a command, or a text for the shell, as root in the machine."""
        words = ["/bin/sh", "-euc", command] if isinstance(command, str) else command
        try:
            done = subprocess.run(
                ["nsenter", "-t", str(self.init), "-a", "--", *self.ENVIRONMENT, *words], stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, stdin=subprocess.DEVNULL if input is None else None, input=input, text=True, errors="replace",
                timeout=timeout)
        except subprocess.TimeoutExpired as error:
            raise Failure(f"{command} did not end in {timeout} s:\n{error.stdout}{error.stderr}") from error
        if check and done.returncode != 0:
            raise Failure(f"{command} exited with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def out(self, command, **options):
        return self.run(command, **options).stdout.strip()

    def popen(self, command):
        """Starts a command in the machine; the caller waits for it."""
        return subprocess.Popen(["nsenter", "-t", str(self.init), "-a", "--", *self.ENVIRONMENT, "/bin/sh", "-euc", command],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")

    def shell(self):
        """For whoever wants to look around."""
        subprocess.run(["nsenter", "-t", str(self.init), "-a", "--", *self.ENVIRONMENT, "TERM=" + os.environ.get("TERM", "dumb"), "bash"])

    def path(self, name):
        """A file of the machine as we can open it."""
        return self.root / name.lstrip("/")

    def written(self):
        """The files and directories, links among them, that were made or changed in the machine, without what it removed."""
        for directory, directories, files in os.walk(self.changes):
            for name in directories + files:
                path = pathlib.Path(directory, name)
                # The overlay's mark for a file that is no longer there is a character device (Documentation/filesystems/overlayfs).
                if not path.is_char_device():
                    yield "/" + str(path.relative_to(self.changes))

    def write(self, name, text, mode=0o644, owner=None):
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, mode), "w") as file:
            file.write(text)
            os.fchmod(file.fileno(), mode)
        if owner:
            self.run(["chown", owner, name])

    def show(self, unit, *properties):
        lines = self.out(["systemctl", "show", "--property=" + ",".join(properties), unit]).splitlines()
        return dict(line.split("=", 1) for line in lines)

    def property(self, unit, name):
        return self.show(unit, name).get(name)

    # MARK: Journal

    def cursor(self):
        self.run("journalctl --sync")
        return self.out("journalctl --boot --lines=0 --show-cursor --quiet").removeprefix("-- cursor: ")

    def journal(self, cursor, *matches):
        """The entries after the cursor, as mappings."""
        self.run("journalctl --sync")
        # Not --after-cursor=, which with a match leaves out the first entry that has it, in systemd 252.
        lines = self.out(["journalctl", "--boot", "--output=json", "--all", "--quiet", f"--cursor={cursor}", *matches]).splitlines()
        return [entry for entry in map(json.loads, lines) if entry["__CURSOR"] != cursor]

    def tail(self, cursor, lines=60):
        self.run("journalctl --sync", check=False)
        shown = self.out(["journalctl", "--boot", "--quiet", "--no-hostname", "--output=short-precise", f"--after-cursor={cursor}"],
                         check=False)
        return "\n".join(shown.splitlines()[-lines:])
