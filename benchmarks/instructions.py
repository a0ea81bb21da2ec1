#!/usr/bin/env python3
"""Counts the instructions it takes to accept a delivery, and fails where they are more than a tenth above what is on record, or below it: then the record is to be made anew.

Seconds depend on what else a machine does; instructions do not. The number is the difference of two runs of accept-count, so that what it
takes to start and to make a ledger is not in it. `--record` writes the number down instead.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import deliveries

RECORD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "accept-count", "record.json")
FEW, MANY = 100, 600
TOLERANCE = 1.1


def run(program, directory, count):
    """Instructions of all threads together."""
    state = f"{directory}/state-{count}"
    os.mkdir(state)
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, state]
    with open(f"{directory}/deliveries-{count}") as file:
        ended = subprocess.run(command, stdin=file, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    found = re.search(r"Collected : (\d+)", ended.stderr)
    if ended.returncode or not found:
        sys.exit(f"accept-count ended with {ended.returncode}: {ended.stderr}")
    return int(found.group(1))


def count(program):
    directory = tempfile.mkdtemp(prefix="bittern-count.")
    try:
        stripped = directory + "/accept-count"
        # valgrind reads what a debugger would, and has no patience for that of Swift.
        subprocess.run(["strip", "--strip-debug", "-o", stripped, program], check=True)
        for number in (FEW, MANY):
            deliveries.write(f"{directory}/deliveries-{number}", number)
        return round((run(stripped, directory, MANY) - run(stripped, directory, FEW)) / (MANY - FEW))
    finally:
        shutil.rmtree(directory)


def recorded():
    with open(RECORD) as file:
        return json.load(file)["instructions"]


def main():
    counted = count(os.path.abspath(sys.argv[1]))
    if sys.argv[2:] == ["--record"]:
        with open(RECORD, "w") as file:
            json.dump({"instructions": counted}, file)
            file.write("\n")
        return print(f"{counted:,} instructions to accept a delivery are on record now")
    ratio = counted / recorded()
    print(f"{counted:,} instructions to accept a delivery, {ratio:.3f} of the {recorded():,} on record")
    if ratio > TOLERANCE:
        sys.exit(f"that is more than {TOLERANCE}; find out why (callgrind_annotate), or, if it is worth it, make accept-count RECORD=1")
    if ratio < 1 / TOLERANCE:
        sys.exit("that is so much better that a later loss would not be seen; make accept-count RECORD=1")


if __name__ == "__main__":
    main()
