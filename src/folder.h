/*
 * FOLDER_WATCH and FOLDER_LIST: what happens in a folder, and what is in it. Both have records from the
 * system, and tell entries of them (record.h, in the memory of listing.h).
 *
 * A watch is one request to the system for each run. The system begins to keep what happens when the
 * first one of a handle comes, in a buffer of its own, and keeps it until the handle is closed; so what
 * happens between two runs is told by the next, and no request has to be pending meanwhile. A second
 * one, with a buffer of its own, would hold 64 KiB more before a burst is too much, and would have to
 * be kept by somebody when the callback disarms. Where the system's buffer overflows it says so, and
 * nothing else of what was in it: that is a success with IOCP_RESULT_RESCAN. So is what came while
 * there was no memory to tell it, or what cannot be read.
 *
 * A buffer that ends with the first half of a rename leaves that for the next (record.h). As a rule the
 * other half is there already; if it does not come, the pause of the next run ends it, and the name is
 * told as one that is gone.
 *
 * A list is carried out on the pool, a portion of the system's for each run. Where it is, the backend
 * keeps with the operation, so the next operation begins anew.
 */
#ifndef IOC_FOLDER_H
#define IOC_FOLDER_H

#include "handle.h"
#include "listing.h"
#include "watch.h"

/* The parameters of a FOLDER_WATCH. */
typedef struct ioc_changes {
    void *buffer;   /* of IOC_READING_BYTES, aligned for any type */
    uint32_t flags; /* IOCP_WATCH_ bits: what is to be told is among them */
    uint32_t form;  /* the backend's: ioc_record_form of what it has put into the buffer */
} ioc_changes;

_Static_assert(sizeof(ioc_changes) <= IOC_PARAMETER_BYTES, "its parameters fit");

static inline ioc_changes *ioc_changes_of(const ioc_op *op)
{
    return ioc_op_parameters(op);
}

/* In op->block of a FOLDER_LIST. Its parameters are an ioc_work. */
typedef struct ioc_listed {
    void *buffer;    /* as of a watch */
    void *backend;   /* the backend's own: where it is in the folder, NULL: nowhere */
    uint64_t volume; /* what follows is the backend's, too */
    uint32_t form;
    uint32_t way;
    bool restarts; /* the next portion is the first */
} ioc_listed;

static inline ioc_listed *ioc_listed_of(const ioc_op *op)
{
    return op->block;
}

/* What a watch without the last three flags is told. */
#define IOC_WATCH_USUAL ((uint32_t)(IOCP_WATCH_NAMES | IOCP_WATCH_CONTENTS))

/*
 * Before it is queued. IOCP_EALREADY, IOCP_EINVAL (the handle is watched with other flags),
 * IOCP_ENOMEM.
 */
int ioc_folder_set_watch(ioc_ops *ops, ioc_alloc *alloc, ioc_op *op, uint32_t flags);

/* The same of a list. IOCP_EALREADY, IOCP_ENOMEM. */
int ioc_folder_set_list(ioc_ops *ops, ioc_alloc *alloc, ioc_op *op);

/* Slots of ioc_kind. */
void ioc_folder_start_watch(ioc_ops *ops, ioc_op *op);
bool ioc_folder_watch_goes_on(ioc_ops *ops, ioc_op *op);
void ioc_folder_tell_changes(const ioc_op *op, iocp_result_t *result);
bool ioc_folder_list_goes_on(ioc_ops *ops, ioc_op *op);
void ioc_folder_tell_names(const ioc_op *op, iocp_result_t *result);

#endif
