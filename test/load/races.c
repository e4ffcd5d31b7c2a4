/*
 * Receives that race with what ends them. A receive that was quicker has its bytes, one that was not
 * has none, and the next one gets them: the stream arrives whole, whoever wins.
 */
#include "load.h"

#include "contract_net.h"
#include "unit.h"

#define RACES_STREAMS 16
#define RACES_BYTES   64     /* sent in one race, at most */
#define RACES_WAIT_NS 200000 /* a deadline's, at most: about as long as a send takes */

typedef enum race_kind {
    RACE_NONE,         /* nothing ends the receive but data */
    RACE_AT_ONCE,      /* it is cancelled before it is started */
    RACE_WHEN_STARTED, /* while it is in the kernel, or its packet in the port */
    RACE_WHEN_SENT,    /* as soon as its data is on its way */
    RACE_DEADLINE,     /* by its time limit */
    RACE_KINDS
} race_kind;

typedef struct race_stream {
    struct race_field *field;
    iocp_handle_t client;
    iocp_handle_t server;
    uint64_t random;
    uint64_t seed;
    /* This race. */
    race_kind kind;
    iocp_op_t op;     /* the receive */
    unsigned running; /* operations that have not called back */
    bool is_receiving;
    bool is_asked; /* a cancel was called, or a deadline set */
    /* The stream. */
    uint64_t sent;
    uint64_t received;
    uint64_t sum_out;
    uint64_t sum_in;
    unsigned char out[RACES_BYTES];
    unsigned char in[2 * RACES_BYTES];
} race_stream;

typedef struct race_field {
    iocp_loop_t *loop;
    uint64_t to_begin; /* races */
    uint64_t left;     /* that have not ended */
    uint64_t won;      /* receives that have data */
    uint64_t lost;     /* that were cancelled, or timed out */
    uint64_t late;     /* cancels that found the receive gone */
    race_stream streams[RACES_STREAMS];
} race_field;

static void race__begin(race_stream *self);

static void race__called_back(race_stream *self)
{
    load_require(self->running > 0, "a callback came twice");
    self->running--;
}

/* At the end of a race the next one begins, or at last one that takes what is left. */
static void race__go_on(race_stream *self)
{
    race_field *field = self->field;
    if (self->running > 0) {
        return;
    }
    load_require(!self->is_receiving, "a receive has not called back");
    field->left--;
    if (field->to_begin > 0) {
        field->to_begin--;
        race__begin(self);
    }
}

static iocp_action_t IOCP_CALL on_cancelled(iocp_loop_t *loop, const iocp_result_t *result,
                                            void *arg)
{
    race_stream *self = arg;
    (void)loop;
    race__called_back(self);
    load_require(result->status == IOCP_OK || result->status == IOCP_ENOENT,
                 "a cancel ended with %s", iocp_error_name(result->status));
    self->field->late += result->status == IOCP_ENOENT;
    race__go_on(self);
    return IOCP_DISARM;
}

static void race__cancel(race_stream *self)
{
    self->is_asked = true;
    self->running++;
    load_require_ok(iocp_cancel(self->field->loop, self->op, on_cancelled, self, NULL),
                    "iocp_cancel");
}

static void race__take(race_stream *self, size_t size)
{
    load_require(size > 0 && size <= self->sent - self->received, "%zu bytes came of %llu", size,
                 (unsigned long long)(self->sent - self->received));
    for (size_t i = 0; i < size; i++) {
        load_require(self->in[i] == load_byte(self->seed, self->received + i),
                     "stream %llu: byte %llu is not what was sent", (unsigned long long)self->seed,
                     (unsigned long long)(self->received + i));
    }
    self->sum_in = load_sum(self->sum_in, self->in, size);
    self->received += size;
    self->field->won++;
}

