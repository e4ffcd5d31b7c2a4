/*
 * SENDFILE: part of a file, with something before and behind it. The system takes so much at once, so
 * the backend sends it in portions; what each has is reckoned here.
 *
 * How much the file has is asked once for each run, when it is queued. So what is queued to go out on
 * the socket is known, the system is never asked for bytes behind the end, for which it has no answer
 * that is documented, and a file that is shorter than what was asked for gets no tail.
 */
#ifndef IOC_SENDFILE_H
#define IOC_SENDFILE_H

#include "transfer.h"

#define IOC_SENDFILE_ALL UINT64_MAX

/* The longest head and tail together: with a portion of a file they are less than 2^31 bytes. */
#define IOC_SENDFILE_AROUND_MAX (UINT32_C(1) << 30)

/* In op->block. */
typedef struct ioc_sendfile {
    ioc_use file; /* first */
    uint64_t offset;
    uint64_t bytes; /* that were asked for, or IOC_SENDFILE_ALL */
    iocp_buf_t head;
    iocp_buf_t tail; /* of no bytes where there is none */

    /* Of the run. */
    ioc_outcome asked;  /* what became of the question how much the file has */
    uint64_t available; /* of what was asked for, from `offset` on */
    uint64_t sent;      /* by all portions so far, the head too */
} ioc_sendfile;

/* What is sent next. */
typedef struct ioc_portion {
    iocp_buf_t head; /* of no bytes where it has none, as the tail */
    iocp_buf_t tail;
    uint64_t offset; /* in the file */
    uint32_t bytes;  /* of the file; 0: head and tail alone */
    uint32_t total;  /* with head and tail */
} ioc_portion;

static inline ioc_sendfile *ioc_sendfile_of(const ioc_op *op)
{
    return op->block;
}

/* Before it is queued. Head and tail may be NULL. IOCP_ENOMEM. */
int ioc_sendfile_set(ioc_ops *ops, ioc_op *op, ioc_handle *file, const iocp_buf_t *head,
                     const iocp_buf_t *tail);

/* The next portion, with at most so many bytes of the file; whether there is none. */
ioc_portion ioc_sendfile_next(const ioc_sendfile *sendfile, uint32_t most_bytes);
bool ioc_sendfile_is_done(const ioc_sendfile *sendfile);

/* Slots of ioc_kind. */
void ioc_sendfile_queued(ioc_ops *ops, ioc_op *op);
void ioc_sendfile_start(ioc_ops *ops, ioc_op *op);
void ioc_sendfile_settle(ioc_op *op);
void ioc_sendfile_ended(ioc_ops *ops, ioc_op *op);

#endif
