/* queue/store_sqlite_lease.c - who works on what, and what became of it. */
#include "queue/store_sqlite_internal.h"

#include <stdlib.h>

/* A recipient with its message, until they are grouped. */
struct due {
    int64_t message;
    struct queue_recipient recipient;
};

static int compare(const void *a, const void *b)
{
    const struct due *one = a, *other = b;

    if (one->message != other->message)
        return one->message < other->message ? -1 : 1;
    return one->recipient.number < other->recipient.number ? -1 : 1;
}

/* Those that are due, longest due first, into `rows` (room for lease->most). */
static enum queue_status find_due(struct sqlite_queue *queue, const struct queue_lease *lease,
                                  struct due *rows, size_t *count, struct error *err)
{
    sqlite3_stmt *statement = database_use(&queue->database, SQL_FIND_DUE);
    int code;

    *count = 0;
    sqlite3_bind_int64(statement, 1, lease->now_s);
    sqlite3_bind_int64(statement, 2, (int64_t)lease->most);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW && *count < lease->most) {
        rows[*count].message = sqlite3_column_int64(statement, 1);
        sqlite_queue_read_recipient(statement, lease->arena, &rows[(*count)++].recipient);
    }
    sqlite3_reset(statement);
    return database_status(&queue->database, code, err);
}

/* All of them, in the database and in the journal: what was leased stays so where the database falls
 * behind. It need not outlast the process. */
static enum queue_status mark_leased(struct sqlite_queue *queue, const struct queue_lease *lease,
                                     struct due *rows, size_t count, struct error *err)
{
    struct journal_leased *leased = arena_new(lease->arena, count, sizeof *leased);
    struct journal_lease record = { lease->number, lease->until_s, leased, count };
    enum queue_status status = QUEUE_OK;

    if (leased == NULL)
        return QUEUE_OK; /* the arena tells */
    for (size_t i = 0; status == QUEUE_OK && i < count; i++) {
        struct queue_recipient *recipient = &rows[i].recipient;

        leased[i] = (struct journal_leased){ rows[i].message, recipient->number };
        status = sqlite_queue_mark_leased(queue, &record, &leased[i], err);
        sqlite_queue_count(queue, recipient->state, QUEUE_LEASED);
        recipient->state = QUEUE_LEASED;
        recipient->due_at_s = lease->until_s;
    }
    if (status != QUEUE_OK)
        return status;
    return sqlite_queue_tell(queue, JOURNAL_LEASE, journal_format_lease(&record, &queue->record),
                             false, err);
}

static enum queue_status read_message(struct sqlite_queue *queue, struct queue_lease *lease,
                                      int64_t id, struct error *err)
{
    sqlite3_stmt *statement = database_use(&queue->database, SQL_FIND_MESSAGE);
    int code;

    sqlite3_bind_int64(statement, 1, id);
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        sqlite_queue_read_envelope(statement, lease->arena,
                                   &lease->messages[lease->message_count++].envelope);
    sqlite3_reset(statement);
    if (code != SQLITE_DONE)
        return database_status(&queue->database, code, err);
    error_set(err, ERROR_FORMAT, "%s: a recipient has no message", queue->database.path);
    return QUEUE_FAILED;
}

/* Of the last message so far. */
static void read_body(struct sqlite_queue *queue, struct queue_lease *lease)
{
    struct queue_message *message = &lease->messages[lease->message_count - 1];

    if (lease->with_bodies && message->envelope.size_bytes <= QUEUE_LEASED_BODY)
        sqlite_bodies_read_whole(queue, message->envelope.id, message->envelope.size_bytes,
                                 lease->arena, &message->body);
}

/* Fills lease->messages from rows in order of their messages. */
static enum queue_status group(struct sqlite_queue *queue, struct queue_lease *lease,
                               const struct due *rows, size_t count, struct error *err)
{
    struct queue_recipient *recipients = arena_new(lease->arena, count, sizeof *recipients);
    enum queue_status status = QUEUE_OK;

    lease->messages = arena_new(lease->arena, count, sizeof *lease->messages);
    if (recipients == NULL || lease->messages == NULL)
        return QUEUE_OK; /* the arena tells */
    for (size_t i = 0; status == QUEUE_OK && i < count; i++) {
        recipients[i] = rows[i].recipient;
        if (i == 0 || rows[i].message != rows[i - 1].message) {
            status = read_message(queue, lease, rows[i].message, err);
            if (status != QUEUE_OK)
                break;
            lease->messages[lease->message_count - 1].recipients = &recipients[i];
            read_body(queue, lease);
        }
        lease->messages[lease->message_count - 1].recipient_count++;
    }
    return status;
}

