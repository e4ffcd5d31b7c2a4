/*
 * The timers of a loop: those that are due come out in order of time, equal times in order of
 * setting, and each call costs the same however many there are.
 *
 * It is a radix queue. It reads times as digits, and rests on one rule: no timer is set for a time
 * before that of the last pop. So there is a *base* which no entry is before. An entry is in the bucket
 * of the highest digit in which its time differs from the base, the *level*, and of what that digit
 * is, the *slot*:
 *
 *     base         5 2 7 3
 *     due          5 2 7 3 .. 5 2 7 9      level 0: a bucket for each time
 *                  5 2 8 _ .. 5 2 9 _      level 1: a bucket for each ten (there are 16, not 10)
 *                  5 3 _ _ .. 5 9 _ _      level 2
 *                  6 _ _ _ ..              level 3
 *
 * All of a bucket comes before all of the next, and all of a level before all of the next level, so
 * the lowest bucket has the first timer. How that is found depends on what is in it:
 *
 *  - Its entries came in order: the first one is it. So it is with timers of equal delays.
 *  - They are in one chunk: they are sorted, within it.
 *  - There are more, and their time has come: they are *dealt*. The base moves to the least of them.
 *    From there on they differ in lower digits only, so each of them has a bucket on a lower level.
 *  - There are more, and all of the bucket lies in the future, so that the base must stay. Then
 *    nobody asks but for when the first is due. The bucket knows its least entry; if that one
 *    is stale, all of it is swept once, and it knows again.
 *
 * So an entry is written once, moved once for each level that it comes down, sorted among 42, and read.
 * While a bucket is dealt the base stays as it is: what is set for its time meanwhile goes into the
 * same bucket, behind the others, and is dealt in its turn. This is what keeps entries of equal times
 * in their order.
 *
 * The work of a call is bounded. One that has to touch more entries than that returns with the rest
 * still to be done: nothing has come out, and the time of the next timer is one that is past.
 *
 * Stale entries (chunk.h) are dropped when they come up. So that they are never many more than the
 * others, a call that makes one sweeps one chunk, as long as there are more stale ones: bucket after
 * bucket drops what is stale and closes up. They are read, so the memory of a timer must stay readable
 * as that of a timer after it was cleared, until ioc_timers_trim. (A slab does that: its blocks may be
 * used again at once, since no order number comes twice.)
 *
 * Memory is taken by setting alone. Dealing needs a chunk for each bucket that it begins, and the only
 * chunks that it can be sure of are those that it empties. So as long as any bucket has more than one
 * chunk, which is when it may be dealt, there are spare chunks enough for all buckets to have a
 * first one, or one for each entry if these are fewer; further ones are paid for by those that are
 * emptied. While there are few timers there is one bucket, of one chunk, and no table.
 */
#ifndef IOC_TIMERS_H
#define IOC_TIMERS_H

#include "bucket.h"

#define IOC_TIMERS_DIGIT_BITS 4
#define IOC_TIMERS_SLOTS      (1 << IOC_TIMERS_DIGIT_BITS)
#define IOC_TIMERS_LEVELS     (64 / IOC_TIMERS_DIGIT_BITS)
#define IOC_TIMERS_BUCKETS    (IOC_TIMERS_LEVELS * IOC_TIMERS_SLOTS)

typedef struct ioc_timers_table {
    uint32_t levels;                   /* a bit for each that has entries */
    uint32_t slots[IOC_TIMERS_LEVELS]; /* the same for each level's */
    ioc_timer_bucket buckets[IOC_TIMERS_BUCKETS];
} ioc_timers_table;

typedef struct ioc_timers {
    ioc_timers_table *table; /* NULL: there are few, in `few` */
    uint64_t base_ns;
    uint64_t now_ns; /* of the last pop */
    uint64_t last_order;
    ioc_timer_pool pool;
    size_t set;               /* timers that are set: live entries */
    size_t entries;           /* stale ones too */
    size_t used;              /* buckets that have entries */
    size_t further;           /* chunks that these have besides their first ones */
    uint64_t touched;         /* entries that were moved or looked at, ever */
    uint32_t most_touched;    /* in one call, and a chunk more; fewer only in tests */
    uint32_t most_stale;      /* more than there are live ones; fewer only in tests */
    ioc_timer_bucket *dealt;  /* the lowest one, which is being dealt, or NULL */
    uint64_t dealt_base_ns;   /* the base from the end of that on */
    ioc_timer_bucket *swept;  /* the bucket that is swept */
    ioc_timer_chunk *behind;  /* the last chunk that was kept of it, NULL: none yet */
    ioc_timer_entry survivor; /* the least entry that was */
    bool is_swept;            /* all of it was */
    ioc_timer_bucket few;
} ioc_timers;

void ioc_timers_init(ioc_timers *timers, ioc_alloc *alloc);
void ioc_timers_deinit(ioc_timers *timers);

/*
 * Set a timer, or set it anew, for a time that is not before that of the last pop. IOCP_ENOMEM:
 * nothing has changed.
 */
int ioc_timers_set(ioc_timers *timers, ioc_timer *timer, uint64_t due_ns);

/* Clear a timer. One that is not set stays as it is. */
void ioc_timers_clear(ioc_timers *timers, ioc_timer *timer);

/*
 * Take out the first timer if it is due at `now_ns`, which never goes back. NULL: there is none, or
 * the work of one call was not enough to find it; then ioc_timers_next_due is not in the future.
 */
ioc_timer *ioc_timers_pop_due(ioc_timers *timers, uint64_t now_ns);

/* The same, but it stays set. */
ioc_timer *ioc_timers_first_due(ioc_timers *timers, uint64_t now_ns);

/*
 * When the first timer is due, IOC_FOREVER if none is set. 0 also if the work of one call was not
 * enough to tell: ask again, without sleeping before.
 */
uint64_t ioc_timers_next_due(ioc_timers *timers);

/* How many timers are set. */
static inline size_t ioc_timers_count(const ioc_timers *timers)
{
    return timers->set;
}

/*
 * Drop all stale entries, and give the allocator back what is not needed: how many bytes. From here on
 * no timer is read that is not set, so the memory of those may go. Looks at each entry once.
 */
size_t ioc_timers_trim(ioc_timers *timers);

/* The whole structure, for tests. */
bool ioc_timers_is_valid(const ioc_timers *timers);

#endif
