# The target iocploop_cmocka: CMocka, from the first of these places that has it.
#  1. CMOCKA_ROOT or the system: where tools/setup.sh or Debian's libcmocka-dev put it.
#  2. A CMake package: vcpkg and others.
#  3. The same release as Debian's, fetched and built as a part of this build.

set(CMOCKA_ROOT "" CACHE PATH "Where CMocka is installed")

add_library(iocploop_cmocka INTERFACE)

# A cross build's search is confined to the toolchain's folders, and CMOCKA_ROOT is not one.
find_path(CMOCKA_INCLUDE_DIR cmocka.h
    HINTS ${CMOCKA_ROOT}/include NO_CMAKE_FIND_ROOT_PATH NO_DEFAULT_PATH)
find_library(CMOCKA_LIBRARY NAMES cmocka-static cmocka
    HINTS ${CMOCKA_ROOT}/lib NO_CMAKE_FIND_ROOT_PATH NO_DEFAULT_PATH)
if(NOT CMAKE_CROSSCOMPILING AND NOT WIN32)
    find_path(CMOCKA_INCLUDE_DIR cmocka.h)
    find_library(CMOCKA_LIBRARY cmocka)
endif()
mark_as_advanced(CMOCKA_INCLUDE_DIR CMOCKA_LIBRARY)

if(CMOCKA_INCLUDE_DIR AND CMOCKA_LIBRARY)
    target_include_directories(iocploop_cmocka SYSTEM INTERFACE ${CMOCKA_INCLUDE_DIR})
    target_link_libraries(iocploop_cmocka INTERFACE ${CMOCKA_LIBRARY})
    return()
endif()

if(NOT CMAKE_HOST_WIN32)
    message(FATAL_ERROR "CMocka not found: run tools/setup.sh, or set CMOCKA_ROOT")
endif()

find_package(cmocka CONFIG QUIET)
foreach(package_target cmocka::cmocka cmocka)
    if(TARGET ${package_target})
        target_link_libraries(iocploop_cmocka INTERFACE ${package_target})
        return()
    endif()
endforeach()
if(CMOCKA_LIBRARIES)
    target_include_directories(iocploop_cmocka SYSTEM INTERFACE ${CMOCKA_INCLUDE_DIR})
    target_link_libraries(iocploop_cmocka INTERFACE ${CMOCKA_LIBRARIES})
    return()
endif()

include(FetchContent)
FetchContent_Declare(cmocka
    URL https://cmocka.org/files/1.1/cmocka-1.1.5.tar.xz
    URL_HASH SHA256=f0ccd8242d55e2fd74b16ba518359151f6f8383ff8aef4976e48393f77bba8b6
    # A folder that is not there: fetch only, so that the next lines can leave out its install.
    SOURCE_SUBDIR fetched-not-added)
FetchContent_MakeAvailable(cmocka)
# Its options are to see these variables, which its old minimum version of CMake would not let them.
set(CMAKE_POLICY_DEFAULT_CMP0077 NEW)
set(WITH_STATIC_LIB ON)
set(WITH_EXAMPLES OFF)
set(UNIT_TESTING OFF)
add_subdirectory(${cmocka_SOURCE_DIR} ${cmocka_BINARY_DIR} EXCLUDE_FROM_ALL)
target_include_directories(iocploop_cmocka SYSTEM INTERFACE ${cmocka_SOURCE_DIR}/include)
target_link_libraries(iocploop_cmocka INTERFACE cmocka-static)
