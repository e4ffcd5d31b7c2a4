/* Polls: what the driver is asked, by which handle, what its answers mean, and its refusals. */
#include "unit.h"

#include "win32/net/afd.h"
#include "win32/nt.h"
#include "win32/sys.h"

#include "win_faults.h"
#include "win_leaks.h"
#include "win_loop.h"

#include <string.h>

#define BASE_HANDLE     0x48000022u
#define BSP_HANDLE_POLL 0x4800001Du
#define IOCTL_POLL      0x00012024u

#define STATUS_DENIED    ((LONG)0xC0000022)
#define STATUS_EXHAUSTED ((LONG)0xC000009A)
#define STATUS_ABORTED   0xC0000120u

#define DEVICES_MAX 8
#define PENDING_MAX 128

/* AFD_POLL_INFO, as the driver has it. */
typedef struct question {
    LARGE_INTEGER timeout;
    ULONG count;
    ULONG is_exclusive;
    HANDLE socket;
    ULONG events;
    LONG status;
} question;

typedef struct pending {
    HANDLE device;
    OVERLAPPED *overlapped;
    question *data;
} pending;

/* A double of the driver: it answers when the test says so. */
static struct {
    /* Winsock: the layers of a socket, the lowest last. */
    SOCKET layers[16];
    int layer_count;
    int lowest_that_tells; /* its own base; those above refuse to */
    int base_questions;

    HANDLE devices[DEVICES_MAX];
    int device_count;
    HANDLE port;
    ULONG_PTR key;
    pending asked[PENDING_MAX];
    int asked_count;
    LONG refusal;       /* of the next question */
    LONG open_refusal;  /* of the next handle */
    bool refuses_port;  /* the next handle is not taken */
    DWORD cancel_error; /* of each cancel */
    int cancels;
    bool cancels_are_late; /* what is cancelled stays pending */
} now;

/* ---- Winsock ---- */

static int spy__layer_of(SOCKET socket)
{
    for (int i = 0; i < now.layer_count; i++) {
        if (now.layers[i] == socket) {
            return i;
        }
    }
    return -1;
}

static int spy__refuse(int error)
{
    WSASetLastError(error);
    return SOCKET_ERROR;
}

static int WINAPI spy__ioctl(SOCKET socket, DWORD request, void *in, DWORD in_size, void *out,
                             DWORD out_size, DWORD *written, OVERLAPPED *overlapped,
                             LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
    int layer = spy__layer_of(socket);
    if (request != BASE_HANDLE && request != BSP_HANDLE_POLL) {
        return win_faults_table()->WSAIoctl(socket, request, in, in_size, out, out_size, written,
                                            overlapped, routine);
    }
    assert_int_equal(out_size, sizeof(SOCKET));
    assert_null(overlapped);
    *written = sizeof(SOCKET);
    if (layer < 0) {
        return spy__refuse(WSAENOTSOCK);
    }
    if (request == BASE_HANDLE) {
        now.base_questions++;
        if (layer < now.lowest_that_tells) {
            return spy__refuse(WSAEFAULT);
        }
        *(SOCKET *)out = now.layers[now.layer_count - 1];
        return 0;
    }
    *(SOCKET *)out = now.layers[layer + 1 < now.layer_count ? layer + 1 : layer];
    return 0;
}

/* ---- The driver ---- */

static bool spy__is_device(HANDLE handle)
{
    for (int i = 0; i < now.device_count; i++) {
        if (now.devices[i] == handle) {
            return true;
        }
    }
    return false;
}

