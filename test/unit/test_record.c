/*
 * What the system writes of a folder, and what is told of it. The records are made here as <winnt.h>
 * describes them.
 */
#include "unit.h"

#include "record.h"

#include <stdlib.h>
#include <string.h>

#define BYTES 4096

enum {
    ADDED = 1,
    REMOVED = 2,
    MODIFIED = 3,
    OLD_NAME = 4,
    NEW_NAME = 5,
    ADDED_STREAM = 6
};

/* A buffer that is being written, and the memory for its entries. */
static struct {
    unsigned char bytes[BYTES];
    size_t size;
    size_t last; /* where the last record begins */
    ioc_entries entries;
    uint64_t memory[BYTES / 8];
} now;

static void put(size_t offset, uint64_t value, size_t bytes)
{
    assert_true(offset + bytes <= BYTES);
    for (size_t i = 0; i < bytes; i++) {
        now.bytes[offset + i] = (unsigned char)(value >> 8 * i);
    }
}

static void begin(void)
{
    memset(&now, 0, sizeof now);
}

/* A record behind the last one, aligned; its name stands at `name`, its length at `length`. */
static size_t add(const char *text, size_t length, size_t name)
{
    size_t at = (now.size + 7) / 8 * 8;
    size_t units = strlen(text);
    if (now.size > 0) {
        put(now.last, at - now.last, 4);
    }
    put(at + length, 2 * units, 4);
    for (size_t i = 0; i < units; i++) {
        put(at + name + 2 * i, (unsigned char)text[i], 2);
    }
    now.last = at;
    now.size = at + name + 2 * units;
    return at;
}

static void add_change(uint32_t action, const char *name)
{
    put(add(name, 8, 12) + 4, action, 4);
}

/* FILE_NOTIFY_EXTENDED_INFORMATION */
static void add_detailed(uint32_t action, const char *name, uint64_t file)
{
    size_t at = add(name, 80, 84);
    put(at + 4, action, 4);
    for (size_t i = 0; i < 4; i++) { /* created, written, changed, accessed */
        put(at + 8 + 8 * i, UINT64_C(116444736000000000) + i + 1, 8);
    }
    put(at + 48, 1234, 8); /* size */
    put(at + 56, 0x20, 4); /* attributes */
    put(at + 60, 99, 4);   /* of no link: the size of extended attributes */
    put(at + 64, file, 8);
}

static ioc_records records_of(ioc_record_form form)
{
    return (ioc_records){.bytes = now.bytes, .size = now.size, .form = form, .volume = 77};
}

/* Into memory that has just the room, after what it takes was found out with none. */
static void read_on(ioc_record_form form, const char *kept, uint64_t file)
{
    ioc_records records = records_of(form);
    size_t length = kept != NULL ? strlen(kept) : 0;
    now.entries = (ioc_entries){.memory = NULL, .room = 0};
    ioc_entries_read(&now.entries, &records, kept, length, file);
    size_t used = now.entries.used;
    assert_true(used <= sizeof now.memory);
    assert_null(now.entries.first);
    memset(now.memory, 0xEE, sizeof now.memory);
    now.entries = (ioc_entries){.memory = (unsigned char *)now.memory, .room = used};
    ioc_entries_read(&now.entries, &records, kept, length, file);
    assert_int_equal(now.entries.used, used);
    assert_true(used == sizeof now.memory || ((unsigned char *)now.memory)[used] == 0xEE);
}

static void read_changes(void)
{
    read_on(IOC_RECORD_CHANGE, NULL, 0);
}

/* The next one, which is so; its name of a rename was `old_name`. */
static const iocp_entry_t *check(const iocp_entry_t *entry, iocp_change_t change, const char *name,
                                 const char *old_name)
{
    assert_non_null(entry);
    assert_int_equal(entry->change, change);
    assert_string_equal(entry->name, name);
    assert_int_equal(entry->name_length, strlen(name));
    assert_int_equal(entry->reserved, 0);
    if (old_name != NULL) {
        assert_non_null(entry->old_name);
        assert_string_equal(entry->old_name, old_name);
    } else {
        assert_null(entry->old_name);
    }
    return entry->next;
}

static void check_kept(const char *name)
{
    if (name == NULL) {
        assert_null(now.entries.kept);
        return;
    }
    assert_non_null(now.entries.kept);
    assert_string_equal(now.entries.kept, name);
    assert_int_equal(now.entries.kept_length, strlen(name));
}

