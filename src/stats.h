/* Counters, levels, and the list of what is pending. Loop thread. */
#ifndef IOC_STATS_H
#define IOC_STATS_H

#include "handle.h"
#include "post.h"

/* Fill in what fits in stats->size, which is at least a size. */
void ioc_stats_read(const ioc_ops *ops, const ioc_inbox *inbox, const ioc_alloc *alloc,
                    iocp_stats_t *stats);

/* The same of one kind of operation. */
void ioc_stats_read_type(const ioc_ops *ops, iocp_type_t type, iocp_type_stats_t *stats);

/* Tell of each operation that has not ended. */
void ioc_stats_dump(const ioc_ops *ops, uint64_t now_ns, iocp_dump_fn function, void *userdata);

/* Tell of each handle that is not closed. */
void ioc_stats_list_handles(const ioc_ops *ops, uint64_t now_ns, iocp_handle_entry_fn function,
                            void *userdata);

#endif
