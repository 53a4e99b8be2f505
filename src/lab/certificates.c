#include "lab/certificates.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/ocsp.h>
#include <openssl/pem.h>

#include "base/memory.h"
#include "lab/certificate_maker.h"

enum { DAY_S = 86400, RSA_BITS = 2048, WEAK_RSA_BITS = 1024, SENT_MOST = 3 };

enum authority {
    NOBODY, /* the leaf signs itself */
    ROOT,
    INTERMEDIATE,
    RSA_INTERMEDIATE,
    EXPIRED_INTERMEDIATE,
    NOT_A_CA,
    CONSTRAINED,
    UPPER, /* above LOWER */
    LOWER,
    PLAIN,    /* an intermediate whose name does not say that it is one */
    NAMESAKE, /* of INTERMEDIATE, with a key of its own */
    FOREIGN_ROOT,
    FOREIGN_INTERMEDIATE,
    FUTURE_ROOT,
    FUTURE_INTERMEDIATE,
    CLIENT_ROOT,
    AUTHORITY_COUNT,
};

/* Days count from now; an issuer stands above those that it signs. */
static const struct authority_plan {
    const char *name;
    enum authority issuer; /* NOBODY: a root */
    int from_days, to_days;
    unsigned rsa_bits;
    bool is_no_ca;
    const char *constraint;
} authority_plans[AUTHORITY_COUNT] = {
    [ROOT] = { "Postern Lab Root", NOBODY, -400, 3650, 0, false, NULL },
    [INTERMEDIATE] = { "Postern Lab Intermediate", ROOT, -200, 1800, 0, false, NULL },
    [RSA_INTERMEDIATE] = { "Postern Lab RSA Intermediate", ROOT, -200, 1800, RSA_BITS, false,
                           NULL },
    [EXPIRED_INTERMEDIATE] = { "Postern Lab Old Intermediate", ROOT, -390, -5, 0, false, NULL },
    [NOT_A_CA] = { "mail.not-a-ca.example", INTERMEDIATE, -100, 300, 0, true, NULL },
    [CONSTRAINED] = { "Postern Lab Intermediate for example.org", ROOT, -200, 1800, 0, false,
                      "critical,permitted;DNS:example.org" },
    [UPPER] = { "Postern Lab Policy Authority", ROOT, -200, 1800, 0, false, NULL },
    [LOWER] = { "Postern Lab Issuing Authority", UPPER, -200, 1800, 0, false, NULL },
    [PLAIN] = { "E7", ROOT, -200, 1800, 0, false, NULL },
    [NAMESAKE] = { "Postern Lab Intermediate", ROOT, -100, 1900, 0, false, NULL },
    [FOREIGN_ROOT] = { "Unknown Private Root", NOBODY, -400, 3650, 0, false, NULL },
    [FOREIGN_INTERMEDIATE] = { "Unknown Private Intermediate", FOREIGN_ROOT, -200, 1800, 0, false,
                               NULL },
    [FUTURE_ROOT] = { "Postern Lab Future Root", NOBODY, 400, 4000, 0, false, NULL },
    [FUTURE_INTERMEDIATE] = { "Postern Lab Future Intermediate", FUTURE_ROOT, 420, 1800, 0, false,
                              NULL },
    [CLIENT_ROOT] = { "Postern Lab Client Root", NOBODY, -400, 3650, 0, false, NULL },
};

enum naming { BOTH, WILDCARD, OTHERS, ONLY_COMMON_NAME };

