/*
 * TIMER: an operation whose end is a time.
 *
 * Delays count from the start, at one reading of the clock in the turn, so a timer is never early
 * however old the cached time was. One that is rearmed counts from its last due time, without
 * drift, and skips the times that have passed. One without an end (UINT64_MAX) is dormant: it
 * waits to be reset or cancelled, and does not keep the loop running.
 *
 * A reset queues it again: so its delay counts from the next start, as that of a new timer does, and
 * the call reads no clock.
 */
#ifndef IOC_TIMEOUT_H
#define IOC_TIMEOUT_H

#include "op.h"

/* op.is_reset: by its own callback, or while queued: the next time counts from the start. */
typedef struct ioc_timeout {
    uint64_t delay_ns;
} ioc_timeout;

_Static_assert(sizeof(ioc_timeout) <= sizeof(uint64_t), "its parameters fit");

static inline ioc_timeout *ioc_timeout_of(const ioc_op *op)
{
    return ioc_op_small_parameters(op);
}

/* ioc_kind.start */
void ioc_timeout_start(ioc_ops *ops, ioc_op *op);

/* IOCP_EBUSY: its callback is due. IOCP_EINVAL: not a timer. */
int ioc_timeout_reset(ioc_ops *ops, ioc_op *op, uint64_t delay_ns);

#endif
