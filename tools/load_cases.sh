# Sourced after common.sh: the program of test/load and its cases.
# shellcheck shell=bash

load_preset=mingw-x64-release
load_short=(connections races-packet races-skip wake destroy dll soak)
load_long=("connections 2000" "connections 5000" "races-packet 100000" "races-skip 100000"
    "wake 1000000" "destroy 5000" "dll 1000")

build_load() {
    cmake --preset $load_preset &&
        cmake --build --preset $load_preset -j "$jobs" --target iocploop_load
}

# run_load CASE [COUNT]: the program ends by itself if nothing happens for two minutes.
run_load() {
    IOCPLOOP_CMOCKA=1 IOCPLOOP_WINE_TIMEOUT=${load_limit:-7200} "$root/tools/wine-run.sh" \
        "$build/$load_preset/test/load/iocploop_load.exe" "$@"
}
