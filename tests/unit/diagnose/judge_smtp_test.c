/* tests/unit/diagnose/judge_smtp_test.c - causes found in EHLO, STARTTLS and inside TLS */
#include "samples.h"

#include <string.h>

static void until(struct observation *seen, enum step step, enum ending ending)
{
    sample_healthy(seen);
    seen->reached = step;
    seen->ending = ending;
    seen->timeout_ms = 5000;
    seen->ehlo_after_tls = seen->quit = (struct observed_reply){ .came = false };
    if (step < STEP_HANDSHAKE) {
        seen->starttls = (struct observed_reply){ .came = false };
        seen->tls = (struct tls_facts){ .was_started = false };
        seen->has_verdict = seen->host_named = false;
    }
    if (step == STEP_EHLO && ending != ENDING_STOPPED) {
        seen->ehlo = (struct observed_reply){ .came = false };
        seen->has_capabilities = false;
    }
}

static void expect(const struct observation *seen, const struct experiments *made, const char *code,
                   enum fault fault, enum severity severity)
{
    expect_first(sample_judge(seen, made), code, fault, severity);
}

static void tells_apart_why_starttls_is_missing(void **state)
{
    struct observation seen;

    (void)state;
    until(&seen, STEP_EHLO, ENDING_STOPPED);
    seen.capabilities.extensions = SMTP_EXTENSION_SIZE;
    expect(&seen, NULL, "starttls-not-offered", FAULT_SERVER, SEVERITY_FATAL);
    seen.capabilities.masked_line = 2;
    expect(&seen, NULL, "starttls-masked", FAULT_NETWORK, SEVERITY_FATAL);
    seen.capabilities.on_greeting_line = SMTP_EXTENSION_STARTTLS;
    expect(&seen, NULL, "ehlo-keyword-before-greeting", FAULT_SERVER, SEVERITY_FATAL);
    assert_non_null(strstr(sample_judge(&seen, NULL)->items[0].cause, "lenient"));
    seen.level = POLICY_NONE; /* then nobody asked for it */
    assert_int_equal(sample_judge(&seen, NULL)->count, 0);
}

/* RFC 7672 section 2.2: a TLSA record says that STARTTLS is there. */
static void suspects_the_way_where_a_policy_promises_tls(void **state)
{
    struct observation seen;
    const struct finding *finding;
    bool is_suspected = false;

    (void)state;
    until(&seen, STEP_EHLO, ENDING_STOPPED);
    seen.capabilities.extensions = SMTP_EXTENSION_SIZE;
    seen.tlsa = POLICY_TLSA_USABLE;
    finding = &sample_judge(&seen, NULL)->items[0];
    assert_string_equal(finding->code, "starttls-not-offered");
    for (size_t i = 0; i < finding->evidence_count; i++)
        is_suspected = is_suspected || strstr(finding->evidence[i], "promises TLS") != NULL;
    assert_true(is_suspected);
}

static void only_warns_of_what_it_can_read_all_the_same(void **state)
{
    struct observation seen;

    (void)state;
    sample_healthy(&seen);
    seen.ehlo.flaws = SMTP_REPLY_FLAW_BARE_LF;
    expect(&seen, NULL, "ehlo-bare-lf", FAULT_SERVER, SEVERITY_WARNING);
    seen.ehlo.flaws = SMTP_REPLY_FLAW_CODE_CHANGE;
    expect(&seen, NULL, "ehlo-malformed", FAULT_SERVER, SEVERITY_WARNING);
    seen.ehlo.flaws = SMTP_REPLY_FLAW_NO_TEXT; /* RFC 5321 section 4.2: legal */
    assert_int_equal(sample_judge(&seen, NULL)->count, 0);
    seen.ehlo.flaws = 0;
    seen.capabilities.on_greeting_line = SMTP_EXTENSION_SIZE;
    expect(&seen, NULL, "ehlo-keyword-before-greeting", FAULT_SERVER, SEVERITY_WARNING);
}

