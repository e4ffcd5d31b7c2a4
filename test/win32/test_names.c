/*
 * Look-ups against a double of the system's resolver, which answers when the test says so: what it is
 * asked, what becomes of its answers, and who waits for whom.
 */
#include "unit.h"

#include "iocploop.h"
#include "win32/sys.h"

#include "contract_object.h"
#include "win_faults.h"
#include "win_leaks.h"
#include "win_loop.h"

#include <string.h>
#include <wchar.h>

#define MS         UINT64_C(1000000)
#define FAKE_MOST  4
#define FAKE_UNITS 64

#define NAMES_PATIENCE 30000 /* times a millisecond */

typedef struct fake_request {
    OVERLAPPED *overlapped; /* NULL: it has been answered */
    ADDRINFOEXW **result;
} fake_request;

static struct {
    unit_memory memory;
    ioc_sys sys;
    iocp_loop_t *loop;
    size_t handles_before;
    /* The system. */
    fake_request requests[FAKE_MOST];
    int asked;
    int cancelled;
    int freed;
    int at_once;         /* what it answers within the call, WSA_IO_PENDING: nothing */
    bool ignores_cancel; /* as Wine's does */
    DWORD space;
    ADDRINFOEXW hints; /* of the last one, as what follows */
    wchar_t host[FAKE_UNITS];
    wchar_t service[FAKE_UNITS];
} now;

/* ---- The system ---- */

static SOCKADDR_IN fake_addresses[2];
static ADDRINFOEXW fake_list[2];

/* Two addresses, with port 9: the next question's has one of them, and another. */
static ADDRINFOEXW *fake__answer_of_two(int number)
{
    memset(fake_list, 0, sizeof fake_list);
    for (int i = 0; i < 2; i++) {
        fake_addresses[i] = (SOCKADDR_IN){.sin_family = AF_INET, .sin_port = htons(9)};
        fake_addresses[i].sin_addr.s_addr = htonl(0x0a000000u + (u_long)(number + i));
        fake_list[i].ai_family = AF_INET;
        fake_list[i].ai_addr = (struct sockaddr *)&fake_addresses[i];
        fake_list[i].ai_addrlen = sizeof fake_addresses[i];
    }
    fake_list[0].ai_next = (void *)&fake_list[1];
    return fake_list;
}

static void fake__note(wchar_t *to, const wchar_t *text)
{
    assert_true(text == NULL || wcslen(text) < FAKE_UNITS);
    wcscpy(to, text != NULL ? text : L"(none)");
}

static int WINAPI fake__look_up(const wchar_t *host, const wchar_t *service, DWORD space,
                                GUID *provider, const ADDRINFOEXW *hints, ADDRINFOEXW **result,
                                struct timeval *timeout, OVERLAPPED *overlapped,
                                LPLOOKUPSERVICE_COMPLETION_ROUTINE routine, HANDLE *handle)
{
    assert_true(provider == NULL && timeout == NULL && routine == NULL);
    assert_non_null(overlapped->hEvent);
    now.space = space;
    now.hints = *hints;
    fake__note(now.host, host);
    fake__note(now.service, service);
    if (now.at_once != WSA_IO_PENDING) {
        *result = now.at_once == 0 ? fake__answer_of_two(1) : NULL;
        return now.at_once;
    }
    assert_in_range(now.asked, 0, FAKE_MOST - 1);
    now.requests[now.asked] = (fake_request){.overlapped = overlapped, .result = result};
    overlapped->Internal = WSAEINPROGRESS;
    *handle = (HANDLE)(uintptr_t)++now.asked;
    return WSA_IO_PENDING;
}

/* The how many-th of those that were asked gets its answer. */
static void fake__answer(int number, int error)
{
    fake_request *request = &now.requests[number - 1];
    assert_non_null(request->overlapped);
    *request->result = error == 0 ? fake__answer_of_two(number) : NULL;
    request->overlapped->Internal = (ULONG_PTR)error;
    assert_true(SetEvent(request->overlapped->hEvent));
    request->overlapped = NULL;
}

static int WINAPI fake__get_answer(OVERLAPPED *overlapped)
{
    return (int)overlapped->Internal;
}

static int WINAPI fake__cancel(HANDLE *handle)
{
    now.cancelled++;
    if (now.ignores_cancel) {
        return WSA_INVALID_HANDLE;
    }
    fake__answer((int)(uintptr_t)*handle, WSA_E_CANCELLED);
    return 0;
}

static void WINAPI fake__free(ADDRINFOEXW *list)
{
    assert_ptr_equal(list, fake_list);
    now.freed++;
}

/* ---- One test ---- */

