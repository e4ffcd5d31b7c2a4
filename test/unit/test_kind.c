/* The table of kinds is whole: each row says everything, and no two say the same name. */
#include "unit_backend.h"

#include <string.h>

static void every_kind_has_a_whole_row(void **state)
{
    (void)state;
    for (int type = 0; type < IOC_KINDS; type++) {
        const ioc_kind *kind = &ioc_kinds[type];
        assert_int_equal(kind->type, type);
        assert_non_null(kind->name);
        assert_true(kind->name[0] != '\0');
        assert_true(kind->queued != NULL && kind->start != NULL && kind->settle != NULL);
        assert_true(kind->tell != NULL && kind->ended != NULL);
        for (int other = 0; other < type; other++) {
            assert_string_not_equal(kind->name, ioc_kinds[other].name);
        }
    }
}

/* What a row says of some kinds of handles it says of those that the kind runs on. */
static void what_a_kind_does_on_a_handle_it_has_there(void **state)
{
    (void)state;
    for (int type = 0; type < IOC_KINDS; type++) {
        const ioc_kind *kind = &ioc_kinds[type];
        assert_int_equal(kind->takes_turns & ~kind->handles, 0);
        assert_int_equal(kind->ends_by_zero & ~kind->handles, 0);
        assert_int_equal(kind->is_whole & ~kind->handles, 0);
        assert_true(kind->is_whole == 0 || (kind->traits & IOC_KIND_OUT) != 0);
        assert_true(kind->ends_by_zero == 0 || (kind->traits & IOC_KIND_OUT) == 0);
        assert_int_equal(kind->ends_alone & ~kind->handles, 0);
        assert_true((kind->traits & IOC_KIND_OUT) == 0 || kind->handles != 0);
    }
}

static void every_kind_of_the_header_is_there_and_no_other(void **state)
{
    (void)state;
    assert_int_equal(IOCP_TYPES, IOCP_TYPE_FOLDER_LIST + 1);
    assert_false(ioc_kind_is_public(0));
    assert_false(ioc_kind_is_public(IOCP_TYPES));
    assert_false(ioc_kind_is_public(-1));
    assert_true(ioc_kind_is_public(IOCP_TYPE_NOP));
    assert_true(ioc_kind_is_public(IOCP_TYPE_FOLDER_LIST));
}

static void every_kind_has_the_name_of_its_function(void **state)
{
    (void)state;
    static const char *const names[IOC_KINDS] = {
        "adopt",        "nop",     "timer",        "cancel",        "async_wait",   "close",
        "accept",       "connect", "send",         "recv",          "shutdown",     "sendto",
        "recvfrom",     "read",    "write",        "pread",         "pwrite",       "flush",
        "drain",        "wait",    "process_wait", "job_watch",     "work",         "console_watch",
        "pipe_connect", "spawn",   "process_stop", "sendfile",      "poll",         "resolve",
        "recv_lent",    "sendmsg", "recvmsg",      "overlapped",    "open",         "stat",
        "copy",         "rename",  "remove",       "folder_create", "folder_watch", "folder_list",
        "stdio_end",    "lookup",
    };
    for (int type = 0; type < IOC_KINDS; type++) {
        assert_string_equal(ioc_kinds[type].name, names[type]);
    }
}

/* ---- What came of fewer bytes than were asked for ---- */

/* What each kind that moves bytes makes of none and of part of them, when the system says success. */
typedef struct few_bytes {
    iocp_type_t type;
    iocp_handle_kind_t on;
    int of_none;
    int of_part;
} few_bytes;

