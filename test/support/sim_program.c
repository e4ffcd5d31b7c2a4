/*
 * Operations, cancels, deadlines, rearms, other buffers, closes, adopted pipes and posts in any
 * order, on a kernel that refuses, delays, aborts and comes early as the choices have it. After
 * every turn it must hold that each accepted operation has called back once for each run, that ids
 * of ended operations are stale, that the counters agree with the simulation, and that the timers are
 * sound. Where nothing can be started again a rearmed operation has one more callback and no other,
 * a cancel that was accepted is told at the latest by the second callback, and a close comes last.
 * In the end the loop can be destroyed and nothing is left, no signal was lost or taken twice, and
 * each function of blocking work has run as often as its results say.
 */
#include "sim_program.h"

#include "base.h"
#include "contract_env.h"
#include "loop.h"
#include "sim_console.h"
#include "sim_file.h"
#include "sim_object.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#define RANDOM_OPS     4000
#define RANDOM_SOCKETS 64
#define RANDOM_BUFFER  48
#define RANDOM_EVENTS  5 /* of the console, one of each kind */

/* One operation that the program has added. */
typedef struct action {
    struct program *program;
    iocp_op_t op;
    iocp_type_t type;
    iocp_handle_t handle;
    bool is_pending;
    bool is_referenced;
    bool is_in_callback;
    bool is_limited;       /* it has a deadline, in each run */
    bool may_time_out;     /* in this run */
    bool may_be_cancelled; /* a cancel was accepted since it was told the last time */
    bool is_abandoned;     /* its async was destroyed */
    bool is_over;          /* it was rearmed where it cannot be started: it is told so, once */
    uint32_t cancels;      /* that have not called back */
    uint32_t told;         /* how often that it is cancelled */
    uint32_t left;         /* callbacks until it must be told; 0: no matter */
    int last_status;
    struct action *target; /* of a cancel */
    uint32_t target_told;  /* when it was called */
    uint64_t not_before_ns;
    iocp_buf_t list[3];
    unsigned char *buffer; /* on the heap: nobody may write to it after the callback */
} action;

typedef struct program {
    choices choices;
    iocp_loop_t *loop;
    iocp_async_t *async;
    unit_memory memory;
    bool is_destroying;
    contract_address address;
    iocp_handle_t listener;
    iocp_handle_t sockets[RANDOM_SOCKETS];
    uint32_t socket_count;
    action *actions;
    uint32_t action_count;
    uint32_t pending;
    uint64_t posted;
    uint64_t posts_run;
    uintptr_t semaphore;
    uint64_t signals;
    uint64_t signals_taken; /* by waits that ended well */
    uintptr_t job;
    uint64_t messages; /* sent; each has its number as its value */
    uint64_t last_message;
    uint64_t works_run;
    uint64_t works_done; /* as their results say */
    sim_console_event *events[RANDOM_EVENTS];
    uint32_t event_count;
    uint64_t events_told; /* as callbacks say: each of them by each watch */
    sim_complaint complaint;
} program;

#define EXPECT(program, condition) SIM_EXPECT(&(program)->complaint, condition)

static uint32_t program__below(program *p, uint32_t limit)
{
    return choices_below(&p->choices, limit);
}

static bool program__chance(program *p, uint32_t percent)
{
    return choices_chance(&p->choices, percent);
}

/* Mostly a recent one: the others have ended. */
static action *program__any_action(program *p)
{
    if (p->action_count == 0) {
        return NULL;
    }
    bool is_recent = p->action_count > 20 && program__chance(p, 80);
    uint32_t first = is_recent ? p->action_count - 20 : 0;
    return &p->actions[first + program__below(p, p->action_count - first)];
}

static const iocp_handle_t no_handle = {0};

/* A socket that may be open, or closing, or long gone. */
static iocp_handle_t program__any_socket(program *p)
{
    return p->socket_count > 0 ? p->sockets[program__below(p, p->socket_count)] : no_handle;
}

static iocp_action_t IOCP_CALL action__on_result(iocp_loop_t *loop, const iocp_result_t *result,
                                                 void *userdata);

static action *program__new_action(program *p, iocp_type_t type, iocp_handle_t handle)
{
    if (p->action_count == RANDOM_OPS) {
        return NULL;
    }
    action *a = &p->actions[p->action_count];
    memset(a, 0, sizeof *a);
    a->program = p;
    a->type = type;
    a->handle = handle;
    return a;
}

