#include "api.h"

#include <string.h>

/* The shortest and longest address that a call takes: a family alone, and a sockaddr_storage. */
#define API_ADDRESS_MIN 2
#define API_ADDRESS_MAX 128

/* ---- The loop ---- */

#ifdef NDEBUG
#define API_CHECKS_THREADS false
#else
#define API_CHECKS_THREADS true
#endif

/* Between two ticks only a loop that was asked to checks whose it is. */
static bool api__is_own_thread(const iocp_loop_t *loop, bool is_taken_over)
{
    const ioc_ops *ops = &loop->loop_only.ops;
    void *me = (void *)ops->backend->thread_id(ops->port);
    void *runs_on = ioc_load_ptr(&loop->shared.runs_on);
    if (runs_on != NULL) {
        return runs_on == me;
    }
    return !loop->shared.checks_threads || is_taken_over || ioc_load_ptr(&loop->shared.owner) == me;
}

static inline int api__check(const iocp_loop_t *loop, bool is_taken_over)
{
    if (loop == NULL) {
        return IOCP_EINVAL;
    }
    if ((API_CHECKS_THREADS || loop->shared.checks_threads) &&
        !api__is_own_thread(loop, is_taken_over)) {
        return IOCP_ETHREAD;
    }
    loop->loop_only.ops.port->native_error = 0;
    return IOCP_OK;
}

static inline int api__check_open(const iocp_loop_t *loop, bool is_valid)
{
    int status = api__check(loop, false);
    if (status != IOCP_OK) {
        return status;
    }
    if (loop->loop_only.ops.is_ending) {
        return IOCP_ECLOSING;
    }
    return is_valid ? IOCP_OK : IOCP_EINVAL;
}

int ioc_api_check(const iocp_loop_t *loop, bool is_valid)
{
    int status = api__check(loop, false);
    return status != IOCP_OK || is_valid ? status : IOCP_EINVAL;
}

int ioc_api_check_run(const iocp_loop_t *loop, bool is_valid)
{
    int status = api__check(loop, true);
    return status != IOCP_OK || is_valid ? status : IOCP_EINVAL;
}

int ioc_api_check_open(const iocp_loop_t *loop, bool is_valid)
{
    return api__check_open(loop, is_valid);
}

int ioc_api_return(iocp_loop_t *loop, int status)
{
    uint32_t native_error = loop->loop_only.ops.port->native_error;
    if (status != IOCP_OK && native_error != 0) {
        loop->loop_only.native_error = native_error;
    }
    return status;
}

/* ---- Ids ---- */

int ioc_api_find_op(iocp_loop_t *loop, iocp_op_t id, bool is_valid, ioc_op **op)
{
    int status = ioc_api_check(loop, is_valid);
    if (status != IOCP_OK) {
        return status;
    }
    *op = ioc_op_find(&loop->loop_only.ops, id);
    return *op != NULL ? IOCP_OK : IOCP_ENOENT;
}

static int api__find_handle(iocp_loop_t *loop, iocp_handle_t id, uint32_t kinds,
                            ioc_handle **handle)
{
    *handle = ioc_handle_find(&loop->loop_only.ops, id);
    if (*handle == NULL) {
        return IOCP_EBADF;
    }
    return ioc_handle_is_one_of(*handle, kinds) ? IOCP_OK : IOCP_ENOTSUP;
}

int ioc_api_find_handle(iocp_loop_t *loop, iocp_handle_t id, uint32_t kinds, bool is_valid,
                        ioc_handle **handle)
{
    int status = ioc_api_check(loop, is_valid);
    return status == IOCP_OK ? api__find_handle(loop, id, kinds, handle) : status;
}

int ioc_api_find_known(iocp_loop_t *loop, iocp_handle_t id, uint32_t kinds, bool is_valid,
                       ioc_handle **handle)
{
    int status = ioc_api_find_handle(loop, id, kinds, is_valid, handle);
    if (status != IOCP_OK || !(*handle)->is_unknown) {
        return status;
    }
    int refusal = (*handle)->refusal.status;
    return refusal != IOCP_OK ? refusal : IOCP_EAGAIN;
}

/* ---- Operations ---- */

static bool api__is_callback(iocp_type_t type, iocp_callback_t callback)
{
    return callback != NULL || (ioc_kinds[type].traits & IOC_KIND_ONCE) != 0;
}

