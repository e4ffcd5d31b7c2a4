/*
 * What is special about files and pipes on Windows: both ways in which a transfer that the system
 * carries out at once comes back, which path and which access CreateFileW gets, messages, native
 * codes, and which handles are taken over. What holds on every backend is in test/contract/.
 */
#include "unit.h"

#include "loop.h"
#include "text/path.h"
#include "win32/port.h"
#include "win32/sys.h"

#include "contract_net.h"
#include "win_faults.h"
#include "win_files.h"
#include "win_leaks.h"
#include "win_loop.h"

#include <stdio.h>
#include <string.h>
#include <wchar.h>

#define STATUS_END_OF_FILE_     0xC0000011u
#define STATUS_BUFFER_OVERFLOW_ 0x80000005u

#define READ_WRITE (IOCP_FILE_READ | IOCP_FILE_WRITE)

static char file_folder[1024];

/* ---- A table in which some calls are this test's own ---- */

/* A call of ReadFile or WriteFile, and what it is to answer. */
typedef struct fake_transfer {
    bool is_faked;
    uint64_t size;   /* not 0: of an unbuffered file, whose reads begin at whole sectors */
    bool has_packet; /* the system sends one before the call returns */
    uint32_t error;  /* 0: done at once */
    uint32_t nt_status;
    uint32_t bytes;
    OVERLAPPED *overlapped; /* what it got */
    uint64_t offset;
    int calls;
} fake_transfer;

typedef struct fake_open {
    bool is_faked;
    wchar_t path[WIN_PATH_CHARACTERS];
    DWORD access;
    DWORD share;
    DWORD disposition;
    DWORD attributes;
    int calls;
} fake_open;

static fake_transfer fake_now;
static fake_open open_now;

/* The packet that the system owes for the faked transfer. */
static void fake__post(void)
{
    void *port = NULL;
    assert_int_equal(iocp_loop_native_port(win.loop, &port), IOCP_OK);
    ULONG_PTR key = (ULONG_PTR)&ioc_win_port_of(win.loop->loop_only.ops.port)->tokens;
    assert_true(PostQueuedCompletionStatus(port, fake_now.bytes, key, fake_now.overlapped));
}

static BOOL fake__transfer(OVERLAPPED *overlapped)
{
    fake_now.calls++;
    fake_now.overlapped = overlapped;
    fake_now.offset = (uint64_t)overlapped->OffsetHigh << 32 | overlapped->Offset;
    overlapped->Internal = fake_now.nt_status;
    overlapped->InternalHigh = fake_now.bytes;
    if (fake_now.has_packet) {
        fake__post();
    }
    SetLastError(fake_now.error);
    return fake_now.error == 0;
}

#define FAKE_SECTOR 512

static void fake__read_unbuffered(DWORD size, const OVERLAPPED *overlapped)
{
    uint64_t offset = (uint64_t)overlapped->OffsetHigh << 32 | overlapped->Offset;
    uint64_t left = offset < fake_now.size ? fake_now.size - offset : 0;
    fake_now.bytes = left < size ? (uint32_t)left : size;
    fake_now.error = offset % FAKE_SECTOR != 0 ? ERROR_INVALID_PARAMETER
                     : left == 0               ? ERROR_HANDLE_EOF
                                               : 0;
    fake_now.bytes = fake_now.error != 0 ? 0 : fake_now.bytes;
}

static BOOL WINAPI fake__read(HANDLE file, void *data, DWORD size, DWORD *bytes,
                              OVERLAPPED *overlapped)
{
    if (fake_now.is_faked && fake_now.size > 0) {
        fake__read_unbuffered(size, overlapped);
    }
    return fake_now.is_faked ? fake__transfer(overlapped)
                             : win_faults_table()->ReadFile(file, data, size, bytes, overlapped);
}

static BOOL WINAPI fake__write(HANDLE file, const void *data, DWORD size, DWORD *bytes,
                               OVERLAPPED *overlapped)
{
    return fake_now.is_faked ? fake__transfer(overlapped)
                             : win_faults_table()->WriteFile(file, data, size, bytes, overlapped);
}

static HANDLE WINAPI fake__create(const wchar_t *path, DWORD access, DWORD share,
                                  SECURITY_ATTRIBUTES *security, DWORD disposition,
                                  DWORD attributes, HANDLE template_file)
{
    if (!open_now.is_faked) {
        return win_faults_table()->CreateFileW(path, access, share, security, disposition,
                                               attributes, template_file);
    }
    open_now.calls++;
    assert_in_range(wcslen(path), 1, WIN_PATH_CHARACTERS - 1);
    wcscpy(open_now.path, path);
    open_now.access = access;
    open_now.share = share;
    open_now.disposition = disposition;
    open_now.attributes = attributes;
    assert_null(security); /* so it is not inheritable */
    assert_null(template_file);
    SetLastError(ERROR_FILE_NOT_FOUND);
    return INVALID_HANDLE_VALUE;
}

/* ---- The environment ---- */

static int file__setup(void **state)
{
    (void)state;
    win_begin();
    memset(&fake_now, 0, sizeof fake_now);
    memset(&open_now, 0, sizeof open_now);
    win.sys.ReadFile = fake__read;
    win.sys.WriteFile = fake__write;
    win.sys.CreateFileW = fake__create;
    assert_true(win_folder_create_fresh(file_folder, sizeof file_folder));
    win_open(IOCP_COMPLETION_AUTO);
    return 0;
}

static int file__teardown(void **state)
{
    fake_now.is_faked = false;
    (void)win_end(state);
    assert_true(win_folder_remove(file_folder));
    return 0;
}

static void file__expect(const contract_record *kept, int status, uint32_t native_error,
                         uint64_t bytes)
{
    assert_string_equal(iocp_error_name(kept->result.status), iocp_error_name(status));
    assert_int_equal(kept->result.native_error, native_error);
    assert_int_equal(kept->result.bytes, bytes);
}

