#include "post.h"

#include "api.h"

int IOCP_CALL iocp_async_create(iocp_loop_t *loop, iocp_async_t **async)
{
    int status = ioc_api_check_open(loop, async != NULL);
    return status == IOCP_OK ? ioc_async_create(&loop->shared.inbox, async) : status;
}

int IOCP_CALL iocp_async_destroy(iocp_async_t *async)
{
    int status =
        async != NULL ? ioc_api_check(ioc_async_inbox(async)->shared.loop, true) : IOCP_EINVAL;
    if (status == IOCP_OK) {
        ioc_async_destroy(async);
    }
    return status;
}

int IOCP_CALL iocp_async_notify(iocp_async_t *async)
{
    return async != NULL ? ioc_async_notify(async) : IOCP_EINVAL;
}

int IOCP_CALL iocp_async_wait(iocp_loop_t *loop, iocp_async_t *async, iocp_callback_t callback,
                              void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    bool is_valid = loop != NULL && async != NULL && ioc_async_inbox(async) == &loop->shared.inbox;
    int status = ioc_api_begin(loop, IOCP_TYPE_ASYNC_WAIT, is_valid, callback, userdata, &op);
    if (status != IOCP_OK) {
        return status;
    }
    ioc_async_enter(async, op);
    return ioc_api_end(loop, op, IOCP_OK, id);
}

int IOCP_CALL iocp_post(iocp_loop_t *loop, iocp_post_fn function, void *arg)
{
    if (loop == NULL || function == NULL) {
        return IOCP_EINVAL;
    }
    return ioc_inbox_post(&loop->shared.inbox, function, arg);
}
