#include "handle.h"

#include "listing.h"

#include <string.h>

void ioc_handles_deinit(ioc_ops *ops)
{
    uint32_t cursor = 0;
    for (ioc_handle *handle; (handle = ioc_slab_next(&ops->handles, &cursor)) != NULL;) {
        ioc_handle_free(ops, handle);
    }
}

/* Each member once; the backend's part behind it is cleared. */
static void handle__init(ioc_handle *handle, size_t backend_bytes)
{
    handle->is_append = false;
    handle->is_open = false;
    handle->is_unknown = false;
    handle->is_asked = false;
    handle->is_alone = false;
    handle->is_detached = false;
    handle->is_busy = false;
    handle->count = 0;
    ioc_list_init(&handle->operations);
    handle->parked = NULL;
    handle->mover = NULL;
    handle->close = NULL;
    handle->position = 0;
    handle->queued_bytes = 0;
    handle->most_queued_bytes = 0;
    handle->bytes_in = 0;
    handle->bytes_out = 0;
    handle->data = NULL;
    memset(handle + 1, 0, backend_bytes);
}

ioc_handle *ioc_handle_new(ioc_ops *ops, iocp_handle_kind_t kind)
{
    ioc_handle *handle = ioc_slab_take(&ops->handles);
    if (handle == NULL) {
        return NULL;
    }
    handle__init(handle, ops->backend->handle_bytes - sizeof *handle);
    handle->kind = (uint8_t)kind;
    handle->opened_ns = ops->now_ns;
    handle->used_ns = ops->now_ns;
    return handle;
}

void ioc_handle_free(ioc_ops *ops, ioc_handle *handle)
{
    IOC_ASSERT(ioc_list_is_empty(&handle->operations));
    if (handle->is_open) {
        ops->backend->handle_close(ops->port, handle);
    }
    if (handle->kind == IOCP_HANDLE_FOLDER) {
        ioc_listing_free(handle->listing);
    }
    if (handle->parked != NULL) {
        ioc_slab_give(&ops->extras, handle->parked);
    }
    ioc_slab_give(&ops->handles, handle);
}

void *ioc_handle_give_away(ioc_ops *ops, ioc_handle *handle)
{
    IOC_ASSERT(handle->kind == IOCP_HANDLE_PIPE_END && handle->is_open && handle->close == NULL);
    void *native = ops->backend->handle_give_away(ops->port, handle);
    handle->is_open = false;
    ioc_handle_free(ops, handle);
    return native;
}

/* The first on its books, or NULL. */
static ioc_op *handle__first_op(const ioc_handle *handle)
{
    ioc_link *link = ioc_list_first(&handle->operations);
    return link != NULL ? IOC_CONTAINER_OF(link, ioc_op, sibling) : NULL;
}

bool ioc_handle_is_idle(const ioc_handle *handle)
{
    const ioc_op *op = handle__first_op(handle);
    return op == NULL || (handle->count == 1 && op->phase == IOC_PHASE_DELIVERING);
}

void ioc_handle_detach(ioc_ops *ops, ioc_handle *handle)
{
    ioc_op *op = handle__first_op(handle);
    IOC_ASSERT(ioc_handle_is_idle(handle) && handle->is_open && handle->close == NULL);
    handle->is_open = false;
    handle->is_detached = true;
    if (op != NULL) {
        op->is_orphan = true;
    } else {
        ioc_handle_free(ops, handle);
    }
}

ioc_handle *ioc_handle_find_closing(const ioc_ops *ops, iocp_handle_t id)
{
    ioc_handle *handle = ioc_slab_find(&ops->handles, id.id);
    return handle != NULL && (handle->is_open || handle->close != NULL) ? handle : NULL;
}

ioc_handle *ioc_handle_find(const ioc_ops *ops, iocp_handle_t id)
{
    ioc_handle *handle = ioc_slab_find(&ops->handles, id.id);
    return handle != NULL && handle->is_open && handle->close == NULL ? handle : NULL;
}

