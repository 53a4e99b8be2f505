/* tests/unit/lab/client_hello_test.c - promises of lab/client_hello.h */
#include "lab/client_hello.h"

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

static void picks_the_servers_first_cipher_that_is_offered(void **state)
{
    static const uint16_t ciphers[] = { 0x0004, 0x0005, 0xc02b };
    static const uint8_t random[32];
    struct client_hello hello;
    uint8_t out[128];

    (void)state;
    assert_int_equal(client_hello_read(hello_span, &hello), CLIENT_HELLO_WHOLE);
    assert_int_equal(client_hello_answer(&hello, 0x0300, ciphers, 3, random, out, sizeof out), 47);
    assert_int_equal(out[0], 22);
    assert_int_equal(out[10], 0); /* SSL 3.0 */
    assert_int_equal(out[44] << 8 | out[45], 0x0005);
}

static void answers_an_alert_where_nothing_is_common(void **state)
{
    static const uint16_t ciphers[] = { 0x0003 };
    static const uint8_t random[32];
    struct client_hello hello;
    uint8_t out[128];

    (void)state;
    assert_int_equal(client_hello_read(hello_span, &hello), CLIENT_HELLO_WHOLE);
    assert_int_equal(client_hello_answer(&hello, 0x0303, ciphers, 1, random, out, sizeof out), 7);
    assert_memory_equal(out, "\x15\x03\x03\x00\x02\x02\x28", 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_a_hello_offers),
        cmocka_unit_test(waits_for_every_byte),
        cmocka_unit_test(joins_a_hello_split_over_records),
        cmocka_unit_test(refuses_what_is_no_hello),
        cmocka_unit_test(never_reads_past_a_spoiled_byte),
        cmocka_unit_test(picks_the_servers_first_cipher_that_is_offered),
        cmocka_unit_test(answers_an_alert_where_nothing_is_common),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
