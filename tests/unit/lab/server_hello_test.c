/* tests/unit/lab/server_hello_test.c - promises of lab/server_hello.h */
#include "lab/server_hello.h"

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

static void picks_the_servers_first_cipher_that_is_offered(void **state)
{
    static const uint16_t ciphers[] = { 0x0004, 0x0005, 0xc02b };
    static const uint8_t random[32];
    struct client_hello hello;
    uint8_t out[128];

    (void)state;
    assert_int_equal(client_hello_read(hello_span, &hello), CLIENT_HELLO_WHOLE);
    assert_int_equal(server_hello_answer(&hello, 0x0300, ciphers, 3, random, out, sizeof out), 47);
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
    assert_int_equal(server_hello_answer(&hello, 0x0303, ciphers, 1, random, out, sizeof out), 7);
    assert_memory_equal(out, "\x15\x03\x03\x00\x02\x02\x28", 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(picks_the_servers_first_cipher_that_is_offered),
        cmocka_unit_test(answers_an_alert_where_nothing_is_common),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
