/* tests/unit/diagnose/judge_inbound_test.c - why a client failed against us, by its observation alone */
#include "samples.h"

#include <string.h>

static const char *sample_versions[] = { "TLSv1.3", "TLSv1.2" };
static const char *sample_ciphers[] = { "TLS_AES_256_GCM_SHA384",
                                        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
                                        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
                                        "TLS_RSA_WITH_AES_128_CBC_SHA" };
static const char *sample_groups[] = { "X25519", "secp256r1" };
static const char *sample_signatures[] = { "ecdsa_secp256r1_sha256", "rsa_pss_rsae_sha256" };

static struct tls_offer sample_offer(void)
{
    return (struct tls_offer){ .versions = sample_versions,
                               .version_count = 2,
                               .ciphers = sample_ciphers,
                               .cipher_count = 4,
                               .groups = sample_groups,
                               .group_count = 2,
                               .signatures = sample_signatures,
                               .signature_count = 2 };
}

/* A session that went well, against a sound certificate of ours. */
static void sample_inbound(struct inbound_observation *seen)
{
    inbound_observation_init(seen);
    seen->host = "mx.example.org";
    seen->address = "192.0.2.9";
    seen->port = 25;
    seen->name = "mail.example.net";
    seen->wall_s = SAMPLE_NOW;
    seen->ending = ENDING_QUIT;
    seen->spoke_inside = true;
    seen->tls.was_started = seen->tls.was_completed = seen->tls.has_server_hello = true;
    seen->tls.offered_minimum = TLS_VERSION_1_2;
    seen->tls.offered_maximum = TLS_VERSION_1_3;
    seen->tls.offer = sample_offer();
    seen->tls.sni = "mx.example.org";
    seen->tls.version = TLS_VERSION_1_3;
    seen->tls.first_bytes = span_of("\x16\x03\x01");
    seen->tls.last_message_received = seen->tls.last_message_sent = 20;
    seen->self.takes = sample_offer();
    seen->self.has_verdict = true;
    sample_certificates(&seen->self.verdict);
}

/* The same, but it ended behind our first flight. */
static void sample_failed(struct inbound_observation *seen, enum ending ending)
{
    sample_inbound(seen);
    seen->ending = ending;
    seen->spoke_inside = seen->tls.was_completed = false;
    seen->tls.last_message_received = 1;
}

static void add_alert(struct inbound_observation *seen, uint8_t description, bool is_sent)
{
    seen->ending = ENDING_TLS;
    seen->tls.alerts[seen->tls.alert_count++] =
        (struct tls_alert){ .is_sent = is_sent, .is_fatal = true, .description = description };
}

static void refuse(struct inbound_observation *seen, uint8_t alert, const char *reason)
{
    sample_failed(seen, ENDING_TLS);
    seen->tls.has_server_hello = false;
    seen->tls.last_message_sent = 0xff;
    seen->tls.library_reason = reason;
    add_alert(seen, alert, true);
}

static const struct finding *judge(const struct inbound_observation *seen)
{
    static struct findings findings;

    judge_inbound(seen, &arena, &findings);
    assert_true(findings.count <= 1);
    if (findings.count == 0)
        return NULL;
    assert_true(findings.items[0].evidence_count > 0);
    assert_null(strchr(findings.items[0].cause, '{'));
    assert_null(strchr(findings.items[0].remedy, '{'));
    for (const char *c = findings.items[0].cause; *c != '\0'; c++)
        assert_true(*c >= ' ' && *c < 0x7f);
    return &findings.items[0];
}

static const struct finding *expect(const struct inbound_observation *seen, const char *code,
                                    enum fault fault, const char *words)
{
    const struct finding *finding = judge(seen);

