#include "file.h"

#include "errmap.h"
#include "port.h"
#include "work.h"

#include <string.h>

/* Of NtQueryInformationFile. */
#define FILE_ACCESS_INFORMATION 8
#define FILE_MODE_INFORMATION   16
#define FILE_MODE_SYNCHRONOUS   0x30u /* FILE_SYNCHRONOUS_IO_ALERT, _NONALERT */

/* Files and pipes have no layered providers: their packets can always be skipped. */
static int file__join(ioc_win_port *port, ioc_win_handle *handle)
{
    return ioc_overlapped_join(port, handle, port->completion_mode != IOCP_COMPLETION_PACKET);
}

/* ---- Paths ---- */

#define FILE_PREFIX     L"\\\\?\\"
#define FILE_UNC_PREFIX L"\\\\?\\UNC"
#define FILE_PIPE       L"\\pipe\\"

/* A path in UTF-16, to be given back to the allocator. NULL: no memory, or see *native_error. */
static wchar_t *file__wide(ioc_win_port *port, const char *path, uint32_t *native_error)
{
    const ioc_sys *sys = port->sys;
    int count = sys->MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, NULL, 0);
    if (count <= 0) {
        *native_error = sys->GetLastError();
        return NULL;
    }
    wchar_t *wide = ioc_alloc_take(port->alloc, (size_t)count * sizeof *wide);
    if (wide != NULL &&
        sys->MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, wide, count) != count) {
        *native_error = sys->GetLastError();
        ioc_alloc_give(port->alloc, wide);
        return NULL;
    }
    return wide;
}

static bool file__begins_with(const wchar_t *path, const wchar_t *prefix)
{
    return wcsncmp(path, prefix, wcslen(prefix)) == 0;
}

/*
 * A path of MAX_PATH and more has to be absolute and say so by a prefix. The longest prefix takes
 * the place of the path's first backslash.
 */
static wchar_t *file__long(ioc_win_port *port, const wchar_t *path, uint32_t *native_error)
{
    const ioc_sys *sys = port->sys;
    const size_t room = wcslen(FILE_UNC_PREFIX);
    DWORD count = sys->GetFullPathNameW(path, 0, NULL, NULL); /* with the zero */
    if (count == 0) {
        *native_error = sys->GetLastError();
        return NULL;
    }
    wchar_t *buffer = ioc_alloc_take(port->alloc, (room + count) * sizeof *buffer);
    if (buffer == NULL) {
        return NULL;
    }
    wchar_t *full = buffer + room;
    DWORD length = sys->GetFullPathNameW(path, count, full, NULL);
    if (length == 0 || length >= count) { /* longer now: somebody has changed the folder */
        *native_error = length == 0 ? sys->GetLastError() : ERROR_BUSY;
        ioc_alloc_give(port->alloc, buffer);
        return NULL;
    }
    const wchar_t *prefix = FILE_PREFIX;
    if (length < MAX_PATH || file__begins_with(full, FILE_PREFIX) ||
        file__begins_with(full, L"\\\\.\\")) {
        prefix = L"";
    } else if (file__begins_with(full, L"\\\\")) {
        prefix = FILE_UNC_PREFIX;
        full++;
    }
    memmove(buffer + wcslen(prefix), full, (wcslen(full) + 1) * sizeof *full);
    memcpy(buffer, prefix, wcslen(prefix) * sizeof *prefix);
    return buffer;
}

/* As CreateFileW takes it, to be given back. NULL: *status is the error. */
static wchar_t *file__native_path(ioc_win_port *port, const char *path, int *status)
{
    uint32_t native_error = 0;
    wchar_t *native = NULL;
    wchar_t *wide = file__wide(port, path, &native_error);
    if (wide != NULL && file__begins_with(wide, FILE_PREFIX)) {
        return wide; /* which says that it is to be taken to the letter */
    }
    if (wide != NULL) {
        native = file__long(port, wide, &native_error);
        ioc_alloc_give(port->alloc, wide);
    }
    if (native == NULL) {
        *status = native_error != 0 ? ioc_port_fail(port, native_error) : IOCP_ENOMEM;
    }
    return native;
}

/* ---- What it is ---- */

/* A socket looks like a pipe, but is not closed like one. */
static bool file__is_socket(ioc_win_port *port, HANDLE native)
{
    int type = 0;
    int size = (int)sizeof type;
    return port->sys->getsockopt((SOCKET)native, SOL_SOCKET, SO_TYPE, (char *)&type, &size) == 0;
}

static int file__find_kind(ioc_win_port *port, ioc_win_handle *handle)
{
    switch (port->sys->GetFileType(handle->native)) {
    case FILE_TYPE_DISK:
        handle->handle.kind = IOC_HANDLE_FILE;
        return IOCP_OK;
    case FILE_TYPE_PIPE:
        handle->handle.kind = IOC_HANDLE_PIPE;
        return IOCP_OK;
    case FILE_TYPE_CHAR:
        return IOCP_ENOTSUP;
    default:
        break;
    }
    DWORD error = port->sys->GetLastError();
    return error != NO_ERROR ? ioc_port_fail(port, error) : IOCP_ENOTSUP;
}

