/*
 * Starting programs on Windows: what a child gets and what it does not, how a spawn ends early, and that
 * whatever fails leaves nothing. The children are this program again.
 */
#include "contract_object.h"

#include "unit.h"

#include "text/command_line.h"
#include "win32/sys.h"

#include "win_echo.h"
#include "win_faults.h"
#include "win_files.h"
#include "win_leaks.h"
#include "win_loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define CHILD_ARGUMENT "--be-child"
#define CHILD_BYTES    16384

/* ---- The children ---- */

static int child__write(HANDLE to, const void *data, size_t bytes)
{
    DWORD written = 0;
    return WriteFile(to, data, (DWORD)bytes, &written, NULL) && written == bytes ? 0 : 90;
}

static int child__write_text(const wchar_t *text)
{
    return child__write(GetStdHandle(STD_OUTPUT_HANDLE), text, wcslen(text) * sizeof *text) |
           child__write(GetStdHandle(STD_OUTPUT_HANDLE), L"\n", sizeof(wchar_t));
}

/* Its command line, two variables and its folder, in UTF-16. */
static int child__tell(char **arguments)
{
    wchar_t text[1024] = L"";
    (void)arguments;
    int failed = child__write_text(GetCommandLineW());
    (void)GetEnvironmentVariableW(L"b\u00e4r", text, 1024);
    failed |= child__write_text(text);
    text[0] = L'\0';
    (void)GetEnvironmentVariableW(L"TEMP", text, 1024);
    failed |= child__write_text(text);
    (void)GetCurrentDirectoryW(1024, text);
    return failed | child__write_text(text);
}

/* What it reads goes to its output, its length to the other one; the exit code is how that ended. */
static int child__copy(char **arguments)
{
    char buffer[256];
    DWORD bytes = 0;
    (void)arguments;
    while (ReadFile(GetStdHandle(STD_INPUT_HANDLE), buffer, sizeof buffer, &bytes, NULL) &&
           bytes > 0) {
        if (child__write(GetStdHandle(STD_OUTPUT_HANDLE), buffer, bytes) != 0 ||
            child__write(GetStdHandle(STD_ERROR_HANDLE), "!", 1) != 0) {
            return 91;
        }
    }
    return 7;
}

/* Which of these numbers are handles of events here. */
static int child__signal(char **arguments)
{
    int answer = 0;
    for (int i = 0; arguments[i] != NULL; i++) {
        HANDLE event = (HANDLE)(uintptr_t)strtoull(arguments[i], NULL, 10);
        answer |= SetEvent(event) ? 1 << i : 0;
    }
    return answer;
}

static int child__in_job(char **arguments)
{
    BOOL is_in_job = FALSE;
    (void)arguments;
    return IsProcessInJob(GetCurrentProcess(), NULL, &is_in_job) && is_in_job ? 1 : 0;
}

static int child__stay(char **arguments)
{
    (void)arguments;
    Sleep(INFINITE);
    return 0;
}

static int child__exit(char **arguments)
{
    return atoi(arguments[0]);
}

/* What Wine does not make its streams, see docs/testing.md. */
static HANDLE child__open_console(const wchar_t *name)
{
    return CreateFileW(name, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                       OPEN_EXISTING, 0, NULL);
}

static bool child__is_console(DWORD stream)
{
    DWORD mode = 0;
    return GetConsoleMode(GetStdHandle(stream), &mode);
}

/* "<100x30 line>" for each line that is typed, and at first. The exit code: whether it has streams. */
static int child__use_console(char **arguments)
{
    CONSOLE_SCREEN_BUFFER_INFO screen;
    DWORD mode = 0;
    char line[64] = "";
    HANDLE input = child__open_console(L"CONIN$");
    HANDLE output = child__open_console(L"CONOUT$");
    (void)arguments;
    if (!GetConsoleMode(input, &mode) || !GetConsoleMode(output, &mode)) {
        return 92;
    }
    while (strcmp(line, "end") != 0) {
        char text[128];
        DWORD bytes = 0;
        if (!GetConsoleScreenBufferInfo(output, &screen)) {
            return 93;
        }
        int length = snprintf(text, sizeof text, "<%dx%d %s>\r\n", screen.dwSize.X,
                              screen.srWindow.Bottom - screen.srWindow.Top + 1, line);
        if (!WriteFile(output, text, (DWORD)length, &bytes, NULL) ||
            !ReadFile(input, line, sizeof line - 1, &bytes, NULL)) {
            return 94;
        }
        line[bytes] = '\0';
        line[strcspn(line, "\r\n")] = '\0';
    }
    return child__is_console(STD_INPUT_HANDLE) && child__is_console(STD_OUTPUT_HANDLE) &&
                   child__is_console(STD_ERROR_HANDLE)
               ? 5
               : 6;
}

static int child__echo(char **arguments)
{
    (void)arguments;
    return win_echo_run();
}

static const struct {
    const char *name;
    int (*function)(char **arguments);
} child_roles[] = {
    {"console", child__use_console}, {"tell", child__tell},  {"copy", child__copy},
    {"signal", child__signal},       {"job", child__in_job}, {"stay", child__stay},
    {"exit", child__exit},           {"echo", child__echo},
};

static void child__be(int count, char **arguments)
{
    if (count < 3 || strcmp(arguments[1], CHILD_ARGUMENT) != 0) {
        return;
    }
    for (size_t i = 0; i < IOC_COUNT_OF(child_roles); i++) {
        if (strcmp(arguments[2], child_roles[i].name) == 0) {
            exit(child_roles[i].function(arguments + 3));
        }
    }
    exit(99);
}

/* ---- One test ---- */

typedef struct spawn_test {
    char program[1024];
    const char *arguments[8];
    iocp_spawn_options_t options;
    contract_record started;
} spawn_test;

static spawn_test now;

/* What CreateProcessW was told last: see spawn__spy_create. */
static struct {
    DWORD creation;
    DWORD startup;
    WORD show;
    BOOL inherits;
    bool has_streams;
    wchar_t environment[256];
} seen;

static void spawn__use(const char *role, const char *argument)
{
    memset(&now.options, 0, sizeof now.options);
    memset(now.arguments, 0, sizeof now.arguments);
    now.arguments[0] = now.program;
    now.arguments[1] = CHILD_ARGUMENT;
    now.arguments[2] = role;
    now.arguments[3] = argument;
    now.options.size = sizeof now.options;
    now.options.program = now.program;
    now.options.arguments = now.arguments;
}

static int spawn__setup(void **state)
{
    iocp_loop_options_t options = {.sleep_method = IOCP_SLEEP_PORT};
    (void)state;
    memset(&now, 0, sizeof now);
    memset(&seen, 0, sizeof seen);
    win_begin();
    assert_in_range(GetModuleFileNameA(NULL, now.program, sizeof now.program), 1,
                    sizeof now.program - 1);
    win_open_with(options);
    return 0;
}

static iocp_op_t spawn__queue(void)
{
    iocp_op_t op = {0};
    memset(&now.started, 0, sizeof now.started);
    assert_int_equal(iocp_spawn(win.loop, &now.options, contract_keep, &now.started, &op), IOCP_OK);
    return op;
}

static int spawn__status(void)
{
    (void)spawn__queue();
    win_wait(&now.started, 1);
    return now.started.status;
}

static uint32_t spawn__exit_code(void)
{
    contract_record ended = {0};
    assert_int_equal(
        iocp_process_wait(win.loop, now.started.result.opened, contract_keep, &ended, NULL),
        IOCP_OK);
    win_wait(&ended, 1);
    assert_int_equal(ended.status, IOCP_OK);
    return (uint32_t)ended.result.value;
}

static uint32_t spawn__run(void)
{
    assert_int_equal(spawn__status(), IOCP_OK);
    return spawn__exit_code();
}

static void spawn__close(iocp_handle_t handle)
{
    contract_record closed = {0};
    assert_int_equal(iocp_close(win.loop, handle, contract_keep, &closed, NULL), IOCP_OK);
    win_wait(&closed, 1);
}

/* ---- What it reads and writes ---- */

static iocp_handle_t spawn__give_pair(iocp_stdio_t which, uint32_t flags)
{
    iocp_handle_t ours = {0};
    iocp_spawn_stdio_t *stdio = &now.options.stdio[which];
    stdio->give = IOCP_GIVE_PIPE;
    assert_int_equal(iocp_pipe_pair(win.loop, flags, &ours, &stdio->handle), IOCP_OK);
    return ours;
}

