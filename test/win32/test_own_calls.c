/*
 * iocp_overlapped on Windows: what the program's function is given, requests of the file system and of
 * pipes that are really made, and a device that takes its time, by a double: a serial line, a lock that
 * conflicts (which in Wine never ends), a driver that heeds no cancel.
 */
#include "unit.h"

#include "loop.h"
#include "win32/port.h"

#include "contract_call.h"
#include "win_faults.h"
#include "win_files.h"
#include "win_leaks.h"
#include "win_loop.h"

#include <winioctl.h>

#include <stdio.h>
#include <string.h>

#define FSCTL_PIPE_LISTEN_ CTL_CODE(FILE_DEVICE_NAMED_PIPE, 2, METHOD_BUFFERED, FILE_ANY_ACCESS)
#define FSCTL_PIPE_PEEK_   CTL_CODE(FILE_DEVICE_NAMED_PIPE, 3, METHOD_BUFFERED, FILE_READ_DATA)

#define STATUS_CANCELLED_    0xC0000120u
#define STATUS_NOT_GRANTED_  0xC0000055u
#define STATUS_TOO_LONG_     0xC0000206u
#define OWN_DEADLINE_NS      UINT64_C(1000000)
#define OWN_LONG_DEADLINE_NS UINT64_C(1000000000000)

static const iocp_completion_mode_t own_modes[] = {IOCP_COMPLETION_PACKET, IOCP_COMPLETION_SKIP};

/* What the program's function has seen, and the memory that it gives to the system. */
static struct {
    int starts;
    HANDLE native;
    OVERLAPPED seen; /* as it was given */
    char data[64];
    uint32_t answer; /* of a function that starts nothing */

    OVERLAPPED *pending; /* at the device */
    int cancels;
    bool is_stubborn; /* it heeds no cancel */
} now;

static void own__note(void *native, const void *overlapped)
{
    now.starts++;
    now.native = native;
    now.seen = *(const OVERLAPPED *)overlapped;
}

/* ---- The device ---- */

static void device__end(uint32_t status, ULONG_PTR bytes)
{
    ioc_win_port *port = ioc_win_port_of(win.loop->loop_only.ops.port);
    OVERLAPPED *overlapped = now.pending;
    assert_non_null(overlapped);
    now.pending = NULL;
    overlapped->Internal = status;
    overlapped->InternalHigh = bytes;
    assert_true(
        PostQueuedCompletionStatus(port->port, (DWORD)bytes, (ULONG_PTR)&port->tokens, overlapped));
}

static uint32_t IOCP_CALL device__start(void *native, void *overlapped, void *arg)
{
    (void)arg;
    own__note(native, overlapped);
    now.pending = overlapped;
    now.pending->Internal = (ULONG_PTR)IOC_NT_PENDING;
    return ERROR_IO_PENDING;
}

static BOOL WINAPI spy__cancel(HANDLE file, OVERLAPPED *overlapped)
{
    if (now.pending == NULL || (overlapped != NULL && overlapped != now.pending)) {
        return win_faults_table()->CancelIoEx(file, overlapped);
    }
    now.cancels++;
    if (!now.is_stubborn) {
        device__end(STATUS_CANCELLED_, 0);
    }
    return TRUE;
}

/* ---- The environment ---- */

static int own__setup(void **state)
{
    (void)state;
    memset(&now, 0, sizeof now);
    win_begin();
    win.sys.CancelIoEx = spy__cancel;
    win_open(IOCP_COMPLETION_AUTO);
    return 0;
}

static void own__open(iocp_completion_mode_t mode)
{
    win_open(mode);
    memset(&now, 0, sizeof now);
}

static iocp_handle_t own__adopt(HANDLE native)
{
    iocp_handle_t handle = {0};
    assert_int_equal(iocp_handle_adopt(win.loop, native, &handle), IOCP_OK);
    return handle;
}

static iocp_handle_t own__device(void)
{
    HANDLE device = CreateFileW(L"NUL", GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
                                FILE_FLAG_OVERLAPPED, NULL);
    assert_true(device != INVALID_HANDLE_VALUE);
    return own__adopt(device);
}

