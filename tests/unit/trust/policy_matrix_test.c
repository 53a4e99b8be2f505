/* tests/unit/trust/policy_matrix_test.c - the whole matrix: every level, every state of DANE, every mode of
 * MTA-STS, every flaw.
 *
 * One row for each state of what is published, and one letter for each flaw of a session that is otherwise
 * fine; a state that no row or more than one is for fails. */
#include "trust/policy.h"

#include <string.h>

#include "base/compiler.h"
#include "unit/test.h"

/* One column each, in this order; every one is a flaw of a session that is otherwise fine. */
static void set_flaw(struct policy_session *s, size_t column)
{
    switch (column) {
    case 0: break; /* fine */
    case 1: s->offered = s->encrypted = false; break;
    case 2:
        s->refused = true;
        s->encrypted = false;
        break;
    case 3:
    case 4:
        s->handshake_failed = true;
        s->encrypted = false;
        s->may_go_clear = column == 4;
        break;
    case 5: s->after_tls_failed = true; break;
    case 6: s->injected = true; break;
    case 7: s->client_certificate_refused = true; break;
    case 8: s->chain_trusted = false; break;
    case 9: s->host_named = false; break;
    case 10: s->domain_named = false; break;
    case 11: s->tlsa_matched = false; break;
    case 12: s->fingerprint_matched = false; break;
    case 13: s->version_too_old = true; break;
    default: s->unanswered = true; break;
    }
}

/* What each letter says. Small letters and L, Q, S, K: refused, for that reason. */
static const struct letter {
    char letter;
    enum policy_decision decision; /* POLICY_NEXT_HOST: or defer, where there is none */
    enum policy_reason reason;
    bool is_authenticated;
} letters[] = {
    { 'A', POLICY_DELIVER, POLICY_REASON_FINE, true },
    { 'D', POLICY_DELIVER, POLICY_REASON_FINE, false },
    { 'W', POLICY_DELIVER, POLICY_REASON_VERSION, false },
    { 'B', POLICY_DELIVER_IN_CLEAR, POLICY_REASON_LEVEL_NONE, false },
    { 'O', POLICY_DELIVER_IN_CLEAR, POLICY_REASON_NOT_OFFERED, false },
    { 'C', POLICY_DELIVER_IN_CLEAR, POLICY_REASON_REFUSED, false },
    { 'R', POLICY_REDIAL_WITHOUT_TLS, POLICY_REASON_HANDSHAKE, false },
    { 'X', POLICY_REDIAL_WITHOUT_CLIENT_CERTIFICATE, POLICY_REASON_CLIENT_CERTIFICATE, false },
    { 'o', POLICY_NEXT_HOST, POLICY_REASON_NOT_OFFERED, false },
    { 'r', POLICY_NEXT_HOST, POLICY_REASON_REFUSED, false },
    { 'h', POLICY_NEXT_HOST, POLICY_REASON_HANDSHAKE, false },
    { 'a', POLICY_NEXT_HOST, POLICY_REASON_AFTER_TLS, false },
    { 'i', POLICY_NEXT_HOST, POLICY_REASON_INJECTED, false },
    { 't', POLICY_NEXT_HOST, POLICY_REASON_NOT_TRUSTED, false },
    { 'n', POLICY_NEXT_HOST, POLICY_REASON_HOST_NOT_NAMED, false },
    { 'd', POLICY_NEXT_HOST, POLICY_REASON_DOMAIN_NOT_NAMED, false },
    { 'm', POLICY_NEXT_HOST, POLICY_REASON_TLSA_MISMATCH, false },
    { 'f', POLICY_NEXT_HOST, POLICY_REASON_FINGERPRINT, false },
    { 'v', POLICY_NEXT_HOST, POLICY_REASON_VERSION, false },
    { 'u', POLICY_NEXT_HOST, POLICY_REASON_UNANSWERED, false },
    { 'L', POLICY_NEXT_HOST, POLICY_REASON_TLSA_LOOKUP, false },
    { 'Q', POLICY_NEXT_HOST, POLICY_REASON_TLSA_REQUIRED, false },
    { 'S', POLICY_NEXT_HOST, POLICY_REASON_STS_HOST, false },
    { 'K', POLICY_DEFER, POLICY_REASON_STS_UNKNOWN, false },
};

#define SET(member) (1U << (member))

enum {
    NO_TLSA = SET(POLICY_TLSA_NOT_ASKED) | SET(POLICY_TLSA_NONE),
    NO_STS = SET(POLICY_STS_NONE) | SET(POLICY_STS_TESTING),
    ANY = 0xff,
    NO = SET(false),
    YES = SET(true),
};

