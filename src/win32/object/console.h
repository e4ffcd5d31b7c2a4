/*
 * What happens to the console: Windows calls a handler of the process's on a thread of its own and
 * waits until that returns; every watch of every loop is told, and its answer is brought back.
 *
 * A *visit* is such a thread in our handler, with its event. Visits are numbered, and all of them
 * stand in one list, in their order. A watch keeps the number of the last visit that it has answered
 * (at first of the last one before it began); the next in the list is its next one. So nothing is
 * kept for each event and watch, and nothing has to be allocated on Windows' thread: a visit is on
 * that thread's stack, and stays there until each watch that it found has answered it or is over.
 *
 *   a watch that waits         the visit posts its packet, and the dequeue tells it
 *   one whose callback runs    its next start finds the visit: it is told inline
 *   the answer                 IOCP_REARM: the next start; else the release, whose status says it:
 *                              what ends after a success was disarmed by the callback that was told
 *   a cancel                   a watch that waits is back at once; for one that is about to be told
 *                              the packet comes, and it is told
 *   the watch is over          all of its visits go on without it. One that nobody was told of is
 *                              FALSE: Windows asks the next handler
 *   an end is announced        (IOCP_DISARM, and not Ctrl-C or Ctrl-Break) the thread stays until
 *                              the process ends
 *
 * This is the only state that the whole process shares. One lock guards it; the list of watches, the
 * visits and the numbers change under it alone. Loop threads hold it for a moment; Windows' threads
 * too, but for their sleep on `answered`.
 *
 * The registration. KernelBase holds a critical section of its own while it runs handlers, all of
 * them, and SetConsoleCtrlHandler takes the same one (dotnet/runtime 129983 and 124893, corefx 28286
 * with the stack; in Wine it is so, too). Hence three rules:
 *
 *  - It is never called under our lock: one of Windows' threads may have that section, and wait for
 *    our lock.
 *  - Nobody takes the handler back on a loop's thread, which a handler of the program's own may be
 *    waiting for. A thread of the pool does; until then the handler finds no watch, and is none.
 *  - It is given only when no thread of Windows' is in the handler for us: such a one might be
 *    waiting for this loop. While there is one, the registration of before is still there.
 *
 * So there may be two for a moment, one that is about to be taken back and a new one: that is one too
 * many, and tells nothing twice, since the second is asked only if the first has told nobody.
 *
 * The module that this is linked into stays as long as it is registered. When SetConsoleCtrlHandler
 * has taken the handler back, no thread is in it any more, by that critical section; and the pool
 * unloads the module behind the last instruction of ours (FreeLibraryWhenCallbackReturns).
 */
#ifndef IOC_CONSOLE_H
#define IOC_CONSOLE_H

#include "../overlapped.h"

/* Slots of ioc_win_kind, of CONSOLE_WATCH. */
ioc_start ioc_console_start(ioc_port *port, ioc_op *op);
int ioc_console_cancel(ioc_port *port, ioc_op *op, bool *is_back);
void ioc_console_release(ioc_port *port, ioc_op *op);
bool ioc_console_complete(ioc_port *port, ioc_op *op);

#endif
