#include "directory.h"

#include "../work.h"
#include "folder.h"
#include "info.h"

#include <string.h>

/* ---- ReadDirectoryChangesExW, which Windows 10 has since 1709 ---- */

#define DIRECTORY_EXTENDED 2 /* ReadDirectoryNotifyExtendedInformation */

typedef BOOL(WINAPI *directory_read_fn)(HANDLE, void *, DWORD, BOOL, DWORD, DWORD *, OVERLAPPED *,
                                        LPOVERLAPPED_COMPLETION_ROUTINE, int);

static FARPROC directory__find(const ioc_sys *sys)
{
    HMODULE kernel32 = sys->GetModuleHandleW(L"kernel32.dll");
    return kernel32 != NULL ? sys->GetProcAddress(kernel32, "ReadDirectoryChangesExW") : NULL;
}

bool ioc_directory_has_details(const ioc_sys *sys)
{
    return directory__find(sys) != NULL;
}

/*
 * Never without packets: ReadDirectoryChangesW says of what is done at once the same as of what is
 * pending, and the kernel may have ended what was pending when its OVERLAPPED is looked at.
 */
int ioc_directory_join_port(ioc_win_port *port, ioc_win_handle *handle)
{
    handle->details = directory__find(port->sys);
    return ioc_overlapped_join(port, handle, false);
}

/* ---- The start ---- */

static DWORD directory__filter(uint32_t flags)
{
    return ((flags & IOCP_WATCH_NAMES) != 0
                ? FILE_NOTIFY_CHANGE_FILE_NAME | FILE_NOTIFY_CHANGE_DIR_NAME
                : 0u) |
           ((flags & IOCP_WATCH_CONTENTS) != 0
                ? FILE_NOTIFY_CHANGE_SIZE | FILE_NOTIFY_CHANGE_LAST_WRITE
                : 0u) |
           ((flags & IOCP_WATCH_ATTRIBUTES) != 0
                ? FILE_NOTIFY_CHANGE_ATTRIBUTES | FILE_NOTIFY_CHANGE_SECURITY
                : 0u);
}

/* 0, or the code of the call that failed. */
static DWORD directory__ask(ioc_win_port *port, ioc_op *op, FARPROC details)
{
    const ioc_win_handle *handle = ioc_win_handle_of(op->handle);
    ioc_changes *changes = ioc_changes_of(op);
    OVERLAPPED *overlapped = ioc_overlapped_prepare(op);
    BOOL is_tree = (changes->flags & IOCP_WATCH_TREE) != 0;
    DWORD filter = directory__filter(changes->flags);
    directory_read_fn read;
    BOOL is_asked;
    memcpy(&read, &details, sizeof read);
    if (read != NULL) {
        changes->form = IOC_RECORD_DETAILED_CHANGE;
        is_asked = read(handle->native, changes->buffer, IOC_READING_BYTES, is_tree, filter, NULL,
                        overlapped, NULL, DIRECTORY_EXTENDED);
    } else {
        changes->form = IOC_RECORD_CHANGE;
        is_asked =
            port->sys->ReadDirectoryChangesW(handle->native, changes->buffer, IOC_READING_BYTES,
                                             is_tree, filter, NULL, overlapped, NULL);
    }
    return is_asked ? 0 : port->sys->GetLastError();
}

/*
 * The handle was opened for this, so only a folder that is being removed denies it. (What a packet says
 * of that is STATUS_DELETE_PENDING, which the call makes ERROR_ACCESS_DENIED of.)
 */
static void directory__explain(ioc_op *op)
{
    if (op->outcome.status == IOCP_EACCES || op->outcome.status == IOCP_EBUSY) {
        op->outcome.status = IOCP_ENOTFOUND;
    }
}

ioc_start ioc_directory_start_changes(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    ioc_win_handle *handle = ioc_win_handle_of(op->handle);
    DWORD error = directory__ask(port, op, handle->details);
    if (handle->details != NULL && ioc_info_is_unknown(error)) {
        handle->details = NULL;
        error = directory__ask(port, op, NULL);
    }
    if (error == ERROR_NOTIFY_ENUM_DIR) {
        return ioc_overlapped_done(op); /* with no bytes: there was too much */
    }
    if (error == 0 || error == ERROR_IO_PENDING) {
        return IOC_START_PENDING;
    }
    ioc_start start = ioc_overlapped_failed(op, error);
    directory__explain(op);
    return start;
}

/* ---- The packet ---- */

#define DIRECTORY_STATUS_ENUM_DIR 0x0000010Cu /* STATUS_NOTIFY_ENUM_DIR */

