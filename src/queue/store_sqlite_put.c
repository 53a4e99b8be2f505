/* queue/store_sqlite_put.c - bodies in parts, and the message that makes them one. */
#include "queue/store_sqlite_internal.h"

enum queue_status sqlite_queue_append(void *object, int64_t id, int64_t number, struct span bytes,
                                      struct error *err)
{
    struct database *database = &((struct sqlite_queue *)object)->database;
    sqlite3_stmt *statement = database_use(database, SQL_ADD_PART);

    sqlite3_bind_int64(statement, 1, id);
    sqlite3_bind_int64(statement, 2, number);
    database_bind_bytes(statement, 3, bytes);
    return database_do(database, statement, err);
}

/* What was appended before may have gone with a transaction that failed. */
static enum queue_status check_parts(struct sqlite_queue *queue, const struct queue_put *put,
                                     struct error *err)
{
    sqlite3_stmt *statement = database_use(&queue->database, SQL_SUM_PARTS);
    bool is_whole;
    int code;

    sqlite3_bind_int64(statement, 1, put->id);
    code = sqlite3_step(statement);
    is_whole = code == SQLITE_ROW && sqlite3_column_int64(statement, 0) == put->parts &&
               sqlite3_column_int64(statement, 1) == put->size_bytes;
    sqlite3_reset(statement);
    if (code != SQLITE_ROW)
        return database_status(&queue->database, code, err);
    if (is_whole)
        return QUEUE_OK;
    error_set(err, ERROR_SYSTEM, "a part of the message was lost when an earlier commit failed");
    return QUEUE_FAILED;
}

static enum queue_status add_message(struct sqlite_queue *queue, const struct queue_put *put,
                                     struct error *err)
{
    const struct queue_envelope *envelope = put->envelope;
    sqlite3_stmt *statement = database_use(&queue->database, SQL_ADD_MESSAGE);

    sqlite3_bind_int64(statement, 1, put->id);
    database_bind(statement, 2, envelope->sender);
    database_bind(statement, 3, envelope->envid);
    database_bind(statement, 4, envelope->message_id);
    sqlite3_bind_int(statement, 5, (int)envelope->returns);
    sqlite3_bind_int(statement, 6, envelope->is_8bit);
    sqlite3_bind_int(statement, 7, envelope->is_smtputf8);
    sqlite3_bind_int64(statement, 8, envelope->received_at_s);
    sqlite3_bind_int64(statement, 9, put->size_bytes + (int64_t)put->bytes.len);
    database_bind(statement, 10, envelope->origin.client_address);
    database_bind(statement, 11, envelope->origin.helo);
    database_bind(statement, 12, envelope->origin.user);
    database_bind(statement, 13, envelope->origin.tls_version);
    database_bind(statement, 14, envelope->origin.tls_cipher);
    sqlite3_bind_int64(statement, 15, (int64_t)put->recipient_count);
    return database_do(&queue->database, statement, err);
}

static enum queue_status add_recipient(struct sqlite_queue *queue, const struct queue_put *put,
                                       const struct queue_recipient *recipient, struct error *err)
{
    sqlite3_stmt *statement = database_use(&queue->database, SQL_ADD_RECIPIENT);

    sqlite3_bind_int64(statement, 1, put->id);
    database_bind(statement, 2, recipient->address);
    database_bind(statement, 3, recipient->orcpt);
    sqlite3_bind_int64(statement, 4, recipient->notify);
    sqlite3_bind_int64(statement, 5, put->envelope->received_at_s);
    return database_do(&queue->database, statement, err);
}

static enum queue_status add_body(struct sqlite_queue *queue, const struct queue_put *put,
                                  struct error *err)
{
    sqlite3_stmt *statement;

    if (put->bytes.len == 0)
        return QUEUE_OK;
    if (put->parts > 0)
        return sqlite_queue_append(queue, put->id, put->parts, put->bytes, err);
    statement = database_use(&queue->database, SQL_ADD_BODY);
    sqlite3_bind_int64(statement, 1, put->id);
    database_bind_bytes(statement, 2, put->bytes);
    return database_do(&queue->database, statement, err);
}

