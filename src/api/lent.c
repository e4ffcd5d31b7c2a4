#include "lent.h"

#include "api.h"

/* ---- Pools ---- */

int IOCP_CALL iocp_buffers_create(iocp_loop_t *loop, size_t count, size_t size,
                                  iocp_buffers_t **pool)
{
    int status = ioc_api_check_open(loop, pool != NULL && ioc_buffers_is_size(count, size));
    return status == IOCP_OK ? ioc_lent_create_pool(&loop->loop_only.ops, &loop->shared.alloc, loop,
                                                    count, size, pool)
                             : status;
}

static int lent__check(const iocp_buffers_t *pool, bool is_valid)
{
    return pool != NULL ? ioc_api_check(pool->loop, is_valid) : IOCP_EINVAL;
}

int IOCP_CALL iocp_buffers_destroy(iocp_buffers_t *pool)
{
    int status = lent__check(pool, pool != NULL && !pool->is_destroyed);
    if (status == IOCP_OK) {
        ioc_lent_destroy_pool(&pool->loop->loop_only.ops, pool);
    }
    return status;
}

int IOCP_CALL iocp_buffers_return(iocp_buffers_t *pool, void *data)
{
    int status = lent__check(pool, true);
    return status == IOCP_OK ? ioc_lent_return(&pool->loop->loop_only.ops, pool, data) : status;
}

int IOCP_CALL iocp_buffers_lent(const iocp_buffers_t *pool, size_t *lent, size_t *waiting)
{
    int status = lent__check(pool, lent != NULL && waiting != NULL);
    if (status == IOCP_OK) {
        *lent = pool->lent;
        *waiting = ioc_lent_waiting(pool);
    }
    return status;
}

/* ---- The receive ---- */

int IOCP_CALL iocp_recv_lent(iocp_loop_t *loop, iocp_handle_t handle, iocp_buffers_t *pool,
                             iocp_callback_t callback, void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    bool is_valid = pool != NULL && pool->loop == loop && !pool->is_destroyed;
    int status =
        ioc_api_begin_on(loop, handle, IOCP_TYPE_RECV_LENT, is_valid, callback, userdata, &op);
    if (status != IOCP_OK) {
        return status;
    }
    return ioc_api_end(loop, op, ioc_lent_set(&loop->loop_only.ops, op, pool), id);
}
