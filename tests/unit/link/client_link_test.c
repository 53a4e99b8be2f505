/* tests/unit/link/client_link_test.c - promises of link/client_link.h, kept over loopback */
#include "../test.h"

#include "link/client_link_parts.h"
#include "scripted_peer.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { LIMIT_MS = 60000, ARENA_BYTES = 4 * 1024 * 1024 };
/* Waited for, and long enough for what comes before it on a busy machine. */
enum { SHORT_MS = 1500 };

#define HELLO                                                                                      \
    { SAY, "220 mx.test ESMTP\r\n", 0 },                                                           \
    {                                                                                              \
        EXPECT, "EHLO me.test", 0                                                                  \
    }
#define OFFERS                                                                                     \
    {                                                                                              \
        SAY, "250-mx.test\r\n250-STARTTLS\r\n250 SIZE 1000000\r\n", 0                              \
    }
#define STARTTLS                                                                                   \
    HELLO, OFFERS,                                                                                 \
    {                                                                                              \
        EXPECT, "STARTTLS", 0                                                                      \
    }
#define INSIDE                                                                                     \
    STARTTLS, { SAY, "220 go\r\n", 0 },                                                            \
    {                                                                                              \
        SECURE, NULL, 0                                                                            \
    }
#define AGAIN                                                                                      \
    INSIDE, { EXPECT, "EHLO me.test", 0 },                                                         \
    {                                                                                              \
        SAY, "250-mx.test\r\n250 8BITMIME\r\n", 0                                                  \
    }
#define BYE                                                                                        \
    { EXPECT, "QUIT", 0 }, { SAY, "221 bye\r\n", 0 },                                              \
    {                                                                                              \
        SHUT, NULL, 0                                                                              \
    }
#define END                                                                                        \
    {                                                                                              \
        SAY, NULL, 0                                                                               \
    }

/* One link to one scripted peer. */
struct stage {
    struct loop *loop;
    struct loop_timer *limit, *drip;
    bool ran_out, is_finished;
    struct scripted_peer peer;
    struct arena arena;
    struct anchors *anchors;
    struct client_link_settings settings;
    struct client_link_handlers handlers;
    struct client_link *link;
    struct observation observation;
    struct transcript transcript;
    /* what the owner does and notes */
    struct clock clock;
    struct smtp_client_message message;
    struct span body;
    unsigned ready, done, unsent, recipients, body_wanted;
    uint16_t done_code;
    size_t taken;
};

static struct stage stage;

static void run_out(void *owner)
{
    struct stage *s = owner;

    s->ran_out = true;
    loop_stop(s->loop);
}

static void note_finished(void *owner, struct observation *observation)
{
    struct stage *s = owner;

    assert_ptr_equal(observation, &s->observation);
    assert_false(s->is_finished);
    s->is_finished = true;
    client_link_close(&s->link);
    loop_stop(s->loop);
}

static int set_up(void **state)
{
    struct error err = { .text = "" };

    (void)state;
    memset(&stage, 0, sizeof stage);
    assert_true(loop_open(&stage.loop, &err));
    assert_true(loop_timer_open(stage.loop, run_out, &stage, &stage.limit, &err));
    arena_init(&stage.arena, ARENA_BYTES);
    stage.anchors = anchors_new();
    assert_non_null(stage.anchors);
    stage.clock = clock_system();
    stage.settings = (struct client_link_settings){
        .hostname = "me.test",
        .domain = "test",
        .host = "mx.test",
        .preference = 10,
        .level = POLICY_MAY,
        .reply_timeout_ms = 10000,
        .anchors = stage.anchors,
        .clock = &stage.clock,
    };
    stage.handlers.finished = note_finished;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    client_link_close(&stage.link);
    scripted_peer_stop(&stage.peer);
    loop_timer_close(&stage.limit);
    loop_timer_close(&stage.drip);
    loop_close(&stage.loop);
    anchors_free(&stage.anchors);
    arena_clear(&stage.arena);
    return 0;
}

/* Dials the peer, which says what the script has, and waits for the last call. */
static const struct observation *run_script(const struct line *script, size_t count)
{
    struct error err = { .text = "" };

    assert_true(count <= SCRIPT_LINES_MOST);
    memcpy(stage.peer.script, script, count * sizeof *script);
    scripted_peer_start(&stage.peer, stage.loop);
    stage.settings.address = stage.peer.address;
    transcript_init(&stage.transcript, &stage.arena, loop_now_ms(stage.loop));
    if (!client_link_open(stage.loop, &stage.settings, &stage.handlers, &stage, &stage.arena,
                          &stage.observation, &stage.transcript, &stage.link, &err))
        fail_msg("%s", err.text);
    loop_timer_start(stage.limit, LIMIT_MS);
    loop_run(stage.loop);
    assert_false(stage.ran_out);
    assert_true(stage.is_finished);
    assert_false(stage.arena.exhausted);
    if (stage.peer.was_refused)
        fail_msg("the peer got \"%s\"", stage.peer.refused);
    return &stage.observation;
}

#define RUN(...)                                                                                   \
    run_script((const struct line[]){ __VA_ARGS__ },                                               \
               sizeof((const struct line[]){ __VA_ARGS__ }) / sizeof(struct line))

static void check_end(const struct observation *seen, enum step reached, enum ending ending)
{
    if (seen->reached != reached || seen->ending != ending)
        fail_msg("%s at %s in place of %s at %s", ending_name(seen->ending),
                 step_name(seen->reached), ending_name(ending), step_name(reached));
}

