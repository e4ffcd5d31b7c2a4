#include "accept.h"
#include "api.h"
#include "datagram.h"
#include "sendfile.h"

#define STREAMS   IOC_ON(IOCP_HANDLE_STREAM)
#define DATAGRAMS IOC_ON(IOCP_HANDLE_DATAGRAM)
#define SOCKETS   (STREAMS | DATAGRAMS)
#define FILES     IOC_ON(IOCP_HANDLE_FILE)

/* ---- The socket ---- */

int IOCP_CALL iocp_socket_open(iocp_loop_t *loop, int family, int type, int protocol,
                               iocp_handle_t *id)
{
    ioc_handle *handle = NULL;
    int status = ioc_api_begin_open(loop, true, id, &handle);
    if (status != IOCP_OK) {
        return status;
    }
    status = IOC_API_ASK(loop, socket_open, handle, family, type, protocol);
    return ioc_api_end_open(loop, handle, status, id);
}

int IOCP_CALL iocp_socket_adopt(iocp_loop_t *loop, uintptr_t socket, iocp_handle_t *id)
{
    ioc_handle *handle = NULL;
    int status = ioc_api_begin_open(loop, true, id, &handle);
    if (status != IOCP_OK) {
        return status;
    }
    status = IOC_API_ASK(loop, socket_adopt, handle, socket);
    return ioc_api_end_open(loop, handle, status, id);
}

int IOCP_CALL iocp_socket_detach(iocp_loop_t *loop, iocp_handle_t id, uintptr_t *socket)
{
    ioc_handle *handle = NULL;
    int status = ioc_api_find_handle(loop, id, SOCKETS, socket != NULL, &handle);
    if (status != IOCP_OK) {
        return status;
    }
    if (!ioc_handle_is_idle(handle)) {
        return IOCP_EBUSY;
    }
    status = IOC_API_ASK(loop, socket_detach, handle, socket);
    if (status == IOCP_OK) {
        ioc_handle_detach(&loop->loop_only.ops, handle);
    }
    return status;
}

int IOCP_CALL iocp_socket_bind(iocp_loop_t *loop, iocp_handle_t id, const struct sockaddr *address,
                               size_t length)
{
    ioc_handle *handle = NULL;
    bool is_valid = ioc_api_is_address(address, length);
    int status = ioc_api_find_handle(loop, id, SOCKETS, is_valid, &handle);
    return status == IOCP_OK ? IOC_API_ASK(loop, socket_bind, handle, address, length) : status;
}

int IOCP_CALL iocp_socket_listen(iocp_loop_t *loop, iocp_handle_t id, int backlog)
{
    ioc_handle *handle = NULL;
    int status = ioc_api_find_handle(loop, id, STREAMS, backlog >= 0, &handle);
    return status == IOCP_OK ? IOC_API_ASK(loop, socket_listen, handle, backlog) : status;
}

static int socket__name(iocp_loop_t *loop, iocp_handle_t id, bool peer, struct sockaddr *address,
                        size_t *length)
{
    ioc_handle *handle = NULL;
    bool is_valid = address != NULL && length != NULL;
    int status = ioc_api_find_handle(loop, id, SOCKETS, is_valid, &handle);
    return status == IOCP_OK ? IOC_API_ASK(loop, socket_name, handle, peer, address, length)
                             : status;
}

int IOCP_CALL iocp_socket_get_name(iocp_loop_t *loop, iocp_handle_t handle,
                                   struct sockaddr *address, size_t *length)
{
    return socket__name(loop, handle, false, address, length);
}

int IOCP_CALL iocp_socket_get_peer(iocp_loop_t *loop, iocp_handle_t handle,
                                   struct sockaddr *address, size_t *length)
{
    return socket__name(loop, handle, true, address, length);
}

/* ---- Options and groups ---- */

static bool socket__is_option(iocp_socket_option_t option)
{
    return option > 0 && option < IOCP_SOCKET_OPTIONS;
}

