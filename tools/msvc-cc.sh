#!/bin/bash
# A compiler launcher for CMake: what MinGW's gcc is told to compile, clang compiles as Visual Studio's
# compiler would, with MSVC's atomics. The presets msvc-abi-* use it: tools/msvc-cc.sh GCC ARGUMENT...
set -euo pipefail
source "$(dirname "$0")/common.sh"
source "$root/tools/msvc.sh"

# MinGW's linker and C library get what is compiled here: the C runtime's names are the old ones, and
# of debug information it knows another kind. Warnings are tools/msvc-check.sh's affair.
target=$(basename "$1")
shift
exec clang-14 "--target=${target%%-*}-pc-windows-msvc" "${msvc_flags[@]}" -D_MSVCR_VER=0 \
    -DIOC_ATOMIC_INTERLOCKED "$@" -g0 -w
