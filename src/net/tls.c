#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "net/tls_internal.h"

const char *tls_version_name(uint16_t version)
{
    static _Thread_local char unknown[8];

    switch (version) {
    case 0x0002: return "SSLv2";
    case TLS_VERSION_SSL3: return "SSLv3";
    case TLS_VERSION_1_0: return "TLSv1.0";
    case TLS_VERSION_1_1: return "TLSv1.1";
    case TLS_VERSION_1_2: return "TLSv1.2";
    case TLS_VERSION_1_3: return "TLSv1.3";
    default: snprintf(unknown, sizeof unknown, "0x%04x", version); return unknown;
    }
}

const char *tls_alert_name(uint8_t description)
{
    static _Thread_local char unknown[16];

    switch (description) {
    case 0: return "close_notify";
    case 10: return "unexpected_message";
    case 20: return "bad_record_mac";
    case 21: return "decryption_failed";
    case 22: return "record_overflow";
    case 30: return "decompression_failure";
    case 40: return "handshake_failure";
    case 41: return "no_certificate";
    case 42: return "bad_certificate";
    case 43: return "unsupported_certificate";
    case 44: return "certificate_revoked";
    case 45: return "certificate_expired";
    case 46: return "certificate_unknown";
    case 47: return "illegal_parameter";
    case 48: return "unknown_ca";
    case 49: return "access_denied";
    case 50: return "decode_error";
    case 51: return "decrypt_error";
    case 60: return "export_restriction";
    case 70: return "protocol_version";
    case 71: return "insufficient_security";
    case 80: return "internal_error";
    case 86: return "inappropriate_fallback";
    case 90: return "user_canceled";
    case 100: return "no_renegotiation";
    case 109: return "missing_extension";
    case 110: return "unsupported_extension";
    case 111: return "certificate_unobtainable";
    case 112: return "unrecognized_name";
    case 113: return "bad_certificate_status_response";
    case 114: return "bad_certificate_hash_value";
    case 115: return "unknown_psk_identity";
    case 116: return "certificate_required";
    case 120: return "no_application_protocol";
    case 121: return "ech_required";
    default: snprintf(unknown, sizeof unknown, "alert %u", description); return unknown;
    }
}

const char *tls_handshake_message_name(uint8_t type)
{
    static _Thread_local char unknown[16];

    switch (type) {
    case 0: return "HelloRequest";
    case 1: return "ClientHello";
    case 2: return "ServerHello";
    case 4: return "NewSessionTicket";
    case 5: return "EndOfEarlyData";
    case 8: return "EncryptedExtensions";
    case 11: return "Certificate";
    case 12: return "ServerKeyExchange";
    case 13: return "CertificateRequest";
    case 14: return "ServerHelloDone";
    case 15: return "CertificateVerify";
    case 16: return "ClientKeyExchange";
    case 20: return "Finished";
    case 22: return "CertificateStatus";
    case 23: return "SupplementalData";
    case 24: return "KeyUpdate";
    case 25: return "CompressedCertificate";
    case 0xff: return "none";
    default: snprintf(unknown, sizeof unknown, "message %u", type); return unknown;
    }
}

static void start_library(void)
{
    /* Settings come from Postern alone: the system's openssl.cnf is not read, which also saves
     * its parsing. Error strings are wanted: findings quote them. */
    OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_LOAD_SSL_STRINGS, NULL);
}

void tls_library_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, start_library);
}

const char *tls_library_reason(void)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(code);

    ERR_clear_error();
    return reason == NULL ? "no reason given" : reason;
}

/* An encrypted key must not make a service ask at a terminal. */
static int give_no_password(char *password, int size, int writing, void *owner)
{
    (void)password;
    (void)size;
    (void)writing;
    (void)owner;
    return 0;
}

static bool at_end_of_pem(void)
{
    unsigned long code = ERR_peek_last_error();

    return ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}

