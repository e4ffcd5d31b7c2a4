/* Folders: what happens in one is told, once and in its order, or that it was too much. */
#include "contract_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRESH (IOCP_FILE_READ | IOCP_FILE_WRITE | IOCP_FILE_CREATE | IOCP_FILE_EXCLUSIVE)

#define LOG_BYTES ((size_t)1 << 18)

/* What a watch has told: "+added", "-removed", "~modified", "old>new", each once in a row. */
typedef struct watcher {
    iocp_op_t op;
    int status;
    int calls;
    int rescans;
    int details;  /* entries with what was known */
    bool disarms; /* at the next call */
    size_t length;
    char log[LOG_BYTES];
} watcher;

static watcher watcher_now;

/* ---- Watching ---- */

static void watcher__put(watcher *w, const char *before, const char *mark, const char *name)
{
    char line[512];
    int length = snprintf(line, sizeof line, "%s%s%s ", before, mark, name);
    assert_in_range(length, 2, (int)sizeof line - 1);
    bool is_again = w->length >= (size_t)length &&
                    memcmp(w->log + w->length - (size_t)length, line, (size_t)length) == 0;
    if (!is_again && w->length + (size_t)length < LOG_BYTES) {
        memcpy(w->log + w->length, line, (size_t)length + 1);
        w->length += (size_t)length;
    }
}

static void watcher__note(watcher *w, const iocp_entry_t *entry)
{
    static const char *const marks[] = {"=", "+", "-", "~", ">"};
    assert_in_range(entry->change, IOCP_CHANGE_ADDED, IOCP_CHANGE_RENAMED);
    assert_int_equal(entry->name_length, strlen(entry->name));
    assert_int_equal(entry->old_name != NULL, entry->change == IOCP_CHANGE_RENAMED);
    w->details += entry->info != NULL;
    watcher__put(w, entry->old_name != NULL ? entry->old_name : "", marks[entry->change],
                 entry->name);
}

static iocp_action_t IOCP_CALL watcher__tell(iocp_loop_t *loop, const iocp_result_t *result,
                                             void *userdata)
{
    watcher *w = userdata;
    (void)loop;
    if (contract_is_over()) {
        return IOCP_DISARM;
    }
    bool is_rescan = (result->flags & IOCP_RESULT_RESCAN) != 0;
    assert_int_equal(result->status == IOCP_OK, result->entries != NULL || is_rescan);
    assert_int_equal(result->bytes, 0);
    w->status = result->status;
    w->calls++;
    w->rescans += is_rescan;
    for (const iocp_entry_t *entry = result->entries; entry != NULL; entry = entry->next) {
        watcher__note(w, entry);
    }
    return result->status == IOCP_OK && !w->disarms ? IOCP_REARM : IOCP_DISARM;
}

static iocp_handle_t folder__open(iocp_loop_t *loop, const char *name)
{
    return contract_file_open(loop, name, IOCP_FILE_READ | IOCP_FILE_FOLDER);
}

static int watcher__try(iocp_loop_t *loop, iocp_handle_t folder, uint32_t flags)
{
    return iocp_folder_watch(loop, folder, flags, watcher__tell, &watcher_now, &watcher_now.op);
}

/* What happens from here on is told. */
static watcher *watcher__start(iocp_loop_t *loop, iocp_handle_t folder, uint32_t flags)
{
    memset(&watcher_now, 0, sizeof watcher_now);
    assert_int_equal(watcher__try(loop, folder, flags), IOCP_OK);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    return &watcher_now;
}

/* Until it has told that. */
static void watcher__wait(iocp_loop_t *loop, const watcher *w, const char *line)
{
    while (strstr(w->log, line) == NULL) {
        assert_int_equal(w->status, IOCP_OK);
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_ONCE), IOCP_OK);
    }
}

/* It has told nothing but this. */
static void watcher__check(iocp_loop_t *loop, const watcher *w, const char *log)
{
    contract_idle(loop);
    assert_string_equal(w->log, log);
    assert_int_equal(w->rescans, 0);
}

