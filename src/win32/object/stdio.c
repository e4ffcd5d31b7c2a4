#include "stdio.h"

#include "../work.h"
#include "file.h"
#include "medium.h"
#include "transfer.h"

/* Between two requests to end a call: at first, and at last. */
#define STDIO_PAUSE_MS      1
#define STDIO_PAUSE_MOST_MS 64

typedef struct ioc_stdio {
    ioc_win_port *port;
    bool is_read;
    PTP_WORK worker;
    PTP_WORK asker;
    ioc_medium medium; /* of the thread at work, or of the loop's while there is none */
    ioc_moved moved;   /* of the operation that the thread gives back */
    SRWLOCK lock;
    CONDITION_VARIABLE has_left;
    /* Under the lock: see stdio.h. */
    ioc_op *op;
    ioc_op *end;
    bool is_held;
    bool is_at_work;
    bool is_ending;
    DWORD thread_id;
} ioc_stdio;

static ioc_stdio *stdio__of(const ioc_op *op)
{
    return ioc_win_handle_of(op->handle)->stdio;
}

/* ---- The thread ---- */

/* False: the operation was taken back, or is being carried out by the thread before this one. */
static bool stdio__come(ioc_stdio *self)
{
    AcquireSRWLockExclusive(&self->lock);
    bool is_wanted = self->op != NULL && !self->is_at_work && !self->is_ending;
    if (is_wanted) {
        self->is_at_work = true;
        self->thread_id = self->port->sys->GetCurrentThreadId();
        ioc_store_u32(&self->medium.is_asked, 0);
    }
    ReleaseSRWLockExclusive(&self->lock);
    return is_wanted;
}

/*
 * With the lock, which it lets go: what came of the operation, or what the next one finds. Behind this
 * the loop may close the stream: it waits until the thread is through with the last instruction of ours.
 */
static void stdio__leave(ioc_stdio *self, ioc_moved moved)
{
    ioc_win_port *port = self->port;
    ioc_op *back[] = {self->op, self->end};
    self->op = NULL;
    self->is_held = false;
    self->moved = moved;
    self->is_at_work = false;
    WakeAllConditionVariable(&self->has_left);
    ReleaseSRWLockExclusive(&self->lock);
    for (size_t i = 0; i < IOC_COUNT_OF(back); i++) {
        if (back[i] != NULL) {
            ioc_port_post_back(port, &ioc_win_op_of(back[i])->token);
        }
    }
}

/* From here on the operation stays. NULL: it was taken back, and the thread has left at once. */
static const ioc_op *stdio__hold(ioc_stdio *self)
{
    AcquireSRWLockExclusive(&self->lock);
    const ioc_op *op = self->op;
    if (op == NULL) {
        stdio__leave(self, (ioc_moved){0});
        return NULL;
    }
    self->is_held = true;
    ReleaseSRWLockExclusive(&self->lock);
    return op;
}

/* False: there was nothing to be done, and the thread has left. */
static bool stdio__move(ioc_stdio *self, ioc_moved *moved)
{
    ioc_medium *medium = &self->medium;
    *moved = (ioc_moved){.error = ioc_medium_look(medium, self->is_read)};
    if (moved->error != 0) {
        return true;
    }
    if (self->is_read && medium->what->asks) {
        moved->error = ioc_medium_ask(medium);
        return true;
    }
    const ioc_op *op = stdio__hold(self);
    if (op == NULL) {
        return false;
    }
    const iocp_buf_t *buffer = &ioc_transfer_of(op)->one;
    *moved = self->is_read ? ioc_medium_read(medium, buffer->base, buffer->length)
                           : ioc_medium_write(medium, buffer->base, buffer->length);
    return true;
}

static void CALLBACK stdio__work(PTP_CALLBACK_INSTANCE instance, void *context, PTP_WORK work)
{
    ioc_stdio *self = context;
    ioc_moved moved;
    (void)work;
    if (!stdio__come(self)) {
        return;
    }
    (void)self->port->sys->CallbackMayRunLong(instance); /* others need not wait behind it */
    if (stdio__move(self, &moved)) {
        AcquireSRWLockExclusive(&self->lock);
        stdio__leave(self, moved);
    }
}

/* ---- Who asks it to end ---- */

static void CALLBACK stdio__ask(PTP_CALLBACK_INSTANCE instance, void *context, PTP_WORK work)
{
    ioc_stdio *self = context;
    DWORD pause_ms = STDIO_PAUSE_MS;
    (void)instance;
    (void)work;
    AcquireSRWLockExclusive(&self->lock);
    while (self->is_at_work && ioc_load_u32(&self->medium.is_asked) != 0) {
        ioc_medium_interrupt(&self->medium, self->thread_id);
        (void)SleepConditionVariableSRW(&self->has_left, &self->lock, pause_ms, 0);
        pause_ms = pause_ms < STDIO_PAUSE_MOST_MS ? 2 * pause_ms : pause_ms;
    }
    ReleaseSRWLockExclusive(&self->lock);
}

/* Under the lock. */
static void stdio__have_it_asked(ioc_stdio *self)
{
    ioc_store_u32(&self->medium.is_asked, 1);
    self->port->sys->SubmitThreadpoolWork(self->asker);
}

/* ---- Opening and closing ---- */

/* Nobody is at work. What the pool has still to run finds nothing to do. */
static void stdio__free(ioc_stdio *self)
{
    const ioc_sys *sys = self->port->sys;
    PTP_WORK both[] = {self->worker, self->asker};
    for (size_t i = 0; i < IOC_COUNT_OF(both); i++) {
        if (both[i] != NULL) {
            sys->WaitForThreadpoolWorkCallbacks(both[i], TRUE);
            sys->CloseThreadpoolWork(both[i]);
        }
    }
    ioc_medium_deinit(&self->medium);
    ioc_alloc_give(self->port->alloc, self);
}

