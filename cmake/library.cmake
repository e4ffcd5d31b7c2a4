# The library: its sources once as objects, from these the DLL and the static library.

set(core_sources
    src/accept.c
    src/alloc.c
    src/api/api.c
    src/api/console.c
    src/api/file.c
    src/api/folder.c
    src/api/handle.c
    src/api/lent.c
    src/api/loop.c
    src/api/name.c
    src/api/operation.c
    src/api/overlapped.c
    src/api/path.c
    src/api/pipe.c
    src/api/poll.c
    src/api/post.c
    src/api/process.c
    src/api/socket.c
    src/api/stats.c
    src/api/timer.c
    src/api/version.c
    src/api/wait.c
    src/api/work.c
    src/buffers.c
    src/cancel.c
    src/control.c
    src/datagram.c
    src/error.c
    src/folder.c
    src/handle.c
    src/kind.c
    src/lent.c
    src/listing.c
    src/loop.c
    src/name.c
    src/op.c
    src/opening.c
    src/paths.c
    src/pipe.c
    src/poll.c
    src/post.c
    src/queue/mpsc.c
    src/queue/pool.c
    src/record.c
    src/sendfile.c
    src/slab.c
    src/spawn.c
    src/stats.c
    src/stop.c
    src/text/address.c
    src/text/command_line.c
    src/text/environment.c
    src/text/path.c
    src/text/recode.c
    src/text/utf8.c
    src/timeout.c
    src/timer/chunk.c
    src/timer/timers.c
    src/transfer.c)

set(win32_sources
    src/win32/apc.c
    src/win32/backend.c
    src/win32/clock.c
    src/win32/errmap.c
    src/win32/job.c
    src/win32/mode.c
    src/win32/net/afd.c
    src/win32/net/connection.c
    src/win32/net/family.c
    src/win32/net/group.c
    src/win32/net/lookup.c
    src/win32/net/message.c
    src/win32/net/options.c
    src/win32/net/socket.c
    src/win32/net/transmit.c
    src/win32/net/winsock.c
    src/win32/net/wsamsg.c
    src/win32/nt.c
    src/win32/object/adopt.c
    src/win32/object/child.c
    src/win32/object/console.c
    src/win32/object/directory.c
    src/win32/object/disk.c
    src/win32/object/file.c
    src/win32/object/info.c
    src/win32/object/medium.c
    src/win32/object/own_call.c
    src/win32/object/path.c
    src/win32/object/pipe_client.c
    src/win32/object/pipe_server.c
    src/win32/object/process.c
    src/win32/object/program.c
    src/win32/object/pseudo_console.c
    src/win32/object/remove.c
    src/win32/object/stdio.c
    src/win32/overlapped.c
    src/win32/port.c
    src/win32/resume.c
    src/win32/sleep.c
    src/win32/sys.c
    src/win32/wait.c
    src/win32/work.c)

# What the library needs of the system. Everything else is looked up at run time.
set(IOCPLOOP_SYSTEM_LIBRARIES advapi32 ws2_32)

# How all C of this project is compiled. Usage requirements of the library itself stay apart from
# this, so that nothing of it reaches a consumer.
add_library(iocploop_build INTERFACE)
target_compile_features(iocploop_build INTERFACE c_std_11)
target_link_libraries(iocploop_build INTERFACE iocploop_warnings iocploop_sanitizers
    iocploop_hardening)
if(WIN32)
    # Windows 10 is the oldest system; what came after 1607 is never named by an import.
    target_compile_definitions(iocploop_build INTERFACE _WIN32_WINNT=0x0A00 WIN32_LEAN_AND_MEAN
        UNICODE _UNICODE $<$<BOOL:${MSVC}>:_CRT_SECURE_NO_WARNINGS>)
endif()
if(MINGW)
    # A program or DLL of ours needs nothing of the compiler's beside it.
    target_link_options(iocploop_build INTERFACE -static-libgcc)
endif()

# Options that each target of this project gets: strict C11, the warnings, the sanitizers.
function(iocploop_configure target)
    set_target_properties(${target} PROPERTIES
        C_STANDARD 11
        C_STANDARD_REQUIRED ON
        C_EXTENSIONS OFF
        C_VISIBILITY_PRESET hidden)
    target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:iocploop_build>)
