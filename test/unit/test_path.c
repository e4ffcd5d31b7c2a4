#include "unit.h"

#include "text/path.h"

#include <stdlib.h>
#include <wchar.h>

/* A path that begins so and is of that length, and which prefix it gets instead of `skip` units. */
static void check_prefix(const wchar_t *beginning, size_t length, const wchar_t *prefix,
                         size_t skip)
{
    wchar_t *buffer = calloc(IOC_PATH_PREFIX_ROOM + length + 1, sizeof *buffer);
    assert_non_null(buffer);
    wchar_t *full = buffer + IOC_PATH_PREFIX_ROOM;
    wmemset(full, L'a', length);
    wmemcpy(full, beginning, wcslen(beginning));
    full[length - 1] = L'z';
    ioc_path_add_prefix(buffer);
    assert_int_equal(wcslen(buffer), wcslen(prefix) + length - skip);
    assert_int_equal(wcsncmp(buffer, prefix, wcslen(prefix)), 0);
    const wchar_t *rest = buffer + wcslen(prefix);
    assert_int_equal(wcsncmp(rest, beginning + skip, wcslen(beginning) - skip), 0);
    assert_true(rest[length - skip - 1] == L'z');
    free(buffer);
}

static void a_path_gets_the_prefix_that_it_needs(void **state)
{
    (void)state;
    check_prefix(L"C:\\", IOC_PATH_LONG - 1, L"", 0);
    check_prefix(L"C:\\", IOC_PATH_LONG, L"\\\\?\\", 0);
    check_prefix(L"C:\\", 5000, L"\\\\?\\", 0);
    check_prefix(L"\\\\srv\\share\\", IOC_PATH_LONG - 1, L"", 0);
    check_prefix(L"\\\\srv\\share\\", IOC_PATH_LONG, L"\\\\?\\UNC", 1);
    check_prefix(L"\\\\.\\C:\\", 500, L"", 0);
    check_prefix(L"\\\\?\\C:\\", 500, L"", 0);
}

static void only_the_prefix_says_that_a_path_is_literal(void **state)
{
    (void)state;
    static const wchar_t *const others[] = {L"",        L"\\",   L"\\\\", L"\\\\?",
                                            L"\\\\.\\", L"//?/", L"C:\\"};
    assert_true(ioc_path_is_literal(L"\\\\?\\"));
    assert_true(ioc_path_is_literal(L"\\\\?\\C:\\x"));
    for (size_t i = 0; i < IOC_COUNT_OF(others); i++) {
        assert_false(ioc_path_is_literal(others[i]));
    }
}

static void a_native_path_says_where_it_leads(void **state)
{
    (void)state;
    static const struct {
        const wchar_t *path;
        ioc_place place;
    } table[] = {
        {L"C:\\x", IOC_PLACE_FILE},
        {L"A:\\x", IOC_PLACE_FILE},
        {L"Z:\\x", IOC_PLACE_FILE},
        {L"a:\\x", IOC_PLACE_FILE},
        {L"z:\\x", IOC_PLACE_FILE},
        {L"\\\\?\\C:\\x", IOC_PLACE_FILE},
        {L"\\\\.\\C:\\x", IOC_PLACE_FILE},
        {L"\\\\srv\\share\\x", IOC_PLACE_FILE},
        {L"\\\\srv\\pipes\\x", IOC_PLACE_FILE},
        {L"\\\\?\\UNC\\srv\\share\\x", IOC_PLACE_FILE},
        {L"\\\\?\\unc\\srv\\share\\pipe\\x", IOC_PLACE_FILE},
        {L"\\\\.\\pipe\\x", IOC_PLACE_PIPE},
        {L"\\\\.\\PIPE\\x", IOC_PLACE_PIPE},
        {L"\\\\?\\pipe\\x", IOC_PLACE_PIPE},
        {L"\\\\srv\\pipe\\x", IOC_PLACE_PIPE},
        {L"\\\\srv\\Pipe\\x", IOC_PLACE_PIPE},
        {L"\\\\?\\UNC\\srv\\pipe\\x", IOC_PLACE_PIPE},
        {L"\\\\?\\unc\\srv\\pipe\\x", IOC_PLACE_PIPE},
        {L"\\\\.\\UNC\\srv\\pipe\\x", IOC_PLACE_PIPE},
        {L"\\\\.\\pipe\\", IOC_PLACE_PIPE},
        {L"\\\\?\\PIPE\\", IOC_PLACE_PIPE},
        {L"\\\\srv\\pipe\\", IOC_PLACE_PIPE},
        {L"\\\\?\\UNC\\srv\\pipe\\", IOC_PLACE_PIPE},
        {L"\\\\?\\GLOBALROOT\\Device\\NamedPipe\\x", IOC_PLACE_DEVICE},
        {L"\\\\.\\Global\\pipe\\x", IOC_PLACE_DEVICE},
        {L"\\\\.\\C:", IOC_PLACE_DEVICE},
        {L"\\\\.\\PhysicalDrive0", IOC_PLACE_DEVICE},
        {L"\\\\.\\CON", IOC_PLACE_DEVICE},
        {L"\\\\.\\pipe", IOC_PLACE_DEVICE},
        {L"\\\\srv", IOC_PLACE_DEVICE},
        {L"CON", IOC_PLACE_DEVICE},
        {L"C:", IOC_PLACE_DEVICE},
        {L"C:x", IOC_PLACE_DEVICE},
        {L"1:\\x", IOC_PLACE_DEVICE},
        {L"@:\\x", IOC_PLACE_DEVICE},
        {L"[:\\x", IOC_PLACE_DEVICE},
        {L"`:\\x", IOC_PLACE_DEVICE},
        {L"{:\\x", IOC_PLACE_DEVICE},
        {L"", IOC_PLACE_DEVICE},
    };
    for (size_t i = 0; i < IOC_COUNT_OF(table); i++) {
        if (ioc_path_place(table[i].path) != table[i].place) {
            print_error("%ls\n", table[i].path);
        }
        assert_int_equal(ioc_path_place(table[i].path), table[i].place);
    }
}

