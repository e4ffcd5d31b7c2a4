#include "spawn.h"

void ioc_spawn_tell(const ioc_op *op, iocp_result_t *result)
{
    ioc_opening_tell(op, result);
    result->value = ioc_opening_of(op)->handle->process_id;
}

/* Also one that was never started has ended, and has its ends no more. */
void ioc_spawn_ended(ioc_ops *ops, ioc_op *op)
{
    ioc_opening_ended(ops, op);
    ops->backend->spawn_ended(ops->port, op);
}
