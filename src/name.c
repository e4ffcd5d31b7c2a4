#include "name.h"

#include "text/utf8.h"

#include <string.h>

/* ---- What is asked for ---- */

/* False: it is not a name. */
static bool name__keep(char *to, size_t room, const char *text)
{
    size_t bytes = text != NULL ? strlen(text) + 1 : 0;
    if (text == NULL) {
        return true;
    }
    if (bytes == 1 || bytes > room || ioc_utf8_to_utf16(text, NULL, 0) == 0) {
        return false;
    }
    memcpy(to, text, bytes);
    return true;
}

/* All of it is digits; the number, or what is more than a port. */
static bool name__is_number(const char *service, uint32_t *number)
{
    *number = 0;
    for (; *service >= '0' && *service <= '9'; service++) {
        *number = *number <= UINT16_MAX ? *number * 10 + (uint32_t)(*service - '0') : *number;
    }
    return *service == '\0';
}

static int name__look_at_service(ioc_names *names)
{
    uint32_t number;
    names->has_port = name__is_number(names->service, &number);
    names->port = (uint16_t)number;
    return names->has_port && number > UINT16_MAX ? IOCP_ENONAME : IOCP_OK;
}

static int name__look_at_host(ioc_names *names)
{
    unsigned char address[IOC_ADDRESS_IP_BYTES];
    names->is_numeric = ioc_address_parse_ip(names->host, address) > 0;
    bool is_refused =
        !names->is_numeric && names->host[0] != '\0' && (names->flags & IOCP_RESOLVE_NUMERIC) != 0;
    if (is_refused) {
        return IOCP_ENONAME;
    }
    bool is_of_other =
        names->is_numeric && names->family != 0 && names->family != ioc_address_family(address);
    return is_of_other ? IOCP_ENOADDRESS : IOCP_OK;
}

int ioc_name_set(ioc_ops *ops, ioc_op *op, const char *host, const char *service,
                 const iocp_resolve_options_t *options)
{
    int status = ioc_op_take_block(ops, op, sizeof(ioc_names));
    if (status != IOCP_OK) {
        return status;
    }
    ioc_names *names = ioc_names_of(op);
    memset(names, 0, offsetof(ioc_names, list));
    names->flags = options->flags;
    names->family = options->family;
    names->type = options->type;
    bool is_kept = name__keep(names->host, sizeof names->host, host) &&
                   name__keep(names->service, sizeof names->service, service);
    names->status = is_kept ? name__look_at_host(names) : IOCP_EINVAL;
    if (names->status == IOCP_OK) {
        names->status = name__look_at_service(names);
    }
    return IOCP_OK;
}

/* ---- The answer ---- */

static bool name__has(const ioc_names *names, const void *address, size_t length)
{
    uint32_t place = 0;
    while (place < names->count && (names->list[place].entry.address_length != length ||
                                    memcmp(&names->list[place].storage, address, length) != 0)) {
        place++;
    }
    return place < names->count;
}

static void name__append(ioc_names *names, const void *address, size_t length)
{
    ioc_name_address *added = &names->list[names->count];
    memcpy(&added->storage, address, length);
    added->entry.next = NULL;
    added->entry.address = (const struct sockaddr *)(const void *)&added->storage;
    added->entry.address_length = length;
    if (names->count++ > 0) {
        added[-1].entry.next = &added->entry;
    }
}

void ioc_name_add(ioc_names *names, const void *address, size_t length)
{
    unsigned char own[IOC_ADDRESS_IP_BYTES];
    int family = length <= sizeof own ? ioc_address_family(address) : 0;
    bool is_ip = family == IOC_FAMILY_INET || family == IOC_FAMILY_INET6;
    if (!is_ip || (names->family != 0 && names->family != family)) {
        return;
    }
    memcpy(own, address, length);
    if (names->has_port) {
        ioc_address_set_port(own, names->port);
    }
    if (names->count < IOCP_RESOLVE_ADDRESSES_MAX && !name__has(names, own, length)) {
        name__append(names, own, length);
    }
}

static void name__add_text(ioc_names *names, const char *text)
{
    unsigned char address[IOC_ADDRESS_IP_BYTES];
    size_t length = ioc_address_parse_ip(text, address);
    ioc_name_add(names, address, length);
}

