# The header states the version; what cannot read it there says the same.
#   cmake -DSOURCE_DIR=... -P version.cmake
cmake_minimum_required(VERSION 3.25)

file(STRINGS "${SOURCE_DIR}/include/iocploop.h" lines
    REGEX "^#define IOCP_VERSION_(MAJOR|MINOR|PATCH) ")
string(REGEX REPLACE "[^0-9;]" "" version "${lines}")
list(JOIN version "." version)

file(READ "${SOURCE_DIR}/cmake/vcpkg-port/vcpkg.json" port)
string(JSON port_version GET "${port}" version-semver)
if(NOT port_version STREQUAL version)
    message(FATAL_ERROR "include/iocploop.h is ${version}, the vcpkg port is ${port_version}")
endif()

# The consumer project asks for this release's interface.
file(READ "${SOURCE_DIR}/test/package/CMakeLists.txt" consumer)
string(REGEX MATCH "^[0-9]+\\.[0-9]+" interface "${version}")
string(FIND "${consumer}" "find_package(iocploop ${interface} CONFIG" place)
if(place EQUAL -1)
    message(FATAL_ERROR "test/package does not ask for iocploop ${interface}")
endif()
message(STATUS "the version is ${version} everywhere")
