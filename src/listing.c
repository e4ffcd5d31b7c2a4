#include "listing.h"

ioc_listing *ioc_listing_new(ioc_alloc *alloc)
{
    ioc_listing *listing = ioc_alloc_take(alloc, sizeof *listing);
    if (listing != NULL) {
        listing->alloc = alloc;
    }
    return listing;
}

static void reading__deinit(ioc_alloc *alloc, const ioc_reading *reading)
{
    ioc_alloc_give(alloc, reading->buffer);
    ioc_alloc_give(alloc, reading->memory[0]);
    ioc_alloc_give(alloc, reading->memory[1]);
}

void ioc_listing_free(ioc_listing *listing)
{
    if (listing != NULL) {
        reading__deinit(listing->alloc, &listing->watch);
        reading__deinit(listing->alloc, &listing->list);
        ioc_alloc_give(listing->alloc, listing);
    }
}

int ioc_reading_prepare(ioc_alloc *alloc, ioc_reading *reading)
{
    if (reading->buffer == NULL) {
        reading->buffer = ioc_alloc_take_raw(alloc, IOC_READING_BYTES);
    }
    return reading->buffer != NULL ? IOCP_OK : IOCP_ENOMEM;
}

static void reading__put(ioc_reading *reading, const ioc_records *records, const ioc_entries *old)
{
    reading->entries.memory = reading->memory[reading->turn];
    reading->entries.room = reading->room[reading->turn];
    if (records != NULL) {
        ioc_entries_read(&reading->entries, records, old->kept, old->kept_length, old->kept_file);
    } else {
        ioc_entries_give_up(&reading->entries, old->kept, old->kept_length);
    }
}

/* A half more than was needed, so that a burst that grows does not allocate each time. */
static bool reading__grow(ioc_alloc *alloc, ioc_reading *reading)
{
    size_t room = reading->entries.used + reading->entries.used / 2;
    unsigned char *memory = ioc_alloc_take_raw(alloc, room);
    if (memory == NULL) {
        return false;
    }
    ioc_alloc_give(alloc, reading->memory[reading->turn]);
    reading->memory[reading->turn] = memory;
    reading->room[reading->turn] = room;
    return true;
}

static bool reading__take(ioc_alloc *alloc, ioc_reading *reading, const ioc_records *records)
{
    ioc_entries old = reading->entries;
    reading->turn ^= old.kept != NULL;
    reading__put(reading, records, &old);
    bool fits = reading->entries.used <= reading->entries.room;
    if (!fits && reading__grow(alloc, reading)) {
        reading__put(reading, records, &old);
        fits = true;
    }
    if (!fits) {
        ioc_reading_forget(reading);
    }
    return fits;
}

bool ioc_reading_take(ioc_alloc *alloc, ioc_reading *reading, const ioc_records *records)
{
    return reading__take(alloc, reading, records);
}

bool ioc_reading_give_up(ioc_alloc *alloc, ioc_reading *reading)
{
    return reading__take(alloc, reading, NULL);
}

void ioc_reading_forget(ioc_reading *reading)
{
    reading->entries = (ioc_entries){0};
}