/* It was accepted, or it was not. */
static void program__added(program *p, action *a, int status)
{
    if (status == IOCP_OK) {
        EXPECT(p, a->op.id != 0);
        EXPECT(p, iocp_op_state(p->loop, a->op) == IOCP_OP_ADDING);
        a->is_pending = true;
        a->is_referenced = true;
        p->action_count++;
        p->pending++;
        return;
    }
    EXPECT(p, p->is_destroying && a->type != IOCP_TYPE_CLOSE
                  ? status == IOCP_ECLOSING
                  : status == IOCP_EBADF || status == IOCP_ENOMEM || status == IOCP_ENOTSUP);
    EXPECT(p, a->op.id == 0);
    free(a->buffer);
    a->buffer = NULL;
}

static void program__close(program *p, iocp_handle_t handle)
{
    action *a = program__new_action(p, IOCP_TYPE_CLOSE, handle);
    if (a == NULL) {
        return;
    }
    program__added(p, a, iocp_close(p->loop, handle, action__on_result, a, &a->op));
}

static void *data_of(iocp_handle_t handle)
{
    return (void *)(uintptr_t)handle.id;
}

static void program__add_socket(program *p, iocp_handle_t handle)
{
    EXPECT(p, iocp_handle_set_data(p->loop, handle, data_of(handle)) == IOCP_OK);
    if (p->socket_count < RANDOM_SOCKETS) {
        p->sockets[p->socket_count++] = handle;
    } else {
        uint32_t place = program__below(p, RANDOM_SOCKETS);
        program__close(p, p->sockets[place]);
        p->sockets[place] = handle;
    }
}

/* ---- Callbacks ---- */

static void program__act(program *p);
static void program__act_in_the_end(program *p);

/* A signal, a message or a run of a function that has come with a result. */
static void action__count(const action *a, const iocp_result_t *result)
{
    program *p = a->program;
    if (a->type == IOCP_TYPE_WAIT) {
        p->signals_taken++;
    } else if (a->type == IOCP_TYPE_WORK) {
        p->works_done++;
        EXPECT(p, result->value > 0 && result->value <= p->works_run);
    } else if (a->type == IOCP_TYPE_CONSOLE_WATCH) {
        p->events_told++;
        EXPECT(p, result->event > 0 && result->event <= p->event_count);
    } else if (a->type == IOCP_TYPE_JOB_WATCH) {
        EXPECT(p, result->value > p->last_message && result->value <= p->messages);
        EXPECT(p, result->event == (uint32_t)result->value % 8);
        p->last_message = result->value;
    }
}

/* Whether it can be started: its first run or another. */
static bool action__can_start(const action *a)
{
    void *native = NULL;
    if (a->program->is_destroying || a->is_abandoned) {
        return false;
    }
    return a->handle.id == 0 || iocp_handle_native(a->program->loop, a->handle, &native) == IOCP_OK;
}

static bool action__is_once(const action *a)
{
    return a->type == IOCP_TYPE_CANCEL || a->type == IOCP_TYPE_CLOSE;
}

static bool is_want(int status)
{
    return status == IOCP_ENOBUFS || status == IOCP_ENOMEM || status == IOCP_EMFILE;
}

static void action__check_status(const action *a, const iocp_result_t *result)
{
    program *p = a->program;
    switch (result->status) {
    case IOCP_OK:
        EXPECT(p, a->type != IOCP_TYPE_TIMER || iocp_loop_now(p->loop) >= a->not_before_ns);
        EXPECT(p, (a->type == IOCP_TYPE_ACCEPT) == (result->opened.id != 0));
        action__count(a, result);
        break;
    case IOCP_ECANCELED:
        EXPECT(p, a->may_be_cancelled || a->cancels > 0 || !action__can_start(a));
        break;
    case IOCP_ETIMEDOUT:
        EXPECT(p, a->may_time_out);
        break;
    case IOCP_ENOENT:
        EXPECT(p, a->type == IOCP_TYPE_CANCEL);
        break;
    case IOCP_EOF:
        EXPECT(p, a->type == IOCP_TYPE_RECV || a->type == IOCP_TYPE_READ);
        break;
    default:
        EXPECT(p, result->native_error != 0 || result->status == IOCP_ENOMEM ||
                      result->status == IOCP_EPIPE || result->status == IOCP_ENOTSUP ||
                      result->status == IOCP_ENOTOVERLAPPED);
        /* An accept is told once that something is short. */
        EXPECT(p, a->type != IOCP_TYPE_ACCEPT || result->status != IOCP_ENOBUFS ||
                      !is_want(a->last_status));
        break;
    }
}

