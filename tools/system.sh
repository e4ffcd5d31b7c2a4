#!/bin/bash
# Another Debian, for the sake of its Wine: tools/system.sh NAME [COMMAND...]
#
#   trixie    Debian 13: Wine 10, with its 32-bit half where the kernel runs 32-bit programs
#
# Makes it below build/systems/, once, in some two minutes, and runs COMMAND there. This checkout has
# the same path in it, and COMMAND begins where we stand. Nothing of the machine's own is changed, and
# what is mounted is gone with the command.
#
# 77 says that it cannot be made here: it takes root, mounts of one's own, and a mirror of Debian.
set -euo pipefail
source "$(dirname "$0")/common.sh"

[ $# -ge 1 ] || die "usage: ${0##*/} NAME [COMMAND...]"
name=$1
shift
[ "$name" = trixie ] || die "no such system: $name"
system=$(system_folder "$name")

cannot() {
    echo "skipped: cannot make Debian $name here: $*" >&2
    exit 77
}

# Not every kernel does: that of some virtual machines runs 64-bit programs alone.
runs_32_bits() {
    echo '.globl _start; _start: movl $1, %eax; xorl %ebx, %ebx; int $0x80' |
        clang-14 --target=i386-linux-gnu -nostdlib -static -fuse-ld=lld -x assembler - \
            -o "$system.probe" && "$system.probe" 2>/dev/null
}

make_system() {
    local mirror log=$system.log architectures=amd64 packages=wine,wine64
    [ "$(id -u)" -eq 0 ] || cannot "not root"
    unshare --mount true 2>/dev/null || cannot "no mounts of one's own"
    command -v mmdebstrap >/dev/null || cannot "no mmdebstrap: run tools/setup.sh"
    mirror=$(apt_mirror)
    [ -n "$mirror" ] || cannot "apt knows no mirror"

    if runs_32_bits; then
        architectures+=,i386
        packages+=,wine32:i386
    fi

    echo "making Debian $name in $system"
    rm -rf --one-file-system "$system"
    # How this machine reaches its mirror is how the new system does.
    apt-config dump Acquire::http Acquire::https Acquire::Check-Date Acquire::Check-Valid-Until \
        >"$system.apt"
    mmdebstrap --variant=minbase --architectures=$architectures --include=$packages \
        --aptopt="$system.apt" --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        "$name" "$system" "$mirror" >"$log" 2>&1 || {
        tail -n 20 "$log" >&2
        cannot "mmdebstrap failed"
    }
    cp /etc/hosts "$system/etc/" # without it "localhost" is asked of a name server
    touch "$system/.ready"
}

# One at a time, also when the scripts of two terminals come here together.
mkdir -p "${system%/*}"
(
    flock 9
    [ -e "$system/.ready" ] || make_system
) 9>"$system.lock"
[ $# -gt 0 ] || exit 0

# No process stays between us and the command: signals reach it as they would here.
exec unshare --mount bash -euc '
    system=$1 checkout=$2
    shift 2
    for folder in /proc /sys /dev; do
        mount --rbind $folder "$system$folder"
    done
    mkdir -p "$system$checkout"
    mount --bind "$checkout" "$system$checkout"
    exec chroot "$system" env --chdir="$PWD" HOME=/root XDG_RUNTIME_DIR=/run \
        PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
' "${0##*/}" "$system" "$root" "$@"
