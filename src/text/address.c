#include "address.h"

#include "utf8.h"

#include <string.h>

/* ---- What the system has ---- */

#define INET_BYTES      4
#define INET6_BYTES     16
#define UNIX_PATH_BYTES 108

typedef struct address_inet { /* sockaddr_in */
    uint16_t family;
    unsigned char port[2];
    unsigned char bytes[INET_BYTES];
    unsigned char zero[8];
} address_inet;

typedef struct address_inet6 { /* sockaddr_in6 */
    uint16_t family;
    unsigned char port[2];
    uint32_t flow;
    unsigned char bytes[INET6_BYTES];
    uint32_t scope;
} address_inet6;

typedef struct address_unix { /* sockaddr_un, and a zero */
    uint16_t family;
    char path[UNIX_PATH_BYTES + 1];
} address_unix;

typedef union address_any {
    uint16_t family;
    address_inet inet;
    address_inet6 inet6;
    address_unix local;
} address_any;

_Static_assert(sizeof(address_inet6) == IOC_ADDRESS_IP_BYTES, "it is the larger one");
_Static_assert(offsetof(address_inet, port) == offsetof(address_inet6, port), "one place");

static void port__set(unsigned char *port, uint32_t number)
{
    port[0] = (unsigned char)(number >> 8);
    port[1] = (unsigned char)number;
}

static uint32_t port__get(const unsigned char *port)
{
    return (uint32_t)port[0] << 8 | port[1];
}

/* ---- Reading. What is taken is behind *at then; what is refused leaves it. ---- */

static bool take__one(const char **at, char letter)
{
    if (**at != letter) {
        return false;
    }
    ++*at;
    return true;
}

/* Decimal, without a needless zero in front. */
static bool take__number(const char **at, uint32_t most, uint32_t *number)
{
    const char *digit = *at;
    uint64_t value = 0;
    while (*digit >= '0' && *digit <= '9' && value <= most) {
        value = value * 10 + (uint32_t)(*digit++ - '0');
    }
    bool is_padded = **at == '0' && digit - *at > 1;
    if (digit == *at || is_padded || value > most) {
        return false;
    }
    *at = digit;
    *number = (uint32_t)value;
    return true;
}

static bool take__inet(const char **at, unsigned char *bytes)
{
    const char *next = *at;
    for (int i = 0; i < INET_BYTES; i++) {
        uint32_t number;
        if ((i > 0 && !take__one(&next, '.')) || !take__number(&next, UINT8_MAX, &number)) {
            return false;
        }
        bytes[i] = (unsigned char)number;
    }
    *at = next;
    return true;
}

/* The value of a hexadecimal digit, 16: it is none. */
static uint32_t digit__value(char digit)
{
    char lower = (char)(digit | 0x20);
    return digit >= '0' && digit <= '9'   ? (uint32_t)(digit - '0')
           : lower >= 'a' && lower <= 'f' ? (uint32_t)(lower - 'a' + 10)
                                          : 16;
}

/* Sixteen bits, in one to four digits. */
static bool take__group(const char **at, unsigned char *bytes)
{
    const char *digit = *at;
    uint32_t value = 0;
    while (digit - *at < 4 && digit__value(*digit) < 16) {
        value = value * 16 + digit__value(*digit++);
    }
    bool is_there = digit > *at;
    bytes[0] = (unsigned char)(value >> 8);
    bytes[1] = (unsigned char)value;
    *at = digit;
    return is_there;
}

#define NO_GAP (INET6_BYTES + 1)

/* "::" stands here: zeroes, of which it is known at the end how many. At most one does. */
static bool take__gap(const char **at, size_t place, size_t *gap)
{
    if ((*at)[0] != ':' || (*at)[1] != ':' || *gap != NO_GAP) {
        return false;
    }
    *at += 2;
    *gap = place;
    return true;
}

/* What was read, without the zeroes: how many bytes, and where the gap is. False: it is broken. */
static bool take__groups(const char **at, unsigned char *bytes, size_t *count, size_t *gap)
{
    (void)take__gap(at, 0, gap);
    for (;;) {
        if (*count <= INET6_BYTES - INET_BYTES && take__inet(at, bytes + *count)) {
            *count += INET_BYTES;
            return true;
        }
        if (!take__group(at, bytes + *count)) {
            return *gap == *count; /* nothing need stand behind it */
        }
        *count += 2;
        if (*count == INET6_BYTES) {
            return true;
        }
        if (!take__gap(at, *count, gap) && !take__one(at, ':')) {
            return true;
        }
    }
}

