/* tests/unit/link/server_link_test.c - promises of link/server_link.h */
#include "../test.h"

#include "link/server_link.h"
#include "scripted_client.h"

#include <stdio.h>
#include <string.h>

enum { LIMIT_MS = 60000, TRACE_BYTES = 4096 };

/* One link, and what it told. */
struct scene {
    struct loop *loop;
    struct loop_timer *limit, *later;
    struct listener *listener;
    struct net_address address;
    struct clock clock;
    struct smtp_server_settings smtp;
    struct tls_server_settings tls;
    struct tls_credentials *credentials;
    struct tls_server_context *context;
    struct inbound_self self;
    struct server_link_settings settings;
    struct server_link_pool *pool;
    struct server_link *link;
    struct scripted_client client;
    struct buffer content;
    char trace[TRACE_BYTES]; /* the events, by name */
    char failure[256];       /* ending, name and address of a TLS session that failed */
    enum smtp_server_event_kind answers_later; /* this event is answered by a timer */
    enum smtp_server_event_kind closes_at, pauses_at;
    struct smtp_answer answer; /* to MESSAGE_ENDED */
    bool is_closed, ran_out;
};

static const char *const words[] = {
    [SMTP_SERVER_CONNECTED] = "connected",
    [SMTP_SERVER_HELLO_CAME] = "hello",
    [SMTP_SERVER_MAIL_CAME] = "mail",
    [SMTP_SERVER_RCPT_CAME] = "rcpt",
    [SMTP_SERVER_DATA_CAME] = "data",
    [SMTP_SERVER_MESSAGE_ENDED] = "ended",
    [SMTP_SERVER_MESSAGE_DROPPED] = "dropped",
    [SMTP_SERVER_REFUSED] = "refused",
    [SMTP_SERVER_EARLY_TALK] = "early",
    [SMTP_SERVER_INJECTED] = "injected",
    [SMTP_SERVER_TIMED_OUT] = "timed-out",
    [SMTP_SERVER_ENDED_EARLY] = "ended-early",
    [SMTP_SERVER_FINISHED] = NULL,
};

static void note(struct scene *scene, const char *word)
{
    size_t used = strlen(scene->trace);

    assert_true(used + strlen(word) + 2 < sizeof scene->trace);
    snprintf(scene->trace + used, sizeof scene->trace - used, "%s%s", used == 0 ? "" : " ", word);
}

static void stop_if_over(struct scene *scene)
{
    if (scene->is_closed && (scene->client.stream == NULL || scene->client.has_ended))
        loop_stop(scene->loop);
}

static void on_event(void *owner, const struct smtp_server_event *event)
{
    struct scene *scene = owner;
    bool asks = event->kind != SMTP_SERVER_NOTHING && event->kind <= SMTP_SERVER_MESSAGE_ENDED;

    if (event->kind == SMTP_SERVER_CONTENT) {
        assert_true(buffer_append(&scene->content, event->bytes));
        if (scene->pauses_at == SMTP_SERVER_CONTENT) {
            server_link_pause(scene->link);
            loop_timer_start(scene->later, 5);
        }
        return;
    }
    note(scene, words[event->kind]);
    if (scene->closes_at == event->kind) {
        server_link_close(&scene->link);
        scene->is_closed = true;
        loop_timer_start(scene->later, 20);
    } else if (asks && scene->answers_later == event->kind) {
        loop_timer_start(scene->later, 20);
    } else if (asks) {
        server_link_answer(scene->link, event->kind == SMTP_SERVER_MESSAGE_ENDED
                                            ? scene->answer
                                            : (struct smtp_answer){ .code = 0 });
    }
}

static void on_secured(void *owner, const struct tls_facts *facts)
{
    assert_true(facts->was_completed);
    note(owner, tls_version_name(facts->version));
}

static void on_failed(void *owner, const struct inbound_observation *seen, struct arena *arena)
{
    struct scene *scene = owner;

    note(scene, "failed");
    snprintf(scene->failure, sizeof scene->failure, "%s %s %s%s%.*s", ending_name(seen->ending),
             seen->name, seen->address, seen->injected.len > 0 ? " " : "", (int)seen->injected.len,
             seen->injected.data == NULL ? "" : seen->injected.data);
    assert_non_null(arena_copy(arena, span_of("there is room")));
}

static void on_closed(void *owner)
{
    struct scene *scene = owner;

    scene->is_closed = true;
    scene->link = NULL;
    note(scene, "closed");
    loop_timer_start(scene->later, 0);
}

