/*
 * Changes of a folder, and the names in it: what the system is told, what its answers become, by doubles
 * of its functions; and every call and every allocation of one failing in turn.
 */
#include "win_loop.h"

#include "contract_file.h"
#include "folder.h"
#include "loop.h"
#include "win32/port.h"

#include "win_faults.h"
#include "win_leaks.h"

#include <string.h>

#define STATUS_ENUM_DIR_       0x0000010Cu
#define STATUS_DELETE_PENDING_ 0xC0000056u
#define STATUS_NOT_SUPPORTED_  0xC00000BBu
#define STATUS_CANCELLED_      0xC0000120u

#define MOST_CALLS 8

/* What the double answers to a call: it fails, or has a packet, or is pending. */
typedef struct answer {
    DWORD error;
    bool has_packet;
    uint32_t nt_status;
    const void *records;
    size_t size;
} answer;

typedef struct call {
    DWORD size;
    DWORD filter;
    BOOL is_tree;
    bool has_details;
    int information;
} call;

static struct {
    bool is_faked;
    bool has_details; /* the system has ReadDirectoryChangesExW */
    answer answers[MOST_CALLS];
    call calls[MOST_CALLS];
    int count;
    OVERLAPPED *pending;
} fake;

/* ---- The double ---- */

static void fake__post(OVERLAPPED *overlapped, uint32_t nt_status, size_t bytes)
{
    void *port = NULL;
    assert_int_equal(iocp_loop_native_port(win.loop, &port), IOCP_OK);
    ULONG_PTR key = (ULONG_PTR)&ioc_win_port_of(win.loop->loop_only.ops.port)->tokens;
    overlapped->Internal = nt_status;
    overlapped->InternalHigh = bytes;
    assert_true(PostQueuedCompletionStatus(port, (DWORD)bytes, key, overlapped));
}

static BOOL fake__read(void *buffer, call asked, OVERLAPPED *overlapped)
{
    assert_in_range(fake.count, 0, MOST_CALLS - 1);
    const answer *now = &fake.answers[fake.count];
    fake.calls[fake.count++] = asked;
    assert_null(overlapped->hEvent);
    assert_int_equal((uintptr_t)buffer % 8, 0);
    if (now->error != 0) {
        SetLastError(now->error);
        return FALSE;
    }
    if (now->has_packet) {
        if (now->size > 0) {
            memcpy(buffer, now->records, now->size);
        }
        fake__post(overlapped, now->nt_status, now->size);
    } else {
        fake.pending = overlapped;
    }
    return TRUE;
}

static BOOL WINAPI fake__changes(HANDLE folder, void *buffer, DWORD size, BOOL is_tree,
                                 DWORD filter, DWORD *bytes, OVERLAPPED *overlapped,
                                 LPOVERLAPPED_COMPLETION_ROUTINE routine)
{
    if (!fake.is_faked) {
        return win_faults_table()->ReadDirectoryChangesW(folder, buffer, size, is_tree, filter,
                                                         bytes, overlapped, routine);
    }
    assert_null(bytes);
    assert_null(routine);
    return fake__read(buffer, (call){.size = size, .filter = filter, .is_tree = is_tree},
                      overlapped);
}

static BOOL WINAPI fake__changes_ex(HANDLE folder, void *buffer, DWORD size, BOOL is_tree,
                                    DWORD filter, DWORD *bytes, OVERLAPPED *overlapped,
                                    LPOVERLAPPED_COMPLETION_ROUTINE routine, int information)
{
    (void)folder;
    assert_null(bytes);
    assert_null(routine);
    return fake__read(buffer,
                      (call){.size = size,
                             .filter = filter,
                             .is_tree = is_tree,
                             .has_details = true,
                             .information = information},
                      overlapped);
}

