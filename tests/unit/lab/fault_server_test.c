/* tests/unit/lab/fault_server_test.c - promises of lab/fault_server.h and lab/fault_session.h */
#include "lab/fault_server.h"

#include <string.h>

#include "../test.h"
#include "base/arena.h"
#include "base/buffer.h"
#include "base/compiler.h"
#include "net/stream.h"

enum { NOW_S = 1795000000, LIMIT_MS = 60000, HEARD_MOST = 65536 };

/* One line of a client's script: once `awaited` was heard, `said` is sent; or TLS is begun. */
struct line {
    const char *awaited, *said;
    bool begins_tls;
};

struct play {
    struct loop *loop;
    struct loop_timer *limit;
    struct arena arena;
    struct certificates *certificates;
    struct fault_server *server;
    struct net_address address;
    struct stream *stream;
    struct buffer heard; /* since the last line of the script */
    struct buffer all;
    const struct line *script;
    struct tls_facts facts;
    struct tls_session *session; /* to be resumed; the newest */
    enum stream_end end;
    bool ran_out;
};

static void run_out(void *owner)
{
    struct play *play = owner;

    play->ran_out = true;
    loop_stop(play->loop);
}

static void open_play(struct play *play, const struct fault_row *row)
{
    struct error err = { 0 };
    struct certificate_made certificate;
    struct fault_server_settings settings = { .row = row,
                                              .host = "mx.some.lab.test",
                                              .certificate = &certificate };

    memset(play, 0, sizeof *play);
    arena_init(&play->arena, 4 << 20);
    assert_true(loop_open(&play->loop, &err));
    assert_true(loop_timer_open(play->loop, run_out, play, &play->limit, &err));
    assert_true(certificates_new(NOW_S, &play->certificates, &err));
    assert_true(certificates_issue(play->certificates, row->tls.certificate, settings.host,
                                   "some.lab.test", &play->arena, &certificate, &err));
    assert_true(net_address_parse(span_of("127.0.0.1"), &play->address));
    assert_true(fault_server_open(play->loop, &settings, &play->address, &play->server, &err));
}

static void close_play(struct play *play)
{
    stream_close(&play->stream);
    tls_session_free(&play->session);
    fault_server_close(&play->server);
    certificates_free(&play->certificates);
    loop_timer_close(&play->limit);
    loop_close(&play->loop);
    buffer_clear(&play->heard);
    buffer_clear(&play->all);
    arena_clear(&play->arena);
}

static void go_on(struct play *play)
{
    struct error err = { 0 };

    while (play->script->awaited != NULL &&
           memmem(play->heard.data, play->heard.len, play->script->awaited,
                  strlen(play->script->awaited)) != NULL) {
        const struct line *line = play->script++;

        buffer_drop(&play->heard, play->heard.len);
        if (line->begins_tls) {
            struct tls_client_settings settings;

            tls_client_defaults(&settings);
            settings.sni = "mx.some.lab.test";
            settings.keeps_sessions = true;
            settings.session = play->session;
            assert_true(
                stream_secure_client(play->stream, &settings, &play->facts, &play->arena, &err));
            return;
        }
        if (line->said != NULL)
            assert_true(stream_send(play->stream, span_of(line->said)));
    }
}

static void hear(void *owner, struct span *bytes)
{
    struct play *play = owner;

    assert_true(buffer_append(&play->heard, *bytes));
    assert_true(buffer_append(&play->all, *bytes));
    go_on(play);
}

/* In a script, "(secured)" is awaited after TLS. */
static void note_secured(void *owner)
{
    struct play *play = owner;

    assert_true(buffer_append_text(&play->heard, "(secured)"));
    go_on(play);
}

static void keep_session(void *owner, struct tls_session **session)
{
    struct play *play = owner;

    tls_session_free(&play->session);
    play->session = TAKE(*session);
}

static void note_end(void *owner, enum stream_end end)
{
    struct play *play = owner;

    play->end = end;
    loop_stop(play->loop);
}

