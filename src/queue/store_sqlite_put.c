/* queue/store_sqlite_put.c - a message with its recipients, into the journal and into the database. */
#include "queue/store_sqlite_internal.h"

static enum queue_status add_message(struct sqlite_queue *queue, const struct journal_put *put,
                                     struct error *err)
{
    const struct queue_envelope *envelope = &put->envelope;
    sqlite3_stmt *statement = database_use(&queue->database, SQL_ADD_MESSAGE);

    sqlite3_bind_int64(statement, 1, envelope->id);
    database_bind(statement, 2, envelope->sender);
    database_bind(statement, 3, envelope->envid);
    database_bind(statement, 4, envelope->message_id);
    sqlite3_bind_int(statement, 5, (int)envelope->returns);
    sqlite3_bind_int(statement, 6, envelope->is_8bit);
    sqlite3_bind_int(statement, 7, envelope->is_smtputf8);
    sqlite3_bind_int64(statement, 8, envelope->received_at_s);
    sqlite3_bind_int64(statement, 9, envelope->size_bytes);
    database_bind(statement, 10, envelope->origin.client_address);
    database_bind(statement, 11, envelope->origin.helo);
    database_bind(statement, 12, envelope->origin.user);
    database_bind(statement, 13, envelope->origin.tls_version);
    database_bind(statement, 14, envelope->origin.tls_cipher);
    sqlite3_bind_int(statement, 15, envelope->requires_tls);
    sqlite3_bind_int(statement, 16, envelope->tls_optional);
    sqlite3_bind_int64(statement, 17, (int64_t)put->recipient_count);
    database_bind_bytes(
        statement, 18,
        (struct span){ (const char *)put->places, put->place_count * sizeof *put->places });
    return database_do(&queue->database, statement, err);
}

static enum queue_status add_recipient(struct sqlite_queue *queue, const struct journal_put *put,
                                       size_t index, struct error *err)
{
    const struct queue_recipient *recipient = &put->recipients[index];
    sqlite3_stmt *statement = database_use(&queue->database, SQL_ADD_RECIPIENT);

    sqlite3_bind_int64(statement, 1, put->envelope.id);
    sqlite3_bind_int64(statement, 2, put->first_number + (int64_t)index);
    database_bind(statement, 3, recipient->address);
    database_bind(statement, 4, recipient->orcpt);
    sqlite3_bind_int64(statement, 5, recipient->notify);
    sqlite3_bind_int64(statement, 6, put->envelope.received_at_s);
    return database_do(&queue->database, statement, err);
}

enum queue_status sqlite_queue_add(struct sqlite_queue *queue, const struct journal_put *put,
                                   struct error *err)
{
    int64_t last_number = put->first_number + (int64_t)put->recipient_count - 1;
    enum queue_status status = add_message(queue, put, err);

    for (size_t i = 0; status == QUEUE_OK && i < put->recipient_count; i++)
        status = add_recipient(queue, put, i, err);
    if (status != QUEUE_OK)
        return status;
    queue->counts.messages++;
    queue->counts.body_bytes += put->envelope.size_bytes;
    queue->counts.recipients[QUEUE_WAITING] += (int64_t)put->recipient_count;
    if (put->envelope.id > queue->newest_id)
        queue->newest_id = put->envelope.id;
    if (last_number > queue->newest_number)
        queue->newest_number = last_number;
    return QUEUE_OK;
}

enum queue_status sqlite_queue_put(void *object, const struct queue_put *put, struct error *err)
{
    struct sqlite_queue *queue = object;
    struct journal_put message = { .envelope = *put->envelope,
                                   .recipients = put->recipients,
                                   .recipient_count = put->recipient_count,
                                   .first_number = queue->newest_number + 1 };
    struct journal_place place;
    enum queue_status status = sqlite_queue_check(queue, err);

    if (status != QUEUE_OK)
        return status;
    message.envelope.size_bytes = put->size_bytes + (int64_t)put->bytes.len;
    if (put->parts > 0) {
        status = sqlite_bodies_take(queue, put, &message, err);
    } else if (put->bytes.len > 0) {
        status = sqlite_bodies_lend(queue, put->id, put->bytes, &place, err);
        message.places = &place;
        message.place_count = 1;
    }
    if (status == QUEUE_OK)
        status = sqlite_queue_tell(queue, JOURNAL_PUT, journal_format_put(&message, &queue->record),
                                   true, err);
    return status == QUEUE_OK ? sqlite_queue_add(queue, &message, err) : status;
}
