#include "trust/policy.h"

#include <assert.h>
#include <string.h>

static const char *const level_names[POLICY_LEVEL_COUNT] = {
    [POLICY_NONE] = "none",       [POLICY_MAY] = "may",
    [POLICY_ENCRYPT] = "encrypt", [POLICY_FINGERPRINT] = "fingerprint",
    [POLICY_DANE] = "dane",       [POLICY_DANE_ONLY] = "dane-only",
    [POLICY_VERIFY] = "verify",   [POLICY_SECURE] = "secure",
    [POLICY_STS] = "sts",
};

static const char *const decision_names[POLICY_DECISION_COUNT] = {
    [POLICY_DELIVER] = "deliver",
    [POLICY_DELIVER_IN_CLEAR] = "deliver-in-clear",
    [POLICY_REDIAL_WITHOUT_TLS] = "redial-without-tls",
    [POLICY_REDIAL_WITHOUT_CLIENT_CERTIFICATE] = "redial-without-client-certificate",
    [POLICY_NEXT_HOST] = "next-host",
    [POLICY_DEFER] = "defer",
    [POLICY_BOUNCE] = "bounce",
};

const char *policy_level_name(enum policy_level level)
{
    assert(level < POLICY_LEVEL_COUNT);
    return level_names[level];
}

bool policy_level_parse(struct span text, enum policy_level *level)
{
    for (size_t i = 0; i < POLICY_LEVEL_COUNT; i++)
        if (span_equal(text, span_of(level_names[i]))) {
            *level = (enum policy_level)i;
            return true;
        }
    return false;
}

const char *policy_decision_name(enum policy_decision decision)
{
    assert(decision < POLICY_DECISION_COUNT);
    return decision_names[decision];
}

const char *policy_demand_name(enum policy_demand demand)
{
    static const char *const names[POLICY_DEMAND_COUNT] = {
        [POLICY_DEMAND_NOTHING] = "nothing",
        [POLICY_DEMAND_CLEAR] = "clear",
        [POLICY_DEMAND_TLS] = "tls",
        [POLICY_DEMAND_FINGERPRINT] = "fingerprint",
        [POLICY_DEMAND_TLSA] = "tlsa",
        [POLICY_DEMAND_HOST] = "host",
        [POLICY_DEMAND_DOMAIN] = "domain",
        [POLICY_DEMAND_LISTED_HOST] = "listed-host",
        [POLICY_DEMAND_UNKNOWN] = "unknown",
        [POLICY_DEMAND_VALID_TLSA] = "valid-tlsa",
        [POLICY_DEMAND_USABLE_TLSA] = "usable-tlsa",
    };

    assert(demand < POLICY_DEMAND_COUNT);
    return names[demand];
}

const char *policy_source_name(enum policy_source source)
{
    static const char *const names[] = {
        [POLICY_SOURCE_LEVEL] = "level",
        [POLICY_SOURCE_DANE] = "dane",
        [POLICY_SOURCE_STS] = "sts",
        [POLICY_SOURCE_NONE] = "none",
    };

    assert((size_t)source < ARRAY_SIZE(names));
    return names[source];
}

/* ---- what a level comes down to ------------------------------------------------------------- */

static const struct policy_terms of_level[POLICY_LEVEL_COUNT] = {
    [POLICY_NONE] = { POLICY_DEMAND_CLEAR, POLICY_SOURCE_LEVEL },
    [POLICY_MAY] = { POLICY_DEMAND_NOTHING, POLICY_SOURCE_LEVEL },
    [POLICY_ENCRYPT] = { POLICY_DEMAND_TLS, POLICY_SOURCE_LEVEL },
    [POLICY_FINGERPRINT] = { POLICY_DEMAND_FINGERPRINT, POLICY_SOURCE_LEVEL },
    [POLICY_DANE] = { POLICY_DEMAND_NOTHING, POLICY_SOURCE_NONE },
    [POLICY_DANE_ONLY] = { POLICY_DEMAND_USABLE_TLSA, POLICY_SOURCE_DANE },
    [POLICY_VERIFY] = { POLICY_DEMAND_HOST, POLICY_SOURCE_LEVEL },
    [POLICY_SECURE] = { POLICY_DEMAND_DOMAIN, POLICY_SOURCE_LEVEL },
    [POLICY_STS] = { POLICY_DEMAND_NOTHING, POLICY_SOURCE_NONE },
};

