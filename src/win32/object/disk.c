#include "disk.h"

#include "../errmap.h"
#include "../work.h"
#include "file.h"
#include "info.h"
#include "path.h"
#include "paths.h"
#include "remove.h"
#include "text/path.h"

#include <string.h>
#include <wchar.h>

/* What a thread of the pool needs, and what it has done. In ioc_paths.opening.backend. */
typedef struct disk_plan {
    ioc_win_port *port;
    wchar_t *from;
    wchar_t *to;                 /* or NULL */
    ioc_atomic_u32 is_cancelled; /* of this run */
    ioc_outcome outcome;
    HANDLE opened;
} disk_plan;

static disk_plan *disk__plan_of(const ioc_op *op)
{
    return ioc_paths_of(op)->opening.backend;
}

/* ---- Plans ---- */

static void disk_plan__free(disk_plan *plan)
{
    ioc_alloc *alloc = plan->port->alloc;
    ioc_alloc_give(alloc, plan->from);
    ioc_alloc_give(alloc, plan->to);
    ioc_alloc_give(alloc, plan);
}

int ioc_disk_plan(ioc_port *base, ioc_op *op, const char *from, const char *to)
{
    ioc_win_port *port = ioc_win_port_of(base);
    int status = IOCP_OK;
    disk_plan *plan = ioc_alloc_take(port->alloc, sizeof *plan);
    if (plan == NULL) {
        return IOCP_ENOMEM;
    }
    plan->port = port;
    plan->from = ioc_path_native(port, from, &status);
    if (plan->from != NULL && to != NULL) {
        plan->to = ioc_path_native(port, to, &status);
    }
    if (status != IOCP_OK) {
        disk_plan__free(plan);
        return status;
    }
    ioc_paths_of(op)->opening.backend = plan;
    op->is_held = true;
    return IOCP_OK;
}

void ioc_disk_release(ioc_port *port, ioc_op *op)
{
    (void)port;
    disk_plan__free(disk__plan_of(op));
    ioc_paths_of(op)->opening.backend = NULL;
}

/* ---- The verbs, on a thread of the pool ---- */

static uint64_t disk_plan__end(disk_plan *plan, uint32_t error)
{
    int status = error != 0 ? ioc_errmap_from_native(error) : IOCP_OK;
    plan->outcome = (ioc_outcome){.status = status, .native_error = error};
    return 0;
}

static uint64_t IOCP_CALL disk__open(void *arg)
{
    ioc_op *op = arg;
    disk_plan *plan = disk__plan_of(op);
    ioc_paths *paths = ioc_paths_of(op);
    const ioc_sys *sys = plan->port->sys;
    plan->outcome = ioc_file_create(sys, plan->from, paths->flags, &plan->opened);
    uint32_t error =
        plan->outcome.status == IOCP_OK ? ioc_info_read(sys, plan->opened, &paths->info) : 0;
    if (error != 0) {
        (void)sys->CloseHandle(plan->opened);
        (void)disk_plan__end(plan, error);
    }
    return 0;
}

/* For its attributes, or to do something with its name; with no share mode in the way. */
static HANDLE disk_plan__open(const disk_plan *plan, DWORD access, DWORD how)
{
    return plan->port->sys->CreateFileW(
        plan->from, access, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
        OPEN_EXISTING,
        FILE_FLAG_BACKUP_SEMANTICS | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION | how, NULL);
}

static uint32_t stat__read(const disk_plan *plan, DWORD how, iocp_file_info_t *info)
{
    const ioc_sys *sys = plan->port->sys;
    HANDLE file = disk_plan__open(plan, FILE_READ_ATTRIBUTES, how);
    if (file == INVALID_HANDLE_VALUE) {
        return sys->GetLastError();
    }
    uint32_t error = ioc_info_read(sys, file, info);
    (void)sys->CloseHandle(file);
    return error;
}

/* A reparse point that is no link is what it leads to, if the system can follow it. */
static uint32_t stat__follow(const disk_plan *plan, iocp_file_info_t *info)
{
    iocp_file_info_t followed;
    uint32_t error = stat__read(plan, 0, &followed);
    if (error == 0) {
        *info = followed;
    } else {
        info->kind = IOCP_KIND_OTHER;
    }
    return 0;
}

static uint64_t IOCP_CALL disk__stat(void *arg)
{
    ioc_op *op = arg;
    disk_plan *plan = disk__plan_of(op);
    ioc_paths *paths = ioc_paths_of(op);
    bool is_of_link = (paths->flags & IOCP_STAT_LINK) != 0;
    if (ioc_path_place(plan->from) == IOC_PLACE_PIPE) {
        plan->outcome = (ioc_outcome){.status = IOCP_ENOTSUP};
        return 0;
    }
    uint32_t error = stat__read(plan, is_of_link ? FILE_FLAG_OPEN_REPARSE_POINT : 0, &paths->info);
    bool is_reparse = error == 0 && paths->info.reparse_tag != 0;
    if (is_of_link && is_reparse && paths->info.kind != IOCP_KIND_LINK) {
        error = stat__follow(plan, &paths->info);
    }
    return disk_plan__end(plan, error);
}

