#!/usr/bin/env python3
"""Boots a machine with a systemd of its own, installs the package on it, and checks what an administrator would see.

The output is TAP. Exit status: 0 all is well, 1 something is not, 2 usage, 77 no machine can be booted here.
"""

import argparse
import pathlib
import re
import signal
import sys
import time
import traceback

sys.dont_write_bytecode = True

import machine  # noqa: E402 (after the line above, or it would be written)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", nargs="?", type=pathlib.Path, help="bittern_VERSION_ARCHITECTURE.deb")
    parser.add_argument("--debug-binary", type=pathlib.Path, help="a bittern that can be frozen, for the checks of the watchdog")
    parser.add_argument("--only", action="append", default=[], metavar="WORDS",
                        help="run the checks whose sentence matches; may be repeated")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="run them N times, to see whether something fails now and then")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="of the check that restarts and kills what it can")
    parser.add_argument("--seed", type=int, metavar="N", help="what that check does when; without it, a new one each time")
    parser.add_argument("--list", action="store_true", help="list the checks")
    parser.add_argument("--shell", action="store_true", help="open a shell in the machine when the checks are done")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    if not parsed.list and not parsed.package:
        parser.error("which package?")
    for file in [parsed.package, parsed.debug_binary]:
        if file and not parsed.list and not file.is_file():
            parser.error(f"there is no {file}")
    return parsed


def chosen(words):
    import checks
    import units  # noqa: F401 (registers its checks)
    return [check for check in checks.ALL if not words or any(re.search(word, check.sentence) for word in words)]


def indented(text):
    return "".join("#   " + line + "\n" for line in str(text).splitlines())


def run_check(world, number, check):
    """Runs one check, prints its line, and returns whether it went well."""
    import checks
    began, world.cursor, world.notes = time.monotonic(), world.machine.cursor(), []
    result, directive, trouble = "ok", "", None
    try:
        world.prepare(check.needs)
        check(world)
    except checks.Skip as skip:
        directive = f" # SKIP {skip}"
    except machine.Failure as failure:
        result, trouble = "not ok", str(failure)
    except Exception:
        result, trouble = "not ok", traceback.format_exc()
    print(f"{result} {number} - {check.sentence} ({time.monotonic() - began:.1f} s){directive}")
    for note in world.notes:
        print("# " + note)
    if trouble:
        print(indented(trouble) + "# the machine's journal:\n" + indented(world.machine.tail(world.cursor)), end="")
    sys.stdout.flush()
    return result == "ok"


def inside(options):
    import checks
    signal.signal(signal.SIGTERM, machine.end_once)
    signal.signal(signal.SIGINT, machine.end_once)
    began = time.monotonic()
    selected = chosen(options.only) * options.repeat
    print(f"TAP version 13\n1..{len(selected)}", flush=True)
    booted = machine.Machine()
    try:
        print(f"# booted in {time.monotonic() - began:.1f} s", flush=True)
        world = checks.World(booted, options.package.resolve(), options.debug_binary)
        world.rounds, world.seed = options.rounds, options.seed
        results = [run_check(world, number, check) for number, check in enumerate(selected, 1)]
        if options.shell:
            booted.shell()
    finally:
        booted.end()
    print(f"# {len(results)} checks, {results.count(False)} failed, {time.monotonic() - began:.0f} s")
    return 0 if all(results) else 1


def main():
    options = arguments()
    if options.list:
        print("\n".join(check.sentence for check in chosen(options.only)))
        return 0
    if not chosen(options.only):
        sys.exit("no check matches")
    if options.inside:
        return inside(options)
    try:
        return machine.enter(__file__, sys.argv[1:])
    except machine.Impossible as reason:
        print(f"The tests on a real systemd cannot run here: {reason}.", file=sys.stderr)
        return 77


if __name__ == "__main__":
    sys.exit(main())
