/*
 * Runs a | b | c, programs of which each reads what the one before it writes.
 *
 *   pipeline "PROGRAM ARGUMENT..." "PROGRAM ARGUMENT..." ...
 *
 * The first has our standard input, the last our output, all have our standard error. Words are what
 * stands between blanks. At the end we tell the exit code of each, 127 of one that could not be
 * started; ours is the last one that is not 0, or 125 if something else went wrong.
 *
 * What goes from one to the other does not pass through us: both ends of a pipe are the children's.
 * So a reader that is slow holds up its writer, one that ends leaves it without a reader, and a
 * writer that ends is the end of the file, as in any shell. However we end, the programs end too.
 */
#include <iocploop.h>

#include <windows.h>
#include <shellapi.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define STAGES_MAX      16
#define WORDS_MAX       32
#define LINE_BYTES      (3 * 32768) /* bytes: no command line of Windows is longer */
#define EXIT_OWN_ERROR  125
#define EXIT_NO_PROGRAM 127

typedef struct stage {
    const char *words[WORDS_MAX + 1];
    uint32_t exit_code;
} stage;

typedef struct pipeline {
    stage stages[STAGES_MAX];
    int count;
} pipeline;

/* Whether it went well; if not, says why. What the end of the loop cancels needs no word. */
static bool check(int status, const char *what)
{
    if (status != IOCP_OK && status != IOCP_ECANCELED) {
        fprintf(stderr, "pipeline: %s: %s (%s)\n", what, iocp_error_text(status),
                iocp_error_name(status));
    }
    return status == IOCP_OK;
}

static iocp_action_t IOCP_CALL on_ended(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    stage *self = arg;
    if (check(result->status, self->words[0])) {
        self->exit_code = (uint32_t)result->value;
    }
    iocp_close(loop, result->handle, NULL, NULL, NULL);
    return IOCP_DISARM;
}

static iocp_action_t IOCP_CALL on_started(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    stage *self = arg;
    if (!check(result->status, self->words[0])) {
        self->exit_code = EXIT_NO_PROGRAM;
    } else {
        check(iocp_process_wait(loop, result->opened, on_ended, self, NULL), "wait");
    }
    return IOCP_DISARM;
}

/* An end of a pipe, or what we have ourselves. */
static iocp_spawn_stdio_t give(iocp_handle_t end)
{
    iocp_spawn_stdio_t what = {.give = end.id != 0 ? IOCP_GIVE_PIPE : IOCP_GIVE_OURS,
                               .handle = end};
    return what;
}

static bool stage__start(stage *self, iocp_loop_t *loop, iocp_handle_t from_left,
                         iocp_handle_t to_right)
{
    iocp_spawn_options_t options = {
        .size = sizeof options,
        .flags = IOCP_SPAWN_TREE | IOCP_SPAWN_KILL_ON_CLOSE,
        .arguments = self->words,
        .stdio = {[IOCP_STDIN] = give(from_left), [IOCP_STDOUT] = give(to_right)},
    };
    return check(iocp_spawn(loop, &options, on_started, self, NULL), self->words[0]);
}

/* Each pipe is made when its writer starts, and read by the next one. False: the loop's end closes
 * what is left. */
static bool pipeline__start(pipeline *self, iocp_loop_t *loop)
{
    iocp_handle_t from_left = {0};
    for (int i = 0; i < self->count; i++) {
        iocp_handle_t next = {0};
        iocp_handle_t to_right = {0};
        if (i + 1 < self->count &&
            !check(iocp_pipe_pair(loop, IOCP_PIPE_CHILDREN, &next, &to_right), "pipe")) {
            return false;
        }
        if (!stage__start(&self->stages[i], loop, from_left, to_right)) {
            return false;
        }
        from_left = next;
    }
    return true;
}

/* False: there is none, or more than a program gets here. */
static bool stage__parse(stage *self, char *text)
{
    int count = 0;
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " ")) {
        if (count == WORDS_MAX) {
            return false;
        }
        self->words[count++] = word;
    }
    return count > 0;
}

/* The arguments of main are in the system's code page, which does not have all characters. */
static bool pipeline__parse(pipeline *self, char *text, int size)
{
    int count = 0;
    wchar_t **arguments = CommandLineToArgvW(GetCommandLineW(), &count);
    bool is_good = arguments != NULL && count > 1 && count - 1 <= STAGES_MAX;
    while (is_good && self->count < count - 1) {
        stage *one = &self->stages[self->count++];
        int bytes =
            WideCharToMultiByte(CP_UTF8, 0, arguments[self->count], -1, text, size, NULL, NULL);
        is_good = bytes > 0 && stage__parse(one, text);
        text += bytes;
        size -= bytes;
    }
    return is_good;
}

/* The programs share our console, and are told as well: we stay to tell how they end.
 * After a window is closed Windows waits for that. */
static iocp_action_t IOCP_CALL on_console(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    (void)loop;
    (void)arg;
    bool goes_on = result->event == IOCP_CONSOLE_C || result->event == IOCP_CONSOLE_BREAK;
    return goes_on ? IOCP_REARM : IOCP_DISARM;
}

static bool pipeline__run(pipeline *self)
{
    iocp_loop_t *loop;
    iocp_op_t watch;
    if (!check(iocp_loop_create(NULL, &loop), "loop")) {
        return false;
    }
    bool is_good = check(iocp_console_watch(loop, on_console, NULL, &watch), "console") &&
                   check(iocp_op_unref(loop, watch), "console") && /* it keeps no loop going */
                   pipeline__start(self, loop) &&
                   check(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), "run");
    return check(iocp_loop_destroy(loop, UINT64_MAX), "destroy") && is_good;
}

static int pipeline__tell(const pipeline *self)
{
    uint32_t exit_code = 0;
    for (const stage *one = self->stages; one < self->stages + self->count; one++) {
        fprintf(stderr, "pipeline: %s ended with %lu\n", one->words[0],
                (unsigned long)one->exit_code);
        exit_code = one->exit_code != 0 ? one->exit_code : exit_code;
    }
    return (int)exit_code;
}

int main(void)
{
    static pipeline self;
    static char text[LINE_BYTES];
    if (!pipeline__parse(&self, text, sizeof text)) {
        fputs("usage: pipeline \"PROGRAM ARGUMENT...\" \"PROGRAM ARGUMENT...\" ...\n", stderr);
        return EXIT_OWN_ERROR;
    }
    return pipeline__run(&self) ? pipeline__tell(&self) : EXIT_OWN_ERROR;
}
