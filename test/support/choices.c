#include "choices.h"

#include "unit.h"

#include <string.h>

choices choices_from_seed(uint64_t seed, uint32_t steps)
{
    return (choices){.random = seed, .left = steps, .is_seeded = true, .used = CHOICES_STEP_BYTES};
}

choices choices_from_bytes(const unsigned char *bytes, size_t size)
{
    choices c = {.bytes = bytes, .size = size, .used = CHOICES_STEP_BYTES};
    (void)choices_next_step(&c);
    return c;
}

/* The last step may have fewer bytes; the rest of it are zeroes. */
static bool choices__take_bytes(choices *c)
{
    size_t count = c->size < sizeof c->step ? c->size : sizeof c->step;
    if (count == 0) {
        return false;
    }
    memset(c->step, 0, sizeof c->step);
    memcpy(c->step, c->bytes, count);
    memcpy(&c->random, c->step, sizeof c->random);
    c->bytes += count;
    c->size -= count;
    c->used = 0;
    return true;
}

bool choices_next_step(choices *c)
{
    if (!c->is_seeded) {
        return choices__take_bytes(c);
    }
    if (c->left == 0) {
        return false;
    }
    c->left--;
    return true;
}

uint32_t choices_below(choices *c, uint32_t limit)
{
    if (c->used < sizeof c->step) {
        return (uint32_t)((uint64_t)c->step[c->used++] * limit >> 8);
    }
    return unit_random_below(&c->random, limit);
}

bool choices_chance(choices *c, uint32_t percent)
{
    return choices_below(c, 100) < percent;
}