static const few_bytes few_bytes_rows[] = {
    {IOCP_TYPE_SEND, IOCP_HANDLE_STREAM, IOCP_ECONNABORTED, IOCP_ECONNABORTED},
    {IOCP_TYPE_SEND, IOCP_HANDLE_DATAGRAM, IOCP_OK, IOCP_OK},
    {IOCP_TYPE_SENDTO, IOCP_HANDLE_DATAGRAM, IOCP_OK, IOCP_OK},
    {IOCP_TYPE_RECV, IOCP_HANDLE_STREAM, IOCP_EOF, IOCP_OK},
    {IOCP_TYPE_RECV, IOCP_HANDLE_DATAGRAM, IOCP_OK, IOCP_OK}, /* an empty one */
    {IOCP_TYPE_RECVFROM, IOCP_HANDLE_DATAGRAM, IOCP_OK, IOCP_OK},
    {IOCP_TYPE_SENDMSG, IOCP_HANDLE_DATAGRAM, IOCP_OK, IOCP_OK},
    {IOCP_TYPE_RECVMSG, IOCP_HANDLE_DATAGRAM, IOCP_OK, IOCP_OK},
    {IOCP_TYPE_READ, IOCP_HANDLE_FILE, IOCP_EOF, IOCP_OK},
    {IOCP_TYPE_READ, IOCP_HANDLE_PIPE, IOCP_OK, IOCP_OK}, /* an empty message */
    {IOCP_TYPE_READ, (iocp_handle_kind_t)IOC_HANDLE_STDIN, IOCP_OK, IOCP_OK},
    {IOCP_TYPE_WRITE, IOCP_HANDLE_FILE, IOCP_OK, IOCP_OK},
    {IOCP_TYPE_WRITE, IOCP_HANDLE_PIPE, IOCP_ECONNABORTED, IOCP_ECONNABORTED},
    {IOCP_TYPE_WRITE, (iocp_handle_kind_t)IOC_HANDLE_STDOUT, IOCP_ECONNABORTED, IOCP_ECONNABORTED},
    {IOCP_TYPE_PREAD, IOCP_HANDLE_FILE, IOCP_EOF, IOCP_OK},
    {IOCP_TYPE_PWRITE, IOCP_HANDLE_FILE, IOCP_OK, IOCP_OK},
};

/* The lengths of buffers, with empty ones in each place; the last list asks for nothing. */
static const uint32_t few_bytes_lists[][3] = {
    {4, 0, 0}, {0, 4, 0}, {0, 0, 4}, {2, 0, 2}, {0, 0, 0},
};

static void assert_settled(unit_core *core, const few_bytes *row, const uint32_t lengths[3],
                           uint64_t bytes, int status)
{
    static char data[4];
    iocp_buf_t list[3];
    for (int i = 0; i < 3; i++) {
        list[i] = (iocp_buf_t){.length = lengths[i], .base = data};
    }
    ioc_handle *handle = unit_core_open(core);
    handle->kind = (uint8_t)row->on;
    ioc_op *op = ioc_op_new(&core->ops, row->type, unit_core_disarm, core);
    assert_int_equal(ioc_transfer_set_buffers(&core->ops, op, list, 3), IOCP_OK);
    ioc_handle_enter(handle, op);
    ioc_op_queue(&core->ops, op, NULL);
    assert_true(ioc_handle_admits(&core->ops, op));
    op->kind->start(&core->ops, op);
    unit_core_packet(core, op, IOCP_OK, bytes);
    assert_int_equal(op->outcome.bytes, bytes);
    assert_int_equal(unit_core_deliver(core, op), status);
}

static void each_kind_says_what_fewer_bytes_than_asked_for_mean(void **state)
{
    unit_core *core = *state;
    for (size_t i = 0; i < IOC_COUNT_OF(few_bytes_rows); i++) {
        const few_bytes *row = &few_bytes_rows[i];
        for (size_t k = 0; k < IOC_COUNT_OF(few_bytes_lists); k++) {
            const uint32_t *lengths = few_bytes_lists[k];
            bool is_none_asked = k == IOC_COUNT_OF(few_bytes_lists) - 1;
            assert_settled(core, row, lengths, 0, is_none_asked ? IOCP_OK : row->of_none);
            if (!is_none_asked) {
                assert_settled(core, row, lengths, 2, row->of_part);
                assert_settled(core, row, lengths, 4, IOCP_OK);
            }
        }
    }
}

/* The rows above are those of all kinds that have memory, on all that they run on. */
static void no_kind_that_moves_bytes_is_left_out_above(void **state)
{
    uint32_t on[IOC_KINDS] = {0};
    (void)state;
    for (size_t i = 0; i < IOC_COUNT_OF(few_bytes_rows); i++) {
        on[few_bytes_rows[i].type] |= IOC_ON(few_bytes_rows[i].on);
    }
    for (int type = 0; type < IOC_KINDS; type++) {
        bool moves = (ioc_kinds[type].traits & IOC_KIND_MEMORY) != 0;
        assert_int_equal(on[type], moves ? ioc_kinds[type].handles : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_has_a_whole_row),
        cmocka_unit_test(what_a_kind_does_on_a_handle_it_has_there),
        cmocka_unit_test(every_kind_of_the_header_is_there_and_no_other),
        cmocka_unit_test(every_kind_has_the_name_of_its_function),
        cmocka_unit_test_setup_teardown(each_kind_says_what_fewer_bytes_than_asked_for_mean,
                                        unit_core_set_up, unit_core_tear_down),
        cmocka_unit_test(no_kind_that_moves_bytes_is_left_out_above),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
