#include "utf8.h"

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

/* A text that is cut off ends with a zero, which continues no character. */
bool ioc_utf8_take(const char **text, uint32_t *character)
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
    bool is_surrogate = *character >= 0xD800 && *character <= 0xDFFF;
    return *character >= forms[more].least && *character <= 0x10FFFF && !is_surrogate;
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
