/*
 * Unix sockets where the system has none, as Wine: by a double, whose sockets are those of IPv4 on the
 * loopback address and whose names are paths. It wants to be called as Windows does, and its answers are
 * Windows', with lengths that are not the truth.
 */
#include "unit.h"

#include "win32/net/winsock.h"
#include "win32/sys.h"

#include "win_faults.h"
#include "win_leaks.h"
#include "win_loop.h"

#include <stddef.h>
#include <string.h>

#define SOCKETS   64
#define PATH_HEAD offsetof(ioc_unix_address, path)
#define WHOLE     ((int)sizeof(ioc_unix_address))
#define NO_NAME   "-" /* as a path: bound, and without a name */

/* A socket of the double: bound if its path is not empty. */
typedef struct double_socket {
    SOCKET socket;
    char path[sizeof((ioc_unix_address *)0)->path];
    uint16_t port;
} double_socket;

static struct {
    double_socket sockets[SOCKETS];
    char files[SOCKETS][sizeof((ioc_unix_address *)0)->path];
    int told;       /* the length of a name, WHOLE, or of none */
    int of_ports;   /* calls that have to do with ports */
    int any_length; /* of the address of a socket without a name, as it was bound */
    DWORD sizes[2]; /* of AcceptEx: for the two addresses */
    int provided;   /* sockets that were opened by a provider's description */
    int described;  /* and by family, type and protocol */
    int option;     /* the last one that was set or read, SOL_SOCKET's */
    DWORD request;  /* or asked for */
    LPFN_ACCEPTEX accept_ex;
    LPFN_CONNECTEX connect_ex;
    LPFN_GETACCEPTEXSOCKADDRS get_addresses;
} now;

/* ---- The double's sockets ---- */

static double_socket *double__find(SOCKET socket)
{
    for (int i = 0; i < SOCKETS; i++) {
        if (now.sockets[i].socket == socket) {
            return &now.sockets[i];
        }
    }
    return NULL;
}

static const double_socket *double__at(uint16_t port)
{
    for (int i = 0; i < SOCKETS; i++) {
        if (now.sockets[i].socket != INVALID_SOCKET && now.sockets[i].port == port) {
            return &now.sockets[i];
        }
    }
    return NULL;
}

static const double_socket *double__called(const char *path)
{
    for (int i = 0; i < SOCKETS; i++) {
        if (now.sockets[i].socket != INVALID_SOCKET && strcmp(now.sockets[i].path, path) == 0) {
            return &now.sockets[i];
        }
    }
    return NULL;
}

static void double__forget_all(void)
{
    memset(&now, 0, sizeof now);
    now.told = WHOLE;
    for (int i = 0; i < SOCKETS; i++) {
        now.sockets[i].socket = INVALID_SOCKET;
    }
}

static SOCKET WINAPI double__open(int family, int type, int protocol, WSAPROTOCOL_INFOW *info,
                                  GROUP group, DWORD flags)
{
    WSAPROTOCOL_INFOW plain;
    bool is_provided = info != NULL && info->iAddressFamily == AF_UNIX;
    double_socket *slot = double__find(INVALID_SOCKET);
    if (!is_provided && family != AF_UNIX) {
        return win_faults_table()->WSASocketW(family, type, protocol, info, group, flags);
    }
    assert_non_null(slot);
    if (is_provided) {
        plain = *info;
        plain.iAddressFamily = AF_INET;
        plain.iProtocol = IPPROTO_TCP;
        now.provided++;
    } else {
        assert_int_equal(type, SOCK_STREAM);
        assert_int_equal(protocol, 0);
        now.described++;
    }
    SOCKET socket = win_faults_table()->WSASocketW(
        is_provided ? FROM_PROTOCOL_INFO : AF_INET, is_provided ? FROM_PROTOCOL_INFO : SOCK_STREAM,
        is_provided ? FROM_PROTOCOL_INFO : 0, is_provided ? &plain : NULL, group, flags);
    *slot = (double_socket){.socket = socket};
    return socket;
}

