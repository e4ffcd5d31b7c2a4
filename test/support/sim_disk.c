#include "sim_disk.h"

#include "paths.h"

#include "sim_file.h"

#include <stdlib.h>
#include <string.h>

typedef struct sim_plan_of_path {
    char *from;
    char *to;       /* or NULL */
    sim_file *file; /* of an OPEN that has taken place and was not told */
} sim_plan_of_path;

static sim_plan_of_path *disk__plan_of(const sim_op *op)
{
    return ioc_paths_of(&op->op)->opening.backend;
}

static char *disk__copy_text(const char *text)
{
    char *copy = sim_allocate(strlen(text) + 1);
    strcpy(copy, text);
    return copy;
}

int sim_disk_plan(sim_op *op, const char *from, const char *to)
{
    int status = sim_path_check(from);
    if (status == IOCP_OK && to != NULL) {
        status = sim_path_check(to);
    }
    if (status != IOCP_OK) {
        return status;
    }
    sim_plan_of_path *plan = sim_allocate(sizeof *plan);
    plan->from = disk__copy_text(from);
    plan->to = to != NULL ? disk__copy_text(to) : NULL;
    ioc_paths_of(&op->op)->opening.backend = plan;
    op->op.is_held = true;
    return IOCP_OK;
}

void sim_disk_release(sim_op *op)
{
    sim_plan_of_path *plan = disk__plan_of(op);
    SIM_CHECK(plan->file == NULL);
    free(plan->from);
    free(plan->to);
    free(plan);
    ioc_paths_of(&op->op)->opening.backend = NULL;
}

/* On the pool: it takes effect in a dequeue. */
int sim_disk_start(sim_op *op)
{
    op->phase = SIM_WAITING;
    op->may_be_inline = false;
    op->effect_ns = op->port->now_ns + sim_below(op->port, op->port->script.file_ns + 1);
    return IOCP_OK;
}

static void disk__end(sim_op *op, int status, uint64_t bytes)
{
    op->effect_ns = IOC_FOREVER;
    sim_complete(op, status, bytes);
}

/* ---- Opening and looking ---- */

void sim_disk_open(sim_op *op)
{
    sim_plan_of_path *plan = disk__plan_of(op);
    int status = sim_file_open_path(plan->from, ioc_paths_of(&op->op)->flags, true, &plan->file);
    if (status == IOCP_OK) {
        ioc_paths_of(&op->op)->info = *sim_file_info(plan->file);
    }
    disk__end(op, status, 0);
}

void sim_disk_tell_opened(sim_op *op)
{
    sim_plan_of_path *plan = disk__plan_of(op);
    if (plan->file != NULL) {
        sim_file_fill(op->port, sim_opened_by(op), plan->file);
        plan->file = NULL;
    }
}

void sim_disk_stat(sim_op *op)
{
    const char *path = disk__plan_of(op)->from;
    const sim_content *content = sim_content_find(path);
    int status = sim_path_check_name(path);
    if (status == IOCP_OK && content != NULL) {
        ioc_paths_of(&op->op)->info = content->info;
    }
    disk__end(op, status == IOCP_OK && content == NULL ? IOCP_ENOTFOUND : status, 0);
}

/* ---- Copying and renaming ---- */

/* What stands at a new name goes, if it may. */
static int disk__make_way(const sim_op *op, sim_content **there)
{
    const char *to = disk__plan_of(op)->to;
    int status = sim_path_check_name(to);
    *there = sim_content_find(to);
    if (status != IOCP_OK || *there == NULL) {
        return status == IOCP_OK && sim_content_folder_of(to) == NULL ? IOCP_ENOTFOUND : status;
    }
    if ((ioc_paths_of(&op->op)->flags & IOCP_REPLACE) == 0) {
        return IOCP_EEXIST;
    }
    if ((*there)->info.kind == IOCP_KIND_FOLDER) {
        return IOCP_EISFOLDER;
    }
    return sim_file_may_be_removed(*there) ? IOCP_OK : IOCP_EBUSY;
}

