/*
 * ACCEPT: the handle for the connection, and patience where the system is short of something.
 *
 * A start that fails for want of a resource (handles, buffers, memory) is told once. If the
 * callback rearms the accept tries again by itself, after pauses that grow to 64 ms, until it is
 * under way: so a server that is out of handles neither spins nor stays deaf.
 */
#ifndef IOC_ACCEPT_H
#define IOC_ACCEPT_H

#include "handle.h"

#define IOC_ACCEPT_PAUSE_NS     IOC_NS_PER_MS
#define IOC_ACCEPT_PAUSE_MAX_NS (64 * IOC_NS_PER_MS)

typedef struct ioc_accept {
    ioc_handle *handle;             /* where the connection goes; set before the start */
    const struct sockaddr *address; /* the peer, in op->block */
    uint32_t address_length;
    uint32_t pause_ns; /* the last one, 0: none since it was under way */
} ioc_accept;

_Static_assert(sizeof(ioc_accept) <= IOC_PARAMETER_BYTES, "its parameters fit");

static inline ioc_accept *ioc_accept_of(const ioc_op *op)
{
    return ioc_op_parameters(op);
}

/* Slots of ioc_kind. */
void ioc_accept_start(ioc_ops *ops, ioc_op *op);
void ioc_accept_tell(const ioc_op *op, iocp_result_t *result);
void ioc_accept_ended(ioc_ops *ops, ioc_op *op);

#endif