static int WINAPI double__close(SOCKET socket)
{
    double_socket *own = double__find(socket);
    if (own != NULL) {
        own->socket = INVALID_SOCKET;
    }
    return win_faults_table()->closesocket(socket);
}

/* ---- Binding ---- */

static int double__fail(int error)
{
    WSASetLastError(error);
    return SOCKET_ERROR;
}

static uint16_t double__port(SOCKET socket)
{
    struct sockaddr_in in;
    int length = sizeof in;
    return getsockname(socket, (struct sockaddr *)&in, &length) == 0 ? in.sin_port : 0;
}

static bool double__make_file(const char *path)
{
    int place = 0;
    for (; now.files[place][0] != '\0'; place++) {
        if (strcmp(now.files[place], path) == 0) {
            return false;
        }
    }
    strcpy(now.files[place], path);
    return true;
}

static int WINAPI double__bind(SOCKET socket, const struct sockaddr *address, int length)
{
    double_socket *own = double__find(socket);
    ioc_unix_address name = {.family = 0};
    if (own == NULL) {
        return win_faults_table()->bind(socket, address, length);
    }
    assert_in_range(length, PATH_HEAD + 1, WHOLE);
    memcpy(&name, address, (size_t)length);
    assert_int_equal(name.family, AF_UNIX);
    if (own->path[0] != '\0') {
        return double__fail(WSAEINVAL);
    }
    contract_address loopback = contract_loopback(AF_INET, 0);
    int status =
        win_faults_table()->bind(socket, contract_sockaddr(&loopback), (int)loopback.length);
    if (status == 0 && name.path[0] != '\0' && !double__make_file(name.path)) {
        return double__fail(WSAEADDRINUSE);
    }
    if (status == 0) {
        now.any_length = name.path[0] == '\0' ? length : now.any_length;
        strcpy(own->path, name.path[0] == '\0' ? NO_NAME : name.path);
        own->port = double__port(socket);
    }
    return status;
}

/* ---- Names ---- */

/* With what is not the path's behind its end, as long as is told. */
static int double__write_name(struct sockaddr *to, const char *path, int *length)
{
    ioc_unix_address name;
    memset(&name, 'x', sizeof name);
    name.family = AF_UNIX;
    strcpy(name.path, path != NULL && strcmp(path, NO_NAME) != 0 ? path : "");
    int told = name.path[0] != '\0' ? WHOLE : now.told;
    if (*length < told) {
        return double__fail(WSAEFAULT);
    }
    memcpy(to, &name, (size_t)told);
    *length = told;
    return 0;
}

static int WINAPI double__name(SOCKET socket, struct sockaddr *address, int *length)
{
    const double_socket *own = double__find(socket);
    struct sockaddr_in in;
    int size = sizeof in;
    if (own == NULL) {
        return win_faults_table()->getsockname(socket, address, length);
    }
    int status = win_faults_table()->getsockname(socket, (struct sockaddr *)&in, &size);
    return status == 0 ? double__write_name(address, own->path, length) : status;
}

static const char *double__path_at(uint16_t port)
{
    const double_socket *own = double__at(port);
    return own != NULL ? own->path : NULL;
}

static int WINAPI double__peer(SOCKET socket, struct sockaddr *address, int *length)
{
    struct sockaddr_in in;
    int size = sizeof in;
    if (double__find(socket) == NULL) {
        return win_faults_table()->getpeername(socket, address, length);
    }
    int status = win_faults_table()->getpeername(socket, (struct sockaddr *)&in, &size);
    return status == 0 ? double__write_name(address, double__path_at(in.sin_port), length) : status;
}

/* ---- Accepting and connecting ---- */

static BOOL WINAPI double__accept(SOCKET listener, SOCKET accepted, void *buffer, DWORD bytes,
                                  DWORD local_bytes, DWORD remote_bytes, DWORD *received,
                                  OVERLAPPED *overlapped)
{
    if (double__find(listener) != NULL) {
        assert_non_null(double__find(accepted));
        now.sizes[0] = local_bytes;
        now.sizes[1] = remote_bytes;
    }
    return now.accept_ex(listener, accepted, buffer, bytes, local_bytes, remote_bytes, received,
                         overlapped);
}

