/* The simulated port: clock, packets, wakes, and what goes wrong with them. */
#define _POSIX_C_SOURCE 200809L /* for pthread_cond_timedwait */

#include "sim_file.h"
#include "sim_object.h"
#include "sim_poll.h"

#include "loop.h"
#include "threads.h"
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PORT_FIRST_NOW_NS UINT64_C(1000000007)
#define PORT_PATIENCE_S   20
#define PORT_STUCK_ERROR  0x57c4u

static pthread_mutex_t world_mutex = PTHREAD_MUTEX_INITIALIZER;
static sim_script world_script;
static size_t world_port_count;
static uintptr_t world_last_number;

void sim_give_up(const char *condition, const char *file, int line)
{
    (void)fprintf(stderr, "simulation: %s:%d: not so: %s\n", file, line, condition);
    abort();
}

void sim_lock(void)
{
    SIM_CHECK(pthread_mutex_lock(&world_mutex) == 0);
}

/* Whatever was done with the lock held: polls are of levels, and look at what it has left. */
void sim_unlock(void)
{
    sim_poll_look();
    SIM_CHECK(pthread_mutex_unlock(&world_mutex) == 0);
}

uintptr_t sim_next_number(void)
{
    world_last_number += 4; /* as Windows numbers its handles */
    return world_last_number;
}

/* ---- Chance ---- */

uint64_t sim_below(sim_port *port, uint64_t limit)
{
    return limit == 0 ? 0 : unit_random(&port->random) % limit;
}

bool sim_chance(sim_port *port, uint32_t percent)
{
    return percent > 0 && sim_below(port, 100) < percent;
}

bool sim_fails(sim_failure *failure, int *status)
{
    if (failure->count == 0) {
        return false;
    }
    failure->count--;
    *status = failure->status;
    return true;
}

static const struct {
    int status;
    uint32_t native_error;
} port_errors[] = {
    {IOCP_OK, 0},
    {IOCP_EINVAL, 10022},
    {IOCP_ENOMEM, 8},
    {IOCP_EBADF, 6},
    {IOCP_EBUSY, 170},
    {IOCP_ENOTSUP, 10045},
    {IOCP_ECANCELED, 995},
    {IOCP_ETIMEDOUT, 10060},
    {IOCP_EADDRINUSE, 10048},
    {IOCP_EADDRNOTAVAIL, 10049},
    {IOCP_EAFNOSUPPORT, 10047},
    {IOCP_EALREADY, 10037},
    {IOCP_ECONNABORTED, 10053},
    {IOCP_ECONNREFUSED, 10061},
    {IOCP_ECONNRESET, 10054},
    {IOCP_EFAULT, 10014},
    {IOCP_EISCONN, 10056},
    {IOCP_EACCES, 10013},
    {IOCP_EMSGSIZE, 10040},
    {IOCP_ENETUNREACH, 10051},
    {IOCP_EMFILE, 10024},
    {IOCP_ENOBUFS, 10055},
    {IOCP_ENOPROTOOPT, 10042},
    {IOCP_ENOTCONN, 10057},
    {IOCP_ENOTSOCK, 10038},
    {IOCP_EPIPE, 10058},
    {IOCP_EPROTONOSUPPORT, 10043},
    {IOCP_EOF, 38},
    {IOCP_ENOTOVERLAPPED, 0},
    {IOCP_ENOTFOUND, 2},
    {IOCP_EEXIST, 80},
    {IOCP_ENAMETOOLONG, 206},
    {IOCP_ENOTFOLDER, 267},
    {IOCP_EISFOLDER, 336},
    {IOCP_ENOTEMPTY, 145},
    {IOCP_EXDEV, 17},
    {IOCP_ELOOP, 1921},
    {IOCP_ENONAME, 11001},
    {IOCP_ENOADDRESS, 11004},
    {IOCP_ENOEXEC, 193},
    {IOCP_EELEVATION, 740},
};