/* The system says what it copied to whoever listens while it does; what came of it says this. */
static uint64_t copy__size(const disk_plan *plan)
{
    WIN32_FILE_ATTRIBUTE_DATA data;
    bool is_known = plan->port->sys->GetFileAttributesExW(plan->to, GetFileExInfoStandard, &data);
    return is_known ? (uint64_t)data.nFileSizeHigh << 32 | data.nFileSizeLow : 0;
}

static uint64_t IOCP_CALL disk__copy(void *arg)
{
    ioc_op *op = arg;
    disk_plan *plan = disk__plan_of(op);
    const ioc_sys *sys = plan->port->sys;
    bool replaces = (ioc_paths_of(op)->flags & IOCP_REPLACE) != 0;
    if (sys->CopyFileExW(plan->from, plan->to, NULL, NULL, (BOOL *)(uintptr_t)&plan->is_cancelled,
                         replaces ? 0u : COPY_FILE_FAIL_IF_EXISTS)) {
        plan->outcome = (ioc_outcome){.bytes = copy__size(plan)};
        return 0;
    }
    uint32_t error = sys->GetLastError();
    plan->outcome = ioc_file_failure(sys, error, plan->from);
    if (plan->outcome.status == IOCP_EACCES) {
        plan->outcome = ioc_file_failure(sys, error, plan->to);
    }
    return 0;
}

/* FILE_RENAME_INFO as it is since Windows 10 1607. */
typedef struct rename_info {
    DWORD flags; /* of FileRenameInfo: whether it replaces */
    HANDLE root;
    DWORD name_bytes;
    wchar_t name[];
} rename_info;

#define RENAME_REPLACE ((DWORD)1) /* FILE_RENAME_FLAG_REPLACE_IF_EXISTS */
#define RENAME_POSIX   ((DWORD)2) /* FILE_RENAME_FLAG_POSIX_SEMANTICS */
#define RENAME_EX      ((FILE_INFO_BY_HANDLE_CLASS)22)

/* Not every file system has POSIX semantics, nor Windows 10 1607 them for names. */
static uint32_t rename__set(const ioc_sys *sys, HANDLE file, rename_info *info, DWORD bytes)
{
    bool replaces = info->flags != 0;
    info->flags |= RENAME_POSIX;
    if (sys->SetFileInformationByHandle(file, RENAME_EX, info, bytes)) {
        return 0;
    }
    uint32_t error = sys->GetLastError();
    if (!ioc_info_is_unknown(error)) {
        return error;
    }
    info->flags = replaces;
    return sys->SetFileInformationByHandle(file, FileRenameInfo, info, bytes) ? 0
                                                                              : sys->GetLastError();
}