/* All that comes, up to the end. */
static size_t spawn__read_all(iocp_handle_t pipe, void *buffer, size_t room)
{
    contract_record record = {0};
    size_t count = 0;
    while (record.status != IOCP_EOF) {
        record = (contract_record){0};
        assert_int_equal(iocp_read(win.loop, pipe, (char *)buffer + count, room - count,
                                   contract_keep, &record, NULL),
                         IOCP_OK);
        win_wait(&record, 1);
        assert_true(record.status == IOCP_OK || record.status == IOCP_EOF);
        count += (size_t)record.result.bytes;
    }
    return count;
}

static void spawn__write_and_close(iocp_handle_t pipe, const char *text)
{
    contract_record record = {0};
    assert_int_equal(iocp_write(win.loop, pipe, text, strlen(text), contract_keep, &record, NULL),
                     IOCP_OK);
    win_wait(&record, 1);
    assert_int_equal(record.status, IOCP_OK);
    spawn__close(pipe);
}

/* The lines that a child tells. */
static void spawn__assert_told(const wchar_t *const *lines, size_t count)
{
    static wchar_t told[CHILD_BYTES / sizeof(wchar_t)];
    static wchar_t expected[CHILD_BYTES / sizeof(wchar_t)];
    iocp_handle_t output = spawn__give_pair(IOCP_STDOUT, IOCP_PIPE_READ);
    assert_int_equal(spawn__status(), IOCP_OK);
    size_t units = spawn__read_all(output, told, sizeof told) / sizeof(wchar_t);
    told[units] = L'\0';
    expected[0] = L'\0';
    for (size_t i = 0; i < count; i++) {
        wcscat(expected, lines[i]);
        wcscat(expected, L"\n");
    }
    if (wcscmp(told, expected) != 0) {
        fail_msg("told:\n%ls\nexpected:\n%ls", told, expected);
    }
    assert_int_equal(spawn__exit_code(), 0);
}

static void a_child_gets_its_arguments_its_environment_and_its_folder(void **state)
{
    static const char *const environment[] = {"TEMP=C:\\of the child", "b\xc3\xa4r=\xe2\x82\xac",
                                              "SystemRoot=C:\\windows", NULL};
    static wchar_t line[CHILD_BYTES];
    (void)state;
    spawn__use("tell", "a \"quoted\" \\ argument\\");
    now.arguments[4] = "";
    now.arguments[5] = "\xe2\x82\xac";
    now.options.environment = environment;
    now.options.folder = "C:\\windows";
    size_t units = ioc_command_line(now.arguments, line, CHILD_BYTES);
    assert_in_range(units, 1, CHILD_BYTES);
    const wchar_t *const lines[] = {line, L"\u20ac", L"C:\\of the child", L"C:\\windows"};
    spawn__assert_told(lines, IOC_COUNT_OF(lines));
}

static void a_command_line_is_given_as_it_is(void **state)
{
    static const char line[] = "anything " CHILD_ARGUMENT " tell  \"two  blanks\" \xe2\x82\xac";
    static const char *const environment[] = {"SystemRoot=C:\\windows", NULL};
    (void)state;
    spawn__use("tell", NULL);
    now.options.arguments = NULL;
    now.options.command_line = line;
    now.options.environment = environment;
    now.options.folder = "C:\\windows";
    const wchar_t *const lines[] = {L"anything --be-child tell  \"two  blanks\" \u20ac", L"", L"",
                                    L"C:\\windows"};
    spawn__assert_told(lines, IOC_COUNT_OF(lines));
}

static void a_child_reads_and_writes_through_pipes(void **state)
{
    char told[64] = "";
    char counted[64] = "";
    (void)state;
    spawn__use("copy", NULL);
    iocp_handle_t input = spawn__give_pair(IOCP_STDIN, IOCP_PIPE_WRITE);
    iocp_handle_t output = spawn__give_pair(IOCP_STDOUT, IOCP_PIPE_READ);
    iocp_handle_t errors = spawn__give_pair(IOCP_STDERR, IOCP_PIPE_READ);
    (void)spawn__queue();
    spawn__write_and_close(input, "some text");
    assert_int_equal(spawn__read_all(output, told, sizeof told), 9);
    assert_memory_equal(told, "some text", 9);
    assert_in_range(spawn__read_all(errors, counted, sizeof counted), 1, 9);
    win_wait(&now.started, 1);
    assert_int_equal(spawn__exit_code(), 7);
}

static void one_end_is_for_both_outputs(void **state)
{
    char told[64] = "";
    (void)state;
    spawn__use("copy", NULL);
    iocp_handle_t input = spawn__give_pair(IOCP_STDIN, IOCP_PIPE_WRITE);
    iocp_handle_t output = spawn__give_pair(IOCP_STDOUT, IOCP_PIPE_READ);
    now.options.stdio[IOCP_STDERR] = now.options.stdio[IOCP_STDOUT];
    (void)spawn__queue();
    spawn__write_and_close(input, "x");
    assert_int_equal(spawn__read_all(output, told, sizeof told), 2);
    assert_memory_equal(told, "x!", 2);
    win_wait(&now.started, 1);
    assert_int_equal(spawn__exit_code(), 7);
}

/* Two children and a pipe between them, of which nothing is ours. */
static void a_pipe_connects_two_children(void **state)
{
    char told[64] = "";
    iocp_spawn_stdio_t ends[2] = {{.give = IOCP_GIVE_PIPE}, {.give = IOCP_GIVE_PIPE}};
    (void)state;
    assert_int_equal(iocp_pipe_pair(win.loop, IOCP_PIPE_CHILDREN, &ends[0].handle, &ends[1].handle),
                     IOCP_OK);
    spawn__use("copy", NULL);
    iocp_handle_t input = spawn__give_pair(IOCP_STDIN, IOCP_PIPE_WRITE);
    now.options.stdio[IOCP_STDOUT] = ends[1];
    now.options.stdio[IOCP_STDERR].give = IOCP_GIVE_NOTHING;
    assert_int_equal(spawn__status(), IOCP_OK);
    spawn__use("copy", NULL);
    now.options.stdio[IOCP_STDIN] = ends[0];
    iocp_handle_t output = spawn__give_pair(IOCP_STDOUT, IOCP_PIPE_READ);
    now.options.stdio[IOCP_STDERR].give = IOCP_GIVE_NOTHING;
    assert_int_equal(spawn__status(), IOCP_OK);
    spawn__write_and_close(input, "through both");
    assert_int_equal(spawn__read_all(output, told, sizeof told), 12);
    assert_memory_equal(told, "through both", 12);
    assert_int_equal(spawn__exit_code(), 7);
}

static void nothing_is_an_input_that_ends_and_an_output_that_vanishes(void **state)
{
    (void)state;
    spawn__use("copy", NULL);
    for (int i = 0; i < 3; i++) {
        now.options.stdio[i].give = IOCP_GIVE_NOTHING;
    }
    assert_int_equal(spawn__run(), 7);
    spawn__use("tell", NULL);
    now.options.stdio[IOCP_STDOUT].give = IOCP_GIVE_NOTHING;
    assert_int_equal(spawn__run(), 0);
}

/* The program closes its own as soon as the call has returned. */
static void a_native_handle_is_copied_by_the_call(void **state)
{
    HANDLE input = NULL;
    HANDLE orders = NULL;
    DWORD bytes = 0;
    (void)state;
    assert_true(CreatePipe(&input, &orders, NULL, 0));
    spawn__use("copy", NULL);
    now.options.stdio[IOCP_STDIN] = (iocp_spawn_stdio_t){.give = IOCP_GIVE_NATIVE, .native = input};
    iocp_handle_t output = spawn__give_pair(IOCP_STDOUT, IOCP_PIPE_READ);
    now.options.stdio[IOCP_STDERR].give = IOCP_GIVE_NOTHING;
    (void)spawn__queue();
    assert_true(CloseHandle(input));
    assert_true(WriteFile(orders, "abc", 3, &bytes, NULL));
    assert_true(CloseHandle(orders));
    char told[64] = "";
    assert_int_equal(spawn__read_all(output, told, sizeof told), 3);
    win_wait(&now.started, 1);
    assert_int_equal(spawn__exit_code(), 7);
}

