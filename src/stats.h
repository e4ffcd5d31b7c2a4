/* Counters, levels, and the list of what is pending. Loop thread. */
#ifndef IOC_STATS_H
#define IOC_STATS_H

#include "handle.h"
#include "post.h"

/* Fill in what fits in stats->size. IOCP_EINVAL if that cannot hold a size. */
int ioc_stats_read(const ioc_ops *ops, const ioc_handles *handles, const ioc_inbox *inbox,
                   const ioc_alloc *alloc, iocp_stats_t *stats);

/* Tell of each operation that has not ended. */
void ioc_stats_dump(const ioc_ops *ops, uint64_t now_ns, iocp_dump_fn function, void *userdata);

#endif