/* Where no name has to be looked up. */
static void name__answer(ioc_names *names)
{
    if (names->is_numeric) {
        name__add_text(names, names->host);
        return;
    }
    bool is_any = (names->flags & IOCP_RESOLVE_LISTEN) != 0;
    name__add_text(names, is_any ? "::" : "::1");
    name__add_text(names, is_any ? "0.0.0.0" : "127.0.0.1");
}

/* ---- The operation ---- */

/* NULL: no memory. */
static ioc_op *name__new_lookup(ioc_ops *ops, const ioc_op *op)
{
    ioc_op *lookup = ioc_op_new(ops, (iocp_type_t)IOC_TYPE_LOOKUP, NULL, NULL);
    if (lookup == NULL) {
        return NULL;
    }
    if (ioc_op_take_block(ops, lookup, sizeof(ioc_lookup) + IOC_LOOKUP_BYTES) != IOCP_OK) {
        ioc_op_free(ops, lookup);
        return NULL;
    }
    ioc_lookup_of(lookup)->resolve = ioc_op_id(op);
    return lookup;
}

static void name__ask(ioc_ops *ops, ioc_op *op)
{
    ioc_op *lookup = name__new_lookup(ops, op);
    if (lookup == NULL) {
        ioc_op_finish(ops, op, IOCP_ENOMEM);
        return;
    }
    ioc_op_park(op, NULL);
    ioc_op_queue(ops, lookup, &ioc_names_of(op)->lookup);
    ioc_op_set_referenced(ops, lookup, false);
}

void ioc_name_start(ioc_ops *ops, ioc_op *op)
{
    ioc_names *names = ioc_names_of(op);
    names->count = 0;
    bool has_name = (names->host[0] != '\0' && !names->is_numeric) || !names->has_port;
    if (names->status == IOCP_OK && has_name) {
        name__ask(ops, op);
        return;
    }
    if (names->status == IOCP_OK) {
        name__answer(names);
    }
    ioc_op_finish(ops, op, names->status);
}

void ioc_name_tell(const ioc_op *op, iocp_result_t *result)
{
    result->addresses = &ioc_names_of(op)->list[0].entry;
}

/* ---- The look-up ---- */

/* The operation that waits for it. One that was cancelled and has started again waits for another. */
static ioc_op *name__waiting(const ioc_ops *ops, const ioc_op *lookup)
{
    ioc_op *op = ioc_op_find(ops, ioc_lookup_of(lookup)->resolve);
    bool waits = op != NULL && op->phase == IOC_PHASE_PARKED &&
                 ioc_names_of(op)->lookup.id == ioc_op_id(lookup).id;
    return waits ? op : NULL;
}

ioc_names *ioc_name_target(const ioc_ops *ops, const ioc_op *lookup)
{
    const ioc_op *op = name__waiting(ops, lookup);
    return op != NULL ? ioc_names_of(op) : NULL;
}

/* A name may have addresses, and none of those that were asked for. */
void ioc_name_looked_up(ioc_ops *ops, ioc_op *lookup)
{
    ioc_op *op = name__waiting(ops, lookup);
    ioc_outcome outcome = lookup->outcome;
    if (op == NULL) {
        return;
    }
    if (outcome.status == IOCP_OK && ioc_names_of(op)->count == 0) {
        outcome.status = IOCP_ENOADDRESS;
    }
    ioc_op_finish(ops, op, outcome.status);
    op->outcome.native_error = outcome.native_error;
}

/* ---- Lists ---- */

static size_t list__aligned(size_t bytes)
{
    return (bytes + sizeof(uint64_t) - 1) / sizeof(uint64_t) * sizeof(uint64_t);
}

iocp_address_t *ioc_name_copy_list(ioc_alloc *alloc, const iocp_address_t *list)
{
    size_t count = 0;
    size_t bytes = 0;
    for (const iocp_address_t *each = list; each != NULL; each = each->next) {
        count++;
        bytes += list__aligned(each->address_length);
    }
    size_t heads = list__aligned(count * sizeof *list);
    iocp_address_t *copy = ioc_alloc_take_raw(alloc, heads + bytes);
    if (copy == NULL) {
        return NULL;
    }
    unsigned char *address = (unsigned char *)copy + heads;
    for (iocp_address_t *to = copy; list != NULL; list = list->next, to++) {
        memcpy(address, list->address, list->address_length);
        to->next = list->next != NULL ? to + 1 : NULL;
        to->address = (const struct sockaddr *)(const void *)address;
        to->address_length = list->address_length;
        address += list__aligned(list->address_length);
    }
    return copy;
}
