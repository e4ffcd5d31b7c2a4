#include "sendfile.h"

#include <string.h>

_Static_assert(sizeof(ioc_sendfile) <= IOC_BLOCK_BYTES, "it fits in a small block");

int ioc_sendfile_set(ioc_ops *ops, ioc_op *op, ioc_handle *file, const iocp_buf_t *head,
                     const iocp_buf_t *tail)
{
    const iocp_buf_t nothing = {0};
    int status = ioc_op_take_block(ops, op, IOC_BLOCK_BYTES);
    if (status != IOCP_OK) {
        return status;
    }
    ioc_sendfile *sendfile = ioc_sendfile_of(op);
    memset(sendfile, 0, sizeof *sendfile);
    sendfile->head = head != NULL ? *head : nothing;
    sendfile->tail = tail != NULL ? *tail : nothing;
    return ioc_handle_use(ops, file, op);
}

/* ---- How much ---- */

/* A file that is shorter has no tail behind it. */
static bool sendfile__is_short(const ioc_sendfile *sendfile)
{
    return sendfile->bytes != IOC_SENDFILE_ALL && sendfile->available < sendfile->bytes;
}

static uint32_t sendfile__tail_bytes(const ioc_sendfile *sendfile)
{
    return sendfile__is_short(sendfile) ? 0 : sendfile->tail.length;
}

static uint64_t sendfile__total(const ioc_sendfile *sendfile)
{
    return sendfile->head.length + sendfile->available + sendfile__tail_bytes(sendfile);
}

bool ioc_sendfile_is_done(const ioc_sendfile *sendfile)
{
    return sendfile->sent == sendfile__total(sendfile);
}

ioc_portion ioc_sendfile_next(const ioc_sendfile *sendfile, uint32_t most_bytes)
{
    bool is_first = sendfile->sent == 0;
    uint64_t done = is_first ? 0 : sendfile->sent - sendfile->head.length;
    uint64_t left = sendfile->available - done;
    ioc_portion next = {.offset = sendfile->offset + done,
                        .bytes = left < most_bytes ? (uint32_t)left : most_bytes};
    if (is_first) {
        next.head = sendfile->head;
    }
    if (next.bytes == left && sendfile__tail_bytes(sendfile) > 0) {
        next.tail = sendfile->tail;
    }
    next.total = next.head.length + next.bytes + next.tail.length;
    return next;
}

/* ---- A run ---- */

static void sendfile__ask_size(ioc_ops *ops, ioc_sendfile *sendfile)
{
    uint64_t size = 0;
    ioc_handle *file = sendfile->file.handle;
    sendfile->asked = (ioc_outcome){.status = IOCP_ECANCELED};
    if (file->is_open) {
        sendfile->asked.status = ops->backend->file_size(ops->port, file, &size);
        sendfile->asked.native_error =
            sendfile->asked.status != IOCP_OK ? ops->port->native_error : 0;
    }
    uint64_t behind = size > sendfile->offset ? size - sendfile->offset : 0;
    sendfile->available = behind < sendfile->bytes ? behind : sendfile->bytes;
}

void ioc_sendfile_queued(ioc_ops *ops, ioc_op *op)
{
    ioc_sendfile *sendfile = ioc_sendfile_of(op);
    sendfile->sent = 0;
    sendfile__ask_size(ops, sendfile);
    ioc_transfer_add_queued(op->handle, sendfile__total(sendfile));
}

void ioc_sendfile_start(ioc_ops *ops, ioc_op *op)
{
    const ioc_sendfile *sendfile = ioc_sendfile_of(op);
    if (sendfile->asked.status != IOCP_OK) {
        ioc_op_finish(ops, op, sendfile->asked.status);
        op->outcome.native_error = sendfile->asked.native_error;
    } else {
        ioc_transfer_start_send(ops, op);
    }
}

void ioc_sendfile_settle(ioc_op *op)
{
    if (sendfile__is_short(ioc_sendfile_of(op))) {
        op->outcome.status = IOCP_EOF;
    }
}

void ioc_sendfile_ended(ioc_ops *ops, ioc_op *op)
{
    ioc_transfer_has_gone_out(ops, op, sendfile__total(ioc_sendfile_of(op)));
}