static const char *file__path(const char *name)
{
    static char path[2048];
    (void)snprintf(path, sizeof path, "%s/%s", file_folder, name);
    return path;
}

static iocp_handle_t file__open(const char *name, uint32_t flags)
{
    iocp_handle_t handle = {0};
    assert_int_equal(iocp_file_open(win.loop, file__path(name), flags, &handle), IOCP_OK);
    return handle;
}

static int file__try_open(const char *name, uint32_t flags)
{
    iocp_handle_t handle = {0};
    return iocp_file_open(win.loop, file__path(name), flags, &handle);
}

/* A file or a pipe, which the loop knows when this returns. */
static iocp_handle_t file__adopt(HANDLE native)
{
    iocp_handle_t handle = {0};
    assert_int_equal(iocp_handle_adopt(win.loop, native, &handle), IOCP_OK);
    while (iocp_handle_kind(win.loop, handle) == IOCP_HANDLE_OTHER) {
        assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_ONCE), IOCP_OK);
    }
    return handle;
}

static HANDLE file__native(iocp_handle_t handle)
{
    void *native = NULL;
    assert_int_equal(iocp_handle_native(win.loop, handle, &native), IOCP_OK);
    return native;
}

static void file__pread(iocp_handle_t handle, void *data, size_t size, uint64_t offset,
                        contract_record *kept)
{
    assert_int_equal(iocp_pread(win.loop, handle, data, size, offset, contract_keep, kept, NULL),
                     IOCP_OK);
}

static void file__write(iocp_handle_t handle, const void *data, size_t size, contract_record *kept)
{
    assert_int_equal(iocp_write(win.loop, handle, data, size, contract_keep, kept, NULL), IOCP_OK);
}

static uint64_t file__packets(void)
{
    iocp_stats_t stats = {.size = sizeof stats};
    assert_int_equal(iocp_loop_stats(win.loop, &stats), IOCP_OK);
    return stats.packets;
}

static uint64_t file__foreign_packets(void)
{
    iocp_stats_t stats = {.size = sizeof stats};
    assert_int_equal(iocp_loop_stats(win.loop, &stats), IOCP_OK);
    return stats.foreign_packets;
}

/* ---- Done at once ---- */

static void what_is_done_at_once_needs_no_packet_if_the_handle_skips_it(void **state)
{
    (void)state;
    static const iocp_completion_mode_t modes[] = {IOCP_COMPLETION_AUTO, IOCP_COMPLETION_SKIP};
    for (int i = 0; i < 2; i++) {
        contract_record read = {0};
        contract_record written = {0};
        char data[8];
        win_open(modes[i]);
        iocp_handle_t handle = file__open("file", READ_WRITE | IOCP_FILE_CREATE);
        fake_now = (fake_transfer){.is_faked = true, .bytes = 5};
        file__pread(handle, data, 8, 0, &read);
        file__write(handle, data, 5, &written);
        assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
        assert_int_equal(read.calls + written.calls, 0);
        assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
        assert_int_equal(fake_now.calls, 2);
        file__expect(&read, IOCP_OK, 0, 5);
        file__expect(&written, IOCP_OK, 0, 5);
        assert_int_equal(read.result.flags, IOCP_RESULT_INLINE);
        assert_int_equal(written.result.flags, IOCP_RESULT_INLINE);
        assert_int_equal(file__packets(), 0);
        fake_now.is_faked = false;
    }
}

static void check_that_it_waits_for_the_packet(void)
{
    contract_record read = {0};
    char data[8];
    iocp_handle_t handle = file__open("file", READ_WRITE | IOCP_FILE_CREATE);
    fake_now = (fake_transfer){.is_faked = true, .bytes = 5};
    file__pread(handle, data, 8, 0, &read);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    }
    assert_int_equal(fake_now.calls, 1);
    assert_int_equal(read.calls, 0);
    fake__post();
    win_wait(&read, 1);
    file__expect(&read, IOCP_OK, 0, 5);
    assert_int_equal(read.result.flags, 0);
    assert_int_equal(file__packets(), 1);
    fake_now.is_faked = false;
}

static void what_is_done_at_once_waits_for_its_packet_if_the_handle_does_not_skip_it(void **state)
{
    (void)state;
    win_open(IOCP_COMPLETION_PACKET);
    check_that_it_waits_for_the_packet();
}

static void a_system_that_refuses_to_skip_packets_sends_them(void **state)
{
    (void)state;
    win_faults_fail_all_of(WIN_SET_MODES, 0);
    check_that_it_waits_for_the_packet();
}

static void an_end_that_is_found_at_once_has_no_packet(void **state)
{
    (void)state;
    static const iocp_completion_mode_t modes[] = {IOCP_COMPLETION_AUTO, IOCP_COMPLETION_PACKET};
    for (int i = 0; i < 2; i++) {
        contract_record read = {0};
        char data[8];
        win_open(modes[i]);
        iocp_handle_t handle = file__open("file", READ_WRITE | IOCP_FILE_CREATE);
        fake_now = (fake_transfer){
            .is_faked = true, .error = ERROR_HANDLE_EOF, .nt_status = STATUS_END_OF_FILE_};
        file__pread(handle, data, 8, 0, &read);
        assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
        file__expect(&read, IOCP_EOF, ERROR_HANDLE_EOF, 0);
        assert_int_equal(file__packets(), 0);
        fake_now.is_faked = false;
    }
}

/* As some file systems say it; of one that asked for nothing it says nothing. */
static void a_read_that_succeeds_with_nothing_has_met_the_end(void **state)
{
    (void)state;
    static const iocp_completion_mode_t modes[] = {IOCP_COMPLETION_AUTO, IOCP_COMPLETION_PACKET};
    for (int i = 0; i < 2; i++) {
        char data[8];
        win_open(modes[i]);
        iocp_handle_t handle = file__open("file", READ_WRITE | IOCP_FILE_CREATE);
        for (size_t size = 0; size <= sizeof data; size += sizeof data) {
            int status = size == 0 ? IOCP_OK : IOCP_EOF;
            contract_record pread = {0};
            contract_record read = {0};
            fake_now = (fake_transfer){.is_faked = true, .has_packet = i == 1};
            file__pread(handle, data, size, 5, &pread);
            win_wait(&pread, 1);
            file__expect(&pread, status, 0, 0);
            assert_int_equal(iocp_read(win.loop, handle, data, size, contract_keep, &read, NULL),
                             IOCP_OK);
            win_wait(&read, 1);
            file__expect(&read, status, 0, 0);
            fake_now.is_faked = false;
        }
    }
}

