# Reads the output of ctest -V. Prints "passed failed skipped", then which programs were started again
# and what the failed ones said. A program counts as many times as CMocka counts in it; one that dies
# early counts as one failure, and one that was started again counts as it did then.
match($0, /^[0-9]+: /) {
    id = substr($0, 1, RLENGTH - 2)
    said[id] = said[id] "      | " substr($0, RLENGTH + 1) "\n"
}
/^[0-9]+: wine-run.sh: again: / { again[id] = 1 }
/^[0-9]+: \[  PASSED  \] [0-9]+ test/ { ok[id] += $5; cases[id] = 1 }
/^[0-9]+: \[  FAILED  \] [0-9]+ test/ { bad[id] += $5 }
/^[0-9]+: \[  SKIPPED \] [0-9]+ test/ { left[id] += $5; cases[id] = 1 }
/^ *[0-9]+\/[0-9]+ Test +#[0-9]+: / {
    match($0, /#[0-9]+:/)
    id = substr($0, RSTART + 1, RLENGTH - 2)
    if (again[id])
        report = report "    again " $4 "\n"
    passed += ok[id]
    skipped += left[id]
    if ($0 ~ /\*\*\*Skipped/) {
        skipped++
    } else if ($0 ~ / Passed +[0-9.]+ sec/) {
        failed += bad[id]
        if (!cases[id] && !bad[id])
            passed++
    } else {
        failed += bad[id] ? bad[id] : 1
        report = report "    " $0 "\n" said[id]
    }
}
END { printf "%d %d %d\n%s", passed, failed, skipped, report }
