/* tests/unit/link/client_link_test.c - promises of link/client_link.h, kept over loopback */
#include "../test.h"

#include "link/client_link.h"
#include "scripted_peer.h"

#include <string.h>

enum { LIMIT_MS = 20000, ARENA_BYTES = 4 * 1024 * 1024 };

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
    struct loop_timer *limit;
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
    assert_int_equal(seen->port, stage.peer.address.port);
    assert_true(session.offered && session.encrypted && !session.chain_trusted);
    assert_false(session.handshake_failed || session.after_tls_failed || session.injected);
    assert_int_equal(stage.peer.connections, 1);
    for (size_t i = STEP_CONNECT; i < STEP_COUNT; i++)
        if (i != STEP_POLICY)
            assert_true(seen->step_ms[i] >= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(records_a_whole_conversation, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
