/*
 * What the APCs run that end an alertable wait: nothing, and it is not ours.
 *
 * An APC waits in the queue of its thread until that thread waits alertably, which may be long after
 * the loop is gone and, with it, the DLL that this is linked into. One that QueueUserAPC has queued
 * cannot be taken back. CancelWaitableTimer "cancels outstanding APCs" (its page), but not one that
 * another thread, where the loop slept before, is about to run. To run them all before the loop ends
 * would run the program's own, too, and only in one thread; to keep the DLL until the last of them
 * has run may be for ever.
 *
 * So they call functions of kernel32, which never goes, of the same size of arguments (on x86 it is
 * the function that takes them off the stack): LocalFree of nothing, and MulDiv of the time that the
 * timer tells. Nobody sees what they answer. What is left over ends one alertable wait of its thread
 * early, and does nothing else.
 *
 * N.B. The address is the import's, and is read when it is asked for: in a static initializer, as
 * the table of sys.c is one, MSVC puts that of a jump in our own code (its warning C4232).
 */
#ifndef IOC_APC_H
#define IOC_APC_H

#include "win.h"

/* Its argument must be 0. */
PAPCFUNC ioc_apc_of_wake(void);
PTIMERAPCROUTINE ioc_apc_of_timer(void);

#endif
