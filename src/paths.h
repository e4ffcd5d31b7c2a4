/*
 * Operations on paths: OPEN, STAT, COPY, RENAME, REMOVE, FOLDER_CREATE.
 *
 * The system does each of them within one call or a few, however long that takes, so a thread of the
 * pool carries it out. The texts are the system's to convert: the backend copies them when the
 * operation is called, and has them until it is over (ioc_backend.paths_plan). The operation's
 * parameters are an ioc_work, and its block is an ioc_paths.
 */
#ifndef IOC_PATHS_H
#define IOC_PATHS_H

#include "opening.h"
#include "watch.h"

typedef struct ioc_paths {
    ioc_opening opening;   /* of an OPEN; its `backend` is of all */
    uint32_t flags;        /* of the kind's own */
    iocp_file_info_t info; /* OPEN, STAT: what it is, if that is a success */
} ioc_paths;

static inline ioc_paths *ioc_paths_of(const ioc_op *op)
{
    return op->block;
}

/* Before it is queued. IOCP_ENOMEM. */
int ioc_paths_set(ioc_ops *ops, ioc_op *op, uint32_t flags);

/* Slots of ioc_kind: OPEN; STAT. */
void ioc_paths_tell_opened(const ioc_op *op, iocp_result_t *result);
void ioc_paths_tell_info(const ioc_op *op, iocp_result_t *result);

#endif
