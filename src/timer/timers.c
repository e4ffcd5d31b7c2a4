#include "timers.h"

#include <string.h>

/* A call that touches so many entries takes some microseconds. */
#define TIMERS_MOST_TOUCHED 1024
#define TIMERS_MOST_STALE   64

static size_t timers__min(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- Places ---- */

static ioc_timer_bucket *timers__place_in(ioc_timers_table *table, uint64_t base_ns,
                                          uint64_t due_ns)
{
    uint32_t level = ioc_highest_bit_u64((due_ns ^ base_ns) | 1) / IOC_TIMERS_DIGIT_BITS;
    uint32_t slot = (uint32_t)(due_ns >> level * IOC_TIMERS_DIGIT_BITS) % IOC_TIMERS_SLOTS;
    return &table->buckets[level * IOC_TIMERS_SLOTS + slot];
}

/* Where an entry of that time is added now. */
static ioc_timer_bucket *timers__place(ioc_timers *timers, uint64_t due_ns)
{
    return timers->table == NULL ? &timers->few
                                 : timers__place_in(timers->table, timers->base_ns, due_ns);
}

/* It has entries now. */
static void timers__enter(ioc_timers *timers, const ioc_timer_bucket *bucket)
{
    timers->used++;
    if (bucket != &timers->few) {
        size_t number = (size_t)(bucket - timers->table->buckets);
        timers->table->levels |= 1u << number / IOC_TIMERS_SLOTS;
        timers->table->slots[number / IOC_TIMERS_SLOTS] |= 1u << number % IOC_TIMERS_SLOTS;
    }
}

/* It has no entries any more. */
static void timers__leave(ioc_timers *timers, const ioc_timer_bucket *bucket)
{
    timers->used--;
    if (bucket == timers->dealt) {
        timers->dealt = NULL;
        timers->base_ns = timers->dealt_base_ns;
    }
    if (bucket != &timers->few) {
        size_t number = (size_t)(bucket - timers->table->buckets);
        uint32_t *slots = &timers->table->slots[number / IOC_TIMERS_SLOTS];
        *slots &= ~(1u << number % IOC_TIMERS_SLOTS);
        if (*slots == 0) {
            timers->table->levels &= ~(1u << number / IOC_TIMERS_SLOTS);
        }
    }
}

/* The bucket of the first entry; there is one. What has been dealt of it already is below it. */
static ioc_timer_bucket *timers__lowest(ioc_timers *timers)
{
    ioc_timers_table *table = timers->table;
    if (timers->dealt != NULL) {
        return timers->dealt;
    }
    if (table == NULL) {
        return &timers->few;
    }
    uint32_t level = ioc_lowest_bit(table->levels);
    return &table->buckets[level * IOC_TIMERS_SLOTS + ioc_lowest_bit(table->slots[level])];
}

/* ---- Entries ---- */

static void timers__add(ioc_timers *timers, ioc_timer_bucket *bucket, const ioc_timer_entry *entry)
{
    if (ioc_timer_bucket_is_empty(bucket)) {
        timers__enter(timers, bucket);
    } else if (ioc_timer_bucket_is_full(bucket, &timers->pool)) {
        timers->further++;
    }
    ioc_timer_bucket_add(bucket, &timers->pool, entry);
}

/* Give back the chunk behind `before`; NULL: the first. */
static void timers__give_chunk(ioc_timers *timers, ioc_timer_bucket *bucket,
                               ioc_timer_chunk *before)
{
    ioc_timer_chunk *chunk = ioc_timer_bucket_unlink(bucket, before);
    if (timers->behind == chunk) {
        timers->behind = NULL; /* the sweep begins this bucket again */
    }
    ioc_timer_pool_give(&timers->pool, chunk);
    if (ioc_timer_bucket_is_empty(bucket)) {
        timers__leave(timers, bucket);
    } else {
        timers->further--;
    }
}

static void timers__drop_first(ioc_timers *timers, ioc_timer_bucket *bucket)
{
    timers->entries--;
    timers->touched++;
    if (++bucket->first->begin == bucket->first->end) {
        timers__give_chunk(timers, bucket, NULL);
    }
}

/* ---- Sweeping ---- */

/* Keep what is live in a chunk: in the one before it as long as that has room. */
static void timers__sift(ioc_timers *timers, ioc_timer_chunk *before, ioc_timer_chunk *chunk)
{
    uint32_t kept = 0;
    timers->touched += ioc_timer_chunk_count(chunk);
    for (uint32_t i = chunk->begin; i < chunk->end; i++) {
        ioc_timer_entry entry = chunk->entries[i];
        if (!ioc_timer_entry_is_live(&entry)) {
            timers->entries--;
            continue;
        }
        if (timers->survivor.timer == NULL || entry.due_ns < timers->survivor.due_ns) {
            timers->survivor = entry;
        }
        if (before != NULL && before->end < timers->pool.room) {
            before->entries[before->end++] = entry;
        } else {
            chunk->entries[kept++] = entry;
        }
    }
    chunk->begin = 0;
    chunk->end = kept;
}

static void timers__sweep_bucket(ioc_timers *timers, ioc_timer_bucket *bucket)
{
    timers->swept = bucket;
    timers->behind = NULL;
    timers->is_swept = false;
}

/* What the next chunk needs, which is swept in the next call. */
static void timers__prefetch_sweep(const ioc_timers *timers)
{
    const ioc_timer_chunk *chunk =
        timers->behind == NULL ? timers->swept->first : timers->behind->next;
    ioc_timer_chunk_prefetch_timers(chunk, 0);
    ioc_prefetch(chunk->next, sizeof *chunk);
}

/* Sweep the next chunk of the bucket, which has some. */
static void timers__sweep_chunk(ioc_timers *timers)
{
    ioc_timer_bucket *bucket = timers->swept;
    ioc_timer_chunk *before = timers->behind;
    ioc_timer_chunk *chunk = before == NULL ? bucket->first : before->next;
    if (before == NULL) {
        timers->survivor.timer = NULL;
    }
    timers__sift(timers, before, chunk);
    if (chunk->end == 0) {
        timers__give_chunk(timers, bucket, before);
    } else {
        timers->behind = chunk;
    }
    if (timers->behind != bucket->last) {
        timers__prefetch_sweep(timers);
        return;
    }
    timers->is_swept = true;
    timers->behind = NULL;
    if (bucket != timers->dealt) { /* the least of that one may have been dealt out already */
        bucket->least = timers->survivor;
    }
}

/* The next bucket that has entries; there is one. */
static ioc_timer_bucket *timers__next_swept(ioc_timers *timers)
{
    ioc_timers_table *table = timers->table;
    if (table == NULL) {
        return &timers->few;
    }
    size_t number = (size_t)(timers->swept - table->buckets);
    do {
        number = (number + 1) % IOC_TIMERS_BUCKETS;
    } while (ioc_timer_bucket_is_empty(&table->buckets[number]));
    return &table->buckets[number];
}

/* One more is stale. */
static void timers__note_stale(ioc_timers *timers)
{
    if (timers->entries - timers->set <= timers->set + timers->most_stale) {
        return;
    }
    if (timers->is_swept || ioc_timer_bucket_is_empty(timers->swept)) {
        timers__sweep_bucket(timers, timers__next_swept(timers));
    }
    timers__sweep_chunk(timers);
}

/* ---- Dealing ---- */

/* The entries of the first chunk. */
static void timers__deal_chunk(ioc_timers *timers)
{
    uint64_t base_ns = timers->dealt_base_ns;
    ioc_timer_chunk hand = *timers->dealt->first;
    ioc_prefetch(hand.next, sizeof hand);
    timers->touched += ioc_timer_chunk_count(&hand);
    timers__give_chunk(timers, timers->dealt, NULL);
    for (uint32_t i = hand.begin; i < hand.end; i++) {
        const ioc_timer_entry *entry = &hand.entries[i];
        timers__add(timers, timers__place_in(timers->table, base_ns, entry->due_ns), entry);
    }
}

/*
 * Of the lowest bucket, which has several chunks that are not in order: a step towards knowing its
 * first entry. It is dealt if the base may move into it.
 */
static void timers__open(ioc_timers *timers, ioc_timer_bucket *bucket)
{
    uint64_t least_ns = bucket->least.due_ns;
    uint64_t base_ns = least_ns < timers->now_ns ? least_ns : timers->now_ns;
    if (timers->dealt == NULL && timers__place(timers, base_ns) == bucket) {
        timers->dealt = bucket;
        timers->dealt_base_ns = base_ns;
    }
    if (timers->dealt != NULL) {
        timers__deal_chunk(timers);
        return;
    }
    if (timers->is_swept || timers->swept != bucket) {
        timers__sweep_bucket(timers, bucket);
    }
    timers__sweep_chunk(timers);
}

/* Whether the entries of the lowest bucket are in order, now that they are if it has one chunk. */
static bool timers__is_in_order(ioc_timers *timers, ioc_timer_bucket *bucket)
{
    if (bucket == timers->dealt) {
        return false;
    }
    if (!bucket->is_in_order && bucket->first == bucket->last) {
        ioc_timer_chunk_prefetch_timers(bucket->first, IOC_CACHE_LINE); /* they fire soon */
        ioc_timer_chunk_sort(bucket->first);
        timers->touched += ioc_timer_chunk_count(bucket->first);
        bucket->is_in_order = true;
    }
    return bucket->is_in_order;
}

/* ---- Memory ---- */

/*
 * How many chunks the pool must have for dealing, if there were so many entries; and so that how many
 * there are in all depends on the most entries only: then the steady state takes no memory.
 */
static size_t timers__spare(const ioc_timers *timers, size_t entries)
{
    size_t firsts = timers__min(entries, IOC_TIMERS_BUCKETS);
    size_t further = entries / timers->pool.room;
    return (firsts > timers->used ? firsts - timers->used : 0) +
           (further > timers->further ? further - timers->further : 0);
}

/* Whether one more entry can be added to a bucket, and all be dealt afterwards. */
static bool timers__has_room(const ioc_timers *timers, const ioc_timer_bucket *bucket)
{
    bool is_full = ioc_timer_bucket_is_full(bucket, &timers->pool);
    if (timers->table == NULL && is_full) {
        return false;
    }
    size_t needed = ioc_timer_bucket_is_empty(bucket);
    if (timers->further > 0 || is_full) {
        needed = is_full + timers__spare(timers, timers->entries + 1);
    }
    return timers->pool.count >= needed;
}

/* A chunk for each bucket that the few are going to be in. */
static int timers__get_firsts(ioc_timers *timers)
{
    size_t needed = 0;
    const ioc_timer_chunk *chunk = timers->few.first;
    for (uint32_t i = chunk->begin; i < chunk->end; i++) {
        ioc_timer_bucket *bucket =
            timers__place_in(timers->table, timers->dealt_base_ns, chunk->entries[i].due_ns);
        needed += !bucket->is_in_order;
        bucket->is_in_order = true; /* as it is with its first entry, so it is counted once */
    }
    int status = IOCP_OK;
    while (status == IOCP_OK && timers->pool.count < needed) {
        status = ioc_timer_pool_grow(&timers->pool);
    }
    return status;
}

/* They are not few any more: make the table, and deal them out. */
static int timers__spread(ioc_timers *timers)
{
    ioc_timers_table *table = ioc_alloc_take(timers->pool.alloc, sizeof *table);
    if (table == NULL) {
        return IOCP_ENOMEM;
    }
    uint64_t first_ns = ioc_timer_bucket_first(&timers->few)->due_ns; /* they are in order */
    timers->dealt_base_ns = first_ns < timers->now_ns ? first_ns : timers->now_ns;
    timers->table = table;
    int status = timers__get_firsts(timers);
    if (status != IOCP_OK) {
        timers->table = NULL;
        ioc_alloc_give(timers->pool.alloc, table);
        return status;
    }
    timers__sweep_bucket(timers, table->buckets);
    timers->dealt = &timers->few;
    timers__deal_chunk(timers);
    return IOCP_OK;
}

/* Towards room for one more entry in a bucket. */
static int timers__make_room(ioc_timers *timers, const ioc_timer_bucket *bucket)
{
    if (timers->table != NULL || ioc_timer_bucket_is_empty(bucket)) {
        return ioc_timer_pool_grow(&timers->pool);
    }
    timers__sweep_bucket(timers, &timers->few);
    timers__sweep_chunk(timers);
    if (!ioc_timer_bucket_is_full(bucket, &timers->pool)) {
        return IOCP_OK;
    }
    (void)timers__is_in_order(timers, &timers->few);
    return timers__spread(timers);
}

void ioc_timers_init(ioc_timers *timers, ioc_alloc *alloc)
{
    memset(timers, 0, sizeof *timers);
    ioc_timer_pool_init(&timers->pool, alloc);
    timers->most_touched = TIMERS_MOST_TOUCHED;
    timers->most_stale = TIMERS_MOST_STALE;
    timers->swept = &timers->few;
}

static void timers__empty(ioc_timers *timers, ioc_timer_bucket *bucket)
{
    while (!ioc_timer_bucket_is_empty(bucket)) {
        timers__give_chunk(timers, bucket, NULL);
    }
}

void ioc_timers_deinit(ioc_timers *timers)
{
    timers__empty(timers, &timers->few);
    for (size_t i = 0; timers->table != NULL && i < IOC_TIMERS_BUCKETS; i++) {
        timers__empty(timers, &timers->table->buckets[i]);
    }
    (void)ioc_timer_pool_shrink(&timers->pool, 0);
    ioc_alloc_give(timers->pool.alloc, timers->table);
    memset(timers, 0, sizeof *timers);
}

static void timers__sweep_all(ioc_timers *timers, ioc_timer_bucket *buckets, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        timers__sweep_bucket(timers, &buckets[i]);
        while (!timers->is_swept && !ioc_timer_bucket_is_empty(&buckets[i])) {
            timers__sweep_chunk(timers);
        }
    }
}