/* Every cancel that was accepted is told, if the operation goes on for so long. */
static void action__check_told(action *a, const iocp_result_t *result)
{
    program *p = a->program;
    if (a->is_over) {
        EXPECT(p, result->status == IOCP_ECANCELED && result->bytes == 0);
    }
    if (result->status == IOCP_ECANCELED) {
        a->told++;
        a->left = 0;
        a->may_be_cancelled = false;
    } else if (a->left > 0) {
        EXPECT(p, --a->left > 0);
    }
}

static void action__settle_cancel(const action *a, int status)
{
    action *target = a->target;
    target->cancels--;
    if (status == IOCP_OK && target->is_pending) {
        target->may_be_cancelled = true;
        if (target->told == a->target_told && target->left == 0) {
            target->left = 2; /* what was settled already; and then that */
        }
    }
}

/* It comes last, and finds what the program has kept with the handle. */
static void action__check_close(const action *a)
{
    program *p = a->program;
    void *data = NULL;
    for (uint32_t i = 0; i < p->action_count; i++) {
        const action *other = &p->actions[i];
        EXPECT(p, other == a || !other->is_pending || other->handle.id != a->handle.id);
    }
    EXPECT(p, iocp_handle_get_data(p->loop, a->handle, &data) == IOCP_OK);
    EXPECT(p, data == data_of(a->handle) || a->handle.id == p->listener.id);
}

static void action__end(action *a)
{
    program *p = a->program;
    a->is_pending = false;
    p->pending--;
    free(a->buffer);
    a->buffer = NULL;
}

static void action__replace_buffer(action *a)
{
    program *p = a->program;
    unsigned char *buffer = calloc(1, RANDOM_BUFFER);
    int status = iocp_op_set_buffer(p->loop, a->op, buffer, program__below(p, RANDOM_BUFFER + 1));
    EXPECT(p, status == (a->buffer != NULL ? IOCP_OK : IOCP_ENOTSUP));
    if (status == IOCP_OK) {
        free(a->buffer); /* nobody has it from here on */
        a->buffer = buffer;
    } else {
        free(buffer);
    }
}

/* IOCP_REARM is taken as that: a run, or one more callback. */
static void action__run_again(action *a)
{
    a->is_over = !action__can_start(a);
    a->may_time_out = a->is_limited && !a->is_over;
    a->not_before_ns = 0;
}

static iocp_action_t action__answer(action *a, const iocp_result_t *result, bool could_start)
{
    program *p = a->program;
    bool is_last = action__is_once(a) || (result->status == IOCP_ECANCELED && !could_start);
    if (a->is_over || is_last) {
        EXPECT(p, is_last);
        action__end(a);
        return program__chance(p, 50) ? IOCP_REARM : IOCP_DISARM; /* which does not count */
    }
    if (program__chance(p, 20)) {
        action__replace_buffer(a);
    }
    if (!program__chance(p, 40)) {
        action__end(a);
        return IOCP_DISARM;
    }
    action__run_again(a);
    return IOCP_REARM;
}

static iocp_action_t IOCP_CALL action__on_result(iocp_loop_t *loop, const iocp_result_t *result,
                                                 void *userdata)
{
    action *a = userdata;
    program *p = a->program;
    bool could_start = action__can_start(a);
    EXPECT(p, a->is_pending && !a->is_in_callback);
    a->is_in_callback = true;
    EXPECT(p, loop == p->loop);
    EXPECT(p, result->op.id == a->op.id);
    EXPECT(p, result->type == a->type);
    EXPECT(p, result->handle.id == a->handle.id);
    EXPECT(p, iocp_op_state(loop, a->op) == IOCP_OP_ACTIVE);
    action__check_status(a, result);
    action__check_told(a, result);
    a->last_status = result->status;
    if (a->type == IOCP_TYPE_CLOSE) {
        action__check_close(a);
    }
    if (result->opened.id != 0) {
        program__add_socket(p, result->opened);
    }
    while (program__chance(p, 25)) {
        if (p->is_destroying) {
            program__act_in_the_end(p);
        } else {
            program__act(p);
        }
    }
    a->is_in_callback = false;
    if (a->target != NULL) {
        action__settle_cancel(a, result->status);
    }
    return action__answer(a, result, could_start);
}

