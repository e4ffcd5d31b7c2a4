#include "sim_object.h"

#include "stop.h"

#include "sim_pipe.h"

#include <stdlib.h>
#include <string.h>

/* As <winnt.h> has them. */
#define JOB_ACTIVE_PROCESS_ZERO 4
#define JOB_NEW_PROCESS         6
#define JOB_EXIT_PROCESS        7

#define OBJECT_FIRST_NUMBER 0x1000

typedef enum object_kind {
    OBJECT_AUTO_EVENT,
    OBJECT_MANUAL_EVENT,
    OBJECT_SEMAPHORE,
    OBJECT_PROCESS,
    OBJECT_JOB
} object_kind;

typedef struct job_watch {
    ioc_link link; /* all watches */
    uint64_t key;
    struct sim_object *job;
    sim_op *op;    /* which waits for a message if it is WAITING */
    ioc_list kept; /* job_message.link */
    uint64_t last_due_ns;
} job_watch;

typedef struct sim_object {
    ioc_link link; /* all objects */
    uintptr_t number;
    object_kind kind;
    uint32_t references; /* by handles, by the watch and the processes of a job */
    uint32_t handles;
    uint32_t signals; /* for so many waits, or for all of them */
    ioc_list waits;   /* sim_op.place */
    uint32_t exit_code;
    struct sim_object *job; /* of a process that runs, or NULL */
    sim_socket *ends[3];    /* of pipes, that a process has until it ends */
    bool is_spawned;        /* by a loop */
    bool has_group;         /* it can be asked to end, and then it does */
    bool has_console;       /* a pseudo console, which has the ends and outlives it */
    bool is_guarded;        /* it cannot be ended */
    bool is_forced;         /* a stop has ended it */
    uint32_t processes;     /* of a job, those that run */
    bool ends_by_close;     /* a job, and all in it with it */
    job_watch *watch;       /* of a job, or NULL */
} sim_object;

typedef struct job_message {
    ioc_link link; /* sim_port.messages, job_watch.kept */
    uint64_t key;
    uint64_t due_ns;
    uint32_t message;
    uint64_t value;
} job_message;

static ioc_list object_all = {{&object_all.ends, &object_all.ends}};
static ioc_list object_watches = {{&object_watches.ends, &object_watches.ends}};
static uintptr_t object_last_number = OBJECT_FIRST_NUMBER;
static uint64_t object_last_key;
static uint64_t object_spawned;

static void *object__allocate(size_t size)
{
    void *memory = calloc(1, size);
    SIM_CHECK(memory != NULL);
    return memory;
}

/* ---- Birth and death ---- */

static sim_object *object__new(object_kind kind)
{
    sim_object *object = object__allocate(sizeof *object);
    ioc_link_init(&object->link);
    ioc_list_init(&object->waits);
    object_last_number += 4;
    object->number = object_last_number;
    object->kind = kind;
    object->references = 1;
    object->handles = 1;
    ioc_list_push(&object_all, &object->link);
    return object;
}

static sim_object *object__find(uintptr_t number)
{
    for (ioc_link *link = object_all.ends.next; link != &object_all.ends; link = link->next) {
        sim_object *object = IOC_CONTAINER_OF(link, sim_object, link);
        if (object->number == number && object->handles > 0) {
            return object;
        }
    }
    return NULL;
}

/* For the tests' side: they name what there is. */
static sim_object *object__get(uintptr_t number)
{
    sim_object *object = object__find(number);
    SIM_CHECK(object != NULL);
    return object;
}

static void object__drop(sim_object *object)
{
    if (--object->references > 0) {
        return;
    }
    SIM_CHECK(ioc_list_is_empty(&object->waits)); /* nobody closes what is waited for */
    ioc_link_remove(&object->link);
    free(object);
}

static void object__close(uintptr_t number)
{
    sim_object *object = object__get(number);
    object->handles--;
    object__drop(object);
}

/* ---- Signals ---- */

static bool object__take_signal(sim_object *object)
{
    if (object->signals == 0) {
        return false;
    }
    bool is_taken = object->kind == OBJECT_AUTO_EVENT || object->kind == OBJECT_SEMAPHORE;
    object->signals -= is_taken;
    return true;
}

