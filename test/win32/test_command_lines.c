/*
 * What others make of our command lines and environments: the system's CommandLineToArgvW, the C
 * runtime of a child (this program once more, which tells what it got), and cmd.exe.
 */
#include "unit.h"

#include "text/command_line.h"
#include "text/environment.h"
#include "win32/win.h"

#include "win_leaks.h"

#include <fcntl.h>
#include <io.h>
#include <shellapi.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#define LINES         5000
#define CHILDREN      24
#define ARGUMENT_MOST 12 /* of a line */
#define PIECES_MOST   16 /* of an argument */
#define ARGUMENT_SIZE (4 * PIECES_MOST + 1)
#define TOLD_MOST     65536 /* bytes that a child tells */

#define TELL_ARGUMENTS "--tell-arguments"
#define TELL_VARIABLE  L"--tell-variable:" /* and its name */

static struct {
    size_t handles_before;
    wchar_t program[MAX_PATH];
    char told[TOLD_MOST];
    size_t told_size;
} now;

/* ---- The child ---- */

#define CHILD_CONFUSED 86

/* Each of them with its zero, as main has got them. */
static void child__tell_arguments(int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        (void)fwrite(argv[i], 1, strlen(argv[i]) + 1, stdout);
    }
}

static void child__tell_variable(const wchar_t *name)
{
    wchar_t value[64];
    DWORD units = GetEnvironmentVariableW(name, value, 64);
    (void)fwrite(value, sizeof *value, units, stdout);
}

/* What it is to tell is in its line, however its main gets that. */
static int child__be(int argc, char **argv)
{
    const wchar_t *variable = wcsstr(GetCommandLineW(), TELL_VARIABLE);
    (void)_setmode(_fileno(stdout), _O_BINARY);
    if (variable != NULL) {
        child__tell_variable(variable + wcslen(TELL_VARIABLE));
    } else if (argc > 1 && strcmp(argv[1], TELL_ARGUMENTS) == 0) {
        child__tell_arguments(argc, argv);
    } else {
        return CHILD_CONFUSED;
    }
    return 0;
}

/* ---- The environment ---- */

/* Runs it to its end, and keeps what it tells. */
static void child__run(const wchar_t *program, wchar_t *line, wchar_t *environment)
{
    SECURITY_ATTRIBUTES inherited = {.nLength = sizeof inherited, .bInheritHandle = TRUE};
    STARTUPINFOW startup = {.cb = sizeof startup, .dwFlags = STARTF_USESTDHANDLES};
    PROCESS_INFORMATION child;
    HANDLE told;
    DWORD bytes;
    DWORD exit_code;
    assert_true(CreatePipe(&told, &startup.hStdOutput, &inherited, 0));
    assert_true(SetHandleInformation(told, HANDLE_FLAG_INHERIT, 0));
    assert_true(CreateProcessW(program, line, NULL, NULL, TRUE, CREATE_UNICODE_ENVIRONMENT,
                               environment, NULL, &startup, &child));
    assert_true(CloseHandle(startup.hStdOutput));
    now.told_size = 0;
    while (ReadFile(told, now.told + now.told_size, (DWORD)(TOLD_MOST - now.told_size), &bytes,
                    NULL)) {
        now.told_size += bytes;
        assert_true(now.told_size < TOLD_MOST);
    }
    assert_int_equal(GetLastError(), ERROR_BROKEN_PIPE);
    assert_int_equal(WaitForSingleObject(child.hProcess, INFINITE), WAIT_OBJECT_0);
    assert_true(GetExitCodeProcess(child.hProcess, &exit_code));
    assert_int_equal(exit_code, 0);
    assert_true(CloseHandle(told));
    assert_true(CloseHandle(child.hThread));
    assert_true(CloseHandle(child.hProcess));
}

static wchar_t *line__of(const char *const *arguments)
{
    static wchar_t line[IOC_COMMAND_LINE_UNITS];
    assert_in_range(ioc_command_line(arguments, line, IOC_COMMAND_LINE_UNITS), 3,
                    IOC_COMMAND_LINE_UNITS);
    return line;
}

/* On newer Wine the first child opens a handle that stays. */
static int command_lines__start_a_first_child(void **state)
{
    static const char *const list[] = {"a", TELL_ARGUMENTS, NULL};
    (void)state;
    child__run(now.program, line__of(list), NULL);
    return 0;
}

static int command_lines__setup(void **state)
{
    (void)state;
    now.handles_before = win_open_handles();
    return 0;
}