static uint32_t rename__run(const disk_plan *plan, uint32_t flags)
{
    const ioc_sys *sys = plan->port->sys;
    size_t name_bytes = wcslen(plan->to) * sizeof *plan->to;
    size_t bytes = offsetof(rename_info, name) + name_bytes + sizeof *plan->to;
    rename_info *info = ioc_alloc_take(plan->port->alloc, bytes);
    if (info == NULL) {
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    info->flags = (flags & IOCP_REPLACE) != 0 ? RENAME_REPLACE : 0;
    info->name_bytes = (DWORD)name_bytes;
    memcpy(info->name, plan->to, name_bytes);
    HANDLE file = disk_plan__open(plan, DELETE | SYNCHRONIZE, FILE_FLAG_OPEN_REPARSE_POINT);
    bool is_open = file != INVALID_HANDLE_VALUE;
    uint32_t error = is_open ? rename__set(sys, file, info, (DWORD)bytes) : sys->GetLastError();
    if (is_open) {
        (void)sys->CloseHandle(file);
    }
    ioc_alloc_give(plan->port->alloc, info);
    return error;
}

static uint64_t IOCP_CALL disk__rename(void *arg)
{
    ioc_op *op = arg;
    disk_plan *plan = disk__plan_of(op);
    uint32_t error = rename__run(plan, ioc_paths_of(op)->flags);
    (void)disk_plan__end(plan, error);
    if (plan->outcome.status == IOCP_EACCES) {
        plan->outcome = ioc_file_failure(plan->port->sys, error, plan->to);
    }
    return 0;
}

static uint64_t IOCP_CALL disk__remove(void *arg)
{
    ioc_op *op = arg;
    disk_plan *plan = disk__plan_of(op);
    const ioc_sys *sys = plan->port->sys;
    bool is_tree = (ioc_paths_of(op)->flags & IOCP_REMOVE_TREE) != 0 &&
                   ioc_remove_is_tree(sys->GetFileAttributesW(plan->from));
    HANDLE file = disk_plan__open(plan, is_tree ? IOC_REMOVE_TREE_ACCESS : IOC_REMOVE_ACCESS,
                                  FILE_FLAG_OPEN_REPARSE_POINT);
    if (file == INVALID_HANDLE_VALUE) {
        return disk_plan__end(plan, sys->GetLastError());
    }
    return disk_plan__end(plan, is_tree ? ioc_remove_tree(plan->port, file, &plan->is_cancelled)
                                        : ioc_remove_one(sys, file));
}

/* ---- Making folders ---- */

/* Where the last name of a path begins, as far as it has a folder: NULL: it is a root. */
static wchar_t *folder__last_name(const disk_plan *plan, wchar_t *end)
{
    const wchar_t *root = ioc_path_behind_root(plan->from);
    while (end > root && end[-1] != L'\\') {
        end--;
    }
    return end > root ? end - 1 : NULL;
}

static bool folder__is(const disk_plan *plan)
{
    DWORD attributes = plan->port->sys->GetFileAttributesW(plan->from);
    return attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
}

/* One; it may be there already. */
static uint32_t folder__need(const disk_plan *plan)
{
    const ioc_sys *sys = plan->port->sys;
    if (sys->CreateDirectoryW(plan->from, NULL)) {
        return 0;
    }
    uint32_t error = sys->GetLastError();
    return error != ERROR_PATH_NOT_FOUND && folder__is(plan) ? 0 : error;
}

/*
 * Back to the first that can be made, and on from there. Each slash that was taken out on the way back
 * is put in again.
 */
static uint32_t folder__need_all(const disk_plan *plan)
{
    wchar_t *end = plan->from + wcslen(plan->from);
    uint32_t error = folder__need(plan);
    wchar_t *slash = end;
    while (error == ERROR_PATH_NOT_FOUND && (slash = folder__last_name(plan, slash)) != NULL) {
        *slash = L'\0';
        error = folder__need(plan);
    }
    for (wchar_t *cut; (cut = wcschr(plan->from, L'\0')) < end;) {
        *cut = L'\\';
        error = error == 0 ? folder__need(plan) : error;
    }
    return error;
}

static uint64_t IOCP_CALL disk__folder_create(void *arg)
{
    ioc_op *op = arg;
    disk_plan *plan = disk__plan_of(op);
    const ioc_sys *sys = plan->port->sys;
    if ((ioc_paths_of(op)->flags & IOCP_FOLDER_PARENTS) != 0) {
        return disk_plan__end(plan, folder__need_all(plan));
    }
    return disk_plan__end(plan, sys->CreateDirectoryW(plan->from, NULL) ? 0 : sys->GetLastError());
}

/* ---- The operations ---- */

static ioc_start disk__start(ioc_port *port, ioc_op *op, iocp_work_fn verb)
{
    ioc_store_u32(&disk__plan_of(op)->is_cancelled, 0);
    *ioc_work_of(op) = (ioc_work){.function = verb, .arg = op};
    return ioc_work_start(port, op);
}

ioc_start ioc_disk_start_open(ioc_port *port, ioc_op *op)
{
    return disk__start(port, op, disk__open);
}

ioc_start ioc_disk_start_stat(ioc_port *port, ioc_op *op)
{
    return disk__start(port, op, disk__stat);
}

ioc_start ioc_disk_start_copy(ioc_port *port, ioc_op *op)
{
    return disk__start(port, op, disk__copy);
}

ioc_start ioc_disk_start_rename(ioc_port *port, ioc_op *op)
{
    return disk__start(port, op, disk__rename);
}

ioc_start ioc_disk_start_remove(ioc_port *port, ioc_op *op)
{
    return disk__start(port, op, disk__remove);
}

ioc_start ioc_disk_start_folder_create(ioc_port *port, ioc_op *op)
{
    return disk__start(port, op, disk__folder_create);
}

/* What is long and goes in steps looks for itself; a step that waits in the system is asked. */
int ioc_disk_cancel(ioc_port *port, ioc_op *op, bool *is_back)
{
    ioc_store_u32(&disk__plan_of(op)->is_cancelled, 1);
    return ioc_work_cancel_call(port, op, is_back);
}

bool ioc_disk_done(ioc_port *port, ioc_op *op)
{
    bool has_run = op->outcome.status == IOCP_OK;
    (void)ioc_work_complete(port, op);
    if (has_run) {
        op->outcome = disk__plan_of(op)->outcome;
    }
    return true;
}

bool ioc_disk_opened(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    const disk_plan *plan = disk__plan_of(op);
    bool has_run = op->outcome.status == IOCP_OK;
    (void)ioc_disk_done(base, op);
    if (has_run && op->outcome.status == IOCP_OK &&
        ioc_file_use(port, ioc_win_opened_by(op), plan->opened, ioc_paths_of(op)->flags) !=
            IOCP_OK) {
        (void)ioc_overlapped_failed(op, base->native_error);
    }
    return true;
}
