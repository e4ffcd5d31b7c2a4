/*
 * A UDP echo server: sends every datagram back to where it came from.
 *
 *   udp_echo [--port P] [--size N] [--seconds N] [--quiet]
 *
 * One IPv6 socket on all addresses serves IPv4, too. RECEIVES_PENDING receives wait on it, each with
 * its own buffer of N bytes: receive -> send back from that buffer -> receive again. A datagram that
 * is longer comes back cut off. On Ctrl-C, or when the time is up, the socket is closed: all receives
 * end as IOCP_ECANCELED, none can be started (IOCP_EBADF), and so iocp_loop_run returns.
 */
#include <iocploop.h>

#include <winsock2.h>
#include <ws2tcpip.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define RECEIVES_PENDING 16
#define DATAGRAM_BYTES   65536 /* no datagram is longer */
#define SECOND_NS        UINT64_C(1000000000)

typedef struct exchange {
    struct server *server;
    char buffer[DATAGRAM_BYTES];
} exchange;

typedef struct server {
    iocp_handle_t socket;
    unsigned long size; /* how much of a buffer is used */
    bool is_quiet;
    bool has_failed;
    unsigned long long datagrams; /* that were sent back */
    unsigned long long bytes;     /* of these */
    unsigned long long truncated;
    exchange exchanges[RECEIVES_PENDING];
} server;

/* Whether it went well; if not, says why. That the socket was closed is no failure, but the end. */
static bool server__check(server *self, int status, const char *what)
{
    if (status != IOCP_OK && status != IOCP_ECANCELED && status != IOCP_EBADF) {
        fprintf(stderr, "%s: %s (%s)\n", what, iocp_error_text(status), iocp_error_name(status));
        self->has_failed = true;
    }
    return status == IOCP_OK;
}

static void print_address(const char *before, const struct sockaddr *address, size_t length)
{
    char host[NI_MAXHOST] = "?";
    char port[NI_MAXSERV] = "?";
    (void)getnameinfo(address, (socklen_t)length, host, sizeof host, port, sizeof port,
                      NI_NUMERICHOST | NI_NUMERICSERV);
    printf("%s [%s]:%s\n", before, host, port);
    fflush(stdout);
}

/* ---- Datagrams ---- */

static void exchange__receive(iocp_loop_t *loop, exchange *self);

static iocp_action_t IOCP_CALL on_sent(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    exchange *self = arg;
    if (result->status == IOCP_OK) { /* if not, it is lost, as any datagram may be */
        self->server->datagrams++;
        self->server->bytes += result->bytes;
    }
    exchange__receive(loop, self);
    return IOCP_DISARM;
}

static iocp_action_t IOCP_CALL on_received(iocp_loop_t *loop, const iocp_result_t *result,
                                           void *arg)
{
    exchange *self = arg;
    server *server = self->server;
    if (!server__check(server, result->status, "receive")) {
        return IOCP_DISARM;
    }
    server->truncated += (result->flags & IOCP_RESULT_TRUNCATED) != 0;
    if (!server->is_quiet) {
        printf("%llu bytes", (unsigned long long)result->bytes);
        print_address(" from", result->address, result->address_length);
    }
    int status = iocp_sendto(loop, server->socket, self->buffer, (size_t)result->bytes,
                             result->address, result->address_length, on_sent, self, NULL);
    server__check(server, status, "iocp_sendto");
    return IOCP_DISARM;
}

static void exchange__receive(iocp_loop_t *loop, exchange *self)
{
    int status = iocp_recvfrom(loop, self->server->socket, self->buffer, self->server->size,
                               on_received, self, NULL);
    server__check(self->server, status, "iocp_recvfrom");
}

static void server__open(server *self, iocp_loop_t *loop, unsigned long port)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons((u_short)port)};
    struct sockaddr *name = (struct sockaddr *)&address;
    size_t length = sizeof address;
    int status = iocp_socket_open(loop, AF_INET6, SOCK_DGRAM, 0, &self->socket);
    if (status == IOCP_OK) { /* serve IPv4, too */
        status = iocp_socket_set_option(loop, self->socket, IOCP_SOCKET_V6ONLY, 0);
    }
    if (status == IOCP_OK) {
        status = iocp_socket_bind(loop, self->socket, name, length);
    }
    if (status == IOCP_OK) {
        status = iocp_socket_get_name(loop, self->socket, name, &length);
    }
    if (server__check(self, status, "opening the socket")) {
        print_address("listening on", name, length);
    }
    for (int i = 0; i < RECEIVES_PENDING && status == IOCP_OK; i++) {
        self->exchanges[i].server = self;
        exchange__receive(loop, &self->exchanges[i]);
    }
}

/* ---- The end ---- */

static iocp_action_t IOCP_CALL on_end(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    server *self = arg;
    if (result->status != IOCP_ECANCELED) { /* an event of the console, or IOCP_ETIMEDOUT */
        server__check(self, iocp_close(loop, self->socket, NULL, NULL, NULL), "iocp_close");
    }
    return IOCP_DISARM;
}

static int server__run(server *self, unsigned long port, unsigned long seconds)
{
    iocp_loop_t *loop = NULL;
    iocp_op_t watch = {0};
    iocp_stats_t left = {.size = sizeof left};
    if (!server__check(self, iocp_loop_create(NULL, &loop), "iocp_loop_create")) {
        return 1;
    }
    int status = iocp_console_watch(loop, on_end, self, &watch);
    iocp_op_unref(loop, watch); /* the receives alone keep the loop running */
    iocp_op_deadline(loop, watch, seconds > 0 ? seconds * SECOND_NS : UINT64_MAX);
    iocp_loop_submit(loop); /* it is heard before anybody is told that the server is there */
    if (server__check(self, status, "iocp_console_watch")) {
        server__open(self, loop, port);
        server__check(self, iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), "iocp_loop_run");
    }
    if (!server__check(self, iocp_loop_destroy(loop, 4 * SECOND_NS), "iocp_loop_destroy")) {
        iocp_loop_stats(loop, &left); /* the loop is still there to be asked */
    }
    printf("datagrams: %llu, bytes: %llu, truncated: %llu, pending: %llu\n", self->datagrams,
           self->bytes, self->truncated, (unsigned long long)left.operations);
    return self->has_failed ? 1 : 0;
}

/* Whether it is such an option with a number behind it. */
static bool take(char **argv, int *i, const char *name, unsigned long most, unsigned long *number)
{
    return strcmp(argv[*i], name) == 0 && argv[*i + 1] != NULL &&
           sscanf(argv[++*i], "%lu", number) == 1 && *number <= most;
}

int main(int argc, char **argv)
{
    static server self = {.size = DATAGRAM_BYTES};
    unsigned long port = 7000;
    unsigned long seconds = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quiet") == 0) {
            self.is_quiet = true;
        } else if (!take(argv, &i, "--port", UINT16_MAX, &port) &&
                   !take(argv, &i, "--size", DATAGRAM_BYTES, &self.size) &&
                   !take(argv, &i, "--seconds", 1000000, &seconds)) {
            fputs("usage: udp_echo [--port P] [--size N] [--seconds N] [--quiet]\n", stderr);
            return 2;
        }
    }
    return server__run(&self, port, seconds);
}
