/*
 * What is handed in ends where it says: paths and addresses lie before a page that nobody may touch,
 * so that a look behind them ends the program. What becomes of a path is what MultiByteToWideChar
 * makes of it, with the halves of pairs that stand alone between. CreateFileW is watched, and opens nothing.
 */
#include "unit.h"

#include "loop.h"
#include "text/path.h"
#include "win32/sys.h"

#include "contract_net.h"
#include "win_faults.h"
#include "win_leaks.h"

#include <string.h>
#include <wchar.h>

#define S UINT64_C(1000000000)

#define GUARD_BYTES  ((size_t)256 * 1024) /* before the page: the longest path has less */
#define GUARD_PAGE   ((size_t)4096)
#define TEXTS        20000
#define TEXT_PIECES  40
#define TEXT_BYTES   (4 * TEXT_PIECES + 16)
#define ADDRESS_MOST 132 /* a little more than any is taken with */
#define ADDRESS_LONG 36  /* a little more than any of ours has; */
#define ADDRESS_MORE 124 /* of what is longer, from here on */

static struct {
    unit_memory memory;
    size_t handles_before;
    ioc_sys sys;
    iocp_loop_t *loop;
    int creates;
    wchar_t path[IOC_PATH_UNITS]; /* of the last CreateFileW */
} now;

static unsigned char *guard_end; /* where the page begins that nobody may touch */

static HANDLE WINAPI spy__create(const wchar_t *path, DWORD access, DWORD share,
                                 SECURITY_ATTRIBUTES *security, DWORD disposition, DWORD attributes,
                                 HANDLE template_file)
{
    (void)access;
    (void)share;
    (void)security;
    (void)disposition;
    (void)attributes;
    (void)template_file;
    assert_true(wcslen(path) < IOC_PATH_UNITS);
    wcscpy(now.path, path);
    now.creates++;
    SetLastError(ERROR_FILE_NOT_FOUND);
    return INVALID_HANDLE_VALUE;
}

/* ---- The environment ---- */

static int guard__setup(void **state)
{
    ioc_win_options win_options = {.sys = &now.sys};
    iocp_loop_options_t options = {.size = sizeof options, .allocator_context = &now.memory};
    (void)state;
    unit_memory_init(&now.memory);
    options.allocate = now.memory.alloc.allocate;
    options.free = now.memory.alloc.free;
    now.sys = *win_faults_table();
    now.sys.CreateFileW = spy__create;
    now.handles_before = win_open_handles();
    assert_int_equal(ioc_loop_create(&options, ioc_backend_default(), &win_options, &now.loop),
                     IOCP_OK);
    return 0;
}

static int guard__teardown(void **state)
{
    (void)state;
    assert_int_equal(iocp_loop_destroy(now.loop, 10 * S), IOCP_OK);
    assert_int_equal(unit_memory_live(&now.memory), 0);
    assert_int_equal(win_open_handles(), now.handles_before);
    return 0;
}

/* Room that ends where nobody may go on. */
static void *guard__room(size_t size)
{
    assert_true(size <= GUARD_BYTES);
    return guard_end - size;
}

static const void *guard__copy(const void *data, size_t size)
{
    void *room = guard__room(size);
    memmove(room, data, size);
    return room;
}

/* ---- Paths ---- */

/* Any character that has so many bytes in UTF-8. */
static size_t text__put_character(char *text, size_t bytes, uint64_t *random)
{
    static const uint32_t least[] = {0, 1, 0x80, 0x800, 0x10000, 0x110000};
    uint32_t character = least[bytes] + unit_random_below(random, least[bytes + 1] - least[bytes]);
    if (character >= 0xD800 && character <= 0xDFFF) {
        character -= 0x800;
    }
    bool is_pair = character >= 0x10000;
    const wchar_t pair[] = {(wchar_t)(0xD7C0 + (character >> 10)),
                            (wchar_t)(0xDC00 + (character & 0x3FF))};
    const wchar_t one[] = {(wchar_t)character};
    int count =
        WideCharToMultiByte(CP_UTF8, 0, is_pair ? pair : one, is_pair ? 2 : 1, text, 4, NULL, NULL);
    assert_int_equal(count, bytes);
    return bytes;
}

/* Half of a pair, of which one that begins none may be followed by one that ends none. */
static size_t text__put_half(char *text, uint64_t *random)
{
    text[0] = '\xed';
    text[1] = (char)(unsigned char)(0xA0 + unit_random_below(random, 0x20));
    text[2] = (char)(unsigned char)(0x80 + unit_random_below(random, 0x40));
    return 3;
}

