#include "timeout.h"

/* When a rearmed timer is due: its last due time plus a whole number of periods, after now. */
static uint64_t timeout__next_due(uint64_t last_due_ns, uint64_t period_ns, uint64_t now_ns)
{
    IOC_ASSERT(now_ns >= last_due_ns);
    uint64_t late_ns = period_ns > 0 ? (now_ns - last_due_ns) % period_ns : 0;
    return ioc_add_saturated(now_ns - late_ns, period_ns);
}

void ioc_timeout_start(ioc_ops *ops, ioc_op *op)
{
    ioc_timeout *timeout = ioc_timeout_of(op);
    uint64_t now_ns = ioc_ops_now(ops);
    /* It has a due time if it has been set before; that it came is its outcome. */
    bool is_repeating = op->timer.due_ns != 0 && op->outcome.status == IOCP_OK && !op->is_reset;
    uint64_t due_ns = is_repeating ? timeout__next_due(op->timer.due_ns, timeout->delay_ns, now_ns)
                                   : ioc_add_saturated(now_ns, timeout->delay_ns);
    op->is_reset = false;
    int status = ioc_op_wait_until(ops, op, due_ns);
    if (status != IOCP_OK) {
        ioc_op_finish(ops, op, status);
    } else if (timeout->delay_ns == IOC_FOREVER) {
        ioc_op_set_dormant(ops, op, true);
    }
}

int ioc_timeout_reset(ioc_ops *ops, ioc_op *op, uint64_t delay_ns)
{
    if ((op->kind->traits & IOC_KIND_FIRES) == 0) {
        return IOCP_EINVAL;
    }
    switch (ioc_op_phase(op)) {
    case IOC_PHASE_TIMED:
        ioc_op_queue_again(ops, op);
        ioc_op_set_dormant(ops, op, delay_ns == IOC_FOREVER);
        break;
    case IOC_PHASE_QUEUED:
        ioc_op_set_dormant(ops, op, delay_ns == IOC_FOREVER);
        break;
    case IOC_PHASE_DELIVERING:
        break;
    case IOC_PHASE_READY:
        return IOCP_EBUSY;
    case IOC_PHASE_KERNEL:
    case IOC_PHASE_PARKED:
        IOC_ASSERT(false && "a timer is never there");
        return IOCP_EINVAL;
    }
    op->is_reset = true;
    ioc_timeout_of(op)->delay_ns = delay_ns;
    return IOCP_OK;
}
