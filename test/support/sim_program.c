/*
 * Operations, cancels, deadlines, rearms, other buffers, closes, adopted pipes, standard streams,
 * children and posts in any order, on a kernel that refuses, delays, aborts and comes early as the
 * choices have it. After every turn it must hold that each accepted operation has called back once for each run, that ids
 * of ended operations are stale, that the counters agree with the simulation, and that the timers are
 * sound. Where nothing can be started again a rearmed operation has one more callback and no other,
 * a cancel that was accepted is told at the latest by the second callback, and a close comes last.
 * In the end the loop can be destroyed and nothing is left, no signal was lost or taken twice, each
 * function of blocking work has run as often as its results say, and as many children have been
 * started. What is told of a child's end is how it has ended. A lent buffer is one holder's, no receive
 * waits while one is free, and a sendfile has sent what there was. A datagram comes as it was sent, a name has
 * its addresses, a poll tells of nothing else than what it waits for.
 */
#include "sim_program.h"

#include "base.h"
#include "buffers.h"
#include "contract_file.h"
#include "kind.h"
#include "loop.h"
#include "sim_call.h"
#include "sim_console.h"
#include "sim_file.h"
#include "sim_net.h"
#include "sim_object.h"
#include "sim_spawn.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#define RANDOM_OPS      4000
#define RANDOM_HANDLES  64
#define RANDOM_CHILDREN 32
#define RANDOM_BUFFER   48
#define RANDOM_EVENTS   5 /* of the console, one of each kind */
#define RANDOM_STOPPED  0xC000013Au
#define RANDOM_POOLS    32
#define RANDOM_LOANS    12
#define RANDOM_FILE     100 /* bytes */
#define RANDOM_ECN      1   /* of all messages */
#define RANDOM_NAMES    4   /* that come and go in a folder */

/* A name, and what is told of it. */
typedef struct name {
    const char *host;
    const char *service;
    uint32_t flags;
    int family;
    int status;
    uint32_t addresses;
} name;

/* A pool of buffers, which is there until the last of it is back. */
typedef struct pool {
    iocp_buffers_t *buffers;
    size_t size;
    uint32_t lent;
    bool is_destroyed;
} pool;

/* A buffer that is the program's: nobody else writes to it. */
typedef struct loan {
    pool *from;
    unsigned char *data;
    unsigned char mark; /* all of its bytes */
} loan;

/* One operation that the program has added. */
typedef struct action {
    struct program *program;
    iocp_op_t op;
    iocp_type_t type;
    iocp_handle_t handle;
    uintptr_t process; /* that the handle is of, or 0 */
    bool is_pending;
    bool is_referenced;
    bool is_in_callback;
    bool is_limited;       /* it has a deadline, in each run */
    bool may_time_out;     /* in this run */
    bool may_be_cancelled; /* a cancel was accepted since it was told the last time */
    bool is_abandoned;     /* its async was destroyed */
    bool is_over;          /* it was rearmed where it cannot be started: it is told so, once */
    bool has_group;        /* of a spawn: its child can be asked to end */
    bool ends_by_close;    /* of a spawn: its child ends with the handle */
    bool is_missing;       /* of a spawn: its program */
    bool has_ends;         /* of a spawn: of pipes, for its child */
    bool is_spent;         /* of a spawn: these are gone */
    uint32_t cancels;      /* that have not called back */
    uint32_t told;         /* how often that it is cancelled */
    uint32_t left;         /* callbacks until it must be told; 0: no matter */
    int last_status;
    struct action *target; /* of a cancel */
    uint32_t target_told;  /* when it was called */
    uint64_t not_before_ns;
    uint64_t grace_ns;  /* of a stop */
    pool *pool;         /* of a receive of lent buffers */
    iocp_handle_t file; /* of a sendfile */
    uint64_t to_send;   /* by it, all in all */
    bool is_short;      /* its file is */
    bool has_datagrams; /* it runs on a socket of such */
    uintptr_t socket;   /* of a poll */
    uint32_t events;
    const name *name; /* of a resolve */
    uint32_t count;
    iocp_buf_t list[3];
    unsigned char *buffer; /* on the heap: nobody may write to it after the callback */
    unsigned char *room;   /* the same of a call of the program's own */
    uint32_t room_bytes;
} action;

/* Handles that may be open, or closing, or long gone. */
typedef struct handles {
    iocp_handle_t all[RANDOM_HANDLES];
    uint32_t count;
} handles;

/* A process that the loop has started; the program has a handle of its own of it. */
typedef struct child {
    uintptr_t number;
    iocp_handle_t handles[2]; /* of the spawn, and one that was adopted */
    bool has_group;
    bool ends_by_close;
    bool is_guarded; /* it cannot be ended */
    bool is_doomed;  /* a stop was accepted; and one that may end it by force */
    bool is_forcible;
} child;

