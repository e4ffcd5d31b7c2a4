/* What is on the simulated disk. */
#include "sim_content.h"

#include "sim_folder.h"

#include "text/path.h"
#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>

#define CONTENT_PAGE_BYTES UINT64_C(65536)

typedef struct sim_page {
    ioc_link link; /* sim_content.pages, by number */
    uint64_t number;
    unsigned char bytes[CONTENT_PAGE_BYTES];
} sim_page;

static ioc_list content_all = {{&content_all.ends, &content_all.ends}};
static int64_t content_time; /* steps on with each change */

void *sim_allocate(size_t size)
{
    void *memory = calloc(1, size > 0 ? size : 1);
    SIM_CHECK(memory != NULL);
    return memory;
}

/* ---- Paths ---- */

int sim_path_check(const char *path)
{
    size_t count = ioc_wtf8_to_utf16(path, NULL, 0);
    if (count == 0) {
        return IOCP_EINVAL;
    }
    return count <= IOC_PATH_UNITS ? IOCP_OK : IOCP_ENAMETOOLONG;
}

int sim_path_check_name(const char *path)
{
    return strpbrk(path, "*?<>|\"") != NULL ? IOCP_EINVAL : sim_path_check(path);
}

static sim_content *content__find(const char *path, size_t length)
{
    for (ioc_link *link = content_all.ends.next; link != &content_all.ends; link = link->next) {
        sim_content *content = IOC_CONTAINER_OF(link, sim_content, link);
        if (strlen(content->path) == length && memcmp(content->path, path, length) == 0) {
            return content;
        }
    }
    return NULL;
}

sim_content *sim_content_find(const char *path)
{
    return content__find(path, strlen(path));
}

sim_content *sim_content_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    sim_content *folder = slash != NULL ? content__find(path, (size_t)(slash - path)) : NULL;
    return folder != NULL && folder->info.kind == IOCP_KIND_FOLDER ? folder : NULL;
}

bool sim_content_is_below(const sim_content *content, const char *folder)
{
    size_t length = strlen(folder);
    return strncmp(content->path, folder, length) == 0 && content->path[length] == '/';
}

sim_content *sim_content_next(const sim_content *content)
{
    const ioc_link *link = content != NULL ? content->link.next : content_all.ends.next;
    return link != &content_all.ends ? IOC_CONTAINER_OF(link, sim_content, link) : NULL;
}

sim_content *sim_content_first_below(const char *folder)
{
    sim_content *content = sim_content_next(NULL);
    while (content != NULL && !sim_content_is_below(content, folder)) {
        content = sim_content_next(content);
    }
    return content;
}

/* ---- Coming and going ---- */

static void content__set_path(sim_content *content, const char *path, const char *rest)
{
    char *whole = sim_allocate(strlen(path) + strlen(rest) + 1);
    strcpy(whole, path);
    strcat(whole, rest);
    free(content->path);
    content->path = whole;
}

sim_content *sim_content_new(const char *path, iocp_file_kind_t kind)
{
    sim_content *content = sim_allocate(sizeof *content);
    bool is_folder = kind == IOCP_KIND_FOLDER;
    content__set_path(content, path, "");
    content_time += 100;
    content->info = (iocp_file_info_t){.kind = kind,
                                       .attributes = is_folder ? 0x10 : 0x20, /* or an archive */
                                       .created_ns = content_time,
                                       .written_ns = content_time,
                                       .changed_ns = content_time,
                                       .accessed_ns = content_time,
                                       .volume = 1,
                                       .file = sim_next_number(),
                                       .links = 1};
    ioc_link_init(&content->link);
    ioc_list_init(&content->pages);
    ioc_list_push(&content_all, &content->link);
    sim_folder_added(content);
    return content;
}

static void content__free_if_unused(sim_content *content)
{
    if (content->opens > 0 || ioc_link_is_in_list(&content->link)) {
        return;
    }
    sim_content_set_size(content, 0);
    free(content->path);
    free(content);
}

void sim_content_remove(sim_content *content)
{
    sim_folder_removed(content);
    ioc_link_remove(&content->link);
    content__free_if_unused(content);
}

void sim_content_open(sim_content *content)
{
    content->opens++;
}

void sim_content_close(sim_content *content)
{
    content->opens--;
    content__free_if_unused(content);
}

void sim_content_rename(sim_content *content, const char *path)
{
    size_t length = strlen(content->path);
    char *old_path = sim_allocate(length + 1);
    strcpy(old_path, content->path);
    for (sim_content *one; (one = sim_content_first_below(content->path)) != NULL;) {
        content__set_path(one, path, one->path + length);
    }
    content__set_path(content, path, "");
    content_time += 100;
    content->info.changed_ns = content_time;
    sim_folder_renamed(content, old_path);
    free(old_path);
}

/* ---- Pages ---- */

static sim_page *page__at(ioc_link *link)
{
    return IOC_CONTAINER_OF(link, sim_page, link);
}

/* The page, or the first one behind it, or the end of the list. */
static ioc_link *content__seek(const sim_content *content, uint64_t number)
{
    ioc_link *link = content->pages.ends.next;
    while (link != &content->pages.ends && page__at(link)->number < number) {
        link = link->next;
    }
    return link;
}

static sim_page *content__page(sim_content *content, uint64_t number, bool create)
{
    ioc_link *behind = content__seek(content, number);
    bool is_there = behind != &content->pages.ends && page__at(behind)->number == number;
    if (is_there || !create) {
        return is_there ? page__at(behind) : NULL;
    }
    sim_page *page = sim_allocate(sizeof *page);
    page->number = number;
    page->link.next = behind;
    page->link.previous = behind->previous;
    behind->previous->next = &page->link;
    behind->previous = &page->link;
    return page;
}

void sim_content_copy(sim_content *content, uint64_t offset, unsigned char *data, size_t size,
                      bool is_write)
{
    while (size > 0) {
        size_t from = (size_t)(offset % CONTENT_PAGE_BYTES);
        size_t room = (size_t)CONTENT_PAGE_BYTES - from;
        size_t part = size < room ? size : room;
        sim_page *page = content__page(content, offset / CONTENT_PAGE_BYTES, is_write);
        if (is_write) {
            memcpy(page->bytes + from, data, part);
        } else if (page != NULL) {
            memcpy(data, page->bytes + from, part);
        }
        data += part;
        offset += part;
        size -= part;
    }
}

void sim_content_set_size(sim_content *content, uint64_t size)
{
    size_t kept = (size_t)(size % CONTENT_PAGE_BYTES);
    sim_page *last = content__page(content, size / CONTENT_PAGE_BYTES, false);
    if (last != NULL && kept > 0) {
        memset(last->bytes + kept, 0, (size_t)CONTENT_PAGE_BYTES - kept);
    }
    uint64_t first_gone = ioc_divide_up(size, CONTENT_PAGE_BYTES);
    for (ioc_link *link; (link = content__seek(content, first_gone)) != &content->pages.ends;) {
        ioc_link_remove(link);
        free(page__at(link));
    }
    content->info.size = size;
    sim_content_touch(content);
}

void sim_content_touch(sim_content *content)
{
    content_time += 100;
    content->info.written_ns = content_time;
    content->info.changed_ns = content_time;
    if (ioc_link_is_in_list(&content->link)) {
        sim_folder_modified(content);
    }
}
