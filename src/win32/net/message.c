#include "message.h"

#include "lent.h"
#include "transfer.h"

_Static_assert(sizeof(iocp_buf_t) == sizeof(WSABUF), "iocp_buf_t is laid out as WSABUF");
_Static_assert(offsetof(iocp_buf_t, length) == offsetof(WSABUF, len), "as WSABUF");
_Static_assert(offsetof(iocp_buf_t, base) == offsetof(WSABUF, buf), "as WSABUF");
_Static_assert(sizeof(SOCKADDR_STORAGE) <= IOC_BLOCK_BYTES, "a sender's address fits");

/* The kernel copies the list during the call, and does not write to it. */
static WSABUF *message__buffers(const ioc_op *op)
{
    return (WSABUF *)(uintptr_t)ioc_transfer_buffers(op);
}

static SOCKET message__socket(const ioc_op *op)
{
    return ioc_win_handle_of(op->handle)->socket;
}

static ioc_start message__started(ioc_port *port, ioc_op *op, int result)
{
    const ioc_sys *sys = ioc_win_port_of(port)->sys;
    uint32_t error = result == 0 ? 0 : (uint32_t)sys->WSAGetLastError();
    return ioc_overlapped_started(port, op, result != 0, error);
}

/* ---- Sending ---- */

ioc_start ioc_message_start_send(ioc_port *port, ioc_op *op)
{
    const ioc_sys *sys = ioc_win_port_of(port)->sys;
    OVERLAPPED *overlapped = ioc_overlapped_prepare(op);
    return message__started(port, op,
                            sys->WSASend(message__socket(op), message__buffers(op),
                                         ioc_transfer_of(op)->count, NULL, 0, overlapped, NULL));
}

ioc_start ioc_message_start_sendto(ioc_port *port, ioc_op *op)
{
    const ioc_sys *sys = ioc_win_port_of(port)->sys;
    const ioc_transfer *transfer = ioc_transfer_of(op);
    OVERLAPPED *overlapped = ioc_overlapped_prepare(op);
    return message__started(port, op,
                            sys->WSASendTo(message__socket(op), message__buffers(op),
                                           transfer->count, NULL, 0, op->block,
                                           (int)transfer->address_length, overlapped, NULL));
}

/* Overlapped calls do not heed it. It is for the whole file object, so not of what may be shared. */
static int message__never_wait(ioc_win_port *port, ioc_win_handle *handle)
{
    u_long is_nonblocking = 1;
    if (handle->is_adopted) {
        return IOCP_ENOTSUP;
    }
    if (!handle->is_nonblocking &&
        port->sys->ioctlsocket(handle->socket, (long)FIONBIO, &is_nonblocking) != 0) {
        return ioc_port_fail_winsock(port);
    }
    handle->is_nonblocking = true;
    return IOCP_OK;
}

int ioc_message_try_send(ioc_port *base, ioc_handle *core_handle, const iocp_buf_t *buffers,
                         uint32_t count, uint64_t *sent)
{
    ioc_win_port *port = ioc_win_port_of(base);
    ioc_win_handle *handle = ioc_win_handle_of(core_handle);
    DWORD bytes = 0;
    int status = message__never_wait(port, handle);
    if (status != IOCP_OK) {
        return status;
    }
    if (port->sys->WSASend(handle->socket, (WSABUF *)(uintptr_t)buffers, count, &bytes, 0, NULL,
                           NULL) != 0) {
        return ioc_port_fail_winsock(port);
    }
    *sent = bytes;
    return IOCP_OK;
}

/* ---- Receiving ---- */

/*
 * One of no bytes waits for data and takes none. A stream leaves it by itself; a datagram would be
 * taken and lost, so it is only looked at.
 */
static void message__set_flags(ioc_op *op)
{
    bool is_look = ioc_transfer_of(op)->bytes == 0 && op->handle->kind == IOCP_HANDLE_DATAGRAM;
    ioc_win_op_of(op)->flags = is_look ? MSG_PEEK : 0;
}

ioc_start ioc_message_start_recv(ioc_port *port, ioc_op *op)
{
    const ioc_sys *sys = ioc_win_port_of(port)->sys;
    OVERLAPPED *overlapped = ioc_overlapped_prepare(op);
    message__set_flags(op);
    return message__started(port, op,
                            sys->WSARecv(message__socket(op), message__buffers(op),
                                         ioc_transfer_of(op)->count, NULL,
                                         &ioc_win_op_of(op)->flags, overlapped, NULL));
}

ioc_start ioc_message_start_recvfrom(ioc_port *port, ioc_op *op)
{
    const ioc_sys *sys = ioc_win_port_of(port)->sys;
    ioc_win_op *win_op = ioc_win_op_of(op);
    OVERLAPPED *overlapped = ioc_overlapped_prepare(op);
    message__set_flags(op);
    win_op->address_length = (int)sizeof(SOCKADDR_STORAGE);
    return message__started(port, op,
                            sys->WSARecvFrom(message__socket(op), message__buffers(op),
                                             ioc_transfer_of(op)->count, NULL, &win_op->flags,
                                             op->block, &win_op->address_length, overlapped, NULL));
}

/* A datagram that was longer than the buffer has been received, as far as there was room. */
bool ioc_message_received(ioc_port *port, ioc_op *op)
{
    (void)port;
    if (op->outcome.status == IOCP_EMSGSIZE && op->handle->kind == IOCP_HANDLE_DATAGRAM) {
        bool is_look = ioc_transfer_of(op)->bytes == 0;
        op->outcome = (ioc_outcome){.status = IOCP_OK, .bytes = op->outcome.bytes};
        op->flags |= is_look ? 0 : IOCP_RESULT_TRUNCATED;
    }
    return true;
}

bool ioc_message_received_from(ioc_port *port, ioc_op *op)
{
    ioc_transfer_of(op)->address_length = (uint64_t)ioc_win_op_of(op)->address_length;
    return ioc_message_received(port, op);
}

bool ioc_message_received_lent(ioc_port *port, ioc_op *op)
{
    ioc_lent_sender *sender = op->block;
    sender->length = (size_t)ioc_win_op_of(op)->address_length;
    return ioc_message_received(port, op);
}

/* Not overlapped, so what it says is all that comes of it. */
ioc_start ioc_message_receive_now(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    DWORD bytes = 0;
    DWORD flags = 0;
    if (message__never_wait(port, ioc_win_handle_of(op->handle)) != IOCP_OK) {
        op->outcome = (ioc_outcome){.status = IOCP_EAGAIN};
        return IOC_START_FAILED;
    }
    if (port->sys->WSARecv(message__socket(op), message__buffers(op), 1, &bytes, &flags, NULL,
                           NULL) != 0) {
        return ioc_overlapped_failed(op, (uint32_t)port->sys->WSAGetLastError());
    }
    op->outcome = (ioc_outcome){.status = IOCP_OK, .bytes = bytes};
    return IOC_START_DONE;
}
