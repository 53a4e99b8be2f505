/* tests/unit/link/client_link_resume_test.c - promises of a link that resumes: when it does, when it does not,
 * and what it says of a server that cannot bear it */
#include "../test.h"

#include "link/client_link.h"
#include "scripted_peer.h"

#include <string.h>

enum { LIMIT_MS = 60000, ARENA_BYTES = 4 * 1024 * 1024, DAY_S = 24 * 60 * 60 };

#define OFFERS                                                                                     \
    { SAY, "220 mx.test ESMTP\r\n", 0 }, { EXPECT, "EHLO me.test", 0 },                            \
        { SAY, "250-mx.test\r\n250 STARTTLS\r\n", 0 }, { EXPECT, "STARTTLS", 0 },                  \
    {                                                                                              \
        SAY, "220 go\r\n", 0                                                                       \
    }
#define SECURED                                                                                    \
    {                                                                                              \
        SECURE, NULL, 0                                                                            \
    }
#define WHOLE                                                                                      \
    OFFERS, SECURED, { EXPECT, "EHLO me.test", 0 }, { SAY, "250 mx.test\r\n", 0 },                 \
        { EXPECT, "QUIT", 0 }, { SAY, "221 bye\r\n", 0 },                                          \
    {                                                                                              \
        SHUT, NULL, 0                                                                              \
    }

static const struct line whole[] = { WHOLE };
static const struct line dropped_inside[] = { OFFERS, SECURED, { RESET, NULL, 0 } };
static const struct line dropped_at_hello[] = { OFFERS, { EXPECT, "\x16", 0 }, { RESET, NULL, 0 } };

/* One server, and one link after the other to it. */
static struct {
    struct loop *loop;
    struct loop_timer *limit;
    bool ran_out, is_finished;
    struct scripted_peer peer;
    struct arena arena; /* of the last link */
    struct arena kept;  /* of the test */
    struct anchors *anchors;
    struct clock clock;
    struct link_tickets *tickets;
    struct client_link_settings settings;
    struct client_link *link;
    struct observation observation;
} stage;

static void run_out(void *owner)
{
    (void)owner;
    stage.ran_out = true;
    loop_stop(stage.loop);
}

static void note_finished(void *owner, struct observation *observation)
{
    (void)owner;
    (void)observation;
    stage.is_finished = true;
    client_link_close(&stage.link);
    loop_stop(stage.loop);
}

static void trust(struct tls_credentials *credentials)
{
    struct error err;

    anchors_free(&stage.anchors);
    stage.anchors = anchors_new();
    assert_non_null(stage.anchors);
    if (credentials != NULL)
        assert_true(anchors_add(stage.anchors, tls_credentials_leaf(credentials), &err));
    stage.settings.anchors = stage.anchors;
}

static int set_up(void **state)
{
    struct error err = { .text = "" };

    (void)state;
    memset(&stage, 0, sizeof stage);
    assert_true(loop_open(&stage.loop, &err));
    assert_true(loop_timer_open(stage.loop, run_out, &stage, &stage.limit, &err));
    assert_true(link_tickets_new(&stage.tickets, &err));
    arena_init(&stage.arena, ARENA_BYTES);
    arena_init(&stage.kept, ARENA_BYTES);
    stage.clock = clock_system();
    stage.clock = clock_fixed(stage.clock.wall_s(&stage.clock), 1000);
    stage.settings = (struct client_link_settings){
        .hostname = "me.test",
        .domain = "test",
        .host = "mx.test",
        .level = POLICY_MAY,
        .reply_timeout_ms = 10000,
        .clock = &stage.clock,
        .tickets = stage.tickets,
    };
    stage.peer.credentials = made_credentials_for(MADE_EC, "DNS:mx.test");
    scripted_peer_start(&stage.peer, stage.loop);
    stage.settings.address = stage.peer.address;
    trust(stage.peer.credentials);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    client_link_close(&stage.link);
    scripted_peer_stop(&stage.peer);
    link_tickets_free(&stage.tickets);
    loop_timer_close(&stage.limit);
    loop_close(&stage.loop);
    anchors_free(&stage.anchors);
    arena_clear(&stage.arena);
    arena_clear(&stage.kept);
    return 0;
}