static FARPROC WINAPI fake__find(HMODULE module, const char *name)
{
    FARPROC found = NULL;
    BOOL(WINAPI * changes)
    (HANDLE, void *, DWORD, BOOL, DWORD, DWORD *, OVERLAPPED *, LPOVERLAPPED_COMPLETION_ROUTINE,
     int) = fake__changes_ex;
    if (strcmp(name, "ReadDirectoryChangesExW") != 0) {
        return win_faults_table()->GetProcAddress(module, name);
    }
    if (fake.has_details) {
        memcpy(&found, &changes, sizeof found);
    }
    return found;
}

/* What is pending in the double ends by a cancel, once. */
static BOOL WINAPI fake__cancel(HANDLE handle, OVERLAPPED *overlapped)
{
    OVERLAPPED *pending = fake.pending;
    if (!fake.is_faked) {
        return win_faults_table()->CancelIoEx(handle, overlapped);
    }
    if (pending == NULL || (overlapped != NULL && overlapped != pending)) {
        SetLastError(ERROR_NOT_FOUND);
        return FALSE;
    }
    fake.pending = NULL;
    fake__post(pending, STATUS_CANCELLED_, 0);
    return TRUE;
}

/* ---- The environment ---- */

static int folder__setup(void **state)
{
    (void)state;
    win_begin();
    memset(&fake, 0, sizeof fake);
    win.sys.ReadDirectoryChangesW = fake__changes;
    win.sys.GetProcAddress = fake__find;
    win.sys.CancelIoEx = fake__cancel;
    return 0;
}

/* The folder in which the system has its own, which nobody changes here. */
static iocp_handle_t folder__open(void)
{
    wchar_t wide[MAX_PATH];
    char path[4 * MAX_PATH];
    iocp_handle_t folder = {0};
    assert_in_range(GetSystemDirectoryW(wide, MAX_PATH), 1, MAX_PATH - 1);
    assert_true(WideCharToMultiByte(CP_UTF8, 0, wide, -1, path, sizeof path, NULL, NULL) > 0);
    assert_int_equal(iocp_file_open(win.loop, path, IOCP_FILE_READ | IOCP_FILE_FOLDER, &folder),
                     IOCP_OK);
    return folder;
}

static iocp_handle_t folder__open_faked(bool has_details)
{
    win_open(IOCP_COMPLETION_AUTO);
    memset(&fake, 0, sizeof fake);
    fake.is_faked = true;
    fake.has_details = has_details;
    return folder__open();
}

/* ---- What is told ---- */

typedef struct told {
    contract_record record; /* without the entries, which end with the callback */
    iocp_change_t change;   /* of the first */
    char name[32];
    char old_name[32];
    int count;
    bool has_info;
    int rearms;
} told;

static iocp_action_t IOCP_CALL told__keep(iocp_loop_t *loop, const iocp_result_t *result,
                                          void *userdata)
{
    told *t = userdata;
    const iocp_entry_t *first = result->entries;
    (void)contract_keep(loop, result, &t->record);
    if (contract_is_over()) {
        return IOCP_DISARM;
    }
    t->count = 0;
    if (first != NULL) {
        t->change = (iocp_change_t)first->change;
        strncpy(t->name, first->name, sizeof t->name - 1);
        strncpy(t->old_name, first->old_name != NULL ? first->old_name : "",
                sizeof t->old_name - 1);
        t->has_info = first->info != NULL;
    }
    for (const iocp_entry_t *entry = first; entry != NULL; entry = entry->next) {
        t->count++;
    }
    return t->rearms-- > 0 ? IOCP_REARM : IOCP_DISARM;
}

static iocp_op_t told__start(told *t, iocp_handle_t folder, uint32_t flags)
{
    iocp_op_t op = {0};
    assert_int_equal(iocp_folder_watch(win.loop, folder, flags, told__keep, t, &op), IOCP_OK);
    return op;
}

