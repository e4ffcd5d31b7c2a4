#include "unit.h"

#include "timer/timers.h"

#include <stdlib.h>
#include <string.h>

typedef struct fixture {
    unit_memory memory;
    ioc_timers timers;
} fixture;

static int fixture__set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    if (f == NULL) {
        return -1;
    }
    unit_memory_init(&f->memory);
    ioc_timers_init(&f->timers, &f->memory.alloc);
    *state = f;
    return 0;
}

static int fixture__tear_down(void **state)
{
    fixture *f = *state;
    ioc_timers_deinit(&f->timers);
    int leaked = unit_memory_live(&f->memory) != 0;
    free(f);
    return leaked;
}

static void set(fixture *f, ioc_timer *timer, uint64_t due_ns)
{
    assert_int_equal(ioc_timers_set(&f->timers, timer, due_ns), IOCP_OK);
}

static ioc_timer *pop(fixture *f, uint64_t now_ns)
{
    return ioc_timers_pop_due(&f->timers, now_ns);
}

static void a_new_queue_has_nothing_due(void **state)
{
    fixture *f = *state;
    assert_int_equal(ioc_timers_count(&f->timers), 0);
    assert_true(ioc_timers_next_due(&f->timers) == IOC_FOREVER);
    assert_null(pop(f, UINT64_MAX));
    assert_true(ioc_timers_is_valid(&f->timers));
    assert_int_equal(unit_memory_calls(&f->memory), 0);
}

static void timers_come_out_in_the_order_of_time(void **state)
{
    fixture *f = *state;
    ioc_timer timers[5] = {{0}};
    const uint64_t dues[] = {40, 10, 50, 20, 30};
    const size_t order[] = {1, 3, 4, 0, 2};
    for (size_t i = 0; i < 5; i++) {
        set(f, &timers[i], dues[i]);
    }
    assert_int_equal(ioc_timers_count(&f->timers), 5);
    for (size_t i = 0; i < 5; i++) {
        assert_true(ioc_timers_next_due(&f->timers) == dues[order[i]]);
        assert_ptr_equal(pop(f, 100), &timers[order[i]]);
        assert_false(ioc_timer_is_set(&timers[order[i]]));
    }
    assert_null(pop(f, 100));
}

static void equal_times_come_out_in_the_order_of_setting(void **state)
{
    fixture *f = *state;
    ioc_timer timers[1000];
    memset(timers, 0, sizeof timers);
    for (size_t i = 0; i < IOC_COUNT_OF(timers); i++) {
        set(f, &timers[i], 77);
    }
    for (size_t i = 0; i < IOC_COUNT_OF(timers); i++) {
        assert_ptr_equal(pop(f, 77), &timers[i]);
    }
}

static void a_timer_set_anew_to_the_same_time_goes_behind_the_others(void **state)
{
    fixture *f = *state;
    ioc_timer timers[3] = {{0}};
    for (size_t i = 0; i < 3; i++) {
        set(f, &timers[i], 5);
    }
    set(f, &timers[0], 5);
    assert_ptr_equal(pop(f, 5), &timers[1]);
    assert_ptr_equal(pop(f, 5), &timers[2]);
    assert_ptr_equal(pop(f, 5), &timers[0]);
}

static void nothing_comes_out_before_its_time(void **state)
{
    fixture *f = *state;
    ioc_timer timer = {0};
    set(f, &timer, 1000);
    assert_null(pop(f, 0));
    assert_null(pop(f, 999));
    assert_ptr_equal(pop(f, 1000), &timer);
}

static void a_timer_moved_later_is_not_early(void **state)
{
    fixture *f = *state;
    ioc_timer timers[2] = {{0}};
    set(f, &timers[0], 10);
    set(f, &timers[1], 20);
    for (uint64_t due_ns = 11; due_ns <= 30; due_ns++) {
        set(f, &timers[0], due_ns);
    }
    assert_int_equal(ioc_timers_count(&f->timers), 2);
    assert_true(ioc_timers_next_due(&f->timers) == 20);
    assert_ptr_equal(pop(f, 29), &timers[1]);
    assert_null(pop(f, 29));
    assert_true(ioc_timers_next_due(&f->timers) == 30);
    assert_ptr_equal(pop(f, 30), &timers[0]);
}

static void a_timer_moved_earlier_comes_out_once(void **state)
{
    fixture *f = *state;
    ioc_timer timers[2] = {{0}};
    set(f, &timers[0], 30);
    set(f, &timers[1], 20);
    set(f, &timers[0], 10);
    assert_int_equal(ioc_timers_count(&f->timers), 2);
    assert_true(ioc_timers_next_due(&f->timers) == 10);
    assert_ptr_equal(pop(f, 100), &timers[0]);
    assert_ptr_equal(pop(f, 100), &timers[1]);
    assert_null(pop(f, 100));
}

static void a_timer_moved_later_then_part_of_the_way_back_is_exact(void **state)
{
    fixture *f = *state;
    ioc_timer timers[3] = {{0}};
    set(f, &timers[0], 5);
    set(f, &timers[1], 10);
    set(f, &timers[2], 60);
    set(f, &timers[1], 100);
    set(f, &timers[1], 50);
    assert_ptr_equal(pop(f, 5), &timers[0]);
    assert_null(pop(f, 49));
    assert_true(ioc_timers_next_due(&f->timers) == 50);
    assert_ptr_equal(pop(f, 50), &timers[1]);
    assert_ptr_equal(pop(f, 100), &timers[2]);
    assert_null(pop(f, UINT64_MAX));
}

