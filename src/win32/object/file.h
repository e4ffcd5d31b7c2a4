/* Files and pipes: opening, sizes, and their operations. Slots of ioc_backend and ioc_win_kind. */
#ifndef IOC_FILE_H
#define IOC_FILE_H

#include "../overlapped.h"

int ioc_file_open(ioc_port *port, ioc_handle *handle, const char *path, uint32_t flags);
int ioc_file_size(ioc_port *port, ioc_handle *handle, uint64_t *size);
int ioc_file_set_size(ioc_port *port, ioc_handle *handle, uint64_t size);

/* Of a class of handles: see backend.c. */
int ioc_file_join_port(ioc_win_port *port, ioc_win_handle *handle);
void ioc_file_close(ioc_win_port *port, ioc_win_handle *handle);

/*
 * Open a path, on any thread: a file or folder that is what `flags` (IOCP_FILE_ bits) say, or else
 * nothing stays open. Then, on the loop thread, make a handle of it; after an error it is closed.
 */
ioc_outcome ioc_file_create(const ioc_sys *sys, const wchar_t *path, uint32_t flags, HANDLE *file);
int ioc_file_use(ioc_win_port *port, ioc_win_handle *handle, HANDLE file, uint32_t flags);

/* What a call has failed of that wants a file at a path: whether that is a folder. */
ioc_outcome ioc_file_failure(const ioc_sys *sys, uint32_t error, const wchar_t *path);

ioc_start ioc_file_start_read(ioc_port *port, ioc_op *op);
bool ioc_file_was_read_lent(ioc_port *port, ioc_op *op); /* of a pipe */
bool ioc_file_was_read(ioc_port *port, ioc_op *op);
ioc_start ioc_file_start_write(ioc_port *port, ioc_op *op);
bool ioc_file_was_written(ioc_port *port, ioc_op *op);
ioc_start ioc_file_start_flush(ioc_port *port, ioc_op *op);
bool ioc_file_flushed(ioc_port *port, ioc_op *op);

#endif
