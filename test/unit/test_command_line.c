#include "unit.h"

#include "text/command_line.h"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define LINE_MOST 9 /* arguments of a row, with the NULL */

/* The line of these arguments, in room that ends where it does; NULL: it is refused. */
static wchar_t *line__of(const char *const *arguments)
{
    size_t count = ioc_command_line(arguments, NULL, 0);
    if (count == 0) {
        return NULL;
    }
    wchar_t *line = calloc(count, sizeof *line);
    assert_non_null(line);
    assert_int_equal(ioc_command_line(arguments, line, count), count);
    assert_int_equal(wcslen(line), count - 1);
    return line;
}

static void line__check(const char *const *arguments, const wchar_t *expected)
{
    wchar_t *line = line__of(arguments);
    assert_non_null(line);
    if (wcscmp(line, expected) != 0) {
        fail_msg("%ls instead of %ls", line, expected);
    }
    free(line);
}

/* ---- Arguments ---- */

static void arguments_are_quoted_where_the_rules_ask_for_it(void **state)
{
    (void)state;
    static const struct {
        const char *arguments[LINE_MOST];
        const wchar_t *line;
    } table[] = {
        {{"a"}, L"\"a\""},
        {{"a", "b", "c"}, L"\"a\" b c"},
        {{"a", ""}, L"\"a\" \"\""},
        {{"a", "", "", "b"}, L"\"a\" \"\" \"\" b"},
        {{"a", " "}, L"\"a\" \" \""},
        {{"a", "b c"}, L"\"a\" \"b c\""},
        {{"a", "b\tc"}, L"\"a\" \"b\tc\""},
        {{"a", "b\nc", "\v", "\x1f"}, L"\"a\" \"b\nc\" \"\v\" \"\x1f\""},
        {{"a", "!", "\x7f", "'b'"}, L"\"a\" ! \x7f 'b'"},
        {{"a", "\""}, L"\"a\" \"\\\"\""},
        {{"a", "\"\""}, L"\"a\" \"\\\"\\\"\""},
        {{"a", "b\"c"}, L"\"a\" \"b\\\"c\""},
        /* Backslashes that are before no quote stand for themselves, */
        {{"a", "\\", "b\\\\c", "d\\"}, L"\"a\" \\ b\\\\c d\\"},
        {{"a", "\\\\b c"}, L"\"a\" \"\\\\b c\""},
        {{"a", "b\\ c"}, L"\"a\" \"b\\ c\""},
        /* those before one count half, */
        {{"a", "\\\""}, L"\"a\" \"\\\\\\\"\""},
        {{"a", "b\\\\\"c"}, L"\"a\" \"b\\\\\\\\\\\"c\""},
        {{"a", "\\b\"\\"}, L"\"a\" \"\\b\\\"\\\\\""},
        /* also if it is the one at the end. */
        {{"a", "b c\\"}, L"\"a\" \"b c\\\\\""},
        {{"a", "b c\\\\"}, L"\"a\" \"b c\\\\\\\\\""},
        {{"a", " \\\\", "d"}, L"\"a\" \" \\\\\\\\\" d"},
        {{"a", "\xc3\xa4", "\xe4\xba\x8c b"}, L"\"a\" \x00e4 \"\x4e8c b\""},
    };
    for (size_t i = 0; i < IOC_COUNT_OF(table); i++) {
        line__check(table[i].arguments, table[i].line);
    }
}

static void the_programs_name_is_in_quotes_and_its_backslashes_are_backslashes(void **state)
{
    (void)state;
    static const struct {
        const char *arguments[LINE_MOST];
        const wchar_t *line;
    } table[] = {
        {{""}, L"\"\""},
        {{"", "a"}, L"\"\" a"},
        {{"C:\\Program Files\\a.exe", "b"}, L"\"C:\\Program Files\\a.exe\" b"},
        {{"C:\\a b\\", "c"}, L"\"C:\\a b\\\" c"},
        {{"\\", "c d"}, L"\"\\\" \"c d\""},
    };
    for (size_t i = 0; i < IOC_COUNT_OF(table); i++) {
        line__check(table[i].arguments, table[i].line);
    }
}