iocp_handle_t ioc_handle_id(const ioc_handle *handle)
{
    return (iocp_handle_t){.id = handle != NULL ? ioc_slab_id(handle) : 0};
}

iocp_handle_kind_t ioc_handle_kind(const ioc_handle *handle)
{
    bool is_stdout = handle->kind == IOC_HANDLE_STDOUT;
    int kind = is_stdout ? IOCP_HANDLE_STDIO : handle->kind;
    return handle->is_unknown ? IOCP_HANDLE_OTHER : (iocp_handle_kind_t)kind;
}

bool ioc_handle_is_one_of(const ioc_handle *handle, uint32_t kinds)
{
    uint32_t may_be = handle->is_unknown ? IOC_HANDLES_ADOPTED : IOC_ON(handle->kind);
    return (may_be & kinds) != 0;
}

/* ---- The books ---- */

static bool handle__counts(const ioc_op *op)
{
    return (op->kind->traits & IOC_KIND_LAST) == 0;
}

static ioc_use *handle__use_of(const ioc_op *op)
{
    return (op->kind->traits & IOC_KIND_USES) != 0 ? op->block : NULL;
}

void ioc_handle_enter(ioc_handle *handle, ioc_op *op)
{
    ioc_use *use = handle__use_of(op);
    IOC_ASSERT(handle->close == NULL);
    op->handle = handle;
    handle->count += handle__counts(op);
    ioc_list_push(&handle->operations, &op->sibling);
    if (use != NULL) {
        ioc_list_push(&use->handle->parked->uses, &use->link);
    }
}

/* It may be the last that the close of what it has used was waiting for. */
static void handle__end_use(ioc_ops *ops, ioc_use *use)
{
    ioc_link_remove(&use->link);
    if (use->handle->close != NULL) {
        ioc_handle_settle(ops, use->handle);
    }
}

void ioc_handle_leave(ioc_ops *ops, ioc_op *op)
{
    ioc_handle *handle = op->handle;
    if (op == handle->close) {
        ioc_handle_free(ops, handle);
        return;
    }
    ioc_use *use = handle__use_of(op);
    if (use != NULL) {
        handle__end_use(ops, use);
    }
    ioc_link_remove(&op->sibling);
    handle->count -= handle__counts(op);
    handle->used_ns = ops->now_ns;
    if (handle->close != NULL) {
        ioc_handle_settle(ops, handle);
    } else if (handle->is_detached) {
        ioc_handle_free(ops, handle);
    }
}

/* ---- Turns ---- */

ioc_parked *ioc_handle_need_parked(ioc_ops *ops, ioc_handle *handle)
{
    if (handle->parked != NULL) {
        return handle->parked;
    }
    ioc_parked *parked = ioc_slab_take(&ops->extras);
    if (parked != NULL) {
        ioc_list_init(&parked->moves);
        ioc_list_init(&parked->sends);
        ioc_list_init(&parked->shutdowns);
        ioc_list_init(&parked->drains);
        ioc_list_init(&parked->uses);
        handle->parked = parked;
    }
    return parked;
}

ioc_parked *ioc_handle_parked(ioc_ops *ops, ioc_op *op)
{
    ioc_parked *parked = ioc_handle_need_parked(ops, op->handle);
    if (parked == NULL) {
        ioc_op_finish(ops, op, IOCP_ENOMEM);
    }
    return parked;
}

int ioc_handle_use(ioc_ops *ops, ioc_handle *handle, ioc_op *op)
{
    ioc_use *use = op->block;
    if (ioc_handle_need_parked(ops, handle) == NULL) {
        return IOCP_ENOMEM;
    }
    ioc_link_init(&use->link);
    use->op = op;
    use->handle = handle;
    return IOCP_OK;
}

