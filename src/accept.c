#include "accept.h"

int ioc_accept_prepare(ioc_ops *ops, ioc_op *op)
{
    int status = ioc_op_take_block(ops, op, IOC_BLOCK_BYTES);
    if (status == IOCP_OK) {
        *ioc_accept_of(op) = (ioc_accept){.pause_ns = 0};
    }
    return status;
}

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

void ioc_accept_start(ioc_ops *ops, ioc_op *op)
{
    ioc_accept *accept = ioc_accept_of(op);
    bool was_told = accept->pause_ns > 0 || accept__is_want(op->outcome.status);
    if (was_told && accept->pause_ns == 0) {
        accept__pause(ops, op);
    } else if (ioc_opening_try(ops, op) == IOC_START_PENDING) {
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
    ioc_opening_tell(op, result);
    result->address = accept->address;
    result->address_length = accept->address_length;
}