int IOCP_CALL iocp_socket_set_option(iocp_loop_t *loop, iocp_handle_t id,
                                     iocp_socket_option_t option, int value)
{
    ioc_handle *handle = NULL;
    int status = ioc_api_find_handle(loop, id, SOCKETS, socket__is_option(option), &handle);
    return status == IOCP_OK ? IOC_API_ASK(loop, socket_set_option, handle, option, value) : status;
}

int IOCP_CALL iocp_socket_get_option(iocp_loop_t *loop, iocp_handle_t id,
                                     iocp_socket_option_t option, int *value)
{
    ioc_handle *handle = NULL;
    bool is_valid = socket__is_option(option) && value != NULL;
    int status = ioc_api_find_handle(loop, id, SOCKETS, is_valid, &handle);
    return status == IOCP_OK ? IOC_API_ASK(loop, socket_get_option, handle, option, value) : status;
}

static int socket__join(iocp_loop_t *loop, iocp_handle_t id, const ioc_group *group,
                        bool has_source, bool leaves)
{
    ioc_handle *handle = NULL;
    bool is_valid = ioc_api_is_address(group->address, group->length) &&
                    (!has_source || ioc_api_is_address(group->source, group->source_length));
    int status = ioc_api_find_handle(loop, id, DATAGRAMS, is_valid, &handle);
    return status == IOCP_OK ? IOC_API_ASK(loop, socket_join, handle, group, leaves) : status;
}

int IOCP_CALL iocp_socket_join(iocp_loop_t *loop, iocp_handle_t handle,
                               const struct sockaddr *group, size_t length,
                               uint32_t interface_index)
{
    ioc_group all = {.address = group, .length = length, .interface_index = interface_index};
    return socket__join(loop, handle, &all, false, false);
}

int IOCP_CALL iocp_socket_leave(iocp_loop_t *loop, iocp_handle_t handle,
                                const struct sockaddr *group, size_t length,
                                uint32_t interface_index)
{
    ioc_group all = {.address = group, .length = length, .interface_index = interface_index};
    return socket__join(loop, handle, &all, false, true);
}

int IOCP_CALL iocp_socket_join_source(iocp_loop_t *loop, iocp_handle_t handle,
                                      const struct sockaddr *group, size_t group_length,
                                      const struct sockaddr *source, size_t source_length,
                                      uint32_t interface_index)
{
    ioc_group part = {group, group_length, source, source_length, interface_index};
    return socket__join(loop, handle, &part, true, false);
}

int IOCP_CALL iocp_socket_leave_source(iocp_loop_t *loop, iocp_handle_t handle,
                                       const struct sockaddr *group, size_t group_length,
                                       const struct sockaddr *source, size_t source_length,
                                       uint32_t interface_index)
{
    ioc_group part = {group, group_length, source, source_length, interface_index};
    return socket__join(loop, handle, &part, true, true);
}

/* ---- Connections ---- */

int IOCP_CALL iocp_accept(iocp_loop_t *loop, iocp_handle_t listener, iocp_callback_t callback,
                          void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    int status = ioc_api_begin_on(loop, listener, IOCP_TYPE_ACCEPT, true, callback, userdata, &op);
    if (status != IOCP_OK) {
        return status;
    }
    status = ioc_accept_prepare(&loop->loop_only.ops, op);
    return ioc_api_end(loop, op, status, id);
}

int IOCP_CALL iocp_connect(iocp_loop_t *loop, iocp_handle_t handle, const struct sockaddr *address,
                           size_t length, iocp_callback_t callback, void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    bool is_valid = ioc_api_is_address(address, length);
    int status =
        ioc_api_begin_on(loop, handle, IOCP_TYPE_CONNECT, is_valid, callback, userdata, &op);
    if (status != IOCP_OK) {
        return status;
    }
    status = ioc_transfer_set_address(&loop->loop_only.ops, op, address, length);
    return ioc_api_end(loop, op, status, id);
}

int IOCP_CALL iocp_shutdown(iocp_loop_t *loop, iocp_handle_t handle, iocp_shutdown_how_t how,
                            iocp_callback_t callback, void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    bool is_valid = how >= IOCP_SHUTDOWN_RECV && how <= IOCP_SHUTDOWN_BOTH;
    int status =
        ioc_api_begin_on(loop, handle, IOCP_TYPE_SHUTDOWN, is_valid, callback, userdata, &op);
    if (status != IOCP_OK) {
        return status;
    }
    ioc_shutdown_of(op)->how = how;
    return ioc_api_end(loop, op, IOCP_OK, id);
}