static void a_cleared_timer_does_not_come_out(void **state)
{
    fixture *f = *state;
    ioc_timer timers[3] = {{0}};
    for (size_t i = 0; i < 3; i++) {
        set(f, &timers[i], i + 1);
    }
    ioc_timers_clear(&f->timers, &timers[0]);
    assert_false(ioc_timer_is_set(&timers[0]));
    assert_true(ioc_timers_next_due(&f->timers) == 2);
    ioc_timers_clear(&f->timers, &timers[2]);
    assert_int_equal(ioc_timers_count(&f->timers), 1);
    assert_ptr_equal(pop(f, 100), &timers[1]);
    assert_null(pop(f, 100));
    assert_true(ioc_timers_next_due(&f->timers) == IOC_FOREVER);
}

static void clearing_twice_or_never_set_is_harmless(void **state)
{
    fixture *f = *state;
    ioc_timer timer = {0};
    ioc_timers_clear(&f->timers, &timer);
    set(f, &timer, 5);
    ioc_timers_clear(&f->timers, &timer);
    ioc_timers_clear(&f->timers, &timer);
    assert_int_equal(ioc_timers_count(&f->timers), 0);
    assert_true(ioc_timers_is_valid(&f->timers));
}

static void a_timer_can_be_set_again_after_it_came_out_or_was_cleared(void **state)
{
    fixture *f = *state;
    ioc_timer timer = {0};
    for (uint64_t i = 10; i <= 1000; i += 10) {
        set(f, &timer, i);
        assert_ptr_equal(pop(f, i), &timer);
        set(f, &timer, i + 5);
        ioc_timers_clear(&f->timers, &timer);
        assert_null(pop(f, i + 5));
    }
}

static void memory_of_a_cleared_timer_can_be_another_timer_at_once(void **state)
{
    fixture *f = *state;
    ioc_timer timers[2] = {{0}};
    set(f, &timers[0], 10);
    set(f, &timers[1], 20);
    ioc_timers_clear(&f->timers, &timers[1]); /* its entry is not on top and stays behind */
    memset(&timers[1], 0, sizeof timers[1]);
    set(f, &timers[1], 30);
    assert_ptr_equal(pop(f, 29), &timers[0]);
    assert_null(pop(f, 29));
    assert_ptr_equal(pop(f, 30), &timers[1]);
    assert_null(pop(f, UINT64_MAX));
}

static void the_first_that_is_due_can_be_looked_at(void **state)
{
    fixture *f = *state;
    ioc_timer timers[2] = {{0}};
    set(f, &timers[0], 20);
    set(f, &timers[1], 10);
    assert_null(ioc_timers_first_due(&f->timers, 9));
    assert_ptr_equal(ioc_timers_first_due(&f->timers, 10), &timers[1]);
    assert_true(ioc_timer_is_set(&timers[1]));
    assert_int_equal(ioc_timers_count(&f->timers), 2);
    set(f, &timers[1], 30);
    assert_ptr_equal(ioc_timers_first_due(&f->timers, 30), &timers[0]);
    assert_ptr_equal(pop(f, 30), &timers[0]);
    assert_ptr_equal(pop(f, 30), &timers[1]);
}

static void the_ends_of_time_work(void **state)
{
    fixture *f = *state;
    ioc_timer timers[3] = {{0}};
    set(f, &timers[0], UINT64_MAX);
    set(f, &timers[1], 0);
    set(f, &timers[2], UINT64_MAX - 1);
    assert_ptr_equal(pop(f, 0), &timers[1]);
    assert_null(pop(f, UINT64_MAX - 2));
    assert_ptr_equal(pop(f, UINT64_MAX), &timers[2]);
    assert_ptr_equal(pop(f, UINT64_MAX), &timers[0]);
}

/* ---- Against a model that is too simple to be wrong ---- */

typedef struct model_timer {
    uint64_t due_ns;
    uint64_t order;
    bool is_set;
} model_timer;

typedef struct model {
    ioc_timers *queue;
    ioc_timer *timers;
    model_timer *expected;
    uint32_t count;
    uint32_t set;
    uint64_t last_order;
    uint64_t now_ns;
    uint32_t spread; /* delays have so many bits at most */
} model;

static void model__init(model *m, fixture *f, uint32_t count, uint32_t spread)
{
    *m = (model){.queue = &f->timers, .count = count, .spread = spread};
    m->timers = calloc(count, sizeof *m->timers);
    m->expected = calloc(count, sizeof *m->expected);
    assert_non_null(m->timers);
    assert_non_null(m->expected);
}

static void model__deinit(model *m)
{
    free(m->timers);
    free(m->expected);
}

static void model__set(model *m, uint32_t i, uint64_t due_ns)
{
    model_timer *timer = &m->expected[i];
    due_ns = due_ns < m->now_ns ? m->now_ns : due_ns;
    assert_int_equal(ioc_timers_set(m->queue, &m->timers[i], due_ns), IOCP_OK);
    m->set += !timer->is_set;
    *timer = (model_timer){.due_ns = due_ns, .order = ++m->last_order, .is_set = true};
}

