/* tests/unit/gateway/delivery_lmtp_test.c - promises of gateway/delivery.h about LMTP servers */
#include "../test.h"
#include "delivering.h"

#include <stdio.h>
#include <string.h>

#include "../net/peers.h"
#include "gateway/pace.h"
#include "lmtp_server.h"

static const char body[] = "Subject: one\r\n\r\nfirst\r\n.second\r\n..\r\nlast\r\n";

static struct delivering delivering;
static struct lmtp_server server;

static int open_all(void **state)
{
    (void)state;
    server = (struct lmtp_server){ .greeting = NULL };
    delivering_open(&delivering);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    if (delivering.delivery != NULL)
        delivering_stop(&delivering);
    lmtp_server_stop(&server);
    delivering_close(&delivering);
    return 0;
}

/* The server as the test has set it up, at an address, and what delivers. */
static void start(void)
{
    lmtp_server_start(&server, delivering.asking.loop);
    delivering.domains[DELIVERING_ONE].address = server.address;
    delivering.domains[DELIVERING_TWO].address = server.address;
    delivering_start(&delivering);
}

static void check(int64_t id, const char *recipient, enum tracking_kind kind, const char *code)
{
    AUTO(arena_clear) struct arena arena = { .limit = 4 * 1024 * 1024 };
    struct tracking_event story = delivering_story(&delivering, id, recipient, &arena);

    assert_int_equal(story.kind, kind);
    if (!span_equal(story.attempt.code, span_of(code)))
        fail_msg("%s: code %.*s, reply %.*s", recipient, (int)story.attempt.code.len,
                 story.attempt.code.data, (int)story.attempt.reply.len, story.attempt.reply.data);
}

static bool is_content(const char *text)
{
    return span_equal(buffer_span(&server.content), span_of(text));
}

static void hands_a_message_over_byte_for_byte(void **state)
{
    const char *const words[] = { " delivered id=",           " from=<from@example.net>",
                                  " relay=lmtp:[127.0.0.1]:", " tls=none:not-offered",
                                  " status=delivered",        " code=2.0.0" };
    int64_t id;

    (void)state;
    start();
    id = delivering_put(&delivering, "from@example.net", "user@one.example", span_of(body));
    delivering_settle(&delivering);
    check(id, "user@one.example", TRACKING_DONE, "2.0.0");
    assert_true(is_content(body));
    assert_true(delivering_logged(&delivering, words, ARRAY_SIZE(words)));
}

static void speaks_over_a_local_socket(void **state)
{
    const char *const words[] = { " delivered id=", " relay=lmtp:unix:", "/lmtp ",
                                  " tls=none:local-socket" };
    int64_t id;

    (void)state;
    lmtp_server_start_local(&server, delivering.asking.loop, delivering.socket_path);
    delivering_start(&delivering);
    id = delivering_put(&delivering, "", "user@sock.example", span_of(body));
    delivering_settle(&delivering);
    check(id, "user@sock.example", TRACKING_DONE, "2.0.0");
    assert_true(is_content(body));
    assert_true(delivering_logged(&delivering, words, ARRAY_SIZE(words)));
}

static void sends_one_transaction_for_all_recipients_of_a_server(void **state)
{
    (void)state;
    start();
    delivering_put(&delivering, "", "a@one.example,b@two.example,c@one.example", span_of(body));
    delivering_settle(&delivering);
    assert_int_equal(server.transactions, 1);
    assert_true(span_equal(buffer_span(&server.recipients),
                           span_of("a@one.example,b@two.example,c@one.example,")));
}