/* ---- Opening and closing ---- */

static DWORD file__access(uint32_t flags)
{
    return ((flags & IOCP_FILE_READ) != 0 ? GENERIC_READ : 0u) |
           ((flags & IOCP_FILE_WRITE) != 0 ? GENERIC_WRITE : 0u) |
           /* Without FILE_WRITE_DATA the file system itself puts each write behind the end. */
           ((flags & IOCP_FILE_APPEND) != 0 ? FILE_GENERIC_WRITE & ~(DWORD)FILE_WRITE_DATA : 0u);
}

static DWORD file__disposition(uint32_t flags)
{
    bool truncates = (flags & IOCP_FILE_TRUNCATE) != 0;
    if ((flags & IOCP_FILE_CREATE) == 0) {
        return truncates ? TRUNCATE_EXISTING : OPEN_EXISTING;
    }
    if ((flags & IOCP_FILE_EXCLUSIVE) != 0) {
        return CREATE_NEW;
    }
    return truncates ? CREATE_ALWAYS : OPEN_ALWAYS;
}

/* \\.\pipe\name, \\server\pipe\name and their long forms. */
static bool file__is_pipe_path(const wchar_t *path)
{
    const wchar_t *const roots[] = {FILE_UNC_PREFIX L"\\", L"\\\\"};
    for (size_t i = 0; i < IOC_COUNT_OF(roots); i++) {
        if (file__begins_with(path, roots[i])) {
            const wchar_t *share = wcschr(path + wcslen(roots[i]), L'\\');
            return share != NULL && _wcsnicmp(share, FILE_PIPE, wcslen(FILE_PIPE)) == 0;
        }
    }
    return false;
}

/*
 * Whoever serves a pipe of that name may learn who opens it, but not act in its name. These bits
 * mean something else for a file.
 */
static DWORD file__quality_of_service(const wchar_t *path)
{
    return file__is_pipe_path(path) ? SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION : 0u;
}

static DWORD file__attributes(uint32_t flags)
{
    return FILE_ATTRIBUTE_NORMAL | FILE_FLAG_OVERLAPPED |
           ((flags & IOCP_FILE_NO_BUFFERING) != 0 ? FILE_FLAG_NO_BUFFERING : 0u) |
           ((flags & IOCP_FILE_SEQUENTIAL) != 0 ? FILE_FLAG_SEQUENTIAL_SCAN : 0u);
}

int ioc_file_open(ioc_port *base, ioc_handle *core_handle, const char *path, uint32_t flags)
{
    ioc_win_port *port = ioc_win_port_of(base);
    ioc_win_handle *handle = ioc_win_handle_of(core_handle);
    int status = IOCP_OK;
    wchar_t *native_path = file__native_path(port, path, &status);
    if (native_path == NULL) {
        return status;
    }
    handle->native = port->sys->CreateFileW(
        native_path, file__access(flags), FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
        NULL, file__disposition(flags),
        file__attributes(flags) | file__quality_of_service(native_path), NULL);
    status = handle->native != INVALID_HANDLE_VALUE ? IOCP_OK : ioc_port_fail_last(port);
    ioc_alloc_give(port->alloc, native_path);
    if (status != IOCP_OK) {
        return status;
    }
    handle->handle.is_append = (flags & IOCP_FILE_APPEND) != 0;
    status = file__find_kind(port, handle); /* the path may be that of a pipe or a device */
    if (status == IOCP_OK) {
        status = file__join(port, handle);
    }
    if (status != IOCP_OK) {
        (void)port->sys->CloseHandle(handle->native);
    }
    return status;
}

void ioc_file_close(ioc_port *base, ioc_handle *core_handle)
{
    ioc_win_handle *handle = ioc_win_handle_of(core_handle);
    if (handle->native != INVALID_HANDLE_VALUE) {
        (void)ioc_win_port_of(base)->sys->CloseHandle(handle->native);
        handle->native = INVALID_HANDLE_VALUE;
    }
}

/* ---- Adopting ---- */

/* A word that the system knows of an open file; false: it does not say. */
static bool file__query(ioc_win_port *port, HANDLE native, int information, ULONG *word)
{
    ioc_nt_status_block block;
    return port->nt.NtQueryInformationFile != NULL &&
           port->nt.NtQueryInformationFile(native, &block, word, sizeof *word, information) ==
               IOC_NT_SUCCESS;
}

static bool file__is_synchronous(ioc_win_port *port, HANDLE native)
{
    ULONG mode = 0;
    return file__query(port, native, FILE_MODE_INFORMATION, &mode) &&
           (mode & FILE_MODE_SYNCHRONOUS) != 0;
}

static bool file__is_append(ioc_win_port *port, HANDLE native)
{
    ULONG access = 0;
    return file__query(port, native, FILE_ACCESS_INFORMATION, &access) &&
           (access & FILE_APPEND_DATA) != 0 && (access & FILE_WRITE_DATA) == 0;
}