static iocp_action_t IOCP_CALL on_received(iocp_loop_t *loop, const iocp_result_t *result,
                                           void *arg)
{
    race_stream *self = arg;
    (void)loop;
    load_require(self->is_receiving, "a receive called back twice");
    self->is_receiving = false;
    race__called_back(self);
    if (result->status == IOCP_OK) {
        race__take(self, (size_t)result->bytes);
    } else {
        int expected = self->kind == RACE_DEADLINE ? IOCP_ETIMEDOUT : IOCP_ECANCELED;
        load_require(self->is_asked && result->status == expected && result->bytes == 0,
                     "a receive ended with %s and %llu bytes", iocp_error_name(result->status),
                     (unsigned long long)result->bytes);
        self->field->lost++;
    }
    race__go_on(self);
    return IOCP_DISARM;
}

static iocp_action_t IOCP_CALL on_sent(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    race_stream *self = arg;
    (void)loop;
    race__called_back(self);
    load_require_ok(result->status, "a send ended");
    if (self->kind == RACE_WHEN_SENT) {
        race__cancel(self);
    }
    race__go_on(self);
    return IOCP_DISARM;
}

static void race__send(race_stream *self)
{
    size_t size = 1 + unit_random_below(&self->random, RACES_BYTES);
    load_fill(self->out, size, self->seed, self->sent);
    self->sum_out = load_sum(self->sum_out, self->out, size);
    self->sent += size;
    self->running++;
    load_require_ok(
        iocp_send(self->field->loop, self->client, self->out, size, on_sent, self, NULL),
        "iocp_send");
}

static void race__receive(race_stream *self)
{
    self->is_receiving = true;
    self->running++;
    load_require_ok(iocp_recv(self->field->loop, self->server, self->in, sizeof self->in,
                              on_received, self, &self->op),
                    "iocp_recv");
}

/* What was sent and not received stays below what a receive takes, so that the next one waits. */
static void race__begin(race_stream *self)
{
    iocp_loop_t *loop = self->field->loop;
    bool has_room = self->sent - self->received <= RACES_BYTES;
    bool is_sent_first = unit_random_below(&self->random, 2) == 0;
    self->kind = has_room ? (race_kind)unit_random_below(&self->random, RACE_KINDS) : RACE_NONE;
    self->is_asked = false;
    if (has_room && is_sent_first) {
        race__send(self);
    }
    race__receive(self);
    if (self->kind == RACE_WHEN_STARTED) {
        load_require_ok(iocp_loop_submit(loop), "iocp_loop_submit");
    }
    if (has_room && !is_sent_first) {
        race__send(self);
    }
    if (self->kind == RACE_AT_ONCE || self->kind == RACE_WHEN_STARTED) {
        race__cancel(self);
    } else if (self->kind == RACE_DEADLINE) {
        self->is_asked = true;
        load_require_ok(
            iocp_op_deadline(loop, self->op, unit_random_below(&self->random, RACES_WAIT_NS)),
            "iocp_op_deadline");
    }
}

/* ---- The field ---- */

static iocp_action_t IOCP_CALL on_ready(iocp_loop_t *loop, const iocp_result_t *result, void *left)
{
    (void)loop;
    load_require_ok(result->status, "a connect or a close ended");
    --*(uint64_t *)left;
    return IOCP_DISARM;
}

static iocp_action_t IOCP_CALL on_accepted(iocp_loop_t *loop, const iocp_result_t *result,
                                           void *arg)
{
    race_stream *self = arg;
    (void)loop;
    load_require_ok(result->status, "an accept ended");
    self->server = result->opened;
    self->field->left--;
    return IOCP_DISARM;
}

static void race__connect(race_stream *self, iocp_handle_t listener,
                          const contract_address *address)
{
    race_field *field = self->field;
    field->left = 2;
    load_require_ok(iocp_socket_open(field->loop, AF_INET, SOCK_STREAM, 0, &self->client),
                    "iocp_socket_open");
    load_require_ok(iocp_accept(field->loop, listener, on_accepted, self, NULL), "iocp_accept");
    load_require_ok(iocp_connect(field->loop, self->client, contract_sockaddr(address),
                                 address->length, on_ready, &field->left, NULL),
                    "iocp_connect");
    load_run_down(field->loop, &field->left);
}

