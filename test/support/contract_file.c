#include "contract_file.h"

#include <stdio.h>
#include <string.h>

/* Of the test that runs: in UTF-8, with slashes. */
static contract_path file_folder;

contract_path contract_path_of(const char *name)
{
    contract_path path;
    int length = snprintf(path.text, sizeof path.text, "%s%s%s", file_folder.text,
                          name[0] != '\0' ? "/" : "", name);
    assert_in_range(length, 1, (int)sizeof path.text - 1);
    return path;
}

/* ---- What differs between the systems ---- */

#if defined(_WIN32)

#include "win_files.h"

static void file__make_folder(void)
{
    assert_true(win_folder_create_fresh(file_folder.text, sizeof file_folder.text));
}

static void file__remove_folder(void)
{
    assert_true(win_folder_remove(file_folder.text));
}

void contract_folder_create(const char *name)
{
    assert_true(win_folder_create(contract_path_of(name).text));
}

void contract_file_remove(const char *name)
{
    assert_true(win_file_remove(contract_path_of(name).text));
}

/* The system's threads that flush are there before the first test counts. */
static void file__warm_up(void)
{
    static bool is_warm;
    contract_record flushed = {0};
    if (is_warm) {
        return;
    }
    is_warm = true;
    iocp_loop_t *loop = NULL;
    assert_int_equal(iocp_loop_create(NULL, &loop), IOCP_OK);
    iocp_handle_t handle = contract_file_open(loop, "warm", IOCP_FILE_WRITE | IOCP_FILE_CREATE);
    assert_int_equal(iocp_file_flush(loop, handle, contract_keep, &flushed, NULL), IOCP_OK);
    contract_wait(loop, &flushed, 1);
    assert_int_equal(iocp_loop_destroy(loop, UINT64_MAX), IOCP_OK);
}

void *contract_native_file(const char *name, uint32_t flags, uint32_t modes)
{
    void *native = win_file_create(contract_path_of(name).text, flags,
                                   (modes & CONTRACT_NATIVE_OVERLAPPED) != 0,
                                   (modes & CONTRACT_NATIVE_UNSHARED) != 0);
    assert_non_null(native);
    return native;
}

void contract_native_pipe(void *ends[2], uint32_t modes)
{
    bool is_overlapped = (modes & CONTRACT_NATIVE_OVERLAPPED) != 0;
    assert_true(win_pipe_create(ends, is_overlapped, false, CONTRACT_PIPE_BYTES));
}

void *contract_native_duplicate(void *native)
{
    HANDLE copy = NULL;
    assert_true(DuplicateHandle(GetCurrentProcess(), native, GetCurrentProcess(), &copy, 0, FALSE,
                                DUPLICATE_SAME_ACCESS));
    return copy;
}

void contract_native_close(void *native)
{
    assert_true(CloseHandle(native));
}

static const DWORD file_streams[] = {STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE};

static void file__use_stream(iocp_stdio_t which, void *native)
{
    assert_true(SetStdHandle(file_streams[which], native));
}

static void *file__stream(iocp_stdio_t which)
{
    return GetStdHandle(file_streams[which]);
}

void contract_file_make_sparse(iocp_loop_t *loop, iocp_handle_t handle)
{
    void *native = NULL;
    assert_int_equal(iocp_handle_native(loop, handle, &native), IOCP_OK);
    win_file_make_sparse(native);
}

#else

#include "sim_file.h"

static void file__make_folder(void)
{
    static unsigned number;
    (void)snprintf(file_folder.text, sizeof file_folder.text, "/test-%u", ++number);
    sim_folder_create(file_folder.text);
}

static void file__remove_folder(void)
{
    sim_folder_remove(file_folder.text);
}

void contract_folder_create(const char *name)
{
    sim_folder_create(contract_path_of(name).text);
}

void contract_file_remove(const char *name)
{
    sim_folder_remove(contract_path_of(name).text);
}

static void file__warm_up(void)
{
}

static sim_open_mode file__mode(uint32_t modes)
{
    return (sim_open_mode){.is_overlapped = (modes & CONTRACT_NATIVE_OVERLAPPED) != 0,
                           .is_unshared = (modes & CONTRACT_NATIVE_UNSHARED) != 0};
}

void *contract_native_file(const char *name, uint32_t flags, uint32_t modes)
{
    uintptr_t number = sim_file_create(contract_path_of(name).text, flags, file__mode(modes));
    assert_true(number != 0);
    return (void *)number;
}

void contract_native_pipe(void *ends[2], uint32_t modes)
{
    uintptr_t numbers[2];
    sim_pipe_create(numbers, file__mode(modes));
    ends[0] = (void *)numbers[0];
    ends[1] = (void *)numbers[1];
}

void *contract_native_duplicate(void *native)
{
    return (void *)sim_file_duplicate((uintptr_t)native);
}

void contract_native_close(void *native)
{
    sim_file_destroy((uintptr_t)native);
}

