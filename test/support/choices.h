/*
 * What a random program does next: a source of choices.
 *
 * Seeded, it is a sequence that is the same everywhere. From a fuzzer it is the fuzzer's bytes, in
 * steps: each step of a program has bytes of its own and begins with them, whatever the step before
 * it has used. What a step needs beyond them comes from a sequence that they seed. So a byte that
 * changes changes its step, and the steps behind it are what they were.
 */
#ifndef TEST_CHOICES_H
#define TEST_CHOICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHOICES_STEP_BYTES 8

typedef struct choices {
    uint64_t random; /* the sequence */
    uint32_t left;   /* seeded: how many steps */
    bool is_seeded;
    const unsigned char *bytes; /* of the steps to come */
    size_t size;
    unsigned char step[CHOICES_STEP_BYTES]; /* of this one */
    uint32_t used;
} choices;

/* The first step has begun: it makes what the program starts with. */
choices choices_from_seed(uint64_t seed, uint32_t steps);
choices choices_from_bytes(const unsigned char *bytes, size_t size);

/* Begin the next step. False: there is none, and choices go on by the sequence. */
bool choices_next_step(choices *c);

/* Below `limit`: a byte that is a little larger chooses a little more. */
uint32_t choices_below(choices *c, uint32_t limit);
bool choices_chance(choices *c, uint32_t percent);

#endif
