# The list of exports is the set of functions that the public header declares, in order of name.
#   cmake -DSOURCE_DIR=... -P exports.cmake
cmake_minimum_required(VERSION 3.25)

file(READ "${SOURCE_DIR}/include/iocploop.h" header)
string(REGEX MATCHALL "IOCP_API [^;(]*IOCP_CALL[ \n]+iocp_[a-z0-9_]+\\(" declarations "${header}")
list(TRANSFORM declarations REPLACE "^.*(iocp_[a-z0-9_]+)\\($" "\\1" OUTPUT_VARIABLE declared)
list(SORT declared)

file(STRINGS "${SOURCE_DIR}/cmake/iocploop.def" lines REGEX "^ ")
list(TRANSFORM lines STRIP OUTPUT_VARIABLE exported)

set(missing ${declared})
list(REMOVE_ITEM missing ${exported})
set(extra ${exported})
list(REMOVE_ITEM extra ${declared})

list(LENGTH declared count)
if(count EQUAL 0)
    message(FATAL_ERROR "found no declaration in include/iocploop.h")
endif()
if(missing OR extra)
    message(FATAL_ERROR "cmake/iocploop.def is not the header's list of functions\n"
        "  missing: ${missing}\n  extra: ${extra}")
endif()
if(NOT declared STREQUAL exported)
    message(FATAL_ERROR "cmake/iocploop.def is not sorted, or names a function twice")
endif()

# A function that is declared in another way would escape the list above.
string(REGEX MATCHALL "IOCP_CALL[ \n]+iocp_[a-z0-9_]+\\(" all "${header}")
list(LENGTH all all_count)
if(NOT all_count EQUAL count)
    message(FATAL_ERROR "${all_count} functions are IOCP_CALL, but ${count} are IOCP_API")
endif()
message(STATUS "${count} functions are declared and exported")
