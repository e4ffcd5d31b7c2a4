/*
 * Environment blocks, as CreateProcessW takes them (CREATE_UNICODE_ENVIRONMENT): each variable is
 * "NAME=value" with a zero behind it, and one more zero ends the block.
 *
 * A name has at least one character, and the first may be a =: the current folders of the drives are
 * kept in variables like "=C:".
 *
 * Windows wants the variables in the order of their names, without regard to case. Which letters are
 * each other's upper case is the system's to know, so the order is the caller's: CompareStringOrdinal.
 */
#ifndef IOC_TEXT_ENVIRONMENT_H
#define IOC_TEXT_ENVIRONMENT_H

#include "base.h"

/*
 * The block of these variables, in this order; NULL follows the last. How many units it takes, with
 * its end, and as many of them into `units` as there is room for. 0: one of them is not UTF-8, or
 * has no name.
 */
size_t ioc_environment_block(const char *const *variables, wchar_t *units, size_t room);

/* Below 0, 0 or above, as the left name comes before the right one, is the same, or comes after. */
typedef int ioc_environment_order(const void *context, const wchar_t *left, size_t left_length,
                                  const wchar_t *right, size_t right_length);

/*
 * A block in order. Of several variables of the same name the last one counts. `places` has room for
 * one to each variable of the block, `sorted` for as many units as the block has.
 */
void ioc_environment_sort(const wchar_t *block, ioc_environment_order *order, const void *context,
                          const wchar_t **places, wchar_t *sorted);

#endif