static void check_raw(const struct observed_reply *reply, const char *raw)
{
    assert_true(reply->came);
    assert_true(span_equal(reply->raw, span_of(raw)));
}

/* ---- a healthy server ---- */

static void records_a_whole_conversation(void **state)
{
    const struct observation *seen = RUN(AGAIN, BYE, END);
    struct policy_session session = observation_session(seen);

    (void)state;
    check_end(seen, STEP_AFTER_TLS, ENDING_QUIT);
    check_raw(&seen->greeting, "220 mx.test ESMTP\r\n");
    check_raw(&seen->ehlo, "250-mx.test\r\n250-STARTTLS\r\n250 SIZE 1000000\r\n");
    check_raw(&seen->starttls, "220 go\r\n");
    check_raw(&seen->ehlo_after_tls, "250-mx.test\r\n250 8BITMIME\r\n");
    check_raw(&seen->quit, "221 bye\r\n");
    assert_true(seen->has_capabilities && seen->has_capabilities_after_tls);
    assert_int_equal(seen->capabilities.size_most, 1000000);
    assert_int_equal(seen->capabilities_after_tls.extensions, SMTP_EXTENSION_8BITMIME);
    assert_int_equal(seen->tls.version, TLS_VERSION_1_3);
    assert_string_equal(seen->tls.sni, "mx.test");
    assert_false(seen->close_notify_missing);
    assert_true(seen->has_verdict);
    assert_true(chain_has(&seen->verdict, CHAIN_SELF_SIGNED));
    assert_string_equal(seen->address, "127.0.0.1");
    assert_string_equal(seen->own_address, "127.0.0.1");
    assert_int_equal(seen->port, stage.peer.address.port);
    assert_true(session.offered && session.encrypted && !session.chain_trusted);
    assert_false(session.handshake_failed || session.after_tls_failed || session.injected);
    assert_int_equal(stage.peer.connections, 1);
    for (size_t i = STEP_CONNECT; i < STEP_COUNT; i++)
        if (i != STEP_POLICY)
            assert_true(seen->step_ms[i] >= 0);
}

/* 80 octets that do not print are 320 as text: more than OpenSSL takes for the name of a server. */
static void an_mx_with_octets_of_any_kind_is_no_failure_of_ours(void **state)
{
    const struct observation *seen;
    char host[80 * 4 + sizeof ".test"];

    (void)state;
    for (size_t i = 0; i < 80; i++)
        memcpy(host + 4 * i, "\\001", 4);
    memcpy(host + sizeof host - sizeof ".test", ".test", sizeof ".test");
    stage.settings.host = host;
    seen = RUN(AGAIN, BYE, END);
    check_end(seen, STEP_AFTER_TLS, ENDING_QUIT);
    assert_null(seen->tls.sni);
}

static void describes_what_would_be_asked_and_dials_nobody(void **state)
{
    const struct observation *seen = &stage.observation;
    const struct client_link_settings settings = { .domain = "example.test",
                                                   .host = "mx.test",
                                                   .address = { .port = 25 },
                                                   .preference = 10,
                                                   .level = POLICY_STS,
                                                   .tlsa_state = POLICY_TLSA_LOOKUP_FAILED,
                                                   .sts = POLICY_STS_ENFORCE,
                                                   .clock = stage.settings.clock };

    (void)state;
    client_link_describe(&settings, &stage.arena, &stage.observation);
    assert_string_equal(seen->host, "mx.test");
    assert_int_equal(seen->port, 25);
    assert_int_equal(seen->tlsa, POLICY_TLSA_LOOKUP_FAILED);
    assert_int_equal(seen->sts, POLICY_STS_ENFORCE);
    assert_false(seen->sts_host_listed);
    assert_false(seen->greeting.came);
}

static void delivers_over_tls12_alike(void **state)
{
    const struct observation *seen;

    (void)state;
    stage.peer.tls.maximum_version = TLS_VERSION_1_2;
    seen = RUN(AGAIN, BYE, END);
    check_end(seen, STEP_AFTER_TLS, ENDING_QUIT);
    assert_int_equal(seen->tls.version, TLS_VERSION_1_2);
}

static void stays_in_the_clear_at_level_none(void **state)
{
    const struct observation *seen;

    (void)state;
    stage.settings.level = POLICY_NONE;
    seen = RUN(HELLO, OFFERS, BYE, END);
    check_end(seen, STEP_EHLO, ENDING_STOPPED);
    assert_true(observation_session(seen).offered);
    assert_false(seen->tls.was_started);
}

static void speaks_tls_from_the_first_byte_where_asked(void **state)
{
    const struct observation *seen;

    (void)state;
    stage.settings.is_implicit_tls = true;
    seen = RUN({ SECURE, NULL, 0 }, HELLO, { SAY, "250 mx.test\r\n", 0 }, BYE, END);
    check_end(seen, STEP_AFTER_TLS, ENDING_QUIT);
    check_raw(&seen->greeting, "220 mx.test ESMTP\r\n");
    check_raw(&seen->ehlo, "250 mx.test\r\n");
    assert_false(seen->ehlo_after_tls.came);
    assert_true(observation_session(seen).encrypted);
    assert_false(observation_session(seen).after_tls_failed);
}

/* ---- connecting ---- */

static void tells_a_refused_connection(void **state)
{
    struct error err = { .text = "" };
    struct net_address address;

    (void)state;
    scripted_peer_start(&stage.peer, stage.loop);
    address = stage.peer.address;
    listener_close(&stage.peer.listener);
    stage.settings.address = address;
    assert_true(client_link_open(stage.loop, &stage.settings, &stage.handlers, &stage, &stage.arena,
                                 &stage.observation, NULL, &stage.link, &err));
    loop_timer_start(stage.limit, LIMIT_MS);
    loop_run(stage.loop);
    assert_false(stage.ran_out);
    check_end(&stage.observation, STEP_CONNECT, ENDING_REFUSED);
}