/* ---- Changes ---- */

static void changes_are_told_in_their_order(void **state)
{
    (void)state;
    begin();
    add_change(ADDED, "a");
    add_change(MODIFIED, "sub\\b");
    add_change(REMOVED, "c");
    add_change(ADDED_STREAM, "d");
    read_changes();
    const iocp_entry_t *entry = check(now.entries.first, IOCP_CHANGE_ADDED, "a", NULL);
    entry = check(entry, IOCP_CHANGE_MODIFIED, "sub\\b", NULL);
    entry = check(entry, IOCP_CHANGE_REMOVED, "c", NULL);
    entry = check(entry, IOCP_CHANGE_MODIFIED, "d", NULL);
    assert_null(entry);
    assert_null(now.entries.first->info);
    assert_false(now.entries.is_torn);
    check_kept(NULL);
}

static void a_rename_is_one_entry(void **state)
{
    (void)state;
    begin();
    add_change(OLD_NAME, "a");
    add_change(NEW_NAME, "b");
    add_change(ADDED, "c");
    read_changes();
    const iocp_entry_t *entry = check(now.entries.first, IOCP_CHANGE_RENAMED, "b", "a");
    assert_null(check(entry, IOCP_CHANGE_ADDED, "c", NULL));
}

static void half_a_rename_is_a_name_that_came_or_went(void **state)
{
    (void)state;
    begin();
    add_change(NEW_NAME, "in");
    add_change(OLD_NAME, "out");
    add_change(MODIFIED, "x");
    add_change(OLD_NAME, "first");
    add_change(OLD_NAME, "second");
    add_change(NEW_NAME, "third");
    read_changes();
    const iocp_entry_t *entry = check(now.entries.first, IOCP_CHANGE_ADDED, "in", NULL);
    entry = check(entry, IOCP_CHANGE_REMOVED, "out", NULL);
    entry = check(entry, IOCP_CHANGE_MODIFIED, "x", NULL);
    entry = check(entry, IOCP_CHANGE_REMOVED, "first", NULL);
    assert_null(check(entry, IOCP_CHANGE_RENAMED, "third", "second"));
}

static void half_a_rename_waits_for_the_next_buffer(void **state)
{
    (void)state;
    begin();
    add_change(ADDED, "x");
    add_change(OLD_NAME, "sub\\a");
    read_changes();
    assert_null(check(now.entries.first, IOCP_CHANGE_ADDED, "x", NULL));
    check_kept("sub\\a");
    begin();
    add_change(NEW_NAME, "b");
    read_on(IOC_RECORD_CHANGE, "sub\\a", 0);
    assert_null(check(now.entries.first, IOCP_CHANGE_RENAMED, "b", "sub\\a"));
    check_kept(NULL);
}

static void half_a_rename_whose_other_half_does_not_come_is_removed(void **state)
{
    (void)state;
    begin();
    add_change(ADDED, "x");
    read_on(IOC_RECORD_CHANGE, "a", 0);
    const iocp_entry_t *entry = check(now.entries.first, IOCP_CHANGE_REMOVED, "a", NULL);
    assert_null(check(entry, IOCP_CHANGE_ADDED, "x", NULL));
    now.entries.room = sizeof now.memory;
    ioc_entries_give_up(&now.entries, "a", 1);
    assert_null(check(now.entries.first, IOCP_CHANGE_REMOVED, "a", NULL));
    check_kept(NULL);
}

static void what_was_kept_is_kept_on_by_a_buffer_without_records(void **state)
{
    (void)state;
    begin();
    read_on(IOC_RECORD_CHANGE, "a", 5);
    assert_null(now.entries.first);
    check_kept("a");
    assert_int_equal(now.entries.kept_file, 5);
}

