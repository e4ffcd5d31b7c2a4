/* Open files of the simulation. */
#include "sim_file.h"

#include "sim_call.h"
#include "sim_folder.h"
#include "sim_unix.h"

#include <stdlib.h>
#include <string.h>

#define FILE_SECTOR_BYTES 512

struct sim_file {
    ioc_link link; /* all open files */
    uintptr_t number;
    sim_content *content;
    uint32_t flags; /* IOCP_FILE_ bits */
    bool is_overlapped;
    bool is_adopted;     /* belongs to a loop */
    uint32_t more_users; /* as of sockets */
    uint64_t position;   /* of a standard stream */
    sim_port *port;      /* bound to, or NULL */
    ioc_list transfers;  /* sim_op.place */
};

static ioc_list file_opens = {{&file_opens.ends, &file_opens.ends}};

/* ---- Opening and closing ---- */

static sim_file *file__new(sim_content *content, uint32_t flags, bool is_overlapped)
{
    sim_file *file = sim_allocate(sizeof *file);
    ioc_link_init(&file->link);
    ioc_list_init(&file->transfers);
    ioc_list_push(&file_opens, &file->link);
    file->number = sim_next_number();
    file->content = content;
    file->flags = flags;
    file->is_overlapped = is_overlapped;
    sim_content_open(content);
    return file;
}

/* What each denies to others, and what those want; the other way round is a second call. */
static bool flags__deny(uint32_t flags, uint32_t wanted)
{
    bool writes = (wanted & (IOCP_FILE_WRITE | IOCP_FILE_APPEND)) != 0;
    return ((flags & IOCP_FILE_DENY_READ) != 0 && (wanted & IOCP_FILE_READ) != 0) ||
           ((flags & IOCP_FILE_DENY_WRITE) != 0 && writes);
}

static bool content__is_denied(const sim_content *content, uint32_t flags)
{
    for (ioc_link *link = file_opens.ends.next; link != &file_opens.ends; link = link->next) {
        const sim_file *file = IOC_CONTAINER_OF(link, sim_file, link);
        if (file->content == content &&
            (flags__deny(file->flags, flags) || flags__deny(flags, file->flags))) {
            return true;
        }
    }
    return false;
}

bool sim_file_may_be_removed(const sim_content *content)
{
    for (ioc_link *link = file_opens.ends.next; link != &file_opens.ends; link = link->next) {
        const sim_file *file = IOC_CONTAINER_OF(link, sim_file, link);
        if (file->content == content && (file->flags & IOCP_FILE_DENY_DELETE) != 0) {
            return false;
        }
    }
    return true;
}

/* Whether what is there may be opened so. */
static int content__check(const sim_content *content, uint32_t flags)
{
    bool is_folder = content->info.kind == IOCP_KIND_FOLDER;
    bool wants_folder = (flags & IOCP_FILE_FOLDER) != 0;
    if ((flags & IOCP_FILE_EXCLUSIVE) != 0) {
        return IOCP_EEXIST;
    }
    if (is_folder != wants_folder) {
        return is_folder ? IOCP_EISFOLDER : IOCP_ENOTFOLDER;
    }
    return content__is_denied(content, flags) ? IOCP_EBUSY : IOCP_OK;
}

int sim_file_open_path(const char *path, uint32_t flags, bool is_overlapped, sim_file **file)
{
    sim_content *content = sim_content_find(path);
    int status = sim_path_check_name(path);
    if (status == IOCP_OK && content != NULL) {
        status = content__check(content, flags);
    }
    if (status != IOCP_OK) {
        return status;
    }
    if (content == NULL) {
        if ((flags & IOCP_FILE_CREATE) == 0 || sim_content_folder_of(path) == NULL) {
            return IOCP_ENOTFOUND;
        }
        content = sim_content_new(path, IOCP_KIND_FILE);
    }
    if ((flags & IOCP_FILE_TRUNCATE) != 0) {
        sim_content_set_size(content, 0);
    }
    *file = file__new(content, flags, is_overlapped);
    return IOCP_OK;
}

void sim_file_fill(sim_port *port, sim_handle *handle, sim_file *file)
{
    bool is_folder = file->content->info.kind == IOCP_KIND_FOLDER;
    handle->handle.kind = is_folder ? IOCP_HANDLE_FOLDER : IOCP_HANDLE_FILE;
    handle->handle.is_append = (file->flags & IOCP_FILE_APPEND) != 0;
    handle->file = file;
    file->is_adopted = true;
    file->port = port;
}

