/* Functions that are looked up at run time: what a loop does where the system does not have them. */
#include "unit.h"

#include "backend.h"
#include "loop.h"
#include "win32/nt.h"
#include "win32/sys.h"

#include "win_faults.h"
#include "win_leaks.h"
#include "win_packets.h"

#include <string.h>

#define NT_S (1000 * IOC_NS_PER_MS)

static const char *const nt_names[] = {
    "NtQueryInformationFile",
    "NtCreateWaitCompletionPacket",
    "NtAssociateWaitCompletionPacket",
    "NtCancelWaitCompletionPacket",
};

static struct {
    ioc_sys sys;
    size_t handles_before;
    iocp_loop_t *loop;
    const char *missing;
} now;

static FARPROC WINAPI nt__find(HMODULE module, const char *name)
{
    bool is_missing = now.missing != NULL && strcmp(name, now.missing) == 0;
    return is_missing ? NULL : win_packets_table()->GetProcAddress(module, name);
}

static int nt__setup(void **state)
{
    (void)state;
    memset(&now, 0, sizeof now);
    win_faults_reset();
    win_packets_begin();
    now.handles_before = win_open_handles();
    now.sys = *win_packets_table();
    now.sys.GetProcAddress = nt__find;
    return 0;
}

static void nt__close(void)
{
    if (now.loop != NULL) {
        assert_int_equal(iocp_loop_destroy(now.loop, NT_S), IOCP_OK);
        now.loop = NULL;
    }
}

static int nt__teardown(void **state)
{
    (void)state;
    win_faults_stop();
    nt__close();
    assert_true(win_packets_end());
    assert_true(win_open_handles() <= now.handles_before); /* less if the pool's thread is gone */
    return 0;
}

static int nt__try_open(iocp_sleep_method_t method)
{
    ioc_win_options win_options = {.sys = &now.sys};
    iocp_loop_options_t options = {.size = sizeof options, .sleep_method = (uint32_t)method};
    return ioc_loop_create(&options, ioc_backend_default(), &win_options, &now.loop);
}

static iocp_sleep_method_t nt__sleep_method(void)
{
    iocp_stats_t stats = {.size = sizeof stats};
    assert_int_equal(iocp_loop_stats(now.loop, &stats), IOCP_OK);
    return (iocp_sleep_method_t)stats.sleep_method;
}

static iocp_action_t IOCP_CALL nt__keep(iocp_loop_t *loop, const iocp_result_t *result,
                                        void *userdata)
{
    (void)loop;
    *(iocp_result_t *)userdata = *result;
    return IOCP_DISARM;
}

/* ---- Looking up ---- */

static ULONG_PTR nt_found[IOC_COUNT_OF(nt_names)]; /* how often each was asked for */

static FARPROC WINAPI nt__number(HMODULE module, const char *name)
{
    assert_ptr_equal(module, GetModuleHandleW(L"ntdll.dll"));
    for (size_t i = 0; i < IOC_COUNT_OF(nt_names); i++) {
        if (strcmp(name, nt_names[i]) == 0) {
            nt_found[i]++;
            return (FARPROC)(i + 1);
        }
    }
    fail_msg("asked for %s", name);
    return NULL;
}

static void each_function_is_looked_up_by_its_own_name(void **state)
{
    (void)state;
    ioc_nt nt;
    now.sys.GetProcAddress = nt__number;
    ioc_nt_load(&nt, &now.sys);
    assert_int_equal((ULONG_PTR)nt.NtQueryInformationFile, 1);
    assert_int_equal((ULONG_PTR)nt.NtCreateWaitCompletionPacket, 2);
    assert_int_equal((ULONG_PTR)nt.NtAssociateWaitCompletionPacket, 3);
    assert_int_equal((ULONG_PTR)nt.NtCancelWaitCompletionPacket, 4);
    for (size_t i = 0; i < IOC_COUNT_OF(nt_names); i++) {
        assert_int_equal(nt_found[i], 1);
    }
    assert_true(ioc_nt_has_wait_packets(&nt));
}

static void without_ntdll_there_is_nothing(void **state)
{
    (void)state;
    static const ioc_nt nothing = {0};
    ioc_nt nt;
    memset(&nt, 0xFF, sizeof nt);
    win_faults_fail_next_of(WIN_GET_MODULE, 0);
    ioc_nt_load(&nt, &now.sys);
    assert_memory_equal(&nt, &nothing, sizeof nt);
    assert_false(ioc_nt_has_wait_packets(&nt));
    win_faults_fail_next_of(WIN_GET_MODULE, 0);
    assert_int_equal(nt__try_open(IOCP_SLEEP_AUTO), IOCP_OK);
    assert_int_equal(nt__sleep_method(), IOCP_SLEEP_APC);
}

