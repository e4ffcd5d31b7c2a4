/*
 * Text in pieces, in memory that ends where they do, with room of any size: bytes and units of any
 * kind, against a reference that has all of them before it. What can begin a character it tells by
 * the numbers that could still come of it, not by a table.
 */
#include "fuzz.h"

#include "text/recode.h"

#include <string.h>
#include <wchar.h>

#define RECODE_REPLACEMENT 0xFFFDu
#define RECODE_PIECE_MOST  7
#define RECODE_ROOM_MOST   9

/* ---- The reference ---- */

/* What the whole of a text says; what is cut off at its end says nothing yet. */
typedef struct characters {
    uint32_t *all;
    size_t count;
} characters;

static void *room__create(size_t count, size_t size)
{
    void *room = malloc(count * size);
    FUZZ_EXPECT(room != NULL);
    return room;
}

static void reference__add(characters *self, uint32_t character)
{
    self->all[self->count++] = character;
}

/* By its leading ones. 0: no character begins so. */
static size_t reference__length(uint8_t byte)
{
    static const uint8_t lengths[] = {1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 2, 2, 3, 4};
    return byte < 0xF8 ? lengths[byte >> 4] : 0;
}

/* Whether so many bytes can be the beginning of a character of this length, or all of it. */
static bool reference__begins(const uint8_t *bytes, size_t count, size_t length,
                              uint32_t *character)
{
    static const uint32_t least[] = {0, 0x00, 0x80, 0x800, 0x10000};
    static const uint32_t most[] = {0, 0x7F, 0x7FF, 0xFFFF, 0x10FFFF};
    uint32_t low = length == 1 ? bytes[0] : bytes[0] & (0x7Fu >> length);
    for (size_t i = 1; i < count; i++) {
        if ((bytes[i] & 0xC0) != 0x80) {
            return false;
        }
        low = low * 64 + (bytes[i] & 0x3F);
    }
    uint32_t open = UINT32_C(1) << 6 * (length - count);
    low *= open;
    uint32_t high = low + open - 1;
    *character = low;
    return high >= least[length] && low <= most[length] && (low < 0xD800 || high > 0xDFFF);
}

static void reference__read_bytes(characters *self, const uint8_t *bytes, size_t size)
{
    for (size_t at = 0; at < size;) {
        size_t length = reference__length(bytes[at]);
        size_t count = 0;
        uint32_t character = 0;
        while (count < length && at + count < size &&
               reference__begins(bytes + at, count + 1, length, &character)) {
            count++;
        }
        if (count > 0 && count < length && at + count == size) {
            return;
        }
        bool is_whole = count > 0 && count == length;
        reference__add(self, is_whole ? character : RECODE_REPLACEMENT);
        at += count > 0 ? count : 1;
    }
}

static void reference__read_units(characters *self, const wchar_t *units, size_t size)
{
    for (size_t at = 0; at < size; at++) {
        uint32_t unit = (uint32_t)units[at];
        bool is_high = unit >= 0xD800 && unit <= 0xDBFF;
        bool is_low = unit >= 0xDC00 && unit <= 0xDFFF;
        if (is_high && at + 1 == size) {
            return;
        }
        uint32_t next = is_high ? (uint32_t)units[at + 1] : 0;
        if (next >= 0xDC00 && next <= 0xDFFF) {
            reference__add(self, (unit - 0xD800) * 0x400 + (next - 0xDC00) + 0x10000);
            at++;
        } else {
            reference__add(self, is_high || is_low ? RECODE_REPLACEMENT : unit);
        }
    }
}

/* With room for two of each character. */
static size_t reference__write_units(const characters *self, wchar_t *units)
{
    size_t size = 0;
    for (size_t i = 0; i < self->count; i++) {
        uint32_t character = self->all[i];
        if (character > 0xFFFF) {
            units[size++] = (wchar_t)(0xD800 + (character - 0x10000) / 0x400);
            character = 0xDC00 + (character - 0x10000) % 0x400;
        }
        units[size++] = (wchar_t)character;
    }
    return size;
}

/* With room for four of each character. */
static size_t reference__write_bytes(const characters *self, uint8_t *bytes)
{
    size_t size = 0;
    for (size_t i = 0; i < self->count; i++) {
        uint32_t character = self->all[i];
        if (character < 0x80) {
            bytes[size++] = (uint8_t)character;
            continue;
        }
        if (character < 0x800) {
            bytes[size++] = (uint8_t)(0xC0 + character / 0x40);
        } else {
            if (character < 0x10000) {
                bytes[size++] = (uint8_t)(0xE0 + character / 0x1000);
            } else {
                bytes[size++] = (uint8_t)(0xF0 + character / 0x40000);
                bytes[size++] = (uint8_t)(0x80 + character / 0x1000 % 0x40);
            }
            bytes[size++] = (uint8_t)(0x80 + character / 0x40 % 0x40);
        }
        bytes[size++] = (uint8_t)(0x80 + character % 0x40);
    }
    return size;
}

/* ---- What is tried ---- */

