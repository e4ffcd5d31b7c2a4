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

/* A file, a pipe or something else. An error: it is nothing that is open. */
int ioc_file_find_kind(ioc_win_port *port, HANDLE native, iocp_handle_kind_t *kind);

ioc_start ioc_file_start_read(ioc_port *port, ioc_op *op);
bool ioc_file_was_read_lent(ioc_port *port, ioc_op *op); /* of a pipe */
bool ioc_file_was_read(ioc_port *port, ioc_op *op);
ioc_start ioc_file_start_write(ioc_port *port, ioc_op *op);
bool ioc_file_was_written(ioc_port *port, ioc_op *op);
ioc_start ioc_file_start_flush(ioc_port *port, ioc_op *op);
bool ioc_file_flushed(ioc_port *port, ioc_op *op);

#endif
