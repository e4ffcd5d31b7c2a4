/* Files: opening, reading and writing at an offset and at the position, appending, sizes, adopting. */
#include "contract_file.h"

#include <stdlib.h>
#include <string.h>

#define READ_WRITE (IOCP_FILE_READ | IOCP_FILE_WRITE)
#define FRESH      (READ_WRITE | IOCP_FILE_CREATE | IOCP_FILE_EXCLUSIVE)
#define GIB        UINT64_C(1073741824)

static void assert_ended(const contract_record *record, int status)
{
    assert_int_equal(record->calls, 1);
    assert_string_equal(iocp_error_name(record->status), iocp_error_name(status));
}

static void assert_transferred(const contract_record *record, uint64_t bytes)
{
    assert_ended(record, IOCP_OK);
    assert_int_equal(record->result.native_error, 0);
    assert_int_equal(record->result.bytes, bytes);
}

static void run_until_done(iocp_loop_t *loop)
{
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
}

static iocp_op_t start_read(iocp_loop_t *loop, iocp_handle_t handle, void *data, size_t size,
                            contract_record *record)
{
    iocp_op_t op = {0};
    assert_int_equal(iocp_read(loop, handle, data, size, contract_keep, record, &op), IOCP_OK);
    return op;
}

static iocp_op_t start_write(iocp_loop_t *loop, iocp_handle_t handle, const void *data, size_t size,
                             contract_record *record)
{
    iocp_op_t op = {0};
    assert_int_equal(iocp_write(loop, handle, data, size, contract_keep, record, &op), IOCP_OK);
    return op;
}

static iocp_op_t start_pread(iocp_loop_t *loop, iocp_handle_t handle, void *data, size_t size,
                             uint64_t offset, contract_record *record)
{
    iocp_op_t op = {0};
    assert_int_equal(iocp_pread(loop, handle, data, size, offset, contract_keep, record, &op),
                     IOCP_OK);
    return op;
}

static iocp_op_t start_pwrite(iocp_loop_t *loop, iocp_handle_t handle, const void *data,
                              size_t size, uint64_t offset, contract_record *record)
{
    iocp_op_t op = {0};
    assert_int_equal(iocp_pwrite(loop, handle, data, size, offset, contract_keep, record, &op),
                     IOCP_OK);
    return op;
}

/* ---- Opening ---- */

static void what_is_not_there_is_not_found(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    assert_int_equal(contract_file_try_open(loop, "none", IOCP_FILE_READ), IOCP_ENOTFOUND);
    assert_int_equal(contract_file_try_open(loop, "none", IOCP_FILE_WRITE | IOCP_FILE_TRUNCATE),
                     IOCP_ENOTFOUND);
    assert_true(iocp_loop_native_error(loop) != 0);
    assert_int_equal(contract_file_try_open(loop, "no/folder", IOCP_FILE_WRITE | IOCP_FILE_CREATE),
                     IOCP_ENOTFOUND);
    assert_int_equal(contract_stats(loop).handles, 0);
}

static void create_makes_a_file_that_is_not_there_and_leaves_one_that_is(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    const uint32_t create = IOCP_FILE_WRITE | IOCP_FILE_CREATE;
    iocp_handle_t handle = contract_file_open(loop, "file", create);
    contract_file_put(loop, handle, 0, "hello", 5);
    contract_file_close(loop, handle);
    contract_file_close(loop, contract_file_open(loop, "file", create));
    contract_file_assert(loop, "file", "hello", 5);
}

static void exclusive_refuses_a_file_that_is_there(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    const uint32_t exclusive = IOCP_FILE_WRITE | IOCP_FILE_CREATE | IOCP_FILE_EXCLUSIVE;
    contract_file_close(loop, contract_file_open(loop, "file", exclusive));
    assert_int_equal(contract_file_try_open(loop, "file", exclusive), IOCP_EEXIST);
    assert_int_equal(contract_file_try_open(loop, "file", exclusive | IOCP_FILE_TRUNCATE),
                     IOCP_EEXIST);
}

static void truncate_empties_a_file(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static const uint32_t ways[] = {IOCP_FILE_WRITE | IOCP_FILE_TRUNCATE,
                                    IOCP_FILE_WRITE | IOCP_FILE_TRUNCATE | IOCP_FILE_CREATE};
    for (int i = 0; i < 2; i++) {
        iocp_handle_t handle = contract_file_open(loop, "file", READ_WRITE | IOCP_FILE_CREATE);
        contract_file_put(loop, handle, 0, "hello", 5);
        contract_file_close(loop, handle);
        contract_file_close(loop, contract_file_open(loop, "file", ways[i]));
        contract_file_assert(loop, "file", "", 0);
    }
    contract_file_close(loop, contract_file_open(loop, "new", ways[1]));
    contract_file_assert(loop, "new", "", 0);
}

static void flags_that_contradict_each_other_are_refused(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static const uint32_t bad[] = {
        0,
        IOCP_FILE_CREATE,
        IOCP_FILE_SEQUENTIAL,
        IOCP_FILE_WRITE | IOCP_FILE_APPEND,
        IOCP_FILE_READ | IOCP_FILE_TRUNCATE,
        IOCP_FILE_APPEND | IOCP_FILE_TRUNCATE,
        IOCP_FILE_WRITE | IOCP_FILE_EXCLUSIVE,
        IOCP_FILE_APPEND | IOCP_FILE_NO_BUFFERING,
        IOCP_FILE_FOLDER,
        IOCP_FILE_FOLDER | IOCP_FILE_WRITE,
        IOCP_FILE_FOLDER | IOCP_FILE_READ | IOCP_FILE_CREATE,
        IOCP_FILE_FOLDER | IOCP_FILE_READ | IOCP_FILE_SEQUENTIAL,
        IOCP_FILE_DENY_READ,
        IOCP_FILE_READ | IOCP_FILE_DENY_DELETE << 1,
        IOCP_FILE_READ | UINT32_C(0x80000000),
    };
    contract_file_close(loop, contract_file_open(loop, "file", FRESH));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(contract_file_try_open(loop, "file", bad[i]), IOCP_EINVAL);
    }
}

static void arguments_of_open_are_checked(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_handle_t handle = {0};
    contract_path path = contract_path_of("file");
    assert_int_equal(iocp_file_open(NULL, path.text, FRESH, &handle), IOCP_EINVAL);
    assert_int_equal(iocp_file_open(loop, NULL, FRESH, &handle), IOCP_EINVAL);
    assert_int_equal(iocp_file_open(loop, "", FRESH, &handle), IOCP_EINVAL);
    assert_int_equal(iocp_file_open(loop, path.text, FRESH, NULL), IOCP_EINVAL);
    assert_true(handle.id == 0);
    assert_int_equal(contract_file_try_open(loop, "file", IOCP_FILE_READ), IOCP_ENOTFOUND);
}

static void a_folder_is_no_file(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_folder_create("folder");
    assert_int_equal(contract_file_try_open(loop, "folder", IOCP_FILE_READ), IOCP_EISFOLDER);
    assert_int_equal(contract_file_try_open(loop, "folder", IOCP_FILE_WRITE | IOCP_FILE_CREATE),
                     IOCP_EISFOLDER);
}

static void what_is_not_wtf8_or_not_a_name_is_refused(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static const char *const bad[] = {
        "\xff",     "a\x80",
        "\xc3",     "\xe2\x82",
        "\xc0\xaf", "\xf8\x88\x80\x80\x80",
        "what?",    "star*",
        "a<b",      "\xed\xa0\xbd\xed\xb8\x80", /* a pair in its halves */
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(contract_file_try_open(loop, bad[i], IOCP_FILE_WRITE | IOCP_FILE_CREATE),
                         IOCP_EINVAL);
    }
}

/* Not every file system takes such a name; where one does, it has one form. */
static void a_name_that_is_no_utf16_leads_to_one_file(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static const char *const names[] = {"a\xed\xa0\xbdz", "a\xed\xb8\x80z",
                                        "\xed\xb8\x80\xed\xa0\xbd"};
    uint32_t fresh = IOCP_FILE_WRITE | IOCP_FILE_CREATE | IOCP_FILE_EXCLUSIVE;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        int status = contract_file_try_open(loop, names[i], fresh);
        if (status == IOCP_ENOTFOUND) {
            print_message("no file here is called so\n"); /* Wine's are those of Unix */
            skip();
        }
        assert_int_equal(status, IOCP_OK);
        assert_int_equal(contract_file_try_open(loop, names[i], fresh), IOCP_EEXIST);
        contract_file_close(loop, contract_file_open(loop, names[i], IOCP_FILE_READ));
    }
}