/* ---- What it inherits ---- */

static size_t spawn_listed;

static BOOL WINAPI spawn__spy_attribute(LPPROC_THREAD_ATTRIBUTE_LIST list, DWORD flags,
                                        DWORD_PTR attribute, void *value, SIZE_T size,
                                        void *previous, SIZE_T *returned)
{
    if (attribute == PROC_THREAD_ATTRIBUTE_HANDLE_LIST) {
        spawn_listed = size / sizeof(HANDLE);
    }
    return UpdateProcThreadAttribute(list, flags, attribute, value, size, previous, returned);
}

static void a_child_inherits_what_is_named_and_nothing_else(void **state)
{
    SECURITY_ATTRIBUTES inherited = {.nLength = sizeof inherited, .bInheritHandle = TRUE};
    char numbers[2][32];
    HANDLE events[2];
    (void)state;
    for (int i = 0; i < 2; i++) {
        events[i] = CreateEventW(&inherited, TRUE, FALSE, NULL);
        assert_non_null(events[i]);
        (void)snprintf(numbers[i], sizeof numbers[i], "%llu",
                       (unsigned long long)(uintptr_t)events[i]);
    }
    void *const named[] = {events[1], events[1]}; /* Windows refuses a list that has one twice */
    win.sys.UpdateProcThreadAttribute = spawn__spy_attribute;
    spawn__use("signal", numbers[0]);
    for (int i = 0; i < 3; i++) {
        now.options.stdio[i].give = IOCP_GIVE_NOTHING;
    }
    now.arguments[4] = numbers[1];
    now.options.inherit = named;
    now.options.inherit_count = 2;
    assert_int_equal(spawn__run(), 2);
    assert_int_equal(spawn_listed, 3 + 1);
    assert_false(contract_object_try(events[0]));
    assert_true(contract_object_try(events[1]));
    now.options.inherit_count = 0;
    assert_int_equal(spawn__run(), 0);
    assert_true(CloseHandle(events[0]));
    assert_true(CloseHandle(events[1]));
}

/* It is refused. */
static BOOL WINAPI spawn__spy_create(const wchar_t *program, wchar_t *line,
                                     SECURITY_ATTRIBUTES *process, SECURITY_ATTRIBUTES *thread,
                                     BOOL inherits, DWORD flags, void *environment,
                                     const wchar_t *folder, STARTUPINFOW *startup,
                                     PROCESS_INFORMATION *child)
{
    (void)program;
    (void)line;
    (void)folder;
    (void)child;
    if (environment != NULL) {
        memcpy(seen.environment, environment, sizeof seen.environment);
    }
    assert_null(process);
    assert_null(thread);
    seen.creation = flags;
    seen.startup = startup->dwFlags;
    seen.show = startup->wShowWindow;
    seen.inherits = inherits;
    seen.has_streams =
        startup->hStdInput != NULL || startup->hStdOutput != NULL || startup->hStdError != NULL;
    SetLastError(ERROR_ACCESS_DENIED);
    return FALSE;
}

/* ---- Which program ---- */

/* A copy of this program. */
static void program__copy(const char *folder, const char *name)
{
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_true(CopyFileA(now.program, path, TRUE));
}

static int program__run(const char *name, const char *path)
{
    static char variable[2048];
    static const char *environment[] = {variable, "SystemRoot=C:\\windows", "A=before it", NULL};
    (void)snprintf(variable, sizeof variable, "Path=%s", path);
    now.options.program = NULL;
    now.arguments[0] = name;
    now.options.environment = path != NULL ? environment : NULL;
    int status = spawn__status();
    return status == IOCP_OK ? (int)spawn__exit_code() : status;
}

static void a_program_is_looked_for_in_the_path_of_the_child(void **state)
{
    char folder[512];
    char path[1200];
    char before[512];
    (void)state;
    assert_true(win_folder_create_fresh(folder, sizeof folder));
    program__copy(folder, "found.exe");
    program__copy(folder, "other.tool");
    spawn__use("exit", "33");
    (void)snprintf(path, sizeof path, "C:\\nothing there;;\"%s\";relative", folder);
    assert_int_equal(program__run("found", path), 33);
    assert_int_equal(program__run("FOUND.EXE", path), 33);
    assert_int_equal(program__run("other.tool", path), 33);
    assert_int_equal(program__run("other", path), IOCP_ENOTFOUND);
    assert_int_equal(program__run("found", "C:\\windows"), IOCP_ENOTFOUND);
    assert_int_equal(program__run("found", NULL), IOCP_ENOTFOUND); /* in ours it is not */

    /* Nor in the working folder, by whatever name. */
    assert_in_range(GetCurrentDirectoryA(sizeof before, before), 1, sizeof before - 1);
    assert_true(SetCurrentDirectoryA(folder));
    int statuses[] = {program__run("found", ""), program__run("found", ".;;.\\;C:.;\\"),
                      program__run("found", NULL)};
    int as_path = program__run(".\\found", "");
    assert_true(SetCurrentDirectoryA(before));
    for (size_t i = 0; i < IOC_COUNT_OF(statuses); i++) {
        assert_int_equal(statuses[i], IOCP_ENOTFOUND);
    }
    assert_int_equal(as_path, 33); /* that says where it is */
    assert_true(win_folder_remove(folder));
}

/* "cmd" is in ours. */
static void a_child_without_a_path_finds_no_program(void **state)
{
    static const char *const environment[] = {"A=1", "SystemRoot=C:\\windows", NULL};
    (void)state;
    spawn__use("exit", "0");
    now.options.program = NULL;
    now.arguments[0] = "cmd";
    now.options.environment = environment;
    assert_int_equal(spawn__status(), IOCP_ENOTFOUND);
}

/* What comes of it when memory suffices. */
static int spawn__refuse_each_allocation(uint64_t at_least)
{
    uint64_t allowed = 0;
    int status = IOCP_ENOMEM;
    for (; status == IOCP_ENOMEM; allowed++) {
        memset(&now.started, 0, sizeof now.started);
        unit_memory_allow(&win.memory, allowed);
        status = iocp_spawn(win.loop, &now.options, contract_keep, &now.started, NULL);
        if (status == IOCP_OK) {
            win_wait(&now.started, 1);
            status = now.started.status;
        }
        unit_memory_allow(&win.memory, UINT64_MAX);
    }
    assert_true(allowed > at_least);
    return status;
}

static void any_one_allocation_of_a_search_in_our_path_may_be_refused(void **state)
{
    (void)state;
    spawn__use("exit", "0");
    now.options.program = NULL;
    now.arguments[0] = "no such program";
    assert_int_equal(spawn__refuse_each_allocation(6), IOCP_ENOTFOUND);
}

static void spawn__write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static int batch__run(const char *argument)
{
    now.arguments[1] = argument;
    now.arguments[2] = NULL;
    int status = spawn__status();
    return status == IOCP_OK ? (int)spawn__exit_code() : status;
}

static void a_batch_file_gets_no_argument_that_could_be_taken_apart(void **state)
{
    static const char *const unsafe[] = {"a&b", "%PATH%", "a b", "\"", "^", "\xc3\xa4", "a\nb"};
    char folder[512];
    char path[600];
    (void)state;
    assert_true(win_folder_create_fresh(folder, sizeof folder));
    (void)snprintf(path, sizeof path, "%s/batch.CMD", folder);
    spawn__write_file(path, "@exit %1\r\n");
    spawn__use("none", NULL);
    for (int i = 0; i < 3; i++) {
        now.options.stdio[i].give = IOCP_GIVE_NOTHING;
    }
    now.options.program = path;
    now.arguments[0] = "batch";
    for (size_t i = 0; i < IOC_COUNT_OF(unsafe); i++) {
        assert_int_equal(batch__run(unsafe[i]), IOCP_EINVAL);
        assert_int_equal(now.started.result.native_error, 0);
    }
    assert_int_equal(win_faults_count_of(WIN_CREATE_PROCESS), 0);
    assert_int_equal(batch__run("42"), 42);
    assert_int_equal(win_faults_count_of(WIN_CREATE_PROCESS), 1);
    assert_true(win_folder_remove(folder));
}

static UINT WINAPI batch__find_no_folder(wchar_t *path, UINT room)
{
    (void)path;
    (void)room;
    SetLastError(ERROR_ACCESS_DENIED);
    return 0;
}

