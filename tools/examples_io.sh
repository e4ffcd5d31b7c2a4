# Sourced by test.sh, after common.sh and echo.sh: the examples that move datagrams and files, and one
# of TCP, each against something foreign.
# shellcheck shell=bash

# ---- workers ----

# workers_said PATTERN...: the server's lines, of which some match.
workers_said() {
    local pattern
    for pattern; do
        tr -d '\r' <"$echo_log" | grep -E -- "$pattern" >&2 || die "no line matches: $pattern"
    done
}

# workers_open: a connection; sets connection, a file descriptor of this shell.
workers_open() {
    exec {connection}<>"/dev/tcp/127.0.0.1/$echo_port"
}

# workers_ask CONNECTION LINE: sends the line, and the same comes back.
workers_ask() {
    local answer
    printf '%s\n' "$2" >&"$1"
    read -r -t 60 -u "$1" answer
    [ "$answer" = "$2" ] || die "not what was sent: $answer"
}

# workers_ended CONNECTION: there is an end behind what was sent, and not a reset.
workers_ended() {
    local rest
    rest=$(timeout 60 cat <&"$1")
    [ -z "$rest" ] || die "there is something left: $rest"
}

# Each gets as many of those that are open as the others; when the server ends they are idle.
workers_share() {
    local i open=()
    echo_start mingw-x64-release workers --workers 3
    for i in 1 2 3 4 5 6; do
        workers_open
        workers_ask "$connection" "connection $i"
        open+=("$connection")
    done
    echo_stop
    for connection in "${open[@]}"; do
        workers_ended "$connection"
    done
    workers_said '^worker 1: connections: 2, bytes: 26$' '^worker 2: connections: 2, bytes: 26$' \
        '^worker 3: connections: 2, bytes: 26$' '^connections: 6, bytes: 78, cut off: 0$'
}

workers_are_exact() {
    local mode
    echo_start mingw-x64-release workers --workers 4
    for mode in throughput half-close reset; do
        "$build/load_client" --port "$echo_port" --mode $mode --connections 40 --seconds 1
    done
    echo_stop
    workers_said '^worker 1: connections: [1-9]' '^worker 2: connections: [1-9]' \
        '^worker 3: connections: [1-9]' '^worker 4: connections: [1-9]' '^connections: 120,.* cut off: 0$'
}

# What waits in the server's sockets to go out and to be received, for each in which something of both does.
workers_stuck() {
    awk -v "port=:$(printf %04X "$echo_port")$" '$2 ~ port && $4 == "01" && $5 !~ /^0+:|:0+$/ { print $5 }' \
        /proc/net/tcp
}

# A peer that sends and never receives: at last the server's send does not end, so nothing is received
# any more. The answers on another connection say that the loop has looked, and left it there, so often that
# it is no machine that is slow. The end waits for this one as long as there is time, and cuts it off.
workers_cut_off() {
    local before idle tries=0
    echo_start mingw-x64-release workers --workers 1
    workers_open
    head -c 200M /dev/zero >&"$connection" &
    workers_open
    idle=$connection
    while [ $tries -lt 30 ]; do
        before=$(workers_stuck)
        workers_ask "$idle" "still there"
        [ -n "$before" ] && [ "$(workers_stuck)" = "$before" ] && tries=$((tries + 1)) || tries=0
    done
    echo_stop
    workers_ended "$idle"
    workers_said '^connections: 2, .* cut off: 1$'
}

# check_workers NAME FUNCTION: a function from above, in a shell of its own.
check_workers() {
    check 180 "workers $1" bash -c 'source tools/common.sh
        source tools/echo.sh
        source tools/examples_io.sh
        set -euo pipefail
        "$1"' - "$2" || true
}

examples_workers() {
    check_workers "share what is open" workers_share
    check_workers "send back what they get, native clients" workers_are_exact
    check_workers "cut off who does not receive" workers_cut_off
}

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
    check_server_stops "$name" echo_stop
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

# ---- watch_folder ----