static void model__clear(model *m, uint32_t i)
{
    ioc_timers_clear(m->queue, &m->timers[i]);
    m->set -= m->expected[i].is_set;
    m->expected[i].is_set = false;
}

/* The number of the timer that must come first, or `count`. */
static uint32_t model__first(const model *m)
{
    uint32_t first = m->count;
    for (uint32_t i = 0; i < m->count; i++) {
        const model_timer *timer = &m->expected[i];
        const model_timer *best = &m->expected[first % m->count];
        if (timer->is_set && (first == m->count || timer->due_ns < best->due_ns ||
                              (timer->due_ns == best->due_ns && timer->order < best->order))) {
            first = i;
        }
    }
    return first;
}

static uint64_t model__first_due(const model *m)
{
    uint32_t first = model__first(m);
    return first < m->count ? m->expected[first].due_ns : IOC_FOREVER;
}

/* Calls until it is known, each with its share of the work. */
static void model__check_next(model *m)
{
    uint64_t due_ns = model__first_due(m);
    uint64_t told_ns = ioc_timers_next_due(m->queue);
    for (uint32_t calls = 0; told_ns != due_ns; calls++) {
        assert_true(told_ns == 0);
        assert_in_range(calls, 0, 10000);
        told_ns = ioc_timers_next_due(m->queue);
    }
}

static void model__pop(model *m)
{
    uint32_t first = model__first(m);
    ioc_timer *popped = ioc_timers_pop_due(m->queue, m->now_ns);
    if (first == m->count || m->expected[first].due_ns > m->now_ns) {
        assert_null(popped);
        return;
    }
    for (uint32_t calls = 0; popped == NULL; calls++) {
        assert_true(ioc_timers_next_due(m->queue) <= m->now_ns);
        assert_in_range(calls, 0, 10000);
        popped = ioc_timers_pop_due(m->queue, m->now_ns);
    }
    assert_ptr_equal(popped, &m->timers[first]);
    m->expected[first].is_set = false;
    m->set--;
}

/* Near ones and far ones, some for the same time as another and some for ever. */
static uint64_t model__some_time(const model *m, uint64_t *random)
{
    const model_timer *other = &m->expected[unit_random_below(random, m->count)];
    switch (unit_random_below(random, 32)) {
    case 0:
        return IOC_FOREVER;
    case 1:
    case 2:
    case 3:
        return other->due_ns;
    default:
        break;
    }
    uint32_t bits = unit_random_below(random, 4) == 0 ? m->spread : m->spread / 2;
    return ioc_add_saturated(m->now_ns, unit_random(random) >> (63 - bits));
}

static void model__pass_time(model *m, uint64_t *random)
{
    uint64_t due_ns = model__first_due(m);
    if (due_ns != IOC_FOREVER && due_ns > m->now_ns) {
        m->now_ns = due_ns;
    } else if (unit_random_below(random, 4) == 0) {
        uint64_t delay_ns = unit_random(random) >> (63 - m->spread) >> 4;
        m->now_ns = ioc_add_saturated(m->now_ns, delay_ns);
    }
}

/* `eagerness`: how many of sixteen steps set a timer. */
static void model__step(model *m, uint64_t *random, uint32_t eagerness)
{
    uint32_t i = unit_random_below(random, m->count);
    uint32_t choice = unit_random_below(random, 16);
    if (choice < eagerness) {
        model__set(m, i, model__some_time(m, random));
    } else if (choice < 11) {
        model__clear(m, i);
    } else if (choice < 12) {
        model__pass_time(m, random);
    } else if (choice < 13) {
        model__check_next(m);
    } else {
        model__pop(m);
    }
    assert_int_equal(ioc_timers_count(m->queue), m->set);
}

/* By turns more and fewer of them are set, until there are none. */
static void model__run(fixture *f, uint32_t timers, uint32_t steps, uint32_t spread, uint64_t seed)
{
    model m;
    uint64_t random = seed;
    model__init(&m, f, timers, spread);
    for (uint32_t step = 0; step < steps; step++) {
        model__step(&m, &random, 2 + step / 512 % 4 * 3);
        if (step % 64 == 0) {
            assert_true(ioc_timers_is_valid(m.queue));
        }
        if (step % 1500 == 1499) {
            (void)ioc_timers_trim(m.queue);
            assert_true(ioc_timers_is_valid(m.queue));
            assert_int_equal(m.queue->entries, m.set);
        }
    }
    while (m.set > 0) {
        model__check_next(&m);
        uint64_t due_ns = model__first_due(&m);
        m.now_ns = due_ns > m.now_ns ? due_ns : m.now_ns;
        model__pop(&m);
    }
    assert_null(ioc_timers_pop_due(m.queue, UINT64_MAX));
    model__deinit(&m);
}

/* A queue whose chunks are small, and whose calls do little. */
static void fixture__restart(fixture *f, uint32_t room, uint32_t most_touched, uint32_t most_stale)
{
    ioc_timers_deinit(&f->timers);
    ioc_timers_init(&f->timers, &f->memory.alloc);
    f->timers.pool.room = room;
    f->timers.most_touched = most_touched;
    f->timers.most_stale = most_stale;
}

