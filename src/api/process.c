#include "api.h"

int IOCP_CALL iocp_process_adopt(iocp_loop_t *loop, void *native, iocp_handle_t *id)
{
    ioc_handle *handle = NULL;
    int status = ioc_api_begin_open(loop, native != NULL, id, &handle);
    if (status != IOCP_OK) {
        return status;
    }
    status = IOC_API_ASK(loop, process_adopt, handle, native);
    return ioc_api_end_open(loop, handle, status, id);
}

int IOCP_CALL iocp_process_wait(iocp_loop_t *loop, iocp_handle_t process, iocp_callback_t callback,
                                void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    int status =
        ioc_api_begin_on(loop, process, IOCP_TYPE_PROCESS_WAIT, true, callback, userdata, &op);
    return status == IOCP_OK ? ioc_api_end(loop, op, IOCP_OK, id) : status;
}

int IOCP_CALL iocp_process_get_id(const iocp_loop_t *loop, iocp_handle_t process,
                                  uint32_t *process_id)
{
    ioc_handle *handle = NULL;
    int status = ioc_api_find_handle(ioc_api_mutable(loop), process, IOC_ON(IOCP_HANDLE_PROCESS),
                                     process_id != NULL, &handle);
    if (status == IOCP_OK) {
        *process_id = handle->process_id;
    }
    return status;
}
