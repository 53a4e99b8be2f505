/* tests/unit/smtp/client_test.c - promises of smtp/client.h that no scenario can show
 *
 * What a conversation looks like is in tests/scenario/.
 */
#include "../test.h"

#include <stdio.h>

#include "base/compiler.h"
#include "smtp/client.h"

enum { RECIPIENTS = SMTP_CLIENT_RECIPIENTS_MOST };

static const struct smtp_client_settings settings = { .hostname = "client.example",
                                                      .reply_timeout_ms = 1000 };
static char storage[8192];
static char sent[256 * 1024];
static size_t sent_len;

static void send_at_most(struct smtp_client *client, size_t most)
{
    struct span output = span_part(smtp_client_output(client), 0, most);

    assert_true(sent_len + output.len < sizeof sent);
    if (output.len > 0)
        memcpy(sent + sent_len, output.data, output.len);
    sent_len += output.len;
    smtp_client_sent(client, output.len);
}

static void send_all(struct smtp_client *client)
{
    while (smtp_client_output(client).len > 0)
        send_at_most(client, SIZE_MAX);
    sent[sent_len] = '\0';
}

static enum smtp_client_event_kind last_event(struct smtp_client *client)
{
    struct smtp_client_event event;
    enum smtp_client_event_kind kind = SMTP_CLIENT_NOTHING;

    while (smtp_client_next(client, &event))
        kind = event.kind;
    return kind;
}

/* Feeds all; the last event that came of it. */
static enum smtp_client_event_kind hear(struct smtp_client *client, const char *text)
{
    enum smtp_client_event_kind kind = SMTP_CLIENT_NOTHING;
    struct span input = span_of(text);

    while (input.len > 0) {
        smtp_client_feed(client, &input, 0);
        kind = last_event(client);
    }
    return kind;
}

static void start(struct smtp_client *client, const char *ehlo)
{
    sent_len = 0;
    smtp_client_init(client, &settings, storage, sizeof storage, 0);
    hear(client, "220 mx.example.org\r\n");
    send_all(client);
    assert_string_equal(sent, "EHLO client.example\r\n");
    assert_int_equal(hear(client, ehlo), SMTP_CLIENT_IS_READY);
    sent_len = 0;
}

static const char pipelining[] = "250-mx.example.org\r\n250 PIPELINING\r\n";
static struct smtp_client_recipient recipients[RECIPIENTS];

static struct smtp_client_message many_recipients(void)
{
    for (size_t i = 0; i < RECIPIENTS; i++)
        recipients[i].address = "recipient@example.org";
    return (struct smtp_client_message){ .sender = "a@client.example",
                                         .recipients = recipients,
                                         .recipient_count = RECIPIENTS };
}

static void writes_a_thousand_recipients_through_a_small_output(void **state)
{
    struct smtp_client client;
    struct smtp_client_message message = many_recipients();
    size_t lines = 0;

    (void)state;
    start(&client, pipelining);
    smtp_client_send(&client, &message, 0);
    while (smtp_client_output(&client).len > 0)
        send_at_most(&client, 100);
    for (size_t i = 0; i < sent_len; i++)
        lines += sent[i] == '\n';
    assert_int_equal(lines, 1 + RECIPIENTS + 1);
    assert_memory_equal(sent + sent_len - 8, "\r\nDATA\r\n", 8);
    hear(&client, "250 ok\r\n");
    for (size_t i = 0; i < RECIPIENTS; i++)
        assert_int_equal(hear(&client, "250 ok\r\n"), SMTP_CLIENT_RECIPIENT);
    assert_int_equal(hear(&client, "354 go\r\n"), SMTP_CLIENT_BODY_WANTED);
}

/* The sender is refused while most of the group is not written yet. */
static void stops_writing_when_nobody_can_get_the_message(void **state)
{
    struct smtp_client client;
    struct smtp_client_message message = many_recipients();

    (void)state;
    start(&client, pipelining);
    smtp_client_send(&client, &message, 0);
    send_at_most(&client, 10);
    size_t written = client.transaction.written;

    assert_true(written < RECIPIENTS);
    hear(&client, "550 5.7.1 not you\r\n");
    send_all(&client);
    assert_int_equal(client.transaction.written, written);
    for (size_t i = 2; i < written; i++)
        assert_int_equal(hear(&client, "503 need MAIL\r\n"), SMTP_CLIENT_REPLIED);
    assert_int_equal(hear(&client, "503 need MAIL\r\n"), SMTP_CLIENT_IS_READY);
}

