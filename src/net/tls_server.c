#include "net/tls_server.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/dh.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <string.h>

#include "base/memory.h"
#include "net/client_hello.h"
#include "net/tls_internal.h"
#include "net/tls_server_internal.h"

/* A safe prime of 512 bits with generator 2, made for the lab: nobody should use it. */
static const uint8_t prime_512[] = {
    0xa1, 0xf2, 0xe1, 0x1e, 0x6f, 0x53, 0x57, 0x65, 0xcb, 0x52, 0xd8, 0xe2, 0x7c, 0xf7, 0x3f, 0x35,
    0x74, 0x1e, 0xeb, 0x2e, 0x59, 0x7f, 0x4c, 0x85, 0x19, 0x70, 0xad, 0x97, 0xbc, 0x30, 0x5f, 0x36,
    0x1d, 0xa8, 0xcb, 0x18, 0xbf, 0x8f, 0x52, 0xd2, 0x99, 0x9e, 0x96, 0xed, 0x07, 0x29, 0xb2, 0x1c,
    0x36, 0xe8, 0x5a, 0xf3, 0xea, 0xfb, 0xdf, 0xa7, 0x15, 0xa3, 0xb3, 0x21, 0xdb, 0x92, 0x7e, 0xf7,
};

static BIGNUM *find_prime(int bits)
{
    switch (bits) {
    case 512: return BN_bin2bn(prime_512, sizeof prime_512, NULL);
    case 768: return BN_get_rfc2409_prime_768(NULL);
    case 1024: return BN_get_rfc2409_prime_1024(NULL);
    case 1536: return BN_get_rfc3526_prime_1536(NULL);
    case 2048: return BN_get_rfc3526_prime_2048(NULL);
    case 3072: return BN_get_rfc3526_prime_3072(NULL);
    case 4096: return BN_get_rfc3526_prime_4096(NULL);
    default: return NULL;
    }
}

static EVP_PKEY *make_dh_key(const BIGNUM *prime)
{
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
    OSSL_PARAM *params = NULL;
    EVP_PKEY *key = NULL;

    if (build != NULL && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_FFC_P, prime) == 1 &&
        OSSL_PARAM_BLD_push_uint(build, OSSL_PKEY_PARAM_FFC_G, 2) == 1)
        params = OSSL_PARAM_BLD_to_param(build);
    if (maker != NULL && params != NULL && EVP_PKEY_fromdata_init(maker) == 1 &&
        EVP_PKEY_fromdata(maker, &key, EVP_PKEY_KEY_PARAMETERS, params) != 1)
        key = NULL;
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(maker);
    return key;
}

static bool set_dh(SSL_CTX *ssl, int bits, struct error *err)
{
    BIGNUM *prime = bits == 0 ? NULL : find_prime(bits);
    EVP_PKEY *key;

    if (bits == 0)
        return SSL_CTX_set_dh_auto(ssl, 1) == 1;
    if (prime == NULL)
        return error_set(err, ERROR_USAGE, "there is no DH group of %d bits here", bits);
    key = make_dh_key(prime);
    BN_free(prime);
    if (key != NULL && SSL_CTX_set0_tmp_dh_pkey(ssl, key) == 1)
        return true;
    EVP_PKEY_free(key);
    return error_set(err, ERROR_CRYPTO, "DH parameters of %d bits: %s", bits, tls_library_reason());
}

static bool name_is_allowed(const struct tls_server_context *context, const char *name)
{
    if (name == NULL)
        return !context->sni_required;
    return context->only_sni == NULL ||
           span_equal_nocase(span_of(name), span_of(context->only_sni));
}

