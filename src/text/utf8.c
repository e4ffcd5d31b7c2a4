#include "utf8.h"

#include <string.h>

/* The forms that a character has, by the number of bytes behind the first. */
static const struct {
    unsigned char mask; /* of the first byte, and what is there */
    unsigned char mark;
    uint32_t least; /* what is less has a shorter form */
} forms[] = {
    {0x80, 0x00, 0},
    {0xE0, 0xC0, 0x80},
    {0xF0, 0xE0, 0x800},
    {0xF8, 0xF0, 0x10000},
};

static bool utf8__is_high(uint32_t unit)
{
    return (unit & 0xFFFFFC00u) == 0xD800;
}

static bool utf8__is_low(uint32_t unit)
{
    return (unit & 0xFFFFFC00u) == 0xDC00;
}

/* A half of a pair, too. A text that is cut off ends with a zero, which continues no character. */
static bool utf8__take(const char **text, uint32_t *character)
{
    const unsigned char *at = (const unsigned char *)*text;
    size_t more = 0;
    while (more < IOC_COUNT_OF(forms) && (*at & forms[more].mask) != forms[more].mark) {
        more++;
    }
    if (more == IOC_COUNT_OF(forms)) {
        return false;
    }
    *character = *at++ & (0xFFu ^ forms[more].mask);
    for (size_t i = 0; i < more; i++) {
        if ((*at & 0xC0) != 0x80) {
            return false;
        }
        *character = *character << 6 | (*at++ & 0x3Fu);
    }
    *text = (const char *)at;
    return *character >= forms[more].least && *character <= 0x10FFFF;
}

bool ioc_utf8_take(const char **text, uint32_t *character)
{
    return utf8__take(text, character) && !utf8__is_high(*character) && !utf8__is_low(*character);
}

static void units__put(ioc_units *into, uint32_t unit)
{
    if (into->count < into->room) {
        into->units[into->count] = (wchar_t)unit;
    }
    into->count++;
}

void ioc_units_put(ioc_units *into, uint32_t character)
{
    if (character >= 0x10000) {
        units__put(into, 0xD800 + ((character - 0x10000) >> 10));
        character = 0xDC00 + (character & 0x3FF);
    }
    units__put(into, character);
}

bool ioc_units_put_utf8(ioc_units *into, const char *text)
{
    while (*text != '\0') {
        uint32_t character;
        if (!ioc_utf8_take(&text, &character)) {
            return false;
        }
        ioc_units_put(into, character);
    }
    return true;
}

size_t ioc_utf8_to_utf16(const char *text, wchar_t *units, size_t room)
{
    ioc_units into = {.units = units, .room = room};
    bool is_valid = ioc_units_put_utf8(&into, text);
    ioc_units_put(&into, 0);
    return is_valid ? into.count : 0;
}

/* ---- Names of files ---- */

size_t ioc_wtf8_to_utf16(const char *text, wchar_t *units, size_t room)
{
    ioc_units into = {.units = units, .room = room};
    uint32_t character = 0;
    do {
        bool is_behind_high = utf8__is_high(character);
        if (!utf8__take(&text, &character) || (is_behind_high && utf8__is_low(character))) {
            return 0;
        }
        ioc_units_put(&into, character);
    } while (character != 0);
    return into.count;
}

static uint32_t wtf8__unit(const void *units, size_t index)
{
    uint16_t unit;
    memcpy(&unit, (const unsigned char *)units + index * sizeof unit, sizeof unit);
    return unit;
}

/* The first byte has as many bits on top as there are bytes; the others have six of the number's. */
static size_t wtf8__put(uint32_t character, char *text, size_t room)
{
    size_t more = 0;
    while (more + 1 < IOC_COUNT_OF(forms) && character >= forms[more + 1].least) {
        more++;
    }
    for (size_t i = 0; i <= more && i < room; i++) {
        uint32_t bits = character >> 6 * (more - i);
        text[i] = (char)(i == 0 ? forms[more].mark | bits : 0x80 | (bits & 0x3F));
    }
    return more + 1;
}

size_t ioc_utf16_to_wtf8(const void *units, size_t count, char *text, size_t room)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t character = wtf8__unit(units, i);
        uint32_t next = i + 1 < count ? wtf8__unit(units, i + 1) : 0;
        if (utf8__is_high(character) && utf8__is_low(next)) {
            character = 0x10000 + ((character & 0x3FF) << 10) + (next & 0x3FF);
            i++;
        }
        size_t left = bytes < room ? room - bytes : 0;
        bytes += wtf8__put(character, left > 0 ? text + bytes : NULL, left);
    }
    return bytes;
}
