/*
 * Opening by a path: what is kept of a file that exists, and what is refused and leaves nothing
 * open. CreateFileW is watched, and made to be as strict as that of Windows.
 */
#include "unit.h"

#include "win32/sys.h"

#include "win_faults.h"
#include "win_files.h"
#include "win_leaks.h"
#include "win_loop.h"

#include <stdio.h>
#include <string.h>
#include <wchar.h>

#define REWRITE (IOCP_FILE_WRITE | IOCP_FILE_CREATE | IOCP_FILE_TRUNCATE)

static struct {
    char folder[1024];
    DWORD disposition;      /* of the last CreateFileW */
    const wchar_t *instead; /* what is opened whatever the path, unless NULL */
} now;

/* A file that is hidden or the system's is not replaced by one that is not (CreateFileW's page). */
static HANDLE WINAPI spy__create(const wchar_t *path, DWORD access, DWORD share,
                                 SECURITY_ATTRIBUTES *security, DWORD disposition, DWORD attributes,
                                 HANDLE template_file)
{
    DWORD is_now = GetFileAttributesW(path);
    bool is_special = is_now != INVALID_FILE_ATTRIBUTES &&
                      (is_now & (FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM)) != 0;
    now.disposition = disposition;
    if (disposition == CREATE_ALWAYS && is_special) {
        SetLastError(ERROR_ACCESS_DENIED);
        return INVALID_HANDLE_VALUE;
    }
    return win_faults_table()->CreateFileW(now.instead != NULL ? now.instead : path, access, share,
                                           security, disposition, attributes, template_file);
}

/* ---- The environment ---- */

static int open__setup(void **state)
{
    (void)state;
    memset(&now, 0, sizeof now);
    win_begin();
    win.sys.CreateFileW = spy__create;
    assert_true(win_folder_create_fresh(now.folder, sizeof now.folder));
    win_open(IOCP_COMPLETION_AUTO);
    return 0;
}

static int open__teardown(void **state)
{
    (void)win_end(state);
    assert_true(win_folder_remove(now.folder));
    return 0;
}

/* ---- Steps ---- */

static const char *open__path(const char *name)
{
    static char path[1200];
    (void)snprintf(path, sizeof path, "%s/%s", now.folder, name);
    return path;
}

/* A file of five bytes. */
static void open__make(const char *path, const char *text)
{
    DWORD written = 0;
    HANDLE file = win_file_create(path, IOCP_FILE_WRITE | IOCP_FILE_CREATE, false, false);
    assert_non_null(file);
    assert_true(WriteFile(file, text, (DWORD)strlen(text), &written, NULL));
    assert_true(CloseHandle(file));
}

static iocp_handle_t open__open(const char *path, uint32_t flags)
{
    iocp_handle_t handle = {0};
    assert_int_equal(iocp_file_open(win.loop, path, flags, &handle), IOCP_OK);
    return handle;
}

static uint64_t open__size(iocp_handle_t handle)
{
    uint64_t size = UINT64_MAX;
    assert_int_equal(iocp_file_get_size(win.loop, handle, &size), IOCP_OK);
    return size;
}

static void check_refused(const char *path, uint32_t flags, int status)
{
    iocp_handle_t handle = {0};
    size_t handles = win_open_handles();
    int answer = iocp_file_open(win.loop, path, flags, &handle);
    assert_string_equal(iocp_error_name(answer), iocp_error_name(status));
    assert_true(handle.id == 0);
    assert_int_equal(win_open_handles(), handles);
}

/* ---- What is kept ---- */

static void a_hidden_file_or_a_systems_is_emptied_and_keeps_its_attributes(void **state)
{
    (void)state;
    static const DWORD attributes[] = {FILE_ATTRIBUTE_HIDDEN, FILE_ATTRIBUTE_SYSTEM,
                                       FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM};
    for (size_t i = 0; i < IOC_COUNT_OF(attributes); i++) {
        wchar_t native[WIN_PATH_CHARACTERS];
        open__make(open__path("file"), "hello");
        win_path(native, open__path("file"));
        assert_true(SetFileAttributesW(native, attributes[i]));
        DWORD before = GetFileAttributesW(native);
        assert_int_equal(open__size(open__open(open__path("file"), REWRITE)), 0);
        assert_int_equal(GetFileAttributesW(native), before);
        assert_true(win_is_wine() || (before & attributes[i]) == attributes[i]);
    }
}