static void watcher__stop(iocp_loop_t *loop, const watcher *w)
{
    assert_int_equal(iocp_cancel(loop, w->op, NULL, NULL, NULL), IOCP_OK);
    while (w->status == IOCP_OK) {
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_ONCE), IOCP_OK);
    }
    assert_int_equal(w->status, IOCP_ECANCELED);
}

/* ---- What happens ---- */

static void file__make(iocp_loop_t *loop, const char *name)
{
    contract_file_close(loop, contract_file_open(loop, name, FRESH));
}

static void file__write(iocp_loop_t *loop, const char *name)
{
    iocp_handle_t handle = contract_file_open(loop, name, IOCP_FILE_WRITE);
    contract_file_put(loop, handle, 0, "text", 4);
    contract_file_close(loop, handle);
}

static void path__end(iocp_loop_t *loop, contract_record *record, int status)
{
    assert_int_equal(status, IOCP_OK);
    contract_wait(loop, record, 1);
    assert_int_equal(record->status, IOCP_OK);
}

static void file__rename(iocp_loop_t *loop, const char *from, const char *to)
{
    contract_record record = {0};
    contract_path old_path = contract_path_of(from);
    contract_path new_path = contract_path_of(to);
    path__end(loop, &record,
              iocp_rename(loop, old_path.text, new_path.text, 0, contract_keep, &record, NULL));
}

static void file__remove(iocp_loop_t *loop, const char *name)
{
    contract_record record = {0};
    path__end(loop, &record,
              iocp_remove(loop, contract_path_of(name).text, 0, contract_keep, &record, NULL));
}

/* ---- Changes ---- */

static void what_happens_in_a_folder_is_told_in_its_order(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_folder_create("w");
    iocp_handle_t folder = folder__open(loop, "w");
    watcher *w = watcher__start(loop, folder, 0);
    file__make(loop, "w/a");
    watcher__wait(loop, w, "+a ");
    file__write(loop, "w/a");
    watcher__wait(loop, w, "~a ");
    file__rename(loop, "w/a", "w/b");
    watcher__wait(loop, w, "a>b ");
    file__remove(loop, "w/b");
    watcher__wait(loop, w, "-b ");
    assert_true(strstr(w->log, "-a") == NULL && strstr(w->log, "+b") == NULL);
    bool has_details = (iocp_capabilities() & IOCP_CAP_CHANGE_DETAILS) != 0;
    assert_int_equal(w->details > 0, has_details);
    watcher__stop(loop, w);
}

static void names_alone_are_told_if_nothing_else_is_asked_for(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_folder_create("w");
    watcher *w = watcher__start(loop, folder__open(loop, "w"), IOCP_WATCH_NAMES);
    file__make(loop, "w/a");
    file__write(loop, "w/a");
    contract_folder_create("w/b");
    watcher__wait(loop, w, "+b ");
    watcher__check(loop, w, "+a +b ");
    watcher__stop(loop, w);
}

static void contents_alone_are_told_if_nothing_else_is_asked_for(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_folder_create("w");
    file__make(loop, "w/a");
    watcher *w = watcher__start(loop, folder__open(loop, "w"), IOCP_WATCH_CONTENTS);
    contract_folder_create("w/b");
    file__write(loop, "w/a");
    watcher__wait(loop, w, "~a ");
    contract_idle(loop);
    assert_null(strstr(w->log, "+"));
    watcher__stop(loop, w);
}

