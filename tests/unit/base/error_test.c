/* tests/unit/base/error_test.c - promises of base/error.h */
#include "../test.h"

#include <string.h>

#include "base/error.h"

static void puts_the_context_in_front(void **state)
{
    struct error err;

    (void)state;
    assert_false(error_set(&err, ERROR_SYSTEM, "no such file"));
    assert_false(error_wrap(&err, "opening %s", "ca.pem"));
    assert_string_equal(err.text, "opening ca.pem: no such file");
    assert_int_equal(err.kind, ERROR_SYSTEM);
}

static void cuts_what_is_too_long_and_stays_a_text(void **state)
{
    struct error err;
    char longest[2 * sizeof err.text];

    (void)state;
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    for (size_t cut = sizeof err.text - 8; cut < sizeof err.text + 8; cut++) {
        assert_false(error_set(&err, ERROR_SYSTEM, "%s", longest));
        assert_false(error_wrap(&err, "%.*s", (int)cut, longest));
        assert_true(memchr(err.text, '\0', sizeof err.text) != NULL);
    }
    assert_false(error_set(NULL, ERROR_SYSTEM, "nobody asked"));
    assert_false(error_wrap(NULL, "nobody asked"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(puts_the_context_in_front),
        cmocka_unit_test(cuts_what_is_too_long_and_stays_a_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
