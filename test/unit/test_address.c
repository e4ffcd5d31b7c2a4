#include "unit.h"

#include "text/address.h"

#include "contract_net.h"

#include <string.h>

#define UNIX_PATH_MOST 107

/* ---- As the system has them ---- */

static contract_address address__of(int family, size_t size)
{
    contract_address address = {.length = size};
    uint16_t number = (uint16_t)family; /* ss_family is signed with some headers */
    memcpy(&address.storage, &number, sizeof number);
    return address;
}

static contract_address ipv4(const char *bytes, uint16_t port)
{
    contract_address address = address__of(AF_INET, sizeof(struct sockaddr_in));
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)&address.storage;
    in->sin_port = htons(port);
    memcpy(&in->sin_addr, bytes, 4);
    return address;
}

static contract_address ipv6(const char *bytes, uint16_t port, uint32_t scope)
{
    contract_address address = address__of(AF_INET6, sizeof(struct sockaddr_in6));
    struct sockaddr_in6 *in = (struct sockaddr_in6 *)(void *)&address.storage;
    in->sin6_port = htons(port);
    in->sin6_scope_id = scope;
    memcpy(&in->sin6_addr, bytes, 16);
    return address;
}

/* sockaddr_un, for which not every system has a header. */
static contract_address local(const char *path, size_t length)
{
    contract_address address = address__of(1, 2 + length);
    memcpy((char *)&address.storage + 2, path, length);
    return address;
}

/* ---- What is read and written ---- */

static void check_read(const char *text, uint16_t port, const contract_address *expected)
{
    contract_address address;
    memset(&address, 0xee, sizeof address);
    address.length = sizeof address.storage;
    assert_int_equal(ioc_address_parse(text, port, &address.storage, &address.length), IOCP_OK);
    assert_int_equal(address.length, expected->length);
    assert_memory_equal(&address.storage, &expected->storage, expected->length);
}

static void check_write(const contract_address *address, const char *expected)
{
    char text[IOCP_ADDRESS_TEXT_BYTES];
    memset(text, 'x', sizeof text);
    assert_int_equal(ioc_address_format(&address->storage, address->length, text, sizeof text),
                     IOCP_OK);
    assert_string_equal(text, expected);
}

static void check_both(const contract_address *address, const char *text)
{
    check_read(text, 0, address);
    check_write(address, text);
}

static void ipv4_is_four_numbers(void **state)
{
    (void)state;
    contract_address any = ipv4("\0\0\0\0", 0);
    contract_address loopback = ipv4("\x7f\0\0\1", 0);
    contract_address with_port = ipv4("\x0a\xff\x63\x64", 65535);
    check_both(&any, "0.0.0.0");
    check_both(&loopback, "127.0.0.1");
    check_both(&with_port, "10.255.99.100:65535");
}

static void ipv6_is_read_and_written_with_its_zeroes_left_out(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        char bytes[17];
    } table[] = {
        {"::", ""},
        {"::1", {[15] = 1}},
        {"1::", {[1] = 1}},
        {"::1:0", {[13] = 1}},
        {"1:2:3:4:5:6:7:8", "\0\1\0\2\0\3\0\4\0\5\0\6\0\7\0\x08"},
        {"abcd:ef01::9", "\xab\xcd\xef\1\0\0\0\0\0\0\0\0\0\0\0\x09"},
        {"1:0:3:4:5:6:7:8", "\0\1\0\0\0\3\0\4\0\5\0\6\0\7\0\x08"},
        {"0:2:3:4:5:6:7:8", "\0\0\0\2\0\3\0\4\0\5\0\6\0\7\0\x08"},
        {"1:2:3:4:5:6:7:0", "\0\1\0\2\0\3\0\4\0\5\0\6\0\7\0\0"},
        {"1::4:0:0:7:8", "\0\1\0\0\0\0\0\4\0\0\0\0\0\7\0\x08"}, /* the first of the longest */
        {"1:0:0:4::8", "\0\1\0\0\0\0\0\4\0\0\0\0\0\0\0\x08"},
        {"::3:4:5:6:7:8", "\0\0\0\0\0\3\0\4\0\5\0\6\0\7\0\x08"},
        {"1:2:3:4:5:6::", "\0\1\0\2\0\3\0\4\0\5\0\6\0\0\0\0"},
        {"::ffff:1.2.3.4", "\0\0\0\0\0\0\0\0\0\0\xff\xff\1\2\3\4"},
        {"::ffff:0.0.0.0", "\0\0\0\0\0\0\0\0\0\0\xff\xff\0\0\0\0"},
        {"::fffe:102:304", "\0\0\0\0\0\0\0\0\0\0\xff\xfe\1\2\3\4"},
        {"::102:304", "\0\0\0\0\0\0\0\0\0\0\0\0\1\2\3\4"},
        {"64:ff9b::102:304", "\0\x64\xff\x9b\0\0\0\0\0\0\0\0\1\2\3\4"},
        {"fe80::a00:27ff:fe4e:66a1", "\xfe\x80\0\0\0\0\0\0\x0a\0\x27\xff\xfe\x4e\x66\xa1"},
    };
    for (size_t i = 0; i < IOC_COUNT_OF(table); i++) {
        contract_address address = ipv6(table[i].bytes, 0, 0);
        check_both(&address, table[i].text);
    }
}

