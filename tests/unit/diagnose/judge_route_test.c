/* tests/unit/diagnose/judge_route_test.c - causes found in the DNS of a domain */
#include "samples.h"

#include <string.h>

static struct route_host hosts[2];
static struct route route;
static struct findings findings;

static void begin(enum route_outcome outcome)
{
    memset(hosts, 0, sizeof hosts);
    hosts[0] = (struct route_host){ .name = "mx1.example.org", .address_count = 1 };
    hosts[1] = (struct route_host){ .name = "mx2.example.org", .address_count = 1 };
    route = (struct route){ .domain = "example.org",
                            .outcome = outcome,
                            .has_mx = true,
                            .hosts = hosts,
                            .host_count = outcome == ROUTE_FOUND ? 2 : 0 };
    findings.count = 0;
}

static void judge(void)
{
    findings.count = 0;
    judge_route(&route, &arena, &findings);
    for (size_t i = 0; i < findings.count; i++)
        assert_true(findings.items[i].evidence_count > 0);
}

static void finds_nothing_in_a_healthy_route(void **state)
{
    (void)state;
    begin(ROUTE_FOUND);
    judge();
    assert_int_equal(findings.count, 0);
}

static void names_what_keeps_a_domain_from_mail(void **state)
{
    static const struct {
        enum route_outcome outcome;
        const char *code;
    } cases[] = {
        { ROUTE_NULL_MX, "dns-null-mx" },       { ROUTE_NXDOMAIN, "dns-nxdomain" },
        { ROUTE_NO_ADDRESS, "dns-no-address" }, { ROUTE_TIMEOUT, "dns-timeout" },
        { ROUTE_SERVFAIL, "dns-servfail" },     { ROUTE_BOGUS, "dns-bogus" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        begin(cases[i].outcome);
        judge();
        expect_first(&findings, cases[i].code, FAULT_DNS, SEVERITY_FATAL);
    }
}

static void passes_on_the_reason_of_the_validator(void **state)
{
    static struct observed_lookup lookups[] = { { .name = "example.org",
                                                  .type = DNS_TYPE_MX,
                                                  .outcome = DNS_BOGUS,
                                                  .security = DNS_VALIDATION_FAILED,
                                                  .why_bogus = "signature expired" } };

    (void)state;
    begin(ROUTE_BOGUS);
    route.lookups = lookups;
    route.lookup_count = 1;
    route.why_bogus = "signature expired";
    judge();
    assert_non_null(strstr(findings.items[0].cause, "signature expired"));
    assert_non_null(strstr(findings.items[0].evidence[0], "example.org MX: bogus"));
}

static void judge_with(struct observed_lookup *lookup)
{
    route.lookups = lookup;
    route.lookup_count = 1;
    judge();
}

static void says_where_our_own_resolver_or_anchor_may_be_broken(void **state)
{
    static struct observed_lookup lookup;

    (void)state;
    begin(ROUTE_TIMEOUT);
    lookup = (struct observed_lookup){ .name = "example.org",
                                       .type = DNS_TYPE_MX,
                                       .outcome = DNS_TIMEOUT,
                                       .resolver_is_silent = true };
    judge_with(&lookup);
    expect_first(&findings, "dns-timeout", FAULT_CLIENT, SEVERITY_FATAL);
    assert_non_null(strstr(findings.items[0].cause, "Our own resolver answers nothing"));
    assert_int_equal(findings.items[0].evidence_count, 2);
    assert_non_null(strstr(findings.items[0].evidence[1], "our resolver"));
    begin(ROUTE_BOGUS);
    lookup = (struct observed_lookup){ .name = "example.org",
                                       .type = DNS_TYPE_MX,
                                       .outcome = DNS_BOGUS,
                                       .security = DNS_VALIDATION_FAILED,
                                       .why_bogus = "no DNSKEY for trust anchor .",
                                       .anchor_failed = true };
    judge_with(&lookup);
    expect_first(&findings, "dns-bogus", FAULT_CLIENT, SEVERITY_FATAL);
    assert_non_null(strstr(findings.items[0].cause, "from our trust anchor on"));
    assert_non_null(strstr(findings.items[0].cause, "no DNSKEY for trust anchor ."));
    assert_int_equal(findings.items[0].evidence_count, 2);
}

static void blames_no_zone_for_a_time_too_short(void **state)
{
    static struct observed_lookup lookup;

    (void)state;
    begin(ROUTE_TIMEOUT);
    lookup = (struct observed_lookup){ .name = "example.org",
                                       .type = DNS_TYPE_MX,
                                       .outcome = DNS_TIMEOUT,
                                       .given_up_after_ms = 2500 };
    judge_with(&lookup);
    expect_first(&findings, "dns-timeout", FAULT_CLIENT, SEVERITY_FATAL);
    assert_non_null(strstr(findings.items[0].cause, "within 3 seconds, and that was all the time"));
    assert_non_null(strstr(findings.items[0].remedy, "--timeout 30 example.org"));
    lookup.given_up_after_ms = 15000; /* long enough to know */
    judge();
    expect_first(&findings, "dns-timeout", FAULT_DNS, SEVERITY_FATAL);
    lookup.given_up_after_ms = 0; /* the resolver was silent for as long as it may be */
    judge();
    expect_first(&findings, "dns-timeout", FAULT_DNS, SEVERITY_FATAL);
}

static void only_warns_where_another_host_takes_mail(void **state)
{
    (void)state;
    begin(ROUTE_FOUND);
    hosts[0].address_count = 0;
    hosts[0].outcome = DNS_NO_DATA;
    judge();
    expect_first(&findings, "dns-no-address", FAULT_DNS, SEVERITY_WARNING);
    hosts[1].address_count = 0;
    hosts[1].is_address = true;
    judge();
    expect_first(&findings, "dns-no-address", FAULT_DNS, SEVERITY_FATAL);
    assert_string_equal(findings.items[1].code, "dns-mx-is-address");
    begin(ROUTE_FOUND);
    hosts[0].is_alias = true;
    hosts[0].canonical_name = "real.example.net";
    judge();
    expect_first(&findings, "dns-mx-is-alias", FAULT_DNS, SEVERITY_WARNING);
    assert_non_null(strstr(findings.items[0].cause, "real.example.net"));
}

static void warns_of_a_null_mx_beside_others(void **state)
{
    (void)state;
    begin(ROUTE_FOUND);
    route.has_stray_null_mx = true;
    judge();
    expect_first(&findings, "dns-null-mx", FAULT_DNS, SEVERITY_WARNING);
    assert_non_null(strstr(findings.items[0].cause, "names mail hosts beside it"));
}

static void adds_to_what_was_found_before(void **state)
{
    (void)state;
    begin(ROUTE_FOUND);
    hosts[0].is_alias = true;
    findings.items[0] = (struct finding){ .code = "other", .severity = SEVERITY_FATAL };
    findings.count = 1;
    judge_route(&route, &arena, &findings);
    assert_int_equal(findings.count, 2);
}

SAMPLES_RUN(cmocka_unit_test(finds_nothing_in_a_healthy_route),
            cmocka_unit_test(names_what_keeps_a_domain_from_mail),
            cmocka_unit_test(passes_on_the_reason_of_the_validator),
            cmocka_unit_test(says_where_our_own_resolver_or_anchor_may_be_broken),
            cmocka_unit_test(blames_no_zone_for_a_time_too_short),
            cmocka_unit_test(only_warns_where_another_host_takes_mail),
            cmocka_unit_test(warns_of_a_null_mx_beside_others),
            cmocka_unit_test(adds_to_what_was_found_before))