static UINT WINAPI batch__find_long_folder(wchar_t *path, UINT room)
{
    (void)path;
    return room;
}

static void what_keeps_a_batch_file_from_its_interpreter_is_told(void **state)
{
    char folder[512];
    char path[600];
    (void)state;
    assert_true(win_folder_create_fresh(folder, sizeof folder));
    (void)snprintf(path, sizeof path, "%s/batch.cmd", folder);
    spawn__write_file(path, "@exit 42\r\n");
    spawn__use("none", NULL);
    now.options.program = path;
    win.sys.CreateProcessW = spawn__spy_create;
    win.sys.GetSystemDirectoryW = batch__find_no_folder;
    assert_int_equal(batch__run("1"), IOCP_EACCES);
    assert_int_equal(now.started.result.native_error, ERROR_ACCESS_DENIED);
    win.sys.GetSystemDirectoryW = batch__find_long_folder;
    assert_int_equal(batch__run("1"), IOCP_ENAMETOOLONG);
    win.sys.GetSystemDirectoryW = GetSystemDirectoryW;
    assert_int_equal(seen.creation, 0); /* so far it was not called */
    assert_int_equal(spawn__refuse_each_allocation(6), IOCP_EACCES);
    assert_int_not_equal(seen.creation, 0);
    assert_true(win_folder_remove(folder));
}

static HANDLE WINAPI spawn__have_no_stream(DWORD which)
{
    (void)which;
    return NULL;
}

static void streams_that_we_do_not_have_are_none_of_a_childs(void **state)
{
    (void)state;
    win.sys.CreateProcessW = spawn__spy_create;
    win.sys.GetStdHandle = spawn__have_no_stream;
    spawn__use("exit", "0");
    assert_int_equal(spawn__status(), IOCP_EACCES);
    assert_int_equal(seen.startup, STARTF_USESTDHANDLES);
    assert_false(seen.has_streams);
    assert_false(seen.inherits);
}

/* ---- What is wrong with it ---- */

static void what_the_system_says_of_a_program_is_told(void **state)
{
    static const struct {
        uint32_t error;
        int status;
    } rows[] = {
        {ERROR_FILE_NOT_FOUND, IOCP_ENOTFOUND},
        {ERROR_PATH_NOT_FOUND, IOCP_ENOTFOUND},
        {ERROR_ACCESS_DENIED, IOCP_EACCES},
        {ERROR_BAD_EXE_FORMAT, IOCP_ENOEXEC},
        {740 /* ERROR_ELEVATION_REQUIRED */, IOCP_EELEVATION},
        {ERROR_DIRECTORY, IOCP_ENOTFOLDER},
        {ERROR_NOT_ENOUGH_MEMORY, IOCP_ENOMEM},
    };
    (void)state;
    spawn__use("exit", "0");
    for (size_t i = 0; i < IOC_COUNT_OF(rows); i++) {
        win_faults_fail_next_of(WIN_CREATE_PROCESS, rows[i].error);
        assert_int_equal(spawn__status(), rows[i].status);
        assert_int_equal(now.started.result.native_error, rows[i].error);
        assert_int_equal(now.started.result.opened.id, 0);
    }
}

static void a_folder_or_a_program_that_cannot_be_used_is_told(void **state)
{
    char folder[512];
    char path[600];
    (void)state;
    assert_true(win_folder_create_fresh(folder, sizeof folder));
    (void)snprintf(path, sizeof path, "%s/text.exe", folder);
    spawn__write_file(path, "this is no program\r\n");
    spawn__use("exit", "0");
    now.options.program = path;
    assert_int_equal(spawn__status(), IOCP_ENOEXEC);
    spawn__use("exit", "0");
    now.options.folder = "C:\\no such folder";
    assert_int_equal(spawn__status(), IOCP_ENOTFOLDER);
    now.options.folder = folder;
    assert_int_equal(spawn__run(), 0);
    assert_true(win_folder_remove(folder));
}

static void text_that_is_not_utf_8_is_refused(void **state)
{
    static const char bad[] = "\xff";
    static const char *const environment[] = {bad, NULL};
    static const char *const variables[] = {"A=\xff", NULL};
    (void)state;
    spawn__use("exit", bad);
    assert_int_equal(iocp_spawn(win.loop, &now.options, contract_keep, &now.started, NULL),
                     IOCP_EINVAL);
    for (int i = 0; i < 4; i++) {
        spawn__use("exit", "0");
        now.options.folder = i == 0 ? bad : NULL;
        now.options.program = i == 1 ? bad : now.program;
        now.options.environment = i == 2 ? environment : i == 3 ? variables : NULL;
        assert_int_equal(iocp_spawn(win.loop, &now.options, contract_keep, &now.started, NULL),
                         IOCP_EINVAL);
    }
}

static void a_native_handle_that_is_none_is_refused(void **state)
{
    (void)state;
    spawn__use("exit", "0");
    now.options.stdio[IOCP_STDERR] =
        (iocp_spawn_stdio_t){.give = IOCP_GIVE_NATIVE, .native = contract_object_bad()};
    assert_int_equal(iocp_spawn(win.loop, &now.options, contract_keep, &now.started, NULL),
                     IOCP_EBADF);
    assert_int_equal(iocp_loop_native_error(win.loop), ERROR_INVALID_HANDLE);
}

/* ---- Jobs ---- */

static HANDLE spawn__native(void)
{
    void *native = NULL;
    assert_int_equal(iocp_handle_native(win.loop, now.started.result.opened, &native), IOCP_OK);
    return contract_object_duplicate(native);
}

static void a_tree_is_a_job_that_ends_with_its_handle_if_so_wanted(void **state)
{
    DWORD code = 0;
    (void)state;
    spawn__use("stay", NULL);
    now.options.flags = IOCP_SPAWN_TREE | IOCP_SPAWN_KILL_ON_CLOSE;
    assert_int_equal(spawn__status(), IOCP_OK);
    HANDLE child = spawn__native();
    assert_false(contract_object_try(child));
    spawn__close(now.started.result.opened);
    assert_int_equal(WaitForSingleObject(child, INFINITE), WAIT_OBJECT_0);
    assert_true(CloseHandle(child));

    now.options.flags = IOCP_SPAWN_TREE;
    assert_int_equal(spawn__status(), IOCP_OK);
    child = spawn__native();
    spawn__close(now.started.result.opened);
    assert_true(GetExitCodeProcess(child, &code));
    assert_int_equal(code, STILL_ACTIVE);
    assert_true(TerminateProcess(child, 0));
    assert_int_equal(WaitForSingleObject(child, INFINITE), WAIT_OBJECT_0);
    assert_true(CloseHandle(child));
}

static void a_child_is_in_its_job_from_the_beginning(void **state)
{
    BOOL is_in_job = FALSE;
    (void)state;
    spawn__use("job", NULL);
    now.options.flags = IOCP_SPAWN_TREE;
    assert_int_equal(spawn__run(), 1);
    spawn__use("job", NULL);
    now.options.job = contract_job_create();
    assert_int_equal(spawn__status(), IOCP_OK);
    HANDLE child = spawn__native();
    assert_true(IsProcessInJob(child, now.options.job, &is_in_job));
    assert_true(is_in_job);
    assert_int_equal(spawn__exit_code(), 1);
    assert_true(CloseHandle(child));
    contract_object_close(now.options.job);
}

/* ---- How the system is told ---- */

static void a_flag_is_a_flag_of_windows(void **state)
{
    const DWORD always = EXTENDED_STARTUPINFO_PRESENT | CREATE_UNICODE_ENVIRONMENT;
    static const struct {
        uint32_t flag;
        DWORD creation;
        DWORD startup;
    } rows[] = {
        {0, 0, STARTF_USESTDHANDLES},
        {IOCP_SPAWN_TREE, 0, STARTF_USESTDHANDLES},
        {IOCP_SPAWN_GROUP, CREATE_NEW_PROCESS_GROUP, STARTF_USESTDHANDLES},
        {IOCP_SPAWN_NO_WINDOW, CREATE_NO_WINDOW, STARTF_USESTDHANDLES},
        {IOCP_SPAWN_NEW_CONSOLE, CREATE_NEW_CONSOLE, 0},
        {IOCP_SPAWN_DETACHED, DETACHED_PROCESS, STARTF_USESTDHANDLES},
        {IOCP_SPAWN_HIDDEN, 0, STARTF_USESTDHANDLES | STARTF_USESHOWWINDOW},
    };
    (void)state;
    win.sys.CreateProcessW = spawn__spy_create;
    for (size_t i = 0; i < IOC_COUNT_OF(rows); i++) {
        spawn__use("exit", "0");
        now.options.flags = rows[i].flag;
        assert_int_equal(spawn__status(), IOCP_EACCES);
        assert_int_equal(seen.creation, always | rows[i].creation);
        assert_int_equal(seen.startup, rows[i].startup);
        assert_int_equal(seen.show, SW_HIDE);
        assert_int_equal(seen.inherits, rows[i].startup != 0);
    }
    now.options.flags = IOCP_SPAWN_NEW_CONSOLE;
    now.options.stdio[IOCP_STDIN].give = IOCP_GIVE_NOTHING;
    assert_int_equal(spawn__status(), IOCP_EACCES);
    assert_int_equal(seen.startup, STARTF_USESTDHANDLES);
    assert_true(seen.inherits);
}

