#include "unit.h"

#include "text/utf8.h"

#include "base.h"

#include <string.h>
#include <wchar.h>

static void a_text_becomes_the_same_text_in_utf16(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        wchar_t units[6];
        size_t count; /* with the zero */
    } table[] = {
        {"", {0}, 1},
        {"az", {'a', 'z'}, 3},
        {"\x7f", {0x7F}, 2},
        {"\xc2\x80", {0x80}, 2},
        {"\xdf\xbf", {0x7FF}, 2},
        {"\xe0\xa0\x80", {0x800}, 2},
        {"\xed\x9f\xbf", {0xD7FF}, 2},
        {"\xee\x80\x80", {0xE000}, 2},
        {"\xef\xbb\xbf", {0xFEFF}, 2}, /* a byte order mark is a character as any */
        {"\xef\xbf\xbf", {0xFFFF}, 2},
        {"\xf0\x90\x80\x80", {0xD800, 0xDC00}, 3},
        {"\xf0\x9f\x8c\xb1", {0xD83C, 0xDF31}, 3},
        {"\xf4\x8f\xbf\xbf", {0xDBFF, 0xDFFF}, 3},
        {"a\xc3\xa4\xe4\xba\x8c\xf0\x9f\x8c\xb1", {'a', 0xE4, 0x4E8C, 0xD83C, 0xDF31}, 6},
    };
    for (size_t i = 0; i < IOC_COUNT_OF(table); i++) {
        wchar_t units[6];
        assert_int_equal(ioc_utf8_to_utf16(table[i].text, units, 6), table[i].count);
        assert_int_equal(wmemcmp(units, table[i].units, table[i].count), 0);
    }
}

static void what_is_no_utf8_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x80", /* nothing is continued */
        "\xbf",
        "a\x80z",
        "\xc3", /* cut off */
        "\xc3z",
        "\xc3\xc0",
        "\xc3\xff",
        "\xe2\x82",
        "\xe2\x82z",
        "\xf0\x9f\x8c",
        "\xf0\x9f\x8c\xc3\xa4",
        "\xc0\x80", /* longer than needed */
        "\xc1\xbf",
        "\xe0\x80\xaf",
        "\xe0\x9f\xbf",
        "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf",
        "\xed\xa0\x80", /* surrogates */
        "\xed\xbf\xbf",
        "\xed\xa0\xbd\xed\xb8\x80",
        "\xf4\x90\x80\x80", /* beyond the last character */
        "\xf7\xbf\xbf\xbf",
        "\xf8\x88\x80\x80\x80", /* no such form */
        "\xfe",
        "\xff",
    };
    for (size_t i = 0; i < IOC_COUNT_OF(bad); i++) {
        assert_int_equal(ioc_utf8_to_utf16(bad[i], NULL, 0), 0);
    }
}

static void no_more_is_written_than_there_is_room_for(void **state)
{
    (void)state;
    static const wchar_t whole[] = {'a', 0xD83C, 0xDF31, 'z', 0};
    for (size_t room = 0; room <= IOC_COUNT_OF(whole); room++) {
        wchar_t units[] = {'?', '?', '?', '?', '?', '?'};
        assert_int_equal(ioc_utf8_to_utf16("a\xf0\x9f\x8c\xb1z", units, room), 5);
        assert_int_equal(wmemcmp(units, whole, room), 0);
        assert_true(units[room] == L'?');
    }
}

static void a_text_is_taken_character_by_character(void **state)
{
    (void)state;
    static const uint32_t characters[] = {'a', 0xE4, 0x4E8C, 0x1F331, 0};
    const char *const text = "a\xc3\xa4\xe4\xba\x8c\xf0\x9f\x8c\xb1";
    const char *at = text;
    for (size_t i = 0; i < IOC_COUNT_OF(characters); i++) {
        uint32_t character;
        assert_true(ioc_utf8_take(&at, &character));
        assert_int_equal(character, characters[i]);
    }
    assert_ptr_equal(at, text + strlen(text) + 1);
}

static void texts_are_put_one_behind_the_other(void **state)
{
    (void)state;
    static const wchar_t whole[] = {'a', 0xD83C, 0xDF31, 0xD800, 'z'};
    wchar_t units[] = {'?', '?', '?', '?', '?', '?'};
    ioc_units into = {.units = units, .room = 5};
    assert_true(ioc_units_put_utf8(&into, "a"));
    assert_true(ioc_units_put_utf8(&into, ""));
    assert_true(ioc_units_put_utf8(&into, "\xf0\x9f\x8c\xb1"));
    ioc_units_put(&into, 0xD800);
    assert_true(ioc_units_put_utf8(&into, "zz"));
    assert_false(ioc_units_put_utf8(&into, "z\xff"));
    assert_int_equal(into.count, 7);
    assert_int_equal(wmemcmp(units, whole, 5), 0);
    assert_true(units[5] == L'?');
}