static void folders_within_are_told_of_if_the_tree_is_watched(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    for (int i = 0; i < 2; i++) {
        bool is_tree = i == 1;
        const char *name = is_tree ? "tree" : "flat";
        char below[64];
        contract_folder_create(name);
        iocp_handle_t folder = folder__open(loop, name);
        watcher *w =
            watcher__start(loop, folder, IOCP_WATCH_NAMES | (is_tree ? IOCP_WATCH_TREE : 0u));
        (void)snprintf(below, sizeof below, "%s/sub", name);
        contract_folder_create(below);
        watcher__wait(loop, w, "+sub ");
        (void)snprintf(below, sizeof below, "%s/sub/a", name);
        file__make(loop, below);
        (void)snprintf(below, sizeof below, "%s/z", name);
        contract_folder_create(below);
        watcher__wait(loop, w, "+z ");
        watcher__check(loop, w, is_tree ? "+sub +sub\\a +z " : "+sub +z ");
        watcher__stop(loop, w);
    }
}

static void a_name_that_goes_elsewhere_is_removed_and_one_that_comes_is_added(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_folder_create("w");
    contract_folder_create("other");
    file__make(loop, "w/a");
    watcher *w = watcher__start(loop, folder__open(loop, "w"), IOCP_WATCH_NAMES);
    file__rename(loop, "w/a", "other/a");
    watcher__wait(loop, w, "-a ");
    file__rename(loop, "other/a", "w/b");
    watcher__wait(loop, w, "+b ");
    watcher__check(loop, w, "-a +b ");
    watcher__stop(loop, w);
}

static void names_beyond_ascii_are_told_as_they_are(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_folder_create("w");
    watcher *w = watcher__start(loop, folder__open(loop, "w"), IOCP_WATCH_NAMES);
    contract_folder_create("w/gr\xc3\xa4ser-\xe4\xba\x8c-\xf0\x9f\x8c\xb1");
    watcher__wait(loop, w, "+gr\xc3\xa4ser-\xe4\xba\x8c-\xf0\x9f\x8c\xb1 ");
    watcher__stop(loop, w);
}

/* ---- Between two runs ---- */

static void what_happens_between_two_watches_is_told_by_the_second(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_folder_create("w");
    iocp_handle_t folder = folder__open(loop, "w");
    watcher *w = watcher__start(loop, folder, IOCP_WATCH_NAMES);
    w->disarms = true;
    contract_folder_create("w/a");
    watcher__wait(loop, w, "+a ");
    assert_int_equal(iocp_op_state(loop, w->op), IOCP_OP_DEAD);
    contract_folder_create("w/b");
    contract_idle(loop);
    contract_folder_create("w/c");
    w = watcher__start(loop, folder, IOCP_WATCH_NAMES);
    watcher__wait(loop, w, "+c ");
    watcher__check(loop, w, "+b +c ");
    watcher__stop(loop, w);
}

static void a_cancel_loses_nothing(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_folder_create("w");
    iocp_handle_t folder = folder__open(loop, "w");
    for (int i = 0; i < 20; i++) {
        char name[16];
        char line[16];
        (void)snprintf(name, sizeof name, "w/%d", i);
        (void)snprintf(line, sizeof line, "+%d ", i);
        watcher *w = watcher__start(loop, folder, IOCP_WATCH_NAMES);
        if (i % 2 == 0) {
            contract_folder_create(name);
        }
        assert_int_equal(iocp_cancel(loop, w->op, NULL, NULL, NULL), IOCP_OK);
        assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
        if (i % 2 != 0) {
            contract_folder_create(name);
        }
        while (iocp_op_state(loop, w->op) != IOCP_OP_DEAD) {
            assert_int_equal(iocp_loop_run(loop, IOCP_RUN_ONCE), IOCP_OK);
        }
        if (strstr(w->log, line) == NULL) {
            w = watcher__start(loop, folder, IOCP_WATCH_NAMES);
            watcher__wait(loop, w, line);
            watcher__stop(loop, w);
        }
    }
}

/* ---- Much ---- */

/* Names, each of which comes and goes. */
#define MANY 2500

/* Each of them came once, then went once. */
static void many__check(const watcher *w)
{
    static char last[MANY];
    memset(last, 0, sizeof last);
    for (const char *line = w->log; *line != '\0' && line[1] != 'l'; line = strchr(line, ' ') + 1) {
        int number = atoi(line + 1);
        assert_in_range(number, 0, MANY - 1);
        assert_int_equal(last[number], line[0] == '+' ? 0 : '+');
        last[number] = line[0];
    }
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(last[i], '-');
    }
}

