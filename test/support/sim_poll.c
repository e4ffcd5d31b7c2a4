#include "sim_poll.h"

#include "sim_datagram.h"

#include "poll.h"

static ioc_list poll_waiting = {{&poll_waiting.ends, &poll_waiting.ends}}; /* sim_op.place */

bool sim_poll_can_read(const sim_socket *socket)
{
    bool has_data = socket->datagrams != NULL ? sim_datagram_has_queued(socket)
                                              : socket->incoming_bytes > 0 || socket->is_ended;
    return has_data || socket->backlog_count > 0;
}

static bool poll__can_write(const sim_socket *socket)
{
    if (socket->datagrams != NULL) {
        return true;
    }
    const sim_socket *peer = socket->peer;
    return socket->state == SIM_CONNECTED && !socket->is_reset && socket->buffered_count == 0 &&
           (peer == NULL || peer->incoming_bytes < peer->capacity_bytes);
}

static uint32_t poll__level(const sim_socket *socket)
{
    return (sim_poll_can_read(socket) ? IOCP_POLL_READ : 0u) |
           (poll__can_write(socket) ? IOCP_POLL_WRITE : 0u) |
           (socket->is_ended ? IOCP_POLL_HANGUP : 0u) |
           (socket->is_reset || socket->was_refused ? IOCP_POLL_ERROR : 0u);
}

static uint32_t poll__wanted(const sim_op *op)
{
    return ioc_poll_of(&op->op)->events | IOCP_POLL_ERROR;
}

static void poll__look_at(sim_op *op)
{
    const sim_socket *socket = sim_socket_find(ioc_poll_of(&op->op)->socket);
    op->message = socket != NULL ? poll__level(socket) & poll__wanted(op) : 0;
    if (socket == NULL || op->message != 0) {
        sim_complete(op, socket != NULL ? IOCP_OK : IOCP_EBADF, 0);
    }
}

void sim_poll_look(void)
{
    ioc_link *next = NULL;
    for (ioc_link *place = poll_waiting.ends.next; place != &poll_waiting.ends; place = next) {
        next = place->next;
        poll__look_at(IOC_CONTAINER_OF(place, sim_op, place));
    }
}

static void poll__wait(sim_op *op)
{
    op->phase = SIM_WAITING;
    ioc_list_push(&poll_waiting, &op->place);
}

int sim_poll_start(sim_op *op)
{
    const sim_socket *socket = sim_socket_find(ioc_poll_of(&op->op)->socket);
    if (socket == NULL || socket->is_pipe) {
        return IOCP_ENOTSOCK;
    }
    poll__wait(op);
    return IOCP_OK;
}

/* What its packet was to tell may be nothing to it any more: then it waits on. */
bool sim_poll_revise(sim_op *op)
{
    if (op->phase == SIM_DONE && op->outcome.status == IOCP_OK) {
        op->message &= poll__wanted(op);
        if (op->message == 0) {
            ioc_link_remove(&op->place);
            poll__wait(op);
        }
    }
    return true;
}

void sim_poll_tell(sim_op *op)
{
    ioc_poll_of(&op->op)->told = op->outcome.status == IOCP_OK ? op->message : 0;
}
