/*
 * The one way from what Windows says to what the program is told:
 *
 *   NTSTATUS of a packet  ->  Win32 or Winsock code  ->  IOCP_E code
 *
 * Sockets and everything else have codes of their own for some statuses, as in Windows itself:
 * "access denied" is WSAEACCES for the one and ERROR_ACCESS_DENIED for the other. What Winsock has
 * no code of its own for keeps the one of Win32, on a socket too.
 *
 * A native code has one meaning, whatever it comes from. A status or code that no row knows, or
 * that no IOCP_E code's sentence is true of, is IOCP_EUNKNOWN, with the raw value beside it. It is
 * never turned into a plausible neighbour.
 *
 * IOCP_ECANCELED here means that somebody aborted the operation. Whether it was this program, the
 * core knows.
 */
#ifndef IOC_ERRMAP_H
#define IOC_ERRMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ioc_errmap_row {
    uint32_t nt_status; /* 0: the row is for a code that calls return, not for a packet */
    uint32_t native;    /* Win32 or Winsock; the status itself where neither has a code for it */
    int error;          /* IOCP_E */
} ioc_errmap_row;

/*
 * The outcome of a packet. Success and informational statuses are IOCP_OK, except the few that say
 * that a wait ended without what it waited for.
 */
int ioc_errmap_from_status(uint32_t nt_status, bool is_socket, uint32_t *native);

/*
 * The outcome of a call that failed with this code; 0, too, is an error then: IOCP_EUNKNOWN. It
 * also knows what ioc_errmap_from_status made of a status.
 */
int ioc_errmap_from_native(uint32_t native);

/* The rows of Win32, which hold for everything, and those of Winsock, which go first; for tests. */
const ioc_errmap_row *ioc_errmap_rows(size_t *count);
const ioc_errmap_row *ioc_errmap_socket_rows(size_t *count);

#endif
