#!/bin/bash
# Runs the models of test/model: tools/models.sh. Each as it is, which has to be right, and with each
# safeguard taken out or order made weaker, which has to be found out. Says of each what was tried.
set -euo pipefail
source "$(dirname "$0")/common.sh"

model=$root/test/model/wake.pml
orders=$root/test/model/orders
scratch=$build/models
failed=0

# With what the threads of the model meet.
declare -A scenarios=(
    [packets]="-DOTHERS=1"
    [refused]="-DREFUSED=1 -DMOVES=1"
    [stop]="-DPOSTERS=1 -DSTOPPERS=1 -DREFUSED=1"
    [destroy]="-DEARLY=1"
    [pool]="-DPOSTERS=1 -DGUESTS=1 -DMOVES=1"
    [no-means]="-DREFUSED=1 -DFAILED=1 -DLATE=1"
)

# A safeguard, and where it is needed.
variants=(
    LOOKS_AT_THE_STATE_BEFORE_IT_PUSHES packets
    LOOKS_FOR_NEWS_BEFORE_IT_SAYS_SO packets
    DOES_NOT_LOOK_FOR_A_STOP stop
    SENDS_WHENEVER_ASLEEP packets
    FINDS_WAKING_AND_SAYS_NOTHING refused
    STAYS_WAKING_WITHOUT_A_PACKET no-means
    FORGETS_WHO_RELIED_ON_IT refused
    FORGETS_WHO_RELIED_ON_IT_IF_IT_FAILED refused
    OWES_NOTHING refused
    OWES_AFTER_THE_APC refused
    READS_WHAT_IS_OWED_FIRST refused
    WAKES_WITH_A_PACKET_IN_FLIGHT packets
    KEEPS_THE_STATE_WITH_ITS_PACKET packets
    LEAVES_THE_GATE_BEFORE_IT_WAKES packets
    LOOKS_AT_THE_GATE_AFTER_THE_NEWS destroy
    READS_THE_GATE_AND_THEN_ENTERS destroy
    STOPS_OUTSIDE_THE_GATE stop
    DOES_NOT_WAIT_FOR_GUESTS pool
    GIVES_BACK_WITHOUT_A_WAKE pool
)

say() {
    printf '%-5s %-48s %s\n' "$@"
}

# verify NAME OPTIONS: all orders of steps of the model. Its answer is in NAME/out.
verify() {
    local folder=$scratch/$1
    # shellcheck disable=SC2086 # options
    (
        cd "$folder"
        spin $2 -a "$model" >spin.out && tcc -w -DVECTORSZ=512 -o pan pan.c &&
            ./pan -m30000 -w20 -a -f >out
    ) || die "cannot run $1, see $folder"
    # What was cut short says nothing.
    if grep -q 'max search depth too small\|out of memory' "$folder/out"; then
        die "the search was cut short, see $folder/out"
    fi
}

holds() {
    verify "$1" "${scenarios[$1]}"
    if grep -q 'errors: 0$' "$scratch/$1/out"; then
        say ok "$1" "$(grep -o '[0-9]* states, stored' "$scratch/$1/out")"
    else
        say FAIL "$1" "$(grep '^pan:1:' "$scratch/$1/out")"
    fi
}

# is_found_out VARIANT SCENARIO
is_found_out() {
    verify "$1" "${scenarios[$2]} -DVARIANT=$1"
    if grep -q '^pan:1: \(assertion\|acceptance cycle\)' "$scratch/$1/out"; then
        say ok "$1" "$(grep '^pan:1:' "$scratch/$1/out")"
    else
        say FAIL "$1" "nothing noticed it"
    fi
}

# The library's own sources, with those calls to look at each access to memory that the sanitizer for
# threads lives on.
orders_run() {
    local folder=$scratch/$1 source
    for source in src/alloc.c src/queue/mpsc.c src/queue/pool.c src/post.c \
        test/model/orders/{queue,pool,inbox}.c; do
        gcc -std=c11 -Wall -Wextra -Werror -O1 -fsanitize=thread -I "$root/include" -I "$root/src" \
            -I "$orders" -include "$orders/sites.h" -c "$root/$source" \
            -o "$folder/${source//\//_}.o" || return
    done
    g++ -std=c++17 -O1 -I "$orders" "$orders/machine.cpp" "$folder"/*.o -o "$folder/orders" &&
        "$folder/orders"
}

# at_once COMMAND NAME...: as many at a time as there are processors. What one says is in NAME/answer,
# and told in the end.
names=()
at_once() {
    local name=$2
    names+=("$name")
    rm -rf "${scratch:?}/$name"
    mkdir -p "$scratch/$name"
    while [ "$(jobs -pr | wc -l)" -ge "$jobs" ]; do
        wait -n || true
    done
    "$@" >"$scratch/$name/answer" 2>&1 &
}

at_once orders_run orders
for name in "${!scenarios[@]}"; do
    at_once holds "$name"
done
for ((i = 0; i < ${#variants[@]}; i += 2)); do
    at_once is_found_out "${variants[i]}" "${variants[i + 1]}"
done
wait

for name in "${names[@]}"; do
    cat "$scratch/$name/answer"
    # Neither one that has failed nor one that could not be run.
    if ! grep -q '^ok' "$scratch/$name/answer" || grep -vq '^ok' "$scratch/$name/answer"; then
        failed=$((failed + 1))
    fi
done
[ $failed -eq 0 ]