static void assert_rescan(const told *t, int calls)
{
    win_expect(&t->record, calls, IOCP_OK, 0);
    assert_int_equal(t->record.result.flags & IOCP_RESULT_RESCAN, IOCP_RESULT_RESCAN);
    assert_int_equal(t->count, 0);
}

static void assert_entry(const told *t, int calls, iocp_change_t change, const char *name)
{
    win_expect(&t->record, calls, IOCP_OK, 0);
    assert_int_equal(t->record.result.flags, 0);
    assert_int_equal(t->record.result.bytes, 0);
    assert_int_equal(t->count, 1);
    assert_int_equal(t->change, change);
    assert_string_equal(t->name, name);
}

/* ---- Records ---- */

static FILE_NOTIFY_INFORMATION *record__make(void *memory, DWORD action, wchar_t name)
{
    FILE_NOTIFY_INFORMATION *record = memory;
    *record = (FILE_NOTIFY_INFORMATION){.Action = action, .FileNameLength = sizeof(wchar_t)};
    record->FileName[0] = name;
    return record;
}

#define RECORD_BYTES (offsetof(FILE_NOTIFY_INFORMATION, FileName) + sizeof(wchar_t))

static answer answer__record(DWORD action, wchar_t name)
{
    static FILE_NOTIFY_INFORMATION records[MOST_CALLS];
    static int next;
    FILE_NOTIFY_INFORMATION *record = &records[next++ % MOST_CALLS];
    return (answer){
        .has_packet = true, .records = record__make(record, action, name), .size = RECORD_BYTES};
}

/* FILE_NOTIFY_EXTENDED_INFORMATION, which not all headers have. */
static answer answer__detailed(DWORD action, wchar_t name)
{
    static unsigned char bytes[88];
    const DWORD length = sizeof name;
    memset(bytes, 0, sizeof bytes);
    memcpy(bytes + 4, &action, sizeof action);
    memcpy(bytes + 80, &length, sizeof length);
    memcpy(bytes + 84, &name, sizeof name);
    return (answer){.has_packet = true, .records = bytes, .size = 86};
}

/* ---- What the system is told ---- */

static void the_system_is_told_what_to_look_at(void **state)
{
    static const struct {
        uint32_t flags;
        DWORD filter;
    } table[] = {
        {0, FILE_NOTIFY_CHANGE_FILE_NAME | FILE_NOTIFY_CHANGE_DIR_NAME | FILE_NOTIFY_CHANGE_SIZE |
                FILE_NOTIFY_CHANGE_LAST_WRITE},
        {IOCP_WATCH_NAMES, FILE_NOTIFY_CHANGE_FILE_NAME | FILE_NOTIFY_CHANGE_DIR_NAME},
        {IOCP_WATCH_CONTENTS, FILE_NOTIFY_CHANGE_SIZE | FILE_NOTIFY_CHANGE_LAST_WRITE},
        {IOCP_WATCH_ATTRIBUTES, FILE_NOTIFY_CHANGE_ATTRIBUTES | FILE_NOTIFY_CHANGE_SECURITY},
    };
    (void)state;
    for (size_t i = 0; i < 2 * IOC_COUNT_OF(table); i++) {
        told t = {.rearms = 0};
        bool is_tree = i % 2 != 0;
        iocp_handle_t folder = folder__open_faked(false);
        fake.answers[0] = answer__record(FILE_ACTION_ADDED, L'a');
        told__start(&t, folder, table[i / 2].flags | (is_tree ? IOCP_WATCH_TREE : 0u));
        win_wait(&t.record, 1);
        assert_entry(&t, 1, IOCP_CHANGE_ADDED, "a");
        assert_false(t.has_info);
        assert_int_equal(fake.count, 1);
        assert_int_equal(fake.calls[0].size, 65536);
        assert_int_equal(fake.calls[0].is_tree, is_tree);
        assert_int_equal(fake.calls[0].filter, table[i / 2].filter);
    }
}

