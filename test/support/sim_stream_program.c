/*
 * Sends and sendfiles on one end of a connection, receives and lent ones on the other: cancels,
 * deadlines, rearms and closes of files, on a kernel that is slow, refuses and aborts as the choices have
 * it. What comes out is what went in: of each run that many bytes as its callback has told, in the order
 * in which the runs were queued, once.
 */
#include "sim_program.h"

#include "contract_file.h"
#include "loop.h"
#include "sim.h"

#include <string.h>

#define RANDOM_OPS    300
#define RANDOM_RUNS   1000 /* of what goes out */
#define RANDOM_BUFFER 40
#define RANDOM_AROUND 8
#define RANDOM_FILE   250
#define RANDOM_MOST   (RANDOM_AROUND + RANDOM_FILE + RANDOM_AROUND)

/* One operation, with what it sends: a sendfile has both ends of it in its own memory. */
typedef struct action {
    struct program *program;
    iocp_op_t op;
    iocp_type_t type;
    iocp_handle_t file; /* of a sendfile */
    bool is_pending;
    bool is_limited;       /* it has a deadline, in each run */
    bool may_be_cancelled; /* a cancel was accepted since it was told the last time */
    bool is_short;         /* of a sendfile: its file is */
    uint32_t cancels;      /* that have not called back */
    uint32_t run;          /* of what goes out: the place of this one */
    uint32_t size;
    unsigned char data[RANDOM_MOST];
} action;

/* What has gone out in one run. */
typedef struct run {
    const action *of;
    uint64_t bytes;
} run;

typedef struct program {
    choices choices;
    iocp_loop_t *loop;
    contract_pair pair;
    iocp_handle_t file;
    iocp_buffers_t *pool;
    void *loans[3];
    uint32_t loan_count;
    bool is_ending;
    bool has_ended; /* the stream */
    action actions[RANDOM_OPS];
    uint32_t action_count;
    uint32_t receives; /* that are pending */
    uint32_t sends;
    unsigned char bytes_made;
    unsigned char content[RANDOM_FILE];
    run runs[RANDOM_RUNS];
    uint32_t run_count;
    unsigned char received[RANDOM_RUNS * RANDOM_MOST];
    uint64_t received_bytes;
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

static bool action__goes_out(const action *a)
{
    return a->type == IOCP_TYPE_SEND || a->type == IOCP_TYPE_SENDFILE;
}

/* ---- The model ---- */

/* An action is accepted, or runs again. */
static void model__queue(program *p, action *a)
{
    a->is_pending = true;
    if (action__goes_out(a)) {
        a->run = p->run_count++;
        p->runs[a->run] = (run){.of = a};
        p->sends++;
    } else {
        p->receives++;
    }
}

static void model__send(program *p, const action *a, const iocp_result_t *result)
{
    bool is_all = result->bytes == a->size;
    EXPECT(p, result->bytes <= a->size);
    EXPECT(p, result->status != IOCP_OK || (is_all && !a->is_short));
    EXPECT(p, result->status != IOCP_EOF || (is_all && a->is_short));
    p->runs[a->run].bytes = result->bytes;
    p->sends--;
}

static void model__receive(program *p, const action *a, const iocp_result_t *result)
{
    const void *data = a->type == IOCP_TYPE_RECV_LENT ? result->data : a->data;
    EXPECT(p, result->status == IOCP_OK || result->bytes == 0);
    EXPECT(p, result->status != IOCP_OK || result->bytes > 0);
    EXPECT(p, p->received_bytes + result->bytes <= sizeof p->received);
    if (result->status == IOCP_OK && p->complaint.what == NULL) {
        memcpy(p->received + p->received_bytes, data, (size_t)result->bytes);
        p->received_bytes += result->bytes;
    }
    p->has_ended = p->has_ended || result->status == IOCP_EOF;
    p->receives--;
}

/* All of it has come out, and nothing else. */
static void model__compare(program *p)
{
    const unsigned char *received = p->received;
    uint64_t left = p->received_bytes;
    for (uint32_t i = 0; i < p->run_count && p->complaint.what == NULL; i++) {
        const run *r = &p->runs[i];
        EXPECT(p, r->bytes <= left && memcmp(received, r->of->data, (size_t)r->bytes) == 0);
        received += r->bytes;
        left -= r->bytes;
    }
    EXPECT(p, left == 0);
}

/* ---- Callbacks ---- */

static void program__return(program *p)
{
    EXPECT(p, iocp_buffers_return(p->pool, p->loans[--p->loan_count]) == IOCP_OK);
}

/* What is lent is kept for a while. */
static void program__borrow(program *p, void *data)
{
    p->loans[p->loan_count++] = data;
    while (p->loan_count > 0 && (p->is_ending || program__chance(p, 30))) {
        program__return(p);
    }
}

static bool action__may_fail(const action *a, const iocp_result_t *result)
{
    program *p = a->program;
    void *native = NULL;
    switch (result->status) {
    case IOCP_OK:
    case IOCP_EOF:
        return true;
    case IOCP_ECANCELED:
        return a->may_be_cancelled || a->cancels > 0 || p->has_ended ||
               (a->type == IOCP_TYPE_SENDFILE &&
                iocp_handle_native(p->loop, a->file, &native) == IOCP_EBADF);
    case IOCP_ETIMEDOUT:
        return a->is_limited;
    default:
        return result->native_error != 0;
    }
}

static iocp_action_t IOCP_CALL action__on_result(iocp_loop_t *loop, const iocp_result_t *result,
                                                 void *userdata)
{
    action *a = userdata;
    program *p = a->program;
    EXPECT(p, loop == p->loop && a->is_pending && result->type == a->type);
    EXPECT(p, action__may_fail(a, result));
    a->is_pending = false;
    a->may_be_cancelled = a->may_be_cancelled && result->status != IOCP_ECANCELED;
    if (action__goes_out(a)) {
        model__send(p, a, result);
    } else {
        model__receive(p, a, result);
    }
    if (result->data != NULL) {
        program__borrow(p, result->data);
    }
    void *native = NULL;
    bool is_over =
        a->type == IOCP_TYPE_SENDFILE && iocp_handle_native(loop, a->file, &native) != IOCP_OK;
    if (is_over || p->is_ending || p->run_count == RANDOM_RUNS || !program__chance(p, 30)) {
        return IOCP_DISARM;
    }
    model__queue(p, a);
    return IOCP_REARM;
}

static iocp_action_t IOCP_CALL cancel__on_result(iocp_loop_t *loop, const iocp_result_t *result,
                                                 void *userdata)
{
    action *target = userdata;
    (void)loop;
    target->cancels--;
    target->may_be_cancelled =
        target->may_be_cancelled || (result->status == IOCP_OK && target->is_pending);
    return IOCP_DISARM;
}

/* ---- The program ---- */

/* No two bytes of neighbouring runs are the same, so that none can stand for another. */
static void program__make(program *p, unsigned char *data, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++) {
        data[i] = ++p->bytes_made;
    }
}