static void file__use_stream(iocp_stdio_t which, void *native)
{
    sim_stdio_set(which, (uintptr_t)native);
}

static void *file__stream(iocp_stdio_t which)
{
    (void)which;
    return NULL;
}

void contract_file_make_sparse(iocp_loop_t *loop, iocp_handle_t handle)
{
    (void)loop;
    (void)handle;
}

#endif

/* ---- One test ---- */

/* The streams as they were before the test. */
static void *file_streams_before[3];

int contract_file_setup(void **state)
{
    for (int which = 0; which < 3; which++) {
        file_streams_before[which] = file__stream((iocp_stdio_t)which);
    }
    file__make_folder();
    file__warm_up();
    return contract_setup(state);
}

int contract_file_teardown(void **state)
{
    int result = contract_teardown(state);
    for (int which = 0; which < 3; which++) {
        file__use_stream((iocp_stdio_t)which, file_streams_before[which]);
    }
    file__remove_folder();
    return result;
}

/* ---- Files on a loop ---- */

int contract_file_try_open(iocp_loop_t *loop, const char *name, uint32_t flags)
{
    iocp_handle_t handle = {0};
    int status = iocp_file_open(loop, contract_path_of(name).text, flags, &handle);
    assert_int_equal(handle.id != 0, status == IOCP_OK);
    return status;
}

iocp_handle_t contract_file_open(iocp_loop_t *loop, const char *name, uint32_t flags)
{
    iocp_handle_t handle = {0};
    assert_int_equal(iocp_file_open(loop, contract_path_of(name).text, flags, &handle), IOCP_OK);
    assert_true(handle.id != 0);
    return handle;
}

iocp_handle_t contract_file_with(iocp_loop_t *loop, const char *name, const void *data, size_t size)
{
    iocp_handle_t handle = contract_file_open(
        loop, name, IOCP_FILE_READ | IOCP_FILE_WRITE | IOCP_FILE_CREATE | IOCP_FILE_EXCLUSIVE);
    if (size > 0) {
        contract_file_put(loop, handle, 0, data, size);
    }
    return handle;
}

void contract_file_put(iocp_loop_t *loop, iocp_handle_t handle, uint64_t offset, const void *data,
                       size_t size)
{
    contract_record written = {0};
    assert_int_equal(iocp_pwrite(loop, handle, data, size, offset, contract_keep, &written, NULL),
                     IOCP_OK);
    contract_wait(loop, &written, 1);
    assert_int_equal(written.status, IOCP_OK);
    assert_int_equal(written.result.bytes, size);
}

size_t contract_file_get(iocp_loop_t *loop, iocp_handle_t handle, uint64_t offset, void *data,
                         size_t size)
{
    contract_record got = {0};
    assert_int_equal(iocp_pread(loop, handle, data, size, offset, contract_keep, &got, NULL),
                     IOCP_OK);
    contract_wait(loop, &got, 1);
    assert_int_equal(got.status, IOCP_OK);
    assert_in_range(got.result.bytes, 0, size);
    return (size_t)got.result.bytes;
}

uint64_t contract_file_size(iocp_loop_t *loop, iocp_handle_t handle)
{
    uint64_t size = UINT64_MAX;
    assert_int_equal(iocp_file_get_size(loop, handle, &size), IOCP_OK);
    return size;
}

uint64_t contract_file_position(iocp_loop_t *loop, iocp_handle_t handle)
{
    uint64_t position = UINT64_MAX;
    assert_int_equal(iocp_file_get_position(loop, handle, &position), IOCP_OK);
    return position;
}

void contract_file_assert(iocp_loop_t *loop, const char *name, const void *data, size_t size)
{
    char found[256];
    iocp_handle_t handle = contract_file_open(loop, name, IOCP_FILE_READ);
    assert_in_range(size, 0, sizeof found);
    assert_int_equal(contract_file_size(loop, handle), size);
    if (size > 0) {
        assert_int_equal(contract_file_get(loop, handle, 0, found, sizeof found), size);
        assert_memory_equal(found, data, size);
    }
    contract_file_close(loop, handle);
}

void contract_file_close(iocp_loop_t *loop, iocp_handle_t handle)
{
    contract_record closed = {0};
    assert_int_equal(iocp_close(loop, handle, contract_keep, &closed, NULL), IOCP_OK);
    contract_wait(loop, &closed, 1);
    assert_int_equal(closed.status, IOCP_OK);
}

/* ---- Unix sockets ---- */

bool contract_has_unix(void)
{
    return (iocp_capabilities() & IOCP_CAP_UNIX_SOCKETS) != 0;
}

void contract_need_unix(void)
{
    if (!contract_has_unix()) {
        print_message("there are no Unix sockets here\n");
        skip();
    }
}

