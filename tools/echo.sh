# Sourced after common.sh: an echo server under Wine and the native clients that drive it.
# shellcheck shell=bash

echo_log=""
echo_pid=""
echo_port=""

# build_load_clients: the native side, a program for each source.
build_load_clients() {
    local client
    for client in load_client udp_client; do
        cc -O2 -std=c11 -Wall -Wextra "$root/tools/load/$client.c" -o "$build/$client" || return
    done
}

# echo_start PRESET SERVER [ARGUMENT...]: starts that build's example of this name, one at a time;
# sets echo_port when it listens.
echo_start() {
    local program=$build/$1/examples/$2.exe tries
    echo_log=$build/logs/$2.log
    shift 2
    mkdir -p "$build/logs"
    : >"$echo_log"
    IOCPLOOP_WINE_OUTPUT=$echo_log IOCPLOOP_WINE_TIMEOUT=300 "$root/tools/wine-run.sh" \
        "$program" --port 0 --seconds 240 "$@" >/dev/null 2>&1 &
    echo_pid=$!
    for ((tries = 0; tries < 300; tries++)); do
        echo_port=$(sed -n 's/^listening on .*[: ]\([0-9]*\)\r*$/\1/p' "$echo_log")
        [ -n "$echo_port" ] && return
        kill -0 "$echo_pid" 2>/dev/null || break
        sleep 0.1
    done
    echo "${program##*/} did not start:"
    cat "$echo_log"
    return 1
}

# echo_stop: Ctrl-C. Succeeds if the server closed everything, destroyed its loop and said so.
echo_stop() {
    local pid=$echo_pid code=0
    [ -n "$pid" ] || return 0
    echo_pid=""
    kill -TERM "$pid" 2>/dev/null || true
    wait "$pid" || code=$?
    tr -d '\r' <"$echo_log"
    if [ $code -ne 0 ]; then
        echo "the echo server ended with $code"
        return 1
    fi
    grep -q 'bytes: [0-9]' "$echo_log"
}