static void settles_each_recipient_by_its_own_replies(void **state)
{
    int64_t id;

    (void)state;
    start();
    id = delivering_put(&delivering, "",
                        "gone@one.example,ok@one.example,later@one.example,full@one.example,"
                        "large@two.example,fine@two.example",
                        span_of(body));
    delivering_settle(&delivering);
    check(id, "gone@one.example", TRACKING_BOUNCED, "5.1.1");
    check(id, "ok@one.example", TRACKING_DONE, "2.0.0");
    check(id, "later@one.example", TRACKING_DEFERRED, "4.2.1");
    check(id, "full@one.example", TRACKING_DEFERRED, "4.2.2");
    check(id, "large@two.example", TRACKING_BOUNCED, "5.2.3");
    check(id, "fine@two.example", TRACKING_DONE, "2.0.0");
    assert_true(span_equal(buffer_span(&server.recipients),
                           span_of("ok@one.example,full@one.example,large@two.example,"
                                   "fine@two.example,")));
}

static void keeps_the_words_of_every_line_of_a_reply(void **state)
{
    AUTO(arena_clear) struct arena arena = { .limit = 4 * 1024 * 1024 };
    struct tracking_event story;
    int64_t id;

    (void)state;
    start();
    id = delivering_put(&delivering, "", "gone@one.example", span_of(body));
    delivering_settle(&delivering);
    story = delivering_story(&delivering, id, "gone@one.example", &arena);
    assert_true(span_equal(story.attempt.reply, span_of("550 5.1.1 Nobody 5.1.1 lives here")));
}

static void sends_many_messages_over_few_connections(void **state)
{
    enum { MESSAGES = 60 };

    (void)state;
    for (int i = 0; i < MESSAGES; i++)
        delivering_put(&delivering, "", "user@one.example", span_of(body));
    start();
    delivering_settle(&delivering);
    assert_int_equal(server.messages, MESSAGES);
    assert_true(server.accepted <= DELIVERY_CONVERSATIONS_MOST);
    assert_true(server.most_open <= DELIVERY_CONVERSATIONS_MOST);
}

static void dials_another_where_messages_take_long(void **state)
{
    int64_t came_ms;

    (void)state;
    server.is_silent = true;
    for (int i = 0; i < 3; i++)
        delivering_put(&delivering, "", "user@one.example", span_of(body));
    start();
    while (server.messages == 0)
        delivering_turn(&delivering);
    came_ms = loop_now_ms(delivering.asking.loop);
    while (loop_now_ms(delivering.asking.loop) < came_ms + 2 * PACE_WAIT_MS)
        delivering_turn(&delivering);
    assert_int_equal(server.accepted, 1);
    lmtp_server_speak(&server);
    delivering_settle(&delivering);
    assert_int_equal(server.messages, 3);
    assert_int_equal(server.accepted, 2);
}

static void splits_more_recipients_than_a_transaction_may_have(void **state)
{
    char list[8192] = "";
    int64_t id;

    (void)state;
    for (int i = 0; i < DELIVERY_RECIPIENTS_MOST + 40; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%su%d@one.example",
                 i == 0 ? "" : ",", i);
    start();
    id = delivering_put(&delivering, "", list, span_of(body));
    delivering_settle(&delivering);
    assert_int_equal(server.transactions, 2);
    check(id, "u0@one.example", TRACKING_DONE, "2.0.0");
    check(id, "u139@one.example", TRACKING_DONE, "2.0.0");
}

static void brings_large_bodies_over_in_parts(void **state)
{
    struct buffer large;

    (void)state;
    buffer_init(&large, 3 * 1024 * 1024);
    while (large.len + 1100 < large.limit)
        assert_true(buffer_format(&large, ".%0*zu\r\n", (int)(large.len % 997 + 1), large.len));
    start();
    delivering_put(&delivering, "", "user@one.example", buffer_span(&large));
    delivering_settle(&delivering);
    assert_int_equal(server.content.len, large.len);
    assert_memory_equal(server.content.data, large.data, large.len);
    buffer_clear(&large);
}

static void defers_what_waits_for_a_server_that_is_not_there(void **state)
{
    const char *const words[] = { " warn deferred id=", " code=4.4.1", " tls=none:no-session",
                                  " finding=connect-refused" };
    int64_t first, second;

    (void)state;
    server.wants_no_more = true;
    first = delivering_put(&delivering, "", "user@one.example", span_of(body));
    second = delivering_put(&delivering, "", "user@two.example", span_of(body));
    start();
    delivering_settle(&delivering);
    check(first, "user@one.example", TRACKING_DEFERRED, "4.4.1");
    check(second, "user@two.example", TRACKING_DEFERRED, "4.4.1");
    assert_true(delivering_logged(&delivering, words, ARRAY_SIZE(words)));
}

