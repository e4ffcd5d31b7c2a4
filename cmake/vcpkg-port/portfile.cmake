# An overlay port that builds the checkout it lies in:
#   vcpkg install iocploop --overlay-ports=<checkout>/cmake/vcpkg-port
# In a registry this line becomes the download of a release (vcpkg_from_github and its like).
cmake_path(SET SOURCE_PATH NORMALIZE "${CMAKE_CURRENT_LIST_DIR}/../..")

string(COMPARE EQUAL "${VCPKG_LIBRARY_LINKAGE}" "dynamic" BUILD_SHARED)
string(COMPARE EQUAL "${VCPKG_LIBRARY_LINKAGE}" "static" BUILD_STATIC)

vcpkg_cmake_configure(
    SOURCE_PATH "${SOURCE_PATH}"
    OPTIONS
        -DIOCPLOOP_BUILD_SHARED=${BUILD_SHARED}
        -DIOCPLOOP_BUILD_STATIC=${BUILD_STATIC}
        -DIOCPLOOP_BUILD_TESTS=OFF
        -DIOCPLOOP_BUILD_BENCH=OFF
        -DIOCPLOOP_BUILD_EXAMPLES=OFF
        -DIOCPLOOP_INSTALL=ON
        -DIOCPLOOP_WERROR=OFF)

vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH lib/cmake/iocploop)
vcpkg_fixup_pkgconfig()
vcpkg_copy_pdbs()

file(REMOVE_RECURSE
    "${CURRENT_PACKAGES_DIR}/debug/include"
    "${CURRENT_PACKAGES_DIR}/debug/share")

file(INSTALL "${CMAKE_CURRENT_LIST_DIR}/usage" DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
