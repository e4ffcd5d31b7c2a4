#include "sim_pipe.h"

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
    sim_pipe_new(ends, false);
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
