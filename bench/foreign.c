#include "foreign.h"

#include <string.h>

static bool foreign__open_one(SOCKET *opened, struct sockaddr_in *address)
{
    int length = sizeof *address;
    u_long on = 1;
    memset(address, 0, sizeof *address);
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *opened = socket(AF_INET, SOCK_DGRAM, 0);
    return *opened != INVALID_SOCKET && ioctlsocket(*opened, (long)FIONBIO, &on) == 0 &&
           bind(*opened, (const struct sockaddr *)address, length) == 0 &&
           getsockname(*opened, (struct sockaddr *)address, &length) == 0;
}

bool bench_foreign_open(bench_foreign *self, bench_run *run)
{
    WSADATA data;
    struct sockaddr_in addresses[2];
    self->sockets[0] = INVALID_SOCKET;
    self->sockets[1] = INVALID_SOCKET;
    int error = WSAStartup(MAKEWORD(2, 2), &data);
    if (error != 0) {
        return bench_fail(run, "WSAStartup", error);
    }
    self->is_started = true;
    bool is_good = foreign__open_one(&self->sockets[0], &addresses[0]) &&
                   foreign__open_one(&self->sockets[1], &addresses[1]);
    for (int i = 0; i < 2 && is_good; i++) {
        is_good = connect(self->sockets[i], (const struct sockaddr *)&addresses[1 - i],
                          sizeof addresses[0]) == 0;
    }
    return is_good || bench_fail(run, "two sockets", WSAGetLastError());
}

void bench_foreign_close(bench_foreign *self)
{
    if (!self->is_started) {
        return;
    }
    for (int i = 0; i < 2; i++) {
        if (self->sockets[i] != INVALID_SOCKET) {
            closesocket(self->sockets[i]);
        }
    }
    WSACleanup();
}

bool bench_foreign_send(SOCKET from, bench_run *run)
{
    static const char message[BENCH_MESSAGE_BYTES];
    return send(from, message, sizeof message, 0) == BENCH_MESSAGE_BYTES ||
           bench_fail(run, "send", WSAGetLastError());
}

bool bench_foreign_recv(SOCKET at, bench_run *run)
{
    char message[BENCH_MESSAGE_BYTES];
    return recv(at, message, sizeof message, 0) == BENCH_MESSAGE_BYTES ||
           bench_fail(run, "recv", WSAGetLastError());
}
