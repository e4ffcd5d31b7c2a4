#include "sim_name.h"

#include "name.h"

#include <arpa/inet.h>
#include <string.h>

#define NAME_TEXTS_MOST 4
#define NAME_MANY       150

static const struct {
    const char *host;
    int status;
    const char *addresses[NAME_TEXTS_MOST];
} name_hosts[] = {
    {"localhost", IOCP_OK, {"::1", "127.0.0.1"}},
    {"many.test", IOCP_OK, {NULL}},
    {"twice.test", IOCP_OK, {"10.0.0.1", "10.0.0.2", "unix:x", "10.0.0.1"}},
    {"ipv4.test", IOCP_OK, {"10.0.0.1"}},
    {"b\xc3\xbc"
     "cher.test",
     IOCP_OK,
     {"10.0.0.3"}},
    {"busy.test", IOCP_EAGAIN, {NULL}},
};

static const struct {
    const char *service;
    int type; /* 0: both */
    uint16_t port;
} name_services[] = {
    {"http", SOCK_STREAM, 80},
    {"domain", 0, 53},
};

/* ---- Finding ---- */

/* -1: there is none. */
static int host__find(const char *host)
{
    int place = (int)IOC_COUNT_OF(name_hosts) - 1;
    while (place >= 0 && strcmp(name_hosts[place].host, host) != 0) {
        place--;
    }
    return place;
}

static bool service__find(const ioc_names *names, uint16_t *port)
{
    for (size_t i = 0; i < IOC_COUNT_OF(name_services); i++) {
        bool is_type = name_services[i].type == 0 || name_services[i].type == names->type;
        if (is_type && strcmp(name_services[i].service, names->service) == 0) {
            *port = name_services[i].port;
            return true;
        }
    }
    return false;
}

static int name__status(const ioc_names *names)
{
    uint16_t port;
    int place = host__find(names->host);
    if (names->host[0] != '\0' && !names->is_numeric && place < 0) {
        return IOCP_ENONAME;
    }
    if (!names->has_port && !service__find(names, &port)) {
        return IOCP_ENONAME;
    }
    return place >= 0 ? name_hosts[place].status : IOCP_OK;
}

/* ---- Telling ---- */

static void name__add(ioc_names *names, const char *text)
{
    struct sockaddr_storage address;
    size_t length = sizeof address;
    uint16_t port = 0;
    (void)service__find(names, &port);
    SIM_CHECK(ioc_address_parse(text, port, &address, &length) == IOCP_OK);
    ioc_name_add(names, &address, length);
}

static void name__add_many(ioc_names *names)
{
    for (uint32_t i = 0; i < NAME_MANY; i++) {
        char text[INET_ADDRSTRLEN];
        struct in_addr address = {.s_addr = htonl(0x0a010000u + i)};
        SIM_CHECK(inet_ntop(AF_INET, &address, text, sizeof text) != NULL);
        name__add(names, text);
    }
}

static void name__add_all(ioc_names *names)
{
    static const char *const own[][2] = {{"::1", "127.0.0.1"}, {"::", "0.0.0.0"}};
    int place = host__find(names->host);
    if (names->is_numeric) {
        name__add(names, names->host);
        return;
    }
    const char *const *texts =
        place >= 0 ? name_hosts[place].addresses : own[(names->flags & IOCP_RESOLVE_LISTEN) != 0];
    size_t most = place >= 0 ? NAME_TEXTS_MOST : 2;
    for (size_t i = 0; i < most && texts[i] != NULL; i++) {
        name__add(names, texts[i]);
    }
    if (strcmp(names->host, "many.test") == 0) {
        name__add_many(names);
    }
}

/* ---- Slots ---- */

int sim_name_start(sim_op *op)
{
    SIM_CHECK(ioc_name_target(op->port->ops, &op->op) != NULL);
    op->phase = SIM_WAITING;
    op->may_be_inline = false;
    op->effect_ns = op->port->now_ns + sim_below(op->port, op->port->script.latency_ns + 1);
    return IOCP_OK;
}

/* What nobody waits for any more is answered as well. */
void sim_name_answer(sim_op *op)
{
    const ioc_names *names = ioc_name_target(op->port->ops, &op->op);
    sim_complete(op, names != NULL ? name__status(names) : IOCP_OK, 0);
}

/* It may be gone meanwhile. */
void sim_name_tell(sim_op *op)
{
    ioc_names *names = ioc_name_target(op->port->ops, &op->op);
    if (names != NULL && op->outcome.status == IOCP_OK) {
        name__add_all(names);
    }
}
