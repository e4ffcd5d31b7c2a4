#include "unit_backend.h"

#include "post.h"

#include <string.h>

/* What is posted: it writes its letter. */
typedef struct note {
    struct fixture *f;
    char letter;
} note;

typedef struct fixture {
    unit_core *core;
    ioc_inbox inbox;
    note a;
    note b;
    note c;
    char order[16]; /* what the posted functions wrote */
    size_t written;
} fixture;

static int fixture__set_up(void **state)
{
    static fixture f;
    void *core = NULL;
    if (unit_core_set_up(&core) != 0) {
        return -1;
    }
    memset(&f, 0, sizeof f);
    f.core = core;
    f.a = (note){&f, 'a'};
    f.b = (note){&f, 'b'};
    f.c = (note){&f, 'c'};
    ioc_inbox_init(&f.inbox, &f.core->memory.alloc, &f.core->ops, NULL);
    *state = &f;
    return 0;
}

static int fixture__tear_down(void **state)
{
    fixture *f = *state;
    void *core = f->core;
    bool is_left = ioc_inbox_has_news(&f->inbox);
    ioc_inbox_resume(&f->inbox);
    while (ioc_inbox_has_news(&f->inbox)) {
        (void)ioc_inbox_run(&f->inbox, 1000);
    }
    ioc_inbox_deinit(&f->inbox);
    return unit_core_tear_down(&core) != 0 || is_left;
}

#define POST_TEST(name) cmocka_unit_test_setup_teardown(name, fixture__set_up, fixture__tear_down)

static void IOCP_CALL note__write(iocp_loop_t *loop, void *arg)
{
    note *self = arg;
    (void)loop;
    if (self->f->written < sizeof self->f->order - 1) {
        self->f->order[self->f->written++] = self->letter;
    }
}

static void IOCP_CALL note__write_and_stop(iocp_loop_t *loop, void *arg)
{
    note__write(loop, arg);
    ioc_inbox_stop(&((note *)arg)->f->inbox);
}

static void post(fixture *f, note *written)
{
    assert_int_equal(ioc_inbox_post(&f->inbox, note__write, written), IOCP_OK);
}

static void posts_run_in_their_order(void **state)
{
    fixture *f = *state;
    post(f, &f->a);
    post(f, &f->b);
    post(f, &f->c);
    assert_int_equal(f->written, 0); /* never inside the call */
    assert_int_equal(ioc_inbox_run(&f->inbox, 100), 3);
    assert_string_equal(f->order, "abc");
    assert_false(ioc_inbox_has_news(&f->inbox));
}

static void a_run_is_bounded_and_the_next_goes_on(void **state)
{
    fixture *f = *state;
    post(f, &f->a);
    post(f, &f->b);
    post(f, &f->c);
    assert_int_equal(ioc_inbox_run(&f->inbox, 2), 2);
    assert_string_equal(f->order, "ab");
    assert_true(ioc_inbox_has_news(&f->inbox));
    assert_int_equal(ioc_inbox_run(&f->inbox, 2), 1);
    assert_string_equal(f->order, "abc");
}

static void a_stop_keeps_the_rest_for_later(void **state)
{
    fixture *f = *state;
    assert_int_equal(ioc_inbox_post(&f->inbox, note__write_and_stop, &f->a), IOCP_OK);
    post(f, &f->b);
    assert_int_equal(ioc_inbox_run(&f->inbox, 100), 1);
    assert_int_equal(ioc_inbox_run(&f->inbox, 100), 0);
    assert_true(ioc_inbox_is_stopped(&f->inbox));
    ioc_inbox_resume(&f->inbox);
    assert_int_equal(ioc_inbox_run(&f->inbox, 100), 1);
    assert_string_equal(f->order, "ab");
}

static void a_loop_that_is_awake_needs_no_packet(void **state)
{
    fixture *f = *state;
    post(f, &f->a);
    ioc_inbox_stop(&f->inbox);
    ioc_inbox_resume(&f->inbox);
    assert_int_equal(f->core->port.wakes, 0);
    assert_int_equal(ioc_inbox_run(&f->inbox, 1), 1);
}

