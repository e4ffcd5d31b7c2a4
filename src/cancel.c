#include "cancel.h"

/* ---- One operation ---- */

static int cancel__ask_kernel(ioc_ops *ops, ioc_op *op)
{
    bool is_back = false;
    int status = ops->backend->cancel(ops->port, op, &is_back);
    if (status == IOCP_OK && is_back) {
        ioc_op_finish_from_backend(ops, op);
    }
    return status;
}

/* The reason first, so that whatever comes of the request finds it. */
static int cancel__in_kernel(ioc_ops *ops, ioc_op *op, int reason)
{
    bool was_cancelled = op->is_cancelled;
    int8_t earlier_reason = op->intent;
    op->is_cancelled = was_cancelled || reason == IOCP_ECANCELED;
    if (earlier_reason == 0) {
        op->intent = (int8_t)reason;
    }
    int status = cancel__ask_kernel(ops, op);
    if (status != IOCP_OK) {
        op->intent = earlier_reason;
        op->is_cancelled = was_cancelled;
    }
    return status;
}

int ioc_cancel_op(ioc_ops *ops, ioc_op *op, int reason)
{
    if (op == NULL) {
        return IOCP_ENOENT;
    }
    if ((op->kind->traits & IOC_KIND_SURE) != 0) {
        return IOCP_ENOTSUP;
    }
    switch (ioc_op_phase(op)) {
    case IOC_PHASE_QUEUED:
    case IOC_PHASE_TIMED:
    case IOC_PHASE_PARKED:
        op->intent = (int8_t)reason;
        ioc_op_finish(ops, op, reason);
        return IOCP_OK;
    case IOC_PHASE_KERNEL:
        return cancel__in_kernel(ops, op, reason);
    case IOC_PHASE_READY: /* if it is to say so already, that answers this one, too */
    case IOC_PHASE_DELIVERING:
        op->is_cancelled = true;
        return IOCP_OK;
    }
    return IOCP_ENOENT;
}

void ioc_cancel_start(ioc_ops *ops, ioc_op *op)
{
    ops->port->native_error = 0;
    ioc_op *target = ioc_op_find(ops, ioc_cancel_of(op)->target);
    int status = ioc_cancel_op(ops, target, IOCP_ECANCELED);
    if (op->phase != IOC_PHASE_QUEUED) {
        return; /* it named itself */
    }
    ioc_op_finish(ops, op, status);
    op->outcome.native_error = ops->port->native_error;
}

/* ---- Those that nobody is told of ---- */

#define CANCEL_LINES ((IOC_BLOCK_BYTES - sizeof(ioc_link) - sizeof(size_t)) / sizeof(iocp_op_t))

/* In a small block; all but the last are full. */
typedef struct cancel_note {
    ioc_link link;
    size_t count;
    iocp_op_t targets[CANCEL_LINES];
} cancel_note;

_Static_assert(sizeof(cancel_note) <= IOC_BLOCK_BYTES, "a note fits");

static cancel_note *cancel__note_of(ioc_link *link)
{
    return IOC_CONTAINER_OF(link, cancel_note, link);
}

static cancel_note *cancel__begin_note(ioc_ops *ops)
{
    cancel_note *note = ioc_slab_take(&ops->small_blocks);
    if (note != NULL) {
        note->count = 0;
        ioc_link_init(&note->link);
        ioc_list_push(&ops->notes, &note->link);
    }
    return note;
}

static void cancel__carry_out(ioc_ops *ops, iocp_op_t target)
{
    ops->counts[IOCP_TYPE_CANCEL].started++;
    (void)ioc_cancel_op(ops, ioc_op_find(ops, target), IOCP_ECANCELED);
}

void ioc_cancel_note(ioc_ops *ops, iocp_op_t target)
{
    ioc_link *last = ioc_list_last(&ops->notes);
    cancel_note *note = last != NULL && cancel__note_of(last)->count < CANCEL_LINES
                            ? cancel__note_of(last)
                            : cancel__begin_note(ops);
    if (note != NULL) {
        note->targets[note->count++] = target;
    } else {
        cancel__carry_out(ops, target);
    }
}

static void cancel__run_notes(ioc_ops *ops)
{
    for (ioc_link *link; (link = ioc_list_pop(&ops->notes)) != NULL;) {
        cancel_note *note = cancel__note_of(link);
        for (size_t i = 0; i < note->count; i++) {
            cancel__carry_out(ops, note->targets[i]);
        }
        ioc_slab_give(&ops->small_blocks, note);
    }
}

/* ---- For good: a handle or the loop ends ---- */

/* Where the kernel refuses to cancel, closing the kernel object is its other way. */
static void cancel__end_handle(ioc_ops *ops, ioc_handle *handle)
{
    if (handle->is_asked || !handle->is_open) {
        return;
    }
    handle->is_asked = true;
    if (ops->backend->handle_cancel(ops->port, handle) != IOCP_OK) {
        handle->is_open = false;
        ops->backend->handle_close(ops->port, handle);
    }
}

/* What has not begun does not begin any more, except for what has waited for this. */
static void cancel__end_waiting(ioc_ops *ops, ioc_op *op)
{
    bool is_last = (op->kind->traits & IOC_KIND_LAST) != 0;
    if (is_last && op->phase == IOC_PHASE_PARKED) {
        ioc_op_start_in_kernel(ops, op);
    } else if ((op->kind->traits & IOC_KIND_SURE) == 0) {
        ioc_op_finish(ops, op, IOCP_ECANCELED);
    }
}

