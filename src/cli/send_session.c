#include "cli/send_session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/send_message.h"
#include "queue/id.h"
#include "smtp/server.h"

enum { INPUT_BYTES = 16384, WORDS_BYTES = 512 };

struct session {
    struct sending message; /* between MAIL and its end */
    struct queue_envelope envelope;
    struct queue_recipient *recipients;
    size_t recipient_count, recipients_most;
    bool has_message, has_failed; /* no memory for what came of it */
    bool has_ended, is_terminal, after_cr;

    const char *name;
    const struct send_options *options;
    const struct queue_access *access;
    struct smtp_server_settings settings;
    struct smtp_server_storage storage;
    struct smtp_server server;
    char words[WORDS_BYTES]; /* of the last answer */
};

static const struct smtp_answer yes = { 0 },
                                no_memory = { 451, "4.3.0", "There is no memory for this now" };

/* ---- a message ---------------------------------------------------------------------------- */

static void drop_message(struct session *session)
{
    if (session->has_message)
        send_message_clear(&session->message);
    session->has_message = session->has_failed = false;
    session->recipient_count = 0;
}

static enum queue_return return_of(enum smtp_command_return parts)
{
    return parts == SMTP_COMMAND_RETURN_FULL   ? QUEUE_RETURN_FULL
           : parts == SMTP_COMMAND_RETURN_HDRS ? QUEUE_RETURN_HEADERS
                                               : QUEUE_RETURN_UNSAID;
}

static struct smtp_answer take_mail(struct session *session, const struct smtp_command *mail)
{
    struct sending *message = &session->message;

    send_message_init(message, session->name, session->options, session->access);
    session->has_message = true;
    message->sender = arena_copy(&message->arena, mail->argument);
    session->recipients =
        arena_new(&message->arena, session->recipients_most, sizeof *session->recipients);
    session->envelope = (struct queue_envelope){
        .sender = span_of(message->sender),
        .envid = arena_copy_bytes(&message->arena, mail->envelope_id),
        .returns = return_of(mail->parts),
        .is_8bit = mail->is_8bit,
        .is_smtputf8 = mail->is_utf8,
        .requires_tls = session->options->requires_tls,
    };
    if (!message->arena.exhausted)
        return yes;
    drop_message(session);
    return no_memory;
}

static unsigned notify_of(unsigned notify)
{
    return (notify & SMTP_NOTIFY_NEVER ? QUEUE_NOTIFY_NEVER : 0U) |
           (notify & SMTP_NOTIFY_SUCCESS ? QUEUE_NOTIFY_SUCCESS : 0U) |
           (notify & SMTP_NOTIFY_FAILURE ? QUEUE_NOTIFY_FAILURE : 0U) |
           (notify & SMTP_NOTIFY_DELAY ? QUEUE_NOTIFY_DELAY : 0U);
}

/* "Postmaster" alone is at home with us: RFC 5321 section 4.1.1.3. */
static struct smtp_answer take_rcpt(struct session *session, const struct smtp_command *rcpt)
{
    struct arena *arena = &session->message.arena;

    session->recipients[session->recipient_count] = (struct queue_recipient){
        .address = rcpt->is_postmaster
                       ? span_of(arena_format(arena, "postmaster@%s", session->access->hostname))
                       : arena_copy_bytes(arena, rcpt->argument),
        .orcpt = arena_copy_bytes(arena, rcpt->original),
        .notify = notify_of(rcpt->notify),
    };
    if (arena->exhausted)
        return no_memory;
    session->recipient_count++;
    return yes;
}

static struct smtp_answer answer_with(struct session *session, uint16_t code, const char *enhanced,
                                      const char *words)
{
    snprintf(session->words, sizeof session->words, "%s", words);
    return (struct smtp_answer){ code, enhanced, session->words };
}

static struct smtp_answer refusal_of(struct session *session, enum control_status status,
                                     const char *words)
{
    switch (status) {
    case CONTROL_DENIED: return answer_with(session, 554, "5.7.1", words);
    case CONTROL_REFUSED: return answer_with(session, 554, "5.6.0", words);
    case CONTROL_FULL: return answer_with(session, 452, "4.3.1", words);
    case CONTROL_BUSY: return answer_with(session, 451, "4.3.2", words);
    case CONTROL_OK:
    case CONTROL_FAILED:
    case CONTROL_ABSENT:
    case CONTROL_LOST: break;
    }
    return answer_with(session, 451, "4.3.0", words);
}

static struct smtp_answer end_message(struct session *session)
{
    struct control_request request = { .envelope = session->envelope,
                                       .recipients = session->recipients,
                                       .recipient_count = session->recipient_count };
    enum control_status status;
    struct error err = { 0 };
    char id[QUEUE_ID_TEXT + 1], words[WORDS_BYTES];
    int64_t number = 0;
    int made;

