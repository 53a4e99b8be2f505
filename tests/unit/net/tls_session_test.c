/* tests/unit/net/tls_session_test.c - promises of net/tls_session.h, and of a stream that resumes */
#include "../test.h"

#include "peers.h"

#include <openssl/ssl.h>
#include <string.h>

#include "base/memory.h"
#include "net/tls_internal.h"

enum { KEPT_MOST = 8 };

/* What a client keeps from one connection to the next. */
static struct {
    struct tls_server_settings settings;
    struct tls_server_context *context;
    struct tls_session *kept[KEPT_MOST];
    size_t count;
    bool was_secured_first, closes_when_told;
} world;

static const uint16_t versions[] = { TLS_VERSION_1_3, TLS_VERSION_1_2 };

static struct tls_server_context *make_context(void)
{
    struct tls_server_context *made = NULL;
    struct error err = { .text = "" };

    if (!tls_server_context_new(&world.settings, &made, &err))
        fail_msg("%s", err.text);
    return made;
}

static int set_up(void **state)
{
    (void)state;
    memset(&world, 0, sizeof world);
    world.settings = (struct tls_server_settings){ .credentials = made_credentials(MADE_EC),
                                                   .security_level = 1 };
    world.context = make_context();
    return 0;
}

static void forget_kept(void)
{
    while (world.count > 0)
        tls_session_free(&world.kept[--world.count]);
}

static int tear_down(void **state)
{
    struct tls_credentials *credentials =
        (struct tls_credentials *)(uintptr_t)world.settings.credentials;

    (void)state;
    forget_kept();
    tls_server_context_free(&world.context);
    tls_credentials_free(&credentials);
    return 0;
}

static void keep(struct end *end, struct tls_session **session)
{
    world.was_secured_first = end->is_secured;
    assert_true(world.count < KEPT_MOST);
    world.kept[world.count++] = TAKE(*session);
    if (world.closes_when_told)
        end_close(end);
}

static void answer(struct end *end, struct span *bytes)
{
    (void)bytes;
    end_say(end, "250 hello\r\n");
}

static void greet(struct end *end)
{
    end_say(end, "EHLO me.test\r\n");
}

static void leave(struct end *end, struct span *bytes)
{
    (void)bytes;
    end_close(end);
}

/* One connection with a line in each direction; `session` is offered, NULL: none. */
static void start(struct peers *peers, uint16_t version, struct tls_session *session)
{
    peers_start(peers);
    peers->context = tls_server_context_hold(world.context);
    peers->settings.maximum_version = version;
    peers->settings.keeps_sessions = true;
    peers->settings.session = session;
    peers->client.on_connected = end_secure_client;
    peers->client.on_secured = greet;
    peers->client.on_received = leave;
    peers->client.on_resumable = keep;
    peers->client.on_ended = end_close;
    peers->server.on_connected = end_secure_server;
    peers->server.on_received = answer;
    peers->server.on_ended = end_close;
}

/* The facts of both ends live until peers_stop. */
static void talk(struct peers *peers, uint16_t version, struct tls_session *session)
{
    start(peers, version, session);
    peers_run(peers);
}

/* The session of a first, full handshake. */
static struct tls_session *first_session(uint16_t version)
{
    struct peers peers;

    talk(&peers, version, NULL);
    assert_true(peers.client.facts.was_completed);
    assert_false(peers.client.facts.was_resumed || peers.client.facts.offered_session);
    assert_int_equal(world.count, 1);
    peers_stop(&peers);
    world.count = 0;
    return world.kept[0];
}

static void resumes_what_a_server_gave(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
        struct tls_session *session = first_session(versions[i]);
        struct peers peers;

        assert_true(world.was_secured_first);
        assert_int_equal(tls_session_version(session), versions[i]);
        assert_int_equal(tls_session_is_single_use(session), versions[i] == TLS_VERSION_1_3);
        assert_true(tls_session_life_s(session) > 0);
        talk(&peers, versions[i], session);
        assert_true(peers.client.facts.offered_session && peers.client.facts.was_resumed);
        assert_true(peers.server.facts.was_resumed && end_heard(&peers.client, "250 hello\r\n"));
        assert_int_equal(peers.client.facts.version, versions[i]);
        peers_stop(&peers);
        tls_session_free(&session);
        forget_kept();
    }
}

