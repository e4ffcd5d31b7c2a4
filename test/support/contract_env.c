#include "contract_env.h"

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(_WIN32)
#include "win_leaks.h"
#else
#include "sim.h"
#endif

#define ENV_MOST_TURNS 10000000

/* A way in which completions can come back. */
typedef struct env_regime {
    const char *name;
    iocp_completion_mode_t mode;
    uint64_t seed;       /* of the simulation; 0: it does everything at once */
    bool is_for_all;     /* also for tests without sockets */
    bool sends_any_size; /* of the simulation */
} env_regime;

static const env_regime env_regimes[] = {
    {"auto", IOCP_COMPLETION_AUTO, 0, true, false},
    {"packet", IOCP_COMPLETION_PACKET, 0, false, false},
    {"skip", IOCP_COMPLETION_SKIP, 0, false, false},
#if !defined(_WIN32)
    {"seed 1", IOCP_COMPLETION_AUTO, 1, true, false},
    {"seed 2", IOCP_COMPLETION_AUTO, 2, true, false},
    {"seed 3", IOCP_COMPLETION_PACKET, 3, true, false},
    {"any size", IOCP_COMPLETION_AUTO, 0, false, true},
    {"any size, seed 4", IOCP_COMPLETION_AUTO, 4, false, true},
    {"any size, seed 5", IOCP_COMPLETION_PACKET, 5, false, true},
#endif
};

static const env_regime *env_now = &env_regimes[0];
static unit_memory env_memory;
static ioc_atomic_u32 env_callbacks;
static bool env_is_over; /* the test's records may be gone, if it failed */

/* ---- Regimes ---- */

static void regime__begin(const env_regime *regime)
{
    env_now = regime;
#if !defined(_WIN32)
    sim_script at_once = {.sends_any_size = regime->sends_any_size};
    sim_script script = {
        .seed = regime->seed,
        .sends_any_size = regime->sends_any_size,
        .latency_ns = 2 * MS,
        .file_ns = 2 * MS,
        .capacity_bytes = 5000,
        .packet = 50,
        .partial = 50,
        .early_dequeue = 10,
        .foreign = 5,
        .late_wake = 30,
        .late_cancel = 30,
    };
    sim_use_script(regime->seed != 0 ? &script : &at_once);
#endif
}

/* What the system opens once and keeps is open before the first test counts. */
static int regime__warm_up(void **state)
{
    (void)state;
    env_is_over = false;
    unit_memory_init(&env_memory);
    iocp_loop_t *loop = contract_loop_create();
    contract_close_pair(loop, contract_connect(loop, AF_INET));
    if (contract_has_ipv6()) {
        contract_close_pair(loop, contract_connect(loop, AF_INET6));
    }
    contract_loop_destroy(loop);
    return 0;
}

static int regime__run(const env_regime *regime, const char *file, const struct CMUnitTest *tests,
                       size_t count)
{
    char name[64];
    const char *slash = strrchr(file, '/') != NULL ? strrchr(file, '/') : strrchr(file, '\\');
    (void)snprintf(name, sizeof name, "%.40s (%s)", slash != NULL ? slash + 1 : file, regime->name);
    regime__begin(regime);
    return _cmocka_run_group_tests(name, tests, count, regime__warm_up, NULL);
}

int contract_run(const char *file, const struct CMUnitTest *tests, size_t count, bool has_sockets)
{
    int failures = 0;
#if defined(_WIN32)
    win_catch_crashes();
#endif
    for (size_t i = 0; i < IOC_COUNT_OF(env_regimes); i++) {
        if (has_sockets || env_regimes[i].is_for_all) {
            failures += regime__run(&env_regimes[i], file, tests, count);
        }
    }
    return failures;
}

int contract_run_once(const char *file, const struct CMUnitTest *tests, size_t count)
{
    return regime__run(&env_regimes[0], file, tests, count);
}

/* ---- One test ---- */

/* No more than there were before an earlier test: the pool may just make a thread for its end. */
static size_t env__open_handles(void)
{
    static size_t least = SIZE_MAX;
    size_t now = contract_open_handles();
    least = now < least ? now : least;
    return least;
}

int contract_setup(void **state)
{
    contract_env *env = calloc(1, sizeof *env);
    assert_non_null(env);
    unit_memory_init(&env_memory);
    ioc_store_u32(&env_callbacks, 0);
    env_is_over = false;
    env->open_before = env__open_handles();
    env->loop = contract_loop_create();
    *state = env;
    return 0;
}

