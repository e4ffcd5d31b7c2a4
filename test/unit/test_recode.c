/* Text in pieces of any size, from UTF-8 to UTF-16 and back. */
#include "unit.h"

#include "text/recode.h"

#include <string.h>
#include <wchar.h>

#define MOST 64

static size_t to_units(ioc_from_utf8 *state, const char *text, size_t size, wchar_t *units)
{
    const unsigned char *at = (const unsigned char *)text;
    const unsigned char *end = at + size;
    size_t count = ioc_recode_to_utf16(state, &at, end, units, MOST);
    assert_ptr_equal(at, end);
    return count;
}

static size_t to_bytes(ioc_to_utf8 *state, const wchar_t *units, size_t count, char *text)
{
    const wchar_t *at = units;
    size_t size = ioc_recode_to_utf8(state, &at, units + count, (unsigned char *)text, MOST);
    assert_ptr_equal(at, units + count);
    return size;
}

typedef struct pair {
    const char *text;
    wchar_t units[8]; /* ends with a zero */
} pair;

static const pair pairs[] = {
    {"az", {'a', 'z'}},
    {"\x7f\xc2\x80", {0x7F, 0x80}},
    {"\xdf\xbf\xe0\xa0\x80", {0x7FF, 0x800}},
    {"\xed\x9f\xbf\xee\x80\x80", {0xD7FF, 0xE000}},
    {"\xef\xbf\xbf\xf0\x90\x80\x80", {0xFFFF, 0xD800, 0xDC00}},
    {"\xf4\x8f\xbf\xbf", {0xDBFF, 0xDFFF}},
    {"a\xc3\xa4\xe4\xba\x8c\xf0\x9f\x8c\xb1z", {'a', 0xE4, 0x4E8C, 0xD83C, 0xDF31, 'z'}},
};

static void a_text_becomes_the_same_text_and_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < IOC_COUNT_OF(pairs); i++) {
        ioc_from_utf8 from = {0};
        ioc_to_utf8 to = {0};
        wchar_t units[MOST];
        char text[MOST];
        size_t length = wcslen(pairs[i].units);
        assert_int_equal(to_units(&from, pairs[i].text, strlen(pairs[i].text), units), length);
        assert_int_equal(wmemcmp(units, pairs[i].units, length), 0);
        assert_int_equal(to_bytes(&to, units, length, text), strlen(pairs[i].text));
        assert_memory_equal(text, pairs[i].text, strlen(pairs[i].text));
    }
}

/* Cut at each byte and at each unit, with as little room as there may be. */
static void it_does_not_matter_where_a_text_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < IOC_COUNT_OF(pairs); i++) {
        ioc_from_utf8 from = {0};
        ioc_to_utf8 to = {0};
        wchar_t units[MOST];
        char text[MOST];
        size_t count = 0;
        size_t size = 0;
        for (const char *at = pairs[i].text; *at != '\0'; at++) {
            count += to_units(&from, at, 1, units + count);
        }
        assert_int_equal(count, wcslen(pairs[i].units));
        assert_int_equal(wmemcmp(units, pairs[i].units, count), 0);
        const wchar_t *at = units;
        while (size < strlen(pairs[i].text)) {
            const wchar_t *end = at < units + count ? at + 1 : at;
            size += ioc_recode_to_utf8(&to, &at, end, (unsigned char *)text + size, 1);
        }
        assert_int_equal(to.count, 0);
        assert_memory_equal(text, pairs[i].text, size);
    }
}

/* Unicode's own examples, tables 3-9 to 3-11, and others. R stands for U+FFFD. */
#define R 0xFFFD

static const struct {
    const char *text;
    wchar_t units[12];
} broken[] = {
    {"\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41", {R, R, R, R, R, R, R, R, 'A'}},
    {"\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41", {R, R, R, R, R, R, R, R, 'A'}},
    {"\xf4\x91\x92\x93\xff\x41\x80\xbf\x42", {R, R, R, R, R, 'A', R, R, 'B'}},
    {"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", {R, R, R, R, 'A'}},
    {"\xc1z", {R, 'z'}},
    {"\xc3\xc3\xa4", {R, 0xE4}},
    {"\xf5\x80z", {R, R, 'z'}},
    {"\xf0\x8f\xbf\xbfz", {R, R, R, R, 'z'}},
    {"\xe0\x9f\xbfz", {R, R, R, 'z'}},
};

