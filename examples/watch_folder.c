/*
 * Keeps a copy of a folder: watch_folder FROM TO
 *
 * TO is a folder of its own, and becomes what FROM is: what else is in it goes. The watch starts first,
 * then everything is listed and copied; from then on each name of which something is told is looked at
 * again. What a change tells may be over long since, so it is never repeated: a job makes a name in TO
 * what it is in FROM now. What becomes of that later brings a job of its own, and jobs are done one at a
 * time, in the order of their changes; so the last one of each name leaves the truth. Where Windows has
 * lost some changes TO begins anew. Ctrl-C ends it.
 */
#include <iocploop.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_NS UINT64_C(200000000) /* for a file that somebody is writing */
#define RETRIES  50

typedef struct job {
    struct job *next;
    char *name;      /* relative to both folders, "" is the folder itself */
    bool is_deep;    /* of a folder: what is in it as well */
    bool is_cleared; /* what TO had by this name is gone */
    int tries;
} job;

typedef struct mirror {
    const char *from;
    const char *to;
    iocp_handle_t folder;
    job *first; /* that is being done, if one is */
    job **last;
    bool is_busy;
    bool is_broken; /* something went wrong that is not mended by what comes */
    char *source;
    char *target;
} mirror;

/* ---- Texts ---- */

/* folder\name, or one of them if the other is empty; to be freed. NULL: no memory. */
static char *path_join(const char *folder, const char *name)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = malloc(size);
    bool has_both = folder[0] != '\0' && name[0] != '\0';
    if (path != NULL) {
        snprintf(path, size, "%s%s%s", folder, has_both ? "\\" : "", name);
    }
    return path;
}

/* Whether it worked, or the loop ends, of which nothing has to be said. */
static bool check(mirror *self, int status, const char *what)
{
    if (status != IOCP_OK && status != IOCP_ECLOSING && status != IOCP_ECANCELED) {
        fprintf(stderr, "%s: %s (%s)\n", what, iocp_error_text(status), iocp_error_name(status));
        self->is_broken = true;
    }
    return status == IOCP_OK;
}

/* ---- Jobs ---- */

static void job_free(job *one)
{
    free(one->name);
    free(one);
}

static void mirror_add(mirror *self, const char *folder, const char *name, bool is_deep)
{
    job *added = calloc(1, sizeof *added);
    if (added == NULL || (added->name = path_join(folder, name)) == NULL) {
        free(added);
        (void)check(self, IOCP_ENOMEM, name);
        return;
    }
    added->is_deep = is_deep;
    *self->last = added;
    self->last = &added->next;
}

static iocp_action_t IOCP_CALL on_known(iocp_loop_t *loop, const iocp_result_t *result, void *arg);

static void mirror_go_on(iocp_loop_t *loop, mirror *self)
{
    if (self->is_busy || self->first == NULL) {
        return;
    }
    free(self->source);
    free(self->target);
    self->source = path_join(self->from, self->first->name);
    self->target = path_join(self->to, self->first->name);
    int status = self->source == NULL || self->target == NULL
                     ? IOCP_ENOMEM
                     : iocp_stat(loop, self->source, IOCP_STAT_LINK, on_known, self, NULL);
    self->is_busy = check(self, status, self->first->name);
}

static void mirror_done(iocp_loop_t *loop, mirror *self)
{
    job *done = self->first;
    self->first = done->next;
    if (self->first == NULL) {
        self->last = &self->first;
    }
    job_free(done);
    self->is_busy = false;
    mirror_go_on(loop, self);
}

/* The same job from its beginning. */
static void mirror_again(iocp_loop_t *loop, mirror *self)
{
    self->is_busy = false;
    mirror_go_on(loop, self);
}

static iocp_action_t IOCP_CALL on_pause(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    if (result->status == IOCP_OK) {
        mirror_again(loop, arg);
    }
    return IOCP_DISARM;
}

/* The end of a step that may be the last: somebody may be at the file, or its name be gone by now. */
static iocp_action_t IOCP_CALL on_done(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    mirror *self = arg;
    int status = result->status;
    bool may_pass = status == IOCP_EBUSY || status == IOCP_EACCES;
    if (may_pass && self->first->tries++ < RETRIES &&
        iocp_timer(loop, RETRY_NS, on_pause, self, NULL) == IOCP_OK) {
        return IOCP_DISARM;
    }
    if (status != IOCP_ENOTFOUND && status != IOCP_ENOTFOLDER) {
        (void)check(self, status, self->first->name);
    }
    mirror_done(loop, self);
    return IOCP_DISARM;
}

/* ---- What stands in the way ---- */

static iocp_action_t IOCP_CALL on_cleared(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    mirror *self = arg;
    if (result->status != IOCP_OK && result->status != IOCP_ENOTFOUND) {
        return on_done(loop, result, arg);
    }
    self->first->is_cleared = true;
    mirror_again(loop, self);
    return IOCP_DISARM;
}

static void mirror_clear(iocp_loop_t *loop, mirror *self, iocp_callback_t then)
{
    int status = iocp_remove(loop, self->target, IOCP_REMOVE_TREE, then, self, NULL);
    if (!check(self, status, self->target)) {
        mirror_done(loop, self);
    }
}

/* ---- A file ---- */

