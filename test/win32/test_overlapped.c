/* The one start protocol: what the answer to a starting call means, and what a packet brings. */
#include "unit.h"

#include "kind.h"
#include "win32/overlapped.h"

#include "win_faults.h"
#include "win_leaks.h"

#include <string.h>

#define STATUS_RESET_           0xC000020Du
#define STATUS_CANCELLED_       0xC0000120u
#define STATUS_BUFFER_OVERFLOW_ 0x80000005u
#define STATUS_HANDLES_CLOSED_  0x8000000Au
#define STATUS_NO_SUCH_HANDLE_  0xC0000008u
#define STATUS_WRONG_TYPE_      0xC0000024u
#define STATUS_DISCONNECTED_    0xC000013Bu

/* An operation on a handle that no kernel knows of, and the port that its packets come to. */
static struct {
    unit_memory memory;
    ioc_ops ops;
    ioc_win_port port;
    ioc_overlapped overlapped;
    ioc_win_handle handle;
    ioc_win_op *op;
    int completions;
    ioc_dequeued dequeued; /* of all dequeues */
    size_t handles_before;
} token_now;

/* ---- The environment ---- */

static bool token__complete(ioc_port *port, ioc_op *op)
{
    assert_ptr_equal(port, &token_now.port.base);
    assert_ptr_equal(op, &token_now.op->op);
    token_now.completions++;
    return true;
}

static const ioc_win_kind token_kinds[IOC_KINDS] = {
    [IOCP_TYPE_RECV] = {.complete = token__complete},
};

static const ioc_win_kind *token__kind_of(const ioc_op *op)
{
    return &token_kinds[op->kind->type];
}

static int token__setup(void **state)
{
    ioc_win_options win_options = {.sys = win_faults_table()};
    ioc_port_options options = {
        .alloc = &token_now.memory.alloc,
        .ops = &token_now.ops,
        .batch = 4,
        .extra = &win_options,
    };
    uint32_t native_error = 0;
    (void)state;
    memset(&token_now, 0, sizeof token_now);
    win_faults_reset();
    unit_memory_init(&token_now.memory);
    token_now.handles_before = win_open_handles();
    ioc_slab_init(&token_now.ops.slab, &token_now.memory.alloc, sizeof(ioc_win_op), 0);
    assert_int_equal(ioc_port_init(&token_now.port, &options, &native_error), IOCP_OK);
    ioc_overlapped_attach(&token_now.overlapped, &token_now.port, token__kind_of);
    ioc_port_expect_any(&token_now.port); /* so that a dequeue takes all that is there */
    return 0;
}

static void token__close(void)
{
    ioc_port_deinit(&token_now.port);
    ioc_slab_deinit(&token_now.ops.slab);
}

static int token__teardown(void **state)
{
    (void)state;
    token__close();
    assert_int_equal(unit_memory_live(&token_now.memory), 0);
    assert_int_equal(win_open_handles(), token_now.handles_before);
    return 0;
}

static ioc_win_op *token__new_op(void)
{
    ioc_win_op *op = ioc_slab_take(&token_now.ops.slab);
    assert_non_null(op);
    memset(op, 0, sizeof *op);
    ioc_link_init(&op->op.link);
    op->op.kind = &ioc_kinds[IOCP_TYPE_RECV];
    op->op.handle = &token_now.handle.handle;
    op->op.phase = IOC_PHASE_KERNEL;
    return op;
}

static OVERLAPPED *token__prepare(bool skips_packets)
{
    memset(&token_now.handle, 0, sizeof token_now.handle);
    token_now.handle.handle.kind = IOCP_HANDLE_STREAM;
    token_now.handle.socket = 1234;
    token_now.handle.skips_packets = skips_packets;
    token_now.op = token__new_op();
    token_now.completions = 0;
    memset(&token_now.op->token.overlapped, 0x5A, sizeof token_now.op->token.overlapped);
    return ioc_overlapped_prepare(&token_now.op->op);
}

/* What the kernel writes. */
static void token__write(uint32_t status, ULONG_PTR bytes)
{
    token_now.op->token.overlapped.Internal = status;
    token_now.op->token.overlapped.InternalHigh = bytes;
}

static void token__post(const ioc_source *source, const void *overlapped)
{
    assert_true(PostQueuedCompletionStatus(token_now.port.port, 0, (ULONG_PTR)source,
                                           (OVERLAPPED *)(uintptr_t)overlapped));
}

