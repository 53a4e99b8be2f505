/* gateway/inbound_message.c - one message on its way from a client to the store.
 *
 * Content is gathered into parts; a small message goes to the store whole, with its commit. While one
 * part is with the store the next is gathered, and then the client waits. What failed stays failed:
 * the rest of the content is dropped, and the answer at its end says why.
 */
#include "gateway/inbound_parts.h"

#include <stdio.h>

#include "base/memory.h"
#include "base/text.h"
#include "gateway/message_header.h"
#include "queue/id.h"
#include "smtp/received.h"

enum {
    RECIPIENTS_AT_FIRST = 4,
    LARGE_BYTES = 16 * 1024, /* who sends so much has more */
};

struct inbound_message {
    struct inbound *inbound;
    struct session *session; /* NULL: it has gone */
    struct arena arena;      /* the envelope's texts */
    struct queue_put put;
    struct queue_envelope envelope;
    struct queue_recipient *recipients;
    size_t count, room;
    struct buffer gathered, given; /* `given` is lent to the store */
    enum queue_status status;      /* of what the store did so far */
    bool is_asked;                 /* a request is under way */
    bool has_parts;                /* the store holds some */
    bool was_read;                 /* its header was looked at */
    bool has_ended, is_looping;
    bool has_8bit; /* an octet beyond 7BIT came; looked for where BODY=8BITMIME was said */
};

/* Many clients ask for SMTPUTF8 whatever they send. What can do without is sent on to servers that
 * know none: RFC 6531 section 3.4. */
static bool needs_utf8(const struct inbound_message *message, const struct message_header *header)
{
    bool is_needed = header->has_8bit || !text_is_ascii(message->envelope.sender);

    for (size_t i = 0; i < message->count; i++)
        is_needed |= !text_is_ascii(message->recipients[i].address) ||
                     !text_is_ascii(message->recipients[i].orcpt);
    return is_needed;
}

static void look_at_header(struct inbound_message *message)
{
    struct message_header header = message_header_read(buffer_span(&message->gathered));
    struct span id = text_front(header.message_id, QUEUE_FACT_BYTES);

    message->was_read = true;
    message->envelope.message_id = arena_copy_bytes(&message->arena, id);
    message->is_looping = header.hops > HOPS_MOST;
    message->envelope.tls_optional = /* RFC 8689 section 4.1: REQUIRETLS goes first */
        header.tls_optional && !message->envelope.requires_tls;
    if (header.is_whole)
        message->envelope.is_smtputf8 &= needs_utf8(message, &header);
}

static void free_message(struct inbound_message *message)
{
    arena_clear(&message->arena);
    buffer_clear(&message->gathered);
    buffer_clear(&message->given);
    memory_free(message->recipients);
    memory_free(message);
}

static enum queue_return return_of(enum smtp_command_return parts)
{
    switch (parts) {
    case SMTP_COMMAND_RETURN_NONE: return QUEUE_RETURN_UNSAID;
    case SMTP_COMMAND_RETURN_FULL: return QUEUE_RETURN_FULL;
    case SMTP_COMMAND_RETURN_HDRS: return QUEUE_RETURN_HEADERS;
    }
    return QUEUE_RETURN_UNSAID;
}

bool inbound_message_open(struct session *session, const struct smtp_command *mail)
{
    struct inbound_message *made = memory_new(1, sizeof *made);

    if (made == NULL)
        return false;
    made->inbound = session->inbound;
    made->session = session;
    arena_init(&made->arena, MESSAGE_ARENA_BYTES);
    buffer_init(&made->gathered, QUEUE_PART_BYTES + SMTP_SERVER_CONTENT_MOST);
    buffer_init(&made->given, QUEUE_PART_BYTES + SMTP_SERVER_CONTENT_MOST);
    made->envelope = (struct queue_envelope){
        .sender = arena_copy_bytes(&made->arena, mail->argument),
        .envid = arena_copy_bytes(&made->arena, mail->envelope_id),
        .returns = return_of(mail->parts),
        .is_8bit = mail->is_8bit,
        .is_smtputf8 = mail->is_utf8,
        .requires_tls = mail->requires_tls,
    };
    session->message = made;
    return !made->arena.exhausted;
}

/* "Postmaster" alone is at home with us: RFC 5321 section 4.1.1.3. */
static struct span recipient_address(struct inbound_message *message,
                                     const struct smtp_command *rcpt)
{
    const char *domain = message->session->profile->relay.postmaster_domain;

    if (rcpt->is_postmaster && domain != NULL)
        return span_of(arena_format(&message->arena, "postmaster@%s", domain));
    return arena_copy_bytes(&message->arena, rcpt->argument);
}

