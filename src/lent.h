/*
 * RECV_LENT: a receive into a buffer of a pool, which is taken when there is data and not before.
 *
 *                +------------------ no bytes yet -------------+
 *                v                                             |
 *   start -> KERNEL, a receive of no bytes --(there is data)-- + -> KERNEL, a receive -> READY
 *                                            |                       ^
 *                                            +-> PARKED in the pool -+  (a buffer has come back)
 *
 * So it is a transfer of no bytes until it has a buffer, and one of the buffer's size from then on. To
 * the backend these are two operations that come one behind the other; what it does for a receive of no
 * bytes it does anyway: wait until there is something, and take none of it.
 *
 * Where the last receive of a stream had no need to wait, the next one looks first whether there is more,
 * by a call that never waits: so one that is busy takes one request for each receive. The buffer of a
 * look that has found nothing is free again when the call is over, before anything else happens.
 *
 * A buffer that comes back is the oldest's that waits in the pool, from that moment on: one that is
 * started in the next tick before it finds none free. On streams and pipes receives take turns, so who
 * waits for a buffer keeps all behind it waiting, and the order stays; lent receives take turns on
 * datagrams too, so that one datagram does not take a buffer for each of them.
 *
 * A message pipe may have an empty message, and there a read of no bytes takes it: the backend says so
 * by ioc_op.is_empty, and all that is missing is a buffer to tell it in.
 *
 * The pool outlives its destruction until the last buffer is back. Operations that have none of it
 * forget it then.
 */
#ifndef IOC_LENT_H
#define IOC_LENT_H

#include "buffers.h"
#include "transfer.h"

/* In op->block, of a datagram: the sender. */
typedef struct ioc_lent_sender {
    uint64_t address[16]; /* a sockaddr_storage */
    size_t length;
} ioc_lent_sender;

_Static_assert(sizeof(ioc_lent_sender) <= IOC_BLOCK_BYTES, "it fits in a small block");

/* Pools, for the API and the loop's end. */
int ioc_lent_create_pool(ioc_ops *ops, ioc_alloc *alloc, iocp_loop_t *loop, size_t count,
                         size_t size, ioc_buffers **pool);
void ioc_lent_destroy_pool(ioc_ops *ops, ioc_buffers *pool);
void ioc_lent_deinit(ioc_ops *ops);

/* A lent one comes back. IOCP_EINVAL. */
int ioc_lent_return(ioc_ops *ops, ioc_buffers *pool, void *data);

/* How many operations wait for a buffer. */
size_t ioc_lent_waiting(const ioc_buffers *pool);

/* Before it is queued. IOCP_ENOMEM. */
int ioc_lent_set(ioc_ops *ops, ioc_op *op, ioc_buffers *pool);

/* Slots of ioc_kind. */
void ioc_lent_start(ioc_ops *ops, ioc_op *op);
bool ioc_lent_goes_on(ioc_ops *ops, ioc_op *op);
void ioc_lent_tell(const ioc_op *op, iocp_result_t *result);
void ioc_lent_ended(ioc_ops *ops, ioc_op *op);

#endif