/* Without a descriptor to be had, nothing can be said of the peer. */
static void tells_our_own_failure_apart(void **state)
{
    struct rlimit kept, none;
    struct error err = { .text = "" };
    int lowest = dup(STDERR_FILENO);

    (void)state;
    close(lowest);
    assert_true(net_address_parse(span_of("127.0.0.1"), &stage.settings.address));
    stage.settings.address.port = 9;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &kept), 0);
    none = (struct rlimit){ .rlim_cur = (rlim_t)lowest, .rlim_max = kept.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_true(client_link_open(stage.loop, &stage.settings, &stage.handlers, &stage, &stage.arena,
                                 &stage.observation, NULL, &stage.link, &err));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &kept), 0);
    assert_false(stage.is_finished); /* no callback inside open */
    loop_timer_start(stage.limit, LIMIT_MS);
    loop_run(stage.loop);
    assert_false(stage.ran_out);
    check_end(&stage.observation, STEP_CONNECT, ENDING_FAILED);
    assert_non_null(strstr(stage.observation.failure, "Too many open files"));
}

/* ---- in the clear ---- */

static void tells_a_greeting_that_turns_us_away(void **state)
{
    const struct observation *seen = RUN({ SAY, "554 no\r\n", 0 }, BYE, END);

    (void)state;
    check_end(seen, STEP_GREETING, ENDING_STOPPED);
    assert_int_equal(seen->greeting.code, 554);
    check_raw(&seen->quit, "221 bye\r\n");
}

static void tells_a_421_and_leaves(void **state)
{
    const struct observation *seen = RUN(HELLO, { SAY, "421 busy\r\n", 0 }, END);

    (void)state;
    check_end(seen, STEP_EHLO, ENDING_STOPPED);
    assert_int_equal(seen->ehlo.code, 421);
}

static void keeps_what_came_of_a_reply(void **state)
{
    const struct observation *seen = RUN({ SAY, "220-one\r\n220-tw", 0 }, { SHUT, NULL, 0 });

    (void)state;
    check_end(seen, STEP_GREETING, ENDING_CLOSED);
    assert_false(seen->greeting.came);
    assert_true(span_equal(seen->unfinished, span_of("220-one\r\n220-tw")));
    assert_true(span_equal(seen->greeting.raw, seen->unfinished));
}

static void tells_a_reset_from_a_close(void **state)
{
    const struct observation *seen = RUN(HELLO, { RESET, NULL, 0 });

    (void)state;
    check_end(seen, STEP_EHLO, ENDING_RESET);
}

static void tells_what_is_no_smtp_reply(void **state)
{
    const struct observation *seen = RUN({ SAY, "HTTP/1.1 400 Bad Request\r\n", 0 }, END);

    (void)state;
    check_end(seen, STEP_GREETING, ENDING_BROKEN);
    assert_true(seen->greeting.came && seen->greeting.is_broken);
    assert_true(span_starts_with(seen->greeting.raw, "HTTP/1.1"));
}

static void keeps_what_stands_behind_a_byte_that_is_no_text(void **state)
{
    const struct observation *seen = RUN({ SAY_BYTES, "\x15\x03\x03\x00\x02\x02\x28", 7 }, END);

    (void)state;
    check_end(seen, STEP_GREETING, ENDING_BROKEN);
    assert_int_equal(seen->greeting.raw.len, 7);
    assert_memory_equal(seen->greeting.raw.data, "\x15\x03\x03\x00\x02\x02\x28", 7);
}

static void gives_up_at_the_reply_timeout(void **state)
{
    const struct observation *seen;

    (void)state;
    stage.settings.reply_timeout_ms = SHORT_MS;
    seen = RUN({ SAY, "220-mx", 0 }, { EXPECT, "never", 0 }, END);
    check_end(seen, STEP_GREETING, ENDING_TIMEOUT);
    assert_true(span_equal(seen->unfinished, span_of("220-mx")));
    assert_true(seen->timeout_ms >= SHORT_MS);
}

static void drip(void *owner)
{
    struct scripted_peer *peer = owner;

    if (peer->at > 0 && !stream_send(peer->stream, span_of("2"))) /* behind what the script says */
        return;
    loop_timer_start(stage.drip, 5);
}

/* Each byte is progress; the deadline does not care. */
static void ends_at_the_deadline_whatever_the_peer_does(void **state)
{
    const struct observation *seen;

    (void)state;
    assert_true(loop_timer_open(stage.loop, drip, &stage.peer, &stage.drip, NULL));
    loop_timer_start(stage.drip, 5);
    stage.settings.deadline_ms = loop_now_ms(stage.loop) + SHORT_MS;
    seen = RUN({ SAY, "220 ", 0 }, { EXPECT, "never", 0 }, END);
    check_end(seen, STEP_GREETING, ENDING_TIMEOUT);
    assert_true(span_starts_with(seen->unfinished, "220 2"));
}

static void says_helo_where_ehlo_is_not_known(void **state)
{
    const struct observation *seen =
        RUN(HELLO, { SAY, "502 what\r\n", 0 }, { EXPECT, "HELO me.test", 0 },
            { SAY, "250 mx.test\r\n", 0 }, BYE, END);

    (void)state;
    check_end(seen, STEP_EHLO, ENDING_STOPPED);
    assert_int_equal(seen->ehlo.code, 502);
    check_raw(&seen->helo, "250 mx.test\r\n");
    assert_false(seen->has_capabilities);
}

