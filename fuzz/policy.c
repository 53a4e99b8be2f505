/* fuzz/policy.c - whatever a session established, no level lets mail go with less than it demands.
 *
 * The input is the session, bit by bit, and the level; what must hold is said here anew, without the tables.
 */
#include <stdint.h>
#include <stdlib.h>

#include "trust/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SESSION_BYTES = 6 };

static void insist(bool claim)
{
    if (!claim)
        abort();
}

static struct policy_session session_of(const uint8_t *data)
{
    uint32_t bits = (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16;
    unsigned next = 0;
#define TAKE_BIT() ((bits >> next++ & 1) != 0)
    struct policy_session session = {
        .tlsa = (enum policy_tlsa)(data[3] % (POLICY_TLSA_LOOKUP_FAILED + 1)),
        .sts = (enum policy_sts)(data[4] % (POLICY_STS_ENFORCE + 1)),
    };

    session.unanswered = TAKE_BIT();
    session.offered = TAKE_BIT();
    session.refused = TAKE_BIT();
    session.encrypted = TAKE_BIT();
    session.handshake_failed = TAKE_BIT();
    session.after_tls_failed = TAKE_BIT();
    session.injected = TAKE_BIT();
    session.client_certificate_refused = TAKE_BIT();
    session.chain_trusted = TAKE_BIT();
    session.host_named = TAKE_BIT();
    session.domain_named = TAKE_BIT();
    session.fingerprint_matched = TAKE_BIT();
    session.mx_insecure = TAKE_BIT();
    session.sts_host_listed = TAKE_BIT();
    session.tlsa_matched = TAKE_BIT();
    session.requires_tls = TAKE_BIT();
    session.offers_requiretls = TAKE_BIT();
    session.host_insecure = TAKE_BIT();
    session.version_too_old = TAKE_BIT();
    session.may_go_clear = TAKE_BIT();
    session.others_may_do = TAKE_BIT();
    session.has_other_hosts = TAKE_BIT();
#undef TAKE_BIT
    return session;
}

static bool goes(const struct policy_outcome *outcome)
{
    return outcome->decision == POLICY_DELIVER || outcome->decision == POLICY_DELIVER_IN_CLEAR ||
           outcome->decision == POLICY_REDIAL_WITHOUT_TLS;
}

static bool goes_in_clear(const struct policy_outcome *outcome)
{
    return goes(outcome) && outcome->decision != POLICY_DELIVER;
}

/* Levels that say so themselves, whatever is published. */
static void check_level(enum policy_level level, const struct policy_session *seen,
                        const struct policy_outcome *outcome)
{
    bool by_name =
        seen->chain_trusted && (level == POLICY_SECURE ? seen->domain_named : seen->host_named);

    if (level == POLICY_NONE)
        insist(!goes(outcome) || outcome->decision == POLICY_DELIVER_IN_CLEAR);
    if (level == POLICY_ENCRYPT || level == POLICY_FINGERPRINT || level == POLICY_DANE_ONLY ||
        level == POLICY_VERIFY || level == POLICY_SECURE)
        insist(!goes_in_clear(outcome));
    if (outcome->decision != POLICY_DELIVER)
        return;
    if (level == POLICY_VERIFY || level == POLICY_SECURE)
        insist(by_name);
    if (level == POLICY_FINGERPRINT)
        insist(seen->fingerprint_matched);
    if (level == POLICY_DANE_ONLY)
        insist(seen->tlsa == POLICY_TLSA_USABLE && seen->tlsa_matched && !seen->mx_insecure);
}

/* RFC 7672 section 2.2, RFC 8461 sections 2 and 5. */
static void check_published(enum policy_level level, const struct policy_session *seen,
                            const struct policy_outcome *outcome)
{
    bool counts = level == POLICY_DANE || (level == POLICY_STS && !seen->mx_insecure);

    if (counts && seen->tlsa == POLICY_TLSA_LOOKUP_FAILED)
        insist(!goes(outcome));
    if (counts && (seen->tlsa == POLICY_TLSA_USABLE || seen->tlsa == POLICY_TLSA_UNUSABLE))
        insist(!goes_in_clear(outcome));
    if (counts && seen->tlsa == POLICY_TLSA_USABLE && outcome->decision == POLICY_DELIVER)
        insist(seen->tlsa_matched);
    if (level != POLICY_STS || (counts && seen->tlsa == POLICY_TLSA_USABLE))
        return;
    if (seen->sts == POLICY_STS_ENFORCE || seen->sts == POLICY_STS_UNKNOWN)
        insist(!goes_in_clear(outcome));
    if (seen->sts == POLICY_STS_ENFORCE && goes(outcome))
        insist(seen->sts_host_listed && seen->chain_trusted && seen->host_named);
}

/* RFC 8689 section 4.2.1. */
static void check_requiretls(const struct policy_session *seen,
                             const struct policy_outcome *outcome)
{
    if (!seen->requires_tls)
        return;
    insist(!goes_in_clear(outcome));
    if (outcome->decision == POLICY_DELIVER)
        insist(outcome->is_authenticated && seen->offers_requiretls && !seen->host_insecure);
}

static void check(enum policy_level level, const struct policy_session *seen)
{
    struct policy_outcome outcome = policy_decide(level, seen);
    enum policy_reason reason;

    insist(outcome.decision < POLICY_DECISION_COUNT &&
           policy_decision_name(outcome.decision) != NULL);
    if (outcome.decision == POLICY_DELIVER)
        insist(seen->encrypted && seen->offered && !seen->injected && !seen->unanswered);
    if (outcome.is_authenticated)
        insist(outcome.decision == POLICY_DELIVER);
    if (seen->injected)
        insist(!goes(&outcome) || level == POLICY_NONE);
    if (level != POLICY_NONE && policy_bars(level, seen, &reason))
        insist(!goes(&outcome));
    if (outcome.decision == POLICY_NEXT_HOST)
        insist(seen->has_other_hosts);
    check_level(level, seen, &outcome);
    check_published(level, seen, &outcome);
    check_requiretls(seen, &outcome);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct policy_session session;

    if (size < SESSION_BYTES)
        return 0;
    session = session_of(data);
    check((enum policy_level)(data[SESSION_BYTES - 1] % POLICY_LEVEL_COUNT), &session);
    return 0;
}
