/* fuzz/receive.c - a stranger's bytes through all of the receiving path that is pure.
 *
 * The server's engine, relay rules, trace field and the queue's own look at an envelope, put together as
 * the gateway does it. Whatever is said: nothing is taken for a domain that is not ours, every reply is
 * whole lines, the trace field is one field and the envelope one that the queue can keep.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "gateway/relay.h"
#include "queue/message.h"
#include "smtp/received.h"
#include "smtp/server.h"
#include "trust/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RECIPIENTS = 20, ARENA_BYTES = 1 << 20, REPLY_MOST = 512 };

static const struct gateway_relay_domain domains[] = { { "a.example", false },
                                                       { "b.example", true } };
static const struct gateway_relay_rules rules = { domains, 2, NULL, 0, "a.example" };
static const struct net_address stranger = { .bytes = { 192, 0, 2, 1 } };

struct session {
    struct smtp_server server;
    struct smtp_server_storage storage;
    struct arena arena; /* of the message and of the hello */
    const char *hello;
    bool is_esmtp, is_encrypted;
    struct queue_envelope envelope;
    struct queue_recipient recipients[RECIPIENTS];
    size_t count, line_len; /* of the output's last line, so far */
};

static void insist(bool claim)
{
    if (!claim)
        abort();
}

/* Printable lines that end in CRLF, none too long: RFC 5321 section 4.5.3.1.5. */
static void check_output(struct session *session, struct span output)
{
    for (size_t i = 0; i < output.len; i++) {
        unsigned char c = (unsigned char)output.data[i];

        session->line_len++;
        insist(session->line_len <= REPLY_MOST);
        insist((c >= ' ' && c < 0x7f) || c == '\r' || c == '\n');
        if (c == '\n') {
            insist(session->line_len > 5);
            session->line_len = 0;
        } else if (session->line_len <= 3) {
            insist(c >= '0' && c <= '9');
        }
    }
}

/* One field, whose further lines are indented. */
static void check_field(const char *field)
{
    struct span rest = span_of(field);
    size_t lines = 0;

    insist(strncmp(field, "Received: ", 10) == 0);
    while (rest.len > 0) {
        struct span line = span_take_until(&rest, '\n');

        insist(line.len > 1 && line.len < 998 && line.data[line.len - 1] == '\r');
        insist(memchr(line.data, '\r', line.len - 1) == NULL);
        insist(lines == 0 || line.data[0] == '\t');
        lines++;
    }
}

static void begin(struct session *session)
{
    struct smtp_received received = {
        .hello = session->hello,
        .client_address = "192.0.2.1",
        .hostname = "mx.a.example",
        .tls_version = session->is_encrypted ? "TLSv1.3" : NULL,
        .message_id = "0123456789abc",
        .recipient = session->count == 1
                         ? arena_copy(&session->arena, session->recipients[0].address)
                         : NULL,
        .is_esmtp = session->is_esmtp,
        .is_utf8 = session->envelope.is_smtputf8,
        .at_s = 1795300000,
    };

    session->envelope.origin.helo = span_of(session->hello);
    check_field(smtp_received_format(&session->arena, &received));
    insist(queue_envelope_flaw(&session->envelope, session->recipients, session->count) == NULL);
    insist(!session->arena.exhausted);
}

static void take_mail(struct session *session, const struct smtp_command *mail)
{
    session->count = 0;
    session->envelope = (struct queue_envelope){
        .id = 1,
        .sender = arena_copy_bytes(&session->arena, mail->argument),
        .envid = arena_copy_bytes(&session->arena, mail->envelope_id),
        .is_8bit = mail->is_8bit,
        .is_smtputf8 = mail->is_utf8,
    };
}

static struct smtp_answer take_rcpt(struct session *session, const struct smtp_command *rcpt)
{
    struct gateway_relay_decision decision =
        gateway_relay_decide(&rules, &stranger, rcpt->argument);

    insist(decision.choice != GATEWAY_RELAY_ANYWHERE);
    if (decision.choice == GATEWAY_RELAY_REFUSE) {
        insist(decision.answer.code / 100 == 5);
        return decision.answer;
    }
    if (!rcpt->is_postmaster)
        insist(strcmp(names_normalize(&session->arena, rcpt->address.domain),
                      decision.domain->name) == 0);
    insist(session->count < RECIPIENTS);
    session->recipients[session->count++] = (struct queue_recipient){
        .address = rcpt->is_postmaster ? span_of("postmaster@a.example")
                                       : arena_copy_bytes(&session->arena, rcpt->argument),
        .orcpt = arena_copy_bytes(&session->arena, rcpt->original),
    };
    return (struct smtp_answer){ .code = 0 };
}

static void take_hello(struct session *session, const struct smtp_command *hello)
{
    session->hello = arena_copy(&session->arena, hello->argument);
    session->is_esmtp = hello->verb == SMTP_COMMAND_EHLO;
}

static struct smtp_answer answer_to(struct session *session, const struct smtp_server_event *event)
{
    struct smtp_answer answer = { .code = 0 };

    if (event->kind == SMTP_SERVER_HELLO_CAME)
        take_hello(session, event->command);
    else if (event->kind == SMTP_SERVER_MAIL_CAME)
        take_mail(session, event->command);
    else if (event->kind == SMTP_SERVER_RCPT_CAME)
        answer = take_rcpt(session, event->command);
    else if (event->kind == SMTP_SERVER_DATA_CAME)
        begin(session);
    else if (event->kind == SMTP_SERVER_MESSAGE_ENDED)
        insist(session->count > 0);
    return answer;
}

static void work(struct session *session, struct span input)
{
    struct smtp_server_event event;
    bool is_moving = true;

    while (is_moving) {
        size_t before = input.len;
        struct span output;

        smtp_server_feed(&session->server, &input, 0);
        is_moving = input.len < before;
        while (smtp_server_next(&session->server, &event)) {
            is_moving = true;
            if (smtp_server_asked(&session->server) == event.kind)
                smtp_server_answer(&session->server, answer_to(session, &event), 0);
        }
        output = smtp_server_output(&session->server);
        check_output(session, output);
        is_moving |= output.len > 0;
        smtp_server_sent(&session->server, output.len);
    }
    insist(input.len == 0);
}

/* The first byte chooses the settings; 0xff in what follows lets a handshake succeed that is due. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct session session;

    if (size < 1 || size > 8192)
        return 0;
    const struct smtp_server_settings settings = {
        .hostname = "mx.a.example",
        .tls = data[0] % 4,
        .extensions = SMTP_SERVER_EXTENSIONS,
        .mends_bare_lf = data[0] & 4,
        .recipients_most = RECIPIENTS,
        .messages_most = 10,
    };
    struct span rest = { (const char *)data + 1, size - 1 };

    session =
        (struct session){ .hello = "", .is_encrypted = settings.tls == SMTP_SERVER_TLS_IMPLICIT };
    arena_init(&session.arena, ARENA_BYTES);
    smtp_server_init(&session.server, &settings, &session.storage, 0);
    work(&session, (struct span){ NULL, 0 });
    while (rest.len > 0) {
        work(&session, span_take_until(&rest, '\xff'));
        if (smtp_server_state(&session.server) == SMTP_SERVER_HANDSHAKE) {
            smtp_server_secured(&session.server, 0);
            session.is_encrypted = true;
        }
    }
    smtp_server_end_of_input(&session.server);
    work(&session, (struct span){ NULL, 0 });
    insist(session.line_len == 0);
    arena_clear(&session.arena);
    return 0;
}
