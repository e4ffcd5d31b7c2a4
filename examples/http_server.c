/*
 * Serves the files of a folder over HTTP/1.1: GET and HEAD, keep-alive and pipelining, one range,
 * conditions (ETag, Last-Modified), limits of time and size.
 *
 *   http_server FOLDER [ADDRESS:PORT [sendfile]]
 *
 * Port 0 picks a free one. "sendfile" has Windows itself send the files, which is for its server
 * editions: the others do that for two at a time. Ctrl-C, or closing the window, ends it in order: no
 * new connections, idle ones are closed, answers that are under way go out, for at most END_LIMIT_NS.
 * 0: nothing went wrong. What a request says is http_request.c's to find out.
 *
 * A connection has one operation at a time: receive -> open -> send -> receive, and at its end one close,
 * whose callback comes last and frees it. What was received behind a request is the next one.
 */
#include "http_request.h"

#include <iocploop.h>

#include <winsock2.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ACCEPTS_PENDING 64
#define BLOCK_BYTES     16384
#define SECOND_NS       UINT64_C(1000000000)
#define IDLE_LIMIT_NS   (30 * SECOND_NS)  /* until a request is there, also for who trickles it */
#define SEND_LIMIT_NS   (600 * SECOND_NS) /* for an answer, whose reader may be slow */
#define LINGER_LIMIT_NS (2 * SECOND_NS)
#define END_LIMIT_NS    (4 * SECOND_NS)

typedef struct server {
    const char *folder;
    iocp_handle_t listener;
    struct connection *connections;
    bool sends_files, is_ending, has_failed;
    unsigned long long requests;
} server;

typedef struct connection {
    server *server;
    struct connection *next, *previous;
    iocp_handle_t handle;
    iocp_handle_t file; /* of the answer, or {0} */
    iocp_op_t receive;
    uint64_t until_ns;     /* when the request has to be there */
    uint64_t offset, left; /* of the file, where it is read and sent */
    bool is_idle;          /* waits for the first byte of a request */
    bool is_last;          /* no other request is answered */
    size_t used;           /* bytes of buffer */
    size_t request;        /* of these, the request that is being answered */
    http_request asked;
    char head[768]; /* of the answer, and what it says where it is no file */
    char buffer[HTTP_HEAD_BYTES + 1];
    char block[BLOCK_BYTES];
} connection;

/* Whether a call went well; if not, says so. A loop that ends refuses all calls. */
static bool check(server *self, int status, const char *what)
{
    if (status != IOCP_OK && status != IOCP_ECLOSING) {
        fprintf(stderr, "%s: %s (%s)\n", what, iocp_error_text(status), iocp_error_name(status));
        self->has_failed = true;
    }
    return status == IOCP_OK;
}

/* ---- The end of a connection ---- */

static iocp_action_t IOCP_CALL on_closed(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    connection *self = arg;
    (void)loop;
    (void)result;
    if (self->next != NULL) {
        self->next->previous = self->previous;
    }
    *(self->previous != NULL ? &self->previous->next : &self->server->connections) = self->next;
    free(self);
    return IOCP_DISARM;
}

static void connection__end_answer(iocp_loop_t *loop, connection *self)
{
    if (self->file.id != 0) {
        check(self->server, iocp_close(loop, self->file, NULL, NULL, NULL), "close");
        self->file.id = 0;
    }
}

static void connection__close(iocp_loop_t *loop, connection *self)
{
    connection__end_answer(loop, self);
    check(self->server, iocp_close(loop, self->handle, on_closed, self, NULL), "close");
}

/*
 * Behind the last answer: what the client still sends is read and forgotten, for a while. To close with
 * that unread would be a reset, and the answer may get lost.
 */
