/* tests/unit/diagnose/judge_handshake_test.c - causes that one failed handshake shows by itself */
#include "samples.h"

#include <string.h>

static void expect(const struct observation *seen, const char *code, enum severity severity)
{
    expect_first(sample_judge(seen, NULL), code, FAULT_SERVER, severity);
}

static void knows_why_our_own_library_refused(void **state)
{
    static const struct {
        const char *reason, *code;
        uint8_t alert;
    } cases[] = {
        { "unsupported protocol", "handshake-no-common-version", 70 },
        { "dh key too small", "handshake-weak-dh", 40 },
        { "unsafe legacy renegotiation disabled", "handshake-legacy-renegotiation", 40 },
        { "wrong signature type", "handshake-no-common-cipher", 47 },
        { "legacy sigalg disallowed or unsupported", "handshake-no-common-cipher", 40 },
        { "wrong curve", "handshake-no-common-cipher", 47 },
        { "no suitable key share", "handshake-no-common-cipher", 40 },
        { "wrong cipher returned", "handshake-alert", 47 },
        { "decryption failed or bad record mac", "handshake-alert", 20 },
        { "digest check failed", "handshake-alert", 51 },
        { "bad signature", "handshake-alert", 51 },
        { "excessive message size", "handshake-alert", 47 },
    };
    struct observation seen;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        sample_no_handshake(&seen, ENDING_TLS);
        seen.tls.has_server_hello = true;
        seen.tls.version = TLS_VERSION_1_2;
        seen.tls.last_message_received = 2;
        seen.tls.library_reason = cases[i].reason;
        sample_alert(&seen, cases[i].alert, true);
        expect(&seen, cases[i].code, SEVERITY_FATAL);
    }
}

static void says_that_an_alert_of_ours_is_ours(void **state)
{
    struct observation seen;

    (void)state;
    sample_no_handshake(&seen, ENDING_TLS);
    seen.tls.library_reason = "decryption failed or bad record mac";
    sample_alert(&seen, 20, true);
    expect(&seen, "handshake-alert", SEVERITY_FATAL);
    assert_non_null(strstr(sample_judge(&seen, NULL)->items[0].cause, "we end the handshake"));
    assert_non_null(strstr(sample_judge(&seen, NULL)->items[0].cause, "bad_record_mac (20)"));
}

static void names_what_a_refusal_of_ours_means(void **state)
{
    static const struct {
        const char *reason, *words;
        enum fault fault;
    } cases[] = {
        { "bad signature", "do not belong together", FAULT_SERVER },
        { "inappropriate fallback", "downgrade", FAULT_NETWORK },
        { "digest check failed", "digest check failed", FAULT_SERVER },
    };
    struct observation seen;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        sample_no_handshake(&seen, ENDING_TLS);
        seen.tls.library_reason = cases[i].reason;
        sample_alert(&seen, 51, true);
        expect_first(sample_judge(&seen, NULL), "handshake-alert", cases[i].fault, SEVERITY_FATAL);
        assert_non_null(strstr(sample_judge(&seen, NULL)->items[0].cause, cases[i].words));
    }
}

static void names_the_version_that_the_server_chose(void **state)
{
    struct observation seen;

    (void)state;
    sample_no_handshake(&seen, ENDING_TLS);
    seen.tls.has_server_hello = true;
    seen.tls.version = TLS_VERSION_1_0;
    seen.tls.library_reason = "unsupported protocol";
    sample_alert(&seen, 70, true);
    assert_non_null(strstr(sample_judge(&seen, NULL)->items[0].cause, "TLSv1"));
}