static LONG NTAPI spy__create(HANDLE *handle, ACCESS_MASK access, const ioc_nt_name *name,
                              ioc_nt_status_block *block, LARGE_INTEGER *size, ULONG attributes,
                              ULONG sharing, ULONG disposition, ULONG options, void *ea,
                              ULONG ea_size)
{
    static const wchar_t path[] = L"\\Device\\Afd\\iocploop";
    (void)block;
    (void)ea;
    assert_int_equal(access, SYNCHRONIZE);
    assert_null(size);
    assert_int_equal(attributes, 0);
    assert_int_equal(sharing, FILE_SHARE_READ | FILE_SHARE_WRITE);
    assert_int_equal(disposition, 1); /* FILE_OPEN */
    assert_int_equal(options, 0);     /* overlapped */
    assert_int_equal(ea_size, 0);
    assert_int_equal(name->size, sizeof *name);
    assert_null(name->root);
    assert_int_equal(name->name->length, sizeof path - sizeof *path);
    assert_memory_equal(name->name->text, path, sizeof path - sizeof *path);
    if (now.open_refusal != 0) {
        LONG refusal = now.open_refusal;
        now.open_refusal = 0;
        return refusal;
    }
    *handle = CreateEventW(NULL, TRUE, FALSE, NULL);
    assert_non_null(*handle);
    assert_true(now.device_count < DEVICES_MAX);
    now.devices[now.device_count++] = *handle;
    return 0;
}

static HANDLE WINAPI spy__create_port(HANDLE handle, HANDLE port, ULONG_PTR key, DWORD threads)
{
    if (!spy__is_device(handle)) {
        return win_faults_table()->CreateIoCompletionPort(handle, port, key, threads);
    }
    if (now.refuses_port) {
        now.refuses_port = false;
        SetLastError(ERROR_NOT_ENOUGH_MEMORY);
        return NULL;
    }
    now.port = port;
    now.key = key;
    return port;
}

static BOOL WINAPI spy__close(HANDLE handle)
{
    for (int i = 0; i < now.device_count; i++) {
        if (now.devices[i] == handle) {
            now.devices[i] = now.devices[--now.device_count];
            break;
        }
    }
    return win_faults_table()->CloseHandle(handle);
}

static LONG NTAPI spy__control(HANDLE device, HANDLE event, void *apc, void *context,
                               ioc_nt_status_block *block, ULONG request, void *in, ULONG in_size,
                               void *out, ULONG out_size)
{
    question *data = in;
    assert_true(spy__is_device(device));
    assert_null(event);
    assert_null(apc);
    assert_ptr_equal(context, block);
    assert_int_equal(request, IOCTL_POLL);
    assert_ptr_equal(in, out);
    assert_int_equal(in_size, sizeof *data);
    assert_int_equal(out_size, sizeof *data);
    assert_true(data->timeout.QuadPart == INT64_MAX);
    assert_int_equal(data->count, 1);
    assert_int_equal(data->is_exclusive, 0);
    if (now.refusal != 0) {
        LONG refusal = now.refusal;
        now.refusal = 0;
        return refusal;
    }
    assert_true(now.asked_count < PENDING_MAX);
    now.asked[now.asked_count++] = (pending){device, context, data};
    return IOC_NT_PENDING;
}

/* The oldest question but `index` ends. */
static void driver__end(int index, uint32_t nt_status, ULONG events)
{
    pending one = now.asked[index];
    assert_true(index < now.asked_count);
    memmove(&now.asked[index], &now.asked[index + 1],
            (size_t)(--now.asked_count - index) * sizeof one);
    one.data->events = events;
    one.overlapped->Internal = nt_status;
    one.overlapped->InternalHigh = sizeof *one.data;
    assert_true(PostQueuedCompletionStatus(now.port, sizeof *one.data, now.key, one.overlapped));
}

static BOOL WINAPI spy__cancel(HANDLE handle, OVERLAPPED *overlapped)
{
    if (!spy__is_device(handle)) {
        return win_faults_table()->CancelIoEx(handle, overlapped);
    }
    now.cancels++;
    if (now.cancel_error != 0) {
        SetLastError(now.cancel_error);
        return FALSE;
    }
    for (int i = 0; i < now.asked_count && !now.cancels_are_late; i++) {
        if (now.asked[i].overlapped == overlapped) {
            assert_ptr_equal(now.asked[i].device, handle);
            driver__end(i, STATUS_ABORTED, 0);
            break;
        }
    }
    return TRUE;
}

static const char *missing;

