/* tests/unit/trust/certificate_test.c - tests the facts of a certificate and that they are safe to print. */
#include "trust/certificate.h"

#include <string.h>

#include "trust/dane.h"
#include "unit/test.h"
#include "unit/trust/make_chain.h"

static int set_up(void **state)
{
    struct arena *arena = calloc(1, sizeof *arena);

    arena_init(arena, 1 << 20);
    *state = arena;
    return 0;
}

static int tear_down(void **state)
{
    arena_clear(*state);
    free(*state);
    return 0;
}

static void tells_the_facts_of_a_certificate(void **state)
{
    struct arena *arena = *state;
    struct made root = make_certificate(
        &(struct make_recipe){ .name = "Root, the First", .organization = "Ex\xc3\xa4mple" });
    struct made leaf = make_certificate(&(struct make_recipe){
        .name = "mx.example.org",
        .organization = "Example",
        .issuer = &root,
        .extensions = { "subjectAltName=DNS:MX.Example.org,DNS:*.Example.ORG,IP:192.0.2.1,"
                        "IP:2001:db8::1,email:a@example.org",
                        "tlsfeature=status_request",
                        "authorityInfoAccess=OCSP;URI:http://o.example/,caIssuers;URI:"
                        "http://ca.example/1.der" } });
    struct certificate facts;

    certificate_read(arena, leaf.der, &facts);
    assert_true(facts.is_readable);
    assert_string_equal(facts.subject, "CN=mx.example.org, O=Example");
    assert_string_equal(facts.issuer, "CN=Root\\, the First, O=Ex\xc3\xa4mple");
    assert_string_equal(facts.issuer_common_name, "Root, the First");
    assert_int_equal(facts.name_count, 2);
    assert_string_equal(facts.names[0], "mx.example.org");
    assert_string_equal(facts.names[1], "*.example.org");
    assert_int_equal(facts.address_count, 2);
    assert_string_equal(facts.addresses[0], "192.0.2.1");
    assert_string_equal(facts.addresses[1], "2001:db8:0:0:0:0:0:1");
    assert_string_equal(facts.key, "ECDSA P-256");
    assert_int_equal(facts.key_bits, 256);
    assert_int_equal(facts.key_security_bits, 128);
    assert_string_equal(facts.signature, "SHA256 with ECDSA");
    assert_string_equal(facts.issuer_url, "http://ca.example/1.der");
    assert_true(facts.not_after_s == MAKE_NOW_S + 90 * MAKE_DAY_S);
    assert_int_equal(strlen(facts.sha256), 64);
    assert_true(facts.must_staple);
    assert_false(facts.is_ca);
    assert_false(facts.is_self_issued);
    make_free(&root);
    make_free(&leaf);
}

static void agrees_with_dane_about_the_key_digest(void **state)
{
    struct arena *arena = *state;
    struct made root = make_root("Root");
    struct certificate facts;

    certificate_read(arena, root.der, &facts);
    assert_true(facts.is_ca);
    assert_true(facts.is_self_issued);
    assert_string_equal(dane_record_for(arena, root.der, 3, 1, 1) + strlen("3 1 1 "),
                        facts.spki_sha256);
    assert_string_equal(dane_record_for(arena, root.der, 3, 0, 1) + strlen("3 0 1 "), facts.sha256);
    make_free(&root);
}

static void escapes_what_a_terminal_would_obey(void **state)
{
    struct arena *arena = *state;
    struct made evil = make_certificate(
        &(struct make_recipe){ .name = "x\x1b[2J\r\ny\xe2\x80\xae", .name_type = MBSTRING_UTF8 });
    struct certificate facts;

    certificate_read(arena, evil.der, &facts);
    for (const char *c = facts.subject; *c != '\0'; c++)
        assert_true(*c >= ' ' && *c < 0x7f);
    assert_non_null(strstr(facts.subject, "\\x1b"));
    make_free(&evil);
}

static void names_keys_and_signatures_of_each_kind(void **state)
{
    struct arena *arena = *state;
    struct made rsa =
        make_certificate(&(struct make_recipe){ .name = "x", .rsa_bits = 1024, .digest = "MD5" });
    struct certificate facts;

    certificate_read(arena, rsa.der, &facts);
    assert_string_equal(facts.key, "RSA 1024");
    assert_string_equal(facts.signature, "MD5 with RSA");
    make_free(&rsa);
}

static void leaves_everything_empty_but_the_digest_where_it_cannot_read(void **state)
{
    struct arena *arena = *state;
    struct made root = make_root("Root");
    char longer[4096];
    struct certificate facts;

    certificate_read(arena, span_of("junk"), &facts);
    assert_false(facts.is_readable);
    assert_string_equal(facts.subject, "");
    assert_int_equal(strlen(facts.sha256), 64);
    memcpy(longer, root.der.data, root.der.len);
    longer[root.der.len] = 0;
    certificate_read(arena, (struct span){ longer, root.der.len + 1 }, &facts);
    assert_false(facts.is_readable);
    certificate_read(arena, (struct span){ NULL, 0 }, &facts);
    assert_false(facts.is_readable);
    make_free(&root);
}

#define PROMISE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(tells_the_facts_of_a_certificate),
        PROMISE(agrees_with_dane_about_the_key_digest),
        PROMISE(escapes_what_a_terminal_would_obey),
        PROMISE(names_keys_and_signatures_of_each_kind),
        PROMISE(leaves_everything_empty_but_the_digest_where_it_cannot_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
