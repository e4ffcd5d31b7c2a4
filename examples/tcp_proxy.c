/*
 * A TCP proxy: what connects to it is connected with a service of a host.
 *
 *   tcp_proxy ADDRESS:PORT HOST SERVICE [SECONDS]
 *
 * Port 0 picks a free one; HOST "" is this machine. The host is looked up for each connection, and its
 * addresses are tried as in RFC 8305 (happy eyeballs): the families in turn, the next address at once
 * when one fails, or 250 ms after the last was begun. The first that answers has it.
 *
 * Each way has one block and one operation at a time: receive -> send -> receive, and at its end a
 * shutdown. So nothing is read ahead of what the other side takes, and who has said all still gets the
 * answer. What goes wrong is told to both sides by a reset, never by an end that looks like a good one.
 *
 * Ctrl-C, or closing the window: no new connections, and those that there are have SECONDS (3) to come
 * to their end. 0: nothing went wrong.
 */
#include <iocploop.h>

#include <winsock2.h>
#include <ws2tcpip.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define ACCEPTS_PENDING  16
#define ATTEMPTS_MAX     16
#define BLOCK_BYTES      16384
#define SECOND_NS        UINT64_C(1000000000)
#define ATTEMPT_DELAY_NS (SECOND_NS / 4)   /* RFC 8305, 5 */
#define CONNECT_LIMIT_NS (10 * SECOND_NS)  /* for the name, and again after the last attempt */
#define IDLE_LIMIT_NS    (600 * SECOND_NS) /* in which nothing moves, either way */

typedef struct proxy {
    const char *host; /* NULL: this machine */
    const char *service;
    iocp_handle_t listener;
    uint64_t end_limit_ns;
    bool is_ending, has_failed;
    unsigned open, cut_off;
    unsigned long long connections, bytes[2]; /* to the host, and back */
} proxy;

typedef struct attempt {
    struct session *session;
    iocp_handle_t socket; /* {0}: closed, or the one that has won */
} attempt;

typedef struct way {
    struct session *session;
    char block[BLOCK_BYTES];
} way;

/* A client, and what it is connected with. */
typedef struct session {
    proxy *proxy;
    unsigned pending;      /* operations that will call back: the last one frees it */
    iocp_handle_t ends[2]; /* the client's, the host's */
    iocp_op_t resolve;
    iocp_op_t timer; /* the next attempt; the end of our patience; then, whether anything moves */
    iocp_address_t *addresses;
    const iocp_address_t *next[2]; /* to be tried: of the first one's family, of the other */
    attempt attempts[ATTEMPTS_MAX];
    unsigned begun, running; /* attempts */
    bool is_connected, has_moved, is_over;
    unsigned ways_over;
    way ways[2]; /* from the end of the same number to the other */
} session;

/* Whether a call went well; if not, says so. A loop that ends refuses all calls. */
static bool check(proxy *self, int status, const char *what)
{
    if (status != IOCP_OK && status != IOCP_ECLOSING) {
        fprintf(stderr, "%s: %s (%s)\n", what, iocp_error_text(status), iocp_error_name(status));
        self->has_failed = true;
    }
    return status == IOCP_OK;
}

/* ---- The end of a session ---- */

/* The last thing that a callback does. */
static iocp_action_t session__done(iocp_loop_t *loop, session *self)
{
    if (--self->pending == 0) {
        self->proxy->open--;
        iocp_addresses_free(loop, self->addresses);
        free(self);
    }
    return IOCP_DISARM;
}

static iocp_action_t IOCP_CALL on_closed(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    (void)result;
    return session__done(loop, arg);
}

static void session__close(iocp_loop_t *loop, session *self, iocp_handle_t *handle)
{
    if (handle->id != 0 && iocp_close(loop, *handle, on_closed, self, NULL) == IOCP_OK) {
        self->pending++;
    }
    handle->id = 0;
}

static void session__close_attempts(iocp_loop_t *loop, session *self)
{
    for (unsigned i = 0; i < self->begun; i++) {
        session__close(loop, self, &self->attempts[i].socket);
    }
}