static const struct leaf_plan {
    enum authority issuer;
    int from_days, to_days;
    enum authority sent[SENT_MOST]; /* behind the leaf, in this order */
    unsigned rsa_bits;
    enum naming naming;
    const char *purposes; /* NULL: serverAuth */
    bool must_staple, uses_sha1, has_no_aia;
    enum authority forger; /* whose key signs in place of the issuer's; NOBODY: none does */
} leaf_plans[CERTIFICATE_CASE_COUNT] = {
    [CERTIFICATE_GOOD] = { INTERMEDIATE, -20, 70, { INTERMEDIATE } },
    [CERTIFICATE_RSA] = { RSA_INTERMEDIATE, -20, 70, { RSA_INTERMEDIATE }, .rsa_bits = RSA_BITS },
    [CERTIFICATE_WILDCARD] = { INTERMEDIATE, -20, 70, { INTERMEDIATE }, .naming = WILDCARD },
    [CERTIFICATE_EXPIRED] = { INTERMEDIATE, -95, -5, { INTERMEDIATE } },
    [CERTIFICATE_NOT_YET_VALID] = { INTERMEDIATE, 5, 95, { INTERMEDIATE } },
    [CERTIFICATE_EXPIRES_SOON] = { INTERMEDIATE, -87, 3, { INTERMEDIATE } },
    [CERTIFICATE_INTERMEDIATE_EXPIRED] = { EXPIRED_INTERMEDIATE,
                                           -20,
                                           70,
                                           { EXPIRED_INTERMEDIATE } },
    [CERTIFICATE_SELF_SIGNED] = { NOBODY, -20, 345, { NOBODY } },
    [CERTIFICATE_UNTRUSTED_ROOT] = { FOREIGN_INTERMEDIATE,
                                     -20,
                                     70,
                                     { FOREIGN_INTERMEDIATE },
                                     .has_no_aia = true },
    [CERTIFICATE_UNTRUSTED_ROOT_SENT] = { FOREIGN_INTERMEDIATE,
                                          -20,
                                          70,
                                          { FOREIGN_INTERMEDIATE, FOREIGN_ROOT },
                                          .has_no_aia = true },
    [CERTIFICATE_LEAF_ONLY] = { INTERMEDIATE, -20, 70, { NOBODY } },
    [CERTIFICATE_LEAF_ONLY_OF_PLAIN_NAME] = { PLAIN, -20, 70, { NOBODY } },
    [CERTIFICATE_LEAF_ONLY_OF_FOREIGN_ROOT] = { FOREIGN_ROOT,
                                                -20,
                                                70,
                                                { NOBODY },
                                                .has_no_aia = true },
    [CERTIFICATE_LEAF_ONLY_WITHOUT_AIA] = { INTERMEDIATE, -20, 70, { NOBODY }, .has_no_aia = true },
    [CERTIFICATE_TWO_INTERMEDIATES_MISSING_ONE] = { LOWER, -20, 70, { LOWER } },
    [CERTIFICATE_MISORDERED] = { LOWER, -20, 70, { UPPER, LOWER } },
    [CERTIFICATE_SUPERFLUOUS] = { INTERMEDIATE, -20, 70, { INTERMEDIATE, FOREIGN_INTERMEDIATE } },
    [CERTIFICATE_WRONG_NAME] = { INTERMEDIATE, -20, 70, { INTERMEDIATE }, .naming = OTHERS },
    [CERTIFICATE_NAME_ONLY_IN_CN] = { INTERMEDIATE,
                                      -20,
                                      70,
                                      { INTERMEDIATE },
                                      .naming = ONLY_COMMON_NAME },
    [CERTIFICATE_WRONG_PURPOSE] = { INTERMEDIATE,
                                    -20,
                                    70,
                                    { INTERMEDIATE },
                                    .purposes = "clientAuth" },
    [CERTIFICATE_NOT_A_CA] = { NOT_A_CA, -20, 70, { NOT_A_CA, INTERMEDIATE } },
    [CERTIFICATE_NAME_CONSTRAINT] = { CONSTRAINED, -20, 70, { CONSTRAINED } },
    [CERTIFICATE_WEAK_KEY] = { INTERMEDIATE, -20, 70, { INTERMEDIATE }, .rsa_bits = WEAK_RSA_BITS },
    [CERTIFICATE_WEAK_SIGNATURE] = { INTERMEDIATE, -20, 70, { INTERMEDIATE }, .uses_sha1 = true },
    [CERTIFICATE_MUST_STAPLE] = { INTERMEDIATE, -20, 70, { INTERMEDIATE }, .must_staple = true },
    [CERTIFICATE_BAD_SIGNATURE] = { INTERMEDIATE,
                                    -20,
                                    70,
                                    { INTERMEDIATE },
                                    .forger = CLIENT_ROOT },
    [CERTIFICATE_ISSUER_WITH_OTHER_KEY] = { INTERMEDIATE, -20, 70, { NAMESAKE } },
    [CERTIFICATE_FUTURE] = { FUTURE_INTERMEDIATE, 440, 530, { FUTURE_INTERMEDIATE } },
};

