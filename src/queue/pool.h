/*
 * Lock-free pool of nodes of one size, which any thread takes and gives back.
 *
 * Free nodes are on a stack of node numbers. Its head carries a tag that each giving back counts up,
 * so that a head read before a node was taken and given back no longer matches (ABA). Nodes live
 * in pages that double in size, are never moved and are freed with the pool, so reading the link
 * of a node that another thread has just taken is harmless.
 *
 * Or they are freed before, by whoever takes all that is free and then knows that no call is left
 * that had begun before: those that begin later do not learn of these nodes.
 */
#ifndef IOC_POOL_H
#define IOC_POOL_H

#include "../alloc.h"

#define IOC_POOL_PAGES      25
#define IOC_POOL_FIRST_PAGE 64 /* nodes */

/* The head of each node. */
typedef struct ioc_pool_node {
    uint32_t number;     /* from 1 */
    ioc_atomic_u32 next; /* number of the next free node, 0: none */
} ioc_pool_node;

typedef struct ioc_pool {
    ioc_alloc *alloc;
    size_t node_bytes;
    ioc_atomic_u64 free; /* tag << 32 | number of the first free node */
    ioc_atomic_ptr pages[IOC_POOL_PAGES];
} ioc_pool;

/* `node_bytes` is the size of a structure that begins with an ioc_pool_node. */
void ioc_pool_init(ioc_pool *pool, ioc_alloc *alloc, size_t node_bytes);

/* Free all pages. No node may be in use by another thread. */
void ioc_pool_deinit(ioc_pool *pool);

/* A node with what its last user left in it, or NULL if there is no memory. Any thread. */
ioc_pool_node *ioc_pool_take(ioc_pool *pool);

/*
 * Give back a chain of nodes, whatever its length at the price of one; a node alone is its first and
 * last. Any thread. A chain is made by whoever has the nodes, from its last to its first.
 */
void ioc_pool_give(ioc_pool *pool, ioc_pool_node *first, ioc_pool_node *last);
void ioc_pool_link(ioc_pool_node *node, const ioc_pool_node *next);

/*
 * All nodes that are free, as a chain (NULL: none): any thread. Then either give them back; or, once
 * every call to take or give a node that had begun before has returned, with what is seen of that,
 * free the pages that they fill and give back the rest: how many bytes were freed.
 */
ioc_pool_node *ioc_pool_take_all(ioc_pool *pool);
void ioc_pool_give_all(ioc_pool *pool, ioc_pool_node *chain);
size_t ioc_pool_free_pages(ioc_pool *pool, ioc_pool_node *chain);

#endif