static FARPROC WINAPI spy__find(HMODULE module, const char *name)
{
    if (missing != NULL && strcmp(name, missing) == 0) {
        return NULL;
    }
    if (strcmp(name, "NtCreateFile") == 0) {
        return (FARPROC)(void (*)(void))spy__create;
    }
    if (strcmp(name, "NtDeviceIoControlFile") == 0) {
        return (FARPROC)(void (*)(void))spy__control;
    }
    return win_faults_table()->GetProcAddress(module, name);
}

/* ---- Before and after each test ---- */

static int polls__setup(void **state)
{
    (void)state;
    memset(&now, 0, sizeof now);
    missing = NULL;
    now.layers[0] = 100;
    now.layer_count = 1;
    win_begin();
    win.sys.WSAIoctl = spy__ioctl;
    win.sys.CreateIoCompletionPort = spy__create_port;
    win.sys.CloseHandle = spy__close;
    win.sys.CancelIoEx = spy__cancel;
    win.sys.GetProcAddress = spy__find;
    win_open(IOCP_COMPLETION_AUTO);
    return 0;
}

static int polls__teardown(void **state)
{
    now.cancel_error = 0;
    now.cancels_are_late = false;
    (void)win_end(state);
    assert_int_equal(now.device_count, 0);
    return 0;
}

static iocp_op_t polls__start(uint32_t events, contract_record *kept)
{
    iocp_op_t op = {0};
    assert_int_equal(iocp_poll(win.loop, 100, events, contract_keep, kept, &op), IOCP_OK);
    return op;
}

static void polls__turn(void)
{
    for (int i = 0; i < 3; i++) {
        assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    }
}

static void assert_ended(const contract_record *kept, int status, uint32_t native_error)
{
    win_expect(kept, 1, status, native_error);
    assert_int_equal(kept->result.event, 0);
    assert_int_equal(kept->result.bytes, 0);
}

/* ---- Questions and answers ---- */

static void each_event_is_asked_for_in_the_drivers_words(void **state)
{
    (void)state;
    static const struct {
        uint32_t events;
        ULONG asked;
    } table[] = {
        {0, 0x130}, /* a failed connect, a close here, an abort */
        {IOCP_POLL_READ, 0x130 | 0x089},
        {IOCP_POLL_WRITE, 0x130 | 0x004},
        {IOCP_POLL_PRIORITY, 0x130 | 0x002},
        {IOCP_POLL_HANGUP, 0x130 | 0x008},
        {IOCP_POLL_ERROR, 0x130},
    };
    for (size_t i = 0; i < IOC_COUNT_OF(table); i++) {
        contract_record kept = {0};
        (void)polls__start(table[i].events, &kept);
        polls__turn();
        assert_int_equal(now.asked_count, 1);
        assert_int_equal(now.asked[0].data->events, table[i].asked);
        assert_true((uintptr_t)now.asked[0].data->socket == 100);
        driver__end(0, 0, 0x010);
        polls__turn();
        assert_int_equal(kept.calls, 1);
    }
}

static void each_answer_is_told_in_ours(void **state)
{
    (void)state;
    static const struct {
        ULONG answer;
        uint32_t told;
    } table[] = {
        {0x001, IOCP_POLL_READ},
        {0x080, IOCP_POLL_READ},
        {0x008, IOCP_POLL_READ | IOCP_POLL_HANGUP},
        {0x002, IOCP_POLL_PRIORITY},
        {0x004, IOCP_POLL_WRITE},
        {0x010, IOCP_POLL_ERROR},
        {0x100, IOCP_POLL_ERROR},
        {0x105, IOCP_POLL_READ | IOCP_POLL_WRITE | IOCP_POLL_ERROR},
    };
    for (size_t i = 0; i < IOC_COUNT_OF(table); i++) {
        contract_record kept = {0};
        (void)polls__start(31, &kept);
        polls__turn();
        driver__end(0, 0, table[i].answer);
        polls__turn();
        assert_int_equal(kept.calls, 1);
        assert_int_equal(kept.result.status, IOCP_OK);
        assert_int_equal(kept.result.event, table[i].told);
    }
}

static void a_close_comes_before_all_else_that_is_told(void **state)
{
    (void)state;
    contract_record kept = {0};
    (void)polls__start(31, &kept);
    polls__turn();
    driver__end(0, 0, 0x020 | 0x001 | 0x010);
    polls__turn();
    assert_ended(&kept, IOCP_EBADF, 0);
}