/* The addresses lie where the caller has room for them, and are as long as is told. */
static void WINAPI double__addresses(void *buffer, DWORD bytes, DWORD local_bytes,
                                     DWORD remote_bytes, struct sockaddr **local, int *local_length,
                                     struct sockaddr **remote, int *remote_length)
{
    struct sockaddr_in in = {.sin_family = 0};
    now.get_addresses(buffer, bytes, local_bytes, remote_bytes, local, local_length, remote,
                      remote_length);
    memcpy(&in, *remote, sizeof in);
    memset(buffer, 'x', local_bytes + remote_bytes);
    *local = buffer;
    *remote = (struct sockaddr *)(void *)((char *)buffer + local_bytes);
    *local_length = WHOLE;
    *remote_length = WHOLE;
    assert_int_equal(double__write_name(*local, NO_NAME, local_length), 0);
    assert_int_equal(double__write_name(*remote, double__path_at(in.sin_port), remote_length), 0);
}

static BOOL WINAPI double__connect(SOCKET socket, const struct sockaddr *address, int length,
                                   void *data, DWORD data_bytes, DWORD *sent,
                                   OVERLAPPED *overlapped)
{
    const double_socket *own = double__find(socket);
    ioc_unix_address name = {.family = 0};
    if (own == NULL) {
        return now.connect_ex(socket, address, length, data, data_bytes, sent, overlapped);
    }
    assert_in_range(length, PATH_HEAD + 1, WHOLE);
    memcpy(&name, address, (size_t)length);
    const double_socket *listener = double__called(name.path);
    if (own->path[0] == '\0' || listener == NULL) {
        WSASetLastError(own->path[0] == '\0' ? WSAEINVAL : WSAECONNREFUSED);
        return FALSE;
    }
    contract_address target = contract_loopback(AF_INET, ntohs(listener->port));
    return now.connect_ex(socket, contract_sockaddr(&target), (int)target.length, data, data_bytes,
                          sent, overlapped);
}

static void double__replace(void *function, void *real, uintptr_t ours)
{
    memcpy(real, function, sizeof ours);
    memcpy(function, &ours, sizeof ours);
}

static int WINAPI double__ioctl(SOCKET socket, DWORD code, void *in, DWORD in_bytes, void *out,
                                DWORD out_bytes, DWORD *returned, OVERLAPPED *overlapped,
                                LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
    static const GUID accept_ex = WSAID_ACCEPTEX;
    static const GUID connect_ex = WSAID_CONNECTEX;
    static const GUID get_addresses = WSAID_GETACCEPTEXSOCKADDRS;
    now.of_ports += double__find(socket) != NULL && code == SIO_TCP_INITIAL_RTO;
    now.request = code;
    int status = win_faults_table()->WSAIoctl(socket, code, in, in_bytes, out, out_bytes, returned,
                                              overlapped, routine);
    if (status != 0 || code != SIO_GET_EXTENSION_FUNCTION_POINTER) {
        return status;
    }
    if (memcmp(in, &accept_ex, sizeof accept_ex) == 0) {
        double__replace(out, &now.accept_ex, (uintptr_t)double__accept);
    } else if (memcmp(in, &connect_ex, sizeof connect_ex) == 0) {
        double__replace(out, &now.connect_ex, (uintptr_t)double__connect);
    } else if (memcmp(in, &get_addresses, sizeof get_addresses) == 0) {
        double__replace(out, &now.get_addresses, (uintptr_t)double__addresses);
    }
    return status;
}

/* ---- Options ---- */

static int WINAPI double__set_option(SOCKET socket, int level, int name, const char *value,
                                     int length)
{
    bool is_of_ports =
        name == (int)SO_EXCLUSIVEADDRUSE || name == SO_REUSEADDR || name == SO_REUSE_UNICASTPORT;
    now.of_ports += double__find(socket) != NULL && is_of_ports;
    now.option = level == SOL_SOCKET ? name : 0;
    return win_faults_table()->setsockopt(socket, level, name, value, length);
}

