/*
 * Runs a program for a limited time, with everything that it starts.
 *
 *   run_process [--verbose] [--limit MS] PROGRAM [ARGUMENT...]
 *
 * The program has our standard input, output and error. Our exit code is the program's, or 124 after
 * the limit, 127 if the program could not be started, 125 if something else went wrong.
 *
 * A job object holds the program and all that it starts. TerminateJobObject ends them together, and
 * however we end ourselves, Windows then closes the job and ends what is left in it.
 *
 * The program's end is one operation of the loop, and the limit is its deadline. With --verbose a
 * second one watches the job. Windows does not promise to send all of a job's messages, so this one
 * gets a deadline too, once the program has ended.
 */
#include <iocploop.h>

#include <windows.h>
#include <shellapi.h>

#include <stdbool.h>
#include <stdio.h>
#include <wchar.h>

#define LAST_MESSAGES_NS UINT64_C(1000000000)
#define EXIT_LIMIT       124
#define EXIT_OWN_ERROR   125
#define EXIT_NO_PROGRAM  127

typedef struct runner {
    HANDLE job;
    iocp_op_t watch; /* {0} without --verbose */
    bool is_verbose;
    long limit_ms; /* 0: none */
    bool has_ended;
    DWORD exit_code;
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

static bool check_windows(BOOL is_good, const char *what)
{
    if (!is_good) {
        fprintf(stderr, "run_process: %s: Windows error %lu\n", what, GetLastError());
    }
    return is_good;
}

static iocp_action_t IOCP_CALL on_message(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    const runner *self = arg;
    const char *what = result->event == JOB_OBJECT_MSG_NEW_PROCESS             ? "started"
                       : result->event == JOB_OBJECT_MSG_EXIT_PROCESS          ? "ended"
                       : result->event == JOB_OBJECT_MSG_ABNORMAL_EXIT_PROCESS ? "crashed"
                                                                               : "met a limit";
    if (result->status == IOCP_ETIMEDOUT || !check(result->status, "watching the job")) {
        return IOCP_DISARM;
    }
    if (result->event == JOB_OBJECT_MSG_ACTIVE_PROCESS_ZERO) {
        fputs("run_process: no process is left\n", stderr);
        return IOCP_DISARM;
    }
    fprintf(stderr, "run_process: process %lu %s\n", (unsigned long)result->value, what);
    if (self->has_ended) { /* the deadline held for this message only */
        iocp_op_deadline(loop, self->watch, LAST_MESSAGES_NS);
    }
    return IOCP_REARM;
}

static iocp_action_t IOCP_CALL on_end(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    runner *self = arg;
    if (result->status == IOCP_ETIMEDOUT) {
        fprintf(stderr, "run_process: ended after the limit of %ld ms\n", self->limit_ms);
        self->exit_code = EXIT_LIMIT;
        return TerminateJobObject(self->job, EXIT_LIMIT) ? IOCP_REARM : IOCP_DISARM;
    }
    if (check(result->status, "waiting for the program") && self->exit_code != EXIT_LIMIT) {
        self->exit_code = (DWORD)result->value;
    }
    self->has_ended = true;
    TerminateJobObject(self->job, EXIT_LIMIT); /* what the program has left behind */
    iocp_op_deadline(loop, self->watch, LAST_MESSAGES_NS);
    return IOCP_DISARM;
}

/* The program waits until it is in the job, so that nothing it does escapes the job or its watch. */
static bool runner__start(runner *self, iocp_loop_t *loop, wchar_t *command_line)
{
    STARTUPINFOW startup = {.cb = sizeof startup};
    PROCESS_INFORMATION program;
    iocp_handle_t process;
    iocp_op_t wait;
    if (!check_windows(CreateProcessW(NULL, command_line, NULL, NULL, TRUE, CREATE_SUSPENDED, NULL,
                                      NULL, &startup, &program),
                       "the program cannot be started")) {
        self->exit_code = EXIT_NO_PROGRAM;
        return false;
    }
    uint64_t limit_ns = self->limit_ms > 0 ? (uint64_t)self->limit_ms * 1000000 : UINT64_MAX;
    bool is_good =
        check_windows(AssignProcessToJobObject(self->job, program.hProcess), "the job") &&
        check(iocp_process_adopt(loop, program.hProcess, &process), "the process") &&
        check(iocp_process_wait(loop, process, on_end, self, &wait), "the wait") &&
        check(iocp_op_deadline(loop, wait, limit_ns), "the limit") &&
        check_windows(ResumeThread(program.hThread) != (DWORD)-1, "resuming the program");
    if (!is_good) {
        TerminateProcess(program.hProcess, EXIT_OWN_ERROR); /* it may not be in the job */
    }
    return is_good;
}

static void runner__run(runner *self, wchar_t *command_line)
{
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {
        .BasicLimitInformation = {.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE}};
    iocp_loop_t *loop = NULL;
    self->job = CreateJobObjectW(NULL, NULL);
    if (!check_windows(self->job != NULL &&
                           SetInformationJobObject(self->job, JobObjectExtendedLimitInformation,
                                                   &limits, sizeof limits),
                       "the job") ||
        !check(iocp_loop_create(NULL, &loop), "the loop")) {
        return;
    }
    if (self->is_verbose) {
        check(iocp_job_watch(loop, self->job, on_message, self, &self->watch), "the watch");
    }
    if (check(iocp_loop_submit(loop), "the watch") && runner__start(self, loop, command_line)) {
        check(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), "the loop");
    }
    check(iocp_loop_destroy(loop, UINT64_MAX), "the loop's end");
}

