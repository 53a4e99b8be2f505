/* fuzz/client.c - the client's conversation is the same however the server's bytes are split.
 *
 * The first byte of the input holds settings, the second the size of the pieces; the rest is what
 * the server says. The caller of the engine acts on each event in a fixed way: it sends one message
 * of three recipients when ready, as often as it may, then quits. Two runs, one with the bytes as they
 * are and one with them in pieces, must give the same events and the same output; no server gets
 * more messages in a session than it says that it takes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LOG_BYTES = 512 * 1024, MESSAGES = 4 };

struct session {
    struct smtp_client client;
    char storage[2048];
    char log[LOG_BYTES];
    size_t log_len, messages_left, mails;
    bool is_finished, was_injected;
};

static const struct smtp_client_recipient recipients[] = { { "a@example.org", NULL, 0 },
                                                           { "b@example.org", "rfc822;c", 2 },
                                                           { "c@example.org", NULL, 1 } };
static const struct smtp_client_message message = { .sender = "s@client.example",
                                                    .recipients = recipients,
                                                    .recipient_count = 3,
                                                    .size_bytes = 100,
                                                    .envelope_id = "x" };

static void insist(bool claim)
{
    if (!claim)
        abort();
}

static void record(struct session *session, const void *bytes, size_t len)
{
    insist(len <= sizeof session->log - session->log_len);
    if (len > 0)
        memcpy(session->log + session->log_len, bytes, len);
    session->log_len += len;
}

static void record_number(struct session *session, uint64_t number)
{
    record(session, &number, sizeof number);
}

static void drain_output(struct session *session)
{
    while (smtp_client_output(&session->client).len > 0) {
        struct span output = smtp_client_output(&session->client);

        insist(!session->was_injected);
        record(session, output.data, output.len);
        smtp_client_sent(&session->client, output.len);
    }
}

/* How many injected bytes are shown depends on how many came at once, and the handshake may seem
 * to be due a moment before they come: the two ways in which a split is allowed to show. */
static void record_event(struct session *session, const struct smtp_client_event *event)
{
    if (event->kind == SMTP_CLIENT_HANDSHAKE_NOW)
        return;
    record_number(session, event->kind);
    record_number(session, event->during);
    record_number(session, event->is_encrypted);
    record_number(session, event->reply.code);
    record_number(session, event->reply.line_count);
    record_number(session, event->reply.flaws);
    record_number(session, event->recipient);
    record_number(session, event->taken);
    record_number(session, event->unsent);
    record(session, event->reply.raw.data, event->reply.raw.len);
    if (event->kind == SMTP_CLIENT_INJECTED)
        record(session, event->bytes.data, 1);
    else
        record(session, event->bytes.data, event->bytes.len);
}

static void give_body(struct session *session)
{
    struct span body = span_of("Subject: x\r\n\r\n.dot\r\n");

    while (smtp_client_state(&session->client) == SMTP_CLIENT_BODY) {
        smtp_client_give_body(&session->client, &body, true, 0);
        drain_output(session);
    }
}

/* RFC 9422 section 4.1: each MAIL counts, and one more would be refused. */
static void insist_on_room(const struct session *session)
{
    const struct smtp_capabilities *said = smtp_client_capabilities(&session->client);

    insist(said->limit_mails == 0 || session->mails < said->limit_mails);
}

static void act(struct session *session, const struct smtp_client_event *event)
{
    struct smtp_client *client = &session->client;

    insist(!session->is_finished);
    if (event->kind == SMTP_CLIENT_IS_READY)
        insist_on_room(session);
    if (event->kind == SMTP_CLIENT_IS_READY && session->messages_left > 0) {
        session->messages_left--;
        smtp_client_send(client, &message, 0);
        session->mails += smtp_client_state(client) == SMTP_CLIENT_MAIL;
    } else if (event->kind == SMTP_CLIENT_IS_READY) {
        smtp_client_quit(client, 0);
    } else if (event->kind == SMTP_CLIENT_BODY_WANTED) {
        give_body(session);
    } else if (event->kind == SMTP_CLIENT_INJECTED) {
        session->was_injected = true;
    } else if (event->kind == SMTP_CLIENT_FINISHED) {
        session->is_finished = true;
        insist(smtp_client_output(client).len == 0);
        insist(smtp_client_deadline_ms(client) == INT64_MAX);
    }
}

static void pull_events(struct session *session)
{
    struct smtp_client_event event;

    while (smtp_client_next(&session->client, &event)) {
        record_event(session, &event);
        act(session, &event);
        drain_output(session);
    }
}

static void feed(struct session *session, struct span piece)
{
    while (piece.len > 0) {
        size_t before = piece.len;

        smtp_client_feed(&session->client, &piece, 0);
        pull_events(session);
        insist(piece.len < before);
    }
}

/* A byte of 0xff in the stream says that the handshake succeeds here, if one is due. */
static void run(struct session *session, struct span rest, size_t piece,
                const struct smtp_client_settings *settings)
{
    session->log_len = session->mails = 0;
    session->messages_left = MESSAGES;
    session->is_finished = session->was_injected = false;
    smtp_client_init(&session->client, settings, session->storage, sizeof session->storage, 0);
    while (rest.len > 0) {
        struct span stretch = span_take_until(&rest, '\xff');

        while (stretch.len > 0)
            feed(session, span_take_front(&stretch, piece));
        if (smtp_client_state(&session->client) == SMTP_CLIENT_HANDSHAKE)
            smtp_client_secured(&session->client, 0);
        drain_output(session);
    }
    smtp_client_end_of_input(&session->client);
    pull_events(session);
    insist(session->is_finished);
    insist(smtp_client_state(&session->client) == SMTP_CLIENT_CLOSED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct session whole, split;

    if (size < 2 || size > 8192)
        return 0;
    const struct smtp_client_settings settings = { .hostname = "client.example",
                                                   .tls = data[0] % 3,
                                                   .is_lmtp = data[0] & 4,
                                                   .is_implicit_tls = data[0] & 8,
                                                   .says_helo = data[0] & 16 };
    struct span input = { (const char *)data + 2, size - 2 };

    run(&whole, input, SIZE_MAX, &settings);
    run(&split, input, data[1] % 32 + 1U, &settings);
    insist(span_equal((struct span){ whole.log, whole.log_len },
                      (struct span){ split.log, split.log_len }));
    return 0;
}