static void object__end_wait(sim_object *object, sim_op *op)
{
    op->value = object->exit_code;
    sim_complete(op, IOCP_OK, 0);
}

static void object__pump(sim_object *object)
{
    for (ioc_link *place; (place = ioc_list_first(&object->waits)) != NULL;) {
        if (!object__take_signal(object)) {
            return;
        }
        object__end_wait(object, IOC_CONTAINER_OF(place, sim_op, place));
    }
}

static void object__signal(sim_object *object, uint32_t signals)
{
    object->signals = signals;
    object__pump(object);
}

int sim_object_start_wait(sim_op *op)
{
    sim_object *object = object__find((uintptr_t)ioc_watch_of(&op->op)->object);
    if (object == NULL) {
        return IOCP_EBADF;
    }
    op->phase = SIM_WAITING;
    ioc_list_push(&object->waits, &op->place);
    object__pump(object);
    return IOCP_OK;
}

int sim_process_start_wait(sim_op *op)
{
    ioc_watch_of(&op->op)->object = (void *)op->process;
    return sim_object_start_wait(op);
}

bool sim_process_is(uintptr_t number)
{
    const sim_object *object = object__find(number);
    return object != NULL && object->kind == OBJECT_PROCESS;
}

uintptr_t sim_process_spawn(sim_socket **ends, bool has_group, bool has_console)
{
    sim_object *process = object__new(OBJECT_PROCESS);
    process->references++; /* it runs */
    process->is_spawned = true;
    object_spawned++;
    process->has_group = has_group && !has_console;
    process->has_console = has_console;
    memcpy(process->ends, ends, sizeof process->ends);
    memset(ends, 0, sizeof process->ends);
    return process->number;
}

void sim_process_close(uintptr_t number)
{
    object__close(number);
}

/* ---- Messages of jobs ---- */

static job_message *message__at(ioc_link *link)
{
    return IOC_CONTAINER_OF(link, job_message, link);
}

/* Behind all that come before it or at the same time. */
static void message__insert(ioc_list *list, job_message *message)
{
    ioc_link *before = list->ends.previous;
    while (before != &list->ends && message__at(before)->due_ns > message->due_ns) {
        before = before->previous;
    }
    message->link.previous = before;
    message->link.next = before->next;
    before->next->previous = &message->link;
    before->next = &message->link;
}

/* Without a watch a job has no port, and its messages go nowhere. */
static void job__send(sim_object *job, uint32_t number, uint64_t value)
{
    job_watch *watch = job->watch;
    if (watch == NULL) {
        return;
    }
    sim_port *port = watch->op->port;
    job_message *message = object__allocate(sizeof *message);
    ioc_link_init(&message->link);
    message->key = watch->key;
    message->message = number;
    message->value = value;
    message->due_ns = port->now_ns + sim_below(port, port->script.latency_ns + 1);
    if (message->due_ns < watch->last_due_ns) {
        message->due_ns = watch->last_due_ns;
    }
    watch->last_due_ns = message->due_ns;
    message__insert(&port->messages, message);
    SIM_CHECK(pthread_cond_broadcast(&port->changed) == 0);
}

uint64_t sim_object_next_message(const sim_port *port)
{
    ioc_link *first = ioc_list_first(&port->messages);
    return first != NULL ? message__at(first)->due_ns : IOC_FOREVER;
}

void sim_object_drop_messages(sim_port *port)
{
    for (ioc_link *link; (link = ioc_list_pop(&port->messages)) != NULL;) {
        free(message__at(link));
    }
}

/* ---- Watches ---- */

static job_watch *watch__find(uint64_t key)
{
    for (ioc_link *link = object_watches.ends.next; link != &object_watches.ends;
         link = link->next) {
        job_watch *watch = IOC_CONTAINER_OF(link, job_watch, link);
        if (watch->key == key) {
            return watch;
        }
    }
    return NULL;
}

