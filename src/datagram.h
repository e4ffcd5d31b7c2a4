/*
 * SENDMSG and RECVMSG: a datagram and what goes beside its data. They are transfers (transfer.h),
 * with an ioc_datagram at the beginning of op->block, and the list of buffers behind it if there is
 * one. All that is told or was given stands there, and what the kernel reads and writes too.
 */
#ifndef IOC_DATAGRAM_H
#define IOC_DATAGRAM_H

#include "transfer.h"

/* Room for the address of any family, and for what a backend keeps with a message. */
#define IOC_ADDRESS_BYTES          128
#define IOC_DATAGRAM_BACKEND_BYTES 384

typedef union ioc_address {
    unsigned char bytes[IOC_ADDRESS_BYTES];
    uint64_t alignment;
} ioc_address;

typedef struct ioc_datagram {
    iocp_message_t message; /* as it was given, or is told: its addresses are these two */
    ioc_address peer;
    ioc_address local;
    union {
        unsigned char bytes[IOC_DATAGRAM_BACKEND_BYTES];
        uint64_t alignment;
        void *pointer;
    } backend; /* all 0 when it is first started */
} ioc_datagram;

_Static_assert(sizeof(ioc_datagram) <= IOC_BLOCK_MORE_BYTES, "it fits, with a short list");
_Static_assert(sizeof(ioc_datagram) % sizeof(void *) == 0, "a list may stand behind it");

static inline ioc_datagram *ioc_datagram_of(const ioc_op *op)
{
    return op->block;
}

/* Whether a message to be sent is one, but for what only the system can say of it. */
bool ioc_datagram_is_message(const iocp_message_t *message);

/* Before it is queued: its buffers, and the message if it is to be sent. IOCP_ENOMEM. */
int ioc_datagram_set(ioc_ops *ops, ioc_op *op, const iocp_buf_t *buffers, size_t count,
                     const iocp_message_t *message_or_null);

/* For a backend, before it tells what was received: nothing is known, of the peer neither. */
void ioc_datagram_clear(ioc_op *op);

/* Slot of ioc_kind. */
void ioc_datagram_tell(const ioc_op *op, iocp_result_t *result);

#endif
