#include "raw.h"

#include <string.h>

#define DRAIN_MS 10000

/* ---- The port ---- */

bool raw_open(raw_loop *loop, bench_run *run)
{
    WSADATA data;
    memset(loop, 0, sizeof *loop);
    loop->run = run;
    int error = WSAStartup(MAKEWORD(2, 2), &data);
    if (error != 0) {
        return bench_fail(run, "WSAStartup", error);
    }
    loop->port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);
    if (loop->port == NULL) {
        WSACleanup();
        return bench_fail(run, "CreateIoCompletionPort", (long)GetLastError());
    }
    return true;
}

ULONG raw_capacity(const raw_loop *loop)
{
    ULONG least = loop->pending > 0 ? loop->pending : 1;
    return least < RAW_BATCH ? least : RAW_BATCH;
}

void raw_close(raw_loop *loop)
{
    if (loop->port == NULL) {
        return;
    }
    while (loop->pending > 0) {
        ULONG count = 0;
        if (!GetQueuedCompletionStatusEx(loop->port, loop->entries, raw_capacity(loop), &count,
                                         DRAIN_MS, FALSE)) {
            bench_fail(loop->run, "GetQueuedCompletionStatusEx at the end", (long)GetLastError());
            break;
        }
        loop->pending -= count;
    }
    CloseHandle(loop->port);
    WSACleanup();
}

void raw_fail(raw_loop *loop, const char *what, long code)
{
    bench_fail(loop->run, what, code);
    loop->is_stopped = true;
}

bool raw_run(raw_loop *loop)
{
    while (!loop->is_stopped) {
        ULONG count = 0;
        if (!GetQueuedCompletionStatusEx(loop->port, loop->entries, raw_capacity(loop), &count,
                                         INFINITE, FALSE)) {
            return bench_fail(loop->run, "GetQueuedCompletionStatusEx", (long)GetLastError());
        }
        loop->pending -= count;
        for (ULONG i = 0; i < count; i++) {
            raw_op *op = (raw_op *)(void *)loop->entries[i].lpOverlapped;
            op->done(op, loop->entries[i].dwNumberOfBytesTransferred,
                     (ULONG)op->overlapped.Internal);
        }
    }
    loop->is_stopped = false;
    return loop->run->error[0] == '\0';
}

/* ---- Operations ---- */

raw_start raw_started(raw_loop *loop, bool is_success, const char *what)
{
    if (is_success) {
        return RAW_DONE;
    }
    int error = WSAGetLastError();
    if (error == WSA_IO_PENDING) {
        loop->pending++;
        return RAW_PENDING;
    }
    raw_fail(loop, what, error);
    return RAW_FAILED;
}

raw_start raw_recv(raw_loop *loop, SOCKET socket, raw_op *op, void *data, ULONG size, DWORD *bytes)
{
    WSABUF buffer = {.len = size, .buf = data};
    DWORD flags = 0;
    memset(&op->overlapped, 0, sizeof op->overlapped);
    int result = WSARecv(socket, &buffer, 1, bytes, &flags, &op->overlapped, NULL);
    return raw_started(loop, result == 0, "WSARecv");
}

raw_start raw_send(raw_loop *loop, SOCKET socket, raw_op *op, void *data, ULONG size, DWORD *bytes)
{
    WSABUF buffer = {.len = size, .buf = data};
    memset(&op->overlapped, 0, sizeof op->overlapped);
    int result = WSASend(socket, &buffer, 1, bytes, 0, &op->overlapped, NULL);
    return raw_started(loop, result == 0, "WSASend");
}

bool raw_associate(raw_loop *loop, HANDLE handle)
{
    if (CreateIoCompletionPort(handle, loop->port, 0, 0) == NULL) {
        return bench_fail(loop->run, "CreateIoCompletionPort", (long)GetLastError());
    }
    if (!SetFileCompletionNotificationModes(handle, FILE_SKIP_COMPLETION_PORT_ON_SUCCESS |
                                                        FILE_SKIP_SET_EVENT_ON_HANDLE)) {
        return bench_fail(loop->run, "SetFileCompletionNotificationModes", (long)GetLastError());
    }
    return true;
}

bool raw_open_file(raw_loop *loop, const char *path, HANDLE *file)
{
    WCHAR wide[MAX_PATH];
    if (MultiByteToWideChar(CP_UTF8, 0, path, -1, wide, MAX_PATH) == 0) {
        return bench_fail(loop->run, "MultiByteToWideChar", (long)GetLastError());
    }
    *file = CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                        NULL, OPEN_EXISTING, FILE_FLAG_OVERLAPPED, NULL);
    return *file != INVALID_HANDLE_VALUE ||
           bench_fail(loop->run, "CreateFileW", (long)GetLastError());
}

/* ---- Sockets ---- */

bool raw_look_up(raw_loop *loop, SOCKET socket, GUID guid, void *function, DWORD size)
{
    DWORD bytes = 0;
    return WSAIoctl(socket, SIO_GET_EXTENSION_FUNCTION_POINTER, &guid, sizeof guid, function, size,
                    &bytes, NULL, NULL) == 0 ||
           bench_fail(loop->run, "WSAIoctl", WSAGetLastError());
}

bool raw_socket(raw_loop *loop, int type, SOCKET *opened)
{
    *opened =
        WSASocketW(AF_INET, type, 0, NULL, 0, WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
    return *opened != INVALID_SOCKET || bench_fail(loop->run, "WSASocketW", WSAGetLastError());
}

bool raw_bind(raw_loop *loop, SOCKET socket, struct sockaddr_in *address)
{
    int length = sizeof *address;
    memset(address, 0, sizeof *address);
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return (bind(socket, (struct sockaddr *)address, length) == 0 &&
            getsockname(socket, (struct sockaddr *)address, &length) == 0) ||
           bench_fail(loop->run, "bind", WSAGetLastError());
}

bool raw_listen(raw_loop *loop, SOCKET *listener, struct sockaddr_in *address)
{
    if (!raw_socket(loop, SOCK_STREAM, listener) || !raw_bind(loop, *listener, address)) {
        return false;
    }
    return listen(*listener, SOMAXCONN) == 0 || bench_fail(loop->run, "listen", WSAGetLastError());
}

static bool raw__set_nodelay(raw_loop *loop, SOCKET socket)
{
    BOOL on = TRUE;
    return setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, (const char *)&on, sizeof on) == 0 ||
           bench_fail(loop->run, "setsockopt", WSAGetLastError());
}

bool raw_pair(raw_loop *loop, SOCKET *client, SOCKET *server)
{
    SOCKET listener = INVALID_SOCKET;
    struct sockaddr_in address;
    bool is_good = raw_listen(loop, &listener, &address) && raw_socket(loop, SOCK_STREAM, client);
    if (is_good && connect(*client, (struct sockaddr *)&address, sizeof address) != 0) {
        is_good = bench_fail(loop->run, "connect", WSAGetLastError());
    }
    if (is_good) {
        *server = accept(listener, NULL, NULL);
        is_good = *server != INVALID_SOCKET || bench_fail(loop->run, "accept", WSAGetLastError());
    }
    raw_close_socket(&listener);
    return is_good && raw_associate(loop, (HANDLE)*client) &&
           raw_associate(loop, (HANDLE)*server) && raw__set_nodelay(loop, *client) &&
           raw__set_nodelay(loop, *server);
}

void raw_close_socket(SOCKET *socket)
{
    if (*socket != INVALID_SOCKET) {
        closesocket(*socket);
        *socket = INVALID_SOCKET;
    }
}
