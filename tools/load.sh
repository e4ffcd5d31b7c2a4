#!/bin/bash
# Load on the library, under Wine: tools/load.sh [CASE [COUNT]]
# With no CASE the long form of each; without COUNT the short form, which tools/test.sh runs.
# test/load/main.c lists the cases. The exit code is 0 if everything was as it should be.
set -euo pipefail
source "$(dirname "$0")/common.sh"
source "$root/tools/load_cases.sh"
cd "$root"

export IOCPLOOP_WINE=load
trap wine_end EXIT

tools/setup.sh
log=$build/logs/load-build.log
mkdir -p "$build/logs"
build_load >"$log" 2>&1 || { cat "$log" && die "the build failed"; }

if [ $# -gt 0 ]; then
    run_load "$@"
    exit
fi
for case in "${load_long[@]}"; do
    # shellcheck disable=SC2086 # a case and its count
    run_load $case
done