size_t ioc_timers_trim(ioc_timers *timers)
{
    ioc_timers_table *table = timers->table;
    while (timers->dealt != NULL) { /* its least entry may be a stale one */
        timers__deal_chunk(timers);
    }
    if (table == NULL) {
        timers__sweep_all(timers, &timers->few, 1);
    } else {
        timers__sweep_all(timers, table->buckets, IOC_TIMERS_BUCKETS);
    }
    size_t spare = timers->further > 0 ? timers__spare(timers, timers->entries) : 0;
    size_t bytes = ioc_timer_pool_shrink(&timers->pool, spare);
    if (table != NULL && timers->entries == 0) {
        ioc_alloc_give(timers->pool.alloc, table);
        timers->table = NULL;
        timers__sweep_bucket(timers, &timers->few);
        bytes += sizeof *table;
    }
    return bytes;
}

/* ---- Timers ---- */

int ioc_timers_set(ioc_timers *timers, ioc_timer *timer, uint64_t due_ns)
{
    IOC_ASSERT(due_ns >= timers->now_ns);
    ioc_timer_bucket *bucket = timers__place(timers, due_ns);
    while (!timers__has_room(timers, bucket)) {
        int status = timers__make_room(timers, bucket);
        if (status != IOCP_OK) {
            return status;
        }
        bucket = timers__place(timers, due_ns);
    }
    bool was_set = ioc_timer_is_set(timer);
    timer->due_ns = due_ns;
    timer->order = ++timers->last_order;
    ioc_timer_entry entry = {.due_ns = due_ns, .order = timer->order, .timer = timer};
    timers__add(timers, bucket, &entry);
    timers->entries++;
    timers->set += !was_set;
    if (was_set) {
        timers__note_stale(timers);
    }
    return IOCP_OK;
}

