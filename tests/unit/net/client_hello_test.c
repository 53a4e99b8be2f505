/* tests/unit/net/client_hello_test.c - promises of net/client_hello.h */
#include "net/client_hello.h"

#include <string.h>

#include "../test.h"

/* A hello by hand: TLS 1.2, three ciphers, server_name "mx.lab", session_ticket, versions 1.3. */
/* clang-format off */
static const uint8_t hello_bytes[] = {
    0x16, 3, 1, 0, 79, 1, 0, 0, 75, 3, 3, /* headers, legacy_version */
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, /* random */
    16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
    0, /* session */
    0, 6, 0x13, 0x01, 0xc0, 0x2b, 0x00, 0x05, 1, 0, /* ciphers, compression */
    0, 28, /* extensions */
    0, 0, 0, 11, 0, 9, 0, 0, 6, 'm', 'x', '.', 'l', 'a', 'b',
    0, 35, 0, 0, /* session_ticket */
    0, 43, 0, 5, 4, 3, 4, 3, 3, /* supported_versions */
};
/* clang-format on */
static const struct span hello_span = { (const char *)hello_bytes, sizeof hello_bytes };

static void reads_what_a_hello_offers(void **state)
{
    struct client_hello hello;

    (void)state;
    assert_int_equal(client_hello_read(hello_span, &hello), CLIENT_HELLO_WHOLE);
    assert_int_equal(hello.bytes, sizeof hello_bytes);
    assert_int_equal(hello.version, 0x0303);
    assert_int_equal(hello.cipher_count, 3);
    assert_int_equal(hello.ciphers[2], 0x0005);
    assert_true(hello.has_sni && hello.has_ticket && hello.has_tls13);
    assert_string_equal(hello.sni, "mx.lab");
}

/* A ticket that is empty asks for one (RFC 5077 section 3.2); TLS 1.3 has another extension. */
static void tells_who_comes_back_with_a_session(void **state)
{
    static const uint8_t extensions[][5] = {
        { 0, 35, 0, 1, 0 }, /* a ticket of one octet */
        { 0, 41, 0, 1, 0 }, /* pre_shared_key */
        { 0, 42, 0, 1, 0 },
    };
    uint8_t longer[sizeof hello_bytes + 5];
    struct client_hello hello;

    (void)state;
    assert_int_equal(client_hello_read(hello_span, &hello), CLIENT_HELLO_WHOLE);
    assert_false(hello.has_session);
    for (size_t i = 0; i < 3; i++) {
        memcpy(longer, hello_bytes, sizeof hello_bytes);
        memcpy(longer + sizeof hello_bytes, extensions[i], 5);
        longer[4] += 5; /* the record, the message and its extensions */
        longer[8] += 5;
        longer[sizeof hello_bytes - 29] += 5;
        assert_int_equal(
            client_hello_read((struct span){ (const char *)longer, sizeof longer }, &hello),
            CLIENT_HELLO_WHOLE);
        assert_int_equal(hello.has_session, i < 2);
    }
}

static void waits_for_every_byte(void **state)
{
    struct client_hello hello;

    (void)state;
    for (size_t len = 0; len < sizeof hello_bytes; len++)
        assert_int_equal(client_hello_read(span_part(hello_span, 0, len), &hello),
                         CLIENT_HELLO_PARTIAL);
}

static void joins_a_hello_split_over_records(void **state)
{
    uint8_t split[sizeof hello_bytes + 5];
    struct client_hello hello;
    const size_t first = 20;

    (void)state;
    memcpy(split, hello_bytes, 5 + first);
    split[4] = first;
    memcpy(split + 5 + first, ((const uint8_t[]){ 0x16, 3, 1, 0, 79 - 20 }), 5);
    memcpy(split + 10 + first, hello_bytes + 5 + first, sizeof hello_bytes - 5 - first);
    assert_int_equal(client_hello_read((struct span){ (const char *)split, sizeof split }, &hello),
                     CLIENT_HELLO_WHOLE);
    assert_int_equal(hello.bytes, sizeof split);
    assert_string_equal(hello.sni, "mx.lab");
}

static void refuses_what_is_no_hello(void **state)
{
    struct client_hello hello;
    char bytes[sizeof hello_bytes];

    (void)state;
    assert_int_equal(client_hello_read(span_of("EHLO client\r\n"), &hello), CLIENT_HELLO_BROKEN);
    memcpy(bytes, hello_bytes, sizeof bytes);
    bytes[5] = 2; /* a ServerHello */
    assert_int_equal(client_hello_read((struct span){ bytes, sizeof bytes }, &hello),
                     CLIENT_HELLO_BROKEN);
    bytes[5] = 1;
    bytes[44] = 60; /* the list of ciphers would end behind the message */
    bytes[45] = 60;
    assert_int_equal(client_hello_read((struct span){ bytes, sizeof bytes }, &hello),
                     CLIENT_HELLO_BROKEN);
}

