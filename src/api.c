/*
 * Every public function: check the arguments, resolve the ids, forward. Nothing else.
 */
#include "loop.h"
#include "stats.h"

#include <string.h>

#define API_TEXT_(x) #x
#define API_TEXT(x)  API_TEXT_(x)

/* Offsets in a file are signed on Windows. */
#define API_OFFSET_MAX ((uint64_t)INT64_MAX)

/* The shortest and longest address that a call takes: a family alone, and a sockaddr_storage. */
#define API_ADDRESS_MIN 2
#define API_ADDRESS_MAX 128

/* ---- Version ---- */

uint32_t IOCP_CALL iocp_version(void)
{
    return IOCP_VERSION;
}

const char *IOCP_CALL iocp_version_string(void)
{
    return API_TEXT(IOCP_VERSION_MAJOR) "." API_TEXT(IOCP_VERSION_MINOR) "." API_TEXT(
        IOCP_VERSION_PATCH);
}

uint32_t IOCP_CALL iocp_capabilities(void)
{
    return ioc_backend_default()->capabilities();
}

/* ---- The checks that all share ---- */

/* Whether the call may use the loop: 0, IOCP_EINVAL for NULL, IOCP_ETHREAD in debug builds. */
static int api__check(const iocp_loop_t *loop)
{
    if (loop == NULL) {
        return IOCP_EINVAL;
    }
#ifndef NDEBUG
    void *runs_on = ioc_load_ptr(&loop->shared.runs_on);
    void *me = (void *)loop->loop_only.backend->thread_id(loop->loop_only.port);
    if (runs_on != NULL && runs_on != me) {
        return IOCP_ETHREAD;
    }
#endif
    loop->loop_only.port->native_error = 0;
    return IOCP_OK;
}

/* As api__check, for calls that bring new work. */
static int api__check_open(const iocp_loop_t *loop)
{
    int status = api__check(loop);
    if (status == IOCP_OK && ioc_inbox_is_shut(&loop->shared.inbox)) {
        status = IOCP_ECLOSING;
    }
    return status;
}

/* The end of a call that may have failed in the system: keep the raw code, if it gave one. */
static int api__return(iocp_loop_t *loop, int status)
{
    if (status != IOCP_OK && loop->loop_only.port->native_error != 0) {
        loop->loop_only.native_error = loop->loop_only.port->native_error;
    }
    return status;
}

static int api__find_op(iocp_loop_t *loop, iocp_op_t id, ioc_op **op)
{
    int status = api__check(loop);
    if (status != IOCP_OK) {
        return status;
    }
    *op = ioc_op_find(&loop->loop_only.ops, id);
    return *op != NULL ? IOCP_OK : IOCP_ENOENT;
}

static int api__find_handle(iocp_loop_t *loop, iocp_handle_t id, ioc_handle **handle)
{
    int status = api__check(loop);
    if (status != IOCP_OK) {
        return status;
    }
    *handle = ioc_handle_find(&loop->loop_only.handles, id);
    return *handle != NULL ? IOCP_OK : IOCP_EBADF;
}

static int api__find_socket(iocp_loop_t *loop, iocp_handle_t id, ioc_handle **handle)
{
    int status = api__find_handle(loop, id, handle);
    if (status != IOCP_OK) {
        return status;
    }
    bool is_socket = (*handle)->kind == IOC_HANDLE_STREAM || (*handle)->kind == IOC_HANDLE_DATAGRAM;
    return is_socket ? IOCP_OK : IOCP_ENOTSUP;
}

static int api__find_file(iocp_loop_t *loop, iocp_handle_t id, ioc_handle **handle)
{
    int status = api__find_handle(loop, id, handle);
    if (status != IOCP_OK) {
        return status;
    }
    return (*handle)->kind == IOC_HANDLE_FILE ? IOCP_OK : IOCP_ENOTSUP;
}

/* The first error of a call: what was found so far, else IOCP_EINVAL if the rest is not valid. */
static int api__require(int status, bool is_valid)
{
    return status != IOCP_OK || is_valid ? status : IOCP_EINVAL;
}

static int api__take_op(iocp_loop_t *loop, iocp_type_t type, iocp_callback_t callback,
                        void *userdata, ioc_op **op)
{
    *op = ioc_op_new(&loop->loop_only.ops, type, callback, userdata);
    return *op != NULL ? IOCP_OK : IOCP_ENOMEM;
}

/* A new operation of the loop's own. */
static int api__new_op(iocp_loop_t *loop, iocp_type_t type, iocp_callback_t callback,
                       void *userdata, ioc_op **op)
{
    int status = api__require(api__check_open(loop), callback != NULL);
    return status == IOCP_OK ? api__take_op(loop, type, callback, userdata, op) : status;
}

#define API_BIT(name) (1u << IOCP_TYPE_##name)

