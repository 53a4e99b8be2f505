/* tests/unit/net/hello_test.c - promises of net/hello.h */
#include "../test.h"

#include "peers.h"

#include <string.h>

#include "net/hello.h"

static const uint8_t random_bytes[32] = "0123456789abcdef0123456789abcde";

static struct hello_offer offer;
static struct tls_credentials *rsa;

static void send_hello(struct end *end)
{
    uint8_t bytes[2048];
    size_t len = hello_format(&offer, random_bytes, bytes, sizeof bytes);

    assert_true(len > 0);
    assert_true(stream_send(end->stream, (struct span){ (const char *)bytes, len }));
}

/* Only that the answer has come matters; nobody goes on with the handshake. */
static void close_when_answered(struct end *end, struct span *bytes)
{
    struct hello_answer answer;

    (void)bytes;
    if (hello_read(buffer_span(&end->received), &answer) != HELLO_PARTIAL)
        end_close(end);
}

static enum hello_status ask(const struct tls_server_settings *settings,
                             struct hello_answer *answer)
{
    struct peers peers;
    struct tls_server_settings used = *settings;
    struct error err;
    enum hello_status status;

    peers_start(&peers);
    used.credentials = rsa;
    assert_true(tls_server_context_new(&used, &peers.context, &err));
    peers.client.on_connected = send_hello;
    peers.client.on_received = close_when_answered;
    peers.server.on_connected = end_secure_server;
    peers.server.on_ended = end_close;
    peers_run(&peers);
    status = hello_read(buffer_span(&peers.client.received), answer);
    for (size_t cut = 0; cut < peers.client.received.len && status == HELLO_ANSWERED; cut++) {
        struct hello_answer early;

        /* However little has come, the verdict is the last one or "more is needed". */
        enum hello_status then =
            hello_read(span_part(buffer_span(&peers.client.received), 0, cut), &early);

        assert_true(then == HELLO_PARTIAL || then == HELLO_ANSWERED);
    }
    peers_stop(&peers);
    return status;
}

static void is_understood_by_a_tls_12_server(void **state)
{
    static const uint16_t ciphers[] = { 0xc02f };
    struct hello_answer answer;

    (void)state;
    offer = (struct hello_offer){ .version = 0x0303,
                                  .ciphers = ciphers,
                                  .cipher_count = 1,
                                  .sni = "mx.test",
                                  .with_extensions = true };
    assert_int_equal(ask(&(struct tls_server_settings){ .only_sni = "mx.test" }, &answer),
                     HELLO_ANSWERED);
    assert_int_equal(answer.version, 0x0303);
    assert_int_equal(answer.cipher, 0xc02f);
    assert_false(answer.is_retry);
}

static void is_understood_by_a_tls_13_server(void **state)
{
    struct hello_answer answer;

    (void)state;
    offer = (struct hello_offer){ .version = 0x0303, .with_tls13 = true, .with_extensions = true };
    assert_int_equal(
        ask(&(struct tls_server_settings){ .minimum_version = TLS_VERSION_1_3 }, &answer),
        HELLO_ANSWERED);
    assert_int_equal(answer.version, 0x0304);
    assert_int_equal(answer.cipher >> 8, 0x13);
    assert_int_equal(
        ask(&(struct tls_server_settings){ .minimum_version = TLS_VERSION_1_3, .groups = "P-384" },
            &answer),
        HELLO_ANSWERED);
    assert_true(answer.is_retry);
}

static void is_understood_without_extensions(void **state)
{
    struct hello_answer answer;

    (void)state;
    offer = (struct hello_offer){ .version = 0x0301 };
    assert_int_equal(ask(&(struct tls_server_settings){ .minimum_version = TLS_VERSION_1_0,
                                                        .ciphers = "ALL:@SECLEVEL=0" },
                         &answer),
                     HELLO_ANSWERED);
    assert_int_equal(answer.version, 0x0301);
    assert_non_null(hello_cipher_name(answer.cipher));
}

static void reads_the_alert_of_a_server_that_shares_nothing(void **state)
{
    static const uint16_t ciphers[] = { 0x0005, 0x000a };
    struct hello_answer answer;

    (void)state;
    offer = (struct hello_offer){
        .version = 0x0303, .ciphers = ciphers, .cipher_count = 2, .with_extensions = true
    };
    assert_int_equal(ask(&(struct tls_server_settings){ .security_level = 1 }, &answer),
                     HELLO_ALERTED);
    assert_int_equal(answer.alert_level, 2);
    assert_int_equal(answer.alert_description, 40);
}

static void fits_into_two_kibibytes_with_every_cipher_ever_named(void **state)
{
    uint8_t bytes[2048];
    char name[256];
    size_t len;

    (void)state;
    memset(name, 'a', 255);
    name[255] = '\0';
    offer = (struct hello_offer){
        .version = 0x0303, .with_tls13 = true, .sni = name, .with_extensions = true
    };
    len = hello_format(&offer, random_bytes, bytes, sizeof bytes);
    assert_true(len > 700);
    assert_int_equal(len, 5U + (size_t)(bytes[3] << 8 | bytes[4]));
    for (size_t size = 0; size < len; size++)
        assert_int_equal(hello_format(&offer, random_bytes, bytes, size), 0);
}

#define HELLO_BODY                                                                                 \
    "\x03\x03"                                                                                     \
    "0123456789abcdef0123456789abcdef"                                                             \
    "\x00\x00\x05\x00"

