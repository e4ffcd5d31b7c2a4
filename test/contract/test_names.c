/*
 * Names and their addresses: what needs nobody to be asked, and the one name that every machine has. What
 * the system tells of others is test_kernel_names.c's and win32/test_names.c's.
 */
#include "contract_env.h"

#include "base.h"

#include <string.h>

#define MOST 8

/* What a callback was told, as text. */
typedef struct told {
    contract_record record;
    iocp_address_t *copy; /* if it is to be made */
    bool is_copied;
    int count;
    char texts[MOST][IOCP_ADDRESS_TEXT_BYTES];
} told;

static void told__read(told *t, const iocp_address_t *list)
{
    for (t->count = 0; list != NULL; list = list->next) {
        assert_true(t->count < MOST);
        assert_int_equal(iocp_address_format(list->address, list->address_length,
                                             t->texts[t->count], IOCP_ADDRESS_TEXT_BYTES),
                         IOCP_OK);
        t->count++;
    }
}

static iocp_action_t IOCP_CALL told__keep(iocp_loop_t *loop, const iocp_result_t *result,
                                          void *userdata)
{
    told *t = userdata;
    if (contract_is_over()) {
        return IOCP_DISARM;
    }
    assert_true((result->status == IOCP_OK) == (result->addresses != NULL));
    told__read(t, result->addresses);
    if (t->is_copied) {
        assert_int_equal(iocp_addresses_copy(loop, result->addresses, &t->copy), IOCP_OK);
    }
    return contract_keep(loop, result, &t->record);
}

static void resolve(iocp_loop_t *loop, told *t, const char *host, const char *service,
                    const iocp_resolve_options_t *options)
{
    assert_int_equal(iocp_resolve(loop, host, service, options, told__keep, t, NULL), IOCP_OK);
    contract_wait(loop, &t->record, t->record.calls + 1);
}

static iocp_resolve_options_t options_of(uint32_t flags, int family)
{
    return (iocp_resolve_options_t){
        .size = sizeof(iocp_resolve_options_t), .flags = flags, .family = family};
}

/* ---- Without asking ---- */

static void an_address_is_its_own_answer(void **state)
{
    static const struct {
        const char *host;
        const char *service;
        int family;
        const char *expected;
    } table[] = {
        {"127.0.0.1", "80", 0, "127.0.0.1:80"},
        {"127.0.0.1", NULL, AF_INET, "127.0.0.1"},
        {"255.1.2.3", "00065535", 0, "255.1.2.3:65535"},
        {"::1", "1", AF_INET6, "[::1]:1"},
        {"FE80::1%7", "0", 0, "fe80::1%7"},
        {"::ffff:1.2.3.4", "443", 0, "[::ffff:1.2.3.4]:443"},
    };
    iocp_loop_t *loop = contract_loop(state);
    uint64_t starts = contract_stats(loop).starts;
    for (size_t i = 0; i < IOC_COUNT_OF(table); i++) {
        told t = {.count = 0};
        iocp_resolve_options_t options = options_of(i % 2 * IOCP_RESOLVE_NUMERIC, table[i].family);
        resolve(loop, &t, table[i].host, table[i].service, &options);
        assert_int_equal(t.record.status, IOCP_OK);
        assert_int_equal(t.record.result.type, IOCP_TYPE_RESOLVE);
        assert_int_equal(t.count, 1);
        assert_string_equal(t.texts[0], table[i].expected);
    }
    assert_int_equal(contract_stats(loop).starts, starts + IOC_COUNT_OF(table)); /* no look-up */
}

static void no_host_is_this_machine_or_any_address(void **state)
{
    static const struct {
        uint32_t flags;
        int family;
        int count;
        const char *first;
        const char *last;
    } table[] = {
        {0, 0, 2, "[::1]:7", "127.0.0.1:7"},
        {0, AF_INET, 1, "127.0.0.1:7", "127.0.0.1:7"},
        {0, AF_INET6, 1, "[::1]:7", "[::1]:7"},
        {IOCP_RESOLVE_LISTEN, 0, 2, "[::]:7", "0.0.0.0:7"},
        {IOCP_RESOLVE_LISTEN | IOCP_RESOLVE_NUMERIC, AF_INET, 1, "0.0.0.0:7", "0.0.0.0:7"},
    };
    iocp_loop_t *loop = contract_loop(state);
    for (size_t i = 0; i < IOC_COUNT_OF(table); i++) {
        told t = {.count = 0};
        iocp_resolve_options_t options = options_of(table[i].flags, table[i].family);
        resolve(loop, &t, NULL, "7", &options);
        assert_int_equal(t.record.status, IOCP_OK);
        assert_int_equal(t.count, table[i].count);
        assert_string_equal(t.texts[0], table[i].first);
        assert_string_equal(t.texts[t.count - 1], table[i].last);
    }
}

