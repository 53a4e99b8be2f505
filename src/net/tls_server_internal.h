/* net/tls_server_internal.h - a server's SSL for one connection, for the stream. */
#pragma once

#include <openssl/ssl.h>

#include "net/tls_server.h"

enum { TLS_KEY_KINDS_MOST = 8 }; /* OpenSSL has a place for one certificate of each kind of key */

/* Certificates by their place among the settings': `credentials` is 0, `more` follow. Ascending. */
struct tls_server_set {
    size_t members[TLS_KEY_KINDS_MOST];
    size_t count;
};

/* A context that is as the settings say, with the certificates of a set; NULL: err says why. */
SSL_CTX *tls_server_make_ssl(const struct tls_server_context *context,
                             const struct tls_server_settings *settings,
                             const struct tls_server_set *set, struct error *err);

/* Fills `ssl` and `names`. */
MUST_CHECK bool tls_server_names_make(struct tls_server_context *context,
                                      const struct tls_server_settings *settings,
                                      struct error *err);
void tls_server_names_free(struct tls_server_context *context);
/* For SNI as it came; NULL: nobody's name. */
SSL_CTX *tls_server_names_find(const struct tls_server_context *context, const char *name);

/* The SSL does not hold the context: whoever frees it frees that after it. */
MUST_CHECK bool tls_server_ssl_new(struct tls_server_context *context, SSL **ssl,
                                   struct error *err);
