/*
 * RESOLVE: the addresses of a host and a service.
 *
 * What has no name in it is answered here. Otherwise an operation of the library's own, a *look-up*
 * (IOC_TYPE_LOOKUP), asks the system, while the program's waits, parked, for its end. So a cancel or a
 * deadline ends the program's at once, as all that is parked. The look-up stays until the system has
 * answered, with the memory that the system knows of; what it then hears is dropped. It does not keep
 * the loop running, and the loop's end asks it to end and waits for it, as for everything that is in the
 * kernel.
 *
 * The answer is put into the memory of the operation that waits for it: ioc_name_target.
 */
#ifndef IOC_NAME_H
#define IOC_NAME_H

#include "op.h"
#include "text/address.h"

/* With their zeroes: NI_MAXHOST, and more than any service has. */
#define IOC_NAME_HOST_BYTES    1025
#define IOC_NAME_SERVICE_BYTES 64

/* The backend's part of a look-up, in its op->block behind an ioc_lookup. */
#define IOC_LOOKUP_BYTES 4096

typedef struct ioc_name_address {
    iocp_address_t entry;
    union {
        uint64_t alignment;
        unsigned char bytes[IOC_ADDRESS_IP_BYTES];
    } storage;
} ioc_name_address;

/* In op->block of a RESOLVE. */
typedef struct ioc_names {
    iocp_op_t lookup; /* the one that asks for it now */
    int status;       /* what is known at once, otherwise 0 */
    uint32_t flags;   /* IOCP_RESOLVE_ bits */
    int family;
    int type;
    bool is_numeric;                      /* the host is an address */
    bool has_port;                        /* the service is no name */
    uint16_t port;                        /* that is known */
    char host[IOC_NAME_HOST_BYTES];       /* "": none */
    char service[IOC_NAME_SERVICE_BYTES]; /* "": none */
    uint32_t count;
    ioc_name_address list[IOCP_RESOLVE_ADDRESSES_MAX];
} ioc_names;

/* In op->block of a LOOKUP, whose parameters are an ioc_watch. */
typedef struct ioc_lookup {
    iocp_op_t resolve;
} ioc_lookup;

static inline ioc_names *ioc_names_of(const ioc_op *op)
{
    return op->block;
}

static inline ioc_lookup *ioc_lookup_of(const ioc_op *op)
{
    return op->block;
}

/* Before it is queued. What is no name is told in the result. IOCP_ENOMEM. */
int ioc_name_set(ioc_ops *ops, ioc_op *op, const char *host, const char *service,
                 const iocp_resolve_options_t *options);

/* Slots of ioc_kind: of RESOLVE; the last of LOOKUP. */
void ioc_name_start(ioc_ops *ops, ioc_op *op);
void ioc_name_tell(const ioc_op *op, iocp_result_t *result);
void ioc_name_looked_up(ioc_ops *ops, ioc_op *op);

/* For the backend: what a look-up is to find, and where its answer goes. NULL: nobody waits any more. */
ioc_names *ioc_name_target(const ioc_ops *ops, const ioc_op *lookup);

/* One more address, unless it is there or is none of those that were asked for. */
void ioc_name_add(ioc_names *names, const void *address, size_t length);

/* A copy of a list in one piece, NULL: no memory. */
iocp_address_t *ioc_name_copy_list(ioc_alloc *alloc, const iocp_address_t *list);

#endif
