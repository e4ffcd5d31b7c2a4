/*
 * Operations on paths as the system is told of them: how files are opened, the new ways of renaming and
 * removing and the old ones, what a reparse point is, a copy that is cancelled, trees by handles. What the
 * file system of this machine has not is played by doubles of single calls.
 */
#include "unit.h"

#include "win32/nt.h"
#include "win32/sys.h"

#include "contract_file.h"
#include "win_faults.h"
#include "win_files.h"
#include "win_leaks.h"
#include "win_loop.h"

#include <stdio.h>
#include <string.h>
#include <wchar.h>

#define OPENS 16
#define SETS  16

#define RENAME_EX ((FILE_INFO_BY_HANDLE_CLASS)22)
#define REMOVE_EX ((FILE_INFO_BY_HANDLE_CLASS)21)
#define ID_INFO   ((FILE_INFO_BY_HANDLE_CLASS)18)
#define LIST      ((FILE_INFO_BY_HANDLE_CLASS)14)
#define LIST_ANEW ((FILE_INFO_BY_HANDLE_CLASS)15)

/* A call of CreateFileW. */
typedef struct spy_open {
    DWORD thread_id;
    DWORD access;
    DWORD share;
    DWORD disposition;
    DWORD flags;
} spy_open;

/* A call of SetFileInformationByHandle, with what renames are told. */
typedef struct spy_set {
    FILE_INFO_BY_HANDLE_CLASS what;
    DWORD flags; /* or a boolean, whose other bytes nobody sets */
    DWORD name_bytes;
    wchar_t name[MAX_PATH];
} spy_set;

static struct {
    char folder[1024];
    uint32_t open_count;
    spy_open opens[OPENS];
    uint32_t set_count;
    spy_set sets[SETS];
    uint32_t set_error; /* of what only newer systems or file systems have, 0: they have it */
    DWORD reparse_tag;  /* what each file has, 0: as it is */
    bool has_no_id;
    bool cannot_follow;    /* a reparse point */
    const wchar_t *linked; /* a name that is a link in each list, or NULL */
    DWORD copy_flags;
    bool is_cancelled_early; /* a copy was, before it began */
    HANDLE copy_began;       /* set by the double of a copy, which lasts until it is cancelled */
    ACCESS_MASK accesses[OPENS]; /* of relative opens */
    ULONG options;
    uint32_t relative_count;
    HANDLE tree_began; /* NULL, or set with the first of these, which then waits for the other */
    HANDLE tree_goes_on;
} now;

/* ---- Doubles ---- */

static HANDLE WINAPI spy__create(const wchar_t *path, DWORD access, DWORD share,
                                 SECURITY_ATTRIBUTES *security, DWORD disposition, DWORD flags,
                                 HANDLE template_file)
{
    assert_null(security);
    assert_true(now.open_count < OPENS);
    now.opens[now.open_count++] =
        (spy_open){GetCurrentThreadId(), access, share, disposition, flags};
    if (now.cannot_follow && (flags & FILE_FLAG_OPEN_REPARSE_POINT) == 0) {
        SetLastError(ERROR_CANT_ACCESS_FILE);
        return INVALID_HANDLE_VALUE;
    }
    return win_faults_table()->CreateFileW(path, access, share, security, disposition, flags,
                                           template_file);
}

static void spy__keep_rename(spy_set *set, const void *data)
{
    const FILE_RENAME_INFO *info = data;
    set->name_bytes = info->FileNameLength;
    assert_true(set->name_bytes < sizeof set->name);
    memcpy(set->name, info->FileName, set->name_bytes);
}

