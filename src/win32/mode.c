#include "mode.h"

/* Of NtQueryInformationFile. */
#define MODE_STANDARD_INFORMATION     5
#define MODE_ACCESS_INFORMATION       8
#define MODE_MODE_INFORMATION         16
#define MODE_PIPE_INFORMATION         23
#define MODE_NOTIFICATION_INFORMATION 41

#define MODE_SYNCHRONOUS 0x30u /* FILE_SYNCHRONOUS_IO_ALERT, _NONALERT */

typedef struct mode_standard {
    LARGE_INTEGER allocation;
    LARGE_INTEGER end;
    ULONG links;
    BOOLEAN is_deleted;
    BOOLEAN is_folder;
} mode_standard;

/* False: it does not say. */
static bool mode__query(const ioc_win_port *port, HANDLE native, int information, void *answer,
                        ULONG size)
{
    ioc_nt_status_block block;
    return port->nt.NtQueryInformationFile != NULL &&
           port->nt.NtQueryInformationFile(native, &block, answer, size, information) ==
               IOC_NT_SUCCESS;
}

/* A word of flags, 0 if it does not say. */
static ULONG mode__flags(const ioc_win_port *port, HANDLE native, int information)
{
    ULONG flags = 0;
    return mode__query(port, native, information, &flags, sizeof flags) ? flags : 0;
}

bool ioc_mode_is_synchronous(const ioc_win_port *port, HANDLE native)
{
    return (mode__flags(port, native, MODE_MODE_INFORMATION) & MODE_SYNCHRONOUS) != 0;
}

bool ioc_mode_appends(const ioc_win_port *port, HANDLE native)
{
    ULONG access = mode__flags(port, native, MODE_ACCESS_INFORMATION);
    return (access & FILE_APPEND_DATA) != 0 && (access & FILE_WRITE_DATA) == 0;
}

bool ioc_mode_skips_packets(const ioc_win_port *port, HANDLE native)
{
    return (mode__flags(port, native, MODE_NOTIFICATION_INFORMATION) &
            FILE_SKIP_COMPLETION_PORT_ON_SUCCESS) != 0;
}

bool ioc_mode_reads_messages(const ioc_win_port *port, HANDLE native)
{
    struct {
        ULONG read_mode; /* 0: bytes */
        ULONG completion_mode;
    } pipe = {0};
    return mode__query(port, native, MODE_PIPE_INFORMATION, &pipe, sizeof pipe) &&
           pipe.read_mode != 0;
}

bool ioc_mode_is_folder(const ioc_win_port *port, HANDLE native)
{
    mode_standard standard = {.is_folder = FALSE};
    return mode__query(port, native, MODE_STANDARD_INFORMATION, &standard, sizeof standard) &&
           standard.is_folder;
}

bool ioc_mode_is_socket(const ioc_win_port *port, HANDLE native)
{
    int type = 0;
    int size = (int)sizeof type;
    return port->sys->getsockopt((SOCKET)native, SOL_SOCKET, SO_TYPE, (char *)&type, &size) == 0;
}