/* The loop looks at what happens each time that so many have come and gone. */
static int many__make(iocp_loop_t *loop, int at_once)
{
    contract_folder_create("w");
    iocp_handle_t folder = folder__open(loop, "w");
    watcher *w = watcher__start(loop, folder, IOCP_WATCH_NAMES);
    for (int i = 0; i < MANY; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "w/%d", i);
        contract_native_close(contract_native_file(name, FRESH, 0));
        contract_file_remove(name);
        if (i % at_once == 0) {
            contract_idle(loop);
        }
    }
    contract_native_close(contract_native_file("w/last", FRESH, 0));
    while (strstr(w->log, "+last ") == NULL && w->rescans == 0) {
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_ONCE), IOCP_OK);
    }
    if (w->rescans == 0) {
        many__check(w);
    }
    watcher__stop(loop, w);
    contract_file_close(loop, folder);
    return w->rescans;
}

static void of_many_changes_each_is_told_or_that_some_were_lost(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    int rescans = many__make(loop, MANY / 4);
    print_message("%d changes, %s\n", 2 * MANY, rescans > 0 ? "too many" : "each told");
}

static void of_many_changes_that_come_one_by_one_each_is_told(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    assert_int_equal(many__make(loop, MANY / 100), 0);
}

static void the_steady_state_of_a_watch_allocates_nothing(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    uint64_t before = 0;
    contract_folder_create("w");
    watcher *w = watcher__start(loop, folder__open(loop, "w"), IOCP_WATCH_NAMES);
    for (int i = 0; i < 40; i++) {
        char name[16];
        char line[16];
        (void)snprintf(name, sizeof name, "w/%d", 100 + i);
        (void)snprintf(line, sizeof line, "+%d ", 100 + i);
        contract_folder_create(name);
        watcher__wait(loop, w, line);
        before = i == 10 ? contract_stats(loop).allocations : before;
    }
    assert_int_equal(contract_stats(loop).allocations, before);
    watcher__stop(loop, w);
}

/* ---- One watch, and its flags ---- */

static iocp_action_t IOCP_CALL again__try(iocp_loop_t *loop, const iocp_result_t *result,
                                          void *userdata)
{
    int *status = userdata;
    *status = iocp_folder_watch(loop, result->handle, 0, again__try, userdata, NULL);
    return IOCP_DISARM;
}

static void one_watch_at_a_time(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    int status = IOCP_OK;
    contract_folder_create("w");
    iocp_handle_t folder = folder__open(loop, "w");
    assert_int_equal(iocp_folder_watch(loop, folder, 0, again__try, &status, NULL), IOCP_OK);
    assert_int_equal(watcher__try(loop, folder, 0), IOCP_EALREADY);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    assert_int_equal(watcher__try(loop, folder, 0), IOCP_EALREADY);
    contract_folder_create("w/a");
    while (status == IOCP_OK) { /* in its own callback it is one, too */
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_ONCE), IOCP_OK);
    }
    assert_int_equal(status, IOCP_EALREADY);
    watcher *w = watcher__start(loop, folder, 0);
    iocp_handle_t other = folder__open(loop, "w"); /* which has one of its own */
    contract_record record = {0};
    assert_int_equal(iocp_folder_watch(loop, other, IOCP_WATCH_NAMES, contract_keep, &record, NULL),
                     IOCP_OK);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    contract_folder_create("w/b");
    contract_wait(loop, &record, 1);
    assert_int_equal(record.status, IOCP_OK);
    watcher__stop(loop, w);
}

