/* tests/unit/diagnose/judge_certificate_test.c - every flaw of a chain becomes its finding */
#include "samples.h"

#include <string.h>

static void with_flaw(struct observation *seen, enum chain_flaw_kind kind, bool is_fatal)
{
    sample_healthy(seen);
    seen->verdict.flaws[0] = (struct chain_flaw){ .kind = kind,
                                                  .is_fatal = is_fatal,
                                                  .sent_index = 0,
                                                  .subject = SAMPLE_SUBJECT,
                                                  .detail = "as the verifier says",
                                                  .time_s = SAMPLE_NOW - 3 * SAMPLE_DAY };
    seen->verdict.flaw_count = 1;
    seen->verdict.is_trusted = !is_fatal;
    if (kind == CHAIN_NAME_MISMATCH || kind == CHAIN_NAME_ONLY_IN_CN)
        seen->host_named = seen->verdict.name_matched = false;
}

static void gives_each_flaw_its_code(void **state)
{
    static const char *const codes[CHAIN_KIND_COUNT] = {
        [CHAIN_EMPTY] = "certificate-missing",
        [CHAIN_UNREADABLE] = "certificate-unreadable",
        [CHAIN_EXPIRED] = "certificate-expired",
        [CHAIN_NOT_YET_VALID] = "certificate-not-yet-valid",
        [CHAIN_INTERMEDIATE_EXPIRED] = "certificate-intermediate-expired",
        [CHAIN_INTERMEDIATE_NOT_YET_VALID] = "certificate-not-yet-valid",
        [CHAIN_SELF_SIGNED] = "certificate-self-signed",
        [CHAIN_ISSUER_UNTRUSTED] = "certificate-issuer-untrusted",
        [CHAIN_INCOMPLETE] = "certificate-chain-incomplete",
        [CHAIN_MISORDERED] = "certificate-chain-misordered",
        [CHAIN_SUPERFLUOUS] = "certificate-chain-superfluous",
        [CHAIN_NAME_MISMATCH] = "certificate-name-mismatch",
        [CHAIN_NAME_ONLY_IN_CN] = "certificate-name-only-in-cn",
        [CHAIN_WRONG_PURPOSE] = "certificate-wrong-purpose",
        [CHAIN_NOT_A_CA] = "certificate-not-a-ca",
        [CHAIN_NAME_CONSTRAINT] = "certificate-name-constraint",
        [CHAIN_WEAK_KEY] = "certificate-weak-key",
        [CHAIN_WEAK_SIGNATURE] = "certificate-weak-signature",
        [CHAIN_BAD_SIGNATURE] = "certificate-bad-signature",
        [CHAIN_REVOKED] = "certificate-revoked",
        [CHAIN_REVOCATION_UNKNOWN] = "certificate-revocation-unknown",
        [CHAIN_STAPLE_MISSING] = "certificate-staple-missing",
        [CHAIN_STAPLE_INVALID] = "certificate-staple-invalid",
        [CHAIN_TOO_LONG] = "certificate-chain-too-long",
        [CHAIN_STRICTNESS] = "certificate-strictness",
        [CHAIN_OTHER] = "certificate-other",
        [CHAIN_EXPIRES_SOON] = "certificate-expires-soon",
    };
    struct observation seen;

    (void)state;
    for (int kind = 0; kind < CHAIN_KIND_COUNT; kind++) {
        with_flaw(&seen, (enum chain_flaw_kind)kind, true);
        expect_first(sample_judge(&seen, NULL), codes[kind], FAULT_SERVER, SEVERITY_UNTRUSTED);
    }
}

static void only_warns_where_the_chain_is_trusted_all_the_same(void **state)
{
    struct observation seen;

    (void)state;
    with_flaw(&seen, CHAIN_MISORDERED, false);
    expect_first(sample_judge(&seen, NULL), "certificate-chain-misordered", FAULT_SERVER,
                 SEVERITY_WARNING);
    with_flaw(&seen, CHAIN_EXPIRES_SOON, false);
    expect_first(sample_judge(&seen, NULL), "certificate-expires-soon", FAULT_SERVER,
                 SEVERITY_NOTICE);
    with_flaw(&seen, CHAIN_INCOMPLETE, false);
    seen.verdict.path_needs_intermediate = seen.verdict.missing_is_known = true;
    expect_first(sample_judge(&seen, NULL), "certificate-chain-incomplete", FAULT_SERVER,
                 SEVERITY_WARNING);
    assert_non_null(strstr(sample_judge(&seen, NULL)->items[0].cause, "most senders do not"));
}

static void names_what_to_append_and_where_it_is(void **state)
{
    struct observation seen;
    const struct finding *finding;

    (void)state;
    with_flaw(&seen, CHAIN_INCOMPLETE, true);
    seen.verdict.missing_issuer = "CN=Sample Intermediate";
    seen.verdict.missing_issuer_url = "http://aia.example.org/i.der";
    finding = &sample_judge(&seen, NULL)->items[0];
    assert_non_null(strstr(finding->cause, "CN=Sample Intermediate"));
    assert_non_null(strstr(finding->remedy, "http://aia.example.org/i.der"));
}