void ioc_timers_clear(ioc_timers *timers, ioc_timer *timer)
{
    if (ioc_timer_is_set(timer)) {
        timer->order = 0;
        timers->set--;
        timers__note_stale(timers);
    }
}

/* The bucket that the first timer is at the beginning of, if that one is due; or NULL. */
static ioc_timer_bucket *timers__find_due(ioc_timers *timers, uint64_t now_ns)
{
    IOC_ASSERT(now_ns >= timers->now_ns);
    uint64_t end = timers->touched + timers->most_touched;
    timers->now_ns = now_ns;
    while (timers->set > 0 && timers->touched < end) {
        ioc_timer_bucket *bucket = timers__lowest(timers);
        bool is_in_order = timers__is_in_order(timers, bucket);
        const ioc_timer_entry *first =
            is_in_order ? ioc_timer_bucket_first(bucket) : &bucket->least;
        if (first->due_ns > now_ns) {
            break;
        }
        if (!is_in_order) {
            timers__open(timers, bucket);
        } else if (ioc_timer_entry_is_live(first)) {
            return bucket;
        } else {
            timers__drop_first(timers, bucket);
        }
    }
    return NULL;
}

ioc_timer *ioc_timers_first_due(ioc_timers *timers, uint64_t now_ns)
{
    ioc_timer_bucket *bucket = timers__find_due(timers, now_ns);
    return bucket != NULL ? ioc_timer_bucket_first(bucket)->timer : NULL;
}