/* Grass, two, four: names of all lengths that a character of UTF-8 has. */
#define LONG_NAME "gr\xc3\xa4ser-\xe4\xba\x8c-\xf0\x9f\x8c\xb1-" /* 18 bytes, 14 of UTF-16 */

static void long_paths_and_names_beyond_ascii_work(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    char name[2048] = "";
    for (int depth = 0; depth < 8; depth++) {
        for (int i = 0; i < 8; i++) {
            strcat(name, LONG_NAME);
        }
        contract_folder_create(name);
        strcat(name, "/");
        size_t length = strlen(name);
        strcat(name, LONG_NAME);
        iocp_handle_t handle = contract_file_with(loop, name, name, length);
        contract_file_close(loop, handle);
        char data[2048];
        handle = contract_file_open(loop, name, IOCP_FILE_READ);
        assert_int_equal(contract_file_get(loop, handle, 0, data, sizeof data), length);
        assert_memory_equal(data, name, length);
        contract_file_close(loop, handle);
        name[length] = '\0';
    }
    assert_true(strlen(name) > 1000);
}

static void a_path_that_no_file_system_takes_is_too_long(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static const size_t size = 40000;
    iocp_handle_t handle = {0};
    contract_path folder = contract_path_of("");
    char *path = malloc(size + 1);
    assert_non_null(path);
    memset(path, 'a', size);
    memcpy(path, folder.text, strlen(folder.text));
    for (size_t i = strlen(folder.text); i < size; i += 100) {
        path[i] = '/';
    }
    path[size] = '\0';
    int status = iocp_file_open(loop, path, IOCP_FILE_READ, &handle);
    free(path);
    assert_int_equal(status, IOCP_ENAMETOOLONG);
}

static void a_file_that_somebody_does_not_share_is_busy(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    void *native =
        contract_native_file("file", READ_WRITE | IOCP_FILE_CREATE, CONTRACT_NATIVE_UNSHARED);
    assert_int_equal(contract_file_try_open(loop, "file", IOCP_FILE_READ), IOCP_EBUSY);
    contract_native_close(native);
    contract_file_close(loop, contract_file_open(loop, "file", IOCP_FILE_READ));
}

static void a_file_is_shared_with_everybody(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    char data[8] = {0};
    iocp_handle_t first = contract_file_with(loop, "file", "hello", 5);
    iocp_handle_t second = contract_file_open(loop, "file", READ_WRITE);
    assert_true(first.id != second.id);
    contract_file_put(loop, second, 0, "j", 1);
    assert_int_equal(contract_file_get(loop, first, 0, data, sizeof data), 5);
    assert_memory_equal(data, "jello", 5);
}

/* ---- At an offset ---- */

static void what_is_written_at_an_offset_is_read_there(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record written = {0};
    contract_record read = {0};
    char data[4] = {0};
    iocp_handle_t handle = contract_file_with(loop, "file", "0123456789", 10);
    start_pwrite(loop, handle, "abc", 3, 4, &written);
    run_until_done(loop);
    assert_transferred(&written, 3);
    assert_int_equal(written.result.type, IOCP_TYPE_PWRITE);
    assert_true(written.result.handle.id == handle.id);
    start_pread(loop, handle, data, 4, 5, &read);
    run_until_done(loop);
    assert_transferred(&read, 4);
    assert_int_equal(read.result.type, IOCP_TYPE_PREAD);
    assert_memory_equal(data, "bc78", 4);
    contract_file_assert(loop, "file", "0123abc789", 10);
}

static void offsets_of_4_gib_and_more_are_right(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    static const uint64_t offsets[] = {4 * GIB - 1, 4 * GIB, 4 * GIB + 1, 6 * GIB + 5};
    char data[2] = {0};
    iocp_handle_t handle = contract_file_with(loop, "file", "low", 3);
    contract_file_make_sparse(loop, handle);
    for (int i = 0; i < 4; i++) {
        const char byte = (char)('a' + i);
        contract_file_put(loop, handle, offsets[i], &byte, 1);
        assert_int_equal(contract_file_size(loop, handle), offsets[i] + 1);
    }
    assert_int_equal(contract_file_get(loop, handle, 4 * GIB - 1, data, 2), 2);
    assert_memory_equal(data, "ab", 2);
    assert_int_equal(contract_file_get(loop, handle, 4 * GIB, data, 2), 2);
    assert_memory_equal(data, "bc", 2);
    assert_int_equal(contract_file_get(loop, handle, 6 * GIB + 5, data, 2), 1);
    assert_int_equal(data[0], 'd');
    assert_int_equal(contract_file_get(loop, handle, 0, data, 2), 2);
    assert_memory_equal(data, "lo", 2);
    assert_int_equal(iocp_file_set_position(loop, handle, 4 * GIB - 1), IOCP_OK);
    contract_record read = {0};
    start_read(loop, handle, data, 2, &read);
    run_until_done(loop);
    assert_transferred(&read, 2);
    assert_memory_equal(data, "ab", 2);
    assert_int_equal(contract_file_position(loop, handle), 4 * GIB + 1);
}

static void offsets_end_below_2_to_the_63(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record never = {0};
    contract_record read = {0};
    char data[2];
    const uint64_t most = INT64_MAX;
    iocp_handle_t handle = contract_file_with(loop, "file", "x", 1);
    static const uint64_t bad[] = {(uint64_t)INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX - 1,
                                   UINT64_MAX};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(iocp_pread(loop, handle, data, 1, bad[i], contract_keep, &never, NULL),
                         IOCP_EINVAL);
        assert_int_equal(iocp_pwrite(loop, handle, data, 1, bad[i], contract_keep, &never, NULL),
                         IOCP_EINVAL);
    }
    start_pread(loop, handle, data, 1, most - 1, &read);
    run_until_done(loop);
    assert_ended(&read, IOCP_EOF);
    assert_int_equal(never.calls, 0);
}

#define MANY       200
#define MANY_BYTES 1000

typedef struct many_transfers {
    contract_record records[MANY];
    unsigned char data[MANY][MANY_BYTES];
} many_transfers;

static void many_are_in_flight_at_once_and_do_not_mix(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    many_transfers *many = calloc(1, sizeof *many);
    assert_non_null(many);
    iocp_handle_t handle = contract_file_open(loop, "file", FRESH);
    for (int i = 0; i < MANY; i++) {
        memset(many->data[i], i + 1, MANY_BYTES);
        start_pwrite(loop, handle, many->data[i], MANY_BYTES, (uint64_t)i * MANY_BYTES,
                     &many->records[i]);
    }
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    assert_int_equal(contract_stats(loop).operations, MANY);
    run_until_done(loop);
    for (int i = 0; i < MANY; i++) {
        assert_transferred(&many->records[i], MANY_BYTES);
    }
    assert_int_equal(contract_file_size(loop, handle), MANY * MANY_BYTES);
    memset(many, 0, sizeof *many);
    for (int i = 0; i < MANY; i++) {
        start_pread(loop, handle, many->data[i], MANY_BYTES, (uint64_t)i * MANY_BYTES,
                    &many->records[i]);
    }
    run_until_done(loop);
    for (int i = 0; i < MANY; i++) {
        assert_transferred(&many->records[i], MANY_BYTES);
        for (int k = 0; k < MANY_BYTES; k++) {
            assert_int_equal(many->data[i][k], i + 1);
        }
    }
    free(many);
}

static void a_read_gets_less_where_the_file_ends_and_the_end_behind_it(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[3] = {{0}};
    char data[16] = {0};
    iocp_handle_t handle = contract_file_with(loop, "file", "hello", 5);
    start_pread(loop, handle, data, sizeof data, 2, &records[0]);
    run_until_done(loop);
    assert_transferred(&records[0], 3);
    assert_memory_equal(data, "llo\0", 4);
    start_pread(loop, handle, data, sizeof data, 5, &records[1]);
    start_pread(loop, handle, data, sizeof data, 1000, &records[2]);
    run_until_done(loop);
    for (int i = 1; i <= 2; i++) {
        assert_ended(&records[i], IOCP_EOF);
        assert_int_equal(records[i].result.bytes, 0);
    }
    assert_memory_equal(data, "llo\0", 4);
}

static void transfers_of_no_bytes_succeed_and_change_nothing(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[6] = {{0}};
    char data[1];
    iocp_handle_t handle = contract_file_with(loop, "file", "hello", 5);
    start_pread(loop, handle, NULL, 0, 1, &records[0]);
    start_pread(loop, handle, data, 0, 5, &records[1]);
    start_pread(loop, handle, data, 0, 100, &records[2]);
    start_pwrite(loop, handle, NULL, 0, 100, &records[3]);
    start_read(loop, handle, NULL, 0, &records[4]);
    start_write(loop, handle, NULL, 0, &records[5]);
    run_until_done(loop);
    for (int i = 0; i < 6; i++) {
        assert_transferred(&records[i], 0);
    }
    assert_int_equal(contract_file_position(loop, handle), 0);
    contract_file_assert(loop, "file", "hello", 5);
}

