#include "cancel.h"

static int cancel__in_kernel(ioc_ops *ops, ioc_op *op, int reason)
{
    int earlier_reason = op->intent;
    bool is_back = false;
    if (earlier_reason == 0) {
        op->intent = reason;
    }
    int status = ops->backend->cancel(ops->port, op, &is_back);
    if (status != IOCP_OK) {
        op->intent = earlier_reason;
    } else if (is_back) {
        ioc_op_finish_from_backend(ops, op);
    }
    return status;
}

int ioc_cancel_op(ioc_ops *ops, ioc_op *op, int reason)
{
    if (op == NULL) {
        return IOCP_ENOENT;
    }
    if (op->type == IOCP_TYPE_CLOSE) {
        return IOCP_ENOTSUP;
    }
    switch (op->phase) {
    case IOC_PHASE_QUEUED:
    case IOC_PHASE_TIMED:
    case IOC_PHASE_PARKED:
        op->intent = reason;
        ioc_op_finish(ops, op, reason);
        return IOCP_OK;
    case IOC_PHASE_KERNEL:
        return cancel__in_kernel(ops, op, reason);
    case IOC_PHASE_READY:
    case IOC_PHASE_DELIVERING:
        return IOCP_ENOENT;
    }
    return IOCP_ENOENT;
}

/*
 * Cancel for good: the handle or the loop is closing, so the kernel object may go, too. False: the
 * kernel refuses, and there is none.
 */
static bool cancel__or_close(ioc_ops *ops, ioc_op *op)
{
    if (ioc_cancel_op(ops, op, IOCP_ECANCELED) == IOCP_OK || op->phase != IOC_PHASE_KERNEL) {
        return true;
    }
    if (op->intent == 0) {
        op->intent = IOCP_ECANCELED;
    }
    if (op->handle != NULL && op->handle->is_open) {
        op->handle->is_open = false;
        ops->backend->handle_close(ops->port, op->handle);
    }
    return op->handle != NULL;
}

void ioc_cancel_handle(ioc_ops *ops, ioc_handle *handle)
{
    ioc_link *end = &handle->operations.ends;
    for (ioc_link *link = end->next; link != end; link = link->next) {
        (void)cancel__or_close(ops, IOC_CONTAINER_OF(link, ioc_op, sibling));
    }
}

bool ioc_cancel_all(ioc_ops *ops)
{
    bool is_all_asked = true;
    uint32_t cursor = 0;
    for (ioc_op *op; (op = ioc_slab_next(&ops->slab, &cursor)) != NULL;) {
        is_all_asked = cancel__or_close(ops, op) && is_all_asked;
    }
    return is_all_asked;
}

static void cancel__run_close(ioc_ops *ops, ioc_handles *handles, ioc_op *op)
{
    ioc_op_park(op, NULL);
    ioc_cancel_handle(ops, op->handle);
    ioc_handle_settle(handles, op->handle);
}

static void cancel__run_cancel(ioc_ops *ops, ioc_op *op)
{
    ops->port->native_error = 0;
    int status = ioc_cancel_op(ops, ioc_op_find(ops, op->as.cancel.target), IOCP_ECANCELED);
    if (op->phase != IOC_PHASE_QUEUED) {
        return; /* it named itself */
    }
    ioc_op_finish(ops, op, status);
    op->outcome.native_error = ops->port->native_error;
}

void ioc_cancel_run_queued(ioc_ops *ops, ioc_handles *handles)
{
    for (ioc_link *link; (link = ioc_list_first(&ops->cancels)) != NULL;) {
        ioc_op *op = IOC_CONTAINER_OF(link, ioc_op, link);
        ops->counters.starts++;
        if (op->type == IOCP_TYPE_CLOSE) {
            cancel__run_close(ops, handles, op);
        } else {
            cancel__run_cancel(ops, op);
        }
    }
}

void ioc_cancel_run_deadlines(ioc_ops *ops)
{
    if (ioc_heap_count(&ops->deadlines) == 0) {
        return;
    }
    uint64_t now_ns = ioc_ops_now(ops);
    for (ioc_timer *timer; (timer = ioc_heap_pop_due(&ops->deadlines, now_ns)) != NULL;) {
        ioc_op *op = IOC_CONTAINER_OF(timer, ioc_op, deadline);
        if (ioc_cancel_op(ops, op, IOCP_ETIMEDOUT) != IOCP_OK && op->phase == IOC_PHASE_KERNEL) {
            /* The kernel refused. Ask again; the heap has room for what it has just given out. */
            (void)ioc_heap_set(&ops->deadlines, timer, now_ns + IOC_NS_PER_MS);
        }
    }
}
