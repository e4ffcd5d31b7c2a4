#include "adopt.h"

#include "../errmap.h"
#include "../mode.h"
#include "../work.h"
#include "file.h"

int ioc_adopt_handle(ioc_port *base, ioc_handle *core_handle, void *native)
{
    ioc_win_port *port = ioc_win_port_of(base);
    ioc_win_handle *handle = ioc_win_handle_of(core_handle);
    if (native == INVALID_HANDLE_VALUE) {
        return IOCP_EINVAL;
    }
    /* What is no handle at all is told by the results, as whatever else it cannot be. */
    if (!port->sys->SetHandleInformation(native, HANDLE_FLAG_INHERIT, 0) &&
        port->sys->GetLastError() != ERROR_INVALID_HANDLE) {
        return ioc_port_fail_last(port);
    }
    handle->native = native;
    handle->is_adopted = true;
    return IOCP_OK;
}

/* ---- What the pool's thread finds out ---- */

/* Bits of the answer, beside the kind of handle in the lowest byte. */
enum {
    ADOPT_KIND = 0xff,
    ADOPT_IS_SOCKET = 0x100,
    ADOPT_IS_SYNCHRONOUS = 0x200,
    ADOPT_APPENDS = 0x400,
    ADOPT_SKIPS_PACKETS = 0x800
};

/* The Win32 code, if there is one, is in the upper half. */
#define ADOPT_ERROR_SHIFT 32

/*
 * A socket may be known to Winsock by the number alone that it was opened with, and that handle is
 * open as long as this operation is on its books.
 */
static bool adopt__is_socket(const ioc_win_port *port, const ioc_op *op)
{
    return ioc_mode_is_socket(port, ioc_win_handle_of(op->handle)->native);
}

static uint64_t adopt__look(const ioc_win_port *port, const ioc_op *op, HANDLE native)
{
    const ioc_sys *sys = port->sys;
    switch (sys->GetFileType(native)) {
    case FILE_TYPE_DISK:
        return ioc_mode_is_folder(port, native) ? IOCP_HANDLE_OTHER : IOCP_HANDLE_FILE;
    case FILE_TYPE_PIPE:
        return IOCP_HANDLE_PIPE | (adopt__is_socket(port, op) ? ADOPT_IS_SOCKET : 0);
    case FILE_TYPE_CHAR:
        return IOCP_HANDLE_OTHER;
    default:
        return IOCP_HANDLE_OTHER | (uint64_t)sys->GetLastError() << ADOPT_ERROR_SHIFT;
    }
}

/* On a thread of the pool. */
static uint64_t IOCP_CALL adopt__ask(void *arg)
{
    ioc_op *op = arg;
    const ioc_win_port *port = ioc_overlapped_port(op);
    HANDLE native = ioc_work_take_duplicate(op);
    uint64_t answer = adopt__look(port, op, native);
    answer |= ioc_mode_is_synchronous(port, native) ? ADOPT_IS_SYNCHRONOUS : 0;
    answer |= ioc_mode_appends(port, native) ? ADOPT_APPENDS : 0;
    answer |= ioc_mode_skips_packets(port, native) ? ADOPT_SKIPS_PACKETS : 0;
    (void)port->sys->CloseHandle(native);
    return answer;
}

ioc_start ioc_adopt_start(ioc_port *port, ioc_op *op)
{
    return ioc_work_start_on_duplicate(port, op, adopt__ask);
}

/* ---- What comes of it ---- */

static int adopt__use(ioc_win_port *port, ioc_win_handle *handle, uint64_t answer)
{
    handle->is_socket = (answer & ADOPT_IS_SOCKET) != 0;
    if (handle->is_socket) {
        return IOCP_EINVAL;
    }
    if ((answer & ADOPT_IS_SYNCHRONOUS) != 0) {
        return IOCP_ENOTOVERLAPPED;
    }
    handle->handle.kind = (uint8_t)(answer & ADOPT_KIND);
    handle->handle.is_append =
        handle->handle.kind == IOCP_HANDLE_FILE && (answer & ADOPT_APPENDS) != 0;
    handle->skips_packets = (answer & ADOPT_SKIPS_PACKETS) != 0;
    int status = ioc_file_join_port(port, handle);
    if (status != IOCP_OK) {
        handle->handle.kind = IOCP_HANDLE_OTHER;
    }
    return status;
}

bool ioc_adopt_complete(ioc_port *base, ioc_op *op)
{
    const ioc_work *work = ioc_work_of(op);
    if (!ioc_work_complete_on_duplicate(base, op)) {
        return true;
    }
    uint32_t error = (uint32_t)(work->value >> ADOPT_ERROR_SHIFT);
    if (error != 0) {
        (void)ioc_overlapped_failed(op, error);
        return true;
    }
    base->native_error = 0;
    op->outcome.status =
        adopt__use(ioc_win_port_of(base), ioc_win_handle_of(op->handle), work->value);
    op->outcome.native_error = op->outcome.status != IOCP_OK ? base->native_error : 0;
    base->native_error = 0;
    return true;
}
