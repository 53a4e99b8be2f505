/* gateway/delivery_reading.c - mail to the address for TLS reports is read, and then delivered as all mail is.
 *
 * A message is read before any of its recipients is tried, one message at a time, and is due again at once: so what
 * a crash interrupts is read again, which the history does not mind. Whatever comes of it, nothing but the log
 * changes: a message that has no report, or is too large, goes to its mailbox.
 */
#include "gateway/delivery_parts.h"

#include "base/memory.h"
#include "gateway/inbound_history.h"
#include "queue/id.h"

enum { READ_MOST = 4096 /* messages that are remembered as read */ };

struct delivery_reading {
    struct delivery *delivery;
    struct delivery_line line;  /* they wait for their turn */
    struct delivery_task *task; /* whose message is being read; NULL */
    struct delivery_body body;
    struct buffer message;
    int64_t read[READ_MOST]; /* the ids of the last, in a ring */
    size_t next;
};

static bool was_read(const struct delivery_reading *reading, int64_t id)
{
    for (size_t i = 0; reading != NULL && i < READ_MOST; i++)
        if (reading->read[i] == id)
            return true;
    return false;
}

bool delivery_reading_is_due(const struct delivery_task *task)
{
    const struct delivery *delivery = task->batch->delivery;
    const char *address = task->batch->plan->profile->reports.read;

    if (address == NULL || delivery->settings.history == NULL)
        return false;
    for (size_t i = 0; i < task->count; i++)
        if (span_equal_nocase(task->targets[i]->address, span_of(address)))
            return !was_read(delivery->reading, task->message->envelope.id);
    return false;
}

static void log_reason(const struct delivery_reading *reading, enum log_level level,
                       const char *event, const char *reason)
{
    struct log *log = reading->delivery->settings.log;
    char id[QUEUE_ID_TEXT + 1];

    if (log == NULL)
        return;
    queue_id_format(reading->task->message->envelope.id, id);
    log_event(log, level, event, "id=%s from=<%.*s> reason=%-s", id,
              (int)reading->task->message->envelope.sender.len,
              reading->task->message->envelope.sender.data, reason);
}

static void log_report(const struct delivery_reading *reading, const struct tls_report *report,
                       bool is_known)
{
    struct log *log = reading->delivery->settings.log;
    int64_t successes = 0, failures = 0;
    char id[QUEUE_ID_TEXT + 1];

    if (log == NULL)
        return;
    for (size_t i = 0; i < report->policy_count; i++) {
        successes += report->policies[i].successes;
        failures += report->policies[i].failures;
    }
    queue_id_format(reading->task->message->envelope.id, id);
    log_event(log, failures > 0 && !is_known ? LOG_WARN : LOG_NOTE, "tls-report-received",
              "id=%s organization=%s report=%s contact=%s known=%s succeeded=%lld failed=%lld", id,
              report->organization, report->id, report->contact, is_known ? "yes" : "no",
              (long long)successes, (long long)failures);
}

/* Due again at once, now that it was read. */
static void let_go(struct delivery_reading *reading)
{
    struct delivery_task *task = reading->task;

    reading->read[reading->next++ % READ_MOST] = task->message->envelope.id;
    delivery_body_close(&reading->body);
    buffer_clear(&reading->message);
    reading->task = NULL;
    delivery_give_back(task, delivery_now_s(reading->delivery));
    delivery_task_end(task);
}

static void begin(struct delivery_reading *reading);

static void end(struct delivery_reading *reading)
{
    let_go(reading);
    begin(reading);
}

static void take_outcome(void *owner, const struct inbound_history_outcome *outcome)
{
    struct delivery_reading *reading = owner;

    if (outcome->received != NULL)
        log_report(reading, &outcome->received->report, outcome->fate == INBOUND_HISTORY_KNOWN);
    if (outcome->fate == INBOUND_HISTORY_UNREADABLE)
        log_reason(reading, LOG_WARN, "tls-report-unreadable", outcome->err.text);
    else if (outcome->fate == INBOUND_HISTORY_FAILED)
        log_reason(reading, LOG_ERROR, "tls-report-unkept", outcome->err.text);
    end(reading);
}

static void hand_over(struct delivery_reading *reading)
{
    if (inbound_history_take(reading->delivery->settings.history, buffer_span(&reading->message),
                             take_outcome, reading))
        return;
    log_reason(reading, LOG_ERROR, "tls-report-unkept", "no memory");
    end(reading);
}

static void take_part(void *owner)
{
    struct delivery_reading *reading = owner;
    struct delivery_body *body = &reading->body;

    if (body->has_failed || !buffer_append(&reading->message, body->part)) {
        log_reason(reading, LOG_ERROR, "tls-report-unkept",
                   body->has_failed ? "the queue does not give the message" : "no memory");
        end(reading);
    } else if (delivery_body_is_whole(body)) {
        hand_over(reading);
    } else {
        delivery_body_next(body, take_part, reading);
    }
}

/* False: there is nothing to wait for. */
static bool start(struct delivery_reading *reading)
{
    const struct queue_envelope *envelope = &reading->task->message->envelope;

    if (envelope->size_bytes > RECEIVED_REPORT_BYTES_MOST) {
        log_reason(reading, LOG_WARN, "tls-report-unreadable", "the message is too large for one");
        return false;
    }
    if (!delivery_body_open(&reading->body, reading->delivery->settings.door, envelope)) {
        log_reason(reading, LOG_ERROR, "tls-report-unkept", "no memory");
        return false;
    }
    delivery_body_next(&reading->body, take_part, reading);
    return true;
}

static void begin(struct delivery_reading *reading)
{
    while (reading->task == NULL) {
        reading->task = delivery_line_take(&reading->line);
        if (reading->task == NULL || start(reading))
            return;
        let_go(reading);
    }
}

bool delivery_reading_add(struct delivery_task *task)
{
    struct delivery *delivery = task->batch->delivery;

    if (delivery->reading == NULL) {
        delivery->reading = memory_new(1, sizeof *delivery->reading);
        if (delivery->reading == NULL)
            return false;
        delivery->reading->delivery = delivery;
        buffer_init(&delivery->reading->message, RECEIVED_REPORT_BYTES_MOST);
    }
    delivery_line_add(&delivery->reading->line, task);
    begin(delivery->reading);
    return true;
}

void delivery_reading_free(struct delivery_reading **reading)
{
    memory_free(*reading);
    *reading = NULL;
}
