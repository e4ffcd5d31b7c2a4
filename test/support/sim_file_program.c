/*
 * Reads and writes of one file at its position, cancels, deadlines, rearms, other buffers, drains and
 * a close, on a kernel that is slow, refuses and aborts as the choices have it. A model of the file
 * says what each of them has to find: the bytes, the position, what is queued to go out. Half of the
 * files are adopted, and used while nobody knows yet what they are.
 */
#include "sim_program.h"

#include "contract_file.h"
#include "loop.h"
#include "sim.h"

#include <stdio.h>
#include <string.h>

#define RANDOM_OPS    400
#define RANDOM_BUFFER 40
#define RANDOM_FILE   65536

/* A read, a write or a drain. */
typedef struct action {
    struct program *program;
    iocp_op_t op;
    iocp_type_t type;
    bool is_pending;
    bool is_over;          /* it was rearmed on a closing handle: it is told so, once */
    bool is_limited;       /* it has a deadline, in each run */
    bool may_time_out;     /* in this run */
    bool may_be_cancelled; /* a cancel was accepted since it was told the last time */
    uint32_t cancels;      /* that have not called back */
    uint64_t turn;         /* whose turn it is: lower ones come first */
    uint32_t size;         /* of a drain: the threshold */
    bool was_low;          /* a drain: little enough was queued since its start */
    int buffer;            /* which of these is its own */
    unsigned char buffers[2][RANDOM_BUFFER];
} action;

