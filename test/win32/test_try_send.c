/* Sending at once: what the system is told, and what becomes of its answers. */
#include "unit.h"

#include "win32/sys.h"

#include "win_faults.h"
#include "win_leaks.h"
#include "win_loop.h"

#include <string.h>

static struct {
    iocp_handle_t handle;
    int modes;      /* how often FIONBIO was set */
    u_long mode;    /* to what, at last */
    int sends;      /* calls of WSASend without OVERLAPPED */
    DWORD buffers;  /* of the last one */
    uint32_t error; /* its answer, 0: two bytes are taken */
} now;

static int WINAPI spy__ioctl_socket(SOCKET socket, long command, u_long *argument)
{
    assert_int_equal(command, (long)FIONBIO);
    now.modes++;
    now.mode = *argument;
    return win_faults_table()->ioctlsocket(socket, command, argument);
}

static int WINAPI spy__send(SOCKET socket, WSABUF *buffers, DWORD count, DWORD *sent, DWORD flags,
                            OVERLAPPED *overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
    (void)socket;
    (void)buffers;
    assert_null(overlapped);
    assert_null(routine);
    assert_int_equal(flags, 0);
    now.sends++;
    now.buffers = count;
    if (now.error != 0) {
        WSASetLastError((int)now.error);
        return SOCKET_ERROR;
    }
    *sent = 2;
    return 0;
}

static int try__setup(void **state)
{
    (void)state;
    memset(&now, 0, sizeof now);
    win_begin();
    win.sys.ioctlsocket = spy__ioctl_socket;
    win.sys.WSASend = spy__send;
    win_open(IOCP_COMPLETION_AUTO);
    now.handle = contract_open(win.loop, AF_INET);
    return 0;
}

static int try__send(iocp_handle_t handle, uint64_t *sent)
{
    char data[3] = "abc";
    iocp_buf_t list[] = {{.base = data, .length = 1}, {.base = data + 1, .length = 2}};
    return iocp_try_send(win.loop, handle, list, 2, sent);
}

static void a_socket_is_made_one_that_does_not_wait_once(void **state)
{
    (void)state;
    uint64_t sent = 0;
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(try__send(now.handle, &sent), IOCP_OK);
        assert_int_equal(sent, 2);
        assert_int_equal(now.buffers, 2);
        assert_int_equal(now.sends, i);
        assert_int_equal(now.modes, 1);
    }
    assert_int_equal(now.mode, 1);
}

static void one_that_cannot_be_made_so_sends_nothing(void **state)
{
    (void)state;
    uint64_t sent = 4711;
    win_faults_fail_next_of(WIN_IOCTL_SOCKET, WSAENETDOWN);
    assert_int_equal(try__send(now.handle, &sent), IOCP_ENETDOWN);
    assert_int_equal(now.sends, 0);
    assert_int_equal(sent, 4711);
    assert_int_equal(try__send(now.handle, &sent), IOCP_OK);
    assert_int_equal(now.modes, 2); /* tried again */
}

static void what_the_system_answers_is_told(void **state)
{
    (void)state;
    static const struct {
        uint32_t error;
        int status;
    } table[] = {
        {WSAEWOULDBLOCK, IOCP_EAGAIN},        {WSAECONNRESET, IOCP_ECONNRESET},
        {WSAESHUTDOWN, IOCP_EPIPE},           {WSAENOTCONN, IOCP_ENOTCONN},
        {WSAECONNABORTED, IOCP_ECONNABORTED},
    };
    for (size_t i = 0; i < IOC_COUNT_OF(table); i++) {
        uint64_t sent = 4711;
        now.error = table[i].error;
        assert_int_equal(try__send(now.handle, &sent), table[i].status);
        assert_int_equal(iocp_loop_native_error(win.loop), table[i].error);
        assert_int_equal(sent, 4711);
    }
}

static void nothing_is_asked_of_a_socket_that_was_adopted(void **state)
{
    (void)state;
    iocp_handle_t handle = {0};
    uint64_t sent = 0;
    assert_int_equal(iocp_socket_adopt(win.loop, contract_socket_create(AF_INET), &handle),
                     IOCP_OK);
    assert_int_equal(try__send(handle, &sent), IOCP_ENOTSUP);
    assert_int_equal(now.modes, 0);
    assert_int_equal(now.sends, 0);
}

#define TRY_TEST(function) cmocka_unit_test_setup_teardown(function, try__setup, win_end)

/* What the system opens once and keeps is open before the first test counts. */
static int try__warm_up(void **state)
{
    win_use_winsock();
    assert_int_equal(try__setup(state), 0);
    win_loop_destroy(&win.loop);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TRY_TEST(a_socket_is_made_one_that_does_not_wait_once),
        TRY_TEST(one_that_cannot_be_made_so_sends_nothing),
        TRY_TEST(what_the_system_answers_is_told),
        TRY_TEST(nothing_is_asked_of_a_socket_that_was_adopted),
    };
    win_catch_crashes();
    return cmocka_run_group_tests(tests, try__warm_up, NULL);
}