static void halves_of_two_files_make_no_rename(void **state)
{
    (void)state;
    begin();
    add_detailed(OLD_NAME, "a", 1);
    add_detailed(NEW_NAME, "b", 2);
    add_detailed(OLD_NAME, "c", 3);
    add_detailed(NEW_NAME, "d", 3);
    add_detailed(OLD_NAME, "e", 4);
    read_on(IOC_RECORD_DETAILED_CHANGE, NULL, 0);
    const iocp_entry_t *entry = check(now.entries.first, IOCP_CHANGE_REMOVED, "a", NULL);
    entry = check(entry, IOCP_CHANGE_ADDED, "b", NULL);
    assert_null(check(entry, IOCP_CHANGE_RENAMED, "d", "c"));
    assert_int_equal(now.entries.kept_file, 4);
    begin();
    add_detailed(NEW_NAME, "f", 5);
    read_on(IOC_RECORD_DETAILED_CHANGE, "e", 4);
    entry = check(now.entries.first, IOCP_CHANGE_REMOVED, "e", NULL);
    assert_null(check(entry, IOCP_CHANGE_ADDED, "f", NULL));
}

static void a_change_tells_what_is_known_of_the_file(void **state)
{
    (void)state;
    begin();
    add_detailed(ADDED, "a", 11);
    read_on(IOC_RECORD_DETAILED_CHANGE, NULL, 0);
    const iocp_file_info_t *info = now.entries.first->info;
    assert_non_null(info);
    assert_int_equal(info->kind, IOCP_KIND_FILE);
    assert_int_equal(info->attributes, 0x20);
    assert_int_equal(info->reparse_tag, 0);
    assert_int_equal(info->size, 1234);
    assert_int_equal(info->created_ns, 100);
    assert_int_equal(info->written_ns, 200);
    assert_int_equal(info->changed_ns, 300);
    assert_int_equal(info->accessed_ns, 400);
    assert_int_equal(info->file, 11);
    assert_int_equal(info->file_high, 0);
    assert_int_equal(info->volume, 77);
    assert_int_equal(info->links, 0);
}

/* ---- Names ---- */

/* FILE_ID_EXTD_DIR_INFO, FILE_ID_BOTH_DIR_INFO, FILE_FULL_DIR_INFO */
static const struct {
    ioc_record_form form;
    size_t name;
    size_t tag;
    size_t id; /* 0: none */
    size_t id_bytes;
} name_forms[] = {
    {IOC_RECORD_NAME_ID, 88, 68, 72, 16},
    {IOC_RECORD_NAME_HALF_ID, 104, 64, 96, 8},
    {IOC_RECORD_NAME, 68, 64, 0, 0},
};

static void names_are_told_with_what_is_known(void **state)
{
    (void)state;
    for (size_t i = 0; i < IOC_COUNT_OF(name_forms); i++) {
        size_t id = name_forms[i].id;
        begin();
        (void)add(".", 60, name_forms[i].name);
        size_t at = add("link", 60, name_forms[i].name);
        for (size_t k = 0; k < 4; k++) { /* created, accessed, written, changed */
            put(at + 8 + 8 * k, UINT64_C(116444736000000000) + k + 1, 8);
        }
        put(at + 40, 4321, 8);
        put(at + 56, 0x400, 4);
        put(at + name_forms[i].tag, 0xA000000C, 4);
        for (size_t k = 0; k < name_forms[i].id_bytes; k++) {
            put(at + id + k, k + 1, 1);
        }
        (void)add("..", 60, name_forms[i].name);
        (void)add("...", 60, name_forms[i].name);
        read_on(name_forms[i].form, NULL, 0);
        const iocp_entry_t *entry = now.entries.first;
        const iocp_file_info_t *info = entry->info;
        assert_null(
            check(check(entry, IOCP_CHANGE_NONE, "link", NULL), IOCP_CHANGE_NONE, "...", NULL));
        assert_int_equal(info->kind, IOCP_KIND_LINK);
        assert_int_equal(info->reparse_tag, 0xA000000C);
        assert_int_equal(info->size, 4321);
        assert_int_equal(info->created_ns, 100);
        assert_int_equal(info->accessed_ns, 200);
        assert_int_equal(info->written_ns, 300);
        assert_int_equal(info->changed_ns, 400);
        assert_true(info->file == (id != 0 ? UINT64_C(0x0807060504030201) : 0));
        assert_true(info->file_high ==
                    (name_forms[i].id_bytes == 16 ? UINT64_C(0x100F0E0D0C0B0A09) : 0));
        assert_int_equal(info->volume, id != 0 ? 77 : 0);
    }
}

static void a_name_that_is_no_utf16_is_told_as_wtf8(void **state)
{
    (void)state;
    begin();
    add_change(ADDED, "a?z");
    put(now.last + 14, 0xD83D, 2);
    read_changes();
    assert_null(check(now.entries.first, IOCP_CHANGE_ADDED, "a\xed\xa0\xbdz", NULL));
}