/* ---- Data ---- */

static int socket__transfer(iocp_loop_t *loop, iocp_handle_t handle, iocp_type_t type,
                            const iocp_buf_t *buffers, size_t count, iocp_callback_t callback,
                            void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    bool is_valid = ioc_api_is_buffers(buffers, count);
    int status = ioc_api_begin_on(loop, handle, type, is_valid, callback, userdata, &op);
    if (status != IOCP_OK) {
        return status;
    }
    status = ioc_transfer_set_buffers(&loop->loop_only.ops, op, buffers, count);
    return ioc_api_end(loop, op, status, id);
}

int IOCP_CALL iocp_send(iocp_loop_t *loop, iocp_handle_t handle, const void *data, size_t size,
                        iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    iocp_buf_t buffer;
    size_t count = ioc_api_one_buffer(&buffer, data, size);
    return socket__transfer(loop, handle, IOCP_TYPE_SEND, &buffer, count, callback, userdata, op);
}

int IOCP_CALL iocp_sendv(iocp_loop_t *loop, iocp_handle_t handle, const iocp_buf_t *buffers,
                         size_t count, iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    return socket__transfer(loop, handle, IOCP_TYPE_SEND, buffers, count, callback, userdata, op);
}

int IOCP_CALL iocp_recv(iocp_loop_t *loop, iocp_handle_t handle, void *data, size_t size,
                        iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    iocp_buf_t buffer;
    size_t count = ioc_api_one_buffer(&buffer, data, size);
    return socket__transfer(loop, handle, IOCP_TYPE_RECV, &buffer, count, callback, userdata, op);
}

int IOCP_CALL iocp_recvv(iocp_loop_t *loop, iocp_handle_t handle, const iocp_buf_t *buffers,
                         size_t count, iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    return socket__transfer(loop, handle, IOCP_TYPE_RECV, buffers, count, callback, userdata, op);
}

static bool socket__has_bytes(const iocp_buf_t *buffers, size_t count)
{
    bool has_bytes = false;
    for (size_t i = 0; i < count; i++) {
        has_bytes = has_bytes || buffers[i].length > 0;
    }
    return has_bytes;
}

int IOCP_CALL iocp_try_send(iocp_loop_t *loop, iocp_handle_t id, const iocp_buf_t *buffers,
                            size_t count, uint64_t *sent)
{
    ioc_handle *handle = NULL;
    bool is_valid =
        sent != NULL && ioc_api_is_buffers(buffers, count) && socket__has_bytes(buffers, count);
    int status = ioc_api_find_handle(loop, id, SOCKETS, is_valid, &handle);
    if (status == IOCP_OK && ioc_transfer_is_sending(handle)) {
        status = IOCP_EAGAIN;
    }
    if (status == IOCP_OK) {
        status = IOC_API_ASK(loop, socket_try_send, handle, buffers, (uint32_t)count, sent);
    }
    if (status == IOCP_OK) {
        handle->bytes_out += *sent;
    }
    return status;
}

static bool socket__is_around(const iocp_buf_t *head, const iocp_buf_t *tail)
{
    uint64_t bytes = 0;
    const iocp_buf_t *both[] = {head, tail};
    for (int i = 0; i < 2; i++) {
        if (both[i] != NULL && !ioc_api_is_buffers(both[i], 1)) {
            return false;
        }
        bytes += both[i] != NULL ? both[i]->length : 0;
    }
    return bytes <= IOC_SENDFILE_AROUND_MAX;
}