static iocp_op_t own__add(iocp_handle_t handle, iocp_start_fn start, contract_record *record)
{
    iocp_op_t op = {0};
    assert_int_equal(iocp_overlapped(win.loop, handle, start, NULL, contract_keep, record, &op),
                     IOCP_OK);
    return op;
}

/* At the device; what was adopted is known by then. */
static iocp_op_t own__add_pending(iocp_handle_t handle, contract_record *record)
{
    iocp_op_t op = own__add(handle, device__start, record);
    while (now.pending == NULL) {
        assert_int_equal(iocp_loop_tick(win.loop, 0), IOCP_OK);
        assert_int_equal(record->calls, 0);
        Sleep(1);
    }
    return op;
}

/* ---- What the function is given ---- */

static uint32_t IOCP_CALL start__nothing(void *native, void *overlapped, void *arg)
{
    (void)arg;
    own__note(native, overlapped);
    return now.answer;
}

static void its_overlapped_is_all_zero_each_time(void **state)
{
    (void)state;
    static const OVERLAPPED zero;
    contract_record record = {.rearms = 1};
    iocp_handle_t device = own__device();
    (void)own__add_pending(device, &record);
    for (int i = 1; i <= 2; i++) {
        assert_int_equal(now.starts, i);
        assert_memory_equal(&now.seen, &zero, sizeof zero);
        device__end(0, 3);
        win_wait(&record, i);
        win_expect(&record, i, IOCP_OK, 0);
        assert_int_equal(record.result.bytes, 3);
        while (i == 1 && now.pending == NULL) {
            assert_int_equal(iocp_loop_tick(win.loop, 0), IOCP_OK);
        }
    }
}

/* ---- A device that takes its time ---- */

/* By codes that Win32 and the library have for it. */
static void what_a_device_says_is_told(void **state)
{
    static const struct {
        uint32_t nt_status;
        int status;
        uint32_t native_error;
    } rows[] = {
        {0, IOCP_OK, 0},
        {STATUS_NOT_GRANTED_, IOCP_EBUSY, ERROR_LOCK_VIOLATION},
        {0xC0000010u /* INVALID_DEVICE_REQUEST */, IOCP_ENOTSUP, ERROR_INVALID_FUNCTION},
        {0xE1234567u, IOCP_EUNKNOWN, 0xE1234567u},
    };
    (void)state;
    for (size_t m = 0; m < IOC_COUNT_OF(own_modes); m++) {
        own__open(own_modes[m]);
        iocp_handle_t device = own__device();
        for (size_t i = 0; i < IOC_COUNT_OF(rows); i++) {
            contract_record record = {0};
            (void)own__add_pending(device, &record);
            device__end(rows[i].nt_status, 0);
            win_wait(&record, 1);
            win_expect(&record, 1, rows[i].status, rows[i].native_error);
        }
    }
}

/* The same code, but nothing has been transferred. */
static void a_message_that_is_too_long_to_be_sent_is_no_success(void **state)
{
    (void)state;
    contract_record record = {0};
    iocp_handle_t handle = {0};
    assert_int_equal(iocp_socket_open(win.loop, AF_INET, SOCK_DGRAM, 0, &handle), IOCP_OK);
    (void)own__add_pending(handle, &record);
    device__end(STATUS_TOO_LONG_, 0);
    win_wait(&record, 1);
    win_expect(&record, 1, IOCP_EMSGSIZE, WSAEMSGSIZE);
}

static void a_cancel_is_passed_on_to_the_device(void **state)
{
    (void)state;
    contract_record record = {0};
    iocp_op_t op = own__add_pending(own__device(), &record);
    assert_int_equal(iocp_cancel(win.loop, op, NULL, NULL, NULL), IOCP_OK);
    win_wait(&record, 1);
    win_expect(&record, 1, IOCP_ECANCELED, ERROR_OPERATION_ABORTED);
    assert_int_equal(now.cancels, 1);
}

