/* gateway/control_put.c - a message that a local program hands in over the control socket. */
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

#include "base/text.h"
#include "gateway/control_internal.h"
#include "queue/id.h"
#include "smtp/received.h"

enum { NAMES_BYTES = 16384 };

static void find_name(struct control_session *session)
{
    char names[NAMES_BYTES];
    struct passwd entry, *found = NULL;

    if (session->user[0] != '\0')
        return;
    if (getpwuid_r(session->user_id, &entry, names, sizeof names, &found) == 0 && found != NULL &&
        strlen(entry.pw_name) < sizeof session->user)
        snprintf(session->user, sizeof session->user, "%s", entry.pw_name);
    else
        snprintf(session->user, sizeof session->user, "uid%u", session->user_id);
}

/* What only we know, and what must be said whoever asks: RFC 6531 section 3.3. */
static void fill_envelope(struct control_session *session)
{
    const struct clock *clock = session->control->settings.clock;
    struct queue_envelope *envelope = &session->request.envelope;

    find_name(session);
    envelope->id = session->put.id;
    envelope->received_at_s = clock->wall_s(clock);
    envelope->size_bytes = 0;
    envelope->origin = (struct queue_origin){ .user = span_of(session->user) };
    envelope->tls_optional &= !envelope->requires_tls; /* RFC 8689 section 4.1 */
    envelope->is_smtputf8 |= !text_is_ascii(envelope->sender);
    for (size_t i = 0; i < session->request.recipient_count; i++)
        envelope->is_smtputf8 |= !text_is_ascii(session->request.recipients[i].address) ||
                                 !text_is_ascii(session->request.recipients[i].orcpt);
}

static bool begin_body(struct control_session *session)
{
    const struct control_request *request = &session->request;
    char id[QUEUE_ID_TEXT + 1];
    const char *only = request->recipient_count == 1 ? request->recipients[0].address.data : NULL;
    const char *received;

    queue_id_format(session->put.id, id);
    received =
        smtp_received_format(&session->arena, &(struct smtp_received){
                                                  .user = session->user,
                                                  .hostname = session->control->terms.hostname,
                                                  .message_id = id,
                                                  .recipient = only,
                                                  .at_s = request->envelope.received_at_s,
                                              });
    buffer_init(&session->part, QUEUE_PART_BYTES);
    smtp_content_init(&session->content, false, false);
    return received[0] != '\0' && buffer_append_text(&session->part, received);
}

/* NULL: the message may be put. */
static const char *flaw_of(const struct control_session *session)
{
    const struct control_request *request = &session->request;

    if ((uint64_t)request->size_bytes > session->control->terms.message_bytes)
        return "the message is larger than this gateway takes";
    return queue_envelope_flaw(&request->envelope, request->recipients, request->recipient_count);
}

static void begin_part(struct control_session *session)
{
    session->part_left = session->left < CONTROL_PART_BYTES ? session->left : CONTROL_PART_BYTES;
    session->state = CONTROL_IN_PART;
}

void control_put_begin(struct control_session *session)
{
    const char *flaw;
    char id[QUEUE_ID_TEXT + 1];

    session->put = (struct queue_put){ .id = queue_door_id(session->control->settings.door) };
    fill_envelope(session);
    flaw = flaw_of(session);
    if (flaw != NULL) {
        control_session_answer(session, CONTROL_REFUSED, flaw);
        return;
    }
    if (!begin_body(session)) {
        buffer_clear(&session->part);
        control_session_answer(session, CONTROL_FAILED, "no memory for a message");
        return;
    }
    queue_id_format(session->put.id, id);
    control_session_answer_with(session, json_pack("{s:s, s:s}", "status", "ok", "id", id));
    session->left = session->request.size_bytes;
    begin_part(session);
}

/* ---- the end ------------------------------------------------------------------------------ */

static void take_abort(void *owner)
{
    struct control_session *session = owner;

    buffer_clear(&session->part);
    session->put.parts = 0;
    control_session_answer(session, session->outcome, session->outcome_text);
    control_session_run(session);
}

/* Whatever the store has of it is forgotten; then the answer goes out. */
static void fail(struct control_session *session, enum control_status status, const char *text)
{
    session->outcome = status;
    session->outcome_text = text;
    if (session->put.parts > 0) {
        session->state = CONTROL_WORKING;
        queue_put_abort(session->control->settings.door, &session->put, take_abort, session);
        return;
    }
    buffer_clear(&session->part);
    control_session_answer(session, status, text);
}

static void fail_by_queue(struct control_session *session)
{
    static const char *const words[] = {
        [QUEUE_OK] = "",
        [QUEUE_FULL] = "the disk that holds the queue is full",
        [QUEUE_BUSY] = "the queue has too much to do; try again",
        [QUEUE_FAILED] = "the queue failed; the gateway's log says how",
        [QUEUE_ABSENT] = "a part of the message was lost",
    };
    enum queue_status status = session->put.request.status;

    fail(session, control_status_of(status), words[status]);
}

