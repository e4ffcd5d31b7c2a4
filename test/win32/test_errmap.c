/* The one table from what the system says to what the program is told. */
#include "unit.h"

#include "iocploop.h"

#include "win32/errmap.h"
#include "win32/win.h"

#include "win_leaks.h"

#include <string.h>

#define STATUS_SUCCESS_      0x00000000u
#define STATUS_TIMEOUT_      0x00000102u
#define STATUS_PENDING_      0x00000103u
#define STATUS_CANCELLED_    0xC0000120u
#define STATUS_RESET_        0xC000020Du
#define STATUS_REFUSED_      0xC0000236u
#define STATUS_FROM_WIN32(c) (0xC0070000u | (c))

static bool errmap__is_in(const ioc_errmap_row *rows, size_t count, uint32_t status,
                          uint32_t native)
{
    for (size_t i = 0; i < count; i++) {
        if ((status != 0 && rows[i].nt_status == status) ||
            (native != 0 && rows[i].native == native)) {
            return true;
        }
    }
    return false;
}

static bool errmap__is_in_table(uint32_t status, uint32_t native)
{
    size_t count;
    size_t file_count;
    const ioc_errmap_row *rows = ioc_errmap_rows(&count);
    const ioc_errmap_row *file_rows = ioc_errmap_file_rows(&file_count);
    return errmap__is_in(rows, count, status, native) ||
           errmap__is_in(file_rows, file_count, status, native);
}

static void errmap__expect_of(bool is_socket, uint32_t status, uint32_t native, int error)
{
    uint32_t got_native = 12345;
    int got_error = ioc_errmap_from_status(status, is_socket, &got_native);
    if (got_error != error || got_native != native) {
        print_error("status %08x gives %s and %u\n", (unsigned)status, iocp_error_name(got_error),
                    (unsigned)got_native);
    }
    assert_int_equal(got_error, error);
    assert_int_equal(got_native, native);
}

static void errmap__expect(uint32_t status, uint32_t native, int error)
{
    errmap__expect_of(true, status, native, error);
}

/* ---- The table as such ---- */

static void every_status_stands_in_one_row(void **state)
{
    (void)state;
    size_t count;
    const ioc_errmap_row *rows = ioc_errmap_rows(&count);
    assert_true(count > 50);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = i + 1; k < count; k++) {
            assert_true(rows[i].nt_status == 0 || rows[i].nt_status != rows[k].nt_status);
        }
    }
}

static void every_row_is_what_both_functions_say(void **state)
{
    (void)state;
    size_t count;
    const ioc_errmap_row *rows = ioc_errmap_rows(&count);
    for (size_t i = 0; i < count; i++) {
        assert_int_not_equal(rows[i].native, 0);
        assert_int_equal(ioc_errmap_from_native(rows[i].native), rows[i].error);
        if (rows[i].nt_status != 0) {
            errmap__expect(rows[i].nt_status, rows[i].native, rows[i].error);
        }
    }
}

static void every_row_for_files_is_what_both_functions_say(void **state)
{
    (void)state;
    size_t count;
    const ioc_errmap_row *rows = ioc_errmap_file_rows(&count);
    assert_true(count > 20);
    for (size_t i = 0; i < count; i++) {
        assert_int_not_equal(rows[i].native, 0);
        assert_string_not_equal(iocp_error_name(rows[i].error), "IOCP_E?");
        assert_int_equal(ioc_errmap_from_native(rows[i].native), rows[i].error);
        if (rows[i].nt_status != 0) {
            errmap__expect_of(false, rows[i].nt_status, rows[i].native, rows[i].error);
        }
        for (size_t k = i + 1; k < count; k++) {
            assert_true(rows[i].nt_status == 0 || rows[i].nt_status != rows[k].nt_status);
        }
    }
}

