/* The backend's table of kinds is whole. */
#include "unit.h"

#include "kind.h"
#include "win32/overlapped.h"

#include "win_leaks.h"

static void every_kind_of_the_backend_has_a_whole_row(void **state)
{
    (void)state;
    for (int type = 0; type < IOC_KINDS; type++) {
        const ioc_win_kind *row = &ioc_win_kinds[type];
        if (row->start == NULL || row->cancel == NULL || row->release == NULL ||
            row->complete == NULL) {
            fail_msg("the row of %s is not whole", ioc_kinds[type].name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_the_backend_has_a_whole_row),
    };
    win_catch_crashes();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