static void session__end(iocp_loop_t *loop, session *self, int status)
{
    if (self->is_over) {
        return;
    }
    self->is_over = true;
    if (!self->is_connected && status != IOCP_ECANCELED && status != IOCP_ECLOSING) {
        fprintf(stderr, "%s: %s (%s)\n", self->proxy->host != NULL ? self->proxy->host : "here",
                iocp_error_text(status), iocp_error_name(status));
    }
    session__close(loop, self, &self->ends[0]);
    session__close(loop, self, &self->ends[1]);
    session__close_attempts(loop, self);
    (void)iocp_cancel(loop, self->resolve, NULL, NULL, NULL); /* which may have ended */
    (void)iocp_cancel(loop, self->timer, NULL, NULL, NULL);
}

/* Each operation of a session is begun as this function's argument. */
static void session__begun(iocp_loop_t *loop, session *self, int status)
{
    if (status == IOCP_OK) {
        self->pending++;
    } else {
        session__end(loop, self, status);
    }
}

/* A close is a reset, also that of iocp_loop_destroy, until we say otherwise. (Where the peer has reset
 * it there may be no options any more: the next operation tells.) */
static void socket__prepare(iocp_loop_t *loop, iocp_handle_t socket)
{
    (void)iocp_socket_set_option(loop, socket, IOCP_SOCKET_LINGER, 0);
    (void)iocp_socket_set_option(loop, socket, IOCP_SOCKET_NODELAY, 1);
}

/* ---- Passing on ---- */

static iocp_action_t IOCP_CALL on_moved(iocp_loop_t *loop, const iocp_result_t *result, void *arg);

static void way__receive(iocp_loop_t *loop, way *self)
{
    session *of = self->session;
    iocp_handle_t from = of->ends[self - of->ways];
    session__begun(loop, of, iocp_recv(loop, from, self->block, BLOCK_BYTES, on_moved, self, NULL));
}

/* What has ended says what is next. */
static iocp_action_t IOCP_CALL on_moved(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    way *self = arg;
    session *of = self->session;
    ptrdiff_t which = self - of->ways;
    iocp_handle_t to = of->ends[1 - which];
    size_t bytes = (size_t)result->bytes;
    of->has_moved = true;
    if (result->status == IOCP_EOF) {
        session__begun(loop, of, iocp_shutdown(loop, to, IOCP_SHUTDOWN_SEND, on_moved, self, NULL));
    } else if (result->status != IOCP_OK) {
        session__end(loop, of, result->status);
    } else if (result->type == IOCP_TYPE_RECV) {
        session__begun(loop, of, iocp_send(loop, to, self->block, bytes, on_moved, self, NULL));
    } else if (result->type == IOCP_TYPE_SEND) {
        of->proxy->bytes[which] += bytes;
        way__receive(loop, self);
    } else if (++of->ways_over == 2) {
        (void)iocp_socket_set_option(loop, of->ends[0], IOCP_SOCKET_LINGER, -1);
        (void)iocp_socket_set_option(loop, of->ends[1], IOCP_SOCKET_LINGER, -1);
        session__end(loop, of, IOCP_OK);
    }
    return session__done(loop, of);
}

static void session__connected(iocp_loop_t *loop, session *self, attempt *winner)
{
    self->is_connected = self->has_moved = true;
    self->ends[1] = winner->socket;
    winner->socket.id = 0;
    session__close_attempts(loop, self);
    (void)iocp_timer_reset(loop, self->timer, IDLE_LIMIT_NS); /* or it is due, and sets itself */
    for (int i = 0; i < 2; i++) {
        self->ways[i].session = self;
        way__receive(loop, &self->ways[i]);
    }
}

/* ---- Connecting ---- */

static const iocp_address_t *address__of_family(const iocp_address_t *from, int family)
{
    for (; from != NULL && from->address->sa_family != family; from = from->next) {}
    return from;
}