static int WINAPI double__get_option(SOCKET socket, int level, int name, char *value, int *length)
{
    int status = win_faults_table()->getsockopt(socket, level, name, value, length);
    now.option = level == SOL_SOCKET ? name : 0;
    if (status == 0 && name == SO_PROTOCOL_INFOW && double__find(socket) != NULL) {
        WSAPROTOCOL_INFOW *info = (WSAPROTOCOL_INFOW *)(void *)value;
        info->iAddressFamily = AF_UNIX;
        info->iProtocol = 0;
    }
    return status;
}

/* ---- The environment ---- */

static void local__begin(iocp_completion_mode_t mode)
{
    double__forget_all();
    win_begin();
    win.sys.WSASocketW = double__open;
    win.sys.closesocket = double__close;
    win.sys.bind = double__bind;
    win.sys.getsockname = double__name;
    win.sys.getpeername = double__peer;
    win.sys.WSAIoctl = double__ioctl;
    win.sys.setsockopt = double__set_option;
    win.sys.getsockopt = double__get_option;
    win_open(mode);
}

static int local__setup(void **state)
{
    (void)state;
    local__begin(IOCP_COMPLETION_AUTO);
    return 0;
}

/* ---- Steps ---- */

static contract_address local__address(const char *text)
{
    contract_address address = {.length = sizeof address.storage};
    assert_int_equal(
        iocp_address_parse(text, 0, (struct sockaddr *)&address.storage, &address.length), IOCP_OK);
    return address;
}

static int local__bind(iocp_handle_t handle, const char *text)
{
    contract_address address = local__address(text);
    return iocp_socket_bind(win.loop, handle, contract_sockaddr(&address), address.length);
}

static iocp_handle_t local__listen(const char *text)
{
    iocp_handle_t listener = contract_open(win.loop, AF_UNIX);
    assert_int_equal(local__bind(listener, text), IOCP_OK);
    assert_int_equal(iocp_socket_listen(win.loop, listener, 0), IOCP_OK);
    return listener;
}

static int local__connect(iocp_handle_t client, const char *text, contract_record *connected)
{
    contract_address address = local__address(text);
    return iocp_connect(win.loop, client, contract_sockaddr(&address), address.length,
                        contract_keep, connected, NULL);
}

/* Returns the server's end; its accept keeps its record. */
static iocp_handle_t local__meet(iocp_handle_t listener, iocp_handle_t client, const char *text,
                                 contract_record *accepted)
{
    contract_record connected = {0};
    assert_int_equal(iocp_accept(win.loop, listener, contract_keep, accepted, NULL), IOCP_OK);
    assert_int_equal(local__connect(client, text, &connected), IOCP_OK);
    win_wait(accepted, 1);
    win_wait(&connected, 1);
    win_expect(accepted, 1, IOCP_OK, 0);
    win_expect(&connected, 1, IOCP_OK, 0);
    return accepted->result.opened;
}

static void check_text(const struct sockaddr *address, size_t length, const char *expected)
{
    char text[IOCP_ADDRESS_TEXT_BYTES];
    assert_int_equal(iocp_address_format(address, length, text, sizeof text), IOCP_OK);
    assert_string_equal(text, expected);
    assert_int_equal(length, PATH_HEAD + (strlen(expected) > 5 ? strlen(expected + 5) + 1 : 0));
}

static void check_names(iocp_handle_t handle, const char *own, const char *peer)
{
    struct sockaddr_storage name;
    size_t length = sizeof name;
    struct sockaddr *to = (struct sockaddr *)&name;
    memset(&name, 'x', sizeof name);
    assert_int_equal(iocp_socket_get_name(win.loop, handle, to, &length), IOCP_OK);
    check_text(to, length, own);
    length = sizeof name;
    memset(&name, 'x', sizeof name);
    assert_int_equal(iocp_socket_get_peer(win.loop, handle, to, &length), IOCP_OK);
    check_text(to, length, peer);
}

