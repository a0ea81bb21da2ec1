#!/bin/sh
# Tries to break what reads bytes from outside, for so many seconds altogether: run.sh PROGRAMS WORK SECONDS
# PROGRAMS holds the fuzzers, WORK is where inputs are kept while it runs. What breaks something is left in WORK, and the exit status is 1.
# With KEEP=1 the inputs that reach new places are packed into fuzz/corpus, for the next run to begin with.
set -eu
programs=$1 work=$2 seconds=$3
sh fuzz/seed.sh "$work"
# The runtime's own handler would be there first, and the input that broke it would not be kept.
export SWIFT_BACKTRACE=enable=no
status=0
for fuzzer in FuzzDelivery:delivery FuzzConfiguration:configuration FuzzRunner:runner; do
    program=$programs/${fuzzer%%:*} name=${fuzzer##*:}
    if [ -f "fuzz/corpus/$name.tar.xz" ]; then tar -xJf "fuzz/corpus/$name.tar.xz" -C "$work/$name"; fi
    printf '%s: %s inputs\n' "$name" "$(find "$work/$name" -type f | wc -l)"
    "$program" -max_total_time=$((seconds / 3)) -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 \
        -artifact_prefix="$work/$name-" "$work/$name" || status=1
    if [ -n "${KEEP:-}" ]; then
        rm -rf "$work/kept" && mkdir -p "$work/kept"
        "$program" -merge=1 -verbosity=0 "$work/kept" "$work/$name"
        tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cJf "fuzz/corpus/$name.tar.xz" -C "$work/kept" .
    fi
done
exit $status
