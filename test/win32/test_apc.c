/* What the APCs of a wake and of a timer run. */
#include "unit.h"

#include "win32/apc.h"

#include "win_leaks.h"

#include <stdint.h>

static HMODULE apc__module_of(uintptr_t address)
{
    HMODULE module = NULL;
    DWORD flags =
        GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
    assert_true(GetModuleHandleExW(flags, (const wchar_t *)address, &module));
    return module;
}

static bool apc__is_of_the_system(uintptr_t address)
{
    HMODULE module = apc__module_of(address);
    return module == GetModuleHandleW(L"kernel32.dll") ||
           module == GetModuleHandleW(L"kernelbase.dll") ||
           module == GetModuleHandleW(L"ntdll.dll");
}

/* Also not through a jump of ours, which is what a static initializer gets. */
static void what_an_apc_runs_is_no_code_of_ours(void **state)
{
    (void)state;
    assert_false(apc__is_of_the_system((uintptr_t)apc__is_of_the_system));
    assert_true(apc__is_of_the_system((uintptr_t)ioc_apc_of_wake()));
    assert_true(apc__is_of_the_system((uintptr_t)ioc_apc_of_timer()));
}

static void the_apcs_of_many_wakes_end_one_wait(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        assert_true(QueueUserAPC(ioc_apc_of_wake(), GetCurrentThread(), 0) != 0);
    }
    assert_int_equal(SleepEx(INFINITE, TRUE), WAIT_IO_COMPLETION);
    assert_int_equal(SleepEx(0, TRUE), 0);
}

static void the_apc_of_a_timer_ends_a_wait(void **state)
{
    (void)state;
    LARGE_INTEGER due = {.QuadPart = -1};
    HANDLE timer = CreateWaitableTimerExW(NULL, NULL, 0, SYNCHRONIZE | TIMER_MODIFY_STATE);
    assert_non_null(timer);
    for (int i = 0; i < 100; i++) {
        assert_true(SetWaitableTimer(timer, &due, 0, ioc_apc_of_timer(), NULL, FALSE));
        assert_int_equal(SleepEx(INFINITE, TRUE), WAIT_IO_COMPLETION);
        assert_int_equal(SleepEx(0, TRUE), 0);
    }
    assert_true(CloseHandle(timer));
}

/* A time of all ones, and any dividend and divisor of 0 or -1. */
static void no_time_that_a_timer_tells_does_harm(void **state)
{
    (void)state;
    static const DWORD words[] = {0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        for (size_t k = 0; k < sizeof words / sizeof *words; k++) {
            ioc_apc_of_timer()(NULL, words[i], words[k]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_an_apc_runs_is_no_code_of_ours),
        cmocka_unit_test(the_apcs_of_many_wakes_end_one_wait),
        cmocka_unit_test(the_apc_of_a_timer_ends_a_wait),
        cmocka_unit_test(no_time_that_a_timer_tells_does_harm),
    };
    win_catch_crashes();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
