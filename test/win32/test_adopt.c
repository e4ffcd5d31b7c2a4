/*
 * Handles that are taken over: what they are is asked on the process's pool and not on the loop
 * thread, what cannot be used says why, nothing is changed that others feel, and what the program
 * had pending harms nobody. And sockets that are given back: the call that takes them off their port, by a
 * double, since Wine has none.
 */
#include "unit.h"

#include "win32/sys.h"

#include "contract_net.h"
#include "contract_object.h"
#include "win_faults.h"
#include "win_files.h"
#include "win_leaks.h"
#include "win_loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READ_WRITE (IOCP_FILE_READ | IOCP_FILE_WRITE)

/* Of NtQueryInformationFile. */
#define MODE_INFORMATION         16
#define NOTIFICATION_INFORMATION 41

#define REPLACE_COMPLETION 61

typedef LONG(NTAPI *nt_query)(HANDLE, void *, void *, ULONG, int);

/* What the system does when a file object is to leave its port. */
typedef enum leaving {
    LEAVING_REAL,    /* whatever it does by itself */
    LEAVING_MISSING, /* it has no such function */
    LEAVING_DOUBLE   /* it answers as the test says */
} leaving;

static struct {
    char folder[1024];

    DWORD loop_thread;
    ioc_atomic_u32 asked_here; /* questions on the loop thread */
    ioc_atomic_u32 asked_elsewhere;
    HANDLE may_answer; /* questions wait for it, unless NULL */
    ULONG notifies;    /* what the system says of all handles, where it says nothing itself */
    ULONG mode;        /* and this it says too, of how they were opened */
    nt_query query;
    leaving leaving;
    LONG leaving_status;
    int leaving_calls;
    HANDLE left;                 /* the last that was to leave */
    UCHAR modes;                 /* that were set, of all handles */
    WSAPROTOCOL_INFOW *provider; /* what sockets say of theirs, unless NULL */
} now;

/* ---- Spies ---- */

static void adopt__note_question(void)
{
    bool is_here = GetCurrentThreadId() == now.loop_thread;
    ioc_add_u32(is_here ? &now.asked_here : &now.asked_elsewhere, 1);
    if (now.may_answer != NULL && !is_here) {
        (void)WaitForSingleObject(now.may_answer, INFINITE);
    }
}

static DWORD WINAPI spy__file_type(HANDLE file)
{
    adopt__note_question();
    return win_faults_table()->GetFileType(file);
}

/* Wine 8 does not tell what a handle notifies of. */
static LONG NTAPI spy__query(HANDLE file, void *block, void *answer, ULONG size, int information)
{
    adopt__note_question();
    LONG status = now.query(file, block, answer, size, information);
    if (information == NOTIFICATION_INFORMATION && status != 0) {
        memcpy(answer, &now.notifies, sizeof now.notifies);
        status = 0;
    }
    if (information == MODE_INFORMATION) {
        *(ULONG *)answer |= now.mode;
    }
    return status;
}

/* No port and no key. */
static LONG NTAPI spy__leave(HANDLE file, void *block, void *given, ULONG size, int information)
{
    static const void *const nothing[2];
    assert_non_null(block);
    assert_int_equal(information, REPLACE_COMPLETION);
    assert_int_equal(size, sizeof nothing);
    assert_memory_equal(given, nothing, sizeof nothing);
    now.left = file;
    now.leaving_calls++;
    return now.leaving_status;
}

static FARPROC WINAPI spy__get_proc(HMODULE module, const char *name)
{
    FARPROC function = win_faults_table()->GetProcAddress(module, name);
    if (strcmp(name, "NtSetInformationFile") == 0 && now.leaving != LEAVING_REAL) {
        nt_query ours = now.leaving == LEAVING_DOUBLE ? spy__leave : NULL;
        memcpy(&function, &ours, sizeof function);
    }
    if (strcmp(name, "NtQueryInformationFile") == 0) {
        memcpy(&now.query, &function, sizeof now.query);
        nt_query ours = (nt_query)spy__query;
        memcpy(&function, &ours, sizeof function);
    }
    return function;
}