static unsigned notify_of(unsigned notify)
{
    return (notify & SMTP_NOTIFY_NEVER ? QUEUE_NOTIFY_NEVER : 0U) |
           (notify & SMTP_NOTIFY_SUCCESS ? QUEUE_NOTIFY_SUCCESS : 0U) |
           (notify & SMTP_NOTIFY_FAILURE ? QUEUE_NOTIFY_FAILURE : 0U) |
           (notify & SMTP_NOTIFY_DELAY ? QUEUE_NOTIFY_DELAY : 0U);
}

bool inbound_message_add(struct inbound_message *message, const struct smtp_command *rcpt)
{
    if (message->count == message->room) {
        size_t room = message->room == 0 ? RECIPIENTS_AT_FIRST : message->room * 2;
        void *grown = memory_grow(message->recipients, room * sizeof *message->recipients);

        if (grown == NULL)
            return false;
        message->recipients = grown;
        message->room = room;
    }
    message->recipients[message->count] = (struct queue_recipient){
        .address = recipient_address(message, rcpt),
        .orcpt = arena_copy_bytes(&message->arena, rcpt->original),
        .notify = notify_of(rcpt->notify),
    };
    if (message->arena.exhausted)
        return false;
    message->count++;
    return true;
}

static void fill_origin(struct inbound_message *message)
{
    const struct session *session = message->session;
    struct queue_origin *origin = &message->envelope.origin;
    char text[NET_ADDRESS_TEXT];

    session_address_text(session, text);
    origin->client_address = span_of(arena_copy(&message->arena, span_of(text)));
    origin->helo = span_of(arena_copy(
        &message->arena, text_front(span_of(server_link_hello(session->link)), QUEUE_FACT_BYTES)));
    if (session->tls_version == NULL)
        return;
    origin->tls_version = span_of(session->tls_version);
    origin->tls_cipher = span_of(arena_copy(&message->arena, span_of(session->tls_cipher)));
}

static const char *only_recipient(struct inbound_message *message)
{
    return message->count == 1 ? arena_copy(&message->arena, message->recipients[0].address) : NULL;
}

bool inbound_message_begin(struct inbound_message *message)
{
    const struct session *session = message->session;
    const struct inbound_settings *settings = &message->inbound->settings;
    char id[QUEUE_ID_TEXT + 1];
    struct smtp_received received;

    message->put.id = message->envelope.id = queue_door_id(settings->door);
    message->envelope.received_at_s = settings->clock->wall_s(settings->clock);
    fill_origin(message);
    queue_id_format(message->put.id, id);
    buffer_clear(&message->gathered); /* DATA that was declined may be said again */
    received = (struct smtp_received){
        .hello = server_link_hello(session->link),
        .client_address = message->envelope.origin.client_address.data,
        .hostname = session->profile->hostname,
        .tls_version = session->tls_version,
        .tls_cipher = session->tls_version == NULL ? NULL : session->tls_cipher,
        .message_id = id,
        .recipient = only_recipient(message),
        .is_esmtp = session->is_esmtp,
        .is_utf8 = message->envelope.is_smtputf8,
        .at_s = message->envelope.received_at_s,
    };
    return buffer_append_text(&message->gathered,
                              smtp_received_format(&message->arena, &received)) &&
           !message->arena.exhausted;
}

/* ---- to the store and back ---- */

static void go_on(struct inbound_message *message);

static void take_answer(void *owner)
{
    struct inbound_message *message = owner;
    struct inbound *inbound = message->inbound;
    struct session *session = message->session;
    bool waits = session != NULL && !message->has_ended;

    inbound->asked--;
    message->is_asked = false;
    buffer_clear(&message->given);
    if (message->status == QUEUE_OK)
        message->status = message->put.request.status;
    go_on(message);
    if (waits) /* then the message and its session are still there */
        session_let_go_on(session);
    inbound_look_whether_drained(inbound);
}

/* One part of what was gathered, at most, becomes what is given; the rest stays. */
static bool give_part(struct inbound_message *message)
{
    struct buffer full = message->gathered;
    struct span rest = span_part(buffer_span(&full), QUEUE_PART_BYTES, full.len);

    buffer_init(&message->gathered, full.limit);
    if (!buffer_append(&message->gathered, rest)) {
        message->gathered = full;
        return false;
    }
    message->given = full;
    message->put.bytes = span_part(buffer_span(&full), 0, QUEUE_PART_BYTES);
    return true;
}

static void ask(struct inbound_message *message,
                void (*request)(struct queue_door *, struct queue_put *, void (*)(void *), void *),
                void (*answered)(void *owner))
{
    message->is_asked = true;
    message->inbound->asked++;
    request(message->inbound->settings.door, &message->put, answered, message);
}

static void free_aborted(void *owner)
{
    struct inbound_message *message = owner;
    struct inbound *inbound = message->inbound;

    inbound->asked--;
    free_message(message);
    inbound_look_whether_drained(inbound);
}

static struct smtp_answer answer_of(const struct inbound_message *message, char *words, size_t size)
{
    char id[QUEUE_ID_TEXT + 1];