static void what_is_no_text_is_replaced_once_for_each_beginning_of_a_character(void **state)
{
    (void)state;
    for (size_t i = 0; i < IOC_COUNT_OF(broken); i++) {
        ioc_from_utf8 from = {0};
        wchar_t units[MOST];
        size_t length = wcslen(broken[i].units);
        assert_int_equal(to_units(&from, broken[i].text, strlen(broken[i].text), units), length);
        assert_int_equal(wmemcmp(units, broken[i].units, length), 0);
    }
}

static void what_is_cut_off_waits_for_the_rest(void **state)
{
    (void)state;
    ioc_from_utf8 from = {0};
    ioc_to_utf8 to = {0};
    wchar_t units[MOST];
    char text[MOST];
    assert_int_equal(to_units(&from, "\xf0\x9f\x8c", 3, units), 0);
    assert_int_equal(to_units(&from, "\xb1", 1, units), 2);
    assert_int_equal(units[0], 0xD83C);
    assert_int_equal(units[1], 0xDF31);
    assert_int_equal(to_bytes(&to, units, 1, text), 0);
    assert_int_equal(to_bytes(&to, units + 1, 1, text), 4);
    assert_memory_equal(text, "\xf0\x9f\x8c\xb1", 4);
}

static void half_a_pair_alone_is_replaced(void **state)
{
    (void)state;
    static const struct {
        wchar_t units[4];
        const char *text;
    } rows[] = {
        {{0xD800, 'a'},
         "\xef\xbf\xbd"
         "a"},
        {{0xDBFF, 0xD800, 0xDC00}, "\xef\xbf\xbd\xf0\x90\x80\x80"},
        {{0xDC00, 'a'},
         "\xef\xbf\xbd"
         "a"},
        {{0xDFFF, 0xDFFF}, "\xef\xbf\xbd\xef\xbf\xbd"},
        {{0xD800, 0xFFFF}, "\xef\xbf\xbd\xef\xbf\xbf"},
    };
    for (size_t i = 0; i < IOC_COUNT_OF(rows); i++) {
        ioc_to_utf8 to = {0};
        char text[MOST];
        size_t size = to_bytes(&to, rows[i].units, wcslen(rows[i].units), text);
        assert_int_equal(size, strlen(rows[i].text));
        assert_memory_equal(text, rows[i].text, size);
    }
}

/* What has no room stays where it is, or is kept. */
static void no_more_is_written_than_there_is_room_for(void **state)
{
    (void)state;
    static const char text[] = "\xf0\x9f\x8c\xb1\xff\x41z";
    for (size_t room = IOC_RECODE_UNITS; room <= 8; room++) {
        ioc_from_utf8 from = {0};
        wchar_t units[10] = {'?', '?', '?', '?', '?', '?', '?', '?', '?', '?'};
        const unsigned char *at = (const unsigned char *)text;
        size_t count = ioc_recode_to_utf16(&from, &at, at + sizeof text - 1, units, room);
        assert_in_range(count, 1, room);
        assert_int_equal(units[count], '?');
        count += ioc_recode_to_utf16(&from, &at, (const unsigned char *)text + sizeof text - 1,
                                     units + count, 10 - count);
        assert_int_equal(count, 5);
        assert_int_equal(wmemcmp(units, L"\xd83c\xdf31\xfffd\x41z", 5), 0);
    }
    static const wchar_t pair_alone[] = {0xD800, 0xFFFF, 'z'};
    for (size_t room = 0; room <= 7; room++) {
        ioc_to_utf8 to = {0};
        char bytes[10] = "?????????";
        const wchar_t *at = pair_alone;
        size_t count = ioc_recode_to_utf8(&to, &at, pair_alone + 3, (unsigned char *)bytes, room);
        assert_int_equal(count, room);
        assert_int_equal(bytes[count], '?');
        count += ioc_recode_to_utf8(&to, &at, pair_alone + 3, (unsigned char *)bytes + count,
                                    10 - count);
        assert_int_equal(count, 7);
        assert_memory_equal(bytes, "\xef\xbf\xbd\xef\xbf\xbfz", 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_becomes_the_same_text_and_back),
        cmocka_unit_test(it_does_not_matter_where_a_text_is_cut),
        cmocka_unit_test(what_is_no_text_is_replaced_once_for_each_beginning_of_a_character),
        cmocka_unit_test(what_is_cut_off_waits_for_the_rest),
        cmocka_unit_test(half_a_pair_alone_is_replaced),
        cmocka_unit_test(no_more_is_written_than_there_is_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
