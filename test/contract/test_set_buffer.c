/* The memory of the next run: what iocp_op_set_buffer changes, and when it may be called. */
#include "contract_datagram.h"
#include "contract_file.h"

#include <string.h>

#define PIECES 3

/* An operation that goes on with other memory each time. */
typedef struct pieces {
    contract_record record;
    struct {
        void *data;
        size_t size;
    } next[PIECES];
    int used;
    int status; /* of the last call */
} pieces;

static iocp_action_t IOCP_CALL pieces__go_on(iocp_loop_t *loop, const iocp_result_t *result,
                                             void *userdata)
{
    pieces *p = userdata;
    (void)contract_keep(loop, result, &p->record);
    if (contract_is_over() || result->status != IOCP_OK || p->used == PIECES ||
        p->next[p->used].data == NULL) {
        return IOCP_DISARM;
    }
    p->status = iocp_op_set_buffer(loop, result->op, p->next[p->used].data, p->next[p->used].size);
    p->used++;
    return IOCP_REARM;
}

static void pieces__add(pieces *p, void *data, size_t size)
{
    int i = 0;
    while (p->next[i].data != NULL) {
        i++;
    }
    p->next[i].data = data;
    p->next[i].size = size;
}

/* ---- Receiving ---- */

static void a_receive_goes_on_into_other_memory(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    pieces p = {0};
    char one[4] = {0};
    char rest[4] = {0};
    char list[2][2] = {{0}};
    iocp_buf_t buffers[2] = {{1, list[0]}, {1, list[1]}};
    contract_pair pair = contract_connect(loop, AF_INET);
    pieces__add(&p, one, 1);
    pieces__add(&p, rest, 1);
    /* It begins with a list, which becomes one buffer. */
    assert_int_equal(iocp_recvv(loop, pair.server, buffers, 2, pieces__go_on, &p, NULL), IOCP_OK);
    contract_send_all(loop, pair.client, "a", 1);
    contract_wait(loop, &p.record, 1);
    contract_send_all(loop, pair.client, "bcd", 3);
    contract_wait(loop, &p.record, 3);
    assert_int_equal(p.status, IOCP_OK);
    assert_int_equal(p.record.total_bytes, 3);
    assert_int_equal(list[0][0], 'a');
    assert_int_equal(list[1][0], 0);
    assert_int_equal(one[0], 'b');
    assert_int_equal(rest[0], 'c');
    assert_int_equal(rest[1], 0);
    contract_recv_all(loop, pair.server, one, 1);
    assert_int_equal(one[0], 'd');
}

static iocp_action_t IOCP_CALL buffer__set_once(iocp_loop_t *loop, const iocp_result_t *result,
                                                void *userdata)
{
    pieces *p = userdata;
    if (p->used++ == 0) {
        p->status = iocp_op_set_buffer(loop, result->op, p->next[0].data, p->next[0].size);
    }
    return contract_keep(loop, result, &p->record);
}

static void a_buffer_stays_until_it_is_set_again(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    pieces p = {.record = {.rearms = 2}};
    char first[1] = {0};
    char second[1] = {0};
    contract_pair pair = contract_connect(loop, AF_INET);
    pieces__add(&p, second, 1);
    assert_int_equal(iocp_recv(loop, pair.server, first, 1, buffer__set_once, &p, NULL), IOCP_OK);
    for (int i = 0; i < 3; i++) {
        contract_send_all(loop, pair.client, &"abc"[i], 1);
        contract_wait(loop, &p.record, i + 1);
    }
    assert_int_equal(p.status, IOCP_OK);
    assert_int_equal(first[0], 'a');
    assert_int_equal(second[0], 'c');
}

static void a_receive_of_datagrams_goes_on_into_other_memory(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    pieces p = {0};
    char first[8] = {0};
    char second[2] = {0};
    contract_address name;
    iocp_handle_t handle = contract_datagram_bind(loop, AF_INET, &name);
    pieces__add(&p, second, 2);
    assert_int_equal(iocp_recvfrom(loop, handle, first, 8, pieces__go_on, &p, NULL), IOCP_OK);
    contract_datagram_send(loop, handle, &name, "hello", 5);
    contract_wait(loop, &p.record, 1);
    contract_datagram_send(loop, handle, &name, "abc", 3);
    contract_wait(loop, &p.record, 2);
    assert_memory_equal(first, "hello", 5);
    assert_memory_equal(second, "ab", 2);
    assert_int_equal(p.record.result.bytes, 2);
    assert_true((p.record.result.flags & IOCP_RESULT_TRUNCATED) != 0);
    assert_int_equal(contract_port(&p.record.address), contract_port(&name)); /* the sender's */
}