static void an_answer_without_an_event_is_asked_again(void **state)
{
    (void)state;
    contract_record kept = {0};
    (void)polls__start(IOCP_POLL_READ, &kept);
    polls__turn();
    driver__end(0, 0, 0);
    polls__turn();
    assert_int_equal(kept.calls, 0);
    assert_int_equal(now.asked_count, 1);
    driver__end(0, 0, 0x001);
    polls__turn();
    assert_int_equal(kept.calls, 1);
}

/* ---- Groups ---- */

static void a_handle_of_the_drivers_serves_so_many_polls(void **state)
{
    (void)state;
    static contract_record kept[2 * IOC_AFD_GROUP + 1];
    memset(kept, 0, sizeof kept);
    for (size_t i = 0; i < IOC_COUNT_OF(kept); i++) {
        (void)polls__start(IOCP_POLL_READ, &kept[i]);
    }
    polls__turn();
    assert_int_equal(now.device_count, 3);
    int of_first = 0;
    for (int i = 0; i < now.asked_count; i++) {
        of_first += now.asked[i].device == now.asked[0].device;
    }
    assert_int_equal(of_first, IOC_AFD_GROUP);

    /* One leaves a full group: there is its place. */
    driver__end(0, 0, 0x001);
    polls__turn();
    contract_record next = {0};
    (void)polls__start(IOCP_POLL_READ, &next);
    polls__turn();
    assert_int_equal(now.device_count, 3);
    while (now.asked_count > 0) {
        driver__end(0, 0, 0x001);
        polls__turn();
    }
    assert_int_equal(now.device_count, 1); /* for the next poll */
}

/* ---- Base sockets ---- */

static void a_layered_socket_is_polled_by_its_base(void **state)
{
    (void)state;
    contract_record kept = {.rearms = 1};
    now.layers[1] = 200;
    now.layers[2] = 300;
    now.layer_count = 3;
    (void)polls__start(IOCP_POLL_READ, &kept);
    polls__turn();
    assert_true((uintptr_t)now.asked[0].data->socket == 300);
    driver__end(0, 0, 0x001);
    polls__turn();
    assert_true((uintptr_t)now.asked[0].data->socket == 300);
    assert_int_equal(now.base_questions, 1); /* not again for the next run */
    driver__end(0, 0, 0x001);
    polls__turn();
    assert_int_equal(kept.calls, 2);
}

static void a_provider_that_hides_its_base_is_passed_by(void **state)
{
    (void)state;
    contract_record kept = {0};
    now.layers[1] = 200;
    now.layers[2] = 300;
    now.layer_count = 3;
    now.lowest_that_tells = 2;
    (void)polls__start(IOCP_POLL_READ, &kept);
    polls__turn();
    assert_true((uintptr_t)now.asked[0].data->socket == 300);
    driver__end(0, 0, 0x001);
    polls__turn();
    assert_int_equal(kept.calls, 1);
}

static void one_that_hides_it_for_good_is_named_by_its_error(void **state)
{
    (void)state;
    contract_record kept = {0};
    now.lowest_that_tells = 1;
    (void)polls__start(IOCP_POLL_READ, &kept);
    polls__turn();
    assert_ended(&kept, IOCP_ENOTSUP, WSAEFAULT);
    assert_int_equal(now.device_count, 0);
}

static void a_chain_without_end_is_not_followed(void **state)
{
    (void)state;
    contract_record kept = {0};
    for (int i = 0; i < 16; i++) {
        now.layers[i] = 100 + (SOCKET)i;
    }
    now.layer_count = 16;
    now.lowest_that_tells = 16;
    (void)polls__start(IOCP_POLL_READ, &kept);
    polls__turn();
    assert_ended(&kept, IOCP_ENOTSUP, WSAEFAULT);
    assert_int_equal(now.base_questions, 7);
}

