#!/bin/bash
# Checks that tools/wine-run.sh starts a test program once more if Wine lost it, and only then; and
# that the report of tools/test.sh says so. With a Wine of our own, which does what it is told.
set -euo pipefail
source "$(dirname "$0")/common.sh"
# shellcheck disable=SC2154 # root is common.sh's

export IOCPLOOP_WINE=wine-run-check
prefix=$(wine_prefix)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch" "$prefix"' EXIT
mkdir -p "$prefix"
touch "$prefix/.ready"

# A program whose header names no processor.
head -c 128 /dev/zero >"$scratch/program.exe"

# `wine` runs $scratch/run1 the first time, then $scratch/run2.
mkdir "$scratch/bin"
cat >"$scratch/bin/wine" <<'END'
#!/bin/bash
echo run >>"$WINE_RUNS/runs"
source "$WINE_RUNS/run$(wc -l <"$WINE_RUNS/runs")"
END
printf '#!/bin/bash\n' >"$scratch/bin/wineserver"
chmod +x "$scratch/bin/wine" "$scratch/bin/wineserver"
export PATH=$scratch/bin:$PATH WINE_RUNS=$scratch

passes="printf '[==========] Running 1 test(s).\n[==========] 1 test(s) run.\n'
        printf '[  PASSED  ] 1 test(s).\n'"

# runs FIRST SECOND [VARIABLE=VALUE...]: sets code, count (how many runs), said.
runs() {
    rm -f "$scratch/runs"
    echo "$1" >"$scratch/run1"
    echo "$2" >"$scratch/run2"
    shift 2
    code=0
    said=$(env "$@" "$root/tools/wine-run.sh" "$scratch/program.exe") || code=$?
    count=$(wc -l <"$scratch/runs")
}

# expect NAME CODE COUNT AGAIN: AGAIN lines of it say that the program was started again.
expect() {
    local again
    again=$(grep -c '^wine-run.sh: again: ' <<<"$said" || true)
    [ "$code $count $again" = "$2 $3 $4" ] ||
        die "$1: code $code, $count runs, $again said so, instead of $2, $3, $4: $said"
    echo "ok    $1"
}

cmocka=IOCPLOOP_CMOCKA=1
runs "exit 5" "$passes" $cmocka
expect "a program that fails in silence is run again, and passes" 0 2 1
[[ $said == *PASSED* ]] || die "the second run's output is not shown: $said"
runs "exit 0" "$passes" $cmocka
expect "so is one that ends in silence as if all was well" 0 2 1
runs "exit 5" "exit 6" $cmocka
expect "one that fails in silence twice has failed" 6 2 1
runs "exit 0" "exit 0" $cmocka
expect "so has one that ends in silence twice" 1 2 1
runs "exit 5" "echo '[==========] Running 1 test(s).'; exit 7" $cmocka
expect "and one that fails the second time" 7 2 1
runs "echo; exit 5" "$passes" $cmocka
expect "one that printed a line is not run again" 5 1 0
runs "echo '[==========] Running 1 test(s).'" "$passes" $cmocka
expect "nor is one that ended in the middle of its tests" 1 1 0
runs "$passes" "exit 5" $cmocka
expect "nor one that passes" 0 1 0
runs "sleep 60" "$passes" $cmocka IOCPLOOP_WINE_TIMEOUT=1
expect "nor one that came to its time limit" 124 1 0
runs "exit 5" "exit 0"
expect "nor a program that is no test" 5 1 0
# shellcheck disable=SC2016 # for the shell that plays Wine
runs 'trap "" INT; kill -TERM $(cut -d " " -f 4 /proc/$PPID/stat); exit 5' "$passes" $cmocka
expect "nor one that was told to end" 5 1 0

# As by a terminal, whoever is in its group is told, too.
cat >"$scratch/bin/in_group" <<'END'
#!/usr/bin/perl
$SIG{INT} = sub { open my $heard, '>', "$ENV{WINE_RUNS}/heard"; exit };
open my $ready, '>', "$ENV{WINE_RUNS}/ready";
sleep 60;
END
chmod +x "$scratch/bin/in_group"
# shellcheck disable=SC2016 # for the shell that plays Wine
runs 'told=; trap "told=1" INT; in_group & until [ -e "$WINE_RUNS/ready" ]; do sleep 0.1; done
    kill -TERM $(cut -d " " -f 4 /proc/$PPID/stat); until [ -n "$told" ]; do sleep 0.1; done
    until [ -e "$WINE_RUNS/heard" ]; do sleep 0.1; done; exit 5' "$passes" $cmocka \
    IOCPLOOP_WINE_TIMEOUT=60
expect "nor one of which all were told to end" 5 1 0

# What ctest -V says of three programs, of which two were started again.
cat >"$scratch/ctest.log" <<'END'
1: [==========] Running 2 test(s).
1: [  PASSED  ] 2 test(s).
1/3 Test  #1: unit.first .......................   Passed    0.10 sec
2: wine-run.sh: again: the program ended with 5 and had not printed a line
2: [  PASSED  ] 3 test(s).
2/3 Test  #2: unit.second ......................   Passed    0.10 sec
3: wine-run.sh: again: the program ended with 5 and had not printed a line
3/3 Test  #3: unit.third .......................***Failed    0.10 sec
END
report=$(awk -f "$root/tools/count-tests.awk" "$scratch/ctest.log")
[ "$(head -n 1 <<<"$report")" = "5 1 0" ] || die "the sums are not 5 1 0: $report"
[ "$(grep '^    again ' <<<"$report")" = $'    again unit.second\n    again unit.third' ] ||
    die "the report does not say which programs were run again: $report"
echo "ok    the report says which programs were run again, and counts what they said then"
