#include "crowd.h"

#include <stdlib.h>

#include "../clock.h"

/* ---- Errors ---- */

static bool crowd__check(bench_crowd *crowd, int status, const char *what)
{
    bool is_good = bench_lib_check(crowd->run, status, what);
    if (!is_good) {
        iocp_loop_stop(crowd->loop);
    }
    return is_good;
}

/* Callbacks come also in a loop that ends. */
static bool client__check(bench_client *client, int status, const char *what)
{
    return status != IOCP_ECANCELED && crowd__check(client->crowd, status, what);
}

/* ---- A message and back ---- */

void bench_notes_add(bench_notes *notes, uint64_t value)
{
    if (notes->count < notes->room) {
        notes->values[notes->count++] = value;
    }
}

static void client__note(bench_client *client)
{
    bench_crowd *crowd = client->crowd;
    uint64_t ns = bench_now_ns() - client->since_ns;
    if (client->trips == 0) {
        bench_notes_add(&crowd->waits, ns);
        bench_notes_add(&crowd->behind, crowd->answers);
    } else {
        bench_notes_add(&crowd->trips, ns);
    }
    crowd->answers++;
    client->trips++;
}

static iocp_action_t IOCP_CALL client__on_received(iocp_loop_t *loop, const iocp_result_t *result,
                                                   void *userdata)
{
    bench_client *client = userdata;
    (void)loop;
    if (!client__check(client, result->status, "receive")) {
        return IOCP_DISARM;
    }
    client->received += (size_t)result->bytes;
    if (client->received < sizeof client->data) {
        return IOCP_REARM;
    }
    client__note(client);
    client->crowd->answered(client);
    return IOCP_DISARM;
}

static iocp_action_t IOCP_CALL client__on_sent(iocp_loop_t *loop, const iocp_result_t *result,
                                               void *userdata)
{
    bench_client *client = userdata;
    client->received = 0;
    if (client__check(client, result->status, "send")) {
        client__check(client,
                      iocp_recv(loop, client->handle, client->data, sizeof client->data,
                                client__on_received, client, NULL),
                      "iocp_recv");
    }
    return IOCP_DISARM;
}

static void client__send(bench_client *client)
{
    crowd__check(client->crowd,
                 iocp_send(client->crowd->loop, client->handle, client->data, sizeof client->data,
                           client__on_sent, client, NULL),
                 "iocp_send");
}

void bench_client_send(bench_client *client)
{
    client->since_ns = bench_now_ns();
    client__send(client);
}

/* ---- A life ---- */

/* Its first message goes as soon as it is connected, and is answered once it is accepted. */
static iocp_action_t IOCP_CALL client__on_connected(iocp_loop_t *loop, const iocp_result_t *result,
                                                    void *userdata)
{
    bench_client *client = userdata;
    (void)loop;
    if (client__check(client, result->status, "connect")) {
        client__send(client);
    }
    return IOCP_DISARM;
}

void bench_client_connect(bench_client *client)
{
    bench_crowd *crowd = client->crowd;
    client->trips = 0;
    client->since_ns = bench_now_ns();
    (void)(crowd__check(crowd,
                        iocp_socket_open(crowd->loop, AF_INET, SOCK_STREAM, 0, &client->handle),
                        "iocp_socket_open") &&
           crowd__check(crowd,
                        iocp_socket_set_option(crowd->loop, client->handle, IOCP_SOCKET_LINGER, 0),
                        "iocp_socket_set_option") &&
           crowd__check(crowd,
                        iocp_connect(crowd->loop, client->handle,
                                     (const struct sockaddr *)crowd->address,
                                     sizeof *crowd->address, client__on_connected, client, NULL),
                        "iocp_connect"));
}

static iocp_action_t IOCP_CALL client__on_closed(iocp_loop_t *loop, const iocp_result_t *result,
                                                 void *userdata)
{
    bench_client *client = userdata;
    bench_crowd *crowd = client->crowd;
    (void)loop;
    if (client__check(client, result->status, "close")) {
        if (crowd->lives > 0) {
            crowd->lives--;
            bench_client_connect(client);
        }
        bench_crowd_count_down(crowd);
    }
    return IOCP_DISARM;
}

void bench_client_live_on(bench_client *client)
{
    bench_crowd *crowd = client->crowd;
    if (client->trips < crowd->trips_each) {
        bench_client_send(client);
    } else {
        crowd__check(crowd,
                     iocp_close(crowd->loop, client->handle, client__on_closed, client, NULL),
                     "iocp_close");
    }
}

/* ---- All of them ---- */

static bool notes__open(bench_notes *notes, size_t room)
{
    notes->values = calloc(room, sizeof *notes->values);
    notes->room = room;
    return notes->values != NULL;
}

bool bench_crowd_open(bench_crowd *crowd, bench_run *run, size_t index, size_t count,
                      uint64_t trips_each, bool has_notes)
{
    crowd->run = run;
    crowd->count = count;
    crowd->trips_each = trips_each;
    crowd->answered = bench_client_live_on;
    crowd->clients = calloc(count, sizeof *crowd->clients);
    bool is_good = crowd->clients != NULL;
    if (has_notes) {
        is_good = notes__open(&crowd->waits, count) && notes__open(&crowd->behind, count) &&
                  notes__open(&crowd->trips, count * (size_t)trips_each) && is_good;
    }
    if (!is_good) {
        return bench_fail(run, "calloc", 0);
    }
    for (size_t i = 0; i < count; i++) {
        crowd->clients[i].crowd = crowd;
    }
    if (!bench_lib_open_loop(run, index)) {
        return false;
    }
    crowd->loop = run->loops[index];
    return true;
}

void bench_crowd_free(bench_crowd *crowd)
{
    free(crowd->clients);
    free(crowd->waits.values);
    free(crowd->behind.values);
    free(crowd->trips.values);
}

void bench_crowd_begin(bench_crowd *crowd)
{
    crowd->answers = 0;
    crowd->waits.count = 0;
    crowd->behind.count = 0;
    crowd->trips.count = 0;
}

void bench_crowd_count_down(bench_crowd *crowd)
{
    if (--crowd->left == 0) {
        iocp_loop_stop(crowd->loop);
    }
}

bool bench_crowd_run(bench_crowd *crowd)
{
    return bench_lib_run(crowd->run, crowd->loop) && crowd->left == 0;
}

bool bench_crowd_live(bench_crowd *crowd, uint64_t lives)
{
    bench_crowd_begin(crowd);
    crowd->left = lives;
    uint64_t at_once = lives < crowd->count ? lives : crowd->count;
    crowd->lives = lives - at_once;
    for (uint64_t i = 0; i < at_once; i++) {
        bench_client_connect(&crowd->clients[i]);
    }
    return bench_crowd_run(crowd);
}