uint32_t sim_native_error(int status)
{
    for (size_t i = 0; i < IOC_COUNT_OF(port_errors); i++) {
        if (port_errors[i].status == status) {
            return port_errors[i].native_error;
        }
    }
    return 31;
}

int sim_status_of(uint32_t native_error)
{
    for (size_t i = 0; i < IOC_COUNT_OF(port_errors); i++) {
        if (port_errors[i].native_error == native_error) {
            return port_errors[i].status;
        }
    }
    return IOCP_EUNKNOWN;
}

/* ---- Open and close ---- */

static sim_port *port__of(ioc_port *base)
{
    return IOC_CONTAINER_OF(base, sim_port, base);
}

int sim_port_open(const ioc_port_options *options, ioc_port **base, uint32_t *native_error)
{
    sim_port *port = ioc_alloc_take(options->alloc, sizeof *port);
    *native_error = 0;
    if (port == NULL) {
        return IOCP_ENOMEM;
    }
    pthread_condattr_t attributes;
    SIM_CHECK(pthread_condattr_init(&attributes) == 0);
    SIM_CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    SIM_CHECK(pthread_cond_init(&port->changed, &attributes) == 0);
    SIM_CHECK(pthread_condattr_destroy(&attributes) == 0);
    port->alloc = options->alloc;
    port->ops = options->ops;
    port->batch = options->batch;
    port->room = options->packets;
    port->mode = options->completion_mode;
    port->sleep_method =
        options->sleep_method != IOCP_SLEEP_AUTO ? options->sleep_method : IOCP_SLEEP_PORT;
    port->now_ns = PORT_FIRST_NOW_NS;
    ioc_list_init(&port->pending);
    ioc_list_init(&port->packets);
    ioc_list_init(&port->messages);
    sim_lock();
    port->script = options->extra != NULL ? *(const sim_script *)options->extra : world_script;
    port->random = port->script.seed;
    world_port_count++;
    sim_unlock();
    *base = &port->base;
    return IOCP_OK;
}

void sim_port_close(ioc_port *base)
{
    sim_port *port = port__of(base);
    sim_lock();
    SIM_CHECK(ioc_list_is_empty(&port->pending));
    SIM_CHECK(ioc_list_is_empty(&port->packets));
    SIM_CHECK(port->counts.pending == 0);
    sim_object_drop_messages(port);
    free(port->posted);
    world_port_count--;
    sim_unlock();
    SIM_CHECK(pthread_cond_destroy(&port->changed) == 0);
    ioc_alloc_give(port->alloc, port);
}

iocp_sleep_method_t sim_port_sleep_method(ioc_port *base)
{
    return port__of(base)->sleep_method;
}

void *sim_port_native(ioc_port *base)
{
    return base;
}

uintptr_t sim_port_thread_id(ioc_port *base)
{
    static _Thread_local char own;
    (void)base;
    return (uintptr_t)&own;
}

uint64_t sim_port_now(ioc_port *base)
{
    sim_port *port = port__of(base);
    sim_lock();
    port->counts.clock_reads++;
    uint64_t now_ns = port->now_ns;
    sim_unlock();
    return now_ns;
}

/* ---- Packets ---- */

static sim_op *port__op_at(ioc_link *place)
{
    return IOC_CONTAINER_OF(place, sim_op, place);
}

/* Behind all that come before it or at the same time. */
static void port__insert_packet(sim_port *port, sim_op *op)
{
    ioc_link *before = port->packets.ends.previous;
    while (before != &port->packets.ends && port__op_at(before)->due_ns > op->due_ns) {
        before = before->previous;
    }
    op->place.previous = before;
    op->place.next = before->next;
    before->next->previous = &op->place;
    before->next = &op->place;
}

