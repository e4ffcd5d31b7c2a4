# Sourced by test.sh, after common.sh and echo.sh: the examples that move datagrams and files, each
# against something foreign.
# shellcheck shell=bash

# ---- udp_echo ----

# udp_echo_with CLIENT_OPTIONS TRUNCATED NAME [ARGUMENT...]: a server with these arguments answers the
# native client, ends by Ctrl-C, and tells how many datagrams it cut off (a pattern).
udp_echo_with() {
    local options=$1 truncated=$2 name=$3
    shift 3
    if ! echo_start mingw-x64-release udp_echo --quiet "$@"; then
        failed=$((failed + 1))
        return 0
    fi
    # shellcheck disable=SC2086
    check 90 "$name, native client" "$build/udp_client" --port "$echo_port" $options || true
    check_echo_stops "$name"
    check 5 "$name counts what it cut off" grep -q "truncated: $truncated," "$echo_log" || true
}

# The server has one socket, of IPv6, which serves both. The kernel may not know IPv6, or have been
# told to keep no address of it.
examples_udp_echo() {
    local family="" name="udp echo over IPv4 and IPv6"
    if ! [ -e /proc/net/if_inet6 ]; then
        echo "skip  udp echo: there is no IPv6 here"
        skipped=$((skipped + 1))
        return
    fi
    if ! (exec 3<>/dev/udp/::1/9) 2>/dev/null; then
        echo "skip  udp echo over IPv6: there is none here"
        skipped=$((skipped + 1))
        family="--family 4"
        name="udp echo over IPv4"
    fi
    udp_echo_with "$family" 0 "$name"
    udp_echo_with "--limit 1000 $family" '[1-9][0-9]*' "udp echo with short buffers" --size 1000
}

# ---- file_copy ----

copy_folder=$build/file_copy

file_copy() {
    "$root/tools/wine-run.sh" "$build/mingw-x64-release/examples/file_copy.exe" "$@"
}

# file_copy_is_exact [--flush] FROM TO: every byte; and one line is printed, for there is no terminal.
file_copy_is_exact() {
    local said
    said=$(file_copy "$@")
    echo "$said"
    [[ $said =~ ^[0-9]+" bytes in "[0-9.]+" s, "[0-9.]+" MiB/s"$ ]]
    cmp "${@: -2:1}" "${@: -1}"
}

# file_copy_fails FROM TO TEXT: with exit code 1 and a message.
file_copy_fails() {
    local said code=0
    said=$(file_copy "$1" "$2") || code=$?
    echo "$said (exit code $code)"
    [ $code -eq 1 ]
    [[ $said == *"$3"* ]]
}

file_copy_of_nothing() {
    file_copy_fails missing created 'missing: no such file or folder (IOCP_ENOTFOUND)'
    [ ! -e created ]
}

file_copy_onto_itself() {
    cp odd before
    ln -sf odd link
    file_copy_fails odd link 'the same file'
    cmp odd before
}

# The system says 4096 bytes of this file, and has less.
file_copy_of_less_than_was_said() {
    local from=/sys/devices/system/cpu/online
    [ "$(stat -c %s $from)" -gt "$(wc -c <$from)" ]
    cp odd shorter
    file_copy_is_exact $from shorter
}

# In a terminal of its own the bar is drawn again and again on one line, and at last it is full.
# `script` runs its command with $SHELL, which may be any shell, none, or one that runs nothing.
file_copy_draws_bar() {
    local command
    command="'$root/tools/wine-run.sh' '$build/mingw-x64-release/examples/file_copy.exe' sparse copy"
    SHELL=/bin/sh IOCPLOOP_WINE_OUTPUT=/dev/tty script -qec "$command" terminal </dev/null
    # Without what moves the cursor; one step to the right stands for a space.
    sed 's/\x1b\[1C/ /g; s/\x1b\[[0-9;?]*[A-Za-z]//g' terminal | tr '\r' '\n' >bars
    cat bars
    grep -q '^\[#* *\] *[1-9][0-9]\? %$' bars
    grep -q '^\[#*\] 100 %$' bars
    cmp sparse copy
}

file_copy_make_files() {
    local folder
    rm -rf "$copy_folder"
    mkdir -p "$copy_folder"
    cd "$copy_folder"
    head -c 64M /dev/urandom >random
    head -c 1234567 /dev/urandom >odd
    : >empty
    truncate -s 1G sparse
    head -c 5000 odd | dd of=sparse oflag=seek_bytes seek=400000000 conv=notrunc status=none
    tail -c 5000 odd | dd of=sparse oflag=seek_bytes seek=$(((1 << 30) - 5000)) conv=notrunc \
        status=none
    folder=$(printf '%0100d' 0)
    mkdir -p "$folder/$folder/$folder"
    ln -s "$folder/$folder/$folder" deep
}

