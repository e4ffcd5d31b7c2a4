/* What a connection costs on which nothing happens, in memory of the library. */
#include "contract_meter.h"

#include <stdlib.h>

#define CONNECTIONS 1000

/*
 * Bytes of one such connection: a handle, and a receive of no bytes, or into a lent buffer. It is a published figure, see
 * docs/benchmarks.md, so it grows on purpose only.
 */
#define MOST_BYTES 420

/* In the simulation, which keeps more of its own with each. */
#define MOST_BYTES_SIMULATED 560

/* Of a loop whose listener waits for the first connection, on Windows: published, too. */
#define MOST_LOOP_BYTES 16384

/* The server has a loop of its own, so that its memory is not that of the clients. */
typedef struct server {
    iocp_loop_t *loop;
    iocp_handle_t listener;
    iocp_handle_t connections[CONNECTIONS];
    contract_record received[CONNECTIONS];
    iocp_buffers_t *buffers; /* NULL: they receive no bytes */
    int count;
} server;

static iocp_action_t IOCP_CALL server__on_accepted(iocp_loop_t *loop, const iocp_result_t *result,
                                                   void *userdata)
{
    server *self = userdata;
    if (result->status != IOCP_OK) {
        return IOCP_DISARM;
    }
    int number = self->count++;
    self->connections[number] = result->opened;
    self->received[number] = (contract_record){0};
    int status = self->buffers != NULL
                     ? iocp_recv_lent(loop, result->opened, self->buffers, contract_keep,
                                      &self->received[number], NULL)
                     : iocp_recv(loop, result->opened, NULL, 0, contract_keep,
                                 &self->received[number], NULL);
    assert_int_equal(status, IOCP_OK);
    return IOCP_REARM;
}

static void server__connect_all(server *self, iocp_loop_t *clients, iocp_handle_t *handles,
                                const contract_address *address)
{
    self->count = 0;
    for (int i = 0; i < CONNECTIONS; i++) {
        contract_record connected = {0};
        handles[i] = contract_open(clients, AF_INET);
        assert_int_equal(iocp_connect(clients, handles[i], contract_sockaddr(address),
                                      address->length, contract_keep, &connected, NULL),
                         IOCP_OK);
        contract_wait(clients, &connected, 1);
        assert_int_equal(connected.status, IOCP_OK);
        while (self->count == i) {
            assert_int_equal(iocp_loop_run(self->loop, IOCP_RUN_ONCE), IOCP_OK);
        }
    }
    /* The accept for the next one, and the last receive, are in the kernel, too. */
    assert_int_equal(iocp_loop_tick(self->loop, 0), IOCP_OK);
    assert_int_equal(contract_stats(self->loop).kernel, CONNECTIONS + 1);
}

static void server__close_all(server *self, iocp_loop_t *clients, const iocp_handle_t *handles)
{
    for (int i = 0; i < CONNECTIONS; i++) {
        contract_record closed = {0};
        assert_int_equal(iocp_close(self->loop, self->connections[i], contract_keep, &closed, NULL),
                         IOCP_OK);
        contract_wait(self->loop, &closed, 1);
        assert_int_equal(self->received[i].status, IOCP_ECANCELED);
        contract_close(clients, handles[i]);
    }
    assert_int_equal(iocp_loop_run(clients, IOCP_RUN_UNTIL_DONE), IOCP_OK);
}

static void a_loop_with_a_listener_takes_little_memory(void **state)
{
    contract_meter memory = {0};
    contract_record accepted = {0};
    contract_address address;
    (void)state;
    iocp_loop_t *loop = contract_meter_loop(&memory);
    print_message("%lu bytes for a loop\n", (unsigned long)memory.held);
    iocp_handle_t listener = contract_listen(loop, AF_INET, &address);
    assert_int_equal(iocp_accept(loop, listener, contract_keep, &accepted, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_tick(loop, 0), IOCP_OK);
    assert_int_equal(contract_stats(loop).kernel, 1);
    print_message("%lu bytes with a listener\n", (unsigned long)memory.held);
    assert_in_range(memory.held, 1, MOST_LOOP_BYTES);
    contract_loop_destroy(loop);
    assert_int_equal(memory.held, 0);
}

static server *server__open(contract_meter *memory, contract_address *address)
{
    server *self = calloc(1, sizeof *self);
    assert_non_null(self);
    self->loop = contract_meter_loop(memory);
    self->listener = contract_listen(self->loop, AF_INET, address);
    assert_int_equal(iocp_accept(self->loop, self->listener, server__on_accepted, self, NULL),
                     IOCP_OK);
    return self;
}

static void an_idle_connection_costs_little_memory_and_gives_it_to_the_next(void **state)
{
    iocp_loop_t *clients = contract_loop(state);
    iocp_handle_t *handles = calloc(CONNECTIONS, sizeof *handles);
    contract_meter memory = {0};
    contract_address address;
    assert_non_null(handles);
    server *self = server__open(&memory, &address);
    server__connect_all(self, clients, handles, &address);
    print_message(
        "%lu bytes for each of %d idle connections, the loop and its listener among them\n",
        (unsigned long)(memory.held / CONNECTIONS), CONNECTIONS);
    assert_in_range(memory.held / CONNECTIONS, 1,
                    contract_clock_is_virtual() ? MOST_BYTES_SIMULATED : MOST_BYTES);
    server__close_all(self, clients, handles);
    size_t held = memory.held;
    server__connect_all(self, clients, handles, &address);
    assert_int_equal(memory.held, held);
    server__close_all(self, clients, handles);

    contract_loop_destroy(self->loop);
    assert_int_equal(memory.held, 0);
    free(self);
    free(handles);
}

/* Bytes of each of as many that have a lent receive, without the pool. */
static size_t server__measure_lent(iocp_loop_t *clients, size_t buffer_bytes)
{
    iocp_handle_t *handles = calloc(CONNECTIONS, sizeof *handles);
    contract_meter memory = {0};
    contract_address address;
    assert_non_null(handles);
    server *self = server__open(&memory, &address);
    size_t before = memory.held;
    assert_int_equal(iocp_buffers_create(self->loop, 2, buffer_bytes, &self->buffers), IOCP_OK);
    size_t pool_bytes = memory.held - before;
    assert_in_range(pool_bytes, 2 * buffer_bytes, 2 * buffer_bytes + 256);
    server__connect_all(self, clients, handles, &address);
    size_t bytes = (memory.held - pool_bytes) / CONNECTIONS;
    print_message("%lu bytes for each with a lent receive, of %lu bytes\n", (unsigned long)bytes,
                  (unsigned long)buffer_bytes);
    server__close_all(self, clients, handles);
    contract_loop_destroy(self->loop);
    assert_int_equal(memory.held, 0);
    free(self);
    free(handles);
    return bytes;
}

static void an_idle_connection_costs_as_much_whatever_it_is_to_be_lent(void **state)
{
    iocp_loop_t *clients = contract_loop(state);
    size_t bytes = server__measure_lent(clients, 1024);
    assert_in_range(bytes, 1, contract_clock_is_virtual() ? MOST_BYTES_SIMULATED : MOST_BYTES);
    assert_int_equal(server__measure_lent(clients, (size_t)1 << 20), bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TEST(a_loop_with_a_listener_takes_little_memory),
        CONTRACT_TEST(an_idle_connection_costs_little_memory_and_gives_it_to_the_next),
        CONTRACT_TEST(an_idle_connection_costs_as_much_whatever_it_is_to_be_lent),
    };
    return contract_run_once(__FILE__, tests, sizeof tests / sizeof tests[0]);
}
