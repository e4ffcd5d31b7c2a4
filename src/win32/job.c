#include "job.h"

#include "watch.h"

#include <string.h>

/* ---- A job's watch ---- */

typedef struct job_message {
    uint32_t message;
    uint64_t value;
} job_message;

struct ioc_job {
    ULONG_PTR key;
    HANDLE handle; /* our own */
    ioc_op *op;
    bool is_waiting;
    bool has_lost; /* messages, for want of memory */
    job_message *kept;
    size_t first; /* of those kept that were not told yet */
    size_t count;
    size_t capacity;
};

#define JOB_KEPT_AT_FIRST   16
#define JOB_LISTED_AT_FIRST 16

/* The place in the list of the first watch whose key is not below this one. */
static size_t jobs__place(const ioc_jobs *jobs, ULONG_PTR key)
{
    size_t low = 0;
    size_t high = jobs->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (jobs->list[middle]->key < key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Room for one more. False: no memory. */
static bool jobs__reserve(ioc_jobs *jobs, ioc_alloc *alloc)
{
    if (jobs->count < jobs->capacity) {
        return true;
    }
    size_t capacity = jobs->capacity == 0 ? JOB_LISTED_AT_FIRST : 2 * jobs->capacity;
    ioc_job **list = ioc_alloc_take(alloc, capacity * sizeof *list);
    if (list == NULL) {
        return false;
    }
    if (jobs->count > 0) {
        memcpy(list, jobs->list, jobs->count * sizeof *list);
    }
    ioc_alloc_give(alloc, jobs->list);
    jobs->list = list;
    jobs->capacity = capacity;
    return true;
}

static void jobs__close(ioc_win_port *port, ioc_part *part)
{
    ioc_jobs *jobs = IOC_CONTAINER_OF(part, ioc_jobs, part);
    IOC_ASSERT(jobs->count == 0);
    ioc_alloc_give(port->alloc, jobs->list);
}

static ioc_jobs *jobs__of(const ioc_win_port *port)
{
    return IOC_CONTAINER_OF(ioc_port_part(port, jobs__close), ioc_jobs, part);
}

/* ---- Messages that are kept ---- */

static bool job__make_room(ioc_job *job, ioc_alloc *alloc)
{
    if (job->count < job->capacity) {
        return true;
    }
    size_t capacity = job->capacity == 0 ? JOB_KEPT_AT_FIRST : 2 * job->capacity;
    job_message *kept = ioc_alloc_take(alloc, capacity * sizeof *kept);
    if (kept == NULL) {
        return false;
    }
    IOC_ASSERT(job->count <= job->capacity);
    for (size_t i = 0; i < job->count; i++) {
        kept[i] = job->kept[(job->first + i) % job->capacity];
    }
    ioc_alloc_give(alloc, job->kept);
    job->kept = kept;
    job->first = 0;
    job->capacity = capacity;
    return true;
}

static void job__keep(ioc_job *job, ioc_alloc *alloc, job_message message)
{
    if (!job__make_room(job, alloc)) {
        job->has_lost = true;
        return;
    }
    job->kept[(job->first + job->count) % job->capacity] = message;
    job->count++;
}

static void job__tell(ioc_job *job, job_message message)
{
    ioc_watch_of(job->op)->event = message.message;
    ioc_watch_of(job->op)->value = message.value;
}

static void job__tell_kept(ioc_job *job)
{
    job__tell(job, job->kept[job->first]);
    job->first = (job->first + 1) % job->capacity;
    job->count--;
}

/* ---- Association ---- */

static bool job__associate(ioc_win_port *port, const ioc_job *job, HANDLE completion_port)
{
    JOBOBJECT_ASSOCIATE_COMPLETION_PORT association = {
        .CompletionKey = (void *)job->key,
        .CompletionPort = completion_port,
    };
    return port->sys->SetInformationJobObject(
        job->handle, JobObjectAssociateCompletionPortInformation, &association, sizeof association);
}

/* 0, or the Win32 code. After an error nothing is left of it. */
static uint32_t job__open(ioc_win_port *port, ioc_op *op)
{
    ioc_jobs *jobs = jobs__of(port);
    ioc_job *job = ioc_alloc_take(port->alloc, sizeof *job);
    if (job == NULL || !jobs__reserve(jobs, port->alloc)) {
        ioc_alloc_give(port->alloc, job);
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    if (jobs->last_key > UINTPTR_MAX - 2) { /* a 32-bit program has seen a thousand million */
        ioc_alloc_give(port->alloc, job);
        return ERROR_NO_SYSTEM_RESOURCES;
    }
    job->op = op;
    job->key = jobs->last_key + 2;
    if (!ioc_port_duplicate(port, ioc_watch_of(op)->object, &job->handle)) {
        uint32_t error = port->sys->GetLastError();
        ioc_alloc_give(port->alloc, job);
        return error;
    }
    if (!job__associate(port, job, port->port)) {
        uint32_t error = port->sys->GetLastError();
        (void)port->sys->CloseHandle(job->handle);
        ioc_alloc_give(port->alloc, job);
        return error;
    }
    ioc_port_expect_any(port); /* messages: any number for one watch */
    jobs->last_key = job->key;
    jobs->list[jobs->count++] = job;
    ioc_watch_of(op)->backend = job;
    op->is_held = true;
    return 0;
}

/* Where the system refuses to take the association back, the job's packets find no watch. */
void ioc_job_release(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    ioc_jobs *jobs = jobs__of(port);
    ioc_job *job = ioc_watch_of(op)->backend;
    size_t place = jobs__place(jobs, job->key);
    IOC_ASSERT(place < jobs->count && jobs->list[place] == job && !job->is_waiting);
    (void)job__associate(port, job, NULL);
    (void)port->sys->CloseHandle(job->handle);
    memmove(&jobs->list[place], &jobs->list[place + 1],
            (jobs->count - place - 1) * sizeof *jobs->list);
    jobs->count--;
    ioc_alloc_give(port->alloc, job->kept);
    ioc_alloc_give(port->alloc, job);
    ioc_watch_of(op)->backend = NULL;
}

/* ---- Start, packets, cancel ---- */

ioc_start ioc_job_start(ioc_port *base, ioc_op *op)
{
    ioc_win_port *port = ioc_win_port_of(base);
    uint32_t error = ioc_watch_of(op)->backend == NULL ? job__open(port, op) : 0;
    if (error != 0) {
        return ioc_overlapped_failed(op, error);
    }
    ioc_job *job = ioc_watch_of(op)->backend;
    if (job->count > 0) {
        job__tell_kept(job);
        return ioc_overlapped_done(op);
    }
    if (job->has_lost) {
        job->has_lost = false;
        return ioc_overlapped_failed(op, ERROR_NOT_ENOUGH_MEMORY);
    }
    ioc_overlapped_prepare_posted(op, base);
    job->is_waiting = true;
    return IOC_START_PENDING;
}

/* ioc_source.take */
static ioc_link *job__take(ioc_win_port *port, ioc_source *source, const OVERLAPPED_ENTRY *entry,
                           ioc_dequeued *dequeued)
{
    ioc_jobs *jobs = IOC_CONTAINER_OF(source, ioc_jobs, source);
    size_t place = jobs__place(jobs, entry->lpCompletionKey);
    job_message message = {
        .message = entry->dwNumberOfBytesTransferred,
        .value = (uintptr_t)entry->lpOverlapped,
    };
    if (place == jobs->count || jobs->list[place]->key != entry->lpCompletionKey) {
        dequeued->foreign++; /* no watch of today's */
        return NULL;
    }
    ioc_job *job = jobs->list[place];
    if (!job->is_waiting) {
        job__keep(job, port->alloc, message);
        return NULL;
    }
    job->is_waiting = false;
    job__tell(job, message);
    return ioc_win_op_of(job->op)->token.take(port, &ioc_win_op_of(job->op)->token);
}

/* The numbers begin at an address, where nobody else's keys are likely to be. */
void ioc_jobs_attach(ioc_jobs *jobs, ioc_win_port *port)
{
    jobs->last_key = (ULONG_PTR)port | 1;
    jobs->source.take = job__take;
    ioc_port_attach(port, &jobs->part, jobs__close);
    port->odd_source = &jobs->source;
}

int ioc_job_cancel(ioc_port *port, ioc_op *op, bool *is_back)
{
    ioc_job *job = ioc_watch_of(op)->backend;
    if (job->is_waiting) {
        job->is_waiting = false;
        *is_back = true;
        ioc_overlapped_abort(port, op);
    }
    return IOCP_OK;
}
