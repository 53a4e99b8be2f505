/* tests/unit/base/error_test.c - promises of base/error.h */
#include "../test.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

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

/* Both what is told and what stands in front of it: one octet more in front moves every place of a cut. */
static void cuts_between_two_characters(void **state)
{
    struct error err;
    char long_text[2 * sizeof err.text + 1] = "";

    (void)state;
    for (size_t i = 0; i + 1 < sizeof long_text; i += 2)
        memcpy(long_text + i, "\xc3\xa9", 3);
    for (size_t cut = 0; cut < 2; cut++) {
        assert_false(error_set(&err, ERROR_SYSTEM, "%.*s%s", (int)cut, "x", long_text));
        assert_true(text_is_utf8(span_of(err.text)));
        assert_true(strlen(err.text) >= sizeof err.text - 2);
        assert_false(error_wrap(&err, "%.*s", (int)cut + 3, "context"));
        assert_true(text_is_utf8(span_of(err.text)));
        assert_true(strlen(err.text) >= sizeof err.text - 2);
    }
}

static void no_room_is_told_from_other_failures_of_a_file(void **state)
{
    (void)state;
    assert_int_equal(error_kind_of(ENOSPC), ERROR_FULL);
    assert_int_equal(error_kind_of(EDQUOT), ERROR_FULL);
    assert_int_equal(error_kind_of(EFBIG), ERROR_FULL);
    assert_int_equal(error_kind_of(EIO), ERROR_SYSTEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(puts_the_context_in_front),
        cmocka_unit_test(cuts_what_is_too_long_and_stays_a_text),
        cmocka_unit_test(cuts_between_two_characters),
        cmocka_unit_test(no_room_is_told_from_other_failures_of_a_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
