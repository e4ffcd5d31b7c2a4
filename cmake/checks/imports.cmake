# The DLL loads on Windows 10 1607: each function that it imports is on the list of imports.txt.
# What is newer is looked up at run time.
#   cmake -DOBJDUMP=... -DLIBRARY=... -P imports.cmake
cmake_minimum_required(VERSION 3.25)

# Lines "dll function"; * as a function allows all that a DLL exports.
file(STRINGS "${CMAKE_CURRENT_LIST_DIR}/imports.txt" allowed REGEX "^[^#]")

execute_process(COMMAND "${OBJDUMP}" -p "${LIBRARY}"
    OUTPUT_VARIABLE output COMMAND_ERROR_IS_FATAL ANY)
string(REPLACE ";" " " output "${output}")
string(REGEX MATCHALL "[^\n]+" lines "${output}")

set(count 0)
set(problems "")
set(dll "")
foreach(line IN LISTS lines)
    if(line MATCHES "DLL Name: (.+)$")
        string(TOLOWER "${CMAKE_MATCH_1}" dll)
    elseif(line MATCHES "export table|Export Address Table")
        set(dll "") # the imports are over
    elseif(dll AND line MATCHES "^\t[0-9a-f]+\t[ ]*[0-9]+[ ]+([^ ]+)")
        set(function "${CMAKE_MATCH_1}")
        math(EXPR count "${count} + 1")
        if(NOT "${dll} ${function}" IN_LIST allowed AND NOT "${dll} *" IN_LIST allowed)
            list(APPEND problems "${dll} ${function}")
        endif()
    endif()
endforeach()

if(count EQUAL 0)
    message(FATAL_ERROR "found no import in ${LIBRARY}")
endif()
if(problems)
    list(JOIN problems "\n  " text)
    message(FATAL_ERROR "imports that are not known to be in Windows 10 1607:\n  ${text}")
endif()
message(STATUS "${count} imported functions are all in Windows 10 1607")
