/*
 * Timers, their entries in the queue, and the chunks of memory that these lie in.
 *
 * An entry holds its own key, so that putting entries in order reads no timer, and a timer does not
 * know the place of its entry, so that moving entries writes none: with a million timers each such
 * access would be a cache miss. The price is that a timer which is cleared or set anew leaves its
 * former entry behind, *stale*: the timer does not have that entry's order number any more.
 *
 * Chunks are all of one size. One whose entries are gone goes into a pool, and is used again.
 */
#ifndef IOC_TIMER_CHUNK_H
#define IOC_TIMER_CHUNK_H

#include "../alloc.h"

/* One per timer, zeroed before its first use. */
typedef struct ioc_timer {
    uint64_t due_ns;
    uint64_t order; /* when it was set, for equal times: no other has this number; 0: not set */
} ioc_timer;

typedef struct ioc_timer_entry {
    uint64_t due_ns;
    uint64_t order;
    ioc_timer *timer;
} ioc_timer_entry;

/* So that a chunk has 1 KiB, where a pointer has 8 bytes. */
#define IOC_TIMER_CHUNK_ROOM 42

typedef struct ioc_timer_chunk {
    struct ioc_timer_chunk *next; /* in its bucket, or in the pool */
    uint32_t begin;               /* of what is left in it: in use it is never empty */
    uint32_t end;
    ioc_timer_entry entries[IOC_TIMER_CHUNK_ROOM];
} ioc_timer_chunk;

/* Chunks that are not in use. */
typedef struct ioc_timer_pool {
    ioc_alloc *alloc;
    ioc_timer_chunk *first;
    size_t count;
    uint32_t room; /* how many entries a chunk takes: fewer only in tests */
} ioc_timer_pool;

void ioc_timer_pool_init(ioc_timer_pool *pool, ioc_alloc *alloc);

/* One more from the allocator. IOCP_ENOMEM. */
int ioc_timer_pool_grow(ioc_timer_pool *pool);

/* Give all but `count` back to the allocator: how many bytes. */
size_t ioc_timer_pool_shrink(ioc_timer_pool *pool, size_t count);

/* The pool is not empty. */
static inline ioc_timer_chunk *ioc_timer_pool_take(ioc_timer_pool *pool)
{
    ioc_timer_chunk *chunk = pool->first;
    IOC_ASSERT(chunk != NULL);
    pool->first = chunk->next;
    pool->count--;
    ioc_prefetch(pool->first, IOC_CACHE_LINE); /* the next one's link */
    chunk->next = NULL;
    chunk->begin = 0;
    chunk->end = 0;
    return chunk;
}

static inline void ioc_timer_pool_give(ioc_timer_pool *pool, ioc_timer_chunk *chunk)
{
    chunk->next = pool->first;
    pool->first = chunk;
    pool->count++;
}

static inline bool ioc_timer_is_set(const ioc_timer *timer)
{
    return timer->order != 0;
}

static inline bool ioc_timer_entry_is_live(const ioc_timer_entry *entry)
{
    return entry->timer->order == entry->order;
}

static inline uint32_t ioc_timer_chunk_count(const ioc_timer_chunk *chunk)
{
    return chunk->end - chunk->begin;
}

/* Its timers are looked at soon, and of what each of them is in so many bytes before it. */
void ioc_timer_chunk_prefetch_timers(const ioc_timer_chunk *chunk, size_t before);

/* Put its entries in order of time, equal times in the order of setting. */
void ioc_timer_chunk_sort(ioc_timer_chunk *chunk);

#endif