static void says_that_the_intermediate_has_another_key(void **state)
{
    struct observation seen;

    (void)state;
    with_flaw(&seen, CHAIN_INCOMPLETE, true);
    seen.verdict.flaws[0].detail = "a certificate of this name was sent, but with another key";
    seen.verdict.missing_issuer = "CN=Sample Intermediate";
    assert_non_null(strstr(sample_judge(&seen, NULL)->items[0].cause,
                           "sends CN=Sample Intermediate with another key"));
}

static void leaves_open_whose_an_expired_root_is(void **state)
{
    struct observation seen;
    const struct finding *finding;

    (void)state;
    with_flaw(&seen, CHAIN_INTERMEDIATE_EXPIRED, true);
    seen.verdict.flaws[0].sent_index = -1; /* not sent: it stands in our store */
    finding = &sample_judge(&seen, NULL)->items[0];
    assert_string_equal(finding->code, "certificate-intermediate-expired");
    assert_non_null(strstr(finding->cause, "root of our trust store that has expired"));
    assert_non_null(strstr(finding->remedy, "our trust store is too old"));
}

static void doubts_a_trust_store_of_long_ago(void **state)
{
    struct observation seen;
    const struct finding *finding;
    bool is_doubted = false;

    (void)state;
    with_flaw(&seen, CHAIN_ISSUER_UNTRUSTED, true);
    seen.self.newest_anchor_s = SAMPLE_NOW - 9LL * 365 * SAMPLE_DAY;
    finding = &sample_judge(&seen, NULL)->items[0];
    for (size_t i = 0; i < finding->evidence_count; i++)
        is_doubted = is_doubted || strstr(finding->evidence[i], "may be too old") != NULL;
    assert_true(is_doubted);
}

static void lists_every_name_that_it_does_carry(void **state)
{
    struct observation seen;
    const struct finding *finding;

    (void)state;
    with_flaw(&seen, CHAIN_NAME_MISMATCH, true);
    seen.host_reference = "mx2.example.org";
    finding = &sample_judge(&seen, NULL)->items[0];
    assert_non_null(strstr(finding->cause, "does not name mx2.example.org"));
    assert_non_null(strstr(finding->cause, "mx.example.org, mail.example.org"));
}

static void blames_no_server_for_a_name_that_nobody_said(void **state)
{
    struct observation seen;
    const struct finding *finding;

    (void)state;
    with_flaw(&seen, CHAIN_NAME_MISMATCH, true);
    seen.host = seen.host_reference = "";
    expect_first(sample_judge(&seen, NULL), "certificate-name-mismatch", FAULT_CLIENT,
                 SEVERITY_UNTRUSTED);
    finding = &sample_judge(&seen, NULL)->items[0];
    assert_non_null(strstr(finding->cause, "does not name that address"));
    assert_non_null(strstr(finding->cause, "names mx.example.org, mail.example.org"));
    assert_non_null(strstr(finding->remedy, "--connect 192.0.2.1:25 HOST"));
    assert_null(strstr(finding->remedy, "certbot"));
    seen.host = seen.host_reference = "192.0.2.7"; /* we were told to look for that one */
    expect_first(sample_judge(&seen, NULL), "certificate-name-mismatch", FAULT_SERVER,
                 SEVERITY_UNTRUSTED);
    finding = &sample_judge(&seen, NULL)->items[0];
    assert_non_null(strstr(finding->remedy, "the IP address 192.0.2.7 in subjectAltName"));
}

static void asks_no_authority_for_a_certificate_of_an_address(void **state)
{
    struct observation seen;
    const struct finding *finding;

    (void)state;
    with_flaw(&seen, CHAIN_SELF_SIGNED, true);
    finding = &sample_judge(&seen, NULL)->items[0];
    assert_non_null(strstr(finding->remedy, "certbot certonly --standalone -d mx.example.org"));
    seen.host = seen.host_reference = "";
    finding = &sample_judge(&seen, NULL)->items[0];
    assert_string_equal(finding->code, "certificate-self-signed");
    assert_null(strstr(finding->remedy, "-d 192.0.2.1"));
    assert_non_null(strstr(finding->remedy, "--connect 192.0.2.1:25 NAME"));
    assert_non_null(strstr(finding->remedy, "level = fingerprint"));
    seen.host = seen.host_reference = "192.0.2.7"; /* we were told to look for that one */
    finding = &sample_judge(&seen, NULL)->items[0];
    assert_null(strstr(finding->remedy, "certbot"));
    assert_non_null(strstr(finding->remedy, "the IP address 192.0.2.7 in subjectAltName"));
}

