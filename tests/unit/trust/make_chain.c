/* tests/unit/trust/make_chain.c - makes certificates, revocation lists and OCSP responses for tests. */
#include "unit/trust/make_chain.h"

#include <string.h>

#include <openssl/ocsp.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "unit/test.h"

static EVP_PKEY *make_key(const struct make_recipe *recipe)
{
    EVP_PKEY *key;

    if (recipe->key_of != NULL) {
        EVP_PKEY_up_ref(recipe->key_of->key);
        return recipe->key_of->key;
    }
    key = recipe->rsa_bits > 0 ? EVP_RSA_gen((unsigned)recipe->rsa_bits) : EVP_EC_gen("P-256");
    assert_non_null(key);
    return key;
}

static void set_name(X509 *x509, const struct make_recipe *recipe)
{
    X509_NAME *name = X509_get_subject_name(x509);
    int type = recipe->name_type == 0 ? MBSTRING_UTF8 : recipe->name_type;

    if (recipe->organization != NULL)
        assert_true(X509_NAME_add_entry_by_txt(
            name, "O", type, (const unsigned char *)recipe->organization, -1, -1, 0));
    if (recipe->name != NULL && *recipe->name != '\0')
        assert_true(X509_NAME_add_entry_by_txt(name, "CN", type,
                                               (const unsigned char *)recipe->name, -1, -1, 0));
}

static void add_extension(X509 *x509, X509 *issuer, const char *line)
{
    char name[64];
    const char *equals = strchr(line, '=');
    X509V3_CTX context;
    X509_EXTENSION *extension;

    assert_non_null(equals);
    snprintf(name, sizeof name, "%.*s", (int)(equals - line), line);
    X509V3_set_ctx(&context, issuer, x509, NULL, NULL, 0);
    extension = X509V3_EXT_nconf(NULL, &context, name, equals + 1);
    assert_non_null(extension);
    assert_true(X509_add_ext(x509, extension, -1));
    X509_EXTENSION_free(extension);
}

static void set_times(X509 *x509, const struct make_recipe *recipe)
{
    int64_t begins = recipe->begins_s == 0 ? MAKE_NOW_S - 365 * MAKE_DAY_S : recipe->begins_s;
    int64_t ends = recipe->ends_s == 0 ? MAKE_NOW_S + 90 * MAKE_DAY_S : recipe->ends_s;

    assert_non_null(ASN1_TIME_set(X509_getm_notBefore(x509), (time_t)begins));
    assert_non_null(ASN1_TIME_set(X509_getm_notAfter(x509), (time_t)ends));
}

static void sign(X509 *x509, EVP_PKEY *key, const char *digest)
{
    bool is_plain = EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519;
    const EVP_MD *method =
        is_plain ? NULL : EVP_get_digestbyname(digest == NULL ? "SHA256" : digest);

    assert_true(X509_sign(x509, key, method) > 0);
}

static void set_der(struct made *made)
{
    unsigned char *der = NULL;
    int len = i2d_X509(made->x509, &der);

    assert_true(len > 0);
    made->der = (struct span){ (const char *)der, (size_t)len };
}

struct made make_certificate(const struct make_recipe *recipe)
{
    static long serial = 1000;
    struct made made = { X509_new(), make_key(recipe), { NULL, 0 } };
    X509 *issuer = recipe->issuer == NULL ? made.x509 : recipe->issuer->x509;

    assert_non_null(made.x509);
    X509_set_version(made.x509, recipe->version == 1 ? X509_VERSION_1 : X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.x509), ++serial);
    set_name(made.x509, recipe);
    X509_set_issuer_name(made.x509, X509_get_subject_name(issuer));
    set_times(made.x509, recipe);
    X509_set_pubkey(made.x509, made.key);
    for (size_t i = 0; i < MAKE_EXTENSIONS_MOST && recipe->extensions[i] != NULL; i++)
        add_extension(made.x509, issuer, recipe->extensions[i]);
    sign(made.x509, recipe->issuer == NULL ? made.key : recipe->issuer->key, recipe->digest);
    set_der(&made);
    /* What was built is read back, so that OpenSSL keeps no stale cache of extensions. */
    X509_free(made.x509);
    const unsigned char *at = (const unsigned char *)made.der.data;
    made.x509 = d2i_X509(NULL, &at, (long)made.der.len);
    assert_non_null(made.x509);
    return made;
}