static void names_their_alert(void **state)
{
    static const struct {
        uint8_t description;
        const char *code;
    } cases[] = {
        { 70, "handshake-no-common-version" },
        { 71, "handshake-no-common-cipher" },
        { 112, "handshake-name-not-recognized" },
        { 80, "handshake-alert" },
        { 49, "handshake-alert" },
        { 40, "handshake-alert" }, /* without experiments nobody can tell more */
        { 0, "handshake-closed" },
        { 200, "handshake-alert" },
    };
    struct observation seen;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        sample_no_handshake(&seen, ENDING_TLS);
        sample_alert(&seen, cases[i].description, false);
        expect(&seen, cases[i].code, SEVERITY_FATAL);
    }
}

static void tells_how_a_silent_peer_ended(void **state)
{
    struct observation seen;

    (void)state;
    sample_no_handshake(&seen, ENDING_CLOSED);
    expect(&seen, "handshake-closed", SEVERITY_FATAL);
    sample_no_handshake(&seen, ENDING_RESET);
    expect(&seen, "handshake-reset", SEVERITY_FATAL);
    sample_no_handshake(&seen, ENDING_TIMEOUT);
    expect(&seen, "handshake-timeout", SEVERITY_FATAL);
}

/* RFC 8446 section 4.4.2.4: alerts may come when our side is done. */
static void hears_an_alert_behind_our_finished(void **state)
{
    struct observation seen;

    (void)state;
    sample_healthy(&seen);
    seen.reached = STEP_HANDSHAKE;
    seen.ehlo_after_tls.came = false;
    sample_alert(&seen, 80, false);
    seen.tls.alerts[0].is_after_handshake = true;
    expect(&seen, "handshake-alert", SEVERITY_FATAL);
}

static void warns_of_a_small_group_that_others_refuse(void **state)
{
    struct observation seen;

    (void)state;
    sample_healthy(&seen);
    seen.tls.group_bits = 1024;
    seen.tls.group = "DH 1024 bits";
    expect(&seen, "handshake-weak-dh", SEVERITY_WARNING);
    seen.tls.group_bits = 2048;
    assert_int_equal(sample_judge(&seen, NULL)->count, 0);
}

/* Go's crypto/tls, where it has no certificate at all. */
static void tells_an_unknown_name_from_no_certificate(void **state)
{
    struct observation seen;
    struct experiments made = { .count = 0 };

    (void)state;
    sample_no_handshake(&seen, ENDING_TLS);
    sample_alert(&seen, 112, false);
    (void)sample_experiment(&made, &seen, DIAL_WITHOUT_SNI, false);
    assert_non_null(strstr(sample_judge(&seen, &made)->items[0].cause, "nor one for a client"));
}

/* mbed TLS with groups that we lack, and whoever has a key in a token that is not there. */
static void says_where_the_server_should_have_signed(void **state)
{
    struct observation seen;

    (void)state;
    sample_no_handshake(&seen, ENDING_CLOSED);
    seen.tls.has_server_hello = true;
    seen.tls.version = TLS_VERSION_1_2;
    seen.tls.cipher = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
    seen.tls.last_message_received = 11;
    expect(&seen, "handshake-closed", SEVERITY_FATAL);
    assert_non_null(strstr(sample_judge(&seen, NULL)->items[0].cause, "cannot sign"));
    seen.tls.cipher = "TLS_RSA_WITH_AES_128_GCM_SHA256"; /* signs nothing */
    assert_null(strstr(sample_judge(&seen, NULL)->items[0].cause, "cannot sign"));
}

SAMPLES_RUN(cmocka_unit_test(says_where_the_server_should_have_signed),
            cmocka_unit_test(tells_an_unknown_name_from_no_certificate),
            cmocka_unit_test(knows_why_our_own_library_refused),
            cmocka_unit_test(says_that_an_alert_of_ours_is_ours),
            cmocka_unit_test(names_what_a_refusal_of_ours_means),
            cmocka_unit_test(names_the_version_that_the_server_chose),
            cmocka_unit_test(names_their_alert), cmocka_unit_test(tells_how_a_silent_peer_ended),
            cmocka_unit_test(hears_an_alert_behind_our_finished),
            cmocka_unit_test(warns_of_a_small_group_that_others_refuse))