static int command_lines__teardown(void **state)
{
    (void)state;
    assert_int_equal(win_open_handles(), now.handles_before);
    return 0;
}

/* ---- Arguments ---- */

typedef struct arguments {
    const char *list[ARGUMENT_MOST + 1];
    char texts[ARGUMENT_MOST][ARGUMENT_SIZE];
    size_t count;
} arguments;

/* Mostly of what means something in a line. */
static void argument__make(char *text, const char *const *pieces, size_t count, uint64_t *random)
{
    *text = '\0';
    for (uint32_t left = unit_random_below(random, PIECES_MOST + 1); left > 0; left--) {
        strcat(text, pieces[unit_random_below(random, (uint32_t)count)]);
    }
}

static void arguments__add(arguments *self, const char *text)
{
    strcpy(self->texts[self->count], text);
    self->list[self->count] = self->texts[self->count];
    self->list[++self->count] = NULL;
}

static void arguments__fill(arguments *self, const char *const *pieces, size_t count,
                            uint64_t *random)
{
    uint32_t more = unit_random_below(random, (uint32_t)(ARGUMENT_MOST - self->count) + 1);
    for (; more > 0; more--) {
        char text[ARGUMENT_SIZE];
        argument__make(text, pieces, count, random);
        arguments__add(self, text);
    }
}

static void shell__check(const wchar_t *line, const arguments *expected)
{
    int count = 0;
    wchar_t **found = CommandLineToArgvW(line, &count);
    assert_non_null(found);
    assert_int_equal(count, expected->count);
    for (int i = 0; i < count; i++) {
        wchar_t wide[ARGUMENT_SIZE];
        assert_true(MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, expected->list[i], -1, wide,
                                        ARGUMENT_SIZE) > 0);
        if (wcscmp(found[i], wide) != 0) {
            fail_msg("argument %d of %ls is %ls", i, line, found[i]);
        }
    }
    assert_null(LocalFree(found));
}

static void command_line_to_argv_w_gives_the_arguments_back(void **state)
{
    (void)state;
    static const char *const pieces[] = {"\"",
                                         "\"",
                                         "\\",
                                         "\\",
                                         "\\\\",
                                         " ",
                                         "\t",
                                         "\n",
                                         "a",
                                         "'",
                                         "%a%",
                                         "\xc3\xa4",
                                         "\xf0\x9f\x8c\xb1"};
    uint64_t random = UNIT_SEED;
    for (int i = 0; i < LINES; i++) {
        arguments one = {.count = 0};
        char name[ARGUMENT_SIZE];
        argument__make(name, pieces + 2, IOC_COUNT_OF(pieces) - 2, &random); /* without quotes */
        arguments__add(&one, name);
        arguments__fill(&one, pieces, IOC_COUNT_OF(pieces), &random);
        shell__check(line__of(one.list), &one);
    }
}

static void a_childs_main_gets_the_arguments(void **state)
{
    (void)state;
    static const char *const pieces[] = {"\"", "\\", "\\\\", " ", "\t", "a", "'", "%a%", "^"};
    uint64_t random = UNIT_SEED;
    for (int i = 0; i < CHILDREN; i++) {
        arguments one = {.count = 0};
        /* Wine's C runtime takes a backslash at its end for what it is at that of the others. */
        arguments__add(&one, win_is_wine() ? "any \\name" : "any \\name\\");
        arguments__add(&one, TELL_ARGUMENTS);
        arguments__fill(&one, pieces, IOC_COUNT_OF(pieces), &random);
        child__run(now.program, line__of(one.list), NULL);
        size_t at = 0;
        for (size_t k = 2; k < one.count; k++) {
            size_t size = strlen(one.list[k]) + 1;
            assert_true(now.told_size - at >= size);
            assert_memory_equal(now.told + at, one.list[k], size);
            at += size;
        }
        assert_int_equal(at, now.told_size);
    }
}

static void the_longest_line_reaches_a_child(void **state)
{
    (void)state;
    static char argument[IOC_COMMAND_LINE_UNITS];
    const char *const list[] = {"a", TELL_ARGUMENTS, argument, NULL};
    size_t length = IOC_COMMAND_LINE_UNITS - strlen("\"a\" " TELL_ARGUMENTS " ") - 1;
    memset(argument, 'b', length);
    wchar_t *line = line__of(list);
    assert_int_equal(wcslen(line) + 1, IOC_COMMAND_LINE_UNITS);
    child__run(now.program, line, NULL);
    assert_int_equal(now.told_size, length + 1);
    assert_memory_equal(now.told, argument, length + 1);
}

/* ---- Batch files ---- */