static void a_deadline_is_passed_on_to_the_device(void **state)
{
    (void)state;
    contract_record record = {0};
    iocp_op_t op = own__add_pending(own__device(), &record);
    assert_int_equal(iocp_op_deadline(win.loop, op, OWN_DEADLINE_NS), IOCP_OK);
    win_wait(&record, 1);
    win_expect(&record, 1, IOCP_ETIMEDOUT, ERROR_OPERATION_ABORTED);
    assert_int_equal(now.cancels, 1);
}

static void a_close_is_passed_on_to_the_device(void **state)
{
    (void)state;
    contract_record record = {0};
    contract_record closed = {0};
    iocp_handle_t device = own__device();
    (void)own__add_pending(device, &record);
    assert_int_equal(iocp_close(win.loop, device, contract_keep, &closed, NULL), IOCP_OK);
    win_wait(&closed, 1);
    win_expect(&record, 1, IOCP_ECANCELED, ERROR_OPERATION_ABORTED);
    assert_true(record.order < closed.order);
}

/* What it has still to write to stays, and the loop says so. */
static void a_device_that_heeds_no_cancel_is_waited_for(void **state)
{
    (void)state;
    contract_record record = {0};
    (void)own__add_pending(own__device(), &record);
    now.is_stubborn = true;
    assert_int_equal(iocp_loop_destroy(win.loop, OWN_DEADLINE_NS), IOCP_ETIMEDOUT);
    assert_int_equal(record.calls, 0);
    assert_int_equal(now.cancels, 1);
    device__end(0, 1);
    win_loop_destroy(&win.loop);
    win_expect(&record, 1, IOCP_OK, 0); /* as it has become */
}

/* ---- Functions that do not say how it is ---- */

/* Nothing waits for a packet, and nothing is written later. */
static void a_function_that_starts_nothing_and_says_success_has_none_of_it(void **state)
{
    (void)state;
    contract_record record = {.rearms = 1};
    own__open(IOCP_COMPLETION_SKIP);
    (void)own__add(own__device(), start__nothing, &record);
    win_wait(&record, 2);
    win_expect(&record, 2, IOCP_OK, 0);
    assert_int_equal(record.result.bytes, 0);
    assert_int_equal(record.result.flags, IOCP_RESULT_INLINE);
    assert_int_equal(now.starts, 2);
}

static HANDLE own__folder(char path[1024])
{
    wchar_t native[WIN_PATH_CHARACTERS];
    assert_true(win_folder_create_fresh(path, 1024));
    win_path(native, path);
    HANDLE folder =
        CreateFileW(native, FILE_LIST_DIRECTORY, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                    OPEN_EXISTING, FILE_FLAG_OVERLAPPED | FILE_FLAG_BACKUP_SEMANTICS, NULL);
    assert_true(folder != INVALID_HANDLE_VALUE);
    return folder;
}

/* It says TRUE for having begun. */
static uint32_t IOCP_CALL start__watch(void *native, void *overlapped, void *arg)
{
    (void)arg;
    own__note(native, overlapped);
    return ReadDirectoryChangesW(native, now.data, sizeof now.data, FALSE,
                                 FILE_NOTIFY_CHANGE_FILE_NAME, NULL, overlapped, NULL)
               ? 0
               : GetLastError();
}

static void a_function_that_says_success_for_having_begun_is_waited_for(void **state)
{
    (void)state;
    for (size_t m = 0; m < IOC_COUNT_OF(own_modes); m++) {
        char path[1024];
        char file[1040];
        contract_record record = {0};
        own__open(own_modes[m]);
        iocp_handle_t folder = own__adopt(own__folder(path));
        (void)own__add(folder, start__watch, &record);
        while (now.starts == 0) {
            assert_int_equal(iocp_loop_tick(win.loop, 0), IOCP_OK);
            Sleep(1);
        }
        assert_int_equal(iocp_loop_tick(win.loop, 0), IOCP_OK);
        assert_int_equal(record.calls, 0);
        (void)snprintf(file, sizeof file, "%s/file", path);
        HANDLE made = win_file_create(file, IOCP_FILE_WRITE | IOCP_FILE_CREATE, false, false);
        assert_non_null(made);
        win_wait(&record, 1);
        win_expect(&record, 1, IOCP_OK, 0);
        assert_true(record.result.bytes > 0);
        const FILE_NOTIFY_INFORMATION *change = (const void *)now.data;
        assert_int_equal(change->FileNameLength, 4 * sizeof(wchar_t));
        assert_memory_equal(change->FileName, L"file", change->FileNameLength);
        assert_true(CloseHandle(made));
        win_loop_destroy(&win.loop);
        assert_true(win_folder_remove(path));
    }
}

