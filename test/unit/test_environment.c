#include "unit.h"

#include "text/environment.h"

#include <stdlib.h>
#include <wchar.h>

#define BLOCK_MOST  64 /* units */
#define BLOCK_COUNT 9  /* variables of a row, with the NULL */

static void block__check(const wchar_t *units, const wchar_t *expected, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (units[i] != expected[i]) {
            fail_msg("%ls: unit %u is %x", expected, (unsigned)i, (unsigned)units[i]);
        }
    }
}

/* The order of names of ASCII; the context counts. */
static int block__compare(const void *context, const wchar_t *left, size_t left_length,
                          const wchar_t *right, size_t right_length)
{
    unsigned *calls = *(unsigned *const *)context;
    size_t length = left_length < right_length ? left_length : right_length;
    (*calls)++;
    for (size_t i = 0; i < length; i++) {
        wchar_t a = left[i] >= L'a' && left[i] <= L'z' ? (wchar_t)(left[i] - 32) : left[i];
        wchar_t b = right[i] >= L'a' && right[i] <= L'z' ? (wchar_t)(right[i] - 32) : right[i];
        if (a != b) {
            return a < b ? -1 : 1;
        }
    }
    return left_length < right_length ? -1 : left_length > right_length;
}

static void variables_become_a_block_in_their_order(void **state)
{
    (void)state;
    static const struct {
        const char *variables[BLOCK_COUNT];
        wchar_t block[BLOCK_MOST];
        size_t count;
    } table[] = {
        {{NULL}, L"\0", 2},
        {{"A=1"}, L"A=1\0", 5},
        {{"B=2", "A=1", "B=3"}, L"B=2\0A=1\0B=3\0", 13},
        {{"A="}, L"A=\0", 4},
        {{"A=="}, L"A==\0", 5},
        {{"A=b=c"}, L"A=b=c\0", 7},
        {{"=C:=C:\\x"}, L"=C:=C:\\x\0", 10},
        {{"=ExitCode=0"}, L"=ExitCode=0\0", 13},
        {{" ="}, L" =\0", 4},
        {{"\xc3\xa4=\xe4\xba\x8c"}, L"\x00e4=\x4e8c\0", 5},
    };
    for (size_t i = 0; i < IOC_COUNT_OF(table); i++) {
        wchar_t units[BLOCK_MOST];
        assert_int_equal(ioc_environment_block(table[i].variables, NULL, 0), table[i].count);
        assert_int_equal(ioc_environment_block(table[i].variables, units, BLOCK_MOST),
                         table[i].count);
        block__check(units, table[i].block, table[i].count);
    }
}

static void what_has_no_name_or_is_no_text_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",    "A",       "=",      "=A",
                                      "=C:", "A\xff=1", "A=\xc3", "\xed\xa0\x80=1"};
    for (size_t i = 0; i < IOC_COUNT_OF(bad); i++) {
        const char *const alone[] = {bad[i], NULL};
        const char *const between[] = {"A=1", bad[i], "B=2", NULL};
        assert_int_equal(ioc_environment_block(alone, NULL, 0), 0);
        assert_int_equal(ioc_environment_block(between, NULL, 0), 0);
    }
}

static void no_more_is_written_than_there_is_room_for(void **state)
{
    (void)state;
    static const char *const variables[] = {"A=1", "B=2", NULL};
    static const wchar_t whole[] = L"A=1\0B=2\0";
    for (size_t room = 0; room <= IOC_COUNT_OF(whole); room++) {
        wchar_t units[IOC_COUNT_OF(whole) + 1];
        wmemset(units, L'?', IOC_COUNT_OF(units));
        assert_int_equal(ioc_environment_block(variables, units, room), IOC_COUNT_OF(whole));
        block__check(units, whole, room);
        assert_true(units[room] == L'?');
    }
}

static void a_block_is_sorted_by_names_and_the_last_of_a_name_counts(void **state)
{
    (void)state;
    static const struct {
        wchar_t block[BLOCK_MOST];
        wchar_t sorted[BLOCK_MOST];
        size_t count;
    } table[] = {
        {L"\0", L"\0", 2},
        {L"A=1\0", L"A=1\0", 5},
        {L"B=1\0A=2\0", L"A=2\0B=1\0", 9},
        {L"c=1\0B=2\0a=3\0", L"a=3\0B=2\0c=1\0", 13},
        /* The name alone, without the =, which is above 1: */
        {L"AB=1\0A1=2\0A=3\0", L"A=3\0A1=2\0AB=1\0", 15},
        {L"B=1\0=C:=2\0=::=3\0", L"=::=3\0=C:=2\0B=1\0", 17},
        {L"Path=1\0A=2\0PATH=33\0", L"A=2\0PATH=33\0", 13},
        {L"a=1\0A=2\0a=3\0A=\0", L"A=\0", 4},
        {L"=a=1\0=A=2\0A=3\0", L"=A=2\0A=3\0", 10},
        {L"A=x\0B=x\0C=x\0b=y\0D=x\0a=y\0d=y\0", L"a=y\0b=y\0C=x\0d=y\0", 17},
    };
    for (size_t i = 0; i < IOC_COUNT_OF(table); i++) {
        const wchar_t *places[BLOCK_COUNT];
        wchar_t sorted[BLOCK_MOST];
        unsigned calls = 0;
        unsigned *context = &calls;
        wmemset(sorted, L'?', BLOCK_MOST);
        ioc_environment_sort(table[i].block, block__compare, &context, places, sorted);
        block__check(sorted, table[i].sorted, table[i].count);
        assert_true(sorted[table[i].count] == L'?');
    }
}

#define MANY 4096 /* as many as have numbers of three digits in base 16 */

/* In an order that is not the names': each number once, since 1021 and 4096 share no divisor. */
static void many_variables_are_sorted_in_few_comparisons(void **state)
{
    (void)state;
    static wchar_t block[MANY * 8];
    static wchar_t sorted[MANY * 8];
    static const wchar_t *places[MANY];
    unsigned calls = 0;
    unsigned *context = &calls;
    wchar_t *at = block;
    for (unsigned i = 0; i < MANY; i++) {
        at += swprintf(at, 8, L"N%03X=x", i * 1021 % MANY) + 1;
    }
    *at = L'\0';
    ioc_environment_sort(block, block__compare, &context, places, sorted);
    at = sorted;
    for (unsigned i = 0; i < MANY; i++) {
        wchar_t expected[8];
        (void)swprintf(expected, 8, L"N%03X=x", i);
        assert_int_equal(wcscmp(at, expected), 0);
        at += wcslen(at) + 1;
    }
    assert_true(*at == L'\0');
    assert_true(calls <= MANY * 12); /* 2^12 of them */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variables_become_a_block_in_their_order),
        cmocka_unit_test(what_has_no_name_or_is_no_text_is_refused),
        cmocka_unit_test(no_more_is_written_than_there_is_room_for),
        cmocka_unit_test(a_block_is_sorted_by_names_and_the_last_of_a_name_counts),
        cmocka_unit_test(many_variables_are_sorted_in_few_comparisons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