static BOOL WINAPI spy__set_modes(HANDLE file, UCHAR modes)
{
    now.modes |= modes;
    return win_faults_table()->SetFileCompletionNotificationModes(file, modes);
}

static int WINAPI spy__get_option(SOCKET socket, int level, int name, char *value, int *length)
{
    if (name == SO_PROTOCOL_INFOW && now.provider != NULL) {
        assert_int_equal(*length, sizeof *now.provider);
        memcpy(value, now.provider, sizeof *now.provider);
        return 0;
    }
    return win_faults_table()->getsockopt(socket, level, name, value, length);
}

/* ---- The environment ---- */

static int adopt__setup(void **state)
{
    (void)state;
    memset(&now, 0, sizeof now);
    win_begin();
    assert_true(win_folder_create_fresh(now.folder, sizeof now.folder));
    now.loop_thread = GetCurrentThreadId();
    win.sys.GetFileType = spy__file_type;
    win.sys.GetProcAddress = spy__get_proc;
    win.sys.SetFileCompletionNotificationModes = spy__set_modes;
    win.sys.getsockopt = spy__get_option;
    win_open(IOCP_COMPLETION_AUTO);
    return 0;
}

static int adopt__teardown(void **state)
{
    (void)win_end(state);
    assert_true(win_folder_remove(now.folder));
    return 0;
}

/* ---- Steps ---- */

static iocp_handle_t adopt__adopt(HANDLE native)
{
    iocp_handle_t handle = {0};
    assert_int_equal(iocp_handle_adopt(win.loop, native, &handle), IOCP_OK);
    assert_int_equal(iocp_handle_kind(win.loop, handle), IOCP_HANDLE_OTHER);
    return handle;
}

/* One that will be of use. */
static iocp_handle_t adopt__adopt_known(HANDLE native)
{
    iocp_handle_t handle = adopt__adopt(native);
    while (iocp_handle_kind(win.loop, handle) == IOCP_HANDLE_OTHER) {
        assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_ONCE), IOCP_OK);
    }
    return handle;
}

static HANDLE adopt__file(bool is_overlapped)
{
    char path[1100];
    (void)snprintf(path, sizeof path, "%s/file", now.folder);
    HANDLE file = win_file_create(path, READ_WRITE | IOCP_FILE_CREATE, is_overlapped, false);
    assert_non_null(file);
    return file;
}

static void adopt__close(iocp_handle_t handle)
{
    contract_record closed = {0};
    assert_int_equal(iocp_close(win.loop, handle, contract_keep, &closed, NULL), IOCP_OK);
    win_wait(&closed, 1);
    win_expect(&closed, 1, IOCP_OK, 0);
}

static void adopt__transfer(iocp_handle_t handle, iocp_handle_t to)
{
    contract_record written = {0};
    contract_record read = {0};
    char data[8] = {0};
    assert_int_equal(iocp_write(win.loop, handle, "hello", 5, contract_keep, &written, NULL),
                     IOCP_OK);
    win_wait(&written, 1);
    win_expect(&written, 1, IOCP_OK, 0);
    assert_int_equal(iocp_read(win.loop, to, data, 5, contract_keep, &read, NULL), IOCP_OK);
    win_wait(&read, 1);
    win_expect(&read, 1, IOCP_OK, 0);
    assert_string_equal(data, "hello");
}

/* ---- What is of no use ---- */

/* It is adopted; its operations say why it is of no use, before and after the answer. */
static void check_useless(HANDLE native, int status, uint32_t native_error)
{
    iocp_handle_t handle = adopt__adopt(native);
    for (int i = 0; i < 2; i++) {
        contract_record read = {0};
        contract_record flushed = {0};
        char data[1];
        int started = iocp_read(win.loop, handle, data, 1, contract_keep, &read, NULL);
        if (started != IOCP_OK) { /* it is known for what it is */
            assert_true(i == 1 && started == IOCP_ENOTSUP && status == IOCP_ENOTSUP);
            break;
        }
        assert_int_equal(iocp_file_flush(win.loop, handle, contract_keep, &flushed, NULL), IOCP_OK);
        win_wait(&read, 1);
        win_expect(&read, 1, status, native_error);
        win_wait(&flushed, 1);
        win_expect(&flushed, 1, status, native_error);
        assert_int_equal(iocp_handle_kind(win.loop, handle), IOCP_HANDLE_OTHER);
    }
    adopt__close(handle);
    DWORD flags;
    assert_false(GetHandleInformation(native, &flags)); /* it was the loop's to close */
}

