/*
 * A TCP echo server: sends every byte back to where it came from.
 *
 *   echo_server [--address A] [--port P] [--seconds N]
 *
 * Port 0 picks a free one; the address :: serves IPv4, too. It ends on Ctrl-C, when its window is
 * closed, or when the time is up, and tells what was done. 0: nothing went wrong.
 *
 * A connection has one buffer and one operation at a time: receive, send all of it, receive. Whatever
 * ends that, also the loop's end, closes it, and the callback of the close, which comes last, frees it.
 */
#include <iocploop.h>

#include <winsock2.h>
#include <ws2tcpip.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACCEPTS_PENDING 16 /* at least, each rearmed as it ends */
#define ACCEPTS_MOST    1024
#define ACCEPTS_BURST   4 /* a turn that brings one in so many of those that are pending */
#define BUFFER_BYTES    65536
#define SECOND_NS       UINT64_C(1000000000)

typedef struct server {
    iocp_handle_t listener;
    bool has_failed;
    unsigned accepts;      /* pending, or in their callbacks */
    unsigned accepts_came; /* in this turn */
    uint64_t turn_ns;
    unsigned long long accepted, bytes, resets;
} server;

typedef struct connection {
    server *server;
    iocp_handle_t handle;
    char buffer[BUFFER_BYTES];
} connection;

/* Whether a call went well; if not, says so. */
static bool check(server *self, int status, const char *what)
{
    if (status != IOCP_OK) {
        fprintf(stderr, "%s: %s (%s)\n", what, iocp_error_text(status), iocp_error_name(status));
        self->has_failed = true;
    }
    return status == IOCP_OK;
}

static iocp_action_t IOCP_CALL on_closed(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    (void)loop;
    (void)result;
    free(arg);
    return IOCP_DISARM;
}

/* What has ended says what is next: behind an accept and a send it is a receive. */
static iocp_action_t IOCP_CALL on_done(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    connection *self = arg;
    int status = result->status; /* IOCP_EOF: all that the peer has sent it has got back */
    if (status == IOCP_OK && result->type == IOCP_TYPE_RECV) {
        status =
            iocp_send(loop, self->handle, self->buffer, (size_t)result->bytes, on_done, self, NULL);
    } else if (status == IOCP_OK) {
        self->server->bytes += result->bytes;
        status = iocp_recv(loop, self->handle, self->buffer, BUFFER_BYTES, on_done, self, NULL);
    }
    if (status != IOCP_OK) {
        self->server->resets += status == IOCP_ECONNRESET;
        check(self->server, iocp_close(loop, self->handle, on_closed, self, NULL), "close");
    }
    return IOCP_DISARM;
}

static iocp_action_t IOCP_CALL on_accepted(iocp_loop_t *loop, const iocp_result_t *result,
                                           void *arg);

static bool server__accept(iocp_loop_t *loop, server *self, unsigned more)
{
    while (more > 0 &&
           check(self, iocp_accept(loop, self->listener, on_accepted, self, NULL), "accept")) {
        self->accepts++;
        more--;
    }
    return more == 0;
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
        server__accept(loop, self, self->accepts);
    }
    return IOCP_REARM;
}

static iocp_action_t IOCP_CALL on_accepted(iocp_loop_t *loop, const iocp_result_t *result,
                                           void *arg)
{
    server *self = arg;
    if (result->status != IOCP_OK) {
        return IOCP_REARM; /* something is short: the loop tries again after a pause */
    }
    connection *opened = malloc(sizeof *opened);
    if (opened == NULL) {
        check(self, iocp_close(loop, result->opened, NULL, NULL, NULL), "close");
        return IOCP_REARM;
    }
    opened->server = self;
    opened->handle = result->opened;
    self->accepted++;
    on_done(loop, result, opened);
    return server__rearm(loop, self);
}

static bool server__listen(iocp_loop_t *loop, server *self, const struct addrinfo *at)
{
    struct sockaddr_in6 name = {0}; /* one of IPv4 has its port in the same place */
    size_t size = sizeof name;
    iocp_handle_t *own = &self->listener;
    return check(self, iocp_socket_open(loop, at->ai_family, SOCK_STREAM, 0, own), "open") &&
           (at->ai_family != AF_INET6 || /* serve IPv4, too */
            check(self, iocp_socket_set_option(loop, *own, IOCP_SOCKET_V6ONLY, 0), "IPv4")) &&
           check(self, iocp_socket_bind(loop, *own, at->ai_addr, at->ai_addrlen), "bind") &&
           check(self, iocp_socket_listen(loop, *own, 0), "listen") &&
           check(self, iocp_socket_get_name(loop, *own, (struct sockaddr *)&name, &size), "name") &&
           server__accept(loop, self, ACCEPTS_PENDING) &&
           printf("listening on port %u\n", ntohs(name.sin6_port)) > 0 && fflush(stdout) == 0;
}

/* The console, or its watch's deadline. Windows waits until main has returned. */
static iocp_action_t IOCP_CALL on_end(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    (void)result;
    check(arg, iocp_loop_stop(loop), "stop");
    return IOCP_DISARM;
}

/* The watch is started before anybody is told that the server is there. */
static void server__run(iocp_loop_t *loop, server *self, const char *options[])
{
    const struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM};
    struct addrinfo *at = NULL;
    uint64_t limit_ns = strtoul(options[2], NULL, 10) * SECOND_NS;
    iocp_op_t watch;
    if (getaddrinfo(options[0], options[1], &hints, &at) != 0) {
        check(self, IOCP_ENONAME, options[0]);
        return;
    }
    if (check(self, iocp_console_watch(loop, on_end, self, &watch), "console") &&
        (limit_ns == 0 || check(self, iocp_op_deadline(loop, watch, limit_ns), "deadline")) &&
        check(self, iocp_loop_submit(loop), "submit") && server__listen(loop, self, at)) {
        check(self, iocp_loop_run(loop, IOCP_RUN_UNTIL_STOPPED), "run");
    }
    freeaddrinfo(at);
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"--address", "--port", "--seconds"};
    const char *options[] = {"127.0.0.1", "7000", "0"};
    server self = {.accepts = 0};
    iocp_loop_t *loop = NULL;
    for (int i = 1; i < argc; i += 2) {
        int k = 0;
        for (; k < 3 && strcmp(argv[i], names[k]) != 0; k++) {}
        if (k == 3 || argv[i + 1] == NULL) {
            fputs("usage: echo_server [--address A] [--port P] [--seconds N]\n", stderr);
            return 2;
        }
        options[k] = argv[i + 1];
    }
    if (check(&self, iocp_loop_create(NULL, &loop), "loop")) {
        server__run(loop, &self, options); /* Windows gives it five seconds to end */
        check(&self, iocp_loop_destroy(loop, 4 * SECOND_NS), "destroy");
    }
    printf("connections: %llu, bytes: %llu, resets: %llu\n", self.accepted, self.bytes,
           self.resets);
    return self.has_failed ? 1 : 0;
}
