/* The one start protocol: what the answer to a starting call means, and what a packet brings. */
#include "unit.h"

#include "win32/overlapped.h"

#include "win_leaks.h"

#include <string.h>

#define STATUS_RESET_           0xC000020Du
#define STATUS_CANCELLED_       0xC0000120u
#define STATUS_BUFFER_OVERFLOW_ 0x80000005u
#define STATUS_HANDLES_CLOSED_  0x8000000Au
#define STATUS_NO_SUCH_HANDLE_  0xC0000008u
#define STATUS_WRONG_TYPE_      0xC0000024u
#define STATUS_DISCONNECTED_    0xC000013Bu

/* An operation on a handle that no kernel knows of. */
static struct {
    ioc_win_handle handle;
    ioc_win_op op;
    int completions;
} token_now;

static void token__complete(ioc_port *port, ioc_op *op)
{
    (void)port;
    assert_ptr_equal(op, &token_now.op.op);
    token_now.completions++;
}

static OVERLAPPED *token__prepare(bool skips_packets)
{
    memset(&token_now, 0, sizeof token_now);
    memset(&token_now.op.overlapped, 0x5A, sizeof token_now.op.overlapped);
    token_now.handle.handle.kind = IOC_HANDLE_STREAM;
    token_now.handle.socket = 1234;
    token_now.handle.skips_packets = skips_packets;
    token_now.op.op.handle = &token_now.handle.handle;
    return ioc_overlapped_prepare(&token_now.op.op, token__complete);
}

/* What the kernel writes. */
static void token__write(uint32_t status, ULONG_PTR bytes)
{
    token_now.op.overlapped.Internal = status;
    token_now.op.overlapped.InternalHigh = bytes;
}

static void token__expect(int status, uint32_t native_error, uint64_t bytes, int completions)
{
    assert_int_equal(token_now.op.op.outcome.status, status);
    assert_int_equal(token_now.op.op.outcome.native_error, native_error);
    assert_int_equal(token_now.op.op.outcome.bytes, bytes);
    assert_int_equal(token_now.completions, completions);
}

static ioc_start token__start(bool failed, uint32_t error)
{
    return ioc_overlapped_started(NULL, &token_now.op.op, failed, error);
}

static void token__end(void)
{
    assert_ptr_equal(ioc_overlapped_ended(NULL, &token_now.op.overlapped), &token_now.op.op);
}

static void a_prepared_token_is_all_zero(void **state)
{
    (void)state;
    OVERLAPPED zero;
    memset(&zero, 0, sizeof zero);
    OVERLAPPED *overlapped = token__prepare(true);
    assert_ptr_equal(overlapped, &token_now.op.overlapped);
    assert_memory_equal(overlapped, &zero, sizeof zero);
}

static void a_success_with_a_packet_is_pending_until_it_comes(void **state)
{
    (void)state;
    token__prepare(false);
    token__write(0, 5);
    assert_int_equal(token__start(false, 0), IOC_START_PENDING);
    assert_int_equal(token_now.completions, 0);
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

static void a_warning_queues_a_packet(void **state)
{
    (void)state;
    static const uint32_t warnings[] = {WSAEMSGSIZE, ERROR_MORE_DATA};
    for (size_t i = 0; i < IOC_COUNT_OF(warnings); i++) {
        token__prepare(false);
        token__write(STATUS_BUFFER_OVERFLOW_, 7);
        assert_int_equal(token__start(true, warnings[i]), IOC_START_PENDING);
        token__end();
        token__expect(IOCP_EMSGSIZE, WSAEMSGSIZE, 7, 1);
    }
}

static void a_warning_that_skips_its_packet_is_done_with_its_bytes(void **state)
{
    (void)state;
    token__prepare(true);
    token__write(STATUS_BUFFER_OVERFLOW_, 7);
    assert_int_equal(token__start(true, WSAEMSGSIZE), IOC_START_DONE);
    token__expect(IOCP_EMSGSIZE, WSAEMSGSIZE, 7, 1);
}

/* Too long a list of buffers is WSAEMSGSIZE, too. No packet will ever come for it. */
static void a_warning_code_from_a_call_that_did_nothing_is_a_failure(void **state)
{
    (void)state;
    for (int skips = 0; skips <= 1; skips++) {
        token__prepare(skips != 0);
        assert_int_equal(token__start(true, WSAEMSGSIZE), IOC_START_FAILED);
        token__expect(IOCP_EMSGSIZE, WSAEMSGSIZE, 0, 0);
    }
}

static void a_packet_tells_the_bytes_of_a_cancelled_operation(void **state)
{
    (void)state;
    token__prepare(true);
    token__write(STATUS_CANCELLED_, 3);
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
        token__end();
        assert_int_equal(token_now.op.op.outcome.status, IOCP_ECANCELED);
        assert_int_not_equal(token_now.op.op.outcome.native_error, 0);
    }
}

