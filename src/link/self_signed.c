#include "link/self_signed.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

enum { DAY_S = 24 * 60 * 60, SERIAL_BITS = 64, NAME_BYTES_MOST = 64 };

static void free_certificate(X509 **certificate)
{
    X509_free(*certificate);
}

static void free_key(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static void free_bio(BIO **bio)
{
    BIO_free(*bio);
}

static bool set_serial(X509 *certificate)
{
    BIGNUM *number = BN_new();
    bool is_set = number != NULL &&
                  BN_rand(number, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
                  BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;

    BN_free(number);
    return is_set;
}

/* RFC 5280 appendix A.1: a common name has at most 64 characters. */
static bool set_name(X509 *certificate, const char *text)
{
    X509_NAME *name = X509_get_subject_name(certificate);
    int len = (int)strnlen(text, NAME_BYTES_MOST);

    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)text, len,
                                      -1, 0) == 1 &&
           X509_set_issuer_name(certificate, name) == 1;
}

static bool set_validity(X509 *certificate, int64_t now_s)
{
    return ASN1_TIME_set(X509_getm_notBefore(certificate), (time_t)(now_s - DAY_S)) != NULL &&
           ASN1_TIME_set(X509_getm_notAfter(certificate), (time_t)(now_s + DAY_S)) != NULL;
}

static bool add_purpose(X509 *certificate)
{
    X509_EXTENSION *purpose = X509V3_EXT_conf_nid(NULL, NULL, NID_ext_key_usage, "clientAuth");
    bool is_added = purpose != NULL && X509_add_ext(certificate, purpose, -1) == 1;

    X509_EXTENSION_free(purpose);
    return is_added;
}

static bool fill(X509 *certificate, EVP_PKEY *key, const char *name, int64_t now_s)
{
    return X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
           set_name(certificate, name) && set_validity(certificate, now_s) &&
           X509_set_pubkey(certificate, key) == 1 && add_purpose(certificate) &&
           X509_sign(certificate, key, EVP_sha256()) > 0;
}

/* Certificate and key go through the one door that loads credentials. */
static bool load(X509 *certificate, EVP_PKEY *key, struct tls_credentials **credentials,
                 struct error *err)
{
    AUTO(free_bio) BIO *bio = BIO_new(BIO_s_secmem());
    struct span pem;
    char *data;

    if (bio == NULL || PEM_write_bio_X509(bio, certificate) != 1 ||
        PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1)
        return error_set(err, ERROR_CRYPTO, "writing a client certificate failed");
    pem.len = (size_t)BIO_get_mem_data(bio, &data);
    pem.data = data;
    return tls_credentials_load(pem, pem, credentials, err);
}

bool self_signed_new(const char *name, int64_t now_s, struct tls_credentials **credentials,
                     struct error *err)
{
    AUTO(free_key) EVP_PKEY *key = EVP_EC_gen("P-256");
    AUTO(free_certificate) X509 *certificate = X509_new();

    *credentials = NULL;
    if (key == NULL || certificate == NULL || !fill(certificate, key, name, now_s)) {
        ERR_clear_error();
        return error_set(err, ERROR_CRYPTO, "making a client certificate failed");
    }
    return load(certificate, key, credentials, err);
}
