/*
 * The token of an operation, and the one start protocol.
 *
 * Each operation carries its own OVERLAPPED; whatever the kernel writes is in the operation's block
 * (or in op->block) and stays there until the packet is back. A packet leads to the operation by
 * the address of its OVERLAPPED, and its outcome stands in that: the kernel is never asked again.
 *
 * What the answer to a starting call means:
 *
 *   success, and the handle skips packets for it   DONE: the OVERLAPPED holds the outcome
 *   success, and the handle does not               PENDING: a packet comes all the same
 *   ERROR_IO_PENDING                               PENDING
 *   a warning (part of a message was delivered)    as success, if the operation took place: then
 *                                                  the OVERLAPPED has the warning, too
 *   any other error                                FAILED: no packet comes
 *
 * Operations that no kernel call carries out (waits, work) have the same token: a packet with it is
 * posted by a thread of the pool or sent by a wait completion packet. The kernel sees no more of
 * their OVERLAPPED than its address.
 */
#ifndef IOC_OVERLAPPED_H
#define IOC_OVERLAPPED_H

#include "handle.h"
#include "queue/mpsc.h"
#include "winsock.h"

typedef struct ioc_win_handle {
    ioc_handle handle;
    union { /* one word, which both say "none" with all bits set */
        HANDLE native;
        SOCKET socket;
    };
    int family;
    bool is_bound;      /* to an address */
    bool is_associated; /* with the port */
    bool is_ifs;        /* its provider's handles are the system's own: packets can be skipped */
    bool skips_packets;
    const ioc_winsock_functions *functions;
    WSAPROTOCOL_INFOW *provider; /* of a listener, for the sockets that it accepts */
} ioc_win_handle;

/* What an operation still needs once it has taken place; may turn op->outcome into a failure. */
typedef void (*ioc_complete_fn)(ioc_port *port, ioc_op *op);

typedef struct ioc_win_op {
    ioc_op op;
    OVERLAPPED overlapped;
    ioc_complete_fn complete; /* or NULL */
    union {
        struct {                /* on sockets */
            DWORD flags;        /* in and out: WSARecv */
            DWORD bytes;        /* out: AcceptEx */
            int address_length; /* in and out: WSARecvFrom */
        };
        struct { /* those that end by a thread of the pool, or by this library itself */
            ioc_mpsc_node returned; /* in port.returned */
            ioc_atomic_u32 state;   /* who was quicker: wait.c, work.c */
        };
    };
} ioc_win_op;

static inline ioc_win_op *ioc_win_op_of(ioc_op *op)
{
    return (ioc_win_op *)(void *)op;
}

static inline ioc_win_handle *ioc_win_handle_of(ioc_handle *handle)
{
    return (ioc_win_handle *)(void *)handle;
}

/* Make the token ready for a starting call, and give what that call takes. */
OVERLAPPED *ioc_overlapped_prepare(ioc_op *op, ioc_complete_fn complete);

/* The same for an operation that a packet of ours brings back; its outcome is a success as yet. */
void ioc_overlapped_prepare_posted(ioc_op *op, ioc_port *port, ioc_complete_fn complete);
struct ioc_win_port *ioc_overlapped_port(const ioc_op *op);

/* The protocol above. `error` is the code behind a call that failed. */
ioc_start ioc_overlapped_started(ioc_port *port, ioc_op *op, bool failed, uint32_t error);

/* Bind a handle to the port, and have it skip packets if it may. Once in the handle's life. */
int ioc_overlapped_join(struct ioc_win_port *port, ioc_win_handle *handle, bool may_skip);

/* Ask for the end of an overlapped call. See ioc_backend.cancel. */
int ioc_overlapped_cancel(ioc_port *port, ioc_op *op);

/* For calls that are not overlapped. */
ioc_start ioc_overlapped_done(ioc_op *op);
ioc_start ioc_overlapped_failed(ioc_op *op, uint32_t error);

/* The operation that a packet brings back, with its outcome in op->outcome. */
ioc_op *ioc_overlapped_ended(ioc_port *port, OVERLAPPED *overlapped);

/*
 * For what the kernel does not carry out: have its packet say that it was cancelled; the same
 * without a packet, so that its outcome is in op->outcome.
 */
void ioc_overlapped_settle_cancelled(ioc_op *op);
void ioc_overlapped_abort(ioc_port *port, ioc_op *op);

#endif