static int watch__open(sim_op *op)
{
    sim_object *job = object__find((uintptr_t)ioc_watch_of(&op->op)->object);
    if (job == NULL || job->kind != OBJECT_JOB) {
        return IOCP_EBADF;
    }
    if (job->watch != NULL) {
        return IOCP_EINVAL; /* a job has one port */
    }
    job_watch *watch = object__allocate(sizeof *watch);
    ioc_link_init(&watch->link);
    ioc_list_init(&watch->kept);
    watch->key = ++object_last_key;
    watch->job = job;
    watch->op = op;
    job->watch = watch;
    job->references++;
    ioc_list_push(&object_watches, &watch->link);
    ioc_watch_of(&op->op)->backend = watch;
    op->op.is_held = true;
    return IOCP_OK;
}

void sim_object_release(sim_op *op)
{
    job_watch *watch = ioc_watch_of(&op->op)->backend;
    SIM_CHECK(op->op.kind->type == IOCP_TYPE_JOB_WATCH && watch != NULL && watch->op == op);
    SIM_CHECK(op->phase == SIM_IDLE);
    for (ioc_link *link; (link = ioc_list_pop(&watch->kept)) != NULL;) {
        free(message__at(link));
    }
    ioc_link_remove(&watch->link);
    watch->job->watch = NULL;
    object__drop(watch->job);
    free(watch);
    ioc_watch_of(&op->op)->backend = NULL;
}

static void watch__tell(sim_op *op, job_message *message)
{
    op->message = message->message;
    op->value = message->value;
    free(message);
}

int sim_object_start_watch(sim_op *op)
{
    int status = ioc_watch_of(&op->op)->backend == NULL ? watch__open(op) : IOCP_OK;
    if (status != IOCP_OK) {
        return status;
    }
    job_watch *watch = ioc_watch_of(&op->op)->backend;
    ioc_link *kept = ioc_list_pop(&watch->kept);
    op->phase = SIM_WAITING;
    if (kept != NULL) {
        watch__tell(op, message__at(kept));
        op->phase = SIM_INLINE;
    }
    return IOCP_OK;
}

sim_op *sim_object_take_message(sim_port *port, bool *is_known)
{
    job_message *message = message__at(ioc_list_pop(&port->messages));
    job_watch *watch = watch__find(message->key);
    *is_known = watch != NULL;
    if (watch == NULL) {
        free(message);
        return NULL;
    }
    if (watch->op->phase != SIM_WAITING) {
        ioc_list_push(&watch->kept, &message->link);
        return NULL;
    }
    watch__tell(watch->op, message);
    watch->op->outcome = (ioc_outcome){.status = IOCP_OK};
    watch->op->phase = SIM_DONE;
    return watch->op;
}

/* ---- Work ---- */

int sim_object_start_work(sim_op *op)
{
    op->phase = SIM_WAITING;
    op->effect_ns = op->port->now_ns + sim_below(op->port, op->port->script.latency_ns + 1);
    return IOCP_OK;
}

void sim_object_run_work(sim_op *op)
{
    SIM_CHECK(op->phase == SIM_WAITING && op->op.kind->type == IOCP_TYPE_WORK);
    op->effect_ns = IOC_FOREVER;
    sim_unlock();
    const ioc_work *work = ioc_work_of(&op->op);
    uint64_t value = work->function(work->arg);
    sim_lock();
    op->value = value;
    sim_complete(op, IOCP_OK, 0);
}

void sim_object_tell_watch(sim_op *op)
{
    ioc_watch_of(&op->op)->value = op->value;
    ioc_watch_of(&op->op)->event = op->message;
}

void sim_object_tell_work(sim_op *op)
{
    ioc_work_of(&op->op)->value = op->value;
}

/* ---- The tests' side ---- */

static uintptr_t object__create(object_kind kind, uint32_t signals)
{
    sim_lock();
    sim_object *object = object__new(kind);
    object->signals = signals;
    uintptr_t number = object->number;
    sim_unlock();
    return number;
}

uintptr_t sim_event_create(bool is_manual, bool is_set)
{
    return object__create(is_manual ? OBJECT_MANUAL_EVENT : OBJECT_AUTO_EVENT, is_set);
}

