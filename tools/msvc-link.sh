#!/bin/bash
# The library as Visual Studio's tools would make it: clang compiles it for the MSVC ABI, lld-link
# links it to build/msvc/ARCH/iocploop.dll, for x64, x86 and arm64, with MSVC's atomics; and for x64
# once more with the compiler's own, as for clang-cl. What the system and the C runtime provide comes
# from MinGW's import libraries. The presets msvc-dll-* test two of them, arm64 cannot be run here.
set -euo pipefail
source "$(dirname "$0")/common.sh"
source "$root/tools/msvc.sh"
cd "$root"

out=$build/msvc
mkdir -p "$out/headers"
# For x86 Wine's header has functions of its own where clang has the same as intrinsics.
sed '/^static FORCEINLINE void \* WINAPI Interlocked.*ExchangePointer(/,/^}/d' \
    $wine_headers/windows/winnt.h >"$out/headers/winnt.h"

compile_one() {
    local object=${1##*/}
    # shellcheck disable=SC2086 # flags are words
    clang-14 --target=$target-pc-windows-msvc $flags -c "$1" -o "$folder/${object%.c}.obj" || {
        echo "^ $1, $target"
        return 1
    }
}
export -f compile_one

# import_library MACHINE NAME: makes that of NAME.dll, from the functions that are read.
import_library() {
    {
        printf 'LIBRARY %s.dll\nEXPORTS\n' "$2"
        cat
    } >"$folder/$2.def"
    llvm-dlltool-14 -m "$1" -d "$folder/$2.def" -l "$folder/$2.lib"
    echo "$folder/$2.lib"
}

# Prints the import libraries for $target. MinGW has those of x64 and x86, only not the functions that
# MSVC divides 64 bits by, which are in ntdll, too. For arm64 x64's say which functions there are.
import_libraries() {
    local library
    for library in advapi32 kernel32 ws2_32 ucrtbase; do
        if [ $target = aarch64 ]; then
            x86_64-w64-mingw32-nm /usr/x86_64-w64-mingw32/lib/lib$library.a 2>/dev/null |
                awk '$2 == "T" { print $3 }' | sort -u | import_library arm64 $library
        else
            echo /usr/$target-w64-mingw32/lib/lib$library.a
        fi
    done
    [ $target != i686 ] || printf '_aulldiv\n_aullrem\n' | import_library i386 ntdll
}

# link_dll NAME TARGET FLAG...
link_dll() {
    local name=$1 libraries
    export target=$2 folder=$out/$1 flags
    shift 2
    rm -rf "$folder"
    mkdir -p "$folder"
    flags="-std=c11 -O2 -isystem $out/headers ${msvc_flags[*]} -Iinclude -Isrc $*"
    one_units "$folder"
    find "$folder" -name '*.c' | xargs -P "$jobs" -I{} bash -c 'compile_one {}' ||
        die "clang refuses the files above"
    libraries=$(import_libraries)
    # Nothing happens in DllMain, so there is none. MinGW's import libraries do not say that they have
    # no exception handlers.
    # shellcheck disable=SC2086 # a library each
    lld-link-14 /dll /noentry /nodefaultlib /safeseh:no "/def:cmake/iocploop.def" "/out:$folder/iocploop.dll" \
        "/implib:$folder/iocploop.lib" "$folder"/*.obj $libraries
    echo "$name: $(stat -c %s "$folder/iocploop.dll") bytes"
}

link_dll x64 x86_64 -DIOC_ATOMIC_INTERLOCKED
link_dll x86 i686 -DIOC_ATOMIC_INTERLOCKED
link_dll arm64 aarch64 -DIOC_ATOMIC_INTERLOCKED
link_dll x64-clang x86_64
