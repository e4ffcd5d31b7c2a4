/*
 * UTF-8, and UTF-16 made of it. A wchar_t is a unit of UTF-16, also on systems where it is larger.
 *
 * Valid is what Unicode says (table 3-7): no surrogates, nothing beyond U+10FFFF, no form that is
 * longer than needed. MultiByteToWideChar says the same of MB_ERR_INVALID_CHARS.
 *
 * Windows has names that are no valid UTF-16, which UTF-8 can never make. WTF-8 is UTF-8 in which half
 * of a pair that stands alone has the three bytes of a character of its number. It is for names of
 * files alone: what is a name goes both ways, and each has one form.
 */
#ifndef IOC_UTF8_H
#define IOC_UTF8_H

#include "base.h"

/* The next character, and past it: the zero is one, too. False: it is not UTF-8. */
bool ioc_utf8_take(const char **text, uint32_t *character);

/* UTF-16 that is being written: all is counted, and what there is room for is there. */
typedef struct ioc_units {
    wchar_t *units;
    size_t room;
    size_t count;
} ioc_units;

/* A character, or a unit of UTF-16 as it is. */
void ioc_units_put(ioc_units *into, uint32_t character);

/* A text, without the zero at its end. False: it is not UTF-8. */
bool ioc_units_put_utf8(ioc_units *into, const char *text);

/*
 * How many units the text takes, with the zero that ends both, and as many of them into `units` as
 * there is room for. 0: it is not UTF-8.
 */
size_t ioc_utf8_to_utf16(const char *text, wchar_t *units, size_t room);

/* The same of WTF-8. Two halves that make a pair are none: a pair has the form of a character. */
size_t ioc_wtf8_to_utf16(const char *text, wchar_t *units, size_t room);

/*
 * How many bytes `count` units of UTF-16 take as WTF-8, and as many of them into `text` as there is
 * room for. No zero is added. The units may lie at any address, as the system's records have them.
 */
size_t ioc_utf16_to_wtf8(const void *units, size_t count, char *text, size_t room);

#endif
