# The dependency law of the house: each source file includes only what stands below it, and no units
# include each other in a circle, not even within one folder. A unit is a .c and its .h.
#   cmake -DSOURCE_DIR=... -P layers.cmake
cmake_minimum_required(VERSION 3.25)

# Floors, from the ground up. A name is a file's path under src/ without its ending, or a folder.
set(floors
    "base atomic"
    "control error text"
    "record"
    "alloc"
    "listing"
    "timer queue"
    "backend buffers"
    "slab"
    "op"
    "call handle post timeout watch"
    "opening"
    "accept cancel folder name paths pipe poll spawn stop transfer"
    "datagram lent sendfile"
    "kind stats win32"
    "loop"
    "api")

# The backend is a guest: besides its own folders it sees these, whatever else is below its floor.
# Those from accept on own the parameters of the kinds that it carries out.
set(win32_sees base atomic control error text alloc backend op handle opening queue
    accept call datagram folder lent listing name paths pipe poll record sendfile spawn stop transfer
    watch)

# The one file that may name the system, and what the portable rest may include of the C library.
set(system_file win32/win.h)
set(c_headers assert.h inttypes.h limits.h stdarg.h stdbool.h stddef.h stdint.h stdio.h stdlib.h
    string.h wchar.h)
# Compiler intrinsics: those two wrap them for the others.
set(intrinsics_files base.h atomic.h)
set(intrinsics_headers intrin.h)

set(problems "")
function(complain text)
    list(APPEND problems "${text}")
    set(problems "${problems}" PARENT_SCOPE)
endfunction()

# floor_name: the name that a path under src/ has in the list of floors.
function(floor_name_of path name)
    string(REGEX REPLACE "/.*$" "" first "${path}")
    if(first STREQUAL path)
        cmake_path(GET path STEM first)
    endif()
    set(${name} "${first}" PARENT_SCOPE)
endfunction()

# unit: a path under src/ without its ending.
function(unit_of path unit)
    cmake_path(REMOVE_EXTENSION path OUTPUT_VARIABLE stem)
    set(${unit} "${stem}" PARENT_SCOPE)
endfunction()

set(number 0)
foreach(floor IN LISTS floors)
    string(REPLACE " " ";" names "${floor}")
    foreach(name IN LISTS names)
        set(floor_of_${name} ${number})
    endforeach()
    math(EXPR number "${number} + 1")
endforeach()

function(check_system_include file header)
    if(file STREQUAL system_file OR header IN_LIST c_headers)
        return()
    endif()
    if(file IN_LIST intrinsics_files AND header IN_LIST intrinsics_headers)
        return()
    endif()
    complain("${file} includes <${header}>: the system belongs to ${system_file}")
    set(problems "${problems}" PARENT_SCOPE)
endfunction()

function(check_own_include file header)
    if(header STREQUAL "iocploop.h")
        return()
    endif()

    cmake_path(GET file PARENT_PATH folder)
    cmake_path(APPEND folder "${header}" OUTPUT_VARIABLE target)
    cmake_path(NORMAL_PATH target)
    if(NOT EXISTS "${SOURCE_DIR}/src/${target}")
        set(target "${header}")
    endif()
    if(NOT EXISTS "${SOURCE_DIR}/src/${target}")
        complain("${file} includes \"${header}\", which is not under src/")
        set(problems "${problems}" PARENT_SCOPE)
        return()
    endif()

    unit_of("${file}" from_unit)
    unit_of("${target}" to_unit)
    if(NOT from_unit STREQUAL to_unit)
        set_property(GLOBAL APPEND PROPERTY "needs ${from_unit}" "${to_unit}")
    endif()

    floor_name_of("${file}" from)
    floor_name_of("${target}" to)
    if(from STREQUAL to)
        return()
    endif()
    if(NOT DEFINED floor_of_${to})
        complain("${target} stands on no floor")
    elseif(from STREQUAL "win32" AND NOT to IN_LIST win32_sees)
        complain("${file} includes ${target}, which the backend must not see")
    elseif(NOT floor_of_${to} LESS floor_of_${from})
        complain("${file} (floor ${floor_of_${from}}) includes ${target} (floor ${floor_of_${to}})")
    endif()
    set(problems "${problems}" PARENT_SCOPE)
endfunction()

file(GLOB_RECURSE files RELATIVE "${SOURCE_DIR}/src" "${SOURCE_DIR}/src/*.[ch]")
set(include_count 0)
set(units "")
foreach(file IN LISTS files)
    floor_name_of("${file}" name)
    if(NOT DEFINED floor_of_${name})
        complain("${file} stands on no floor")
        continue()
    endif()
    unit_of("${file}" unit)
    list(APPEND units "${unit}")
    file(STRINGS "${SOURCE_DIR}/src/${file}" lines REGEX "^[ \t]*#[ \t]*include")
    foreach(line IN LISTS lines)
        math(EXPR include_count "${include_count} + 1")
        if(line MATCHES "include[ \t]*<([^>]+)>")
            check_system_include("${file}" "${CMAKE_MATCH_1}")
        elseif(line MATCHES "include[ \t]*\"([^\"]+)\"")
            check_own_include("${file}" "${CMAKE_MATCH_1}")
        else()
            complain("${file}: cannot read: ${line}")
        endif()
    endforeach()
endforeach()

# Take away, again and again, the units that need none of those that are left. A circle stays.
list(REMOVE_DUPLICATES units)
set(is_shrinking TRUE)
while(is_shrinking)
    set(is_shrinking FALSE)
    foreach(unit IN LISTS units)
        get_property(needs GLOBAL PROPERTY "needs ${unit}")
        set(is_needy FALSE)
        foreach(need IN LISTS needs)
            if(need IN_LIST units)
                set(is_needy TRUE)
            endif()
        endforeach()
        if(NOT is_needy)
            list(REMOVE_ITEM units "${unit}")
            set(is_shrinking TRUE)
        endif()
    endforeach()
endwhile()
if(units)
    list(JOIN units ", " circle)
    complain("these include each other in a circle, or need one: ${circle}")
endif()

if(include_count EQUAL 0)
    complain("found no source files in ${SOURCE_DIR}/src")
endif()
if(problems)
    list(JOIN problems "\n  " text)
    message(FATAL_ERROR "the dependency law is broken:\n  ${text}")
endif()
message(STATUS "${include_count} includes follow the dependency law")
