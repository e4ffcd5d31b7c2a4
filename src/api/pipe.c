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
