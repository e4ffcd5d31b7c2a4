/*
 * PROCESS_STOP: a process is asked to end, and is ended when its grace is over. The grace is a pause of
 * the operation that passes while the system has it: the backend, which waits for the process's end,
 * is told when it is over.
 */
#ifndef IOC_STOP_H
#define IOC_STOP_H

#include "op.h"

/* In op->block. The operation's parameters are an ioc_work while it asks, then an ioc_watch. */
typedef struct ioc_stop {
    uint64_t grace_ns;     /* 0: is not asked, IOC_FOREVER: only asked */
    bool is_waiting;       /* the backend's own: for the end */
    uint32_t native_error; /* the backend's own: why it cannot be ended */
} ioc_stop;

static inline ioc_stop *ioc_stop_of(const ioc_op *op)
{
    return op->block;
}

/* A slot of ioc_kind. */
void ioc_stop_start(ioc_ops *ops, ioc_op *op);

#endif