/* ---- Connections ---- */

static void check_connection(iocp_completion_mode_t mode)
{
    contract_record accepted = {0};
    contract_record records[2] = {{0}};
    char data[8] = {0};
    win_close();
    local__begin(mode);
    iocp_handle_t listener = local__listen("unix:C:\\run\\socket");
    iocp_handle_t client = contract_open(win.loop, AF_UNIX);
    iocp_handle_t server = local__meet(listener, client, "unix:C:\\run\\socket", &accepted);
    contract_send_all(win.loop, client, "ping", 4);
    contract_recv_all(win.loop, server, data, 4);
    assert_string_equal(data, "ping");
    assert_int_equal(
        iocp_shutdown(win.loop, client, IOCP_SHUTDOWN_SEND, contract_keep, &records[0], NULL),
        IOCP_OK);
    assert_int_equal(
        iocp_recv(win.loop, server, data, sizeof data, contract_keep, &records[1], NULL), IOCP_OK);
    win_wait(&records[1], 1);
    win_expect(&records[0], 1, IOCP_OK, 0);
    win_expect(&records[1], 1, IOCP_EOF, 0);
}

static void a_connection_goes_from_its_accept_to_its_end(void **state)
{
    (void)state;
    check_connection(IOCP_COMPLETION_PACKET);
    check_connection(IOCP_COMPLETION_AUTO);
}

static void nothing_is_said_of_ports(void **state)
{
    (void)state;
    contract_record accepted = {0};
    iocp_handle_t listener = local__listen("unix:a");
    (void)local__meet(listener, contract_open(win.loop, AF_UNIX), "unix:a", &accepted);
    assert_int_equal(now.of_ports, 0);
}

static void a_client_is_bound_to_no_name_first(void **state)
{
    (void)state;
    contract_record accepted = {0};
    iocp_handle_t listener = local__listen("unix:a");
    (void)local__meet(listener, contract_open(win.loop, AF_UNIX), "unix:a", &accepted);
    assert_int_equal(now.any_length, sizeof(struct sockaddr));
}

static void a_client_that_has_a_name_keeps_it(void **state)
{
    (void)state;
    contract_record accepted = {0};
    iocp_handle_t listener = local__listen("unix:a");
    iocp_handle_t client = contract_open(win.loop, AF_UNIX);
    assert_int_equal(local__bind(client, "unix:client"), IOCP_OK);
    iocp_handle_t server = local__meet(listener, client, "unix:a", &accepted);
    assert_int_equal(now.any_length, 0);
    check_text(contract_sockaddr(&accepted.address), accepted.address.length, "unix:client");
    check_names(client, "unix:client", "unix:a");
    assert_int_equal(iocp_handle_kind(win.loop, server), IOCP_HANDLE_STREAM);
}

static void an_accept_has_room_for_two_paths(void **state)
{
    (void)state;
    contract_record accepted = {0};
    iocp_handle_t listener = local__listen("unix:a");
    (void)local__meet(listener, contract_open(win.loop, AF_UNIX), "unix:a", &accepted);
    assert_int_equal(now.sizes[0], 110 + 16);
    assert_int_equal(now.sizes[1], 110 + 16);
    assert_int_equal(now.provided, 1); /* by what the listener's provider says */
}

/* Its provider was not asked for, so the family says it, and no protocol. */
static void a_listener_that_was_adopted_accepts_sockets_of_its_kind(void **state)
{
    (void)state;
    contract_record accepted = {0};
    iocp_handle_t adopted = {0};
    contract_address address = local__address("unix:a");
    SOCKET plain = double__open(AF_UNIX, SOCK_STREAM, 0, NULL, 0, WSA_FLAG_OVERLAPPED);
    assert_int_equal(double__bind(plain, contract_sockaddr(&address), (int)address.length), 0);
    assert_int_equal(listen(plain, 5), 0);
    assert_int_equal(iocp_socket_adopt(win.loop, plain, &adopted), IOCP_OK);
    iocp_handle_t server =
        local__meet(adopted, contract_open(win.loop, AF_UNIX), "unix:a", &accepted);
    int family = 0;
    assert_int_equal(iocp_socket_get_option(win.loop, server, IOCP_SOCKET_FAMILY, &family),
                     IOCP_OK);
    assert_int_equal(family, AF_UNIX);
    assert_int_equal(now.provided, 0);
    assert_int_equal(now.described, 3);
}

