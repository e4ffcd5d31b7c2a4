# The warnings that this project is free of, on gcc, clang and MSVC.

add_library(iocploop_warnings INTERFACE)

set(gnu_warnings
    -Wall
    -Wextra
    -Wpedantic
    -Wcast-align
    -Wconversion
    -Wformat=2
    -Wimplicit-fallthrough
    -Wmissing-declarations
    -Wmissing-prototypes
    # An initializer sets what it leaves out to zero, and that is how it is meant.
    -Wno-missing-field-initializers
    -Wold-style-definition
    -Wpointer-arith
    -Wsign-conversion
    -Wstrict-prototypes
    -Wswitch-enum
    -Wundef
    -Wvla
    -Wwrite-strings)

# These exist in gcc alone, or mean something else there.
set(gcc_warnings
    -Wduplicated-cond
    -Wjump-misses-init
    -Wlogical-op
    # Without "local" gcc also complains of a variable that has the name of its type.
    -Wshadow=local)

# In clang -Wconversion holds assert(!"how this cannot be") for a mistake.
set(clang_warnings
    -Wshadow
    -Wno-string-conversion)

if(MSVC)
    # clang-cl takes the same options. C4200, C4201, C4204 and C4221 are about C11 that MSVC calls
    # an extension; C4324 reports the padding that alignas asked for.
    target_compile_options(iocploop_warnings INTERFACE
        /W4 /utf-8 /wd4200 /wd4201 /wd4204 /wd4221 /wd4324
        $<$<BOOL:${IOCPLOOP_WERROR}>:/WX>)
    target_compile_options(iocploop_warnings INTERFACE
        # What /W4 leaves out: a switch that misses an enumerator, a lost sign or bit. The system's
        # own headers do not have to hold to this.
        $<$<C_COMPILER_ID:MSVC>:/w14062 /w14242 /w14287 /w14296 /w14545>
        $<$<C_COMPILER_ID:MSVC>:/external:anglebrackets /external:W0>)
    # The C library's functions are the standard's, and portable.
    target_compile_definitions(iocploop_warnings INTERFACE _CRT_SECURE_NO_WARNINGS)
else()
    target_compile_options(iocploop_warnings INTERFACE
        ${gnu_warnings}
        $<$<C_COMPILER_ID:GNU>:${gcc_warnings}>
        $<$<C_COMPILER_ID:Clang>:${clang_warnings}>
        $<$<BOOL:${IOCPLOOP_WERROR}>:-Werror>)
    if(MINGW)
        # msvcrt's printf does not know %zu; what prints uses MinGW's own, which does.
        target_compile_definitions(iocploop_warnings INTERFACE __USE_MINGW_ANSI_STDIO=1)
    endif()
endif()
