/* net/tls_context.c - client TLS contexts: made from settings, kept by the loop, because making
 * one costs more than a handshake. */
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "net/loop_internal.h"
#include "net/tls_internal.h"
#include "net/tls_session_internal.h"

enum {
    KEY_MOST = 512,
    CONTEXTS_MOST = 8, /* the usual one, and those of a round of experiments */
    /* OpenSSL stops at 100 KiB; larger chains are to be judged, not to look like a broken peer. */
    CHAIN_BYTES_MOST = 256 * 1024,
};

/* Under 256 octets with any usual host name in it: some devices drop a larger ClientHello. */
#define SMALL_CIPHERS                                                                              \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:"       \
    "AES128-GCM-SHA256:AES128-SHA"
#define SMALL_GROUPS     "P-256"
#define SMALL_SIGNATURES "ECDSA+SHA256:RSA-PSS+SHA256:RSA+SHA256"

struct tls_context_cache {
    struct {
        char key[KEY_MOST];
        SSL_CTX *context;
    } kept[CONTEXTS_MOST];
    size_t next; /* the one to give up when all are taken */
};

void tls_client_defaults(struct tls_client_settings *settings)
{
    *settings = (struct tls_client_settings){
        .minimum_version = TLS_VERSION_1_2,
        .maximum_version = TLS_VERSION_1_3,
        .security_level = 1,
    };
}

void tls_context_cache_clear(struct loop *loop)
{
    if (loop->contexts == NULL)
        return;
    for (size_t i = 0; i < CONTEXTS_MOST; i++)
        SSL_CTX_free(loop->contexts->kept[i].context);
    memory_free(loop->contexts);
    loop->contexts = NULL;
}

/* trust/ judges, before MAIL, with every flaw in hand. */
static int accept_any_chain(X509_STORE_CTX *store, void *owner)
{
    (void)store;
    (void)owner;
    return 1;
}

/* OpenSSL's own level 0 still refuses Diffie-Hellman below 1024 bits. */
static int permit_everything(const SSL *ssl, const SSL_CTX *context, int operation, int bits,
                             int number, void *other, void *owner)
{
    (void)ssl;
    (void)context;
    (void)operation;
    (void)bits;
    (void)number;
    (void)other;
    (void)owner;
    return 1;
}

void tls_context_prepare(SSL_CTX *context, int security_level)
{
    SSL_CTX_set_security_level(context, security_level);
    if (security_level == 0)
        SSL_CTX_set_security_callback(context, permit_everything);
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}

bool tls_context_set_algorithms(SSL_CTX *context, const char *ciphers, const char *groups,
                                struct error *err)
{
    ERR_clear_error();
    if (ciphers != NULL && SSL_CTX_set_cipher_list(context, ciphers) != 1)
        return error_set(err, ERROR_USAGE, "ciphers \"%s\": %s", ciphers, tls_library_reason());
    if (groups != NULL && SSL_CTX_set1_groups_list(context, groups) != 1) {
        ERR_clear_error();
        return error_set(err, ERROR_USAGE, "groups \"%s\": one of them is unknown", groups);
    }
    return true;
}

static bool set_versions(SSL_CTX *context, const struct tls_client_settings *settings,
                         struct error *err)
{
    uint16_t most = settings->small_hello && settings->maximum_version > TLS_VERSION_1_2
                        ? TLS_VERSION_1_2
                        : settings->maximum_version;

    if (SSL_CTX_set_min_proto_version(context, settings->minimum_version) == 1 &&
        SSL_CTX_set_max_proto_version(context, most) == 1)
        return true;
    ERR_clear_error();
    return error_set(err, ERROR_CRYPTO, "the TLS library does not speak %s",
                     tls_version_name(settings->minimum_version));
}

static bool configure(SSL_CTX *context, const struct tls_client_settings *settings,
                      struct error *err)
{
    const char *ciphers = settings->ciphers, *groups = settings->groups;

    tls_context_prepare(context, settings->security_level);
    SSL_CTX_set_cert_verify_callback(context, accept_any_chain, NULL);
    SSL_CTX_set_max_cert_list(context, CHAIN_BYTES_MOST);
    if (settings->keeps_sessions)
        tls_session_prepare(context);
    if (settings->legacy_renegotiation)
        SSL_CTX_set_options(context, SSL_OP_LEGACY_SERVER_CONNECT);
    else /* on by default in OpenSSL 1.1 */
        SSL_CTX_clear_options(context, SSL_OP_LEGACY_SERVER_CONNECT);
    if (settings->no_tickets)
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    if (settings->ask_staple)
        SSL_CTX_set_tlsext_status_type(context, TLSEXT_STATUSTYPE_ocsp);
    if (settings->small_hello) {
        ciphers = ciphers != NULL ? ciphers : SMALL_CIPHERS;
        groups = groups != NULL ? groups : SMALL_GROUPS;
        if (SSL_CTX_set1_sigalgs_list(context, SMALL_SIGNATURES) != 1)
            return error_set(err, ERROR_CRYPTO, "signature algorithms: %s", tls_library_reason());
        SSL_CTX_set_options(context, SSL_OP_NO_ENCRYPT_THEN_MAC);
    }
    return set_versions(context, settings, err) &&
           tls_context_set_algorithms(context, ciphers, groups, err);
}

