# The DLL says of itself what the system needs to know to defend it: it can be loaded anywhere, its
# data is not run, and no section is both written and run. One that MSVC or clang-cl has built has
# Control Flow Guard, too, and but for ARM64 a shadow stack.
#   cmake -DLIBRARY=... [-DIS_MSVC=ON] -P hardening.cmake
# The offsets are those of Microsoft's "PE Format".
cmake_minimum_required(VERSION 3.25)

# The file's number of so many bytes at an offset.
function(read_number offset bytes result)
    file(READ "${LIBRARY}" hex OFFSET ${offset} LIMIT ${bytes} HEX)
    string(REGEX MATCHALL ".." digits "${hex}")
    list(REVERSE digits)
    list(JOIN digits "" digits)
    math(EXPR number "0x${digits}")
    set(${result} ${number} PARENT_SCOPE)
endfunction()

set(problems "")
function(need number bit what)
    math(EXPR set_bit "${number} & ${bit}")
    if(set_bit EQUAL 0)
        set(problems ${problems} "no ${what}" PARENT_SCOPE)
    endif()
endfunction()

read_number(60 4 signature)
math(EXPR offset "${signature} + 4")
read_number(${offset} 2 machine)
math(EXPR offset "${signature} + 6")
read_number(${offset} 2 section_count)
math(EXPR offset "${signature} + 20")
read_number(${offset} 2 header_size)
math(EXPR header "${signature} + 24")
read_number(${header} 2 magic)
math(EXPR is_64_bit "${magic} >> 9") # 0x10b or 0x20b
if(section_count EQUAL 0)
    message(FATAL_ERROR "found no section in ${LIBRARY}")
endif()

math(EXPR offset "${header} + 70")
read_number(${offset} 2 flags)
need(${flags} 0x0040 DYNAMIC_BASE)
need(${flags} 0x0100 NX_COMPAT)
if(is_64_bit)
    need(${flags} 0x0020 HIGH_ENTROPY_VA)
endif()

# The table of what debuggers and the system find in the file is the seventh of the directories.
math(EXPR offset "${header} + 96 + 16 * ${is_64_bit} + 6 * 8")
read_number(${offset} 4 debug_address)
math(EXPR offset "${offset} + 4")
read_number(${offset} 4 debug_size)
set(debug_offset 0)

math(EXPR section "${header} + ${header_size}")
foreach(i RANGE 1 ${section_count})
    math(EXPR offset "${section} + 36")
    read_number(${offset} 4 section_flags)
    math(EXPR is_run "${section_flags} >> 29 & 1")
    math(EXPR is_written "${section_flags} >> 31 & 1")
    if(is_run AND is_written)
        list(APPEND problems "section ${i} is written and run")
    endif()

    math(EXPR offset "${section} + 12")
    read_number(${offset} 4 address)
    math(EXPR offset "${section} + 16")
    read_number(${offset} 4 size)
    math(EXPR offset "${section} + 20")
    read_number(${offset} 4 data)
    math(EXPR place "${debug_address} - ${address}")
    if(place GREATER_EQUAL 0 AND place LESS size)
        math(EXPR debug_offset "${data} + ${place}")
    endif()
    math(EXPR section "${section} + 40")
endforeach()

# The entry of type 20 holds the flags that came too late for the header.
set(late_flags 0)
math(EXPR debug_end "${debug_offset} + ${debug_size}")
while(debug_offset LESS debug_end)
    math(EXPR offset "${debug_offset} + 12")
    read_number(${offset} 4 type)
    if(type EQUAL 20)
        math(EXPR offset "${debug_offset} + 24")
        read_number(${offset} 4 data)
        read_number(${data} 4 late_flags)
    endif()
    math(EXPR debug_offset "${debug_offset} + 28")
endwhile()

if(IS_MSVC)
    need(${flags} 0x4000 GUARD_CF)
    if(NOT machine EQUAL 43620) # 0xAA64, ARM64
        need(${late_flags} 0x0001 CET_COMPAT)
    endif()
endif()

if(problems)
    list(JOIN problems "\n  " text)
    message(FATAL_ERROR "hardening of ${LIBRARY}:\n  ${text}")
endif()
message(STATUS "the flags and the ${section_count} sections are as they should be")
