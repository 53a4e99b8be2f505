/* tests/unit/link/observation_test.c - promises of link/observation.h */
#include "../test.h"

#include "link/observation.h"

#include <string.h>

static struct observation seen;

static int set_up(void **state)
{
    (void)state;
    observation_init(&seen);
    return 0;
}

/* The record of a session that went through; each test takes something away. */
static void make_whole(void)
{
    seen.reached = STEP_AFTER_TLS;
    seen.ending = ENDING_QUIT;
    seen.greeting = seen.starttls = (struct observed_reply){ .came = true, .code = 220 };
    seen.ehlo = seen.ehlo_after_tls = (struct observed_reply){ .came = true, .code = 250 };
    seen.has_capabilities = seen.has_capabilities_after_tls = true;
    seen.capabilities.extensions = SMTP_EXTENSION_STARTTLS;
    seen.tls.was_started = seen.tls.was_completed = true;
    seen.tls.version = TLS_VERSION_1_3;
    seen.has_verdict = seen.verdict.is_trusted = true;
    seen.host_named = true;
}

static void gives_every_word_once(void **state)
{
    const char *names[64];
    size_t count = 0;

    (void)state;
    for (int i = 0; i < STEP_COUNT; i++)
        names[count++] = step_name((enum step)i);
    for (int i = 0; i < ENDING_COUNT; i++)
        names[count++] = ending_name((enum ending)i);
    for (int i = 0; i < DIAL_COUNT; i++)
        names[count++] = dial_name((enum dial)i);
    for (size_t i = 0; i < count; i++) {
        assert_non_null(names[i]);
        assert_string_not_equal(names[i], "unknown");
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(names[i], names[k]);
    }
    assert_string_equal(step_name((enum step)STEP_COUNT), "unknown");
    assert_string_equal(step_name(STEP_AFTER_TLS), "after-tls");
    assert_string_equal(dial_name(DIAL_WITHOUT_SNI), "without-sni");
}

static void sees_nothing_in_an_empty_observation(void **state)
{
    struct policy_session session = observation_session(&seen);

    (void)state;
    assert_false(session.offered || session.refused || session.encrypted ||
                 session.handshake_failed || session.after_tls_failed || session.injected ||
                 session.client_certificate_refused || session.chain_trusted ||
                 session.host_named || session.version_too_old);
    assert_int_equal(session.tlsa, POLICY_TLSA_NOT_ASKED);
}

static void sees_a_session_that_went_through(void **state)
{
    struct policy_session session;

    (void)state;
    make_whole();
    session = observation_session(&seen);
    assert_true(session.offered && session.encrypted && session.chain_trusted &&
                session.host_named);
    assert_false(session.refused || session.handshake_failed || session.after_tls_failed ||
                 session.injected || session.version_too_old);
}

static void tells_an_offer_that_was_refused(void **state)
{
    static const struct {
        uint16_t code;
        bool is_refused;
    } cases[] = { { 220, false }, { 250, false }, { 421, true }, { 454, true }, { 554, true } };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        make_whole();
        seen.starttls.code = cases[i].code;
        assert_int_equal(observation_session(&seen).refused, cases[i].is_refused);
    }
    seen.starttls.is_broken = true;
    assert_false(observation_session(&seen).refused);
}

static void counts_a_handshake_only_with_a_reply_inside(void **state)
{
    (void)state;
    make_whole();
    seen.ehlo_after_tls.came = false;
    seen.reached = STEP_HANDSHAKE;
    seen.ending = ENDING_TLS;
    assert_false(observation_session(&seen).encrypted);
    assert_true(observation_session(&seen).handshake_failed);
    assert_false(observation_session(&seen).after_tls_failed);
    seen.second_greeting.came = true;
    assert_true(observation_session(&seen).encrypted);
}

static void a_host_that_was_passed_over_did_not_fail_to_answer(void **state)
{
    (void)state;
    observation_init(&seen);
    seen.tlsa = POLICY_TLSA_LOOKUP_FAILED;
    assert_true(observation_session(&seen).unanswered);
    seen.ending = ENDING_BARRED;
    assert_false(observation_session(&seen).unanswered);
    assert_string_equal(ending_name(ENDING_BARRED), "barred");
}

