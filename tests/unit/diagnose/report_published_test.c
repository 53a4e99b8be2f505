/* tests/unit/diagnose/report_published_test.c - promises of diagnose/report_published.h */
#include "samples.h"

#include <string.h>

#include "diagnose/report_published.h"

static struct observed_published published;
static const char *const patterns[] = { "mx.example.org", "*.example.net" };
static const char *const uris[] = { "mailto:tls@example.org", "https://example.org/tls" };

static void begin(void)
{
    observed_published_init(&published);
    published.domain = "example.org";
    published.sts_lookup.outcome = published.report_lookup.outcome = DNS_NXDOMAIN;
    published.sts = POLICY_STS_NONE;
    published.asked_reports = true;
}

static void publish_all(void)
{
    begin();
    published.sts_record = published.report_record = TXT_RECORD_VALID;
    published.sts_id = published.policy_id = "20261121";
    published.url = "https://mta-sts.example.org/.well-known/mta-sts.txt";
    published.address = "192.0.2.7";
    published.http_status = 200;
    published.has_policy = published.fetched = true;
    published.sts = POLICY_STS_ENFORCE;
    published.policy = (struct mta_sts_policy){
        .mode = MTA_STS_MODE_ENFORCE, .max_age_s = 7LL * SAMPLE_DAY, .mx = patterns, .mx_count = 2
    };
    published.fetched_at_s = SAMPLE_NOW;
    published.ends_at_s = SAMPLE_NOW + 7LL * SAMPLE_DAY;
    published.reports = (struct tlsrpt_record){ uris, 2 };
}

static const char *shown(void)
{
    AUTO(buffer_clear) struct buffer out;
    struct page page;

    buffer_init(&out, 1 << 20);
    page_init(&page, &out, 80, false);
    report_published_write(&page, &arena, &published);
    assert_false(page.has_failed);
    return arena_copy(&arena, buffer_span(&out));
}

static void shows_policy_and_reports_in_80_columns(void **state)
{
    (void)state;
    publish_all();
    assert_string_equal(
        shown(), "  MTA-STS  enforce, for 7 days, until 28 November 2026\n"
                 "           mx: mx.example.org, *.example.net\n"
                 "           id 20261121; https://mta-sts.example.org/.well-known/mta-sts.txt at\n"
                 "           192.0.2.7\n"
                 "  Reports  mailto:tls@example.org\n"
                 "           https://example.org/tls\n");
}

static void says_why_there_is_none(void **state)
{
    (void)state;
    begin();
    assert_string_equal(shown(), "  MTA-STS  none is published\n  Reports  none are asked for\n");
    published.sts_lookup.outcome = published.report_lookup.outcome = DNS_TIMEOUT;
    assert_string_equal(shown(), "  MTA-STS  the look-up fails\n  Reports  the look-up fails\n");
    published.sts_lookup.outcome = published.report_lookup.outcome = DNS_ANSWERED;
    published.sts_lookup.outcome = DNS_TIMEOUT;
    published.asked_reports = false;
    assert_string_equal(shown(), "  MTA-STS  the look-up fails\n");
    published.sts_record = TXT_RECORD_INVALID;
    published.sts_record_flaw = "it has no id";
    assert_string_equal(shown(),
                        "  MTA-STS  none that counts: the record is not valid: it has no id\n");
    begin();
    published.report_record = TXT_RECORD_INVALID;
    published.report_flaw = "it has no rua";
    published.failure = "no memory";
    assert_string_equal(shown(), "  MTA-STS  it could not be told: no memory\n"
                                 "  Reports  to nobody: the record is not valid: it has no rua\n");
}

static void says_that_a_policy_was_kept(void **state)
{
    (void)state;
    publish_all();
    published.from_cache = true;
    assert_non_null(strstr(shown(), "until 28 November 2026, as it was fetched before\n"));
}

static void gives_all_of_it_as_json(void **state)
{
    json_t *json;

    (void)state;
    publish_all();
    json = report_published_sts_json(&published);
    assert_string_equal(json_string_value(json_object_get(json, "state")), "enforce");
    assert_string_equal(json_string_value(json_object_get(json, "record")), "valid");
    assert_int_equal(json_integer_value(json_object_get(json, "status")), 200);
    assert_true(json_is_null(json_object_get(json, "failure")));
    assert_int_equal(json_array_size(json_object_get(json_object_get(json, "policy"), "mx")), 2);
    assert_string_equal(json_string_value(json_object_get(json_object_get(json, "policy"), "ends")),
                        "2026-11-28T19:05:00Z");
    json_decref(json);
    json = report_published_reports_json(&published);
    assert_int_equal(json_array_size(json_object_get(json, "uris")), 2);
    json_decref(json);
    begin();
    published.asked_reports = false;
    json = report_published_sts_json(&published);
    assert_true(json_is_null(json_object_get(json, "policy")));
    assert_true(json_is_null(json_object_get(json, "url")));
    json_decref(json);
    json = report_published_reports_json(&published);
    assert_true(json_is_null(json));
    json_decref(json);
}

SAMPLES_RUN(cmocka_unit_test(shows_policy_and_reports_in_80_columns),
            cmocka_unit_test(says_why_there_is_none), cmocka_unit_test(says_that_a_policy_was_kept),
            cmocka_unit_test(gives_all_of_it_as_json))