static void a_reset_or_a_success_stays_what_it_is_on_a_closed_handle(void **state)
{
    (void)state;
    token__prepare(false);
    token_now.handle.socket = INVALID_SOCKET;
    token__write(STATUS_RESET_, 0);
    token__end();
    token__expect(IOCP_ECONNRESET, WSAECONNRESET, 0, 1);
    token__prepare(false);
    token_now.handle.socket = INVALID_SOCKET;
    token__write(0, 9);
    token__end();
    token__expect(IOCP_OK, 0, 9, 1);
}

/*
 * What the table above claims of the system: a receive that meets too long a message at once fails
 * with a warning, has the warning and the bytes in its OVERLAPPED, and queues a packet unless those
 * are skipped.
 */
static void token__meet_long_message(bool skips_packets)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    int length = sizeof address;
    char message[8] = "message";
    char part[3];
    WSABUF buffer = {.len = sizeof part, .buf = part};
    HANDLE port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);
    SOCKET socket = WSASocketW(AF_INET, SOCK_DGRAM, 0, NULL, 0, WSA_FLAG_OVERLAPPED);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(socket, (struct sockaddr *)&address, length), 0);
    assert_int_equal(getsockname(socket, (struct sockaddr *)&address, &length), 0);
    assert_ptr_equal(CreateIoCompletionPort((HANDLE)socket, port, 0, 0), port);
    assert_true(SetFileCompletionNotificationModes(
        (HANDLE)socket, skips_packets ? FILE_SKIP_COMPLETION_PORT_ON_SUCCESS : 0));
    assert_int_equal(
        sendto(socket, message, sizeof message, 0, (struct sockaddr *)&address, length), 8);

    OVERLAPPED *overlapped = token__prepare(skips_packets);
    int answer = WSARecv(socket, &buffer, 1, NULL, &token_now.op.flags, overlapped, NULL);
    uint32_t error = answer == 0 ? 0 : (uint32_t)WSAGetLastError();
    ioc_start start = token__start(answer != 0, error);
    OVERLAPPED_ENTRY entry;
    ULONG count = 0;
    bool is_packet = GetQueuedCompletionStatusEx(port, &entry, 1, &count,
                                                 start == IOC_START_PENDING ? 5000 : 0, FALSE);
    assert_int_equal(is_packet, start == IOC_START_PENDING);
    if (is_packet) {
        token__end();
    }
    token__expect(IOCP_EMSGSIZE, WSAEMSGSIZE, sizeof part, 1);
    if (error != ERROR_IO_PENDING) {
        assert_int_equal(start, skips_packets ? IOC_START_DONE : IOC_START_PENDING);
    }
    assert_int_equal(closesocket(socket), 0);
    assert_true(CloseHandle(port));
}

static void the_system_treats_warnings_as_this_protocol_says(void **state)
{
    (void)state;
    WSADATA data;
    assert_int_equal(WSAStartup(MAKEWORD(2, 2), &data), 0);
    token__meet_long_message(false);
    token__meet_long_message(true);
    assert_int_equal(WSACleanup(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prepared_token_is_all_zero),
        cmocka_unit_test(a_success_with_a_packet_is_pending_until_it_comes),
        cmocka_unit_test(a_success_that_skips_its_packet_is_done),
        cmocka_unit_test(a_call_that_is_pending_is_pending_in_both_regimes),
        cmocka_unit_test(a_call_that_fails_has_failed_in_both_regimes),
        cmocka_unit_test(a_warning_queues_a_packet),
        cmocka_unit_test(a_warning_that_skips_its_packet_is_done_with_its_bytes),
        cmocka_unit_test(a_warning_code_from_a_call_that_did_nothing_is_a_failure),
        cmocka_unit_test(a_packet_tells_the_bytes_of_a_cancelled_operation),
        cmocka_unit_test(what_ends_because_this_program_closed_the_handle_is_aborted),
        cmocka_unit_test(a_reset_or_a_success_stays_what_it_is_on_a_closed_handle),
        cmocka_unit_test(the_system_treats_warnings_as_this_protocol_says),
    };
    win_catch_crashes();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