typedef struct program {
    choices choices;
    iocp_loop_t *loop;
    iocp_async_t *async;
    unit_memory memory;
    bool is_destroying;
    contract_address address;
    iocp_handle_t listener;
    contract_server servers[2]; /* of pipes */
    handles sockets;            /* and pipes, and standard streams */
    handles ends;               /* of pairs, for children */
    uintptr_t streams[3];       /* what the process has as its standard streams, 0: nothing yet */
    child children[RANDOM_CHILDREN];
    uint32_t child_count;
    uint64_t children_told;
    uint64_t spawned_before; /* by other programs */
    size_t objects_before;
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
    pool pools[RANDOM_POOLS];
    uint32_t pool_count;
    loan loans[RANDOM_LOANS];
    uint32_t loan_count;
    handles files;
    size_t files_before;
    handles folders;             /* all to the one folder that there is */
    bool is_there[RANDOM_NAMES]; /* in it */
    uint64_t comings;            /* how often one of these came */
    handles datagrams;
    contract_address place; /* of one of these */
    uintptr_t foreign;      /* a socket that is not the loop's */
    iocp_address_t *addresses;
    bool takes_packets;
    uint64_t packets_sent; /* to the loop's port, for somebody else; each has its number */
    uint64_t packets_told;
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

static iocp_handle_t program__any_listener(program *p)
{
    uint32_t which = program__below(p, 1 + IOC_COUNT_OF(p->servers));
    return which == 0 ? p->listener : p->servers[which - 1].listener;
}

static iocp_handle_t program__any_of(program *p, const handles *of)
{
    return of->count > 0 ? of->all[program__below(p, of->count)] : no_handle;
}

static iocp_handle_t program__any_socket(program *p)
{
    return program__any_of(p, &p->sockets);
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
    free(a->room);
    a->room = NULL;
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

static void program__mark(program *p, iocp_handle_t handle)
{
    EXPECT(p, iocp_handle_set_data(p->loop, handle, data_of(handle)) == IOCP_OK);
}

static void program__keep(program *p, handles *among, iocp_handle_t handle)
{
    program__mark(p, handle);
    if (among->count < RANDOM_HANDLES) {
        among->all[among->count++] = handle;
    } else {
        uint32_t place = program__below(p, RANDOM_HANDLES);
        program__close(p, among->all[place]);
        among->all[place] = handle;
    }
}

static void program__add_socket(program *p, iocp_handle_t handle)
{
    program__keep(p, &p->sockets, handle);
}

/* ---- Children ---- */

static child *program__child_of(program *p, uintptr_t number)
{
    for (uint32_t i = 0; i < p->child_count; i++) {
        if (p->children[i].number == number) {
            return &p->children[i];
        }
    }
    return NULL;
}

static uint32_t child__exit_code(const child *c)
{
    return (uint32_t)c->number % 251;
}

static void program__end_child(program *p)
{
    if (p->child_count > 0) {
        const child *c = &p->children[program__below(p, p->child_count)];
        if (!sim_object_try(c->number)) {
            sim_process_end(c->number, child__exit_code(c));
        }
    }
}

/* The program has a handle of its own, so that it can end what it finds there. */
static void program__add_child(program *p, const action *spawn, const iocp_result_t *result)
{
    uint32_t id = 0;
    uintptr_t number = (uintptr_t)result->value;
    program__mark(p, result->opened);
    EXPECT(p, iocp_process_get_id(p->loop, result->opened, &id) == IOCP_OK && id == number);
    EXPECT(p, program__child_of(p, number) == NULL);
    p->children_told++;
    if (p->child_count == RANDOM_CHILDREN) {
        program__close(p, result->opened);
        return;
    }
    child *c = &p->children[p->child_count++];
    *c = (child){.number = sim_object_duplicate(number),
                 .handles = {result->opened},
                 .has_group = spawn->has_group,
                 .ends_by_close = spawn->ends_by_close,
                 .is_guarded = program__chance(p, 10)};
    if (c->is_guarded) {
        sim_process_guard(number);
    }
}

/* It has ended as the program had it, or by a stop. */
static void action__check_end(const action *a, const iocp_result_t *result)
{
    program *p = a->program;
    const child *c = program__child_of(p, a->process);
    bool is_stopped = result->value == RANDOM_STOPPED;
    bool is_forced = (result->flags & IOCP_RESULT_FORCED) != 0;
    EXPECT(p, sim_object_try(a->process));
    bool is_closed = c->ends_by_close && result->value == 0;
    EXPECT(p, is_stopped ? c->is_doomed : is_closed || result->value == child__exit_code(c));
    EXPECT(p, !is_forced || (is_stopped && c->is_forcible && !c->is_guarded));
    EXPECT(p, !is_forced || a->type == IOCP_TYPE_PROCESS_STOP);
    if (a->type == IOCP_TYPE_PROCESS_STOP) {
        EXPECT(p, !is_stopped || is_forced || c->has_group);
    }
}

static void action__check_stop(const action *a, int status)
{
    program *p = a->program;
    const child *c = program__child_of(p, a->process);
    EXPECT(p, status != IOCP_EACCES || (c->is_guarded && a->grace_ns != UINT64_MAX));
    EXPECT(p, status != IOCP_ENOTSUP || (!c->has_group && a->grace_ns == UINT64_MAX));
}

/* ---- Lent buffers ---- */

static void loan__check(program *p, const loan *l)
{
    for (size_t i = 0; i < l->from->size; i++) {
        EXPECT(p, l->data[i] == l->mark);
    }
}

static void program__return(program *p, uint32_t place)
{
    loan l = p->loans[place];
    loan__check(p, &l);
    p->loans[place] = p->loans[--p->loan_count];
    l.from->lent--;
    EXPECT(p, iocp_buffers_return(l.from->buffers, l.data) == IOCP_OK);
    if (!l.from->is_destroyed) {
        EXPECT(p, iocp_buffers_return(l.from->buffers, l.data) == IOCP_EINVAL);
    }
}

static void program__return_any(program *p)
{
    if (p->loan_count > 0) {
        program__return(p, program__below(p, p->loan_count));
    }
}

/* ---- Datagrams: each byte of one says how many it has ---- */

static void action__stamp(const action *a)
{
    uint32_t bytes = 0;
    for (uint32_t i = 0; i < a->count; i++) {
        bytes += a->list[i].length;
    }
    for (uint32_t i = 0; i < a->count; i++) {
        memset(a->list[i].base, (int)bytes, a->list[i].length);
    }
}

static void action__check_datagram(const action *a, const iocp_result_t *result,
                                   const iocp_buf_t *list)
{
    program *p = a->program;
    bool is_cut = (result->flags & IOCP_RESULT_TRUNCATED) != 0;
    uint64_t left = result->bytes;
    EXPECT(p, result->address != NULL);
    for (; left > 0; list++) {
        for (uint32_t i = 0; i < list->length && left > 0; i++, left--) {
            unsigned char byte = ((const unsigned char *)list->base)[i];
            EXPECT(p, is_cut ? byte > result->bytes : byte == result->bytes);
        }
    }
}

static void action__check_message(const action *a, const iocp_result_t *result)
{
    program *p = a->program;
    const iocp_message_t *message = result->message;
    action__check_datagram(a, result, a->list);
    EXPECT(p, message->size == sizeof *message && message->peer == result->address);
    EXPECT(p, (message->fields & IOCP_MESSAGE_ECN) == 0 || message->ecn == RANDOM_ECN);
}

/* ---- Names ---- */

static uint32_t addresses__count(const iocp_address_t *list)
{
    uint32_t count = 0;
    for (; list != NULL; list = list->next) {
        count++;
    }
    return count;
}

static void action__check_addresses(const action *a, const iocp_result_t *result)
{
    program *p = a->program;
    iocp_address_t *copy = NULL;
    EXPECT(p, a->name->status == IOCP_OK);
    EXPECT(p, addresses__count(result->addresses) == a->name->addresses);
    if (p->is_destroying) {
        return;
    }
    int status = iocp_addresses_copy(p->loop, result->addresses, &copy);
    EXPECT(p, status == IOCP_OK || status == IOCP_ENOMEM);
    if (status == IOCP_OK) {
        EXPECT(p, addresses__count(copy) == a->name->addresses);
        iocp_addresses_free(p->loop, p->addresses);
        p->addresses = copy;
    }
}

/* ---- Polls ---- */

static bool is_socket(uintptr_t number)
{
    sim_lock();
    bool is_one = sim_socket_find(number) != NULL;
    sim_unlock();
    return is_one;
}

static void action__check_events(const action *a, const iocp_result_t *result)
{
    program *p = a->program;
    EXPECT(p, result->event != 0);
    EXPECT(p, (result->event & ~(a->events | IOCP_POLL_ERROR)) == 0);
}

/* Nobody has it besides, and what it was is of no interest. */
static void action__borrow(const action *a, const iocp_result_t *result)
{
    program *p = a->program;
    if (a->has_datagrams) {
        iocp_buf_t whole = {.length = (uint32_t)a->pool->size, .base = result->data};
        action__check_datagram(a, result, &whole);
    }
    loan l = {
        .from = a->pool, .data = result->data, .mark = (unsigned char)(0x80 + p->action_count)};
    for (uint32_t i = 0; i < p->loan_count; i++) {
        EXPECT(p, p->loans[i].data != l.data);
    }
    EXPECT(p, result->bytes <= l.from->size);
    memset(l.data, l.mark, l.from->size);
    l.from->lent++;
    if (p->loan_count == RANDOM_LOANS) {
        program__return(p, 0);
    }
    p->loans[p->loan_count++] = l;
}

/* Nobody waits while a buffer is free, and who has one is a receive or the program. */
static void pool__check(program *p, const pool *of)
{
    size_t lent = 0;
    size_t waiting = 0;
    uint32_t receives = 0;
    for (uint32_t i = 0; i < p->action_count; i++) {
        receives += p->actions[i].is_pending && p->actions[i].pool == of;
    }
    EXPECT(p, iocp_buffers_lent(of->buffers, &lent, &waiting) == IOCP_OK);
    EXPECT(p, lent == of->lent);
    EXPECT(p, waiting == 0 || (!of->is_destroyed && of->buffers->taken == of->buffers->count));
    EXPECT(p, of->buffers->taken - lent + waiting <= receives);
}

static void program__check_pools(program *p, const iocp_stats_t *stats)
{
    EXPECT(p, stats->lent == p->loan_count);
    for (uint32_t i = 0; i < p->loan_count; i++) {
        loan__check(p, &p->loans[i]);
    }
    for (uint32_t i = 0; i < p->pool_count; i++) {
        if (!p->pools[i].is_destroyed || p->pools[i].lent > 0) {
            pool__check(p, &p->pools[i]);
        }
    }
}

/* NULL: there is none. */
static pool *program__any_pool(program *p)
{
    pool *any = p->pool_count > 0 ? &p->pools[program__below(p, p->pool_count)] : NULL;
    return any != NULL && !any->is_destroyed ? any : NULL;
}

static pool *program__new_pool(program *p)
{
    if (p->pool_count == RANDOM_POOLS) {
        return NULL;
    }
    pool *made = &p->pools[p->pool_count];
    *made = (pool){.size = 1 + program__below(p, RANDOM_BUFFER)};
    int status = iocp_buffers_create(p->loop, 1 + program__below(p, 3), made->size, &made->buffers);
    EXPECT(p,
           p->is_destroying ? status == IOCP_ECLOSING : status == IOCP_OK || status == IOCP_ENOMEM);
    p->pool_count += status == IOCP_OK;
    return status == IOCP_OK ? made : NULL;
}

static void program__destroy_pool(program *p)
{
    pool *any = program__any_pool(p);
    if (any != NULL) {
        EXPECT(p, iocp_buffers_destroy(any->buffers) == IOCP_OK);
        any->is_destroyed = true;
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
    } else if (a->process != 0) {
        action__check_end(a, result);
    } else if (a->type == IOCP_TYPE_SPAWN) {
        EXPECT(p, !a->is_missing && !a->is_spent);
    } else if (a->type == IOCP_TYPE_RECV_LENT) {
        action__borrow(a, result);
    } else if (a->type == IOCP_TYPE_RECVMSG) {
        action__check_message(a, result);
    } else if (a->type == IOCP_TYPE_RESOLVE) {
        action__check_addresses(a, result);
    } else if (a->type == IOCP_TYPE_POLL) {
        action__check_events(a, result);
    }
}

/* Of a sendfile: all that there was, or a part of it. */
static void action__check_sent(const action *a, const iocp_result_t *result)
{
    program *p = a->program;
    bool is_whole = result->bytes == a->to_send;
    EXPECT(p, result->bytes <= a->to_send);
    EXPECT(p, result->status != IOCP_OK || (is_whole && !a->is_short));
    EXPECT(p, result->status != IOCP_EOF || (is_whole && a->is_short));
}

static bool program__is_open(const program *p, iocp_handle_t handle)
{
    void *native = NULL;
    return handle.id == 0 || iocp_handle_native(p->loop, handle, &native) == IOCP_OK;
}

/* Whether it can be started: its first run or another. */
static bool action__can_start(const action *a)
{
    bool has_all = !a->is_abandoned && (a->pool == NULL || !a->pool->is_destroyed);
    return !a->program->is_destroying && has_all && program__is_open(a->program, a->handle) &&
           program__is_open(a->program, a->file);
}

static bool action__is_once(const action *a)
{
    return a->type == IOCP_TYPE_CANCEL || a->type == IOCP_TYPE_CLOSE;
}

static bool is_want(int status)
{
    return status == IOCP_ENOBUFS || status == IOCP_ENOMEM || status == IOCP_EMFILE;
}

static bool action__opens(const action *a)
{
    return a->type == IOCP_TYPE_ACCEPT || a->type == IOCP_TYPE_PIPE_CONNECT ||
           a->type == IOCP_TYPE_SPAWN;
}

/* One that is told has come, or is the file of sendfiles; of too much none is told. */
static void action__check_entries(const action *a, const iocp_result_t *result)
{
    program *p = a->program;
    bool is_watch = a->type == IOCP_TYPE_FOLDER_WATCH;
    bool is_told = result->status == IOCP_OK && (is_watch || a->type == IOCP_TYPE_FOLDER_LIST);
    bool is_lost = (result->flags & IOCP_RESULT_RESCAN) != 0;
    EXPECT(p, !is_lost || (is_watch && is_told));
    EXPECT(p, is_told == (result->entries != NULL || is_lost));
    for (const iocp_entry_t *entry = result->entries; entry != NULL; entry = entry->next) {
        bool is_number = entry->name[0] >= '0' && entry->name[0] < '0' + RANDOM_NAMES;
        EXPECT(p, entry->name_length == strlen(entry->name) && entry->info != NULL);
        EXPECT(p, strcmp(entry->name, "file") == 0 || (is_number && entry->name_length == 1));
        EXPECT(p, entry->change == IOCP_CHANGE_NONE ? !is_watch : is_watch);
        EXPECT(p, entry->change != IOCP_CHANGE_RENAMED && (!is_number || p->comings > 0));
    }
}

static void action__check_status(const action *a, const iocp_result_t *result)
{
    program *p = a->program;
    bool is_ok = result->status == IOCP_OK;
    EXPECT(p, (is_ok && a->type == IOCP_TYPE_RECV_LENT) == (result->data != NULL));
    EXPECT(p, (is_ok && a->type == IOCP_TYPE_RECVMSG) == (result->message != NULL));
    EXPECT(p, (is_ok && a->type == IOCP_TYPE_RESOLVE) == (result->addresses != NULL));
    action__check_entries(a, result);
    if (a->type == IOCP_TYPE_SENDFILE) {
        action__check_sent(a, result);
    }
    switch (result->status) {
    case IOCP_OK:
        EXPECT(p, a->type != IOCP_TYPE_TIMER || iocp_loop_now(p->loop) >= a->not_before_ns);
        EXPECT(p, action__opens(a) == (result->opened.id != 0));
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
        EXPECT(p, a->type == IOCP_TYPE_RECV || a->type == IOCP_TYPE_READ ||
                      a->type == IOCP_TYPE_RECV_LENT || a->type == IOCP_TYPE_SENDFILE ||
                      a->type == IOCP_TYPE_OVERLAPPED || a->type == IOCP_TYPE_FOLDER_LIST);
        break;
    default:
        EXPECT(p, result->native_error != 0 || result->status == IOCP_ENOMEM ||
                      result->status == IOCP_EPIPE || result->status == IOCP_ENOTSUP ||
                      result->status == IOCP_ENOTOVERLAPPED ||
                      (a->name != NULL && result->status == a->name->status));
        EXPECT(p, result->status != IOCP_EBADF || !is_socket(a->socket));
        /* An accept is told once that something is short. */
        EXPECT(p, a->type != IOCP_TYPE_ACCEPT || result->status == IOCP_ENOMEM ||
                      !is_want(result->status) || !is_want(a->last_status));
        if (a->type == IOCP_TYPE_PROCESS_STOP) {
            action__check_stop(a, result->status);
        }
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
        bool is_on_it = other->handle.id == a->handle.id || other->file.id == a->handle.id;
        EXPECT(p, other == a || !other->is_pending || !is_on_it);
    }
    EXPECT(p, iocp_handle_get_data(p->loop, a->handle, &data) == IOCP_OK);
    EXPECT(p, data == data_of(a->handle));
}

static void action__end(action *a)
{
    program *p = a->program;
    a->is_pending = false;
    p->pending--;
    free(a->buffer);
    a->buffer = NULL;
    free(a->room);
    a->room = NULL;
}

static void action__replace_buffer(action *a)
{
    program *p = a->program;
    unsigned char *buffer = calloc(1, RANDOM_BUFFER);
    uint32_t size = program__below(p, RANDOM_BUFFER + 1);
    int status = iocp_op_set_buffer(p->loop, a->op, buffer, size);
    EXPECT(p, status == (a->buffer != NULL ? IOCP_OK : IOCP_ENOTSUP));
    if (status == IOCP_OK) {
        free(a->buffer); /* nobody has it from here on */
        a->buffer = buffer;
        a->list[0] = (iocp_buf_t){.length = size, .base = buffer};
        a->count = 1;
        action__stamp(a);
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

static void program__add_opened(const action *a, const iocp_result_t *result)
{
    if (a->type == IOCP_TYPE_SPAWN) {
        program__add_child(a->program, a, result);
    } else {
        program__add_socket(a->program, result->opened);
    }
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
    if (a->type == IOCP_TYPE_SPAWN) {
        a->is_spent = a->is_spent || (a->has_ends && (result->status == IOCP_OK || a->is_missing));
    }
    if (result->opened.id != 0) {
        program__add_opened(a, result);
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

static iocp_type_t program__any_type(program *p, const iocp_type_t *types, size_t count)
{
    return types[program__below(p, (uint32_t)count)];
}

static void program__add_of_type(program *p, iocp_type_t type)
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

static void program__add_of_loop(program *p)
{
    static const iocp_type_t types[] = {IOCP_TYPE_NOP,   IOCP_TYPE_NOP,   IOCP_TYPE_TIMER,
                                        IOCP_TYPE_TIMER, IOCP_TYPE_TIMER, IOCP_TYPE_ASYNC_WAIT};
    program__add_of_type(p, program__any_type(p, types, IOC_COUNT_OF(types)));
}

static void program__add_nop(program *p)
{
    program__add_of_type(p, IOCP_TYPE_NOP);
}

static uint64_t IOCP_CALL program__work(void *arg)
{
    program *p = arg;
    return ++p->works_run;
}

static void program__add_of_objects(program *p)
{
    static const iocp_type_t types[] = {IOCP_TYPE_JOB_WATCH, IOCP_TYPE_WORK,
                                        IOCP_TYPE_WAIT,      IOCP_TYPE_JOB_WATCH,
                                        IOCP_TYPE_WORK,      IOCP_TYPE_CONSOLE_WATCH};
    iocp_type_t type = program__any_type(p, types, IOC_COUNT_OF(types));
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

static void action__take_list(action *a)
{
    program *p = a->program;
    a->buffer = calloc(1, RANDOM_BUFFER);
    a->count = 1 + program__below(p, 3);
    for (uint32_t i = 0; i < a->count; i++) {
        a->list[i] = (iocp_buf_t){program__below(p, RANDOM_BUFFER / 3), a->buffer + i * 16};
    }
}

static void program__add_transfer(program *p)
{
    bool is_send = program__chance(p, 43);
    iocp_type_t type = is_send ? IOCP_TYPE_SEND : IOCP_TYPE_RECV;
    action *a = program__new_action(p, type, program__any_socket(p));
    if (a == NULL) {
        return;
    }
    action__take_list(a);
    int status =
        is_send ? iocp_sendv(p->loop, a->handle, a->list, a->count, action__on_result, a, &a->op)
                : iocp_recvv(p->loop, a->handle, a->list, a->count, action__on_result, a, &a->op);
    program__added(p, a, status);
}

static void program__open_datagrams(program *p)
{
    static const iocp_socket_option_t option = IOCP_SOCKET_RECV_ECN;
    contract_address any = contract_loopback(AF_INET, 0);
    iocp_handle_t handle = {0};
    if (iocp_socket_open(p->loop, AF_INET, SOCK_DGRAM, 0, &handle) != IOCP_OK) {
        return;
    }
    EXPECT(p, iocp_socket_bind(p->loop, handle, contract_sockaddr(&any), any.length) == IOCP_OK);
    if (program__chance(p, 50)) {
        EXPECT(p, iocp_socket_set_option(p->loop, handle, option, 1) == IOCP_OK);
    }
    p->place.length = sizeof p->place.storage;
    EXPECT(p, iocp_socket_get_name(p->loop, handle, (struct sockaddr *)&p->place.storage,
                                   &p->place.length) == IOCP_OK);
    program__keep(p, &p->datagrams, handle);
}

/* To the socket that was opened last, which may be gone; from any. */
static void program__add_message(program *p)
{
    bool is_send = program__chance(p, 50);
    action *a = program__new_action(p, is_send ? IOCP_TYPE_SENDMSG : IOCP_TYPE_RECVMSG,
                                    program__any_of(p, &p->datagrams));
    if (a == NULL) {
        return;
    }
    int status = IOCP_ENOMEM;
    action__take_list(a);
    if (is_send) {
        action__stamp(a);
        iocp_message_t message = {.size = sizeof message,
                                  .peer = contract_sockaddr(&p->place),
                                  .peer_length = p->place.length,
                                  .ecn = RANDOM_ECN};
        status = iocp_sendmsg(p->loop, a->handle, a->list, a->count, &message, action__on_result, a,
                              &a->op);
    } else {
        status = iocp_recvmsg(p->loop, a->handle, a->list, a->count, action__on_result, a, &a->op);
    }
    program__added(p, a, status);
}

static void program__close_datagrams(program *p)
{
    program__close(p, program__any_of(p, &p->datagrams));
}

static void program__add_resolve(program *p)
{
    static const name names[] = {
        {"localhost", "http", 0, 0, IOCP_OK, 2},
        {"many.test", "1", 0, 0, IOCP_OK, IOCP_RESOLVE_ADDRESSES_MAX},
        {"twice.test", NULL, 0, AF_INET, IOCP_OK, 2},
        {"127.0.0.1", "domain", 0, 0, IOCP_OK, 1},
        {"127.0.0.1", "80", IOCP_RESOLVE_NUMERIC, 0, IOCP_OK, 1},
        {NULL, NULL, IOCP_RESOLVE_LISTEN, 0, IOCP_OK, 2},
        {"busy.test", NULL, 0, 0, IOCP_EAGAIN, 0},
        {"no.test", NULL, 0, 0, IOCP_ENONAME, 0},
        {"ipv4.test", NULL, 0, AF_INET6, IOCP_ENOADDRESS, 0},
        {"", NULL, 0, 0, IOCP_EINVAL, 0},
    };
    action *a = program__new_action(p, IOCP_TYPE_RESOLVE, no_handle);
    if (a == NULL) {
        return;
    }
    a->name = &names[program__below(p, IOC_COUNT_OF(names))];
    iocp_resolve_options_t options = {
        .size = sizeof options, .flags = a->name->flags, .family = a->name->family};
    program__added(p, a,
                   iocp_resolve(p->loop, a->name->host, a->name->service, &options,
                                action__on_result, a, &a->op));
}

/* A socket of somebody else, one of the loop's own, or one that may be gone. */
static uintptr_t program__any_number(program *p)
{
    void *native = NULL;
    if (program__chance(p, 30)) {
        return p->foreign;
    }
    const handles *of = program__chance(p, 70) ? &p->sockets : &p->datagrams;
    (void)iocp_handle_native(p->loop, program__any_of(p, of), &native);
    return (uintptr_t)native;
}

static void program__add_poll(program *p)
{
    action *a = program__new_action(p, IOCP_TYPE_POLL, no_handle);
    if (a != NULL) {
        a->socket = program__any_number(p);
        a->events = program__below(p, 32);
        program__added(p, a,
                       iocp_poll(p->loop, a->socket, a->events, action__on_result, a, &a->op));
    }
}

static void program__set_events(program *p)
{
    action *a = program__any_action(p);
    if (a == NULL) {
        return;
    }
    uint32_t events = program__below(p, 32);
    int status = iocp_poll_set(p->loop, a->op, events);
    if (!a->is_pending || a->type != IOCP_TYPE_POLL) {
        EXPECT(p, status == (a->is_pending ? IOCP_EINVAL : IOCP_ENOENT));
        return;
    }
    EXPECT(p, status == IOCP_OK || (!a->is_in_callback && status != IOCP_ENOENT));
    a->events = status == IOCP_OK ? events : a->events;
}

static void program__replace_foreign(program *p)
{
    sim_socket_destroy(p->foreign);
    p->foreign = sim_socket_create(AF_INET);
}

/* On a stream that is a receive or a send; what was adopted may not be known yet. */
static void program__add_move(program *p)
{
    bool is_write = program__chance(p, 50);
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

/* It is called in a turn that can start it, and never where it would have no memory. */
static uint32_t IOCP_CALL action__start_call(void *native, void *overlapped, void *arg)
{
    action *a = arg;
    EXPECT(a->program, a->is_pending && !a->is_over && action__can_start(a));
    return program__chance(a->program, 10)
               ? 10042
               : sim_call_receive(native, overlapped, a->room, a->room_bytes);
}

static void program__add_call(program *p)
{
    bool has_datagrams = program__chance(p, 20);
    action *a = program__new_action(
        p, IOCP_TYPE_OVERLAPPED, program__any_of(p, has_datagrams ? &p->datagrams : &p->sockets));
    if (a == NULL) {
        return;
    }
    a->room = calloc(1, RANDOM_BUFFER);
    a->room_bytes = program__below(p, RANDOM_BUFFER + 1);
    program__added(
        p, a,
        iocp_overlapped(p->loop, a->handle, action__start_call, a, action__on_result, a, &a->op));
}

/* Into a buffer of a pool that is there, or of a new one. */
static void program__add_lent(program *p)
{
    pool *from = program__chance(p, 80) ? program__any_pool(p) : NULL;
    from = from != NULL ? from : program__new_pool(p);
    bool has_datagrams = program__chance(p, 20);
    action *a = program__new_action(
        p, IOCP_TYPE_RECV_LENT, program__any_of(p, has_datagrams ? &p->datagrams : &p->sockets));
    if (a != NULL && from != NULL) {
        a->pool = from;
        a->has_datagrams = has_datagrams;
        program__added(
            p, a, iocp_recv_lent(p->loop, a->handle, from->buffers, action__on_result, a, &a->op));
    }
}

static void program__open_file(program *p)
{
    const uint32_t flags = IOCP_FILE_READ | IOCP_FILE_WRITE | IOCP_FILE_CREATE;
    iocp_handle_t handle = {0};
    int status = iocp_file_open(p->loop, contract_path_of("file").text, flags, &handle);
    EXPECT(p, status == IOCP_OK || status == IOCP_ENOMEM);
    if (status == IOCP_OK) {
        EXPECT(p, iocp_file_set_size(p->loop, handle, RANDOM_FILE) == IOCP_OK);
        program__keep(p, &p->files, handle);
    }
}

static void program__open_folder(program *p)
{
    iocp_handle_t handle = {0};
    int status = iocp_file_open(p->loop, contract_path_of("").text,
                                IOCP_FILE_READ | IOCP_FILE_FOLDER, &handle);
    EXPECT(p, status == IOCP_OK || status == IOCP_ENOMEM);
    if (status == IOCP_OK) {
        program__keep(p, &p->folders, handle);
    }
}

static bool program__has_on(const program *p, iocp_type_t type, iocp_handle_t handle)
{
    for (uint32_t i = 0; i < p->action_count; i++) {
        const action *a = &p->actions[i];
        if (a->is_pending && a->type == type && a->handle.id == handle.id) {
            return true;
        }
    }
    return false;
}

/* One of each kind at a time. */
static void program__add_on_folder(program *p)
{
    iocp_type_t type = program__chance(p, 50) ? IOCP_TYPE_FOLDER_WATCH : IOCP_TYPE_FOLDER_LIST;
    action *a = program__new_action(p, type, program__any_of(p, &p->folders));
    if (a == NULL) {
        return;
    }
    bool is_taken = program__has_on(p, type, a->handle) && program__is_open(p, a->handle);
    int status =
        type == IOCP_TYPE_FOLDER_WATCH
            ? iocp_folder_watch(p->loop, a->handle, IOCP_WATCH_NAMES, action__on_result, a, &a->op)
            : iocp_folder_list(p->loop, a->handle, action__on_result, a, &a->op);
    EXPECT(p, !is_taken || status == IOCP_EALREADY || status == IOCP_ENOMEM ||
                  status == IOCP_ECLOSING);
    if (status != IOCP_EALREADY) {
        program__added(p, a, status);
    } else {
        EXPECT(p, is_taken);
    }
}

static void program__change_folder(program *p)
{
    uint32_t number = program__below(p, RANDOM_NAMES);
    const char name[] = {(char)('0' + number), '\0'};
    if (p->is_there[number]) {
        contract_file_remove(name);
    } else {
        contract_folder_create(name);
        p->comings++;
    }
    p->is_there[number] = !p->is_there[number];
}

static void program__close_folder(program *p)
{
    program__close(p, program__any_of(p, &p->folders));
}

static void program__add_sendfile(program *p)
{
    static char around[16];
    action *a = program__new_action(p, IOCP_TYPE_SENDFILE, program__any_socket(p));
    if (a == NULL) {
        return;
    }
    a->file = program__any_of(p, &p->files);
    iocp_buf_t head = {.length = program__below(p, sizeof around), .base = around};
    iocp_buf_t tail = {.length = program__below(p, sizeof around), .base = around};
    uint64_t offset = program__below(p, RANDOM_FILE + RANDOM_FILE / 4);
    uint64_t bytes = program__chance(p, 40) ? UINT64_MAX : program__below(p, RANDOM_FILE);
    uint64_t behind = offset < RANDOM_FILE ? RANDOM_FILE - offset : 0;
    a->is_short = bytes != UINT64_MAX && bytes > behind;
    a->to_send = head.length + (bytes < behind ? bytes : behind) + (a->is_short ? 0 : tail.length);
    program__added(p, a,
                   iocp_sendfile(p->loop, a->handle, a->file, offset, bytes, &head, &tail,
                                 action__on_result, a, &a->op));
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
    action *a = program__new_action(p, IOCP_TYPE_ACCEPT, program__any_listener(p));
    if (a != NULL) {
        program__added(p, a, iocp_accept(p->loop, a->handle, action__on_result, a, &a->op));
    }
}

/* Another server in the place of one that is closed, under its name once that has happened. */
static void program__listen(program *p)
{
    contract_server *server = &p->servers[program__below(p, IOC_COUNT_OF(p->servers))];
    iocp_pipe_options_t options = {.size = sizeof options, .instances = program__below(p, 4)};
    options.flags = program__chance(p, 50) ? 0 : program__below(p, 8);
    program__close(p, server->listener);
    int status = iocp_pipe_listen(p->loop, server->name, &options, &server->listener);
    EXPECT(p, status == IOCP_OK || status == IOCP_ENOMEM || status == IOCP_EADDRINUSE);
    if (status == IOCP_OK) {
        program__mark(p, server->listener);
    }
}

static void program__add_pipe_connect(program *p)
{
    action *a = program__new_action(p, IOCP_TYPE_PIPE_CONNECT, no_handle);
    const char *name = p->servers[program__below(p, IOC_COUNT_OF(p->servers))].name;
    uint32_t flags = program__chance(p, 60) ? 0 : program__below(p, 8);
    if (a != NULL) {
        program__added(p, a, iocp_pipe_connect(p->loop, name, flags, action__on_result, a, &a->op));
    }
}

static iocp_handle_t program__add_pair(program *p)
{
    iocp_handle_t ours = {0};
    iocp_handle_t theirs = {0};
    uint32_t flags = program__below(p, 8) | (program__chance(p, 20) ? IOCP_PIPE_CHILDREN : 0);
    int status = iocp_pipe_pair(p->loop, flags, &ours, &theirs);
    if (status != IOCP_OK) {
        EXPECT(p, status == IOCP_ENOMEM ||
                      (status == IOCP_EINVAL && (flags & IOCP_PIPE_CHILDREN) != 0));
        EXPECT(p, ours.id == 0 && theirs.id == 0);
        return no_handle;
    }
    program__keep(p, (flags & IOCP_PIPE_CHILDREN) != 0 ? &p->ends : &p->sockets, ours);
    program__keep(p, &p->ends, theirs);
    return theirs;
}

static void program__open_pair(program *p)
{
    (void)program__add_pair(p);
}

/* The end of a new pair, or one that may have been given away already. */
static void program__give_ends(program *p, iocp_spawn_stdio_t *stdio)
{
    for (int i = 0; i < 3; i++) {
        if (program__chance(p, 30)) {
            iocp_handle_t end = program__chance(p, 70) && !p->is_destroying
                                    ? program__add_pair(p)
                                    : program__any_of(p, &p->ends);
            stdio[i] = (iocp_spawn_stdio_t){.give = IOCP_GIVE_PIPE, .handle = end};
        }
    }
}

static bool program__is_end(const program *p, const iocp_spawn_stdio_t *stdio)
{
    return iocp_handle_kind(p->loop, stdio->handle) == IOCP_HANDLE_PIPE_END;
}

static void program__add_spawn(program *p)
{
    static const uint32_t flags = IOCP_SPAWN_TREE | IOCP_SPAWN_KILL_ON_CLOSE | IOCP_SPAWN_GROUP;
    iocp_spawn_options_t options = {.size = sizeof options};
    bool had_ends[3];
    program__give_ends(p, options.stdio);
    action *a = program__new_action(p, IOCP_TYPE_SPAWN, no_handle);
    if (a == NULL) {
        return;
    }
    a->is_missing = program__chance(p, 10);
    const char *arguments[] = {a->is_missing ? SIM_NO_PROGRAM : "program", NULL};
    options.arguments = arguments;
    options.flags = program__below(p, flags + 1) | IOCP_SPAWN_TREE;
    a->has_group = (options.flags & IOCP_SPAWN_GROUP) != 0;
    a->ends_by_close = (options.flags & IOCP_SPAWN_KILL_ON_CLOSE) != 0;
    for (int i = 0; i < 3; i++) {
        had_ends[i] = program__is_end(p, &options.stdio[i]);
        a->has_ends = a->has_ends || had_ends[i];
    }
    int status = iocp_spawn(p->loop, &options, action__on_result, a, &a->op);
    for (int i = 0; i < 3; i++) { /* they are taken over, or left alone */
        EXPECT(p, program__is_end(p, &options.stdio[i]) == (had_ends[i] && status != IOCP_OK));
    }
    program__added(p, a, status);
}

static void program__add_of_process(program *p)
{
    static const uint64_t graces_ns[] = {0, MS / 2, 3 * MS, UINT64_MAX};
    bool is_stop = program__chance(p, 40);
    if (p->child_count == 0) {
        return;
    }
    child *c = &p->children[program__below(p, p->child_count)];
    action *a = program__new_action(p, is_stop ? IOCP_TYPE_PROCESS_STOP : IOCP_TYPE_PROCESS_WAIT,
                                    c->handles[program__below(p, 2)]);
    if (a == NULL) {
        return;
    }
    a->process = c->number;
    a->grace_ns = graces_ns[program__below(p, IOC_COUNT_OF(graces_ns))];
    int status =
        is_stop ? iocp_process_stop(p->loop, a->handle, a->grace_ns, action__on_result, a, &a->op)
                : iocp_process_wait(p->loop, a->handle, action__on_result, a, &a->op);
    c->is_doomed = c->is_doomed || (is_stop && status == IOCP_OK);
    c->is_forcible = c->is_forcible || (is_stop && status == IOCP_OK && a->grace_ns != UINT64_MAX);
    program__added(p, a, status);
}

/* As a foreign one, in the place of what was adopted before. */
static void program__adopt_child(program *p)
{
    if (p->child_count == 0) {
        return;
    }
    child *c = &p->children[program__below(p, p->child_count)];
    iocp_handle_t handle = {0};
    uintptr_t copy = sim_object_duplicate(c->number);
    int status = iocp_process_adopt(p->loop, (void *)copy, &handle);
    if (status != IOCP_OK) {
        EXPECT(p, status == IOCP_ENOMEM);
        sim_object_close(copy);
        return;
    }
    program__mark(p, handle);
    program__close(p, c->handles[1]);
    c->handles[1] = handle;
}

static void program__close_child(program *p)
{
    if (p->child_count > 0) {
        const child *c = &p->children[program__below(p, p->child_count)];
        program__close(p, c->handles[program__below(p, 2)]);
    }
}

/* ---- Standard streams ---- */

/* The process gets one end of a pipe, the loop the other. */
static void program__replace_stream(program *p, iocp_stdio_t which)
{
    uintptr_t ends[2];
    iocp_handle_t handle = {0};
    if (p->streams[which] != 0) {
        sim_file_destroy(p->streams[which]); /* what the loop has of it stays */
    }
    sim_pipe_create(ends, (sim_open_mode){.is_overlapped = true});
    p->streams[which] = ends[0];
    sim_stdio_set(which, ends[0]);
    int status = iocp_handle_adopt(p->loop, (void *)ends[1], &handle);
    if (status == IOCP_OK) {
        program__add_socket(p, handle);
    } else {
        EXPECT(p, status == IOCP_ENOMEM);
        sim_file_destroy(ends[1]);
    }
}

static void program__open_stream(program *p)
{
    iocp_handle_t handle = {0};
    iocp_stdio_t which = (iocp_stdio_t)program__below(p, 3);
    if (p->streams[which] == 0 || program__chance(p, 30)) {
        program__replace_stream(p, which);
    }
    int status = iocp_stdio_open(p->loop, which, &handle);
    EXPECT(p, status == IOCP_OK || status == IOCP_ENOMEM);
    if (status == IOCP_OK) {
        program__add_socket(p, handle);
    }
}

static void program__end_streams(program *p)
{
    for (int i = 0; i < 3; i++) {
        if (p->streams[i] != 0) {
            sim_stdio_set((iocp_stdio_t)i, 0);
            sim_file_destroy(p->streams[i]);
        }
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

static void IOCP_CALL program__take_packet(iocp_loop_t *loop, const iocp_packet_t *packet,
                                           void *context)
{
    program *p = context;
    EXPECT(p, loop == p->loop);
    EXPECT(p, packet->key == (uintptr_t)p && packet->bytes == (uint32_t)++p->packets_told);
    EXPECT(p, packet->bytes <= p->packets_sent);
    if (program__chance(p, 20)) {
        if (p->is_destroying) {
            program__act_in_the_end(p);
        } else {
            program__act(p);
        }
    }
}

/* By the loop, or as those of a handle that is on its port. */
static void program__send_packet(program *p)
{
    uint32_t number = (uint32_t)p->packets_sent + 1;
    if (p->takes_packets && program__chance(p, 50)) {
        sim_send_packet(p->loop, (iocp_packet_t){.key = (uintptr_t)p, .bytes = number});
        p->packets_sent++;
        return;
    }
    int status = iocp_loop_post_packet(p->loop, (uintptr_t)p, number, NULL);
    EXPECT(p, status == (p->is_destroying ? IOCP_ECLOSING : IOCP_OK) ||
                  (!p->takes_packets && status == IOCP_EINVAL));
    p->packets_sent += status == IOCP_OK;
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

/* It comes back as another handle, if there is memory for that. */
static void program__detach(program *p)
{
    uintptr_t number = 0;
    iocp_handle_t again = {0};
    int status = iocp_socket_detach(p->loop, program__any_socket(p), &number);
    EXPECT(p, status == IOCP_OK || status == IOCP_EBUSY || status == IOCP_EBADF ||
                  status == IOCP_ENOTSUP);
    if (status != IOCP_OK) {
        return;
    }
    status = iocp_socket_adopt(p->loop, number, &again);
    EXPECT(p, status == IOCP_OK || status == IOCP_ENOMEM);
    if (status == IOCP_OK) {
        program__add_socket(p, again);
    } else {
        sim_socket_destroy(number);
    }
}

static void program__close_socket(program *p)
{
    program__close(p, program__any_socket(p));
}

static void program__close_listener(program *p)
{
    program__close(p, program__any_listener(p));
}

static void program__close_file(program *p)
{
    program__close(p, program__any_of(p, &p->files));
}

static void program__close_end(program *p)
{
    program__close(p, program__any_of(p, &p->ends));
}

static void program__notify(program *p)
{
    EXPECT(p, iocp_async_notify(p->async) == IOCP_OK);
}

static void program__submit(program *p)
{
    EXPECT(p, iocp_loop_submit(p->loop) == IOCP_OK);
}

/* Its memory changes nothing: see program__check. */
static void program__trim(program *p)
{
    (void)iocp_loop_trim(p->loop);
}

/* What a program can do, and how often. */
typedef struct program_deed {
    uint32_t share;
    void (*act)(program *p);
} program_deed;

static void program__do_one_of(program *p, const program_deed *deeds, size_t count)
{
    uint32_t all = 0;
    for (size_t i = 0; i < count; i++) {
        all += deeds[i].share;
    }
    uint32_t chosen = program__below(p, all);
    const program_deed *deed = deeds;
    for (; chosen >= deed->share; deed++) {
        chosen -= deed->share;
    }
    deed->act(p);
}

static void program__act(program *p)
{
    static const program_deed deeds[] = {
        {28, program__add_transfer},
        {22, program__add_of_loop},
        {10, program__add_cancel},
        {8, program__add_move},
        {7, program__add_connection},
        {7, program__add_accept},
        {6, program__set_deadline},
        {6, program__add_of_objects},
        {6, program__signal},
        {6, program__add_of_process},
        {5, program__add_spawn},
        {4, program__close_socket},
        {4, program__add_pipe_connect},
        {3, program__add_shutdown},
        {3, program__add_drain},
        {3, program__reset_timer},
        {3, program__reference},
        {3, program__set_buffer},
        {3, program__look_at_data},
        {3, program__post},
        {3, program__notify},
        {2, program__submit},
        {2, program__adopt},
        {2, program__open_pair},
        {2, program__end_child},
        {2, program__open_stream},
        {1, program__listen},
        {1, program__close_end},
        {1, program__close_child},
        {1, program__adopt_child},
        {1, program__replace_async},
        {1, program__trim},
        {8, program__add_lent},
        {5, program__return_any},
        {1, program__destroy_pool},
        {5, program__add_sendfile},
        {1, program__open_file},
        {1, program__close_file},
        {8, program__add_message},
        {1, program__open_datagrams},
        {1, program__close_datagrams},
        {4, program__add_resolve},
        {6, program__add_poll},
        {5, program__set_events},
        {1, program__replace_foreign},
        {5, program__add_call},
        {3, program__send_packet},
        {1, program__open_folder},
        {1, program__close_folder},
        {5, program__add_on_folder},
        {4, program__change_folder},
        {4, program__detach},
    };
    program__do_one_of(p, deeds, IOC_COUNT_OF(deeds));
}

/* What a program may do while its loop is destroyed: close, and be refused. */
static void program__act_in_the_end(program *p)
{
    static const program_deed deeds[] = {
        {4, program__close_socket},    {2, program__close_listener}, {2, program__add_nop},
        {2, program__add_move},        {2, program__set_deadline},   {1, program__close_end},
        {1, program__close_child},     {1, program__add_spawn},      {1, program__add_pipe_connect},
        {1, program__add_of_process},  {1, program__add_lent},       {2, program__return_any},
        {1, program__destroy_pool},    {1, program__add_poll},       {1, program__add_resolve},
        {1, program__close_datagrams}, {1, program__add_call},
    };
    program__do_one_of(p, deeds, IOC_COUNT_OF(deeds));
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
        questions += !ioc_kind_is_public((int)op->kind->type);
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
    EXPECT(p, entry->data == data_of(entry->handle)); /* it was told of, and kept */
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
    program__check_pools(p, &stats);
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
        .packet_context = p,
    };
    p->takes_packets = program__chance(p, 50);
    options.on_packet = p->takes_packets ? program__take_packet : NULL;
    assert_int_equal(ioc_loop_create(&options, ioc_backend_default(), &script, &p->loop), IOCP_OK);
    p->listener = contract_listen(p->loop, AF_INET, &p->address);
    program__mark(p, p->listener);
    for (size_t i = 0; i < IOC_COUNT_OF(p->servers); i++) {
        p->servers[i] = contract_pipe_listen(p->loop, NULL);
        program__mark(p, p->servers[i].listener);
    }
    assert_int_equal(iocp_async_create(p->loop, &p->async), IOCP_OK);
    p->objects_before = sim_object_count();
    p->spawned_before = sim_process_spawned();
    p->semaphore = sim_semaphore_create(0);
    p->job = sim_job_create();
    p->action_count = 0;
    p->files_before = sim_file_count();
    for (uint32_t i = 0; i < RANDOM_NAMES; i++) { /* of the program before */
        contract_file_remove((const char[]){(char)('0' + i), '\0'});
    }
    program__open_file(p);
    program__open_folder(p);
    program__open_datagrams(p);
    p->foreign = sim_socket_create(AF_INET);
}

/*
 * It ends by itself: somebody who was given a time, and who can be ended when it is over; a poll whose socket
 * is gone; a name, which is answered.
 */
static bool action__ends(const action *a)
{
    switch ((int)a->type) {
    case IOCP_TYPE_PROCESS_STOP:
        return a->grace_ns != UINT64_MAX &&
               !program__child_of(a->program, a->process)->is_guarded &&
               !sim_object_try(a->process);
    case IOCP_TYPE_POLL:
        return !is_socket(a->socket);
    default:
        return a->type == IOCP_TYPE_RESOLVE;
    }
}

static bool program__has_due(program *p)
{
    for (uint32_t i = 0; i < p->action_count; i++) {
        if (p->actions[i].is_pending && action__ends(&p->actions[i])) {
            return true;
        }
    }
    return false;
}

/* They have ended, after some turns: what else the kernel does takes turns as well. */
static void program__end_due(program *p)
{
    unit_memory_allow(&p->memory, UINT64_MAX);
    for (int i = 0; i < 100000 && program__has_due(p); i++) {
        sim_advance(p->loop, MS);
        int status = iocp_loop_tick(p->loop, 0);
        EXPECT(p, status == IOCP_OK || status == IOCP_ENOBUFS);
    }
    EXPECT(p, !program__has_due(p));
}

/* Nobody was started of whom nothing was told. */
static void program__end_children(program *p)
{
    EXPECT(p, sim_process_spawned() - p->spawned_before == p->children_told);
    sim_process_end_spawned(0);
    for (uint32_t i = 0; i < p->child_count; i++) {
        sim_object_close(p->children[i].number);
    }
}

/* Destroy the loop, however often the kernel refuses. */
static void program__end(program *p)
{
    int status = IOCP_ETIMEDOUT;
    p->is_destroying = true;
    unit_memory_allow(&p->memory, UINT64_MAX);
    EXPECT(p, iocp_async_destroy(p->async) == IOCP_OK);
    iocp_addresses_free(p->loop, p->addresses);
    p->addresses = NULL;
    for (int i = 0; i < 100000 && status != IOCP_OK; i++) {
        status = iocp_loop_destroy(p->loop, program__below(p, 3) * MS);
        EXPECT(p, status == IOCP_OK || status == IOCP_ETIMEDOUT || status == IOCP_ENOBUFS);
    }
    EXPECT(p, status == IOCP_OK);
    EXPECT(p, p->pending == 0);
    EXPECT(p, p->posts_run == p->posted);
    EXPECT(p, p->packets_told == p->packets_sent);
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
    program__end_streams(p);
    program__end_children(p);
    sim_object_close(p->semaphore);
    sim_object_close(p->job);
    EXPECT(p, sim_object_count() == p->objects_before);
    sim_socket_destroy(p->foreign);
    EXPECT(p, sim_socket_count() == 0);
    EXPECT(p, sim_file_count() == p->files_before);
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
    if (p.complaint.what == NULL) {
        program__end_due(&p);
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