static const struct server_link_handlers handlers = {
    .event = on_event, .secured = on_secured, .failed = on_failed, .closed = on_closed
};

static void go_on_later(void *owner)
{
    struct scene *scene = owner;

    if (scene->is_closed)
        loop_timer_start(scene->later, 5);
    else if (scene->pauses_at != SMTP_SERVER_NOTHING)
        server_link_resume(scene->link);
    else
        server_link_answer(scene->link, scene->answer);
    stop_if_over(scene);
}

static void run_out(void *owner)
{
    struct scene *scene = owner;

    scene->ran_out = true;
    loop_stop(scene->loop);
}

static void accept_one(void *owner, int socket, const struct net_address *peer)
{
    struct scene *scene = owner;
    struct error err = { .text = "" };

    if (!server_link_open(scene->pool, &scene->settings, socket, peer, &handlers, scene,
                          &scene->link, &err))
        fail_msg("%s", err.text);
}

static void begin(struct scene *scene)
{
    struct error err = { .text = "" };

    *scene = (struct scene){ .clock = clock_system(),
                             .tls = { .security_level = 1 },
                             .smtp = { .hostname = "mx.test",
                                       .tls = SMTP_SERVER_TLS_MAY,
                                       .extensions = SMTP_SERVER_EXTENSIONS } };
    assert_true(net_address_parse(span_of("127.0.0.1"), &scene->address));
    assert_true(loop_open(&scene->loop, &err));
    assert_true(loop_timer_open(scene->loop, run_out, scene, &scene->limit, &err));
    assert_true(loop_timer_open(scene->loop, go_on_later, scene, &scene->later, &err));
    assert_true(server_link_pool_new(scene->loop, &scene->pool, &err));
    buffer_init(&scene->content, 64 * 1024 * 1024);
}

static void run(struct scene *scene)
{
    struct error err = { .text = "" };

    scene->credentials = made_credentials(MADE_EC);
    scene->tls.credentials = scene->credentials;
    if (!tls_server_context_new(&scene->tls, &scene->context, &err))
        fail_msg("%s", err.text);
    scene->settings.smtp = &scene->smtp;
    scene->settings.tls = scene->context;
    scene->settings.self = &scene->self;
    scene->settings.clock = &scene->clock;
    scene->settings.port = 25;
    assert_true(
        listener_open(scene->loop, &scene->address, accept_one, scene, &scene->listener, &err));
    scripted_client_start(&scene->client, scene->loop, &scene->address);
    loop_timer_start(scene->limit, LIMIT_MS);
    loop_run(scene->loop);
    assert_false(scene->ran_out);
}

static void end(struct scene *scene)
{
    scripted_client_stop(&scene->client);
    server_link_close(&scene->link);
    listener_close(&scene->listener);
    server_link_pool_free(&scene->pool);
    loop_timer_close(&scene->limit);
    loop_timer_close(&scene->later);
    tls_server_context_free(&scene->context);
    tls_credentials_free(&scene->credentials);
    buffer_clear(&scene->content);
    loop_close(&scene->loop);
}

#define STEPS(...)                                                                                 \
    (struct client_step[CLIENT_STEPS_MOST])                                                        \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static void play(struct scene *scene, const struct client_step steps[CLIENT_STEPS_MOST])
{
    memcpy(scene->client.steps, steps, sizeof scene->client.steps);
    run(scene);
}

#define GREET                                                                                      \
    {                                                                                              \
        CLIENT_SAY, "220 ", "EHLO me.test\r\n", 0                                                  \
    }

static void takes_a_message_inside_tls(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene);
    play(&scene,
         STEPS(GREET, { CLIENT_SAY, "250 ", "STARTTLS\r\n", 0 }, { CLIENT_SECURE, "220 ", NULL, 0 },
               { CLIENT_SAY, NULL, "EHLO me.test\r\n", 0 },
               { CLIENT_SAY, "250 ", "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n", 0 },
               { CLIENT_SAY, "354 ", "one\r\n..two\r\n.\r\nQUIT\r\n", 0 }));
    assert_string_equal(scene.trace, "connected hello TLSv1.3 hello mail rcpt data ended closed");
    assert_true(span_equal(buffer_span(&scene.content), span_of("one\r\n.two\r\n")));
    assert_true(scripted_client_heard(&scene.client, "221 "));
    assert_int_equal(scene.client.end, STREAM_CLOSED);
    assert_true(scene.client.facts.close_notify_received);
    end(&scene);
}