static void defers_where_there_is_no_such_socket(void **state)
{
    const char *const words[] = { " warn deferred id=", " code=4.4.1", "No such file" };
    int64_t id;

    (void)state;
    delivering_start(&delivering);
    id = delivering_put(&delivering, "", "user@sock.example", span_of(body));
    delivering_settle(&delivering);
    check(id, "user@sock.example", TRACKING_DEFERRED, "4.4.1");
    assert_true(delivering_logged(&delivering, words, ARRAY_SIZE(words)));
}

static void defers_where_the_server_turns_everybody_away(void **state)
{
    const char *const words[] = { " code=4.3.2", "554 5.3.2 Closed for today" };
    int64_t id;

    (void)state;
    server.greeting = "554 5.3.2 Closed for today";
    start();
    id = delivering_put(&delivering, "", "user@one.example", span_of(body));
    delivering_settle(&delivering);
    check(id, "user@one.example", TRACKING_DEFERRED, "4.3.2");
    assert_true(delivering_logged(&delivering, words, ARRAY_SIZE(words)));
}

static void tells_what_a_sender_was_refused_with(void **state)
{
    const char *const words[] = { " bounced id=", " code=5.7.1", "550 5.7.1 Not you" };
    int64_t id;

    (void)state;
    server.mail_reply = "550 5.7.1 Not you";
    start();
    id = delivering_put(&delivering, "from@example.net", "a@one.example,b@one.example",
                        span_of(body));
    delivering_settle(&delivering);
    check(id, "a@one.example", TRACKING_BOUNCED, "5.7.1");
    check(id, "b@one.example", TRACKING_BOUNCED, "5.7.1");
    assert_true(delivering_logged(&delivering, words, ARRAY_SIZE(words)));
}

static void defers_where_data_is_refused_for_now(void **state)
{
    int64_t id;

    (void)state;
    server.data_reply = "451 4.3.1 No room";
    start();
    id = delivering_put(&delivering, "", "gone@one.example,b@one.example", span_of(body));
    delivering_settle(&delivering);
    check(id, "gone@one.example", TRACKING_BOUNCED, "5.1.1");
    check(id, "b@one.example", TRACKING_DEFERRED, "4.3.1");
}

static void defers_what_a_cut_leaves_without_a_reply(void **state)
{
    int64_t id;

    (void)state;
    server.cuts_between_answers = true;
    start();
    id = delivering_put(&delivering, "", "a@one.example,b@one.example", span_of(body));
    delivering_settle(&delivering);
    check(id, "a@one.example", TRACKING_DONE, "2.0.0");
    check(id, "b@one.example", TRACKING_DEFERRED, "4.4.2");
}

static void defers_where_the_server_leaves_in_the_middle_of_a_body(void **state)
{
    int64_t id;

    (void)state;
    server.cuts_in_data = true;
    start();
    id = delivering_put(&delivering, "", "a@one.example,gone@one.example", span_of(body));
    delivering_settle(&delivering);
    check(id, "a@one.example", TRACKING_DEFERRED, "4.4.2");
    check(id, "gone@one.example", TRACKING_BOUNCED, "5.1.1");
}

static void goes_on_over_another_connection_where_a_server_closes_after_some(void **state)
{
    (void)state;
    server.closes_after = 3;
    for (int i = 0; i < 20; i++)
        delivering_put(&delivering, "", "user@one.example", span_of(body));
    start();
    delivering_empty(&delivering);
    assert_int_equal(server.messages, 20);
    assert_true(server.accepted >= 7);
}

