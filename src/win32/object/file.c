#include "file.h"

#include "../errmap.h"
#include "../mode.h"
#include "../work.h"
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
           ((flags & IOCP_FILE_NO_BUFFERING) != 0 ? FILE_FLAG_NO_BUFFERING : 0u) |
           ((flags & IOCP_FILE_SEQUENTIAL) != 0 ? FILE_FLAG_SEQUENTIAL_SCAN : 0u);
}

/* A folder is refused by the same code as what may not be opened. */
static int file__explain_failure(ioc_win_port *port, const wchar_t *native_path)
{
    int status = ioc_port_fail_last(port);
    if (status != IOCP_EACCES) {
        return status;
    }
    DWORD attributes = port->sys->GetFileAttributesW(native_path);
    bool is_folder =
        attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
    return is_folder ? IOCP_EISFOLDER : status;
}

static int file__create(ioc_win_port *port, ioc_win_handle *handle, const char *path,
                        uint32_t flags, ioc_place *place)
{
    int status = IOCP_OK;
    wchar_t *native_path = ioc_path_native(port, path, &status);
    if (native_path == NULL) {
        return status;
    }
    *place = ioc_path_place(native_path);
    if (*place == IOC_PLACE_PIPE) {
        ioc_alloc_give(port->alloc, native_path);
        return IOCP_ENOTSUP;
    }
    handle->native = port->sys->CreateFileW(
        native_path, file__access(flags), FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
        NULL, file__disposition(flags), file__attributes(flags), NULL);
    status =
        handle->native != INVALID_HANDLE_VALUE ? IOCP_OK : file__explain_failure(port, native_path);
    ioc_alloc_give(port->alloc, native_path);
    return status;
}

/* A volume or a drive is of the type of files, too; it has no size. */
static bool file__is_device(ioc_win_port *port, const ioc_win_handle *handle, ioc_place place)
{
    LARGE_INTEGER size;
    return place == IOC_PLACE_DEVICE && !port->sys->GetFileSizeEx(handle->native, &size);
}

int ioc_file_find_kind(ioc_win_port *port, HANDLE native, iocp_handle_kind_t *kind)
{
    switch (port->sys->GetFileType(native)) {
    case FILE_TYPE_DISK:
        *kind = IOCP_HANDLE_FILE;
        return IOCP_OK;
    case FILE_TYPE_PIPE:
        *kind = IOCP_HANDLE_PIPE;
        return IOCP_OK;
    case FILE_TYPE_CHAR:
        *kind = IOCP_HANDLE_OTHER;
        return IOCP_OK;
    default:
        break;
    }
    *kind = IOCP_HANDLE_OTHER;
    DWORD error = port->sys->GetLastError();
    return error != NO_ERROR ? ioc_port_fail(port, error) : IOCP_OK;
}

/* The path may lead to a pipe or a device. */
static int file__check(ioc_win_port *port, ioc_win_handle *handle, ioc_place place)
{
    iocp_handle_kind_t kind = IOCP_HANDLE_OTHER;
    int status = ioc_file_find_kind(port, handle->native, &kind);
    handle->handle.kind = (uint8_t)kind;
    if (status != IOCP_OK) {
        return status;
    }
    bool is_usable = kind == IOCP_HANDLE_FILE && !file__is_device(port, handle, place);
    return is_usable ? IOCP_OK : IOCP_ENOTSUP;
}

/* Files and pipes have no layered providers: their packets can always be skipped. */
int ioc_file_join_port(ioc_win_port *port, ioc_win_handle *handle)
{
    return ioc_overlapped_join(port, handle, port->completion_mode != IOCP_COMPLETION_PACKET);
}

static int file__set_end(ioc_win_port *port, ioc_win_handle *handle, uint64_t size)
{
    FILE_END_OF_FILE_INFO end;
    end.EndOfFile.QuadPart = (LONGLONG)size;
    handle->end = 0;
    bool is_set =
        port->sys->SetFileInformationByHandle(handle->native, FileEndOfFileInfo, &end, sizeof end);
    return is_set ? IOCP_OK : ioc_port_fail_last(port);
}

int ioc_file_open(ioc_port *base, ioc_handle *core_handle, const char *path, uint32_t flags)
{
    ioc_win_port *port = ioc_win_port_of(base);
    ioc_win_handle *handle = ioc_win_handle_of(core_handle);
    ioc_place place = IOC_PLACE_FILE;
    int status = file__create(port, handle, path, flags, &place);
    if (status != IOCP_OK) {
        return status;
    }
    handle->handle.is_append = (flags & IOCP_FILE_APPEND) != 0;
    handle->is_unbuffered = (flags & IOCP_FILE_NO_BUFFERING) != 0;
    status = file__check(port, handle, place);
    if (status == IOCP_OK && (flags & IOCP_FILE_TRUNCATE) != 0) {
        status = file__set_end(port, handle, 0);
    }
    if (status == IOCP_OK) {
        status = ioc_file_join_port(port, handle);
    }
    if (status != IOCP_OK) {
        (void)port->sys->CloseHandle(handle->native);
    }
    return status;
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

int ioc_file_set_size(ioc_port *port, ioc_handle *handle, uint64_t size)
{
    return file__set_end(ioc_win_port_of(port), ioc_win_handle_of(handle), size);
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
