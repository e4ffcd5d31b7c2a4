/*
 * Winsock as a whole: starting it, and the functions that have to be asked for by socket.
 */
#ifndef IOC_WINSOCK_H
#define IOC_WINSOCK_H

#include "../port.h"
#include "family.h"

/* TCP_INITIAL_RTO_PARAMETERS of <mstcpip.h> and its values, which not every header set has. */
typedef struct ioc_initial_rto {
    USHORT rtt;
    UCHAR max_syn_retransmissions;
} ioc_initial_rto;

#define IOC_RTO_UNSPECIFIED_RTT             UINT16_MAX
#define IOC_RTO_NO_RETRANSMISSIONS          (UINT8_MAX - 1)
#define IOC_RTO_UNSPECIFIED_RETRANSMISSIONS UINT8_MAX

typedef struct ioc_winsock_functions {
    bool is_loaded;
    bool has_messages;       /* is_loaded means those of streams, this those of messages */
    bool has_no_initial_rto; /* SIO_TCP_INITIAL_RTO is not known here: do not ask again */
    LPFN_ACCEPTEX AcceptEx;
    LPFN_CONNECTEX ConnectEx;
    LPFN_GETACCEPTEXSOCKADDRS GetAcceptExSockaddrs;
    LPFN_TRANSMITFILE TransmitFile; /* NULL: nobody has asked for it yet */
    LPFN_WSASENDMSG WSASendMsg;     /* of datagrams, if has_messages */
    LPFN_WSARECVMSG WSARecvMsg;
} ioc_winsock_functions;

/* Whether the handles of a provider's sockets are the system's own. */
typedef enum ioc_ifs {
    IOC_IFS_UNASKED,
    IOC_IFS_NO,
    IOC_IFS_YES
} ioc_ifs;

/* One set per address family: their providers may differ. */
typedef struct ioc_winsock {
    ioc_part part;
    bool is_kept;
    bool knows_segments; /* whether the system cuts what is sent was asked: the answer */
    uint32_t segments_error;
    ioc_winsock_functions functions[IOC_FAMILIES];
    ioc_ifs ifs[IOC_FAMILIES][2]; /* of datagrams and of streams */
} ioc_winsock;

/*
 * Whether this system has Unix sockets: one is opened and closed. A loop does not ask; it opens what
 * the program wants, and tells what the system says.
 */
bool ioc_winsock_has_unix(const ioc_sys *sys);

/* 0 or a Winsock code. */
uint32_t ioc_winsock_attach(ioc_winsock *winsock, ioc_win_port *port);

/*
 * From here on Winsock stays started, after the loop's end, too: it has been told to give up what it
 * still does, on threads of its own, and WSACleanup does not wait for these.
 */
void ioc_winsock_keep(ioc_win_port *port);

/*
 * Ask `socket` for the functions of its family, the first time: those of streams, those of datagrams.
 * False: see WSAGetLastError.
 */
bool ioc_winsock_load(ioc_win_port *port, SOCKET socket, const ioc_family *family);
bool ioc_winsock_load_messages(ioc_win_port *port, SOCKET socket, const ioc_family *family);

/* They have been asked for. */
ioc_winsock_functions *ioc_winsock_functions_of(const ioc_win_port *port, const ioc_family *family);

/* The one of them that few programs need. NULL: see WSAGetLastError. */
LPFN_TRANSMITFILE ioc_winsock_transmit_file(ioc_win_port *port, SOCKET socket,
                                            const ioc_family *family);

/*
 * Whether packets can be skipped on a socket that the loop has opened. Winsock chooses the provider
 * by family and type, so the first socket of each is asked. One that does not say cannot.
 *
 * The catalog that it chooses from may change while a loop lives (WSAProviderConfigChange). What is
 * to be had of the system itself keeps its flags; a layered provider without XP1_IFS_HANDLES that is
 * put over it meanwhile (they are deprecated since Windows 8) is noticed by the next loop.
 */
bool ioc_winsock_is_ifs(ioc_win_port *port, SOCKET socket, const ioc_family *family,
                        bool is_stream);

/*
 * Whether the system cuts what is sent into datagrams: 0, WSAEOPNOTSUPP, or why nobody could ask. The
 * question is put to a socket that is opened for it and sends nothing, so nobody's is changed. The
 * second form needs no port, and Winsock not to be started.
 */
uint32_t ioc_winsock_ask_segments(ioc_win_port *port);
bool ioc_winsock_has_segments(const ioc_sys *sys);

/*
 * The provider of a socket. What its handles are decides whether packets can be skipped: behind a
 * layered provider without XP1_IFS_HANDLES the kernel's handle is another one.
 */
bool ioc_winsock_provider(const ioc_sys *sys, SOCKET socket, WSAPROTOCOL_INFOW *provider);

/* A request of WSAIoctl's that takes `data` and answers nothing. */
bool ioc_winsock_request(const ioc_sys *sys, SOCKET socket, DWORD request, void *data, DWORD size);

/* One that takes nothing and answers at most `size` bytes. */
bool ioc_winsock_query(const ioc_sys *sys, SOCKET socket, DWORD request, void *answer, DWORD size);

#endif