    assert_non_null(finding);
    assert_string_equal(finding->code, code);
    assert_string_equal(fault_name(finding->fault), fault_name(fault));
    if (strstr(finding->cause, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", finding->cause, words);
    return finding;
}

static bool proves(const struct finding *finding, const char *words)
{
    for (size_t i = 0; i < finding->evidence_count; i++)
        if (strstr(finding->evidence[i], words) != NULL)
            return true;
    return false;
}

static void finds_nothing_where_nothing_failed(void **state)
{
    static const enum ending ours[] = { ENDING_STOPPED, ENDING_FAILED };
    struct inbound_observation seen;

    (void)state;
    sample_inbound(&seen);
    assert_null(judge(&seen));
    seen.ending = ENDING_CLOSED; /* after it spoke inside: no matter of TLS */
    assert_null(judge(&seen));
    for (size_t i = 0; i < ARRAY_SIZE(ours); i++) {
        sample_failed(&seen, ours[i]);
        assert_null(judge(&seen));
    }
    inbound_observation_init(&seen); /* never asked for TLS */
    seen.ending = ENDING_CLOSED;
    assert_null(judge(&seen));
}

static void tells_an_old_client_from_a_narrow_listener(void **state)
{
    static const char *only12[] = { "TLSv1.2" };
    struct inbound_observation seen;
    const struct finding *finding;

    (void)state;
    refuse(&seen, 70, "unsupported protocol");
    seen.tls.offered_maximum = TLS_VERSION_1_0;
    finding =
        expect(&seen, "inbound-no-common-version", FAULT_CLIENT, "nothing newer than TLSv1.0");
    assert_true(proves(finding, "alert protocol_version (70) from us to the client"));
    assert_true(proves(finding, "our TLS library says: unsupported protocol"));
    assert_true(proves(finding, "our versions: TLSv1.3, TLSv1.2"));
    seen.tls.offered_maximum = TLS_VERSION_1_2;
    seen.tls.offer.versions = only12;
    seen.tls.offer.version_count = 1;
    seen.self.takes.version_count = 1; /* TLS 1.3 alone */
    expect(&seen, "inbound-no-common-version", FAULT_SERVER, "takes only TLSv1.3");
    seen.tls.library_reason = "inappropriate fallback";
    expect(&seen, "inbound-no-common-version", FAULT_CLIENT, "says that it fell back");
    seen.tls.library_reason = NULL; /* by the alert alone; and no hello that could be read */
    seen.tls.offer = (struct tls_offer){ .versions = NULL };
    seen.tls.offered_maximum = 0;
    expect(&seen, "inbound-no-common-version", FAULT_CLIENT, "an old version of TLS");
}

static void tells_ciphers_keys_groups_and_signatures_apart(void **state)
{
    static const char *old[] = { "TLS_RSA_WITH_RC4_128_SHA", "TLS_RSA_WITH_3DES_EDE_CBC_SHA" };
    static const char *rsa[] = { "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" };
    static const char *rare[] = { "brainpoolP512r1" };
    struct inbound_observation seen;

    (void)state;
    refuse(&seen, 40, "no shared cipher");
    seen.tls.offer.ciphers = old;
    seen.tls.offer.cipher_count = 2;
    expect(&seen, "inbound-no-common-cipher", FAULT_CLIENT, "it knows TLS_RSA_WITH_RC4_128_SHA");
    seen.tls.offer.ciphers = rsa; /* our key is ECDSA P-256 */
    seen.tls.offer.cipher_count = 1;
    expect(&seen, "inbound-no-common-cipher", FAULT_SERVER, "our kind of key (ECDSA P-256)");
    seen.tls.offer = sample_offer();
    seen.tls.offer.groups = rare;
    seen.tls.offer.group_count = 1;
    expect(&seen, "inbound-no-common-group", FAULT_CLIENT,
           "it knows brainpoolP512r1, we take X25519, secp256r1");
    seen.tls.library_reason = "no suitable key share";
    expect(&seen, "inbound-no-common-group", FAULT_CLIENT, "brainpoolP512r1");
    seen.tls.library_reason = "no suitable signature algorithm";
    expect(&seen, "inbound-no-common-signature", FAULT_CLIENT, "our key (ECDSA P-256)");
    seen.self.has_verdict = false;
    expect(&seen, "inbound-no-common-signature", FAULT_CLIENT, "not looked at");
}

static void names_the_host_that_we_do_not_have(void **state)
{
    struct inbound_observation seen;

    (void)state;
    refuse(&seen, 112, "callback failed");
    seen.tls.sni = "www.example.net\x1b";
    expect(&seen, "inbound-name-not-recognized", FAULT_SERVER, "asks for www.example.net\\x1b");
    seen.tls.sni = NULL;
    expect(&seen, "inbound-name-not-recognized", FAULT_SERVER, "no name at all");
}

static void lays_their_alert_beside_our_certificate(void **state)
{
    static const uint8_t about[] = { 42, 43, 44, 45, 46, 48 };
    struct inbound_observation seen;
    const struct finding *finding;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(about); i++) {
        sample_failed(&seen, ENDING_TLS);
        add_alert(&seen, about[i], false);
        seen.self.verdict.is_trusted = false;
        seen.self.verdict.flaws[0] = (struct chain_flaw){ .kind = CHAIN_EXPIRED,
                                                          .is_fatal = true,
                                                          .subject = SAMPLE_SUBJECT,
                                                          .detail = "ended 18 November 2026",
                                                          .time_s = SAMPLE_NOW - 3 * SAMPLE_DAY };
        seen.self.verdict.flaw_count = 1;
        finding = expect(&seen, "inbound-certificate-rejected", FAULT_SERVER, "and rightly: ");
        assert_string_equal(finding->because_of, "certificate-expired");
        assert_true(proves(finding, "from the client, after our Certificate flight"));
        assert_true(proves(finding, "our own certificate: certificate-expired"));
    }
}

static void blames_the_client_that_rejects_a_sound_certificate(void **state)
{
    struct inbound_observation seen;
    const struct finding *finding;

    (void)state;
    sample_failed(&seen, ENDING_TLS);
    add_alert(&seen, 48, false);
    finding = expect(&seen, "inbound-certificate-rejected", FAULT_CLIENT, "unknown_ca (48)");
    assert_null(finding->because_of);
    assert_true(proves(finding, "holds: names mx.example.org, mail.example.org"));
    seen.tls.alerts[0].description = 45;
    expect(&seen, "inbound-certificate-rejected", FAULT_CLIENT,
           "and it is valid until 20 January 2027");
    seen.tls.alerts[0].description = 44;
    expect(&seen, "inbound-certificate-rejected", FAULT_SERVER, "is revoked");
    seen.tls.alerts[0].description = 42;
    seen.tls.sni = "www.example.net";
    expect(&seen, "inbound-certificate-rejected", FAULT_SERVER,
           "asks for www.example.net and rejects our certificate");
    seen.self.has_verdict = false; /* then nothing is claimed of ours */
    finding = expect(&seen, "inbound-certificate-rejected", FAULT_CLIENT, "bad_certificate (42)");
    assert_true(proves(finding, "was not judged"));
}

/* TLS 1.3 servers are through before the client has looked at their certificate. */
static void hears_an_alert_behind_the_handshake(void **state)
{
    struct inbound_observation seen;

    (void)state;
    sample_inbound(&seen);
    seen.spoke_inside = false;
    add_alert(&seen, 48, false);
    seen.tls.alerts[0].is_after_handshake = true;
    expect(&seen, "inbound-certificate-rejected", FAULT_CLIENT, "unknown_ca (48)");
}

static void says_after_which_flight_a_client_left(void **state)
{
    struct inbound_observation seen;
    const struct finding *finding;

    (void)state;
    sample_failed(&seen, ENDING_CLOSED);
    finding = expect(&seen, "inbound-closed", FAULT_CLIENT, "after our Certificate flight");
    assert_true(proves(finding, "the client closes first (FIN)"));
    seen.self.verdict.is_trusted = false;
    seen.self.verdict.flaws[0] = (struct chain_flaw){ .kind = CHAIN_SELF_SIGNED,
                                                      .is_fatal = true,
                                                      .subject = SAMPLE_SUBJECT };
    seen.self.verdict.flaw_count = 1;
    finding = expect(&seen, "inbound-closed", FAULT_SERVER, "most likely for our certificate");
    assert_string_equal(finding->because_of, "certificate-self-signed");
    sample_failed(&seen, ENDING_RESET);
    finding = expect(&seen, "inbound-reset", FAULT_CLIENT, "after our Certificate flight");
    assert_true(proves(finding, "resets (RST)"));
    sample_inbound(&seen);
    seen.ending = ENDING_CLOSED;
    seen.spoke_inside = false;
    expect(&seen, "inbound-closed", FAULT_CLIENT, "without a word inside");
    sample_failed(&seen, ENDING_CLOSED);
    seen.tls.has_server_hello = false;
    seen.tls.last_message_received = 0xff;
    expect(&seen, "inbound-closed", FAULT_CLIENT, "3 octets that are no whole ClientHello");
    seen.tls.first_bytes.len = 0;
    finding = expect(&seen, "inbound-closed", FAULT_CLIENT, "before it has sent a ClientHello");
    assert_string_equal(severity_name(finding->severity), "notice");
}

static void tells_a_stall_from_a_wait_for_a_greeting(void **state)
{
    struct inbound_observation seen;

    (void)state;
    sample_failed(&seen, ENDING_TIMEOUT);
    seen.timeout_ms = 300000;
    expect(&seen, "inbound-timeout", FAULT_CLIENT, "after our Certificate flight");
    seen.tls.first_bytes.len = 0;
    seen.tls.last_message_received = 0xff;
    seen.tls.has_server_hello = false;
    expect(&seen, "inbound-timeout", FAULT_CLIENT, "behind our 220");
    seen.is_implicit_tls = true;
    expect(&seen, "inbound-timeout", FAULT_CLIENT, "wait for a greeting in clear");
}

static void knows_what_is_no_client_hello(void **state)
{
    static const struct {
        const char *bytes, *code, *words;
    } cases[] = {
        { "EHLO a\r\n", "inbound-plaintext", "goes on in plaintext: EHLO a" },
        { "quit\r\n", "inbound-plaintext", "quit" },
        { "MAILBOX", "inbound-other-protocol", "neither TLS nor SMTP" },
        { "GET / HTTP/1.1\r\n", "inbound-other-protocol", "sends HTTP " },
        { "PRI * HTTP/2.0\r\n", "inbound-other-protocol", "sends HTTP/2 " },
        { "SSH-2.0-x\r\n", "inbound-other-protocol", "sends SSH " },
        { "\xff\xfe\x1b[2J", "inbound-other-protocol", "neither TLS nor SMTP" },
    };
    struct inbound_observation seen;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        sample_failed(&seen, ENDING_NOT_TLS);
        seen.tls.is_not_tls = true;
        seen.tls.has_server_hello = false;
        seen.tls.offer = (struct tls_offer){ .versions = NULL };
        seen.tls.last_message_received = 0xff;
        seen.tls.first_bytes = span_of(cases[i].bytes);
        expect(&seen, cases[i].code, FAULT_CLIENT, cases[i].words);
    }
    seen.is_implicit_tls = true;
    seen.tls.first_bytes = span_of("EHLO a\r\n");
    expect(&seen, "inbound-plaintext", FAULT_CLIENT, "port that begins with TLS");
}

