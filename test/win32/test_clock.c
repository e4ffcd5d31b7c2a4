/* Nanoseconds from a performance counter that the test makes up. */
#include "unit.h"

#include "win32/clock.h"

#include "win_leaks.h"

#include <string.h>

#define CLOCK_TEST_SECOND UINT64_C(1000000000)

static int64_t fake_frequency;
static int64_t fake_ticks;
static bool fake_works;

static BOOL WINAPI fake__frequency(LARGE_INTEGER *frequency)
{
    frequency->QuadPart = fake_works ? fake_frequency : 0;
    return fake_works;
}

static BOOL WINAPI fake__counter(LARGE_INTEGER *ticks)
{
    if (fake_works) {
        ticks->QuadPart = fake_ticks;
    }
    return fake_works;
}

static ioc_sys fake__table(int64_t frequency)
{
    ioc_sys sys = *ioc_sys_default();
    sys.QueryPerformanceFrequency = fake__frequency;
    sys.QueryPerformanceCounter = fake__counter;
    fake_frequency = frequency;
    fake_ticks = 0;
    fake_works = true;
    return sys;
}

/* A product of 128 bits, as two numbers that compare in order. */
typedef struct product {
    uint64_t high;
    uint64_t low;
} product;

static product product__of(uint64_t a, uint64_t b)
{
    uint64_t low_low = (a & UINT32_MAX) * (b & UINT32_MAX);
    uint64_t low_high = (a & UINT32_MAX) * (b >> 32);
    uint64_t high_low = (a >> 32) * (b & UINT32_MAX);
    uint64_t middle = (low_low >> 32) + (low_high & UINT32_MAX) + (high_low & UINT32_MAX);
    return (product){
        .high = (a >> 32) * (b >> 32) + (low_high >> 32) + (high_low >> 32) + (middle >> 32),
        .low = middle << 32 | (low_low & UINT32_MAX),
    };
}

static bool product__is_less(product a, product b)
{
    return a.high != b.high ? a.high < b.high : a.low < b.low;
}

/* Exact: ns is the largest whole number with ns * frequency <= ticks * 10^9. */
static void clock__expect_exact(uint64_t ns, uint64_t frequency, uint64_t ticks)
{
    product given = product__of(ticks, CLOCK_TEST_SECOND);
    assert_false(product__is_less(given, product__of(ns, frequency)));
    assert_true(product__is_less(given, product__of(ns + 1, frequency)));
}

static uint64_t clock__read(const ioc_sys *sys, uint64_t ticks)
{
    ioc_clock clock;
    assert_true(ioc_clock_init(&clock, sys));
    fake_ticks = (int64_t)ticks;
    return ioc_clock_now(&clock, sys);
}

static void the_common_frequency_gives_steps_of_100_ns(void **state)
{
    (void)state;
    ioc_sys sys = fake__table(10000000);
    assert_int_equal(clock__read(&sys, 1), 100);
    assert_int_equal(clock__read(&sys, 10000000), CLOCK_TEST_SECOND);
    assert_int_equal(clock__read(&sys, UINT64_C(3155760000000000)), UINT64_C(315576000000000000));
}

static void any_frequency_is_exact(void **state)
{
    (void)state;
    static const int64_t frequencies[] = {
        1,
        3,
        7,
        1000,
        32768,
        1193182,
        3579545,
        10000000,
        14318180,
        19200000,
        24000000,
        999999999,
        1000000000,
        1000000007,
        2399998765,
        3312000000,
        18446744073,
        18446744074,
        INT64_C(1) << 40,
        INT64_C(1) << 62,
        INT64_MAX,
    };
    uint64_t random = UNIT_SEED;
    for (size_t i = 0; i < IOC_COUNT_OF(frequencies); i++) {
        uint64_t frequency = (uint64_t)frequencies[i];
        ioc_sys sys = fake__table(frequencies[i]);
        /* 200 years or what a counter holds, whichever is less. */
        uint64_t most = frequency > INT64_MAX / UINT64_C(6311520000)
                            ? INT64_MAX
                            : frequency * UINT64_C(6311520000);
        for (int k = 0; k < 2000; k++) {
            uint64_t ticks = k == 0 ? most : k == 1 ? frequency - 1 : unit_random(&random) % most;
            uint64_t ns = clock__read(&sys, ticks + 2);
            if (ns > 1) {
                clock__expect_exact(ns, frequency, ticks + 2);
            }
        }
    }
}

