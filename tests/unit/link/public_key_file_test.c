/* tests/unit/link/public_key_file_test.c - promises of link/public_key_file.h */
#include "../test.h"
#include "link/public_key_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/pem.h>

#include "../trust/make_chain.h"
#include "base/text.h"
#include "trust/certificate.h"

struct room {
    char folder[64], path[96];
    struct arena arena;
    struct made leaf;
    struct error err;
};

static int set_up(void **state)
{
    struct room *room = calloc(1, sizeof *room);

    snprintf(room->folder, sizeof room->folder, "/tmp/postern-keys-XXXXXX");
    assert_non_null(mkdtemp(room->folder));
    snprintf(room->path, sizeof room->path, "%s/key.pem", room->folder);
    arena_init(&room->arena, 1 << 20);
    room->leaf = make_root("mx.example.org");
    *state = room;
    return 0;
}

static int tear_down(void **state)
{
    struct room *room = *state;

    make_free(&room->leaf);
    arena_clear(&room->arena);
    unlink(room->path);
    rmdir(room->folder);
    free(room);
    return 0;
}

static FILE *begin_file(struct room *room)
{
    FILE *file = fopen(room->path, "wb");

    assert_non_null(file);
    return file;
}

/* Read, it is the leaf's. */
static void expect_key_of_leaf(struct room *room)
{
    struct certificate facts;
    unsigned char digest[32];
    struct span key;

    if (!public_key_file_read(room->path, &room->arena, &key, &room->err))
        fail_msg("%s", room->err.text);
    assert_int_equal(EVP_Digest(key.data, key.len, digest, NULL, EVP_sha256(), NULL), 1);
    certificate_read(&room->arena, room->leaf.der, &facts);
    assert_string_equal(text_hex(&room->arena, (struct span){ (char *)digest, sizeof digest }),
                        facts.spki_sha256);
}

static void reads_the_public_half_of_a_private_key(void **state)
{
    struct room *room = *state;
    FILE *file = begin_file(room);

    assert_int_equal(PEM_write_PrivateKey(file, room->leaf.key, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(fclose(file), 0);
    expect_key_of_leaf(room);
}

static void reads_a_public_key(void **state)
{
    struct room *room = *state;
    FILE *file = begin_file(room);

    fputs("a note before it\n", file);
    assert_int_equal(PEM_write_PUBKEY(file, room->leaf.key), 1);
    assert_int_equal(fclose(file), 0);
    expect_key_of_leaf(room);
}

static void reads_the_key_of_the_first_certificate(void **state)
{
    struct room *room = *state;
    struct made other = make_root("other.example.org");
    FILE *file = begin_file(room);

    assert_int_equal(PEM_write_X509(file, room->leaf.x509), 1);
    assert_int_equal(PEM_write_X509(file, other.x509), 1);
    assert_int_equal(fclose(file), 0);
    expect_key_of_leaf(room);
    make_free(&other);
}

static void asks_nobody_for_a_password(void **state)
{
    struct room *room = *state;
    FILE *file = begin_file(room);
    unsigned char password[] = "secret";
    struct span key;

    assert_int_equal(PEM_write_PrivateKey(file, room->leaf.key, EVP_aes_128_cbc(), password,
                                          sizeof password - 1, NULL, NULL),
                     1);
    assert_int_equal(fclose(file), 0);
    assert_false(public_key_file_read(room->path, &room->arena, &key, &room->err));
    assert_non_null(strstr(room->err.text, "without a password"));
}

static void names_the_file_that_has_no_key(void **state)
{
    struct room *room = *state;
    FILE *file = begin_file(room);
    struct span key;

    assert_int_equal(fclose(file), 0); /* empty */
    assert_false(public_key_file_read(room->path, &room->arena, &key, &room->err));
    file = begin_file(room);
    fputs("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", file);
    assert_int_equal(fclose(file), 0);
    assert_false(public_key_file_read(room->path, &room->arena, &key, &room->err));
    assert_non_null(strstr(room->err.text, room->path));
    unlink(room->path);
    assert_false(public_key_file_read(room->path, &room->arena, &key, &room->err));
    assert_non_null(strstr(room->err.text, room->path));
}

static void what_is_no_certificate_has_no_key(void **state)
{
    struct room *room = *state;

    assert_int_equal(public_key_of_certificate(span_of("nothing"), &room->arena).len, 0);
    assert_int_equal(public_key_of_certificate((struct span){ NULL, 0 }, &room->arena).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_the_public_half_of_a_private_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reads_a_public_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reads_the_key_of_the_first_certificate, set_up, tear_down),
        cmocka_unit_test_setup_teardown(asks_nobody_for_a_password, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_the_file_that_has_no_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_certificate_has_no_key, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
