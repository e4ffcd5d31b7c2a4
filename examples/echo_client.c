/*
 * Talks to an echo server and checks that every byte comes back in its place.
 *
 *   echo_client HOST PORT [--connections N] [--bytes N] [--size N]
 *
 * Each connection sends --bytes bytes, --size at a time, and waits for each piece to come back
 * before the next: one round trip. Then it ends its sending side, receives until the server ends
 * its own, and closes. The exit code is 0 if all of that went well on all connections.
 */
#include <iocploop.h>

#include <winsock2.h>
#include <ws2tcpip.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_NS UINT64_C(1000000000)

typedef struct client {
    unsigned connections;
    uint64_t bytes; /* to be sent on each connection */
    size_t size;    /* at a time */
    unsigned good;  /* connections that saw everything */
    uint64_t received;
    uint64_t round_trips;
} client;

typedef struct connection {
    client *client;
    iocp_handle_t handle;
    unsigned number;
    uint64_t sent; /* or being sent */
    uint64_t received;
    bool is_sending;
    bool is_closing;
    unsigned char *out; /* behind the structure, as `in` */
    unsigned char in[];
} connection;

static bool check(iocp_loop_t *loop, int status, const char *what)
{
    if (status != IOCP_OK) {
        fprintf(stderr, "%s: %s (%s, native code %lu)\n", what, iocp_error_text(status),
                iocp_error_name(status), (unsigned long)iocp_loop_native_error(loop));
    }
    return status == IOCP_OK;
}

/* The byte at a place of a connection's stream. Neighbours, pages and connections all differ. */
static unsigned char pattern(unsigned number, uint64_t offset)
{
    return (unsigned char)(number * 101 + offset * 7 + (offset >> 8) * 13 + (offset >> 16) * 29);
}

/* ---- The end of a connection ---- */

static iocp_action_t IOCP_CALL on_closed(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    (void)loop;
    (void)result;
    free(arg); /* this callback is the last: nothing of the connection is pending any more */
    return IOCP_DISARM;
}

static void connection__close(iocp_loop_t *loop, connection *self)
{
    if (!self->is_closing) {
        self->is_closing = true;
        check(loop, iocp_close(loop, self->handle, on_closed, self, NULL), "iocp_close");
    }
}

static void connection__fail(iocp_loop_t *loop, connection *self, const char *what, int status)
{
    if (!self->is_closing) { /* otherwise it is only our own close that ends what was pending */
        fprintf(stderr, "connection %u, %s: %s\n", self->number, what, iocp_error_text(status));
    }
    connection__close(loop, self);
}

/* ---- Its life ---- */

static void connection__go_on(iocp_loop_t *loop, connection *self);

static iocp_action_t IOCP_CALL on_shut_down(iocp_loop_t *loop, const iocp_result_t *result,
                                            void *arg)
{
    if (result->status != IOCP_OK) {
        connection__fail(loop, arg, "shutdown", result->status);
    }
    return IOCP_DISARM; /* the receive that is pending sees the server's end */
}

static iocp_action_t IOCP_CALL on_sent(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    connection *self = arg;
    self->is_sending = false;
    if (result->status == IOCP_OK) {
        connection__go_on(loop, self);
    } else {
        connection__fail(loop, self, "send", result->status);
    }
    return IOCP_DISARM;
}

/* Where the first wrong byte is, or `size`. */
static size_t connection__compare(const connection *self, size_t size)
{
    size_t i = 0;
    while (i < size && self->in[i] == pattern(self->number, self->received + i)) {
        i++;
    }
    return i;
}

static iocp_action_t IOCP_CALL on_received(iocp_loop_t *loop, const iocp_result_t *result,
                                           void *arg)
{
    connection *self = arg;
    size_t size = (size_t)result->bytes;
    if (result->status == IOCP_EOF && self->received == self->client->bytes) {
        self->client->good++;
        connection__close(loop, self);
        return IOCP_DISARM;
    }
    if (result->status != IOCP_OK) {
        connection__fail(loop, self, "receive", result->status);
        return IOCP_DISARM;
    }
    if (size > self->sent - self->received || connection__compare(self, size) < size) {
        fprintf(stderr, "connection %u: wrong data behind byte %llu\n", self->number,
                (unsigned long long)(self->received));
        connection__close(loop, self);
        return IOCP_DISARM;
    }
    self->received += size;
    self->client->received += size;
    connection__go_on(loop, self);
    return IOCP_REARM; /* into the same buffer: what was in it is checked */
}

static int connection__send_piece(iocp_loop_t *loop, connection *self)
{
    uint64_t left = self->client->bytes - self->sent;
    size_t size = left < self->client->size ? (size_t)left : self->client->size;
    for (size_t i = 0; i < size; i++) {
        self->out[i] = pattern(self->number, self->sent + i);
    }
    self->sent += size;
    self->is_sending = true;
    return iocp_send(loop, self->handle, self->out, size, on_sent, self, NULL);
}