static void details_are_asked_for_where_the_system_has_them(void **state)
{
    told t = {.rearms = 0};
    (void)state;
    iocp_handle_t folder = folder__open_faked(true);
    fake.answers[0] = answer__detailed(FILE_ACTION_ADDED, L'a');
    told__start(&t, folder, 0);
    win_wait(&t.record, 1);
    assert_entry(&t, 1, IOCP_CHANGE_ADDED, "a");
    assert_true(t.has_info);
    assert_true(fake.calls[0].has_details);
    assert_int_equal(fake.calls[0].information, 2); /* ReadDirectoryNotifyExtendedInformation */
    assert_int_equal(fake.calls[0].size, 65536);
}

/* By the call or by the packet; it is not asked again. */
static void a_file_system_without_details_is_asked_for_names(void **state)
{
    static const answer refusals[] = {
        {.error = ERROR_INVALID_FUNCTION},
        {.error = ERROR_NOT_SUPPORTED},
        {.error = ERROR_INVALID_PARAMETER},
        {.has_packet = true, .nt_status = STATUS_NOT_SUPPORTED_},
    };
    (void)state;
    for (size_t i = 0; i < IOC_COUNT_OF(refusals); i++) {
        told t = {.rearms = 1};
        iocp_handle_t folder = folder__open_faked(true);
        fake.answers[0] = refusals[i];
        fake.answers[1] = answer__record(FILE_ACTION_ADDED, L'a');
        fake.answers[2] = answer__record(FILE_ACTION_ADDED, L'b');
        told__start(&t, folder, IOCP_WATCH_TREE);
        win_wait(&t.record, 2);
        assert_entry(&t, 2, IOCP_CHANGE_ADDED, "b");
        assert_int_equal(fake.count, 3);
        for (int k = 0; k < 3; k++) {
            assert_int_equal(fake.calls[k].has_details, k == 0);
            assert_true(fake.calls[k].is_tree);
        }
    }
}

static void a_file_system_that_tells_nothing_is_said_so(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        told t = {.rearms = 0};
        iocp_handle_t folder = folder__open_faked(i != 0);
        fake.answers[0].error = ERROR_INVALID_FUNCTION;
        fake.answers[1].error = ERROR_INVALID_FUNCTION;
        told__start(&t, folder, 0);
        win_wait(&t.record, 1);
        win_expect(&t.record, 1, IOCP_ENOTSUP, ERROR_INVALID_FUNCTION);
        assert_int_equal(fake.count, 1 + i);
    }
}

/* ---- Too much, and the end ---- */

static void what_overflows_is_a_rescan_in_each_of_its_forms(void **state)
{
    static const answer forms[] = {
        {.has_packet = true},
        {.has_packet = true, .nt_status = STATUS_ENUM_DIR_},
        {.error = ERROR_NOTIFY_ENUM_DIR},
    };
    (void)state;
    for (size_t i = 0; i < IOC_COUNT_OF(forms); i++) {
        told t = {.rearms = 1};
        iocp_handle_t folder = folder__open_faked(false);
        fake.answers[0] = forms[i];
        fake.answers[1] = answer__record(FILE_ACTION_ADDED, L'a');
        told__start(&t, folder, 0);
        win_wait(&t.record, 1);
        assert_rescan(&t, 1);
        win_wait(&t.record, 2);
        assert_entry(&t, 2, IOCP_CHANGE_ADDED, "a"); /* it goes on */
    }
}

/* It has bytes, and nobody says how many are right. */
static void bytes_beside_the_words_for_too_much_are_not_read(void **state)
{
    told t = {.rearms = 0};
    (void)state;
    iocp_handle_t folder = folder__open_faked(false);
    fake.answers[0] = answer__record(FILE_ACTION_ADDED, L'a');
    fake.answers[0].nt_status = STATUS_ENUM_DIR_;
    told__start(&t, folder, 0);
    win_wait(&t.record, 1);
    assert_rescan(&t, 1);
}

