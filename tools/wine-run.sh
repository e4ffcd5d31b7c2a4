#!/bin/bash
# Runs a Windows program under Wine: tools/wine-run.sh PROGRAM [ARGUMENT...]
# The exit code is the program's.
# CMake uses it to run the tests of a MinGW build.
#
#   IOCPLOOP_WINE           name of the Wine prefix under build/wine/ (default)
#   IOCPLOOP_SYSTEM         run it on this system of tools/system.sh, which is there (this machine)
#   IOCPLOOP_WINE_TIMEOUT   time limit in seconds (420); the exit code is then 124
#   IOCPLOOP_WINE_CPU       run on this processor only
#   IOCPLOOP_CMOCKA         set: the program runs CMocka tests, which must all be there
#   IOCPLOOP_WINE_OUTPUT    a file for the output, as it comes; without it, it is printed at the end
#
# SIGTERM is handed to the program as Ctrl-C.
#
# A loaded machine makes Wine lose a program before its first instruction, once in some 200 starts: it
# ends within a second, with whatever code, and has not printed a line, as each of CMocka's does at
# once. Such a test program is started again, once, and the output says so ("again:").
#
# 77 says that the program cannot run here: it is a 32-bit one, and this Wine has no 32-bit half.
set -euo pipefail
source "$(dirname "$0")/common.sh"

[ $# -ge 1 ] || die "usage: ${0##*/} PROGRAM [ARGUMENT...]"
[ -f "$1" ] || die "no such file: $1"

# The two bytes behind the PE signature name the processor; at offset 60 stands where that is.
machine() {
    local offset
    offset=$(od -An -tu4 -j60 -N4 "$1" | tr -d ' ')
    od -An -tx2 -j$((offset + 4)) -N2 "$1" | tr -d ' '
}

wine_prepare

if [ "$(machine "$1")" = 014c ] && ! wine_has_32_bits; then
    echo "skipped: $1 is a 32-bit program, and there is no 32-bit Wine here"
    exit 77
fi

# A server of its own for each test program: what one of them does to Wine, and some do a lot, must
# not show in the next.
fresh_server() {
    wine_end
    WINEPREFIX=$(wine_prefix) timeout 30 "${on_system[@]}" wineserver -w || true
}

run=(timeout -k 5 "${IOCPLOOP_WINE_TIMEOUT:-420}" "${on_system[@]}" wine "$@")
if [ -n "${IOCPLOOP_WINE_CPU:-}" ]; then
    run=(taskset -c "$IOCPLOOP_WINE_CPU" "${run[@]}")
fi

# Through a file: Wine's services hold a pipe open for half a second after the program has ended.
output=${IOCPLOOP_WINE_OUTPUT:-}
if [ -z "$output" ]; then
    output=$(mktemp "$build/wine/output.XXXXXX")
    trap 'rm -f "$output"' EXIT
fi

# Sets code, and took: seconds. The output is added to what is there.
run_program() {
    local start=$SECONDS
    [ -z "${IOCPLOOP_CMOCKA:-}" ] || fresh_server
    # Wine makes Ctrl-C of SIGINT, which a script that runs in the background cannot receive itself.
    WINEPREFIX=$(wine_prefix) WINEDEBUG=${WINEDEBUG:--all} "${run[@]}" >>"$output" 2>&1 &
    child=$!
    # Not by `wait`: bash loses the code of a program that ends while a signal interrupts that.
    while kill -0 $child 2>/dev/null; do
        sleep 0.1
    done
    code=0
    wait $child || code=$?
    took=$((SECONDS - start))
}

# As a terminal would: once to each process of the program's group. `timeout`, which leads it, would hand
# it on to the program and to the group, and that would be two Ctrl-C.
interrupt() {
    local one
    for one in $(pgrep -g "$child"); do
        [ "$one" = "$child" ] || kill -INT "$one" 2>/dev/null || true
    done
}

child=
is_told_to_end=
trap 'is_told_to_end=1; interrupt' TERM
: >"$output"
run_program
# Ten seconds are a long one on a machine that is loaded.
if [ -n "${IOCPLOOP_CMOCKA:-}" ] && [ ! -s "$output" ] && [ $took -le 10 ] && [ $code -ne 124 ] &&
    [ -z "$is_told_to_end" ]; then
    echo "${0##*/}: again: the program ended with $code and had not printed a line" >"$output"
    run_program
fi

# When Wine's server dies its programs end in the middle, with exit code 0. A program of CMocka's
# says how many tests it begins and that they have been run.
if [ -n "${IOCPLOOP_CMOCKA:-}" ] && [ $code -eq 0 ]; then
    begun=$(grep -c '^\[==========\] Running' "$output" || true)
    ended=$(grep -c '^\[==========\].* run\.' "$output" || true)
    if [ "$begun" -eq 0 ] || [ "$begun" -ne "$ended" ]; then
        echo "${0##*/}: the program ended in the middle of its tests" >>"$output"
        code=1
    fi
fi
# A program may end with 124 by itself.
if [ $code -eq 124 ] && [ $took -ge "${IOCPLOOP_WINE_TIMEOUT:-420}" ]; then
    echo "${0##*/}: time limit of ${IOCPLOOP_WINE_TIMEOUT:-420} s: $*" >>"$output"
fi
[ -n "${IOCPLOOP_WINE_OUTPUT:-}" ] || tr -d '\r' <"$output"
exit $code
