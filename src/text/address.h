/*
 * Addresses as text, and as the system has them.
 *
 *   IPv4   "127.0.0.1", "127.0.0.1:80"
 *   IPv6   "::1", "fe80::1%7", "[::1]", "[fe80::1%7]:80"
 *   Unix   "unix:C:\run\socket"
 *
 * What is read has one meaning everywhere. IPv4 is four decimal numbers, and no number has a zero in
 * front, which some would take for octal. IPv6 is that of RFC 4291, with an IPv4 address at its end
 * if it likes; the scope is a number, since a name would have to be looked up. What is written is
 * read again as what it was, and IPv6 is written as RFC 5952 says, with the IPv4 address in it where
 * it is one in IPv6 clothes (::ffff:0:0/96).
 *
 * An address of the Unix family may have no name, as that of a client seldom has: that is written
 * ("unix:"), and not read. A path is UTF-8, with its zero in 108 bytes.
 */
#ifndef IOC_TEXT_ADDRESS_H
#define IOC_TEXT_ADDRESS_H

#include "iocploop.h"

#include "base.h"

/* The numbers of <winsock2.h>, and of Linux, where the core is tested. */
#define IOC_FAMILY_UNIX 1
#define IOC_FAMILY_INET 2
#if defined(_WIN32)
#define IOC_FAMILY_INET6 23
#else
#define IOC_FAMILY_INET6 10
#endif

/* Room for IPv4 and IPv6. */
#define IOC_ADDRESS_IP_BYTES 28

/*
 * An IP address alone, without a port, with port 0 then: how many bytes it has. 0: the text is none.
 * The family of an address, and its port, which it has a place for.
 */
size_t ioc_address_parse_ip(const char *text, void *address);
int ioc_address_family(const void *address);
void ioc_address_set_port(void *address, uint16_t port);

/* The contracts of iocp_address_parse and iocp_address_format; nothing is NULL. */
int ioc_address_parse(const char *text, uint16_t port, void *address, size_t *length);
int ioc_address_format(const void *address, size_t length, char *text, size_t size);

#endif
