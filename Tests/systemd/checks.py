"""What an administrator would see, check by check. Each is a function whose name is the sentence; they run in the order they stand in.

`needs` says in what state a check finds the machine: `bare`, `installed` (nothing configured yet) or `serving` (configured anew,
both sockets and the service started, nothing held over from the check before).
"""

import concurrent.futures
import contextlib
import datetime
import json
import pathlib
import re
import shutil
import statistics
import subprocess
import textwrap
import time

import shop as shops
from machine import Failure, expect, expect_equal, expect_in, expect_stays, wait_for
from shop import CONFIGURATION, DATABASE, GATED, NONE, SECRET, SHOP, Fire, deliver, some_commit

ROOT = pathlib.Path(__file__).resolve().parents[2]
UNITS = ["bittern.socket", "bittern-control.socket", "bittern-runner.socket", "bittern.service", "bittern-runner.service"]
# What a daemon needs whose builds are its children.
CHILD_RUNNER = "/etc/systemd/system/bittern.service.d/runner-child.conf"
DROP_IN = "/etc/systemd/system/bittern.service.d/zz-test.conf"
ALL = []


class Skip(Exception):
    """Why a check says nothing here."""


def check(needs):
    def register(function):
        function.needs = needs
        function.sentence = function.__name__.replace("_", " ")
        ALL.append(function)
        return function
    return register


class World:
    """What the checks have in hand: the machine, the shop on it, the package, and the ways between the states."""

    def __init__(self, machine, package, debug_binary):
        self.machine = machine
        self.shop = shops.Shop(machine)
        self.package = package
        self.debug_binary = debug_binary
        self.notes = []
        self.deb = "/root/" + package.name
        shutil.copy(package, machine.path(self.deb))
        self.cursor = machine.cursor()
        self.sends_watchdog = None
        self.rounds = 5
        self.seed = None

    def note(self, text):
        """Something measured, shown below the check's line."""
        self.notes.append(text)

    # MARK: States

    def prepare(self, state):
        getattr(self, "make_" + state)()

    @property
    def is_installed(self):
        return self.machine.out("dpkg-query --show --showformat '${db:Status-Status}' bittern", check=False) == "installed"

    def make_bare(self):
        if self.machine.out("dpkg-query --show bittern", check=False):
            self.machine.run("rm -rf /etc/systemd/system/bittern*; systemctl daemon-reload")
            self.machine.run("apt-get purge --yes --quiet=2 bittern")
        self.machine.run("rm -rf /etc/bittern /var/lib/bittern /srv/shop /srv/gated /srv/crowd")

    def make_installed(self):
        if not self.is_installed:
            self.install(self.deb)
        # Of other checks.
        self.machine.run("rm -f /etc/systemd/system/bittern*.service.d/git.conf /etc/systemd/system/bittern*.service.d/sealed.conf")
        self.machine.write(CHILD_RUNNER, (ROOT / "systemd/runner-child.conf").read_text())
        self.machine.run("systemctl daemon-reload")
        self.shop.open_roots()

    def install(self, deb):
        self.machine.run(f"apt-get install --yes --quiet=2 {deb}", timeout=120)

    def make_serving(self):
        self.make_installed()
        self.machine.run(f"rm -f {DROP_IN}; systemctl daemon-reload; systemctl stop bittern.service", timeout=90)
        self.shop.configure()
        self.machine.run("systemctl reset-failed 'bittern*'; systemctl start bittern.socket bittern-control.socket bittern.service")
        self.shop.cli("hold crowd --reason test")

    def make_units(self):
        """Serving as the package wants it: the steps are units of their own, and the daemon has no rights but to its own state."""
        self.make_installed()
        self.machine.run("systemctl stop bittern.service bittern-runner.service bittern-runner.socket 'bittern-*-*-*.service'", timeout=90,
                         check=False)
        self.shop.configure_units()
        self.machine.run(f"rm -f {CHILD_RUNNER} {DROP_IN}; systemctl daemon-reload")
        self.machine.run("systemctl reset-failed 'bittern*'; systemctl start bittern.socket bittern-control.socket bittern.service")
        self.shop.cli("hold crowd --reason test")

    # MARK: Service

    def show(self, *names):
        return self.machine.show("bittern.service", *names)

    def state(self):
        return self.show("ActiveState")["ActiveState"]

    def pid(self):
        return int(self.show("MainPID")["MainPID"])

    def status(self):
        return self.show("StatusText")["StatusText"]

    def memory(self):
        """The daemon's anonymous memory in bytes."""
        return int(self.machine.out(f"grep RssAnon: /proc/{self.pid()}/status").split()[1]) << 10

    def drop_in(self, text):
        self.machine.write(DROP_IN, text)
        self.machine.run("systemctl daemon-reload")

    def restart(self):
        self.machine.run("systemctl restart bittern.service", timeout=90)

    def events(self, cursor, id):
        return self.machine.journal(cursor, "MESSAGE_ID=" + event_ids()[id])


