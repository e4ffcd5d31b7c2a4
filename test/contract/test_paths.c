/* Paths: opening on the pool, looking, copying, renaming, removing, making folders. */
#include "contract_env.h"

#include "base.h"
#include "contract_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a callback was told, with what it told of a file. */
typedef struct told {
    contract_record record;
    iocp_file_info_t info;
    bool has_info;
} told;

static iocp_action_t IOCP_CALL told__keep(iocp_loop_t *loop, const iocp_result_t *result,
                                          void *userdata)
{
    told *t = userdata;
    if (contract_is_over()) {
        return IOCP_DISARM;
    }
    bool tells = result->type == IOCP_TYPE_OPEN || result->type == IOCP_TYPE_STAT;
    t->has_info = result->info != NULL;
    assert_int_equal(t->has_info, tells && result->status == IOCP_OK);
    assert_int_equal(result->opened.id != 0,
                     result->type == IOCP_TYPE_OPEN && result->status == IOCP_OK);
    assert_int_equal(result->handle.id, 0);
    if (t->has_info) {
        t->info = *result->info;
    }
    return contract_keep(loop, result, &t->record);
}

static told path_told; /* of the last of these */

static int path__wait(iocp_loop_t *loop, int status)
{
    assert_int_equal(status, IOCP_OK);
    contract_wait(loop, &path_told.record, 1);
    return path_told.record.status;
}

static int path_open(iocp_loop_t *loop, const char *name, uint32_t flags)
{
    path_told = (told){0};
    return path__wait(
        loop, iocp_open(loop, contract_path_of(name).text, flags, told__keep, &path_told, NULL));
}

static int path_stat(iocp_loop_t *loop, const char *name)
{
    path_told = (told){0};
    return path__wait(
        loop, iocp_stat(loop, contract_path_of(name).text, 0, told__keep, &path_told, NULL));
}

static int path_copy(iocp_loop_t *loop, const char *from, const char *to, uint32_t flags)
{
    path_told = (told){0};
    return path__wait(loop, iocp_copy(loop, contract_path_of(from).text, contract_path_of(to).text,
                                      flags, told__keep, &path_told, NULL));
}

static int path_rename(iocp_loop_t *loop, const char *from, const char *to, uint32_t flags)
{
    path_told = (told){0};
    return path__wait(loop,
                      iocp_rename(loop, contract_path_of(from).text, contract_path_of(to).text,
                                  flags, told__keep, &path_told, NULL));
}

static int path_remove(iocp_loop_t *loop, const char *name, uint32_t flags)
{
    path_told = (told){0};
    return path__wait(
        loop, iocp_remove(loop, contract_path_of(name).text, flags, told__keep, &path_told, NULL));
}

static int path_folder_create(iocp_loop_t *loop, const char *name, uint32_t flags)
{
    path_told = (told){0};
    return path__wait(loop, iocp_folder_create(loop, contract_path_of(name).text, flags, told__keep,
                                               &path_told, NULL));
}

static void make_file(iocp_loop_t *loop, const char *name, const char *text)
{
    contract_file_close(loop, contract_file_with(loop, name, text, strlen(text)));
}

static void assert_file(iocp_loop_t *loop, const char *name, const char *text)
{
    contract_file_assert(loop, name, text, strlen(text));
}

static void assert_gone(iocp_loop_t *loop, const char *name)
{
    assert_int_equal(path_stat(loop, name), IOCP_ENOTFOUND);
}

static void assert_kind(iocp_loop_t *loop, const char *name, iocp_file_kind_t kind)
{
    assert_int_equal(path_stat(loop, name), IOCP_OK);
    assert_int_equal(path_told.info.kind, kind);
}

/* ---- Opening ---- */