static void keeps_pipelined_commands_while_an_answer_is_due(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene);
    scene.answers_later = SMTP_SERVER_MESSAGE_ENDED;
    scene.answer = (struct smtp_answer){ 451, "4.3.0", "later" };
    play(&scene,
         STEPS(GREET, { CLIENT_SAY, "250 ",
                        "MAIL FROM:<>\r\nRCPT TO:<c@d.test>\r\nBDAT 4 LAST\r\nhi\r\nNOOP\r\n"
                        "MAIL FROM:<a@b.test>\r\nRSET\r\nQUIT\r\n",
                        0 }));
    assert_string_equal(scene.trace, "connected hello mail rcpt data ended mail dropped closed");
    assert_true(scripted_client_heard(&scene.client, "451 4.3.0 later\r\n250 2.0.0 Here"));
    assert_true(scripted_client_heard(&scene.client, "221 "));
    end(&scene);
}

/* Nothing is read while the answer is due; the handshake needs that it is. */
static void secures_a_client_whose_starttls_waited_for_an_answer(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene);
    scene.answers_later = SMTP_SERVER_MESSAGE_ENDED;
    play(&scene,
         STEPS(GREET,
               { CLIENT_SAY, "250 ",
                 "MAIL FROM:<>\r\nRCPT TO:<c@d.test>\r\nBDAT 4 LAST\r\nhi\r\nSTARTTLS\r\n", 0 },
               { CLIENT_SECURE, "220 2.0.0 Go", NULL, 0 }, { CLIENT_SAY, NULL, "QUIT\r\n", 0 }));
    assert_string_equal(scene.trace, "connected hello mail rcpt data ended TLSv1.3 closed");
    end(&scene);
}

/* The answer to STARTTLS is the one with which too much is unsent. Which that is depends on how answers are
 * sent together: so it is tried with some more of them, and some less. */
static void secures_a_client_that_was_sent_much_before(void **state)
{
    static char said[SERVER_LINK_UNSENT_MOST];
    const size_t most = SERVER_LINK_UNSENT_MOST / strlen("250 2.0.0 Here I am\r\n") + 4;

    (void)state;
    for (size_t count = most - 52; count <= most; count += 4) {
        struct scene scene;

        said[0] = '\0';
        for (size_t i = 0; i < count; i++)
            memcpy(said + 6 * i, "NOOP\r\n", 7);
        strncat(said, "STARTTLS\r\n", sizeof said - strlen(said) - 1);
        begin(&scene);
        scene.smtp.idle_most = UINT32_MAX;
        play(&scene, STEPS(GREET, { CLIENT_SAY, "250 ", said, 0 },
                           { CLIENT_SECURE, "with TLS\r\n", NULL, 0 },
                           { CLIENT_SAY, NULL, "QUIT\r\n", 0 }));
        assert_string_equal(scene.trace, "connected hello TLSv1.3 closed");
        assert_true(scripted_client_heard(&scene.client, "221 "));
        end(&scene);
    }
}

static void loses_nothing_to_back_pressure(void **state)
{
    static char message[1 << 20];
    struct scene scene;

    (void)state;
    begin(&scene);
    for (size_t i = 0; i < sizeof message; i++)
        message[i] = i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : (char)('a' + i / 64 % 26);
    memcpy(message + sizeof message - 5, "\r\n.\r\n", 5);
    scene.pauses_at = SMTP_SERVER_CONTENT;
    play(&scene,
         STEPS(GREET, { CLIENT_SAY, "250 ", "MAIL FROM:<>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n", 0 },
               { CLIENT_SAY, "354 ", message, sizeof message - 5 },
               { CLIENT_SAY, NULL, message + sizeof message - 5, 5 },
               { CLIENT_SAY, "250 2.0.0 Taken", "QUIT\r\n", 0 }));
    assert_int_equal(scene.content.len, sizeof message - 3);
    assert_memory_equal(scene.content.data, message, sizeof message - 3);
    end(&scene);
}