static void IOCP_CALL program__on_post(iocp_loop_t *loop, void *arg)
{
    program *p = arg;
    EXPECT(p, loop == p->loop);
    p->posts_run++;
    if (!p->is_destroying && program__chance(p, 30)) {
        program__act(p);
    }
}

/* ---- Actions ---- */

/* Of a timer: some wait for good. */
static uint64_t program__delay(program *p)
{
    return program__chance(p, 10) ? UINT64_MAX : program__below(p, 8) * (MS / 2);
}

static void program__add_of_loop(program *p, iocp_type_t type)
{
    action *a = program__new_action(p, type, no_handle);
    if (a == NULL) {
        return;
    }
    int status = IOCP_ENOMEM;
    if (type == IOCP_TYPE_NOP) {
        status = iocp_nop(p->loop, action__on_result, a, &a->op);
    } else if (type == IOCP_TYPE_TIMER) {
        uint64_t delay_ns = program__delay(p);
        a->not_before_ns = ioc_add_saturated(iocp_loop_now(p->loop), delay_ns);
        status = iocp_timer(p->loop, delay_ns, action__on_result, a, &a->op);
    } else {
        status = iocp_async_wait(p->loop, p->async, action__on_result, a, &a->op);
    }
    program__added(p, a, status);
}

static uint64_t IOCP_CALL program__work(void *arg)
{
    program *p = arg;
    return ++p->works_run;
}

static void program__add_of_objects(program *p, iocp_type_t type)
{
    action *a = program__new_action(p, type, no_handle);
    if (a == NULL) {
        return;
    }
    int status = IOCP_ENOMEM;
    if (type == IOCP_TYPE_WAIT) {
        status = iocp_wait(p->loop, (void *)p->semaphore, action__on_result, a, &a->op);
    } else if (type == IOCP_TYPE_JOB_WATCH) {
        status = iocp_job_watch(p->loop, (void *)p->job, action__on_result, a, &a->op);
    } else if (type == IOCP_TYPE_CONSOLE_WATCH) {
        status = iocp_console_watch(p->loop, action__on_result, a, &a->op);
    } else {
        status = iocp_work(p->loop, program__work, p, action__on_result, a, &a->op);
    }
    program__added(p, a, status);
}

static void program__signal(program *p)
{
    uint32_t count = 1 + program__below(p, 3);
    p->signals += count;
    sim_semaphore_release(p->semaphore, count);
    for (; count > 0; count--) {
        p->messages++;
        sim_job_send(p->job, (uint32_t)p->messages % 8, p->messages);
    }
    if (p->event_count < RANDOM_EVENTS) {
        iocp_console_event_t which = (iocp_console_event_t)(p->event_count + 1);
        p->events[p->event_count++] = sim_console_raise(which);
    }
}

/* Each has been answered, and somebody was told of those that were handled. */
static void program__end_events(program *p)
{
    uint64_t handled = 0;
    for (uint32_t i = 0; i < p->event_count; i++) {
        sim_console_answer answer = sim_console_look(p->events[i]);
        EXPECT(p, answer != SIM_CONSOLE_NONE);
        handled += answer != SIM_CONSOLE_PASSED;
        sim_console_forget(p->events[i]);
    }
    EXPECT(p, handled <= p->events_told && (handled > 0) == (p->events_told > 0));
}

static void program__add_transfer(program *p, bool is_send)
{
    iocp_type_t type = is_send ? IOCP_TYPE_SEND : IOCP_TYPE_RECV;
    action *a = program__new_action(p, type, program__any_socket(p));
    if (a == NULL) {
        return;
    }
    a->buffer = calloc(1, RANDOM_BUFFER);
    uint32_t count = 1 + program__below(p, 3);
    for (uint32_t i = 0; i < count; i++) {
        a->list[i] = (iocp_buf_t){program__below(p, RANDOM_BUFFER / 3), a->buffer + i * 16};
    }
    int status = is_send
                     ? iocp_sendv(p->loop, a->handle, a->list, count, action__on_result, a, &a->op)
                     : iocp_recvv(p->loop, a->handle, a->list, count, action__on_result, a, &a->op);
    program__added(p, a, status);
}

