/*
 * Standard streams: reads and writes that a thread of the pool carries out.
 *
 * A stream has one work object, so one operation at a time: those of one stream take turns. The
 * thread and the loop meet under a lock; what they say to each other is in ioc_stdio.
 *
 *   op          what the loop wants done. The loop puts it there and may take it back, the thread
 *               takes it with what came of it: so an operation ends once
 *   is_held     the system has the operation's memory: from here on only the thread gives it back
 *   is_at_work  a thread is inside, and leaves under the lock
 *   is_ending   no thread begins any more; what has not begun the loop takes back
 *   end         what waits for the thread to have left that is at work then
 *
 * A cancel takes an operation back that is not held: it has not begun, or the thread still finds out
 * what the stream is, or a console has been asked for a line. The thread goes on without it; the next
 * operation finds it there and joins it, or finds the line that it has left.
 *
 * One that is held is in a call of the system's, or about to be, or just out of it, and the system can
 * only be asked to end a call that it has begun (CancelSynchronousIo, CancelIoEx). So somebody asks
 * again and again, with growing pauses, until the thread has left: a second work object of the
 * stream's. It asks under the lock, without which the thread cannot leave: so nothing is ended that
 * the thread does afterwards, for others. Between two calls the thread looks whether it is asked. A
 * call that was quicker ends as what it has become.
 *
 * A thread may be left when all operations have ended: that of a console's line. An operation of the
 * library's own (IOC_TYPE_STDIO_END), which begins when the handle closes or the loop ends, asks it to
 * end and waits for it. So a close calls back when nobody is at work any more, and a loop's end that has
 * a time limit says what is left. Should a driver not let go of a call, the close waits for it.
 */
#ifndef IOC_STDIO_H
#define IOC_STDIO_H

#include "../overlapped.h"

/* The slot of ioc_backend, and that of a class of handles: see backend.c. */
int ioc_stdio_open(ioc_port *port, ioc_handle *handle, iocp_stdio_t which);
void ioc_stdio_close(ioc_win_port *port, ioc_win_handle *handle);

/* Slots of ioc_win_kind: of READ and WRITE; of what ends a stream. */
ioc_start ioc_stdio_start(ioc_port *port, ioc_op *op);
int ioc_stdio_cancel(ioc_port *port, ioc_op *op, bool *is_back);
bool ioc_stdio_was_read(ioc_port *port, ioc_op *op);
bool ioc_stdio_was_written(ioc_port *port, ioc_op *op);
ioc_start ioc_stdio_start_end(ioc_port *port, ioc_op *op);

#endif
