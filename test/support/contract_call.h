/*
 * Calls of a program's own on its handles, for iocp_overlapped: what its function that starts one calls.
 * Each answers as that function has to.
 */
#ifndef TEST_CONTRACT_CALL_H
#define TEST_CONTRACT_CALL_H

#include "contract_file.h"

#define CONTRACT_IO_PENDING    997
#define CONTRACT_ACCESS_DENIED 5
#define CONTRACT_IS_UNKNOWN    54321 /* a code that nobody knows */
#define CONTRACT_NOT_CONNECTED 10057

/* Receive from a socket or a pipe. */
uint32_t contract_call_receive(void *native, void *overlapped, void *data, uint32_t size);

/* Lock a range of a file when it is free. */
uint32_t contract_call_lock(void *native, void *overlapped, uint64_t offset, uint64_t bytes);

/* Whether one that conflicts waits, and ends; whether its end brings a packet. In Wine neither. */
bool contract_locks_wait(void);
bool contract_locks_bring_packets(void);

/* Lock a range by a native handle, now or not at all; give it back. */
bool contract_lock(void *native, uint64_t offset, uint64_t bytes);
void contract_unlock(void *native, uint64_t offset, uint64_t bytes);

/*
 * Put a packet into the port as the system does with those of a handle that the program has bound to it.
 * Any thread.
 */
void contract_send_packet(const iocp_loop_t *loop, void *port, uintptr_t key, uint32_t bytes,
                          void *overlapped);

#endif