static void many_small_rounds_agree_with_the_model(void **state)
{
    fixture *f = *state;
    uint64_t random = UNIT_SEED;
    for (uint32_t round = 0; round < 300; round++) {
        uint32_t most_room = round % 3 == 0 ? IOC_TIMER_CHUNK_ROOM : 5;
        fixture__restart(f, 1 + unit_random_below(&random, most_room),
                         1 + unit_random_below(&random, 60), unit_random_below(&random, 40));
        model__run(f, 100 + unit_random_below(&random, 300), 4000, unit_random_below(&random, 64),
                   UNIT_SEED + round);
    }
}

static void random_operations_on_few_timers_agree_with_the_model(void **state)
{
    fixture *f = *state;
    for (uint32_t timers = 1; timers <= 50; timers++) {
        fixture__restart(f, IOC_TIMER_CHUNK_ROOM, 1000, 64);
        model__run(f, timers, 8000, 20, UNIT_SEED + timers);
    }
}

static void random_operations_on_many_timers_agree_with_the_model(void **state)
{
    model__run(*state, 3000, 60000, 30, UNIT_SEED - 1);
}

/* ---- Many timers ---- */

static ioc_timer *many__new(size_t count)
{
    ioc_timer *timers = calloc(count, sizeof *timers);
    assert_non_null(timers);
    return timers;
}

/* A call that has work left says so, and may not have done more than its share. */
static ioc_timer *many__pop(fixture *f, uint64_t now_ns)
{
    uint64_t most = (uint64_t)f->timers.most_touched + 2 * f->timers.pool.room;
    for (;;) {
        uint64_t touched = f->timers.touched;
        ioc_timer *timer = pop(f, now_ns);
        assert_in_range(f->timers.touched - touched, 0, most);
        touched = f->timers.touched;
        uint64_t next_ns = ioc_timers_next_due(&f->timers);
        assert_in_range(f->timers.touched - touched, 0, most);
        if (timer != NULL || next_ns > now_ns || ioc_timers_count(&f->timers) == 0) {
            return timer;
        }
    }
}

/* All are due. They lie in memory, and were set, one behind the other. */
static void many__pop_all(fixture *f, uint64_t now_ns)
{
    uint64_t due_ns = 0;
    const ioc_timer *former = NULL;
    size_t left = ioc_timers_count(&f->timers);
    for (; left > 0; left--) {
        ioc_timer *timer = many__pop(f, now_ns);
        assert_non_null(timer);
        assert_true(timer->due_ns > due_ns || (timer->due_ns == due_ns && timer > former));
        due_ns = timer->due_ns;
        former = timer;
    }
    assert_null(many__pop(f, now_ns));
}

static void a_hundred_thousand_timers_come_out_sorted_and_no_call_does_much(void **state)
{
    enum {
        COUNT = 100000
    };
    fixture *f = *state;
    uint64_t random = UNIT_SEED;
    ioc_timer *timers = many__new(COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        uint64_t touched = f->timers.touched;
        set(f, &timers[i], unit_random_below(&random, COUNT * 10));
        assert_in_range(f->timers.touched - touched, 0, 3 * (uintmax_t)f->timers.pool.room);
    }
    assert_true(ioc_timers_is_valid(&f->timers));
    many__pop_all(f, COUNT * 10);
    free(timers);
}

/* How many entries were touched for each timer, by setting `count` of them and taking them out. */
static uint64_t many__touched(fixture *f, uint32_t count, uint64_t first_ns, uint64_t step_ns)
{
    ioc_timer *timers = many__new(count);
    uint64_t touched = f->timers.touched;
    for (uint32_t i = 0; i < count; i++) {
        set(f, &timers[i], first_ns + i * step_ns);
    }
    many__pop_all(f, first_ns + count * step_ns);
    free(timers);
    return (f->timers.touched - touched) / count;
}

static void timers_that_were_set_in_the_order_of_their_times_are_not_moved(void **state)
{
    fixture *f = *state;
    assert_int_equal(many__touched(f, 50000, 1000000, 1000), 1);
    assert_int_equal(many__touched(f, 50000, f->timers.now_ns + 77, 0), 1); /* all at once */
}

static void timers_of_one_time_that_are_dealt_with_others_stay_in_order(void **state)
{
    enum {
        COUNT = 2000
    };
    fixture *f = *state;
    fixture__restart(f, 4, 10, 64);
    ioc_timer *timers = many__new(COUNT + 1);
    for (uint32_t i = 0; i < COUNT / 2; i++) {
        set(f, &timers[i], i % 2 == 0 ? 5000 : 5000 + i % 7);
    }
    assert_null(pop(f, 5000)); /* it has begun to deal */
    assert_non_null(f->timers.dealt);
    for (uint32_t i = COUNT / 2; i < COUNT; i++) {
        set(f, &timers[i], i % 2 == 0 ? 5000 : 5000 + i % 7);
        assert_true(ioc_timers_is_valid(&f->timers));
    }
    many__pop_all(f, 6000);
    free(timers);
}

/* The slots of one level, with more in each than a chunk takes, and in no order. */
static ioc_timer *many__set_far(fixture *f, uint32_t count, uint64_t first_ns)
{
    ioc_timer *timers = many__new(count);
    uint64_t random = UNIT_SEED;
    for (uint32_t i = 0; i < count; i++) {
        set(f, &timers[i], first_ns + 1 + unit_random_below(&random, 1u << 30));
    }
    return timers;
}

