/* Folders: their changes, and the names in them. Slots of ioc_win_kind, and the class of their handles. */
#ifndef IOC_DIRECTORY_H
#define IOC_DIRECTORY_H

#include "../overlapped.h"

/* Whether the system tells more of a change than a name (IOCP_CAP_CHANGE_DETAILS). */
bool ioc_directory_has_details(const ioc_sys *sys);

/* Of a class of handles: see backend.c. */
int ioc_directory_join_port(ioc_win_port *port, ioc_win_handle *handle);

ioc_start ioc_directory_start_changes(ioc_port *port, ioc_op *op);
bool ioc_directory_changed(ioc_port *port, ioc_op *op);

ioc_start ioc_directory_start_list(ioc_port *port, ioc_op *op);
bool ioc_directory_listed(ioc_port *port, ioc_op *op);
void ioc_directory_release_list(ioc_port *port, ioc_op *op);

#endif