static void a_socket_is_of_no_use_as_a_pipe(void **state)
{
    (void)state;
    check_useless((HANDLE)contract_socket_create(AF_INET), IOCP_EINVAL, 0);
}

static void a_character_device_takes_no_reads(void **state)
{
    (void)state;
    HANDLE device = CreateFileW(L"NUL", GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
                                FILE_FLAG_OVERLAPPED, NULL);
    assert_true(device != INVALID_HANDLE_VALUE);
    check_useless(device, IOCP_ENOTSUP, 0);
}

static void a_folder_takes_no_reads(void **state)
{
    (void)state;
    wchar_t path[WIN_PATH_CHARACTERS];
    win_path(path, now.folder);
    HANDLE folder =
        CreateFileW(path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING,
                    FILE_FLAG_OVERLAPPED | FILE_FLAG_BACKUP_SEMANTICS, NULL);
    assert_true(folder != INVALID_HANDLE_VALUE);
    check_useless(folder, IOCP_ENOTSUP, 0);
}

static void an_object_that_is_no_file_is_of_no_use(void **state)
{
    (void)state;
    HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL);
    assert_non_null(event);
    check_useless(event, IOCP_EBADF, ERROR_INVALID_HANDLE);
}

/* What a program gets as its standard streams, and from CreatePipe. */
static void what_is_not_overlapped_is_of_no_use(void **state)
{
    (void)state;
    HANDLE ends[2];
    check_useless(adopt__file(false), IOCP_ENOTOVERLAPPED, 0);
    assert_true(CreatePipe(&ends[0], &ends[1], NULL, 0));
    check_useless(ends[0], IOCP_ENOTOVERLAPPED, 0);
    check_useless(ends[1], IOCP_ENOTOVERLAPPED, 0);
}

/* Alertable or not; Win32 opens only the one. */
static void both_ways_of_being_synchronous_are_of_no_use(void **state)
{
    (void)state;
    static const ULONG modes[] = {0x10, 0x20}; /* FILE_SYNCHRONOUS_IO_ALERT, _NONALERT */
    for (size_t i = 0; i < IOC_COUNT_OF(modes); i++) {
        now.mode = modes[i];
        check_useless(adopt__file(true), IOCP_ENOTOVERLAPPED, 0);
    }
}

static void what_is_bound_to_another_port_is_of_no_use(void **state)
{
    (void)state;
    HANDLE other = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);
    HANDLE file = adopt__file(true);
    assert_non_null(other);
    assert_true(CreateIoCompletionPort(file, other, 0, 0) == other);
    check_useless(file, IOCP_EINVAL, ERROR_INVALID_PARAMETER);
    assert_true(CloseHandle(other));
}

static void what_is_no_handle_at_all_is_of_no_use(void **state)
{
    (void)state;
    iocp_handle_t handle = {0};
    HANDLE nobodys = (HANDLE)(uintptr_t)0x7ffffff0; /* no process has so many */
    assert_int_equal(iocp_handle_adopt(win.loop, INVALID_HANDLE_VALUE, &handle), IOCP_EINVAL);
    assert_int_equal(iocp_handle_adopt(win.loop, NULL, &handle), IOCP_EINVAL);
    assert_true(handle.id == 0);
    check_useless(nobodys, IOCP_EBADF, ERROR_INVALID_HANDLE);
}

/* ---- Who asks ---- */