/* Replies to commands that wait in the output cannot be replies to them. */
static void ends_when_replies_overtake_commands(void **state)
{
    struct smtp_client client;
    struct smtp_client_message message = many_recipients();
    enum smtp_client_event_kind kind = SMTP_CLIENT_NOTHING;

    (void)state;
    start(&client, pipelining);
    smtp_client_send(&client, &message, 0);
    for (size_t i = 0; i < client.transaction.written; i++)
        kind = hear(&client, "250 ok\r\n");
    assert_int_equal(kind, SMTP_CLIENT_RECIPIENT);
    assert_int_equal(hear(&client, "250 ok\r\n"), SMTP_CLIENT_FINISHED);
    assert_int_equal(smtp_client_state(&client), SMTP_CLIENT_CLOSED);
}

/* Likewise, where every RCPT is written and only DATA had no room. */
static void ends_when_a_reply_overtakes_data(void **state)
{
    struct smtp_client client;
    struct smtp_client_message message = many_recipients();

    (void)state;
    start(&client, pipelining);
    for (message.recipient_count = 1;; message.recipient_count++) {
        struct smtp_client trial = client;

        smtp_client_send(&trial, &message, 0);
        if (trial.transaction.written == message.recipient_count + 1)
            break;
    }
    smtp_client_send(&client, &message, 0);
    for (size_t i = 0; i <= message.recipient_count; i++)
        hear(&client, "250 ok\r\n");
    assert_int_equal(smtp_client_state(&client), SMTP_CLIENT_DATA);
    assert_int_equal(hear(&client, "354 go\r\n"), SMTP_CLIENT_FINISHED);
}

static void refuses_more_recipients_than_it_can_count(void **state)
{
    struct smtp_client client;
    struct smtp_client_message message = many_recipients();
    struct smtp_client_event event;

    (void)state;
    message.recipient_count++;
    start(&client, pipelining);
    smtp_client_send(&client, &message, 0);
    assert_true(smtp_client_next(&client, &event));
    assert_int_equal(event.kind, SMTP_CLIENT_MESSAGE_UNSENT);
    assert_int_equal(event.unsent, SMTP_CLIENT_UNSENT_COUNT);
}

static void takes_no_more_of_a_body_than_the_output_holds(void **state)
{
    static char body[3 * SMTP_CLIENT_OUTPUT_BYTES];
    struct smtp_client client;
    struct smtp_client_message message = many_recipients();
    struct span rest = { body, sizeof body };

    (void)state;
    message.recipient_count = 1;
    memset(body, '.', sizeof body);
    start(&client, pipelining);
    smtp_client_send(&client, &message, 0);
    send_all(&client);
    assert_int_equal(hear(&client, "250 ok\r\n250 ok\r\n354 go\r\n"), SMTP_CLIENT_BODY_WANTED);
    sent_len = 0;
    while (smtp_client_state(&client) == SMTP_CLIENT_BODY) {
        smtp_client_give_body(&client, &rest, true, 0);
        assert_true(smtp_client_output(&client).len <= SMTP_CLIENT_OUTPUT_BYTES);
        send_at_most(&client, 1000);
    }
    send_all(&client);
    assert_int_equal(rest.len, 0);
    assert_int_equal(sent_len, sizeof body + 1 + strlen("\r\n.\r\n"));
    assert_memory_equal(sent + sent_len - 6, ".\r\n.\r\n", 6);
}

static void ends_the_body_only_where_the_end_has_room(void **state)
{
    static char body[SMTP_CLIENT_OUTPUT_BYTES + 8];
    struct smtp_client ready;
    struct smtp_client_message message = many_recipients();

    (void)state;
    message.recipient_count = 1;
    memset(body, 'x', sizeof body);
    start(&ready, pipelining);
    smtp_client_send(&ready, &message, 0);
    send_all(&ready);
    hear(&ready, "250 ok\r\n250 ok\r\n354 go\r\n");
    for (size_t len = SMTP_CLIENT_OUTPUT_BYTES - 8; len <= sizeof body; len++) {
        struct smtp_client client = ready;
        struct span rest = { body, len };

        smtp_client_give_body(&client, &rest, true, 0);
        assert_true(smtp_client_output(&client).len <= SMTP_CLIENT_OUTPUT_BYTES);
        assert_int_equal(smtp_client_state(&client) == SMTP_CLIENT_END_OF_DATA,
                         len + strlen("\r\n.\r\n") <= SMTP_CLIENT_OUTPUT_BYTES);
        sent_len = 0;
        send_all(&client);
        if (smtp_client_state(&client) == SMTP_CLIENT_BODY)
            smtp_client_give_body(&client, &rest, true, 0);
        send_all(&client);
        assert_int_equal(smtp_client_state(&client), SMTP_CLIENT_END_OF_DATA);
        assert_int_equal(sent_len, len + strlen("\r\n.\r\n"));
    }
}

