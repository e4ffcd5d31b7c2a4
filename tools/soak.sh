#!/bin/bash
# All the load by turns for so many minutes, under Wine: tools/soak.sh MINUTES
# A line for each of 20 windows (fewer on a busy machine), and at last "flat:" with handles, memory,
# blocks that the library has of its allocator, and pending operations in the first and in the last.
# The exit code is 0 if they are the same, and everything else was as it should be.
set -euo pipefail
source "$(dirname "$0")/common.sh"
source "$root/tools/load_cases.sh"
cd "$root"

[[ ${1:-} =~ ^[1-9][0-9]*$ ]] || die "usage: ${0##*/} MINUTES"
export IOCPLOOP_WINE=soak
trap wine_end EXIT

tools/setup.sh
mkdir -p "$build/logs"
log=$build/logs/soak-build.log
build_load >"$log" 2>&1 || { cat "$log" && die "the build failed"; }

log=$build/logs/soak.log
: >"$log"
# The windows as they come.
tail -n +1 -f --pid=$$ "$log" | grep --line-buffered '^window' &
code=0
load_limit=$(($1 * 60 + 600)) IOCPLOOP_WINE_OUTPUT=$log run_load soak $(($1 * 60)) || code=$?
kill $! 2>/dev/null || true
grep -v '^window' "$log" | tr -d '\r' | grep -e '^flat' || tail -n 3 "$log"
exit $code