/* Of a path that nothing stands before. */
static void check_batch(const wchar_t *path, bool is_batch)
{
    wchar_t *alone = malloc((wcslen(path) + 1) * sizeof *alone);
    assert_non_null(alone);
    if (ioc_path_is_batch(wcscpy(alone, path)) != is_batch) {
        fail_msg("%ls is %s", path, is_batch ? "one" : "none");
    }
    free(alone);
}

static void a_path_says_whether_it_is_a_batch_file(void **state)
{
    (void)state;
    static const wchar_t *const batch[] = {
        L"C:\\a.bat",
        L"C:\\a.cmd",
        L"C:\\a.BAT",
        L"C:\\a.Cmd",
        L"C:\\.bat",
        L".cmd",
        L"C:\\a.exe.bat",
        L"C:\\a.bat.",
        L"C:\\a.bat ",
        L"C:\\a.cmd. . .",
        L"C:\\a.bat\"",
        L"C:\\a.bat\\",
        L"C:\\a.bat/",
        L"C:\\a.bat\\.",
        L"C:\\a.bat:s",
        L"C:\\a.bat::$DATA",
        L"C:\\a.bat .:s.exe",
        L"C:\\a.txt:s.bat",
        L"C:/a.bat:s:$DATA",
        L"a.txt:s.cmd .:$DATA",
        L"\\\\srv\\share\\a.bat",
        L"\\\\?\\C:\\a.cmd.",
    };
    static const wchar_t *const others[] = {
        L"C:\\a.exe",
        L"C:\\a.com",
        L"C:\\abat",
        L"C:\\a.bat.exe",
        L"C:\\a.batx",
        L"C:\\a.ba",
        L"C:\\a.bat\\b.exe",
        L"C:\\a.cmd\\b",
        L"C:\\a.bat/b.exe",
        L"bat",
        L"",
        L". .\\",
        L"C:",
        L"C:\\a.exe:s.txt",
    };
    for (size_t i = 0; i < IOC_COUNT_OF(batch); i++) {
        check_batch(batch[i], true);
    }
    for (size_t i = 0; i < IOC_COUNT_OF(others); i++) {
        check_batch(others[i], false);
    }
}

static void a_native_path_has_a_root_and_what_is_behind_it(void **state)
{
    (void)state;
    static const wchar_t *const paths[][2] = {
        {L"C:\\a\\b", L"a\\b"},
        {L"C:\\", L""},
        {L"\\\\?\\C:\\a\\b", L"a\\b"},
        {L"\\\\.\\C:\\a", L"a"},
        {L"\\\\server\\share\\a\\b", L"a\\b"},
        {L"\\\\server\\share", L""},
        {L"\\\\server", L""},
        {L"\\\\?\\UNC\\server\\share\\a", L"a"},
        {L"\\\\?\\unc\\server\\share\\", L""},
        {L"\\\\?\\Volume{1}\\a", L"a"},
        {L"", L""},
    };
    for (size_t i = 0; i < IOC_COUNT_OF(paths); i++) {
        const wchar_t *rest = ioc_path_behind_root(paths[i][0]);
        assert_int_equal(wcscmp(rest, paths[i][1]), 0);
        assert_ptr_equal(rest, paths[i][0] + wcslen(paths[i][0]) - wcslen(paths[i][1]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_gets_the_prefix_that_it_needs),
        cmocka_unit_test(only_the_prefix_says_that_a_path_is_literal),
        cmocka_unit_test(a_native_path_says_where_it_leads),
        cmocka_unit_test(a_native_path_has_a_root_and_what_is_behind_it),
        cmocka_unit_test(a_path_says_whether_it_is_a_batch_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
