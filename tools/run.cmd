@echo off
rem Builds the release on Windows, starts the echo server, drives it with the echo client, then
rem shows how late timers are and prints the tick benchmarks.
setlocal
cd /d "%~dp0.."
call tools\windows-env.cmd
if errorlevel 1 exit /b 1

cmake --preset %release% %cmake_options%
if errorlevel 1 exit /b 1
cmake --build --preset %release_build%
if errorlevel 1 exit /b 1

rem Visual Studio's builds have a folder for each configuration.
set "bin=build\%release%"
set "config="
if exist "%bin%\examples\Release" set "config=\Release"

set "port=17000"
start "echo_server" /b "%bin%\examples%config%\echo_server.exe" --port %port% --seconds 40
rem The server needs a moment before it listens.
ping -n 3 127.0.0.1 >nul
"%bin%\examples%config%\echo_client.exe" 127.0.0.1 %port% --connections 50 --bytes 10000000 --size 65536
if errorlevel 1 exit /b 1
"%bin%\examples%config%\echo_client.exe" 127.0.0.1 %port% --connections 1 --bytes 1000000 --size 64
if errorlevel 1 exit /b 1

"%bin%\examples%config%\tick_timers.exe" --count 1000 --span 500
if errorlevel 1 exit /b 1

"%bin%\bench%config%\iocploop_bench.exe" --filter tick_*
exit /b %errorlevel%
