/* tests/unit/net/tls_server_test.c - promises of net/tls_server.h, and of the facts of a server */
#include "../test.h"

#include "peers.h"

#include <string.h>

#include "net/hello.h"

static struct tls_credentials *ec;

static void start(struct peers *peers, const struct tls_server_settings *settings)
{
    struct tls_server_settings used = *settings;
    struct error err = { .text = "" };

    peers_start(peers);
    used.credentials = ec;
    if (!tls_server_context_new(&used, &peers->context, &err))
        fail_msg("%s", err.text);
    peers->client.on_connected = end_secure_client;
    peers->client.on_ended = end_close;
    peers->server.on_connected = end_secure_server;
    peers->server.on_ended = end_close;
}

static bool lists(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static bool sent_alert(const struct tls_facts *facts, uint8_t description)
{
    for (size_t i = 0; i < facts->alert_count; i++)
        if (facts->alerts[i].description == description && facts->alerts[i].is_sent)
            return true;
    return false;
}

static void tells_what_it_takes_itself(void **state)
{
    struct peers peers;
    struct tls_offer offer;
    struct error err;

    (void)state;
    start(&peers, &(struct tls_server_settings){ .security_level = 1,
                                                 .ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256",
                                                 .groups = "P-256:X25519",
                                                 .signature_algorithms = "ECDSA+SHA256" });
    assert_true(tls_server_offer(peers.context, &peers.arena, &offer, &err));
    assert_int_equal(offer.version_count, 2);
    assert_true(lists(offer.versions, offer.version_count, "TLSv1.3"));
    assert_true(lists(offer.versions, offer.version_count, "TLSv1.2"));
    assert_int_equal(offer.cipher_count, 4); /* three of TLS 1.3 */
    assert_true(lists(offer.ciphers, offer.cipher_count, "TLS_AES_128_GCM_SHA256"));
    assert_true(
        lists(offer.ciphers, offer.cipher_count, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"));
    assert_int_equal(offer.group_count, 2);
    assert_string_equal(offer.groups[0], "secp256r1");
    assert_string_equal(offer.groups[1], "X25519");
    assert_int_equal(offer.signature_count, 1);
    assert_string_equal(offer.signatures[0], "ecdsa_secp256r1_sha256");
    assert_int_equal(offer.protocol_count, 0);
    /* and goes on as a server */
    peers.client.on_secured = end_close;
    peers_run(&peers);
    assert_true(peers.client.facts.was_completed);
    peers_stop(&peers);
}

static void tells_its_defaults_too(void **state)
{
    struct peers peers;
    struct tls_offer offer;
    struct error err;

    (void)state;
    start(&peers,
          &(struct tls_server_settings){ .security_level = 1, .maximum_version = TLS_VERSION_1_2 });
    assert_true(tls_server_offer(peers.context, &peers.arena, &offer, &err));
    assert_int_equal(offer.version_count, 1);
    assert_string_equal(offer.versions[0], "TLSv1.2");
    assert_true(lists(offer.groups, offer.group_count, "X25519"));
    assert_true(lists(offer.signatures, offer.signature_count, "rsa_pss_rsae_sha256"));
    assert_false(lists(offer.ciphers, offer.cipher_count, "TLS_AES_128_GCM_SHA256"));
    peers_stop(&peers);
}

static void keeps_what_an_old_client_offered(void **state)
{
    struct peers peers;
    const struct tls_facts *facts = &peers.server.facts;

    (void)state;
    start(&peers, &(struct tls_server_settings){ .security_level = 1 });
    peers.settings.minimum_version = TLS_VERSION_1_0;
    peers.settings.maximum_version = TLS_VERSION_1_0;
    peers.settings.security_level = 0;
    peers.settings.ciphers = "AES128-SHA:AES256-SHA:@SECLEVEL=0";
    peers_run(&peers);
    assert_int_equal(peers.server.end, STREAM_TLS_FAILED);
    assert_int_equal(facts->offered_maximum, TLS_VERSION_1_0);
    assert_int_equal(facts->offered_minimum, 0);
    assert_int_equal(facts->offer.version_count, 1);
    assert_string_equal(facts->offer.versions[0], "TLSv1.0");
    assert_int_equal(facts->offer.cipher_count, 2);
    assert_string_equal(facts->offer.ciphers[0], "TLS_RSA_WITH_AES_128_CBC_SHA");
    assert_int_equal(facts->offer.signature_count, 0);
    assert_string_equal(facts->sni, "mx.test");
    assert_true(sent_alert(facts, 70));
    assert_string_equal(facts->library_reason, "unsupported protocol");
    assert_int_equal(facts->last_message_received, 1);
    peers_stop(&peers);
}

static void keeps_the_whole_offer_of_a_client_of_today(void **state)
{
    struct peers peers;
    const struct tls_facts *facts = &peers.server.facts;

    (void)state;
    start(&peers, &(struct tls_server_settings){ .security_level = 1,
                                                 .ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384",
                                                 .maximum_version = TLS_VERSION_1_2 });
    peers.settings.ciphers = "ECDHE-RSA-AES128-GCM-SHA256";
    peers.settings.groups = "P-384:P-256";
    peers_run(&peers);
    assert_int_equal(peers.server.end, STREAM_TLS_FAILED);
    assert_int_equal(facts->offered_minimum, TLS_VERSION_1_2);
    assert_int_equal(facts->offered_maximum, TLS_VERSION_1_3);
    assert_true(lists(facts->offer.ciphers, facts->offer.cipher_count,
                      "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"));
    assert_int_equal(facts->offer.group_count, 2);
    assert_string_equal(facts->offer.groups[0], "secp384r1");
    assert_true(
        lists(facts->offer.signatures, facts->offer.signature_count, "ecdsa_secp256r1_sha256"));
    assert_true(sent_alert(facts, 40));
    assert_string_equal(facts->library_reason, "no shared cipher");
    peers_stop(&peers);
}

static void hello_and_hang_up(struct end *end)
{
    static const uint8_t random[32];
    uint8_t hello[2048];
    struct hello_offer offer = {
        .version = TLS_VERSION_1_2, .with_tls13 = true, .with_extensions = true, .sni = "mx.test"
    };
    size_t len = hello_format(&offer, random, hello, sizeof hello);

    assert_true(stream_send(end->stream, (struct span){ (const char *)hello, len }));
}

static void hang_up(struct end *end, struct span *bytes)
{
    (void)bytes;
    end_close(end);
}

static void tells_after_which_flight_a_client_hangs_up(void **state)
{
    struct peers peers;
    const struct tls_facts *facts = &peers.server.facts;

    (void)state;
    start(&peers, &(struct tls_server_settings){ .security_level = 1 });
    peers.client.on_connected = hello_and_hang_up;
    peers.client.on_received = hang_up; /* the server's flight */
    peers_run(&peers);
    assert_true(peers.server.end == STREAM_CLOSED || peers.server.end == STREAM_RESET);
    assert_int_equal(facts->last_message_received, 1);
    assert_int_equal(facts->last_message_sent, 20); /* Finished: the whole first flight */
    assert_false(facts->was_completed);
    assert_int_equal(facts->alert_count, 0);
    assert_true(facts->offer.cipher_count > 0);
    peers_stop(&peers);
}

static int make_credentials(void **state)
{
    (void)state;
    ec = made_credentials(MADE_EC);
    return 0;
}

static int free_credentials(void **state)
{
    (void)state;
    tls_credentials_free(&ec);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_what_it_takes_itself),
        cmocka_unit_test(tells_its_defaults_too),
        cmocka_unit_test(keeps_what_an_old_client_offered),
        cmocka_unit_test(keeps_the_whole_offer_of_a_client_of_today),
        cmocka_unit_test(tells_after_which_flight_a_client_hangs_up),
    };

    return cmocka_run_group_tests(tests, make_credentials, free_credentials);
}
