/*
 * One operation, from its function to its callback, and the table of all operations of a loop.
 *
 *              +--------------- IOCP_REARM ----------------+
 *              v                                           |
 *   new -> QUEUED -+-> KERNEL --(packet)--+-> READY -> DELIVERING -> gone
 *              |   +-> TIMED  --(due)-----+
 *              |   +-> PARKED --(its turn)+
 *              +------ done, failed or cancelled at once --+
 *
 * An operation is in exactly one phase, and in each phase exactly one party may move it on:
 *
 *   QUEUED      the loop's start, or a cancel
 *   KERNEL      the backend's packet; a cancel only asks, so that the kernel never writes to
 *               memory that is not the operation's any more
 *   TIMED       the timer heap, or a cancel
 *   PARKED      the unit whose list it waits in, or a cancel
 *   READY       only its delivery: the outcome is settled, a cancel comes too late
 *   DELIVERING  only the return of its callback
 *
 * Each way to READY goes through ioc_op_finish, which asserts that the operation was not there yet.
 * That is why a callback comes exactly once: see cancel.h for the races.
 *
 * All of it runs on the loop thread.
 */
#ifndef IOC_OP_H
#define IOC_OP_H

#include "backend.h"
#include "queue/list.h"
#include "slab.h"
#include "timer/heap.h"

/* Operations copy addresses and short lists of buffers to a block of this size. */
#define IOC_BLOCK_BYTES 256

typedef enum ioc_phase {
    IOC_PHASE_QUEUED,
    IOC_PHASE_KERNEL,
    IOC_PHASE_TIMED,
    IOC_PHASE_PARKED,
    IOC_PHASE_READY,
    IOC_PHASE_DELIVERING
} ioc_phase;

/* An offset in a file: behind its end, wherever that is when the write takes place. */
#define IOC_OFFSET_END UINT64_MAX

typedef struct ioc_outcome {
    int status;
    uint32_t native_error;
    uint64_t bytes;
} ioc_outcome;

/*
 * The order is that of use: with the slab's slot before it a timer is added and started in the
 * first two cache lines, everything else of the core's is in the third, the backend's part behind.
 */
typedef struct ioc_op {
    ioc_link link;    /* QUEUED, PARKED and READY: the list that it waits in */
    ioc_link sibling; /* among all operations of its handle or async, from queueing to the end */
    iocp_callback_t callback;
    void *userdata;
    iocp_type_t type;
    ioc_phase phase;

    ioc_timer timer; /* TIMER: when it fires */
    union {
        struct {
            uint64_t delay_ns;
            bool is_repeating; /* rearmed: the next time counts from the last due time */
            bool is_reset;     /* by its own callback: the next time counts from then */
        } timer;
        struct {
            iocp_op_t target;
        } cancel;
        struct {
            struct iocp_async *async; /* NULL once the async is gone */
        } async_wait;
        struct {
            struct ioc_handle *handle;      /* where the connection goes; set before the start */
            const struct sockaddr *address; /* the peer, in block */
            size_t address_length;
        } accept;
        struct {                    /* SEND, RECV */
            const iocp_buf_t *list; /* `one`, or in block */
            uint32_t count;
            bool is_zero_end; /* no bytes mean the end: a stream, and room for some */
            bool is_in_sends; /* counted in its handle's `sends` */
            iocp_buf_t one;
        } buffers;
        struct {                            /* CONNECT, SENDTO, RECVFROM */
            const struct sockaddr *address; /* in block: where to; the sender, once received */
            size_t address_length;
            iocp_buf_t one; /* the datagram */
        } addressed;
        struct { /* READ, WRITE, PREAD, PWRITE */
            iocp_buf_t one;
            uint64_t offset; /* in a file; IOC_OFFSET_END */
            bool is_zero_end;
        } transfer;
        struct {
            iocp_shutdown_how_t how;
        } shutdown;
        struct {
            uint64_t bytes;
        } drain;
        struct {           /* WAIT, PROCESS_WAIT, JOB_WATCH */
            void *object;  /* a native handle of the caller's */
            void *backend; /* the backend's own, NULL at first */
            uint64_t value;
            uint32_t message;
        } wait;
        struct {
            iocp_work_fn function;
            void *arg;
            uint64_t value; /* what it returned */
        } work;
    } as;
    struct ioc_handle *handle; /* or NULL */

    ioc_timer deadline; /* when it is cancelled */
    ioc_outcome outcome;
    int intent;    /* why this program asked it to end: IOCP_ECANCELED, IOCP_ETIMEDOUT, or 0 */
    uint8_t flags; /* IOCP_RESULT_ bits */
    bool is_referenced;
    bool is_large_block;
    bool is_held; /* set by a start: the backend has something to release when the op is over */
    void *block;  /* out of line: a copied address or list, the address buffer of an accept */
    uint64_t since_ns; /* when it was queued */
} ioc_op;