static void asking_when_the_first_is_due_opens_nothing(void **state)
{
    enum {
        COUNT = 20000
    };
    fixture *f = *state;
    ioc_timer *timers = many__set_far(f, COUNT, 1);
    ioc_timer first = {0};
    set(f, &first, UINT64_C(1) << 29);
    ioc_timers_clear(&f->timers, &first);
    uint64_t least_ns = UINT64_MAX;
    for (uint32_t i = 0; i < COUNT; i++) {
        least_ns = timers[i].due_ns < least_ns ? timers[i].due_ns : least_ns;
    }
    uint64_t touched = f->timers.touched;
    for (uint32_t i = 0; i < 100; i++) {
        assert_true(ioc_timers_next_due(&f->timers) == least_ns);
    }
    assert_true(f->timers.touched == touched);
    assert_null(pop(f, least_ns - 1)); /* nor does a pop that finds nothing due */
    assert_true(f->timers.touched == touched);
    free(timers);
    f->timers.set = 0;
}

static void when_the_first_is_due_is_exact_after_the_first_was_cleared(void **state)
{
    enum {
        COUNT = 5000
    };
    fixture *f = *state;
    f->timers.most_touched = 100;
    ioc_timer *timers = many__set_far(f, COUNT, 1);
    for (uint32_t round = 0; round < 20; round++) {
        uint32_t first = 0;
        uint32_t second = 0;
        for (uint32_t i = 0; i < COUNT; i++) {
            if (ioc_timer_is_set(&timers[i]) &&
                (!ioc_timer_is_set(&timers[first]) || timers[i].due_ns < timers[first].due_ns)) {
                first = i;
            }
        }
        assert_true(ioc_timers_next_due(&f->timers) == timers[first].due_ns);
        ioc_timers_clear(&f->timers, &timers[first]);
        for (uint32_t i = 0; i < COUNT; i++) {
            if (ioc_timer_is_set(&timers[i]) &&
                (!ioc_timer_is_set(&timers[second]) || timers[i].due_ns < timers[second].due_ns)) {
                second = i;
            }
        }
        uint64_t told_ns;
        uint32_t calls = 0;
        while ((told_ns = ioc_timers_next_due(&f->timers)) == 0) {
            assert_in_range(++calls, 0, COUNT / 100 + 10);
        }
        assert_true(told_ns == timers[second].due_ns);
    }
    assert_true(ioc_timers_is_valid(&f->timers));
    free(timers);
    f->timers.set = 0;
}

static void to_find_the_first_of_many_takes_several_calls(void **state)
{
    enum {
        COUNT = 5000,
        MOST = 100
    };
    fixture *f = *state;
    f->timers.most_touched = MOST;
    ioc_timer *timers = many__new(COUNT);
    const uint64_t first_ns = UINT64_C(1) << 40;
    for (uint32_t i = 0; i < COUNT; i++) {
        set(f, &timers[i], first_ns + i * 7919 % COUNT); /* all in one bucket, each once */
    }
    ioc_timers_clear(&f->timers, &timers[0]);
    uint32_t calls = 0;
    while (ioc_timers_next_due(&f->timers) == 0) {
        assert_in_range(++calls, 0, COUNT / MOST);
    }
    assert_in_range(calls, COUNT / (MOST + f->timers.pool.room) - 1, COUNT / MOST);
    assert_true(ioc_timers_next_due(&f->timers) == first_ns + 1);
    free(timers);
    f->timers.set = 0;
}

static void what_has_been_dealt_comes_first_though_the_rest_of_its_bucket_is_swept(void **state)
{
    enum {
        COUNT = 200,
        LEFT = 4
    };
    fixture *f = *state;
    fixture__restart(f, 4, 10, 0);
    ioc_timer *timers = many__new(COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        set(f, &timers[i], i == 0 ? 5000 : 5100 + i * 7 % 50);
    }
    assert_null(pop(f, 5000)); /* it has dealt the first chunk */
    const ioc_timer_bucket *dealt = f->timers.dealt;
    assert_non_null(dealt);
    for (uint32_t i = 1; i < COUNT - LEFT; i++) {
        ioc_timers_clear(&f->timers, &timers[i]);
    }
    ioc_timer other = {0};
    for (uint32_t i = 0; i < COUNT; i++) { /* so that whatever has entries is swept to its end */
        set(f, &other, 1000000);
        assert_true(ioc_timers_is_valid(&f->timers));
    }
    assert_ptr_equal(f->timers.dealt, dealt); /* those that are left are still in it */
    assert_ptr_equal(many__pop(f, 5000), &timers[0]);
    assert_null(many__pop(f, 5000));
    ioc_timers_clear(&f->timers, &other);
    many__pop_all(f, 5200);
    free(timers);
}

static void to_skip_many_stale_entries_takes_several_calls(void **state)
{
    enum {
        COUNT = 100000
    };
    fixture *f = *state;
    f->timers.most_stale = COUNT; /* so that they are not swept */
    ioc_timer *timers = many__new(COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        set(f, &timers[i], 1000);
    }
    for (uint32_t i = 0; i + 1 < COUNT; i++) {
        ioc_timers_clear(&f->timers, &timers[i]);
    }
    assert_true(ioc_timers_next_due(&f->timers) == 0); /* it is not known yet */
    assert_ptr_equal(many__pop(f, 1000), &timers[COUNT - 1]);
    assert_true(ioc_timers_next_due(&f->timers) == IOC_FOREVER);
    free(timers);
}