/* What the system has, of what it may have: the new ways are carried out as the old ones are. */
static BOOL WINAPI spy__set(HANDLE file, FILE_INFO_BY_HANDLE_CLASS what, void *data, DWORD size)
{
    FILE_DISPOSITION_INFO remove = {TRUE};
    assert_true(now.set_count < SETS);
    spy_set *set = &now.sets[now.set_count++];
    set->what = what;
    memcpy(&set->flags, data, what == FileDispositionInfo ? 1 : sizeof set->flags);
    if (what == RENAME_EX || what == FileRenameInfo) {
        spy__keep_rename(set, data);
    }
    if ((what == RENAME_EX || what == REMOVE_EX) && now.set_error != 0) {
        SetLastError(now.set_error);
        return FALSE;
    }
    if (what == REMOVE_EX) {
        return SetFileInformationByHandle(file, FileDispositionInfo, &remove, sizeof remove);
    }
    if (what == RENAME_EX) {
        *(DWORD *)data &= 1;
        return SetFileInformationByHandle(file, FileRenameInfo, data, size);
    }
    return win_faults_table()->SetFileInformationByHandle(file, what, data, size);
}

/* FILE_FULL_DIR_INFO, which all lists are made of. */
typedef struct spy_name {
    ULONG next;
    ULONG index;
    LARGE_INTEGER times_and_sizes[6];
    ULONG attributes;
    ULONG name_bytes;
    ULONG ea_bytes;
    wchar_t name[1];
} spy_name;

static void spy__mark_links(void *data)
{
    size_t bytes = wcslen(now.linked) * sizeof *now.linked;
    for (spy_name *name = data;; name = (spy_name *)(void *)((char *)name + name->next)) {
        if (name->name_bytes == bytes && memcmp(name->name, now.linked, bytes) == 0) {
            name->attributes |= FILE_ATTRIBUTE_REPARSE_POINT;
        }
        if (name->next == 0) {
            return;
        }
    }
}

static BOOL WINAPI spy__get(HANDLE file, FILE_INFO_BY_HANDLE_CLASS what, void *data, DWORD size)
{
    if (what == ID_INFO && now.has_no_id) {
        SetLastError(ERROR_INVALID_PARAMETER);
        return FALSE;
    }
    if (what == FileAttributeTagInfo) {
        *(FILE_ATTRIBUTE_TAG_INFO *)data =
            (FILE_ATTRIBUTE_TAG_INFO){FILE_ATTRIBUTE_REPARSE_POINT, now.reparse_tag};
        return TRUE;
    }
    BOOL is_told = win_faults_table()->GetFileInformationByHandleEx(file, what, data, size);
    if (is_told && what == FileBasicInfo && now.reparse_tag != 0) {
        ((FILE_BASIC_INFO *)data)->FileAttributes |= FILE_ATTRIBUTE_REPARSE_POINT;
    }
    if (is_told && (what == LIST || what == LIST_ANEW) && now.linked != NULL) {
        spy__mark_links(data);
    }
    return is_told;
}

/* As the documentation has it: it ends when the flag is set, and leaves nothing. */
static BOOL WINAPI double__copy(const wchar_t *from, const wchar_t *to, LPPROGRESS_ROUTINE progress,
                                void *data, BOOL *is_cancelled, DWORD flags)
{
    (void)from;
    (void)to;
    assert_null(progress);
    assert_null(data);
    now.copy_flags = flags;
    now.is_cancelled_early = now.is_cancelled_early || *is_cancelled;
    assert_true(SetEvent(now.copy_began));
    while (!*(volatile BOOL *)is_cancelled) {
        Sleep(1);
    }
    SetLastError(ERROR_REQUEST_ABORTED);
    return FALSE;
}

typedef LONG(NTAPI *open_fn)(HANDLE *, ACCESS_MASK, ioc_nt_name *, ioc_nt_status_block *, ULONG,
                             ULONG);

static open_fn real_open;

static LONG NTAPI spy__open_relative(HANDLE *file, ACCESS_MASK access, ioc_nt_name *name,
                                     ioc_nt_status_block *block, ULONG share, ULONG options)
{
    assert_non_null(name->root);
    assert_true(now.relative_count < OPENS);
    now.accesses[now.relative_count++] = access;
    now.options = options;
    if (now.tree_began != NULL) {
        (void)SetEvent(now.tree_began);
        (void)WaitForSingleObject(now.tree_goes_on, INFINITE);
    }
    return real_open(file, access, name, block, share, options);
}

