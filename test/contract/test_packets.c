/*
 * Packets of others in the loop's port: a second user, who binds handles of its own to it or posts, gets
 * all of his and none of the loop's, in their order, also while the loop ends.
 */
#include "contract_env.h"
#include "contract_call.h"
#include "atomic.h"
#include "base.h"
#include "threads.h"

#include <string.h>

#define PACKETS_KEPT   512
#define PACKETS_BATCH  8
#define SENDER_COUNT   4
#define SENDER_PACKETS 2000

/* The second user. A key is twice a sender's number; what he sends is numbered. */
typedef struct user {
    iocp_loop_t *loop;
    void *port;
    int calls;
    iocp_packet_t kept[PACKETS_KEPT];
    uint64_t last[SENDER_COUNT + 1]; /* of each sender */
    int wrong;
    int stops_at;      /* this call stops the loop, 0: none */
    int posts_at;      /* this call posts another */
    int posted;        /* what that answered */
    iocp_op_t cancels; /* the first call cancels this */
} user;

static user user_now;

static void *as_overlapped(uint64_t number)
{
    return (void *)(uintptr_t)number;
}

static void IOCP_CALL user__take(iocp_loop_t *loop, const iocp_packet_t *packet, void *context)
{
    user *u = context;
    uint64_t number = (uintptr_t)packet->overlapped;
    assert_ptr_equal(u, &user_now);
    assert_ptr_equal(loop, u->loop);
    if (u->calls < PACKETS_KEPT) {
        u->kept[u->calls] = *packet;
    }
    u->calls++;
    uintptr_t sender = packet->key / 2;
    bool is_next = sender >= 1 && sender <= SENDER_COUNT && number == u->last[sender] + 1;
    u->wrong += !is_next || packet->bytes != (uint32_t)number;
    if (is_next) {
        u->last[sender] = number;
    }
    if (u->calls == u->stops_at) {
        assert_int_equal(iocp_loop_stop(loop), IOCP_OK);
    }
    if (u->calls == u->posts_at) {
        u->posted = iocp_loop_post_packet(loop, 2, (uint32_t)number + 1, as_overlapped(number + 1));
    }
    if (u->cancels.id != 0) {
        assert_int_equal(iocp_cancel(loop, u->cancels, NULL, NULL, NULL), IOCP_OK);
        u->cancels.id = 0;
    }
}

static iocp_loop_t *user__open_with(uint32_t batch)
{
    iocp_loop_options_t options = contract_options();
    memset(&user_now, 0, sizeof user_now);
    options.batch = batch;
    options.on_packet = user__take;
    options.packet_context = &user_now;
    assert_int_equal(iocp_loop_create(&options, &user_now.loop), IOCP_OK);
    assert_int_equal(iocp_loop_native_port(user_now.loop, &user_now.port), IOCP_OK);
    return user_now.loop;
}

static iocp_loop_t *user__open(void)
{
    return user__open_with(0);
}

/* The packets `first` to `last` of a sender. */
static void user__post(int sender, uint64_t first, uint64_t last)
{
    for (uint64_t i = first; i <= last; i++) {
        assert_int_equal(iocp_loop_post_packet(user_now.loop, (uintptr_t)sender * 2, (uint32_t)i,
                                               as_overlapped(i)),
                         IOCP_OK);
    }
}

static void assert_user_has(int calls)
{
    assert_int_equal(user_now.calls, calls);
    assert_int_equal(user_now.wrong, 0);
}

/* Turns that do not sleep; in the simulation some find nothing though there is something. */
static void user__expect(int calls)
{
    for (int i = 0; i < 50 && user_now.calls < calls; i++) {
        assert_int_equal(iocp_loop_tick(user_now.loop, 0), IOCP_OK);
    }
    assert_user_has(calls);
}

/* ---- What is delivered ---- */

