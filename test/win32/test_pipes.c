/*
 * Pipes as Windows has them: how the system is asked for them, what a program gets that has nothing
 * to do with a loop, messages; and each system call and allocation failing in turn.
 */
#include "unit.h"

#include "win32/sys.h"

#include "win_faults.h"
#include "win_files.h"
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
    asked_instance instance; /* the last one */
    asked_client client;
    HANDLE begun;   /* set by a CreateFileW that takes its time */
    HANDLE asked;   /* set when its thread is asked to end that */
    HANDLE ends[2]; /* of a pipe that nobody writes to: for whoever wants to wait */
    PTP_WORK held;  /* what was submitted to a pool that does not begin */
    int cancels;    /* of single calls, which were said to be taken back */
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
    win_begin();
    win.sys.CreateNamedPipeW = spy__create_pipe;
    win.sys.CreateFileW = spy__create_file;
    win.sys.ConvertStringSecurityDescriptorToSecurityDescriptorW = spy__convert_sddl;
    now.begun = CreateEventW(NULL, TRUE, FALSE, NULL);
    now.asked = CreateEventW(NULL, TRUE, FALSE, NULL);
    assert_true(win_pipe_create(now.ends, false, false, 16));
    win_open(IOCP_COMPLETION_AUTO);
    return 0;
}

static int pipes__teardown(void **state)
{
    win_close();
    (void)CloseHandle(now.begun);
    (void)CloseHandle(now.asked);
    (void)CloseHandle(now.ends[0]);
    (void)CloseHandle(now.ends[1]);
    return win_end(state);
}

/* ---- Steps ---- */

static contract_record pipes__read(iocp_handle_t pipe, void *data, size_t size)
{
    contract_record o = {0};
    assert_int_equal(iocp_read(win.loop, pipe, data, size, contract_keep, &o, NULL), IOCP_OK);
    win_wait(&o, 1);
    return o;
}

static void pipes__write(iocp_handle_t pipe, const char *text)
{
    contract_record o = {0};
    size_t size = strlen(text);
    assert_int_equal(iocp_write(win.loop, pipe, text, size, contract_keep, &o, NULL), IOCP_OK);
    win_wait(&o, 1);
    assert_int_equal(o.status, IOCP_OK);
    assert_int_equal(o.result.bytes, size);
}

static void pipes__assert_read(iocp_handle_t pipe, size_t size, const char *text, uint32_t flags)
{
    char data[64] = {0};
    contract_record o = pipes__read(pipe, data, size);
    assert_int_equal(o.status, IOCP_OK);
    assert_int_equal(o.result.flags & IOCP_RESULT_MORE, flags);
    assert_int_equal(o.result.bytes, strlen(text));
    assert_string_equal(data, text);
}

static HANDLE pipes__native(iocp_handle_t pipe)
{
    void *native = NULL;
    assert_int_equal(iocp_handle_native(win.loop, pipe, &native), IOCP_OK);
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
    assert_int_equal(iocp_pipe_pair(win.loop, flags, &p.ours, &p.theirs), IOCP_OK);
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
    win.sys.RtlGenRandom = spy__count_up;
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
    assert_int_equal(iocp_pipe_pair(win.loop, 0, &p.ours, &p.theirs), IOCP_ENOBUFS);
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
            status = iocp_pipe_pair(win.loop, flags[i], &p.ours, &p.theirs);
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
        unit_memory_allow(&win.memory, allowed);
        int status = iocp_pipe_pair(win.loop, 0, &p.ours, &p.theirs);
        unit_memory_allow(&win.memory, UINT64_MAX);
        assert_true(status == IOCP_OK || status == IOCP_ENOMEM);
        assert_int_equal(win_open_handles(), handles + (status == IOCP_OK ? 2 : 0));
        refused += status != IOCP_OK;
    }
    assert_true(refused > 0);
}

/* ---- Serving ---- */

typedef struct server {
    iocp_handle_t listener;
    char name[64];
} server;

static void server__name(server *s)
{
    static unsigned number;
    (void)snprintf(s->name, sizeof s->name, "\\\\.\\pipe\\iocploop-%lu-s%u", GetCurrentProcessId(),
                   ++number);
}

static server server__open(const iocp_pipe_options_t *options)
{
    server s = {{0}, ""};
    server__name(&s);
    assert_int_equal(iocp_pipe_listen(win.loop, s.name, options, &s.listener), IOCP_OK);
    return s;
}