int sim_file_open(sim_port *port, sim_handle *handle, const char *path, uint32_t flags)
{
    sim_file *file = NULL;
    int status = sim_file_open_path(path, flags, true, &file);
    if (status == IOCP_OK) {
        sim_file_fill(port, handle, file);
    }
    return status;
}

static sim_file *file__find(uintptr_t number)
{
    for (ioc_link *link = file_opens.ends.next; link != &file_opens.ends; link = link->next) {
        sim_file *file = IOC_CONTAINER_OF(link, sim_file, link);
        if (file->number == number) {
            return file;
        }
    }
    return NULL;
}

uintptr_t sim_file_number(const sim_file *file)
{
    return file->number;
}

const void *sim_file_content(uintptr_t number)
{
    const sim_file *file = file__find(number);
    SIM_CHECK(file != NULL);
    return file->content;
}

void sim_file_close(sim_file *file)
{
    if (file->more_users > 0) {
        file->more_users--;
        return;
    }
    sim_call_forget(file->number);
    for (ioc_link *place; (place = ioc_list_first(&file->transfers)) != NULL;) {
        sim_complete(IOC_CONTAINER_OF(place, sim_op, place), IOCP_ECANCELED, 0);
    }
    sim_folder_close(file->number);
    ioc_link_remove(&file->link);
    sim_content_close(file->content);
    free(file);
}

/* ---- Sizes ---- */

static bool file__may_write(const sim_file *file)
{
    return (file->flags & (IOCP_FILE_WRITE | IOCP_FILE_APPEND)) != 0;
}

const iocp_file_info_t *sim_file_info(const sim_file *file)
{
    return &file->content->info;
}

const sim_content *sim_file_folder(const sim_file *file)
{
    return file->content;
}

uint64_t sim_file_size(const sim_file *file)
{
    return file->content->info.size;
}

int sim_file_set_size(sim_file *file, uint64_t size)
{
    if ((file->flags & IOCP_FILE_WRITE) == 0) {
        return IOCP_EACCES;
    }
    sim_content_set_size(file->content, size);
    return IOCP_OK;
}

/* ---- Operations ---- */

int sim_file_read(const sim_file *file, uint64_t offset, iocp_buf_t *buffer)
{
    if ((file->flags & IOCP_FILE_READ) == 0) {
        return IOCP_EACCES;
    }
    buffer->base = sim_allocate(buffer->length);
    sim_content_copy(file->content, offset, buffer->base, buffer->length, false);
    return IOCP_OK;
}

static bool op__is_read(const sim_op *op)
{
    return (op->op.kind->traits & IOC_KIND_OUT) == 0;
}

/* What the system refuses before it begins. */
static int op__check(const sim_op *op)
{
    const sim_file *file = op->file;
    bool is_allowed = op__is_read(op) ? (file->flags & IOCP_FILE_READ) != 0 : file__may_write(file);
    if (!is_allowed) {
        return IOCP_EACCES;
    }
    const ioc_transfer *transfer = ioc_transfer_of(&op->op);
    const iocp_buf_t *buffer = &transfer->one;
    bool is_in_sectors = (uintptr_t)buffer->base % FILE_SECTOR_BYTES == 0 &&
                         buffer->length % FILE_SECTOR_BYTES == 0 &&
                         transfer->offset % FILE_SECTOR_BYTES == 0;
    return is_in_sectors || (file->flags & IOCP_FILE_NO_BUFFERING) == 0 ? IOCP_OK : IOCP_EINVAL;
}

static void op__read(sim_op *op)
{
    sim_content *content = op->file->content;
    uint64_t offset = ioc_transfer_of(&op->op)->offset;
    uint64_t there = offset < content->info.size ? content->info.size - offset : 0;
    size_t wanted = ioc_transfer_of(&op->op)->bytes;
    size_t bytes = wanted < there ? wanted : (size_t)there;
    if (bytes == 0 && wanted > 0) {
        sim_complete(op, IOCP_EOF, 0);
        return;
    }
    op->received = sim_allocate(bytes);
    sim_content_copy(content, offset, op->received, bytes, false);
    sim_complete(op, IOCP_OK, bytes);
}