    if (session->has_failed)
        return no_memory;
    made = send_message_make(&session->message, &err);
    if (made != EX_OK)
        return answer_with(session, 554, made == EX_DATAERR ? "5.6.0" : "5.3.4", err.text);
    status = send_message_put(&session->message, &request, &number, &err);
    if (status != CONTROL_OK)
        return refusal_of(session, status, err.text);
    queue_id_format(number, id);
    snprintf(words, sizeof words, "Taken as %s", id);
    return answer_with(session, 250, "2.0.0", words);
}

/* ---- the session -------------------------------------------------------------------------- */

static void answer(struct session *session, struct smtp_answer said)
{
    smtp_server_answer(&session->server, said, 0);
}

static void take_event(struct session *session, const struct smtp_server_event *event)
{
    switch (event->kind) {
    case SMTP_SERVER_CONNECTED:
    case SMTP_SERVER_HELLO_CAME:
    case SMTP_SERVER_DATA_CAME: answer(session, yes); break;
    case SMTP_SERVER_MAIL_CAME: answer(session, take_mail(session, event->command)); break;
    case SMTP_SERVER_RCPT_CAME: answer(session, take_rcpt(session, event->command)); break;
    case SMTP_SERVER_CONTENT:
        session->has_failed |= !buffer_append(&session->message.input, event->bytes);
        break;
    case SMTP_SERVER_MESSAGE_ENDED:
        answer(session, end_message(session));
        drop_message(session);
        break;
    case SMTP_SERVER_MESSAGE_DROPPED: drop_message(session); break;
    case SMTP_SERVER_FINISHED: session->has_ended = true; break;
    case SMTP_SERVER_NOTHING:
    case SMTP_SERVER_REFUSED:
    case SMTP_SERVER_EARLY_TALK: /* programs need not wait for a greeting that is certain */
    case SMTP_SERVER_HANDSHAKE_NOW:
    case SMTP_SERVER_INJECTED:
    case SMTP_SERVER_TIMED_OUT:
    case SMTP_SERVER_ENDED_EARLY: break;
    }
}

static bool send_output(struct session *session)
{
    struct span output;

    while ((output = smtp_server_output(&session->server)).len > 0) {
        ssize_t written = write(STDOUT_FILENO, output.data, output.len);

        if (written < 0 && errno != EINTR)
            return false;
        if (written > 0)
            smtp_server_sent(&session->server, (size_t)written);
    }
    return true;
}

static bool pull(struct session *session)
{
    struct smtp_server_event event;

    while (smtp_server_next(&session->server, &event))
        take_event(session, &event);
    return send_output(session);
}

static bool feed(struct session *session, struct span bytes)
{
    while (bytes.len > 0 && !session->has_ended) {
        smtp_server_feed(&session->server, &bytes, 0);
        if (!pull(session))
            return false;
    }
    return true;
}

/* At a terminal a line ends in LF, whatever RFC 5321 says; nobody but a person types there. */
static bool feed_typed(struct session *session, struct span bytes)
{
    while (bytes.len > 0) {
        char c = span_take(&bytes);
        bool is_bare = c == '\n' && !session->after_cr;

        session->after_cr = c == '\r';
        if (!feed(session, is_bare ? span_of("\r\n") : (struct span){ &c, 1 }))
            return false;
    }
    return true;
}

/* -1: reading failed. */
static ssize_t read_input(char bytes[INPUT_BYTES])
{
    ssize_t len;

    do
        len = read(STDIN_FILENO, bytes, INPUT_BYTES);
    while (len < 0 && errno == EINTR);
    return len;
}

/* False: its input or its output failed. */
static bool talk(struct session *session)
{
    char bytes[INPUT_BYTES];
    ssize_t len = 1;
    bool is_well = pull(session);

    while (is_well && len > 0 && !session->has_ended) {
        len = read_input(bytes);
        if (len > 0)
            is_well = (session->is_terminal ? feed_typed
                                            : feed)(session, (struct span){ bytes, (size_t)len });
    }
    if (len == 0) {
        smtp_server_end_of_input(&session->server);
        is_well = pull(session);
    }
    return is_well && len >= 0;
}

int send_session_run(const char *name, const struct send_options *options,
                     const struct queue_access *access)
{
    static struct session session; /* what the engine needs is much for a stack */
    bool is_well;

    session = (struct session){ .name = name,
                                .options = options,
                                .access = access,
                                .is_terminal = isatty(STDIN_FILENO) == 1,
                                .recipients_most = (size_t)access->settings->limits.recipients };
    session.settings = (struct smtp_server_settings){
        .hostname = access->hostname,
        .tls = SMTP_SERVER_TLS_NONE,
        .extensions = SMTP_SERVER_EXTENSIONS,
        .size_most = access->settings->limits.message_bytes,
        .recipients_most = (uint32_t)session.recipients_most,
        .beyond_most = UINT32_MAX, /* it is our own user */
        .errors_most = UINT32_MAX,
        .idle_most = UINT32_MAX,
    };
    smtp_server_init(&session.server, &session.settings, &session.storage, 0);
    is_well = talk(&session);
    drop_message(&session);
    if (is_well)
        return EX_OK;
    fprintf(stderr, "%s: the session could not be read or answered\n", name);
    return EX_IOERR;
}
