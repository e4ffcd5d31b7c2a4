/*
 * Addresses as text, against the system's own functions: what we take, they take as the same, with port
 * and scope; what we write, they read, and write the same.
 */
#include "unit.h"

#include "iocploop.h"
#include "win32/win.h"

#include <string.h>
#include <wchar.h>

#define ADDRESSES 20000

typedef union address {
    struct sockaddr base;
    SOCKADDR_IN inet;
    SOCKADDR_IN6 inet6;
    struct sockaddr_storage storage;
} address;

/* <ip2string.h>, which not every set of headers has. */
typedef LONG(NTAPI *read_inet_fn)(const wchar_t *text, BOOLEAN is_strict, IN_ADDR *address,
                                  USHORT *port);
typedef LONG(NTAPI *read_inet6_fn)(const wchar_t *text, IN6_ADDR *address, ULONG *scope,
                                   USHORT *port);

static struct {
    read_inet_fn read_inet;
    read_inet6_fn read_inet6;
} ntdll;

static FARPROC ntdll__find(const char *name)
{
    FARPROC function = GetProcAddress(GetModuleHandleW(L"ntdll.dll"), name);
    assert_non_null(function);
    return function;
}

static int ntdll__setup(void **state)
{
    (void)state;
    ntdll.read_inet = (read_inet_fn)(uintptr_t)ntdll__find("RtlIpv4StringToAddressExW");
    ntdll.read_inet6 = (read_inet6_fn)(uintptr_t)ntdll__find("RtlIpv6StringToAddressExW");
    return 0;
}

static const char *const texts[] = {
    "0.0.0.0",
    "127.0.0.1",
    "127.0.0.1:80",
    "255.255.255.255:65535",
    "1.2.3.4:1",
    "::",
    "::1",
    "1::",
    "::1%7",
    "[::1]",
    "[::1]:80",
    "[::1%7]:80",
    "fe80::1%4294967295",
    "[fe80::a00:27ff:fe4e:66a1%12]:65535",
    "1:2:3:4:5:6:7:8",
    "1:2:3:4:5:6:7::",
    "::2:3:4:5:6:7:8",
    "1::4:0:0:7:8",
    "1:0:0:4::8",
    "ABCD:eF01::9",
    "0000:0000::0001",
    "::ffff:1.2.3.4",
    "[::ffff:1.2.3.4]:9",
    "64:ff9b::102:304",
    "1:2:3:4:5:6:1.2.3.4",
};

static void text__widen(const char *text, wchar_t *wide)
{
    while ((*wide++ = (wchar_t)(unsigned char)*text++) != L'\0') {}
}

/* What the system reads. False: no address. */
static bool system__read(const char *text, address *into)
{
    wchar_t wide[IOCP_ADDRESS_TEXT_BYTES];
    memset(into, 0, sizeof *into);
    text__widen(text, wide);
    if (ntdll.read_inet(wide, TRUE, &into->inet.sin_addr, &into->inet.sin_port) == 0) {
        into->inet.sin_family = AF_INET;
        return true;
    }
    memset(into, 0, sizeof *into);
    into->inet6.sin6_family = AF_INET6;
    return ntdll.read_inet6(wide, &into->inet6.sin6_addr, &into->inet6.sin6_scope_id,
                            &into->inet6.sin6_port) == 0;
}

static size_t address__size(const address *self)
{
    return self->base.sa_family == AF_INET ? sizeof self->inet : sizeof self->inet6;
}

static void check_same(const char *text, const address *ours)
{
    address theirs;
    if (!system__read(text, &theirs) || memcmp(&theirs, ours, address__size(ours)) != 0) {
        fail_msg("the system reads \"%s\" in another way", text);
    }
}

static void what_is_read_the_system_reads_as_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < IOC_COUNT_OF(texts); i++) {
        address ours = {.inet6 = {0}};
        size_t length = sizeof ours;
        assert_int_equal(iocp_address_parse(texts[i], 0, &ours.base, &length), IOCP_OK);
        assert_int_equal(length, address__size(&ours));
        check_same(texts[i], &ours);
    }
}

/* Mostly zeroes, as most addresses. */
static void address__make(address *self, uint64_t *random)
{
    memset(self, 0, sizeof *self);
    if (unit_random_below(random, 4) == 0) {
        self->inet.sin_family = AF_INET;
        self->inet.sin_port = (USHORT)unit_random_below(random, 65536);
        self->inet.sin_addr.s_addr = (ULONG)unit_random(random);
        return;
    }
    self->inet6.sin6_family = AF_INET6;
    self->inet6.sin6_port = (USHORT)(unit_random_below(random, 2) * unit_random(random));
    self->inet6.sin6_scope_id = (ULONG)(unit_random_below(random, 2) * unit_random(random));
    for (int i = 0; i < 8; i++) {
        static const USHORT masks[] = {0, 0, 0xff00, 0xffff};
        self->inet6.sin6_addr.s6_words[i] =
            (USHORT)(masks[unit_random_below(random, 4)] & unit_random(random));
    }
}

static void what_is_written_the_system_reads_as_the_same(void **state)
{
    uint64_t random = UNIT_SEED;
    (void)state;
    for (int i = 0; i < ADDRESSES; i++) {
        address made;
        char text[IOCP_ADDRESS_TEXT_BYTES];
        address__make(&made, &random);
        assert_int_equal(iocp_address_format(&made.base, address__size(&made), text, sizeof text),
                         IOCP_OK);
        check_same(text, &made);
    }
}

/* Of those that an IPv4 address may stand in, the system writes more in that way than RFC 5952 does. */
static bool address__may_have_dots(const address *self)
{
    const USHORT *words = self->inet6.sin6_addr.s6_words;
    return words[0] == 0 && words[1] == 0 && words[2] == 0 && words[3] == 0;
}

/* InetNtopW has no port and no scope. */
static void what_is_written_is_what_the_system_writes(void **state)
{
    uint64_t random = UNIT_SEED;
    (void)state;
    for (int i = 0; i < ADDRESSES; i++) {
        address made;
        char text[IOCP_ADDRESS_TEXT_BYTES];
        wchar_t ours[IOCP_ADDRESS_TEXT_BYTES];
        wchar_t theirs[INET6_ADDRSTRLEN];
        address__make(&made, &random);
        made.inet6.sin6_port = 0; /* which is where that of IPv4 is */
        made.inet6.sin6_scope_id = 0;
        assert_int_equal(iocp_address_format(&made.base, address__size(&made), text, sizeof text),
                         IOCP_OK);
        text__widen(text, ours);
        void *bytes = made.base.sa_family == AF_INET ? (void *)&made.inet.sin_addr
                                                     : (void *)&made.inet6.sin6_addr;
        assert_non_null(InetNtopW(made.base.sa_family, bytes, theirs, INET6_ADDRSTRLEN));
        if (made.base.sa_family == AF_INET || !address__may_have_dots(&made)) {
            assert_true(wcscmp(ours, theirs) == 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_the_system_reads_as_the_same),
        cmocka_unit_test(what_is_written_the_system_reads_as_the_same),
        cmocka_unit_test(what_is_written_is_what_the_system_writes),
    };
    return cmocka_run_group_tests(tests, ntdll__setup, NULL);
}
