/*
 * What the functions of the API share: one order of checks, and the shape of a call.
 *
 * The first thing that is wrong is told, in this order:
 *
 *   the loop          IOCP_EINVAL (NULL), IOCP_ETHREAD, IOCP_ECLOSING (for what brings new work)
 *   the arguments     IOCP_EINVAL
 *   the handle        IOCP_EBADF, IOCP_ENOTSUP (of a kind that does not have this)
 *   the system        IOCP_ENOMEM, or what the call itself says
 *
 * A function that queues an operation begins, fills in the operation's parameters, and ends.
 * `is_valid` is what it has to say of its arguments.
 */
#ifndef IOC_API_H
#define IOC_API_H

#include "kind.h"
#include "loop.h"

/* Offsets in a file are signed on Windows. */
#define IOC_API_OFFSET_MAX ((uint64_t)INT64_MAX)

/* No structure of ours is as large: a size above it was never set. */
#define IOC_API_SIZE_MAX 4096

/* For ioc_api_find_handle: whatever it is. */
#define IOC_API_ANY UINT32_MAX

/* Whether the call may use the loop; the second for calls that bring new work. */
int ioc_api_check(const iocp_loop_t *loop, bool is_valid);
int ioc_api_check_open(const iocp_loop_t *loop, bool is_valid);

/* The same for those that make the calling thread the loop's. */
int ioc_api_check_run(const iocp_loop_t *loop, bool is_valid);

/* The end of a call that may have failed in the system: keep the raw code, if it gave one. */
int ioc_api_return(iocp_loop_t *loop, int status);

/* Ask the backend: the answer of one of its slots, whose first argument is the port. */
#define IOC_API_ASK(loop, slot, ...) \
    ioc_api_return(loop,             \
                   (loop)->loop_only.ops.backend->slot((loop)->loop_only.ops.port, __VA_ARGS__))

/* The operation or handle that an id names; the handle is one of `kinds`, a set of IOC_ON bits. */
int ioc_api_find_op(iocp_loop_t *loop, iocp_op_t id, bool is_valid, ioc_op **op);
int ioc_api_find_handle(iocp_loop_t *loop, iocp_handle_t id, uint32_t kinds, bool is_valid,
                        ioc_handle **handle);

/* The same of one that is known: what was adopted just now may be one, but nobody has looked yet. */
int ioc_api_find_known(iocp_loop_t *loop, iocp_handle_t id, uint32_t kinds, bool is_valid,
                       ioc_handle **handle);

/* A new operation, of the loop's own or on a handle. Kinds that call back once need no callback. */
int ioc_api_begin(iocp_loop_t *loop, iocp_type_t type, bool is_valid, iocp_callback_t callback,
                  void *userdata, ioc_op **op);
int ioc_api_begin_on(iocp_loop_t *loop, iocp_handle_t handle, iocp_type_t type, bool is_valid,
                     iocp_callback_t callback, void *userdata, ioc_op **op);

/* Queue it, its parameters being copied, or take it back if that failed. */
int ioc_api_end(iocp_loop_t *loop, ioc_op *op, int status, iocp_op_t *id);

/* A new handle, to be filled by the backend; what came of that. */
int ioc_api_begin_open(iocp_loop_t *loop, bool is_valid, iocp_handle_t *id, ioc_handle **handle);
int ioc_api_end_open(iocp_loop_t *loop, ioc_handle *handle, int status, iocp_handle_t *id);

/*
 * A structure that begins with its size, as a program of any version passes it, NULL for one that is
 * all zero: what it has less than ours is zero, what it has more must be. IOCP_EINVAL.
 */
int ioc_api_read_options(const void *given, void *options, size_t size);

/* A list of buffers that the system takes: bytes in 32 bits, no NULL with a length. */
bool ioc_api_is_buffers(const iocp_buf_t *buffers, size_t count);

/* One buffer, if its size fits; otherwise a count that ioc_api_is_buffers refuses. */
size_t ioc_api_one_buffer(iocp_buf_t *buffer, const void *data, size_t size);

/* Whether it may be an address at all: a family, and not more than any has. */
bool ioc_api_is_address(const struct sockaddr *address, size_t length);

/* Whether a file or folder may be opened so: IOCP_FILE_ bits that do not contradict each other. */
bool ioc_api_is_file_flags(uint32_t flags);

/* Whether a console may have this size: COORD's are below 32768. */
bool ioc_api_is_console_size(uint32_t columns, uint32_t rows);

/* For calls that change nothing that the caller can see, only what the loop has looked up. */
static inline iocp_loop_t *ioc_api_mutable(const iocp_loop_t *loop)
{
    return (iocp_loop_t *)(uintptr_t)loop;
}

#endif
