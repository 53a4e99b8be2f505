/* tests/unit/diagnose/judge_published_test.c - what keeps senders from obeying what a domain publishes */
#include "samples.h"

#include <string.h>

static struct observed_published published;
static struct findings findings;
static const char *const patterns[] = { "mx.example.org" };

/* A sound policy in force, and a sound record for reports. */
static void begin(void)
{
    observed_published_init(&published);
    published.domain = "example.org";
    published.wall_s = SAMPLE_NOW;
    published.sts_lookup.name = "_mta-sts.example.org";
    published.sts_record = TXT_RECORD_VALID;
    published.sts_text = "v=STSv1; id=1";
    published.sts_id = "1";
    published.fetched = published.has_policy = true;
    published.url = "https://mta-sts.example.org/.well-known/mta-sts.txt";
    published.address = "192.0.2.7";
    published.http_status = 200;
    published.policy = (struct mta_sts_policy){
        .mode = MTA_STS_MODE_ENFORCE, .max_age_s = SAMPLE_DAY, .mx = patterns, .mx_count = 1
    };
    published.sts = POLICY_STS_ENFORCE;
    published.fetched_at_s = SAMPLE_NOW;
    published.ends_at_s = SAMPLE_NOW + SAMPLE_DAY;
    published.asked_reports = true;
    published.report_lookup.name = "_smtp._tls.example.org";
    published.report_record = TXT_RECORD_VALID;
}

static void fail_to_fetch(enum https_outcome outcome, const char *failure)
{
    begin();
    published.has_policy = false;
    published.sts = POLICY_STS_NONE;
    published.fetch_outcome = outcome;
    published.fetch_failure = failure;
}

static void judge(const struct route *route, const struct observed_self *self)
{
    findings.count = 0;
    judge_published(&published, route, self, &arena, &findings);
    for (size_t i = 0; i < findings.count; i++)
        assert_true(findings.items[i].evidence_count > 0);
}

static const struct finding *only(const char *code, enum severity severity, const char *cause)
{
    assert_int_equal(findings.count, 1);
    assert_string_equal(findings.items[0].code, code);
    assert_int_equal(findings.items[0].severity, severity);
    if (strstr(findings.items[0].cause, cause) == NULL)
        assert_string_equal(findings.items[0].cause, cause);
    return &findings.items[0];
}

static void finds_nothing_where_all_is_sound_or_nothing_is_published(void **state)
{
    (void)state;
    begin();
    judge(NULL, NULL);
    assert_int_equal(findings.count, 0);
    observed_published_init(&published);
    published.domain = "example.org";
    judge(NULL, NULL);
    assert_int_equal(findings.count, 0);
}