static void ipv6_is_read_in_every_form_it_may_have(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        char bytes[17];
    } table[] = {
        {"0:0:0:0:0:0:0:0", ""},
        {"0000:0000::0001", {[15] = 1}},
        {"::0:1", {[15] = 1}},
        {"0::", ""},
        {"1:2:3::5:6:7:8", "\0\1\0\2\0\3\0\0\0\5\0\6\0\7\0\x08"},
        {"::2:3:4:5:6:7:8", "\0\0\0\2\0\3\0\4\0\5\0\6\0\7\0\x08"},
        {"1:2:3:4:5:6:7::", "\0\1\0\2\0\3\0\4\0\5\0\6\0\7\0\0"},
        {"ABCD:eF::", "\xab\xcd\0\xef"},
        {"::1.2.3.4", "\0\0\0\0\0\0\0\0\0\0\0\0\1\2\3\4"},
        {"1::1.2.3.4", "\0\1\0\0\0\0\0\0\0\0\0\0\1\2\3\4"},
        {"1:2:3:4:5:6:1.2.3.4", "\0\1\0\2\0\3\0\4\0\5\0\6\1\2\3\4"},
        {"1:2:3:4:5::1.2.3.4", "\0\1\0\2\0\3\0\4\0\5\0\0\1\2\3\4"},
        {"1:2:3:4:5:6:7:255", "\0\1\0\2\0\3\0\4\0\5\0\6\0\7\2\x55"},
    };
    for (size_t i = 0; i < IOC_COUNT_OF(table); i++) {
        contract_address address = ipv6(table[i].bytes, 0, 0);
        check_read(table[i].text, 0, &address);
    }
}

static void ipv6_has_its_port_behind_brackets_and_its_scope_within(void **state)
{
    (void)state;
    static const char one[16] = {[15] = 1};
    contract_address address = ipv6(one, 80, 0);
    check_both(&address, "[::1]:80");
    address = ipv6(one, 65535, UINT32_MAX);
    check_both(&address, "[::1%4294967295]:65535");
    address = ipv6(one, 0, 7);
    check_both(&address, "::1%7");
    check_read("[::1%7]", 0, &address);
    check_read("[::1%7]:0", 0, &address);
    address = ipv6(one, 0, 0);
    check_read("[::1]", 0, &address);
    check_read("::1%0", 0, &address);
}

static void the_port_of_the_caller_counts_where_the_text_has_none(void **state)
{
    (void)state;
    static const char one[16] = {[15] = 1};
    contract_address address = ipv4("\1\2\3\4", 513);
    check_read("1.2.3.4", 513, &address);
    check_read("1.2.3.4:513", 80, &address);
    address = ipv4("\1\2\3\4", 0);
    check_read("1.2.3.4:0", 513, &address);
    address = ipv6(one, 513, 0);
    check_read("::1", 513, &address);
    check_read("[::1]", 513, &address);
    check_read("[::1]:513", 80, &address);
    address = ipv6(one, 0, 0);
    check_read("[::1]:0", 513, &address);
}

static void a_unix_address_is_its_path(void **state)
{
    (void)state;
    char longest[5 + UNIX_PATH_MOST + 1] = "unix:";
    memset(longest + 5, 'a', UNIX_PATH_MOST);
    contract_address address = local("C:\\run\\socket", 14);
    check_both(&address, "unix:C:\\run\\socket");
    address = local("\xc3\xa4", 3);
    check_both(&address, "unix:\xc3\xa4");
    address = local(longest + 5, UNIX_PATH_MOST + 1);
    check_both(&address, longest);
}

