/* tests/unit/gateway/received_join_test.c - promises of gateway/received_join.h */
#include "../test.h"
#include "gateway/received_join.h"

#include <string.h>

enum { START_S = 1795219200, END_S = START_S + 86399 };

static struct arena arena;
static struct received_join join;

static int open_arena(void **state)
{
    (void)state;
    arena_init(&arena, 64 << 20);
    return 0;
}

static int clear_arena(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

static struct tls_report_failure reported(const char *type, const char *from, const char *mx,
                                          int64_t count)
{
    return (struct tls_report_failure){ .result_type = type,
                                        .sending_mta_ip = from,
                                        .receiving_mx_hostname = mx,
                                        .receiving_mx_helo = "",
                                        .receiving_ip = "",
                                        .additional_information = "",
                                        .failure_reason_code = "",
                                        .failed_sessions = count };
}

static struct inbound_failure seen(const char *client, const char *helo, const char *finding,
                                   int64_t count, int64_t at_s)
{
    return (struct inbound_failure){ .day = at_s / 86400,
                                     .client = client,
                                     .helo = helo,
                                     .host = "mx1.example.org",
                                     .finding = finding,
                                     .cause = finding,
                                     .count = count,
                                     .first_s = at_s,
                                     .last_s = at_s + 10 };
}

static void make(const struct tls_report_failure *details, size_t detail_count,
                 struct inbound_failure *failures, size_t failure_count)
{
    static struct tls_report_policy policy;
    static struct tls_report report;
    const struct inbound_failures all = { .items = failures, .count = failure_count };

    policy = (struct tls_report_policy){ .details = details, .detail_count = detail_count };
    report = (struct tls_report){ .contact = "tls@sender.example",
                                  .start_s = START_S,
                                  .end_s = END_S,
                                  .policies = &policy,
                                  .policy_count = 1 };
    assert_true(received_join_make(&report, &all, &arena, &join));
}

static void puts_failures_of_a_kind_together(void **state)
{
    const struct tls_report_failure details[] = {
        reported("certificate-expired", "192.0.2.2", "mx1.example.org", 3),
        reported("starttls-not-supported", "192.0.2.2", "mx1.example.org", 9),
        reported("certificate-expired", "192.0.2.1", "MX1.example.org", 4),
        reported("certificate-expired", "192.0.2.2", "mx1.example.org", 1),
        reported("certificate-expired", "192.0.2.2", "mx2.example.org", 1),
    };

    (void)state;
    make(details, 5, NULL, 0);
    assert_int_equal(join.count, 3);
    assert_string_equal(join.groups[0].result_type, "starttls-not-supported");
    assert_string_equal(join.groups[1].result_type, "certificate-expired");
    assert_string_equal(join.groups[1].mx, "mx1.example.org");
    assert_int_equal(join.groups[1].failed, 8);
    assert_int_equal(join.groups[1].address_count, 2);
    assert_string_equal(join.groups[1].addresses[0], "192.0.2.1");
    assert_string_equal(join.groups[2].mx, "mx2.example.org");
    assert_int_equal(join.groups[1].by, RECEIVED_JOIN_BY_NOTHING);
}

static void finds_what_came_from_those_addresses_at_that_time(void **state)
{
    const struct tls_report_failure details[] = {
        reported("certificate-expired", "2001:DB8:0:0::1", "mx1", 3),
        reported("certificate-expired", "192.0.2.1", "mx1", 3),
    };
    struct inbound_failure failures[] = {
        seen("192.0.2.1", "x.example", "inbound-closed", 2, START_S - 3600), /* the day before */
        seen("192.0.2.1", "x.example", "inbound-closed", 1, START_S + 50),
        seen("2001:db8::1", "x.example", "inbound-certificate-rejected", 5, START_S + 20),
        seen("192.0.2.1", "x.example", "inbound-certificate-rejected", 4, START_S + 90),
        seen("192.0.2.9", "mail.sender.example", "inbound-closed", 7, START_S + 60),
        seen("", "mail.sender.example", "inbound-closed", 7, START_S + 60),
        seen("192.0.2.1", "x.example", "inbound-closed", 2, END_S + 1),
    };

    (void)state;
    make(details, 2, failures, 7);
    assert_int_equal(join.count, 1);
    assert_int_equal(join.groups[0].by, RECEIVED_JOIN_BY_ADDRESS);
    assert_int_equal(join.groups[0].seen_failed, 10);
    assert_int_equal(join.groups[0].first_s, START_S + 20);
    assert_int_equal(join.groups[0].last_s, START_S + 100);
    assert_int_equal(join.groups[0].seen_count, 2);
    assert_string_equal(join.groups[0].seen[0].finding, "inbound-certificate-rejected");
    assert_int_equal(join.groups[0].seen[0].count, 9);
    assert_int_equal(join.groups[0].seen[1].count, 1);
}

static void goes_by_names_where_no_address_is_known(void **state)
{
    const struct tls_report_failure details[] = { reported("certificate-expired", "", "mx1", 3),
                                                  reported("validation-failure", "192.0.2.77",
                                                           "mx1", 2) };
    struct inbound_failure failures[] = {
        seen("192.0.2.1", "mail.SENDER.example", "inbound-closed", 2, START_S),
        seen("192.0.2.2", "sender.example", "inbound-closed", 1, START_S),
        seen("192.0.2.3", "notsender.example", "inbound-closed", 1, START_S),
        seen("192.0.2.4", "", "inbound-closed", 1, START_S),
    };

    (void)state;
    make(details, 2, failures, 4);
    assert_string_equal(join.domain, "sender.example");
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(join.groups[i].by, RECEIVED_JOIN_BY_NAME);
        assert_int_equal(join.groups[i].seen_failed, 3);
    }
}