static void an_end_of_a_real_file_has_its_native_code(void **state)
{
    (void)state;
    contract_record read = {0};
    char data[8];
    iocp_handle_t handle = file__open("file", READ_WRITE | IOCP_FILE_CREATE);
    file__pread(handle, data, 8, 0, &read);
    win_wait(&read, 1);
    file__expect(&read, IOCP_EOF, ERROR_HANDLE_EOF, 0);
}

static void a_write_at_once_to_a_pipe_that_nobody_reads_is_not_an_end(void **state)
{
    (void)state;
    static const uint32_t errors[] = {ERROR_BROKEN_PIPE, ERROR_NO_DATA};
    HANDLE ends[2];
    assert_true(win_pipe_create(ends, true, false, 4096));
    iocp_handle_t handle = file__adopt(ends[0]);
    for (int i = 0; i < 2; i++) {
        contract_record written = {0};
        win_faults_fail_next_of(WIN_WRITE_FILE, errors[i]);
        file__write(handle, "x", 1, &written);
        win_wait(&written, 1);
        file__expect(&written, IOCP_EPIPE, errors[i], 0);
    }
    contract_record read = {0};
    char data[1];
    win_faults_fail_next_of(WIN_READ_FILE, ERROR_BROKEN_PIPE);
    assert_int_equal(iocp_read(win.loop, handle, data, 1, contract_keep, &read, NULL), IOCP_OK);
    win_wait(&read, 1);
    file__expect(&read, IOCP_EOF, ERROR_BROKEN_PIPE, 0);
    assert_true(CloseHandle(ends[1]));
}

static void errors_of_transfers_keep_their_native_codes(void **state)
{
    (void)state;
    static const struct {
        uint32_t error;
        int status;
    } table[] = {
        {ERROR_INVALID_PARAMETER, IOCP_EINVAL}, /* not in whole sectors */
        {ERROR_ACCESS_DENIED, IOCP_EACCES},
        {ERROR_LOCK_VIOLATION, IOCP_EBUSY},
        {ERROR_DISK_FULL, IOCP_ENOSPC},
        {ERROR_HANDLE_DISK_FULL, IOCP_ENOSPC},
        {ERROR_CRC, IOCP_EIO},
        {ERROR_IO_DEVICE, IOCP_EIO},
        {ERROR_NOT_ENOUGH_MEMORY, IOCP_ENOMEM},
        {ERROR_NO_SYSTEM_RESOURCES, IOCP_ENOBUFS},
        {ERROR_WRITE_PROTECT, IOCP_EACCES},
        {12345, IOCP_EUNKNOWN},
    };
    char data[1];
    iocp_handle_t handle = file__open("file", READ_WRITE | IOCP_FILE_CREATE);
    for (size_t i = 0; i < IOC_COUNT_OF(table); i++) {
        contract_record read = {0};
        contract_record written = {0};
        win_faults_fail_next_of(WIN_READ_FILE, table[i].error);
        win_faults_fail_next_of(WIN_WRITE_FILE, table[i].error);
        file__pread(handle, data, 1, 0, &read);
        file__write(handle, "x", 1, &written);
        assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
        file__expect(&read, table[i].status, table[i].error, 0);
        file__expect(&written, table[i].status, table[i].error, 0);
    }
}

static void a_flush_that_fails_on_its_thread_says_so(void **state)
{
    (void)state;
    contract_record failed = {0};
    contract_record refused = {0};
    iocp_handle_t handle = file__open("file", READ_WRITE | IOCP_FILE_CREATE);
    win_faults_fail_next_of(WIN_FLUSH_FILE, ERROR_IO_DEVICE);
    assert_int_equal(iocp_file_flush(win.loop, handle, contract_keep, &failed, NULL), IOCP_OK);
    win_wait(&failed, 1);
    file__expect(&failed, IOCP_EIO, ERROR_IO_DEVICE, 0);
    win_faults_fail_next_of(WIN_CREATE_WORK, ERROR_NOT_ENOUGH_MEMORY);
    assert_int_equal(iocp_file_flush(win.loop, handle, contract_keep, &refused, NULL), IOCP_OK);
    win_wait(&refused, 1);
    file__expect(&refused, IOCP_ENOMEM, ERROR_NOT_ENOUGH_MEMORY, 0);
}

/* ---- Offsets ---- */

static void offsets_reach_the_system_whole(void **state)
{
    (void)state;
    static const uint64_t offsets[] = {0,
                                       1,
                                       UINT64_C(0xFFFFFFFF),
                                       UINT64_C(0x100000000),
                                       UINT64_C(0x100000001),
                                       UINT64_C(0x123456789ABCDEF0),
                                       (uint64_t)INT64_MAX - 8};
    char data[8];
    iocp_handle_t handle = file__open("file", READ_WRITE | IOCP_FILE_CREATE);
    fake_now = (fake_transfer){.is_faked = true, .bytes = 8};
    for (size_t i = 0; i < IOC_COUNT_OF(offsets); i++) {
        contract_record records[3] = {{0}};
        file__pread(handle, data, 8, offsets[i], &records[0]);
        win_wait(&records[0], 1);
        assert_true(fake_now.offset == offsets[i]);
        fake_now.offset = 0;
        assert_int_equal(
            iocp_pwrite(win.loop, handle, data, 8, offsets[i], contract_keep, &records[1], NULL),
            IOCP_OK);
        win_wait(&records[1], 1);
        assert_true(fake_now.offset == offsets[i]);
        assert_int_equal(iocp_file_set_position(win.loop, handle, offsets[i]), IOCP_OK);
        file__write(handle, data, 8, &records[2]);
        win_wait(&records[2], 1);
        assert_true(fake_now.offset == offsets[i]);
    }
    fake_now.is_faked = false;
}

