#include "record.h"

#include "text/utf8.h"

#include <string.h>

/* ---- How records are laid out ---- */

#define RECORD_NONE UINT8_MAX /* it has no such member */

/* Where each member begins. That of the next record is at the beginning of all of them. */
typedef struct record_layout {
    uint8_t action;
    uint8_t created;
    uint8_t written;
    uint8_t changed;
    uint8_t accessed;
    uint8_t size;
    uint8_t attributes;
    uint8_t tag; /* where the size of extended attributes stands that a link cannot have */
    uint8_t id;
    uint8_t id_bytes;
    uint8_t length; /* of the name, in bytes */
    uint8_t name;
} record_layout;

static const record_layout record_layouts[] = {
    [IOC_RECORD_CHANGE] = {4, RECORD_NONE, RECORD_NONE, RECORD_NONE, RECORD_NONE, RECORD_NONE,
                           RECORD_NONE, RECORD_NONE, RECORD_NONE, 0, 8, 12},
    [IOC_RECORD_DETAILED_CHANGE] = {4, 8, 16, 24, 32, 48, 56, 60, 64, 8, 80, 84},
    [IOC_RECORD_NAME_ID] = {RECORD_NONE, 8, 24, 32, 16, 40, 56, 68, 72, 16, 60, 88},
    [IOC_RECORD_NAME_HALF_ID] = {RECORD_NONE, 8, 24, 32, 16, 40, 56, 64, 96, 8, 60, 104},
    [IOC_RECORD_NAME] = {RECORD_NONE, 8, 24, 32, 16, 40, 56, 64, RECORD_NONE, 0, 60, 68},
};

/* FILE_ACTION_ of <winnt.h>. What is not here (streams) changes a name, too. */
enum {
    RECORD_ADDED = 1,
    RECORD_REMOVED = 2,
    RECORD_OLD_NAME = 4,
    RECORD_NEW_NAME = 5
};

#define RECORD_FOLDER   0x10u  /* FILE_ATTRIBUTE_DIRECTORY */
#define RECORD_REPARSE  0x400u /* FILE_ATTRIBUTE_REPARSE_POINT */
#define RECORD_SYMLINK  0xA000000Cu
#define RECORD_JUNCTION 0xA0000003u

/* One record, which lies within its buffer as far as its name ends. */
typedef struct record {
    const unsigned char *at;
    const record_layout *layout;
    size_t name_units;
} record;

static uint32_t record__u32(const record *self, size_t offset)
{
    uint32_t value;
    memcpy(&value, self->at + offset, sizeof value);
    return value;
}

static uint64_t record__u64(const record *self, size_t offset)
{
    uint64_t value;
    memcpy(&value, self->at + offset, sizeof value);
    return value;
}

static const void *record__name(const record *self)
{
    return self->at + self->layout->name;
}

/* False: it does not lie where it says. */
static bool record__find(record *self, const ioc_records *records, size_t offset)
{
    size_t left = records->size - offset;
    self->layout = &record_layouts[records->form];
    self->at = records->bytes + offset;
    if (left < self->layout->name) {
        return false;
    }
    uint32_t bytes = record__u32(self, self->layout->length);
    self->name_units = bytes / 2;
    return bytes % 2 == 0 && bytes <= left - self->layout->name;
}

/* The offset of the next one, the same if there is none, or past the end if it does not lie there. */
static size_t record__next(const record *self, const ioc_records *records, size_t offset)
{
    uint32_t next = record__u32(self, 0);
    size_t least = self->layout->name + 2 * self->name_units;
    if (next == 0) {
        return offset;
    }
    return next >= least && next < records->size - offset ? offset + next : records->size;
}

static uint64_t record__file(const record *self)
{
    return self->layout->id != RECORD_NONE ? record__u64(self, self->layout->id) : 0;
}

/* ---- Memory ---- */

/* NULL: there is no room, and it is counted all the same. */
static void *entries__take(ioc_entries *self, size_t size)
{
    size_t at = (self->used + 7) / 8 * 8;
    self->used = at + size;
    return self->used <= self->room ? self->memory + at : NULL;
}

static const char *entries__copy(ioc_entries *self, const char *text, size_t length)
{
    char *copy = entries__take(self, length + 1);
    if (copy != NULL) {
        memcpy(copy, text, length);
        copy[length] = '\0';
    }
    return copy;
}