def timestamp(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def event_ids():
    """The ids of the events by the names they have in the source, which the catalog must know."""
    source = (ROOT / "Sources/Systemd/EventID.swift").read_text()
    return dict(re.findall(r'case (\w+) = "([0-9a-f]{32})"', source))


# MARK: Package


@check(needs="bare")
def installing_the_package_starts_nothing_that_is_not_configured(world):
    world.install(world.deb)
    for unit in UNITS:
        expect_equal(world.machine.property(unit, "LoadState"), "loaded", unit)
        expect_equal(world.machine.property(unit, "ActiveState"), "inactive", unit)
    expect(not world.machine.out("systemctl --failed --no-legend"), "a unit failed")
    expect_in("bittern", world.machine.out("getent passwd bittern"), "the daemon's user")


@check(needs="installed")
def the_package_is_complete_and_its_units_have_no_mistakes(world):
    world.machine.run("bittern --version")
    missing = world.machine.out("dpkg --verify bittern")
    expect(not missing, "files differ from the package's:\n" + missing)
    said = world.machine.run(["systemd-analyze", "verify", *UNITS])
    about_us = [line for line in (said.stdout + said.stderr).splitlines() if "bittern" in line]
    expect(not about_us, "systemd-analyze verify says:\n" + "\n".join(about_us))
    for page in ["/usr/share/man/man1/bittern.1.gz", "/usr/share/doc/bittern/copyright"]:
        expect(world.machine.path(page).exists(), f"the package has no {page}")


@check(needs="installed")
def the_unit_without_the_drop_in_of_the_child_runner_is_exposed_by_1_5_or_less(world):
    fragment = world.show("FragmentPath")["FragmentPath"]
    # By another name, or the drop-in would be found for it.
    world.machine.run(f"cp {fragment} /root/alone.service")
    report = world.machine.run("systemd-analyze security --offline=yes --no-pager /root/alone.service", check=False).stdout
    exposure = re.search(r"exposure level for \S+: ([\d.]+)", report)
    expect(exposure, report)
    world.note("exposure " + exposure[1])
    expect(float(exposure[1]) <= 1.5, "\n".join(line for line in report.splitlines() if "✓" not in line))


@check(needs="installed")
def a_service_that_finds_its_configuration_wrong_says_so_and_does_not_spin(world):
    world.shop.configure(shop=SHOP + "brunch: main\n")
    world.machine.run("systemctl start bittern.socket bittern-control.socket")
    cursor = world.machine.cursor()
    try:
        # It wakes the daemon, and nobody answers it.
        with contextlib.suppress(OSError):
            deliver("main", NONE, some_commit(), timeout=3)
        said = world.machine.journal(cursor, "_SYSTEMD_UNIT=bittern.service")
        expect(any("brunch" in one["MESSAGE"] for one in said), "the journal does not name the wrong key")
        starts = len([one for one in world.machine.journal(cursor, "UNIT=bittern.service") if one["MESSAGE"].startswith("Starting ")])
        world.note(f"{starts} starts in 3 s")
        expect(starts <= 10, f"the service was started {starts} times in 3 s")
        expect_equal(world.machine.property("bittern.socket", "ActiveState"), "active", "bittern.socket, so that the port stays open,")
    finally:
        world.shop.configure()
        world.machine.run("systemctl stop bittern.socket bittern-control.socket bittern.service; systemctl reset-failed 'bittern*'")


# MARK: Start


@check(needs="installed")
def the_socket_opens_the_port_and_the_first_delivery_starts_the_daemon(world):
    world.shop.configure()
    world.machine.run("systemctl stop bittern.service; systemctl start bittern.socket bittern-control.socket")
    expect_equal(world.state(), "inactive", "bittern.service before the delivery")
    answer = deliver("nobody-waits-for-this", NONE, some_commit())
    world.note(f"answered after {answer.seconds * 1000:.0f} ms")
    expect_equal(answer.status, 200, "the answer")
    wait_for(lambda: world.state() == "active", "bittern.service to be ready after the delivery")


@check(needs="installed")
def the_first_command_starts_the_daemon_through_the_control_socket(world):
    world.shop.configure()
    world.machine.run("systemctl stop bittern.service; systemctl start bittern.socket bittern-control.socket")
    expect_equal(world.machine.out("stat --format '%a %G' /run/bittern/control.sock"), "660 bittern", "mode and group of the socket")
    world.machine.run("bittern status")
    expect_equal(world.state(), "active", "bittern.service")
    expect_equal(world.machine.out("stat --format '%a %G' /run/bittern/control.sock"), "660 bittern", "mode and group afterwards")


@check(needs="serving")
def a_push_goes_live_and_systemctl_says_what_is_being_done(world):
    wanted = {"Type": "notify", "NotifyAccess": "main", "SubState": "running"}
    expect_equal(world.show(*wanted), wanted, "the unit")
    wait_for(lambda: world.status() == "ready, nothing to do", f"a status of rest, not {world.status()!r}")
    job, commit = world.shop.push("gated")
    gate = world.shop.gate()
    busy = wait_for(lambda: re.match(r"1 running, 0 queued: gated wait " + commit[:7] + r" \(\d+ s\)", world.status()) and world.status(),
                    "a status that names app, step and commit")
    path = "/org/freedesktop/systemd1/unit/bittern_2eservice"
    bus = world.machine.out(f"busctl get-property org.freedesktop.systemd1 {path} org.freedesktop.systemd1.Service StatusText")
    expect(re.match(r's "1 running, 0 queued: gated wait ' + commit[:7], bus), f"busctl says {bus}, systemctl {busy}")
    expect_in(commit[:7], world.machine.out("systemctl status --no-pager bittern.service"), "systemctl status")
    gate.answer("go")
    world.shop.ended(job)
    expect_equal(world.shop.live("gated"), commit, "the live commit")
    wait_for(lambda: world.status() == "ready, nothing to do", "a status of rest afterwards")


@check(needs="serving")
def the_daemon_runs_as_its_own_user_without_any_right(world):
    lines = world.machine.path(f"/proc/{world.pid()}/status").read_text().splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    user = world.machine.out("id --user bittern")
    expect_equal(status["Uid"].split(), [user] * 4, "user ids")
    for kind in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]:
        expect_equal(int(status[kind], 16), 0, kind)
    expect_equal((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"), "no new privileges, and a filter of system calls")
    expect_equal(world.machine.out("stat --format '%a %U' /var/lib/bittern"), "700 bittern", "the state directory")


@check(needs="serving")
def credentials_reach_the_daemon_and_the_steps_and_no_log(world):
    denied = world.machine.run("setpriv --reuid bittern --regid bittern --clear-groups cat /etc/bittern/credentials/acme-hook", check=False)
    expect(denied.returncode != 0, "the daemon's user can read the credentials where they are kept")
    cursor = world.machine.cursor()
    job, _ = world.shop.push("main")
    world.shop.ended(job)
    log = world.shop.cli(f"log {job}")
    expect_in("using ", log, "the log")
    expect(DATABASE not in log, "the secret is in the log")
    everything = world.machine.out(["journalctl", "--boot", "--output=export", "--all", "--quiet", f"--after-cursor={cursor}"])
    for secret in [DATABASE, SECRET]:
        expect(secret not in everything, "a secret is in the journal")
    expect_equal(deliver("main", NONE, some_commit(), secret="not-the-secret-of-the-hook").status, 401, "a wrong signature")


@check(needs="serving")
def an_encrypted_credential_is_read_too(world):
    world.machine.run("""
        systemd-creds setup --quiet
        printf 'another-secret-of-the-hook-0123456789' |
            systemd-creds encrypt --quiet --with-key=host --name=acme-hook - /root/acme-hook.cred
    """)
    world.drop_in("[Service]\nLoadCredentialEncrypted=acme-hook:/root/acme-hook.cred\n")
    world.restart()
    answer = deliver("nobody", NONE, some_commit(), secret="another-secret-of-the-hook-0123456789")
    expect_equal(answer.status, 200, "a delivery signed with the encrypted secret")
    expect_equal(deliver("nobody", NONE, some_commit()).status, 401, "one signed with the plain file's")


# MARK: Reload


@check(needs="serving")
def a_reload_with_problems_is_refused_whole_and_the_old_configuration_stays(world):
    pid, cursor = world.pid(), world.machine.cursor()
    world.shop.configure(new=SHOP.replace("/srv/shop", "/srv/new"), broken=GATED + "brunch: main\n")
    done = world.machine.run("systemctl reload bittern.service", check=False)
    expect(done.returncode != 0, "systemctl reload says that all is well")
    (refused,) = wait_for(lambda: world.events(cursor, "configurationRefused"), "the journal to say that it was refused")
    expect_in("broken.yaml", refused["MESSAGE"], "the entry")
    expect_in("brunch", refused["MESSAGE"], "the entry")
    expect_equal(refused["PRIORITY"], "3", "its priority")
    expect_equal([app["app"] for app in world.shop.json("status")["apps"]], ["crowd", "gated", "shop"], "the apps")
    wait_for(lambda: world.state() == "active", "the service to be active, not reloading")
    expect_equal((world.pid(), world.status()), (pid, "ready, nothing to do"), "process and status")


@check(needs="serving")
def a_reload_without_problems_counts_at_once_and_keeps_the_process(world):
    pid, cursor = world.pid(), world.machine.cursor()
    world.shop.configure(new=SHOP.replace("/srv/shop", "/srv/new"))
    world.machine.run("systemctl reload bittern.service")
    (done,) = wait_for(lambda: world.events(cursor, "configurationReloaded"), "the journal to say so")
    expect_in("app new added", done["MESSAGE"], "the entry")
    expect_in("new", [app["app"] for app in world.shop.json("status")["apps"]], "the apps")
    wait_for(lambda: world.state() == "active", "the service to be active, not reloading")
    expect_equal(world.pid(), pid, "the process")


# MARK: Journal


@check(needs="serving")
def the_journal_tells_the_story_of_an_app_with_fields(world):
    cursor = world.machine.cursor()
    job, commit = world.shop.push("main")
    world.shop.ended(job)
    ids = event_ids()
    story = wait_for(lambda: ready_story(world, cursor, ids["jobSucceeded"]), "the journal to have the end of the job")
    found = {entry.get("MESSAGE_ID"): entry for entry in story}
    for name in ["jobQueued", "jobStarted", "releaseActivated", "jobSucceeded"]:
        expect(ids[name] in found, f"no entry {name} ({ids[name]}) among:\n" + "\n".join(entry["MESSAGE"] for entry in story))
        entry = found[ids[name]]
        wanted = {"BITTERN_APP": "shop", "BITTERN_JOB": str(job), "BITTERN_COMMIT": commit, "BITTERN_REF": "refs/heads/main",
                  "SYSLOG_IDENTIFIER": "bittern", "_SYSTEMD_UNIT": "bittern.service"}
        expect_equal({field: entry.get(field) for field in wanted}, wanted, f"the fields of {name}")
        expect(entry.get("PRIORITY") in ["5", "6"], f"priority {entry.get('PRIORITY')} of {name}")
    queued = found[ids["jobQueued"]]
    expect_equal((queued.get("BITTERN_ACCOUNT"), queued.get("BITTERN_REMOTE", "").split(":")[0]), ("acme", "127.0.0.1"), "who sent it")
    expect(queued.get("BITTERN_DELIVERY"), "no BITTERN_DELIVERY")
    expect({entry.get("BITTERN_STEP") for entry in story} >= {"bundle", "warm"}, "no BITTERN_STEP for every step")


def ready_story(world, cursor, last):
    story = world.machine.journal(cursor, "BITTERN_APP=shop")
    return story if any(entry.get("MESSAGE_ID") == last for entry in story) else None


@check(needs="serving")
def what_steps_write_stands_in_the_journal_with_the_same_fields(world):
    cursor = world.machine.cursor()
    job, commit = world.shop.push("main", "the bread of today")
    world.shop.ended(job)
    lines = wait_for(lambda: world.machine.journal(cursor, "BITTERN_APP=shop", "BITTERN_STREAM=output"), "output in the journal", 3)
    baked = [line for line in lines if line["MESSAGE"] == "baking the bread of today"]
    expect(len(baked) == 1, "the line of the step is not there once, but:\n" + "\n".join(line["MESSAGE"] for line in lines))
    wanted = {"BITTERN_JOB": str(job), "BITTERN_STEP": "bundle", "BITTERN_COMMIT": commit, "SYSLOG_IDENTIFIER": "bittern"}
    expect_equal({field: baked[0].get(field) for field in wanted}, wanted, "its fields")


# More lines than any journal should get, one that is longer than any line of it, and one that is no text.
FLOOD = "yes 'compiled one more of the components of this site.' | head -c 300000000; head -c 1000000 /dev/zero | tr '\\0' x; echo; " \
    + "printf '\\377\\376 \\033[31m\\n'"


@check(needs="serving")
def a_flood_of_output_is_whole_in_the_log_and_bounded_in_the_journal(world):
    build = SHOP.replace('    run: echo "baking $(cat message)"\n', f"    run: |\n      {FLOOD}\n")
    world.shop.configure(shop=build + "log_limit: 2G\n")
    world.machine.run("systemctl reload bittern.service")
    cursor, before, peak = world.machine.cursor(), world.memory(), 0
    job, _ = world.shop.push("main")
    while not world.shop.ended_job(job):
        peak = max(peak, world.memory())
    steps = {step["name"]: step for step in world.shop.ended(job)["steps"]}
    took = (timestamp(steps["bundle"]["finished_at"]) - timestamp(steps["bundle"]["started_at"])).total_seconds()
    wanted = world.machine.out(["/bin/sh", "-c", f"({FLOOD}) | sha256sum"])
    log = world.machine.out(["/bin/sh", "-c", f"cat /var/lib/bittern/logs/{job}/*bundle* | sha256sum"])
    expect_equal(log, wanted, "the log of the step")
    expect(peak - before < 8 << 20, f"the daemon's anonymous memory grew by {(peak - before) >> 10} KB")
    lines = world.machine.journal(cursor, f"BITTERN_JOB={job}", "BITTERN_STEP=bundle", "BITTERN_STREAM=output")
    left = re.compile(r"bittern: (\d+) lines? of output left out here")
    told = [int(found[1]) for line in lines if isinstance(line["MESSAGE"], str) and (found := left.match(line["MESSAGE"]))]
    shown = len(lines) - len(told)
    expect_equal(shown + sum(told), 300_000_000 // 50 + 2, "the lines that the journal has or says it has not")
    expect(shown <= 10_000 + 2_000 * (took + 1), f"the journal got {shown} lines in {took:.1f} s")
    world.note(f"{301 / took:.0f} MB/s into the log, {shown} lines in the journal, {(peak - before) >> 10} KB of memory")


@check(needs="serving")
def all_that_the_daemon_says_are_entries_of_its_own_and_no_stray_lines(world):
    cursor = world.machine.cursor()
    world.restart()
    job, _ = world.shop.push("main")
    world.shop.ended(job)
    world.machine.run("systemctl stop bittern.service")
    said = world.machine.journal(cursor, "_SYSTEMD_UNIT=bittern.service")
    stray = [f"{entry['_TRANSPORT']}: {entry['MESSAGE']}" for entry in said if entry["_TRANSPORT"] != "journal"]
    expect(not stray, f"{len(stray)} of {len(said)} lines came another way, such as:\n" + "\n".join(stray[:3]))


@check(needs="serving")
def the_catalog_explains_every_event_and_names_the_next_command(world):
    known = world.machine.out(["journalctl", "--dump-catalog", *event_ids().values()], check=False)
    for name, id in event_ids().items():
        expect(f"-- {id}" in known, f"the catalog has no entry for {name} ({id})")
        text = known.split(f"-- {id}", 1)[1].split("\n-- ", 1)[0]
        expect(re.search(r"(bittern|systemctl|journalctl) \w", text), f"the entry for {name} names no command:\n{text}")
    cursor = world.machine.cursor()
    deliver("main", NONE, some_commit(), secret="not-the-secret-of-the-hook")
    wait_for(lambda: world.events(cursor, "deliveryRefused"), "the refused delivery in the journal")
    shown = world.machine.out(f"journalctl --boot --catalog --no-pager MESSAGE_ID={event_ids()['deliveryRefused']}")
    expect(any(line.startswith("░░ ") for line in shown.splitlines()), "journalctl -x explains nothing:\n" + shown)


# MARK: Stop


@check(needs="serving")
def a_stop_lets_the_running_step_finish_and_goes_on_taking_deliveries(world):
    # Shorter than the step takes, so that the daemon has to ask for time.
    world.drop_in("[Service]\nTimeoutStopSec=2s\n")
    world.restart()
    job, commit = world.shop.push("gated")
    gate = world.shop.gate()
    with world.machine.popen("systemctl stop bittern.service") as stop:
        wait_for(lambda: world.state() == "deactivating" and world.status().startswith("stopping; 1 running"),
                 "the service to say that it stops")
        answer = deliver("crowd", NONE, some_commit())
        expect_equal(answer.status, 202, "a delivery during the stop")
        # Twice what the unit allows; if the daemon does not ask for more the manager ends it within this time.
        expect_stays(lambda: world.state() == "deactivating", "the orderly stop", 4)
        gate.answer("last")
        expect_equal(stop.wait(30), 0, "systemctl stop")
    expect_equal(world.show("ActiveState", "Result"), {"ActiveState": "inactive", "Result": "success"}, "the service")
    expect_equal(world.shop.live("gated"), commit, "the live commit")
    # The socket stays, and the next who asks starts the daemon.
    world.shop.ended(job)
    expect_equal(world.state(), "active", "the service after the next command")


@check(needs="serving")
def a_step_beyond_the_drain_is_ended_and_its_job_runs_anew_without_an_attempt_counted(world):
    world.shop.configure(configuration=CONFIGURATION.replace("drain: 60s", "drain: 1s"))
    world.restart()
    job, commit = world.shop.push("gated")
    gate = world.shop.gate()
    world.machine.run("systemctl stop bittern.service")
    expect_equal(world.show("ActiveState", "Result"), {"ActiveState": "inactive", "Result": "success"}, "the service")
    world.machine.run("systemctl start bittern.service")
    gate.answer("again")
    expect_equal(world.shop.ended(job)["attempt"], 1, "the attempt")
    expect_equal(world.shop.live("gated"), commit, "the live commit")


@check(needs="serving")
def a_restart_under_fire_refuses_and_loses_nothing(world):
    taken = []
    with Fire(rate=50) as fire:
        for _ in range(20):
            began = time.monotonic()
            world.restart()
            taken.append(time.monotonic() - began)
    world.note(f"20 restarts took {statistics.median(taken):.2f} s each, the longest {max(taken):.2f} s")
    # The whole of it; a machine that is busy with something else may be late once or twice.
    expect(statistics.median(taken) < 2, "a restart takes too long")
    fire.check(world.shop)
    world.note(fire.summary)


@check(needs="serving")
def a_service_crashed_20_times_at_once_finds_its_port_still_open(world):
    cursor = world.machine.cursor()
    answers = []
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        for number in range(20):
            pid = world.pid()
            world.machine.run("systemctl kill --signal=KILL --kill-who=main bittern.service")
            wait_for(lambda: not world.machine.path(f"/proc/{pid}").exists(), "the process to be gone")
            answers.append(pool.submit(deliver, "nobody", NONE, some_commit()))
            wait_for(lambda: world.pid() not in [0, pid] and world.state() == "active", "the next process", 30)
    statuses = [answer.result().status for answer in answers]
    expect_equal(statuses, [200] * 20, "the answers to who came while it was down")
    expect_equal(world.machine.property("bittern.socket", "ActiveState"), "active", "bittern.socket")
    expect_equal(world.machine.property("bittern-control.socket", "ActiveState"), "active", "bittern-control.socket")
    expect(int(world.show("NRestarts")["NRestarts"]) >= 20, "the service was not restarted 20 times")
    world.note(f"the slowest was answered after {max(answer.result().seconds for answer in answers):.2f} s")


# MARK: Watchdog


def watched(world, freeze):
    """Runs the debug build with a short watchdog, and with a file that freezes a part of it."""
    if not world.debug_binary:
        raise Skip("no --debug-binary")
    if not world.machine.path("/opt/bittern-debug/bittern").exists():
        copy_binary(world)
    world.machine.run("rm -f /srv/freeze")
    world.drop_in(f"""[Service]
ExecStart=
ExecStart=/opt/bittern-debug/bittern serve --config /etc/bittern/bittern.yaml
Environment=LD_LIBRARY_PATH=/opt/bittern-debug/lib
Environment=BITTERN_FREEZE={freeze}:/srv/freeze
WatchdogSec=2s
TimeoutStopSec=2s
TimeoutAbortSec=1s
LimitCORE=0
""")
    world.restart()
    pid = world.pid()
    if world.sends_watchdog is None:
        # More than twice the interval in health: who says nothing is restarted here already.
        try:
            expect_stays(lambda: world.pid() == pid, "the process", 5)
            world.sends_watchdog = True
        except Failure:
            world.sends_watchdog = False
    if not world.sends_watchdog:
        raise Skip("the daemon sends no WATCHDOG=1 yet")
    return pid


def copy_binary(world):
    """The debug build, with the libraries that lie where no service may look."""
    world.machine.run("mkdir -p /opt/bittern-debug/lib")
    shutil.copy(world.debug_binary, world.machine.path("/opt/bittern-debug/bittern"))
    listed = subprocess.run(["ldd", world.debug_binary], check=True, stdout=subprocess.PIPE, text=True).stdout
    for library in re.findall(r"=> (/\S+)", listed):
        if not library.startswith(("/lib", "/usr/lib/x86_64")):
            shutil.copy(library, world.machine.path("/opt/bittern-debug/lib/"))


def frozen(world, part):
    pid, cursor = watched(world, part), world.machine.cursor()
    world.machine.run("touch /srv/freeze")
    began = time.monotonic()
    wait_for(lambda: any("atchdog timeout" in entry.get("MESSAGE", "") for entry in world.machine.journal(cursor, "UNIT=bittern.service")),
             "the watchdog to bite", 15)
    world.note(f"noticed after {time.monotonic() - began:.1f} s")
    world.machine.run("rm /srv/freeze")
    wait_for(lambda: world.pid() not in [0, pid] and world.state() == "active", "another process", 20)
    expect_equal(deliver("nobody", NONE, some_commit()).status, 200, "the answer afterwards")


@check(needs="serving")
def a_frozen_ledger_is_noticed_and_the_daemon_restarted(world):
    frozen(world, "ledger")


@check(needs="serving")
def a_frozen_dispatcher_is_noticed_and_the_daemon_restarted(world):
    frozen(world, "dispatcher")


@check(needs="serving")
def a_frozen_listener_is_noticed_and_the_daemon_restarted(world):
    frozen(world, "listener")


@check(needs="serving")
def a_full_disk_refuses_deliveries_and_is_no_reason_to_restart(world):
    world.machine.run("""
        systemctl stop bittern.service
        mount -t tmpfs -o size=8M,mode=700,uid=$(id -u bittern),gid=$(id -g bittern) full /var/lib/bittern
    """)
    try:
        pid = watched(world, "ledger")
        world.machine.run("head -c 16M /dev/zero >/var/lib/bittern/ballast", check=False)
        expect_equal(deliver("main", NONE, some_commit()).status, 503, "a delivery with a full disk")
        expect_stays(lambda: (world.pid(), world.state()) == (pid, "active"), "the process with a full disk", 6)
        world.machine.run("rm /var/lib/bittern/ballast")
        wait_for(lambda: deliver("nobody", NONE, some_commit()).status == 200, "deliveries to be taken again")
    finally:
        world.machine.run("systemctl stop bittern.service; umount /var/lib/bittern", timeout=90)


# MARK: Package, later


def next_version(world):
    """The same package with a higher number, as apt would fetch it."""
    path, version = "/root/next.deb", world.machine.out("dpkg-query --show --showformat '${Version}' bittern") + "+next"
    if not world.machine.path(path).exists():
        world.machine.run(f"""
            rm -rf /tmp/next
            dpkg-deb --raw-extract {world.deb} /tmp/next
            sed -i 's/^Version: .*/Version: {version}/' /tmp/next/DEBIAN/control
            dpkg-deb --root-owner-group -Znone --build /tmp/next {path}
            rm -rf /tmp/next
        """, timeout=120)
    return path, version


@check(needs="serving")
def an_upgrade_with_jobs_queued_loses_neither_a_job_nor_a_connection(world):
    deb, version = next_version(world)
    world.shop.configure(configuration=CONFIGURATION.replace("drain: 60s", "drain: 1s").replace("workers: 3", "workers: 1"))
    world.restart()
    pid = world.pid()
    running, gated = world.shop.push("gated")
    gate = world.shop.gate()
    queued, main = world.shop.push("main")
    with Fire(rate=50) as fire:
        world.install(deb)
    expect_equal(world.machine.out("dpkg-query --show --showformat '${Version}' bittern"), version, "the version")
    expect(world.pid() not in [0, pid], "the upgrade did not restart the daemon")
    fire.check(world.shop)
    world.note(fire.summary)
    gate.answer("after the upgrade")
    expect_equal(world.shop.ended(running)["attempt"], 1, "the attempt of the job that ran")
    world.shop.ended(queued)
    expect_equal((world.shop.live("gated"), world.shop.live("shop")), (gated, main), "what is live")


@check(needs="serving")
def a_removed_package_keeps_its_state_and_takes_up_where_it_was(world):
    job, commit = world.shop.push("main")
    world.shop.ended(job)
    world.machine.run("apt-get remove --yes --quiet=2 bittern", timeout=120)
    running = [unit for unit in UNITS if world.machine.property(unit, "ActiveState") not in ["inactive", "failed"]]
    expect(not running, f"{running} runs on")
    try:
        deliver("main", NONE, commit, timeout=2)
        raise Failure("the port is still open")
    except ConnectionRefusedError:
        pass
    for path in ["/var/lib/bittern/bittern.db", "/etc/bittern/bittern.yaml", "/etc/bittern/credentials/acme-hook",
                 "/srv/shop/current/REVISION"]:
        expect(world.machine.path(path).exists(), f"{path} is gone")
    world.install(world.deb)
    world.machine.run("systemctl start bittern.socket bittern-control.socket")
    expect_equal(world.shop.job(job)["state"], "succeeded", "the job of before")


@check(needs="serving")
def a_purged_package_leaves_nothing_but_what_is_live(world):
    job, commit = world.shop.push("main")
    world.shop.ended(job)
    world.machine.run(f"rm {CHILD_RUNNER}; apt-get purge --yes --quiet=2 bittern", timeout=120)
    # What is live lies in /srv; dpkg, apt and systemd keep their own records; /root and /opt are where these checks put their files.
    others = re.compile(r"/(srv|root|opt|usr/share/doc|var/lib/(dpkg|apt)|var/cache|var/log)/")
    strange = [path for path in world.machine.written() if re.search("/bittern[^/]*$|^/etc/bittern/", path) and not others.match(path)]
    expect(not strange, "it left\n" + "\n".join(strange))
    expect_equal(world.shop.live("shop"), commit, "what is live")
    expect(not world.machine.out("systemctl list-units --all --no-legend 'bittern*'"), "units are still loaded")


# MARK: Documentation


@check(needs="bare")
def every_command_of_the_administrators_page_does_what_the_page_says(world):
    page = ROOT / "docs/systemd.md"
    if not page.exists():
        raise Skip("there is no docs/systemd.md yet")
    blocks = [textwrap.dedent(block) for _, block in re.findall(r"^( *)```sh\n(.*?)^\1```", page.read_text(), re.M | re.S)]
    expect(blocks, "the page has no commands")
    # What the page tells its reader to have: the package, and a token from Bitbucket, beside where the commands are typed.
    world.machine.run(f"rm -rf /root/page; mkdir /root/page; ln {world.deb} /root/page/; echo token-of-bitbucket >/root/page/acme-token")
    for number, block in enumerate(blocks, 1):
        if block.startswith("bittern check"):
            # Bitbucket is out of reach, so the repository is fetched from here.
            world.shop.make_repository("bittern-fetch")
            for branch in ["main", "gated", "crowd"]:
                world.shop.commit(branch)
            world.machine.run("systemctl daemon-reload")
            world.machine.run("echo 'clone_url: file:///srv/git/shop.git' >>/etc/bittern/apps.d/shop.yaml")
        done = world.machine.run("cd /root/page\n" + block, check=False, timeout=120)
        expect(done.returncode == 0, f"block {number} exited with {done.returncode}:\n{block}\n{done.stdout}{done.stderr}")
    expect_equal(world.shop.live("shop"), world.shop.heads["main"], "what is live when all is typed")
    expect_equal(world.state(), "active", "the service")
    world.note(f"{len(blocks)} commands")


# MARK: The runner, asked by a daemon that was taken over

RUNNER_CONFIGURATION = CONFIGURATION + "runner: systemd\nrunner_roots: [/srv]\n"

# What it is not allowed to see or to do it says in its log.
SEALED = """
account: acme
repository: acme/shop
branch: main
root: /srv/sealed
user: sealed
secrets: {DATABASE_URL: credential:shop-db}
limits: {memory: 256M, cpu: 150%, tasks: 64}
build:
  - name: greet
    run: id -un; pwd; echo "using $DATABASE_URL"; echo "home $HOME"; touch "$HOME/mine"
    secrets: [DATABASE_URL]
  - name: pry
    network: off
    run: |
      cat /srv/rival/secret || echo refused rival
      ls /var/lib/bittern || echo refused ledger
      ls /etc/bittern/credentials || echo refused credentials
      ls /run/bittern || echo refused sockets
      touch /etc/mine || echo refused etc
      grep -c : /proc/net/dev
  - name: wait
    run: echo begun; setsid sleep 600 & read -r answer </srv/runner-gate; echo "told $answer"
  - name: fail
    run: exit 7
restart: [served.service]
health: {run: test "$(readlink /srv/sealed/current)" = releases/71-aaaaaaa, within: 5s}
"""

RIVAL = SEALED.replace("sealed", "rival")


def runner(world):
    """The runner, its configuration and the apps' users, without a daemon beside it."""
    world.machine.run("""
        systemctl stop bittern.service bittern.socket bittern-control.socket bittern-runner.socket bittern-runner.service
        for user in sealed rival; do
            id $user >/dev/null 2>&1 || useradd --system --shell /usr/sbin/nologin $user
            rm -rf /srv/$user
            install -d -o $user -g $user /srv/$user /srv/$user/releases /srv/$user/releases/71-aaaaaaa
            echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa >/srv/$user/releases/71-aaaaaaa/REVISION
        done
        echo treasure >/srv/rival/secret
        [ -p /srv/runner-gate ] || mkfifo -m 666 /srv/runner-gate
        install -d -o bittern -g bittern /srv/runner-logs
        rm -rf /var/lib/bittern-runner /srv/runner-logs/*
        systemctl stop 'bittern-*-*-*.service'; systemctl reset-failed
    """, check=False)
    world.shop.configure(RUNNER_CONFIGURATION, shop=None, gated=None, crowd=None, sealed=SEALED, rival=RIVAL)
    world.machine.run("systemctl daemon-reload && systemctl start bittern-runner.socket")


def ask(world, request, log=None, user="bittern"):
    """One request to the runner; what it answers."""
    world.machine.write("/srv/ask.py", (ROOT / "Tests/systemd/ask.py").read_text())
    text = request if isinstance(request, str) else json.dumps(request)
    return json.loads(world.machine.out(["runuser", "-u", user, "--", "python3", "/srv/ask.py", text] + ([log] if log else []), timeout=90))


def hash_of(world, app):
    listed = world.machine.out("bittern runner --list").splitlines()
    return next(line.split()[3] for line in listed if line.split()[0] == app)


def step(world, position, **changes):
    """A request for a step of the app `sealed`."""
    return {"verb": "start", "job": 71, "start": 1, "position": position, "app": "sealed", "cause": "push", "ref": "refs/heads/main",
            "commit": "a" * 40, "stage": "build", "started": 1767225600123, "configuration": hash_of(world, "sealed")} | changes


def run_step(world, position, name, stage="build", **changes):
    """Runs it to its end, and returns the result and the log."""
    log = f"/srv/runner-logs/{name}"
    request = step(world, position, stage=stage, **changes)
    expect_equal(ask(world, request, log)["state"], "running", f"the answer to the start of {name}")
    ended = ask(world, {"verb": "wait", "job": 71, "start": 1, "position": position})
    return ended["result"], world.machine.path(log).read_text()


@check(needs="installed")
def the_runner_runs_a_step_as_the_user_of_the_app_and_masks_its_output(world):
    runner(world)
    result, log = run_step(world, 2, "greet")
    expect_equal(result, {"end": "succeeded"}, "the result")
    expect_equal(log, "sealed\n/srv/sealed/releases/71-aaaaaaa\nusing ***\nhome /var/lib/bittern-homes/sealed\n", "the log")
    expect_equal(ask(world, {"verb": "query", "job": 71, "start": 1, "position": 2})["result"], result, "the result, asked again")
    expect_equal(world.machine.out("systemctl list-units --all --no-legend 'bittern-71-*'"), "", "the units that are left")
    expect_equal(run_step(world, 5, "fail")[0], {"end": "exited", "number": 7}, "the result of a step that fails")
    # A ledger that was restored counts its jobs anew; what is known of the one before is nothing to it.
    ask(world, step(world, 2, started=1767225600124), "/srv/runner-logs/greet")
    ask(world, {"verb": "wait", "job": 71, "start": 1, "position": 2})
    expect_equal(world.machine.path("/srv/runner-logs/greet").read_text(), log * 2, "the log of the step of another ledger")


@check(needs="installed")
def the_runner_puts_a_release_live_and_restarts_the_units_of_its_app(world):
    runner(world)
    world.machine.write("/etc/systemd/system/served.service", "[Service]\nExecStart=/bin/sleep infinity\n")
    world.machine.run("rm -f /srv/sealed/current; systemctl daemon-reload; systemctl restart served.service")
    before = world.machine.property("served.service", "MainPID")
    for position, stage, wanted in [
        (6, "activate", "/srv/sealed/current -> releases/71-aaaaaaa"), (7, "restart", "systemctl restart served.service"),
        (8, "health", "the answer is right"),
    ]:
        result, log = run_step(world, position, stage, stage)
        expect_equal((result, log.strip()), ({"end": "succeeded"}, wanted), f"the end of {stage}")
    expect(world.machine.property("served.service", "MainPID") not in [before, "0"], "served.service was not restarted")
    expect_equal(world.machine.out("stat --format=%U /srv/sealed/current"), "sealed", "the owner of the link")
    # A link in the place of a release leads nowhere.
    world.machine.run("runuser -u sealed -- sh -c 'cd /srv/sealed/releases && mv 71-aaaaaaa moved && ln -s /etc 71-aaaaaaa'; rm -rf /var/lib/bittern-runner")
    world.machine.run("systemctl restart bittern-runner.service")
    for position, stage, words in [(6, "activate", "is no release of"), (2, "build", "is no release of")]:
        result, _ = run_step(world, position, "link-" + stage, stage)
        expect_in(words, result.get("reason", str(result)), f"the result of {stage} with a link in the release's place")
    world.machine.run("rm /srv/sealed/releases/71-aaaaaaa /etc/systemd/system/served.service; systemctl stop served.service")


@check(needs="installed")
def a_step_sees_nothing_of_other_apps_of_the_ledger_and_of_the_sockets(world):
    runner(world)
    result, log = run_step(world, 3, "pry")
    expect_equal(result, {"end": "succeeded"}, "the result")
    for word in ["rival", "ledger", "credentials", "sockets", "etc"]:
        expect_in(f"refused {word}\n", log, "the log of a step that looks around")
    expect(log.endswith("\n1\n"), "a step without network has more than a loopback:\n" + log)


@check(needs="installed")
def a_step_has_its_limits_and_goes_on_whatever_becomes_of_the_runner(world):
    runner(world)
    request, place = step(world, 4), {"job": 71, "start": 1, "position": 4}
    expect_equal(ask(world, request, "/srv/runner-logs/wait")["state"], "running", "the answer to the start")
    wait_for(lambda: "begun" in world.machine.path("/srv/runner-logs/wait").read_text(), "the step to begin")
    shown = world.machine.show("bittern-71-1-4.service", "User", "MemoryMax", "CPUQuotaPerSecUSec", "TasksMax", "NoNewPrivileges",
                               "ProtectSystem", "Slice", "LimitCORE")
    wanted = {"User": "sealed", "MemoryMax": str(256 << 20), "CPUQuotaPerSecUSec": "1.500000s", "TasksMax": "64", "NoNewPrivileges": "yes",
              "ProtectSystem": "strict", "Slice": "bittern-build.slice", "LimitCORE": "0"}
    expect_equal(shown, wanted, "the unit's properties")
    everything = world.machine.out("systemctl show bittern-71-1-4.service; cat /run/systemd/transient/bittern-71-1-4.service")
    expect(DATABASE not in everything and "runner-gate" not in everything, "the unit shows a secret or a command:\n" + everything)
    world.machine.run("systemctl kill --signal=KILL bittern-runner.service; systemctl daemon-reload")
    expect_equal(ask(world, request, "/srv/runner-logs/wait")["state"], "running", "the answer to the same start")
    world.machine.run("echo on >/srv/runner-gate")
    expect_equal(ask(world, place | {"verb": "wait"})["result"], {"end": "succeeded"}, "the result")
    expect_equal(world.machine.path("/srv/runner-logs/wait").read_text(), "begun\ntold on\n", "the log")


@check(needs="installed")
def a_step_that_is_stopped_is_gone_with_all_it_began(world):
    runner(world)
    place = {"job": 71, "start": 1, "position": 4}
    ask(world, step(world, 4), "/srv/runner-logs/wait")
    wait_for(lambda: "begun" in world.machine.path("/srv/runner-logs/wait").read_text(), "the step to begin")
    ask(world, place | {"verb": "stop"})
    expect_equal(ask(world, place | {"verb": "wait"})["result"], {"end": "stopped"}, "the result")
    expect_equal(world.machine.out("pgrep -u sealed", check=False), "", "the processes of the app's user")
    expect_equal(ask(world, place | {"job": 72, "verb": "wait"}), {"state": "unknown"}, "what is known of a step nobody began")


@check(needs="installed")
def the_runner_refuses_what_is_not_configured_and_says_so_in_the_journal(world):
    runner(world)
    cursor, log = world.machine.cursor(), "/srv/runner-logs/refused"
    good = step(world, 2)
    for what, request, words in [
        ("another app", good | {"app": "shop"}, "there is no app shop"),
        ("an app's name that is a path", good | {"app": "../sealed"}, "malformed (app)"),
        ("another configuration", good | {"configuration": "0" * 64}, "is not what the daemon has read"),
        ("another stage", good | {"stage": "deploy"}, "has no step 2 that is a deploy"),
        ("a position beyond the plan", good | {"position": 40}, "has no step 40"),
        ("a ref that is an option", good | {"ref": "refs/heads/--exec=x"}, "malformed (ref)"),
        ("a commit that is none", good | {"commit": "HEAD"}, "malformed (commit)"),
        ("another verb", good | {"verb": "run", "command": "id"}, "malformed (verb)"),
        ("no JSON", "GET / HTTP/1.1", "malformed (line)"),
    ]:
        answer = ask(world, request, log)
        expect(answer["state"] in ["refused", "outdated"] and words in answer["reason"], f"{what} was answered {answer}")
    # It names no branch that would have to hold it, and no release that is kept.
    result, _ = run_step(world, 1, "foreign", "checkout", commit="b" * 40)
    expect_in("no branch or tag that sealed is configured for holds bbbbbbb", result["reason"], "the result of a checkout of just any commit")
    for cause, ref in [("push", "refs/heads/other"), ("manual", "refs/tags/v1")]:
        answer = ask(world, good | {"cause": cause, "ref": ref}, log)
        expect_in("sealed is not configured for " + ref, answer["reason"], f"the answer to a {cause} of {ref}")
    expect_in("came without a log", ask(world, good)["reason"], "the answer to a request without a log")
    for path, change, words in [
        ("/etc/bittern/apps.d/sealed.yaml", "chmod 666", "others than root may write"),
        ("/etc/bittern/apps.d", "chown bittern", "others than root may write"),
    ]:
        world.machine.run(f"{change} {path}")
        expect_in(words, ask(world, good, log)["reason"], f"the answer after {change}")
        world.machine.run(f"chown root {path}; chmod go-w {path}")
    expect_equal(world.machine.out("systemctl list-units --all --no-legend 'bittern-71-*'"), "", "the units")
    refused = [entry for entry in world.machine.journal(cursor, "_SYSTEMD_UNIT=bittern-runner.service") if "refused: " in entry["MESSAGE"]]
    expect(len(refused) >= 14, f"the journal has {len(refused)} refusals")
    # The socket is the daemon's alone; root may, as it may everything.
    denied = world.machine.run(["runuser", "-u", "sealed", "--", "python3", "/srv/ask.py", "{}"], check=False)
    expect(denied.returncode != 0 and "PermissionError" in denied.stderr, "another user could ask: " + denied.stdout + denied.stderr)