static iocp_op_t server__accept(const server *s, contract_record *o)
{
    iocp_op_t op = {0};
    assert_int_equal(iocp_accept(win.loop, s->listener, contract_keep, o, &op), IOCP_OK);
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    return op;
}

static iocp_op_t server__connect(const server *s, uint32_t flags, contract_record *o)
{
    iocp_op_t op = {0};
    assert_int_equal(iocp_pipe_connect(win.loop, s->name, flags, contract_keep, o, &op), IOCP_OK);
    return op;
}

/* A client that has nothing to do with this library. */
static HANDLE raw__connect(const server *s)
{
    return CreateFileA(s->name, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);
}

static HANDLE raw__must_connect(const server *s)
{
    HANDLE client = raw__connect(s);
    assert_true(client != INVALID_HANDLE_VALUE);
    return client;
}

static void a_listener_is_asked_for_as_its_options_say(void **state)
{
    (void)state;
    enum {
        FIRST = FILE_FLAG_FIRST_PIPE_INSTANCE
    };
    static const struct {
        iocp_pipe_options_t options;
        DWORD open_mode;
        DWORD pipe_mode;
        DWORD instances;
        DWORD bytes;
        const wchar_t *security;
    } rows[] = {
        {{.size = 0},
         PIPE_ACCESS_DUPLEX | FIRST,
         PIPE_REJECT_REMOTE_CLIENTS,
         255,
         65536,
         L"D:P(A;;GA;;;SY)(A;;GA;;;OW)"},
        {{.flags = IOCP_PIPE_READ,
          .instances = 1,
          .buffer_bytes = 4096,
          .security = "D:(A;;GA;;;AU)"},
         PIPE_ACCESS_INBOUND | FIRST,
         PIPE_REJECT_REMOTE_CLIENTS,
         1,
         4096,
         L"D:(A;;GA;;;AU)"},
        {{.flags = IOCP_PIPE_WRITE | IOCP_PIPE_MESSAGE, .instances = 254},
         PIPE_ACCESS_OUTBOUND | FIRST,
         PIPE_REJECT_REMOTE_CLIENTS | PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE,
         254,
         65536,
         L"D:P(A;;GA;;;SY)(A;;GA;;;OW)"},
        {{.flags = IOCP_PIPE_REMOTE},
         PIPE_ACCESS_DUPLEX | FIRST,
         0,
         255,
         65536,
         L"D:P(A;;GA;;;SY)(A;;GA;;;OW)"},
        {{.flags = IOCP_PIPE_SHARED},
         PIPE_ACCESS_DUPLEX,
         PIPE_REJECT_REMOTE_CLIENTS,
         255,
         65536,
         L"D:P(A;;GA;;;SY)(A;;GA;;;OW)"},
    };
    for (size_t i = 0; i < IOC_COUNT_OF(rows); i++) {
        iocp_pipe_options_t options = rows[i].options;
        options.size = sizeof options;
        (void)server__open(&options);
        assert_int_equal(now.instance.open_mode, rows[i].open_mode | FILE_FLAG_OVERLAPPED);
        assert_int_equal(now.instance.pipe_mode, rows[i].pipe_mode);
        assert_int_equal(now.instance.instances, rows[i].instances);
        assert_int_equal(now.instance.bytes[0], rows[i].bytes);
        assert_int_equal(now.instance.bytes[1], rows[i].bytes);
        assert_true(wcscmp(now.instance.security, rows[i].security) == 0);
        assert_false(now.instance.is_inheritable);
    }
}

/* The first one was: the name is ours. */
static void further_instances_do_not_ask_to_be_the_first(void **state)
{
    (void)state;
    contract_record accepted = {0};
    server s = server__open(NULL);
    server__accept(&s, &accepted);
    assert_int_equal(win_faults_count_of(WIN_CREATE_PIPE), 1); /* it has taken that of listen */
    HANDLE client = raw__must_connect(&s);
    win_wait(&accepted, 1);
    assert_int_equal(win_faults_count_of(WIN_CREATE_PIPE), 2);
    assert_int_equal(now.instance.open_mode, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED);
    (void)CloseHandle(client);
}

