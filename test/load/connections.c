/* So many connections, all of them open at once, each with its data going both ways. */
#include "load.h"

#include "contract_net.h"

#include <stdlib.h>

#define CONNECTIONS_AT_ONCE 64 /* being connected: fewer than the backlog takes */
#define CONNECTIONS_ROUNDS  3
#define CONNECTIONS_BYTES   512 /* a message */

/* One end. The server's sends back what it receives, the client's looks at what comes back. */
typedef struct load_end {
    struct load_net *net;
    iocp_handle_t handle;
    uint64_t seed;
    uint64_t sent;     /* or being sent */
    uint64_t received; /* of these bytes */
    uint64_t sum_out;
    uint64_t sum_in;
    bool is_pending; /* has an operation: one at a time */
    unsigned char data[CONNECTIONS_BYTES];
} load_end;

typedef struct load_net {
    iocp_loop_t *loop;
    iocp_handle_t listener;
    contract_address address;
    uint64_t count;
    load_end *clients;
    load_end *servers;
    uint64_t connecting;
    uint64_t connected; /* clients */
    uint64_t accepted;  /* servers */
    uint64_t left;      /* of whatever is being done */
} load_net;

static void end__begin(load_end *self)
{
    load_require(!self->is_pending, "an operation was begun on an end that has one");
    self->is_pending = true;
}

/* Each callback begins with this. */
static load_end *end__called_back(void *arg)
{
    load_end *self = arg;
    load_require(self->is_pending, "a callback came twice, or for nothing");
    self->is_pending = false;
    return self;
}

/* ---- All are connected ---- */

static void net__connect_some(load_net *net);

static iocp_action_t IOCP_CALL on_connected(iocp_loop_t *loop, const iocp_result_t *result,
                                            void *arg)
{
    load_end *self = end__called_back(arg);
    (void)loop;
    load_require_ok(result->status, "a connect ended");
    self->net->connected++;
    self->net->left--;
    net__connect_some(self->net);
    return IOCP_DISARM;
}

static iocp_action_t IOCP_CALL on_accepted(iocp_loop_t *loop, const iocp_result_t *result,
                                           void *arg)
{
    load_net *net = arg;
    (void)loop;
    load_require_ok(result->status, "an accept ended");
    load_require(net->accepted < net->count, "more connections were accepted than there are");
    net->servers[net->accepted] = (load_end){.net = net, .handle = result->opened};
    net->accepted++;
    net->left--;
    net__connect_some(net);
    return net->accepted < net->count ? IOCP_REARM : IOCP_DISARM;
}

/* Those that nobody has accepted wait in the backlog. */
static void net__connect_some(load_net *net)
{
    while (net->connecting < net->count && net->connecting - net->accepted < CONNECTIONS_AT_ONCE) {
        load_end *end = &net->clients[net->connecting];
        *end = (load_end){.net = net, .seed = net->connecting};
        load_require_ok(iocp_socket_open(net->loop, AF_INET, SOCK_STREAM, 0, &end->handle),
                        "iocp_socket_open");
        end__begin(end);
        net->connecting++;
        load_require_ok(iocp_connect(net->loop, end->handle, contract_sockaddr(&net->address),
                                     net->address.length, on_connected, end, NULL),
                        "iocp_connect");
    }
}

static void net__listen(load_net *net)
{
    size_t length = sizeof net->address.storage;
    net->address = contract_loopback(AF_INET, 0);
    load_require_ok(iocp_socket_open(net->loop, AF_INET, SOCK_STREAM, 0, &net->listener),
                    "iocp_socket_open");
    load_require_ok(iocp_socket_bind(net->loop, net->listener, contract_sockaddr(&net->address),
                                     net->address.length),
                    "iocp_socket_bind");
    load_require_ok(iocp_socket_get_name(net->loop, net->listener,
                                         (struct sockaddr *)&net->address.storage, &length),
                    "iocp_socket_get_name");
    load_require_ok(iocp_socket_listen(net->loop, net->listener, 0), "iocp_socket_listen");
    load_require_ok(iocp_accept(net->loop, net->listener, on_accepted, net, NULL), "iocp_accept");
}

/* ---- Data goes both ways ---- */

static void end__send(load_end *self, size_t size, iocp_callback_t callback)
{
    self->sum_out = load_sum(self->sum_out, self->data, size);
    self->sent += size;
    end__begin(self);
    load_require_ok(
        iocp_send(self->net->loop, self->handle, self->data, size, callback, self, NULL),
        "iocp_send");
}

static void end__receive(load_end *self, iocp_callback_t callback)
{
    end__begin(self);
    load_require_ok(iocp_recv(self->net->loop, self->handle, self->data, sizeof self->data,
                              callback, self, NULL),
                    "iocp_recv");
}

/* How many bytes have come; 0: the end of the stream. */
static size_t end__take(load_end *self, const iocp_result_t *result)
{
    size_t size = (size_t)result->bytes;
    if (result->status == IOCP_EOF) {
        load_require(size == 0, "an end of stream with data");
        return 0;
    }
    load_require_ok(result->status, "a receive ended");
    load_require(size > 0 && size <= sizeof self->data, "a receive of %zu bytes", size);
    self->sum_in = load_sum(self->sum_in, self->data, size);
    self->received += size;
    return size;
}

static iocp_action_t IOCP_CALL on_server_received(iocp_loop_t *loop, const iocp_result_t *result,
                                                  void *arg);
