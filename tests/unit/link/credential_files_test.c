/* tests/unit/link/credential_files_test.c - promises of link/credential_files.h */
#include "../test.h"
#include "link/credential_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/pem.h>

#include "../trust/make_chain.h"

struct room {
    char folder[64], certificate[96], key[96], both[96];
};

static void write_pem(const char *path, const struct made *certificate, const struct made *key)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    if (certificate != NULL)
        assert_int_equal(PEM_write_X509(file, certificate->x509), 1);
    if (key != NULL)
        assert_int_equal(PEM_write_PrivateKey(file, key->key, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
    struct room *room = calloc(1, sizeof *room);

    snprintf(room->folder, sizeof room->folder, "/tmp/postern-credentials-XXXXXX");
    assert_non_null(mkdtemp(room->folder));
    snprintf(room->certificate, sizeof room->certificate, "%s/cert.pem", room->folder);
    snprintf(room->key, sizeof room->key, "%s/key.pem", room->folder);
    snprintf(room->both, sizeof room->both, "%s/both.pem", room->folder);
    *state = room;
    return 0;
}

static int tear_down(void **state)
{
    struct room *room = *state;

    unlink(room->certificate);
    unlink(room->key);
    unlink(room->both);
    rmdir(room->folder);
    free(room);
    return 0;
}

static void loads_two_files_or_one_that_is_both(void **state)
{
    struct room *room = *state;
    struct made leaf = make_root("mx.example.org");
    struct tls_credentials *credentials;
    struct error err;

    write_pem(room->certificate, &leaf, NULL);
    write_pem(room->key, NULL, &leaf);
    write_pem(room->both, &leaf, &leaf);
    assert_true(credential_files_load(room->certificate, room->key, &credentials, &err));
    assert_int_equal(tls_credentials_leaf(credentials).len, leaf.der.len);
    tls_credentials_free(&credentials);
    assert_true(credential_files_load(room->both, room->both, &credentials, &err));
    tls_credentials_free(&credentials);
    make_free(&leaf);
}

static void refuses_and_names_what_cannot_be_used(void **state)
{
    struct room *room = *state;
    struct made leaf = make_root("mx.example.org"), other = make_root("other.example");
    struct tls_credentials *credentials;
    struct error err;

    write_pem(room->certificate, &leaf, NULL);
    write_pem(room->key, NULL, &other);
    assert_false(credential_files_load(room->certificate, room->key, &credentials, &err));
    assert_null(credentials);
    assert_non_null(strstr(err.text, room->key));
    assert_true(credential_files_read(room->certificate, room->key, &credentials, &err));
    assert_int_equal(tls_credentials_state(credentials, 0), TLS_CREDENTIALS_KEY_MISMATCH);
    tls_credentials_free(&credentials);
    assert_false(credential_files_load(room->certificate, room->both, &credentials, &err));
    assert_non_null(strstr(err.text, room->both));
    assert_false(credential_files_load(room->key, room->key, &credentials, &err));
    assert_null(credentials);
    make_free(&leaf);
    make_free(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(loads_two_files_or_one_that_is_both, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_and_names_what_cannot_be_used, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
