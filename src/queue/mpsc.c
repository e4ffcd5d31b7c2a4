#include "mpsc.h"

#include <string.h>

void ioc_mpsc_init(ioc_mpsc *queue)
{
    memset(queue, 0, sizeof *queue);
}

void ioc_mpsc_push(ioc_mpsc *queue, ioc_mpsc_node *node)
{
    void *newest = ioc_load_relaxed_ptr(&queue->pushed);
    do {
        node->next = newest;
    } while (!ioc_compare_exchange_ptr(&queue->pushed, &newest, node));
}

size_t ioc_mpsc_take(ioc_mpsc *queue)
{
    if (queue->taken != NULL || ioc_load_relaxed_ptr(&queue->pushed) == NULL) {
        return queue->taken_count;
    }
    ioc_mpsc_node *newest = ioc_exchange_ptr(&queue->pushed, NULL);
    while (newest != NULL) {
        ioc_mpsc_node *older = newest->next;
        newest->next = queue->taken;
        queue->taken = newest;
        queue->taken_count++;
        newest = older;
    }
    return queue->taken_count;
}

ioc_mpsc_node *ioc_mpsc_pop(ioc_mpsc *queue)
{
    ioc_mpsc_node *node = queue->taken;
    if (node != NULL) {
        queue->taken = node->next;
        queue->taken_count--;
        node->next = NULL;
    }
    return node;
}

bool ioc_mpsc_is_empty(const ioc_mpsc *queue)
{
    return queue->taken == NULL && ioc_load_seq_cst_ptr(&queue->pushed) == NULL;
}