static void a_raw_client_talks_with_us_and_we_with_a_raw_server(void **state)
{
    (void)state;
    contract_record accepted = {0};
    server s = server__open(NULL);
    server__accept(&s, &accepted);
    HANDLE client = raw__must_connect(&s);
    win_wait(&accepted, 1);
    raw__write(client, "from outside");
    pipes__assert_read(accepted.result.opened, 64, "from outside", 0);
    pipes__write(accepted.result.opened, "from inside");
    raw__assert_read(client, 64, "from inside");
    (void)CloseHandle(client);

    contract_record connected = {0};
    server raw = {{0}, ""};
    server__name(&raw);
    HANDLE instance =
        CreateNamedPipeA(raw.name, PIPE_ACCESS_DUPLEX, PIPE_TYPE_BYTE, 1, 64, 64, 0, NULL);
    assert_true(instance != INVALID_HANDLE_VALUE);
    (void)server__connect(&raw, 0, &connected);
    win_wait(&connected, 1);
    assert_int_equal(connected.status, IOCP_OK);
    raw__write(instance, "served");
    pipes__assert_read(connected.result.opened, 64, "served", 0);
    (void)CloseHandle(instance);
}

/* A raw client does not wait: it learns that it is too many. */
static void without_an_accept_one_client_can_come(void **state)
{
    (void)state;
    server s = server__open(NULL);
    HANDLE client = raw__must_connect(&s);
    assert_true(raw__connect(&s) == INVALID_HANDLE_VALUE);
    assert_int_equal(GetLastError(), ERROR_PIPE_BUSY);
    (void)CloseHandle(client);
}

/* ---- Serving: what the system refuses ---- */

static void check_listen_refused(uint32_t flags, win_call call, uint32_t error, int status)
{
    server s = {{0}, ""};
    iocp_pipe_options_t options = {.size = sizeof options, .flags = flags, .security = "D:"};
    size_t handles = win_open_handles();
    uint32_t held = win_faults_held();
    server__name(&s);
    win_faults_fail_next_of(call, error);
    int answer = iocp_pipe_listen(win.loop, s.name, &options, &s.listener);
    assert_string_equal(iocp_error_name(answer), iocp_error_name(status));
    assert_true(s.listener.id == 0);
    assert_int_equal(win_open_handles(), handles);
    assert_int_equal(win_faults_held(), held);
}

/* For the first instance the system says of a name that is taken that it may not be used. */
static void a_name_that_is_taken_is_in_use(void **state)
{
    (void)state;
    check_listen_refused(0, WIN_CREATE_PIPE, ERROR_ACCESS_DENIED, IOCP_EADDRINUSE);
    check_listen_refused(0, WIN_CREATE_PIPE, ERROR_PIPE_BUSY, IOCP_EADDRINUSE);
    check_listen_refused(IOCP_PIPE_SHARED, WIN_CREATE_PIPE, ERROR_PIPE_BUSY, IOCP_EADDRINUSE);
    check_listen_refused(IOCP_PIPE_SHARED, WIN_CREATE_PIPE, ERROR_ACCESS_DENIED, IOCP_EACCES);
    check_listen_refused(0, WIN_CREATE_PIPE, ERROR_INVALID_NAME, IOCP_EINVAL);
    check_listen_refused(0, WIN_CREATE_PIPE, ERROR_TOO_MANY_OPEN_FILES, IOCP_EMFILE);
}

static void sddl_that_is_none_is_an_argument_that_is_wrong(void **state)
{
    (void)state;
    check_listen_refused(0, WIN_CONVERT_SDDL, ERROR_INVALID_ACL, IOCP_EINVAL);
    check_listen_refused(0, WIN_CONVERT_SDDL, ERROR_INVALID_SID, IOCP_EINVAL);
    check_listen_refused(0, WIN_CONVERT_SDDL, ERROR_NOT_ENOUGH_MEMORY, IOCP_ENOMEM);
}

static void text_that_is_no_utf8_is_an_argument_that_is_wrong(void **state)
{
    (void)state;
    static const char name[] = "\\\\.\\pipe\\\xff";
    iocp_pipe_options_t options = {.size = sizeof options, .security = "D:\xff"};
    contract_record connected = {0};
    server s = {{0}, ""};
    server__name(&s);
    assert_int_equal(iocp_pipe_listen(win.loop, s.name, &options, &s.listener), IOCP_EINVAL);
    assert_int_equal(iocp_pipe_listen(win.loop, name, NULL, &s.listener), IOCP_EINVAL);
    assert_true(s.listener.id == 0);
    assert_int_equal(iocp_pipe_connect(win.loop, name, 0, contract_keep, &connected, NULL),
                     IOCP_OK);
    win_wait(&connected, 1);
    assert_int_equal(connected.status, IOCP_EINVAL);
    assert_true(connected.result.opened.id == 0);
    assert_int_equal(win_faults_count_of(WIN_CONVERT_SDDL), 0);
    assert_int_equal(win_faults_count_of(WIN_CREATE_PIPE), 0);
    assert_int_equal(win_faults_count_of(WIN_CREATE_FILE), 0);
}

