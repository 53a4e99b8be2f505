/* tests/unit/link/published_test.c - promises of link/published.h */
#include "link/published.h"

#include "../test.h"

static void says_nothing_before_anything_was_looked_up(void **state)
{
    struct observed_published published;

    (void)state;
    observed_published_init(&published);
    assert_int_equal(published.sts, POLICY_STS_UNKNOWN);
    assert_int_equal(published.sts_record, TXT_RECORD_NONE);
    assert_string_equal(published.policy_text, "");
    assert_false(published.has_policy || published.fetched || published.asked_reports);
    assert_false(observed_published_fetch_failed(&published));
}

static void tells_a_fetch_that_failed_by_a_valid_record(void **state)
{
    struct observed_published published;

    (void)state;
    observed_published_init(&published);
    published.fetch_failure = "no answer";
    assert_false(observed_published_fetch_failed(&published));
    published.sts_record = TXT_RECORD_VALID;
    assert_true(observed_published_fetch_failed(&published));
    published.fetch_failure = NULL;
    assert_false(observed_published_fetch_failed(&published));
    published.policy_flaw = "line 1: it is empty";
    assert_true(observed_published_fetch_failed(&published));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_nothing_before_anything_was_looked_up),
        cmocka_unit_test(tells_a_fetch_that_failed_by_a_valid_record),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
