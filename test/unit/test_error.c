#include "unit.h"

#include "iocploop.h"

#include <limits.h>
#include <string.h>

typedef struct code {
    int value;
    const char *name;
} code;

/* Every code of the header, under the name that it has there. */
#define CODE(name)  \
    {               \
        name, #name \
    }
static const code codes[] = {
    CODE(IOCP_OK),
    CODE(IOCP_EINVAL),
    CODE(IOCP_ENOMEM),
    CODE(IOCP_EBADF),
    CODE(IOCP_ENOENT),
    CODE(IOCP_EBUSY),
    CODE(IOCP_ECLOSING),
    CODE(IOCP_ETHREAD),
    CODE(IOCP_ENOTSUP),
    CODE(IOCP_EUNKNOWN),
    CODE(IOCP_ECANCELED),
    CODE(IOCP_ETIMEDOUT),
    CODE(IOCP_EOF),
    CODE(IOCP_EACCES),
    CODE(IOCP_EADDRINUSE),
    CODE(IOCP_EADDRNOTAVAIL),
    CODE(IOCP_EAFNOSUPPORT),
    CODE(IOCP_EALREADY),
    CODE(IOCP_ECONNABORTED),
    CODE(IOCP_ECONNREFUSED),
    CODE(IOCP_ECONNRESET),
    CODE(IOCP_EDESTADDRREQ),
    CODE(IOCP_EFAULT),
    CODE(IOCP_EHOSTUNREACH),
    CODE(IOCP_EISCONN),
    CODE(IOCP_EMFILE),
    CODE(IOCP_EMSGSIZE),
    CODE(IOCP_ENETDOWN),
    CODE(IOCP_ENETRESET),
    CODE(IOCP_ENETUNREACH),
    CODE(IOCP_ENOBUFS),
    CODE(IOCP_ENOPROTOOPT),
    CODE(IOCP_ENOTCONN),
    CODE(IOCP_ENOTSOCK),
    CODE(IOCP_EPIPE),
    CODE(IOCP_EPROTONOSUPPORT),
    CODE(IOCP_EPROTOTYPE),
    CODE(IOCP_EAGAIN),
    CODE(IOCP_ENOTOVERLAPPED),
    CODE(IOCP_ENOTFOUND),
    CODE(IOCP_EEXIST),
    CODE(IOCP_ENOSPC),
    CODE(IOCP_ENAMETOOLONG),
    CODE(IOCP_EIO),
    CODE(IOCP_EASYNC),
    CODE(IOCP_ENOTFOLDER),
    CODE(IOCP_EISFOLDER),
    CODE(IOCP_ENOTEMPTY),
    CODE(IOCP_EXDEV),
    CODE(IOCP_ELOOP),
    CODE(IOCP_ENONAME),
    CODE(IOCP_ENOADDRESS),
    CODE(IOCP_ENOEXEC),
    CODE(IOCP_EELEVATION),
};
#undef CODE

static bool is_unknown(int value)
{
    return strcmp(iocp_error_name(value), "IOCP_E?") == 0 &&
           strcmp(iocp_error_text(value), "unknown error code") == 0;
}

static void every_code_has_the_name_of_the_header(void **state)
{
    (void)state;
    for (size_t i = 0; i < IOC_COUNT_OF(codes); i++) {
        assert_string_equal(iocp_error_name(codes[i].value), codes[i].name);
    }
}

static void the_codes_have_no_gap(void **state)
{
    (void)state;
    for (size_t i = 0; i < IOC_COUNT_OF(codes); i++) {
        assert_int_equal(codes[i].value, -(int)i);
    }
}

static void every_code_has_a_text_that_fits_on_a_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < IOC_COUNT_OF(codes); i++) {
        const char *text = iocp_error_text(codes[i].value);
        assert_non_null(text);
        assert_in_range(strlen(text), 5, 79);
        assert_null(strchr(text, '\n'));
    }
}

static void no_two_codes_share_a_name_or_a_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < IOC_COUNT_OF(codes); i++) {
        assert_false(is_unknown(codes[i].value));
        for (size_t j = i + 1; j < IOC_COUNT_OF(codes); j++) {
            assert_string_not_equal(iocp_error_name(codes[i].value),
                                    iocp_error_name(codes[j].value));
            assert_string_not_equal(iocp_error_text(codes[i].value),
                                    iocp_error_text(codes[j].value));
        }
    }
}

static void an_unknown_code_gets_the_unknown_name_and_text(void **state)
{
    (void)state;
    const int unknown[] = {1, 2, 995, 10054, INT_MAX, INT_MIN, -(int)IOC_COUNT_OF(codes), -10054};
    for (size_t i = 0; i < IOC_COUNT_OF(unknown); i++) {
        assert_true(is_unknown(unknown[i]));
    }
}

/* A receive after IOCP_SHUTDOWN_RECV ends by it, as does a send after IOCP_SHUTDOWN_SEND. */
static void what_was_shut_down_is_not_said_to_be_the_sending_side(void **state)
{
    (void)state;
    const char *text = iocp_error_text(IOCP_EPIPE);
    assert_non_null(strstr(text, "this side of the connection was shut down"));
    assert_null(strstr(text, "send"));
}

static void a_code_that_pipes_have_too_does_not_speak_of_sockets_alone(void **state)
{
    (void)state;
    assert_non_null(strstr(iocp_error_text(IOCP_EPIPE), "pipe"));
    assert_non_null(strstr(iocp_error_text(IOCP_ENOTCONN), "pipe"));
    assert_non_null(strstr(iocp_error_text(IOCP_EISCONN), "pipe"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_the_name_of_the_header),
        cmocka_unit_test(the_codes_have_no_gap),
        cmocka_unit_test(every_code_has_a_text_that_fits_on_a_line),
        cmocka_unit_test(no_two_codes_share_a_name_or_a_text),
        cmocka_unit_test(what_was_shut_down_is_not_said_to_be_the_sending_side),
        cmocka_unit_test(a_code_that_pipes_have_too_does_not_speak_of_sockets_alone),
        cmocka_unit_test(an_unknown_code_gets_the_unknown_name_and_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
