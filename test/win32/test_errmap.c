/* The one table from what the system says to what the program is told. */
#include "unit.h"

#include "iocploop.h"

#include "win32/errmap.h"
#include "win32/win.h"

#include "win_leaks.h"

#include <string.h>

#define STATUS_SUCCESS_      0x00000000u
#define STATUS_USER_APC_     0x000000C0u
#define STATUS_TIMEOUT_      0x00000102u
#define STATUS_PENDING_      0x00000103u
#define STATUS_CANCELLED_    0xC0000120u
#define STATUS_RESET_        0xC000020Du
#define STATUS_REFUSED_      0xC0000236u
#define STATUS_FROM_WIN32(c) (0xC0070000u | (c))

typedef struct errmap_table {
    const ioc_errmap_row *rows;
    size_t count;
    bool is_socket;
} errmap_table;

/* [0] is what holds for everything, [1] what sockets have besides. */
static errmap_table errmap__table(int index)
{
    errmap_table table = {.is_socket = index == 1};
    table.rows = index == 1 ? ioc_errmap_socket_rows(&table.count) : ioc_errmap_rows(&table.count);
    return table;
}

static bool errmap__is_in(errmap_table table, uint32_t status, uint32_t native)
{
    for (size_t i = 0; i < table.count; i++) {
        if ((status != 0 && table.rows[i].nt_status == status) ||
            (native != 0 && table.rows[i].native == native)) {
            return true;
        }
    }
    return false;
}

static bool errmap__is_in_a_table(uint32_t status, uint32_t native)
{
    return errmap__is_in(errmap__table(0), status, native) ||
           errmap__is_in(errmap__table(1), status, native);
}

static bool errmap__is_error_severity(uint32_t status)
{
    return status >> 30 >= 2;
}

/* Windows' code for such a status says something else: the status stands for itself. */
static bool errmap__stands_for_itself(const ioc_errmap_row *row)
{
    return row->nt_status != 0 && row->native == row->nt_status;
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
    for (int index = 0; index < 2; index++) {
        errmap_table table = errmap__table(index);
        assert_true(table.count > 50);
        for (size_t i = 0; i < table.count; i++) {
            for (size_t k = i + 1; k < table.count; k++) {
                assert_true(table.rows[i].nt_status == 0 ||
                            table.rows[i].nt_status != table.rows[k].nt_status);
            }
        }
    }
}

static void every_row_is_what_both_functions_say(void **state)
{
    (void)state;
    for (int index = 0; index < 2; index++) {
        errmap_table table = errmap__table(index);
        for (size_t i = 0; i < table.count; i++) {
            const ioc_errmap_row *row = &table.rows[i];
            assert_int_not_equal(row->native, 0);
            assert_int_equal(ioc_errmap_from_native(row->native), row->error);
            if (row->nt_status != 0) {
                errmap__expect_of(table.is_socket, row->nt_status, row->native, row->error);
            }
        }
    }
}

static void a_socket_has_the_codes_of_win32_where_winsock_has_none(void **state)
{
    (void)state;
    errmap_table table = errmap__table(0);
    size_t without = 0;
    for (size_t i = 0; i < table.count; i++) {
        const ioc_errmap_row *row = &table.rows[i];
        if (row->nt_status != 0 && !errmap__is_in(errmap__table(1), row->nt_status, 0)) {
            errmap__expect_of(true, row->nt_status, row->native, row->error);
            without++;
        }
    }
    assert_true(without > 50);
}

static void what_is_no_socket_never_has_a_code_of_winsock(void **state)
{
    (void)state;
    errmap_table table = errmap__table(1);
    for (size_t i = 0; i < table.count; i++) {
        uint32_t native = 0;
        if (table.rows[i].nt_status != 0) {
            (void)ioc_errmap_from_status(table.rows[i].nt_status, false, &native);
            assert_false(native >= WSABASEERR && native < 12000);
        }
    }
}

