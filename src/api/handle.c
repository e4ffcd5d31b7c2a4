#include "handle.h"

#include "api.h"
#include "transfer.h"

/* Also while the loop is being destroyed: what is closed then is the sooner gone. */
int IOCP_CALL iocp_close(iocp_loop_t *loop, iocp_handle_t id, iocp_callback_t callback,
                         void *userdata, iocp_op_t *op_id)
{
    ioc_handle *handle = NULL;
    int status = ioc_api_find_handle(loop, id, IOC_API_ANY, true, &handle);
    if (status != IOCP_OK) {
        return status;
    }
    ioc_op *op = ioc_op_new(&loop->loop_only.ops, IOCP_TYPE_CLOSE, callback, userdata);
    if (op == NULL) {
        return IOCP_ENOMEM;
    }
    ioc_handle_shut_gate(handle, op);
    ioc_op_queue(&loop->loop_only.ops, op, op_id);
    return IOCP_OK;
}

/*
 * What it is, is asked by the first operation on it: the library's own, of which the program knows
 * nothing. It keeps nothing running by itself.
 */
int IOCP_CALL iocp_handle_adopt(iocp_loop_t *loop, void *native, iocp_handle_t *id)
{
    ioc_handle *handle = NULL;
    bool is_valid = native != NULL && (intptr_t)native != -1; /* INVALID_HANDLE_VALUE */
    int status = ioc_api_begin_open(loop, is_valid, id, &handle);
    if (status != IOCP_OK) {
        return status;
    }
    ioc_ops *ops = &loop->loop_only.ops;
    ioc_op *op = ioc_op_new(ops, (iocp_type_t)0, NULL, NULL);
    status = op != NULL ? IOC_API_ASK(loop, handle_adopt, handle, native) : IOCP_ENOMEM;
    if (status == IOCP_OK) {
        handle->is_unknown = true;
        ioc_handle_enter(handle, op);
        ioc_op_queue(ops, op, NULL);
        ioc_op_set_referenced(ops, op, false);
    } else if (op != NULL) {
        ioc_op_free(ops, op);
    }
    return ioc_api_end_open(loop, handle, status, id);
}

int IOCP_CALL iocp_handle_native(iocp_loop_t *loop, iocp_handle_t id, void **native)
{
    ioc_handle *handle = NULL;
    int status = ioc_api_find_handle(loop, id, IOC_API_ANY, native != NULL, &handle);
    if (status == IOCP_OK) {
        const ioc_ops *ops = &loop->loop_only.ops;
        *native = ops->backend->handle_native(ops->port, handle);
    }
    return status;
}

int IOCP_CALL iocp_handle_kind(const iocp_loop_t *loop, iocp_handle_t id)
{
    ioc_handle *handle = NULL;
    int status = ioc_api_find_handle(ioc_api_mutable(loop), id, IOC_API_ANY, true, &handle);
    return status == IOCP_OK ? (int)ioc_handle_kind(handle) : status;
}

/* Closing or not: the program's data is there until the callback of iocp_close has returned. */
static int handle__find_any(const iocp_loop_t *loop, iocp_handle_t id, bool is_valid,
                            ioc_handle **handle)
{
    int status = ioc_api_check(loop, is_valid);
    if (status != IOCP_OK) {
        return status;
    }
    *handle = ioc_handle_find_closing(&loop->loop_only.ops, id);
    return *handle != NULL ? IOCP_OK : IOCP_EBADF;
}

int IOCP_CALL iocp_handle_set_data(iocp_loop_t *loop, iocp_handle_t id, void *data)
{
    ioc_handle *handle = NULL;
    int status = handle__find_any(loop, id, true, &handle);
    if (status == IOCP_OK) {
        handle->data = data;
    }
    return status;
}

int IOCP_CALL iocp_handle_get_data(const iocp_loop_t *loop, iocp_handle_t id, void **data)
{
    ioc_handle *handle = NULL;
    int status = handle__find_any(loop, id, data != NULL, &handle);
    if (status == IOCP_OK) {
        *data = handle->data;
    }
    return status;
}

int IOCP_CALL iocp_handle_queued(iocp_loop_t *loop, iocp_handle_t id, uint64_t *bytes,
                                 uint64_t *most)
{
    ioc_handle *handle = NULL;
    int status = ioc_api_find_handle(loop, id, IOC_API_ANY, true, &handle);
    if (status != IOCP_OK) {
        return status;
    }
    if (bytes != NULL) {
        *bytes = handle->queued_bytes;
    }
    if (most != NULL) {
        *most = handle->most_queued_bytes;
        handle->most_queued_bytes = handle->queued_bytes;
    }
    return IOCP_OK;
}

int IOCP_CALL iocp_drain(iocp_loop_t *loop, iocp_handle_t handle, uint64_t bytes,
                         iocp_callback_t callback, void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    int status = ioc_api_begin_on(loop, handle, IOCP_TYPE_DRAIN, true, callback, userdata, &op);
    if (status != IOCP_OK) {
        return status;
    }
    ioc_drain_of(op)->bytes = bytes;
    return ioc_api_end(loop, op, IOCP_OK, id);
}
