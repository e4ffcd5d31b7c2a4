#!/bin/bash
# Fuzzes one target: tools/fuzz.sh TARGET RUNS [OPTION...]
# Begins with the kept inputs in test/fuzz/corpus and with those that earlier runs have left in
# build/fuzz; with `--keep` as the third word what is new and small becomes kept. An input that fails
# is left in build/fuzz, its name begins with the target's: give it to the program alone to see why.
set -euo pipefail
source "$(dirname "$0")/common.sh"

[ $# -ge 2 ] || die "which target, and how many inputs?"
target=$1
runs=$2
shift 2
kept=$root/test/fuzz/corpus/$target
found=$build/fuzz/$target
program=$build/native-fuzz/test/fuzz/fuzz_$target
[ -x "$program" ] || die "no $program: cmake --preset native-fuzz, cmake --build --preset native-fuzz"

# The sanitizers of clang 14 do not bear the widest spread of addresses that Linux can be set to.
run=()
! setarch -R true 2>/dev/null || run=(setarch -R)
# Memory is used again soon: most of the time would go into fresh pages.
export ASAN_OPTIONS=quarantine_size_mb=8

mkdir -p "$found" "$kept"
if [ "${1:-}" = --keep ]; then
    exec "${run[@]}" "$program" -merge=1 -max_len=256 "$kept" "$found"
fi
exec "${run[@]}" "$program" -seed=1 -runs="$runs" -max_len=256 -len_control=0 -entropic=0 \
    -timeout=300 -artifact_prefix="$build/fuzz/$target-" "$@" "$kept"
