/* queue/store_sqlite_change.c - what becomes of one recipient in the database, now or replayed. */
#include "queue/store_sqlite_internal.h"

enum queue_status sqlite_queue_find_recipient(struct sqlite_queue *queue, int64_t message,
                                              int64_t number, enum queue_state *state,
                                              int64_t *attempts, int64_t *lease, struct error *err)
{
    sqlite3_stmt *statement = database_use(&queue->database, SQL_FIND_RECIPIENT);
    int code;

    sqlite3_bind_int64(statement, 1, message);
    sqlite3_bind_int64(statement, 2, number);
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        *state = (enum queue_state)sqlite3_column_int(statement, 0);
        *attempts = sqlite3_column_int64(statement, 1);
        *lease = sqlite3_column_int64(statement, 2);
    }
    sqlite3_reset(statement);
    return code == SQLITE_DONE ? QUEUE_ABSENT : database_status(&queue->database, code, err);
}

enum queue_status sqlite_queue_mark_leased(struct sqlite_queue *queue,
                                           const struct journal_lease *lease,
                                           const struct journal_leased *leased, struct error *err)
{
    sqlite3_stmt *statement = database_use(&queue->database, SQL_LEASE_RECIPIENT);

    sqlite3_bind_int64(statement, 1, lease->number);
    sqlite3_bind_int64(statement, 2, lease->until_s);
    sqlite3_bind_int64(statement, 3, leased->message);
    sqlite3_bind_int64(statement, 4, leased->number);
    return database_do(&queue->database, statement, err);
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

static enum queue_status drop_message(struct sqlite_queue *queue, int64_t id, struct error *err)
{
    enum queue_status status = drop_recipients(queue, id, err), drop = QUEUE_OK;
    sqlite3_stmt *statement = database_use(&queue->database, SQL_DROP_MESSAGE);
    int code = SQLITE_DONE;

    sqlite3_bind_int64(statement, 1, id);
    while (status == QUEUE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        queue->counts.messages--;
        queue->counts.body_bytes -= sqlite3_column_int64(statement, 0);
        drop = sqlite_bodies_drop(queue, database_borrow(statement, 1), err);
    }
    sqlite3_reset(statement);
    if (status == QUEUE_OK)
        status = database_status(&queue->database, code, err);
    return status == QUEUE_OK ? drop : status;
}

/* Takes one recipient off the open ones of its message; the last one takes all of it away. */
static enum queue_status close_recipient(struct sqlite_queue *queue, int64_t id, struct error *err)
{
    sqlite3_stmt *statement = database_use(&queue->database, SQL_CLOSE_RECIPIENT);
    int64_t open = 1;
    int code;

    sqlite3_bind_int64(statement, 1, id);
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        open = sqlite3_column_int64(statement, 0);
        code = sqlite3_step(statement); /* to its end, so that it is done */
    }
    sqlite3_reset(statement);
    if (code != SQLITE_DONE)
        return database_status(&queue->database, code, err);
    return open > 0 ? QUEUE_OK : drop_message(queue, id, err);
}

enum queue_status sqlite_queue_take_down(struct sqlite_queue *queue,
                                         const struct journal_change *change, struct error *err)
{
    sqlite3_stmt *statement = database_use(&queue->database, SQL_SETTLE_RECIPIENT);
    enum queue_status status;

    sqlite3_bind_int(statement, 1, (int)change->state);
    sqlite3_bind_int64(statement, 2, change->due_at_s);
    sqlite3_bind_int(statement, 3, change->has_warned);
    database_bind(statement, 4, change->code);
    database_bind(statement, 5, change->reply);
    database_bind(statement, 6, change->finding);
    sqlite3_bind_int64(statement, 7, change->message);
    sqlite3_bind_int64(statement, 8, change->number);
    status = database_do(&queue->database, statement, err);
    if (status != QUEUE_OK || (change->state != QUEUE_DONE && change->state != QUEUE_BOUNCED))
        return status;
    return close_recipient(queue, change->message, err);
}

enum queue_status sqlite_queue_move(struct sqlite_queue *queue, const struct journal_change *change,
                                    struct error *err)
{
    sqlite3_stmt *statement = database_use(&queue->database, SQL_MOVE_RECIPIENT);

    sqlite3_bind_int(statement, 1, (int)change->state);
    sqlite3_bind_int64(statement, 2, change->due_at_s);
    sqlite3_bind_int64(statement, 3, change->message);
    sqlite3_bind_int64(statement, 4, change->number);
    return database_do(&queue->database, statement, err);
}

enum queue_status sqlite_queue_delete(struct sqlite_queue *queue,
                                      const struct journal_change *change, struct error *err)
{
    sqlite3_stmt *statement = database_use(&queue->database, SQL_DROP_RECIPIENT);
    enum queue_status status;

    sqlite3_bind_int64(statement, 1, change->message);
    sqlite3_bind_int64(statement, 2, change->number);
    status = database_do(&queue->database, statement, err);
    return status == QUEUE_OK ? close_recipient(queue, change->message, err) : status;
}