typedef struct ioc_ops {
    const ioc_backend *backend;
    ioc_port *port;
    ioc_slab slab; /* of backend->op_bytes */
    ioc_slab small_blocks;
    ioc_slab large_blocks;
    ioc_list cancels;     /* QUEUED: cancels and closes, handled first */
    ioc_list submissions; /* QUEUED: all others */
    ioc_list ready;       /* READY */
    size_t ready_count;
    ioc_heap timers;
    ioc_heap deadlines;
    uint64_t now_ns;
    bool now_is_fresh; /* read in this turn */
    size_t active;     /* referenced operations */
    size_t in_kernel;
    iocp_stats_t counters; /* the levels in it are filled in when asked for */
} ioc_ops;

void ioc_ops_init(ioc_ops *ops, ioc_alloc *alloc, const ioc_backend *backend, ioc_port *port);
void ioc_ops_deinit(ioc_ops *ops);

/*
 * The loop's time. Reads the clock if that was not done since ioc_ops_forget_now. Never goes back.
 */
uint64_t ioc_ops_now(ioc_ops *ops);
uint64_t ioc_ops_update_now(ioc_ops *ops);
static inline void ioc_ops_forget_now(ioc_ops *ops)
{
    ops->now_is_fresh = false;
}

/* A new operation that nobody knows of yet, all parameters zero; NULL: no memory. */
ioc_op *ioc_op_new(ioc_ops *ops, iocp_type_t type, iocp_callback_t callback, void *userdata);

/* Memory and copies of parameters, before it is queued. IOCP_ENOMEM. */
int ioc_op_take_block(ioc_ops *ops, ioc_op *op, size_t bytes);
int ioc_op_copy_address(ioc_ops *ops, ioc_op *op, const struct sockaddr *address, size_t length);
int ioc_op_copy_buffers(ioc_ops *ops, ioc_op *op, const iocp_buf_t *buffers, size_t count);

/* Accept it: from here on it ends in a callback. Tells its id if `id` is not NULL. */
void ioc_op_queue(ioc_ops *ops, ioc_op *op, iocp_op_t *id);

/* Give it back, without a callback. */
void ioc_op_free(ioc_ops *ops, ioc_op *op);

/* NULL if it has ended. */
ioc_op *ioc_op_find(const ioc_ops *ops, iocp_op_t id);
iocp_op_t ioc_op_id(const ioc_op *op);
iocp_op_state_t ioc_op_state(const ioc_op *op);

/* The three ways to go on from QUEUED, besides ioc_op_finish; the first also from PARKED. */
void ioc_op_start_in_kernel(ioc_ops *ops, ioc_op *op);
void ioc_op_start_timer(ioc_ops *ops, ioc_op *op);
void ioc_op_park(ioc_op *op, ioc_list *list_or_null);

/* A parked operation's turn has come: start it with the next submissions. */
void ioc_op_unpark(ioc_ops *ops, ioc_op *op);

/*
 * Settle the outcome; the callback is due. Leaves every list and heap. The first form is for
 * outcomes of the library's own, the second for one that the backend has put in op->outcome.
 */
void ioc_op_finish(ioc_ops *ops, ioc_op *op, int status);
void ioc_op_finish_from_backend(ioc_ops *ops, ioc_op *op);

/* The next operation whose callback is due, or NULL: a timer due at `now_ns`; a ready one. */
ioc_op *ioc_op_next_timer(ioc_ops *ops, uint64_t now_ns);
ioc_op *ioc_op_next_ready(ioc_ops *ops);

/* After its callback: start it again, or end it. */
void ioc_op_rearm(ioc_ops *ops, ioc_op *op);
void ioc_op_end(ioc_ops *ops, ioc_op *op);

int ioc_op_reset_timer(ioc_ops *ops, ioc_op *op, uint64_t delay_ns);
int ioc_op_set_deadline(ioc_ops *ops, ioc_op *op, uint64_t delay_ns);
void ioc_op_set_referenced(ioc_ops *ops, ioc_op *op, bool referenced);

/* "recv". */
const char *ioc_op_type_name(iocp_type_t type);

#endif