static void content__take_over(sim_content *to, sim_content *from)
{
    sim_content_set_size(to, 0);
    for (uint64_t at = 0; at < from->info.size;) {
        unsigned char part[4096];
        uint64_t left = from->info.size - at;
        size_t bytes = left < sizeof part ? (size_t)left : sizeof part;
        memset(part, 0, sizeof part);
        sim_content_copy(from, at, part, bytes, false);
        sim_content_copy(to, at, part, bytes, true);
        at += bytes;
    }
    to->info.size = from->info.size;
    to->info.attributes = from->info.attributes;
    to->info.written_ns = from->info.written_ns;
}

void sim_disk_copy(sim_op *op)
{
    const sim_plan_of_path *plan = disk__plan_of(op);
    sim_content *from = sim_content_find(plan->from);
    sim_content *to = NULL;
    int status = from == NULL                          ? IOCP_ENOTFOUND
                 : from->info.kind == IOCP_KIND_FOLDER ? IOCP_EISFOLDER
                                                       : disk__make_way(op, &to);
    if (status != IOCP_OK) {
        disk__end(op, status, 0);
        return;
    }
    to = to != NULL ? to : sim_content_new(plan->to, IOCP_KIND_FILE);
    if (to != from) {
        content__take_over(to, from);
    }
    disk__end(op, IOCP_OK, to->info.size);
}

void sim_disk_rename(sim_op *op)
{
    const sim_plan_of_path *plan = disk__plan_of(op);
    sim_content *from = sim_content_find(plan->from);
    sim_content *there = NULL;
    int status = from == NULL                     ? IOCP_ENOTFOUND
                 : !sim_file_may_be_removed(from) ? IOCP_EBUSY
                                                  : disk__make_way(op, &there);
    if (status == IOCP_OK && there != from) {
        if (there != NULL) {
            sim_content_remove(there);
        }
        sim_content_rename(from, plan->to);
    }
    disk__end(op, status, 0);
}

/* ---- Removing and making ---- */

static int disk__remove(sim_content *content, bool is_tree)
{
    for (sim_content *one; (one = sim_content_first_below(content->path)) != NULL;) {
        if (!is_tree) {
            return IOCP_ENOTEMPTY;
        }
        if (!sim_file_may_be_removed(one)) {
            return IOCP_EBUSY;
        }
        sim_content_remove(one);
    }
    if (!sim_file_may_be_removed(content)) {
        return IOCP_EBUSY;
    }
    sim_content_remove(content);
    return IOCP_OK;
}

void sim_disk_remove(sim_op *op)
{
    const char *path = disk__plan_of(op)->from;
    sim_content *content = sim_content_find(path);
    bool is_tree = (ioc_paths_of(&op->op)->flags & IOCP_REMOVE_TREE) != 0;
    int status = sim_path_check_name(path);
    if (status == IOCP_OK) {
        status = content != NULL ? disk__remove(content, is_tree) : IOCP_ENOTFOUND;
    }
    disk__end(op, status, 0);
}

/* One, and with PARENTS those before it. */
static int disk__create(char *path, bool with_parents)
{
    const sim_content *there = sim_content_find(path);
    char *slash = strrchr(path, '/');
    if (there != NULL) {
        return with_parents && there->info.kind == IOCP_KIND_FOLDER ? IOCP_OK : IOCP_EEXIST;
    }
    if (with_parents && sim_content_folder_of(path) == NULL && slash != NULL) {
        *slash = '\0';
        int status = disk__create(path, true);
        *slash = '/';
        if (status != IOCP_OK) {
            return status;
        }
    }
    if (sim_content_folder_of(path) == NULL) {
        return IOCP_ENOTFOUND;
    }
    (void)sim_content_new(path, IOCP_KIND_FOLDER);
    return IOCP_OK;
}

void sim_disk_create_folder(sim_op *op)
{
    char *path = disk__plan_of(op)->from;
    bool with_parents = (ioc_paths_of(&op->op)->flags & IOCP_FOLDER_PARENTS) != 0;
    int status = sim_path_check_name(path);
    disk__end(op, status == IOCP_OK ? disk__create(path, with_parents) : status, 0);
}
