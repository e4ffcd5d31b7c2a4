#include "file.h"

#include "../errmap.h"
#include "../mode.h"
#include "../work.h"
#include "directory.h"
#include "path.h"
#include "text/path.h"
#include "transfer.h"

/* ---- Opening ---- */

static DWORD file__access(uint32_t flags)
{
    return ((flags & IOCP_FILE_READ) != 0 ? GENERIC_READ : 0u) |
           ((flags & IOCP_FILE_WRITE) != 0 ? GENERIC_WRITE : 0u) |
           /* Without FILE_WRITE_DATA the file system itself puts each write behind the end. */
           ((flags & IOCP_FILE_APPEND) != 0 ? FILE_GENERIC_WRITE & ~(DWORD)FILE_WRITE_DATA : 0u);
}

/*
 * Never CREATE_ALWAYS nor TRUNCATE_EXISTING: the first is refused for a file that is hidden or
 * belongs to the system, and takes away attributes and streams. The file is emptied once it is
 * open.
 */
static DWORD file__disposition(uint32_t flags)
{
    if ((flags & IOCP_FILE_CREATE) == 0) {
        return OPEN_EXISTING;
    }
    return (flags & IOCP_FILE_EXCLUSIVE) != 0 ? CREATE_NEW : OPEN_ALWAYS;
}

/*
 * A path may lead to a pipe that nobody expects there. Whoever serves it may learn who opens it,
 * but not act in that name. One of these bits also says not to fetch a file that is elsewhere
 * (FILE_FLAG_OPEN_NO_RECALL); .NET has set it with every file for years, those in the cloud too.
 */
#define FILE_QUALITY_OF_SERVICE (SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION)

static DWORD file__attributes(uint32_t flags)
{
    return FILE_ATTRIBUTE_NORMAL | FILE_FLAG_OVERLAPPED | FILE_QUALITY_OF_SERVICE |
           /* It alone opens a folder. */
           ((flags & IOCP_FILE_FOLDER) != 0 ? FILE_FLAG_BACKUP_SEMANTICS : 0u) |
           ((flags & IOCP_FILE_NO_BUFFERING) != 0 ? FILE_FLAG_NO_BUFFERING : 0u) |
           ((flags & IOCP_FILE_SEQUENTIAL) != 0 ? FILE_FLAG_SEQUENTIAL_SCAN : 0u);
}

static DWORD file__sharing(uint32_t flags)
{
    return ((flags & IOCP_FILE_DENY_READ) != 0 ? 0u : FILE_SHARE_READ) |
           ((flags & IOCP_FILE_DENY_WRITE) != 0 ? 0u : FILE_SHARE_WRITE) |
           ((flags & IOCP_FILE_DENY_DELETE) != 0 ? 0u : FILE_SHARE_DELETE);
}

/* A folder is refused by the same code as what may not be opened. */
ioc_outcome ioc_file_failure(const ioc_sys *sys, uint32_t error, const wchar_t *path)
{
    ioc_outcome outcome = {.status = ioc_errmap_from_native(error), .native_error = error};
    DWORD attributes =
        outcome.status == IOCP_EACCES ? sys->GetFileAttributesW(path) : INVALID_FILE_ATTRIBUTES;
    if (attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0) {
        outcome.status = IOCP_EISFOLDER;
    }
    return outcome;
}

/* A volume or a drive is of the type of files, too; it has no size. */
static bool file__is_device(const ioc_sys *sys, HANDLE file, ioc_place place)
{
    LARGE_INTEGER size;
    return place == IOC_PLACE_DEVICE && !sys->GetFileSizeEx(file, &size);
}

static ioc_outcome file__outcome(uint32_t error)
{
    int status = error != 0 ? ioc_errmap_from_native(error) : IOCP_OK;
    return (ioc_outcome){.status = status, .native_error = error};
}

/* The path may lead to a pipe or a device. */
static ioc_outcome file__check(const ioc_sys *sys, HANDLE file, ioc_place place)
{
    DWORD type = sys->GetFileType(file);
    uint32_t error = type == FILE_TYPE_UNKNOWN ? sys->GetLastError() : 0;
    bool is_usable = type == FILE_TYPE_DISK && !file__is_device(sys, file, place);
    return error != 0 || is_usable ? file__outcome(error) : (ioc_outcome){.status = IOCP_ENOTSUP};
}

/* Files and pipes have no layered providers: their packets can always be skipped. */
int ioc_file_join_port(ioc_win_port *port, ioc_win_handle *handle)
{
    return ioc_overlapped_join(port, handle, port->completion_mode != IOCP_COMPLETION_PACKET);
}

static bool file__set_end(const ioc_sys *sys, HANDLE file, uint64_t size)
{
    FILE_END_OF_FILE_INFO end;
    end.EndOfFile.QuadPart = (LONGLONG)size;
    return sys->SetFileInformationByHandle(file, FileEndOfFileInfo, &end, sizeof end);
}

