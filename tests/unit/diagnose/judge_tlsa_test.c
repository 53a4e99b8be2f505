/* tests/unit/diagnose/judge_tlsa_test.c - what does not fit in TLSA records, and what would. */
#include "samples.h"

#include <string.h>

#include "trust/dane.h"
#include "unit/trust/make_chain.h"

static struct made root, intermediate, leaf, other;

static int make_all(void **state)
{
    samples_set_up(state);
    root = make_root("Root");
    intermediate = make_intermediate("Inter", &root);
    leaf = make_leaf("mx.example.org", &intermediate);
    other = make_leaf("mx.example.org", &intermediate);
    return 0;
}

static int free_all(void **state)
{
    samples_tear_down(state);
    make_free(&root);
    make_free(&intermediate);
    make_free(&leaf);
    make_free(&other);
    return 0;
}

static const char *record_of(const struct made *made, uint8_t usage, uint8_t selector,
                             uint8_t matching)
{
    return dane_record_for(&arena, made->der, usage, selector, matching);
}

/* [leaf, intermediate] against records of which none matches. */
static void with_records(struct observation *seen, const char **records, size_t count)
{
    sample_healthy(seen);
    seen->level = POLICY_DANE;
    seen->dnssec = seen->mx_dnssec = DNS_SECURE;
    seen->has_lookups = true;
    seen->tlsa = POLICY_TLSA_USABLE;
    seen->tlsa_records = records;
    seen->tlsa_count = count;
    seen->verdict.tlsa = CHAIN_TLSA_MISMATCH;
    certificate_read(&arena, leaf.der, &seen->verdict.certificates[0]);
    certificate_read(&arena, intermediate.der, &seen->verdict.certificates[1]);
    seen->wall_s = seen->verdict.certificates[0].not_before_s + 365LL * SAMPLE_DAY;
}

static const struct finding *mismatch(const struct observation *seen)
{
    const struct findings *findings = sample_judge(seen, NULL);

    for (size_t i = 0; i < findings->count; i++)
        if (strcmp(findings->items[i].code, "tlsa-mismatch") == 0)
            return &findings->items[i];
    fail_msg("no mismatch was found");
    return NULL;
}

static bool proves(const struct finding *finding, const char *words)
{
    for (size_t i = 0; i < finding->evidence_count; i++)
        if (strstr(finding->evidence[i], words) != NULL)
            return true;
    return false;
}

static void prints_the_record_that_would_match(void **state)
{
    const char *records[] = { record_of(&other, 3, 1, 1) };
    struct observation seen;
    const struct finding *finding;

    (void)state;
    with_records(&seen, records, 1);
    seen.tlsa_base = "base.example.net";
    finding = mismatch(&seen);
    assert_non_null(strstr(finding->remedy, record_of(&leaf, 3, 1, 1)));
    assert_non_null(strstr(finding->remedy, "_25._tcp.base.example.net. IN TLSA"));
    assert_true(proves(finding, record_of(&leaf, 3, 1, 1)));
    assert_false(proves(finding, "would match: 2"));
    records[0] = record_of(&other, 2, 1, 1);
    with_records(&seen, records, 1);
    assert_true(proves(mismatch(&seen), record_of(&intermediate, 2, 0, 1)));
}

static void says_whether_pkix_would_have_passed(void **state)
{
    const char *records[] = { record_of(&other, 3, 1, 1) };
    struct observation seen;

    (void)state;
    with_records(&seen, records, 1);
    assert_true(proves(mismatch(&seen), "PKIX would pass"));
    seen.verdict.is_trusted = false;
    assert_true(proves(mismatch(&seen), "PKIX would fail too: the chain is not trusted"));
    with_records(&seen, records, 1);
    seen.host_named = false;
    assert_true(proves(mismatch(&seen), "does not name the host"));
}

static void tells_a_renewal_without_a_new_record(void **state)
{
    const char *records[] = { record_of(&other, 3, 1, 1) };
    struct observation seen;
    struct certificate before;

    (void)state;
    with_records(&seen, records, 1);
    assert_non_null(strstr(mismatch(&seen)->cause, "does not match the certificate"));
    assert_true(proves(mismatch(&seen), "365 days before"));
    seen.wall_s = seen.verdict.certificates[0].not_before_s + 3 * SAMPLE_DAY;
    assert_non_null(strstr(mismatch(&seen)->cause, "looks as if it was renewed"));
    certificate_read(&arena, other.der, &before); /* what was there when mail last went */
    seen.known_key_sha256 = before.spki_sha256;
    seen.known_key_s = SAMPLE_NOW - 9LL * SAMPLE_DAY;
    assert_non_null(strstr(mismatch(&seen)->cause, "has had a new key since 12 November 2026"));
    seen.known_key_sha256 = "00"; /* neither did that one match */
    assert_non_null(strstr(mismatch(&seen)->cause, "looks as if it was renewed"));
}