static FARPROC WINAPI spy__find(HMODULE module, const char *name)
{
    FARPROC found = GetProcAddress(module, name);
    if (strcmp(name, "NtOpenFile") != 0) {
        return found;
    }
    memcpy(&real_open, &found, sizeof real_open);
    open_fn own = spy__open_relative;
    memcpy(&found, &own, sizeof found);
    return found;
}

/* ---- The environment ---- */

static int disk__setup(void **state)
{
    (void)state;
    memset(&now, 0, sizeof now);
    win_begin();
    win.sys.CreateFileW = spy__create;
    win.sys.SetFileInformationByHandle = spy__set;
    win.sys.GetFileInformationByHandleEx = spy__get;
    win.sys.GetProcAddress = spy__find;
    assert_true(win_folder_create_fresh(now.folder, sizeof now.folder));
    win_open(IOCP_COMPLETION_AUTO);
    return 0;
}

static int disk__teardown(void **state)
{
    (void)win_end(state);
    assert_true(win_folder_remove(now.folder));
    return 0;
}

#define DISK_TEST(function) cmocka_unit_test_setup_teardown(function, disk__setup, disk__teardown)

/* ---- Steps ---- */

static contract_path path_of(const char *name)
{
    contract_path path;
    (void)snprintf(path.text, sizeof path.text, "%s/%s", now.folder, name);
    return path;
}

static void make(const char *name, const char *text)
{
    DWORD written = 0;
    HANDLE file =
        win_file_create(path_of(name).text, IOCP_FILE_WRITE | IOCP_FILE_CREATE, false, false);
    assert_non_null(file);
    assert_true(WriteFile(file, text, (DWORD)strlen(text), &written, NULL));
    assert_true(CloseHandle(file));
}

static bool is_there(const char *name)
{
    wchar_t native[WIN_PATH_CHARACTERS];
    win_path(native, path_of(name).text);
    return GetFileAttributesW(native) != INVALID_FILE_ATTRIBUTES;
}

static iocp_file_info_t info_now;

static iocp_action_t IOCP_CALL keep(iocp_loop_t *loop, const iocp_result_t *result, void *userdata)
{
    if (result->info != NULL) {
        info_now = *result->info;
    }
    return contract_keep(loop, result, userdata);
}

static contract_record record_now;

static void wait_for(int started, int status)
{
    assert_int_equal(started, IOCP_OK);
    win_wait(&record_now, 1);
    assert_string_equal(iocp_error_name(record_now.status), iocp_error_name(status));
}

static void stat_as(const char *name, uint32_t flags, int status)
{
    record_now = (contract_record){0};
    wait_for(iocp_stat(win.loop, path_of(name).text, flags, keep, &record_now, NULL), status);
}

static void rename_as(const char *from, const char *to, uint32_t flags, int status)
{
    record_now = (contract_record){0};
    wait_for(
        iocp_rename(win.loop, path_of(from).text, path_of(to).text, flags, keep, &record_now, NULL),
        status);
}

static void remove_as(const char *name, uint32_t flags, int status)
{
    record_now = (contract_record){0};
    wait_for(iocp_remove(win.loop, path_of(name).text, flags, keep, &record_now, NULL), status);
}

/* ---- Opening ---- */