static void a_file_has_the_codes_of_files_and_a_socket_those_of_sockets(void **state)
{
    (void)state;
    errmap__expect_of(true, 0xC0000022u, WSAEACCES, IOCP_EACCES);
    errmap__expect_of(false, 0xC0000022u, ERROR_ACCESS_DENIED, IOCP_EACCES);
    errmap__expect_of(true, 0xC0000008u, WSAENOTSOCK, IOCP_ENOTSOCK);
    errmap__expect_of(false, 0xC0000008u, ERROR_INVALID_HANDLE, IOCP_EBADF);
    errmap__expect_of(true, 0xC0000011u, ERROR_HANDLE_EOF, IOCP_EOF);
    errmap__expect_of(false, 0xC0000011u, ERROR_HANDLE_EOF, IOCP_EOF);
    errmap__expect_of(false, STATUS_CANCELLED_, ERROR_OPERATION_ABORTED, IOCP_ECANCELED);
    errmap__expect_of(true, 0xC00000A3u, WSAEWOULDBLOCK, IOCP_EAGAIN);
    errmap__expect_of(false, 0xC00000A3u, ERROR_NOT_READY, IOCP_EIO);
    errmap__expect_of(true, 0xC000A012u, WSAENETRESET, IOCP_ENETRESET);
    errmap__expect_of(false, 0xC00000ACu, ERROR_PIPE_BUSY, IOCP_EBUSY);
}

static void every_row_has_an_error_with_a_name(void **state)
{
    (void)state;
    size_t count;
    const ioc_errmap_row *rows = ioc_errmap_rows(&count);
    for (size_t i = 0; i < count; i++) {
        assert_int_not_equal(rows[i].error, IOCP_OK);
        assert_int_not_equal(rows[i].error, IOCP_EUNKNOWN);
        assert_string_not_equal(iocp_error_name(rows[i].error), "IOCP_E?");
    }
}

static void a_code_without_a_status_has_one_row(void **state)
{
    (void)state;
    size_t count;
    const ioc_errmap_row *rows = ioc_errmap_rows(&count);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; rows[i].nt_status == 0 && k < count; k++) {
            assert_true(i == k || rows[i].native != rows[k].native);
        }
    }
}

/* ---- What it says ---- */

static void success_and_remarks_are_no_errors(void **state)
{
    (void)state;
    errmap__expect(STATUS_SUCCESS_, 0, IOCP_OK);
    errmap__expect(0x00000107u /* SOME_NOT_MAPPED */, 0, IOCP_OK);
    errmap__expect(0x4000000Fu /* RECEIVE_PARTIAL */, 0, IOCP_OK);
    errmap__expect(0x40000010u /* RECEIVE_EXPEDITED */, 0, IOCP_OK);
}

static void a_packet_that_says_pending_is_no_success(void **state)
{
    (void)state;
    errmap__expect(STATUS_PENDING_, STATUS_PENDING_, IOCP_EUNKNOWN);
}

static void a_cancel_is_995_and_canceled(void **state)
{
    (void)state;
    errmap__expect(STATUS_CANCELLED_, ERROR_OPERATION_ABORTED, IOCP_ECANCELED);
    assert_int_equal(ioc_errmap_from_native(ERROR_OPERATION_ABORTED), IOCP_ECANCELED);
}

static void a_reset_is_never_canceled_nor_an_end(void **state)
{
    (void)state;
    static const uint32_t resets[] = {
        STATUS_RESET_, 0xC000013Cu, /* REMOTE_DISCONNECT */
        0xC000020Cu,                /* CONNECTION_DISCONNECTED */
        0xC000013Eu,                /* LINK_FAILED */
    };
    for (size_t i = 0; i < IOC_COUNT_OF(resets); i++) {
        errmap__expect(resets[i], WSAECONNRESET, IOCP_ECONNRESET);
    }
    /* Windows says this of a reset where it has no Winsock code to give. */
    assert_int_equal(ioc_errmap_from_native(ERROR_NETNAME_DELETED), IOCP_ECONNRESET);
    assert_int_equal(ioc_errmap_from_native(WSAECONNRESET), IOCP_ECONNRESET);
}