ioc_timer *ioc_timers_pop_due(ioc_timers *timers, uint64_t now_ns)
{
    ioc_timer_bucket *bucket = timers__find_due(timers, now_ns);
    if (bucket == NULL) {
        return NULL;
    }
    ioc_timer *timer = ioc_timer_bucket_first(bucket)->timer;
    timer->order = 0;
    timers->set--;
    timers__drop_first(timers, bucket);
    return timer;
}

uint64_t ioc_timers_next_due(ioc_timers *timers)
{
    uint64_t end = timers->touched + timers->most_touched;
    while (timers->set > 0) {
        ioc_timer_bucket *bucket = timers__lowest(timers);
        bool is_in_order = timers__is_in_order(timers, bucket);
        const ioc_timer_entry *first =
            is_in_order ? ioc_timer_bucket_first(bucket) : &bucket->least;
        if (ioc_timer_entry_is_live(first)) {
            return first->due_ns;
        }
        if (timers->touched >= end) {
            return 0;
        }
        if (is_in_order) {
            timers__drop_first(timers, bucket);
        } else {
            timers__open(timers, bucket);
        }
    }
    return IOC_FOREVER;
}

/* ---- For tests ---- */

/* What was counted in the buckets. */
typedef struct timers_sums {
    size_t live;
    size_t entries;
    size_t used;
    size_t chunks;
} timers_sums;

