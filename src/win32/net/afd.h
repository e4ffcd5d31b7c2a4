/*
 * Polls: the readiness of a socket of somebody else's, asked of AFD, the driver below Winsock
 * (IOCTL_AFD_POLL, which Winsock's own select and WSAPoll use).
 *
 * The question is put to a handle of the driver's own and names the socket in its data: so nothing of
 * the socket is bound to the port or changed, and any number of polls may wait on it. One such handle,
 * a *group*, serves IOC_AFD_GROUP polls at most: to cancel one poll the system looks at all that are
 * under way on its handle.
 *
 * The driver knows the system's sockets alone. A layered provider may have put one of its own before
 * that, so the base socket is asked for, once for each poll: SIO_BASE_HANDLE; of a provider that
 * refuses to tell it, the next one below by SIO_BSP_HANDLE_POLL, and then that one.
 *
 * A poll for other events (ioc_backend.revise) is aborted and starts again when its packet is there,
 * and the core hears nothing of it. Where it only wants less it is let be: what it is not to tell, it
 * does not, and waits on.
 *
 * What the driver is asked is in no documentation of Microsoft's, but others have asked it so for years
 * (wepoll, mio, libuv).
 */
#ifndef IOC_AFD_H
#define IOC_AFD_H

#include "../overlapped.h"

#define IOC_AFD_GROUP 32

/* What a port has of it. */
typedef struct ioc_afd {
    ioc_part part;
    ioc_nt_device_calls calls; /* once `is_asked`: whether the system has them */
    bool is_asked;
    bool is_there;
    ioc_list groups; /* first those with room, the one that was used last at the front */
} ioc_afd;

void ioc_afd_attach(ioc_afd *afd, ioc_win_port *port);

/* Slots of ioc_win_kind. */
ioc_start ioc_afd_start(ioc_port *port, ioc_op *op);
int ioc_afd_cancel(ioc_port *port, ioc_op *op, bool *is_back);
int ioc_afd_revise(ioc_port *port, ioc_op *op, bool *is_back);
bool ioc_afd_complete(ioc_port *port, ioc_op *op);

#endif