static void records_that_lie_are_a_rescan(void **state)
{
    static FILE_NOTIFY_INFORMATION record;
    told t = {.rearms = 0};
    (void)state;
    iocp_handle_t folder = folder__open_faked(false);
    record__make(&record, FILE_ACTION_ADDED, L'a')->FileNameLength = 1000;
    fake.answers[0] = (answer){.has_packet = true, .records = &record, .size = RECORD_BYTES};
    told__start(&t, folder, 0);
    win_wait(&t.record, 1);
    assert_rescan(&t, 1);
}

static void a_folder_that_is_removed_is_not_found(void **state)
{
    static const answer forms[] = {
        {.has_packet = true, .nt_status = STATUS_DELETE_PENDING_},
        {.error = ERROR_ACCESS_DENIED},
    };
    (void)state;
    for (size_t i = 0; i < 2 * IOC_COUNT_OF(forms); i++) {
        told t = {.rearms = 0};
        iocp_handle_t folder = folder__open_faked(i % 2 != 0);
        fake.answers[0] = forms[i / 2];
        told__start(&t, folder, 0);
        win_wait(&t.record, 1);
        assert_int_equal(t.record.status, IOCP_ENOTFOUND);
        assert_int_equal(fake.count, 1);
    }
}

/* ---- Half of a rename ---- */

static void a_rename_in_two_answers_is_one_entry(void **state)
{
    told t = {.rearms = 0};
    (void)state;
    iocp_handle_t folder = folder__open_faked(false);
    fake.answers[0] = answer__record(FILE_ACTION_RENAMED_OLD_NAME, L'a');
    fake.answers[1] = answer__record(FILE_ACTION_RENAMED_NEW_NAME, L'b');
    told__start(&t, folder, 0);
    win_wait(&t.record, 1);
    assert_entry(&t, 1, IOCP_CHANGE_RENAMED, "b");
    assert_string_equal(t.old_name, "a");
}

static void half_a_rename_is_told_as_a_removal_a_moment_later(void **state)
{
    told t = {.rearms = 1};
    (void)state;
    iocp_handle_t folder = folder__open_faked(false);
    fake.answers[0] = answer__record(FILE_ACTION_RENAMED_OLD_NAME, L'a');
    fake.answers[2] = answer__record(FILE_ACTION_ADDED, L'b');
    uint64_t before_ns = iocp_loop_now(win.loop);
    told__start(&t, folder, 0);
    win_wait(&t.record, 1);
    assert_entry(&t, 1, IOCP_CHANGE_REMOVED, "a");
    assert_true(t.record.now_ns >= before_ns + 100 * MS);
    assert_null(fake.pending);
    win_wait(&t.record, 2);
    assert_entry(&t, 2, IOCP_CHANGE_ADDED, "b");
    assert_int_equal(fake.count, 3);
}

/* A cancel is one, and the next watch still knows the half. */
static void a_cancel_beside_half_a_rename_keeps_it(void **state)
{
    told t = {.rearms = 0};
    told next = {.rearms = 0};
    (void)state;
    iocp_handle_t folder = folder__open_faked(false);
    fake.answers[0] = answer__record(FILE_ACTION_RENAMED_OLD_NAME, L'a');
    iocp_op_t op = told__start(&t, folder, 0);
    assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    contract_idle(win.loop);
    assert_int_equal(fake.count, 2);
    assert_int_equal(iocp_cancel(win.loop, op, NULL, NULL, NULL), IOCP_OK);
    win_wait(&t.record, 1);
    assert_int_equal(t.record.status, IOCP_ECANCELED);
    fake.answers[2] = answer__record(FILE_ACTION_RENAMED_NEW_NAME, L'b');
    told__start(&next, folder, 0);
    win_wait(&next.record, 1);
    assert_entry(&next, 1, IOCP_CHANGE_RENAMED, "b");
    assert_string_equal(next.old_name, "a");
}