/* ---- Requests of the file system ---- */

static uint32_t own__control(void *native, void *overlapped, DWORD code, void *out, DWORD bytes)
{
    own__note(native, overlapped);
    return win_faults_table()->DeviceIoControl(native, code, NULL, 0, out, bytes, NULL, overlapped)
               ? 0
               : GetLastError();
}

static uint32_t IOCP_CALL start__listen(void *native, void *overlapped, void *arg)
{
    (void)arg;
    return own__control(native, overlapped, FSCTL_PIPE_LISTEN_, NULL, 0);
}

static HANDLE own__instance(wchar_t name[64])
{
    static unsigned number;
    (void)swprintf(name, 64, L"\\\\.\\pipe\\iocploop-own-%lu-%u",
                   (unsigned long)GetCurrentProcessId(), ++number);
    HANDLE server = CreateNamedPipeW(name, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED,
                                     PIPE_TYPE_BYTE, 1, 64, 64, 0, NULL);
    assert_true(server != INVALID_HANDLE_VALUE);
    return server;
}

/* As ConnectNamedPipe does by this request: it waits for a client. */
static void a_request_that_waits_ends_when_it_is_served(void **state)
{
    (void)state;
    for (size_t m = 0; m < IOC_COUNT_OF(own_modes); m++) {
        wchar_t name[64];
        contract_record cancelled = {0};
        contract_record record = {0};
        own__open(own_modes[m]);
        iocp_handle_t server = own__adopt(own__instance(name));
        iocp_op_t op = own__add(server, start__listen, &cancelled);
        assert_int_equal(iocp_op_deadline(win.loop, op, OWN_LONG_DEADLINE_NS), IOCP_OK);
        while (now.starts == 0) {
            assert_int_equal(iocp_loop_tick(win.loop, 0), IOCP_OK);
            Sleep(1);
        }
        assert_int_equal(iocp_cancel(win.loop, op, NULL, NULL, NULL), IOCP_OK);
        win_wait(&cancelled, 1);
        win_expect(&cancelled, 1, IOCP_ECANCELED, ERROR_OPERATION_ABORTED);
        (void)own__add(server, start__listen, &record);
        assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
        assert_int_equal(now.starts, 2);
        HANDLE client = CreateFileW(name, GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL);
        assert_true(client != INVALID_HANDLE_VALUE);
        win_wait(&record, 1);
        win_expect(&record, 1, IOCP_OK, 0);
        assert_true(CloseHandle(client));
    }
}

static uint32_t IOCP_CALL start__peek(void *native, void *overlapped, void *arg)
{
    return own__control(native, overlapped, FSCTL_PIPE_PEEK_, now.data, *(DWORD *)arg);
}

/* It never waits: in the one regime there is no packet, in the other there is. */
static void a_request_that_is_done_at_once_needs_no_packet_where_they_are_skipped(void **state)
{
    (void)state;
    for (size_t m = 0; m < IOC_COUNT_OF(own_modes); m++) {
        HANDLE ends[2];
        static DWORD bytes = sizeof now.data;
        contract_record record = {0};
        own__open(own_modes[m]);
        assert_true(win_pipe_create(ends, true, false, 4096));
        iocp_handle_t pipe = own__adopt(ends[0]);
        assert_int_equal(
            iocp_overlapped(win.loop, pipe, start__peek, &bytes, contract_keep, &record, NULL),
            IOCP_OK);
        win_wait(&record, 1);
        win_expect(&record, 1, IOCP_OK, 0);
        assert_true(record.result.bytes >= 16); /* FILE_PIPE_PEEK_BUFFER, without data */
        bool is_inline = (record.result.flags & IOCP_RESULT_INLINE) != 0;
        assert_int_equal(is_inline, own_modes[m] == IOCP_COMPLETION_SKIP);
        assert_true(CloseHandle(ends[1]));
    }
}