/* The operations that a handle has. */
static uint32_t api__operations(const ioc_handle *handle)
{
    switch (handle->kind) {
    case IOC_HANDLE_STREAM:
        return API_BIT(ACCEPT) | API_BIT(CONNECT) | API_BIT(SEND) | API_BIT(RECV) |
               API_BIT(SHUTDOWN) | API_BIT(DRAIN);
    case IOC_HANDLE_DATAGRAM:
        return API_BIT(CONNECT) | API_BIT(SEND) | API_BIT(RECV) | API_BIT(SENDTO) |
               API_BIT(RECVFROM) | API_BIT(DRAIN);
    case IOC_HANDLE_FILE:
        return API_BIT(READ) | API_BIT(WRITE) | API_BIT(PREAD) |
               (handle->is_append ? 0 : API_BIT(PWRITE)) | API_BIT(FLUSH) | API_BIT(DRAIN);
    case IOC_HANDLE_PIPE:
        return API_BIT(READ) | API_BIT(WRITE) | API_BIT(DRAIN);
    }
    return 0;
}

/* A new operation on a handle, which api__queue then enters in the handle's books. */
static int api__new_handle_op(iocp_loop_t *loop, iocp_handle_t id, iocp_type_t type,
                              iocp_callback_t callback, void *userdata, ioc_op **op)
{
    ioc_handle *handle = NULL;
    int status = api__require(api__check_open(loop), callback != NULL);
    if (status == IOCP_OK) {
        status = api__find_handle(loop, id, &handle);
    }
    if (status == IOCP_OK && (api__operations(handle) & 1u << type) == 0) {
        status = IOCP_ENOTSUP;
    }
    if (status == IOCP_OK) {
        status = api__take_op(loop, type, callback, userdata, op);
    }
    if (status == IOCP_OK) {
        (*op)->handle = handle;
    }
    return status;
}

/* Queue an operation whose parameters are copied, or take it back if that failed. */
static int api__queue(iocp_loop_t *loop, ioc_op *op, int status, iocp_op_t *id)
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

/* ---- The loop ---- */