/* A client with one recipient whose body is wanted. */
static void start_body(struct smtp_client *client)
{
    static struct smtp_client_message message;

    message = many_recipients();
    message.recipient_count = 1;
    start(client, pipelining);
    smtp_client_send(client, &message, 0);
    send_all(client);
    assert_int_equal(hear(client, "250 ok\r\n250 ok\r\n354 go\r\n"), SMTP_CLIENT_BODY_WANTED);
    sent_len = 0;
}

static void believes_no_250_that_came_before_the_end_was_sent(void **state)
{
    struct smtp_client client;
    struct span body = span_of("Subject: x\r\n");
    struct smtp_client_event event;
    struct span input = span_of("250 taken\r\n");

    (void)state;
    start_body(&client);
    smtp_client_give_body(&client, &body, true, 0);
    assert_int_equal(smtp_client_state(&client), SMTP_CLIENT_END_OF_DATA);
    smtp_client_feed(&client, &input, 0);
    assert_true(smtp_client_next(&client, &event));
    assert_int_equal(event.kind, SMTP_CLIENT_REPLIED);
    assert_true(smtp_client_next(&client, &event));
    assert_int_equal(event.kind, SMTP_CLIENT_FINISHED);
}

static void takes_no_body_while_the_output_is_full(void **state)
{
    static char bytes[2 * SMTP_CLIENT_OUTPUT_BYTES];
    struct smtp_client client;
    struct span body = { bytes, sizeof bytes };

    (void)state;
    memset(bytes, 'x', sizeof bytes);
    start_body(&client);
    smtp_client_give_body(&client, &body, true, 0);
    size_t left = body.len;

    smtp_client_give_body(&client, &body, true, 0);
    assert_int_equal(body.len, left);
    assert_int_equal(smtp_client_output(&client).len, SMTP_CLIENT_OUTPUT_BYTES);
}

static void sends_no_body_that_holds_what_it_may_not(void **state)
{
    static const struct span bodies[] = {
        { "a\nb", 3 }, { "a\rb", 3 }, { "a\r", 2 }, { "a\0b", 3 }
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        struct smtp_client client;
        struct span body = bodies[i];

        start_body(&client);
        smtp_client_give_body(&client, &body, true, 0);
        assert_int_equal(last_event(&client), SMTP_CLIENT_FINISHED);
        assert_int_equal(smtp_client_output(&client).len, 0);
    }
}

static void gives_an_empty_body_its_end(void **state)
{
    struct smtp_client client;
    struct span body = { NULL, 0 };

    (void)state;
    start_body(&client);
    smtp_client_give_body(&client, &body, false, 0);
    assert_int_equal(smtp_client_output(&client).len, 0);
    assert_int_equal(smtp_client_state(&client), SMTP_CLIENT_BODY);
    smtp_client_give_body(&client, &body, true, 0);
    send_all(&client);
    assert_string_equal(sent, ".\r\n");
}

static void counts_the_time_that_the_caller_asks_for(void **state)
{
    struct smtp_client client;

    (void)state;
    smtp_client_init(&client, &settings, storage, sizeof storage, 5000);
    assert_int_equal(smtp_client_deadline_ms(&client), 6000);
    smtp_client_tick(&client, 5999);
    assert_int_equal(last_event(&client), SMTP_CLIENT_NOTHING);
    /* bytes that trickle in do not put off the end */
    struct span input = span_of("220 mx");

    smtp_client_feed(&client, &input, 5999);
    assert_int_equal(smtp_client_deadline_ms(&client), 6000);
    smtp_client_tick(&client, 6000);
    assert_int_equal(last_event(&client), SMTP_CLIENT_FINISHED);
    assert_true(smtp_client_deadline_ms(&client) == INT64_MAX);
}

static void is_a_plain_struct_that_can_be_copied_and_replayed(void **state)
{
    struct smtp_client client, copy;

    (void)state;
    start(&client, pipelining);
    copy = client;
    smtp_client_quit(&client, 0);
    assert_int_equal(smtp_client_state(&copy), SMTP_CLIENT_READY);
    smtp_client_quit(&copy, 0);
    assert_int_equal(hear(&copy, "221 bye\r\n"), SMTP_CLIENT_FINISHED);
}