/* Until the server has ended the connection. */
static void run_script(struct play *play, const struct line *script)
{
    static const struct stream_handlers handlers = {
        .received = hear, .secured = note_secured, .resumable = keep_session, .ended = note_end
    };
    struct error err = { 0 };

    buffer_clear(&play->heard);
    buffer_clear(&play->all);
    buffer_init(&play->heard, HEARD_MOST);
    buffer_init(&play->all, HEARD_MOST);
    play->script = script;
    play->facts = (struct tls_facts){ 0 };
    stream_close(&play->stream);
    assert_true(stream_connect(play->loop, &play->address, &handlers, play, &play->stream, &err));
    loop_timer_start(play->limit, LIMIT_MS);
    loop_run(play->loop);
    assert_false(play->ran_out);
}

static bool has_heard(const struct play *play, const char *text)
{
    return memmem(play->all.data, play->all.len, text, strlen(text)) != NULL;
}

static const struct fault_row sound = { .name = "sound" };

static const struct line in_clear[] = {
    { "220 ", "EHLO client.test\r\n", false },
    { "250 ", "MAIL FROM:<>\r\nRCPT TO:<a@some.lab.test>\r\nDATA\r\n", false },
    { "354 ", "Subject: x\r\n\r\n.. a dot\r\n.\r\nQUIT\r\n", false },
    { NULL, NULL, false },
};

static const struct line over_tls[] = {
    { "220 ", "EHLO client.test\r\n", false },
    { "250 ", "STARTTLS\r\n", false },
    { "220 ", NULL, true },
    { "(secured)", "EHLO client.test\r\n", false },
    { "250 ", "MAIL FROM:<>\r\nRCPT TO:<a@some.lab.test>\r\nDATA\r\n", false },
    { "354 ", "Subject: x\r\n\r\n.\r\n", false },
    { "250 ", "QUIT\r\n", false },
    { NULL, NULL, false },
};

static void takes_mail_and_remembers_how_it_came(void **state)
{
    struct play play;
    const struct fault_tally *tally;

    (void)state;
    open_play(&play, &sound);
    tally = fault_server_tally(play.server);
    run_script(&play, in_clear);
    assert_true(has_heard(&play, "250-STARTTLS\r\n"));
    assert_true(has_heard(&play, "221 "));
    assert_int_equal(tally->delivered_in_clear, 1);
    run_script(&play, over_tls);
    assert_int_equal(play.end, STREAM_CLOSED);
    assert_true(play.facts.close_notify_received);
    assert_int_equal(tally->delivered_over_tls, 1);
    assert_int_equal(tally->delivered_in_clear, 1);
    assert_int_equal(tally->connections, 2);
    assert_int_equal(tally->handshakes_completed, 1);
    assert_int_equal(tally->last_version, TLS_VERSION_1_3);
    close_play(&play);
}

/* RFC 3207 section 6: a server that took them would let anybody speak inside TLS. */
static void commands_behind_starttls_are_never_taken(void **state)
{
    static const struct line script[] = {
        { "220 ", "EHLO client.test\r\n", false },
        { "250 ", "STARTTLS\r\nEHLO evil\r\nMAIL FROM:<evil@a.test>\r\n", false },
        { "220 ", NULL, true },
        { "(secured)", "EHLO client.test\r\n", false },
        { "250 ", "RCPT TO:<a@some.lab.test>\r\n", false },
        { "503 ", "QUIT\r\n", false },
        { NULL, NULL, false },
    };
    struct play play;

    (void)state;
    open_play(&play, &sound);
    run_script(&play, script);
    assert_true(has_heard(&play, "503 5.5.1 MAIL first"));
    close_play(&play);
}

static void commands_out_of_order_are_refused(void **state)
{
    static const struct line script[] = {
        { "220 ", "MAIL FROM:<>\r\n", false }, { "503 ", "DATA\r\n", false },
        { "503 ", "EHLO client\r\n", false },  { "250 ", "NOOP\r\n", false },
        { "250 ", "ehlo client\r\n", false },  { "250 ", "VRFY a\r\n", false },
        { "252 ", "RSET\r\n", false },         { "250 ", "WHATEVER\r\n", false },
        { "500 ", "QUIT\r\n", false },         { NULL, NULL, false },
    };
    struct play play;

    (void)state;
    open_play(&play, &sound);
    run_script(&play, script);
    assert_true(has_heard(&play, "221 "));
    close_play(&play);
}

