#include "stats.h"

#include "api.h"

static bool stats__is_size(uint32_t size)
{
    return size >= sizeof size && size <= IOC_API_SIZE_MAX;
}

int IOCP_CALL iocp_loop_stats(const iocp_loop_t *loop, iocp_stats_t *stats)
{
    int status = ioc_api_check(loop, stats != NULL && stats__is_size(stats->size));
    if (status == IOCP_OK) {
        ioc_stats_read(&loop->loop_only.ops, &loop->shared.inbox, &loop->shared.alloc, stats);
    }
    return status;
}

int IOCP_CALL iocp_loop_type_stats(const iocp_loop_t *loop, iocp_type_t type,
                                   iocp_type_stats_t *stats)
{
    bool is_valid = ioc_kind_is_public((int)type) && stats != NULL && stats__is_size(stats->size);
    int status = ioc_api_check(loop, is_valid);
    if (status == IOCP_OK) {
        ioc_stats_read_type(&loop->loop_only.ops, type, stats);
    }
    return status;
}

int IOCP_CALL iocp_loop_dump(const iocp_loop_t *loop, iocp_dump_fn function, void *userdata)
{
    int status = ioc_api_check(loop, function != NULL);
    if (status == IOCP_OK) {
        ioc_stats_dump(&loop->loop_only.ops, iocp_loop_now(loop), function, userdata);
    }
    return status;
}

int IOCP_CALL iocp_loop_handles(const iocp_loop_t *loop, iocp_handle_entry_fn function,
                                void *userdata)
{
    int status = ioc_api_check(loop, function != NULL);
    if (status == IOCP_OK) {
        ioc_stats_list_handles(&loop->loop_only.ops, iocp_loop_now(loop), function, userdata);
    }
    return status;
}