static void a_file_is_never_replaced(void **state)
{
    (void)state;
    static const uint32_t flags[] = {
        REWRITE,
        IOCP_FILE_WRITE | IOCP_FILE_TRUNCATE,
        IOCP_FILE_WRITE | IOCP_FILE_CREATE,
        IOCP_FILE_WRITE | IOCP_FILE_CREATE | IOCP_FILE_EXCLUSIVE,
        IOCP_FILE_WRITE | IOCP_FILE_CREATE | IOCP_FILE_EXCLUSIVE | IOCP_FILE_TRUNCATE,
        IOCP_FILE_READ,
    };
    open__make(open__path("file"), "hello");
    for (size_t i = 0; i < IOC_COUNT_OF(flags); i++) {
        iocp_handle_t handle = {0};
        (void)iocp_file_open(win.loop, open__path("file"), flags[i], &handle);
        assert_int_not_equal(now.disposition, CREATE_ALWAYS);
        assert_int_not_equal(now.disposition, TRUNCATE_EXISTING);
    }
}

static void a_file_that_is_emptied_keeps_its_other_streams(void **state)
{
    (void)state;
    char stream[1300];
    if (win_is_wine()) {
        skip(); /* whose file systems have none */
    }
    open__make(open__path("file"), "hello");
    (void)snprintf(stream, sizeof stream, "%s:other", open__path("file"));
    open__make(stream, "other");
    assert_int_equal(open__size(open__open(open__path("file"), REWRITE)), 0);
    assert_int_equal(open__size(open__open(stream, IOCP_FILE_READ)), 5);
}

static void a_file_that_cannot_be_emptied_is_not_opened(void **state)
{
    (void)state;
    open__make(open__path("file"), "hello");
    win_faults_fail_next_of(WIN_SET_FILE_INFORMATION, ERROR_USER_MAPPED_FILE);
    check_refused(open__path("file"), REWRITE, IOCP_EBUSY);
    assert_int_equal(open__size(open__open(open__path("file"), IOCP_FILE_READ)), 5);
}

static void what_the_system_refuses_is_said_with_its_code(void **state)
{
    (void)state;
    static const win_call opening[] = {WIN_FULL_PATH, WIN_CREATE_FILE, WIN_GET_FILE_TYPE};
    open__make(open__path("file"), "hello");
    for (size_t i = 0; i < IOC_COUNT_OF(opening); i++) {
        win_faults_fail_next_of(opening[i], ERROR_IO_DEVICE);
        check_refused(open__path("file"), IOCP_FILE_READ, IOCP_EIO);
        assert_int_equal(iocp_loop_native_error(win.loop), ERROR_IO_DEVICE);
    }
}

static void a_size_that_is_refused_is_neither_told_nor_set(void **state)
{
    (void)state;
    uint64_t size = 4711;
    open__make(open__path("file"), "hello");
    iocp_handle_t file = open__open(open__path("file"), IOCP_FILE_READ | IOCP_FILE_WRITE);
    win_faults_fail_next_of(WIN_GET_SIZE, ERROR_IO_DEVICE);
    assert_int_equal(iocp_file_get_size(win.loop, file, &size), IOCP_EIO);
    assert_int_equal(iocp_loop_native_error(win.loop), ERROR_IO_DEVICE);
    assert_int_equal(size, 4711);
    win_faults_fail_next_of(WIN_SET_FILE_INFORMATION, ERROR_DISK_FULL);
    assert_int_equal(iocp_file_set_size(win.loop, file, 1), IOCP_ENOSPC);
    assert_int_equal(iocp_loop_native_error(win.loop), ERROR_DISK_FULL);
    assert_int_equal(open__size(file), 5);
}

/* ---- What is refused ---- */