/* ---- The command line, which CommandLineToArgvW takes apart ---- */

/* From its end, where it is known whether a quote follows: only then a backslash is doubled. */
static wchar_t *prepend_argument(wchar_t *to, const wchar_t *argument)
{
    bool is_quoted = argument[0] == L'\0' || wcspbrk(argument, L" \t\"") != NULL;
    bool is_before_quote = is_quoted;
    if (is_quoted) {
        *--to = L'"';
    }
    for (size_t i = wcslen(argument); i > 0; i--) {
        *--to = argument[i - 1];
        is_before_quote = *to == L'"' || (*to == L'\\' && is_before_quote);
        if (is_before_quote) {
            *--to = L'\\';
        }
    }
    if (is_quoted) {
        *--to = L'"';
    }
    return to;
}

/* The place of the program among the arguments, behind the options; 0: they are wrong. */
static int runner__parse(runner *self, wchar_t **arguments, int count)
{
    wchar_t *end = NULL;
    int i = 1;
    for (; i < count && wcsncmp(arguments[i], L"--", 2) == 0; i++) {
        if (wcscmp(arguments[i], L"--verbose") == 0) {
            self->is_verbose = true;
        } else if (wcscmp(arguments[i], L"--limit") != 0 || ++i == count ||
                   (self->limit_ms = wcstol(arguments[i], &end, 10)) <= 0 || *end != L'\0') {
            return 0;
        }
    }
    return i < count ? i : 0;
}

int main(void)
{
    static wchar_t line[3 * 32768]; /* ours is at most 32767 long, and quoting may triple it */
    wchar_t *to = line + sizeof line / sizeof line[0] - 1;
    runner self = {.exit_code = EXIT_OWN_ERROR};
    int count = 0;
    wchar_t **arguments = CommandLineToArgvW(GetCommandLineW(), &count);
    int first = runner__parse(&self, arguments, count);
    if (first == 0) {
        fputs("usage: run_process [--verbose] [--limit MS] PROGRAM [ARGUMENT...]\n", stderr);
        return EXIT_OWN_ERROR;
    }
    for (int i = count; i > first; i--) {
        to = prepend_argument(to, arguments[i - 1]);
        *--to = L' ';
    }
    runner__run(&self, to + 1);
    return (int)self.exit_code; /* Windows closes the handles of the job and the program */
}
