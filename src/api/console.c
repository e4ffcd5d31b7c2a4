#include "api.h"

int IOCP_CALL iocp_console_watch(iocp_loop_t *loop, iocp_callback_t callback, void *userdata,
                                 iocp_op_t *id)
{
    ioc_op *op = NULL;
    int status = ioc_api_begin(loop, IOCP_TYPE_CONSOLE_WATCH, true, callback, userdata, &op);
    return status == IOCP_OK ? ioc_api_end(loop, op, IOCP_OK, id) : status;
}
