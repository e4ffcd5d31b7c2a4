#include "datagram.h"

#include <string.h>

#define DATAGRAM_ECN_MOST     3
#define DATAGRAM_SEGMENT_MOST UINT16_MAX

static bool datagram__is_address(const struct sockaddr *address, size_t length)
{
    return address != NULL ? length >= sizeof(uint16_t) && length <= IOC_ADDRESS_BYTES
                           : length == 0;
}

bool ioc_datagram_is_message(const iocp_message_t *message)
{
    return message->fields == 0 && message->reserved == 0 &&
           datagram__is_address(message->peer, message->peer_length) &&
           datagram__is_address(message->local, message->local_length) &&
           message->hops <= UINT8_MAX && message->ecn <= DATAGRAM_ECN_MOST &&
           message->segment_bytes <= DATAGRAM_SEGMENT_MOST && message->dont_fragment <= 1;
}

/* NULL stays NULL. */
static const struct sockaddr *datagram__copy(ioc_address *to, const struct sockaddr *from,
                                             size_t length)
{
    if (from == NULL) {
        return NULL;
    }
    memcpy(to, from, length);
    return (const struct sockaddr *)(const void *)to;
}

int ioc_datagram_set(ioc_ops *ops, ioc_op *op, const iocp_buf_t *buffers, size_t count,
                     const iocp_message_t *message)
{
    int status = ioc_transfer_set_buffers_behind(ops, op, sizeof(ioc_datagram), buffers, count);
    if (status == IOCP_OK && message != NULL) {
        ioc_datagram *datagram = ioc_datagram_of(op);
        datagram->message = *message;
        datagram->message.peer =
            datagram__copy(&datagram->peer, message->peer, message->peer_length);
        datagram->message.local =
            datagram__copy(&datagram->local, message->local, message->local_length);
    }
    return status;
}

void ioc_datagram_clear(ioc_op *op)
{
    iocp_message_t *message = &ioc_datagram_of(op)->message;
    *message = (iocp_message_t){.size = sizeof *message};
}

void ioc_datagram_tell(const ioc_op *op, iocp_result_t *result)
{
    const iocp_message_t *message = &ioc_datagram_of(op)->message;
    result->message = message;
    result->address = message->peer;
    result->address_length = message->peer_length;
}