static void tells_the_right_data_under_the_wrong_numbers(void **state)
{
    const struct {
        const struct made *of;
        uint8_t selector, matching;
        const char *head, *right;
    } cases[] = {
        { &leaf, 1, 1, "3 0 1", "3 1 1" },         { &leaf, 0, 1, "3 1 1", "3 0 1" },
        { &leaf, 1, 2, "3 0 2", "3 1 2" },         { &leaf, 0, 1, "2 0 1", "3 0 1" },
        { &intermediate, 1, 1, "3 1 1", "2 1 1" }, { &intermediate, 0, 2, "3 0 2", "2 0 2" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const char *right = record_of(cases[i].of, 3, cases[i].selector, cases[i].matching);
        const char *records[] = { record_of(&other, 3, 1, 1),
                                  arena_format(&arena, "%s%s", cases[i].head,
                                               strrchr(right, ' ')) };
        struct observation seen;
        const struct finding *finding;

        with_records(&seen, records, 2);
        finding = mismatch(&seen);
        if (strstr(finding->cause, "record 2 ") == NULL ||
            strstr(finding->cause, cases[i].right) == NULL ||
            strstr(finding->cause, cases[i].head) == NULL)
            fail_msg("%s: %s", cases[i].right, finding->cause);
        assert_non_null(strstr(finding->remedy,
                               arena_format(&arena, "%s%s", cases[i].right, strrchr(right, ' '))));
    }
}

static void leaves_a_record_that_holds_to_what_hangs_below_it(void **state)
{
    const char *records[] = { record_of(&intermediate, 2, 0, 1) };
    struct observation seen;
    const struct finding *finding;

    (void)state;
    with_records(&seen, records, 1);
    seen.verdict.tlsa_detail =
        "record 1 matches the issuer CN=Inter, but the certificate has expired";
    seen.verdict.flaws[seen.verdict.flaw_count++] = (struct chain_flaw){
        .kind = CHAIN_EXPIRED, .is_fatal = true, .subject = "CN=x", .detail = ""
    };
    finding = mismatch(&seen);
    assert_true(proves(finding, "but the certificate has expired"));
    assert_string_equal(finding->because_of, "certificate-expired");
    assert_int_equal(finding->fault, FAULT_SERVER);
    assert_non_null(strstr(finding->remedy, "Leave the TLSA record as it is"));
    assert_false(proves(finding, arena_format(&arena, "would match: %s", records[0])));
}

static void names_the_lookup_that_failed(void **state)
{
    struct observation seen;
    const struct findings *findings;

    (void)state;
    with_records(&seen, NULL, 0);
    seen.verdict.tlsa = CHAIN_TLSA_NONE;
    seen.tlsa = POLICY_TLSA_LOOKUP_FAILED;
    seen.tlsa_failure = "_25._tcp.mx.example.org TLSA: bogus: signature expired";
    findings = sample_judge(&seen, NULL);
    expect_first(findings, "tlsa-lookup-failed", FAULT_DNS, SEVERITY_UNTRUSTED);
    assert_string_equal(findings->items[0].evidence[0], seen.tlsa_failure);
}

/* RFC 7672 section 2.2.1 */
static void says_that_an_unsigned_mx_names_the_host(void **state)
{
    const char *records[] = { record_of(&leaf, 3, 1, 1) };
    struct observation seen;
    const struct findings *findings;

    (void)state;
    with_records(&seen, records, 1);
    seen.verdict.tlsa = CHAIN_TLSA_MATCHED;
    assert_int_equal(sample_judge(&seen, NULL)->count, 0);
    seen.mx_dnssec = DNS_INSECURE;
    findings = sample_judge(&seen, NULL);
    assert_int_equal(findings->count, 1);
    expect_first(findings, "dane-mx-insecure", FAULT_DNS, SEVERITY_NOTICE);
    seen.level = POLICY_DANE_ONLY;
    findings = sample_judge(&seen, NULL);
    expect_first(findings, "dane-mx-insecure", FAULT_DNS, SEVERITY_UNTRUSTED);
    assert_string_equal(findings->items[1].code, "dane-required");
    assert_string_equal(findings->items[1].because_of, "dane-mx-insecure");
}

static void says_what_became_of_records_that_count_for_nothing(void **state)
{
    static const char failure[] =
        "_25._tcp.mx.example.org TLSA: the answer is not signed, so it counts for nothing";
    struct observation seen;
    const struct findings *findings;

    (void)state;
    with_records(&seen, NULL, 0);
    seen.verdict.tlsa = CHAIN_TLSA_NONE;
    seen.tlsa = POLICY_TLSA_NONE;
    seen.level = POLICY_DANE_ONLY;
    seen.tlsa_failure = failure;
    findings = sample_judge(&seen, NULL);
    expect_first(findings, "dane-required", FAULT_POLICY, SEVERITY_UNTRUSTED);
    assert_non_null(strstr(findings->items[0].cause, failure));
    seen.tlsa_failure = NULL;
    assert_non_null(
        strstr(sample_judge(&seen, NULL)->items[0].cause, "its zone is signed and has none"));
}

static void with_flaw(struct observation *seen, enum policy_level level,
                      enum observed_tlsa_flaw_kind kind, const char *alias)
{
    with_records(seen, NULL, 0);
    seen->level = level;
    seen->tlsa = POLICY_TLSA_NONE;
    seen->verdict.tlsa = CHAIN_TLSA_NONE;
    seen->tlsa_flaw = (struct observed_tlsa_flaw){ kind, "_25._tcp.mx.example.org", alias };
    seen->tlsa_failure = "_25._tcp.mx.example.org TLSA: why";
}

static const struct finding *first(const struct observation *seen, const char *code)
{
    const struct findings *findings = sample_judge(seen, NULL);

    expect_first(findings, code, FAULT_DNS, SEVERITY_UNTRUSTED);
    return &findings->items[0];
}

static void says_what_to_publish_where_an_alias_leads_nowhere(void **state)
{
    struct observation seen;
    const struct finding *finding;

    (void)state;
    with_flaw(&seen, POLICY_DANE, TLSA_FLAW_DANGLING, "_dane.example.net");
    finding = first(&seen, "tlsa-dangling");
    assert_non_null(strstr(finding->cause, "_25._tcp.mx.example.org is an alias of "
                                           "_dane.example.net"));
    assert_non_null(strstr(finding->remedy, arena_format(&arena, "_dane.example.net. IN TLSA %s",
                                                         record_of(&leaf, 3, 1, 1))));
    assert_non_null(
        strstr(finding->remedy, arena_format(&arena, "_25._tcp.mx.example.org. IN TLSA %s",
                                             record_of(&leaf, 3, 1, 1))));
    assert_true(proves(finding, "TLSA: why"));
}

static void says_which_zone_is_to_be_signed(void **state)
{
    struct observation seen;
    const struct finding *finding;

    (void)state;
    with_flaw(&seen, POLICY_DANE, TLSA_FLAW_INSECURE, "_dane.example.net");
    finding = first(&seen, "tlsa-insecure");
    assert_non_null(strstr(finding->remedy, "Sign the zone of _dane.example.net"));
    with_flaw(&seen, POLICY_DANE, TLSA_FLAW_INSECURE, NULL);
    finding = first(&seen, "tlsa-insecure");
    assert_null(strstr(finding->cause, "alias"));
    assert_non_null(strstr(finding->cause, "a zone of their own"));
}

static void warns_of_worthless_records_where_the_level_asks_for_none(void **state)
{
    const enum policy_level levels[] = { POLICY_MAY, POLICY_VERIFY, POLICY_STS };
    struct observation seen;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
        with_flaw(&seen, levels[i], TLSA_FLAW_DANGLING, "_dane.example.net");
        expect_first(sample_judge(&seen, NULL), "tlsa-dangling", FAULT_DNS, SEVERITY_WARNING);
    }
    with_flaw(&seen, POLICY_MAY, TLSA_FLAW_NONE, NULL);
    assert_int_equal(sample_judge(&seen, NULL)->count, 0);
}

