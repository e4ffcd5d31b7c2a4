/*
 * A TCP echo server: sends every byte back to where it came from.
 *
 *   echo_server [--address A] [--port P] [--seconds N] [--quiet]
 *
 * Port 0 picks a free one; the address :: serves IPv4 and IPv6. It ends on Ctrl-C, or when the time
 * is up, and tells in a line what was done. The exit code is 0 if nothing was left over.
 *
 * ACCEPTS_PENDING accepts wait on the listening socket, each rearmed as it ends; while many clients
 * come at once there are more. A connection has one buffer and one operation at a time: receive ->
 * send all of it -> receive, and at the end of the stream shutdown -> close. The callback of the
 * close comes last and frees the connection.
 *
 * To end, the loop is stopped and destroyed. Destroying it ends every operation as IOCP_ECANCELED,
 * and the callbacks free their connections: starting anything is then refused (IOCP_ECLOSING).
 */
#include <iocploop.h>

#include <winsock2.h>
#include <ws2tcpip.h>
#include <windows.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACCEPTS_PENDING  16
#define ACCEPTS_MOST     1024
#define ACCEPTS_BURST    4 /* a turn that brings one in so many of those that are pending */
#define BUFFER_BYTES     65536
#define MS               UINT64_C(1000000)
#define DESTROY_LIMIT_NS (5000 * MS)
#define CONSOLE_LIMIT_MS 4500 /* Windows gives a program that is being closed 5 seconds */

typedef struct server {
    iocp_handle_t listener;
    bool is_quiet;
    bool has_failed;
    unsigned accepts;      /* pending, or in their callbacks */
    unsigned accepts_came; /* in this turn */
    uint64_t turn_ns;
    unsigned long long accepted;
    unsigned long long bytes;
    unsigned long long resets;
} server;

typedef struct connection {
    server *server;
    iocp_handle_t handle;
    char buffer[BUFFER_BYTES];
} connection;

/* Whether a call went well; if not, says why. When the loop is being destroyed there is no need. */
static bool check(iocp_loop_t *loop, int status, const char *what)
{
    if (status != IOCP_OK && status != IOCP_ECLOSING) {
        fprintf(stderr, "%s: %s (%s, native code %lu)\n", what, iocp_error_text(status),
                iocp_error_name(status), (unsigned long)iocp_loop_native_error(loop));
    }
    return status == IOCP_OK;
}

/* ---- One connection ---- */

static iocp_action_t IOCP_CALL on_closed(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    (void)loop;
    (void)result;
    free(arg);
    return IOCP_DISARM;
}

/* Nothing is pending on it: an operation has just ended, or could not be started. */
static void connection__close(iocp_loop_t *loop, connection *self)
{
    int status = iocp_close(loop, self->handle, on_closed, self, NULL);
    if (check(loop, status, "iocp_close")) {
        return;
    }
    /* iocp_loop_destroy closes the socket. */
    self->server->has_failed |= status != IOCP_ECLOSING;
    free(self);
}

/* An operation was the last one, well or badly. Only this connection ends, the server goes on. */
static void connection__end(iocp_loop_t *loop, connection *self, const iocp_result_t *result)
{
    self->server->resets += result->status == IOCP_ECONNRESET;
    if (result->status != IOCP_OK && !self->server->is_quiet) {
        printf("connection ended: %s\n", iocp_error_text(result->status));
    }
    connection__close(loop, self);
}

static void connection__receive(iocp_loop_t *loop, connection *self);

static iocp_action_t IOCP_CALL on_sent(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    connection *self = arg;
    self->server->bytes += result->bytes;
    if (result->status == IOCP_OK) {
        connection__receive(loop, self);
    } else {
        connection__end(loop, self, result);
    }
    return IOCP_DISARM;
}

static iocp_action_t IOCP_CALL on_shut_down(iocp_loop_t *loop, const iocp_result_t *result,
                                            void *arg)
{
    connection__end(loop, arg, result);
    return IOCP_DISARM;
}

static void connection__send(iocp_loop_t *loop, connection *self, size_t size)
{
    int status = iocp_send(loop, self->handle, self->buffer, size, on_sent, self, NULL);
    if (!check(loop, status, "iocp_send")) {
        connection__close(loop, self);
    }
}

static void connection__shut_down(iocp_loop_t *loop, connection *self)
{
    int status = iocp_shutdown(loop, self->handle, IOCP_SHUTDOWN_SEND, on_shut_down, self, NULL);
    if (!check(loop, status, "iocp_shutdown")) {
        connection__close(loop, self);
    }
}

static iocp_action_t IOCP_CALL on_received(iocp_loop_t *loop, const iocp_result_t *result,
                                           void *arg)
{
    if (result->status == IOCP_OK) {
        connection__send(loop, arg, (size_t)result->bytes);
    } else if (result->status == IOCP_EOF) { /* the peer has sent all, and has got all back */
        connection__shut_down(loop, arg);
    } else {
        connection__end(loop, arg, result);
    }
    return IOCP_DISARM;
}