static iocp_action_t IOCP_CALL on_lingered(iocp_loop_t *loop, const iocp_result_t *result,
                                           void *arg)
{
    connection *self = arg;
    iocp_op_t op;
    if (result->status == IOCP_OK && result->type == IOCP_TYPE_RECV) {
        return IOCP_REARM;
    }
    if (result->status == IOCP_OK && iocp_recv(loop, self->handle, self->buffer, HTTP_HEAD_BYTES,
                                               on_lingered, self, &op) == IOCP_OK) {
        check(self->server, iocp_op_deadline(loop, op, LINGER_LIMIT_NS), "deadline");
    } else {
        connection__close(loop, self);
    }
    return IOCP_DISARM;
}

/* ---- Answers ---- */

static void connection__next(iocp_loop_t *loop, connection *self);

static void connection__answered(iocp_loop_t *loop, connection *self)
{
    connection__end_answer(loop, self);
    self->used -= self->request;
    memmove(self->buffer, self->buffer + self->request, self->used);
    if (!self->is_last && !self->server->is_ending) {
        connection__next(loop, self);
    } else if (iocp_shutdown(loop, self->handle, IOCP_SHUTDOWN_SEND, on_lingered, self, NULL) !=
               IOCP_OK) {
        connection__close(loop, self);
    }
}

/* What has ended says what is next: read a block, send it, until nothing is left. */
static iocp_action_t IOCP_CALL on_moved(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    connection *self = arg;
    iocp_op_t op = {0};
    int status = result->status;
    if (status == IOCP_OK && result->type == IOCP_TYPE_PREAD) {
        self->offset += result->bytes;
        self->left -= result->bytes;
        status =
            iocp_send(loop, self->handle, self->block, (size_t)result->bytes, on_moved, self, &op);
    } else if (status == IOCP_OK && self->left > 0) {
        size_t size = self->left < BLOCK_BYTES ? (size_t)self->left : BLOCK_BYTES;
        status = iocp_pread(loop, self->file, self->block, size, self->offset, on_moved, self, &op);
    } else if (status == IOCP_OK) {
        connection__answered(loop, self);
        return IOCP_DISARM;
    }
    if (status != IOCP_OK) { /* a reset, the limit, or a file that has become shorter */
        connection__close(loop, self);
    } else {
        check(self->server, iocp_op_deadline(loop, op, SEND_LIMIT_NS), "deadline");
    }
    return IOCP_DISARM;
}

/* The head, and behind it `bytes` of the file from `offset`. */
static void connection__send(iocp_loop_t *loop, connection *self, size_t head_bytes,
                             uint64_t offset, uint64_t bytes)
{
    iocp_buf_t head = {.length = (uint32_t)head_bytes, .base = self->head};
    iocp_op_t op;
    int status = IOCP_OK;
    self->offset = offset;
    self->left = bytes;
    if (bytes > 0 && self->server->sends_files) {
        self->left = 0;
        status = iocp_sendfile(loop, self->handle, self->file, offset, bytes, &head, NULL, on_moved,
                               self, &op);
    } else {
        status = iocp_sendv(loop, self->handle, &head, 1, on_moved, self, &op);
    }
    if (status == IOCP_OK) {
        check(self->server, iocp_op_deadline(loop, op, SEND_LIMIT_NS), "deadline");
    } else {
        connection__close(loop, self);
    }
}

/* `fields` are lines, each with its end. Where there is nothing of a file, `text` is the body. */
static void connection__answer(iocp_loop_t *loop, connection *self, const char *status,
                               const char *fields, uint64_t offset, uint64_t length,
                               const char *text)
{
    bool is_end = self->is_last || self->server->is_ending;
    int bytes = snprintf(self->head, sizeof self->head,
                         "HTTP/1.1 %s\r\n%sContent-Length: %llu\r\nConnection: %s\r\n\r\n%s",
                         status, fields, (unsigned long long)length,
                         is_end ? "close" : "keep-alive", text != NULL ? text : "");
    self->server->requests++;
    connection__send(loop, self, (size_t)bytes, offset, text == NULL ? length : 0);
}

