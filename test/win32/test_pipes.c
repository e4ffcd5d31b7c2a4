/*
 * Pipes as Windows has them: how the system is asked for them, what a program gets that has nothing to
 * do with a loop, messages; and each system call and allocation failing in turn.
 */
#include "unit.h"

#include "win32/sys.h"

#include "win_faults.h"
#include "win_leaks.h"
#include "win_loop.h"

#include <stdio.h>
#include <string.h>
#include <wchar.h>

/* ---- What the system is asked for ---- */

typedef struct asked_instance {
    wchar_t name[128];
    DWORD open_mode;
    DWORD pipe_mode;
    DWORD instances;
    DWORD bytes[2];
    wchar_t security[256]; /* in SDDL */
    bool is_inheritable;
} asked_instance;

typedef struct asked_client {
    wchar_t name[128];
    DWORD access;
    DWORD share;
    DWORD disposition;
    DWORD flags;
    bool is_inheritable;
} asked_client;

static struct {
    unit_memory memory;
    size_t handles_before;
    ioc_sys sys;
    iocp_loop_t *loop;
    asked_instance instance; /* the last one */
    asked_client client;
    int waiting; /* for so many callbacks */
} now;

static HANDLE WINAPI spy__create_pipe(const wchar_t *name, DWORD open_mode, DWORD pipe_mode,
                                      DWORD instances, DWORD out_bytes, DWORD in_bytes,
                                      DWORD timeout_ms, SECURITY_ATTRIBUTES *security)
{
    asked_instance *asked = &now.instance;
    (void)swprintf(asked->name, IOC_COUNT_OF(asked->name), L"%ls", name);
    asked->open_mode = open_mode;
    asked->pipe_mode = pipe_mode;
    asked->instances = instances;
    asked->bytes[0] = out_bytes;
    asked->bytes[1] = in_bytes;
    asked->is_inheritable = security->bInheritHandle;
    return win_faults_table()->CreateNamedPipeW(name, open_mode, pipe_mode, instances, out_bytes,
                                                in_bytes, timeout_ms, security);
}

static BOOL WINAPI spy__convert_sddl(const wchar_t *text, DWORD revision,
                                     PSECURITY_DESCRIPTOR *descriptor, ULONG *size)
{
    (void)swprintf(now.instance.security, IOC_COUNT_OF(now.instance.security), L"%ls", text);
    return win_faults_table()->ConvertStringSecurityDescriptorToSecurityDescriptorW(
        text, revision, descriptor, size);
}

static HANDLE WINAPI spy__create_file(const wchar_t *name, DWORD access, DWORD share,
                                      SECURITY_ATTRIBUTES *security, DWORD disposition, DWORD flags,
                                      HANDLE model)
{
    asked_client *asked = &now.client;
    (void)swprintf(asked->name, IOC_COUNT_OF(asked->name), L"%ls", name);
    asked->access = access;
    asked->share = share;
    asked->disposition = disposition;
    asked->flags = flags;
    asked->is_inheritable = security != NULL && security->bInheritHandle;
    return win_faults_table()->CreateFileW(name, access, share, security, disposition, flags,
                                           model);
}

/* ---- The environment ---- */

static int pipes__setup(void **state)
{
    (void)state;
    memset(&now, 0, sizeof now);
    win_faults_reset();
    unit_memory_init(&now.memory);
    now.sys = *win_faults_table();
    now.sys.CreateNamedPipeW = spy__create_pipe;
    now.sys.CreateFileW = spy__create_file;
    now.sys.ConvertStringSecurityDescriptorToSecurityDescriptorW = spy__convert_sddl;
    now.handles_before = win_open_handles();
    now.loop = win_loop_create(&now.sys, &now.memory, IOCP_COMPLETION_AUTO);
    return 0;
}

static int pipes__teardown(void **state)
{
    (void)state;
    win_faults_stop();
    win_loop_destroy(&now.loop);
    win_loop_check_leaks(&now.memory, now.handles_before);
    return 0;
}

/* ---- Steps ---- */

/* What an operation has brought. */
typedef struct outcome {
    int calls;
    int status;
    uint32_t flags;
    uint64_t bytes;
} outcome;