static void with_news_the_loop_does_not_fall_asleep(void **state)
{
    fixture *f = *state;
    post(f, &f->a);
    assert_false(ioc_inbox_fall_asleep(&f->inbox));
    assert_int_equal(ioc_inbox_run(&f->inbox, 1), 1);
    ioc_inbox_stop(&f->inbox);
    assert_false(ioc_inbox_fall_asleep(&f->inbox));
    ioc_inbox_resume(&f->inbox);
    assert_true(ioc_inbox_fall_asleep(&f->inbox));
}

static void a_sleeping_loop_gets_one_packet_for_any_number_of_posts(void **state)
{
    fixture *f = *state;
    for (unsigned round = 1; round <= 3; round++) {
        assert_true(ioc_inbox_fall_asleep(&f->inbox));
        for (int i = 0; i < 5; i++) {
            post(f, &f->a);
        }
        ioc_inbox_stop(&f->inbox);
        ioc_inbox_resume(&f->inbox);
        assert_int_equal(f->core->port.wakes, round);
        assert_false(ioc_inbox_is_awake(&f->inbox));
        ioc_inbox_awake(&f->inbox, 1);
        assert_true(ioc_inbox_is_awake(&f->inbox));
        assert_int_equal(ioc_inbox_run(&f->inbox, 100), 5);
        f->written = 0;
    }
    assert_int_equal(ioc_load_u64(&f->inbox.shared.wake_packets), 3);
}

static void a_packet_still_in_flight_wakes_the_next_sleep(void **state)
{
    fixture *f = *state;
    assert_true(ioc_inbox_fall_asleep(&f->inbox));
    post(f, &f->a);
    ioc_inbox_awake(&f->inbox, 0); /* something else was quicker than the packet */
    assert_int_equal(ioc_inbox_run(&f->inbox, 1), 1);
    assert_false(ioc_inbox_is_awake(&f->inbox));
    assert_true(ioc_inbox_fall_asleep(&f->inbox)); /* the packet ends this sleep */
    post(f, &f->a);
    assert_int_equal(f->core->port.wakes, 1); /* so no second one is needed */
    ioc_inbox_awake(&f->inbox, 1);
    assert_int_equal(ioc_inbox_run(&f->inbox, 1), 1);
}

static void a_wake_that_failed_is_tried_again_by_the_next_post(void **state)
{
    fixture *f = *state;
    assert_true(ioc_inbox_fall_asleep(&f->inbox));
    f->core->port.wake_answer = IOC_WAKE_FAILED;
    post(f, &f->a);
    post(f, &f->a);
    assert_int_equal(f->core->port.wakes, 2);
    f->core->port.wake_answer = IOC_WAKE_PACKET;
    post(f, &f->a);
    assert_int_equal(f->core->port.wakes, 3);
    post(f, &f->a);
    assert_int_equal(f->core->port.wakes, 3);
    ioc_inbox_awake(&f->inbox, 1);
    assert_int_equal(ioc_inbox_run(&f->inbox, 100), 4);
}

static void a_direct_wake_leaves_no_packet_behind(void **state)
{
    fixture *f = *state;
    f->core->port.wake_answer = IOC_WAKE_DIRECT;
    assert_true(ioc_inbox_fall_asleep(&f->inbox));
    post(f, &f->a);
    assert_int_equal(f->core->port.wakes, 1);
    ioc_inbox_awake(&f->inbox, 0);
    assert_true(ioc_inbox_is_awake(&f->inbox));
    assert_int_equal(ioc_inbox_run(&f->inbox, 1), 1);
    assert_int_equal(ioc_load_u64(&f->inbox.shared.wake_packets), 0);
}

static void post_b(void *context)
{
    fixture *f = context;
    post(f, &f->b);
    assert_int_equal(f->core->port.wakes, 1); /* that one is under way */
}

