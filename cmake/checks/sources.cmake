# The list in cmake/library.cmake is the set of source files under src/: none is left out. No source
# asks for the system's version, since what it can is found by looking for it; and none loads a DLL
# from where somebody else can have put it, the program's folder or the current one.
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

# What is named here stands in no source, not even in a comment.
set(banned GetVersion GetVersionEx[AW]? VerifyVersionInfo[AW]? VerSetConditionMask RtlGetVersion
    RtlVerifyVersionInfo RtlGetNtVersionNumbers IsWindows[A-Za-z0-9]*OrGreater versionhelpers
    LoadLibrary[AW]? LoadPackagedLibrary LdrLoadDll)
list(JOIN banned "|" banned)

set(problems "")
file(GLOB_RECURSE files RELATIVE "${SOURCE_DIR}" "${SOURCE_DIR}/src/*.[ch]"
    "${SOURCE_DIR}/examples/*.[ch]")
foreach(file IN LISTS files)
    file(READ "${SOURCE_DIR}/${file}" text)
    # What CMake's lists would take for their own; C has no @.
    string(REGEX REPLACE "[][]" " " text "${text}")
    string(REPLACE ";" "@" text "${text}")
    string(REGEX MATCHALL "[^A-Za-z0-9_](${banned})[^A-Za-z0-9_]" names " ${text} ")
    foreach(name IN LISTS names)
        string(REGEX REPLACE "[^A-Za-z0-9_]" "" name "${name}")
        list(APPEND problems "${file}: ${name}")
    endforeach()
    string(REGEX MATCHALL "LoadLibraryEx[AW]?[ \n]*\\([^@]*" calls "${text}")
    foreach(call IN LISTS calls)
        if(NOT call MATCHES "LOAD_LIBRARY_SEARCH_SYSTEM32")
            list(APPEND problems "${file}: ${call}, without LOAD_LIBRARY_SEARCH_SYSTEM32")
        endif()
    endforeach()
endforeach()
if(problems)
    list(JOIN problems "\n  " text)
    message(FATAL_ERROR "these are not for this library:\n  ${text}")
endif()
message(STATUS "none asks for a version, and none loads a DLL from anywhere")