static void says_helo_alone_when_dialled_so(void **state)
{
    const struct observation *seen;

    (void)state;
    stage.settings.dial = DIAL_HELO;
    seen = RUN({ SAY, "220 mx\r\n", 0 }, { EXPECT, "HELO me.test", 0 }, { SAY, "250 mx\r\n", 0 },
               BYE, END);
    check_end(seen, STEP_EHLO, ENDING_STOPPED);
    check_raw(&seen->helo, "250 mx\r\n");
}

/* ---- STARTTLS ---- */

static void stops_where_starttls_is_not_offered(void **state)
{
    const struct observation *seen = RUN(HELLO, { SAY, "250-mx\r\n250 SIZE 5\r\n", 0 }, BYE, END);

    (void)state;
    check_end(seen, STEP_EHLO, ENDING_STOPPED);
    assert_false(observation_session(seen).offered);
    check_raw(&seen->quit, "221 bye\r\n");
}

static void stops_where_starttls_is_refused(void **state)
{
    const struct observation *seen = RUN(STARTTLS, { SAY, "454 not now\r\n", 0 }, BYE, END);

    (void)state;
    check_end(seen, STEP_STARTTLS, ENDING_STOPPED);
    check_raw(&seen->starttls, "454 not now\r\n");
    assert_true(observation_session(seen).refused);
}

static void tells_bytes_behind_the_220_as_injected(void **state)
{
    const struct observation *seen = RUN(STARTTLS, { SAY, "220 go\r\n250 evil\r\n", 0 }, END);

    (void)state;
    check_end(seen, STEP_STARTTLS, ENDING_INJECTED);
    assert_true(span_equal(seen->injected, span_of("250 evil\r\n")));
    check_raw(&seen->starttls, "220 go\r\n");
    assert_false(seen->tls.was_started);
    assert_true(observation_session(seen).injected);
}

/* The second write may come with the 220 or after our ClientHello left: either way it is seen, and
 * with the ServerHello behind it somebody else must have put it there. */
static void tells_injection_in_a_segment_of_its_own(void **state)
{
    const struct observation *seen =
        RUN(STARTTLS, { SAY, "220 go\r\n", 0 }, { EXPECT, "\x16\x03", 0 },
            { SAY, "250 evil\r\n", 0 }, { SAY_BYTES, "\x16\x03\x03\x00\x02\x02\x00", 7 }, END);

    (void)state;
    check_end(seen, STEP_STARTTLS, ENDING_INJECTED);
    assert_true(span_equal(seen->injected, span_of("250 evil\r\n")));
}

static void tells_a_server_that_goes_on_in_plaintext(void **state)
{
    const struct observation *seen =
        RUN(STARTTLS, { SAY, "220 go\r\n", 0 }, { EXPECT, "\x16\x03", 0 },
            { SAY, "500 what?\r\n", 0 }, { SHUT, NULL, 0 });

    (void)state;
    check_end(seen, STEP_HANDSHAKE, ENDING_NOT_TLS);
    assert_true(seen->tls.is_not_tls);
    assert_true(span_starts_with(seen->tls.first_bytes, "500 what?"));
    assert_int_equal(seen->injected.len, 0);
    assert_true(observation_session(seen).handshake_failed);
}

static void tells_a_close_right_behind_the_220(void **state)
{
    const struct observation *seen = RUN(STARTTLS, { SAY, "220 go\r\n", 0 }, { SHUT, NULL, 0 });

    (void)state;
    check_end(seen, STEP_STARTTLS, ENDING_CLOSED);
    check_raw(&seen->starttls, "220 go\r\n");
    assert_int_equal(seen->tls.first_bytes.len, 0);
    assert_true(observation_session(seen).handshake_failed);
}

static void tells_a_close_in_place_of_the_220(void **state)
{
    const struct observation *seen = RUN(STARTTLS, { SHUT, NULL, 0 });

    (void)state;
    check_end(seen, STEP_STARTTLS, ENDING_CLOSED);
    assert_false(seen->starttls.came);
}

static void tells_a_close_upon_our_hello(void **state)
{
    const struct observation *seen =
        RUN(STARTTLS, { SAY, "220 go\r\n", 0 }, { EXPECT, "\x16\x03", 0 }, { SHUT, NULL, 0 });

    (void)state;
    check_end(seen, STEP_HANDSHAKE, ENDING_CLOSED);
    assert_true(seen->tls.was_started);
}

static void tells_a_reset_upon_our_hello(void **state)
{
    const struct observation *seen =
        RUN(STARTTLS, { SAY, "220 go\r\n", 0 }, { EXPECT, "\x16\x03", 0 }, { RESET, NULL, 0 });

    (void)state;
    check_end(seen, STEP_HANDSHAKE, ENDING_RESET);
}

static void tells_silence_upon_our_hello(void **state)
{
    const struct observation *seen;

    (void)state;
    stage.settings.reply_timeout_ms = SHORT_MS;
    seen = RUN(STARTTLS, { SAY, "220 go\r\n", 0 }, { EXPECT, "\x16\x03", 0 }, END);
    check_end(seen, STEP_HANDSHAKE, ENDING_TIMEOUT);
    assert_true(seen->timeout_ms >= SHORT_MS);
}

/* ---- the handshake ---- */