static void calls_ehlo_rejected_only_where_helo_works(void **state)
{
    struct observation seen;
    struct experiments made = { .count = 0 };
    struct observation helo;

    (void)state;
    until(&seen, STEP_EHLO, ENDING_STOPPED);
    seen.has_capabilities = false;
    seen.ehlo = sample_reply(502, "502 5.5.1 What?\r\n");
    seen.helo = sample_reply(250, "250 mx\r\n");
    expect(&seen, NULL, "ehlo-rejected", FAULT_SERVER, SEVERITY_FATAL);
    seen.helo = sample_reply(502, "502 5.5.1 What?\r\n");
    expect(&seen, NULL, "ehlo-rejected", FAULT_SERVER, SEVERITY_FATAL);
    seen.ehlo = sample_reply(421, "421 4.3.2 shutting down\r\n");
    seen.helo.came = false;
    expect(&seen, NULL, "ehlo-rejected", FAULT_SERVER, SEVERITY_FATAL);
    until(&seen, STEP_EHLO, ENDING_CLOSED);
    expect(&seen, NULL, "ehlo-closed", FAULT_SERVER, SEVERITY_FATAL);
    helo = seen;
    helo.dial = DIAL_HELO;
    helo.helo = sample_reply(250, "250 mx\r\n");
    made.items[made.count++] = &helo;
    expect(&seen, &made, "ehlo-rejected", FAULT_SERVER, SEVERITY_FATAL);
    until(&seen, STEP_EHLO, ENDING_TIMEOUT);
    expect(&seen, NULL, "ehlo-timeout", FAULT_SERVER, SEVERITY_FATAL);
    seen.unfinished = span_of("250-mx\r\n250-STARTTLS\r\n"); /* a last line never came */
    expect(&seen, NULL, "ehlo-malformed", FAULT_SERVER, SEVERITY_FATAL);
    seen.ending = ENDING_CLOSED;
    expect(&seen, NULL, "ehlo-malformed", FAULT_SERVER, SEVERITY_FATAL);
}

static void names_a_broken_ehlo(void **state)
{
    struct observation seen;

    (void)state;
    until(&seen, STEP_EHLO, ENDING_BROKEN);
    seen.ehlo = sample_reply(250, "250-mx\r\nSTARTTLS\r\n");
    seen.ehlo.is_broken = true;
    seen.ehlo.flaws = SMTP_REPLY_FLAW_NOT_A_CODE;
    expect(&seen, NULL, "ehlo-malformed", FAULT_SERVER, SEVERITY_FATAL);
}

static void tells_the_answers_to_starttls_apart(void **state)
{
    struct observation seen;

    (void)state;
    until(&seen, STEP_STARTTLS, ENDING_STOPPED);
    seen.starttls = sample_reply(454, "454 4.7.0 TLS not available\r\n");
    expect(&seen, NULL, "starttls-refused-temporarily", FAULT_SERVER, SEVERITY_FATAL);
    seen.starttls = sample_reply(502, "502 5.5.1 no\r\n");
    expect(&seen, NULL, "starttls-refused", FAULT_SERVER, SEVERITY_FATAL);
    seen.starttls = sample_reply(221, "221 Closing\r\n"); /* 220 alone is a yes */
    expect(&seen, NULL, "starttls-refused", FAULT_SERVER, SEVERITY_FATAL);
    seen.starttls.is_broken = true;
    expect(&seen, NULL, "starttls-malformed", FAULT_SERVER, SEVERITY_FATAL);
    until(&seen, STEP_STARTTLS, ENDING_CLOSED);
    expect(&seen, NULL, "starttls-closed", FAULT_SERVER, SEVERITY_FATAL);
    seen.starttls = sample_reply(220, "220 go\r\n"); /* and FIN before our ClientHello */
    expect(&seen, NULL, "starttls-closed", FAULT_SERVER, SEVERITY_FATAL);
    until(&seen, STEP_STARTTLS, ENDING_TIMEOUT);
    expect(&seen, NULL, "starttls-timeout", FAULT_SERVER, SEVERITY_FATAL);
}

