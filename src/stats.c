#include "stats.h"

#include <string.h>

void ioc_stats_read(const ioc_ops *ops, const ioc_inbox *inbox, const ioc_alloc *alloc,
                    iocp_stats_t *stats)
{
    iocp_stats_t all = ops->counters;
    for (size_t type = 0; type < IOC_KINDS; type++) {
        all.starts += ops->counts[type].started;
        all.callbacks += ops->counts[type].ended;
    }
    all.size = stats->size < sizeof all ? stats->size : (uint32_t)sizeof all;
    all.sleep_method = (uint32_t)ops->backend->sleep_method(ops->port);
    all.wake_packets = ioc_load_u64(&inbox->shared.wake_packets);
    all.allocations = ioc_load_u64(&alloc->count);
    all.operations = ops->slab.live;
    all.kernel = ops->in_kernel;
    all.timers = ioc_timers_count(&ops->timers) + ioc_timers_count(&ops->deadlines);
    all.handles = ops->handles.live;
    memcpy(stats, &all, all.size);
}

void ioc_stats_read_type(const ioc_ops *ops, iocp_type_t type, iocp_type_stats_t *stats)
{
    const ioc_kind_counts *counts = &ops->counts[type];
    iocp_type_stats_t all = {
        .size = stats->size < sizeof all ? stats->size : (uint32_t)sizeof all,
        .started = counts->started,
        .ended = counts->ended,
        .failed = counts->failed,
        .bytes = counts->bytes,
    };
    memcpy(stats, &all, all.size);
}

void ioc_stats_dump(const ioc_ops *ops, uint64_t now_ns, iocp_dump_fn function, void *userdata)
{
    uint32_t cursor = 0;
    for (const ioc_op *op; (op = ioc_slab_next(&ops->slab, &cursor)) != NULL;) {
        if ((op->kind->traits & IOC_KIND_LAST) != 0 && !op->is_asked) {
            continue;
        }
        iocp_dump_entry_t entry = {
            .op = ioc_op_id(op),
            .handle = ioc_handle_id(op->handle),
            .type = op->kind->type < IOCP_TYPES ? op->kind->type : (iocp_type_t)0,
            .state = ioc_op_state(op),
            .in_kernel = op->phase == IOC_PHASE_KERNEL,
            .cancelled = op->intent != 0 ? op->intent
                         : op->is_asked  ? IOCP_ECANCELED
                                         : IOCP_OK,
            .referenced = op->is_referenced,
            .age_ns = now_ns - op->since_ns,
            .type_name = op->kind->name,
            .userdata = op->userdata,
        };
        function(&entry, userdata);
    }
}

static const char *stats__handle_name(iocp_handle_kind_t kind)
{
    switch (kind) {
    case IOCP_HANDLE_STREAM:
        return "stream";
    case IOCP_HANDLE_DATAGRAM:
        return "datagram";
    case IOCP_HANDLE_FILE:
        return "file";
    case IOCP_HANDLE_FOLDER:
        return "folder";
    case IOCP_HANDLE_PIPE:
        return "pipe";
    case IOCP_HANDLE_PIPE_LISTENER:
        return "pipe_listener";
    case IOCP_HANDLE_PIPE_END:
        return "pipe_end";
    case IOCP_HANDLE_PROCESS:
        return "process";
    case IOCP_HANDLE_STDIO:
        return "stdio";
    case IOCP_HANDLE_OTHER:
        break;
    }
    return "other";
}

void ioc_stats_list_handles(const ioc_ops *ops, uint64_t now_ns, iocp_handle_entry_fn function,
                            void *userdata)
{
    uint32_t cursor = 0;
    for (ioc_handle *handle; (handle = ioc_slab_next(&ops->handles, &cursor)) != NULL;) {
        bool is_closing = handle->close != NULL;
        if (!handle->is_open && !is_closing) {
            continue; /* waits for an accept */
        }
        iocp_handle_entry_t entry = {
            .handle = ioc_handle_id(handle),
            .kind = ioc_handle_kind(handle),
            .closing = is_closing,
            .age_ns = now_ns - handle->opened_ns,
            .idle_ns = now_ns - handle->used_ns,
            .operations = handle->count,
            .bytes_in = handle->is_unknown ? 0 : handle->bytes_in,
            .bytes_out = handle->is_unknown ? 0 : handle->bytes_out,
            .kind_name = stats__handle_name(ioc_handle_kind(handle)),
            .native = handle->is_open ? ops->backend->handle_native(ops->port, handle) : NULL,
            .data = handle->data,
        };
        function(&entry, userdata);
    }
}
