/* tests/unit/queue/message_test.c - promises of queue/message.h */
#include <string.h>

#include "../test.h"
#include "queue/message.h"

static void each_state_has_a_name_that_reads_back(void **state)
{
    (void)state;
    for (unsigned i = 0; i < QUEUE_STATES; i++) {
        enum queue_state back = QUEUE_BOUNCED;

        assert_true(queue_state_parse(span_of(queue_state_name((enum queue_state)i)), &back));
        assert_int_equal(back, i);
    }
}

static void a_word_that_is_no_state_is_refused(void **state)
{
    enum queue_state unused;

    (void)state;
    assert_false(queue_state_parse(span_of(""), &unused));
    assert_false(queue_state_parse(span_of("Held"), &unused));
    assert_false(queue_state_parse(span_of("hel"), &unused));
}

static void the_domain_stands_behind_the_last_at(void **state)
{
    static const struct {
        const char *address, *domain;
    } cases[] = { { "a@example.org", "example.org" },
                  { "\"a@b\"@Example.ORG", "Example.ORG" },
                  { "postmaster", "" },
                  { "a@", "" },
                  { "", "" },
                  { "a@[192.0.2.1]", "[192.0.2.1]" } };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_true(
            span_equal(queue_domain_of(span_of(cases[i].address)), span_of(cases[i].domain)));
}

static char long_text[QUEUE_FACT_BYTES + 1];

static struct span too_long(void)
{
    memset(long_text, 'x', sizeof long_text);
    return (struct span){ long_text, sizeof long_text };
}

static void a_whole_message_has_no_flaw(void **state)
{
    struct queue_envelope envelope = { .id = 1 };
    struct queue_recipient recipient = { .address = span_of("a@example.org") };

    (void)state;
    assert_null(queue_envelope_flaw(&envelope, &recipient, 1));
}

static void what_breaks_a_bound_is_named(void **state)
{
    struct queue_envelope whole = { .id = 1 }, broken;
    struct queue_recipient recipient = { .address = span_of("a@example.org") };
    struct queue_recipient nobody = { .orcpt = span_of("rfc822;a") };
    struct queue_recipient endless = { .address = too_long() };

    (void)state;
    assert_non_null(queue_envelope_flaw(&whole, &recipient, 0));
    assert_non_null(queue_envelope_flaw(&whole, &recipient, QUEUE_RECIPIENTS + 1));
    assert_non_null(queue_envelope_flaw(&whole, &nobody, 1));
    assert_non_null(queue_envelope_flaw(&whole, &endless, 1));
    broken = whole;
    broken.id = 0;
    assert_non_null(queue_envelope_flaw(&broken, &recipient, 1));
    broken = whole;
    broken.sender = too_long();
    assert_non_null(queue_envelope_flaw(&broken, &recipient, 1));
    broken = whole;
    broken.origin.helo = too_long();
    assert_non_null(queue_envelope_flaw(&broken, &recipient, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_state_has_a_name_that_reads_back),
        cmocka_unit_test(a_word_that_is_no_state_is_refused),
        cmocka_unit_test(the_domain_stands_behind_the_last_at),
        cmocka_unit_test(a_whole_message_has_no_flaw),
        cmocka_unit_test(what_breaks_a_bound_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