/* ---- Memory ---- */

static void few_timers_take_one_chunk(void **state)
{
    fixture *f = *state;
    ioc_timer timers[IOC_TIMER_CHUNK_ROOM];
    uint64_t random = UNIT_SEED;
    memset(timers, 0, sizeof timers);
    for (uint32_t round = 1; round <= 1000; round++) {
        for (size_t i = 0; i < IOC_COUNT_OF(timers); i++) {
            set(f, &timers[i], round * UINT64_C(1000000000) + unit_random_below(&random, 1000));
        }
        ioc_timers_clear(&f->timers, &timers[0]);
        while (pop(f, (round + 1) * UINT64_C(1000000000)) != NULL) {}
    }
    assert_int_equal(unit_memory_calls(&f->memory), 1);
    assert_null(f->timers.table);
}

static void without_memory_a_fresh_timer_is_not_set(void **state)
{
    fixture *f = *state;
    ioc_timer timer = {0};
    unit_memory_allow(&f->memory, 0);
    assert_int_equal(ioc_timers_set(&f->timers, &timer, 5), IOCP_ENOMEM);
    assert_false(ioc_timer_is_set(&timer));
    assert_int_equal(ioc_timers_count(&f->timers), 0);
    unit_memory_allow(&f->memory, UINT64_MAX);
    set(f, &timer, 5);
    assert_ptr_equal(pop(f, 5), &timer);
}

/* Each call of the allocator is refused once, however many the setting of one timer makes. */
static void without_memory_everything_stays_as_it_was(void **state)
{
    enum {
        COUNT = 3000
    };
    fixture *f = *state;
    fixture__restart(f, 3, 50, 64);
    ioc_timer *timers = many__new(COUNT);
    uint64_t random = UNIT_SEED;
    uint32_t refused = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        uint64_t due_ns = 1 + (unit_random(&random) >> (8 + unit_random_below(&random, 50)));
        for (uint64_t allowed = 0;; allowed++) {
            unit_memory_allow(&f->memory, allowed);
            int status = ioc_timers_set(&f->timers, &timers[i], due_ns);
            assert_true(ioc_timers_is_valid(&f->timers));
            if (status == IOCP_OK) {
                break;
            }
            refused++;
            assert_int_equal(status, IOCP_ENOMEM);
            assert_false(ioc_timer_is_set(&timers[i]));
            assert_int_equal(ioc_timers_count(&f->timers), i);
        }
    }
    assert_in_range(refused, 256, COUNT * 4);
    unit_memory_allow(&f->memory, UINT64_MAX);
    many__pop_all(f, UINT64_MAX);
    free(timers);
}

static void a_timer_that_cannot_be_moved_without_memory_keeps_its_time(void **state)
{
    fixture *f = *state;
    ioc_timer timers[IOC_TIMER_CHUNK_ROOM];
    memset(timers, 0, sizeof timers);
    for (size_t i = 0; i < IOC_COUNT_OF(timers); i++) {
        set(f, &timers[i], 1000 + i);
    }
    unit_memory_allow(&f->memory, 0);
    assert_int_equal(ioc_timers_set(&f->timers, &timers[9], 7), IOCP_ENOMEM);
    assert_true(timers[9].due_ns == 1009);
    assert_int_equal(ioc_timers_count(&f->timers), IOC_COUNT_OF(timers));
    many__pop_all(f, 5000);
}

static void what_is_set_comes_out_without_memory(void **state)
{
    enum {
        COUNT = 20000
    };
    fixture *f = *state;
    for (uint32_t room = 1; room <= 9; room += 2) {
        uint64_t random = UNIT_SEED + room;
        fixture__restart(f, room, 1000, 64);
        ioc_timer *timers = many__new(COUNT);
        uint32_t count = 1 + unit_random_below(&random, COUNT);
        for (uint32_t i = 0; i < count; i++) {
            set(f, &timers[i], 1 + (unit_random(&random) >> (4 + unit_random_below(&random, 30))));
        }
        unit_memory_allow(&f->memory, 0);
        many__pop_all(f, UINT64_MAX);
        unit_memory_allow(&f->memory, UINT64_MAX);
        free(timers);
    }
}

/* Set and clear, or reset, for ever: neither memory nor entries may grow. */
static void churn(fixture *f, uint32_t count, bool clears, uint64_t spread_ns)
{
    ioc_timer *timers = many__new(count);
    uint64_t random = UNIT_SEED;
    uint64_t calls = 0;
    for (uint32_t i = 0; i < 400000; i++) {
        ioc_timer *timer = &timers[unit_random_below(&random, count)];
        if (clears) {
            ioc_timers_clear(&f->timers, timer);
        }
        uint64_t touched = f->timers.touched;
        set(f, timer, 1000000 + (unit_random(&random) & spread_ns));
        assert_in_range(f->timers.touched - touched, 0, 3 * (uintmax_t)f->timers.pool.room);
        assert_in_range(f->timers.entries, 0, 3 * (uintmax_t)count + 300);
        if (i == 200000) {
            calls = unit_memory_calls(&f->memory);
        }
    }
    assert_in_range(unit_memory_calls(&f->memory) - calls, 0, 16);
    assert_true(ioc_timers_is_valid(&f->timers));
    free(timers);
    f->timers.set = 0; /* their memory is gone */
}