static uint32_t IOCP_CALL start__read(void *native, void *overlapped, void *arg)
{
    own__note(native, overlapped);
    return ReadFile(native, now.data, *(DWORD *)arg, NULL, overlapped) ? 0 : GetLastError();
}

/* At once, or later; a message in two pieces. */
static void what_a_message_has_more_is_said_and_comes_next(void **state)
{
    (void)state;
    static DWORD bytes = 5;
    for (int later = 0; later <= 1; later++) {
        for (size_t m = 0; m < IOC_COUNT_OF(own_modes); m++) {
            HANDLE ends[2];
            DWORD written = 0;
            contract_record record = {.rearms = 1};
            own__open(own_modes[m]);
            assert_true(win_pipe_create(ends, true, true, 4096));
            iocp_handle_t pipe = own__adopt(ends[0]);
            contract_learn(win.loop, pipe);
            OVERLAPPED write = {0};
            if (!later) {
                assert_true(WriteFile(ends[1], "a message", 9, &written, &write));
            }
            assert_int_equal(
                iocp_overlapped(win.loop, pipe, start__read, &bytes, contract_keep, &record, NULL),
                IOCP_OK);
            if (later) {
                assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
                (void)WriteFile(ends[1], "a message", 9, &written, &write);
            }
            contract_wait(win.loop, &record, 1);
            assert_int_equal(record.status, IOCP_OK);
            assert_int_equal(record.result.native_error, 0);
            assert_int_equal(record.result.bytes, 5);
            assert_int_equal(record.result.flags & IOCP_RESULT_MORE, IOCP_RESULT_MORE);
            win_wait(&record, 2);
            win_expect(&record, 2, IOCP_OK, 0);
            assert_int_equal(record.result.bytes, 4);
            assert_int_equal(record.result.flags & IOCP_RESULT_MORE, 0);
            assert_memory_equal(now.data, "sage", 4);
            assert_true(CloseHandle(ends[1]));
        }
    }
}

/* ---- Locks ---- */

static HANDLE own__file(const char *folder)
{
    char path[1040];
    (void)snprintf(path, sizeof path, "%s/file", folder);
    HANDLE file =
        win_file_create(path, IOCP_FILE_READ | IOCP_FILE_WRITE | IOCP_FILE_CREATE, true, false);
    assert_non_null(file);
    return file;
}

static uint32_t IOCP_CALL start__lock(void *native, void *overlapped, void *arg)
{
    OVERLAPPED *at = overlapped;
    own__note(native, overlapped);
    at->Offset = 2;
    return LockFileEx(native, *(DWORD *)arg, 0, 4, 0, at) ? 0 : GetLastError();
}

/* Who does not want to wait is told so; the range is that of the OVERLAPPED. */
static void a_lock_that_conflicts_is_refused_to_who_does_not_wait(void **state)
{
    static DWORD flags = LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY;
    char folder[1024];
    (void)state;
    assert_true(win_folder_create_fresh(folder, sizeof folder));
    for (size_t m = 0; m < IOC_COUNT_OF(own_modes); m++) {
        contract_record refused = {0};
        contract_record locked = {0};
        own__open(own_modes[m]);
        HANDLE other = own__file(folder);
        iocp_handle_t file = own__adopt(own__file(folder));
        assert_true(contract_lock(other, 5, 1));
        assert_int_equal(
            iocp_overlapped(win.loop, file, start__lock, &flags, contract_keep, &refused, NULL),
            IOCP_OK);
        win_wait(&refused, 1);
        win_expect(&refused, 1, IOCP_EBUSY, ERROR_LOCK_VIOLATION);
        contract_unlock(other, 5, 1);
        if (own_modes[m] == IOCP_COMPLETION_PACKET && !contract_locks_bring_packets()) {
            win_loop_destroy(&win.loop);
            assert_true(CloseHandle(other));
            continue;
        }
        assert_int_equal(
            iocp_overlapped(win.loop, file, start__lock, &flags, contract_keep, &locked, NULL),
            IOCP_OK);
        win_wait(&locked, 1);
        win_expect(&locked, 1, IOCP_OK, 0);
        assert_false(contract_lock(other, 5, 1));
        assert_true(contract_lock(other, 6, 1));
        contract_unlock(other, 6, 1);
        win_loop_destroy(&win.loop);
        assert_true(contract_lock(other, 5, 1));
        contract_unlock(other, 5, 1);
        assert_true(CloseHandle(other));
    }
    assert_true(win_folder_remove(folder));
}