struct certificates {
    int64_t now_s;
    struct {
        X509 *certificate;
        EVP_PKEY *key;
    } authorities[AUTHORITY_COUNT];
    EVP_PKEY *rsa_key, *weak_rsa_key; /* NULL until a case needs them */
};

static bool make_authority(struct certificates *lab, enum authority which, struct error *err)
{
    const struct authority_plan *plan = &authority_plans[which];
    struct certificate_plan wanted = {
        .common_name = plan->name,
        .not_before_s = lab->now_s + (int64_t)plan->from_days * DAY_S,
        .not_after_s = lab->now_s + (int64_t)plan->to_days * DAY_S,
        .is_ca = !plan->is_no_ca,
        .has_no_issuer = plan->issuer == NOBODY,
        .constraint = plan->constraint,
        .issuer_url = which == LOWER ? "http://aia.lab.test/upper.der" : NULL,
    };

    return certificate_key_make(plan->rsa_bits, &lab->authorities[which].key, err) &&
           certificate_make(
               &wanted, lab->authorities[which].key, lab->authorities[plan->issuer].certificate,
               lab->authorities[plan->issuer].key, &lab->authorities[which].certificate, err);
}

/* RSA keys take a while to make, so only a case that needs one makes it; so does its issuer. */
static bool ensure_authority(struct certificates *lab, enum authority which, struct error *err)
{
    enum authority issuer = authority_plans[which].issuer;

    if (which == NOBODY || lab->authorities[which].certificate != NULL)
        return true;
    return ensure_authority(lab, issuer, err) && make_authority(lab, which, err);
}

bool certificates_new(int64_t now_s, struct certificates **certificates, struct error *err)
{
    AUTO(certificates_free) struct certificates *made = memory_new(1, sizeof *made);

    *certificates = NULL;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the lab's certificates");
    made->now_s = now_s;
    *certificates = TAKE(made);
    return true;
}

void certificates_free(struct certificates **certificates)
{
    struct certificates *freed = *certificates;

    *certificates = NULL;
    if (freed == NULL)
        return;
    for (size_t i = 0; i < AUTHORITY_COUNT; i++) {
        X509_free(freed->authorities[i].certificate);
        EVP_PKEY_free(freed->authorities[i].key);
    }
    EVP_PKEY_free(freed->rsa_key);
    EVP_PKEY_free(freed->weak_rsa_key);
    memory_free(freed);
}

/* A reference of the caller's. */
static bool leaf_key(struct certificates *lab, unsigned rsa_bits, EVP_PKEY **key, struct error *err)
{
    EVP_PKEY **shared = rsa_bits == WEAK_RSA_BITS ? &lab->weak_rsa_key : &lab->rsa_key;

    if (rsa_bits == 0)
        return certificate_key_make(0, key, err);
    if (*shared == NULL && !certificate_key_make(rsa_bits, shared, err))
        return false;
    EVP_PKEY_up_ref(*shared);
    *key = *shared;
    return true;
}

static const char *names_of(const struct leaf_plan *plan, const char *host, const char *domain,
                            struct arena *arena)
{
    switch (plan->naming) {
    case BOTH:
        if (strcmp(host, domain) == 0)
            return arena_format(arena, "DNS:%s", host);
        return arena_format(arena, "DNS:%s,DNS:%s", host, domain);
    case WILDCARD: return arena_format(arena, "DNS:*.%s", domain);
    case OTHERS: return "DNS:mail.example.net,DNS:smtp.example.net";
    case ONLY_COMMON_NAME: return NULL;
    }
    return NULL;
}

/* A common name holds at most 64 characters: RFC 5280 appendix A.1, ub-common-name. */
static const char *common_name_of(const struct leaf_plan *plan, const char *host)
{
    if (plan->naming == OTHERS)
        return "mail.example.net";
    return strlen(host) <= 64 ? host : "lab.test";
}

