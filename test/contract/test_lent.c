/* Receives into buffers of a pool, which have one while there is data, and not before. */
#include "contract_datagram.h"
#include "contract_file.h"
#include "contract_meter.h"

#include <string.h>

/* ---- Steps ---- */

static iocp_buffers_t *pool__create(iocp_loop_t *loop, size_t count, size_t size)
{
    iocp_buffers_t *pool = NULL;
    assert_int_equal(iocp_buffers_create(loop, count, size, &pool), IOCP_OK);
    assert_non_null(pool);
    return pool;
}

static void assert_levels(iocp_loop_t *loop, const iocp_buffers_t *pool, size_t lent,
                          size_t waiting)
{
    size_t lent_now = SIZE_MAX;
    size_t waiting_now = SIZE_MAX;
    assert_int_equal(iocp_buffers_lent(pool, &lent_now, &waiting_now), IOCP_OK);
    assert_int_equal(lent_now, lent);
    assert_int_equal(waiting_now, waiting);
    assert_int_equal(contract_stats(loop).lent, lent);
}

static iocp_op_t lent__start(iocp_loop_t *loop, iocp_handle_t handle, iocp_buffers_t *pool,
                             contract_record *record)
{
    iocp_op_t op = {0};
    assert_int_equal(iocp_recv_lent(loop, handle, pool, contract_keep, record, &op), IOCP_OK);
    return op;
}

static void assert_text(const contract_record *record, const char *text)
{
    assert_int_equal(record->status, IOCP_OK);
    assert_int_equal(record->result.type, IOCP_TYPE_RECV_LENT);
    assert_int_equal(record->result.bytes, strlen(text));
    assert_non_null(record->result.data);
    assert_memory_equal(record->result.data, text, strlen(text));
}

static void assert_none(const contract_record *record, int status)
{
    assert_string_equal(iocp_error_name(record->status), iocp_error_name(status));
    assert_null(record->result.data);
    assert_int_equal(record->result.bytes, 0);
}

static void lent__expect(iocp_loop_t *loop, const contract_record *record, const char *text)
{
    contract_wait(loop, record, 1);
    assert_int_equal(record->calls, 1);
    assert_text(record, text);
}

static void lent__give_back(iocp_buffers_t *pool, const contract_record *record)
{
    assert_int_equal(iocp_buffers_return(pool, record->result.data), IOCP_OK);
}

static void run_a_little(iocp_loop_t *loop)
{
    contract_pass_time(loop, MS);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
}

/* Connections on which something was sent, and receives on the other ends; the first has a buffer. */
enum {
    QUEUE = 4
};

typedef struct queue {
    iocp_buffers_t *pool;
    contract_pair pairs[QUEUE];
    contract_record records[QUEUE];
    iocp_op_t ops[QUEUE];
} queue;

/* One byte each: of more a stream may give a part. */
static const char *const queue_texts[QUEUE] = {"1", "2", "3", "4"};

static void queue__open(queue *q, iocp_loop_t *loop)
{
    memset(q, 0, sizeof *q);
    q->pool = pool__create(loop, 1, 64);
    for (int i = 0; i < QUEUE; i++) {
        q->pairs[i] = contract_connect(loop, AF_INET);
    }
    for (int i = 0; i < QUEUE; i++) {
        q->ops[i] = lent__start(loop, q->pairs[i].server, q->pool, &q->records[i]);
        contract_send_all(loop, q->pairs[i].client, queue_texts[i], strlen(queue_texts[i]));
        size_t lent = 0;
        size_t waiting = 0;
        while (i > 0 && waiting < (size_t)i) {
            run_a_little(loop);
            assert_int_equal(iocp_buffers_lent(q->pool, &lent, &waiting), IOCP_OK);
        }
        if (i == 0) {
            lent__expect(loop, &q->records[0], "1");
        }
    }
    assert_levels(loop, q->pool, 1, QUEUE - 1);
}

static void queue__close(queue *q, iocp_loop_t *loop)
{
    for (int i = 0; i < QUEUE; i++) {
        contract_close_pair(loop, q->pairs[i]);
    }
}

/* What is there now, received in another way. */
static void assert_still_there(iocp_loop_t *loop, iocp_handle_t handle, const char *text)
{
    char data[64] = {0};
    contract_recv_all(loop, handle, data, strlen(text));
    assert_memory_equal(data, text, strlen(text));
}

/* ---- A receive ---- */

static void data_comes_in_a_buffer_that_is_the_programs_until_it_gives_it_back(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_record record = {0};
    iocp_buffers_t *pool = pool__create(loop, 1, 64);
    iocp_op_t op = lent__start(loop, pair.server, pool, &record);
    contract_idle(loop);
    assert_int_equal(record.calls, 0);
    assert_int_equal(iocp_op_state(loop, op), IOCP_OP_ACTIVE);
    assert_levels(loop, pool, 0, 0);
    contract_send_all(loop, pair.client, "h", 1);
    lent__expect(loop, &record, "h");
    assert_true(record.result.handle.id == pair.server.id);
    assert_int_equal((uintptr_t)record.result.data % (2 * sizeof(void *)), 0);
    assert_levels(loop, pool, 1, 0);
    contract_idle(loop);
    assert_memory_equal(record.result.data, "h", 1);
    lent__give_back(pool, &record);
    assert_levels(loop, pool, 0, 0);
    contract_close_pair(loop, pair);
}

