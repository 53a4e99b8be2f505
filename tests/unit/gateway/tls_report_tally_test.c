/* tests/unit/gateway/tls_report_tally_test.c - promises of gateway/tls_report_tally.h */
#include "../diagnose/samples.h"

#include <string.h>

#include "gateway/tls_report_tally.h"
#include "link/published.h"

static struct observation seen;
static struct findings findings;
static struct observed_published published;
static struct tls_report_session session;
static struct tls_report_policy policies[TLS_TALLY_POLICIES];

static const char *const records[] = { "3 1 1 00ff" };

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 8 << 20);
    sample_healthy(&seen);
    findings = (struct findings){ .count = 0 };
    session = (struct tls_report_session){ .domain = "example.org",
                                           .seen = &seen,
                                           .findings = &findings };
    seen.own_address = "198.51.100.7";
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_false(arena.exhausted);
    arena_clear(&arena);
    return 0;
}

static size_t tally(void)
{
    if (session.seen != NULL)
        judge_observation(&seen, NULL, &arena, &findings);
    return tls_report_tally(&session, &arena, policies);
}

static void publish_tlsa(enum policy_tlsa state, enum chain_tlsa verdict)
{
    seen.tlsa = state;
    seen.tlsa_records = (const char **)(uintptr_t)records;
    seen.tlsa_count = state == POLICY_TLSA_LOOKUP_FAILED ? 0 : 1;
    seen.verdict.tlsa = verdict;
}

static void take_starttls_away(void)
{
    seen.ehlo = sample_reply(250, "250-mx.example.org\r\n250 8BITMIME\r\n");
    seen.capabilities.extensions = 0;
    seen.starttls = seen.ehlo_after_tls = (struct observed_reply){ .came = false };
    seen.has_capabilities_after_tls = seen.has_verdict = seen.host_named = false;
    seen.tls = (struct tls_facts){ .was_started = false };
    seen.reached = STEP_EHLO;
    seen.ending = ENDING_STOPPED;
}

static void expect_failure(const struct tls_report_policy *policy, size_t index, const char *type,
                           const char *reason)
{
    assert_int_equal(policy->failures, 1);
    assert_int_equal(policy->successes, 0);
    assert_true(index < policy->detail_count);
    assert_string_equal(policy->details[index].result_type, type);
    assert_string_equal(policy->details[index].failure_reason_code, reason);
    assert_int_equal(policy->details[index].failed_sessions, 1);
}

static void without_a_policy_any_tls_is_a_success(void **state)
{
    (void)state;
    seen.verdict.is_trusted = seen.host_named = false;
    assert_int_equal(tally(), 1);
    assert_int_equal(policies[0].type, TLS_REPORT_NO_POLICY);
    assert_string_equal(policies[0].domain, "example.org");
    assert_int_equal(policies[0].successes, 1);
    assert_int_equal(policies[0].failures, 0);
    assert_int_equal(policies[0].detail_count, 0);
}

static void a_failure_says_between_whom(void **state)
{
    const struct tls_report_failure *failure;

    (void)state;
    take_starttls_away();
    assert_int_equal(tally(), 1);
    assert_int_equal(policies[0].type, TLS_REPORT_NO_POLICY);
    expect_failure(&policies[0], 0, "starttls-not-supported", "starttls-not-offered");
    failure = &policies[0].details[0];
    assert_string_equal(failure->sending_mta_ip, "198.51.100.7");
    assert_string_equal(failure->receiving_mx_hostname, "mx.example.org");
    assert_string_equal(failure->receiving_mx_helo, "mx.example.org");
    assert_string_equal(failure->receiving_ip, "192.0.2.1");
}

static void a_handshake_that_fails_is_told_with_its_cause(void **state)
{
    (void)state;
    sample_no_handshake(&seen, ENDING_TLS);
    sample_alert(&seen, 70, false); /* protocol_version */
    assert_int_equal(tally(), 1);
    expect_failure(&policies[0], 0, "validation-failure", "handshake-no-common-version");
}

