/* tests/unit/diagnose/judge_differential_test.c - causes that only experiments single out */
#include "samples.h"

#include <string.h>

static struct observation first;
static struct experiments made;

static void begin(enum ending ending, uint8_t alert)
{
    sample_no_handshake(&first, ending);
    if (ending == ENDING_TLS)
        sample_alert(&first, alert, false);
    made.count = 0;
}

/* The cause found, which says these words. */
static void expect(const char *code, enum fault fault, const char *words)
{
    const struct findings *findings = sample_judge(&first, &made);

    expect_first(findings, code, fault, SEVERITY_FATAL);
    assert_non_null(strstr(findings->items[0].cause, words));
    assert_true(findings->items[0].evidence_count > made.count); /* each experiment is cited */
}

static void finds_a_version_that_is_too_old(void **state)
{
    struct observation *old;

    (void)state;
    begin(ENDING_TLS, 70);
    (void)sample_experiment(&made, &first, DIAL_OLD_VERSIONS, true);
    old = arena_new(&arena, 1, sizeof *old);
    *old = *made.items[0];
    old->tls.version = TLS_VERSION_1_0;
    made.items[0] = old;
    expect("handshake-no-common-version", FAULT_SERVER, "nothing newer than TLSv1");
}

static void finds_sslv3_alone(void **state)
{
    (void)state;
    begin(ENDING_TLS, 40);
    (void)sample_experiment(&made, &first, DIAL_OLD_VERSIONS, false);
    sample_raw_answer(&made, &first, HELLO_ANSWERED,
                      (struct hello_answer){ .version = TLS_VERSION_SSL3, .cipher = 0x0005 });
    expect("handshake-no-common-version", FAULT_SERVER, "SSLv3");
}

static void finds_obsolete_ciphers(void **state)
{
    static const struct {
        uint16_t cipher, version;
        const char *words;
    } cases[] = {
        { 0x0005, TLS_VERSION_1_2, "RC4" },       { 0x000a, TLS_VERSION_1_2, "3DES" },
        { 0x0003, TLS_VERSION_1_0, "export" },    { 0x003b, TLS_VERSION_1_2, "encrypts nothing" },
        { 0x0034, TLS_VERSION_1_2, "anonymous" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        begin(ENDING_TLS, 40);
        (void)sample_experiment(&made, &first, DIAL_OLD_VERSIONS, false);
        sample_raw_answer(
            &made, &first, HELLO_ANSWERED,
            (struct hello_answer){ .version = cases[i].version, .cipher = cases[i].cipher });
        expect("handshake-no-common-cipher", FAULT_SERVER, cases[i].words);
    }
}

static void finds_a_server_without_a_usable_certificate(void **state)
{
    (void)state;
    begin(ENDING_TLS, 40);
    (void)sample_experiment(&made, &first, DIAL_OLD_VERSIONS, false);
    sample_raw_answer(&made, &first, HELLO_ALERTED,
                      (struct hello_answer){ .alert_level = 2, .alert_description = 40 });
    (void)sample_experiment(&made, &first, DIAL_WITHOUT_SNI, false);
    expect("handshake-no-common-cipher", FAULT_SERVER, "every cipher");
}

static void finds_what_the_hello_must_not_hold(void **state)
{
    static const struct {
        enum ending ending;
        const char *code;
    } endings[] = { { ENDING_CLOSED, "handshake-closed" },
                    { ENDING_RESET, "handshake-reset" },
                    { ENDING_TIMEOUT, "handshake-timeout" },
                    { ENDING_TLS, "handshake-alert" } };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
        begin(endings[i].ending, 80);
        (void)sample_experiment(&made, &first, DIAL_SMALL_HELLO, false);
        (void)sample_experiment(&made, &first, DIAL_TLS12_ONLY, false);
        (void)sample_experiment(&made, &first, DIAL_WITHOUT_SNI, true);
        expect(endings[i].code, FAULT_SERVER, "carries SNI");
        begin(endings[i].ending, 80);
        (void)sample_experiment(&made, &first, DIAL_SMALL_HELLO, true);
        (void)sample_experiment(&made, &first, DIAL_TLS12_ONLY, false);
        (void)sample_experiment(&made, &first, DIAL_WITHOUT_TICKETS, true);
        expect(endings[i].code, FAULT_SERVER, "session tickets");
    }
}