static void what_is_there_already_is_received(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_record record = {0};
    iocp_buffers_t *pool = pool__create(loop, 1, 64);
    contract_send_all(loop, pair.client, "h", 1);
    contract_idle(loop);
    (void)lent__start(loop, pair.server, pool, &record);
    lent__expect(loop, &record, "h");
    lent__give_back(pool, &record);
    contract_close_pair(loop, pair);
}

static void those_that_wait_for_data_have_no_buffer(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_buffers_t *pool = pool__create(loop, 1, 64);
    contract_pair pairs[3];
    contract_record records[3] = {{0}};
    for (int i = 0; i < 3; i++) {
        pairs[i] = contract_connect(loop, AF_INET);
        (void)lent__start(loop, pairs[i].server, pool, &records[i]);
    }
    contract_idle(loop);
    for (int i = 2; i >= 0; i--) {
        contract_send_all(loop, pairs[i].client, "x", 1);
        lent__expect(loop, &records[i], "x");
        lent__give_back(pool, &records[i]);
    }
    for (int i = 0; i < 3; i++) {
        contract_close_pair(loop, pairs[i]);
    }
}

/* A program that gives back at once, and collects what has come. */
typedef struct collector {
    iocp_buffers_t *pool;
    char data[64];
    size_t size;
    size_t wanted;
    int status;
} collector;

static iocp_action_t IOCP_CALL collector__on_data(iocp_loop_t *loop, const iocp_result_t *result,
                                                  void *userdata)
{
    collector *c = userdata;
    (void)loop;
    if (contract_is_over()) {
        return IOCP_DISARM;
    }
    c->status = result->status;
    if (result->status != IOCP_OK) {
        assert_null(result->data);
        return IOCP_DISARM;
    }
    assert_in_range(result->bytes, 1, 3);
    assert_in_range(result->bytes, 1, sizeof c->data - c->size);
    memcpy(c->data + c->size, result->data, (size_t)result->bytes);
    c->size += (size_t)result->bytes;
    assert_int_equal(iocp_buffers_return(c->pool, result->data), IOCP_OK);
    return c->size < c->wanted ? IOCP_REARM : IOCP_DISARM;
}

static void rearmed_it_gets_all_in_order_in_one_small_buffer(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pair pair = contract_connect(loop, AF_INET);
    collector c = {.pool = pool__create(loop, 1, 3), .wanted = 20};
    assert_int_equal(iocp_recv_lent(loop, pair.server, c.pool, collector__on_data, &c, NULL),
                     IOCP_OK);
    contract_send_all(loop, pair.client, "0123456789", 10);
    contract_send_all(loop, pair.client, "abcdefghij", 10);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(c.size, 20);
    assert_memory_equal(c.data, "0123456789abcdefghij", 20);
    assert_levels(loop, c.pool, 0, 0);
    contract_close_pair(loop, pair);
}

/* What it was given while there was data it does not keep for the next. */
static void one_that_was_busy_and_is_idle_has_no_buffer(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pair busy = contract_connect(loop, AF_INET);
    contract_pair other = contract_connect(loop, AF_INET);
    collector c = {.pool = pool__create(loop, 1, 3), .wanted = 30};
    contract_record record = {0};
    contract_send_all(loop, busy.client, "0123456789abcdefghij", 20);
    contract_idle(loop);
    assert_int_equal(iocp_recv_lent(loop, busy.server, c.pool, collector__on_data, &c, NULL),
                     IOCP_OK);
    while (c.size < 20) {
        run_a_little(loop);
    }
    contract_idle(loop);
    (void)lent__start(loop, other.server, c.pool, &record);
    contract_send_all(loop, other.client, "x", 1);
    lent__expect(loop, &record, "x");
    lent__give_back(c.pool, &record);
    contract_send_all(loop, busy.client, "0123456789", 10);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_memory_equal(c.data, "0123456789abcdefghij0123456789", 30);
    contract_close_pair(loop, busy);
    contract_close_pair(loop, other);
}

