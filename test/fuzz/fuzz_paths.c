/*
 * Paths, in memory that ends where they do: UTF-8 and WTF-8 of any kind against a reference, in UTF-16
 * with room of any size, and back, as any units of UTF-16; what becomes of a long one; and which are
 * batch files.
 */
#include "fuzz.h"

#include "text/path.h"
#include "text/utf8.h"

#include <string.h>
#include <wchar.h>

#define PATH_FILLER_MOST 300 /* input is shorter than a path that needs a prefix */

/* ---- The reference ---- */

/*
 * Unicode, table 3-7: what the first two bytes may be, and how many there are in all; the last row is
 * WTF-8's.
 */
static const struct {
    unsigned char first[2], second[2];
    size_t length;
} reference_rows[] = {
    {{0x00, 0x7F}, {0x00, 0xFF}, 1}, {{0xC2, 0xDF}, {0x80, 0xBF}, 2},
    {{0xE0, 0xE0}, {0xA0, 0xBF}, 3}, {{0xE1, 0xEC}, {0x80, 0xBF}, 3},
    {{0xED, 0xED}, {0x80, 0x9F}, 3}, {{0xEE, 0xEF}, {0x80, 0xBF}, 3},
    {{0xF0, 0xF0}, {0x90, 0xBF}, 4}, {{0xF1, 0xF3}, {0x80, 0xBF}, 4},
    {{0xF4, 0xF4}, {0x80, 0x8F}, 4}, {{0xED, 0xED}, {0xA0, 0xBF}, 3},
};

typedef enum coding {
    UTF8,
    WTF8
} coding;

static size_t to_utf16(coding coding, const char *text, wchar_t *units, size_t room)
{
    return (coding == UTF8 ? ioc_utf8_to_utf16 : ioc_wtf8_to_utf16)(text, units, room);
}

static bool reference__is_in(unsigned char byte, const unsigned char range[2])
{
    return byte >= range[0] && byte <= range[1];
}

/* How long the character is that begins here; 0: it is none. */
static size_t reference__length(coding coding, const unsigned char *at)
{
    for (size_t i = 0; i < IOC_COUNT_OF(reference_rows) - (coding == UTF8); i++) {
        size_t length = reference_rows[i].length;
        bool is_whole = reference__is_in(at[0], reference_rows[i].first) &&
                        (length < 2 || reference__is_in(at[1], reference_rows[i].second));
        for (size_t byte = 2; is_whole && byte < length; byte++) {
            is_whole = at[byte] >> 6 == 2;
        }
        if (is_whole) {
            return length;
        }
    }
    return 0;
}

