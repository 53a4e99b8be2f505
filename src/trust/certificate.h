/* trust/certificate.h - the facts of one certificate, as text and numbers for people and JSON. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/span.h"

/* All texts are safe to print (escaped) and live in the arena. */
struct certificate {
    struct span der;     /* borrowed from the caller */
    bool is_readable;    /* false: not a certificate; nothing below is set but sha256 */
    const char *subject; /* RFC 2253 with spaces, "CN=mx.example.org, O=Example" */
    const char *issuer;
    const char *common_name;           /* the last CN of the subject; "" where there is none */
    const char *issuer_common_name;    /* CN, else O, of the issuer; "" */
    const char *serial;                /* hex */
    int64_t not_before_s, not_after_s; /* seconds since 1970; INT64_MIN, INT64_MAX: unreadable */
    const char **names;                /* dNSNames of subjectAltName, as A-labels in lower case */
    size_t name_count;
    const char **addresses; /* iPAddresses as text */
    size_t address_count;
    const char *key; /* "RSA 2048", "ECDSA P-256", "Ed25519" */
    int key_bits, key_security_bits;
    const char *signature;   /* "SHA256 with RSA" */
    const char *sha256;      /* of the whole certificate, hex, lower case, no colons */
    const char *spki_sha256; /* of the SubjectPublicKeyInfo (TLSA 3 1 1), likewise */
    const char *issuer_url;  /* caIssuers of AIA, "" where there is none */
    bool is_self_issued;     /* subject equals issuer */
    bool is_ca;              /* basicConstraints CA:TRUE */
    bool must_staple;        /* TLS feature status_request (RFC 7633) */
};

/* Never fails: what cannot be read is left empty. */
void certificate_read(struct arena *arena, struct span der, struct certificate *certificate);