static void op__write(sim_op *op)
{
    sim_content *content = op->file->content;
    const ioc_transfer *transfer = ioc_transfer_of(&op->op);
    const iocp_buf_t *buffer = &transfer->one;
    uint64_t offset = ioc_transfer_of(&op->op)->offset;
    offset = offset == IOC_OFFSET_END ? content->info.size : offset;
    sim_content_copy(content, offset, buffer->base, buffer->length, true);
    if (buffer->length > 0 && offset + buffer->length > content->info.size) {
        content->info.size = offset + buffer->length;
    }
    sim_content_touch(content);
    sim_complete(op, IOCP_OK, buffer->length);
}

void sim_file_carry_out(sim_op *op)
{
    sim_file *file = op->file;
    if (op__is_read(op)) {
        op__read(op);
    } else {
        op__write(op);
    }
    file->position += op->outcome.bytes;
}

/* Whether the end of the file can be told at once, as other errors are. */
static bool op__is_at_end(const sim_op *op)
{
    const ioc_transfer *transfer = ioc_transfer_of(&op->op);
    return op__is_read(op) && transfer->bytes > 0 &&
           transfer->offset >= op->file->content->info.size && op->may_be_inline;
}

/* At once if its time is now: true. */
static bool op__wait_for_effect(sim_op *op)
{
    sim_port *port = op->port;
    op->effect_ns = port->now_ns + sim_below(port, port->script.file_ns + 1);
    return op->effect_ns <= port->now_ns && !port->is_holding_files;
}

/* The system itself keeps the position of a standard stream. */
static bool op__is_of_stdio(const sim_op *op)
{
    return ioc_handle_kind(op->op.handle) == IOCP_HANDLE_STDIO;
}

int sim_file_start(sim_op *op)
{
    if (op__is_of_stdio(op)) {
        ioc_transfer_of(&op->op)->offset = op->file->position;
    }
    int status = op__check(op);
    if (status != IOCP_OK) {
        return status;
    }
    bool is_now = op__wait_for_effect(op);
    if (is_now && op__is_at_end(op)) {
        return IOCP_EOF;
    }
    op->phase = SIM_WAITING;
    ioc_list_push(&op->file->transfers, &op->place);
    if (is_now) {
        sim_file_carry_out(op);
    }
    return IOCP_OK;
}

void sim_file_hold(sim_op *op)
{
    op->phase = SIM_WAITING;
    ioc_list_push(&op->file->transfers, &op->place);
}

/* A thread of the pool finds out whether it may. */
int sim_file_start_flush(sim_op *op)
{
    bool is_now = op__wait_for_effect(op);
    op->may_be_inline = false;
    op->phase = SIM_WAITING;
    ioc_list_push(&op->file->transfers, &op->place);
    if (is_now) {
        sim_file_flush(op);
    }
    return IOCP_OK;
}

void sim_file_flush(sim_op *op)
{
    sim_complete(op, file__may_write(op->file) ? IOCP_OK : IOCP_EACCES, 0);
}

/* ---- What an adopted handle is ---- */

int sim_adopt_start(sim_op *op)
{
    op->phase = SIM_WAITING;
    op->may_be_inline = false;
    op->effect_ns = op->port->now_ns + sim_below(op->port, op->port->script.latency_ns + 1);
    return IOCP_OK;
}

static int adopt__check(uintptr_t number)
{
    const sim_socket *pipe = sim_socket_find(number);
    const sim_file *file = file__find(number);
    if (pipe == NULL && file == NULL) {
        return IOCP_EBADF;
    }
    if (pipe != NULL && !pipe->is_pipe) {
        return IOCP_EINVAL;
    }
    if (pipe != NULL ? !pipe->is_overlapped : !file->is_overlapped) {
        return IOCP_ENOTOVERLAPPED;
    }
    return (pipe != NULL ? pipe->port : file->port) == NULL ? IOCP_OK : IOCP_EINVAL;
}

void sim_adopt_ask(sim_op *op)
{
    const sim_handle *handle = IOC_CONTAINER_OF(op->op.handle, sim_handle, handle);
    op->effect_ns = IOC_FOREVER;
    sim_complete(op, adopt__check(handle->adopted), 0);
}

void sim_adopt_tell(sim_op *op)
{
    sim_handle *handle = IOC_CONTAINER_OF(op->op.handle, sim_handle, handle);
    if (op->outcome.status != IOCP_OK) {
        return;
    }
    sim_socket *pipe = sim_socket_find(handle->adopted);
    sim_file *file = file__find(handle->adopted);
    handle->adopted = 0;
    if (pipe != NULL) {
        handle->handle.kind = IOCP_HANDLE_PIPE;
        handle->socket = pipe;
        pipe->is_adopted = true;
        pipe->port = op->port;
    } else {
        sim_file_fill(op->port, handle, file);
    }
}