static uint32_t reference__character(const unsigned char *at, size_t length)
{
    static const unsigned char first_bits[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t character = at[0] & first_bits[length];
    for (size_t byte = 1; byte < length; byte++) {
        character = character * 64 + (at[byte] - 0x80u);
    }
    return character;
}

static bool reference__is_high(uint32_t unit)
{
    return unit >= 0xD800 && unit <= 0xDBFF;
}

static bool reference__is_low(uint32_t unit)
{
    return unit >= 0xDC00 && unit <= 0xDFFF;
}

/* Two units are those of a pair, and one is the character itself. */
static void reference__check_units(const wchar_t *units, uint32_t character)
{
    uint32_t first = (uint32_t)units[0];
    if (character >= 0x10000) {
        uint32_t low = (uint32_t)units[1];
        FUZZ_EXPECT(reference__is_high(first) && reference__is_low(low));
        first = 0x10000 + (first - 0xD800) * 0x400 + (low - 0xDC00);
    }
    FUZZ_EXPECT(first == character);
}

/* With the zero; 0: it is no such text. The characters are there again, taken from the units. */
static size_t reference__check(coding coding, const char *text, const wchar_t *units)
{
    const unsigned char *at = (const unsigned char *)text;
    uint32_t before = 0;
    size_t count = 0;
    for (bool is_end = false; !is_end;) {
        size_t length = reference__length(coding, at);
        uint32_t character = length == 0 ? 0 : reference__character(at, length);
        if (length == 0 || (reference__is_high(before) && reference__is_low(character))) {
            return 0;
        }
        if (units != NULL) {
            reference__check_units(units + count, character);
        }
        before = character;
        count += length == 4 ? 2 : 1;
        is_end = *at == 0;
        at += length;
    }
    return count;
}

/* ---- What is tried ---- */

/* Room that ends where it is said to. */
static wchar_t *units__create(size_t count)
{
    wchar_t *units = malloc(count * sizeof *units);
    FUZZ_EXPECT(units != NULL);
    return units;
}

/* NULL: it is no such text. */
static wchar_t *units__of(coding coding, const char *text, size_t small)
{
    size_t count = to_utf16(coding, text, NULL, 0);
    FUZZ_EXPECT(count == reference__check(coding, text, NULL));
    wchar_t *units = units__create(count);
    FUZZ_EXPECT(to_utf16(coding, text, units, count) == count);
    if (count > 0) {
        (void)reference__check(coding, text, units);
        small %= count;
    }
    wchar_t *less = units__create(small);
    FUZZ_EXPECT(to_utf16(coding, text, less, small) == count);
    FUZZ_EXPECT(count == 0 || wmemcmp(less, units, small) == 0);
    free(less);
    if (count > 0) {
        return units;
    }
    free(units);
    return NULL;
}

/* Any units are a name, and this one again; the text that is made of them has one form. */
static void name__try(const uint8_t *units, size_t count, size_t small)
{
    size_t bytes = ioc_utf16_to_wtf8(units, count, NULL, 0);
    char *text = malloc(bytes + 1);
    small %= bytes + 1;
    char *less = malloc(small);
    wchar_t *again = units__create(count + 1);
    FUZZ_EXPECT(text != NULL && less != NULL);
    FUZZ_EXPECT(ioc_utf16_to_wtf8(units, count, text, bytes) == bytes);
    text[bytes] = '\0';
    FUZZ_EXPECT(strlen(text) == bytes);
    FUZZ_EXPECT(ioc_utf16_to_wtf8(units, count, less, small) == bytes);
    FUZZ_EXPECT(memcmp(less, text, small) == 0);
    FUZZ_EXPECT(ioc_wtf8_to_utf16(text, again, count + 1) == count + 1);
    for (size_t i = 0; i < count; i++) {
        uint16_t unit;
        memcpy(&unit, units + i * sizeof unit, sizeof unit);
        FUZZ_EXPECT((uint32_t)again[i] == unit);
    }
    free(again);
    free(less);
    free(text);
}

static void name__try_bytes(const uint8_t *data, size_t size, size_t small)
{
    size_t count = size / sizeof(uint16_t);
    uint8_t *units = malloc(size);
    FUZZ_EXPECT(units != NULL);
    memcpy(units, data, size);
    for (size_t i = 0; i < count; i++) { /* the zero ends a name */
        units[2 * i] |= units[2 * i] == 0 && units[2 * i + 1] == 0;
    }
    name__try(units, count, small);
    free(units);
}

static bool path__begins_with(const wchar_t *path, const wchar_t *with)
{
    return wcsncmp(path, with, wcslen(with)) == 0;
}

static bool path__is_full(const wchar_t *path)
{
    return path__begins_with(path, L"\\\\") ||
           (path[0] != L'\0' && path__begins_with(path + 1, L":\\"));
}

/* A short path stays; a long one keeps where it leads, behind one of the prefixes. */
static void path__try(const wchar_t *full)
{
    size_t length = wcslen(full);
    ioc_place place = ioc_path_place(full);
    wchar_t *buffer = units__create(IOC_PATH_PREFIX_ROOM + length + 1);
    wmemset(buffer, L'?', IOC_PATH_PREFIX_ROOM);
    wmemcpy(buffer + IOC_PATH_PREFIX_ROOM, full, length + 1);
    ioc_path_add_prefix(buffer);
    size_t more = wcslen(buffer) - length;
    if (more == 0) {
        FUZZ_EXPECT(wmemcmp(buffer, full, length + 1) == 0);
        FUZZ_EXPECT(length < IOC_PATH_LONG || path__begins_with(full, L"\\\\.\\") ||
                    ioc_path_is_literal(full));
    } else {
        size_t skip = path__begins_with(full, L"\\\\") ? 1 : 0;
        FUZZ_EXPECT(length >= IOC_PATH_LONG && ioc_path_is_literal(buffer));
        FUZZ_EXPECT(more + skip == (skip > 0 ? IOC_PATH_PREFIX_ROOM : 4));
        FUZZ_EXPECT(wcscmp(buffer + more + skip, full + skip) == 0);
        FUZZ_EXPECT(!path__is_full(full) || ioc_path_place(buffer) == place);
    }
    free(buffer);
}

/* Whatever stands before it, an ending says it. */
static void path__try_ending(const wchar_t *path, const wchar_t *ending, bool is_batch)
{
    size_t length = wcslen(path);
    wchar_t *whole = units__create(length + wcslen(ending) + 1);
    wcscpy(whole, path);
    wcscpy(whole + length, ending);
    FUZZ_EXPECT(ioc_path_is_batch(whole) == is_batch);
    free(whole);
}

static void path__try_endings(const wchar_t *path)
{
    static const wchar_t *const idle[] = {L"", L".", L" ", L". .", L"\\", L":$DATA", L" .:x"};
    for (size_t i = 0; i < IOC_COUNT_OF(idle); i++) {
        wchar_t ending[24];
        path__try_ending(path, wcscat(wcscpy(ending, L".bat"), idle[i]), true);
        path__try_ending(path, wcscat(wcscpy(ending, L"\\.CMD"), idle[i]), true);
        if (wcschr(path, L':') == NULL) {
            path__try_ending(path, wcscat(wcscpy(ending, L"/x.exe"), idle[i]), false);
        }
    }
}

/* How small the room is, how much longer the text is, and how it begins. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    size_t filler = (size_t)data[1] * PATH_FILLER_MOST / UINT8_MAX;
    const uint8_t *zero = memchr(data + 2, 0, size - 2);
    size_t length = zero != NULL ? (size_t)(zero - (data + 2)) : size - 2;
    char *text = malloc(length + filler + 1);
    FUZZ_EXPECT(text != NULL);
    memcpy(text, data + 2, length);
    memset(text + length, 'a', filler);
    text[length + filler] = '\0';
    free(units__of(UTF8, text, data[0]));
    wchar_t *units = units__of(WTF8, text, data[0]);
    if (units != NULL) {
        path__try(units);
        path__try_endings(units);
    }
    free(units);
    name__try_bytes(data + 2, size - 2, data[0]);
    free(text);
    return 0;
}
