/* Multicast groups: the slot of ioc_backend that joins and leaves them. */
#ifndef IOC_GROUP_H
#define IOC_GROUP_H

#include "../overlapped.h"

int ioc_group_join(ioc_port *port, ioc_handle *handle, const ioc_group *group, bool leaves);

#endif
