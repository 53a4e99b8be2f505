/* gateway/delivery_report.c - puts reports to senders into the queue, and only then settles what they tell.
 *
 * Each task's recipients that failed, those that are late and those that arrived or were passed on are told of in a report
 * each. It is put into the queue like any message, with the null sender; when that is durable the recipients
 * are settled. A crash between the two sends the report again. Where a report cannot be kept, what failed is
 * deferred and tried again, and a sender who is to hear of a delay hears of it after the next attempt; what
 * was delivered is settled all the same, for another try would deliver it again.
 */
#include <sys/random.h>

#include "base/memory.h"
#include "base/text.h"
#include "gateway/delivery_parts.h"
#include "queue/id.h"

enum { REPORTS_AT_ONCE = 16, BOUNDARY_BYTES = 15 };

struct delivery_report {
    struct delivery_report *next; /* of those that wait */
    struct delivery *delivery;
    struct delivery_batch *batch; /* stays: not all of it is known */
    struct delivery_held *held;   /* in the batch's arena; those of the action are ours */
    size_t held_count;
    const struct queue_message *message;
    enum bounce_action action;
    struct delivery_body body;
    size_t wanted; /* octets of it */
    struct buffer read, text;
    struct span rest; /* of the text */
    struct queue_put put;
    enum queue_status failure; /* of an append */
    struct queue_envelope envelope;
    struct queue_recipient recipient;
};

/* ---- what is held back ---------------------------------------------------------------------- */

static bool find_action(const struct queue_settlement *settlement,
                        const struct delivery_story *story, enum bounce_action *action)
{
    switch (settlement->result) {
    case QUEUE_BOUNCED: *action = BOUNCE_FAILED; return true;
    case QUEUE_DONE: /* RFC 3461 section 5.2.2: a server that takes no such requests tells nothing further */
        *action = story->is_relayed ? BOUNCE_RELAYED : BOUNCE_DELIVERED;
        return !story->tells_success;
    case QUEUE_DEFERRED:
        *action = BOUNCE_DELAYED;
        return settlement->has_warned && !settlement->recipient->has_warned;
    case QUEUE_WAITING:
    case QUEUE_LEASED:
    case QUEUE_HELD: break;
    }
    return false;
}

/* What a settlement becomes whose report cannot be kept. */
static void take_back(struct delivery_batch *batch, struct queue_settlement *settlement,
                      const char *code, const char *why)
{
    struct queue_attempt *attempt = &settlement->attempt;
    const char *words = arena_format(&batch->arena,
                                     "the report to the sender cannot be kept (%s); before: %.*s "
                                     "%.*s",
                                     why, (int)attempt->code.len, attempt->code.data,
                                     (int)attempt->reply.len, attempt->reply.data);

    settlement->has_warned = settlement->recipient->has_warned;
    if (settlement->result != QUEUE_BOUNCED)
        return;
    settlement->result = QUEUE_DEFERRED;
    settlement->due_at_s = attempt->at_s + batch->plan->profile->schedule.retry_s[0];
    attempt->code = span_of(code);
    attempt->reply = text_front(span_of(words), QUEUE_FACT_BYTES);
}

static bool make_room(struct delivery_task *task)
{
    if (task->held == NULL)
        task->held = arena_new(&task->batch->arena, task->count, sizeof *task->held);
    return task->held != NULL;
}

bool delivery_report_hold(struct delivery_task *task, struct queue_settlement *settlement,
                          struct span said, const struct delivery_story *story)
{
    enum bounce_action action;

    if (!find_action(settlement, story, &action))
        return false;
    if (!bounce_is_wanted(&task->message->envelope, settlement->recipient, action)) {
        settlement->has_warned = settlement->recipient->has_warned;
        return false;
    }
    if (!make_room(task)) {
        take_back(task->batch, settlement, "4.3.0", "no memory");
        return false;
    }
    task->held[task->held_count++] = (struct delivery_held){
        .settlement = *settlement,
        .action = action,
        .said = said,
        .told = story->told == NULL ? NULL : finding_copy(&task->batch->arena, story->told),
        .why_clear = story->why_clear,
    };
    return true;
}

static bool find_next(const struct delivery_report *report, size_t *at)
{
    while (*at < report->held_count && report->held[*at].action != report->action)
        (*at)++;
    return *at < report->held_count;
}

/* ---- its end -------------------------------------------------------------------------------- */

static void dispatch(struct delivery *delivery);

