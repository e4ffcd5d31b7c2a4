/*
 * Runs a program for a limited time, with everything that it starts.
 *
 *   run_process [--limit MS] [--input FILE] PROGRAM [ARGUMENT...]
 *
 * The program reads the file, or our standard input; what it writes comes through us to our standard
 * output; it has our standard error. Our exit code is the program's, or 124 after the limit, 127 if
 * the program could not be started, 125 if something else went wrong.
 *
 * The program and all that it starts are one tree (IOCP_SPAWN_TREE), which ends with the program's
 * handle, and however we end ourselves (IOCP_SPAWN_KILL_ON_CLOSE). So its output has an end, too: the
 * pipe has one when nobody is left who could write.
 *
 * The program's end is one operation of the loop, and the limit is its deadline; then another one
 * (iocp_process_stop) ends the tree. Two more bring the file to the program, a piece at a time, and
 * one brings what it writes.
 */
#include <iocploop.h>

#include <windows.h>
#include <shellapi.h>

#include <fcntl.h>
#include <io.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_LIMIT      124
#define EXIT_OWN_ERROR  125
#define EXIT_NO_PROGRAM 127
#define WORDS_MAX       1024
#define LINE_BYTES      (3 * 32768) /* no command line of Windows is longer */
#define PIECE_BYTES     65536

typedef struct runner {
    const char *const *words; /* the program and its arguments */
    const char *input_path;   /* NULL: our standard input */
    long limit_ms;            /* 0: none */
    uint32_t exit_code;
    iocp_handle_t process;
    iocp_handle_t file;
    iocp_handle_t input; /* our ends of the pipes */
    iocp_handle_t output;
    char to_program[PIECE_BYTES];
    char from_program[PIECE_BYTES];
} runner;

/* Whether it went well; if not, says why. What the end of the loop cancels needs no word. */
static bool check(int status, const char *what)
{
    if (status != IOCP_OK && status != IOCP_ECANCELED) {
        fprintf(stderr, "run_process: %s: %s (%s)\n", what, iocp_error_text(status),
                iocp_error_name(status));
    }
    return status == IOCP_OK;
}

/* ---- To the program ---- */

static iocp_action_t IOCP_CALL on_input_read(iocp_loop_t *loop, const iocp_result_t *result,
                                             void *arg);

static void runner__close_input(runner *self, iocp_loop_t *loop)
{
    iocp_close(loop, self->file, NULL, NULL, NULL);
    iocp_close(loop, self->input, NULL, NULL,
               NULL); /* to the program this is the end of the file */
}

/* A program need not read all that there is. */
static iocp_action_t IOCP_CALL on_input_written(iocp_loop_t *loop, const iocp_result_t *result,
                                                void *arg)
{
    runner *self = arg;
    bool is_good =
        result->status == IOCP_OK &&
        check(iocp_read(loop, self->file, self->to_program, PIECE_BYTES, on_input_read, self, NULL),
              "reading the input");
    if (!is_good) {
        runner__close_input(self, loop);
    }
    return IOCP_DISARM;
}

static iocp_action_t IOCP_CALL on_input_read(iocp_loop_t *loop, const iocp_result_t *result,
                                             void *arg)
{
    runner *self = arg;
    bool is_good = result->status != IOCP_EOF && check(result->status, "reading the input") &&
                   check(iocp_write(loop, self->input, self->to_program, (size_t)result->bytes,
                                    on_input_written, self, NULL),
                         "writing to the program");
    if (!is_good) {
        runner__close_input(self, loop);
    }
    return IOCP_DISARM;
}

/* ---- From the program ---- */

static iocp_action_t IOCP_CALL on_output(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    runner *self = arg;
    if (result->status == IOCP_OK) {
        fwrite(self->from_program, 1, (size_t)result->bytes, stdout);
        fflush(stdout);
        return IOCP_REARM;
    }
    if (result->status != IOCP_EOF) {
        check(result->status, "reading what the program writes");
    }
    iocp_close(loop, self->output, NULL, NULL, NULL);
    return IOCP_DISARM;
}

/* ---- The program ---- */

/* With its handle all ends that it has left behind. */
static void runner__end(runner *self, iocp_loop_t *loop, uint32_t exit_code)
{
    self->exit_code = exit_code;
    iocp_close(loop, self->process, NULL, NULL, NULL);
}

static iocp_action_t IOCP_CALL on_stopped(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    runner *self = arg;
    bool is_good = check(result->status, "ending the program");
    if (is_good && (result->flags & IOCP_RESULT_FORCED) != 0) {
        fprintf(stderr, "run_process: ended after the limit of %ld ms\n", self->limit_ms);
        runner__end(self, loop, EXIT_LIMIT);
    } else {
        runner__end(self, loop, is_good ? (uint32_t)result->value : EXIT_OWN_ERROR);
    }
    return IOCP_DISARM;
}

/* The program shares our console group, so it cannot be asked to end at the limit. */
static iocp_action_t IOCP_CALL on_end(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    runner *self = arg;
    if (result->status == IOCP_ETIMEDOUT) {
        if (!check(iocp_process_stop(loop, self->process, 0, on_stopped, self, NULL),
                   "ending the program")) {
            runner__end(self, loop, EXIT_OWN_ERROR);
        }
    } else {
        bool is_good = check(result->status, "waiting for the program");
        runner__end(self, loop, is_good ? (uint32_t)result->value : EXIT_OWN_ERROR);
    }
    return IOCP_DISARM;
}