/* ---- Want of memory ---- */

static void changes_that_no_memory_can_tell_are_a_rescan(void **state)
{
    told t = {.rearms = 1};
    (void)state;
    iocp_handle_t folder = folder__open_faked(false);
    fake.answers[0] = answer__record(FILE_ACTION_ADDED, L'a');
    fake.answers[1] = answer__record(FILE_ACTION_ADDED, L'b');
    told__start(&t, folder, 0);
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    unit_memory_allow(&win.memory, 0);
    win_wait(&t.record, 1);
    assert_rescan(&t, 1);
    unit_memory_allow(&win.memory, UINT64_MAX);
    win_wait(&t.record, 2);
    assert_entry(&t, 2, IOCP_CHANGE_ADDED, "b");
}

/* ---- Names ---- */

#define LIST_CALLS 16

/* The classes that the double of GetFileInformationByHandleEx was asked for, and which it lacks. */
static struct {
    bool is_watched;
    int classes[LIST_CALLS];
    int count;
    uint32_t refused; /* a bit for each */
    DWORD error;
    DWORD last_error; /* not 0: of the portion behind the first */
} list;

static BOOL WINAPI list__ask(HANDLE file, FILE_INFO_BY_HANDLE_CLASS what, void *answer, DWORD size)
{
    bool is_name = what == 10 || what == 11 || what == 14 || what == 15 || what == 19 || what == 20;
    if (!list.is_watched || !is_name) {
        return win_faults_table()->GetFileInformationByHandleEx(file, what, answer, size);
    }
    assert_int_equal(size, 65536);
    assert_in_range(list.count, 0, LIST_CALLS - 1);
    list.classes[list.count++] = (int)what;
    DWORD error = (list.refused >> what & 1) != 0 ? list.error : 0;
    if (list.last_error != 0 && (what == 10 || what == 14 || what == 19)) {
        error = list.last_error;
    }
    if (error != 0) {
        SetLastError(error);
        return FALSE;
    }
    static const struct {
        int what;
        size_t name;
    } forms[] = {{20, 88}, {11, 104}, {15, 68}, {19, 88}, {10, 104}, {14, 68}};
    for (size_t i = 0; i < IOC_COUNT_OF(forms); i++) {
        if (forms[i].what == (int)what) { /* one name, "n" */
            const DWORD length = sizeof(wchar_t);
            memset(answer, 0, forms[i].name + 2);
            memcpy((unsigned char *)answer + 60, &length, sizeof length);
            memcpy((unsigned char *)answer + forms[i].name, L"n", sizeof(wchar_t));
        }
    }
    return TRUE;
}

#define LIST_ALL UINT32_MAX

static iocp_handle_t list__open(uint32_t refused, DWORD error, DWORD last_error)
{
    memset(&list, 0, sizeof list);
    win.sys.GetFileInformationByHandleEx = list__ask;
    iocp_handle_t folder = folder__open_faked(false);
    list.is_watched = true;
    list.refused = refused;
    list.error = error;
    list.last_error = last_error;
    return folder;
}

static void list__start(told *t, iocp_handle_t folder)
{
    assert_int_equal(iocp_folder_list(win.loop, folder, told__keep, t, NULL), IOCP_OK);
}

/* And which that is, is found out once. */
static void a_file_system_is_asked_for_as_much_as_it_has(void **state)
{
    static const DWORD refusals[] = {ERROR_INVALID_PARAMETER, ERROR_INVALID_FUNCTION,
                                     ERROR_NOT_SUPPORTED, ERROR_INVALID_LEVEL};
    static const struct {
        uint32_t refused;
        int classes[5];
    } table[] = {
        {0, {20, 19}},
        {1u << 20, {20, 11, 10}},
        {1u << 20 | 1u << 11, {20, 11, 15, 14}},
    };
    (void)state;
    for (size_t i = 0; i < IOC_COUNT_OF(table) * IOC_COUNT_OF(refusals); i++) {
        told t = {.rearms = 1};
        uint32_t refused = table[i % IOC_COUNT_OF(table)].refused;
        const int *classes = table[i % IOC_COUNT_OF(table)].classes;
        iocp_handle_t folder = list__open(refused, refusals[i / IOC_COUNT_OF(table)], 0);
        list__start(&t, folder);
        win_wait(&t.record, 2);
        assert_entry(&t, 2, IOCP_CHANGE_NONE, "n");
        assert_true(t.has_info);
        for (int k = 0; k < list.count; k++) {
            assert_int_equal(list.classes[k], classes[k]);
        }
        assert_true(classes[list.count] == 0);
    }
}