/* The loop may sleep again by the time that the first wake has been tried. */
static void news_left_to_a_wake_without_a_packet_are_woken_for_again(void **state)
{
    static const ioc_wake answers[] = {IOC_WAKE_DIRECT, IOC_WAKE_FAILED};
    fixture *f = *state;
    for (size_t i = 0; i < IOC_COUNT_OF(answers); i++) {
        f->core->port.wakes = 0;
        f->core->port.wake_answer = answers[i];
        f->core->port.during_wake = post_b;
        f->core->port.wake_context = f;
        assert_true(ioc_inbox_fall_asleep(&f->inbox));
        post(f, &f->a);
        assert_int_equal(f->core->port.wakes, 2);
        ioc_inbox_awake(&f->inbox, 0);
        assert_int_equal(ioc_inbox_run(&f->inbox, 100), 2);
    }
}

/* Whoever is not counted in may find the loop freed at its next step. */
static void a_stop_behind_a_shut_gate_touches_nothing(void **state)
{
    fixture *f = *state;
    ioc_inbox_shut_gate(&f->inbox);
    ioc_inbox_stop(&f->inbox);
    assert_int_equal(ioc_load_u32(&f->inbox.shared.is_stopped), 0);
}

static void behind_a_shut_gate_nothing_is_taken(void **state)
{
    fixture *f = *state;
    post(f, &f->a);
    assert_false(ioc_inbox_is_shut(&f->inbox));
    ioc_inbox_shut_gate(&f->inbox);
    assert_true(ioc_inbox_is_shut(&f->inbox));
    assert_int_equal(ioc_inbox_post(&f->inbox, note__write, &f->a), IOCP_ECLOSING);
    assert_false(ioc_inbox_is_in_use(&f->inbox));
    ioc_inbox_stop(&f->inbox); /* a loop that closes does not stop */
    assert_false(ioc_inbox_is_stopped(&f->inbox));
    assert_int_equal(ioc_inbox_run(&f->inbox, 100), 1); /* what was taken before runs */
}

static void without_memory_a_post_is_refused(void **state)
{
    fixture *f = *state;
    unit_memory_allow(&f->core->memory, 0);
    assert_int_equal(ioc_inbox_post(&f->inbox, note__write, &f->a), IOCP_ENOMEM);
    assert_false(ioc_inbox_is_in_use(&f->inbox));
    assert_false(ioc_inbox_has_news(&f->inbox));
    unit_memory_allow(&f->core->memory, UINT64_MAX);
    post(f, &f->a);
    assert_int_equal(ioc_inbox_run(&f->inbox, 1), 1);
}

static void posting_allocates_nothing_once_grown(void **state)
{
    fixture *f = *state;
    uint64_t calls = 0;
    for (int i = 0; i < 10000; i++) {
        post(f, &f->a);
        post(f, &f->a);
        assert_int_equal(ioc_inbox_run(&f->inbox, 100), 2);
        f->written = 0;
        calls = i == 0 ? unit_memory_calls(&f->core->memory) : calls;
    }
    assert_int_equal(unit_memory_calls(&f->core->memory), calls);
}

/* ---- Asyncs ---- */

static iocp_async_t *create_async(fixture *f)
{
    iocp_async_t *async = NULL;
    assert_int_equal(ioc_async_create(&f->inbox, &async), IOCP_OK);
    assert_true(ioc_inbox_has_asyncs(&f->inbox));
    return async;
}

static ioc_op *start_wait(fixture *f, iocp_async_t *async)
{
    ioc_op *op = unit_core_queue(f->core, IOCP_TYPE_ASYNC_WAIT, NULL);
    ioc_async_enter(async, op);
    ioc_async_start(&f->core->ops, op);
    return op;
}

static void end_wait(fixture *f, ioc_op *op, int status)
{
    ioc_link_remove(&op->sibling);
    assert_int_equal(unit_core_deliver(f->core, op), status);
}

static void any_number_of_notifies_is_one_callback(void **state)
{
    fixture *f = *state;
    iocp_async_t *async = create_async(f);
    ioc_op *first = start_wait(f, async);
    ioc_op *second = start_wait(f, async);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(ioc_async_notify(async), IOCP_OK);
    }
    assert_int_equal(ioc_inbox_run(&f->inbox, 100), 0); /* asyncs are not posted functions */
    end_wait(f, first, IOCP_OK);
    assert_null(ioc_op_next_ready(&f->core->ops));
    assert_int_equal(ioc_async_notify(async), IOCP_OK);
    (void)ioc_inbox_run(&f->inbox, 100);
    end_wait(f, second, IOCP_OK);
    ioc_async_destroy(async);
}

