/*
 * What the contract tests share. They use the public header alone and say what must hold on every
 * backend: natively they run on the simulation, on Windows on completion ports.
 *
 * Each test gets a fresh loop with an allocator that counts, and after it nothing may be left: no
 * memory, no handle of the system. A test program runs all its tests once for each regime: the ways
 * in which completions can come back, and in the simulation also several seeds of a kernel that
 * takes its time.
 */
#ifndef TEST_CONTRACT_ENV_H
#define TEST_CONTRACT_ENV_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>

#include "iocploop.h"

#include "contract_net.h"

#define MS UINT64_C(1000000) /* nanoseconds */
#define S  UINT64_C(1000000000)

typedef struct contract_env {
    iocp_loop_t *loop;
    size_t open_before;
} contract_env;

/* One test. */
#define CONTRACT_TEST(function) \
    cmocka_unit_test_setup_teardown(function, contract_setup, contract_teardown)

int contract_setup(void **state);
int contract_teardown(void **state);

/* Run them in every regime, or only in those that matter to tests without sockets. */
#define CONTRACT_RUN(tests) contract_run(__FILE__, tests, sizeof(tests) / sizeof((tests)[0]), true)
#define CONTRACT_RUN_WITHOUT_SOCKETS(tests) \
    contract_run(__FILE__, tests, sizeof(tests) / sizeof((tests)[0]), false)

/* How many failed. */
int contract_run(const char *file, const struct CMUnitTest *tests, size_t count, bool has_sockets);

/* In one regime: for tests that script the simulation themselves. */
int contract_run_once(const char *file, const struct CMUnitTest *tests, size_t count);

/* ---- Loops ---- */

/* The loop of this test, and that the test has destroyed it. */
iocp_loop_t *contract_loop(void **state);
void contract_forget_loop(void **state);

/* The options of this regime, with the counting allocator: for loops of a test's own. */
iocp_loop_options_t contract_options(void);
iocp_loop_t *contract_loop_create(void);

/* End a loop with everything given back. */
void contract_loop_destroy(iocp_loop_t *loop);

/* Refuse to allocate once `count` more blocks were given; UINT64_MAX: never. */
void contract_allow_blocks(uint64_t count);

/* Whether the regime lets an operation end without a packet. */
bool contract_may_be_inline(void);

iocp_stats_t contract_stats(const iocp_loop_t *loop);

/* ---- Time ---- */

/* In the simulation time passes only while a loop sleeps, and exactly as long as was asked for. */
bool contract_clock_is_virtual(void);

/* Let this much time pass, or more if the clock is real. */
void contract_pass_time(iocp_loop_t *loop, uint64_t ns);

/* ---- Results ---- */

/* What a callback was told, zeroed at first. */
typedef struct contract_record {
    int calls;
    int rearms;               /* answer IOCP_REARM this many more times */
    int status;               /* of the last call, as what follows */
    iocp_result_t result;     /* without `address` */
    contract_address address; /* the peer of an accept */
    uint64_t now_ns;          /* the loop's time */
    int order;                /* the how many-th callback of the test it was */
    uint64_t total_bytes;     /* of all calls */
} contract_record;

/* The callback that keeps a record: its userdata is a contract_record. */
iocp_action_t IOCP_CALL contract_keep(iocp_loop_t *loop, const iocp_result_t *result,
                                      void *userdata);

/* For other callbacks: whether the test has ended or failed, so that its records may be gone. */
bool contract_is_over(void);
void contract_set_over(bool is_over);

/* Run the loop until the record has `calls` calls. Fails if it ends before. */
void contract_wait(iocp_loop_t *loop, const contract_record *record, int calls);

/* Run the loop while nothing happens in a few turns. */
void contract_idle(iocp_loop_t *loop);

/* ---- Connections ---- */

typedef struct contract_pair {
    iocp_handle_t listener;
    iocp_handle_t client;
    iocp_handle_t server;
} contract_pair;

/* A listener on a free loopback port, and its address. */
iocp_handle_t contract_listen(iocp_loop_t *loop, int family, contract_address *address);

/* A fresh socket. */
iocp_handle_t contract_open(iocp_loop_t *loop, int family);

/* Two connected sockets, and the listener that they met at. */
contract_pair contract_connect(iocp_loop_t *loop, int family);

/* The system's socket behind a handle, for what is done with sockets that no loop has. */
uintptr_t contract_native_socket(iocp_loop_t *loop, iocp_handle_t handle);

/* Close without asking how it went. */
void contract_close(iocp_loop_t *loop, iocp_handle_t handle);
void contract_close_pair(iocp_loop_t *loop, contract_pair pair);

/* Skips the test, or what is left of it, on a machine without IPv6. */
void contract_need_ipv6(void);

/* Send all of it, or receive all of it, and wait until that is done. */
void contract_send_all(iocp_loop_t *loop, iocp_handle_t handle, const void *data, size_t size);
void contract_recv_all(iocp_loop_t *loop, iocp_handle_t handle, void *data, size_t size);

/*
 * Send zeros until the connection has no room, nor gets any in an idle loop: what is sent from here on
 * waits in the kernel until the peer reads.
 */
void contract_fill(iocp_loop_t *loop, iocp_handle_t handle);

#endif
