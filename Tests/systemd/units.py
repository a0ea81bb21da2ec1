"""What an administrator would see whose steps are units of their own, as the package has it."""

import random
import time

from checks import ask, check, hash_of
from machine import expect, expect_equal, expect_in, wait_for
from shop import DATABASE, GATED, deliver


def units(world):
    """The units of steps that are there, by their names."""
    listed = world.machine.out("systemctl list-units --all --plain --no-legend 'bittern-[0-9]*'")
    return [line.split()[0] for line in listed.splitlines()]


def expect_no_units(world, job):
    """Whatever the job began is gone; catch-up may have begun another one meanwhile."""
    wait_for(lambda: not [name for name in units(world) if name.startswith(f"bittern-{job}-")], "the units to be gone")


def owner(world, path):
    return world.machine.out(["stat", "--format=%U", path])


def log_of(world, job, step):
    return world.machine.out(["/bin/sh", "-c", f"cat /var/lib/bittern/logs/{job}/*-{step}.log"])


@check(needs="units")
def a_push_goes_live_in_units_of_the_users_whom_it_concerns(world):
    job, commit = world.shop.push("main")
    ended = world.shop.ended(job)
    expect_equal([step["name"] for step in ended["steps"]], ["fetch", "checkout", "bundle", "activate", "warm"], "the steps")
    expect_equal(world.shop.live("shop"), commit, "what is live")
    for path, user in [
        (f"/srv/shop/releases/{job}-{commit[:7]}/REVISION", "shop"), ("/srv/shop/current", "shop"),
        ("/var/lib/bittern-homes/shop", "shop"), ("/var/lib/bittern-fetch/mirrors", "bittern-fetch"),
    ]:
        expect_equal(owner(world, path), user, f"the owner of {path}")
    expect_equal(log_of(world, job, "warm"), "using ***", "what the step wrote that has a secret")
    expect_no_units(world, job)
    wait_for(lambda: world.machine.path("/srv/shop/.spare-mark").exists(), "the tree for the next release")
    # From here on a release is made of that tree.
    job, commit = world.shop.push("main")
    world.shop.ended(job)
    expect_equal(world.shop.live("shop"), commit, "what is live next")


@check(needs="units")
def the_secrets_of_an_app_are_the_runners_and_the_daemon_has_none_of_them(world):
    job, _ = world.shop.push("main")
    world.shop.ended(job)
    given = world.machine.out("ls /run/credentials/bittern.service")
    expect_in("cred_acme-hook", given, "the daemon's credentials")
    expect("shop-db" not in given, "the daemon was given the app's secret:\n" + given)
    found = world.machine.run(["grep", "-rlF", DATABASE, "/var/lib/bittern", "/var/lib/bittern-runner", "/run/systemd/transient", "/srv"],
                              check=False)
    expect_equal(found.stdout, "", "where the secret lies on the disk")
    said = world.machine.journal(world.cursor)
    expect(not any(DATABASE in str(entry["MESSAGE"]) for entry in said), "the journal has the secret")


# MARK: The daemon and the runner come and go


def begun(world):
    """A job that stands at the gate, in its build."""
    job, commit = world.shop.push("gated")
    return job, commit, world.shop.gate()


def went_on(world, job, commit):
    """The job ended well in the start it had, and each step of it ran once."""
    ended = world.shop.ended(job)
    expect_equal((ended["attempt"], ended["state"]), (1, "succeeded"), "the attempt and the end")
    expect_equal([step["name"] for step in ended["steps"]], ["fetch", "checkout", "wait", "activate"], "the steps")
    expect_equal(world.shop.live("gated"), commit, "what is live")
    expect_equal(log_of(world, job, "wait"), "told on", "the log of the build")


@check(needs="units")
def a_restart_of_the_daemon_in_the_middle_of_a_build_disturbs_nothing(world):
    job, commit, gate = begun(world)
    began = time.monotonic()
    world.restart()
    world.note(f"the restart took {time.monotonic() - began:.2f} s")
    wait_for(lambda: "gated" in world.status(), "the status to name the job again")
    expect_equal(world.shop.job(job)["state"], "running", "the job after the restart")
    world.machine.run("systemctl daemon-reload")
    gate.answer("on")
    went_on(world, job, commit)


