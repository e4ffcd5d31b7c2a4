/*
 * A bucket of timers' entries: a list of chunks.
 *
 * Entries are added at the end and taken from the beginning. Timers of equal delays come in order of
 * time, and a bucket knows whether all of its entries have. If not, it knows the least of them;
 * that one may be stale meanwhile, and is a lower bound then.
 *
 * Entries of equal times always stand in the order in which they were set. So the order of times is
 * the whole order, and a bucket of one time is in order whatever its size.
 */
#ifndef IOC_TIMER_BUCKET_H
#define IOC_TIMER_BUCKET_H

#include "chunk.h"

/* All zero: empty. */
typedef struct ioc_timer_bucket {
    ioc_timer_chunk *first;
    ioc_timer_chunk *last;
    ioc_timer_entry least; /* if they are not in order */
    bool is_in_order;
} ioc_timer_bucket;

static inline bool ioc_timer_bucket_is_empty(const ioc_timer_bucket *bucket)
{
    return bucket->first == NULL;
}

/* Whether the next entry needs another chunk than those that are there. */
static inline bool ioc_timer_bucket_is_full(const ioc_timer_bucket *bucket,
                                            const ioc_timer_pool *pool)
{
    return bucket->last != NULL && bucket->last->end >= pool->room;
}

/* The entry at the beginning; there is one. */
static inline const ioc_timer_entry *ioc_timer_bucket_first(const ioc_timer_bucket *bucket)
{
    return &bucket->first->entries[bucket->first->begin];
}

/* What an entry that is about to stand behind all others does to the order. */
static inline void ioc_timer_bucket_compare(ioc_timer_bucket *bucket, const ioc_timer_entry *entry)
{
    const ioc_timer_chunk *last = bucket->last;
    if (bucket->is_in_order) {
        if (entry->due_ns >= last->entries[last->end - 1].due_ns) {
            return;
        }
        bucket->is_in_order = false;
        bucket->least = *ioc_timer_bucket_first(bucket);
    }
    if (entry->due_ns < bucket->least.due_ns) {
        bucket->least = *entry;
    }
}

/* The pool has a chunk if one is needed. */
static inline void ioc_timer_bucket_add(ioc_timer_bucket *bucket, ioc_timer_pool *pool,
                                        const ioc_timer_entry *entry)
{
    ioc_timer_chunk *chunk = bucket->last;
    if (chunk == NULL) {
        chunk = ioc_timer_pool_take(pool);
        bucket->first = chunk;
        bucket->last = chunk;
        bucket->is_in_order = true;
    } else {
        ioc_timer_bucket_compare(bucket, entry);
        if (chunk->end >= pool->room) {
            chunk->next = ioc_timer_pool_take(pool);
            chunk = chunk->next;
            bucket->last = chunk;
        }
    }
    chunk->entries[chunk->end++] = *entry;
}

/* Take out the chunk behind `before`; NULL: the first. */
static inline ioc_timer_chunk *ioc_timer_bucket_unlink(ioc_timer_bucket *bucket,
                                                       ioc_timer_chunk *before)
{
    ioc_timer_chunk **link = before == NULL ? &bucket->first : &before->next;
    ioc_timer_chunk *chunk = *link;
    *link = chunk->next;
    if (bucket->last == chunk) {
        bucket->last = before;
    }
    return chunk;
}

#endif