static void what_is_no_name_is_told_in_the_result(void **state)
{
    static char too_long[1026];
    static char long_service[65];
    memset(too_long, 'a', sizeof too_long - 1);
    memset(long_service, 'a', sizeof long_service - 1);
    const struct {
        const char *host;
        const char *service;
        uint32_t flags;
        int family;
        int status;
    } table[] = {
        {"", "80", 0, 0, IOCP_EINVAL},
        {"127.0.0.1", "", 0, 0, IOCP_EINVAL},
        {"a\xff", "80", 0, 0, IOCP_EINVAL},
        {"127.0.0.1", "\xc3", 0, 0, IOCP_EINVAL},
        {too_long, "80", 0, 0, IOCP_EINVAL},
        {"127.0.0.1", long_service, 0, 0, IOCP_EINVAL},
        {"127.0.0.1", "65536", 0, 0, IOCP_ENONAME},
        {NULL, "4294967376", 0, 0, IOCP_ENONAME},
        {"localhost", "80", IOCP_RESOLVE_NUMERIC, 0, IOCP_ENONAME},
        {"127.0.0.1:80", "80", IOCP_RESOLVE_NUMERIC, 0, IOCP_ENONAME},
        {"[::1]", NULL, IOCP_RESOLVE_NUMERIC, 0, IOCP_ENONAME},
        {"127.0.0.1", "80", 0, AF_INET6, IOCP_ENOADDRESS},
        {"::1", "http", IOCP_RESOLVE_NUMERIC, AF_INET, IOCP_ENOADDRESS},
    };
    iocp_loop_t *loop = contract_loop(state);
    for (size_t i = 0; i < IOC_COUNT_OF(table); i++) {
        told t = {.record.rearms = 1};
        iocp_resolve_options_t options = options_of(table[i].flags, table[i].family);
        resolve(loop, &t, table[i].host, table[i].service, &options);
        assert_int_equal(t.record.status, table[i].status);
        assert_int_equal(t.record.result.native_error, 0);
        contract_wait(loop, &t.record, 2); /* and the next run is told so, too */
        assert_int_equal(t.record.status, table[i].status);
    }
}

static void bad_options_are_refused(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    told t = {.count = 0};
    iocp_op_t op = {0};
    iocp_resolve_options_t table[] = {
        options_of(4, 0),
        options_of(0, 1),
        options_of(0, -1),
        {.size = sizeof table[0], .type = 3},
        {.size = sizeof table[0] - 1},
        {.size = 0},
    };
    for (size_t i = 0; i < IOC_COUNT_OF(table); i++) {
        assert_int_equal(iocp_resolve(loop, "::1", NULL, &table[i], told__keep, &t, &op),
                         IOCP_EINVAL);
    }
    assert_int_equal(iocp_resolve(NULL, "::1", NULL, NULL, told__keep, &t, &op), IOCP_EINVAL);
    assert_int_equal(iocp_resolve(loop, "::1", NULL, NULL, NULL, NULL, &op), IOCP_EINVAL);
    contract_idle(loop);
    assert_int_equal(t.record.calls, 0);
    assert_true(op.id == 0);
}

static void without_memory_for_its_name_it_is_refused(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    told t = {.count = 0};
    contract_record nop = {0};
    assert_int_equal(iocp_nop(loop, contract_keep, &nop, NULL), IOCP_OK);
    contract_wait(loop, &nop, 1);
    contract_allow_blocks(0);
    assert_int_equal(iocp_resolve(loop, "::1", NULL, NULL, told__keep, &t, NULL), IOCP_ENOMEM);
    contract_allow_blocks(UINT64_MAX);
    assert_int_equal(contract_stats(loop).operations, 0);
    resolve(loop, &t, "::1", NULL, NULL);
    assert_int_equal(t.record.status, IOCP_OK);
}

/* ---- Copies ---- */