static void a_listener_of_which_any_call_fails_leaves_nothing(void **state)
{
    (void)state;
    size_t handles = win_open_handles();
    server s = {{0}, ""};
    int refused = 0;
    server__name(&s);
    for (uint64_t n = 1; s.listener.id == 0; n++) {
        win_faults_reset();
        win_faults_fail_nth(n);
        int status = iocp_pipe_listen(win.loop, s.name, NULL, &s.listener);
        assert_int_equal(win_open_handles(), handles + (status == IOCP_OK ? 1 : 0));
        assert_int_equal(s.listener.id != 0, status == IOCP_OK);
        refused += status != IOCP_OK;
    }
    assert_in_range(refused, 3, 8); /* the security, the instance, the port */
}

static void a_listener_without_memory_leaves_nothing(void **state)
{
    (void)state;
    size_t handles = win_open_handles();
    server s = {{0}, ""};
    iocp_pipe_options_t options = {.size = sizeof options, .security = "D:(A;;GA;;;AU)"};
    int refused = 0;
    server__name(&s);
    for (uint64_t allowed = 0; s.listener.id == 0; allowed++) {
        unit_memory_allow(&win.memory, allowed);
        int status = iocp_pipe_listen(win.loop, s.name, &options, &s.listener);
        unit_memory_allow(&win.memory, UINT64_MAX);
        assert_true(status == IOCP_OK || status == IOCP_ENOMEM);
        assert_int_equal(win_open_handles(), handles + (status == IOCP_OK ? 1 : 0));
        refused += status != IOCP_OK;
    }
    assert_in_range(refused, 3, 8); /* the listener, its SDDL, its instances */
}

/* Told once; then it looks again by itself. */
static void an_accept_without_an_instance_waits_for_the_system_to_have_one(void **state)
{
    (void)state;
    contract_record accepted[2] = {{0}, {.rearms = 1}};
    server s = server__open(NULL);
    server__accept(&s, &accepted[0]);
    win_faults_fail_all_of(WIN_CREATE_PIPE, ERROR_NO_SYSTEM_RESOURCES);
    server__accept(&s, &accepted[1]);
    win_wait(&accepted[1], 1);
    assert_int_equal(accepted[1].status, IOCP_ENOBUFS);
    assert_int_equal(accepted[1].result.native_error, ERROR_NO_SYSTEM_RESOURCES);
    HANDLE clients[2];
    clients[0] = raw__must_connect(&s); /* and no instance is there behind it */
    win_wait(&accepted[0], 1);
    assert_int_equal(accepted[0].status, IOCP_OK);
    assert_int_equal(accepted[1].calls, 1);
    win_faults_stop();
    while ((clients[1] = raw__connect(&s)) == INVALID_HANDLE_VALUE) {
        assert_int_equal(GetLastError(), ERROR_PIPE_BUSY);
        assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    }
    while (accepted[1].calls < 2) {
        assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_ONCE), IOCP_OK);
    }
    assert_int_equal(accepted[1].status, IOCP_OK);
    (void)CloseHandle(clients[0]);
    (void)CloseHandle(clients[1]);
}

static void a_cancel_of_an_accept_that_is_refused_changes_nothing(void **state)
{
    (void)state;
    contract_record accepted = {0};
    contract_record cancelled = {0};
    server s = server__open(NULL);
    iocp_op_t op = server__accept(&s, &accepted);
    win_faults_fail_all_of(WIN_CANCEL, ERROR_NO_SYSTEM_RESOURCES);
    assert_int_equal(iocp_cancel(win.loop, op, contract_keep, &cancelled, NULL), IOCP_OK);
    win_wait(&cancelled, 1);
    assert_int_equal(cancelled.status, IOCP_ENOBUFS);
    assert_int_equal(accepted.calls, 0);
    win_faults_stop();
    HANDLE client = raw__must_connect(&s);
    win_wait(&accepted, 1);
    assert_int_equal(accepted.status, IOCP_OK);
    (void)CloseHandle(client);
}