/* A character that is cut off, what is nearly one, or bytes that seldom are one. */
static size_t text__put_broken(char *text, uint64_t *random)
{
    static const char *const nearly[] = {"\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf",
                                         "\xf4\x90\x80\x80", "\xed\xa0\xbd\xed\xb8\x80"};
    size_t bytes = 1 + unit_random_below(random, 4);
    uint32_t how = unit_random_below(random, 3);
    if (how == 0 && bytes > 1) {
        return text__put_character(text, bytes, random) - 1;
    }
    if (how == 1) {
        const char *chosen = nearly[unit_random_below(random, IOC_COUNT_OF(nearly))];
        memcpy(text, chosen, strlen(chosen));
        return strlen(chosen);
    }
    for (size_t i = 0; i < bytes; i++) {
        text[i] = (char)(unsigned char)(0x80 + unit_random_below(random, 0x80));
    }
    return bytes;
}

/* Valid ones and broken ones, of which most end with what is broken. The size, with the zero. */
static size_t text__make(char text[TEXT_BYTES], uint64_t *random)
{
    const char *beginning = unit_random_below(random, 2) == 0 ? "\\\\?\\" : "C:\\";
    size_t size = strlen(beginning);
    memcpy(text, beginning, size);
    uint32_t pieces = unit_random_below(random, TEXT_PIECES);
    for (uint32_t i = 0; i < pieces; i++) {
        size += unit_random_below(random, 16) == 0
                    ? text__put_half(text + size, random)
                    : text__put_character(text + size, 1 + unit_random_below(random, 4), random);
    }
    if (unit_random_below(random, 3) == 0) {
        size += text__put_broken(text + size, random);
        if (unit_random_below(random, 4) == 0) {
            size += text__put_character(text + size, 1, random);
        }
    }
    text[size++] = '\0';
    return size;
}

static bool text__is_half(const char *at)
{
    return at[0] == '\xed' && ((unsigned char)at[1] & 0xE0) == 0xA0 &&
           ((unsigned char)at[2] & 0xC0) == 0x80;
}

/* What stands before the next half, or the end. */
static bool text__convert(const char *text, size_t bytes, wchar_t *wide, size_t *units)
{
    int count = bytes == 0 ? 0
                           : MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, (int)bytes,
                                                 wide + *units, TEXT_BYTES);
    *units += (size_t)count;
    return bytes == 0 || count > 0;
}

/* The characters as the system makes them. False: it is not WTF-8. */
static bool text__make_wide(const char *text, wchar_t wide[2 * TEXT_BYTES])
{
    size_t units = 0;
    bool is_behind_high = false;
    const char *from = text;
    for (const char *at = text; *at != '\0'; at++) {
        if (!text__is_half(at)) {
            continue;
        }
        bool is_high = (unsigned char)at[1] < 0xB0;
        if (!text__convert(from, (size_t)(at - from), wide, &units) ||
            (is_behind_high && at == from && !is_high)) {
            return false;
        }
        wide[units++] =
            (wchar_t)(0xD000 | ((unsigned char)at[1] & 0x3F) << 6 | ((unsigned char)at[2] & 0x3F));
        is_behind_high = is_high;
        from = at + 3;
        at += 2;
    }
    return text__convert(from, strlen(from) + 1, wide, &units);
}

static bool text__expect(const char *text, wchar_t expected[2 * TEXT_BYTES])
{
    wchar_t wide[2 * TEXT_BYTES];
    if (!text__make_wide(text, wide)) {
        return false;
    }
    if (ioc_path_is_literal(wide)) {
        wcscpy(expected, wide);
    } else {
        DWORD length = GetFullPathNameW(wide, 2 * TEXT_BYTES, expected, NULL);
        assert_in_range(length, 1, MAX_PATH - 1);
    }
    return true;
}

static void check_refused(const char *path, int status, uint32_t native_error)
{
    iocp_handle_t handle = {0};
    int creates = now.creates;
    assert_int_equal(iocp_file_open(now.loop, path, IOCP_FILE_READ, &handle), status);
    assert_int_equal(iocp_loop_native_error(now.loop), native_error);
    assert_int_equal(now.creates, creates);
}

static void check_opened(const char *path, const wchar_t *expected)
{
    iocp_handle_t handle = {0};
    int creates = now.creates;
    assert_int_equal(iocp_file_open(now.loop, path, IOCP_FILE_READ, &handle), IOCP_ENOTFOUND);
    assert_int_equal(now.creates, creates + 1);
    assert_int_equal(wcscmp(now.path, expected), 0);
}

static void a_path_of_any_bytes_is_what_the_system_makes_of_it(void **state)
{
    uint64_t random = UNIT_SEED;
    int valid = 0;
    (void)state;
    for (int i = 0; i < TEXTS; i++) {
        char text[TEXT_BYTES];
        wchar_t expected[2 * TEXT_BYTES];
        size_t size = text__make(text, &random);
        const char *path = guard__copy(text, size);
        if (text__expect(text, expected)) {
            check_opened(path, expected);
            valid++;
        } else {
            check_refused(path, IOCP_EINVAL, ERROR_NO_UNICODE_TRANSLATION);
        }
    }
    assert_in_range(valid, TEXTS / 4, TEXTS * 3 / 4);
}