/* On another thread, and otherwise as the function that opens at once. */
static void a_file_is_opened_on_the_pool_as_it_is_at_once(void **state)
{
    (void)state;
    static const uint32_t flags[] = {
        IOCP_FILE_READ,
        IOCP_FILE_READ | IOCP_FILE_SEQUENTIAL,
        IOCP_FILE_READ | IOCP_FILE_WRITE | IOCP_FILE_CREATE,
        IOCP_FILE_WRITE | IOCP_FILE_TRUNCATE | IOCP_FILE_NO_BUFFERING,
        IOCP_FILE_APPEND | IOCP_FILE_DENY_WRITE,
        IOCP_FILE_READ | IOCP_FILE_DENY_READ | IOCP_FILE_DENY_DELETE,
    };
    make("file", "hello");
    for (size_t i = 0; i < IOC_COUNT_OF(flags); i++) {
        iocp_handle_t handle = {0};
        now.open_count = 0;
        assert_int_equal(iocp_file_open(win.loop, path_of("file").text, flags[i], &handle),
                         IOCP_OK);
        assert_int_equal(iocp_close(win.loop, handle, NULL, NULL, NULL), IOCP_OK);
        assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
        record_now = (contract_record){0};
        wait_for(iocp_open(win.loop, path_of("file").text, flags[i], keep, &record_now, NULL),
                 IOCP_OK);
        assert_int_equal(iocp_close(win.loop, record_now.result.opened, NULL, NULL, NULL), IOCP_OK);
        assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
        spy_open *at_once = &now.opens[0];
        spy_open *on_pool = &now.opens[1];
        assert_int_equal(now.open_count, 2);
        assert_int_equal(at_once->thread_id, GetCurrentThreadId());
        assert_int_not_equal(on_pool->thread_id, GetCurrentThreadId());
        on_pool->thread_id = at_once->thread_id;
        assert_memory_equal(on_pool, at_once, sizeof *on_pool);
    }
}

static void what_is_denied_is_not_shared(void **state)
{
    (void)state;
    static const struct {
        uint32_t flags;
        DWORD share;
    } rows[] = {
        {0, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE},
        {IOCP_FILE_DENY_READ, FILE_SHARE_WRITE | FILE_SHARE_DELETE},
        {IOCP_FILE_DENY_WRITE, FILE_SHARE_READ | FILE_SHARE_DELETE},
        {IOCP_FILE_DENY_DELETE, FILE_SHARE_READ | FILE_SHARE_WRITE},
        {IOCP_FILE_DENY_READ | IOCP_FILE_DENY_WRITE | IOCP_FILE_DENY_DELETE, 0},
    };
    make("file", "hello");
    for (size_t i = 0; i < IOC_COUNT_OF(rows); i++) {
        iocp_handle_t handle = {0};
        now.open_count = 0;
        assert_int_equal(
            iocp_file_open(win.loop, path_of("file").text, IOCP_FILE_READ | rows[i].flags, &handle),
            IOCP_OK);
        assert_int_equal(now.opens[0].share, rows[i].share);
        assert_int_equal(iocp_close(win.loop, handle, NULL, NULL, NULL), IOCP_OK);
        assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    }
}

static void an_open_that_cannot_say_what_it_opened_opens_nothing(void **state)
{
    (void)state;
    make("file", "hello");
    win_faults_fail_next_of(WIN_GET_FILE_INFORMATION, ERROR_NOT_READY);
    record_now = (contract_record){0};
    wait_for(iocp_open(win.loop, path_of("file").text, IOCP_FILE_READ, keep, &record_now, NULL),
             IOCP_EIO);
    assert_int_equal(record_now.result.native_error, ERROR_NOT_READY);
    assert_true(record_now.result.opened.id == 0);
}

static void a_pipe_is_not_looked_at(void **state)
{
    (void)state;
    record_now = (contract_record){0};
    wait_for(iocp_stat(win.loop, "\\\\.\\pipe\\name", 0, keep, &record_now, NULL), IOCP_ENOTSUP);
    record_now = (contract_record){0};
    wait_for(iocp_open(win.loop, "\\\\.\\pipe\\name", IOCP_FILE_READ, keep, &record_now, NULL),
             IOCP_ENOTSUP);
    assert_int_equal(now.open_count, 0);
}

/* ---- Looking ---- */

