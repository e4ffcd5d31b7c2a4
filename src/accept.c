#include "accept.h"

static bool accept__is_want(int status)
{
    return status == IOCP_EMFILE || status == IOCP_ENOBUFS || status == IOCP_ENOMEM;
}

/* Twice as long as the last time. */
static void accept__pause(ioc_ops *ops, ioc_op *op)
{
    ioc_accept *accept = ioc_accept_of(op);
    uint32_t longer_ns = 2 * accept->pause_ns;
    accept->pause_ns = longer_ns == 0                        ? IOC_ACCEPT_PAUSE_NS
                       : longer_ns < IOC_ACCEPT_PAUSE_MAX_NS ? longer_ns
                                                             : IOC_ACCEPT_PAUSE_MAX_NS;
    int status = ioc_op_wait_until(ops, op, ioc_ops_now(ops) + accept->pause_ns);
    if (status != IOCP_OK) {
        ioc_op_finish(ops, op, status);
    }
}

/* False: it is still queued, with its outcome. */
static bool accept__try(ioc_ops *ops, ioc_op *op)
{
    ioc_accept *accept = ioc_accept_of(op);
    if (accept->handle == NULL) {
        accept->handle = ioc_handle_new(ops, op->handle->kind);
    }
    if (accept->handle == NULL) {
        op->outcome = (ioc_outcome){.status = IOCP_ENOMEM};
        return false;
    }
    return ioc_op_try_in_kernel(ops, op) == IOC_START_PENDING;
}

void ioc_accept_start(ioc_ops *ops, ioc_op *op)
{
    ioc_accept *accept = ioc_accept_of(op);
    bool was_told = accept->pause_ns > 0 || accept__is_want(op->outcome.status);
    if (was_told && accept->pause_ns == 0) {
        accept__pause(ops, op);
    } else if (accept__try(ops, op)) {
        accept->pause_ns = 0;
    } else if (was_told && accept__is_want(op->outcome.status)) {
        accept__pause(ops, op);
    } else {
        accept->pause_ns = 0;
        ioc_op_finish_inline(ops, op);
    }
}

void ioc_accept_tell(const ioc_op *op, iocp_result_t *result)
{
    const ioc_accept *accept = ioc_accept_of(op);
    result->opened = ioc_handle_id(accept->handle);
    result->address = accept->address;
    result->address_length = accept->address_length;
}

/* The connection belongs to the program now, or there is none. A rearmed accept gets a new one. */
void ioc_accept_ended(ioc_ops *ops, ioc_op *op)
{
    ioc_accept *accept = ioc_accept_of(op);
    ioc_handle_arrive(ops, accept->handle, op->outcome.status == IOCP_OK);
    accept->handle = NULL;
}