/* RFC 8461 section 5: testing and none are delivered, and reported. */
static const struct policy_terms of_sts[] = {
    [POLICY_STS_UNKNOWN] = { POLICY_DEMAND_UNKNOWN, POLICY_SOURCE_STS },
    [POLICY_STS_NONE] = { POLICY_DEMAND_NOTHING, POLICY_SOURCE_NONE },
    [POLICY_STS_TESTING] = { POLICY_DEMAND_NOTHING, POLICY_SOURCE_STS },
    [POLICY_STS_ENFORCE] = { POLICY_DEMAND_LISTED_HOST, POLICY_SOURCE_STS },
};

/* What the TLSA records of the host say at this level. Whoever forges an insecure MX answer names a host
 * of his own, with its records: they prove nothing to dane-only, and must not set aside a policy that
 * lists the true hosts. Level dane takes them for what they are, better than nothing: RFC 7672 section
 * 2.2.1. */
static enum policy_tlsa tlsa_at(enum policy_level level, const struct policy_session *published)
{
    if (level == POLICY_DANE ||
        ((level == POLICY_DANE_ONLY || level == POLICY_STS) && !published->mx_insecure))
        return published->tlsa;
    return POLICY_TLSA_NOT_ASKED;
}

struct policy_terms policy_terms(enum policy_level level, const struct policy_session *published)
{
    enum policy_tlsa tlsa = tlsa_at(level, published);
    struct policy_terms terms;

    assert(level < POLICY_LEVEL_COUNT && (size_t)published->sts < ARRAY_SIZE(of_sts));
    if (tlsa == POLICY_TLSA_USABLE) /* it decides alone: RFC 8461 section 2 */
        return (struct policy_terms){ POLICY_DEMAND_TLSA, POLICY_SOURCE_DANE };
    if (tlsa == POLICY_TLSA_LOOKUP_FAILED) /* RFC 7672 section 2.1.2 */
        return (struct policy_terms){ POLICY_DEMAND_VALID_TLSA, POLICY_SOURCE_DANE };
    terms = level == POLICY_STS ? of_sts[published->sts] : of_level[level];
    if (tlsa == POLICY_TLSA_UNUSABLE && terms.demand == POLICY_DEMAND_NOTHING)
        return (struct policy_terms){ POLICY_DEMAND_TLS, POLICY_SOURCE_DANE };
    return terms; /* RFC 7672 section 2.2 */
}

bool policy_bars(enum policy_level level, const struct policy_session *published,
                 enum policy_reason *reason)
{
    switch ((int)policy_terms(level, published).demand) {
    case POLICY_DEMAND_VALID_TLSA: *reason = POLICY_REASON_TLSA_LOOKUP; return true;
    case POLICY_DEMAND_USABLE_TLSA: *reason = POLICY_REASON_TLSA_REQUIRED; return true;
    case POLICY_DEMAND_LISTED_HOST:
        *reason = POLICY_REASON_STS_HOST;
        if (!published->sts_host_listed)
            return true;
        break;
    default: break;
    }
    *reason = POLICY_REASON_HOST_INSECURE; /* RFC 8689 section 4.2.1 */
    return published->requires_tls && published->host_insecure;
}

/* ---- what a session comes to ---------------------------------------------------------------- */

static struct policy_outcome outcome(enum policy_decision decision, enum policy_reason reason)
{
    return (struct policy_outcome){ .decision = decision, .reason = reason };
}

/* Another host may do better; where there is none, time may. */
static struct policy_outcome refuse(const struct policy_session *session, enum policy_reason reason)
{
    return outcome(session->has_other_hosts ? POLICY_NEXT_HOST : POLICY_DEFER, reason);
}

