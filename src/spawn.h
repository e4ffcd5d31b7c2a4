/*
 * SPAWN, which opens a process. What the program asked for is copied by the backend when it is called,
 * since the texts are the system's to convert; the pool carries it out. The operation's parameters
 * are an ioc_work, and its block is an ioc_opening.
 */
#ifndef IOC_SPAWN_H
#define IOC_SPAWN_H

#include "opening.h"
#include "watch.h"

#define IOC_SPAWN_STREAMS 3

/* Slots of ioc_kind. */
void ioc_spawn_tell(const ioc_op *op, iocp_result_t *result);
void ioc_spawn_ended(ioc_ops *ops, ioc_op *op);

#endif
