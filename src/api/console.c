#include "api.h"

int IOCP_CALL iocp_console_watch(iocp_loop_t *loop, iocp_callback_t callback, void *userdata,
                                 iocp_op_t *id)
{
    ioc_op *op = NULL;
    int status = ioc_api_begin(loop, IOCP_TYPE_CONSOLE_WATCH, true, callback, userdata, &op);
    return status == IOCP_OK ? ioc_api_end(loop, op, IOCP_OK, id) : status;
}

int IOCP_CALL iocp_console_resize(iocp_loop_t *loop, iocp_handle_t process, uint32_t columns,
                                  uint32_t rows)
{
    ioc_handle *handle = NULL;
    int status = ioc_api_find_handle(loop, process, IOC_ON(IOCP_HANDLE_PROCESS),
                                     ioc_api_is_console_size(columns, rows), &handle);
    return status == IOCP_OK ? IOC_API_ASK(loop, console_resize, handle, columns, rows) : status;
}

/* What is still at work on it when it closes is waited for by an operation of the library's own. */
int IOCP_CALL iocp_stdio_open(iocp_loop_t *loop, iocp_stdio_t which, iocp_handle_t *id)
{
    ioc_handle *handle = NULL;
    bool is_valid = which == IOCP_STDIN || which == IOCP_STDOUT || which == IOCP_STDERR;
    int status = ioc_api_begin_open(loop, is_valid, id, &handle);
    if (status != IOCP_OK) {
        return status;
    }
    ioc_ops *ops = &loop->loop_only.ops;
    ioc_op *end = ioc_op_new(ops, (iocp_type_t)IOC_TYPE_STDIO_END, NULL, NULL);
    status = end != NULL ? IOC_API_ASK(loop, stdio_open, handle, which) : IOCP_ENOMEM;
    if (status == IOCP_OK) {
        ioc_handle_enter(handle, end);
        ioc_op_queue(ops, end, NULL);
        ioc_op_set_referenced(ops, end, false);
    } else if (end != NULL) {
        ioc_op_free(ops, end);
    }
    return ioc_api_end_open(loop, handle, status, id);
}
