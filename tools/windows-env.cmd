@echo off
rem Called by test.cmd and run.cmd: finds a compiler, and sets the presets that fit it.
rem   debug, release               configure presets
rem   debug_build, release_build   build and test presets
rem   cmake_options                what the configure step gets besides

where /q cl && goto msvc
set "vswhere=%ProgramFiles(x86)%\Microsoft Visual Studio\Installer\vswhere.exe"
if not exist "%vswhere%" goto mingw
set "vs="
for /f "usebackq delims=" %%i in (`"%vswhere%" -latest -products * -requires Microsoft.VisualStudio.Component.VC.Tools.x86.x64 -property installationPath`) do set "vs=%%i"
if not defined vs goto mingw
call "%vs%\VC\Auxiliary\Build\vcvars64.bat" >nul
if errorlevel 1 exit /b 1

:msvc
if not defined VSCMD_ARG_TGT_ARCH set "VSCMD_ARG_TGT_ARCH=x64"
set "debug=msvc-%VSCMD_ARG_TGT_ARCH%"
set "release=%debug%"
set "debug_build=%debug%"
set "release_build=%debug%-release"
set "triplet=%VSCMD_ARG_TGT_ARCH%-windows"
goto tools

:mingw
where /q x86_64-w64-mingw32-gcc
if errorlevel 1 (
    echo No compiler found: install Visual Studio 2022 with C++, or put MinGW-w64 on the PATH.
    exit /b 1
)
set "debug=mingw-x64-debug"
set "release=mingw-x64-release"
set "debug_build=%debug%"
set "release_build=%release%"
set "triplet=none"

:tools
where /q cmake && where /q ninja
if errorlevel 1 (
    echo CMake 3.25 or newer and Ninja have to be on the PATH. Visual Studio brings both:
    echo run this in its "Developer Command Prompt".
    exit /b 1
)

rem CMocka from vcpkg if it is there; otherwise, and with MinGW, CMake fetches it.
set "cmake_options="
if not defined VCPKG_ROOT exit /b 0
if not exist "%VCPKG_ROOT%\installed\%triplet%\include\cmocka.h" exit /b 0
set cmake_options="-DCMAKE_TOOLCHAIN_FILE=%VCPKG_ROOT%\scripts\buildsystems\vcpkg.cmake"
exit /b 0
