# The list in cmake/library.cmake is the set of source files under src/: none is left out.
#   cmake -DSOURCE_DIR=... -P sources.cmake
cmake_minimum_required(VERSION 3.25)

file(STRINGS "${SOURCE_DIR}/cmake/library.cmake" lines REGEX "src/[^ ]*\\.c")
list(TRANSFORM lines REPLACE "^[ ]*(src/[^ )]*\\.c)\\)?$" "\\1" OUTPUT_VARIABLE listed)
file(GLOB_RECURSE present RELATIVE "${SOURCE_DIR}" "${SOURCE_DIR}/src/*.c")
list(SORT listed)
list(SORT present)

if(NOT listed STREQUAL present)
    set(unlisted ${present})
    list(REMOVE_ITEM unlisted ${listed})
    set(absent ${listed})
    list(REMOVE_ITEM absent ${present})
    message(FATAL_ERROR "cmake/library.cmake is not the list of sources\n"
        "  not built: ${unlisted}\n  not there: ${absent}")
endif()
list(LENGTH present count)
message(STATUS "${count} source files are built")
