/* tests/unit/cli/received_report_page_test.c - promises of cli/received_report_page.h, as whoever runs the hosts reads them */
#include "../test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/received_report_page.h"

enum { START_S = 1795219200 /* 2026-11-21 */, END_S = START_S + 86399 };

static struct arena arena;
static struct buffer out;
static struct page laid_out;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 16 << 20);
    buffer_init(&out, 1 << 20);
    page_init(&laid_out, &out, 80, false);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buffer_clear(&out);
    arena_clear(&arena);
    return 0;
}

static struct tls_report_failure details[RECEIVED_REPORT_GROUPS_SHOWN + 10];
static struct tls_report_policy policy;
static struct tls_report report;
static struct inbound_failure items[2];
static struct inbound_failures failures;
static struct received_join join;
static struct received_report_entry entry;

/* google.com saw 12 failures at mx1; we saw as many. */
static void make(size_t detail_count, size_t failure_count)
{
    for (size_t i = 0; i < detail_count; i++)
        details[i] = (struct tls_report_failure){
            .result_type = i == 0 ? "certificate-expired" : arena_format(&arena, "other-%zu", i),
            .sending_mta_ip = i == 0 ? "192.0.2.7" : "",
            .receiving_mx_hostname = "mx1.example.org",
            .receiving_mx_helo = "",
            .receiving_ip = i == 0 ? "198.51.100.25" : "",
            .additional_information = i == 0 ? "https://google.com/\x1b[2J" : "",
            .failure_reason_code = i == 0 ? "X509_V_ERR" : "",
            .failed_sessions = i == 0 ? 12 : 1,
        };
    for (size_t i = 0; i < failure_count; i++)
        items[i] = (struct inbound_failure){ .day = START_S / 86400,
                                             .client = "192.0.2.7",
                                             .helo = "mail-1.google.com",
                                             .host = "mx1.example.org",
                                             .finding = i == 0 ? "inbound-certificate-rejected"
                                                               : "inbound-closed",
                                             .cause = "mail-1.google.com [192.0.2.7] rejects our "
                                                      "certificate with the alert "
                                                      "certificate_expired (45)",
                                             .count = i == 0 ? 11 : 1,
                                             .first_s = START_S + 600,
                                             .last_s = START_S + 33180 };
    policy = (struct tls_report_policy){ .type = TLS_REPORT_STS,
                                         .domain = "example.org",
                                         .successes = 4123,
                                         .failures = 12,
                                         .details = details,
                                         .detail_count = detail_count };
    report = (struct tls_report){ .organization = "Google Inc.",
                                  .contact = "smtp-tls-reporting@google.com",
                                  .id = "2026-11-21T00:00:00Z_example.org",
                                  .start_s = START_S,
                                  .end_s = END_S,
                                  .policies = &policy,
                                  .policy_count = 1 };
    failures = (struct inbound_failures){ .items = items, .count = failure_count, .kept_s = 86400 };
    assert_true(received_join_make(&report, &failures, &arena, &join));
    entry =
        (struct received_report_entry){ .report = &report, .join = &join, .failures = &failures };
}

/* All that is on the page; no line of it is too long for its reader. */
static const char *show(void)
{
    struct received_report_page page = { .page = &laid_out, .arena = &arena };
    struct span rest;

    out.len = 0;
    received_report_page_put(&page, &entry);
    rest = buffer_span(&out);
    if (getenv("SHOW_PAGES") != NULL)
        printf("%.*s\n", (int)rest.len, rest.data);
    while (rest.len > 0)
        assert_true(span_take_until(&rest, '\n').len <= 80);
    return arena_copy(&arena, buffer_span(&out));
}

