/*
 * Processes: their exit codes, and the messages of job objects.
 *
 * A job sends its messages to the port as packets that carry a completion key, a message number in
 * place of the byte count and a process id in place of the OVERLAPPED. There may be several of them
 * in one batch, and they may come when the watch has ended: some systems cannot take the
 * association back. So the key is a number that was never used before, odd so that it is no
 * pointer; a packet whose number names no watch is dropped. Messages that come while the watch is
 * not waiting are kept for its next start.
 */
#ifndef IOC_PROCESS_H
#define IOC_PROCESS_H

#include "overlapped.h"

/* The end of PROCESS_WAIT: fetch the exit code. An ioc_complete_fn. */
void ioc_process_exited(ioc_port *port, ioc_op *op);

typedef struct ioc_job ioc_job;

/* All watches of a port, in the order of their keys. */
typedef struct ioc_jobs {
    ioc_job **list;
    size_t count;
    size_t capacity;
    ULONG_PTR last_key;
} ioc_jobs;

void ioc_jobs_init(ioc_jobs *jobs, const ioc_port *port);
void ioc_jobs_deinit(ioc_jobs *jobs, ioc_alloc *alloc);

/* JOB_WATCH. See ioc_backend.start, cancel and release. */
ioc_start ioc_job_start(ioc_port *port, ioc_op *op);
int ioc_job_cancel(ioc_port *port, ioc_op *op, bool *is_back);
void ioc_job_release(ioc_port *port, ioc_op *op);

/* Whether a completion key is that of a job's watch, of whatever time. */
static inline bool ioc_job_is_key(ULONG_PTR key)
{
    return (key & 1) != 0;
}

/*
 * A packet with such a key. The operation that it ends, if it ends one; *is_known tells whether the
 * watch is one of today's.
 */
ioc_op *ioc_job_take_packet(ioc_port *port, const OVERLAPPED_ENTRY *entry, bool *is_known);

#endif
