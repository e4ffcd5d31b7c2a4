/*
 * SPAWN, which opens a process on no handle. What the program asked for is copied by the backend when
 * it is called, since the texts are the system's to convert; the pool carries it out.
 */
#ifndef IOC_SPAWN_H
#define IOC_SPAWN_H

#include "handle.h"
#include "watch.h"

#define IOC_SPAWN_STREAMS 3

/* In op->block. The operation's parameters are an ioc_work. */
typedef struct ioc_spawn {
    ioc_handle *handle; /* where the process goes; set before the start */
    void *plan;         /* the backend's own */
} ioc_spawn;

static inline ioc_spawn *ioc_spawn_of(const ioc_op *op)
{
    return op->block;
}

/* Slots of ioc_kind. */
void ioc_spawn_start(ioc_ops *ops, ioc_op *op);
void ioc_spawn_tell(const ioc_op *op, iocp_result_t *result);
void ioc_spawn_ended(ioc_ops *ops, ioc_op *op);

#endif
