/*
 * Files on sockets: what the system is asked for, portion by portion, and what its answers become; with
 * every call and every allocation of one made to fail in turn.
 */
#include "unit.h"

#include "loop.h"
#include "win32/port.h"
#include "win32/sys.h"

#include "contract_net.h"
#include "win_faults.h"
#include "win_files.h"
#include "win_leaks.h"
#include "win_loop.h"

#include <stdio.h>
#include <string.h>

#define MOST_CALLS      16
#define SEND_PATH_BYTES 1024

#define STATUS_OF_END   0xC0000011u
#define STATUS_OF_RESET 0xC000020Du

/* A call of TransmitFile. */
typedef struct call {
    uint64_t offset;
    uint32_t bytes;
    uint32_t head_bytes;
    uint32_t tail_bytes;
} call;

typedef struct record {
    int calls;
    int status;
    uint32_t native_error;
    uint64_t bytes;
} record;

static struct {
    unit_memory memory;
    size_t handles_before;
    ioc_sys sys;
    iocp_loop_t *loop;
    iocp_handle_t listener;
    iocp_handle_t client;
    iocp_handle_t server;
    iocp_handle_t file;
    record sent;
    record others[2];
    char around[2][4];
    char got[64];
    bool is_real;   /* the system's TransmitFile is called */
    bool is_inline; /* ours is done at once, if packets are skipped */
    uint64_t size;  /* that the file is said to have, 0: what it has */
    call seen[MOST_CALLS];
    int call_count;
    int strange_call;   /* the how many-th is answered so, 0: none */
    uint32_t status;    /* by this status */
    uint64_t bytes;     /* with so many bytes */
    int refused_call;   /* the how many-th is refused */
    int cancelled_call; /* when this one is carried out somebody cancels */
    iocp_op_t op;
    LPFN_TRANSMITFILE transmit_file;
} now;

static char send_folder[SEND_PATH_BYTES];

/* ---- Spies ---- */

static void spy__answer(OVERLAPPED *overlapped, uint32_t nt_status, ULONG_PTR bytes)
{
    ioc_win_port *port = ioc_win_port_of(now.loop->loop_only.ops.port);
    overlapped->Internal = nt_status;
    overlapped->InternalHigh = bytes;
    if (!now.is_inline) {
        assert_true(
            PostQueuedCompletionStatus(port->port, 0, (ULONG_PTR)&port->tokens, overlapped));
    }
}

static BOOL WINAPI spy__transmit(SOCKET socket, HANDLE file, DWORD bytes, DWORD per_send,
                                 OVERLAPPED *overlapped, TRANSMIT_FILE_BUFFERS *around, DWORD flags)
{
    call *seen = &now.seen[now.call_count++];
    assert_in_range(now.call_count, 1, MOST_CALLS);
    assert_int_equal(per_send, 0);
    assert_int_equal(flags, 0);
    assert_true(bytes > 0); /* which would be all of the file */
    seen->offset = overlapped->Offset | (uint64_t)overlapped->OffsetHigh << 32;
    seen->bytes = bytes;
    seen->head_bytes = around->HeadLength;
    seen->tail_bytes = around->TailLength;
    if (now.is_real) {
        return now.transmit_file(socket, file, bytes, per_send, overlapped, around, flags);
    }
    if (now.call_count == now.refused_call) {
        WSASetLastError(WSAENOBUFS);
        return FALSE;
    }
    bool is_strange = now.call_count == now.strange_call;
    if (now.call_count == now.cancelled_call) {
        assert_int_equal(iocp_cancel(now.loop, now.op, NULL, NULL, NULL), IOCP_OK);
    }
    spy__answer(overlapped, is_strange ? now.status : 0,
                is_strange ? (ULONG_PTR)now.bytes
                           : (ULONG_PTR)bytes + around->HeadLength + around->TailLength);
    WSASetLastError(WSA_IO_PENDING);
    return now.is_inline;
}