static void a_posted_packet_comes_as_it_was_posted(void **state)
{
    (void)state;
    iocp_loop_t *loop = user__open();
    user__post(1, 1, 3);
    assert_user_has(0); /* never inside */
    user__expect(3);
    for (int i = 0; i < 3; i++) {
        assert_true(user_now.kept[i].key == 2);
        assert_true(user_now.kept[i].internal == 0);
        assert_ptr_equal(user_now.kept[i].overlapped, as_overlapped((uint64_t)i + 1));
    }
    contract_loop_destroy(loop);
    assert_user_has(3);
}

/* Whatever they look like: they are not looked at. */
static void what_is_in_a_packet_is_the_programs(void **state)
{
    static const iocp_packet_t packets[] = {
        {.key = 2, .overlapped = NULL, .bytes = 0},
        {.key = UINTPTR_MAX - 1, .overlapped = (void *)UINTPTR_MAX, .bytes = UINT32_MAX},
        {.key = (uintptr_t)&packets, .overlapped = (void *)1, .bytes = 1},
    };
    (void)state;
    iocp_loop_t *loop = user__open();
    for (size_t i = 0; i < IOC_COUNT_OF(packets); i++) {
        assert_int_equal(
            iocp_loop_post_packet(loop, packets[i].key, packets[i].bytes, packets[i].overlapped),
            IOCP_OK);
    }
    for (int i = 0; i < 50 && user_now.calls < (int)IOC_COUNT_OF(packets); i++) {
        assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
    }
    assert_int_equal(user_now.calls, IOC_COUNT_OF(packets));
    for (size_t i = 0; i < IOC_COUNT_OF(packets); i++) {
        assert_true(user_now.kept[i].key == packets[i].key);
        assert_ptr_equal(user_now.kept[i].overlapped, packets[i].overlapped);
        assert_int_equal(user_now.kept[i].bytes, packets[i].bytes);
    }
    contract_loop_destroy(loop);
}

/* As those of a handle that it has bound come, of which the loop knows nothing. */
static void packets_of_the_programs_handles_come_between_posted_ones(void **state)
{
    (void)state;
    iocp_loop_t *loop = user__open();
    for (uint64_t i = 1; i <= 6; i++) {
        if (i % 2 == 0) {
            user__post(1, i, i);
        } else {
            contract_send_packet(loop, user_now.port, 2, (uint32_t)i, as_overlapped(i));
        }
    }
    user__expect(6);
    contract_loop_destroy(loop);
}

/* The loop's own operations have their callbacks, and nobody else. */
static void none_of_the_loops_own_are_among_them(void **state)
{
    (void)state;
    iocp_loop_t *loop = user__open();
    contract_pair pair = contract_connect(loop, AF_INET);
    char data[64];
    for (uint64_t i = 1; i <= 50; i++) {
        contract_record received = {0};
        contract_record sent = {0};
        contract_record waited = {0};
        user__post(1, i, i);
        assert_int_equal(
            iocp_recv(loop, pair.server, data, sizeof data, contract_keep, &received, NULL),
            IOCP_OK);
        assert_int_equal(iocp_send(loop, pair.client, "hello", 5, contract_keep, &sent, NULL),
                         IOCP_OK);
        assert_int_equal(iocp_timer(loop, MS / 10, contract_keep, &waited, NULL), IOCP_OK);
        contract_wait(loop, &received, 1);
        contract_wait(loop, &sent, 1);
        contract_wait(loop, &waited, 1);
        assert_true(received.result.bytes > 0);
    }
    contract_idle(loop);
    assert_user_has(50);
    contract_loop_destroy(loop);
    assert_user_has(50);
}

/* ---- Turns ---- */

static void packets_count_as_callbacks_and_a_turn_takes_one_batch(void **state)
{
    (void)state;
    iocp_loop_t *loop = user__open_with(PACKETS_BATCH);
    user__post(1, 1, 3 * PACKETS_BATCH + 1);
    for (int before = 0; user_now.calls < 3 * PACKETS_BATCH; before = user_now.calls) {
        assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
        assert_in_range(user_now.calls, before, before + PACKETS_BATCH);
    }
    user__expect(3 * PACKETS_BATCH + 1);
    contract_record never = {0};
    iocp_op_t op = {0};
    assert_int_equal(iocp_timer(loop, 1000 * S, contract_keep, &never, &op), IOCP_OK);
    user__post(1, 3 * PACKETS_BATCH + 2, 3 * PACKETS_BATCH + 3);
    assert_int_equal(iocp_loop_tick(loop, 2), IOCP_OK); /* the timer keeps it going */
    assert_user_has(3 * PACKETS_BATCH + 3);
    contract_loop_destroy(loop);
}

