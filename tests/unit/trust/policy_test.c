/* tests/unit/trust/policy_test.c - tests the decision against a second statement of the rules.
 *
 * The rules are stated here a second time, as sentences about one session, and both are compared
 * for every session there can be: all flags, all states of TLSA and MTA-STS, all levels. */
#include "trust/policy.h"

#include <string.h>

#include "unit/test.h"

enum { FLAGS = 17, FREE_CHOICE = 16384 /* of may_go_clear */ };

static struct policy_session session_of(unsigned bits, int tlsa, int sts)
{
    return (struct policy_session){
        .offered = bits & 1,
        .refused = bits & 2,
        .encrypted = bits & 4,
        .handshake_failed = bits & 8,
        .after_tls_failed = bits & 16,
        .injected = bits & 32,
        .client_certificate_refused = bits & 64,
        .chain_trusted = bits & 128,
        .host_named = bits & 256,
        .domain_named = bits & 512,
        .fingerprint_matched = bits & 1024,
        .tlsa_matched = bits & 2048,
        .sts_host_listed = bits & 4096,
        .version_too_old = bits & 8192,
        .may_go_clear = bits & 16384,
        .has_other_hosts = bits & 32768,
        .mx_insecure = bits & 65536,
        .tlsa = (enum policy_tlsa)tlsa,
        .sts = (enum policy_sts)sts,
    };
}

typedef void check_session(enum policy_level level, const struct policy_session *session,
                           struct policy_outcome outcome);

static void for_every_session(check_session *check)
{
    for (unsigned bits = 0; bits < 1U << FLAGS; bits++)
        for (int tlsa = POLICY_TLSA_NOT_ASKED; tlsa <= POLICY_TLSA_LOOKUP_FAILED; tlsa++)
            for (int sts = POLICY_STS_UNKNOWN; sts <= POLICY_STS_ENFORCE; sts++)
                for (int level = 0; level < POLICY_LEVEL_COUNT; level++) {
                    struct policy_session session = session_of(bits, tlsa, sts);

                    check((enum policy_level)level, &session,
                          policy_decide((enum policy_level)level, &session));
                }
}

static bool is_sound_tls(const struct policy_session *s)
{
    return s->offered && !s->refused && s->encrypted && !s->handshake_failed &&
           !s->after_tls_failed && !s->injected;
}

/* Does level sts look at the records of the host? */
static bool has_tlsa(const struct policy_session *s)
{
    return !s->mx_insecure && s->tlsa != POLICY_TLSA_NONE && s->tlsa != POLICY_TLSA_NOT_ASKED;
}

/* Is TLS a must for this level, given what the domain published? */
static bool must_encrypt(enum policy_level level, const struct policy_session *s)
{
    if (level == POLICY_NONE || level == POLICY_MAY)
        return false;
    if (level == POLICY_DANE)
        return s->tlsa != POLICY_TLSA_NONE && s->tlsa != POLICY_TLSA_NOT_ASKED;
    if (level == POLICY_STS)
        return has_tlsa(s) || (s->sts != POLICY_STS_NONE && s->sts != POLICY_STS_TESTING);
    return true;
}

static void mail_goes_in_clear_only_where_tls_is_no_must(enum policy_level level,
                                                         const struct policy_session *s,
                                                         struct policy_outcome outcome)
{
    if (outcome.decision == POLICY_DELIVER_IN_CLEAR ||
        outcome.decision == POLICY_REDIAL_WITHOUT_TLS)
        assert_false(must_encrypt(level, s));
    if (outcome.decision == POLICY_REDIAL_WITHOUT_TLS)
        assert_true(s->may_go_clear);
    if (level != POLICY_NONE && s->injected && !s->client_certificate_refused)
        assert_false(outcome.decision == POLICY_DELIVER ||
                     outcome.decision == POLICY_DELIVER_IN_CLEAR ||
                     outcome.decision == POLICY_REDIAL_WITHOUT_TLS);
}

