/*
 * Threads post, notify and stop; a loop sleeps, is woken, and is freed at last: src/post.c, on a port
 * that is a number of packets. The kernel orders what is before a packet and what is after it, which
 * hides much; so most of what is shown here are the ways on which no packet goes.
 */
#include "post.h"

#define LIMIT 8 /* items in one turn; more than there are */

static ioc_ops ops;
static ioc_alloc memory;
static ioc_inbox *inbox;
static iocp_async_t *async;

static ioc_atomic_u32 packets; /* of ours, in the port */
static ioc_atomic_u32 refusals;
static ioc_atomic_u32 news[MACHINE_THREADS]; /* shared, and in no order with anything */
static ioc_atomic_u32 done;

static uint32_t payloads[MACHINE_THREADS][2];
static uint32_t accepted[MACHINE_THREADS];
static uint32_t ran;
static uint32_t served;

/* ---- The port ---- */

static ioc_wake port__wake(ioc_port *port)
{
    (void)port;
    bool is_refused = __atomic_load_n(&refusals.value, __ATOMIC_RELAXED) > 0;
    if (is_refused) {
        __atomic_fetch_sub(&refusals.value, 1, __ATOMIC_RELAXED);
    } else {
        uint32_t before = __atomic_fetch_add(&packets.value, 1, __ATOMIC_RELAXED);
        IOC_ASSERT(before == 0);
    }
    machine_signal();
    return is_refused ? IOC_WAKE_DIRECT : IOC_WAKE_PACKET;
}

/* ---- The loop ---- */

static const ioc_backend backend = {.wake = port__wake};

/* What an async's wait needs of an operation. */
void ioc_op_finish(ioc_ops *all, ioc_op *op, int status)
{
    (void)all;
    (void)op;
    (void)status;
    served++;
}

void ioc_op_park(ioc_op *op, ioc_list *list)
{
    (void)op;
    (void)list;
}

static void loop__create(void)
{
    ops.backend = &backend;
    ran = served = 0;
    memset(payloads, 0, sizeof payloads);
    memset(accepted, 0, sizeof accepted);
    memset(&packets, 0, sizeof packets);
    memset(&refusals, 0, sizeof refusals);
    memset(&done, 0, sizeof done);
    memset(news, 0, sizeof news);
    ioc_alloc_init(&memory, machine_allocate, machine_free, NULL);
    inbox = ioc_alloc_take(&memory, sizeof *inbox);
    ioc_inbox_init(inbox, &memory, &ops, NULL);
}

static void loop__create_with_async(void)
{
    loop__create();
    IOC_ASSERT(ioc_async_create(inbox, &async) == IOCP_OK);
}

static void loop__create_without_means(void)
{
    loop__create();
    __atomic_store_n(&refusals.value, 1, __ATOMIC_RELAXED);
}

static void loop__ask_port(bool may_sleep)
{
    may_sleep = may_sleep && ioc_inbox_fall_asleep(inbox);
    if (may_sleep || !ioc_inbox_is_awake(inbox)) {
        machine_wait(may_sleep);
        ioc_inbox_awake(inbox, __atomic_exchange_n(&packets.value, 0, __ATOMIC_RELAXED));
    }
}

/* As loop__turn: what is there is served, and only if nothing was there it may sleep. */
static void loop__turn(bool may_sleep)
{
    if (ioc_inbox_run(inbox, LIMIT) == 0) {
        loop__ask_port(may_sleep);
    }
}

/* As ioc_loop_destroy; the order in which it looks is that of loop__is_drained. */
static void loop__end(void)
{
    ioc_inbox_shut_gate(inbox);
    while (ioc_inbox_is_in_use(inbox) || ioc_inbox_has_news(inbox)) {
        loop__turn(false);
        machine_yield();
    }
}

static void loop__free(void)
{
    ioc_inbox_deinit(inbox);
    ioc_alloc_give(&memory, inbox);
}

static void loop__end_and_free(void)
{
    loop__end();
    loop__free();
}

static void nothing_is_lost(void)
{
    uint32_t sum = 0;
    for (int i = 0; i < MACHINE_THREADS; i++) {
        sum += accepted[i];
    }
    IOC_ASSERT(ran == sum);
}

/* ---- Posts ---- */

static void IOCP_CALL on_post(iocp_loop_t *loop, void *payload)
{
    (void)loop;
    IOC_ASSERT(*(uint32_t *)payload == 1);
    ran++;
}

static void post(uint32_t thread)
{
    uint32_t *payload = &payloads[thread][accepted[thread]];
    *payload = 1;
    if (ioc_inbox_post(inbox, on_post, payload) == IOCP_OK) {
        accepted[thread]++;
    }
}

static void post_as_first(void)
{
    post(0);
}

static void post_as_second(void)
{
    post(1);
}

