/* tests/unit/net/tls_test.c - promises of net/tls.h and net/tls_server.h that need no connection */
#include "../test.h"

#include "peers.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { DAY_S = 24 * 60 * 60 };

static struct arena arena;

static enum tls_credentials_state state_of(int from_days, int to_days, int64_t now_s)
{
    struct span pem = made_certificate(&arena, MADE_EC, from_days, to_days);
    struct tls_credentials *credentials = NULL;
    enum tls_credentials_state result;

    assert_true(tls_credentials_load(pem, pem, &credentials, NULL));
    result = tls_credentials_state(credentials, now_s);
    assert_true(tls_credentials_leaf(credentials).len > 100);
    tls_credentials_free(&credentials);
    assert_null(credentials);
    return result;
}

static void tells_when_our_certificate_is_valid(void **state)
{
    int64_t now_s = time(NULL);

    (void)state;
    assert_int_equal(state_of(-1, 1, now_s), TLS_CREDENTIALS_FINE);
    assert_int_equal(state_of(-3, -1, now_s), TLS_CREDENTIALS_EXPIRED);
    assert_int_equal(state_of(-3, -1, now_s - 2 * DAY_S), TLS_CREDENTIALS_FINE);
    assert_int_equal(state_of(1, 3, now_s), TLS_CREDENTIALS_NOT_YET_VALID);
}

static void loads_a_key_that_does_not_match_and_says_so(void **state)
{
    struct span one = made_certificate(&arena, MADE_EC, -1, 1);
    struct span other = made_certificate(&arena, MADE_RSA_1024, -1, 1);
    struct tls_credentials *credentials = NULL;
    struct tls_server_context *context = NULL;
    struct error err;

    (void)state;
    assert_true(tls_credentials_load(one, other, &credentials, NULL));
    assert_int_equal(tls_credentials_state(credentials, time(NULL)), TLS_CREDENTIALS_KEY_MISMATCH);
    assert_false(tls_server_context_new(&(struct tls_server_settings){ .credentials = credentials },
                                        &context, &err));
    assert_non_null(strstr(err.text, "private key"));
    tls_credentials_free(&credentials);
}

static void names_what_cannot_be_read(void **state)
{
    struct span good = made_certificate(&arena, MADE_EC, -1, 1);
    struct tls_credentials *credentials = NULL;
    struct error err;
    char broken[4096];
    static const struct {
        const char *chain, *key, *words;
    } cases[] = {
        { "", NULL, "no PEM certificate" },
        { "nonsense", NULL, "no PEM certificate" },
        { NULL, "", "no PEM private key" },
        { "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", NULL, "certificate 1" },
        { NULL, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "private key" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct span chain = cases[i].chain == NULL ? good : span_of(cases[i].chain);
        struct span key = cases[i].key == NULL ? good : span_of(cases[i].key);

        assert_false(tls_credentials_load(chain, key, &credentials, &err));
        assert_null(credentials);
        if (strstr(err.text, cases[i].words) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", err.text, cases[i].words);
    }
    snprintf(broken, sizeof broken, "%.*s%s", (int)good.len, good.data, cases[3].chain);
    assert_false(tls_credentials_load(span_of(broken), good, &credentials, &err));
    assert_non_null(strstr(err.text, "certificate 2"));
}

static void refuses_server_settings_that_make_no_sense(void **state)
{
    struct tls_credentials *credentials = made_credentials(MADE_EC);
    struct tls_server_context *context = NULL;
    const struct tls_server_settings cases[] = {
        { .credentials = NULL },
        { .credentials = credentials, .ciphers = "NO-SUCH" },
        { .credentials = credentials, .groups = "NO-SUCH" },
        { .credentials = credentials, .signature_algorithms = "NO-SUCH" },
        { .credentials = credentials, .dh_bits = 777 },
        { .credentials = credentials, .minimum_version = 0x0205 },
        { .credentials = credentials,
          .client_certificate = TLS_CLIENT_CERTIFICATE_REQUIRE,
          .client_ca_pem = span_of("nonsense") },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct error err = { .kind = ERROR_NONE };

        assert_false(tls_server_context_new(&cases[i], &context, &err));
        assert_null(context);
        assert_true(err.kind != ERROR_NONE && strlen(err.text) > 0);
    }
    tls_credentials_free(&credentials);
}

static void names_versions_alerts_and_messages(void **state)
{
    (void)state;
    assert_string_equal(tls_version_name(TLS_VERSION_1_3), "TLSv1.3");
    assert_string_equal(tls_version_name(TLS_VERSION_SSL3), "SSLv3");
    assert_string_equal(tls_version_name(0x0305), "0x0305");
    assert_string_equal(tls_alert_name(40), "handshake_failure");
    assert_string_equal(tls_alert_name(116), "certificate_required");
    assert_string_equal(tls_alert_name(200), "alert 200");
    assert_string_equal(tls_handshake_message_name(2), "ServerHello");
    assert_string_equal(tls_handshake_message_name(0xff), "none");
    assert_string_equal(tls_handshake_message_name(200), "message 200");
}

static int start(void **state)
{
    (void)state;
    arena_init(&arena, 1024 * 1024);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_when_our_certificate_is_valid),
        cmocka_unit_test(loads_a_key_that_does_not_match_and_says_so),
        cmocka_unit_test(names_what_cannot_be_read),
        cmocka_unit_test(refuses_server_settings_that_make_no_sense),
        cmocka_unit_test(names_versions_alerts_and_messages),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
