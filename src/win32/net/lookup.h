/*
 * Look-ups of names: GetAddrInfoExW, which asks on threads of the system's and sets an event.
 *
 * The event and not the completion routine: that would be code of ours on a thread which nobody waits
 * for, and the program may unload us. So a look-up is a wait (wait.h) for its own event. The wait is
 * begun first, since nothing could take the request back if that failed afterwards; what is answered
 * within the call sets the event here.
 *
 * A look-up is asked to end when its loop ends, and not before: until then nobody waits for it any more,
 * and what the system finds it keeps for the next one. GetAddrInfoExCancel has the event set at once,
 * while the system's threads go on, and WSACleanup does not wait for them: it crashed programs (curl
 * 13509, 14794). So Winsock stays started then (winsock.h). The system's handle of a request ends with
 * it, and its number may be another's then: it is used only while the request says that it goes on.
 */
#ifndef IOC_LOOKUP_H
#define IOC_LOOKUP_H

#include "../overlapped.h"

/* Slots of ioc_win_kind, of LOOKUP. */
ioc_start ioc_lookup_start(ioc_port *port, ioc_op *op);
int ioc_lookup_cancel(ioc_port *port, ioc_op *op, bool *is_back);
bool ioc_lookup_answered(ioc_port *port, ioc_op *op);

#endif