typedef struct program {
    choices choices;
    iocp_loop_t *loop;
    iocp_handle_t handle;
    bool is_closing;
    bool is_destroying;
    bool is_adopted;
    int refusal; /* what each operation is told, if the question went wrong */
    uint64_t turns;
    action actions[RANDOM_OPS];
    uint32_t action_count;
    uint32_t moves; /* that are pending */
    /* The model. */
    unsigned char content[RANDOM_FILE];
    uint64_t size;
    uint64_t position;
    uint64_t queued;
    uint64_t most;
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

static unsigned char *action__data(action *a)
{
    return a->buffers[a->buffer];
}

static bool action__is_move(const action *a)
{
    return a->type != IOCP_TYPE_DRAIN;
}

/* ---- The model ---- */

static void model__queue(program *p, int64_t bytes)
{
    p->queued += (uint64_t)bytes;
    p->most = p->queued > p->most ? p->queued : p->most;
    for (uint32_t i = 0; i < p->action_count; i++) {
        action *a = &p->actions[i];
        a->was_low = a->was_low || p->queued <= a->size;
    }
}

/* An action is accepted, or runs again. */
static void model__add(program *p, action *a)
{
    a->is_pending = true;
    a->is_over = p->is_closing;
    a->may_time_out = a->is_limited && !a->is_over;
    a->turn = ++p->turns;
    a->was_low = a->type == IOCP_TYPE_DRAIN && p->queued <= a->size;
    p->moves += action__is_move(a);
    if (a->type == IOCP_TYPE_WRITE) {
        model__queue(p, a->size);
    }
}

static void model__read(program *p, action *a, const iocp_result_t *result)
{
    uint64_t there = p->position < p->size ? p->size - p->position : 0;
    uint64_t expected = a->size < there ? a->size : there;
    EXPECT(p, result->bytes == expected);
    EXPECT(p, memcmp(action__data(a), p->content + p->position, (size_t)expected) == 0);
    EXPECT(p, (result->status == IOCP_EOF) == (expected == 0 && a->size > 0));
    p->position += expected;
}

static void model__write(program *p, action *a, const iocp_result_t *result)
{
    EXPECT(p, result->status == IOCP_OK && result->bytes == a->size);
    if (a->size == 0) {
        return;
    }
    memcpy(p->content + p->position, action__data(a), a->size);
    p->position += a->size;
    p->size = p->position > p->size ? p->position : p->size;
}

/* What was carried out, was so in its turn. */
static void model__carry_out(program *p, action *a, const iocp_result_t *result)
{
    for (uint32_t i = 0; i < p->action_count; i++) {
        const action *other = &p->actions[i];
        bool is_earlier = other->is_pending && action__is_move(other) && other->turn < a->turn;
        EXPECT(p, !is_earlier);
    }
    if (a->type == IOCP_TYPE_READ) {
        model__read(p, a, result);
    } else {
        model__write(p, a, result);
    }
}

static void model__end(program *p, action *a, const iocp_result_t *result)
{
    bool is_done = result->status == IOCP_OK || result->status == IOCP_EOF;
    bool is_cancelled = result->status == IOCP_ECANCELED;
    EXPECT(p, a->is_pending && result->type == a->type && result->op.id == a->op.id);
    EXPECT(p, !is_cancelled || a->may_be_cancelled || a->cancels > 0 || p->is_closing);
    EXPECT(p, result->status != IOCP_ETIMEDOUT || a->may_time_out);
    EXPECT(p, !a->is_over || is_cancelled);
    a->may_be_cancelled = a->may_be_cancelled && !is_cancelled;
    a->is_pending = false;
    p->moves -= action__is_move(a);
    if (a->type == IOCP_TYPE_WRITE) {
        model__queue(p, -(int64_t)a->size);
    }
    if (a->type == IOCP_TYPE_DRAIN) {
        EXPECT(p, !is_done || a->was_low);
    } else if (is_done) {
        model__carry_out(p, a, result);
    } else {
        EXPECT(p, result->bytes == 0);
    }
}

/* ---- The program ---- */

/* Whether it is known that this is a file. */
static bool program__is_known(const program *p)
{
    return iocp_handle_kind(p->loop, p->handle) == IOCP_HANDLE_FILE;
}

/* A file that is not known says so, or why it cannot be used: always the same. */
static void program__check_unknown(program *p, int status)
{
    EXPECT(p, p->is_adopted && status != IOCP_OK);
    EXPECT(p, p->refusal == IOCP_OK || status == p->refusal);
    p->refusal = status != IOCP_EAGAIN ? status : IOCP_OK;
}

static void program__check(program *p)
{
    uint64_t position = 0;
    uint64_t queued = 0;
    if (p->is_closing) {
        return;
    }
    int status = iocp_file_get_position(p->loop, p->handle, &position);
    if (program__is_known(p)) {
        EXPECT(p, status == IOCP_OK && position == p->position);
    } else {
        program__check_unknown(p, status);
    }
    EXPECT(p, iocp_handle_queued(p->loop, p->handle, &queued, NULL) == IOCP_OK);
    EXPECT(p, queued == p->queued);
}

static void program__set_position(program *p)
{
    uint64_t position = program__below(p, RANDOM_FILE / 2);
    if (p->is_closing) {
        return;
    }
    int status = iocp_file_set_position(p->loop, p->handle, position);
    if (!program__is_known(p)) {
        program__check_unknown(p, status);
        return;
    }
    EXPECT(p, status == (p->moves > 0 ? IOCP_EBUSY : IOCP_OK));
    p->position = status == IOCP_OK ? position : p->position;
    if (p->moves == 0 && program__chance(p, 30)) {
        uint64_t size = program__below(p, RANDOM_FILE / 2);
        EXPECT(p, iocp_file_set_size(p->loop, p->handle, size) == IOCP_OK);
        memset(p->content + size, 0, RANDOM_FILE - (size_t)size);
        p->size = size;
    }
}

static iocp_action_t IOCP_CALL cancel__on_result(iocp_loop_t *loop, const iocp_result_t *result,
                                                 void *userdata)
{
    action *target = userdata;
    (void)loop;
    target->cancels--;
    if (result->status == IOCP_OK && target->is_pending) {
        target->may_be_cancelled = true;
    }
    return IOCP_DISARM;
}

static void program__cancel(program *p, action *a)
{
    int status = iocp_cancel(p->loop, a->op, cancel__on_result, a, NULL);
    EXPECT(p, status == (p->is_destroying ? IOCP_ECLOSING : IOCP_OK));
    a->cancels += status == IOCP_OK;
}

/* The next run has other memory, and another size. */
static void action__replace_buffer(action *a)
{
    program *p = a->program;
    int other = 1 - a->buffer;
    uint32_t size = program__below(p, RANDOM_BUFFER + 1);
    int status = iocp_op_set_buffer(p->loop, a->op, a->buffers[other], size);
    EXPECT(p, status == (action__is_move(a) ? IOCP_OK : IOCP_ENOTSUP));
    if (status == IOCP_OK) {
        a->buffer = other;
        a->size = size;
    }
}

static iocp_action_t IOCP_CALL action__on_result(iocp_loop_t *loop, const iocp_result_t *result,
                                                 void *userdata)
{
    action *a = userdata;
    program *p = a->program;
    bool is_last = p->is_closing && result->status == IOCP_ECANCELED;
    (void)loop;
    EXPECT(p, p->refusal == IOCP_OK || result->status == p->refusal || a->may_time_out ||
                  result->status == IOCP_ECANCELED || !action__is_move(a));
    model__end(p, a, result);
    program__check(p);
    if (program__chance(p, 20)) {
        program__set_position(p); /* which its own callback may do */
    }
    if (program__chance(p, 20)) {
        program__cancel(p, a);
    }
    memset(a->buffers, (int)program__below(p, 256), sizeof a->buffers);
    if (is_last) {
        return IOCP_REARM; /* which does not count */
    }
    if (!program__chance(p, 30)) {
        return IOCP_DISARM;
    }
    if (program__chance(p, 50)) {
        action__replace_buffer(a);
    }
    model__add(p, a);
    return IOCP_REARM;
}

static void program__add(program *p)
{
    static const iocp_type_t types[] = {IOCP_TYPE_READ, IOCP_TYPE_WRITE, IOCP_TYPE_DRAIN};
    if (p->action_count == RANDOM_OPS || p->is_closing) {
        return;
    }
    action *a = &p->actions[p->action_count++];
    int status = IOCP_OK;
    a->program = p;
    a->type = types[program__below(p, 3)];
    a->size = program__below(p, RANDOM_BUFFER + 1);
    memset(a->buffers, (int)program__below(p, 256), sizeof a->buffers);
    if (a->type == IOCP_TYPE_READ) {
        status =
            iocp_read(p->loop, p->handle, a->buffers[0], a->size, action__on_result, a, &a->op);
    } else if (a->type == IOCP_TYPE_WRITE) {
        status =
            iocp_write(p->loop, p->handle, a->buffers[0], a->size, action__on_result, a, &a->op);
    } else {
        status = iocp_drain(p->loop, p->handle, a->size, action__on_result, a, &a->op);
    }
    EXPECT(p, status == IOCP_OK);
    model__add(p, a);
}

static void program__end_one(program *p)
{
    if (p->action_count == 0) {
        return;
    }
    action *a = &p->actions[program__below(p, p->action_count)];
    if (program__chance(p, 50)) {
        program__cancel(p, a);
        return;
    }
    uint64_t delay_ns = program__chance(p, 20) ? UINT64_MAX : program__below(p, 5) * MS;
    int status = iocp_op_deadline(p->loop, a->op, delay_ns);
    /* Its callback may be due already. */
    EXPECT(p, status == IOCP_ENOENT || (status == IOCP_OK && a->is_pending));
    if (status == IOCP_OK) {
        a->is_limited = delay_ns != UINT64_MAX;
        a->may_time_out = a->may_time_out || a->is_limited;
    }
}

static void program__ask_most(program *p)
{
    uint64_t most = 0;
    if (!p->is_closing) {
        EXPECT(p, iocp_handle_queued(p->loop, p->handle, NULL, &most) == IOCP_OK);
        EXPECT(p, most == p->most);
        p->most = p->queued;
    }
}

static void program__close(program *p)
{
    int status = iocp_close(p->loop, p->handle, NULL, NULL, NULL);
    EXPECT(p, status == (p->is_closing ? IOCP_EBADF : IOCP_OK));
    p->is_closing = true;
}

static void program__step(program *p)
{
    uint32_t choice = program__below(p, 200);
    if (choice < 90) {
        program__add(p);
    } else if (choice < 110) {
        program__end_one(p);
    } else if (choice < 120) {
        program__set_position(p);
    } else if (choice < 126) {
        program__ask_most(p);
    } else if (choice < 127) {
        program__close(p);
    } else {
        (void)iocp_loop_run(p->loop, IOCP_RUN_NO_WAIT);
        sim_advance(p->loop, program__below(p, 3) * MS);
    }
    program__check(p);
}

static void program__script(program *p, sim_script *script)
{
    memset(script, 0, sizeof *script);
    script->seed = program__below(p, 256);
    script->latency_ns = program__below(p, 4) * MS;
    script->file_ns = program__below(p, 4) * MS;
    script->packet = program__below(p, 101);
    script->early_dequeue = program__below(p, 20);
    script->late_cancel = program__below(p, 60);
    (void)choices_next_step(&p->choices);
    if (program__chance(p, 50)) {
        script->abort = program__below(p, 10);
        script->failed_start = program__below(p, 10);
        script->failed_cancel = program__below(p, 30);
        script->failed_dequeue = program__below(p, 10);
    }
}

/* What another loop finds in the file. */
static void program__check_content(program *p, const char *name)
{
    static unsigned char found[RANDOM_FILE];
    iocp_loop_t *loop = contract_loop_create();
    iocp_handle_t handle = contract_file_open(loop, name, IOCP_FILE_READ);
    EXPECT(p, contract_file_size(loop, handle) == p->size);
    if (p->size > 0) {
        EXPECT(p, contract_file_get(loop, handle, 0, found, sizeof found) == p->size);
        EXPECT(p, memcmp(found, p->content, (size_t)p->size) == 0);
    }
    contract_loop_destroy(loop);
}

static iocp_handle_t program__open(program *p, const char *name)
{
    const uint32_t flags = IOCP_FILE_READ | IOCP_FILE_WRITE | IOCP_FILE_CREATE;
    return p->is_adopted ? contract_adopt(p->loop, contract_native_file(name, flags,
                                                                        CONTRACT_NATIVE_OVERLAPPED))
                         : contract_file_open(p->loop, name, flags);
}

static void program__begin(program *p, const char *name)
{
    sim_script script;
    program__script(p, &script);
    iocp_loop_options_t options = contract_options();
    options.batch = program__chance(p, 50) ? 0 : 1 + program__below(p, 4);
    options.completion_mode = program__below(p, 3);
    assert_int_equal(ioc_loop_create(&options, ioc_backend_default(), &script, &p->loop), IOCP_OK);
    p->is_adopted = program__chance(p, 50);
    p->handle = program__open(p, name);
}

static void program__end(program *p, const char *name)
{
    int status = IOCP_ETIMEDOUT;
    program__close(p);
    p->is_destroying = true;
    for (int i = 0; i < 100000 && status != IOCP_OK; i++) {
        status = iocp_loop_destroy(p->loop, MS);
    }
    EXPECT(p, status == IOCP_OK && p->moves == 0 && p->queued == 0);
    program__check_content(p, name);
}

sim_complaint sim_file_program_run(choices choices)
{
    static program p;
    static unsigned number;
    char name[32];
    memset(&p, 0, sizeof p);
    p.choices = choices;
    /* What no program before it has left. */
    (void)snprintf(name, sizeof name, "file-%u", ++number);
    program__begin(&p, name);
    while (p.complaint.what == NULL && choices_next_step(&p.choices)) {
        program__step(&p);
    }
    program__end(&p, name);
    return p.complaint;
}
