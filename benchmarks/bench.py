#!/usr/bin/env python3
"""Measures the bittern of a release build beside what else would do its work, and writes benchmarks/README.md.

`make bench` installs what is needed, builds, and runs this. All figures of the page come from one run on one machine. With names of sections
behind the binaries only those are measured, and printed instead. Only loopback is used; everything happens in a temporary directory, which is
removed at the end.
"""

import os
import shutil
import sys
import tempfile
import time

import accepting
import footprint
import histories
import host
import instructions
import outputs
import page
import releases
import serving

HERE = os.path.dirname(os.path.abspath(__file__))


class Bench:
    def __init__(self, directory, accept_count, package):
        self.directory = directory
        self.accept_count = accept_count
        self.package = package
        self.files = accepting.Files(directory)
        #: The daemon's anonymous memory while a step wrote 1 GB.
        self.most_during_output = None

    def accept(self):
        return accepting.measure(self.directory, self.files)

    def busy(self):
        return accepting.measure_under_load(self.directory, self.files)

    def claim(self):
        return histories.measure_claims(self.directory)

    def history(self):
        return histories.measure_history(self.directory, self.files)

    def release(self):
        return releases.measure(self.directory)

    def output(self):
        section, self.most_during_output = outputs.measure(self.directory)
        return section

    def footprint(self):
        return footprint.measure(self.directory, self.files, self.most_during_output, self.package)

    def instructions(self):
        counted = instructions.count(self.accept_count)
        return page.Section("Instructions", [
            f"""{counted:,} instructions (callgrind) verify, read, match and store one of these deliveries in a transaction of its own; CI fails
where it is more than a tenth above {instructions.recorded():,}. valgrind's processor has no instructions for SHA-256, which is nearly half of
them there, and little on a real one."""])


SECTIONS = ["accept", "busy", "release", "claim", "history", "output", "footprint", "instructions"]


def written(sections, began, bittern):
    minutes = (time.time() - began) / 60
    return "\n\n".join([
        "# How fast it is, and what it weighs",
        f"""`make bench` installs [wrk](https://github.com/wg/wrk) and [adnanh/webhook](https://github.com/adnanh/webhook), builds for release,
measures, and writes this page: all of it is of one run, of {minutes:.0f} minutes on {time.strftime('%-d %B %Y', time.gmtime(began))}, and what
counts are the ratios. `make bench ONLY='claim release'` prints some sections ({', '.join(SECTIONS)}).""",
        host.described(bittern),
        page.summary(sections),
        *map(str, sections)]) + "\n"


def main():
    bittern, ledger_bench, accept_count = (os.path.abspath(path) for path in sys.argv[1:4])
    package = footprint.package(sys.argv[4])
    serving.BITTERN, histories.LEDGER_BENCH = bittern, ledger_bench
    wanted = sys.argv[5:]
    if set(wanted) - set(SECTIONS):
        sys.exit(f"there are {', '.join(SECTIONS)}")
    began = time.time()
    directory = tempfile.mkdtemp(prefix="bittern-bench.")
    try:
        bench = Bench(directory, accept_count, package)
        sections = []
        for name in SECTIONS:
            if name in (wanted or SECTIONS):
                sections.append(getattr(bench, name)())
                print("\n".join([str(sections[-1]), "", page.summary(sections[-1:]), ""]), flush=True)
        if not wanted:
            with open(HERE + "/README.md", "w") as file:
                file.write(written(sections, began, bittern))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