static void who_looks_is_in_nobodys_way_and_lends_nobody_its_name(void **state)
{
    (void)state;
    const DWORD way = FILE_FLAG_BACKUP_SEMANTICS | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION;
    make("file", "hello");
    for (uint32_t flags = 0; flags <= IOCP_STAT_LINK; flags++) {
        now.open_count = 0;
        stat_as("file", flags, IOCP_OK);
        assert_int_equal(now.open_count, 1);
        assert_int_equal(now.opens[0].access, FILE_READ_ATTRIBUTES);
        assert_int_equal(now.opens[0].share,
                         FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE);
        assert_int_equal(now.opens[0].disposition, OPEN_EXISTING);
        assert_int_equal(now.opens[0].flags, way | (flags != 0 ? FILE_FLAG_OPEN_REPARSE_POINT : 0));
    }
}

/* The two links, one that the system follows, one that nobody can. */
static void a_reparse_point_is_a_link_or_what_it_leads_to_or_something_else(void **state)
{
    (void)state;
    const DWORD cloud = 0x9000001A;
    make("file", "hello");
    now.reparse_tag = IO_REPARSE_TAG_SYMLINK;
    stat_as("file", IOCP_STAT_LINK, IOCP_OK);
    assert_int_equal(info_now.kind, IOCP_KIND_LINK);
    assert_int_equal(info_now.reparse_tag, IO_REPARSE_TAG_SYMLINK);
    now.reparse_tag = IO_REPARSE_TAG_MOUNT_POINT;
    stat_as("file", IOCP_STAT_LINK, IOCP_OK);
    assert_int_equal(info_now.kind, IOCP_KIND_LINK);
    now.reparse_tag = cloud;
    now.open_count = 0;
    stat_as("file", IOCP_STAT_LINK, IOCP_OK);
    assert_int_equal(now.open_count, 2);
    assert_int_equal(info_now.kind, IOCP_KIND_FILE);
    assert_int_equal(info_now.reparse_tag, cloud);
    now.cannot_follow = true;
    stat_as("file", IOCP_STAT_LINK, IOCP_OK);
    assert_int_equal(info_now.kind, IOCP_KIND_OTHER);
    assert_true(info_now.size == 5);
    stat_as("file", 0, IOCP_ENOTSUP);
    assert_int_equal(record_now.result.native_error, ERROR_CANT_ACCESS_FILE);
}

static void a_file_system_need_not_have_ids(void **state)
{
    (void)state;
    make("file", "hello");
    now.has_no_id = true;
    stat_as("file", 0, IOCP_OK);
    assert_true(info_now.volume == 0 && info_now.file == 0 && info_now.file_high == 0);
    assert_true(info_now.size == 5);
}

static void each_question_that_fails_is_told(void **state)
{
    (void)state;
    make("file", "hello");
    win_faults_fail_next_of(WIN_GET_FILE_INFORMATION, ERROR_NOT_READY);
    stat_as("file", 0, IOCP_EIO);
    win_faults_fail_next_of(WIN_GET_FILE_TYPE, ERROR_INVALID_HANDLE);
    stat_as("file", 0, IOCP_EBADF);
    stat_as("file", 0, IOCP_OK);
}

/* ---- Renaming and removing ---- */

static void assert_renamed(const spy_set *set, FILE_INFO_BY_HANDLE_CLASS what, DWORD flags)
{
    wchar_t native[WIN_PATH_CHARACTERS];
    win_path(native, path_of("new").text);
    assert_int_equal(set->what, what);
    assert_int_equal(set->flags, flags);
    const wchar_t *plain = native + 4; /* without the prefix that it does not need */
    assert_int_equal(set->name_bytes, wcslen(plain) * sizeof *plain);
    assert_memory_equal(set->name, plain, set->name_bytes);
}