static void takes_a_domain_only_from_a_contact_that_has_one(void **state)
{
    static const struct {
        const char *contact, *domain;
    } rows[] = {
        { "tls@sender.example", "sender.example" },
        { "mailto:tls@sender.example", "sender.example" },
        { "\"a@b\"@c.example", "c.example" },
        { "", "" },
        { "sender.example", "" },
        { "tls@localhost", "" },
        { "call @ some.body now", "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct tls_report report = { .contact = rows[i].contact };

        assert_true(
            received_join_make(&report, &(struct inbound_failures){ .count = 0 }, &arena, &join));
        assert_string_equal(join.domain, rows[i].domain);
        assert_int_equal(join.count, 0);
    }
}

static void has_bounds_whatever_is_reported(void **state)
{
    enum { KINDS = RECEIVED_JOIN_GROUPS_MOST + 50 };
    struct tls_report_failure *details = arena_new(&arena, KINDS, sizeof *details);
    struct inbound_failure failures[20];
    int64_t failed = 0;

    (void)state;
    assert_non_null(details);
    for (int i = 0; i < KINDS; i++)
        details[i] = reported(arena_format(&arena, "type-%d", i), "192.0.2.1", "mx1", 1);
    for (int i = 0; i < 20; i++)
        failures[i] = seen("192.0.2.1", "", arena_format(&arena, "finding-%d", i), 1, START_S);
    make(details, KINDS, failures, 20);
    assert_int_equal(join.count, RECEIVED_JOIN_GROUPS_MOST);
    for (size_t i = 0; i < join.count; i++) {
        failed += join.groups[i].failed;
        assert_int_equal(join.groups[i].is_rest, join.groups[i].failed > 1);
        assert_int_equal(join.groups[i].seen_count, RECEIVED_JOIN_FINDINGS_MOST);
        assert_int_equal(join.groups[i].seen_failed, 20);
    }
    assert_int_equal(failed, KINDS);
}

static void sums_do_not_overflow(void **state)
{
    const struct tls_report_failure details[] = { reported("a", "192.0.2.1", "mx1", INT64_MAX),
                                                  reported("a", "192.0.2.1", "mx1", INT64_MAX) };

    (void)state;
    make(details, 2, NULL, 0);
    assert_true(join.groups[0].failed == INT64_MAX);
}

/* RFC 8460 section 4.3. */
static void knows_what_every_result_type_means(void **state)
{
    static const char *const types[] = { "starttls-not-supported", "certificate-host-mismatch",
                                         "certificate-expired",    "certificate-not-trusted",
                                         "validation-failure",     "tlsa-invalid",
                                         "dnssec-invalid",         "dane-required",
                                         "sts-policy-fetch-error", "sts-policy-invalid",
                                         "sts-webpki-invalid" };

    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        assert_non_null(received_join_meaning(types[i]));
    assert_null(received_join_meaning("new-type"));
    assert_null(received_join_meaning(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(puts_failures_of_a_kind_together),
        cmocka_unit_test(finds_what_came_from_those_addresses_at_that_time),
        cmocka_unit_test(goes_by_names_where_no_address_is_known),
        cmocka_unit_test(takes_a_domain_only_from_a_contact_that_has_one),
        cmocka_unit_test(has_bounds_whatever_is_reported),
        cmocka_unit_test(sums_do_not_overflow),
        cmocka_unit_test(knows_what_every_result_type_means),
    };

    return cmocka_run_group_tests(tests, open_arena, clear_arena);
}
