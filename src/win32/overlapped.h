/*
 * The token of an operation, and the one start protocol.
 *
 * Each operation carries its own OVERLAPPED; whatever the kernel writes is in the operation's block
 * (or in op->block) and stays there until the packet is back. A packet leads to the operation by
 * the address of its OVERLAPPED, which is believed only if it is that of an operation that is in
 * the kernel: what was pending on a handle when it was adopted brings packets of the program's own.
 * The outcome stands in the OVERLAPPED: the kernel is never asked again.
 *
 * What the answer to a starting call means:
 *
 *   success, and the handle skips packets for it   DONE: the OVERLAPPED holds the outcome
 *   success, and the handle does not               PENDING: a packet comes all the same
 *   ERROR_IO_PENDING                               PENDING
 *   a warning (part of a message was delivered)    PENDING: see below
 *   any other error                                FAILED: no packet comes
 *
 * Warnings. A message that is longer than its buffer ends the call at once with its first part.
 * Whether a packet follows depends on who answers: Winsock's page says that none does, the I/O
 * manager of Windows 8 and later queues one even on a handle that skips packets, newer systems
 * answer PENDING. To take one of these for granted would be to lose the operation, or to have a
 * stale packet end another. So we queue a packet of our own behind the call, a *marker*. The port
 * keeps its packets in order: when the marker comes, the system's has come before it and was
 * dropped, or there is none.
 *
 * Operations that no kernel call carries out (waits, work) have the same token: a packet with it is
 * posted by a thread of the pool or sent by a wait completion packet. The kernel sees no more of
 * their OVERLAPPED than its address.
 */
#ifndef IOC_OVERLAPPED_H
#define IOC_OVERLAPPED_H

#include "opening.h"
#include "port.h"

struct ioc_family;
struct ioc_pseudo_console;
struct ioc_pipe_listener;

typedef struct ioc_win_handle {
    ioc_handle handle;
    union { /* one word, which both say "none" with all bits set */
        HANDLE native;
        SOCKET socket;
    };
    union {
        const struct ioc_family *family;    /* of a socket */
        struct ioc_stdio *stdio;            /* of a standard stream */
        struct ioc_pseudo_console *console; /* of a process, or NULL */
        FARPROC details; /* of a folder: what tells more of its changes than names, or NULL */
        uint64_t end;    /* of an unbuffered file: where the last read found it, 0: nowhere */
    };
    union {
        WSAPROTOCOL_INFOW *provider;         /* of a listener, for the sockets that it accepts */
        struct ioc_pipe_listener *instances; /* of a pipe's listener */
        HANDLE tree; /* of a process, the job of all that it starts, or NULL */
    };
    bool is_bound : 1;      /* to an address */
    bool is_associated : 1; /* with the port */
    bool is_ifs : 1;     /* its provider's handles are the system's own: packets can be skipped */
    bool is_socket : 1;  /* one that was adopted as something else, and is of no use */
    bool is_adopted : 1; /* its file object may be shared: nothing of it is changed for others */
    bool skips_packets : 1;
    bool is_nonblocking : 1; /* a socket: for calls that are not overlapped */
    bool is_shared : 1;      /* a socket: the program has said who else may bind to its address */
    bool is_unbuffered : 1;  /* a file */
    bool is_remote : 1;      /* a pipe whose other end may be on another machine */
    bool has_group : 1;      /* a process: of its own, on our console */
    bool knows_messages : 1; /* a pipe: whether it is read by messages */
    bool reads_messages : 1;
    bool is_forced : 1; /* a process: it was ended by a stop */
} ioc_win_handle;

typedef struct ioc_win_op {
    ioc_op op;
    ioc_token token;
    union {
        struct { /* on sockets */
            union {
                DWORD flags; /* in and out: WSARecv */
                DWORD bytes; /* out: AcceptEx */
            };
            int address_length; /* in and out: WSARecvFrom */
        };
        struct {                  /* those that end by another thread */
            ioc_atomic_u32 state; /* who was quicker */
            DWORD thread_id;      /* of the pool's thread that is at it */
        };
    };
} ioc_win_op;

