/* tests/unit/diagnose/judge_self_test.c - is it our clock, or our trust store? */
#include "samples.h"

#include <string.h>

static void blames_a_clock_before_our_own_making(void **state)
{
    struct observation seen;

    (void)state;
    sample_healthy(&seen);
    seen.wall_s = SAMPLE_NOW - 20LL * SAMPLE_DAY; /* built ten days before SAMPLE_NOW */
    expect_first(sample_judge(&seen, NULL), "clock-wrong", FAULT_CLIENT, SEVERITY_UNTRUSTED);
    seen.wall_s = SAMPLE_NOW + 29LL * 365 * SAMPLE_DAY; /* and all that it sees has ended */
    expect_first(sample_judge(&seen, NULL), "clock-wrong", FAULT_CLIENT, SEVERITY_UNTRUSTED);
    seen.wall_s = SAMPLE_NOW;
    assert_int_equal(sample_judge(&seen, NULL)->count, 0);
}

static void puts_the_clock_before_the_dates_that_it_spoils(void **state)
{
    struct observation seen;
    const struct findings *findings;

    (void)state;
    sample_healthy(&seen);
    seen.wall_s = SAMPLE_NOW - 2000LL * SAMPLE_DAY;
    seen.verdict.is_trusted = false;
    seen.verdict.flaws[0] = (struct chain_flaw){ .kind = CHAIN_NOT_YET_VALID,
                                                 .is_fatal = true,
                                                 .subject = SAMPLE_SUBJECT,
                                                 .time_s = SAMPLE_NOW };
    seen.verdict.flaw_count = 1;
    findings = sample_judge(&seen, NULL);
    expect_first(findings, "clock-wrong", FAULT_CLIENT, SEVERITY_UNTRUSTED);
    assert_string_equal(findings->items[1].code, "certificate-not-yet-valid");
    assert_string_equal(findings->items[1].because_of, "clock-wrong");
}

/* One new certificate below issuers of long ago is the server's to answer for. */
static void leaves_a_young_leaf_to_the_server(void **state)
{
    struct observation seen;

    (void)state;
    sample_healthy(&seen);
    seen.verdict.is_trusted = false;
    seen.verdict.certificates[0].not_before_s = SAMPLE_NOW + 30 * SAMPLE_DAY;
    seen.verdict.flaws[0] = (struct chain_flaw){ .kind = CHAIN_NOT_YET_VALID,
                                                 .is_fatal = true,
                                                 .subject = SAMPLE_SUBJECT,
                                                 .time_s = SAMPLE_NOW + 30 * SAMPLE_DAY };
    seen.verdict.flaw_count = 1;
    expect_first(sample_judge(&seen, NULL), "certificate-not-yet-valid", FAULT_SERVER,
                 SEVERITY_UNTRUSTED);
}

static void says_why_there_is_no_root(void **state)
{
    struct observation seen;

    (void)state;
    sample_healthy(&seen);
    seen.self.anchor_count = 0;
    seen.self.anchor_problem = "no such file";
    expect_first(sample_judge(&seen, NULL), "trust-store-empty", FAULT_CLIENT, SEVERITY_UNTRUSTED);
    assert_non_null(strstr(sample_judge(&seen, NULL)->items[0].cause, "no such file"));
    seen.verdict.tlsa = CHAIN_TLSA_MATCHED; /* DANE needs no roots */
    seen.tlsa = POLICY_TLSA_USABLE;
    expect_first(sample_judge(&seen, NULL), "trust-store-empty", FAULT_CLIENT, SEVERITY_WARNING);
}

SAMPLES_RUN(cmocka_unit_test(blames_a_clock_before_our_own_making),
            cmocka_unit_test(puts_the_clock_before_the_dates_that_it_spoils),
            cmocka_unit_test(leaves_a_young_leaf_to_the_server),
            cmocka_unit_test(says_why_there_is_no_root))
