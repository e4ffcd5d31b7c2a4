#include "unit.h"

#include "queue/pool.h"
#include "threads.h"

#include <stdlib.h>

#define THREADS   4
#define ROUNDS    50000
#define HELD_MOST 48

typedef struct node {
    ioc_pool_node pool; /* first */
    ioc_atomic_u32 holder;
    uint32_t scratch; /* written by the holder alone, without an atomic */
} node;

static node *pool__take_node(ioc_pool *pool)
{
    return (node *)(void *)ioc_pool_take(pool);
}

static void give(ioc_pool *pool, node *one)
{
    ioc_pool_give(pool, &one->pool, &one->pool);
}

static void a_new_pool_has_no_memory(void **state)
{
    (void)state;
    unit_memory memory;
    ioc_pool pool;
    unit_memory_init(&memory);
    ioc_pool_init(&pool, &memory.alloc, sizeof(node));
    assert_int_equal(unit_memory_calls(&memory), 0);
    ioc_pool_deinit(&pool);
    assert_int_equal(unit_memory_live(&memory), 0);
}

static void nodes_taken_together_are_all_different(void **state)
{
    (void)state;
    enum {
        COUNT = 10000
    };
    unit_memory memory;
    ioc_pool pool;
    unit_memory_init(&memory);
    ioc_pool_init(&pool, &memory.alloc, sizeof(node));
    node **taken = calloc(COUNT, sizeof *taken);
    bool *seen = calloc(2 * COUNT + IOC_POOL_FIRST_PAGE, sizeof *seen);
    assert_non_null(taken);
    assert_non_null(seen);
    for (uint32_t i = 0; i < COUNT; i++) {
        taken[i] = pool__take_node(&pool);
        assert_non_null(taken[i]);
        assert_in_range(taken[i]->pool.number, 1, 2 * COUNT + IOC_POOL_FIRST_PAGE - 1);
        assert_false(seen[taken[i]->pool.number]);
        seen[taken[i]->pool.number] = true;
        taken[i]->scratch = i;
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(taken[i]->scratch, i);
        give(&pool, taken[i]);
    }
    free(seen);
    free(taken);
    ioc_pool_deinit(&pool);
    assert_int_equal(unit_memory_live(&memory), 0);
}

static void nodes_are_aligned_for_pointers(void **state)
{
    (void)state;
    unit_memory memory;
    ioc_pool pool;
    unit_memory_init(&memory);
    ioc_pool_init(&pool, &memory.alloc, sizeof(ioc_pool_node) + sizeof(void *) + 1);
    for (int i = 0; i < 100; i++) {
        ioc_pool_node *taken = ioc_pool_take(&pool);
        assert_non_null(taken);
        assert_int_equal((uintptr_t)taken % sizeof(void *), 0);
    }
    ioc_pool_deinit(&pool);
}

static void a_given_node_is_taken_again_with_what_was_in_it(void **state)
{
    (void)state;
    unit_memory memory;
    ioc_pool pool;
    unit_memory_init(&memory);
    ioc_pool_init(&pool, &memory.alloc, sizeof(node));
    node *first = pool__take_node(&pool);
    assert_non_null(first);
    first->scratch = 4711;
    give(&pool, first);
    node *second = pool__take_node(&pool);
    assert_ptr_equal(second, first);
    assert_int_equal(second->scratch, 4711);
    ioc_pool_deinit(&pool);
}

static void taking_and_giving_allocates_nothing_once_grown(void **state)
{
    (void)state;
    unit_memory memory;
    ioc_pool pool;
    unit_memory_init(&memory);
    ioc_pool_init(&pool, &memory.alloc, sizeof(node));
    node *held[IOC_POOL_FIRST_PAGE];
    for (int round = 0; round < 1000; round++) {
        for (int i = 0; i < IOC_POOL_FIRST_PAGE; i++) {
            held[i] = pool__take_node(&pool);
            assert_non_null(held[i]);
        }
        for (int i = 0; i < IOC_POOL_FIRST_PAGE; i++) {
            give(&pool, held[i]);
        }
    }
    assert_int_equal(unit_memory_calls(&memory), 1);
    ioc_pool_deinit(&pool);
    assert_int_equal(unit_memory_live(&memory), 0);
}

