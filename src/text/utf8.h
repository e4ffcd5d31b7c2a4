/*
 * UTF-8, and UTF-16 made of it. A wchar_t is a unit of UTF-16, also on systems where it is larger.
 *
 * Valid is what Unicode says (table 3-7): no surrogates, nothing beyond U+10FFFF, no form that is
 * longer than needed. MultiByteToWideChar says the same of MB_ERR_INVALID_CHARS; the names that
 * Windows has and that are no valid UTF-16 it can never make.
 */
#ifndef IOC_UTF8_H
#define IOC_UTF8_H

#include <stddef.h>

/*
 * How many units the text takes, with the zero that ends both, and as many of them into `units` as
 * there is room for. 0: it is not UTF-8.
 */
size_t ioc_utf8_to_utf16(const char *text, wchar_t *units, size_t room);

#endif
