#include "api.h"
#include "text/address.h"

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
