/* What the system tells of names, and when: in the simulation. */
#include "contract_env.h"

#if defined(_WIN32)

#include <stdio.h>

int main(void)
{
    printf("skipped: these tests script the simulated kernel\n");
    return 77;
}

#else

#include "base.h"
#include "sim.h"

#include <string.h>

typedef struct told {
    contract_record record;
    uint32_t count;
    char first[IOCP_ADDRESS_TEXT_BYTES];
    char last[IOCP_ADDRESS_TEXT_BYTES];
} told;

static iocp_action_t IOCP_CALL told__keep(iocp_loop_t *loop, const iocp_result_t *result,
                                          void *userdata)
{
    told *t = userdata;
    if (contract_is_over()) {
        return IOCP_DISARM;
    }
    t->count = 0;
    for (const iocp_address_t *at = result->addresses; at != NULL; at = at->next) {
        char *text = t->count++ == 0 ? t->first : t->last;
        assert_int_equal(
            iocp_address_format(at->address, at->address_length, text, sizeof t->first), IOCP_OK);
    }
    return contract_keep(loop, result, &t->record);
}

static iocp_op_t resolve(iocp_loop_t *loop, told *t, const char *host, const char *service,
                         int family, int type)
{
    iocp_op_t op = {0};
    iocp_resolve_options_t options = {.size = sizeof options, .family = family, .type = type};
    assert_int_equal(iocp_resolve(loop, host, service, &options, told__keep, t, &op), IOCP_OK);
    return op;
}

/* One that the system does not answer. */
static iocp_op_t resolve_for_long(iocp_loop_t *loop, told *t)
{
    sim_hold_names(loop, true);
    iocp_op_t op = resolve(loop, t, "localhost", "80", 0, 0);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(t->record.calls, 0);
    assert_int_equal(iocp_op_state(loop, op), IOCP_OP_ACTIVE);
    return op;
}

static uint64_t pending(const iocp_loop_t *loop)
{
    sim_counts counts;
    sim_read_counts(loop, &counts);
    return counts.pending;
}

/* ---- Answers ---- */

static void each_name_has_its_answer(void **state)
{
    static const struct {
        const char *host;
        const char *service;
        int family;
        int type;
        int status;
        uint32_t count;
        const char *first;
        const char *last;
    } table[] = {
        {"localhost", "443", 0, 0, IOCP_OK, 2, "[::1]:443", "127.0.0.1:443"},
        {"localhost", NULL, AF_INET, 0, IOCP_OK, 1, "127.0.0.1", ""},
        {"b\xc3\xbc"
         "cher.test",
         "7", 0, 0, IOCP_OK, 1, "10.0.0.3:7", ""},
        {"twice.test", "7", 0, 0, IOCP_OK, 2, "10.0.0.1:7", "10.0.0.2:7"},
        {"many.test", "7", 0, 0, IOCP_OK, 100, "10.1.0.0:7", "10.1.0.99:7"},
        {"ipv4.test", "7", AF_INET6, 0, IOCP_ENOADDRESS, 0, "", ""},
        {"none.test", "7", 0, 0, IOCP_ENONAME, 0, "", ""},
        {"busy.test", "7", 0, 0, IOCP_EAGAIN, 0, "", ""},
        {"ipv4.test", "http", 0, SOCK_STREAM, IOCP_OK, 1, "10.0.0.1:80", ""},
        {"ipv4.test", "http", 0, 0, IOCP_OK, 1, "10.0.0.1:80", ""},
        {"ipv4.test", "http", 0, SOCK_DGRAM, IOCP_ENONAME, 0, "", ""},
        {"ipv4.test", "nothing", 0, 0, IOCP_ENONAME, 0, "", ""},
        {"1.2.3.4", "domain", 0, SOCK_DGRAM, IOCP_OK, 1, "1.2.3.4:53", ""},
        {NULL, "domain", 0, 0, IOCP_OK, 2, "[::1]:53", "127.0.0.1:53"},
    };
    iocp_loop_t *loop = contract_loop(state);
    for (size_t i = 0; i < IOC_COUNT_OF(table); i++) {
        told t = {.record.rearms = 1};
        (void)resolve(loop, &t, table[i].host, table[i].service, table[i].family, table[i].type);
        for (int run = 1; run <= 2; run++) {
            contract_wait(loop, &t.record, run);
            assert_int_equal(t.record.status, table[i].status);
            assert_int_equal(t.count, table[i].count);
            assert_string_equal(t.first, table[i].first);
            assert_string_equal(t.last, table[i].last);
        }
    }
}

