#include "sim_folder.h"

#include "folder.h"

#include "sim_file.h"

#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>

/* FILE_NOTIFY_EXTENDED_INFORMATION: where its members are. */
enum {
    RECORD_ACTION = 4,
    RECORD_CREATED = 8,
    RECORD_WRITTEN = 16,
    RECORD_CHANGED = 24,
    RECORD_ACCESSED = 32,
    RECORD_SIZE = 48,
    RECORD_ATTRIBUTES = 56,
    RECORD_ID = 64,
    RECORD_LENGTH = 80,
    RECORD_NAME = 84
};

enum {
    ACTION_ADDED = 1,
    ACTION_REMOVED = 2,
    ACTION_MODIFIED = 3,
    ACTION_OLD_NAME = 4,
    ACTION_NEW_NAME = 5
};

/* An open folder that was watched. */
typedef struct sim_watched {
    ioc_link link;
    uintptr_t file; /* its number */
    const sim_content *content;
    uint32_t flags;
    bool is_removed;
    bool has_lost; /* more than there is room for */
    size_t size;
    size_t last; /* where the last record begins */
    unsigned char *records;
    ioc_list waiting; /* sim_op.place, one at most */
} sim_watched;

static ioc_list folder_watched = {{&folder_watched.ends, &folder_watched.ends}};

static sim_watched *watched__at(ioc_link *link)
{
    return IOC_CONTAINER_OF(link, sim_watched, link);
}

static sim_watched *watched__find(uintptr_t file)
{
    for (ioc_link *link = folder_watched.ends.next; link != &folder_watched.ends;
         link = link->next) {
        if (watched__at(link)->file == file) {
            return watched__at(link);
        }
    }
    return NULL;
}

static sim_watched *watched__new(const sim_op *op)
{
    sim_watched *watched = sim_allocate(sizeof *watched);
    watched->file = sim_file_number(op->file);
    watched->content = sim_file_folder(op->file);
    watched->flags = ioc_changes_of(&op->op)->flags;
    watched->records = sim_allocate(IOC_READING_BYTES);
    ioc_link_init(&watched->link);
    ioc_list_init(&watched->waiting);
    ioc_list_push(&folder_watched, &watched->link);
    return watched;
}

/* ---- Records ---- */

static void record__put(unsigned char *at, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        at[i] = (unsigned char)(value >> 8 * i);
    }
}

/* As many units as the name has. */
static size_t record__put_name(unsigned char *at, const char *name)
{
    wchar_t units[4096];
    size_t count = ioc_wtf8_to_utf16(name, units, IOC_COUNT_OF(units));
    SIM_CHECK(count > 0 && count <= IOC_COUNT_OF(units));
    for (size_t i = 0; i + 1 < count; i++) {
        record__put(at + 2 * i, (uint64_t)units[i], 2);
    }
    return count - 1;
}

static uint64_t record__time(int64_t time_ns)
{
    return (uint64_t)(time_ns / 100 + INT64_C(116444736000000000));
}

static void record__fill(unsigned char *at, uint32_t action, const iocp_file_info_t *info)
{
    memset(at, 0, RECORD_NAME);
    record__put(at + RECORD_ACTION, action, 4);
    record__put(at + RECORD_CREATED, record__time(info->created_ns), 8);
    record__put(at + RECORD_WRITTEN, record__time(info->written_ns), 8);
    record__put(at + RECORD_CHANGED, record__time(info->changed_ns), 8);
    record__put(at + RECORD_ACCESSED, record__time(info->accessed_ns), 8);
    record__put(at + RECORD_SIZE, info->size, 8);
    record__put(at + RECORD_ATTRIBUTES, info->attributes, 4);
    record__put(at + RECORD_ID, info->file, 8);
}

/* With backslashes, as Windows has names. */
static void watched__add(sim_watched *self, uint32_t action, const char *name,
                         const iocp_file_info_t *info)
{
    size_t at = (self->size + 7) / 8 * 8;
    char native[4096];
    SIM_CHECK(strlen(name) < sizeof native);
    strcpy(native, name);
    for (char *slash = native; (slash = strchr(slash, '/')) != NULL; *slash = '\\') {}
    if (self->has_lost || at + RECORD_NAME + 2 * strlen(native) > IOC_READING_BYTES) {
        self->has_lost = true;
        self->size = 0;
        return;
    }
    if (self->size > 0) {
        record__put(self->records + self->last, at - self->last, 4);
    }
    record__fill(self->records + at, action, info);
    size_t units = record__put_name(self->records + at + RECORD_NAME, native);
    record__put(self->records + at + RECORD_LENGTH, 2 * units, 4);
    self->last = at;
    self->size = at + RECORD_NAME + 2 * units;
}

/* ---- Who waits ---- */