static void a_row_says_its_own_words_with_the_host_in_them(void **state)
{
    static const struct fault_row row = {
        .name = "words",
        .greeting = { .bytes = "554 {host} no, {host}\r\n", .then = FAULT_CLOSE },
    };
    static const struct line script[] = { { NULL, NULL, false } };
    struct play play;

    (void)state;
    open_play(&play, &row);
    run_script(&play, script);
    assert_int_equal(play.all.len, strlen("554 mx.some.lab.test no, mx.some.lab.test\r\n"));
    assert_int_equal(play.end, STREAM_CLOSED);
    close_play(&play);
}

static void a_delay_holds_the_reply_and_what_follows_it(void **state)
{
    static const struct fault_row row = {
        .name = "slow",
        .greeting = { .delay_ms = 20 },
        .starttls = { .delay_ms = 20 },
        .ehlo_after_tls = { .delay_ms = 20 },
    };
    struct play play;

    (void)state;
    open_play(&play, &row);
    run_script(&play, over_tls);
    assert_int_equal(fault_server_tally(play.server)->delivered_over_tls, 1);
    close_play(&play);
}

static void a_reset_is_a_reset(void **state)
{
    static const struct fault_row row = {
        .name = "reset",
        .hello = { .when = FAULT_HELLO_ALWAYS, .then = FAULT_RESET },
    };
    struct play play;

    (void)state;
    open_play(&play, &row);
    run_script(&play, over_tls);
    assert_int_equal(play.end, STREAM_RESET);
    assert_int_equal(fault_server_tally(play.server)->handshakes_begun, 1);
    assert_int_equal(fault_server_tally(play.server)->handshakes_completed, 0);
    close_play(&play);
}

static void a_hello_that_is_not_disliked_leads_to_an_honest_handshake(void **state)
{
    static const struct fault_row row = {
        .name = "limit",
        .hello = { .when = FAULT_HELLO_LONGER, .limit = 60000, .then = FAULT_RESET },
    };
    struct play play;

    (void)state;
    open_play(&play, &row);
    run_script(&play, over_tls);
    assert_int_equal(fault_server_tally(play.server)->delivered_over_tls, 1);
    close_play(&play);
}

static void a_failed_handshake_behind_a_looked_at_hello_ends_cleanly(void **state)
{
    static const struct fault_row row = {
        .name = "old",
        .hello = { .when = FAULT_HELLO_LONGER, .limit = 60000, .then = FAULT_RESET },
        .tls = { .maximum_version = TLS_VERSION_1_1,
                 .minimum_version = TLS_VERSION_1_0,
                 .is_lax = true },
    };
    struct play play;

    (void)state;
    open_play(&play, &row);
    run_script(&play, over_tls);
    assert_int_equal(play.end, STREAM_TLS_FAILED);
    assert_int_equal(play.facts.alerts[0].description, 70); /* protocol_version */
    close_play(&play);
}

static void a_session_is_resumed_where_a_row_says_nothing_else(void **state)
{
    struct play play;

    (void)state;
    open_play(&play, &sound);
    run_script(&play, over_tls);
    run_script(&play, over_tls);
    assert_true(play.facts.was_resumed);
    assert_int_equal(fault_server_tally(play.server)->delivered_over_tls, 2);
    close_play(&play);
}

