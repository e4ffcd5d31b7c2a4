/*
 * One operation, from its function to its callback, and the table of all operations of a loop.
 *
 * What differs from kind to kind of operation stands in its row (ioc_kind; the table is kind.c):
 * nothing here asks which kind an operation is of.
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
 *   TIMED       its time, or a cancel
 *   PARKED      the unit whose list it waits in, or a cancel
 *   READY       only its delivery: the outcome is settled, a cancel comes too late
 *   DELIVERING  only the return of its callback
 *
 * Each way to READY goes through ioc_op_finish, which asserts that the operation was not there yet.
 * That is why a callback comes exactly once: see cancel.h for the races.
 *
 * REARM is a wish. Where nothing can be started again, or a cancel was accepted that no run of the
 * operation has answered yet, the operation goes from DELIVERING to READY once more, with
 * IOCP_ECANCELED, and is not started.
 *
 * All of it runs on the loop thread.
 */
#ifndef IOC_OP_H
#define IOC_OP_H

#include "backend.h"
#include "queue/list.h"
#include "slab.h"
#include "timer/timers.h"

/*
 * What an operation copies is in a block of its own: an address or a short list of buffers in one of
 * this size, what goes with a datagram in the next, the longest list behind that in the largest.
 */
#define IOC_BLOCK_BYTES      288
#define IOC_BLOCK_MORE_BYTES 1024
#define IOC_BLOCK_MOST_BYTES (IOC_BLOCK_MORE_BYTES + IOCP_BUFFERS_MAX * sizeof(iocp_buf_t))

/* The room for the parameters of a kind: each is a structure of the unit that owns the kind. */
#define IOC_PARAMETER_BYTES 32

/*
 * Kinds of operations, with the library's own at number 0 and behind the last: what ends a standard
 * stream, and what the system is asked for a name.
 */
#define IOC_TYPE_STDIO_END IOCP_TYPES
#define IOC_TYPE_LOOKUP    (IOCP_TYPES + 1)
#define IOC_KINDS          (IOCP_TYPES + 2)

/*
 * Standard streams are read or written, never both, and so are two kinds of handle here, which the
 * program knows as one.
 */
#define IOC_HANDLE_STDIN  IOCP_HANDLE_STDIO
#define IOC_HANDLE_STDOUT (IOCP_HANDLE_OTHER + 1)

/* A bit for a kind of handle; ioc_kind has sets of them. */
#define IOC_ON(kind) (1u << (kind))

typedef struct ioc_ops ioc_ops;
typedef struct ioc_op ioc_op;
typedef struct ioc_handle ioc_handle;

/* Bits of ioc_kind.traits. */
enum {
    IOC_KIND_FIRST = 1,      /* goes before all that is queued: cancels and closes */
    IOC_KIND_ONCE = 2,       /* ends for good: is not rearmed, and has no deadline */
    IOC_KIND_SURE = 4,       /* cannot be taken back */
    IOC_KIND_OUT = 8,        /* its bytes go out on its handle */
    IOC_KIND_MEMORY = 16,    /* has memory of the program's: iocp_op_set_buffer */
    IOC_KIND_FIRES = 32,     /* that its time has come is its end; others start then */
    IOC_KIND_SMALL = 64,     /* the core does it alone, and it is in no books: see ioc_op */
    IOC_KIND_LAST = 128,     /* is parked until its handle or loop ends, and begins then; until then
                             nobody is told that it is there */
    IOC_KIND_USES = 256,     /* uses a second handle: see ioc_use */
    IOC_KIND_ALONE = 512,    /* nothing else goes out on its handle meanwhile: see transfer.h */
    IOC_KIND_EVENTS = 1024,  /* waits for events that may become others meanwhile: see poll.h */
    IOC_KIND_AWAITED = 2048, /* another operation waits for it: see `ended`, on no handle, too */
    IOC_KIND_LENT = 4096     /* receives into a buffer of a pool: see lent.h */
};

/*
 * What the core knows of a kind of operation. Only the last slot may be NULL: the functions that do
 * nothing have names (see kind.c).
 */