/* The loop is freed as soon as the gate says that nobody is inside. */
static void run_until_both_ran(void)
{
    while (ran < 2) {
        loop__turn(true);
    }
    loop__end_and_free();
}

/* Whoever may come after the end says when it is done, and the program frees the loop then. */
static void be_done(void)
{
    __atomic_fetch_add(&done.value, 1, __ATOMIC_RELEASE);
}

static void wait_for(uint32_t threads)
{
    while (__atomic_load_n(&done.value, __ATOMIC_ACQUIRE) < threads) {
        machine_yield();
    }
}

static void post_at_any_time(void)
{
    post(0);
    be_done();
}

static void post_twice_at_any_time(void)
{
    post(1);
    post(1);
    be_done();
}

/* What was free while nobody was inside goes, and those who come later make new pages. */
static void run_and_trim(void)
{
    while (ran == 0) {
        loop__turn(true);
    }
    ioc_inbox_trim(inbox);
    loop__end();
    uint32_t at_the_end = ran;
    wait_for(2);
    IOC_ASSERT(at_the_end == accepted[0] + accepted[1]);
    loop__free();
}

static void run_once(void)
{
    loop__turn(false);
    loop__end();
    uint32_t at_the_end = ran;
    wait_for(2);
    IOC_ASSERT(at_the_end == accepted[0] + accepted[1]);
    loop__free();
}

/* ---- A stop ---- */

static void stop(void)
{
    ioc_inbox_stop(inbox);
}

static void stop_and_be_done(void)
{
    stop();
    be_done();
}

static void run_until_stopped(void)
{
    while (!ioc_inbox_is_stopped(inbox)) {
        loop__turn(true);
    }
    ioc_inbox_resume(inbox);
    loop__end();
    wait_for(1);
    loop__free();
}

/* ---- An async ---- */

static void notify(uint32_t thread)
{
    __atomic_store_n(&news[thread].value, 1, __ATOMIC_RELAXED);
    ioc_async_notify(async);
    be_done();
}

static void notify_as_first(void)
{
    notify(0);
}

static void notify_as_second(void)
{
    notify(1);
}

/* Whether the async was served since the last call. */
static bool loop__was_notified(void)
{
    static const ioc_kind kind;
    ioc_op op;
    memset(&op, 0, sizeof op);
    op.kind = &kind;
    ioc_async_wait_of(&op)->async = async;
    uint32_t before = served;
    ioc_async_start(&ops, &op);
    return served > before;
}

/* What was written before a notify is seen by the callback, also if others had notified already. */
static void run_until_both_were_seen(void)
{
    uint32_t seen = 0;
    while (seen < 2) {
        ioc_inbox_run(inbox, LIMIT);
        if (loop__was_notified()) {
            seen = __atomic_load_n(&news[0].value, __ATOMIC_RELAXED) +
                   __atomic_load_n(&news[1].value, __ATOMIC_RELAXED);
        } else {
            loop__ask_port(true);
        }
    }
    wait_for(2);
    ioc_async_destroy(async);
    loop__end_and_free();
}

/* Its item may still be in the queue. */
static void destroy_what_was_notified(void)
{
    loop__turn(false);
    wait_for(1);
    ioc_async_destroy(async);
    loop__end_and_free();
}

/* Who is refused at the shut gate leaves the async as one that is not notified. */
static void run_until_nobody_notifies(void)
{
    loop__turn(false);
    loop__end();
    wait_for(2);
    loop__end();
    ioc_async_destroy(async);
    loop__free();
}

static void idle(void)
{
}

const scenario inbox_scenarios[] = {
    {"posts", loop__create, {post_as_first, post_as_second, run_until_both_ran}, nothing_is_lost},
    {"the end",
     loop__create,
     {post_at_any_time, post_twice_at_any_time, run_once},
     nothing_is_lost},
    {"a trim",
     loop__create,
     {post_at_any_time, post_twice_at_any_time, run_and_trim},
     nothing_is_lost},
    {"a packet refused",
     loop__create_without_means,
     {post_as_first, post_as_second, run_until_both_ran},
     nothing_is_lost},
    {"a stop", loop__create, {post_at_any_time, stop, run_until_stopped}, nothing_is_lost},
    {"a stop alone", loop__create, {stop_and_be_done, idle, run_until_stopped}, nothing_is_lost},
    {"an async",
     loop__create_with_async,
     {notify_as_first, notify_as_second, run_until_both_were_seen},
     nothing_is_lost},
    {"an async's end",
     loop__create_with_async,
     {notify_as_first, destroy_what_was_notified, idle},
     nothing_is_lost},
    {"notifies at the end",
     loop__create_with_async,
     {notify_as_first, notify_as_second, run_until_nobody_notifies},
     nothing_is_lost},
};
const size_t inbox_scenario_count = IOC_COUNT_OF(inbox_scenarios);