/* On a stream that is a receive or a send; what was adopted may not be known yet. */
static void program__add_move(program *p, bool is_write)
{
    iocp_handle_t handle = program__any_socket(p);
    bool is_stream = iocp_handle_kind(p->loop, handle) == IOCP_HANDLE_STREAM;
    iocp_type_t type = is_write    ? is_stream ? IOCP_TYPE_SEND : IOCP_TYPE_WRITE
                       : is_stream ? IOCP_TYPE_RECV
                                   : IOCP_TYPE_READ;
    action *a = program__new_action(p, type, handle);
    if (a == NULL) {
        return;
    }
    a->buffer = calloc(1, RANDOM_BUFFER);
    size_t size = program__below(p, RANDOM_BUFFER + 1);
    int status = is_write
                     ? iocp_write(p->loop, handle, a->buffer, size, action__on_result, a, &a->op)
                     : iocp_read(p->loop, handle, a->buffer, size, action__on_result, a, &a->op);
    program__added(p, a, status);
}

static void program__add_drain(program *p)
{
    action *a = program__new_action(p, IOCP_TYPE_DRAIN, program__any_socket(p));
    if (a != NULL) {
        program__added(p, a,
                       iocp_drain(p->loop, a->handle, program__below(p, RANDOM_BUFFER),
                                  action__on_result, a, &a->op));
    }
}

/* Both ends of a pipe, some of them for synchronous use. */
static void program__adopt(program *p)
{
    uintptr_t ends[2];
    sim_pipe_create(ends, (sim_open_mode){.is_overlapped = program__chance(p, 80)});
    for (int i = 0; i < 2; i++) {
        iocp_handle_t handle = {0};
        int status = iocp_handle_adopt(p->loop, (void *)ends[i], &handle);
        if (status == IOCP_OK) {
            program__add_socket(p, handle);
        } else {
            EXPECT(p, status == IOCP_ENOMEM);
            sim_file_destroy(ends[i]);
        }
    }
}

static void program__add_connection(program *p)
{
    iocp_handle_t handle = {0};
    if (iocp_socket_open(p->loop, AF_INET, SOCK_STREAM, 0, &handle) != IOCP_OK) {
        return;
    }
    program__add_socket(p, handle);
    action *a = program__new_action(p, IOCP_TYPE_CONNECT, handle);
    if (a == NULL) {
        return;
    }
    program__added(p, a,
                   iocp_connect(p->loop, handle, contract_sockaddr(&p->address), p->address.length,
                                action__on_result, a, &a->op));
}

static void program__add_accept(program *p)
{
    action *a = program__new_action(p, IOCP_TYPE_ACCEPT, p->listener);
    if (a != NULL) {
        program__added(p, a, iocp_accept(p->loop, p->listener, action__on_result, a, &a->op));
    }
}

static void program__add_shutdown(program *p)
{
    action *a = program__new_action(p, IOCP_TYPE_SHUTDOWN, program__any_socket(p));
    if (a != NULL) {
        program__added(p, a,
                       iocp_shutdown(p->loop, a->handle, (iocp_shutdown_how_t)program__below(p, 3),
                                     action__on_result, a, &a->op));
    }
}

static void program__add_cancel(program *p)
{
    action *target = program__any_action(p);
    action *a = program__new_action(p, IOCP_TYPE_CANCEL, no_handle);
    if (target == NULL || a == NULL) {
        return;
    }
    int status = iocp_cancel(p->loop, target->op, action__on_result, a, &a->op);
    program__added(p, a, status);
    if (status == IOCP_OK) {
        target->cancels++;
        a->target = target;
        a->target_told = target->told;
    }
}

static void program__set_deadline(program *p)
{
    action *a = program__any_action(p);
    if (a == NULL) {
        return;
    }
    uint64_t delay_ns = program__chance(p, 20) ? UINT64_MAX : program__below(p, 5) * MS;
    int status = iocp_op_deadline(p->loop, a->op, delay_ns);
    if (status == IOCP_OK) {
        a->is_limited = delay_ns != UINT64_MAX;
        a->may_time_out = a->may_time_out || a->is_limited;
    }
    EXPECT(p, a->is_pending || status == IOCP_ENOENT);
}

static void program__reset_timer(program *p)
{
    action *a = program__any_action(p);
    if (a == NULL) {
        return;
    }
    uint64_t delay_ns = program__delay(p);
    int status = iocp_timer_reset(p->loop, a->op, delay_ns);
    EXPECT(p, a->is_pending || status == IOCP_ENOENT);
    if (status == IOCP_OK) {
        EXPECT(p, a->type == IOCP_TYPE_TIMER);
        a->not_before_ns = 0; /* in its own callback it is for the next run */
    }
}