@check(needs="units")
def a_build_that_ends_while_no_daemon_is_there_is_done(world):
    job, commit, gate = begun(world)
    world.machine.run("systemctl stop bittern.socket bittern-control.socket bittern.service")
    unit = units(world)
    expect_equal(len(unit), 1, f"the units {unit}")
    gate.answer("on")
    wait_for(lambda: world.machine.property(unit[0], "SubState") == "exited", "the build to end")
    world.machine.run("systemctl start bittern.socket bittern-control.socket bittern.service")
    went_on(world, job, commit)


@check(needs="units")
def killing_the_daemon_and_the_runner_in_the_middle_of_a_build_disturbs_nothing(world):
    job, commit, gate = begun(world)
    for unit in ["bittern.service", "bittern-runner.service"] * 2:
        world.machine.run(f"systemctl kill --signal=KILL {unit}", check=False)
        wait_for(lambda: world.machine.property("bittern.service", "ActiveState") == "active", "the daemon to be back")
    gate.answer("on")
    went_on(world, job, commit)


@check(needs="units")
def a_step_that_nobody_knows_of_any_more_was_lost_and_its_job_starts_anew(world):
    job, commit, gate = begun(world)
    world.machine.run("systemctl stop bittern.socket bittern-control.socket bittern.service bittern-runner.socket bittern-runner.service")
    # What a power cut leaves: no unit, and a result that nobody wrote.
    unit = units(world)[0]
    world.machine.run(f"systemctl kill --signal=KILL {unit}; systemctl stop {unit}; systemctl reset-failed {unit}", check=False)
    gate.close()
    world.machine.run("systemctl start bittern.socket bittern-control.socket bittern.service")
    world.shop.gate("on")
    ended = world.shop.ended(job)
    expect_equal(ended["attempt"], 2, "the attempt")
    expect_equal(world.shop.live("gated"), commit, "what is live")


@check(needs="units")
def a_job_whose_app_was_changed_meanwhile_starts_anew(world):
    job, commit, gate = begun(world)
    world.machine.run("systemctl stop bittern.socket bittern-control.socket bittern.service")
    world.machine.run("echo 'env: {CHANGED: \"1\"}' >>/etc/bittern/apps.d/gated.yaml")
    world.machine.run("systemctl start bittern.socket bittern-control.socket bittern.service")
    # The one that stood there is gone.
    gate.close()
    world.shop.gate("on")
    world.shop.ended(job)
    expect_equal(world.shop.live("gated"), commit, "what is live")
    expect_no_units(world, job)


@check(needs="units")
def a_cancelled_job_is_gone_with_everything_its_build_began(world):
    world.shop.configure_units(gated=GATED.replace("read -r answer", "setsid sleep 600 & (sleep 601 &) ; read -r answer"))
    world.machine.run("systemctl reload bittern.service")
    job, _, gate = begun(world)
    expect(world.machine.out("pgrep -u gated sleep"), "the build began nothing")
    world.shop.cli(f"cancel {job}")
    ended = world.shop.ended(job, "cancelled")
    expect_in("cancelled", ended["reason"], "the reason")
    gate.close()
    wait_for(lambda: not world.machine.out("pgrep -u gated", check=False), "the processes of the app's user to be gone")


@check(needs="units")
def a_step_that_runs_too_long_or_fails_says_so_as_ever(world):
    for build, sentence in [("exit 7", 'step "wait" exited with status 7'), ("sleep 60", 'step "wait" ran longer than its limit of 1s')]:
        text = GATED.replace("    run: read", "    timeout: 1s\n    run: " + build + "; read")
        world.shop.configure_units(gated=text)
        world.machine.run("systemctl reload bittern.service")
        job, _ = world.shop.push("gated")
        expect_equal(world.shop.ended(job, "failed")["reason"], sentence, "the reason")
    found = [entry["MESSAGE"] for entry in world.machine.journal(world.cursor, "BITTERN_APP=gated") if "failed" in str(entry["MESSAGE"])]
    expect(len(found) >= 2, f"the journal says of it: {found}")


