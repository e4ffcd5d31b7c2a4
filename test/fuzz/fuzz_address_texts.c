/*
 * Addresses as text, in memory that ends where they do: what is read is what the C library reads, of
 * any text; what is written of any bytes is read again as the same; and room of every size.
 */
#include "fuzz.h"

#include "text/address.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#define ADDRESS_MOST 130 /* a little more than any has */

typedef struct address {
    struct sockaddr_storage storage;
    size_t length;
} address;

static void *room__create(size_t size)
{
    void *room = malloc(size);
    FUZZ_EXPECT(room != NULL);
    memset(room, 0xee, size);
    return room;
}

static bool room__is_untouched(const unsigned char *room, size_t size)
{
    size_t at = 0;
    while (at < size && room[at] == 0xee) {
        at++;
    }
    return at == size;
}

/* ---- Texts ---- */

static int text__read(const char *text, uint16_t port, address *to)
{
    to->length = sizeof to->storage;
    return ioc_address_parse(text, port, &to->storage, &to->length);
}

/* Bytes of a plain address of this family, without a scope and a port: the C library's word for it. */
static void text__compare(const char *text, const address *read, int family, const void *bytes,
                          size_t size)
{
    unsigned char expected[sizeof(struct in6_addr)];
    bool is_ours = read != NULL && read->storage.ss_family == family;
    if (inet_pton(family, text, expected) == 1) {
        FUZZ_EXPECT(is_ours && memcmp(bytes, expected, size) == 0);
    } else {
        bool is_plain =
            strpbrk(text, "[%") == NULL && (family == AF_INET6 || strchr(text, ':') == NULL);
        FUZZ_EXPECT(!is_ours || !is_plain);
    }
}

static void text__try_small_room(const char *text, size_t needed, size_t small)
{
    size_t length = small % needed;
    unsigned char *room = room__create(length);
    FUZZ_EXPECT(ioc_address_parse(text, 1, room, &length) == IOCP_EFAULT);
    FUZZ_EXPECT(length == small % needed && room__is_untouched(room, length));
    free(room);
}

static void address__write(const address *of, char *text)
{
    FUZZ_EXPECT(ioc_address_format(&of->storage, of->length, text, IOCP_ADDRESS_TEXT_BYTES) ==
                IOCP_OK);
}

/* What is written of it is read as the same, to the byte. */
static void address__try_again(const address *first)
{
    char text[IOCP_ADDRESS_TEXT_BYTES];
    address second;
    address__write(first, text);
    FUZZ_EXPECT(text__read(text, 0, &second) == IOCP_OK && second.length == first->length);
    FUZZ_EXPECT(memcmp(&second.storage, &first->storage, first->length) == 0);
}

static void text__try(const char *text, uint16_t port, size_t small)
{
    address read;
    int status = text__read(text, port, &read);
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&read.storage;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)&read.storage;
    FUZZ_EXPECT(status == IOCP_OK || status == IOCP_EINVAL);
    const address *found = status == IOCP_OK ? &read : NULL;
    text__compare(text, found, AF_INET, &in->sin_addr, sizeof in->sin_addr);
    text__compare(text, found, AF_INET6, &in6->sin6_addr, sizeof in6->sin6_addr);
    if (found != NULL) {
        text__try_small_room(text, read.length, small);
        address__try_again(&read);
    }
}

/* ---- Bytes ---- */

static void bytes__try_small_room(const void *bytes, size_t length, size_t needed, size_t small)
{
    size_t size = small % needed;
    char *room = room__create(size);
    FUZZ_EXPECT(ioc_address_format(bytes, length, room, size) == IOCP_EFAULT);
    FUZZ_EXPECT(room__is_untouched((unsigned char *)room, size));
    free(room);
}

static void bytes__try(const void *bytes, size_t length, size_t small)
{
    char text[IOCP_ADDRESS_TEXT_BYTES];
    char again[IOCP_ADDRESS_TEXT_BYTES];
    address read;
    int status = ioc_address_format(bytes, length, text, sizeof text);
    if (status != IOCP_OK) {
        FUZZ_EXPECT(status == IOCP_EINVAL || status == IOCP_EAFNOSUPPORT);
        return;
    }
    size_t needed = strlen(text) + 1;
    bytes__try_small_room(bytes, length, needed, small);
    char *exact = room__create(needed);
    FUZZ_EXPECT(ioc_address_format(bytes, length, exact, needed) == IOCP_OK);
    if (text__read(exact, 0, &read) == IOCP_OK) {
        address__write(&read, again);
        FUZZ_EXPECT(strcmp(again, exact) == 0);
    } else {
        FUZZ_EXPECT(strcmp(exact, "unix:") == 0);
    }
    free(exact);
}

/* How small room is, a port, a family; and a text, which is the rest of an address as well. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const sa_family_t families[] = {AF_INET, AF_INET6, AF_UNIX};
    if (size < 4) {
        return 0;
    }
    size_t rest = size - 4;
    char *text = room__create(rest + 1);
    memcpy(text, data + 4, rest);
    text[rest] = '\0';
    text__try(text, (uint16_t)(data[1] << 8 | data[2]), data[0]);
    free(text);
    sa_family_t family = data[3] < 192 ? families[data[3] % 3] : data[3];
    size_t length = rest + sizeof family < ADDRESS_MOST ? rest + sizeof family : ADDRESS_MOST;
    unsigned char *bytes = room__create(length);
    memcpy(bytes, &family, sizeof family);
    memcpy(bytes + sizeof family, data + 4, length - sizeof family);
    bytes__try(bytes, length, data[0]);
    free(bytes);
    return 0;
}