static void program__reference(program *p)
{
    action *a = program__any_action(p);
    if (a == NULL) {
        return;
    }
    bool wanted = program__chance(p, 50);
    int status = wanted ? iocp_op_ref(p->loop, a->op) : iocp_op_unref(p->loop, a->op);
    EXPECT(p, status == (a->is_pending ? IOCP_OK : IOCP_ENOENT));
    if (status == IOCP_OK) {
        a->is_referenced = wanted;
    }
}

static void program__set_buffer(program *p)
{
    static unsigned char never[1];
    action *a = program__any_action(p);
    if (a == NULL || a->is_in_callback) {
        return;
    }
    int status = iocp_op_set_buffer(p->loop, a->op, never, 1);
    EXPECT(p, status == (!a->is_pending      ? IOCP_ENOENT
                         : a->buffer != NULL ? IOCP_EBUSY
                                             : IOCP_ENOTSUP));
}

static void program__look_at_data(program *p)
{
    void *data = NULL;
    iocp_handle_t handle = program__any_socket(p);
    int status = iocp_handle_get_data(p->loop, handle, &data);
    EXPECT(p, status == IOCP_OK ? data == data_of(handle) : status == IOCP_EBADF);
}

static void program__post(program *p)
{
    int status = iocp_post(p->loop, program__on_post, p);
    EXPECT(p, status == IOCP_OK || status == IOCP_ENOMEM);
    p->posted += status == IOCP_OK;
}

static void program__replace_async(program *p)
{
    iocp_async_t *async = NULL;
    if (iocp_async_create(p->loop, &async) != IOCP_OK) {
        return;
    }
    for (uint32_t i = 0; i < p->action_count; i++) {
        p->actions[i].is_abandoned =
            p->actions[i].is_abandoned || p->actions[i].type == IOCP_TYPE_ASYNC_WAIT;
    }
    EXPECT(p, iocp_async_destroy(p->async) == IOCP_OK);
    p->async = async;
}

/* Something at random. */
static void program__act(program *p)
{
    static const iocp_type_t of_objects[] = {IOCP_TYPE_JOB_WATCH, IOCP_TYPE_WORK,
                                             IOCP_TYPE_WAIT,      IOCP_TYPE_JOB_WATCH,
                                             IOCP_TYPE_WORK,      IOCP_TYPE_CONSOLE_WATCH};
    uint32_t what = program__below(p, 130);
    if (what == 129) {
        (void)iocp_loop_trim(p->loop); /* its memory changes nothing: see program__check */
    } else if (what >= 127) {
        program__adopt(p);
    } else if (what >= 121) {
        program__add_move(p, what % 2 == 0);
    } else if (what >= 118) {
        program__add_drain(p);
    } else if (what >= 115) {
        program__set_buffer(p);
    } else if (what >= 112) {
        program__look_at_data(p);
    } else if (what >= 106) {
        program__signal(p);
    } else if (what >= 100) {
        program__add_of_objects(p, of_objects[what - 100]);
    } else if (what < 8) {
        program__add_of_loop(p, IOCP_TYPE_NOP);
    } else if (what < 18) {
        program__add_of_loop(p, IOCP_TYPE_TIMER);
    } else if (what < 22) {
        program__add_of_loop(p, IOCP_TYPE_ASYNC_WAIT);
    } else if (what < 34) {
        program__add_transfer(p, true);
    } else if (what < 50) {
        program__add_transfer(p, false);
    } else if (what < 57) {
        program__add_connection(p);
    } else if (what < 62) {
        program__add_accept(p);
    } else if (what < 65) {
        program__add_shutdown(p);
    } else if (what < 69) {
        program__close(p, program__any_socket(p));
    } else if (what < 79) {
        program__add_cancel(p);
    } else if (what < 85) {
        program__set_deadline(p);
    } else if (what < 88) {
        program__reset_timer(p);
    } else if (what < 91) {
        program__reference(p);
    } else if (what < 94) {
        program__post(p);
    } else if (what < 97) {
        EXPECT(p, iocp_async_notify(p->async) == IOCP_OK);
    } else if (what < 98) {
        program__replace_async(p);
    } else {
        EXPECT(p, iocp_loop_submit(p->loop) == IOCP_OK);
    }
}

