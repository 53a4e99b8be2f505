/* trust/policy.h - the levels of protection, and what each says of one session.
 *
 * A pure function from (level, what the session established) to a decision. RFC 7672 section 2.2
 * and 3 (dane), RFC 8461 section 5 (sts), RFC 7435 (opportunistic security: may). At level sts a domain
 * may publish both: RFC 8461 section 2 says that usable TLSA records decide alone. A message may ask for
 * more than the level does: REQUIRETLS, RFC 8689 section 4.2.1.
 */
#pragma once

#include <stdbool.h>

#include "base/compiler.h"
#include "base/span.h"
#include "trust/chain.h"

enum policy_level {
    POLICY_NONE,        /* never TLS */
    POLICY_MAY,         /* TLS where offered, in the clear else */
    POLICY_ENCRYPT,     /* TLS always, whoever it is */
    POLICY_FINGERPRINT, /* TLS with this very certificate or key */
    POLICY_DANE,        /* TLSA where published, else as may */
    POLICY_DANE_ONLY,   /* TLSA or nothing */
    POLICY_VERIFY,      /* trusted, and names the MX host */
    POLICY_SECURE,      /* trusted, and names the recipient's domain */
    POLICY_STS,         /* what is published: TLSA where usable, else MTA-STS, else as may */
    POLICY_LEVEL_COUNT,
};

const char *policy_level_name(enum policy_level level); /* "dane-only" */
MUST_CHECK bool policy_level_parse(struct span text, enum policy_level *level);

enum policy_tlsa {
    POLICY_TLSA_NOT_ASKED, /* nobody looked: says nothing about the domain */
    POLICY_TLSA_NONE,      /* securely none, or the zone is insecure */
    POLICY_TLSA_UNUSABLE,  /* records, and none of them usable: encrypt */
    POLICY_TLSA_USABLE,
    POLICY_TLSA_LOOKUP_FAILED, /* a secure zone, a failing answer: never a downgrade */
};

enum policy_sts {
    POLICY_STS_UNKNOWN, /* nobody looked: says nothing about the domain */
    POLICY_STS_NONE, /* no policy, mode none, or none that could be fetched: RFC 8461 section 3.3 */
    POLICY_STS_TESTING,
    POLICY_STS_ENFORCE,
};

/* What a level comes down to for one host, once it is known what is published. */
enum policy_demand {
    POLICY_DEMAND_NOTHING, /* TLS where it works */
    POLICY_DEMAND_CLEAR,   /* no TLS */
    POLICY_DEMAND_TLS,     /* whoever it is */
    POLICY_DEMAND_FINGERPRINT,
    POLICY_DEMAND_TLSA,
    POLICY_DEMAND_HOST,        /* trusted, and the host's name */
    POLICY_DEMAND_DOMAIN,      /* trusted, and the domain's name */
    POLICY_DEMAND_LISTED_HOST, /* as HOST, and the domain's policy lists it */
    POLICY_DEMAND_UNKNOWN,     /* nobody knows what the domain's policy says */
    POLICY_DEMAND_VALID_TLSA,  /* their look-up failed: nothing will do */
    POLICY_DEMAND_USABLE_TLSA, /* there are none, and the level is dane-only: nothing will do */
    POLICY_DEMAND_COUNT,
};

/* Who says so. */
enum policy_source {
    POLICY_SOURCE_LEVEL, /* the level alone, whatever is published */
    POLICY_SOURCE_DANE,  /* the TLSA records of the host, or that they cannot be had */
    POLICY_SOURCE_STS,   /* the policy of the domain */
    POLICY_SOURCE_NONE,  /* the level asks for what is published, and nothing is */
};

struct policy_terms {
    enum policy_demand demand;
    enum policy_source source;
};

