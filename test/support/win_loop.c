#include "win_loop.h"

#include "loop.h"

#include "win_faults.h"
#include "win_leaks.h"

#define LIFE_MOST_CALLS 500
#define LIFE_END_NS     UINT64_C(10000000000)

win_test win;

/* ---- The test ---- */

void win_begin(void)
{
    contract_set_over(false);
    win_faults_reset();
    win.sys = *win_faults_table();
    unit_memory_init(&win.memory);
    win.loop = NULL;
    win.handles_before = win_open_handles();
}

void win_open(iocp_completion_mode_t mode)
{
    win_open_with((iocp_loop_options_t){.completion_mode = (uint32_t)mode});
}

void win_open_with(iocp_loop_options_t options)
{
    win_loop_destroy(&win.loop);
    assert_int_equal(win_loop_try_create(&win.sys, &win.memory, options, &win.loop), IOCP_OK);
}

void win_close(void)
{
    contract_set_over(true);
    win_faults_stop();
    win_loop_destroy(&win.loop);
}

int win_setup(void **state)
{
    (void)state;
    win_begin();
    win_open(IOCP_COMPLETION_AUTO);
    return 0;
}

int win_end(void **state)
{
    (void)state;
    win_close();
    win_loop_check_leaks(&win.memory, win.handles_before);
    return 0;
}

void win_use_winsock(void)
{
    WSADATA data;
    assert_int_equal(WSAStartup(MAKEWORD(2, 2), &data), 0);
}

SOCKET win_connect(const contract_address *address)
{
    int family = address->storage.ss_family;
    SOCKET plain = WSASocketW(family, SOCK_STREAM, 0, NULL, 0, WSA_FLAG_OVERLAPPED);
    assert_true(plain != INVALID_SOCKET);
    assert_int_equal(connect(plain, contract_sockaddr(address), (int)address->length), 0);
    return plain;
}

/* ---- What its callbacks were told ---- */

void win_wait(const contract_record *record, int calls)
{
    contract_wait(win.loop, record, calls);
    assert_int_equal(record->calls, calls);
}

void win_expect(const contract_record *record, int calls, int status, uint32_t native_error)
{
    assert_int_equal(record->calls, calls);
    assert_string_equal(iocp_error_name(record->status), iocp_error_name(status));
    assert_int_equal(record->result.native_error, native_error);
}

/* ---- Loops besides ---- */

int win_loop_try_create(const ioc_sys *sys, unit_memory *memory, iocp_loop_options_t options,
                        iocp_loop_t **loop)
{
    ioc_win_options win_options = {.sys = sys};
    options.size = sizeof options;
    options.allocate = memory->alloc.allocate;
    options.free = memory->alloc.free;
    options.allocator_context = memory->alloc.context;
    return ioc_loop_create(&options, ioc_backend_default(), &win_options, loop);
}

iocp_loop_t *win_loop_create(const ioc_sys *sys, unit_memory *memory, iocp_completion_mode_t mode)
{
    iocp_loop_options_t options = {.completion_mode = (uint32_t)mode};
    iocp_loop_t *loop = NULL;
    assert_int_equal(win_loop_try_create(sys, memory, options, &loop), IOCP_OK);
    return loop;
}

void win_loop_destroy(iocp_loop_t **loop)
{
    if (*loop != NULL) {
        assert_int_equal(iocp_loop_destroy(*loop, UINT64_MAX), IOCP_OK);
        *loop = NULL;
    }
}

void win_life_count(win_life *life, int status)
{
    life->started += status == IOCP_OK;
}

static void life__check(const win_life *life)
{
    int calls = 0;
    for (size_t i = 0; i < IOC_COUNT_OF(life->records); i++) {
        assert_in_range(life->records[i].calls, 0, 1);
        calls += life->records[i].calls;
    }
    assert_int_equal(calls, life->started);
}

/* With the n-th call failing. False: there were fewer. */
static bool life__try(iocp_completion_mode_t mode, uint64_t n,
                      void (*live)(iocp_loop_t *loop, win_life *life))
{
    win_life life = {0};
    iocp_loop_t *loop = NULL;
    iocp_loop_options_t options = {.completion_mode = (uint32_t)mode};
    bool is_struck = true;
    win_faults_reset();
    win_faults_fail_nth(n);
    if (win_loop_try_create(&win.sys, &win.memory, options, &loop) == IOCP_OK) {
        live(loop, &life);
        is_struck = win_faults_struck() > 0;
        win_faults_stop();
        assert_int_equal(iocp_loop_destroy(loop, LIFE_END_NS), IOCP_OK);
    }
    life__check(&life);
    return is_struck;
}

void win_live_with_faults(void (*live)(iocp_loop_t *loop, win_life *life))
{
    static const iocp_completion_mode_t modes[] = {IOCP_COMPLETION_PACKET, IOCP_COMPLETION_SKIP};
    for (size_t m = 0; m < IOC_COUNT_OF(modes); m++) {
        for (uint64_t n = 1; life__try(modes[m], n, live); n++) {
            assert_true(n < LIFE_MOST_CALLS);
        }
    }
}

void win_loop_check_leaks(const unit_memory *memory, size_t handles_before)
{
    assert_int_equal(unit_memory_live(memory), 0);
    assert_int_equal(win_settled_handles(handles_before), handles_before);
    assert_int_equal(win_faults_held(), 0);
}