static void takes_no_byte_while_events_wait(void **state)
{
    struct smtp_client client;
    struct span input = span_of("220 mx.example.org\r\n250 mx.example.org\r\n");

    (void)state;
    smtp_client_init(&client, &settings, storage, sizeof storage, 0);
    smtp_client_feed(&client, &input, 0);
    assert_int_equal(input.len, strlen("250 mx.example.org\r\n"));
    smtp_client_feed(&client, &input, 0);
    assert_int_equal(input.len, strlen("250 mx.example.org\r\n"));
    assert_int_equal(last_event(&client), SMTP_CLIENT_REPLIED);
    smtp_client_feed(&client, &input, 0);
    assert_int_equal(input.len, 0);
}

static void calls_for_no_handshake_when_bytes_stand_behind_the_220(void **state)
{
    struct smtp_client client;
    struct smtp_client_event event;
    struct span input = span_of("220 go\r\n250 evil\r\n");

    (void)state;
    smtp_client_init(&client, &settings, storage, sizeof storage, 0);
    client.settings.tls = SMTP_CLIENT_TLS_REQUIRED;
    hear(&client, "220 mx.example.org\r\n250-mx.example.org\r\n250 STARTTLS\r\n");
    smtp_client_feed(&client, &input, 0);
    assert_int_equal(input.len, 0);
    assert_true(smtp_client_next(&client, &event));
    assert_int_equal(event.kind, SMTP_CLIENT_REPLIED);
    assert_true(smtp_client_next(&client, &event));
    assert_int_equal(event.kind, SMTP_CLIENT_INJECTED);
}

/* Bytes that came before anybody was told to start the handshake. */
static void takes_back_an_unseen_handshake_when_bytes_come(void **state)
{
    struct smtp_client client;
    struct smtp_client_event event;
    struct span input = span_of("220 go\r\n"), more = span_of("\x16\x03");

    (void)state;
    smtp_client_init(&client, &settings, storage, sizeof storage, 0);
    client.settings.tls = SMTP_CLIENT_TLS_REQUIRED;
    hear(&client, "220 mx.example.org\r\n250-mx.example.org\r\n250 STARTTLS\r\n");
    smtp_client_feed(&client, &input, 0);
    smtp_client_feed(&client, &more, 0);
    assert_int_equal(more.len, 0);
    assert_true(smtp_client_next(&client, &event));
    assert_int_equal(event.kind, SMTP_CLIENT_REPLIED);
    assert_true(smtp_client_next(&client, &event));
    assert_int_equal(event.kind, SMTP_CLIENT_INJECTED);
    assert_true(span_equal(event.bytes, span_of("\x16\x03")));
    assert_true(smtp_client_next(&client, &event));
    assert_int_equal(event.kind, SMTP_CLIENT_FINISHED);
    assert_int_equal(smtp_client_output(&client).len, 0);
}

static void names_each_state(void **state)
{
    (void)state;
    for (int i = SMTP_CLIENT_GREETING; i <= SMTP_CLIENT_CLOSED; i++)
        assert_non_null(smtp_client_state_name((enum smtp_client_state)i));
    assert_string_equal(smtp_client_state_name(SMTP_CLIENT_END_OF_DATA), "end-of-data");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_a_thousand_recipients_through_a_small_output),
        cmocka_unit_test(stops_writing_when_nobody_can_get_the_message),
        cmocka_unit_test(ends_when_replies_overtake_commands),
        cmocka_unit_test(ends_when_a_reply_overtakes_data),
        cmocka_unit_test(refuses_more_recipients_than_it_can_count),
        cmocka_unit_test(takes_no_more_of_a_body_than_the_output_holds),
        cmocka_unit_test(ends_the_body_only_where_the_end_has_room),
        cmocka_unit_test(believes_no_250_that_came_before_the_end_was_sent),
        cmocka_unit_test(takes_no_body_while_the_output_is_full),
        cmocka_unit_test(sends_no_body_that_holds_what_it_may_not),
        cmocka_unit_test(gives_an_empty_body_its_end),
        cmocka_unit_test(counts_the_time_that_the_caller_asks_for),
        cmocka_unit_test(is_a_plain_struct_that_can_be_copied_and_replayed),
        cmocka_unit_test(takes_no_byte_while_events_wait),
        cmocka_unit_test(takes_back_an_unseen_handshake_when_bytes_come),
        cmocka_unit_test(calls_for_no_handshake_when_bytes_stand_behind_the_220),
        cmocka_unit_test(names_each_state),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