static void batch__write(wchar_t *path, const char *text)
{
    DWORD bytes = 0;
    HANDLE file = CreateFileW(path, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
    assert_ptr_not_equal(file, INVALID_HANDLE_VALUE);
    assert_true(WriteFile(file, text, (DWORD)strlen(text), &bytes, NULL));
    assert_true(CloseHandle(file));
}

static void a_batch_file_gets_its_arguments(void **state)
{
    (void)state;
    static const char *const list[] = {"none", "x", "", "-y:\\z/_.9", NULL};
    static const char expected[] = "[x][][-y:\\z/_.9][]\r\n";
    static wchar_t line[IOC_COMMAND_LINE_BATCH_UNITS];
    wchar_t folder[MAX_PATH];
    wchar_t path[MAX_PATH + 64];
    wchar_t cmd[MAX_PATH + 16];
    assert_in_range(GetTempPathW(MAX_PATH, folder), 1, MAX_PATH - 1);
    assert_true(swprintf(path, MAX_PATH + 64, L"%lsiocploop (%lu) & one.bat", folder,
                         GetCurrentProcessId()) > 0);
    assert_in_range(GetSystemDirectoryW(cmd, MAX_PATH), 1, MAX_PATH - 1);
    wcscat(cmd, L"\\cmd.exe");
    batch__write(path, "@echo [%~1][%~2][%~3][%~4]\r\n");
    assert_true(
        ioc_command_line_of_batch(path, line__of(list), line, IOC_COMMAND_LINE_BATCH_UNITS) > 0);
    child__run(cmd, line, NULL);
    assert_true(DeleteFileW(path));
    assert_int_equal(now.told_size, strlen(expected));
    assert_memory_equal(now.told, expected, strlen(expected));
}

/* ---- Environments ---- */

static int ordinal__compare(const void *context, const wchar_t *left, size_t left_length,
                            const wchar_t *right, size_t right_length)
{
    (void)context;
    return CompareStringOrdinal(left, (int)left_length, right, (int)right_length, TRUE) -
           CSTR_EQUAL;
}

static void a_child_finds_the_variables_of_a_sorted_block(void **state)
{
    (void)state;
    static const struct {
        const wchar_t *line;
        const wchar_t *value;
    } table[] = {
        {L"\"a\" " TELL_VARIABLE L"ONE", L"1"},         {L"\"a\" " TELL_VARIABLE L"one", L"1"},
        {L"\"a\" " TELL_VARIABLE L"TWO", L"=2="},       {L"\"a\" " TELL_VARIABLE L"=C:", L"C:\\x"},
        {L"\"a\" " TELL_VARIABLE L"EMPTY", L""},        {L"\"a\" " TELL_VARIABLE L"THREE", L""},
        {L"\"a\" " TELL_VARIABLE L"\x00e4", L"\x00dc"},
    };
    static const char *const variables[] = {
        "two=x", "=C:=C:\\x", "One=x",  "\xc3\xa4=\xc3\xbc", "TWO==2=",
        "one=1", "Z=x",       "EMPTY=", "\xc3\x84=\xc3\x9c", NULL};
    wchar_t block[128];
    wchar_t sorted[128];
    const wchar_t *places[IOC_COUNT_OF(variables)];
    assert_in_range(ioc_environment_block(variables, block, 128), 1, 128);
    ioc_environment_sort(block, ordinal__compare, NULL, places, sorted);
    for (size_t i = 0; i < IOC_COUNT_OF(table); i++) {
        wchar_t line[64];
        child__run(now.program, wcscpy(line, table[i].line), sorted);
        assert_int_equal(now.told_size, wcslen(table[i].value) * sizeof(wchar_t));
        assert_memory_equal(now.told, table[i].value, now.told_size);
    }
}

#define LINE_TEST(function) \
    cmocka_unit_test_setup_teardown(function, command_lines__setup, command_lines__teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        LINE_TEST(command_line_to_argv_w_gives_the_arguments_back),
        LINE_TEST(a_childs_main_gets_the_arguments),
        LINE_TEST(the_longest_line_reaches_a_child),
        LINE_TEST(a_batch_file_gets_its_arguments),
        LINE_TEST(a_child_finds_the_variables_of_a_sorted_block),
    };
    win_catch_crashes();
    if (wcsstr(GetCommandLineW(), L" --tell-") != NULL) {
        return child__be(argc, argv);
    }
    (void)GetModuleFileNameW(NULL, now.program, MAX_PATH);
    return cmocka_run_group_tests(tests, command_lines__start_a_first_child, NULL);
}
