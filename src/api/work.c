#include "api.h"
#include "watch.h"

int IOCP_CALL iocp_work(iocp_loop_t *loop, iocp_work_fn function, void *arg,
                        iocp_callback_t callback, void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    int status = ioc_api_begin(loop, IOCP_TYPE_WORK, function != NULL, callback, userdata, &op);
    if (status != IOCP_OK) {
        return status;
    }
    ioc_work_of(op)->function = function;
    ioc_work_of(op)->arg = arg;
    return ioc_api_end(loop, op, IOCP_OK, id);
}