#define AS_NOTHING     "DOChRaiXDDDDDWu"
#define AS_TLS         "DorhhaiXDDDDDvu"
#define AS_FINGERPRINT "AorhhaiXAAAAfvu"
#define AS_HOST        "AorhhaiXtnAAAvu"
#define AS_DOMAIN      "AorhhaiXtAdAAvu"
#define AS_TLSA        "AorhhaiXAAAmAvu"
#define AS_TLSA_OF_ANY "DorhhaiXDDDmDvu"
#define AS_LOOKUP      "LLLLLLLLLLLLLLu"
#define AS_REQUIRED    "QQQQQQQQQQQQQQu"
#define AS_NOT_LISTED  "SSSSSSSSSSSSSSu"
#define AS_UNKNOWN     "DKKKKKKXKKDDDKu"

static const struct row {
    enum policy_level level;
    unsigned tlsa, mx_insecure, sts, listed; /* sets */
    const char *cells;
    enum policy_source source;
} matrix[] = {
    { POLICY_NONE, ANY, ANY, ANY, ANY, "BBBBBBBBBBBBBBu", POLICY_SOURCE_LEVEL },
    { POLICY_MAY, ANY, ANY, ANY, ANY, AS_NOTHING, POLICY_SOURCE_LEVEL },
    { POLICY_ENCRYPT, ANY, ANY, ANY, ANY, AS_TLS, POLICY_SOURCE_LEVEL },
    { POLICY_FINGERPRINT, ANY, ANY, ANY, ANY, AS_FINGERPRINT, POLICY_SOURCE_LEVEL },
    { POLICY_VERIFY, ANY, ANY, ANY, ANY, AS_HOST, POLICY_SOURCE_LEVEL },
    { POLICY_SECURE, ANY, ANY, ANY, ANY, AS_DOMAIN, POLICY_SOURCE_LEVEL },

    /* MTA-STS is nothing to it, and an insecure MX no reason to do without TLSA. */
    { POLICY_DANE, NO_TLSA, ANY, ANY, ANY, AS_NOTHING, POLICY_SOURCE_NONE },
    { POLICY_DANE, SET(POLICY_TLSA_UNUSABLE), ANY, ANY, ANY, AS_TLS, POLICY_SOURCE_DANE },
    { POLICY_DANE, SET(POLICY_TLSA_USABLE), NO, ANY, ANY, AS_TLSA, POLICY_SOURCE_DANE },
    { POLICY_DANE, SET(POLICY_TLSA_USABLE), YES, ANY, ANY, AS_TLSA_OF_ANY, POLICY_SOURCE_DANE },
    { POLICY_DANE, SET(POLICY_TLSA_LOOKUP_FAILED), ANY, ANY, ANY, AS_LOOKUP, POLICY_SOURCE_DANE },

    { POLICY_DANE_ONLY, NO_TLSA | SET(POLICY_TLSA_UNUSABLE), NO, ANY, ANY, AS_REQUIRED,
      POLICY_SOURCE_DANE },
    { POLICY_DANE_ONLY, SET(POLICY_TLSA_USABLE), NO, ANY, ANY, AS_TLSA, POLICY_SOURCE_DANE },
    { POLICY_DANE_ONLY, SET(POLICY_TLSA_LOOKUP_FAILED), NO, ANY, ANY, AS_LOOKUP,
      POLICY_SOURCE_DANE },
    { POLICY_DANE_ONLY, ANY, YES, ANY, ANY, AS_REQUIRED, POLICY_SOURCE_DANE },

    /* RFC 8461 section 2: usable TLSA decides alone, and one that fails is never overridden. */
    { POLICY_STS, SET(POLICY_TLSA_USABLE), NO, ANY, ANY, AS_TLSA, POLICY_SOURCE_DANE },
    { POLICY_STS, SET(POLICY_TLSA_LOOKUP_FAILED), NO, ANY, ANY, AS_LOOKUP, POLICY_SOURCE_DANE },
    /* RFC 7672 section 2.2: unusable ones ask for TLS, and the policy may ask for more. */
    { POLICY_STS, SET(POLICY_TLSA_UNUSABLE), NO, NO_STS, ANY, AS_TLS, POLICY_SOURCE_DANE },
    { POLICY_STS, SET(POLICY_TLSA_UNUSABLE), NO, SET(POLICY_STS_ENFORCE), YES, AS_HOST,
      POLICY_SOURCE_STS },
    { POLICY_STS, SET(POLICY_TLSA_UNUSABLE), NO, SET(POLICY_STS_ENFORCE), NO, AS_NOT_LISTED,
      POLICY_SOURCE_STS },
    { POLICY_STS, SET(POLICY_TLSA_UNUSABLE), NO, SET(POLICY_STS_UNKNOWN), ANY, AS_UNKNOWN,
      POLICY_SOURCE_STS },
    { POLICY_STS, NO_TLSA, NO, SET(POLICY_STS_NONE), ANY, AS_NOTHING, POLICY_SOURCE_NONE },
    { POLICY_STS, NO_TLSA, NO, SET(POLICY_STS_TESTING), ANY, AS_NOTHING, POLICY_SOURCE_STS },
    { POLICY_STS, NO_TLSA, NO, SET(POLICY_STS_ENFORCE), YES, AS_HOST, POLICY_SOURCE_STS },
    { POLICY_STS, NO_TLSA, NO, SET(POLICY_STS_ENFORCE), NO, AS_NOT_LISTED, POLICY_SOURCE_STS },
    { POLICY_STS, NO_TLSA, NO, SET(POLICY_STS_UNKNOWN), ANY, AS_UNKNOWN, POLICY_SOURCE_STS },
    /* Whoever forges the MX must not get round the policy with records of his own. */
    { POLICY_STS, ANY, YES, SET(POLICY_STS_NONE), ANY, AS_NOTHING, POLICY_SOURCE_NONE },
    { POLICY_STS, ANY, YES, SET(POLICY_STS_TESTING), ANY, AS_NOTHING, POLICY_SOURCE_STS },
    { POLICY_STS, ANY, YES, SET(POLICY_STS_ENFORCE), YES, AS_HOST, POLICY_SOURCE_STS },
    { POLICY_STS, ANY, YES, SET(POLICY_STS_ENFORCE), NO, AS_NOT_LISTED, POLICY_SOURCE_STS },
    { POLICY_STS, ANY, YES, SET(POLICY_STS_UNKNOWN), ANY, AS_UNKNOWN, POLICY_SOURCE_STS },
};

