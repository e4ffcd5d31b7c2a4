#include "api.h"
#include "watch.h"

static int wait__begin(iocp_loop_t *loop, iocp_type_t type, void *object, iocp_callback_t callback,
                       void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    int status = ioc_api_begin(loop, type, object != NULL, callback, userdata, &op);
    if (status != IOCP_OK) {
        return status;
    }
    ioc_watch_of(op)->object = object;
    return ioc_api_end(loop, op, IOCP_OK, id);
}

int IOCP_CALL iocp_wait(iocp_loop_t *loop, void *object, iocp_callback_t callback, void *userdata,
                        iocp_op_t *op)
{
    return wait__begin(loop, IOCP_TYPE_WAIT, object, callback, userdata, op);
}

int IOCP_CALL iocp_job_watch(iocp_loop_t *loop, void *job, iocp_callback_t callback, void *userdata,
                             iocp_op_t *op)
{
    return wait__begin(loop, IOCP_TYPE_JOB_WATCH, job, callback, userdata, op);
}
