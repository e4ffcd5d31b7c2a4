# What makes a mistake in memory harder to use. cmake/checks/hardening.cmake looks at the DLL.
# Visual Studio's stack protector (/GS) is on by itself; MinGW's is left out, and docs/building.md
# says why.

add_library(iocploop_hardening INTERFACE)

if(MSVC)
    # An indirect call goes to the beginning of a function (Control Flow Guard), and a return to
    # where the call came from (CET's shadow stack, which ARM64 does not have).
    target_compile_options(iocploop_hardening INTERFACE $<$<COMPILE_LANGUAGE:C>:/guard:cf>)
    target_link_options(iocploop_hardening INTERFACE /GUARD:CF
        $<$<NOT:$<STREQUAL:${CMAKE_C_COMPILER_ARCHITECTURE_ID},ARM64>>:/CETCOMPAT>)
elseif(MINGW)
    # The addresses are random and data is not run: the default of binutils since 2.36.
    target_link_options(iocploop_hardening INTERFACE -Wl,--dynamicbase -Wl,--nxcompat
        $<$<EQUAL:${CMAKE_SIZEOF_VOID_P},8>:-Wl,--high-entropy-va>)
endif()