typedef struct ioc_kind {
    const char *name; /* "recv" */
    iocp_type_t type;
    uint32_t traits;
    uint32_t handles;      /* the kinds of handle that it runs on; 0: it needs none */
    uint32_t takes_turns;  /* on which of these the next one of this kind waits for the last */
    uint32_t ends_by_zero; /* on which no bytes mean the end, if there was room for some */
    uint32_t is_whole;     /* on which part of the bytes is no success */
    uint32_t ends_alone;   /* on which no request to end all of the handle's reaches it: a thread
                              of the pool carries it out, or the kernel by another handle */

    /* Its success is such a handle, or what the backend says instead; 0: none. See opening.h. */
    iocp_handle_kind_t opens;

    /* On a handle: its books there, each time that it is queued. */
    void (*queued)(ioc_ops *ops, ioc_op *op);

    /* From QUEUED on. */
    void (*start)(ioc_ops *ops, ioc_op *op);

    /* What the backend says has succeeded, looked at again: op->outcome. */
    void (*settle)(ioc_op *op);

    /* What only this kind tells of a success. */
    void (*tell)(const ioc_op *op, iocp_result_t *result);

    /*
     * On a handle: its books there; of what opens one: what becomes of that. Each time, when the
     * result is made and before the callback.
     */
    void (*ended)(ioc_ops *ops, ioc_op *op);

    /*
     * What the kernel was asked for has come, op->outcome is what the backend says, and the operation
     * is QUEUED again, in no list. True: there is more to do, and it has begun. NULL: there never is.
     */
    bool (*goes_on)(ioc_ops *ops, ioc_op *op);
} ioc_kind;

typedef enum ioc_phase {
    IOC_PHASE_QUEUED,
    IOC_PHASE_KERNEL,
    IOC_PHASE_TIMED,
    IOC_PHASE_PARKED,
    IOC_PHASE_READY,
    IOC_PHASE_DELIVERING
} ioc_phase;

typedef struct ioc_outcome {
    int status;
    uint32_t native_error;
    uint64_t bytes;
} ioc_outcome;

/*
 * A time that an operation waits for besides what it does: out of line, since few have one. That of
 * a timer is in its operation.
 */
typedef struct ioc_alarm {
    ioc_timer timer;
    ioc_op *op;
    struct ioc_alarm *next; /* op.alarms */
    uint64_t limit_ns;      /* a deadline's: of each run, IOC_FOREVER: none */
    bool is_pause;          /* not a deadline: it goes on then, in the kernel in another way */
} ioc_alarm;

/*
 * The order is that of use. With the slab's header before it the first cache line is what an
 * operation needs up to its start, and a small one ends with the second: timers, of which there may
 * be a million, are two lines each. All others have the second part of the union instead, and the
 * backend's part behind that. The slab keeps the small ones apart, so that nothing but a timer ever
 * stands where one was: the queue of timers relies on it.
 */
struct ioc_op {
    ioc_link link; /* QUEUED, PARKED and READY: the list that it waits in */
    const ioc_kind *kind;
    iocp_callback_t callback;
    void *userdata;
    ioc_handle *handle; /* or NULL */
    int8_t intent;      /* why this program asked it to end: IOCP_ECANCELED, IOCP_ETIMEDOUT, or 0 */
    uint8_t phase;      /* ioc_phase */
    uint8_t flags;      /* IOCP_RESULT_ bits */
    bool is_referenced;
    bool is_dormant;       /* nothing comes of it by itself: it does not keep the loop running */
    bool is_orphan;        /* what it waited on is gone: it is not started again */
    bool is_asked;         /* by the end of its handle or loop */
    bool is_cancelled : 1; /* a cancel was accepted that no result has answered yet */
    bool is_reset : 1;     /* a timer's: see timeout.h */
    bool is_counted : 1;   /* in its handle's books as one that is under way */
    bool is_large_block : 1;
    bool is_empty : 1; /* RECV_LENT: an empty message was all that there was: see lent.h */
    bool is_largest_block : 1;
    bool is_held : 1; /* set by a start: the backend has something to release when the op is over */

