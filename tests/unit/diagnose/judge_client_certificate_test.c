/* tests/unit/diagnose/judge_client_certificate_test.c - when our client certificate is the trouble */
#include "samples.h"

#include <string.h>

static void asked(struct observation *seen, bool tls13, bool sent)
{
    if (tls13) {
        sample_healthy(seen);
        seen->reached = STEP_HANDSHAKE;
        seen->ehlo_after_tls.came = seen->quit.came = false;
    } else {
        sample_no_handshake(seen, ENDING_TLS);
        seen->tls.has_server_hello = true;
        seen->tls.version = TLS_VERSION_1_2;
        seen->tls.last_message_received = 14;
        seen->tls.last_message_sent = 20;
    }
    seen->tls.client_certificate_requested = true;
    seen->tls.client_certificate_sent = sent;
}

static void own(struct observation *seen, enum tls_credentials_state state)
{
    seen->self.has_client_certificate = true;
    seen->self.client_certificate_state = state;
    seen->self.client_certificate_subject = "CN=us.example.net";
    seen->self.client_certificate_file = "us.pem";
    seen->self.client_certificate_ended_s = SAMPLE_NOW - 3 * SAMPLE_DAY;
}

static void expect(const struct observation *seen, const struct experiments *made, const char *code)
{
    expect_first(sample_judge(seen, made), code, FAULT_CLIENT, SEVERITY_FATAL);
}

static void blames_us_for_having_none(void **state)
{
    static const uint8_t alerts[] = { 116, 40, 42, 46 };
    struct observation seen;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(alerts); i++) {
        asked(&seen, alerts[i] == 116, false);
        sample_alert(&seen, alerts[i], false);
        expect(&seen, NULL, "client-certificate-required");
    }
    asked(&seen, false, false); /* and plain FIN */
    seen.ending = ENDING_CLOSED;
    expect(&seen, NULL, "client-certificate-required");
    asked(&seen, true, false);
    seen.reached = STEP_AFTER_TLS;
    seen.ending = ENDING_CLOSED;
    seen.ended_after_tls = true;
    expect(&seen, NULL, "client-certificate-required");
    asked(&seen, true, false); /* said in SMTP */
    seen.reached = STEP_AFTER_TLS;
    seen.ending = ENDING_STOPPED;
    seen.ehlo_after_tls = sample_reply(530, "530 5.7.0 No client certificate presented\r\n");
    expect(&seen, NULL, "client-certificate-required");
}

static void blames_ours_where_it_is_refused(void **state)
{
    struct observation seen;
    struct experiments made = { .count = 0 };

    (void)state;
    asked(&seen, true, true);
    own(&seen, TLS_CREDENTIALS_FINE);
    sample_alert(&seen, 48, false);
    expect(&seen, NULL, "client-certificate-rejected");
    (void)sample_experiment(&made, &seen, DIAL_WITHOUT_CLIENT_CERTIFICATE, true);
    expect(&seen, &made, "client-certificate-rejected");
    assert_non_null(strstr(sample_judge(&seen, &made)->items[0].remedy, "Show none"));
    asked(&seen, true, true); /* certificate_expired, of one that has not */
    own(&seen, TLS_CREDENTIALS_FINE);
    seen.self.client_certificate_ended_s = SAMPLE_NOW + 3 * SAMPLE_DAY;
    sample_alert(&seen, 45, false);
    expect(&seen, NULL, "client-certificate-rejected");
    assert_non_null(strstr(sample_judge(&seen, NULL)->items[0].cause, "24 November 2026"));
}

static void names_what_is_wrong_with_ours_first(void **state)
{
    struct observation seen;
    const struct findings *findings;

    (void)state;
    asked(&seen, false, true);
    own(&seen, TLS_CREDENTIALS_EXPIRED);
    sample_alert(&seen, 45, false);
    findings = sample_judge(&seen, NULL);
    expect_first(findings, "client-certificate-expired", FAULT_CLIENT, SEVERITY_FATAL);
    assert_string_equal(findings->items[1].code, "client-certificate-rejected");
    assert_string_equal(findings->items[1].because_of, "client-certificate-expired");
    asked(&seen, true, false);
    own(&seen, TLS_CREDENTIALS_KEY_MISMATCH);
    sample_alert(&seen, 116, false);
    expect(&seen, NULL, "client-certificate-unusable");
}

static void blames_ours_where_the_server_hangs_up_with_it_and_without(void **state)
{
    struct observation seen;
    struct experiments made = { .count = 0 };

    (void)state;
    asked(&seen, false, true);
    own(&seen, TLS_CREDENTIALS_FINE);
    seen.ending = ENDING_CLOSED;
    (void)sample_experiment(&made, &seen, DIAL_WITHOUT_CLIENT_CERTIFICATE, false);
    expect(&seen, &made, "client-certificate-rejected");
    own(&seen, TLS_CREDENTIALS_EXPIRED);
    expect(&seen, &made, "client-certificate-expired");
}

