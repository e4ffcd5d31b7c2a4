#include "alloc.h"

#include <stdlib.h>
#include <string.h>

static void *IOCP_CALL alloc__malloc(size_t size, void *context)
{
    (void)context;
    return malloc(size);
}

static void IOCP_CALL alloc__free(void *memory, void *context)
{
    (void)context;
    free(memory);
}

void ioc_alloc_init(ioc_alloc *alloc, iocp_allocate_fn allocate, iocp_free_fn free, void *context)
{
    IOC_ASSERT((allocate == NULL) == (free == NULL));
    memset(alloc, 0, sizeof *alloc);
    alloc->allocate = allocate != NULL ? allocate : alloc__malloc;
    alloc->free = free != NULL ? free : alloc__free;
    alloc->context = context;
}

void *ioc_alloc_take_raw(ioc_alloc *alloc, size_t size)
{
    ioc_increment_u64(&alloc->count);
    return alloc->allocate(size, alloc->context);
}

void *ioc_alloc_take(ioc_alloc *alloc, size_t size)
{
    void *memory = ioc_alloc_take_raw(alloc, size);
    if (memory != NULL) {
        memset(memory, 0, size);
    }
    return memory;
}

void ioc_alloc_give(ioc_alloc *alloc, void *memory)
{
    if (memory != NULL) {
        alloc->free(memory, alloc->context);
    }
}