    ioc_outcome outcome;
    uint64_t since_ns; /* when it was queued */
    ioc_alarm *alarms; /* its deadline, and its pause */
    union {
        struct {             /* IOC_KIND_SMALL */
            ioc_timer timer; /* TIMED: when it is due */
            uint64_t small_parameter;
        };
        struct {
            ioc_link sibling; /* among all of its handle or async, from queueing to the end */
            void *block; /* out of line: a copied address or list, the address buffer of an accept,
                           what goes with a datagram */
            union {
                unsigned char bytes[IOC_PARAMETER_BYTES];
                uint64_t alignment;
            } parameters;
        };
    };
};

/* Of a small one, without the slab's header. */
#define IOC_OP_SMALL_BYTES (offsetof(ioc_op, small_parameter) + sizeof(uint64_t))

static inline bool ioc_op_is_small(const ioc_op *op)
{
    return (op->kind->traits & IOC_KIND_SMALL) != 0;
}

/*
 * Operations of one handle that are parked, and those of others that use it: out of line, since most
 * handles never have any. All lists but the last are of ioc_op.link.
 */
typedef struct ioc_parked {
    ioc_list moves;     /* until `mover` has ended */
    ioc_list sends;     /* until what goes alone has ended; that, until `sends` is 0 */
    ioc_list shutdowns; /* until `sends` is 0 */
    ioc_list drains;    /* until `queued_bytes` is low enough, those first that wait least */
    ioc_list uses;      /* ioc_use.link */
} ioc_parked;

/*
 * A kernel object that operations run on. What is done with it is the handle unit's: handle.h. A
 * server has one for each connection, so what only some have shares its place with what these have
 * not.
 */
struct ioc_handle {
    uint8_t kind;        /* iocp_handle_kind_t; set by the backend that opens it, as is_append */
    bool is_append : 1;  /* a file whose writes go behind its end */
    bool is_open : 1;    /* the backend holds a kernel object for it */
    bool is_unknown : 1; /* adopted, and not looked at yet: see handle.h */
    bool is_asked : 1;   /* the kernel was asked to end all that is on it */
    bool is_alone : 1;   /* what is under way of `sends` is one that goes alone */
    bool
        is_detached : 1; /* given back to the program; what is on the books is in its last callback */
    bool is_busy : 1;    /* a stream whose last lent receive had no need to wait: see lent.h */
    uint32_t count;      /* of its operations */
    ioc_list operations; /* the books: ioc_op.sibling */
    ioc_parked *parked;  /* NULL: none has been */
    const ioc_op *mover; /* of those that take turns: whose it is; all others are parked */
    ioc_op *close;       /* the gate is shut: this one's callback comes last */
    union {
        uint64_t position;           /* of a file: where the next READ or WRITE goes */
        uint32_t sends;              /* of a socket: in the kernel, or their callbacks due */
        uint32_t process_id;         /* of a process; set by the backend that opens it */
        struct ioc_listing *listing; /* of a folder, or NULL: see listing.h */
    };
    uint64_t queued_bytes; /* of what goes out, from queueing until the callbacks */
    uint64_t most_queued_bytes;
    union {
        struct {
            uint64_t bytes_in;
            uint64_t bytes_out;
        };
        ioc_outcome refusal; /* unknown for good: what each of its operations is told */
    };
    void *data; /* the program's */
    uint64_t opened_ns;
    uint64_t used_ns; /* when an operation of it ended */
};

/*
 * Of an operation that uses a second handle beside its own (SENDFILE: the file); its block begins with
 * this. That handle's close asks it to end, and waits for it as for those on its own books.
 */
typedef struct ioc_use {
    ioc_link link; /* in the parked.uses of `handle`, from queueing to the end */
    ioc_op *op;
    ioc_handle *handle;
} ioc_use;

/* A kind's parameters; the unit that owns them has a function of their type. */
static inline void *ioc_op_parameters(const ioc_op *op)
{
    IOC_ASSERT(!ioc_op_is_small(op));
    return (void *)(uintptr_t)op->parameters.bytes;
}

static inline void *ioc_op_small_parameters(const ioc_op *op)
{
    IOC_ASSERT(ioc_op_is_small(op));
    return (void *)(uintptr_t)&op->small_parameter;
}

/* What has become of the operations of one kind. */
typedef struct ioc_kind_counts {
    uint64_t started;
    uint64_t ended;
    uint64_t failed;
    uint64_t bytes;
} ioc_kind_counts;

