/*
 * The one way from what Windows says to what the program is told:
 *
 *   NTSTATUS of a packet  ->  Win32 or Winsock code  ->  IOCP_E code
 *
 * Sockets and everything else have codes of their own for some statuses, as in Windows itself:
 * "access denied" is WSAEACCES for the one and ERROR_ACCESS_DENIED for the other.
 *
 * A status or code that the table does not know is IOCP_EUNKNOWN, with the raw value beside it. It
 * is never turned into a plausible neighbour.
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
    uint32_t native;    /* Win32 or Winsock */
    int error;          /* IOCP_E */
} ioc_errmap_row;

/* The outcome of a packet. Informational and success statuses are IOCP_OK. */
int ioc_errmap_from_status(uint32_t nt_status, bool is_socket, uint32_t *native);

/* The outcome of a call that failed with this code; 0, too, is an error then: IOCP_EUNKNOWN. */
int ioc_errmap_from_native(uint32_t native);

/* The whole table, and its part for what is no socket, for tests. */
const ioc_errmap_row *ioc_errmap_rows(size_t *count);
const ioc_errmap_row *ioc_errmap_file_rows(size_t *count);

#endif