static void an_open_tells_what_the_file_is_and_gives_it(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    char found[16] = {0};
    make_file(loop, "file", "some text");
    assert_int_equal(path_open(loop, "file", IOCP_FILE_READ), IOCP_OK);
    iocp_handle_t file = path_told.record.result.opened;
    iocp_file_info_t opened = path_told.info;
    assert_int_equal(opened.kind, IOCP_KIND_FILE);
    assert_true(opened.size == 9);
    assert_true(opened.links == 1);
    assert_int_equal(iocp_handle_kind(loop, file), IOCP_HANDLE_FILE);
    assert_int_equal(contract_file_get(loop, file, 5, found, sizeof found), 4);
    assert_string_equal(found, "text");
    assert_int_equal(path_stat(loop, "file"), IOCP_OK);
    assert_true(path_told.info.file == opened.file && path_told.info.volume == opened.volume);
    assert_true(path_told.info.written_ns == opened.written_ns);
    contract_file_close(loop, file);
}

static void an_open_does_what_its_flags_say(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    assert_int_equal(path_open(loop, "file", IOCP_FILE_READ), IOCP_ENOTFOUND);
    assert_int_equal(path_open(loop, "no/file", IOCP_FILE_WRITE | IOCP_FILE_CREATE),
                     IOCP_ENOTFOUND);
    assert_int_equal(path_open(loop, "file", IOCP_FILE_WRITE | IOCP_FILE_CREATE), IOCP_OK);
    contract_file_put(loop, path_told.record.result.opened, 0, "some text", 9);
    assert_int_equal(
        path_open(loop, "file", IOCP_FILE_WRITE | IOCP_FILE_CREATE | IOCP_FILE_EXCLUSIVE),
        IOCP_EEXIST);
    assert_int_equal(path_open(loop, "file", IOCP_FILE_APPEND), IOCP_OK);
    contract_record written = {0};
    iocp_handle_t appends = path_told.record.result.opened;
    assert_int_equal(iocp_pwrite(loop, appends, "x", 1, 0, contract_keep, &written, NULL),
                     IOCP_ENOTSUP);
    assert_int_equal(iocp_write(loop, appends, "s", 1, contract_keep, &written, NULL), IOCP_OK);
    contract_wait(loop, &written, 1);
    assert_file(loop, "file", "some texts");
    assert_int_equal(path_open(loop, "file", IOCP_FILE_WRITE | IOCP_FILE_TRUNCATE), IOCP_OK);
    assert_true(path_told.info.size == 0);
    assert_file(loop, "file", "");
}

static void a_folder_is_opened_as_one_and_as_nothing_else(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    char byte;
    contract_record read = {0};
    iocp_handle_t folder = {0};
    contract_folder_create("folder");
    make_file(loop, "file", "x");
    assert_int_equal(path_open(loop, "folder", IOCP_FILE_READ), IOCP_EISFOLDER);
    assert_int_equal(path_open(loop, "file", IOCP_FILE_READ | IOCP_FILE_FOLDER), IOCP_ENOTFOLDER);
    assert_int_equal(contract_file_try_open(loop, "file", IOCP_FILE_READ | IOCP_FILE_FOLDER),
                     IOCP_ENOTFOLDER);
    assert_int_equal(path_open(loop, "no", IOCP_FILE_READ | IOCP_FILE_FOLDER), IOCP_ENOTFOUND);
    assert_int_equal(path_open(loop, "folder", IOCP_FILE_READ | IOCP_FILE_FOLDER), IOCP_OK);
    assert_int_equal(path_told.info.kind, IOCP_KIND_FOLDER);
    assert_true(path_told.info.size == 0);
    for (int i = 0; i < 2; i++) {
        folder = i == 0 ? path_told.record.result.opened
                        : contract_file_open(loop, "folder", IOCP_FILE_READ | IOCP_FILE_FOLDER);
        uint64_t size;
        assert_int_equal(iocp_handle_kind(loop, folder), IOCP_HANDLE_FOLDER);
        assert_int_equal(iocp_read(loop, folder, &byte, 1, contract_keep, &read, NULL),
                         IOCP_ENOTSUP);
        assert_int_equal(iocp_file_get_size(loop, folder, &size), IOCP_ENOTSUP);
        contract_file_close(loop, folder);
    }
}

