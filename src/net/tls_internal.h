/* net/tls_internal.h - what the TLS files of net/ share: credentials and contexts from inside. */
#pragma once

#include <openssl/ssl.h>

#include "net/loop.h"
#include "net/tls.h"

struct tls_credentials {
    X509 *leaf;
    STACK_OF(X509) * others; /* the rest of the chain, in the order of the file */
    EVP_PKEY *key;
    unsigned char *leaf_der;
    int leaf_der_len;
    bool key_matches;
};

struct tls_server_context {
    SSL_CTX *ssl;
    char *only_sni; /* NULL: any */
    bool sni_required;
    bool legacy_renegotiation;
    unsigned char *staple;
    int staple_len;
};

/* Once in a process, before anything else of OpenSSL's; more calls cost nothing. */
void tls_library_init(void);

/* "no shared cipher" or the like from this thread's error queue, which is emptied. */
const char *tls_library_reason(void);

/* What both roles and every setting have in common. Level 0 refuses nothing. */
void tls_context_prepare(SSL_CTX *context, int security_level);
MUST_CHECK bool tls_context_set_algorithms(SSL_CTX *context, const char *ciphers,
                                           const char *groups, struct error *err);

/* A fresh SSL for one connection, from the loop's cache of contexts. */
MUST_CHECK bool tls_client_ssl_new(struct loop *loop, const struct tls_client_settings *settings,
                                   SSL **ssl, struct error *err);