/* Another context: a server that was started anew and knows its old tickets no more. */
static void restart_server(void)
{
    struct error err = { .text = "" };

    tls_server_context_free(&stage.peer.context);
    stage.peer.tls.credentials = stage.peer.credentials;
    if (!tls_server_context_new(&stage.peer.tls, &stage.peer.context, &err))
        fail_msg("%s", err.text);
}

static const struct observation *run_script(const struct line *script, size_t count)
{
    static const struct client_link_handlers handlers = { .finished = note_finished };
    struct error err = { .text = "" };

    arena_clear(&stage.arena);
    memset(stage.peer.script, 0, sizeof stage.peer.script);
    memcpy(stage.peer.script, script, count * sizeof *script);
    stage.peer.at = 0;
    buffer_clear(&stage.peer.received);
    stage.is_finished = false;
    if (!client_link_open(stage.loop, &stage.settings, &handlers, &stage, &stage.arena,
                          &stage.observation, NULL, &stage.link, &err))
        fail_msg("%s", err.text);
    loop_timer_start(stage.limit, LIMIT_MS);
    loop_run(stage.loop);
    assert_true(stage.is_finished && !stage.ran_out);
    assert_false(stage.arena.exhausted);
    stream_close(&stage.peer.stream);
    return &stage.observation;
}

#define RUN(script) run_script((script), ARRAY_SIZE(script))

static const struct observation *dial(void)
{
    const struct observation *seen = RUN(whole);

    assert_int_equal(seen->ending, ENDING_QUIT);
    assert_int_equal(seen->tls.chain_count, 1);
    assert_true(seen->has_verdict);
    assert_false(client_link_should_dial_without_resuming(seen));
    return seen;
}

static void learn(void)
{
    const struct observation *seen = dial();

    assert_false(seen->tls.offered_session || seen->tls.was_resumed);
    assert_true(link_tickets_count(stage.tickets) > 0);
}

static void check_resumed(const struct observation *seen, bool is_resumed)
{
    assert_int_equal(seen->tls.was_resumed, is_resumed);
    assert_int_equal(stage.peer.facts.was_resumed, is_resumed);
}

static void still_knows_why_a_resumed_session_is_trusted(void **state)
{
    static const uint16_t versions[] = { TLS_VERSION_1_3, TLS_VERSION_1_2 };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
        const struct observation *seen;

        stage.peer.tls.maximum_version = versions[i];
        restart_server();
        link_tickets_free(&stage.tickets);
        assert_true(link_tickets_new(&stage.tickets, NULL));
        stage.settings.tickets = stage.tickets;
        learn();
        for (int again = 0; again < 3; again++) {
            seen = dial();
            check_resumed(seen, true);
            assert_int_equal(seen->tls.version, versions[i]);
            assert_true(seen->verdict.is_trusted && seen->host_named && seen->domain_named);
            assert_true(
                span_equal(seen->tls.chain[0], tls_credentials_leaf(stage.peer.credentials)));
            assert_true(observation_session(seen).encrypted &&
                        observation_session(seen).chain_trusted);
            assert_int_equal(link_tickets_count(stage.tickets), 1);
        }
    }
}

/* What is wrong with it is to be seen each time: it may be mended by now. */
static void resumes_nothing_with_a_host_that_is_not_trusted(void **state)
{
    (void)state;
    trust(NULL);
    assert_false(dial()->verdict.is_trusted);
    assert_int_equal(link_tickets_count(stage.tickets), 0);
    trust(stage.peer.credentials);
    stage.settings.host = "mx2.test";
    assert_false(dial()->host_named);
    assert_int_equal(link_tickets_count(stage.tickets), 0);
}