static void settle_all(struct delivery_report *report)
{
    for (size_t i = 0; find_next(report, &i); i++)
        delivery_settle_held(report->batch, report->message, &report->held[i]);
}

/* The batch may be gone with the next turn of the loop, not before. */
static void end(struct delivery_report *report)
{
    struct delivery *delivery = report->delivery;

    settle_all(report);
    delivery_body_close(&report->body);
    buffer_clear(&report->read);
    buffer_clear(&report->text);
    memory_free(report);
    delivery->reports_at_work--;
    dispatch(delivery);
}

static void log_report(const struct delivery_report *report, enum log_level level,
                       const char *event, const char *status)
{
    struct log *log = report->delivery->settings.log;
    const struct span *sender = &report->message->envelope.sender;
    char id[QUEUE_ID_TEXT + 1], own_id[QUEUE_ID_TEXT + 1];
    size_t count = 0;

    if (log == NULL)
        return;
    for (size_t i = 0; find_next(report, &i); i++)
        count++;
    queue_id_format(report->message->envelope.id, id);
    queue_id_format(report->put.id, own_id);
    log_event(log, level, event, "id=%s report=%s to=<%.*s> action=%s recipients=%zu status=%s", id,
              own_id, (int)sender->len, sender->data, bounce_action_name(report->action), count,
              status);
}

static void fail(struct delivery_report *report, const char *code, const char *why)
{
    if (report->action == BOUNCE_DELIVERED || report->action == BOUNCE_RELAYED)
        log_report(report, LOG_ERROR, "report-lost", why);
    else
        log_report(report, LOG_WARN, "report-deferred", why);
    for (size_t i = 0; find_next(report, &i); i++)
        take_back(report->batch, &report->held[i].settlement, code, why);
    end(report);
}

static void fail_by_queue(struct delivery_report *report, enum queue_status status)
{
    fail(report, status == QUEUE_FULL ? "4.3.1" : "4.3.0", queue_status_name(status));
}

/* ---- into the queue ------------------------------------------------------------------------- */

static void take_commit(void *owner)
{
    struct delivery_report *report = owner;

    if (report->put.request.status != QUEUE_OK) {
        fail_by_queue(report, report->put.request.status);
        return;
    }
    log_report(report, LOG_NOTE, "reported", "queued");
    delivery_wake(report->delivery);
    end(report);
}

static void take_abort(void *owner)
{
    struct delivery_report *report = owner;

    fail_by_queue(report, report->failure);
}

static void put_part(struct delivery_report *report);

static void take_append(void *owner)
{
    struct delivery_report *report = owner;

    report->failure = report->put.request.status;
    if (report->failure == QUEUE_OK)
        put_part(report);
    else
        queue_put_abort(report->delivery->settings.door, &report->put, take_abort, report);
}

static void put_part(struct delivery_report *report)
{
    struct queue_door *door = report->delivery->settings.door;

    report->put.bytes = span_take_front(&report->rest, QUEUE_PART_BYTES);
    if (report->rest.len > 0)
        queue_put_append(door, &report->put, take_append, report);
    else
        queue_put_commit(door, &report->put, take_commit, report);
}

static void fill_put(struct delivery_report *report, const struct bounce_form *form)
{
    report->recipient = (struct queue_recipient){
        .address = report->message->envelope.sender,
        .notify = QUEUE_NOTIFY_NEVER, /* RFC 3461 section 6.1 */
    };
    report->envelope = (struct queue_envelope){
        .id = report->put.id,
        .is_8bit = form->is_8bit,
        .is_smtputf8 = form->is_smtputf8,
        .requires_tls = report->message->envelope.requires_tls, /* RFC 8689 section 5 */
        .received_at_s = delivery_now_s(report->delivery),
    };
    report->put.envelope = &report->envelope;
    report->put.recipients = &report->recipient;
    report->put.recipient_count = 1;
    report->rest = buffer_span(&report->text);
}

/* ---- the text ------------------------------------------------------------------------------- */

/* NULL: no memory, or no chance. */
static const char *make_boundary(struct arena *arena)
{
    char bytes[BOUNDARY_BYTES];

    if (getrandom(bytes, sizeof bytes, GRND_NONBLOCK) != (ssize_t)sizeof bytes)
        return NULL;
    return arena_format(arena, "report%s", text_hex(arena, (struct span){ bytes, sizeof bytes }));
}

