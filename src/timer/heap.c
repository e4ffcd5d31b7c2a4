#include "heap.h"

#include <string.h>

#define HEAP_CHILDREN       4
#define HEAP_FIRST_CAPACITY 64

void ioc_heap_init(ioc_heap *heap, ioc_alloc *alloc)
{
    memset(heap, 0, sizeof *heap);
    heap->alloc = alloc;
}

void ioc_heap_deinit(ioc_heap *heap)
{
    ioc_alloc_give(heap->alloc, heap->entries);
    memset(heap, 0, sizeof *heap);
}

/* Without branches: which of two random times is less, no processor can predict. */
static bool heap__is_before(const ioc_heap_entry *a, const ioc_heap_entry *b)
{
    int is_earlier = a->due_ns < b->due_ns;
    int is_equal = a->due_ns == b->due_ns;
    int is_older = a->order < b->order;
    return (is_earlier | (is_equal & is_older)) != 0;
}

static bool heap__is_stale(const ioc_heap_entry *entry)
{
    return entry->timer->entry != entry->order;
}

static bool heap__is_early(const ioc_heap_entry *entry)
{
    return entry->order != entry->timer->order;
}

/* The exact key of an early entry, which is from now on the timer's own. */
static void heap__correct(ioc_heap_entry *entry)
{
    entry->due_ns = entry->timer->due_ns;
    entry->order = entry->timer->order;
    entry->timer->entry = entry->order;
}

static void heap__sift_up(ioc_heap *heap, size_t hole, ioc_heap_entry entry)
{
    while (hole > 0) {
        size_t parent = (hole - 1) / HEAP_CHILDREN;
        if (!heap__is_before(&entry, &heap->entries[parent])) {
            break;
        }
        heap->entries[hole] = heap->entries[parent];
        hole = parent;
    }
    heap->entries[hole] = entry;
}

/* The least of the children from `child` on; there is at least one. */
static size_t heap__least_child(const ioc_heap *heap, size_t child)
{
    const ioc_heap_entry *entries = heap->entries;
    size_t end = child + HEAP_CHILDREN < heap->count ? child + HEAP_CHILDREN : heap->count;
    size_t least = child;
    while (++child < end) {
        least = heap__is_before(&entries[child], &entries[least]) ? child : least;
    }
    return least;
}

static void heap__sift_down(ioc_heap *heap, size_t hole, ioc_heap_entry entry)
{
    ioc_heap_entry *entries = heap->entries;
    for (;;) {
        size_t child = hole * HEAP_CHILDREN + 1;
        if (child >= heap->count) {
            break;
        }
        size_t grandchild = child * HEAP_CHILDREN + 1;
        if (grandchild < heap->count) {
            /* All of them: which are wanted is known too late. */
            ioc_prefetch(&entries[grandchild], HEAP_CHILDREN * HEAP_CHILDREN * sizeof *entries);
        }
        size_t least = heap__least_child(heap, child);
        if (!heap__is_before(&entries[least], &entry)) {
            break;
        }
        entries[hole] = entries[least];
        hole = least;
    }
    entries[hole] = entry;
}

static void heap__remove_top(ioc_heap *heap)
{
    heap->count--;
    if (heap->count > 0) {
        heap__sift_down(heap, 0, heap->entries[heap->count]);
    }
    for (size_t i = 1; i <= HEAP_CHILDREN && i < heap->count; i++) {
        ioc_prefetch(heap->entries[i].timer, sizeof(ioc_timer)); /* one of these is on top next */
    }
}

/* Bring an exact entry to the top: drop stale ones, correct early ones. */
static void heap__settle_top(ioc_heap *heap)
{
    while (heap->count > 0) {
        ioc_heap_entry *top = &heap->entries[0];
        if (heap__is_stale(top)) {
            heap->stale--;
            heap__remove_top(heap);
        } else if (heap__is_early(top)) {
            heap__correct(top);
            heap__sift_down(heap, 0, *top);
        } else {
            return;
        }
    }
}

/* Drop stale entries, correct early ones, and build the heap anew from the last parent upwards. */
static void heap__rebuild(ioc_heap *heap)
{
    size_t kept = 0;
    for (size_t i = 0; i < heap->count; i++) {
        ioc_heap_entry entry = heap->entries[i];
        if (heap__is_stale(&entry)) {
            continue;
        }
        if (heap__is_early(&entry)) {
            heap__correct(&entry);
        }
        heap->entries[kept++] = entry;
    }
    heap->count = kept;
    heap->stale = 0;
    for (size_t i = kept / HEAP_CHILDREN + 1; i-- > 0;) {
        if (i < kept) {
            heap__sift_down(heap, i, heap->entries[i]);
        }
    }
}