static void a_path_has_one_listener_and_nobody_is_refused(void **state)
{
    (void)state;
    contract_record connected = {0};
    (void)local__listen("unix:a");
    iocp_handle_t second = contract_open(win.loop, AF_UNIX);
    assert_int_equal(local__bind(second, "unix:a"), IOCP_EADDRINUSE);
    assert_int_equal(iocp_loop_native_error(win.loop), WSAEADDRINUSE);
    iocp_handle_t client = contract_open(win.loop, AF_UNIX);
    assert_int_equal(local__connect(client, "unix:b", &connected), IOCP_OK);
    win_wait(&connected, 1);
    win_expect(&connected, 1, IOCP_ECONNREFUSED, WSAECONNREFUSED);
}

/* ---- Names ---- */

static void a_name_ends_with_its_path_however_long_the_system_says_it_is(void **state)
{
    (void)state;
    contract_record accepted = {0};
    char longest[5 + 107 + 1] = "unix:";
    memset(longest + 5, 'a', 107);
    iocp_handle_t listener = local__listen(longest);
    iocp_handle_t client = contract_open(win.loop, AF_UNIX);
    (void)local__meet(listener, client, longest, &accepted);
    check_names(client, "unix:", longest);
    iocp_handle_t other = local__listen("unix:\xc3\xa4");
    iocp_handle_t second = contract_open(win.loop, AF_UNIX);
    (void)local__meet(other, second, "unix:\xc3\xa4", &(contract_record){0});
    check_names(second, "unix:", "unix:\xc3\xa4");
}

static void who_has_no_name_has_the_family_alone_whatever_the_system_says(void **state)
{
    (void)state;
    static const int lengths[] = {0, 1, 2, 3, 16, 110};
    iocp_handle_t listener = local__listen("unix:a");
    for (size_t i = 0; i < IOC_COUNT_OF(lengths); i++) {
        contract_record accepted = {0};
        now.told = lengths[i];
        iocp_handle_t client = contract_open(win.loop, AF_UNIX);
        (void)local__meet(listener, client, "unix:a", &accepted);
        check_text(contract_sockaddr(&accepted.address), accepted.address.length, "unix:");
        check_names(client, "unix:", "unix:a");
    }
}

/* Not even the family is written where it has no room. */
static void a_name_without_room_is_not_written(void **state)
{
    (void)state;
    contract_record accepted = {0};
    unsigned char room[2] = {'x', 'x'};
    size_t length = 1;
    iocp_handle_t client = contract_open(win.loop, AF_UNIX);
    (void)local__meet(local__listen("unix:a"), client, "unix:a", &accepted);
    now.told = 0;
    assert_int_equal(
        iocp_socket_get_name(win.loop, client, (struct sockaddr *)(void *)room, &length), IOCP_OK);
    assert_int_equal(length, 0);
    assert_int_equal(room[0], 'x');
    assert_int_equal(room[1], 'x');
    length = 20;
    assert_int_equal(
        iocp_socket_get_peer(win.loop, client, (struct sockaddr *)(void *)room, &length),
        IOCP_EFAULT);
}

/* ---- Options ---- */

