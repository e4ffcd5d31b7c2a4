/* The IOCP backend as a table: which unit does what. */
#include "backend.h"

#include "file.h"
#include "overlapped.h"
#include "port.h"
#include "process.h"
#include "socket.h"
#include "wait.h"
#include "work.h"

static uint32_t backend__capabilities(void)
{
    const ioc_sys *sys = ioc_sys_default();
    ioc_nt nt;
    ioc_nt_load(&nt, sys);
    return (ioc_nt_has_wait_packets(&nt) ? IOCP_CAP_WAIT_PACKETS : 0u) |
           (ioc_sleep_has_high_resolution(sys) ? IOCP_CAP_HIGH_RESOLUTION_TIMERS : 0u);
}

static ioc_start backend__start(ioc_port *port, ioc_op *op)
{
    switch (op->type) {
    case IOCP_TYPE_ACCEPT:
    case IOCP_TYPE_CONNECT:
    case IOCP_TYPE_SEND:
    case IOCP_TYPE_RECV:
    case IOCP_TYPE_SHUTDOWN:
    case IOCP_TYPE_SENDTO:
    case IOCP_TYPE_RECVFROM:
        return ioc_socket_start(port, op);
    case IOCP_TYPE_READ:
    case IOCP_TYPE_WRITE:
    case IOCP_TYPE_PREAD:
    case IOCP_TYPE_PWRITE:
    case IOCP_TYPE_FLUSH:
        return ioc_file_start(port, op);
    case IOCP_TYPE_WAIT:
    case IOCP_TYPE_PROCESS_WAIT:
        return ioc_wait_start(port, op);
    case IOCP_TYPE_JOB_WATCH:
        return ioc_job_start(port, op);
    case IOCP_TYPE_WORK:
        return ioc_work_start(port, op, NULL);
    case IOCP_TYPE_NOP:
    case IOCP_TYPE_TIMER:
    case IOCP_TYPE_CANCEL:
    case IOCP_TYPE_ASYNC_WAIT:
    case IOCP_TYPE_CLOSE:
    case IOCP_TYPE_DRAIN:
        break;
    }
    IOC_ASSERT(false && "the core does these itself");
    return ioc_overlapped_failed(op, ERROR_NOT_SUPPORTED);
}

static int backend__cancel(ioc_port *port, ioc_op *op, bool *is_back)
{
    switch (op->type) {
    case IOCP_TYPE_WAIT:
    case IOCP_TYPE_PROCESS_WAIT:
        return ioc_wait_cancel(port, op, is_back);
    case IOCP_TYPE_JOB_WATCH:
        return ioc_job_cancel(port, op, is_back);
    case IOCP_TYPE_WORK:
    case IOCP_TYPE_FLUSH:
        return ioc_work_cancel(port, op);
    case IOCP_TYPE_ACCEPT:
    case IOCP_TYPE_CONNECT:
    case IOCP_TYPE_SEND:
    case IOCP_TYPE_RECV:
    case IOCP_TYPE_SHUTDOWN:
    case IOCP_TYPE_SENDTO:
    case IOCP_TYPE_RECVFROM:
    case IOCP_TYPE_READ:
    case IOCP_TYPE_WRITE:
    case IOCP_TYPE_PREAD:
    case IOCP_TYPE_PWRITE:
        return ioc_overlapped_cancel(port, op);
    case IOCP_TYPE_NOP:
    case IOCP_TYPE_TIMER:
    case IOCP_TYPE_CANCEL:
    case IOCP_TYPE_ASYNC_WAIT:
    case IOCP_TYPE_CLOSE:
    case IOCP_TYPE_DRAIN:
        break;
    }
    IOC_ASSERT(false && "the core does these itself");
    return IOCP_OK;
}

static void *backend__native(ioc_port *port, ioc_handle *handle)
{
    (void)port;
    return ioc_win_handle_of(handle)->native;
}

static void backend__close(ioc_port *port, ioc_handle *handle)
{
    switch (handle->kind) {
    case IOC_HANDLE_STREAM:
    case IOC_HANDLE_DATAGRAM:
        ioc_socket_close(port, handle);
        break;
    case IOC_HANDLE_FILE:
    case IOC_HANDLE_PIPE:
        ioc_file_close(port, handle);
        break;
    }
}

static const ioc_backend iocp_backend = {
    .name = "iocp",
    .op_bytes = sizeof(ioc_win_op),
    .handle_bytes = sizeof(ioc_win_handle),
    .capabilities = backend__capabilities,
    .open = ioc_port_open,
    .close = ioc_port_close,
    .now = ioc_port_now,
    .thread_id = ioc_port_thread_id,
    .sleep_method = ioc_port_sleep_method,
    .dequeue = ioc_port_dequeue,
    .wake = ioc_port_wake,
    .native = ioc_port_native,
    .start = backend__start,
    .release = ioc_job_release,
    .cancel = backend__cancel,
    .socket_open = ioc_socket_open,
    .socket_adopt = ioc_socket_adopt,
    .socket_detach = ioc_socket_detach,
    .socket_bind = ioc_socket_bind,
    .socket_listen = ioc_socket_listen,
    .socket_name = ioc_socket_name,
    .socket_set_option = ioc_socket_set_option,
    .socket_get_option = ioc_socket_get_option,
    .socket_join = ioc_socket_join,
    .file_open = ioc_file_open,
    .file_size = ioc_file_size,
    .file_set_size = ioc_file_set_size,
    .handle_adopt = ioc_file_adopt,
    .handle_native = backend__native,
    .handle_close = backend__close,
};

const ioc_backend *ioc_backend_default(void)
{
    return &iocp_backend;
}
