/*
 * What the system writes of a folder, of any bytes, in memory that ends where it does: entries lie
 * within what they take, whatever offsets and lengths say; with room of any size; a rename that is cut
 * between two buffers is the one that it was in one.
 */
#include "fuzz.h"

#include "record.h"

#include <string.h>

#define FORMS 5

/* A copy that ends where it is said to. */
static unsigned char *bytes__copy(const uint8_t *data, size_t size)
{
    unsigned char *copy = malloc(size);
    FUZZ_EXPECT(copy != NULL);
    memcpy(copy, data, size);
    return copy;
}

static bool entries__own(const ioc_entries *entries, const void *at, size_t size)
{
    const unsigned char *begin = at;
    return begin >= entries->memory && begin + size <= entries->memory + entries->used;
}

static void text__check(const ioc_entries *entries, const char *text, size_t length)
{
    FUZZ_EXPECT(entries__own(entries, text, length + 1));
    FUZZ_EXPECT(text[length] == '\0');
}

static void entry__check(const ioc_entries *entries, const iocp_entry_t *entry, bool is_change)
{
    FUZZ_EXPECT(entries__own(entries, entry, sizeof *entry));
    text__check(entries, entry->name, entry->name_length);
    FUZZ_EXPECT(is_change == (entry->change != IOCP_CHANGE_NONE));
    FUZZ_EXPECT(entry->change <= IOCP_CHANGE_RENAMED && entry->reserved == 0);
    FUZZ_EXPECT((entry->old_name != NULL) == (entry->change == IOCP_CHANGE_RENAMED));
    if (entry->old_name != NULL) {
        text__check(entries, entry->old_name, strlen(entry->old_name));
    }
    if (entry->info != NULL) {
        FUZZ_EXPECT(entries__own(entries, entry->info, sizeof *entry->info));
        FUZZ_EXPECT(entry->info->kind >= IOCP_KIND_FILE && entry->info->kind <= IOCP_KIND_LINK);
    }
}

static void entries__check(const ioc_entries *entries, bool is_change)
{
    const iocp_entry_t *last = NULL;
    for (const iocp_entry_t *entry = entries->first; entry != NULL; entry = entry->next) {
        entry__check(entries, entry, is_change);
        last = entry;
    }
    FUZZ_EXPECT(last == entries->last);
    if (entries->kept != NULL) {
        FUZZ_EXPECT(is_change);
        text__check(entries, entries->kept, entries->kept_length);
    }
}

/* With as much room as they take; to be freed. */
static ioc_entries entries__of(const ioc_records *records, const char *kept, size_t small)
{
    size_t length = kept != NULL ? strlen(kept) : 0;
    ioc_entries entries = {0};
    ioc_entries_read(&entries, records, kept, length, 0);
    size_t used = entries.used;
    entries = (ioc_entries){.room = used > 0 ? small % used : 0};
    entries.memory = malloc(entries.room);
    ioc_entries_read(&entries, records, kept, length, 0); /* writes no further than its room */
    FUZZ_EXPECT(entries.used == used);
    free(entries.memory);
    entries = (ioc_entries){.memory = malloc(used), .room = used};
    FUZZ_EXPECT(entries.memory != NULL);
    ioc_entries_read(&entries, records, kept, length, 0);
    FUZZ_EXPECT(entries.used == used);
    entries__check(&entries, records->form <= IOC_RECORD_DETAILED_CHANGE);
    return entries;
}

/* How many are renames, and how many entries there are if each of these were two. */
static size_t entries__count(const ioc_entries *entries, bool counts_twice)
{
    size_t count = 0;
    for (const iocp_entry_t *entry = entries->first; entry != NULL; entry = entry->next) {
        count += 1 + (counts_twice && entry->change == IOCP_CHANGE_RENAMED);
    }
    return count + (counts_twice && entries->kept != NULL);
}

/* The first record alone, then the others: the same entries. */
static void records__try_cut(const ioc_records *whole, const ioc_entries *expected)
{
    uint32_t next = 0;
    if (whole->size < sizeof next) {
        return;
    }
    memcpy(&next, whole->bytes, sizeof next);
    if (next == 0 || next >= whole->size || expected->is_torn) {
        return;
    }
    unsigned char *first = bytes__copy(whole->bytes, next);
    memset(first, 0, sizeof next);
    ioc_records one = {.bytes = first, .size = next, .form = whole->form};
    ioc_records rest = {
        .bytes = whole->bytes + next, .size = whole->size - next, .form = whole->form};
    ioc_entries before = entries__of(&one, NULL, 1);
    ioc_entries behind = entries__of(&rest, before.kept, 1);
    size_t kept = before.kept != NULL;
    FUZZ_EXPECT(entries__count(&before, true) - kept + entries__count(&behind, true) ==
                entries__count(expected, true));
    free(before.memory);
    free(behind.memory);
    free(first);
}

/* Its form, the room that is too little, how long a name is kept; the name, then the records. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3) {
        return 0;
    }
    size_t length = data[2] % 8u;
    length = length < size - 3 ? length : size - 3;
    char kept[8] = "";
    memcpy(kept, data + 3, length);
    unsigned char *bytes = bytes__copy(data + 3 + length, size - 3 - length);
    ioc_records records = {
        .bytes = bytes, .size = size - 3 - length, .form = (ioc_record_form)(data[0] % FORMS)};
    bool is_change = records.form <= IOC_RECORD_DETAILED_CHANGE;
    ioc_entries entries = entries__of(&records, is_change && length > 0 ? kept : NULL, data[1]);
    ioc_entries fresh = entries__of(&records, NULL, data[1]);
    if (records.form == IOC_RECORD_CHANGE) {
        records__try_cut(&records, &fresh);
    }
    free(fresh.memory);
    free(entries.memory);
    free(bytes);
    return 0;
}
