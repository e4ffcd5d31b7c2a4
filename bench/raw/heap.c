#include "heap.h"

#include <stdlib.h>

#define FIRST_CAPACITY 64

/* ---- Plain ---- */

static bool heap__reserve_one(raw_heap *heap)
{
    if (heap->count < heap->capacity) {
        return true;
    }
    size_t capacity = heap->capacity == 0 ? FIRST_CAPACITY : heap->capacity * 2;
    raw_timer *timers = realloc(heap->timers, capacity * sizeof *timers);
    if (timers == NULL) {
        return false;
    }
    heap->timers = timers;
    heap->capacity = capacity;
    return true;
}

bool raw_heap_push(raw_heap *heap, raw_timer timer)
{
    if (!heap__reserve_one(heap)) {
        return false;
    }
    size_t hole = heap->count++;
    while (hole > 0) {
        size_t parent = (hole - 1) / 2;
        if (heap->timers[parent].due_ns <= timer.due_ns) {
            break;
        }
        heap->timers[hole] = heap->timers[parent];
        hole = parent;
    }
    heap->timers[hole] = timer;
    return true;
}

raw_timer raw_heap_pop(raw_heap *heap)
{
    raw_timer *timers = heap->timers;
    raw_timer top = timers[0];
    raw_timer last = timers[--heap->count];
    size_t hole = 0;
    for (;;) {
        size_t child = 2 * hole + 1;
        if (child >= heap->count) {
            break;
        }
        if (child + 1 < heap->count && timers[child + 1].due_ns < timers[child].due_ns) {
            child++;
        }
        if (last.due_ns <= timers[child].due_ns) {
            break;
        }
        timers[hole] = timers[child];
        hole = child;
    }
    timers[hole] = last;
    return top;
}

/* ---- Indexed ---- */

static bool indexed__reserve_one(raw_indexed_heap *heap)
{
    if (heap->count < heap->capacity) {
        return true;
    }
    size_t capacity = heap->capacity == 0 ? FIRST_CAPACITY : heap->capacity * 2;
    raw_indexed_entry *entries = realloc(heap->entries, capacity * sizeof *entries);
    if (entries == NULL) {
        return false;
    }
    heap->entries = entries;
    heap->capacity = capacity;
    return true;
}

static void indexed__put(raw_indexed_heap *heap, size_t place, raw_indexed_entry entry)
{
    heap->entries[place] = entry;
    entry.timer->place = place;
}

static void indexed__sift_up(raw_indexed_heap *heap, size_t hole, raw_indexed_entry entry)
{
    while (hole > 0) {
        size_t parent = (hole - 1) / 2;
        if (heap->entries[parent].due_ns <= entry.due_ns) {
            break;
        }
        indexed__put(heap, hole, heap->entries[parent]);
        hole = parent;
    }
    indexed__put(heap, hole, entry);
}

static void indexed__sift_down(raw_indexed_heap *heap, size_t hole, raw_indexed_entry entry)
{
    const raw_indexed_entry *entries = heap->entries;
    for (;;) {
        size_t child = 2 * hole + 1;
        if (child >= heap->count) {
            break;
        }
        if (child + 1 < heap->count && entries[child + 1].due_ns < entries[child].due_ns) {
            child++;
        }
        if (entry.due_ns <= entries[child].due_ns) {
            break;
        }
        indexed__put(heap, hole, entries[child]);
        hole = child;
    }
    indexed__put(heap, hole, entry);
}

/* An entry for a place whose former one is gone. */
static void indexed__sift(raw_indexed_heap *heap, size_t hole, raw_indexed_entry entry)
{
    if (hole > 0 && entry.due_ns < heap->entries[(hole - 1) / 2].due_ns) {
        indexed__sift_up(heap, hole, entry);
    } else {
        indexed__sift_down(heap, hole, entry);
    }
}

bool raw_indexed_heap_push(raw_indexed_heap *heap, raw_indexed_timer *timer, uint64_t due_ns)
{
    if (!indexed__reserve_one(heap)) {
        return false;
    }
    heap->count++;
    indexed__sift_up(heap, heap->count - 1, (raw_indexed_entry){.due_ns = due_ns, .timer = timer});
    return true;
}

void raw_indexed_heap_remove(raw_indexed_heap *heap, raw_indexed_timer *timer)
{
    size_t hole = timer->place;
    raw_indexed_entry last = heap->entries[--heap->count];
    if (last.timer != timer) {
        indexed__sift(heap, hole, last);
    }
}

void raw_indexed_heap_move(raw_indexed_heap *heap, raw_indexed_timer *timer, uint64_t due_ns)
{
    indexed__sift(heap, timer->place, (raw_indexed_entry){.due_ns = due_ns, .timer = timer});
}