static void a_listener_whose_cancels_are_refused_still_closes(void **state)
{
    (void)state;
    contract_record accepted[2] = {{0}, {0}};
    contract_record closed = {0};
    server s = server__open(NULL);
    server__accept(&s, &accepted[0]);
    server__accept(&s, &accepted[1]);
    win_faults_fail_all_of(WIN_CANCEL, ERROR_NO_SYSTEM_RESOURCES);
    assert_int_equal(iocp_close(win.loop, s.listener, contract_keep, &closed, NULL), IOCP_OK);
    win_wait(&closed, 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(accepted[i].calls, 1);
        assert_int_equal(accepted[i].status, IOCP_ECANCELED);
    }
}

/* ---- The other end ---- */

static void a_peer_is_told_by_the_end_that_we_have(void **state)
{
    (void)state;
    contract_record accepted = {0};
    contract_record connected = {0};
    uint32_t id = 0;
    server s = server__open(NULL);
    server__accept(&s, &accepted);
    (void)server__connect(&s, 0, &connected);
    win_wait(&accepted, 1);
    win_wait(&connected, 1);
    assert_int_equal(iocp_pipe_peer(win.loop, accepted.result.opened, &id), IOCP_OK);
    assert_int_equal(id, GetCurrentProcessId());
    assert_int_equal(win_faults_count_of(WIN_GET_PIPE_CLIENT), 1);
    assert_int_equal(iocp_pipe_peer(win.loop, connected.result.opened, &id), IOCP_OK);
    assert_int_equal(id, GetCurrentProcessId());
    assert_int_equal(win_faults_count_of(WIN_GET_PIPE_SERVER), 1);
    static const win_call calls[] = {WIN_GET_PIPE_INFO, WIN_GET_PIPE_CLIENT};
    for (size_t i = 0; i < IOC_COUNT_OF(calls); i++) {
        win_faults_fail_next_of(calls[i], 0);
        assert_int_equal(iocp_pipe_peer(win.loop, accepted.result.opened, &id), IOCP_ENOBUFS);
    }
}

/* Whose number that is, nobody knows. */
static void a_peer_that_may_be_on_another_machine_is_not_told(void **state)
{
    (void)state;
    contract_record accepted = {0};
    uint32_t id = 0;
    iocp_pipe_options_t options = {.size = sizeof options, .flags = IOCP_PIPE_REMOTE};
    server s = server__open(&options);
    server__accept(&s, &accepted);
    HANDLE client = raw__must_connect(&s);
    win_wait(&accepted, 1);
    assert_int_equal(iocp_pipe_peer(win.loop, accepted.result.opened, &id), IOCP_ENOTSUP);
    (void)CloseHandle(client);
}

/* ---- Connecting ---- */

static void who_connects_lets_nobody_act_in_his_name(void **state)
{
    (void)state;
    contract_record connected = {0};
    server s = server__open(NULL);
    (void)server__connect(&s, 0, &connected);
    win_wait(&connected, 1);
    assert_int_equal(now.client.flags,
                     SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION | FILE_FLAG_OVERLAPPED);
    assert_int_equal(now.client.access, GENERIC_READ | GENERIC_WRITE | FILE_WRITE_ATTRIBUTES);
    assert_int_equal(now.client.disposition, OPEN_EXISTING);
    assert_false(now.client.is_inheritable);
}

static void what_the_system_says_of_a_connect_is_told(void **state)
{
    (void)state;
    static const struct {
        win_call call;
        uint32_t error;
        int status;
    } rows[] = {
        {WIN_CREATE_FILE, ERROR_BAD_NETPATH, IOCP_EHOSTUNREACH},
        {WIN_CREATE_FILE, ERROR_ACCESS_DENIED, IOCP_EACCES},
        {WIN_CREATE_FILE, ERROR_TOO_MANY_OPEN_FILES, IOCP_EMFILE},
        {WIN_CREATE_FILE, ERROR_FILE_NOT_FOUND, IOCP_ENOTFOUND},
        {WIN_SET_PIPE_STATE, ERROR_INVALID_PARAMETER, IOCP_EINVAL},
        {WIN_CREATE_PORT, ERROR_NOT_ENOUGH_MEMORY, IOCP_ENOMEM},
        {WIN_CREATE_WORK, ERROR_NOT_ENOUGH_MEMORY, IOCP_ENOMEM},
    };
    iocp_pipe_options_t options = {.size = sizeof options, .flags = IOCP_PIPE_MESSAGE};
    for (size_t i = 0; i < IOC_COUNT_OF(rows); i++) {
        contract_record connected = {0};
        server s = server__open(&options);
        win_faults_fail_next_of(rows[i].call, rows[i].error);
        (void)server__connect(&s, IOCP_PIPE_MESSAGE, &connected);
        win_wait(&connected, 1);
        assert_string_equal(iocp_error_name(connected.status), iocp_error_name(rows[i].status));
        assert_int_equal(connected.result.native_error, rows[i].error);
        assert_true(connected.result.opened.id == 0);
    }
}