static void answers_a_client_that_ends_tls_behind_its_message(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct scene scene;

        begin(&scene);
        scene.answers_later = SMTP_SERVER_MESSAGE_ENDED;
        tls_client_defaults(&scene.client.tls);
        scene.client.tls.maximum_version = i == 0 ? TLS_VERSION_1_3 : TLS_VERSION_1_2;
        play(&scene,
             STEPS(GREET, { CLIENT_SAY, "250 ", "STARTTLS\r\n", 0 },
                   { CLIENT_SECURE, "220 ", NULL, 0 }, { CLIENT_SAY, NULL, "EHLO me.test\r\n", 0 },
                   { CLIENT_SAY, "250 ",
                     "MAIL FROM:<>\r\nRCPT TO:<c@d.test>\r\nBDAT 4 LAST\r\nhi\r\n", 0 },
                   { CLIENT_END, NULL, NULL, 0 }));
        assert_non_null(strstr(scene.trace, "hello mail rcpt data ended ended-early closed"));
        assert_true(scripted_client_heard(&scene.client, "250 2.0.0 Taken\r\n"));
        assert_int_equal(scene.client.end, STREAM_CLOSED);
        assert_true(scene.client.facts.close_notify_received);
        end(&scene);
    }
}

/* The end waits with the bytes in front of it, and the engine is not at rest then. */
static void sees_an_end_that_came_while_it_was_paused(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene);
    scene.pauses_at = SMTP_SERVER_CONTENT;
    play(&scene,
         STEPS(GREET, { CLIENT_SAY, "250 ", "MAIL FROM:<>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n", 0 },
               { CLIENT_SAY, "354 ", "no end\r\n", 0 }, { CLIENT_CLOSE, NULL, NULL, 0 }));
    assert_string_equal(scene.trace, "connected hello mail rcpt data ended-early dropped closed");
    end(&scene);
}

static void neither_obeys_nor_answers_what_stands_in_clear_behind_starttls(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene);
    play(&scene, STEPS(GREET, { CLIENT_SAY, "250 ", "STARTTLS\r\nRSET\r\n", 0 }));
    assert_string_equal(scene.trace, "connected hello failed injected closed");
    assert_string_equal(scene.failure, "injected me.test 127.0.0.1 RSET\r\n");
    assert_true(scripted_client_heard(&scene.client,
                                      "554 5.5.1 Nothing may stand behind STARTTLS\r\n421 4.7.0 "));
    end(&scene);
}

static void tells_how_a_handshake_failed(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene);
    scene.client.tls.minimum_version = scene.client.tls.maximum_version = TLS_VERSION_1_1;
    scene.client.tls.security_level = 0;
    play(&scene, STEPS(GREET, { CLIENT_SAY, "250 ", "STARTTLS\r\n", 0 },
                       { CLIENT_SECURE, "220 ", NULL, 0 }));
    assert_string_equal(scene.trace, "connected hello failed closed");
    assert_string_equal(scene.failure, "tls me.test 127.0.0.1");
    end(&scene);
}

static void tells_of_a_client_that_leaves_before_it_speaks_inside(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene);
    play(&scene, STEPS(GREET, { CLIENT_SAY, "250 ", "STARTTLS\r\n", 0 },
                       { CLIENT_SECURE, "220 ", NULL, 0 }, { CLIENT_CLOSE, NULL, NULL, 0 }));
    assert_string_equal(scene.trace, "connected hello TLSv1.3 failed ended-early closed");
    assert_string_equal(scene.failure, "closed me.test 127.0.0.1");
    end(&scene);
}

static void cuts_a_handshake_that_takes_too_long(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene);
    scene.settings.handshake_timeout_ms = 50;
    play(&scene, STEPS(GREET, { CLIENT_SAY, "250 ", "STARTTLS\r\n", 0 }));
    assert_string_equal(scene.trace, "connected hello failed closed");
    assert_string_equal(scene.failure, "timeout me.test 127.0.0.1");
    end(&scene);
}

static void cuts_a_client_that_says_nothing_inside(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene);
    scene.smtp.command_timeout_ms = 1500; /* within it go the commands before */
    play(&scene, STEPS(GREET, { CLIENT_SAY, "250 ", "STARTTLS\r\n", 0 },
                       { CLIENT_SECURE, "220 ", NULL, 0 }));
    assert_string_equal(scene.trace, "connected hello TLSv1.3 timed-out failed closed");
    assert_string_equal(scene.failure, "timeout me.test 127.0.0.1");
    assert_true(scripted_client_heard(&scene.client, "421 4.4.2 "));
    end(&scene);
}

