#!/bin/bash
# Builds the release, starts the echo server under Wine, drives it with native clients, prints
# throughput and latency, then how late timers are and the tick benchmarks.
set -euo pipefail
source "$(dirname "$0")/common.sh"
source "$root/tools/echo.sh"
cd "$root"

export IOCPLOOP_WINE=run
preset=mingw-x64-release
log=$build/logs/run-build.log

trap 'echo_stop >/dev/null || true; wine_end' EXIT

tools/setup.sh
mkdir -p "$build/logs"
echo "building $preset"
build_all() {
    cmake --preset $preset &&
        cmake --build --preset $preset -j "$jobs" --target echo_server tick_timers iocploop_bench &&
        build_load_clients
}
build_all >"$log" 2>&1 || { cat "$log" && die "the build failed"; }

# Wine's server and the program work by turns in each system call. On one processor that is several
# times faster, and it leaves the others to the clients. Which: the last of those we may use.
if [ "$jobs" -gt 1 ]; then
    IOCPLOOP_WINE_CPU=$(taskset -cp $$ | sed 's/.*[ ,-]//')
    export IOCPLOOP_WINE_CPU
fi

echo_start $preset echo_server
echo "echo_server.exe under Wine, port $echo_port; native clients:"
"$build/load_client" --port "$echo_port"
echo_stop

echo
tools/wine-run.sh "$build/$preset/examples/tick_timers.exe" --count 1000 --span 500

echo
tools/wine-run.sh "$build/$preset/bench/iocploop_bench.exe" --filter 'tick_*'
