/*
 * The allocator of a loop: the program's hooks or malloc, and a counter that shows that the steady
 * state allocates nothing. Any thread.
 */
#ifndef IOC_ALLOC_H
#define IOC_ALLOC_H

#include "iocploop.h"

#include "atomic.h"
#include "base.h"

typedef struct ioc_alloc {
    iocp_allocate_fn allocate;
    iocp_free_fn free;
    void *context;
    ioc_atomic_u64 count; /* calls of allocate */
} ioc_alloc;

/* Both hooks, or NULL and NULL for malloc and free. */
void ioc_alloc_init(ioc_alloc *alloc, iocp_allocate_fn allocate, iocp_free_fn free, void *context);

/* Memory aligned for any type, or NULL: zeroed; or with whatever is in it. */
void *ioc_alloc_take(ioc_alloc *alloc, size_t size);
void *ioc_alloc_take_raw(ioc_alloc *alloc, size_t size);

/* NULL is allowed. */
void ioc_alloc_give(ioc_alloc *alloc, void *memory);

#endif
