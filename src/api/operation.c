#include "api.h"
#include "transfer.h"

int IOCP_CALL iocp_nop(iocp_loop_t *loop, iocp_callback_t callback, void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    int status = ioc_api_begin(loop, IOCP_TYPE_NOP, true, callback, userdata, &op);
    return status == IOCP_OK ? ioc_api_end(loop, op, IOCP_OK, id) : status;
}

static int operation__cancel_untold(iocp_loop_t *loop, iocp_op_t target)
{
    int status = ioc_api_check_open(loop, true);
    if (status == IOCP_OK) {
        ioc_cancel_note(&loop->loop_only.ops, target);
    }
    return status;
}

int IOCP_CALL iocp_cancel(iocp_loop_t *loop, iocp_op_t target, iocp_callback_t callback,
                          void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    if (callback == NULL && id == NULL) {
        return operation__cancel_untold(loop, target);
    }
    int status = ioc_api_begin(loop, IOCP_TYPE_CANCEL, true, callback, userdata, &op);
    if (status != IOCP_OK) {
        return status;
    }
    ioc_cancel_of(op)->target = target;
    return ioc_api_end(loop, op, IOCP_OK, id);
}

int IOCP_CALL iocp_op_deadline(iocp_loop_t *loop, iocp_op_t id, uint64_t delay_ns)
{
    ioc_op *op = NULL;
    int status = ioc_api_find_op(loop, id, true, &op);
    return status == IOCP_OK ? ioc_op_set_deadline(&loop->loop_only.ops, op, delay_ns) : status;
}

static int operation__set_referenced(iocp_loop_t *loop, iocp_op_t id, bool referenced)
{
    ioc_op *op = NULL;
    int status = ioc_api_find_op(loop, id, true, &op);
    if (status == IOCP_OK) {
        ioc_op_set_referenced(&loop->loop_only.ops, op, referenced);
    }
    return status;
}

int IOCP_CALL iocp_op_unref(iocp_loop_t *loop, iocp_op_t id)
{
    return operation__set_referenced(loop, id, false);
}

int IOCP_CALL iocp_op_ref(iocp_loop_t *loop, iocp_op_t id)
{
    return operation__set_referenced(loop, id, true);
}

int IOCP_CALL iocp_op_state(iocp_loop_t *loop, iocp_op_t id)
{
    ioc_op *op = NULL;
    int status = ioc_api_find_op(loop, id, true, &op);
    if (status == IOCP_ENOENT) {
        return IOCP_OP_DEAD;
    }
    return status == IOCP_OK ? (int)ioc_op_state(op) : status;
}

int IOCP_CALL iocp_op_set_buffer(iocp_loop_t *loop, iocp_op_t id, void *data, size_t size)
{
    ioc_op *op = NULL;
    bool is_valid = size <= UINT32_MAX && (data != NULL || size == 0);
    int status = ioc_api_find_op(loop, id, is_valid, &op);
    if (status != IOCP_OK) {
        return status;
    }
    if ((op->kind->traits & IOC_KIND_MEMORY) == 0) {
        return IOCP_ENOTSUP;
    }
    if (op->phase != IOC_PHASE_DELIVERING) {
        return IOCP_EBUSY;
    }
    ioc_transfer_replace(op, data, (uint32_t)size);
    return IOCP_OK;
}