static void an_append_says_that_it_goes_behind_the_end(void **state)
{
    (void)state;
    contract_record written = {0};
    uint64_t position = 1;
    iocp_handle_t handle = file__open("file", IOCP_FILE_APPEND | IOCP_FILE_CREATE);
    fake_now = (fake_transfer){.is_faked = true, .bytes = 1};
    file__write(handle, "x", 1, &written);
    win_wait(&written, 1);
    assert_true(fake_now.offset == UINT64_MAX);
    assert_int_equal(iocp_file_get_position(win.loop, handle, &position), IOCP_OK);
    assert_int_equal(position, 0);
    fake_now.is_faked = false;
}

/* ---- The end of an unbuffered file ---- */

static void check_read(iocp_handle_t handle, int status, uint64_t bytes)
{
    contract_record read = {0};
    static char data[4096];
    assert_int_equal(iocp_read(win.loop, handle, data, sizeof data, contract_keep, &read, NULL),
                     IOCP_OK);
    win_wait(&read, 1);
    assert_string_equal(iocp_error_name(read.result.status), iocp_error_name(status));
    assert_int_equal(read.result.bytes, bytes);
}

static void check_pread(iocp_handle_t handle, uint64_t offset, int status, uint64_t bytes)
{
    contract_record read = {0};
    static char data[4096];
    file__pread(handle, data, sizeof data, offset, &read);
    win_wait(&read, 1);
    assert_string_equal(iocp_error_name(read.result.status), iocp_error_name(status));
    assert_int_equal(read.result.bytes, bytes);
}

/* It is in the middle of a sector, where the system lets nobody read from. */
static void an_unbuffered_file_that_is_read_to_its_end_ends(void **state)
{
    (void)state;
    iocp_handle_t handle =
        file__open("file", READ_WRITE | IOCP_FILE_CREATE | IOCP_FILE_NO_BUFFERING);
    fake_now = (fake_transfer){.is_faked = true, .size = 5000};
    check_read(handle, IOCP_OK, 4096);
    check_read(handle, IOCP_OK, 904);
    check_read(handle, IOCP_EOF, 0);
    check_read(handle, IOCP_EOF, 0);
    check_pread(handle, 5000, IOCP_EOF, 0);
    check_pread(handle, 4600, IOCP_EINVAL, 0); /* nobody has found an end there */
    check_pread(handle, 4608, IOCP_OK, 392);
    check_read(handle, IOCP_EOF, 0);
    fake_now.is_faked = false;
}

static void a_buffered_file_has_the_systems_word_for_its_end(void **state)
{
    (void)state;
    iocp_handle_t handle = file__open("file", READ_WRITE | IOCP_FILE_CREATE);
    fake_now = (fake_transfer){.is_faked = true, .size = 1000};
    check_read(handle, IOCP_OK, 1000);
    check_read(handle, IOCP_EINVAL, 0);
    fake_now.is_faked = false;
}

static void a_write_or_another_size_takes_the_end_of_an_unbuffered_file_away(void **state)
{
    (void)state;
    contract_record written = {0};
    iocp_handle_t handle =
        file__open("file", READ_WRITE | IOCP_FILE_CREATE | IOCP_FILE_NO_BUFFERING);
    fake_now = (fake_transfer){.is_faked = true, .size = 1000};
    check_pread(handle, 0, IOCP_OK, 1000);
    check_pread(handle, 1000, IOCP_EOF, 0);
    assert_int_equal(iocp_file_set_size(win.loop, handle, 2000), IOCP_OK);
    check_pread(handle, 1000, IOCP_EINVAL, 0);
    check_pread(handle, 0, IOCP_OK, 1000);
    fake_now.error = 0;
    assert_int_equal(iocp_pwrite(win.loop, handle, "x", 1, 0, contract_keep, &written, NULL),
                     IOCP_OK);
    win_wait(&written, 1);
    check_pread(handle, 1000, IOCP_EINVAL, 0);
    fake_now.is_faked = false;
}

/* Where the end is that of a sector the system is asked, since others may write. */
static void an_unbuffered_file_that_others_extend_goes_on(void **state)
{
    (void)state;
    iocp_handle_t handle =
        file__open("file", READ_WRITE | IOCP_FILE_CREATE | IOCP_FILE_NO_BUFFERING);
    fake_now = (fake_transfer){.is_faked = true, .size = 1024};
    check_read(handle, IOCP_OK, 1024);
    check_read(handle, IOCP_EOF, 0);
    fake_now.size = 1500;
    check_read(handle, IOCP_OK, 476);
    check_read(handle, IOCP_EOF, 0);
    fake_now.is_faked = false;
}

/* ---- Opening ---- */

