#include "family.h"

#include <stddef.h>
#include <string.h>

static bool family__is_loopback_4(const struct sockaddr *address)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
    return ((const unsigned char *)&in->sin_addr)[0] == 127; /* in the order of the network */
}

/* ::1, and an IPv4 address in IPv6 clothes. */
static bool family__is_loopback_6(const struct sockaddr *address)
{
    static const unsigned char itself[16] = {[15] = 1};
    static const unsigned char mapped[13] = {[10] = 0xff, [11] = 0xff, [12] = 127};
    const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)(const void *)address;
    return memcmp(&in->sin6_addr, itself, sizeof itself) == 0 ||
           memcmp(&in->sin6_addr, mapped, sizeof mapped) == 0;
}

/*
 * After ConnectEx Windows counts bytes behind the end of the peer's path, and of a socket without a
 * name it may tell nothing at all. A path ends with its zero; without a name there is the family alone.
 */
static int family__measure_unix(struct sockaddr *address, int told)
{
    const int head = offsetof(ioc_unix_address, path);
    const ioc_unix_address *local = (const ioc_unix_address *)(const void *)address;
    int bytes = 0;
    if (told < head) {
        address->sa_family = AF_UNIX;
        return head;
    }
    while (bytes < told - head && local->path[bytes] != '\0') {
        bytes++;
    }
    bool has_end = bytes > 0 && bytes < told - head;
    return head + bytes + has_end;
}

/*
 * "Any" of a Unix socket is no name, which ConnectEx wants it to be bound to. Its length is that of a
 * plain sockaddr: one with the whole of the empty path is nowhere said to be taken.
 */
const ioc_family ioc_families[IOC_FAMILIES] = {
    [IOC_IPV4] = {.number = AF_INET,
                  .address_size = sizeof(struct sockaddr_in),
                  .any_size = sizeof(struct sockaddr_in),
                  .has_datagrams = true,
                  .has_ports = true,
                  .is_loopback = family__is_loopback_4},
    [IOC_IPV6] = {.number = AF_INET6,
                  .address_size = sizeof(struct sockaddr_in6),
                  .any_size = sizeof(struct sockaddr_in6),
                  .has_datagrams = true,
                  .has_ports = true,
                  .is_loopback = family__is_loopback_6},
    [IOC_LOCAL] = {.number = AF_UNIX,
                   .address_size = sizeof(ioc_unix_address),
                   .any_size = sizeof(struct sockaddr),
                   .measure = family__measure_unix},
};

const ioc_family *ioc_family_find(int number)
{
    for (int i = 0; i < IOC_FAMILIES; i++) {
        if (ioc_families[i].number == number) {
            return &ioc_families[i];
        }
    }
    return NULL;
}