/* What a program may do while its loop is destroyed: close, and be refused. */
static void program__act_in_the_end(program *p)
{
    switch (program__below(p, 6)) {
    case 0:
    case 1:
        program__close(p, program__any_socket(p));
        break;
    case 2:
        program__close(p, p->listener);
        break;
    case 3:
        program__add_of_loop(p, IOCP_TYPE_NOP);
        break;
    case 4:
        program__add_move(p, true);
        break;
    default:
        program__set_deadline(p);
        break;
    }
}

/* ---- What must hold ---- */

/* What keeps the loop running; the library's own questions are no operations of the program's. */
static void program__check_levels(program *p, const iocp_stats_t *stats)
{
    const ioc_ops *ops = &p->loop->loop_only.ops;
    uint32_t cursor = 0;
    uint32_t questions = 0;
    uint32_t dormant = 0;
    uint32_t referenced = 0;
    for (const ioc_op *op; (op = ioc_slab_next(&ops->slab, &cursor)) != NULL;) {
        questions += op->kind->type == 0;
        dormant += op->is_dormant && op->is_referenced;
        EXPECT(p, !op->is_dormant || op->kind->type == IOCP_TYPE_TIMER);
    }
    for (uint32_t i = 0; i < p->action_count; i++) {
        referenced += p->actions[i].is_pending && p->actions[i].is_referenced;
    }
    EXPECT(p, stats->operations == p->pending + questions);
    EXPECT(p, iocp_loop_active(p->loop) == referenced - dormant);
}

/* A handle counts what is on it: the program's, the question what it is, and not its close. */
static void IOCP_CALL handle__check(const iocp_handle_entry_t *entry, void *userdata)
{
    program *p = userdata;
    uint64_t count = 0;
    bool is_closing = false;
    for (uint32_t i = 0; i < p->action_count; i++) {
        const action *a = &p->actions[i];
        bool is_on_it = a->is_pending && a->handle.id == entry->handle.id;
        count += is_on_it && a->type != IOCP_TYPE_CLOSE;
        is_closing = is_closing || (is_on_it && a->type == IOCP_TYPE_CLOSE);
    }
    EXPECT(p, (entry->closing != 0) == is_closing);
    EXPECT(p, entry->operations == count ||
                  (entry->operations == count + 1 && entry->kind == IOCP_HANDLE_OTHER));
}

static void program__check(program *p)
{
    sim_counts counts;
    iocp_stats_t stats = {.size = sizeof stats};
    const ioc_ops *ops = &p->loop->loop_only.ops;
    sim_read_counts(p->loop, &counts);
    EXPECT(p, iocp_loop_stats(p->loop, &stats) == IOCP_OK);
    program__check_levels(p, &stats);
    EXPECT(p, iocp_loop_handles(p->loop, handle__check, p) == IOCP_OK);
    EXPECT(p, stats.kernel == counts.pending);
    EXPECT(p, ioc_timers_is_valid(&ops->timers));
    EXPECT(p, ioc_timers_is_valid(&ops->deadlines));
    for (uint32_t i = 0; i < p->action_count; i++) {
        const action *a = &p->actions[i];
        bool is_alive = iocp_op_state(p->loop, a->op) != IOCP_OP_DEAD;
        EXPECT(p, is_alive == a->is_pending);
    }
}

static void program__turn(program *p)
{
    int status = IOCP_OK;
    switch (program__below(p, 5)) {
    case 0:
        status = iocp_loop_run(p->loop, IOCP_RUN_NO_WAIT);
        break;
    case 1:
        status = iocp_loop_tick(p->loop, 0);
        break;
    case 2:
        sim_advance(p->loop, program__below(p, 2000000));
        status = iocp_loop_tick(p->loop, 0);
        break;
    case 3:
        (void)iocp_loop_stop(p->loop);
        status = iocp_loop_run(p->loop, IOCP_RUN_ONCE);
        (void)iocp_loop_resume(p->loop);
        break;
    default: {
        /* With something that is sure to come, so that the loop may sleep. */
        contract_record timer = {0};
        iocp_op_t op = {0};
        if (iocp_timer(p->loop, program__below(p, 3000000), contract_keep, &timer, &op) ==
            IOCP_OK) {
            for (int i = 0; i < 100000 && timer.calls == 0; i++) {
                status = iocp_loop_run(p->loop, IOCP_RUN_ONCE);
                EXPECT(p, status == IOCP_OK || status == IOCP_ENOBUFS);
            }
            EXPECT(p, timer.calls == 1);
        }
        break;
    }
    }
    EXPECT(p, status == IOCP_OK || status == IOCP_ENOBUFS);
}

/* ---- From begin to end ---- */