static void nobody_answering_says_nothing_of_tls(void **state)
{
    (void)state;
    sample_no_handshake(&seen, ENDING_REFUSED);
    seen.reached = STEP_CONNECT;
    seen.greeting = seen.ehlo = seen.starttls = (struct observed_reply){ .came = false };
    seen.has_capabilities = false;
    seen.tls = (struct tls_facts){ .was_started = false };
    assert_int_equal(tally(), 0);
}

static void what_we_did_not_want_is_not_told(void **state)
{
    (void)state;
    seen.level = POLICY_NONE;
    assert_int_equal(tally(), 0);
    sample_healthy(&seen);
    seen.starttls = seen.ehlo_after_tls = (struct observed_reply){ .came = false };
    seen.tls = (struct tls_facts){ .was_started = false };
    seen.reached = STEP_EHLO;
    assert_int_equal(tally(), 0);
}

static void our_own_rule_of_a_version_is_no_failure_of_theirs(void **state)
{
    (void)state;
    seen.tls.version = TLS_VERSION_1_2;
    seen.minimum_version = TLS_VERSION_1_3;
    assert_int_equal(tally(), 1);
    assert_int_equal(policies[0].successes, 1);
}

static void what_a_message_asks_beyond_is_no_failure_of_theirs(void **state)
{
    (void)state;
    seen.requires_tls = true;
    assert_int_equal(tally(), 1);
    assert_int_equal(policies[0].successes, 1);
    publish_tlsa(POLICY_TLSA_USABLE, CHAIN_TLSA_MATCHED);
    assert_int_equal(tally(), 1);
    assert_int_equal(policies[0].successes, 1);
    take_starttls_away();
    assert_int_equal(tally(), 1);
    assert_int_equal(policies[0].detail_count, 1);
    expect_failure(&policies[0], 0, "starttls-not-supported", "starttls-not-offered");
}

static void tlsa_records_that_match_are_a_success_whatever_the_chain(void **state)
{
    (void)state;
    publish_tlsa(POLICY_TLSA_USABLE, CHAIN_TLSA_MATCHED);
    seen.verdict.is_trusted = seen.host_named = false;
    seen.tlsa_base = "real.example.net";
    assert_int_equal(tally(), 1);
    assert_int_equal(policies[0].type, TLS_REPORT_TLSA);
    assert_string_equal(policies[0].domain, "real.example.net");
    assert_int_equal(policies[0].string_count, 1);
    assert_string_equal(policies[0].strings[0], records[0]);
    assert_int_equal(policies[0].mx_count, 1);
    assert_string_equal(policies[0].mx_hosts[0], "mx.example.org");
    assert_int_equal(policies[0].successes, 1);
}

static void tlsa_records_that_do_not_match_are_invalid(void **state)
{
    (void)state;
    publish_tlsa(POLICY_TLSA_USABLE, CHAIN_TLSA_MISMATCH);
    assert_int_equal(tally(), 1);
    assert_string_equal(policies[0].domain, "mx.example.org");
    assert_int_equal(policies[0].detail_count, 1);
    expect_failure(&policies[0], 0, "tlsa-invalid", "tlsa-mismatch");
}

static void without_starttls_that_is_why_dane_fails(void **state)
{
    (void)state;
    publish_tlsa(POLICY_TLSA_USABLE, CHAIN_TLSA_MISMATCH);
    take_starttls_away();
    assert_int_equal(tally(), 1);
    assert_int_equal(policies[0].type, TLS_REPORT_TLSA);
    assert_int_equal(policies[0].detail_count, 1);
    expect_failure(&policies[0], 0, "starttls-not-supported", "starttls-not-offered");
}

static void unusable_records_fail_once_and_so_does_what_else_failed(void **state)
{
    (void)state;
    publish_tlsa(POLICY_TLSA_UNUSABLE, CHAIN_TLSA_NONE);
    take_starttls_away();
    assert_int_equal(tally(), 1);
    assert_int_equal(policies[0].detail_count, 2);
    expect_failure(&policies[0], 0, "tlsa-invalid", "tlsa-unusable");
    expect_failure(&policies[0], 1, "starttls-not-supported", "starttls-not-offered");
}