static void a_unix_address_ends_with_its_path_whatever_is_behind_that(void **state)
{
    (void)state;
    char path[UNIX_PATH_MOST];
    char text[5 + sizeof path + 1] = "unix:";
    memset(path, 'a', sizeof path);
    memset(text + 5, 'a', sizeof path);
    contract_address address = local(path, sizeof path); /* without a zero */
    check_write(&address, text);
    address.length += 2;
    ((char *)&address.storage)[2 + sizeof path + 1] = 'b';
    check_write(&address, text);
    path[1] = '\0';
    address = local(path, sizeof path);
    check_write(&address, "unix:a");
    address = local(path, 1);
    check_write(&address, "unix:a");
    address = local("", 0);
    check_write(&address, "unix:");
    address = local("\0x", 3);
    check_write(&address, "unix:");
}

/* ---- What is refused ---- */

static void a_text_that_is_no_address_is_refused_and_nothing_written(void **state)
{
    (void)state;
    static const char *const table[] = {
        "",
        " ",
        "a",
        "localhost",
        "localhost:80",
        "1",
        "1.2",
        "1.2.3",
        "1.2.3.",
        "1.2.3.4.",
        "1.2.3.4.5",
        ".1.2.3.4",
        "1..2.3",
        "256.0.0.1",
        "1.2.3.256",
        "4294967297.0.0.1",
        "18446744073709551617.0.0.1",
        "01.2.3.4",
        "1.2.3.04",
        "1.2.3.00",
        "0x1.2.3.4",
        "1.2.3.a",
        "1.2.3.4 ",
        " 1.2.3.4",
        "+1.2.3.4",
        "1.2.3.-4",
        "1.2.3.4:",
        "1.2.3.4:65536",
        "1.2.3.4:080",
        "1.2.3.4:80x",
        "1.2.3.4:-1",
        "1.2.3.4:4294967376",
        "1.2.3.4%1",
        "[1.2.3.4]",
        "[1.2.3.4]:80",
        /* IPv6 */
        ":",
        ":::",
        "1:",
        ":1",
        "1:2",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:",
        "1:2:3:4:5:6:7:8:",
        "1:2:3:4:5:6:7:8:9",
        ":1:2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7:8::",
        "::1:2:3:4:5:6:7:8",
        "1:2:3:4::5:6:7:8",
        "1::2::3",
        "::1::",
        "1:::2",
        "::1:",
        "12345::",
        "::12345",
        "::g",
        "::1 ",
        " ::1",
        "::1.2.3",
        "::1.2.3.4.5",
        "::1.2.3.4:5",
        "::1.2.3.256",
        "::1.2.3.04",
        "1:2:3:4:5:6:7:1.2.3.4",
        "1:2:3:4:5:1.2.3.4",
        "1.2.3.4::",
        "1.2.3.4::1",
        "::%",
        "::1%",
        "::1%x",
        "::1%eth0",
        "::1%07",
        "::1%4294967296",
        "::1%-1",
        "::1%1:80",
        "::1%1%1",
        "[",
        "[]",
        "[::1",
        "::1]",
        "[::1]80",
        "[::1]:",
        "[::1]:65536",
        "[::1]:00",
        "[::1]:80x",
        "[::1]x",
        "[[::1]]",
        "[::1]:80:80",
        "[::1%]:80",
        "[]:80",
        "::1]:80",
        /* Unix */
        "unix:",
        "unix",
        "UNIX:a",
        "unix:\xff",
        "unix:\xc3",
    };
    char too_long[5 + UNIX_PATH_MOST + 2] = "unix:";
    memset(too_long + 5, 'a', UNIX_PATH_MOST + 1);
    for (size_t i = 0; i <= IOC_COUNT_OF(table); i++) {
        const char *text = i < IOC_COUNT_OF(table) ? table[i] : too_long;
        contract_address address = {.length = sizeof address.storage};
        int status = ioc_address_parse(text, 1, &address.storage, &address.length);
        if (status != IOCP_EINVAL) {
            fail_msg("\"%s\" is told %d", text, status);
        }
        assert_int_equal(address.length, sizeof address.storage);
        assert_int_equal(address.storage.ss_family, 0);
    }
}