static int WINAPI spy__ioctl(SOCKET socket, DWORD code, void *in, DWORD in_bytes, void *out,
                             DWORD out_bytes, DWORD *returned, OVERLAPPED *overlapped,
                             LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
    static const GUID transmit_file = WSAID_TRANSMITFILE;
    uintptr_t ours = (uintptr_t)spy__transmit;
    int status = win_faults_table()->WSAIoctl(socket, code, in, in_bytes, out, out_bytes, returned,
                                              overlapped, routine);
    if (status == 0 && code == SIO_GET_EXTENSION_FUNCTION_POINTER &&
        memcmp(in, &transmit_file, sizeof transmit_file) == 0) {
        memcpy(&now.transmit_file, out, sizeof now.transmit_file);
        memcpy(out, &ours, sizeof ours);
    }
    return status;
}

static BOOL WINAPI spy__size(HANDLE file, LARGE_INTEGER *size)
{
    BOOL is_known = win_faults_table()->GetFileSizeEx(file, size);
    if (is_known && now.size != 0) {
        size->QuadPart = (LONGLONG)now.size;
    }
    return is_known;
}

/* ---- Scenes ---- */

static iocp_action_t IOCP_CALL keep(iocp_loop_t *loop, const iocp_result_t *result, void *userdata)
{
    record *record = userdata;
    (void)loop;
    record->calls++;
    record->status = result->status;
    record->native_error = result->native_error;
    record->bytes = result->bytes;
    return IOCP_DISARM;
}

static iocp_action_t IOCP_CALL keep_accepted(iocp_loop_t *loop, const iocp_result_t *result,
                                             void *userdata)
{
    now.server = result->opened;
    return keep(loop, result, userdata);
}

