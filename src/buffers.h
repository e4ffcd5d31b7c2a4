/*
 * A pool of buffers of one size, in one piece of memory.
 *
 * A buffer is free, or taken by a receive that fills it, or lent to the program. So a buffer that is
 * given back twice is found, and one that is not of this pool. The last one that was given back is
 * taken first: it is the one that caches have.
 *
 * The pool knows no operation. Those that wait for a buffer are in its list, which is kept by the unit
 * that owns them (lent.h), as is the rule that nobody waits while a buffer is free.
 *
 * All of it runs on the loop thread.
 */
#ifndef IOC_BUFFERS_H
#define IOC_BUFFERS_H

#include "alloc.h"
#include "queue/list.h"

/* Each buffer is aligned as memory of the allocator is: MEMORY_ALLOCATION_ALIGNMENT of <winnt.h>. */
#define IOC_BUFFERS_ALIGNMENT (2 * sizeof(void *))

typedef struct iocp_buffers ioc_buffers;

struct iocp_buffers {
    ioc_link link; /* ioc_ops.pools */
    ioc_alloc *alloc;
    iocp_loop_t *loop; /* for whoever has nothing but the pool */
    ioc_list waiting;  /* ioc_op.link, the oldest first */
    unsigned char *memory;
    size_t stride;
    uint32_t size; /* of a buffer */
    uint32_t count;
    uint32_t taken; /* not free */
    uint32_t lent;  /* of these, with the program */
    uint32_t first_free;
    bool is_destroyed;
    uint32_t next[]; /* of each buffer: the free one behind it, or what it is otherwise */
};

/* Whether there can be such a pool at all. */
bool ioc_buffers_is_size(size_t count, size_t size);

/* NULL: no memory. */
ioc_buffers *ioc_buffers_new(ioc_alloc *alloc, iocp_loop_t *loop, size_t count, size_t size);
void ioc_buffers_free(ioc_buffers *pool);

/* A free one, or NULL. */
void *ioc_buffers_take(ioc_buffers *pool);

/* What becomes of one that is taken: it is free again; it is the program's. */
void ioc_buffers_give(ioc_buffers *pool, void *data);
void ioc_buffers_lend(ioc_buffers *pool, void *data);

/* From the program: it is taken again. False: it is not lent, or none of this pool. */
bool ioc_buffers_take_back(ioc_buffers *pool, void *data);

#endif