static void what_was_skipped_by_a_write_is_zero(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_handle_t handle = contract_file_with(loop, "file", "ab", 2);
    contract_file_put(loop, handle, 6, "cd", 2);
    contract_file_assert(loop, "file", "ab\0\0\0\0cd", 8);
}

static void access_that_was_not_asked_for_is_denied(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[6] = {{0}};
    char data[4] = "....";
    contract_file_close(loop, contract_file_with(loop, "file", "hello", 5));
    iocp_handle_t reader = contract_file_open(loop, "file", IOCP_FILE_READ);
    iocp_handle_t writer = contract_file_open(loop, "file", IOCP_FILE_WRITE);
    iocp_handle_t appender = contract_file_open(loop, "file", IOCP_FILE_APPEND);
    start_pwrite(loop, reader, "x", 1, 0, &records[0]);
    start_write(loop, reader, "x", 1, &records[1]);
    start_pread(loop, writer, data, 4, 0, &records[2]);
    start_read(loop, writer, data, 4, &records[3]);
    start_read(loop, appender, data, 4, &records[4]);
    assert_int_equal(iocp_file_flush(loop, reader, contract_keep, &records[5], NULL), IOCP_OK);
    run_until_done(loop);
    for (int i = 0; i < 6; i++) {
        assert_ended(&records[i], IOCP_EACCES);
        assert_true(records[i].result.native_error != 0);
        assert_int_equal(records[i].result.bytes, 0);
    }
    assert_memory_equal(data, "....", 4);
    /* Wine's answer is the C library's. */
    assert_int_equal(iocp_file_set_size(loop, reader, 1),
                     contract_is_wine() ? IOCP_EINVAL : IOCP_EACCES);
    contract_file_assert(loop, "file", "hello", 5);
}

static void a_rearmed_write_writes_the_same_place_again(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record written = {.rearms = 1};
    contract_record read = {.rearms = 2};
    char byte = 'a';
    char seen = 0;
    iocp_handle_t handle = contract_file_with(loop, "file", "....", 4);
    start_pwrite(loop, handle, &byte, 1, 2, &written);
    contract_wait(loop, &written, 1);
    byte = 'b';
    contract_wait(loop, &written, 2);
    contract_file_assert(loop, "file", "..b.", 4);
    start_pread(loop, handle, &seen, 1, 2, &read);
    run_until_done(loop);
    assert_int_equal(read.calls, 3);
    assert_int_equal(read.total_bytes, 3);
    assert_int_equal(seen, 'b');
}

static void the_result_says_whether_there_was_a_packet(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {.rearms = 20};
    char data[4];
    iocp_handle_t handle = contract_file_with(loop, "file", "hello", 5);
    iocp_stats_t before = contract_stats(loop);
    start_pread(loop, handle, data, 4, 0, &record);
    for (int i = 1; i <= 21; i++) {
        contract_wait(loop, &record, i);
        iocp_stats_t after = contract_stats(loop);
        bool is_inline = (record.result.flags & IOCP_RESULT_INLINE) != 0;
        assert_int_equal(after.inline_results - before.inline_results, is_inline);
        assert_int_equal(after.packets - before.packets, !is_inline);
        assert_true(contract_may_be_inline() || !is_inline);
        before = after;
    }
}

static void unbuffered_transfers_work_in_whole_sectors(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[3] = {{0}};
    unsigned char *memory = calloc(3, 4096); /* the largest sector that is common */
    assert_non_null(memory);
    unsigned char *data = memory + (4096 - (uintptr_t)memory % 4096);
    iocp_handle_t handle = contract_file_open(loop, "file", FRESH | IOCP_FILE_NO_BUFFERING);
    memset(data, 'x', 4096);
    start_pwrite(loop, handle, data, 4096, 4096, &records[0]);
    run_until_done(loop);
    assert_transferred(&records[0], 4096);
    start_pread(loop, handle, data, 8192 - 4096, 0, &records[1]);
    run_until_done(loop);
    assert_transferred(&records[1], 4096);
    assert_int_equal(data[0], 0);
    start_pread(loop, handle, data, 4096, 4096, &records[2]);
    run_until_done(loop);
    assert_transferred(&records[2], 4096);
    assert_int_equal(data[0], 'x');
    free(memory);
}

static void unbuffered_transfers_of_part_of_a_sector_are_refused(void **state)
{
    if (contract_is_wine()) {
        skip(); /* there every file is buffered */
    }
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[3] = {{0}};
    unsigned char *memory = calloc(3, 4096);
    assert_non_null(memory);
    unsigned char *data = memory + (4096 - (uintptr_t)memory % 4096);
    iocp_handle_t handle = contract_file_open(loop, "file", FRESH | IOCP_FILE_NO_BUFFERING);
    start_pwrite(loop, handle, data, 4096, 0, &records[0]);
    run_until_done(loop);
    start_pread(loop, handle, data, 100, 0, &records[1]);
    start_pread(loop, handle, data, 4096, 100, &records[2]);
    run_until_done(loop);
    assert_transferred(&records[0], 4096);
    assert_ended(&records[1], IOCP_EINVAL);
    assert_ended(&records[2], IOCP_EINVAL);
    free(memory);
}

/* ---- At the position ---- */

static void reads_and_writes_go_on_where_the_last_one_ended(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[4] = {{0}};
    char data[8] = {0};
    iocp_handle_t handle = contract_file_with(loop, "file", "0123456789", 10);
    assert_int_equal(contract_file_position(loop, handle), 0);
    start_read(loop, handle, data, 3, &records[0]);
    run_until_done(loop);
    assert_memory_equal(data, "012", 3);
    assert_int_equal(contract_file_position(loop, handle), 3);
    start_write(loop, handle, "ab", 2, &records[1]);
    run_until_done(loop);
    assert_int_equal(contract_file_position(loop, handle), 5);
    start_pread(loop, handle, data, 2, 8, &records[2]);
    run_until_done(loop);
    assert_int_equal(contract_file_position(loop, handle), 5);
    start_read(loop, handle, data, 8, &records[3]);
    run_until_done(loop);
    assert_memory_equal(data, "56789", 5);
    assert_int_equal(contract_file_position(loop, handle), 10);
    static const uint64_t bytes[] = {3, 2, 2, 5};
    for (int i = 0; i < 4; i++) {
        assert_transferred(&records[i], bytes[i]);
    }
    assert_int_equal(records[0].result.type, IOCP_TYPE_READ);
    assert_int_equal(records[1].result.type, IOCP_TYPE_WRITE);
    contract_file_assert(loop, "file", "012ab56789", 10);
}

static void writes_that_are_queued_together_do_not_overwrite_each_other(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    enum {
        COUNT = 26
    };
    contract_record records[COUNT] = {{0}};
    char letters[COUNT];
    iocp_handle_t handle = contract_file_open(loop, "file", FRESH);
    for (int i = 0; i < COUNT; i++) {
        letters[i] = (char)('a' + i);
        start_write(loop, handle, &letters[i], 1, &records[i]);
    }
    run_until_done(loop);
    for (int i = 0; i < COUNT; i++) {
        assert_transferred(&records[i], 1);
        assert_int_equal(records[i].order, records[0].order + i);
    }
    assert_int_equal(contract_file_position(loop, handle), COUNT);
    contract_file_assert(loop, "file", letters, COUNT);
}

static void reads_that_are_queued_together_get_the_file_in_order(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[5] = {{0}};
    char data[5][3] = {{0}};
    iocp_handle_t handle = contract_file_with(loop, "file", "0123456789", 10);
    for (int i = 0; i < 5; i++) {
        start_read(loop, handle, data[i], 3, &records[i]);
    }
    run_until_done(loop);
    for (int i = 0; i < 3; i++) {
        assert_transferred(&records[i], 3);
    }
    assert_transferred(&records[3], 1);
    assert_ended(&records[4], IOCP_EOF);
    assert_memory_equal(data, "0123456789", 10);
    assert_int_equal(contract_file_position(loop, handle), 10);
}