/* The packet that the system sends for the operation. */
static void token__post_packet(void)
{
    token__post(&token_now.port.tokens, &token_now.op->token.overlapped);
}

/* All that is in the port. How often the operation has come out of it. */
static int token__dequeue(void)
{
    ioc_list ended;
    ioc_dequeued dequeued;
    int ends = 0;
    ioc_list_init(&ended);
    assert_int_equal(ioc_port_dequeue(&token_now.port.base, 0, 0, &ended, &dequeued), IOCP_OK);
    for (ioc_link *link; (link = ioc_list_first(&ended)) != NULL; ends++) {
        ioc_link_remove(link);
        assert_ptr_equal(link, &token_now.op->op.link);
    }
    assert_int_equal(dequeued.operations, ends);
    token_now.dequeued.foreign += dequeued.foreign;
    token_now.dequeued.wakes += dequeued.wakes;
    return ends;
}

static void token__expect(int status, uint32_t native_error, uint64_t bytes, int completions)
{
    const ioc_outcome *outcome = &token_now.op->op.outcome;
    assert_int_equal(outcome->status, status);
    assert_int_equal(outcome->native_error, native_error);
    assert_int_equal(outcome->bytes, bytes);
    assert_int_equal(token_now.completions, completions);
}

static ioc_start token__start(bool failed, uint32_t error)
{
    return ioc_overlapped_started(&token_now.port.base, &token_now.op->op, failed, error);
}

/* It comes out of the port once, and nothing else does. */
static void token__end(void)
{
    assert_int_equal(token__dequeue(), 1);
    assert_int_equal(token__dequeue(), 0);
    assert_int_equal(token_now.dequeued.foreign, 0);
}

/* ---- Answers ---- */

static void a_prepared_token_is_all_zero(void **state)
{
    (void)state;
    OVERLAPPED zero;
    memset(&zero, 0, sizeof zero);
    OVERLAPPED *overlapped = token__prepare(true);
    assert_ptr_equal(overlapped, &token_now.op->token.overlapped);
    assert_memory_equal(overlapped, &zero, sizeof zero);
}

static void a_success_with_a_packet_is_pending_until_it_comes(void **state)
{
    (void)state;
    token__prepare(false);
    token__write(0, 5);
    assert_int_equal(token__start(false, 0), IOC_START_PENDING);
    assert_int_equal(token__dequeue(), 0);
    assert_int_equal(token_now.completions, 0);
    token__post_packet();
    token__end();
    token__expect(IOCP_OK, 0, 5, 1);
}

static void a_success_that_skips_its_packet_is_done(void **state)
{
    (void)state;
    token__prepare(true);
    token__write(0, 5);
    assert_int_equal(token__start(false, 0), IOC_START_DONE);
    token__expect(IOCP_OK, 0, 5, 1);
}

static void a_call_that_is_pending_is_pending_in_both_regimes(void **state)
{
    (void)state;
    for (int skips = 0; skips <= 1; skips++) {
        token__prepare(skips != 0);
        assert_int_equal(token__start(true, ERROR_IO_PENDING), IOC_START_PENDING);
        assert_int_equal(token_now.completions, 0);
    }
}

static void a_call_that_fails_has_failed_in_both_regimes(void **state)
{
    (void)state;
    for (int skips = 0; skips <= 1; skips++) {
        token__prepare(skips != 0);
        assert_int_equal(token__start(true, WSAECONNRESET), IOC_START_FAILED);
        token__expect(IOCP_ECONNRESET, WSAECONNRESET, 0, 0);
        token__prepare(skips != 0);
        assert_int_equal(token__start(true, 54321), IOC_START_FAILED);
        token__expect(IOCP_EUNKNOWN, 54321, 0, 0);
    }
}

/* ---- Warnings ---- */

static const uint32_t token_warnings[] = {WSAEMSGSIZE, ERROR_MORE_DATA};

/* The call ends at once with 7 bytes of a message that is longer; the system sends a packet, or not. */
static void token__meet_warning(int skips, bool has_packet, uint32_t warning)
{
    token__prepare(skips != 0);
    token__write(STATUS_BUFFER_OVERFLOW_, 7);
    if (has_packet) {
        token__post_packet();
    }
    assert_int_equal(token__start(true, warning), IOC_START_PENDING);
    assert_int_equal(token_now.completions, 0);
}