/* The division comes out even, with its last bit that counts. */
static void parts_of_a_second_of_a_high_frequency_are_exact(void **state)
{
    (void)state;
    const int64_t frequency = INT64_C(1953125) << 41; /* 5^9 * 2^41 */
    ioc_sys sys = fake__table(frequency);
    for (int64_t part = 5; part <= 1953125; part *= 5) {
        assert_int_equal(clock__read(&sys, (uint64_t)(frequency / part)),
                         CLOCK_TEST_SECOND / (uint64_t)part);
    }
}

static void the_time_is_never_zero(void **state)
{
    (void)state;
    ioc_sys sys = fake__table(INT64_C(3000000000));
    assert_int_equal(clock__read(&sys, 0), 1);
    assert_int_equal(clock__read(&sys, 1), 1);
}

static void a_counter_that_goes_back_does_not_take_the_time_back(void **state)
{
    (void)state;
    ioc_sys sys = fake__table(1000);
    ioc_clock clock;
    assert_true(ioc_clock_init(&clock, &sys));
    fake_ticks = 5000;
    assert_int_equal(ioc_clock_now(&clock, &sys), 5 * CLOCK_TEST_SECOND);
    fake_ticks = 4000;
    assert_int_equal(ioc_clock_now(&clock, &sys), 5 * CLOCK_TEST_SECOND);
    fake_ticks = 0;
    assert_int_equal(ioc_clock_now(&clock, &sys), 5 * CLOCK_TEST_SECOND);
    fake_ticks = 5001;
    assert_int_equal(ioc_clock_now(&clock, &sys), 5 * CLOCK_TEST_SECOND + 1000000);
}

static void a_counter_that_fails_makes_the_time_stand_still(void **state)
{
    (void)state;
    ioc_sys sys = fake__table(1000);
    ioc_clock clock;
    assert_true(ioc_clock_init(&clock, &sys));
    fake_ticks = 5000;
    assert_int_equal(ioc_clock_now(&clock, &sys), 5 * CLOCK_TEST_SECOND);
    fake_works = false;
    assert_int_equal(ioc_clock_now(&clock, &sys), 5 * CLOCK_TEST_SECOND);
}

static void a_system_without_a_counter_is_refused(void **state)
{
    (void)state;
    ioc_sys sys = fake__table(1000);
    ioc_clock clock;
    fake_works = false;
    assert_false(ioc_clock_init(&clock, &sys));
    sys = fake__table(0);
    assert_false(ioc_clock_init(&clock, &sys));
}

static void the_real_counter_moves_on(void **state)
{
    (void)state;
    const ioc_sys *sys = ioc_sys_default();
    ioc_clock clock;
    assert_true(ioc_clock_init(&clock, sys));
    uint64_t first_ns = ioc_clock_now(&clock, sys);
    uint64_t last_ns = first_ns;
    while (last_ns == first_ns) {
        uint64_t now_ns = ioc_clock_now(&clock, sys);
        assert_true(now_ns >= last_ns);
        last_ns = now_ns;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_common_frequency_gives_steps_of_100_ns),
        cmocka_unit_test(any_frequency_is_exact),
        cmocka_unit_test(parts_of_a_second_of_a_high_frequency_are_exact),
        cmocka_unit_test(the_time_is_never_zero),
        cmocka_unit_test(a_counter_that_goes_back_does_not_take_the_time_back),
        cmocka_unit_test(a_counter_that_fails_makes_the_time_stand_still),
        cmocka_unit_test(a_system_without_a_counter_is_refused),
        cmocka_unit_test(the_real_counter_moves_on),
    };
    win_catch_crashes();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