static void what_fails_leaves_the_position(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[3] = {{0}};
    char data[4] = {0};
    contract_file_close(loop, contract_file_with(loop, "file", "hello", 5));
    iocp_handle_t handle = contract_file_open(loop, "file", IOCP_FILE_READ);
    assert_int_equal(iocp_file_set_position(loop, handle, 2), IOCP_OK);
    start_write(loop, handle, "x", 1, &records[0]);
    start_read(loop, handle, data, 4, &records[1]);
    start_read(loop, handle, data, 4, &records[2]);
    run_until_done(loop);
    assert_ended(&records[0], IOCP_EACCES);
    assert_transferred(&records[1], 3);
    assert_memory_equal(data, "llo", 3);
    assert_ended(&records[2], IOCP_EOF);
    assert_int_equal(contract_file_position(loop, handle), 5);
}

static void the_position_can_be_set_while_nothing_moves_it(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record read = {0};
    contract_record other = {0};
    char data[4] = {0};
    iocp_handle_t handle = contract_file_with(loop, "file", "hello", 5);
    assert_int_equal(iocp_file_set_position(loop, handle, 3), IOCP_OK);
    start_pread(loop, handle, data, 1, 0, &other); /* does not move it */
    assert_int_equal(iocp_file_set_position(loop, handle, 1), IOCP_OK);
    start_read(loop, handle, data, 1, &read);
    assert_int_equal(iocp_file_set_position(loop, handle, 4), IOCP_EBUSY);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    assert_int_equal(iocp_file_set_position(loop, handle, 4), IOCP_EBUSY);
    assert_int_equal(contract_file_position(loop, handle), 1);
    run_until_done(loop);
    assert_transferred(&read, 1);
    assert_int_equal(contract_file_position(loop, handle), 2);
    assert_int_equal(iocp_file_set_position(loop, handle, 4), IOCP_OK);
    assert_int_equal(iocp_file_set_position(loop, handle, (uint64_t)INT64_MAX + 1), IOCP_EINVAL);
    assert_int_equal(iocp_file_set_position(loop, handle, UINT64_MAX), IOCP_EINVAL);
    assert_int_equal(contract_file_position(loop, handle), 4);
}

static void a_position_behind_the_end_is_one(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record read = {0};
    contract_record written = {0};
    char data[4];
    iocp_handle_t handle = contract_file_with(loop, "file", "ab", 2);
    assert_int_equal(iocp_file_set_position(loop, handle, 4), IOCP_OK);
    start_read(loop, handle, data, 4, &read);
    start_write(loop, handle, "c", 1, &written);
    run_until_done(loop);
    assert_ended(&read, IOCP_EOF);
    assert_transferred(&written, 1);
    contract_file_assert(loop, "file", "ab\0\0c", 5);
}

typedef struct rewinding_read {
    iocp_handle_t handle;
    int calls;
    int set_status;
    char data[2];
    char seen[3];
} rewinding_read;

static iocp_action_t IOCP_CALL read__rewind(iocp_loop_t *loop, const iocp_result_t *result,
                                            void *userdata)
{
    rewinding_read *read = userdata;
    assert_int_equal(result->status, IOCP_OK);
    read->seen[read->calls++] = read->data[0];
    read->set_status = iocp_file_set_position(loop, read->handle, 4 - (uint64_t)read->calls);
    return read->calls < 3 ? IOCP_REARM : IOCP_DISARM;
}

static void a_read_that_sets_the_position_in_its_callback_goes_on_there(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    rewinding_read read = {.handle = contract_file_with(loop, "file", "01234", 5)};
    assert_int_equal(iocp_read(loop, read.handle, read.data, 1, read__rewind, &read, NULL),
                     IOCP_OK);
    run_until_done(loop);
    assert_int_equal(read.set_status, IOCP_OK);
    assert_memory_equal(read.seen, "032", 3);
    assert_int_equal(contract_file_position(loop, read.handle), 1);
}

static void the_position_is_not_set_in_a_callback_while_others_wait_to_move_it(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    rewinding_read read = {.handle = contract_file_with(loop, "file", "01234", 5), .calls = 2};
    contract_record next = {0};
    char data[1];
    assert_int_equal(iocp_read(loop, read.handle, read.data, 1, read__rewind, &read, NULL),
                     IOCP_OK);
    start_read(loop, read.handle, data, 1, &next);
    run_until_done(loop);
    assert_int_equal(read.set_status, IOCP_EBUSY);
    assert_transferred(&next, 1);
    assert_int_equal(data[0], '1');
}

static void a_rearmed_read_goes_on_and_takes_its_turn_behind_the_others(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record again = {.rearms = 1};
    contract_record others[2] = {{0}};
    char data[3] = {0};
    iocp_handle_t handle = contract_file_with(loop, "file", "01234", 5);
    start_read(loop, handle, &data[0], 1, &again);
    start_read(loop, handle, &data[1], 1, &others[0]);
    start_read(loop, handle, &data[2], 1, &others[1]);
    run_until_done(loop);
    assert_int_equal(again.calls, 2);
    assert_memory_equal(data, "312", 3);
    assert_int_equal(contract_file_position(loop, handle), 4);
}

static void a_cancelled_write_in_the_middle_leaves_no_gap(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[4] = {{0}};
    contract_record cancels[2] = {{0}};
    static const char *const parts[] = {"aa", "bb", "cc", "dd"};
    iocp_op_t ops[4];
    iocp_handle_t handle = contract_file_open(loop, "file", FRESH);
    for (int i = 0; i < 4; i++) {
        ops[i] = start_write(loop, handle, parts[i], 2, &records[i]);
    }
    assert_int_equal(iocp_cancel(loop, ops[1], contract_keep, &cancels[0], NULL), IOCP_OK);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    assert_int_equal(iocp_cancel(loop, ops[2], contract_keep, &cancels[1], NULL), IOCP_OK);
    run_until_done(loop);
    assert_transferred(&records[0], 2);
    assert_ended(&records[1], IOCP_ECANCELED);
    assert_ended(&records[2], IOCP_ECANCELED);
    assert_transferred(&records[3], 2);
    assert_ended(&cancels[0], IOCP_OK);
    assert_ended(&cancels[1], IOCP_OK);
    assert_int_equal(contract_file_position(loop, handle), 4);
    contract_file_assert(loop, "file", "aadd", 4);
}

static iocp_action_t IOCP_CALL write__cancel_next(iocp_loop_t *loop, const iocp_result_t *result,
                                                  void *userdata)
{
    const iocp_op_t *next = userdata;
    assert_int_equal(result->status, IOCP_OK);
    assert_int_equal(iocp_cancel(loop, *next, NULL, NULL, NULL), IOCP_OK);
    return IOCP_DISARM;
}

static void a_write_whose_turn_has_come_can_still_be_cancelled_by_the_one_before(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record next = {0};
    contract_record last = {0};
    iocp_op_t op = {0};
    iocp_handle_t handle = contract_file_open(loop, "file", FRESH);
    assert_int_equal(iocp_write(loop, handle, "a", 1, write__cancel_next, &op, NULL), IOCP_OK);
    op = start_write(loop, handle, "b", 1, &next);
    start_write(loop, handle, "c", 1, &last);
    run_until_done(loop);
    assert_ended(&next, IOCP_ECANCELED);
    assert_transferred(&last, 1);
    contract_file_assert(loop, "file", "ac", 2);
}

/* ---- Appending ---- */

#define APPENDS       40
#define APPEND_RECORD 8

static void check_appended(const char *data, int writers)
{
    int next[4] = {0};
    for (int i = 0; i < APPENDS * writers; i++) {
        const char *record = data + (size_t)i * APPEND_RECORD;
        int writer = record[0] - 'A';
        assert_in_range(writer, 0, writers - 1);
        assert_int_equal(atoi(record + 1), next[writer]); /* each writer's are in order */
        assert_int_equal(record[APPEND_RECORD - 1], '.');
        next[writer]++;
    }
}

static void two_that_append_do_not_overwrite_each_other(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[2][APPENDS] = {{{0}}};
    char written[2][APPENDS][APPEND_RECORD];
    char found[2 * APPENDS * APPEND_RECORD + 1];
    iocp_handle_t handles[2];
    for (int w = 0; w < 2; w++) {
        handles[w] = contract_file_open(loop, "log", IOCP_FILE_APPEND | IOCP_FILE_CREATE);
    }
    for (int i = 0; i < APPENDS; i++) {
        for (int w = 0; w < 2; w++) {
            memset(written[w][i], '.', APPEND_RECORD);
            written[w][i][0] = (char)('A' + w);
            written[w][i][1] = (char)('0' + i / 10);
            written[w][i][2] = (char)('0' + i % 10);
            start_write(loop, handles[w], written[w][i], APPEND_RECORD, &records[w][i]);
        }
    }
    run_until_done(loop);
    for (int i = 0; i < 2 * APPENDS; i++) {
        assert_transferred(&records[i % 2][i / 2], APPEND_RECORD);
    }
    iocp_handle_t reader = contract_file_open(loop, "log", IOCP_FILE_READ);
    assert_int_equal(contract_file_get(loop, reader, 0, found, sizeof found), sizeof found - 1);
    check_appended(found, 2);
}

