# MinGW-w64 for x64, on Linux (Debian's gcc-mingw-w64) or on Windows (MSYS2 and others).
set(MINGW_TRIPLET x86_64-w64-mingw32)
set(CMAKE_SYSTEM_PROCESSOR AMD64)
include(${CMAKE_CURRENT_LIST_DIR}/mingw.cmake)