static void an_open_that_is_rearmed_opens_another(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    path_told = (told){.record = {.rearms = 1}};
    make_file(loop, "file", "x");
    assert_int_equal(iocp_open(loop, contract_path_of("file").text, IOCP_FILE_READ, told__keep,
                               &path_told, NULL),
                     IOCP_OK);
    contract_wait(loop, &path_told.record, 1);
    iocp_handle_t first = path_told.record.result.opened;
    contract_wait(loop, &path_told.record, 2);
    assert_true(path_told.record.result.opened.id != first.id);
    contract_file_close(loop, first);
    contract_file_close(loop, path_told.record.result.opened);
}

/* Whoever is first may deny, and who comes later may not deny what the first one does. */
static void what_is_denied_others_cannot_do_meanwhile(void **state)
{
    static const uint32_t denied[][2] = {
        {IOCP_FILE_DENY_READ, IOCP_FILE_READ},
        {IOCP_FILE_DENY_WRITE, IOCP_FILE_WRITE},
        {IOCP_FILE_DENY_WRITE, IOCP_FILE_APPEND},
    };
    iocp_loop_t *loop = contract_loop(state);
    make_file(loop, "file", "x");
    for (size_t i = 0; i < IOC_COUNT_OF(denied); i++) {
        uint32_t other =
            denied[i][1] == IOCP_FILE_READ ? (uint32_t)IOCP_FILE_WRITE : (uint32_t)IOCP_FILE_READ;
        for (int turn = 0; turn < 2; turn++) {
            uint32_t flags[2] = {other | denied[i][0], denied[i][1]};
            assert_int_equal(path_open(loop, "file", flags[turn]), IOCP_OK);
            iocp_handle_t first = path_told.record.result.opened;
            assert_int_equal(path_open(loop, "file", flags[1 - turn]), IOCP_EBUSY);
            assert_int_equal(contract_file_try_open(loop, "file", flags[1 - turn]), IOCP_EBUSY);
            contract_file_close(loop, first);
            assert_int_equal(path_open(loop, "file", flags[1 - turn]), IOCP_OK);
            contract_file_close(loop, path_told.record.result.opened);
        }
    }
    assert_int_equal(path_open(loop, "file", IOCP_FILE_READ | IOCP_FILE_DENY_DELETE), IOCP_OK);
    assert_int_equal(path_remove(loop, "file", 0), IOCP_EBUSY);
    assert_int_equal(path_rename(loop, "file", "new", 0), IOCP_EBUSY);
    assert_file(loop, "file", "x");
}

/* ---- Looking ---- */

static void what_a_path_stands_for_is_told(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_folder_create("folder");
    make_file(loop, "folder/file", "some text");
    assert_gone(loop, "file");
    assert_gone(loop, "no/file");
    assert_kind(loop, "folder", IOCP_KIND_FOLDER);
    assert_true((path_told.info.attributes & 0x10) != 0); /* FILE_ATTRIBUTE_DIRECTORY */
    iocp_file_info_t folder = path_told.info;
    assert_kind(loop, "folder/file", IOCP_KIND_FILE);
    assert_true((path_told.info.attributes & 0x10) == 0);
    assert_true(path_told.info.size == 9);
    assert_int_equal(path_told.info.reparse_tag, 0);
    assert_true(path_told.info.volume == folder.volume && path_told.info.file != folder.file);
    assert_int_equal(iocp_stat(loop, contract_path_of("folder/file").text, IOCP_STAT_LINK,
                               told__keep, &path_told, NULL),
                     IOCP_OK);
    contract_wait(loop, &path_told.record, 2);
    assert_int_equal(path_told.info.kind, IOCP_KIND_FILE);
}

