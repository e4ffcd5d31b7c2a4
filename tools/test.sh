#!/bin/bash
# Builds and tests everything: tools/test.sh [STEP...]
# With no STEP all of them, in the order of all_steps below, but those of beside run beside the
# others. A step PRESET@SYSTEM runs its tests on a system of tools/system.sh. On demand there are also
# msvc-abi-x64 and msvc-dll-x64: all tests compiled for the MSVC ABI, and the contract tests on a DLL
# of that; and these for x86 on a system, msvc-dll-x86@trixie. The last line is the sum:
# "N passed, N failed", and "N skipped" where something could not be run here. The exit code is 0
# only if nothing failed.
set -euo pipefail
source "$(dirname "$0")/common.sh"
source "$root/tools/echo.sh"
source "$root/tools/examples.sh"
source "$root/tools/examples_io.sh"
source "$root/tools/examples_http.sh"
source "$root/tools/examples_proxy.sh"
source "$root/tools/examples_curl.sh"
source "$root/tools/load_cases.sh"
cd "$root"

all_steps=(format layers tools msvc models fuzz native-asan native-tsan mingw-x64-release
    bench-check echo examples package load mingw-x64-debug@trixie mingw-x86-debug@trixie msvc-abi)
# The tests under Wine wait more than they compute. These have builds and a Wine of their own.
beside=(mingw-x64-debug@trixie mingw-x86-debug@trixie msvc-abi)

logs=$build/logs
passed=0
failed=0
skipped=0

# shellcheck disable=SC2086 # a name each
unset WINEDEBUG ${!IOCPLOOP_@}
use_system ""
export IOCPLOOP_WINE=test
# Colours would hide CMocka's sums from us.
export CLICOLOR=0 NO_COLOR=1
lane=
trap 'echo_stop >/dev/null || true; [ -z "$lane" ] || kill $lane 2>/dev/null || true; wine_end' EXIT

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

# need_system NAME: makes it, if it is not there. One that cannot be made here counts as skipped.
need_system() {
    local log=$logs/system-$1.log start=$SECONDS code=0
    timeout -k 10 1200 tools/system.sh "$1" >"$log" 2>&1 || code=$?
    [ $code -ne 0 ] || return 0
    if [ $code -eq 77 ]; then
        skipped=$((skipped + 1))
        printf 'skip  %-44s %4d s\n' "Debian $1" $((SECONDS - start))
    else
        failed=$((failed + 1))
        printf 'FAIL  %-44s %4d s\n' "Debian $1" $((SECONDS - start))
    fi
    tail -n 30 "$log" | sed 's/^/      | /'
    return 1
}

# suite PRESET[@SYSTEM] PROGRAMS [OPTION...]: build it, run its tests, so many programs at a time, those
# that ctest's options say. Without its system they are run on this machine.
suite() {
    local name=$1 preset=${1%@*} parallel=$2 log=$logs/$1-tests.log code=0 run=() start ok bad left
    shift 2
    need 120 "$preset configures" cmake --preset "$preset" || return 0
    check 1800 "$preset builds" cmake --build --preset "$preset" -j "$jobs" || return 0

    # The sanitizers of clang 14 do not bear the widest spread of addresses that Linux can be set to.
    if [[ $preset == native-* ]] && setarch -R true 2>/dev/null; then
        run=(setarch -R)
    fi
    if [ "$name" != "$preset" ] && need_system "${name#*@}"; then
        use_system "${name#*@}"
    fi
    start=$SECONDS
    timeout -k 10 2400 "${run[@]}" ctest --preset "$preset" -V -j "$parallel" \
        -LE check-source "$@" >"$log" 2>&1 || code=$?
    awk -f tools/count-tests.awk "$log" >"$log.sum"
    read -r ok bad left <"$log.sum"
    # What a suite that was cut off did not come to is in none of the sums.
    if [ $code -ne 0 ] && { [ "$bad" -eq 0 ] || [ $code -eq 124 ] || [ $code -eq 137 ]; }; then
        [ $code -ne 124 ] || echo "time limit of 2400 s"
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
    printf '%-44s %4d s   %d passed, %d failed, %d skipped\n' "$name tests" \
        $((SECONDS - start)) "$ok" "$bad" "$left"
    tail -n +2 "$log.sum"
    wine_end
    use_system ""
}

# need_release: the library and the examples, for the steps that use them.
need_release() {
    need 120 "mingw-x64-release configures" cmake --preset mingw-x64-release &&
        need 1200 "mingw-x64-release builds its library" cmake --build --preset mingw-x64-release \
            -j "$jobs" --target iocploop iocploop_static echo_server echo_client workers udp_echo \
            file_copy pipe_chat run_process pipeline tick_timers http_server tcp_proxy filter \
            watch_folder
}

# need_curl: libcurl for Windows, for the one example that is about it.
need_curl() {
    need 1200 "curl for Windows builds" tools/setup.sh curl
}

need_curl_download() {
    need_curl &&
        need 120 "mingw-x64-release configures" cmake --preset mingw-x64-release &&
        need 300 "curl_download builds" cmake --build --preset mingw-x64-release -j "$jobs" \
            --target curl_download
}