void sim_complete(sim_op *op, int status, uint64_t bytes)
{
    SIM_CHECK(op->phase == SIM_WAITING);
    sim_port *port = op->port;
    ioc_link_remove(&op->place);
    op->outcome.status = status;
    op->outcome.native_error = sim_native_error(status);
    op->outcome.bytes = bytes;
    if (op->may_be_inline && status == IOCP_OK) {
        op->phase = SIM_INLINE;
        return;
    }
    op->phase = SIM_DONE;
    op->due_ns = port->now_ns + sim_below(port, port->script.latency_ns + 1);
    if (op->last_due_ns != NULL) {
        op->due_ns = op->due_ns < *op->last_due_ns ? *op->last_due_ns : op->due_ns;
        *op->last_due_ns = op->due_ns;
    }
    port__insert_packet(port, op);
    SIM_CHECK(pthread_cond_broadcast(&port->changed) == 0);
}

static void op__fill_buffers(sim_op *op)
{
    size_t left = (size_t)op->outcome.bytes;
    const unsigned char *from = op->received;
    bool is_call = op->op.kind->type == IOCP_TYPE_OVERLAPPED;
    uint32_t count = is_call ? 1 : ioc_transfer_of(&op->op)->count;
    const iocp_buf_t *list = is_call ? &op->room : ioc_transfer_buffers(&op->op);
    for (uint32_t i = 0; left > 0; i++) {
        SIM_CHECK(i < count);
        const iocp_buf_t *buffer = &list[i];
        size_t part = buffer->length < left ? buffer->length : left;
        if (part > 0) {
            memcpy(buffer->base, from, part);
        }
        from += part;
        left -= part;
    }
    free(op->received);
    op->received = NULL;
}

void sim_hand_over(sim_op *op)
{
    SIM_CHECK(op->phase == SIM_DONE || op->phase == SIM_INLINE);
    SIM_CHECK(op->op.phase == IOC_PHASE_KERNEL && ioc_op_id(&op->op).id == op->id.id);
    ioc_link_remove(&op->link);
    ioc_link_remove(&op->place);
    if (op->received != NULL) {
        op__fill_buffers(op);
    }
    if (op->outcome.status == IOCP_OK) {
        op->op.flags |= op->flags;
    }
    if (sim_kind_of(op)->tell != NULL) {
        sim_kind_of(op)->tell(op);
    }
    op->op.outcome = op->outcome;
    op->phase = SIM_IDLE;
    op->port->counts.pending--;
}

/* When a file is read or written or a name is answered, if it is not kept from it, or work is done. */
static uint64_t op__effect_ns(const sim_op *op)
{
    bool is_held = (op->file != NULL && op->port->is_holding_files) ||
                   (op->op.kind->type == IOC_TYPE_LOOKUP && op->port->is_holding_names);
    return is_held ? IOC_FOREVER : op->effect_ns;
}

/* Cancels that take effect now, and what files and work do now. */
static void port__run_due(sim_port *port)
{
    ioc_link *next = NULL;
    for (ioc_link *link = port->pending.ends.next; link != &port->pending.ends; link = next) {
        next = link->next;
        sim_op *op = IOC_CONTAINER_OF(link, sim_op, link);
        if (op->phase != SIM_WAITING) {
            continue;
        }
        if (op->abort_ns <= port->now_ns && op->abort_ns < op__effect_ns(op)) {
            sim_end_waiting(op, IOCP_ECANCELED);
        } else if (op__effect_ns(op) <= port->now_ns) {
            sim_kind_of(op)->take_effect(op);
        }
    }
}

static void port__give(sim_op *op, ioc_list *ended, ioc_dequeued *dequeued)
{
    sim_hand_over(op);
    ioc_list_push(ended, &op->op.link);
    dequeued->operations++;
}

static void port__take_message(sim_port *port, ioc_list *ended, ioc_dequeued *dequeued)
{
    bool is_known = false;
    sim_op *op = sim_object_take_message(port, &is_known);
    dequeued->foreign += !is_known;
    if (op != NULL) {
        port__give(op, ended, dequeued);
    }
}

