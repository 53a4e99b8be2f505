/* lab/certificates.h - certificates of every kind of brokenness, made fresh (OpenSSL X.509).
 *
 * One root, one intermediate and a leaf per server; keys are ECDSA P-256 where the case does not
 * need RSA. Dates are counted from the time given. Nothing is kept on disk but what
 * certificates_write puts there.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/span.h"

enum certificate_case {
    CERTIFICATE_GOOD, /* ECDSA leaf and intermediate, 90 days */
    CERTIFICATE_RSA,  /* the same with RSA 2048 */
    CERTIFICATE_WILDCARD,
    CERTIFICATE_EXPIRED,
    CERTIFICATE_NOT_YET_VALID,
    CERTIFICATE_EXPIRES_SOON,
    CERTIFICATE_INTERMEDIATE_EXPIRED,
    CERTIFICATE_SELF_SIGNED,
    CERTIFICATE_UNTRUSTED_ROOT,                /* whole chain, root not among ca.pem */
    CERTIFICATE_UNTRUSTED_ROOT_SENT,           /* the same, with the root sent too */
    CERTIFICATE_LEAF_ONLY,                     /* the intermediate is not sent; AIA names it */
    CERTIFICATE_LEAF_ONLY_OF_PLAIN_NAME,       /* the same, where only AIA tells an intermediate */
    CERTIFICATE_LEAF_ONLY_OF_FOREIGN_ROOT,     /* a private root signed the leaf itself */
    CERTIFICATE_LEAF_ONLY_WITHOUT_AIA,         /* nor does anything say where it is */
    CERTIFICATE_TWO_INTERMEDIATES_MISSING_ONE, /* the upper of two is not sent */
    CERTIFICATE_MISORDERED,
    CERTIFICATE_SUPERFLUOUS, /* a stranger's certificate in the chain */
    CERTIFICATE_WRONG_NAME,
    CERTIFICATE_NAME_ONLY_IN_CN,
    CERTIFICATE_WRONG_PURPOSE, /* clientAuth alone */
    CERTIFICATE_NOT_A_CA,      /* the intermediate has CA:FALSE */
    CERTIFICATE_NAME_CONSTRAINT,
    CERTIFICATE_WEAK_KEY,              /* RSA 1024 */
    CERTIFICATE_WEAK_SIGNATURE,        /* SHA-1 */
    CERTIFICATE_MUST_STAPLE,           /* RFC 7633 */
    CERTIFICATE_BAD_SIGNATURE,         /* made by another key than the issuer's */
    CERTIFICATE_ISSUER_WITH_OTHER_KEY, /* sent: an intermediate of the issuer's name */
    CERTIFICATE_FUTURE,                /* root and all below start next year */
    CERTIFICATE_CASE_COUNT,
};

/* Those of the lab's clients; all but the wrong key are signed by a CA that servers ask for. */
enum certificate_client {
    CERTIFICATE_CLIENT_GOOD,
    CERTIFICATE_CLIENT_EXPIRED,
    CERTIFICATE_CLIENT_WRONG_KEY, /* a good certificate, beside the key of another */
    CERTIFICATE_CLIENT_COUNT,
};

/* What one server shows. Everything lives in the arena that was lent. */
struct certificate_made {
    struct span chain_pem, key_pem; /* leaf first, as it is to be sent */
    struct span leaf_der;
    struct span issuer_der; /* of the leaf's issuer, sent or not */
};

struct certificates;

/* Makes the authorities. `now_s`: seconds since 1970. */
MUST_CHECK bool certificates_new(int64_t now_s, struct certificates **certificates,
                                 struct error *err);
void certificates_free(struct certificates **certificates);

/* A leaf for `host` and `domain`, with a key of its own (RSA keys are made once and shared). */
MUST_CHECK bool certificates_issue(struct certificates *certificates, enum certificate_case kind,
                                   const char *host, const char *domain, struct arena *arena,
                                   struct certificate_made *made, struct error *err);

enum certificate_status { CERTIFICATE_STATUS_GOOD, CERTIFICATE_STATUS_REVOKED };

/* An OCSP response (RFC 6960) for a leaf that certificates_issue made, signed by its issuer: good
 * from a day before the time given for a week, moved by `later_s`. */
MUST_CHECK bool certificates_staple(struct certificates *certificates,
                                    const struct certificate_made *made,
                                    enum certificate_status status, int64_t later_s,
                                    struct arena *arena, struct span *response, struct error *err);

/* The CA that clients' certificates are signed by, or one that signed none of them. */
MUST_CHECK bool certificates_client_ca(struct certificates *certificates, bool is_stranger,
                                       struct arena *arena, struct span *pem, struct error *err);

/* Into `directory`: ca.pem, future-ca.pem, empty-ca.pem, intermediates.pem, and client.pem,
 * client-expired.pem, client-wrong-key.pem (chain and key in one file, readable by us alone). */
MUST_CHECK bool certificates_write(struct certificates *certificates, const char *directory,
                                   struct error *err);
/* "client-expired.pem" */
const char *certificates_client_file(enum certificate_client client);
/* Deletes what certificates_write wrote. */
void certificates_remove(const char *directory);
