#include "sim_pipe.h"

#include "pipe.h"

#include <stdlib.h>
#include <string.h>

static void pipe__fill(sim_handle *handle, sim_socket *end, iocp_handle_kind_t kind)
{
    handle->handle.kind = (uint8_t)kind;
    handle->socket = end;
    end->is_adopted = true;
}

/* ---- Pairs ---- */

int sim_pipe_pair(sim_port *port, sim_handle *ours, sim_handle *theirs, uint32_t flags)
{
    int status = IOCP_OK;
    sim_socket *ends[2];
    bool is_for_children = (flags & IOCP_PIPE_CHILDREN) != 0;
    if (sim_fails(&port->sockets, &status)) {
        return status;
    }
    sim_pipe_new(ends, false, (flags & IOCP_PIPE_MESSAGE) != 0);
    ends[0]->cannot_read = ends[1]->cannot_write = (flags & IOCP_PIPE_READ) == 0;
    ends[0]->cannot_write = ends[1]->cannot_read = (flags & IOCP_PIPE_WRITE) == 0;
    pipe__fill(ours, ends[0], is_for_children ? IOCP_HANDLE_PIPE_END : IOCP_HANDLE_PIPE);
    pipe__fill(theirs, ends[1], IOCP_HANDLE_PIPE_END);
    ends[0]->is_overlapped = !is_for_children;
    ends[0]->port = is_for_children ? NULL : port;
    return IOCP_OK;
}

/* It belongs to whoever has it now. */
void sim_pipe_give_away(sim_handle *handle)
{
    SIM_CHECK(handle->socket != NULL && handle->socket->port == NULL);
    handle->socket->is_adopted = false;
    handle->socket = NULL;
}

/* ---- Serving ---- */

static bool listener__has_name(const sim_socket *socket, const char *name)
{
    return socket->pipe_name != NULL && strcmp(socket->pipe_name, name) == 0;
}

static sim_socket *listener__find(const char *name)
{
    sim_socket *socket = sim_socket_next(NULL);
    while (socket != NULL && !listener__has_name(socket, name)) {
        socket = sim_socket_next(socket);
    }
    return socket;
}

int sim_pipe_listen(sim_port *port, sim_handle *handle, const char *name,
                    const iocp_pipe_options_t *options)
{
    int status = IOCP_OK;
    if (sim_fails(&port->sockets, &status)) {
        return status;
    }
    if (listener__find(name) != NULL && (options->flags & IOCP_PIPE_SHARED) == 0) {
        return IOCP_EADDRINUSE;
    }
    sim_socket *listener = sim_socket_new(0, 0);
    listener->is_pipe = true;
    listener->state = SIM_LISTENING;
    listener->backlog_limit = 1;
    listener->pipe_flags = options->flags;
    listener->instances = options->instances;
    listener->pipe_name = malloc(strlen(name) + 1);
    SIM_CHECK(listener->pipe_name != NULL);
    strcpy(listener->pipe_name, name);
    listener->port = port;
    pipe__fill(handle, listener, IOCP_HANDLE_PIPE_LISTENER);
    return IOCP_OK;
}

/* ---- Connecting ---- */

int sim_pipe_connect(sim_op *op)
{
    op->phase = SIM_WAITING;
    op->may_be_inline = false;
    op->pipe_flags = ioc_pipe_connect_of(&op->op)->flags;
    op->effect_ns = op->port->now_ns + sim_below(op->port, op->port->script.latency_ns + 1);
    return IOCP_OK;
}

/* What the server has to allow, and what it has to have too. */
static int connect__check(const sim_socket *listener, uint32_t flags)
{
    bool reads = (flags & IOCP_PIPE_READ) != 0;
    bool writes = (flags & IOCP_PIPE_WRITE) != 0;
    if ((reads && (listener->pipe_flags & IOCP_PIPE_WRITE) == 0) ||
        (writes && (listener->pipe_flags & IOCP_PIPE_READ) == 0)) {
        return IOCP_EACCES;
    }
    bool has_messages = (listener->pipe_flags & IOCP_PIPE_MESSAGE) != 0;
    return reads && (flags & IOCP_PIPE_MESSAGE) != 0 && !has_messages ? IOCP_EINVAL : IOCP_OK;
}

void sim_pipe_open(sim_op *op)
{
    const ioc_pipe_connect *connect = ioc_pipe_connect_of(&op->op);
    sim_socket *listener = listener__find(connect->name);
    op->effect_ns = IOC_FOREVER;
    int status = ioc_pipe_is_remote(connect->name) ? IOCP_EHOSTUNREACH
                 : listener == NULL                ? IOCP_ENOTFOUND
                                                   : connect__check(listener, op->pipe_flags);
    if (status != IOCP_OK) {
        sim_complete(op, status, 0);
    } else {
        sim_pipe_call(op, listener);
    }
}

void sim_pipe_tell(sim_op *op)
{
    if (op->accepted == NULL) {
        return;
    }
    sim_handle *handle = sim_opened_by(op);
    pipe__fill(handle, op->accepted, IOCP_HANDLE_PIPE);
    handle->socket->port = op->port;
    op->accepted = NULL;
}

void sim_pipe_close_ends(sim_socket **ends)
{
    for (int i = 0; i < 3; i++) {
        sim_socket *end = ends[i];
        for (int k = i; k < 3; k++) {
            ends[k] = ends[k] == end ? NULL : ends[k];
        }
        if (end != NULL) {
            sim_socket_close(end);
        }
    }
}