/* POSIX semantics where there are such, and only there. */
static void a_rename_is_asked_for_in_the_new_way_and_then_in_the_old_one(void **state)
{
    (void)state;
    static const uint32_t unknown[] = {ERROR_INVALID_PARAMETER, ERROR_INVALID_FUNCTION,
                                       ERROR_NOT_SUPPORTED, ERROR_CALL_NOT_IMPLEMENTED};
    make("file", "hello");
    rename_as("file", "new", 0, IOCP_OK);
    assert_int_equal(now.set_count, 1);
    assert_renamed(&now.sets[0], RENAME_EX, 2);
    for (size_t i = 0; i < IOC_COUNT_OF(unknown); i++) {
        now.set_count = 0;
        now.set_error = unknown[i];
        make("file", "hello");
        rename_as("file", "new", IOCP_REPLACE, IOCP_OK);
        assert_int_equal(now.set_count, 2);
        assert_renamed(&now.sets[0], RENAME_EX, 3);
        assert_renamed(&now.sets[1], FileRenameInfo, 1);
    }
    now.set_count = 0;
    now.set_error = ERROR_NOT_SAME_DEVICE;
    rename_as("new", "file", 0, IOCP_EXDEV);
    assert_int_equal(now.set_count, 1);
    assert_int_equal(now.opens[now.open_count - 1].access, DELETE | SYNCHRONIZE);
    assert_true((now.opens[now.open_count - 1].flags & FILE_FLAG_OPEN_REPARSE_POINT) != 0);
}

static void a_removal_is_asked_for_in_the_new_way_and_then_in_the_old_one(void **state)
{
    (void)state;
    make("file", "hello");
    remove_as("file", 0, IOCP_OK);
    assert_int_equal(now.set_count, 1);
    assert_int_equal(now.sets[0].what, REMOVE_EX);
    assert_int_equal(now.sets[0].flags, 3);
    assert_false(is_there("file"));
    make("file", "hello");
    now.set_count = 0;
    now.set_error = ERROR_INVALID_PARAMETER;
    remove_as("file", 0, IOCP_OK);
    assert_int_equal(now.set_count, 2);
    assert_int_equal(now.sets[1].what, FileDispositionInfo);
    assert_int_equal(now.sets[1].flags, TRUE);
    assert_false(is_there("file"));
    make("file", "hello");
    now.set_count = 0;
    now.set_error = ERROR_ACCESS_DENIED; /* it is read-only */
    remove_as("file", 0, IOCP_EACCES);
    assert_int_equal(now.set_count, 1);
    assert_true(is_there("file"));
}

/* ---- Trees ---- */

/* What is a link is opened as such, and not to be listed. */
static void a_link_in_a_tree_goes_and_is_not_followed(void **state)
{
    (void)state;
    assert_true(win_folder_create(path_of("tree").text));
    assert_true(win_folder_create(path_of("tree/sub").text));
    now.linked = L"sub";
    remove_as("tree", IOCP_REMOVE_TREE, IOCP_OK);
    assert_false(is_there("tree"));
    assert_int_equal(now.relative_count, 1);
    assert_int_equal(now.accesses[0] & FILE_LIST_DIRECTORY, 0);
    assert_int_equal(now.options & 0x200000, 0x200000); /* FILE_OPEN_REPARSE_POINT */
}

static void what_is_a_tree_is_opened_to_be_listed_and_relative_to_its_folder(void **state)
{
    (void)state;
    assert_true(win_folder_create(path_of("tree").text));
    assert_true(win_folder_create(path_of("tree/sub").text));
    make("tree/sub/file", "hello");
    remove_as("tree", IOCP_REMOVE_TREE, IOCP_OK);
    assert_false(is_there("tree"));
    assert_int_equal(now.relative_count, 2);
    assert_int_equal(now.accesses[0] & FILE_LIST_DIRECTORY, FILE_LIST_DIRECTORY);
    assert_int_equal(now.accesses[1] & FILE_LIST_DIRECTORY, 0);
    assert_int_equal(now.open_count, 1);
}