/* What one run only looks at, the next takes. By recvfrom and recv. */
static void a_look_at_datagrams_goes_on_into_memory_and_takes_them(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_address name;
    iocp_handle_t handle = contract_datagram_bind(loop, AF_INET, &name);
    for (int is_recv = 0; is_recv < 2; is_recv++) {
        pieces p = {0};
        char first[8] = {0};
        char second[8] = {0};
        pieces__add(&p, first, sizeof first);
        pieces__add(&p, second, sizeof second);
        assert_int_equal(is_recv ? iocp_recv(loop, handle, NULL, 0, pieces__go_on, &p, NULL)
                                 : iocp_recvfrom(loop, handle, NULL, 0, pieces__go_on, &p, NULL),
                         IOCP_OK);
        contract_datagram_send(loop, handle, &name, "hello", 5);
        contract_wait(loop, &p.record, 2);
        contract_datagram_send(loop, handle, &name, "abc", 3);
        contract_wait(loop, &p.record, 3);
        assert_int_equal(p.record.total_bytes, 0 + 5 + 3);
        assert_memory_equal(first, "hello", 6);
        assert_memory_equal(second, "abc", 4);
    }
}

/* ---- Sending ---- */

static void one_operation_sends_piece_by_piece(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    pieces p = {0};
    char text[] = "hello, world";
    char found[16] = {0};
    uint64_t most = 0;
    contract_pair pair = contract_connect(loop, AF_INET);
    pieces__add(&p, text + 2, 3);
    pieces__add(&p, text + 5, 7);
    assert_int_equal(iocp_send(loop, pair.client, text, 2, pieces__go_on, &p, NULL), IOCP_OK);
    contract_wait(loop, &p.record, 3);
    assert_int_equal(p.record.status, IOCP_OK);
    assert_int_equal(p.record.total_bytes, 12);
    contract_recv_all(loop, pair.server, found, 12);
    assert_memory_equal(found, text, 12);
    /* What is queued to go out counts each with its own size. */
    uint64_t queued = 1;
    assert_int_equal(iocp_handle_queued(loop, pair.client, &queued, &most), IOCP_OK);
    assert_int_equal(queued, 0);
    assert_int_equal(most, 7);
}

static void a_datagram_is_sent_again_to_the_same_address(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    pieces p = {0};
    contract_record received = {0};
    char text[] = "onetwo";
    char data[8] = {0};
    contract_address name;
    iocp_handle_t handle = contract_datagram_bind(loop, AF_INET, &name);
    pieces__add(&p, text + 3, 3);
    assert_int_equal(iocp_sendto(loop, handle, text, 3, contract_sockaddr(&name), name.length,
                                 pieces__go_on, &p, NULL),
                     IOCP_OK);
    contract_wait(loop, &p.record, 2);
    for (int i = 0; i < 2; i++) {
        received = (contract_record){0};
        contract_datagram_start(loop, handle, data, sizeof data, &received);
        contract_datagram_expect(loop, &received, 3);
        assert_memory_equal(data, text + 3 * i, 3);
    }
}

/* To the same peer and into other memory; a list becomes one buffer. */
static void a_message_goes_on_with_other_memory(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    pieces sent = {0};
    pieces received = {0};
    char text[] = "onetwothree";
    char first[2][2] = {{0}};
    char second[8] = {0};
    contract_address name;
    iocp_handle_t handle = contract_datagram_bind(loop, AF_INET, &name);
    iocp_buf_t out[2] = {{1, text}, {2, text + 1}};
    iocp_buf_t in[2] = {{2, first[0]}, {2, first[1]}};
    iocp_message_t message = {
        .size = sizeof message, .peer = contract_sockaddr(&name), .peer_length = name.length};
    pieces__add(&sent, text + 3, 3);
    pieces__add(&sent, text + 6, 5);
    pieces__add(&received, second, 8);
    assert_int_equal(iocp_recvmsg(loop, handle, in, 2, pieces__go_on, &received, NULL), IOCP_OK);
    assert_int_equal(iocp_sendmsg(loop, handle, out, 2, &message, pieces__go_on, &sent, NULL),
                     IOCP_OK);
    contract_wait(loop, &sent.record, 3);
    contract_wait(loop, &received.record, 2);
    assert_int_equal(sent.record.status, IOCP_OK);
    assert_int_equal(sent.record.total_bytes, 3 + 3 + 5);
    assert_memory_equal(first, "one", 4);
    assert_memory_equal(second, "two", 4);
    assert_int_equal(contract_port(&received.record.address), contract_port(&name));
}

/* ---- Files and pipes ---- */

