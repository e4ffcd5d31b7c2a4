# The static library shares one namespace with its consumer: each external symbol begins with iocp_
# (public) or ioc_ (internal), and none is writable data, since the library has no global state.
#   cmake -DNM=... -DLIBRARY=... -P symbols.cmake
cmake_minimum_required(VERSION 3.25)

execute_process(COMMAND "${NM}" --extern-only --defined-only --format=posix "${LIBRARY}"
    OUTPUT_VARIABLE output COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^\n]+" lines "${output}")

set(count 0)
set(problems "")
foreach(line IN LISTS lines)
    # "name type value size". A 32-bit target puts an underscore before each name.
    if(NOT line MATCHES "^_?([^ ]+) ([A-Za-z])( |$)")
        continue() # the heading of an archive's member
    endif()
    set(name "${CMAKE_MATCH_1}")
    set(type "${CMAKE_MATCH_2}")
    math(EXPR count "${count} + 1")
    if(NOT name MATCHES "^iocp?_" AND NOT name MATCHES "^\\.(refptr|weak)\\.")
        list(APPEND problems "${name}: its prefix is neither iocp_ nor ioc_")
    endif()
    if(type MATCHES "[DBCGS]")
        list(APPEND problems "${name}: writable data (${type})")
    endif()
endforeach()

if(count EQUAL 0)
    message(FATAL_ERROR "found no symbol in ${LIBRARY}")
endif()
if(problems)
    list(JOIN problems "\n  " text)
    message(FATAL_ERROR "symbols of ${LIBRARY}:\n  ${text}")
endif()
message(STATUS "${count} external symbols have our prefixes, none is writable data")