/* Whether it is where an entry of that time may be: what is being dealt is in two places. */
static bool timers__is_at_place(const ioc_timers *timers, const ioc_timer_bucket *bucket,
                                uint64_t due_ns)
{
    if (timers->table == NULL) {
        return bucket == &timers->few;
    }
    const ioc_timer_bucket *place = timers__place_in(timers->table, timers->base_ns, due_ns);
    return place == bucket ||
           (place == timers->dealt &&
            timers__place_in(timers->table, timers->dealt_base_ns, due_ns) == bucket);
}

static bool timers__is_entry_valid(const ioc_timers *timers, const ioc_timer_bucket *bucket,
                                   const ioc_timer_entry *entry, const ioc_timer_entry *former)
{
    bool is_behind =
        former == NULL || former->due_ns < entry->due_ns ||
        (former->due_ns == entry->due_ns ? former->order < entry->order : !bucket->is_in_order);
    bool is_live = ioc_timer_entry_is_live(entry);
    return is_behind && timers__is_at_place(timers, bucket, entry->due_ns) &&
           (timers->table == NULL || entry->due_ns >= timers->base_ns) &&
           (!is_live || bucket->is_in_order || entry->due_ns >= bucket->least.due_ns) &&
           (!is_live || entry->timer->due_ns == entry->due_ns);
}

static bool timers__is_bucket_valid(const ioc_timers *timers, const ioc_timer_bucket *bucket,
                                    timers_sums *sums)
{
    const ioc_timer_entry *former = NULL;
    const ioc_timer_chunk *last = NULL;
    sums->used += bucket->first != NULL;
    for (const ioc_timer_chunk *chunk = bucket->first; chunk != NULL; chunk = chunk->next) {
        last = chunk;
        sums->chunks++;
        sums->entries += ioc_timer_chunk_count(chunk);
        if (chunk->begin >= chunk->end || chunk->end > timers->pool.room) {
            return false;
        }
        for (uint32_t i = chunk->begin; i < chunk->end; i++) {
            const ioc_timer_entry *entry = &chunk->entries[i];
            if (!timers__is_entry_valid(timers, bucket, entry, former)) {
                return false;
            }
            sums->live += ioc_timer_entry_is_live(entry);
            former = entry;
        }
    }
    return last == bucket->last;
}

static bool timers__is_table_valid(const ioc_timers *timers, timers_sums *sums)
{
    const ioc_timers_table *table = timers->table;
    for (size_t i = 0; i < IOC_TIMERS_BUCKETS; i++) {
        const ioc_timer_bucket *bucket = &table->buckets[i];
        uint32_t slots = table->slots[i / IOC_TIMERS_SLOTS];
        bool is_marked = (slots >> i % IOC_TIMERS_SLOTS & 1) != 0;
        bool is_level_marked = (table->levels >> i / IOC_TIMERS_SLOTS & 1) != 0;
        if (is_marked == ioc_timer_bucket_is_empty(bucket) || is_level_marked != (slots != 0) ||
            !timers__is_bucket_valid(timers, bucket, sums)) {
            return false;
        }
    }
    return ioc_timer_bucket_is_empty(&timers->few);
}

bool ioc_timers_is_valid(const ioc_timers *timers)
{
    timers_sums sums = {0};
    bool is_valid = timers->table == NULL ? timers__is_bucket_valid(timers, &timers->few, &sums)
                                          : timers__is_table_valid(timers, &sums);
    return is_valid && sums.live == timers->set && sums.entries == timers->entries &&
           sums.used == timers->used && sums.chunks - sums.used == timers->further &&
           (timers->further == 0 || timers->pool.count >= timers__spare(timers, timers->entries));
}