static iocp_action_t IOCP_CALL nop__again(iocp_loop_t *loop, const iocp_result_t *result,
                                          void *userdata)
{
    (void)loop;
    (void)result;
    ++*(int *)userdata;
    return IOCP_REARM;
}

/* Callbacks that always bring new work, and packets that are always there. */
static void neither_keeps_the_other_waiting(void **state)
{
    (void)state;
    iocp_loop_t *loop = user__open_with(PACKETS_BATCH);
    int callbacks = 0;
    for (int i = 0; i < 3 * PACKETS_BATCH; i++) {
        assert_int_equal(iocp_nop(loop, nop__again, &callbacks, NULL), IOCP_OK);
    }
    for (int turn = 0; turn < 20; turn++) {
        uint64_t sent = (uint64_t)turn * PACKETS_BATCH;
        user__post(1, sent + 1, sent + PACKETS_BATCH);
        for (int tries = 0; user_now.calls < (turn + 1) * PACKETS_BATCH; tries++) {
            int before = callbacks;
            int packets = user_now.calls;
            assert_in_range(tries, 0, 10);
            assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
            packets = user_now.calls - packets;
            assert_in_range(callbacks - before, PACKETS_BATCH, 2 * PACKETS_BATCH - packets);
        }
        assert_user_has((turn + 1) * PACKETS_BATCH);
    }
    contract_loop_destroy(loop);
}

/* What was queued before its packet, is cancelled in it, and never starts. */
static void it_may_call_what_a_callback_may(void **state)
{
    (void)state;
    iocp_loop_t *loop = user__open();
    contract_record record = {0};
    assert_int_equal(iocp_timer(loop, 1000 * S, contract_keep, &record, &user_now.cancels),
                     IOCP_OK);
    user_now.posts_at = 1;
    user__post(1, 1, 1);
    contract_wait(loop, &record, 1);
    assert_int_equal(record.status, IOCP_ECANCELED);
    assert_int_equal(user_now.posted, IOCP_OK);
    user__expect(2);
    contract_loop_destroy(loop);
}

static void a_stop_leaves_the_rest_for_later(void **state)
{
    (void)state;
    iocp_loop_t *loop = user__open();
    uint64_t when_ns = 0;
    user_now.stops_at = 2;
    user__post(1, 1, 5);
    user__expect(2);
    user__post(1, 6, 7);
    assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
    assert_user_has(2);
    assert_int_equal(iocp_loop_resume(loop), IOCP_OK);
    assert_int_equal(iocp_loop_next_deadline(loop, &when_ns), IOCP_OK);
    assert_true(when_ns <= iocp_loop_now(loop)); /* there is work */
    user__expect(7);
    contract_loop_destroy(loop);
}

/* They are somebody else's: the loop has nothing to do. */
static void packets_do_not_keep_the_loop_running(void **state)
{
    (void)state;
    iocp_loop_t *loop = user__open();
    user__post(1, 1, 1);
    assert_int_equal(iocp_loop_active(loop), 0);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    user__expect(1);
    contract_loop_destroy(loop);
}

/* ---- Other threads ---- */

typedef struct sender {
    test_thread thread;
    uintptr_t key;
    uint64_t accepted;
    bool sends; /* as a handle of the program's does; otherwise it posts */
    bool is_refused;
    ioc_atomic_u32 *running;
} sender;

