/*
 * The simulated disk, which all ports share: folders, and files of pages, so that a byte behind 4 GiB
 * costs one page. A path is what CreateFileW takes, in UTF-8, with slashes. What was removed while it
 * is open has no name any more, and stays until it is closed.
 *
 * Under the lock.
 */
#ifndef TEST_SIM_CONTENT_H
#define TEST_SIM_CONTENT_H

#include "sim_net.h"

/* What a path leads to. */
typedef struct sim_content {
    ioc_link link; /* all that have a name */
    char *path;
    iocp_file_info_t info;
    ioc_list pages; /* what is not there is zero */
    uint32_t opens;
} sim_content;

/* Zeroed, and never NULL. */
void *sim_allocate(size_t size);

/* Whether it is text, and not too long; and whether its names are names. */
int sim_path_check(const char *path);
int sim_path_check_name(const char *path);

/* What has this path, and the folder that it is to lie in, or NULL. */
sim_content *sim_content_find(const char *path);
sim_content *sim_content_folder_of(const char *path);

/* All, beginning with NULL; those in a folder, at whatever depth. */
sim_content *sim_content_next(const sim_content *content);
sim_content *sim_content_first_below(const char *folder);
bool sim_content_is_below(const sim_content *content, const char *folder);

sim_content *sim_content_new(const char *path, iocp_file_kind_t kind);
void sim_content_remove(sim_content *content);
void sim_content_open(sim_content *content);
void sim_content_close(sim_content *content);

/* With all that is below it. Nothing has this path. */
void sim_content_rename(sim_content *content, const char *path);

void sim_content_copy(sim_content *content, uint64_t offset, unsigned char *data, size_t size,
                      bool is_write);
void sim_content_set_size(sim_content *content, uint64_t size);
void sim_content_touch(sim_content *content); /* it was written to */

#endif
