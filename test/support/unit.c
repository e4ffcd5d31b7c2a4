#include "unit.h"

#include <stdlib.h>
#include <string.h>

uint64_t unit_random(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t value = *state;
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

uint32_t unit_random_below(uint64_t *state, uint32_t limit)
{
    return (uint32_t)(unit_random(state) % limit);
}

static bool memory__is_allowed(unit_memory *memory)
{
    uint64_t left = ioc_load_u64(&memory->allowed);
    for (;;) {
        if (left == 0) {
            return false;
        }
        if (left == UINT64_MAX || ioc_compare_exchange_u64(&memory->allowed, &left, left - 1)) {
            return true;
        }
    }
}

static void *IOCP_CALL memory__allocate(size_t size, void *context)
{
    unit_memory *memory = context;
    void *block = memory__is_allowed(memory) ? malloc(size) : NULL;
    if (block != NULL) {
        memset(block, 0xa5, size); /* nobody may take it for zeroed */
        ioc_increment_u64(&memory->granted);
    }
    return block;
}

static void IOCP_CALL memory__free(void *block, void *context)
{
    unit_memory *memory = context;
    ioc_increment_u64(&memory->returned);
    free(block);
}

void unit_memory_init(unit_memory *memory)
{
    memset(memory, 0, sizeof *memory);
    memory->allowed.value = UINT64_MAX;
    /* By hand: the contract tests have this too, and need no function of the library's inside. */
    memory->alloc.allocate = memory__allocate;
    memory->alloc.free = memory__free;
    memory->alloc.context = memory;
}

void unit_memory_allow(unit_memory *memory, uint64_t count)
{
    uint64_t found = ioc_load_u64(&memory->allowed);
    while (!ioc_compare_exchange_u64(&memory->allowed, &found, count)) {}
}

uint64_t unit_memory_live(const unit_memory *memory)
{
    return ioc_load_u64(&memory->granted) - ioc_load_u64(&memory->returned);
}

uint64_t unit_memory_calls(const unit_memory *memory)
{
    return ioc_load_u64(&memory->alloc.count);
}