/* Whoever comes with a session is turned away; without one all is well. */
static void a_row_breaks_off_over_a_session_to_be_resumed(void **state)
{
    static const char *const names[] = { "healthy-drops-resumed", "healthy-dislikes-resuming" };
    static const uint16_t versions[] = { TLS_VERSION_1_3, TLS_VERSION_1_2 };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names) * ARRAY_SIZE(versions); i++) {
        struct fault_row row = *fault_find(names[i / ARRAY_SIZE(versions)]);
        struct play play;

        row.tls.maximum_version = versions[i % ARRAY_SIZE(versions)];
        open_play(&play, &row);
        run_script(&play, over_tls);
        assert_non_null(play.session);
        run_script(&play, over_tls);
        assert_int_equal(play.end, STREAM_RESET);
        tls_session_free(&play.session);
        run_script(&play, over_tls);
        assert_int_equal(fault_server_tally(play.server)->delivered_over_tls, 2);
        close_play(&play);
    }
}

static void an_end_without_close_notify_is_one(void **state)
{
    static const struct fault_row row = { .name = "cut", .no_close_notify = true };
    struct play play;

    (void)state;
    open_play(&play, &row);
    run_script(&play, over_tls);
    assert_int_equal(play.end, STREAM_CLOSED);
    assert_false(play.facts.close_notify_received);
    close_play(&play);
}

static void noise_ends_nothing_but_its_own_connection(void **state)
{
    static char noise[200 * 1024];
    static struct line script[] = { { "220 ", noise, false },
                                    { "500 ", "\r\nQUIT\r\n", false },
                                    { NULL, NULL, false } };
    struct play play;

    (void)state;
    memset(noise, 'A', sizeof noise - 1);
    open_play(&play, &sound);
    run_script(&play, script);
    run_script(&play, in_clear);
    assert_int_equal(fault_server_tally(play.server)->delivered_in_clear, 1);
    close_play(&play);
}

static void closing_ends_the_conversations_that_are_open(void **state)
{
    static const struct line script[] = { { NULL, NULL, false } };
    struct play play;
    struct error err = { 0 };
    static const struct stream_handlers handlers = { .received = hear, .ended = note_end };

    (void)state;
    open_play(&play, &sound);
    play.script = script;
    buffer_init(&play.heard, HEARD_MOST);
    buffer_init(&play.all, HEARD_MOST);
    assert_true(stream_connect(play.loop, &play.address, &handlers, &play, &play.stream, &err));
    loop_timer_start(play.limit, 100); /* long enough to be greeted, and nothing depends on it */
    loop_run(play.loop);
    fault_server_close(&play.server);
    assert_null(play.server);
    close_play(&play);
}

static void nothing_answers_where_a_row_drops_refuses_or_resets(void **state)
{
    static const struct line script[] = { { NULL, NULL, false } };
    static const struct fault_row refuses = { .name = "refuses", .listening = FAULT_REFUSES };
    static const struct fault_row resets = { .name = "resets", .listening = FAULT_RESETS };
    struct play play;

    (void)state;
    open_play(&play, &refuses);
    run_script(&play, script);
    assert_int_equal(play.end, STREAM_REFUSED);
    close_play(&play);
    open_play(&play, &resets);
    run_script(&play, script);
    assert_int_equal(play.end, STREAM_RESET);
    assert_int_equal(play.all.len, 0);
    close_play(&play);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_mail_and_remembers_how_it_came),
        cmocka_unit_test(commands_behind_starttls_are_never_taken),
        cmocka_unit_test(commands_out_of_order_are_refused),
        cmocka_unit_test(a_row_says_its_own_words_with_the_host_in_them),
        cmocka_unit_test(a_delay_holds_the_reply_and_what_follows_it),
        cmocka_unit_test(a_reset_is_a_reset),
        cmocka_unit_test(a_hello_that_is_not_disliked_leads_to_an_honest_handshake),
        cmocka_unit_test(a_failed_handshake_behind_a_looked_at_hello_ends_cleanly),
        cmocka_unit_test(a_session_is_resumed_where_a_row_says_nothing_else),
        cmocka_unit_test(a_row_breaks_off_over_a_session_to_be_resumed),
        cmocka_unit_test(an_end_without_close_notify_is_one),
        cmocka_unit_test(noise_ends_nothing_but_its_own_connection),
        cmocka_unit_test(closing_ends_the_conversations_that_are_open),
        cmocka_unit_test(nothing_answers_where_a_row_drops_refuses_or_resets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
