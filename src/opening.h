/*
 * Operations that open a handle (ioc_kind.opens): ACCEPT, PIPE_CONNECT, SPAWN.
 *
 * The handle is made in front, so that the backend has where to put what it opens, and so that there
 * is no success which no handle can be found for. A run that succeeds gives it to the program, and
 * any other, also one that was never started, gives it back. So one that is rearmed opens another.
 */
#ifndef IOC_OPENING_H
#define IOC_OPENING_H

#include "handle.h"

/* What op->block of such a kind begins with; zero before the operation is queued. */
typedef struct ioc_opening {
    ioc_handle *handle; /* from the start to the end of each run */
    void *backend;      /* the backend's own */
} ioc_opening;

static inline ioc_opening *ioc_opening_of(const ioc_op *op)
{
    IOC_ASSERT(op->kind->opens != 0 && op->block != NULL);
    return op->block;
}

/* As ioc_op_try_in_kernel. IOCP_ENOMEM without a handle: the system was not asked. */
ioc_start ioc_opening_try(ioc_ops *ops, ioc_op *op);

/* Slots of ioc_kind. */
void ioc_opening_start(ioc_ops *ops, ioc_op *op);
void ioc_opening_tell(const ioc_op *op, iocp_result_t *result);
void ioc_opening_ended(ioc_ops *ops, ioc_op *op);

#endif
