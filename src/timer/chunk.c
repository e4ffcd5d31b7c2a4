#include "chunk.h"

void ioc_timer_pool_init(ioc_timer_pool *pool, ioc_alloc *alloc)
{
    *pool = (ioc_timer_pool){.alloc = alloc, .room = IOC_TIMER_CHUNK_ROOM};
}

int ioc_timer_pool_grow(ioc_timer_pool *pool)
{
    ioc_timer_chunk *chunk = ioc_alloc_take_raw(pool->alloc, sizeof *chunk);
    if (chunk == NULL) {
        return IOCP_ENOMEM;
    }
    ioc_timer_pool_give(pool, chunk);
    return IOCP_OK;
}

size_t ioc_timer_pool_shrink(ioc_timer_pool *pool, size_t count)
{
    size_t bytes = 0;
    while (pool->count > count) {
        ioc_alloc_give(pool->alloc, ioc_timer_pool_take(pool));
        bytes += sizeof(ioc_timer_chunk);
    }
    return bytes;
}

void ioc_timer_chunk_prefetch_timers(const ioc_timer_chunk *chunk, size_t before)
{
    for (uint32_t i = chunk->begin; i < chunk->end; i++) {
        uintptr_t timer = (uintptr_t)chunk->entries[i].timer;
        ioc_prefetch((const void *)(timer - before), before + sizeof(ioc_timer));
    }
}

static bool chunk__is_before(const ioc_timer_entry *a, const ioc_timer_entry *b)
{
    return a->due_ns < b->due_ns || (a->due_ns == b->due_ns && a->order < b->order);
}

/* By insertion: there are few, and those that were sorted before stay where they are. */
void ioc_timer_chunk_sort(ioc_timer_chunk *chunk)
{
    ioc_timer_entry *entries = chunk->entries;
    for (uint32_t i = chunk->begin + 1; i < chunk->end; i++) {
        ioc_timer_entry entry = entries[i];
        uint32_t hole = i;
        for (; hole > chunk->begin && chunk__is_before(&entry, &entries[hole - 1]); hole--) {
            entries[hole] = entries[hole - 1];
        }
        entries[hole] = entry;
    }
}
