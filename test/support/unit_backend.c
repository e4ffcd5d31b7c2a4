#include "unit_backend.h"

#include <stdlib.h>
#include <string.h>

static unit_port *port__of(ioc_port *port)
{
    return (unit_port *)(void *)port;
}

static uint64_t port__now(ioc_port *port)
{
    return port__of(port)->now_ns;
}

static uintptr_t port__thread_id(ioc_port *port)
{
    (void)port;
    return 1;
}

static ioc_wake port__wake(ioc_port *port)
{
    unit_port *self = port__of(port);
    void (*during_wake)(void *) = self->during_wake;
    self->wakes++;
    if (during_wake != NULL) {
        self->during_wake = NULL;
        during_wake(self->wake_context);
    }
    return self->wake_answer;
}

static ioc_start port__start(ioc_port *port, ioc_op *op)
{
    unit_port *self = port__of(port);
    self->starts++;
    op->outcome = self->start_outcome;
    return self->start_answer;
}

static int port__cancel(ioc_port *port, ioc_op *op, bool *is_back)
{
    unit_port *self = port__of(port);
    assert_int_equal(op->phase, IOC_PHASE_KERNEL); /* nothing else is the kernel's to cancel */
    self->cancels++;
    self->last_cancelled = op;
    if (self->cancel_answer != IOCP_OK) {
        port->native_error = self->cancel_native_error;
    }
    *is_back = self->cancel_answer == IOCP_OK && self->cancel_ends;
    if (*is_back) {
        op->outcome = (ioc_outcome){.status = IOCP_ECANCELED};
    }
    return self->cancel_answer;
}

static int port__revise(ioc_port *port, ioc_op *op, bool *is_back)
{
    unit_port *self = port__of(port);
    assert_int_equal(op->phase, IOC_PHASE_KERNEL);
    self->revisions++;
    *is_back = self->cancel_answer == IOCP_OK && self->revise_ends;
    if (*is_back) {
        op->outcome = (ioc_outcome){.status = IOCP_EACCES};
    }
    return self->cancel_answer;
}

static int port__handle_cancel(ioc_port *port, ioc_handle *handle)
{
    unit_port *self = port__of(port);
    (void)handle;
    self->handle_cancels++;
    return self->cancel_answer;
}

static void port__handle_close(ioc_port *port, ioc_handle *handle)
{
    (void)handle;
    port__of(port)->closes++;
}

static void *port__give_away(ioc_port *port, ioc_handle *handle)
{
    (void)port;
    return handle; /* stands for what it names */
}

static void port__spawn_ended(ioc_port *port, ioc_op *op)
{
    (void)op;
    port__of(port)->spawns_ended++;
}

/* The slots of ports and sockets are missing: what is tested with this asks for none of them. */
static const ioc_backend unit_backend_slots = {
    .name = "unit",
    .op_bytes = sizeof(ioc_op),
    .handle_bytes = sizeof(ioc_handle),
    .now = port__now,
    .thread_id = port__thread_id,
    .wake = port__wake,
    .start = port__start,
    .cancel = port__cancel,
    .revise = port__revise,
    .handle_cancel = port__handle_cancel,
    .spawn_ended = port__spawn_ended,
    .handle_give_away = port__give_away,
    .handle_close = port__handle_close,
};

const ioc_backend *unit_backend(void)
{
    return &unit_backend_slots;
}

int unit_core_set_up(void **state)
{
    unit_core *core = calloc(1, sizeof *core);
    if (core == NULL) {
        return -1;
    }
    unit_memory_init(&core->memory);
    core->port.now_ns = 1000;
    core->port.start_answer = IOC_START_PENDING;
    core->port.wake_answer = IOC_WAKE_PACKET;
    ioc_ops_init(&core->ops, &core->memory.alloc, unit_backend(), &core->port.port, ioc_kinds);
    *state = core;
    return 0;
}

/* What a test that failed has left pending, so that the tests behind it can run. */
static bool core__discard_operations(unit_core *core)
{
    bool is_any = false;
    uint32_t cursor = 0;
    for (ioc_op *op; (op = ioc_slab_next(&core->ops.slab, &cursor)) != NULL;) {
        is_any = true;
        ioc_link_remove(&op->link);
        if (ioc_op_is_small(op)) {
            ioc_timers_clear(&core->ops.timers, &op->timer);
        } else {
            ioc_link_remove(&op->sibling);
        }
        (void)ioc_op_set_deadline(&core->ops, op, IOC_FOREVER);
        ioc_op_free(&core->ops, op);
    }
    return is_any;
}

int unit_core_tear_down(void **state)
{
    unit_core *core = *state;
    bool is_pending = core__discard_operations(core);
    ioc_handles_deinit(&core->ops);
    ioc_ops_deinit(&core->ops);
    bool is_leaked = unit_memory_live(&core->memory) != 0;
    free(core);
    return is_pending || is_leaked;
}

iocp_action_t IOCP_CALL unit_core_disarm(iocp_loop_t *loop, const iocp_result_t *result,
                                         void *userdata)
{
    (void)loop;
    (void)result;
    (void)userdata;
    return IOCP_DISARM;
}

ioc_op *unit_core_queue(unit_core *core, iocp_type_t type, ioc_handle *handle)
{
    ioc_op *op = ioc_op_new(&core->ops, type, unit_core_disarm, core);
    assert_non_null(op);
    if (handle != NULL) {
        ioc_handle_enter(handle, op);
    }
    ioc_op_queue(&core->ops, op, NULL);
    return op;
}

ioc_handle *unit_core_open(unit_core *core)
{
    ioc_handle *handle = ioc_handle_new(&core->ops, IOCP_HANDLE_STREAM);
    assert_non_null(handle);
    handle->is_open = true;
    return handle;
}

void unit_core_packet(unit_core *core, ioc_op *op, int status, uint64_t bytes)
{
    op->outcome = (ioc_outcome){.status = status, .bytes = bytes};
    ioc_op_finish_from_backend(&core->ops, op);
}

int unit_core_deliver(unit_core *core, ioc_op *op)
{
    assert_ptr_equal(ioc_op_next_ready(&core->ops), op);
    int status = op->outcome.status;
    (void)ioc_op_is_last(&core->ops, op);
    op->kind->ended(&core->ops, op);
    if (op->handle != NULL) {
        ioc_handle_leave(&core->ops, op);
    }
    ioc_op_end(&core->ops, op);
    return status;
}