/* Between two names it looks whether it is still wanted. */
static void a_tree_that_is_being_removed_ends_by_a_cancel(void **state)
{
    (void)state;
    iocp_op_t op;
    now.tree_began = CreateEventW(NULL, FALSE, FALSE, NULL);
    now.tree_goes_on = CreateEventW(NULL, TRUE, FALSE, NULL);
    record_now = (contract_record){0};
    assert_true(win_folder_create(path_of("tree").text));
    make("tree/one", "hello");
    make("tree/other", "hello");
    assert_int_equal(
        iocp_remove(win.loop, path_of("tree").text, IOCP_REMOVE_TREE, keep, &record_now, &op),
        IOCP_OK);
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    assert_int_equal(WaitForSingleObject(now.tree_began, INFINITE), WAIT_OBJECT_0);
    assert_int_equal(iocp_cancel(win.loop, op, NULL, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    assert_true(SetEvent(now.tree_goes_on));
    win_wait(&record_now, 1);
    assert_int_equal(record_now.status, IOCP_ECANCELED);
    assert_int_equal(now.relative_count, 1);
    assert_true(is_there("tree/one") != is_there("tree/other"));
    assert_true(CloseHandle(now.tree_began));
    assert_true(CloseHandle(now.tree_goes_on));
}

/* ---- Copies ---- */

static void a_copy_that_runs_ends_by_a_cancel(void **state)
{
    (void)state;
    iocp_op_t op;
    now.copy_began = CreateEventW(NULL, FALSE, FALSE, NULL);
    win.sys.CopyFileExW = double__copy;
    for (uint32_t flags = 0; flags <= IOCP_REPLACE; flags++) {
        record_now = (contract_record){0};
        assert_int_equal(iocp_copy(win.loop, path_of("a").text, path_of("b").text, flags, keep,
                                   &record_now, &op),
                         IOCP_OK);
        assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
        assert_int_equal(WaitForSingleObject(now.copy_began, INFINITE), WAIT_OBJECT_0);
        assert_int_equal(iocp_cancel(win.loop, op, NULL, NULL, NULL), IOCP_OK);
        win_wait(&record_now, 1);
        assert_int_equal(record_now.status, IOCP_ECANCELED);
        assert_int_equal(now.copy_flags, flags != 0 ? 0 : COPY_FILE_FAIL_IF_EXISTS);
    }
    assert_true(CloseHandle(now.copy_began));
}

/* The flag of the run before does not end the next one. */
static void a_copy_that_is_rearmed_runs_again(void **state)
{
    (void)state;
    iocp_op_t op;
    now.copy_began = CreateEventW(NULL, FALSE, FALSE, NULL);
    win.sys.CopyFileExW = double__copy;
    record_now = (contract_record){.rearms = 1};
    assert_int_equal(
        iocp_copy(win.loop, path_of("a").text, path_of("b").text, 0, keep, &record_now, &op),
        IOCP_OK);
    for (int calls = 1; calls <= 2; calls++) {
        assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
        assert_int_equal(WaitForSingleObject(now.copy_began, INFINITE), WAIT_OBJECT_0);
        assert_int_equal(iocp_cancel(win.loop, op, NULL, NULL, NULL), IOCP_OK);
        win_wait(&record_now, calls);
        assert_int_equal(record_now.status, IOCP_ECANCELED);
        assert_false(now.is_cancelled_early);
    }
    assert_true(CloseHandle(now.copy_began));
}

/* ---- Faults ---- */

static char life_folder[1024];

static const char *life__path(const char *name)
{
    static char paths[4][1100];
    static int turn;
    char *path = paths[turn++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s/%s", life_folder, name);
    return path;
}

/* One after the other, since each needs what the one before has made. */
static void disk__live(iocp_loop_t *loop, win_life *life)
{
    contract_record *r = life->records;
    const uint32_t flags = IOCP_FILE_WRITE | IOCP_FILE_CREATE;
    win_life_count(life, iocp_folder_create(loop, life__path("tree/sub"), IOCP_FOLDER_PARENTS,
                                            contract_keep, &r[0], NULL));
    (void)iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE);
    win_life_count(life,
                   iocp_open(loop, life__path("tree/file"), flags, contract_keep, &r[1], NULL));
    (void)iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE);
    (void)iocp_close(loop, r[1].result.opened, NULL, NULL, NULL);
    win_life_count(life, iocp_copy(loop, life__path("tree/file"), life__path("tree/sub/copy"),
                                   IOCP_REPLACE, contract_keep, &r[2], NULL));
    (void)iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE);
    win_life_count(life, iocp_rename(loop, life__path("tree/sub/copy"), life__path("tree/new"),
                                     IOCP_REPLACE, contract_keep, &r[3], NULL));
    (void)iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE);
    win_life_count(
        life, iocp_remove(loop, life__path("tree"), IOCP_REMOVE_TREE, contract_keep, &r[4], NULL));
    (void)iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE);
}