static iocp_action_t IOCP_CALL pipes__note(iocp_loop_t *loop, const iocp_result_t *result,
                                           void *userdata)
{
    outcome *o = userdata;
    (void)loop;
    o->calls++;
    o->status = result->status;
    o->flags = result->flags;
    o->bytes = result->bytes;
    return IOCP_DISARM;
}

static void pipes__wait(const outcome *o)
{
    while (o->calls == 0) {
        assert_int_equal(iocp_loop_run(now.loop, IOCP_RUN_ONCE), IOCP_OK);
    }
}

static outcome pipes__read(iocp_handle_t pipe, void *data, size_t size)
{
    outcome o = {0};
    assert_int_equal(iocp_read(now.loop, pipe, data, size, pipes__note, &o, NULL), IOCP_OK);
    pipes__wait(&o);
    return o;
}

static void pipes__write(iocp_handle_t pipe, const char *text)
{
    outcome o = {0};
    size_t size = strlen(text);
    assert_int_equal(iocp_write(now.loop, pipe, text, size, pipes__note, &o, NULL), IOCP_OK);
    pipes__wait(&o);
    assert_int_equal(o.status, IOCP_OK);
    assert_int_equal(o.bytes, size);
}

static void pipes__assert_read(iocp_handle_t pipe, size_t size, const char *text, uint32_t flags)
{
    char data[64] = {0};
    outcome o = pipes__read(pipe, data, size);
    assert_int_equal(o.status, IOCP_OK);
    assert_int_equal(o.flags & IOCP_RESULT_MORE, flags);
    assert_int_equal(o.bytes, strlen(text));
    assert_string_equal(data, text);
}

static HANDLE pipes__native(iocp_handle_t pipe)
{
    void *native = NULL;
    assert_int_equal(iocp_handle_native(now.loop, pipe, &native), IOCP_OK);
    return native;
}

/* As a program reads and writes that knows of no loop: synchronously. */
static void raw__write(HANDLE end, const char *text)
{
    DWORD written = 0;
    assert_true(WriteFile(end, text, (DWORD)strlen(text), &written, NULL));
    assert_int_equal(written, strlen(text));
}

static void raw__assert_read(HANDLE end, DWORD size, const char *text)
{
    char data[64] = {0};
    DWORD got = 0;
    assert_true(ReadFile(end, data, size, &got, NULL));
    assert_int_equal(got, strlen(text));
    assert_string_equal(data, text);
}

/* ---- Pairs ---- */

typedef struct pair {
    iocp_handle_t ours;
    iocp_handle_t theirs;
} pair;

static pair pair__open(uint32_t flags)
{
    pair p = {{0}, {0}};
    assert_int_equal(iocp_pipe_pair(now.loop, flags, &p.ours, &p.theirs), IOCP_OK);
    return p;
}

static void a_pair_is_for_this_machine_and_the_owner_of_the_process_alone(void **state)
{
    (void)state;
    (void)pair__open(IOCP_PIPE_READ | IOCP_PIPE_WRITE);
    assert_int_equal(now.instance.open_mode,
                     PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | FILE_FLAG_FIRST_PIPE_INSTANCE);
    assert_int_equal(now.instance.pipe_mode, PIPE_REJECT_REMOTE_CLIENTS);
    assert_int_equal(now.instance.instances, 1);
    assert_true(wcscmp(now.instance.security, L"D:P(A;;GA;;;OW)") == 0);
    assert_true(wcscmp(now.client.name, now.instance.name) == 0);
    assert_int_equal(now.client.flags, SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION);
    assert_int_equal(now.client.disposition, OPEN_EXISTING);
    assert_int_equal(now.client.share, 0);
    assert_false(now.instance.is_inheritable);
    assert_false(now.client.is_inheritable);
}

/* Each byte of it counts: the system's random bytes are what the name ends with. */
static BOOLEAN WINAPI spy__count_up(void *bytes, ULONG count)
{
    unsigned char *to = bytes;
    for (ULONG i = 0; i < count; i++) {
        to[i] = (unsigned char)(0x0f + 16 * i);
    }
    return TRUE;
}

