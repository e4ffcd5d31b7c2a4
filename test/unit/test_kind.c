/* The table of kinds is whole: each row says everything, and no two say the same name. */
#include "unit.h"

#include "kind.h"

#include <string.h>

static void every_kind_has_a_whole_row(void **state)
{
    (void)state;
    for (int type = 0; type < IOC_KINDS; type++) {
        const ioc_kind *kind = &ioc_kinds[type];
        assert_int_equal(kind->type, type);
        assert_non_null(kind->name);
        assert_true(kind->name[0] != '\0');
        assert_true(kind->queued != NULL && kind->start != NULL && kind->settle != NULL);
        assert_true(kind->tell != NULL && kind->ended != NULL);
        for (int other = 0; other < type; other++) {
            assert_string_not_equal(kind->name, ioc_kinds[other].name);
        }
    }
}

/* What a row says of some kinds of handles it says of those that the kind runs on. */
static void what_a_kind_does_on_a_handle_it_has_there(void **state)
{
    (void)state;
    for (int type = 0; type < IOC_KINDS; type++) {
        const ioc_kind *kind = &ioc_kinds[type];
        assert_int_equal(kind->takes_turns & ~kind->handles, 0);
        assert_int_equal(kind->ends_by_zero & ~kind->handles, 0);
        assert_int_equal(kind->is_whole & ~kind->handles, 0);
        assert_true(kind->is_whole == 0 || (kind->traits & IOC_KIND_OUT) != 0);
        assert_true(kind->ends_by_zero == 0 || (kind->traits & IOC_KIND_OUT) == 0);
        bool needs_a_handle = (kind->traits & (IOC_KIND_OUT | IOC_KIND_POOLED)) != 0;
        assert_true(!needs_a_handle || kind->handles != 0);
    }
}

static void every_kind_of_the_header_is_there_and_no_other(void **state)
{
    (void)state;
    assert_int_equal(IOC_KINDS, IOCP_TYPE_WORK + 1);
    assert_false(ioc_kind_is_public(0));
    assert_false(ioc_kind_is_public(IOC_KINDS));
    assert_false(ioc_kind_is_public(-1));
    assert_true(ioc_kind_is_public(IOCP_TYPE_NOP));
    assert_true(ioc_kind_is_public(IOCP_TYPE_WORK));
    assert_string_equal(ioc_kinds[IOCP_TYPE_RECV].name, "recv");
    assert_string_equal(ioc_kinds[IOCP_TYPE_PROCESS_WAIT].name, "process_wait");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_has_a_whole_row),
        cmocka_unit_test(what_a_kind_does_on_a_handle_it_has_there),
        cmocka_unit_test(every_kind_of_the_header_is_there_and_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