static void a_chain_is_given_back_whole(void **state)
{
    (void)state;
    unit_memory memory;
    ioc_pool pool;
    unit_memory_init(&memory);
    ioc_pool_init(&pool, &memory.alloc, sizeof(node));
    node *held[IOC_POOL_FIRST_PAGE];
    for (int i = 0; i < IOC_POOL_FIRST_PAGE; i++) {
        held[i] = pool__take_node(&pool);
        assert_non_null(held[i]);
    }
    for (int i = 0; i < 2; i++) {
        ioc_pool_link(&held[3 + i]->pool, &held[4 + i]->pool);
    }
    give(&pool, held[9]);
    ioc_pool_give(&pool, &held[3]->pool, &held[5]->pool);
    static const int order[] = {3, 4, 5, 9};
    for (size_t i = 0; i < IOC_COUNT_OF(order); i++) {
        assert_ptr_equal(pool__take_node(&pool), held[order[i]]);
    }
    assert_int_equal(unit_memory_calls(&memory), 1);
    ioc_pool_deinit(&pool);
    assert_int_equal(unit_memory_live(&memory), 0);
}

static void without_memory_taking_fails_and_works_again_later(void **state)
{
    (void)state;
    unit_memory memory;
    ioc_pool pool;
    unit_memory_init(&memory);
    unit_memory_allow(&memory, 0);
    ioc_pool_init(&pool, &memory.alloc, sizeof(node));
    assert_null(ioc_pool_take(&pool));
    unit_memory_allow(&memory, 1);
    node *held[IOC_POOL_FIRST_PAGE];
    for (int i = 0; i < IOC_POOL_FIRST_PAGE; i++) {
        held[i] = pool__take_node(&pool);
        assert_non_null(held[i]);
    }
    assert_null(ioc_pool_take(&pool));
    give(&pool, held[7]);
    assert_ptr_equal(ioc_pool_take(&pool), &held[7]->pool);
    unit_memory_allow(&memory, UINT64_MAX);
    assert_non_null(ioc_pool_take(&pool));
    ioc_pool_deinit(&pool);
    assert_int_equal(unit_memory_live(&memory), 0);
}

typedef struct worker {
    test_thread thread;
    ioc_pool *pool;
    uint32_t id;
    uint32_t taken_twice; /* nodes that somebody else held */
    uint32_t overwritten; /* nodes in which somebody else wrote */
    uint32_t refused;
} worker;

static void worker__take(worker *self, node **held, uint32_t *count)
{
    node *taken = pool__take_node(self->pool);
    if (taken == NULL) {
        self->refused++;
        return;
    }
    self->taken_twice += ioc_exchange_u32(&taken->holder, self->id) != 0;
    taken->scratch = self->id;
    held[(*count)++] = taken;
}

static void worker__give(worker *self, node **held, uint32_t *count)
{
    node *given = held[--*count];
    self->overwritten += given->scratch != self->id;
    self->taken_twice += ioc_exchange_u32(&given->holder, 0) != self->id;
    give(self->pool, given);
}

static void worker__main(void *arg)
{
    worker *self = arg;
    node *held[HELD_MOST];
    uint32_t count = 0;
    uint64_t random = UNIT_SEED + self->id;
    for (int i = 0; i < ROUNDS; i++) {
        if (count == 0 || (count < HELD_MOST && unit_random_below(&random, 2) == 0)) {
            worker__take(self, held, &count);
        } else {
            worker__give(self, held, &count);
        }
    }
    while (count > 0) {
        worker__give(self, held, &count);
    }
}

/* Two at a time, given back in the order of taking, so that the stack's order changes. */
static void worker__swap(void *arg)
{
    worker *self = arg;
    for (int i = 0; i < 4 * ROUNDS; i++) {
        node *held[2];
        uint32_t count = 0;
        worker__take(self, held, &count);
        worker__take(self, held, &count);
        if (count == 2) {
            node *first = held[0];
            held[0] = held[1];
            held[1] = first;
        }
        while (count > 0) {
            worker__give(self, held, &count);
        }
    }
}