/* GnuTLS, Exchange: whoever shows none, or one of an authority that it does not know, is cut off
 * without an alert. */
static void blames_us_for_having_none_where_a_strangers_does_not_help(void **state)
{
    struct observation seen;
    struct experiments made = { .count = 0 };

    (void)state;
    asked(&seen, false, false);
    seen.ending = ENDING_RESET;
    (void)sample_experiment(&made, &seen, DIAL_WITH_CLIENT_CERTIFICATE, false);
    expect(&seen, &made, "client-certificate-required");
    assert_non_null(strstr(sample_judge(&seen, &made)->items[0].cause, "without a word"));
    made.count = 0; /* with any certificate it works */
    (void)sample_experiment(&made, &seen, DIAL_WITH_CLIENT_CERTIFICATE, true);
    assert_null(strstr(sample_judge(&seen, &made)->items[0].cause, "without a word"));
}

static void only_warns_where_nothing_failed_by_it(void **state)
{
    struct observation seen;

    (void)state;
    sample_healthy(&seen);
    own(&seen, TLS_CREDENTIALS_EXPIRED);
    expect_first(sample_judge(&seen, NULL), "client-certificate-expired", FAULT_CLIENT,
                 SEVERITY_WARNING);
    own(&seen, TLS_CREDENTIALS_FINE);
    seen.tls.client_certificate_requested = true;
    assert_int_equal(sample_judge(&seen, NULL)->count, 0);
}

static void leaves_other_endings_to_others(void **state)
{
    struct observation seen;
    struct experiments made = { .count = 0 };

    (void)state;
    asked(&seen, true, false); /* without one TLS 1.2 succeeds: it is not about that */
    seen.reached = STEP_AFTER_TLS;
    seen.ending = ENDING_RESET;
    seen.ended_after_tls = true;
    (void)sample_experiment(&made, &seen, DIAL_WITH_CLIENT_CERTIFICATE, false);
    (void)sample_experiment(&made, &seen, DIAL_TLS12_ONLY, true);
    expect_first(sample_judge(&seen, &made), "after-tls-closed", FAULT_SERVER, SEVERITY_FATAL);
    seen.ending = ENDING_CLOSED; /* a busy server that asks everybody, as Exchange does */
    seen.ended_after_tls = false;
    seen.ehlo_after_tls = sample_reply(421, "421 4.3.2 Service not available\r\n");
    expect_first(sample_judge(&seen, NULL), "after-tls-ehlo-rejected", FAULT_SERVER,
                 SEVERITY_FATAL);
    sample_no_handshake(&seen, ENDING_TLS); /* never asked for one */
    sample_alert(&seen, 49, false);
    expect_first(sample_judge(&seen, NULL), "handshake-alert", FAULT_SERVER, SEVERITY_FATAL);
}

static void warns_of_ours_before_any_server_is_dialled(void **state)
{
    static const struct {
        enum tls_credentials_state state;
        const char *code;
    } cases[] = { { TLS_CREDENTIALS_EXPIRED, "client-certificate-expired" },
                  { TLS_CREDENTIALS_KEY_MISMATCH, "client-certificate-unusable" },
                  { TLS_CREDENTIALS_NOT_YET_VALID, "client-certificate-unusable" } };
    AUTO(arena_clear) struct arena texts;
    struct observation seen = { .port = 0 };
    struct findings findings = { .count = 0 };

    (void)state;
    arena_init(&texts, 1 << 20);
    judge_own_certificate(&seen.self, SAMPLE_NOW, &texts, &findings); /* none */
    own(&seen, TLS_CREDENTIALS_FINE);
    judge_own_certificate(&seen.self, SAMPLE_NOW, &texts, &findings);
    assert_int_equal(findings.count, 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        findings.count = 0;
        own(&seen, cases[i].state);
        judge_own_certificate(&seen.self, SAMPLE_NOW, &texts, &findings);
        expect_first(&findings, cases[i].code, FAULT_CLIENT, SEVERITY_WARNING);
        assert_non_null(strstr(findings.items[0].cause, "CN=us.example.net"));
        assert_true(findings.items[0].evidence_count > 0);
    }
}

SAMPLES_RUN(cmocka_unit_test(blames_us_for_having_none),
            cmocka_unit_test(blames_ours_where_it_is_refused),
            cmocka_unit_test(names_what_is_wrong_with_ours_first),
            cmocka_unit_test(blames_ours_where_the_server_hangs_up_with_it_and_without),
            cmocka_unit_test(blames_us_for_having_none_where_a_strangers_does_not_help),
            cmocka_unit_test(only_warns_where_nothing_failed_by_it),
            cmocka_unit_test(leaves_other_endings_to_others),
            cmocka_unit_test(warns_of_ours_before_any_server_is_dialled))
