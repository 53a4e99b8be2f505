/* smtp/client_envelope.c - sends one message: MAIL, RCPT, DATA, its body and what they answer.
 *
 * RFC 5321 section 3.3, RFC 2920 (pipelining), RFC 2033 (LMTP). With PIPELINING the commands go
 * out as far as the output has room; without it one at a time. Once it is settled that nobody
 * will get the message, what is not written yet is never written.
 */
#include <assert.h>

#include "smtp/client_steps.h"
#include "smtp/command.h"

static bool is_positive(const struct smtp_reply *reply)
{
    return reply->code / 100 == 2;
}

/* Number of the command that is DATA; 0 is MAIL, and between them stand the RCPTs. */
static size_t data_command(const struct smtp_client_transaction *transaction)
{
    return transaction->message->recipient_count + 1;
}

static bool is_taken(const struct smtp_client_transaction *transaction, size_t recipient)
{
    return transaction->is_taken[recipient / 8] >> recipient % 8 & 1;
}

static bool options_are_safe(const struct smtp_client_message *message)
{
    const char *part = message->return_part;

    return (message->envelope_id == NULL ||
            smtp_command_value_is_safe(message->envelope_id, SMTP_COMMAND_ENVID_MOST)) &&
           (part == NULL || strcmp(part, "FULL") == 0 || strcmp(part, "HDRS") == 0);
}

static bool recipient_is_safe(const struct smtp_client_recipient *recipient, bool allow_utf8)
{
    return recipient->address[0] != '\0' &&
           smtp_command_path_is_safe(recipient->address, allow_utf8) &&
           (recipient->original == NULL ||
            smtp_command_value_is_safe(recipient->original, SMTP_COMMAND_ORCPT_MOST));
}

static enum smtp_client_unsent check_texts(const struct smtp_client_message *message,
                                           size_t *recipient)
{
    if (message->recipient_count == 0 || message->recipient_count > SMTP_CLIENT_RECIPIENTS_MOST)
        return SMTP_CLIENT_UNSENT_COUNT;
    if (!smtp_command_path_is_safe(message->sender, message->is_utf8))
        return SMTP_CLIENT_UNSENT_SENDER;
    if (!options_are_safe(message))
        return SMTP_CLIENT_UNSENT_ENVELOPE_ID;
    for (*recipient = 0; *recipient < message->recipient_count; ++*recipient)
        if (!recipient_is_safe(&message->recipients[*recipient], message->is_utf8))
            return SMTP_CLIENT_UNSENT_RECIPIENT;
    *recipient = 0;
    return SMTP_CLIENT_UNSENT_NONE;
}

/* What was said in the clear of REQUIRETLS binds nobody: RFC 8689 section 2. */
static uint32_t usable_extensions(const struct smtp_client *client)
{
    uint32_t extensions = client->capabilities.extensions;

    return client->is_encrypted ? extensions : extensions & ~(uint32_t)SMTP_EXTENSION_REQUIRETLS;
}

/* A report has an empty reverse-path; it goes to servers without REQUIRETLS, too, for nobody would hear
 * of its loss: RFC 8689 section 5. And who takes mail by LMTP delivers it, and sends nothing on. */
static bool must_have_requiretls(const struct smtp_client *client,
                                 const struct smtp_client_message *message)
{
    return message->requires_tls && message->sender[0] != '\0' && !client->settings.is_lmtp;
}

static enum smtp_client_unsent check_server(const struct smtp_client *client,
                                            const struct smtp_client_message *message)
{
    const struct smtp_capabilities *capabilities = &client->capabilities;

    if (must_have_requiretls(client, message) &&
        !(usable_extensions(client) & SMTP_EXTENSION_REQUIRETLS))
        return SMTP_CLIENT_UNSENT_REQUIRETLS;
    if (message->is_utf8 && !(capabilities->extensions & SMTP_EXTENSION_SMTPUTF8))
        return SMTP_CLIENT_UNSENT_UTF8;
    if (message->is_8bit && !(capabilities->extensions & SMTP_EXTENSION_8BITMIME))
        return SMTP_CLIENT_UNSENT_8BIT;
    if (capabilities->size_most > 0 && message->size_bytes > capabilities->size_most)
        return SMTP_CLIENT_UNSENT_SIZE;
    return SMTP_CLIENT_UNSENT_NONE;
}

static void refuse_message(struct smtp_client *client, enum smtp_client_unsent why,
                           size_t recipient)
{
    struct smtp_client_event *event =
        smtp_client_push(client, SMTP_CLIENT_MESSAGE_UNSENT, client->state);

    event->unsent = why;
    event->recipient = recipient;
}