static void reports_commands_behind_starttls_whatever_came_after(void **state)
{
    struct inbound_observation seen;
    const struct finding *finding;

    (void)state;
    inbound_observation_init(&seen);
    seen.host = "mx.example.org";
    seen.address = "192.0.2.9";
    inbound_observation_inject(&seen, span_of("RSET\r\n\x1b"), &arena);
    inbound_observation_end(&seen, STREAM_CLOSED);
    finding = expect(&seen, "inbound-injected", FAULT_NETWORK, "7 octets in clear");
    assert_true(proves(finding, "RSET\\r\\n\\x1b"));
    assert_true(proves(finding, "before our 220"));
}

static void blames_no_network_for_a_client_that_does_not_wait_with_its_hello(void **state)
{
    struct inbound_observation seen;
    char hello[2 * OBSERVATION_STRAY_BYTES] = "\x16\x03\x01\x03\xfb\x01";
    const struct finding *finding;

    (void)state;
    inbound_observation_init(&seen);
    seen.host = "mx.example.org";
    seen.address = "192.0.2.9";
    inbound_observation_inject(&seen, (struct span){ hello, sizeof hello }, &arena);
    inbound_observation_end(&seen, STREAM_CLOSED);
    finding = expect(&seen, "inbound-injected", FAULT_CLIENT, "does not wait for our 220");
    assert_true(proves(finding, "\\x16\\x03\\x01\\x03\\xfb\\x01"));
    for (size_t i = 0; i < finding->evidence_count; i++)
        assert_true(strlen(finding->evidence[i]) < 900); /* what the log takes of them together */
    hello[0] = 'x';
    inbound_observation_inject(&seen, (struct span){ hello, sizeof hello }, &arena);
    expect(&seen, "inbound-injected", FAULT_NETWORK, "512 or more octets in clear");
}