need_load_clients() {
    need 60 "load clients build" \
        bash -c 'source tools/common.sh && source tools/echo.sh && build_load_clients'
}

need_msvc_dlls() {
    check 900 "MSVC ABI links for x64, x86 and arm64" tools/msvc-link.sh
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
    check_server_stops echo echo_stop
}

# check_server_stops NAME FUNCTION: Ctrl-C, as the last check of a server that was started in this shell.
check_server_stops() {
    if "$2"; then
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
    need 60 "a program for the examples builds" \
        bash -c 'source tools/common.sh; source tools/examples.sh; build_stage' || return 0
    examples_workers
    examples_udp_echo
    examples_http_server
    examples_tcp_proxy
    ! need_curl_download || examples_curl_download
    examples_file_copy
    examples_watch_folder
    examples_filter
    examples_pipe_chat
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
        need 1200 "load builds" cmake --build --preset $load_preset -j "$jobs" \
            --target iocploop_load || return 0
    for name in "${load_short[@]}"; do
        if [ "$name" = connections ] && [ "$limit" != unlimited ] && [ "$limit" -lt 8192 ]; then
            skipped=$((skipped + 1))
            echo "skip  load $name: the limit of open files is $limit, not 8192"
            continue
        fi
        check 1260 "load $name" bash -euo pipefail -c \
            'source tools/common.sh; source tools/load_cases.sh; load_limit=1200 run_load "$1"' \
            bash "$name" || continue
        grep -e "^$name:" -e '^flat:' "$logs/load_$name.log" | sed 's/^/      /'
    done
}

# So many inputs, the same ones each time, for each target.
fuzz_step() {
    local target runs
    need 120 "native-fuzz configures" cmake --preset native-fuzz &&
        need 600 "native-fuzz builds" cmake --build --preset native-fuzz -j "$jobs" || return 0
    while read -r target runs; do
        check 900 "fuzz $target, $runs inputs" tools/fuzz.sh "$target" "$runs" || true
    done <<'END'
api 24000
files 24000
streams 24000
structs 100000
addresses 50000
address_texts 300000
paths 300000
command_lines 200000
recode 100000
control 300000
records 300000
END
}

# Counts, which the machine's other work does not change.
bench_check_step() {
    if tools/bench-check.sh compiler >"$logs/compiler.log"; then
        check 600 "no more instructions than recorded" tools/bench-check.sh instructions || true
    else
        skipped=$((skipped + 1))
        echo "skip  no more instructions than recorded: $(cat "$logs/compiler.log")"
    fi
    check 600 "no more requests than recorded" tools/bench-check.sh requests || true
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
        need_curl || return 0
        check 1200 "MSVC mode for x64, x86 and arm64" tools/msvc-check.sh || true
        ;;
    bench-check)
        bench_check_step
        ;;
    models)
        check 900 "models, with and without each safeguard" tools/models.sh || true
        ;;
    fuzz)
        fuzz_step
        ;;
    native-*)
        suite "$1" "$jobs"
        ;;
    msvc-abi)
        need_msvc_dlls || return 0
        suite msvc-abi-x64 1 -L unit
        ;;
    msvc-abi-*)
        suite "$1" 1
        ;;
    msvc-dll-*)
        need_msvc_dlls || return 0
        suite "$1" 1
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

run_steps() {
    local step
    for step in "$@"; do
        run_step "$step"
    done
}

# lane_start STEP...: runs them in the background. lane_end waits for them, says what they said, and
# adds their sums to ours.
lane_start() {
    rm -f "$logs/lane.sum"
    (
        IOCPLOOP_WINE=test-beside
        passed=0 failed=0 skipped=0
        trap wine_end EXIT
        trap 'exit 1' TERM # when what runs just now has ended
        run_steps "$@"
        echo "$passed $failed $skipped" >"$logs/lane.sum"
    ) >"$logs/lane.log" 2>&1 &
    lane=$!
}

lane_end() {
    local ok=0 bad=1 left=0
    wait $lane || true
    lane=
    cat "$logs/lane.log"
    # One that ended before its end has failed.
    [ ! -e "$logs/lane.sum" ] || read -r ok bad left <"$logs/lane.sum"
    passed=$((passed + ok))
    failed=$((failed + bad))
    skipped=$((skipped + left))
}

limit=$(ulimit -H -n)
[ "$limit" = unlimited ] || [ "$limit" -ge 4096 ] ||
    die "the limit of open files is $limit, the tests need 4096"
mkdir -p "$logs"
tools/setup.sh
if [ $# -gt 0 ]; then
    run_steps "$@"
else
    lane_start "${beside[@]}"
    # shellcheck disable=SC2046 # a name each
    run_steps $(printf '%s\n' "${all_steps[@]}" | grep -vxF "$(printf '%s\n' "${beside[@]}")")
    lane_end
fi

echo
if [ $skipped -gt 0 ]; then
    echo "$passed passed, $failed failed, $skipped skipped"
else
    echo "$passed passed, $failed failed"
fi
[ $failed -eq 0 ]