static void the_first_watch_of_a_handle_settles_its_flags(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_folder_create("w");
    iocp_handle_t folder = folder__open(loop, "w");
    watcher *w = watcher__start(loop, folder, IOCP_WATCH_TREE);
    watcher__stop(loop, w);
    assert_int_equal(watcher__try(loop, folder, 0), IOCP_EINVAL);
    assert_int_equal(watcher__try(loop, folder, IOCP_WATCH_TREE | IOCP_WATCH_NAMES), IOCP_EINVAL);
    assert_int_equal(watcher__try(loop, folder, IOCP_WATCH_ATTRIBUTES << 1), IOCP_EINVAL);
    uint32_t usual = IOCP_WATCH_NAMES | IOCP_WATCH_CONTENTS; /* what it is without them */
    w = watcher__start(loop, folder, IOCP_WATCH_TREE | usual);
    watcher__stop(loop, w);
}

static void a_file_is_not_watched(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    file__make(loop, "a");
    iocp_handle_t file = contract_file_open(loop, "a", IOCP_FILE_READ);
    assert_int_equal(watcher__try(loop, file, 0), IOCP_ENOTSUP);
    contract_folder_create("w");
    contract_record never = {0};
    char data[1];
    iocp_handle_t folder = folder__open(loop, "w");
    assert_int_equal(iocp_read(loop, folder, data, 1, contract_keep, &never, NULL), IOCP_ENOTSUP);
}

/* Wine tells nothing of it; what Windows does is in win32/test_folders.c. */
static void the_watch_of_a_folder_that_is_removed_ends(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    if (!contract_clock_is_virtual()) {
        print_message("only the simulation is asked\n");
        skip();
    }
    contract_folder_create("w");
    watcher *w = watcher__start(loop, folder__open(loop, "w"), 0);
    file__remove(loop, "w");
    while (w->calls == 0) {
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_ONCE), IOCP_OK);
    }
    assert_int_equal(w->status, IOCP_ENOTFOUND);
}

/* ---- Names ---- */

#define NAMES     400
#define NAME_FILL 160 /* so long that these take some portions */

/* What lists have told. */
typedef struct lister {
    int status; /* of the last call */
    int calls;
    int portions; /* with names */
    int names;
    int ends; /* how often it came to the end */
    int rearms;
    bool is_told[NAMES];
    iocp_file_info_t info; /* of the last */
} lister;

static lister lister_now;

static void name__make(char *name, size_t size, int number)
{
    int length = snprintf(name, size, "n%03d-", number);
    memset(name + length, 'x', NAME_FILL);
    name[length + NAME_FILL] = '\0';
}

static void lister__note(lister *l, const iocp_entry_t *entry)
{
    char expected[NAME_FILL + 16];
    assert_int_equal(entry->change, IOCP_CHANGE_NONE);
    assert_null(entry->old_name);
    assert_int_equal(entry->name_length, strlen(entry->name));
    assert_non_null(entry->info);
    int number = atoi(entry->name + 1);
    assert_in_range(number, 0, NAMES - 1);
    name__make(expected, sizeof expected, number);
    assert_string_equal(entry->name, expected);
    assert_false(l->is_told[number]);
    l->is_told[number] = true;
    l->names++;
    l->info = *entry->info;
}

static iocp_action_t IOCP_CALL lister__tell(iocp_loop_t *loop, const iocp_result_t *result,
                                            void *userdata)
{
    lister *l = userdata;
    (void)loop;
    if (contract_is_over()) {
        return IOCP_DISARM;
    }
    assert_int_equal(result->status == IOCP_OK, result->entries != NULL);
    assert_int_equal(result->bytes, 0);
    l->status = result->status;
    l->calls++;
    l->portions += result->status == IOCP_OK;
    l->ends += result->status == IOCP_EOF;
    for (const iocp_entry_t *entry = result->entries; entry != NULL; entry = entry->next) {
        lister__note(l, entry);
    }
    if (result->status == IOCP_EOF) {
        memset(l->is_told, 0, sizeof l->is_told);
    }
    return l->rearms-- > 0 ? IOCP_REARM : IOCP_DISARM;
}