static void connection__receive(iocp_loop_t *loop, connection *self)
{
    int status = iocp_recv(loop, self->handle, self->buffer, BUFFER_BYTES, on_received, self, NULL);
    if (!check(loop, status, "iocp_recv")) {
        connection__close(loop, self);
    }
}

/* ---- Accepting ---- */

static void print_address(const char *before, const struct sockaddr *address, size_t length)
{
    char host[NI_MAXHOST] = "?";
    char port[NI_MAXSERV] = "?";
    (void)getnameinfo(address, (socklen_t)length, host, sizeof host, port, sizeof port,
                      NI_NUMERICHOST | NI_NUMERICSERV);
    printf(strchr(host, ':') != NULL ? "%s [%s]:%s\n" : "%s %s:%s\n", before, host, port);
    fflush(stdout);
}

static void server__connected(iocp_loop_t *loop, server *self, const iocp_result_t *result)
{
    connection *opened = malloc(sizeof *opened);
    if (opened == NULL) {
        fprintf(stderr, "no memory for another connection\n");
        check(loop, iocp_close(loop, result->opened, NULL, NULL, NULL), "iocp_close");
        return;
    }
    opened->server = self;
    opened->handle = result->opened;
    self->accepted++;
    if (!self->is_quiet) {
        print_address("connection from", result->address, result->address_length);
    }
    connection__receive(loop, opened);
}

static iocp_action_t IOCP_CALL on_accepted(iocp_loop_t *loop, const iocp_result_t *result,
                                           void *arg);

static void server__accept(iocp_loop_t *loop, server *self)
{
    int status = iocp_accept(loop, self->listener, on_accepted, self, NULL);
    self->has_failed |= !check(loop, status, "iocp_accept");
    self->accepts += status == IOCP_OK;
}

/*
 * How many accepts are to be pending? A rearmed one queues behind all that the busy connections do,
 * so while many clients come at once the last of them waits long, and the longer the fewer accepts
 * there are. A turn that brings many of them is a burst: double them. If one turn after the other
 * brings a single one, that is one too many. The loop's time stays as it is for a turn.
 */
static iocp_action_t server__rearm(iocp_loop_t *loop, server *self)
{
    unsigned came_before = self->accepts_came;
    bool is_first = self->turn_ns != iocp_loop_now(loop);
    self->turn_ns = iocp_loop_now(loop);
    self->accepts_came = is_first ? 1 : came_before + 1;
    if (is_first && came_before == 1 && self->accepts > ACCEPTS_PENDING) {
        self->accepts--;
        return IOCP_DISARM;
    }
    if (ACCEPTS_BURST * self->accepts_came >= self->accepts && self->accepts < ACCEPTS_MOST) {
        self->accepts_came = 0;
        for (unsigned more = self->accepts; more > 0; more--) {
            server__accept(loop, self);
        }
    }
    return IOCP_REARM;
}

static iocp_action_t IOCP_CALL on_pause_over(iocp_loop_t *loop, const iocp_result_t *result,
                                             void *arg)
{
    if (result->status == IOCP_OK) {
        server__accept(loop, arg);
    }
    return IOCP_DISARM;
}

static iocp_action_t IOCP_CALL on_accepted(iocp_loop_t *loop, const iocp_result_t *result,
                                           void *arg)
{
    if (result->status == IOCP_OK) {
        server__connected(loop, arg, result);
        return server__rearm(loop, arg);
    }
    server *self = arg;
    self->accepts--;
    if (result->status != IOCP_ECANCELED) {
        fprintf(stderr, "accept: %s\n", iocp_error_text(result->status));
    }
    if (result->status != IOCP_ECANCELED && self->accepts < ACCEPTS_PENDING) {
        /* Something may be short: do not try without a pause. */
        check(loop, iocp_timer(loop, 10 * MS, on_pause_over, self, NULL), "iocp_timer");
    }
    return IOCP_DISARM;
}

static bool server__listen(iocp_loop_t *loop, server *self, const char *host, const char *port)
{
    struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, port, &hints, &found) != 0) {
        fprintf(stderr, "%s, port %s: no such address\n", host, port);
        return false;
    }
    int status = iocp_socket_open(loop, found->ai_family, SOCK_STREAM, 0, &self->listener);
    if (status == IOCP_OK && found->ai_family == AF_INET6) { /* serve IPv4, too */
        status = iocp_socket_set_option(loop, self->listener, IOCP_SOCKET_V6ONLY, 0);
    }
    if (status == IOCP_OK) {
        status = iocp_socket_bind(loop, self->listener, found->ai_addr, found->ai_addrlen);
    }
    if (status == IOCP_OK) {
        status = iocp_socket_listen(loop, self->listener, 0);
    }
    freeaddrinfo(found);
    struct sockaddr_storage bound = {0};
    size_t length = sizeof bound;
    if (status == IOCP_OK) {
        status = iocp_socket_get_name(loop, self->listener, (struct sockaddr *)&bound, &length);
    }
    if (!check(loop, status, "listening")) {
        return false;
    }
    for (int i = 0; i < ACCEPTS_PENDING; i++) {
        server__accept(loop, self);
    }
    print_address("listening on", (struct sockaddr *)&bound, length);
    return !self->has_failed;
}

