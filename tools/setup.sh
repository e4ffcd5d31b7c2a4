#!/bin/bash
# Makes a Debian 12 machine ready for tools/test.sh and tools/run.sh: packages, CMocka for Windows, a Wine
# prefix. What is there already is left alone, so the second time takes no time.
#
#   tools/setup.sh [curl]     libcurl for Windows, too, which takes minutes and one example alone wants
set -euo pipefail
source "$(dirname "$0")/common.sh"

packages=(
    ca-certificates cmake ninja-build pkg-config xz-utils util-linux procps
    gcc g++ libc6-dev clang-14 clang lld-14 llvm-14 libclang-rt-14-dev libcmocka-dev
    clang-format-14 clang-tidy-14 python3 python3-clang-14
    gcc-mingw-w64-x86-64 g++-mingw-w64-x86-64 gcc-mingw-w64-i686
    spin tcc relacy-dev
    wine wine64 libwine-dev
    gcovr valgrind gnuplot-nox
    curl wrk apache2-utils
    dpkg-dev mmdebstrap)

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# A fresh machine may be busy with updates of its own.
update_lists() {
    local tries
    for ((tries = 0; tries < 20; tries++)); do
        as_root apt-get -q update && return
        sleep 5
    done
    die "cannot update apt's lists"
}

install_packages() {
    local missing=() package
    for package in "${packages[@]}"; do
        if ! dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii'; then
            missing+=("$package")
        fi
    done
    [ ${#missing[@]} -eq 0 ] && return

    command -v apt-get >/dev/null || die "not a Debian system: please install ${missing[*]}"
    echo "installing ${missing[*]}"
    update_lists
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -o DPkg::Lock::Timeout=600 install -y --no-install-recommends "${missing[@]}"
}

# fetch_source PACKAGE FOLDER: unpacks Debian's source of a package. The list of sources is one of
# our own, with the mirror that the system uses; the system's lists stay as they are.
fetch_source() {
    local package=$1 folder=$2 suite keyring signed="" options
    suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    [ -e $keyring ] && signed="[signed-by=$keyring] "

    rm -rf "$folder"
    mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
    apt-get indextargets --format '$(CREATED_BY) $(REPO_URI) $(RELEASE) $(COMPONENT)' |
        awk -v suite="$suite" -v signed="$signed" \
            '$1 == "Packages" && $3 == suite && $4 == "main" {
                print "deb-src " signed $2, suite, "main"
            }' | sort -u >"$folder/sources.list"
    [ -s "$folder/sources.list" ] || die "apt knows no mirror of Debian $suite"

    options=(-q -o "Dir::Etc::sourcelist=$folder/sources.list" -o Dir::Etc::sourceparts=-
        -o "Dir::State::lists=$folder/lists" -o "Dir::Cache=$folder/cache"
        -o APT::Sandbox::User=root)
    apt-get "${options[@]}" update
    (cd "$folder" && apt-get "${options[@]}" source --only-source "$package")
    rm -rf "$folder/lists" "$folder/cache"
}

# build_for_windows PACKAGE ARCH LIBRARY OPTION...: the static library of one of Debian's source packages
# goes where the mingw presets look for it.
build_for_windows() {
    local package=$1 arch=$2 library=$3 source=$deps/source/$1 build_folder=$deps/build-$1-$2
    [ -e "$deps/mingw-$arch/lib/$library" ] && return

    if [ ! -d "$source" ]; then
        echo "fetching the source of $package"
        # Under another name until it is complete.
        fetch_source "$package" "$deps/source.new" >"$source.log" 2>&1 ||
            { cat "$source.log" && die "cannot fetch the source package $package"; }
        mv "$deps/source.new" "$source"
    fi
    echo "building $package for mingw-$arch"
    cmake -G Ninja -S "$(echo "$source/$package"-*/)" -B "$build_folder" \
        --toolchain "$root/cmake/toolchains/mingw-$arch.cmake" \
        -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$deps/mingw-$arch" \
        "${@:4}" >"$build_folder.log" 2>&1 &&
        cmake --build "$build_folder" --target install >>"$build_folder.log" 2>&1 ||
        { cat "$build_folder.log" && die "cannot build $package for mingw-$arch"; }
}

build_cmocka() {
    build_for_windows cmocka "$1" libcmocka-static.a -DWITH_STATIC_LIB=ON -DWITH_EXAMPLES=OFF
}

build_curl() {
    build_for_windows curl "$1" libcurl.a -DBUILD_SHARED_LIBS=OFF -DBUILD_CURL_EXE=OFF \
        -DBUILD_TESTING=OFF -DHTTP_ONLY=ON -DCURL_ENABLE_SSL=OFF -DCURL_ZLIB=OFF \
        -DENABLE_MANUAL=OFF
}

install_packages
mkdir -p "$deps/source"
# One at a time, also when the scripts of two terminals come here together.
(
    flock 9
    build_cmocka x64
    build_cmocka x86
    [ "${1:-}" != curl ] || build_curl x64
) 9>"$deps/lock"
wine_prepare