static void greets_inside_tls_where_it_is_implicit(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene);
    scene.smtp.tls = SMTP_SERVER_TLS_IMPLICIT;
    scene.client.is_implicit = true;
    play(&scene, STEPS(GREET, { CLIENT_SAY, "250 ", "QUIT\r\n", 0 }));
    assert_string_equal(scene.trace, "TLSv1.3 connected hello closed");
    assert_true(scripted_client_heard(&scene.client, "221 "));
    assert_false(scripted_client_heard(&scene.client, "STARTTLS"));
    end(&scene);
}

static void times_out_a_silent_client(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene);
    scene.smtp.command_timeout_ms = 50;
    play(&scene, STEPS({ CLIENT_STAY, NULL, NULL, 0 }));
    assert_string_equal(scene.trace, "connected timed-out closed");
    assert_true(scripted_client_heard(&scene.client, "421 4.4.2 "));
    end(&scene);
}

static void sees_a_client_that_goes_in_the_middle(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene);
    play(&scene, STEPS(GREET, { CLIENT_SAY, "250 ", "MAIL FROM:<>\r\n", 0 },
                       { CLIENT_RESET, "250 ", NULL, 0 }));
    assert_string_equal(scene.trace, "connected hello mail ended-early dropped closed");
    end(&scene);
}

/* The reply must not be lost to a reset though the client goes on sending. */
static void is_heard_by_a_client_that_still_sends(void **state)
{
    static char noise[256 * 1024];
    struct scene scene;

    (void)state;
    begin(&scene);
    memset(noise, 'x', sizeof noise);
    play(&scene, STEPS(GREET, { CLIENT_SAY, "250 ", "GET / HTTP/1.0\r\n", 0 },
                       { CLIENT_SAY, NULL, noise, sizeof noise }, { CLIENT_CLOSE, "5.", NULL, 0 }));
    assert_string_equal(scene.trace, "connected hello refused closed");
    end(&scene);
}

static void may_be_closed_inside_any_event(void **state)
{
    static const enum smtp_server_event_kind kinds[] = {
        SMTP_SERVER_CONNECTED, SMTP_SERVER_HELLO_CAME,    SMTP_SERVER_MAIL_CAME,
        SMTP_SERVER_DATA_CAME, SMTP_SERVER_MESSAGE_ENDED, SMTP_SERVER_REFUSED
    };

    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct scene scene;

        begin(&scene);
        scene.closes_at = kinds[i];
        play(&scene,
             STEPS(GREET,
                   { CLIENT_SAY, "250 ",
                     "MAIL FROM:<>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nhi\r\n.\r\nWHAT\r\n", 0 }));
        assert_null(strstr(scene.trace, "closed"));
        end(&scene);
    }
}

static void ends_by_our_own_word(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene);
    scene.answers_later = SMTP_SERVER_HELLO_CAME;
    scene.answer = (struct smtp_answer){ 421, "4.3.2", "Going down" };
    play(&scene, STEPS(GREET, { CLIENT_CLOSE, "421 ", NULL, 0 }));
    assert_string_equal(scene.trace, "connected hello closed");
    end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_a_message_inside_tls),
        cmocka_unit_test(keeps_pipelined_commands_while_an_answer_is_due),
        cmocka_unit_test(secures_a_client_whose_starttls_waited_for_an_answer),
        cmocka_unit_test(secures_a_client_that_was_sent_much_before),
        cmocka_unit_test(loses_nothing_to_back_pressure),
        cmocka_unit_test(answers_a_client_that_ends_tls_behind_its_message),
        cmocka_unit_test(sees_an_end_that_came_while_it_was_paused),
        cmocka_unit_test(neither_obeys_nor_answers_what_stands_in_clear_behind_starttls),
        cmocka_unit_test(tells_how_a_handshake_failed),
        cmocka_unit_test(tells_of_a_client_that_leaves_before_it_speaks_inside),
        cmocka_unit_test(cuts_a_handshake_that_takes_too_long),
        cmocka_unit_test(cuts_a_client_that_says_nothing_inside),
        cmocka_unit_test(greets_inside_tls_where_it_is_implicit),
        cmocka_unit_test(times_out_a_silent_client),
        cmocka_unit_test(sees_a_client_that_goes_in_the_middle),
        cmocka_unit_test(is_heard_by_a_client_that_still_sends),
        cmocka_unit_test(may_be_closed_inside_any_event),
        cmocka_unit_test(ends_by_our_own_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