static void an_abort_by_the_local_system_is_neither_reset_nor_cancel(void **state)
{
    (void)state;
    errmap__expect(0xC0000241u /* CONNECTION_ABORTED */, WSAECONNABORTED, IOCP_ECONNABORTED);
    errmap__expect(0xC000013Bu /* LOCAL_DISCONNECT */, WSAECONNABORTED, IOCP_ECONNABORTED);
    errmap__expect(0xC000020Fu /* TRANSACTION_ABORTED */, WSAECONNABORTED, IOCP_ECONNABORTED);
}

static void an_orderly_end_is_an_end(void **state)
{
    (void)state;
    errmap__expect(0xC0000237u /* GRACEFUL_DISCONNECT */, WSAEDISCON, IOCP_EOF);
    errmap__expect(0xC0000011u /* END_OF_FILE */, ERROR_HANDLE_EOF, IOCP_EOF);
}

static void a_refused_connect_is_10061(void **state)
{
    (void)state;
    errmap__expect(STATUS_REFUSED_, WSAECONNREFUSED, IOCP_ECONNREFUSED);
}

/* ---- What it does not know ---- */

static void an_unknown_status_keeps_its_raw_value(void **state)
{
    (void)state;
    size_t unknown = 0;
    for (uint32_t status = 0xC0000000u; status < 0xC0010000u; status++) {
        if (!errmap__is_in_table(status, 0)) {
            errmap__expect(status, status, IOCP_EUNKNOWN);
            unknown++;
        }
    }
    assert_true(unknown > 60000);
    errmap__expect(0x80000001u, 0x80000001u, IOCP_EUNKNOWN);
    errmap__expect(0xFFFFFFFFu, 0xFFFFFFFFu, IOCP_EUNKNOWN);
}

static void an_unknown_code_is_unknown(void **state)
{
    (void)state;
    for (uint32_t native = 0; native < 20000; native++) {
        if (!errmap__is_in_table(0, native)) {
            assert_int_equal(ioc_errmap_from_native(native), IOCP_EUNKNOWN);
        }
    }
    assert_int_equal(ioc_errmap_from_native(ERROR_IO_PENDING), IOCP_EUNKNOWN);
    assert_int_equal(ioc_errmap_from_native(UINT32_MAX), IOCP_EUNKNOWN);
}

static void a_win32_code_that_travels_as_a_status_is_unpacked(void **state)
{
    (void)state;
    errmap__expect(STATUS_FROM_WIN32(ERROR_ACCESS_DENIED), ERROR_ACCESS_DENIED, IOCP_EACCES);
    errmap__expect(STATUS_FROM_WIN32(ERROR_NETNAME_DELETED), ERROR_NETNAME_DELETED,
                   IOCP_ECONNRESET);
    errmap__expect(STATUS_FROM_WIN32(54321), 54321, IOCP_EUNKNOWN);
}

/* ---- The system's own opinion ---- */

/* Where the table differs from Winsock, which has no better code for these. */
static bool errmap__differs_on_purpose(uint32_t status)
{
    static const uint32_t statuses[] = {
        0x8000000Au, /* HANDLES_CLOSED: an abort, Winsock says WSAEINVAL */
        0xC0000128u, /* FILE_CLOSED: the same */
        0xC0000240u, /* REQUEST_ABORTED: WSAEINTR */
        0xC00000C9u, /* NETWORK_NAME_DELETED: WSAEINVAL */
        0xC0000011u, /* END_OF_FILE: WSAEINVAL */
        0xC000014Bu, /* PIPE_BROKEN: WSAEINVAL */
        0xC000023Au, /* CONNECTION_INVALID: WSAEINVAL */
        0xC0000238u, /* ADDRESS_ALREADY_ASSOCIATED: WSAEINVAL */
        0xC0000017u, /* NO_MEMORY: WSAENOBUFS */
        0xC0000010u, /* INVALID_DEVICE_REQUEST: WSAEINVAL */
        0xC000A012u, /* HOPLIMIT_EXCEEDED: WSAEINVAL, in Wine */
    };
    for (size_t i = 0; i < IOC_COUNT_OF(statuses); i++) {
        if (statuses[i] == status) {
            return true;
        }
    }
    return false;
}