static void sender__run(void *arg)
{
    sender *s = arg;
    while (s->accepted < SENDER_PACKETS && !s->is_refused) {
        uint64_t number = s->accepted + 1;
        if (s->sends) {
            contract_send_packet(user_now.loop, user_now.port, s->key, (uint32_t)number,
                                 as_overlapped(number));
        } else {
            s->is_refused = iocp_loop_post_packet(user_now.loop, s->key, (uint32_t)number,
                                                  as_overlapped(number)) != IOCP_OK;
        }
        s->accepted += !s->is_refused;
    }
    ioc_add_u32(s->running, 0u - 1u);
}

static void senders__start(sender senders[SENDER_COUNT], ioc_atomic_u32 *running, bool may_send)
{
    ioc_store_u32(running, SENDER_COUNT);
    for (int i = 0; i < SENDER_COUNT; i++) {
        senders[i] = (sender){
            .key = (uintptr_t)(i + 1) * 2, .sends = may_send && i % 2 == 1, .running = running};
        assert_true(test_thread_start(&senders[i].thread, sender__run, &senders[i]));
    }
}

static void assert_each_sender_was_heard(sender senders[SENDER_COUNT])
{
    for (int i = 0; i < SENDER_COUNT; i++) {
        assert_true(user_now.last[i + 1] == senders[i].accepted);
    }
    assert_int_equal(user_now.wrong, 0);
}

/* The loop sleeps whenever there are none. */
static void packets_of_many_threads_come_each_in_its_order(void **state)
{
    static sender senders[SENDER_COUNT];
    static ioc_atomic_u32 running;
    (void)state;
    iocp_loop_t *loop = user__open_with(PACKETS_BATCH);
    contract_record never = {0};
    iocp_op_t op = {0};
    assert_int_equal(iocp_timer(loop, UINT64_MAX, contract_keep, &never, &op), IOCP_OK);
    iocp_async_t *async = NULL;
    contract_record waited = {0};
    assert_int_equal(iocp_async_create(loop, &async), IOCP_OK);
    assert_int_equal(iocp_async_wait(loop, async, contract_keep, &waited, NULL), IOCP_OK);
    senders__start(senders, &running, true);
    for (int i = 0; user_now.calls < SENDER_COUNT * SENDER_PACKETS; i++) {
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_ONCE), IOCP_OK);
        assert_in_range(i, 0, SENDER_COUNT * SENDER_PACKETS);
    }
    for (int i = 0; i < SENDER_COUNT; i++) {
        test_thread_join(&senders[i].thread);
        assert_false(senders[i].is_refused);
    }
    assert_each_sender_was_heard(senders);
    assert_user_has(SENDER_COUNT * SENDER_PACKETS);
    assert_int_equal(waited.calls, 0);
    assert_int_equal(iocp_async_destroy(async), IOCP_OK);
    contract_loop_destroy(loop);
}

/* ---- The loop's end ---- */

/* More than one batch. */
static void the_loops_end_delivers_what_is_in_the_port(void **state)
{
    for (int has_timeout = 0; has_timeout <= 1; has_timeout++) {
        (void)state;
        iocp_loop_t *loop = user__open_with(PACKETS_BATCH);
        user_now.posts_at = 1;
        user__post(1, 1, 3 * PACKETS_BATCH);
        contract_send_packet(loop, user_now.port, 4, 1, as_overlapped(1));
        uint64_t timeout_ns = has_timeout ? UINT64_MAX : 0;
        assert_int_equal(iocp_loop_destroy(loop, timeout_ns), IOCP_OK);
        assert_user_has(3 * PACKETS_BATCH + 1);
        assert_int_equal(user_now.posted, IOCP_ECLOSING);
    }
}

/* With operations that end, and some that have to be waited for. */
static void packets_are_delivered_while_the_loop_ends(void **state)
{
    (void)state;
    iocp_loop_t *loop = user__open_with(PACKETS_BATCH);
    contract_pair pair = contract_connect(loop, AF_INET);
    static contract_record records[20];
    static char data[20];
    memset(records, 0, sizeof records);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(
            iocp_recv(loop, pair.server, &data[i], 1, contract_keep, &records[i], NULL), IOCP_OK);
    }
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    user__post(1, 1, 2 * PACKETS_BATCH);
    assert_int_equal(iocp_loop_destroy(loop, UINT64_MAX), IOCP_OK);
    assert_user_has(2 * PACKETS_BATCH);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(records[i].calls, 1);
        assert_int_equal(records[i].status, IOCP_ECANCELED);
    }
}

