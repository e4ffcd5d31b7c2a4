#!/bin/bash
# Would Visual Studio's compiler take it? clang in MSVC mode reads every Windows source and the
# public header, for x64, x86 and arm64, with the Windows headers of Debian's libwine-dev.
set -euo pipefail
source "$(dirname "$0")/common.sh"
source "$root/tools/msvc.sh"
cd "$root"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# What Windows' own headers have and Wine's lack.
cat >"$scratch/missing.h" <<'END'
int __stdcall GetProcessHandleCount(void *process, unsigned long *count);
END

# The list of warnings is not cmake/warnings.cmake's: what gcc and clang say of the code they say in
# the builds, here it is about what only the MSVC side of an #if contains.
export flags="${msvc_flags[*]} -Werror -Wall -Wextra -Wshadow
    -Wundef -Wvla -Wswitch-enum -Wstrict-prototypes -Wno-missing-field-initializers
    -isystem $deps/mingw-x64/include -include $scratch/missing.h -Iinclude -Isrc -Ibench -Itest/support"

# Wine's winnt.h defines intrinsics that clang has of its own. In C that passes, in C++ it takes
# other names for them.
cxx_flags=""
for name in And64 CompareExchange128 CompareExchangePointer Decrement64 Exchange64 ExchangeAdd64 \
    ExchangePointer Increment64 Or64 Xor64; do
    cxx_flags+=" -D_Interlocked$name=wine_Interlocked$name"
done
export cxx_flags

# The header alone, as C and as C++, and behind <windows.h>, as most programs will have it.
echo '#include <iocploop.h>' >"$scratch/alone.c"
printf '#include <winsock2.h>\n#include <windows.h>\n#include <iocploop.h>\n' >"$scratch/windows.c"
printf '#include <iocploop.h>\n#include <winsock2.h>\n#include <windows.h>\n' >"$scratch/before.c"
for name in alone windows before; do
    cp "$scratch/$name.c" "$scratch/$name.cc"
done

one_units "$scratch/unit"

export compile="-Xclang -cfguard -c -o /dev/null"

check_one() {
    local file=$1 target language=-std=c11 output=-fsyntax-only
    case $file in
    *.cc) language="-std=c++17 $cxx_flags" ;;
    # The library is compiled to its end, with Control Flow Guard as in cmake/hardening.cmake.
    src/win32/* | */unit/win32.c) output=$compile ;;
    # The atomics that MSVC gets. Where Wine's <windows.h> is read too, it and clang's <intrin.h>
    # define the same names; the core never reads it.
    src/* | */unit/core.c) language="-std=c11 -DIOC_ATOMIC_INTERLOCKED" output=$compile ;;
    esac
    for target in x86_64 i686 aarch64; do
        # shellcheck disable=SC2086 # flags are words
        clang-14 --target=$target-pc-windows-msvc $language $output $flags "$file" 2>&1 ||
            { echo "^ $file, $target"; return 1; }
    done
}
export -f check_one

find src bench examples test "$scratch" \( -name package -o -name fuzz -o -name model -o -name native -o -name libuv -o -name asio \) -prune -o \
    -not -name 'sim_*' -name '*.c' -print -o -name '*.cc' -print |
    sort >"$scratch/files"
xargs -P "$jobs" -I{} bash -c 'check_one {}' <"$scratch/files" ||
    die "clang in MSVC mode refuses the files above"
echo "$(wc -l <"$scratch/files") files are accepted for x64, x86 and arm64"