/* The prefix, and behind it a character again and again; `units` of UTF-16, the zero not counted. */
static const char *path__of_units(const char *character, size_t units_each, size_t units)
{
    static const char prefix[] = "\\\\?\\";
    size_t bytes = strlen(character);
    size_t count = (units - strlen(prefix)) / units_each;
    size_t rest = (units - strlen(prefix)) % units_each;
    char *path = guard__room(strlen(prefix) + count * bytes + rest + 1);
    char *at = path;
    memcpy(at, prefix, strlen(prefix));
    at += strlen(prefix);
    for (size_t i = 0; i < count; i++, at += bytes) {
        memcpy(at, character, bytes);
    }
    memset(at, 'a', rest);
    at[rest] = '\0';
    return path;
}

static void the_longest_path_is_passed_on_and_a_longer_one_is_too_long(void **state)
{
    (void)state;
    static const struct {
        const char *character;
        size_t units;
    } table[] = {{"a", 1}, {"\xc3\xa4", 1}, {"\xe4\xba\x8c", 1}, {"\xf0\x9f\x8c\xb1", 2}};
    for (size_t i = 0; i < IOC_COUNT_OF(table); i++) {
        iocp_handle_t handle = {0};
        const char *path = path__of_units(table[i].character, table[i].units, IOC_PATH_UNITS - 1);
        assert_int_equal(iocp_file_open(now.loop, path, IOCP_FILE_READ, &handle), IOCP_ENOTFOUND);
        assert_int_equal(wcslen(now.path), IOC_PATH_UNITS - 1);
        path = path__of_units(table[i].character, table[i].units, IOC_PATH_UNITS);
        check_refused(path, IOCP_ENAMETOOLONG, ERROR_FILENAME_EXCED_RANGE);
    }
}

/* ---- Addresses ---- */

typedef struct attempt {
    iocp_handle_t socket;
    contract_address address; /* a whole one, which leads somewhere; zeroes behind it */
    size_t length;            /* as which it is told, or the room for one */
    int calls;
} attempt;

static iocp_action_t IOCP_CALL attempt__count(iocp_loop_t *loop, const iocp_result_t *result,
                                              void *userdata)
{
    attempt *a = userdata;
    (void)loop;
    assert_int_not_equal(result->status, IOCP_EUNKNOWN);
    a->calls++;
    return IOCP_DISARM;
}

/* The address, as long as it is said to be. */
static const struct sockaddr *attempt__address(const attempt *a)
{
    unsigned char bytes[ADDRESS_MOST] = {0};
    memcpy(bytes, &a->address.storage, sizeof a->address.storage);
    return guard__copy(bytes, a->length);
}

static int attempt__bind(attempt *a)
{
    return iocp_socket_bind(now.loop, a->socket, attempt__address(a), a->length);
}

static int attempt__connect(attempt *a)
{
    return iocp_connect(now.loop, a->socket, attempt__address(a), a->length, attempt__count, a,
                        NULL);
}

static int attempt__sendto(attempt *a)
{
    return iocp_sendto(now.loop, a->socket, "x", 1, attempt__address(a), a->length, attempt__count,
                       a, NULL);
}

/* To it and from it. */
static int attempt__sendmsg(attempt *a)
{
    static char text[1];
    iocp_buf_t buffer = {1, text};
    const struct sockaddr *address = attempt__address(a);
    iocp_message_t message = {.size = sizeof message,
                              .peer = address,
                              .peer_length = a->length,
                              .local = address,
                              .local_length = a->length};
    return iocp_sendmsg(now.loop, a->socket, &buffer, 1, &message, attempt__count, a, NULL);
}

static int attempt__join(attempt *a)
{
    return iocp_socket_join(now.loop, a->socket, attempt__address(a), a->length, 0);
}

static int attempt__leave(attempt *a)
{
    return iocp_socket_leave(now.loop, a->socket, attempt__address(a), a->length, 0);
}

/* Of a socket that is bound, since one that is not has none. */
static int attempt__get_name(attempt *a)
{
    size_t length = a->length;
    assert_int_equal(iocp_socket_bind(now.loop, a->socket,
                                      (const struct sockaddr *)&a->address.storage,
                                      a->address.length),
                     IOCP_OK);
    int status = iocp_socket_get_name(now.loop, a->socket, guard__room(a->length), &length);
    assert_true(status != IOCP_OK || length <= a->length);
    return status;
}

typedef struct attempt_row {
    int (*function)(attempt *a);
    int type;
    bool calls_back;
    bool wants_free_port; /* else one where somebody is */
    bool works;           /* with a whole address */
    bool is_told;         /* the address is given, not asked for: its length has bounds */
} attempt_row;

