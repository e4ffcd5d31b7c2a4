/*
 * Lock-free queue of many producers and one consumer, intrusive.
 *
 * Producers push on a stack with one compare-exchange; the consumer takes the whole stack with one
 * exchange and turns it round. There is no moment at which an item is in the queue and cannot be
 * taken, and no ABA: nobody ever pops a single item off the shared end. Items of one producer come
 * out in their order.
 */
#ifndef IOC_MPSC_H
#define IOC_MPSC_H

#include "../atomic.h"
#include "../base.h"

typedef struct ioc_mpsc_node {
    struct ioc_mpsc_node *next;
} ioc_mpsc_node;

typedef struct ioc_mpsc {
    ioc_atomic_ptr pushed; /* shared: newest first */
    ioc_mpsc_node *taken;  /* consumer only: oldest first */
    size_t taken_count;
} ioc_mpsc;

void ioc_mpsc_init(ioc_mpsc *queue);

/* Any thread. The node belongs to the queue until it is popped. */
void ioc_mpsc_push(ioc_mpsc *queue, ioc_mpsc_node *node);

/*
 * Consumer. How many nodes can be popped; takes over what was pushed once all that was taken
 * before has been popped.
 */
size_t ioc_mpsc_take(ioc_mpsc *queue);

/* Consumer. The oldest node taken, or NULL: take again. */
ioc_mpsc_node *ioc_mpsc_pop(ioc_mpsc *queue);

/*
 * Consumer. Sequentially consistent against push: true is sure to miss no push that came before.
 */
bool ioc_mpsc_is_empty(const ioc_mpsc *queue);

#endif