@check(needs="units")
def a_file_that_was_edited_without_a_reload_runs_nothing(world):
    world.machine.run("echo 'deploy: [id]' >>/etc/bittern/apps.d/gated.yaml")
    job, _ = world.shop.push("gated")
    expect_in("is not what the daemon has read; systemctl reload bittern", world.shop.ended(job, "failed")["reason"], "the reason")
    world.machine.run("systemctl reload bittern.service")
    world.shop.cli(f"retry {job}")
    world.shop.gate("on")
    wait_for(lambda: world.shop.json("jobs --app gated --limit 1")[0]["state"] == "succeeded", "the retry to succeed")


@check(needs="units")
def a_reload_in_the_middle_of_a_build_has_the_job_begin_anew_by_the_new_rules(world):
    job, commit, gate = begun(world)
    world.machine.run("echo 'deploy: [touch \"$BITTERN_ROOT/by-the-new-rules\"]' >>/etc/bittern/apps.d/gated.yaml")
    world.machine.run("systemctl reload bittern.service")
    gate.answer("on")
    # Whoever has just been answered may still have the gate open.
    wait_for(lambda: f"bittern-{job}-2-2.service" in units(world), "the build of the second start")
    world.shop.gate("on")
    ended = world.shop.ended(job)
    expect_equal(ended["attempt"], 1, "the attempt")
    expect_equal(world.shop.live("gated"), commit, "what is live")
    expect(world.machine.path("/srv/gated/by-the-new-rules").exists(), "the new rules were not followed")


@check(needs="units")
def a_file_that_is_being_written_keeps_steps_waiting_and_fails_none(world):
    job, commit, gate = begun(world)
    world.machine.run("echo 'half: [' >/etc/bittern/apps.d/other.yaml")
    gate.answer("on")
    cursor = world.cursor
    wait_for(lambda: any("cannot use its configuration" in str(entry["MESSAGE"]) for entry in world.machine.journal(cursor)),
             "the journal to say what steps wait for")
    expect_equal(world.shop.job(job)["state"], "running", "the job meanwhile")
    world.machine.run("rm /etc/bittern/apps.d/other.yaml")
    went_on(world, job, commit)


@check(needs="units")
def what_was_fetched_for_one_app_is_no_release_of_another(world):
    _, gated = world.shop.commit("gated")
    def asked(app, stage, position, ref, commit):
        place = {"job": 777, "start": 1, "position": position}
        request = place | {"verb": "start", "app": app, "cause": "push", "ref": ref, "commit": commit, "stage": stage,
                           "started": 1767225600123, "configuration": hash_of(world, app)}
        world.machine.run("install -d -o bittern /srv/runner-logs")
        answer = ask(world, request, f"/srv/runner-logs/777-{app}-{stage}")
        return answer if answer["state"] == "refused" else ask(world, place | {"verb": "wait"})["result"]
    expect_equal(asked("gated", "fetch", 0, "refs/heads/gated", gated)["end"], "fetched", "the fetch for the one app")
    for ref in ["refs/heads/main", "refs/heads/gated"]:
        refused = asked("shop", "checkout", 1, ref, gated)
        expect(refused.get("end", "refused") != "succeeded", f"shop was given what gated may deploy: {refused}")
    expect(not any("777" in name for name in world.machine.out("ls /srv/shop/releases", check=False).split()), "there is a release of it")


# MARK: The whole pipeline

FULL = """
account: acme
repository: acme/shop
clone_url: file:///srv/git/shop.git
branch: full
root: /srv/full
keep_releases: 1
shared: [storage/]
cache: [modules/]
build:
  - name: count
    run: mkdir -p modules; echo more >>modules/times; echo "built $(wc -l <modules/times) times"; setsid sleep 600 &
  - name: alone
    network: off
    run: grep -c . /proc/net/dev
pre_deploy:
  - name: migrate
    run: echo "$BITTERN_COMMIT" >storage/migrated
deploy: [test -e storage/migrated]
restart: served.service
health: {tcp: "127.0.0.1:8470", within: 5s}
notify: [{run: 'echo "$BITTERN_EVENT $BITTERN_JOB: $BITTERN_REASON" >>"$BITTERN_ROOT/told"', on: [succeeded, failed, recovered]}]
"""


