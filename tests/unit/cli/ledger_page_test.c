/* tests/unit/cli/ledger_page_test.c - promises of cli/ledger_page.h, as whoever sets the policy reads them */
#include "../test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/ledger_page.h"

enum { NOW_S = 1795219200 /* 2026-11-21 */ };

static struct arena arena;
static struct buffer out;
static struct queue_page page;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 20);
    buffer_init(&out, 1 << 20);
    page = (struct queue_page){ .arena = &arena, .now_s = NOW_S };
    page_init(&page.page, &out, 80, false);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buffer_clear(&out);
    arena_clear(&arena);
    return 0;
}

/* All that is on the page; no line of it is too long for its reader. */
static void is(const char *expected)
{
    struct span rest = buffer_span(&out);

    if (getenv("SHOW_PAGES") != NULL)
        printf("%.*s\n", (int)rest.len, rest.data);
    while (rest.len > 0)
        assert_true(span_take_until(&rest, '\n').len <= 80);
    assert_string_equal(arena_copy(&arena, buffer_span(&out)), expected);
}

static void the_ledger_says_who_where_to_why_and_by_which_rule(void **state)
{
    const struct queue_session without_tls = { .level = span_of("may"),
                                               .rule = span_of("default"),
                                               .why_clear = span_of("tls-failed") };
    const struct queue_session session = { .level = span_of("may"),
                                           .rule = span_of("default"),
                                           .why_clear = span_of("not-offered"),
                                           .findings = span_of("starttls-masked ehlo-lower-case") };
    struct tracking_event event = { .kind = TRACKING_DONE,
                                    .id = 4711,
                                    .recipient = span_of("ann@partner.com"),
                                    .attempt = { .at_s = NOW_S,
                                                 .relay = span_of("mx.partner.com[192.0.2.9]:25") },
                                    .session = &session };
    struct tracking_story story = { .envelope = { .id = 4711,
                                                  .sender = span_of("bob@example.net"),
                                                  .received_at_s = NOW_S - 5 },
                                    .events = &event,
                                    .event_count = 1 };

    (void)state;
    ledger_page_entry(&page, &story);
    is("2026-11-21T00:00:00Z  ann@partner.com\n"
       "                      00000000004k7 from bob@example.net\n"
       "                      by mx.partner.com[192.0.2.9]:25\n"
       "                      the server does not offer STARTTLS (starttls-masked)\n"
       "                      level may, by policy default\n");
    buffer_clear(&out);
    event.session = &without_tls;
    event.attempt.finding = span_of("handshake-no-common-version");
    ledger_page_entry(&page, &story);
    is("2026-11-21T00:00:00Z  ann@partner.com\n"
       "                      00000000004k7 from bob@example.net\n"
       "                      by mx.partner.com[192.0.2.9]:25\n"
       "                      TLS fails with the server, and the message had waited long\n"
       "                      enough (handshake-no-common-version)\n"
       "                      level may, by policy default\n");
    buffer_clear(&out);
    event.session = NULL;
    ledger_page_entry(&page, &story);
    is("2026-11-21T00:00:00Z  ann@partner.com\n"
       "                      00000000004k7 from bob@example.net\n"
       "                      by mx.partner.com[192.0.2.9]:25\n"
       "                      tracking does not have its session\n");
}

static void the_sum_counts_recipients_by_reason(void **state)
{
    const struct queue_session sessions[] = { { .why_clear = span_of("not-offered") },
                                              { .why_clear = span_of("refused") } };
    const struct queue_session *of[] = { &sessions[1], &sessions[0], NULL, &sessions[0] };
    struct ledger_sum sum = { .recipients = 0 };

    (void)state;
    for (size_t i = 0; i < sizeof of / sizeof of[0]; i++) {
        struct tracking_event event = { .session = of[i] };
        struct tracking_story story = { .events = &event, .event_count = 1 };

        ledger_page_count(&sum, &story);
    }
    ledger_page_sum(&page, &sum);
    is("\n"
       "4 recipients, for whom mail left in the clear:\n"
       "  2       the server does not offer STARTTLS\n"
       "  1       the server refuses STARTTLS\n"
       "  1       why is not told\n");
}