/* WSAGetOverlappedResult of an operation that is over looks at nothing but OVERLAPPED.Internal. */
static uint32_t errmap__winsock_says(SOCKET socket, uint32_t status)
{
    OVERLAPPED overlapped;
    DWORD bytes = 0;
    DWORD flags = 0;
    memset(&overlapped, 0, sizeof overlapped);
    overlapped.Internal = status;
    bool is_success = WSAGetOverlappedResult(socket, &overlapped, &bytes, FALSE, &flags);
    return is_success ? 0 : (uint32_t)WSAGetLastError();
}

static void winsock_gives_the_same_code_for_a_status(void **state)
{
    (void)state;
    WSADATA data;
    size_t count;
    const ioc_errmap_row *rows = ioc_errmap_rows(&count);
    assert_int_equal(WSAStartup(MAKEWORD(2, 2), &data), 0);
    SOCKET socket = WSASocketW(AF_INET, SOCK_STREAM, 0, NULL, 0, WSA_FLAG_OVERLAPPED);
    assert_true(socket != INVALID_SOCKET);
    for (size_t i = 0; i < count; i++) {
        uint32_t status = rows[i].nt_status;
        if (status != 0 && !errmap__differs_on_purpose(status)) {
            uint32_t native = errmap__winsock_says(socket, status);
            if (native != rows[i].native) {
                print_error("status %08x: %u here, %u in Winsock\n", (unsigned)status,
                            (unsigned)rows[i].native, (unsigned)native);
            }
            assert_int_equal(native, rows[i].native);
        }
    }
    assert_int_equal(closesocket(socket), 0);
    assert_int_equal(WSACleanup(), 0);
}

static uint32_t errmap__windows_says(uint32_t status)
{
    OVERLAPPED overlapped;
    DWORD bytes = 0;
    memset(&overlapped, 0, sizeof overlapped);
    overlapped.Internal = status;
    return GetOverlappedResult(NULL, &overlapped, &bytes, FALSE) ? 0 : GetLastError();
}

static void windows_gives_the_same_code_for_a_status_of_a_file(void **state)
{
    (void)state;
    size_t count;
    const ioc_errmap_row *rows = ioc_errmap_file_rows(&count);
    for (size_t i = 0; i < count; i++) {
        if (rows[i].nt_status != 0) {
            uint32_t native = errmap__windows_says(rows[i].nt_status);
            if (native != rows[i].native) {
                print_error("status %08x: %u here, %u in Windows\n", (unsigned)rows[i].nt_status,
                            (unsigned)rows[i].native, (unsigned)native);
            }
            assert_int_equal(native, rows[i].native);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_stands_in_one_row),
        cmocka_unit_test(every_row_is_what_both_functions_say),
        cmocka_unit_test(every_row_for_files_is_what_both_functions_say),
        cmocka_unit_test(a_file_has_the_codes_of_files_and_a_socket_those_of_sockets),
        cmocka_unit_test(every_row_has_an_error_with_a_name),
        cmocka_unit_test(a_code_without_a_status_has_one_row),
        cmocka_unit_test(success_and_remarks_are_no_errors),
        cmocka_unit_test(a_packet_that_says_pending_is_no_success),
        cmocka_unit_test(a_cancel_is_995_and_canceled),
        cmocka_unit_test(a_reset_is_never_canceled_nor_an_end),
        cmocka_unit_test(an_abort_by_the_local_system_is_neither_reset_nor_cancel),
        cmocka_unit_test(an_orderly_end_is_an_end),
        cmocka_unit_test(a_refused_connect_is_10061),
        cmocka_unit_test(an_unknown_status_keeps_its_raw_value),
        cmocka_unit_test(an_unknown_code_is_unknown),
        cmocka_unit_test(a_win32_code_that_travels_as_a_status_is_unpacked),
        cmocka_unit_test(winsock_gives_the_same_code_for_a_status),
        cmocka_unit_test(windows_gives_the_same_code_for_a_status_of_a_file),
    };
    win_catch_crashes();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