static bool session__has_next(const session *self)
{
    return self->begun < ATTEMPTS_MAX && (self->next[0] != NULL || self->next[1] != NULL);
}

/* The families in turn, while there are two: RFC 8305, 4. */
static const iocp_address_t *session__next(session *self)
{
    const iocp_address_t **place = &self->next[self->begun % 2];
    place = *place != NULL ? place : &self->next[(self->begun + 1) % 2];
    const iocp_address_t *found = *place;
    *place = address__of_family(found->next, found->address->sa_family);
    return found;
}

/* All attempts are begun by the timer. If it is due already, that is just as well. */
static void attempt__failed(iocp_loop_t *loop, attempt *self, int status)
{
    session *of = self->session;
    session__close(loop, of, &self->socket);
    if (session__has_next(of)) {
        (void)iocp_timer_reset(loop, of->timer, 0);
    } else if (of->running == 0) {
        session__end(loop, of, status);
    }
}

static iocp_action_t IOCP_CALL on_connected(iocp_loop_t *loop, const iocp_result_t *result,
                                            void *arg)
{
    attempt *self = arg;
    session *of = self->session;
    bool is_late = of->is_over || of->is_connected; /* its socket is closing */
    of->running--;
    if (!is_late && result->status == IOCP_OK) {
        session__connected(loop, of, self);
    } else if (!is_late) {
        attempt__failed(loop, self, result->status);
    }
    return session__done(loop, of);
}

static void session__attempt(iocp_loop_t *loop, session *self)
{
    const iocp_address_t *to = session__next(self);
    attempt *own = &self->attempts[self->begun++];
    own->session = self;
    (void)iocp_timer_reset(loop, self->timer,
                           session__has_next(self) ? ATTEMPT_DELAY_NS : CONNECT_LIMIT_NS);
    int status = iocp_socket_open(loop, to->address->sa_family, SOCK_STREAM, 0, &own->socket);
    if (status == IOCP_OK) {
        socket__prepare(loop, own->socket);
        status = iocp_connect(loop, own->socket, to->address, to->address_length, on_connected, own,
                              NULL);
    }
    if (status == IOCP_OK) {
        self->pending++;
        self->running++;
    } else {
        attempt__failed(loop, own, status);
    }
}

static iocp_action_t IOCP_CALL on_timer(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    session *self = arg;
    if (result->status != IOCP_OK || self->is_over) {
        session__end(loop, self, result->status);
    } else if (self->is_connected && self->has_moved) {
        self->has_moved = false;
        (void)iocp_timer_reset(loop, self->timer, IDLE_LIMIT_NS);
    } else if (!self->is_connected && session__has_next(self)) {
        session__attempt(loop, self);
    } else {
        session__end(loop, self, IOCP_ETIMEDOUT);
    }
    return self->is_over ? session__done(loop, self) : IOCP_REARM;
}

static iocp_action_t IOCP_CALL on_resolved(iocp_loop_t *loop, const iocp_result_t *result,
                                           void *arg)
{
    session *self = arg;
    int status = self->is_over ? IOCP_ECANCELED : result->status;
    if (status == IOCP_OK) {
        status = iocp_addresses_copy(loop, result->addresses, &self->addresses);
    }
    if (status == IOCP_OK) {
        int family = self->addresses->address->sa_family;
        self->next[0] = self->addresses;
        self->next[1] = address__of_family(self->addresses, family == AF_INET ? AF_INET6 : AF_INET);
        (void)iocp_timer_reset(loop, self->timer, 0);
    } else {
        session__end(loop, self, status);
    }
    return session__done(loop, self);
}

/* ---- The proxy ---- */

static void session__open(iocp_loop_t *loop, session *self, proxy *by, iocp_handle_t client)
{
    self->proxy = by;
    self->pending = 1; /* this call */
    self->ends[0] = client;
    by->open++;
    by->connections++;
    socket__prepare(loop, client);
    session__begun(loop, self, iocp_timer(loop, CONNECT_LIMIT_NS, on_timer, self, &self->timer));
    int status = iocp_resolve(loop, by->host, by->service, NULL, on_resolved, self, &self->resolve);
    session__begun(loop, self, status);
    session__done(loop, self);
}

