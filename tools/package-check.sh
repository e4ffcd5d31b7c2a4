#!/bin/bash
# Is what we install of use to someone else? tools/package-check.sh CASE [PRESET]
# Installs PRESET (mingw-x64-release), moves the folder elsewhere, builds test/package against it
# and runs that. The cases:
#
#   dll, static                   find_package, as C and as C++
#   pkgconfig, pkgconfig-static   pkg-config and a compiler, no CMake
#   subdirectory                  iocploop as a part of the consumer's build
set -euo pipefail
source "$(dirname "$0")/common.sh"

case=${1:?"usage: ${0##*/} CASE [PRESET]"}
preset=${2:-mingw-x64-release}
folder=$build/package/$case
prefix=$folder/moved
consumer=$root/test/package

rm -rf "$folder"
mkdir -p "$folder"

install_moved() {
    cmake --install "$build/$preset" --prefix "$folder/installed"
    mv "$folder/installed" "$prefix"
}

build_consumer() {
    cmake -G Ninja -S "$consumer" -B "$folder/build" -DCMAKE_BUILD_TYPE=Release \
        --toolchain "$root/cmake/toolchains/${preset%-*}.cmake" "$@"
    cmake --build "$folder/build"
}

# run PROGRAM yes|no: it works, and needs iocploop.dll or does not.
run() {
    local program=$1 wants_dll=$2 needs_dll=no imports
    "$root/tools/wine-run.sh" "$program"
    imports=$(x86_64-w64-mingw32-objdump -p "$program" | grep 'DLL Name:')
    if [[ $imports == *iocploop.dll* ]]; then
        needs_dll=yes
    fi
    [ $needs_dll = "$wants_dll" ] || die "$program imports iocploop.dll: $needs_dll"
}

compile_with_pkgconfig() {
    export PKG_CONFIG_LIBDIR=$prefix/lib/pkgconfig
    # shellcheck disable=SC2046 # pkg-config answers with words
    x86_64-w64-mingw32-gcc "$consumer/consumer.c" -o "$folder/consumer.exe" "$@" \
        $(pkg-config --cflags --libs iocploop ${1:+--static})
}

case $case in
dll | static)
    install_moved
    [ "$case" = dll ] && shared=ON needs=yes || shared=OFF needs=no
    build_consumer -DBUILD_SHARED_LIBS=$shared -Diocploop_DIR="$prefix/lib/cmake/iocploop"
    run "$folder/build/consumer_c.exe" $needs
    run "$folder/build/consumer_cxx.exe" $needs
    ;;
pkgconfig)
    install_moved
    compile_with_pkgconfig
    cp "$prefix/bin/iocploop.dll" "$folder"
    run "$folder/consumer.exe" yes
    ;;
pkgconfig-static)
    install_moved
    compile_with_pkgconfig -static
    run "$folder/consumer.exe" no
    ;;
subdirectory)
    build_consumer -DIOCPLOOP_SOURCE_DIR="$root"
    run "$folder/build/consumer_c.exe" no
    run "$folder/build/consumer_cxx.exe" no
    ;;
*)
    die "no such case: $case"
    ;;
esac
