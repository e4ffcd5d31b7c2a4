# Each section of the header ends with an example, and each example is C11 that compiles as it is
# printed, behind test/manual/prelude.h.
#   cmake -DSOURCE_DIR=... [-DC_COMPILER=...] [-DSCRATCH=folder] -P manual.cmake
#
# An example is a comment of its own, the last one of its section:
#   /*
#    * Example: what it shows, on one line or more.
#    *
#    *   its code, indented by three blanks
#    */
cmake_minimum_required(VERSION 3.25)

if(NOT C_COMPILER)
    find_program(C_COMPILER NAMES gcc clang-14 clang cc REQUIRED)
endif()
if(NOT SCRATCH)
    set(SCRATCH "${SOURCE_DIR}/build/manual")
endif()
set(header "${SOURCE_DIR}/include/iocploop.h")

# CMake's lists would take these for their own. They are put back before the code is written.
function(hide_special text result)
    string(REPLACE "\\" "@BACKSLASH@" text "${text}")
    string(REPLACE ";" "@SEMICOLON@" text "${text}")
    string(REPLACE "[" "@OPENING@" text "${text}")
    string(REPLACE "]" "@CLOSING@" text "${text}")
    set(${result} "${text}" PARENT_SCOPE)
endfunction()

function(show_special text result)
    string(REPLACE "@OPENING@" "[" text "${text}")
    string(REPLACE "@CLOSING@" "]" text "${text}")
    string(REPLACE "@SEMICOLON@" ";" text "${text}")
    string(REPLACE "@BACKSLASH@" "\\" text "${text}")
    set(${result} "${text}" PARENT_SCOPE)
endfunction()

function(compile section code line)
    string(MAKE_C_IDENTIFIER "${section}" name)
    set(source "${SCRATCH}/${name}.c")
    show_special("${code}" code)
    file(WRITE "${source}" "#include \"prelude.h\"\n#line ${line} \"include/iocploop.h\"\n${code}")
    execute_process(
        COMMAND "${C_COMPILER}" -std=c11 -fsyntax-only -Werror -Wall -Wextra -Wpedantic
            -Wconversion -Wshadow -Wstrict-prototypes -Wwrite-strings
            # An example defines what nobody here calls, and takes what it has no use for.
            -Wno-unused-function -Wno-unused-parameter
            "-I${SOURCE_DIR}/include" "-I${SOURCE_DIR}/test/manual" "${source}"
        RESULT_VARIABLE code ERROR_VARIABLE said)
    if(NOT code EQUAL 0)
        message(FATAL_ERROR "the example of the section \"${section}\" does not compile:\n${said}")
    endif()
endfunction()

# The end of a section: an example has been seen, and nothing was declared behind it.
macro(end_section)
    if(section)
        if(NOT has_example)
            message(FATAL_ERROR "the section \"${section}\" has no example at its end")
        endif()
        math(EXPR sections "${sections} + 1")
    endif()
    set(section "")
    set(has_example FALSE)
endmacro()

file(READ "${header}" text)
hide_special("${text}" text)
string(REPLACE "\n" ";" lines "${text}")

set(section "")
set(sections 0)
set(number 0)
set(place TEXT) # or HEAD and CODE of an example
set(previous "")
end_section()
foreach(line IN LISTS lines)
    math(EXPR number "${number} + 1")
    if(place STREQUAL CODE OR place STREQUAL HEAD)
        if(line STREQUAL " */")
            if(place STREQUAL HEAD)
                message(FATAL_ERROR "${header}:${number}: an example without code")
            endif()
            compile("${section}" "${code}" ${first_line})
            set(place TEXT)
            set(has_example TRUE)
        elseif(place STREQUAL HEAD AND line MATCHES "^ \\* [^ ]")
        elseif(place STREQUAL HEAD AND line STREQUAL " *")
            set(place CODE)
            math(EXPR first_line "${number} + 1")
        elseif(place STREQUAL CODE AND line STREQUAL " *")
            string(APPEND code "\n")
        elseif(place STREQUAL CODE AND line MATCHES "^ \\*   (.*)$")
            string(APPEND code "${CMAKE_MATCH_1}\n")
        else()
            show_special("${line}" line)
            message(FATAL_ERROR "${header}:${number}: not a line of an example: ${line}")
        endif()
    elseif(line MATCHES "^/\\* ==== (.*[^ =]) =+ \\*/$")
        set(next_section "${CMAKE_MATCH_1}")
        end_section()
        set(section "${next_section}")
    elseif(line MATCHES "^ \\* Example: ")
        if(NOT previous STREQUAL "/*")
            message(FATAL_ERROR "${header}:${number}: an example is a comment of its own")
        endif()
        set(place HEAD)
        set(code "")
    elseif(line STREQUAL "#ifdef __cplusplus")
        end_section()
    elseif(NOT line STREQUAL "" AND NOT line STREQUAL "/*")
        set(has_example FALSE) # something stands behind it
    endif()
    set(previous "${line}")
endforeach()
end_section()

file(REMOVE_RECURSE "${SCRATCH}")
if(sections EQUAL 0)
    message(FATAL_ERROR "found no section in ${header}")
endif()
message(STATUS "${sections} sections end with an example that compiles")