static void workers__run(ioc_pool *pool, test_thread_fn function, worker *sums)
{
    worker workers[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        workers[i] = (worker){.pool = pool, .id = i + 1};
        assert_true(test_thread_start(&workers[i].thread, function, &workers[i]));
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        test_thread_join(&workers[i].thread);
        sums->taken_twice += workers[i].taken_twice;
        sums->overwritten += workers[i].overwritten;
        sums->refused += workers[i].refused;
    }
}

static void four_threads_never_hold_the_same_node(void **state)
{
    (void)state;
    unit_memory memory;
    ioc_pool pool;
    worker sums = {.refused = 0};
    unit_memory_init(&memory);
    ioc_pool_init(&pool, &memory.alloc, sizeof(node));
    workers__run(&pool, worker__main, &sums);
    assert_int_equal(sums.taken_twice, 0);
    assert_int_equal(sums.overwritten, 0);
    assert_int_equal(sums.refused, 0);
    ioc_pool_deinit(&pool);
    assert_int_equal(unit_memory_live(&memory), 0);
}

static void four_threads_survive_a_shortage_of_memory(void **state)
{
    (void)state;
    unit_memory memory;
    ioc_pool pool;
    worker sums = {.refused = 0};
    unit_memory_init(&memory);
    unit_memory_allow(&memory, 1); /* 64 nodes for four threads that want 48 each */
    ioc_pool_init(&pool, &memory.alloc, sizeof(node));
    workers__run(&pool, worker__main, &sums);
    assert_int_equal(sums.taken_twice, 0);
    assert_int_equal(sums.overwritten, 0);
    node *held[IOC_POOL_FIRST_PAGE];
    for (int i = 0; i < IOC_POOL_FIRST_PAGE; i++) {
        held[i] = pool__take_node(&pool);
        assert_non_null(held[i]); /* no node was lost */
    }
    assert_null(ioc_pool_take(&pool));
    ioc_pool_deinit(&pool);
    assert_int_equal(unit_memory_live(&memory), 0);
}

/*
 * The case that the tag is for: a head is read, then that node is taken, others too, and it is
 * given back before the reader goes on. With three free nodes that happens all the time.
 */
static void four_threads_that_fight_for_three_nodes_never_share_one(void **state)
{
    (void)state;
    unit_memory memory;
    ioc_pool pool;
    worker sums = {.refused = 0};
    unit_memory_init(&memory);
    unit_memory_allow(&memory, 1);
    ioc_pool_init(&pool, &memory.alloc, sizeof(node));
    node *held[IOC_POOL_FIRST_PAGE];
    for (int i = 0; i < IOC_POOL_FIRST_PAGE - 3; i++) {
        held[i] = pool__take_node(&pool);
        assert_non_null(held[i]);
    }
    workers__run(&pool, worker__swap, &sums);
    assert_int_equal(sums.taken_twice, 0);
    assert_int_equal(sums.overwritten, 0);
    for (int i = IOC_POOL_FIRST_PAGE - 3; i < IOC_POOL_FIRST_PAGE; i++) {
        held[i] = pool__take_node(&pool);
        assert_non_null(held[i]); /* no node was lost */
    }
    assert_null(ioc_pool_take(&pool));
    ioc_pool_deinit(&pool);
    assert_int_equal(unit_memory_live(&memory), 0);
}

typedef struct grower {
    test_thread thread;
    ioc_pool *pool;
    ioc_atomic_u32 *ready;
    uint32_t failed;
} grower;

/* All threads begin at once, so that they find the pool empty together. */
static void grower__main(void *arg)
{
    grower *self = arg;
    uint32_t seen = ioc_load_u32(self->ready);
    while (!ioc_compare_exchange_u32(self->ready, seen, seen + 1)) {
        seen = ioc_load_u32(self->ready);
    }
    while (ioc_load_u32(self->ready) < THREADS) {
        test_yield();
    }
    for (int i = 0; i < 200; i++) {
        node *taken = pool__take_node(self->pool);
        self->failed += taken == NULL || ioc_exchange_u32(&taken->holder, 1) != 0;
    }
}

