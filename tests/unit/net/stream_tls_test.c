/* tests/unit/net/stream_tls_test.c - promises of net/stream.h and net/tls.h for encrypted ones */
#include "../test.h"

#include "peers.h"

#include <string.h>

#include "net/hello.h"
#include "net/stream_internal.h"

static struct tls_credentials *ec, *rsa, *weak;

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
}

static void say_ehlo(struct end *end)
{
    end_say(end, "EHLO me\r\n");
}

static void reply_and_close(struct end *end, struct span *bytes)
{
    (void)bytes;
    end_say(end, "250 you\r\n");
    end_close(end);
}

static void run_exchange(struct peers *peers)
{
    peers->client.on_secured = say_ehlo;
    peers->server.on_received = reply_and_close;
    peers_run(peers);
}

static const struct tls_alert *alert_of(const struct end *end, uint8_t description, bool is_sent)
{
    for (size_t i = 0; i < end->facts.alert_count; i++)
        if (end->facts.alerts[i].description == description &&
            end->facts.alerts[i].is_sent == is_sent)
            return &end->facts.alerts[i];
    return NULL;
}

static bool has_fatal_alert(const struct end *end, uint8_t description)
{
    const struct tls_alert *alert = alert_of(end, description, false);

    return alert != NULL && alert->is_fatal;
}

static void records_a_tls_13_session(void **state)
{
    struct peers peers;
    const struct tls_facts *facts = &peers.client.facts;

    (void)state;
    start(&peers, &(struct tls_server_settings){ .security_level = 1 });
    run_exchange(&peers);
    assert_true(end_heard(&peers.server, "EHLO me\r\n"));
    assert_true(end_heard(&peers.client, "250 you\r\n"));
    assert_int_equal(peers.client.end, STREAM_CLOSED);
    assert_true(facts->was_completed && facts->has_server_hello && facts->close_notify_received);
    assert_int_equal(facts->version, TLS_VERSION_1_3);
    assert_string_equal(facts->cipher, "TLS_AES_256_GCM_SHA384");
    assert_string_equal(facts->group, "X25519");
    assert_string_equal(facts->signature, "ecdsa_secp256r1_sha256");
    assert_string_equal(facts->sni, "mx.test");
    assert_int_equal(facts->chain_count, 1);
    assert_true(span_equal(facts->chain[0], tls_credentials_leaf(ec)));
    assert_true(facts->secure_renegotiation);
    assert_int_equal(facts->alert_count, 0);
    assert_int_equal(facts->library_code, 0);
    assert_true(facts->tickets_received > 0);
    assert_true(facts->hello_bytes > 100);
    assert_int_equal(facts->first_bytes.data[0], 0x16);
    assert_false(facts->is_not_tls || facts->client_certificate_requested || facts->was_resumed);
    assert_string_equal(peers.server.facts.sni, "mx.test");
    assert_int_equal(peers.server.facts.version, TLS_VERSION_1_3);
    peers_stop(&peers);
}