static void a_failing_lookup_in_a_secure_zone_is_dnssec_invalid(void **state)
{
    (void)state;
    publish_tlsa(POLICY_TLSA_LOOKUP_FAILED, CHAIN_TLSA_NONE);
    assert_int_equal(tally(), 1);
    assert_int_equal(policies[0].type, TLS_REPORT_TLSA);
    assert_int_equal(policies[0].string_count, 0);
    assert_int_equal(policies[0].detail_count, 1);
    expect_failure(&policies[0], 0, "dnssec-invalid", "tlsa-lookup-failed");
}

static void at_level_dane_only_missing_records_are_dane_required(void **state)
{
    (void)state;
    seen.level = POLICY_DANE_ONLY;
    seen.tlsa = POLICY_TLSA_NONE;
    assert_int_equal(tally(), 1);
    expect_failure(&policies[0], 0, "dane-required", "dane-required");
    seen.level = POLICY_DANE;
    assert_int_equal(tally(), 1);
    assert_int_equal(policies[0].type, TLS_REPORT_NO_POLICY);
}

static void behind_an_unsigned_mx_records_are_compared_all_the_same(void **state)
{
    static const enum policy_level levels[] = { POLICY_MAY, POLICY_DANE, POLICY_STS };

    (void)state;
    seen.has_lookups = true;
    seen.mx_dnssec = DNS_INSECURE;
    for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
        seen.level = levels[i];
        publish_tlsa(POLICY_TLSA_USABLE, CHAIN_TLSA_MATCHED);
        assert_int_equal(tally(), 1);
        assert_int_equal(policies[0].type, TLS_REPORT_TLSA);
        assert_int_equal(policies[0].successes, 1);
        publish_tlsa(POLICY_TLSA_USABLE, CHAIN_TLSA_MISMATCH);
        assert_int_equal(tally(), 1);
        expect_failure(&policies[0], 0, "tlsa-invalid", "tlsa-mismatch");
        findings.count = 0;
    }
    seen.level = POLICY_DANE_ONLY;
    publish_tlsa(POLICY_TLSA_USABLE, CHAIN_TLSA_MATCHED);
    assert_int_equal(tally(), 1);
    assert_int_equal(policies[0].failures, 1);
}

static void a_zone_that_cannot_be_believed_counts_though_nobody_is_dialled(void **state)
{
    (void)state;
    session.seen = NULL;
    assert_int_equal(tally(), 0);
    findings.count = 1;
    findings.items[0] = (struct finding){ .code = "dns-bogus", .tls_report = "dnssec-invalid" };
    assert_int_equal(tally(), 1);
    assert_string_equal(policies[0].domain, "example.org");
    expect_failure(&policies[0], 0, "dnssec-invalid", "dns-bogus");
    findings.items[0].fault = FAULT_CLIENT; /* our own trust anchor */
    assert_int_equal(tally(), 0);
}

static void what_a_greeting_says_first_is_the_name(void **state)
{
    static const struct {
        const char *raw, *name;
    } rows[] = {
        { "220 mx.example.org ESMTP\r\n", "mx.example.org" },
        { "220-mx.example.org\r\n220 x\r\n", "mx.example.org" },
        { "220 \x1b[31mred\r\n", "" },
        { "220\r\n", "" },
        { "220 ", "" },
    };

    (void)state;
    take_starttls_away();
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        seen.greeting = sample_reply(220, rows[i].raw);
        assert_int_equal(tally(), 1);
        assert_string_equal(policies[0].details[0].receiving_mx_helo, rows[i].name);
    }
}

/* ---- MTA-STS ---- */

static const char *const patterns[] = { "mx.example.org", "*.backup.example" };

static void publish_sts(enum policy_sts sts)
{
    observed_published_init(&published);
    published.domain = "example.org";
    published.sts_record = TXT_RECORD_VALID;
    published.sts = sts;
    published.has_policy = true;
    published.policy =
        (struct mta_sts_policy){ .mode = sts == POLICY_STS_TESTING ? MTA_STS_MODE_TESTING
                                                                   : MTA_STS_MODE_ENFORCE,
                                 .max_age_s = 86400,
                                 .mx = patterns,
                                 .mx_count = 2 };
    published.policy_text = "version: STSv1\r\nmode: enforce\r\n\r\nmax_age: 86400";
    session.published = &published;
}

