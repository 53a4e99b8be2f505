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

/* What the level comes down to, once it is known what the domain published. */
enum demand {
    WANT_NOTHING, /* TLS where it works */
    WANT_TLS,     /* TLS, whoever it is */
    WANT_FINGERPRINT,
    WANT_TLSA,
    WANT_HOST,       /* trusted, and the host's name */
    WANT_DOMAIN,     /* trusted, and the domain's name */
    WANT_STS_HOST,   /* as WANT_HOST, and the host is listed */
    WANT_STS_UNTOLD, /* nobody knows what the domain's policy says */
    REFUSE_LOOKUP,
    REFUSE_NO_TLSA,
    DEMAND_COUNT,
};

static enum demand dane_demand(bool is_only, enum policy_tlsa tlsa)
{
    switch (tlsa) {
    case POLICY_TLSA_USABLE: return WANT_TLSA;
    case POLICY_TLSA_LOOKUP_FAILED: return REFUSE_LOOKUP; /* RFC 7672 section 2.1.2 */
    case POLICY_TLSA_UNUSABLE:                            /* RFC 7672 section 2.2 */
        return is_only ? REFUSE_NO_TLSA : WANT_TLS;
    case POLICY_TLSA_NONE:
    case POLICY_TLSA_NOT_ASKED: break;
    }
    return is_only ? REFUSE_NO_TLSA : WANT_NOTHING;
}

static enum demand sts_demand(enum policy_sts sts)
{
    switch (sts) {
    case POLICY_STS_ENFORCE: return WANT_STS_HOST;
    case POLICY_STS_UNKNOWN: return WANT_STS_UNTOLD;
    case POLICY_STS_NONE:
    case POLICY_STS_TESTING: break; /* RFC 8461 section 5: delivered, and reported */
    }
    return WANT_NOTHING;
}

static enum demand demand_of(enum policy_level level, const struct policy_session *session)
{
    switch (level) {
    case POLICY_ENCRYPT: return WANT_TLS;
    case POLICY_FINGERPRINT: return WANT_FINGERPRINT;
    case POLICY_DANE: return dane_demand(false, session->tlsa);
    case POLICY_DANE_ONLY: return dane_demand(true, session->tlsa);
    case POLICY_VERIFY: return WANT_HOST;
    case POLICY_SECURE: return WANT_DOMAIN;
    case POLICY_STS: return sts_demand(session->sts);
    case POLICY_NONE:
    case POLICY_MAY:
    case POLICY_LEVEL_COUNT: break;
    }
    return WANT_NOTHING;
}

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
    bool needs_fingerprint, needs_tlsa, needs_listing, needs_trust, needs_host, needs_domain;
} rows[DEMAND_COUNT] = {
    [WANT_TLS] = { .needs_trust = false },
    [WANT_FINGERPRINT] = { .needs_fingerprint = true },
    [WANT_TLSA] = { .needs_tlsa = true },
    [WANT_HOST] = { .needs_trust = true, .needs_host = true },
    [WANT_DOMAIN] = { .needs_trust = true, .needs_domain = true },
    [WANT_STS_HOST] = { .needs_listing = true, .needs_trust = true, .needs_host = true },
    [WANT_STS_UNTOLD] = { .needs_trust = true, .needs_host = true },
};

static enum policy_reason why_unauthenticated(enum demand demand,
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

static struct policy_outcome decide_demanding(enum demand demand,
                                              const struct policy_session *session)
{
    enum policy_reason reason = why_unencrypted(session);

    /* Not listed is known before the host is dialled: RFC 8461 section 4.1. */
    if (rows[demand].needs_listing && !session->sts_host_listed)
        return refuse(session, POLICY_REASON_STS_HOST);
    if (reason == POLICY_REASON_FINE && session->version_too_old)
        reason = POLICY_REASON_VERSION;
    if (reason == POLICY_REASON_FINE)
        reason = why_unauthenticated(demand, session);
    if (reason != POLICY_REASON_FINE && demand == WANT_STS_UNTOLD)
        return outcome(POLICY_DEFER, POLICY_REASON_STS_UNKNOWN);
    if (reason != POLICY_REASON_FINE)
        return refuse(session, reason);
    return (struct policy_outcome){
        .decision = POLICY_DELIVER,
        .reason = POLICY_REASON_FINE,
        .is_authenticated = demand != WANT_TLS && demand != WANT_STS_UNTOLD,
    };
}

struct policy_outcome policy_decide(enum policy_level level, const struct policy_session *session)
{
    enum demand demand = demand_of(level, session);

    if (session->unanswered)
        return refuse(session, POLICY_REASON_UNANSWERED);
    if (level == POLICY_NONE)
        return outcome(POLICY_DELIVER_IN_CLEAR, POLICY_REASON_LEVEL_NONE);
    if (demand == REFUSE_LOOKUP)
        return refuse(session, POLICY_REASON_TLSA_LOOKUP);
    if (demand == REFUSE_NO_TLSA)
        return refuse(session, POLICY_REASON_TLSA_REQUIRED);
    if (session->client_certificate_refused)
        return outcome(POLICY_REDIAL_WITHOUT_CLIENT_CERTIFICATE, POLICY_REASON_CLIENT_CERTIFICATE);
    if (demand == WANT_NOTHING)
        return decide_opportunistic(session, why_unencrypted(session));
    return decide_demanding(demand, session);
}