static struct tracking_shadow_cause causes[] = {
    { { "certificate-name-mismatch", 25 }, 11 },
    { { "starttls-not-offered", 20 }, 1 },
};

static struct tracking_shadow make_shadow(void)
{
    static struct tracking_shadow_count destinations[2];

    destinations[0] = (struct tracking_shadow_count){ .destination = span_of("example.org"),
                                                      .sessions = 400,
                                                      .refused = 11,
                                                      .causes = causes,
                                                      .cause_count = 1 };
    destinations[1] = (struct tracking_shadow_count){ .destination = span_of("old.example"),
                                                      .sessions = 12,
                                                      .refused = 1,
                                                      .causes = causes + 1,
                                                      .cause_count = 1 };
    return (struct tracking_shadow){
        .all = { .sessions = 412, .refused = 12, .causes = causes, .cause_count = 2 },
        .destinations = destinations,
        .destination_count = 2,
        .seen = 5,
        .first_s = NOW_S
    };
}

static void a_level_that_was_not_required_tells_what_it_would_have_cost(void **state)
{
    struct tracking_shadow shadow = make_shadow();

    (void)state;
    shadow.seen = shadow.destination_count = 1;
    ledger_page_shadow(&page, "secure", span_of("example.org"), &shadow, 10);
    is("Had you required secure for example.org, 12 of 412 sessions since\n"
       "2026-11-21T00:00:00Z would have failed:\n"
       "  11      certificate-name-mismatch: The certificate names another host\n"
       "  1       starttls-not-offered: STARTTLS is not offered\n");
}

static void over_all_destinations_the_worst_are_named(void **state)
{
    struct tracking_shadow shadow = make_shadow();

    (void)state;
    ledger_page_shadow(&page, "verify", (struct span){ NULL, 0 }, &shadow, 1);
    is("Had you required verify everywhere, 12 of 412 sessions since\n"
       "2026-11-21T00:00:00Z would have failed:\n"
       "  11      certificate-name-mismatch: The certificate names another host\n"
       "  1       starttls-not-offered: STARTTLS is not offered\n"
       "\n"
       "Destinations with such sessions: 2 of 5\n"
       "  11 of 400     example.org: 11 certificate-name-mismatch\n"
       "  and 1 more (--most)\n"
       "With 3 others every session would have passed.\n");
}

static void a_level_that_costs_nothing_says_so(void **state)
{
    struct tracking_shadow shadow = { .all = { .sessions = 1 }, .seen = 1, .first_s = NOW_S };

    (void)state;
    ledger_page_shadow(&page, "encrypt", span_of("example.org"), &shadow, 10);
    is("Had you required encrypt for example.org, 0 of 1 session since\n"
       "2026-11-21T00:00:00Z would have failed.\n");
}

static void machines_have_the_numbers(void **state)
{
    struct tracking_shadow shadow = make_shadow();
    json_t *json = ledger_page_shadow_json("secure", &shadow, 1), *destinations;

    (void)state;
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "level")), "secure");
    assert_int_equal(json_integer_value(json_object_get(json, "sessions")), 412);
    assert_int_equal(json_integer_value(json_object_get(json, "would_fail")), 12);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "findings"),
                                                        "certificate-name-mismatch")),
                     11);
    destinations = json_object_get(json, "destinations");
    assert_int_equal(json_array_size(destinations), 1);
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(destinations, 0), "destination")),
        "example.org");
    json_decref(json);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_ledger_says_who_where_to_why_and_by_which_rule),
        TEST(the_sum_counts_recipients_by_reason),
        TEST(a_level_that_was_not_required_tells_what_it_would_have_cost),
        TEST(over_all_destinations_the_worst_are_named),
        TEST(a_level_that_costs_nothing_says_so),
        TEST(machines_have_the_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
