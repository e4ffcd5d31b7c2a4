/*
 * Named pipes. All are made and opened here; once connected they are read, written and closed as files
 * are (file.h).
 *
 * A pipe between two ends of which none needs a name has one all the same, for Windows' anonymous pipes
 * cannot be overlapped: a name of 128 random bits, which one server serves once, to its owner alone.
 * The owner of what a process makes is its user; of one that is elevated it is the administrators.
 */
#ifndef IOC_PIPE_H
#define IOC_PIPE_H

#include "../overlapped.h"

/* The slot of ioc_backend. */
int ioc_pipe_pair(ioc_port *port, ioc_handle *ours, ioc_handle *theirs, uint32_t flags);

#endif
