/* Files and pipes of the system, for the contract tests. */
#ifndef TEST_CONTRACT_FILE_H
#define TEST_CONTRACT_FILE_H

#include "contract_env.h"

/* One test, with a folder of its own, which is removed after it. */
#define CONTRACT_FILE_TEST(function) \
    cmocka_unit_test_setup_teardown(function, contract_file_setup, contract_file_teardown)

int contract_file_setup(void **state);
int contract_file_teardown(void **state);

/* ---- Paths ---- */

#define CONTRACT_PATH_BYTES 4096

typedef struct contract_path {
    char text[CONTRACT_PATH_BYTES];
} contract_path;

/* What a name means in the test's folder; names may have slashes. "": the folder itself. */
contract_path contract_path_of(const char *name);

/* A folder in an existing one. */
void contract_folder_create(const char *name);

/* The end of a file, or of what a Unix socket has left there. */
void contract_file_remove(const char *name);

/* ---- Unix sockets ---- */

/* Whether the system has them; without them the test, or what is left of it, is skipped. */
bool contract_has_unix(void);
void contract_need_unix(void);

/* The address that a name is in the test's folder; a listener there. */
contract_address contract_unix(const char *name);
iocp_handle_t contract_unix_listen(iocp_loop_t *loop, const char *name, contract_address *address);

/* ---- Files on a loop ---- */

/* Open a file of the test's folder, which works; try to, and tell the status. */
iocp_handle_t contract_file_open(iocp_loop_t *loop, const char *name, uint32_t flags);
int contract_file_try_open(iocp_loop_t *loop, const char *name, uint32_t flags);

/* A fresh file to read and write, with these bytes in it. */
iocp_handle_t contract_file_with(iocp_loop_t *loop, const char *name, const void *data,
                                 size_t size);

/* Read or write at an offset and wait for it, which works; read fewer bytes: the file ends there. */
void contract_file_put(iocp_loop_t *loop, iocp_handle_t handle, uint64_t offset, const void *data,
                       size_t size);
size_t contract_file_get(iocp_loop_t *loop, iocp_handle_t handle, uint64_t offset, void *data,
                         size_t size);

/* Before a byte is put far behind the end of a file, which is not to fill the disk with zeroes. */
void contract_file_make_sparse(iocp_loop_t *loop, iocp_handle_t handle);

uint64_t contract_file_size(iocp_loop_t *loop, iocp_handle_t handle);
uint64_t contract_file_position(iocp_loop_t *loop, iocp_handle_t handle);

/* That the file has these bytes and no others. */
void contract_file_assert(iocp_loop_t *loop, const char *name, const void *data, size_t size);

/* Close it and wait for that. */
void contract_file_close(iocp_loop_t *loop, iocp_handle_t handle);

/* ---- Native handles, which belong to no loop ---- */

typedef enum contract_native_mode {
    CONTRACT_NATIVE_OVERLAPPED = 1,
    CONTRACT_NATIVE_UNSHARED = 2 /* nobody else may open the file */
} contract_native_mode;

/* An open file, `flags` as for iocp_file_open. */
void *contract_native_file(const char *name, uint32_t flags, uint32_t modes);

/* Both ends of a byte pipe. */
void contract_native_pipe(void *ends[2], uint32_t modes);

/* Another handle of the same file object; what a loop has bound is bound there, too. */
void *contract_native_duplicate(void *native);

/* Fails if the handle is not open; in the simulation also if it belongs to a loop. */
void contract_native_close(void *native);

/* ---- Adopting ---- */

/* Adopt it, which is accepted at once; run the loop until it is known what it is. */
iocp_handle_t contract_adopt(iocp_loop_t *loop, void *native);
void contract_learn(iocp_loop_t *loop, iocp_handle_t handle);

/* ---- Standard streams ---- */

/*
 * Have a native handle be one of the process's standard streams until the test ends; it stays the
 * test's. NULL: the process has none.
 */
void contract_stdio_use(iocp_stdio_t which, void *native);

/* On a loop, which works. */
iocp_handle_t contract_stdio_open(iocp_loop_t *loop, iocp_stdio_t which);

/* ---- Pipes on a loop ---- */

typedef struct contract_pipe {
    iocp_handle_t ends[2];
} contract_pipe;

/* A listener of a pipe whose name nothing else has. */
typedef struct contract_server {
    iocp_handle_t listener;
    char name[128];
} contract_server;

contract_server contract_pipe_listen(iocp_loop_t *loop, const iocp_pipe_options_t *options);

/* A fresh name for that. */
void contract_pipe_name(char *name, size_t bytes);

/* A pipe, known, whose ends take at most 4096 bytes that nobody has read. */
contract_pipe contract_pipe_open(iocp_loop_t *loop);
#define CONTRACT_PIPE_BYTES 4096

/* That what files and sockets have besides reading and writing is refused, and never called back. */
void contract_assert_no_file_nor_socket(iocp_loop_t *loop, iocp_handle_t handle);

#endif