static void records_a_tls_12_session(void **state)
{
    struct peers peers;
    const struct tls_facts *facts = &peers.client.facts;

    (void)state;
    start(&peers, &(struct tls_server_settings){ .credentials = rsa,
                                                 .maximum_version = TLS_VERSION_1_2,
                                                 .security_level = 1,
                                                 .staple = span_of("not really OCSP") });
    peers.settings.ask_staple = true;
    run_exchange(&peers);
    assert_true(end_heard(&peers.client, "250 you\r\n"));
    assert_int_equal(facts->version, TLS_VERSION_1_2);
    assert_string_equal(facts->cipher, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384");
    assert_string_equal(facts->group, "X25519");
    assert_string_equal(facts->signature, "rsa_pss_rsae_sha256");
    assert_true(span_equal(facts->staple, span_of("not really OCSP")));
    assert_true(span_equal(facts->chain[0], tls_credentials_leaf(rsa)));
    assert_true(facts->secure_renegotiation);
    assert_int_equal(tls_handshake_message_name(facts->last_message_received)[0], 'F');
    peers_stop(&peers);
}

static void records_a_staple_in_tls_13(void **state)
{
    struct peers peers;

    (void)state;
    start(&peers, &(struct tls_server_settings){ .staple = span_of("not really OCSP") });
    peers.settings.ask_staple = true;
    run_exchange(&peers);
    assert_true(span_equal(peers.client.facts.staple, span_of("not really OCSP")));
    peers_stop(&peers);
}

static void reads_the_server_hello_that_openssl_refuses(void **state)
{
    struct peers peers;
    const struct tls_facts *facts = &peers.client.facts;

    (void)state;
    start(&peers, &(struct tls_server_settings){ .credentials = rsa,
                                                 .minimum_version = TLS_VERSION_1_0,
                                                 .maximum_version = TLS_VERSION_1_1,
                                                 .ciphers = "ALL:@SECLEVEL=0" });
    peers.settings.minimum_version = TLS_VERSION_1_0;
    peers.settings.maximum_version = TLS_VERSION_1_1;
    peers.settings.security_level = 0;
    peers.settings.ciphers = "ALL:@SECLEVEL=0";
    run_exchange(&peers);
    assert_true(facts->was_completed);
    assert_int_equal(facts->version, TLS_VERSION_1_1);
    assert_string_equal(facts->signature, "rsa_pkcs1_md5_sha1");
    peers_stop(&peers);
    start(&peers, &(struct tls_server_settings){ .credentials = rsa,
                                                 .minimum_version = TLS_VERSION_1_0,
                                                 .maximum_version = TLS_VERSION_1_1,
                                                 .ciphers = "ALL:@SECLEVEL=0" });
    run_exchange(&peers);
    assert_false(facts->was_completed);
    assert_int_equal(peers.client.end, STREAM_TLS_FAILED);
    assert_non_null(alert_of(&peers.client, 70, false)); /* OpenSSL's server refuses by itself */
    assert_int_equal(facts->library_code, 0);
    peers_stop(&peers);
}

static void send_old_server_hello(struct end *end, struct span *bytes)
{
    static const char hello[] = "\x16\x03\x01\x00\x2a\x02\x00\x00\x26\x03\x01"
                                "0123456789abcdef0123456789abcdef"
                                "\x00\x00\x2f\x00";

    (void)bytes;
    assert_true(stream_send(end->stream, (struct span){ hello, sizeof hello - 1 }));
}

static void names_version_and_cipher_of_a_hello_it_cannot_take(void **state)
{
    struct peers peers;
    const struct tls_facts *facts = &peers.client.facts;

    (void)state;
    start(&peers, &(struct tls_server_settings){ .security_level = 0 });
    peers.server.on_connected = NULL;
    peers.server.on_received = send_old_server_hello;
    peers_run(&peers);
    assert_int_equal(peers.client.end, STREAM_TLS_FAILED);
    assert_true(facts->has_server_hello);
    assert_int_equal(facts->version, TLS_VERSION_1_0);
    assert_string_equal(facts->cipher, "TLS_RSA_WITH_AES_128_CBC_SHA");
    assert_string_equal(facts->library_reason, "unsupported protocol");
    assert_non_null(alert_of(&peers.client, 70, true));
    assert_int_equal(facts->last_message_received, 2);
    peers_stop(&peers);
}

static void send_broken_certificate(struct end *end, struct span *bytes)
{
    static const char flight[] = "\x16\x03\x03\x00\x3d\x02\x00\x00\x26\x03\x03"
                                 "0123456789abcdef0123456789abcdef"
                                 "\x00\xc0\x2f\x00"
                                 "\x0b\x00\x00\x0f\x00\x00\x0c\x00\x00\x09not a DER";

    (void)bytes;
    assert_true(stream_send(end->stream, (struct span){ flight, sizeof flight - 1 }));
}

static void keeps_a_certificate_that_openssl_cannot_read(void **state)
{
    struct peers peers;
    const struct tls_facts *facts = &peers.client.facts;

    (void)state;
    start(&peers, &(struct tls_server_settings){ .security_level = 1 });
    peers.settings.legacy_renegotiation = true; /* the hello of this test says nothing of it */
    peers.server.on_connected = NULL;
    peers.server.on_received = send_broken_certificate;
    peers_run(&peers);
    assert_int_equal(peers.client.end, STREAM_TLS_FAILED);
    assert_int_equal(facts->last_message_received, 11);
    assert_int_equal(facts->chain_count, 1);
    assert_true(span_equal(facts->chain[0], span_of("not a DER")));
    assert_non_null(facts->library_reason);
    assert_null(strstr(facts->library_reason, " lib")); /* no mere pointer elsewhere */
    assert_int_equal(facts->alert_count, 1);
    assert_true(facts->alerts[0].is_sent && facts->alerts[0].is_fatal);
    peers_stop(&peers);
}

static void tells_a_weak_dh_group(void **state)
{
    struct peers peers;
    const struct tls_facts *facts = &peers.client.facts;

    (void)state;
    for (int bits = 512; bits <= 1024; bits += 512) {
        start(&peers,
              &(struct tls_server_settings){ .credentials = rsa,
                                             .maximum_version = TLS_VERSION_1_2,
                                             .dh_bits = bits,
                                             .ciphers = "DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0" });
        peers.settings.ciphers = "DHE-RSA-AES128-GCM-SHA256";
        run_exchange(&peers);
        assert_int_equal(facts->group_bits, bits);
        assert_int_equal(facts->was_completed, bits == 1024);
        if (bits == 512) {
            assert_string_equal(facts->group, "DH 512 bits");
            assert_string_equal(facts->library_reason, "dh key too small");
            assert_int_equal(peers.client.end, STREAM_TLS_FAILED);
        }
        peers_stop(&peers);
    }
}

static void completes_with_a_1024_bit_certificate(void **state)
{
    struct peers peers;

    (void)state;
    start(&peers, &(struct tls_server_settings){ .credentials = weak });
    run_exchange(&peers);
    assert_true(peers.client.facts.was_completed);
    peers_stop(&peers);
}

static void tells_a_server_without_secure_renegotiation(void **state)
{
    struct peers peers;
    const struct tls_facts *facts = &peers.client.facts;

    (void)state;
    for (int allowed = 0; allowed <= 1; allowed++) {
        start(&peers, &(struct tls_server_settings){ .credentials = rsa,
                                                     .maximum_version = TLS_VERSION_1_2,
                                                     .legacy_renegotiation = true });
        peers.settings.legacy_renegotiation = allowed == 1;
        run_exchange(&peers);
        assert_int_equal(facts->was_completed, allowed);
        assert_false(facts->secure_renegotiation);
        if (allowed == 0)
            assert_string_equal(facts->library_reason, "unsafe legacy renegotiation disabled");
        else
            assert_true(end_heard(&peers.client, "250 you\r\n"));
        peers_stop(&peers);
    }
}

static void records_the_alert_for_a_name(void **state)
{
    struct peers peers;

    (void)state;
    start(&peers, &(struct tls_server_settings){ .only_sni = "other.test" });
    run_exchange(&peers);
    assert_int_equal(peers.client.end, STREAM_TLS_FAILED);
    assert_non_null(alert_of(&peers.client, 112, false));
    assert_true(has_fatal_alert(&peers.client, 112));
    assert_non_null(alert_of(&peers.server, 112, true));
    assert_false(peers.client.facts.has_server_hello);
    assert_int_equal(peers.client.facts.version, 0);
    peers_stop(&peers);
    start(&peers, &(struct tls_server_settings){ .only_sni = "mx.test", .sni_required = true });
    peers.settings.sni = NULL;
    run_exchange(&peers);
    assert_non_null(alert_of(&peers.client, 112, false));
    assert_null(peers.client.facts.sni);
    peers_stop(&peers);
}

static void tells_that_no_cipher_is_shared(void **state)
{
    struct peers peers;

    (void)state;
    start(&peers, &(struct tls_server_settings){ .maximum_version = TLS_VERSION_1_2,
                                                 .ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384" });
    peers.settings.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256";
    run_exchange(&peers);
    assert_non_null(alert_of(&peers.client, 40, false));
    assert_int_equal(peers.client.facts.library_code, 0);
    assert_string_equal(peers.server.facts.library_reason, "no shared cipher");
    peers_stop(&peers);
}

static void asks_and_shows_a_client_certificate(void **state)
{
    struct peers peers;

    (void)state;
    for (int version = TLS_VERSION_1_2; version <= TLS_VERSION_1_3; version++) {
        struct arena arena;

        arena_init(&arena, 64 * 1024);
        start(&peers, &(struct tls_server_settings){
                          .maximum_version = (uint16_t)version,
                          .client_certificate = TLS_CLIENT_CERTIFICATE_REQUEST,
                          .client_ca_pem = made_certificate(&arena, MADE_EC, -1, 30) });
        peers.settings.credentials = rsa;
        run_exchange(&peers);
        assert_true(end_heard(&peers.client, "250 you\r\n"));
        assert_true(peers.client.facts.client_certificate_requested);
        assert_true(peers.client.facts.client_certificate_sent);
        assert_int_equal(peers.client.facts.authority_count, 1);
        assert_string_equal(peers.client.facts.authorities[0], "CN=mx.test");
        assert_true(peers.client.facts.ended_ms > 0);
        assert_true(span_equal(peers.server.facts.chain[0], tls_credentials_leaf(rsa)));
        peers_stop(&peers);
        arena_clear(&arena);
    }
}

static void hears_certificate_required_after_the_handshake(void **state)
{
    struct peers peers;
    const struct tls_alert *alert;

    (void)state;
    start(&peers,
          &(struct tls_server_settings){ .client_certificate = TLS_CLIENT_CERTIFICATE_REQUIRE });
    run_exchange(&peers);
    alert = alert_of(&peers.client, 116, false);
    assert_true(alert != NULL && alert->is_after_handshake && alert->is_fatal);
    assert_string_equal(tls_alert_name(116), "certificate_required");
    assert_int_equal(peers.client.end, STREAM_TLS_FAILED);
    assert_false(peers.client.facts.client_certificate_sent);
    peers_stop(&peers);
}

static void has_its_certificate_refused(void **state)
{
    struct peers peers;
    struct arena arena;

    (void)state;
    arena_init(&arena, 64 * 1024);
    start(&peers, &(struct tls_server_settings){
                      .maximum_version = TLS_VERSION_1_2,
                      .client_certificate = TLS_CLIENT_CERTIFICATE_REQUIRE,
                      .client_ca_pem = made_certificate(&arena, MADE_EC, -1, 30) });
    peers.settings.credentials = rsa;
    run_exchange(&peers);
    assert_true(peers.client.facts.client_certificate_sent);
    assert_int_equal(peers.client.facts.alert_count, 1);
    assert_false(peers.client.facts.alerts[0].is_sent);
    peers_stop(&peers);
    arena_clear(&arena);
}

static void close_on_bytes(struct end *end, struct span *bytes)
{
    (void)bytes;
    end_close(end);
}

static void reset_on_bytes(struct end *end, struct span *bytes)
{
    (void)bytes;
    end_reset(end);
}

static void tells_fin_and_reset_in_the_handshake_apart(void **state)
{
    struct peers peers;

    (void)state;
    for (int resets = 0; resets <= 1; resets++) {
        start(&peers, &(struct tls_server_settings){ .security_level = 1 });
        peers.server.on_connected = NULL;
        peers.server.on_received = resets ? reset_on_bytes : close_on_bytes;
        peers_run(&peers);
        assert_int_equal(peers.client.end, resets ? STREAM_RESET : STREAM_CLOSED);
        assert_int_equal(peers.client.facts.last_message_sent, 1);
        assert_int_equal(peers.client.facts.last_message_received, 0xff);
        assert_int_equal(peers.client.facts.first_bytes.len, 0);
        assert_false(peers.client.facts.has_server_hello);
        assert_int_equal(peers.client.facts.version, 0);
        peers_stop(&peers);
    }
}

static void alert_and_reset(struct end *end, struct span *bytes)
{
    (void)bytes;
    assert_true(stream_send(end->stream, (struct span){ "\x15\x03\x03\x00\x02\x02\x28", 7 }));
    end_reset(end);
}

static void hears_an_alert_in_front_of_a_reset(void **state)
{
    struct peers peers;

    (void)state;
    start(&peers, &(struct tls_server_settings){ .security_level = 1 });
    peers.server.on_connected = NULL;
    peers.server.on_received = alert_and_reset;
    peers_run(&peers);
    assert_int_equal(peers.client.end, STREAM_TLS_FAILED);
    assert_non_null(alert_of(&peers.client, 40, false));
    peers_stop(&peers);
}

static void speak_plainly(struct end *end, struct span *bytes)
{
    (void)bytes;
    end_say(end, "250 plain\r\n");
}

static void names_plaintext_where_tls_should_begin(void **state)
{
    struct peers peers;

    (void)state;
    start(&peers, &(struct tls_server_settings){ .security_level = 1 });
    peers.server.on_connected = NULL;
    peers.server.on_received = speak_plainly;
    peers_run(&peers);
    assert_int_equal(peers.client.end, STREAM_NOT_TLS);
    assert_true(peers.client.facts.is_not_tls);
    assert_true(span_equal(peers.client.facts.first_bytes, span_of("250 plain\r\n")));
    assert_int_equal(peers.client.facts.alert_count, 0);
    peers_stop(&peers);
}

static void inject_then_secure(struct end *end)
{
    end_say(end, "250 injected\r\n");
    end_secure_server(end);
}

static void keeps_the_tls_record_behind_injected_plaintext(void **state)
{
    struct peers peers;
    struct span first;

    (void)state;
    start(&peers, &(struct tls_server_settings){ .security_level = 1 });
    peers.server.on_connected = inject_then_secure;
    peers_run(&peers);
    assert_int_equal(peers.client.end, STREAM_NOT_TLS);
    first = peers.client.facts.first_bytes;
    assert_true(span_starts_with(first, "250 injected\r\n\x16\x03"));
    assert_in_range(first.len, 17, TLS_FIRST_BYTES);
    peers_stop(&peers);
}

/* The STARTTLS of SMTP: all in one connection, with the client's hello behind the 220. */
static void start_tls_on_220(struct end *end, struct span *bytes)
{
    if (!end->is_secured && span_starts_with(*bytes, "220"))
        end_secure_client(end);
}

static void say_starttls(struct end *end)
{
    end_say(end, "STARTTLS\r\n");
}

static void accept_starttls(struct end *end, struct span *bytes)
{
    (void)bytes;
    if (end->is_secured) {
        end_say(end, "250 you\r\n");
        end_close(end);
        return;
    }
    end_say(end, "220 go\r\n");
    end_secure_server(end);
}

/* The same where lines may come in pieces. */
static void accept_starttls_line(struct end *end, struct span *bytes)
{
    struct span heard = buffer_span(&end->received);

    if (heard.len > 0 && heard.data[heard.len - 1] == '\n')
        accept_starttls(end, bytes);
}

static void start_tls_on_220_line(struct end *end, struct span *bytes)
{
    (void)bytes;
    if (!end->is_secured && end_heard(end, "220 go\r\n"))
        end_secure_client(end);
}

static void turns_to_tls_in_the_middle(void **state)
{
    struct peers peers;

    (void)state;
    start(&peers, &(struct tls_server_settings){ .security_level = 1 });
    peers.server.on_connected = NULL;
    peers.client.on_connected = say_starttls;
    peers.client.on_received = start_tls_on_220;
    peers.client.on_secured = say_ehlo;
    peers.server.on_received = accept_starttls;
    peers_run(&peers);
    assert_true(end_heard(&peers.client, "220 go\r\n250 you\r\n"));
    assert_true(end_heard(&peers.server, "STARTTLS\r\nEHLO me\r\n"));
    peers_stop(&peers);
}

static void accept_with_injection(struct end *end, struct span *bytes)
{
    (void)bytes;
    end_say(end, "220 go\r\n250-injected\r\n");
    end_secure_server(end);
}

static void gives_injected_bytes_to_the_reader_and_never_to_tls(void **state)
{
    struct peers peers;

    (void)state;
    start(&peers, &(struct tls_server_settings){ .security_level = 1 });
    peers.server.on_connected = NULL;
    peers.client.on_connected = say_starttls;
    peers.client.on_received = start_tls_on_220;
    peers.server.on_received = accept_with_injection;
    peers.client.on_secured = end_close;
    peers_run(&peers);
    assert_true(end_heard(&peers.client, "220 go\r\n250-injected\r\n"));
    assert_true(peers.client.facts.was_completed);
    assert_int_equal(peers.client.facts.first_bytes.data[0], 0x16);
    peers_stop(&peers);
}

static void takes_a_handshake_byte_by_byte(void **state)
{
    struct peers peers;

    (void)state;
    for (int version = TLS_VERSION_1_2; version <= TLS_VERSION_1_3; version++) {
        start(&peers, &(struct tls_server_settings){ .maximum_version = (uint16_t)version });
        peers.server.on_connected = NULL;
        peers.client.on_connected = say_starttls;
        peers.client.on_received = start_tls_on_220_line;
        peers.client.on_secured = say_ehlo;
        peers.server.on_received = accept_starttls_line;
        peers_run_dribbling(&peers);
        assert_true(end_heard(&peers.client, "220 go\r\n250 you\r\n"));
        assert_true(end_heard(&peers.server, "STARTTLS\r\nEHLO me\r\n"));
        assert_int_equal(peers.client.facts.version, version);
        assert_true(peers.client.facts.close_notify_received);
        assert_int_equal(peers.client.facts.first_bytes.len, TLS_FIRST_BYTES);
        peers_stop(&peers);
    }
}

enum { HUGE = 1024 * 1024 };

static void send_huge(struct end *end)
{
    static char bytes[HUGE + 1];

    memset(bytes, 'x', sizeof bytes);
    assert_true(stream_send(end->stream, (struct span){ bytes, HUGE }));
    assert_false(stream_send(end->stream, (struct span){ bytes, HUGE + 1 }));
}

static void close_at_a_mebibyte(struct end *end, struct span *bytes)
{
    (void)bytes;
    if (end->received.len == HUGE)
        end_close(end);
}

static void carries_a_mebibyte(void **state)
{
    struct peers peers;

    (void)state;
    start(&peers, &(struct tls_server_settings){ .security_level = 1 });
    peers.client.on_secured = send_huge;
    peers.server.on_received = close_at_a_mebibyte;
    peers_run(&peers);
    assert_int_equal(peers.server.received.len, HUGE);
    assert_int_equal(peers.client.drained, 1);
    assert_true(peers.client.facts.close_notify_received);
    assert_int_equal(peers.client.end, STREAM_CLOSED);
    peers_stop(&peers);
}

static void notes_that_close_notify_is_missing(void **state)
{
    struct peers peers;

    (void)state;
    start(&peers, &(struct tls_server_settings){ .security_level = 1 });
    peers.client.on_secured = say_ehlo;
    peers.server.on_received = reset_on_bytes;
    peers_run(&peers);
    assert_false(peers.client.facts.close_notify_received);
    assert_int_equal(peers.client.end, STREAM_RESET);
    peers_stop(&peers);
}

/* close_notify alone, in the segment of what it stands behind, and no FIN. */
static void say_and_notify(struct end *end)
{
    end_say(end, "EHLO me\r\n");
    stream_tls_shutdown(end->stream);
}

static struct loop_timer *answer_timer;

static void pause_on_bytes(struct end *end, struct span *bytes)
{
    (void)bytes;
    stream_pause(end->stream);
    loop_timer_start(answer_timer, 0);
}

static void answer_and_resume(void *owner)
{
    struct peers *peers = owner;

    assert_true(end_heard(&peers->server, "EHLO me\r\n"));
    assert_false(peers->server.has_ended);
    end_say(&peers->server, "250 you\r\n");
    stream_resume(peers->server.stream);
    assert_false(peers->server.has_ended); /* never inside the call */
}

static void holds_close_notify_back_while_it_is_paused(void **state)
{
    struct peers peers;

    (void)state;
    start(&peers, &(struct tls_server_settings){ .security_level = 1 });
    peers.client.on_secured = say_and_notify;
    peers.server.on_received = pause_on_bytes;
    peers.server.on_ended = end_close;
    assert_true(loop_timer_open(peers.loop, answer_and_resume, &peers, &answer_timer, NULL));
    peers_run(&peers);
    assert_int_equal(peers.server.end, STREAM_CLOSED);
    assert_true(end_heard(&peers.client, "250 you\r\n"));
    assert_int_equal(peers.client.end, STREAM_CLOSED);
    assert_true(peers.client.facts.close_notify_received);
    loop_timer_close(&answer_timer);
    peers_stop(&peers);
}

static void may_be_closed_in_every_callback(void **state)
{
    struct peers peers;

    (void)state;
    for (int i = 0; i < 5; i++) {
        start(&peers, &(struct tls_server_settings){ .only_sni = i == 2 ? "other.test" : NULL });
        peers.client.on_secured = say_ehlo;
        if (i == 0)
            peers.client.on_secured = end_close;
        else if (i == 1)
            peers.server.on_received = close_on_bytes;
        else if (i == 2)
            peers.client.on_ended = end_close;
        else if (i == 3)
            peers.client.on_drained = end_close;
        else
            peers.server.on_received = reply_and_close, peers.client.on_received = close_on_bytes;
        peers_run(&peers);
        peers_stop(&peers);
    }
}

static void forget_and_scratch(struct end *end)
{
    stream_forget_facts(end->stream);
    memset(&end->facts, 0xa5, sizeof end->facts);
}

static void say_bye(struct end *end, struct span *bytes)
{
    (void)bytes;
    end_say(end, "250 you\r\n");
}

static void expect_untouched(const struct tls_facts *facts)
{
    const uint8_t *bytes = (const uint8_t *)facts;

    for (size_t i = 0; i < sizeof *facts; i++)
        assert_int_equal(bytes[i], 0xa5);
}

static void goes_on_without_facts_that_were_forgotten(void **state)
{
    struct peers peers;

    (void)state;
    start(&peers, &(struct tls_server_settings){ .security_level = 1 });
    peers.client.on_secured = say_ehlo;
    peers.client.on_received = close_on_bytes;
    peers.server.on_secured = forget_and_scratch;
    peers.server.on_received = say_bye;
    peers_run(&peers);
    assert_true(end_heard(&peers.server, "EHLO me\r\n"));
    assert_true(end_heard(&peers.client, "250 you\r\n"));
    assert_int_equal(peers.server.end, STREAM_CLOSED);
    expect_untouched(&peers.server.facts);
    peers_stop(&peers);
}

static void refuse_then_forget(struct end *end)
{
    stream_forget_facts(end->stream); /* too early: nothing is secured yet */
    end_secure_server(end);
    stream_forget_facts(end->stream);
}

static void forgets_no_facts_before_the_handshake_is_done(void **state)
{
    struct peers peers;

    (void)state;
    start(&peers, &(struct tls_server_settings){ .security_level = 1 });
    peers.server.on_connected = refuse_then_forget;
    run_exchange(&peers);
    assert_true(peers.server.facts.was_completed);
    assert_string_equal(peers.server.facts.sni, "mx.test");
    peers_stop(&peers);
}

/* In TLS 1.3 the client is done before the server judges its certificate. */
static void tells_an_alert_without_facts_too(void **state)
{
    struct peers peers;

    (void)state;
    start(&peers,
          &(struct tls_server_settings){ .client_certificate = TLS_CLIENT_CERTIFICATE_REQUIRE });
    peers.client.on_secured = forget_and_scratch;
    peers_run(&peers);
    assert_int_equal(peers.client.end, STREAM_TLS_FAILED);
    expect_untouched(&peers.client.facts);
    peers_stop(&peers);
}

static void keeps_a_small_hello_small(void **state)
{
    struct peers peers;

    (void)state;
    start(&peers, &(struct tls_server_settings){ .security_level = 1 });
    peers.settings.small_hello = true;
    peers.settings.no_tickets = true;
    run_exchange(&peers);
    assert_true(peers.client.facts.was_completed);
    assert_in_range(peers.client.facts.hello_bytes, 50, 255 - 5);
    assert_int_equal(peers.client.facts.offered_maximum, TLS_VERSION_1_2);
    assert_false(peers.client.facts.offered_ticket);
    peers_stop(&peers);
}

static void refuses_settings_that_make_no_sense(void **state)
{
    struct peers peers;
    struct tls_facts facts;
    struct error err;

    (void)state;
    start(&peers, &(struct tls_server_settings){ .security_level = 1 });
    peers.client.on_connected = end_close;
    peers_run(&peers);
    peers_stop(&peers);
    start(&peers, &(struct tls_server_settings){ .security_level = 1 });
    peers.client.on_connected = NULL;
    peers.client.on_ended = NULL;
    peers.server.on_connected = end_close;
    peers_run(&peers);
    assert_false(
        stream_secure_client(peers.client.stream, &peers.settings, &facts, &peers.arena, &err));
    peers.settings.ciphers = "NO-SUCH-CIPHER";
    assert_false(
        stream_secure_client(peers.client.stream, &peers.settings, &facts, &peers.arena, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_non_null(strstr(err.text, "NO-SUCH-CIPHER"));
    peers_stop(&peers);
}

static int make_credentials(void **state)
{
    (void)state;
    ec = made_credentials(MADE_EC);
    rsa = made_credentials(MADE_RSA_2048);
    weak = made_credentials(MADE_RSA_1024);
    return 0;
}

static int free_credentials(void **state)
{
    (void)state;
    tls_credentials_free(&ec);
    tls_credentials_free(&rsa);
    tls_credentials_free(&weak);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_a_tls_13_session),
        cmocka_unit_test(records_a_tls_12_session),
        cmocka_unit_test(records_a_staple_in_tls_13),
        cmocka_unit_test(reads_the_server_hello_that_openssl_refuses),
        cmocka_unit_test(names_version_and_cipher_of_a_hello_it_cannot_take),
        cmocka_unit_test(keeps_a_certificate_that_openssl_cannot_read),
        cmocka_unit_test(tells_a_weak_dh_group),
        cmocka_unit_test(completes_with_a_1024_bit_certificate),
        cmocka_unit_test(tells_a_server_without_secure_renegotiation),
        cmocka_unit_test(records_the_alert_for_a_name),
        cmocka_unit_test(tells_that_no_cipher_is_shared),
        cmocka_unit_test(asks_and_shows_a_client_certificate),
        cmocka_unit_test(hears_certificate_required_after_the_handshake),
        cmocka_unit_test(has_its_certificate_refused),
        cmocka_unit_test(tells_fin_and_reset_in_the_handshake_apart),
        cmocka_unit_test(hears_an_alert_in_front_of_a_reset),
        cmocka_unit_test(names_plaintext_where_tls_should_begin),
        cmocka_unit_test(keeps_the_tls_record_behind_injected_plaintext),
        cmocka_unit_test(turns_to_tls_in_the_middle),
        cmocka_unit_test(gives_injected_bytes_to_the_reader_and_never_to_tls),
        cmocka_unit_test(takes_a_handshake_byte_by_byte),
        cmocka_unit_test(carries_a_mebibyte),
        cmocka_unit_test(notes_that_close_notify_is_missing),
        cmocka_unit_test(holds_close_notify_back_while_it_is_paused),
        cmocka_unit_test(may_be_closed_in_every_callback),
        cmocka_unit_test(goes_on_without_facts_that_were_forgotten),
        cmocka_unit_test(forgets_no_facts_before_the_handshake_is_done),
        cmocka_unit_test(tells_an_alert_without_facts_too),
        cmocka_unit_test(keeps_a_small_hello_small),
        cmocka_unit_test(refuses_settings_that_make_no_sense),
    };

    return cmocka_run_group_tests(tests, make_credentials, free_credentials);
}