def full(world, text=FULL):
    world.machine.run("id full >/dev/null 2>&1 || useradd --system --shell /usr/sbin/nologin full; install -d -m 750 -o full -g full /srv/full")
    world.machine.write("/etc/systemd/system/served.service", "[Service]\nExecStart=/bin/sleep infinity\n")
    world.shop.configure_units(full=text)
    world.machine.run("systemctl daemon-reload; systemctl start served.service; systemctl reload bittern.service")


def told(world):
    path = world.machine.path("/srv/full/told")
    return path.read_text().splitlines() if path.exists() else []


@check(needs="units")
def everything_a_pipeline_can_do_is_done_by_whom_it_concerns(world):
    full(world)
    served = world.machine.property("served.service", "MainPID")
    jobs = []
    for number in [1, 2, 3]:
        job, commit = world.shop.push("full")
        jobs.append(job)
        ended = world.shop.ended(job)
        expect_equal([step["name"] for step in ended["steps"]],
                     ["fetch", "checkout", "count", "alone", "migrate", "activate", "deploy-1", "restart", "health"], "the steps")
        expect_equal(log_of(world, job, "count"), f"built {number} times", "what the cache holds")
        wait_for(lambda: len(told(world)) == number, "the notice")
        expect_no_units(world, job)
    expect_in(f"succeeded {jobs[0]}: ", told(world)[0], "what others were told")
    expect(world.machine.property("served.service", "MainPID") not in [served, "0"], "served.service was not restarted")
    expect_equal(world.machine.out("pgrep -u full", check=False), "", "what a build left running")
    # The live one and the good one before it.
    kept = wait_for(lambda: len(names := world.machine.out("ls /srv/full/releases").split()) == 2 and names, "the oldest release to be removed")
    expect_equal(sorted(int(name.split("-")[0]) for name in kept), jobs[1:], "the releases that are kept")
    expect_equal(world.machine.out("find /srv/full ! -user full"), "", "what belongs to anybody else")
    world.shop.cli("rollback full --wait", timeout=60)
    expect_equal(world.machine.out("readlink /srv/full/current").split("/")[1].split("-")[0], str(jobs[1]), "what is live after a rollback")
    world.shop.cli("cache clear full")
    expect(not world.machine.path("/srv/full/.cache").exists(), "the cache is still there")
    doctor = world.machine.run("bittern doctor", check=False).stdout
    for line in ["ok       root of full", "ok       runner"]:
        expect_in(line, doctor, "what the doctor says")
    expect("live release of full" not in doctor, "the doctor judges what the daemon cannot see:\n" + doctor)
    world.machine.run("systemctl stop served.service")


@check(needs="units")
def a_release_that_fails_when_it_is_live_is_switched_back(world):
    full(world, FULL.replace("restart: served.service\n", "").replace('tcp: "127.0.0.1:8470", within: 5s', 'run: "! test -e bad", within: 1s'))
    good, commit = world.shop.push("full")
    world.shop.ended(good)
    full(world, FULL.replace("restart: served.service\n", "").replace('tcp: "127.0.0.1:8470", within: 5s', 'run: "! test -e bad", within: 1s')
         .replace("deploy: [test", "deploy: [touch bad, test"))
    bad, _ = world.shop.push("full")
    ended = world.shop.ended(bad, "failed")
    expect_in(f"rolled back to release {good}", ended["reason"], "the reason")
    expect_equal(world.shop.live("full"), commit, "what is live")
    wait_for(lambda: any(line.startswith(f"failed {bad}") for line in told(world)), "the notice of the failure")