static void the_name_of_a_pair_is_128_random_bits(void **state)
{
    (void)state;
    wchar_t first[128];
    (void)pair__open(0);
    wmemcpy(first, now.instance.name, IOC_COUNT_OF(first));
    (void)pair__open(0);
    assert_true(wcscmp(now.instance.name, first) != 0);
    assert_int_equal(win_faults_count_of(WIN_RANDOM), 2);
    now.sys.RtlGenRandom = spy__count_up;
    (void)pair__open(0);
    assert_true(
        wcscmp(now.instance.name, L"\\\\.\\pipe\\iocploop-0f1f2f3f4f5f6f7f8f9fafbfcfdfefff") == 0);
}

static void a_pair_without_random_bits_is_refused(void **state)
{
    (void)state;
    pair p = {{0}, {0}};
    win_faults_fail_all_of(WIN_RANDOM, 0);
    SetLastError(0);
    assert_int_equal(iocp_pipe_pair(now.loop, 0, &p.ours, &p.theirs), IOCP_ENOBUFS);
    assert_int_equal(win_faults_count_of(WIN_CREATE_PIPE), 0);
}

static void each_end_of_a_pair_is_opened_for_its_way(void **state)
{
    (void)state;
    static const struct {
        uint32_t flags;
        DWORD open_mode;
        DWORD access;
    } rows[] = {
        {IOCP_PIPE_READ, PIPE_ACCESS_INBOUND | FILE_FLAG_OVERLAPPED, GENERIC_WRITE},
        {IOCP_PIPE_WRITE, PIPE_ACCESS_OUTBOUND | FILE_FLAG_OVERLAPPED,
         GENERIC_READ | FILE_WRITE_ATTRIBUTES},
        {0, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED,
         GENERIC_READ | GENERIC_WRITE | FILE_WRITE_ATTRIBUTES},
        {IOCP_PIPE_CHILDREN, PIPE_ACCESS_INBOUND, GENERIC_WRITE},
    };
    for (size_t i = 0; i < IOC_COUNT_OF(rows); i++) {
        (void)pair__open(rows[i].flags);
        assert_int_equal(now.instance.open_mode, rows[i].open_mode | FILE_FLAG_FIRST_PIPE_INSTANCE);
        assert_int_equal(now.client.access, rows[i].access);
    }
}

static void bytes_go_between_us_and_a_program_without_a_loop(void **state)
{
    (void)state;
    pair p = pair__open(0);
    raw__write(pipes__native(p.theirs), "from a child");
    pipes__assert_read(p.ours, 64, "from a child", 0);
    pipes__write(p.ours, "to a child");
    raw__assert_read(pipes__native(p.theirs), 64, "to a child");
}

static void two_children_talk_without_us(void **state)
{
    (void)state;
    pair p = pair__open(IOCP_PIPE_CHILDREN);
    raw__write(pipes__native(p.theirs), "pipeline");
    raw__assert_read(pipes__native(p.ours), 64, "pipeline");
}

static void messages_of_a_pair_end_where_they_were_written_both_ways(void **state)
{
    (void)state;
    pair p = pair__open(IOCP_PIPE_MESSAGE);
    raw__write(pipes__native(p.theirs), "one");
    raw__write(pipes__native(p.theirs), "second");
    pipes__assert_read(p.ours, 64, "one", 0);
    pipes__assert_read(p.ours, 4, "seco", IOCP_RESULT_MORE);
    pipes__assert_read(p.ours, 64, "nd", 0);
    pipes__write(p.ours, "one");
    pipes__write(p.ours, "second");
    raw__assert_read(pipes__native(p.theirs), 64, "one");
    raw__assert_read(pipes__native(p.theirs), 64, "second");
}

