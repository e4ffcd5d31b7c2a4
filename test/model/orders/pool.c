/*
 * Three threads take nodes, write into them and give them back, from a pool that begins without any
 * page: src/queue/pool.c. That a node has one owner at a time shows as no race on what is in it.
 */
#include "queue/pool.h"

#define NODES 15 /* in as many pages as three threads can have made: 1 + 2 + 4 + 8 */
#define USES  6

typedef struct node {
    ioc_pool_node pool_node;
    uint32_t content;
} node;

static ioc_alloc memory;
static ioc_pool pool;

static void before(void)
{
    ioc_alloc_init(&memory, machine_allocate, machine_free, NULL);
    ioc_pool_init(&pool, &memory, sizeof(node));
}

static node *take(void)
{
    ioc_pool_node *taken = ioc_pool_take(&pool);
    IOC_ASSERT(taken != NULL);
    node *got = IOC_CONTAINER_OF(taken, node, pool_node);
    got->content++;
    return got;
}

static void give(node *one)
{
    ioc_pool_give(&pool, &one->pool_node, &one->pool_node);
}

static void one_after_the_other(void)
{
    for (int i = 0; i < 2; i++) {
        give(take());
    }
}

static void two_at_once(void)
{
    node *first = take();
    node *second = take();
    ioc_pool_link(&second->pool_node, &first->pool_node);
    ioc_pool_give(&pool, &second->pool_node, &first->pool_node);
}

static void after(void)
{
    uint32_t uses = 0;
    for (int i = 0; i < NODES; i++) {
        uses += take()->content - 1;
    }
    IOC_ASSERT(uses == USES);
    ioc_pool_deinit(&pool);
}

const scenario pool_scenario = {
    "pool", before, {one_after_the_other, one_after_the_other, two_at_once}, after};
