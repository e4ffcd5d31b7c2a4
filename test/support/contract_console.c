#include "contract_console.h"

#if defined(_WIN32)

#include <windows.h>

#include <string.h>

typedef DWORD(WINAPI *console_routine)(void *event);

static console_routine console_ctrl_routine;
static DWORD console_own; /* of a thread that is one of ours: its event */

/* The handler that was there before: without it the process would end. */
static BOOL WINAPI console__pass(DWORD code)
{
    contract_console *event = TlsGetValue(console_own);
    (void)code;
    if (event == NULL) {
        return FALSE;
    }
    event->answer = CONTRACT_CONSOLE_PASSED;
    return TRUE;
}

void contract_console_begin(void)
{
    FARPROC found = GetProcAddress(GetModuleHandleW(L"kernelbase.dll"), "CtrlRoutine");
    assert_true(found != NULL);
    memcpy(&console_ctrl_routine, &found, sizeof found); /* without a cast between functions */
    console_own = TlsAlloc();
    assert_true(console_own != TLS_OUT_OF_INDEXES);
    assert_true(SetConsoleCtrlHandler(console__pass, TRUE));
}

/* Windows' ends its thread by itself. */
static void console__run(void *arg)
{
    static const DWORD codes[] = {
        [IOCP_CONSOLE_C] = CTRL_C_EVENT,
        [IOCP_CONSOLE_BREAK] = CTRL_BREAK_EVENT,
        [IOCP_CONSOLE_CLOSE] = CTRL_CLOSE_EVENT,
        [IOCP_CONSOLE_LOGOFF] = CTRL_LOGOFF_EVENT,
        [IOCP_CONSOLE_SHUTDOWN] = CTRL_SHUTDOWN_EVENT,
    };
    contract_console *event = arg;
    (void)TlsSetValue(console_own, event);
    (void)console_ctrl_routine((void *)(uintptr_t)codes[event->which]);
}

void contract_console_raise(contract_console *event, iocp_console_event_t which)
{
    event->which = which;
    event->answer = CONTRACT_CONSOLE_HANDLED;
    assert_true(test_thread_start(&event->thread, console__run, event));
}

contract_console_answer contract_console_end(contract_console *event)
{
    test_thread_join(&event->thread);
    return event->answer;
}

#else

#include "sim_console.h"

void contract_console_begin(void)
{
}

void contract_console_raise(contract_console *event, iocp_console_event_t which)
{
    event->simulated = sim_console_raise(which);
}

contract_console_answer contract_console_end(contract_console *event)
{
    static const contract_console_answer answers[] = {
        [SIM_CONSOLE_PASSED] = CONTRACT_CONSOLE_PASSED,
        [SIM_CONSOLE_HANDLED] = CONTRACT_CONSOLE_HANDLED,
        [SIM_CONSOLE_STAYS] = CONTRACT_CONSOLE_STAYS,
    };
    sim_console_answer answer = sim_console_look(event->simulated);
    assert_int_not_equal(answer, SIM_CONSOLE_NONE);
    sim_console_forget(event->simulated);
    event->simulated = NULL;
    return answers[answer];
}

#endif
