#!/bin/bash
# What does an operation cost in kernel work? tools/requests.sh [--alone] CASE[,CASE...] [N]
# Prints how many requests to Wine's server, which stands for the kernel, one operation of a
# benchmark case makes, and of its raw twin if it has one. CASE is a name of iocploop_bench --list, or
# a pattern with * and ? in quotes. Each side runs with N and with 2 N iterations (N: 1000, for timers
# 2) and the counts are subtracted, so what the start and the end of a program cost is not in them.
# --alone: without the twins.
#
#   IOCPLOOP_BENCH   the program (build/mingw-x64-release/bench/iocploop_bench.exe, built if absent)
#   IOCPLOOP_CPU     the processor that everything runs on (the last one)
set -euo pipefail
source "$(dirname "$0")/common.sh"

alone=()
if [ "${1:-}" = --alone ]; then
    alone=(--alone)
    shift
fi
[ $# -ge 1 ] && [ $# -le 2 ] || die "usage: ${0##*/} [--alone] CASE[,CASE...] [N]"
IFS=, read -ra patterns <<<"$1"
iterations=${2:-}
[[ $iterations =~ ^([1-9][0-9]*)?$ ]] || die "N is a whole number above 0, not $iterations"

preset=mingw-x64-release
bench=${IOCPLOOP_BENCH:-$build/$preset/bench/iocploop_bench.exe}
cpu=${IOCPLOOP_CPU:-$(($(nproc) - 1))}

if [ ! -e "$bench" ]; then
    (
        cd "$root"
        cmake --preset $preset && cmake --build --preset $preset --target iocploop_bench
    ) >&2
fi

export IOCPLOOP_WINE=requests
wine_prepare
WINEPREFIX=$(wine_prefix)
export WINEPREFIX
folder=$(mktemp -d "$build/wine/requests.XXXXXX")
finish() {
    wine_end
    rm -rf "$folder"
}
trap finish EXIT
cd "$folder"

# One server for all runs, which tells of each request.
wine_end
WINEDEBUG=-all taskset -c "$cpu" wineserver -f -d -p60 >/dev/null 2>>trace &

# run ARGUMENT...: the program, on the same processor. Leaves its output in `output`.
run() {
    local code=0
    # The shell becomes the program, so this is the program's number.
    timeout -k 5 300 bash -c 'echo $$ >pid; exec "$@"' bash taskset -c "$cpu" wine "$bench" "$@" \
        >output.raw 2>errors || code=$?
    tr -d '\r' <output.raw >output
    if [ $code -ne 0 ]; then
        cat output >&2
        grep "^iocploop_bench" errors >&2 || true
        die "iocploop_bench $* ends with exit code $code"
    fi
}

# The server writes a line for each request, and one for its answer:
#     0104: get_apc_result( handle=0040 )
#     0104: get_apc_result() = 0 { ... }
# and lines with a * for other things. Only the threads of the program count: the first one is
# known by the number that Linux gave the process, the others are named where they are made.
count_requests() {
    awk -v process="unix_pid=$(cat pid)," '
        $2 == "init_first_thread(" && $3 == process { ours[$1] = 1; found = 1 }
        !($1 in ours) { next }
        $2 == "*killed*" { delete ours[$1] }
        $2 == "new_thread()" && match($0, / tid=[0-9a-f]+/) {
            ours[substr($0, RSTART + 5, RLENGTH - 5) ":"] = 1
        }
        $2 ~ /^[a-z_0-9]+\($/ { count++ }
        END {
            if (!found)
                exit 1
            print count
        }' trace
}

# measure NAME N: one run. Sets `requests` and `operations`.
measure() {
    : >trace
    WINEDEBUG=-all run --filter "$1" --alone --iterations "$2" --csv figures.csv
    requests=$(count_requests) || die "the trace does not show the program"
    operations=$(tail -n 1 figures.csv | cut -d, -f2)
}

# per_operation NAME N
per_operation() {
    local first_requests first_operations
    measure "$1" "$2"
    first_requests=$requests
    first_operations=$operations
    measure "$1" $((2 * $2))
    awk -v r=$((requests - first_requests)) -v o=$((operations - first_operations)) \
        'BEGIN { printf "%.2f", r / o }'
}

filters=()
for pattern in "${patterns[@]}"; do
    filters+=(--filter "$pattern")
done
WINEDEBUG=-all run --list "${alone[@]}" "${filters[@]}"
mapfile -t sides <output

# side NAME N: its requests, or - if it is not one of `sides`.
side() {
    if [[ " ${sides[*]} " = *" $1 "* ]]; then
        per_operation "$1" "$2"
    else
        echo -
    fi
}

printf '%s\n' "${sides[@]#raw/}" | uniq | while read -r name; do
    n=${iterations:-1000}
    [[ -z $iterations && $name == timers_* ]] && n=2
    library=$(side "$name" "$n")
    raw=$(side "raw/$name" "$n")
    printf '%-28s iocploop %8s   raw %8s   requests/op\n' "$name" "$library" "$raw"
done