ioc_use *ioc_handle_first_use(const ioc_handle *handle)
{
    ioc_link *link = handle->parked != NULL ? ioc_list_first(&handle->parked->uses) : NULL;
    return link != NULL ? IOC_CONTAINER_OF(link, ioc_use, link) : NULL;
}

static void handle__park_move(ioc_ops *ops, ioc_op *op)
{
    ioc_parked *parked = ioc_handle_parked(ops, op);
    if (parked != NULL) {
        ioc_op_park(op, &parked->moves);
    }
}

/* What becomes of an operation on a handle that is unknown. */
static void handle__keep_waiting(ioc_ops *ops, ioc_op *op)
{
    const ioc_outcome *refusal = &op->handle->refusal;
    if (refusal->status == IOCP_OK) {
        handle__park_move(ops, op);
        return;
    }
    ioc_op_finish(ops, op, refusal->status);
    op->outcome.native_error = refusal->native_error;
}

bool ioc_handle_admits(ioc_ops *ops, ioc_op *op)
{
    ioc_handle *handle = op->handle;
    IOC_ASSERT(ioc_op_can_start(ops, op));
    if (handle->is_unknown && op->kind->type != 0) {
        handle__keep_waiting(ops, op);
        return false;
    }
    if (!ioc_op_takes_turns(op)) {
        return true;
    }
    if (handle->mover != NULL && handle->mover != op) {
        handle__park_move(ops, op);
        return false;
    }
    handle->mover = op;
    return true;
}

static ioc_op *handle__first_waiting(const ioc_handle *handle)
{
    ioc_link *link = handle->parked != NULL ? ioc_list_first(&handle->parked->moves) : NULL;
    return link != NULL ? IOC_CONTAINER_OF(link, ioc_op, link) : NULL;
}

void ioc_handle_pass_turn(ioc_ops *ops, ioc_op *op)
{
    ioc_handle *handle = op->handle;
    if (handle->mover != op) {
        return;
    }
    ioc_op *next = handle__first_waiting(handle);
    handle->mover = next; /* from now on, so that one that is queued already does not overtake it */
    if (next != NULL) {
        ioc_op_unpark(ops, next); /* in the next turn, so that a callback can cancel it */
    }
}

/* Before all that is queued: that was called later, and must not overtake them. */
void ioc_handle_learned(ioc_ops *ops, ioc_op *op)
{
    ioc_handle *handle = op->handle;
    ioc_link *before = &ops->submissions.ends;
    if (op->outcome.status == IOCP_OK) {
        handle->is_unknown = false;
    } else {
        handle->refusal = op->outcome;
    }
    for (ioc_op *waiting; (waiting = handle__first_waiting(handle)) != NULL;) {
        if (handle->is_unknown) {
            ioc_op_finish(ops, waiting, handle->refusal.status);
            waiting->outcome.native_error = handle->refusal.native_error;
        } else if (!ioc_handle_is_one_of(handle, waiting->kind->handles)) {
            ioc_op_finish(ops, waiting, IOCP_ENOTSUP);
        } else {
            ioc_op_unpark_behind(waiting, before);
            before = &waiting->link;
        }
    }
}

/* ---- The end ---- */

void ioc_handle_shut_gate(ioc_handle *handle, ioc_op *close)
{
    IOC_ASSERT(handle->close == NULL);
    close->handle = handle;
    handle->close = close;
}

void ioc_handle_settle(ioc_ops *ops, ioc_handle *handle)
{
    /*
     * Its close must have had its turn, too: it may still be queued when the last callback returns.
     */
    bool is_in_use =
        !ioc_list_is_empty(&handle->operations) || ioc_handle_first_use(handle) != NULL;
    if (is_in_use || handle->close->phase != IOC_PHASE_PARKED) {
        return;
    }
    if (handle->is_open) {
        ops->backend->handle_close(ops->port, handle);
        handle->is_open = false;
    }
    ioc_op_finish(ops, handle->close, IOCP_OK);
}