static bool take__inet6(const char **at, unsigned char *bytes)
{
    size_t count = 0;
    size_t gap = NO_GAP;
    if (!take__groups(at, bytes, &count, &gap)) {
        return false;
    }
    size_t missing = INET6_BYTES - count;
    if ((gap == NO_GAP) != (missing == 0)) {
        return false;
    }
    if (missing > 0) {
        memmove(bytes + gap + missing, bytes + gap, count - gap);
        memset(bytes + gap, 0, missing);
    }
    return true;
}

/* A port may stand here, and counts then. */
static bool take__port(const char **at, uint32_t *port)
{
    return !take__one(at, ':') || take__number(at, UINT16_MAX, port);
}

static bool take__ipv6(const char **at, uint32_t port, address_inet6 *address)
{
    bool is_bracketed = take__one(at, '[');
    if (!take__inet6(at, address->bytes) ||
        (take__one(at, '%') && !take__number(at, UINT32_MAX, &address->scope)) ||
        (is_bracketed && (!take__one(at, ']') || !take__port(at, &port)))) {
        return false;
    }
    address->family = IOC_FAMILY_INET6;
    port__set(address->port, port);
    return true;
}

static bool take__ipv4(const char **at, uint32_t port, address_inet *address)
{
    if (!take__inet(at, address->bytes) || !take__port(at, &port)) {
        return false;
    }
    address->family = IOC_FAMILY_INET;
    port__set(address->port, port);
    return true;
}

/* How many bytes it has as the system's, 0: it is none. */
static size_t address__read_ip(const char *text, uint16_t port, address_any *any)
{
    const char *at = text;
    if (take__ipv4(&at, port, &any->inet) && *at == '\0') {
        return sizeof any->inet;
    }
    at = text;
    memset(any, 0, sizeof *any);
    return take__ipv6(&at, port, &any->inet6) && *at == '\0' ? sizeof any->inet6 : 0;
}

/* Only IPv6 has brackets, and only IPv4 has no colon of its own. */
size_t ioc_address_parse_ip(const char *text, void *address)
{
    address_any any = {0};
    size_t bytes = *text != '[' ? address__read_ip(text, 0, &any) : 0;
    if (bytes == 0 || (any.family == IOC_FAMILY_INET && strchr(text, ':') != NULL)) {
        return 0;
    }
    memcpy(address, &any, bytes);
    return bytes;
}

int ioc_address_family(const void *address)
{
    uint16_t family;
    memcpy(&family, address, sizeof family);
    return family;
}

void ioc_address_set_port(void *address, uint16_t port)
{
    port__set((unsigned char *)address + offsetof(address_inet, port), port);
}

static size_t address__read_unix(const char *path, address_unix *address)
{
    size_t length = strlen(path);
    if (length == 0 || length >= UNIX_PATH_BYTES || ioc_utf8_to_utf16(path, NULL, 0) == 0) {
        return 0;
    }
    address->family = IOC_FAMILY_UNIX;
    memcpy(address->path, path, length);
    return offsetof(address_unix, path) + length + 1;
}

#define UNIX_MARK "unix:"

int ioc_address_parse(const char *text, uint16_t port, void *address, size_t *length)
{
    address_any any = {0};
    size_t mark = sizeof UNIX_MARK - 1;
    size_t bytes = strncmp(text, UNIX_MARK, mark) == 0 ? address__read_unix(text + mark, &any.local)
                                                       : address__read_ip(text, port, &any);
    if (bytes == 0) {
        return IOCP_EINVAL;
    }
    if (bytes > *length) {
        return IOCP_EFAULT;
    }
    memcpy(address, &any, bytes);
    *length = bytes;
    return IOCP_OK;
}

/* ---- Writing ---- */

/* There is room for every address. */
typedef struct address_text {
    char letters[IOCP_ADDRESS_TEXT_BYTES];
    size_t count;
} address_text;

static void put__one(address_text *into, char letter)
{
    into->letters[into->count++] = letter;
}

static void put__number(address_text *into, uint32_t number, uint32_t base)
{
    char digits[10]; /* of 2^32 - 1 */
    size_t count = 0;
    do {
        digits[count++] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number > 0);
    while (count > 0) {
        put__one(into, digits[--count]);
    }
}

static void put__inet(address_text *into, const unsigned char *bytes)
{
    for (int i = 0; i < INET_BYTES; i++) {
        if (i > 0) {
            put__one(into, '.');
        }
        put__number(into, bytes[i], 10);
    }
}

#define GROUPS (INET6_BYTES / 2)

static uint32_t group__of(const unsigned char *bytes, size_t number)
{
    return port__get(bytes + 2 * number);
}