static const char *entries__name(ioc_entries *self, const record *one, size_t *length)
{
    *length = ioc_utf16_to_wtf8(record__name(one), one->name_units, NULL, 0);
    char *name = entries__take(self, *length + 1);
    if (name != NULL) {
        (void)ioc_utf16_to_wtf8(record__name(one), one->name_units, name, *length);
        name[*length] = '\0';
    }
    return name;
}

/* ---- What is known of a file ---- */

#define RECORD_EPOCH INT64_C(116444736000000000) /* 1970 */

int64_t ioc_record_time(int64_t time)
{
    const int64_t most = INT64_MAX / 100;
    if (time == 0) {
        return 0;
    }
    int64_t since = time < INT64_MIN + RECORD_EPOCH ? INT64_MIN : time - RECORD_EPOCH;
    return since > most ? INT64_MAX : since < -most ? INT64_MIN : since * 100;
}

/*
 * Of the many tags two are links for everybody. One that the system follows by itself (a file in the
 * cloud, one that is stored once for many) is told as what it leads to, by whoever asks with a handle
 * that followed it; in a list it is what it looks like.
 */
iocp_file_kind_t ioc_record_kind(uint32_t attributes, uint32_t reparse_tag)
{
    bool is_link = reparse_tag == RECORD_SYMLINK || reparse_tag == RECORD_JUNCTION;
    return is_link                             ? IOCP_KIND_LINK
           : (attributes & RECORD_FOLDER) != 0 ? IOCP_KIND_FOLDER
                                               : IOCP_KIND_FILE;
}

static int64_t record__time(const record *self, uint8_t offset)
{
    return ioc_record_time((int64_t)record__u64(self, offset));
}

static void record__fill(const record *self, uint64_t volume, iocp_file_info_t *info)
{
    const record_layout *layout = self->layout;
    uint32_t attributes = record__u32(self, layout->attributes);
    bool is_reparse = (attributes & RECORD_REPARSE) != 0;
    *info = (iocp_file_info_t){
        .attributes = attributes,
        .reparse_tag = is_reparse ? record__u32(self, layout->tag) : 0,
        .size = (attributes & RECORD_FOLDER) != 0 ? 0 : record__u64(self, layout->size),
        .created_ns = record__time(self, layout->created),
        .written_ns = record__time(self, layout->written),
        .changed_ns = record__time(self, layout->changed),
        .accessed_ns = record__time(self, layout->accessed),
        .file = record__file(self),
        .file_high = layout->id_bytes == 16 ? record__u64(self, layout->id + 8u) : 0,
    };
    info->kind = ioc_record_kind(attributes, info->reparse_tag);
    info->volume = info->file != 0 || info->file_high != 0 ? volume : 0;
}

static const iocp_file_info_t *entries__info(ioc_entries *self, const record *one, uint64_t volume)
{
    if (one->layout->attributes == RECORD_NONE) {
        return NULL;
    }
    iocp_file_info_t *info = entries__take(self, sizeof *info);
    if (info != NULL) {
        record__fill(one, volume, info);
    }
    return info;
}

/* ---- Entries ---- */

/* Without room it is nowhere, and is only counted. */
static void entries__add(ioc_entries *self, const iocp_entry_t *entry)
{
    iocp_entry_t *added = entries__take(self, sizeof *added);
    if (added == NULL) {
        return;
    }
    *added = *entry;
    if (self->last != NULL) {
        self->last->next = added;
    } else {
        self->first = added;
    }
    self->last = added;
}

static void entries__add_record(ioc_entries *self, const record *one, const ioc_records *records,
                                iocp_change_t change, const char *old_name)
{
    iocp_entry_t entry = {.change = change, .old_name = old_name};
    entry.name = entries__name(self, one, &entry.name_length);
    entry.info = entries__info(self, one, records->volume);
    entries__add(self, &entry);
}

void ioc_entries_give_up(ioc_entries *self, const char *kept, size_t length)
{
    *self = (ioc_entries){.memory = self->memory, .room = self->room};
    iocp_entry_t entry = {.change = IOCP_CHANGE_REMOVED, .name_length = length};
    entry.name = entries__copy(self, kept, length);
    entries__add(self, &entry);
}