static void options_are_those_of_every_socket(void **state)
{
    (void)state;
    static const struct {
        iocp_socket_option_t option;
        int name;
    } known[] = {
        {IOCP_SOCKET_RECV_BUFFER, SO_RCVBUF},
        {IOCP_SOCKET_SEND_BUFFER, SO_SNDBUF},
        {IOCP_SOCKET_LINGER, SO_LINGER},
        {IOCP_SOCKET_ERROR, SO_ERROR},
    };
    iocp_handle_t handle = contract_open(win.loop, AF_UNIX);
    for (size_t i = 0; i < IOC_COUNT_OF(known); i++) {
        int value = 0;
        assert_int_equal(iocp_socket_get_option(win.loop, handle, known[i].option, &value),
                         IOCP_OK);
        assert_int_equal(now.option, known[i].name);
    }
    int there = -1;
    (void)iocp_socket_get_option(win.loop, handle, IOCP_SOCKET_AVAILABLE, &there);
    assert_int_equal(now.request, FIONREAD);
}

static void an_option_of_ports_or_packets_is_not_asked_for(void **state)
{
    (void)state;
    static const iocp_socket_option_t unknown[] = {IOCP_SOCKET_NODELAY,   IOCP_SOCKET_KEEPALIVE,
                                                   IOCP_SOCKET_EXCLUSIVE, IOCP_SOCKET_HOPS,
                                                   IOCP_SOCKET_V6ONLY,    IOCP_SOCKET_INITIAL_RTO};
    iocp_handle_t handle = contract_open(win.loop, AF_UNIX);
    uint64_t before = win_faults_count();
    for (size_t i = 0; i < IOC_COUNT_OF(unknown); i++) {
        assert_int_equal(iocp_socket_set_option(win.loop, handle, unknown[i], 1), IOCP_ENOPROTOOPT);
    }
    assert_int_equal(win_faults_count(), before);
}

/* ---- The capability ---- */

static void the_capability_is_that_one_opens(void **state)
{
    (void)state;
    uint32_t held = win_faults_held();
    size_t handles = win_open_handles();
    assert_true(ioc_winsock_has_unix(&win.sys));
    assert_int_equal(now.described, 1);
    win_faults_fail_next_of(WIN_SOCKET, WSAEAFNOSUPPORT);
    assert_false(ioc_winsock_has_unix(&win.sys));
    win_faults_fail_next_of(WIN_STARTUP, WSASYSNOTREADY);
    assert_false(ioc_winsock_has_unix(&win.sys));
    assert_int_equal(now.described, 2);
    assert_int_equal(win_open_handles(), handles);
    assert_int_equal(win_faults_held(), held);
}

static void a_system_without_them_says_so_when_one_is_opened(void **state)
{
    (void)state;
    iocp_handle_t handle = {0};
    win_faults_fail_next_of(WIN_SOCKET, WSAEAFNOSUPPORT);
    assert_int_equal(iocp_socket_open(win.loop, AF_UNIX, SOCK_STREAM, 0, &handle),
                     IOCP_EAFNOSUPPORT);
    assert_int_equal(iocp_loop_native_error(win.loop), WSAEAFNOSUPPORT);
    assert_int_equal(iocp_socket_open(win.loop, AF_UNIX, SOCK_DGRAM, 0, &handle),
                     IOCP_EAFNOSUPPORT);
    assert_int_equal(handle.id, 0);
}

/* ---- What fails leaves nothing ---- */

static bool whole__open(iocp_handle_t *listener, iocp_handle_t *client)
{
    return iocp_socket_open(win.loop, AF_UNIX, SOCK_STREAM, 0, listener) == IOCP_OK &&
           local__bind(*listener, "unix:a") == IOCP_OK &&
           iocp_socket_listen(win.loop, *listener, 0) == IOCP_OK &&
           iocp_socket_open(win.loop, AF_UNIX, SOCK_STREAM, 0, client) == IOCP_OK;
}

static bool whole__name(iocp_handle_t client)
{
    struct sockaddr_storage name;
    size_t length = sizeof name;
    return iocp_socket_get_name(win.loop, client, (struct sockaddr *)&name, &length) == IOCP_OK;
}