int contract_teardown(void **state)
{
    contract_env *env = *state;
    iocp_loop_t *loop = env->loop;
    size_t open_before = env->open_before;
    env_is_over = true;
    free(env);
    if (loop != NULL) {
        assert_int_equal(iocp_loop_destroy(loop, 10 * S), IOCP_OK);
    }
    assert_int_equal(unit_memory_live(&env_memory), 0);
    assert_int_equal(contract_settled_handles(open_before), open_before);
    return 0;
}

/* ---- Loops ---- */

iocp_loop_t *contract_loop(void **state)
{
    const contract_env *env = *state;
    return env->loop;
}

void contract_forget_loop(void **state)
{
    contract_env *env = *state;
    env->loop = NULL;
}

iocp_loop_options_t contract_options(void)
{
    iocp_loop_options_t options = {
        .size = sizeof options,
        .completion_mode = (uint32_t)env_now->mode,
        .allocate = env_memory.alloc.allocate,
        .free = env_memory.alloc.free,
        .allocator_context = &env_memory,
    };
    return options;
}

iocp_loop_t *contract_loop_create(void)
{
    iocp_loop_options_t options = contract_options();
    iocp_loop_t *loop = NULL;
    assert_int_equal(iocp_loop_create(&options, &loop), IOCP_OK);
    assert_non_null(loop);
    return loop;
}

/* Without a limit: a loop that waited for nothing would use a limit up, and nobody would notice. */
void contract_loop_destroy(iocp_loop_t *loop)
{
    assert_int_equal(iocp_loop_destroy(loop, UINT64_MAX), IOCP_OK);
}

void contract_allow_blocks(uint64_t count)
{
    unit_memory_allow(&env_memory, count);
}

bool contract_may_be_inline(void)
{
    return env_now->mode != IOCP_COMPLETION_PACKET;
}

iocp_stats_t contract_stats(const iocp_loop_t *loop)
{
    iocp_stats_t stats = {.size = sizeof stats};
    assert_int_equal(iocp_loop_stats(loop, &stats), IOCP_OK);
    return stats;
}

/* ---- Time ---- */

#if defined(_WIN32)

bool contract_clock_is_virtual(void)
{
    return false;
}

void contract_pass_time(iocp_loop_t *loop, uint64_t ns)
{
    (void)loop;
    /* A sleep may end up to one tick of the system's clock early. */
    Sleep((DWORD)ioc_divide_up(ns, MS) + 16);
}

#else

bool contract_clock_is_virtual(void)
{
    return true;
}

void contract_pass_time(iocp_loop_t *loop, uint64_t ns)
{
    sim_advance(loop, ns);
}

#endif

/* ---- Results ---- */

iocp_action_t IOCP_CALL contract_keep(iocp_loop_t *loop, const iocp_result_t *result,
                                      void *userdata)
{
    contract_record *record = userdata;
    if (env_is_over) {
        return IOCP_DISARM;
    }
    record->calls++;
    record->status = result->status;
    record->result = *result;
    record->result.address = NULL;
    record->address.length = 0;
    if (result->address != NULL && result->address_length <= sizeof record->address.storage) {
        memcpy(&record->address.storage, result->address, result->address_length);
        record->address.length = result->address_length;
    }
    record->now_ns = iocp_loop_now(loop);
    record->order = (int)ioc_add_u32(&env_callbacks, 1) + 1;
    record->total_bytes += result->bytes;
    if (record->rearms == 0) {
        return IOCP_DISARM;
    }
    record->rearms--;
    return IOCP_REARM;
}

void contract_set_over(bool is_over)
{
    env_is_over = is_over;
}

bool contract_is_over(void)
{
    return env_is_over;
}

void contract_wait(iocp_loop_t *loop, const contract_record *record, int calls)
{
    for (int turn = 0; record->calls < calls; turn++) {
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_ONCE), IOCP_OK);
        bool is_going_on = iocp_loop_active(loop) > 0 && turn < ENV_MOST_TURNS;
        assert_true(record->calls >= calls || is_going_on);
    }
}

void contract_idle(iocp_loop_t *loop)
{
    for (int i = 0; i < 4; i++) {
        contract_pass_time(loop, 3 * MS);
        assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    }
}

/* ---- Connections ---- */