static SSL_CTX *make_context(const struct tls_client_settings *settings, struct error *err)
{
    SSL_CTX *context;

    tls_library_init();
    ERR_clear_error();
    context = SSL_CTX_new(TLS_client_method());
    if (context == NULL) {
        error_set(err, ERROR_CRYPTO, "making a TLS context: %s", tls_library_reason());
        return NULL;
    }
    if (!configure(context, settings, err)) {
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}

/* All that lives in the context; the name and the certificate belong to each connection. */
static bool format_key(const struct tls_client_settings *settings, char key[KEY_MOST])
{
    int len =
        snprintf(key, KEY_MOST, "%x-%x level %d tickets %d%d legacy %d small %d staple %d %s|%s",
                 settings->minimum_version, settings->maximum_version, settings->security_level,
                 !settings->no_tickets, settings->keeps_sessions, settings->legacy_renegotiation,
                 settings->small_hello, settings->ask_staple,
                 settings->ciphers == NULL ? "" : settings->ciphers,
                 settings->groups == NULL ? "" : settings->groups);

    return len > 0 && len < KEY_MOST;
}

static SSL_CTX *find_context(const struct tls_context_cache *cache, const char *key)
{
    for (size_t i = 0; i < CONTEXTS_MOST; i++)
        if (cache->kept[i].context != NULL && strcmp(cache->kept[i].key, key) == 0)
            return cache->kept[i].context;
    return NULL;
}

static void keep_context(struct tls_context_cache *cache, const char *key, SSL_CTX *context)
{
    size_t place = cache->next;

    SSL_CTX_free(cache->kept[place].context);
    memcpy(cache->kept[place].key, key, KEY_MOST);
    cache->kept[place].context = context;
    SSL_CTX_up_ref(context);
    cache->next = (place + 1) % CONTEXTS_MOST;
}

/* The caller owns a reference to what it gets. */
static SSL_CTX *take_context(struct loop *loop, const struct tls_client_settings *settings,
                             struct error *err)
{
    char key[KEY_MOST] = "";
    bool may_keep = format_key(settings, key);
    SSL_CTX *context;

    if (loop->contexts == NULL)
        loop->contexts = memory_new(1, sizeof *loop->contexts);
    if (loop->contexts == NULL) {
        error_set(err, ERROR_MEMORY, "no memory for TLS contexts");
        return NULL;
    }
    context = may_keep ? find_context(loop->contexts, key) : NULL;
    if (context != NULL) {
        SSL_CTX_up_ref(context);
        return context;
    }
    context = make_context(settings, err);
    if (context != NULL && may_keep)
        keep_context(loop->contexts, key, context);
    return context;
}

/* Shown only where the server asks. One whose key does not match cannot be shown at all. */
static bool attach_credentials(SSL *ssl, const struct tls_credentials *credentials,
                               struct error *err)
{
    if (credentials == NULL || !credentials->key_matches)
        return true;
    if (SSL_use_certificate(ssl, credentials->leaf) == 1 &&
        SSL_use_PrivateKey(ssl, credentials->key) == 1 &&
        SSL_set1_chain(ssl, credentials->others) == 1)
        return true;
    return error_set(err, ERROR_CRYPTO, "using our client certificate: %s", tls_library_reason());
}

static bool set_name(SSL *ssl, const char *sni, struct error *err)
{
    if (sni == NULL || SSL_set_tlsext_host_name(ssl, sni) == 1)
        return true;
    ERR_clear_error();
    return error_set(err, ERROR_USAGE, "\"%.64s\" cannot be sent as server name", sni);
}

bool tls_client_ssl_new(struct loop *loop, const struct tls_client_settings *settings, SSL **ssl,
                        struct error *err)
{
    SSL_CTX *context = take_context(loop, settings, err);

    *ssl = NULL;
    if (context == NULL)
        return false;
    ERR_clear_error();
    *ssl = SSL_new(context);
    SSL_CTX_free(context);
    if (*ssl == NULL)
        return error_set(err, ERROR_CRYPTO, "starting TLS: %s", tls_library_reason());
    if (set_name(*ssl, settings->sni, err) &&
        attach_credentials(*ssl, settings->credentials, err)) {
        SSL_set_connect_state(*ssl);
        return true;
    }
    SSL_free(*ssl);
    *ssl = NULL;
    return false;
}
