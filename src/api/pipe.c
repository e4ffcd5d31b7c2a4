#include "pipe.h"

#include "api.h"

#define WAYS ((uint32_t)(IOCP_PIPE_READ | IOCP_PIPE_WRITE))

/* Where neither is said, both are meant. */
static uint32_t pipe__with_ways(uint32_t flags)
{
    return (flags & WAYS) != 0 ? flags : flags | WAYS;
}

/* ---- Pairs ---- */

/* Of two ends for children none is ours, to read or to write. */
static bool pair__is_flags(uint32_t flags)
{
    const uint32_t all = WAYS | IOCP_PIPE_MESSAGE | IOCP_PIPE_CHILDREN;
    return (flags & ~all) == 0 && ((flags & IOCP_PIPE_CHILDREN) == 0 || (flags & WAYS) == 0);
}

static uint32_t pair__with_ways(uint32_t flags)
{
    return (flags & IOCP_PIPE_CHILDREN) != 0 ? flags | IOCP_PIPE_READ : pipe__with_ways(flags);
}

int IOCP_CALL iocp_pipe_pair(iocp_loop_t *loop, uint32_t flags, iocp_handle_t *ours_id,
                             iocp_handle_t *theirs_id)
{
    ioc_handle *ours = NULL;
    ioc_handle *theirs = NULL;
    bool is_valid = theirs_id != NULL && pair__is_flags(flags);
    int status = ioc_api_begin_open(loop, is_valid, ours_id, &ours);
    if (status != IOCP_OK) {
        return status;
    }
    status = ioc_api_begin_open(loop, true, theirs_id, &theirs);
    if (status != IOCP_OK) {
        return ioc_api_end_open(loop, ours, status, ours_id);
    }
    status = IOC_API_ASK(loop, pipe_pair, ours, theirs, pair__with_ways(flags));
    (void)ioc_api_end_open(loop, ours, status, ours_id);
    return ioc_api_end_open(loop, theirs, status, theirs_id);
}

/* ---- Serving ---- */

#define INSTANCES_MAX 254u
#define BUFFER_BYTES  65536u

static int listen__read_options(const iocp_pipe_options_t *given, iocp_pipe_options_t *options)
{
    const uint32_t all = WAYS | IOCP_PIPE_MESSAGE | IOCP_PIPE_REMOTE | IOCP_PIPE_SHARED;
    int status = ioc_api_read_options(given, options, sizeof *options);
    if (status != IOCP_OK) {
        return status;
    }
    options->flags = pipe__with_ways(options->flags);
    options->buffer_bytes = options->buffer_bytes != 0 ? options->buffer_bytes : BUFFER_BYTES;
    bool is_valid = (options->flags & ~all) == 0 && options->instances <= INSTANCES_MAX;
    return is_valid ? IOCP_OK : IOCP_EINVAL;
}

int IOCP_CALL iocp_pipe_listen(iocp_loop_t *loop, const char *name,
                               const iocp_pipe_options_t *given, iocp_handle_t *id)
{
    ioc_handle *handle = NULL;
    iocp_pipe_options_t options;
    bool is_valid = name != NULL && ioc_pipe_is_name(name, false) &&
                    listen__read_options(given, &options) == IOCP_OK;
    int status = ioc_api_begin_open(loop, is_valid, id, &handle);
    if (status != IOCP_OK) {
        return status;
    }
    status = IOC_API_ASK(loop, pipe_listen, handle, name, &options);
    return ioc_api_end_open(loop, handle, status, id);
}

/* ---- Connections ---- */

int IOCP_CALL iocp_pipe_connect(iocp_loop_t *loop, const char *name, uint32_t flags,
                                iocp_callback_t callback, void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    bool is_valid =
        name != NULL && ioc_pipe_is_name(name, true) && (flags & ~(WAYS | IOCP_PIPE_MESSAGE)) == 0;
    int status = ioc_api_begin(loop, IOCP_TYPE_PIPE_CONNECT, is_valid, callback, userdata, &op);
    if (status != IOCP_OK) {
        return status;
    }
    status = ioc_pipe_set_name(&loop->loop_only.ops, op, name, pipe__with_ways(flags));
    return ioc_api_end(loop, op, status, id);
}

int IOCP_CALL iocp_pipe_peer(iocp_loop_t *loop, iocp_handle_t id, uint32_t *process_id)
{
    ioc_handle *handle = NULL;
    int status =
        ioc_api_find_known(loop, id, IOC_ON(IOCP_HANDLE_PIPE), process_id != NULL, &handle);
    return status == IOCP_OK ? IOC_API_ASK(loop, pipe_peer, handle, process_id) : status;
}
