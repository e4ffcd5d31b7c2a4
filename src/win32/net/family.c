#include "family.h"

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

const ioc_family ioc_families[IOC_FAMILIES] = {
    [IOC_IPV4] = {.number = AF_INET,
                  .address_size = sizeof(struct sockaddr_in),
                  .has_datagrams = true,
                  .is_loopback = family__is_loopback_4},
    [IOC_IPV6] = {.number = AF_INET6,
                  .address_size = sizeof(struct sockaddr_in6),
                  .has_datagrams = true,
                  .is_loopback = family__is_loopback_6},
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