static int api__take_op(iocp_loop_t *loop, iocp_type_t type, iocp_callback_t callback,
                        void *userdata, ioc_op **op)
{
    *op = ioc_op_new(&loop->loop_only.ops, type, callback, userdata);
    return *op != NULL ? IOCP_OK : IOCP_ENOMEM;
}

int ioc_api_begin(iocp_loop_t *loop, iocp_type_t type, bool is_valid, iocp_callback_t callback,
                  void *userdata, ioc_op **op)
{
    int status = api__check_open(loop, is_valid && api__is_callback(type, callback));
    return status == IOCP_OK ? api__take_op(loop, type, callback, userdata, op) : status;
}

int ioc_api_begin_on(iocp_loop_t *loop, iocp_handle_t id, iocp_type_t type, bool is_valid,
                     iocp_callback_t callback, void *userdata, ioc_op **op)
{
    ioc_handle *handle = NULL;
    int status = api__check_open(loop, is_valid && api__is_callback(type, callback));
    if (status == IOCP_OK) {
        status = api__find_handle(loop, id, ioc_kinds[type].handles, &handle);
    }
    if (status == IOCP_OK) {
        status = api__take_op(loop, type, callback, userdata, op);
    }
    if (status == IOCP_OK) {
        (*op)->handle = handle;
    }
    return status;
}

int ioc_api_end(iocp_loop_t *loop, ioc_op *op, int status, iocp_op_t *id)
{
    if (status != IOCP_OK) {
        ioc_op_free(&loop->loop_only.ops, op);
        return status;
    }
    if (op->handle != NULL) {
        ioc_handle_enter(op->handle, op);
    }
    ioc_op_queue(&loop->loop_only.ops, op, id);
    return IOCP_OK;
}

/* ---- Handles ---- */

int ioc_api_begin_open(iocp_loop_t *loop, bool is_valid, iocp_handle_t *id, ioc_handle **handle)
{
    int status = ioc_api_check_open(loop, is_valid && id != NULL);
    if (status != IOCP_OK) {
        return status;
    }
    *handle = ioc_handle_new(&loop->loop_only.ops, IOCP_HANDLE_OTHER);
    return *handle != NULL ? IOCP_OK : IOCP_ENOMEM;
}

int ioc_api_end_open(iocp_loop_t *loop, ioc_handle *handle, int status, iocp_handle_t *id)
{
    if (status != IOCP_OK) {
        ioc_handle_free(&loop->loop_only.ops, handle);
        return status;
    }
    handle->is_open = true;
    *id = ioc_handle_id(handle);
    return IOCP_OK;
}

/* ---- Arguments ---- */

static bool api__is_all_zero(const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

/* Any version's is as large as a multiple of its alignment: a size that ends in a pointer is none. */
static bool api__is_size(uint32_t size)
{
    return size >= sizeof size && size <= IOC_API_SIZE_MAX && size % sizeof(void *) == 0;
}

int ioc_api_read_options(const void *given, void *options, size_t size)
{
    uint32_t stated;
    memset(options, 0, size);
    if (given == NULL) {
        return IOCP_OK;
    }
    memcpy(&stated, given, sizeof stated);
    if (!api__is_size(stated)) {
        return IOCP_EINVAL;
    }
    size_t known = stated < size ? stated : size;
    if (!api__is_all_zero((const unsigned char *)given + known, stated - known)) {
        return IOCP_EINVAL;
    }
    memcpy(options, given, known);
    return IOCP_OK;
}

bool ioc_api_is_buffers(const iocp_buf_t *buffers, size_t count)
{
    if (buffers == NULL || count == 0 || count > IOCP_BUFFERS_MAX) {
        return false;
    }
    uint64_t bytes = 0; /* the system counts them in 32 bits */
    for (size_t i = 0; i < count; i++) {
        if (buffers[i].base == NULL && buffers[i].length > 0) {
            return false;
        }
        bytes += buffers[i].length;
    }
    return bytes <= UINT32_MAX;
}

size_t ioc_api_one_buffer(iocp_buf_t *buffer, const void *data, size_t size)
{
    buffer->base = (void *)(uintptr_t)data;
    buffer->length = (uint32_t)size;
    return size <= UINT32_MAX ? 1 : 0;
}

bool ioc_api_is_address(const struct sockaddr *address, size_t length)
{
    return address != NULL && length >= API_ADDRESS_MIN && length <= API_ADDRESS_MAX;
}

bool ioc_api_is_console_size(uint32_t columns, uint32_t rows)
{
    return columns > 0 && columns <= INT16_MAX && rows > 0 && rows <= INT16_MAX;
}