static void the_end_of_the_stream_has_no_buffer(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pair pair = contract_connect(loop, AF_INET);
    collector c = {.pool = pool__create(loop, 1, 3), .wanted = 20};
    contract_record shut = {0};
    assert_int_equal(iocp_recv_lent(loop, pair.server, c.pool, collector__on_data, &c, NULL),
                     IOCP_OK);
    contract_send_all(loop, pair.client, "last", 4);
    assert_int_equal(
        iocp_shutdown(loop, pair.client, IOCP_SHUTDOWN_SEND, contract_keep, &shut, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_memory_equal(c.data, "last", 4);
    assert_int_equal(c.status, IOCP_EOF);
    assert_levels(loop, c.pool, 0, 0);
    contract_close_pair(loop, pair);
}

static void a_reset_has_no_buffer(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_record record = {0};
    iocp_buffers_t *pool = pool__create(loop, 1, 64);
    assert_int_equal(iocp_socket_set_option(loop, pair.client, IOCP_SOCKET_LINGER, 0), IOCP_OK);
    (void)lent__start(loop, pair.server, pool, &record);
    contract_idle(loop);
    contract_close(loop, pair.client);
    contract_wait(loop, &record, 1);
    assert_none(&record, IOCP_ECONNRESET);
    assert_levels(loop, pool, 0, 0);
    contract_close(loop, pair.server);
    contract_close(loop, pair.listener);
}

/* ---- An empty pool ---- */

static void an_empty_pool_serves_the_oldest_first_and_loses_nothing(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    queue q;
    queue__open(&q, loop);
    for (int i = 0; i < QUEUE; i++) {
        contract_wait(loop, &q.records[i], 1);
        assert_text(&q.records[i], queue_texts[i]);
        assert_levels(loop, q.pool, 1, (size_t)(QUEUE - 1 - i));
        contract_idle(loop);
        lent__give_back(q.pool, &q.records[i]);
        for (int later = i + 1; later < QUEUE; later++) {
            assert_int_equal(q.records[later].calls, 0); /* not within the call */
        }
    }
    assert_levels(loop, q.pool, 0, 0);
    queue__close(&q, loop);
}

/* Though it is started in the same tick, and finds data. */
static void nobody_overtakes_those_that_wait(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    queue q;
    contract_record record = {0};
    queue__open(&q, loop);
    contract_send_all(loop, q.pairs[0].client, "l", 1);
    (void)lent__start(loop, q.pairs[0].server, q.pool, &record);
    lent__give_back(q.pool, &q.records[0]);
    for (int i = 1; i < QUEUE; i++) {
        lent__expect(loop, &q.records[i], queue_texts[i]);
        assert_int_equal(record.calls, 0);
        lent__give_back(q.pool, &q.records[i]);
    }
    lent__expect(loop, &record, "l");
    queue__close(&q, loop);
}

static void a_receive_behind_one_that_waits_for_a_buffer_waits_for_its_turn(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    queue q;
    char data[64] = {0};
    contract_record received = {0};
    queue__open(&q, loop);
    assert_int_equal(
        iocp_recv(loop, q.pairs[1].server, data, sizeof data, contract_keep, &received, NULL),
        IOCP_OK);
    contract_idle(loop);
    assert_int_equal(received.calls, 0);
    lent__give_back(q.pool, &q.records[0]);
    lent__expect(loop, &q.records[1], "2");
    contract_send_all(loop, q.pairs[1].client, "m", 1);
    contract_wait(loop, &received, 1);
    assert_int_equal(received.result.bytes, 1);
    assert_memory_equal(data, "m", 1);
    queue__close(&q, loop);
}

/* A run is one start and one end, whatever it has waited for. */
static void a_run_that_has_waited_counts_once_and_was_not_done_at_once(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_type_stats_t stats = {.size = sizeof stats};
    queue q;
    queue__open(&q, loop);
    for (int i = 0; i < QUEUE; i++) {
        contract_wait(loop, &q.records[i], 1);
        if (i > 0) {
            assert_int_equal(q.records[i].result.flags & IOCP_RESULT_INLINE, 0);
        }
        lent__give_back(q.pool, &q.records[i]);
    }
    assert_int_equal(iocp_loop_type_stats(loop, IOCP_TYPE_RECV_LENT, &stats), IOCP_OK);
    assert_int_equal(stats.started, QUEUE);
    assert_int_equal(stats.ended, QUEUE);
    assert_int_equal(stats.failed, 0);
    assert_int_equal(stats.bytes, QUEUE);
    queue__close(&q, loop);
}

/* ---- Given back ---- */

static void what_is_given_back_twice_or_is_no_buffer_is_refused(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_record record = {0};
    iocp_buffers_t *pool = pool__create(loop, 2, 64);
    iocp_buffers_t *other = pool__create(loop, 2, 64);
    char foreign[64];
    (void)lent__start(loop, pair.server, pool, &record);
    contract_send_all(loop, pair.client, "h", 1);
    lent__expect(loop, &record, "h");
    char *data = record.result.data;
    assert_int_equal(iocp_buffers_return(pool, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_buffers_return(pool, foreign), IOCP_EINVAL);
    assert_int_equal(iocp_buffers_return(pool, data + 1), IOCP_EINVAL);
    assert_int_equal(iocp_buffers_return(pool, data + 64), IOCP_EINVAL); /* free, or behind all */
    assert_int_equal(iocp_buffers_return(pool, data - 64), IOCP_EINVAL);
    assert_int_equal(iocp_buffers_return(other, data), IOCP_EINVAL);
    assert_int_equal(iocp_buffers_return(NULL, data), IOCP_EINVAL);
    assert_levels(loop, pool, 1, 0);
    assert_int_equal(iocp_buffers_return(pool, data), IOCP_OK);
    assert_int_equal(iocp_buffers_return(pool, data), IOCP_EINVAL);
    assert_levels(loop, pool, 0, 0);
    contract_close_pair(loop, pair);
}

/* ---- Early ends, in each phase ---- */

/* For what ends a receive early: it says how, and waits until it has. */
typedef void (*ender)(iocp_loop_t *loop, iocp_handle_t handle, iocp_op_t op,
                      contract_record *record);

static void end__cancel(iocp_loop_t *loop, iocp_handle_t handle, iocp_op_t op,
                        contract_record *record)
{
    (void)handle;
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    contract_wait(loop, record, 1);
    assert_none(record, IOCP_ECANCELED);
}

static void end__deadline(iocp_loop_t *loop, iocp_handle_t handle, iocp_op_t op,
                          contract_record *record)
{
    (void)handle;
    assert_int_equal(iocp_op_deadline(loop, op, 0), IOCP_OK);
    contract_wait(loop, record, 1);
    assert_none(record, IOCP_ETIMEDOUT);
}

static void end__close(iocp_loop_t *loop, iocp_handle_t handle, iocp_op_t op,
                       contract_record *record)
{
    contract_record closed = {0};
    (void)op;
    assert_int_equal(iocp_close(loop, handle, contract_keep, &closed, NULL), IOCP_OK);
    contract_wait(loop, &closed, 1);
    assert_int_equal(record->calls, 1);
    assert_none(record, IOCP_ECANCELED);
}

static const ender enders[] = {end__cancel, end__deadline, end__close};

static void one_that_waits_for_data_ends_early(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_buffers_t *pool = pool__create(loop, 1, 64);
    for (size_t i = 0; i < sizeof enders / sizeof enders[0]; i++) {
        contract_pair pair = contract_connect(loop, AF_INET);
        contract_record record = {0};
        iocp_op_t op = lent__start(loop, pair.server, pool, &record);
        contract_idle(loop);
        enders[i](loop, pair.server, op, &record);
        if (enders[i] != end__close) {
            contract_send_all(loop, pair.client, "h", 1);
            assert_still_there(loop, pair.server, "h");
            contract_close(loop, pair.server);
        }
        contract_close(loop, pair.client);
        contract_close(loop, pair.listener);
        assert_levels(loop, pool, 0, 0);
    }
}

static void one_that_waits_for_a_buffer_ends_early_and_leaves_its_data(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    for (size_t i = 0; i < sizeof enders / sizeof enders[0]; i++) {
        queue q;
        queue__open(&q, loop);
        assert_int_equal(iocp_op_state(loop, q.ops[1]), IOCP_OP_ACTIVE);
        enders[i](loop, q.pairs[1].server, q.ops[1], &q.records[1]);
        assert_levels(loop, q.pool, 1, QUEUE - 2);
        if (enders[i] != end__close) {
            assert_still_there(loop, q.pairs[1].server, "2");
            contract_close(loop, q.pairs[1].server);
        }
        lent__give_back(q.pool, &q.records[0]);
        lent__expect(loop, &q.records[2], "3");
        lent__give_back(q.pool, &q.records[2]);
        lent__expect(loop, &q.records[3], "4");
        lent__give_back(q.pool, &q.records[3]);
        for (int k = 0; k < QUEUE; k++) {
            contract_close(loop, q.pairs[k].client);
            contract_close(loop, q.pairs[k].listener);
            if (k != 1) {
                contract_close(loop, q.pairs[k].server);
            }
        }
        assert_int_equal(iocp_buffers_destroy(q.pool), IOCP_OK);
    }
}

/* It has the buffer already, and has not begun to receive. The buffer is the next one's. */
static void one_that_was_given_a_buffer_ends_early_and_passes_it_on(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    for (size_t i = 0; i < sizeof enders / sizeof enders[0]; i++) {
        queue q;
        queue__open(&q, loop);
        lent__give_back(q.pool, &q.records[0]);
        assert_levels(loop, q.pool, 0, QUEUE - 2);
        if (enders[i] == end__deadline) {
            (void)iocp_op_deadline(loop, q.ops[1], 0);
            contract_wait(loop, &q.records[1], 1);
            assert_true(q.records[1].status == IOCP_ETIMEDOUT);
        } else {
            enders[i](loop, q.pairs[1].server, q.ops[1], &q.records[1]);
        }
        lent__expect(loop, &q.records[2], "3");
        if (enders[i] != end__close) {
            assert_still_there(loop, q.pairs[1].server, "2");
            contract_close(loop, q.pairs[1].server);
        }
        for (int k = 0; k < QUEUE; k++) {
            contract_close(loop, q.pairs[k].client);
            contract_close(loop, q.pairs[k].listener);
            if (k != 1) {
                contract_close(loop, q.pairs[k].server);
            }
        }
        contract_wait(loop, &q.records[3], 1);
        assert_none(&q.records[3], IOCP_ECANCELED);
        assert_int_equal(iocp_buffers_destroy(q.pool), IOCP_OK);
        lent__give_back(q.pool, &q.records[2]);
    }
}

/* Whichever is quicker: what is not received is still there. */
static void a_cancel_that_races_with_data_loses_none(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_buffers_t *pool = pool__create(loop, 1, 64);
    contract_pair pair = contract_connect(loop, AF_INET);
    for (int i = 0; i < 20; i++) {
        contract_record record = {0};
        contract_record sent = {0};
        iocp_op_t op = lent__start(loop, pair.server, pool, &record);
        contract_idle(loop);
        assert_int_equal(iocp_send(loop, pair.client, "h", 1, contract_keep, &sent, NULL), IOCP_OK);
        if (i % 2 == 0) {
            assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
        }
        assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
        contract_wait(loop, &record, 1);
        contract_wait(loop, &sent, 1);
        if (record.status == IOCP_OK) {
            assert_text(&record, "h");
            lent__give_back(pool, &record);
        } else {
            assert_none(&record, IOCP_ECANCELED);
            assert_still_there(loop, pair.server, "h");
        }
        assert_levels(loop, pool, 0, 0);
    }
    contract_close_pair(loop, pair);
}

static void a_deadline_holds_for_the_whole_run_and_each_that_follows(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    queue q;
    queue__open(&q, loop);
    q.records[1].rearms = 1;
    assert_int_equal(iocp_op_deadline(loop, q.ops[1], 50 * MS), IOCP_OK);
    contract_wait(loop, &q.records[1], 1);
    assert_none(&q.records[1], IOCP_ETIMEDOUT);
    contract_wait(loop, &q.records[1], 2);
    assert_none(&q.records[1], IOCP_ETIMEDOUT);
    assert_levels(loop, q.pool, 1, QUEUE - 2);
    assert_still_there(loop, q.pairs[1].server, "2");
    queue__close(&q, loop);
}

/* ---- The pool's end ---- */

static void a_pool_that_is_destroyed_ends_what_waits_and_lives_until_the_last_is_back(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    queue q;
    contract_record idle = {0};
    contract_record queued = {0};
    contract_pair pair = contract_connect(loop, AF_INET);
    queue__open(&q, loop);
    (void)lent__start(loop, pair.server, q.pool, &idle);
    contract_idle(loop);
    (void)lent__start(loop, pair.client, q.pool, &queued);
    q.records[1].rearms = 1; /* in vain: it was told the last word */
    assert_int_equal(iocp_buffers_destroy(q.pool), IOCP_OK);
    assert_int_equal(iocp_buffers_destroy(q.pool), IOCP_EINVAL);
    assert_levels(loop, q.pool, 1, 0);
    assert_int_equal(iocp_recv_lent(loop, pair.server, q.pool, contract_keep, &idle, NULL),
                     IOCP_EINVAL);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(q.records[1].calls, 1);
    for (int i = 1; i < QUEUE; i++) {
        assert_none(&q.records[i], IOCP_ECANCELED);
        assert_still_there(loop, q.pairs[i].server, queue_texts[i]);
    }
    assert_none(&idle, IOCP_ECANCELED);
    assert_none(&queued, IOCP_ECANCELED);
    assert_memory_equal(q.records[0].result.data, "1", 1);
    assert_levels(loop, q.pool, 1, 0);
    lent__give_back(q.pool, &q.records[0]);
    assert_int_equal(contract_stats(loop).lent, 0);
    queue__close(&q, loop);
    contract_close_pair(loop, pair);
}

/* And not with the loop. */
static void its_memory_goes_back_with_its_last_buffer(void **state)
{
    contract_meter memory = {0};
    contract_record records[2] = {{0}};
    (void)state;
    iocp_loop_t *loop = contract_meter_loop(&memory);
    contract_pair pair = contract_connect(loop, AF_INET);
    iocp_buffers_t *pool = pool__create(loop, 2, 65536);
    for (int i = 0; i < 2; i++) {
        (void)lent__start(loop, pair.server, pool, &records[i]);
        contract_send_all(loop, pair.client, "x", 1);
        lent__expect(loop, &records[i], "x");
    }
    size_t held = memory.held;
    assert_int_equal(iocp_buffers_destroy(pool), IOCP_OK);
    lent__give_back(pool, &records[0]);
    assert_int_equal(memory.held, held);
    lent__give_back(pool, &records[1]);
    assert_in_range(held - memory.held, 2 * 65536, 2 * 65536 + 256);
    held = memory.held;
    assert_int_equal(iocp_buffers_destroy(pool__create(loop, 2, 65536)), IOCP_OK);
    assert_int_equal(memory.held, held);
    contract_loop_destroy(loop);
}

/* Between the buffer's return and the receive: it has the only buffer, and the pool goes. */
static void a_pool_goes_with_the_buffer_that_a_receive_has(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    queue q;
    queue__open(&q, loop);
    lent__give_back(q.pool, &q.records[0]);
    assert_int_equal(iocp_buffers_destroy(q.pool), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    for (int i = 1; i < QUEUE; i++) {
        assert_int_equal(q.records[i].calls, 1);
        assert_none(&q.records[i], IOCP_ECANCELED);
        assert_still_there(loop, q.pairs[i].server, queue_texts[i]);
    }
    queue__close(&q, loop);
}

typedef struct destroyer {
    iocp_buffers_t *pool;
    int calls;
    int last_status;
} destroyer;

static iocp_action_t IOCP_CALL destroyer__on_data(iocp_loop_t *loop, const iocp_result_t *result,
                                                  void *userdata)
{
    destroyer *d = userdata;
    (void)loop;
    d->calls++;
    d->last_status = result->status;
    if (!contract_is_over() && d->calls == 1) {
        assert_int_equal(iocp_buffers_destroy(d->pool), IOCP_OK);
        assert_int_equal(iocp_buffers_return(d->pool, result->data), IOCP_OK);
    }
    return IOCP_REARM;
}

static void a_pool_may_go_in_the_callback_of_its_receive(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pair pair = contract_connect(loop, AF_INET);
    destroyer d = {.pool = pool__create(loop, 1, 64)};
    assert_int_equal(iocp_recv_lent(loop, pair.server, d.pool, destroyer__on_data, &d, NULL),
                     IOCP_OK);
    contract_send_all(loop, pair.client, "h", 1);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(d.calls, 2);
    assert_int_equal(d.last_status, IOCP_ECANCELED);
    contract_close_pair(loop, pair);
}

/* ---- The loop's end ---- */

typedef struct giver {
    iocp_buffers_t *pool;
    void *data;
    int status;
} giver;

static iocp_action_t IOCP_CALL giver__on_end(iocp_loop_t *loop, const iocp_result_t *result,
                                             void *userdata)
{
    giver *g = userdata;
    (void)loop;
    g->status = result->status;
    if (!contract_is_over()) {
        assert_int_equal(iocp_buffers_return(g->pool, g->data), IOCP_OK);
    }
    return IOCP_REARM;
}

static void a_loop_that_ends_takes_its_pools_and_what_is_lent_of_them(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    queue q;
    contract_pair pair = contract_connect(loop, AF_INET);
    queue__open(&q, loop);
    iocp_buffers_t *other = pool__create(loop, 3, 100);
    contract_record received = {0};
    (void)lent__start(loop, pair.server, other, &received);
    contract_send_all(loop, pair.client, "h", 1);
    lent__expect(loop, &received, "h");
    giver g = {.pool = other, .data = received.result.data};
    assert_int_equal(iocp_recv_lent(loop, pair.client, other, giver__on_end, &g, NULL), IOCP_OK);
    contract_idle(loop);
    assert_int_equal(iocp_loop_destroy(loop, 10 * S), IOCP_OK);
    contract_forget_loop(state);
    for (int i = 1; i < QUEUE; i++) {
        assert_none(&q.records[i], IOCP_ECANCELED);
    }
    assert_int_equal(g.status, IOCP_ECANCELED);
}

/* ---- Datagrams ---- */

static void a_datagram_comes_with_its_sender(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_buffers_t *pool = pool__create(loop, 1, 8);
    contract_address to;
    contract_address from;
    contract_record record = {0};
    iocp_handle_t receiver = contract_datagram_bind(loop, AF_INET, &to);
    iocp_handle_t sender = contract_datagram_bind(loop, AF_INET, &from);
    (void)lent__start(loop, receiver, pool, &record);
    contract_idle(loop);
    assert_levels(loop, pool, 0, 0);
    contract_datagram_send(loop, sender, &to, "hello", 5);
    lent__expect(loop, &record, "hello");
    assert_int_equal(record.result.flags & ~(uint32_t)IOCP_RESULT_INLINE, 0);
    assert_int_equal(record.address.length, from.length);
    assert_int_equal(contract_port(&record.address), contract_port(&from));
    assert_true(contract_is_loopback(&record.address, AF_INET));
    lent__give_back(pool, &record);
}

static void a_datagram_is_cut_or_empty_as_in_any_buffer(void **state)
{
    enum {
        DATAGRAMS = 4
    };
    static const char *const texts[DATAGRAMS] = {"123456789", "", "12345678", "abcdefghi"};
    static const char *const received[DATAGRAMS] = {"12345678", "", "12345678", "abcdefgh"};
    iocp_loop_t *loop = contract_loop(state);
    iocp_buffers_t *pool = pool__create(loop, DATAGRAMS, 8);
    contract_address to;
    iocp_handle_t handle = contract_datagram_bind(loop, AF_INET, &to);
    for (int is_late = 0; is_late < 2; is_late++) {
        contract_record records[DATAGRAMS] = {{0}};
        for (int i = 0; i < DATAGRAMS && !is_late; i++) {
            (void)lent__start(loop, handle, pool, &records[i]);
        }
        for (int i = 0; i < DATAGRAMS; i++) {
            contract_datagram_send(loop, handle, &to, texts[i], strlen(texts[i]));
        }
        for (int i = 0; i < DATAGRAMS && is_late; i++) {
            (void)lent__start(loop, handle, pool, &records[i]);
        }
        for (int i = 0; i < DATAGRAMS; i++) {
            bool is_cut = strlen(texts[i]) > strlen(received[i]);
            lent__expect(loop, &records[i], received[i]);
            assert_int_equal((records[i].result.flags & IOCP_RESULT_TRUNCATED) != 0, is_cut);
            assert_int_equal(contract_port(&records[i].address), contract_port(&to));
        }
        for (int i = 0; i < DATAGRAMS; i++) {
            lent__give_back(pool, &records[i]);
        }
    }
}

static void one_datagram_takes_one_buffer_whoever_waits(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_buffers_t *pool = pool__create(loop, 2, 8);
    contract_address to;
    contract_record records[3] = {{0}};
    iocp_handle_t handle = contract_datagram_bind(loop, AF_INET, &to);
    for (int i = 0; i < 3; i++) {
        (void)lent__start(loop, handle, pool, &records[i]);
    }
    contract_idle(loop);
    contract_datagram_send(loop, handle, &to, "one", 3);
    lent__expect(loop, &records[0], "one");
    contract_idle(loop);
    assert_int_equal(records[1].calls + records[2].calls, 0);
    contract_datagram_send(loop, handle, &to, "two", 3);
    lent__expect(loop, &records[1], "two"); /* the second buffer was free */
    assert_levels(loop, pool, 2, 0);
    contract_datagram_send(loop, handle, &to, "three", 5);
    lent__give_back(pool, &records[0]);
    lent__expect(loop, &records[2], "three");
}

/* ---- Pipes ---- */

static void write_all(iocp_loop_t *loop, iocp_handle_t end, const char *text)
{
    contract_record written = {0};
    assert_int_equal(iocp_write(loop, end, text, strlen(text), contract_keep, &written, NULL),
                     IOCP_OK);
    contract_wait(loop, &written, 1);
    assert_int_equal(written.status, IOCP_OK);
}

static void bytes_of_a_pipe_come_in_order_and_so_does_its_end(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pipe pipe = contract_pipe_open(loop);
    contract_record written = {0};
    collector c = {.pool = pool__create(loop, 1, 3), .wanted = 20};
    assert_int_equal(iocp_recv_lent(loop, pipe.ends[0], c.pool, collector__on_data, &c, NULL),
                     IOCP_OK);
    contract_idle(loop);
    assert_levels(loop, c.pool, 0, 0);
    assert_int_equal(
        iocp_write(loop, pipe.ends[1], "0123456789", 10, contract_keep, &written, NULL), IOCP_OK);
    while (c.size < 10) {
        run_a_little(loop);
    }
    contract_wait(loop, &written, 1);
    assert_memory_equal(c.data, "0123456789", 10);
    contract_close(loop, pipe.ends[1]);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(c.status, IOCP_EOF);
    assert_levels(loop, c.pool, 0, 0);
}

typedef struct messages {
    iocp_handle_t ends[2];
} messages;

static messages messages__open(iocp_loop_t *loop)
{
    iocp_pipe_options_t options = {.size = sizeof options, .flags = IOCP_PIPE_MESSAGE};
    contract_server server = contract_pipe_listen(loop, &options);
    contract_record accepted = {0};
    contract_record connected = {0};
    assert_int_equal(iocp_accept(loop, server.listener, contract_keep, &accepted, NULL), IOCP_OK);
    assert_int_equal(
        iocp_pipe_connect(loop, server.name, IOCP_PIPE_MESSAGE, contract_keep, &connected, NULL),
        IOCP_OK);
    contract_wait(loop, &accepted, 1);
    contract_wait(loop, &connected, 1);
    assert_int_equal(accepted.status, IOCP_OK);
    assert_int_equal(connected.status, IOCP_OK);
    contract_close(loop, server.listener);
    return (messages){{accepted.result.opened, connected.result.opened}};
}

static void assert_message(iocp_loop_t *loop, iocp_handle_t end, iocp_buffers_t *pool,
                           const char *text, uint32_t flags)
{
    contract_record record = {0};
    (void)lent__start(loop, end, pool, &record);
    lent__expect(loop, &record, text);
    assert_int_equal(record.result.flags & ~(uint32_t)IOCP_RESULT_INLINE, flags);
    lent__give_back(pool, &record);
}

static void messages_of_a_pipe_come_one_by_one(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_buffers_t *pool = pool__create(loop, 1, 8);
    messages pipe = messages__open(loop);
    write_all(loop, pipe.ends[0], "short");
    write_all(loop, pipe.ends[0], "");
    write_all(loop, pipe.ends[0], "rather long");
    write_all(loop, pipe.ends[0], "last");
    assert_message(loop, pipe.ends[1], pool, "short", 0);
    assert_message(loop, pipe.ends[1], pool, "", 0);
    assert_message(loop, pipe.ends[1], pool, "rather l", IOCP_RESULT_MORE);
    assert_message(loop, pipe.ends[1], pool, "ong", 0);
    assert_message(loop, pipe.ends[1], pool, "last", 0);
}

/* The wait has taken it, and there is no buffer to tell it in yet. */
static void an_empty_message_waits_for_a_buffer_too(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_buffers_t *pool = pool__create(loop, 1, 8);
    messages pipe = messages__open(loop);
    contract_record records[3] = {{0}};
    for (int i = 0; i < 3; i++) {
        (void)lent__start(loop, pipe.ends[1], pool, &records[i]);
    }
    contract_idle(loop);
    write_all(loop, pipe.ends[0], "one");
    lent__expect(loop, &records[0], "one");
    contract_idle(loop);
    write_all(loop, pipe.ends[0], "");
    write_all(loop, pipe.ends[0], "three");
    contract_idle(loop);
    assert_int_equal(records[1].calls, 0);
    lent__give_back(pool, &records[0]);
    lent__expect(loop, &records[1], "");
    lent__give_back(pool, &records[1]);
    lent__expect(loop, &records[2], "three");
}

/* ---- What is refused ---- */

static void bad_arguments_are_refused(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_loop_t *other = contract_loop_create();
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_record record = {0};
    iocp_handle_t none = {0};
    size_t level = 0;
    iocp_buffers_t *refused = NULL;
    iocp_buffers_t *pool = pool__create(loop, 1, 8);
    iocp_buffers_t *foreign = pool__create(other, 1, 8);
    assert_int_equal(iocp_buffers_create(NULL, 1, 8, &refused), IOCP_EINVAL);
    assert_int_equal(iocp_buffers_create(loop, 0, 8, &refused), IOCP_EINVAL);
    assert_int_equal(iocp_buffers_create(loop, 1, 0, &refused), IOCP_EINVAL);
    assert_int_equal(iocp_buffers_create(loop, 1, 8, NULL), IOCP_EINVAL);
    assert_null(refused);
    assert_int_equal(iocp_buffers_destroy(NULL), IOCP_EINVAL);
    assert_int_equal(iocp_buffers_lent(NULL, &level, &level), IOCP_EINVAL);
    assert_int_equal(iocp_buffers_lent(pool, NULL, &level), IOCP_EINVAL);
    assert_int_equal(iocp_buffers_lent(pool, &level, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_recv_lent(loop, pair.server, NULL, contract_keep, &record, NULL),
                     IOCP_EINVAL);
    assert_int_equal(iocp_recv_lent(loop, pair.server, foreign, contract_keep, &record, NULL),
                     IOCP_EINVAL);
    assert_int_equal(iocp_recv_lent(loop, pair.server, pool, NULL, &record, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_recv_lent(loop, none, pool, contract_keep, &record, NULL), IOCP_EBADF);
    contract_loop_destroy(other);
    contract_close_pair(loop, pair);
}

static void a_file_has_no_lent_reads_and_the_buffer_is_the_pools(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_record record = {0};
    char data[8];
    iocp_buffers_t *pool = pool__create(loop, 1, 8);
    iocp_handle_t file = contract_file_with(loop, "file", "text", 4);
    assert_int_equal(iocp_recv_lent(loop, file, pool, contract_keep, &record, NULL), IOCP_ENOTSUP);
    iocp_op_t op = lent__start(loop, pair.server, pool, &record);
    assert_int_equal(iocp_op_set_buffer(loop, op, data, sizeof data), IOCP_ENOTSUP);
    contract_close_pair(loop, pair);
}

static void without_memory_there_is_no_pool_and_no_receive(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_address to;
    contract_record record = {0};
    iocp_buffers_t *pool = pool__create(loop, 1, 8);
    iocp_buffers_t *refused = NULL;
    iocp_handle_t handle = contract_datagram_bind(loop, AF_INET, &to);
    contract_allow_blocks(0);
    assert_int_equal(iocp_buffers_create(loop, 1, 8, &refused), IOCP_ENOMEM);
    int refusals = 0;
    for (uint64_t blocks = 0; blocks < 8; blocks++) {
        contract_allow_blocks(blocks);
        int status = iocp_recv_lent(loop, handle, pool, contract_keep, &record, NULL);
        if (status == IOCP_OK) {
            break;
        }
        assert_int_equal(status, IOCP_ENOMEM);
        refusals++;
    }
    contract_allow_blocks(UINT64_MAX);
    assert_in_range(refusals, 1, 7);
    contract_datagram_send(loop, handle, &to, "hello", 5);
    lent__expect(loop, &record, "hello");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CONTRACT_FILE_TEST(data_comes_in_a_buffer_that_is_the_programs_until_it_gives_it_back),
        CONTRACT_FILE_TEST(what_is_there_already_is_received),
        CONTRACT_FILE_TEST(those_that_wait_for_data_have_no_buffer),
        CONTRACT_FILE_TEST(rearmed_it_gets_all_in_order_in_one_small_buffer),
        CONTRACT_FILE_TEST(one_that_was_busy_and_is_idle_has_no_buffer),
        CONTRACT_FILE_TEST(the_end_of_the_stream_has_no_buffer),
        CONTRACT_FILE_TEST(a_reset_has_no_buffer),
        CONTRACT_FILE_TEST(an_empty_pool_serves_the_oldest_first_and_loses_nothing),
        CONTRACT_FILE_TEST(nobody_overtakes_those_that_wait),
        CONTRACT_FILE_TEST(a_receive_behind_one_that_waits_for_a_buffer_waits_for_its_turn),
        CONTRACT_FILE_TEST(a_run_that_has_waited_counts_once_and_was_not_done_at_once),
        CONTRACT_FILE_TEST(what_is_given_back_twice_or_is_no_buffer_is_refused),
        CONTRACT_FILE_TEST(one_that_waits_for_data_ends_early),
        CONTRACT_FILE_TEST(one_that_waits_for_a_buffer_ends_early_and_leaves_its_data),
        CONTRACT_FILE_TEST(one_that_was_given_a_buffer_ends_early_and_passes_it_on),
        CONTRACT_FILE_TEST(a_cancel_that_races_with_data_loses_none),
        CONTRACT_FILE_TEST(a_deadline_holds_for_the_whole_run_and_each_that_follows),
        CONTRACT_FILE_TEST(
            a_pool_that_is_destroyed_ends_what_waits_and_lives_until_the_last_is_back),
        CONTRACT_FILE_TEST(its_memory_goes_back_with_its_last_buffer),
        CONTRACT_FILE_TEST(a_pool_goes_with_the_buffer_that_a_receive_has),
        CONTRACT_FILE_TEST(a_pool_may_go_in_the_callback_of_its_receive),
        CONTRACT_FILE_TEST(a_loop_that_ends_takes_its_pools_and_what_is_lent_of_them),
        CONTRACT_FILE_TEST(a_datagram_comes_with_its_sender),
        CONTRACT_FILE_TEST(a_datagram_is_cut_or_empty_as_in_any_buffer),
        CONTRACT_FILE_TEST(one_datagram_takes_one_buffer_whoever_waits),
        CONTRACT_FILE_TEST(bytes_of_a_pipe_come_in_order_and_so_does_its_end),
        CONTRACT_FILE_TEST(messages_of_a_pipe_come_one_by_one),
        CONTRACT_FILE_TEST(an_empty_message_waits_for_a_buffer_too),
        CONTRACT_FILE_TEST(bad_arguments_are_refused),
        CONTRACT_FILE_TEST(a_file_has_no_lent_reads_and_the_buffer_is_the_pools),
        CONTRACT_FILE_TEST(without_memory_there_is_no_pool_and_no_receive),
    };
    return CONTRACT_RUN(tests);
}
