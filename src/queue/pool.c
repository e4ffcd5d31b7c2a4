#include "pool.h"

#include <string.h>

void ioc_pool_init(ioc_pool *pool, ioc_alloc *alloc, size_t node_bytes)
{
    IOC_ASSERT(node_bytes >= sizeof(ioc_pool_node));
    memset(pool, 0, sizeof *pool);
    pool->alloc = alloc;
    pool->node_bytes = ioc_round_up(node_bytes, sizeof(void *));
}

void ioc_pool_deinit(ioc_pool *pool)
{
    for (uint32_t page = 0; page < IOC_POOL_PAGES; page++) {
        ioc_alloc_give(pool->alloc, ioc_load_ptr(&pool->pages[page]));
    }
    memset(pool, 0, sizeof *pool);
}

static size_t pool__page_nodes(uint32_t page)
{
    return (size_t)IOC_POOL_FIRST_PAGE << page;
}

/* The number of the first node of a page: the pages before it hold 64 * (2^page - 1). */
static uint32_t pool__first_number(uint32_t page)
{
    return (uint32_t)IOC_POOL_FIRST_PAGE * ((1u << page) - 1) + 1;
}

static uint32_t pool__page(uint32_t number)
{
    return ioc_highest_bit((number - 1) / IOC_POOL_FIRST_PAGE + 1);
}

static ioc_pool_node *pool__node(const ioc_pool *pool, uint32_t number)
{
    uint32_t page = pool__page(number);
    char *nodes = ioc_load_relaxed_ptr(&pool->pages[page]);
    return (ioc_pool_node *)(void *)(nodes +
                                     pool->node_bytes * (number - pool__first_number(page)));
}

void ioc_pool_link(ioc_pool_node *node, const ioc_pool_node *next)
{
    ioc_store_u32(&node->next, next->number);
}

void ioc_pool_give(ioc_pool *pool, ioc_pool_node *first, ioc_pool_node *last)
{
    uint64_t head = ioc_load_relaxed_u64(&pool->free);
    uint64_t next;
    do {
        ioc_store_u32(&last->next, (uint32_t)head);
        next = ((head >> 32) + 1) << 32 | first->number;
    } while (!ioc_compare_exchange_u64(&pool->free, &head, next));
}

/*
 * Add the next page. Several threads may try at once: the one that enters its page in the table
 * wins, the others give theirs back. False: no memory, or all pages are there.
 */
static bool pool__grow(ioc_pool *pool)
{
    uint32_t page = 0;
    while (page < IOC_POOL_PAGES && ioc_load_ptr(&pool->pages[page]) != NULL) {
        page++;
    }
    if (page == IOC_POOL_PAGES) {
        return false;
    }
    size_t count = pool__page_nodes(page);
    char *nodes = ioc_alloc_take(pool->alloc, count * pool->node_bytes);
    if (nodes == NULL) {
        return false;
    }
    uint32_t first = pool__first_number(page);
    for (size_t i = 0; i < count; i++) {
        ioc_pool_node *node = (ioc_pool_node *)(void *)(nodes + i * pool->node_bytes);
        node->number = first + (uint32_t)i;
        ioc_store_u32(&node->next, node->number + 1);
    }
    void *none = NULL;
    if (!ioc_compare_exchange_ptr(&pool->pages[page], &none, nodes)) {
        ioc_alloc_give(pool->alloc, nodes);
        return true; /* somebody else's page is there, or will be in a moment */
    }
    ioc_pool_give(pool, pool__node(pool, first), pool__node(pool, first + (uint32_t)count - 1));
    return true;
}

ioc_pool_node *ioc_pool_take(ioc_pool *pool)
{
    uint64_t head = ioc_load_u64(&pool->free);
    for (;;) {
        while ((uint32_t)head == 0) {
            if (!pool__grow(pool)) {
                return NULL;
            }
            head = ioc_load_u64(&pool->free);
        }
        ioc_pool_node *node = pool__node(pool, (uint32_t)head);
        uint64_t next = (head >> 32) << 32 | ioc_load_relaxed_u32(&node->next);
        if (ioc_compare_exchange_u64(&pool->free, &head, next)) {
            return node;
        }
    }
}

/* ---- Giving pages back ---- */

static ioc_pool_node *pool__node_or_null(const ioc_pool *pool, uint32_t number)
{
    return number != 0 ? pool__node(pool, number) : NULL;
}

ioc_pool_node *ioc_pool_take_all(ioc_pool *pool)
{
    uint64_t head = ioc_load_u64(&pool->free);
    while (!ioc_compare_exchange_u64(&pool->free, &head, ((head >> 32) + 1) << 32)) {}
    return pool__node_or_null(pool, (uint32_t)head);
}

static ioc_pool_node *pool__next(const ioc_pool *pool, const ioc_pool_node *node)
{
    return pool__node_or_null(pool, ioc_load_u32(&node->next));
}

/* How many nodes of a page are in the chain. */
typedef struct pool__counts {
    size_t free[IOC_POOL_PAGES];
} pool__counts;

static bool pool__is_all_free(const pool__counts *counts, uint32_t page)
{
    return counts->free[page] == pool__page_nodes(page);
}

static void pool__give_some(ioc_pool *pool, ioc_pool_node *chain, const pool__counts *counts)
{
    ioc_pool_node *next = NULL;
    for (ioc_pool_node *node = chain; node != NULL; node = next) {
        next = pool__next(pool, node);
        if (!pool__is_all_free(counts, pool__page(node->number))) {
            ioc_pool_give(pool, node, node);
        }
    }
}

void ioc_pool_give_all(ioc_pool *pool, ioc_pool_node *chain)
{
    static const pool__counts none;
    pool__give_some(pool, chain, &none);
}

size_t ioc_pool_free_pages(ioc_pool *pool, ioc_pool_node *chain)
{
    pool__counts counts = {{0}};
    size_t bytes = 0;
    for (const ioc_pool_node *node = chain; node != NULL; node = pool__next(pool, node)) {
        counts.free[pool__page(node->number)]++;
    }
    pool__give_some(pool, chain, &counts);
    for (uint32_t page = 0; page < IOC_POOL_PAGES; page++) {
        if (pool__is_all_free(&counts, page)) {
            ioc_alloc_give(pool->alloc, ioc_exchange_ptr(&pool->pages[page], NULL));
            bytes += pool__page_nodes(page) * pool->node_bytes;
        }
    }
    return bytes;
}