static void what_is_no_socket_is_no_socket(void **state)
{
    (void)state;
    contract_record kept = {0};
    now.layer_count = 0;
    (void)polls__start(IOCP_POLL_READ, &kept);
    polls__turn();
    assert_ended(&kept, IOCP_ENOTSOCK, WSAENOTSOCK);
}

/* ---- Other events ---- */

static void wanting_less_asks_nothing_of_the_system(void **state)
{
    (void)state;
    contract_record kept = {0};
    iocp_op_t op = polls__start(IOCP_POLL_READ | IOCP_POLL_WRITE, &kept);
    polls__turn();
    assert_int_equal(iocp_poll_set(win.loop, op, IOCP_POLL_WRITE), IOCP_OK);
    assert_int_equal(now.cancels, 0);
    driver__end(0, 0, 0x001);
    polls__turn();
    assert_int_equal(kept.calls, 0);
    assert_int_equal(now.asked_count, 1);
    assert_int_equal(now.asked[0].data->events, 0x130 | 0x004);
    driver__end(0, 0, 0x004);
    polls__turn();
    assert_int_equal(kept.result.event, IOCP_POLL_WRITE);
}

static void wanting_more_asks_anew(void **state)
{
    (void)state;
    contract_record kept = {0};
    iocp_op_t op = polls__start(IOCP_POLL_READ, &kept);
    polls__turn();
    assert_int_equal(iocp_poll_set(win.loop, op, IOCP_POLL_WRITE), IOCP_OK);
    assert_int_equal(now.cancels, 1);
    polls__turn();
    assert_int_equal(kept.calls, 0);
    assert_int_equal(now.asked_count, 1);
    assert_int_equal(now.asked[0].data->events, 0x130 | 0x004);
    driver__end(0, 0, 0x004);
    polls__turn();
    assert_int_equal(kept.calls, 1);
}

/* It is what it was before, when the system's answer to the abort is there. */
static void there_and_back_again_waits_on(void **state)
{
    (void)state;
    contract_record kept = {0};
    iocp_op_t op = polls__start(IOCP_POLL_READ, &kept);
    polls__turn();
    assert_int_equal(iocp_poll_set(win.loop, op, IOCP_POLL_WRITE), IOCP_OK);
    assert_int_equal(iocp_poll_set(win.loop, op, IOCP_POLL_READ), IOCP_OK);
    polls__turn();
    assert_int_equal(kept.calls, 0);
    assert_int_equal(now.asked[0].data->events, 0x130 | 0x089);
    driver__end(0, 0, 0x001);
    polls__turn();
    assert_int_equal(kept.calls, 1);
}

static void a_refused_change_changes_nothing(void **state)
{
    (void)state;
    contract_record kept = {0};
    iocp_op_t op = polls__start(IOCP_POLL_READ, &kept);
    polls__turn();
    now.cancel_error = ERROR_NOT_ENOUGH_MEMORY;
    assert_int_equal(iocp_poll_set(win.loop, op, IOCP_POLL_WRITE), IOCP_ENOMEM);
    now.cancel_error = 0;
    driver__end(0, 0, 0x001);
    polls__turn();
    assert_int_equal(kept.calls, 1);
    assert_int_equal(kept.result.event, IOCP_POLL_READ);
}

/* The change has aborted it, then it was cancelled: nothing is asked any more. */
static void a_cancel_behind_a_change_is_the_end(void **state)
{
    (void)state;
    contract_record kept = {0};
    now.cancels_are_late = true;
    iocp_op_t op = polls__start(IOCP_POLL_READ, &kept);
    polls__turn();
    assert_int_equal(iocp_poll_set(win.loop, op, IOCP_POLL_WRITE), IOCP_OK);
    assert_int_equal(iocp_cancel(win.loop, op, NULL, NULL, NULL), IOCP_OK);
    polls__turn();
    driver__end(0, STATUS_ABORTED, 0);
    polls__turn();
    assert_ended(&kept, IOCP_ECANCELED, ERROR_OPERATION_ABORTED);
    assert_int_equal(now.asked_count, 0);
}