/* A way that is made for folders opens files as well. */
static ioc_outcome file__check_folder(const ioc_sys *sys, HANDLE folder)
{
    FILE_BASIC_INFO basic;
    if (!sys->GetFileInformationByHandleEx(folder, FileBasicInfo, &basic, sizeof basic)) {
        return file__outcome(sys->GetLastError());
    }
    bool is_folder = (basic.FileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
    return (ioc_outcome){.status = is_folder ? IOCP_OK : IOCP_ENOTFOLDER};
}

/* What is open, and what is still to be done with it. */
static ioc_outcome file__finish(const ioc_sys *sys, HANDLE file, uint32_t flags, ioc_place place)
{
    ioc_outcome outcome = file__check(sys, file, place);
    if (outcome.status == IOCP_OK && (flags & IOCP_FILE_FOLDER) != 0) {
        outcome = file__check_folder(sys, file);
    }
    if (outcome.status == IOCP_OK && (flags & IOCP_FILE_TRUNCATE) != 0 &&
        !file__set_end(sys, file, 0)) {
        outcome = file__outcome(sys->GetLastError());
    }
    return outcome;
}

ioc_outcome ioc_file_create(const ioc_sys *sys, const wchar_t *path, uint32_t flags, HANDLE *file)
{
    ioc_place place = ioc_path_place(path);
    *file = INVALID_HANDLE_VALUE;
    if (place == IOC_PLACE_PIPE) {
        return (ioc_outcome){.status = IOCP_ENOTSUP};
    }
    HANDLE native = sys->CreateFileW(path, file__access(flags), file__sharing(flags), NULL,
                                     file__disposition(flags), file__attributes(flags), NULL);
    if (native == INVALID_HANDLE_VALUE) {
        return ioc_file_failure(sys, sys->GetLastError(), path);
    }
    ioc_outcome outcome = file__finish(sys, native, flags, place);
    if (outcome.status == IOCP_OK) {
        *file = native;
    } else {
        (void)sys->CloseHandle(native);
    }
    return outcome;
}

int ioc_file_use(ioc_win_port *port, ioc_win_handle *handle, HANDLE file, uint32_t flags)
{
    bool is_folder = (flags & IOCP_FILE_FOLDER) != 0;
    handle->native = file;
    handle->handle.kind = (uint8_t)(is_folder ? IOCP_HANDLE_FOLDER : IOCP_HANDLE_FILE);
    handle->handle.is_append = (flags & IOCP_FILE_APPEND) != 0;
    handle->is_unbuffered = (flags & IOCP_FILE_NO_BUFFERING) != 0;
    int status =
        is_folder ? ioc_directory_join_port(port, handle) : ioc_file_join_port(port, handle);
    if (status != IOCP_OK) {
        ioc_file_close(port, handle);
    }
    return status;
}

int ioc_file_open(ioc_port *base, ioc_handle *core_handle, const char *path, uint32_t flags)
{
    ioc_win_port *port = ioc_win_port_of(base);
    HANDLE file = INVALID_HANDLE_VALUE;
    int status = IOCP_OK;
    wchar_t *native_path = ioc_path_native(port, path, &status);
    if (native_path == NULL) {
        return status;
    }
    ioc_outcome outcome = ioc_file_create(port->sys, native_path, flags, &file);
    ioc_alloc_give(port->alloc, native_path);
    if (outcome.status != IOCP_OK) {
        base->native_error = outcome.native_error;
        return outcome.status;
    }
    return ioc_file_use(port, ioc_win_handle_of(core_handle), file, flags);
}

void ioc_file_close(ioc_win_port *port, ioc_win_handle *handle)
{
    if (handle->native != INVALID_HANDLE_VALUE) {
        (void)port->sys->CloseHandle(handle->native);
        handle->native = INVALID_HANDLE_VALUE;
    }
}

/* ---- Sizes ---- */

int ioc_file_size(ioc_port *base, ioc_handle *handle, uint64_t *size)
{
    ioc_win_port *port = ioc_win_port_of(base);
    LARGE_INTEGER bytes;
    if (!port->sys->GetFileSizeEx(ioc_win_handle_of(handle)->native, &bytes)) {
        return ioc_port_fail_last(port);
    }
    *size = (uint64_t)bytes.QuadPart;
    return IOCP_OK;
}

int ioc_file_set_size(ioc_port *base, ioc_handle *core_handle, uint64_t size)
{
    ioc_win_port *port = ioc_win_port_of(base);
    ioc_win_handle *handle = ioc_win_handle_of(core_handle);
    handle->end = 0;
    return file__set_end(port->sys, handle->native, size) ? IOCP_OK : ioc_port_fail_last(port);
}

/* ---- Reads ---- */

static OVERLAPPED *file__prepare(ioc_op *op)
{
    OVERLAPPED *overlapped = ioc_overlapped_prepare(op);
    bool is_file = op->handle->kind == IOCP_HANDLE_FILE;
    uint64_t offset = is_file ? ioc_transfer_of(op)->offset : 0;
    /* IOC_OFFSET_END: all bits set, which says the same to WriteFile. */
    overlapped->Offset = (DWORD)offset;
    overlapped->OffsetHigh = (DWORD)(offset >> 32);
    return overlapped;
}

/*
 * The end of an unbuffered file is in the middle of a sector, as a rule, and the system takes no
 * read from there. That the last one got less than it asked for has told where the end is.
 */
static void file__note_end(const ioc_op *op)
{
    ioc_win_handle *handle = ioc_win_handle_of(op->handle);
    const ioc_transfer *transfer = ioc_transfer_of(op);
    bool is_short = op->outcome.bytes > 0 && op->outcome.bytes < transfer->bytes;
    if (handle->is_unbuffered && is_short) {
        handle->end = transfer->offset + op->outcome.bytes;
    }
}

/* A message that was longer than the buffer goes on with the next read. */
bool ioc_file_was_read(ioc_port *port, ioc_op *op)
{
    ioc_outcome *outcome = &op->outcome;
    (void)port;
    if (outcome->status == IOCP_EMSGSIZE) {
        *outcome = (ioc_outcome){.status = IOCP_OK, .bytes = outcome->bytes};
        op->flags |= IOCP_RESULT_MORE;
    } else if (outcome->status == IOCP_OK) {
        file__note_end(op);
    }
    return true;
}

/* Asked once, for the way in which a pipe is read changes seldom. */
static bool file__reads_messages(ioc_win_port *port, ioc_win_handle *pipe)
{
    if (!pipe->knows_messages) {
        pipe->knows_messages = true;
        pipe->reads_messages = ioc_mode_reads_messages(port, pipe->native);
    }
    return pipe->reads_messages;
}

/*
 * A read of no bytes leaves bytes where they are, and of a message says that there is more: if it does
 * not, that was an empty one, and is taken.
 */
bool ioc_file_was_read_lent(ioc_port *port, ioc_op *op)
{
    (void)ioc_file_was_read(port, op);
    bool is_look = ioc_transfer_of(op)->bytes == 0;
    if (is_look && op->outcome.status == IOCP_OK && (op->flags & IOCP_RESULT_MORE) == 0) {
        op->is_empty = file__reads_messages(ioc_win_port_of(port), ioc_win_handle_of(op->handle));
    }
    return true;
}

static bool file__is_at_end(const ioc_win_handle *handle, const ioc_transfer *transfer)
{
    return handle->end != 0 && transfer->offset == handle->end;
}

ioc_start ioc_file_start_read(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    const ioc_win_handle *handle = ioc_win_handle_of(op->handle);
    const ioc_transfer *transfer = ioc_transfer_of(op);
    OVERLAPPED *overlapped = file__prepare(op);
    BOOL is_done =
        port->sys->ReadFile(handle->native, transfer->one.base, transfer->bytes, NULL, overlapped);
    uint32_t error = is_done ? 0 : port->sys->GetLastError();
    if (error == ERROR_INVALID_PARAMETER && file__is_at_end(handle, transfer)) {
        error = ERROR_HANDLE_EOF;
    }
    return ioc_overlapped_started(base, op, !is_done, error);
}

/* ---- Writes ---- */

/* Who writes meets no end. */
bool ioc_file_was_written(ioc_port *port, ioc_op *op)
{
    (void)port;
    if (op->outcome.status == IOCP_EOF) {
        op->outcome.status = IOCP_EPIPE;
    }
    return true;
}

ioc_start ioc_file_start_write(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    ioc_win_handle *handle = ioc_win_handle_of(op->handle);
    const ioc_transfer *transfer = ioc_transfer_of(op);
    OVERLAPPED *overlapped = file__prepare(op);
    handle->end = 0;
    BOOL is_done =
        port->sys->WriteFile(handle->native, transfer->one.base, transfer->bytes, NULL, overlapped);
    uint32_t error = is_done ? 0 : port->sys->GetLastError();
    ioc_start start = ioc_overlapped_started(base, op, !is_done, error);
    if (start == IOC_START_FAILED) {
        (void)ioc_file_was_written(base, op);
    }
    return start;
}

/* ---- Flush ---- */

/* On a thread of the pool: 0, or the Win32 code. */
static uint64_t IOCP_CALL file__flush(void *arg)
{
    ioc_op *op = arg;
    const ioc_sys *sys = ioc_overlapped_port(op)->sys;
    HANDLE file = ioc_work_take_duplicate(op);
    uint32_t error = sys->FlushFileBuffers(file) ? 0 : sys->GetLastError();
    (void)sys->CloseHandle(file);
    return error;
}

bool ioc_file_flushed(ioc_port *port, ioc_op *op)
{
    const ioc_work *work = ioc_work_of(op);
    if (ioc_work_complete_on_duplicate(port, op) && work->value != 0) {
        (void)ioc_overlapped_failed(op, (uint32_t)work->value);
    }
    return true;
}

ioc_start ioc_file_start_flush(ioc_port *port, ioc_op *op)
{
    return ioc_work_start_on_duplicate(port, op, file__flush);
}
