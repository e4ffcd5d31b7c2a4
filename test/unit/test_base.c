#include "unit.h"

#include "base.h"

static void a_sum_below_the_limit_is_exact(void **state)
{
    (void)state;
    assert_int_equal(ioc_add_saturated(0, 0), 0);
    assert_int_equal(ioc_add_saturated(2, 3), 5);
    assert_true(ioc_add_saturated(UINT64_MAX, 0) == UINT64_MAX);
    assert_true(ioc_add_saturated(0, UINT64_MAX) == UINT64_MAX);
    assert_true(ioc_add_saturated(UINT64_MAX - 5, 4) == UINT64_MAX - 1);
    assert_true(ioc_add_saturated(UINT64_MAX - 5, 5) == UINT64_MAX);
}

static void a_sum_beyond_the_limit_stops_there(void **state)
{
    (void)state;
    assert_true(ioc_add_saturated(UINT64_MAX - 5, 6) == UINT64_MAX);
    assert_true(ioc_add_saturated(1, IOC_FOREVER) == IOC_FOREVER);
    assert_true(ioc_add_saturated(UINT64_MAX, UINT64_MAX) == UINT64_MAX);
    assert_true(ioc_add_saturated(UINT64_C(1) << 63, UINT64_C(1) << 63) == UINT64_MAX);
}

static void divide_up_rounds_every_fraction_up(void **state)
{
    (void)state;
    assert_int_equal(ioc_divide_up(0, IOC_NS_PER_MS), 0);
    assert_int_equal(ioc_divide_up(1, IOC_NS_PER_MS), 1);
    assert_int_equal(ioc_divide_up(IOC_NS_PER_MS - 1, IOC_NS_PER_MS), 1);
    assert_int_equal(ioc_divide_up(IOC_NS_PER_MS, IOC_NS_PER_MS), 1);
    assert_int_equal(ioc_divide_up(IOC_NS_PER_MS + 1, IOC_NS_PER_MS), 2);
    assert_int_equal(ioc_divide_up(7, 1), 7);
}

static void divide_up_does_not_overflow(void **state)
{
    (void)state;
    assert_true(ioc_divide_up(UINT64_MAX, 1) == UINT64_MAX);
    assert_true(ioc_divide_up(UINT64_MAX, 2) == UINT64_C(1) << 63);
    assert_true(ioc_divide_up(UINT64_MAX, UINT64_MAX) == 1);
    assert_true(ioc_divide_up(UINT64_MAX - 1, UINT64_MAX) == 1);
}

static void round_up_gives_the_next_multiple(void **state)
{
    (void)state;
    assert_int_equal(ioc_round_up(0, 16), 0);
    assert_int_equal(ioc_round_up(1, 16), 16);
    assert_int_equal(ioc_round_up(15, 16), 16);
    assert_int_equal(ioc_round_up(16, 16), 16);
    assert_int_equal(ioc_round_up(17, 16), 32);
    assert_int_equal(ioc_round_up(10, 3), 12);
    assert_int_equal(ioc_round_up(7, 1), 7);
}

static void the_lowest_and_the_highest_bit_are_found_whatever_lies_between(void **state)
{
    (void)state;
    for (uint32_t low = 0; low < 32; low++) {
        for (uint32_t high = low; high < 32; high++) {
            uint32_t ends = UINT32_C(1) << low | UINT32_C(1) << high;
            uint32_t full = UINT32_MAX >> (31 - high) & UINT32_MAX << low;
            assert_int_equal(ioc_lowest_bit(ends), low);
            assert_int_equal(ioc_highest_bit(ends), high);
            assert_int_equal(ioc_lowest_bit(full), low);
            assert_int_equal(ioc_highest_bit(full), high);
        }
    }
}

static void container_of_finds_the_whole_from_its_member(void **state)
{
    (void)state;
    struct whole {
        char before[3];
        uint64_t member;
    } whole;
    assert_ptr_equal(IOC_CONTAINER_OF(&whole.member, struct whole, member), &whole);
}

static void count_of_is_the_number_of_elements(void **state)
{
    (void)state;
    uint64_t array[7] = {0};
    assert_int_equal(IOC_COUNT_OF(array), 7);
    assert_int_equal(array[IOC_COUNT_OF(array) - 1], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sum_below_the_limit_is_exact),
        cmocka_unit_test(a_sum_beyond_the_limit_stops_there),
        cmocka_unit_test(divide_up_rounds_every_fraction_up),
        cmocka_unit_test(divide_up_does_not_overflow),
        cmocka_unit_test(round_up_gives_the_next_multiple),
        cmocka_unit_test(the_lowest_and_the_highest_bit_are_found_whatever_lies_between),
        cmocka_unit_test(container_of_finds_the_whole_from_its_member),
        cmocka_unit_test(count_of_is_the_number_of_elements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