static void tells_an_alert_of_the_server(void **state)
{
    const struct observation *seen;

    (void)state;
    stage.peer.tls.only_sni = "other.test";
    seen = RUN(INSIDE, END);
    check_end(seen, STEP_HANDSHAKE, ENDING_TLS);
    assert_int_equal(seen->tls.alert_count, 1);
    assert_int_equal(seen->tls.alerts[0].description, 112);
    assert_false(seen->tls.alerts[0].is_sent);
}

/* RFC 7672 section 8.1 */
static void asks_for_the_base_domain_where_tlsa_decides(void **state)
{
    static const struct {
        enum policy_level level;
        enum policy_tlsa tlsa;
        enum dns_security mx;
        const char *sni;
    } cases[] = {
        { POLICY_DANE, POLICY_TLSA_USABLE, DNS_SECURE, "base.test" },
        { POLICY_DANE, POLICY_TLSA_USABLE, DNS_INSECURE, "base.test" },
        { POLICY_DANE_ONLY, POLICY_TLSA_USABLE, DNS_SECURE, "base.test" },
        { POLICY_STS, POLICY_TLSA_USABLE, DNS_SECURE, "base.test" },
        { POLICY_STS, POLICY_TLSA_USABLE, DNS_INSECURE, "mx.test" },
        { POLICY_DANE, POLICY_TLSA_UNUSABLE, DNS_SECURE, "mx.test" },
        { POLICY_VERIFY, POLICY_TLSA_USABLE, DNS_SECURE, "mx.test" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct observation *seen;

        tear_down(state);
        set_up(state);
        stage.settings.level = cases[i].level;
        stage.settings.tlsa_state = cases[i].tlsa;
        stage.settings.mx_dnssec = cases[i].mx;
        stage.settings.tlsa_base = "base.test";
        stage.settings.tlsa_failure = "words";
        stage.settings.tlsa_flaw.kind = TLSA_FLAW_INSECURE;
        seen = RUN(AGAIN, BYE, END);
        assert_string_equal(seen->tls.sni, cases[i].sni);
        assert_int_equal(seen->mx_dnssec, cases[i].mx);
        assert_string_equal(seen->tlsa_base, "base.test");
        assert_string_equal(seen->tlsa_failure, "words");
        assert_int_equal(seen->tlsa_flaw.kind, TLSA_FLAW_INSECURE);
    }
}

/* In TLS 1.3 the refusal comes when our own handshake has succeeded. */
static void takes_a_late_alert_for_the_handshakes(void **state)
{
    const struct observation *seen;

    (void)state;
    stage.peer.tls.client_certificate = TLS_CLIENT_CERTIFICATE_REQUIRE;
    seen = RUN(INSIDE, END);
    check_end(seen, STEP_HANDSHAKE, ENDING_TLS);
    assert_true(seen->tls.was_completed && seen->tls.client_certificate_requested);
    assert_int_equal(seen->tls.alert_count, 1);
    assert_true(seen->tls.alerts[0].is_after_handshake);
    assert_int_equal(seen->tls.alerts[0].description, 116);
    assert_true(seen->has_verdict);
    assert_true(observation_session(seen).handshake_failed);
    assert_false(observation_session(seen).encrypted);
    assert_false(observation_session(seen).client_certificate_refused);
}

static void tells_that_our_certificate_was_refused(void **state)
{
    const struct observation *seen;

    (void)state;
    stage.peer.tls.client_certificate = TLS_CLIENT_CERTIFICATE_REQUIRE;
    stage.peer.tls.client_ca_pem = made_certificate(&stage.arena, MADE_EC, -1, 1);
    stage.settings.dial = DIAL_WITH_CLIENT_CERTIFICATE;
    seen = RUN(INSIDE, END);
    check_end(seen, STEP_HANDSHAKE, ENDING_TLS);
    assert_true(seen->tls.client_certificate_sent);
    assert_true(observation_session(seen).client_certificate_refused);
}

/* One thing is changed by each dial; this server tells which. */
static void changes_what_the_dial_says(void **state)
{
    static const struct {
        enum dial dial;
        uint16_t minimum, maximum; /* versions that were offered */
        bool has_sni, has_ticket;
    } cases[] = {
        { DIAL_AS_CONFIGURED, TLS_VERSION_1_2, TLS_VERSION_1_3, true, true },
        { DIAL_OLD_VERSIONS, TLS_VERSION_1_0, TLS_VERSION_1_3, true, true },
        { DIAL_SECURITY_LEVEL_0, TLS_VERSION_1_2, TLS_VERSION_1_3, true, true },
        { DIAL_WITHOUT_SNI, TLS_VERSION_1_2, TLS_VERSION_1_3, false, true },
        { DIAL_TLS12_ONLY, TLS_VERSION_1_2, TLS_VERSION_1_2, true, true },
        { DIAL_TLS13_ONLY, TLS_VERSION_1_3, TLS_VERSION_1_3, true, true },
        { DIAL_SMALL_HELLO, TLS_VERSION_1_2, TLS_VERSION_1_2, true, false },
        { DIAL_WITHOUT_TICKETS, TLS_VERSION_1_2, TLS_VERSION_1_3, true, false },
        { DIAL_LEGACY_RENEGOTIATION, TLS_VERSION_1_2, TLS_VERSION_1_3, true, true },
        { DIAL_LARGE_GROUPS_ONLY, TLS_VERSION_1_2, TLS_VERSION_1_3, true, true },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct observation *seen;

        tear_down(state);
        set_up(state);
        stage.settings.dial = cases[i].dial;
        seen = RUN(AGAIN, BYE, END);
        check_end(seen, STEP_AFTER_TLS, ENDING_QUIT);
        assert_int_equal(seen->dial, cases[i].dial);
        assert_int_equal(seen->tls.offered_minimum, cases[i].minimum);
        assert_int_equal(seen->tls.offered_maximum, cases[i].maximum);
        assert_int_equal(seen->tls.sni != NULL, cases[i].has_sni);
        assert_int_equal(seen->tls.offered_ticket, cases[i].has_ticket);
        if (cases[i].dial == DIAL_SMALL_HELLO)
            assert_in_range(seen->tls.hello_bytes, 1, 256);
    }
}

static void asks_with_a_hello_of_its_own(void **state)
{
    const struct observation *seen;

    (void)state;
    stage.settings.dial = DIAL_RAW_OBSOLETE;
    stage.peer.tls.minimum_version = TLS_VERSION_1_2;
    seen = RUN(INSIDE, END);
    check_end(seen, STEP_HANDSHAKE, ENDING_STOPPED);
    assert_true(seen->has_raw_answer);
    assert_int_equal(seen->raw_status, HELLO_ANSWERED);
    assert_int_equal(seen->raw_answer.version, TLS_VERSION_1_2);
    assert_non_null(hello_cipher_name(seen->raw_answer.cipher));
}

static void hears_that_ssl3_is_refused(void **state)
{
    const struct observation *seen;

    (void)state;
    stage.settings.dial = DIAL_RAW_SSL3;
    seen = RUN(INSIDE, END);
    check_end(seen, STEP_HANDSHAKE, ENDING_STOPPED);
    assert_int_equal(seen->raw_status, HELLO_ALERTED);
}

static void finds_out_that_a_port_expects_tls(void **state)
{
    const struct observation *seen;

    (void)state;
    stage.settings.dial = DIAL_PLAIN_TLS;
    seen = RUN({ SECURE, NULL, 0 }, HELLO, { SAY, "250 mx.test\r\n", 0 }, BYE, END);
    check_end(seen, STEP_AFTER_TLS, ENDING_QUIT);
    assert_true(seen->tls.was_completed);
}

static void finds_out_that_a_port_does_not_expect_tls(void **state)
{
    const struct observation *seen;

    (void)state;
    stage.settings.dial = DIAL_PLAIN_TLS;
    seen = RUN({ SAY, "220 mx.test\r\n", 0 }, { SHUT, NULL, 0 });
    check_end(seen, STEP_HANDSHAKE, ENDING_NOT_TLS);
    assert_true(span_starts_with(seen->tls.first_bytes, "220 mx.test"));
}

/* ---- inside TLS ---- */

static void forgives_a_second_greeting(void **state)
{
    const struct observation *seen =
        RUN(INSIDE, { SAY, "220 again\r\n", 0 }, { EXPECT, "EHLO me.test", 0 },
            { SAY, "250 mx.test\r\n", 0 }, BYE, END);

    (void)state;
    check_end(seen, STEP_AFTER_TLS, ENDING_QUIT);
    check_raw(&seen->second_greeting, "220 again\r\n");
    check_raw(&seen->ehlo_after_tls, "250 mx.test\r\n");
}

static void records_an_ehlo_that_is_refused_inside(void **state)
{
    const struct observation *seen =
        RUN(INSIDE, { EXPECT, "EHLO me.test", 0 }, { SAY, "503 no\r\n", 0 }, BYE, END);

    (void)state;
    check_end(seen, STEP_AFTER_TLS, ENDING_STOPPED);
    check_raw(&seen->ehlo_after_tls, "503 no\r\n");
    assert_true(observation_session(seen).after_tls_failed);
    assert_true(observation_session(seen).encrypted);
}

static void records_a_close_inside(void **state)
{
    const struct observation *seen = RUN(INSIDE, { EXPECT, "EHLO me.test", 0 }, { SHUT, NULL, 0 });

    (void)state;
    check_end(seen, STEP_AFTER_TLS, ENDING_CLOSED);
    assert_true(seen->ended_after_tls);
    assert_true(observation_session(seen).after_tls_failed);
    assert_false(observation_session(seen).handshake_failed);
}

static void records_silence_inside(void **state)
{
    const struct observation *seen;

    (void)state;
    stage.settings.reply_timeout_ms = SHORT_MS;
    seen = RUN(INSIDE, { EXPECT, "EHLO me.test", 0 }, { EXPECT, "never", 0 }, END);
    check_end(seen, STEP_AFTER_TLS, ENDING_TIMEOUT);
    assert_true(seen->ended_after_tls);
}

/* All was learned: how the peer takes QUIT changes nothing of that. */
static void forgives_a_peer_that_leaves_at_quit(void **state)
{
    const struct observation *seen = RUN(AGAIN, { EXPECT, "QUIT", 0 }, { SHUT, NULL, 0 });

    (void)state;
    check_end(seen, STEP_AFTER_TLS, ENDING_QUIT);
    assert_false(seen->quit.came);
    assert_false(seen->ended_after_tls);
}

static void does_not_wait_for_a_peer_that_stays(void **state)
{
    const struct observation *seen =
        RUN(AGAIN, { EXPECT, "QUIT", 0 }, { SAY, "221 bye\r\n", 0 }, { EXPECT, "never", 0 }, END);

    (void)state;
    check_end(seen, STEP_AFTER_TLS, ENDING_QUIT);
    assert_false(seen->close_notify_missing);
}

static void tells_an_end_without_close_notify(void **state)
{
    const struct observation *seen =
        RUN(AGAIN, { EXPECT, "QUIT", 0 }, { SAY, "221 bye\r\n", 0 }, { RESET, NULL, 0 });

    (void)state;
    check_end(seen, STEP_AFTER_TLS, ENDING_QUIT);
    assert_true(seen->close_notify_missing);
}

/* ---- whom the certificate names ---- */

static void matches_a_fingerprint_of_certificate_or_key(void **state)
{
    char colons[100] = "";
    const struct observation *seen;
    const char *hex;

    (void)state;
    seen = RUN(AGAIN, BYE, END);
    assert_false(seen->fingerprint_asked || seen->fingerprint_matched);
    hex = seen->verdict.certificates[0].spki_sha256;
    for (size_t i = 0; i < 32; i++)
        snprintf(colons + 3 * i, 4, "%c%c:", hex[2 * i] & ~(hex[2 * i] >= 'a' ? 0x20 : 0),
                 hex[2 * i + 1]);
    stage.settings.fingerprint = colons;
    assert_true(client_link_judge(&stage.settings, &stage.arena, &stage.observation, NULL));
    assert_true(stage.observation.fingerprint_matched);
    colons[0] = colons[0] == '0' ? '1' : '0';
    assert_true(client_link_judge(&stage.settings, &stage.arena, &stage.observation, NULL));
    assert_false(stage.observation.fingerprint_matched);
}

/* ---- messages ---- */

static const struct smtp_client_recipient recipients[] = { { .address = "a@test" },
                                                           { .address = "b@test" } };

static void send_one(void *owner, const struct observation *observation)
{
    struct stage *s = owner;

    (void)observation;
    if (s->ready++ == 0)
        client_link_send(s->link, &s->message);
    else
        client_link_quit(s->link);
}

static void give_body(void *owner)
{
    struct stage *s = owner;

    s->body_wanted++;
    client_link_give_body(s->link, &s->body, true);
}

static void note_recipient(void *owner, size_t index, const struct smtp_reply *reply)
{
    struct stage *s = owner;

    if (reply->code == 250)
        s->recipients |= 1U << index;
}

static void note_done(void *owner, const struct smtp_reply *reply, size_t taken)
{
    struct stage *s = owner;

    s->done++;
    s->done_code = reply->code;
    s->taken = taken;
}

static void note_unsent(void *owner, enum smtp_client_unsent why, size_t recipient)
{
    struct stage *s = owner;

    (void)recipient;
    assert_int_equal(why, SMTP_CLIENT_UNSENT_8BIT);
    s->unsent++;
}

static void prepare_message(const char *body)
{
    stage.message = (struct smtp_client_message){ .sender = "me@me.test",
                                                  .recipients = recipients,
                                                  .recipient_count = ARRAY_SIZE(recipients) };
    stage.body = span_of(body);
    stage.handlers.ready = send_one;
    stage.handlers.recipient = note_recipient;
    stage.handlers.body_wanted = give_body;
    stage.handlers.message_done = note_done;
    stage.handlers.message_unsent = note_unsent;
}

#define ENVELOPE                                                                                   \
    { EXPECT, "MAIL FROM:<me@me.test>", 0 }, { SAY, "250 ok\r\n", 0 },                             \
        { EXPECT, "RCPT TO:<a@test>", 0 }, { SAY, "250 ok\r\n", 0 },                               \
        { EXPECT, "RCPT TO:<b@test>", 0 }, { SAY, "550 no b\r\n", 0 }, { EXPECT, "DATA", 0 },      \
        { SAY, "354 go\r\n", 0 }, { TAKE_ALL, ".", 0 },                                            \
    {                                                                                              \
        SAY, "250 taken\r\n", 0                                                                    \
    }

static void check_delivery(const char *content)
{
    assert_int_equal(stage.ready, 2);
    assert_int_equal(stage.done, 1);
    assert_int_equal(stage.done_code, 250);
    assert_int_equal(stage.taken, 1);
    assert_int_equal(stage.recipients, 1);
    assert_true(span_equal(buffer_span(&stage.peer.content), span_of(content)));
}

static void delivers_a_message_inside_tls(void **state)
{
    const struct observation *seen;

    (void)state;
    prepare_message("Subject: x\r\n\r\n.dot\r\n");
    seen = RUN(AGAIN, ENVELOPE, BYE, END);
    check_end(seen, STEP_AFTER_TLS, ENDING_QUIT);
    check_delivery("Subject: x\r\n\r\n..dot\r\n.\r\n");
}

static void delivers_a_message_in_the_clear(void **state)
{
    const struct observation *seen;

    (void)state;
    prepare_message("Subject: x\r\n\r\nhi\r\n");
    seen = RUN(HELLO, { SAY, "250 mx.test\r\n", 0 }, ENVELOPE, BYE, END);
    check_end(seen, STEP_EHLO, ENDING_QUIT);
    check_delivery("Subject: x\r\n\r\nhi\r\n.\r\n");
}

/* More than the kernel and the link hold at once: it goes out as there is room. */
static void delivers_a_message_larger_than_its_buffers(void **state)
{
    size_t len = 3 * 1024 * 1024;
    char *body = test_malloc(len + 1);
    const struct observation *seen;

    (void)state;
    for (size_t i = 0; i < len; i++)
        body[i] = i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : 'x';
    body[len] = '\0';
    prepare_message(body);
    seen = RUN(AGAIN, ENVELOPE, BYE, END);
    check_end(seen, STEP_AFTER_TLS, ENDING_QUIT);
    assert_int_equal(stage.done_code, 250);
    assert_true(stage.body_wanted > 1);
    assert_int_equal(stage.peer.content.len, len + 3);
    assert_memory_equal(stage.peer.content.data, body, len);
    test_free(body);
}

static void says_when_a_server_cannot_be_given_a_message(void **state)
{
    const struct observation *seen;

    (void)state;
    prepare_message("x\r\n");
    stage.message.is_8bit = true;
    seen = RUN(HELLO, { SAY, "250 mx.test\r\n", 0 }, BYE, END);
    check_end(seen, STEP_EHLO, ENDING_QUIT);
    assert_int_equal(stage.unsent, 1);
    assert_int_equal(stage.done, 0);
}

static void keeps_bodies_out_of_the_transcript(void **state)
{
    bool has_mail = false;

    (void)state;
    prepare_message("secret words\r\n");
    RUN(AGAIN, ENVELOPE, BYE, END);
    for (size_t i = 0; i < stage.transcript.count; i++) {
        assert_null(strstr(stage.transcript.lines[i].text, "secret"));
        has_mail |= strcmp(stage.transcript.lines[i].text, "MAIL FROM:<me@me.test>") == 0 &&
                    stage.transcript.lines[i].is_encrypted;
    }
    assert_true(has_mail);
}

static void close_link(void *owner, const struct observation *observation)
{
    struct stage *s = owner;

    (void)observation;
    client_link_close(&s->link);
    s->is_finished = true;
    loop_stop(s->loop);
}

static void may_be_closed_inside_a_callback(void **state)
{
    (void)state;
    stage.handlers.ready = close_link;
    RUN(AGAIN, BYE, END);
    assert_null(stage.link);
}

static void rest_at_ready(void *owner, const struct observation *observation)
{
    struct stage *s = owner;

    (void)observation;
    s->ready++;
    assert_true(client_link_is_ready(s->link));
}

static void finish_at_rest(void *owner, struct observation *observation)
{
    assert_false(client_link_is_ready(((struct stage *)owner)->link));
    note_finished(owner, observation);
}

/* Its owner may have a message just then. */
static void takes_no_message_once_the_server_has_gone(void **state)
{
    (void)state;
    stage.handlers.ready = rest_at_ready;
    stage.handlers.finished = finish_at_rest;
    RUN(AGAIN, { SHUT, NULL, 0 }, END);
    assert_int_equal(stage.ready, 1);
}

int main(void)
{
#define PROMISE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        PROMISE(records_a_whole_conversation),
        PROMISE(asks_for_the_base_domain_where_tlsa_decides),
        PROMISE(an_mx_with_octets_of_any_kind_is_no_failure_of_ours),
        PROMISE(describes_what_would_be_asked_and_dials_nobody),
        PROMISE(delivers_over_tls12_alike),
        PROMISE(stays_in_the_clear_at_level_none),
        PROMISE(speaks_tls_from_the_first_byte_where_asked),
        PROMISE(tells_a_refused_connection),
        PROMISE(tells_our_own_failure_apart),
        PROMISE(tells_a_greeting_that_turns_us_away),
        PROMISE(tells_a_421_and_leaves),
        PROMISE(keeps_what_came_of_a_reply),
        PROMISE(tells_a_reset_from_a_close),
        PROMISE(tells_what_is_no_smtp_reply),
        PROMISE(keeps_what_stands_behind_a_byte_that_is_no_text),
        PROMISE(gives_up_at_the_reply_timeout),
        PROMISE(ends_at_the_deadline_whatever_the_peer_does),
        PROMISE(says_helo_where_ehlo_is_not_known),
        PROMISE(says_helo_alone_when_dialled_so),
        PROMISE(stops_where_starttls_is_not_offered),
        PROMISE(stops_where_starttls_is_refused),
        PROMISE(tells_bytes_behind_the_220_as_injected),
        PROMISE(tells_injection_in_a_segment_of_its_own),
        PROMISE(tells_a_server_that_goes_on_in_plaintext),
        PROMISE(tells_a_close_right_behind_the_220),
        PROMISE(tells_a_close_in_place_of_the_220),
        PROMISE(tells_a_close_upon_our_hello),
        PROMISE(tells_a_reset_upon_our_hello),
        PROMISE(tells_silence_upon_our_hello),
        PROMISE(tells_an_alert_of_the_server),
        PROMISE(takes_a_late_alert_for_the_handshakes),
        PROMISE(tells_that_our_certificate_was_refused),
        PROMISE(changes_what_the_dial_says),
        PROMISE(asks_with_a_hello_of_its_own),
        PROMISE(hears_that_ssl3_is_refused),
        PROMISE(finds_out_that_a_port_expects_tls),
        PROMISE(finds_out_that_a_port_does_not_expect_tls),
        PROMISE(forgives_a_second_greeting),
        PROMISE(records_an_ehlo_that_is_refused_inside),
        PROMISE(records_a_close_inside),
        PROMISE(records_silence_inside),
        PROMISE(forgives_a_peer_that_leaves_at_quit),
        PROMISE(does_not_wait_for_a_peer_that_stays),
        PROMISE(tells_an_end_without_close_notify),
        PROMISE(matches_a_fingerprint_of_certificate_or_key),
        PROMISE(delivers_a_message_inside_tls),
        PROMISE(delivers_a_message_in_the_clear),
        PROMISE(delivers_a_message_larger_than_its_buffers),
        PROMISE(says_when_a_server_cannot_be_given_a_message),
        PROMISE(keeps_bodies_out_of_the_transcript),
        PROMISE(may_be_closed_inside_a_callback),
        PROMISE(takes_no_message_once_the_server_has_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
