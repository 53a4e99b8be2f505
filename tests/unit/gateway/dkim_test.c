/* tests/unit/gateway/dkim_test.c - promises of gateway/dkim.h; that others verify it: gateway/dkim_test.py */
#include "../test.h"
#include "gateway/dkim.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/buffer.h"

enum { NOW_S = 1795219200, LINE_MOST = 78 };

/* RFC 8463 appendix A.2: an Ed25519 key, and what is published of it. */
static const char ed25519_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
    "-----END PRIVATE KEY-----\n";
static const char ed25519_public[] = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

static const char plain[] =
    "From: <reports@example.org>\r\nSubject: A report\r\nTo: x@example.net\r\n"
    "\r\nThe text\r\n";

static struct dkim_key *key;
static struct arena arena;

static int open_key(void **state)
{
    struct error err;

    (void)state;
    arena_init(&arena, 4 << 20);
    return dkim_key_read(span_of(ed25519_pem), "Example.ORG", "tlsrpt", &key, &err) ? 0 : -1;
}

static int close_key(void **state)
{
    (void)state;
    dkim_key_free(&key);
    arena_clear(&arena);
    return 0;
}

static const char *sign(const char *message)
{
    struct error err = { .kind = ERROR_NONE };
    const char *field;

    if (!dkim_sign(key, span_of(message), NOW_S, &arena, &field, &err))
        fail_msg("%s", err.text);
    return field;
}

static void says_what_it_signed_with(void **state)
{
    const char *field = sign(plain);

    (void)state;
    assert_true(span_starts_with(span_of(field), "DKIM-Signature: v=1; a=ed25519-sha256; "
                                                 "c=relaxed/relaxed;\r\n d=example.org;\r\n"
                                                 " s=tlsrpt; t=1795219200;\r\n"
                                                 " h=From:From:To:To:Subject:Subject;\r\n bh="));
    assert_null(strstr(field, "l="));
}

static void folds_its_field_into_short_lines(void **state)
{
    struct span rest = span_of(sign(plain));

    (void)state;
    while (rest.len > 0) {
        struct span line = span_take_until(&rest, '\n');

        assert_in_range(line.len, 2, LINE_MOST + 1);
        assert_int_equal(line.data[line.len - 1], '\r');
        assert_true(rest.len == 0 || rest.data[0] == ' ');
    }
}