static void threads_that_grow_the_pool_at_once_all_get_nodes(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        unit_memory memory;
        ioc_pool pool;
        grower growers[THREADS];
        ioc_atomic_u32 ready = {0};
        unit_memory_init(&memory);
        ioc_pool_init(&pool, &memory.alloc, sizeof(node));
        for (int i = 0; i < THREADS; i++) {
            growers[i] = (grower){.pool = &pool, .ready = &ready};
            assert_true(test_thread_start(&growers[i].thread, grower__main, &growers[i]));
        }
        uint32_t failed = 0;
        for (int i = 0; i < THREADS; i++) {
            test_thread_join(&growers[i].thread);
            failed += growers[i].failed;
        }
        assert_int_equal(failed, 0);
        ioc_pool_deinit(&pool);
        assert_int_equal(unit_memory_live(&memory), 0);
    }
}

/* ---- Giving pages back ---- */

static void pages_that_are_all_free_go_and_the_others_stay(void **state)
{
    (void)state;
    enum {
        COUNT = 64 + 128 + 256 + 512
    };
    static node *taken[COUNT];
    unit_memory memory;
    ioc_pool pool;
    unit_memory_init(&memory);
    ioc_pool_init(&pool, &memory.alloc, sizeof(node));
    for (int i = 0; i < COUNT; i++) {
        taken[i] = pool__take_node(&pool);
    }
    uint32_t kept = 64 + 128 + 1; /* the first of the third page */
    for (int i = 0; i < COUNT; i++) {
        if (taken[i]->pool.number != kept) {
            give(&pool, taken[i]);
        }
    }
    size_t bytes = ioc_pool_free_pages(&pool, ioc_pool_take_all(&pool));
    assert_int_equal(bytes, (64 + 128 + 512) * pool.node_bytes);
    assert_int_equal(unit_memory_live(&memory), 1);
    /* What is left of the third page comes first, and then the first one anew. */
    uint64_t calls = unit_memory_calls(&memory);
    bool seen[COUNT + 1] = {false};
    for (int i = 0; i < 255 + 64; i++) {
        node *again = pool__take_node(&pool);
        assert_in_range(again->pool.number, i < 255 ? kept + 1 : 1, i < 255 ? kept + 255 : 64);
        assert_false(seen[again->pool.number]);
        seen[again->pool.number] = true;
    }
    assert_int_equal(unit_memory_calls(&memory), calls + 1);
    ioc_pool_deinit(&pool);
    assert_int_equal(unit_memory_live(&memory), 0);
}

static void what_was_taken_together_can_be_given_back(void **state)
{
    (void)state;
    unit_memory memory;
    ioc_pool pool;
    unit_memory_init(&memory);
    ioc_pool_init(&pool, &memory.alloc, sizeof(node));
    assert_null(ioc_pool_take_all(&pool));
    assert_int_equal(ioc_pool_free_pages(&pool, NULL), 0);
    node *first = pool__take_node(&pool);
    ioc_pool_node *chain = ioc_pool_take_all(&pool);
    assert_null(ioc_pool_take_all(&pool));
    ioc_pool_give_all(&pool, chain);
    give(&pool, first);
    uint64_t calls = unit_memory_calls(&memory);
    for (int i = 0; i < IOC_POOL_FIRST_PAGE; i++) {
        assert_non_null(pool__take_node(&pool));
    }
    assert_int_equal(unit_memory_calls(&memory), calls);
    ioc_pool_deinit(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_pool_has_no_memory),
        cmocka_unit_test(nodes_taken_together_are_all_different),
        cmocka_unit_test(nodes_are_aligned_for_pointers),
        cmocka_unit_test(a_given_node_is_taken_again_with_what_was_in_it),
        cmocka_unit_test(taking_and_giving_allocates_nothing_once_grown),
        cmocka_unit_test(a_chain_is_given_back_whole),
        cmocka_unit_test(without_memory_taking_fails_and_works_again_later),
        cmocka_unit_test(four_threads_never_hold_the_same_node),
        cmocka_unit_test(four_threads_survive_a_shortage_of_memory),
        cmocka_unit_test(four_threads_that_fight_for_three_nodes_never_share_one),
        cmocka_unit_test(threads_that_grow_the_pool_at_once_all_get_nodes),
        cmocka_unit_test(pages_that_are_all_free_go_and_the_others_stay),
        cmocka_unit_test(what_was_taken_together_can_be_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
