#include "win_echo.h"

#include "base.h"
#include "iocploop.h"

#include <windows.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define ECHO_LIMIT_NS (100 * IOC_NS_PER_MS)

static struct {
    iocp_handle_t input;
    iocp_handle_t output;
    bool has_limit; /* the next read */
    bool is_ending;
    int failed; /* calls */
    char line[128];
    char answer[512];
} echo;

static void echo__try(int status)
{
    echo.failed += status != IOCP_OK;
}

/* ---- Its streams ---- */

static void echo__use_console(DWORD stream, const wchar_t *name)
{
    DWORD mode = 0;
    if (GetConsoleMode(GetStdHandle(stream), &mode)) {
        return;
    }
    HANDLE console = CreateFileW(name, GENERIC_READ | GENERIC_WRITE,
                                 FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0, NULL);
    echo.failed += !GetConsoleMode(console, &mode) || !SetStdHandle(stream, console);
}

/* ---- Line by line ---- */

static iocp_action_t IOCP_CALL echo__was_read(iocp_loop_t *loop, const iocp_result_t *result,
                                              void *userdata);

static void echo__read(iocp_loop_t *loop)
{
    iocp_op_t op = {0};
    memset(echo.line, 0, sizeof echo.line);
    echo__try(
        iocp_read(loop, echo.input, echo.line, sizeof echo.line - 1, echo__was_read, NULL, &op));
    if (echo.has_limit) {
        echo__try(iocp_op_deadline(loop, op, ECHO_LIMIT_NS));
    }
}

static iocp_action_t IOCP_CALL echo__was_answered(iocp_loop_t *loop, const iocp_result_t *result,
                                                  void *userdata)
{
    (void)userdata;
    echo__try(result->status);
    echo__read(loop);
    return IOCP_DISARM;
}

static void echo__take_line(void)
{
    size_t length = strcspn(echo.line, "\r\n");
    size_t at = 0;
    echo.line[length] = '\0';
    echo.answer[at++] = '[';
    for (size_t i = 0; i < length; i++) {
        at += (size_t)snprintf(echo.answer + at, sizeof echo.answer - at, "%02x",
                               (unsigned)(unsigned char)echo.line[i]);
    }
    (void)snprintf(echo.answer + at, sizeof echo.answer - at, " %s]\r\n", echo.line);
    echo.is_ending = strcmp(echo.line, "end") == 0;
    echo.has_limit = echo.is_ending || strcmp(echo.line, "limit") == 0;
}

static void echo__take_error(int status)
{
    (void)snprintf(echo.answer, sizeof echo.answer, "[%s]\r\n", iocp_error_name(status));
    echo.has_limit = false;
}

static iocp_action_t IOCP_CALL echo__was_read(iocp_loop_t *loop, const iocp_result_t *result,
                                              void *userdata)
{
    (void)userdata;
    if (result->status == IOCP_OK) {
        echo__take_line();
    } else if (!echo.is_ending) {
        echo__take_error(result->status);
    } else {
        echo.failed += result->status != IOCP_ETIMEDOUT;
        echo__try(iocp_loop_stop(loop));
        return IOCP_DISARM;
    }
    echo__try(iocp_write(loop, echo.output, echo.answer, strlen(echo.answer), echo__was_answered,
                         NULL, NULL));
    return IOCP_DISARM;
}

/* ---- The program ---- */

int win_echo_run(void)
{
    static const char ready[] = "[ready]\r\n";
    iocp_loop_t *loop = NULL;
    echo__use_console(STD_INPUT_HANDLE, L"CONIN$");
    echo__use_console(STD_OUTPUT_HANDLE, L"CONOUT$");
    echo__try(iocp_loop_create(NULL, &loop));
    echo__try(iocp_stdio_open(loop, IOCP_STDIN, &echo.input));
    echo__try(iocp_stdio_open(loop, IOCP_STDOUT, &echo.output));
    echo__try(
        iocp_write(loop, echo.output, ready, sizeof ready - 1, echo__was_answered, NULL, NULL));
    echo__try(iocp_loop_run(loop, IOCP_RUN_UNTIL_STOPPED));
    echo__try(iocp_loop_destroy(loop, UINT64_MAX));
    return WIN_ECHO_GOOD + (echo.failed << 4);
}
