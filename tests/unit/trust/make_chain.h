/* tests/unit/trust/make_chain.h - certificates made on the spot, with whatever is wrong with them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/span.h"
#include "trust/anchors.h"

/* The moment of all tests: 21 November 2026, noon. Nothing here reads a clock. */
#define MAKE_NOW_S INT64_C(1795262400)
#define MAKE_DAY_S INT64_C(86400)

enum { MAKE_EXTENSIONS_MOST = 12 };

struct made {
    X509 *x509;
    EVP_PKEY *key;
    struct span der;
};

/* Zero means: an ECDSA P-256 key, SHA-256, from a year before to 90 days after MAKE_NOW_S. */
struct make_recipe {
    const char *name;          /* CN */
    const char *organization;  /* O; NULL: none */
    int name_type;             /* MBSTRING_UTF8 (0), or V_ASN1_PRINTABLESTRING and the like */
    const struct made *issuer; /* NULL: signs itself */
    const struct made *key_of; /* takes the key of another: a cross-certificate */
    int64_t begins_s, ends_s;
    int rsa_bits;
    const char *digest;                           /* "SHA1" */
    int version;                                  /* 1: X.509 version 1, without extensions */
    const char *extensions[MAKE_EXTENSIONS_MOST]; /* "basicConstraints=critical,CA:TRUE" */
};

/* Fails the test where OpenSSL refuses. make_free accepts what is empty. */
struct made make_certificate(const struct make_recipe *recipe);
void make_free(struct made *made);

/* The usual three, valid in every respect. */
struct made make_root(const char *name);
struct made make_intermediate(const char *name, const struct made *issuer);
struct made make_leaf(const char *host, const struct made *issuer);

/* With one certificate, NULL: empty. Free with anchors_free. */
struct anchors *make_anchors(const struct made *only);

/* A revocation list of `issuer` as DER (free with OPENSSL_free) that names `revoked` (NULL: nobody). */
struct span make_crl(const struct made *issuer, const struct made *revoked, int64_t ends_s);

/* An OCSP response as DER (free with OPENSSL_free), signed by `signer`; ends_s 0: it does not say. */
struct span make_staple(const struct made *signer, const struct made *issuer,
                        const struct made *leaf, bool is_revoked, int64_t begins_s, int64_t ends_s);