static void send__connect(void)
{
    contract_address address = contract_loopback(AF_INET, 0);
    record accepted = {0};
    record connected = {0};
    iocp_loop_t *loop = now.loop;
    assert_int_equal(iocp_socket_open(loop, AF_INET, SOCK_STREAM, 0, &now.listener), IOCP_OK);
    assert_int_equal(
        iocp_socket_bind(loop, now.listener, contract_sockaddr(&address), address.length), IOCP_OK);
    assert_int_equal(iocp_socket_listen(loop, now.listener, 0), IOCP_OK);
    address.length = sizeof address.storage;
    assert_int_equal(iocp_socket_get_name(loop, now.listener, (struct sockaddr *)&address.storage,
                                          &address.length),
                     IOCP_OK);
    assert_int_equal(iocp_accept(loop, now.listener, keep_accepted, &accepted, NULL), IOCP_OK);
    assert_int_equal(iocp_socket_open(loop, AF_INET, SOCK_STREAM, 0, &now.client), IOCP_OK);
    assert_int_equal(iocp_connect(loop, now.client, contract_sockaddr(&address), address.length,
                                  keep, &connected, NULL),
                     IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(accepted.status, IOCP_OK);
    assert_int_equal(connected.status, IOCP_OK);
}

static void send__open_file(void)
{
    record written = {0};
    char path[SEND_PATH_BYTES + 8];
    (void)snprintf(path, sizeof path, "%s/sent", send_folder);
    assert_int_equal(iocp_file_open(now.loop, path,
                                    IOCP_FILE_READ | IOCP_FILE_WRITE | IOCP_FILE_CREATE, &now.file),
                     IOCP_OK);
    assert_int_equal(iocp_pwrite(now.loop, now.file, "file", 4, 0, keep, &written, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(now.loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(written.status, IOCP_OK);
}

static void send__open(iocp_completion_mode_t mode)
{
    now.loop = win_loop_create(&now.sys, &now.memory, mode);
    send__connect();
    send__open_file();
    win_faults_reset();
}

static int send__setup(void **state)
{
    (void)state;
    memset(&now, 0, sizeof now);
    win_faults_reset();
    unit_memory_init(&now.memory);
    now.handles_before = win_open_handles();
    now.sys = *win_faults_table();
    now.sys.WSAIoctl = spy__ioctl;
    now.sys.GetFileSizeEx = spy__size;
    memcpy(now.around,
           "head"
           "tail",
           sizeof now.around);
    send__open(IOCP_COMPLETION_AUTO);
    return 0;
}

static int send__teardown(void **state)
{
    (void)state;
    win_faults_stop();
    unit_memory_allow(&now.memory, UINT64_MAX);
    win_loop_destroy(&now.loop);
    win_loop_check_leaks(&now.memory, now.handles_before);
    return 0;
}

static int send__start(uint64_t offset, uint64_t bytes)
{
    const iocp_buf_t head = {.length = 4, .base = now.around[0]};
    const iocp_buf_t tail = {.length = 4, .base = now.around[1]};
    return iocp_sendfile(now.loop, now.client, now.file, offset, bytes, &head, &tail, keep,
                         &now.sent, &now.op);
}

static int send__run(uint64_t offset, uint64_t bytes)
{
    memset(&now.sent, 0, sizeof now.sent);
    now.call_count = 0;
    assert_int_equal(send__start(offset, bytes), IOCP_OK);
    assert_int_equal(iocp_loop_run(now.loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(now.sent.calls, 1);
    return now.sent.status;
}

/* ---- Portions ---- */

#define PORTION_BYTES ((UINT64_C(1) << 30) - 65536)

static void assert_portions(uint64_t offset, uint64_t bytes)
{
    uint64_t left = bytes;
    for (int i = 0; i < now.call_count; i++) {
        const call *seen = &now.seen[i];
        bool is_last = left <= PORTION_BYTES;
        assert_true(seen->offset == offset);
        assert_true(seen->bytes == (is_last ? left : PORTION_BYTES));
        assert_int_equal(seen->head_bytes, i == 0 ? 4 : 0);
        assert_int_equal(seen->tail_bytes, is_last ? 4 : 0);
        offset += seen->bytes;
        left -= seen->bytes;
    }
    assert_true(left == 0);
}

/* In each way in which a call can end. */
static void a_file_of_any_size_goes_in_calls_of_less_than_2_GiB(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        now.is_inline = i == 1;
        now.size = UINT64_C(11) << 30;
        assert_int_equal(send__run((UINT64_C(5) << 30) + 7, UINT64_C(5) << 30), IOCP_OK);
        assert_int_equal(now.call_count, 6);
        assert_portions((UINT64_C(5) << 30) + 7, UINT64_C(5) << 30);
        assert_true(now.sent.bytes == (UINT64_C(5) << 30) + 8);
        assert_int_equal(send__run(0, UINT64_MAX), IOCP_OK);
        assert_portions(0, UINT64_C(11) << 30);
        assert_int_equal(send__run(0, PORTION_BYTES), IOCP_OK);
        assert_int_equal(now.call_count, 1);
        assert_int_equal(send__run(0, PORTION_BYTES + 1), IOCP_OK);
        assert_int_equal(now.call_count, 2);
        assert_portions(0, PORTION_BYTES + 1);
    }
}

static void a_cancel_between_two_portions_ends_it(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        now.is_inline = i == 1;
        now.size = UINT64_C(5) << 30;
        now.cancelled_call = 2;
        assert_int_equal(send__run(0, UINT64_MAX), IOCP_ECANCELED);
        assert_int_equal(now.call_count, 2);
        assert_true(now.sent.bytes == 4 + 2 * PORTION_BYTES);
    }
}

static void what_fails_after_some_portions_tells_their_bytes(void **state)
{
    static const struct {
        uint32_t nt_status;
        uint64_t bytes;
        int status;
    } rows[] = {
        {STATUS_OF_RESET, 5, IOCP_ECONNRESET},
        {STATUS_OF_END, 5, IOCP_EOF},
        {0, 5, IOCP_EOF}, /* it has become shorter */
        {0, 0, IOCP_EOF},
    };
    (void)state;
    now.size = UINT64_C(5) << 30;
    now.strange_call = 3;
    for (size_t i = 0; i < IOC_COUNT_OF(rows); i++) {
        now.status = rows[i].nt_status;
        now.bytes = rows[i].bytes;
        assert_int_equal(send__run(0, UINT64_MAX), rows[i].status);
        assert_int_equal(now.call_count, 3);
        assert_true(now.sent.bytes == 4 + 2 * PORTION_BYTES + rows[i].bytes);
    }
}

/* A portion that cannot even be started. */
static void a_call_that_is_refused_after_some_portions_tells_their_bytes(void **state)
{
    (void)state;
    now.size = UINT64_C(5) << 30;
    for (now.refused_call = 1; now.refused_call <= 3; now.refused_call++) {
        assert_int_equal(send__run(0, UINT64_MAX), IOCP_ENOBUFS);
        assert_int_equal(now.sent.native_error, WSAENOBUFS);
        assert_int_equal(now.call_count, now.refused_call);
        uint64_t before = (uint64_t)now.refused_call - 1;
        assert_true(now.sent.bytes == (before > 0 ? 4 : 0) + before * PORTION_BYTES);
    }
}

/* ---- Where there is nothing of a file ---- */

static void without_bytes_of_the_file_it_is_a_send(void **state)
{
    (void)state;
    now.is_real = true;
    assert_int_equal(send__run(4, UINT64_MAX), IOCP_OK);
    assert_int_equal(send__run(0, 0), IOCP_OK);
    assert_int_equal(now.call_count, 0);
    assert_int_equal(win_faults_count_of(WIN_TRANSMIT_FILE), 0);
    assert_int_equal(win_faults_count_of(WIN_SEND), 2);
}

static void the_function_is_asked_for_once(void **state)
{
    (void)state;
    now.is_real = true;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(send__run(0, UINT64_MAX), IOCP_OK);
    }
    assert_int_equal(win_faults_count_of(WIN_TRANSMIT_FILE), 3);
    assert_int_equal(win_faults_count_of(WIN_IOCTL), 1);
}

static void a_provider_without_the_function_cannot_send_files(void **state)
{
    (void)state;
    win_faults_fail_next_of(WIN_IOCTL, WSAEOPNOTSUPP);
    assert_int_equal(send__run(0, UINT64_MAX), IOCP_ENOTSUP);
    assert_int_equal(now.sent.native_error, WSAEOPNOTSUPP);
    assert_int_equal(send__run(0, UINT64_MAX), IOCP_OK); /* asked again */
}

static void a_file_that_does_not_tell_its_size_is_not_sent(void **state)
{
    (void)state;
    win_faults_fail_next_of(WIN_GET_SIZE, ERROR_INVALID_HANDLE);
    assert_int_equal(send__run(0, 1), IOCP_EBADF);
    assert_int_equal(now.sent.native_error, ERROR_INVALID_HANDLE);
    assert_int_equal(now.call_count, 0);
}

/* ---- What fails leaves nothing ---- */

/* Up to the end. */
static void whole__receive(void)
{
    record received = {0};
    size_t got = 0;
    assert_int_equal(iocp_shutdown(now.loop, now.client, IOCP_SHUTDOWN_SEND, keep, &received, NULL),
                     IOCP_OK);
    assert_int_equal(iocp_loop_run(now.loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    do {
        assert_int_equal(iocp_recv(now.loop, now.server, now.got + got, sizeof now.got - got, keep,
                                   &received, NULL),
                         IOCP_OK);
        assert_int_equal(iocp_loop_run(now.loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
        got += (size_t)received.bytes;
    } while (received.status == IOCP_OK);
}

static int whole__ended(void)
{
    return now.sent.calls + now.others[0].calls + now.others[1].calls;
}

/* A file between two sends. */
static bool whole__run(void)
{
    int started = 0;
    memset(&now.sent, 0, sizeof now.sent);
    memset(now.others, 0, sizeof now.others);
    memset(now.got, 0, sizeof now.got);
    now.is_real = true;
    for (int i = 0; i < 3; i++) {
        int status = i == 1 ? send__start(0, UINT64_MAX)
                            : iocp_send(now.loop, now.client, i == 0 ? "<" : ">", 1, keep,
                                        &now.others[i / 2], NULL);
        started += status == IOCP_OK;
    }
    for (int i = 0; whole__ended() < started && i < 100; i++) {
        (void)iocp_loop_run(now.loop, IOCP_RUN_ONCE);
    }
    assert_int_equal(whole__ended(), started);
    win_faults_stop();
    unit_memory_allow(&now.memory, UINT64_MAX);
    bool is_whole = started == 3 && now.sent.status == IOCP_OK && now.others[0].status == IOCP_OK &&
                    now.others[1].status == IOCP_OK;
    if (is_whole) {
        whole__receive();
    }
    return is_whole;
}

static void any_one_system_call_of_one_may_fail(void **state)
{
    uint64_t k = 0;
    bool has_struck = true;
    (void)state;
    while (has_struck) {
        win_loop_destroy(&now.loop);
        send__open(k % 2 == 0 ? IOCP_COMPLETION_AUTO : IOCP_COMPLETION_PACKET);
        win_faults_fail_nth(++k);
        bool is_whole = whole__run();
        has_struck = win_faults_struck() > 0;
        assert_true(is_whole || has_struck);
        assert_string_equal(now.got, is_whole ? "<headfiletail>" : "");
    }
    print_message("%u calls were made to fail\n", (unsigned)k - 1);
    assert_true(k > 6);
}

static void any_one_allocation_of_one_may_be_refused(void **state)
{
    uint64_t allowed = 0;
    bool is_whole = false;
    (void)state;
    while (!is_whole) {
        win_loop_destroy(&now.loop); /* a fresh one has less memory to spare */
        send__open(IOCP_COMPLETION_AUTO);
        (void)iocp_loop_trim(now.loop);
        unit_memory_allow(&now.memory, allowed++);
        is_whole = whole__run();
    }
    assert_string_equal(now.got, "<headfiletail>");
    print_message("%u allocations were refused\n", (unsigned)allowed - 1);
    assert_true(allowed > 1);
}

#define SEND_TEST(function) cmocka_unit_test_setup_teardown(function, send__setup, send__teardown)

/* What the system opens once and keeps is open before the first test counts. */
static int send__warm_up(void **state)
{
    WSADATA data;
    assert_int_equal(WSAStartup(MAKEWORD(2, 2), &data), 0);
    assert_true(win_folder_create_fresh(send_folder, sizeof send_folder));
    assert_int_equal(send__setup(state), 0);
    win_loop_destroy(&now.loop);
    return 0;
}

static int send__clean_up(void **state)
{
    (void)state;
    assert_true(win_folder_remove(send_folder));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SEND_TEST(a_file_of_any_size_goes_in_calls_of_less_than_2_GiB),
        SEND_TEST(a_cancel_between_two_portions_ends_it),
        SEND_TEST(what_fails_after_some_portions_tells_their_bytes),
        SEND_TEST(a_call_that_is_refused_after_some_portions_tells_their_bytes),
        SEND_TEST(without_bytes_of_the_file_it_is_a_send),
        SEND_TEST(the_function_is_asked_for_once),
        SEND_TEST(a_provider_without_the_function_cannot_send_files),
        SEND_TEST(a_file_that_does_not_tell_its_size_is_not_sent),
        SEND_TEST(any_one_system_call_of_one_may_fail),
        SEND_TEST(any_one_allocation_of_one_may_be_refused),
    };
    win_catch_crashes();
    return cmocka_run_group_tests(tests, send__warm_up, send__clean_up);
}