static void every_native_code_has_one_meaning_whatever_table_it_stands_in(void **state)
{
    (void)state;
    for (int a = 0; a < 2; a++) {
        errmap_table first = errmap__table(a);
        for (int b = 0; b < 2; b++) {
            errmap_table second = errmap__table(b);
            for (size_t i = 0; i < first.count; i++) {
                for (size_t k = 0; k < second.count; k++) {
                    assert_true(first.rows[i].native != second.rows[k].native ||
                                first.rows[i].error == second.rows[k].error);
                }
            }
        }
    }
}

static void a_raw_code_that_looks_like_a_status_is_the_status_of_its_row(void **state)
{
    (void)state;
    size_t themselves = 0;
    for (int index = 0; index < 2; index++) {
        errmap_table table = errmap__table(index);
        for (size_t i = 0; i < table.count; i++) {
            if (table.rows[i].native >= 0x10000u) {
                assert_int_equal(table.rows[i].native, table.rows[i].nt_status);
                assert_true(table.rows[i].native >= 0x80000000u);
                themselves++;
            }
        }
    }
    assert_true(themselves > 5);
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
    for (int index = 0; index < 2; index++) {
        errmap_table table = errmap__table(index);
        for (size_t i = 0; i < table.count; i++) {
            assert_int_not_equal(table.rows[i].error, IOCP_OK);
            assert_int_not_equal(table.rows[i].error, IOCP_EUNKNOWN);
            assert_string_not_equal(iocp_error_name(table.rows[i].error), "IOCP_E?");
        }
    }
}

static void no_row_has_a_code_that_only_the_library_itself_gives(void **state)
{
    (void)state;
    static const int own[] = {IOCP_ENOENT, IOCP_ECLOSING, IOCP_ETHREAD, IOCP_EASYNC,
                              IOCP_ENOTOVERLAPPED};
    for (int index = 0; index < 2; index++) {
        errmap_table table = errmap__table(index);
        for (size_t i = 0; i < table.count; i++) {
            for (size_t k = 0; k < IOC_COUNT_OF(own); k++) {
                assert_int_not_equal(table.rows[i].error, own[k]);
            }
        }
    }
}