enum queue_status sqlite_queue_put(void *object, const struct queue_put *put, struct error *err)
{
    struct sqlite_queue *queue = object;
    enum queue_status status = put->parts == 0 ? QUEUE_OK : check_parts(queue, put, err);

    if (status == QUEUE_OK)
        status = add_body(queue, put, err);
    if (status == QUEUE_OK)
        status = add_message(queue, put, err);
    for (size_t i = 0; status == QUEUE_OK && i < put->recipient_count; i++)
        status = add_recipient(queue, put, &put->recipients[i], err);
    if (status != QUEUE_OK)
        return status;
    queue->counts.messages++;
    queue->counts.body_bytes += put->size_bytes + (int64_t)put->bytes.len;
    queue->counts.recipients[QUEUE_WAITING] += (int64_t)put->recipient_count;
    if (put->id > queue->newest_id)
        queue->newest_id = put->id;
    return QUEUE_OK;
}

static enum queue_status drop_by(struct database *database, size_t sql, int64_t id,
                                 struct error *err)
{
    sqlite3_stmt *statement = database_use(database, sql);

    sqlite3_bind_int64(statement, 1, id);
    return database_do(database, statement, err);
}

enum queue_status sqlite_queue_drop(void *object, int64_t id, struct error *err)
{
    struct database *database = &((struct sqlite_queue *)object)->database;
    enum queue_status status = drop_by(database, SQL_DROP_BODY, id, err);

    if (status == QUEUE_OK && sqlite3_changes(database->connection) == 0)
        status = drop_by(database, SQL_DROP_PARTS, id, err);
    return status;
}

/* SQLITE_ROW where there was something to take. */
static int take_bytes(sqlite3_stmt *statement, struct queue_read *read)
{
    int code = sqlite3_step(statement);

    if (code == SQLITE_ROW) {
        struct span bytes = span_part(database_borrow(statement, 0), 0, QUEUE_PART_BYTES);

        memcpy(read->bytes, bytes.data, bytes.len);
        read->len = bytes.len;
    }
    sqlite3_reset(statement);
    return code;
}

enum queue_status sqlite_queue_read(void *object, struct queue_read *read, struct error *err)
{
    struct database *database = &((struct sqlite_queue *)object)->database;
    sqlite3_stmt *statement = database_use(database, SQL_READ_BODY);
    int code = SQLITE_DONE;

    sqlite3_bind_int64(statement, 1, read->id);
    if (read->number == 0)
        code = take_bytes(statement, read);
    if (code == SQLITE_DONE) {
        statement = database_use(database, SQL_READ_PART);
        sqlite3_bind_int64(statement, 1, read->id);
        sqlite3_bind_int64(statement, 2, read->number);
        code = take_bytes(statement, read);
    }
    if (code == SQLITE_DONE)
        return QUEUE_ABSENT;
    return database_status(database, code, err);
}

enum queue_status sqlite_queue_read_whole(struct sqlite_queue *queue, int64_t id,
                                          int64_t size_bytes, struct arena *arena,
                                          struct span *body, struct error *err)
{
    char part[QUEUE_PART_BYTES];
    struct queue_read read = { .id = id, .bytes = part };
    char *bytes = size_bytes == 0 ? NULL : arena_new(arena, (size_t)size_bytes, 1);
    size_t used = 0;

    *body = (struct span){ 0 };
    while (bytes != NULL && used < (size_t)size_bytes) {
        enum queue_status status = sqlite_queue_read(queue, &read, err);

        if (status == QUEUE_ABSENT ||
            (status == QUEUE_OK && read.len > (size_t)size_bytes - used)) {
            error_set(err, ERROR_FORMAT, "%s: a message has not its whole body",
                      queue->database.path);
            return QUEUE_FAILED;
        }
        if (status != QUEUE_OK)
            return status;
        memcpy(bytes + used, part, read.len);
        used += read.len;
        read.number++;
    }
    *body = (struct span){ bytes, used };
    return QUEUE_OK;
}
