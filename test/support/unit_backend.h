/*
 * A backend of a few lines, for units that need one beside them: its answers are set by the test,
 * its clock stands still until the test moves it, and what was asked of it is counted. Sockets are
 * names without anything behind them; nothing comes back by itself.
 */
#ifndef TEST_UNIT_BACKEND_H
#define TEST_UNIT_BACKEND_H

#include "unit.h"

#include "backend.h"
#include "handle.h"
#include "kind.h"
#include "transfer.h"

typedef struct unit_port {
    ioc_port port; /* first */
    uint64_t now_ns;

    ioc_start start_answer; /* at first IOC_START_PENDING */
    ioc_outcome start_outcome;
    int cancel_answer; /* at first IOCP_OK */
    bool cancel_ends;  /* a cancel that is taken gives the operation back at once */
    uint32_t cancel_native_error;
    bool revise_ends; /* a revised one, answered as a cancel is, comes back at once */
    ioc_wake wake_answer;
    void (*during_wake)(void *context); /* what another thread does in the next one, or NULL */
    void *wake_context;

    unsigned starts;
    unsigned cancels;
    unsigned revisions;
    unsigned handle_cancels;
    unsigned closes;
    unsigned spawns_ended;
    unsigned wakes;
    const ioc_op *last_cancelled;
} unit_port;

const ioc_backend *unit_backend(void);

/* The core's tables on this backend. Their allocator is `memory`. */
typedef struct unit_core {
    unit_memory memory;
    unit_port port;
    ioc_ops ops;
} unit_core;

/* CMocka's set-up and tear-down: *state is a unit_core. Fails if anything is pending or leaked. */
int unit_core_set_up(void **state);
int unit_core_tear_down(void **state);

/* A callback that disarms. */
iocp_action_t IOCP_CALL unit_core_disarm(iocp_loop_t *loop, const iocp_result_t *result,
                                         void *userdata);

/* A queued operation; on `handle` if that is not NULL. Asserts that there was memory. */
ioc_op *unit_core_queue(unit_core *core, iocp_type_t type, ioc_handle *handle);

/* A handle that counts as open. */
ioc_handle *unit_core_open(unit_core *core);

/* The kernel gives a pending operation back. */
void unit_core_packet(unit_core *core, ioc_op *op, int status, uint64_t bytes);

/*
 * Deliver the next result, which must be that of `op`, as the loop would to a callback that
 * disarms, and end the operation. Returns its status.
 */
int unit_core_deliver(unit_core *core, ioc_op *op);

#endif