static bool read_chain(BIO *pem, struct tls_credentials *made, struct error *err)
{
    X509 *one;
    int count = 0;

    ERR_clear_error();
    made->others = sk_X509_new_null();
    if (made->others == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a certificate chain");
    while ((one = PEM_read_bio_X509(pem, NULL, give_no_password, NULL)) != NULL) {
        count++;
        if (made->leaf == NULL) {
            made->leaf = one;
        } else if (sk_X509_push(made->others, one) == 0) {
            X509_free(one);
            return error_set(err, ERROR_MEMORY, "no memory for a certificate chain");
        }
    }
    if (!at_end_of_pem())
        return error_set(err, ERROR_FORMAT, "certificate %d cannot be read: %s", count + 1,
                         tls_library_reason());
    ERR_clear_error();
    if (made->leaf == NULL)
        return error_set(err, ERROR_FORMAT, "there is no PEM certificate");
    made->leaf_der_len = i2d_X509(made->leaf, &made->leaf_der);
    return made->leaf_der_len > 0 ||
           error_set(err, ERROR_FORMAT, "the first certificate cannot be encoded");
}

static bool read_key(struct span pem, struct tls_credentials *made, struct error *err)
{
    static const char label[] = "PRIVATE KEY-----";
    BIO *bio;

    if (pem.len == 0 || memmem(pem.data, pem.len, label, sizeof label - 1) == NULL)
        return error_set(err, ERROR_FORMAT, "there is no PEM private key");
    bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    if (bio == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a private key");
    ERR_clear_error();
    made->key = PEM_read_bio_PrivateKey(bio, NULL, give_no_password, NULL);
    BIO_free(bio);
    if (made->key == NULL)
        return error_set(err, ERROR_FORMAT, "the private key cannot be read (encrypted?): %s",
                         tls_library_reason());
    made->key_matches = X509_check_private_key(made->leaf, made->key) == 1;
    ERR_clear_error();
    return true;
}

bool tls_credentials_load(struct span chain_pem, struct span key_pem,
                          struct tls_credentials **credentials, struct error *err)
{
    AUTO(tls_credentials_free) struct tls_credentials *made = memory_new(1, sizeof *made);
    BIO *chain;
    bool is_read;

    *credentials = NULL;
    tls_library_init();
    if (chain_pem.len > INT32_MAX || key_pem.len > INT32_MAX)
        return error_set(err, ERROR_FORMAT, "a certificate or key file is far too large");
    chain = BIO_new_mem_buf(chain_pem.len == 0 ? "" : chain_pem.data, (int)chain_pem.len);
    if (made == NULL || chain == NULL) {
        BIO_free(chain);
        return error_set(err, ERROR_MEMORY, "no memory for a certificate and its key");
    }
    is_read = read_chain(chain, made, err) && read_key(key_pem, made, err);
    BIO_free(chain);
    if (is_read)
        *credentials = TAKE(made);
    return is_read;
}

void tls_credentials_free(struct tls_credentials **credentials)
{
    struct tls_credentials *freed = *credentials;

    *credentials = NULL;
    if (freed == NULL)
        return;
    X509_free(freed->leaf);
    sk_X509_pop_free(freed->others, X509_free);
    EVP_PKEY_free(freed->key);
    OPENSSL_free(freed->leaf_der);
    memory_free(freed);
}

enum tls_credentials_state tls_credentials_state(const struct tls_credentials *credentials,
                                                 int64_t now_s)
{
    time_t now = (time_t)now_s;

    if (!credentials->key_matches)
        return TLS_CREDENTIALS_KEY_MISMATCH;
    if (X509_cmp_time(X509_get0_notAfter(credentials->leaf), &now) < 0)
        return TLS_CREDENTIALS_EXPIRED;
    if (X509_cmp_time(X509_get0_notBefore(credentials->leaf), &now) > 0)
        return TLS_CREDENTIALS_NOT_YET_VALID;
    return TLS_CREDENTIALS_FINE;
}

struct span tls_credentials_leaf(const struct tls_credentials *credentials)
{
    return (struct span){ (const char *)credentials->leaf_der, (size_t)credentials->leaf_der_len };
}
