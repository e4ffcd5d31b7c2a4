#include "folder.h"

#define FOLDER_HALF_NS UINT64_C(100000000) /* until half a rename is told without the other */

static ioc_reading *folder__changes(const ioc_op *op)
{
    return &op->handle->listing->watch;
}

/* ---- Memory ---- */

static int folder__prepare(ioc_alloc *alloc, ioc_handle *handle)
{
    if (handle->listing == NULL) {
        handle->listing = ioc_listing_new(alloc);
    }
    return handle->listing != NULL ? IOCP_OK : IOCP_ENOMEM;
}

int ioc_folder_set_watch(ioc_ops *ops, ioc_alloc *alloc, ioc_op *op, uint32_t flags)
{
    int status = folder__prepare(alloc, op->handle);
    if (status != IOCP_OK) {
        return status;
    }
    ioc_listing *listing = op->handle->listing;
    flags |= (flags & ~(uint32_t)IOCP_WATCH_TREE) == 0 ? IOC_WATCH_USUAL : 0;
    if (listing->watch_flags != 0 && listing->watch_flags != flags) {
        return IOCP_EINVAL;
    }
    if (ioc_op_find(ops, listing->watch.op) != NULL) {
        return IOCP_EALREADY;
    }
    status = ioc_reading_prepare(alloc, &listing->watch);
    if (status == IOCP_OK) {
        listing->watch_flags = flags;
        listing->watch.op = ioc_op_id(op);
        *ioc_changes_of(op) = (ioc_changes){.buffer = listing->watch.buffer, .flags = flags};
    }
    return status;
}

/* ---- Changes ---- */

/* What the system has written, or that it has lost something. True: there is something to tell. */
static bool watch__read(ioc_op *op)
{
    ioc_reading *reading = folder__changes(op);
    ioc_records records = {.bytes = ioc_changes_of(op)->buffer,
                           .size = (size_t)op->outcome.bytes,
                           .form = (ioc_record_form)ioc_changes_of(op)->form};
    bool is_read = records.size > 0 && records.size <= IOC_READING_BYTES &&
                   ioc_reading_take(op->handle->listing->alloc, reading, &records);
    op->outcome.bytes = 0;
    if (!is_read) {
        ioc_reading_forget(reading);
    }
    if (!is_read || reading->entries.is_torn) {
        op->flags |= IOCP_RESULT_RESCAN;
    }
    return reading->entries.first != NULL || (op->flags & IOCP_RESULT_RESCAN) != 0;
}

/* Somebody who was not asked by the program has ended it: the pause. */
static bool watch__is_half_over(const ioc_ops *ops, const ioc_op *op)
{
    return op->outcome.status == IOCP_ECANCELED && op->intent == 0 && ioc_op_can_start(ops, op) &&
           folder__changes(op)->entries.kept != NULL;
}

/* True: the kernel has it. Otherwise it has an outcome, of which there is something to tell. */
static bool watch__ask(ioc_ops *ops, ioc_op *op)
{
    ioc_start start;
    do {
        start = IOC_START_FAILED;
        bool has_half = folder__changes(op)->entries.kept != NULL;
        int status = has_half ? ioc_op_set_pause(ops, op, FOLDER_HALF_NS) : IOCP_OK;
        if (status == IOCP_OK) {
            start = ioc_op_try_in_kernel(ops, op);
        } else {
            op->outcome = (ioc_outcome){.status = status};
        }
    } while (start == IOC_START_DONE && !watch__read(op));
    return start == IOC_START_PENDING;
}

void ioc_folder_start_watch(ioc_ops *ops, ioc_op *op)
{
    if (!watch__ask(ops, op)) {
        ioc_op_finish_inline(ops, op);
    }
}

/* What came is told, also if the program has asked for the end meanwhile: it was quicker. */
bool ioc_folder_watch_goes_on(ioc_ops *ops, ioc_op *op)
{
    if (watch__is_half_over(ops, op)) {
        bool is_told = ioc_reading_give_up(op->handle->listing->alloc, folder__changes(op));
        op->flags |= is_told ? 0 : IOCP_RESULT_RESCAN;
        op->outcome = (ioc_outcome){.status = IOCP_OK};
        return false;
    }
    if (op->outcome.status != IOCP_OK || watch__read(op)) {
        return false;
    }
    if (op->intent != 0 || !ioc_op_can_start(ops, op)) {
        op->outcome = (ioc_outcome){.status = IOCP_ECANCELED};
        return false;
    }
    return watch__ask(ops, op);
}

void ioc_folder_tell_changes(const ioc_op *op, iocp_result_t *result)
{
    result->entries = folder__changes(op)->entries.first;
}

/* ---- Names ---- */

int ioc_folder_set_list(ioc_ops *ops, ioc_alloc *alloc, ioc_op *op)
{
    int status = folder__prepare(alloc, op->handle);
    if (status != IOCP_OK) {
        return status;
    }
    ioc_reading *reading = &op->handle->listing->list;
    if (ioc_op_find(ops, reading->op) != NULL) {
        return IOCP_EALREADY;
    }
    status = ioc_reading_prepare(alloc, reading);
    if (status == IOCP_OK) {
        status = ioc_op_take_block(ops, op, sizeof(ioc_listed));
    }
    if (status == IOCP_OK) {
        *ioc_listed_of(op) = (ioc_listed){.buffer = reading->buffer};
        reading->op = ioc_op_id(op);
    }
    return status;
}

/* A portion has come. True: there is something to tell, if only that it is of no use. */
static bool list__read(const ioc_op *op, ioc_outcome *outcome)
{
    ioc_reading *reading = &op->handle->listing->list;
    ioc_listed *names = ioc_listed_of(op);
    ioc_records records = {.bytes = names->buffer,
                           .size = (size_t)outcome->bytes,
                           .form = (ioc_record_form)names->form,
                           .volume = names->volume};
    bool has_memory = ioc_reading_take(op->handle->listing->alloc, reading, &records);
    bool is_whole = has_memory && !reading->entries.is_torn;
    *outcome = (ioc_outcome){.status = is_whole ? IOCP_OK : has_memory ? IOCP_EIO : IOCP_ENOMEM};
    names->restarts = names->restarts || !is_whole;
    return !is_whole || reading->entries.first != NULL;
}

/* What was left out may be all of a portion. */
bool ioc_folder_list_goes_on(ioc_ops *ops, ioc_op *op)
{
    if (op->outcome.status != IOCP_OK || list__read(op, &op->outcome)) {
        return false;
    }
    if (op->intent != 0 || !ioc_op_can_start(ops, op)) {
        op->outcome = (ioc_outcome){.status = IOCP_ECANCELED};
        return false;
    }
    return ioc_op_try_in_kernel(ops, op) == IOC_START_PENDING;
}

void ioc_folder_tell_names(const ioc_op *op, iocp_result_t *result)
{
    result->entries = op->handle->listing->list.entries.first;
}