static void memory_is_bounded_when_timers_are_set_and_cleared(void **state)
{
    churn(*state, 1000, true, 0xfff);
}

static void memory_is_bounded_when_timers_are_reset(void **state)
{
    churn(*state, 1000, false, 0xfff);
}

static void memory_is_bounded_when_timers_of_all_times_are_reset(void **state)
{
    churn(*state, 1000, false, UINT64_MAX >> 1);
}

static void memory_is_bounded_when_those_set_first_are_cleared_first(void **state)
{
    enum {
        COUNT = 1000
    };
    fixture *f = *state;
    ioc_timer timers[COUNT];
    memset(timers, 0, sizeof timers);
    for (uint32_t i = 0; i < 300 * COUNT; i++) {
        ioc_timers_clear(&f->timers, &timers[i % COUNT]);
        set(f, &timers[i % COUNT], 1000000 + i);
        assert_in_range(f->timers.entries, 0, 2 * COUNT + 200);
    }
    (void)ioc_timers_trim(&f->timers);
    assert_true(ioc_timers_is_valid(&f->timers));
}

/* One of each chunk stays: a sweep closes the gaps, so that few chunks hold them. */
static void memory_is_bounded_when_few_of_many_are_left(void **state)
{
    enum {
        CHUNKS = 100,
        COUNT = CHUNKS * IOC_TIMER_CHUNK_ROOM
    };
    fixture *f = *state;
    ioc_timer *timers = calloc(COUNT, sizeof *timers);
    assert_non_null(timers);
    for (uint32_t i = 0; i < COUNT; i++) {
        set(f, &timers[i], (UINT64_C(1) << 40) + i);
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        if (i % IOC_TIMER_CHUNK_ROOM != 0) {
            ioc_timers_clear(&f->timers, &timers[i]);
        }
    }
    assert_int_equal(ioc_timers_count(&f->timers), CHUNKS);
    assert_in_range(f->timers.used + f->timers.further, 1, CHUNKS / 4);
    for (uint32_t i = 0; i < COUNT; i += IOC_TIMER_CHUNK_ROOM) {
        assert_ptr_equal(pop(f, UINT64_MAX), &timers[i]);
    }
    free(timers);
}

static void memory_is_bounded_when_one_timer_moves_earlier_for_ever(void **state)
{
    fixture *f = *state;
    ioc_timer timers[2] = {{0}};
    set(f, &timers[0], 1);
    for (uint64_t i = 0; i < 1000000; i++) {
        set(f, &timers[1], 2000000 - i);
        assert_in_range(f->timers.entries, 2, 200);
    }
    assert_int_equal(ioc_timers_count(&f->timers), 2);
    assert_ptr_equal(pop(f, UINT64_MAX), &timers[0]);
    assert_ptr_equal(pop(f, UINT64_MAX), &timers[1]);
    assert_null(pop(f, UINT64_MAX));
}

/* ---- Trimming ---- */

static void after_a_trim_the_memory_of_cleared_timers_may_go(void **state)
{
    enum {
        COUNT = 3000
    };
    fixture *f = *state;
    fixture__restart(f, 5, 10, COUNT);
    ioc_timer **timers = calloc(COUNT, sizeof *timers);
    assert_non_null(timers);
    uint64_t random = UNIT_SEED;
    for (uint32_t i = 0; i < COUNT; i++) {
        timers[i] = many__new(1);
        set(f, timers[i], 1000 + unit_random_below(&random, 100000));
    }
    while (f->timers.dealt == NULL) {
        (void)pop(f, 60000);
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        if (i % 8 != 0) {
            ioc_timers_clear(&f->timers, timers[i]);
        }
    }
    (void)ioc_timers_trim(&f->timers);
    assert_null(f->timers.dealt); /* whose least entry might be one of those that go now */
    for (uint32_t i = 0; i < COUNT; i++) {
        if (!ioc_timer_is_set(timers[i])) {
            free(timers[i]);
            timers[i] = NULL;
        }
    }
    assert_int_equal(f->timers.entries, ioc_timers_count(&f->timers));
    assert_true(ioc_timers_is_valid(&f->timers));
    for (ioc_timer *timer; ioc_timers_next_due(&f->timers) != IOC_FOREVER;) {
        timer = many__pop(f, 200000);
        assert_non_null(timer);
        free(timer);
    }
    free(timers);
}

static void a_trim_of_a_queue_without_timers_gives_everything_back(void **state)
{
    enum {
        COUNT = 3000
    };
    fixture *f = *state;
    ioc_timer *timers = many__set_far(f, COUNT, 1);
    uint64_t most = unit_memory_live(&f->memory);
    for (uint32_t i = 1; i < COUNT; i++) {
        ioc_timers_clear(&f->timers, &timers[i]);
    }
    (void)ioc_timers_trim(&f->timers);
    assert_in_range(unit_memory_live(&f->memory), 2, most / 10); /* a table and a chunk */
    uint64_t chunks = unit_memory_live(&f->memory) - 1;
    ioc_timers_clear(&f->timers, &timers[0]);
    assert_int_equal(ioc_timers_trim(&f->timers),
                     chunks * sizeof(ioc_timer_chunk) + sizeof(ioc_timers_table));
    assert_int_equal(ioc_timers_trim(&f->timers), 0);
    assert_int_equal(unit_memory_live(&f->memory), 0);
    assert_null(f->timers.table);
    set(f, &timers[0], 5);
    assert_ptr_equal(pop(f, 5), &timers[0]);
    free(timers);
}