int IOCP_CALL iocp_sendfile(iocp_loop_t *loop, iocp_handle_t socket, iocp_handle_t file,
                            uint64_t offset, uint64_t bytes, const iocp_buf_t *head,
                            const iocp_buf_t *tail, iocp_callback_t callback, void *userdata,
                            iocp_op_t *id)
{
    ioc_op *op = NULL;
    ioc_handle *used = NULL;
    bool is_span = offset <= IOC_API_OFFSET_MAX &&
                   (bytes == IOC_SENDFILE_ALL || bytes <= IOC_API_OFFSET_MAX - offset);
    int status =
        ioc_api_begin_on(loop, socket, IOCP_TYPE_SENDFILE, is_span && socket__is_around(head, tail),
                         callback, userdata, &op);
    if (status != IOCP_OK) {
        return status;
    }
    status = ioc_api_find_known(loop, file, FILES, true, &used);
    if (status == IOCP_OK) {
        status = ioc_sendfile_set(&loop->loop_only.ops, op, used, head, tail);
    }
    if (status == IOCP_OK) {
        ioc_sendfile_of(op)->offset = offset;
        ioc_sendfile_of(op)->bytes = bytes;
    }
    return ioc_api_end(loop, op, status, id);
}

/* A datagram: one buffer beside the address. */
static int socket__begin_datagram(iocp_loop_t *loop, iocp_handle_t handle, iocp_type_t type,
                                  bool is_valid, const void *data, size_t size,
                                  iocp_callback_t callback, void *userdata, ioc_op **op)
{
    iocp_buf_t buffer;
    size_t count = ioc_api_one_buffer(&buffer, data, size);
    is_valid = is_valid && ioc_api_is_buffers(&buffer, count);
    int status = ioc_api_begin_on(loop, handle, type, is_valid, callback, userdata, op);
    return status == IOCP_OK ? ioc_transfer_set_buffers(&loop->loop_only.ops, *op, &buffer, count)
                             : status;
}

int IOCP_CALL iocp_sendto(iocp_loop_t *loop, iocp_handle_t handle, const void *data, size_t size,
                          const struct sockaddr *address, size_t length, iocp_callback_t callback,
                          void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    bool is_valid = ioc_api_is_address(address, length);
    int status = socket__begin_datagram(loop, handle, IOCP_TYPE_SENDTO, is_valid, data, size,
                                        callback, userdata, &op);
    if (status != IOCP_OK) {
        return status;
    }
    status = ioc_transfer_set_address(&loop->loop_only.ops, op, address, length);
    return ioc_api_end(loop, op, status, id);
}

int IOCP_CALL iocp_recvfrom(iocp_loop_t *loop, iocp_handle_t handle, void *data, size_t size,
                            iocp_callback_t callback, void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    int status = socket__begin_datagram(loop, handle, IOCP_TYPE_RECVFROM, true, data, size,
                                        callback, userdata, &op);
    if (status != IOCP_OK) {
        return status;
    }
    status = ioc_op_take_block(&loop->loop_only.ops, op, IOC_BLOCK_BYTES);
    return ioc_api_end(loop, op, status, id);
}

/* ---- Messages ---- */

int IOCP_CALL iocp_sendmsg(iocp_loop_t *loop, iocp_handle_t handle, const iocp_buf_t *buffers,
                           size_t count, const iocp_message_t *message, iocp_callback_t callback,
                           void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    iocp_message_t given;
    bool is_valid = ioc_api_is_buffers(buffers, count) && message != NULL &&
                    ioc_api_read_options(message, &given, sizeof given) == IOCP_OK &&
                    ioc_datagram_is_message(&given);
    int status =
        ioc_api_begin_on(loop, handle, IOCP_TYPE_SENDMSG, is_valid, callback, userdata, &op);
    if (status != IOCP_OK) {
        return status;
    }
    status = ioc_datagram_set(&loop->loop_only.ops, op, buffers, count, &given);
    return ioc_api_end(loop, op, status, id);
}

int IOCP_CALL iocp_recvmsg(iocp_loop_t *loop, iocp_handle_t handle, const iocp_buf_t *buffers,
                           size_t count, iocp_callback_t callback, void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    bool is_valid = ioc_api_is_buffers(buffers, count);
    int status =
        ioc_api_begin_on(loop, handle, IOCP_TYPE_RECVMSG, is_valid, callback, userdata, &op);
    if (status != IOCP_OK) {
        return status;
    }
    status = ioc_datagram_set(&loop->loop_only.ops, op, buffers, count, NULL);
    return ioc_api_end(loop, op, status, id);
}