/* By their names without regard to case; the last one of a name counts. */
static void the_environment_is_in_the_order_that_windows_wants(void **state)
{
    static const char *const environment[] = {"path=1",   "Z=2",  "B=3",    "a=4",
                                              "=C:=C:\\", "A_=5", "PATH=6", NULL};
    static const wchar_t sorted[] = L"=C:=C:\\\0a=4\0A_=5\0B=3\0PATH=6\0Z=2\0";
    static char padding[600];
    const char *padded[IOC_COUNT_OF(environment) + 1] = {NULL};
    (void)state;
    memset(padding, '~', sizeof padding - 1); /* so that there is as much as is looked at */
    padding[1] = '=';
    memcpy(padded, environment, sizeof environment);
    padded[IOC_COUNT_OF(environment) - 1] = padding;
    win.sys.CreateProcessW = spawn__spy_create;
    spawn__use("exit", "0");
    now.options.environment = padded;
    assert_int_equal(spawn__status(), IOCP_EACCES);
    assert_memory_equal(seen.environment, sorted, sizeof sorted - sizeof *sorted);
}

/* ---- Ended early ---- */

/* A CreateProcessW that takes its time: it waits in a read that nobody answers. */
static struct {
    HANDLE read;
    HANDLE write;
    HANDLE begun;
    HANDLE asked;
    PTP_WORK held;
} slow;

static void slow__open(void)
{
    memset(&slow, 0, sizeof slow);
    assert_true(CreatePipe(&slow.read, &slow.write, NULL, 0));
    slow.begun = contract_event_create(false, false);
    slow.asked = contract_event_create(false, false);
}

static void slow__close(void)
{
    assert_true(CloseHandle(slow.read));
    assert_true(CloseHandle(slow.write));
    contract_object_close(slow.begun);
    contract_object_close(slow.asked);
}

static BOOL WINAPI slow__create(const wchar_t *program, wchar_t *line, SECURITY_ATTRIBUTES *process,
                                SECURITY_ATTRIBUTES *thread, BOOL inherits, DWORD flags,
                                void *environment, const wchar_t *folder, STARTUPINFOW *startup,
                                PROCESS_INFORMATION *child)
{
    char byte;
    DWORD bytes = 0;
    (void)SetEvent(slow.begun);
    return ReadFile(slow.read, &byte, 1, &bytes, NULL) &&
           CreateProcessW(program, line, process, thread, inherits, flags, environment, folder,
                          startup, child);
}

/* It is in the read, or will be at once. */
static BOOL WINAPI slow__cancel(HANDLE thread)
{
    while (!CancelSynchronousIo(thread)) {
        assert_int_equal(GetLastError(), ERROR_NOT_FOUND);
        (void)SwitchToThread();
    }
    return TRUE;
}

static iocp_op_t slow__start(void)
{
    win.sys.CreateProcessW = slow__create;
    win.sys.CancelSynchronousIo = slow__cancel;
    spawn__use("exit", "0");
    now.options.flags = IOCP_SPAWN_TREE;
    iocp_op_t op = spawn__queue();
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    contract_object_block(slow.begun);
    return op;
}

static void assert_nothing_started(int status)
{
    assert_int_equal(now.started.calls, 1);
    assert_int_equal(now.started.status, status);
    assert_int_equal(now.started.result.opened.id, 0);
    assert_int_equal(win_faults_count_of(WIN_CREATE_PROCESS), 0);
}

static void a_spawn_that_runs_is_asked_to_end_by_a_cancel(void **state)
{
    (void)state;
    slow__open();
    iocp_op_t op = slow__start();
    assert_int_equal(iocp_cancel(win.loop, op, NULL, NULL, NULL), IOCP_OK);
    win_wait(&now.started, 1);
    assert_nothing_started(IOCP_ECANCELED);
    assert_int_equal(now.started.result.native_error, ERROR_OPERATION_ABORTED);
    slow__close();
}

static void a_spawn_that_runs_is_asked_to_end_by_a_deadline(void **state)
{
    (void)state;
    slow__open();
    iocp_op_t op = slow__start();
    assert_int_equal(iocp_op_deadline(win.loop, op, IOC_NS_PER_MS), IOCP_OK);
    win_wait(&now.started, 1);
    assert_nothing_started(IOCP_ETIMEDOUT);
    slow__close();
}

static void a_spawn_that_runs_is_asked_to_end_with_its_loop(void **state)
{
    (void)state;
    slow__open();
    (void)slow__start();
    win_loop_destroy(&win.loop);
    assert_nothing_started(IOCP_ECANCELED);
    slow__close();
}

static BOOL WINAPI late__create(const wchar_t *program, wchar_t *line, SECURITY_ATTRIBUTES *process,
                                SECURITY_ATTRIBUTES *thread, BOOL inherits, DWORD flags,
                                void *environment, const wchar_t *folder, STARTUPINFOW *startup,
                                PROCESS_INFORMATION *child)
{
    BOOL is_good = CreateProcessW(program, line, process, thread, inherits, flags, environment,
                                  folder, startup, child);
    (void)SetEvent(slow.begun);
    (void)WaitForSingleObject(slow.asked, INFINITE);
    return is_good;
}

/* There is no call any more that could be ended. */
static BOOL WINAPI late__cancel(HANDLE thread)
{
    (void)CancelSynchronousIo(thread);
    (void)SetEvent(slow.asked);
    SetLastError(ERROR_NOT_FOUND);
    return FALSE;
}

static void a_spawn_that_is_cancelled_too_late_is_the_success_that_it_is(void **state)
{
    (void)state;
    slow__open();
    win.sys.CreateProcessW = late__create;
    win.sys.CancelSynchronousIo = late__cancel;
    spawn__use("exit", "12");
    iocp_op_t op = spawn__queue();
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    contract_object_block(slow.begun);
    assert_int_equal(iocp_cancel(win.loop, op, NULL, NULL, NULL), IOCP_OK);
    win_wait(&now.started, 1);
    assert_int_equal(now.started.status, IOCP_OK);
    assert_int_equal(spawn__exit_code(), 12);
    slow__close();
}

static void WINAPI slow__hold(PTP_WORK work)
{
    slow.held = work;
}

/* A pool that does not come to it: the ends that it has are closed all the same. */
static void a_spawn_that_has_not_begun_is_taken_back_at_once(void **state)
{
    char told[8];
    (void)state;
    slow__open();
    win.sys.SubmitThreadpoolWork = slow__hold;
    spawn__use("exit", "0");
    iocp_handle_t output = spawn__give_pair(IOCP_STDOUT, IOCP_PIPE_READ);
    iocp_op_t op = spawn__queue();
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    assert_non_null(slow.held);
    assert_int_equal(iocp_cancel(win.loop, op, NULL, NULL, NULL), IOCP_OK);
    win_wait(&now.started, 1);
    assert_nothing_started(IOCP_ECANCELED);
    assert_int_equal(spawn__read_all(output, told, sizeof told), 0);
    slow__close();
}

/* ---- Pseudo consoles ---- */

#define TERMINAL_PATIENCE_NS (60000 * IOC_NS_PER_MS)
#define TERMINAL_ATTEMPTS    3

static struct {
    iocp_handle_t input;
    iocp_handle_t output;
    char seen[16384];
    size_t bytes;
} terminal;

