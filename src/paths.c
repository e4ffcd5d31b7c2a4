#include "paths.h"

int ioc_paths_set(ioc_ops *ops, ioc_op *op, uint32_t flags)
{
    int status = ioc_op_take_block(ops, op, sizeof(ioc_paths));
    if (status == IOCP_OK) {
        *ioc_paths_of(op) = (ioc_paths){.flags = flags};
    }
    return status;
}

void ioc_paths_tell_info(const ioc_op *op, iocp_result_t *result)
{
    result->info = &ioc_paths_of(op)->info;
}

void ioc_paths_tell_opened(const ioc_op *op, iocp_result_t *result)
{
    ioc_opening_tell(op, result);
    ioc_paths_tell_info(op, result);
}