/* In the simulation as in the system: a time between the file's birth and now, which goes on. */
static void times_go_on(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_handle_t file = contract_file_with(loop, "file", "x", 1);
    assert_int_equal(path_stat(loop, "file"), IOCP_OK);
    iocp_file_info_t before = path_told.info;
    assert_true(before.created_ns > 0 && before.created_ns % 100 == 0);
    assert_true(before.created_ns <= before.written_ns);
    contract_file_put(loop, file, 1, "y", 1);
    contract_file_close(loop, file);
    assert_int_equal(path_stat(loop, "file"), IOCP_OK);
    if (contract_clock_is_virtual()) { /* where none is kept, the system makes it up */
        assert_true(path_told.info.created_ns == before.created_ns);
    }
    assert_true(path_told.info.written_ns >= before.written_ns);
}

static void many_are_told_at_once(void **state)
{
    enum {
        MANY = 100
    };
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[MANY] = {{0}};
    make_file(loop, "file", "x");
    for (int i = 0; i < MANY; i++) {
        const char *name = i % 2 == 0 ? "file" : "no";
        assert_int_equal(
            iocp_stat(loop, contract_path_of(name).text, 0, contract_keep, &records[i], NULL),
            IOCP_OK);
    }
    for (int i = 0; i < MANY; i++) {
        contract_wait(loop, &records[i], 1);
        assert_int_equal(records[i].calls, 1);
        assert_int_equal(records[i].status, i % 2 == 0 ? IOCP_OK : IOCP_ENOTFOUND);
    }
}

/* ---- Copying ---- */

static void a_copy_has_what_was_copied(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    make_file(loop, "file", "some text");
    make_file(loop, "empty", "");
    assert_int_equal(path_copy(loop, "file", "copy", 0), IOCP_OK);
    assert_true(path_told.record.result.bytes == 9);
    assert_file(loop, "copy", "some text");
    assert_file(loop, "file", "some text");
    assert_int_equal(path_copy(loop, "empty", "second", 0), IOCP_OK);
    assert_true(path_told.record.result.bytes == 0);
    assert_file(loop, "second", "");
}

static void a_copy_takes_a_place_only_if_it_may(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_folder_create("folder");
    make_file(loop, "file", "some text");
    make_file(loop, "there", "something much longer");
    assert_int_equal(path_copy(loop, "file", "there", 0), IOCP_EEXIST);
    assert_file(loop, "there", "something much longer");
    assert_int_equal(path_copy(loop, "file", "there", IOCP_REPLACE), IOCP_OK);
    assert_file(loop, "there", "some text");
    assert_int_equal(path_copy(loop, "file", "folder", IOCP_REPLACE), IOCP_EISFOLDER);
    assert_int_equal(path_copy(loop, "folder", "new", 0), IOCP_EISFOLDER);
    assert_int_equal(path_copy(loop, "no", "new", 0), IOCP_ENOTFOUND);
    assert_int_equal(path_copy(loop, "file", "no/new", 0), IOCP_ENOTFOUND);
    assert_gone(loop, "new");
}

/* ---- Renaming ---- */

static void what_is_renamed_has_the_new_name_and_not_the_old_one(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_folder_create("folder");
    contract_folder_create("folder/sub");
    make_file(loop, "folder/sub/file", "some text");
    assert_int_equal(path_rename(loop, "folder/sub/file", "folder/sub/other", 0), IOCP_OK);
    assert_gone(loop, "folder/sub/file");
    assert_file(loop, "folder/sub/other", "some text");
    assert_int_equal(path_rename(loop, "folder", "moved", 0), IOCP_OK);
    assert_gone(loop, "folder");
    assert_file(loop, "moved/sub/other", "some text");
    assert_int_equal(path_rename(loop, "no", "new", 0), IOCP_ENOTFOUND);
    assert_int_equal(path_rename(loop, "moved/sub/other", "no/new", 0), IOCP_ENOTFOUND);
    assert_file(loop, "moved/sub/other", "some text");
}