@check(needs="units")
def an_upgrade_in_the_middle_of_a_build_disturbs_nothing(world):
    job, commit, gate = begun(world)
    pid = world.pid()
    # For dpkg any other state of the package is an upgrade; the version that is there may be the next one already.
    world.machine.run(f"dpkg --install {world.deb}", timeout=120)
    expect(world.pid() not in [pid, 0], "the daemon was not restarted")
    gate.answer("on")
    went_on(world, job, commit)


# MARK: Torture

CREW = 10
LINES = 30

# Ten apps of one repository build at the same time, slowly, and note in their roots how often.
MEMBER = """
account: acme
repository: acme/shop
clone_url: file:///srv/git/shop.git
branch: crew
root: /srv/NAME
keep_releases: 2
build:
  - name: slow
    run: echo ran >>../../builds; for line in $(seq LINES); do echo "line $line of $BITTERN_JOB"; sleep 0.05; done
deploy:
  - name: after
    run: echo ran >>"$BITTERN_ROOT/deploys"
""".replace("LINES", str(LINES))


def storm(world, random, jobs):
    """Restarts and kills what can be, a few times while the jobs run."""
    events = ["systemctl restart bittern.service", "systemctl kill --signal=KILL bittern.service",
              "systemctl kill --signal=KILL bittern-runner.service", "systemctl daemon-reload"]
    struck = []
    for _ in range(random.randint(2, 5)):
        # The moment is the point of it, so nothing is waited for.
        time.sleep(random.uniform(0, 0.9))
        event = random.choice(events)
        world.machine.run(event, check=False)
        struck.append(event.split()[-1] if "kill" in event else event.split()[1])
    return struck


def expected_log(job, commit, member):
    short = f"{job}-{commit[:7]}"
    return {
        "fetch": "fetch refs/heads/crew from file:///srv/git/shop.git\n",
        "checkout": f"checkout {commit} into /srv/{member}/releases/{short}\n",
        "slow": "".join(f"line {line} of {job}\n" for line in range(1, LINES + 1)),
        "activate": f"/srv/{member}/current -> releases/{short}\n",
        "after": "",
    }


@check(needs="units")
def ten_builds_end_once_each_whatever_is_restarted_or_killed_meanwhile(world):
    members = [f"crew{number}" for number in range(CREW)]
    for member in members:
        world.machine.run(f"id {member} >/dev/null 2>&1 || useradd --system --shell /usr/sbin/nologin {member}; "
                          f"rm -rf /srv/{member}; install -d -o {member} -g {member} /srv/{member}")
    texts = {member: MEMBER.replace("NAME", member) for member in members}
    world.shop.configure_units(shop=None, gated=None, crowd=None, **texts)
    world.machine.run("sed -i 's/^workers: .*/workers: 10/' /etc/bittern/bittern.yaml; systemctl restart bittern.service")
    seed = world.seed or random.SystemRandom().randrange(1 << 32)
    dice = random.Random(seed)
    struck = []
    for round in range(1, world.rounds + 1):
        old, commit = world.shop.commit("crew")
        answer = deliver("crew", old, commit)
        jobs = dict(zip(members, sorted(answer.jobs)))
        expect_equal(len(jobs), CREW, "the jobs of the push")
        struck += storm(world, dice, jobs)
        for member, job in jobs.items():
            what = f"round {round} of seed {seed}, job {job} of {member}"
            ended = world.shop.ended(job, seconds=60)
            expect_equal(ended["app"], member, what)
            expect_equal((ended["state"], ended["attempt"]), ("succeeded", 1), what + f" ({ended['reason']})")
            for step, text in expected_log(job, commit, member).items():
                found = world.machine.run(f"cat /var/lib/bittern/logs/{job}/*-{step}.log").stdout
                expect_equal(found, text, what + f", the log of {step}")
            for file in ["builds", "deploys"]:
                ran = world.machine.path(f"/srv/{member}/{file}").read_text()
                expect_equal(ran, "ran\n" * round, what + f", the {file}")
            expect_equal(world.shop.live(member), commit, what + ", what is live")
    world.note(f"{world.rounds} rounds of {CREW} jobs, seed {seed}: " + ", ".join(f"{struck.count(one)} {one}" for one in sorted(set(struck))))