static void bounces_what_the_server_cannot_be_given(void **state)
{
    int64_t id;

    (void)state;
    server.offers = "SIZE 10\0";
    start();
    id = delivering_put(&delivering, "", "a@one.example", span_of(body));
    delivering_settle(&delivering);
    check(id, "a@one.example", TRACKING_BOUNCED, "5.3.4");
    assert_int_equal(server.transactions, 0);
}

static void check_utf8(const char *recipient, enum tracking_kind kind, const char *code)
{
    int64_t id;

    delivering.is_smtputf8 = true;
    start();
    id = delivering_put(&delivering, "from@example.net", recipient, span_of(body));
    delivering_settle(&delivering);
    check(id, recipient, kind, code);
}

static void does_without_smtputf8_where_no_address_needs_it(void **state)
{
    (void)state;
    check_utf8("a@one.example", TRACKING_DONE, "2.0.0");
    assert_true(span_starts_with(buffer_span(&server.commands), "MAIL FROM:<from@example.net>\n"));
}

static void bounces_an_address_in_utf8_where_the_server_knows_none(void **state)
{
    (void)state;
    check_utf8("gr\xc3\xbc\xc3\x9f"
               "e@one.example",
               TRACKING_BOUNCED, "5.6.7");
    assert_int_equal(server.transactions, 0);
}

static void asks_for_smtputf8_where_the_server_knows_it(void **state)
{
    (void)state;
    server.offers = "SMTPUTF8\0"
                    "8BITMIME\0";
    check_utf8("a@one.example", TRACKING_DONE, "2.0.0");
    assert_non_null(memmem(server.commands.data, server.commands.len, " SMTPUTF8", 9));
}

static void keeps_an_address_that_fits_into_no_command_out_of_the_transaction(void **state)
{
    int64_t id;

    (void)state;
    start();
    id = delivering_put(&delivering, "", "a b>@one.example,ok@one.example", span_of(body));
    delivering_settle(&delivering);
    check(id, "a b>@one.example", TRACKING_BOUNCED, "5.1.3");
    check(id, "ok@one.example", TRACKING_DONE, "2.0.0");
    assert_true(span_equal(buffer_span(&server.commands),
                           span_of("MAIL FROM:<>\nRCPT TO:<ok@one.example>\n")));
}

static void start_with_tls(bool breaks_handshake)
{
    struct tls_credentials *credentials = made_credentials(MADE_EC);
    const struct tls_server_settings settings = { .credentials = credentials };
    struct error err = { .text = "" };

    if (!tls_server_context_new(&settings, &server.tls, &err))
        fail_msg("%s", err.text);
    tls_credentials_free(&credentials);
    server.breaks_handshake = breaks_handshake;
    start();
}

static void turns_to_tls_where_a_server_at_an_address_offers_it(void **state)
{
    AUTO(arena_clear) struct arena arena = { .limit = 4 * 1024 * 1024 };
    const char *const words[] = { " delivered id=", " tls=may:TLSv1.3 " };
    struct tracking_event story;
    int64_t id;

    (void)state;
    start_with_tls(false);
    id = delivering_put(&delivering, "", "a@one.example", span_of(body));
    delivering_settle(&delivering);
    story = delivering_story(&delivering, id, "a@one.example", &arena);
    assert_int_equal(story.kind, TRACKING_DONE);
    assert_true(span_equal(story.attempt.tls, span_of("may:TLSv1.3")));
    assert_int_equal(server.encrypted, 1);
    assert_true(is_content(body));
    assert_true(delivering_logged(&delivering, words, ARRAY_SIZE(words)));
    tls_server_context_free(&server.tls);
}

static void goes_on_in_the_clear_where_tls_fails_and_says_so(void **state)
{
    const char *const words[] = { " delivered id=", " tls=none:tls-failed " };
    int64_t id;

    (void)state;
    start_with_tls(true);
    id = delivering_put(&delivering, "", "a@one.example", span_of(body));
    delivering_settle(&delivering);
    check(id, "a@one.example", TRACKING_DONE, "2.0.0");
    assert_int_equal(server.encrypted, 0);
    assert_int_equal(server.accepted, 2);
    assert_true(delivering_logged(&delivering, words, ARRAY_SIZE(words)));
    tls_server_context_free(&server.tls);
}