static void a_rename_takes_a_place_only_if_it_may(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_folder_create("folder");
    make_file(loop, "file", "some text");
    make_file(loop, "there", "other");
    assert_int_equal(path_rename(loop, "file", "there", 0), IOCP_EEXIST);
    assert_file(loop, "there", "other");
    assert_file(loop, "file", "some text");
    assert_int_equal(path_rename(loop, "file", "folder", IOCP_REPLACE), IOCP_EISFOLDER);
    assert_int_equal(path_rename(loop, "file", "there", IOCP_REPLACE), IOCP_OK);
    assert_file(loop, "there", "some text");
    assert_gone(loop, "file");
}

/* ---- Removing ---- */

static void what_is_removed_is_gone(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_folder_create("folder");
    make_file(loop, "folder/file", "x");
    assert_int_equal(path_remove(loop, "no", 0), IOCP_ENOTFOUND);
    assert_int_equal(path_remove(loop, "folder", 0), IOCP_ENOTEMPTY);
    assert_file(loop, "folder/file", "x");
    assert_int_equal(path_remove(loop, "folder/file", 0), IOCP_OK);
    assert_gone(loop, "folder/file");
    assert_int_equal(path_remove(loop, "folder", 0), IOCP_OK);
    assert_gone(loop, "folder");
}

/* Where the name is not free before that, it is when it is closed. */
static void an_open_file_can_be_removed_and_read_on(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    char found[16] = {0};
    iocp_handle_t file = contract_file_with(loop, "file", "some text", 9);
    assert_int_equal(path_remove(loop, "file", 0), IOCP_OK);
    assert_int_equal(contract_file_get(loop, file, 0, found, sizeof found), 9);
    assert_string_equal(found, "some text");
    contract_file_close(loop, file);
    assert_gone(loop, "file");
}

static void make_tree(iocp_loop_t *loop, const char *name, int depth)
{
    char child[256];
    contract_folder_create(name);
    for (int i = 0; i < 3; i++) {
        (void)snprintf(child, sizeof child, "%s/file-%d", name, i);
        make_file(loop, child, "x");
        (void)snprintf(child, sizeof child, "%s/folder-%d", name, i);
        if (depth > 0) {
            make_tree(loop, child, depth - 1);
        }
    }
}

static void a_tree_goes_with_all_that_is_in_it(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    make_tree(loop, "tree", 2);
    make_file(loop, "beside", "x");
    make_file(loop, "tree-too", "x");
    assert_int_equal(path_remove(loop, "tree", 0), IOCP_ENOTEMPTY);
    assert_int_equal(path_remove(loop, "tree", IOCP_REMOVE_TREE), IOCP_OK);
    assert_gone(loop, "tree");
    assert_file(loop, "beside", "x");
    assert_file(loop, "tree-too", "x");
    assert_int_equal(path_remove(loop, "beside", IOCP_REMOVE_TREE), IOCP_OK); /* it is no tree */
    assert_gone(loop, "beside");
    assert_int_equal(path_remove(loop, "tree", IOCP_REMOVE_TREE), IOCP_ENOTFOUND);
}

/* More names than one list of a folder has room for. */
static void a_folder_of_many_files_goes_as_a_tree(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    char name[128];
    contract_folder_create("tree");
    for (int i = 0; i < 150; i++) {
        (void)snprintf(name, sizeof name,
                       "tree/a name that is as long as those of films and songs, and more-%d", i);
        make_file(loop, name, "");
    }
    assert_int_equal(path_remove(loop, "tree", IOCP_REMOVE_TREE), IOCP_OK);
    assert_gone(loop, "tree");
}

static void a_tree_with_something_that_must_stay_goes_in_part(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_folder_create("tree");
    contract_folder_create("tree/sub");
    make_file(loop, "tree/sub/file", "x");
    iocp_handle_t file =
        contract_file_open(loop, "tree/sub/file", IOCP_FILE_READ | IOCP_FILE_DENY_DELETE);
    assert_int_equal(path_remove(loop, "tree", IOCP_REMOVE_TREE), IOCP_EBUSY);
    assert_file(loop, "tree/sub/file", "x");
    contract_file_close(loop, file);
    assert_int_equal(path_remove(loop, "tree", IOCP_REMOVE_TREE), IOCP_OK);
    assert_gone(loop, "tree");
}