static void the_end_of_a_list_is_one(void **state)
{
    static const struct {
        DWORD error; /* of the first portion, or of the second */
        bool is_first;
        int status;
    } table[] = {
        {ERROR_NO_MORE_FILES, true, IOCP_EOF},
        {ERROR_NO_MORE_FILES, false, IOCP_EOF},
        {ERROR_FILE_NOT_FOUND, true, IOCP_EOF}, /* a root with nothing in it */
        {ERROR_FILE_NOT_FOUND, false, IOCP_ENOTFOUND},
        {ERROR_ACCESS_DENIED, true, IOCP_EACCES},
        {ERROR_OPERATION_ABORTED, false, IOCP_ECONNABORTED}, /* and nobody of us asked */
    };
    (void)state;
    for (size_t i = 0; i < IOC_COUNT_OF(table); i++) {
        told t = {.rearms = table[i].is_first ? 0 : 1};
        iocp_handle_t folder = list__open(table[i].is_first ? LIST_ALL : 0, table[i].error,
                                          table[i].is_first ? 0 : table[i].error);
        list__start(&t, folder);
        win_wait(&t.record, table[i].is_first ? 1 : 2);
        assert_string_equal(iocp_error_name(t.record.status), iocp_error_name(table[i].status));
        assert_int_equal(t.count, 0);
    }
}

/* What the folder is opened by again has its own place in it, and is closed with the operation. */
static void a_folder_that_is_denied_to_others_is_not_listed(void **state)
{
    told t = {.rearms = 0};
    (void)state;
    iocp_handle_t folder = list__open(0, 0, 0);
    win_faults_fail_next_of(WIN_REOPEN_FILE, ERROR_SHARING_VIOLATION);
    list__start(&t, folder);
    win_wait(&t.record, 1);
    win_expect(&t.record, 1, IOCP_EBUSY, ERROR_SHARING_VIOLATION);
    told next = {.rearms = 0};
    list__start(&next, folder);
    win_wait(&next.record, 1);
    assert_entry(&next, 1, IOCP_CHANGE_NONE, "n");
}

/* ---- Each call and each allocation failing in turn ---- */

/* On the system's own function: a watch that is cancelled, and one that ends with its handle. */
static void folder__live(iocp_loop_t *loop, win_life *life)
{
    char path[4 * MAX_PATH];
    wchar_t wide[MAX_PATH];
    iocp_handle_t folder = {0};
    iocp_op_t op = {0};
    assert_in_range(GetSystemDirectoryW(wide, MAX_PATH), 1, MAX_PATH - 1);
    assert_true(WideCharToMultiByte(CP_UTF8, 0, wide, -1, path, sizeof path, NULL, NULL) > 0);
    if (iocp_file_open(loop, path, IOCP_FILE_READ | IOCP_FILE_FOLDER, &folder) != IOCP_OK) {
        return;
    }
    win_life_count(life, iocp_folder_watch(loop, folder, IOCP_WATCH_NAMES, contract_keep,
                                           &life->records[life->started], &op));
    (void)iocp_loop_submit(loop);
    (void)iocp_cancel(loop, op, NULL, NULL, NULL);
    for (int i = 0; i < 4; i++) {
        (void)iocp_loop_run(loop, IOCP_RUN_NO_WAIT);
    }
    win_life_count(life, iocp_folder_watch(loop, folder, IOCP_WATCH_NAMES, contract_keep,
                                           &life->records[life->started], NULL));
    (void)iocp_loop_submit(loop);
    contract_record *listed = &life->records[life->started];
    int expected = life->started;
    win_life_count(life, iocp_folder_list(loop, folder, contract_keep, listed, NULL));
    for (int i = 0; i < 100 && life->started > expected && listed->calls == 0; i++) {
        (void)iocp_loop_run(loop, IOCP_RUN_ONCE);
    }
    win_life_count(life,
                   iocp_close(loop, folder, contract_keep, &life->records[life->started], NULL));
}

