/* Options of simulated sockets: which there are, and what they are set to. Under the lock. */
#ifndef TEST_SIM_OPTION_H
#define TEST_SIM_OPTION_H

#include "sim_net.h"

/* What a fresh socket has. */
void sim_option_init(sim_socket *socket);

/* See ioc_backend. A value that is taken has its effect in sim_socket.options. */
int sim_option_set(sim_socket *socket, iocp_socket_option_t option, int value);
int sim_option_get(const sim_socket *socket, iocp_socket_option_t option, int *value);

#endif