static bool make_leaf(struct certificates *lab, const struct leaf_plan *plan, const char *host,
                      const char *domain, struct arena *arena, EVP_PKEY *key, X509 **leaf,
                      struct error *err)
{
    enum authority signer = plan->forger == NOBODY ? plan->issuer : plan->forger;
    struct certificate_plan wanted = {
        .common_name = common_name_of(plan, host),
        .alternative_names = names_of(plan, host, domain, arena),
        .not_before_s = lab->now_s + (int64_t)plan->from_days * DAY_S,
        .not_after_s = lab->now_s + (int64_t)plan->to_days * DAY_S,
        .has_no_issuer = plan->issuer == NOBODY,
        .purposes = plan->purposes == NULL ? "serverAuth" : plan->purposes,
        .issuer_url = plan->has_no_aia || plan->issuer == NOBODY
                          ? NULL
                          : "http://aia.lab.test/intermediate.der",
        .must_staple = plan->must_staple,
        .digest = plan->uses_sha1 ? EVP_sha1() : NULL,
    };

    return certificate_make(&wanted, key, lab->authorities[plan->issuer].certificate,
                            lab->authorities[signer].key, leaf, err);
}

static struct span bio_bytes(BIO *bio, struct arena *arena)
{
    char *data = NULL;
    long len = BIO_get_mem_data(bio, &data);

    return arena_copy_bytes(arena, (struct span){ data, len < 0 ? 0 : (size_t)len });
}

static struct span certificate_der(X509 *certificate, struct arena *arena)
{
    unsigned char *der = NULL;
    int len = i2d_X509(certificate, &der);
    struct span copy = { NULL, 0 };

    if (len > 0)
        copy = arena_copy_bytes(arena, (struct span){ (const char *)der, (size_t)len });
    OPENSSL_free(der);
    return copy;
}

static struct span key_pem(EVP_PKEY *key, struct arena *arena)
{
    BIO *bio = BIO_new(BIO_s_mem());
    struct span pem = { NULL, 0 };

    if (bio != NULL && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1)
        pem = bio_bytes(bio, arena);
    BIO_free(bio);
    return pem;
}

static struct span chain_pem(const struct certificates *lab, X509 *leaf, const enum authority *sent,
                             size_t count, struct arena *arena)
{
    BIO *bio = BIO_new(BIO_s_mem());
    struct span pem = { NULL, 0 };
    bool is_written = bio != NULL && (leaf == NULL || PEM_write_bio_X509(bio, leaf) == 1);

    for (size_t i = 0; is_written && i < count && sent[i] != NOBODY; i++)
        is_written = PEM_write_bio_X509(bio, lab->authorities[sent[i]].certificate) == 1;
    if (is_written)
        pem = bio_bytes(bio, arena);
    BIO_free(bio);
    return pem;
}

bool certificates_issue(struct certificates *certificates, enum certificate_case kind,
                        const char *host, const char *domain, struct arena *arena,
                        struct certificate_made *made, struct error *err)
{
    const struct leaf_plan *plan = &leaf_plans[kind];
    AUTO(certificate_free) X509 *leaf = NULL;
    AUTO(certificate_key_free) EVP_PKEY *key = NULL;

    assert(kind < CERTIFICATE_CASE_COUNT);
    for (size_t i = 0; i < SENT_MOST; i++)
        if (!ensure_authority(certificates, plan->sent[i], err))
            return false;
    if (!ensure_authority(certificates, plan->issuer, err) ||
        !ensure_authority(certificates, plan->forger, err) ||
        !leaf_key(certificates, plan->rsa_bits, &key, err) ||
        !make_leaf(certificates, plan, host, domain, arena, key, &leaf, err))
        return error_wrap(err, "certificate for %s", host);
    *made = (struct certificate_made){
        .chain_pem = chain_pem(certificates, leaf, plan->sent, SENT_MOST, arena),
        .key_pem = key_pem(key, arena),
        .leaf_der = certificate_der(leaf, arena),
        .issuer_der =
            plan->issuer == NOBODY
                ? certificate_der(leaf, arena)
                : certificate_der(certificates->authorities[plan->issuer].certificate, arena),
    };
    if (made->chain_pem.len == 0 || made->key_pem.len == 0 || made->leaf_der.len == 0 ||
        made->issuer_der.len == 0)
        return error_set(err, ERROR_MEMORY, "no memory for the certificate of %s", host);
    return true;
}

static X509 *read_der(struct span der)
{
    const unsigned char *bytes = (const unsigned char *)der.data;

    return d2i_X509(NULL, &bytes, (long)der.len);
}

static enum authority authority_of(const struct certificates *lab, X509 *issuer)
{
    for (size_t i = ROOT; i < AUTHORITY_COUNT; i++)
        if (lab->authorities[i].certificate != NULL &&
            X509_cmp(lab->authorities[i].certificate, issuer) == 0)
            return (enum authority)i;
    return NOBODY;
}