static void tells_whose_certificate_is_missing_or_bad(void **state)
{
    struct inbound_observation seen;

    (void)state;
    refuse(&seen, 116, "peer did not return a certificate");
    expect(&seen, "inbound-client-certificate-missing", FAULT_CLIENT, "shows no certificate");
    refuse(&seen, 45, "certificate verify failed");
    seen.tls.client_certificate_sent = true;
    expect(&seen, "inbound-client-certificate-rejected", FAULT_CLIENT, "it has expired");
    seen.tls.alerts[0].description = 48;
    expect(&seen, "inbound-client-certificate-rejected", FAULT_CLIENT, "none of the CAs");
}

static void names_any_other_alert_and_its_direction(void **state)
{
    struct inbound_observation seen;

    (void)state;
    sample_failed(&seen, ENDING_TLS);
    add_alert(&seen, 80, false);
    expect(&seen, "inbound-alert", FAULT_CLIENT, "with the alert internal_error (80)");
    refuse(&seen, 50, "bad extension");
    expect(&seen, "inbound-alert", FAULT_CLIENT, "decode_error (50): bad extension");
    sample_failed(&seen, ENDING_TLS);
    add_alert(&seen, 0, false); /* close_notify in the middle */
    expect(&seen, "inbound-closed", FAULT_CLIENT, "hangs up after our Certificate flight");
}

SAMPLES_RUN(cmocka_unit_test(finds_nothing_where_nothing_failed),
            cmocka_unit_test(tells_an_old_client_from_a_narrow_listener),
            cmocka_unit_test(tells_ciphers_keys_groups_and_signatures_apart),
            cmocka_unit_test(names_the_host_that_we_do_not_have),
            cmocka_unit_test(lays_their_alert_beside_our_certificate),
            cmocka_unit_test(blames_the_client_that_rejects_a_sound_certificate),
            cmocka_unit_test(hears_an_alert_behind_the_handshake),
            cmocka_unit_test(says_after_which_flight_a_client_left),
            cmocka_unit_test(tells_a_stall_from_a_wait_for_a_greeting),
            cmocka_unit_test(knows_what_is_no_client_hello),
            cmocka_unit_test(reports_commands_behind_starttls_whatever_came_after),
            cmocka_unit_test(blames_no_network_for_a_client_that_does_not_wait_with_its_hello),
            cmocka_unit_test(tells_whose_certificate_is_missing_or_bad),
            cmocka_unit_test(names_any_other_alert_and_its_direction))