/*
 * By itself, or with all that is on its handle. False: the system refuses, and there is no kernel
 * object that could be closed.
 */
static bool cancel__end_op(ioc_ops *ops, ioc_op *op, bool ends_alone)
{
    switch (ioc_op_phase(op)) {
    case IOC_PHASE_QUEUED:
    case IOC_PHASE_TIMED:
    case IOC_PHASE_PARKED:
        cancel__end_waiting(ops, op);
        return true;
    case IOC_PHASE_KERNEL:
        if (ends_alone) {
            return cancel__ask_kernel(ops, op) == IOCP_OK;
        }
        cancel__end_handle(ops, op->handle);
        return true;
    case IOC_PHASE_READY:
    case IOC_PHASE_DELIVERING:
        return true;
    }
    return true;
}

/* One that uses what closes: it ends, and all else on its own handle goes on. */
static bool cancel__end_use(ioc_ops *ops, ioc_op *op)
{
    op->is_orphan = cancel__end_op(ops, op, true);
    return op->is_orphan;
}

/* As cancel__end_books. */
static bool cancel__end_uses(ioc_ops *ops, ioc_handle *handle, uint32_t *limit)
{
    for (ioc_use *use; (use = ioc_handle_first_use(handle)) != NULL && !use->op->is_orphan;) {
        if (*limit == 0) {
            return false;
        }
        (*limit)--;
        if (!cancel__end_use(ops, use->op)) {
            return false;
        }
        ioc_link_remove(&use->link);
        ioc_list_push(&handle->parked->uses, &use->link);
    }
    return true;
}

/*
 * Those that were asked go to the end of the books, so that the first tells whether any is left. One
 * that the system refuses to end stays the first, for the next turn.
 */
static bool cancel__end_books(ioc_ops *ops, ioc_handle *handle, uint32_t *limit)
{
    for (ioc_link *link; (link = ioc_list_first(&handle->operations)) != NULL;) {
        ioc_op *op = IOC_CONTAINER_OF(link, ioc_op, sibling);
        if (op->is_asked) {
            break;
        }
        if (*limit == 0) {
            return false;
        }
        (*limit)--;
        op->is_asked = cancel__end_op(ops, op, ioc_op_ends_alone(op));
        if (!op->is_asked) {
            return false;
        }
        ioc_link_remove(link);
        ioc_list_push(&handle->operations, link);
    }
    return true;
}

void ioc_cancel_start_close(ioc_ops *ops, ioc_op *op)
{
    ioc_op_park(op, &ops->closing);
}

static void cancel__run_closing(ioc_ops *ops, uint32_t limit)
{
    for (ioc_link *link; (link = ioc_list_first(&ops->closing)) != NULL;) {
        ioc_op *close = IOC_CONTAINER_OF(link, ioc_op, link);
        if (!cancel__end_books(ops, close->handle, &limit) ||
            !cancel__end_uses(ops, close->handle, &limit)) {
            return;
        }
        ioc_link_remove(link); /* it waits for the last of them now */
        ioc_handle_settle(ops, close->handle);
    }
}

ioc_ending ioc_cancel_run_ending(ioc_ops *ops, uint32_t limit)
{
    for (; limit > 0; limit--) {
        ioc_op *op = ioc_slab_next(&ops->slab, &ops->end_cursor);
        if (op == NULL) {
            break;
        }
        if (!op->is_asked) {
            op->is_asked = cancel__end_op(ops, op, ioc_op_ends_alone(op));
            ops->is_end_refused = ops->is_end_refused || !op->is_asked;
        }
    }
    if (limit > 0 && ops->is_end_refused) {
        ops->is_end_refused = false;
        ops->end_cursor = 0;
        return IOC_ENDING_REFUSED;
    }
    return limit > 0 ? IOC_ENDING_ASKED : IOC_ENDING_GOES_ON;
}

/* ---- Steps of a turn ---- */

void ioc_cancel_run_queued(ioc_ops *ops, uint32_t limit)
{
    for (ioc_link *link; (link = ioc_list_first(&ops->cancels)) != NULL;) {
        ioc_op *op = IOC_CONTAINER_OF(link, ioc_op, link);
        ops->counts[op->kind->type].started++;
        op->kind->start(ops, op);
    }
    cancel__run_notes(ops); /* behind those: one may be for a cancel, which comes first then */
    cancel__run_closing(ops, limit);
}

static int cancel__on_alarm(ioc_ops *ops, const ioc_alarm *alarm)
{
    return alarm->is_pause ? ioc_op_end_pause(ops, alarm->op)
                           : ioc_cancel_op(ops, alarm->op, IOCP_ETIMEDOUT);
}

void ioc_cancel_run_deadlines(ioc_ops *ops, uint32_t limit)
{
    if (ioc_timers_count(&ops->deadlines) == 0) {
        return;
    }
    uint64_t now_ns = ioc_ops_now(ops);
    for (; limit > 0; limit--) {
        ioc_timer *timer = ioc_timers_first_due(&ops->deadlines, now_ns);
        if (timer == NULL) {
            return;
        }
        ioc_alarm *alarm = IOC_CONTAINER_OF(timer, ioc_alarm, timer);
        if (cancel__on_alarm(ops, alarm) != IOCP_OK) {
            /* The kernel refused: ask again later; without memory for that in the next turn. */
            if (ioc_timers_set(&ops->deadlines, timer, now_ns + IOC_NS_PER_MS) != IOCP_OK) {
                return;
            }
            continue;
        }
        ioc_timers_clear(&ops->deadlines, timer);
    }
}
