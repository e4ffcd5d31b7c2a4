#include "recode.h"

#include <string.h>

#define RECODE_REPLACEMENT 0xFFFDu

/* ---- To UTF-16 ---- */

/* Unicode, table 3-7: how a character begins, and what its second byte may be. */
static const struct {
    uint8_t first;
    uint8_t last;
    uint8_t mask; /* of the first byte, what is of the character */
    uint8_t more;
    uint8_t least;
    uint8_t most;
} beginnings[] = {
    {0xC2, 0xDF, 0x1F, 1, 0x80, 0xBF}, {0xE0, 0xE0, 0x0F, 2, 0xA0, 0xBF},
    {0xE1, 0xEC, 0x0F, 2, 0x80, 0xBF}, {0xED, 0xED, 0x0F, 2, 0x80, 0x9F},
    {0xEE, 0xEF, 0x0F, 2, 0x80, 0xBF}, {0xF0, 0xF0, 0x07, 3, 0x90, 0xBF},
    {0xF1, 0xF3, 0x07, 3, 0x80, 0xBF}, {0xF4, 0xF4, 0x07, 3, 0x80, 0x8F},
};

static size_t recode__put(wchar_t *units, uint32_t character)
{
    if (character < 0x10000) {
        units[0] = (wchar_t)character;
        return 1;
    }
    units[0] = (wchar_t)(0xD800 + ((character - 0x10000) >> 10));
    units[1] = (wchar_t)(0xDC00 + (character & 0x3FF));
    return 2;
}

static size_t recode__begin(ioc_from_utf8 *state, unsigned char byte, wchar_t *units)
{
    if (byte < 0x80) {
        return recode__put(units, byte);
    }
    for (size_t i = 0; i < IOC_COUNT_OF(beginnings); i++) {
        if (byte >= beginnings[i].first && byte <= beginnings[i].last) {
            state->character = byte & beginnings[i].mask;
            state->missing = beginnings[i].more;
            state->least = beginnings[i].least;
            state->most = beginnings[i].most;
            return 0;
        }
    }
    return recode__put(units, RECODE_REPLACEMENT);
}

/* One byte more, of a character or of the next. */
static size_t recode__take_byte(ioc_from_utf8 *state, unsigned char byte, wchar_t *units)
{
    if (state->missing == 0) {
        return recode__begin(state, byte, units);
    }
    if (byte < state->least || byte > state->most) { /* it is cut off here */
        state->missing = 0;
        size_t count = recode__put(units, RECODE_REPLACEMENT);
        return count + recode__begin(state, byte, units + count);
    }
    state->character = state->character << 6 | (byte & 0x3Fu);
    state->least = 0x80;
    state->most = 0xBF;
    return --state->missing == 0 ? recode__put(units, state->character) : 0;
}

size_t ioc_recode_to_utf16(ioc_from_utf8 *state, const unsigned char **at, const unsigned char *end,
                           wchar_t *units, size_t room)
{
    size_t count = 0;
    while (*at < end && room - count >= IOC_RECODE_UNITS) {
        count += recode__take_byte(state, *(*at)++, units + count);
    }
    return count;
}

/* ---- To UTF-8 ---- */

static void recode__keep(ioc_to_utf8 *state, uint32_t character)
{
    static const uint8_t marks[] = {0x00, 0xC0, 0xE0, 0xF0};
    int more = (character >= 0x80) + (character >= 0x800) + (character >= 0x10000);
    state->bytes[state->count++] = (unsigned char)(marks[more] | character >> (6 * more));
    while (more > 0) {
        more--;
        state->bytes[state->count++] = (unsigned char)(0x80 | (character >> (6 * more) & 0x3F));
    }
}

/* One unit more: at most a half that stands alone, and a character. */
static void recode__take_unit(ioc_to_utf8 *state, uint32_t unit)
{
    bool is_low = (unit & 0xFC00) == 0xDC00;
    if (state->high != 0 && is_low) {
        recode__keep(state, 0x10000 + ((state->high & 0x3FFu) << 10) + (unit & 0x3FF));
        state->high = 0;
        return;
    }
    if (state->high != 0) {
        recode__keep(state, RECODE_REPLACEMENT);
        state->high = 0;
    }
    if (ioc_recode_is_high((wchar_t)unit)) {
        state->high = (uint16_t)unit;
    } else {
        recode__keep(state, is_low ? RECODE_REPLACEMENT : unit);
    }
}

static size_t recode__give(ioc_to_utf8 *state, unsigned char *bytes, size_t room)
{
    size_t count = state->count < room ? state->count : room;
    memcpy(bytes, state->bytes, count);
    memmove(state->bytes, state->bytes + count, state->count - count);
    state->count = (uint8_t)(state->count - count);
    return count;
}

size_t ioc_recode_to_utf8(ioc_to_utf8 *state, const wchar_t **at, const wchar_t *end,
                          unsigned char *bytes, size_t room)
{
    size_t count = recode__give(state, bytes, room);
    while (*at < end && count < room) {
        recode__take_unit(state, (uint32_t) * (*at)++ & 0xFFFF);
        count += recode__give(state, bytes + count, room - count);
    }
    return count;
}
