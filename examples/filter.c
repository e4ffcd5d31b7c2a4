/*
 * Standard input in capital letters on standard output, whatever both are: pipes, files, a console.
 *
 *   filter
 *
 * Two buffers change places: while one is written the other is read. If nobody reads on, a read that
 * still waits is cancelled. The exit code is 0 if everything has gone through.
 */
#include <iocploop.h>

#include <stdbool.h>
#include <stdio.h>

#define BUFFER_BYTES 65536

typedef struct filter {
    iocp_handle_t in;
    iocp_handle_t out;
    iocp_op_t read;
    bool is_reading;
    bool is_writing;
    bool has_ended; /* nothing more is read */
    int status;     /* the first error, but for the end of the input */
    int filled;     /* the buffer that the last read has filled */
    size_t size;    /* of what is in it */
    char buffers[2][BUFFER_BYTES];
} filter;

static void filter__go_on(iocp_loop_t *loop, filter *self);

static void filter__end(filter *self, int status)
{
    self->has_ended = true;
    self->status = self->status == IOCP_OK && status != IOCP_EOF ? status : self->status;
}

/* ASCII alone: whatever else the bytes are, it stays as it is. */
static void filter__change(char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] >= 'a' && text[i] <= 'z') {
            text[i] = (char)(text[i] - 'a' + 'A');
        }
    }
}

static iocp_action_t IOCP_CALL on_written(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    filter *self = arg;
    self->is_writing = false;
    if (result->status != IOCP_OK) {
        filter__end(self, result->status);
        if (self->is_reading) {
            iocp_cancel(loop, self->read, NULL, NULL, NULL);
        }
    }
    filter__go_on(loop, self);
    return IOCP_DISARM;
}

static iocp_action_t IOCP_CALL on_read(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    filter *self = arg;
    self->is_reading = false;
    if (result->status == IOCP_OK) {
        self->filled = 1 - self->filled;
        self->size = (size_t)result->bytes;
        filter__change(self->buffers[self->filled], self->size);
    } else {
        filter__end(self, result->status);
    }
    filter__go_on(loop, self);
    return IOCP_DISARM;
}

static int filter__write(iocp_loop_t *loop, filter *self)
{
    int status = iocp_write(loop, self->out, self->buffers[self->filled], self->size, on_written,
                            self, NULL);
    self->is_writing = status == IOCP_OK;
    self->size = 0;
    return status;
}

static int filter__read(iocp_loop_t *loop, filter *self)
{
    int status = iocp_read(loop, self->in, self->buffers[1 - self->filled], BUFFER_BYTES, on_read,
                           self, &self->read);
    self->is_reading = status == IOCP_OK;
    return status;
}

/* When both are done the buffers change places. */
static void filter__go_on(iocp_loop_t *loop, filter *self)
{
    if (self->is_writing || self->is_reading) {
        return;
    }
    int status = self->size > 0 ? filter__write(loop, self) : IOCP_OK;
    if (status == IOCP_OK && !self->has_ended) {
        status = filter__read(loop, self);
    }
    if (status != IOCP_OK) {
        filter__end(self, status);
    }
}

int main(void)
{
    static filter self;
    iocp_loop_t *loop;
    self.status = iocp_loop_create(NULL, &loop);
    if (self.status == IOCP_OK) {
        self.status = iocp_stdio_open(loop, IOCP_STDIN, &self.in);
        if (self.status == IOCP_OK) {
            self.status = iocp_stdio_open(loop, IOCP_STDOUT, &self.out);
        }
        if (self.status == IOCP_OK) {
            filter__go_on(loop, &self);
            iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE);
        }
        iocp_loop_destroy(loop, UINT64_MAX);
    }
    if (self.status != IOCP_OK && self.status != IOCP_EPIPE) { /* EPIPE: they have had enough */
        fprintf(stderr, "filter: %s (%s)\n", iocp_error_text(self.status),
                iocp_error_name(self.status));
    }
    return self.status == IOCP_OK ? 0 : 1;
}
