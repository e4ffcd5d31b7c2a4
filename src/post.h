/*
 * The way into a loop from other threads: posted functions, asyncs, stopping, and waking a loop
 * that sleeps.
 *
 * The sleep protocol. `wake_state` is AWAKE while the loop works. To sleep the loop (or a program
 * that sleeps on the port by itself) sets it to ASLEEP and then looks once more whether anything
 * came; a thread with news pushes it first and then looks at the state. All four accesses are
 * sequentially consistent, so at least one of the two sees the other: either the loop finds the
 * news and stays awake, or the thread finds it ASLEEP. The thread that then changes ASLEEP to
 * WAKING sends the one packet; all others find WAKING and need not. The packet is in flight until a
 * dequeue brings it, and only then does WAKING end, so there is never more than one, for any number
 * of threads and posts. A loop that goes to sleep while the packet is still in flight is woken by
 * it.
 *
 * If the system refuses the packet, the backend tries another means, which leaves no packet behind:
 * then the state goes back to ASLEEP when the thread that sent it is done. Meanwhile the loop may
 * have woken, worked and gone to sleep again, and others have left their news in its care: they
 * say so by WAKING_AGAIN, and it sends once more. If the system has no means at all, it is the same,
 * and the next thread with news tries again.
 *
 * The gate. A thread counts itself in before it touches the loop and out when it is done; closing
 * shuts the gate in the same word. So the loop knows when the last thread has left, and what was
 * accepted before is there to be run.
 */
#ifndef IOC_POST_H
#define IOC_POST_H

#include "op.h"
#include "queue/mpsc.h"
#include "queue/pool.h"

typedef struct ioc_async_wait {
    iocp_async_t *async; /* NULL once the async is gone */
} ioc_async_wait;

_Static_assert(sizeof(ioc_async_wait) <= IOC_PARAMETER_BYTES, "its parameters fit");

static inline ioc_async_wait *ioc_async_wait_of(const ioc_op *op)
{
    return ioc_op_parameters(op);
}

#define IOC_INBOX_SHUT 1u /* in ioc_inbox.shared.gate */

/*
 * What each post writes is kept apart from what the loop looks at in each turn: otherwise each of
 * the two would take the other's cache line away. Where they do meet is the queue.
 */
typedef struct ioc_inbox {
    struct { /* any thread */
        iocp_loop_t *loop;
        const ioc_backend *backend;
        ioc_port *port;
        ioc_atomic_u32 wake_state;
        ioc_atomic_u32 is_stopped;
        ioc_atomic_u64 wake_packets;
        char apart[IOC_CACHE_LINE];
        ioc_atomic_u32 gate; /* twice the threads inside; lowest bit: shut */
        ioc_pool pool;
        ioc_mpsc queue;
        char apart_too[IOC_CACHE_LINE];
    } shared;
    struct {
        ioc_ops *ops;
        ioc_alloc *alloc;
        ioc_list asyncs;
    } loop_only;
} ioc_inbox;

void ioc_inbox_init(ioc_inbox *inbox, ioc_alloc *alloc, ioc_ops *ops, iocp_loop_t *loop);
void ioc_inbox_deinit(ioc_inbox *inbox);

/* ---- Any thread ---- */

int ioc_inbox_post(ioc_inbox *inbox, iocp_post_fn function, void *arg);
int ioc_inbox_post_packet(ioc_inbox *inbox, const iocp_packet_t *packet);
void ioc_inbox_stop(ioc_inbox *inbox);
void ioc_inbox_resume(ioc_inbox *inbox);
int ioc_async_notify(iocp_async_t *async);

/* ---- Loop thread ---- */

/*
 * Free the memory of posts that nothing is in: how many bytes. Only if no other thread is in a call
 * at this moment: it might look at what goes.
 */
size_t ioc_inbox_trim(ioc_inbox *inbox);

/* Refuse posts and notifies from here on; a loop that closes does not stop. */
void ioc_inbox_shut_gate(ioc_inbox *inbox);
static inline bool ioc_inbox_is_shut(const ioc_inbox *inbox)
{
    return (ioc_load_u32(&inbox->shared.gate) & IOC_INBOX_SHUT) != 0;
}

/* Any thread. */
static inline bool ioc_inbox_is_stopped(const ioc_inbox *inbox)
{
    return ioc_load_seq_cst_u32(&inbox->shared.is_stopped) != 0 && !ioc_inbox_is_shut(inbox);
}

/* Whether a thread is still inside: what it brings may not be visible yet. */
bool ioc_inbox_is_in_use(const ioc_inbox *inbox);

/* Whether there is something to run. */
bool ioc_inbox_has_news(const ioc_inbox *inbox);

/*
 * Whether nobody sleeps on the port, nor has since the last dequeue, and no wake packet is on its
 * way. If not, the port must be asked.
 */
bool ioc_inbox_is_awake(const ioc_inbox *inbox);

/*
 * Serve at most `limit` posted functions and asyncs of those that were there at the call; an async
 * makes its wait ready. Ends early when the loop is stopped. Returns how many functions ran.
 */
uint32_t ioc_inbox_run(ioc_inbox *inbox, uint32_t limit);

/*
 * Before a dequeue that may sleep, or a program that sleeps on the port by itself. False: something
 * came, do not sleep.
 */
bool ioc_inbox_fall_asleep(ioc_inbox *inbox);

/* After every dequeue, with the number of wake packets that it brought. */
void ioc_inbox_awake(ioc_inbox *inbox, uint32_t wakes);

/* ---- Asyncs, loop thread ---- */

int ioc_async_create(ioc_inbox *inbox, iocp_async_t **async);
void ioc_async_destroy(iocp_async_t *async);
ioc_inbox *ioc_async_inbox(const iocp_async_t *async);
bool ioc_inbox_has_asyncs(const ioc_inbox *inbox);

/* Enter a wait that is about to be queued; ioc_kind.start of it. */
void ioc_async_enter(iocp_async_t *async, ioc_op *op);
void ioc_async_start(ioc_ops *ops, ioc_op *op);

#endif