/* A resumed handshake has no certificate in it. */
static void still_shows_what_the_full_handshake_showed(void **state)
{
    struct span leaf = tls_credentials_leaf(world.settings.credentials);

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
        struct tls_session *session = first_session(versions[i]);
        struct peers peers;
        const struct tls_facts *facts = &peers.client.facts;

        talk(&peers, versions[i], session);
        assert_true(facts->was_resumed);
        assert_int_equal(facts->chain_count, 1);
        assert_true(span_equal(facts->chain[0], leaf));
        assert_string_equal(facts->signature, "ecdsa_secp256r1_sha256");
        assert_string_equal(facts->group, "X25519");
        assert_int_equal(facts->staple.len, 0);
        peers_stop(&peers);
        tls_session_free(&session);
        forget_kept();
    }
}

/* However often is resumed, the time of the full handshake and its chain stay. */
static void hands_on_what_it_knows_from_one_to_the_next(void **state)
{
    struct tls_session *session = first_session(TLS_VERSION_1_3);
    int64_t proved_ms = tls_session_proved_ms(session);

    (void)state;
    assert_true(proved_ms > 0);
    for (int i = 0; i < 3; i++) {
        struct peers peers;

        talk(&peers, TLS_VERSION_1_3, session);
        assert_true(peers.client.facts.was_resumed);
        assert_int_equal(peers.client.facts.chain_count, 1);
        peers_stop(&peers);
        tls_session_free(&session);
        assert_int_equal(world.count, 1); /* one for one */
        session = world.kept[--world.count];
        assert_int_equal(tls_session_proved_ms(session), proved_ms);
    }
    tls_session_free(&session);
}

static void shakes_hands_in_full_where_a_session_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
        struct tls_session *session = first_session(versions[i]);
        struct tls_credentials *others = made_credentials(MADE_EC);
        const struct tls_credentials *first = world.settings.credentials;
        struct peers peers;

        tls_server_context_free(&world.context); /* with the keys of its tickets */
        world.settings.credentials = others;
        world.context = make_context();
        world.settings.credentials = first;
        talk(&peers, versions[i], session);
        assert_true(peers.client.facts.offered_session && peers.client.facts.was_completed);
        assert_false(peers.client.facts.was_resumed || peers.server.facts.was_resumed);
        assert_int_equal(peers.client.facts.chain_count, 1);
        assert_true(span_equal(peers.client.facts.chain[0], tls_credentials_leaf(others)));
        peers_stop(&peers);
        tls_session_free(&session);
        assert_int_equal(world.count, 1);
        session = world.kept[--world.count];

        /* the new one knows the new chain */
        talk(&peers, versions[i], session);
        assert_true(peers.client.facts.was_resumed);
        assert_true(span_equal(peers.client.facts.chain[0], tls_credentials_leaf(others)));
        peers_stop(&peers);
        tls_session_free(&session);
        tls_credentials_free(&others);
        forget_kept();
    }
}

/* RFC 7627 section 5.3. */
static void keeps_none_without_the_extended_master_secret(void **state)
{
    struct peers peers;

    (void)state;
    SSL_CTX_set_options(world.context->ssl, SSL_OP_NO_EXTENDED_MASTER_SECRET);
    talk(&peers, TLS_VERSION_1_2, NULL);
    assert_true(peers.client.facts.was_completed);
    assert_int_equal(peers.client.facts.tickets_received, 1);
    assert_int_equal(world.count, 0);
    peers_stop(&peers);
}

/* Before TLS 1.3 a session goes on until the server gives another. */
static void is_told_of_an_older_session_but_once(void **state)
{
    struct tls_session *session = first_session(TLS_VERSION_1_2);
    struct peers peers;

    (void)state;
    for (int i = 0; i < 3; i++) {
        talk(&peers, TLS_VERSION_1_2, session);
        assert_true(peers.client.facts.was_resumed);
        assert_int_equal(world.count, 0);
        peers_stop(&peers);
    }
    tls_session_free(&session);
}