/* Each call on the way to the wait, and in it. */
static void a_connect_that_cannot_wait_says_why(void **state)
{
    (void)state;
    static const win_call calls[] = {WIN_DEVICE_CONTROL, WIN_CREATE_PORT};
    for (size_t i = 0; i < IOC_COUNT_OF(calls); i++) {
        contract_record connected = {0};
        server s = server__open(NULL);
        HANDLE first = raw__must_connect(&s);
        win_faults_fail_next_of(calls[i], ERROR_NOT_ENOUGH_MEMORY);
        (void)server__connect(&s, 0, &connected);
        win_wait(&connected, 1);
        assert_int_equal(connected.status, IOCP_ENOMEM);
        (void)CloseHandle(first);
    }
}

/* All pipes of the machine, on which a wait is asked for, are opened as nothing else is. */
static HANDLE WINAPI spy__open_but_no_pipes(const wchar_t *name, DWORD access, DWORD share,
                                            SECURITY_ATTRIBUTES *security, DWORD disposition,
                                            DWORD flags, HANDLE model)
{
    if (wcscmp(name, L"\\\\.\\pipe\\") == 0) {
        SetLastError(ERROR_NOT_ENOUGH_MEMORY);
        return INVALID_HANDLE_VALUE;
    }
    return spy__create_file(name, access, share, security, disposition, flags, model);
}

static void a_connect_that_finds_nothing_to_wait_on_says_why(void **state)
{
    (void)state;
    contract_record connected = {0};
    server s = server__open(NULL);
    HANDLE first = raw__must_connect(&s);
    win.sys.CreateFileW = spy__open_but_no_pipes;
    (void)server__connect(&s, 0, &connected);
    win_wait(&connected, 1);
    assert_int_equal(connected.status, IOCP_ENOMEM);
    assert_int_equal(connected.result.native_error, ERROR_NOT_ENOUGH_MEMORY);
    assert_int_equal(win_faults_count_of(WIN_DEVICE_CONTROL), 0);
    (void)CloseHandle(first);
}

/* As Windows does, which takes the wait back. Here it ends by its limit, as after a cancel in Wine. */
static BOOL WINAPI spy__cancel_well(HANDLE file, OVERLAPPED *overlapped)
{
    now.cancels += overlapped != NULL;
    return overlapped != NULL || win_faults_table()->CancelIoEx(file, overlapped);
}

static void a_connect_that_waits_ends_when_its_wait_is_taken_back(void **state)
{
    (void)state;
    contract_record connected = {0};
    contract_record cancelled = {0};
    server s = server__open(NULL);
    HANDLE first = raw__must_connect(&s);
    win.sys.CancelIoEx = spy__cancel_well;
    iocp_op_t op = server__connect(&s, 0, &connected);
    while (win_faults_count_of(WIN_DEVICE_CONTROL) == 0) {
        assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    }
    uint64_t opens = win_faults_count_of(WIN_CREATE_FILE);
    assert_int_equal(iocp_cancel(win.loop, op, contract_keep, &cancelled, NULL), IOCP_OK);
    win_wait(&cancelled, 1);
    assert_int_equal(cancelled.status, IOCP_OK);
    assert_int_equal(now.cancels, 1);
    win_wait(&connected, 1);
    assert_int_equal(connected.status, IOCP_ECANCELED);
    assert_int_equal(win_faults_count_of(WIN_CREATE_FILE), opens); /* it was not tried again */
    (void)CloseHandle(first);
}

/* ---- Connecting: what runs on the pool is asked to end ---- */

static void WINAPI spy__hold_work(PTP_WORK work)
{
    now.held = work;
}

