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
    if (used.credentials == NULL)
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

static void expect_no_offer_yet(struct end *end)
{
    assert_int_equal(end->facts.offered_maximum, TLS_VERSION_1_3);
    assert_string_equal(end->facts.sni, "mx.test");
    assert_int_equal(end->facts.offer.cipher_count, 0);
}

static void names_the_offer_of_who_leaves_behind_a_handshake(void **state)
{
    struct peers peers;
    const struct tls_facts *facts = &peers.server.facts;

    (void)state;
    start(&peers, &(struct tls_server_settings){ .security_level = 1 });
    peers.server.on_secured = expect_no_offer_yet;
    peers.client.on_secured = end_close;
    peers_run(&peers);
    assert_true(facts->was_completed);
    assert_true(lists(facts->offer.ciphers, facts->offer.cipher_count, "TLS_AES_128_GCM_SHA256"));
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

static void run_for(struct peers *peers, const struct tls_server_settings *settings,
                    const char *sni, const char *ciphers)
{
    start(peers, settings);
    peers->settings.sni = sni;
    if (ciphers != NULL) { /* which key it takes */
        peers->settings.ciphers = ciphers;
        peers->settings.maximum_version = TLS_VERSION_1_2;
    }
    peers->client.on_secured = end_close;
    peers_run(peers);
}

static void gives_the_certificate_that_is_for_the_name(void **state)
{
    static const char for_rsa[] = "ECDHE-RSA-AES128-GCM-SHA256";
    static const char for_ec[] = "ECDHE-ECDSA-AES128-GCM-SHA256";
    struct tls_credentials *const made[] = {
        made_credentials_for(MADE_EC, "DNS:mx.one.test, DNS:www.one.test"),
        made_credentials_for(MADE_RSA_2048, "DNS:www.one.test"),
        made_credentials_for(MADE_EC, "DNS:*.Two.test, DNS:two.test, DNS:*"),
        made_credentials_for(MADE_RSA_2048, "DNS:mx.two.test, IP:127.0.0.1, DNS:m*.three.test"),
        made_credentials_for(MADE_EC, "DNS:mx.one.test"), /* the first has that name already */
    };
    const struct tls_credentials *more[] = { made[1], made[2], made[3], made[4] };
    const struct tls_server_settings settings = {
        .credentials = made[0], .more = more, .more_count = 4, .security_level = 1
    };
    static const struct {
        const char *sni, *ciphers;
        size_t place;
        bool is_for_name;
    } cases[] = {
        { "mx.one.test", NULL, 0, true },
        { "MX.ONE.test", NULL, 0, true },
        { "www.one.test", NULL, 0, true },
        { "www.one.test", for_rsa, 1, true },
        { "www.one.test", for_ec, 0, true },
        { "two.test", NULL, 2, true },
        { "any.two.test", NULL, 2, true },
        { "very.any.two.test", NULL, 0, false }, /* one label, not two */
        { "mx.two.test", for_rsa, 3, true },     /* both are for it */
        { "mx.two.test", for_ec, 2, true },
        { "mx.three.test", NULL, 0, false }, /* a part of a label is no wildcard */
        { "127.0.0.1", NULL, 0, false },
        { "other.test", NULL, 0, false },
        { "test", NULL, 0, false },
        { NULL, NULL, 0, false },
        { NULL, for_rsa, 1, false }, /* it shares a name with the first */
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct peers peers;
        const struct tls_facts *facts = &peers.client.facts;

        run_for(&peers, &settings, cases[i].sni, cases[i].ciphers);
        assert_true(facts->was_completed);
        assert_int_equal(facts->alert_count, 0);
        assert_true(span_equal(facts->chain[0], tls_credentials_leaf(made[cases[i].place])));
        assert_int_equal(facts->sni_was_used, cases[i].is_for_name);
        peers_stop(&peers);
    }
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++)
        tls_credentials_free(&(struct tls_credentials *){ made[i] });
}

static void refuses_another_certificate_whose_key_is_not_its_own(void **state)
{
    struct arena arena;
    struct span one, other;
    struct tls_credentials *mixed = NULL;
    struct tls_server_context *context = NULL;
    struct error err;

    (void)state;
    arena_init(&arena, 64 * 1024);
    one = made_certificate(&arena, MADE_EC, -1, 30);
    other = made_certificate(&arena, MADE_EC, -1, 30);
    assert_true(tls_credentials_load(one, other, &mixed, &err));
    assert_false(tls_server_context_new(
        &(struct tls_server_settings){ .credentials = mixed,
                                       .more = (const struct tls_credentials *const[]){ ec },
                                       .more_count = 1 },
        &context, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_null(context);
    tls_credentials_free(&mixed);
    arena_clear(&arena);
}

static void let_context_go(struct end *end)
{
    end_secure_server(end);
    tls_server_context_free(&end->peers->context); /* the stream's is left */
}

static void lasts_as_long_as_a_stream_needs_it(void **state)
{
    struct peers peers;

    (void)state;
    start(&peers, &(struct tls_server_settings){ .only_sni = "mx.test" });
    peers.server.on_connected = let_context_go;
    peers.client.on_secured = end_close;
    peers_run(&peers);
    assert_true(peers.server.facts.was_completed);
    assert_true(peers.client.facts.sni_was_used);
    peers_stop(&peers);
}

static void give_way(struct end *end, struct span *bytes)
{
    (void)bytes;
    end_close(end);
}

static void say_hello(struct end *end)
{
    end_say(end, "220 hello\r\n");
}

static void gives_one_ticket_a_session(void **state)
{
    struct peers peers;

    (void)state;
    for (int without = 0; without < 2; without++) {
        start(&peers, &(struct tls_server_settings){ .no_tickets = without == 1 });
        peers.server.on_secured = say_hello;
        peers.client.on_received = give_way;
        peers_run(&peers);
        assert_int_equal(peers.client.facts.version, TLS_VERSION_1_3);
        assert_int_equal(peers.client.facts.tickets_received, 1 - without);
        peers_stop(&peers);
    }
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
        cmocka_unit_test(names_the_offer_of_who_leaves_behind_a_handshake),
        cmocka_unit_test(gives_the_certificate_that_is_for_the_name),
        cmocka_unit_test(refuses_another_certificate_whose_key_is_not_its_own),
        cmocka_unit_test(lasts_as_long_as_a_stream_needs_it),
        cmocka_unit_test(gives_one_ticket_a_session),
    };

    return cmocka_run_group_tests(tests, make_credentials, free_credentials);
}
