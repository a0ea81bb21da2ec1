"""What an administrator would see whose steps are units of their own, as the package has it."""

from checks import check
from machine import expect, expect_equal, expect_in, wait_for
from shop import DATABASE


def units(world):
    """The units of steps that are there, by their names."""
    listed = world.machine.out("systemctl list-units --all --plain --no-legend 'bittern-[0-9]*'")
    return [line.split()[0] for line in listed.splitlines()]


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
    wait_for(lambda: not units(world), "the units to be gone")
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
