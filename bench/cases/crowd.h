/*
 * Many clients on one loop. A client connects, sends a message and waits for all of it to come
 * back, so many times; then it closes with a reset, since an orderly end would leave its port in
 * TIME_WAIT, and connects anew while there are lives left.
 */
#ifndef BENCH_CROWD_H
#define BENCH_CROWD_H

#include "../bench_win.h"
#include "../cases.h"
#include "lib.h"

struct bench_crowd;

/* One end of a connection. */
typedef struct bench_client {
    struct bench_crowd *crowd;
    iocp_handle_t handle;
    uint64_t trips;    /* in this life */
    uint64_t since_ns; /* when it connected, or sent its message */
    size_t received;   /* of the message that comes back */
    char data[BENCH_MESSAGE_BYTES];
} bench_client;

/* Values that are told in the end, as many as there is room for. */
typedef struct bench_notes {
    uint64_t *values;
    size_t count;
    size_t room;
} bench_notes;

void bench_notes_add(bench_notes *notes, uint64_t value);

typedef struct bench_crowd {
    bench_run *run;
    iocp_loop_t *loop;
    const struct sockaddr_in *address;
    bench_client *clients;
    size_t count;

    /* What a client does when its message is back. */
    void (*answered)(bench_client *client);

    uint64_t trips_each; /* in a life */
    uint64_t lives;      /* that have not begun */
    uint64_t left;       /* of whatever ends the run */
    uint64_t answers;    /* since bench_crowd_begin */

    bench_notes waits;  /* from a connect to the first answer */
    bench_notes behind; /* answers that came before a first one */
    bench_notes trips;  /* all other round trips */
} bench_crowd;

/* Its loop is run->loops[index]. With `has_notes` as many as one life of all makes. */
bool bench_crowd_open(bench_crowd *crowd, bench_run *run, size_t index, size_t count,
                      uint64_t trips_each, bool has_notes);
void bench_crowd_free(bench_crowd *crowd);

/* Forget what was noted. Run until `left` is 0. */
void bench_crowd_begin(bench_crowd *crowd);
bool bench_crowd_run(bench_crowd *crowd);

/* All lives, of as many clients at once as there are. */
bool bench_crowd_live(bench_crowd *crowd, uint64_t lives);

/* bench_crowd.answered of clients that live so. */
void bench_client_live_on(bench_client *client);

/* The steps of a life. */
void bench_client_connect(bench_client *client);
void bench_client_send(bench_client *client);

/* One less is left. */
void bench_crowd_count_down(bench_crowd *crowd);

#endif