static void program__script(program *p, sim_script *script)
{
    memset(script, 0, sizeof *script);
    script->seed = program__below(p, 256);
    script->latency_ns = program__below(p, 3) * MS;
    script->dequeue_ns = program__below(p, 2) * 1000;
    script->capacity_bytes = 1 + program__below(p, 100);
    script->sends_any_size = program__chance(p, 50);
    (void)choices_next_step(&p->choices);
    script->packet = program__below(p, 101);
    script->partial = program__below(p, 101);
    script->early_dequeue = program__below(p, 40);
    script->foreign = program__below(p, 20);
    script->late_wake = program__below(p, 50);
    script->late_cancel = program__below(p, 60);
    (void)choices_next_step(&p->choices);
    if (program__chance(p, 60)) {
        script->abort = program__below(p, 10);
        script->failed_start = program__below(p, 10);
        script->failed_cancel = program__below(p, 30);
        script->failed_dequeue = program__below(p, 10);
    }
}

static action program_actions[RANDOM_OPS]; /* of the program that runs */

static void program__begin(program *p, choices choices)
{
    sim_script script;
    memset(p, 0, sizeof *p);
    p->choices = choices;
    p->actions = program_actions;
    unit_memory_init(&p->memory);
    program__script(p, &script);
    iocp_loop_options_t options = {
        .size = sizeof options,
        .batch = program__chance(p, 50) ? 0 : 1 + program__below(p, 8),
        .completion_mode = program__below(p, 3),
        .allocate = p->memory.alloc.allocate,
        .free = p->memory.alloc.free,
        .allocator_context = &p->memory,
    };
    assert_int_equal(ioc_loop_create(&options, ioc_backend_default(), &script, &p->loop), IOCP_OK);
    p->listener = contract_listen(p->loop, AF_INET, &p->address);
    assert_int_equal(iocp_async_create(p->loop, &p->async), IOCP_OK);
    p->semaphore = sim_semaphore_create(0);
    p->job = sim_job_create();
    p->action_count = 0;
}

/* Destroy the loop, however often the kernel refuses. */
static void program__end(program *p)
{
    int status = IOCP_ETIMEDOUT;
    p->is_destroying = true;
    unit_memory_allow(&p->memory, UINT64_MAX);
    EXPECT(p, iocp_async_destroy(p->async) == IOCP_OK);
    for (int i = 0; i < 100000 && status != IOCP_OK; i++) {
        status = iocp_loop_destroy(p->loop, program__below(p, 3) * MS);
        EXPECT(p, status == IOCP_OK || status == IOCP_ETIMEDOUT || status == IOCP_ENOBUFS);
    }
    EXPECT(p, status == IOCP_OK);
    EXPECT(p, p->pending == 0);
    EXPECT(p, p->posts_run == p->posted);
    EXPECT(p, unit_memory_live(&p->memory) == 0);
    for (uint32_t i = 0; i < p->action_count; i++) {
        EXPECT(p, !p->actions[i].is_pending);
    }
    while (sim_object_try(p->semaphore)) {
        p->signals_taken++;
    }
    EXPECT(p, p->signals_taken == p->signals);
    EXPECT(p, p->works_done == p->works_run);
    program__end_events(p);
    sim_object_close(p->semaphore);
    sim_object_close(p->job);
}

sim_complaint sim_program_run(choices choices)
{
    program p;
    program__begin(&p, choices);
    while (p.complaint.what == NULL && choices_next_step(&p.choices)) {
        if (program__chance(&p, 2)) {
            unit_memory_allow(&p.memory, program__chance(&p, 50) ? UINT64_MAX : 0);
        }
        program__act(&p);
        if (program__chance(&p, 40)) {
            program__turn(&p);
            program__check(&p);
        }
    }
    program__end(&p);
    return p.complaint;
}

/* ---- A program for each seed ---- */

void sim_programs_assert(sim_program run, uint64_t only_seed, uint64_t seeds, uint32_t steps)
{
    uint64_t first = only_seed != 0 ? only_seed : 1;
    uint64_t last = only_seed != 0 ? only_seed : seeds;
    for (uint64_t seed = first; seed <= last; seed++) {
        sim_complaint complaint = run(choices_from_seed(seed, steps));
        if (complaint.what != NULL) {
            fail_msg("seed %llu: %s:%d: not so: %s", (unsigned long long)seed, complaint.file,
                     complaint.line, complaint.what);
        }
    }
}