/* What a level promises its operator of every delivery over TLS. */
static bool is_promise_kept(enum policy_level level, const struct policy_session *s)
{
    switch (level) {
    case POLICY_MAY:
    case POLICY_ENCRYPT: return true;
    case POLICY_FINGERPRINT: return s->fingerprint_matched;
    case POLICY_VERIFY: return s->chain_trusted && s->host_named;
    case POLICY_SECURE: return s->chain_trusted && s->domain_named;
    case POLICY_DANE_ONLY:
        return s->tlsa == POLICY_TLSA_USABLE && s->tlsa_matched && !s->mx_insecure;
    case POLICY_DANE:
        return s->tlsa != POLICY_TLSA_LOOKUP_FAILED &&
               (s->tlsa != POLICY_TLSA_USABLE || s->tlsa_matched);
    case POLICY_STS:
        if (has_tlsa(s) && s->tlsa != POLICY_TLSA_UNUSABLE)
            return s->tlsa == POLICY_TLSA_USABLE && s->tlsa_matched;
        if (s->sts == POLICY_STS_ENFORCE && !s->sts_host_listed)
            return false;
        return s->sts == POLICY_STS_NONE || s->sts == POLICY_STS_TESTING ||
               (s->chain_trusted && s->host_named);
    case POLICY_NONE:
    case POLICY_LEVEL_COUNT: break;
    }
    return false;
}

static void mail_goes_over_tls_exactly_where_the_promise_holds(enum policy_level level,
                                                               const struct policy_session *s,
                                                               struct policy_outcome outcome)
{
    bool may_deliver = is_sound_tls(s) && !s->client_certificate_refused &&
                       is_promise_kept(level, s) && !(s->version_too_old && must_encrypt(level, s));

    assert_int_equal(outcome.decision == POLICY_DELIVER, may_deliver);
}

static void a_failure_goes_on_to_another_host_or_waits(enum policy_level level,
                                                       const struct policy_session *s,
                                                       struct policy_outcome outcome)
{
    if (outcome.decision == POLICY_NEXT_HOST)
        assert_true(s->has_other_hosts);
    if (outcome.decision == POLICY_DEFER)
        assert_true(!s->has_other_hosts || outcome.reason == POLICY_REASON_STS_UNKNOWN);
    assert_int_not_equal(outcome.decision, POLICY_BOUNCE); /* no TLS failure lasts for certain */
    if (level == POLICY_NONE)
        assert_int_equal(outcome.decision, POLICY_DELIVER_IN_CLEAR);
}

static void authenticated_means_that_somebody_was_recognized(enum policy_level level,
                                                             const struct policy_session *s,
                                                             struct policy_outcome outcome)
{
    bool expected = outcome.decision == POLICY_DELIVER;

    switch (level) {
    case POLICY_NONE:
    case POLICY_MAY:
    case POLICY_ENCRYPT:
    case POLICY_LEVEL_COUNT: expected = false; break;
    case POLICY_DANE:
        expected = expected && s->tlsa == POLICY_TLSA_USABLE && !s->mx_insecure;
        break;
    case POLICY_STS:
        expected = expected &&
                   ((has_tlsa(s) && s->tlsa == POLICY_TLSA_USABLE) || s->sts == POLICY_STS_ENFORCE);
        break;
    case POLICY_FINGERPRINT:
    case POLICY_DANE_ONLY:
    case POLICY_VERIFY:
    case POLICY_SECURE: break;
    }
    assert_int_equal(outcome.is_authenticated, expected);
}