/* The first cancel was taken; that a later one is refused takes nothing of it back. */
static void a_refused_cancel_behind_one_that_was_taken_is_no_way_back(void **state)
{
    (void)state;
    contract_record kept = {0};
    contract_record refused = {0};
    now.cancels_are_late = true;
    iocp_op_t op = polls__start(IOCP_POLL_READ, &kept);
    polls__turn();
    assert_int_equal(iocp_poll_set(win.loop, op, IOCP_POLL_WRITE), IOCP_OK);
    assert_int_equal(iocp_cancel(win.loop, op, NULL, NULL, NULL), IOCP_OK);
    polls__turn();
    now.cancel_error = ERROR_NOT_ENOUGH_MEMORY;
    assert_int_equal(iocp_cancel(win.loop, op, contract_keep, &refused, NULL), IOCP_OK);
    polls__turn();
    win_expect(&refused, 1, IOCP_ENOMEM, ERROR_NOT_ENOUGH_MEMORY);
    assert_int_equal(now.cancels, 3);
    driver__end(0, STATUS_ABORTED, 0);
    polls__turn();
    assert_ended(&kept, IOCP_ECANCELED, ERROR_OPERATION_ABORTED);
    assert_int_equal(now.asked_count, 0);
}

static void what_somebody_else_aborts_ends(void **state)
{
    (void)state;
    contract_record kept = {0};
    (void)polls__start(IOCP_POLL_READ, &kept);
    polls__turn();
    driver__end(0, STATUS_ABORTED, 0);
    polls__turn();
    assert_ended(&kept, IOCP_ECONNABORTED, ERROR_OPERATION_ABORTED);
}

static void a_question_that_is_refused_anew_is_the_end(void **state)
{
    (void)state;
    contract_record kept = {0};
    iocp_op_t op = polls__start(IOCP_POLL_READ, &kept);
    polls__turn();
    now.refusal = STATUS_EXHAUSTED;
    assert_int_equal(iocp_poll_set(win.loop, op, IOCP_POLL_WRITE), IOCP_OK);
    polls__turn();
    assert_ended(&kept, IOCP_ENOBUFS, ERROR_NO_SYSTEM_RESOURCES);
}

/* ---- Refusals ---- */

static void a_refusal_of_the_drivers_is_told_and_leaves_nothing(void **state)
{
    (void)state;
    contract_record opened = {0};
    contract_record bound = {0};
    contract_record asked = {0};
    now.open_refusal = STATUS_DENIED;
    (void)polls__start(IOCP_POLL_READ, &opened);
    polls__turn();
    assert_ended(&opened, IOCP_EACCES, ERROR_ACCESS_DENIED);

    now.refuses_port = true;
    (void)polls__start(IOCP_POLL_READ, &bound);
    polls__turn();
    assert_ended(&bound, IOCP_ENOMEM, ERROR_NOT_ENOUGH_MEMORY);
    assert_int_equal(now.device_count, 0);

    now.refusal = STATUS_EXHAUSTED;
    (void)polls__start(IOCP_POLL_READ, &asked);
    polls__turn();
    assert_ended(&asked, IOCP_ENOBUFS, ERROR_NO_SYSTEM_RESOURCES);
    assert_int_equal(now.device_count, 1);
}

static void without_the_functions_there_are_no_polls(void **state)
{
    (void)state;
    static const char *const names[] = {"NtCreateFile", "NtDeviceIoControlFile"};
    for (size_t i = 0; i < IOC_COUNT_OF(names); i++) {
        contract_record kept = {0};
        missing = names[i];
        win_open(IOCP_COMPLETION_AUTO);
        (void)polls__start(IOCP_POLL_READ, &kept);
        polls__turn();
        assert_ended(&kept, IOCP_ENOTSUP, 0);
    }
}

static void without_memory_for_a_group_a_poll_fails(void **state)
{
    (void)state;
    contract_record kept = {0};
    (void)polls__start(IOCP_POLL_READ, &kept);
    unit_memory_allow(&win.memory, 0);
    polls__turn();
    unit_memory_allow(&win.memory, UINT64_MAX);
    assert_ended(&kept, IOCP_ENOMEM, 0);
    assert_int_equal(now.device_count, 0);
}

/* ---- The system's own driver ---- */

