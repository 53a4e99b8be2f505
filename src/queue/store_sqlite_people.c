/* queue/store_sqlite_people.c - what people ask of the queue: hold, release, retry, delete, list. */
#include "queue/store_sqlite_internal.h"

struct found {
    int64_t number, message, attempts;
    struct span address;
    enum queue_state state;
};

static bool is_selected(const struct queue_selection *selection, int64_t id, struct span address)
{
    if (selection->id != 0 && selection->id != id)
        return false;
    return selection->domain.len == 0 ||
           span_equal_nocase(queue_domain_of(address), selection->domain);
}

/* Whether a change of that kind concerns a recipient in that state. */
static bool is_concerned(enum queue_change_kind kind, enum queue_state state)
{
    switch (kind) {
    case QUEUE_HOLD:
        return state == QUEUE_WAITING || state == QUEUE_DEFERRED || state == QUEUE_LEASED;
    case QUEUE_RELEASE: return state == QUEUE_HELD;
    case QUEUE_RETRY: return state == QUEUE_WAITING || state == QUEUE_DEFERRED;
    case QUEUE_DELETE: return state != QUEUE_DONE && state != QUEUE_BOUNCED;
    }
    return false;
}

/* The next recipients in order of their numbers, whether selected or not. */
static enum queue_status scan(struct sqlite_queue *queue, const struct queue_change *change,
                              struct arena *arena, struct found *rows, size_t *count,
                              struct error *err)
{
    bool by_id = change->selection.id != 0;
    sqlite3_stmt *statement =
        database_use(&queue->database, by_id ? SQL_SCAN_MESSAGE_RECIPIENTS : SQL_SCAN_RECIPIENTS);
    int code;

    *count = 0;
    sqlite3_bind_int64(statement, 1, by_id ? change->selection.id : change->after);
    sqlite3_bind_int64(statement, 2, change->after_number);
    sqlite3_bind_int(statement, 3, QUEUE_CHANGED_AT_ONCE);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW && *count < QUEUE_CHANGED_AT_ONCE)
        rows[(*count)++] =
            (struct found){ .number = sqlite3_column_int64(statement, 0),
                            .message = sqlite3_column_int64(statement, 1),
                            .address = database_text(statement, 2, arena),
                            .state = (enum queue_state)sqlite3_column_int(statement, 3),
                            .attempts = sqlite3_column_int64(statement, 4) };
    sqlite3_reset(statement);
    return database_status(&queue->database, code, err);
}

static enum queue_status drop_one(struct sqlite_queue *queue, const struct found *row,
                                  struct error *err)
{
    struct journal_change change = { .message = row->message, .number = row->number };
    enum queue_status status = sqlite_queue_tell(
        queue, JOURNAL_DELETE, journal_format_change(&change, &queue->record), true, err);

    queue->counts.recipients[row->state]--;
    return status == QUEUE_OK ? sqlite_queue_delete(queue, &change, err) : status;
}

static enum queue_status move_one(struct sqlite_queue *queue, const struct found *row,
                                  enum queue_state to, int64_t due_at_s, struct error *err)
{
    struct journal_change change = {
        .message = row->message, .number = row->number, .state = to, .due_at_s = due_at_s
    };
    enum queue_status status = sqlite_queue_tell(
        queue, JOURNAL_MOVE, journal_format_change(&change, &queue->record), true, err);

    sqlite_queue_count(queue, row->state, to);
    return status == QUEUE_OK ? sqlite_queue_move(queue, &change, err) : status;
}

static enum queue_status change_one(struct sqlite_queue *queue, const struct queue_change *change,
                                    const struct found *row, struct error *err)
{
    enum queue_state waits = row->attempts > 0 ? QUEUE_DEFERRED : QUEUE_WAITING;

    if (change->kind == QUEUE_DELETE)
        return drop_one(queue, row, err);
    return move_one(queue, row, change->kind == QUEUE_HOLD ? QUEUE_HELD : waits, change->now_s,
                    err);
}

static enum queue_status change_some(struct sqlite_queue *queue, struct queue_change *change,
                                     struct arena *arena, queue_changed *changed, void *owner,
                                     struct error *err)
{
    struct found *rows = arena_new(arena, QUEUE_CHANGED_AT_ONCE, sizeof *rows);
    enum queue_status status;
    size_t count = 0;

    if (rows == NULL) {
        error_set(err, ERROR_MEMORY, "no memory for a change of the queue");
        return QUEUE_FAILED;
    }
    status = scan(queue, change, arena, rows, &count, err);
    for (size_t i = 0; status == QUEUE_OK && i < count; i++) {
        if (!is_selected(&change->selection, rows[i].message, rows[i].address) ||
            !is_concerned(change->kind, rows[i].state))
            continue;
        status = change_one(queue, change, &rows[i], err);
        changed(owner, rows[i].message, rows[i].address);
        change->changed++;
    }
    change->has_more = count == QUEUE_CHANGED_AT_ONCE;
    if (count > 0) {
        change->after = rows[count - 1].message;
        change->after_number = rows[count - 1].number;
    }
    return status;
}