/* To whom they belong, or they are dropped. */
static void port__take_posted(sim_port *port, ioc_dequeued *dequeued)
{
    if (port->room != NULL) {
        port->room[dequeued->packets++] = port->posted[0];
    } else {
        dequeued->foreign++;
    }
    port->posted_count--;
    memmove(port->posted, port->posted + 1, port->posted_count * sizeof *port->posted);
}

/* Everything that is there, at most one batch. */
static bool port__take(sim_port *port, ioc_list *ended, ioc_dequeued *dequeued)
{
    uint32_t room = port->batch;
    if (port->wakes > 0 && port->wake_due_ns <= port->now_ns) {
        dequeued->wakes = port->wakes;
        port->wakes = 0;
        room--;
    }
    while (room > 0 && port->foreign > 0) {
        port->foreign--;
        dequeued->foreign++;
        room--;
    }
    while (room > 0 && port->posted_count > 0) {
        port__take_posted(port, dequeued);
        room--;
    }
    while (room > 0 && !port->is_holding && !ioc_list_is_empty(&port->packets)) {
        sim_op *op = port__op_at(ioc_list_first(&port->packets));
        if (op->due_ns > port->now_ns) {
            break;
        }
        port__give(op, ended, dequeued);
        room--;
    }
    while (room > 0 && !port->is_holding && sim_object_next_message(port) <= port->now_ns) {
        port__take_message(port, ended, dequeued);
        room--;
    }
    return room < port->batch;
}

/* When something comes that is known today. */
static uint64_t port__next_event(const sim_port *port)
{
    uint64_t next_ns = port->wakes > 0 ? port->wake_due_ns : IOC_FOREVER;
    if (!port->is_holding && !ioc_list_is_empty(&port->packets)) {
        uint64_t due_ns = port__op_at(ioc_list_first(&port->packets))->due_ns;
        next_ns = due_ns < next_ns ? due_ns : next_ns;
    }
    if (!port->is_holding && sim_object_next_message(port) < next_ns) {
        next_ns = sim_object_next_message(port);
    }
    for (ioc_link *link = port->pending.ends.next; link != &port->pending.ends; link = link->next) {
        const sim_op *op = IOC_CONTAINER_OF(link, sim_op, link);
        if (op->phase == SIM_WAITING) {
            next_ns = op->abort_ns < next_ns ? op->abort_ns : next_ns;
            next_ns = op__effect_ns(op) < next_ns ? op__effect_ns(op) : next_ns;
        }
    }
    return next_ns;
}

/* Sleep for real until another thread changes something. */
static int port__wait(sim_port *port)
{
    struct timespec until;
    SIM_CHECK(clock_gettime(CLOCK_MONOTONIC, &until) == 0);
    until.tv_sec += PORT_PATIENCE_S;
    int error = pthread_cond_timedwait(&port->changed, &world_mutex, &until);
    if (error != ETIMEDOUT) {
        return IOCP_OK;
    }
    (void)fprintf(stderr, "simulation: a loop sleeps and nobody wakes it\n");
    port->base.native_error = PORT_STUCK_ERROR;
    return IOCP_EUNKNOWN;
}

/* What the kernel does on its own. */
static void port__misbehave(sim_port *port)
{
    if (sim_chance(port, port->script.foreign)) {
        port->foreign++;
    }
    if (!sim_chance(port, port->script.abort) || ioc_list_is_empty(&port->pending)) {
        return;
    }
    sim_op *op = IOC_CONTAINER_OF(ioc_list_first(&port->pending), sim_op, link);
    if (op->phase == SIM_WAITING) {
        sim_end_waiting(op, IOCP_ECANCELED);
    }
}