static void fail_to_fetch(enum https_outcome outcome, const char *policy_flaw)
{
    publish_sts(POLICY_STS_NONE);
    published.has_policy = false;
    published.fetched = true;
    published.fetch_outcome = outcome;
    published.fetch_failure = outcome == HTTPS_ANSWERED ? NULL : "no";
    published.policy_flaw = policy_flaw;
}

static void a_trusted_host_that_is_listed_is_a_success_of_mta_sts(void **state)
{
    (void)state;
    publish_sts(POLICY_STS_ENFORCE);
    assert_int_equal(tally(), 1);
    assert_int_equal(policies[0].type, TLS_REPORT_STS);
    assert_string_equal(policies[0].domain, "example.org");
    assert_int_equal(policies[0].successes, 1);
    assert_int_equal(policies[0].string_count, 3);
    assert_string_equal(policies[0].strings[0], "version: STSv1");
    assert_string_equal(policies[0].strings[2], "max_age: 86400");
    assert_int_equal(policies[0].mx_count, 2);
    assert_string_equal(policies[0].mx_hosts[1], "*.backup.example");
}

static void a_chain_with_two_flaws_has_two_results(void **state)
{
    (void)state;
    publish_sts(POLICY_STS_TESTING); /* it hears what enforce would do */
    seen.verdict.is_trusted = seen.verdict.name_matched = seen.host_named = false;
    seen.verdict.flaws[0] = (struct chain_flaw){
        .kind = CHAIN_EXPIRED, .is_fatal = true, .subject = SAMPLE_SUBJECT, .detail = ""
    };
    seen.verdict.flaws[1] = (struct chain_flaw){
        .kind = CHAIN_NAME_MISMATCH, .is_fatal = true, .subject = SAMPLE_SUBJECT, .detail = ""
    };
    seen.verdict.flaw_count = 2;
    assert_int_equal(tally(), 1);
    assert_int_equal(policies[0].detail_count, 2);
    expect_failure(&policies[0], 0, "certificate-expired", "certificate-expired");
    expect_failure(&policies[0], 1, "certificate-host-mismatch", "certificate-name-mismatch");
}

static void a_host_that_is_not_listed_fails_also_where_nobody_dials_it(void **state)
{
    (void)state;
    publish_sts(POLICY_STS_ENFORCE);
    seen.host = "other.example.org";
    assert_int_equal(tally(), 1);
    assert_int_equal(policies[0].detail_count, 1);
    expect_failure(&policies[0], 0, "validation-failure", "sts-host-not-listed");
    seen.greeting = seen.ehlo = seen.starttls = (struct observed_reply){ .came = false };
    seen.has_capabilities = false;
    seen.reached = STEP_DNS;
    assert_int_equal(tally(), 1);
    expect_failure(&policies[0], 0, "validation-failure", "sts-host-not-listed");
    seen.host = "mx.example.org";
    assert_int_equal(tally(), 0);
}