enum queue_status sqlite_queue_change(void *object, struct queue_change *change,
                                      queue_changed *changed, void *owner, struct error *err)
{
    enum queue_status status = sqlite_queue_check(object, err);
    struct arena arena;

    if (status != QUEUE_OK)
        return status;
    arena_init(&arena, 8 * 1024 * 1024);
    status = change_some(object, change, &arena, changed, owner, err);
    arena_clear(&arena);
    return status;
}

enum { RECIPIENTS_AT_FIRST = 8 };

/* Makes room for one more; an array twice as large leaves the old one to the arena. */
static bool make_room(struct arena *arena, struct queue_message *message, size_t *room)
{
    struct queue_recipient *larger;

    if (message->recipient_count < *room)
        return true;
    *room = *room == 0 ? RECIPIENTS_AT_FIRST : *room * 2;
    larger = arena_new(arena, *room, sizeof *larger);
    if (larger == NULL)
        return false;
    if (message->recipient_count > 0)
        memcpy(larger, message->recipients, message->recipient_count * sizeof *larger);
    message->recipients = larger;
    return true;
}

/* *is_wanted: one of them is in the selection. */
static enum queue_status list_recipients(struct sqlite_queue *queue, struct queue_list *list,
                                         struct queue_message *message, bool *is_wanted,
                                         struct error *err)
{
    sqlite3_stmt *statement = database_use(&queue->database, SQL_LIST_RECIPIENTS);
    size_t room = 0;
    int code;

    *is_wanted = false;
    sqlite3_bind_int64(statement, 1, message->envelope.id);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW &&
           make_room(list->arena, message, &room)) {
        struct queue_recipient *recipient = &message->recipients[message->recipient_count++];

        sqlite_queue_read_recipient(statement, list->arena, recipient);
        *is_wanted |= is_selected(&list->selection, message->envelope.id, recipient->address) &&
                      (!list->by_state || recipient->state == list->state);
    }
    sqlite3_reset(statement);
    return database_status(&queue->database, code, err);
}

/* Envelopes from list->after on, wanted or not. */
static enum queue_status list_envelopes(struct sqlite_queue *queue, struct queue_list *list,
                                        struct queue_message *messages, size_t *count,
                                        struct error *err)
{
    bool by_id = list->selection.id != 0;
    sqlite3_stmt *statement =
        database_use(&queue->database, by_id ? SQL_FIND_MESSAGE : SQL_LIST_MESSAGES);
    size_t most = by_id ? 1 : QUEUE_LISTED_AT_ONCE;
    int code;

    *count = 0;
    sqlite3_bind_int64(statement, 1, by_id ? list->selection.id : list->after);
    if (!by_id)
        sqlite3_bind_int64(statement, 2, (int64_t)most);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW && *count < most)
        sqlite_queue_read_envelope(statement, list->arena, &messages[(*count)++].envelope);
    sqlite3_reset(statement);
    list->has_more = !by_id && *count == most;
    return database_status(&queue->database, code, err);
}

/* Keeps those messages that are wanted, at their front. */
static enum queue_status keep_wanted(struct sqlite_queue *queue, struct queue_list *list,
                                     size_t count, struct error *err)
{
    enum queue_status status = QUEUE_OK;

    for (size_t i = 0; status == QUEUE_OK && i < count; i++) {
        bool is_wanted = false;

        /* The other half is for the recipients of one more message. */
        if (list->message_count == list->most ||
            (i > 0 && list->arena->used > list->arena->limit / 2)) {
            list->has_more = true;
            break;
        }
        status = list_recipients(queue, list, &list->messages[i], &is_wanted, err);
        list->after = list->messages[i].envelope.id;
        if (is_wanted)
            list->messages[list->message_count++] = list->messages[i];
    }
    return status;
}

enum queue_status sqlite_queue_list(void *object, struct queue_list *list, struct error *err)
{
    struct sqlite_queue *queue = object;
    enum queue_status status = sqlite_queue_check(queue, err);
    size_t count = 0;

    list->message_count = 0;
    list->has_more = false;
    list->messages = arena_new(list->arena, QUEUE_LISTED_AT_ONCE, sizeof *list->messages);
    if (status == QUEUE_OK && list->messages != NULL)
        status = list_envelopes(queue, list, list->messages, &count, err);
    if (status == QUEUE_OK)
        status = keep_wanted(queue, list, count, err);
    if (status != QUEUE_OK || !list->arena->exhausted)
        return status;
    error_set(err, ERROR_MEMORY, "the memory that was lent for a list does not hold it");
    return QUEUE_FAILED;
}
