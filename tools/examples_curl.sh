# Sourced by test.sh, after common.sh, examples.sh and examples_http.sh: curl_download, with many files at
# once, from a native server and from http_server. What has arrived decides.
# shellcheck shell=bash

curl_folder=$build/curl
curl_files=60

# Files called 0 to 59, of no byte to 2 MB; every tenth one is asked for and not there.
curl_is_there() {
    [ $(($1 % 10)) -ne 7 ]
}

curl_fill_folder() {
    local i
    rm -rf "$curl_folder" && mkdir -p "$curl_folder/server" "$curl_folder/client"
    for ((i = 0; i < curl_files; i++)); do
        ! curl_is_there $i || head -c $((i * i * 600)) /dev/urandom >"$curl_folder/server/$i"
    done
}

# curl_downloads URL: all of them at once.
curl_downloads() {
    local i urls=()
    for ((i = 0; i < curl_files; i++)); do
        urls+=("$1/$i")
    done
    IOCPLOOP_WINE_TIMEOUT=200 example curl_download "Z:$curl_folder/client" "${urls[@]}"
    expect $((curl_files / 10)) "/7: HTTP response code said error"
    for ((i = 0; i < curl_files; i++)); do
        if curl_is_there $i; then
            cmp "$curl_folder/server/$i" "$curl_folder/client/$((i + 1))"
        else
            [ ! -s "$curl_folder/client/$((i + 1))" ] || die "the page of an error is in a file"
        fi
    done
}

# curl_serve COMMAND...: until this shell ends. Sets curl_url, from the port that the command prints.
curl_serve() {
    local port="" log=$curl_folder/server.log server
    : >"$log"
    "$@" >"$log" 2>&1 &
    server=$!
    # shellcheck disable=SC2064 # this one
    trap "kill $server" EXIT
    until [ -n "$port" ]; do
        kill -0 $server || die "the server has ended: $(cat "$log")"
        sleep 0.1
        port=$(sed -n 's/^.*port \([0-9][0-9]*\) .*/\1/p' "$log")
    done
    curl_url=http://127.0.0.1:$port
}

curl_from_native_server() {
    curl_fill_folder
    curl_serve python3 "$root/tools/load/http_together.py" "$curl_folder/server" $curl_files
    curl_downloads "$curl_url"
}

curl_from_http_server() {
    curl_fill_folder
    http_folder=$curl_folder/server
    http_log=$curl_folder/http_server.log
    http_start sendfile || die "http_server does not listen"
    curl_downloads "$http_url"
    http_stop || die "http_server does not end well"
}

# A port that somebody has and nobody listens at.
curl_from_nobody() {
    curl_fill_folder
    curl_serve python3 -uc 'import signal, socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print("port", s.getsockname()[1], ".")
signal.pause()'
    example curl_download "Z:$curl_folder/client" "$curl_url/0" "$curl_url/1"
    expect 2 "/0: Couldn't connect to server" "/1: Couldn't connect to server"
}

examples_curl_download() {
    local from
    for from in native_server http_server nobody; do
        check 240 "curl_download from ${from/_/ }" bash -euo pipefail -c \
            'for file in common examples examples_http examples_curl; do source tools/$file.sh; done
            "curl_from_$1"' bash $from || true
    done
}
