/* tests/unit/lab/certificates_test.c - promises of lab/certificates.h */
#include "lab/certificates.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "../test.h"
#include "base/compiler.h"

enum { NOW_S = 1795000000 }; /* November 2026 */

struct fixture {
    struct certificates *certificates;
    struct arena arena;
    char directory[64];
};

static int open_fixture(void **state)
{
    static struct fixture fixture;
    struct error err = { 0 };

    arena_init(&fixture.arena, 8 << 20);
    memcpy(fixture.directory, "/tmp/postern-lab-XXXXXX", 24);
    if (mkdtemp(fixture.directory) == NULL || !certificates_new(NOW_S, &fixture.certificates, &err))
        return -1;
    *state = &fixture;
    return 0;
}

static int close_fixture(void **state)
{
    static const char *const files[] = {
        "ca.pem",     "future-ca.pem",      "empty-ca.pem",        "intermediates.pem",
        "client.pem", "client-expired.pem", "client-wrong-key.pem"
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", fixture->directory, files[i]);
        unlink(path);
    }
    rmdir(fixture->directory);
    certificates_free(&fixture->certificates);
    arena_clear(&fixture->arena);
    return 0;
}

static X509 *next_in(BIO *bio)
{
    return PEM_read_bio_X509(bio, NULL, NULL, NULL);
}

/* OpenSSL's own verdict, against ca.pem: X509_V_OK or its first error. */
static int verify(struct fixture *fixture, enum certificate_case kind, const char *name)
{
    struct certificate_made made;
    struct error err = { 0 };
    char path[128];
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    STACK_OF(X509) *others = sk_X509_new_null();
    X509 *leaf, *other;
    BIO *bio;
    int result;

    assert_true(certificates_issue(fixture->certificates, kind, "mx.some.lab.test", "some.lab.test",
                                   &fixture->arena, &made, &err));
    assert_true(certificates_write(fixture->certificates, fixture->directory, &err));
    snprintf(path, sizeof path, "%s/ca.pem", fixture->directory);
    assert_int_equal(X509_STORE_load_file(store, path), 1);
    bio = BIO_new_mem_buf(made.chain_pem.data, (int)made.chain_pem.len);
    leaf = next_in(bio);
    while ((other = next_in(bio)) != NULL)
        sk_X509_push(others, other);
    assert_int_equal(X509_STORE_CTX_init(context, store, leaf, others), 1);
    X509_STORE_CTX_set_purpose(context, X509_PURPOSE_SSL_SERVER);
    X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(context), NOW_S);
    X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(context), 1);
    X509_VERIFY_PARAM_set_hostflags(X509_STORE_CTX_get0_param(context),
                                    X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    X509_VERIFY_PARAM_set1_host(X509_STORE_CTX_get0_param(context), name, 0);
    result = X509_verify_cert(context) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(context);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    X509_free(leaf);
    sk_X509_pop_free(others, X509_free);
    BIO_free(bio);
    return result;
}