static const attempt_row attempts[] = {
    {attempt__bind, SOCK_STREAM, false, true, true, true},
    {attempt__bind, SOCK_DGRAM, false, true, true, true},
    {attempt__connect, SOCK_STREAM, true, false, true, true},
    {attempt__connect, SOCK_DGRAM, true, false, true, true},
    {attempt__sendto, SOCK_DGRAM, true, false, true, true},
    {attempt__sendmsg, SOCK_DGRAM, true, false, true, true},
    {attempt__join, SOCK_DGRAM, false, true, false, true},
    {attempt__leave, SOCK_DGRAM, false, true, false, true},
    {attempt__get_name, SOCK_DGRAM, false, true, true, false},
};

static void attempt__make(const attempt_row *row, int family, const contract_address *peer,
                          size_t length)
{
    attempt a = {.address = row->wants_free_port ? contract_loopback(family, 0) : *peer,
                 .length = length};
    assert_int_equal(iocp_socket_open(now.loop, family, row->type, 0, &a.socket), IOCP_OK);
    int status = row->function(&a);
    bool is_length = !row->is_told || (length >= 2 && length <= 128);
    assert_int_not_equal(status, IOCP_EUNKNOWN);
    assert_true(is_length || status == IOCP_EINVAL);
    assert_true(length != a.address.length || (status == IOCP_OK) == row->works);
    int expected = status == IOCP_OK && row->calls_back;
    while (a.calls < expected) {
        assert_int_equal(iocp_loop_run(now.loop, IOCP_RUN_ONCE), IOCP_OK);
    }
    assert_int_equal(iocp_close(now.loop, a.socket, NULL, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(now.loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(a.calls, expected);
}

/* Somebody who listens, and where. */
static iocp_handle_t peer__create(int family, int type, contract_address *address)
{
    iocp_handle_t handle = {0};
    *address = contract_loopback(family, 0);
    assert_int_equal(iocp_socket_open(now.loop, family, type, 0, &handle), IOCP_OK);
    assert_int_equal(
        iocp_socket_bind(now.loop, handle, contract_sockaddr(address), address->length), IOCP_OK);
    if (type == SOCK_STREAM) {
        assert_int_equal(iocp_socket_listen(now.loop, handle, 0), IOCP_OK);
    }
    address->length = sizeof address->storage;
    assert_int_equal(iocp_socket_get_name(now.loop, handle, (struct sockaddr *)&address->storage,
                                          &address->length),
                     IOCP_OK);
    return handle;
}

static void addresses__try(int family)
{
    for (size_t i = 0; i < IOC_COUNT_OF(attempts); i++) {
        contract_address peer;
        iocp_handle_t handle = peer__create(family, attempts[i].type, &peer);
        for (size_t length = 0; length <= ADDRESS_MOST; length++) {
            length = length == ADDRESS_LONG ? ADDRESS_MORE : length;
            attempt__make(&attempts[i], family, &peer, length);
        }
        assert_int_equal(iocp_close(now.loop, handle, NULL, NULL, NULL), IOCP_OK);
    }
}

static void an_address_is_read_and_written_no_further_than_its_length(void **state)
{
    (void)state;
    addresses__try(AF_INET);
    if (contract_has_ipv6()) {
        addresses__try(AF_INET6);
    }
}

#define GUARD_TEST(function) \
    cmocka_unit_test_setup_teardown(function, guard__setup, guard__teardown)

/* The memory, and what the system opens once and keeps. */
static int guard__warm_up(void **state)
{
    DWORD before = 0;
    WSADATA data;
    contract_address address;
    unsigned char *block =
        VirtualAlloc(NULL, GUARD_BYTES + GUARD_PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    assert_non_null(block);
    guard_end = block + GUARD_BYTES;
    assert_true(VirtualProtect(guard_end, GUARD_PAGE, PAGE_NOACCESS, &before));
    assert_int_equal(WSAStartup(MAKEWORD(2, 2), &data), 0);
    assert_int_equal(guard__setup(state), 0);
    (void)peer__create(AF_INET, SOCK_STREAM, &address);
    if (contract_has_ipv6()) {
        (void)peer__create(AF_INET6, SOCK_DGRAM, &address);
    }
    assert_int_equal(iocp_loop_destroy(now.loop, 10 * S), IOCP_OK);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        GUARD_TEST(a_path_of_any_bytes_is_what_the_system_makes_of_it),
        GUARD_TEST(the_longest_path_is_passed_on_and_a_longer_one_is_too_long),
        GUARD_TEST(an_address_is_read_and_written_no_further_than_its_length),
    };
    win_catch_crashes();
    return cmocka_run_group_tests(tests, guard__warm_up, NULL);
}