static bool fill_bounce(struct delivery_report *report, struct bounce *bounce)
{
    struct arena *arena = &report->batch->arena;
    struct bounce_recipient *recipients = arena_new(arena, report->held_count, sizeof *recipients);
    const struct gateway_profile *profile = report->batch->plan->profile;
    char id[QUEUE_ID_TEXT + 1];

    queue_id_format(report->put.id, id);
    *bounce = (struct bounce){
        .action = report->action,
        .envelope = &report->message->envelope,
        .recipients = recipients,
        .message = buffer_span(&report->read),
        .hostname = profile->hostname,
        .id = arena_copy(arena, span_of(id)),
        .boundary = make_boundary(arena),
        .now_s = delivery_now_s(report->delivery),
        .retries_until_s = report->message->envelope.received_at_s + profile->schedule.lifetime_s,
    };
    for (size_t i = 0; recipients != NULL && find_next(report, &i); i++) {
        const struct queue_settlement *settlement = &report->held[i].settlement;

        recipients[bounce->count++] =
            (struct bounce_recipient){ settlement->recipient, &settlement->attempt,
                                       report->held[i].said, report->held[i].told };
    }
    return !arena->exhausted && bounce->boundary != NULL;
}

static void compose(struct delivery_report *report)
{
    struct bounce_form form;
    struct bounce bounce;

    report->put = (struct queue_put){ .id = queue_door_id(report->delivery->settings.door) };
    buffer_init(&report->text, BOUNCE_BYTES_MOST);
    if (!fill_bounce(report, &bounce) || !bounce_compose(&bounce, &report->text, &form)) {
        fail(report, "4.3.0", "no memory");
        return;
    }
    buffer_clear(&report->read);
    fill_put(report, &form);
    put_part(report);
}

/* ---- the message that it is about ----------------------------------------------------------- */

static void take_part(void *owner);

static void read_on(struct delivery_report *report)
{
    if (report->read.len < report->wanted)
        delivery_body_next(&report->body, take_part, report);
    else
        compose(report);
}

static void take_part(void *owner)
{
    struct delivery_report *report = owner;
    struct span part = span_part(report->body.part, 0, report->wanted - report->read.len);

    if (report->body.has_failed || part.len == 0)
        fail(report, "4.3.0", "the queue does not give the message");
    else if (!buffer_append(&report->read, part))
        fail(report, "4.3.0", "no memory");
    else
        read_on(report);
}

static void begin(struct delivery_report *report)
{
    const struct queue_envelope *envelope = &report->message->envelope;

    report->wanted = bounce_returned_len(report->action, envelope);
    buffer_init(&report->read, report->wanted);
    if (delivery_body_open(&report->body, report->delivery->settings.door, envelope))
        read_on(report);
    else
        fail(report, "4.3.0", "no memory");
}

static void dispatch(struct delivery *delivery)
{
    while (delivery->reports_at_work < REPORTS_AT_ONCE && delivery->reports != NULL) {
        struct delivery_report *report = delivery->reports;

        delivery->reports = report->next;
        delivery->reports_at_work++;
        begin(report);
    }
}

/* ---- its beginning -------------------------------------------------------------------------- */

static void add_report(struct delivery_report *report)
{
    struct delivery_report **place = &report->delivery->reports;

    while (*place != NULL)
        place = &(*place)->next;
    *place = report;
}

/* Without memory for the report itself. */
static void give_up(struct delivery_task *task, enum bounce_action action)
{
    for (size_t i = 0; i < task->held_count; i++) {
        if (task->held[i].action != action)
            continue;
        take_back(task->batch, &task->held[i].settlement, "4.3.0", "no memory");
        delivery_settle_held(task->batch, task->message, &task->held[i]);
    }
}

static void start(struct delivery_task *task, enum bounce_action action)
{
    struct delivery_report *report = memory_new(1, sizeof *report);

    if (report == NULL) {
        give_up(task, action);
        return;
    }
    report->delivery = task->batch->delivery;
    report->batch = task->batch;
    report->held = task->held;
    report->held_count = task->held_count;
    report->message = task->message;
    report->action = action;
    add_report(report);
}

static bool has(const struct delivery_task *task, enum bounce_action action)
{
    for (size_t i = 0; i < task->held_count; i++)
        if (task->held[i].action == action)
            return true;
    return false;
}

void delivery_report_start(struct delivery_task *task)
{
    static const enum bounce_action actions[] = { BOUNCE_FAILED, BOUNCE_DELAYED, BOUNCE_DELIVERED,
                                                  BOUNCE_RELAYED };

    for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
        if (has(task, actions[i]))
            start(task, actions[i]);
    dispatch(task->batch->delivery);
}