void sim_adopt_close(uintptr_t number)
{
    sim_socket *pipe = sim_socket_find(number);
    sim_file *file = file__find(number);
    if (pipe != NULL) {
        sim_socket_close(pipe);
    } else if (file != NULL) {
        sim_file_close(file);
    }
}

/* ---- Standard streams ---- */

static uintptr_t stdio_numbers[3]; /* by iocp_stdio_t; 0: there is none */

void sim_stdio_set(iocp_stdio_t which, uintptr_t number)
{
    sim_lock();
    stdio_numbers[which] = number;
    sim_unlock();
}

int sim_stdio_open(sim_handle *handle, iocp_stdio_t which)
{
    sim_file *file = file__find(stdio_numbers[which]);
    sim_socket *pipe = sim_socket_find(stdio_numbers[which]);
    if (file != NULL) {
        file->more_users++;
        handle->file = file;
    } else if (pipe != NULL) {
        pipe->more_users++;
        handle->socket = pipe;
    } else {
        return IOCP_EBADF;
    }
    handle->handle.kind = which == IOCP_STDIN ? IOC_HANDLE_STDIN : IOC_HANDLE_STDOUT;
    return IOCP_OK;
}

/* Nobody is ever at work on one whose operations have ended. */
int sim_stdio_end(sim_op *op)
{
    op->phase = SIM_INLINE;
    return IOCP_OK;
}

/* ---- The tests' side ---- */

void sim_folder_create(const char *path)
{
    sim_lock();
    SIM_CHECK(sim_content_find(path) == NULL);
    (void)sim_content_new(path, IOCP_KIND_FOLDER);
    sim_unlock();
}

void sim_folder_remove(const char *path)
{
    sim_lock();
    for (sim_content *content; (content = sim_content_first_below(path)) != NULL;) {
        SIM_CHECK(content->opens == 0);
        sim_content_remove(content);
    }
    sim_content *folder = sim_content_find(path);
    SIM_CHECK(folder == NULL || folder->opens == 0);
    if (folder != NULL) {
        sim_content_remove(folder);
    }
    sim_unix_remove(path);
    sim_unlock();
}

uintptr_t sim_file_create(const char *path, uint32_t flags, sim_open_mode mode)
{
    sim_file *file = NULL;
    sim_lock();
    uint32_t denials = IOCP_FILE_DENY_READ | IOCP_FILE_DENY_WRITE | IOCP_FILE_DENY_DELETE;
    int status = sim_file_open_path(path, flags | (mode.is_unshared ? denials : 0u),
                                    mode.is_overlapped, &file);
    sim_unlock();
    return status == IOCP_OK ? file->number : 0;
}

void sim_pipe_create(uintptr_t ends[2], sim_open_mode mode)
{
    sim_socket *both[2];
    sim_lock();
    sim_pipe_new(both, mode.is_overlapped, false);
    ends[0] = both[0]->number;
    ends[1] = both[1]->number;
    sim_unlock();
}

void sim_file_destroy(uintptr_t number)
{
    sim_lock();
    sim_file *file = file__find(number);
    sim_socket *pipe = sim_socket_find(number);
    SIM_CHECK(file != NULL ? !file->is_adopted
                           : pipe != NULL && pipe->is_pipe && !pipe->is_adopted);
    if (file != NULL) {
        sim_file_close(file);
    } else {
        sim_socket_close(pipe);
    }
    sim_unlock();
}

uintptr_t sim_file_duplicate(uintptr_t number)
{
    uintptr_t copy = 0;
    sim_lock();
    sim_file *file = file__find(number);
    sim_socket *pipe = sim_socket_find(number);
    SIM_CHECK(file != NULL || (pipe != NULL && pipe->is_pipe));
    if (file != NULL) {
        sim_file *again = file__new(file->content, file->flags, file->is_overlapped);
        again->port = file->port;
        copy = again->number;
    } else {
        sim_socket *again = sim_socket_new(0, 0);
        again->is_pipe = true;
        again->is_overlapped = pipe->is_overlapped;
        again->state = SIM_CONNECTED;
        again->port = pipe->port;
        copy = again->number;
    }
    sim_unlock();
    return copy;
}

size_t sim_file_count(void)
{
    size_t count = 0;
    sim_lock();
    for (ioc_link *link = file_opens.ends.next; link != &file_opens.ends; link = link->next) {
        count++;
    }
    sim_unlock();
    return count;
}
