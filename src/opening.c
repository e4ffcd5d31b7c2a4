#include "opening.h"

ioc_start ioc_opening_try(ioc_ops *ops, ioc_op *op)
{
    ioc_opening *opening = ioc_opening_of(op);
    if (opening->handle == NULL) {
        opening->handle = ioc_handle_new(ops, op->kind->opens);
    }
    if (opening->handle == NULL) {
        op->outcome = (ioc_outcome){.status = IOCP_ENOMEM};
        return IOC_START_FAILED;
    }
    return ioc_op_try_in_kernel(ops, op);
}

void ioc_opening_start(ioc_ops *ops, ioc_op *op)
{
    if (ioc_opening_try(ops, op) != IOC_START_PENDING) {
        ioc_op_finish_inline(ops, op);
    }
}

void ioc_opening_tell(const ioc_op *op, iocp_result_t *result)
{
    result->opened = ioc_handle_id(ioc_opening_of(op)->handle);
}

void ioc_opening_ended(ioc_ops *ops, ioc_op *op)
{
    ioc_opening *opening = ioc_opening_of(op);
    ioc_handle *handle = opening->handle;
    opening->handle = NULL;
    if (handle != NULL && op->outcome.status == IOCP_OK) {
        handle->is_open = true;
        handle->opened_ns = ops->now_ns;
        handle->used_ns = ops->now_ns;
    } else if (handle != NULL) {
        ioc_handle_free(ops, handle);
    }
}
