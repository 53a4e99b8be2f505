/* tests/unit/trust/tls_report_test.c - tests the JSON of TLS reports, both ways. */
#include "trust/tls_report.h"

#include <string.h>

#include "base/buffer.h"
#include "unit/test.h"

/* The report of RFC 8460, appendix B, as the field writes it. */
static const char of_the_rfc[] =
    "{\"organization-name\":\"Company-X\",\"date-range\":{\"start-datetime\":"
    "\"2016-04-01T00:00:00Z\",\"end-datetime\":\"2016-04-01T23:59:59Z\"},"
    "\"contact-info\":\"sts-reporting@company-x.example\",\"report-id\":\"5065427c-23d3\","
    "\"policies\":[{\"policy\":{\"policy-type\":\"sts\",\"policy-string\":[\"version: STSv1\","
    "\"mode: testing\",\"mx: *.mail.company-y.example\",\"max_age: 86400\"],"
    "\"policy-domain\":\"company-y.example\",\"mx-host\":\"*.mail.company-y.example\"},"
    "\"summary\":{\"total-successful-session-count\":5326,\"total-failure-session-count\":303},"
    "\"failure-details\":[{\"result-type\":\"certificate-expired\",\"sending-mta-ip\":"
    "\"2001:db8:abcd:0012::1\",\"receiving-mx-hostname\":\"mx1.mail.company-y.example\","
    "\"failed-session-count\":100},{\"result-type\":\"starttls-not-supported\","
    "\"sending-mta-ip\":\"2001:db8:abcd:0013::1\",\"receiving-mx-hostname\":"
    "\"mx2.mail.company-y.example\",\"receiving-ip\":\"203.0.113.56\","
    "\"failed-session-count\":200,\"additional-information\":"
    "\"https://reports.company-x.example/report_info?id=5065427c-23d3#StarttlsNotSupported\"},"
    "{\"result-type\":\"validation-failure\",\"sending-mta-ip\":\"198.51.100.62\","
    "\"receiving-ip\":\"203.0.113.58\",\"receiving-mx-hostname\":\"mx-backup.mail.company-y.example\","
    "\"failed-session-count\":3,\"failure-reason-code\":\"X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED\"}]"
    "}]}";

#define HEAD                                                                                       \
    "\"date-range\":{\"start-datetime\":\"2016-04-01T00:00:00Z\",\"end-datetime\":"                \
    "\"2016-04-01T23:59:59Z\"},"
#define POLICY "\"policy\":{\"policy-type\":\"sts\",\"policy-domain\":\"a.example\"},"
#define SUMMARY                                                                                    \
    "\"summary\":{\"total-successful-session-count\":1,\"total-failure-session-count\":0}"
#define WITH_POLICY(text)  "{" HEAD "\"policies\":[" text "]}"
#define WITH_FAILURE(text) WITH_POLICY("{" POLICY SUMMARY ",\"failure-details\":[" text "]}")
#define WITH_RANGE(start, end)                                                                     \
    "{\"date-range\":{\"start-datetime\":" start ",\"end-datetime\":" end "},\"policies\":[]}"

static void reads_the_report_of_the_rfc(void **state)
{
    (void)state;
    AUTO(arena_clear) struct arena arena;
    struct tls_report report;
    const struct tls_report_policy *policy;
    struct error err = { 0 };

    arena_init(&arena, 1 << 20);
    assert_true(tls_report_read(span_of(of_the_rfc), &arena, &report, &err));
    assert_string_equal(report.organization, "Company-X");
    assert_string_equal(report.contact, "sts-reporting@company-x.example");
    assert_string_equal(report.id, "5065427c-23d3");
    assert_int_equal(report.start_s, 1459468800);
    assert_int_equal(report.end_s, 1459468800 + 86399);
    assert_int_equal(report.policy_count, 1);
    policy = &report.policies[0];
    assert_int_equal(policy->type, TLS_REPORT_STS);
    assert_int_equal(policy->string_count, 4);
    assert_string_equal(policy->strings[3], "max_age: 86400");
    assert_string_equal(policy->domain, "company-y.example");
    assert_int_equal(policy->mx_count, 1);
    assert_string_equal(policy->mx_hosts[0], "*.mail.company-y.example");
    assert_int_equal(policy->successes, 5326);
    assert_int_equal(policy->failures, 303);
    assert_int_equal(policy->detail_count, 3);
    assert_string_equal(policy->details[0].result_type, "certificate-expired");
    assert_string_equal(policy->details[0].receiving_ip, "");
    assert_string_equal(policy->details[1].receiving_ip, "203.0.113.56");
    assert_int_equal(policy->details[2].failed_sessions, 3);
    assert_string_equal(policy->details[2].failure_reason_code,
                        "X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED");
}