static SOCKET foreign__socket(void)
{
    SOCKET result = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(result != INVALID_SOCKET);
    assert_int_equal(bind(result, (struct sockaddr *)&address, sizeof address), 0);
    return result;
}

static void foreign__tell(SOCKET from, SOCKET to, const char *text)
{
    struct sockaddr_in address;
    int size = sizeof address;
    int length = (int)strlen(text);
    assert_int_equal(getsockname(to, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(sendto(from, text, length, 0, (struct sockaddr *)&address, size), length);
}

/* One that its owner receives from by calls that wait. */
static void a_blocking_socket_is_polled_and_stays_one(void **state)
{
    (void)state;
    win_loop_destroy(&win.loop);
    SOCKET receiver = foreign__socket();
    SOCKET sender = foreign__socket();
    contract_record kept = {0};
    char data[8] = {0};
    foreign__tell(sender, receiver, "first");
    assert_int_equal(recv(receiver, data, sizeof data, 0), 5);
    win.handles_before =
        win_open_handles() - 2; /* calls that wait have an event for their thread */
    win.sys = *win_faults_table();
    win_open(IOCP_COMPLETION_AUTO);
    assert_int_equal(iocp_poll(win.loop, receiver, IOCP_POLL_READ, contract_keep, &kept, NULL),
                     IOCP_OK);
    polls__turn();
    assert_int_equal(kept.calls, 0);
    foreign__tell(sender, receiver, "hello");
    assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_ONCE), IOCP_OK);
    assert_int_equal(kept.calls, 1);
    assert_int_equal(kept.result.event, IOCP_POLL_READ);
    assert_int_equal(recv(receiver, data, sizeof data, 0), 5);
    assert_string_equal(data, "hello");

    DWORD limit_ms = 1;
    assert_int_equal(
        setsockopt(receiver, SOL_SOCKET, SO_RCVTIMEO, (char *)&limit_ms, sizeof limit_ms), 0);
    assert_int_equal(recv(receiver, data, sizeof data, 0), SOCKET_ERROR);
    assert_int_equal(WSAGetLastError(), WSAETIMEDOUT); /* it waited: not WSAEWOULDBLOCK */
    assert_int_equal(closesocket(receiver), 0);
    assert_int_equal(closesocket(sender), 0);
}

#define POLLS_TEST(function) \
    cmocka_unit_test_setup_teardown(function, polls__setup, polls__teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        POLLS_TEST(each_event_is_asked_for_in_the_drivers_words),
        POLLS_TEST(each_answer_is_told_in_ours),
        POLLS_TEST(a_close_comes_before_all_else_that_is_told),
        POLLS_TEST(an_answer_without_an_event_is_asked_again),
        POLLS_TEST(a_handle_of_the_drivers_serves_so_many_polls),
        POLLS_TEST(a_layered_socket_is_polled_by_its_base),
        POLLS_TEST(a_provider_that_hides_its_base_is_passed_by),
        POLLS_TEST(one_that_hides_it_for_good_is_named_by_its_error),
        POLLS_TEST(a_chain_without_end_is_not_followed),
        POLLS_TEST(what_is_no_socket_is_no_socket),
        POLLS_TEST(wanting_less_asks_nothing_of_the_system),
        POLLS_TEST(wanting_more_asks_anew),
        POLLS_TEST(there_and_back_again_waits_on),
        POLLS_TEST(a_refused_change_changes_nothing),
        POLLS_TEST(a_cancel_behind_a_change_is_the_end),
        POLLS_TEST(a_refused_cancel_behind_one_that_was_taken_is_no_way_back),
        POLLS_TEST(what_somebody_else_aborts_ends),
        POLLS_TEST(a_question_that_is_refused_anew_is_the_end),
        POLLS_TEST(a_refusal_of_the_drivers_is_told_and_leaves_nothing),
        POLLS_TEST(without_the_functions_there_are_no_polls),
        POLLS_TEST(without_memory_for_a_group_a_poll_fails),
        POLLS_TEST(a_blocking_socket_is_polled_and_stays_one),
    };
    win_catch_crashes();
    win_use_winsock();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
