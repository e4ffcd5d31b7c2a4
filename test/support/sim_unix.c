#include "sim_unix.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define UNIX_NAMES 64

/* A name whose number is its place and one. */
typedef struct unix_name {
    char path[sizeof((struct sockaddr_un *)0)->sun_path];
    bool has_file;
} unix_name;

static unix_name unix_names[UNIX_NAMES];

/* The path with its end. IOCP_EFAULT, IOCP_EINVAL: it has none. */
static int name__path(struct sockaddr_un *name, const struct sockaddr *from, size_t length)
{
    if (length < offsetof(struct sockaddr_un, sun_path)) {
        return IOCP_EFAULT;
    }
    memset(name, 0, sizeof *name);
    memcpy(name, from, length < sizeof *name ? length : sizeof *name);
    return name->sun_path[sizeof name->sun_path - 1] == '\0' ? IOCP_OK : IOCP_EINVAL;
}

int sim_unix_read(sim_address *address, const struct sockaddr *from, size_t length)
{
    struct sockaddr_un name;
    int status = name__path(&name, from, length);
    if (status != IOCP_OK) {
        return status;
    }
    *address = (sim_address){.family = AF_UNIX, .is_any = name.sun_path[0] == '\0'};
    for (uint16_t i = 0; i < UNIX_NAMES && !address->is_any; i++) {
        if (unix_names[i].has_file && strcmp(unix_names[i].path, name.sun_path) == 0) {
            address->port = (uint16_t)(i + 1);
        }
    }
    return IOCP_OK;
}

/* Whether a socket is called so, or has a peer that is. */
static bool name__is_used(uint16_t number)
{
    bool is_used = false;
    for (sim_socket *socket = NULL; (socket = sim_socket_next(socket)) != NULL;) {
        bool is_its = socket->local.port == number || socket->remote.port == number;
        is_used = is_used || (socket->family == AF_UNIX && is_its);
    }
    return is_used;
}

int sim_unix_create(sim_address *address, const struct sockaddr *from, size_t length)
{
    struct sockaddr_un name;
    uint16_t place = 0;
    if (address->is_any) {
        return IOCP_OK;
    }
    if (address->port != 0) {
        return IOCP_EADDRINUSE;
    }
    while (unix_names[place].has_file || name__is_used((uint16_t)(place + 1))) {
        place++;
        SIM_CHECK(place < UNIX_NAMES);
    }
    SIM_CHECK(name__path(&name, from, length) == IOCP_OK);
    memcpy(unix_names[place].path, name.sun_path, sizeof name.sun_path);
    unix_names[place].has_file = true;
    address->port = (uint16_t)(place + 1);
    return IOCP_OK;
}

int sim_unix_write(const sim_address *address, struct sockaddr *to, size_t *length)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    size_t size = offsetof(struct sockaddr_un, sun_path);
    if (address->port != 0) {
        memcpy(name.sun_path, unix_names[address->port - 1].path, sizeof name.sun_path);
        size += strlen(name.sun_path) + 1;
    }
    if (*length < size) {
        return IOCP_EFAULT;
    }
    memcpy(to, &name, size);
    *length = size;
    return IOCP_OK;
}

void sim_unix_remove(const char *path)
{
    size_t length = strlen(path);
    for (int i = 0; i < UNIX_NAMES; i++) {
        const char *own = unix_names[i].path;
        bool is_below =
            strncmp(own, path, length) == 0 && (own[length] == '/' || own[length] == '\0');
        unix_names[i].has_file = unix_names[i].has_file && !is_below;
    }
}