bool control_put_abandon(struct control_session *session)
{
    bool is_begun = session->put.parts > 0;

    if (is_begun)
        fail(session, CONTROL_FAILED, NULL);
    return is_begun;
}

/* The line of gateway/inbound, for mail that came by no client but by a program. */
static void log_acceptance(const struct control_session *session, const char *id)
{
    const struct queue_envelope *envelope = &session->request.envelope;
    struct span to = session->request.recipients[0].address;

    if (session->control->settings.log == NULL)
        return;
    log_event(session->control->settings.log, LOG_NOTE, "accepted",
              "id=%s from=<%.*s> to=<%.*s> nrcpt=%zu size=%jd user=%s message_id=%.*s wish=%s", id,
              (int)envelope->sender.len, envelope->sender.data, (int)to.len, to.data,
              session->request.recipient_count, (intmax_t)session->request.size_bytes,
              session->user, (int)envelope->message_id.len, envelope->message_id.data,
              queue_envelope_wish(envelope));
}

static void take_commit(void *owner)
{
    struct control_session *session = owner;
    const struct control_settings *settings = &session->control->settings;
    const struct queue_envelope *envelope = &session->request.envelope;
    char id[QUEUE_ID_TEXT + 1];

    session->put.parts = 0; /* whatever the answer is: nothing is left to be forgotten */
    if (session->put.request.status != QUEUE_OK) {
        fail_by_queue(session);
        control_session_run(session);
        return;
    }
    buffer_clear(&session->part);
    queue_id_format(envelope->id, id);
    log_acceptance(session, id);
    control_session_answer_with(session, json_pack("{s:s, s:s}", "status", "ok", "id", id));
    if (settings->changed != NULL)
        settings->changed(settings->owner);
    control_session_run(session);
}

static void commit(struct control_session *session)
{
    struct queue_put *put = &session->put;

    put->bytes = buffer_span(&session->part);
    put->envelope = &session->request.envelope;
    put->recipients = session->request.recipients;
    put->recipient_count = session->request.recipient_count;
    session->state = CONTROL_WORKING;
    queue_put_commit(session->control->settings.door, put, take_commit, session);
}

/* ---- the body ----------------------------------------------------------------------------- */

static void take_append(void *owner)
{
    struct control_session *session = owner;

    buffer_clear(&session->part);
    if (session->put.request.status == QUEUE_OK) {
        control_session_answer(session, CONTROL_OK, NULL);
        begin_part(session);
    } else {
        fail_by_queue(session);
    }
    control_session_run(session);
}

static const char *content_flaw(const struct control_session *session)
{
    switch (session->content.flaw) {
    case SMTP_CONTENT_FINE: return NULL;
    case SMTP_CONTENT_BARE_CR: return "the message holds a CR without LF";
    case SMTP_CONTENT_BARE_LF: return "the message holds an LF without CR";
    case SMTP_CONTENT_NUL: return "the message holds a NUL";
    }
    return NULL;
}

static void end_part(struct control_session *session)
{
    const char *flaw;

    if (session->left == 0)
        smtp_content_finish(&session->content);
    flaw = content_flaw(session);
    if (flaw != NULL) {
        fail(session, CONTROL_REFUSED, flaw);
    } else if (session->left == 0) {
        commit(session);
    } else {
        session->put.bytes = buffer_span(&session->part);
        session->state = CONTROL_WORKING;
        queue_put_append(session->control->settings.door, &session->put, take_append, session);
    }
}

/* The part has room for these and for the Received field. */
_Static_assert(CONTROL_PART_BYTES + 4096 <= QUEUE_PART_BYTES,
               "a part of the asker's is one of the queue's");
static void take_bytes(struct control_session *session, struct span bytes)
{
    struct span decoded;

    session->request.envelope.is_8bit |= !text_is_ascii(bytes);
    while (bytes.len > 0) {
        if (smtp_content_feed(&session->content, &bytes, &decoded) != SMTP_CONTENT_MORE ||
            !buffer_append(&session->part, decoded))
            session->is_ending = true;
    }
}

bool control_put_feed(struct control_session *session)
{
    struct span bytes = span_part(buffer_span(&session->input), 0, (size_t)session->part_left);

    if (bytes.len == 0 && session->part_left > 0)
        return false;
    take_bytes(session, bytes);
    session->part_left -= (int64_t)bytes.len;
    session->left -= (int64_t)bytes.len;
    buffer_drop(&session->input, bytes.len);
    if (session->part_left == 0)
        end_part(session);
    return true;
}
