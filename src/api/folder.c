#include "folder.h"

#include "api.h"

/* ---- Changes ---- */

static bool watch__is_flags(uint32_t flags)
{
    const uint32_t all = IOCP_WATCH_TREE | IOC_WATCH_USUAL | IOCP_WATCH_ATTRIBUTES;
    return (flags & ~all) == 0;
}

int IOCP_CALL iocp_folder_watch(iocp_loop_t *loop, iocp_handle_t folder, uint32_t flags,
                                iocp_callback_t callback, void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    int status = ioc_api_begin_on(loop, folder, IOCP_TYPE_FOLDER_WATCH, watch__is_flags(flags),
                                  callback, userdata, &op);
    if (status != IOCP_OK) {
        return status;
    }
    status = ioc_folder_set_watch(&loop->loop_only.ops, &loop->shared.alloc, op, flags);
    return ioc_api_end(loop, op, status, id);
}

/* ---- Names ---- */

int IOCP_CALL iocp_folder_list(iocp_loop_t *loop, iocp_handle_t folder, iocp_callback_t callback,
                               void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    int status =
        ioc_api_begin_on(loop, folder, IOCP_TYPE_FOLDER_LIST, true, callback, userdata, &op);
    if (status != IOCP_OK) {
        return status;
    }
    status = ioc_folder_set_list(&loop->loop_only.ops, &loop->shared.alloc, op);
    return ioc_api_end(loop, op, status, id);
}