static void what_is_too_small_is_refused_and_nothing_written(void **state)
{
    (void)state;
    static const char *const table[] = {"1.2.3.4:80", "[::ffff:1.2.3.4%9]:80", "unix:a"};
    for (size_t i = 0; i < IOC_COUNT_OF(table); i++) {
        contract_address address = {.length = sizeof address.storage};
        char text[IOCP_ADDRESS_TEXT_BYTES];
        size_t size = strlen(table[i]) + 1;
        assert_int_equal(ioc_address_parse(table[i], 0, &address.storage, &address.length),
                         IOCP_OK);
        size_t length = address.length - 1;
        memset(text, 'x', sizeof text);
        assert_int_equal(ioc_address_parse(table[i], 0, text, &length), IOCP_EFAULT);
        assert_int_equal(length, address.length - 1);
        assert_int_equal(text[0], 'x');
        length++;
        assert_int_equal(ioc_address_parse(table[i], 0, text, &length), IOCP_OK);
        assert_memory_equal(text, &address.storage, length);
        memset(text, 'x', sizeof text);
        assert_int_equal(ioc_address_format(&address.storage, address.length, text, size - 1),
                         IOCP_EFAULT);
        assert_int_equal(ioc_address_format(&address.storage, address.length, text, 0),
                         IOCP_EFAULT);
        assert_int_equal(text[0], 'x');
        assert_int_equal(ioc_address_format(&address.storage, address.length, text, size), IOCP_OK);
        assert_string_equal(text, table[i]);
        assert_true(text[size] == 'x');
    }
}

static void an_address_that_is_none_is_refused(void **state)
{
    (void)state;
    char text[IOCP_ADDRESS_TEXT_BYTES];
    contract_address address = ipv4("\1\2\3\4", 5);
    assert_int_equal(ioc_address_format(&address.storage, 15, text, sizeof text), IOCP_EINVAL);
    assert_int_equal(ioc_address_format(&address.storage, 1, text, sizeof text), IOCP_EINVAL);
    assert_int_equal(ioc_address_format(&address.storage, 0, text, sizeof text), IOCP_EINVAL);
    assert_int_equal(ioc_address_format(&address.storage, 128, text, sizeof text), IOCP_OK);
    assert_string_equal(text, "1.2.3.4:5");
    address.storage.ss_family = 77;
    assert_int_equal(ioc_address_format(&address.storage, 128, text, sizeof text),
                     IOCP_EAFNOSUPPORT);
    address = ipv6("1234567890123456", 5, 0);
    assert_int_equal(ioc_address_format(&address.storage, 27, text, sizeof text), IOCP_EINVAL);
    address = local("\xff", 2);
    assert_int_equal(ioc_address_format(&address.storage, address.length, text, sizeof text),
                     IOCP_EINVAL);
    char path[UNIX_PATH_MOST + 1];
    memset(path, 'a', sizeof path);
    address = local(path, sizeof path); /* its end is lost */
    assert_int_equal(ioc_address_format(&address.storage, address.length, text, sizeof text),
                     IOCP_EINVAL);
}

static void the_longest_address_has_room(void **state)
{
    (void)state;
    contract_address address =
        ipv6("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 65535, UINT32_MAX);
    check_both(&address, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535");
    assert_true(IOCP_ADDRESS_TEXT_BYTES > sizeof "unix:" + UNIX_PATH_MOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv4_is_four_numbers),
        cmocka_unit_test(ipv6_is_read_and_written_with_its_zeroes_left_out),
        cmocka_unit_test(ipv6_is_read_in_every_form_it_may_have),
        cmocka_unit_test(ipv6_has_its_port_behind_brackets_and_its_scope_within),
        cmocka_unit_test(the_port_of_the_caller_counts_where_the_text_has_none),
        cmocka_unit_test(a_unix_address_is_its_path),
        cmocka_unit_test(a_unix_address_ends_with_its_path_whatever_is_behind_that),
        cmocka_unit_test(a_text_that_is_no_address_is_refused_and_nothing_written),
        cmocka_unit_test(what_is_too_small_is_refused_and_nothing_written),
        cmocka_unit_test(an_address_that_is_none_is_refused),
        cmocka_unit_test(the_longest_address_has_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