static void the_reason_is_true_of_the_session(enum policy_level level,
                                              const struct policy_session *s,
                                              struct policy_outcome outcome)
{
    switch (outcome.reason) {
    case POLICY_REASON_FINE: assert_int_equal(outcome.decision, POLICY_DELIVER); break;
    case POLICY_REASON_UNANSWERED: assert_true(s->unanswered); break;
    case POLICY_REASON_LEVEL_NONE: assert_int_equal(level, POLICY_NONE); break;
    case POLICY_REASON_NOT_OFFERED: assert_false(s->offered); break;
    case POLICY_REASON_REFUSED: assert_true(s->refused); break;
    case POLICY_REASON_HANDSHAKE: assert_true(s->handshake_failed || !s->encrypted); break;
    case POLICY_REASON_AFTER_TLS: assert_true(s->after_tls_failed); break;
    case POLICY_REASON_INJECTED: assert_true(s->injected); break;
    case POLICY_REASON_CLIENT_CERTIFICATE: assert_true(s->client_certificate_refused); break;
    case POLICY_REASON_NOT_TRUSTED: assert_false(s->chain_trusted); break;
    case POLICY_REASON_HOST_NOT_NAMED: assert_false(s->host_named); break;
    case POLICY_REASON_DOMAIN_NOT_NAMED: assert_false(s->domain_named); break;
    case POLICY_REASON_FINGERPRINT: assert_false(s->fingerprint_matched); break;
    case POLICY_REASON_TLSA_MISMATCH: assert_false(s->tlsa_matched); break;
    case POLICY_REASON_TLSA_LOOKUP: assert_int_equal(s->tlsa, POLICY_TLSA_LOOKUP_FAILED); break;
    case POLICY_REASON_TLSA_REQUIRED:
        assert_true(s->tlsa != POLICY_TLSA_USABLE || s->mx_insecure);
        break;
    case POLICY_REASON_STS_HOST: assert_false(s->sts_host_listed); break;
    case POLICY_REASON_STS_UNKNOWN: assert_int_equal(s->sts, POLICY_STS_UNKNOWN); break;
    case POLICY_REASON_VERSION: assert_true(s->version_too_old); break;
    case POLICY_REASON_REQUIRETLS: assert_true(s->requires_tls && !s->offers_requiretls); break;
    case POLICY_REASON_HOST_INSECURE: assert_true(s->requires_tls && s->host_insecure); break;
    default: fail_msg("an unknown reason");
    }
}

static void sends_in_the_clear_only_where_tls_is_no_must(void **state)
{
    (void)state;
    for_every_session(mail_goes_in_clear_only_where_tls_is_no_must);
}

static void delivers_over_tls_exactly_where_the_level_holds(void **state)
{
    (void)state;
    for_every_session(mail_goes_over_tls_exactly_where_the_promise_holds);
}

static void goes_to_another_host_or_waits_and_never_bounces(void **state)
{
    (void)state;
    for_every_session(a_failure_goes_on_to_another_host_or_waits);
}

static void calls_authenticated_only_what_was_recognized(void **state)
{
    (void)state;
    for_every_session(authenticated_means_that_somebody_was_recognized);
}

static void gives_a_reason_that_is_true(void **state)
{
    (void)state;
    for_every_session(the_reason_is_true_of_the_session);
}

/* Where the level asks less, either way of RFC 8689 section 4.2.1 to know the server will do. */
static bool is_known(enum policy_level level, const struct policy_session *s)
{
    struct policy_session plain = *s;

    plain.requires_tls = false;
    return policy_decide(level, &plain).is_authenticated || (s->chain_trusted && s->host_named) ||
           (s->tlsa == POLICY_TLSA_USABLE && s->tlsa_matched) || s->fingerprint_matched;
}

static void a_message_with_requiretls_goes_exactly_where_its_promise_holds(
    enum policy_level level, const struct policy_session *s, struct policy_outcome outcome)
{
    bool may_deliver = level != POLICY_NONE && is_sound_tls(s) && !s->client_certificate_refused &&
                       is_promise_kept(level, s) &&
                       !(s->version_too_old && must_encrypt(level, s)) && !s->host_insecure &&
                       s->offers_requiretls && is_known(level, s);

    assert_int_equal(outcome.decision == POLICY_DELIVER, may_deliver);
    if (may_deliver)
        assert_true(outcome.is_authenticated);
    assert_int_not_equal(outcome.decision, POLICY_DELIVER_IN_CLEAR);
    assert_int_not_equal(outcome.decision, POLICY_REDIAL_WITHOUT_TLS);
    if (outcome.decision == POLICY_NEXT_HOST)
        assert_true(s->has_other_hosts);
    if (outcome.decision == POLICY_BOUNCE)
        assert_false(s->has_other_hosts);
    the_reason_is_true_of_the_session(level, s, outcome);
}

