/* Two threads push two items each, a third takes them all out: src/queue/mpsc.c. */
#include "queue/mpsc.h"

#define PRODUCERS     2
#define ITEMS_OF_EACH 2

typedef struct item {
    ioc_mpsc_node node;
    uint32_t producer;
    uint32_t number;
} item;

static ioc_mpsc queue;
static item items[PRODUCERS][ITEMS_OF_EACH];

static void before(void)
{
    ioc_mpsc_init(&queue);
}

static void produce(uint32_t producer)
{
    for (uint32_t i = 0; i < ITEMS_OF_EACH; i++) {
        items[producer][i].producer = producer;
        items[producer][i].number = i;
        ioc_mpsc_push(&queue, &items[producer][i].node);
    }
}

static void first_producer(void)
{
    produce(0);
}

static void second_producer(void)
{
    produce(1);
}

static void consumer(void)
{
    uint32_t next[PRODUCERS] = {0, 0};
    for (uint32_t left = PRODUCERS * ITEMS_OF_EACH; left > 0;) {
        size_t count = ioc_mpsc_take(&queue);
        for (size_t i = 0; i < count; i++) {
            item *got = IOC_CONTAINER_OF(ioc_mpsc_pop(&queue), item, node);
            IOC_ASSERT(got->number == next[got->producer]);
            next[got->producer]++;
            left--;
        }
        if (count == 0) {
            machine_yield();
        }
    }
}

static void after(void)
{
    IOC_ASSERT(ioc_mpsc_is_empty(&queue));
}

const scenario queue_scenario = {
    "queue", before, {first_producer, second_producer, consumer}, after};
