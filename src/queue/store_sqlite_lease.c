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

static enum queue_status mark_leased(struct sqlite_queue *queue, const struct queue_lease *lease,
                                     struct queue_recipient *recipient, struct error *err)
{
    sqlite3_stmt *statement = database_use(&queue->database, SQL_LEASE_RECIPIENT);

    sqlite3_bind_int64(statement, 1, lease->number);
    sqlite3_bind_int64(statement, 2, lease->until_s);
    sqlite3_bind_int64(statement, 3, recipient->number);
    sqlite_queue_count(queue, recipient->state, QUEUE_LEASED);
    recipient->state = QUEUE_LEASED;
    recipient->due_at_s = lease->until_s;
    return database_do(&queue->database, statement, err);
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
static enum queue_status read_body(struct sqlite_queue *queue, struct queue_lease *lease,
                                   struct error *err)
{
    struct queue_message *message = &lease->messages[lease->message_count - 1];

    if (!lease->with_bodies || message->envelope.size_bytes > QUEUE_LEASED_BODY)
        return QUEUE_OK;
    return sqlite_queue_read_whole(queue, message->envelope.id, message->envelope.size_bytes,
                                   lease->arena, &message->body, err);
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
        status = mark_leased(queue, lease, &recipients[i], err);
        if (status == QUEUE_OK && (i == 0 || rows[i].message != rows[i - 1].message)) {
            status = read_message(queue, lease, rows[i].message, err);
            if (status == QUEUE_OK)
                lease->messages[lease->message_count - 1].recipients = &recipients[i];
            if (status == QUEUE_OK)
                status = read_body(queue, lease, err);
        }
        if (status == QUEUE_OK)
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
    enum queue_status status = QUEUE_OK;
    size_t count = 0;

    lease->number = ++queue->leases;
    lease->messages = NULL;
    lease->message_count = 0;
    if (rows != NULL)
        status = find_due(queue, lease, rows, &count, err);
    if (status == QUEUE_OK && count > 0) {
        qsort(rows, count, sizeof *rows, compare);
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

/* Reads what the recipient is now; QUEUE_ABSENT where it is gone. */
static enum queue_status find_recipient(struct sqlite_queue *queue,
                                        const struct queue_settlement *settlement,
                                        enum queue_state *state, int64_t *lease, struct error *err)
{
    sqlite3_stmt *statement = database_use(&queue->database, SQL_FIND_RECIPIENT);
    int code;

    sqlite3_bind_int64(statement, 1, settlement->recipient->number);
    sqlite3_bind_int64(statement, 2, settlement->id);
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        *state = (enum queue_state)sqlite3_column_int(statement, 0);
        *lease = sqlite3_column_int64(statement, 1);
    }
    sqlite3_reset(statement);
    return code == SQLITE_DONE ? QUEUE_ABSENT : database_status(&queue->database, code, err);
}

static enum queue_status take_down(struct sqlite_queue *queue, enum queue_state from,
                                   const struct queue_settlement *settlement, struct error *err)
{
    sqlite3_stmt *statement = database_use(&queue->database, SQL_SETTLE_RECIPIENT);

    sqlite3_bind_int(statement, 1, (int)settlement->result);
    sqlite3_bind_int64(statement, 2, settlement->due_at_s);
    sqlite3_bind_int(statement, 3, settlement->has_warned);
    database_bind(statement, 4, settlement->attempt.code);
    database_bind(statement, 5, settlement->attempt.reply);
    database_bind(statement, 6, settlement->attempt.finding);
    sqlite3_bind_int64(statement, 7, settlement->recipient->number);
    sqlite_queue_count(queue, from, settlement->result);
    return database_do(&queue->database, statement, err);
}

static enum queue_status give_back(struct sqlite_queue *queue, enum queue_state from,
                                   const struct queue_settlement *settlement, struct error *err)
{
    sqlite3_stmt *statement = database_use(&queue->database, SQL_GIVE_BACK_RECIPIENT);
    int code;

    sqlite3_bind_int64(statement, 1, settlement->due_at_s);
    sqlite3_bind_int64(statement, 2, settlement->recipient->number);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        sqlite_queue_count(queue, from, (enum queue_state)sqlite3_column_int(statement, 0));
    sqlite3_reset(statement);
    return database_status(&queue->database, code, err);
}

enum queue_status sqlite_queue_settle(void *object, int64_t lease,
                                      const struct queue_settlement *settlement, bool *was_settled,
                                      struct error *err)
{
    struct sqlite_queue *queue = object;
    enum queue_state from = QUEUE_DONE;
    int64_t held_by = 0;
    enum queue_status status = find_recipient(queue, settlement, &from, &held_by, err);

    *was_settled = false;
    if (status != QUEUE_OK)
        return status == QUEUE_ABSENT ? QUEUE_OK : status;
    if (is_final(from))
        return QUEUE_OK;
    /* Mail that went out, or a report that did, is a fact whoever has the lease by now. */
    if (!is_final(settlement->result) && (from != QUEUE_LEASED || held_by != lease))
        return QUEUE_OK;
    *was_settled = true;
    if (settlement->result == QUEUE_WAITING)
        return give_back(queue, from, settlement, err);
    status = take_down(queue, from, settlement, err);
    if (status != QUEUE_OK || !is_final(settlement->result))
        return status;
    return sqlite_queue_close_recipient(queue, settlement->id, err);
}

/* The states are known only now: the counts follow them. */
static enum queue_status drop_recipients(struct sqlite_queue *queue, int64_t id, struct error *err)
{
    sqlite3_stmt *statement = database_use(&queue->database, SQL_DROP_RECIPIENTS);
    int code;

    sqlite3_bind_int64(statement, 1, id);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        queue->counts.recipients[sqlite3_column_int(statement, 0)]--;
    sqlite3_reset(statement);
    return database_status(&queue->database, code, err);
}

static enum queue_status drop_message(struct sqlite_queue *queue, int64_t id, int64_t size_bytes,
                                      struct error *err)
{
    enum queue_status status = drop_recipients(queue, id, err);
    sqlite3_stmt *statement = database_use(&queue->database, SQL_DROP_MESSAGE);

    sqlite3_bind_int64(statement, 1, id);
    if (status == QUEUE_OK)
        status = database_do(&queue->database, statement, err);
    if (status == QUEUE_OK)
        status = sqlite_queue_drop(queue, id, err);
    queue->counts.messages--;
    queue->counts.body_bytes -= size_bytes;
    if (id > queue->newest_dropped)
        queue->newest_dropped = id;
    return status;
}

enum queue_status sqlite_queue_close_recipient(struct sqlite_queue *queue, int64_t id,
                                               struct error *err)
{
    sqlite3_stmt *statement = database_use(&queue->database, SQL_CLOSE_RECIPIENT);
    int64_t open = 1, size_bytes = 0;
    int code;

    sqlite3_bind_int64(statement, 1, id);
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        open = sqlite3_column_int64(statement, 0);
        size_bytes = sqlite3_column_int64(statement, 1);
        code = sqlite3_step(statement); /* to its end, so that it is done */
    }
    sqlite3_reset(statement);
    if (code != SQLITE_DONE)
        return database_status(&queue->database, code, err);
    return open > 0 ? QUEUE_OK : drop_message(queue, id, size_bytes, err);
}