/* What one session with one host established. */
struct policy_session {
    bool unanswered;       /* no greeting, or no EHLO or HELO, was accepted: there is no session */
    bool offered;          /* STARTTLS, by a strict reading */
    bool refused;          /* offered, then answered with 4xx or 5xx */
    bool encrypted;        /* the handshake was completed and the first reply inside it came */
    bool handshake_failed; /* after the 220: the socket is dead */
    bool after_tls_failed; /* EHLO inside TLS was refused or never answered */
    bool injected;         /* plaintext behind the 220: somebody stands between */
    bool client_certificate_refused; /* the peer refuses ours; without it, it might work */
    bool chain_trusted;
    bool trusts_nobody; /* we have no roots: a chain that is not trusted says nothing of the host */
    bool host_named;    /* the certificate names the MX host */
    bool domain_named;  /* it names the recipient's domain or a host below it */
    bool fingerprint_matched;
    /* what is published: policy_terms and policy_bars look at nothing else */
    enum policy_tlsa tlsa;
    bool
        mx_insecure; /* the host comes from an MX answer that is not secure: RFC 7672 section 2.2.1 */
    enum policy_sts sts;
    bool sts_host_listed;
    bool tlsa_matched;
    bool requires_tls;      /* the message asks for REQUIRETLS */
    bool offers_requiretls; /* the server does, inside TLS */
    bool host_insecure;     /* nobody vouches for whoever named the host: RFC 8689 section 4.2.1 */
    bool version_too_old;   /* below the rule's minimum */
    bool may_go_clear;      /* the message waited long enough for a redial in the clear */
    bool others_may_do;     /* the outcome of a host that was tried may pass */
    bool has_other_hosts;   /* hosts of the same domain that were not tried yet */
};

enum policy_decision {
    POLICY_DELIVER,
    POLICY_DELIVER_IN_CLEAR,
    POLICY_REDIAL_WITHOUT_TLS,
    POLICY_REDIAL_WITHOUT_CLIENT_CERTIFICATE,
    POLICY_NEXT_HOST,
    POLICY_DEFER,
    POLICY_BOUNCE,
    POLICY_DECISION_COUNT,
};

const char *policy_decision_name(enum policy_decision decision); /* "deliver-in-clear" */

/* Why, as one word a finding can be chosen by. */
enum policy_reason {
    POLICY_REASON_FINE,
    POLICY_REASON_UNANSWERED,
    POLICY_REASON_LEVEL_NONE,
    POLICY_REASON_NOT_OFFERED,
    POLICY_REASON_REFUSED,
    POLICY_REASON_HANDSHAKE,
    POLICY_REASON_AFTER_TLS,
    POLICY_REASON_INJECTED,
    POLICY_REASON_CLIENT_CERTIFICATE,
    POLICY_REASON_NOT_TRUSTED,
    POLICY_REASON_HOST_NOT_NAMED,
    POLICY_REASON_DOMAIN_NOT_NAMED,
    POLICY_REASON_FINGERPRINT,
    POLICY_REASON_TLSA_MISMATCH,
    POLICY_REASON_TLSA_LOOKUP,
    POLICY_REASON_TLSA_REQUIRED,
    POLICY_REASON_STS_HOST,
    POLICY_REASON_STS_UNKNOWN,
    POLICY_REASON_VERSION,
    POLICY_REASON_REQUIRETLS,    /* the message needs it, and the server does not offer it */
    POLICY_REASON_HOST_INSECURE, /* it does, and the name of the host came from anybody */
};

struct policy_outcome {
    enum policy_decision decision;
    enum policy_reason reason;
    bool is_authenticated; /* delivered to whom we meant, not merely encrypted */
    bool may_pass;         /* with REQUIRETLS: refused by what may be well again later */
};

struct policy_outcome policy_decide(enum policy_level level, const struct policy_session *session);

const char *policy_demand_name(enum policy_demand demand); /* "listed-host" */
const char *policy_source_name(enum policy_source source); /* "dane" */

/* Before anybody is dialled, from what is published alone. */
struct policy_terms policy_terms(enum policy_level level, const struct policy_session *published);
/* Can no session with the host be good enough? Then it is passed over, and *reason says why.
 * RFC 8461 section 4.1, RFC 7672 section 2.1.2. */
MUST_CHECK bool policy_bars(enum policy_level level, const struct policy_session *published,
                            enum policy_reason *reason);
