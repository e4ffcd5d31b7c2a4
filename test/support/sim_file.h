/*
 * Open files and folders of the simulated disk (sim_content.h).
 *
 * An operation on a file takes effect some time after its start (sim_script.file_ns), and can be
 * cancelled until then; a write reads the caller's buffer at that time.
 */
#ifndef TEST_SIM_FILE_H
#define TEST_SIM_FILE_H

#include "sim_content.h"

typedef struct sim_file sim_file; /* an open file */

/* ---- Under the lock ---- */

/* The slots of the backend. */
int sim_file_open(sim_port *port, sim_handle *handle, const char *path, uint32_t flags);
int sim_file_open_path(const char *path, uint32_t flags, bool is_overlapped, sim_file **file);
void sim_file_fill(sim_port *port, sim_handle *handle, sim_file *file);
const iocp_file_info_t *sim_file_info(const sim_file *file);
const sim_content *sim_file_folder(const sim_file *file);
uint64_t sim_file_size(const sim_file *file);
int sim_file_set_size(sim_file *file, uint64_t size);
uintptr_t sim_file_number(const sim_file *file);

/* What all open files of one path have in common. */
const void *sim_file_content(uintptr_t number);
void sim_file_close(sim_file *file);

/* Nobody has it open who denies that. */
bool sim_file_may_be_removed(const sim_content *content);

/* Read into fresh memory, which is the caller's; what is behind the end is zero. */
int sim_file_read(const sim_file *file, uint64_t offset, iocp_buf_t *buffer);

/* Slots of sim_kind: reads and writes, flushes. */
int sim_file_start(sim_op *op);
int sim_file_start_flush(sim_op *op);

/* It ends with the file at the latest. */
void sim_file_hold(sim_op *op);
void sim_file_carry_out(sim_op *op);
void sim_file_flush(sim_op *op);

/* Slots of sim_kind for the question what an adopted handle is; the end of one that is unknown. */
int sim_adopt_start(sim_op *op);
void sim_adopt_ask(sim_op *op);
void sim_adopt_tell(sim_op *op);
void sim_adopt_close(uintptr_t number);

/* The slot of the backend: what the test has put there; and the end of one. */
int sim_stdio_open(sim_handle *handle, iocp_stdio_t which);
int sim_stdio_end(sim_op *op);

/* ---- The tests' side ---- */

/* The process's standard stream: a file or the end of a pipe, which stays the test's. 0: none. */
void sim_stdio_set(iocp_stdio_t which, uintptr_t number);

/* A folder; and its end, with everything in it, which nobody has open. */
void sim_folder_create(const char *path);
void sim_folder_remove(const char *path);

/* How a file or a pipe is opened that belongs to no loop. */
typedef struct sim_open_mode {
    bool is_overlapped;
    bool is_unshared; /* nobody else may open the file */
} sim_open_mode;

/* An open file, both ends of a pipe. sim_file_create: 0: failed. */
uintptr_t sim_file_create(const char *path, uint32_t flags, sim_open_mode mode);
void sim_pipe_create(uintptr_t ends[2], sim_open_mode mode);
void sim_file_destroy(uintptr_t number);

/* Another handle of an open file, or of a pipe's end; nothing is carried out on that one. */
uintptr_t sim_file_duplicate(uintptr_t number);

#endif