static iocp_action_t IOCP_CALL on_accepted(iocp_loop_t *loop, const iocp_result_t *result,
                                           void *arg)
{
    proxy *self = arg;
    if (result->status != IOCP_OK) { /* something is short: the loop tries again after a pause */
        return self->is_ending ? IOCP_DISARM : IOCP_REARM;
    }
    session *opened = self->is_ending ? NULL : calloc(1, sizeof *opened);
    if (opened != NULL) {
        session__open(loop, opened, self, result->opened);
    } else {
        check(self, iocp_close(loop, result->opened, NULL, NULL, NULL), "close");
    }
    return IOCP_REARM;
}

/* Windows waits until main has returned. The run ends with the last connection, or by the limit. */
static iocp_action_t IOCP_CALL on_console(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    proxy *self = arg;
    iocp_op_t limit;
    if (result->status != IOCP_OK || self->is_ending) { /* this is the limit */
        self->cut_off = result->status == IOCP_OK ? self->open : 0;
        check(self, result->status == IOCP_OK ? iocp_loop_stop(loop) : IOCP_OK, "stop");
        return IOCP_DISARM;
    }
    self->is_ending = true;
    check(self, iocp_close(loop, self->listener, NULL, NULL, NULL), "close");
    if (check(self, iocp_timer(loop, self->end_limit_ns, on_console, self, &limit), "timer")) {
        check(self, iocp_op_unref(loop, limit), "unref");
    }
    return IOCP_DISARM;
}

static bool proxy__listen(iocp_loop_t *loop, proxy *self, const char *where)
{
    struct sockaddr_storage address;
    struct sockaddr *at = (struct sockaddr *)&address;
    size_t length = sizeof address, room = sizeof address;
    char text[IOCP_ADDRESS_TEXT_BYTES];
    iocp_op_t watch;
    bool is_good =
        check(self, iocp_address_parse(where, 8000, at, &length), where) &&
        check(self, iocp_socket_open(loop, at->sa_family, SOCK_STREAM, 0, &self->listener),
              "open") &&
        check(self, iocp_socket_bind(loop, self->listener, at, length), where) &&
        check(self, iocp_socket_listen(loop, self->listener, 0), "listen") &&
        check(self, iocp_socket_get_name(loop, self->listener, at, &room), "name") &&
        check(self, iocp_address_format(at, room, text, sizeof text), "name") &&
        check(self, iocp_console_watch(loop, on_console, self, &watch), "console") &&
        check(self, iocp_op_unref(loop, watch), "console");
    for (int i = 0; is_good && i < ACCEPTS_PENDING; i++) {
        is_good = check(self, iocp_accept(loop, self->listener, on_accepted, self, NULL), "accept");
    }
    return is_good && check(self, iocp_loop_submit(loop), "submit") &&
           printf("listening on %s\n", text) > 0 && fflush(stdout) == 0;
}

int main(int argc, char **argv)
{
    iocp_loop_t *loop = NULL;
    if (argc < 4 || argc > 5) {
        fputs("usage: tcp_proxy ADDRESS:PORT HOST SERVICE [SECONDS]\n", stderr);
        return 2;
    }
    proxy self = {.host = argv[2][0] != '\0' ? argv[2] : NULL,
                  .service = argv[3],
                  .end_limit_ns = (argc > 4 ? strtoul(argv[4], NULL, 10) : 3) * SECOND_NS};
    if (check(&self, iocp_loop_create(NULL, &loop), "loop")) {
        if (proxy__listen(loop, &self, argv[1])) {
            check(&self, iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), "run");
        }
        check(&self, iocp_loop_destroy(loop, SECOND_NS), "destroy");
    }
    printf("connections: %llu, bytes: %llu to the host, %llu back, cut off: %u\n", self.connections,
           self.bytes[0], self.bytes[1], self.cut_off);
    return self.has_failed ? 1 : 0;
}