static void terminal__open(const char *role, const char *argument)
{
    if ((iocp_capabilities() & IOCP_CAP_PSEUDO_CONSOLE) == 0) {
        skip();
    }
    memset(&terminal, 0, sizeof terminal);
    spawn__use(role, argument);
    now.options.flags = IOCP_SPAWN_PSEUDO_CONSOLE;
    now.options.columns = 100;
    now.options.rows = 30;
    terminal.input = spawn__give_pair(IOCP_STDIN, IOCP_PIPE_WRITE);
    terminal.output = spawn__give_pair(IOCP_STDOUT, IOCP_PIPE_READ);
}

/* More of the output, or that it has ended, or that nothing comes. */
static int terminal__read_within(uint64_t limit_ns)
{
    contract_record record = {0};
    iocp_op_t op = {0};
    assert_in_range(terminal.bytes, 0, sizeof terminal.seen - 2);
    assert_int_equal(iocp_read(win.loop, terminal.output, terminal.seen + terminal.bytes,
                               sizeof terminal.seen - 1 - terminal.bytes, contract_keep, &record,
                               &op),
                     IOCP_OK);
    assert_int_equal(iocp_op_deadline(win.loop, op, limit_ns), IOCP_OK);
    win_wait(&record, 1);
    terminal.bytes += (size_t)record.result.bytes;
    terminal.seen[terminal.bytes] = '\0';
    return record.status;
}

static int terminal__read(void)
{
    return terminal__read_within(UINT64_MAX);
}

static bool terminal__has_begun(const char *first)
{
    int status = IOCP_OK;
    while (status == IOCP_OK && strstr(terminal.seen, first) == NULL) {
        status = terminal__read_within(TERMINAL_PATIENCE_NS);
    }
    return status == IOCP_OK;
}

/*
 * The child, until it has written this. A loaded machine makes Wine lose a program at its start, this
 * one or the console's host: then another one is started.
 */
static void terminal__start(const char *role, uint32_t flags, const char *first)
{
    bool has_begun = false;
    for (int i = 0; i < TERMINAL_ATTEMPTS && !has_begun; i++) {
        if (i > 0) {
            print_message("%s has written: %s\n", role, terminal.seen);
            spawn__close(now.started.result.opened);
            spawn__close(terminal.input);
            spawn__close(terminal.output);
        }
        terminal__open(role, NULL);
        now.options.flags |= flags;
        assert_int_equal(spawn__status(), IOCP_OK);
        has_begun = terminal__has_begun(first);
    }
    assert_true(has_begun);
}

static void terminal__expect(const char *text)
{
    while (strstr(terminal.seen, text) == NULL) {
        assert_int_equal(terminal__read(), IOCP_OK);
    }
}

static void terminal__type(const char *text)
{
    contract_record record = {0};
    assert_int_equal(
        iocp_write(win.loop, terminal.input, text, strlen(text), contract_keep, &record, NULL),
        IOCP_OK);
    win_wait(&record, 1);
    assert_int_equal(record.status, IOCP_OK);
}

/* Resizes come to the console by another way than what is typed. In Wine they do not come. */
static void terminal__resize(void)
{
    int status = iocp_console_resize(win.loop, now.started.result.opened, 60, 20);
    if (win_is_wine()) {
        assert_int_equal(status, IOCP_ENOTSUP);
        return;
    }
    assert_int_equal(status, IOCP_OK);
    while (strstr(terminal.seen, "<60x20 again>") == NULL) {
        terminal__type("again\r");
        assert_int_equal(terminal__read(), IOCP_OK);
    }
}

static void a_child_in_a_pseudo_console_reads_what_is_typed_and_writes_what_is_seen(void **state)
{
    (void)state;
    terminal__start("console", 0, "<100x30 >");
    terminal__type("hello\r");
    terminal__expect("<100x30 hello>");
    terminal__resize();
    terminal__type("end\r");
    assert_int_equal(spawn__exit_code(), win_is_wine() ? 6 : 5);
    spawn__close(now.started.result.opened);
    int status = IOCP_OK;
    while (status == IOCP_OK) {
        status = terminal__read();
    }
    assert_int_equal(status, IOCP_EOF);
}

/* ---- A loop at either end of a console ---- */

static void echo__start(void)
{
    terminal__start("echo", 0, "[ready]");
}

static void echo__assert_ends_well(void)
{
    terminal__type("end\r");
    assert_int_equal(spawn__exit_code(), WIN_ECHO_GOOD);
}

static void lines_of_a_console_are_read_and_written_as_utf_8(void **state)
{
    (void)state;
    echo__start();
    terminal__type("plain\r");
    terminal__expect("[706c61696e plain]");
    terminal__type("\xc3\xa4\xe2\x82\xac\r");
    terminal__expect("[c3a4e282ac \xc3\xa4\xe2\x82\xac]");
    echo__assert_ends_well();
}

static void a_line_that_was_waited_for_too_long_goes_to_the_next_read(void **state)
{
    (void)state;
    echo__start();
    terminal__type("limit\r");
    terminal__expect("[IOCP_ETIMEDOUT]");
    terminal__type("late\r");
    terminal__expect("[6c617465 late]");
    echo__assert_ends_well();
}

static void ctrl_z_that_is_typed_is_the_end_and_no_line_is_lost(void **state)
{
    (void)state;
    echo__start();
    terminal__type("\x1a\r");
    terminal__expect("[IOCP_EOF]");
    terminal__type("on\r");
    terminal__expect("[6f6e on]");
    echo__assert_ends_well();
}

/* Nobody reads what it writes, and nobody has closed it. */
static void a_loop_ends_with_a_pseudo_console_in_it(void **state)
{
    (void)state;
    terminal__start("console", IOCP_SPAWN_TREE | IOCP_SPAWN_KILL_ON_CLOSE, "<100x30 >");
    terminal__type("hello\r");
    win_loop_destroy(&win.loop);
}

/* ---- Pseudo consoles: a double ---- */

#define FAKE_LAST_BYTES 200000 /* more than a pipe holds */

/*
 * A host whose last words are long: like Windows' it does not end until they are written, or nobody can
 * read them any more.
 */
static struct {
    HRESULT refusal;       /* of the next call */
    const char *missing;   /* a function that the system does not have */
    bool refuses_to_start; /* as an attribute of a child */
    int created;
    int closed; /* once `gone` is set */
    bool is_attribute;
    COORD size;
    DWORD flags;
    DWORD closing_thread;
    DWORD closing_error;
    HANDLE input;
    HANDLE output;
    HANDLE gone;
} fake;

static HANDLE fake__copy(HANDLE handle)
{
    HANDLE copy = NULL;
    (void)DuplicateHandle(GetCurrentProcess(), handle, GetCurrentProcess(), &copy, 0, FALSE,
                          DUPLICATE_SAME_ACCESS);
    return copy;
}

static HRESULT WINAPI fake__create(COORD size, HANDLE input, HANDLE output, DWORD flags,
                                   void **console)
{
    if (fake.refusal != 0) {
        return fake.refusal;
    }
    fake.created++;
    fake.size = size;
    fake.flags = flags;
    fake.input = fake__copy(input);
    fake.output = fake__copy(output);
    *console = &fake;
    return 0;
}

static HRESULT WINAPI fake__resize(void *console, COORD size)
{
    assert_ptr_equal(console, &fake);
    if (fake.refusal == 0) {
        fake.size = size;
    }
    return fake.refusal;
}

static void WINAPI fake__close(void *console)
{
    static const char words[1000];
    DWORD bytes = 0;
    fake.closing_thread = GetCurrentThreadId();
    for (int i = 0; i < FAKE_LAST_BYTES / 1000 && fake.closing_error == 0; i++) {
        bool is_written = WriteFile(fake.output, words, sizeof words, &bytes, NULL);
        fake.closing_error = is_written ? 0 : GetLastError();
    }
    (void)CloseHandle(fake.input);
    (void)CloseHandle(fake.output);
    fake.closed += console == &fake;
    (void)SetEvent(fake.gone);
}

