/*
 * Operations that move bytes: SEND, RECV, SENDTO, RECVFROM, READ, WRITE, PREAD, PWRITE; and those
 * that wait for them, SHUTDOWN and DRAIN. SENDMSG and RECVMSG are these with more: datagram.h.
 *
 * The core keeps a file's position: a read or write goes where the last one ended, so they are
 * started one after the other. On a stream or pipe those that receive take turns too: one that is
 * done at once would call back before an earlier one whose packet is still in the port.
 *
 * What a socket sends goes out in the order of the calls. The system sees to that, but for what it may
 * take in portions (IOC_KIND_ALONE): that begins when all before it has ended, and what comes behind it
 * waits for its end.
 */
#ifndef IOC_TRANSFER_H
#define IOC_TRANSFER_H

#include "handle.h"

/* An offset in a file: behind its end, wherever that is when the write takes place. */
#define IOC_OFFSET_END UINT64_MAX

typedef struct ioc_transfer {
    iocp_buf_t one; /* the only buffer, or `count` of them are in op->block */
    uint32_t count;
    uint32_t bytes; /* of all buffers */
    union {
        uint64_t offset;           /* in a file; IOC_OFFSET_END */
        uint64_t address_length;   /* of the address in op->block: where to; the sender's */
        uint64_t list_at;          /* of a list: where it is in op->block */
        struct iocp_buffers *pool; /* of lent buffers: see lent.h */
    };
} ioc_transfer;

typedef struct ioc_shutdown {
    iocp_shutdown_how_t how;
} ioc_shutdown;

typedef struct ioc_drain {
    uint64_t bytes;
} ioc_drain;

_Static_assert(sizeof(ioc_transfer) <= IOC_PARAMETER_BYTES, "its parameters fit");

static inline ioc_transfer *ioc_transfer_of(const ioc_op *op)
{
    return ioc_op_parameters(op);
}

static inline ioc_shutdown *ioc_shutdown_of(const ioc_op *op)
{
    return ioc_op_parameters(op);
}

static inline ioc_drain *ioc_drain_of(const ioc_op *op)
{
    return ioc_op_parameters(op);
}

/* The buffers, ioc_transfer.count of them. */
const iocp_buf_t *ioc_transfer_buffers(const ioc_op *op);

/*
 * Before it is queued. IOCP_ENOMEM. The second form takes a block in which `before` bytes come first,
 * all of them 0, and the list behind these if there is one.
 */
int ioc_transfer_set_buffers(ioc_ops *ops, ioc_op *op, const iocp_buf_t *buffers, size_t count);
int ioc_transfer_set_buffers_behind(ioc_ops *ops, ioc_op *op, size_t before,
                                    const iocp_buf_t *buffers, size_t count);
int ioc_transfer_set_address(ioc_ops *ops, ioc_op *op, const struct sockaddr *address,
                             size_t length);

/* In its callback: the memory of the next run. */
void ioc_transfer_replace(ioc_op *op, void *data, uint32_t size);

/* Whether anything is queued to go out, be it an empty datagram. */
bool ioc_transfer_is_sending(const ioc_handle *handle);

/* Whether a READ or WRITE is queued or under way, so that the position is not settled. */
bool ioc_transfer_is_moving(const ioc_handle *handle);

/*
 * What goes out on a handle, `bytes` of it: when it is queued; when it is about to be delivered, with
 * its outcome.
 */
void ioc_transfer_add_queued(ioc_handle *handle, uint64_t bytes);
void ioc_transfer_has_gone_out(ioc_ops *ops, ioc_op *op, uint64_t bytes);

/* Slots of ioc_kind. */
void ioc_transfer_queued(ioc_ops *ops, ioc_op *op);
void ioc_transfer_start_send(ioc_ops *ops, ioc_op *op);
void ioc_transfer_start_pwrite(ioc_ops *ops, ioc_op *op);
void ioc_transfer_start_move(ioc_ops *ops, ioc_op *op);
void ioc_transfer_settle(ioc_op *op);
void ioc_transfer_tell_sender(const ioc_op *op, iocp_result_t *result);
void ioc_transfer_ended(ioc_ops *ops, ioc_op *op);
void ioc_shutdown_start(ioc_ops *ops, ioc_op *op);
void ioc_drain_start(ioc_ops *ops, ioc_op *op);

#endif