/* It takes what there is. */
static void watched__serve(sim_watched *self)
{
    ioc_link *place = ioc_list_first(&self->waiting);
    if (place == NULL || (self->size == 0 && !self->has_lost)) {
        return;
    }
    sim_op *op = IOC_CONTAINER_OF(place, sim_op, place);
    op->records = sim_allocate(self->size);
    memcpy(op->records, self->records, self->size);
    sim_complete(op, IOCP_OK, self->size);
    self->size = 0;
    self->has_lost = false;
}

/* Whether the last record has to be told alone: half of a rename. */
static bool watched__is_cut(const sim_watched *self)
{
    ioc_link *place = ioc_list_first(&self->waiting);
    sim_op *op = place != NULL ? IOC_CONTAINER_OF(place, sim_op, place) : NULL;
    return op != NULL && sim_chance(op->port, op->port->script.partial);
}

int sim_folder_start_watch(sim_op *op)
{
    sim_watched *watched = watched__find(sim_file_number(op->file));
    watched = watched != NULL ? watched : watched__new(op);
    SIM_CHECK(ioc_list_is_empty(&watched->waiting));
    if (watched->is_removed) {
        return IOCP_ENOTFOUND;
    }
    op->phase = SIM_WAITING;
    op->may_be_inline = false; /* it has a packet always */
    ioc_list_push(&watched->waiting, &op->place);
    watched__serve(watched);
    return IOCP_OK;
}

bool sim_folder_revise_watch(sim_op *op)
{
    if (op->phase == SIM_WAITING) {
        sim_complete(op, IOCP_ECANCELED, 0);
    }
    return true;
}

void sim_folder_tell_watch(sim_op *op)
{
    ioc_changes *changes = ioc_changes_of(&op->op);
    if (op->records != NULL) {
        memcpy(changes->buffer, op->records, (size_t)op->outcome.bytes);
        changes->form = IOC_RECORD_DETAILED_CHANGE;
        free(op->records);
        op->records = NULL;
    }
}

void sim_folder_close(uintptr_t number)
{
    sim_watched *watched = watched__find(number);
    if (watched == NULL) {
        return;
    }
    for (ioc_link *place; (place = ioc_list_first(&watched->waiting)) != NULL;) {
        sim_complete(IOC_CONTAINER_OF(place, sim_op, place), IOCP_ECANCELED, 0);
    }
    ioc_link_remove(&watched->link);
    free(watched->records);
    free(watched);
}

/* ---- What happens ---- */

/* The name in the folder that is watched, or NULL: it does not lie there. */
static const char *watched__name(const sim_watched *self, const char *path)
{
    size_t length = strlen(self->content->path);
    if (self->is_removed || strncmp(path, self->content->path, length) != 0 ||
        path[length] != '/') {
        return NULL;
    }
    const char *name = path + length + 1;
    bool is_deep = strchr(name, '/') != NULL;
    return !is_deep || (self->flags & IOCP_WATCH_TREE) != 0 ? name : NULL;
}

static bool watched__wants(const sim_watched *self, uint32_t action)
{
    uint32_t what = action == ACTION_MODIFIED ? IOCP_WATCH_CONTENTS : IOCP_WATCH_NAMES;
    return (self->flags & what) != 0;
}

static void folder__tell(const sim_content *content, uint32_t action)
{
    for (ioc_link *link = folder_watched.ends.next; link != &folder_watched.ends;
         link = link->next) {
        sim_watched *watched = watched__at(link);
        const char *name = watched__name(watched, content->path);
        if (name != NULL && watched__wants(watched, action)) {
            watched__add(watched, action, name, &content->info);
            watched__serve(watched);
        }
    }
}

void sim_folder_added(const sim_content *content)
{
    folder__tell(content, ACTION_ADDED);
}

void sim_folder_modified(const sim_content *content)
{
    folder__tell(content, ACTION_MODIFIED);
}

/* What waits on a folder that is removed is told so. */
static void watched__end(sim_watched *self)
{
    self->is_removed = true;
    for (ioc_link *place; (place = ioc_list_first(&self->waiting)) != NULL;) {
        sim_complete(IOC_CONTAINER_OF(place, sim_op, place), IOCP_ENOTFOUND, 0);
    }
}

void sim_folder_removed(const sim_content *content)
{
    folder__tell(content, ACTION_REMOVED);
    for (ioc_link *link = folder_watched.ends.next; link != &folder_watched.ends;
         link = link->next) {
        if (watched__at(link)->content == content) {
            watched__end(watched__at(link));
        }
    }
}

static void watched__rename(sim_watched *self, const sim_content *content, const char *old_path)
{
    const char *old_name = watched__name(self, old_path);
    const char *name = watched__name(self, content->path);
    bool is_within = old_name != NULL && name != NULL;
    if (!watched__wants(self, ACTION_OLD_NAME)) {
        return;
    }
    if (old_name != NULL) {
        watched__add(self, is_within ? ACTION_OLD_NAME : ACTION_REMOVED, old_name, &content->info);
    }
    if (is_within && watched__is_cut(self)) {
        watched__serve(self);
    }
    if (name != NULL) {
        watched__add(self, is_within ? ACTION_NEW_NAME : ACTION_ADDED, name, &content->info);
    }
    watched__serve(self);
}

