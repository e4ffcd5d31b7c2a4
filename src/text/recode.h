/*
 * Text that comes in pieces, from UTF-8 to UTF-16 and back, as a console takes and gives it. What is
 * cut off at the end of a piece is kept for the next one.
 *
 * What is no text becomes U+FFFD: one for each longest part that could have begun a character, as
 * Unicode recommends ("U+FFFD substitution of maximal subparts"), and one for each half of a pair
 * that stands alone.
 */
#ifndef IOC_RECODE_H
#define IOC_RECODE_H

#include "base.h"

/* What was seen of a character that is not whole yet. All zero at first. */
typedef struct ioc_from_utf8 {
    uint32_t character;
    uint8_t missing; /* bytes */
    uint8_t least;   /* that the next one may be; 0: as any that continues */
    uint8_t most;
} ioc_from_utf8;

/* One byte has become so many units at most. */
#define IOC_RECODE_UNITS 2

/*
 * As many units as there is room for, IOC_RECODE_UNITS at least, of the bytes from *at on, which then
 * is past those that are in them or kept. Returns how many units.
 */
size_t ioc_recode_to_utf16(ioc_from_utf8 *state, const unsigned char **at, const unsigned char *end,
                           wchar_t *units, size_t room);

/* The half of a pair, and the bytes that there was no room for. All zero at first. */
typedef struct ioc_to_utf8 {
    uint16_t high; /* 0: none */
    uint8_t count;
    unsigned char bytes[6];
} ioc_to_utf8;

/* The same back, with room of any size. Returns how many bytes. */
size_t ioc_recode_to_utf8(ioc_to_utf8 *state, const wchar_t **at, const wchar_t *end,
                          unsigned char *bytes, size_t room);

/* The first half of a pair. */
static inline bool ioc_recode_is_high(wchar_t unit)
{
    return ((uint32_t)unit & 0xFC00) == 0xD800;
}

#endif
