#!/bin/bash
# Which lines of src the tests run: tools/coverage.sh
# Builds with gcc's --coverage, natively and for Windows, runs all tests of both, and merges what
# they have run. Prints the lines of each folder, then every line that no test runs. The exit code is
# 0 if the tests pass, 98 of 100 lines of the core are run, and 97 of src/win32.
set -euo pipefail
source "$(dirname "$0")/common.sh"
cd "$root"

export IOCPLOOP_WINE=coverage IOCPLOOP_WINE_TIMEOUT=850 CLICOLOR=0 NO_COLOR=1
trap wine_end EXIT

least_core=98
least_win32=97
folder=$build/coverage
failed=0

# build_and_run NAME PRESET PROGRAMS: so many programs at a time. Counters are atomic, since gcc
# derives some of them from others. Tests take longer than elsewhere, so they have more time.
build_and_run() {
    local name=$1 preset=$2 parallel=$3 log=$folder/$1.log
    echo "$name: building, running the tests"
    {
        cmake --preset "$preset" -B "$folder/$name" -DCMAKE_BUILD_TYPE=Debug \
            -DCMAKE_C_FLAGS="--coverage -fprofile-update=atomic" -DIOCPLOOP_TEST_TIMEOUT=900 \
            -DIOCPLOOP_BUILD_BENCH=OFF -DIOCPLOOP_BUILD_EXAMPLES=OFF &&
            cmake --build "$folder/$name" -j "$jobs" &&
            find "$folder/$name" -name '*.gcda' -delete
    } >"$log" 2>&1 || { tail -n 50 "$log" && die "$name does not build"; }
    ctest --test-dir "$folder/$name" -V -j "$parallel" -LE check >>"$log" 2>&1 || {
        awk -f tools/count-tests.awk "$log"
        failed=1
    }
}

# gather NAME GCOV: what the programs have written, of src alone.
gather() {
    gcovr --root "$root" --filter "$root/src/" --object-directory "$folder/$1" \
        --exclude-directories '.*CompilerId.*' --gcov-executable "$2" \
        --json "$folder/$1.json" "$folder/$1"
}

tools/setup.sh
mkdir -p "$folder"
build_and_run native native-release "$jobs"
build_and_run windows mingw-x64-debug 1
gather native gcov
gather windows x86_64-w64-mingw32-gcov
gcovr --root "$root" --add-tracefile "$folder/native.json" \
    --add-tracefile "$folder/windows.json" --csv "$folder/lines.csv" --txt "$folder/lines.txt"

# Columns: the file, its lines, those that are run.
awk -F, -v least_core=$least_core -v least_win32=$least_win32 '
    function percent(run, all) { return 100 * run / all }
    function row(name) {
        printf "%-24s %5d of %5d lines  %6.2f %%\n", name, run[name], all[name],
            percent(run[name], all[name])
    }
    function add(name) { all[name] += $2; run[name] += $3 }
    NR > 1 {
        folder = $1
        sub("/[^/]*$", "", folder)
        if (!(folder in all))
            folders[++count] = folder
        add(folder)
        add($1 ~ "^src/win32/" ? "all of src/win32" : "all of the core")
    }
    END {
        for (i = 1; i <= count; i++)
            row(folders[i])
        row("all of the core")
        row("all of src/win32")
        exit percent(run["all of the core"], all["all of the core"]) < least_core ||
            percent(run["all of src/win32"], all["all of src/win32"]) < least_win32
    }' "$folder/lines.csv" || failed=1

echo
echo "no test runs:"
awk '/^src\// && NF > 4 { n = split($5, lines, ","); for (i = 1; i <= n; i++) print $1 ":" lines[i] }' \
    "$folder/lines.txt"
exit $failed
