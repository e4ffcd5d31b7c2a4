#include "lib.h"

#include <stdlib.h>

#include "../sockets.h"

#define CLOSE_TIMEOUT_NS UINT64_C(10000000000)

bool bench_lib_open_loop_with(bench_run *run, size_t index, const iocp_loop_options_t *options)
{
    return bench_check(run, iocp_loop_create(options, &run->loops[index]), "iocp_loop_create");
}

bool bench_lib_open_loop(bench_run *run, size_t index)
{
    return bench_lib_open_loop_with(run, index, NULL);
}

void bench_lib_close(bench_run *run)
{
    for (size_t i = 0; i < BENCH_LOOPS; i++) {
        if (run->loops[i] != NULL) {
            bench_check(run, iocp_loop_destroy(run->loops[i], CLOSE_TIMEOUT_NS),
                        "iocp_loop_destroy");
            run->loops[i] = NULL;
        }
    }
}

void bench_lib_close_and_free(bench_run *run)
{
    bench_lib_close(run);
    free(run->state);
}

void bench_lib_fail(bench_run *run, iocp_loop_t *loop, int status, const char *what)
{
    bench_check(run, status, what);
    iocp_loop_stop(loop);
}

static bool status__is_want(int status)
{
    return status == IOCP_EMFILE || status == IOCP_ENOBUFS || status == IOCP_EADDRNOTAVAIL ||
           status == IOCP_EADDRINUSE;
}

bool bench_lib_check(bench_run *run, int status, const char *what)
{
    return status__is_want(status) ? bench_skip(run, "the system has too few handles or ports")
                                   : bench_check(run, status, what);
}

bool bench_lib_run(bench_run *run, iocp_loop_t *loop)
{
    return bench_check(run, iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), "iocp_loop_run") &&
           bench_check(run, iocp_loop_resume(loop), "iocp_loop_resume") && run->error[0] == '\0';
}

/* ---- Sockets ---- */

static struct sockaddr_in loopback__any_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

bool bench_lib_listen(bench_run *run, iocp_loop_t *loop, iocp_handle_t *listener)
{
    struct sockaddr_in address = loopback__any_port();
    return bench_check(run, iocp_socket_open(loop, AF_INET, SOCK_STREAM, 0, listener),
                       "iocp_socket_open") &&
           bench_check(
               run, iocp_socket_bind(loop, *listener, (struct sockaddr *)&address, sizeof address),
               "iocp_socket_bind") &&
           bench_check(run, iocp_socket_listen(loop, *listener, 0), "iocp_socket_listen");
}

typedef struct meeting {
    bench_run *run;
    bench_pair *pair;
} meeting;

static iocp_action_t IOCP_CALL meeting__on_accept(iocp_loop_t *loop, const iocp_result_t *result,
                                                  void *userdata)
{
    meeting *both = userdata;
    (void)loop;
    bench_check(both->run, result->status, "accept");
    both->pair->server = result->opened;
    return IOCP_DISARM;
}

static iocp_action_t IOCP_CALL meeting__on_connect(iocp_loop_t *loop, const iocp_result_t *result,
                                                   void *userdata)
{
    meeting *both = userdata;
    (void)loop;
    bench_check(both->run, result->status, "connect");
    return IOCP_DISARM;
}

bool bench_lib_open_pair(bench_run *run, iocp_loop_t *loop, bench_pair *pair)
{
    meeting both = {.run = run, .pair = pair};
    iocp_handle_t listener = {0};
    struct sockaddr_in address = {0};
    size_t length = sizeof address;
    if (!bench_lib_listen(run, loop, &listener)) {
        return false;
    }
    return bench_check(run,
                       iocp_socket_get_name(loop, listener, (struct sockaddr *)&address, &length),
                       "iocp_socket_get_name") &&
           bench_check(run, iocp_socket_open(loop, AF_INET, SOCK_STREAM, 0, &pair->client),
                       "iocp_socket_open") &&
           bench_check(run, iocp_accept(loop, listener, meeting__on_accept, &both, NULL),
                       "iocp_accept") &&
           bench_check(run,
                       iocp_connect(loop, pair->client, (struct sockaddr *)&address, length,
                                    meeting__on_connect, &both, NULL),
                       "iocp_connect") &&
           bench_lib_run(run, loop) &&
           bench_check(run, iocp_close(loop, listener, NULL, NULL, NULL), "iocp_close") &&
           bench_lib_run(run, loop) &&
           bench_check(run, iocp_socket_set_option(loop, pair->client, IOCP_SOCKET_NODELAY, 1),
                       "iocp_socket_set_option") &&
           bench_check(run, iocp_socket_set_option(loop, pair->server, IOCP_SOCKET_NODELAY, 1),
                       "iocp_socket_set_option");
}
