/* net/tls_internal.h - what the TLS files of net/ share: credentials and contexts from inside. */
#pragma once

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "net/loop.h"
#include "net/tls.h"
#include "net/tls_tickets.h"

struct tls_credentials {
    X509 *leaf;
    STACK_OF(X509) * others; /* the rest of the chain, in the order of the file */
    EVP_PKEY *key;
    unsigned char *leaf_der;
    int leaf_der_len;
    bool key_matches;
};

/* Which certificates a client gets that asks for a name: all that are for it, one of each kind of
 * key, in a context of their own. Sorted by name. */
struct tls_server_name {
    char *name;   /* lower case; "*.example.org" for whatever has one label more */
    SSL_CTX *ssl; /* held */
};

struct tls_server_context {
    atomic_uint references;
    SSL_CTX *ssl; /* where no name is asked for, or nobody's */
    struct tls_server_name *names;
    size_t name_count; /* 0: there is but one certificate, and nothing to choose */
    struct tls_tickets *tickets;
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

/* One more that uses them; NULL stays NULL. */
struct tls_tickets *tls_tickets_hold(struct tls_tickets *tickets);
/* OpenSSL's callback; the context's application data are the tickets. */
int tls_tickets_use(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                    EVP_MAC_CTX *mac, int is_sealing);

/* A fresh SSL for one connection, from the loop's cache of contexts. */
MUST_CHECK bool tls_client_ssl_new(struct loop *loop, const struct tls_client_settings *settings,
                                   SSL **ssl, struct error *err);
