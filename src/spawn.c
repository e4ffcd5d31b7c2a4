#include "spawn.h"

void ioc_spawn_start(ioc_ops *ops, ioc_op *op)
{
    ioc_spawn *spawn = ioc_spawn_of(op);
    spawn->handle = ioc_handle_new(ops, IOCP_HANDLE_PROCESS);
    if (spawn->handle != NULL) {
        ioc_op_start_in_kernel(ops, op);
    } else {
        ioc_op_finish(ops, op, IOCP_ENOMEM);
    }
}

void ioc_spawn_tell(const ioc_op *op, iocp_result_t *result)
{
    const ioc_handle *process = ioc_spawn_of(op)->handle;
    result->opened = ioc_handle_id(process);
    result->value = process->process_id;
}

/* The process belongs to the program now, or there is none. A rearmed spawn starts another one. */
void ioc_spawn_ended(ioc_ops *ops, ioc_op *op)
{
    ioc_spawn *spawn = ioc_spawn_of(op);
    ioc_handle_arrive(ops, spawn->handle, op->outcome.status == IOCP_OK);
    spawn->handle = NULL;
}