static void a_name_that_nobody_has_is_told_with_the_systems_code(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    told t = {.count = 0};
    (void)resolve(loop, &t, "none.test", NULL, 0, 0);
    contract_wait(loop, &t.record, 1);
    assert_int_equal(t.record.result.native_error, 11001);
}

static void one_that_cannot_be_asked_is_told_so(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    told t = {.record.rearms = 1};
    sim_fail_starts(loop, 1, IOCP_ENOBUFS);
    (void)resolve(loop, &t, "localhost", NULL, 0, 0);
    contract_wait(loop, &t.record, 1);
    assert_int_equal(t.record.status, IOCP_ENOBUFS);
    assert_int_equal(t.record.result.native_error, 10055);
    contract_wait(loop, &t.record, 2);
    assert_int_equal(t.record.status, IOCP_OK);
}

/* The operation is there: what it needs to ask the system has no memory. */
static void one_without_memory_to_ask_is_told_so(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    told first = {.count = 0};
    told t[64];
    uint32_t refused = 0;
    memset(t, 0, sizeof t);
    (void)resolve(loop, &first, "localhost", NULL, 0, 0);
    contract_wait(loop, &first.record, 1);
    for (size_t i = 0; i < IOC_COUNT_OF(t); i++) {
        (void)resolve(loop, &t[i], "localhost", NULL, 0, 0);
    }
    contract_allow_blocks(0);
    for (size_t i = 0; i < IOC_COUNT_OF(t); i++) {
        contract_wait(loop, &t[i].record, 1);
        refused += t[i].record.status == IOCP_ENOMEM;
        assert_true(t[i].record.status == IOCP_ENOMEM || t[i].record.status == IOCP_OK);
    }
    contract_allow_blocks(UINT64_MAX);
    assert_true(refused > 0);
    assert_int_equal(contract_stats(loop).operations, 0);
}

/* ---- Ended early ---- */

static void a_cancel_ends_it_at_once_and_the_answer_is_dropped(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    told t = {.count = 0};
    contract_record cancelled = {0};
    iocp_op_t op = resolve_for_long(loop, &t);
    assert_int_equal(iocp_cancel(loop, op, contract_keep, &cancelled, NULL), IOCP_OK);
    uint64_t now_ns = iocp_loop_now(loop);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK); /* nobody waits for it */
    assert_true(iocp_loop_now(loop) == now_ns);
    assert_int_equal(t.record.calls, 1);
    assert_int_equal(t.record.status, IOCP_ECANCELED);
    assert_int_equal(cancelled.status, IOCP_OK);
    assert_int_equal(pending(loop), 1); /* the system is still at it */
    sim_hold_names(loop, false);
    contract_idle(loop);
    assert_int_equal(pending(loop), 0);
    assert_int_equal(t.record.calls, 1);
    assert_int_equal(contract_stats(loop).operations, 0);
}

static void a_deadline_ends_it_at_once(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    told t = {.count = 0};
    iocp_op_t op = resolve_for_long(loop, &t);
    uint64_t now_ns = iocp_loop_now(loop);
    assert_int_equal(iocp_op_deadline(loop, op, 2 * S), IOCP_OK);
    contract_wait(loop, &t.record, 1);
    assert_int_equal(t.record.status, IOCP_ETIMEDOUT);
    assert_in_range(iocp_loop_now(loop), now_ns + 2 * S, now_ns + 3 * S);
    assert_int_equal(pending(loop), 1);
}