static void what_is_written_is_read_back_the_same(void **state)
{
    (void)state;
    AUTO(arena_clear) struct arena arena;
    struct tls_report report, again;
    struct error err = { 0 };
    const char *once, *twice;

    arena_init(&arena, 1 << 20);
    assert_true(tls_report_read(span_of(of_the_rfc), &arena, &report, &err));
    once = tls_report_write(&report, &arena);
    assert_non_null(once);
    assert_null(strchr(once, '\n'));
    assert_non_null(strstr(once, "\"mx-host\":[\"*.mail.company-y.example\"]"));
    assert_true(tls_report_read(span_of(once), &arena, &again, &err));
    twice = tls_report_write(&again, &arena);
    assert_string_equal(once, twice);
}

static void leaves_out_what_is_empty(void **state)
{
    (void)state;
    AUTO(arena_clear) struct arena arena;
    const struct tls_report_policy policy = { .type = TLS_REPORT_NO_POLICY,
                                              .domain = "a.example",
                                              .successes = 7 };
    const struct tls_report report = { "Org", "tls@b.example", "1", 0, 86399, &policy, 1 };

    arena_init(&arena, 1 << 20);
    assert_string_equal(
        tls_report_write(&report, &arena),
        "{\"organization-name\":\"Org\",\"date-range\":{\"start-datetime\":"
        "\"1970-01-01T00:00:00Z\",\"end-datetime\":\"1970-01-01T23:59:59Z\"},"
        "\"contact-info\":\"tls@b.example\",\"report-id\":\"1\",\"policies\":[{\"policy\":"
        "{\"policy-type\":\"no-policy-found\",\"policy-domain\":\"a.example\"},\"summary\":"
        "{\"total-successful-session-count\":7,\"total-failure-session-count\":0}}]}");
}

static void octets_that_are_no_utf8_are_escaped(void **state)
{
    (void)state;
    AUTO(arena_clear) struct arena arena;
    struct tls_report_failure failure = { .result_type = "validation-failure",
                                          .receiving_mx_helo = "mx\xff\x01",
                                          .failed_sessions = 1 };
    struct tls_report_policy policy = { .type = TLS_REPORT_STS, .details = &failure };
    struct tls_report report = { .policies = &policy, .policy_count = 1 };

    arena_init(&arena, 1 << 20);
    policy.detail_count = 1;
    assert_non_null(strstr(tls_report_write(&report, &arena), "mx\\\\xff\\\\x01"));
}

static const struct {
    const char *json;
    int64_t start_s;
} times[] = {
    { WITH_RANGE("\"1970-01-01T01:00:00+01:00\"", "\"1970-01-02T00:00:00Z\""), 0 },
    { WITH_RANGE("\"1970-01-01T00:00:00.123456Z\"", "\"1970-01-02T00:00:00Z\""), 0 },
    { WITH_RANGE("\"1969-12-31t22:30:00-01:30\"", "\"1970-01-02T00:00:00z\""), 0 },
    { WITH_RANGE("\"1970-01-01 00:00:05.5+00:00\"", "\"1970-01-02T00:00:00Z\""), 5 },
};

static void takes_every_form_of_rfc_3339(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
        AUTO(arena_clear) struct arena arena;
        struct tls_report report;
        struct error err = { 0 };

        arena_init(&arena, 1 << 20);
        assert_true(tls_report_read(span_of(times[i].json), &arena, &report, &err));
        assert_int_equal(report.start_s, times[i].start_s);
    }
}