static void token__check_warnings(bool has_packet)
{
    for (int skips = 0; skips <= 1; skips++) {
        for (size_t i = 0; i < IOC_COUNT_OF(token_warnings); i++) {
            token__meet_warning(skips, has_packet, token_warnings[i]);
            token__end();
            token__expect(IOCP_EMSGSIZE, WSAEMSGSIZE, 7, 1);
        }
    }
}

static void a_warning_that_no_packet_follows_ends_once(void **state)
{
    (void)state;
    token__check_warnings(false);
}

static void a_warning_that_a_packet_follows_ends_once(void **state)
{
    (void)state;
    token__check_warnings(true);
}

static void a_warning_that_comes_with_the_packet_alone_ends_once(void **state)
{
    (void)state;
    for (int skips = 0; skips <= 1; skips++) {
        token__prepare(skips != 0);
        assert_int_equal(token__start(true, ERROR_IO_PENDING), IOC_START_PENDING);
        token__write(STATUS_BUFFER_OVERFLOW_, 7);
        token__post_packet();
        token__end();
        token__expect(IOCP_EMSGSIZE, WSAEMSGSIZE, 7, 1);
    }
}

/* As often as it takes; what the system has sent for it meanwhile is not its end. */
static void a_marker_that_is_refused_is_sent_again(void **state)
{
    (void)state;
    for (int has_packet = 0; has_packet <= 1; has_packet++) {
        win_faults_fail_all_of(WIN_POST, 0);
        token__meet_warning(has_packet, has_packet != 0, WSAEMSGSIZE);
        for (int i = 0; i < 5; i++) {
            assert_int_equal(token__dequeue(), 0);
        }
        win_faults_stop();
        assert_int_equal(token__dequeue(), 0); /* it is on its way now */
        token__end();
        token__expect(IOCP_EMSGSIZE, WSAEMSGSIZE, 7, 1);
    }
}

/* It is queued once, however much comes for it: twice, and what was queued before it is lost. */
static void a_packet_that_comes_before_its_marker_is_sent_loses_nobody(void **state)
{
    (void)state;
    token__prepare(false);
    ioc_win_op *before = token_now.op;
    ioc_port_return(&token_now.port, &before->token);
    win_faults_fail_all_of(WIN_POST, 0);
    token__meet_warning(0, true, WSAEMSGSIZE);
    ioc_win_op *marked = token_now.op;
    token_now.op = before;
    assert_int_equal(token__dequeue(), 1);
    token__expect(IOCP_OK, 0, 0, 1);
    token_now.op = marked;
    win_faults_stop();
    assert_int_equal(token__dequeue(), 0);
    token__end();
    token__expect(IOCP_EMSGSIZE, WSAEMSGSIZE, 7, 2);
}

/* Too long a list of buffers is WSAEMSGSIZE, too. No packet will ever come for it. */
static void a_warning_code_from_a_call_that_did_nothing_is_a_failure(void **state)
{
    (void)state;
    for (int skips = 0; skips <= 1; skips++) {
        token__prepare(skips != 0);
        assert_int_equal(token__start(true, WSAEMSGSIZE), IOC_START_FAILED);
        token__expect(IOCP_EMSGSIZE, WSAEMSGSIZE, 0, 0);
        assert_int_equal(token__dequeue(), 0);
    }
}

/* ---- Packets ---- */

static void a_packet_tells_the_bytes_of_a_cancelled_operation(void **state)
{
    (void)state;
    token__prepare(true);
    token__write(STATUS_CANCELLED_, 3);
    token__post_packet();
    token__end();
    token__expect(IOCP_ECANCELED, ERROR_OPERATION_ABORTED, 3, 1);
}

static void what_ends_because_this_program_closed_the_handle_is_aborted(void **state)
{
    (void)state;
    static const uint32_t statuses[] = {STATUS_HANDLES_CLOSED_, STATUS_NO_SUCH_HANDLE_,
                                        STATUS_WRONG_TYPE_, STATUS_DISCONNECTED_,
                                        STATUS_CANCELLED_};
    for (size_t i = 0; i < IOC_COUNT_OF(statuses); i++) {
        token__prepare(false);
        token_now.handle.socket = INVALID_SOCKET;
        token__write(statuses[i], 0);
        token__post_packet();
        token__end();
        assert_int_equal(token_now.op->op.outcome.status, IOCP_ECANCELED);
        assert_int_not_equal(token_now.op->op.outcome.native_error, 0);
    }
}

