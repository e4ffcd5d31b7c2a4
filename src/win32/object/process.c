#include "process.h"

#include "../wait.h"
#include "watch.h"

void ioc_process_open(ioc_handle *core_handle, HANDLE process, DWORD id, HANDLE tree)
{
    ioc_win_handle *handle = ioc_win_handle_of(core_handle);
    core_handle->kind = IOCP_HANDLE_PROCESS;
    core_handle->process_id = id;
    handle->native = process;
    handle->tree = tree;
}

/* The handle that stands for this process has an id, and cannot be waited for nor closed. */
int ioc_process_adopt(ioc_port *base, ioc_handle *core_handle, void *native)
{
    ioc_win_port *port = ioc_win_port_of(base);
    if (native == INVALID_HANDLE_VALUE) {
        return ioc_port_fail(port, ERROR_INVALID_HANDLE);
    }
    DWORD id = port->sys->GetProcessId(native);
    if (id == 0 || !port->sys->SetHandleInformation(native, HANDLE_FLAG_INHERIT, 0)) {
        return ioc_port_fail_last(port);
    }
    ioc_process_open(core_handle, native, id, NULL);
    return IOCP_OK;
}

void ioc_process_close(ioc_win_port *port, ioc_win_handle *handle)
{
    if (handle->native != INVALID_HANDLE_VALUE) {
        (void)port->sys->CloseHandle(handle->native);
        handle->native = INVALID_HANDLE_VALUE;
    }
    if (handle->tree != NULL) {
        (void)port->sys->CloseHandle(handle->tree);
        handle->tree = NULL;
    }
}

ioc_start ioc_process_start_wait(ioc_port *port, ioc_op *op)
{
    ioc_watch_of(op)->object = ioc_win_handle_of(op->handle)->native;
    return ioc_wait_start(port, op);
}

bool ioc_process_exited(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    ioc_watch *watch = ioc_watch_of(op);
    DWORD code = 0;
    (void)ioc_wait_complete(base, op);
    if (op->outcome.status != IOCP_OK) {
        return true;
    }
    if (!port->sys->GetExitCodeProcess(watch->object, &code)) {
        (void)ioc_overlapped_failed(op, port->sys->GetLastError());
        return true;
    }
    watch->value = code;
    return true;
}
