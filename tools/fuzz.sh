#!/bin/bash
# Fuzzes one target of test/fuzz:
#   tools/fuzz.sh TARGET RUNS         so many inputs made of the kept ones in test/fuzz/corpus, the
#                                     same ones each time
#   tools/fuzz.sh TARGET RUNS more    others each time; what is new is collected in build/fuzz/TARGET
#   tools/fuzz.sh TARGET 0 keep       of what was collected, what reaches more is kept
# An input that fails is left in build/fuzz, where its name begins with the target's. The program
# takes it as its argument.
set -euo pipefail
source "$(dirname "$0")/common.sh"

[ $# -ge 2 ] || die "which target, and how many inputs?"
target=$1
runs=$2
kept=$root/test/fuzz/corpus/$target
found=$build/fuzz/$target
program=$build/native-fuzz/test/fuzz/fuzz_$target
[ -x "$program" ] || die "no $program: cmake --preset native-fuzz, cmake --build --preset native-fuzz"
[ -d "$kept" ] || die "no inputs in $kept"
mkdir -p "$found"

# The sanitizers of clang 14 do not bear the widest spread of addresses that Linux can be set to.
run=()
! setarch -R true 2>/dev/null || run=(setarch -R)
# Memory is used again soon: most of the time would go into fresh pages.
export ASAN_OPTIONS=quarantine_size_mb=8

options=(-max_len=256 -len_control=0 -entropic=0 -timeout=300 "-runs=$runs"
    "-artifact_prefix=$build/fuzz/$target-")
case ${3:-same} in
same)
    scratch=$(mktemp -d) # where libFuzzer puts what is new
    trap 'rm -rf "$scratch"' EXIT
    "${run[@]}" "$program" "${options[@]}" -seed=1 "$scratch" "$kept"
    ;;
more)
    "${run[@]}" "$program" "${options[@]}" "$found" "$kept"
    ;;
keep)
    "${run[@]}" "$program" "${options[@]}" -set_cover_merge=1 "$kept" "$found"
    ;;
*)
    die "what is $3?"
    ;;
esac