static void a_rule_of_dane_only_fails_because_of_worthless_records(void **state)
{
    struct observation seen;
    const struct findings *findings;

    (void)state;
    with_flaw(&seen, POLICY_DANE_ONLY, TLSA_FLAW_DANGLING, "_dane.example.net");
    findings = sample_judge(&seen, NULL);
    expect_first(findings, "tlsa-dangling", FAULT_DNS, SEVERITY_UNTRUSTED);
    assert_string_equal(findings->items[1].code, "dane-required");
    assert_string_equal(findings->items[1].because_of, "tlsa-dangling");
    assert_non_null(strstr(findings->items[1].cause, "TLSA: why"));
}

static void takes_a_saved_flaw_that_names_nothing(void **state)
{
    struct observation seen;

    (void)state;
    with_flaw(&seen, POLICY_DANE, TLSA_FLAW_DANGLING, NULL);
    seen.tlsa_flaw.name = seen.tlsa_failure = NULL;
    expect_first(sample_judge(&seen, NULL), "tlsa-dangling", FAULT_DNS, SEVERITY_UNTRUSTED);
}

int main(void)
{
#define PROMISE(name) cmocka_unit_test(name)
    const struct CMUnitTest tests[] = {
        PROMISE(prints_the_record_that_would_match),
        PROMISE(says_what_became_of_records_that_count_for_nothing),
        PROMISE(says_whether_pkix_would_have_passed),
        PROMISE(tells_a_renewal_without_a_new_record),
        PROMISE(tells_the_right_data_under_the_wrong_numbers),
        PROMISE(leaves_a_record_that_holds_to_what_hangs_below_it),
        PROMISE(names_the_lookup_that_failed),
        PROMISE(says_that_an_unsigned_mx_names_the_host),
        PROMISE(says_what_to_publish_where_an_alias_leads_nowhere),
        PROMISE(says_which_zone_is_to_be_signed),
        PROMISE(warns_of_worthless_records_where_the_level_asks_for_none),
        PROMISE(a_rule_of_dane_only_fails_because_of_worthless_records),
        PROMISE(takes_a_saved_flaw_that_names_nothing),
    };

    return cmocka_run_group_tests(tests, make_all, free_all);
}