static size_t zeroes__from(const unsigned char *bytes, size_t number)
{
    size_t count = 0;
    while (number + count < GROUPS && group__of(bytes, number + count) == 0) {
        count++;
    }
    return count;
}

/* The first of the longest runs of zeroes: how many groups it has. One alone is not worth it. */
static size_t zeroes__longest(const unsigned char *bytes, size_t *first)
{
    size_t longest = 0;
    for (size_t number = 0; number < GROUPS; number++) {
        size_t count = zeroes__from(bytes, number);
        if (count > 1 && count > longest) {
            longest = count;
            *first = number;
        }
    }
    return longest;
}

static bool inet6__is_mapped(const unsigned char *bytes)
{
    static const unsigned char mapped[INET6_BYTES - INET_BYTES] = {[10] = 0xff, [11] = 0xff};
    return memcmp(bytes, mapped, sizeof mapped) == 0;
}

static void put__inet6(address_text *into, const unsigned char *bytes)
{
    size_t first = 0;
    size_t zeroes = zeroes__longest(bytes, &first);
    size_t groups = inet6__is_mapped(bytes) ? GROUPS - INET_BYTES / 2 : GROUPS;
    for (size_t number = 0; number < groups; number++) {
        if (zeroes > 0 && number == first) {
            put__one(into, ':');
            number += zeroes - 1;
            continue;
        }
        if (number > 0) {
            put__one(into, ':');
        }
        put__number(into, group__of(bytes, number), 16);
    }
    if (groups < GROUPS) {
        put__one(into, ':');
        put__inet(into, bytes + INET6_BYTES - INET_BYTES);
    } else if (zeroes > 0 && first + zeroes == GROUPS) {
        put__one(into, ':');
    }
}

static void put__port(address_text *into, uint32_t port)
{
    if (port != 0) {
        put__one(into, ':');
        put__number(into, port, 10);
    }
}

static bool put__ipv4(address_text *into, const address_any *any)
{
    put__inet(into, any->inet.bytes);
    put__port(into, port__get(any->inet.port));
    return true;
}

static bool put__ipv6(address_text *into, const address_any *any)
{
    const address_inet6 *address = &any->inet6;
    bool is_bracketed = port__get(address->port) != 0;
    if (is_bracketed) {
        put__one(into, '[');
    }
    put__inet6(into, address->bytes);
    if (address->scope != 0) {
        put__one(into, '%');
        put__number(into, address->scope, 10);
    }
    if (is_bracketed) {
        put__one(into, ']');
    }
    put__port(into, port__get(address->port));
    return true;
}

static void put__text(address_text *into, const char *text)
{
    while (*text != '\0') {
        put__one(into, *text++);
    }
}

/* A path that fills its place has lost its end. */
static bool put__unix(address_text *into, const address_any *any)
{
    const char *path = any->local.path;
    if (strlen(path) == UNIX_PATH_BYTES || ioc_utf8_to_utf16(path, NULL, 0) == 0) {
        return false;
    }
    put__text(into, UNIX_MARK);
    put__text(into, path);
    return true;
}

/* A row for each family. */
static const struct {
    uint16_t family;
    size_t least;                                            /* bytes that an address of it has */
    bool (*put)(address_text *into, const address_any *any); /* false: it is none */
} families[] = {
    {IOC_FAMILY_UNIX, offsetof(address_unix, path), put__unix},
    {IOC_FAMILY_INET, sizeof(address_inet), put__ipv4},
    {IOC_FAMILY_INET6, sizeof(address_inet6), put__ipv6},
};

/* An error, or it is written. */
static int address__write(const address_any *any, size_t length, address_text *into)
{
    size_t row = 0;
    while (row < IOC_COUNT_OF(families) && families[row].family != any->family) {
        row++;
    }
    if (row == IOC_COUNT_OF(families)) {
        return IOCP_EAFNOSUPPORT;
    }
    return length >= families[row].least && families[row].put(into, any) ? IOCP_OK : IOCP_EINVAL;
}

int ioc_address_format(const void *address, size_t length, char *text, size_t size)
{
    address_any any = {0};
    address_text into = {.count = 0};
    size_t most = offsetof(address_unix, path) + UNIX_PATH_BYTES; /* the longest there is */
    if (length < sizeof any.family) {
        return IOCP_EINVAL;
    }
    memcpy(&any, address, length < most ? length : most);
    int status = address__write(&any, length, &into);
    if (status != IOCP_OK) {
        return status;
    }
    put__one(&into, '\0');
    if (into.count > size) {
        return IOCP_EFAULT;
    }
    memcpy(text, into.letters, into.count);
    return IOCP_OK;
}
