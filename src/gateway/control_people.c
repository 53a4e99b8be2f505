/* gateway/control_people.c - what people ask over the control socket: lists, bodies, changes, counts. */
#include "base/memory.h"
#include "gateway/control_internal.h"
#include "gateway/control_json.h"

enum {
    MESSAGES_OF_A_PAGE = QUEUE_LISTED_AT_ONCE,
    PAGE_BYTES = 72 << 20,
    OUTPUT_AT_ONCE = 64 * 1024
};

/* ---- list --------------------------------------------------------------------------------- */

static void ask_for_page(struct control_session *session);

/* Of the message that is being sent: itself, or its next recipient. */
static void send_next(struct control_session *session)
{
    const struct queue_message *message = &session->ask.list.messages[session->message_at];
    json_t *line;

    if (session->recipients_sent == 0)
        control_session_send(
            session, json_pack("{s:o}", "message", control_json_of_envelope(&message->envelope)));
    line = json_pack("{s:o}", "recipient",
                     control_json_of_recipient(&message->recipients[session->recipients_sent]));
    control_session_send(session, line);
    if (++session->recipients_sent < message->recipient_count)
        return;
    session->recipients_sent = 0;
    session->message_at++;
}

/* Lines until the socket takes no more or the page is at its end; then the next page. */
void control_people_go_on(struct control_session *session)
{
    const struct queue_list *list = &session->ask.list;

    session->state = CONTROL_LISTING;
    while (!session->is_ending && session->message_at < list->message_count) {
        send_next(session);
        if (session->output.len >= OUTPUT_AT_ONCE && !control_session_flush(session))
            return;
    }
    if (session->is_ending)
        return;
    if (list->has_more)
        ask_for_page(session);
    else
        control_session_answer(session, CONTROL_OK, NULL);
}

static void take_page(void *owner)
{
    struct control_session *session = owner;
    enum queue_status status = session->ask.list.request.status;

    session->state = CONTROL_IN_LINE;
    session->message_at = session->recipients_sent = 0;
    if (status == QUEUE_OK)
        control_people_go_on(session);
    else
        control_session_answer_queue(session, status);
    control_session_run(session);
}

static void ask_for_page(struct control_session *session)
{
    arena_clear(&session->page);
    arena_init(&session->page, PAGE_BYTES);
    session->state = CONTROL_WORKING;
    queue_list(session->control->settings.door, &session->ask.list, take_page, session);
}

static void begin_list(struct control_session *session)
{
    session->ask.list = (struct queue_list){ .selection = session->request.selection,
                                             .by_state = session->request.by_state,
                                             .state = session->request.state,
                                             .most = MESSAGES_OF_A_PAGE,
                                             .arena = &session->page };
    ask_for_page(session);
}

/* ---- read --------------------------------------------------------------------------------- */

static void take_part(void *owner)
{
    struct control_session *session = owner;
    const struct queue_read *read = &session->ask.read;

    if (read->request.status != QUEUE_OK) {
        control_session_answer_queue(session, read->request.status);
    } else {
        control_session_answer_with(
            session, json_pack("{s:s, s:I}", "status", "ok", "bytes", (json_int_t)read->len));
        control_session_send_bytes(session, (struct span){ read->bytes, read->len });
    }
    control_session_run(session);
}

static void begin_read(struct control_session *session)
{
    if (session->bytes == NULL)
        session->bytes = memory_new(QUEUE_PART_BYTES, 1);
    if (session->bytes == NULL) {
        control_session_answer(session, CONTROL_FAILED, "no memory for a part of the body");
        return;
    }
    session->ask.read = (struct queue_read){ .id = session->request.id,
                                             .number = session->request.part,
                                             .bytes = session->bytes };
    session->state = CONTROL_WORKING;
    queue_read(session->control->settings.door, &session->ask.read, take_part, session);
}

/* ---- change ------------------------------------------------------------------------------- */

static void ask_for_change(struct control_session *session);

static void end_change(struct control_session *session)
{
    const struct control_settings *settings = &session->control->settings;
    json_int_t changed = (json_int_t)session->ask.change.changed;

    if (settings->log != NULL)
        log_event(settings->log, LOG_NOTE, "queue-changed", "what=%s user=%u recipients=%jd",
                  control_change_name(session->request.change), session->user_id,
                  (intmax_t)changed);
    control_session_answer_with(session,
                                json_pack("{s:s, s:I}", "status", "ok", "changed", changed));
    if (settings->retried != NULL && session->ask.change.kind == QUEUE_RETRY)
        settings->retried(settings->owner);
    else if (settings->changed != NULL && changed > 0)
        settings->changed(settings->owner);
}

static void take_change(void *owner)
{
    struct control_session *session = owner;
    const struct queue_change *change = &session->ask.change;

    if (change->request.status != QUEUE_OK)
        control_session_answer_queue(session, change->request.status);
    else if (change->has_more)
        ask_for_change(session);
    else
        end_change(session);
    control_session_run(session);
}

static void ask_for_change(struct control_session *session)
{
    session->state = CONTROL_WORKING;
    queue_change(session->control->settings.door, &session->ask.change, take_change, session);
}

static void begin_change(struct control_session *session)
{
    const struct clock *clock = session->control->settings.clock;

    session->ask.change = (struct queue_change){ .kind = session->request.change,
                                                 .selection = session->request.selection,
                                                 .now_s = clock->wall_s(clock) };
    ask_for_change(session);
}

/* ---- stats -------------------------------------------------------------------------------- */

static void take_stats(void *owner)
{
    struct control_session *session = owner;
    const struct queue_stats *stats = &session->ask.stats;

    if (stats->request.status != QUEUE_OK)
        control_session_answer_queue(session, stats->request.status);
    else
        control_session_answer_with(session, json_pack("{s:s, s:o}", "status", "ok", "stats",
                                                       control_json_of_stats(stats)));
    control_session_run(session);
}

static void begin_stats(struct control_session *session)
{
    session->ask.stats = (struct queue_stats){ 0 };
    session->state = CONTROL_WORKING;
    queue_stats(session->control->settings.door, &session->ask.stats, take_stats, session);
}

void control_people_begin(struct control_session *session)
{
    switch (session->request.kind) {
    case CONTROL_LIST: begin_list(session); return;
    case CONTROL_READ: begin_read(session); return;
    case CONTROL_CHANGE: begin_change(session); return;
    case CONTROL_STATS: begin_stats(session); return;
    case CONTROL_PUT: return; /* gateway/control_put.c */
    }
}