static void the_loop_thread_asks_an_adopted_handle_nothing(void **state)
{
    (void)state;
    HANDLE ends[2];
    assert_true(win_pipe_create(ends, true, false, 4096));
    (void)adopt__adopt_known(adopt__file(true));
    iocp_handle_t pipe = adopt__adopt_known(ends[0]);
    iocp_handle_t other = adopt__adopt_known(ends[1]);
    assert_int_equal(ioc_load_u32(&now.asked_here), 0);
    assert_true(ioc_load_u32(&now.asked_elsewhere) >= 9);
    adopt__transfer(pipe, other);
    assert_int_equal(ioc_load_u32(&now.asked_here), 0);
}

static void a_question_that_waits_holds_up_nobody(void **state)
{
    (void)state;
    contract_record read = {0};
    contract_record cancelled = {0};
    contract_record timer = {0};
    iocp_op_t op = {0};
    uint64_t size = 0;
    char data[1];
    now.may_answer = contract_event_create(true, false);
    iocp_handle_t file = adopt__adopt(adopt__file(true));
    assert_int_equal(iocp_pread(win.loop, file, data, 1, 0, contract_keep, &read, NULL), IOCP_OK);
    assert_int_equal(iocp_pread(win.loop, file, data, 1, 0, contract_keep, &cancelled, &op),
                     IOCP_OK);
    assert_int_equal(iocp_timer(win.loop, 1000000, contract_keep, &timer, NULL), IOCP_OK);
    win_wait(&timer, 1);
    assert_int_equal(iocp_file_get_size(win.loop, file, &size), IOCP_EAGAIN);
    assert_int_equal(iocp_cancel(win.loop, op, NULL, NULL, NULL), IOCP_OK);
    win_wait(&cancelled, 1);
    win_expect(&cancelled, 1, IOCP_ECANCELED, 0);
    assert_int_equal(read.calls, 0);
    contract_event_set(now.may_answer);
    win_wait(&read, 1);
    win_expect(&read, 1, IOCP_EOF, ERROR_HANDLE_EOF);
    assert_int_equal(iocp_file_get_size(win.loop, file, &size), IOCP_OK);
    contract_object_close(now.may_answer);
}

