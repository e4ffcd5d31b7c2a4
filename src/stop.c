#include "stop.h"

/* The time first: without memory for it nobody is asked. */
void ioc_stop_start(ioc_ops *ops, ioc_op *op)
{
    uint64_t grace_ns = ioc_stop_of(op)->grace_ns;
    bool has_grace = grace_ns != 0 && grace_ns != IOC_FOREVER;
    int status = has_grace ? ioc_op_set_pause(ops, op, grace_ns) : IOCP_OK;
    if (status == IOCP_OK) {
        ioc_op_start_in_kernel(ops, op);
    } else {
        ioc_op_finish(ops, op, status);
    }
}
