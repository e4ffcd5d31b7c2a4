/*
 * The names of simulated Unix sockets: paths of files that a bind makes, and that stay until somebody
 * removes them. In a sim_address a name is a number, its port; 0: nobody has it, or there is none.
 */
#ifndef TEST_SIM_UNIX_H
#define TEST_SIM_UNIX_H

#include "sim_net.h"

/* ---- Under the lock ---- */

/* Whose address it is; is_any: of a socket without a name. IOCP_EINVAL, IOCP_EFAULT. */
int sim_unix_read(sim_address *address, const struct sockaddr *from, size_t length);

/* The file of a name. IOCP_EADDRINUSE: it is there. */
int sim_unix_create(sim_address *address, const struct sockaddr *from, size_t length);

/* 0 or IOCP_EFAULT. */
int sim_unix_write(const sim_address *address, struct sockaddr *to, size_t *length);

/* The files that are, or are below, a path are gone. */
void sim_unix_remove(const char *path);

#endif