/* What was accepted is delivered, the rest is refused; the async keeps the loop for the threads. */
static void packets_that_race_with_destroy_are_delivered_or_refused(void **state)
{
    static sender senders[SENDER_COUNT];
    static ioc_atomic_u32 running;
    (void)state;
    for (int round = 0; round < 10; round++) {
        iocp_loop_t *loop = user__open_with(PACKETS_BATCH);
        iocp_async_t *async = NULL;
        assert_int_equal(iocp_async_create(loop, &async), IOCP_OK);
        senders__start(senders, &running, false);
        while (user_now.calls < 20 * round) {
            assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
        }
        assert_int_equal(iocp_loop_destroy(loop, UINT64_MAX), IOCP_EASYNC);
        for (int i = 0; i < SENDER_COUNT; i++) {
            test_thread_join(&senders[i].thread);
        }
        assert_int_equal(ioc_load_u32(&running), 0);
        assert_each_sender_was_heard(senders); /* before it is gone */
        assert_int_equal(iocp_async_destroy(async), IOCP_OK);
        assert_int_equal(iocp_loop_destroy(loop, UINT64_MAX), IOCP_OK);
        assert_each_sender_was_heard(senders);
    }
}

/* ---- Refused ---- */

static void a_key_that_may_be_the_loops_is_refused(void **state)
{
    (void)state;
    iocp_loop_t *loop = user__open();
    assert_int_equal(iocp_loop_post_packet(NULL, 2, 0, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_loop_post_packet(loop, 0, 0, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_loop_post_packet(loop, 1, 0, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_loop_post_packet(loop, UINTPTR_MAX, 0, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
    assert_user_has(0);
    contract_loop_destroy(loop);
    assert_user_has(0);
}

static void without_a_function_for_them_they_are_refused_or_dropped(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    void *port = NULL;
    assert_int_equal(iocp_loop_native_port(loop, &port), IOCP_OK);
    assert_int_equal(iocp_loop_post_packet(loop, 2, 0, NULL), IOCP_EINVAL);
    contract_send_packet(loop, port, 2, 0, NULL);
    contract_record record = {0};
    contract_pipe pipe = contract_pipe_open(loop);
    char data[1];
    iocp_op_t op = {0};
    assert_int_equal(iocp_read(loop, pipe.ends[0], data, 1, contract_keep, &record, &op), IOCP_OK);
    for (int i = 0; i < 50 && contract_stats(loop).foreign_packets == 0; i++) {
        assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
    }
    assert_in_range(contract_stats(loop).foreign_packets, 1, 100);
    assert_int_equal(record.calls, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TEST(a_posted_packet_comes_as_it_was_posted),
        CONTRACT_TEST(what_is_in_a_packet_is_the_programs),
        CONTRACT_TEST(packets_of_the_programs_handles_come_between_posted_ones),
        CONTRACT_TEST(none_of_the_loops_own_are_among_them),
        CONTRACT_TEST(packets_count_as_callbacks_and_a_turn_takes_one_batch),
        CONTRACT_TEST(neither_keeps_the_other_waiting),
        CONTRACT_TEST(it_may_call_what_a_callback_may),
        CONTRACT_TEST(a_stop_leaves_the_rest_for_later),
        CONTRACT_TEST(packets_do_not_keep_the_loop_running),
        CONTRACT_TEST(packets_of_many_threads_come_each_in_its_order),
        CONTRACT_TEST(the_loops_end_delivers_what_is_in_the_port),
        CONTRACT_TEST(packets_are_delivered_while_the_loop_ends),
        CONTRACT_TEST(packets_that_race_with_destroy_are_delivered_or_refused),
        CONTRACT_TEST(a_key_that_may_be_the_loops_is_refused),
        CONTRACT_TEST(without_a_function_for_them_they_are_refused_or_dropped),
    };
    return CONTRACT_RUN(tests);
}
