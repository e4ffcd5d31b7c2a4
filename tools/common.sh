# Sourced by the scripts of this folder: where things are.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$root/build
deps=$build/deps
jobs=$(nproc)

# Where the locale is not UTF-8, and it is not where none is set, Wine has no name for 'ä ö 漢字'.
export LC_ALL=C.UTF-8

die() {
    echo "${0##*/}: $*" >&2
    exit 1
}

# A Wine prefix is a Windows of its own; which one a program gets is decided by this name.
wine_prefix() {
    echo "$build/wine/${IOCPLOOP_WINE:-default}"
}

# Ends the Windows programs that were started in this prefix, and only these.
wine_end() {
    local prefix
    prefix=$(wine_prefix)
    if [ -d "$prefix" ]; then
        WINEPREFIX=$prefix wineserver -k 2>/dev/null || true
    fi
}

# Makes the prefix, once: tests that start at the same time wait for the first of them.
wine_prepare() {
    local prefix
    prefix=$(wine_prefix)
    [ -e "$prefix/.ready" ] && return
    mkdir -p "$build/wine"
    (
        flock 9
        [ -e "$prefix/.ready" ] && exit
        # No menus, no .NET, no browser: they only cost time. Wine's server outlives this shell, so
        # it must not inherit the lock.
        export WINEPREFIX=$prefix WINEDEBUG=-all
        export WINEDLLOVERRIDES="winemenubuilder.exe,mscoree,mshtml="
        timeout 180 wineboot -i >"$prefix.log" 2>&1 9>&-
        timeout 60 wineserver -w 9>&-
        touch "$prefix/.ready"
    ) 9>"$prefix.lock"
}