static const struct {
    const char *json, *flaw;
} refused[] = {
    { "", "no JSON" },
    { "{", "no JSON" },
    { "[]", "not an object" },
    { "{}", "date-range is not an object" },
    { "{\"report-id\":1}", "report-id is not a text" },
    { "{\"report-id\":\"a\",\"report-id\":\"b\"}", "no JSON" },
    { "{" HEAD "\"policies\":{}}", "policies is not a list" },
    { "{" HEAD "\"x\":1}", "policies is not a list" },
    { WITH_RANGE("\"yesterday\"", "\"1970-01-02T00:00:00Z\""), "start-datetime is not a time" },
    { WITH_RANGE("\"1970-01-01T00:00:00\"", "\"1970-01-02T00:00:00Z\""), "start-datetime is not" },
    { WITH_RANGE("\"1970-01-01T00:00:00.Z\"", "\"1970-01-02T00:00:00Z\""), "start-datetime is" },
    { WITH_RANGE("\"1970-01-01T00:00:00+1:00\"", "\"1970-01-02T00:00:00Z\""), "start-datetime" },
    { WITH_RANGE("\"1970-01-01T00:00:00Z\"", "5"), "end-datetime is not a time" },
    { WITH_RANGE("\"1970-01-01T00:00:00Z\"", "null"), "end-datetime is missing" },
    { WITH_RANGE("\"1970-01-02T00:00:00Z\"", "\"1970-01-01T00:00:00Z\""), "ends before it" },
    { WITH_POLICY("7"), "policies[0].it is not an object" },
    { WITH_POLICY("{}"), "policies[0].policy is not an object" },
    { WITH_POLICY("{\"policy\":{\"policy-type\":\"dmarc\"}}"), "policies[0].policy-type is not" },
    { WITH_POLICY("{" POLICY "\"summary\":1}"), "policies[0].summary is not an object" },
    { WITH_POLICY("{" POLICY "\"summary\":{}}"), "total-successful-session-count is missing" },
    { WITH_POLICY("{" POLICY "\"summary\":{\"total-successful-session-count\":-1}}"),
      "total-successful-session-count is not a number" },
    { WITH_POLICY("{" POLICY "\"summary\":{\"total-successful-session-count\":1.5}}"),
      "total-successful-session-count is not a number" },
    { WITH_POLICY("{" POLICY SUMMARY ",\"failure-details\":{}}"), "failure-details is not a list" },
    { WITH_FAILURE("1"), "policies[0].failure-details[0].it is not an object" },
    { WITH_FAILURE("{\"failed-session-count\":1}"), "failure-details[0].result-type is missing" },
    { WITH_FAILURE("{\"result-type\":\"x\"}"), "failed-session-count is missing" },
    { WITH_FAILURE("{\"result-type\":[]}"), "result-type is not a text" },
    { WITH_POLICY("{\"policy\":{\"policy-type\":\"sts\",\"mx-host\":5}}"), "mx-host is neither" },
    { WITH_POLICY("{\"policy\":{\"policy-type\":\"sts\",\"mx-host\":[5]}}"), "mx-host holds" },
    { "[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]", "nested too deeply" },
};

static void refuses_what_is_wrong_and_says_where(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        AUTO(arena_clear) struct arena arena;
        struct tls_report report;
        struct error err = { 0 };

        arena_init(&arena, 1 << 20);
        assert_false(tls_report_read(span_of(refused[i].json), &arena, &report, &err));
        assert_int_equal(err.kind, ERROR_FORMAT);
        if (strstr(err.text, refused[i].flaw) == NULL)
            fail_msg("%s: %s", refused[i].json, err.text);
    }
}

/* `count` times `item` between `before` and `after`. */
static void check_is_too_much(const char *before, const char *item, size_t count, const char *after)
{
    AUTO(buffer_clear) struct buffer json;
    AUTO(arena_clear) struct arena arena;
    struct tls_report report;
    struct error err = { 0 };

    buffer_init(&json, 16 << 20);
    arena_init(&arena, 64 << 20);
    assert_true(buffer_append_text(&json, before));
    for (size_t i = 0; i < count; i++)
        assert_true((i == 0 || buffer_append_text(&json, ",")) && buffer_append_text(&json, item));
    assert_true(buffer_append_text(&json, after));
    assert_false(tls_report_read(buffer_span(&json), &arena, &report, &err));
    assert_int_equal(err.kind, ERROR_FORMAT);
    assert_true(arena.used < 1 << 20);
}

static void whatever_is_too_much_is_refused_before_it_takes_room(void **state)
{
    (void)state;
    check_is_too_much("{" HEAD "\"policies\":[", "{}", TLS_REPORT_POLICIES_MOST + 1, "]}");
    check_is_too_much("{" HEAD "\"policies\":[{" POLICY SUMMARY ",\"failure-details\":[", "{}",
                      TLS_REPORT_FAILURES_MOST + 1, "]}]}");
    check_is_too_much("{" HEAD "\"policies\":[{\"policy\":{\"policy-type\":\"sts\",\"mx-host\":[",
                      "\"\"", TLS_REPORT_STRINGS_MOST + 1, "]}}]}");
    check_is_too_much("[", "0", TLS_REPORT_BYTES_MOST / 2, "]");
}

static void no_memory_is_told_and_gives_nothing(void **state)
{
    (void)state;
    for (size_t limit = 0; limit < 1200; limit += 40) {
        AUTO(arena_clear) struct arena arena;
        struct tls_report report;
        struct error err = { 0 };

        arena_init(&arena, limit);
        if (!tls_report_read(span_of(of_the_rfc), &arena, &report, &err))
            assert_true(err.kind == ERROR_MEMORY || err.kind == ERROR_FORMAT);
        else
            assert_null(tls_report_write(&report, &arena));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_report_of_the_rfc),
        cmocka_unit_test(what_is_written_is_read_back_the_same),
        cmocka_unit_test(leaves_out_what_is_empty),
        cmocka_unit_test(octets_that_are_no_utf8_are_escaped),
        cmocka_unit_test(takes_every_form_of_rfc_3339),
        cmocka_unit_test(refuses_what_is_wrong_and_says_where),
        cmocka_unit_test(whatever_is_too_much_is_refused_before_it_takes_room),
        cmocka_unit_test(no_memory_is_told_and_gives_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