/* The system may have a word of its own: a console that this process does not have, for instance. */
static void devices_are_refused_and_nothing_stays_open(void **state)
{
    (void)state;
    static const char *const paths[] = {"CON",           "CONIN$",     "CONOUT$",   "NUL",
                                        "\\\\.\\pipe\\", "\\\\.\\NUL", "\\\\.\\C:", "\\\\.\\C:\\"};
    for (size_t i = 0; i < IOC_COUNT_OF(paths); i++) {
        for (int writes = 0; writes <= 1; writes++) {
            iocp_handle_t handle = {0};
            size_t handles = win_open_handles();
            int status = iocp_file_open(win.loop, paths[i],
                                        writes ? IOCP_FILE_WRITE : IOCP_FILE_READ, &handle);
            if (status != IOCP_ENOTSUP) {
                print_message("%s: %s, %u\n", paths[i], iocp_error_name(status),
                              (unsigned)iocp_loop_native_error(win.loop));
            }
            assert_int_not_equal(status, IOCP_OK);
            assert_int_not_equal(status, IOCP_EUNKNOWN);
            assert_true(handle.id == 0);
            assert_int_equal(win_open_handles(), handles);
        }
    }
}

/* A volume is of the type of files, and has no size; a file by the way of its volume has one. */
static void a_volume_is_refused_and_a_file_by_a_devices_name_is_one(void **state)
{
    (void)state;
    wchar_t native[WIN_PATH_CHARACTERS];
    open__make(open__path("file"), "hello");
    win_path(native, open__path("file"));
    now.instead = native;
    win_faults_fail_next_of(WIN_GET_SIZE, ERROR_INVALID_PARAMETER);
    check_refused("\\\\.\\C:", IOCP_FILE_READ, IOCP_ENOTSUP);
    iocp_handle_t handle =
        open__open("\\\\?\\GLOBALROOT\\Device\\HarddiskVolume1\\file", IOCP_FILE_READ);
    assert_int_equal(iocp_handle_kind(win.loop, handle), IOCP_HANDLE_FILE);
}

/* One that nobody expects: by a path that says nothing of it. */
static void a_path_that_leads_to_a_pipe_is_refused(void **state)
{
    (void)state;
    static const uint32_t flags[] = {IOCP_FILE_READ, IOCP_FILE_WRITE, REWRITE};
    for (size_t i = 0; i < IOC_COUNT_OF(flags); i++) {
        HANDLE server = CreateNamedPipeA("\\\\.\\pipe\\iocploop-opening",
                                         PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED, PIPE_TYPE_BYTE,
                                         1, 64, 64, 0, NULL);
        assert_true(server != INVALID_HANDLE_VALUE);
        now.instead = L"\\\\.\\pipe\\iocploop-opening";
        check_refused(open__path("link"), flags[i], IOCP_ENOTSUP);
        assert_true(CloseHandle(server));
    }
}

#define OPEN_TEST(function) cmocka_unit_test_setup_teardown(function, open__setup, open__teardown)

/* What the system opens once and keeps is open before the first test counts. */
static int open__warm_up(void **state)
{
    win_use_winsock();
    assert_int_equal(open__setup(state), 0);
    (void)open__open(open__path("file"), REWRITE);
    win_loop_destroy(&win.loop);
    assert_true(win_folder_remove(now.folder));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OPEN_TEST(a_hidden_file_or_a_systems_is_emptied_and_keeps_its_attributes),
        OPEN_TEST(a_file_is_never_replaced),
        OPEN_TEST(a_file_that_is_emptied_keeps_its_other_streams),
        OPEN_TEST(a_file_that_cannot_be_emptied_is_not_opened),
        OPEN_TEST(what_the_system_refuses_is_said_with_its_code),
        OPEN_TEST(a_size_that_is_refused_is_neither_told_nor_set),
        OPEN_TEST(devices_are_refused_and_nothing_stays_open),
        OPEN_TEST(a_volume_is_refused_and_a_file_by_a_devices_name_is_one),
        OPEN_TEST(a_path_that_leads_to_a_pipe_is_refused),
    };
    win_catch_crashes();
    return cmocka_run_group_tests(tests, open__warm_up, NULL);
}
