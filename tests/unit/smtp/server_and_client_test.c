/* tests/unit/smtp/server_and_client_test.c - our client delivers to our server, byte for byte. */
#include "../test.h"

#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "smtp/client.h"
#include "smtp/server.h"

enum { BODY_MOST = 300 * 1024, RECIPIENTS = 200 };

static const struct smtp_client_settings client_settings = { .hostname = "client.example",
                                                             .tls = SMTP_CLIENT_TLS_REQUIRED };
static const struct smtp_server_settings server_settings = { .hostname = "mx.example.org",
                                                             .tls = SMTP_SERVER_TLS_REQUIRED,
                                                             .extensions = SMTP_SERVER_EXTENSIONS,
                                                             .recipients_most = RECIPIENTS };

/* Both ends, and the messages between them. */
static struct {
    struct smtp_client client;
    struct smtp_server server;
    struct smtp_server_storage storage;
    char replies[8192];
    size_t piece; /* bytes go over the wire in pieces of this size */
    const struct smtp_client_message *message;
    struct span body, rest; /* what is sent, and what of it is not given yet */
    char received[BODY_MOST + 2], sender[256];
    size_t received_len, recipients, messages, done, taken;
    bool is_finished;
} wire;

static void serve_event(const struct smtp_server_event *event)
{
    const struct smtp_command *command = event->command;

    switch (event->kind) {
    case SMTP_SERVER_MAIL_CAME:
        assert_true(event->is_encrypted);
        snprintf(wire.sender, sizeof wire.sender, "%.*s", (int)command->argument.len,
                 command->argument.data);
        assert_int_equal(command->size, wire.message->size_bytes);
        assert_int_equal(command->is_8bit, wire.message->is_8bit);
        wire.received_len = wire.recipients = 0;
        break;
    case SMTP_SERVER_RCPT_CAME:
        assert_true(span_equal(command->argument,
                               span_of(wire.message->recipients[wire.recipients].address)));
        wire.recipients++;
        break;
    case SMTP_SERVER_CONTENT:
        assert_true(event->bytes.len <= sizeof wire.received - wire.received_len);
        memcpy(wire.received + wire.received_len, event->bytes.data, event->bytes.len);
        wire.received_len += event->bytes.len;
        break;
    case SMTP_SERVER_MESSAGE_ENDED: wire.messages++; break;
    case SMTP_SERVER_HANDSHAKE_NOW: break;
    case SMTP_SERVER_FINISHED: break;
    case SMTP_SERVER_NOTHING:
    case SMTP_SERVER_CONNECTED:
    case SMTP_SERVER_HELLO_CAME:
    case SMTP_SERVER_DATA_CAME: break;
    case SMTP_SERVER_MESSAGE_DROPPED:
    case SMTP_SERVER_REFUSED:
    case SMTP_SERVER_EARLY_TALK:
    case SMTP_SERVER_INJECTED:
    case SMTP_SERVER_TIMED_OUT:
    case SMTP_SERVER_ENDED_EARLY: fail_msg("event %d", (int)event->kind);
    }
    smtp_server_answer(&wire.server, (struct smtp_answer){ 0 }, 0);
}

static void dial_event(const struct smtp_client_event *event)
{
    if (event->kind == SMTP_CLIENT_IS_READY && wire.done == 0) {
        wire.rest = wire.body;
        smtp_client_send(&wire.client, wire.message, 0);
    } else if (event->kind == SMTP_CLIENT_IS_READY) {
        smtp_client_quit(&wire.client, 0);
    } else if (event->kind == SMTP_CLIENT_MESSAGE_DONE) {
        assert_int_equal(event->reply.code, 250);
        wire.done++;
        wire.taken = event->taken;
    } else if (event->kind == SMTP_CLIENT_FINISHED) {
        wire.is_finished = true;
    } else {
        assert_int_not_equal(event->kind, SMTP_CLIENT_MESSAGE_UNSENT);
        assert_int_not_equal(event->kind, SMTP_CLIENT_BROKEN_REPLY);
        assert_int_not_equal(event->kind, SMTP_CLIENT_ENDED_EARLY);
    }
}

static void serve(void)
{
    struct span input = span_part(smtp_client_output(&wire.client), 0, wire.piece);
    size_t offered = input.len;
    struct smtp_server_event event;

    do {
        smtp_server_feed(&wire.server, &input, 0);
        while (smtp_server_next(&wire.server, &event))
            serve_event(&event);
    } while (input.len > 0 && input.len < offered && smtp_server_output(&wire.server).len < 900);
    smtp_client_sent(&wire.client, offered - input.len);
}