/* ---- Making folders ---- */

static void a_folder_is_made_and_with_its_parents_if_asked_for(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    assert_int_equal(path_folder_create(loop, "a/b/c", 0), IOCP_ENOTFOUND);
    assert_int_equal(path_folder_create(loop, "a", 0), IOCP_OK);
    assert_int_equal(path_folder_create(loop, "a", 0), IOCP_EEXIST);
    assert_int_equal(path_folder_create(loop, "a", IOCP_FOLDER_PARENTS), IOCP_OK);
    assert_int_equal(path_folder_create(loop, "a/b/c/d", IOCP_FOLDER_PARENTS), IOCP_OK);
    assert_kind(loop, "a/b/c/d", IOCP_KIND_FOLDER);
    make_file(loop, "a/b/file", "x");
    assert_int_equal(path_folder_create(loop, "a/b/file", 0), IOCP_EEXIST);
    assert_int_equal(path_folder_create(loop, "a/b/file", IOCP_FOLDER_PARENTS), IOCP_EEXIST);
    assert_int_not_equal(path_folder_create(loop, "a/b/file/e", IOCP_FOLDER_PARENTS), IOCP_OK);
    assert_file(loop, "a/b/file", "x");
}

/* Of each length where Windows wants one more thing of a path. */
static void long_paths_work_everywhere(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    char name[400];
    char other[400];
    size_t before = strlen(contract_path_of("").text) + 1;
    size_t lengths[] = {246, 247, 248, 249, 258, 259, 260, 261, 350};
    for (size_t i = 0; i < IOC_COUNT_OF(lengths); i++) {
        size_t length = lengths[i] - before;
        memset(name, 'n', length);
        name[length] = '\0';
        name[120] = '/';
        memcpy(other, name, sizeof other);
        other[length - 1] = 'o';
        assert_int_equal(path_folder_create(loop, name, IOCP_FOLDER_PARENTS), IOCP_OK);
        assert_kind(loop, name, IOCP_KIND_FOLDER);
        assert_int_equal(path_remove(loop, name, 0), IOCP_OK);
        assert_int_equal(path_open(loop, name, IOCP_FILE_WRITE | IOCP_FILE_CREATE), IOCP_OK);
        contract_file_close(loop, path_told.record.result.opened);
        assert_int_equal(path_copy(loop, name, other, 0), IOCP_OK);
        assert_int_equal(path_rename(loop, other, name, IOCP_REPLACE), IOCP_OK);
        assert_int_equal(path_remove(loop, name, 0), IOCP_OK);
    }
}

/* ---- Refused ---- */

typedef int(IOCP_CALL *path_fn)(iocp_loop_t *loop, const char *path, uint32_t flags,
                                iocp_callback_t callback, void *userdata, iocp_op_t *op);
typedef int(IOCP_CALL *paths_fn)(iocp_loop_t *loop, const char *from, const char *to,
                                 uint32_t flags, iocp_callback_t callback, void *userdata,
                                 iocp_op_t *op);

static const struct {
    path_fn function;
    uint32_t good;
    uint32_t bad;
} path_functions[] = {
    {iocp_open, IOCP_FILE_READ, 0},
    {iocp_open, IOCP_FILE_READ, IOCP_FILE_READ | 0x80000000u},
    {iocp_open, IOCP_FILE_READ, IOCP_FILE_READ | IOCP_FILE_TRUNCATE},
    {iocp_open, IOCP_FILE_READ, IOCP_FILE_WRITE | IOCP_FILE_FOLDER},
    {iocp_stat, 0, IOCP_STAT_LINK << 1},
    {iocp_remove, 0, IOCP_REMOVE_TREE << 1},
    {iocp_folder_create, 0, IOCP_FOLDER_PARENTS << 1},
};

