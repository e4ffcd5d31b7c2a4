#include "api.h"
#include "transfer.h"

#define FILES IOC_ON(IOCP_HANDLE_FILE)

/* ---- Opening ---- */

#define DENIALS ((uint32_t)(IOCP_FILE_DENY_READ | IOCP_FILE_DENY_WRITE | IOCP_FILE_DENY_DELETE))

/* Only what can be said of a folder, too. */
static bool folder__is_flags(uint32_t flags)
{
    return (flags & ~DENIALS) == (IOCP_FILE_READ | IOCP_FILE_FOLDER);
}

bool ioc_api_is_file_flags(uint32_t flags)
{
    const uint32_t all = (IOCP_FILE_SEQUENTIAL << 1) - 1;
    bool writes = (flags & IOCP_FILE_WRITE) != 0;
    bool appends = (flags & IOCP_FILE_APPEND) != 0;
    if ((flags & IOCP_FILE_FOLDER) != 0) {
        return folder__is_flags(flags);
    }
    return (flags & ~(all | DENIALS)) == 0 &&
           ((flags & IOCP_FILE_READ) != 0 || writes || appends) && !(writes && appends) &&
           (writes || (flags & IOCP_FILE_TRUNCATE) == 0) &&
           ((flags & IOCP_FILE_CREATE) != 0 || (flags & IOCP_FILE_EXCLUSIVE) == 0) &&
           !(appends && (flags & IOCP_FILE_NO_BUFFERING) != 0);
}

int IOCP_CALL iocp_file_open(iocp_loop_t *loop, const char *path, uint32_t flags, iocp_handle_t *id)
{
    ioc_handle *handle = NULL;
    bool is_valid = path != NULL && path[0] != '\0' && ioc_api_is_file_flags(flags);
    int status = ioc_api_begin_open(loop, is_valid, id, &handle);
    if (status != IOCP_OK) {
        return status;
    }
    status = IOC_API_ASK(loop, file_open, handle, path, flags);
    return ioc_api_end_open(loop, handle, status, id);
}

/* ---- Reads and writes ---- */

static bool file__is_span(const void *data, size_t size, uint64_t offset)
{
    iocp_buf_t buffer;
    size_t count = ioc_api_one_buffer(&buffer, data, size);
    return ioc_api_is_buffers(&buffer, count) && offset <= IOC_API_OFFSET_MAX - size;
}

static int file__transfer(iocp_loop_t *loop, iocp_handle_t handle, iocp_type_t type,
                          const void *data, size_t size, uint64_t offset, iocp_callback_t callback,
                          void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    iocp_buf_t buffer;
    size_t count = ioc_api_one_buffer(&buffer, data, size);
    bool is_valid = file__is_span(data, size, offset);
    int status = ioc_api_begin_on(loop, handle, type, is_valid, callback, userdata, &op);
    if (status != IOCP_OK) {
        return status;
    }
    ioc_transfer_of(op)->offset = offset;
    status = ioc_transfer_set_buffers(&loop->loop_only.ops, op, &buffer, count);
    return ioc_api_end(loop, op, status, id);
}

int IOCP_CALL iocp_pread(iocp_loop_t *loop, iocp_handle_t handle, void *data, size_t size,
                         uint64_t offset, iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    return file__transfer(loop, handle, IOCP_TYPE_PREAD, data, size, offset, callback, userdata,
                          op);
}

int IOCP_CALL iocp_pwrite(iocp_loop_t *loop, iocp_handle_t handle, const void *data, size_t size,
                          uint64_t offset, iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    /* The file system writes behind the end, and nowhere else. */
    ioc_handle *file = NULL;
    if (ioc_api_find_handle(loop, handle, FILES, true, &file) == IOCP_OK && file->is_append) {
        bool is_valid = callback != NULL && file__is_span(data, size, offset);
        int status = ioc_api_check_open(loop, is_valid);
        return status == IOCP_OK ? IOCP_ENOTSUP : status;
    }
    return file__transfer(loop, handle, IOCP_TYPE_PWRITE, data, size, offset, callback, userdata,
                          op);
}

/* Whether a handle is one of those that receive and send. */
static bool file__is_stream(iocp_loop_t *loop, iocp_handle_t id)
{
    ioc_handle *handle = NULL;
    uint32_t streams = IOC_ON(IOCP_HANDLE_STREAM);
    return ioc_api_find_handle(loop, id, streams, true, &handle) == IOCP_OK;
}

int IOCP_CALL iocp_read(iocp_loop_t *loop, iocp_handle_t handle, void *data, size_t size,
                        iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    return file__is_stream(loop, handle)
               ? iocp_recv(loop, handle, data, size, callback, userdata, op)
               : file__transfer(loop, handle, IOCP_TYPE_READ, data, size, 0, callback, userdata,
                                op);
}

int IOCP_CALL iocp_write(iocp_loop_t *loop, iocp_handle_t handle, const void *data, size_t size,
                         iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    return file__is_stream(loop, handle)
               ? iocp_send(loop, handle, data, size, callback, userdata, op)
               : file__transfer(loop, handle, IOCP_TYPE_WRITE, data, size, 0, callback, userdata,
                                op);
}

int IOCP_CALL iocp_file_flush(iocp_loop_t *loop, iocp_handle_t handle, iocp_callback_t callback,
                              void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    int status = ioc_api_begin_on(loop, handle, IOCP_TYPE_FLUSH, true, callback, userdata, &op);
    return status == IOCP_OK ? ioc_api_end(loop, op, IOCP_OK, id) : status;
}

/* ---- Size and position, at once ---- */

int IOCP_CALL iocp_file_get_size(iocp_loop_t *loop, iocp_handle_t id, uint64_t *size)
{
    ioc_handle *handle = NULL;
    int status = ioc_api_find_known(loop, id, FILES, size != NULL, &handle);
    return status == IOCP_OK ? IOC_API_ASK(loop, file_size, handle, size) : status;
}

int IOCP_CALL iocp_file_set_size(iocp_loop_t *loop, iocp_handle_t id, uint64_t size)
{
    ioc_handle *handle = NULL;
    int status = ioc_api_find_known(loop, id, FILES, size <= IOC_API_OFFSET_MAX, &handle);
    return status == IOCP_OK ? IOC_API_ASK(loop, file_set_size, handle, size) : status;
}

int IOCP_CALL iocp_file_get_position(iocp_loop_t *loop, iocp_handle_t id, uint64_t *position)
{
    ioc_handle *handle = NULL;
    int status = ioc_api_find_known(loop, id, FILES, position != NULL, &handle);
    if (status == IOCP_OK) {
        *position = handle->position;
    }
    return status;
}

int IOCP_CALL iocp_file_set_position(iocp_loop_t *loop, iocp_handle_t id, uint64_t position)
{
    ioc_handle *handle = NULL;
    int status = ioc_api_find_known(loop, id, FILES, position <= IOC_API_OFFSET_MAX, &handle);
    if (status == IOCP_OK && ioc_transfer_is_moving(handle)) {
        status = IOCP_EBUSY;
    }
    if (status == IOCP_OK) {
        handle->position = position;
    }
    return status;
}
