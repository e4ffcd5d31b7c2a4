/*
 * What a folder's handle has besides, out of line, from its first watch or list to its end: the
 * buffers that the system writes to, and the entries that are told.
 *
 * A buffer has what network folders give at most. Its entries are put into memory that grows to the
 * most that has been told, and stays; so the steady state allocates nothing. The old name of a rename
 * whose new one has not come lies among the entries of its buffer, so those of the next one have other
 * memory, and the two take turns.
 */
#ifndef IOC_LISTING_H
#define IOC_LISTING_H

#include "alloc.h"
#include "record.h"

#define IOC_READING_BYTES 65536

/* Of a watch, or of a list. */
typedef struct ioc_reading {
    iocp_op_t op; /* the last one: whether it has ended its id says */
    void *buffer; /* of IOC_READING_BYTES, or NULL */
    unsigned char *memory[2];
    size_t room[2];
    ioc_entries entries; /* in memory[turn] */
    uint8_t turn;
} ioc_reading;

typedef struct ioc_listing {
    ioc_alloc *alloc;
    uint32_t watch_flags; /* 0: it was never watched */
    ioc_reading watch;
    ioc_reading list;
} ioc_listing;

/* NULL: no memory. */
ioc_listing *ioc_listing_new(ioc_alloc *alloc);
void ioc_listing_free(ioc_listing *listing); /* or NULL */

/* Before the first use. IOCP_ENOMEM. */
int ioc_reading_prepare(ioc_alloc *alloc, ioc_reading *reading);

/* The entries of what the system has written. False: no memory for them. */
bool ioc_reading_take(ioc_alloc *alloc, ioc_reading *reading, const ioc_records *records);

/* The same of the name that was kept, as one that is gone. */
bool ioc_reading_give_up(ioc_alloc *alloc, ioc_reading *reading);

/* Nothing is kept, and nothing told. */
void ioc_reading_forget(ioc_reading *reading);

#endif
