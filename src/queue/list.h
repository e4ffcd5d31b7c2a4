/*
 * Intrusive FIFO with removal from the middle: a circular doubly linked list.
 *
 * A link is in at most one list. A link that is in none points to itself, so that removing it
 * again is harmless. The caller owns all memory. One thread.
 */
#ifndef IOC_LIST_H
#define IOC_LIST_H

#include "../base.h"

typedef struct ioc_link {
    struct ioc_link *next;
    struct ioc_link *previous;
} ioc_link;

typedef struct ioc_list {
    ioc_link ends; /* next: first, previous: last */
} ioc_list;

static inline void ioc_link_init(ioc_link *link)
{
    link->next = link;
    link->previous = link;
}

static inline bool ioc_link_is_in_list(const ioc_link *link)
{
    return link->next != link;
}

static inline void ioc_link_remove(ioc_link *link)
{
    link->previous->next = link->next;
    link->next->previous = link->previous;
    ioc_link_init(link);
}

static inline void ioc_list_init(ioc_list *list)
{
    ioc_link_init(&list->ends);
}

static inline bool ioc_list_is_empty(const ioc_list *list)
{
    return !ioc_link_is_in_list(&list->ends);
}

/* `before` is in a list, or the ends of one. */
static inline void ioc_list_insert_behind(ioc_link *before, ioc_link *link)
{
    IOC_ASSERT(!ioc_link_is_in_list(link));
    link->previous = before;
    link->next = before->next;
    before->next->previous = link;
    before->next = link;
}

/* What is known of the ends is not loaded: each load here would wait for the store before it. */
static inline void ioc_list_push(ioc_list *list, ioc_link *link)
{
    IOC_ASSERT(!ioc_link_is_in_list(link));
    ioc_link *last = list->ends.previous;
    link->previous = last;
    link->next = &list->ends;
    last->next = link;
    list->ends.previous = link;
}

/* The first link without taking it out, or NULL. */
static inline ioc_link *ioc_list_first(const ioc_list *list)
{
    return ioc_list_is_empty(list) ? NULL : list->ends.next;
}

/* The last link without taking it out, or NULL. */
static inline ioc_link *ioc_list_last(const ioc_list *list)
{
    return ioc_list_is_empty(list) ? NULL : list->ends.previous;
}

/* The first link, taken out, or NULL. */
static inline ioc_link *ioc_list_pop(ioc_list *list)
{
    ioc_link *link = ioc_list_first(list);
    if (link != NULL) {
        list->ends.next = link->next;
        link->next->previous = &list->ends;
        ioc_link_init(link);
    }
    return link;
}

#endif