static int names__setup(void **state)
{
    (void)state;
    memset(&now, 0, sizeof now);
    win_faults_reset();
    unit_memory_init(&now.memory);
    now.at_once = WSA_IO_PENDING;
    now.sys = *win_faults_table();
    now.sys.GetAddrInfoExW = fake__look_up;
    now.sys.GetAddrInfoExOverlappedResult = fake__get_answer;
    now.sys.GetAddrInfoExCancel = fake__cancel;
    now.sys.FreeAddrInfoExW = fake__free;
    now.handles_before = win_open_handles();
    iocp_loop_options_t options = {.sleep_method = IOCP_SLEEP_PORT};
    assert_int_equal(win_loop_try_create(&now.sys, &now.memory, options, &now.loop), IOCP_OK);
    return 0;
}

static int names__teardown(void **state)
{
    (void)state;
    win_faults_stop();
    win_loop_destroy(&now.loop);
    win_loop_check_leaks(&now.memory, now.handles_before);
    return 0;
}

typedef struct names_record {
    int calls;
    int rearms;
    int status;
    uint32_t native_error;
    int count; /* of addresses */
    char last[IOCP_ADDRESS_TEXT_BYTES];
} names_record;

static iocp_action_t IOCP_CALL names__keep(iocp_loop_t *loop, const iocp_result_t *result,
                                           void *userdata)
{
    names_record *record = userdata;
    (void)loop;
    record->calls++;
    record->status = result->status;
    record->native_error = result->native_error;
    record->count = 0;
    for (const iocp_address_t *at = result->addresses; at != NULL; at = at->next) {
        record->count++;
        assert_int_equal(
            iocp_address_format(at->address, at->address_length, record->last, sizeof record->last),
            IOCP_OK);
    }
    return record->rearms-- > 0 ? IOCP_REARM : IOCP_DISARM;
}

static iocp_op_t names__resolve(const char *host, const char *service, names_record *record)
{
    iocp_op_t op = {0};
    assert_int_equal(iocp_resolve(now.loop, host, service, NULL, names__keep, record, &op),
                     IOCP_OK);
    assert_int_equal(iocp_loop_submit(now.loop), IOCP_OK);
    return op;
}

