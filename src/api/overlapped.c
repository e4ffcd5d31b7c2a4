#include "api.h"
#include "call.h"

int IOCP_CALL iocp_overlapped(iocp_loop_t *loop, iocp_handle_t handle, iocp_start_fn start,
                              void *arg, iocp_callback_t callback, void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    int status = ioc_api_begin_on(loop, handle, IOCP_TYPE_OVERLAPPED, start != NULL, callback,
                                  userdata, &op);
    if (status != IOCP_OK) {
        return status;
    }
    ioc_call_of(op)->start = start;
    ioc_call_of(op)->arg = arg;
    return ioc_api_end(loop, op, IOCP_OK, id);
}