/* ---- Doing without ---- */

static void nt__wait_for_an_event(void)
{
    iocp_result_t result = {.status = IOCP_EUNKNOWN};
    HANDLE event = CreateEventW(NULL, FALSE, FALSE, NULL);
    assert_int_equal(iocp_wait(now.loop, event, nt__keep, &result, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_submit(now.loop), IOCP_OK);
    assert_true(SetEvent(event));
    assert_int_equal(iocp_loop_run(now.loop, IOCP_RUN_ONCE), IOCP_OK);
    assert_int_equal(result.status, IOCP_OK);
    assert_int_equal(result.type, IOCP_TYPE_WAIT);
    assert_true(CloseHandle(event));
}

/* The pool's wait thread stays for some seconds after the last wait. */
static void CALLBACK nt__never(void *context, BOOLEAN is_timeout)
{
    (void)context;
    (void)is_timeout;
}

static void wait_packets_need_all_three_functions(void **state)
{
    (void)state;
    HANDLE event = CreateEventW(NULL, FALSE, FALSE, NULL);
    HANDLE wait;
    assert_true(RegisterWaitForSingleObject(&wait, event, nt__never, NULL, INFINITE,
                                            WT_EXECUTEONLYONCE | WT_EXECUTEINWAITTHREAD));
    now.handles_before = win_open_handles() - 1; /* without the event */
    for (size_t i = 1; i < IOC_COUNT_OF(nt_names); i++) {
        now.missing = nt_names[i];
        assert_int_equal(nt__try_open(IOCP_SLEEP_WAIT_PACKET), IOCP_ENOTSUP);
        assert_int_equal(nt__try_open(IOCP_SLEEP_AUTO), IOCP_OK);
        assert_int_equal(nt__sleep_method(), IOCP_SLEEP_APC);
        nt__wait_for_an_event();
        nt__close();
        assert_int_equal(win_faults_count_of(WIN_REGISTER_WAIT), i);
    }
    assert_int_equal(win_packets_count_of(WIN_PACKET_CREATE), 0);
    now.missing = NULL;
    assert_int_equal(nt__try_open(IOCP_SLEEP_AUTO), IOCP_OK);
    assert_int_equal(nt__sleep_method(), IOCP_SLEEP_WAIT_PACKET);
    nt__wait_for_an_event();
    assert_int_equal(win_packets_count_of(WIN_PACKET_CREATE), 1); /* no sleep until a time yet */
    assert_true(UnregisterWaitEx(wait, INVALID_HANDLE_VALUE));
    assert_true(CloseHandle(event));
}

#define NT_PIPE L"\\\\.\\pipe\\iocploop-test-nt"

static void a_pipe_is_adopted_without_asking_what_it_is(void **state)
{
    (void)state;
    iocp_result_t result = {.status = IOCP_EUNKNOWN};
    iocp_handle_t pipe;
    char data[8] = {0};
    DWORD written = 0;
    HANDLE server = CreateNamedPipeW(NT_PIPE, PIPE_ACCESS_INBOUND | FILE_FLAG_OVERLAPPED,
                                     PIPE_TYPE_BYTE, 1, 4096, 4096, 0, NULL);
    HANDLE client = CreateFileW(NT_PIPE, GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);
    assert_ptr_not_equal(server, INVALID_HANDLE_VALUE);
    assert_ptr_not_equal(client, INVALID_HANDLE_VALUE);
    now.missing = "NtQueryInformationFile";
    assert_int_equal(nt__try_open(IOCP_SLEEP_AUTO), IOCP_OK);
    assert_int_equal(iocp_handle_adopt(now.loop, server, &pipe), IOCP_OK);
    assert_true(WriteFile(client, "hello", 5, &written, NULL));
    assert_int_equal(iocp_read(now.loop, pipe, data, sizeof data, nt__keep, &result, NULL),
                     IOCP_OK);
    assert_int_equal(iocp_loop_run(now.loop, IOCP_RUN_ONCE), IOCP_OK);
    assert_int_equal(result.status, IOCP_OK);
    assert_int_equal(result.bytes, 5);
    assert_string_equal(data, "hello");
    assert_int_equal(iocp_close(now.loop, pipe, NULL, NULL, NULL), IOCP_OK);
    nt__close();
    assert_true(CloseHandle(client));
}

#define NT_TEST(function) cmocka_unit_test_setup_teardown(function, nt__setup, nt__teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        NT_TEST(each_function_is_looked_up_by_its_own_name),
        NT_TEST(without_ntdll_there_is_nothing),
        NT_TEST(wait_packets_need_all_three_functions),
        NT_TEST(a_pipe_is_adopted_without_asking_what_it_is),
    };
    win_catch_crashes();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
