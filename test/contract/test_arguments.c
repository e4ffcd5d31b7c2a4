/* Bad input gets an error code: every entry point with NULL, stale and wrong arguments. */
#include "contract_env.h"

#include <limits.h>
#include <string.h>

/* What the calls of a test share. A callback that was refused must never be called. */
typedef struct arguments {
    iocp_loop_t *loop;
    contract_record never;
    iocp_handle_t socket;
    contract_address address;
    char data[8];
    iocp_buf_t buffer;
    iocp_op_t op;
} arguments;

static arguments arguments__on(iocp_loop_t *loop)
{
    arguments a;
    memset(&a, 0, sizeof a);
    a.loop = loop;
    a.socket = contract_open(a.loop, AF_INET);
    a.address = contract_loopback(AF_INET, 1);
    return a;
}

static arguments arguments__of(void **state)
{
    return arguments__on(contract_loop(state));
}

static void arguments__assert_nothing_came_of_it(arguments *a)
{
    assert_int_equal(contract_stats(a->loop).operations, 0);
    assert_int_equal(iocp_loop_active(a->loop), 0);
    contract_idle(a->loop);
    assert_int_equal(a->never.calls, 0);
    assert_true(a->op.id == 0);
}

static void IOCP_CALL post__nothing(iocp_loop_t *loop, void *arg)
{
    (void)loop;
    (void)arg;
}

static void IOCP_CALL handle__nothing(const iocp_handle_entry_t *entry, void *userdata)
{
    (void)entry;
    (void)userdata;
}

static void IOCP_CALL dump__nothing(const iocp_dump_entry_t *entry, void *userdata)
{
    (void)entry;
    (void)userdata;
}

/* ---- NULL ---- */