static void heap__add_stale(ioc_heap *heap)
{
    heap->stale++;
    if (heap->stale > HEAP_FIRST_CAPACITY && heap->stale > heap->count / 2) {
        heap__rebuild(heap);
    }
}

/* NULL: no memory. */
static ioc_heap_entry *heap__copy(const ioc_heap *heap, size_t capacity)
{
    ioc_heap_entry *entries = ioc_alloc_take(heap->alloc, capacity * sizeof *entries);
    if (entries != NULL && heap->count > 0) {
        memcpy(entries, heap->entries, heap->count * sizeof *entries);
    }
    return entries;
}

static void heap__replace(ioc_heap *heap, ioc_heap_entry *entries, size_t capacity)
{
    ioc_alloc_give(heap->alloc, heap->entries);
    heap->entries = entries;
    heap->capacity = capacity;
}

static int heap__reserve_one(ioc_heap *heap)
{
    if (heap->count == heap->capacity && heap->stale > heap->capacity / 4) {
        heap__rebuild(heap); /* room enough, without more memory */
    }
    if (heap->count < heap->capacity) {
        return IOCP_OK;
    }
    size_t capacity = heap->capacity == 0 ? HEAP_FIRST_CAPACITY : heap->capacity * 2;
    ioc_heap_entry *entries = heap__copy(heap, capacity);
    if (entries == NULL) {
        return IOCP_ENOMEM;
    }
    heap__replace(heap, entries, capacity);
    return IOCP_OK;
}

size_t ioc_heap_trim(ioc_heap *heap)
{
    size_t before = heap->capacity;
    size_t needed = HEAP_FIRST_CAPACITY;
    heap__rebuild(heap);
    while (needed < heap->count) {
        needed *= 2;
    }
    if (heap->count == 0) {
        heap__replace(heap, NULL, 0);
    } else if (needed < before) {
        ioc_heap_entry *entries = heap__copy(heap, needed);
        if (entries != NULL) {
            heap__replace(heap, entries, needed);
        }
    }
    return (before - heap->capacity) * sizeof *heap->entries;
}

int ioc_heap_set(ioc_heap *heap, ioc_timer *timer, uint64_t due_ns)
{
    if (ioc_timer_is_set(timer) && due_ns >= timer->due_ns) {
        timer->due_ns = due_ns;
        timer->order = ++heap->last_order;
        return IOCP_OK;
    }
    int status = heap__reserve_one(heap);
    if (status != IOCP_OK) {
        return status;
    }
    bool was_set = ioc_timer_is_set(timer);
    timer->due_ns = due_ns;
    timer->order = ++heap->last_order;
    timer->entry = timer->order;
    heap->count++;
    heap__sift_up(heap, heap->count - 1,
                  (ioc_heap_entry){.due_ns = due_ns, .order = timer->order, .timer = timer});
    if (was_set) {
        heap__add_stale(heap); /* its former entry */
    }
    return IOCP_OK;
}

void ioc_heap_clear(ioc_heap *heap, ioc_timer *timer)
{
    if (ioc_timer_is_set(timer)) {
        timer->entry = 0;
        heap__add_stale(heap);
    }
}

uint64_t ioc_heap_next_due(ioc_heap *heap)
{
    heap__settle_top(heap);
    return heap->count == 0 ? IOC_FOREVER : heap->entries[0].due_ns;
}

ioc_timer *ioc_heap_pop_due(ioc_heap *heap, uint64_t now_ns)
{
    if (ioc_heap_next_due(heap) > now_ns || heap->count == 0) {
        return NULL;
    }
    ioc_timer *timer = heap->entries[0].timer;
    timer->entry = 0;
    heap__remove_top(heap);
    return timer;
}

size_t ioc_heap_count(const ioc_heap *heap)
{
    return heap->count - heap->stale;
}

bool ioc_heap_is_valid(const ioc_heap *heap)
{
    size_t stale = 0;
    for (size_t i = 0; i < heap->count; i++) {
        const ioc_heap_entry *entry = &heap->entries[i];
        if (i > 0 && heap__is_before(entry, &heap->entries[(i - 1) / HEAP_CHILDREN])) {
            return false;
        }
        if (heap__is_stale(entry)) {
            stale++;
        } else if (entry->due_ns > entry->timer->due_ns) {
            return false;
        }
    }
    return stale == heap->stale && heap->count <= heap->capacity;
}