static iocp_handle_t field__listen(race_field *field, contract_address *address)
{
    iocp_handle_t listener = {0};
    size_t length = sizeof address->storage;
    *address = contract_loopback(AF_INET, 0);
    load_require_ok(iocp_socket_open(field->loop, AF_INET, SOCK_STREAM, 0, &listener),
                    "iocp_socket_open");
    load_require_ok(
        iocp_socket_bind(field->loop, listener, contract_sockaddr(address), address->length),
        "iocp_socket_bind");
    load_require_ok(iocp_socket_listen(field->loop, listener, 0), "iocp_socket_listen");
    load_require_ok(
        iocp_socket_get_name(field->loop, listener, (struct sockaddr *)&address->storage, &length),
        "iocp_socket_get_name");
    return listener;
}

static void field__connect(race_field *field)
{
    contract_address address;
    iocp_handle_t listener = field__listen(field, &address);
    for (uint64_t i = 0; i < RACES_STREAMS; i++) {
        race_stream *stream = &field->streams[i];
        *stream = (race_stream){.field = field, .seed = i, .random = i};
        race__connect(stream, listener, &address);
    }
    field->left = 1;
    load_require_ok(iocp_close(field->loop, listener, on_ready, &field->left, NULL), "iocp_close");
    load_run_down(field->loop, &field->left);
}

static void field__race(race_field *field, uint64_t count)
{
    field->left = count;
    field->to_begin = count;
    for (size_t i = 0; i < RACES_STREAMS && field->to_begin > 0; i++) {
        field->to_begin--;
        race__begin(&field->streams[i]);
    }
    load_run_down(field->loop, &field->left);
}

/* The receives that get what the cancelled ones have left. */
static void race__drain(race_stream *self)
{
    while (self->received < self->sent) {
        self->kind = RACE_NONE;
        self->is_asked = false;
        self->field->left = 1;
        race__receive(self);
        load_run_down(self->field->loop, &self->field->left);
    }
}

static void race__close(race_stream *self)
{
    race_field *field = self->field;
    race__drain(self);
    load_require(self->sum_in == self->sum_out && self->running == 0,
                 "stream %llu did not arrive as it was sent", (unsigned long long)self->seed);
    field->left = 2;
    load_require_ok(iocp_close(field->loop, self->client, on_ready, &field->left, NULL),
                    "iocp_close");
    load_require_ok(iocp_close(field->loop, self->server, on_ready, &field->left, NULL),
                    "iocp_close");
    load_run_down(field->loop, &field->left);
}

static void races__run(uint64_t count, iocp_completion_mode_t mode, const char *name)
{
    race_field field = {.loop = load_loop(mode)};
    uint64_t bytes = 0;
    uint64_t sum = 0;
    field__connect(&field);
    field__race(&field, count);
    load_require(field.won + field.lost == count, "%llu races have %llu ends",
                 (unsigned long long)count, (unsigned long long)(field.won + field.lost));
    uint64_t won = field.won;
    for (size_t i = 0; i < RACES_STREAMS; i++) {
        race__close(&field.streams[i]);
        bytes += field.streams[i].received;
        sum += field.streams[i].sum_in;
    }
    load_print("%s: %llu receives won, %llu were ended, %llu cancels came too late; %llu bytes, "
               "sum %016llx on both sides\n",
               name, (unsigned long long)won, (unsigned long long)field.lost,
               (unsigned long long)field.late, (unsigned long long)bytes, (unsigned long long)sum);
}

void load_races_packet(uint64_t count)
{
    races__run(count, IOCP_COMPLETION_PACKET, "races-packet");
}

void load_races_skip(uint64_t count)
{
    races__run(count, IOCP_COMPLETION_SKIP, "races-skip");
}