/* ---- The validity check itself ---- */

static void a_broken_queue_is_not_valid(void **state)
{
    fixture *f = *state;
    fixture__restart(f, 2, 100, 64);
    ioc_timer timers[40];
    memset(timers, 0, sizeof timers);
    for (size_t i = 0; i < IOC_COUNT_OF(timers); i++) {
        set(f, &timers[i], 10 + i % 8);
    }
    ioc_timers *q = &f->timers;
    assert_true(ioc_timers_is_valid(q));
    size_t *counts[] = {&q->set, &q->entries, &q->used, &q->further};
    for (size_t i = 0; i < IOC_COUNT_OF(counts); i++) {
        ++*counts[i];
        assert_false(ioc_timers_is_valid(q));
        --*counts[i];
    }
    q->table->levels ^= 1u << 7;
    assert_false(ioc_timers_is_valid(q));
    q->table->levels ^= 1u << 7;
    q->table->slots[5] ^= 1;
    assert_false(ioc_timers_is_valid(q));
    q->table->slots[5] ^= 1;
    timers[3].due_ns++; /* its entry is for another time */
    assert_false(ioc_timers_is_valid(q));
    timers[3].due_ns--;
    q->base_ns = 12; /* there are earlier ones */
    assert_false(ioc_timers_is_valid(q));
    q->base_ns = 0;
    assert_true(ioc_timers_is_valid(q));
}

#define TIMERS_TEST(name) cmocka_unit_test_setup_teardown(name, fixture__set_up, fixture__tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TIMERS_TEST(a_new_queue_has_nothing_due),
        TIMERS_TEST(timers_come_out_in_the_order_of_time),
        TIMERS_TEST(equal_times_come_out_in_the_order_of_setting),
        TIMERS_TEST(a_timer_set_anew_to_the_same_time_goes_behind_the_others),
        TIMERS_TEST(nothing_comes_out_before_its_time),
        TIMERS_TEST(a_timer_moved_later_is_not_early),
        TIMERS_TEST(a_timer_moved_earlier_comes_out_once),
        TIMERS_TEST(a_timer_moved_later_then_part_of_the_way_back_is_exact),
        TIMERS_TEST(a_cleared_timer_does_not_come_out),
        TIMERS_TEST(clearing_twice_or_never_set_is_harmless),
        TIMERS_TEST(a_timer_can_be_set_again_after_it_came_out_or_was_cleared),
        TIMERS_TEST(memory_of_a_cleared_timer_can_be_another_timer_at_once),
        TIMERS_TEST(the_first_that_is_due_can_be_looked_at),
        TIMERS_TEST(the_ends_of_time_work),
        TIMERS_TEST(many_small_rounds_agree_with_the_model),
        TIMERS_TEST(random_operations_on_few_timers_agree_with_the_model),
        TIMERS_TEST(random_operations_on_many_timers_agree_with_the_model),
        TIMERS_TEST(a_hundred_thousand_timers_come_out_sorted_and_no_call_does_much),
        TIMERS_TEST(timers_that_were_set_in_the_order_of_their_times_are_not_moved),
        TIMERS_TEST(timers_of_one_time_that_are_dealt_with_others_stay_in_order),
        TIMERS_TEST(asking_when_the_first_is_due_opens_nothing),
        TIMERS_TEST(when_the_first_is_due_is_exact_after_the_first_was_cleared),
        TIMERS_TEST(to_find_the_first_of_many_takes_several_calls),
        TIMERS_TEST(what_has_been_dealt_comes_first_though_the_rest_of_its_bucket_is_swept),
        TIMERS_TEST(to_skip_many_stale_entries_takes_several_calls),
        TIMERS_TEST(few_timers_take_one_chunk),
        TIMERS_TEST(without_memory_a_fresh_timer_is_not_set),
        TIMERS_TEST(without_memory_everything_stays_as_it_was),
        TIMERS_TEST(a_timer_that_cannot_be_moved_without_memory_keeps_its_time),
        TIMERS_TEST(what_is_set_comes_out_without_memory),
        TIMERS_TEST(memory_is_bounded_when_timers_are_set_and_cleared),
        TIMERS_TEST(memory_is_bounded_when_timers_are_reset),
        TIMERS_TEST(memory_is_bounded_when_timers_of_all_times_are_reset),
        TIMERS_TEST(memory_is_bounded_when_those_set_first_are_cleared_first),
        TIMERS_TEST(memory_is_bounded_when_few_of_many_are_left),
        TIMERS_TEST(memory_is_bounded_when_one_timer_moves_earlier_for_ever),
        TIMERS_TEST(after_a_trim_the_memory_of_cleared_timers_may_go),
        TIMERS_TEST(a_trim_of_a_queue_without_timers_gives_everything_back),
        TIMERS_TEST(a_broken_queue_is_not_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
