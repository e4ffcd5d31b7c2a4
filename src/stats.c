#include "stats.h"

#include <string.h>

int ioc_stats_read(const ioc_ops *ops, const ioc_handles *handles, const ioc_inbox *inbox,
                   const ioc_alloc *alloc, iocp_stats_t *stats)
{
    if (stats->size < sizeof stats->size) {
        return IOCP_EINVAL;
    }
    iocp_stats_t all = ops->counters;
    all.size = stats->size < sizeof all ? stats->size : (uint32_t)sizeof all;
    all.sleep_method = (uint32_t)ops->backend->sleep_method(ops->port);
    all.wake_packets = ioc_load_u64(&inbox->shared.wake_packets);
    all.allocations = ioc_load_u64(&alloc->count);
    all.operations = ops->slab.live;
    all.kernel = ops->in_kernel;
    all.timers = ioc_heap_count(&ops->timers) + ioc_heap_count(&ops->deadlines);
    all.handles = handles->slab.live;
    memcpy(stats, &all, all.size);
    return IOCP_OK;
}

void ioc_stats_dump(const ioc_ops *ops, uint64_t now_ns, iocp_dump_fn function, void *userdata)
{
    uint32_t cursor = 0;
    for (const ioc_op *op; (op = ioc_slab_next(&ops->slab, &cursor)) != NULL;) {
        iocp_dump_entry_t entry = {
            .op = ioc_op_id(op),
            .handle = ioc_handle_id(op->handle),
            .type = op->type,
            .state = ioc_op_state(op),
            .in_kernel = op->phase == IOC_PHASE_KERNEL,
            .cancelled = op->intent,
            .referenced = op->is_referenced,
            .age_ns = now_ns > op->since_ns ? now_ns - op->since_ns : 0,
            .type_name = ioc_op_type_name(op->type),
            .userdata = op->userdata,
        };
        function(&entry, userdata);
    }
}