void make_free(struct made *made)
{
    X509_free(made->x509);
    EVP_PKEY_free(made->key);
    OPENSSL_free((void *)(uintptr_t)made->der.data);
    *made = (struct made){ NULL, NULL, { NULL, 0 } };
}

struct made make_root(const char *name)
{
    return make_certificate(&(struct make_recipe){
        .name = name,
        .extensions = { "basicConstraints=critical,CA:TRUE",
                        "keyUsage=critical,keyCertSign,cRLSign", "subjectKeyIdentifier=hash" },
    });
}

struct made make_intermediate(const char *name, const struct made *issuer)
{
    return make_certificate(&(struct make_recipe){
        .name = name,
        .issuer = issuer,
        .extensions = { "basicConstraints=critical,CA:TRUE",
                        "keyUsage=critical,keyCertSign,cRLSign", "subjectKeyIdentifier=hash",
                        "authorityKeyIdentifier=keyid" },
    });
}

struct made make_leaf(const char *host, const struct made *issuer)
{
    char names[300];

    snprintf(names, sizeof names, "subjectAltName=DNS:%s", host);
    return make_certificate(&(struct make_recipe){
        .name = host,
        .issuer = issuer,
        .extensions = { "basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature",
                        "extendedKeyUsage=serverAuth", names, "subjectKeyIdentifier=hash",
                        "authorityKeyIdentifier=keyid" },
    });
}

struct anchors *make_anchors(const struct made *only)
{
    struct anchors *anchors = anchors_new();

    assert_non_null(anchors);
    if (only != NULL)
        assert_true(anchors_add(anchors, only->der, NULL));
    return anchors;
}

struct span make_crl(const struct made *issuer, const struct made *revoked, int64_t ends_s)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *begins = ASN1_TIME_set(NULL, (time_t)(MAKE_NOW_S - 30 * MAKE_DAY_S));
    ASN1_TIME *ends = ASN1_TIME_set(NULL, (time_t)ends_s);
    unsigned char *der = NULL;
    int len;

    X509_CRL_set_version(crl, X509_CRL_VERSION_2);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer->x509));
    X509_CRL_set1_lastUpdate(crl, begins);
    X509_CRL_set1_nextUpdate(crl, ends);
    if (revoked != NULL) {
        X509_REVOKED *row = X509_REVOKED_new();

        X509_REVOKED_set_serialNumber(row, X509_get_serialNumber(revoked->x509));
        X509_REVOKED_set_revocationDate(row, begins);
        X509_CRL_add0_revoked(crl, row);
    }
    assert_true(X509_CRL_sign(crl, issuer->key, EVP_sha256()) > 0);
    len = i2d_X509_CRL(crl, &der);
    assert_true(len > 0);
    ASN1_TIME_free(begins);
    ASN1_TIME_free(ends);
    X509_CRL_free(crl);
    return (struct span){ (const char *)der, (size_t)len };
}

struct span make_staple(const struct made *signer, const struct made *issuer,
                        const struct made *leaf, bool is_revoked, int64_t begins_s, int64_t ends_s)
{
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), leaf->x509, issuer->x509);
    ASN1_TIME *begins = ASN1_GENERALIZEDTIME_set(NULL, (time_t)begins_s);
    ASN1_TIME *ends = ends_s == 0 ? NULL : ASN1_GENERALIZEDTIME_set(NULL, (time_t)ends_s);
    OCSP_RESPONSE *response;
    unsigned char *der = NULL;
    int len;

    assert_non_null(OCSP_basic_add1_status(
        basic, id, is_revoked ? V_OCSP_CERTSTATUS_REVOKED : V_OCSP_CERTSTATUS_GOOD,
        OCSP_REVOKED_STATUS_KEYCOMPROMISE, is_revoked ? begins : NULL, begins, ends));
    assert_true(OCSP_basic_sign(basic, signer->x509, signer->key, EVP_sha256(), NULL, 0));
    response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    len = i2d_OCSP_RESPONSE(response, &der);
    assert_true(len > 0);
    OCSP_RESPONSE_free(response);
    OCSP_BASICRESP_free(basic);
    OCSP_CERTID_free(id);
    ASN1_TIME_free(begins);
    ASN1_TIME_free(ends);
    return (struct span){ (const char *)der, (size_t)len };
}