static FARPROC WINAPI fake__find(HMODULE module, const char *name)
{
    static const struct {
        const char *name;
        uintptr_t function;
    } doubles[] = {
        {"CreatePseudoConsole", (uintptr_t)fake__create},
        {"ResizePseudoConsole", (uintptr_t)fake__resize},
        {"ClosePseudoConsole", (uintptr_t)fake__close},
    };
    uint64_t struck = win_faults_struck();
    FARPROC function = win_faults_table()->GetProcAddress(module, name);
    for (size_t i = 0; i < IOC_COUNT_OF(doubles); i++) {
        if (strcmp(name, doubles[i].name) == 0) {
            bool is_missing = fake.missing != NULL && strcmp(fake.missing, name) == 0;
            bool is_there = !is_missing && win_faults_struck() == struck;
            return is_there ? (FARPROC)doubles[i].function : NULL;
        }
    }
    return function;
}

static BOOL WINAPI fake__set_attribute(LPPROC_THREAD_ATTRIBUTE_LIST list, DWORD flags,
                                       DWORD_PTR attribute, void *value, SIZE_T size,
                                       void *previous, SIZE_T *returned)
{
    if (attribute != 0x00020016) { /* PROC_THREAD_ATTRIBUTE_PSEUDOCONSOLE */
        return win_faults_table()->UpdateProcThreadAttribute(list, flags, attribute, value, size,
                                                             previous, returned);
    }
    fake.is_attribute = value == &fake && size == sizeof(void *);
    if (fake.refuses_to_start) {
        SetLastError(ERROR_NOT_ENOUGH_MEMORY);
    }
    return !fake.refuses_to_start;
}

static int fake__setup(void **state)
{
    memset(&fake, 0, sizeof fake);
    fake.gone = contract_event_create(false, false);
    int status = spawn__setup(state);
    win.sys.GetProcAddress = fake__find;
    win.sys.UpdateProcThreadAttribute = fake__set_attribute;
    return status;
}

static int fake__teardown(void **state)
{
    int status = win_end(state);
    assert_int_equal(fake.created, fake.closed);
    contract_object_close(fake.gone);
    return status;
}

/* On another thread, whoever reads. */
static void assert_console_gone(void)
{
    contract_object_block(fake.gone);
    assert_int_equal(fake.closed, 1);
    assert_int_not_equal(fake.closing_thread, GetCurrentThreadId());
}

static size_t terminal__drain(void)
{
    static char words[FAKE_LAST_BYTES + 1];
    return spawn__read_all(terminal.output, words, sizeof words);
}

static void what_a_closed_pseudo_console_still_writes_is_read_to_its_end(void **state)
{
    (void)state;
    terminal__open("exit", "3");
    assert_int_equal(spawn__run(), 3);
    assert_int_equal(fake.created, 1);
    assert_int_equal(fake.flags, 0);
    spawn__close(now.started.result.opened); /* does not wait for who reads, for that is us */
    assert_int_equal(terminal__drain(), FAKE_LAST_BYTES);
    assert_console_gone();
    assert_int_equal(fake.closing_error, 0);
}

static void a_loop_that_ends_does_not_wait_for_what_nobody_reads(void **state)
{
    (void)state;
    terminal__open("exit", "3");
    assert_int_equal(spawn__run(), 3);
    win_loop_destroy(&win.loop);
    assert_console_gone();
    assert_true(fake.closing_error == ERROR_NO_DATA || fake.closing_error == ERROR_BROKEN_PIPE);
}

static void a_console_is_closed_when_its_child_cannot_be_started(void **state)
{
    (void)state;
    terminal__open("exit", "3");
    fake.refuses_to_start = true;
    assert_int_equal(spawn__status(), IOCP_ENOMEM);
    assert_int_equal(terminal__drain(), FAKE_LAST_BYTES);
    assert_console_gone();
}

static void a_console_that_the_system_refuses_is_told(void **state)
{
    static const struct {
        HRESULT refusal;
        int status;
        uint32_t native_error;
    } rows[] = {
        {(HRESULT)0x8007000E, IOCP_ENOMEM, ERROR_OUTOFMEMORY},
        {(HRESULT)0x80070005, IOCP_EACCES, ERROR_ACCESS_DENIED},
        {(HRESULT)0x80004001, IOCP_ENOTSUP, ERROR_CALL_NOT_IMPLEMENTED},
        {(HRESULT)0x8000FFFF, IOCP_EUNKNOWN, 0x8000FFFF},
    };
    char nothing[8];
    (void)state;
    for (size_t i = 0; i < IOC_COUNT_OF(rows); i++) {
        terminal__open("exit", "3");
        fake.refusal = rows[i].refusal;
        assert_int_equal(spawn__status(), rows[i].status);
        assert_int_equal(now.started.result.native_error, rows[i].native_error);
        assert_int_equal(spawn__read_all(terminal.output, nothing, sizeof nothing), 0);
    }
    assert_int_equal(fake.created, 0);
}

static void a_system_without_pseudo_consoles_refuses_the_call(void **state)
{
    static const char *const names[] = {"CreatePseudoConsole", "ResizePseudoConsole",
                                        "ClosePseudoConsole"};
    (void)state;
    terminal__open("exit", "3");
    for (size_t i = 0; i < IOC_COUNT_OF(names); i++) {
        fake.missing = names[i];
        assert_int_equal(iocp_spawn(win.loop, &now.options, contract_keep, &now.started, NULL),
                         IOCP_ENOTSUP);
        assert_int_equal(iocp_handle_kind(win.loop, now.options.stdio[IOCP_STDIN].handle),
                         IOCP_HANDLE_PIPE_END);
    }
    assert_int_equal(now.started.calls, 0);
    spawn__use("exit", "4"); /* other children do not need them */
    assert_int_equal(spawn__run(), 4);
}

/* Streams that are none, or it would get ours where these are no console's (microsoft/terminal 11276). */
static void the_streams_of_a_pseudo_console_are_its_own(void **state)
{
    (void)state;
    win.sys.CreateProcessW = spawn__spy_create;
    terminal__open("exit", "3");
    assert_int_equal(spawn__status(), IOCP_EACCES);
    assert_true(fake.is_attribute);
    assert_int_equal(seen.creation, EXTENDED_STARTUPINFO_PRESENT | CREATE_UNICODE_ENVIRONMENT);
    assert_int_equal(seen.startup, STARTF_USESTDHANDLES);
    assert_false(seen.has_streams);
    assert_false(seen.inherits);
    assert_int_equal(terminal__drain(), FAKE_LAST_BYTES);
    assert_console_gone();
}

static void a_pseudo_console_is_as_large_as_it_was_told(void **state)
{
    (void)state;
    terminal__open("exit", "3");
    assert_int_equal(spawn__run(), 3);
    assert_int_equal(fake.size.X, 100);
    assert_int_equal(fake.size.Y, 30);
    assert_int_equal(iocp_console_resize(win.loop, now.started.result.opened, 32767, 1), IOCP_OK);
    assert_int_equal(fake.size.X, 32767);
    assert_int_equal(fake.size.Y, 1);
    fake.refusal = (HRESULT)0x800700E8;
    assert_int_equal(iocp_console_resize(win.loop, now.started.result.opened, 1, 1), IOCP_EPIPE);
    assert_int_equal(iocp_loop_native_error(win.loop), ERROR_NO_DATA);
    spawn__close(now.started.result.opened);
    assert_int_equal(terminal__drain(), FAKE_LAST_BYTES);
    assert_console_gone();
}

/* ---- What fails leaves nothing ---- */

static bool whole__open_pair(iocp_stdio_t which, uint32_t flags)
{
    iocp_handle_t ours = {0};
    now.options.stdio[which] = (iocp_spawn_stdio_t){.give = IOCP_GIVE_PIPE};
    return iocp_pipe_pair(win.loop, flags, &ours, &now.options.stdio[which].handle) == IOCP_OK;
}

static bool whole__use_console(void)
{
    now.options.flags |= IOCP_SPAWN_PSEUDO_CONSOLE;
    now.options.columns = 80;
    now.options.rows = 25;
    now.options.stdio[IOCP_STDERR] = (iocp_spawn_stdio_t){0};
    return whole__open_pair(IOCP_STDIN, IOCP_PIPE_WRITE);
}