struct ioc_ops {
    const ioc_backend *backend;
    ioc_port *port;
    const ioc_kind *kinds; /* by iocp_type_t */
    ioc_slab slab;         /* of backend->op_bytes, and small ones */
    ioc_slab handles;      /* of backend->handle_bytes: see handle.h */
    ioc_slab extras;       /* of parked lists; the small ones are alarms */
    ioc_slab small_blocks;
    ioc_slab large_blocks; /* of the two larger sizes */
    ioc_list cancels;      /* QUEUED: cancels and closes, handled first */
    ioc_list notes;        /* cancels that nobody is told of: see cancel.h */
    ioc_list closing; /* closes whose handles still have operations that were not asked to end */
    ioc_list submissions; /* QUEUED: all others */
    ioc_list ready;       /* READY */
    ioc_list pools;       /* of lent buffers: see buffers.h */
    ioc_timers timers;    /* of small operations */
    ioc_timers deadlines; /* of alarms */
    uint64_t now_ns;
    bool now_is_fresh;   /* read in this turn */
    bool is_ending;      /* the loop is being destroyed: nothing starts any more */
    bool is_end_refused; /* the system took a request to end something not, on this round */
    uint32_t end_cursor; /* of those that the loop's end asks to end: see cancel.h */
    size_t active;       /* operations that keep the loop running */
    size_t in_kernel;
    iocp_stats_t counters; /* levels and sums in it are filled in when asked for */
    ioc_kind_counts counts[IOC_KINDS];
};

void ioc_ops_init(ioc_ops *ops, ioc_alloc *alloc, const ioc_backend *backend, ioc_port *port,
                  const ioc_kind *kinds);
void ioc_ops_deinit(ioc_ops *ops);

/* Give memory back that nothing is in: how many bytes that were. */
size_t ioc_ops_trim(ioc_ops *ops);

/*
 * The loop's time. Reads the clock if that was not done since ioc_ops_forget_now. Never goes back.
 */
uint64_t ioc_ops_now(ioc_ops *ops);
uint64_t ioc_ops_update_now(ioc_ops *ops);
static inline void ioc_ops_forget_now(ioc_ops *ops)
{
    ops->now_is_fresh = false;
}

/*
 * A new operation that nobody knows of yet, all parameters zero; NULL: no memory. What the backend
 * has behind it is as its last user left it.
 */
ioc_op *ioc_op_new(ioc_ops *ops, iocp_type_t type, iocp_callback_t callback, void *userdata);

/* Memory and a copy of a parameter, before it is queued. IOCP_ENOMEM. */
int ioc_op_take_block(ioc_ops *ops, ioc_op *op, size_t bytes);
int ioc_op_copy(ioc_ops *ops, ioc_op *op, const void *from, size_t bytes);

/* Accept it: from here on it ends in a callback. Tells its id if `id` is not NULL. */
void ioc_op_queue(ioc_ops *ops, ioc_op *op, iocp_op_t *id);

/* Give it back, without a callback. */
void ioc_op_free(ioc_ops *ops, ioc_op *op);

/* NULL if it has ended. */
ioc_op *ioc_op_find(const ioc_ops *ops, iocp_op_t id);
iocp_op_t ioc_op_id(const ioc_op *op);
iocp_op_state_t ioc_op_state(const ioc_op *op);

static inline ioc_phase ioc_op_phase(const ioc_op *op)
{
    return (ioc_phase)op->phase;
}

/* Whether it waits for its turn, by the rule of its kind on the handle that it is on. */
bool ioc_op_takes_turns(const ioc_op *op);

/* Whether it has to be asked to end by itself: no request to end all of a handle's reaches it. */
bool ioc_op_ends_alone(const ioc_op *op);

/* The ways to go on from QUEUED, besides ioc_op_finish; the first also from PARKED. */
void ioc_op_start_in_kernel(ioc_ops *ops, ioc_op *op);
void ioc_op_park(ioc_op *op, ioc_list *list_or_null);
int ioc_op_wait_until(ioc_ops *ops, ioc_op *op, uint64_t due_ns);

/*
 * Before it is started in the kernel: after so long, if it is still there, it is to go on in another way
 * (ioc_backend.revise).
 */
int ioc_op_set_pause(ioc_ops *ops, ioc_op *op, uint64_t delay_ns);