static bool api__is_all_zero(const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

/* Take what a program of another version passes: less gets defaults, more must be zero. */
static int api__read_options(const iocp_loop_options_t *given, iocp_loop_options_t *options)
{
    memset(options, 0, sizeof *options);
    if (given == NULL) {
        return IOCP_OK;
    }
    size_t known = given->size < sizeof *options ? given->size : sizeof *options;
    if (given->size < sizeof given->size ||
        !api__is_all_zero((const unsigned char *)given + known, given->size - known)) {
        return IOCP_EINVAL;
    }
    memcpy(options, given, known);
    bool is_valid = options->batch <= IOC_BATCH_MAX &&
                    options->completion_mode <= IOCP_COMPLETION_SKIP &&
                    options->sleep_method <= IOCP_SLEEP_PORT &&
                    (options->allocate == NULL) == (options->free == NULL);
    return is_valid ? IOCP_OK : IOCP_EINVAL;
}

int IOCP_CALL iocp_loop_create(const iocp_loop_options_t *options, iocp_loop_t **loop)
{
    if (loop == NULL) {
        return IOCP_EINVAL;
    }
    iocp_loop_options_t checked;
    int status = api__read_options(options, &checked);
    if (status != IOCP_OK) {
        return status;
    }
    return ioc_loop_create(&checked, ioc_backend_default(), NULL, loop);
}

int IOCP_CALL iocp_loop_destroy(iocp_loop_t *loop, uint64_t timeout_ns)
{
    int status = api__check(loop);
    return status == IOCP_OK ? ioc_loop_destroy(loop, timeout_ns) : status;
}

int IOCP_CALL iocp_loop_run(iocp_loop_t *loop, iocp_run_mode_t mode)
{
    int status = api__check(loop);
    if (status != IOCP_OK) {
        return status;
    }
    switch (mode) {
    case IOCP_RUN_NO_WAIT:
        return ioc_loop_run(loop, 0);
    case IOCP_RUN_ONCE:
        return ioc_loop_run(loop, 1);
    case IOCP_RUN_UNTIL_DONE:
        return ioc_loop_run(loop, UINT64_MAX);
    }
    return IOCP_EINVAL;
}

int IOCP_CALL iocp_loop_tick(iocp_loop_t *loop, uint32_t wait)
{
    int status = api__check(loop);
    return status == IOCP_OK ? ioc_loop_run(loop, wait) : status;
}

int IOCP_CALL iocp_loop_submit(iocp_loop_t *loop)
{
    int status = api__check(loop);
    if (status == IOCP_OK) {
        ioc_ops_forget_now(&loop->loop_only.ops);
        ioc_loop_submit(loop);
    }
    return status;
}

int IOCP_CALL iocp_loop_stop(iocp_loop_t *loop)
{
    if (loop == NULL) {
        return IOCP_EINVAL;
    }
    ioc_inbox_stop(&loop->shared.inbox);
    return IOCP_OK;
}

int IOCP_CALL iocp_loop_resume(iocp_loop_t *loop)
{
    if (loop == NULL) {
        return IOCP_EINVAL;
    }
    ioc_inbox_resume(&loop->shared.inbox);
    return IOCP_OK;
}

int IOCP_CALL iocp_loop_stopped(const iocp_loop_t *loop)
{
    return loop != NULL && ioc_inbox_is_stopped(&loop->shared.inbox);
}

uint32_t IOCP_CALL iocp_loop_native_error(const iocp_loop_t *loop)
{
    return loop != NULL ? loop->loop_only.native_error : 0;
}

/* For calls that change nothing that the caller can see, only what the loop has looked up. */
static iocp_loop_t *api__mutable(const iocp_loop_t *loop)
{
    return (iocp_loop_t *)(uintptr_t)loop;
}

uint64_t IOCP_CALL iocp_loop_now(const iocp_loop_t *loop)
{
    if (loop == NULL) {
        return 0;
    }
    return ioc_ops_now(&api__mutable(loop)->loop_only.ops);
}

void IOCP_CALL iocp_loop_update_now(iocp_loop_t *loop)
{
    if (loop != NULL) {
        ioc_ops_update_now(&loop->loop_only.ops);
    }
}

size_t IOCP_CALL iocp_loop_active(const iocp_loop_t *loop)
{
    return loop != NULL ? loop->loop_only.ops.active : 0;
}

int IOCP_CALL iocp_loop_next_deadline(const iocp_loop_t *loop, uint64_t *when_ns)
{
    int status = api__require(api__check(loop), when_ns != NULL);
    if (status != IOCP_OK) {
        return status;
    }
    uint64_t deadline_ns = ioc_loop_next_deadline(api__mutable(loop));
    if (deadline_ns == IOC_FOREVER) {
        return IOCP_ENOENT;
    }
    *when_ns = deadline_ns;
    return IOCP_OK;
}

int IOCP_CALL iocp_loop_native_port(const iocp_loop_t *loop, void **handle)
{
    int status = api__require(api__check(loop), handle != NULL);
    if (status != IOCP_OK) {
        return status;
    }
    *handle = loop->loop_only.backend->native(loop->loop_only.port);
    return IOCP_OK;
}

int IOCP_CALL iocp_loop_stats(const iocp_loop_t *loop, iocp_stats_t *stats)
{
    int status = api__require(api__check(loop), stats != NULL);
    if (status != IOCP_OK) {
        return status;
    }
    return ioc_stats_read(&loop->loop_only.ops, &loop->loop_only.handles, &loop->shared.inbox,
                          &loop->shared.alloc, stats);
}

int IOCP_CALL iocp_loop_dump(const iocp_loop_t *loop, iocp_dump_fn function, void *userdata)
{
    int status = api__require(api__check(loop), function != NULL);
    if (status != IOCP_OK) {
        return status;
    }
    ioc_stats_dump(&loop->loop_only.ops, iocp_loop_now(loop), function, userdata);
    return IOCP_OK;
}

/* ---- Operations of the loop's own ---- */

int IOCP_CALL iocp_nop(iocp_loop_t *loop, iocp_callback_t callback, void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    int status = api__new_op(loop, IOCP_TYPE_NOP, callback, userdata, &op);
    return status == IOCP_OK ? api__queue(loop, op, status, id) : status;
}

int IOCP_CALL iocp_timer(iocp_loop_t *loop, uint64_t delay_ns, iocp_callback_t callback,
                         void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    int status = api__new_op(loop, IOCP_TYPE_TIMER, callback, userdata, &op);
    if (status != IOCP_OK) {
        return status;
    }
    op->as.timer.delay_ns = delay_ns;
    return api__queue(loop, op, status, id);
}

int IOCP_CALL iocp_cancel(iocp_loop_t *loop, iocp_op_t target, iocp_callback_t callback,
                          void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    int status = api__check_open(loop);
    if (status == IOCP_OK) {
        status = api__take_op(loop, IOCP_TYPE_CANCEL, callback, userdata, &op);
    }
    if (status != IOCP_OK) {
        return status;
    }
    op->as.cancel.target = target;
    return api__queue(loop, op, status, id);
}

int IOCP_CALL iocp_op_deadline(iocp_loop_t *loop, iocp_op_t id, uint64_t delay_ns)
{
    ioc_op *op = NULL;
    int status = api__find_op(loop, id, &op);
    return status == IOCP_OK ? ioc_op_set_deadline(&loop->loop_only.ops, op, delay_ns) : status;
}

static int api__set_referenced(iocp_loop_t *loop, iocp_op_t id, bool referenced)
{
    ioc_op *op = NULL;
    int status = api__find_op(loop, id, &op);
    if (status == IOCP_OK) {
        ioc_op_set_referenced(&loop->loop_only.ops, op, referenced);
    }
    return status;
}

int IOCP_CALL iocp_op_unref(iocp_loop_t *loop, iocp_op_t id)
{
    return api__set_referenced(loop, id, false);
}

int IOCP_CALL iocp_op_ref(iocp_loop_t *loop, iocp_op_t id)
{
    return api__set_referenced(loop, id, true);
}

int IOCP_CALL iocp_op_state(iocp_loop_t *loop, iocp_op_t id)
{
    ioc_op *op = NULL;
    int status = api__find_op(loop, id, &op);
    if (status == IOCP_ENOENT) {
        return IOCP_OP_DEAD;
    }
    return status == IOCP_OK ? (int)ioc_op_state(op) : status;
}

int IOCP_CALL iocp_timer_reset(iocp_loop_t *loop, iocp_op_t id, uint64_t delay_ns)
{
    ioc_op *op = NULL;
    int status = api__find_op(loop, id, &op);
    return status == IOCP_OK ? ioc_op_reset_timer(&loop->loop_only.ops, op, delay_ns) : status;
}

/* ---- Handles ---- */

int IOCP_CALL iocp_close(iocp_loop_t *loop, iocp_handle_t id, iocp_callback_t callback,
                         void *userdata, iocp_op_t *op_id)
{
    ioc_handle *handle = NULL;
    ioc_op *op = NULL;
    int status = api__check_open(loop);
    if (status == IOCP_OK) {
        status = api__find_handle(loop, id, &handle);
    }
    if (status == IOCP_OK) {
        status = api__take_op(loop, IOCP_TYPE_CLOSE, callback, userdata, &op);
    }
    if (status == IOCP_OK) {
        status = api__queue(loop, op, IOCP_OK, op_id);
        ioc_handle_shut_gate(handle, op);
    }
    return status;
}

int IOCP_CALL iocp_handle_native(iocp_loop_t *loop, iocp_handle_t id, void **native)
{
    ioc_handle *handle = NULL;
    int status = api__require(api__find_handle(loop, id, &handle), native != NULL);
    if (status != IOCP_OK) {
        return status;
    }
    *native = loop->loop_only.backend->handle_native(loop->loop_only.port, handle);
    return IOCP_OK;
}

int IOCP_CALL iocp_handle_queued(iocp_loop_t *loop, iocp_handle_t id, uint64_t *bytes,
                                 uint64_t *most)
{
    ioc_handle *handle = NULL;
    int status = api__find_handle(loop, id, &handle);
    if (status != IOCP_OK) {
        return status;
    }
    if (bytes != NULL) {
        *bytes = handle->queued_bytes;
    }
    if (most != NULL) {
        *most = handle->most_queued_bytes;
        handle->most_queued_bytes = handle->queued_bytes;
    }
    return IOCP_OK;
}

int IOCP_CALL iocp_drain(iocp_loop_t *loop, iocp_handle_t handle, uint64_t bytes,
                         iocp_callback_t callback, void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    int status = api__new_handle_op(loop, handle, IOCP_TYPE_DRAIN, callback, userdata, &op);
    if (status != IOCP_OK) {
        return status;
    }
    op->as.drain.bytes = bytes;
    return api__queue(loop, op, status, id);
}

/* ---- Sockets ---- */

/* A handle that a backend call has filled, or what went wrong. */
static int api__opened(iocp_loop_t *loop, ioc_handle *opened, int status, iocp_handle_t *id)
{
    if (status != IOCP_OK) {
        ioc_handle_free(&loop->loop_only.handles, opened);
        return api__return(loop, status);
    }
    opened->is_open = true;
    *id = ioc_handle_id(opened);
    return IOCP_OK;
}

static int api__new_handle(iocp_loop_t *loop, iocp_handle_t *id, ioc_handle **handle)
{
    int status = api__require(api__check_open(loop), id != NULL);
    if (status != IOCP_OK) {
        return status;
    }
    *handle = ioc_handle_new(&loop->loop_only.handles, IOC_HANDLE_STREAM);
    return *handle != NULL ? IOCP_OK : IOCP_ENOMEM;
}

int IOCP_CALL iocp_handle_adopt(iocp_loop_t *loop, void *native, iocp_handle_t *id)
{
    ioc_handle *handle = NULL;
    int status = api__new_handle(loop, id, &handle);
    if (status != IOCP_OK) {
        return status;
    }
    status = loop->loop_only.backend->handle_adopt(loop->loop_only.port, handle, native);
    return api__opened(loop, handle, status, id);
}

int IOCP_CALL iocp_socket_open(iocp_loop_t *loop, int family, int type, int protocol,
                               iocp_handle_t *id)
{
    ioc_handle *handle = NULL;
    int status = api__new_handle(loop, id, &handle);
    if (status != IOCP_OK) {
        return status;
    }
    status =
        loop->loop_only.backend->socket_open(loop->loop_only.port, handle, family, type, protocol);
    return api__opened(loop, handle, status, id);
}

int IOCP_CALL iocp_socket_adopt(iocp_loop_t *loop, uintptr_t socket, iocp_handle_t *id)
{
    ioc_handle *handle = NULL;
    int status = api__new_handle(loop, id, &handle);
    if (status != IOCP_OK) {
        return status;
    }
    status = loop->loop_only.backend->socket_adopt(loop->loop_only.port, handle, socket);
    return api__opened(loop, handle, status, id);
}

int IOCP_CALL iocp_socket_detach(iocp_loop_t *loop, iocp_handle_t id, uintptr_t *socket)
{
    ioc_handle *handle = NULL;
    int status = api__require(api__find_socket(loop, id, &handle), socket != NULL);
    if (status != IOCP_OK) {
        return status;
    }
    if (!ioc_list_is_empty(&handle->operations)) {
        return IOCP_EBUSY;
    }
    status = loop->loop_only.backend->socket_detach(loop->loop_only.port, handle, socket);
    if (status == IOCP_OK) {
        handle->is_open = false;
        ioc_handle_free(&loop->loop_only.handles, handle);
    }
    return api__return(loop, status);
}

static bool api__is_address(const struct sockaddr *address, size_t length)
{
    return address != NULL && length >= API_ADDRESS_MIN && length <= API_ADDRESS_MAX;
}

int IOCP_CALL iocp_socket_bind(iocp_loop_t *loop, iocp_handle_t id, const struct sockaddr *address,
                               size_t length)
{
    ioc_handle *handle = NULL;
    int status =
        api__require(api__find_socket(loop, id, &handle), api__is_address(address, length));
    if (status != IOCP_OK) {
        return status;
    }
    return api__return(
        loop, loop->loop_only.backend->socket_bind(loop->loop_only.port, handle, address, length));
}

int IOCP_CALL iocp_socket_listen(iocp_loop_t *loop, iocp_handle_t id, int backlog)
{
    ioc_handle *handle = NULL;
    int status = api__require(api__find_socket(loop, id, &handle), backlog >= 0);
    if (status == IOCP_OK && handle->kind != IOC_HANDLE_STREAM) {
        status = IOCP_ENOTSUP;
    }
    if (status != IOCP_OK) {
        return status;
    }
    return api__return(
        loop, loop->loop_only.backend->socket_listen(loop->loop_only.port, handle, backlog));
}

static int api__socket_name(iocp_loop_t *loop, iocp_handle_t id, bool peer,
                            struct sockaddr *address, size_t *length)
{
    ioc_handle *handle = NULL;
    int status =
        api__require(api__find_socket(loop, id, &handle), address != NULL && length != NULL);
    if (status != IOCP_OK) {
        return status;
    }
    return api__return(loop, loop->loop_only.backend->socket_name(loop->loop_only.port, handle,
                                                                  peer, address, length));
}

int IOCP_CALL iocp_socket_get_name(iocp_loop_t *loop, iocp_handle_t handle,
                                   struct sockaddr *address, size_t *length)
{
    return api__socket_name(loop, handle, false, address, length);
}

int IOCP_CALL iocp_socket_get_peer(iocp_loop_t *loop, iocp_handle_t handle,
                                   struct sockaddr *address, size_t *length)
{
    return api__socket_name(loop, handle, true, address, length);
}

static bool api__is_option(iocp_socket_option_t option)
{
    return option >= IOCP_SOCKET_NODELAY && option <= IOCP_SOCKET_UNREACHABLE;
}

int IOCP_CALL iocp_socket_set_option(iocp_loop_t *loop, iocp_handle_t id,
                                     iocp_socket_option_t option, int value)
{
    ioc_handle *handle = NULL;
    int status = api__require(api__find_socket(loop, id, &handle),
                              api__is_option(option) && option != IOCP_SOCKET_ERROR);
    if (status != IOCP_OK) {
        return status;
    }
    return api__return(loop, loop->loop_only.backend->socket_set_option(loop->loop_only.port,
                                                                        handle, option, value));
}

int IOCP_CALL iocp_socket_get_option(iocp_loop_t *loop, iocp_handle_t id,
                                     iocp_socket_option_t option, int *value)
{
    ioc_handle *handle = NULL;
    int status =
        api__require(api__find_socket(loop, id, &handle), api__is_option(option) && value != NULL);
    if (status != IOCP_OK) {
        return status;
    }
    return api__return(loop, loop->loop_only.backend->socket_get_option(loop->loop_only.port,
                                                                        handle, option, value));
}

int IOCP_CALL iocp_accept(iocp_loop_t *loop, iocp_handle_t listener, iocp_callback_t callback,
                          void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    int status = api__new_handle_op(loop, listener, IOCP_TYPE_ACCEPT, callback, userdata, &op);
    if (status != IOCP_OK) {
        return status;
    }
    return api__queue(loop, op, ioc_op_take_block(&loop->loop_only.ops, op, IOC_BLOCK_BYTES), id);
}

int IOCP_CALL iocp_connect(iocp_loop_t *loop, iocp_handle_t handle, const struct sockaddr *address,
                           size_t length, iocp_callback_t callback, void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    if (!api__is_address(address, length)) {
        return IOCP_EINVAL;
    }
    int status = api__new_handle_op(loop, handle, IOCP_TYPE_CONNECT, callback, userdata, &op);
    if (status != IOCP_OK) {
        return status;
    }
    return api__queue(loop, op, ioc_op_copy_address(&loop->loop_only.ops, op, address, length), id);
}

static bool api__is_buffers(const iocp_buf_t *buffers, size_t count)
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

static int api__transfer(iocp_loop_t *loop, iocp_handle_t handle, iocp_type_t type,
                         const iocp_buf_t *buffers, size_t count, iocp_callback_t callback,
                         void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    if (!api__is_buffers(buffers, count)) {
        return IOCP_EINVAL;
    }
    int status = api__new_handle_op(loop, handle, type, callback, userdata, &op);
    if (status != IOCP_OK) {
        return status;
    }
    status = ioc_op_copy_buffers(&loop->loop_only.ops, op, buffers, count);
    if (op->handle->kind != IOC_HANDLE_STREAM) {
        op->as.buffers.is_zero_end = false;
    }
    return api__queue(loop, op, status, id);
}

/* One buffer, if its length fits in an iocp_buf_t; otherwise one that api__is_buffers refuses. */
static size_t api__one_buffer(iocp_buf_t *buffer, const void *data, size_t size)
{
    buffer->base = (void *)(uintptr_t)data;
    buffer->length = (uint32_t)size;
    return size <= UINT32_MAX ? 1 : 0;
}

int IOCP_CALL iocp_send(iocp_loop_t *loop, iocp_handle_t handle, const void *data, size_t size,
                        iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    iocp_buf_t buffer;
    size_t count = api__one_buffer(&buffer, data, size);
    return api__transfer(loop, handle, IOCP_TYPE_SEND, &buffer, count, callback, userdata, op);
}

int IOCP_CALL iocp_sendv(iocp_loop_t *loop, iocp_handle_t handle, const iocp_buf_t *buffers,
                         size_t count, iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    return api__transfer(loop, handle, IOCP_TYPE_SEND, buffers, count, callback, userdata, op);
}

int IOCP_CALL iocp_recv(iocp_loop_t *loop, iocp_handle_t handle, void *data, size_t size,
                        iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    iocp_buf_t buffer;
    size_t count = api__one_buffer(&buffer, data, size);
    return api__transfer(loop, handle, IOCP_TYPE_RECV, &buffer, count, callback, userdata, op);
}

int IOCP_CALL iocp_recvv(iocp_loop_t *loop, iocp_handle_t handle, const iocp_buf_t *buffers,
                         size_t count, iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    return api__transfer(loop, handle, IOCP_TYPE_RECV, buffers, count, callback, userdata, op);
}

/* A datagram: the one buffer beside the address. */
static int api__datagram(iocp_loop_t *loop, iocp_handle_t handle, iocp_type_t type,
                         const void *data, size_t size, iocp_callback_t callback, void *userdata,
                         ioc_op **op)
{
    iocp_buf_t buffer;
    size_t count = api__one_buffer(&buffer, data, size);
    if (!api__is_buffers(&buffer, count)) {
        return IOCP_EINVAL;
    }
    int status = api__new_handle_op(loop, handle, type, callback, userdata, op);
    if (status == IOCP_OK) {
        (*op)->as.addressed.one = buffer;
    }
    return status;
}

int IOCP_CALL iocp_sendto(iocp_loop_t *loop, iocp_handle_t handle, const void *data, size_t size,
                          const struct sockaddr *address, size_t length, iocp_callback_t callback,
                          void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    if (!api__is_address(address, length)) {
        return IOCP_EINVAL;
    }
    int status = api__datagram(loop, handle, IOCP_TYPE_SENDTO, data, size, callback, userdata, &op);
    if (status != IOCP_OK) {
        return status;
    }
    return api__queue(loop, op, ioc_op_copy_address(&loop->loop_only.ops, op, address, length), id);
}

int IOCP_CALL iocp_recvfrom(iocp_loop_t *loop, iocp_handle_t handle, void *data, size_t size,
                            iocp_callback_t callback, void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    int status =
        api__datagram(loop, handle, IOCP_TYPE_RECVFROM, data, size, callback, userdata, &op);
    if (status != IOCP_OK) {
        return status;
    }
    return api__queue(loop, op, ioc_op_take_block(&loop->loop_only.ops, op, IOC_BLOCK_BYTES), id);
}

static int api__join(iocp_loop_t *loop, iocp_handle_t id, bool leave, const struct sockaddr *group,
                     size_t length, uint32_t interface_index)
{
    ioc_handle *handle = NULL;
    int status = api__require(api__find_socket(loop, id, &handle), api__is_address(group, length));
    if (status == IOCP_OK && handle->kind != IOC_HANDLE_DATAGRAM) {
        status = IOCP_ENOTSUP;
    }
    if (status != IOCP_OK) {
        return status;
    }
    return api__return(loop,
                       loop->loop_only.backend->socket_join(loop->loop_only.port, handle, leave,
                                                            group, length, interface_index));
}

int IOCP_CALL iocp_socket_join(iocp_loop_t *loop, iocp_handle_t handle,
                               const struct sockaddr *group, size_t length,
                               uint32_t interface_index)
{
    return api__join(loop, handle, false, group, length, interface_index);
}

int IOCP_CALL iocp_socket_leave(iocp_loop_t *loop, iocp_handle_t handle,
                                const struct sockaddr *group, size_t length,
                                uint32_t interface_index)
{
    return api__join(loop, handle, true, group, length, interface_index);
}

int IOCP_CALL iocp_shutdown(iocp_loop_t *loop, iocp_handle_t handle, iocp_shutdown_how_t how,
                            iocp_callback_t callback, void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    if (how < IOCP_SHUTDOWN_RECV || how > IOCP_SHUTDOWN_BOTH) {
        return IOCP_EINVAL;
    }
    int status = api__new_handle_op(loop, handle, IOCP_TYPE_SHUTDOWN, callback, userdata, &op);
    if (status != IOCP_OK) {
        return status;
    }
    op->as.shutdown.how = how;
    return api__queue(loop, op, status, id);
}

/* ---- Files and pipes ---- */

static bool api__is_file_flags(uint32_t flags)
{
    const uint32_t all = (IOCP_FILE_SEQUENTIAL << 1) - 1;
    bool writes = (flags & IOCP_FILE_WRITE) != 0;
    bool appends = (flags & IOCP_FILE_APPEND) != 0;
    return (flags & ~all) == 0 && ((flags & IOCP_FILE_READ) != 0 || writes || appends) &&
           !(writes && appends) && (writes || (flags & IOCP_FILE_TRUNCATE) == 0) &&
           ((flags & IOCP_FILE_CREATE) != 0 || (flags & IOCP_FILE_EXCLUSIVE) == 0) &&
           !(appends && (flags & IOCP_FILE_NO_BUFFERING) != 0);
}

int IOCP_CALL iocp_file_open(iocp_loop_t *loop, const char *path, uint32_t flags, iocp_handle_t *id)
{
    ioc_handle *handle = NULL;
    if (path == NULL || path[0] == '\0' || !api__is_file_flags(flags)) {
        return api__require(api__check_open(loop), false);
    }
    int status = api__new_handle(loop, id, &handle);
    if (status != IOCP_OK) {
        return status;
    }
    status = loop->loop_only.backend->file_open(loop->loop_only.port, handle, path, flags);
    return api__opened(loop, handle, status, id);
}

static int api__move(iocp_loop_t *loop, iocp_handle_t handle, iocp_type_t type, const void *data,
                     size_t size, uint64_t offset, iocp_callback_t callback, void *userdata,
                     iocp_op_t *id)
{
    ioc_op *op = NULL;
    iocp_buf_t buffer;
    size_t count = api__one_buffer(&buffer, data, size);
    if (!api__is_buffers(&buffer, count) || offset > API_OFFSET_MAX - size) {
        return IOCP_EINVAL;
    }
    int status = api__new_handle_op(loop, handle, type, callback, userdata, &op);
    if (status != IOCP_OK) {
        return status;
    }
    op->as.transfer.one = buffer;
    op->as.transfer.offset = offset;
    op->as.transfer.is_zero_end = op->handle->kind == IOC_HANDLE_FILE && size > 0;
    return api__queue(loop, op, status, id);
}

int IOCP_CALL iocp_pread(iocp_loop_t *loop, iocp_handle_t handle, void *data, size_t size,
                         uint64_t offset, iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    return api__move(loop, handle, IOCP_TYPE_PREAD, data, size, offset, callback, userdata, op);
}

int IOCP_CALL iocp_pwrite(iocp_loop_t *loop, iocp_handle_t handle, const void *data, size_t size,
                          uint64_t offset, iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    return api__move(loop, handle, IOCP_TYPE_PWRITE, data, size, offset, callback, userdata, op);
}

/* Whether a stream is one of those that receive and send. */
static bool api__is_stream_socket(iocp_loop_t *loop, iocp_handle_t id)
{
    ioc_handle *handle = NULL;
    return api__find_handle(loop, id, &handle) == IOCP_OK && handle->kind == IOC_HANDLE_STREAM;
}

int IOCP_CALL iocp_read(iocp_loop_t *loop, iocp_handle_t handle, void *data, size_t size,
                        iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    return api__is_stream_socket(loop, handle)
               ? iocp_recv(loop, handle, data, size, callback, userdata, op)
               : api__move(loop, handle, IOCP_TYPE_READ, data, size, 0, callback, userdata, op);
}

int IOCP_CALL iocp_write(iocp_loop_t *loop, iocp_handle_t handle, const void *data, size_t size,
                         iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    return api__is_stream_socket(loop, handle)
               ? iocp_send(loop, handle, data, size, callback, userdata, op)
               : api__move(loop, handle, IOCP_TYPE_WRITE, data, size, 0, callback, userdata, op);
}

int IOCP_CALL iocp_file_flush(iocp_loop_t *loop, iocp_handle_t handle, iocp_callback_t callback,
                              void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    int status = api__new_handle_op(loop, handle, IOCP_TYPE_FLUSH, callback, userdata, &op);
    return status == IOCP_OK ? api__queue(loop, op, status, id) : status;
}

int IOCP_CALL iocp_file_get_size(iocp_loop_t *loop, iocp_handle_t id, uint64_t *size)
{
    ioc_handle *handle = NULL;
    int status = api__require(api__find_file(loop, id, &handle), size != NULL);
    if (status != IOCP_OK) {
        return status;
    }
    return api__return(loop,
                       loop->loop_only.backend->file_size(loop->loop_only.port, handle, size));
}

int IOCP_CALL iocp_file_set_size(iocp_loop_t *loop, iocp_handle_t id, uint64_t size)
{
    ioc_handle *handle = NULL;
    int status = api__require(api__find_file(loop, id, &handle), size <= API_OFFSET_MAX);
    if (status != IOCP_OK) {
        return status;
    }
    return api__return(loop,
                       loop->loop_only.backend->file_set_size(loop->loop_only.port, handle, size));
}

int IOCP_CALL iocp_file_get_position(iocp_loop_t *loop, iocp_handle_t id, uint64_t *position)
{
    ioc_handle *handle = NULL;
    int status = api__require(api__find_file(loop, id, &handle), position != NULL);
    if (status == IOCP_OK) {
        *position = handle->position;
    }
    return status;
}

int IOCP_CALL iocp_file_set_position(iocp_loop_t *loop, iocp_handle_t id, uint64_t position)
{
    ioc_handle *handle = NULL;
    int status = api__require(api__find_file(loop, id, &handle), position <= API_OFFSET_MAX);
    if (status == IOCP_OK && ioc_handle_is_moving(handle)) {
        status = IOCP_EBUSY;
    }
    if (status == IOCP_OK) {
        handle->position = position;
    }
    return status;
}

/* ---- Waits, processes, blocking work ---- */

static int api__wait(iocp_loop_t *loop, iocp_type_t type, void *object, iocp_callback_t callback,
                     void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    if (object == NULL) {
        return IOCP_EINVAL;
    }
    int status = api__new_op(loop, type, callback, userdata, &op);
    if (status != IOCP_OK) {
        return status;
    }
    op->as.wait.object = object;
    return api__queue(loop, op, status, id);
}

int IOCP_CALL iocp_wait(iocp_loop_t *loop, void *object, iocp_callback_t callback, void *userdata,
                        iocp_op_t *op)
{
    return api__wait(loop, IOCP_TYPE_WAIT, object, callback, userdata, op);
}

int IOCP_CALL iocp_process_wait(iocp_loop_t *loop, void *process, iocp_callback_t callback,
                                void *userdata, iocp_op_t *op)
{
    return api__wait(loop, IOCP_TYPE_PROCESS_WAIT, process, callback, userdata, op);
}

int IOCP_CALL iocp_job_watch(iocp_loop_t *loop, void *job, iocp_callback_t callback, void *userdata,
                             iocp_op_t *op)
{
    return api__wait(loop, IOCP_TYPE_JOB_WATCH, job, callback, userdata, op);
}

int IOCP_CALL iocp_work(iocp_loop_t *loop, iocp_work_fn function, void *arg,
                        iocp_callback_t callback, void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    if (function == NULL) {
        return IOCP_EINVAL;
    }
    int status = api__new_op(loop, IOCP_TYPE_WORK, callback, userdata, &op);
    if (status != IOCP_OK) {
        return status;
    }
    op->as.work.function = function;
    op->as.work.arg = arg;
    return api__queue(loop, op, status, id);
}

/* ---- Waking and posting ---- */

int IOCP_CALL iocp_async_create(iocp_loop_t *loop, iocp_async_t **async)
{
    int status = api__require(api__check_open(loop), async != NULL);
    if (status != IOCP_OK) {
        return status;
    }
    return ioc_async_create(&loop->shared.inbox, async);
}

int IOCP_CALL iocp_async_destroy(iocp_async_t *async)
{
    int status = async != NULL ? api__check(ioc_async_inbox(async)->shared.loop) : IOCP_EINVAL;
    if (status == IOCP_OK) {
        ioc_async_destroy(async);
    }
    return status;
}

int IOCP_CALL iocp_async_notify(iocp_async_t *async)
{
    return async != NULL ? ioc_async_notify(async) : IOCP_EINVAL;
}

int IOCP_CALL iocp_async_wait(iocp_loop_t *loop, iocp_async_t *async, iocp_callback_t callback,
                              void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    if (loop == NULL || async == NULL || ioc_async_inbox(async) != &loop->shared.inbox) {
        return IOCP_EINVAL;
    }
    int status = api__new_op(loop, IOCP_TYPE_ASYNC_WAIT, callback, userdata, &op);
    if (status != IOCP_OK) {
        return status;
    }
    ioc_async_enter(async, op);
    return api__queue(loop, op, status, id);
}

int IOCP_CALL iocp_post(iocp_loop_t *loop, iocp_post_fn function, void *arg)
{
    if (loop == NULL || function == NULL) {
        return IOCP_EINVAL;
    }
    return ioc_inbox_post(&loop->shared.inbox, function, arg);
}