/* The thread of the pool has a handle of its own. */
static void a_close_waits_for_the_answer_alone(void **state)
{
    (void)state;
    contract_record read = {0};
    contract_record closed = {0};
    char data[1];
    now.may_answer = contract_event_create(true, false);
    iocp_handle_t file = adopt__adopt(adopt__file(true));
    assert_int_equal(iocp_pread(win.loop, file, data, 1, 0, contract_keep, &read, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_tick(win.loop, 0), IOCP_OK);
    while (ioc_load_u32(&now.asked_elsewhere) == 0) {
        Sleep(1); /* until it has begun */
    }
    assert_int_equal(iocp_close(win.loop, file, contract_keep, &closed, NULL), IOCP_OK);
    win_wait(&read, 1);
    win_expect(&read, 1, IOCP_ECANCELED, 0);
    assert_int_equal(closed.calls, 0);
    contract_event_set(now.may_answer);
    win_wait(&closed, 1);
    win_expect(&closed, 1, IOCP_OK, 0);
    contract_object_close(now.may_answer);
}

/* ---- What the program had pending ---- */

static uint64_t adopt__foreign_packets(void)
{
    iocp_stats_t stats = {.size = sizeof stats};
    assert_int_equal(iocp_loop_stats(win.loop, &stats), IOCP_OK);
    return stats.foreign_packets;
}

/* Its packet has the loop's key, and an OVERLAPPED of which the loop knows nothing. */
static void a_connect_of_the_programs_that_is_pending_does_no_harm(void **state)
{
    (void)state;
    wchar_t name[64];
    char data[8];
    contract_record read = {0};
    DWORD written = 0;
    OVERLAPPED *connecting = calloc(1, sizeof *connecting);
    assert_non_null(connecting);
    (void)swprintf(name, 64, L"\\\\.\\pipe\\iocploop-adopt-%lu",
                   (unsigned long)GetCurrentProcessId());
    HANDLE server = CreateNamedPipeW(name, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED,
                                     PIPE_TYPE_BYTE, 1, 64, 64, 0, NULL);
    assert_true(server != INVALID_HANDLE_VALUE);
    assert_false(ConnectNamedPipe(server, connecting));
    assert_int_equal(GetLastError(), ERROR_IO_PENDING);
    iocp_handle_t pipe = adopt__adopt_known(server);
    HANDLE client =
        CreateFileW(name, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);
    assert_true(client != INVALID_HANDLE_VALUE);
    assert_int_equal(iocp_read(win.loop, pipe, data, 5, contract_keep, &read, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
    while (adopt__foreign_packets() == 0) {
        assert_int_equal(iocp_loop_tick(win.loop, 0), IOCP_OK);
    }
    assert_int_equal(read.calls, 0);
    assert_true(WriteFile(client, "hello", 5, &written, NULL));
    win_wait(&read, 1);
    win_expect(&read, 1, IOCP_OK, 0);
    assert_int_equal(adopt__foreign_packets(), 1);
    assert_true(CloseHandle(client));
    free(connecting);
}

/* ---- What others feel ---- */

static void the_event_of_a_file_that_is_adopted_is_left_as_it_was(void **state)
{
    (void)state;
    iocp_handle_t adopted = {0};
    iocp_handle_t opened = {0};
    HANDLE ends[2];
    assert_true(win_pipe_create(ends, true, false, 4096));
    (void)adopt__adopt_known(adopt__file(true));
    (void)adopt__adopt_known(ends[0]);
    (void)adopt__adopt_known(ends[1]);
    assert_int_equal(iocp_socket_adopt(win.loop, contract_socket_create(AF_INET), &adopted),
                     IOCP_OK);
    assert_int_equal(now.modes, FILE_SKIP_COMPLETION_PORT_ON_SUCCESS);
    assert_int_equal(iocp_socket_open(win.loop, AF_INET, SOCK_STREAM, 0, &opened), IOCP_OK);
    assert_int_equal(now.modes,
                     FILE_SKIP_COMPLETION_PORT_ON_SUCCESS | FILE_SKIP_SET_EVENT_ON_HANDLE);
}

/* The modes of a file object are for good: a loop that asks for packets gets none either. */
static void a_file_that_skips_packets_already_ends_its_operations_in_every_mode(void **state)
{
    (void)state;
    HANDLE ends[2];
    win_open(IOCP_COMPLETION_PACKET);
    assert_true(win_pipe_create(ends, true, false, 4096));
    now.notifies = FILE_SKIP_COMPLETION_PORT_ON_SUCCESS;
    for (int i = 0; i < 2; i++) {
        assert_true(
            SetFileCompletionNotificationModes(ends[i], FILE_SKIP_COMPLETION_PORT_ON_SUCCESS));
    }
    iocp_handle_t to = adopt__adopt_known(ends[1]);
    adopt__transfer(adopt__adopt_known(ends[0]), to);
    assert_int_equal(now.modes, 0); /* nobody but this test has set any */
}

/* A socket of the program's that is adopted and sends itself a datagram, in a loop of packets. */
static contract_record adopt__send_datagram(UCHAR modes)
{
    contract_address name = contract_loopback(AF_INET, 0);
    iocp_handle_t handle = {0};
    contract_record sent = {0};
    SOCKET plain = WSASocketW(AF_INET, SOCK_DGRAM, 0, NULL, 0, WSA_FLAG_OVERLAPPED);
    int length = (int)name.length;
    win_open(IOCP_COMPLETION_PACKET);
    now.notifies = modes;
    assert_int_equal(bind(plain, contract_sockaddr(&name), length), 0);
    assert_int_equal(getsockname(plain, (struct sockaddr *)&name.storage, &length), 0);
    assert_true(SetFileCompletionNotificationModes((HANDLE)plain, modes));
    assert_int_equal(iocp_socket_adopt(win.loop, plain, &handle), IOCP_OK);
    assert_int_equal(iocp_sendto(win.loop, handle, "x", 1, contract_sockaddr(&name), name.length,
                                 contract_keep, &sent, NULL),
                     IOCP_OK);
    win_wait(&sent, 1);
    win_expect(&sent, 1, IOCP_OK, 0);
    return sent;
}

static void a_socket_that_skips_packets_already_ends_its_operations_in_every_mode(void **state)
{
    (void)state;
    (void)adopt__send_datagram(FILE_SKIP_COMPLETION_PORT_ON_SUCCESS);
}

/* The other of the two modes says nothing of packets. */
static void a_socket_whose_event_is_left_alone_sends_its_packets(void **state)
{
    (void)state;
    contract_record sent = adopt__send_datagram(FILE_SKIP_SET_EVENT_ON_HANDLE);
    assert_int_equal(sent.result.flags, 0); /* so it was a packet that brought it */
}

/* ---- What is given back ---- */

/* One of the loop's that is bound, and its address. */
static iocp_handle_t adopt__open_socket(contract_address *name)
{
    iocp_handle_t handle = {0};
    *name = contract_loopback(AF_INET, 0);
    size_t length = sizeof name->storage;
    assert_int_equal(iocp_socket_open(win.loop, AF_INET, SOCK_DGRAM, 0, &handle), IOCP_OK);
    assert_int_equal(iocp_socket_bind(win.loop, handle, contract_sockaddr(name), name->length),
                     IOCP_OK);
    assert_int_equal(
        iocp_socket_get_name(win.loop, handle, (struct sockaddr *)&name->storage, &length),
        IOCP_OK);
    return handle;
}

static void adopt__use_socket(iocp_handle_t handle, const contract_address *name)
{
    contract_record sent = {0};
    contract_record received = {0};
    char data[4];
    assert_int_equal(iocp_sendto(win.loop, handle, "x", 1, contract_sockaddr(name), name->length,
                                 contract_keep, &sent, NULL),
                     IOCP_OK);
    win_wait(&sent, 1);
    assert_int_equal(
        iocp_recvfrom(win.loop, handle, data, sizeof data, contract_keep, &received, NULL),
        IOCP_OK);
    win_wait(&received, 1);
    win_expect(&received, 1, IOCP_OK, 0);
}

/* Nothing of it is closed, and it can be used by whoever has it now. */
static void a_socket_that_was_used_is_taken_off_its_port(void **state)
{
    (void)state;
    contract_address name;
    uintptr_t socket = 0;
    void *native = NULL;
    char data[4];
    iocp_handle_t handle = adopt__open_socket(&name);
    adopt__use_socket(handle, &name);
    assert_int_equal(iocp_handle_native(win.loop, handle, &native), IOCP_OK);
    now.leaving = LEAVING_DOUBLE;
    assert_int_equal(iocp_socket_detach(win.loop, handle, &socket), IOCP_OK);
    assert_int_equal(now.leaving_calls, 1);
    assert_ptr_equal(now.left, native);
    assert_ptr_equal((void *)socket, native);
    assert_int_equal(iocp_handle_kind(win.loop, handle), IOCP_EBADF);
    win_open(IOCP_COMPLETION_AUTO); /* after the end of the other */
    assert_int_equal(sendto((SOCKET)socket, "y", 1, 0, contract_sockaddr(&name), (int)name.length),
                     1);
    assert_int_equal(recv((SOCKET)socket, data, sizeof data, 0), 1);
    assert_int_equal(closesocket((SOCKET)socket), 0);
}

/* It was refused, so nothing has changed. */
static void check_kept(leaving what, LONG nt_status, uint32_t native_error)
{
    contract_address name;
    uintptr_t socket = 0;
    iocp_handle_t handle = adopt__open_socket(&name);
    now.leaving = what;
    now.leaving_status = nt_status;
    assert_int_equal(iocp_socket_detach(win.loop, handle, &socket), IOCP_EBUSY);
    assert_true(socket == 0);
    if (native_error != 0) {
        assert_int_equal(iocp_loop_native_error(win.loop), native_error);
    }
    adopt__use_socket(handle, &name);
}

static void a_socket_that_the_system_keeps_on_its_port_goes_on(void **state)
{
    (void)state;
    check_kept(LEAVING_MISSING, 0, 0);
    check_kept(LEAVING_DOUBLE, (LONG)0xC0000003 /* INVALID_INFO_CLASS */, 0);
    check_kept(LEAVING_DOUBLE, (LONG)0xC0000022 /* ACCESS_DENIED */, ERROR_ACCESS_DENIED);
    if (contract_is_wine()) {
        check_kept(LEAVING_REAL, 0, 0);
    }
}

/* The call of its own, the port of nobody. */
static void what_was_accepted_and_not_used_asks_the_system_nothing(void **state)
{
    (void)state;
    contract_address name = contract_loopback(AF_INET, 0);
    size_t length = sizeof name.storage;
    iocp_handle_t listener = {0};
    contract_record accepted = {0};
    uintptr_t socket = 0;
    assert_int_equal(iocp_socket_open(win.loop, AF_INET, SOCK_STREAM, 0, &listener), IOCP_OK);
    assert_int_equal(iocp_socket_bind(win.loop, listener, contract_sockaddr(&name), name.length),
                     IOCP_OK);
    assert_int_equal(iocp_socket_listen(win.loop, listener, 0), IOCP_OK);
    assert_int_equal(
        iocp_socket_get_name(win.loop, listener, (struct sockaddr *)&name.storage, &length),
        IOCP_OK);
    assert_int_equal(iocp_accept(win.loop, listener, contract_keep, &accepted, NULL), IOCP_OK);
    SOCKET plain = win_connect(&name);
    win_wait(&accepted, 1);
    now.leaving = LEAVING_DOUBLE;
    assert_int_equal(iocp_socket_detach(win.loop, accepted.result.opened, &socket), IOCP_OK);
    assert_int_equal(now.leaving_calls, 0);
    assert_int_equal(closesocket((SOCKET)socket), 0);
    assert_int_equal(closesocket(plain), 0);
}

/* ---- Whatever fails ---- */

static bool adopt__is_inheritable(HANDLE native)
{
    DWORD flags = 0;
    assert_true(GetHandleInformation(native, &flags)); /* and it is open */
    return (flags & HANDLE_FLAG_INHERIT) != 0;
}

static void a_socket_of_another_kind_is_not_adopted_and_stays_as_it_was(void **state)
{
    (void)state;
    static const struct {
        int family;
        int type;
        int status;
    } table[] = {
        {AF_INET, SOCK_RAW, IOCP_ENOTSUP},          {AF_INET6, SOCK_RDM, IOCP_ENOTSUP},
        {AF_INET, SOCK_SEQPACKET, IOCP_ENOTSUP},    {AF_IRDA, SOCK_STREAM, IOCP_EAFNOSUPPORT},
        {AF_UNSPEC, SOCK_DGRAM, IOCP_EAFNOSUPPORT},
    };
    for (size_t i = 0; i < IOC_COUNT_OF(table); i++) {
        iocp_handle_t handle = {0};
        SOCKET plain = contract_socket_create(AF_INET);
        WSAPROTOCOL_INFOW provider = {.iAddressFamily = table[i].family,
                                      .iSocketType = table[i].type};
        assert_true(SetHandleInformation((HANDLE)plain, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT));
        now.provider = &provider;
        assert_int_equal(iocp_socket_adopt(win.loop, plain, &handle), table[i].status);
        now.provider = NULL;
        assert_int_equal(handle.id, 0);
        assert_true(adopt__is_inheritable((HANDLE)plain));
        assert_int_equal(iocp_socket_adopt(win.loop, plain, &handle), IOCP_OK);
    }
}

static void a_handle_that_stays_inheritable_is_not_adopted(void **state)
{
    (void)state;
    iocp_handle_t handle = {0};
    HANDLE file = adopt__file(true);
    assert_true(SetHandleInformation(file, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT));
    win_faults_fail_next_of(WIN_SET_HANDLE_INFORMATION, ERROR_ACCESS_DENIED);
    assert_int_equal(iocp_handle_adopt(win.loop, file, &handle), IOCP_EACCES);
    assert_int_equal(iocp_loop_native_error(win.loop), ERROR_ACCESS_DENIED);
    assert_int_equal(handle.id, 0);
    assert_true(adopt__is_inheritable(file)); /* it is the caller's */
    handle = adopt__adopt_known(file);
    assert_false(adopt__is_inheritable(file));
}

static void an_adoption_that_the_pool_refuses_tells_the_operations(void **state)
{
    (void)state;
    static const win_call needed[] = {WIN_CREATE_WORK, WIN_DUPLICATE, WIN_CREATE_PORT};
    for (size_t i = 0; i < IOC_COUNT_OF(needed); i++) {
        win_faults_fail_next_of(needed[i], ERROR_NOT_ENOUGH_MEMORY);
        check_useless(adopt__file(true), IOCP_ENOMEM, ERROR_NOT_ENOUGH_MEMORY);
    }
}

static void a_loop_can_end_before_the_answer(void **state)
{
    (void)state;
    contract_record read = {0};
    char data[1];
    for (int i = 0; i < 2; i++) {
        iocp_handle_t file = adopt__adopt(adopt__file(true));
        assert_int_equal(iocp_pread(win.loop, file, data, 1, 0, contract_keep, &read, NULL),
                         IOCP_OK);
        if (i == 1) {
            assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
        }
        win_open(IOCP_COMPLETION_AUTO);
        win_expect(&read, 1, IOCP_ECANCELED, 0);
        read.calls = 0;
    }
}

/* What the system opens once and keeps is open before the first test counts. */
static int adopt__warm_up(void **state)
{
    iocp_handle_t socket = {0};
    win_use_winsock();
    assert_int_equal(adopt__setup(state), 0);
    (void)adopt__adopt_known(adopt__file(true));
    assert_int_equal(iocp_socket_open(win.loop, AF_INET, SOCK_STREAM, 0, &socket), IOCP_OK);
    win_loop_destroy(&win.loop);
    assert_true(win_folder_remove(now.folder));
    return 0;
}

#define ADOPT_TEST(function) \
    cmocka_unit_test_setup_teardown(function, adopt__setup, adopt__teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ADOPT_TEST(a_socket_is_of_no_use_as_a_pipe),
        ADOPT_TEST(a_character_device_takes_no_reads),
        ADOPT_TEST(a_folder_takes_no_reads),
        ADOPT_TEST(an_object_that_is_no_file_is_of_no_use),
        ADOPT_TEST(what_is_not_overlapped_is_of_no_use),
        ADOPT_TEST(both_ways_of_being_synchronous_are_of_no_use),
        ADOPT_TEST(what_is_bound_to_another_port_is_of_no_use),
        ADOPT_TEST(what_is_no_handle_at_all_is_of_no_use),
        ADOPT_TEST(the_loop_thread_asks_an_adopted_handle_nothing),
        ADOPT_TEST(a_question_that_waits_holds_up_nobody),
        ADOPT_TEST(a_close_waits_for_the_answer_alone),
        ADOPT_TEST(a_connect_of_the_programs_that_is_pending_does_no_harm),
        ADOPT_TEST(the_event_of_a_file_that_is_adopted_is_left_as_it_was),
        ADOPT_TEST(a_file_that_skips_packets_already_ends_its_operations_in_every_mode),
        ADOPT_TEST(a_socket_whose_event_is_left_alone_sends_its_packets),
        ADOPT_TEST(a_socket_that_skips_packets_already_ends_its_operations_in_every_mode),
        ADOPT_TEST(a_socket_that_was_used_is_taken_off_its_port),
        ADOPT_TEST(a_socket_that_the_system_keeps_on_its_port_goes_on),
        ADOPT_TEST(what_was_accepted_and_not_used_asks_the_system_nothing),
        ADOPT_TEST(a_socket_of_another_kind_is_not_adopted_and_stays_as_it_was),
        ADOPT_TEST(a_handle_that_stays_inheritable_is_not_adopted),
        ADOPT_TEST(an_adoption_that_the_pool_refuses_tells_the_operations),
        ADOPT_TEST(a_loop_can_end_before_the_answer),
    };
    contract_object_begin();
    win_catch_crashes();
    return cmocka_run_group_tests(tests, adopt__warm_up, NULL);
}