/* By its fingerprint or TLSA record a certificate is known that nobody signed. */
static void resumes_with_a_host_that_is_known_otherwise(void **state)
{
    struct dane_record record;
    struct error err;
    const char *hex;

    (void)state;
    trust(NULL);
    hex = arena_copy(&stage.kept, span_of(dial()->verdict.certificates[0].sha256));
    stage.settings.level = POLICY_FINGERPRINT;
    stage.settings.fingerprint = hex;
    learn();
    check_resumed(dial(), true);
    link_tickets_free(&stage.tickets);
    assert_true(link_tickets_new(&stage.tickets, &err));
    stage.settings.tickets = stage.tickets;
    stage.settings.fingerprint = NULL;
    stage.settings.level = POLICY_DANE_ONLY;
    stage.settings.tlsa_state = POLICY_TLSA_USABLE;
    assert_true(dane_parse(&stage.kept, span_of(arena_format(&stage.kept, "3 0 1 %s", hex)),
                           &record, &err));
    stage.settings.tlsa = &record;
    stage.settings.tlsa_count = 1;
    learn();
    check_resumed(dial(), true);
}

static void goes_on_where_a_ticket_is_refused(void **state)
{
    const struct observation *seen;

    (void)state;
    learn();
    restart_server();
    seen = dial();
    assert_true(seen->tls.offered_session);
    check_resumed(seen, false);
    seen = dial(); /* with what the new one gave */
    check_resumed(seen, true);
}

static void judges_the_chain_of_a_server_that_has_another_now(void **state)
{
    const struct observation *seen;

    (void)state;
    learn();
    tls_credentials_free(&stage.peer.credentials);
    stage.peer.credentials = made_credentials_for(MADE_EC, "DNS:other.test");
    restart_server();
    seen = dial();
    check_resumed(seen, false);
    assert_true(span_equal(seen->tls.chain[0], tls_credentials_leaf(stage.peer.credentials)));
    assert_false(seen->verdict.is_trusted || seen->host_named);
}

/* ---- servers that cannot bear it ---- */

static void check_broken(const struct observation *seen)
{
    assert_true(seen->tls.offered_session);
    assert_int_equal(seen->ending, ENDING_RESET);
    assert_true(client_link_should_dial_without_resuming(seen));
    assert_int_equal(link_tickets_count(stage.tickets), 0);
    stage.settings.no_resume = true;
    seen = dial();
    assert_false(seen->tls.offered_session);
    stage.settings.no_resume = false;
    assert_int_equal(link_tickets_count(stage.tickets), 0); /* shunned */
    seen = dial();
    assert_false(seen->tls.offered_session);
}

static void says_that_a_server_dropped_a_resumed_session(void **state)
{
    const struct observation *seen;

    (void)state;
    learn();
    seen = RUN(dropped_inside);
    assert_true(seen->tls.was_resumed);
    check_broken(seen);
}

static void says_that_a_server_dropped_a_hello_with_a_session(void **state)
{
    const struct observation *seen;

    (void)state;
    learn();
    seen = RUN(dropped_at_hello);
    assert_false(seen->tls.was_completed);
    check_broken(seen);
}

static void blames_no_session_where_none_was_offered(void **state)
{
    const struct observation *seen;

    (void)state;
    seen = RUN(dropped_at_hello);
    assert_false(client_link_should_dial_without_resuming(seen));
    seen = RUN(dropped_inside);
    assert_false(client_link_should_dial_without_resuming(seen));
    learn(); /* and shuns nobody */
    check_resumed(dial(), true);
}

