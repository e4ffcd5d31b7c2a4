# Sourced after common.sh: what the examples do with programs that are not ours. Each function runs
# one of them, from the build in mingw-x64-release, and says what is wrong where it fails.
# shellcheck shell=bash

example_checks=(examples_run_process examples_pipeline examples_tick_timers examples_resolve)

# A program of Windows that is not ours, for those that run programs: "stage" is found in the PATH.
stage_folder=$build/stage

build_stage() {
    mkdir -p "$stage_folder"
    x86_64-w64-mingw32-gcc -O2 -std=c11 -Wall -Wextra "$root/tools/load/stage.c" \
        -o "$stage_folder/stage.exe"
}

# Sets command: what runs the example NAME [ARGUMENT...] under Wine.
example_command() {
    command=(env "WINEPATH=Z:${stage_folder//\//\\}"
        "IOCPLOOP_WINE_TIMEOUT=${IOCPLOOP_WINE_TIMEOUT:-60}"
        "$root/tools/wine-run.sh" "$build/mingw-x64-release/examples/$1.exe" "${@:2}")
}

# example NAME ARGUMENT...: runs it. Sets `said` and `code`.
example() {
    example_command "$@"
    code=0
    said=$("${command[@]}") || code=$?
    printf '%s\nends with %d: %s\n' "$said" $code "$*"
}

# interrupted PATTERN NAME ARGUMENT...: the same, with Ctrl-C once a line matches.
interrupted() {
    local pattern=$1 output=$stage_folder/interrupted child
    shift
    example_command "$@"
    : >"$output"
    IOCPLOOP_WINE_OUTPUT=$output "${command[@]}" &
    child=$!
    until grep -Eq -- "$pattern" "$output"; do
        kill -0 $child 2>/dev/null || die "it ended before a line matched: $pattern"
        sleep 0.1
    done
    kill -TERM $child
    code=0
    wait $child || code=$?
    said=$(tr -d '\r' <"$output")
    printf '%s\nends with %d after Ctrl-C: %s\n' "$said" $code "$*"
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
    local start limit input=$stage_folder/input output=$stage_folder/output
    example run_process cmd /c exit 42
    expect 42
    # The line is taken apart and put together again; cmd prints it as it is.
    example run_process cmd /c echo 'a  b\' 'c\d' 'e\"f'
    expect 0 '^"a  b\\\\" c\\d "e\\\\\\"f"$'
    example run_process no_such_program
    expect 127 'cannot be started'
    example run_process --input no_such_file stage pass
    expect 125 'no_such_file: no such file'

    # Both ways at once, more than the pipes hold; and to one that does not read it all.
    head -c 6M /dev/urandom | base64 >"$input"
    IOCPLOOP_WINE_OUTPUT=$output example run_process --input "$input" stage pass
    expect 0
    cmp "$input" "$output"
    example run_process --input "$input" stage head 100000
    expect 0

    # cmd starts another one, which lasts a minute, and both are ended. How long it takes until that
    # one runs depends on the machine.
    for limit in 500 2000 8000; do
        start=$SECONDS
        example run_process --limit $limit cmd /c stage linger
        expect 124 "ended after the limit of $limit ms"
        [ $((SECONDS - start)) -lt 40 ] || die "the limit came late"
        ! grep -q '^lingers$' <<<"$said" || break
    done
    expect 124 '^lingers$'

    # Ctrl-C is the program's first, and we wait for it.
    interrupted '^lingers' run_process stage linger
    expect 6

    # What a program leaves behind ends with it.
    start=$SECONDS
    example run_process stage leave
    expect 5 '^lingers$'
    [ $((SECONDS - start)) -lt 40 ] || die "what was left behind was waited for"
}

# pipeline_is_exact BYTES: every byte came through, in its place: the first stage and the last tell
# the same sum.
pipeline_is_exact() {
    expect 0 "^$1 bytes, sum " '^made, sum '
    [ "$(grep -o 'sum [0-9a-f]*' <<<"$said" | sort -u | wc -l)" -eq 1 ] || die "the sums differ"
}

examples_pipeline() {
    local bytes=20000000
    example pipeline "stage make $bytes" "stage pass" "stage pass" "stage sum"
    pipeline_is_exact $bytes
    # Who reads late holds up who writes: that one has not made it all before the other begins.
    rm -f "$stage_folder/made"
    example pipeline "stage make $bytes $stage_folder/made" "stage pass" "stage sum $stage_folder/made"
    [ -e "$stage_folder/made" ] || die "it was not said when all was made"
    pipeline_is_exact $bytes
    # A writer whose reader ends has nobody left.
    example pipeline "stage make $bytes" "stage head 100000" "cmd /c exit 7"
    expect 7 'stage ended with 3$' 'stage ended with 0$' 'cmd ended with 7$'
    # One that cannot be started is the end of the file to the right, and to the left nobody.
    example pipeline "stage make $bytes" no_such_program "stage sum"
    expect 127 'stage ended with 3$' 'no_such_program ended with 127$' '^0 bytes' 'stage ended with 0$'
    example pipeline "cmd /c echo word" "stage pass"
    expect 0 '^word'
    example pipeline "stage pass" ""
    expect 125 '^usage: '
    # Ctrl-C is the programs' first, and who takes a second to end is waited for.
    interrupted '^lingers' pipeline "stage pass" "stage linger"
    expect 6 'stage ended with 0$' 'stage ended with 6$'
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

examples_resolve() {
    example resolve localhost 127.0.0.1 ::1 fe80::1%7
    expect 0 '^localhost  (127\.0\.0\.1|::1)$' '^127\.0\.0\.1  127\.0\.0\.1$' '^::1  ::1$' \
        '^fe80::1%7  fe80::1%7$'
    example resolve --service 8080 127.0.0.1 ::1
    expect 0 '^127\.0\.0\.1  127\.0\.0\.1:8080$' '^::1  \[::1\]:8080$'
    # Those that have none are counted, and hold up nobody. Nobody is asked for these.
    example resolve --numeric localhost 127.0.0.1 "" nobody
    expect 3 '^127\.0\.0\.1  127\.0\.0\.1$' '^resolve: localhost: .*\(IOCP_ENONAME\)$' \
        '^resolve: : .*\(IOCP_EINVAL\)$' '^resolve: nobody: .*\(IOCP_ENONAME\)$'
    # A name that nobody can have, with a name server or without one.
    example resolve --limit 2000 nobody.invalid 127.0.0.1
    expect 1 '^resolve: nobody\.invalid: .*\(IOCP_(ENONAME|EAGAIN|ETIMEDOUT)\)$' \
        '^127\.0\.0\.1  127\.0\.0\.1$'
    example resolve --limit 0 127.0.0.1
    expect 125 '^usage: '
}