static void one_that_is_rearmed_hears_the_answer_to_its_own_question(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    told t = {.record.rearms = 1};
    iocp_op_t op = resolve_for_long(loop, &t);
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    contract_wait(loop, &t.record, 1);
    assert_int_equal(t.record.status, IOCP_ECANCELED);
    assert_int_equal(iocp_loop_run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(pending(loop), 2);
    sim_hold_names(loop, false);
    contract_wait(loop, &t.record, 2);
    assert_int_equal(t.record.status, IOCP_OK);
    assert_int_equal(t.count, 2);
    contract_idle(loop);
    assert_int_equal(pending(loop), 0);
    assert_int_equal(t.record.calls, 2);
}

/* ---- The loop's end ---- */

typedef struct seen {
    uint32_t lookups;
    uint32_t others;
} seen;

static void IOCP_CALL seen__count(const iocp_dump_entry_t *entry, void *userdata)
{
    seen *s = userdata;
    bool is_lookup = strcmp(entry->type_name, "lookup") == 0;
    s->lookups += is_lookup;
    s->others += !is_lookup;
    assert_true(!is_lookup || (entry->in_kernel && entry->cancelled == IOCP_ECANCELED));
}

static void destroy_waits_for_the_system_within_its_limit_and_says_so(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    told t = {.record.rearms = 1};
    seen s = {0};
    (void)resolve_for_long(loop, &t);
    sim_delay_cancels(loop, 3 * S);
    assert_int_equal(iocp_loop_destroy(loop, S), IOCP_ETIMEDOUT);
    assert_int_equal(t.record.calls, 1); /* the program was told at once */
    assert_int_equal(t.record.status, IOCP_ECANCELED);
    assert_int_equal(iocp_loop_dump(loop, seen__count, &s), IOCP_OK);
    assert_int_equal(s.lookups, 1);
    assert_int_equal(s.others, 0);
    assert_int_equal(iocp_loop_destroy(loop, 0), IOCP_ETIMEDOUT);
    contract_loop_destroy(loop);
    contract_forget_loop(state);
    assert_int_equal(t.record.calls, 1);
}

static void destroy_waits_for_one_that_was_cancelled_before(void **state)
{
    iocp_loop_t *loop = contract_loop(state);
    told t = {.count = 0};
    iocp_op_t op = resolve_for_long(loop, &t);
    assert_int_equal(iocp_cancel(loop, op, NULL, NULL, NULL), IOCP_OK);
    contract_wait(loop, &t.record, 1);
    sim_fail_cancels(loop, 1, IOCP_ENOBUFS); /* which is asked again */
    assert_int_equal(iocp_loop_destroy(loop, 0), IOCP_ETIMEDOUT);
    contract_loop_destroy(loop);
    contract_forget_loop(state);
    assert_int_equal(t.record.calls, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TEST(each_name_has_its_answer),
        CONTRACT_TEST(a_name_that_nobody_has_is_told_with_the_systems_code),
        CONTRACT_TEST(one_that_cannot_be_asked_is_told_so),
        CONTRACT_TEST(one_without_memory_to_ask_is_told_so),
        CONTRACT_TEST(a_cancel_ends_it_at_once_and_the_answer_is_dropped),
        CONTRACT_TEST(a_deadline_ends_it_at_once),
        CONTRACT_TEST(one_that_is_rearmed_hears_the_answer_to_its_own_question),
        CONTRACT_TEST(destroy_waits_for_the_system_within_its_limit_and_says_so),
        CONTRACT_TEST(destroy_waits_for_one_that_was_cancelled_before),
    };
    return CONTRACT_RUN(tests);
}

#endif
