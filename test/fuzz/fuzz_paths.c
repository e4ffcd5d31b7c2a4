/*
 * Paths, in memory that ends where they do: UTF-8 of any kind against a reference, in UTF-16 with
 * room of any size; what becomes of a long one; and which are batch files.
 */
#include "fuzz.h"

#include "text/path.h"
#include "text/utf8.h"

#include <string.h>
#include <wchar.h>

#define PATH_FILLER_MOST 300 /* input is shorter than a path that needs a prefix */

/* ---- The reference ---- */

/* Unicode, table 3-7: what the first two bytes may be, and how many there are in all. */
static const struct {
    unsigned char first[2], second[2];
    size_t length;
} reference_rows[] = {
    {{0x00, 0x7F}, {0x00, 0xFF}, 1}, {{0xC2, 0xDF}, {0x80, 0xBF}, 2},
    {{0xE0, 0xE0}, {0xA0, 0xBF}, 3}, {{0xE1, 0xEC}, {0x80, 0xBF}, 3},
    {{0xED, 0xED}, {0x80, 0x9F}, 3}, {{0xEE, 0xEF}, {0x80, 0xBF}, 3},
    {{0xF0, 0xF0}, {0x90, 0xBF}, 4}, {{0xF1, 0xF3}, {0x80, 0xBF}, 4},
    {{0xF4, 0xF4}, {0x80, 0x8F}, 4},
};

static bool reference__is_in(unsigned char byte, const unsigned char range[2])
{
    return byte >= range[0] && byte <= range[1];
}

/* How long the character is that begins here; 0: it is none. */
static size_t reference__length(const unsigned char *at)
{
    for (size_t i = 0; i < IOC_COUNT_OF(reference_rows); i++) {
        size_t length = reference_rows[i].length;
        if (!reference__is_in(at[0], reference_rows[i].first)) {
            continue;
        }
        bool is_whole = length < 2 || reference__is_in(at[1], reference_rows[i].second);
        for (size_t byte = 2; is_whole && byte < length; byte++) {
            is_whole = at[byte] >> 6 == 2;
        }
        return is_whole ? length : 0;
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

/* With the zero; 0: it is not UTF-8. The characters are there again, taken from the units. */
static size_t reference__check(const char *text, const wchar_t *units)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t count = 0;
    for (bool is_end = false; !is_end;) {
        size_t length = reference__length(at);
        if (length == 0) {
            return 0;
        }
        if (units != NULL) {
            uint32_t unit = (uint32_t)units[count];
            bool is_high = unit >= 0xD800 && unit <= 0xDBFF;
            bool is_low = unit >= 0xDC00 && unit <= 0xDFFF;
            FUZZ_EXPECT(unit <= 0xFFFF && !is_low && is_high == (length == 4));
            if (is_high) {
                uint32_t low = (uint32_t)units[count + 1];
                FUZZ_EXPECT(low >= 0xDC00 && low <= 0xDFFF);
                unit = 0x10000 + (unit - 0xD800) * 0x400 + (low - 0xDC00);
            }
            FUZZ_EXPECT(unit == reference__character(at, length));
        }
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

/* NULL: it is not UTF-8. */
static wchar_t *units__of(const char *text, size_t small)
{
    size_t count = ioc_utf8_to_utf16(text, NULL, 0);
    FUZZ_EXPECT(count == reference__check(text, NULL));
    wchar_t *units = units__create(count);
    FUZZ_EXPECT(ioc_utf8_to_utf16(text, units, count) == count);
    if (count > 0) {
        (void)reference__check(text, units);
        small %= count;
    }
    wchar_t *less = units__create(small);
    FUZZ_EXPECT(ioc_utf8_to_utf16(text, less, small) == count);
    FUZZ_EXPECT(count == 0 || wmemcmp(less, units, small) == 0);
    free(less);
    if (count > 0) {
        return units;
    }
    free(units);
    return NULL;
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
    wchar_t *units = units__of(text, data[0]);
    if (units != NULL) {
        path__try(units);
        path__try_endings(units);
    }
    free(units);
    free(text);
    return 0;
}