/* Run until it has ended; whether well. A connect that fails leaves an accept that nobody comes to. */
static bool whole__await(const contract_record *record)
{
    for (int i = 0; record->calls == 0 && i < 100; i++) {
        (void)iocp_loop_run(win.loop, IOCP_RUN_ONCE);
    }
    assert_int_equal(record->calls, 1);
    return record->status == IOCP_OK;
}

/* A connection, whose client asks for its name. */
static bool whole__run(void)
{
    contract_record accepted = {0};
    contract_record connected = {0};
    iocp_handle_t listener = {0};
    iocp_handle_t client = {0};
    bool is_whole = whole__open(&listener, &client) &&
                    iocp_accept(win.loop, listener, contract_keep, &accepted, NULL) == IOCP_OK &&
                    local__connect(client, "unix:a", &connected) == IOCP_OK &&
                    whole__await(&connected) && whole__await(&accepted) && whole__name(client);
    contract_set_over(true); /* what ends with the loop has no record any more */
    return is_whole;
}

static void whole__begin(iocp_completion_mode_t mode)
{
    unit_memory_allow(&win.memory, UINT64_MAX);
    win_close();
    double__forget_all();
    win_open(mode);
    contract_set_over(false);
}

static void any_one_system_call_may_fail(void **state)
{
    uint64_t k = 0;
    bool has_struck = true;
    (void)state;
    while (has_struck) {
        whole__begin(k % 2 == 0 ? IOCP_COMPLETION_AUTO : IOCP_COMPLETION_PACKET);
        uint64_t struck = win_faults_struck();
        win_faults_fail_nth(++k);
        bool is_whole = whole__run();
        has_struck = win_faults_struck() > struck;
        win_faults_stop();
        assert_true(is_whole || has_struck);
    }
    print_message("%u calls were made to fail\n", (unsigned)k - 1);
    assert_true(k > 15);
}

static void any_one_allocation_may_be_refused(void **state)
{
    uint64_t allowed = 0;
    bool is_whole = false;
    (void)state;
    while (!is_whole) {
        whole__begin(IOCP_COMPLETION_AUTO);
        unit_memory_allow(&win.memory, allowed++);
        is_whole = whole__run();
    }
    unit_memory_allow(&win.memory, UINT64_MAX);
    print_message("%u allocations were refused\n", (unsigned)allowed - 1);
    assert_true(allowed > 1);
}

#define LOCAL_TEST(function) cmocka_unit_test_setup_teardown(function, local__setup, win_end)

/* What the system opens once and keeps is open before the first test counts. */
static int local__warm_up(void **state)
{
    contract_record accepted = {0};
    win_use_winsock();
    assert_int_equal(local__setup(state), 0);
    (void)local__meet(local__listen("unix:a"), contract_open(win.loop, AF_UNIX), "unix:a",
                      &accepted);
    win_close();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOCAL_TEST(a_connection_goes_from_its_accept_to_its_end),
        LOCAL_TEST(nothing_is_said_of_ports),
        LOCAL_TEST(a_client_is_bound_to_no_name_first),
        LOCAL_TEST(a_client_that_has_a_name_keeps_it),
        LOCAL_TEST(an_accept_has_room_for_two_paths),
        LOCAL_TEST(a_listener_that_was_adopted_accepts_sockets_of_its_kind),
        LOCAL_TEST(a_path_has_one_listener_and_nobody_is_refused),
        LOCAL_TEST(a_name_ends_with_its_path_however_long_the_system_says_it_is),
        LOCAL_TEST(who_has_no_name_has_the_family_alone_whatever_the_system_says),
        LOCAL_TEST(a_name_without_room_is_not_written),
        LOCAL_TEST(options_are_those_of_every_socket),
        LOCAL_TEST(an_option_of_ports_or_packets_is_not_asked_for),
        LOCAL_TEST(the_capability_is_that_one_opens),
        LOCAL_TEST(a_system_without_them_says_so_when_one_is_opened),
        LOCAL_TEST(any_one_system_call_may_fail),
        LOCAL_TEST(any_one_allocation_may_be_refused),
    };
    win_catch_crashes();
    return cmocka_run_group_tests(tests, local__warm_up, NULL);
}