static void takes_a_new_ticket_for_an_older_session(void **state)
{
    struct tls_tickets *tickets = NULL;
    struct tls_session *session;
    struct peers peers;
    struct error err;

    (void)state;
    assert_true(tls_tickets_new(&tickets, &err));
    world.settings.tickets = tickets;
    tls_server_context_free(&world.context);
    world.context = make_context();
    session = first_session(TLS_VERSION_1_2);
    for (int i = 0; i < 3; i++) {
        assert_true(tls_tickets_rotate(tickets, &err));
        talk(&peers, TLS_VERSION_1_2, session);
        assert_true(peers.client.facts.was_resumed);
        assert_int_equal(peers.client.facts.chain_count, 1);
        peers_stop(&peers);
        tls_session_free(&session);
        assert_int_equal(world.count, 1);
        session = world.kept[--world.count];
    }
    tls_session_free(&session);
    tls_tickets_free(&tickets);
}

static void keeps_none_unasked(void **state)
{
    struct peers peers;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
        start(&peers, versions[i], NULL);
        peers.settings.keeps_sessions = false;
        peers_run(&peers);
        assert_int_equal(peers.client.facts.tickets_received, 1);
        assert_int_equal(world.count, 0);
        peers_stop(&peers);
    }
}

static void drops_what_nobody_takes(void **state)
{
    struct peers peers;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
        start(&peers, versions[i], NULL);
        peers.client.on_resumable = NULL;
        peers_run(&peers);
        assert_true(end_heard(&peers.client, "250 hello\r\n"));
        peers_stop(&peers);
    }
}

static void may_be_closed_when_told(void **state)
{
    struct peers peers;

    (void)state;
    world.closes_when_told = true;
    for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
        talk(&peers, versions[i], NULL);
        assert_int_equal(world.count, 1);
        assert_int_equal(peers.client.received.len, 0);
        peers_stop(&peers);
        forget_kept();
    }
}

static void reset_when_heard(struct end *end, struct span *bytes)
{
    (void)bytes;
    end_reset(end);
}

/* OpenSSL marks the session of a connection that ends without close_notify as good for nothing. */
static void resumes_a_session_whose_connection_was_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
        struct tls_session *session;
        struct peers peers;

        start(&peers, versions[i], NULL);
        peers.client.on_received = reset_when_heard;
        peers_run(&peers);
        peers_stop(&peers);
        assert_int_equal(world.count, 1);
        session = world.kept[--world.count];
        talk(&peers, versions[i], session);
        assert_true(peers.client.facts.was_resumed);
        peers_stop(&peers);
        tls_session_free(&session);
        forget_kept();
    }
}

static void forget(struct end *end)
{
    stream_forget_facts(end->stream);
    greet(end);
}

/* What a session knows of the server is read off the facts. */
static void keeps_none_once_the_facts_are_forgotten(void **state)
{
    struct peers peers;

    (void)state;
    start(&peers, TLS_VERSION_1_3, NULL);
    peers.client.on_secured = forget;
    peers_run(&peers);
    assert_true(end_heard(&peers.client, "250 hello\r\n"));
    assert_int_equal(world.count, 0);
    peers_stop(&peers);
}

static void says_of_a_broken_handshake_that_it_was_to_resume(void **state)
{
    struct tls_session *session = first_session(TLS_VERSION_1_3);
    struct peers peers;

    (void)state;
    start(&peers, TLS_VERSION_1_3, session);
    peers.server.on_connected = NULL;
    peers.server.on_received = reset_when_heard;
    peers_run(&peers);
    assert_true(peers.client.facts.offered_session);
    assert_false(peers.client.facts.was_completed || peers.client.facts.was_resumed);
    assert_int_equal(peers.client.facts.chain_count, 0);
    peers_stop(&peers);
    tls_session_free(&session);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(resumes_what_a_server_gave),
        TEST(still_shows_what_the_full_handshake_showed),
        TEST(hands_on_what_it_knows_from_one_to_the_next),
        TEST(shakes_hands_in_full_where_a_session_is_refused),
        TEST(keeps_none_without_the_extended_master_secret),
        TEST(is_told_of_an_older_session_but_once),
        TEST(takes_a_new_ticket_for_an_older_session),
        TEST(keeps_none_unasked),
        TEST(drops_what_nobody_takes),
        TEST(may_be_closed_when_told),
        TEST(resumes_a_session_whose_connection_was_cut),
        TEST(keeps_none_once_the_facts_are_forgotten),
        TEST(says_of_a_broken_handshake_that_it_was_to_resume),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