/* It waits as an open does that takes its time, until its thread is asked to end that. */
static HANDLE WINAPI spy__slow_open(const wchar_t *name, DWORD access, DWORD share,
                                    SECURITY_ATTRIBUTES *security, DWORD disposition, DWORD flags,
                                    HANDLE model)
{
    char data[1];
    DWORD got = 0;
    (void)name;
    (void)access;
    (void)share;
    (void)security;
    (void)disposition;
    (void)flags;
    (void)model;
    (void)SetEvent(now.begun);
    (void)ReadFile(now.ends[0], data, sizeof data, &got, NULL);
    return INVALID_HANDLE_VALUE;
}

/* One whose thread is asked when it is over. */
static HANDLE WINAPI spy__late_open(const wchar_t *name, DWORD access, DWORD share,
                                    SECURITY_ATTRIBUTES *security, DWORD disposition, DWORD flags,
                                    HANDLE model)
{
    HANDLE opened = CreateFileW(name, access, share, security, disposition, flags, model);
    (void)SetEvent(now.begun);
    (void)WaitForSingleObject(now.asked, INFINITE);
    return opened;
}

static BOOL WINAPI spy__ask_thread(HANDLE thread)
{
    BOOL is_asked = win_faults_table()->CancelSynchronousIo(thread);
    DWORD error = GetLastError();
    (void)SetEvent(now.asked);
    SetLastError(error);
    return is_asked;
}

/* The thread has said that it begins; it may take it a moment until it waits. */
static BOOL WINAPI spy__ask_until_it_waits(HANDLE thread)
{
    while (!win_faults_table()->CancelSynchronousIo(thread)) {
        if (GetLastError() != ERROR_NOT_FOUND) {
            return FALSE;
        }
        (void)SwitchToThread();
    }
    return TRUE;
}

static iocp_op_t slow__begin(const server *s, contract_record *o)
{
    iocp_op_t op = server__connect(s, 0, o);
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    assert_int_equal(WaitForSingleObject(now.begun, INFINITE), WAIT_OBJECT_0);
    return op;
}