/* Send the next piece once the last has come back, and end the sending side after all of them. */
static void connection__go_on(iocp_loop_t *loop, connection *self)
{
    if (self->is_closing || self->is_sending || self->received < self->sent) {
        return;
    }
    self->client->round_trips += self->sent > 0;
    int status =
        self->sent < self->client->bytes
            ? connection__send_piece(loop, self)
            : iocp_shutdown(loop, self->handle, IOCP_SHUTDOWN_SEND, on_shut_down, self, NULL);
    if (status != IOCP_OK) {
        connection__fail(loop, self, "going on", status);
    }
}

static iocp_action_t IOCP_CALL on_connected(iocp_loop_t *loop, const iocp_result_t *result,
                                            void *arg)
{
    connection *self = arg;
    int status = result->status;
    if (status == IOCP_OK) {
        status =
            iocp_recv(loop, self->handle, self->in, self->client->size, on_received, self, NULL);
    }
    if (status == IOCP_OK) {
        connection__go_on(loop, self);
    } else {
        connection__fail(loop, self, "connect", status);
    }
    return IOCP_DISARM;
}

static bool client__connect(iocp_loop_t *loop, client *self, unsigned number,
                            const struct addrinfo *to)
{
    connection *opened = calloc(1, sizeof *opened + 2 * self->size);
    if (opened == NULL) {
        fprintf(stderr, "no memory for connection %u\n", number);
        return false;
    }
    opened->client = self;
    opened->number = number;
    opened->out = opened->in + self->size;
    int status = iocp_socket_open(loop, to->ai_family, SOCK_STREAM, 0, &opened->handle);
    if (!check(loop, status, "iocp_socket_open")) {
        free(opened);
        return false;
    }
    status = iocp_socket_set_option(loop, opened->handle, IOCP_SOCKET_NODELAY, 1);
    if (status == IOCP_OK) {
        status = iocp_connect(loop, opened->handle, to->ai_addr, to->ai_addrlen, on_connected,
                              opened, NULL);
    }
    if (!check(loop, status, "connecting")) {
        connection__close(loop, opened);
    }
    return status == IOCP_OK;
}

/* ---- All of them ---- */

static void client__report(const client *self, uint64_t elapsed_ns)
{
    double seconds = (double)elapsed_ns / (double)SECOND_NS;
    printf("connections: %u of %u good, bytes: %llu each way, round trips: %llu\n", self->good,
           self->connections, (unsigned long long)self->received,
           (unsigned long long)self->round_trips);
    printf("%.3f s, %.1f MB/s each way, %.0f round trips/s\n", seconds,
           (double)self->received / seconds / 1e6, (double)self->round_trips / seconds);
}

static bool client__run(client *self, iocp_loop_t *loop, const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, port, &hints, &found) != 0) {
        fprintf(stderr, "%s, port %s: no such address\n", host, port);
        return false;
    }
    iocp_loop_update_now(loop);
    uint64_t start_ns = iocp_loop_now(loop);
    bool is_good = true;
    for (unsigned i = 0; i < self->connections && is_good; i++) {
        is_good = client__connect(loop, self, i, found);
    }
    freeaddrinfo(found); /* the addresses are copied */
    is_good = check(loop, iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), "iocp_loop_run") && is_good;
    iocp_loop_update_now(loop);
    client__report(self, iocp_loop_now(loop) - start_ns + 1);
    return is_good && self->good == self->connections;
}

int main(int argc, char **argv)
{
    client self = {.connections = 1, .bytes = 1 << 24, .size = 1 << 14};
    bool is_usage = argc >= 3;
    for (int i = 3; i < argc && is_usage; i += 2) {
        unsigned long long value = i + 1 < argc ? strtoull(argv[i + 1], NULL, 10) : 0;
        if (strcmp(argv[i], "--connections") == 0) {
            self.connections = (unsigned)value;
        } else if (strcmp(argv[i], "--bytes") == 0) {
            self.bytes = value;
        } else if (strcmp(argv[i], "--size") == 0) {
            self.size = (size_t)value;
        } else {
            is_usage = false;
        }
    }
    if (!is_usage || self.connections == 0 || self.size == 0 || self.size > 1 << 28) {
        fputs("usage: echo_client HOST PORT [--connections N] [--bytes N] [--size N]\n", stderr);
        return 2;
    }
    iocp_loop_t *loop = NULL;
    int status = iocp_loop_create(NULL, &loop);
    if (status != IOCP_OK) {
        fprintf(stderr, "iocp_loop_create: %s\n", iocp_error_text(status));
        return 1;
    }
    bool is_good = client__run(&self, loop, argv[1], argv[2]);
    is_good = check(loop, iocp_loop_destroy(loop, 5 * SECOND_NS), "iocp_loop_destroy") && is_good;
    return is_good ? 0 : 1;
}
