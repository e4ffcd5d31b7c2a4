/*
 * What the unit tests share: CMocka with the headers that it needs, a random sequence that is the
 * same everywhere, and an allocator that counts and refuses.
 */
#ifndef TEST_UNIT_H
#define TEST_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "alloc.h"

#define UNIT_SEED UINT64_C(0x9e3779b97f4a7c15) /* any number will do */

/* The next number of the sequence that began with a seed (splitmix64). */
uint64_t unit_random(uint64_t *state);

/* The next number, below `limit`. */
uint32_t unit_random_below(uint64_t *state, uint32_t limit);

/* An allocator for the unit under test. Any thread, except for the functions below. */
typedef struct unit_memory {
    ioc_alloc alloc;
    ioc_atomic_u64 granted;  /* blocks handed out */
    ioc_atomic_u64 returned; /* of these, given back */
    ioc_atomic_u64 allowed;  /* how many more it will hand out */
} unit_memory;

/* An allocator that refuses nothing. */
void unit_memory_init(unit_memory *memory);

/* Hand out `count` more blocks, then refuse; UINT64_MAX: refuse nothing. */
void unit_memory_allow(unit_memory *memory, uint64_t count);

/* Blocks that were not given back. */
uint64_t unit_memory_live(const unit_memory *memory);

/* Calls of the allocator so far, refused ones too. */
uint64_t unit_memory_calls(const unit_memory *memory);

#endif