# check_copy NAME FUNCTION ARGUMENT...: a function from above, in the folder of the files.
check_copy() {
    local name=$1
    shift
    check 180 "file copy $name" bash -c 'source tools/common.sh
        source tools/examples_io.sh
        cd "$copy_folder"
        set -euo pipefail
        "$@"' - "$@" || true
}

examples_file_copy() {
    local deep
    if [ "$(df --output=avail -BM "$build" | tail -n 1 | tr -dc 0-9)" -lt 4000 ]; then
        echo "skip  file copy: less than 4000 MiB are free"
        skipped=$((skipped + 1))
        return
    fi
    need 120 "file copy makes its files" bash -c 'set -euo pipefail
        source tools/common.sh
        source tools/examples_io.sh
        file_copy_make_files' || {
        rm -rf "$copy_folder"
        return 0
    }
    deep=$(readlink "$copy_folder/deep")
    check_copy "of 64 MiB" file_copy_is_exact random copy
    check_copy "of 1 GiB with holes" file_copy_is_exact sparse copy
    check_copy "draws its bar on a terminal" file_copy_draws_bar
    check_copy "of an odd size onto a longer file" file_copy_is_exact --flush odd copy
    check_copy "of an empty file" file_copy_is_exact empty copy
    check_copy "with a name in UTF-8" file_copy_is_exact odd 'ä ö 漢字 😀'
    check_copy "from a name in UTF-8" file_copy_is_exact 'ä ö 漢字 😀' copy
    check_copy "to a path of 300 letters" file_copy_is_exact odd "$deep/copy"
    check_copy "from a path of 300 letters" file_copy_is_exact "$deep/copy" copy
    check_copy "of a file that ends early" file_copy_of_less_than_was_said
    check_copy "of a file that does not exist" file_copy_of_nothing
    check_copy "refuses to copy a file onto itself" file_copy_onto_itself
    rm -rf "$copy_folder"
}

# ---- filter ----

filter_folder=$build/filter

# With the streams that this shell has: not through wine-run.sh, which gives its own.
filter() {
    WINEPREFIX=$(wine_prefix) WINEDEBUG=-all timeout -k 5 120 wine \
        "$build/mingw-x64-release/examples/filter.exe"
}

filter_from_file_to_file() {
    filter <input >output
    cmp output expected
}

filter_from_pipe_to_pipe() {
    # shellcheck disable=SC2002 # the pipe is the point
    cat input | filter | cmp - expected
}

# Windows' own: cmd opens the file and the null device.
filter_by_cmd() {
    local program
    program=$(WINEPREFIX=$(wine_prefix) WINEDEBUG=-all winepath -w \
        "$build/mingw-x64-release/examples/filter.exe")
    WINEPREFIX=$(wine_prefix) WINEDEBUG=-all timeout -k 5 120 wine cmd /c "$program < input > output"
    cmp output expected
    WINEPREFIX=$(wine_prefix) WINEDEBUG=-all timeout -k 5 120 wine cmd /c "$program < NUL > output"
    [ ! -s output ]
}

# There is no end of the input: the filter ends because nobody reads it any more. (Wine says of a native
# pipe that it is not connected; of Windows' own it is IOCP_EPIPE, as win32/test_stdio.c has it.)
filter_to_one_who_leaves() {
    local codes
    set +o pipefail # yes is ended, and the filter says that it could not go on
    yes | filter 2>errors | head -c 100000 >output
    codes="${PIPESTATUS[*]}"
    echo "exit codes of yes, filter, head: $codes"
    cat errors
    [ "${codes#* }" = "1 0" ]
    [ "$(sort -u output)" = Y ]
}

filter_of_nothing() {
    filter </dev/null >output
    [ ! -s output ]
}

# A stream that is closed is no stream.
filter_without_input() {
    local code=0
    filter <&- 2>errors || code=$?
    cat errors
    [ $code -eq 1 ]
    grep -q '^filter: ' errors
}

filter_make_files() {
    rm -rf "$filter_folder"
    mkdir -p "$filter_folder"
    cd "$filter_folder"
    head -c 5M /dev/urandom | base64 -w 100 >input
    printf 'without an end of the line: \xc3\xa4 \xff' >>input
    LC_ALL=C tr a-z A-Z <input >expected
}

# check_filter NAME FUNCTION: a function from above, in the folder of the files.
check_filter() {
    check 180 "filter $1" bash -c 'source tools/common.sh
        source tools/examples_io.sh
        cd "$filter_folder"
        set -euo pipefail
        "$@"' - "$2" || true
}

examples_filter() {
    need 120 "filter makes its files" bash -c 'set -euo pipefail
        source tools/common.sh
        source tools/examples_io.sh
        wine_prepare
        filter_make_files' || return 0
    check_filter "from file to file" filter_from_file_to_file
    check_filter "from pipe to pipe" filter_from_pipe_to_pipe
    check_filter "as cmd starts it" filter_by_cmd
    check_filter "to one who leaves" filter_to_one_who_leaves
    check_filter "of nothing" filter_of_nothing
    check_filter "without an input" filter_without_input
    rm -rf "$filter_folder"
}
