#include "utf8.h"

#include "base.h"

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

/* The next character, and past it. A text that is cut off ends with a zero, which continues none. */
static bool utf8__take(const unsigned char **at, uint32_t *character)
{
    size_t more = 0;
    while (more < IOC_COUNT_OF(forms) && (**at & forms[more].mask) != forms[more].mark) {
        more++;
    }
    if (more == IOC_COUNT_OF(forms)) {
        return false;
    }
    *character = *(*at)++ & (0xFFu ^ forms[more].mask);
    for (size_t i = 0; i < more; i++) {
        if ((**at & 0xC0) != 0x80) {
            return false;
        }
        *character = *character << 6 | (*(*at)++ & 0x3Fu);
    }
    bool is_surrogate = *character >= 0xD800 && *character <= 0xDFFF;
    return *character >= forms[more].least && *character <= 0x10FFFF && !is_surrogate;
}

static void utf8__put(wchar_t *units, size_t room, size_t *count, uint32_t unit)
{
    if (*count < room) {
        units[*count] = (wchar_t)unit;
    }
    (*count)++;
}

size_t ioc_utf8_to_utf16(const char *text, wchar_t *units, size_t room)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t count = 0;
    uint32_t character;
    do {
        if (!utf8__take(&at, &character)) {
            return 0;
        }
        if (character >= 0x10000) {
            utf8__put(units, room, &count, 0xD800 + ((character - 0x10000) >> 10));
            character = 0xDC00 + (character & 0x3FF);
        }
        utf8__put(units, room, &count, character);
    } while (character != 0);
    return count;
}