static void a_connect_that_has_not_begun_is_back_at_once(void **state)
{
    (void)state;
    contract_record connected = {0};
    server s = server__open(NULL);
    win.sys.SubmitThreadpoolWork = spy__hold_work;
    iocp_op_t op = server__connect(&s, 0, &connected);
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    assert_non_null(now.held);
    assert_int_equal(iocp_cancel(win.loop, op, NULL, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(connected.calls, 1);
    assert_int_equal(connected.status, IOCP_ECANCELED);
    assert_int_equal(win_faults_count_of(WIN_CREATE_FILE), 0);
    assert_int_equal(win_faults_count_of(WIN_CANCEL_SYNCHRONOUS), 0);
}

static void a_connect_that_runs_is_asked_to_end(void **state)
{
    (void)state;
    static const bool has_deadline[] = {false, true};
    for (size_t i = 0; i < IOC_COUNT_OF(has_deadline); i++) {
        contract_record connected = {0};
        server s = server__open(NULL);
        (void)ResetEvent(now.begun);
        win.sys.CreateFileW = spy__slow_open;
        win.sys.CancelSynchronousIo = spy__ask_until_it_waits;
        iocp_op_t op = slow__begin(&s, &connected);
        if (has_deadline[i]) {
            assert_int_equal(iocp_op_deadline(win.loop, op, 1), IOCP_OK);
        } else {
            assert_int_equal(iocp_cancel(win.loop, op, NULL, NULL, NULL), IOCP_OK);
        }
        win_wait(&connected, 1);
        assert_int_equal(connected.status, has_deadline[i] ? IOCP_ETIMEDOUT : IOCP_ECANCELED);
        assert_true(connected.result.opened.id == 0);
    }
}

static void destroy_asks_a_connect_that_runs_to_end(void **state)
{
    (void)state;
    contract_record connected = {0};
    server s = server__open(NULL);
    win.sys.CreateFileW = spy__slow_open;
    win.sys.CancelSynchronousIo = spy__ask_until_it_waits;
    (void)slow__begin(&s, &connected);
    win_loop_destroy(&win.loop);
    assert_int_equal(connected.calls, 1);
    assert_int_equal(connected.status, IOCP_ECANCELED);
}

static void a_connect_that_is_asked_too_late_is_the_success_that_it_is(void **state)
{
    (void)state;
    contract_record connected = {0};
    server s = server__open(NULL);
    win.sys.CreateFileW = spy__late_open;
    win.sys.CancelSynchronousIo = spy__ask_thread;
    iocp_op_t op = slow__begin(&s, &connected);
    assert_int_equal(iocp_cancel(win.loop, op, NULL, NULL, NULL), IOCP_OK);
    win_wait(&connected, 1);
    assert_int_equal(connected.status, IOCP_OK);
    assert_int_equal(iocp_handle_kind(win.loop, connected.result.opened), IOCP_HANDLE_PIPE);
    assert_int_equal(win_faults_count_of(WIN_CANCEL_SYNCHRONOUS), 1);
}

/* All instances are busy, as its thread finds out behind the cancel: nothing waits for one then. */
static void a_connect_that_is_asked_too_late_does_not_wait(void **state)
{
    (void)state;
    contract_record connected = {0};
    server s = server__open(NULL);
    HANDLE first = raw__must_connect(&s);
    win.sys.CreateFileW = spy__late_open;
    win.sys.CancelSynchronousIo = spy__ask_thread;
    iocp_op_t op = slow__begin(&s, &connected);
    assert_int_equal(iocp_cancel(win.loop, op, NULL, NULL, NULL), IOCP_OK);
    win_wait(&connected, 1);
    assert_int_equal(connected.status, IOCP_ECANCELED);
    assert_int_equal(win_faults_count_of(WIN_DEVICE_CONTROL), 0);
    (void)CloseHandle(first);
}

/* The system does not let us ask: the cancel is told so, and the operation goes on. */
static void a_connect_that_cannot_be_asked_goes_on(void **state)
{
    (void)state;
    static const win_call calls[] = {WIN_OPEN_THREAD, WIN_CANCEL_SYNCHRONOUS};
    for (size_t i = 0; i < IOC_COUNT_OF(calls); i++) {
        contract_record connected = {0};
        contract_record cancelled = {0};
        server s = server__open(NULL);
        (void)ResetEvent(now.begun);
        (void)ResetEvent(now.asked);
        win.sys.CreateFileW = spy__late_open;
        iocp_op_t op = slow__begin(&s, &connected);
        win_faults_fail_next_of(calls[i], ERROR_ACCESS_DENIED);
        assert_int_equal(iocp_cancel(win.loop, op, contract_keep, &cancelled, NULL), IOCP_OK);
        win_wait(&cancelled, 1);
        assert_int_equal(cancelled.status, IOCP_EACCES);
        assert_int_equal(connected.calls, 0);
        (void)SetEvent(now.asked);
        win_wait(&connected, 1);
        assert_int_equal(connected.status, IOCP_OK);
    }
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
        PIPES_TEST(a_listener_is_asked_for_as_its_options_say),
        PIPES_TEST(further_instances_do_not_ask_to_be_the_first),
        PIPES_TEST(a_raw_client_talks_with_us_and_we_with_a_raw_server),
        PIPES_TEST(without_an_accept_one_client_can_come),
        PIPES_TEST(a_name_that_is_taken_is_in_use),
        PIPES_TEST(sddl_that_is_none_is_an_argument_that_is_wrong),
        PIPES_TEST(text_that_is_no_utf8_is_an_argument_that_is_wrong),
        PIPES_TEST(a_listener_of_which_any_call_fails_leaves_nothing),
        PIPES_TEST(a_listener_without_memory_leaves_nothing),
        PIPES_TEST(an_accept_without_an_instance_waits_for_the_system_to_have_one),
        PIPES_TEST(a_cancel_of_an_accept_that_is_refused_changes_nothing),
        PIPES_TEST(a_listener_whose_cancels_are_refused_still_closes),
        PIPES_TEST(a_peer_is_told_by_the_end_that_we_have),
        PIPES_TEST(a_peer_that_may_be_on_another_machine_is_not_told),
        PIPES_TEST(who_connects_lets_nobody_act_in_his_name),
        PIPES_TEST(what_the_system_says_of_a_connect_is_told),
        PIPES_TEST(a_connect_that_cannot_wait_says_why),
        PIPES_TEST(a_connect_that_finds_nothing_to_wait_on_says_why),
        PIPES_TEST(a_connect_that_waits_ends_when_its_wait_is_taken_back),
        PIPES_TEST(a_connect_that_has_not_begun_is_back_at_once),
        PIPES_TEST(a_connect_that_runs_is_asked_to_end),
        PIPES_TEST(destroy_asks_a_connect_that_runs_to_end),
        PIPES_TEST(a_connect_that_is_asked_too_late_is_the_success_that_it_is),
        PIPES_TEST(a_connect_that_is_asked_too_late_does_not_wait),
        PIPES_TEST(a_connect_that_cannot_be_asked_goes_on),
    };
    win_catch_crashes();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