/* What kept the session from being encrypted; POLICY_REASON_FINE: nothing did. */
static enum policy_reason why_unencrypted(const struct policy_session *session)
{
    if (session->injected)
        return POLICY_REASON_INJECTED;
    if (!session->offered)
        return POLICY_REASON_NOT_OFFERED;
    if (session->refused)
        return POLICY_REASON_REFUSED;
    if (session->handshake_failed)
        return POLICY_REASON_HANDSHAKE;
    if (session->after_tls_failed)
        return POLICY_REASON_AFTER_TLS;
    return session->encrypted ? POLICY_REASON_FINE : POLICY_REASON_HANDSHAKE;
}

/* RFC 7435 section 3: something is better than nothing, but not where somebody was caught in the
 * middle, nor on a connection that TLS left dead. */
static struct policy_outcome decide_opportunistic(const struct policy_session *session,
                                                  enum policy_reason reason)
{
    switch ((int)reason) {
    case POLICY_REASON_FINE:
        return outcome(POLICY_DELIVER,
                       session->version_too_old ? POLICY_REASON_VERSION : POLICY_REASON_FINE);
    case POLICY_REASON_NOT_OFFERED:
    case POLICY_REASON_REFUSED: return outcome(POLICY_DELIVER_IN_CLEAR, reason);
    case POLICY_REASON_HANDSHAKE:
    case POLICY_REASON_AFTER_TLS:
        return session->may_go_clear ? outcome(POLICY_REDIAL_WITHOUT_TLS, reason)
                                     : refuse(session, reason);
    default: return refuse(session, reason);
    }
}

/* One row for each demand: what must hold beyond TLS, in the order in which it is asked. */
static const struct {
    bool needs_fingerprint, needs_tlsa, needs_trust, needs_host, needs_domain;
} rows[POLICY_DEMAND_COUNT] = {
    [POLICY_DEMAND_TLS] = { .needs_trust = false },
    [POLICY_DEMAND_FINGERPRINT] = { .needs_fingerprint = true },
    [POLICY_DEMAND_TLSA] = { .needs_tlsa = true },
    [POLICY_DEMAND_HOST] = { .needs_trust = true, .needs_host = true },
    [POLICY_DEMAND_DOMAIN] = { .needs_trust = true, .needs_domain = true },
    [POLICY_DEMAND_LISTED_HOST] = { .needs_trust = true, .needs_host = true },
    [POLICY_DEMAND_UNKNOWN] = { .needs_trust = true, .needs_host = true },
};

static enum policy_reason why_unauthenticated(enum policy_demand demand,
                                              const struct policy_session *session)
{
    if (rows[demand].needs_fingerprint && !session->fingerprint_matched)
        return POLICY_REASON_FINGERPRINT;
    if (rows[demand].needs_tlsa && !session->tlsa_matched)
        return POLICY_REASON_TLSA_MISMATCH;
    if (rows[demand].needs_trust && !session->chain_trusted)
        return POLICY_REASON_NOT_TRUSTED;
    if (rows[demand].needs_host && !session->host_named)
        return POLICY_REASON_HOST_NOT_NAMED;
    if (rows[demand].needs_domain && !session->domain_named)
        return POLICY_REASON_DOMAIN_NOT_NAMED;
    return POLICY_REASON_FINE;
}

/* Does what was shown prove that it is whom we meant? Of a host that anybody may have named it does not. */
static bool is_authenticating(enum policy_demand demand, const struct policy_session *session)
{
    switch ((int)demand) {
    case POLICY_DEMAND_TLS:
    case POLICY_DEMAND_UNKNOWN: return false;
    case POLICY_DEMAND_TLSA: return !session->mx_insecure;
    default: return true;
    }
}

static struct policy_outcome decide_demanding(enum policy_demand demand,
                                              const struct policy_session *session)
{
    enum policy_reason reason = why_unencrypted(session);

    if (reason == POLICY_REASON_FINE && session->version_too_old)
        reason = POLICY_REASON_VERSION;
    if (reason == POLICY_REASON_FINE)
        reason = why_unauthenticated(demand, session);
    if (reason != POLICY_REASON_FINE && demand == POLICY_DEMAND_UNKNOWN)
        return outcome(POLICY_DEFER, POLICY_REASON_STS_UNKNOWN);
    if (reason != POLICY_REASON_FINE)
        return refuse(session, reason);
    return (struct policy_outcome){
        .decision = POLICY_DELIVER,
        .reason = POLICY_REASON_FINE,
        .is_authenticated = is_authenticating(demand, session),
    };
}

