/*
 * A kernel object on a loop: which operations are on it, and how it closes.
 *
 * An operation is on the handle's books from the moment it is queued until its callback has
 * returned. Closing shuts a gate: no operation is added or rearmed any more. When the books are
 * empty, and not before, the kernel object is closed and the close's own callback is due; so it
 * comes last, and no packet can arrive for a handle that is gone. Cancelling what is on the books
 * is the cancel unit's work.
 *
 * All of it runs on the loop thread.
 */
#ifndef IOC_HANDLE_H
#define IOC_HANDLE_H

#include "op.h"

typedef enum ioc_handle_kind {
    IOC_HANDLE_STREAM = 1,   /* a stream socket */
    IOC_HANDLE_DATAGRAM = 2, /* a datagram socket */
    IOC_HANDLE_FILE = 3,
    IOC_HANDLE_PIPE = 4
} ioc_handle_kind;

typedef struct ioc_handle {
    ioc_handle_kind kind;  /* set by the backend that opens it, as is_append */
    bool is_append;        /* a file whose writes go behind its end */
    bool is_open;          /* the backend holds a kernel object for it */
    uint32_t sends;        /* in the kernel, or their callbacks due */
    uint64_t queued_bytes; /* of sends and writes, from queueing until their callbacks */
    uint64_t most_queued_bytes;
    uint64_t position;   /* of a file: where the next READ or WRITE goes */
    const ioc_op *mover; /* of those that take turns: whose it is; all others wait in `moves` */
    ioc_list operations; /* the books: ioc_op.sibling */
    ioc_list moves;      /* parked until `mover` has ended: ioc_op.link, as below */
    ioc_list shutdowns;  /* parked until `sends` is 0 */
    ioc_list drains;     /* parked until `queued_bytes` is low enough */
    ioc_op *close;       /* the gate is shut: this one's callback comes last */
} ioc_handle;

typedef struct ioc_handles {
    ioc_ops *ops;
    ioc_slab slab; /* of backend->handle_bytes */
} ioc_handles;

void ioc_handles_init(ioc_handles *handles, ioc_alloc *alloc, ioc_ops *ops);
void ioc_handles_deinit(ioc_handles *handles);

/* A handle with nothing open in it; NULL: no memory. */
ioc_handle *ioc_handle_new(ioc_handles *handles, ioc_handle_kind kind);

/* Close the kernel object if there is one, and give the handle back. Its books are empty. */
void ioc_handle_free(ioc_handles *handles, ioc_handle *handle);

/* NULL if it is closed, or closing. */
ioc_handle *ioc_handle_find(const ioc_handles *handles, iocp_handle_t id);
iocp_handle_t ioc_handle_id(const ioc_handle *handle);

/* Enter an operation that is about to be queued. */
void ioc_handle_enter(ioc_handle *handle, ioc_op *op);

/*
 * Start what needs more than the kernel: an accept its new handle, a shutdown the end of sends, a
 * READ, WRITE or RECV its turn, a drain less to be queued.
 */
void ioc_handle_start_accept(ioc_handles *handles, ioc_op *op);
void ioc_handle_start_send(ioc_handles *handles, ioc_op *op);
void ioc_handle_start_shutdown(ioc_handles *handles, ioc_op *op);
void ioc_handle_start_move(ioc_handles *handles, ioc_op *op);
void ioc_handle_start_drain(ioc_handles *handles, ioc_op *op);

/* Whether a READ or WRITE is queued or under way, so that the position is not settled. */
bool ioc_handle_is_moving(const ioc_handle *handle);

/*
 * An operation is about to be delivered, its result is made: take it out of what is queued to go
 * out, move the file's position, give back what a failed accept held, and the handle that a close
 * has closed.
 */
void ioc_handle_before_callback(ioc_handles *handles, ioc_op *op);

/* An operation's callback has returned and it is about to be rearmed: its bytes go out again. */
void ioc_handle_add_outgoing(ioc_op *op);

/* An operation's callback has returned and it is not rearmed: take it off the books. */
void ioc_handle_leave(ioc_handles *handles, ioc_op *op);

/*
 * Shut the gate with a close that is about to be queued. When its turn comes the cancel unit
 * cancels what is on the books, then ioc_handle_settle closes the handle once nothing is on them.
 */
void ioc_handle_shut_gate(ioc_handle *handle, ioc_op *close);
void ioc_handle_settle(ioc_handles *handles, ioc_handle *handle);

#endif
