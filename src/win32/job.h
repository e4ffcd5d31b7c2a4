/*
 * The messages of job objects.
 *
 * A job sends its messages to the port as packets that carry a completion key, a message number in
 * place of the byte count and a process id in place of the OVERLAPPED. There may be several of them
 * in one batch, and they may come when the watch has ended: some systems cannot take the
 * association back. So the key is a number that was never used before, odd so that it is no
 * pointer; a packet whose number names no watch is dropped. Messages that come while the watch is
 * not waiting are kept for its next start.
 */
#ifndef IOC_JOB_H
#define IOC_JOB_H

#include "overlapped.h"

typedef struct ioc_job ioc_job;

/* All watches of a port, in the order of their keys. */
typedef struct ioc_jobs {
    ioc_part part;
    ioc_source source;
    ioc_job **list;
    size_t count;
    size_t capacity;
    ULONG_PTR last_key;
} ioc_jobs;

void ioc_jobs_attach(ioc_jobs *jobs, ioc_win_port *port);

/* Slots of ioc_win_kind, of JOB_WATCH. */
ioc_start ioc_job_start(ioc_port *port, ioc_op *op);
int ioc_job_cancel(ioc_port *port, ioc_op *op, bool *is_back);
void ioc_job_release(ioc_port *port, ioc_op *op);

#endif