static void appending_leaves_the_position_of_reads(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[4] = {{0}};
    char data[2][4] = {{0}};
    contract_file_close(loop, contract_file_with(loop, "file", "abcd", 4));
    iocp_handle_t handle = contract_file_open(loop, "file", IOCP_FILE_READ | IOCP_FILE_APPEND);
    start_read(loop, handle, data[0], 2, &records[0]);
    start_write(loop, handle, "ef", 2, &records[1]);
    start_read(loop, handle, data[1], 4, &records[2]);
    run_until_done(loop);
    assert_transferred(&records[0], 2);
    assert_transferred(&records[1], 2);
    assert_transferred(&records[2], 4);
    assert_memory_equal(data[0], "ab", 2);
    assert_memory_equal(data[1], "cdef", 4);
    assert_int_equal(contract_file_position(loop, handle), 6);
    assert_int_equal(iocp_file_set_position(loop, handle, 0), IOCP_OK);
    start_write(loop, handle, "gh", 2, &records[3]);
    run_until_done(loop);
    assert_int_equal(contract_file_position(loop, handle), 0);
    contract_file_assert(loop, "file", "abcdefgh", 8);
}

static void a_file_that_was_opened_to_append_is_not_written_at_an_offset(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record never = {0};
    iocp_handle_t handle = contract_file_open(loop, "file", IOCP_FILE_APPEND | IOCP_FILE_CREATE);
    assert_int_equal(iocp_pwrite(loop, handle, "x", 1, 0, contract_keep, &never, NULL),
                     IOCP_ENOTSUP);
    /* Arguments are looked at first. */
    assert_int_equal(iocp_pwrite(loop, handle, NULL, 1, 0, contract_keep, &never, NULL),
                     IOCP_EINVAL);
    assert_int_equal(iocp_pwrite(loop, handle, "x", 1, UINT64_MAX, contract_keep, &never, NULL),
                     IOCP_EINVAL);
    assert_int_equal(iocp_pwrite(loop, handle, "x", 1, 0, NULL, &never, NULL), IOCP_EINVAL);
    run_until_done(loop);
    assert_int_equal(never.calls, 0);
    contract_file_assert(loop, "file", "", 0);
}

static void appending_goes_behind_the_end_that_others_have_moved(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[3] = {{0}};
    iocp_handle_t other = contract_file_with(loop, "file", "hello", 5);
    iocp_handle_t handle = contract_file_open(loop, "file", IOCP_FILE_APPEND);
    start_write(loop, handle, "1", 1, &records[0]);
    run_until_done(loop);
    contract_file_put(loop, other, 6, "there", 5);
    start_write(loop, handle, "2", 1, &records[1]);
    run_until_done(loop);
    contract_file_assert(loop, "file", "hello1there2", 12);
    assert_int_equal(iocp_file_set_size(loop, other, 2), IOCP_OK);
    start_write(loop, handle, "3", 1, &records[2]);
    run_until_done(loop);
    contract_file_assert(loop, "file", "he3", 3);
}

/* ---- Sizes, flush ---- */

