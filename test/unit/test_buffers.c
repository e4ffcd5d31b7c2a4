/* A pool of buffers: whose each one is, and what is none of it. */
#include "atomic.h"
#include "buffers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

/* An allocator that says how much was asked for, and whether it is back. */
typedef struct ledger {
    size_t bytes;
    int blocks;
    bool refuses;
} ledger;

static void *IOCP_CALL ledger__take(size_t size, void *context)
{
    ledger *l = context;
    if (l->refuses) {
        return NULL;
    }
    l->bytes = size;
    l->blocks++;
    return malloc(size);
}

static void IOCP_CALL ledger__give(void *memory, void *context)
{
    ledger *l = context;
    l->blocks--;
    free(memory);
}

static ledger book;
static ioc_alloc alloc;

static ioc_buffers *open_pool(size_t count, size_t size)
{
    memset(&book, 0, sizeof book);
    ioc_alloc_init(&alloc, ledger__take, ledger__give, &book);
    ioc_buffers *pool = ioc_buffers_new(&alloc, NULL, count, size);
    assert_non_null(pool);
    assert_int_equal(book.blocks, 1);
    return pool;
}

static void close_pool(ioc_buffers *pool)
{
    ioc_buffers_free(pool);
    assert_int_equal(book.blocks, 0);
}

static void buffers_are_apart_aligned_and_within_the_block(void **state)
{
    (void)state;
    enum {
        COUNT = 7
    };
    for (size_t size = 1; size <= 70; size++) {
        ioc_buffers *pool = open_pool(COUNT, size);
        unsigned char *end = (unsigned char *)pool + book.bytes;
        unsigned char *taken[COUNT];
        for (int i = 0; i < COUNT; i++) {
            taken[i] = ioc_buffers_take(pool);
            assert_non_null(taken[i]);
            assert_int_equal((uintptr_t)taken[i] % IOC_BUFFERS_ALIGNMENT, 0);
            assert_true(taken[i] + size <= end);
            memset(taken[i], i, size);
        }
        assert_null(ioc_buffers_take(pool));
        for (int i = 0; i < COUNT; i++) {
            for (size_t k = 0; k < size; k++) {
                assert_int_equal(taken[i][k], i);
            }
            ioc_buffers_give(pool, taken[i]);
        }
        close_pool(pool);
    }
}

static void the_last_that_was_given_back_is_taken_first(void **state)
{
    (void)state;
    ioc_buffers *pool = open_pool(3, 16);
    void *first = ioc_buffers_take(pool);
    void *second = ioc_buffers_take(pool);
    ioc_buffers_give(pool, first);
    ioc_buffers_give(pool, second);
    assert_ptr_equal(ioc_buffers_take(pool), second);
    assert_ptr_equal(ioc_buffers_take(pool), first);
    assert_int_equal(pool->taken, 2);
    close_pool(pool);
}

static void only_what_is_lent_comes_back(void **state)
{
    (void)state;
    ioc_buffers *pool = open_pool(2, 24);
    unsigned char *data = ioc_buffers_take(pool);
    assert_false(ioc_buffers_take_back(pool, data)); /* a receive has it */
    ioc_buffers_lend(pool, data);
    assert_int_equal(pool->lent, 1);
    assert_int_equal(pool->taken, 1);
    assert_false(ioc_buffers_take_back(pool, data + 1));
    assert_false(ioc_buffers_take_back(pool, data + pool->stride)); /* free */
    assert_true(ioc_buffers_take_back(pool, data));
    assert_int_equal(pool->lent, 0);
    assert_int_equal(pool->taken, 1);
    assert_false(ioc_buffers_take_back(pool, data));
    ioc_buffers_give(pool, data);
    assert_int_equal(pool->taken, 0);
    assert_false(ioc_buffers_take_back(pool, data));
    close_pool(pool);
}

/* The pool's own head is in the same block, right before the first one. */
static void what_is_beside_the_buffers_is_none(void **state)
{
    (void)state;
    ioc_buffers *pool = open_pool(2, 24);
    unsigned char *first = ioc_buffers_take(pool);
    unsigned char *second = ioc_buffers_take(pool);
    ioc_buffers_lend(pool, first);
    ioc_buffers_lend(pool, second);
    assert_false(ioc_buffers_take_back(pool, NULL));
    assert_false(ioc_buffers_take_back(pool, pool));
    assert_false(ioc_buffers_take_back(pool, first - pool->stride));
    assert_false(ioc_buffers_take_back(pool, first + 2 * pool->stride));
    assert_false(ioc_buffers_take_back(pool, (void *)UINTPTR_MAX));
    assert_int_equal(pool->lent, 2);
    close_pool(pool);
}

static void a_destroyed_one_lends_no_more(void **state)
{
    (void)state;
    ioc_buffers *pool = open_pool(2, 24);
    pool->is_destroyed = true;
    assert_null(ioc_buffers_take(pool));
    close_pool(pool);
}

static void sizes_that_cannot_be_are_told(void **state)
{
    (void)state;
    assert_true(ioc_buffers_is_size(1, 1));
    assert_true(ioc_buffers_is_size(1, UINT32_MAX));
    assert_true(ioc_buffers_is_size(UINT32_MAX - 3, 1));
    assert_false(ioc_buffers_is_size(UINT32_MAX - 2, 1));
    assert_false(ioc_buffers_is_size(0, 1));
    assert_false(ioc_buffers_is_size(1, 0));
#if SIZE_MAX > UINT32_MAX
    assert_false(ioc_buffers_is_size(1, (size_t)UINT32_MAX + 1));
    assert_false(ioc_buffers_is_size((size_t)UINT32_MAX + 2, 1));
#endif
}

/* Never asked for as a few bytes, because the product has no room in a size_t. */
static void what_does_not_fit_in_the_address_space_is_no_memory(void **state)
{
    (void)state;
    memset(&book, 0, sizeof book);
    ioc_alloc_init(&alloc, ledger__take, ledger__give, &book);
    assert_null(ioc_buffers_new(&alloc, NULL, UINT32_MAX - 3, UINT32_MAX));
    assert_int_equal(book.blocks, 0);
    assert_int_equal(ioc_load_u64(&alloc.count), 0);
    book.refuses = true;
    assert_null(ioc_buffers_new(&alloc, NULL, 1, 1));
    assert_int_equal(ioc_load_u64(&alloc.count), 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffers_are_apart_aligned_and_within_the_block),
        cmocka_unit_test(the_last_that_was_given_back_is_taken_first),
        cmocka_unit_test(only_what_is_lent_comes_back),
        cmocka_unit_test(what_is_beside_the_buffers_is_none),
        cmocka_unit_test(a_destroyed_one_lends_no_more),
        cmocka_unit_test(sizes_that_cannot_be_are_told),
        cmocka_unit_test(what_does_not_fit_in_the_address_space_is_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
