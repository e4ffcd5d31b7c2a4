/*
 * What a kernel may do that no test can make a real one do when it is wanted: refuse, come late,
 * abort on its own, bring somebody else's packets. And what can be measured exactly only on a clock
 * that is virtual. Native only.
 */
#include "contract_env.h"

#if defined(_WIN32)

#include <stdio.h>

int main(void)
{
    printf("skipped: these tests script the simulated kernel\n");
    return 77;
}

#else

#include "contract_file.h"
#include "contract_object.h"
#include "loop.h"
#include "sim.h"
#include "threads.h"

#include <stdlib.h>
#include <string.h>

static iocp_loop_t *kernel__loop(const sim_script *script)
{
    iocp_loop_options_t options = contract_options();
    iocp_loop_t *loop = NULL;
    assert_int_equal(ioc_loop_create(&options, ioc_backend_default(), script, &loop), IOCP_OK);
    return loop;
}

static sim_counts kernel__counts(const iocp_loop_t *loop)
{
    sim_counts counts;
    sim_read_counts(loop, &counts);
    return counts;
}

static void assert_ended(const contract_record *record, int status)
{
    assert_int_equal(record->calls, 1);
    assert_int_equal(record->status, status);
}

/* A receive in the kernel, and the record and buffer that it needs. */
typedef struct test_receive {
    contract_pair pair;
    contract_record record;
    iocp_op_t op;
    char data[8];
} test_receive;

