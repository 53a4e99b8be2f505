#include "lab/certificate_maker.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "base/arena.h"

bool certificate_error(struct error *err, const char *doing)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    ERR_clear_error();
    return error_set(err, ERROR_CRYPTO, "%s: %s", doing, reason == NULL ? "failed" : reason);
}

void certificate_free(X509 **certificate)
{
    X509_free(*certificate);
    *certificate = NULL;
}

void certificate_key_free(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
    *key = NULL;
}

bool certificate_key_make(unsigned bits, EVP_PKEY **key, struct error *err)
{
    *key = bits == 0 ? EVP_EC_gen("P-256") : EVP_RSA_gen(bits);
    return *key != NULL || certificate_error(err, "making a key");
}

static bool set_serial(X509 *certificate)
{
    unsigned char bytes[16];
    BIGNUM *number;
    bool is_set;

    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return false;
    bytes[0] = (unsigned char)((bytes[0] & 0x3f) | 0x40); /* positive, of full length */
    number = BN_bin2bn(bytes, sizeof bytes, NULL);
    is_set = number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
    BN_free(number);
    return is_set;
}

static bool set_name(X509 *certificate, const char *common_name)
{
    X509_NAME *name = X509_get_subject_name(certificate);

    return X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
                                      (const unsigned char *)"Postern Lab", -1, -1, 0) == 1 &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name,
                                      -1, -1, 0) == 1;
}

static bool set_times(X509 *certificate, const struct certificate_plan *plan)
{
    return ASN1_TIME_set(X509_getm_notBefore(certificate), (time_t)plan->not_before_s) != NULL &&
           ASN1_TIME_set(X509_getm_notAfter(certificate), (time_t)plan->not_after_s) != NULL;
}

/* `value` NULL: nothing is added. */
static bool add_extension(X509 *certificate, X509V3_CTX *context, int nid, const char *value)
{
    X509_EXTENSION *extension;
    bool is_added;

    if (value == NULL)
        return true;
    extension = X509V3_EXT_conf_nid(NULL, context, nid, value);
    is_added = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return is_added;
}

static bool add_issuer_url(X509 *certificate, X509V3_CTX *context, const char *url)
{
    struct arena arena;
    bool is_added;

    if (url == NULL)
        return true;
    arena_init(&arena, 4096);
    is_added = add_extension(certificate, context, NID_info_access,
                             arena_format(&arena, "caIssuers;URI:%s", url));
    arena_clear(&arena);
    return is_added;
}

static bool add_extensions(X509 *certificate, X509 *issuer, const struct certificate_plan *plan)
{
    X509V3_CTX context;
    const char *basic = plan->is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE";
    const char *usage = plan->is_ca ? "critical,keyCertSign,cRLSign,digitalSignature"
                                    : "critical,digitalSignature,keyEncipherment";
    const char *authority = plan->has_no_issuer ? NULL : "keyid:always";

    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    return add_extension(certificate, &context, NID_basic_constraints, basic) &&
           add_extension(certificate, &context, NID_key_usage, usage) &&
           add_extension(certificate, &context, NID_subject_key_identifier, "hash") &&
           add_extension(certificate, &context, NID_authority_key_identifier, authority) &&
           add_extension(certificate, &context, NID_ext_key_usage, plan->purposes) &&
           add_extension(certificate, &context, NID_subject_alt_name, plan->alternative_names) &&
           add_extension(certificate, &context, NID_name_constraints, plan->constraint) &&
           add_extension(certificate, &context, NID_tlsfeature,
                         plan->must_staple ? "status_request" : NULL) &&
           add_issuer_url(certificate, &context, plan->issuer_url);
}

bool certificate_make(const struct certificate_plan *plan, EVP_PKEY *key, X509 *issuer,
                      EVP_PKEY *issuer_key, X509 **certificate, struct error *err)
{
    AUTO(certificate_free) X509 *made = X509_new();
    X509 *signer = plan->has_no_issuer ? made : issuer;
    EVP_PKEY *signing_key = plan->has_no_issuer ? key : issuer_key;
    const EVP_MD *digest = plan->digest == NULL ? EVP_sha256() : plan->digest;

    *certificate = NULL;
    if (made == NULL || X509_set_version(made, X509_VERSION_3) != 1 || !set_serial(made) ||
        !set_name(made, plan->common_name) || !set_times(made, plan) ||
        X509_set_pubkey(made, key) != 1 ||
        X509_set_issuer_name(made, X509_get_subject_name(signer)) != 1 ||
        !add_extensions(made, signer, plan) || X509_sign(made, signing_key, digest) == 0)
        return certificate_error(err, "making a certificate");
    *certificate = TAKE(made);
    return true;
}