static void loop_functions_refuse_no_loop(void **state)
{
    (void)state;
    uint64_t when_ns = 0;
    void *port = NULL;
    iocp_stats_t stats = {.size = sizeof stats};
    iocp_type_stats_t type_stats = {.size = sizeof type_stats};
    void *data = &when_ns;
    assert_int_equal(iocp_loop_create(NULL, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_loop_destroy(NULL, 0), IOCP_EINVAL);
    assert_int_equal(iocp_loop_run(NULL, IOCP_RUN_NO_WAIT), IOCP_EINVAL);
    assert_int_equal(iocp_loop_tick(NULL, 0), IOCP_EINVAL);
    assert_int_equal(iocp_loop_submit(NULL), IOCP_EINVAL);
    assert_int_equal(iocp_loop_stop(NULL), IOCP_EINVAL);
    assert_int_equal(iocp_loop_resume(NULL), IOCP_EINVAL);
    assert_int_equal(iocp_loop_stopped(NULL), 0);
    assert_int_equal(iocp_loop_native_error(NULL), 0);
    assert_true(iocp_loop_now(NULL) == 0);
    iocp_loop_update_now(NULL);
    assert_int_equal(iocp_loop_active(NULL), 0);
    assert_int_equal(iocp_loop_next_deadline(NULL, &when_ns), IOCP_EINVAL);
    assert_int_equal(iocp_loop_native_port(NULL, &port), IOCP_EINVAL);
    assert_int_equal(iocp_loop_stats(NULL, &stats), IOCP_EINVAL);
    assert_int_equal(iocp_loop_dump(NULL, dump__nothing, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_loop_type_stats(NULL, IOCP_TYPE_NOP, &type_stats), IOCP_EINVAL);
    assert_int_equal(iocp_loop_handles(NULL, handle__nothing, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_loop_set_data(NULL, &stats), IOCP_EINVAL);
    assert_int_equal(iocp_loop_get_data(NULL, &data), IOCP_EINVAL);
    assert_ptr_equal(data, &when_ns);
}

static void operations_refuse_no_loop(void **state)
{
    arguments a = arguments__of(state);
    const struct sockaddr *to = contract_sockaddr(&a.address);
    size_t length = a.address.length;
    iocp_async_t *async = NULL;
    assert_int_equal(iocp_nop(NULL, contract_keep, &a.never, &a.op), IOCP_EINVAL);
    assert_int_equal(iocp_timer(NULL, 0, contract_keep, &a.never, &a.op), IOCP_EINVAL);
    assert_int_equal(iocp_cancel(NULL, a.op, contract_keep, &a.never, &a.op), IOCP_EINVAL);
    assert_int_equal(iocp_op_deadline(NULL, a.op, 0), IOCP_EINVAL);
    assert_int_equal(iocp_op_ref(NULL, a.op), IOCP_EINVAL);
    assert_int_equal(iocp_op_unref(NULL, a.op), IOCP_EINVAL);
    assert_int_equal(iocp_op_state(NULL, a.op), IOCP_EINVAL);
    assert_int_equal(iocp_timer_reset(NULL, a.op, 0), IOCP_EINVAL);
    assert_int_equal(iocp_op_set_buffer(NULL, a.op, a.data, 1), IOCP_EINVAL);
    assert_int_equal(iocp_close(NULL, a.socket, contract_keep, &a.never, &a.op), IOCP_EINVAL);
    assert_int_equal(iocp_accept(NULL, a.socket, contract_keep, &a.never, &a.op), IOCP_EINVAL);
    assert_int_equal(iocp_connect(NULL, a.socket, to, length, contract_keep, &a.never, &a.op),
                     IOCP_EINVAL);
    assert_int_equal(iocp_send(NULL, a.socket, a.data, 1, contract_keep, &a.never, &a.op),
                     IOCP_EINVAL);
    assert_int_equal(iocp_sendv(NULL, a.socket, &a.buffer, 1, contract_keep, &a.never, &a.op),
                     IOCP_EINVAL);
    assert_int_equal(iocp_recv(NULL, a.socket, a.data, 1, contract_keep, &a.never, &a.op),
                     IOCP_EINVAL);
    assert_int_equal(iocp_recvv(NULL, a.socket, &a.buffer, 1, contract_keep, &a.never, &a.op),
                     IOCP_EINVAL);
    assert_int_equal(
        iocp_shutdown(NULL, a.socket, IOCP_SHUTDOWN_SEND, contract_keep, &a.never, &a.op),
        IOCP_EINVAL);
    assert_int_equal(iocp_async_create(a.loop, &async), IOCP_OK);
    assert_int_equal(iocp_async_wait(NULL, async, contract_keep, &a.never, &a.op), IOCP_EINVAL);
    assert_int_equal(iocp_post(NULL, post__nothing, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_async_create(NULL, &async), IOCP_EINVAL);
    assert_int_equal(iocp_async_destroy(async), IOCP_OK);
    arguments__assert_nothing_came_of_it(&a);
}

static void socket_functions_refuse_no_loop(void **state)
{
    arguments a = arguments__of(state);
    struct sockaddr *to = (struct sockaddr *)&a.address.storage;
    size_t length = sizeof a.address.storage;
    iocp_handle_t handle = {0};
    uintptr_t socket = 0;
    void *native = NULL;
    int value = 0;
    assert_int_equal(iocp_socket_open(NULL, AF_INET, SOCK_STREAM, 0, &handle), IOCP_EINVAL);
    assert_int_equal(iocp_socket_adopt(NULL, 4, &handle), IOCP_EINVAL);
    assert_int_equal(iocp_socket_detach(NULL, a.socket, &socket), IOCP_EINVAL);
    assert_int_equal(iocp_socket_bind(NULL, a.socket, to, a.address.length), IOCP_EINVAL);
    assert_int_equal(iocp_socket_listen(NULL, a.socket, 0), IOCP_EINVAL);
    assert_int_equal(iocp_socket_get_name(NULL, a.socket, to, &length), IOCP_EINVAL);
    assert_int_equal(iocp_socket_get_peer(NULL, a.socket, to, &length), IOCP_EINVAL);
    assert_int_equal(iocp_socket_set_option(NULL, a.socket, IOCP_SOCKET_NODELAY, 1), IOCP_EINVAL);
    assert_int_equal(iocp_socket_get_option(NULL, a.socket, IOCP_SOCKET_NODELAY, &value),
                     IOCP_EINVAL);
    assert_int_equal(iocp_socket_join(NULL, a.socket, to, a.address.length, 0), IOCP_EINVAL);
    assert_int_equal(iocp_socket_leave(NULL, a.socket, to, a.address.length, 0), IOCP_EINVAL);
    assert_int_equal(iocp_handle_native(NULL, a.socket, &native), IOCP_EINVAL);
    assert_int_equal(iocp_handle_kind(NULL, a.socket), IOCP_EINVAL);
    assert_int_equal(iocp_handle_set_data(NULL, a.socket, a.data), IOCP_EINVAL);
    assert_int_equal(iocp_handle_get_data(NULL, a.socket, &native), IOCP_EINVAL);
    assert_true(handle.id == 0);
}

static void file_functions_refuse_no_loop(void **state)
{
    arguments a = arguments__of(state);
    iocp_handle_t handle = {0};
    uint64_t number = 7;
    assert_int_equal(iocp_file_open(NULL, "name", IOCP_FILE_READ, &handle), IOCP_EINVAL);
    assert_int_equal(iocp_handle_adopt(NULL, a.data, &handle), IOCP_EINVAL);
    assert_int_equal(iocp_handle_queued(NULL, a.socket, &number, &number), IOCP_EINVAL);
    assert_int_equal(iocp_file_get_size(NULL, a.socket, &number), IOCP_EINVAL);
    assert_int_equal(iocp_file_set_size(NULL, a.socket, 1), IOCP_EINVAL);
    assert_int_equal(iocp_file_get_position(NULL, a.socket, &number), IOCP_EINVAL);
    assert_int_equal(iocp_file_set_position(NULL, a.socket, 1), IOCP_EINVAL);
    assert_true(handle.id == 0);
    assert_int_equal(number, 7);
}

static void operations_refuse_no_callback(void **state)
{
    arguments a = arguments__of(state);
    const struct sockaddr *to = contract_sockaddr(&a.address);
    size_t length = a.address.length;
    iocp_async_t *async = NULL;
    a.buffer = (iocp_buf_t){1, a.data};
    assert_int_equal(iocp_async_create(a.loop, &async), IOCP_OK);
    assert_int_equal(iocp_nop(a.loop, NULL, NULL, &a.op), IOCP_EINVAL);
    assert_int_equal(iocp_timer(a.loop, 0, NULL, NULL, &a.op), IOCP_EINVAL);
    assert_int_equal(iocp_accept(a.loop, a.socket, NULL, NULL, &a.op), IOCP_EINVAL);
    assert_int_equal(iocp_connect(a.loop, a.socket, to, length, NULL, NULL, &a.op), IOCP_EINVAL);
    assert_int_equal(iocp_send(a.loop, a.socket, a.data, 1, NULL, NULL, &a.op), IOCP_EINVAL);
    assert_int_equal(iocp_sendv(a.loop, a.socket, &a.buffer, 1, NULL, NULL, &a.op), IOCP_EINVAL);
    assert_int_equal(iocp_recv(a.loop, a.socket, a.data, 1, NULL, NULL, &a.op), IOCP_EINVAL);
    assert_int_equal(iocp_recvv(a.loop, a.socket, &a.buffer, 1, NULL, NULL, &a.op), IOCP_EINVAL);
    assert_int_equal(iocp_shutdown(a.loop, a.socket, IOCP_SHUTDOWN_SEND, NULL, NULL, &a.op),
                     IOCP_EINVAL);
    assert_int_equal(iocp_async_wait(a.loop, async, NULL, NULL, &a.op), IOCP_EINVAL);
    assert_int_equal(iocp_post(a.loop, NULL, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_loop_dump(a.loop, NULL, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_loop_handles(a.loop, NULL, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_async_destroy(async), IOCP_OK);
    arguments__assert_nothing_came_of_it(&a);
}

static void results_need_somewhere_to_go(void **state)
{
    arguments a = arguments__of(state);
    struct sockaddr *to = (struct sockaddr *)&a.address.storage;
    size_t length = sizeof a.address.storage;
    assert_int_equal(iocp_loop_next_deadline(a.loop, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_loop_native_port(a.loop, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_loop_stats(a.loop, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_socket_open(a.loop, AF_INET, SOCK_STREAM, 0, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_socket_adopt(a.loop, 4, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_socket_detach(a.loop, a.socket, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_socket_get_name(a.loop, a.socket, NULL, &length), IOCP_EINVAL);
    assert_int_equal(iocp_socket_get_name(a.loop, a.socket, to, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_socket_get_peer(a.loop, a.socket, NULL, &length), IOCP_EINVAL);
    assert_int_equal(iocp_socket_get_peer(a.loop, a.socket, to, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_socket_get_option(a.loop, a.socket, IOCP_SOCKET_NODELAY, NULL),
                     IOCP_EINVAL);
    assert_int_equal(iocp_handle_native(a.loop, a.socket, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_handle_get_data(a.loop, a.socket, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_loop_get_data(a.loop, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_loop_type_stats(a.loop, IOCP_TYPE_NOP, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_async_create(a.loop, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_async_notify(NULL), IOCP_EINVAL);
    assert_int_equal(iocp_async_destroy(NULL), IOCP_EINVAL);
    assert_int_equal(iocp_async_wait(a.loop, NULL, contract_keep, &a.never, &a.op), IOCP_EINVAL);
    arguments__assert_nothing_came_of_it(&a);
    assert_int_equal(contract_stats(a.loop).handles, 1);
}

static void an_operation_needs_no_place_for_its_id(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    assert_int_equal(iocp_nop(loop, contract_keep, &record, NULL), IOCP_OK);
    assert_int_equal(iocp_timer(loop, 0, contract_keep, &record, NULL), IOCP_OK);
    assert_int_equal(iocp_cancel(loop, (iocp_op_t){0}, contract_keep, &record, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(record.calls, 3);
}

/* ---- Buffers and addresses ---- */

static void bad_buffers_are_refused(void **state)
{
    arguments a = arguments__of(state);
    static iocp_buf_t list[IOCP_BUFFERS_MAX + 1];
    size_t too_many = IOCP_BUFFERS_MAX + 1;
    assert_int_equal(iocp_send(a.loop, a.socket, NULL, 1, contract_keep, &a.never, &a.op),
                     IOCP_EINVAL);
    assert_int_equal(iocp_recv(a.loop, a.socket, NULL, 1, contract_keep, &a.never, &a.op),
                     IOCP_EINVAL);
#if SIZE_MAX > UINT32_MAX
    assert_int_equal(
        iocp_send(a.loop, a.socket, a.data, (size_t)UINT32_MAX + 1, contract_keep, &a.never, &a.op),
        IOCP_EINVAL);
    assert_int_equal(
        iocp_recv(a.loop, a.socket, a.data, (size_t)UINT32_MAX + 1, contract_keep, &a.never, &a.op),
        IOCP_EINVAL);
#endif
    assert_int_equal(iocp_sendv(a.loop, a.socket, NULL, 1, contract_keep, &a.never, &a.op),
                     IOCP_EINVAL);
    assert_int_equal(iocp_recvv(a.loop, a.socket, NULL, 1, contract_keep, &a.never, &a.op),
                     IOCP_EINVAL);
    assert_int_equal(iocp_sendv(a.loop, a.socket, list, 0, contract_keep, &a.never, &a.op),
                     IOCP_EINVAL);
    assert_int_equal(iocp_recvv(a.loop, a.socket, list, 0, contract_keep, &a.never, &a.op),
                     IOCP_EINVAL);
    assert_int_equal(iocp_sendv(a.loop, a.socket, list, too_many, contract_keep, &a.never, &a.op),
                     IOCP_EINVAL);
    assert_int_equal(iocp_recvv(a.loop, a.socket, list, too_many, contract_keep, &a.never, &a.op),
                     IOCP_EINVAL);
    /* Together they have more bytes than the system counts. */
    list[0] = list[1] = (iocp_buf_t){UINT32_MAX / 2 + 1, a.data};
    assert_int_equal(iocp_sendv(a.loop, a.socket, list, 2, contract_keep, &a.never, &a.op),
                     IOCP_EINVAL);
    assert_int_equal(iocp_recvv(a.loop, a.socket, list, 2, contract_keep, &a.never, &a.op),
                     IOCP_EINVAL);
    list[2] = (iocp_buf_t){1, NULL};
    assert_int_equal(iocp_sendv(a.loop, a.socket, list, 3, contract_keep, &a.never, &a.op),
                     IOCP_EINVAL);
    assert_int_equal(iocp_recvv(a.loop, a.socket, list, 3, contract_keep, &a.never, &a.op),
                     IOCP_EINVAL);
    arguments__assert_nothing_came_of_it(&a);
}

static void bad_addresses_are_refused(void **state)
{
    arguments a = arguments__of(state);
    const struct sockaddr *to = contract_sockaddr(&a.address);
    contract_address other = contract_loopback(AF_INET6, 1);
    contract_record record = {0};
    assert_int_equal(iocp_connect(a.loop, a.socket, NULL, 16, contract_keep, &a.never, &a.op),
                     IOCP_EINVAL);
    assert_int_equal(iocp_connect(a.loop, a.socket, to, 0, contract_keep, &a.never, &a.op),
                     IOCP_EINVAL);
    assert_int_equal(iocp_connect(a.loop, a.socket, to, 4096, contract_keep, &a.never, &a.op),
                     IOCP_EINVAL);
    assert_int_equal(iocp_socket_bind(a.loop, a.socket, NULL, 16), IOCP_EINVAL);
    assert_int_equal(iocp_socket_bind(a.loop, a.socket, to, 0), IOCP_EINVAL);
    assert_int_equal(iocp_socket_bind(a.loop, a.socket, to, 4096), IOCP_EINVAL);
    assert_true(iocp_socket_bind(a.loop, a.socket, to, 4) != IOCP_OK);
    assert_true(iocp_socket_bind(a.loop, a.socket, contract_sockaddr(&other), other.length) !=
                IOCP_OK);
    arguments__assert_nothing_came_of_it(&a);

    /* What only the system can see ends in the callback. */
    assert_int_equal(iocp_connect(a.loop, a.socket, contract_sockaddr(&other), other.length,
                                  contract_keep, &record, NULL),
                     IOCP_OK);
    contract_wait(a.loop, &record, 1);
    assert_true(record.status < 0);
    assert_true(record.status != IOCP_ECANCELED);
}

static void addresses_as_text_need_all_that_they_are_made_of(void **state)
{
    contract_address address = contract_loopback(AF_INET, 80);
    struct sockaddr *to = (struct sockaddr *)&address.storage;
    char text[IOCP_ADDRESS_TEXT_BYTES] = "x";
    (void)state;
    assert_int_equal(iocp_address_parse(NULL, 1, to, &address.length), IOCP_EINVAL);
    assert_int_equal(iocp_address_parse("::1", 1, NULL, &address.length), IOCP_EINVAL);
    assert_int_equal(iocp_address_parse("::1", 1, to, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_address_format(NULL, address.length, text, sizeof text), IOCP_EINVAL);
    assert_int_equal(iocp_address_format(to, address.length, NULL, sizeof text), IOCP_EINVAL);
    assert_string_equal(text, "x");
    assert_int_equal(iocp_address_format(to, address.length, text, sizeof text), IOCP_OK);
    assert_string_equal(text, "127.0.0.1:80");
    address.length = sizeof address.storage;
    assert_int_equal(iocp_address_parse("[::1]:81", 1, to, &address.length), IOCP_OK);
    assert_true(contract_is_loopback(&address, AF_INET6));
    assert_int_equal(contract_port(&address), 81);
}

/* ---- Numbers out of range ---- */

static void values_out_of_range_are_refused(void **state)
{
    arguments a = arguments__of(state);
    int value = 0;
    iocp_type_stats_t stats = {.size = sizeof stats};
    assert_int_equal(iocp_loop_type_stats(a.loop, (iocp_type_t)0, &stats), IOCP_EINVAL);
    assert_int_equal(iocp_loop_type_stats(a.loop, (iocp_type_t)IOCP_TYPES, &stats), IOCP_EINVAL);
    assert_int_equal(iocp_loop_run(a.loop, (iocp_run_mode_t)4), IOCP_EINVAL);
    assert_int_equal(iocp_loop_run(a.loop, (iocp_run_mode_t)99), IOCP_EINVAL);
    assert_int_equal(
        iocp_shutdown(a.loop, a.socket, (iocp_shutdown_how_t)3, contract_keep, &a.never, &a.op),
        IOCP_EINVAL);
    assert_int_equal(
        iocp_shutdown(a.loop, a.socket, (iocp_shutdown_how_t)99, contract_keep, &a.never, &a.op),
        IOCP_EINVAL);
    assert_int_equal(iocp_socket_listen(a.loop, a.socket, -1), IOCP_EINVAL);
    assert_int_equal(iocp_socket_set_option(a.loop, a.socket, (iocp_socket_option_t)0, 1),
                     IOCP_EINVAL);
    assert_int_equal(iocp_socket_set_option(a.loop, a.socket, (iocp_socket_option_t)99, 1),
                     IOCP_EINVAL);
    assert_int_equal(iocp_socket_get_option(a.loop, a.socket, (iocp_socket_option_t)0, &value),
                     IOCP_EINVAL);
    assert_int_equal(iocp_socket_get_option(a.loop, a.socket, (iocp_socket_option_t)99, &value),
                     IOCP_EINVAL);
    assert_int_equal(iocp_socket_set_option(a.loop, a.socket, IOCP_SOCKET_ERROR, 0), IOCP_EINVAL);
    assert_int_equal(iocp_socket_set_option(a.loop, a.socket, IOCP_SOCKET_LINGER, -2), IOCP_EINVAL);
    assert_int_equal(iocp_socket_set_option(a.loop, a.socket, IOCP_SOCKET_LINGER, 65536),
                     IOCP_EINVAL);
    assert_int_equal(iocp_socket_set_option(a.loop, a.socket, IOCP_SOCKET_RECV_BUFFER, -1),
                     IOCP_EINVAL);
    assert_int_equal(iocp_socket_set_option(a.loop, a.socket, IOCP_SOCKET_SEND_BUFFER, -1),
                     IOCP_EINVAL);
    arguments__assert_nothing_came_of_it(&a);
}

/* ---- What is told first ---- */

static int ordered_statuses[8];

/* In a loop that is being destroyed everything is wrong at once. */
static iocp_action_t IOCP_CALL ordered__ask(iocp_loop_t *loop, const iocp_result_t *result,
                                            void *userdata)
{
    const arguments *a = userdata;
    iocp_handle_t none = {0};
    (void)result;
    ordered_statuses[0] = iocp_nop(loop, NULL, NULL, NULL);
    ordered_statuses[1] = iocp_recv(loop, none, NULL, 1, NULL, NULL, NULL);
    ordered_statuses[2] = iocp_connect(loop, none, NULL, 0, NULL, NULL, NULL);
    ordered_statuses[3] = iocp_shutdown(loop, a->socket, (iocp_shutdown_how_t)9, NULL, NULL, NULL);
    ordered_statuses[4] = iocp_work(loop, NULL, NULL, NULL, NULL, NULL);
    ordered_statuses[5] = iocp_socket_open(loop, AF_INET, SOCK_STREAM, 0, NULL);
    ordered_statuses[6] = iocp_file_open(loop, NULL, 0, NULL);
    ordered_statuses[7] = iocp_async_create(loop, NULL);
    return IOCP_DISARM;
}

static void checks_come_in_one_order(void **state)
{
    static arguments a;
    a = arguments__of(state);
    iocp_handle_t none = {0};
    uint64_t number = 0;

    /* The loop before the arguments, the arguments before the handle. */
    assert_int_equal(iocp_recv(NULL, none, a.data, 1, contract_keep, &a.never, &a.op), IOCP_EINVAL);
    assert_int_equal(iocp_recv(a.loop, none, NULL, 1, contract_keep, &a.never, &a.op), IOCP_EINVAL);
    assert_int_equal(iocp_connect(a.loop, none, NULL, 16, contract_keep, &a.never, &a.op),
                     IOCP_EINVAL);
    assert_int_equal(
        iocp_shutdown(a.loop, none, (iocp_shutdown_how_t)9, contract_keep, &a.never, &a.op),
        IOCP_EINVAL);
    assert_int_equal(iocp_drain(a.loop, none, 0, NULL, NULL, &a.op), IOCP_EINVAL);
    assert_int_equal(iocp_folder_watch(a.loop, none, 16, contract_keep, &a.never, &a.op),
                     IOCP_EINVAL);
    assert_int_equal(iocp_file_get_size(a.loop, none, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_file_set_position(a.loop, none, UINT64_MAX), IOCP_EINVAL);
    assert_int_equal(iocp_op_set_buffer(a.loop, (iocp_op_t){0}, NULL, 1), IOCP_EINVAL);

    /* The handle before its kind, and both before the memory. */
    contract_allow_blocks(0);
    assert_int_equal(iocp_recv(a.loop, none, a.data, 1, contract_keep, &a.never, &a.op),
                     IOCP_EBADF);
    assert_int_equal(iocp_read(a.loop, none, a.data, 1, contract_keep, &a.never, &a.op),
                     IOCP_EBADF);
    assert_int_equal(iocp_pread(a.loop, a.socket, a.data, 1, 0, contract_keep, &a.never, &a.op),
                     IOCP_ENOTSUP);
    assert_int_equal(iocp_folder_watch(a.loop, none, 0, contract_keep, &a.never, &a.op),
                     IOCP_EBADF);
    assert_int_equal(iocp_folder_watch(a.loop, a.socket, 0, contract_keep, &a.never, &a.op),
                     IOCP_ENOTSUP);
    assert_int_equal(iocp_file_get_size(a.loop, none, &number), IOCP_EBADF);
    assert_int_equal(iocp_file_get_size(a.loop, a.socket, &number), IOCP_ENOTSUP);
    contract_allow_blocks(UINT64_MAX);
    arguments__assert_nothing_came_of_it(&a);

    /* And its end before all but that there is one. */
    assert_int_equal(iocp_timer(a.loop, 1000 * S, ordered__ask, &a, NULL), IOCP_OK);
    contract_loop_destroy(a.loop);
    contract_forget_loop(state);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(ordered_statuses[i], IOCP_ECLOSING);
    }
}

/* ---- Sizes of structures ---- */

/* A size that was never set is not believed; nothing behind it is read or written. */
static void structures_of_an_absurd_size_are_refused(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_loop_t *other = NULL;
    static unsigned char room[4096];
    const uint32_t bad[] = {0, 3, 4097, 0x7fffffff, UINT32_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        iocp_loop_options_t options = contract_options();
        iocp_stats_t stats = {.size = bad[i]};
        iocp_type_stats_t type_stats = {.size = bad[i]};
        options.size = bad[i];
        assert_int_equal(iocp_loop_create(&options, &other), IOCP_EINVAL);
        assert_int_equal(iocp_loop_stats(loop, &stats), IOCP_EINVAL);
        assert_int_equal(iocp_loop_type_stats(loop, IOCP_TYPE_NOP, &type_stats), IOCP_EINVAL);
        assert_int_equal(stats.size, bad[i]);
        assert_int_equal(type_stats.size, bad[i]);
    }
    assert_null(other);

    /* That of a later version is taken. */
    const uint32_t large = sizeof room;
    memset(room, 0, sizeof room);
    memcpy(room, &large, sizeof large);
    assert_int_equal(iocp_loop_create((const void *)room, &other), IOCP_OK);
    contract_loop_destroy(other);
    assert_int_equal(iocp_loop_stats(loop, (void *)room), IOCP_OK);
    memcpy(room, &large, sizeof large);
    assert_int_equal(iocp_loop_type_stats(loop, IOCP_TYPE_NOP, (void *)room), IOCP_OK);
}

/* ---- Ids ---- */

static void refuse_handle(arguments *a, iocp_handle_t handle)
{
    struct sockaddr *to = (struct sockaddr *)&a->address.storage;
    size_t length = a->address.length;
    size_t room = sizeof a->address.storage;
    uintptr_t socket = 0;
    void *native = NULL;
    int value = 0;
    uint64_t number = 0;
    iocp_buf_t buffer = {1, a->data};
    assert_int_equal(iocp_close(a->loop, handle, contract_keep, &a->never, &a->op), IOCP_EBADF);
    assert_int_equal(iocp_accept(a->loop, handle, contract_keep, &a->never, &a->op), IOCP_EBADF);
    assert_int_equal(iocp_connect(a->loop, handle, to, length, contract_keep, &a->never, &a->op),
                     IOCP_EBADF);
    assert_int_equal(iocp_send(a->loop, handle, a->data, 1, contract_keep, &a->never, &a->op),
                     IOCP_EBADF);
    assert_int_equal(iocp_sendv(a->loop, handle, &buffer, 1, contract_keep, &a->never, &a->op),
                     IOCP_EBADF);
    assert_int_equal(iocp_recv(a->loop, handle, a->data, 1, contract_keep, &a->never, &a->op),
                     IOCP_EBADF);
    assert_int_equal(iocp_recvv(a->loop, handle, &buffer, 1, contract_keep, &a->never, &a->op),
                     IOCP_EBADF);
    assert_int_equal(
        iocp_shutdown(a->loop, handle, IOCP_SHUTDOWN_SEND, contract_keep, &a->never, &a->op),
        IOCP_EBADF);
    assert_int_equal(iocp_folder_watch(a->loop, handle, 0, contract_keep, &a->never, &a->op),
                     IOCP_EBADF);
    assert_int_equal(iocp_socket_detach(a->loop, handle, &socket), IOCP_EBADF);
    assert_int_equal(iocp_socket_bind(a->loop, handle, to, length), IOCP_EBADF);
    assert_int_equal(iocp_socket_listen(a->loop, handle, 0), IOCP_EBADF);
    assert_int_equal(iocp_socket_get_name(a->loop, handle, to, &room), IOCP_EBADF);
    assert_int_equal(iocp_socket_get_peer(a->loop, handle, to, &room), IOCP_EBADF);
    assert_int_equal(iocp_socket_set_option(a->loop, handle, IOCP_SOCKET_NODELAY, 1), IOCP_EBADF);
    assert_int_equal(iocp_socket_get_option(a->loop, handle, IOCP_SOCKET_NODELAY, &value),
                     IOCP_EBADF);
    assert_int_equal(iocp_socket_join(a->loop, handle, to, length, 0), IOCP_EBADF);
    assert_int_equal(iocp_socket_leave(a->loop, handle, to, length, 0), IOCP_EBADF);
    assert_int_equal(iocp_handle_native(a->loop, handle, &native), IOCP_EBADF);
    assert_int_equal(iocp_handle_kind(a->loop, handle), IOCP_EBADF);
    assert_int_equal(iocp_handle_set_data(a->loop, handle, a->data), IOCP_EBADF);
    assert_int_equal(iocp_handle_get_data(a->loop, handle, &native), IOCP_EBADF);
    assert_int_equal(iocp_handle_queued(a->loop, handle, NULL, NULL), IOCP_EBADF);
    assert_int_equal(iocp_file_get_size(a->loop, handle, &number), IOCP_EBADF);
    assert_int_equal(iocp_file_set_size(a->loop, handle, 1), IOCP_EBADF);
    assert_int_equal(iocp_file_get_position(a->loop, handle, &number), IOCP_EBADF);
    assert_int_equal(iocp_file_set_position(a->loop, handle, 1), IOCP_EBADF);
}

static void ids_that_name_no_handle_are_refused(void **state)
{
    arguments a = arguments__of(state);
    contract_record closed = {0};
    iocp_handle_t stale = contract_open(a.loop, AF_INET);
    assert_int_equal(iocp_close(a.loop, stale, contract_keep, &closed, NULL), IOCP_OK);
    contract_wait(a.loop, &closed, 1);
    /* By one more it may be the other socket's: an id says nothing about its neighbours. */
    const iocp_handle_t bad[] = {
        {0}, {1}, {UINT64_MAX}, {UINT64_MAX << 32 | 1}, stale, {stale.id + 2}, {stale.id << 1}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        refuse_handle(&a, bad[i]);
    }
    arguments__assert_nothing_came_of_it(&a);
    assert_int_equal(contract_stats(a.loop).handles, 1);
}

static void refuse_op(arguments *a, iocp_op_t op)
{
    contract_record cancel = {0};
    assert_int_equal(iocp_op_state(a->loop, op), IOCP_OP_DEAD);
    assert_int_equal(iocp_op_deadline(a->loop, op, 0), IOCP_ENOENT);
    assert_int_equal(iocp_op_ref(a->loop, op), IOCP_ENOENT);
    assert_int_equal(iocp_op_unref(a->loop, op), IOCP_ENOENT);
    assert_int_equal(iocp_timer_reset(a->loop, op, 0), IOCP_ENOENT);
    assert_int_equal(iocp_op_set_buffer(a->loop, op, a->data, 1), IOCP_ENOENT);
    assert_int_equal(iocp_cancel(a->loop, op, contract_keep, &cancel, NULL), IOCP_OK);
    contract_wait(a->loop, &cancel, 1);
    assert_int_equal(cancel.calls, 1);
    assert_int_equal(cancel.status, IOCP_ENOENT);
}

static void ids_that_name_no_operation_are_refused(void **state)
{
    arguments a = arguments__of(state);
    contract_record record = {0};
    iocp_op_t stale = {0};
    assert_int_equal(iocp_nop(a.loop, contract_keep, &record, &stale), IOCP_OK);
    contract_wait(a.loop, &record, 1);
    const iocp_op_t bad[] = {{0}, {1}, {UINT64_MAX}, {UINT64_MAX << 32 | 1}, stale, {stale.id + 1}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        refuse_op(&a, bad[i]);
    }
    arguments__assert_nothing_came_of_it(&a);
}

/* What a loop may have alive, as many of each as another loop has. */
#define ALIVE 8

typedef struct living {
    arguments a;
    iocp_handle_t handles[ALIVE];
    iocp_op_t ops[ALIVE];
    contract_record timers[ALIVE];
} living;

static void living__begin(living *l, iocp_loop_t *loop)
{
    memset(l, 0, sizeof *l);
    l->a = arguments__on(loop);
    for (size_t i = 0; i < ALIVE; i++) {
        l->handles[i] = contract_open(loop, AF_INET);
        assert_int_equal(iocp_timer(loop, 1000 * S, contract_keep, &l->timers[i], &l->ops[i]),
                         IOCP_OK);
    }
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
}

/* Everything that `l` has is nothing to the loop of `other`. */
static void living__are_strangers_to(living *l, living *other)
{
    for (size_t i = 0; i < ALIVE; i++) {
        refuse_handle(&other->a, l->handles[i]);
        refuse_op(&other->a, l->ops[i]);
        /* Nor is a handle's id an operation's, in either of them. */
        refuse_op(&other->a, (iocp_op_t){l->handles[i].id});
        refuse_op(&l->a, (iocp_op_t){l->handles[i].id});
        refuse_handle(&l->a, (iocp_handle_t){l->ops[i].id});
    }
}

static void living__assert_unharmed(living *l)
{
    assert_int_equal(contract_stats(l->a.loop).handles, ALIVE + 1);
    assert_int_equal(contract_stats(l->a.loop).operations, ALIVE);
    assert_int_equal(l->a.never.calls, 0);
    for (size_t i = 0; i < ALIVE; i++) {
        int value = 0;
        assert_int_equal(l->timers[i].calls, 0);
        assert_int_equal(iocp_op_state(l->a.loop, l->ops[i]), IOCP_OP_ACTIVE);
        assert_int_equal(
            iocp_socket_get_option(l->a.loop, l->handles[i], IOCP_SOCKET_NODELAY, &value), IOCP_OK);
    }
}

/* It would close, or cancel, what happened to be born as early in this loop as that in the other. */
static void an_id_of_another_loop_is_an_error(void **state)
{
    static living ours;
    static living theirs;
    iocp_loop_t *other = contract_loop_create();
    living__begin(&ours, contract_loop(state));
    living__begin(&theirs, other);
    living__are_strangers_to(&theirs, &ours);
    living__are_strangers_to(&ours, &theirs);
    living__assert_unharmed(&ours);
    living__assert_unharmed(&theirs);
    contract_loop_destroy(other);
}

/* ---- The wrong kind ---- */

static void an_async_of_another_loop_is_refused(void **state)
{
    arguments a = arguments__of(state);
    iocp_loop_t *other = contract_loop_create();
    iocp_async_t *async = NULL;
    assert_int_equal(iocp_async_create(other, &async), IOCP_OK);
    assert_int_equal(iocp_async_wait(a.loop, async, contract_keep, &a.never, &a.op), IOCP_EINVAL);
    arguments__assert_nothing_came_of_it(&a);
    assert_int_equal(iocp_async_destroy(async), IOCP_OK);
    contract_loop_destroy(other);
}

static void operations_that_do_not_fit_the_state_of_a_socket_end_with_an_error(void **state)
{
    if (contract_is_wine()) {
        skip(); /* there a receive on a listener waits for ever */
    }
    arguments a = arguments__of(state);
    contract_address address;
    enum {
        RECV,
        SEND,
        SHUTDOWN,
        CONNECT,
        UNCONNECTED_SHUTDOWN,
        COUNT
    };
    contract_record records[COUNT] = {{0}};
    iocp_handle_t listener = contract_listen(a.loop, AF_INET, &address);
    assert_int_equal(iocp_recv(a.loop, listener, a.data, 1, contract_keep, &records[RECV], NULL),
                     IOCP_OK);
    assert_int_equal(iocp_send(a.loop, listener, a.data, 1, contract_keep, &records[SEND], NULL),
                     IOCP_OK);
    assert_int_equal(iocp_shutdown(a.loop, listener, IOCP_SHUTDOWN_SEND, contract_keep,
                                   &records[SHUTDOWN], NULL),
                     IOCP_OK);
    assert_int_equal(iocp_connect(a.loop, listener, contract_sockaddr(&address), address.length,
                                  contract_keep, &records[CONNECT], NULL),
                     IOCP_OK);
    assert_int_equal(iocp_shutdown(a.loop, a.socket, IOCP_SHUTDOWN_SEND, contract_keep,
                                   &records[UNCONNECTED_SHUTDOWN], NULL),
                     IOCP_OK);
    assert_int_equal(iocp_loop_run(a.loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(records[i].calls, 1);
        assert_true(records[i].status < 0);
        assert_true(records[i].status != IOCP_ECANCELED && records[i].status != IOCP_EOF);
        assert_true(records[i].result.native_error != 0);
    }
    assert_true(iocp_socket_listen(a.loop, a.socket, 0) != IOCP_OK); /* not bound */
}

static void a_socket_is_bound_once(void **state)
{
    arguments a = arguments__of(state);
    contract_address own = contract_loopback(AF_INET, 0);
    assert_int_equal(iocp_socket_bind(a.loop, a.socket, contract_sockaddr(&own), own.length),
                     IOCP_OK);
    assert_int_equal(iocp_socket_bind(a.loop, a.socket, contract_sockaddr(&own), own.length),
                     IOCP_EINVAL);
}

/* ---- Texts ---- */

static void every_error_has_a_name_and_a_text(void **state)
{
    (void)state;
    for (int error = 100; error >= -100; error--) {
        assert_non_null(iocp_error_name(error));
        assert_non_null(iocp_error_text(error));
    }
    assert_string_equal(iocp_error_name(IOCP_OK), "IOCP_OK");
    assert_string_equal(iocp_error_name(IOCP_EAGAIN), "IOCP_EAGAIN");
    assert_string_equal(iocp_error_name(1), "IOCP_E?");
    assert_string_equal(iocp_error_text(INT_MIN), "unknown error code");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TEST(loop_functions_refuse_no_loop),
        CONTRACT_TEST(operations_refuse_no_loop),
        CONTRACT_TEST(socket_functions_refuse_no_loop),
        CONTRACT_TEST(file_functions_refuse_no_loop),
        CONTRACT_TEST(operations_refuse_no_callback),
        CONTRACT_TEST(results_need_somewhere_to_go),
        CONTRACT_TEST(an_operation_needs_no_place_for_its_id),
        CONTRACT_TEST(bad_buffers_are_refused),
        CONTRACT_TEST(bad_addresses_are_refused),
        CONTRACT_TEST(addresses_as_text_need_all_that_they_are_made_of),
        CONTRACT_TEST(values_out_of_range_are_refused),
        CONTRACT_TEST(checks_come_in_one_order),
        CONTRACT_TEST(structures_of_an_absurd_size_are_refused),
        CONTRACT_TEST(ids_that_name_no_handle_are_refused),
        CONTRACT_TEST(ids_that_name_no_operation_are_refused),
        CONTRACT_TEST(an_id_of_another_loop_is_an_error),
        CONTRACT_TEST(an_async_of_another_loop_is_refused),
        CONTRACT_TEST(operations_that_do_not_fit_the_state_of_a_socket_end_with_an_error),
        CONTRACT_TEST(a_socket_is_bound_once),
        CONTRACT_TEST(every_error_has_a_name_and_a_text),
    };
    return CONTRACT_RUN(tests);
}