/* All flags and levels; of what is published, what matters. */
static void keeps_the_promise_of_requiretls(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 1U << FLAGS; bits++)
        for (int i = bits & FREE_CHOICE ? 16 : 0; i < 16; i++)
            for (int level = 0; level < POLICY_LEVEL_COUNT; level++) {
                struct policy_session session =
                    session_of(bits, i & 1 ? POLICY_TLSA_USABLE : POLICY_TLSA_NONE,
                               i & 2 ? POLICY_STS_ENFORCE : POLICY_STS_NONE);

                session.requires_tls = session.may_go_clear = true;
                session.offers_requiretls = i & 4;
                session.host_insecure = i & 8;
                a_message_with_requiretls_goes_exactly_where_its_promise_holds(
                    (enum policy_level)level, &session,
                    policy_decide((enum policy_level)level, &session));
            }
}

/* RFC 8689 section 4.2.1: the sender hears at once of what a server answered; what may pass is tried again. */
static void returns_what_asks_for_requiretls_where_no_host_has_it(void **state)
{
    const struct policy_session fine = { .offered = true,
                                         .encrypted = true,
                                         .chain_trusted = true,
                                         .host_named = true,
                                         .requires_tls = true,
                                         .offers_requiretls = true };
    struct policy_session session = fine;

    (void)state;
    assert_int_equal(policy_decide(POLICY_MAY, &session).decision, POLICY_DELIVER);
    assert_true(policy_decide(POLICY_MAY, &session).is_authenticated);
    session.offers_requiretls = false;
    assert_int_equal(policy_decide(POLICY_MAY, &session).decision, POLICY_BOUNCE);
    assert_int_equal(policy_decide(POLICY_MAY, &session).reason, POLICY_REASON_REQUIRETLS);
    session.has_other_hosts = true;
    assert_int_equal(policy_decide(POLICY_MAY, &session).decision, POLICY_NEXT_HOST);
    session = fine;
    session.host_insecure = true;
    assert_int_equal(policy_decide(POLICY_VERIFY, &session).decision, POLICY_DEFER);
    session.sts = POLICY_STS_NONE; /* it is known what the domain publishes, and it does not help */
    assert_int_equal(policy_decide(POLICY_VERIFY, &session).decision, POLICY_BOUNCE);
    assert_int_equal(policy_decide(POLICY_VERIFY, &session).reason, POLICY_REASON_HOST_INSECURE);
    session = fine;
    session.chain_trusted = false;
    assert_int_equal(policy_decide(POLICY_MAY, &session).decision, POLICY_BOUNCE);
    assert_int_equal(policy_decide(POLICY_MAY, &session).reason, POLICY_REASON_NOT_TRUSTED);
    session.trusts_nobody = true; /* it is us */
    assert_int_equal(policy_decide(POLICY_MAY, &session).decision, POLICY_DEFER);
    assert_int_equal(policy_decide(POLICY_VERIFY, &session).decision, POLICY_DEFER);
    session = fine;
    session.offered = session.encrypted = false;
    assert_int_equal(policy_decide(POLICY_MAY, &session).decision, POLICY_BOUNCE);
    assert_int_equal(policy_decide(POLICY_MAY, &session).reason, POLICY_REASON_NOT_OFFERED);
    assert_int_equal(policy_decide(POLICY_NONE, &session).decision, POLICY_BOUNCE);
    session = fine;
    session.encrypted = false;
    session.handshake_failed = session.may_go_clear = true;
    assert_int_equal(policy_decide(POLICY_MAY, &session).decision, POLICY_DEFER);
    session = fine;
    session.unanswered = true;
    assert_int_equal(policy_decide(POLICY_MAY, &session).decision, POLICY_DEFER);
    session = fine;
    session.tlsa = POLICY_TLSA_LOOKUP_FAILED;
    assert_int_equal(policy_decide(POLICY_DANE, &session).decision, POLICY_DEFER);
    assert_true(policy_decide(POLICY_DANE, &session).may_pass);
    session = fine;
    session.offers_requiretls = false;
    assert_false(policy_decide(POLICY_MAY, &session).may_pass);
    session.others_may_do = true;
    assert_int_equal(policy_decide(POLICY_MAY, &session).decision, POLICY_DEFER);
}