static void a_policy_that_cannot_be_had_fails_once_a_session(void **state)
{
    static const struct {
        enum https_outcome outcome;
        const char *flaw, *type, *reason;
    } rows[] = {
        { HTTPS_TIMEOUT, NULL, "sts-policy-fetch-error", "sts-fetch-failed" },
        { HTTPS_UNTRUSTED, NULL, "sts-webpki-invalid", "sts-certificate-invalid" },
        { HTTPS_ANSWERED, "line 2", "sts-policy-invalid", "sts-policy-invalid" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        fail_to_fetch(rows[i].outcome, rows[i].flaw);
        assert_int_equal(tally(), 1);
        assert_int_equal(policies[0].type, TLS_REPORT_STS);
        assert_int_equal(policies[0].string_count, 0);
        assert_int_equal(policies[0].detail_count, 1);
        expect_failure(&policies[0], 0, rows[i].type, rows[i].reason);
    }
    take_starttls_away();
    assert_int_equal(tally(), 1);
    assert_int_equal(policies[0].detail_count, 2);
    expect_failure(&policies[0], 1, "starttls-not-supported", "starttls-not-offered");
}

static void our_own_failure_to_look_is_nobodys_policy(void **state)
{
    (void)state;
    fail_to_fetch(HTTPS_UNTRUSTED, NULL);
    published.sts = POLICY_STS_UNKNOWN;
    published.failure = "there are no trusted roots to judge mta-sts.example.org by";
    assert_int_equal(tally(), 0);
    publish_tlsa(POLICY_TLSA_USABLE, CHAIN_TLSA_MATCHED);
    assert_int_equal(tally(), 1);
    assert_int_equal(policies[0].successes, 1);
}

static void a_record_that_cannot_be_read_is_an_invalid_policy(void **state)
{
    (void)state;
    observed_published_init(&published);
    published.sts_record = TXT_RECORD_INVALID;
    published.sts = POLICY_STS_NONE;
    session.published = &published;
    assert_int_equal(tally(), 1);
    expect_failure(&policies[0], 0, "sts-policy-invalid", "sts-record-invalid");
}

static void no_policy_and_mode_none_count_as_none(void **state)
{
    (void)state;
    observed_published_init(&published);
    published.sts = POLICY_STS_NONE;
    session.published = &published;
    assert_int_equal(tally(), 1);
    assert_int_equal(policies[0].type, TLS_REPORT_NO_POLICY);
    publish_sts(POLICY_STS_NONE);
    assert_int_equal(tally(), 1);
    assert_int_equal(policies[0].type, TLS_REPORT_NO_POLICY);
}

static void both_policies_are_judged_each_for_itself(void **state)
{
    (void)state;
    publish_sts(POLICY_STS_ENFORCE);
    publish_tlsa(POLICY_TLSA_USABLE, CHAIN_TLSA_MISMATCH);
    assert_int_equal(tally(), 2);
    assert_int_equal(policies[0].type, TLS_REPORT_TLSA);
    expect_failure(&policies[0], 0, "tlsa-invalid", "tlsa-mismatch");
    assert_int_equal(policies[1].type, TLS_REPORT_STS);
    assert_int_equal(policies[1].successes, 1);
    publish_tlsa(POLICY_TLSA_USABLE, CHAIN_TLSA_MATCHED);
    seen.host = "other.example.org";
    assert_int_equal(tally(), 2);
    assert_int_equal(policies[0].successes, 1);
    expect_failure(&policies[1], 0, "validation-failure", "sts-host-not-listed");
}

#define PROMISE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(without_a_policy_any_tls_is_a_success),
        PROMISE(a_failure_says_between_whom),
        PROMISE(a_handshake_that_fails_is_told_with_its_cause),
        PROMISE(nobody_answering_says_nothing_of_tls),
        PROMISE(what_we_did_not_want_is_not_told),
        PROMISE(our_own_rule_of_a_version_is_no_failure_of_theirs),
        PROMISE(what_a_message_asks_beyond_is_no_failure_of_theirs),
        PROMISE(tlsa_records_that_match_are_a_success_whatever_the_chain),
        PROMISE(tlsa_records_that_do_not_match_are_invalid),
        PROMISE(without_starttls_that_is_why_dane_fails),
        PROMISE(unusable_records_fail_once_and_so_does_what_else_failed),
        PROMISE(a_failing_lookup_in_a_secure_zone_is_dnssec_invalid),
        PROMISE(at_level_dane_only_missing_records_are_dane_required),
        PROMISE(behind_an_unsigned_mx_records_are_compared_all_the_same),
        PROMISE(a_zone_that_cannot_be_believed_counts_though_nobody_is_dialled),
        PROMISE(what_a_greeting_says_first_is_the_name),
        PROMISE(a_trusted_host_that_is_listed_is_a_success_of_mta_sts),
        PROMISE(a_chain_with_two_flaws_has_two_results),
        PROMISE(a_host_that_is_not_listed_fails_also_where_nobody_dials_it),
        PROMISE(a_policy_that_cannot_be_had_fails_once_a_session),
        PROMISE(our_own_failure_to_look_is_nobodys_policy),
        PROMISE(a_record_that_cannot_be_read_is_an_invalid_policy),
        PROMISE(no_policy_and_mode_none_count_as_none),
        PROMISE(both_policies_are_judged_each_for_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