/* `native` is the stream's from here on. NULL: see *status. */
static ioc_stdio *stdio__new(ioc_win_port *port, HANDLE native, bool is_read, int *status)
{
    ioc_stdio *self = ioc_alloc_take(port->alloc, sizeof *self);
    if (self == NULL) {
        (void)port->sys->CloseHandle(native);
        *status = IOCP_ENOMEM;
        return NULL;
    }
    InitializeSRWLock(&self->lock);
    InitializeConditionVariable(&self->has_left);
    self->port = port;
    self->is_read = is_read;
    ioc_medium_init(&self->medium, port, native);
    self->worker = ioc_work_create(port->sys, stdio__work, self);
    self->asker = self->worker != NULL ? ioc_work_create(port->sys, stdio__ask, self) : NULL;
    if (self->asker == NULL) {
        *status = ioc_port_fail_last(port);
        stdio__free(self);
        return NULL;
    }
    return self;
}

/* A program without a console has no streams, or the numbers of some that are closed. */
int ioc_stdio_open(ioc_port *base, ioc_handle *core_handle, iocp_stdio_t which)
{
    static const DWORD names[] = {STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE};
    ioc_win_port *port = ioc_win_port_of(base);
    ioc_win_handle *handle = ioc_win_handle_of(core_handle);
    HANDLE copy = NULL;
    HANDLE native = port->sys->GetStdHandle(names[which]);
    if (native == NULL || native == INVALID_HANDLE_VALUE) {
        return IOCP_EBADF;
    }
    if (!ioc_port_duplicate(port, native, &copy)) {
        return ioc_port_fail_last(port);
    }
    int status = IOCP_OK;
    handle->stdio = stdio__new(port, copy, which == IOCP_STDIN, &status);
    if (handle->stdio != NULL) {
        handle->native = copy;
        core_handle->kind = which == IOCP_STDIN ? IOC_HANDLE_STDIN : IOC_HANDLE_STDOUT;
    }
    return status;
}

void ioc_stdio_close(ioc_win_port *port, ioc_win_handle *handle)
{
    (void)port;
    if (handle->native != INVALID_HANDLE_VALUE) {
        stdio__free(handle->stdio);
        handle->native = INVALID_HANDLE_VALUE;
    }
}

/* ---- Operations ---- */

/* Whether a console's line, or what is left of one, is there to be taken. Under the lock. */
static bool stdio__has_line(const ioc_stdio *self)
{
    return !self->is_at_work && ioc_medium_has(&self->medium);
}

ioc_start ioc_stdio_start(ioc_port *port, ioc_op *op)
{
    ioc_stdio *self = stdio__of(op);
    ioc_overlapped_prepare_posted(op, port);
    AcquireSRWLockExclusive(&self->lock);
    IOC_ASSERT(self->op == NULL);
    bool is_there = stdio__has_line(self);
    if (is_there) {
        self->moved = (ioc_moved){0};
    } else {
        self->op = op;
        if (!self->is_at_work) {
            self->port->sys->SubmitThreadpoolWork(self->worker);
        }
    }
    ReleaseSRWLockExclusive(&self->lock);
    return is_there ? ioc_overlapped_at_once(port, op) : IOC_START_PENDING;
}

int ioc_stdio_cancel(ioc_port *port, ioc_op *op, bool *is_back)
{
    ioc_stdio *self = stdio__of(op);
    AcquireSRWLockExclusive(&self->lock);
    if (self->op == op && self->is_held) {
        stdio__have_it_asked(self);
    } else if (self->op == op) {
        self->op = NULL;
        *is_back = true;
    } /* else its packet is on the way */
    ReleaseSRWLockExclusive(&self->lock);
    if (*is_back) {
        ioc_overlapped_abort(port, op);
    }
    return IOCP_OK;
}

ioc_start ioc_stdio_start_end(ioc_port *port, ioc_op *op)
{
    ioc_stdio *self = stdio__of(op);
    ioc_overlapped_prepare_posted(op, port);
    AcquireSRWLockExclusive(&self->lock);
    self->is_ending = true;
    bool is_at_work = self->is_at_work;
    if (is_at_work) {
        self->end = op;
        stdio__have_it_asked(self);
    }
    ReleaseSRWLockExclusive(&self->lock);
    return is_at_work ? IOC_START_PENDING : ioc_overlapped_done(op);
}

/* ---- What came of them ---- */

static void stdio__tell(ioc_op *op, ioc_moved moved)
{
    if (moved.error != 0) {
        (void)ioc_overlapped_failed(op, moved.error);
    }
    op->outcome.bytes = moved.bytes;
}

/* One that was taken back says so already, and the thread is not done with it. */
bool ioc_stdio_was_read(ioc_port *port, ioc_op *op)
{
    ioc_stdio *self = stdio__of(op);
    const ioc_transfer *transfer = ioc_transfer_of(op);
    if (op->outcome.status != IOCP_OK) {
        return true;
    }
    bool takes_line = self->moved.error == 0 && self->medium.what->asks;
    stdio__tell(op, takes_line ? ioc_medium_take(&self->medium, transfer->one.base, transfer->bytes)
                               : self->moved);
    return ioc_file_was_read(port, op);
}

bool ioc_stdio_was_written(ioc_port *port, ioc_op *op)
{
    if (op->outcome.status == IOCP_OK) {
        stdio__tell(op, stdio__of(op)->moved);
    }
    return ioc_file_was_written(port, op);
}