static void a_code_without_a_status_has_one_row(void **state)
{
    (void)state;
    for (int index = 0; index < 2; index++) {
        errmap_table table = errmap__table(index);
        for (size_t i = 0; i < table.count; i++) {
            for (int other = 0; table.rows[i].nt_status == 0 && other < 2; other++) {
                errmap_table rest = errmap__table(other);
                for (size_t k = 0; k < rest.count; k++) {
                    assert_true(&table.rows[i] == &rest.rows[k] ||
                                table.rows[i].native != rest.rows[k].native);
                }
            }
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
    for (int is_socket = 0; is_socket < 2; is_socket++) {
        errmap__expect_of(is_socket, STATUS_PENDING_, ERROR_IO_PENDING, IOCP_EUNKNOWN);
    }
}

/* "Success" is their severity; but what is said to be over has not been done. */
static void a_wait_that_ended_without_what_it_waited_for_is_no_success(void **state)
{
    (void)state;
    errmap__expect_of(true, STATUS_TIMEOUT_, WSAETIMEDOUT, IOCP_ETIMEDOUT);
    errmap__expect_of(false, STATUS_TIMEOUT_, ERROR_TIMEOUT, IOCP_ETIMEDOUT);
    for (int is_socket = 0; is_socket < 2; is_socket++) {
        errmap__expect_of(is_socket, STATUS_USER_APC_, 737, IOCP_EUNKNOWN);
        errmap__expect_of(is_socket, 0x00000100u /* KERNEL_APC */, 738, IOCP_EUNKNOWN);
        errmap__expect_of(is_socket, 0x00000101u /* ALERTED */, 739, IOCP_EUNKNOWN);
    }
    /* A folder's watch whose handle was closed; one that lost changes is a success of no bytes. */
    errmap__expect_of(false, 0x0000010Bu /* NOTIFY_CLEANUP */, 745, IOCP_ECANCELED);
    errmap__expect_of(false, 0x0000010Cu /* NOTIFY_ENUM_DIR */, 0, IOCP_OK);
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
    for (size_t i = 0; i < IOC_COUNT_OF(resets); i++) {
        uint32_t native = 0;
        assert_int_equal(ioc_errmap_from_status(resets[i], false, &native), IOCP_ECONNRESET);
        assert_int_equal(ioc_errmap_from_native(native), IOCP_ECONNRESET);
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
    errmap__expect(0xC000020Bu /* ADDRESS_CLOSED */, 0xC000020Bu, IOCP_ECONNABORTED);
    /* On a pipe of another machine Windows' code for it is that of a reset. */
    errmap__expect_of(false, 0xC000013Bu, 0xC000013Bu, IOCP_ECONNABORTED);
    errmap__expect_of(false, 0xC0000241u, ERROR_CONNECTION_ABORTED, IOCP_ECONNABORTED);
}

static void an_orderly_end_is_an_end(void **state)
{
    (void)state;
    errmap__expect(0xC0000237u /* GRACEFUL_DISCONNECT */, WSAEDISCON, IOCP_EOF);
    errmap__expect(0xC0000011u /* END_OF_FILE */, ERROR_HANDLE_EOF, IOCP_EOF);
    errmap__expect_of(false, 0xC000014Bu /* PIPE_BROKEN */, ERROR_BROKEN_PIPE, IOCP_EOF);
    errmap__expect_of(false, 0x80000006u /* NO_MORE_FILES */, ERROR_NO_MORE_FILES, IOCP_EOF);
}

static void a_refused_connect_is_10061(void **state)
{
    (void)state;
    errmap__expect(STATUS_REFUSED_, WSAECONNREFUSED, IOCP_ECONNREFUSED);
}

/* AFD says it of a receive after SD_RECEIVE as of a send after SD_SEND. */
static void what_this_side_shut_down_is_a_shutdown_on_a_socket_and_no_connection_on_a_pipe(
    void **state)
{
    (void)state;
    errmap__expect_of(true, 0xC00000B0u /* PIPE_DISCONNECTED */, WSAESHUTDOWN, IOCP_EPIPE);
    errmap__expect_of(false, 0xC00000B0u, ERROR_PIPE_NOT_CONNECTED, IOCP_ENOTCONN);
}

typedef struct errmap_case {
    uint32_t nt_status;
    uint32_t native;
    int error;
} errmap_case;

/* Of a status both ways, of a code (status 0) the one that there is. */
static void errmap__expect_all(bool is_socket, const errmap_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (cases[i].nt_status != 0) {
            errmap__expect_of(is_socket, cases[i].nt_status, cases[i].native, cases[i].error);
        }
        if (ioc_errmap_from_native(cases[i].native) != cases[i].error) {
            print_error("code %u\n", (unsigned)cases[i].native);
        }
        assert_int_equal(ioc_errmap_from_native(cases[i].native), cases[i].error);
    }
}

static void folders_links_and_volumes_have_codes_of_their_own(void **state)
{
    (void)state;
    static const errmap_case cases[] = {
        {0xC0000034u /* OBJECT_NAME_NOT_FOUND */, ERROR_FILE_NOT_FOUND, IOCP_ENOTFOUND},
        {0xC000000Fu /* NO_SUCH_FILE */, ERROR_FILE_NOT_FOUND, IOCP_ENOTFOUND},
        {0xC000003Au /* OBJECT_PATH_NOT_FOUND */, ERROR_PATH_NOT_FOUND, IOCP_ENOTFOUND},
        {0xC0000123u /* FILE_DELETED */, 0xC0000123u, IOCP_ENOTFOUND},
        {0xC00000CCu /* BAD_NETWORK_NAME */, ERROR_BAD_NET_NAME, IOCP_ENOTFOUND},
        {0xC0000103u /* NOT_A_DIRECTORY */, ERROR_DIRECTORY, IOCP_ENOTFOLDER},
        {0xC00000BAu /* FILE_IS_A_DIRECTORY */, 0xC00000BAu, IOCP_EISFOLDER},
        {0xC000047Cu /* DIRECTORY_NOT_SUPPORTED */, 336, IOCP_EISFOLDER},
        {0xC0000101u /* DIRECTORY_NOT_EMPTY */, ERROR_DIR_NOT_EMPTY, IOCP_ENOTEMPTY},
        {0xC00000D4u /* NOT_SAME_DEVICE */, ERROR_NOT_SAME_DEVICE, IOCP_EXDEV},
        {0xC0000280u /* REPARSE_POINT_NOT_RESOLVED */, 1921, IOCP_ELOOP},
        {0xC0000368u /* MOUNT_POINT_NOT_RESOLVED */, 649, IOCP_ELOOP},
        {0xC0000279u /* IO_REPARSE_TAG_NOT_HANDLED */, 1920, IOCP_ENOTSUP},
        {0xC0000106u /* NAME_TOO_LONG */, ERROR_FILENAME_EXCED_RANGE, IOCP_ENAMETOOLONG},
        {0, ERROR_BUFFER_OVERFLOW, IOCP_ENAMETOOLONG},
        {0xC0000033u /* OBJECT_NAME_INVALID */, ERROR_INVALID_NAME, IOCP_EINVAL},
        {0xC000003Bu /* OBJECT_PATH_SYNTAX_BAD */, ERROR_BAD_PATHNAME, IOCP_EINVAL},
    };
    errmap__expect_all(false, cases, IOC_COUNT_OF(cases));
}

static void a_disk_without_room_a_quota_and_a_file_that_cannot_grow_are_nospc(void **state)
{
    (void)state;
    static const errmap_case cases[] = {
        {0xC000007Fu /* DISK_FULL */, ERROR_DISK_FULL, IOCP_ENOSPC},
        {0xC0000802u /* DISK_QUOTA_EXCEEDED */, 1295, IOCP_ENOSPC},
        {0xC0000904u /* FILE_TOO_LARGE */, ERROR_FILE_TOO_LARGE, IOCP_ENOSPC},
        {0, ERROR_HANDLE_DISK_FULL, IOCP_ENOSPC},
    };
    errmap__expect_all(false, cases, IOC_COUNT_OF(cases));
}

static void what_somebody_has_in_use_is_busy(void **state)
{
    (void)state;
    static const errmap_case cases[] = {
        {0xC0000043u /* SHARING_VIOLATION */, ERROR_SHARING_VIOLATION, IOCP_EBUSY},
        {0xC0000054u /* FILE_LOCK_CONFLICT */, ERROR_LOCK_VIOLATION, IOCP_EBUSY},
        {0xC0000243u /* USER_MAPPED_FILE */, ERROR_USER_MAPPED_FILE, IOCP_EBUSY},
        {0xC0000056u /* DELETE_PENDING */, 0xC0000056u, IOCP_EBUSY},
        {0xC00000ABu /* INSTANCE_NOT_AVAILABLE */, ERROR_PIPE_BUSY, IOCP_EBUSY},
        {0x80000011u /* DEVICE_BUSY */, ERROR_BUSY, IOCP_EBUSY},
        {0, ERROR_CURRENT_DIRECTORY, IOCP_EBUSY},
        {0, 303 /* ERROR_DELETE_PENDING */, IOCP_EBUSY},
    };
    errmap__expect_all(false, cases, IOC_COUNT_OF(cases));
}

static void a_drive_that_is_pulled_out_or_broken_is_an_io_error(void **state)
{
    (void)state;
    static const errmap_case cases[] = {
        {0xC000009Du /* DEVICE_NOT_CONNECTED */, 1167, IOCP_EIO},
        {0xC00002B6u /* DEVICE_REMOVED */, 1617, IOCP_EIO},
        {0xC0000098u /* FILE_INVALID */, 1006, IOCP_EIO},
        {0xC0000102u /* FILE_CORRUPT_ERROR */, 1392, IOCP_EIO},
        {0xC0000032u /* DISK_CORRUPT_ERROR */, 1393, IOCP_EIO},
        {0xC000026Eu /* VOLUME_DISMOUNTED */, ERROR_NOT_READY, IOCP_EIO},
        {0xC0000013u /* NO_MEDIA_IN_DEVICE */, ERROR_NOT_READY, IOCP_EIO},
        {0xC0000012u /* WRONG_VOLUME */, ERROR_WRONG_DISK, IOCP_EIO},
        {0xC000003Fu /* CRC_ERROR */, ERROR_CRC, IOCP_EIO},
        {0, ERROR_WRITE_FAULT, IOCP_EIO},
        {0, ERROR_READ_FAULT, IOCP_EIO},
        {0, ERROR_GEN_FAILURE, IOCP_EIO},
    };
    errmap__expect_all(false, cases, IOC_COUNT_OF(cases));
}

static void what_a_policy_a_scanner_or_a_server_refuses_is_not_permitted(void **state)
{
    (void)state;
    static const errmap_case cases[] = {
        {0xC0000022u /* ACCESS_DENIED */, ERROR_ACCESS_DENIED, IOCP_EACCES},
        {0xC0000906u /* VIRUS_INFECTED */, 225, IOCP_EACCES},
        {0xC0000907u /* VIRUS_DELETED */, 226, IOCP_EACCES},
        {0xC0000361u /* ACCESS_DISABLED_BY_POLICY_DEFAULT */, 1260, IOCP_EACCES},
        {0xC00000CAu /* NETWORK_ACCESS_DENIED */, 65, IOCP_EACCES},
        {0xC000006Du /* LOGON_FAILURE */, 1326, IOCP_EACCES},
        {0xC0000195u /* NETWORK_CREDENTIAL_CONFLICT */, 1219, IOCP_EACCES},
        {0xC0000061u /* PRIVILEGE_NOT_HELD */, ERROR_PRIVILEGE_NOT_HELD, IOCP_EACCES},
        {0xC00000A2u /* MEDIA_WRITE_PROTECTED */, ERROR_WRITE_PROTECT, IOCP_EACCES},
    };
    errmap__expect_all(false, cases, IOC_COUNT_OF(cases));
}

static void what_cannot_run_is_told_from_what_may_not(void **state)
{
    (void)state;
    static const errmap_case cases[] = {
        {0xC000007Bu /* INVALID_IMAGE_FORMAT */, ERROR_BAD_EXE_FORMAT, IOCP_ENOEXEC},
        {0xC000012Fu /* INVALID_IMAGE_NOT_MZ */, ERROR_BAD_EXE_FORMAT, IOCP_ENOEXEC},
        {0, ERROR_EXE_MACHINE_TYPE_MISMATCH, IOCP_ENOEXEC},
        {0, ERROR_BAD_FORMAT, IOCP_ENOEXEC},
        {0xC000042Cu /* ELEVATION_REQUIRED */, 740, IOCP_EELEVATION},
    };
    errmap__expect_all(false, cases, IOC_COUNT_OF(cases));
}

static void a_pipe_says_whether_it_waits_is_connected_empty_or_closing(void **state)
{
    (void)state;
    static const errmap_case cases[] = {
        {0xC00000B3u /* PIPE_LISTENING */, ERROR_PIPE_LISTENING, IOCP_ENOTCONN},
        {0xC00000B2u /* PIPE_CONNECTED */, ERROR_PIPE_CONNECTED, IOCP_EISCONN},
        /* Windows has one code for both of these. */
        {0xC00000D9u /* PIPE_EMPTY */, 0xC00000D9u, IOCP_EAGAIN},
        {0xC00000B1u /* PIPE_CLOSING */, ERROR_NO_DATA, IOCP_EPIPE},
    };
    errmap__expect_all(false, cases, IOC_COUNT_OF(cases));
}

static void an_argument_that_a_call_refuses_by_its_number_is_invalid(void **state)
{
    (void)state;
    for (uint32_t n = 0; n < 12; n++) { /* INVALID_PARAMETER_1 to _12: a wait for a mutex, say */
        errmap__expect_of(false, 0xC00000EFu + n, ERROR_INVALID_PARAMETER, IOCP_EINVAL);
    }
    errmap__expect_of(false, 0xC0000003u /* INVALID_INFO_CLASS */, 0xC0000003u, IOCP_ENOTSUP);
    /* By ReadFile's page its code says that too many requests are under way. */
    errmap__expect_of(false, 0xC00000E8u /* INVALID_USER_BUFFER */, 0xC00000E8u, IOCP_EFAULT);
    assert_int_equal(ioc_errmap_from_native(ERROR_INVALID_USER_BUFFER), IOCP_ENOBUFS);
}

static void want_of_memory_buffers_handles_and_servers_is_told_apart(void **state)
{
    (void)state;
    static const errmap_case cases[] = {
        {0xC000012Du /* COMMITMENT_LIMIT */, ERROR_COMMITMENT_LIMIT, IOCP_ENOMEM},
        {0xC0000017u /* NO_MEMORY */, ERROR_NOT_ENOUGH_MEMORY, IOCP_ENOMEM},
        {0xC000009Au /* INSUFFICIENT_RESOURCES */, ERROR_NO_SYSTEM_RESOURCES, IOCP_ENOBUFS},
        {0xC000011Fu /* TOO_MANY_OPENED_FILES */, ERROR_TOO_MANY_OPEN_FILES, IOCP_EMFILE},
        {0xC0000205u /* INSUFF_SERVER_RESOURCES */, 1130, IOCP_EAGAIN},
        {0xC00000D0u /* REQUEST_NOT_ACCEPTED */, ERROR_REQ_NOT_ACCEP, IOCP_EAGAIN},
    };
    errmap__expect_all(false, cases, IOC_COUNT_OF(cases));
}

static void what_afd_says_of_hosts_addresses_and_transports(void **state)
{
    (void)state;
    static const errmap_case cases[] = {
        {0xC0000350u /* HOST_DOWN */, WSAEHOSTDOWN, IOCP_EHOSTUNREACH},
        {0xC000013Du /* REMOTE_RESOURCES */, WSAENOBUFS, IOCP_ENOBUFS},
        {0xC0000018u /* CONFLICTING_ADDRESSES */, WSAENOBUFS, IOCP_ENOBUFS},
        {0xC000009Au /* INSUFFICIENT_RESOURCES */, WSAENOBUFS, IOCP_ENOBUFS},
        {0xC000012Du /* COMMITMENT_LIMIT */, WSAENOBUFS, IOCP_ENOBUFS},
        {0xC000000Fu /* NO_SUCH_FILE */, WSAENETDOWN, IOCP_ENETDOWN},
        {0xC0000034u /* OBJECT_NAME_NOT_FOUND */, WSAENETDOWN, IOCP_ENETDOWN},
        {0xC000003Au /* OBJECT_PATH_NOT_FOUND */, WSAENETDOWN, IOCP_ENETDOWN},
        {0xC0000238u /* ADDRESS_ALREADY_ASSOCIATED */, WSAEINVAL, IOCP_EINVAL},
        {0xC0000239u /* ADDRESS_NOT_ASSOCIATED */, WSAEINVAL, IOCP_EINVAL},
        {0xC00000F1u /* INVALID_PARAMETER_3 */, ERROR_INVALID_PARAMETER, IOCP_EINVAL},
        {0xC0000054u /* FILE_LOCK_CONFLICT, of a file that is sent */, ERROR_LOCK_VIOLATION,
         IOCP_EBUSY},
        {0, WSAEINTR, IOCP_ECANCELED},
    };
    errmap__expect_all(true, cases, IOC_COUNT_OF(cases));
}

static void a_name_that_is_none_is_told_from_one_without_an_address(void **state)
{
    (void)state;
    static const errmap_case cases[] = {
        {0, WSAHOST_NOT_FOUND, IOCP_ENONAME},    {0, WSATYPE_NOT_FOUND, IOCP_ENONAME},
        {0, WSASERVICE_NOT_FOUND, IOCP_ENONAME}, {0, WSANO_DATA, IOCP_ENOADDRESS},
        {0, WSATRY_AGAIN, IOCP_EAGAIN},          {0, WSA_E_CANCELLED, IOCP_ECANCELED},
    };
    errmap__expect_all(true, cases, IOC_COUNT_OF(cases));
    assert_int_equal(ioc_errmap_from_native(WSANO_RECOVERY), IOCP_EUNKNOWN);
}

/* ---- What it does not know ---- */

static void an_unknown_status_keeps_its_raw_value(void **state)
{
    (void)state;
    size_t unknown = 0;
    for (uint32_t status = 0xC0000000u; status < 0xC0010000u; status++) {
        if (!errmap__is_in_a_table(status, 0)) {
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
        if (!errmap__is_in_a_table(0, native)) {
            assert_int_equal(ioc_errmap_from_native(native), IOCP_EUNKNOWN);
        }
    }
    assert_int_equal(ioc_errmap_from_native(ERROR_IO_PENDING), IOCP_EUNKNOWN);
    assert_int_equal(ioc_errmap_from_native(UINT32_MAX), IOCP_EUNKNOWN);
}

/* Each of these looks like one that has a name, and is another thing. */
static void a_plausible_neighbour_is_not_taken(void **state)
{
    (void)state;
    static const uint32_t statuses[] = {
        0xC0000001u, /* UNSUCCESSFUL: Winsock says WSAEINVAL, Win32 "a device does not work" */
        0xC00000B6u, /* FILE_FORCED_CLOSED: by Win32 the end of the file */
        0xC0000265u, /* TOO_MANY_LINKS: of hard links to one file, not on the way to it */
        0xC0000466u, /* SERVER_UNAVAILABLE: by Win32 a reset */
        0xC000010Au, /* PROCESS_IS_TERMINATING: by Win32 "access denied" */
        0xC0000225u, /* NOT_FOUND: nothing to cancel, no file */
    };
    for (size_t i = 0; i < IOC_COUNT_OF(statuses); i++) {
        errmap__expect_of(true, statuses[i], statuses[i], IOCP_EUNKNOWN);
        errmap__expect_of(false, statuses[i], statuses[i], IOCP_EUNKNOWN);
    }
    /* A failing network of which no more is said is down for Winsock alone. */
    errmap__expect_of(true, 0xC00000C4u, WSAENETDOWN, IOCP_ENETDOWN);
    errmap__expect_of(false, 0xC00000C4u, 0xC00000C4u, IOCP_EUNKNOWN);
    static const uint32_t codes[] = {ERROR_NOT_FOUND,     ERROR_TOO_MANY_LINKS, ERROR_UNEXP_NET_ERR,
                                     ERROR_NO_MORE_ITEMS, WSANOTINITIALISED,    WSASYSCALLFAILURE};
    for (size_t i = 0; i < IOC_COUNT_OF(codes); i++) {
        assert_int_equal(ioc_errmap_from_native(codes[i]), IOCP_EUNKNOWN);
    }
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
        0xC000023Au, /* CONNECTION_INVALID: WSAEINVAL */
        0xC0000010u, /* INVALID_DEVICE_REQUEST: WSAEINVAL */
        0xC000A012u, /* HOPLIMIT_EXCEEDED: WSAEINVAL, in Wine */
        0xC000A013u, /* PROTOCOL_NOT_SUPPORTED: the same */
        0xC0000350u, /* HOST_DOWN: the same */
        0xC00002C5u, /* DATATYPE_MISALIGNMENT_ERROR: the same */
        0x00000102u, /* TIMEOUT: a success, in Wine */
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
    errmap_table table = errmap__table(1);
    assert_int_equal(WSAStartup(MAKEWORD(2, 2), &data), 0);
    SOCKET socket = WSASocketW(AF_INET, SOCK_STREAM, 0, NULL, 0, WSA_FLAG_OVERLAPPED);
    assert_true(socket != INVALID_SOCKET);
    for (size_t i = 0; i < table.count; i++) {
        uint32_t status = table.rows[i].nt_status;
        if (status != 0 && !errmap__differs_on_purpose(status)) {
            uint32_t native = errmap__winsock_says(socket, status);
            if (native != table.rows[i].native) {
                print_error("status %08x: %u here, %u in Winsock\n", (unsigned)status,
                            (unsigned)table.rows[i].native, (unsigned)native);
            }
            assert_int_equal(native, table.rows[i].native);
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

/* The closing of a file object, which Windows calls a bad handle or has no code for. */
static bool errmap__is_abort_by_close(uint32_t status)
{
    return status == 0x8000000Au /* HANDLES_CLOSED */ || status == 0xC0000128u /* FILE_CLOSED */;
}

static void windows_gives_the_same_code_for_a_status(void **state)
{
    (void)state;
    errmap_table table = errmap__table(0);
    for (size_t i = 0; i < table.count; i++) {
        const ioc_errmap_row *row = &table.rows[i];
        if (errmap__is_error_severity(row->nt_status) && !errmap__stands_for_itself(row) &&
            !errmap__is_abort_by_close(row->nt_status)) {
            uint32_t native = errmap__windows_says(row->nt_status);
            if (native != row->native) {
                print_error("status %08x: %u here, %u in Windows\n", (unsigned)row->nt_status,
                            (unsigned)row->native, (unsigned)native);
            }
            assert_int_equal(native, row->native);
        }
    }
}

static void a_status_stands_for_itself_only_where_windows_says_something_else(void **state)
{
    (void)state;
    errmap_table table = errmap__table(0);
    for (size_t i = 0; i < table.count; i++) {
        if (errmap__stands_for_itself(&table.rows[i])) {
            uint32_t native = errmap__windows_says(table.rows[i].nt_status);
            assert_int_not_equal(ioc_errmap_from_native(native), table.rows[i].error);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_stands_in_one_row),
        cmocka_unit_test(every_row_is_what_both_functions_say),
        cmocka_unit_test(a_socket_has_the_codes_of_win32_where_winsock_has_none),
        cmocka_unit_test(what_is_no_socket_never_has_a_code_of_winsock),
        cmocka_unit_test(every_native_code_has_one_meaning_whatever_table_it_stands_in),
        cmocka_unit_test(a_raw_code_that_looks_like_a_status_is_the_status_of_its_row),
        cmocka_unit_test(a_file_has_the_codes_of_files_and_a_socket_those_of_sockets),
        cmocka_unit_test(every_row_has_an_error_with_a_name),
        cmocka_unit_test(no_row_has_a_code_that_only_the_library_itself_gives),
        cmocka_unit_test(a_code_without_a_status_has_one_row),
        cmocka_unit_test(success_and_remarks_are_no_errors),
        cmocka_unit_test(a_packet_that_says_pending_is_no_success),
        cmocka_unit_test(a_wait_that_ended_without_what_it_waited_for_is_no_success),
        cmocka_unit_test(a_cancel_is_995_and_canceled),
        cmocka_unit_test(a_reset_is_never_canceled_nor_an_end),
        cmocka_unit_test(an_abort_by_the_local_system_is_neither_reset_nor_cancel),
        cmocka_unit_test(an_orderly_end_is_an_end),
        cmocka_unit_test(a_refused_connect_is_10061),
        cmocka_unit_test(
            what_this_side_shut_down_is_a_shutdown_on_a_socket_and_no_connection_on_a_pipe),
        cmocka_unit_test(folders_links_and_volumes_have_codes_of_their_own),
        cmocka_unit_test(a_disk_without_room_a_quota_and_a_file_that_cannot_grow_are_nospc),
        cmocka_unit_test(what_somebody_has_in_use_is_busy),
        cmocka_unit_test(a_drive_that_is_pulled_out_or_broken_is_an_io_error),
        cmocka_unit_test(what_a_policy_a_scanner_or_a_server_refuses_is_not_permitted),
        cmocka_unit_test(what_cannot_run_is_told_from_what_may_not),
        cmocka_unit_test(a_pipe_says_whether_it_waits_is_connected_empty_or_closing),
        cmocka_unit_test(an_argument_that_a_call_refuses_by_its_number_is_invalid),
        cmocka_unit_test(want_of_memory_buffers_handles_and_servers_is_told_apart),
        cmocka_unit_test(what_afd_says_of_hosts_addresses_and_transports),
        cmocka_unit_test(a_name_that_is_none_is_told_from_one_without_an_address),
        cmocka_unit_test(an_unknown_status_keeps_its_raw_value),
        cmocka_unit_test(an_unknown_code_is_unknown),
        cmocka_unit_test(a_plausible_neighbour_is_not_taken),
        cmocka_unit_test(a_win32_code_that_travels_as_a_status_is_unpacked),
        cmocka_unit_test(winsock_gives_the_same_code_for_a_status),
        cmocka_unit_test(windows_gives_the_same_code_for_a_status),
        cmocka_unit_test(a_status_stands_for_itself_only_where_windows_says_something_else),
    };
    win_catch_crashes();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
