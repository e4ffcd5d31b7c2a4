/*
 * What the system knows of an open handle, beside what it is for.
 *
 * N.B. The first three questions wait while somebody reads or writes by a handle that was opened
 * for synchronous use: a thread of the pool asks them, or who knows that it was not.
 */
#ifndef IOC_MODE_H
#define IOC_MODE_H

#include "port.h"

bool ioc_mode_is_synchronous(const ioc_win_port *port, HANDLE native);

/* Opened to append, and not to write anywhere else. */
bool ioc_mode_appends(const ioc_win_port *port, HANDLE native);

/* Calls that are done at once queue no packet: once set, for good, whoever has the handle. */
bool ioc_mode_skips_packets(const ioc_win_port *port, HANDLE native);

/* A pipe: each read ends with a message. */
bool ioc_mode_reads_messages(const ioc_win_port *port, HANDLE native);

bool ioc_mode_is_folder(const ioc_win_port *port, HANDLE native);

/* A socket looks like a pipe, but is not closed like one. */
bool ioc_mode_is_socket(const ioc_win_port *port, HANDLE native);

#endif
