#include "buffers.h"

#include <string.h>

/* What stands in `next` besides a number. */
#define BUFFERS_NONE  UINT32_MAX
#define BUFFERS_TAKEN (UINT32_MAX - 1)
#define BUFFERS_LENT  (UINT32_MAX - 2)

static size_t buffers__round_up(size_t size)
{
    return (size + IOC_BUFFERS_ALIGNMENT - 1) / IOC_BUFFERS_ALIGNMENT * IOC_BUFFERS_ALIGNMENT;
}

/* How far the first buffer is behind the beginning of the block. */
static size_t buffers__head_bytes(size_t count)
{
    return buffers__round_up(sizeof(ioc_buffers) + count * sizeof(uint32_t));
}

/* The system counts bytes in 32 bits; what does not fit in the address space is never asked for. */
bool ioc_buffers_is_size(size_t count, size_t size)
{
    return count > 0 && count < BUFFERS_LENT && size > 0 && size <= UINT32_MAX;
}

/* 0: more than there are addresses. */
static size_t buffers__bytes(size_t count, size_t size)
{
    size_t each = size <= SIZE_MAX - IOC_BUFFERS_ALIGNMENT ? buffers__round_up(size) : 0;
    size_t most = (SIZE_MAX - sizeof(ioc_buffers) - IOC_BUFFERS_ALIGNMENT) / count;
    if (each == 0 || each > most || sizeof(uint32_t) > most - each) {
        return 0;
    }
    return buffers__head_bytes(count) + count * each;
}

ioc_buffers *ioc_buffers_new(ioc_alloc *alloc, iocp_loop_t *loop, size_t count, size_t size)
{
    size_t bytes = buffers__bytes(count, size);
    ioc_buffers *pool = bytes > 0 ? ioc_alloc_take_raw(alloc, bytes) : NULL;
    if (pool == NULL) {
        return NULL;
    }
    memset(pool, 0, sizeof *pool); /* not the buffers: nobody reads what is in a free one */
    ioc_link_init(&pool->link);
    ioc_list_init(&pool->waiting);
    pool->alloc = alloc;
    pool->loop = loop;
    pool->memory = (unsigned char *)pool + buffers__head_bytes(count);
    pool->stride = buffers__round_up(size);
    pool->size = (uint32_t)size;
    pool->count = (uint32_t)count;
    for (uint32_t i = 0; i < pool->count; i++) {
        pool->next[i] = i + 1 < pool->count ? i + 1 : BUFFERS_NONE;
    }
    return pool;
}

void ioc_buffers_free(ioc_buffers *pool)
{
    IOC_ASSERT(ioc_list_is_empty(&pool->waiting));
    ioc_link_remove(&pool->link);
    ioc_alloc_give(pool->alloc, pool);
}

/* BUFFERS_NONE: it is not the beginning of a buffer of this pool. */
static uint32_t buffers__number_of(const ioc_buffers *pool, const void *data)
{
    uintptr_t first = (uintptr_t)pool->memory;
    uintptr_t offset = (uintptr_t)data - first;
    bool is_one = (uintptr_t)data >= first && offset / pool->stride < pool->count &&
                  offset % pool->stride == 0;
    return is_one ? (uint32_t)(offset / pool->stride) : BUFFERS_NONE;
}

/* The number of one that is taken. */
static uint32_t buffers__taken(const ioc_buffers *pool, const void *data)
{
    uint32_t number = buffers__number_of(pool, data);
    IOC_ASSERT(number != BUFFERS_NONE && pool->next[number] == BUFFERS_TAKEN);
    return number;
}

void *ioc_buffers_take(ioc_buffers *pool)
{
    uint32_t number = pool->first_free;
    if (number == BUFFERS_NONE || pool->is_destroyed) {
        return NULL;
    }
    pool->first_free = pool->next[number];
    pool->next[number] = BUFFERS_TAKEN;
    pool->taken++;
    return pool->memory + number * pool->stride;
}

void ioc_buffers_give(ioc_buffers *pool, void *data)
{
    uint32_t number = buffers__taken(pool, data);
    pool->next[number] = pool->first_free;
    pool->first_free = number;
    pool->taken--;
}

void ioc_buffers_lend(ioc_buffers *pool, void *data)
{
    pool->next[buffers__taken(pool, data)] = BUFFERS_LENT;
    pool->lent++;
}

bool ioc_buffers_take_back(ioc_buffers *pool, void *data)
{
    uint32_t number = buffers__number_of(pool, data);
    if (number == BUFFERS_NONE || pool->next[number] != BUFFERS_LENT) {
        return false;
    }
    pool->next[number] = BUFFERS_TAKEN;
    pool->lent--;
    return true;
}