int ioc_file_adopt(ioc_port *base, ioc_handle *core_handle, void *native)
{
    ioc_win_port *port = ioc_win_port_of(base);
    ioc_win_handle *handle = ioc_win_handle_of(core_handle);
    handle->native = native;
    int status = file__find_kind(port, handle);
    if (status != IOCP_OK) {
        return status;
    }
    if (handle->handle.kind == IOC_HANDLE_PIPE && file__is_socket(port, native)) {
        return IOCP_EINVAL;
    }
    if (file__is_synchronous(port, native)) {
        return IOCP_ENOTOVERLAPPED;
    }
    if (!port->sys->SetHandleInformation(native, HANDLE_FLAG_INHERIT, 0)) {
        return ioc_port_fail_last(port);
    }
    handle->handle.is_append =
        handle->handle.kind == IOC_HANDLE_FILE && file__is_append(port, native);
    return file__join(port, handle);
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

int ioc_file_set_size(ioc_port *base, ioc_handle *handle, uint64_t size)
{
    ioc_win_port *port = ioc_win_port_of(base);
    FILE_END_OF_FILE_INFO end;
    end.EndOfFile.QuadPart = (LONGLONG)size;
    bool is_set = port->sys->SetFileInformationByHandle(ioc_win_handle_of(handle)->native,
                                                        FileEndOfFileInfo, &end, sizeof end);
    return is_set ? IOCP_OK : ioc_port_fail_last(port);
}

/* ---- Reads and writes ---- */

static bool file__is_read(const ioc_op *op)
{
    return op->type == IOCP_TYPE_READ || op->type == IOCP_TYPE_PREAD;
}

/* A message that was longer than the buffer goes on with the next read. Who writes meets no end. */
static void file__transferred(ioc_port *port, ioc_op *op)
{
    ioc_outcome *outcome = &op->outcome;
    (void)port;
    if (file__is_read(op) && outcome->status == IOCP_EMSGSIZE) {
        outcome->status = IOCP_OK;
        outcome->native_error = 0;
        op->flags |= IOCP_RESULT_MORE;
    } else if (!file__is_read(op) && outcome->status == IOCP_EOF) {
        outcome->status = IOCP_EPIPE;
    }
}

static ioc_start file__start_transfer(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    HANDLE native = ioc_win_handle_of(op->handle)->native;
    OVERLAPPED *overlapped = ioc_overlapped_prepare(op, file__transferred);
    const iocp_buf_t *buffer = &op->as.transfer.one;
    /* IOC_OFFSET_END: all bits set, which says the same to WriteFile. */
    overlapped->Offset = (DWORD)op->as.transfer.offset;
    overlapped->OffsetHigh = (DWORD)(op->as.transfer.offset >> 32);
    BOOL is_done =
        file__is_read(op)
            ? port->sys->ReadFile(native, buffer->base, buffer->length, NULL, overlapped)
            : port->sys->WriteFile(native, buffer->base, buffer->length, NULL, overlapped);
    uint32_t error = is_done ? 0 : port->sys->GetLastError();
    ioc_start start = ioc_overlapped_started(base, op, !is_done, error);
    if (start == IOC_START_FAILED) {
        file__transferred(base, op);
    }
    return start;
}

/* ---- Flush ---- */

/*
 * The pool's thread has a handle of its own: should the system refuse to cancel something else on
 * the file, closing that is the other way (see cancel.c), and would pull it away under the thread.
 */
static HANDLE file__take_flushed(ioc_op *op)
{
    HANDLE file = (HANDLE)(uintptr_t)op->as.work.value;
    op->as.work.value = 0;
    return file;
}

/* On a thread of the pool: 0, or the Win32 code. */
static uint64_t IOCP_CALL file__flush(void *arg)
{
    ioc_op *op = arg;
    const ioc_sys *sys = ioc_overlapped_port(op)->sys;
    HANDLE file = file__take_flushed(op);
    uint32_t error = sys->FlushFileBuffers(file) ? 0 : sys->GetLastError();
    (void)sys->CloseHandle(file);
    return error;
}

static void file__flushed(ioc_port *port, ioc_op *op)
{
    if (op->outcome.status != IOCP_OK) { /* it did not run */
        (void)ioc_win_port_of(port)->sys->CloseHandle(file__take_flushed(op));
    } else if (op->as.work.value != 0) {
        (void)ioc_overlapped_failed(op, (uint32_t)op->as.work.value);
    }
}

static ioc_start file__start_flush(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    HANDLE file = NULL;
    if (!ioc_port_duplicate(port, ioc_win_handle_of(op->handle)->native, &file)) {
        return ioc_overlapped_failed(op, port->sys->GetLastError());
    }
    op->as.work.function = file__flush;
    op->as.work.arg = op;
    op->as.work.value = (uintptr_t)file;
    ioc_start start = ioc_work_start(base, op, file__flushed);
    if (start == IOC_START_FAILED) {
        (void)port->sys->CloseHandle(file);
    }
    return start;
}

ioc_start ioc_file_start(ioc_port *port, ioc_op *op)
{
    return op->type == IOCP_TYPE_FLUSH ? file__start_flush(port, op)
                                       : file__start_transfer(port, op);
}