static iocp_action_t IOCP_CALL on_copied(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    mirror *self = arg;
    if (result->status == IOCP_EISFOLDER && !self->first->is_cleared) {
        mirror_clear(loop, self, on_cleared);
        return IOCP_DISARM;
    }
    return on_done(loop, result, arg);
}

/* ---- A folder ---- */

static iocp_action_t IOCP_CALL on_listed(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    mirror *self = arg;
    for (const iocp_entry_t *entry = result->entries; entry != NULL; entry = entry->next) {
        mirror_add(self, self->first->name, entry->name, true);
    }
    if (result->status == IOCP_OK) {
        return IOCP_REARM;
    }
    if (result->status != IOCP_EOF) {
        (void)check(self, result->status, self->first->name);
    }
    iocp_close(loop, result->handle, NULL, NULL, NULL);
    mirror_done(loop, self);
    return IOCP_DISARM;
}

static iocp_action_t IOCP_CALL on_opened(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    mirror *self = arg;
    if (result->status != IOCP_OK) {
        return on_done(loop, result, arg);
    }
    if (!check(self, iocp_folder_list(loop, result->opened, on_listed, self, NULL), "list")) {
        iocp_close(loop, result->opened, NULL, NULL, NULL);
        mirror_done(loop, self);
    }
    return IOCP_DISARM;
}

static iocp_action_t IOCP_CALL on_made(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    mirror *self = arg;
    if (result->status == IOCP_EEXIST && !self->first->is_cleared) {
        mirror_clear(loop, self, on_cleared);
        return IOCP_DISARM;
    }
    if (result->status != IOCP_OK || !self->first->is_deep) {
        return on_done(loop, result, arg);
    }
    int status =
        iocp_open(loop, self->source, IOCP_FILE_READ | IOCP_FILE_FOLDER, on_opened, self, NULL);
    if (!check(self, status, self->source)) {
        mirror_done(loop, self);
    }
    return IOCP_DISARM;
}

/* ---- What a name is now ---- */

static iocp_action_t IOCP_CALL on_known(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    mirror *self = arg;
    if (result->status == IOCP_ENOTFOUND || result->status == IOCP_ENOTFOLDER) {
        mirror_clear(loop, self, on_done);
        return IOCP_DISARM;
    }
    if (result->status != IOCP_OK) {
        return on_done(loop, result, arg);
    }
    bool is_folder = result->info->kind == IOCP_KIND_FOLDER;
    if (is_folder && self->first->is_deep && !self->first->is_cleared) {
        mirror_clear(loop, self, on_cleared);
        return IOCP_DISARM;
    }
    int status =
        is_folder
            ? iocp_folder_create(loop, self->target, IOCP_FOLDER_PARENTS, on_made, self, NULL)
            : iocp_copy(loop, self->source, self->target, IOCP_REPLACE, on_copied, self, NULL);
    if (!check(self, status, self->target)) {
        mirror_done(loop, self);
    }
    return IOCP_DISARM;
}

/* ---- What happens ---- */

static iocp_action_t IOCP_CALL on_changes(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    mirror *self = arg;
    if (!check(self, result->status, self->from)) {
        iocp_loop_stop(loop);
        return IOCP_DISARM;
    }
    for (const iocp_entry_t *entry = result->entries; entry != NULL; entry = entry->next) {
        if (entry->old_name != NULL) {
            mirror_add(self, "", entry->old_name, true);
        }
        mirror_add(self, "", entry->name, entry->change != IOCP_CHANGE_MODIFIED);
    }
    if ((result->flags & IOCP_RESULT_RESCAN) != 0) {
        mirror_add(self, "", "", true);
    }
    mirror_go_on(loop, self);
    return IOCP_REARM;
}

static iocp_action_t IOCP_CALL on_console(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    (void)arg;
    if (result->status == IOCP_OK) {
        iocp_loop_stop(loop);
    }
    return IOCP_DISARM;
}

static bool mirror_begin(iocp_loop_t *loop, mirror *self)
{
    const uint32_t how = IOCP_FILE_READ | IOCP_FILE_FOLDER;
    return check(self, iocp_file_open(loop, self->from, how, &self->folder), self->from) &&
           check(self,
                 iocp_folder_watch(loop, self->folder, IOCP_WATCH_TREE, on_changes, self, NULL),
                 self->from) &&
           check(self, iocp_loop_submit(loop),
                 "watch") && /* it is told what changes from here on */
           check(self, iocp_console_watch(loop, on_console, NULL, NULL), "console");
}

int main(int argc, char **argv)
{
    static mirror self;
    iocp_loop_t *loop;
    if (argc != 3) {
        fprintf(stderr, "usage: watch_folder FROM TO\n");
        return 2;
    }
    self.from = argv[1];
    self.to = argv[2];
    self.last = &self.first;
    if (!check(&self, iocp_loop_create(NULL, &loop), "loop")) {
        return 1;
    }
    if (mirror_begin(loop, &self)) {
        printf("watching\n");
        fflush(stdout);
        mirror_add(&self, "", "", true);
        mirror_go_on(loop, &self);
        (void)check(&self, iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), "run");
    }
    (void)check(&self, iocp_loop_destroy(loop, UINT64_MAX), "destroy");
    while (self.first != NULL) {
        job *left = self.first;
        self.first = left->next;
        job_free(left);
    }
    free(self.source);
    free(self.target);
    printf("%s\n", self.is_broken ? "something was not copied" : "the end");
    return self.is_broken ? 1 : 0;
}
