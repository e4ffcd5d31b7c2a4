/*
 * Simulated datagrams. A datagram goes whole to everybody who is bound to where it was sent: to a
 * receive that waits there, otherwise to the queue of the socket; what that has no room for is lost.
 * Sending never waits. A send that is to be cut arrives in segments, or glued where the receiver's
 * option has room for all of it. Like the rest of the network it knows the loopback addresses only, and
 * besides them the broadcast address and groups, which reach the sockets of this process.
 */
#ifndef TEST_SIM_DATAGRAM_H
#define TEST_SIM_DATAGRAM_H

#include "sim_net.h"

/* ---- Under the lock ---- */

/* A socket for datagrams: as sim_socket_new, with a queue of datagrams. */
sim_socket *sim_datagram_new(int family, size_t capacity_bytes);

/* The part of sim_socket_close. */
void sim_datagram_close(sim_socket *socket);

size_t sim_datagram_queued_bytes(const sim_socket *socket);
bool sim_datagram_has_queued(const sim_socket *socket); /* one without bytes counts */

/* See ioc_backend.socket_join. */
int sim_datagram_join(sim_socket *socket, const ioc_group *group, bool leaves);

/* See ioc_backend.socket_try_send. */
int sim_datagram_try_send(sim_socket *socket, const iocp_buf_t *buffers, uint32_t count,
                          uint64_t *sent);

/* Slots of sim_kind. */
int sim_datagram_connect(sim_op *op);
int sim_datagram_send(sim_op *op);
int sim_datagram_send_to(sim_op *op);
int sim_datagram_send_message(sim_op *op);
int sim_datagram_receive(sim_op *op);
int sim_datagram_receive_bytes(sim_op *op); /* as many as op->total_bytes says */
void sim_datagram_tell_sender(sim_op *op);
void sim_datagram_tell_lent(sim_op *op);
void sim_datagram_tell_message(sim_op *op);

/* ---- The tests' side ---- */

/* As sim_socket_create. */
uintptr_t sim_datagram_create(int family);

#endif
