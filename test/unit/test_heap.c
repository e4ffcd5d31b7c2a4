#include "unit.h"

#include "timer/heap.h"

#include <stdlib.h>
#include <string.h>

typedef struct fixture {
    unit_memory memory;
    ioc_heap heap;
} fixture;

static int fixture__set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    if (f == NULL) {
        return -1;
    }
    unit_memory_init(&f->memory);
    ioc_heap_init(&f->heap, &f->memory.alloc);
    *state = f;
    return 0;
}

static int fixture__tear_down(void **state)
{
    fixture *f = *state;
    ioc_heap_deinit(&f->heap);
    int leaked = unit_memory_live(&f->memory) != 0;
    free(f);
    return leaked;
}

static void set(fixture *f, ioc_timer *timer, uint64_t due_ns)
{
    assert_int_equal(ioc_heap_set(&f->heap, timer, due_ns), IOCP_OK);
}

static ioc_timer *pop(fixture *f, uint64_t now_ns)
{
    return ioc_heap_pop_due(&f->heap, now_ns);
}

static void a_new_heap_has_nothing_due(void **state)
{
    fixture *f = *state;
    assert_int_equal(ioc_heap_count(&f->heap), 0);
    assert_true(ioc_heap_next_due(&f->heap) == IOC_FOREVER);
    assert_null(pop(f, UINT64_MAX));
    assert_true(ioc_heap_is_valid(&f->heap));
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
    assert_int_equal(ioc_heap_count(&f->heap), 5);
    for (size_t i = 0; i < 5; i++) {
        assert_true(ioc_heap_next_due(&f->heap) == dues[order[i]]);
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
    uint64_t calls = unit_memory_calls(&f->memory);
    for (uint64_t due_ns = 11; due_ns <= 30; due_ns++) {
        set(f, &timers[0], due_ns);
        assert_int_equal(f->heap.count, 2); /* in place */
    }
    assert_int_equal(unit_memory_calls(&f->memory), calls);
    assert_ptr_equal(pop(f, 29), &timers[1]);
    assert_null(pop(f, 29));
    assert_true(ioc_heap_next_due(&f->heap) == 30);
    assert_ptr_equal(pop(f, 30), &timers[0]);
}

static void a_timer_moved_earlier_comes_out_once(void **state)
{
    fixture *f = *state;
    ioc_timer timers[2] = {{0}};
    set(f, &timers[0], 30);
    set(f, &timers[1], 20);
    set(f, &timers[0], 10);
    assert_int_equal(ioc_heap_count(&f->heap), 2);
    assert_true(ioc_heap_next_due(&f->heap) == 10);
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
    set(f, &timers[1], 50); /* still later than its entry in the heap */
    assert_ptr_equal(pop(f, 5), &timers[0]);
    assert_null(pop(f, 49));
    assert_true(ioc_heap_next_due(&f->heap) == 50);
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
    ioc_heap_clear(&f->heap, &timers[0]);
    assert_false(ioc_timer_is_set(&timers[0]));
    assert_true(ioc_heap_next_due(&f->heap) == 2);
    ioc_heap_clear(&f->heap, &timers[2]);
    assert_int_equal(ioc_heap_count(&f->heap), 1);
    assert_ptr_equal(pop(f, 100), &timers[1]);
    assert_null(pop(f, 100));
    assert_true(ioc_heap_next_due(&f->heap) == IOC_FOREVER);
}

static void clearing_twice_or_never_set_is_harmless(void **state)
{
    fixture *f = *state;
    ioc_timer timer = {0};
    ioc_heap_clear(&f->heap, &timer);
    set(f, &timer, 5);
    ioc_heap_clear(&f->heap, &timer);
    ioc_heap_clear(&f->heap, &timer);
    assert_int_equal(ioc_heap_count(&f->heap), 0);
    assert_true(ioc_heap_is_valid(&f->heap));
}

static void a_timer_can_be_set_again_after_it_came_out_or_was_cleared(void **state)
{
    fixture *f = *state;
    ioc_timer timer = {0};
    for (uint64_t i = 1; i <= 100; i++) {
        set(f, &timer, i);
        assert_ptr_equal(pop(f, i), &timer);
        set(f, &timer, i + 5);
        ioc_heap_clear(&f->heap, &timer);
        assert_null(pop(f, i + 5));
    }
}

static void memory_of_a_cleared_timer_can_be_another_timer_at_once(void **state)
{
    fixture *f = *state;
    ioc_timer timers[2] = {{0}};
    set(f, &timers[0], 10);
    set(f, &timers[1], 20);
    ioc_heap_clear(&f->heap, &timers[1]); /* its entry is not on top and stays behind */
    memset(&timers[1], 0, sizeof timers[1]);
    set(f, &timers[1], 30);
    assert_ptr_equal(pop(f, 29), &timers[0]);
    assert_null(pop(f, 29));
    assert_ptr_equal(pop(f, 30), &timers[1]);
    assert_null(pop(f, UINT64_MAX));
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
    ioc_timer *timers;
    model_timer *expected;
    uint32_t count;
    uint32_t set;
    uint64_t last_order;
    uint64_t now_ns;
} model;

static void model__init(model *m, uint32_t count)
{
    memset(m, 0, sizeof *m);
    m->timers = calloc(count, sizeof *m->timers);
    m->expected = calloc(count, sizeof *m->expected);
    m->count = count;
    m->now_ns = 1;
    assert_non_null(m->timers);
    assert_non_null(m->expected);
}

static void model__deinit(model *m)
{
    free(m->timers);
    free(m->expected);
}

static void model__set(model *m, fixture *f, uint32_t i, uint64_t due_ns)
{
    model_timer *timer = &m->expected[i];
    set(f, &m->timers[i], due_ns);
    m->set += !timer->is_set;
    *timer = (model_timer){.due_ns = due_ns, .order = ++m->last_order, .is_set = true};
}

static void model__clear(model *m, fixture *f, uint32_t i)
{
    ioc_heap_clear(&f->heap, &m->timers[i]);
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

static void model__pop(model *m, fixture *f)
{
    uint32_t first = model__first(m);
    uint64_t due_ns = first < m->count ? m->expected[first].due_ns : IOC_FOREVER;
    assert_true(ioc_heap_next_due(&f->heap) == due_ns);
    ioc_timer *popped = pop(f, m->now_ns);
    if (due_ns > m->now_ns) {
        assert_null(popped);
        return;
    }
    assert_ptr_equal(popped, &m->timers[first]);
    m->expected[first].is_set = false;
    m->set--;
}

static void model__step(model *m, fixture *f, uint64_t *random)
{
    uint32_t i = unit_random_below(random, m->count);
    const model_timer *timer = &m->expected[i];
    uint64_t delay_ns = unit_random_below(random, 64); /* few values: many equal times */
    switch (unit_random_below(random, 8)) {
    case 0:
    case 1:
        model__set(m, f, i, m->now_ns + delay_ns);
        break;
    case 2: /* later */
        model__set(m, f, i, (timer->is_set ? timer->due_ns : m->now_ns) + delay_ns);
        break;
    case 3: /* earlier */
        model__set(m, f, i, timer->is_set ? timer->due_ns - timer->due_ns / 16 : delay_ns);
        break;
    case 4:
        model__clear(m, f, i);
        break;
    case 5:
        m->now_ns += unit_random_below(random, 8);
        break;
    default:
        model__pop(m, f);
        break;
    }
    assert_int_equal(ioc_heap_count(&f->heap), m->set);
}

static void model__run(fixture *f, uint32_t timers, uint32_t steps, uint64_t seed)
{
    model m;
    uint64_t random = seed;
    model__init(&m, timers);
    for (uint32_t step = 0; step < steps; step++) {
        model__step(&m, f, &random);
        if (step % 4096 == 0) {
            assert_true(ioc_heap_is_valid(&f->heap));
        }
    }
    m.now_ns = UINT64_MAX;
    while (m.set > 0) {
        model__pop(&m, f);
        assert_true(ioc_heap_is_valid(&f->heap));
    }
    assert_null(pop(f, UINT64_MAX));
    model__deinit(&m);
}

static void a_million_random_operations_agree_with_the_model(void **state)
{
    model__run(*state, 100, 1000000, UNIT_SEED);
}

static void random_operations_on_few_timers_agree_with_the_model(void **state)
{
    fixture *f = *state;
    for (uint32_t timers = 1; timers <= 12; timers++) {
        model__run(f, timers, 20000, UNIT_SEED + timers);
    }
}

static void random_operations_on_many_timers_agree_with_the_model(void **state)
{
    model__run(*state, 3000, 60000, UNIT_SEED - 1);
}

/* The last parent has as many children as the count leaves it, so every count is looked at. */
static void a_heap_that_is_rebuilt_is_in_order_whatever_is_left_in_it(void **state)
{
    enum {
        MOST = 300
    };
    fixture *f = *state;
    static ioc_timer timers[MOST];
    uint64_t random = UNIT_SEED;
    for (uint32_t count = 130; count <= MOST; count++) {
        memset(timers, 0, sizeof timers);
        for (uint32_t i = 0; i < count; i++) {
            set(f, &timers[i], unit_random_below(&random, 1000));
        }
        for (uint32_t i = 0; f->heap.count == count; i++) {
            ioc_heap_clear(&f->heap, &timers[i]);
        }
        assert_int_equal(f->heap.stale, 0);
        assert_true(ioc_heap_is_valid(&f->heap));
        while (pop(f, 1000) != NULL) {}
    }
}

/* The memory of what was cleared may go then: ASan watches. */
static void a_trimmed_heap_knows_only_timers_that_are_set(void **state)
{
    fixture *f = *state;
    ioc_timer kept[10] = {{0}};
    ioc_timer *burst = calloc(5000, sizeof *burst);
    assert_non_null(burst);
    for (size_t i = 0; i < 5000; i++) {
        set(f, &burst[i], 7 * i % 5000);
        if (i % 500 == 0) {
            set(f, &kept[i / 500], 10000 - i);
        }
    }
    for (size_t i = 0; i < 5000; i++) {
        ioc_heap_clear(&f->heap, &burst[i]);
    }
    size_t capacity = f->heap.capacity;
    size_t bytes = ioc_heap_trim(&f->heap);
    free(burst);
    assert_int_equal(bytes, (capacity - f->heap.capacity) * sizeof(ioc_heap_entry));
    assert_in_range(f->heap.capacity, 10, 64);
    assert_true(ioc_heap_is_valid(&f->heap));
    assert_int_equal(ioc_heap_trim(&f->heap), 0);
    for (size_t i = 10; i > 0; i--) {
        assert_ptr_equal(pop(f, UINT64_MAX), &kept[i - 1]);
    }
    assert_int_equal(ioc_heap_trim(&f->heap), 64 * sizeof(ioc_heap_entry));
    assert_null(f->heap.entries);
    set(f, &kept[0], 1);
    assert_ptr_equal(pop(f, 1), &kept[0]);
}

static void a_hundred_thousand_timers_come_out_sorted(void **state)
{
    enum {
        COUNT = 100000
    };
    fixture *f = *state;
    uint64_t random = UNIT_SEED;
    ioc_timer *timers = calloc(COUNT, sizeof *timers);
    assert_non_null(timers);
    for (uint32_t i = 0; i < COUNT; i++) {
        set(f, &timers[i], unit_random_below(&random, COUNT));
    }
    for (uint32_t i = 0; i < COUNT; i += 2) { /* half of them anew, to both sides */
        set(f, &timers[i], unit_random_below(&random, COUNT));
    }
    assert_true(ioc_heap_is_valid(&f->heap));
    uint64_t due_ns = 0;
    uint64_t order = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        ioc_timer *timer = pop(f, COUNT);
        assert_non_null(timer);
        assert_true(timer->due_ns > due_ns || (timer->due_ns == due_ns && timer->order > order));
        due_ns = timer->due_ns;
        order = timer->order;
    }
    assert_null(pop(f, UINT64_MAX));
    free(timers);
}

/* ---- Memory ---- */

static void without_memory_a_fresh_timer_is_not_set(void **state)
{
    fixture *f = *state;
    ioc_timer timer = {0};
    unit_memory_allow(&f->memory, 0);
    assert_int_equal(ioc_heap_set(&f->heap, &timer, 5), IOCP_ENOMEM);
    assert_false(ioc_timer_is_set(&timer));
    assert_int_equal(ioc_heap_count(&f->heap), 0);
    unit_memory_allow(&f->memory, UINT64_MAX);
    set(f, &timer, 5);
    assert_ptr_equal(pop(f, 5), &timer);
}

static void without_memory_everything_stays_as_it_was(void **state)
{
    fixture *f = *state;
    ioc_timer timers[2000];
    memset(timers, 0, sizeof timers);
    set(f, &timers[0], 1);
    uint32_t count = 1;
    while (f->heap.count < f->heap.capacity) {
        set(f, &timers[count], 1000 + count);
        count++;
    }
    ioc_timer fresh = {0};
    unit_memory_allow(&f->memory, 0);
    assert_int_equal(ioc_heap_set(&f->heap, &fresh, 7), IOCP_ENOMEM);
    assert_false(ioc_timer_is_set(&fresh));
    assert_int_equal(ioc_heap_set(&f->heap, &timers[9], 7), IOCP_ENOMEM); /* earlier */
    assert_true(timers[9].due_ns == 1009);
    set(f, &timers[8], 5000); /* later: takes no memory */
    assert_int_equal(ioc_heap_count(&f->heap), count);
    assert_true(ioc_heap_is_valid(&f->heap));
    for (uint32_t i = 0; i < count; i++) {
        if (i != 8) {
            assert_ptr_equal(pop(f, 4999), &timers[i]);
        }
    }
    assert_null(pop(f, 4999));
    assert_ptr_equal(pop(f, 5000), &timers[8]);
}

/* Set and clear, or reset, a thousand timers for ever: neither memory nor entries may grow. */
static void churn(fixture *f, ioc_timer *timers, uint32_t count, bool clears)
{
    uint64_t random = UNIT_SEED;
    uint64_t calls = 0;
    for (uint32_t i = 0; i < 400000; i++) {
        ioc_timer *timer = &timers[unit_random_below(&random, count)];
        if (clears) {
            ioc_heap_clear(&f->heap, timer);
        }
        set(f, timer, 1000000 - i % 1000 + unit_random_below(&random, 1000));
        assert_in_range(f->heap.count, 0, 2 * (uintmax_t)count + 65);
        if (i == 200000) {
            calls = unit_memory_calls(&f->memory);
        }
    }
    assert_int_equal(unit_memory_calls(&f->memory), calls);
    assert_in_range(f->heap.capacity, 0, 4 * (uintmax_t)count + 128);
    assert_true(ioc_heap_is_valid(&f->heap));
}

static void memory_is_bounded_when_timers_are_set_and_cleared(void **state)
{
    fixture *f = *state;
    ioc_timer *timers = calloc(1000, sizeof *timers);
    assert_non_null(timers);
    churn(f, timers, 1000, true);
    free(timers);
    f->heap.count = 0; /* their memory is gone */
}

static void memory_is_bounded_when_timers_are_reset(void **state)
{
    fixture *f = *state;
    ioc_timer *timers = calloc(1000, sizeof *timers);
    assert_non_null(timers);
    churn(f, timers, 1000, false);
    free(timers);
    f->heap.count = 0;
}

static void memory_is_bounded_when_one_timer_moves_earlier_for_ever(void **state)
{
    fixture *f = *state;
    ioc_timer timers[2] = {{0}};
    set(f, &timers[0], 1); /* stays on top, so that what lies below is not mended on the way */
    for (uint64_t i = 0; i < 1000000; i++) {
        set(f, &timers[1], 2000000 - i);
        assert_in_range(f->heap.count, 2, 200);
    }
    assert_int_equal(ioc_heap_count(&f->heap), 2);
    assert_ptr_equal(pop(f, UINT64_MAX), &timers[0]);
    assert_ptr_equal(pop(f, UINT64_MAX), &timers[1]);
    assert_null(pop(f, UINT64_MAX));
}

/* ---- The validity check itself ---- */

static void a_broken_heap_is_not_valid(void **state)
{
    fixture *f = *state;
    ioc_timer timers[6] = {{0}};
    for (size_t i = 0; i < 6; i++) {
        set(f, &timers[i], 10 * (i + 1));
    }
    assert_true(ioc_heap_is_valid(&f->heap));
    f->heap.entries[5].due_ns = 1; /* before its parent */
    assert_false(ioc_heap_is_valid(&f->heap));
    f->heap.entries[5].due_ns = 60;
    assert_true(ioc_heap_is_valid(&f->heap));
    f->heap.stale = 1;
    assert_false(ioc_heap_is_valid(&f->heap));
    f->heap.stale = 0;
    timers[3].due_ns = 5; /* due before its entry says */
    assert_false(ioc_heap_is_valid(&f->heap));
    timers[3].due_ns = 40;
    assert_true(ioc_heap_is_valid(&f->heap));
}

#define HEAP_TEST(name) cmocka_unit_test_setup_teardown(name, fixture__set_up, fixture__tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HEAP_TEST(a_new_heap_has_nothing_due),
        HEAP_TEST(timers_come_out_in_the_order_of_time),
        HEAP_TEST(equal_times_come_out_in_the_order_of_setting),
        HEAP_TEST(a_timer_set_anew_to_the_same_time_goes_behind_the_others),
        HEAP_TEST(nothing_comes_out_before_its_time),
        HEAP_TEST(a_timer_moved_later_is_not_early),
        HEAP_TEST(a_timer_moved_earlier_comes_out_once),
        HEAP_TEST(a_timer_moved_later_then_part_of_the_way_back_is_exact),
        HEAP_TEST(a_cleared_timer_does_not_come_out),
        HEAP_TEST(clearing_twice_or_never_set_is_harmless),
        HEAP_TEST(a_timer_can_be_set_again_after_it_came_out_or_was_cleared),
        HEAP_TEST(memory_of_a_cleared_timer_can_be_another_timer_at_once),
        HEAP_TEST(the_ends_of_time_work),
        HEAP_TEST(a_million_random_operations_agree_with_the_model),
        HEAP_TEST(random_operations_on_few_timers_agree_with_the_model),
        HEAP_TEST(random_operations_on_many_timers_agree_with_the_model),
        HEAP_TEST(a_heap_that_is_rebuilt_is_in_order_whatever_is_left_in_it),
        HEAP_TEST(a_trimmed_heap_knows_only_timers_that_are_set),
        HEAP_TEST(a_hundred_thousand_timers_come_out_sorted),
        HEAP_TEST(without_memory_a_fresh_timer_is_not_set),
        HEAP_TEST(without_memory_everything_stays_as_it_was),
        HEAP_TEST(memory_is_bounded_when_timers_are_set_and_cleared),
        HEAP_TEST(memory_is_bounded_when_timers_are_reset),
        HEAP_TEST(memory_is_bounded_when_one_timer_moves_earlier_for_ever),
        HEAP_TEST(a_broken_heap_is_not_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