/* ---- Faults ---- */

static void live(iocp_loop_t *loop, win_life *life)
{
    static DWORD bytes = 1;
    HANDLE ends[2];
    DWORD written = 0;
    iocp_handle_t pipe = {0};
    assert_true(win_pipe_create(ends, true, false, 64));
    if (iocp_handle_adopt(loop, ends[0], &pipe) != IOCP_OK) {
        assert_true(CloseHandle(ends[0]));
        assert_true(CloseHandle(ends[1]));
        return;
    }
    iocp_op_t op = {0};
    OVERLAPPED write = {0};
    (void)WriteFile(ends[1], "xy", 2, &written, &write);
    win_life_count(life, iocp_overlapped(loop, pipe, start__read, &bytes, contract_keep,
                                         &life->records[0], NULL));
    win_life_count(life, iocp_overlapped(loop, pipe, start__listen, NULL, contract_keep,
                                         &life->records[1], NULL));
    win_life_count(life, iocp_overlapped(loop, pipe, start__read, &bytes, contract_keep,
                                         &life->records[2], NULL));
    win_life_count(life, iocp_overlapped(loop, pipe, start__read, &bytes, contract_keep,
                                         &life->records[3], &op));
    for (int i = 0; i < 200 && life->records[2].calls == 0; i++) {
        (void)iocp_loop_tick(loop, 0);
        Sleep(1);
    }
    win_life_count(life, iocp_cancel(loop, op, contract_keep, &life->records[4], NULL));
    (void)iocp_loop_tick(loop, 0);
    assert_true(CloseHandle(ends[1]));
}

static void any_system_call_may_fail(void **state)
{
    (void)state;
    win_loop_destroy(&win.loop);
    win_live_with_faults(live);
}

#define OWN_TEST(function) cmocka_unit_test_setup_teardown(function, own__setup, win_end)

/* What the system opens once and keeps is open before the first test counts. */
static int own__warm_up(void **state)
{
    iocp_handle_t handle = {0};
    (void)state;
    win_use_winsock();
    win_begin();
    win_open(IOCP_COMPLETION_AUTO);
    assert_int_equal(iocp_socket_open(win.loop, AF_INET, SOCK_DGRAM, 0, &handle), IOCP_OK);
    win_close();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OWN_TEST(its_overlapped_is_all_zero_each_time),
        OWN_TEST(what_a_device_says_is_told),
        OWN_TEST(a_message_that_is_too_long_to_be_sent_is_no_success),
        OWN_TEST(a_cancel_is_passed_on_to_the_device),
        OWN_TEST(a_deadline_is_passed_on_to_the_device),
        OWN_TEST(a_close_is_passed_on_to_the_device),
        OWN_TEST(a_device_that_heeds_no_cancel_is_waited_for),
        OWN_TEST(a_function_that_starts_nothing_and_says_success_has_none_of_it),
        OWN_TEST(a_function_that_says_success_for_having_begun_is_waited_for),
        OWN_TEST(a_request_that_waits_ends_when_it_is_served),
        OWN_TEST(a_request_that_is_done_at_once_needs_no_packet_where_they_are_skipped),
        OWN_TEST(what_a_message_has_more_is_said_and_comes_next),
        OWN_TEST(a_lock_that_conflicts_is_refused_to_who_does_not_wait),
        OWN_TEST(any_system_call_may_fail),
    };
    win_catch_crashes();
    return cmocka_run_group_tests(tests, own__warm_up, NULL);
}