void sim_event_set(uintptr_t event)
{
    sim_lock();
    object__signal(object__get(event), 1);
    sim_unlock();
}

void sim_event_reset(uintptr_t event)
{
    sim_lock();
    object__get(event)->signals = 0;
    sim_unlock();
}

uintptr_t sim_semaphore_create(uint32_t count)
{
    return object__create(OBJECT_SEMAPHORE, count);
}

void sim_semaphore_release(uintptr_t semaphore, uint32_t count)
{
    sim_lock();
    sim_object *object = object__get(semaphore);
    object__signal(object, object->signals + count);
    sim_unlock();
}

static void job__add(sim_object *job, sim_object *process)
{
    process->job = job;
    job->references++;
    job->processes++;
    job__send(job, JOB_NEW_PROCESS, process->number);
}

uintptr_t sim_process_create_child(uintptr_t number)
{
    sim_lock();
    sim_object *child = object__new(OBJECT_PROCESS);
    child->references++; /* it runs */
    child->is_spawned = true;
    if (object__get(number)->job != NULL) {
        job__add(object__get(number)->job, child);
    }
    sim_unlock();
    return child->number;
}

uintptr_t sim_process_create(uintptr_t job_number)
{
    sim_lock();
    sim_object *process = object__new(OBJECT_PROCESS);
    process->references++; /* it runs */
    if (job_number != 0) {
        job__add(object__get(job_number), process);
    }
    uintptr_t number = process->number;
    sim_unlock();
    return number;
}

static void process__leave_job(sim_object *process)
{
    sim_object *job = process->job;
    if (job == NULL) {
        return;
    }
    process->job = NULL;
    job->processes--;
    job__send(job, JOB_EXIT_PROCESS, process->number);
    if (job->processes == 0) {
        job__send(job, JOB_ACTIVE_PROCESS_ZERO, 0);
    }
    object__drop(job);
}

static void process__end(sim_object *process, uint32_t exit_code)
{
    SIM_CHECK(process->kind == OBJECT_PROCESS && process->signals == 0);
    process->exit_code = exit_code;
    if (!process->has_console) {
        sim_pipe_close_ends(process->ends);
    }
    process__leave_job(process);
    object__signal(process, 1);
    object__drop(process);
}

/* ---- Trees ---- */

uintptr_t sim_tree_create(uintptr_t process, bool ends_by_close)
{
    sim_object *tree = object__new(OBJECT_JOB);
    tree->ends_by_close = ends_by_close;
    job__add(tree, object__get(process));
    return tree->number;
}

static sim_object *tree__next(const sim_object *tree)
{
    for (ioc_link *link = object_all.ends.next; link != &object_all.ends; link = link->next) {
        sim_object *process = IOC_CONTAINER_OF(link, sim_object, link);
        if (process->job == tree && !process->is_guarded) {
            return process;
        }
    }
    return NULL;
}

/* False: one of them cannot be ended. */
static bool tree__end(const sim_object *tree, uint32_t exit_code, bool is_forced)
{
    for (sim_object *process; (process = tree__next(tree)) != NULL;) {
        process->is_forced = is_forced;
        process__end(process, exit_code);
    }
    return tree->processes == 0;
}

void sim_tree_close(uintptr_t number)
{
    sim_object *tree = object__get(number);
    if (tree->ends_by_close) {
        (void)tree__end(tree, 0, false);
    }
    object__close(number);
}

/* ---- Stops of processes ---- */

#define PROCESS_STOPPED 0xC000013Au /* STATUS_CONTROL_C_EXIT */

/* False: it is guarded. */
static bool process__force(sim_object *process)
{
    if (process->signals > 0) {
        return true;
    }
    if (process->is_guarded) {
        return false;
    }
    process->is_forced = true;
    process__end(process, PROCESS_STOPPED);
    return true;
}

/* The tree of the process that a stop is for, or NULL. */
static sim_object *stop__tree(const sim_op *op)
{
    uintptr_t number = IOC_CONTAINER_OF(op->op.handle, sim_handle, handle)->tree;
    return number != 0 ? object__get(number) : NULL;
}