static struct policy_outcome decide_at(enum policy_level level,
                                       const struct policy_session *session)
{
    enum policy_demand demand = policy_terms(level, session).demand;
    enum policy_reason barred;

    if (session->unanswered)
        return refuse(session, POLICY_REASON_UNANSWERED);
    if (demand == POLICY_DEMAND_CLEAR)
        return outcome(POLICY_DELIVER_IN_CLEAR, POLICY_REASON_LEVEL_NONE);
    if (policy_bars(level, session, &barred))
        return refuse(session, barred);
    if (session->client_certificate_refused)
        return outcome(POLICY_REDIAL_WITHOUT_CLIENT_CERTIFICATE, POLICY_REASON_CLIENT_CERTIFICATE);
    if (demand == POLICY_DEMAND_NOTHING)
        return decide_opportunistic(session, why_unencrypted(session));
    return decide_demanding(demand, session);
}

/* ---- what a message may ask for beyond ------------------------------------------------------ */

/* Either way of RFC 8689 section 4.2.1 to know a server is good enough, whatever the level makes of it. */
static enum policy_reason why_not_known(const struct policy_session *session)
{
    bool by_dane = session->tlsa == POLICY_TLSA_USABLE && session->tlsa_matched;

    return by_dane || session->fingerprint_matched
               ? POLICY_REASON_FINE
               : why_unauthenticated(POLICY_DEMAND_HOST, session);
}

static enum policy_reason why_not_for_requiretls(const struct policy_session *session,
                                                 const struct policy_outcome *at_level)
{
    enum policy_reason reason = why_unencrypted(session);

    if (reason == POLICY_REASON_FINE && !at_level->is_authenticated)
        reason = why_not_known(session);
    if (reason == POLICY_REASON_FINE && !session->offers_requiretls)
        return POLICY_REASON_REQUIRETLS;
    return reason;
}

/* A network that does not carry, a handshake that breaks off, a look-up that fails and roots that we lack may be
 * well again later; what a server showed of itself is an answer. */
static bool may_pass(const struct policy_session *session, enum policy_reason reason)
{
    switch ((int)reason) {
    case POLICY_REASON_UNANSWERED:
    case POLICY_REASON_REFUSED:
    case POLICY_REASON_HANDSHAKE:
    case POLICY_REASON_AFTER_TLS:
    case POLICY_REASON_INJECTED:
    case POLICY_REASON_CLIENT_CERTIFICATE:
    case POLICY_REASON_TLSA_LOOKUP:
    case POLICY_REASON_STS_UNKNOWN: return true;
    case POLICY_REASON_NOT_TRUSTED: return session->trusts_nobody;
    case POLICY_REASON_HOST_INSECURE: return session->sts == POLICY_STS_UNKNOWN;
    default: return false;
    }
}

/* RFC 8689 section 4.2.1: each host has its turn, and then the sender hears of it. */
static struct policy_outcome refuse_requiretls(const struct policy_session *session,
                                               enum policy_reason reason)
{
    bool passes = may_pass(session, reason);
    struct policy_outcome refused = refuse(session, reason);

    if (refused.decision == POLICY_DEFER && !passes && !session->others_may_do)
        refused.decision = POLICY_BOUNCE;
    refused.may_pass = passes;
    return refused;
}

struct policy_outcome policy_decide(enum policy_level level, const struct policy_session *session)
{
    struct policy_outcome at_level = decide_at(level, session);
    enum policy_reason reason = at_level.reason;

    if (!session->requires_tls || at_level.decision == POLICY_REDIAL_WITHOUT_CLIENT_CERTIFICATE)
        return at_level;
    if (at_level.decision == POLICY_DELIVER)
        reason = why_not_for_requiretls(session, &at_level);
    if (at_level.decision != POLICY_DELIVER || reason != POLICY_REASON_FINE)
        return refuse_requiretls(session, reason);
    at_level.is_authenticated = true;
    return at_level;
}