static void tells_what_is_reported_and_what_we_saw(void **state)
{
    (void)state;
    make(1, 2);
    entry.received_s = END_S + 3600;
    assert_string_equal(
        show(), "Google Inc. reports: 12 sessions failed\n"
                "  2026-11-21 00:00 to 23:59 UTC, received 2026-11-22 00:59 UTC\n"
                "  report 2026-11-21T00:00:00Z_example.org, by smtp-tls-reporting@google.com\n"
                "\n"
                "example.org, by its MTA-STS policy: 4123 sessions came through, 12 failed\n"
                "\n"
                "  12 failures: certificate-expired at mx1.example.org\n"
                "    That means: the host's certificate had expired.\n"
                "    Their reason: X509_V_ERR\n"
                "    More: https://google.com/\\x1b[2J\n"
                "    From 192.0.2.7 to 198.51.100.25\n"
                "    We saw 12 handshakes from that address fail, 2026-11-21 00:10 to 09:13 UTC:\n"
                "      11 inbound-certificate-rejected: mail-1.google.com [192.0.2.7] rejects our\n"
                "      certificate with the alert certificate_expired (45)\n"
                "      1 inbound-closed: mail-1.google.com [192.0.2.7] rejects our certificate\n"
                "      with the alert certificate_expired (45)\n");
}

static void tells_nothing_from_not_knowing(void **state)
{
    const char *told;

    (void)state;
    make(1, 0);
    told = show();
    assert_non_null(strstr(told, "We saw no handshake from that address fail: it did not reach"));
    failures.kept_s = 3600;
    told = show();
    assert_non_null(strstr(told, "in the 1 hour of it that we"));
    failures.kept_s = 0;
    told = show();
    assert_non_null(strstr(told, "The gateway did not keep what failed at that time."));
    entry.failures = NULL;
    told = show();
    assert_null(strstr(told, "We saw"));
    assert_null(strstr(told, "The gateway"));
}

static void sends_to_check_for_what_is_published(void **state)
{
    const char *told;

    (void)state;
    make(1, 0);
    details[0].result_type = "sts-policy-fetch-error";
    assert_true(received_join_make(&report, &failures, &arena, &join));
    told = show();
    assert_non_null(strstr(told, "Whether it is so now says: postern check example.org"));
    assert_null(strstr(told, "We saw"));
}

static void shows_the_most_frequent_kinds_and_counts_the_others(void **state)
{
    const char *told;

    (void)state;
    make(RECEIVED_REPORT_GROUPS_SHOWN + 10, 0);
    told = show();
    assert_non_null(strstr(told, "12 failures: certificate-expired"));
    assert_non_null(strstr(told, "... and 10 more kinds of failure: --json"));
}

static void a_report_may_leave_out_everything(void **state)
{
    (void)state;
    make(0, 0);
    policy.domain = report.organization = report.contact = report.id = "";
    policy.type = TLS_REPORT_NO_POLICY;
    assert_true(received_join_make(&report, &failures, &arena, &join));
    assert_string_equal(show(), "Somebody reports: 12 sessions failed\n"
                                "  2026-11-21 00:00 to 23:59 UTC\n"
                                "  report without an id\n"
                                "\n"
                                "A domain that it does not name, without a policy: 4123 sessions "
                                "came through, 12\n"
                                "failed\n"
                                "  It does not say at which host, nor why.\n");
}

static void tells_programs_the_same(void **state)
{
    json_t *json, *group;

    (void)state;
    make(1, 2);
    json = received_report_page_json(&entry, &arena);
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "organization")), "Google Inc.");
    assert_int_equal(json_integer_value(json_object_get(json, "kept_seconds")), 86400);
    group = json_array_get(
        json_object_get(json_array_get(json_object_get(json, "policies"), 0), "failures"), 0);
    assert_int_equal(json_integer_value(json_object_get(group, "failed")), 12);
    group = json_object_get(group, "seen");
    assert_string_equal(json_string_value(json_object_get(group, "by")), "address");
    assert_int_equal(json_array_size(json_object_get(group, "findings")), 2);
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_what_is_reported_and_what_we_saw),
        cmocka_unit_test(tells_nothing_from_not_knowing),
        cmocka_unit_test(sends_to_check_for_what_is_published),
        cmocka_unit_test(shows_the_most_frequent_kinds_and_counts_the_others),
        cmocka_unit_test(a_report_may_leave_out_everything),
        cmocka_unit_test(tells_programs_the_same),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
