@echo off
rem Builds and tests on Windows, debug and release, with Visual Studio or MinGW-w64.
rem CMocka comes from vcpkg if VCPKG_ROOT has it installed; otherwise CMake fetches it.
setlocal
cd /d "%~dp0.."
call tools\windows-env.cmd
if errorlevel 1 exit /b 1

call :suite %debug% %debug_build%
if errorlevel 1 exit /b 1
call :suite %release% %release_build%
if errorlevel 1 exit /b 1
echo All tests passed.
exit /b 0

:suite
cmake --preset %1 %cmake_options%
if errorlevel 1 exit /b 1
cmake --build --preset %2
if errorlevel 1 exit /b 1
ctest --preset %2
if errorlevel 1 exit /b 1
exit /b 0
