#include "transmit.h"

#include "sendfile.h"
#include "winsock.h"

/*
 * TransmitFile takes less than 2^31 bytes at once, head and tail included (its page). Whole pages of
 * the cache, so that each portion begins with one where the first does.
 */
#define TRANSMIT_MOST_BYTES ((UINT32_C(1) << 30) - 65536)

_Static_assert((uint64_t)TRANSMIT_MOST_BYTES + IOC_SENDFILE_AROUND_MAX < INT32_MAX,
               "a portion is one call");

/* The kernel has read this when the packet is back, and perhaps not before. */
typedef struct transmit {
    ioc_sendfile sendfile; /* first */
    TRANSMIT_FILE_BUFFERS around;
} transmit;

_Static_assert(sizeof(transmit) <= IOC_BLOCK_BYTES, "it fits beside what the core has there");

static ioc_portion transmit__portion(const ioc_op *op)
{
    return ioc_sendfile_next(ioc_sendfile_of(op), TRANSMIT_MOST_BYTES);
}

/* ---- The start ---- */

/* For no bytes of a file TransmitFile has another meaning: all of it. */
static bool transmit__send_around(ioc_win_port *port, ioc_op *op, const ioc_portion *portion)
{
    WSABUF buffers[] = {{portion->head.length, portion->head.base},
                        {portion->tail.length, portion->tail.base}};
    SOCKET socket = ioc_win_handle_of(op->handle)->socket;
    OVERLAPPED *overlapped = ioc_overlapped_prepare(op);
    return port->sys->WSASend(socket, buffers, 2, NULL, 0, overlapped, NULL) == 0;
}

static bool transmit__send_file(ioc_op *op, const ioc_portion *portion, LPFN_TRANSMITFILE function)
{
    transmit *own = op->block;
    OVERLAPPED *overlapped = ioc_overlapped_prepare(op);
    overlapped->Offset = (DWORD)portion->offset;
    overlapped->OffsetHigh = (DWORD)(portion->offset >> 32);
    own->around = (TRANSMIT_FILE_BUFFERS){
        .Head = portion->head.base,
        .HeadLength = portion->head.length,
        .Tail = portion->tail.base,
        .TailLength = portion->tail.length,
    };
    return function(ioc_win_handle_of(op->handle)->socket,
                    ioc_win_handle_of(own->sendfile.file.handle)->native, portion->bytes, 0,
                    overlapped, &own->around, 0);
}

ioc_start ioc_transmit_start(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    const ioc_win_handle *handle = ioc_win_handle_of(op->handle);
    ioc_portion portion = transmit__portion(op);
    bool is_done = false;
    if (portion.bytes == 0) {
        is_done = transmit__send_around(port, op, &portion);
    } else {
        LPFN_TRANSMITFILE function =
            ioc_winsock_transmit_file(port, handle->socket, handle->family);
        if (function == NULL) {
            return ioc_overlapped_failed(op, (uint32_t)port->sys->WSAGetLastError());
        }
        is_done = transmit__send_file(op, &portion, function);
    }
    uint32_t error = is_done ? 0 : (uint32_t)port->sys->WSAGetLastError();
    return ioc_overlapped_started(base, op, !is_done, error);
}

/* ---- The end of a portion ---- */

static bool transmit__may_go_on(const ioc_win_port *port, const ioc_op *op)
{
    return op->intent == 0 && ioc_op_can_start(port->ops, op);
}

/* ioc_token.take: the next portion, unless somebody has asked for the end meanwhile. */
static ioc_link *transmit__again(ioc_win_port *port, ioc_token *token)
{
    ioc_op *op = ioc_overlapped_op_of(token);
    ioc_start start = IOC_START_FAILED;
    op->outcome = (ioc_outcome){.status = IOCP_ECANCELED};
    if (transmit__may_go_on(port, op)) {
        start = ioc_transmit_start(&port->base, op);
    }
    if (start == IOC_START_FAILED) {
        op->outcome.bytes = ioc_sendfile_of(op)->sent;
    }
    return start == IOC_START_PENDING ? NULL : &op->link;
}

/*
 * Fewer bytes than were asked for, and no error: the file has become shorter meanwhile. Without any
 * of a file it is a send of which a part went nowhere.
 */
bool ioc_transmit_sent(ioc_port *port, ioc_op *op)
{
    ioc_sendfile *sendfile = ioc_sendfile_of(op);
    ioc_outcome *outcome = &op->outcome;
    ioc_portion portion = transmit__portion(op);
    if (outcome->status == IOCP_OK && outcome->bytes < portion.total) {
        outcome->status = portion.bytes > 0 ? IOCP_EOF : IOCP_ECONNABORTED;
    }
    sendfile->sent += outcome->bytes;
    outcome->bytes = sendfile->sent;
    if (outcome->status != IOCP_OK || ioc_sendfile_is_done(sendfile)) {
        return true;
    }
    ioc_overlapped_defer(port, op, transmit__again);
    return false;
}