static iocp_action_t IOCP_CALL on_client_received(iocp_loop_t *loop, const iocp_result_t *result,
                                                  void *arg);

static iocp_action_t IOCP_CALL on_server_sent(iocp_loop_t *loop, const iocp_result_t *result,
                                              void *arg)
{
    (void)loop;
    load_end *self = end__called_back(arg);
    load_require_ok(result->status, "a send ended");
    end__receive(self, on_server_received);
    return IOCP_DISARM;
}

static iocp_action_t IOCP_CALL on_server_received(iocp_loop_t *loop, const iocp_result_t *result,
                                                  void *arg)
{
    (void)loop;
    load_end *self = end__called_back(arg);
    size_t size = end__take(self, result);
    if (size > 0) {
        end__send(self, size, on_server_sent);
    } else {
        self->net->left--;
    }
    return IOCP_DISARM;
}

static iocp_action_t IOCP_CALL on_client_sent(iocp_loop_t *loop, const iocp_result_t *result,
                                              void *arg)
{
    (void)loop;
    load_end *self = end__called_back(arg);
    load_require_ok(result->status, "a send ended");
    end__receive(self, on_client_received);
    return IOCP_DISARM;
}

static void client__send(load_end *self)
{
    load_fill(self->data, sizeof self->data, self->seed, self->sent);
    end__send(self, sizeof self->data, on_client_sent);
}

static iocp_action_t IOCP_CALL on_client_shut_down(iocp_loop_t *loop, const iocp_result_t *result,
                                                   void *arg)
{
    (void)loop;
    load_end *self = end__called_back(arg);
    load_require_ok(result->status, "a shutdown ended");
    self->net->left--;
    return IOCP_DISARM;
}

static iocp_action_t IOCP_CALL on_client_received(iocp_loop_t *loop, const iocp_result_t *result,
                                                  void *arg)
{
    load_end *self = end__called_back(arg);
    uint64_t place = self->received;
    size_t size = end__take(self, result);
    load_require(size > 0 && self->received <= self->sent, "a stream ended or grew on its way");
    for (size_t i = 0; i < size; i++) {
        load_require(self->data[i] == load_byte(self->seed, place + i),
                     "connection %llu: byte %llu came back as another one",
                     (unsigned long long)self->seed, (unsigned long long)(place + i));
    }
    if (self->received < self->sent) {
        end__receive(self, on_client_received);
    } else if (self->sent < CONNECTIONS_ROUNDS * CONNECTIONS_BYTES) {
        client__send(self);
    } else {
        end__begin(self);
        load_require_ok(
            iocp_shutdown(loop, self->handle, IOCP_SHUTDOWN_SEND, on_client_shut_down, self, NULL),
            "iocp_shutdown");
    }
    return IOCP_DISARM;
}

/* ---- All are closed ---- */

static iocp_action_t IOCP_CALL on_closed(iocp_loop_t *loop, const iocp_result_t *result, void *left)
{
    (void)loop;
    load_require_ok(result->status, "a close ended");
    --*(uint64_t *)left;
    return IOCP_DISARM;
}

static void net__close(load_net *net, iocp_handle_t handle)
{
    net->left++;
    load_require_ok(iocp_close(net->loop, handle, on_closed, &net->left, NULL), "iocp_close");
}

typedef struct load_sums {
    uint64_t out;
    uint64_t in;
} load_sums;

/* Connections are accepted in any order, so sums of all are compared. */
static load_sums net__sums(const load_end *ends, uint64_t count)
{
    load_sums sums = {0, 0};
    for (uint64_t i = 0; i < count; i++) {
        load_require(!ends[i].is_pending, "an operation has not ended");
        sums.out += ends[i].sum_out;
        sums.in += ends[i].sum_in;
    }
    return sums;
}

void load_connections(uint64_t count)
{
    load_net net = {.loop = load_loop(IOCP_COMPLETION_AUTO), .count = count};
    net.clients = calloc((size_t)count, sizeof *net.clients);
    net.servers = calloc((size_t)count, sizeof *net.servers);
    load_require(net.clients != NULL && net.servers != NULL, "no memory for the connections");

    net.left = 2 * count;
    net__listen(&net);
    net__connect_some(&net);
    load_run_down(net.loop, &net.left);
    load_require(net.accepted == count && net.connected == count, "%llu accepted, %llu connected",
                 (unsigned long long)net.accepted, (unsigned long long)net.connected);

    net.left = 2 * count; /* an end of the stream for each server, a shutdown for each client */
    for (uint64_t i = 0; i < count; i++) {
        end__receive(&net.servers[i], on_server_received);
        client__send(&net.clients[i]);
    }
    load_run_down(net.loop, &net.left);

    net__close(&net, net.listener);
    for (uint64_t i = 0; i < count; i++) {
        net__close(&net, net.clients[i].handle);
        net__close(&net, net.servers[i].handle);
    }
    load_run_down(net.loop, &net.left);
    load_sums client = net__sums(net.clients, count);
    load_sums server = net__sums(net.servers, count);
    load_require(client.out == server.in && server.out == client.in && client.out == client.in,
                 "what was sent is not what was received");
    load_print("connections: %llu bytes each way, sums %016llx and %016llx\n",
               (unsigned long long)(count * CONNECTIONS_ROUNDS * CONNECTIONS_BYTES),
               (unsigned long long)client.out, (unsigned long long)server.out);
    free(net.clients);
    free(net.servers);
}