static int action__start_sendfile(action *a)
{
    program *p = a->program;
    uint32_t offset = program__below(p, RANDOM_FILE + 20);
    uint32_t asked = program__below(p, RANDOM_FILE);
    uint32_t behind = offset < RANDOM_FILE ? RANDOM_FILE - offset : 0;
    bool is_rest = program__chance(p, 30);
    uint32_t there = is_rest || asked > behind ? behind : asked;
    iocp_buf_t head = {.length = program__below(p, RANDOM_AROUND + 1), .base = a->data};
    iocp_buf_t tail = {.length = program__below(p, RANDOM_AROUND + 1),
                       .base = a->data + head.length + there};
    program__make(p, head.base, head.length);
    program__make(p, tail.base, tail.length);
    memcpy(a->data + head.length, p->content + RANDOM_FILE - behind, there);
    a->file = p->file;
    a->is_short = !is_rest && asked > behind;
    a->size = head.length + there + (a->is_short ? 0 : tail.length);
    return iocp_sendfile(p->loop, p->pair.client, p->file, offset, is_rest ? UINT64_MAX : asked,
                         &head, &tail, action__on_result, a, &a->op);
}

static int action__start(action *a)
{
    program *p = a->program;
    a->size = 1 + program__below(p, RANDOM_BUFFER);
    if (a->type == IOCP_TYPE_SENDFILE) {
        return action__start_sendfile(a);
    }
    if (a->type == IOCP_TYPE_RECV_LENT) {
        return iocp_recv_lent(p->loop, p->pair.server, p->pool, action__on_result, a, &a->op);
    }
    if (a->type == IOCP_TYPE_RECV) {
        return iocp_recv(p->loop, p->pair.server, a->data, a->size, action__on_result, a, &a->op);
    }
    program__make(p, a->data, a->size);
    return iocp_send(p->loop, p->pair.client, a->data, a->size, action__on_result, a, &a->op);
}

static void program__add(program *p, iocp_type_t type)
{
    if (p->action_count == RANDOM_OPS || p->run_count == RANDOM_RUNS) {
        return;
    }
    action *a = &p->actions[p->action_count++];
    a->program = p;
    a->type = type;
    EXPECT(p, action__start(a) == IOCP_OK);
    model__queue(p, a);
}