static void proposes_the_id_of_the_record_and_else_the_day(void **state)
{
    static const struct {
        const char *text, *proposed;
    } cases[] = {
        { "v=STSv1; id=2026-11-18T10:00Z;", "id=20261118T1000Z\"" },
        { "v=STSv1 ; ID = a.b_c ", "id=abc\"" },
        { "v=STSv1; id=123456789012345678901234567890123",
          "id=12345678901234567890123456789012\"" },
        { "v=STSv1; id=; x=1", "id=20261118\"" },
        { "v=STSv1; id", "id=20261118\"" },
        { "v=STSv1;", "id=20261118\"" },
        { "", "id=20261118\"" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct finding *finding;

        fail_to_fetch(HTTPS_ANSWERED, NULL);
        published.wall_s = 1795000000;
        published.sts_record = TXT_RECORD_INVALID;
        published.sts_record_flaw = "its id";
        published.sts_text = cases[i].text;
        judge(NULL, NULL);
        finding = only("sts-record-invalid", SEVERITY_UNTRUSTED, "its id");
        if (strstr(finding->remedy, cases[i].proposed) == NULL)
            fail_msg("%s: %s", cases[i].text, finding->remedy);
    }
}

static void names_the_flaw_of_a_record(void **state)
{
    const struct finding *finding;

    (void)state;
    fail_to_fetch(HTTPS_ANSWERED, NULL);
    published.sts_record = TXT_RECORD_SEVERAL;
    published.sts_record_flaw = "there are 2 records that begin with \"v=STSv1;\"";
    judge(NULL, NULL);
    finding = only("sts-record-invalid", SEVERITY_UNTRUSTED, "there are 2 records");
    assert_string_equal(finding->evidence[0], "_mta-sts.example.org TXT \"v=STSv1; id=1\"");
    assert_string_equal(finding->tls_report, "sts-policy-invalid");
    assert_non_null(strstr(finding->remedy, "delete the others"));
    begin();
    published.report_record = TXT_RECORD_INVALID;
    published.report_flaw = "it has no rua";
    published.report_text = "v=TLSRPTv1";
    judge(NULL, NULL);
    finding = only("tlsrpt-record-invalid", SEVERITY_WARNING, "it has no rua; nobody sends any");
    assert_string_equal(finding->evidence[0], "_smtp._tls.example.org TXT \"v=TLSRPTv1\"");
}

static void tells_a_policy_with_a_flaw_from_one_that_cannot_be_fetched(void **state)
{
    const struct finding *finding;

    (void)state;
    fail_to_fetch(HTTPS_ANSWERED, "the server answers 404 and not 200");
    judge(NULL, NULL);
    finding = only("sts-fetch-failed", SEVERITY_UNTRUSTED, "the server answers 404");
    assert_string_equal(finding->evidence[0],
                        "https://mta-sts.example.org/.well-known/mta-sts.txt at 192.0.2.7: the "
                        "server answers 404 and not 200");
    fail_to_fetch(HTTPS_ANSWERED, NULL);
    published.policy_flaw = "line 2: the mode is \"doubt\"";
    judge(NULL, NULL);
    (void)only("sts-policy-invalid", SEVERITY_UNTRUSTED, "line 2: the mode is \"doubt\"");
    published.policy_flaw = "line 2: the mode is \"\\x1b\""; /* escaped when it was read */
    judge(NULL, NULL);
    (void)only("sts-policy-invalid", SEVERITY_UNTRUSTED, "line 2: the mode is \"\\x1b\"");
    published.policy_flaw = NULL;
    published.fetch_failure = published.failure = "no memory"; /* ours */
    judge(NULL, NULL);
    assert_int_equal(findings.count, 0);
}

static void says_how_to_mend_what_keeps_the_policy_from_senders(void **state)
{
    static const struct {
        enum https_outcome outcome;
        enum dns_outcome address;
        int status;
        const char *remedy;
    } cases[] = {
        { HTTPS_NO_CONNECT, DNS_NXDOMAIN, 0, "Give mta-sts.example.org an A or AAAA record" },
        { HTTPS_NO_CONNECT, DNS_SERVFAIL, 0, "Repair the name servers of mta-sts.example.org" },
        { HTTPS_NO_CONNECT, DNS_ANSWERED, 0, "listen on port 443 of mta-sts.example.org" },
        { HTTPS_TLS_FAILED, DNS_ANSWERED, 0, "openssl s_client -connect mta-sts.example.org:443" },
        { HTTPS_ANSWERED, DNS_ANSWERED, 301, "without a redirect" },
        { HTTPS_ANSWERED, DNS_ANSWERED, 404, "Put the policy there" },
        { HTTPS_ANSWERED, DNS_ANSWERED, 200, "as text/plain" },
        { HTTPS_TIMEOUT, DNS_ANSWERED, 0, "Let the web server answer: curl -v https://" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        fail_to_fetch(cases[i].outcome, "of a reason");
        published.host_lookup.outcome = cases[i].address;
        published.http_status = cases[i].status;
        judge(NULL, NULL);
        assert_non_null(strstr(only("sts-fetch-failed", SEVERITY_UNTRUSTED, "of a reason")->remedy,
                               cases[i].remedy));
    }
}

static void warns_where_a_policy_is_kept(void **state)
{
    const struct finding *finding;

    (void)state;
    begin();
    published.from_cache = true;
    published.fetch_failure = "no answer";
    published.fetch_outcome = HTTPS_TIMEOUT;
    judge(NULL, NULL);
    finding = only("sts-fetch-failed", SEVERITY_WARNING, "no answer");
    assert_string_equal(finding->evidence[1],
                        "the policy fetched at 2026-11-21T19:05:00Z counts until "
                        "2026-11-22T19:05:00Z");
}

static void judges_the_policy_host_as_a_mail_server(void **state)
{
    const struct observed_self self = { .anchor_count = 0 };
    const struct finding *finding;

    (void)state;
    fail_to_fetch(HTTPS_UNTRUSTED, "its certificates are not trusted");
    published.has_verdict = true;
    sample_certificates(&published.verdict);
    published.verdict.name_matched = false;
    published.verdict.flaws[published.verdict.flaw_count++] =
        (struct chain_flaw){ .kind = CHAIN_NAME_MISMATCH, .subject = SAMPLE_SUBJECT, .detail = "" };
    judge(NULL, NULL);
    finding = only("sts-certificate-invalid", SEVERITY_UNTRUSTED,
                   "The certificate does not name mta-sts.example.org");
    assert_string_equal(finding->tls_report, "sts-webpki-invalid");
    assert_true(strncmp(finding->evidence[0], "certificate-name-mismatch: ", 27) == 0);
    judge(NULL, &self); /* without roots nobody would be trusted: it is us */
    assert_int_equal(findings.count, 0);
}

static void warns_of_a_host_without_address_that_is_not_listed(void **state)
{
    struct route_host hosts[] = { { .name = "mx.example.org" },
                                  { .name = "other.example.org" },
                                  { .name = "dialled.example.org", .address_count = 1 } };
    struct route route = { .domain = "example.org", .hosts = hosts, .host_count = 3 };

    (void)state;
    begin();
    judge(&route, NULL);
    (void)only("sts-host-not-listed", SEVERITY_WARNING,
               "does not list its MX host other.example.org");
    published.policy.mode = MTA_STS_MODE_NONE;
    judge(&route, NULL);
    assert_int_equal(findings.count, 0);
}

static void warns_of_look_ups_that_fail_while_the_domain_is_there(void **state)
{
    struct route route = { .domain = "example.org", .outcome = ROUTE_FOUND };

    (void)state;
    begin();
    published.has_policy = false;
    published.sts_record = TXT_RECORD_NONE;
    published.sts_lookup.outcome = DNS_BOGUS;
    published.sts_lookup.why_bogus = "signature expired";
    judge(&route, NULL);
    (void)only("dns-bogus", SEVERITY_WARNING, "_mta-sts.example.org");
    published.sts_lookup.outcome = DNS_SERVFAIL;
    published.sts_lookup.rcode = 2;
    judge(&route, NULL);
    (void)only("dns-servfail", SEVERITY_WARNING, "The DNS answers SERVFAIL for _mta-sts");
    route.outcome = ROUTE_BOGUS; /* which has a finding of its own */
    judge(&route, NULL);
    assert_int_equal(findings.count, 0);
}

/* ---- patterns that fit no host ---- */

static struct route_host hosts[] = { { .name = "mx.example.org", .address_count = 1 },
                                     { .name = "a.b.example.net", .address_count = 1 } };

static struct route route_to(size_t host_count)
{
    return (struct route){ .domain = "example.org",
                           .outcome = ROUTE_FOUND,
                           .has_mx = true,
                           .hosts = hosts,
                           .host_count = host_count };
}

static void list(const char *const *lines, size_t count)
{
    begin();
    published.policy.mx = lines;
    published.policy.mx_count = count;
}

static bool proves(const struct finding *finding, const char *words)
{
    for (size_t i = 0; i < finding->evidence_count; i++)
        if (strstr(finding->evidence[i], words) != NULL)
            return true;
    return false;
}

static void warns_of_a_pattern_that_fits_no_host(void **state)
{
    const char *const lines[] = { "mx.example.org", "mial.example.org", "*.EXAMPLE.org" };
    struct route route = route_to(1);
    const struct finding *finding;

    (void)state;
    list(lines, ARRAY_SIZE(lines));
    judge(&route, NULL);
    finding =
        only("sts-pattern-unused", SEVERITY_WARNING, "lists mial.example.org, and no MX host");
    assert_non_null(strstr(finding->remedy, "mx: mial.example.org"));
    assert_true(proves(finding, "MX hosts of example.org: mx.example.org"));
    assert_true(proves(finding, "counts until 2026-11-22"));
    assert_false(proves(finding, "no line of the policy fits"));
}

static void names_the_host_that_may_have_been_meant(void **state)
{
    const char *const lines[] = { "mx.example.org", "*.example.net" };
    struct route route = route_to(2);
    const struct finding *finding;

    (void)state;
    list(lines, ARRAY_SIZE(lines));
    judge(&route, NULL);
    finding = only("sts-pattern-unused", SEVERITY_WARNING, "*.example.net");
    assert_true(proves(finding, "that no line of the policy fits: a.b.example.net"));
    assert_true(proves(finding, "does not fit a.b.example.net: \"*.\" stands for exactly one"));
}

static void names_only_some_of_very_many_patterns(void **state)
{
    static const char *lines[MTA_STS_MX_MOST];
    struct route route = route_to(1);

    (void)state;
    lines[0] = "mx.example.org";
    for (size_t i = 1; i < ARRAY_SIZE(lines); i++)
        lines[i] = arena_format(&arena, "gone%zu.example.org", i);
    list(lines, ARRAY_SIZE(lines));
    judge(&route, NULL);
    (void)only("sts-pattern-unused", SEVERITY_WARNING, "gone4.example.org and 1019 more");
}

static void leaves_it_to_the_hosts_where_no_pattern_fits_at_all(void **state)
{
    const char *const lines[] = { "gone.example.org" };
    struct route route = route_to(2);

    (void)state;
    list(lines, ARRAY_SIZE(lines));
    judge(&route, NULL); /* both were dialled, and have sts-host-not-listed of their own */
    assert_int_equal(findings.count, 0);
}

static void says_nothing_of_patterns_where_not_every_host_is_known(void **state)
{
    const char *const lines[] = { "mx.example.org", "gone.example.org" };
    struct route route = route_to(1);

    (void)state;
    list(lines, ARRAY_SIZE(lines));
    judge(NULL, NULL);
    assert_int_equal(findings.count, 0);
    route.was_cut = true;
    judge(&route, NULL);
    assert_int_equal(findings.count, 0);
    route.was_cut = false;
    published.policy.mode = MTA_STS_MODE_NONE;
    judge(&route, NULL);
    assert_int_equal(findings.count, 0);
    published.policy.mode = MTA_STS_MODE_TESTING;
    judge(&route, NULL);
    (void)only("sts-pattern-unused", SEVERITY_WARNING, "gone.example.org");
}

SAMPLES_RUN(cmocka_unit_test(finds_nothing_where_all_is_sound_or_nothing_is_published),
            cmocka_unit_test(proposes_the_id_of_the_record_and_else_the_day),
            cmocka_unit_test(names_the_flaw_of_a_record),
            cmocka_unit_test(tells_a_policy_with_a_flaw_from_one_that_cannot_be_fetched),
            cmocka_unit_test(says_how_to_mend_what_keeps_the_policy_from_senders),
            cmocka_unit_test(warns_where_a_policy_is_kept),
            cmocka_unit_test(judges_the_policy_host_as_a_mail_server),
            cmocka_unit_test(warns_of_a_host_without_address_that_is_not_listed),
            cmocka_unit_test(warns_of_look_ups_that_fail_while_the_domain_is_there),
            cmocka_unit_test(warns_of_a_pattern_that_fits_no_host),
            cmocka_unit_test(names_the_host_that_may_have_been_meant),
            cmocka_unit_test(names_only_some_of_very_many_patterns),
            cmocka_unit_test(leaves_it_to_the_hosts_where_no_pattern_fits_at_all),
            cmocka_unit_test(says_nothing_of_patterns_where_not_every_host_is_known))
