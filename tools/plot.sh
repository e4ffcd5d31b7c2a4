#!/bin/bash
# Draws what the benchmark runner has measured: tools/plot.sh FIGURES.csv CHART.svg [COLUMN]
# FIGURES.csv is what --csv wrote. A group of bars is a case, a bar of it one side: iocploop, its raw
# twin, and other libraries that were built in. COLUMN is that of the file (median_ns; cpu_ns counts
# processor time alone). The axis is logarithmic: a bar that is half as high again is no 50 %.
set -euo pipefail
source "$(dirname "$0")/common.sh"

[ $# -ge 2 ] && [ $# -le 3 ] || die "usage: ${0##*/} FIGURES.csv CHART.svg [COLUMN]"
figures=$1
chart=$2
column=${3:-median_ns}
[ -s "$figures" ] || die "$figures: no figures"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# A line for each case, a column for each side; ? where a side does not do the case.
awk -F, -v wanted="$column" '
    NR == 1 {
        for (i = 1; i <= NF; i++)
            if ($i == wanted)
                column = i
        if (!column)
            exit 1
        next
    }
    $column == "" { next }
    {
        side = "iocploop"
        name = $1
        if (match(name, /^(raw|libuv|asio)\//)) {
            side = substr(name, 1, RLENGTH - 1)
            name = substr(name, RLENGTH + 1)
        }
        if (!(name in known)) {
            known[name] = 1
            names[++count] = name
        }
        value[name, side] = $column
        has[side] = 1
    }
    END {
        if (!column || !count)
            exit 1
        sides = split("iocploop raw libuv asio", all, " ")
        printf "case"
        for (s = 1; s <= sides; s++)
            if (all[s] in has)
                printf " %s", all[s]
        printf "\n"
        for (i = 1; i <= count; i++) {
            printf "%s", names[i]
            for (s = 1; s <= sides; s++)
                if (all[s] in has)
                    printf " %s", (names[i], all[s]) in value ? value[names[i], all[s]] : "?"
            printf "\n"
        }
    }' "$figures" >"$folder/data" || die "$figures: no figures in a column $column"

columns=$(head -n 1 "$folder/data" | wc -w)
width=$((200 + 45 * $(wc -l <"$folder/data")))
gnuplot <<END >"$folder/chart.svg"
set terminal svg size $width,520 dynamic noenhanced background "white"
set style data histograms
set style histogram clustered gap 1
set style fill solid 0.9 noborder
set logscale y
set ylabel "$column of one operation"
set xtics rotate by -40 nomirror
set ytics nomirror
set grid ytics
set border 3
set rmargin 14
set key top left horizontal
set datafile missing "?"
plot for [i=2:$columns] "$folder/data" using i:xtic(1) title columnheader(i)
END
# gnuplot ends well also if it has drawn nothing.
grep -q '</svg>' "$folder/chart.svg" || die "gnuplot has drawn nothing"
cp "$folder/chart.svg" "$chart"
