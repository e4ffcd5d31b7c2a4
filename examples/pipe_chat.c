/*
 * A chat over a named pipe, message by message.
 *
 *   pipe_chat serve NAME [--seconds N]   tells all members what one says, and who came and went
 *   pipe_chat join NAME                  standard input to the chat, and the chat to the output
 *
 * The pipe is \\.\pipe\NAME. A message is a line with its end, so that programs which know no messages
 * take part, too: `type \\.\pipe\NAME`, `echo hello > \\.\pipe\NAME`. The server ends on Ctrl-C, when
 * its window is closed, or when the time is up; a client when its input or the chat ends. 0: all well.
 */
#include <iocploop.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES      1024 /* what is longer comes in pieces */
#define MESSAGE_BYTES   (LINE_BYTES + 32)
#define QUEUED_MOST     (256 * 1024) /* for one member */
#define ACCEPTS_PENDING 4
#define SECOND_NS       UINT64_C(1000000000)

static bool has_failed;

/* Whether it went well; if not, says why. The end of a stream is no failure, nor is our own end. */
static bool check(int status, const char *what)
{
    if (status != IOCP_OK && status != IOCP_EOF && status != IOCP_ECANCELED &&
        status != IOCP_ECLOSING) {
        fprintf(stderr, "%s: %s (%s)\n", what, iocp_error_text(status), iocp_error_name(status));
        has_failed = true;
    }
    return status == IOCP_OK;
}

/* ---- The server ---- */

typedef struct member {
    struct server *server;
    struct member *next;
    iocp_handle_t pipe;
    uint32_t process_id;
    char line[LINE_BYTES + 1]; /* and a 0 */
} member;

typedef struct server {
    member *members;
    unsigned long long came, lines;
} server;

static iocp_action_t IOCP_CALL on_told(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    (void)loop;
    (void)result; /* a member that is gone is found by its read */
    free(arg);
    return IOCP_DISARM;
}

/* Who does not read misses what is said, and holds up nobody. */
static void server__tell(iocp_loop_t *loop, server *self, const member *from, const char *line)
{
    for (member *one = self->members; one != NULL; one = one->next) {
        uint64_t queued = QUEUED_MOST;
        iocp_handle_queued(loop, one->pipe, &queued, NULL);
        char *text = queued < QUEUED_MOST ? malloc(MESSAGE_BYTES) : NULL;
        if (text != NULL) {
            int size = snprintf(text, MESSAGE_BYTES, "%u: %s\n", (unsigned)from->process_id, line);
            if (iocp_write(loop, one->pipe, text, (size_t)size, on_told, text, NULL) != IOCP_OK) {
                free(text);
            }
        }
    }
}

static void member__leave(iocp_loop_t *loop, member *self)
{
    member **at = &self->server->members;
    while (*at != self) {
        at = &(*at)->next;
    }
    *at = self->next;
    server__tell(loop, self->server, self, "has left");
    check(iocp_close(loop, self->pipe, NULL, NULL, NULL), "close");
    free(self); /* its read is over, and what is still told has a text of its own */
}

static iocp_action_t IOCP_CALL on_said(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    member *self = arg;
    if (result->status != IOCP_OK) {
        member__leave(loop, self);
        return IOCP_DISARM;
    }
    size_t size = (size_t)result->bytes;
    while (size > 0 && (self->line[size - 1] == '\n' || self->line[size - 1] == '\r')) {
        size--;
    }
    if (size > 0) { /* `echo` of cmd may write the end of the line by itself */
        self->line[size] = '\0';
        self->server->lines++;
        server__tell(loop, self->server, self, self->line);
    }
    return IOCP_REARM;
}

static iocp_action_t IOCP_CALL on_came(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    server *self = arg;
    if (result->status != IOCP_OK) {
        return IOCP_REARM; /* something is short: the loop tries again after a pause */
    }
    member *opened = calloc(1, sizeof *opened);
    if (opened == NULL || iocp_read(loop, result->opened, opened->line, LINE_BYTES, on_said, opened,
                                    NULL) != IOCP_OK) {
        free(opened);
        check(iocp_close(loop, result->opened, NULL, NULL, NULL), "close");
        return IOCP_REARM;
    }
    opened->server = self;
    opened->next = self->members;
    opened->pipe = result->opened;
    check(iocp_pipe_peer(loop, opened->pipe, &opened->process_id), "peer");
    self->members = opened;
    self->came++;
    server__tell(loop, self, opened, "is here");
    return IOCP_REARM;
}

/* The console, or its watch's deadline. The loop's end closes everything. */
static iocp_action_t IOCP_CALL on_end(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    (void)result;
    (void)arg;
    check(iocp_loop_stop(loop), "stop");
    return IOCP_DISARM;
}