void sim_folder_renamed(const sim_content *content, const char *old_path)
{
    for (ioc_link *link = folder_watched.ends.next; link != &folder_watched.ends;
         link = link->next) {
        watched__rename(watched__at(link), content, old_path);
    }
}

/* ---- Names ---- */

#define LIST_PORTION 3 /* names at most */

/* FILE_ID_EXTD_DIR_INFO: where its members are. */
enum {
    NAME_CREATED = 8,
    NAME_ACCESSED = 16,
    NAME_WRITTEN = 24,
    NAME_CHANGED = 32,
    NAME_SIZE = 40,
    NAME_ATTRIBUTES = 56,
    NAME_LENGTH = 60,
    NAME_ID = 72,
    NAME_NAME = 88
};

typedef struct sim_name {
    ioc_link link;
    iocp_file_info_t info;
    char name[]; /* as it was when the list began */
} sim_name;

static void names__add(ioc_list *names, const char *name, const iocp_file_info_t *info)
{
    sim_name *added = sim_allocate(sizeof *added + strlen(name) + 1);
    strcpy(added->name, name);
    added->info = *info;
    ioc_link_init(&added->link);
    ioc_list_push(names, &added->link);
}

static ioc_list *names__new(const sim_content *folder)
{
    size_t length = strlen(folder->path);
    ioc_list *names = sim_allocate(sizeof *names);
    ioc_list_init(names);
    names__add(names, ".", &folder->info);
    names__add(names, "..", &folder->info);
    for (const sim_content *one = sim_content_next(NULL); one != NULL;
         one = sim_content_next(one)) {
        bool is_in =
            sim_content_is_below(one, folder->path) && strchr(one->path + length + 1, '/') == NULL;
        if (is_in) {
            names__add(names, one->path + length + 1, &one->info);
        }
    }
    return names;
}

static size_t name__put(unsigned char *at, const sim_name *one)
{
    const iocp_file_info_t *info = &one->info;
    memset(at, 0, NAME_NAME);
    record__put(at + NAME_CREATED, record__time(info->created_ns), 8);
    record__put(at + NAME_ACCESSED, record__time(info->accessed_ns), 8);
    record__put(at + NAME_WRITTEN, record__time(info->written_ns), 8);
    record__put(at + NAME_CHANGED, record__time(info->changed_ns), 8);
    record__put(at + NAME_SIZE, info->size, 8);
    record__put(at + NAME_ATTRIBUTES, info->attributes, 4);
    record__put(at + NAME_ID, info->file, 8);
    size_t units = record__put_name(at + NAME_NAME, one->name);
    record__put(at + NAME_LENGTH, 2 * units, 4);
    return NAME_NAME + 2 * units;
}

int sim_folder_start_list(sim_op *op)
{
    op->op.is_held = true;
    sim_file_hold(op);
    op->may_be_inline = false;
    op->effect_ns = op->port->now_ns + sim_below(op->port, op->port->script.file_ns + 1);
    return IOCP_OK;
}

void sim_folder_release_list(sim_op *op)
{
    ioc_listed *names = ioc_listed_of(&op->op);
    ioc_list *list = names->backend;
    if (list == NULL) {
        return;
    }
    for (ioc_link *link; (link = ioc_list_pop(list)) != NULL;) {
        free(IOC_CONTAINER_OF(link, sim_name, link));
    }
    free(list);
    names->backend = NULL;
}

static size_t names__put_some(ioc_list *list, unsigned char *buffer, size_t most)
{
    size_t size = 0;
    size_t last = 0;
    for (size_t i = 0; i < most && !ioc_list_is_empty(list); i++) {
        sim_name *one = IOC_CONTAINER_OF(ioc_list_pop(list), sim_name, link);
        size_t at = (size + 7) / 8 * 8;
        if (i > 0) {
            record__put(buffer + last, at - last, 4);
        }
        size = at + name__put(buffer + at, one);
        last = at;
        free(one);
    }
    return size;
}

void sim_folder_list(sim_op *op)
{
    ioc_listed *names = ioc_listed_of(&op->op);
    op->effect_ns = IOC_FOREVER;
    if (names->restarts || names->backend == NULL) {
        sim_folder_release_list(op);
        names->backend = names__new(sim_file_folder(op->file));
        names->restarts = false;
    }
    if (ioc_list_is_empty(names->backend)) {
        sim_folder_release_list(op);
        sim_complete(op, IOCP_EOF, 0);
        return;
    }
    names->form = IOC_RECORD_NAME_ID;
    names->volume = sim_file_folder(op->file)->info.volume;
    size_t most = 1 + (size_t)sim_below(op->port, LIST_PORTION);
    sim_complete(op, IOCP_OK, names__put_some(names->backend, names->buffer, most));
}
