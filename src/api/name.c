#include "name.h"

#include "api.h"

/* SOCK_STREAM and SOCK_DGRAM, everywhere. */
#define TYPE_STREAM   1
#define TYPE_DATAGRAM 2

/* ---- Names ---- */

static bool resolve__is_options(const iocp_resolve_options_t *options)
{
    const uint32_t flags = IOCP_RESOLVE_NUMERIC | IOCP_RESOLVE_LISTEN;
    bool is_family = options->family == 0 || options->family == IOC_FAMILY_INET ||
                     options->family == IOC_FAMILY_INET6;
    bool is_type =
        options->type == 0 || options->type == TYPE_STREAM || options->type == TYPE_DATAGRAM;
    return (options->flags & ~flags) == 0 && is_family && is_type;
}

int IOCP_CALL iocp_resolve(iocp_loop_t *loop, const char *host, const char *service,
                           const iocp_resolve_options_t *given, iocp_callback_t callback,
                           void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    iocp_resolve_options_t options;
    bool is_valid = ioc_api_read_options(given, &options, sizeof options) == IOCP_OK &&
                    resolve__is_options(&options);
    int status = ioc_api_begin(loop, IOCP_TYPE_RESOLVE, is_valid, callback, userdata, &op);
    if (status != IOCP_OK) {
        return status;
    }
    options.type = options.type != 0 ? options.type : TYPE_STREAM;
    status = ioc_name_set(&loop->loop_only.ops, op, host, service, &options);
    return ioc_api_end(loop, op, status, id);
}

int IOCP_CALL iocp_addresses_copy(iocp_loop_t *loop, const iocp_address_t *addresses,
                                  iocp_address_t **copy)
{
    int status = ioc_api_check(loop, addresses != NULL && copy != NULL);
    if (status != IOCP_OK) {
        return status;
    }
    iocp_address_t *made = ioc_name_copy_list(&loop->shared.alloc, addresses);
    if (made == NULL) {
        return IOCP_ENOMEM;
    }
    *copy = made;
    return IOCP_OK;
}

void IOCP_CALL iocp_addresses_free(iocp_loop_t *loop, iocp_address_t *copy)
{
    if (loop != NULL) {
        ioc_alloc_give(&loop->shared.alloc, copy);
    }
}

/* ---- Addresses as text ---- */

int IOCP_CALL iocp_address_parse(const char *text, uint16_t port, struct sockaddr *address,
                                 size_t *length)
{
    bool is_valid = text != NULL && address != NULL && length != NULL;
    return is_valid ? ioc_address_parse(text, port, address, length) : IOCP_EINVAL;
}

int IOCP_CALL iocp_address_format(const struct sockaddr *address, size_t length, char *text,
                                  size_t size)
{
    bool is_valid = address != NULL && text != NULL;
    return is_valid ? ioc_address_format(address, length, text, size) : IOCP_EINVAL;
}