/* One that is no request, or one for nothing: its status is its body. */
static void connection__refuse(iocp_loop_t *loop, connection *self, const char *status,
                               bool is_head)
{
    bool is_method = strncmp(status, "405", 3) == 0;
    connection__answer(loop, self, status,
                       is_method ? "Allow: GET, HEAD\r\nContent-Type: text/plain\r\n"
                                 : "Content-Type: text/plain\r\n",
                       0, strlen(status), is_head ? "" : status);
}

/* ---- Files ---- */

static void entity__read(const iocp_file_info_t *info, http_entity *own)
{
    time_t seconds = info->written_ns > 0 ? (time_t)(info->written_ns / INT64_C(1000000000)) : 0;
    own->size = info->size;
    snprintf(own->tag, sizeof own->tag, "\"%llx-%llx\"", (unsigned long long)own->size,
             (unsigned long long)info->written_ns / 100);
    strftime(own->modified, sizeof own->modified, "%a, %d %b %Y %H:%M:%S GMT", gmtime(&seconds));
}

static iocp_action_t IOCP_CALL on_opened(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    connection *self = arg;
    http_entity own;
    http_answer answer;
    self->file = result->opened;
    if (result->status == IOCP_OK) {
        entity__read(result->info, &own);
        http_answer_with(&answer, &self->asked, &own);
        connection__answer(loop, self, answer.status, answer.fields, answer.first, answer.length,
                           answer.has_body ? NULL : "");
    } else {
        connection__refuse(loop, self, "404 Not Found", self->asked.is_head);
    }
    return IOCP_DISARM;
}

