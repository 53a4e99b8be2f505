/* lab/certificate_maker.h - makes one X.509 certificate from a plan of it (OpenSSL).
 *
 * Extensions are those that public CAs put in (RFC 5280 section 4.2), but for what the plan
 * leaves out or spoils.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/compiler.h"
#include "base/error.h"

struct certificate_plan {
    const char *common_name;
    const char *alternative_names; /* "DNS:a,DNS:b" as OpenSSL writes it; NULL: none */
    int64_t not_before_s, not_after_s;
    bool is_ca;
    bool has_no_issuer;     /* self-signed: issuer and issuer_key are ignored */
    const char *purposes;   /* extended key usage, "serverAuth,clientAuth"; NULL: none */
    const char *constraint; /* name constraints, "critical,permitted;DNS:example.org"; NULL */
    const char *issuer_url; /* AIA caIssuers; NULL: none */
    bool must_staple;       /* RFC 7633 */
    const EVP_MD *digest;   /* NULL: SHA-256 */
};

MUST_CHECK bool certificate_make(const struct certificate_plan *plan, EVP_PKEY *key, X509 *issuer,
                                 EVP_PKEY *issuer_key, X509 **certificate, struct error *err);

/* Frees and sets NULL, so that locals can be AUTO. */
void certificate_free(X509 **certificate);
void certificate_key_free(EVP_PKEY **key);

/* `bits` 0: ECDSA P-256; else RSA of that size. */
MUST_CHECK bool certificate_key_make(unsigned bits, EVP_PKEY **key, struct error *err);

/* error_set with what OpenSSL last said. */
bool certificate_error(struct error *err, const char *doing);