/* A few whole sentences, as an operator would say them. */
static void decides_the_usual_cases(void **state)
{
    static const struct policy_session fine = { .offered = true,
                                                .encrypted = true,
                                                .chain_trusted = true,
                                                .host_named = true,
                                                .domain_named = true };
    struct policy_session session = fine;

    (void)state;
    for (int level = POLICY_MAY; level < POLICY_LEVEL_COUNT; level++) {
        bool delivers = policy_decide((enum policy_level)level, &fine).decision == POLICY_DELIVER;

        assert_int_equal(delivers, level != POLICY_FINGERPRINT && level != POLICY_DANE_ONLY);
    }
    session.offered = session.encrypted = false;
    assert_int_equal(policy_decide(POLICY_MAY, &session).decision, POLICY_DELIVER_IN_CLEAR);
    assert_int_equal(policy_decide(POLICY_ENCRYPT, &session).decision, POLICY_DEFER);
    session = fine;
    session.encrypted = false;
    session.handshake_failed = true;
    assert_int_equal(policy_decide(POLICY_MAY, &session).decision, POLICY_DEFER);
    session.may_go_clear = true;
    assert_int_equal(policy_decide(POLICY_MAY, &session).decision, POLICY_REDIAL_WITHOUT_TLS);
    session.has_other_hosts = true;
    assert_int_equal(policy_decide(POLICY_VERIFY, &session).decision, POLICY_NEXT_HOST);
    session = fine;
    session.tlsa = POLICY_TLSA_LOOKUP_FAILED; /* RFC 7672 section 2.1.2: never a downgrade */
    assert_int_equal(policy_decide(POLICY_DANE, &session).reason, POLICY_REASON_TLSA_LOOKUP);
    session.tlsa = POLICY_TLSA_USABLE;
    assert_int_equal(policy_decide(POLICY_DANE, &session).reason, POLICY_REASON_TLSA_MISMATCH);
}

static void reads_and_writes_the_names_of_levels(void **state)
{
    enum policy_level level;

    (void)state;
    for (int i = 0; i < POLICY_LEVEL_COUNT; i++) {
        assert_true(policy_level_parse(span_of(policy_level_name((enum policy_level)i)), &level));
        assert_int_equal(level, i);
    }
    assert_false(policy_level_parse(span_of("Verify"), &level));
    assert_false(policy_level_parse(span_of(""), &level));
    assert_string_equal(policy_level_name(POLICY_DANE_ONLY), "dane-only");
    for (int i = 0; i < POLICY_DECISION_COUNT; i++)
        assert_true(strlen(policy_decision_name((enum policy_decision)i)) > 0);
    assert_string_equal(policy_decision_name(POLICY_DELIVER_IN_CLEAR), "deliver-in-clear");
    for (int i = 0; i < POLICY_DEMAND_COUNT; i++)
        assert_true(strlen(policy_demand_name((enum policy_demand)i)) > 0);
    assert_string_equal(policy_demand_name(POLICY_DEMAND_LISTED_HOST), "listed-host");
    assert_string_equal(policy_source_name(POLICY_SOURCE_DANE), "dane");
}

static void expect_nothing_without_a_session(enum policy_level level,
                                             const struct policy_session *session,
                                             struct policy_outcome outcome)
{
    struct policy_session unanswered = *session;

    (void)outcome;
    unanswered.unanswered = true;
    outcome = policy_decide(level, &unanswered);
    assert_int_equal(outcome.reason, POLICY_REASON_UNANSWERED);
    assert_int_equal(outcome.decision, session->has_other_hosts ? POLICY_NEXT_HOST : POLICY_DEFER);
}

static void delivers_nothing_where_nobody_answers(void **state)
{
    (void)state;
    for_every_session(expect_nothing_without_a_session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delivers_nothing_where_nobody_answers),
        cmocka_unit_test(sends_in_the_clear_only_where_tls_is_no_must),
        cmocka_unit_test(delivers_over_tls_exactly_where_the_level_holds),
        cmocka_unit_test(goes_to_another_host_or_waits_and_never_bounces),
        cmocka_unit_test(calls_authenticated_only_what_was_recognized),
        cmocka_unit_test(gives_a_reason_that_is_true),
        cmocka_unit_test(decides_the_usual_cases),
        cmocka_unit_test(keeps_the_promise_of_requiretls),
        cmocka_unit_test(returns_what_asks_for_requiretls_where_no_host_has_it),
        cmocka_unit_test(reads_and_writes_the_names_of_levels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