/* What comes behind the first reply inside is no matter of the session. */
static void blames_no_session_once_the_server_has_spoken(void **state)
{
    static const struct line later[] = { OFFERS,
                                         SECURED,
                                         { EXPECT, "EHLO me.test", 0 },
                                         { SAY, "421 busy\r\n", 0 },
                                         { RESET, NULL, 0 } };
    const struct observation *seen;

    (void)state;
    learn();
    seen = RUN(later);
    assert_true(seen->tls.was_resumed);
    assert_false(client_link_should_dial_without_resuming(seen));
}

static void blames_no_session_where_tls_was_never_reached(void **state)
{
    static const struct line refused[] = { { SAY, "220 mx.test ESMTP\r\n", 0 },
                                           { EXPECT, "EHLO me.test", 0 },
                                           { RESET, NULL, 0 } };

    (void)state;
    learn();
    assert_false(client_link_should_dial_without_resuming(RUN(refused)));
    check_resumed(dial(), true);
}

static void speaks_tls_from_the_first_byte_alike(void **state)
{
    static const struct line implicit[] = { SECURED,
                                            { SAY, "220 mx.test ESMTP\r\n", 0 },
                                            { EXPECT, "EHLO me.test", 0 },
                                            { SAY, "250 mx.test\r\n", 0 },
                                            { EXPECT, "QUIT", 0 },
                                            { SAY, "221 bye\r\n", 0 },
                                            { SHUT, NULL, 0 } };
    static const struct line dropped[] = { SECURED, { RESET, NULL, 0 } };

    (void)state;
    stage.settings.is_implicit_tls = true;
    assert_false(RUN(implicit)->tls.was_resumed);
    check_resumed(RUN(implicit), true);
    assert_true(client_link_should_dial_without_resuming(RUN(dropped)));
}

/* ---- what has changed since ---- */

static void looks_again_where_the_certificate_has_expired_since(void **state)
{
    const struct observation *seen;

    (void)state;
    learn();
    stage.clock.fixed_wall_s += 40 * DAY_S;
    seen = dial();
    assert_false(seen->tls.offered_session); /* the server may have a new one */
    assert_true(chain_has(&seen->verdict, CHAIN_EXPIRED));
    assert_false(seen->verdict.is_trusted);
    assert_false(dial()->tls.offered_session); /* nor later, while it is so */
}

static void looks_again_where_our_roots_have_changed_since(void **state)
{
    (void)state;
    learn();
    trust(NULL);
    assert_false(dial()->tls.offered_session);
    trust(stage.peer.credentials);
    assert_false(dial()->tls.offered_session);
    assert_true(dial()->tls.was_resumed);
}

static void looks_again_where_tlsa_does_not_match(void **state)
{
    struct dane_record record = { .usage = 3, .selector = 0, .matching = 1 };
    const char zeros[32] = { 0 };

    (void)state;
    learn();
    record.data = (struct span){ zeros, sizeof zeros };
    stage.settings.tlsa = &record;
    stage.settings.tlsa_count = 1;
    assert_false(dial()->tls.offered_session);
    assert_int_equal(stage.observation.verdict.tlsa, CHAIN_TLSA_MISMATCH);
    stage.settings.tlsa_count = 0; /* another rule may resume it */
    assert_true(dial()->tls.was_resumed);
}

static void looks_again_where_the_rule_is_not_met(void **state)
{
    (void)state;
    stage.settings.domain = "elsewhere.example";
    learn();
    stage.settings.level = POLICY_SECURE;
    assert_false(dial()->tls.offered_session);
    stage.settings.level = POLICY_FINGERPRINT;
    stage.settings.fingerprint = "00";
    assert_false(dial()->tls.offered_session);
    stage.settings.fingerprint = NULL;
    stage.settings.level = POLICY_VERIFY;
    assert_true(dial()->tls.was_resumed);
    stage.settings.sts = POLICY_STS_ENFORCE; /* and does not list the host */
    stage.settings.level = POLICY_STS;
    assert_false(dial()->tls.offered_session);
}

