# Sourced after common.sh: what the examples do with programs that are not ours. Each function runs
# one of them, from the build in mingw-x64-release, and says what is wrong where it fails.
# shellcheck shell=bash

example_checks=(examples_run_process examples_tick_timers)

# example NAME ARGUMENT...: runs it under Wine. Sets `said` and `code`.
example() {
    local name=$1
    shift
    code=0
    said=$(IOCPLOOP_WINE_TIMEOUT=${IOCPLOOP_WINE_TIMEOUT:-60} "$root/tools/wine-run.sh" \
        "$build/mingw-x64-release/examples/$name.exe" "$@") || code=$?
    printf '%s\nends with %d: %s %s\n' "$said" $code "$name" "$*"
}

# expect CODE [PATTERN...]: of the last example, with lines that match.
expect() {
    local pattern
    [ "$code" -eq "$1" ] || die "the exit code is not $1"
    for pattern in "${@:2}"; do
        grep -Eq -- "$pattern" <<<"$said" || die "no line matches: $pattern"
    done
}

examples_run_process() {
    local start limit started
    example run_process cmd /c exit 42
    expect 42
    # The line is taken apart and put together again; cmd prints it as it is.
    example run_process cmd /c echo 'a  b\' 'c\d' 'e\"f'
    expect 0 '^"a  b\\\\" c\\d "e\\\\\\"f"$'
    example run_process no_such_program
    expect 127 'cannot be started'

    # cmd starts ping, which lasts a minute, and both are ended. How long it takes until ping runs
    # depends on the machine.
    for limit in 500 2000 8000; do
        start=$SECONDS
        example run_process --verbose --limit $limit cmd /c ping -n 60 127.0.0.1
        expect 124 "ended after the limit of $limit ms" 'no process is left'
        [ $((SECONDS - start)) -lt 40 ] || die "the limit came late"
        started=$(grep -c 'process [0-9]* started' <<<"$said" || true)
        [ "$started" -lt 2 ] || break
    done
    [ "$started" -eq 2 ] || die "cmd started no ping"

    # What the program leaves behind ends with it: cmd starts start, and that ping. Wine's start has
    # been seen not to find it, and then nothing is left behind.
    for _ in 1 2 3; do
        start=$SECONDS
        example run_process --verbose cmd /c 'start /b ping -n 60 127.0.0.1'
        started=$(grep -c 'process [0-9]* started' <<<"$said" || true)
        [ "$started" -lt 3 ] || break
    done
    [ "$started" -eq 3 ] || die "start started no ping"
    expect 0 'no process is left'
    [ $((SECONDS - start)) -lt 40 ] || die "what was left behind was waited for"
}

examples_tick_timers() {
    local method
    for method in auto apc port; do
        example tick_timers --count 2000 --span 500 --method $method
        expect 0 '^early +0$' '^wake-ups +[0-9]+, for each timer [0-9]+\.[0-9]+$'
        [ "$(awk '$2 == "-" { sum += $4 } END { print sum }' <<<"$said")" = 2000 ] ||
            die "the histogram does not show 2000 timers"
    done
    example tick_timers --count 0
    expect 2 '^usage: '
}
