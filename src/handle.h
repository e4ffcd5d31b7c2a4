/*
 * A kernel object on a loop: which operations are on it, whose turn it is, and how it closes.
 *
 * An operation is on the handle's books from the moment it is queued until its callback has
 * returned. Closing shuts a gate: no operation is added or started any more. When the books are
 * empty, and not before, the kernel object is closed and the close's own callback is due; so it
 * comes last, and no packet can arrive for a handle that is gone. Cancelling what is on the books
 * is the cancel unit's work. An operation may use a second handle: it is on that one's list of uses,
 * and a close of that one waits for it likewise.
 *
 * A handle that was adopted is unknown at first: what it is has to be asked, and the question may
 * wait, so a thread of the pool asks it. That is an operation too, of the library's own (type 0),
 * the first on the handle's books. Those that are started meanwhile are parked. Once it is
 * known they go on, if what it is has such operations; otherwise it stays unknown for good, and
 * each operation is told why.
 *
 * All of it runs on the loop thread. The structure is in op.h.
 */
#ifndef IOC_HANDLE_H
#define IOC_HANDLE_H

#include "op.h"

/* What may be asked of a handle that is unknown: what can be adopted has these operations. */
#define IOC_HANDLES_ADOPTED \
    (IOC_ON(IOCP_HANDLE_FILE) | IOC_ON(IOCP_HANDLE_PIPE) | IOC_ON(IOCP_HANDLE_OTHER))

/* Close the kernel objects that are left, with the loop's end. */
void ioc_handles_deinit(ioc_ops *ops);

/* A handle with nothing open in it; NULL: no memory. */
ioc_handle *ioc_handle_new(ioc_ops *ops, iocp_handle_kind_t kind);

/* Close the kernel object if there is one, and give the handle back. Its books are empty. */
void ioc_handle_free(ioc_ops *ops, ioc_handle *handle);

/*
 * Take the native handle out of an IOCP_HANDLE_PIPE_END: the caller closes it, and the handle is
 * gone, as if it had been closed. Cannot fail.
 */
void *ioc_handle_give_away(ioc_ops *ops, ioc_handle *handle);

/*
 * Whether nothing is on its books, or nothing but an operation whose callback runs. Its kernel object is
 * the program's from here on, and the handle is gone, at the latest behind that callback.
 */
bool ioc_handle_is_idle(const ioc_handle *handle);
void ioc_handle_detach(ioc_ops *ops, ioc_handle *handle);

/* NULL if it is closed; the first also if it is closing. */
ioc_handle *ioc_handle_find(const ioc_ops *ops, iocp_handle_t id);
ioc_handle *ioc_handle_find_closing(const ioc_ops *ops, iocp_handle_t id);
iocp_handle_t ioc_handle_id(const ioc_handle *handle);

/* What the program is told that it is: other, until the answer has been delivered. */
iocp_handle_kind_t ioc_handle_kind(const ioc_handle *handle);

/* Whether it is one of a set of IOC_ON bits; one that is unknown, if it may turn out to be one. */
bool ioc_handle_is_one_of(const ioc_handle *handle, uint32_t kinds);

/* Enter an operation that is about to be queued; also where it is used, for one that uses another. */
void ioc_handle_enter(ioc_handle *handle, ioc_op *op);

/* The lists of a handle. NULL: no memory for them. */
ioc_parked *ioc_handle_need_parked(ioc_ops *ops, ioc_handle *handle);

/* The same for an operation of it that is to be parked; if there is no memory it has ended so. */
ioc_parked *ioc_handle_parked(ioc_ops *ops, ioc_op *op);

/* Before an operation is queued, whose block begins with an ioc_use: what it uses. IOCP_ENOMEM. */
int ioc_handle_use(ioc_ops *ops, ioc_handle *handle, ioc_op *op);

/* The first of those that use it, or NULL. */
ioc_use *ioc_handle_first_use(const ioc_handle *handle);

/*
 * An operation of it is about to be started: true, or it waits for its turn, or it has ended, since
 * the handle does not have it.
 */
bool ioc_handle_admits(ioc_ops *ops, ioc_op *op);

/* ioc_kind.ended of the operation that asks what an adopted handle is. */
void ioc_handle_learned(ioc_ops *ops, ioc_op *op);

/* An operation is about to be delivered: the next may have its turn. */
void ioc_handle_pass_turn(ioc_ops *ops, ioc_op *op);

/*
 * An operation's callback has returned and it is not rearmed: take it off the books, also of what it
 * uses. With a close the handle is gone.
 */
void ioc_handle_leave(ioc_ops *ops, ioc_op *op);

/*
 * Shut the gate with a close that is about to be queued. When its turn comes the cancel unit asks
 * what is on the books to end, then ioc_handle_settle closes the handle once nothing is on them.
 */
void ioc_handle_shut_gate(ioc_handle *handle, ioc_op *close);
void ioc_handle_settle(ioc_ops *ops, ioc_handle *handle);

#endif
