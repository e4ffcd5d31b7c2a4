/*
 * Binary heaps of timers, as one writes them for one program. The plain one is the least that
 * works: a timer cannot be found again. In the indexed one each timer knows its place, so that it
 * can be taken out or moved.
 */
#ifndef BENCH_RAW_HEAP_H
#define BENCH_RAW_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef void (*raw_timer_fn)(void *owner);

typedef struct raw_timer {
    uint64_t due_ns;
    raw_timer_fn function;
    void *owner;
} raw_timer;

typedef struct raw_heap {
    raw_timer *timers;
    size_t count;
    size_t capacity;
} raw_heap;

bool raw_heap_push(raw_heap *heap, raw_timer timer);

/* The heap is not empty. */
raw_timer raw_heap_pop(raw_heap *heap);

typedef struct raw_indexed_timer {
    size_t place;
    raw_timer_fn function;
    void *owner;
} raw_indexed_timer;

typedef struct raw_indexed_entry {
    uint64_t due_ns;
    raw_indexed_timer *timer;
} raw_indexed_entry;

typedef struct raw_indexed_heap {
    raw_indexed_entry *entries;
    size_t count;
    size_t capacity;
} raw_indexed_heap;

bool raw_indexed_heap_push(raw_indexed_heap *heap, raw_indexed_timer *timer, uint64_t due_ns);
void raw_indexed_heap_remove(raw_indexed_heap *heap, raw_indexed_timer *timer);
void raw_indexed_heap_move(raw_indexed_heap *heap, raw_indexed_timer *timer, uint64_t due_ns);

#endif