static void a_notify_with_nobody_waiting_is_kept_once(void **state)
{
    fixture *f = *state;
    iocp_async_t *async = create_async(f);
    assert_int_equal(ioc_async_notify(async), IOCP_OK);
    (void)ioc_inbox_run(&f->inbox, 100);
    assert_int_equal(ioc_async_notify(async), IOCP_OK);
    (void)ioc_inbox_run(&f->inbox, 100);
    end_wait(f, start_wait(f, async), IOCP_OK);
    ioc_op *op = start_wait(f, async);
    assert_null(ioc_op_next_ready(&f->core->ops));
    ioc_async_destroy(async);
    end_wait(f, op, IOCP_ECANCELED);
}

static void destroying_an_async_ends_its_waits_as_cancelled(void **state)
{
    fixture *f = *state;
    iocp_async_t *async = create_async(f);
    ioc_op *waiting = start_wait(f, async);
    ioc_op *queued = unit_core_queue(f->core, IOCP_TYPE_ASYNC_WAIT, NULL);
    ioc_async_enter(async, queued);
    ioc_async_destroy(async);
    assert_false(ioc_inbox_has_asyncs(&f->inbox));
    end_wait(f, waiting, IOCP_ECANCELED);
    end_wait(f, queued, IOCP_ECANCELED);
}

static void destroying_a_notified_async_keeps_a_served_wait_and_loses_no_memory(void **state)
{
    fixture *f = *state;
    iocp_async_t *async = create_async(f);
    ioc_op *served = start_wait(f, async);
    assert_int_equal(ioc_async_notify(async), IOCP_OK);
    (void)ioc_inbox_run(&f->inbox, 100);
    assert_int_equal(ioc_async_notify(async), IOCP_OK); /* its item is in the queue again */
    ioc_async_destroy(async);
    end_wait(f, served, IOCP_OK);
    assert_true(ioc_inbox_has_news(&f->inbox));
    (void)ioc_inbox_run(&f->inbox, 100); /* takes the item and frees the async */
    assert_false(ioc_inbox_has_news(&f->inbox));
}

static void a_notify_behind_a_shut_gate_is_refused(void **state)
{
    fixture *f = *state;
    iocp_async_t *async = create_async(f);
    ioc_inbox_shut_gate(&f->inbox);
    assert_int_equal(ioc_async_notify(async), IOCP_ECLOSING);
    assert_false(ioc_inbox_has_news(&f->inbox));
    ioc_async_destroy(async);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POST_TEST(posts_run_in_their_order),
        POST_TEST(a_run_is_bounded_and_the_next_goes_on),
        POST_TEST(a_stop_keeps_the_rest_for_later),
        POST_TEST(a_loop_that_is_awake_needs_no_packet),
        POST_TEST(with_news_the_loop_does_not_fall_asleep),
        POST_TEST(a_sleeping_loop_gets_one_packet_for_any_number_of_posts),
        POST_TEST(a_packet_still_in_flight_wakes_the_next_sleep),
        POST_TEST(a_wake_that_failed_is_tried_again_by_the_next_post),
        POST_TEST(a_direct_wake_leaves_no_packet_behind),
        POST_TEST(news_left_to_a_wake_without_a_packet_are_woken_for_again),
        POST_TEST(a_stop_behind_a_shut_gate_touches_nothing),
        POST_TEST(behind_a_shut_gate_nothing_is_taken),
        POST_TEST(without_memory_a_post_is_refused),
        POST_TEST(posting_allocates_nothing_once_grown),
        POST_TEST(any_number_of_notifies_is_one_callback),
        POST_TEST(a_notify_with_nobody_waiting_is_kept_once),
        POST_TEST(destroying_an_async_ends_its_waits_as_cancelled),
        POST_TEST(destroying_a_notified_async_keeps_a_served_wait_and_loses_no_memory),
        POST_TEST(a_notify_behind_a_shut_gate_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