static void flags_become_access_disposition_and_attributes(void **state)
{
    (void)state;
    static const struct {
        uint32_t flags;
        DWORD access;
        DWORD disposition;
        DWORD attributes;
    } table[] = {
        {IOCP_FILE_READ, GENERIC_READ, OPEN_EXISTING, 0},
        {READ_WRITE, GENERIC_READ | GENERIC_WRITE, OPEN_EXISTING, 0},
        {IOCP_FILE_WRITE | IOCP_FILE_CREATE, GENERIC_WRITE, OPEN_ALWAYS, 0},
        {IOCP_FILE_WRITE | IOCP_FILE_TRUNCATE, GENERIC_WRITE, OPEN_EXISTING, 0},
        {IOCP_FILE_WRITE | IOCP_FILE_CREATE | IOCP_FILE_TRUNCATE, GENERIC_WRITE, OPEN_ALWAYS, 0},
        {IOCP_FILE_WRITE | IOCP_FILE_CREATE | IOCP_FILE_EXCLUSIVE, GENERIC_WRITE, CREATE_NEW, 0},
        {IOCP_FILE_READ | IOCP_FILE_NO_BUFFERING, GENERIC_READ, OPEN_EXISTING,
         FILE_FLAG_NO_BUFFERING},
        {IOCP_FILE_READ | IOCP_FILE_SEQUENTIAL, GENERIC_READ, OPEN_EXISTING,
         FILE_FLAG_SEQUENTIAL_SCAN},
    };
    open_now.is_faked = true;
    for (size_t i = 0; i < IOC_COUNT_OF(table); i++) {
        assert_int_equal(file__try_open("file", table[i].flags), IOCP_ENOTFOUND);
        assert_int_equal(open_now.access, table[i].access);
        assert_int_equal(open_now.disposition, table[i].disposition);
        assert_int_equal(open_now.share, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE);
        assert_int_equal(open_now.attributes, FILE_ATTRIBUTE_NORMAL | FILE_FLAG_OVERLAPPED |
                                                  SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION |
                                                  table[i].attributes);
    }
    open_now.is_faked = false;
}

static void a_file_to_append_to_is_opened_without_the_right_to_write_elsewhere(void **state)
{
    (void)state;
    open_now.is_faked = true;
    for (int reads = 0; reads < 2; reads++) {
        uint32_t flags = IOCP_FILE_APPEND | (reads ? IOCP_FILE_READ : 0u);
        assert_int_equal(file__try_open("file", flags), IOCP_ENOTFOUND);
        assert_int_equal(open_now.access & FILE_APPEND_DATA, FILE_APPEND_DATA);
        assert_int_equal(open_now.access & FILE_WRITE_DATA, 0);
        assert_int_equal(open_now.access & GENERIC_WRITE, 0);
        assert_int_equal(open_now.access & SYNCHRONIZE, SYNCHRONIZE);
        assert_int_equal((open_now.access & GENERIC_READ) != 0, reads);
    }
    open_now.is_faked = false;
}

/* A path whose length as CreateFileW counts it, without the zero, is `length`. */
static void make_path(char *path, size_t length, const char *beginning)
{
    size_t at = strlen(beginning);
    memcpy(path, beginning, at);
    for (; at < length; at++) {
        path[at] = at % 50 == 0 ? '/' : 'a';
    }
    path[length - 1] = 'z';
    path[length] = '\0';
}

/* What CreateFileW got: the prefix, and behind it the path with backslashes, from its `skip`-th. */
static void assert_opened(const char *path, const wchar_t *prefix, size_t skip)
{
    iocp_handle_t handle = {0};
    wchar_t expected[WIN_PATH_CHARACTERS];
    open_now.calls = 0;
    assert_int_equal(iocp_file_open(win.loop, path, IOCP_FILE_READ, &handle), IOCP_ENOTFOUND);
    assert_int_equal(open_now.calls, 1);
    wcscpy(expected, prefix);
    size_t length = wcslen(prefix);
    assert_true(MultiByteToWideChar(CP_UTF8, 0, path + skip, -1, expected + length,
                                    WIN_PATH_CHARACTERS - (int)length) > 0);
    for (wchar_t *at = expected; *at != L'\0'; at++) {
        *at = *at == L'/' ? L'\\' : *at;
    }
    assert_int_equal(wcscmp(open_now.path, expected), 0);
}

static void paths_get_a_prefix_where_they_need_one(void **state)
{
    (void)state;
    char path[1200];
    open_now.is_faked = true;
    assert_opened("C:/folder/file", L"", 0);
    assert_opened("C:\\folder\\gr\xc3\xa4ser-\xf0\x9f\x8c\xb1", L"", 0);
    assert_opened("//server/share/file", L"", 0);
    make_path(path, IOC_PATH_LONG - 1, "C:/");
    assert_opened(path, L"", 0);
    make_path(path, IOC_PATH_LONG, "C:/"); /* so that a folder can be made there, too */
    assert_opened(path, L"\\\\?\\", 0);
    make_path(path, 1000, "C:/");
    assert_opened(path, L"\\\\?\\", 0);
    make_path(path, 1000, "//server/share/");
    assert_opened(path, L"\\\\?\\UNC", 1);
    make_path(path, 1000, "\\\\?\\C:\\");
    for (char *at = path; *at != '\0'; at++) {
        *at = *at == '/' ? '\\' : *at;
    }
    assert_opened(path, L"", 0);
    open_now.is_faked = false;
}

/* The prefix says so: a name that ends with a dot is another file than the one without. */
static void a_path_with_the_prefix_is_taken_to_the_letter(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "\\\\?\\C:\\folder\\name.",
        "\\\\?\\C:\\folder\\..\\name ",
        "\\\\?\\C:\\con",
    };
    open_now.is_faked = true;
    for (size_t i = 0; i < IOC_COUNT_OF(paths); i++) {
        assert_opened(paths[i], L"", 0);
    }
    open_now.is_faked = false;
}

/* Whoever has made a pipe to which a path leads must not act as the program that opens it. */
static void every_path_is_opened_without_lending_the_programs_identity(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "\\\\.\\Global\\pipe\\name",
        "\\\\?\\GLOBALROOT\\Device\\NamedPipe\\name",
        "\\\\.\\C:",
        "\\\\server\\pipes\\name",
        "\\\\server\\share\\pipe\\name",
        "\\\\?\\UNC\\server\\share\\name",
        "C:\\name",
        "\\\\?\\C:\\pipe\\name",
        "pipe\\name",
    };
    const DWORD bits = SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION;
    open_now.is_faked = true;
    for (size_t i = 0; i < IOC_COUNT_OF(paths); i++) {
        iocp_handle_t handle = {0};
        open_now.attributes = 0;
        assert_int_equal(iocp_file_open(win.loop, paths[i], IOCP_FILE_READ, &handle),
                         IOCP_ENOTFOUND);
        assert_int_equal(open_now.attributes & bits, bits);
    }
    open_now.is_faked = false;
}

