#include "unit.h"

#include "queue/mpsc.h"
#include "threads.h"

#include <stdlib.h>

#define PRODUCERS     4
#define ITEMS_OF_EACH 100000

typedef struct item {
    ioc_mpsc_node node; /* first */
    uint32_t producer;
    uint32_t number;
} item;

static void items__init(item *items, uint32_t count, uint32_t producer)
{
    for (uint32_t i = 0; i < count; i++) {
        items[i].producer = producer;
        items[i].number = i;
    }
}

static void a_new_queue_is_empty(void **state)
{
    (void)state;
    ioc_mpsc queue;
    ioc_mpsc_init(&queue);
    assert_true(ioc_mpsc_is_empty(&queue));
    assert_int_equal(ioc_mpsc_take(&queue), 0);
    assert_null(ioc_mpsc_pop(&queue));
}

static void nodes_come_out_in_the_order_of_pushing(void **state)
{
    (void)state;
    item items[10];
    ioc_mpsc queue;
    items__init(items, 10, 0);
    ioc_mpsc_init(&queue);
    for (int i = 0; i < 10; i++) {
        ioc_mpsc_push(&queue, &items[i].node);
    }
    assert_int_equal(ioc_mpsc_take(&queue), 10);
    for (int i = 0; i < 10; i++) {
        assert_ptr_equal(ioc_mpsc_pop(&queue), &items[i].node);
    }
    assert_null(ioc_mpsc_pop(&queue));
    assert_true(ioc_mpsc_is_empty(&queue));
}

static void what_is_pushed_after_a_take_waits_for_the_next(void **state)
{
    (void)state;
    item items[4];
    ioc_mpsc queue;
    items__init(items, 4, 0);
    ioc_mpsc_init(&queue);
    ioc_mpsc_push(&queue, &items[0].node);
    ioc_mpsc_push(&queue, &items[1].node);
    assert_int_equal(ioc_mpsc_take(&queue), 2);
    ioc_mpsc_push(&queue, &items[2].node);
    assert_ptr_equal(ioc_mpsc_pop(&queue), &items[0].node);
    ioc_mpsc_push(&queue, &items[3].node);
    assert_int_equal(ioc_mpsc_take(&queue), 1);
    assert_ptr_equal(ioc_mpsc_pop(&queue), &items[1].node);
    assert_null(ioc_mpsc_pop(&queue));
    assert_false(ioc_mpsc_is_empty(&queue));
    assert_int_equal(ioc_mpsc_take(&queue), 2);
    assert_ptr_equal(ioc_mpsc_pop(&queue), &items[2].node);
    assert_ptr_equal(ioc_mpsc_pop(&queue), &items[3].node);
    assert_true(ioc_mpsc_is_empty(&queue));
}

static void a_popped_node_can_be_pushed_again(void **state)
{
    (void)state;
    item items[2];
    ioc_mpsc queue;
    items__init(items, 2, 0);
    ioc_mpsc_init(&queue);
    for (int round = 0; round < 100; round++) {
        ioc_mpsc_push(&queue, &items[round % 2].node);
        assert_int_equal(ioc_mpsc_take(&queue), 1);
        assert_ptr_equal(ioc_mpsc_pop(&queue), &items[round % 2].node);
    }
}

typedef struct producer {
    test_thread thread;
    ioc_mpsc *queue;
    item *items;
    ioc_atomic_u32 is_done;
} producer;

static void producer__main(void *arg)
{
    producer *self = arg;
    for (uint32_t i = 0; i < ITEMS_OF_EACH; i++) {
        ioc_mpsc_push(self->queue, &self->items[i].node);
        if (i % 1000 == 0) {
            test_yield();
        }
    }
    ioc_store_u32(&self->is_done, 1);
}

static bool producers__are_done(const producer *producers)
{
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        if (ioc_load_u32(&producers[i].is_done) == 0) {
            return false;
        }
    }
    return true;
}

typedef struct tally {
    uint32_t next[PRODUCERS]; /* number that each producer must bring next */
    uint32_t total;
    uint32_t out_of_order;
} tally;

/* Take all that there is; the order of each producer is checked here, the sum by the caller. */
static void tally__consume(tally *sums, ioc_mpsc *queue)
{
    size_t count = ioc_mpsc_take(queue);
    for (size_t i = 0; i < count; i++) {
        item *got = IOC_CONTAINER_OF(ioc_mpsc_pop(queue), item, node);
        sums->out_of_order += got->number != sums->next[got->producer];
        sums->next[got->producer] = got->number + 1;
        sums->total++;
    }
}

static void four_threads_lose_nothing_and_keep_their_orders(void **state)
{
    (void)state;
    ioc_mpsc queue;
    producer producers[PRODUCERS];
    tally sums = {.total = 0};
    ioc_mpsc_init(&queue);
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        producers[i] = (producer){.queue = &queue, .items = calloc(ITEMS_OF_EACH, sizeof(item))};
        assert_non_null(producers[i].items);
        items__init(producers[i].items, ITEMS_OF_EACH, i);
    }
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        assert_true(test_thread_start(&producers[i].thread, producer__main, &producers[i]));
    }
    while (!producers__are_done(producers)) {
        tally__consume(&sums, &queue);
        test_yield();
    }
    tally__consume(&sums, &queue);
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        test_thread_join(&producers[i].thread);
        assert_int_equal(sums.next[i], ITEMS_OF_EACH);
        free(producers[i].items);
    }
    assert_int_equal(sums.total, PRODUCERS * ITEMS_OF_EACH);
    assert_int_equal(sums.out_of_order, 0);
    assert_true(ioc_mpsc_is_empty(&queue));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_queue_is_empty),
        cmocka_unit_test(nodes_come_out_in_the_order_of_pushing),
        cmocka_unit_test(what_is_pushed_after_a_take_waits_for_the_next),
        cmocka_unit_test(a_popped_node_can_be_pushed_again),
        cmocka_unit_test(four_threads_lose_nothing_and_keep_their_orders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
