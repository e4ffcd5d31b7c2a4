/*
 * The parameters of waits for an object (WAIT, PROCESS_WAIT, JOB_WATCH) or for the console
 * (CONSOLE_WATCH), and of functions on the pool (WORK, and the library's own: FLUSH, and the question
 * what an adopted handle is).
 */
#ifndef IOC_WATCH_H
#define IOC_WATCH_H

#include "op.h"

typedef struct ioc_watch {
    void *object;  /* a native handle: the caller's, or of the process; NULL: the console */
    void *backend; /* the backend's own, NULL at first */
    uint64_t value;
    uint32_t event;
} ioc_watch;

typedef struct ioc_work {
    iocp_work_fn function;
    void *arg;
    uint64_t value; /* what it returned */
    void *backend;  /* the backend's own, NULL at first */
} ioc_work;

_Static_assert(sizeof(ioc_watch) <= IOC_PARAMETER_BYTES, "its parameters fit");
_Static_assert(sizeof(ioc_work) <= IOC_PARAMETER_BYTES, "its parameters fit");

static inline ioc_watch *ioc_watch_of(const ioc_op *op)
{
    return ioc_op_parameters(op);
}

static inline ioc_work *ioc_work_of(const ioc_op *op)
{
    return ioc_op_parameters(op);
}

#endif
