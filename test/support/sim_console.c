#include "sim_console.h"

#include "sim_object.h"

#include <stdlib.h>

/* An event asks of each watch that it found one answer: so many are still to come. */
struct sim_console_event {
    ioc_link link;
    iocp_console_event_t which;
    uint32_t awaited;
    bool is_handled;
    bool is_ending;
};

/* For one watch: an event that it has not answered. */
typedef struct console_call {
    ioc_link link;
    sim_console_event *event;
} console_call;

typedef struct console_watch {
    ioc_link link;
    sim_op *op;
    ioc_list calls; /* in the order of the events */
    bool is_told;   /* of the first of them */
} console_watch;

static ioc_list console_watches = {{&console_watches.ends, &console_watches.ends}};
static ioc_list console_events = {{&console_events.ends, &console_events.ends}};

static void *console__allocate(size_t size)
{
    void *memory = calloc(1, size);
    SIM_CHECK(memory != NULL);
    return memory;
}

static console_watch *watch__of(const sim_op *op)
{
    return ioc_watch_of(&op->op)->backend;
}

static console_call *watch__first_call(const console_watch *watch)
{
    ioc_link *link = ioc_list_first(&watch->calls);
    return link != NULL ? IOC_CONTAINER_OF(link, console_call, link) : NULL;
}

static void watch__tell(console_watch *watch)
{
    watch->op->message = (uint32_t)watch__first_call(watch)->event->which;
    watch->is_told = true;
}

/* It has nothing to say to the first event any more. */
static void watch__drop_call(console_watch *watch)
{
    console_call *call = watch__first_call(watch);
    SIM_CHECK(call->event->awaited > 0);
    call->event->awaited--;
    ioc_link_remove(&call->link);
    free(call);
}

static void watch__answer(console_watch *watch, bool is_ending)
{
    if (watch->is_told) {
        sim_console_event *event = watch__first_call(watch)->event;
        event->is_handled = true;
        event->is_ending = event->is_ending || is_ending;
        watch->is_told = false;
        watch__drop_call(watch);
    }
}

static void watch__call(console_watch *watch, sim_console_event *event)
{
    console_call *call = console__allocate(sizeof *call);
    ioc_link_init(&call->link);
    call->event = event;
    event->awaited++;
    ioc_list_push(&watch->calls, &call->link);
    if (watch->op->phase == SIM_WAITING) {
        watch__tell(watch);
        sim_complete(watch->op, IOCP_OK, 0);
    }
}

static console_watch *watch__open(sim_op *op)
{
    console_watch *watch = console__allocate(sizeof *watch);
    ioc_link_init(&watch->link);
    ioc_list_init(&watch->calls);
    watch->op = op;
    ioc_list_push(&console_watches, &watch->link);
    ioc_watch_of(&op->op)->backend = watch;
    op->op.is_held = true;
    return watch;
}

int sim_console_start(sim_op *op)
{
    console_watch *watch = op->op.is_held ? watch__of(op) : watch__open(op);
    SIM_CHECK(watch->op == op);
    watch__answer(watch, false);
    op->phase = SIM_WAITING;
    if (watch__first_call(watch) != NULL) {
        watch__tell(watch);
        op->phase = SIM_INLINE;
    }
    return IOCP_OK;
}

void sim_console_release(sim_op *op)
{
    console_watch *watch = watch__of(op);
    SIM_CHECK(watch->op == op && op->phase == SIM_IDLE);
    watch__answer(watch, op->op.outcome.status == IOCP_OK);
    while (watch__first_call(watch) != NULL) {
        watch__drop_call(watch);
    }
    ioc_link_remove(&watch->link);
    free(watch);
    ioc_watch_of(&op->op)->backend = NULL;
}

/* ---- The tests' side ---- */

sim_console_event *sim_console_raise(iocp_console_event_t which)
{
    sim_console_event *event = console__allocate(sizeof *event);
    ioc_link_init(&event->link);
    event->which = which;
    sim_lock();
    ioc_list_push(&console_events, &event->link);
    for (ioc_link *link = console_watches.ends.next; link != &console_watches.ends;
         link = link->next) {
        watch__call(IOC_CONTAINER_OF(link, console_watch, link), event);
    }
    sim_unlock();
    return event;
}

sim_console_answer sim_console_look(const sim_console_event *event)
{
    sim_lock();
    bool stays = event->is_ending && event->which >= IOCP_CONSOLE_CLOSE;
    sim_console_answer answer = event->awaited > 0   ? SIM_CONSOLE_NONE
                                : !event->is_handled ? SIM_CONSOLE_PASSED
                                : stays              ? SIM_CONSOLE_STAYS
                                                     : SIM_CONSOLE_HANDLED;
    sim_unlock();
    return answer;
}

void sim_console_forget(sim_console_event *event)
{
    sim_lock();
    SIM_CHECK(event->awaited == 0);
    ioc_link_remove(&event->link);
    sim_unlock();
    free(event);
}

size_t sim_console_count(void)
{
    size_t count = 0;
    sim_lock();
    const ioc_list *lists[] = {&console_watches, &console_events};
    for (size_t i = 0; i < IOC_COUNT_OF(lists); i++) {
        for (ioc_link *link = lists[i]->ends.next; link != &lists[i]->ends; link = link->next) {
            count++;
        }
    }
    sim_unlock();
    return count;
}