static void the_size_is_told_and_set(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_handle_t handle = contract_file_with(loop, "file", "hello", 5);
    assert_int_equal(contract_file_size(loop, handle), 5);
    assert_int_equal(iocp_file_set_size(loop, handle, 2), IOCP_OK);
    contract_file_assert(loop, "file", "he", 2);
    assert_int_equal(iocp_file_set_size(loop, handle, 6), IOCP_OK);
    contract_file_assert(loop, "file", "he\0\0\0\0", 6);
    assert_int_equal(iocp_file_set_size(loop, handle, 0), IOCP_OK);
    assert_int_equal(contract_file_size(loop, handle), 0);
    assert_int_equal(iocp_file_set_size(loop, handle, (uint64_t)INT64_MAX + 1), IOCP_EINVAL);
    assert_int_equal(iocp_file_get_size(loop, handle, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_file_get_position(loop, handle, NULL), IOCP_EINVAL);
}

static void flush_calls_back_and_changes_nothing(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record flushed = {.rearms = 1};
    iocp_handle_t handle = contract_file_with(loop, "file", "hello", 5);
    assert_int_equal(iocp_file_flush(loop, handle, contract_keep, &flushed, NULL), IOCP_OK);
    assert_int_equal(flushed.calls, 0);
    run_until_done(loop);
    assert_int_equal(flushed.calls, 2);
    assert_int_equal(flushed.status, IOCP_OK);
    assert_int_equal(flushed.result.type, IOCP_TYPE_FLUSH);
    assert_int_equal(flushed.result.native_error, 0);
    contract_file_assert(loop, "file", "hello", 5);
}

/* ---- Adopting ---- */

/* A file that exists, with these five bytes in it, open for overlapped use. */
static void *native_hello(iocp_loop_t *loop, uint32_t flags)
{
    contract_file_close(loop, contract_file_with(loop, "file", "hello", 5));
    return contract_native_file("file", flags, CONTRACT_NATIVE_OVERLAPPED);
}

/* What is started before the answer is there waits for it. */
static void an_adopted_file_is_read_and_written_from_its_beginning(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[2] = {{0}};
    char data[8] = {0};
    void *found = NULL;
    void *native = native_hello(loop, READ_WRITE);
    iocp_handle_t handle = contract_adopt(loop, native);
    assert_int_equal(iocp_handle_native(loop, handle, &found), IOCP_OK);
    assert_ptr_equal(found, native);
    start_read(loop, handle, data, 2, &records[0]);
    start_write(loop, handle, "LL", 2, &records[1]);
    run_until_done(loop);
    assert_transferred(&records[0], 2);
    assert_transferred(&records[1], 2);
    assert_memory_equal(data, "he", 2);
    contract_file_close(loop, handle);
    contract_file_assert(loop, "file", "heLLo", 5);
}

static void an_adopted_handle_is_unknown_until_it_was_looked_at(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    char data[8] = {0};
    uint64_t number = 0;
    iocp_handle_t handle = contract_adopt(loop, native_hello(loop, READ_WRITE));
    assert_int_equal(iocp_handle_kind(loop, handle), IOCP_HANDLE_OTHER);
    assert_int_equal(iocp_loop_active(loop), 0); /* the question keeps nothing running */
    assert_int_equal(iocp_file_get_size(loop, handle, &number), IOCP_EAGAIN);
    assert_int_equal(iocp_file_set_size(loop, handle, 1), IOCP_EAGAIN);
    assert_int_equal(iocp_file_get_position(loop, handle, &number), IOCP_EAGAIN);
    assert_int_equal(iocp_file_set_position(loop, handle, 1), IOCP_EAGAIN);
    assert_int_equal(iocp_send(loop, handle, data, 1, contract_keep, &record, NULL), IOCP_ENOTSUP);
    iocp_op_t op = start_pread(loop, handle, data, 5, 0, &record);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    assert_int_equal(iocp_op_state(loop, op), IOCP_OP_ADDING);
    contract_wait(loop, &record, 1);
    assert_transferred(&record, 5);
    assert_int_equal(iocp_handle_kind(loop, handle), IOCP_HANDLE_FILE);
    assert_int_equal(contract_file_size(loop, handle), 5);
    assert_int_equal(iocp_file_set_position(loop, handle, 3), IOCP_OK);
    assert_int_equal(contract_file_position(loop, handle), 3);
}

static void what_waits_for_the_answer_can_be_cancelled_and_times_out(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[2] = {{0}};
    char data[2] = {0};
    iocp_handle_t handle = contract_adopt(loop, native_hello(loop, READ_WRITE));
    iocp_op_t op = start_read(loop, handle, data, 1, &records[0]);
    iocp_op_t late = start_read(loop, handle, data, 1, &records[1]);
    assert_int_equal(iocp_op_deadline(loop, late, 0), IOCP_OK);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_ended(&records[0], IOCP_ECANCELED);
    assert_ended(&records[1], IOCP_ETIMEDOUT);
    contract_learn(loop, handle);
    assert_int_equal(contract_file_position(loop, handle), 0);
}

static void a_handle_can_be_closed_before_it_was_looked_at(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record read = {0};
    contract_record closed = {0};
    char data[1];
    iocp_op_t close = {0};
    iocp_handle_t handle = contract_adopt(loop, native_hello(loop, READ_WRITE));
    start_read(loop, handle, data, 1, &read);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    assert_int_equal(iocp_close(loop, handle, contract_keep, &closed, &close), IOCP_OK);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    assert_int_equal(iocp_op_state(loop, close), IOCP_OP_ACTIVE); /* it has been started */
    run_until_done(loop);
    assert_ended(&read, IOCP_ECANCELED);
    assert_ended(&closed, IOCP_OK);
    assert_true(read.order < closed.order);
    assert_int_equal(contract_stats(loop).handles, 0);
}

static void a_loop_can_end_before_what_was_adopted_was_looked_at(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record read = {0};
    char data[1];
    iocp_handle_t handle = contract_adopt(loop, native_hello(loop, READ_WRITE));
    start_read(loop, handle, data, 1, &read);
    contract_loop_destroy(loop);
    contract_forget_loop(state);
    assert_ended(&read, IOCP_ECANCELED);
}

static void an_adopted_file_that_only_appends_appends(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[3] = {{0}};
    iocp_handle_t handle = contract_adopt(loop, native_hello(loop, IOCP_FILE_APPEND));
    start_pwrite(loop, handle, "x", 1, 0, &records[2]); /* nobody knows yet */
    start_write(loop, handle, "1", 1, &records[0]);
    start_write(loop, handle, "2", 1, &records[1]);
    run_until_done(loop);
    assert_transferred(&records[0], 1);
    assert_transferred(&records[1], 1);
    assert_ended(&records[2], IOCP_ENOTSUP);
    assert_int_equal(iocp_pwrite(loop, handle, "x", 1, 0, contract_keep, &records[2], NULL),
                     IOCP_ENOTSUP);
    contract_file_close(loop, handle);
    contract_file_assert(loop, "file", "hello12", 7);
}

/* As one that was opened here is: it does not append, so a place to write is no contradiction. */
static void an_adopted_file_that_only_reads_refuses_to_be_written(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[2] = {{0}};
    iocp_handle_t handle = contract_adopt(loop, native_hello(loop, IOCP_FILE_READ));
    start_pwrite(loop, handle, "x", 1, 0, &records[0]);
    run_until_done(loop);
    start_pwrite(loop, handle, "x", 1, 0, &records[1]); /* now it is known */
    run_until_done(loop);
    assert_ended(&records[0], IOCP_EACCES);
    assert_ended(&records[1], IOCP_EACCES);
}

/* Each operation of a handle that cannot be used tells why, whenever it is started. */
static void assert_refused(iocp_loop_t *loop, iocp_handle_t handle, int status)
{
    contract_record records[3] = {{0}};
    char data[1] = {0};
    uint64_t number = 0;
    start_read(loop, handle, data, 1, &records[0]);
    start_pwrite(loop, handle, data, 1, 0, &records[1]);
    run_until_done(loop);
    assert_ended(&records[0], status);
    assert_ended(&records[1], status);
    assert_int_equal(records[1].result.native_error, records[0].result.native_error);
    assert_int_equal(iocp_handle_kind(loop, handle), IOCP_HANDLE_OTHER);
    assert_int_equal(iocp_file_get_size(loop, handle, &number), status);
    assert_int_equal(iocp_file_set_position(loop, handle, 1), status);
    start_read(loop, handle, data, 1, &records[2]);
    run_until_done(loop);
    assert_ended(&records[2], status);
    assert_int_equal(records[2].result.native_error, records[0].result.native_error);
}

static void a_handle_for_synchronous_use_is_refused_in_the_results(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_handle_t handle =
        contract_adopt(loop, contract_native_file("file", READ_WRITE | IOCP_FILE_CREATE, 0));
    assert_refused(loop, handle, IOCP_ENOTOVERLAPPED);
    contract_file_close(loop, handle); /* it is the loop's all the same */
    assert_int_equal(contract_stats(loop).handles, 0);
}

/* It stays the loop's, so that the loop's end closes it. */
static void a_refused_handle_is_closed_with_its_loop(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_handle_t handle =
        contract_adopt(loop, contract_native_file("file", READ_WRITE | IOCP_FILE_CREATE, 0));
    assert_refused(loop, handle, IOCP_ENOTOVERLAPPED);
    (void)contract_adopt(loop, contract_native_file("file", READ_WRITE, 0));
}

static void an_error_that_the_library_finds_leaves_the_native_error_of_the_system(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    uint64_t number = 0;
    iocp_handle_t handle = contract_open(loop, AF_INET);
    assert_int_equal(contract_file_try_open(loop, "none", IOCP_FILE_READ), IOCP_ENOTFOUND);
    uint32_t native_error = iocp_loop_native_error(loop);
    assert_true(native_error != 0);
    assert_int_equal(iocp_file_get_size(loop, handle, &number), IOCP_ENOTSUP);
    assert_int_equal(iocp_file_get_size(loop, (iocp_handle_t){0}, &number), IOCP_EBADF);
    assert_int_equal(iocp_handle_adopt(loop, NULL, &handle), IOCP_EINVAL);
    assert_int_equal(iocp_loop_native_error(loop), native_error);
}

/* Another handle of the same file object: what one loop has bound, no other can bind. */
static void a_handle_of_another_loop_is_refused_and_the_other_goes_on(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_loop_t *other = contract_loop_create();
    void *native = NULL;
    iocp_handle_t theirs = contract_file_with(other, "file", "hello", 5);
    assert_int_equal(iocp_handle_native(other, theirs, &native), IOCP_OK);
    iocp_handle_t handle = contract_adopt(loop, contract_native_duplicate(native));
    assert_refused(loop, handle, IOCP_EINVAL);
    contract_file_close(loop, handle);
    contract_file_put(other, theirs, 0, "j", 1);
    contract_loop_destroy(other);
    contract_file_assert(loop, "file", "jello", 5);
}

static void what_is_no_file_and_no_pipe_is_refused_in_the_results(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_handle_t socket = contract_adopt(loop, (void *)contract_socket_create(AF_INET));
    assert_refused(loop, socket, IOCP_EINVAL);
    contract_file_close(loop, socket);
    iocp_handle_t nothing = contract_adopt(loop, (void *)(uintptr_t)0x7ffffff0);
    assert_refused(loop, nothing, IOCP_EBADF);
    contract_file_close(loop, nothing);
}

static void what_cannot_be_a_handle_is_not_adopted(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_handle_t handle = {0};
    void *native =
        contract_native_file("file", READ_WRITE | IOCP_FILE_CREATE, CONTRACT_NATIVE_OVERLAPPED);
    assert_int_equal(iocp_handle_adopt(NULL, native, &handle), IOCP_EINVAL);
    assert_int_equal(iocp_handle_adopt(loop, NULL, &handle), IOCP_EINVAL);
    assert_int_equal(iocp_handle_adopt(loop, (void *)(intptr_t)-1, &handle), IOCP_EINVAL);
    assert_int_equal(iocp_handle_adopt(loop, native, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_socket_adopt(loop, (uintptr_t)native, &handle), IOCP_ENOTSOCK);
    assert_true(handle.id == 0);
    assert_int_equal(contract_stats(loop).handles, 0);
    assert_int_equal(contract_stats(loop).operations, 0);
    contract_native_close(native);
}

/* ---- The wrong kind ---- */

static void a_file_has_no_operations_of_sockets(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record never = {0};
    contract_address address = contract_loopback(AF_INET, 1);
    const struct sockaddr *to = contract_sockaddr(&address);
    char data[1] = {0};
    int value = 0;
    uintptr_t socket = 0;
    iocp_handle_t file = contract_file_open(loop, "file", FRESH);
    assert_int_equal(iocp_recv(loop, file, data, 1, contract_keep, &never, NULL), IOCP_ENOTSUP);
    assert_int_equal(iocp_send(loop, file, data, 1, contract_keep, &never, NULL), IOCP_ENOTSUP);
    assert_int_equal(iocp_accept(loop, file, contract_keep, &never, NULL), IOCP_ENOTSUP);
    assert_int_equal(iocp_connect(loop, file, to, address.length, contract_keep, &never, NULL),
                     IOCP_ENOTSUP);
    assert_int_equal(iocp_shutdown(loop, file, IOCP_SHUTDOWN_BOTH, contract_keep, &never, NULL),
                     IOCP_ENOTSUP);
    assert_int_equal(
        iocp_sendto(loop, file, data, 1, to, address.length, contract_keep, &never, NULL),
        IOCP_ENOTSUP);
    assert_int_equal(iocp_recvfrom(loop, file, data, 1, contract_keep, &never, NULL), IOCP_ENOTSUP);
    assert_int_equal(iocp_socket_bind(loop, file, to, address.length), IOCP_ENOTSUP);
    assert_int_equal(iocp_socket_listen(loop, file, 0), IOCP_ENOTSUP);
    assert_int_equal(iocp_socket_set_option(loop, file, IOCP_SOCKET_NODELAY, 1), IOCP_ENOTSUP);
    assert_int_equal(iocp_socket_get_option(loop, file, IOCP_SOCKET_NODELAY, &value), IOCP_ENOTSUP);
    assert_int_equal(iocp_socket_detach(loop, file, &socket), IOCP_ENOTSUP);
    run_until_done(loop);
    assert_int_equal(never.calls, 0);
}

static void refuse_file_calls(iocp_loop_t *loop, iocp_handle_t handle, int status)
{
    contract_record never = {0};
    char data[1] = {0};
    uint64_t number = 0;
    assert_int_equal(iocp_pread(loop, handle, data, 1, 0, contract_keep, &never, NULL), status);
    assert_int_equal(iocp_pwrite(loop, handle, data, 1, 0, contract_keep, &never, NULL), status);
    assert_int_equal(iocp_file_flush(loop, handle, contract_keep, &never, NULL), status);
    assert_int_equal(iocp_file_get_size(loop, handle, &number), status);
    assert_int_equal(iocp_file_set_size(loop, handle, 0), status);
    assert_int_equal(iocp_file_get_position(loop, handle, &number), status);
    assert_int_equal(iocp_file_set_position(loop, handle, 0), status);
    run_until_done(loop);
    assert_int_equal(never.calls, 0);
}

static void a_socket_has_no_operations_of_files(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record never = {0};
    char data[1] = {0};
    iocp_handle_t datagram = {0};
    refuse_file_calls(loop, contract_open(loop, AF_INET), IOCP_ENOTSUP);
    assert_int_equal(iocp_socket_open(loop, AF_INET, SOCK_DGRAM, 0, &datagram), IOCP_OK);
    refuse_file_calls(loop, datagram, IOCP_ENOTSUP);
    assert_int_equal(iocp_read(loop, datagram, data, 1, contract_keep, &never, NULL), IOCP_ENOTSUP);
    assert_int_equal(iocp_write(loop, datagram, data, 1, contract_keep, &never, NULL),
                     IOCP_ENOTSUP);
    run_until_done(loop);
    assert_int_equal(never.calls, 0);
}

static void a_closed_file_is_refused_everywhere(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record never = {0};
    contract_record closed = {0};
    char data[1] = {0};
    iocp_handle_t handle = contract_file_open(loop, "file", FRESH);
    assert_int_equal(iocp_close(loop, handle, contract_keep, &closed, NULL), IOCP_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(iocp_read(loop, handle, data, 1, contract_keep, &never, NULL), IOCP_EBADF);
        assert_int_equal(iocp_write(loop, handle, data, 1, contract_keep, &never, NULL),
                         IOCP_EBADF);
        refuse_file_calls(loop, handle, IOCP_EBADF); /* runs the loop */
        assert_int_equal(closed.calls, 1);
    }
}

static void bad_arguments_of_reads_and_writes_are_refused(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record never = {0};
    char data[1] = {0};
    iocp_handle_t handle = contract_file_open(loop, "file", FRESH);
    assert_int_equal(iocp_read(loop, handle, NULL, 1, contract_keep, &never, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_write(loop, handle, NULL, 1, contract_keep, &never, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_read(loop, handle, data, 1, NULL, &never, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_pread(loop, handle, NULL, 1, 0, contract_keep, &never, NULL),
                     IOCP_EINVAL);
    assert_int_equal(iocp_pwrite(loop, handle, data, 1, 0, NULL, &never, NULL), IOCP_EINVAL);
    assert_int_equal(iocp_file_flush(loop, handle, NULL, &never, NULL), IOCP_EINVAL);
#if SIZE_MAX > UINT32_MAX
    assert_int_equal(
        iocp_pread(loop, handle, data, (size_t)UINT32_MAX + 1, 0, contract_keep, &never, NULL),
        IOCP_EINVAL);
#endif
    run_until_done(loop);
    assert_int_equal(never.calls, 0);
}

static void reads_and_writes_of_a_stream_socket_receive_and_send(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record written = {0};
    contract_record read = {0};
    contract_record ended = {0};
    char data[8] = {0};
    contract_pair pair = contract_connect(loop, AF_INET);
    start_read(loop, pair.server, data, sizeof data, &read);
    start_write(loop, pair.client, "h", 1, &written);
    contract_wait(loop, &read, 1);
    contract_wait(loop, &written, 1);
    assert_transferred(&written, 1);
    assert_int_equal(written.result.type, IOCP_TYPE_SEND);
    assert_transferred(&read, 1);
    assert_int_equal(read.result.type, IOCP_TYPE_RECV);
    assert_int_equal(data[0], 'h');
    contract_close(loop, pair.client);
    start_read(loop, pair.server, data, sizeof data, &ended);
    contract_wait(loop, &ended, 1);
    assert_ended(&ended, IOCP_EOF);
}

/* ---- Ending early ---- */

static void what_is_cancelled_before_it_starts_never_does(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[4] = {{0}};
    contract_record cancels[4] = {{0}};
    char data[4] = "....";
    iocp_op_t ops[4];
    iocp_handle_t handle = contract_file_with(loop, "file", "hello", 5);
    uint64_t starts = contract_stats(loop).starts;
    ops[0] = start_pwrite(loop, handle, "x", 1, 0, &records[0]);
    ops[1] = start_pread(loop, handle, data, 4, 0, &records[1]);
    ops[2] = start_write(loop, handle, "x", 1, &records[2]);
    assert_int_equal(iocp_file_flush(loop, handle, contract_keep, &records[3], &ops[3]), IOCP_OK);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(iocp_cancel(loop, ops[i], contract_keep, &cancels[i], NULL), IOCP_OK);
    }
    run_until_done(loop);
    for (int i = 0; i < 4; i++) {
        assert_ended(&records[i], IOCP_ECANCELED);
        assert_int_equal(records[i].result.bytes, 0);
        assert_ended(&cancels[i], IOCP_OK);
    }
    assert_int_equal(contract_stats(loop).starts - starts, 4); /* the cancels */
    assert_memory_equal(data, "....", 4);
    assert_int_equal(contract_file_position(loop, handle), 0);
    contract_file_assert(loop, "file", "hello", 5);
}

static void what_is_cancelled_in_the_kernel_ends_with_the_truth(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    for (int round = 0; round < 10; round++) {
        contract_record read = {0};
        contract_record written = {0};
        char data[6] = "......";
        const char byte = (char)('a' + round);
        iocp_handle_t handle = contract_file_open(loop, "file", READ_WRITE | IOCP_FILE_CREATE);
        contract_file_put(loop, handle, 0, "hello", 5);
        iocp_op_t pread = start_pread(loop, handle, data, 5, 0, &read);
        iocp_op_t pwrite = start_pwrite(loop, handle, &byte, 1, 7, &written);
        assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
        assert_int_equal(iocp_cancel(loop, pread, NULL, NULL, NULL), IOCP_OK);
        assert_int_equal(iocp_cancel(loop, pwrite, NULL, NULL, NULL), IOCP_OK);
        run_until_done(loop);
        bool is_read = read.status == IOCP_OK;
        bool is_written = written.status == IOCP_OK;
        assert_ended(&read, is_read ? IOCP_OK : IOCP_ECANCELED);
        assert_ended(&written, is_written ? IOCP_OK : IOCP_ECANCELED);
        assert_int_equal(read.result.bytes, is_read ? 5 : 0);
        assert_memory_equal(data, is_read ? "hello." : "......", 6);
        assert_int_equal(contract_file_size(loop, handle), is_written ? 8 : 5);
        assert_int_equal(iocp_file_set_size(loop, handle, 0), IOCP_OK);
        contract_file_close(loop, handle);
    }
}

static void a_close_calls_back_after_all_that_was_pending(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    enum {
        COUNT = 8
    };
    contract_record records[COUNT] = {{0}};
    contract_record closed = {0};
    char data[COUNT][4];
    iocp_handle_t handle = contract_file_with(loop, "file", "hello", 5);
    for (int i = 0; i < COUNT; i++) {
        if (i % 2 == 0) {
            start_read(loop, handle, data[i], 4, &records[i]);
        } else {
            start_pread(loop, handle, data[i], 4, 0, &records[i]);
        }
        if (i == COUNT / 2) {
            assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
        }
    }
    assert_int_equal(iocp_close(loop, handle, contract_keep, &closed, NULL), IOCP_OK);
    run_until_done(loop);
    assert_ended(&closed, IOCP_OK);
    for (int i = 0; i < COUNT; i++) {
        bool is_done = records[i].status == IOCP_OK;
        assert_ended(&records[i], is_done ? IOCP_OK : IOCP_ECANCELED);
        assert_true(records[i].order < closed.order);
    }
    assert_ended(&records[COUNT - 1], IOCP_ECANCELED); /* this one had not been started */
    assert_int_equal(contract_stats(loop).handles, 0);
}

static void a_deadline_that_has_passed_keeps_an_operation_from_starting(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[2] = {{0}};
    iocp_op_t ops[2];
    iocp_handle_t handle = contract_file_with(loop, "file", "hello", 5);
    ops[0] = start_write(loop, handle, "x", 1, &records[0]);
    ops[1] = start_pwrite(loop, handle, "x", 1, 1, &records[1]);
    assert_int_equal(iocp_op_deadline(loop, ops[0], 0), IOCP_OK);
    assert_int_equal(iocp_op_deadline(loop, ops[1], 0), IOCP_OK);
    run_until_done(loop);
    assert_ended(&records[0], IOCP_ETIMEDOUT);
    assert_ended(&records[1], IOCP_ETIMEDOUT);
    assert_int_equal(contract_file_position(loop, handle), 0);
    contract_file_assert(loop, "file", "hello", 5);
}

static void destroy_ends_what_is_pending_on_files(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    enum {
        COUNT = 12
    };
    contract_record records[COUNT] = {{0}};
    char data[COUNT][4];
    iocp_handle_t handle = contract_file_with(loop, "file", "hello", 5);
    for (int i = 0; i < COUNT; i++) {
        switch (i % 3) {
        case 0:
            start_read(loop, handle, data[i], 1, &records[i]);
            break;
        case 1:
            start_pread(loop, handle, data[i], 4, 0, &records[i]);
            break;
        default:
            assert_int_equal(iocp_file_flush(loop, handle, contract_keep, &records[i], NULL),
                             IOCP_OK);
            break;
        }
        if (i == COUNT / 2) {
            assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
        }
    }
    contract_loop_destroy(loop);
    contract_forget_loop(state);
    for (int i = 0; i < COUNT; i++) {
        bool is_done = records[i].status == IOCP_OK;
        assert_ended(&records[i], is_done ? IOCP_OK : IOCP_ECANCELED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_FILE_TEST(what_is_not_there_is_not_found),
        CONTRACT_FILE_TEST(create_makes_a_file_that_is_not_there_and_leaves_one_that_is),
        CONTRACT_FILE_TEST(exclusive_refuses_a_file_that_is_there),
        CONTRACT_FILE_TEST(truncate_empties_a_file),
        CONTRACT_FILE_TEST(flags_that_contradict_each_other_are_refused),
        CONTRACT_FILE_TEST(arguments_of_open_are_checked),
        CONTRACT_FILE_TEST(a_folder_is_no_file),
        CONTRACT_FILE_TEST(a_name_that_is_no_utf16_leads_to_one_file),
        CONTRACT_FILE_TEST(what_is_not_wtf8_or_not_a_name_is_refused),
        CONTRACT_FILE_TEST(long_paths_and_names_beyond_ascii_work),
        CONTRACT_FILE_TEST(a_path_that_no_file_system_takes_is_too_long),
        CONTRACT_FILE_TEST(a_file_that_somebody_does_not_share_is_busy),
        CONTRACT_FILE_TEST(a_file_is_shared_with_everybody),
        CONTRACT_FILE_TEST(what_is_written_at_an_offset_is_read_there),
        CONTRACT_FILE_TEST(offsets_of_4_gib_and_more_are_right),
        CONTRACT_FILE_TEST(offsets_end_below_2_to_the_63),
        CONTRACT_FILE_TEST(many_are_in_flight_at_once_and_do_not_mix),
        CONTRACT_FILE_TEST(a_read_gets_less_where_the_file_ends_and_the_end_behind_it),
        CONTRACT_FILE_TEST(transfers_of_no_bytes_succeed_and_change_nothing),
        CONTRACT_FILE_TEST(what_was_skipped_by_a_write_is_zero),
        CONTRACT_FILE_TEST(access_that_was_not_asked_for_is_denied),
        CONTRACT_FILE_TEST(a_rearmed_write_writes_the_same_place_again),
        CONTRACT_FILE_TEST(the_result_says_whether_there_was_a_packet),
        CONTRACT_FILE_TEST(unbuffered_transfers_work_in_whole_sectors),
        CONTRACT_FILE_TEST(unbuffered_transfers_of_part_of_a_sector_are_refused),
        CONTRACT_FILE_TEST(reads_and_writes_go_on_where_the_last_one_ended),
        CONTRACT_FILE_TEST(writes_that_are_queued_together_do_not_overwrite_each_other),
        CONTRACT_FILE_TEST(reads_that_are_queued_together_get_the_file_in_order),
        CONTRACT_FILE_TEST(what_fails_leaves_the_position),
        CONTRACT_FILE_TEST(the_position_can_be_set_while_nothing_moves_it),
        CONTRACT_FILE_TEST(a_position_behind_the_end_is_one),
        CONTRACT_FILE_TEST(a_read_that_sets_the_position_in_its_callback_goes_on_there),
        CONTRACT_FILE_TEST(the_position_is_not_set_in_a_callback_while_others_wait_to_move_it),
        CONTRACT_FILE_TEST(a_rearmed_read_goes_on_and_takes_its_turn_behind_the_others),
        CONTRACT_FILE_TEST(a_cancelled_write_in_the_middle_leaves_no_gap),
        CONTRACT_FILE_TEST(a_write_whose_turn_has_come_can_still_be_cancelled_by_the_one_before),
        CONTRACT_FILE_TEST(two_that_append_do_not_overwrite_each_other),
        CONTRACT_FILE_TEST(appending_leaves_the_position_of_reads),
        CONTRACT_FILE_TEST(a_file_that_was_opened_to_append_is_not_written_at_an_offset),
        CONTRACT_FILE_TEST(appending_goes_behind_the_end_that_others_have_moved),
        CONTRACT_FILE_TEST(the_size_is_told_and_set),
        CONTRACT_FILE_TEST(flush_calls_back_and_changes_nothing),
        CONTRACT_FILE_TEST(an_adopted_file_is_read_and_written_from_its_beginning),
        CONTRACT_FILE_TEST(an_adopted_handle_is_unknown_until_it_was_looked_at),
        CONTRACT_FILE_TEST(what_waits_for_the_answer_can_be_cancelled_and_times_out),
        CONTRACT_FILE_TEST(a_handle_can_be_closed_before_it_was_looked_at),
        CONTRACT_FILE_TEST(a_loop_can_end_before_what_was_adopted_was_looked_at),
        CONTRACT_FILE_TEST(an_adopted_file_that_only_appends_appends),
        CONTRACT_FILE_TEST(an_adopted_file_that_only_reads_refuses_to_be_written),
        CONTRACT_FILE_TEST(a_handle_for_synchronous_use_is_refused_in_the_results),
        CONTRACT_FILE_TEST(a_refused_handle_is_closed_with_its_loop),
        CONTRACT_FILE_TEST(an_error_that_the_library_finds_leaves_the_native_error_of_the_system),
        CONTRACT_FILE_TEST(a_handle_of_another_loop_is_refused_and_the_other_goes_on),
        CONTRACT_FILE_TEST(what_is_no_file_and_no_pipe_is_refused_in_the_results),
        CONTRACT_FILE_TEST(what_cannot_be_a_handle_is_not_adopted),
        CONTRACT_FILE_TEST(a_file_has_no_operations_of_sockets),
        CONTRACT_FILE_TEST(a_socket_has_no_operations_of_files),
        CONTRACT_FILE_TEST(a_closed_file_is_refused_everywhere),
        CONTRACT_FILE_TEST(bad_arguments_of_reads_and_writes_are_refused),
        CONTRACT_FILE_TEST(reads_and_writes_of_a_stream_socket_receive_and_send),
        CONTRACT_FILE_TEST(what_is_cancelled_before_it_starts_never_does),
        CONTRACT_FILE_TEST(what_is_cancelled_in_the_kernel_ends_with_the_truth),
        CONTRACT_FILE_TEST(a_close_calls_back_after_all_that_was_pending),
        CONTRACT_FILE_TEST(a_deadline_that_has_passed_keeps_an_operation_from_starting),
        CONTRACT_FILE_TEST(destroy_ends_what_is_pending_on_files),
    };
    return CONTRACT_RUN(tests);
}