/* So many calls more than one. */
static lister *lister__start(iocp_loop_t *loop, iocp_handle_t folder, int rearms, iocp_op_t *op)
{
    memset(&lister_now, 0, sizeof lister_now);
    lister_now.rearms = rearms;
    assert_int_equal(iocp_folder_list(loop, folder, lister__tell, &lister_now, op), IOCP_OK);
    return &lister_now;
}

static void lister__run(iocp_loop_t *loop, const lister *l, int ends)
{
    while (l->ends < ends) {
        assert_true(l->status == IOCP_OK || l->status == IOCP_EOF);
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_ONCE), IOCP_OK);
    }
}

static void folder__fill(int count)
{
    contract_folder_create("w");
    for (int i = 0; i < count; i++) {
        char name[NAME_FILL + 16] = "w/";
        name__make(name + 2, sizeof name - 2, i);
        contract_native_close(contract_native_file(name, FRESH, 0));
    }
}

static void all_names_of_a_folder_are_listed_once(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    folder__fill(NAMES);
    lister *l = lister__start(loop, folder__open(loop, "w"), INT32_MAX, NULL);
    lister__run(loop, l, 1);
    assert_int_equal(l->names, NAMES);
    assert_true(l->portions > 1);
    lister__run(loop, l, 2); /* rearmed at the end it begins anew */
    assert_int_equal(l->names, 2 * NAMES);
}

static void an_empty_folder_ends_at_once(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_folder_create("w");
    lister *l = lister__start(loop, folder__open(loop, "w"), 0, NULL);
    lister__run(loop, l, 1);
    assert_int_equal(l->calls, 1);
}

static void a_list_that_was_left_begins_anew(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    folder__fill(NAMES);
    iocp_handle_t folder = folder__open(loop, "w");
    for (int i = 0; i < 3; i++) {
        lister *l = lister__start(loop, folder, i == 2 ? INT32_MAX : i, NULL);
        while (l->calls <= i) {
            assert_int_equal(iocp_loop_run(loop, IOCP_RUN_ONCE), IOCP_OK);
        }
        assert_true(l->names > 0 && (l->names < NAMES || i == 2));
        if (i == 2) {
            lister__run(loop, l, 1);
            assert_int_equal(l->names, NAMES);
        }
    }
}

static void a_name_is_listed_with_what_is_known_of_it(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    char name[NAME_FILL + 16] = "w/";
    contract_record record = {0};
    folder__fill(1);
    name__make(name + 2, sizeof name - 2, 0);
    file__write(loop, name);
    lister *l = lister__start(loop, folder__open(loop, "w"), INT32_MAX, NULL);
    lister__run(loop, l, 1);
    path__end(loop, &record,
              iocp_stat(loop, contract_path_of(name).text, 0, contract_keep, &record, NULL));
    assert_int_equal(l->info.kind, IOCP_KIND_FILE);
    assert_int_equal(l->info.size, 4);
    assert_int_equal(l->info.links, 0);
    assert_int_equal(l->info.reparse_tag, 0);
    assert_true(l->info.written_ns > 0 && l->info.created_ns > 0);
    assert_true(l->info.volume != 0 || l->info.file == 0);
}

static iocp_action_t IOCP_CALL list__try(iocp_loop_t *loop, const iocp_result_t *result,
                                         void *userdata)
{
    int *status = userdata;
    *status = iocp_folder_list(loop, result->handle, list__try, userdata, NULL);
    return IOCP_DISARM;
}

static void one_list_at_a_time_beside_a_watch(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    int status = IOCP_OK;
    folder__fill(1);
    iocp_handle_t folder = folder__open(loop, "w");
    watcher *w = watcher__start(loop, folder, IOCP_WATCH_NAMES);
    assert_int_equal(iocp_folder_list(loop, folder, list__try, &status, NULL), IOCP_OK);
    assert_int_equal(iocp_folder_list(loop, folder, list__try, &status, NULL), IOCP_EALREADY);
    while (status == IOCP_OK) { /* in its own callback it is one, too */
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_ONCE), IOCP_OK);
    }
    assert_int_equal(status, IOCP_EALREADY);
    contract_folder_create("w/a");
    watcher__wait(loop, w, "+a ");
    watcher__stop(loop, w);
}

