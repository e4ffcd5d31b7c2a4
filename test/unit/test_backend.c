/* The backend of this build is whole: the core calls its slots without looking. */
#include "unit.h"

#include "backend.h"

#include <string.h>

/* Behind the leading members every one is a pointer to a function, with nothing between them. */
static void every_slot_of_the_backend_is_set(void **state)
{
    (void)state;
    typedef void (*slot)(void);
    const ioc_backend *backend = ioc_backend_default();
    const size_t begin = offsetof(ioc_backend, capabilities);
    assert_non_null(backend->name);
    assert_true(backend->op_bytes > 0 && backend->handle_bytes > 0);
    assert_int_equal((sizeof *backend - begin) % sizeof(slot), 0);
    for (size_t at = begin; at < sizeof *backend; at += sizeof(slot)) {
        slot one = NULL;
        memcpy(&one, (const unsigned char *)backend + at, sizeof one);
        if (one == NULL) {
            fail_msg("slot %u is NULL", (unsigned)((at - begin) / sizeof(slot)));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_slot_of_the_backend_is_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
