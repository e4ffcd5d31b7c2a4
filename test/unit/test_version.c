#include "unit.h"

#include "iocploop.h"

#include <stdio.h>

static void the_library_has_the_version_of_its_header(void **state)
{
    (void)state;
    assert_int_equal(iocp_version(), IOCP_VERSION);
}

static void the_number_is_made_of_major_minor_and_patch(void **state)
{
    (void)state;
    uint32_t version = iocp_version();
    assert_int_equal(version >> 16, IOCP_VERSION_MAJOR);
    assert_int_equal(version >> 8 & 0xff, IOCP_VERSION_MINOR);
    assert_int_equal(version & 0xff, IOCP_VERSION_PATCH);
}

static void the_string_says_the_same(void **state)
{
    (void)state;
    char expected[32];
    (void)snprintf(expected, sizeof expected, "%d.%d.%d", IOCP_VERSION_MAJOR, IOCP_VERSION_MINOR,
                   IOCP_VERSION_PATCH);
    assert_string_equal(iocp_version_string(), expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_library_has_the_version_of_its_header),
        cmocka_unit_test(the_number_is_made_of_major_minor_and_patch),
        cmocka_unit_test(the_string_says_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