/* What was asked in its own words may be refused only now. False: it is asked for names alone. */
bool ioc_directory_changed(ioc_port *base, ioc_op *op)
{
    ioc_win_handle *handle = ioc_win_handle_of(op->handle);
    ioc_outcome *outcome = &op->outcome;
    if (ioc_win_op_of(op)->token.overlapped.Internal == DIRECTORY_STATUS_ENUM_DIR) {
        outcome->bytes = 0;
    }
    if (outcome->status == IOCP_OK || outcome->status == IOCP_ECANCELED) {
        return true;
    }
    if (handle->details != NULL && ioc_info_is_unknown(outcome->native_error)) {
        handle->details = NULL;
        bool may_go_on = op->intent == 0 && ioc_op_can_start(ioc_win_port_of(base)->ops, op);
        return !may_go_on || ioc_directory_start_changes(base, op) != IOC_START_PENDING;
    }
    directory__explain(op);
    return true;
}

/* ---- Names ---- */

/* FILE_INFO_BY_HANDLE_CLASS: each begins with the first name, or goes on. The last two are for all. */
static const struct {
    ioc_record_form form;
    int first;
    int next;
} list_ways[] = {
    {IOC_RECORD_NAME_ID, 20, 19},      /* FileIdExtdDirectoryRestartInfo, FileIdExtdDirectoryInfo */
    {IOC_RECORD_NAME_HALF_ID, 11, 10}, /* FileIdBothDirectoryRestartInfo, FileIdBothDirectoryInfo */
    {IOC_RECORD_NAME, 15, 14},         /* FileFullDirectoryRestartInfo, FileFullDirectoryInfo */
};

static bool list__ask(const ioc_sys *sys, HANDLE folder, int what, void *answer, DWORD size)
{
    return sys->GetFileInformationByHandleEx(folder, (FILE_INFO_BY_HANDLE_CLASS)what, answer, size);
}

/*
 * A synchronous handle of its own: where one is in a folder belongs to the file object, and a question
 * on an overlapped one would wait for whatever else ends there.
 */
static uint32_t list__open(const ioc_sys *sys, HANDLE folder, ioc_listed *names)
{
    HANDLE opened = sys->ReOpenFile(folder, FILE_LIST_DIRECTORY,
                                    FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                                    FILE_FLAG_BACKUP_SEMANTICS);
    if (opened == INVALID_HANDLE_VALUE) {
        return sys->GetLastError();
    }
    names->volume = ioc_info_read_id(sys, opened).volume;
    names->backend = opened;
    names->restarts = true;
    names->way = 0;
    return 0;
}

/* What a file system does not have is found out with the first portion. */
static uint32_t list__read(const ioc_sys *sys, ioc_listed *names)
{
    for (;;) {
        int what = names->restarts ? list_ways[names->way].first : list_ways[names->way].next;
        if (list__ask(sys, names->backend, what, names->buffer, IOC_READING_BYTES)) {
            names->form = list_ways[names->way].form;
            names->restarts = false;
            return 0;
        }
        DWORD error = sys->GetLastError();
        bool is_empty = names->restarts && error == ERROR_FILE_NOT_FOUND; /* a root */
        if (!names->restarts || !ioc_info_is_unknown(error) ||
            names->way + 1 == IOC_COUNT_OF(list_ways)) {
            return is_empty ? ERROR_NO_MORE_FILES : error;
        }
        names->way++;
    }
}

/* On a thread of the pool: 0, or the Win32 code. */
static uint64_t IOCP_CALL list__run(void *arg)
{
    ioc_op *op = arg;
    const ioc_sys *sys = ioc_overlapped_port(op)->sys;
    ioc_listed *names = ioc_listed_of(op);
    HANDLE folder = ioc_work_take_duplicate(op);
    uint32_t error = names->backend == NULL ? list__open(sys, folder, names) : 0;
    if (error == 0) {
        error = list__read(sys, names);
    }
    (void)sys->CloseHandle(folder);
    return error;
}

ioc_start ioc_directory_start_list(ioc_port *port, ioc_op *op)
{
    op->is_held = true;
    return ioc_work_start_on_duplicate(port, op, list__run);
}

void ioc_directory_release_list(ioc_port *base, ioc_op *op)
{
    ioc_listed *names = ioc_listed_of(op);
    if (names->backend != NULL) {
        (void)ioc_win_port_of(base)->sys->CloseHandle(names->backend);
        names->backend = NULL;
    }
}

bool ioc_directory_listed(ioc_port *base, ioc_op *op)
{
    if (!ioc_work_complete_on_duplicate(base, op)) {
        return true;
    }
    uint32_t error = (uint32_t)ioc_work_of(op)->value;
    op->outcome.bytes = IOC_READING_BYTES;
    if (error != 0) {
        (void)ioc_overlapped_failed(op, error);
    }
    if (error == ERROR_NO_MORE_FILES) {
        op->outcome.status = IOCP_EOF;
        ioc_directory_release_list(base, op); /* the next run begins anew */
    }
    return true;
}