/* ---- What lies ---- */

static void what_lies_behind_the_end_is_not_read(void **state)
{
    (void)state;
    static const struct {
        size_t offset; /* in the second record */
        uint32_t value;
    } lies[] = {{0, 1}, {0, 12},         {0, 13},   {0, 4000}, {0, UINT32_MAX},
                {8, 3}, {8, UINT32_MAX}, {8, 4000}, {8, 6},    {0, 0x80000000u}};
    for (size_t i = 0; i < IOC_COUNT_OF(lies); i++) {
        begin();
        add_change(ADDED, "a");
        add_change(ADDED, "b");
        put(now.last + lies[i].offset, lies[i].value, 4);
        unsigned char *tight = malloc(now.size);
        assert_non_null(tight);
        memcpy(tight, now.bytes, now.size);
        ioc_records records = {.bytes = tight, .size = now.size, .form = IOC_RECORD_CHANGE};
        now.entries =
            (ioc_entries){.memory = (unsigned char *)now.memory, .room = sizeof now.memory};
        ioc_entries_read(&now.entries, &records, NULL, 0, 0);
        assert_true(now.entries.is_torn);
        (void)check(now.entries.first, IOCP_CHANGE_ADDED, "a", NULL);
        free(tight);
    }
}

static void a_record_that_is_cut_off_is_torn(void **state)
{
    (void)state;
    for (size_t size = 1; size < 14; size++) {
        begin();
        add_change(ADDED, "a");
        now.size = size;
        read_changes();
        assert_true(now.entries.is_torn);
        assert_null(now.entries.first);
    }
}

/* ---- Times and kinds ---- */

static void times_count_from_1970(void **state)
{
    (void)state;
    assert_true(ioc_record_time(0) == 0);
    assert_true(ioc_record_time(INT64_C(116444736000000000)) == 0);
    assert_true(ioc_record_time(INT64_C(116444736000000001)) == 100);
    assert_true(ioc_record_time(INT64_C(116444735999999999)) == -100);
    assert_true(ioc_record_time(1) == INT64_MIN); /* no 64 bits have that in ns */
    assert_true(ioc_record_time(INT64_MIN) == INT64_MIN);
    assert_true(ioc_record_time(INT64_MAX) == INT64_MAX);
    assert_true(ioc_record_time(INT64_C(116444736000000000) + INT64_MAX / 100) ==
                INT64_MAX / 100 * 100);
}

static void two_tags_are_links(void **state)
{
    (void)state;
    assert_int_equal(ioc_record_kind(0x20, 0), IOCP_KIND_FILE);
    assert_int_equal(ioc_record_kind(0x10, 0), IOCP_KIND_FOLDER);
    assert_int_equal(ioc_record_kind(0x410, 0xA0000003), IOCP_KIND_LINK);
    assert_int_equal(ioc_record_kind(0x420, 0xA000000C), IOCP_KIND_LINK);
    assert_int_equal(ioc_record_kind(0x410, 0x9000001A), IOCP_KIND_FOLDER); /* in the cloud */
    assert_int_equal(ioc_record_kind(0x420, 0x80000013), IOCP_KIND_FILE);   /* stored once */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_are_told_in_their_order),
        cmocka_unit_test(a_rename_is_one_entry),
        cmocka_unit_test(half_a_rename_is_a_name_that_came_or_went),
        cmocka_unit_test(half_a_rename_waits_for_the_next_buffer),
        cmocka_unit_test(half_a_rename_whose_other_half_does_not_come_is_removed),
        cmocka_unit_test(what_was_kept_is_kept_on_by_a_buffer_without_records),
        cmocka_unit_test(halves_of_two_files_make_no_rename),
        cmocka_unit_test(a_change_tells_what_is_known_of_the_file),
        cmocka_unit_test(names_are_told_with_what_is_known),
        cmocka_unit_test(a_name_that_is_no_utf16_is_told_as_wtf8),
        cmocka_unit_test(what_lies_behind_the_end_is_not_read),
        cmocka_unit_test(a_record_that_is_cut_off_is_torn),
        cmocka_unit_test(times_count_from_1970),
        cmocka_unit_test(two_tags_are_links),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