static const paths_fn paths_functions[] = {iocp_copy, iocp_rename};

/* A text of a path that is not one, and what is said of it. */
static const struct {
    const char *text; /* NULL: one that is too long */
    int status;
} path_texts[] = {{"", IOCP_EINVAL}, {"\xff", IOCP_EINVAL}, {NULL, IOCP_ENAMETOOLONG}};

static char *too_long(void)
{
    enum {
        LONG_BYTES = 40000
    };
    char *text = malloc(LONG_BYTES + 1);
    assert_non_null(text);
    memset(text, 'a', LONG_BYTES);
    text[LONG_BYTES] = '\0';
    return text;
}

static void bad_arguments_are_refused_by_the_call(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    iocp_op_t op = {.id = 77};
    char *longest = too_long();
    for (size_t i = 0; i < IOC_COUNT_OF(path_functions); i++) {
        path_fn function = path_functions[i].function;
        uint32_t good = path_functions[i].good;
        assert_int_equal(function(loop, "file", path_functions[i].bad, contract_keep, &record, &op),
                         IOCP_EINVAL);
        assert_int_equal(function(loop, NULL, good, contract_keep, &record, &op), IOCP_EINVAL);
        for (size_t k = 0; k < IOC_COUNT_OF(path_texts); k++) {
            const char *text = path_texts[k].text != NULL ? path_texts[k].text : longest;
            assert_int_equal(function(loop, text, good, contract_keep, &record, &op),
                             path_texts[k].status);
        }
    }
    for (size_t i = 0; i < IOC_COUNT_OF(paths_functions); i++) {
        paths_fn function = paths_functions[i];
        assert_int_equal(function(loop, "a", "b", IOCP_REPLACE << 1, contract_keep, &record, &op),
                         IOCP_EINVAL);
        assert_int_equal(function(loop, NULL, "b", 0, contract_keep, &record, &op), IOCP_EINVAL);
        assert_int_equal(function(loop, "a", NULL, 0, contract_keep, &record, &op), IOCP_EINVAL);
        for (size_t k = 0; k < IOC_COUNT_OF(path_texts); k++) {
            const char *text = path_texts[k].text != NULL ? path_texts[k].text : longest;
            assert_int_equal(function(loop, text, "b", 0, contract_keep, &record, &op),
                             path_texts[k].status);
            assert_int_equal(function(loop, "a", text, 0, contract_keep, &record, &op),
                             path_texts[k].status);
        }
    }
    free(longest);
    contract_idle(loop);
    assert_int_equal(record.calls, 0);
    assert_int_equal(op.id, 77);
}

static void what_is_not_a_name_is_told_in_the_result(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    make_file(loop, "file", "x");
    assert_int_equal(path_open(loop, "wh?t", IOCP_FILE_READ), IOCP_EINVAL);
    assert_int_equal(path_stat(loop, "wh?t"), IOCP_EINVAL);
    assert_int_equal(path_remove(loop, "wh?t", 0), IOCP_EINVAL);
    assert_int_equal(path_folder_create(loop, "wh?t", 0), IOCP_EINVAL);
    assert_int_equal(path_rename(loop, "file", "wh?t", 0), IOCP_EINVAL);
    assert_int_equal(path_copy(loop, "file", "wh?t", 0), IOCP_EINVAL);
    assert_file(loop, "file", "x");
}

/* The call has copied it. */
static void a_path_need_not_outlive_the_call(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record record = {0};
    contract_path from = contract_path_of("file");
    contract_path to = contract_path_of("new");
    make_file(loop, "file", "x");
    assert_int_equal(iocp_rename(loop, from.text, to.text, 0, contract_keep, &record, NULL),
                     IOCP_OK);
    memset(&from, 'z', sizeof from);
    memset(&to, 'z', sizeof to);
    contract_wait(loop, &record, 1);
    assert_int_equal(record.status, IOCP_OK);
    assert_file(loop, "new", "x");
}