static bool sign_status(const struct certificates *lab, enum authority signer, OCSP_CERTID *id,
                        int status, int64_t now_s, OCSP_BASICRESP *basic)
{
    ASN1_TIME *from = ASN1_TIME_set(NULL, (time_t)(now_s - DAY_S));
    ASN1_TIME *to = ASN1_TIME_set(NULL, (time_t)(now_s + 6 * DAY_S));
    ASN1_TIME *since = ASN1_TIME_set(NULL, (time_t)(now_s - 10 * DAY_S));
    bool is_signed = from != NULL && to != NULL && since != NULL &&
                     OCSP_basic_add1_status(basic, id, status, OCSP_REVOKED_STATUS_KEYCOMPROMISE,
                                            since, from, to) != NULL &&
                     OCSP_basic_sign(basic, lab->authorities[signer].certificate,
                                     lab->authorities[signer].key, EVP_sha256(), NULL, 0) == 1;

    ASN1_TIME_free(from);
    ASN1_TIME_free(to);
    ASN1_TIME_free(since);
    return is_signed;
}

static struct span response_der(OCSP_BASICRESP *basic, struct arena *arena)
{
    OCSP_RESPONSE *response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    unsigned char *der = NULL;
    int len = response == NULL ? 0 : i2d_OCSP_RESPONSE(response, &der);
    struct span copy = { NULL, 0 };

    if (len > 0)
        copy = arena_copy_bytes(arena, (struct span){ (const char *)der, (size_t)len });
    OPENSSL_free(der);
    OCSP_RESPONSE_free(response);
    return copy;
}

bool certificates_staple(struct certificates *certificates, const struct certificate_made *made,
                         enum certificate_status status, int64_t later_s, struct arena *arena,
                         struct span *response, struct error *err)
{
    AUTO(certificate_free) X509 *leaf = read_der(made->leaf_der);
    AUTO(certificate_free) X509 *issuer = read_der(made->issuer_der);
    OCSP_CERTID *id = leaf == NULL || issuer == NULL
                          ? NULL
                          : OCSP_cert_to_id(EVP_sha1(), leaf, issuer); /* RFC 5019 section 2.1.1 */
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    int ocsp_status =
        status == CERTIFICATE_STATUS_REVOKED ? V_OCSP_CERTSTATUS_REVOKED : V_OCSP_CERTSTATUS_GOOD;
    enum authority signer = issuer == NULL ? NOBODY : authority_of(certificates, issuer);

    *response = (struct span){ NULL, 0 };
    if (id != NULL && basic != NULL && signer != NOBODY &&
        sign_status(certificates, signer, id, ocsp_status, certificates->now_s + later_s, basic))
        *response = response_der(basic, arena);
    OCSP_CERTID_free(id);
    OCSP_BASICRESP_free(basic);
    return response->len > 0 || certificate_error(err, "making an OCSP response");
}

bool certificates_client_ca(struct certificates *certificates, bool is_stranger,
                            struct arena *arena, struct span *pem, struct error *err)
{
    enum authority which = is_stranger ? FOREIGN_ROOT : CLIENT_ROOT;

    if (!ensure_authority(certificates, which, err))
        return false;
    *pem = chain_pem(certificates, NULL, &which, 1, arena);
    return pem->len > 0 || error_set(err, ERROR_MEMORY, "no memory for a client CA");
}

static bool make_client(struct certificates *lab, enum certificate_client client,
                        struct arena *arena, struct span *chain, struct span *key,
                        struct error *err)
{
    AUTO(certificate_key_free) EVP_PKEY *own = NULL;
    AUTO(certificate_key_free) EVP_PKEY *other = NULL;
    AUTO(certificate_free) X509 *leaf = NULL;
    bool has_expired = client == CERTIFICATE_CLIENT_EXPIRED;
    struct certificate_plan wanted = {
        .common_name = "client.lab.test",
        .alternative_names = "DNS:client.lab.test",
        .not_before_s = lab->now_s - 400 * (int64_t)DAY_S,
        .not_after_s = lab->now_s + (has_expired ? -12 : 300) * (int64_t)DAY_S,
        .purposes = "clientAuth",
    };

