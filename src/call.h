/*
 * OVERLAPPED: a call of the program's own, which a function of its makes each time that the operation is
 * started. What the call does, the core does not know.
 */
#ifndef IOC_CALL_H
#define IOC_CALL_H

#include "op.h"

typedef struct ioc_call {
    iocp_start_fn start;
    void *arg;
} ioc_call;

_Static_assert(sizeof(ioc_call) <= IOC_PARAMETER_BYTES, "its parameters fit");

static inline ioc_call *ioc_call_of(const ioc_op *op)
{
    return ioc_op_parameters(op);
}

#endif