endfunction()

# one_unit NAME SOURCE...: a file that includes them all, so that the compiler sees across their edges.
function(iocploop_one_unit name)
    set(text "")
    foreach(source IN LISTS ARGN)
        string(APPEND text "#include \"${PROJECT_SOURCE_DIR}/${source}\"\n")
    endforeach()
    file(CONFIGURE OUTPUT ${name}.c CONTENT "${text}" @ONLY)
endfunction()

# iocploop_objects_from NAME SOURCE...: sources of the objects; where speed counts as one unit. The
# core and the backend are one each, since the core is to see nothing of the system's headers. Not
# link-time optimization: an archive of its objects is for one version of one compiler alone.
function(iocploop_objects_from name)
    iocploop_one_unit(${name} ${ARGN})
    target_sources(iocploop_objects PRIVATE
        "$<IF:${IOCPLOOP_IS_ONE_UNIT},${CMAKE_CURRENT_BINARY_DIR}/${name}.c,${ARGN}>")
endfunction()

set(IOCPLOOP_IS_ONE_UNIT
    $<AND:$<BOOL:${IOCPLOOP_ONE_UNIT}>,$<CONFIG:Release,RelWithDebInfo,MinSizeRel>>)

add_library(iocploop_objects OBJECT)
iocploop_objects_from(core ${core_sources})
if(WIN32)
    iocploop_objects_from(win32 ${win32_sources})
endif()
target_include_directories(iocploop_objects PRIVATE include src)
iocploop_configure(iocploop_objects)
set_target_properties(iocploop_objects PROPERTIES POSITION_INDEPENDENT_CODE ON)
# One unit is "large" for gcc, so it inlines less in it the more there is in all: what an operation
# costs would depend on how many kinds of operations there are.
target_compile_options(iocploop_objects PRIVATE
    $<$<AND:${IOCPLOOP_IS_ONE_UNIT},$<C_COMPILER_ID:GNU>>:--param=large-unit-insns=100000>)

function(iocploop_add_library target type)
    add_library(${target} ${type} $<TARGET_OBJECTS:iocploop_objects>)
    target_include_directories(${target} INTERFACE
        $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
        $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    # The objects say nothing about the language to link with.
    set_target_properties(${target} PROPERTIES LINKER_LANGUAGE C)
    if(WIN32)
        target_link_libraries(${target} PRIVATE ${IOCPLOOP_SYSTEM_LIBRARIES})
    endif()
endfunction()

if(IOCPLOOP_BUILD_STATIC)
    iocploop_add_library(iocploop_static STATIC)
    # GNU tools keep libiocploop.a and libiocploop.dll.a apart; for MSVC both would be iocploop.lib.
    if(NOT (MSVC AND IOCPLOOP_BUILD_SHARED))
        set_target_properties(iocploop_static PROPERTIES OUTPUT_NAME iocploop)
    endif()
endif()

# A DLL without its only backend is no use, so natively there is none.
if(IOCPLOOP_BUILD_SHARED AND WIN32)
    enable_language(RC)
    iocploop_add_library(iocploop SHARED)
    configure_file(cmake/iocploop.rc.in iocploop.rc @ONLY)
    target_sources(iocploop PRIVATE cmake/iocploop.def ${CMAKE_CURRENT_BINARY_DIR}/iocploop.rc)
    target_link_options(iocploop PRIVATE $<$<BOOL:${MINGW}>:-static-libgcc>)
    target_link_libraries(iocploop PRIVATE $<BUILD_INTERFACE:iocploop_hardening>)
    # Not needed, but saves a jump in each call.
    target_compile_definitions(iocploop INTERFACE IOCPLOOP_DLLIMPORT)
    # MinGW would name it libiocploop.dll.
    set_target_properties(iocploop PROPERTIES EXPORT_NAME iocploop_shared PREFIX "")
endif()

# BUILD_SHARED_LIBS decides where both are there; unset, it is the DLL.
if(TARGET iocploop AND (BUILD_SHARED_LIBS OR NOT DEFINED BUILD_SHARED_LIBS OR
                        NOT TARGET iocploop_static))
    add_library(iocploop::iocploop ALIAS iocploop)
else()
    add_library(iocploop::iocploop ALIAS iocploop_static)
endif()