static int port__dequeue(sim_port *port, uint64_t until_ns, ioc_list *ended, ioc_dequeued *dequeued)
{
    bool is_early = sim_chance(port, port->script.early_dequeue);
    port__misbehave(port);
    for (;;) {
        port__run_due(port);
        if (port__take(port, ended, dequeued) || port->is_nudged || is_early) {
            port->is_nudged = false;
            return IOCP_OK;
        }
        if (until_ns <= port->now_ns) {
            dequeued->is_empty = true;
            return IOCP_OK;
        }
        uint64_t next_ns = port__next_event(port);
        if (next_ns <= until_ns && next_ns != IOC_FOREVER) {
            port->now_ns = next_ns > port->now_ns ? next_ns : port->now_ns;
        } else if (until_ns != IOC_FOREVER) {
            port->now_ns = until_ns;
            dequeued->is_empty = true;
            return IOCP_OK;
        } else if (port__wait(port) != IOCP_OK) {
            return IOCP_EUNKNOWN;
        }
    }
}

int sim_port_dequeue(ioc_port *base, uint64_t now_ns, uint64_t until_ns, ioc_list *ended,
                     ioc_dequeued *dequeued)
{
    sim_port *port = port__of(base);
    int status = IOCP_OK;
    memset(dequeued, 0, sizeof *dequeued);
    sim_lock();
    port->counts.dequeues++;
    port->counts.sleeps += until_ns > now_ns;
    /* Who sleeps with a time limit has just asked what time it is. */
    SIM_CHECK(until_ns <= now_ns || until_ns == IOC_FOREVER || now_ns == port->now_ns);
    port->now_ns += port->script.dequeue_ns;
    if (sim_fails(&port->dequeues, &status)) {
        base->native_error = sim_native_error(status);
    } else if (sim_chance(port, port->script.failed_dequeue)) {
        status = IOCP_ENOBUFS;
        base->native_error = sim_native_error(status);
    } else {
        status = port__dequeue(port, until_ns > now_ns ? until_ns : 0, ended, dequeued);
    }
    sim_unlock();
    return status;
}

/* ---- Waking ---- */

static ioc_wake port__wake(sim_port *port)
{
    int how = IOC_WAKE_PACKET;
    port->counts.wakes++;
    if (sim_fails(&port->diverted, &how)) {
        port->is_nudged = port->is_nudged || how == IOC_WAKE_DIRECT;
        return (ioc_wake)how;
    }
    SIM_CHECK(port->wakes == 0); /* at most one is in flight */
    port->wakes++;
    port->wake_due_ns = port->now_ns;
    if (sim_chance(port, port->script.late_wake)) {
        port->wake_due_ns += sim_below(port, port->script.latency_ns + 1);
    }
    return IOC_WAKE_PACKET;
}

ioc_wake sim_port_wake(ioc_port *base)
{
    sim_port *port = port__of(base);
    sim_lock();
    ioc_wake how = port__wake(port);
    uint32_t milliseconds = port->wake_ms;
    SIM_CHECK(pthread_cond_broadcast(&port->changed) == 0);
    sim_unlock();
    if (milliseconds > 0) {
        test_sleep_ms(milliseconds);
    }
    return how;
}

/* ---- Packets of others ---- */

static void port__send(sim_port *port, iocp_packet_t packet)
{
    if (port->posted_count == port->posted_capacity) {
        port->posted_capacity = 2 * port->posted_capacity + 16;
        port->posted = realloc(port->posted, port->posted_capacity * sizeof *port->posted);
        SIM_CHECK(port->posted != NULL);
    }
    port->posted[port->posted_count++] = packet;
    SIM_CHECK(pthread_cond_broadcast(&port->changed) == 0);
}

int sim_port_post_packet(ioc_port *base, const iocp_packet_t *packet)
{
    sim_port *port = port__of(base);
    int status = IOCP_OK;
    sim_lock();
    if (!sim_fails(&port->refused, &status)) {
        port__send(port, *packet);
    }
    sim_unlock();
    return status;
}

/* ---- The tests' side ---- */