/* The watch is started before anybody is told that the server is there. */
static void serve(iocp_loop_t *loop, const char *name, uint64_t limit_ns)
{
    server self = {.members = NULL};
    iocp_pipe_options_t options = {.size = sizeof options, .flags = IOCP_PIPE_MESSAGE};
    iocp_handle_t listener;
    iocp_op_t watch;
    bool is_good = check(iocp_console_watch(loop, on_end, NULL, &watch), "console") &&
                   check(iocp_op_deadline(loop, watch, limit_ns), "deadline") &&
                   check(iocp_loop_submit(loop), "submit") &&
                   check(iocp_pipe_listen(loop, name, &options, &listener), name);
    for (int i = 0; is_good && i < ACCEPTS_PENDING; i++) {
        is_good = check(iocp_accept(loop, listener, on_came, &self, NULL), "accept");
    }
    if (is_good && printf("serving %s\n", name) > 0 && fflush(stdout) == 0) {
        check(iocp_loop_run(loop, IOCP_RUN_UNTIL_STOPPED), "run");
    }
    check(iocp_loop_destroy(loop, 4 * SECOND_NS), "destroy"); /* Windows gives it five seconds */
    printf("members: %llu, lines: %llu\n", self.came, self.lines);
}

/* ---- The client ---- */

typedef struct client {
    iocp_handle_t pipe, in, out;
    bool has_ended; /* the input */
    size_t filled;  /* of `line` */
    size_t size;    /* of the line at its beginning, which is being sent */
    char line[LINE_BYTES];
    char heard[MESSAGE_BYTES];
} client;

/* The loop's end closes everything; what we have said stands in the pipe. */
static iocp_action_t client__end(iocp_loop_t *loop)
{
    check(iocp_loop_stop(loop), "stop");
    return IOCP_DISARM;
}

/* A piece of the input has been read, or a line sent: the next line is sent, or more is read. */
static iocp_action_t IOCP_CALL on_line(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    client *self = arg;
    int status = IOCP_EOF;
    if (result->type == IOCP_TYPE_WRITE) { /* if that failed, what we hear says why */
        self->filled -= self->size;
        memmove(self->line, self->line + self->size, self->filled);
    } else {
        self->has_ended = !check(result->status, "input");
        self->filled += (size_t)result->bytes;
    }
    const char *end = memchr(self->line, '\n', self->filled);
    bool is_last = self->has_ended || self->filled == LINE_BYTES;
    self->size = end != NULL ? (size_t)(end - self->line) + 1 : is_last ? self->filled : 0;
    if (self->size > 0) {
        status = iocp_write(loop, self->pipe, self->line, self->size, on_line, self, NULL);
    } else if (!self->has_ended) {
        status = iocp_read(loop, self->in, self->line + self->filled, LINE_BYTES - self->filled,
                           on_line, self, NULL);
    }
    return status == IOCP_OK ? IOCP_DISARM : client__end(loop);
}

/* What was read is shown. Behind that, and once we have joined, the next message is read. */
static iocp_action_t IOCP_CALL on_heard(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    client *self = arg;
    int status = result->status;
    size_t size = (size_t)result->bytes;
    if (status == IOCP_OK && result->type == IOCP_TYPE_PIPE_CONNECT) {
        self->pipe = result->opened;
        status = iocp_read(loop, self->in, self->line, LINE_BYTES, on_line, self, NULL);
    }
    if (status == IOCP_OK && result->type == IOCP_TYPE_READ) {
        status = iocp_write(loop, self->out, self->heard, size, on_heard, self, NULL);
    } else if (status == IOCP_OK &&
               iocp_read(loop, self->pipe, self->heard, MESSAGE_BYTES, on_heard, self, NULL) != 0) {
        status = IOCP_ECANCELED; /* our input has ended meanwhile */
    }
    return check(status, "chat") ? IOCP_DISARM : client__end(loop);
}

static void join(iocp_loop_t *loop, const char *name)
{
    client self = {.filled = 0};
    iocp_op_t connect;
    if (check(iocp_stdio_open(loop, IOCP_STDIN, &self.in), "input") &&
        check(iocp_stdio_open(loop, IOCP_STDOUT, &self.out), "output") &&
        check(iocp_pipe_connect(loop, name, IOCP_PIPE_MESSAGE, on_heard, &self, &connect), name) &&
        check(iocp_op_deadline(loop, connect, 10 * SECOND_NS), "deadline")) {
        check(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), "run");
    }
    /* Should a driver not let go of a read of the input, we go all the same. */
    check(iocp_loop_destroy(loop, SECOND_NS), "destroy");
}

int main(int argc, char **argv)
{
    iocp_loop_t *loop;
    char name[256];
    uint64_t limit_ns = UINT64_MAX;
    bool is_server = argc > 2 && strcmp(argv[1], "serve") == 0;
    if (is_server && argc == 5 && strcmp(argv[3], "--seconds") == 0) {
        limit_ns = strtoul(argv[4], NULL, 10) * SECOND_NS;
    } else if (argc != 3 || (!is_server && strcmp(argv[1], "join") != 0)) {
        fputs("usage: pipe_chat serve NAME [--seconds N] | pipe_chat join NAME\n", stderr);
        return 2;
    }
    snprintf(name, sizeof name, "\\\\.\\pipe\\%s", argv[2]);
    if (check(iocp_loop_create(NULL, &loop), "loop")) {
        is_server ? serve(loop, name, limit_ns) : join(loop, name);
    }
    return has_failed ? 1 : 0;
}