/* A small ClientHello passes and so does one of TLS 1.2: a large one without TLS 1.3 tells. */
static void tells_size_from_version(void **state)
{
    (void)state;
    begin(ENDING_TIMEOUT, 0);
    (void)sample_experiment(&made, &first, DIAL_SMALL_HELLO, true);
    (void)sample_experiment(&made, &first, DIAL_TLS12_ONLY, true);
    (void)sample_experiment(&made, &first, DIAL_RAW_OBSOLETE, false);
    expect("handshake-timeout", FAULT_NETWORK, "322 octets");
    begin(ENDING_CLOSED, 0);
    (void)sample_experiment(&made, &first, DIAL_SMALL_HELLO, true);
    (void)sample_experiment(&made, &first, DIAL_TLS12_ONLY, true);
    sample_raw_answer(&made, &first, HELLO_ANSWERED,
                      (struct hello_answer){ .version = TLS_VERSION_1_2, .cipher = 0xc02f });
    expect("handshake-closed", FAULT_SERVER, "TLS 1.3 is offered");
    begin(ENDING_RESET, 0);
    (void)sample_experiment(&made, &first, DIAL_SMALL_HELLO, true);
    (void)sample_experiment(&made, &first, DIAL_TLS12_ONLY, false);
    (void)sample_experiment(&made, &first, DIAL_WITHOUT_TICKETS, false);
    (void)sample_experiment(&made, &first, DIAL_WITHOUT_SNI, false);
    expect("handshake-reset", FAULT_NETWORK, "170 octets");
}

/* RFC 8446 has nothing against a bad day: what goes well when repeated proves no experiment. */
static void calls_unstable_what_works_when_repeated(void **state)
{
    (void)state;
    begin(ENDING_TLS, 40);
    (void)sample_experiment(&made, &first, DIAL_OLD_VERSIONS, true);
    (void)sample_experiment(&made, &first, DIAL_AS_CONFIGURED, true);
    expect("handshake-alert", FAULT_SERVER, "unstable");
}

/* GnuTLS with a group of its own: RFC 7919 section 4 forbids it where TLS 1.3 names others. */
static void finds_a_small_group_behind_tls13(void **state)
{
    struct observation *made_one;

    (void)state;
    begin(ENDING_TLS, 40);
    (void)sample_experiment(&made, &first, DIAL_OLD_VERSIONS, false);
    (void)sample_experiment(&made, &first, DIAL_TLS12_ONLY, true);
    made_one = arena_new(&arena, 1, sizeof *made_one);
    *made_one = *made.items[1];
    made_one->tls.version = TLS_VERSION_1_2;
    made_one->tls.group_bits = 1024;
    made.items[1] = made_one;
    expect("handshake-weak-dh", FAULT_SERVER, "1024 bits");
}

static void names_a_group_where_the_cipher_would_do(void **state)
{
    (void)state;
    begin(ENDING_TLS, 40);
    (void)sample_experiment(&made, &first, DIAL_OLD_VERSIONS, false);
    sample_raw_answer(&made, &first, HELLO_ANSWERED,
                      (struct hello_answer){ .version = TLS_VERSION_1_2, .cipher = 0xc02f });
    expect("handshake-no-common-cipher", FAULT_SERVER, "key exchange group");
    begin(ENDING_TLS, 40); /* an ECDSA certificate on a curve such as brainpoolP256r1 */
    sample_raw_answer(&made, &first, HELLO_ANSWERED,
                      (struct hello_answer){ .version = TLS_VERSION_1_2, .cipher = 0xc02b });
    expect("handshake-no-common-cipher", FAULT_SERVER, "curve of its certificate");
    begin(ENDING_TLS, 40);
    sample_raw_answer(&made, &first, HELLO_ANSWERED,
                      (struct hello_answer){ .version = TLS_VERSION_1_2, .cipher = 0xc060 });
    expect("handshake-no-common-cipher", FAULT_SERVER, "ARIA");
}

static void keeps_the_symptom_where_nothing_helps(void **state)
{
    (void)state;
    begin(ENDING_RESET, 0);
    (void)sample_experiment(&made, &first, DIAL_SMALL_HELLO, false);
    (void)sample_experiment(&made, &first, DIAL_TLS12_ONLY, false);
    (void)sample_experiment(&made, &first, DIAL_WITHOUT_SNI, false);
    expect("handshake-reset", FAULT_SERVER, "3 other ways to dial fail too");
}

static void finds_tickets_behind_a_hang_up_inside_tls(void **state)
{
    (void)state;
    sample_healthy(&first);
    first.ending = ENDING_CLOSED;
    first.ended_after_tls = true;
    first.ehlo_after_tls.came = false;
    made.count = 0;
    (void)sample_experiment(&made, &first, DIAL_WITHOUT_TICKETS, true);
    expect("after-tls-closed", FAULT_SERVER, "session tickets");
}

SAMPLES_RUN(cmocka_unit_test(finds_a_version_that_is_too_old), cmocka_unit_test(finds_sslv3_alone),
            cmocka_unit_test(finds_obsolete_ciphers),
            cmocka_unit_test(finds_a_server_without_a_usable_certificate),
            cmocka_unit_test(finds_what_the_hello_must_not_hold),
            cmocka_unit_test(tells_size_from_version),
            cmocka_unit_test(calls_unstable_what_works_when_repeated),
            cmocka_unit_test(finds_a_small_group_behind_tls13),
            cmocka_unit_test(names_a_group_where_the_cipher_would_do),
            cmocka_unit_test(keeps_the_symptom_where_nothing_helps),
            cmocka_unit_test(finds_tickets_behind_a_hang_up_inside_tls))
