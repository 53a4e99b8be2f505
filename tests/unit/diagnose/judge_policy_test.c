/* tests/unit/diagnose/judge_policy_test.c - what was published or pinned, against what was shown */
#include "samples.h"

#include <string.h>

static const char *records[] = { "3 1 1 "
                                 "00000000000000000000000000000000"
                                 "00000000000000000000000000000000" };

static void with_tlsa(struct observation *seen, enum policy_tlsa tlsa, enum chain_tlsa verdict)
{
    sample_healthy(seen);
    seen->level = POLICY_DANE;
    seen->dnssec = DNS_SECURE;
    seen->tlsa = tlsa;
    seen->tlsa_records = records;
    seen->tlsa_count = 1;
    seen->verdict.tlsa = verdict;
}

static void puts_a_tlsa_mismatch_before_pkix(void **state)
{
    struct observation seen;
    const struct findings *findings;

    (void)state;
    with_tlsa(&seen, POLICY_TLSA_USABLE, CHAIN_TLSA_MISMATCH);
    seen.verdict.is_trusted = false;
    seen.verdict.flaws[0] =
        (struct chain_flaw){ .kind = CHAIN_SELF_SIGNED, .is_fatal = true, .subject = "CN=x" };
    seen.verdict.flaw_count = 1;
    findings = sample_judge(&seen, NULL);
    expect_first(findings, "tlsa-mismatch", FAULT_POLICY, SEVERITY_UNTRUSTED);
    assert_non_null(strstr(findings->items[0].evidence[0], "3 1 1 0000"));
    assert_string_equal(findings->items[1].code, "certificate-self-signed");
    with_tlsa(&seen, POLICY_TLSA_USABLE, CHAIN_TLSA_MATCHED);
    assert_int_equal(sample_judge(&seen, NULL)->count, 0);
}

static void tells_unusable_failing_and_missing_records_apart(void **state)
{
    static const char *unusable[] = { "1 1 1 "
                                      "00000000000000000000000000000000"
                                      "00000000000000000000000000000000" };
    struct observation seen;
    const struct findings *findings;

    (void)state;
    with_tlsa(&seen, POLICY_TLSA_UNUSABLE, CHAIN_TLSA_UNUSABLE);
    seen.tlsa_records = unusable;
    expect_first(sample_judge(&seen, NULL), "tlsa-unusable", FAULT_POLICY, SEVERITY_UNTRUSTED);
    with_tlsa(&seen, POLICY_TLSA_LOOKUP_FAILED, CHAIN_TLSA_NONE);
    seen.tlsa_count = 0;
    expect_first(sample_judge(&seen, NULL), "tlsa-lookup-failed", FAULT_DNS, SEVERITY_UNTRUSTED);
    seen.level = POLICY_DANE_ONLY;
    findings = sample_judge(&seen, NULL);
    expect_first(findings, "tlsa-lookup-failed", FAULT_DNS, SEVERITY_UNTRUSTED);
    assert_string_equal(findings->items[1].because_of, "tlsa-lookup-failed");
    seen.tlsa = POLICY_TLSA_NONE;
    expect_first(sample_judge(&seen, NULL), "dane-required", FAULT_POLICY, SEVERITY_UNTRUSTED);
    seen.level = POLICY_DANE; /* there, none is needed */
    assert_int_equal(sample_judge(&seen, NULL)->count, 0);
}

/* Who was never dialled has no flaw but the one for which he was not. */
static void says_why_a_host_was_passed_over_and_nothing_else(void **state)
{
    const struct findings *findings;
    struct observation seen;

    (void)state;
    observation_init(&seen);
    seen.domain = "example.org";
    seen.host = "mx.example.org";
    seen.address = "192.0.2.1";
    seen.port = 25;
    seen.ending = ENDING_BARRED;
    seen.reached = STEP_POLICY;
    seen.tlsa = POLICY_TLSA_LOOKUP_FAILED;
    findings = sample_judge(&seen, NULL);
    assert_int_equal(findings->count, 1);
    assert_string_equal(findings->items[0].code, "tlsa-lookup-failed");
    seen.tlsa = POLICY_TLSA_NONE;
    seen.level = POLICY_DANE_ONLY;
    findings = sample_judge(&seen, NULL);
    assert_int_equal(findings->count, 1);
    assert_string_equal(findings->items[0].code, "dane-required");
    seen.level = POLICY_STS;
    seen.sts = POLICY_STS_ENFORCE;
    findings = sample_judge(&seen, NULL);
    assert_int_equal(findings->count, 1);
    assert_string_equal(findings->items[0].code, "sts-host-not-listed");
}

static void holds_hosts_to_the_sts_policy(void **state)
{
    struct observation seen;

    (void)state;
    sample_healthy(&seen);
    seen.sts = POLICY_STS_ENFORCE;
    expect_first(sample_judge(&seen, NULL), "sts-host-not-listed", FAULT_POLICY,
                 SEVERITY_UNTRUSTED);
    seen.sts = POLICY_STS_TESTING;
    expect_first(sample_judge(&seen, NULL), "sts-host-not-listed", FAULT_POLICY, SEVERITY_WARNING);
    seen.sts_host_listed = true;
    assert_int_equal(sample_judge(&seen, NULL)->count, 0);
}

static void tells_the_fingerprint_that_came(void **state)
{
    struct observation seen;
    const struct findings *findings;

    (void)state;
    sample_healthy(&seen);
    seen.level = POLICY_FINGERPRINT;
    seen.fingerprint_asked = true;
    seen.fingerprint_wanted = "1234";
    findings = sample_judge(&seen, NULL);
    expect_first(findings, "fingerprint-mismatch", FAULT_POLICY, SEVERITY_UNTRUSTED);
    assert_non_null(strstr(findings->items[0].remedy, "aa"));
    seen.fingerprint_matched = true;
    assert_int_equal(sample_judge(&seen, NULL)->count, 0);
}

static void holds_the_version_to_the_rule(void **state)
{
    struct observation seen;

    (void)state;
    sample_healthy(&seen);
    seen.tls.version = TLS_VERSION_1_2;
    seen.minimum_version = TLS_VERSION_1_3;
    expect_first(sample_judge(&seen, NULL), "version-below-minimum", FAULT_SERVER,
                 SEVERITY_UNTRUSTED);
    seen.minimum_version = TLS_VERSION_1_2;
    assert_int_equal(sample_judge(&seen, NULL)->count, 0);
}

SAMPLES_RUN(cmocka_unit_test(puts_a_tlsa_mismatch_before_pkix),
            cmocka_unit_test(tells_unusable_failing_and_missing_records_apart),
            cmocka_unit_test(says_why_a_host_was_passed_over_and_nothing_else),
            cmocka_unit_test(holds_hosts_to_the_sts_policy),
            cmocka_unit_test(tells_the_fingerprint_that_came),
            cmocka_unit_test(holds_the_version_to_the_rule))