    if (message->is_looping)
        return (struct smtp_answer){ 554, "5.4.6", "More than 100 Received fields: a mail loop" };
    switch (message->status) {
    case QUEUE_OK:
        queue_id_format(message->put.id, id);
        snprintf(words, size, "Taken as %s", id);
        return (struct smtp_answer){ 250, "2.0.0", words };
    case QUEUE_FULL:
        return (struct smtp_answer){ 452, "4.3.1", "The disk is full here: try again later" };
    case QUEUE_BUSY:
        return (struct smtp_answer){ 451, "4.3.2", "The queue is too busy: try again later" };
    case QUEUE_FAILED:
    case QUEUE_ABSENT: break;
    }
    return (struct smtp_answer){ 451, "4.3.0", "The queue cannot be written: try again later" };
}

/* The end: what the store holds of a message that failed is given back, and the client told. */
static void conclude(struct inbound_message *message)
{
    struct session *session = message->session;
    char words[64];
    struct smtp_answer answer = answer_of(message, words, sizeof words);
    bool was_kept = answer.code == 250;
    struct inbound *inbound = message->inbound;

    if (was_kept) {
        inbound_log_accepted(session, &message->envelope, message->recipients, message->count);
        if (inbound->settings.accepted != NULL)
            inbound->settings.accepted(inbound->settings.owner);
    } else {
        inbound_log_rejected(session, &message->envelope, answer);
    }
    session->message = NULL;
    if (was_kept)
        free_message(message);
    else
        inbound_message_drop(&message);
    session_end_message(session, answer);
}

static void take_commit(void *owner)
{
    struct inbound_message *message = owner;
    struct inbound *inbound = message->inbound;

    inbound->asked--;
    message->is_asked = false;
    message->status = message->put.request.status;
    message->has_parts = false; /* kept, or gone with the commit that failed */
    message->envelope.size_bytes =
        message->put.size_bytes + (int64_t)message->put.bytes.len; /* the last part too */
    if (message->session != NULL) {
        conclude(message);
    } else {
        if (message->status == QUEUE_OK && inbound->settings.accepted != NULL)
            inbound->settings.accepted(inbound->settings.owner);
        free_message(message);
    }
    inbound_look_whether_drained(inbound);
}

static void commit(struct inbound_message *message)
{
    /* Said out of habit, BODY=8BITMIME would keep a message from servers that lack it. */
    message->envelope.is_8bit &= message->has_8bit;
    message->given = message->gathered;
    buffer_init(&message->gathered, message->given.limit);
    message->put.bytes = buffer_span(&message->given);
    message->put.envelope = &message->envelope;
    message->put.recipients = message->recipients;
    message->put.recipient_count = message->count;
    ask(message, queue_put_commit, take_commit);
}

/* What is next, now that nothing is asked. */
static void go_on(struct inbound_message *message)
{
    bool is_full = message->gathered.len >= QUEUE_PART_BYTES;

    if (message->session == NULL) {
        inbound_message_drop(&message);
        return;
    }
    if (!message->was_read && (is_full || message->has_ended))
        look_at_header(message);
    if (message->status != QUEUE_OK || message->is_looping) {
        buffer_clear(&message->gathered);
        if (message->has_ended)
            conclude(message);
    } else if (is_full && !give_part(message)) {
        message->status = QUEUE_FAILED;
        go_on(message);
    } else if (is_full) {
        message->has_parts = true;
        ask(message, queue_put_append, take_answer);
    } else if (message->has_ended) {
        commit(message);
    }
}

static bool gather(struct buffer *gathered, struct span content)
{
    bool is_large = gathered->len + content.len >= LARGE_BYTES;
    size_t room = is_large ? gathered->limit - gathered->len : content.len;

    return buffer_reserve(gathered, room) && buffer_append(gathered, content);
}

void inbound_message_take(struct inbound_message *message, struct span content)
{
    if (message->status != QUEUE_OK || message->is_looping)
        return;
    if (!gather(&message->gathered, content)) {
        message->status = QUEUE_FAILED;
        buffer_clear(&message->gathered);
        return;
    }
    if (message->envelope.is_8bit && !message->has_8bit)
        message->has_8bit = !text_is_ascii(content);
    if (message->gathered.len < QUEUE_PART_BYTES)
        return;
    if (message->is_asked)
        session_hold_up(message->session);
    else
        go_on(message);
}

void inbound_message_end(struct inbound_message *message)
{
    message->has_ended = true;
    if (!message->is_asked)
        go_on(message);
}

void inbound_message_drop(struct inbound_message **message)
{
    struct inbound_message *dropped = *message;

    *message = NULL;
    dropped->session = NULL;
    if (dropped->is_asked) /* its answer comes back here */
        return;
    if (dropped->has_parts)
        ask(dropped, queue_put_abort, free_aborted);
    else
        free_message(dropped);
}