static bool stop__force(const sim_op *op)
{
    const sim_object *tree = stop__tree(op);
    return tree != NULL ? tree__end(tree, PROCESS_STOPPED, true)
                        : process__force(object__get(op->process));
}

int sim_process_start_stop(sim_op *op)
{
    sim_object *process = object__get(op->process);
    uint64_t grace_ns = ioc_stop_of(&op->op)->grace_ns;
    if (grace_ns == 0 && !stop__force(op)) {
        return IOCP_EACCES;
    }
    if (process->signals == 0 && process->has_group) {
        op->phase = SIM_WAITING;
        op->effect_ns = op->port->now_ns + sim_below(op->port, op->port->script.latency_ns + 1);
        return IOCP_OK;
    }
    bool is_asked_in_vain = process->signals == 0 && grace_ns == IOC_FOREVER;
    return is_asked_in_vain ? IOCP_ENOTSUP : sim_process_start_wait(op);
}

void sim_process_ask(sim_op *op)
{
    sim_object *process = object__get(op->process);
    op->effect_ns = IOC_FOREVER;
    if (process->signals == 0) {
        process__end(process, PROCESS_STOPPED);
    }
    (void)sim_process_start_wait(op);
}

bool sim_process_revise(sim_op *op)
{
    return op->phase == SIM_DONE || stop__force(op);
}

void sim_process_tell_stop(sim_op *op)
{
    const sim_object *process = object__get(op->process);
    sim_object_tell_watch(op);
    if (op->outcome.status == IOCP_OK && process->is_forced && op->value == PROCESS_STOPPED) {
        op->op.flags |= IOCP_RESULT_FORCED;
    }
    if (op->outcome.status == IOCP_OK && stop__tree(op) != NULL) {
        (void)tree__end(stop__tree(op), PROCESS_STOPPED, true); /* what is left of it */
    }
}

void sim_process_close_console(uintptr_t number)
{
    sim_object *process = object__get(number);
    sim_pipe_close_ends(process->ends);
    (void)process__force(process);
}

void sim_process_guard(uintptr_t number)
{
    sim_lock();
    object__get(number)->is_guarded = true;
    sim_unlock();
}

/* ---- The tests' side of processes and jobs ---- */

void sim_process_end(uintptr_t number, uint32_t exit_code)
{
    sim_lock();
    process__end(object__get(number), exit_code);
    sim_unlock();
}

static sim_object *process__next_spawned(void)
{
    for (ioc_link *link = object_all.ends.next; link != &object_all.ends; link = link->next) {
        sim_object *object = IOC_CONTAINER_OF(link, sim_object, link);
        if (object->is_spawned && object->signals == 0) {
            return object;
        }
    }
    return NULL;
}

void sim_process_end_spawned(uint32_t exit_code)
{
    sim_lock();
    for (sim_object *process; (process = process__next_spawned()) != NULL;) {
        process__end(process, exit_code);
    }
    sim_unlock();
}

uint64_t sim_process_spawned(void)
{
    sim_lock();
    uint64_t count = object_spawned;
    sim_unlock();
    return count;
}

uintptr_t sim_job_create(void)
{
    return object__create(OBJECT_JOB, 0);
}

void sim_job_send(uintptr_t job, uint32_t message, uint64_t value)
{
    sim_lock();
    job__send(object__get(job), message, value);
    sim_unlock();
}

bool sim_object_try(uintptr_t number)
{
    sim_lock();
    bool is_signaled = object__take_signal(object__get(number));
    sim_unlock();
    return is_signaled;
}

void sim_object_close(uintptr_t number)
{
    sim_lock();
    object__close(number);
    sim_unlock();
}

uintptr_t sim_object_duplicate(uintptr_t number)
{
    sim_lock();
    sim_object *object = object__get(number);
    object->references++;
    object->handles++;
    sim_unlock();
    return number;
}

size_t sim_object_count(void)
{
    size_t count = 0;
    sim_lock();
    for (ioc_link *link = object_all.ends.next; link != &object_all.ends; link = link->next) {
        count++;
    }
    sim_unlock();
    return count;
}
