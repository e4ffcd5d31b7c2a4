/* Operations on paths, on the pool: slots of ioc_backend and ioc_win_kind. */
#ifndef IOC_DISK_H
#define IOC_DISK_H

#include "../overlapped.h"

int ioc_disk_plan(ioc_port *port, ioc_op *op, const char *from, const char *to);
void ioc_disk_release(ioc_port *port, ioc_op *op);
int ioc_disk_cancel(ioc_port *port, ioc_op *op, bool *is_back);

ioc_start ioc_disk_start_open(ioc_port *port, ioc_op *op);
bool ioc_disk_opened(ioc_port *port, ioc_op *op);

ioc_start ioc_disk_start_stat(ioc_port *port, ioc_op *op);
ioc_start ioc_disk_start_copy(ioc_port *port, ioc_op *op);
ioc_start ioc_disk_start_rename(ioc_port *port, ioc_op *op);
ioc_start ioc_disk_start_remove(ioc_port *port, ioc_op *op);
ioc_start ioc_disk_start_folder_create(ioc_port *port, ioc_op *op);
bool ioc_disk_done(ioc_port *port, ioc_op *op);

#endif
