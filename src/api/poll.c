#include "poll.h"

#include "api.h"

static bool poll__are_events(uint32_t events)
{
    return (events & ~IOC_POLL_EVENTS) == 0;
}

int IOCP_CALL iocp_poll(iocp_loop_t *loop, uintptr_t socket, uint32_t events,
                        iocp_callback_t callback, void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    int status =
        ioc_api_begin(loop, IOCP_TYPE_POLL, poll__are_events(events), callback, userdata, &op);
    if (status != IOCP_OK) {
        return status;
    }
    status = ioc_poll_init(&loop->loop_only.ops, op, socket, events);
    return ioc_api_end(loop, op, status, id);
}

int IOCP_CALL iocp_poll_set(iocp_loop_t *loop, iocp_op_t id, uint32_t events)
{
    ioc_op *op = NULL;
    int status = ioc_api_find_op(loop, id, poll__are_events(events), &op);
    if (status != IOCP_OK) {
        return status;
    }
    return ioc_api_return(loop, ioc_poll_set(&loop->loop_only.ops, op, events));
}
