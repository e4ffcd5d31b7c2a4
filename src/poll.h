/*
 * POLL: the readiness of a socket that is not the loop's. The level is looked at anew each time that
 * it is started; what it waits for may become something else at any time.
 */
#ifndef IOC_POLL_H
#define IOC_POLL_H

#include "op.h"

#define IOC_POLL_EVENTS                                                                    \
    ((uint32_t)(IOCP_POLL_READ | IOCP_POLL_WRITE | IOCP_POLL_PRIORITY | IOCP_POLL_HANGUP | \
                IOCP_POLL_ERROR))

/* In op->block. */
typedef struct ioc_poll {
    uintptr_t socket;
    uint32_t events; /* that it is to wait for */
    uint32_t told;   /* the answer, set by the backend: none but these, and the error */
    uint32_t asked;  /* the backend's own, as what follows */
    bool is_ending;
    bool is_outdated; /* aborted, since it is to wait for others */
    void *backend;    /* NULL at first */
    uintptr_t base;
    uint64_t system[4];
} ioc_poll;

static inline ioc_poll *ioc_poll_of(const ioc_op *op)
{
    return op->block;
}

/* Before it is queued. IOCP_ENOMEM. */
int ioc_poll_init(ioc_ops *ops, ioc_op *op, uintptr_t socket, uint32_t events);

/* IOCP_EBUSY: its callback is due. IOCP_EINVAL: not a poll. Or what the system says. */
int ioc_poll_set(ioc_ops *ops, ioc_op *op, uint32_t events);

/* A slot of ioc_kind. */
void ioc_poll_tell(const ioc_op *op, iocp_result_t *result);

#endif