static const struct row *find_row(enum policy_level level, const struct policy_session *s)
{
    const struct row *found = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(matrix); i++) {
        const struct row *row = &matrix[i];

        if (row->level != level || !(row->tlsa & SET(s->tlsa)) || !(row->sts & SET(s->sts)) ||
            !(row->mx_insecure & SET(s->mx_insecure)) || !(row->listed & SET(s->sts_host_listed)))
            continue;
        assert_null(found); /* one row for each state */
        found = row;
    }
    assert_non_null(found);
    return found;
}

static void expect_cell(enum policy_level level, const struct policy_session *session, char cell)
{
    struct policy_outcome outcome = policy_decide(level, session);

    for (size_t i = 0; i < ARRAY_SIZE(letters); i++) {
        enum policy_decision expected = letters[i].decision;

        if (letters[i].letter != cell)
            continue;
        if (expected == POLICY_NEXT_HOST && !session->has_other_hosts)
            expected = POLICY_DEFER;
        if (outcome.decision != expected || outcome.reason != letters[i].reason ||
            outcome.is_authenticated != letters[i].is_authenticated)
            fail_msg("%s, tlsa %d, sts %d: not %c but %s, reason %d", policy_level_name(level),
                     (int)session->tlsa, (int)session->sts, cell,
                     policy_decision_name(outcome.decision), (int)outcome.reason);
        return;
    }
    fail_msg("no letter %c", cell);
}

static void expect_row(enum policy_level level, const struct policy_session *published)
{
    const struct row *row = find_row(level, published);
    bool is_barred = strchr("LQS", row->cells[0]) != NULL;
    enum policy_reason reason;

    for (size_t column = 0; row->cells[column] != '\0'; column++) {
        struct policy_session session = *published;

        set_flaw(&session, column);
        expect_cell(level, &session, row->cells[column]);
    }
    assert_int_equal(policy_terms(level, published).source, row->source);
    assert_int_equal(policy_bars(level, published, &reason), is_barred);
    if (is_barred)
        assert_int_equal(policy_decide(level, published).reason, reason);
}

static void decides_the_whole_matrix_as_the_table_says(void **state)
{
    struct policy_session published = { .offered = true,
                                        .encrypted = true,
                                        .chain_trusted = true,
                                        .host_named = true,
                                        .domain_named = true,
                                        .fingerprint_matched = true,
                                        .tlsa_matched = true };

    (void)state;
    for (int level = 0; level < POLICY_LEVEL_COUNT; level++)
        for (int tlsa = POLICY_TLSA_NOT_ASKED; tlsa <= POLICY_TLSA_LOOKUP_FAILED; tlsa++)
            for (int sts = POLICY_STS_UNKNOWN; sts <= POLICY_STS_ENFORCE; sts++)
                for (unsigned bits = 0; bits < 8; bits++) {
                    published.tlsa = (enum policy_tlsa)tlsa;
                    published.sts = (enum policy_sts)sts;
                    published.mx_insecure = bits & 1;
                    published.sts_host_listed = bits & 2;
                    published.has_other_hosts = bits & 4;
                    expect_row((enum policy_level)level, &published);
                }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decides_the_whole_matrix_as_the_table_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
