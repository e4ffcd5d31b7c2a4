# Sourced by test.sh, after common.sh and echo.sh: http_server, in both of its ways, against curl, raw
# bytes, wrk and ab. What they get decides, and never how long it took.
# shellcheck shell=bash

http_folder=$build/http
http_log=$build/logs/http_server.log
http_url=""
http_pid=""

http_fill_folder() {
    rm -rf "$http_folder" && mkdir -p "$http_folder/folder" "$build/logs"
    echo "hello" >"$http_folder/index.html"
    echo "below" >"$http_folder/folder/index.html"
    echo "a name" >"$http_folder/a name.txt"
    : >"$http_folder/empty"
    head -c 3000000 /dev/urandom >"$http_folder/large"
    echo "secret" >"$build/http_secret"
}

# http_start [sendfile]: sets http_url when it listens.
http_start() {
    local tries port=""
    : >"$http_log"
    IOCPLOOP_WINE_OUTPUT=$http_log IOCPLOOP_WINE_TIMEOUT=300 "$root/tools/wine-run.sh" \
        "$build/mingw-x64-release/examples/http_server.exe" "Z:$http_folder" 127.0.0.1:0 "$@" \
        >/dev/null 2>&1 &
    http_pid=$!
    for ((tries = 0; tries < 600; tries++)); do
        port=$(sed -n 's/^listening on 127.0.0.1:\([0-9]*\)\r*$/\1/p' "$http_log")
        [ -n "$port" ] && break
        kill -0 $http_pid 2>/dev/null || break
        sleep 0.1
    done
    http_url=http://127.0.0.1:$port
    [ -n "$port" ] || cat "$http_log"
    [ -n "$port" ]
}

# http_stop: Ctrl-C; with whatever is under way it ends well, and says how many requests there were.
http_stop() {
    local code=0
    kill -TERM "$http_pid"
    wait "$http_pid" || code=$?
    tr -d '\r' <"$http_log"
    [ $code -eq 0 ] && grep -q '^requests: [1-9]' "$http_log"
}

# http_gives STATUS BODY CURL_OPTION... PATH: what curl gets; BODY is a file.
http_gives() {
    local status=$1 body=$2 got
    shift 2
    : >"$build/http_got" # which curl leaves alone where there is no body
    got=$(curl -sS --path-as-is -o "$build/http_got" -w '%{http_code}' "${@:1:$#-1}" "$http_url${*: -1}")
    [ "$got" = "$status" ] || die "${*: -1} gives $got, not $status"
    cmp "$build/http_got" "$body" || die "${*: -1} has another body"
}

# http_part FIRST LAST: of the large file.
http_part() {
    tail -c +$(($1 + 1)) "$http_folder/large" | head -c $(($2 - $1 + 1)) >"$build/http_part"
    echo "$build/http_part"
}

http_field() { # NAME, of the large file
    curl -sSI "$http_url/large" | tr -d '\r' | sed -n "s/^$1: //p"
}

http_check_files() {
    local large=$http_folder/large last=2999999
    http_gives 200 "$http_folder/index.html" /
    http_gives 200 "$http_folder/folder/index.html" /folder/
    http_gives 200 "$http_folder/a name.txt" '/a%20name.txt?query'
    http_gives 200 "$http_folder/empty" /empty
    http_gives 200 "$large" /large
    http_gives 200 "$large" --http1.0 /large
    http_gives 206 "$(http_part 0 0)" -r 0-0 /large
    http_gives 206 "$(http_part 70000 140000)" -r 70000-140000 /large
    http_gives 206 "$(http_part 2999000 $last)" -r 2999000- /large
    http_gives 206 "$(http_part 2999995 $last)" -r -5 /large
    http_gives 206 "$(http_part 5 $last)" -r 5-99999999 /large
    http_gives 200 "$large" -r 1-2,4-5 /large
    : >"$build/http_none"
    http_gives 416 "$build/http_none" -r 3000000- /large
    http_gives 304 "$build/http_none" -H "If-None-Match: $(http_field ETag)" /large
    http_gives 304 "$build/http_none" -H "If-None-Match: \"x\", $(http_field ETag)" /large
    http_gives 200 "$large" -H 'If-None-Match: "x"' /large
    http_gives 304 "$build/http_none" -H "If-Modified-Since: $(http_field Last-Modified)" /large
    http_gives 200 "$large" -H 'If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT' /large
    http_gives 206 "$(http_part 0 9)" -r 0-9 -H "If-Range: $(http_field ETag)" /large
    http_gives 200 "$large" -r 0-9 -H 'If-Range: "x"' /large
    [ "$(http_field Content-Length)" = 3000000 ] || die "HEAD does not tell the length"
    [ "$(date -u -d "$(http_field Last-Modified)" +%s)" = "$(stat -c %Y "$large")" ] ||
        die "HEAD does not tell when it was modified"
}

http_check_refusals() {
    printf '404 Not Found' >"$build/http_none"
    http_gives 404 "$build/http_none" /nothing
    local path
    for path in /../http_secret /folder/../../http_secret /%2e%2e/http_secret '/..%5chttp_secret' \
        '/index.html::$DATA' /folder // /nul "/large%00" /large%zz; do
        http_gives 404 "$build/http_none" "$path"
    done
    printf '405 Method Not Allowed' >"$build/http_none"
    http_gives 405 "$build/http_none" -X DELETE /large
}

# What python3 sends as it is, and what has to come back.
http_check_raw() {
    python3 "$root/tools/load/http_raw.py" "${http_url##*:}" "$http_folder"
}

# Half a minute, which is what the server gives them.
http_check_idle() {
    python3 "$root/tools/load/http_idle.py" "${http_url##*:}"
}

http_check_load() {
    local said
    said=$(wrk -t 2 -c 50 -d 2s --timeout 100s --latency "$http_url/")
    echo "$said"
    ! grep -Eq 'Socket errors|Non-2xx' <<<"$said" || die "wrk met errors"
    said=$(ab -q -k -s 100 -n 40 -c 4 "$http_url/large")
    echo "$said"
    grep -Eq '^Complete requests: +40$' <<<"$said" || die "ab's requests are not complete"
    grep -Eq '^Failed requests: +0$' <<<"$said" || die "ab's requests have failed"
    grep -Eq '^HTML transferred: +120000000 bytes$' <<<"$said" || die "ab has not got all bytes"
}

examples_http_server() {
    local way what
    http_fill_folder
    for way in "" sendfile; do
        # shellcheck disable=SC2086
        if ! http_start $way; then
            failed=$((failed + 1))
            continue
        fi
        for what in files refusals raw load idle; do
            [ "$what/$way" != idle/sendfile ] || continue # the same code
            check 120 "http_server ${way:-read}: $what" env "http_url=$http_url" bash -c \
                'source tools/common.sh; source tools/examples_http.sh; http_url=$1; "http_check_$2"' \
                bash "$http_url" $what || true
        done
        check_server_stops "http_server ${way:-read}" http_stop
    done
}
