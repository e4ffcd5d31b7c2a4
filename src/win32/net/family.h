/*
 * The address families, a row each. The address of "any" of all of them is zero but for the family.
 */
#ifndef IOC_FAMILY_H
#define IOC_FAMILY_H

#include "../win.h"

#include <stdbool.h>

/* sockaddr_un of <afunix.h>, which not every header set has. */
typedef struct ioc_unix_address {
    u_short family;
    char path[108];
} ioc_unix_address;

typedef struct ioc_family {
    int number;       /* AF_INET */
    int address_size; /* in bytes */
    int any_size;     /* of the address of "any" */
    bool has_datagrams;
    bool has_ports; /* to be shared, or not */

    /* With ports: whether it is this machine. */
    bool (*is_loopback)(const struct sockaddr *address);

    /* The length of an address of which the system has told another one. NULL: it tells the truth. */
    int (*measure)(struct sockaddr *address, int told);
} ioc_family;

/* Places in tables by family. */
enum {
    IOC_IPV4,
    IOC_IPV6,
    IOC_LOCAL, /* AF_UNIX; <winsock2.h> has the other name */
    IOC_FAMILIES
};

extern const ioc_family ioc_families[IOC_FAMILIES];

static inline int ioc_family_place(const ioc_family *family)
{
    return (int)(family - ioc_families);
}

/* NULL: not one of ours. */
const ioc_family *ioc_family_find(int number);

/* The length of an address that the system has written, with room for its family at least. */
static inline int ioc_family_measure(const ioc_family *family, struct sockaddr *address, int told)
{
    return family->measure != NULL ? family->measure(address, told) : told;
}

#endif
