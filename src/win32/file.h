/* Files and pipes: the slots of ioc_backend for them, and the starters of their operations. */
#ifndef IOC_FILE_H
#define IOC_FILE_H

#include "overlapped.h"

int ioc_file_open(ioc_port *port, ioc_handle *handle, const char *path, uint32_t flags);
int ioc_file_adopt(ioc_port *port, ioc_handle *handle, void *native);
int ioc_file_size(ioc_port *port, ioc_handle *handle, uint64_t *size);
int ioc_file_set_size(ioc_port *port, ioc_handle *handle, uint64_t size);
void ioc_file_close(ioc_port *port, ioc_handle *handle);

/* READ, WRITE, PREAD, PWRITE, FLUSH. See ioc_backend.start. */
ioc_start ioc_file_start(ioc_port *port, ioc_op *op);

#endif