static void a_copy_outlives_the_callback(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    told t = {.is_copied = true};
    told later = {.count = 0};
    resolve(loop, &t, NULL, "7", NULL);
    resolve(loop, &later, "1.2.3.4", "5", NULL); /* where the list was */
    told__read(&t, t.copy);
    assert_int_equal(t.count, 2);
    assert_string_equal(t.texts[0], "[::1]:7");
    assert_string_equal(t.texts[1], "127.0.0.1:7");
    iocp_addresses_free(loop, t.copy);
    iocp_addresses_free(loop, NULL);
    iocp_addresses_free(NULL, NULL);
}

static void a_copy_of_nothing_or_without_memory_is_refused(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_address_t *copy = NULL;
    contract_address own = contract_loopback(AF_INET, 80);
    iocp_address_t list = {.address = contract_sockaddr(&own), .address_length = own.length};
    assert_int_equal(iocp_addresses_copy(NULL, &list, &copy), IOCP_EINVAL);
    assert_int_equal(iocp_addresses_copy(loop, NULL, &copy), IOCP_EINVAL);
    assert_int_equal(iocp_addresses_copy(loop, &list, NULL), IOCP_EINVAL);
    contract_allow_blocks(0);
    assert_int_equal(iocp_addresses_copy(loop, &list, &copy), IOCP_ENOMEM);
    contract_allow_blocks(UINT64_MAX);
    assert_null(copy);
    assert_int_equal(iocp_addresses_copy(loop, &list, &copy), IOCP_OK);
    assert_memory_equal(copy->address, list.address, own.length);
    assert_int_equal(copy->address_length, own.length);
    assert_null(copy->next);
    iocp_addresses_free(loop, copy);
}

/* ---- Asking ---- */

static void localhost_is_this_machine(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    iocp_resolve_options_t options = options_of(0, AF_INET);
    told t = {.record.rearms = 1};
    resolve(loop, &t, "localhost", "80", NULL);
    contract_wait(loop, &t.record, 2);
    assert_int_equal(t.record.status, IOCP_OK);
    assert_in_range(t.count, 1, 2);
    for (int i = 0; i < t.count; i++) {
        assert_true(strcmp(t.texts[i], "[::1]:80") == 0 || strcmp(t.texts[i], "127.0.0.1:80") == 0);
    }
    resolve(loop, &t, "localhost", "80", &options);
    assert_int_equal(t.record.status, IOCP_OK);
    assert_int_equal(t.count, 1);
    assert_string_equal(t.texts[0], "127.0.0.1:80");
}

static void many_are_asked_at_once(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    told all[32] = {{.count = 0}};
    for (size_t i = 0; i < IOC_COUNT_OF(all); i++) {
        assert_int_equal(iocp_resolve(loop, "localhost", "1", NULL, told__keep, &all[i], NULL),
                         IOCP_OK);
    }
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    for (size_t i = 0; i < IOC_COUNT_OF(all); i++) {
        assert_int_equal(all[i].record.calls, 1);
        assert_int_equal(all[i].record.status, IOCP_OK);
        assert_true(all[i].count > 0);
    }
}

/* It was started: the system may have been quicker, or is still at it. */
static void one_that_is_cancelled_at_once_ends_once(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    told t = {.count = 0};
    iocp_op_t op = {0};
    assert_int_equal(iocp_resolve(loop, "localhost", NULL, NULL, told__keep, &t, &op), IOCP_OK);
    assert_int_equal(iocp_loop_submit(loop), IOCP_OK);
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(t.record.calls, 1);
    assert_int_equal(t.record.status, IOCP_ECANCELED);
    contract_loop_destroy(loop); /* which waits for the system */
    contract_forget_loop(state);
    assert_int_equal(t.record.calls, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TEST(an_address_is_its_own_answer),
        CONTRACT_TEST(no_host_is_this_machine_or_any_address),
        CONTRACT_TEST(what_is_no_name_is_told_in_the_result),
        CONTRACT_TEST(bad_options_are_refused),
        CONTRACT_TEST(without_memory_for_its_name_it_is_refused),
        CONTRACT_TEST(a_copy_outlives_the_callback),
        CONTRACT_TEST(a_copy_of_nothing_or_without_memory_is_refused),
        CONTRACT_TEST(localhost_is_this_machine),
        CONTRACT_TEST(many_are_asked_at_once),
        CONTRACT_TEST(one_that_is_cancelled_at_once_ends_once),
    };
    return CONTRACT_RUN(tests);
}