static void receive__start(iocp_loop_t *loop, test_receive *receive)
{
    memset(receive, 0, sizeof *receive);
    receive->pair = contract_connect(loop, AF_INET);
    assert_int_equal(iocp_recv(loop, receive->pair.server, receive->data, sizeof receive->data,
                               contract_keep, &receive->record, &receive->op),
                     IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(receive->record.calls, 0);
    assert_int_equal(kernel__counts(loop).pending, 1);
}

/* ---- Cancels that lose, and cancels that are refused ---- */

static void a_cancel_that_loses_the_race_delivers_the_success(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record cancel = {0};
    test_receive receive;
    receive__start(loop, &receive);
    sim_delay_cancels(loop, 10 * MS);
    assert_int_equal(iocp_cancel(loop, receive.op, contract_keep, &cancel, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_ended(&cancel, IOCP_OK);
    assert_int_equal(receive.record.calls, 0); /* asked, and still the kernel's */
    contract_send_all(loop, receive.pair.client, "hello", 5);
    contract_wait(loop, &receive.record, 1);
    assert_ended(&receive.record, IOCP_OK);
    assert_int_equal(receive.record.result.bytes, 5);
    assert_memory_equal(receive.data, "hello", 5);
}

static void a_deadline_that_loses_the_race_delivers_the_success(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    test_receive receive;
    receive__start(loop, &receive);
    sim_delay_cancels(loop, 10 * MS);
    assert_int_equal(iocp_op_deadline(loop, receive.op, 1 * MS), IOCP_OK);
    sim_advance(loop, 2 * MS);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(kernel__counts(loop).cancels, 1);
    contract_send_all(loop, receive.pair.client, "hello", 5);
    contract_wait(loop, &receive.record, 1);
    assert_ended(&receive.record, IOCP_OK);
}

static void the_first_reason_to_end_an_operation_stays(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    for (int cancel_first = 0; cancel_first < 2; cancel_first++) {
        test_receive receive;
        receive__start(loop, &receive);
        sim_delay_cancels(loop, 10 * MS);
        assert_int_equal(iocp_op_deadline(loop, receive.op, 2 * MS), IOCP_OK);
        sim_advance(loop, cancel_first ? 0 : 2 * MS);
        if (!cancel_first) {
            assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
        }
        assert_int_equal(iocp_cancel(loop, receive.op, NULL, NULL, NULL), IOCP_OK);
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
        assert_int_equal(receive.record.calls, 0);
        contract_wait(loop, &receive.record, 1);
        assert_ended(&receive.record, cancel_first ? IOCP_ECANCELED : IOCP_ETIMEDOUT);
    }
}

static void a_cancel_that_the_kernel_refuses_says_so_and_changes_nothing(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record cancel = {0};
    contract_record again = {0};
    test_receive receive;
    receive__start(loop, &receive);
    sim_fail_cancels(loop, 1, IOCP_ENOMEM);
    assert_int_equal(iocp_cancel(loop, receive.op, contract_keep, &cancel, NULL), IOCP_OK);
    contract_wait(loop, &cancel, 1);
    assert_ended(&cancel, IOCP_ENOMEM);
    assert_int_equal(cancel.result.native_error, 8);
    assert_int_equal(receive.record.calls, 0);

    /* An abort is nobody's wish now. */
    sim_end_op(loop, receive.op, IOCP_ECANCELED);
    contract_wait(loop, &receive.record, 1);
    assert_ended(&receive.record, IOCP_ECONNABORTED);
    assert_int_equal(iocp_cancel(loop, receive.op, contract_keep, &again, NULL), IOCP_OK);
    contract_wait(loop, &again, 1);
    assert_ended(&again, IOCP_ENOENT);
}

static void a_deadline_that_the_kernel_refuses_is_tried_again(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    test_receive receive;
    receive__start(loop, &receive);
    sim_fail_cancels(loop, 3, IOCP_ENOBUFS);
    uint64_t start_ns = iocp_loop_now(loop);
    assert_int_equal(iocp_op_deadline(loop, receive.op, 5 * MS), IOCP_OK);
    contract_wait(loop, &receive.record, 1);
    assert_ended(&receive.record, IOCP_ETIMEDOUT);
    assert_true(receive.record.now_ns >= start_ns + 5 * MS);
    assert_int_equal(kernel__counts(loop).cancels, 4);
}

static void close_ends_what_the_kernel_refuses_to_cancel(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record close = {0};
    test_receive receive;
    receive__start(loop, &receive);
    sim_fail_cancels(loop, UINT32_MAX, IOCP_ENOBUFS);
    assert_int_equal(iocp_close(loop, receive.pair.server, contract_keep, &close, NULL), IOCP_OK);
    contract_wait(loop, &close, 1);
    assert_ended(&receive.record, IOCP_ECANCELED);
    assert_ended(&close, IOCP_OK);
}

/* There is no kernel object whose end would end a wait for a process. */
static void close_asks_again_for_the_wait_that_the_kernel_refuses_to_cancel(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record waited = {0};
    contract_record close = {0};
    contract_process process = contract_process_start(NULL);
    iocp_handle_t handle = contract_process_adopt(loop, &process);
    assert_int_equal(iocp_process_wait(loop, handle, contract_keep, &waited, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    sim_fail_cancels(loop, 3, IOCP_ENOBUFS);
    assert_int_equal(iocp_close(loop, handle, contract_keep, &close, NULL), IOCP_OK);
    contract_wait(loop, &close, 1);
    assert_ended(&waited, IOCP_ECANCELED);
    assert_ended(&close, IOCP_OK);
    contract_process_end(&process, 0);
    contract_process_close(&process);
}

typedef struct kernel_closing {
    int count;
    iocp_handle_entry_t entry;
} kernel_closing;

static void IOCP_CALL kernel__keep_closing(const iocp_handle_entry_t *entry, void *userdata)
{
    kernel_closing *self = userdata;
    if (entry->closing) {
        self->entry = *entry;
        self->count++;
    }
}

/* The kernel object is closed, and what was pending on it not back yet. */
static void a_handle_whose_object_is_gone_is_listed_until_its_close_has_called_back(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record close = {0};
    kernel_closing self = {0};
    test_receive receive;
    receive__start(loop, &receive);
    sim_fail_cancels(loop, 1, IOCP_ENOBUFS);
    sim_hold_packets(loop, true);
    assert_int_equal(iocp_close(loop, receive.pair.server, contract_keep, &close, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    assert_int_equal(iocp_loop_handles(loop, kernel__keep_closing, &self), IOCP_OK);
    assert_int_equal(self.count, 1);
    assert_int_equal(self.entry.handle.id, receive.pair.server.id);
    assert_int_equal(self.entry.operations, 1);
    assert_null(self.entry.native);
    sim_hold_packets(loop, false);
    contract_wait(loop, &close, 1);
    assert_ended(&receive.record, IOCP_ECANCELED);
}

static void destroy_ends_what_the_kernel_refuses_to_cancel(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static test_receive receive;
    receive__start(loop, &receive);
    sim_fail_cancels(loop, UINT32_MAX, IOCP_ENOBUFS);
    contract_loop_destroy(loop);
    contract_forget_loop(state);
    assert_ended(&receive.record, IOCP_ECANCELED);
}

/* ---- Things that nobody asked for ---- */

static void an_abort_that_nobody_asked_for_is_not_reported_as_cancelled(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    test_receive receive;
    receive__start(loop, &receive);
    sim_end_op(loop, receive.op, IOCP_ECANCELED);
    contract_wait(loop, &receive.record, 1);
    assert_ended(&receive.record, IOCP_ECONNABORTED);
    assert_int_equal(receive.record.result.native_error, 995);
}

static void an_accept_that_failed_leaves_the_listener_as_it_is(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record accepts = {.rearms = 2};
    contract_record connect = {0};
    contract_address address;
    iocp_op_t op = {0};
    iocp_handle_t listener = contract_listen(loop, AF_INET, &address);
    assert_int_equal(iocp_accept(loop, listener, contract_keep, &accepts, &op), IOCP_OK);
    for (int i = 1; i <= 2; i++) {
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
        sim_end_op(loop, op, IOCP_ECONNRESET);
        contract_wait(loop, &accepts, i);
        assert_int_equal(accepts.status, IOCP_ECONNRESET);
        assert_true(accepts.result.opened.id == 0);
        assert_int_equal(contract_stats(loop).handles, 1);
    }
    assert_int_equal(iocp_connect(loop, contract_open(loop, AF_INET), contract_sockaddr(&address),
                                  address.length, contract_keep, &connect, NULL),
                     IOCP_OK);
    contract_wait(loop, &accepts, 3);
    assert_int_equal(accepts.status, IOCP_OK);
    assert_true(accepts.result.opened.id != 0);
}

static void foreign_packets_are_dropped_and_counted(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    test_receive receive;
    receive__start(loop, &receive);
    sim_add_foreign_packets(loop, 1000);
    contract_send_all(loop, receive.pair.client, "x", 1);
    contract_wait(loop, &receive.record, 1);
    contract_idle(loop);
    assert_ended(&receive.record, IOCP_OK);
    /* Only a loop that has something in the kernel asks the port. */
    assert_int_equal(
        iocp_recv(loop, receive.pair.server, receive.data, 1, contract_keep, &receive.record, NULL),
        IOCP_OK);
    for (int i = 0; i < 20; i++) {
        contract_idle(loop);
    }
    assert_int_equal(contract_stats(loop).foreign_packets, 1000);
    assert_int_equal(receive.record.calls, 1);
}

/* Packets of others, each of which takes a millisecond. */
typedef struct slow_user {
    int calls;
    uint32_t last;
} slow_user;

static void IOCP_CALL slow_user__take(iocp_loop_t *loop, const iocp_packet_t *packet, void *context)
{
    slow_user *user = context;
    assert_int_equal(packet->bytes, user->last + 1); /* in their order, and each once */
    user->last = packet->bytes;
    user->calls++;
    sim_advance(loop, MS);
}

static void IOCP_CALL post__nothing(iocp_loop_t *loop, void *arg)
{
    (void)loop;
    (void)arg;
}

/* More than a batch of them, and posts beside them: what one end has taken from the port and not told, the next one tells. */
static void an_end_whose_time_is_up_leaves_packets_to_the_next(void **state)
{
    (void)state;
    slow_user user = {0};
    iocp_loop_options_t options = contract_options();
    iocp_loop_t *loop = NULL;
    options.batch = 8;
    options.on_packet = slow_user__take;
    options.packet_context = &user;
    assert_int_equal(iocp_loop_create(&options, &loop), IOCP_OK);
    for (uint32_t i = 1; i <= 20; i++) {
        assert_int_equal(iocp_loop_post_packet(loop, 2, i, NULL), IOCP_OK);
        assert_int_equal(iocp_post(loop, post__nothing, NULL), IOCP_OK);
        assert_int_equal(iocp_post(loop, post__nothing, NULL), IOCP_OK);
    }
    int status = IOCP_ETIMEDOUT;
    for (int ends = 1; status != IOCP_OK; ends++) {
        int before = user.calls;
        status = iocp_loop_destroy(loop, 3 * MS / 2);
        assert_true(status == IOCP_OK || status == IOCP_ETIMEDOUT);
        assert_in_range(user.calls, before, before + 2);
        assert_in_range(ends, 1, 30);
    }
    assert_int_equal(user.calls, 20);
}

/* A thread that is inside a call has not sent its packet yet, and the port is empty. */
static void the_end_waits_for_the_packet_of_who_is_inside(void **state)
{
    (void)state;
    slow_user user = {0};
    iocp_loop_options_t options = contract_options();
    iocp_loop_t *loop = NULL;
    options.on_packet = slow_user__take;
    options.packet_context = &user;
    assert_int_equal(iocp_loop_create(&options, &loop), IOCP_OK);
    ioc_inbox *inbox = &loop->shared.inbox;
    ioc_add_u32(&inbox->shared.gate, 2); /* as it counts itself in */
    assert_int_equal(iocp_loop_destroy(loop, MS), IOCP_ETIMEDOUT);
    sim_send_packet(loop, (iocp_packet_t){.key = 2, .bytes = 1});
    ioc_add_u32(&inbox->shared.gate, 0u - 2u);
    assert_int_equal(iocp_loop_destroy(loop, 0), IOCP_OK);
    assert_int_equal(user.calls, 1);
}

/* As before Windows 8.1. */
static void a_socket_that_the_system_keeps_on_its_port_is_not_detached(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    uintptr_t socket = 0;
    contract_pair pair = contract_connect(loop, AF_INET);
    contract_send_all(loop, pair.server, "x", 1);
    sim_keep_ports(true);
    assert_int_equal(iocp_socket_detach(loop, pair.server, &socket), IOCP_EBUSY);
    sim_keep_ports(false);
    contract_send_all(loop, pair.server, "y", 1);
    assert_int_equal(iocp_socket_detach(loop, pair.server, &socket), IOCP_OK);
    sim_socket_destroy(socket);
}

static void a_dequeue_that_returns_early_does_not_end_run_once(void **state)
{
    (void)state;
    const sim_script script = {.seed = 5, .early_dequeue = 90};
    iocp_loop_t *loop = kernel__loop(&script);
    for (int i = 0; i < 50; i++) {
        contract_record timer = {0};
        assert_int_equal(iocp_timer(loop, 3 * MS, contract_keep, &timer, NULL), IOCP_OK);
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_ONCE), IOCP_OK);
        assert_int_equal(timer.calls, 1);
    }
    contract_loop_destroy(loop);
}

/* ---- Failing calls ---- */

static void an_operation_that_fails_in_its_start_calls_back_and_can_be_rearmed(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {.rearms = 4};
    char data[8];
    contract_pair pair = contract_connect(loop, AF_INET);
    sim_fail_starts(loop, 4, IOCP_ENOBUFS);
    assert_int_equal(iocp_recv(loop, pair.server, data, 8, contract_keep, &record, NULL), IOCP_OK);
    for (int i = 1; i <= 4; i++) {
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
        assert_int_equal(record.calls, i);
        assert_int_equal(record.status, IOCP_ENOBUFS);
        assert_int_equal(record.result.native_error, 10055);
    }
    contract_send_all(loop, pair.client, "x", 1);
    contract_wait(loop, &record, 5);
    assert_int_equal(record.status, IOCP_OK);
}

static void a_failed_dequeue_loses_nothing(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record sent = {0};
    test_receive receive;
    receive__start(loop, &receive);
    assert_int_equal(iocp_send(loop, receive.pair.client, "x", 1, contract_keep, &sent, NULL),
                     IOCP_OK);
    sim_fail_dequeues(loop, 3, IOCP_ENOBUFS);
    int failures = 0;
    for (int i = 0; i < 10 && (receive.record.calls == 0 || sent.calls == 0); i++) {
        int status = iocp_loop_run(loop, IOCP_RUN_ONCE);
        assert_true(status == IOCP_OK || status == IOCP_ENOBUFS);
        if (status != IOCP_OK) {
            failures++;
            assert_int_equal(iocp_loop_native_error(loop), 10055);
        }
    }
    assert_int_equal(failures, 3);
    assert_ended(&sent, IOCP_OK);
    assert_ended(&receive.record, IOCP_OK);
}

static void a_dequeue_that_fails_does_not_keep_ready_work_back(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record nop = {0};
    contract_record timer = {0};
    test_receive receive;
    receive__start(loop, &receive);
    sim_fail_dequeues(loop, UINT32_MAX, IOCP_ENOBUFS);
    assert_int_equal(iocp_nop(loop, contract_keep, &nop, NULL), IOCP_OK);
    assert_int_equal(iocp_timer(loop, 0, contract_keep, &timer, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_ENOBUFS);
    assert_int_equal(nop.calls, 1);
    assert_int_equal(timer.calls, 1);
    sim_fail_dequeues(loop, 0, IOCP_OK);
}

static iocp_action_t IOCP_CALL kernel__submit(iocp_loop_t *loop, const iocp_result_t *result,
                                              void *userdata)
{
    (void)result;
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    *(int *)userdata += 1;
    return IOCP_REARM;
}

static void the_code_of_a_failed_dequeue_survives_the_callbacks_after_it(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static int calls;
    test_receive receive;
    calls = 0;
    receive__start(loop, &receive);
    sim_fail_dequeues(loop, UINT32_MAX, IOCP_ENOBUFS);
    /* What is rearmed and submitted is ready again behind the dequeue. */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(iocp_nop(loop, kernel__submit, &calls, NULL), IOCP_OK);
    }
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_ENOBUFS);
    assert_true(calls > 3);
    assert_int_equal(iocp_loop_native_error(loop), 10055);
    sim_fail_dequeues(loop, 0, IOCP_OK);
}

typedef struct kernel_sleep {
    contract_record record;
    uint64_t youngest_ns;
} kernel_sleep;

static void IOCP_CALL kernel__keep_youngest(const iocp_dump_entry_t *entry, void *userdata)
{
    kernel_sleep *self = userdata;
    self->youngest_ns = entry->age_ns < self->youngest_ns ? entry->age_ns : self->youngest_ns;
}

static iocp_action_t IOCP_CALL kernel__after_sleep(iocp_loop_t *loop, const iocp_result_t *result,
                                                   void *userdata)
{
    kernel_sleep *self = userdata;
    (void)result;
    assert_int_equal(iocp_nop(loop, contract_keep, &self->record, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_dump(loop, kernel__keep_youngest, self), IOCP_OK);
    return IOCP_DISARM;
}

/* Only a packet ends the sleep, so that no timer has looked at the clock. */
static void the_age_of_an_operation_does_not_count_the_sleep_before_its_call(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    kernel_sleep self = {.youngest_ns = UINT64_MAX};
    iocp_op_t op = {0};
    char data[1];
    contract_pair pair = contract_connect(loop, AF_INET);
    assert_int_equal(iocp_recv(loop, pair.server, data, 1, kernel__after_sleep, &self, &op),
                     IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    sim_delay_cancels(loop, 3600 * S);
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    contract_wait(loop, &self.record, 1);
    assert_int_equal(self.youngest_ns, 0);
    sim_delay_cancels(loop, 0);
}

/* Where no turn needs the time, some read it all the same. */
static void the_age_of_an_operation_counts_few_of_the_turns_before_its_call(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    kernel_sleep self = {.youngest_ns = UINT64_MAX};
    for (int i = 0; i < 100; i++) {
        sim_advance(loop, MS);
        assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
    }
    assert_int_equal(iocp_nop(loop, contract_keep, &self.record, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_dump(loop, kernel__keep_youngest, &self), IOCP_OK);
    assert_in_range(self.youngest_ns, 0, 16 * MS);
}

static void a_destroy_that_cannot_ask_the_port_can_be_repeated(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static test_receive receive;
    receive__start(loop, &receive);
    sim_fail_dequeues(loop, 1, IOCP_ENOBUFS);
    assert_int_equal(iocp_loop_destroy(loop, 1 * S), IOCP_ENOBUFS);
    assert_int_equal(iocp_loop_native_error(loop), 10055);
    assert_int_equal(iocp_nop(loop, contract_keep, &receive.record, NULL), IOCP_ECLOSING);
    contract_loop_destroy(loop);
    contract_forget_loop(state);
    assert_ended(&receive.record, IOCP_ECANCELED);
}

static void a_socket_that_cannot_be_opened_leaves_nothing(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_handle_t handle = {0};
    sim_fail_sockets(loop, 2, IOCP_EMFILE);
    assert_int_equal(iocp_socket_open(loop, AF_INET, SOCK_STREAM, 0, &handle), IOCP_EMFILE);
    assert_int_equal(iocp_loop_native_error(loop), 10024);
    uintptr_t socket = contract_socket_create(AF_INET);
    assert_int_equal(iocp_socket_adopt(loop, socket, &handle), IOCP_EMFILE);
    assert_true(handle.id == 0);
    assert_int_equal(contract_stats(loop).handles, 0);
    contract_socket_destroy(socket); /* it is still ours */
}

/* ---- Destroy and its limit ---- */

static void IOCP_CALL dump__keep_receive(const iocp_dump_entry_t *entry, void *userdata)
{
    iocp_dump_entry_t *kept = userdata;
    kept->age_ns++;
    if (entry->type == IOCP_TYPE_RECV) {
        uint64_t entries = kept->age_ns;
        *kept = *entry;
        kept->age_ns = entries;
    }
}

static void destroy_gives_up_after_its_limit_and_tells_what_survived(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static test_receive receive;
    static contract_record timer;
    iocp_dump_entry_t entry;
    memset(&entry, 0, sizeof entry);
    timer = (contract_record){0};
    receive__start(loop, &receive);
    assert_int_equal(iocp_timer(loop, 1000 * S, contract_keep, &timer, NULL), IOCP_OK);
    sim_hold_packets(loop, true);
    iocp_loop_update_now(loop);
    uint64_t start_ns = iocp_loop_now(loop);
    assert_int_equal(iocp_loop_destroy(loop, 50 * MS), IOCP_ETIMEDOUT);
    iocp_loop_update_now(loop);
    assert_true(iocp_loop_now(loop) == start_ns + 50 * MS);
    assert_int_equal(receive.record.calls, 0);
    assert_ended(&timer, IOCP_ECANCELED);

    assert_int_equal(iocp_loop_dump(loop, dump__keep_receive, &entry), IOCP_OK);
    assert_int_equal(entry.age_ns, 1); /* one entry */
    assert_true(entry.op.id == receive.op.id);
    assert_int_equal(entry.in_kernel, 1);
    assert_int_equal(entry.cancelled, IOCP_ECANCELED);
    assert_ptr_equal(entry.userdata, &receive.record);

    assert_int_equal(iocp_loop_destroy(loop, 0), IOCP_ETIMEDOUT);
    sim_hold_packets(loop, false);
    assert_int_equal(iocp_loop_destroy(loop, 50 * MS), IOCP_OK);
    contract_forget_loop(state);
    assert_ended(&receive.record, IOCP_ECANCELED);
}

static void destroy_takes_no_time_when_everything_comes_back_at_once(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static test_receive receive;
    static contract_record nop;
    iocp_async_t *async = NULL;
    nop = (contract_record){0};
    receive__start(loop, &receive);
    assert_int_equal(iocp_nop(loop, contract_keep, &nop, NULL), IOCP_OK);
    assert_int_equal(iocp_async_create(loop, &async), IOCP_OK);
    iocp_loop_update_now(loop);
    uint64_t start_ns = iocp_loop_now(loop);
    assert_int_equal(iocp_loop_destroy(loop, 1000 * S), IOCP_EASYNC);
    iocp_loop_update_now(loop);
    assert_true(iocp_loop_now(loop) == start_ns);
    assert_ended(&receive.record, IOCP_ECANCELED);
    assert_ended(&nop, IOCP_ECANCELED);
    assert_int_equal(iocp_async_destroy(async), IOCP_OK);
}

/* ---- The end of much ---- */

#define MANY 1000

/* Receives of datagrams, each of which can be in the kernel. */
static iocp_handle_t many__queue(iocp_loop_t *loop, contract_record records[MANY])
{
    static char data[8];
    contract_address address = contract_loopback(AF_INET, 0);
    iocp_handle_t handle = {0};
    memset(records, 0, MANY * sizeof *records);
    assert_int_equal(iocp_socket_open(loop, AF_INET, SOCK_DGRAM, 0, &handle), IOCP_OK);
    assert_int_equal(iocp_socket_bind(loop, handle, contract_sockaddr(&address), address.length),
                     IOCP_OK);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(
            iocp_recvfrom(loop, handle, data, sizeof data, contract_keep, &records[i], NULL),
            IOCP_OK);
    }
    return handle;
}

/* All of them are there. */
static iocp_handle_t many__start(iocp_loop_t *loop, contract_record records[MANY])
{
    iocp_handle_t handle = many__queue(loop, records);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    return handle;
}

static void many__assert_cancelled(const contract_record records[MANY])
{
    for (int i = 0; i < MANY; i++) {
        assert_ended(&records[i], IOCP_ECANCELED);
    }
}

static void a_close_asks_the_kernel_once_however_much_is_pending(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static contract_record records[MANY];
    contract_record closed = {0};
    iocp_handle_t handle = many__start(loop, records);
    uint64_t cancels = kernel__counts(loop).cancels;
    assert_int_equal(iocp_close(loop, handle, contract_keep, &closed, NULL), IOCP_OK);
    contract_wait(loop, &closed, 1);
    many__assert_cancelled(records);
    assert_int_equal(kernel__counts(loop).cancels - cancels, 1);
}

static iocp_action_t IOCP_CALL cancels__keep(iocp_loop_t *loop, const iocp_result_t *result,
                                             void *userdata)
{
    uint64_t *cancels = userdata;
    (void)result;
    *cancels = kernel__counts(loop).cancels;
    return IOCP_DISARM;
}

static void destroy_asks_the_kernel_once_for_each_handle(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static contract_record records[3][MANY];
    static uint64_t cancels_after;
    iocp_handle_t handles[3];
    for (int i = 0; i < 3; i++) {
        handles[i] = many__start(loop, records[i]);
    }
    uint64_t cancels = kernel__counts(loop).cancels;
    /* Told last, and so that its callback sees what all that came to. */
    sim_delay_cancels(loop, 10 * MS);
    assert_int_equal(iocp_recvfrom(loop, handles[2], NULL, 0, cancels__keep, &cancels_after, NULL),
                     IOCP_OK);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    contract_loop_destroy(loop);
    contract_forget_loop(state);
    for (int i = 0; i < 3; i++) {
        many__assert_cancelled(records[i]);
    }
    assert_int_equal(cancels_after - cancels, 3);
}

/* More than a close ends in one turn. */
static void what_is_queued_on_a_handle_that_closes_never_starts(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static contract_record records[MANY];
    contract_record closed = {0};
    uint64_t starts = kernel__counts(loop).starts;
    iocp_handle_t handle = many__queue(loop, records);
    assert_int_equal(iocp_close(loop, handle, contract_keep, &closed, NULL), IOCP_OK);
    contract_wait(loop, &closed, 1);
    many__assert_cancelled(records);
    assert_int_equal(kernel__counts(loop).starts, starts);
}

/* Again and again, and what it does not refuse meanwhile. */
static void destroy_asks_again_for_what_the_system_refused_to_end(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static contract_record waited;
    static contract_record timers;
    waited = (contract_record){0};
    timers = (contract_record){0};
    void *event = contract_event_create(false, false);
    assert_int_equal(iocp_wait(loop, event, contract_keep, &waited, NULL), IOCP_OK);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(iocp_timer(loop, 5000 * S, contract_keep, &timers, NULL), IOCP_OK);
    }
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    iocp_loop_update_now(loop);
    uint64_t start_ns = iocp_loop_now(loop);
    sim_fail_cancels(loop, 5, IOCP_ENOBUFS);
    contract_loop_destroy(loop);
    contract_forget_loop(state);
    contract_object_close(event);
    assert_int_equal(timers.calls, MANY);
    assert_true(timers.now_ns == start_ns);
    assert_ended(&waited, IOCP_ECANCELED);
    assert_in_range(waited.now_ns - start_ns, 1 * MS, 5 * MS);
}

static void IOCP_CALL dump__count_asked(const iocp_dump_entry_t *entry, void *userdata)
{
    int *count = userdata;
    *count += entry->cancelled == IOCP_ECANCELED;
}

static int asked(iocp_loop_t *loop)
{
    int count = 0;
    assert_int_equal(iocp_loop_dump(loop, dump__count_asked, &count), IOCP_OK);
    return count;
}

/* One of them is in the kernel, all others wait their turn. */
static void a_close_ends_at_most_a_batch_in_each_turn(void **state)
{
    (void)state;
    iocp_loop_options_t options = contract_options();
    iocp_loop_t *loop = NULL;
    static contract_record records[MANY];
    static char data[8];
    contract_record closed = {0};
    memset(records, 0, sizeof records);
    options.batch = 50;
    assert_int_equal(iocp_loop_create(&options, &loop), IOCP_OK);
    contract_pair pair = contract_connect(loop, AF_INET);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(iocp_recv(loop, pair.server, data, 8, contract_keep, &records[i], NULL),
                         IOCP_OK);
    }
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(iocp_close(loop, pair.server, contract_keep, &closed, NULL), IOCP_OK);
    for (int turn = 1; turn <= 5; turn++) {
        assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
        assert_int_equal(asked(loop), turn * 50);
    }
    contract_wait(loop, &closed, 1);
    many__assert_cancelled(records);
    contract_loop_destroy(loop);
}

/* A callback that takes a millisecond. */
static iocp_action_t IOCP_CALL slow__keep(iocp_loop_t *loop, const iocp_result_t *result,
                                          void *userdata)
{
    sim_advance(loop, MS);
    return contract_keep(loop, result, userdata);
}

static int slow__start(iocp_loop_t *loop, contract_record *record)
{
    memset(record, 0, sizeof *record);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(iocp_timer(loop, 1000 * S, slow__keep, record, NULL), IOCP_OK);
    }
    return MANY;
}

static void destroy_looks_at_the_clock_before_each_callback(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static contract_record record;
    int count = slow__start(loop, &record);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(iocp_loop_destroy(loop, 10 * MS), IOCP_ETIMEDOUT);
    assert_int_equal(record.calls, 10);
    assert_int_equal(iocp_loop_destroy(loop, 7 * MS), IOCP_ETIMEDOUT);
    assert_int_equal(record.calls, 17);
    contract_loop_destroy(loop);
    contract_forget_loop(state);
    assert_int_equal(record.calls, count);
}

static void destroy_with_no_time_does_all_that_needs_no_waiting(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static contract_record record;
    int count = slow__start(loop, &record);
    assert_int_equal(iocp_loop_destroy(loop, 0), IOCP_OK);
    contract_forget_loop(state);
    assert_int_equal(record.calls, count);
}

/* Of more operations than a turn takes. */
static void destroy_with_no_time_asks_all_and_takes_all_packets_that_are_there(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static contract_record records[MANY];
    (void)many__start(loop, records);
    sim_hold_packets(loop, true);
    assert_int_equal(iocp_loop_destroy(loop, 0), IOCP_ETIMEDOUT);
    assert_int_equal(asked(loop), MANY);
    sim_hold_packets(loop, false);
    assert_int_equal(iocp_loop_destroy(loop, 0), IOCP_OK);
    contract_forget_loop(state);
    many__assert_cancelled(records);
}

static void a_destroy_that_timed_out_takes_no_time_to_say_so(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static contract_record records[MANY];
    (void)many__start(loop, records);
    sim_hold_packets(loop, true);
    for (int i = 0; i < 3; i++) {
        iocp_loop_update_now(loop);
        uint64_t start_ns = iocp_loop_now(loop);
        assert_int_equal(iocp_loop_destroy(loop, 5 * MS), IOCP_ETIMEDOUT);
        iocp_loop_update_now(loop);
        assert_true(iocp_loop_now(loop) == start_ns + 5 * MS);
    }
    sim_hold_packets(loop, false);
    contract_loop_destroy(loop);
    contract_forget_loop(state);
    many__assert_cancelled(records);
}

/* ---- Sends that were not taken whole ---- */

static void a_stream_send_that_is_not_whole_is_no_success(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record sent = {0};
    iocp_op_t op = {0};
    const size_t size = (size_t)1 << 20;
    char *data = calloc(1, size);
    assert_non_null(data);
    contract_pair pair = contract_connect(loop, AF_INET);
    assert_int_equal(iocp_send(loop, pair.client, data, size, contract_keep, &sent, &op), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(sent.calls, 0);
    sim_end_op(loop, op, IOCP_OK); /* as when the peer has gone */
    contract_wait(loop, &sent, 1);
    assert_ended(&sent, IOCP_ECONNABORTED);
    assert_int_equal(sent.result.bytes, 65536); /* the true count */
    free(data);
}

static void a_write_to_a_pipe_that_is_not_whole_is_no_success(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record written = {0};
    iocp_op_t op = {0};
    char data[3 * CONTRACT_PIPE_BYTES] = {0};
    contract_pipe pipe = contract_pipe_open(loop);
    assert_int_equal(
        iocp_write(loop, pipe.ends[0], data, sizeof data, contract_keep, &written, &op), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    sim_end_op(loop, op, IOCP_OK);
    contract_wait(loop, &written, 1);
    assert_ended(&written, IOCP_ECONNABORTED);
    assert_int_equal(written.result.bytes, CONTRACT_PIPE_BYTES);
}

/* ---- Adopting ---- */

/* The system has no thread for the question, or aborts it: then nobody knows, for good. */
static void a_question_that_the_system_refuses_is_told_in_the_results(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[3] = {{0}};
    char data[1];
    void *ends[2];
    contract_native_pipe(ends, CONTRACT_NATIVE_OVERLAPPED);
    for (int i = 0; i < 2; i++) {
        iocp_handle_t handle = contract_adopt(loop, ends[i]);
        sim_fail_starts(loop, 1, i == 0 ? IOCP_ENOBUFS : IOCP_ENOMEM);
        assert_int_equal(iocp_read(loop, handle, data, 1, contract_keep, &records[i], NULL),
                         IOCP_OK);
        contract_wait(loop, &records[i], 1);
        assert_ended(&records[i], i == 0 ? IOCP_ENOBUFS : IOCP_ENOMEM);
        assert_true(records[i].result.native_error != 0);
        assert_int_equal(iocp_handle_kind(loop, handle), IOCP_HANDLE_OTHER);
        contract_close(loop, handle);
    }
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(contract_stats(loop).handles, 0);
}

/* The close calls back when the answer is there, and not before; what waits ends at once. */
static void a_close_waits_for_the_question_and_nothing_else_does(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record read = {0};
    contract_record closed = {0};
    char data[1];
    void *ends[2];
    contract_native_pipe(ends, CONTRACT_NATIVE_OVERLAPPED);
    iocp_handle_t handle = contract_adopt(loop, ends[0]);
    contract_native_close(ends[1]);
    assert_int_equal(iocp_read(loop, handle, data, 1, contract_keep, &read, NULL), IOCP_OK);
    sim_hold_packets(loop, true);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(iocp_close(loop, handle, contract_keep, &closed, NULL), IOCP_OK);
    contract_idle(loop);
    assert_ended(&read, IOCP_ECANCELED);
    assert_int_equal(closed.calls, 0);
    sim_hold_packets(loop, false);
    contract_wait(loop, &closed, 1);
    assert_ended(&closed, IOCP_OK);
}

/* ---- An accept that is short of something ---- */

static void a_want_of_an_accept_is_told_once_and_the_next_connection_comes(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record accepted = {.rearms = 1};
    contract_record connected = {0};
    contract_address address;
    iocp_handle_t listener = contract_listen(loop, AF_INET, &address);
    sim_fail_starts(loop, 12, IOCP_EMFILE);
    uint64_t starts = kernel__counts(loop).starts;
    assert_int_equal(iocp_accept(loop, listener, contract_keep, &accepted, NULL), IOCP_OK);
    contract_wait(loop, &accepted, 1);
    assert_int_equal(accepted.status, IOCP_EMFILE);
    assert_true(accepted.result.native_error != 0);
    uint64_t begin_ns = accepted.now_ns;

    /* 1, 2, 4, 8, 16, 32 and six times 64 ms. */
    while (kernel__counts(loop).starts - starts < 13) {
        contract_record pause = {0};
        assert_int_equal(iocp_timer(loop, MS, contract_keep, &pause, NULL), IOCP_OK);
        contract_wait(loop, &pause, 1);
        assert_int_equal(accepted.calls, 1);
        assert_true(iocp_loop_now(loop) < begin_ns + 460 * MS);
    }
    iocp_loop_update_now(loop);
    assert_true(iocp_loop_now(loop) >= begin_ns + 447 * MS);
    iocp_handle_t client = contract_open(loop, AF_INET);
    assert_int_equal(iocp_connect(loop, client, contract_sockaddr(&address), address.length,
                                  contract_keep, &connected, NULL),
                     IOCP_OK);
    contract_wait(loop, &accepted, 2);
    contract_wait(loop, &connected, 1);
    assert_int_equal(accepted.status, IOCP_OK);
    assert_true(accepted.result.opened.id != 0);
}

/* The pause keeps the loop running, and costs a sleep and no more. */
static void an_accept_that_pauses_does_not_spin_and_can_be_ended(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record accepts[3] = {{.rearms = 1}, {.rearms = 1}, {.rearms = 1}};
    contract_record closed = {0};
    contract_address address;
    iocp_op_t ops[3] = {{0}};
    iocp_handle_t listener = contract_listen(loop, AF_INET, &address);
    sim_fail_starts(loop, UINT32_MAX, IOCP_ENOBUFS);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(iocp_accept(loop, listener, contract_keep, &accepts[i], &ops[i]), IOCP_OK);
        contract_wait(loop, &accepts[i], 1);
        assert_int_equal(accepts[i].status, IOCP_ENOBUFS);
    }
    contract_record pause = {0};
    uint64_t sleeps = kernel__counts(loop).sleeps;
    assert_int_equal(iocp_timer(loop, 500 * MS, contract_keep, &pause, NULL), IOCP_OK);
    contract_wait(loop, &pause, 1);
    assert_in_range(kernel__counts(loop).sleeps - sleeps, 10, 60);
    assert_int_equal(iocp_op_deadline(loop, ops[0], 0), IOCP_OK);
    assert_int_equal(iocp_cancel(loop, ops[1], NULL, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(accepts[0].calls, 2);
    assert_int_equal(accepts[0].status, IOCP_ETIMEDOUT);
    assert_int_equal(accepts[1].calls, 2);
    assert_int_equal(accepts[1].status, IOCP_ECANCELED);
    assert_int_equal(iocp_close(loop, listener, contract_keep, &closed, NULL), IOCP_OK);
    contract_wait(loop, &closed, 1);
    assert_int_equal(accepts[2].calls, 2);
    assert_int_equal(accepts[2].status, IOCP_ECANCELED);
    sim_fail_starts(loop, 0, IOCP_OK);
}

/* ---- Drains ---- */

/* Each write that ends looks at the drains that go on, and at one that does not. */
static void drains_go_on_in_the_order_of_what_they_wait_for(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static const uint64_t limits[] = {5, 0, 20, 10, 5, 15, 20, 0};
    static const int done_at[] = {15, 20, 0, 10, 15, 5, 0, 20}; /* bytes that have gone */
    contract_record drains[8] = {{0}};
    contract_record written[4] = {{0}};
    char data[10] = {0};
    iocp_handle_t file = {0};
    file = contract_file_with(loop, "file", "", 0);
    sim_hold_files(loop, true);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(iocp_write(loop, file, data, 5, contract_keep, &written[i], NULL),
                         IOCP_OK);
    }
    for (int i = 0; i < 8; i++) {
        assert_int_equal(iocp_drain(loop, file, limits[i], contract_keep, &drains[i], NULL),
                         IOCP_OK);
    }
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    for (int gone = 0; gone <= 20; gone += 5) {
        for (int i = 0; i < 8; i++) {
            assert_int_equal(drains[i].calls, gone >= done_at[i]);
        }
        if (gone < 20) {
            sim_hold_files(loop, false);
            contract_wait(loop, &written[gone / 5], 1);
            sim_hold_files(loop, true);
            assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
        }
    }
    assert_true(drains[0].order < drains[4].order); /* that wait for the same */
    assert_true(drains[1].order < drains[7].order);
    sim_hold_files(loop, false);
}

/* ---- Sleeping ---- */

static void a_timer_costs_one_sleep_of_exactly_its_delay(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static const uint64_t delays_ns[] = {1, 999, 1 * MS - 1, 1 * MS, 1 * MS + 1, 1234567, 49 * S};
    for (size_t i = 0; i < sizeof delays_ns / sizeof delays_ns[0]; i++) {
        contract_record record = {0};
        sim_counts before = kernel__counts(loop);
        iocp_loop_update_now(loop);
        uint64_t start_ns = iocp_loop_now(loop);
        assert_int_equal(iocp_timer(loop, delays_ns[i], contract_keep, &record, NULL), IOCP_OK);
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
        assert_true(record.now_ns == start_ns + delays_ns[i]);
        assert_int_equal(kernel__counts(loop).sleeps - before.sleeps, 1);
        assert_int_equal(kernel__counts(loop).dequeues - before.dequeues, 1);
    }
}

static void a_deadline_costs_one_sleep_of_exactly_its_delay_and_one_for_the_packet(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    test_receive receive;
    receive__start(loop, &receive);
    sim_counts before = kernel__counts(loop);
    iocp_loop_update_now(loop);
    uint64_t start_ns = iocp_loop_now(loop);
    assert_int_equal(iocp_op_deadline(loop, receive.op, 1234567), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_ended(&receive.record, IOCP_ETIMEDOUT);
    assert_true(receive.record.now_ns == start_ns + 1234567);
    assert_int_equal(kernel__counts(loop).sleeps - before.sleeps, 2);
}

static void turns_with_nothing_in_the_kernel_read_the_clock_at_most_once(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record timer = {0};
    contract_record nop = {.rearms = 1000};
    assert_int_equal(iocp_timer(loop, 1000 * S, contract_keep, &timer, NULL), IOCP_OK);
    assert_int_equal(iocp_nop(loop, contract_keep, &nop, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
    sim_counts before = kernel__counts(loop);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
    }
    sim_counts after = kernel__counts(loop);
    assert_int_equal(after.dequeues - before.dequeues, 0);
    assert_in_range(after.clock_reads - before.clock_reads, 0, 100);
    assert_int_equal(nop.calls, 101);
}

static void an_idle_turn_with_a_receive_pending_is_one_dequeue(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    test_receive receive;
    receive__start(loop, &receive);
    sim_counts before = kernel__counts(loop);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
    }
    sim_counts after = kernel__counts(loop);
    assert_int_equal(after.dequeues - before.dequeues, 100);
    assert_int_equal(after.starts, before.starts);
}

static void many_packets_take_few_dequeues(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    enum {
        COUNT = 100
    };
    static contract_record records[COUNT];
    static char data[COUNT];
    memset(records, 0, sizeof records);
    contract_pair pair = contract_connect(loop, AF_INET);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(
            iocp_recv(loop, pair.server, &data[i], 1, contract_keep, &records[i], NULL), IOCP_OK);
    }
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    sim_counts before = kernel__counts(loop);
    char all[COUNT] = {0};
    contract_send_all(loop, pair.client, all, sizeof all);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    for (int i = 0; i < COUNT; i++) {
        assert_ended(&records[i], IOCP_OK);
    }
    assert_in_range(kernel__counts(loop).dequeues - before.dequeues, 1, 3);
}

/* ---- Waking ---- */

static void IOCP_CALL post__count(iocp_loop_t *loop, void *arg)
{
    (void)loop;
    ++*(int *)arg;
}

static void posts_on_the_loop_thread_send_no_packet(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    int posts = 0;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(iocp_post(loop, post__count, &posts), IOCP_OK);
    }
    for (int i = 0; i < 20; i++) {
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    }
    assert_int_equal(posts, 1000);
    assert_int_equal(kernel__counts(loop).wakes, 0);
}

/* Threads that post to a loop that sleeps. */
typedef struct test_waker {
    test_thread thread;
    iocp_loop_t *loop;
    iocp_async_t *async;
    ioc_atomic_u32 *before; /* wait until this is set */
    ioc_atomic_u32 ran;
    uint32_t pause_ms;
    int count;
    int errors;
} test_waker;

static void IOCP_CALL waker__ran(iocp_loop_t *loop, void *arg)
{
    test_waker *waker = arg;
    (void)loop;
    ioc_add_u32(&waker->ran, 1);
    if (waker->async != NULL) {
        (void)iocp_async_notify(waker->async);
        waker->async = NULL; /* once: the test goes on, and destroys it */
    }
}

static void waker__post(void *arg)
{
    test_waker *waker = arg;
    while (waker->before != NULL && ioc_load_u32(waker->before) == 0) {
        test_yield();
    }
    for (int i = 0; i < waker->count; i++) {
        test_sleep_ms(waker->pause_ms); /* so that the loop sleeps by then */
        waker->errors += iocp_post(waker->loop, waker__ran, waker) != IOCP_OK;
    }
}

/* Run the loop until an async that the last waker notifies has ended its wait. */
static void wakers__run(iocp_loop_t *loop, test_waker *wakers, int count)
{
    contract_record done = {0};
    iocp_async_t *async = NULL;
    assert_int_equal(iocp_async_create(loop, &async), IOCP_OK);
    assert_int_equal(iocp_async_wait(loop, async, contract_keep, &done, NULL), IOCP_OK);
    wakers[count - 1].async = async;
    for (int i = 0; i < count; i++) {
        wakers[i].loop = loop;
        assert_true(test_thread_start(&wakers[i].thread, waker__post, &wakers[i]));
    }
    int status = iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE);
    for (int i = 0; i < count; i++) {
        test_thread_join(&wakers[i].thread);
        assert_int_equal(wakers[i].errors, 0);
    }
    assert_int_equal(status, IOCP_OK);
    assert_int_equal(done.calls, 1);
    assert_int_equal(iocp_async_destroy(async), IOCP_OK);
}

static void a_wake_without_a_packet_wakes_the_loop(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static test_waker waker;
    memset(&waker, 0, sizeof waker);
    waker.count = 1;
    waker.pause_ms = 20;
    sim_divert_wakes(loop, UINT32_MAX, IOC_WAKE_DIRECT);
    wakers__run(loop, &waker, 1);
    assert_int_equal(contract_stats(loop).wake_packets, 0);
}

static void a_post_while_another_thread_is_still_waking_the_loop_is_not_lost(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static test_waker wakers[2];
    for (int i = 0; i < 2; i++) {
        memset(wakers, 0, sizeof wakers);
        wakers[0].count = 1;
        wakers[0].pause_ms = 20;
        wakers[1].count = 1;
        wakers[1].pause_ms = 20;
        wakers[1].before = &wakers[0].ran;
        if (i == 0) {
            sim_divert_wakes(loop, UINT32_MAX, IOC_WAKE_DIRECT);
        } else {
            sim_divert_wakes(loop, 0, IOC_WAKE_PACKET);
        }
        /* The loop runs the first post and sleeps again before the first thread is back. */
        sim_slow_wakes(loop, 100);
        wakers__run(loop, wakers, 2);
    }
}

static void a_wake_that_the_system_refused_is_tried_again_with_the_next_post(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static test_waker waker;
    memset(&waker, 0, sizeof waker);
    waker.count = 3;
    waker.pause_ms = 20;
    sim_divert_wakes(loop, 1, IOC_WAKE_FAILED);
    wakers__run(loop, &waker, 1);
    contract_idle(loop);
    assert_int_equal(ioc_load_u32(&waker.ran), 3);
}

/* It sends no packet when it has left. */
static void destroy_does_not_sleep_on_a_thread_that_is_about_to_leave(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static test_receive receive;
    static test_waker waker;
    memset(&waker, 0, sizeof waker);
    waker.loop = loop;
    waker.count = 1;
    waker.pause_ms = 20;
    receive__start(loop, &receive);
    sim_slow_wakes(loop, 100);
    assert_true(test_thread_start(&waker.thread, waker__post, &waker));
    int status = iocp_loop_run(loop, IOCP_RUN_ONCE); /* it sleeps, and runs the post */
    if (status == IOCP_OK) {
        status = iocp_loop_destroy(loop, UINT64_MAX);
    }
    test_thread_join(&waker.thread);
    assert_int_equal(status, IOCP_OK);
    contract_forget_loop(state);
    assert_ended(&receive.record, IOCP_ECANCELED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TEST(a_cancel_that_loses_the_race_delivers_the_success),
        CONTRACT_TEST(a_deadline_that_loses_the_race_delivers_the_success),
        CONTRACT_TEST(the_first_reason_to_end_an_operation_stays),
        CONTRACT_TEST(a_cancel_that_the_kernel_refuses_says_so_and_changes_nothing),
        CONTRACT_TEST(a_deadline_that_the_kernel_refuses_is_tried_again),
        CONTRACT_TEST(close_ends_what_the_kernel_refuses_to_cancel),
        CONTRACT_TEST(close_asks_again_for_the_wait_that_the_kernel_refuses_to_cancel),
        CONTRACT_TEST(a_handle_whose_object_is_gone_is_listed_until_its_close_has_called_back),
        CONTRACT_TEST(destroy_ends_what_the_kernel_refuses_to_cancel),
        CONTRACT_TEST(an_abort_that_nobody_asked_for_is_not_reported_as_cancelled),
        CONTRACT_TEST(an_accept_that_failed_leaves_the_listener_as_it_is),
        CONTRACT_TEST(foreign_packets_are_dropped_and_counted),
        CONTRACT_TEST(an_end_whose_time_is_up_leaves_packets_to_the_next),
        CONTRACT_TEST(the_end_waits_for_the_packet_of_who_is_inside),
        CONTRACT_TEST(a_socket_that_the_system_keeps_on_its_port_is_not_detached),
        CONTRACT_TEST(a_dequeue_that_returns_early_does_not_end_run_once),
        CONTRACT_TEST(an_operation_that_fails_in_its_start_calls_back_and_can_be_rearmed),
        CONTRACT_TEST(a_failed_dequeue_loses_nothing),
        CONTRACT_TEST(a_dequeue_that_fails_does_not_keep_ready_work_back),
        CONTRACT_TEST(the_code_of_a_failed_dequeue_survives_the_callbacks_after_it),
        CONTRACT_TEST(the_age_of_an_operation_does_not_count_the_sleep_before_its_call),
        CONTRACT_TEST(the_age_of_an_operation_counts_few_of_the_turns_before_its_call),
        CONTRACT_TEST(a_destroy_that_cannot_ask_the_port_can_be_repeated),
        CONTRACT_TEST(a_socket_that_cannot_be_opened_leaves_nothing),
        CONTRACT_TEST(destroy_gives_up_after_its_limit_and_tells_what_survived),
        CONTRACT_TEST(destroy_takes_no_time_when_everything_comes_back_at_once),
        CONTRACT_TEST(a_close_asks_the_kernel_once_however_much_is_pending),
        CONTRACT_TEST(destroy_asks_the_kernel_once_for_each_handle),
        CONTRACT_TEST(what_is_queued_on_a_handle_that_closes_never_starts),
        CONTRACT_TEST(destroy_asks_again_for_what_the_system_refused_to_end),
        CONTRACT_TEST(a_close_ends_at_most_a_batch_in_each_turn),
        CONTRACT_TEST(destroy_looks_at_the_clock_before_each_callback),
        CONTRACT_TEST(destroy_with_no_time_does_all_that_needs_no_waiting),
        CONTRACT_TEST(destroy_with_no_time_asks_all_and_takes_all_packets_that_are_there),
        CONTRACT_TEST(a_destroy_that_timed_out_takes_no_time_to_say_so),
        CONTRACT_TEST(a_stream_send_that_is_not_whole_is_no_success),
        CONTRACT_FILE_TEST(a_write_to_a_pipe_that_is_not_whole_is_no_success),
        CONTRACT_FILE_TEST(drains_go_on_in_the_order_of_what_they_wait_for),
        CONTRACT_TEST(a_question_that_the_system_refuses_is_told_in_the_results),
        CONTRACT_TEST(a_close_waits_for_the_question_and_nothing_else_does),
        CONTRACT_TEST(a_want_of_an_accept_is_told_once_and_the_next_connection_comes),
        CONTRACT_TEST(an_accept_that_pauses_does_not_spin_and_can_be_ended),
        CONTRACT_TEST(a_timer_costs_one_sleep_of_exactly_its_delay),
        CONTRACT_TEST(a_deadline_costs_one_sleep_of_exactly_its_delay_and_one_for_the_packet),
        CONTRACT_TEST(turns_with_nothing_in_the_kernel_read_the_clock_at_most_once),
        CONTRACT_TEST(an_idle_turn_with_a_receive_pending_is_one_dequeue),
        CONTRACT_TEST(many_packets_take_few_dequeues),
        CONTRACT_TEST(posts_on_the_loop_thread_send_no_packet),
        CONTRACT_TEST(a_wake_without_a_packet_wakes_the_loop),
        CONTRACT_TEST(a_post_while_another_thread_is_still_waking_the_loop_is_not_lost),
        CONTRACT_TEST(a_wake_that_the_system_refused_is_tried_again_with_the_next_post),
        CONTRACT_TEST(destroy_does_not_sleep_on_a_thread_that_is_about_to_leave),
    };
    return contract_run_once(__FILE__, tests, sizeof tests / sizeof tests[0]);
}

#endif