static void each_case_is_broken_in_its_own_way(void **state)
{
    static const struct {
        enum certificate_case kind;
        int result;
    } cases[] = {
        { CERTIFICATE_GOOD, X509_V_OK },
        { CERTIFICATE_RSA, X509_V_OK },
        { CERTIFICATE_WILDCARD, X509_V_OK },
        { CERTIFICATE_MISORDERED, X509_V_OK },
        { CERTIFICATE_SUPERFLUOUS, X509_V_OK },
        { CERTIFICATE_MUST_STAPLE, X509_V_OK },
        { CERTIFICATE_EXPIRES_SOON, X509_V_OK },
        { CERTIFICATE_EXPIRED, X509_V_ERR_CERT_HAS_EXPIRED },
        { CERTIFICATE_INTERMEDIATE_EXPIRED, X509_V_ERR_CERT_HAS_EXPIRED },
        { CERTIFICATE_NOT_YET_VALID, X509_V_ERR_CERT_NOT_YET_VALID },
        { CERTIFICATE_SELF_SIGNED, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT },
        { CERTIFICATE_UNTRUSTED_ROOT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY },
        { CERTIFICATE_UNTRUSTED_ROOT_SENT, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN },
        { CERTIFICATE_LEAF_ONLY, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY },
        { CERTIFICATE_LEAF_ONLY_OF_PLAIN_NAME, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY },
        { CERTIFICATE_LEAF_ONLY_OF_FOREIGN_ROOT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY },
        { CERTIFICATE_LEAF_ONLY_WITHOUT_AIA, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY },
        { CERTIFICATE_TWO_INTERMEDIATES_MISSING_ONE, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY },
        { CERTIFICATE_WRONG_NAME, X509_V_ERR_HOSTNAME_MISMATCH },
        { CERTIFICATE_NAME_ONLY_IN_CN, X509_V_ERR_HOSTNAME_MISMATCH },
        { CERTIFICATE_WRONG_PURPOSE, X509_V_ERR_INVALID_PURPOSE },
        { CERTIFICATE_NOT_A_CA, X509_V_ERR_INVALID_CA },
        { CERTIFICATE_NAME_CONSTRAINT, X509_V_ERR_PERMITTED_VIOLATION },
        { CERTIFICATE_WEAK_KEY, X509_V_OK }, /* at level 1 OpenSSL takes 1024 bits */
        { CERTIFICATE_WEAK_SIGNATURE, X509_V_ERR_CA_MD_TOO_WEAK },
        { CERTIFICATE_BAD_SIGNATURE, X509_V_ERR_CERT_SIGNATURE_FAILURE },
        { CERTIFICATE_ISSUER_WITH_OTHER_KEY, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY },
        { CERTIFICATE_FUTURE, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY },
    };

    assert_int_equal(ARRAY_SIZE(cases), CERTIFICATE_CASE_COUNT);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int result = verify(*state, cases[i].kind, "mx.some.lab.test");
        if (result != cases[i].result)
            fail_msg("case %d: %s", cases[i].kind, X509_verify_cert_error_string(result));
    }
}

static void staples_say_good_or_revoked(void **state)
{
    struct fixture *fixture = *state;
    struct certificate_made made;
    struct error err = { 0 };
    struct span good, revoked;

    assert_true(certificates_issue(fixture->certificates, CERTIFICATE_MUST_STAPLE, "mx.a.lab.test",
                                   "a.lab.test", &fixture->arena, &made, &err));
    assert_true(certificates_staple(fixture->certificates, &made, CERTIFICATE_STATUS_GOOD, 0,
                                    &fixture->arena, &good, &err));
    assert_true(certificates_staple(fixture->certificates, &made, CERTIFICATE_STATUS_REVOKED, 0,
                                    &fixture->arena, &revoked, &err));
    assert_int_equal(good.data[0], 0x30); /* a DER sequence */
    assert_true(revoked.len > good.len);  /* it carries a time and a reason */
}

static void client_keys_are_readable_by_us_alone(void **state)
{
    struct fixture *fixture = *state;
    struct error err = { 0 };
    char path[128];
    struct stat status;

    assert_true(certificates_write(fixture->certificates, fixture->directory, &err));
    for (int i = 0; i < CERTIFICATE_CLIENT_COUNT; i++) {
        snprintf(path, sizeof path, "%s/%s", fixture->directory,
                 certificates_client_file((enum certificate_client)i));
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 077, 0);
    }
}

static void an_unwritable_directory_is_named(void **state)
{
    struct fixture *fixture = *state;
    struct error err = { 0 };

    assert_false(certificates_write(fixture->certificates, "/nonexistent/lab", &err));
    assert_non_null(strstr(err.text, "/nonexistent/lab/ca.pem"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_case_is_broken_in_its_own_way),
        cmocka_unit_test(staples_say_good_or_revoked),
        cmocka_unit_test(client_keys_are_readable_by_us_alone),
        cmocka_unit_test(an_unwritable_directory_is_named),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
