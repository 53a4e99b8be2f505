/* net/https_tls.c - the TLS of an HTTPS request: collects what the server shows, and trusts nobody. */
#include "net/https_internal.h"

#include <openssl/ssl.h>
#include <openssl/x509.h>

/* The chain is judged after the handshake, by those who can name every flaw of it. */
static int let_pass(X509_STORE_CTX *context, void *owner)
{
    (void)owner;
    X509_STORE_CTX_set_error(context, X509_V_OK);
    return 1;
}

/* libcurl does not tell a connection that was cut from one that was closed. */
static void note_alert(int is_sent, int version, int type, const void *bytes, size_t len, SSL *ssl,
                       void *owner)
{
    struct https_query *query = owner;
    const unsigned char *alert = bytes;

    (void)version;
    (void)ssl;
    if (!is_sent && type == SSL3_RT_ALERT && len == 2 && alert[1] == SSL3_AD_CLOSE_NOTIFY)
        query->close_notify_received = true;
}

CURLcode https_tls_prepare(CURL *easy, void *ssl_ctx, void *owner)
{
    struct https_query *query = owner;
    SSL_CTX *context = ssl_ctx;

    (void)easy;
    query->is_connected = true;
    SSL_CTX_set_cert_verify_callback(context, let_pass, NULL);
    SSL_CTX_set_tlsext_status_type(context, TLSEXT_STATUSTYPE_ocsp);
    SSL_CTX_set_msg_callback(context, note_alert);
    SSL_CTX_set_msg_callback_arg(context, query);
    return CURLE_OK;
}

static bool add_certificate(struct https_query *query, X509 *certificate, struct span *kept)
{
    unsigned char *der = NULL;
    int len = i2d_X509(certificate, &der);

    if (len <= 0)
        return false;
    *kept = arena_copy_bytes(&query->arena, (struct span){ (const char *)der, (size_t)len });
    OPENSSL_free(der);
    return !query->arena.exhausted;
}

bool https_tls_collect(struct https_query *query)
{
    const struct curl_tlssessioninfo *session = NULL;
    const STACK_OF(X509) *sent = NULL;
    struct span *kept;
    const unsigned char *staple = NULL;
    long staple_len;
    int count;

    if (curl_easy_getinfo(query->easy, CURLINFO_TLS_SSL_PTR, &session) != CURLE_OK ||
        session->backend != CURLSSLBACKEND_OPENSSL || session->internals == NULL)
        return false;
    sent = SSL_get_peer_cert_chain(session->internals);
    count = sk_X509_num(sent);
    if (count > HTTPS_CHAIN_MOST)
        count = HTTPS_CHAIN_MOST;
    kept = arena_new(&query->arena, count < 1 ? 1 : (size_t)count, sizeof *kept);
    if (kept == NULL)
        return false;
    for (int i = 0; i < count; i++)
        if (!add_certificate(query, sk_X509_value(sent, i), &kept[i]))
            return false;
    query->peer.chain = kept;
    query->peer.chain_count = count < 0 ? 0 : (size_t)count;
    staple_len = SSL_get_tlsext_status_ocsp_resp((SSL *)session->internals, &staple);
    if (staple != NULL && staple_len > 0)
        query->peer.staple = arena_copy_bytes(
            &query->arena, (struct span){ (const char *)staple, (size_t)staple_len });
    return !query->arena.exhausted;
}