static void connection__serve(iocp_loop_t *loop, connection *self)
{
    char path[2 * HTTP_PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", self->server->folder, self->asked.path);
    if (iocp_open(loop, path, IOCP_FILE_READ | IOCP_FILE_SEQUENTIAL, on_opened, self, NULL) !=
        IOCP_OK) {
        connection__refuse(loop, self, "404 Not Found", self->asked.is_head);
    }
}

/* ---- Requests ---- */

/* Whether there is a request to answer, or none that can be. */
static bool connection__try(iocp_loop_t *loop, connection *self)
{
    self->asked = (http_request){.path = ""};
    self->buffer[self->used] = '\0';
    const char *end = strstr(self->buffer, "\r\n\r\n");
    if (end == NULL && self->used < HTTP_HEAD_BYTES) {
        return false;
    }
    self->request = end != NULL ? (size_t)(end + 4 - self->buffer) : self->used;
    const char *refusal = end != NULL ? http_request_parse(&self->asked, self->buffer)
                          : strstr(self->buffer, "\r\n") == NULL
                              ? "414 URI Too Long"
                              : "431 Request Header Fields Too Large";
    /* Behind what is no request nobody knows where the next one begins. */
    self->is_last = self->asked.is_last || (refusal != NULL && strncmp(refusal, "404", 3) != 0);
    if (refusal != NULL) {
        connection__refuse(loop, self, refusal, self->asked.is_head);
    } else {
        connection__serve(loop, self);
    }
    return true;
}

static iocp_action_t IOCP_CALL on_received(iocp_loop_t *loop, const iocp_result_t *result,
                                           void *arg)
{
    connection *self = arg;
    if (result->status != IOCP_OK) { /* the end, a reset, the limit, or we are ending */
        connection__close(loop, self);
        return IOCP_DISARM;
    }
    self->used += (size_t)result->bytes;
    self->is_idle = false;
    if (connection__try(loop, self)) {
        return IOCP_DISARM;
    }
    /* On with the rest, in what is left of the time: who trickles it does not get that anew. */
    uint64_t now_ns = iocp_loop_now(loop);
    iocp_op_deadline(loop, result->op, self->until_ns > now_ns ? self->until_ns - now_ns : 0);
    iocp_op_set_buffer(loop, result->op, self->buffer + self->used, HTTP_HEAD_BYTES - self->used);
    return IOCP_REARM;
}

static void connection__next(iocp_loop_t *loop, connection *self)
{
    if (connection__try(loop, self)) { /* it came with the last one */
        return;
    }
    self->is_idle = self->used == 0;
    self->until_ns = iocp_loop_now(loop) + IDLE_LIMIT_NS;
    if (iocp_recv(loop, self->handle, self->buffer + self->used, HTTP_HEAD_BYTES - self->used,
                  on_received, self, &self->receive) != IOCP_OK) {
        connection__close(loop, self);
    } else {
        check(self->server, iocp_op_deadline(loop, self->receive, IDLE_LIMIT_NS), "deadline");
    }
}

/* ---- The server ---- */

static iocp_action_t IOCP_CALL on_accepted(iocp_loop_t *loop, const iocp_result_t *result,
                                           void *arg)
{
    server *self = arg;
    if (result->status != IOCP_OK) { /* something is short: the loop tries again after a pause */
        return self->is_ending ? IOCP_DISARM : IOCP_REARM;
    }
    connection *opened = calloc(1, sizeof *opened);
    if (opened == NULL) {
        check(self, iocp_close(loop, result->opened, NULL, NULL, NULL), "close");
        return IOCP_REARM;
    }
    opened->server = self;
    opened->handle = result->opened;
    opened->next = self->connections;
    if (opened->next != NULL) {
        opened->next->previous = opened;
    }
    self->connections = opened;
    check(self, iocp_socket_set_option(loop, opened->handle, IOCP_SOCKET_NODELAY, 1), "no delay");
    connection__next(loop, opened);
    return IOCP_REARM;
}

/* Windows waits until main has returned. The run ends with the last connection, or by the limit. */
static iocp_action_t IOCP_CALL on_console(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    server *self = arg;
    iocp_op_t limit;
    if (result->status != IOCP_OK || result->type == IOCP_TYPE_TIMER) {
        check(self, result->status == IOCP_OK ? iocp_loop_stop(loop) : IOCP_OK, "stop");
        return IOCP_DISARM;
    }
    self->is_ending = true;
    check(self, iocp_close(loop, self->listener, NULL, NULL, NULL), "close");
    for (connection *one = self->connections; one != NULL; one = one->next) {
        if (one->is_idle) {
            check(self, iocp_cancel(loop, one->receive, NULL, NULL, NULL), "cancel");
        }
    }
    if (check(self, iocp_timer(loop, END_LIMIT_NS, on_console, self, &limit), "timer")) {
        check(self, iocp_op_unref(loop, limit), "unref");
    }
    return IOCP_DISARM;
}

static bool server__listen(iocp_loop_t *loop, server *self, const char *where)
{
    struct sockaddr_storage address;
    struct sockaddr *at = (struct sockaddr *)&address;
    size_t length = sizeof address, room = sizeof address;
    char text[IOCP_ADDRESS_TEXT_BYTES];
    iocp_op_t watch;
    bool is_good =
        check(self, iocp_address_parse(where, 8080, at, &length), where) &&
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
    is_good = is_good && check(self, iocp_loop_submit(loop), "submit");
    return is_good && printf("listening on %s\n", text) > 0 && fflush(stdout) == 0;
}

int main(int argc, char **argv)
{
    server self = {.folder = argv[argc > 1], .sends_files = argc > 3};
    iocp_loop_t *loop = NULL;
    if (argc < 2 || argc > 4 || (argc > 3 && strcmp(argv[3], "sendfile") != 0)) {
        fputs("usage: http_server FOLDER [ADDRESS:PORT [sendfile]]\n", stderr);
        return 2;
    }
    if (check(&self, iocp_loop_create(NULL, &loop), "loop")) {
        if (server__listen(loop, &self, argc > 2 ? argv[2] : "127.0.0.1:8080")) {
            check(&self, iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), "run");
        }
        check(&self, iocp_loop_destroy(loop, SECOND_NS), "destroy");
    }
    printf("requests: %llu\n", self.requests);
    return self.has_failed ? 1 : 0;
}