void smtp_client_send(struct smtp_client *client, const struct smtp_client_message *message,
                      int64_t now_ms)
{
    size_t recipient = 0;
    enum smtp_client_unsent why = check_texts(message, &recipient);

    assert(client->state == SMTP_CLIENT_READY);
    client->now_ms = now_ms;
    if (why == SMTP_CLIENT_UNSENT_NONE)
        why = check_server(client, message);
    if (why != SMTP_CLIENT_UNSENT_NONE) {
        refuse_message(client, why, recipient);
        smtp_client_become_ready(client);
        return;
    }
    client->transaction = (struct smtp_client_transaction){ .message = message };
    smtp_dot_init(&client->transaction.dots);
    client->mails++;
    smtp_client_enter(client, SMTP_CLIENT_MAIL);
    smtp_client_write_commands(client);
}

static size_t format_command(char *out, const struct smtp_client_transaction *transaction,
                             uint32_t extensions)
{
    const struct smtp_client_message *message = transaction->message;
    struct span data = span_of("DATA\r\n");

    if (transaction->written == 0)
        return smtp_command_format_mail(out, message, extensions);
    if (transaction->written < data_command(transaction))
        return smtp_command_format_rcpt(out, &message->recipients[transaction->written - 1],
                                        extensions);
    memcpy(out, data.data, data.len);
    return data.len;
}

static bool may_write_command(const struct smtp_client *client)
{
    const struct smtp_client_transaction *transaction = &client->transaction;
    bool is_pipelining = client->capabilities.extensions & SMTP_EXTENSION_PIPELINING;

    return transaction->message != NULL && transaction->settled_code == 0 &&
           transaction->written <= data_command(transaction) &&
           (is_pipelining || transaction->written == transaction->answered);
}

void smtp_client_write_commands(struct smtp_client *client)
{
    while (client->state != SMTP_CLIENT_CLOSED && may_write_command(client)) {
        size_t size;
        char *out = smtp_client_room(client, &size);

        if (size < SMTP_COMMAND_BYTES)
            return;
        client->output_len += format_command(out, &client->transaction, usable_extensions(client));
        client->transaction.written++;
    }
}

/* False: the peer answers a command that it was not given yet. */
static bool is_due(const struct smtp_client_transaction *transaction)
{
    return transaction->answered < transaction->written;
}

bool smtp_client_recipient_is_due(const struct smtp_client *client, size_t *recipient)
{
    const struct smtp_client_transaction *transaction = &client->transaction;

    if (client->state == SMTP_CLIENT_RCPT && transaction->mail_taken && is_due(transaction)) {
        *recipient = transaction->answered - 1;
        return true;
    }
    if (client->state == SMTP_CLIENT_END_OF_DATA && client->settings.is_lmtp) {
        *recipient = transaction->lmtp_next;
        return true;
    }
    return false;
}

static void settle(struct smtp_client *client, const struct smtp_reply *reply)
{
    if (client->transaction.settled_code != 0)
        return;
    client->transaction.settled_code = reply->code;
    client->transaction.settled_during = client->state;
}

/* Says how the message ended; nothing of it is borrowed any longer. */
static void conclude(struct smtp_client *client, const struct smtp_reply *reply)
{
    struct smtp_client_transaction *transaction = &client->transaction;
    bool is_settled = transaction->settled_code != 0;
    struct smtp_client_event *event = smtp_client_push(
        client, SMTP_CLIENT_MESSAGE_DONE, is_settled ? transaction->settled_during : client->state);

    if (is_settled)
        event->reply.code = transaction->settled_code;
    else
        event->reply = *reply;
    event->taken = is_settled ? 0 : transaction->taken;
    transaction->message = NULL;
}

/* A refused transaction stays open at the server until RSET (RFC 5321 section 4.1.1.5), but for
 * one whose MAIL was refused. QUIT needs none. */
static void clean_up(struct smtp_client *client)
{
    if (client->transaction.mail_taken && !smtp_client_is_used_up(client)) {
        smtp_client_write(client, "RSET\r\n");
        smtp_client_enter(client, SMTP_CLIENT_RSET);
    } else {
        smtp_client_become_ready(client);
    }
}

/* Behind the reply to MAIL or RCPT: on to the command whose reply is due next. */
static void go_on(struct smtp_client *client, const struct smtp_reply *reply)
{
    struct smtp_client_transaction *transaction = &client->transaction;

    transaction->answered++;
    if (transaction->answered == data_command(transaction) && transaction->taken == 0)
        settle(client, reply);
    smtp_client_write_commands(client);
    if (transaction->settled_code != 0 && !is_due(transaction)) {
        conclude(client, reply);
        clean_up(client);
    } else {
        smtp_client_enter(client, transaction->answered == data_command(transaction)
                                      ? SMTP_CLIENT_DATA
                                      : SMTP_CLIENT_RCPT);
    }
}

