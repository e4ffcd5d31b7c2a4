/*
 * The one table of all kinds of operations: a row says everything that the core knows of a kind.
 * The backend has its own with the same index. docs/adding-an-operation.md shows what a new kind
 * touches.
 */
#ifndef IOC_KIND_H
#define IOC_KIND_H

#include "op.h"

/*
 * By iocp_type_t, IOC_KINDS of them. The first and the last two rows are the library's own: what an
 * adopted handle is, what ends a standard stream, what the system is asked for a name.
 */
extern const ioc_kind ioc_kinds[IOC_KINDS];

/* Whether a number is that of a public kind. */
static inline bool ioc_kind_is_public(int type)
{
    return type > 0 && type < IOCP_TYPES;
}

#endif