static void a_character_beyond_the_first_65536_is_two_units(void **state)
{
    (void)state;
    static const wchar_t units[] = {'"', 'a', '"',    ' ',    0xD83C, 0xDF31, ' ',
                                    '"', ' ', 0xD83C, 0xDF31, '"',    0};
    const char *const arguments[] = {"a", "\xf0\x9f\x8c\xb1", " \xf0\x9f\x8c\xb1", NULL};
    line__check(arguments, units);
}

static void what_no_line_can_say_is_refused(void **state)
{
    (void)state;
    static const char *const table[][LINE_MOST] = {
        {NULL},
        {"a\"b"},
        {"\"a\""},
        {"\xff"},
        {"a", "\xc3"},
        {"a", "b \x80"},
        {"a", "b", "\xed\xa0\x80", "c"},
        {"a", "\xff", "c"},
    };
    for (size_t i = 0; i < IOC_COUNT_OF(table); i++) {
        wchar_t units[32];
        assert_int_equal(ioc_command_line(table[i], NULL, 0), 0);
        assert_int_equal(ioc_command_line(table[i], units, IOC_COUNT_OF(units)), 0);
    }
}

static void a_line_is_as_long_as_windows_takes_and_no_longer(void **state)
{
    (void)state;
    static char argument[IOC_COMMAND_LINE_UNITS];
    const char *const arguments[] = {"a", argument, NULL};
    size_t longest = 32766 - strlen("\"a\" ");
    memset(argument, 'b', longest);
    wchar_t *line = line__of(arguments);
    assert_non_null(line);
    assert_int_equal(wcslen(line), 32766);
    free(line);
    argument[longest] = 'b';
    assert_int_equal(ioc_command_line(arguments, NULL, 0), 0);
    /* One of 2 bytes and 1 unit instead of two. */
    memcpy(argument, "\xc3\xa4", 2);
    assert_int_equal(ioc_command_line(arguments, NULL, 0), IOC_COMMAND_LINE_UNITS);
}

static void no_more_is_written_than_there_is_room_for(void **state)
{
    (void)state;
    const char *const arguments[] = {"a", "b \"c\\", NULL};
    static const wchar_t whole[] = L"\"a\" \"b \\\"c\\\\\"";
    for (size_t room = 0; room <= IOC_COUNT_OF(whole); room++) {
        wchar_t units[IOC_COUNT_OF(whole) + 1];
        wmemset(units, L'?', IOC_COUNT_OF(units));
        assert_int_equal(ioc_command_line(arguments, units, room), IOC_COUNT_OF(whole));
        assert_int_equal(wmemcmp(units, whole, room), 0);
        assert_true(units[room] == L'?');
    }
}

/* ---- Batch files ---- */

#define BATCH_BEGINNING L"cmd.exe /d /e:on /v:off /s /c \""

static size_t batch__try(const wchar_t *path, const char *const *arguments, wchar_t *units,
                         size_t room)
{
    wchar_t *line = line__of(arguments);
    assert_non_null(line);
    size_t count = ioc_command_line_of_batch(path, line, units, room);
    free(line);
    return count;
}

static void a_batch_file_is_run_by_its_path_with_plain_arguments(void **state)
{
    (void)state;
    static const struct {
        const char *arguments[LINE_MOST];
        const wchar_t *path;
        const wchar_t *line;
    } table[] = {
        {{"b"}, L"C:\\b.bat", BATCH_BEGINNING L"\"C:\\b.bat\"\""},
        {{"", "x"}, L"C:\\b.bat", BATCH_BEGINNING L"\"C:\\b.bat\" x\""},
        {{"b&c", "azAZ09-_./:\\"}, L"C:\\b.bat", BATCH_BEGINNING L"\"C:\\b.bat\" azAZ09-_./:\\\""},
        {{"b", "", "x", ""}, L"C:\\b.bat", BATCH_BEGINNING L"\"C:\\b.bat\" \"\" x \"\"\""},
        {{"b", "x\\"}, L"C:\\b.bat", BATCH_BEGINNING L"\"C:\\b.bat\" x\\\""},
        /* Between quotes these mean nothing. */
        {{"b"}, L"C:\\b (c) & d^!.bat", BATCH_BEGINNING L"\"C:\\b (c) & d^!.bat\"\""},
        {{"b"}, L"C:\\\x4e8c.bat", BATCH_BEGINNING L"\"C:\\\x4e8c.bat\"\""},
    };
    for (size_t i = 0; i < IOC_COUNT_OF(table); i++) {
        wchar_t units[128];
        size_t count = batch__try(table[i].path, table[i].arguments, units, IOC_COUNT_OF(units));
        assert_int_equal(count, wcslen(table[i].line) + 1);
        assert_int_equal(wmemcmp(units, table[i].line, count), 0);
    }
}