/* The domain is named and the MX host is not: enough for level secure, for no other. */
static void judges_the_name_that_the_level_asks_for(void **state)
{
    struct observation seen;

    (void)state;
    sample_healthy(&seen);
    seen.host_named = false;
    seen.domain_named = true;
    expect_first(sample_judge(&seen, NULL), "certificate-name-mismatch", FAULT_SERVER,
                 SEVERITY_UNTRUSTED);
    seen.level = POLICY_SECURE;
    assert_int_equal(sample_judge(&seen, NULL)->count, 0);
    seen.host_named = true;
    seen.domain_named = false;
    expect_first(sample_judge(&seen, NULL), "certificate-name-mismatch", FAULT_SERVER,
                 SEVERITY_UNTRUSTED);
    assert_non_null(strstr(sample_judge(&seen, NULL)->items[0].cause, "does not name example.org"));
}

static void says_where_sni_leads_to_the_wrong_certificate(void **state)
{
    struct observation seen;
    struct experiments made = { .count = 0 };

    (void)state;
    with_flaw(&seen, CHAIN_NAME_MISMATCH, true);
    (void)sample_experiment(&made, &seen, DIAL_WITHOUT_SNI, true);
    assert_non_null(
        strstr(sample_judge(&seen, &made)->items[0].cause, "when it is not asked by name"));
}

static void warns_for_senders_that_give_no_name(void **state)
{
    struct observation seen, without;
    struct experiments made = { .count = 1 };

    (void)state;
    sample_healthy(&seen);
    seen.tls.sni_was_used = true;
    with_flaw(&without, CHAIN_NAME_MISMATCH, true);
    without.dial = DIAL_WITHOUT_SNI;
    made.items[0] = &without;
    expect_first(sample_judge(&seen, &made), "server-needs-sni", FAULT_SERVER, SEVERITY_WARNING);
    sample_healthy(&without);
    without.dial = DIAL_WITHOUT_SNI;
    assert_int_equal(sample_judge(&seen, &made)->count, 0);
    sample_no_handshake(&without, ENDING_TLS);
    without.dial = DIAL_WITHOUT_SNI;
    expect_first(sample_judge(&seen, &made), "server-needs-sni", FAULT_SERVER, SEVERITY_WARNING);
}

static void warns_for_senders_without_tls13(void **state)
{
    struct observation seen, tls12;
    struct experiments made = { .count = 1 };

    (void)state;
    sample_healthy(&seen);
    sample_no_handshake(&tls12, ENDING_TLS);
    sample_alert(&tls12, 70, false);
    tls12.dial = DIAL_TLS12_ONLY;
    made.items[0] = &tls12;
    expect_first(sample_judge(&seen, &made), "server-tls13-only", FAULT_SERVER, SEVERITY_WARNING);
    sample_healthy(&tls12);
    tls12.dial = DIAL_TLS12_ONLY;
    tls12.tls.version = TLS_VERSION_1_2;
    assert_int_equal(sample_judge(&seen, &made)->count, 0);
}

static void warns_of_chains_that_others_do_not_take(void **state)
{
    struct observation seen;
    struct certificate *many;

    (void)state;
    sample_healthy(&seen);
    many = arena_new(&arena, 12, sizeof *many);
    for (size_t i = 0; i < 12; i++)
        many[i] = seen.verdict.certificates[i > 0];
    seen.verdict.certificates = many;
    seen.verdict.certificate_count = 12;
    expect_first(sample_judge(&seen, NULL), "certificate-large-chain", FAULT_SERVER,
                 SEVERITY_WARNING);
}

/* RFC 7671 section 5.1: DANE-EE needs neither a date nor an issuer; PKIX senders still do. */
static void only_warns_where_dane_vouches(void **state)
{
    struct observation seen;

    (void)state;
    with_flaw(&seen, CHAIN_SELF_SIGNED, true);
    seen.verdict.tlsa = CHAIN_TLSA_MATCHED;
    seen.tlsa = POLICY_TLSA_USABLE;
    expect_first(sample_judge(&seen, NULL), "certificate-self-signed", FAULT_SERVER,
                 SEVERITY_WARNING);
    seen.level = POLICY_VERIFY;
    expect_first(sample_judge(&seen, NULL), "certificate-self-signed", FAULT_SERVER,
                 SEVERITY_UNTRUSTED);
}

SAMPLES_RUN(cmocka_unit_test(gives_each_flaw_its_code),
            cmocka_unit_test(only_warns_where_the_chain_is_trusted_all_the_same),
            cmocka_unit_test(names_what_to_append_and_where_it_is),
            cmocka_unit_test(says_that_the_intermediate_has_another_key),
            cmocka_unit_test(leaves_open_whose_an_expired_root_is),
            cmocka_unit_test(doubts_a_trust_store_of_long_ago),
            cmocka_unit_test(lists_every_name_that_it_does_carry),
            cmocka_unit_test(blames_no_server_for_a_name_that_nobody_said),
            cmocka_unit_test(asks_no_authority_for_a_certificate_of_an_address),
            cmocka_unit_test(judges_the_name_that_the_level_asks_for),
            cmocka_unit_test(says_where_sni_leads_to_the_wrong_certificate),
            cmocka_unit_test(warns_for_senders_that_give_no_name),
            cmocka_unit_test(warns_for_senders_without_tls13),
            cmocka_unit_test(warns_of_chains_that_others_do_not_take),
            cmocka_unit_test(only_warns_where_dane_vouches))