/* What the backend does for a kind of operation: a row in backend.c. Only the last slot may be NULL. */
typedef struct ioc_win_kind {
    ioc_start (*start)(ioc_port *port, ioc_op *op);           /* see ioc_backend.start */
    int (*cancel)(ioc_port *port, ioc_op *op, bool *is_back); /* see ioc_backend.cancel */
    void (*release)(ioc_port *port, ioc_op *op);              /* see ioc_backend.release */

    /*
     * What it still needs once it has taken place; may turn op->outcome into a failure. False: it
     * goes on, and another packet will come.
     */
    bool (*complete)(ioc_port *port, ioc_op *op);

    /* See ioc_backend.revise. NULL: what it is to do never changes. */
    int (*revise)(ioc_port *port, ioc_op *op, bool *is_back);
} ioc_win_kind;

/* All of them, by iocp_type_t. In backend.c, which puts the units together. */
extern const ioc_win_kind ioc_win_kinds[IOC_KINDS];

/* The row of an operation, by its kind and the class of its handle. */
typedef const ioc_win_kind *(*ioc_win_kind_fn)(const ioc_op *op);

typedef struct ioc_overlapped {
    ioc_part part;
    ioc_source markers;
    ioc_win_kind_fn kind_of;
} ioc_overlapped;

void ioc_overlapped_attach(ioc_overlapped *overlapped, ioc_win_port *port, ioc_win_kind_fn kind_of);

static inline ioc_win_op *ioc_win_op_of(const ioc_op *op)
{
    return (ioc_win_op *)(uintptr_t)op;
}

static inline ioc_win_handle *ioc_win_handle_of(const ioc_handle *handle)
{
    return (ioc_win_handle *)(uintptr_t)handle;
}

/* The handle for what an operation opens (ioc_kind.opens). */
static inline ioc_win_handle *ioc_win_opened_by(const ioc_op *op)
{
    return ioc_win_handle_of(ioc_opening_of(op)->handle);
}

/* Make the token ready for a starting call, and give what that call takes. */
OVERLAPPED *ioc_overlapped_prepare(ioc_op *op);

/* The same for an operation that a packet of ours brings back; its outcome is a success as yet. */
void ioc_overlapped_prepare_posted(ioc_op *op, ioc_port *port);
ioc_win_port *ioc_overlapped_port(const ioc_op *op);

/* The protocol above. `error` is the code behind a call that failed. */
ioc_start ioc_overlapped_started(ioc_port *port, ioc_op *op, bool failed, uint32_t error);

/* Bind a handle to the port, and have it skip packets if it may. Once in the handle's life. */
int ioc_overlapped_join(ioc_win_port *port, ioc_win_handle *handle, bool may_skip);

/* Ask for the end of an overlapped call, or of all on a handle. See ioc_backend. */
int ioc_overlapped_cancel(ioc_port *port, ioc_op *op, bool *is_back);
int ioc_overlapped_cancel_all(ioc_port *port, ioc_handle *handle);

/* The same of a call on a handle that is the operation's own, or shared by some. */
int ioc_overlapped_cancel_call(ioc_win_port *port, HANDLE native, ioc_op *op);

/* For calls that are not overlapped. */
ioc_start ioc_overlapped_done(ioc_op *op);
ioc_start ioc_overlapped_failed(ioc_op *op, uint32_t error);
ioc_start ioc_overlapped_failed_nt(ioc_op *op, LONG nt_status);

/* ioc_win_kind.complete of those that need nothing more. */
bool ioc_overlapped_complete(ioc_port *port, ioc_op *op);

/*
 * From a `complete`, which then answers false: have the next dequeue call `take` instead of asking
 * the kernel for more now; it decides whether the operation goes on.
 */
void ioc_overlapped_defer(ioc_port *port, ioc_op *op,
                          ioc_link *(*take)(ioc_win_port *port, ioc_token *token));

static inline ioc_op *ioc_overlapped_op_of(ioc_token *token)
{
    return &IOC_CONTAINER_OF(token, ioc_win_op, token)->op;
}

/* ioc_win_kind.release of those that have nothing to release. */
void ioc_overlapped_release(ioc_port *port, ioc_op *op);

/*
 * For what the kernel does not carry out: it has ended without a packet, with its outcome in
 * op->outcome, as a success; or as aborted.
 */
ioc_start ioc_overlapped_settled(ioc_port *port, ioc_op *op);
ioc_start ioc_overlapped_at_once(ioc_port *port, ioc_op *op); /* the same, or by a packet of ours */
void ioc_overlapped_abort(ioc_port *port, ioc_op *op);

#endif
