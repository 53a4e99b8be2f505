/* trust/chain.h - judges a certificate chain: every flaw, not the first.
 *
 * RFC 5280 (paths), RFC 9525 (names, by trust/names.h), RFC 7671 and 7672 (TLSA), RFC 7633
 * (must-staple). Pure: the time, the anchors and the known intermediates are inputs. At most
 * CHAIN_SENT_MOST certificates are read and CHAIN_TRIES_MOST paths are tried.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/span.h"
#include "trust/anchors.h"
#include "trust/certificate.h"
#include "trust/dane.h"

enum {
    CHAIN_SENT_MOST = 64,
    CHAIN_FLAWS_MOST = 48,
    CHAIN_TRIES_MOST = 64,
    CHAIN_SOON_DAYS = 14, /* a leaf that ends within so many days, and has lived two thirds of its
                           * life, gets a notice of it */
};

enum chain_flaw_kind {
    CHAIN_EMPTY,      /* no certificate was sent */
    CHAIN_UNREADABLE, /* a certificate cannot be parsed */
    CHAIN_EXPIRED,    /* the leaf (RFC 5280 section 6.1.3 (a)(2)) */
    CHAIN_NOT_YET_VALID,
    CHAIN_INTERMEDIATE_EXPIRED, /* any other certificate of the path, root included */
    CHAIN_INTERMEDIATE_NOT_YET_VALID,
    CHAIN_SELF_SIGNED,      /* the leaf is its own issuer and is not an anchor */
    CHAIN_ISSUER_UNTRUSTED, /* the chain is whole; its root is not an anchor */
    CHAIN_INCOMPLETE,       /* an issuer is neither sent nor known: `subject` names it */
    CHAIN_MISORDERED,       /* RFC 5246 section 7.4.2; warning only */
    CHAIN_SUPERFLUOUS,      /* sent and not needed: a root, a duplicate, a stranger; notice */
    CHAIN_NAME_MISMATCH,
    CHAIN_NAME_ONLY_IN_CN, /* the common name would match, no dNSName does */
    CHAIN_WRONG_PURPOSE,   /* extendedKeyUsage or keyUsage does not allow a TLS server */
    CHAIN_NOT_A_CA,        /* an issuer without CA:TRUE or keyCertSign, or past its path length */
    CHAIN_NAME_CONSTRAINT,
    CHAIN_WEAK_KEY,           /* below security level 2: RSA or DSA 2048, EC 224 bits */
    CHAIN_WEAK_SIGNATURE,     /* MD5, SHA-1 (not on a trusted root) */
    CHAIN_BAD_SIGNATURE,      /* the issuer's key did not make this signature */
    CHAIN_REVOKED,            /* by the CRLs or the staple given */
    CHAIN_REVOCATION_UNKNOWN, /* CRLs were given and none covers it, or it is stale */
    CHAIN_STAPLE_MISSING,     /* must-staple, and no staple came */
    CHAIN_STAPLE_INVALID,
    CHAIN_TOO_LONG,     /* max_depth exceeded */
    CHAIN_STRICTNESS,   /* only the strict profile refuses it (RFC 5280 details) */
    CHAIN_OTHER,        /* OpenSSL refuses for another reason: `detail` has its words */
    CHAIN_EXPIRES_SOON, /* notice */
    CHAIN_KIND_COUNT,
};

struct chain_flaw {
    enum chain_flaw_kind kind;
    bool is_fatal;  /* by itself keeps the chain from being trusted under the profile asked (the
                            two flaws of names: from naming the host) */
    int sent_index; /* which certificate as sent, from 0; -1: one that was not sent */
    const char *subject; /* of that certificate (or of the missing one), for people */
    const char *detail;  /* "ended 18 November 2026", a name, OpenSSL's words; "" */
    int64_t time_s;      /* the date that it is about, 0: none */
};

enum chain_profile {
    CHAIN_COMPATIBLE, /* what delivery uses: no CN, no partial wildcards, security level 2 */
    CHAIN_STRICT,     /* adds RFC 5280 strictness, which breaks some private CAs */
};

struct chain_request {
    const struct span *certificates; /* DER as sent, leaf first */
    size_t certificate_count;
    const char *const *names; /* reference identifiers, any of them will do */
    size_t name_count;        /* 0: names are not judged */
    const char *const
        *dane_names;        /* those that a record of usage 2 asks for: RFC 7672 section 3.2.2 */
    size_t dane_name_count; /* 0: `names` */
    int64_t now_s;
    enum chain_profile profile;
    struct anchors *anchors;       /* may be empty */
    struct anchors *intermediates; /* known, not trusted; may be NULL */
    const struct span *crls;       /* DER */
    size_t crl_count;
    struct span staple;    /* an OCSP response in DER, or empty */
    bool staple_was_asked; /* so that its absence can be a flaw */
    const struct dane_record *tlsa;
    size_t tlsa_count;
    int max_depth; /* intermediates allowed; 0: OpenSSL's default, 100; -1: none */
};

enum chain_tlsa { CHAIN_TLSA_NONE, CHAIN_TLSA_UNUSABLE, CHAIN_TLSA_MATCHED, CHAIN_TLSA_MISMATCH };

/* All texts and arrays live in the arena given to chain_verify. */
struct chain_verdict {
    bool is_trusted;          /* a path to an anchor holds under the profile; names left aside */
    bool name_matched;        /* true where no names were asked */
    const char *matched_name; /* the dNSName that did it; NULL */
    bool path_needs_intermediate; /* a path holds, or would but for its other flaws, once a known
                                     intermediate that was not sent is added; never trusted */
    bool needed_other_path;       /* OpenSSL's own builder missed the path that we found */
    enum chain_tlsa tlsa;
    size_t tlsa_count;       /* records asked about */
    size_t tlsa_index;       /* of the record that matched */
    const char *tlsa_detail; /* with a mismatch: what comes closest, such as a record that matches
                                an issuer whose path does not hold; with unusable ones: why; "" */
    struct certificate *certificates; /* facts, as sent */
    size_t certificate_count;
    const char **path; /* subjects of the path found, leaf to anchor */
    size_t path_count;
    const char *missing_issuer;     /* with CHAIN_INCOMPLETE: subject of the certificate not sent */
    const char *missing_issuer_url; /* where AIA says it can be had; NULL */
    bool
        missing_is_known; /* it was found among the known intermediates (or is issued by an anchor) */
    struct chain_flaw flaws[CHAIN_FLAWS_MOST]; /* root causes first */
    size_t flaw_count;
};

/* False only for our own failure (memory). Judges whatever was sent, an empty list too. */
MUST_CHECK bool chain_verify(const struct chain_request *request, struct arena *arena,
                             struct chain_verdict *verdict, struct error *err);

const char *chain_flaw_name(enum chain_flaw_kind kind); /* "expired", "incomplete": stable words */
MUST_CHECK bool chain_has(const struct chain_verdict *verdict, enum chain_flaw_kind kind);