static void reads_and_writes_of_a_file_go_on_at_its_position(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    pieces written = {0};
    pieces read = {0};
    char text[] = "abcdef";
    char found[3][4] = {{0}};
    iocp_handle_t handle = contract_file_with(loop, "file", "", 0);
    pieces__add(&written, text + 2, 3);
    pieces__add(&written, text + 5, 1);
    assert_int_equal(iocp_write(loop, handle, text, 2, pieces__go_on, &written, NULL), IOCP_OK);
    contract_wait(loop, &written.record, 3);
    assert_int_equal(iocp_file_set_position(loop, handle, 0), IOCP_OK);
    pieces__add(&read, found[1], 1);
    pieces__add(&read, found[2], 4);
    assert_int_equal(iocp_read(loop, handle, found[0], 2, pieces__go_on, &read, NULL), IOCP_OK);
    contract_wait(loop, &read.record, 3);
    assert_string_equal(found[0], "ab");
    assert_string_equal(found[1], "c");
    assert_string_equal(found[2], "def");
}

/* The offset is the same. */
static void reads_and_writes_at_an_offset_stay_there(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    pieces written = {0};
    pieces read = {0};
    char text[] = "xyz";
    char found[2][4] = {{0}};
    iocp_handle_t handle = contract_file_with(loop, "file", "abcdef", 6);
    pieces__add(&written, text + 1, 2);
    assert_int_equal(iocp_pwrite(loop, handle, text, 1, 2, pieces__go_on, &written, NULL), IOCP_OK);
    contract_wait(loop, &written.record, 2);
    contract_file_assert(loop, "file", "abyzef", 6);
    pieces__add(&read, found[1], 3);
    assert_int_equal(iocp_pread(loop, handle, found[0], 1, 1, pieces__go_on, &read, NULL), IOCP_OK);
    contract_wait(loop, &read.record, 2);
    assert_string_equal(found[0], "b");
    assert_string_equal(found[1], "byz");
}

static void a_pipe_is_read_and_written_with_other_memory(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    pieces written = {0};
    pieces read = {0};
    char text[] = "ab";
    char found[2][2] = {{0}};
    contract_pipe pipe = contract_pipe_open(loop);
    pieces__add(&read, found[1], 1);
    pieces__add(&written, text + 1, 1);
    assert_int_equal(iocp_read(loop, pipe.ends[0], found[0], 1, pieces__go_on, &read, NULL),
                     IOCP_OK);
    assert_int_equal(iocp_write(loop, pipe.ends[1], text, 1, pieces__go_on, &written, NULL),
                     IOCP_OK);
    contract_wait(loop, &written.record, 2);
    contract_wait(loop, &read.record, 2);
    assert_string_equal(found[0], "a");
    assert_string_equal(found[1], "b");
}

/* ---- When ---- */

static void memory_that_is_the_kernels_is_not_replaced(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    char data[2][4] = {{0}};
    iocp_op_t op = {0};
    contract_pair pair = contract_connect(loop, AF_INET);
    assert_int_equal(iocp_recv(loop, pair.server, data[0], 1, contract_keep, &record, &op),
                     IOCP_OK);
    assert_int_equal(iocp_op_set_buffer(loop, op, data[1], 1), IOCP_EBUSY); /* queued */
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    assert_int_equal(iocp_op_set_buffer(loop, op, data[1], 1), IOCP_EBUSY);
    contract_send_all(loop, pair.client, "x", 1);
    contract_wait(loop, &record, 1);
    assert_int_equal(data[0][0], 'x');
    assert_int_equal(data[1][0], 0);
    assert_int_equal(iocp_op_set_buffer(loop, op, data[1], 1), IOCP_ENOENT);
    assert_int_equal(iocp_op_set_buffer(loop, (iocp_op_t){0}, data[1], 1), IOCP_ENOENT);
}

static iocp_action_t IOCP_CALL buffer__try_bad_ones(iocp_loop_t *loop, const iocp_result_t *result,
                                                    void *userdata)
{
    contract_record *record = userdata;
    static char elsewhere[4];
    assert_int_equal(iocp_op_set_buffer(loop, result->op, NULL, 1), IOCP_EINVAL);
#if SIZE_MAX > UINT32_MAX
    assert_int_equal(iocp_op_set_buffer(loop, result->op, elsewhere, (size_t)UINT32_MAX + 1),
                     IOCP_EINVAL);
#endif
    if (record->rearms == 0) {
        /* Without IOCP_REARM it has no effect. */
        assert_int_equal(iocp_op_set_buffer(loop, result->op, elsewhere, 4), IOCP_OK);
    }
    return contract_keep(loop, result, record);
}