static void a_reset_or_a_success_stays_what_it_is_on_a_closed_handle(void **state)
{
    (void)state;
    token__prepare(false);
    token_now.handle.socket = INVALID_SOCKET;
    token__write(STATUS_RESET_, 0);
    token__post_packet();
    token__end();
    token__expect(IOCP_ECONNRESET, WSAECONNRESET, 0, 1);
    token__prepare(false);
    token_now.handle.socket = INVALID_SOCKET;
    token__write(0, 9);
    token__post_packet();
    token__end();
    token__expect(IOCP_OK, 0, 9, 1);
}

static void a_token_that_comes_back_without_a_packet_ends_behind_the_packets(void **state)
{
    (void)state;
    token__prepare(false);
    win_faults_fail_next_of(WIN_POST, 0);
    ioc_port_post_back(&token_now.port, &token_now.op->token);
    token__end();
    token__expect(IOCP_OK, 0, 0, 1);
}

/* What is left of its name is -1, which is the process. */
static void a_cancel_on_a_closed_handle_asks_nobody(void **state)
{
    (void)state;
    bool is_back = false;
    token__prepare(false);
    token_now.handle.socket = INVALID_SOCKET;
    assert_int_equal(ioc_overlapped_cancel(&token_now.port.base, &token_now.op->op, &is_back),
                     IOCP_OK);
    assert_int_equal(ioc_overlapped_cancel_all(&token_now.port.base, &token_now.handle.handle),
                     IOCP_OK);
    assert_false(is_back);
    assert_int_equal(win_faults_count_of(WIN_CANCEL), 0);
}

/* ---- What others post with the loop's key ---- */

static void token__post_foreign(const void *overlapped)
{
    uint32_t foreign = token_now.dequeued.foreign;
    token__post(&token_now.port.tokens, overlapped);
    token__post(&token_now.overlapped.markers, overlapped);
    assert_int_equal(token__dequeue(), 0);
    assert_int_equal(token_now.dequeued.foreign, foreign + 2);
    assert_int_equal(token_now.completions, 0);
}

/* Memory that can be written to, but not read where an operation would begin. */
static void token__post_edge_of_memory(void)
{
    char *pages = VirtualAlloc(NULL, 8192, MEM_RESERVE, PAGE_NOACCESS);
    assert_non_null(pages);
    assert_non_null(VirtualAlloc(pages + 4096, 4096, MEM_COMMIT, PAGE_READWRITE));
    token__post_foreign(pages + 4096);
    token__post_foreign(pages);
    assert_true(VirtualFree(pages, 0, MEM_RELEASE));
    token__post_foreign(pages + 4096); /* which nobody has now */
}

static void an_overlapped_of_others_is_foreign_wherever_it_is(void **state)
{
    (void)state;
    OVERLAPPED on_stack = {.Internal = 1};
    OVERLAPPED before = on_stack;
    token__prepare(false);
    token__post_foreign(NULL);
    token__post_foreign(&on_stack);
    token__post_foreign((const void *)(uintptr_t)0x10);
    token__post_foreign((const void *)(UINTPTR_MAX - 7));
    token__post_edge_of_memory();
    assert_memory_equal(&on_stack, &before, sizeof on_stack);
}

static void an_address_in_the_slab_that_is_no_operation_in_the_kernel_is_foreign(void **state)
{
    (void)state;
    token__prepare(false);
    ioc_win_op *queued = token__new_op();
    ioc_win_op *given_back = token__new_op();
    const char *inside = (const char *)&token_now.op->token.overlapped;
    queued->op.phase = IOC_PHASE_QUEUED;
    (void)ioc_overlapped_prepare(&given_back->op);
    ioc_slab_give(&token_now.ops.slab, given_back);
    token__post_foreign(&queued->token.overlapped);
    token__post_foreign(&given_back->token.overlapped);
    for (ptrdiff_t offset = -512; offset <= 1024; offset += 8) {
        if (offset != 0) {
            token__post_foreign(inside + offset);
        }
    }
    token__post_packet(); /* and its own is taken all the same */
    assert_int_equal(token__dequeue(), 1);
}

static void a_guessed_marker_ends_nothing(void **state)
{
    (void)state;
    token__prepare(false);
    token__post(&token_now.overlapped.markers, &token_now.op->token.overlapped);
    assert_int_equal(token__dequeue(), 0);
    assert_int_equal(token_now.dequeued.foreign, 1);
    assert_int_equal(token_now.completions, 0);
}

