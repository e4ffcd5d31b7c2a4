#include "unit.h"

#include "alloc.h"

#include <string.h>

/* Hooks that hand out one block of their own. */
typedef struct hooks {
    char block[64];
    size_t size;
    unsigned taken;
    unsigned given;
    bool refuses;
} hooks;

static void *IOCP_CALL hooks__allocate(size_t size, void *context)
{
    hooks *own = context;
    own->size = size;
    own->taken++;
    memset(own->block, 0xff, sizeof own->block);
    return own->refuses ? NULL : own->block;
}

static void IOCP_CALL hooks__free(void *memory, void *context)
{
    hooks *own = context;
    assert_ptr_equal(memory, own->block);
    own->given++;
}

static void memory_comes_from_the_hooks_with_their_context(void **state)
{
    (void)state;
    hooks own = {.taken = 0};
    ioc_alloc alloc;
    ioc_alloc_init(&alloc, hooks__allocate, hooks__free, &own);
    void *memory = ioc_alloc_take(&alloc, 40);
    assert_ptr_equal(memory, own.block);
    assert_int_equal(own.size, 40);
    ioc_alloc_give(&alloc, memory);
    assert_int_equal(own.taken, 1);
    assert_int_equal(own.given, 1);
}

static void memory_is_zeroed_and_nothing_beside_it(void **state)
{
    (void)state;
    hooks own = {.taken = 0};
    ioc_alloc alloc;
    ioc_alloc_init(&alloc, hooks__allocate, hooks__free, &own);
    char *memory = ioc_alloc_take(&alloc, 40);
    assert_non_null(memory);
    for (size_t i = 0; i < 40; i++) {
        assert_int_equal(memory[i], 0);
    }
    for (size_t i = 40; i < sizeof own.block; i++) {
        assert_int_equal((unsigned char)own.block[i], 0xff);
    }
}

static void raw_memory_is_counted_and_left_as_it_is(void **state)
{
    (void)state;
    hooks own = {.taken = 0};
    ioc_alloc alloc;
    ioc_alloc_init(&alloc, hooks__allocate, hooks__free, &own);
    unsigned char *memory = ioc_alloc_take_raw(&alloc, 40);
    assert_ptr_equal(memory, own.block);
    assert_int_equal(memory[0], 0xff);
    assert_int_equal(memory[39], 0xff);
    assert_int_equal(ioc_load_u64(&alloc.count), 1);
}

static void a_refusal_is_null_and_is_counted(void **state)
{
    (void)state;
    hooks own = {.refuses = true};
    ioc_alloc alloc;
    ioc_alloc_init(&alloc, hooks__allocate, hooks__free, &own);
    assert_null(ioc_alloc_take(&alloc, 8));
    assert_int_equal(ioc_load_u64(&alloc.count), 1);
}

static void giving_null_back_calls_nobody(void **state)
{
    (void)state;
    hooks own = {.taken = 0};
    ioc_alloc alloc;
    ioc_alloc_init(&alloc, hooks__allocate, hooks__free, &own);
    ioc_alloc_give(&alloc, NULL);
    assert_int_equal(own.given, 0);
}

static void without_hooks_it_is_malloc(void **state)
{
    (void)state;
    ioc_alloc alloc;
    ioc_alloc_init(&alloc, NULL, NULL, NULL);
    char *memory = ioc_alloc_take(&alloc, 1000);
    assert_non_null(memory);
    for (size_t i = 0; i < 1000; i++) {
        assert_int_equal(memory[i], 0);
    }
    memset(memory, 1, 1000);
    ioc_alloc_give(&alloc, memory);
}

static void the_counter_counts_takings_alone(void **state)
{
    (void)state;
    ioc_alloc alloc;
    ioc_alloc_init(&alloc, NULL, NULL, NULL);
    assert_int_equal(ioc_load_u64(&alloc.count), 0);
    for (unsigned i = 1; i <= 10; i++) {
        ioc_alloc_give(&alloc, ioc_alloc_take(&alloc, 16));
        assert_int_equal(ioc_load_u64(&alloc.count), i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_comes_from_the_hooks_with_their_context),
        cmocka_unit_test(memory_is_zeroed_and_nothing_beside_it),
        cmocka_unit_test(raw_memory_is_counted_and_left_as_it_is),
        cmocka_unit_test(a_refusal_is_null_and_is_counted),
        cmocka_unit_test(giving_null_back_calls_nobody),
        cmocka_unit_test(without_hooks_it_is_malloc),
        cmocka_unit_test(the_counter_counts_takings_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