static void tells_a_failure_inside_from_one_of_the_handshake(void **state)
{
    (void)state;
    make_whole();
    seen.ehlo_after_tls.came = false;
    seen.ending = ENDING_CLOSED;
    seen.ended_after_tls = true;
    assert_true(observation_session(&seen).after_tls_failed);
    assert_false(observation_session(&seen).handshake_failed);
    seen.ended_after_tls = false;
    seen.ehlo_after_tls = (struct observed_reply){ .came = true, .code = 421 };
    assert_true(observation_session(&seen).after_tls_failed);
    assert_false(observation_session(&seen).handshake_failed);
    seen.helo = (struct observed_reply){ .came = true, .code = 250 };
    assert_false(observation_session(&seen).after_tls_failed);
}

/* With TLS from the first byte the greeting is the first reply inside, and there is one EHLO. */
static void reads_implicit_tls_alike(void **state)
{
    struct policy_session session;

    (void)state;
    make_whole();
    seen.is_implicit_tls = true;
    seen.has_capabilities = false;
    seen.starttls.came = seen.ehlo_after_tls.came = false;
    session = observation_session(&seen);
    assert_true(session.offered && session.encrypted);
    assert_false(session.handshake_failed || session.after_tls_failed);
    seen.greeting.came = seen.ehlo.came = false;
    assert_true(observation_session(&seen).handshake_failed);
}

static void takes_injected_bytes_for_what_they_are(void **state)
{
    struct policy_session session;

    (void)state;
    make_whole();
    seen.tls.was_started = seen.tls.was_completed = false;
    seen.ehlo_after_tls.came = false;
    seen.ending = ENDING_INJECTED;
    session = observation_session(&seen);
    assert_true(session.injected);
    assert_false(session.handshake_failed || session.encrypted);
}

static void blames_our_certificate_only_where_it_was_shown(void **state)
{
    static const struct {
        uint8_t description;
        bool is_sent, was_shown, is_refused;
    } cases[] = {
        { 42, false, true, true },   { 46, false, true, true },    { 48, false, true, true },
        { 40, false, true, true },   { 48, false, false, false },  { 40, false, false, false },
        { 48, true, true, false },   { 116, false, false, false }, { 70, false, true, false },
        { 112, false, true, false },
    };

    (void)state;
    make_whole();
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        seen.tls.alert_count = 1;
        seen.tls.alerts[0] =
            (struct tls_alert){ .is_sent = cases[i].is_sent, .description = cases[i].description };
        seen.tls.client_certificate_sent = cases[i].was_shown;
        assert_int_equal(observation_session(&seen).client_certificate_refused,
                         cases[i].is_refused);
    }
}

static void holds_the_version_against_the_rule(void **state)
{
    (void)state;
    make_whole();
    seen.tls.version = TLS_VERSION_1_1;
    assert_false(observation_session(&seen).version_too_old);
    seen.minimum_version = TLS_VERSION_1_2;
    assert_true(observation_session(&seen).version_too_old);
    seen.tls.version = TLS_VERSION_1_2;
    assert_false(observation_session(&seen).version_too_old);
}

static void believes_no_verdict_that_was_not_given(void **state)
{
    (void)state;
    make_whole();
    seen.verdict.tlsa = CHAIN_TLSA_MATCHED;
    assert_true(observation_session(&seen).tlsa_matched);
    seen.has_verdict = false;
    assert_false(observation_session(&seen).chain_trusted);
    assert_false(observation_session(&seen).tlsa_matched);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(gives_every_word_once, set_up),
        cmocka_unit_test_setup(sees_nothing_in_an_empty_observation, set_up),
        cmocka_unit_test_setup(sees_a_session_that_went_through, set_up),
        cmocka_unit_test_setup(tells_an_offer_that_was_refused, set_up),
        cmocka_unit_test_setup(counts_a_handshake_only_with_a_reply_inside, set_up),
        cmocka_unit_test(a_host_that_was_passed_over_did_not_fail_to_answer),
        cmocka_unit_test_setup(tells_a_failure_inside_from_one_of_the_handshake, set_up),
        cmocka_unit_test_setup(reads_implicit_tls_alike, set_up),
        cmocka_unit_test_setup(takes_injected_bytes_for_what_they_are, set_up),
        cmocka_unit_test_setup(blames_our_certificate_only_where_it_was_shown, set_up),
        cmocka_unit_test_setup(holds_the_version_against_the_rule, set_up),
        cmocka_unit_test_setup(believes_no_verdict_that_was_not_given, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