static void a_pipe_by_any_of_its_names_is_not_even_opened(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "\\\\.\\pipe\\name",
        "//./PIPE/name",
        "\\\\?\\pipe\\name",
        "\\\\server\\pipe\\name",
        "\\\\?\\UNC\\server\\pipe\\name",
        "\\\\?\\unc\\server\\PIPE\\name",
        "\\\\.\\UNC\\server\\pipe\\name",
        "\\\\.\\pipe\\",
    };
    open_now.is_faked = true;
    open_now.attributes = 0;
    for (size_t i = 0; i < IOC_COUNT_OF(paths); i++) {
        iocp_handle_t handle = {0};
        assert_int_equal(iocp_file_open(win.loop, paths[i], IOCP_FILE_READ, &handle), IOCP_ENOTSUP);
        assert_int_equal(open_now.attributes, 0);
    }
    open_now.is_faked = false;
}

static void paths_are_made_absolute(void **state)
{
    (void)state;
    wchar_t expected[WIN_PATH_CHARACTERS];
    iocp_handle_t handle = {0};
    open_now.is_faked = true;
    DWORD length = GetCurrentDirectoryW(MAX_PATH, expected);
    assert_in_range(length, 3, MAX_PATH);
    wcscpy(expected + length, expected[length - 1] == L'\\' ? L"file" : L"\\file");
    assert_int_equal(iocp_file_open(win.loop, "no/../file", IOCP_FILE_READ, &handle),
                     IOCP_ENOTFOUND);
    assert_int_equal(wcscmp(open_now.path, expected), 0);
    assert_opened("C:/folder/file", L"", 0);
    open_now.is_faked = false;
}

static void errors_of_open_keep_their_native_codes(void **state)
{
    (void)state;
    HANDLE native = win_file_create(file__path("busy"), READ_WRITE | IOCP_FILE_CREATE, false, true);
    assert_non_null(native);
    assert_int_equal(file__try_open("busy", IOCP_FILE_READ), IOCP_EBUSY);
    assert_int_equal(iocp_loop_native_error(win.loop), ERROR_SHARING_VIOLATION);
    assert_true(CloseHandle(native));
    assert_int_equal(file__try_open("none", IOCP_FILE_READ), IOCP_ENOTFOUND);
    assert_int_equal(iocp_loop_native_error(win.loop), ERROR_FILE_NOT_FOUND);
    assert_int_equal(file__try_open("no/none", IOCP_FILE_READ), IOCP_ENOTFOUND);
    assert_int_equal(iocp_loop_native_error(win.loop), ERROR_PATH_NOT_FOUND);
    assert_int_equal(
        file__try_open("busy", IOCP_FILE_WRITE | IOCP_FILE_CREATE | IOCP_FILE_EXCLUSIVE),
        IOCP_EEXIST);
    assert_int_equal(iocp_loop_native_error(win.loop), ERROR_FILE_EXISTS);
    /* The folder with a slash behind it: Windows, and newer Wine, find no such path. */
    int status = file__try_open("", IOCP_FILE_READ);
    uint32_t native_error = iocp_loop_native_error(win.loop);
    assert_true((status == IOCP_EISFOLDER && native_error == ERROR_ACCESS_DENIED) ||
                (status == IOCP_ENOTFOUND && native_error == ERROR_PATH_NOT_FOUND));
    assert_int_equal(file__try_open("\xff", IOCP_FILE_READ), IOCP_EINVAL);
    assert_int_equal(iocp_loop_native_error(win.loop), ERROR_NO_UNICODE_TRANSLATION);
}

static void a_refused_allocation_opens_nothing(void **state)
{
    (void)state;
    int refused = 0;
    iocp_handle_t handle = {0};
    for (uint64_t blocks = 0; handle.id == 0; blocks++) {
        unit_memory_allow(&win.memory, blocks);
        int status = iocp_file_open(win.loop, file__path("file"),
                                    IOCP_FILE_WRITE | IOCP_FILE_CREATE, &handle);
        assert_true(status == IOCP_OK || status == IOCP_ENOMEM);
        refused += status == IOCP_ENOMEM;
    }
    unit_memory_allow(&win.memory, UINT64_MAX);
    assert_in_range(refused, 2, 10); /* the path twice, at least */
}

static DWORD inherit_flag(HANDLE native)
{
    DWORD flags = 0;
    assert_true(GetHandleInformation(native, &flags));
    return flags & HANDLE_FLAG_INHERIT;
}

static void handles_are_not_inheritable(void **state)
{
    (void)state;
    iocp_handle_t opened = file__open("file", READ_WRITE | IOCP_FILE_CREATE);
    assert_int_equal(inherit_flag(file__native(opened)), 0);
    HANDLE native = win_file_create(file__path("file"), READ_WRITE, true, false);
    assert_non_null(native);
    assert_true(SetHandleInformation(native, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT));
    assert_int_equal(inherit_flag(native), HANDLE_FLAG_INHERIT);
    file__adopt(native);
    assert_int_equal(inherit_flag(native), 0);
}

/* ---- Messages ---- */