static void program__end_one(program *p)
{
    if (p->action_count == 0) {
        return;
    }
    uint32_t most = p->action_count < 20 ? p->action_count : 20; /* the others have ended */
    action *a = &p->actions[p->action_count - 1 - program__below(p, most)];
    if (program__chance(p, 50)) {
        EXPECT(p, iocp_cancel(p->loop, a->op, cancel__on_result, a, NULL) == IOCP_OK);
        a->cancels++;
    } else if (iocp_op_deadline(p->loop, a->op, program__below(p, 5) * MS) == IOCP_OK) {
        a->is_limited = true;
    }
}

static iocp_handle_t program__open(const program *p)
{
    return contract_file_open(p->loop, "file", IOCP_FILE_READ);
}

static void program__step(program *p)
{
    static const iocp_type_t types[] = {IOCP_TYPE_SEND, IOCP_TYPE_SENDFILE, IOCP_TYPE_RECV,
                                        IOCP_TYPE_RECV_LENT};
    uint32_t choice = program__below(p, 100);
    if (choice < 40) {
        program__add(p, types[program__below(p, 4)]);
    } else if (choice < 50) {
        program__end_one(p);
    } else if (choice < 60) {
        if (p->loan_count > 0) {
            program__return(p);
        }
    } else if (choice < 62) {
        EXPECT(p, iocp_close(p->loop, p->file, NULL, NULL, NULL) == IOCP_OK);
        p->file = program__open(p);
    } else {
        (void)iocp_loop_run(p->loop, IOCP_RUN_NO_WAIT);
        sim_advance(p->loop, program__below(p, 3) * MS);
    }
}

/* ---- From begin to end ---- */

/* The kernel is well until it is asked for more than the connection. */
static void program__begin(program *p)
{
    sim_script script = {.seed = program__below(p, 256),
                         .capacity_bytes = 1 + program__below(p, 120)};
    script.latency_ns = program__below(p, 3) * MS;
    script.sends_any_size = program__chance(p, 50);
    script.packet = program__below(p, 101);
    script.partial = program__below(p, 101);
    iocp_loop_options_t options = contract_options();
    options.batch = program__chance(p, 50) ? 0 : 1 + program__below(p, 4);
    options.completion_mode = program__below(p, 3);
    (void)choices_next_step(&p->choices);
    assert_int_equal(ioc_loop_create(&options, ioc_backend_default(), &script, &p->loop), IOCP_OK);
    p->pair = contract_connect(p->loop, AF_INET);
    program__make(p, p->content, RANDOM_FILE);
    contract_file_close(p->loop, contract_file_with(p->loop, "file", p->content, RANDOM_FILE));
    p->file = program__open(p);
    assert_int_equal(iocp_buffers_create(p->loop, 1 + program__below(p, IOC_COUNT_OF(p->loans)),
                                         1 + program__below(p, RANDOM_BUFFER), &p->pool),
                     IOCP_OK);
    script.early_dequeue = program__below(p, 20);
    script.late_cancel = program__below(p, 60);
    if (program__chance(p, 60)) {
        script.abort = program__below(p, 10);
        script.failed_start = program__below(p, 10);
        script.failed_cancel = program__below(p, 30);
    }
    sim_set_script(p->loop, &script);
}

/* Everything goes out, and comes in. */
static void program__end(program *p)
{
    static const sim_script well = {0};
    contract_record shut = {0};
    p->is_ending = true;
    sim_set_script(p->loop, &well);
    while (p->loan_count > 0) {
        program__return(p);
    }
    EXPECT(p, iocp_shutdown(p->loop, p->pair.client, IOCP_SHUTDOWN_SEND, contract_keep, &shut,
                            NULL) == IOCP_OK);
    for (int i = 0; i < 100000 && !p->has_ended; i++) {
        p->action_count -= p->action_count == RANDOM_OPS;
        if (p->receives == 0) {
            program__add(p, IOCP_TYPE_RECV);
        }
        (void)iocp_loop_run(p->loop, IOCP_RUN_NO_WAIT);
        sim_advance(p->loop, MS);
    }
    EXPECT(p, p->has_ended && p->sends == 0 && shut.calls == 1 && shut.status == IOCP_OK);
    model__compare(p);
    EXPECT(p, iocp_loop_destroy(p->loop, UINT64_MAX) == IOCP_OK);
    EXPECT(p, p->receives == 0);
    contract_file_remove("file");
}

sim_complaint sim_stream_program_run(choices choices)
{
    static program p;
    memset(&p, 0, sizeof p);
    p.choices = choices;
    program__begin(&p);
    while (p.complaint.what == NULL && choices_next_step(&p.choices)) {
        program__step(&p);
    }
    program__end(&p);
    return p.complaint;
}
