# Sourced by test.sh, after common.sh: tcp_proxy between native clients and servers. Bytes, counts and
# ends decide, and never how long it took.
# shellcheck shell=bash

proxy_cases=(is_exact ends_one_way holds_back is_next_when_refused is_next_when_silent
    tells_when_refused tells_when_unknown gives_up_when_silent passes_resets_on serves_many
    ends_with_some_open ends_when_all_have)

examples_tcp_proxy() {
    local name
    for name in "${proxy_cases[@]}"; do
        check 240 "tcp_proxy ${name//_/ }" python3 "$root/tools/load/tcp_proxy.py" \
            "$build/mingw-x64-release/examples/tcp_proxy.exe" "$logs/tcp_proxy.log" "$name" || true
    done
}