static void a_batch_file_gets_nothing_that_means_something_to_cmd(void **state)
{
    (void)state;
    for (int byte = 1; byte < 0x80; byte++) {
        char argument[] = {'x', (char)byte, 'y', '\0'};
        const char *const arguments[] = {"b", argument, NULL};
        bool is_plain = strchr("-_./:\\", byte) != NULL || (byte >= '0' && byte <= '9') ||
                        (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
        assert_int_equal(batch__try(L"C:\\b.bat", arguments, NULL, 0) != 0, is_plain);
    }
    static const char *const others[] = {"\"",  "\"\"",     "x y", " ",           "\\\"",
                                         "%a%", "\xc3\xa4", "a\"", "\xef\xbc\x82"};
    for (size_t i = 0; i < IOC_COUNT_OF(others); i++) {
        const char *const last[] = {"b", "x", others[i], NULL};
        const char *const before[] = {"b", "", others[i], "x", NULL};
        assert_int_equal(batch__try(L"C:\\b.bat", last, NULL, 0), 0);
        assert_int_equal(batch__try(L"C:\\b.bat", before, NULL, 0), 0);
    }
}

static void a_batch_file_whose_path_cmd_would_change_is_refused(void **state)
{
    (void)state;
    static const wchar_t *const paths[] = {L"C:\\%a%.bat", L"C:\\100%\\b.bat", L"C:\\b\".bat",
                                           L"C:\\b\n.bat", L"C:\\b.bat\x1f"};
    const char *const arguments[] = {"b", "x", NULL};
    for (size_t i = 0; i < IOC_COUNT_OF(paths); i++) {
        assert_int_equal(batch__try(paths[i], arguments, NULL, 0), 0);
    }
}

static void a_line_for_cmd_is_as_long_as_cmd_takes_and_no_longer(void **state)
{
    (void)state;
    static char argument[IOC_COMMAND_LINE_BATCH_UNITS];
    static wchar_t units[IOC_COMMAND_LINE_BATCH_UNITS + 1];
    const char *const arguments[] = {"b", argument, NULL};
    size_t longest = 8191 - wcslen(BATCH_BEGINNING L"\"C:\\b.bat\" \"");
    memset(argument, 'x', longest);
    for (size_t room = 0; room <= IOC_COMMAND_LINE_BATCH_UNITS; room += 1024) {
        wmemset(units, L'?', IOC_COUNT_OF(units));
        assert_int_equal(batch__try(L"C:\\b.bat", arguments, units, room), 8192);
        assert_true(units[room] == L'?');
    }
    assert_int_equal(wcslen(units), 8191);
    argument[longest] = 'x';
    assert_int_equal(batch__try(L"C:\\b.bat", arguments, NULL, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments_are_quoted_where_the_rules_ask_for_it),
        cmocka_unit_test(the_programs_name_is_in_quotes_and_its_backslashes_are_backslashes),
        cmocka_unit_test(a_character_beyond_the_first_65536_is_two_units),
        cmocka_unit_test(what_no_line_can_say_is_refused),
        cmocka_unit_test(a_line_is_as_long_as_windows_takes_and_no_longer),
        cmocka_unit_test(no_more_is_written_than_there_is_room_for),
        cmocka_unit_test(a_batch_file_is_run_by_its_path_with_plain_arguments),
        cmocka_unit_test(a_batch_file_gets_nothing_that_means_something_to_cmd),
        cmocka_unit_test(a_batch_file_whose_path_cmd_would_change_is_refused),
        cmocka_unit_test(a_line_for_cmd_is_as_long_as_cmd_takes_and_no_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