static void the_steady_state_of_a_list_allocates_nothing(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    folder__fill(NAMES);
    lister *l = lister__start(loop, folder__open(loop, "w"), INT32_MAX, NULL);
    lister__run(loop, l, 2);
    uint64_t before = contract_stats(loop).allocations;
    lister__run(loop, l, 4);
    uint64_t more = contract_stats(loop).allocations - before;
    assert_int_equal(more, 0);
}

/* What a portion had is lost then, and nobody is to think that it was told. */
static void a_list_that_had_no_memory_begins_anew(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    folder__fill(NAMES);
    lister *l = lister__start(loop, folder__open(loop, "w"), INT32_MAX, NULL);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    contract_allow_blocks(0);
    while (l->calls == 0) {
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_ONCE), IOCP_OK);
    }
    contract_allow_blocks(UINT64_MAX);
    assert_int_equal(l->status, IOCP_ENOMEM);
    while (l->calls == 1) {
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_ONCE), IOCP_OK);
    }
    lister__run(loop, l, 1);
    assert_int_equal(l->names, NAMES);
}

static void a_list_ends_with_its_handle(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    contract_record closed = {0};
    folder__fill(8);
    iocp_handle_t folder = folder__open(loop, "w");
    lister *l = lister__start(loop, folder, INT32_MAX, NULL);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    assert_int_equal(iocp_close(loop, folder, contract_keep, &closed, NULL), IOCP_OK);
    contract_wait(loop, &closed, 1);
    assert_int_equal(l->status, IOCP_ECANCELED);
    assert_in_range(l->calls, 1, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_FILE_TEST(what_happens_in_a_folder_is_told_in_its_order),
        CONTRACT_FILE_TEST(names_alone_are_told_if_nothing_else_is_asked_for),
        CONTRACT_FILE_TEST(contents_alone_are_told_if_nothing_else_is_asked_for),
        CONTRACT_FILE_TEST(folders_within_are_told_of_if_the_tree_is_watched),
        CONTRACT_FILE_TEST(a_name_that_goes_elsewhere_is_removed_and_one_that_comes_is_added),
        CONTRACT_FILE_TEST(names_beyond_ascii_are_told_as_they_are),
        CONTRACT_FILE_TEST(what_happens_between_two_watches_is_told_by_the_second),
        CONTRACT_FILE_TEST(a_cancel_loses_nothing),
        CONTRACT_FILE_TEST(of_many_changes_each_is_told_or_that_some_were_lost),
        CONTRACT_FILE_TEST(of_many_changes_that_come_one_by_one_each_is_told),
        CONTRACT_FILE_TEST(the_steady_state_of_a_watch_allocates_nothing),
        CONTRACT_FILE_TEST(one_watch_at_a_time),
        CONTRACT_FILE_TEST(the_first_watch_of_a_handle_settles_its_flags),
        CONTRACT_FILE_TEST(a_file_is_not_watched),
        CONTRACT_FILE_TEST(the_watch_of_a_folder_that_is_removed_ends),
        CONTRACT_FILE_TEST(all_names_of_a_folder_are_listed_once),
        CONTRACT_FILE_TEST(an_empty_folder_ends_at_once),
        CONTRACT_FILE_TEST(a_list_that_was_left_begins_anew),
        CONTRACT_FILE_TEST(a_name_is_listed_with_what_is_known_of_it),
        CONTRACT_FILE_TEST(one_list_at_a_time_beside_a_watch),
        CONTRACT_FILE_TEST(the_steady_state_of_a_list_allocates_nothing),
        CONTRACT_FILE_TEST(a_list_that_had_no_memory_begins_anew),
        CONTRACT_FILE_TEST(a_list_ends_with_its_handle),
    };
    return CONTRACT_RUN(tests);
}