/* ---- The end ---- */

static iocp_action_t IOCP_CALL on_time_up(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    (void)result;
    (void)arg;
    check(loop, iocp_loop_stop(loop), "iocp_loop_stop");
    return IOCP_DISARM;
}

/*
 * Windows calls the console's handler at any time, on a thread of its own, and if the window was
 * closed or the user logs off it ends the program when the handler returns. So the handler stops
 * the loop and waits for main. The lock keeps the loop from going away under it.
 */
static struct console {
    SRWLOCK lock;
    iocp_loop_t *loop; /* NULL: it is being destroyed already */
    HANDLE ended;
} console = {.lock = SRWLOCK_INIT};

static BOOL WINAPI on_console_event(DWORD event)
{
    (void)event;
    AcquireSRWLockShared(&console.lock);
    int status = console.loop != NULL ? iocp_loop_stop(console.loop) : IOCP_OK;
    ReleaseSRWLockShared(&console.lock);
    if (status == IOCP_OK) {
        WaitForSingleObject(console.ended, CONSOLE_LIMIT_MS);
    }
    return status == IOCP_OK; /* FALSE: Windows ends the program its own way */
}

static bool console__open(iocp_loop_t *loop)
{
    console.loop = loop;
    console.ended = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (console.ended == NULL || !SetConsoleCtrlHandler(on_console_event, TRUE)) {
        fprintf(stderr, "no console handler: code %lu\n", (unsigned long)GetLastError());
        return false;
    }
    return true;
}

static void console__close(void)
{
    AcquireSRWLockExclusive(&console.lock);
    console.loop = NULL;
    ReleaseSRWLockExclusive(&console.lock);
}

static void IOCP_CALL print_pending(const iocp_dump_entry_t *entry, void *arg)
{
    ++*(unsigned *)arg;
    printf("pending: %s, %s, for %llu ms\n", entry->type_name,
           entry->in_kernel ? "in the kernel" : "in the loop",
           (unsigned long long)(entry->age_ns / MS));
}

static bool server__run(server *self, const char *host, const char *port, unsigned long seconds)
{
    iocp_loop_t *loop = NULL;
    int status = iocp_loop_create(NULL, &loop);
    if (status != IOCP_OK) {
        fprintf(stderr, "iocp_loop_create: %s\n", iocp_error_text(status));
        return false;
    }
    bool is_good = console__open(loop) && server__listen(loop, self, host, port);
    if (is_good && seconds > 0) {
        status = iocp_timer(loop, seconds * 1000 * MS, on_time_up, NULL, NULL);
        is_good = check(loop, status, "iocp_timer");
    }
    if (is_good) {
        is_good = check(loop, iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), "iocp_loop_run");
    }
    console__close();
    unsigned pending = 0;
    if (!check(loop, iocp_loop_destroy(loop, DESTROY_LIMIT_NS), "iocp_loop_destroy")) {
        is_good = false; /* and the loop is still there to be asked */
        check(loop, iocp_loop_dump(loop, print_pending, &pending), "iocp_loop_dump");
    }
    printf("connections: %llu, bytes: %llu, resets: %llu, pending: %u\n", self->accepted,
           self->bytes, self->resets, pending);
    fflush(stdout);
    return is_good && !self->has_failed;
}

int main(int argc, char **argv)
{
    const char *host = "127.0.0.1";
    const char *port = "7000";
    unsigned long seconds = 0;
    server self = {.accepted = 0};
    for (int i = 1; i < argc; i++) {
        bool has_value = i + 1 < argc;
        if (strcmp(argv[i], "--quiet") == 0) {
            self.is_quiet = true;
        } else if (strcmp(argv[i], "--address") == 0 && has_value) {
            host = argv[++i];
        } else if (strcmp(argv[i], "--port") == 0 && has_value) {
            port = argv[++i];
        } else if (strcmp(argv[i], "--seconds") == 0 && has_value) {
            seconds = strtoul(argv[++i], NULL, 10);
        } else {
            fputs("usage: echo_server [--address A] [--port P] [--seconds N] [--quiet]\n", stderr);
            return 2;
        }
    }
    bool is_good = server__run(&self, host, port, seconds);
    if (console.ended != NULL) {
        SetEvent(console.ended);
    }
    return is_good ? 0 : 1;
}