    if (!ensure_authority(lab, CLIENT_ROOT, err) || !certificate_key_make(0, &own, err) ||
        !certificate_key_make(0, &other, err) ||
        !certificate_make(&wanted, own, lab->authorities[CLIENT_ROOT].certificate,
                          lab->authorities[CLIENT_ROOT].key, &leaf, err))
        return false;
    *chain = chain_pem(lab, leaf, NULL, 0, arena);
    *key = key_pem(client == CERTIFICATE_CLIENT_WRONG_KEY ? other : own, arena);
    return chain->len > 0 && key->len > 0;
}

static bool write_file(const char *directory, const char *name, struct span first,
                       struct span second, mode_t mode, struct error *err)
{
    char path[4096];
    int file;
    FILE *stream;
    bool is_written;

    if (snprintf(path, sizeof path, "%s/%s", directory, name) >= (int)sizeof path)
        return error_set(err, ERROR_USAGE, "the path of %s is too long", name);
    file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    stream = file < 0 ? NULL : fdopen(file, "w");
    if (stream == NULL) {
        error_set(err, ERROR_SYSTEM, "writing %s: %s", path, strerror(errno));
        if (file >= 0)
            close(file);
        return false;
    }
    is_written = first.data != NULL && fwrite(first.data, 1, first.len, stream) == first.len &&
                 (second.data == NULL || fwrite(second.data, 1, second.len, stream) == second.len);
    is_written = fclose(stream) == 0 && is_written;
    return is_written || error_set(err, ERROR_SYSTEM, "writing %s: %s", path, strerror(errno));
}

const char *certificates_client_file(enum certificate_client client)
{
    static const char *const names[CERTIFICATE_CLIENT_COUNT] = {
        [CERTIFICATE_CLIENT_GOOD] = "client.pem",
        [CERTIFICATE_CLIENT_EXPIRED] = "client-expired.pem",
        [CERTIFICATE_CLIENT_WRONG_KEY] = "client-wrong-key.pem",
    };

    return names[client];
}

static bool write_clients(struct certificates *lab, const char *directory, struct arena *arena,
                          struct error *err)
{
    for (int i = 0; i < CERTIFICATE_CLIENT_COUNT; i++) {
        enum certificate_client client = (enum certificate_client)i;
        struct span chain, key;

        if (!make_client(lab, client, arena, &chain, &key, err) ||
            !write_file(directory, certificates_client_file(client), chain, key, 0600, err))
            return false;
    }
    return true;
}

static bool write_authorities(struct certificates *lab, const char *directory, const char *name,
                              const enum authority *which, size_t count, struct arena *arena,
                              struct error *err)
{
    struct span nothing = span_of("");
    struct span pem;

    for (size_t i = 0; i < count; i++)
        if (!ensure_authority(lab, which[i], err))
            return false;
    pem = chain_pem(lab, NULL, which, count, arena);
    return write_file(directory, name, pem, nothing, 0644, err);
}

bool certificates_write(struct certificates *certificates, const char *directory, struct error *err)
{
    static const enum authority roots[] = { ROOT }, future[] = { FUTURE_ROOT };
    static const enum authority intermediates[] = { INTERMEDIATE, UPPER, LOWER };
    struct span comment = span_of("# No certificate is in this file.\n");
    struct arena arena;
    bool is_written;

    arena_init(&arena, 1 << 20);
    is_written =
        write_authorities(certificates, directory, "ca.pem", roots, 1, &arena, err) &&
        write_authorities(certificates, directory, "future-ca.pem", future, 1, &arena, err) &&
        write_authorities(certificates, directory, "intermediates.pem", intermediates,
                          ARRAY_SIZE(intermediates), &arena, err) &&
        write_file(directory, "empty-ca.pem", comment, span_of(""), 0644, err) &&
        write_clients(certificates, directory, &arena, err);
    arena_clear(&arena);
    return is_written;
}

void certificates_remove(const char *directory)
{
    static const char *const names[] = {
        "ca.pem",     "future-ca.pem",      "empty-ca.pem",        "intermediates.pem",
        "client.pem", "client-expired.pem", "client-wrong-key.pem"
    };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char path[4096];

        if (snprintf(path, sizeof path, "%s/%s", directory, names[i]) < (int)sizeof path)
            unlink(path);
    }
}