/* One that only writes needs no right to change how it reads. */
static void a_pair_of_messages_can_be_for_one_way(void **state)
{
    (void)state;
    static const uint32_t ways[] = {IOCP_PIPE_READ, IOCP_PIPE_WRITE};
    for (size_t i = 0; i < IOC_COUNT_OF(ways); i++) {
        pair p = pair__open(IOCP_PIPE_MESSAGE | ways[i]);
        if (ways[i] == IOCP_PIPE_READ) {
            raw__write(pipes__native(p.theirs), "one");
            raw__write(pipes__native(p.theirs), "two");
            pipes__assert_read(p.ours, 64, "one", 0);
        } else {
            pipes__write(p.ours, "one");
            pipes__write(p.ours, "two");
            raw__assert_read(pipes__native(p.theirs), 64, "one");
        }
    }
}

static void no_end_of_a_pair_is_inherited(void **state)
{
    (void)state;
    static const uint32_t flags[] = {0, IOCP_PIPE_CHILDREN};
    for (size_t i = 0; i < IOC_COUNT_OF(flags); i++) {
        pair p = pair__open(flags[i]);
        const HANDLE ends[] = {pipes__native(p.ours), pipes__native(p.theirs)};
        for (size_t k = 0; k < IOC_COUNT_OF(ends); k++) {
            DWORD is = HANDLE_FLAG_INHERIT;
            assert_true(GetHandleInformation(ends[k], &is));
            assert_int_equal(is & HANDLE_FLAG_INHERIT, 0);
        }
    }
}

/* ---- What fails ---- */

/* Each call in turn fails once; what was half made is gone. */
static void a_pair_of_which_any_call_fails_leaves_nothing(void **state)
{
    (void)state;
    static const uint32_t flags[] = {IOCP_PIPE_MESSAGE, IOCP_PIPE_CHILDREN};
    for (size_t i = 0; i < IOC_COUNT_OF(flags); i++) {
        size_t handles = win_open_handles();
        uint32_t held = win_faults_held();
        int status = -1;
        for (uint64_t n = 1; status != IOCP_OK; n++) {
            pair p = {{0}, {0}};
            win_faults_reset();
            win_faults_fail_nth(n);
            status = iocp_pipe_pair(now.loop, flags[i], &p.ours, &p.theirs);
            /* Without a mode or a CloseHandle the pair is whole all the same. */
            bool is_minor = status == IOCP_OK;
            assert_int_equal(p.ours.id != 0, is_minor);
            assert_int_equal(p.theirs.id != 0, is_minor);
            assert_int_equal(win_faults_held(), held);
            if (!is_minor) {
                assert_int_equal(win_open_handles(), handles);
                assert_in_range(n, 1, 8);
            }
        }
    }
}

static void a_pair_without_memory_is_refused_and_leaves_nothing(void **state)
{
    (void)state;
    pair p = {{0}, {0}};
    size_t handles = win_open_handles();
    int refused = 0;
    for (uint64_t allowed = 0; p.ours.id == 0; allowed++) {
        unit_memory_allow(&now.memory, allowed);
        int status = iocp_pipe_pair(now.loop, 0, &p.ours, &p.theirs);
        unit_memory_allow(&now.memory, UINT64_MAX);
        assert_true(status == IOCP_OK || status == IOCP_ENOMEM);
        assert_int_equal(win_open_handles(), handles + (status == IOCP_OK ? 2 : 0));
        refused += status != IOCP_OK;
    }
    assert_true(refused > 0);
}

#define PIPES_TEST(function) \
    cmocka_unit_test_setup_teardown(function, pipes__setup, pipes__teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PIPES_TEST(a_pair_is_for_this_machine_and_the_owner_of_the_process_alone),
        PIPES_TEST(the_name_of_a_pair_is_128_random_bits),
        PIPES_TEST(a_pair_without_random_bits_is_refused),
        PIPES_TEST(each_end_of_a_pair_is_opened_for_its_way),
        PIPES_TEST(bytes_go_between_us_and_a_program_without_a_loop),
        PIPES_TEST(two_children_talk_without_us),
        PIPES_TEST(messages_of_a_pair_end_where_they_were_written_both_ways),
        PIPES_TEST(a_pair_of_messages_can_be_for_one_way),
        PIPES_TEST(no_end_of_a_pair_is_inherited),
        PIPES_TEST(a_pair_of_which_any_call_fails_leaves_nothing),
        PIPES_TEST(a_pair_without_memory_is_refused_and_leaves_nothing),
    };
    win_catch_crashes();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