/* CVE-2011-0411's mirror: bytes that answer nothing we said are not the server's. */
static void tells_injected_plaintext_from_a_server_without_tls(void **state)
{
    struct observation seen;

    (void)state;
    until(&seen, STEP_STARTTLS, ENDING_INJECTED);
    seen.starttls = sample_reply(220, "220 go\r\n");
    seen.injected = span_of("250 ok\r\n");
    expect(&seen, NULL, "starttls-injected", FAULT_NETWORK, SEVERITY_FATAL);
    sample_no_handshake(&seen, ENDING_NOT_TLS);
    seen.tls.is_not_tls = true;
    seen.tls.first_bytes = span_of("500 5.5.1 Command unrecognized\r\n");
    expect(&seen, NULL, "starttls-not-tls", FAULT_SERVER, SEVERITY_FATAL);
    seen.tls.first_bytes = span_of("\x80\x2e\x01"); /* SSLv2 */
    expect(&seen, NULL, "starttls-not-tls", FAULT_SERVER, SEVERITY_FATAL);
    assert_non_null(strstr(sample_judge(&seen, NULL)->items[0].cause, "neither TLS nor text"));
    seen.tls.first_bytes = span_of("250 ok\r\n\x16\x03\x03");
    expect(&seen, NULL, "starttls-injected", FAULT_NETWORK, SEVERITY_FATAL);
}

static void names_what_goes_wrong_inside_tls(void **state)
{
    struct observation seen;

    (void)state;
    sample_healthy(&seen);
    seen.ehlo_after_tls = sample_reply(503, "503 5.5.1 Duplicate EHLO\r\n");
    expect(&seen, NULL, "after-tls-ehlo-rejected", FAULT_SERVER, SEVERITY_FATAL);
    sample_healthy(&seen);
    seen.second_greeting = sample_reply(220, "220 mx\r\n");
    expect(&seen, NULL, "after-tls-second-greeting", FAULT_SERVER, SEVERITY_WARNING);
    seen.ehlo_after_tls.came = false;
    expect(&seen, NULL, "after-tls-second-greeting", FAULT_SERVER, SEVERITY_FATAL);
    until(&seen, STEP_AFTER_TLS, ENDING_CLOSED);
    seen.ended_after_tls = true;
    expect(&seen, NULL, "after-tls-closed", FAULT_SERVER, SEVERITY_FATAL);
    seen.tls.library_reason = "wrong version number";
    sample_alert(&seen, 70, true);
    seen.ending = ENDING_CLOSED;
    expect(&seen, NULL, "after-tls-plaintext", FAULT_SERVER, SEVERITY_FATAL);
    seen.tls.library_reason = "decryption failed or bad record mac";
    expect(&seen, NULL, "after-tls-closed", FAULT_SERVER, SEVERITY_FATAL);
    seen.tls.alert_count = 0;
    seen.ending = ENDING_TIMEOUT;
    expect(&seen, NULL, "after-tls-timeout", FAULT_SERVER, SEVERITY_FATAL);
    sample_healthy(&seen);
    seen.close_notify_missing = true;
    expect(&seen, NULL, "close-notify-missing", FAULT_SERVER, SEVERITY_NOTICE);
}

SAMPLES_RUN(cmocka_unit_test(tells_apart_why_starttls_is_missing),
            cmocka_unit_test(suspects_the_way_where_a_policy_promises_tls),
            cmocka_unit_test(only_warns_of_what_it_can_read_all_the_same),
            cmocka_unit_test(calls_ehlo_rejected_only_where_helo_works),
            cmocka_unit_test(names_a_broken_ehlo),
            cmocka_unit_test(tells_the_answers_to_starttls_apart),
            cmocka_unit_test(tells_injected_plaintext_from_a_server_without_tls),
            cmocka_unit_test(names_what_goes_wrong_inside_tls))