static void tells_what_is_no_server_hello(void **state)
{
    static const struct {
        const char *name, *bytes;
        size_t len;
        enum hello_status status;
    } cases[] = {
        { "nothing", "", 0, HELLO_PARTIAL },
        { "SMTP", "500 what\r\n", 10, HELLO_NOT_TLS },
        { "a record type and no version", "\x16\x02", 2, HELLO_NOT_TLS },
        { "half a header", "\x16\x03\x01", 3, HELLO_PARTIAL },
        { "half a message", "\x16\x03\x01\x00\x02\x02\x00", 7, HELLO_PARTIAL },
        { "no ServerHello", "\x16\x03\x01\x00\x04\x0b\x00\x00\x00", 9, HELLO_MALFORMED },
        { "an empty record", "\x16\x03\x01\x00\x00", 5, HELLO_MALFORMED },
        { "a short ServerHello", "\x16\x03\x01\x00\x06\x02\x00\x00\x02\x03\x03", 11,
          HELLO_MALFORMED },
        { "a huge ServerHello", "\x16\x03\x01\x00\x04\x02\xff\xff\xff", 9, HELLO_MALFORMED },
        { "data first", "\x17\x03\x03\x00\x01x", 6, HELLO_MALFORMED },
        { "a fatal alert", "\x15\x03\x01\x00\x02\x02\x28", 7, HELLO_ALERTED },
        { "a warning", "\x15\x03\x01\x00\x02\x01\x70", 7, HELLO_PARTIAL },
        { "an alert too long", "\x15\x03\x01\x00\x03\x02\x28\x00", 8, HELLO_MALFORMED },
        { "a warning, then a hello",
          "\x15\x03\x01\x00\x02\x01\x70\x16\x03\x03\x00\x2a\x02\x00\x00\x26" HELLO_BODY, 7 + 47,
          HELLO_ANSWERED },
        { "a hello in two records",
          "\x16\x03\x03\x00\x03\x02\x00\x00\x16\x03\x03\x00\x27\x26" HELLO_BODY, 52,
          HELLO_ANSWERED },
        { "a hello, then plaintext", "\x16\x03\x03\x00\x2a\x02\x00\x00\x26" HELLO_BODY "250 ok",
          47 + 6, HELLO_ANSWERED },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct hello_answer answer;
        enum hello_status status =
            hello_read((struct span){ cases[i].bytes, cases[i].len }, &answer);

        if (status != cases[i].status)
            fail_msg("%s: %d", cases[i].name, (int)status);
        if (status == HELLO_ANSWERED)
            assert_string_equal(hello_cipher_name(answer.cipher), "TLS_RSA_WITH_RC4_128_SHA");
    }
}

static void names_ciphers_and_their_weakness(void **state)
{
    static const struct {
        uint16_t cipher;
        const char *name;
        enum hello_cipher_weakness weakness;
    } cases[] = {
        { 0x0001, "TLS_RSA_WITH_NULL_MD5", HELLO_CIPHER_NULL },
        { 0x0003, "TLS_RSA_EXPORT_WITH_RC4_40_MD5", HELLO_CIPHER_EXPORT },
        { 0x0005, "TLS_RSA_WITH_RC4_128_SHA", HELLO_CIPHER_RC4 },
        { 0x0009, "TLS_RSA_WITH_DES_CBC_SHA", HELLO_CIPHER_DES },
        { 0x000a, "TLS_RSA_WITH_3DES_EDE_CBC_SHA", HELLO_CIPHER_3DES },
        { 0x0034, "TLS_DH_anon_WITH_AES_128_CBC_SHA", HELLO_CIPHER_ANONYMOUS },
        { 0x008c, "TLS_PSK_WITH_AES_128_CBC_SHA", HELLO_CIPHER_OTHER },
        { 0x002f, "TLS_RSA_WITH_AES_128_CBC_SHA", HELLO_CIPHER_SOUND },
        { 0x1303, "TLS_CHACHA20_POLY1305_SHA256", HELLO_CIPHER_SOUND },
        { 0xc02b, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", HELLO_CIPHER_SOUND },
        { 0xd005, "TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256", HELLO_CIPHER_OTHER },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_string_equal(hello_cipher_name(cases[i].cipher), cases[i].name);
        assert_int_equal(hello_cipher_weakness(cases[i].cipher), cases[i].weakness);
    }
    assert_null(hello_cipher_name(0x0a0a));
    assert_null(hello_cipher_name(0xffff));
}

static int make_credentials(void **state)
{
    (void)state;
    rsa = made_credentials(MADE_RSA_2048);
    return 0;
}

static int free_credentials(void **state)
{
    (void)state;
    tls_credentials_free(&rsa);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_understood_by_a_tls_12_server),
        cmocka_unit_test(is_understood_by_a_tls_13_server),
        cmocka_unit_test(is_understood_without_extensions),
        cmocka_unit_test(reads_the_alert_of_a_server_that_shares_nothing),
        cmocka_unit_test(fits_into_two_kibibytes_with_every_cipher_ever_named),
        cmocka_unit_test(tells_what_is_no_server_hello),
        cmocka_unit_test(names_ciphers_and_their_weakness),
    };

    return cmocka_run_group_tests(tests, make_credentials, free_credentials);
}