static void what_is_no_memory_leaves_that_of_before(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {.rearms = 1};
    char data[1] = {0};
    contract_pair pair = contract_connect(loop, AF_INET);
    assert_int_equal(iocp_recv(loop, pair.server, data, 1, buffer__try_bad_ones, &record, NULL),
                     IOCP_OK);
    contract_send_all(loop, pair.client, "a", 1);
    contract_wait(loop, &record, 1);
    contract_send_all(loop, pair.client, "b", 1);
    contract_wait(loop, &record, 2);
    assert_int_equal(data[0], 'b');
}

static iocp_action_t IOCP_CALL buffer__wait_for_more(iocp_loop_t *loop, const iocp_result_t *result,
                                                     void *record)
{
    assert_int_equal(iocp_op_set_buffer(loop, result->op, NULL, 0), IOCP_OK);
    return contract_keep(loop, result, record);
}

/* A size of 0 is one: that receive waits for something and takes nothing. */
static void no_memory_at_all_is_a_buffer_too(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {.rearms = 1};
    char data[2] = {0};
    contract_pair pair = contract_connect(loop, AF_INET);
    assert_int_equal(iocp_recv(loop, pair.server, data, 1, buffer__wait_for_more, &record, NULL),
                     IOCP_OK);
    contract_send_all(loop, pair.client, "ab", 2);
    contract_wait(loop, &record, 2);
    assert_int_equal(record.status, IOCP_OK);
    assert_int_equal(record.result.bytes, 0);
    assert_int_equal(record.total_bytes, 1);
    contract_recv_all(loop, pair.server, data + 1, 1);
    assert_memory_equal(data, "ab", 2);
}

/* ---- What has none ---- */

static iocp_action_t IOCP_CALL buffer__is_not_supported(iocp_loop_t *loop,
                                                        const iocp_result_t *result, void *record)
{
    static char data[4];
    assert_int_equal(iocp_op_set_buffer(loop, result->op, data, 4), IOCP_ENOTSUP);
    return contract_keep(loop, result, record);
}

static void operations_without_memory_of_the_programs_have_no_buffer(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_address address;
    char data[1];
    iocp_op_t op = {0};
    iocp_handle_t listener = contract_listen(loop, AF_INET, &address);
    iocp_handle_t client = contract_open(loop, AF_INET);
    iocp_handle_t file = contract_file_with(loop, "file", "", 0);
    iocp_callback_t callback = buffer__is_not_supported;
    assert_int_equal(iocp_nop(loop, callback, &record, NULL), IOCP_OK);
    assert_int_equal(iocp_timer(loop, 0, callback, &record, NULL), IOCP_OK);
    assert_int_equal(iocp_cancel(loop, op, callback, &record, NULL), IOCP_OK);
    assert_int_equal(iocp_accept(loop, listener, callback, &record, NULL), IOCP_OK);
    assert_int_equal(iocp_connect(loop, client, contract_sockaddr(&address), address.length,
                                  callback, &record, NULL),
                     IOCP_OK);
    assert_int_equal(iocp_drain(loop, client, 0, callback, &record, NULL), IOCP_OK);
    assert_int_equal(iocp_file_flush(loop, file, callback, &record, NULL), IOCP_OK);
    contract_wait(loop, &record, 7);
    assert_int_equal(iocp_shutdown(loop, client, IOCP_SHUTDOWN_SEND, callback, &record, NULL),
                     IOCP_OK);
    assert_int_equal(iocp_close(loop, client, callback, &record, &op), IOCP_OK);
    assert_int_equal(iocp_op_set_buffer(loop, op, data, 1), IOCP_ENOTSUP);
    contract_wait(loop, &record, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_FILE_TEST(a_receive_goes_on_into_other_memory),
        CONTRACT_FILE_TEST(a_buffer_stays_until_it_is_set_again),
        CONTRACT_FILE_TEST(a_receive_of_datagrams_goes_on_into_other_memory),
        CONTRACT_FILE_TEST(a_look_at_datagrams_goes_on_into_memory_and_takes_them),
        CONTRACT_FILE_TEST(one_operation_sends_piece_by_piece),
        CONTRACT_FILE_TEST(a_datagram_is_sent_again_to_the_same_address),
        CONTRACT_FILE_TEST(a_message_goes_on_with_other_memory),
        CONTRACT_FILE_TEST(reads_and_writes_of_a_file_go_on_at_its_position),
        CONTRACT_FILE_TEST(reads_and_writes_at_an_offset_stay_there),
        CONTRACT_FILE_TEST(a_pipe_is_read_and_written_with_other_memory),
        CONTRACT_FILE_TEST(memory_that_is_the_kernels_is_not_replaced),
        CONTRACT_FILE_TEST(what_is_no_memory_leaves_that_of_before),
        CONTRACT_FILE_TEST(no_memory_at_all_is_a_buffer_too),
        CONTRACT_FILE_TEST(operations_without_memory_of_the_programs_have_no_buffer),
    };
    return CONTRACT_RUN(tests);
}