static void any_one_system_call_may_fail_in_the_life_of_a_tree(void **state)
{
    (void)state;
    assert_true(win_folder_create_fresh(life_folder, sizeof life_folder));
    win_live_with_faults(disk__live);
    assert_true(win_folder_remove(life_folder));
}

static void any_one_allocation_may_be_refused_in_the_life_of_a_tree(void **state)
{
    (void)state;
    uint64_t allowed = 0;
    assert_true(win_folder_create_fresh(life_folder, sizeof life_folder));
    for (bool is_whole = false; !is_whole; allowed++) {
        win_life life = {0};
        int told = 0;
        unit_memory_allow(&win.memory, allowed);
        disk__live(win.loop, &life);
        unit_memory_allow(&win.memory, UINT64_MAX);
        (void)iocp_loop_run(win.loop, IOCP_RUN_UNTIL_DONE);
        is_whole = life.started == (int)IOC_COUNT_OF(life.records);
        for (size_t i = 0; i < IOC_COUNT_OF(life.records); i++) {
            told += life.records[i].calls;
            is_whole = is_whole && life.records[i].status == IOCP_OK;
        }
        assert_int_equal(told, life.started);
        assert_true(allowed < 200);
    }
    print_message("%u allocations were refused\n", (unsigned)allowed - 1);
    assert_true(allowed > 10);
    assert_true(win_folder_remove(life_folder));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DISK_TEST(a_file_is_opened_on_the_pool_as_it_is_at_once),
        DISK_TEST(what_is_denied_is_not_shared),
        DISK_TEST(an_open_that_cannot_say_what_it_opened_opens_nothing),
        DISK_TEST(a_pipe_is_not_looked_at),
        DISK_TEST(who_looks_is_in_nobodys_way_and_lends_nobody_its_name),
        DISK_TEST(a_reparse_point_is_a_link_or_what_it_leads_to_or_something_else),
        DISK_TEST(a_file_system_need_not_have_ids),
        DISK_TEST(each_question_that_fails_is_told),
        DISK_TEST(a_rename_is_asked_for_in_the_new_way_and_then_in_the_old_one),
        DISK_TEST(a_removal_is_asked_for_in_the_new_way_and_then_in_the_old_one),
        DISK_TEST(a_link_in_a_tree_goes_and_is_not_followed),
        DISK_TEST(what_is_a_tree_is_opened_to_be_listed_and_relative_to_its_folder),
        DISK_TEST(a_tree_that_is_being_removed_ends_by_a_cancel),
        DISK_TEST(a_copy_that_runs_ends_by_a_cancel),
        DISK_TEST(a_copy_that_is_rearmed_runs_again),
        cmocka_unit_test_setup_teardown(any_one_system_call_may_fail_in_the_life_of_a_tree,
                                        win_setup, win_end),
        cmocka_unit_test_setup_teardown(any_one_allocation_may_be_refused_in_the_life_of_a_tree,
                                        win_setup, win_end),
    };
    win_catch_crashes();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