/* ---- Names in a folder ---- */

static bool record__is_dots(const record *self)
{
    static const unsigned char dots[] = {'.', 0, '.', 0};
    size_t units = self->name_units;
    return (units == 1 || units == 2) && memcmp(record__name(self), dots, 2 * units) == 0;
}

/* ---- Changes ---- */

/* The old name that was read last, and what it is if it came in an earlier buffer. */
typedef struct half {
    bool is_there;
    record one; /* `at` NULL: of an earlier one */
    const char *kept;
    size_t length;
    uint64_t file;
} half;

static const char *half__name(const half *self, ioc_entries *entries)
{
    size_t length;
    return self->one.at != NULL ? entries__name(entries, &self->one, &length)
                                : entries__copy(entries, self->kept, self->length);
}

/* It had no other half. */
static void half__tell(half *self, ioc_entries *entries, const ioc_records *records)
{
    if (!self->is_there) {
        return;
    }
    self->is_there = false;
    if (self->one.at != NULL) {
        entries__add_record(entries, &self->one, records, IOCP_CHANGE_REMOVED, NULL);
        return;
    }
    iocp_entry_t entry = {.change = IOCP_CHANGE_REMOVED, .name_length = self->length};
    entry.name = entries__copy(entries, self->kept, self->length);
    entries__add(entries, &entry);
}

static void half__begin(half *self, const record *one)
{
    *self = (half){.is_there = true, .one = *one, .file = record__file(one)};
}

static void half__join(half *self, ioc_entries *entries, const ioc_records *records,
                       const record *one)
{
    uint64_t file = record__file(one);
    if (self->is_there && self->file != 0 && file != 0 && self->file != file) {
        half__tell(self, entries, records);
    }
    const char *old_name = self->is_there ? half__name(self, entries) : NULL;
    iocp_change_t change = self->is_there ? IOCP_CHANGE_RENAMED : IOCP_CHANGE_ADDED;
    self->is_there = false;
    entries__add_record(entries, one, records, change, old_name);
}

/* What the end of the buffer leaves. */
static void half__keep(const half *self, ioc_entries *entries)
{
    if (!self->is_there) {
        return;
    }
    entries->kept_length = self->length;
    entries->kept = self->one.at != NULL ? entries__name(entries, &self->one, &entries->kept_length)
                                         : entries__copy(entries, self->kept, self->length);
    entries->kept_file = self->file;
}

static void entries__take_change(ioc_entries *self, const ioc_records *records, const record *one,
                                 half *old)
{
    uint32_t action = record__u32(one, one->layout->action);
    if (action == RECORD_NEW_NAME) {
        half__join(old, self, records, one);
        return;
    }
    half__tell(old, self, records);
    if (action == RECORD_OLD_NAME) {
        half__begin(old, one);
        return;
    }
    iocp_change_t change = action == RECORD_ADDED     ? IOCP_CHANGE_ADDED
                           : action == RECORD_REMOVED ? IOCP_CHANGE_REMOVED
                                                      : IOCP_CHANGE_MODIFIED;
    entries__add_record(self, one, records, change, NULL);
}

static void entries__take_record(ioc_entries *self, const ioc_records *records, const record *one,
                                 half *old)
{
    if (one->layout->action != RECORD_NONE) {
        entries__take_change(self, records, one, old);
    } else if (!record__is_dots(one)) {
        entries__add_record(self, one, records, IOCP_CHANGE_NONE, NULL);
    }
}

void ioc_entries_read(ioc_entries *self, const ioc_records *records, const char *kept,
                      size_t length, uint64_t kept_file)
{
    *self = (ioc_entries){.memory = self->memory, .room = self->room};
    half old = {.is_there = kept != NULL, .kept = kept, .length = length, .file = kept_file};
    record one;
    size_t offset = 0;
    for (bool is_last = records->size == 0; !is_last;) {
        if (!record__find(&one, records, offset)) {
            self->is_torn = true;
            break;
        }
        entries__take_record(self, records, &one, &old);
        size_t next = record__next(&one, records, offset);
        self->is_torn = next == records->size;
        is_last = next == offset || self->is_torn;
        offset = next;
    }
    half__keep(&old, self);
}