static void never_reads_past_a_spoiled_byte(void **state)
{
    struct client_hello hello;

    (void)state;
    for (size_t at = 0; at < sizeof hello_bytes; at++) {
        char bytes[sizeof hello_bytes];

        memcpy(bytes, hello_bytes, sizeof bytes);
        bytes[at] = (char)0xff;
        /* Whatever it says, it says it without a fault under the sanitizers. */
        assert_in_range(client_hello_read((struct span){ bytes, sizeof bytes }, &hello),
                        CLIENT_HELLO_PARTIAL, CLIENT_HELLO_BROKEN);
    }
}

/* A body by hand: reserved values between the others, groups, signatures, ALPN. */
/* clang-format off */
static const uint8_t modern_body[] = {
    3, 3,
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, /* random */
    16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
    0, /* session */
    0, 10, 0x2a, 0x2a, 0x13, 0x02, 0xc0, 0x2f, 0x12, 0x34, 0x00, 0xff, 1, 0,
    0, 60, /* extensions */
    0x3a, 0x3a, 0, 1, 0,
    0, 10, 0, 8, 0, 6, 0x4a, 0x4a, 0, 29, 0, 23, /* supported_groups */
    0, 13, 0, 6, 0, 4, 8, 4, 4, 3, /* signature_algorithms */
    0, 16, 0, 10, 0, 8, 4, 's', 'm', 't', 'p', 2, '\n', 'x', /* ALPN */
    0, 43, 0, 9, 8, 0x5a, 0x5a, 3, 4, 3, 2, 3, 3, /* supported_versions */
    0, 35, 0, 2, 1, 2,
};
/* clang-format on */

static void names_all_that_a_hello_offers(void **state)
{
    struct span body = { (const char *)modern_body, sizeof modern_body };
    struct client_hello hello;
    struct tls_offer offer;
    struct arena arena;

    (void)state;
    arena_init(&arena, 64 * 1024);
    assert_true(client_hello_parse(body, &hello));
    offer = client_hello_offer(&hello, &arena);
    assert_int_equal(offer.version_count, 3);
    assert_string_equal(offer.versions[0], "TLSv1.3");
    assert_string_equal(offer.versions[1], "TLSv1.1");
    assert_int_equal(client_hello_oldest(&hello), TLS_VERSION_1_1);
    assert_int_equal(client_hello_newest(&hello), TLS_VERSION_1_3);
    assert_int_equal(offer.cipher_count, 3); /* neither the reserved one nor the signal */
    assert_string_equal(offer.ciphers[0], "TLS_AES_256_GCM_SHA384");
    assert_string_equal(offer.ciphers[1], "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
    assert_string_equal(offer.ciphers[2], "0x1234");
    assert_int_equal(offer.group_count, 2);
    assert_string_equal(offer.groups[1], "secp256r1");
    assert_int_equal(offer.signature_count, 2);
    assert_string_equal(offer.signatures[0], "rsa_pss_rsae_sha256");
    assert_int_equal(offer.protocol_count, 2);
    assert_string_equal(offer.protocols[0], "smtp");
    assert_string_equal(offer.protocols[1], "\\nx");
    arena_clear(&arena);
}

static void takes_the_version_of_an_old_hello_for_its_newest(void **state)
{
    struct span body = { (const char *)modern_body, 49 }; /* without extensions */
    struct client_hello hello;
    struct tls_offer offer;
    struct arena arena;

    (void)state;
    arena_init(&arena, 64 * 1024);
    assert_true(client_hello_parse(body, &hello));
    offer = client_hello_offer(&hello, &arena);
    assert_int_equal(offer.version_count, 1);
    assert_string_equal(offer.versions[0], "TLSv1.2");
    assert_int_equal(client_hello_oldest(&hello), 0);
    assert_int_equal(client_hello_newest(&hello), TLS_VERSION_1_2);
    assert_false(hello.has_sni || hello.has_tls13);
    arena_clear(&arena);
}

static void names_nothing_where_there_is_no_memory(void **state)
{
    struct span body = { (const char *)modern_body, sizeof modern_body };
    struct client_hello hello;
    struct tls_offer offer;
    struct arena arena;

    (void)state;
    arena_init(&arena, 8);
    assert_true(client_hello_parse(body, &hello));
    offer = client_hello_offer(&hello, &arena);
    assert_true(arena.exhausted);
    assert_int_equal(offer.cipher_count + offer.group_count + offer.protocol_count, 0);
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_a_hello_offers),
        cmocka_unit_test(tells_who_comes_back_with_a_session),
        cmocka_unit_test(waits_for_every_byte),
        cmocka_unit_test(joins_a_hello_split_over_records),
        cmocka_unit_test(refuses_what_is_no_hello),
        cmocka_unit_test(never_reads_past_a_spoiled_byte),
        cmocka_unit_test(names_all_that_a_hello_offers),
        cmocka_unit_test(takes_the_version_of_an_old_hello_for_its_newest),
        cmocka_unit_test(names_nothing_where_there_is_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