void smtp_client_take_mail(struct smtp_client *client, const struct smtp_reply *reply)
{
    if (!is_due(&client->transaction)) {
        smtp_client_finish(client);
        return;
    }
    client->transaction.mail_taken = is_positive(reply);
    if (!is_positive(reply))
        settle(client, reply);
    go_on(client, reply);
}

void smtp_client_take_rcpt(struct smtp_client *client, const struct smtp_reply *reply)
{
    struct smtp_client_transaction *transaction = &client->transaction;
    size_t recipient = transaction->answered - 1;

    if (!is_due(transaction)) {
        smtp_client_finish(client);
        return;
    }
    if (is_positive(reply)) {
        transaction->is_taken[recipient / 8] |= (uint8_t)(1U << recipient % 8);
        transaction->taken++;
    }
    go_on(client, reply);
}

/* The next recipient from `from` on that the server took; recipient_count where there is none. */
static size_t find_taken(const struct smtp_client_transaction *transaction, size_t from)
{
    while (from < transaction->message->recipient_count && !is_taken(transaction, from))
        from++;
    return from;
}

/* 354 for nobody: in a pipelined group DATA was sent before we knew, and a server may well take
 * it. An empty message ends it (RFC 2920 section 3.1); LMTP has no reply to that, so we leave. */
static void send_nothing(struct smtp_client *client)
{
    if (client->settings.is_lmtp) {
        smtp_client_finish(client);
        return;
    }
    smtp_client_write(client, ".\r\n");
    smtp_client_enter(client, SMTP_CLIENT_END_OF_DATA);
}

void smtp_client_take_data(struct smtp_client *client, const struct smtp_reply *reply)
{
    struct smtp_client_transaction *transaction = &client->transaction;

    transaction->answered++;
    /* 2xx is no answer to DATA: we cannot know what the server waits for now */
    if (is_positive(reply) || transaction->answered > transaction->written) {
        smtp_client_finish(client);
    } else if (reply->code / 100 != 3) {
        settle(client, reply);
        conclude(client, reply);
        clean_up(client);
    } else if (transaction->settled_code != 0) {
        send_nothing(client);
    } else {
        transaction->lmtp_next = find_taken(transaction, 0);
        smtp_client_enter(client, SMTP_CLIENT_BODY);
        smtp_client_push(client, SMTP_CLIENT_BODY_WANTED, SMTP_CLIENT_DATA);
    }
}

static void refuse_body(struct smtp_client *client)
{
    refuse_message(client, SMTP_CLIENT_UNSENT_BODY, 0);
    smtp_client_finish(client);
}

void smtp_client_give_body(struct smtp_client *client, struct span *body, bool is_last,
                           int64_t now_ms)
{
    struct smtp_dot_encoder *dots = &client->transaction.dots;
    char end[5];
    size_t size;
    char *room = smtp_client_room(client, &size);

    assert(client->state == SMTP_CLIENT_BODY);
    client->now_ms = now_ms;
    smtp_client_enter(client, SMTP_CLIENT_BODY);
    if (size < sizeof end)
        return;
    client->output_len += smtp_dot_feed(dots, body, room, size);
    room = smtp_client_room(client, &size);
    if (dots->flaw == SMTP_DOT_FINE && is_last && body->len == 0 && size >= sizeof end) {
        size_t len = smtp_dot_finish(dots, end);

        memcpy(room, end, len);
        client->output_len += len;
        smtp_client_enter(client, SMTP_CLIENT_END_OF_DATA);
    }
    if (dots->flaw != SMTP_DOT_FINE)
        refuse_body(client);
}

/* LMTP answers once for each recipient that it took: RFC 2033 section 4.2. */
static bool take_lmtp_answer(struct smtp_client_transaction *transaction,
                             const struct smtp_reply *reply)
{
    if (!is_positive(reply))
        transaction->taken--;
    transaction->lmtp_next = find_taken(transaction, transaction->lmtp_next + 1);
    return transaction->lmtp_next == transaction->message->recipient_count;
}

void smtp_client_take_end_of_data(struct smtp_client *client, const struct smtp_reply *reply)
{
    if (client->output_len > 0) { /* the end has not left us: nobody can have taken the message */
        smtp_client_finish(client);
        return;
    }
    if (client->settings.is_lmtp) {
        if (!take_lmtp_answer(&client->transaction, reply)) {
            smtp_client_enter(client, SMTP_CLIENT_END_OF_DATA);
            return;
        }
    } else if (!is_positive(reply)) {
        client->transaction.taken = 0;
    }
    conclude(client, reply);
    smtp_client_become_ready(client);
}