static sim_port *port__of_loop(const iocp_loop_t *loop)
{
    return port__of(loop->loop_only.ops.port);
}

void sim_use_script(const sim_script *script)
{
    static const sim_script good;
    sim_lock();
    world_script = script != NULL ? *script : good;
    sim_unlock();
}

void sim_advance(const iocp_loop_t *loop, uint64_t ns)
{
    sim_lock();
    port__of_loop(loop)->now_ns += ns;
    sim_unlock();
}

static void port__plan(sim_failure *failure, uint32_t count, int status)
{
    sim_lock();
    failure->count = count;
    failure->status = status;
    sim_unlock();
}

void sim_fail_starts(const iocp_loop_t *loop, uint32_t count, int status)
{
    port__plan(&port__of_loop(loop)->starts, count, status);
}

void sim_fail_cancels(const iocp_loop_t *loop, uint32_t count, int status)
{
    port__plan(&port__of_loop(loop)->cancels, count, status);
}

void sim_fail_dequeues(const iocp_loop_t *loop, uint32_t count, int status)
{
    port__plan(&port__of_loop(loop)->dequeues, count, status);
}

void sim_fail_sockets(const iocp_loop_t *loop, uint32_t count, int status)
{
    port__plan(&port__of_loop(loop)->sockets, count, status);
}

void sim_divert_wakes(const iocp_loop_t *loop, uint32_t count, ioc_wake how)
{
    port__plan(&port__of_loop(loop)->diverted, count, (int)how);
}

void sim_slow_wakes(const iocp_loop_t *loop, uint32_t milliseconds)
{
    sim_lock();
    port__of_loop(loop)->wake_ms = milliseconds;
    sim_unlock();
}

void sim_hold_packets(const iocp_loop_t *loop, bool hold)
{
    sim_lock();
    port__of_loop(loop)->is_holding = hold;
    sim_unlock();
}

void sim_hold_files(const iocp_loop_t *loop, bool hold)
{
    sim_lock();
    port__of_loop(loop)->is_holding_files = hold;
    sim_unlock();
}

void sim_set_script(const iocp_loop_t *loop, const sim_script *script)
{
    sim_lock();
    port__of_loop(loop)->script = *script;
    sim_unlock();
}

void sim_hold_names(const iocp_loop_t *loop, bool hold)
{
    sim_lock();
    port__of_loop(loop)->is_holding_names = hold;
    sim_unlock();
}

void sim_delay_cancels(const iocp_loop_t *loop, uint64_t ns)
{
    sim_lock();
    port__of_loop(loop)->cancel_delay_ns = ns;
    sim_unlock();
}

void sim_end_op(const iocp_loop_t *loop, iocp_op_t id, int status)
{
    sim_port *port = port__of_loop(loop);
    sim_lock();
    for (ioc_link *link = port->pending.ends.next; link != &port->pending.ends; link = link->next) {
        sim_op *op = IOC_CONTAINER_OF(link, sim_op, link);
        if (op->id.id == id.id && op->phase == SIM_WAITING) {
            sim_end_waiting(op, status);
            break;
        }
    }
    sim_unlock();
}

void sim_add_foreign_packets(const iocp_loop_t *loop, uint32_t count)
{
    sim_lock();
    port__of_loop(loop)->foreign += count;
    sim_unlock();
}

void sim_read_counts(const iocp_loop_t *loop, sim_counts *counts)
{
    sim_lock();
    *counts = port__of_loop(loop)->counts;
    sim_unlock();
}

void sim_fail_packets(const iocp_loop_t *loop, uint32_t count, int status)
{
    port__plan(&port__of_loop(loop)->refused, count, status);
}

void sim_send_packet(const iocp_loop_t *loop, iocp_packet_t packet)
{
    sim_lock();
    port__send(port__of_loop(loop), packet);
    sim_unlock();
}

size_t sim_port_count(void)
{
    sim_lock();
    size_t count = world_port_count;
    sim_unlock();
    return count;
}