static enum queue_status find_next_due(struct sqlite_queue *queue, struct queue_lease *lease,
                                       struct error *err)
{
    sqlite3_stmt *statement = database_use(&queue->database, SQL_FIND_NEXT_DUE);
    int code = sqlite3_step(statement);

    lease->next_due_at_s = INT64_MAX;
    if (code == SQLITE_ROW && sqlite3_column_type(statement, 0) != SQLITE_NULL)
        lease->next_due_at_s = sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    return database_status(&queue->database, code, err);
}

enum queue_status sqlite_queue_lease(void *object, struct queue_lease *lease, struct error *err)
{
    struct sqlite_queue *queue = object;
    struct due *rows = arena_new(lease->arena, lease->most, sizeof *rows);
    enum queue_status status = sqlite_queue_check(queue, err);
    size_t count = 0;

    lease->number = ++queue->leases;
    lease->messages = NULL;
    lease->message_count = 0;
    if (status == QUEUE_OK && rows != NULL)
        status = find_due(queue, lease, rows, &count, err);
    if (status == QUEUE_OK && count > 0) {
        qsort(rows, count, sizeof *rows, compare);
        status = mark_leased(queue, lease, rows, count, err);
        if (status == QUEUE_OK)
            status = group(queue, lease, rows, count, err);
    }
    if (status == QUEUE_OK)
        status = find_next_due(queue, lease, err);
    if (status != QUEUE_OK || !lease->arena->exhausted)
        return status;
    error_set(err, ERROR_MEMORY, "the memory that was lent for a lease does not hold it");
    return QUEUE_FAILED;
}

static bool is_final(enum queue_state state)
{
    return state == QUEUE_DONE || state == QUEUE_BOUNCED;
}

static enum queue_status take_down(struct sqlite_queue *queue, struct journal_change *change,
                                   struct error *err)
{
    enum queue_status status = sqlite_queue_tell(
        queue, JOURNAL_SETTLE, journal_format_change(change, &queue->record), true, err);

    return status == QUEUE_OK ? sqlite_queue_take_down(queue, change, err) : status;
}

static enum queue_status give_back(struct sqlite_queue *queue, struct journal_change *change,
                                   struct error *err)
{
    enum queue_status status = sqlite_queue_tell(
        queue, JOURNAL_MOVE, journal_format_change(change, &queue->record), true, err);

    return status == QUEUE_OK ? sqlite_queue_move(queue, change, err) : status;
}

enum queue_status sqlite_queue_settle(void *object, int64_t lease,
                                      const struct queue_settlement *settlement, bool *was_settled,
                                      struct error *err)
{
    struct sqlite_queue *queue = object;
    enum queue_state from = QUEUE_DONE;
    int64_t held_by = 0, attempts = 0;
    struct journal_change change = { .message = settlement->id,
                                     .number = settlement->recipient->number,
                                     .state = settlement->result,
                                     .due_at_s = settlement->due_at_s,
                                     .has_warned = settlement->has_warned,
                                     .code = settlement->attempt.code,
                                     .reply = settlement->attempt.reply,
                                     .finding = settlement->attempt.finding };
    enum queue_status status = sqlite_queue_check(queue, err);

    *was_settled = false;
    if (status == QUEUE_OK)
        status = sqlite_queue_find_recipient(queue, change.message, change.number, &from, &attempts,
                                             &held_by, err);
    if (status != QUEUE_OK)
        return status == QUEUE_ABSENT ? QUEUE_OK : status;
    if (is_final(from))
        return QUEUE_OK;
    /* Mail that went out, or a report that did, is a fact whoever has the lease by now. */
    if (!is_final(settlement->result) && (from != QUEUE_LEASED || held_by != lease))
        return QUEUE_OK;
    *was_settled = true;
    if (settlement->result == QUEUE_WAITING && attempts > 0)
        change.state = QUEUE_DEFERRED;
    sqlite_queue_count(queue, from, change.state);
    return settlement->result == QUEUE_WAITING ? give_back(queue, &change, err)
                                               : take_down(queue, &change, err);
}