static void dial(void)
{
    struct span input = span_part(smtp_server_output(&wire.server), 0, wire.piece);
    size_t offered = input.len;
    struct smtp_client_event event;

    while (input.len > 0) {
        smtp_client_feed(&wire.client, &input, 0);
        while (smtp_client_next(&wire.client, &event))
            dial_event(&event);
    }
    smtp_server_sent(&wire.server, offered);
    if (smtp_client_state(&wire.client) == SMTP_CLIENT_BODY)
        smtp_client_give_body(&wire.client, &wire.rest, true, 0);
}

/* Both sides believe that the handshake took place. */
static void shake_hands(void)
{
    if (smtp_client_state(&wire.client) != SMTP_CLIENT_HANDSHAKE ||
        smtp_server_output(&wire.server).len > 0)
        return;
    smtp_server_secured(&wire.server, 0);
    smtp_client_secured(&wire.client, 0);
}

static void deliver(const struct smtp_client_message *message, struct span body, size_t piece)
{
    wire.piece = piece;
    wire.message = message;
    wire.body = body;
    wire.messages = wire.done = 0;
    wire.is_finished = false;
    smtp_server_init(&wire.server, &server_settings, &wire.storage, 0);
    smtp_client_init(&wire.client, &client_settings, wire.replies, sizeof wire.replies, 0);
    for (size_t turns = 0; !wire.is_finished; turns++) {
        assert_true(turns < 4 * 1000 * 1000);
        serve();
        dial();
        shake_hands();
    }
    assert_int_equal(smtp_server_state(&wire.server), SMTP_SERVER_CLOSED);
    assert_int_equal(wire.messages, 1);
    assert_int_equal(wire.done, 1);
    assert_int_equal(wire.taken, message->recipient_count);
    assert_int_equal(wire.recipients, message->recipient_count);
    assert_string_equal(wire.sender, message->sender);
}

static const struct smtp_client_recipient recipient = { "b@example.org", NULL, 0 };

static void assert_same(struct span body)
{
    assert_int_equal(wire.received_len, body.len);
    if (body.len > 0)
        assert_memory_equal(wire.received, body.data, body.len);
}

static void delivers_awkward_messages_byte_for_byte(void **state)
{
    static char long_line[1000 + 3];
    static const char *const bodies[] = {
        "",
        "\r\n",
        ".\r\n",
        "..\r\n...\r\n.a\r\na.\r\n",
        "a\r\n\r\n.\r\n\r\n.\r\n",
        "QUIT\r\n.QUIT\r\n",
        "\xe4\xf6\xfc\x80\xff\x01\t\x7f\r\n",
        long_line,
    };
    const struct smtp_client_message message = { .sender = "a@client.example",
                                                 .recipients = &recipient,
                                                 .recipient_count = 1,
                                                 .is_8bit = true };

    (void)state;
    memset(long_line, '.', 998);
    memcpy(long_line + 998, "\r\n", 3);
    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++)
        for (size_t piece = 1; piece < 40; piece++) {
            deliver(&message, span_of(bodies[i]), piece);
            assert_same(span_of(bodies[i]));
        }
}

/* DATA cannot carry a body that lacks its last line end: it gets one. */
static void ends_the_last_line(void **state)
{
    const struct smtp_client_message message = { .sender = "",
                                                 .recipients = &recipient,
                                                 .recipient_count = 1 };

    (void)state;
    deliver(&message, span_of("a\r\n.b"), 7);
    assert_same(span_of("a\r\n.b\r\n"));
}

static void delivers_a_large_message_to_many(void **state)
{
    static char body[BODY_MOST], addresses[RECIPIENTS][32];
    static struct smtp_client_recipient recipients[RECIPIENTS];
    struct smtp_client_message message = { .sender = "a@client.example",
                                           .recipients = recipients,
                                           .recipient_count = RECIPIENTS,
                                           .size_bytes = sizeof body };
    uint32_t chance = 1;

    (void)state;
    for (size_t i = 0; i < RECIPIENTS; i++) {
        snprintf(addresses[i], sizeof addresses[i], "user%zu@example.org", i);
        recipients[i].address = addresses[i];
    }
    for (size_t i = 0; i < sizeof body; i++) {
        chance = chance * 1664525 + 1013904223;
        body[i] = "ab.\r."[chance >> 24 & 3];
        if (i % 11 == 10)
            memcpy(body + i - 1, "\r\n", 2);
        else if (body[i] == '\r')
            body[i] = '.';
    }
    memcpy(body + sizeof body - 2, "\r\n", 2);
    for (size_t i = 0; i + 1 < sizeof body; i++)
        assert_true((body[i] == '\r') == (body[i + 1] == '\n'));
    deliver(&message, (struct span){ body, sizeof body }, 1461);
    assert_same((struct span){ body, sizeof body });
    deliver(&message, (struct span){ body, sizeof body }, SIZE_MAX);
    assert_same((struct span){ body, sizeof body });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delivers_awkward_messages_byte_for_byte),
        cmocka_unit_test(ends_the_last_line),
        cmocka_unit_test(delivers_a_large_message_to_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
