#!/bin/bash
# Nothing has become dearer: tools/bench-check.sh [instructions|requests|compiler]... [--record]
# Counts what an operation costs and compares it with bench/recorded.txt; more than what stands there
# is a failure. Counts do not depend on what else the machine does.
#   instructions   of the processor, counted by valgrind in the native runner (no kernel), and calls
#                  of the allocator
#   requests       to Wine's server, which stands for the kernel
#   compiler       nothing, but says whether instructions can be compared: only with those of the
#                  same compiler, which is Debian 12's
# --record writes the figures to the file instead: after an improvement, or with the reason for what
# has become dearer in the commit's message.
set -euo pipefail
source "$(dirname "$0")/common.sh"
cd "$root"

recorded=bench/recorded.txt
native=native-release
windows=mingw-x64-release

# What is counted: the iterations, then names or patterns of cases. Each runs so often and twice so
# often, and the difference counts, so nothing that comes once is in it.
instruction_cases=(
    "1000 tick_* nop nop_rearm post_burst notify_signalled send_inline loop_create"
    "10 post_thread timers_insert_*/1000 timers_cancel/1000 timers_reset/1000 timers_postpone/1000"
    "1 timers_insert_fire/100000 timers_cancel/100000 timers_reset/100000")
# Not tcp_throughput and sendfile: how far the sockets' buffers are full depends on the machine's other
# work. Nor resolve_localhost, open_close and stat, which wait for threads of the system's, nor
# folder_watch, of whose changes Wine hears by Linux.
request_cases=(
    "200 tick_*,nop,post_burst,loop_create,async_roundtrip,tcp_accept,*_pingpong,http_small,file_read/*"
    "10 process_spawn")

# most KIND CASE RECORDED: what the figure may be.
most() {
    local more=0
    case $1/$2 in
    # A change elsewhere can make the compiler choose other registers here.
    instructions/*) more=$(awk -v r="$3" 'BEGIN { print (r > 100 ? r / 100 : 1) }') ;;
    # Whether the other thread slept already when the packet came.
    requests/async_roundtrip) more=0.60 ;;
    # Whether the packets of the accept and of the connect came together.
    requests/tcp_accept) more=1.20 ;;
    # What the child asks is in it, too, and differs a little with where the program lies.
    requests/process_spawn) more=10 ;;
    # What a program asks at its end, where its threads are, is not the same each time.
    requests/*) more=0.05 ;;
    esac
    awk -v r="$3" -v m="$more" 'BEGIN { print r + m }'
}

# ---- The compiler ----

compiler() {
    echo "gcc $(gcc -dumpfullversion) for $(gcc -dumpmachine)"
}

check_compiler() {
    grep -qxF "compiler $(compiler)" $recorded ||
        { echo "this is $(compiler), recorded is $(grep ^compiler $recorded)" && return 1; }
}

# ---- Counting. Each prints lines: KIND CASE FIGURE ----

# count_in_valgrind N PATTERN...: lines of the case's name, its operations, instructions, allocations.
count_in_valgrind() {
    local n=$1 pattern filters=()
    shift
    for pattern in "$@"; do
        filters+=(--filter "$pattern")
    done
    rm -f "$folder"/out*
    valgrind --tool=callgrind --callgrind-out-file="$folder/out" --dump-after=bench_measure \
        --toggle-collect=bench_measure \
        "$build/$native/bench/iocploop_bench" --alone --iterations "$n" "${filters[@]}" \
        --csv "$folder/figures.csv" >"$folder/log" 2>&1 || { cat "$folder/log" >&2 && return 1; }
    # A file for each case, in their order: out.1, out.2, ...; then what was left.
    tail -n +2 "$folder/figures.csv" | awk -F, -v out="$folder/out" '{
        file = out "." NR
        while ((getline line <file) > 0)
            if (line ~ /^totals: /)
                print $1, $2, substr(line, 9), $10
    }'
}

count_instructions() {
    local row words
    for row in "${instruction_cases[@]}"; do
        read -ra words <<<"$row"
        count_in_valgrind "${words[@]}" >"$folder/once"
        words[0]=$((2 * words[0]))
        count_in_valgrind "${words[@]}" >"$folder/twice"
        [ -s "$folder/once" ] || die "valgrind counted nothing of $row"
        paste -d' ' "$folder/once" "$folder/twice" | awk '{
            operations = $6 - $2
            printf "instructions %s %.1f\n", $1, ($7 - $3) / operations
            printf "allocations %s %.4f\n", $1, ($8 - $4) / operations
        }'
    done
}

count_requests() {
    local row
    for row in "${request_cases[@]}"; do
        tools/requests.sh --alone "${row#* }" "${row%% *}"
    done | awk '$2 == "iocploop" { print "requests", $1, $3 }'
}

# ---- Comparing ----

# compare FIGURES
compare() {
    local kind name figure old count=0 bad=0
    while read -r kind name figure; do
        old=$(awk -v k="$kind" -v n="$name" '$1 == k && $2 == n { print $3 }' $recorded)
        count=$((count + 1))
        if [ -z "$old" ]; then
            echo "FAIL  $kind of $name: $figure, not recorded"
            bad=1
        elif awk -v f="$figure" -v m="$(most "$kind" "$name" "$old")" 'BEGIN { exit f <= m }'; then
            echo "FAIL  $kind of $name: $figure, recorded are $old"
            bad=1
        elif [ "$figure" != "$old" ]; then
            echo "ok    $kind of $name: $figure, recorded are $old"
        fi
    done <"$1"
    while read -r kind name figure; do
        echo "FAIL  $kind of $name: not counted, recorded are $figure"
        bad=1
    done < <(awk 'NR == FNR { kinds[$1] = 1; counted[$1, $2] = 1; next }
        $1 in kinds && !(($1, $2) in counted)' "$1" $recorded)
    echo "$count figures compared"
    return $bad
}

# record FIGURES: puts them in the place of those of the same kinds.
record() {
    {
        echo "# What an operation costs at most; tools/bench-check.sh --record writes this, and it tells"
        echo "# what is counted. Instructions: of what this compiler makes."
        if grep -q ^instructions "$1"; then echo "compiler $(compiler)"; else grep ^compiler $recorded; fi
        {
            awk 'NR == FNR { new[$1] = 1; next } /^[a-z]/ && $1 != "compiler" && !($1 in new)' \
                "$1" $recorded
            cat "$1"
        } | sort -s -k1,1
    } >"$folder/recorded"
    cp "$folder/recorded" $recorded
}

# build_runner PRESET
build_runner() {
    cmake --preset "$1" >"$folder/log" &&
        cmake --build --preset "$1" -j "$jobs" --target iocploop_bench >>"$folder/log" ||
        { cat "$folder/log" && exit 1; }
}

is_recording=false
kinds=()
for argument in "$@"; do
    case $argument in
    --record) is_recording=true ;;
    instructions | requests | compiler) kinds+=("$argument") ;;
    *) die "usage: ${0##*/} [instructions|requests|compiler]... [--record]" ;;
    esac
done
[ ${#kinds[@]} -gt 0 ] || kinds=(instructions requests)

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
touch $recorded "$folder/figures"
for kind in "${kinds[@]}"; do
    case $kind in
    compiler)
        check_compiler
        exit
        ;;
    instructions)
        $is_recording || check_compiler || exit 1
        build_runner $native
        count_instructions >>"$folder/figures"
        ;;
    requests)
        build_runner $windows
        count_requests >>"$folder/figures"
        ;;
    esac
done
if $is_recording; then
    record "$folder/figures"
else
    compare "$folder/figures"
fi