/* A spawn with everything. False: it could not be asked for. */
static bool whole__start(HANDLE event, bool in_console)
{
    static const char *const environment[] = {"SystemRoot=C:\\windows", "A=1", "PATH=C:\\", NULL};
    static void *inherit[1];
    spawn__use("exit", "0");
    inherit[0] = event;
    now.options.environment = environment;
    now.options.folder = "C:\\windows";
    now.options.flags = IOCP_SPAWN_TREE | IOCP_SPAWN_KILL_ON_CLOSE;
    now.options.inherit = inherit;
    now.options.inherit_count = 1;
    now.options.stdio[IOCP_STDIN].give = IOCP_GIVE_NOTHING;
    now.options.stdio[IOCP_STDERR] =
        (iocp_spawn_stdio_t){.give = IOCP_GIVE_NATIVE, .native = event};
    memset(&now.started, 0, sizeof now.started);
    return whole__open_pair(IOCP_STDOUT, IOCP_PIPE_READ) && (!in_console || whole__use_console()) &&
           iocp_spawn(win.loop, &now.options, contract_keep, &now.started, NULL) == IOCP_OK;
}

/* A loop of its own, from its beginning to its end. True: the child was started. */
static bool whole__run(bool in_console)
{
    iocp_loop_options_t options = {.sleep_method = IOCP_SLEEP_PORT};
    SECURITY_ATTRIBUTES inherited = {.nLength = sizeof inherited, .bInheritHandle = TRUE};
    HANDLE event = CreateEventW(&inherited, TRUE, FALSE, NULL);
    win.loop = NULL;
    memset(&now.started, 0, sizeof now.started);
    if (win_loop_try_create(&win.sys, &win.memory, options, &win.loop) == IOCP_OK) {
        bool is_started = whole__start(event, in_console);
        for (int i = 0; is_started && now.started.calls == 0 && i < 100; i++) {
            (void)iocp_loop_run(win.loop, IOCP_RUN_ONCE);
        }
        assert_int_equal(now.started.calls, is_started);
        unit_memory_allow(&win.memory, UINT64_MAX);
        win_faults_stop();
        win_loop_destroy(&win.loop);
    }
    assert_true(CloseHandle(event));
    return now.started.calls == 1 && now.started.status == IOCP_OK;
}

/* What is closed on the pool is closed before the next run. */
static void whole__settle(void)
{
    if (fake.created > 0) {
        assert_console_gone();
    }
    fake.created = fake.closed = 0;
    fake.closing_error = 0;
}

static void whole__fail_each_call(bool in_console)
{
    uint64_t k = 0;
    bool has_struck = true;
    win_loop_destroy(&win.loop);
    while (has_struck) {
        win_faults_reset();
        win_faults_fail_nth(++k);
        bool is_whole = whole__run(in_console);
        has_struck = win_faults_struck() > 0;
        assert_true(is_whole || has_struck);
        whole__settle();
        if (win_settled_handles(win.handles_before) != win.handles_before) {
            print_message("call %u: %s\n", (unsigned)k, win_call_name(win_faults_last_struck()));
        }
        win_loop_check_leaks(&win.memory, win.handles_before);
    }
    print_message("%u calls were made to fail\n", (unsigned)k - 1);
    assert_true(k > 30);
}

static void any_one_system_call_of_a_spawn_may_fail(void **state)
{
    (void)state;
    whole__fail_each_call(false);
}

static void any_one_system_call_of_a_spawn_in_a_pseudo_console_may_fail(void **state)
{
    (void)state;
    whole__fail_each_call(true);
}

static void whole__refuse_each_allocation(bool in_console)
{
    uint64_t allowed = 0;
    bool is_whole = false;
    win_loop_destroy(&win.loop);
    while (!is_whole) {
        unit_memory_init(&win.memory);
        unit_memory_allow(&win.memory, allowed++);
        is_whole = whole__run(in_console);
        whole__settle();
        win_loop_check_leaks(&win.memory, win.handles_before);
    }
    print_message("%u allocations were refused\n", (unsigned)allowed - 1);
    assert_true(allowed > 10);
}

static void any_one_allocation_of_a_spawn_may_be_refused(void **state)
{
    (void)state;
    whole__refuse_each_allocation(false);
}

static void any_one_allocation_of_a_spawn_in_a_pseudo_console_may_be_refused(void **state)
{
    (void)state;
    whole__refuse_each_allocation(true);
}

/* On newer Wine it opens a handle that stays, and so does the pool. */
static int spawn__warm_up(void **state)
{
    (void)spawn__setup(state);
    spawn__use("exit", "0");
    assert_int_equal(spawn__run(), 0);
    win_loop_destroy(&win.loop);
    return 0;
}

#define SPAWN_TEST(function) cmocka_unit_test_setup_teardown(function, spawn__setup, win_end)
#define FAKE_TEST(function)  cmocka_unit_test_setup_teardown(function, fake__setup, fake__teardown)

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        SPAWN_TEST(a_child_gets_its_arguments_its_environment_and_its_folder),
        SPAWN_TEST(a_command_line_is_given_as_it_is),
        SPAWN_TEST(a_child_reads_and_writes_through_pipes),
        SPAWN_TEST(one_end_is_for_both_outputs),
        SPAWN_TEST(a_pipe_connects_two_children),
        SPAWN_TEST(nothing_is_an_input_that_ends_and_an_output_that_vanishes),
        SPAWN_TEST(a_native_handle_is_copied_by_the_call),
        SPAWN_TEST(a_child_inherits_what_is_named_and_nothing_else),
        SPAWN_TEST(a_program_is_looked_for_in_the_path_of_the_child),
        SPAWN_TEST(a_child_without_a_path_finds_no_program),
        SPAWN_TEST(any_one_allocation_of_a_search_in_our_path_may_be_refused),
        SPAWN_TEST(what_keeps_a_batch_file_from_its_interpreter_is_told),
        SPAWN_TEST(streams_that_we_do_not_have_are_none_of_a_childs),
        SPAWN_TEST(a_batch_file_gets_no_argument_that_could_be_taken_apart),
        SPAWN_TEST(what_the_system_says_of_a_program_is_told),
        SPAWN_TEST(a_folder_or_a_program_that_cannot_be_used_is_told),
        SPAWN_TEST(text_that_is_not_utf_8_is_refused),
        SPAWN_TEST(a_native_handle_that_is_none_is_refused),
        SPAWN_TEST(a_tree_is_a_job_that_ends_with_its_handle_if_so_wanted),
        SPAWN_TEST(a_child_is_in_its_job_from_the_beginning),
        SPAWN_TEST(a_flag_is_a_flag_of_windows),
        SPAWN_TEST(the_environment_is_in_the_order_that_windows_wants),
        SPAWN_TEST(a_spawn_that_runs_is_asked_to_end_by_a_cancel),
        SPAWN_TEST(a_spawn_that_runs_is_asked_to_end_by_a_deadline),
        SPAWN_TEST(a_spawn_that_runs_is_asked_to_end_with_its_loop),
        SPAWN_TEST(a_spawn_that_is_cancelled_too_late_is_the_success_that_it_is),
        SPAWN_TEST(a_spawn_that_has_not_begun_is_taken_back_at_once),
        SPAWN_TEST(a_child_in_a_pseudo_console_reads_what_is_typed_and_writes_what_is_seen),
        SPAWN_TEST(lines_of_a_console_are_read_and_written_as_utf_8),
        SPAWN_TEST(a_line_that_was_waited_for_too_long_goes_to_the_next_read),
        SPAWN_TEST(ctrl_z_that_is_typed_is_the_end_and_no_line_is_lost),
        SPAWN_TEST(a_loop_ends_with_a_pseudo_console_in_it),
        FAKE_TEST(what_a_closed_pseudo_console_still_writes_is_read_to_its_end),
        FAKE_TEST(a_loop_that_ends_does_not_wait_for_what_nobody_reads),
        FAKE_TEST(a_console_is_closed_when_its_child_cannot_be_started),
        FAKE_TEST(a_console_that_the_system_refuses_is_told),
        FAKE_TEST(a_system_without_pseudo_consoles_refuses_the_call),
        FAKE_TEST(the_streams_of_a_pseudo_console_are_its_own),
        FAKE_TEST(a_pseudo_console_is_as_large_as_it_was_told),
        SPAWN_TEST(any_one_system_call_of_a_spawn_may_fail),
        SPAWN_TEST(any_one_allocation_of_a_spawn_may_be_refused),
        FAKE_TEST(any_one_system_call_of_a_spawn_in_a_pseudo_console_may_fail),
        FAKE_TEST(any_one_allocation_of_a_spawn_in_a_pseudo_console_may_be_refused),
    };
    child__be(count, arguments);
    contract_object_begin();
    win_catch_crashes();
    return cmocka_run_group_tests(tests, spawn__warm_up, NULL);
}
