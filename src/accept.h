/*
 * ACCEPT: whose connection it is, and patience where the system is short of something.
 *
 * A start that fails for want of a resource (handles, buffers, memory) is told once. If the
 * callback rearms the accept tries again by itself, after pauses that grow to 64 ms, until it is
 * under way: so a server that is out of handles neither spins nor stays deaf.
 */
#ifndef IOC_ACCEPT_H
#define IOC_ACCEPT_H

#include "opening.h"

#define IOC_ACCEPT_PAUSE_NS     IOC_NS_PER_MS
#define IOC_ACCEPT_PAUSE_MAX_NS (64 * IOC_NS_PER_MS)

/* In op->block. */
typedef struct ioc_accept {
    ioc_opening opening;
    const struct sockaddr *address; /* the peer, in the room */
    uint32_t address_length;
    uint32_t pause_ns;    /* the last one, 0: none since it was under way */
    unsigned char room[]; /* the backend's, for addresses: IOC_ACCEPT_ROOM_BYTES */
} ioc_accept;

#define IOC_ACCEPT_ROOM_BYTES (IOC_BLOCK_BYTES - offsetof(ioc_accept, room))

static inline ioc_accept *ioc_accept_of(const ioc_op *op)
{
    return op->block;
}

/* Before it is queued. IOCP_ENOMEM. */
int ioc_accept_prepare(ioc_ops *ops, ioc_op *op);

/* Slots of ioc_kind. */
void ioc_accept_start(ioc_ops *ops, ioc_op *op);
void ioc_accept_tell(const ioc_op *op, iocp_result_t *result);

#endif
