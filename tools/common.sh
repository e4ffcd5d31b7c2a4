# Sourced by the scripts of this folder: where things are.
# shellcheck shell=bash

# What a shell may have set for other purposes does not get into the builds, nor into Wine.
unset CDPATH DESTDIR CC CXX CFLAGS CXXFLAGS CPPFLAGS LDFLAGS PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR \
    WINEARCH WINELOADER WINESERVER WINEDLLOVERRIDES

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

case $root in
*[[:space:]]*) die "the path of this folder has a space in it, which not all tools take: $root" ;;
esac
# Windows takes 260 letters, and below this folder there are a hundred more.
[ ${#root} -le 150 ] || die "the path of this folder has more than 150 letters: $root"

# The mirror of Debian that apt uses on this machine.
apt_mirror() {
    apt-get indextargets --format '$(CREATED_BY) $(REPO_URI) $(RELEASE) $(COMPONENT)' |
        awk '$1 == "Packages" && $4 == "main" && $3 !~ /-/ && !n++ { print $2 }'
}

# Where tools/system.sh makes the system NAME.
system_folder() {
    echo "$build/systems/$1"
}

# use_system NAME: from here on, and in what is called from here, Wine is that of a system of
# tools/system.sh, which has been made, or this machine's own ("" as the name). A command of that
# system is run by "${on_system[@]}" before it.
use_system() {
    export IOCPLOOP_SYSTEM=$1
    on_system=()
    wine_loaders=/usr/lib/wine
    if [ -n "$1" ]; then
        on_system=("$root/tools/system.sh" "$1")
        wine_loaders=$(system_folder "$1")$wine_loaders
    fi
}
use_system "${IOCPLOOP_SYSTEM:-}"

# A Wine prefix is a Windows of its own; which one a program gets is decided by this name.
wine_prefix() {
    echo "$build/wine/${IOCPLOOP_WINE:-default}${IOCPLOOP_SYSTEM:+@$IOCPLOOP_SYSTEM}"
}

# Ends the Windows programs that were started in this prefix, and only these.
wine_end() {
    local prefix
    prefix=$(wine_prefix)
    if [ -d "$prefix" ]; then
        WINEPREFIX=$prefix "${on_system[@]}" wineserver -k 2>/dev/null || true
    fi
}

# Whether 32-bit programs run, too: only then are there libraries for them.
wine_has_32_bits() {
    [ -e "$(wine_prefix)/drive_c/windows/syswow64/ntdll.dll" ]
}

# Makes the prefix, once: tests that start at the same time wait for the first of them. One that is
# older than its Wine, which may have got a 32-bit half since, or never finished, is made anew.
wine_prepare() {
    local prefix ready
    prefix=$(wine_prefix)
    ready=$prefix/.ready
    [ "$ready" -nt "$wine_loaders" ] && return
    [[ ${IOCPLOOP_WINE:-} != */* ]] || die "not a name: IOCPLOOP_WINE=$IOCPLOOP_WINE"
    mkdir -p "$build/wine"
    (
        flock 9
        [ "$ready" -nt "$wine_loaders" ] && exit
        wine_end
        rm -rf "$prefix"
        # No menus, no .NET, no browser: they only cost time. Wine's server outlives this shell, so
        # it must not inherit the lock.
        export WINEPREFIX=$prefix WINEDEBUG=-all
        export WINEDLLOVERRIDES="winemenubuilder.exe,mscoree,mshtml="
        {
            timeout 180 "${on_system[@]}" wineboot -i &&
                timeout 60 "${on_system[@]}" wineserver -w
        } >"$prefix.log" 2>&1 9>&- || {
            cat "$prefix.log" >&2
            die "cannot make a Wine prefix: $prefix"
        }
        touch "$ready"
    ) 9>"$prefix.lock"
}
