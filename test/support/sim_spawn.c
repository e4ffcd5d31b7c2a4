#include "sim_spawn.h"

#include "spawn.h"

#include "sim_object.h"
#include "sim_pipe.h"

#include <stdlib.h>
#include <string.h>

typedef struct sim_plan {
    bool is_missing; /* the program */
    uint32_t flags;  /* IOCP_SPAWN_ bits */
    bool has_group;
    bool has_console;
    uintptr_t tree; /* of a run that has not been told, or 0 */
    bool has_ends;
    sim_socket *ends[IOC_SPAWN_STREAMS]; /* until a run has taken or closed them */
} sim_plan;

static sim_plan *plan__of(const sim_op *op)
{
    return ioc_opening_of(&op->op)->backend;
}

void sim_spawn_plan(sim_op *op, const iocp_spawn_options_t *options, struct ioc_handle *const *ends)
{
    sim_plan *plan = calloc(1, sizeof *plan);
    SIM_CHECK(plan != NULL);
    const char *name = options->program != NULL ? options->program : options->arguments[0];
    plan->is_missing = strcmp(name, SIM_NO_PROGRAM) == 0;
    plan->flags = options->flags;
    plan->has_group = (options->flags & IOCP_SPAWN_GROUP) != 0;
    plan->has_console = (options->flags & IOCP_SPAWN_PSEUDO_CONSOLE) != 0;
    for (int i = 0; i < IOC_SPAWN_STREAMS; i++) {
        if (ends[i] != NULL) {
            plan->ends[i] = IOC_CONTAINER_OF(ends[i], sim_handle, handle)->socket;
            plan->has_ends = true;
        }
    }
    ioc_opening_of(&op->op)->backend = plan;
    op->op.is_held = true;
}

static bool plan__is_spent(const sim_plan *plan)
{
    return plan->has_ends && plan->ends[0] == NULL && plan->ends[1] == NULL &&
           plan->ends[2] == NULL;
}

int sim_spawn_start(sim_op *op)
{
    if (plan__is_spent(plan__of(op))) {
        return IOCP_EBADF;
    }
    op->phase = SIM_WAITING;
    op->effect_ns = op->port->now_ns + sim_below(op->port, op->port->script.latency_ns + 1);
    return IOCP_OK;
}

void sim_spawn_carry_out(sim_op *op)
{
    op->effect_ns = IOC_FOREVER;
    sim_plan *plan = plan__of(op);
    op->value =
        plan->is_missing ? 0 : sim_process_spawn(plan->ends, plan->has_group, plan->has_console);
    if (op->value != 0 && (plan->flags & IOCP_SPAWN_TREE) != 0) {
        bool ends_by_close = (plan->flags & IOCP_SPAWN_KILL_ON_CLOSE) != 0;
        plan->tree = sim_tree_create((uintptr_t)op->value, ends_by_close);
    }
    sim_complete(op, op->value == 0 ? IOCP_ENOTFOUND : IOCP_OK, 0);
}

void sim_spawn_tell(sim_op *op)
{
    sim_handle *process = sim_opened_by(op);
    if (op->outcome.status == IOCP_OK) {
        process->process = (uintptr_t)op->value;
        process->has_console = plan__of(op)->has_console;
        process->tree = plan__of(op)->tree;
        plan__of(op)->tree = 0;
        process->handle.process_id = (uint32_t)op->value;
    }
}

/* However it has ended, the ends of pipes are not ours any more. */
void sim_spawn_ended(sim_op *op)
{
    sim_pipe_close_ends(plan__of(op)->ends);
}

void sim_spawn_release(sim_op *op)
{
    sim_pipe_close_ends(plan__of(op)->ends);
    free(plan__of(op));
    ioc_opening_of(&op->op)->backend = NULL;
}