static void looks_again_where_a_newer_version_is_asked_for(void **state)
{
    (void)state;
    stage.peer.tls.maximum_version = TLS_VERSION_1_2;
    restart_server();
    learn();
    stage.settings.minimum_version = TLS_VERSION_1_3;
    assert_false(dial()->tls.offered_session);
}

/* ---- for whom a session is good ---- */

static void offers_a_session_to_nobody_else(void **state)
{
    struct tls_credentials *ours = made_credentials(MADE_EC), *others = made_credentials(MADE_EC);

    (void)state;
    learn();
    stage.settings.host = "mx2.test";
    assert_false(dial()->tls.offered_session);
    stage.settings.host = "mx.test";
    stage.settings.credentials = ours;
    assert_false(dial()->tls.offered_session);
    stage.settings.credentials = others;
    assert_false(dial()->tls.offered_session);
    stage.settings.credentials = ours;
    assert_true(dial()->tls.was_resumed);
    stage.settings.credentials = NULL;
    assert_true(dial()->tls.was_resumed);
    tls_credentials_free(&ours);
    tls_credentials_free(&others);
}

static void resumes_as_configured_alone(void **state)
{
    (void)state;
    learn();
    for (enum dial way = DIAL_AS_CONFIGURED + 1; way < DIAL_RAW_OBSOLETE; way++) {
        if (way == DIAL_RSA_ONLY) /* the server's key is none */
            continue;
        stage.settings.dial = way;
        assert_false(dial()->tls.offered_session);
    }
    stage.settings.dial = DIAL_AS_CONFIGURED;
    assert_true(dial()->tls.was_resumed);
}

static void is_as_ever_without_tickets(void **state)
{
    size_t hello_bytes;

    (void)state;
    stage.settings.tickets = NULL;
    hello_bytes = dial()->tls.hello_bytes;
    assert_false(dial()->tls.offered_session);
    assert_int_equal(dial()->tls.hello_bytes, hello_bytes);
    stage.settings.tickets = stage.tickets;
    learn();
    assert_true(dial()->tls.hello_bytes > hello_bytes);
}

/* A server that asks for our certificate asks in the full handshake alone. */
static void still_knows_that_our_certificate_was_shown(void **state)
{
    struct tls_credentials *ours = made_credentials(MADE_EC);
    const struct observation *seen;

    (void)state;
    stage.peer.tls.client_certificate = TLS_CLIENT_CERTIFICATE_REQUEST;
    restart_server();
    stage.settings.credentials = ours;
    learn();
    seen = dial();
    check_resumed(seen, true);
    assert_true(seen->tls.client_certificate_requested && seen->tls.client_certificate_sent);
    tls_credentials_free(&ours);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(still_knows_why_a_resumed_session_is_trusted),
        TEST(resumes_nothing_with_a_host_that_is_not_trusted),
        TEST(resumes_with_a_host_that_is_known_otherwise),
        TEST(goes_on_where_a_ticket_is_refused),
        TEST(judges_the_chain_of_a_server_that_has_another_now),
        TEST(says_that_a_server_dropped_a_resumed_session),
        TEST(says_that_a_server_dropped_a_hello_with_a_session),
        TEST(blames_no_session_where_none_was_offered),
        TEST(blames_no_session_once_the_server_has_spoken),
        TEST(blames_no_session_where_tls_was_never_reached),
        TEST(speaks_tls_from_the_first_byte_alike),
        TEST(looks_again_where_the_certificate_has_expired_since),
        TEST(looks_again_where_our_roots_have_changed_since),
        TEST(looks_again_where_tlsa_does_not_match),
        TEST(looks_again_where_the_rule_is_not_met),
        TEST(looks_again_where_a_newer_version_is_asked_for),
        TEST(offers_a_session_to_nobody_else),
        TEST(resumes_as_configured_alone),
        TEST(is_as_ever_without_tickets),
        TEST(still_knows_that_our_certificate_was_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