/* RFC 6376 section 3.4.4: the body as it counts, so an Ed25519 signature, which has no chance in it, is the same. */
static void takes_for_the_same_what_mail_servers_change(void **state)
{
    static const char *const same[] = {
        "From: <reports@example.org>\r\nSubject: A report\r\nTo: x@example.net\r\n\r\nThe text\r\n",
        "From: <reports@example.org>\r\nSubject: A report\r\nTo: x@example.net\r\n\r\nThe text",
        "From: <reports@example.org>\r\nSubject: A report\r\nTo: x@example.net\r\n\r\nThe  \t "
        "text \r\n\r\n \t\r\n\r\n",
        "FROM:<reports@example.org> \r\nsubject:  A\r\n\treport\t\r\nTo: \r\n x@example.net\r\n"
        "\r\nThe text\r\n",
        "X-Other: new\r\nTo: x@example.net\r\nFrom: <reports@example.org>\r\n"
        "Received: from here\r\nSubject: A report\r\n\r\nThe text\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
        if (strcmp(sign(same[i]), sign(plain)) != 0)
            fail_msg("case %zu: %s", i, sign(same[i]));
}

static void takes_for_another_what_a_reader_would_see(void **state)
{
    static const char *const others[] = {
        "From: <report@example.org>\r\nSubject: A report\r\nTo: x@example.net\r\n\r\nThe text\r\n",
        "From: <reports@example.org>\r\nSubject: Areport\r\nTo: x@example.net\r\n\r\nThe text\r\n",
        "From: <reports@example.org>\r\nSubject: A report\r\nTo: x@example.net\r\n\r\nThetext\r\n",
        "From: <reports@example.org>\r\nSubject: A report\r\nTo: x@example.net\r\n\r\n The text\r\n",
        "From: <reports@example.org>\r\nSubject: A report\r\nTo: x@example.net\r\n\r\n\r\nThe text\r\n",
        "From: <reports@example.org>\r\nSubject: A report\r\nTo: x@example.net\r\n\r\n",
        "From: <reports@example.org>\r\nSubject: A report\r\n\r\nThe text\r\n",
        "From: <reports@example.org>\r\nSubject: A report\r\nTo: x@example.net\r\nTo: y@example.net"
        "\r\n\r\nThe text\r\n",
        "From: <reports@example.org>\r\nSubject: A report\r\nTo: x@example.net\r\nReply-To: z@e\r\n"
        "\r\nThe text\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (strcmp(sign(others[i]), sign(plain)) == 0)
            fail_msg("case %zu is signed as if it were the plain one", i);
}

/* The SHA-256 of nothing: RFC 6376 section 3.4.4, as erratum 4926 has it. */
static void has_the_known_hash_of_an_empty_body(void **state)
{
    static const char *const empty[] = { "From: a\r\n\r\n", "From: a\r\n", "From: a",
                                         "From: a\r\n\r\n\r\n \r\n" };

    (void)state;
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++)
        assert_non_null(strstr(sign(empty[i]), "bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;"));
}

/* RFC 6376 section 3.4.5, the example's body: " C \r\nD \t E\r\n\r\n\r\n" is " C\r\nD E\r\n". */
static void hashes_the_body_of_the_rfcs_example(void **state)
{
    const char *known = sign("From: a\r\n\r\n C\r\nD E\r\n");

    (void)state;
    assert_string_equal(sign("From: a\r\n\r\n C \r\nD \t E\r\n\r\n\r\n"), known);
}

static void refuses_what_not_everybody_would_verify(void **state)
{
    static const struct {
        const char *message, *reason;
    } rows[] = {
        { "From: a\n\r\nx\r\n", "line 1 of the message has a LF alone, not CRLF" },
        { "From: a\r\n\r\nx\ry\r\n", "line 3 of the message has a CR alone, not CRLF" },
        { "From: a\r\n\r\nx\r", "line 3 of the message has a CR alone, not CRLF" },
        { "From: a\r\nno field\r\n\r\nx", "line 2 of the message is no field of a header" },
        { " From: a\r\n\r\nx", "line 1 of the message is no field of a header" },
        { "To: a\r\n\r\nx", "the message has 0 From fields, not one" },
        { "From: a\r\nfrom: b\r\n\r\nx", "the message has 2 From fields, not one" },
        { "From : a\r\n\r\nx", "the header has blanks before the colon of From" },
        { "", "the message has 0 From fields, not one" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct error err = { .kind = ERROR_NONE };
        const char *field = "untouched";

        if (dkim_sign(key, span_of(rows[i].message), NOW_S, &arena, &field, &err))
            fail_msg("case %zu was signed", i);
        assert_int_equal(err.kind, ERROR_FORMAT);
        assert_string_equal(err.text, rows[i].reason);
        assert_null(field);
    }
}

static void refuses_a_header_without_bounds(void **state)
{
    struct error err;
    struct buffer text;
    const char *field;

    (void)state;
    buffer_init(&text, 1 << 20);
    assert_true(buffer_append_text(&text, "From: a\r\n"));
    for (int i = 0; i < DKIM_FIELDS_MOST; i++)
        assert_true(buffer_append_text(&text, "To: x\r\n"));
    assert_false(dkim_sign(key, buffer_span(&text), NOW_S, &arena, &field, &err));
    assert_string_equal(err.text, "the header has more than 1000 fields");
    assert_true(buffer_append_text(&text, "X:"));
    for (int i = 0; i < DKIM_HEADER_MOST; i++)
        assert_true(buffer_append_text(&text, i % 64 == 0 ? "\r\n " : "x"));
    assert_false(dkim_sign(key, buffer_span(&text), NOW_S, &arena, &field, &err));
    assert_string_equal(err.text, "the header is longer than 262144 octets");
    buffer_clear(&text);
}

static void tells_what_is_to_be_published(void **state)
{
    (void)state;
    assert_string_equal(dkim_key_name(key, &arena), "tlsrpt._domainkey.example.org");
    assert_string_equal(dkim_key_record(key, NULL, &arena),
                        arena_format(&arena, "v=DKIM1; k=ed25519; p=%s", ed25519_public));
    assert_string_equal(dkim_key_record(key, "tlsrpt", &arena),
                        arena_format(&arena, "v=DKIM1; k=ed25519; s=tlsrpt; p=%s", ed25519_public));
}

/* A private key made now, as PEM in the arena. */
static const char *make_pem(EVP_PKEY *pair)
{
    BIO *bio = BIO_new(BIO_s_mem());
    const char *pem;
    char *data;
    long len;

    assert_non_null(pair);
    assert_int_equal(PEM_write_bio_PrivateKey(bio, pair, NULL, NULL, 0, NULL, NULL), 1);
    len = BIO_get_mem_data(bio, &data);
    pem = arena_copy(&arena, (struct span){ data, (size_t)len });
    BIO_free(bio);
    EVP_PKEY_free(pair);
    return pem;
}

static void signs_with_rsa_too(void **state)
{
    struct dkim_key *rsa;
    struct error err;
    const char *field;

    (void)state;
    assert_true(dkim_key_read(span_of(make_pem(EVP_RSA_gen(2048))),
                              "b\xc3\xbc"
                              "cher.example",
                              "a.b", &rsa, &err));
    assert_true(dkim_sign(rsa, span_of(plain), NOW_S, &arena, &field, &err));
    assert_non_null(strstr(field, "a=rsa-sha256; "));
    assert_non_null(strstr(field, " d=xn--bcher-kva.example;"));
    assert_true(span_starts_with(span_of(dkim_key_record(rsa, NULL, &arena)),
                                 "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A"));
    dkim_key_free(&rsa);
}

static void says_what_is_wrong_with_a_key(void **state)
{
    const struct {
        const char *pem, *domain, *selector, *reason;
    } rows[] = {
        { "", "example.org", "s", "there is no PEM private key" },
        { "nonsense", "example.org", "s",
          "there is no PEM private key that can be read without a password" },
        { make_pem(EVP_EC_gen("P-256")), "example.org", "s",
          "DKIM takes keys of the types RSA and Ed25519 only" },
        { make_pem(EVP_RSA_gen(512)), "example.org", "s",
          "an RSA key of 512 bits is too short: DKIM wants 1024 at least, better 2048" },
        { ed25519_pem, "not a domain", "s", "the DKIM domain \"not a domain\" is no domain name" },
        { ed25519_pem, "", "s", "the DKIM domain \"\" is no domain name" },
        { ed25519_pem, ".example.org", "s", "the DKIM domain \".example.org\" is no domain name" },
        { ed25519_pem, "example.org", "a; t=y", "the DKIM selector \"a; t=y\" is no name" },
        { ed25519_pem, "example.org", "", "the DKIM selector \"\" is no name" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dkim_key *none = key;
        struct error err = { .kind = ERROR_NONE };

        if (dkim_key_read(span_of(rows[i].pem), rows[i].domain, rows[i].selector, &none, &err))
            fail_msg("case %zu was taken", i);
        assert_string_equal(err.text, rows[i].reason);
        assert_int_equal(err.kind, ERROR_FORMAT);
        assert_null(none);
    }
}

static void names_the_file_of_a_key(void **state)
{
    char name[] = "/tmp/dkim_test.XXXXXX";
    int file = mkstemp(name);
    struct dkim_key *read;
    struct error err;

    (void)state;
    assert_true(file >= 0);
    assert_int_equal(write(file, ed25519_pem, strlen(ed25519_pem)), strlen(ed25519_pem));
    assert_true(dkim_key_load(name, "example.org", "s", &read, &err));
    dkim_key_free(&read);
    assert_int_equal(ftruncate(file, 40), 0);
    assert_false(dkim_key_load(name, "example.org", "s", &read, &err));
    assert_true(span_starts_with(span_of(err.text), name));
    close(file);
    unlink(name);
    assert_false(dkim_key_load(name, "example.org", "s", &read, &err));
    assert_non_null(strstr(err.text, name));
    assert_null(read);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_it_signed_with),
        cmocka_unit_test(folds_its_field_into_short_lines),
        cmocka_unit_test(takes_for_the_same_what_mail_servers_change),
        cmocka_unit_test(takes_for_another_what_a_reader_would_see),
        cmocka_unit_test(has_the_known_hash_of_an_empty_body),
        cmocka_unit_test(hashes_the_body_of_the_rfcs_example),
        cmocka_unit_test(refuses_what_not_everybody_would_verify),
        cmocka_unit_test(refuses_a_header_without_bounds),
        cmocka_unit_test(tells_what_is_to_be_published),
        cmocka_unit_test(signs_with_rsa_too),
        cmocka_unit_test(says_what_is_wrong_with_a_key),
        cmocka_unit_test(names_the_file_of_a_key),
    };

    return cmocka_run_group_tests(tests, open_key, close_key);
}
