# Sourced by the scripts that have clang compile as Visual Studio's compiler would, with the Windows
# headers of Debian's libwine-dev.
# shellcheck shell=bash
# shellcheck disable=SC2034 # for those scripts

wine_headers=/usr/include/wine/wine
[ -d $wine_headers/windows ] || die "no Windows headers in $wine_headers: run tools/setup.sh"

msvc_flags=(-fms-compatibility-version=19.38 -isystem "$root/tools/msvc"
    -isystem "$wine_headers/msvcrt"
    -isystem "$wine_headers/windows" -D_WIN32_WINNT=0x0A00 -DWIN32_LEAN_AND_MEAN -DUNICODE -D_UNICODE
    -D_CRT_SECURE_NO_WARNINGS)

# one_units FOLDER: the two files that a release is compiled from, as cmake/library.cmake makes them.
one_units() {
    mkdir -p "$1"
    find src -path src/win32 -prune -o -name '*.c' -print | sort |
        sed "s|.*|#include \"$root/&\"|" >"$1/core.c"
    find src/win32 -name '*.c' | sort | sed "s|.*|#include \"$root/&\"|" >"$1/win32.c"
}