static iocp_action_t IOCP_CALL on_start(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    runner *self = arg;
    iocp_op_t wait;
    if (!check(result->status, "the program cannot be started")) {
        self->exit_code = EXIT_NO_PROGRAM;
        return IOCP_DISARM;
    }
    self->process = result->opened;
    bool is_good =
        check(iocp_process_wait(loop, self->process, on_end, self, &wait), "the wait") &&
        (self->limit_ms == 0 ||
         check(iocp_op_deadline(loop, wait, (uint64_t)self->limit_ms * 1000000), "the limit"));
    if (!is_good) {
        iocp_close(loop, self->process, NULL, NULL, NULL);
    }
    return IOCP_DISARM;
}

/* A pipe between the program and us: what the program gets of it. */
static bool runner__connect(iocp_loop_t *loop, uint32_t flag, iocp_handle_t *ours,
                            iocp_spawn_stdio_t *theirs)
{
    theirs->give = IOCP_GIVE_PIPE;
    return check(iocp_pipe_pair(loop, flag, ours, &theirs->handle), "the pipe");
}

static bool runner__start(runner *self, iocp_loop_t *loop)
{
    iocp_spawn_options_t options = {.size = sizeof options,
                                    .flags = IOCP_SPAWN_TREE | IOCP_SPAWN_KILL_ON_CLOSE,
                                    .arguments = self->words};
    bool has_input = self->input_path != NULL;
    if (has_input &&
        !(check(iocp_file_open(loop, self->input_path, IOCP_FILE_READ | IOCP_FILE_SEQUENTIAL,
                               &self->file),
                self->input_path) &&
          runner__connect(loop, IOCP_PIPE_WRITE, &self->input, &options.stdio[IOCP_STDIN]) &&
          check(
              iocp_read(loop, self->file, self->to_program, PIECE_BYTES, on_input_read, self, NULL),
              "reading the input"))) {
        return false;
    }
    return runner__connect(loop, IOCP_PIPE_READ, &self->output, &options.stdio[IOCP_STDOUT]) &&
           check(iocp_read(loop, self->output, self->from_program, PIECE_BYTES, on_output, self,
                           NULL),
                 "reading what the program writes") &&
           check(iocp_spawn(loop, &options, on_start, self, NULL), "the program");
}

/* The program shares our console, and is told as well: we stay to bring what it still
 * writes. After a window is closed Windows waits for that. */
static iocp_action_t IOCP_CALL on_console(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    (void)loop;
    (void)arg;
    bool goes_on = result->event == IOCP_CONSOLE_C || result->event == IOCP_CONSOLE_BREAK;
    return goes_on ? IOCP_REARM : IOCP_DISARM;
}

static void runner__run(runner *self)
{
    iocp_loop_t *loop;
    iocp_op_t watch;
    if (check(iocp_loop_create(NULL, &loop), "the loop")) {
        if (check(iocp_console_watch(loop, on_console, NULL, &watch), "the console") &&
            check(iocp_op_unref(loop, watch), "the console") && /* it keeps no loop going */
            runner__start(self, loop)) {
            check(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), "the loop");
        }
        check(iocp_loop_destroy(loop, UINT64_MAX), "the loop's end");
    }
}

/* ---- The command line ---- */

/* The arguments of main are in the system's code page, which does not have all characters. */
static int main__arguments(const char *words[WORDS_MAX + 1])
{
    static char text[LINE_BYTES];
    char *to = text;
    int count = 0;
    wchar_t **arguments = CommandLineToArgvW(GetCommandLineW(), &count);
    for (int i = 0; i < count && i < WORDS_MAX; i++) {
        words[i] = to;
        to += WideCharToMultiByte(CP_UTF8, 0, arguments[i], -1, to, (int)(text + sizeof text - to),
                                  NULL, NULL);
    }
    return count <= WORDS_MAX ? count : 0;
}

/* The place of the program among the words, behind the options; 0: they are wrong. */
static int runner__parse(runner *self, const char *const *words, int count)
{
    char *end = NULL;
    int i = 1;
    for (; i + 1 < count && strncmp(words[i], "--", 2) == 0; i += 2) {
        if (strcmp(words[i], "--input") == 0) {
            self->input_path = words[i + 1];
        } else if (strcmp(words[i], "--limit") != 0 ||
                   (self->limit_ms = strtol(words[i + 1], &end, 10)) <= 0 || *end != '\0') {
            return 0;
        }
    }
    return i < count ? i : 0;
}

int main(void)
{
    static const char *words[WORDS_MAX + 1];
    static runner self = {.exit_code = EXIT_OWN_ERROR};
    int first = runner__parse(&self, words, main__arguments(words));
    if (first == 0) {
        fputs("usage: run_process [--limit MS] [--input FILE] PROGRAM [ARGUMENT...]\n", stderr);
        return EXIT_OWN_ERROR;
    }
    self.words = words + first;
    (void)_setmode(_fileno(stdout), _O_BINARY); /* what the program writes goes on as it is */
    runner__run(&self);
    return (int)self.exit_code;
}