/* Its pause is over. An error: the system did not take the request, which has to be made again. */
int ioc_op_end_pause(ioc_ops *ops, ioc_op *op);

/* What one in the kernel is to do has changed. An error: the system did not take the request. */
int ioc_op_revise(ioc_ops *ops, ioc_op *op);

/*
 * As ioc_op_start_in_kernel, for a kind that looks at what came of it: after DONE and FAILED it is
 * still QUEUED, with its outcome, for ioc_op_finish_inline or another try.
 */
ioc_start ioc_op_try_in_kernel(ioc_ops *ops, ioc_op *op);

/* The same for a receive that is not to wait: ioc_backend.receive_now. */
ioc_start ioc_op_try_receive_now(ioc_ops *ops, ioc_op *op);
void ioc_op_finish_inline(ioc_ops *ops, ioc_op *op);

/* The same for one that has waited before, be it for something else. */
void ioc_op_finish_at_last(ioc_ops *ops, ioc_op *op);

/* A parked operation's turn has come: start it with the next submissions; at a place in them. */
void ioc_op_unpark(ioc_ops *ops, ioc_op *op);
void ioc_op_unpark_behind(ioc_op *op, ioc_link *before);

/*
 * One that waits for its time is to be started anew, with the next submissions: a pause that is over,
 * or a timer that is reset. A timer's time stays set until then, for to move it costs less than to
 * clear and set it; if it comes, it comes to nothing.
 */
void ioc_op_queue_again(ioc_ops *ops, ioc_op *op);

/*
 * Settle the outcome; the callback is due. Leaves every list, clears its times. The first form is for
 * outcomes of the library's own, the second for one that the backend has put in op->outcome.
 */
void ioc_op_finish(ioc_ops *ops, ioc_op *op, int status);
void ioc_op_finish_from_backend(ioc_ops *ops, ioc_op *op);

/* The next operation whose callback is due, or NULL: one whose time has come; a ready one. */
ioc_op *ioc_op_next_timer(ioc_ops *ops, uint64_t now_ns);
ioc_op *ioc_op_next_ready(ioc_ops *ops);

/* Whether one that uses a second handle has to do without it from now on. */
static inline bool ioc_op_loses_use(const ioc_op *op)
{
    const ioc_use *use = op->block;
    return (op->kind->traits & IOC_KIND_USES) != 0 && use->handle->close != NULL;
}

/* Whether it may be started, for the first time or again. */
static inline bool ioc_op_can_start(const ioc_ops *ops, const ioc_op *op)
{
    return !ops->is_ending && !op->is_orphan &&
           (op->handle == NULL || (op->handle->close == NULL && !ioc_op_loses_use(op)));
}

/*
 * Before its callback: whether this is its last one, whatever that answers. A cancel that this
 * result does not answer stays for the next run, as does one that comes while the callback runs.
 */
static inline bool ioc_op_is_last(const ioc_ops *ops, ioc_op *op)
{
    bool is_once = (op->kind->traits & IOC_KIND_ONCE) != 0;
    if (op->outcome.status != IOCP_ECANCELED) {
        return is_once;
    }
    op->is_cancelled = false;
    return is_once || !ioc_op_can_start(ops, op);
}

/* After its callback: start it again, or have it called once more; or end it. */
void ioc_op_rearm(ioc_ops *ops, ioc_op *op);
void ioc_op_end(ioc_ops *ops, ioc_op *op);

/*
 * Its time limit, for this run and each that follows. After IOCP_REARM the next start sets it, when
 * the clock is read anyway: that is ioc_op_set_limit, for one that needs it.
 */
int ioc_op_set_deadline(ioc_ops *ops, ioc_op *op, uint64_t delay_ns);
int ioc_op_set_limit(ioc_ops *ops, ioc_op *op);
bool ioc_op_has_limit(const ioc_op *op);
static inline bool ioc_op_needs_limit(const ioc_op *op)
{
    return op->alarms != NULL && ioc_op_has_limit(op);
}

void ioc_op_set_referenced(ioc_ops *ops, ioc_op *op, bool referenced);
void ioc_op_set_dormant(ioc_ops *ops, ioc_op *op, bool dormant);

#endif