/* Read a message of 10 bytes in two parts, and an empty one. */
static void check_messages(bool read_first)
{
    HANDLE ends[2];
    contract_record written[2] = {{0}};
    contract_record read = {.rearms = 2};
    char data[6] = {0};
    assert_true(win_pipe_create(ends, true, true, 4096));
    iocp_handle_t writer = file__adopt(ends[0]);
    iocp_handle_t reader = file__adopt(ends[1]);
    if (!read_first) {
        file__write(writer, "0123456789", 10, &written[0]);
        win_wait(&written[0], 1);
    }
    assert_int_equal(iocp_read(win.loop, reader, data, 6, contract_keep, &read, NULL), IOCP_OK);
    if (read_first) {
        assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
        file__write(writer, "0123456789", 10, &written[0]);
    }
    win_wait(&read, 1);
    file__expect(&read, IOCP_OK, 0, 6);
    assert_int_equal(read.result.flags & IOCP_RESULT_MORE, IOCP_RESULT_MORE);
    assert_memory_equal(data, "012345", 6);
    win_wait(&read, 2);
    file__expect(&read, IOCP_OK, 0, 4);
    assert_int_equal(read.result.flags & IOCP_RESULT_MORE, 0);
    assert_memory_equal(data, "6789", 4);
    file__write(writer, "", 0, &written[1]);
    win_wait(&read, 3);
    file__expect(&read, IOCP_OK, 0, 0);
    assert_int_equal(read.result.flags & IOCP_RESULT_MORE, 0);
    assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    file__expect(&written[0], IOCP_OK, 0, 10);
    file__expect(&written[1], IOCP_OK, 0, 0);
}

static void a_message_is_read_in_parts_and_an_empty_one_is_not_the_end(void **state)
{
    (void)state;
    static const iocp_completion_mode_t modes[] = {IOCP_COMPLETION_AUTO, IOCP_COMPLETION_PACKET,
                                                   IOCP_COMPLETION_SKIP};
    for (size_t i = 0; i < IOC_COUNT_OF(modes); i++) {
        win_open(modes[i]);
        check_messages(false);
        check_messages(true);
    }
}

/* Whether the system sends a packet for it or not. */
static void check_part_of_message(iocp_completion_mode_t mode, bool has_packet)
{
    HANDLE ends[2];
    contract_record read = {0};
    char data[8];
    win_open(mode);
    assert_true(win_pipe_create(ends, true, true, 4096));
    iocp_handle_t handle = file__adopt(ends[0]);
    fake_now = (fake_transfer){.is_faked = true,
                               .has_packet = has_packet,
                               .error = ERROR_MORE_DATA,
                               .nt_status = STATUS_BUFFER_OVERFLOW_,
                               .bytes = 8};
    assert_int_equal(iocp_read(win.loop, handle, data, 8, contract_keep, &read, NULL), IOCP_OK);
    win_wait(&read, 1);
    fake_now.is_faked = false;
    file__expect(&read, IOCP_OK, 0, 8);
    assert_int_equal(read.result.flags, IOCP_RESULT_MORE);
    for (int i = 0; i < 3; i++) { /* nothing of it is left in the port */
        assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    }
    assert_int_equal(read.calls, 1);
    assert_int_equal(file__foreign_packets(), 0);
    assert_true(CloseHandle(ends[1]));
}

static void part_of_a_message_that_is_there_at_once_ends_once(void **state)
{
    (void)state;
    static const iocp_completion_mode_t modes[] = {IOCP_COMPLETION_AUTO, IOCP_COMPLETION_PACKET};
    for (size_t i = 0; i < IOC_COUNT_OF(modes); i++) {
        check_part_of_message(modes[i], false);
        check_part_of_message(modes[i], true);
    }
}