static int check_name(SSL *ssl, int *alert, void *owner)
{
    const struct tls_server_context *context = owner;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    SSL_CTX *chosen;

    if (!name_is_allowed(context, name)) {
        *alert = SSL_AD_UNRECOGNIZED_NAME;
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    chosen = name == NULL ? NULL : tls_server_names_find(context, name);
    if (chosen != NULL && chosen != context->ssl && SSL_set_SSL_CTX(ssl, chosen) == NULL) {
        *alert = SSL_AD_INTERNAL_ERROR;
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    /* only a server to whom the name matters says that it looked: RFC 6066 section 3 */
    return chosen != NULL || context->only_sni != NULL || context->sni_required
               ? SSL_TLSEXT_ERR_OK
               : SSL_TLSEXT_ERR_NOACK;
}

static int give_staple(SSL *ssl, void *owner)
{
    const struct tls_server_context *context = owner;
    unsigned char *copy;

    if (SSL_get_SSL_CTX(ssl) != context->ssl) /* of another certificate */
        return SSL_TLSEXT_ERR_NOACK;
    copy = OPENSSL_memdup(context->staple, (size_t)context->staple_len);

    if (copy == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, context->staple_len);
    return SSL_TLSEXT_ERR_OK;
}

static int accept_any_certificate(int is_fine, X509_STORE_CTX *store)
{
    (void)is_fine;
    (void)store;
    return 1;
}

static bool add_client_authorities(SSL_CTX *ssl, const struct tls_server_settings *settings,
                                   struct error *err)
{
    const struct span pem = settings->client_ca_pem;
    BIO *bio = pem.len > INT32_MAX ? NULL : BIO_new_mem_buf(pem.data, (int)pem.len);
    X509 *one;
    int count = 0;

    if (bio == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the CAs of clients");
    while ((one = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        X509_STORE_add_cert(SSL_CTX_get_cert_store(ssl), one);
        if (!settings->names_no_client_ca)
            SSL_CTX_add_client_CA(ssl, one);
        X509_free(one);
        count++;
    }
    BIO_free(bio);
    ERR_clear_error();
    return count > 0 || error_set(err, ERROR_FORMAT, "there is no PEM certificate of a client CA");
}

static bool set_client_certificate(SSL_CTX *ssl, const struct tls_server_settings *settings,
                                   struct error *err)
{
    bool has_authorities = settings->client_ca_pem.len > 0;
    int mode = SSL_VERIFY_PEER;

    if (settings->client_certificate == TLS_CLIENT_CERTIFICATE_NONE)
        return true;
    if (settings->client_certificate == TLS_CLIENT_CERTIFICATE_REQUIRE)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(ssl, mode,
                       settings->client_certificate == TLS_CLIENT_CERTIFICATE_REQUIRE &&
                               has_authorities
                           ? NULL
                           : accept_any_certificate);
    return !has_authorities || add_client_authorities(ssl, settings, err);
}

static bool add_credentials(SSL_CTX *ssl, const struct tls_credentials *credentials,
                            struct error *err)
{
    ERR_clear_error();
    if (credentials == NULL)
        return error_set(err, ERROR_USAGE, "a TLS server needs a certificate");
    if (!credentials->key_matches)
        return error_set(err, ERROR_USAGE, "the private key is not that of the certificate");
    if (SSL_CTX_use_certificate(ssl, credentials->leaf) == 1 &&
        SSL_CTX_use_PrivateKey(ssl, credentials->key) == 1 &&
        SSL_CTX_set1_chain(ssl, credentials->others) == 1)
        return true;
    return error_set(err, ERROR_CRYPTO, "using the certificate: %s", tls_library_reason());
}

static bool set_credentials(SSL_CTX *ssl, const struct tls_server_settings *settings,
                            const struct tls_server_set *set, struct error *err)
{
    for (size_t i = 0; i < set->count; i++) {
        size_t place = set->members[i];

        if (!add_credentials(ssl, place == 0 ? settings->credentials : settings->more[place - 1],
                             err))
            return false;
    }
    return true;
}

static bool set_versions(SSL_CTX *ssl, const struct tls_server_settings *settings,
                         struct error *err)
{
    uint16_t least = settings->minimum_version == 0 ? TLS_VERSION_1_2 : settings->minimum_version;
    uint16_t most = settings->maximum_version == 0 ? TLS_VERSION_1_3 : settings->maximum_version;

    if (SSL_CTX_set_min_proto_version(ssl, least) == 1 &&
        SSL_CTX_set_max_proto_version(ssl, most) == 1)
        return true;
    ERR_clear_error();
    return error_set(err, ERROR_CRYPTO, "the TLS library does not speak %s",
                     tls_version_name(least));
}

/* A ticket brings no certificate along: one that was given where none is required, or where another
 * CA vouches, must not be good where it is. So tickets are for servers that ask alike. */
static bool set_ticket_context(SSL_CTX *ssl, const struct tls_server_settings *settings)
{
    unsigned char context[EVP_MAX_MD_SIZE], mode = (unsigned char)settings->client_certificate;
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    unsigned len = 0;
    bool is_set =
        digest != NULL && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
        EVP_DigestUpdate(digest, &mode, 1) == 1 &&
        EVP_DigestUpdate(digest, settings->client_ca_pem.data, settings->client_ca_pem.len) == 1 &&
        EVP_DigestFinal_ex(digest, context, &len) == 1 &&
        SSL_CTX_set_session_id_context(ssl, context, len) == 1;

    EVP_MD_CTX_free(digest);
    return is_set;
}

static bool set_tickets(SSL_CTX *ssl, const struct tls_server_settings *settings, struct error *err)
{
    bool is_set = set_ticket_context(ssl, settings) &&
                  SSL_CTX_set_num_tickets(ssl, settings->no_tickets ? 0 : 1) == 1;

    if (settings->no_tickets) {
        SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET);
    } else if (settings->tickets != NULL) {
        is_set = is_set && SSL_CTX_set_app_data(ssl, settings->tickets) == 1 &&
                 SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl, tls_tickets_use) == 1;
    }
    return is_set || error_set(err, ERROR_CRYPTO, "session tickets: %s", tls_library_reason());
}

static bool configure(SSL_CTX *ssl, const struct tls_server_context *context,
                      const struct tls_server_settings *settings, const struct tls_server_set *set,
                      struct error *err)
{
    tls_context_prepare(ssl, settings->security_level);
    SSL_CTX_set_tlsext_servername_callback(ssl, check_name);
    SSL_CTX_set_tlsext_servername_arg(ssl, (void *)(uintptr_t)context);
    if (context->staple != NULL) {
        SSL_CTX_set_tlsext_status_cb(ssl, give_staple);
        SSL_CTX_set_tlsext_status_arg(ssl, (void *)(uintptr_t)context);
    }
    if (settings->signature_algorithms != NULL &&
        SSL_CTX_set1_sigalgs_list(ssl, settings->signature_algorithms) != 1) {
        ERR_clear_error();
        return error_set(err, ERROR_USAGE, "signature algorithms \"%s\": one of them is unknown",
                         settings->signature_algorithms);
    }
    return set_tickets(ssl, settings, err) && set_versions(ssl, settings, err) &&
           tls_context_set_algorithms(ssl, settings->ciphers, settings->groups, err) &&
           set_credentials(ssl, settings, set, err) && set_dh(ssl, settings->dh_bits, err) &&
           set_client_certificate(ssl, settings, err);
}

SSL_CTX *tls_server_make_ssl(const struct tls_server_context *context,
                             const struct tls_server_settings *settings,
                             const struct tls_server_set *set, struct error *err)
{
    SSL_CTX *ssl;

    ERR_clear_error();
    ssl = SSL_CTX_new(TLS_server_method());
    if (ssl == NULL) {
        error_set(err, ERROR_CRYPTO, "making a TLS context: %s", tls_library_reason());
        return NULL;
    }
    if (configure(ssl, context, settings, set, err))
        return ssl;
    SSL_CTX_free(ssl);
    return NULL;
}

static bool copy_settings(struct tls_server_context *context,
                          const struct tls_server_settings *settings)
{
    context->sni_required = settings->sni_required;
    context->legacy_renegotiation = settings->legacy_renegotiation;
    context->tickets = tls_tickets_hold(settings->tickets);
    if (settings->only_sni != NULL &&
        (context->only_sni = OPENSSL_strdup(settings->only_sni)) == NULL)
        return false;
    if (settings->staple.len == 0)
        return true;
    context->staple = OPENSSL_memdup(settings->staple.data, settings->staple.len);
    context->staple_len = (int)settings->staple.len;
    return context->staple != NULL;
}

bool tls_server_context_new(const struct tls_server_settings *settings,
                            struct tls_server_context **context, struct error *err)
{
    AUTO(tls_server_context_free) struct tls_server_context *made = memory_new(1, sizeof *made);

    *context = NULL;
    tls_library_init();
    if (made != NULL)
        atomic_init(&made->references, 1);
    if (made == NULL || !copy_settings(made, settings))
        return error_set(err, ERROR_MEMORY, "no memory for a TLS server context");
    if (!tls_server_names_make(made, settings, err))
        return false;
    *context = TAKE(made);
    return true;
}

struct tls_server_context *tls_server_context_hold(struct tls_server_context *context)
{
    atomic_fetch_add_explicit(&context->references, 1, memory_order_relaxed);
    return context;
}

void tls_server_context_free(struct tls_server_context **context)
{
    struct tls_server_context *freed = *context;

    *context = NULL;
    if (freed == NULL || atomic_fetch_sub_explicit(&freed->references, 1, memory_order_acq_rel) > 1)
        return;
    tls_server_names_free(freed);
    SSL_CTX_free(freed->ssl);
    tls_tickets_free(&freed->tickets);
    OPENSSL_free(freed->only_sni);
    OPENSSL_free(freed->staple);
    memory_free(freed);
}

bool tls_server_ssl_new(struct tls_server_context *context, SSL **ssl, struct error *err)
{
    ERR_clear_error();
    *ssl = SSL_new(context->ssl);
    if (*ssl == NULL)
        return error_set(err, ERROR_CRYPTO, "starting TLS: %s", tls_library_reason());
    SSL_set_accept_state(*ssl);
    return true;
}

/* OpenSSL tells neither groups nor signature algorithms of a context. As a client under the same
 * settings it has to say them all. */
static SSL *as_client(struct tls_server_context *context, BIO *sink)
{
    SSL *ssl = SSL_new(context->ssl);
    BIO *silence = BIO_new(BIO_s_mem());

    if (ssl != NULL && silence != NULL && BIO_up_ref(sink) == 1) {
        SSL_set_bio(ssl, silence, sink);
        if (SSL_set_ssl_method(ssl, TLS_client_method()) == 1)
            return ssl;
        silence = NULL;
    }
    BIO_free(silence);
    SSL_free(ssl);
    return NULL;
}

bool tls_server_offer(struct tls_server_context *context, struct arena *arena,
                      struct tls_offer *offer, struct error *err)
{
    struct client_hello hello;
    struct span bytes = { NULL, 0 };
    BIO *sink = BIO_new(BIO_s_mem());
    SSL *ssl;
    char *data;
    bool is_read;

    *offer = (struct tls_offer){ .versions = NULL };
    ERR_clear_error();
    ssl = sink == NULL ? NULL : as_client(context, sink);
    if (ssl != NULL) {
        SSL_set_connect_state(ssl);
        SSL_do_handshake(ssl); /* it waits for an answer that nobody gives */
        bytes.len = (size_t)BIO_get_mem_data(sink, &data);
        bytes.data = data;
    }
    is_read = client_hello_read(bytes, &hello) == CLIENT_HELLO_WHOLE;
    SSL_free(ssl);
    BIO_free(sink);
    ERR_clear_error();
    if (!is_read)
        return error_set(err, ERROR_CRYPTO, "the TLS library does not say what it takes");
    *offer = client_hello_offer(&hello, arena);
    return true;
}
