#!/bin/bash
# Builds and tests everything: tools/test.sh [STEP...]
# With no STEP all of them, in the order of all_steps below. The last line is the sum:
# "N passed, N failed", and "N skipped" where something could not be run here. The exit code is 0
# only if nothing failed.
set -euo pipefail
source "$(dirname "$0")/common.sh"
source "$root/tools/echo.sh"
source "$root/tools/examples.sh"
source "$root/tools/examples_io.sh"
source "$root/tools/load_cases.sh"
cd "$root"

all_steps=(format layers tools msvc native-asan native-tsan mingw-x64-debug mingw-x64-release
    mingw-x86-debug echo examples package load)
steps=("$@")
[ $# -gt 0 ] || steps=("${all_steps[@]}")

logs=$build/logs
passed=0
failed=0
skipped=0

# shellcheck disable=SC2086 # a name each
unset WINEDEBUG ${!IOCPLOOP_@}
export IOCPLOOP_WINE=test
# Colours would hide CMocka's sums from us.
export CLICOLOR=0 NO_COLOR=1
trap 'echo_stop >/dev/null || true; wine_end' EXIT

# need LIMIT NAME COMMAND...: runs a command that others depend on. It counts only if it fails.
need() {
    local limit=$1 name=$2 log=$logs/${2//[^a-zA-Z0-9-]/_}.log start=$SECONDS code=0
    shift 2
    timeout -k 10 "$limit" "$@" >"$log" 2>&1 || code=$?
    took=$((SECONDS - start))
    [ $code -ne 0 ] || return 0

    failed=$((failed + 1))
    [ $code -ne 124 ] || echo "time limit of $limit s" >>"$log"
    printf 'FAIL  %-44s %4d s\n' "$name" $took
    # Without Ninja's progress.
    grep -v '^\[[0-9]*/[0-9]*\] ' "$log" | tail -n 100 | sed 's/^/      | /'
    return 1
}

# check LIMIT NAME COMMAND...: one check, that a command succeeds within LIMIT seconds.
check() {
    need "$@" || return 1
    passed=$((passed + 1))
    printf 'ok    %-44s %4d s\n' "$2" $took
}

# suite PRESET PROGRAMS: build it, run its tests, so many programs at a time.
suite() {
    local preset=$1 parallel=$2 log=$logs/$1-tests.log code=0 run=() start ok bad left
    need 120 "$preset configures" cmake --preset "$preset" || return 0
    check 600 "$preset builds" cmake --build --preset "$preset" -j "$jobs" || return 0

    # The sanitizers of clang 14 do not bear the widest spread of addresses that Linux can be set to.
    if [[ $preset == native-* ]] && setarch -R true 2>/dev/null; then
        run=(setarch -R)
    fi
    start=$SECONDS
    timeout -k 10 900 "${run[@]}" ctest --preset "$preset" -V -j "$parallel" -LE check-source \
        >"$log" 2>&1 || code=$?
    awk -f tools/count-tests.awk "$log" >"$log.sum"
    read -r ok bad left <"$log.sum"
    # What a suite that was cut off did not come to is in none of the sums.
    if [ $code -ne 0 ] && { [ "$bad" -eq 0 ] || [ $code -eq 124 ] || [ $code -eq 137 ]; }; then
        [ $code -ne 124 ] || echo "time limit of 900 s"
        echo "ctest ended with $code:" && tail -n 20 "$log"
        bad=$((bad + 1))
    elif [ $((ok + bad + left)) -eq 0 ]; then
        echo "no test was run:" && tail -n 20 "$log"
        bad=1
    fi
    passed=$((passed + ok))
    failed=$((failed + bad))
    skipped=$((skipped + left))
    [ "$bad" -eq 0 ] && printf 'ok    ' || printf 'FAIL  '
    printf '%-44s %4d s   %d passed, %d failed, %d skipped\n' "$preset tests" \
        $((SECONDS - start)) "$ok" "$bad" "$left"
    tail -n +2 "$log.sum"
}

# need_release: the library and the examples, for the steps that use them.
need_release() {
    need 120 "mingw-x64-release configures" cmake --preset mingw-x64-release &&
        need 600 "mingw-x64-release builds its library" cmake --build --preset mingw-x64-release \
            -j "$jobs" --target iocploop iocploop_static echo_server echo_client udp_echo file_copy \
            run_process tick_timers
}

need_load_clients() {
    need 60 "load clients build" \
        bash -c 'source tools/common.sh && source tools/echo.sh && build_load_clients'
}

# The main job, end to end: the Windows server under Wine, native clients, and at last Ctrl-C.
echo_step() {
    local mode
    need_release || return 0
    need_load_clients || return 0
    if ! echo_start mingw-x64-release echo_server; then
        failed=$((failed + 1))
        return 0
    fi
    for mode in throughput latency half-close reset; do
        check 120 "echo $mode, 200 native clients" \
            "$build/load_client" --port "$echo_port" --mode $mode --connections 200 --seconds 2 ||
            true
    done
    check 120 "echo client on the same library" tools/wine-run.sh \
        "$build/mingw-x64-release/examples/echo_client.exe" 127.0.0.1 "$echo_port" \
        --connections 50 --bytes 200000 --size 4096 || true
    check_echo_stops echo
}

# check_echo_stops NAME: Ctrl-C, as the last check of a server that echo_start started.
check_echo_stops() {
    if echo_stop; then
        passed=$((passed + 1))
        echo "ok    $1 ends by Ctrl-C with nothing pending"
    else
        failed=$((failed + 1))
        echo "FAIL  $1 ends by Ctrl-C with nothing pending"
    fi
}

# Each in a shell of its own, which the time limit can end.
examples_step() {
    local name
    need_release && need_load_clients || return 0
    examples_udp_echo
    examples_file_copy
    for name in "${example_checks[@]}"; do
        check 240 "${name//_/ }" bash -euo pipefail -c \
            'source tools/common.sh; source tools/examples.sh; "$1"' bash "$name" || true
    done
}

# The short forms. Counts and checksums decide, so they may take as long as they like. Wine's server
# has each socket open, too.
load_step() {
    local name
    need 120 "$load_preset configures" cmake --preset $load_preset &&
        need 600 "load builds" cmake --build --preset $load_preset -j "$jobs" \
            --target iocploop_load || return 0
    for name in "${load_short[@]}"; do
        if [ "$name" = connections ] && [ "$limit" != unlimited ] && [ "$limit" -lt 8192 ]; then
            skipped=$((skipped + 1))
            echo "skip  load $name: the limit of open files is $limit, not 8192"
            continue
        fi
        check 660 "load $name" bash -euo pipefail -c \
            'source tools/common.sh; source tools/load_cases.sh; load_limit=600 run_load "$1"' \
            bash "$name" || continue
        grep -e "^$name:" -e '^flat:' "$logs/load_$name.log" | sed 's/^/      /'
    done
}

run_step() {
    local case
    case $1 in
    format)
        check 60 "format" find include src test bench examples tools -name '*.[ch]' \
            -exec clang-format-14 --dry-run --Werror --ferror-limit=1 {} + || true
        ;;
    layers)
        for case in layers exports sources version manual; do
            check 30 "$case" cmake -DSOURCE_DIR="$root" -P cmake/checks/$case.cmake || true
        done
        ;;
    tools)
        check 120 "a test program that Wine loses" tools/wine-run-check.sh || true
        ;;
    msvc)
        check 600 "MSVC mode for x64, x86 and arm64" tools/msvc-check.sh || true
        ;;
    native-*)
        suite "$1" "$jobs"
        ;;
    mingw-*)
        # One program at a time: they look at the clock, and Wine's server does not survive two
        # programs that make its calls fail in turn.
        suite "$1" 1
        ;;
    echo)
        echo_step
        ;;
    examples)
        examples_step
        ;;
    load)
        load_step
        ;;
    package)
        need_release || return 0
        for case in dll static pkgconfig pkgconfig-static subdirectory; do
            check 180 "package $case" tools/package-check.sh $case || true
        done
        ;;
    *)
        die "no such step: $1 (there are: ${all_steps[*]})"
        ;;
    esac
}

limit=$(ulimit -H -n)
[ "$limit" = unlimited ] || [ "$limit" -ge 4096 ] ||
    die "the limit of open files is $limit, the tests need 4096"
mkdir -p "$logs"
tools/setup.sh
for step in "${steps[@]}"; do
    run_step "$step"
done

echo
if [ $skipped -gt 0 ]; then
    echo "$passed passed, $failed failed, $skipped skipped"
else
    echo "$passed passed, $failed failed"
fi
[ $failed -eq 0 ]
