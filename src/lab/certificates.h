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
    CERTIFICATE_LEAF_ONLY_WITHOUT_AIA,         /* nor does anything say where it is */
    CERTIFICATE_TWO_INTERMEDIATES_MISSING_ONE, /* the upper of two is not sent */
    CERTIFICATE_MISORDERED,
    CERTIFICATE_SUPERFLUOUS, /* a stranger's certificate in the chain */
    CERTIFICATE_WRONG_NAME,
    CERTIFICATE_NAME_ONLY_IN_CN,
    CERTIFICATE_WRONG_PURPOSE, /* clientAuth alone */
    CERTIFICATE_NOT_A_CA,      /* the intermediate has CA:FALSE */
    CERTIFICATE_NAME_CONSTRAINT,
    CERTIFICATE_WEAK_KEY,       /* RSA 1024 */
    CERTIFICATE_WEAK_SIGNATURE, /* SHA-1 */
    CERTIFICATE_MUST_STAPLE,    /* RFC 7633 */
    CERTIFICATE_FUTURE,         /* root and all below start next year */
    CERTIFICATE_CASE_COUNT,
};
