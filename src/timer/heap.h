/*
 * The timer heap: times in order, equal times in order of setting.
 *
 * An array heap with four children to a node. Each entry holds its own key, so that sifting reads
 * no timer, and timers do not know their place, so that sifting writes none: with a million timers
 * each such access would be a cache miss. The price is that the heap may hold out-of-date entries:
 *
 *  - a timer that was cleared or moved earlier leaves its old entry behind, *stale*: the timer no
 *    longer names that entry's order number;
 *  - a timer that was moved later keeps its entry, *early*: its key is less than the timer's.
 *
 * Such an entry is dropped or corrected when it is on top and the top is asked for. So clearing and
 * moving later take constant time, and a timer that is moved on and on before it is ever due costs
 * one correction for each time that its old entry comes up. When more than half of the entries are
 * stale the heap is rebuilt: its memory stays within twice what is needed, at a constant cost for
 * each clear.
 *
 * N.B. The memory of a timer must stay readable while the heap lives, even after the timer was
 * cleared, and may be reused only as a timer (a slab does both), until the heap is trimmed: then that
 * of timers that are not set may go. One thread.
 */
#ifndef IOC_HEAP_H
#define IOC_HEAP_H

#include "../alloc.h"

/* One per timer, zeroed before its first use. */
typedef struct ioc_timer {
    uint64_t due_ns;
    uint64_t order; /* when it was set, for equal times */
    uint64_t entry; /* order number of its entry in the heap, 0: not set */
} ioc_timer;

typedef struct ioc_heap_entry {
    uint64_t due_ns;
    uint64_t order;
    ioc_timer *timer;
} ioc_heap_entry;

typedef struct ioc_heap {
    ioc_alloc *alloc;
    ioc_heap_entry *entries;
    size_t count; /* entries, stale ones too */
    size_t stale;
    size_t capacity;
    uint64_t last_order;
} ioc_heap;

void ioc_heap_init(ioc_heap *heap, ioc_alloc *alloc);
void ioc_heap_deinit(ioc_heap *heap);

/* Set a timer, or set it anew. IOCP_ENOMEM: nothing has changed. */
int ioc_heap_set(ioc_heap *heap, ioc_timer *timer, uint64_t due_ns);

/* Clear a timer. One that is not set stays as it is. */
void ioc_heap_clear(ioc_heap *heap, ioc_timer *timer);

/* Take out the first timer if it is due at `now_ns`, otherwise NULL. */
ioc_timer *ioc_heap_pop_due(ioc_heap *heap, uint64_t now_ns);

/* When the first timer is due, IOC_FOREVER if none is set. */
uint64_t ioc_heap_next_due(ioc_heap *heap);

/*
 * Forget all timers that are not set: their memory may go. And give back memory that is not needed:
 * how many bytes.
 */
size_t ioc_heap_trim(ioc_heap *heap);

/* How many timers are set. */
size_t ioc_heap_count(const ioc_heap *heap);

static inline bool ioc_timer_is_set(const ioc_timer *timer)
{
    return timer->entry != 0;
}

/* The whole structure, for tests. */
bool ioc_heap_is_valid(const ioc_heap *heap);

#endif
