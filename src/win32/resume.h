/*
 * The machine sleeps and wakes: while it sleeps the clock of a loop goes on, and its waits stand still
 * (sleep.h). A loop that asks for it is woken when the machine is, and reads its clock.
 *
 * Windows calls a function of ours on a thread of its own. It is registered once for the process, as long
 * as one loop at least wants it: loops share a list of those, which one lock guards. Who changes the
 * registration holds another lock, which the function never takes: that does not end before a call that
 * is under way, or ends with one still under way, no page says which; so none of the two may deadlock, and
 * after it who gives it up waits until no call is inside. What a call does is to put a packet into each
 * port, so that wait is short.
 */
#ifndef IOC_RESUME_H
#define IOC_RESUME_H

#include "port.h"

typedef struct ioc_resume {
    ioc_part part;
    ioc_source source;
    ioc_win_port *port;
    struct ioc_resume *next; /* among all of the process that listen */
} ioc_resume;

/*
 * The port is woken from here on; until it is closed. 0; IOCP_ENOTSUP: the system does not tell; or a
 * Win32 code in *native_error. After an error nothing is left of it.
 */
int ioc_resume_attach(ioc_resume *resume, ioc_win_port *port, uint32_t *native_error);

#endif
