#include "timeout.h"

#include "api.h"

int IOCP_CALL iocp_timer(iocp_loop_t *loop, uint64_t delay_ns, iocp_callback_t callback,
                         void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    int status = ioc_api_begin(loop, IOCP_TYPE_TIMER, true, callback, userdata, &op);
    if (status != IOCP_OK) {
        return status;
    }
    ioc_timeout_of(op)->delay_ns = delay_ns;
    status = ioc_api_end(loop, op, IOCP_OK, id);
    if (delay_ns == IOC_FOREVER) {
        ioc_op_set_dormant(&loop->loop_only.ops, op, true);
    }
    return status;
}

int IOCP_CALL iocp_timer_reset(iocp_loop_t *loop, iocp_op_t id, uint64_t delay_ns)
{
    ioc_op *op = NULL;
    int status = ioc_api_find_op(loop, id, true, &op);
    return status == IOCP_OK ? ioc_timeout_reset(&loop->loop_only.ops, op, delay_ns) : status;
}
