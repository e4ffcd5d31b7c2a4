# MinGW-w64 for 32-bit x86, on Linux (Debian's gcc-mingw-w64) or on Windows (MSYS2 and others).
set(MINGW_TRIPLET i686-w64-mingw32)
set(CMAKE_SYSTEM_PROCESSOR X86)
include(${CMAKE_CURRENT_LIST_DIR}/mingw.cmake)