# Trees that are changed at random by a native program, and what the example makes of them.
examples_watch_folder() {
    local folder=$build/watch_folder seed
    for seed in 1 2 3; do
        rm -rf "$folder"
        mkdir -p "$folder"
        check 300 "watch folder mirrors a tree, $seed" python3 "$root/tools/load/watch_folder.py" \
            "$build/mingw-x64-release/examples/watch_folder.exe" "$logs/watch_folder.log" "$folder" \
            400 "$seed" || true
    done
    rm -rf "$folder"
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

# ---- pipe_chat ----

chat_folder=$build/pipe_chat

# Named pipes are a Wine prefix's; the name is this run's all the same.
chat_name=iocploop-chat-$$

# pipe_chat ARGUMENT...: with the streams that this shell has, as filter.
pipe_chat() {
    WINEPREFIX=$(wine_prefix) WINEDEBUG=-all timeout -k 5 150 wine \
        "$build/mingw-x64-release/examples/pipe_chat.exe" "$@"
}

# chat_cmd COMMAND: Windows' own, which knows no messages.
chat_cmd() {
    WINEPREFIX=$(wine_prefix) WINEDEBUG=-all timeout -k 5 150 wine cmd /c "$1" </dev/null
}

# chat_sees PROCESS FILE PATTERN [COUNT]: waits until a line, or so many, of what the process writes
# there match.
chat_sees() {
    until [ "$(cat "$2" 2>/dev/null | grep -c -- "$3")" -ge "${4:-1}" ]; do
        kill -0 "$1" 2>/dev/null || die "$2 ended before a line matched: $3"
        sleep 0.1
    done
}

# chat_serve [ARGUMENT...]: sets server, which serves when this returns.
chat_serve() {
    IOCPLOOP_WINE_OUTPUT=server IOCPLOOP_WINE_TIMEOUT=150 "$root/tools/wine-run.sh" \
        "$build/mingw-x64-release/examples/pipe_chat.exe" serve "$chat_name" "$@" &
    server=$!
    chat_sees $server server "^serving .*$chat_name"
}

# chat_told NAME: what this member was told, without ends of lines of Windows and with names: the
# processes' ids in the order in which they came to Ann.
chat_told() {
    local ids
    ids=$(tr -d '\r' <ann | sed -n 's/^\([0-9]*\): is here$/\1/p')
    [ "$(sort -u <<<"$ids" | wc -l)" -eq 4 ] || die "not four ids: $ids"
    tr -d '\r' <"$1" | sed "$(paste -d ' ' - <(printf '%s\n' ann bob reader writer) <<<"$ids" |
        sed 's|\(.*\) \(.*\)|s/^\1:/\2:/|')"
}

# Ann and Bob are ours, the reader and the writer cmd's. All are told the same in one order, and here
# each waits for what was before. Only this shell may hold the inputs open.
chat_among_four() {
    local server ann bob reader
    mkfifo ann_says bob_says
    chat_serve
    pipe_chat join "$chat_name" <ann_says >ann &
    ann=$!
    exec 3>ann_says
    chat_sees $ann ann ': is here'
    pipe_chat join "$chat_name" <bob_says >bob 3>&- &
    bob=$!
    exec 4>bob_says
    chat_sees $bob bob ': is here'
    chat_cmd "type \\\\.\\pipe\\$chat_name" >reader 3>&- 4>&- &
    reader=$!
    chat_sees $reader reader ': is here'
    printf 'hello\nfrom ann\n' >&3
    chat_sees $bob bob ': from ann'
    printf 'ä 漢字 😀\nno end of the line' >&4
    exec 4>&-
    chat_sees $ann ann ': has left'
    wait $bob
    chat_cmd "echo from cmd> \\\\.\\pipe\\$chat_name"
    chat_sees $ann ann ': from cmd'
    chat_sees $ann ann ': has left' 2
    exec 3>&-
    wait $ann
    chat_sees $reader reader ': has left' 3
    kill -TERM $server
    wait $server
    wait $reader || true # what cmd makes of the end is its own affair
    chat_told ann | diff expected -
    chat_told bob | head -n 4 | diff <(sed -n '2,5p' expected) -
    (tail -n +3 expected && echo 'ann: has left') | diff - <(chat_told reader)
    grep -q '^members: 4, lines: 5' server
}

# The client's input goes on, and it ends with the server. (Wine takes back no read of a native pipe: then
# the client says that it has left one.)
chat_ends_with_its_server() {
    local server ann
    mkfifo ann_says
    chat_serve
    pipe_chat join "$chat_name" <ann_says >ann &
    ann=$!
    exec 3>ann_says
    chat_sees $ann ann ': is here'
    kill -TERM $server
    wait $server
    wait $ann || true
    grep -q '^members: 1, lines: 0' server
}

chat_nobody_serves() {
    local code=0
    pipe_chat join "$chat_name" </dev/null 2>errors || code=$?
    cat errors
    [ $code -eq 1 ]
    grep -q IOCP_ENOTFOUND errors
}

# check_chat NAME FUNCTION: a function from above, in a folder of its own.
check_chat() {
    check 180 "pipe chat $1" bash -c 'source tools/common.sh
        source tools/examples_io.sh
        wine_prepare
        rm -rf "$chat_folder"
        mkdir -p "$chat_folder"
        cd "$chat_folder"
        set -euo pipefail
        printf "%s\n" "ann: is here" "bob: is here" "reader: is here" "ann: hello" "ann: from ann" \
            "bob: ä 漢字 😀" "bob: no end of the line" "bob: has left" "writer: is here" \
            "writer: from cmd" "writer: has left" >expected
        "$@"' - "$2" || true
}

examples_pipe_chat() {
    check_chat "among two of ours and two of cmd" chat_among_four
    check_chat "that ends" chat_ends_with_its_server
    check_chat "without a server" chat_nobody_serves
    rm -rf "$chat_folder"
}