contract_address contract_unix(const char *name)
{
    char text[IOCP_ADDRESS_TEXT_BYTES];
    contract_address address = {.length = sizeof address.storage};
    int length = snprintf(text, sizeof text, "unix:%.120s", contract_path_of(name).text);
    assert_in_range(length, 1, (int)sizeof text - 1);
    assert_int_equal(
        iocp_address_parse(text, 0, (struct sockaddr *)&address.storage, &address.length), IOCP_OK);
    return address;
}

iocp_handle_t contract_unix_listen(iocp_loop_t *loop, const char *name, contract_address *address)
{
    iocp_handle_t listener = contract_open(loop, AF_UNIX);
    *address = contract_unix(name);
    assert_int_equal(iocp_socket_bind(loop, listener, contract_sockaddr(address), address->length),
                     IOCP_OK);
    assert_int_equal(iocp_socket_listen(loop, listener, 0), IOCP_OK);
    return listener;
}

/* ---- Adopting ---- */

iocp_handle_t contract_adopt(iocp_loop_t *loop, void *native)
{
    iocp_handle_t handle = {0};
    assert_int_equal(iocp_handle_adopt(loop, native, &handle), IOCP_OK);
    assert_true(handle.id != 0);
    return handle;
}

/* The pool is asked by an operation that keeps nothing running. */
void contract_learn(iocp_loop_t *loop, iocp_handle_t handle)
{
    for (int i = 0; iocp_handle_kind(loop, handle) == IOCP_HANDLE_OTHER; i++) {
        contract_record pause = {0};
        assert_in_range(i, 0, 10000);
        assert_int_equal(iocp_timer(loop, MS, contract_keep, &pause, NULL), IOCP_OK);
        contract_wait(loop, &pause, 1);
    }
}

/* ---- Standard streams ---- */

void contract_stdio_use(iocp_stdio_t which, void *native)
{
    file__use_stream(which, native);
}

iocp_handle_t contract_stdio_open(iocp_loop_t *loop, iocp_stdio_t which)
{
    iocp_handle_t handle = {0};
    assert_int_equal(iocp_stdio_open(loop, which, &handle), IOCP_OK);
    assert_true(handle.id != 0);
    return handle;
}

/* ---- Pipes on a loop ---- */

#if defined(_WIN32)

static unsigned long file__process_number(void)
{
    return GetCurrentProcessId();
}

#else

static unsigned long file__process_number(void)
{
    return 1; /* the simulation is for one */
}

#endif

void contract_pipe_name(char *name, size_t bytes)
{
    static unsigned number;
    int length = snprintf(name, bytes, "\\\\.\\pipe\\iocploop-test-%lu-%u", file__process_number(),
                          ++number);
    assert_in_range(length, 1, bytes - 1);
}

contract_server contract_pipe_listen(iocp_loop_t *loop, const iocp_pipe_options_t *options)
{
    contract_server server = {{0}, ""};
    contract_pipe_name(server.name, sizeof server.name);
    assert_int_equal(iocp_pipe_listen(loop, server.name, options, &server.listener), IOCP_OK);
    assert_int_equal(iocp_handle_kind(loop, server.listener), IOCP_HANDLE_PIPE_LISTENER);
    return server;
}

contract_pipe contract_pipe_open(iocp_loop_t *loop)
{
    contract_pipe pipe = {{{0}, {0}}};
    void *ends[2];
    contract_native_pipe(ends, CONTRACT_NATIVE_OVERLAPPED);
    for (int i = 0; i < 2; i++) {
        pipe.ends[i] = contract_adopt(loop, ends[i]);
    }
    for (int i = 0; i < 2; i++) {
        contract_learn(loop, pipe.ends[i]);
    }
    return pipe;
}

void contract_assert_no_file_nor_socket(iocp_loop_t *loop, iocp_handle_t handle)
{
    contract_record never = {0};
    char data[1] = {0};
    uint64_t number = 0;
    const int answers[] = {
        iocp_pread(loop, handle, data, 1, 0, contract_keep, &never, NULL),
        iocp_pwrite(loop, handle, data, 1, 0, contract_keep, &never, NULL),
        iocp_file_flush(loop, handle, contract_keep, &never, NULL),
        iocp_file_get_size(loop, handle, &number),
        iocp_file_set_size(loop, handle, 0),
        iocp_file_get_position(loop, handle, &number),
        iocp_file_set_position(loop, handle, 0),
        iocp_recv(loop, handle, data, 1, contract_keep, &never, NULL),
        iocp_send(loop, handle, data, 1, contract_keep, &never, NULL),
        iocp_shutdown(loop, handle, IOCP_SHUTDOWN_BOTH, contract_keep, &never, NULL),
        iocp_accept(loop, handle, contract_keep, &never, NULL),
        iocp_socket_listen(loop, handle, 0),
    };
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        assert_int_equal(answers[i], IOCP_ENOTSUP);
    }
    contract_idle(loop);
    assert_int_equal(never.calls, 0);
}