/* ---- What the table above claims of the system ---- */

/* A receive that meets too long a message at once, in either regime. */
static void token__meet_long_message(bool skips_packets)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    int length = sizeof address;
    char message[8] = "message";
    char part[3];
    WSABUF buffer = {.len = sizeof part, .buf = part};
    SOCKET socket = WSASocketW(AF_INET, SOCK_DGRAM, 0, NULL, 0, WSA_FLAG_OVERLAPPED);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(socket, (struct sockaddr *)&address, length), 0);
    assert_int_equal(getsockname(socket, (struct sockaddr *)&address, &length), 0);
    assert_int_equal(ioc_port_associate(&token_now.port, (HANDLE)socket), IOCP_OK);
    assert_true(SetFileCompletionNotificationModes(
        (HANDLE)socket, skips_packets ? FILE_SKIP_COMPLETION_PORT_ON_SUCCESS : 0));
    assert_int_equal(
        sendto(socket, message, sizeof message, 0, (struct sockaddr *)&address, length), 8);

    OVERLAPPED *overlapped = token__prepare(skips_packets);
    int answer = WSARecv(socket, &buffer, 1, NULL, &token_now.op->flags, overlapped, NULL);
    uint32_t error = answer == 0 ? 0 : (uint32_t)WSAGetLastError();
    assert_int_equal(token__start(answer != 0, error), IOC_START_PENDING);
    while (token__dequeue() == 0) {
        Sleep(1);
    }
    token__expect(IOCP_EMSGSIZE, WSAEMSGSIZE, sizeof part, 1);
    assert_memory_equal(part, "mes", 3);
    assert_int_equal(closesocket(socket), 0);
    assert_int_equal(token__dequeue(), 0);
    assert_int_equal(token_now.dequeued.foreign, 0);
}

static void a_real_message_that_is_too_long_ends_once(void **state)
{
    (void)state;
    token__meet_long_message(false);
    token__meet_long_message(true);
}

/* What the system opens once and keeps is open before the first test counts. */
static int token__warm_up(void **state)
{
    WSADATA data;
    assert_int_equal(WSAStartup(MAKEWORD(2, 2), &data), 0);
    assert_int_equal(token__setup(state), 0);
    token__meet_long_message(false);
    token__close();
    return 0;
}

#define TOKEN_TEST(function) \
    cmocka_unit_test_setup_teardown(function, token__setup, token__teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TOKEN_TEST(a_prepared_token_is_all_zero),
        TOKEN_TEST(a_success_with_a_packet_is_pending_until_it_comes),
        TOKEN_TEST(a_success_that_skips_its_packet_is_done),
        TOKEN_TEST(a_call_that_is_pending_is_pending_in_both_regimes),
        TOKEN_TEST(a_call_that_fails_has_failed_in_both_regimes),
        TOKEN_TEST(a_warning_that_no_packet_follows_ends_once),
        TOKEN_TEST(a_warning_that_a_packet_follows_ends_once),
        TOKEN_TEST(a_warning_that_comes_with_the_packet_alone_ends_once),
        TOKEN_TEST(a_marker_that_is_refused_is_sent_again),
        TOKEN_TEST(a_packet_that_comes_before_its_marker_is_sent_loses_nobody),
        TOKEN_TEST(a_warning_code_from_a_call_that_did_nothing_is_a_failure),
        TOKEN_TEST(a_packet_tells_the_bytes_of_a_cancelled_operation),
        TOKEN_TEST(what_ends_because_this_program_closed_the_handle_is_aborted),
        TOKEN_TEST(a_reset_or_a_success_stays_what_it_is_on_a_closed_handle),
        TOKEN_TEST(a_token_that_comes_back_without_a_packet_ends_behind_the_packets),
        TOKEN_TEST(a_cancel_on_a_closed_handle_asks_nobody),
        TOKEN_TEST(an_overlapped_of_others_is_foreign_wherever_it_is),
        TOKEN_TEST(an_address_in_the_slab_that_is_no_operation_in_the_kernel_is_foreign),
        TOKEN_TEST(a_guessed_marker_ends_nothing),
        TOKEN_TEST(a_real_message_that_is_too_long_ends_once),
    };
    win_catch_crashes();
    return cmocka_run_group_tests(tests, token__warm_up, NULL);
}