/* How long the next piece is, or how much room there is. */
static size_t cut__next(uint32_t *cuts, size_t most)
{
    *cuts = *cuts * UINT32_C(1664525) + UINT32_C(1013904223);
    return (*cuts >> 16) % (most + 1);
}

static size_t cut__piece(uint32_t *cuts, size_t left)
{
    size_t size = 1 + cut__next(cuts, RECODE_PIECE_MOST - 1);
    return size < left ? size : left;
}

/* All of the piece. How many units came of it, which are those that the reference has. */
static size_t bytes__try_piece(ioc_from_utf8 *state, const uint8_t *piece, size_t size,
                               const wchar_t *expected, size_t expected_count, uint32_t *cuts)
{
    uint8_t *copy = room__create(size, 1);
    memcpy(copy, piece, size);
    const unsigned char *at = copy;
    size_t total = 0;
    while (at < copy + size) {
        size_t room = IOC_RECODE_UNITS + cut__next(cuts, RECODE_ROOM_MOST);
        wchar_t *units = room__create(room, sizeof *units);
        size_t count = ioc_recode_to_utf16(state, &at, copy + size, units, room);
        FUZZ_EXPECT(count <= room && (at == copy + size || room - count < IOC_RECODE_UNITS));
        FUZZ_EXPECT(total + count <= expected_count);
        FUZZ_EXPECT(wmemcmp(units, expected + total, count) == 0);
        total += count;
        free(units);
    }
    free(copy);
    return total;
}

static void bytes__try(const uint8_t *bytes, size_t size, const wchar_t *expected,
                       size_t expected_count, uint32_t cuts)
{
    ioc_from_utf8 state = {0};
    size_t total = 0;
    while (size > 0) {
        size_t piece = cut__piece(&cuts, size);
        total +=
            bytes__try_piece(&state, bytes, piece, expected + total, expected_count - total, &cuts);
        bytes += piece;
        size -= piece;
    }
    FUZZ_EXPECT(total == expected_count);
}

/* The same back, where there may be no room at all. */
static size_t units__try_piece(ioc_to_utf8 *state, const wchar_t *piece, size_t size,
                               const uint8_t *expected, size_t expected_count, uint32_t *cuts)
{
    wchar_t *copy = room__create(size, sizeof *copy);
    wmemcpy(copy, piece, size);
    const wchar_t *at = copy;
    size_t total = 0;
    while (at < copy + size || state->count > 0) {
        size_t room = cut__next(cuts, RECODE_ROOM_MOST);
        uint8_t *bytes = room__create(room, 1);
        size_t count = ioc_recode_to_utf8(state, &at, copy + size, bytes, room);
        FUZZ_EXPECT(count <= room && (at == copy + size || count == room));
        FUZZ_EXPECT(total + count <= expected_count);
        FUZZ_EXPECT(memcmp(bytes, expected + total, count) == 0);
        total += count;
        free(bytes);
    }
    free(copy);
    return total;
}

static void units__try(const wchar_t *units, size_t size, const uint8_t *expected,
                       size_t expected_count, uint32_t cuts)
{
    ioc_to_utf8 state = {0};
    size_t total = 0;
    while (size > 0) {
        size_t piece = cut__piece(&cuts, size);
        total +=
            units__try_piece(&state, units, piece, expected + total, expected_count - total, &cuts);
        units += piece;
        size -= piece;
    }
    FUZZ_EXPECT(total == expected_count);
}

/* To units, and what has become of them back: that is the same text, without what was none. */
static void text__try_bytes(const uint8_t *data, size_t size, uint32_t cuts)
{
    characters text = {.all = room__create(size, sizeof *text.all)};
    reference__read_bytes(&text, data, size);
    wchar_t *units = room__create(2 * text.count, sizeof *units);
    uint8_t *bytes = room__create(4 * text.count, 1);
    size_t unit_count = reference__write_units(&text, units);
    size_t byte_count = reference__write_bytes(&text, bytes);
    bytes__try(data, size, units, unit_count, cuts);
    units__try(units, unit_count, bytes, byte_count, cuts);
    free(bytes);
    free(units);
    free(text.all);
}

static void text__try_units(const uint8_t *data, size_t size, uint32_t cuts)
{
    size_t count = size / 2;
    wchar_t *units = room__create(count, sizeof *units);
    for (size_t i = 0; i < count; i++) {
        units[i] = (wchar_t)(data[2 * i] << 8 | data[2 * i + 1]);
    }
    characters text = {.all = room__create(count, sizeof *text.all)};
    reference__read_units(&text, units, count);
    uint8_t *bytes = room__create(4 * text.count, 1);
    size_t byte_count = reference__write_bytes(&text, bytes);
    units__try(units, count, bytes, byte_count, cuts);
    free(bytes);
    free(text.all);
    free(units);
}

/* Where it is cut; the text, once as bytes and once as units. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    text__try_bytes(data + 1, size - 1, data[0]);
    text__try_units(data + 1, size - 1, data[0]);
    return 0;
}