/* Units of 16 bits, as the system has them: a wchar_t may have more. */
static size_t utf8__put_units(const wchar_t *from, size_t count, uint16_t *units)
{
    for (size_t i = 0; i < count; i++) {
        units[i] = (uint16_t)from[i];
    }
    return count;
}

static void a_name_is_the_same_name_in_both_directions(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        wchar_t units[6];
        size_t count;
    } table[] = {
        {"", {0}, 0},
        {"az", {'a', 'z'}, 2},
        {"\x7f\xc2\x80", {0x7F, 0x80}, 2},
        {"\xdf\xbf\xe0\xa0\x80", {0x7FF, 0x800}, 2},
        {"\xef\xbf\xbf\xf0\x90\x80\x80", {0xFFFF, 0xD800, 0xDC00}, 3},
        {"\xf4\x8f\xbf\xbf", {0xDBFF, 0xDFFF}, 2},
        {"\xed\xa0\x80", {0xD800}, 1}, /* halves that stand alone */
        {"\xed\xbf\xbf", {0xDFFF}, 1},
        {"a\xed\xa0\xbdz", {'a', 0xD83D, 'z'}, 3},
        {"\xed\xb8\x80\xed\xa0\xbd", {0xDE00, 0xD83D}, 2},
        {"\xed\xa0\xbd\xed\xa0\xbd", {0xD83D, 0xD83D}, 2},
        {"\xed\xa0\xbd\xf0\x9f\x98\x80", {0xD83D, 0xD83D, 0xDE00}, 3},
        {"\xed\x9f\xbf\xed\xb8\x80", {0xD7FF, 0xDE00}, 2},
    };
    for (size_t i = 0; i < IOC_COUNT_OF(table); i++) {
        wchar_t units[6];
        uint16_t narrow[6];
        char text[16] = "";
        assert_int_equal(ioc_wtf8_to_utf16(table[i].text, units, 6), table[i].count + 1);
        assert_int_equal(wmemcmp(units, table[i].units, table[i].count), 0);
        assert_true(units[table[i].count] == 0);
        size_t count = utf8__put_units(units, table[i].count, narrow);
        assert_int_equal(ioc_utf16_to_wtf8(narrow, count, text, sizeof text),
                         strlen(table[i].text));
        assert_string_equal(text, table[i].text);
    }
}

static void a_pair_in_its_halves_is_no_name(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\xed\xa0\xbd\xed\xb8\x80",
        "\xed\xa0\x80\xed\xb0\x80",
        "\xed\xaf\xbf\xed\xbf\xbfz",
        "\xed\xa0",
        "\xed\xa0z",
        "\xff",
    };
    for (size_t i = 0; i < IOC_COUNT_OF(bad); i++) {
        assert_int_equal(ioc_wtf8_to_utf16(bad[i], NULL, 0), 0);
    }
}

static void no_more_of_a_name_is_written_than_there_is_room_for(void **state)
{
    (void)state;
    static const uint16_t units[] = {'a', 0xD83C, 0xDF31, 0xDC00, 0xE4};
    static const char whole[] = "a\xf0\x9f\x8c\xb1\xed\xb0\x80\xc3\xa4";
    for (size_t room = 0; room < sizeof whole + 1; room++) {
        char text[sizeof whole + 2];
        unsigned char shifted[sizeof units + 1]; /* units at an odd address, or the other */
        memset(text, '?', sizeof text);
        memcpy(shifted + 1, units, sizeof units);
        assert_int_equal(ioc_utf16_to_wtf8(shifted + 1, IOC_COUNT_OF(units), text, room),
                         sizeof whole - 1);
        size_t written = room < sizeof whole - 1 ? room : sizeof whole - 1;
        assert_memory_equal(text, whole, written);
        assert_true(text[written] == '?');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_becomes_the_same_text_in_utf16),
        cmocka_unit_test(what_is_no_utf8_is_refused),
        cmocka_unit_test(no_more_is_written_than_there_is_room_for),
        cmocka_unit_test(a_text_is_taken_character_by_character),
        cmocka_unit_test(texts_are_put_one_behind_the_other),
        cmocka_unit_test(a_name_is_the_same_name_in_both_directions),
        cmocka_unit_test(a_pair_in_its_halves_is_no_name),
        cmocka_unit_test(no_more_of_a_name_is_written_than_there_is_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