static void any_one_system_call_of_one_may_fail(void **state)
{
    (void)state;
    win_live_with_faults(folder__live);
}

static void any_one_allocation_of_one_may_be_refused(void **state)
{
    uint64_t allowed = 0;
    bool is_whole = false;
    (void)state;
    while (!is_whole) {
        told t = {.rearms = 0};
        iocp_handle_t folder = folder__open_faked(false);
        fake.answers[0] = answer__record(FILE_ACTION_RENAMED_OLD_NAME, L'a');
        fake.answers[1] = answer__record(FILE_ACTION_RENAMED_NEW_NAME, L'b');
        (void)iocp_loop_trim(win.loop);
        unit_memory_allow(&win.memory, allowed++);
        int status = iocp_folder_watch(win.loop, folder, 0, told__keep, &t, NULL);
        if (status == IOCP_OK) {
            win_wait(&t.record, 1);
            is_whole = t.record.status == IOCP_OK && t.count == 1;
        }
        unit_memory_allow(&win.memory, UINT64_MAX);
        assert_true(status == IOCP_OK || status == IOCP_ENOMEM);
        assert_true(status != IOCP_OK || t.record.status == IOCP_OK ||
                    t.record.status == IOCP_ENOMEM);
    }
    print_message("%u allocations were refused\n", (unsigned)allowed - 1);
    assert_true(allowed > 4);
}

#define FOLDER_TEST(function) cmocka_unit_test_setup_teardown(function, folder__setup, win_end)

/* What the system opens once and keeps is open before the first test counts. */
static int folder__warm_up(void **state)
{
    (void)folder__setup(state);
    (void)folder__open_faked(false);
    win_close();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLDER_TEST(the_system_is_told_what_to_look_at),
        FOLDER_TEST(details_are_asked_for_where_the_system_has_them),
        FOLDER_TEST(a_file_system_without_details_is_asked_for_names),
        FOLDER_TEST(a_file_system_that_tells_nothing_is_said_so),
        FOLDER_TEST(what_overflows_is_a_rescan_in_each_of_its_forms),
        FOLDER_TEST(bytes_beside_the_words_for_too_much_are_not_read),
        FOLDER_TEST(records_that_lie_are_a_rescan),
        FOLDER_TEST(a_folder_that_is_removed_is_not_found),
        FOLDER_TEST(a_rename_in_two_answers_is_one_entry),
        FOLDER_TEST(half_a_rename_is_told_as_a_removal_a_moment_later),
        FOLDER_TEST(a_cancel_beside_half_a_rename_keeps_it),
        FOLDER_TEST(changes_that_no_memory_can_tell_are_a_rescan),
        FOLDER_TEST(a_file_system_is_asked_for_as_much_as_it_has),
        FOLDER_TEST(the_end_of_a_list_is_one),
        FOLDER_TEST(a_folder_that_is_denied_to_others_is_not_listed),
        FOLDER_TEST(any_one_system_call_of_one_may_fail),
        FOLDER_TEST(any_one_allocation_of_one_may_be_refused),
    };
    win_catch_crashes();
    return cmocka_run_group_tests(tests, folder__warm_up, NULL);
}
