#include "poll.h"

int ioc_poll_init(ioc_ops *ops, ioc_op *op, uintptr_t socket, uint32_t events)
{
    int status = ioc_op_take_block(ops, op, sizeof(ioc_poll));
    if (status == IOCP_OK) {
        *ioc_poll_of(op) = (ioc_poll){.socket = socket, .events = events};
    }
    return status;
}

static int poll__revise(ioc_ops *ops, ioc_op *op, uint32_t events)
{
    ioc_poll *poll = ioc_poll_of(op);
    uint32_t events_before = poll->events;
    poll->events = events;
    int status = ioc_op_revise(ops, op);
    if (status != IOCP_OK) {
        poll->events = events_before;
    }
    return status;
}

int ioc_poll_set(ioc_ops *ops, ioc_op *op, uint32_t events)
{
    if ((op->kind->traits & IOC_KIND_EVENTS) == 0) {
        return IOCP_EINVAL;
    }
    switch (ioc_op_phase(op)) {
    case IOC_PHASE_QUEUED:
    case IOC_PHASE_DELIVERING:
        ioc_poll_of(op)->events = events;
        return IOCP_OK;
    case IOC_PHASE_KERNEL:
        return poll__revise(ops, op, events);
    case IOC_PHASE_READY:
        return IOCP_EBUSY;
    case IOC_PHASE_TIMED:
    case IOC_PHASE_PARKED:
        break;
    }
    IOC_ASSERT(false && "a poll is never there");
    return IOCP_EINVAL;
}

void ioc_poll_tell(const ioc_op *op, iocp_result_t *result)
{
    result->event = ioc_poll_of(op)->told;
}
