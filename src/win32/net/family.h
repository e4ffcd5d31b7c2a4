/*
 * The address families, a row each. The address of "any" of all of them is zero but for the family.
 */
#ifndef IOC_FAMILY_H
#define IOC_FAMILY_H

#include "../win.h"

#include <stdbool.h>

typedef struct ioc_family {
    int number;       /* AF_INET */
    int address_size; /* in bytes */
    bool has_datagrams;
    bool (*is_loopback)(const struct sockaddr *address);
} ioc_family;

/* Places in tables by family. */
enum {
    IOC_IPV4,
    IOC_IPV6,
    IOC_FAMILIES
};

extern const ioc_family ioc_families[IOC_FAMILIES];

static inline int ioc_family_place(const ioc_family *family)
{
    return (int)(family - ioc_families);
}

/* NULL: not one of ours. */
const ioc_family *ioc_family_find(int number);

#endif