/* localhost may be ::1 first, where nobody listens here. */
static void finds_a_server_by_its_name_at_whichever_address_it_listens(void **state)
{
    const char *const words[] = { " delivered id=", " relay=lmtp:localhost:" };
    int64_t id;

    (void)state;
    delivering.domains[DELIVERING_ONE].host = "localhost";
    start();
    id = delivering_put(&delivering, "", "a@one.example", span_of(body));
    delivering_settle(&delivering);
    check(id, "a@one.example", TRACKING_DONE, "2.0.0");
    assert_true(delivering_logged(&delivering, words, ARRAY_SIZE(words)));
}

static void defers_where_the_servers_name_is_unknown(void **state)
{
    const char *const words[] = { " deferred id=", " code=4.4.3", "looking up no host: " };
    int64_t id;

    (void)state;
    delivering.domains[DELIVERING_ONE].host = "no host"; /* no resolver is asked for that */
    start();
    id = delivering_put(&delivering, "", "a@one.example", span_of(body));
    delivering_settle(&delivering);
    check(id, "a@one.example", TRACKING_DEFERRED, "4.4.3");
    assert_true(delivering_logged(&delivering, words, ARRAY_SIZE(words)));
}

static void cuts_a_silent_server_when_the_time_to_drain_is_over(void **state)
{
    int64_t id;

    (void)state;
    server.is_silent = true;
    delivering.drain_ms = 50;
    start();
    id = delivering_put(&delivering, "", "a@one.example", span_of(body));
    for (int i = 0; i < 5000 && server.messages == 0; i++)
        delivering_turn(&delivering);
    assert_int_equal(server.messages, 1);
    delivering_stop(&delivering);
    check(id, "a@one.example", TRACKING_DEFERRED, "4.4.2");
}

#define DELIVERS(test) cmocka_unit_test_setup_teardown(test, open_all, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DELIVERS(hands_a_message_over_byte_for_byte),
        DELIVERS(speaks_over_a_local_socket),
        DELIVERS(sends_one_transaction_for_all_recipients_of_a_server),
        DELIVERS(settles_each_recipient_by_its_own_replies),
        DELIVERS(keeps_the_words_of_every_line_of_a_reply),
        DELIVERS(sends_many_messages_over_few_connections),
        DELIVERS(dials_another_where_messages_take_long),
        DELIVERS(splits_more_recipients_than_a_transaction_may_have),
        DELIVERS(brings_large_bodies_over_in_parts),
        DELIVERS(defers_what_waits_for_a_server_that_is_not_there),
        DELIVERS(defers_where_there_is_no_such_socket),
        DELIVERS(defers_where_the_server_turns_everybody_away),
        DELIVERS(tells_what_a_sender_was_refused_with),
        DELIVERS(defers_where_data_is_refused_for_now),
        DELIVERS(defers_what_a_cut_leaves_without_a_reply),
        DELIVERS(defers_where_the_server_leaves_in_the_middle_of_a_body),
        DELIVERS(goes_on_over_another_connection_where_a_server_closes_after_some),
        DELIVERS(bounces_what_the_server_cannot_be_given),
        DELIVERS(does_without_smtputf8_where_no_address_needs_it),
        DELIVERS(bounces_an_address_in_utf8_where_the_server_knows_none),
        DELIVERS(asks_for_smtputf8_where_the_server_knows_it),
        DELIVERS(keeps_an_address_that_fits_into_no_command_out_of_the_transaction),
        DELIVERS(turns_to_tls_where_a_server_at_an_address_offers_it),
        DELIVERS(goes_on_in_the_clear_where_tls_fails_and_says_so),
        DELIVERS(finds_a_server_by_its_name_at_whichever_address_it_listens),
        DELIVERS(defers_where_the_servers_name_is_unknown),
        DELIVERS(cuts_a_silent_server_when_the_time_to_drain_is_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
