/*
 * Named pipes: what a name is, and PIPE_CONNECT, which opens a connection on no handle.
 *
 * Accepts of a pipe are those of sockets (accept.h). Each waits on an instance of its own, which
 * becomes the connection.
 */
#ifndef IOC_PIPE_H
#define IOC_PIPE_H

#include "opening.h"
#include "watch.h"

/* The longest name that there is, in bytes of UTF-8, with the zero: 256 units of UTF-16 have no more. */
#define IOC_PIPE_NAME_BYTES 769

/* Whether it is \\.\pipe\name or \\?\pipe\name, or, if that is asked for, \\machine\pipe\name. */
bool ioc_pipe_is_name(const char *name, bool may_be_remote);
bool ioc_pipe_is_remote(const char *name);

/* In op->block. The operation's parameters are an ioc_work. */
typedef struct ioc_pipe_connect {
    ioc_opening opening;
    uint32_t flags; /* IOCP_PIPE_ bits, at least one way */
    bool is_joined; /* these two are the backend's, too */
    bool is_waiting;
    char name[];
} ioc_pipe_connect;

static inline ioc_pipe_connect *ioc_pipe_connect_of(const ioc_op *op)
{
    return op->block;
}

/* Before it is queued. IOCP_ENOMEM. */
int ioc_pipe_set_name(ioc_ops *ops, ioc_op *op, const char *name, uint32_t flags);

#endif