static void names__run(void)
{
    assert_int_equal(iocp_loop_run(now.loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
}

/* The loop runs until so many operations are left, with those that the program does not know of. */
static void names__settle(uint64_t operations)
{
    iocp_stats_t stats = {.size = sizeof stats};
    for (int i = 0; i < NAMES_PATIENCE; i++) {
        assert_int_equal(iocp_loop_run(now.loop, IOCP_RUN_NO_WAIT), IOCP_OK);
        assert_int_equal(iocp_loop_stats(now.loop, &stats), IOCP_OK);
        if (stats.operations <= operations) {
            break;
        }
        Sleep(1);
    }
    assert_int_equal(stats.operations, operations);
}

/* ---- What the system is asked ---- */

static void the_system_is_asked_in_its_own_words(void **state)
{
    static const struct {
        const char *host;
        const char *service;
        iocp_resolve_options_t options;
        const wchar_t *wide_host;
        const wchar_t *wide_service;
        ADDRINFOEXW hints;
    } table[] = {
        {"b\xc3\xbc"
         "cher.test",
         "80",
         {.size = 16},
         L"b\u00fccher.test",
         L"(none)",
         {.ai_socktype = SOCK_STREAM}},
        {"a.test",
         NULL,
         {.size = 16, .family = AF_INET6, .type = SOCK_DGRAM},
         L"a.test",
         L"(none)",
         {.ai_family = AF_INET6, .ai_socktype = SOCK_DGRAM}},
        {"a.test",
         "http",
         {.size = 16, .family = AF_INET},
         L"a.test",
         L"http",
         {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}},
        {"fe80::1%7",
         "http",
         {.size = 16},
         L"fe80::1%7",
         L"http",
         {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM}},
        {NULL,
         "http",
         {.size = 16, .flags = IOCP_RESOLVE_LISTEN},
         L"(none)",
         L"http",
         {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM}},
    };
    (void)state;
    now.at_once = 0;
    for (size_t i = 0; i < IOC_COUNT_OF(table); i++) {
        names_record record = {0};
        assert_int_equal(iocp_resolve(now.loop, table[i].host, table[i].service, &table[i].options,
                                      names__keep, &record, NULL),
                         IOCP_OK);
        names__run();
        assert_int_equal(record.calls, 1);
        assert_int_equal(now.space, NS_ALL);
        assert_true(wcscmp(now.host, table[i].wide_host) == 0);
        assert_true(wcscmp(now.service, table[i].wide_service) == 0);
        assert_memory_equal(&now.hints, &table[i].hints, sizeof now.hints);
    }
}

/* ---- Answers ---- */

static void an_answer_that_comes_later_is_told(void **state)
{
    static const char *const last[] = {"10.0.0.2:9", "10.0.0.3:9"}; /* the port of the service */
    names_record record = {.rearms = 1};
    (void)state;
    (void)names__resolve("a.test", "http", &record);
    for (int run = 1; run <= 2; run++) {
        assert_int_equal(iocp_loop_run(now.loop, IOCP_RUN_NO_WAIT), IOCP_OK);
        assert_int_equal(record.calls, run - 1);
        fake__answer(run, 0);
        assert_int_equal(iocp_loop_run(now.loop, IOCP_RUN_ONCE), IOCP_OK);
        assert_int_equal(record.calls, run);
        assert_int_equal(record.status, IOCP_OK);
        assert_int_equal(record.count, 2);
        assert_string_equal(record.last, last[run - 1]);
        assert_int_equal(now.freed, run);
    }
    assert_int_equal(now.cancelled, 0);
}

static void an_answer_within_the_call_is_told(void **state)
{
    names_record record = {0};
    (void)state;
    now.at_once = 0;
    (void)names__resolve("a.test", "7", &record);
    names__run();
    assert_int_equal(record.status, IOCP_OK);
    assert_int_equal(record.count, 2);
    assert_string_equal(record.last, "10.0.0.2:7"); /* a number is ours */
    assert_int_equal(now.freed, 1);
    now.at_once = WSAHOST_NOT_FOUND;
    (void)names__resolve("a.test", "7", &record);
    names__run();
    assert_int_equal(record.calls, 2);
    assert_int_equal(record.status, IOCP_ENONAME);
    assert_int_equal(record.native_error, WSAHOST_NOT_FOUND);
    assert_int_equal(now.freed, 1);
}

static void what_the_system_finds_wrong_has_a_code(void **state)
{
    static const struct {
        int error;
        int status;
    } table[] = {
        {WSAHOST_NOT_FOUND, IOCP_ENONAME},
        {WSATYPE_NOT_FOUND, IOCP_ENONAME},
        {WSANO_DATA, IOCP_ENOADDRESS},
        {WSATRY_AGAIN, IOCP_EAGAIN},
        {WSAEINVAL, IOCP_EINVAL},
        {WSA_NOT_ENOUGH_MEMORY, IOCP_ENOMEM},
        {WSAENETDOWN, IOCP_ENETDOWN},
        {WSANO_RECOVERY, IOCP_EUNKNOWN},
        {12345, IOCP_EUNKNOWN},
    };
    (void)state;
    for (size_t i = 0; i < IOC_COUNT_OF(table); i++) {
        names_record record = {0};
        now.asked = 0;
        (void)names__resolve("a.test", NULL, &record);
        fake__answer(1, table[i].error);
        names__run();
        assert_int_equal(record.calls, 1);
        assert_int_equal(record.status, table[i].status);
        assert_int_equal(record.native_error, table[i].error);
        assert_int_equal(record.count, 0);
    }
    assert_int_equal(now.freed, 0);
}

/* The system's own, as if somebody else had: it is not this program that has cancelled it. */
static void an_answer_that_it_was_cancelled_is_not_ours(void **state)
{
    names_record record = {0};
    (void)state;
    (void)names__resolve("a.test", NULL, &record);
    fake__answer(1, WSA_E_CANCELLED);
    names__run();
    assert_int_equal(record.status, IOCP_ECONNABORTED);
}

/* ---- Late answers ---- */

static void an_answer_after_the_cancel_is_dropped(void **state)
{
    names_record record = {0};
    (void)state;
    iocp_op_t op = names__resolve("a.test", NULL, &record);
    assert_int_equal(iocp_cancel(now.loop, op, NULL, NULL, NULL), IOCP_OK);
    names__run();
    assert_int_equal(record.calls, 1);
    assert_int_equal(record.status, IOCP_ECANCELED);
    assert_int_equal(now.cancelled, 0); /* the system may find it, for the next one */
    fake__answer(1, 0);
    names__settle(0);
    assert_int_equal(record.calls, 1);
    assert_int_equal(now.freed, 1);
}

static void an_answer_after_the_deadline_is_dropped(void **state)
{
    names_record record = {0};
    (void)state;
    iocp_op_t op = names__resolve("a.test", NULL, &record);
    assert_int_equal(iocp_op_deadline(now.loop, op, MS), IOCP_OK);
    names__run();
    assert_int_equal(record.calls, 1);
    assert_int_equal(record.status, IOCP_ETIMEDOUT);
    fake__answer(1, WSATRY_AGAIN);
    names__settle(0);
    assert_int_equal(record.calls, 1);
}

static void a_late_answer_is_not_that_of_the_next_run(void **state)
{
    names_record record = {.rearms = 1};
    (void)state;
    iocp_op_t op = names__resolve("a.test", NULL, &record);
    assert_int_equal(iocp_cancel(now.loop, op, NULL, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(now.loop, IOCP_RUN_ONCE), IOCP_OK);
    assert_int_equal(iocp_loop_submit(now.loop), IOCP_OK);
    assert_int_equal(now.asked, 2);
    fake__answer(1, WSAHOST_NOT_FOUND);
    names__settle(2);
    assert_int_equal(record.calls, 1);
    fake__answer(2, 0);
    names__run();
    assert_int_equal(record.calls, 2);
    assert_int_equal(record.status, IOCP_OK);
    assert_int_equal(record.count, 2);
}

/* ---- The loop's end ---- */

/* What was left started is given back, so that the tests see what else is. */
static void names__stop_winsock(void)
{
    assert_int_equal(win_faults_held(), 1);
    assert_int_equal(now.sys.WSACleanup(), 0);
}

static void destroy_asks_the_system_to_end_and_leaves_winsock_started(void **state)
{
    names_record record = {0};
    (void)state;
    (void)names__resolve("a.test", NULL, &record);
    win_loop_destroy(&now.loop);
    assert_int_equal(record.calls, 1);
    assert_int_equal(record.status, IOCP_ECANCELED);
    assert_int_equal(now.cancelled, 1);
    names__stop_winsock();
}

static void destroy_waits_for_an_answer_that_cannot_be_cancelled(void **state)
{
    names_record record = {0};
    (void)state;
    now.ignores_cancel = true;
    iocp_op_t op = names__resolve("a.test", NULL, &record);
    assert_int_equal(iocp_cancel(now.loop, op, NULL, NULL, NULL), IOCP_OK);
    names__run();
    assert_int_equal(iocp_loop_destroy(now.loop, 10 * MS), IOCP_ETIMEDOUT);
    assert_int_equal(iocp_loop_destroy(now.loop, 0), IOCP_ETIMEDOUT);
    assert_int_equal(now.cancelled, 1);
    fake__answer(1, 0);
    win_loop_destroy(&now.loop);
    assert_int_equal(now.freed, 1);
    assert_int_equal(record.calls, 1);
}

/* Its number may be another's: it is left alone. */
static void one_that_has_its_answer_is_not_cancelled(void **state)
{
    names_record record = {0};
    (void)state;
    (void)names__resolve("a.test", NULL, &record);
    fake__answer(1, 0);
    win_loop_destroy(&now.loop);
    assert_int_equal(now.cancelled, 0);
    assert_int_equal(now.freed, 1);
    assert_int_equal(record.calls, 1);
    assert_int_equal(record.status, IOCP_ECANCELED);
}

/* ---- What fails ---- */

static void one_that_cannot_be_asked_leaves_nothing(void **state)
{
    static const struct {
        win_call call;
        uint32_t error;
        int status;
    } table[] = {
        {WIN_CREATE_EVENT, ERROR_TOO_MANY_OPEN_FILES, IOCP_EMFILE},
        {WIN_TRY_WAIT, ERROR_ACCESS_DENIED, IOCP_EACCES},
        {WIN_REGISTER_WAIT, ERROR_NOT_ENOUGH_MEMORY, IOCP_ENOMEM},
    };
    (void)state;
    for (size_t i = 0; i < IOC_COUNT_OF(table); i++) {
        names_record record = {0};
        size_t handles = win_open_handles();
        win_faults_fail_next_of(table[i].call, table[i].error);
        (void)names__resolve("a.test", NULL, &record);
        names__run();
        assert_int_equal(record.calls, 1);
        assert_int_equal(record.status, table[i].status);
        assert_int_equal(record.native_error, table[i].error);
        assert_int_equal(win_open_handles(), handles);
    }
    assert_int_equal(now.asked, 0); /* the system knows of none */
}

#define NAMES_TEST(function) \
    cmocka_unit_test_setup_teardown(function, names__setup, names__teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMES_TEST(the_system_is_asked_in_its_own_words),
        NAMES_TEST(an_answer_that_comes_later_is_told),
        NAMES_TEST(an_answer_within_the_call_is_told),
        NAMES_TEST(what_the_system_finds_wrong_has_a_code),
        NAMES_TEST(an_answer_that_it_was_cancelled_is_not_ours),
        NAMES_TEST(an_answer_after_the_cancel_is_dropped),
        NAMES_TEST(an_answer_after_the_deadline_is_dropped),
        NAMES_TEST(a_late_answer_is_not_that_of_the_next_run),
        NAMES_TEST(destroy_asks_the_system_to_end_and_leaves_winsock_started),
        NAMES_TEST(destroy_waits_for_an_answer_that_cannot_be_cancelled),
        NAMES_TEST(one_that_has_its_answer_is_not_cancelled),
        NAMES_TEST(one_that_cannot_be_asked_leaves_nothing),
    };
    contract_object_begin();
    win_catch_crashes();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