/* ---- Ends ---- */

/* Some have begun, some have not, some are told: no file stays open, and each is told once. */
static void a_loop_that_ends_loses_no_file_that_was_being_opened(void **state)
{
    enum {
        OPENS = 40
    };
    iocp_loop_t *loop = contract_loop(state);
    contract_record records[OPENS] = {{0}};
    make_file(loop, "file", "x");
    for (int i = 0; i < OPENS; i++) {
        assert_int_equal(iocp_open(loop, contract_path_of("file").text, IOCP_FILE_READ,
                                   contract_keep, &records[i], NULL),
                         IOCP_OK);
        if (i == OPENS / 2) {
            assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
        }
    }
    contract_loop_destroy(loop);
    contract_forget_loop(state);
    for (int i = 0; i < OPENS; i++) {
        assert_int_equal(records[i].calls, 1);
        assert_true(records[i].status == IOCP_OK || records[i].status == IOCP_ECANCELED);
    }
}

static void what_is_cancelled_ends_with_the_truth(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    make_file(loop, "file", "x");
    for (int i = 0; i < 20; i++) {
        contract_record record = {0};
        iocp_op_t op;
        assert_int_equal(iocp_rename(loop, contract_path_of("file").text,
                                     contract_path_of("new").text, 0, contract_keep, &record, &op),
                         IOCP_OK);
        assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
        assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
        contract_wait(loop, &record, 1);
        assert_true(record.status == IOCP_OK || record.status == IOCP_ECANCELED);
        assert_file(loop, record.status == IOCP_OK ? "new" : "file", "x");
        if (record.status == IOCP_OK) {
            assert_int_equal(path_rename(loop, "new", "file", 0), IOCP_OK);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_FILE_TEST(an_open_tells_what_the_file_is_and_gives_it),
        CONTRACT_FILE_TEST(an_open_does_what_its_flags_say),
        CONTRACT_FILE_TEST(a_folder_is_opened_as_one_and_as_nothing_else),
        CONTRACT_FILE_TEST(an_open_that_is_rearmed_opens_another),
        CONTRACT_FILE_TEST(what_is_denied_others_cannot_do_meanwhile),
        CONTRACT_FILE_TEST(what_a_path_stands_for_is_told),
        CONTRACT_FILE_TEST(times_go_on),
        CONTRACT_FILE_TEST(many_are_told_at_once),
        CONTRACT_FILE_TEST(a_copy_has_what_was_copied),
        CONTRACT_FILE_TEST(a_copy_takes_a_place_only_if_it_may),
        CONTRACT_FILE_TEST(what_is_renamed_has_the_new_name_and_not_the_old_one),
        CONTRACT_FILE_TEST(a_rename_takes_a_place_only_if_it_may),
        CONTRACT_FILE_TEST(what_is_removed_is_gone),
        CONTRACT_FILE_TEST(an_open_file_can_be_removed_and_read_on),
        CONTRACT_FILE_TEST(a_tree_goes_with_all_that_is_in_it),
        CONTRACT_FILE_TEST(a_folder_of_many_files_goes_as_a_tree),
        CONTRACT_FILE_TEST(a_tree_with_something_that_must_stay_goes_in_part),
        CONTRACT_FILE_TEST(a_folder_is_made_and_with_its_parents_if_asked_for),
        CONTRACT_FILE_TEST(long_paths_work_everywhere),
        CONTRACT_FILE_TEST(bad_arguments_are_refused_by_the_call),
        CONTRACT_FILE_TEST(what_is_not_a_name_is_told_in_the_result),
        CONTRACT_FILE_TEST(a_path_need_not_outlive_the_call),
        CONTRACT_FILE_TEST(a_loop_that_ends_loses_no_file_that_was_being_opened),
        CONTRACT_FILE_TEST(what_is_cancelled_ends_with_the_truth),
    };
    return CONTRACT_RUN(tests);
}