void contract_need_ipv6(void)
{
    if (!contract_has_ipv6()) {
        print_message("there is no IPv6 here\n");
        skip();
    }
}

iocp_handle_t contract_open(iocp_loop_t *loop, int family)
{
    iocp_handle_t handle = {0};
    assert_int_equal(iocp_socket_open(loop, family, SOCK_STREAM, 0, &handle), IOCP_OK);
    assert_true(handle.id != 0);
    return handle;
}

iocp_handle_t contract_listen(iocp_loop_t *loop, int family, contract_address *address)
{
    iocp_handle_t listener = contract_open(loop, family);
    *address = contract_loopback(family, 0);
    assert_int_equal(iocp_socket_bind(loop, listener, contract_sockaddr(address), address->length),
                     IOCP_OK);
    assert_int_equal(iocp_socket_listen(loop, listener, 0), IOCP_OK);
    address->length = sizeof address->storage;
    assert_int_equal(iocp_socket_get_name(loop, listener, (struct sockaddr *)&address->storage,
                                          &address->length),
                     IOCP_OK);
    assert_true(contract_port(address) != 0);
    return listener;
}

contract_pair contract_connect(iocp_loop_t *loop, int family)
{
    contract_address address;
    contract_record accepted = {0};
    contract_record connected = {0};
    contract_pair pair = {.listener = contract_listen(loop, family, &address)};
    pair.client = contract_open(loop, family);
    assert_int_equal(iocp_accept(loop, pair.listener, contract_keep, &accepted, NULL), IOCP_OK);
    assert_int_equal(iocp_connect(loop, pair.client, contract_sockaddr(&address), address.length,
                                  contract_keep, &connected, NULL),
                     IOCP_OK);
    contract_wait(loop, &accepted, 1);
    contract_wait(loop, &connected, 1);
    assert_int_equal(accepted.status, IOCP_OK);
    assert_int_equal(connected.status, IOCP_OK);
    pair.server = accepted.result.opened;
    return pair;
}

uintptr_t contract_native_socket(iocp_loop_t *loop, iocp_handle_t handle)
{
    void *native = NULL;
    assert_int_equal(iocp_handle_native(loop, handle, &native), IOCP_OK);
    return (uintptr_t)native;
}

void contract_close(iocp_loop_t *loop, iocp_handle_t handle)
{
    assert_int_equal(iocp_close(loop, handle, NULL, NULL, NULL), IOCP_OK);
}

void contract_close_pair(iocp_loop_t *loop, contract_pair pair)
{
    contract_record closed = {0};
    contract_close(loop, pair.client);
    contract_close(loop, pair.server);
    assert_int_equal(iocp_close(loop, pair.listener, contract_keep, &closed, NULL), IOCP_OK);
    contract_wait(loop, &closed, 1);
}

void contract_send_all(iocp_loop_t *loop, iocp_handle_t handle, const void *data, size_t size)
{
    contract_record sent = {0};
    assert_int_equal(iocp_send(loop, handle, data, size, contract_keep, &sent, NULL), IOCP_OK);
    contract_wait(loop, &sent, 1);
    assert_int_equal(sent.status, IOCP_OK);
    assert_int_equal(sent.result.bytes, size);
}

void contract_recv_all(iocp_loop_t *loop, iocp_handle_t handle, void *data, size_t size)
{
    unsigned char *to = data;
    while (size > 0) {
        contract_record received = {0};
        assert_int_equal(iocp_recv(loop, handle, to, size, contract_keep, &received, NULL),
                         IOCP_OK);
        contract_wait(loop, &received, 1);
        assert_int_equal(received.status, IOCP_OK);
        assert_in_range(received.result.bytes, 1, size);
        to += received.result.bytes;
        size -= (size_t)received.result.bytes;
    }
}

void contract_fill(iocp_loop_t *loop, iocp_handle_t handle)
{
    static char zeros[65536];
    const iocp_buf_t buffer = {.length = sizeof zeros, .base = zeros};
    uint64_t before = 0;
    uint64_t total = 0;
    do {
        int status = IOCP_OK;
        before = total;
        while (status == IOCP_OK) {
            uint64_t sent = 0;
            status = iocp_try_send(loop, handle, &buffer, 1, &sent);
            total += status == IOCP_OK ? sent : 0;
        }
        assert_int_equal(status, IOCP_EAGAIN);
        contract_idle(loop);
    } while (total > before);
}