static void a_pipe_that_ends_has_its_native_codes(void **state)
{
    (void)state;
    HANDLE ends[2];
    contract_record read = {0};
    contract_record written = {0};
    contract_record cancelled = {0};
    iocp_op_t op = {0};
    char data[1];
    assert_true(win_pipe_create(ends, true, false, 4096));
    iocp_handle_t handle = file__adopt(ends[0]);
    assert_int_equal(iocp_read(win.loop, handle, data, 1, contract_keep, &cancelled, &op), IOCP_OK);
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    assert_int_equal(iocp_cancel(win.loop, op, NULL, NULL, NULL), IOCP_OK);
    win_wait(&cancelled, 1);
    file__expect(&cancelled, IOCP_ECANCELED, ERROR_OPERATION_ABORTED, 0);
    assert_int_equal(iocp_read(win.loop, handle, data, 1, contract_keep, &read, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    assert_true(CloseHandle(ends[1]));
    win_wait(&read, 1);
    file__expect(&read, IOCP_EOF, ERROR_BROKEN_PIPE, 0);
    file__write(handle, "x", 1, &written);
    win_wait(&written, 1);
    assert_int_equal(written.result.status, IOCP_EPIPE);
    assert_true(written.result.native_error == ERROR_NO_DATA ||
                written.result.native_error == ERROR_BROKEN_PIPE);
}

/* A pipe has no position: its reads and writes do not wait for each other. */
static void a_pipe_is_read_and_written_at_the_same_time(void **state)
{
    (void)state;
    char data[4];
    contract_record read = {0};
    contract_record written = {0};
    contract_record answered = {0};
    HANDLE ends[2];
    assert_true(win_pipe_create(ends, true, false, 64));
    iocp_handle_t server = file__adopt(ends[0]);
    iocp_handle_t client = file__adopt(ends[1]);
    assert_int_equal(iocp_pread(win.loop, client, data, 1, 0, contract_keep, &read, NULL),
                     IOCP_ENOTSUP);
    assert_int_equal(iocp_read(win.loop, client, data, 4, contract_keep, &read, NULL), IOCP_OK);
    file__write(client, "ask", 3, &written);
    win_wait(&written, 1);
    file__write(server, "tell", 4, &answered);
    win_wait(&read, 1);
    file__expect(&read, IOCP_OK, 0, 4);
    assert_memory_equal(data, "tell", 4);
}

static void a_device_that_is_opened_by_its_path_is_refused(void **state)
{
    (void)state;
    iocp_handle_t handle = {0};
    assert_int_equal(iocp_file_open(win.loop, "\\\\.\\NUL", IOCP_FILE_READ, &handle), IOCP_ENOTSUP);
    assert_true(handle.id == 0);
}

/* ---- Whatever fails ---- */

typedef struct life {
    contract_record records[6];
    int accepted;
} life;

static void life__count(life *l, int status)
{
    l->accepted += status == IOCP_OK;
}

/* Open, write, read, flush, take a pipe over, and leave the rest to the end of the loop. */
static void life__live(life *l)
{
    static char data[6][8];
    iocp_handle_t file = {0};
    iocp_handle_t pipe = {0};
    HANDLE ends[2];
    (void)iocp_file_open(win.loop, file__path("file"), READ_WRITE | IOCP_FILE_CREATE, &file);
    assert_true(win_pipe_create(ends, true, false, 4096));
    if (iocp_handle_adopt(win.loop, ends[0], &pipe) != IOCP_OK) {
        assert_true(CloseHandle(ends[0]));
    }
    contract_record *r = l->records;
    life__count(l, iocp_write(win.loop, file, "hello", 5, contract_keep, &r[0], NULL));
    life__count(l, iocp_pread(win.loop, file, data[1], 8, 0, contract_keep, &r[1], NULL));
    life__count(l, iocp_file_flush(win.loop, file, contract_keep, &r[2], NULL));
    life__count(l, iocp_read(win.loop, pipe, data[3], 8, contract_keep, &r[3], NULL));
    life__count(l, iocp_write(win.loop, pipe, "hello", 5, contract_keep, &r[4], NULL));
    for (int i = 0; i < 3; i++) {
        (void)iocp_loop_run(win.loop, IOCP_RUN_NO_WAIT);
    }
    uint64_t size = 0;
    (void)iocp_file_get_size(win.loop, file, &size);
    (void)iocp_file_set_size(win.loop, file, 3);
    if (iocp_loop_destroy(win.loop, 10 * S) == IOCP_OK) {
        win.loop = NULL;
    }
    win_faults_stop();
    win_loop_destroy(&win.loop);
    assert_true(CloseHandle(ends[1]));
}

static void any_one_system_call_may_fail_in_the_life_of_a_file(void **state)
{
    (void)state;
    uint64_t calls = 0;
    for (uint64_t n = 1; n == 1 || n <= calls; n++) {
        life l = {0};
        win_faults_reset();
        if (n > 1) {
            win_faults_fail_nth(n - 1);
        }
        life__live(&l);
        calls = n == 1 ? win_faults_count() + 1 : calls;
        int called = 0;
        for (int i = 0; i < 6; i++) {
            assert_in_range(l.records[i].calls, 0, 1);
            called += l.records[i].calls;
        }
        assert_int_equal(called, l.accepted);
        assert_true(n > 1 || l.accepted == 5);
        win_open(IOCP_COMPLETION_AUTO);
        win_loop_destroy(&win.loop);
        assert_int_equal(unit_memory_live(&win.memory), 0);
        win_open(n % 2 == 0 ? IOCP_COMPLETION_AUTO : IOCP_COMPLETION_PACKET);
    }
    assert_in_range(calls, 20, 1000);
}

/* What the system opens once and keeps is open before the first test counts. */
static int file__warm_up(void **state)
{
    contract_record flushed = {0};
    win_use_winsock();
    assert_int_equal(file__setup(state), 0);
    iocp_handle_t handle = file__open("file", IOCP_FILE_WRITE | IOCP_FILE_CREATE);
    assert_int_equal(iocp_file_flush(win.loop, handle, contract_keep, &flushed, NULL), IOCP_OK);
    win_wait(&flushed, 1);
    win_loop_destroy(&win.loop);
    assert_true(win_folder_remove(file_folder));
    return 0;
}

#define FILE_TEST(function) cmocka_unit_test_setup_teardown(function, file__setup, file__teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST(what_is_done_at_once_needs_no_packet_if_the_handle_skips_it),
        FILE_TEST(what_is_done_at_once_waits_for_its_packet_if_the_handle_does_not_skip_it),
        FILE_TEST(a_system_that_refuses_to_skip_packets_sends_them),
        FILE_TEST(an_end_that_is_found_at_once_has_no_packet),
        FILE_TEST(a_read_that_succeeds_with_nothing_has_met_the_end),
        FILE_TEST(an_end_of_a_real_file_has_its_native_code),
        FILE_TEST(a_write_at_once_to_a_pipe_that_nobody_reads_is_not_an_end),
        FILE_TEST(errors_of_transfers_keep_their_native_codes),
        FILE_TEST(a_flush_that_fails_on_its_thread_says_so),
        FILE_TEST(offsets_reach_the_system_whole),
        FILE_TEST(an_append_says_that_it_goes_behind_the_end),
        FILE_TEST(an_unbuffered_file_that_is_read_to_its_end_ends),
        FILE_TEST(a_buffered_file_has_the_systems_word_for_its_end),
        FILE_TEST(a_write_or_another_size_takes_the_end_of_an_unbuffered_file_away),
        FILE_TEST(an_unbuffered_file_that_others_extend_goes_on),
        FILE_TEST(flags_become_access_disposition_and_attributes),
        FILE_TEST(a_file_to_append_to_is_opened_without_the_right_to_write_elsewhere),
        FILE_TEST(paths_get_a_prefix_where_they_need_one),
        FILE_TEST(paths_are_made_absolute),
        FILE_TEST(a_path_with_the_prefix_is_taken_to_the_letter),
        FILE_TEST(every_path_is_opened_without_lending_the_programs_identity),
        FILE_TEST(a_pipe_by_any_of_its_names_is_not_even_opened),
        FILE_TEST(errors_of_open_keep_their_native_codes),
        FILE_TEST(a_refused_allocation_opens_nothing),
        FILE_TEST(handles_are_not_inheritable),
        FILE_TEST(a_message_is_read_in_parts_and_an_empty_one_is_not_the_end),
        FILE_TEST(part_of_a_message_that_is_there_at_once_ends_once),
        FILE_TEST(a_pipe_that_ends_has_its_native_codes),
        FILE_TEST(a_pipe_is_read_and_written_at_the_same_time),
        FILE_TEST(a_device_that_is_opened_by_its_path_is_refused),
        FILE_TEST(any_one_system_call_may_fail_in_the_life_of_a_file),
    };
    win_catch_crashes();
    return cmocka_run_group_tests(tests, file__warm_up, NULL);
}
