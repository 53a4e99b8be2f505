/* queue/store_sqlite.c - the index of the queue's journal in one SQLite file: transactions, counts.
 *
 * A batch is durable with its group in the journal. Here it is a savepoint; the transaction around it is
 * committed when some moments have passed (tidy) or much has changed. Where that fails SQLite has
 * lost the transaction, and what it held is replayed. WAL with synchronous=FULL, so that a commit that
 * succeeded allows to delete what the journal needs no more. All keys grow with time; the only index
 * over what changes is the partial one of what is due.
 */
#include "queue/store_sqlite_internal.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { TIDY_PAGES = 1000, SPARE_PAGES = 1024 };
enum {
    LOG_BYTES = 8 * 1024 * 1024, /* the log is to begin anew */
    LOG_BYTES_MOST =
        16 * 1024 * 1024, /* commits wait for that: a disk may be small, and needs room for both */
    CHANGES_MOST = 10000, /* more in one transaction would take long to replay, and to commit */
};

#define ENVELOPE_COLUMNS                                                                           \
    "id, sender, envid, message_id, returns, is_8bit, is_smtputf8, received_at, size, "            \
    "client_address, helo, user, tls_version, tls_cipher, requires_tls, tls_optional"
#define RECIPIENT_COLUMNS                                                                          \
    "number, message, address, orcpt, notify, state, due_at, attempts, has_warned, code, reply, "  \
    "finding"

static const char *const texts[SQL_STATEMENTS] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_BEGIN_BATCH] = "SAVEPOINT batch",
    [SQL_KEEP_BATCH] = "RELEASE batch",
    [SQL_UNDO_BATCH] = "ROLLBACK TO batch",
    [SQL_SET_PROGRESS] = "UPDATE progress SET newest = ?, file = ?, place = ?, batch = ?",
    [SQL_GIVE_BACK_LEASES] =
        "UPDATE recipient SET state = attempts > 0, due_at = 0, lease = 0 WHERE state = 2",
    [SQL_ADD_MESSAGE] = "INSERT INTO message(" ENVELOPE_COLUMNS ", open, body) "
                        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [SQL_ADD_RECIPIENT] = "INSERT INTO recipient(message, number, address, orcpt, notify, due_at) "
                          "VALUES (?, ?, ?, ?, ?, ?)",
    [SQL_FIND_MESSAGE] = "SELECT " ENVELOPE_COLUMNS " FROM message WHERE id = ?",
    [SQL_FIND_BODY] = "SELECT body FROM message WHERE id = ?",
    [SQL_FIND_BODIES] = "SELECT body FROM message WHERE id BETWEEN ? AND ?",
    [SQL_DROP_MESSAGE] = "DELETE FROM message WHERE id = ? RETURNING size, body",
    [SQL_DROP_RECIPIENTS] = "DELETE FROM recipient WHERE message = ? RETURNING state",
    [SQL_CLOSE_RECIPIENT] = "UPDATE message SET open = open - 1 WHERE id = ? RETURNING open",
    [SQL_FIND_DUE] = "SELECT " RECIPIENT_COLUMNS " FROM recipient WHERE " IS_DUE
                     " AND due_at <= ? ORDER BY due_at LIMIT ?",
    [SQL_FIND_NEXT_DUE] = "SELECT min(due_at) FROM recipient WHERE " IS_DUE,
    [SQL_LEASE_RECIPIENT] =
        "UPDATE recipient SET state = 2, lease = ?, due_at = ? WHERE message = ? AND number = ?",
    [SQL_FIND_RECIPIENT] =
        "SELECT state, attempts, lease FROM recipient WHERE message = ? AND number = ?",
    [SQL_SETTLE_RECIPIENT] =
        "UPDATE recipient SET state = ?, due_at = ?, has_warned = ?, attempts = attempts + 1, "
        "lease = 0, code = ?, reply = ?, finding = ? WHERE message = ? AND number = ?",
    [SQL_MOVE_RECIPIENT] =
        "UPDATE recipient SET state = ?, due_at = ?, lease = 0 WHERE message = ? AND number = ?",
    [SQL_LIST_MESSAGES] =
        "SELECT " ENVELOPE_COLUMNS " FROM message WHERE id > ? ORDER BY id LIMIT ?",
    [SQL_LIST_RECIPIENTS] =
        "SELECT " RECIPIENT_COLUMNS " FROM recipient WHERE message = ? ORDER BY number",
    [SQL_SCAN_RECIPIENTS] = "SELECT number, message, address, state, attempts FROM recipient "
                            "WHERE (message, number) > (?, ?) ORDER BY message, number LIMIT ?",
    [SQL_SCAN_MESSAGE_RECIPIENTS] =
        "SELECT number, message, address, state, attempts FROM recipient "
        "WHERE message = ? AND number > ? ORDER BY number LIMIT ?",
    [SQL_DROP_RECIPIENT] = "DELETE FROM recipient WHERE message = ? AND number = ?",
};

/* ---- the database, up to the journal ---------------------------------------------------------- */

static enum queue_status count_recipients(struct sqlite_queue *queue, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(
        queue->database.connection,
        "SELECT state, count(*), max(number) FROM recipient GROUP BY state", -1, &statement, NULL);

    while (code == SQLITE_OK || code == SQLITE_ROW) {
        code = sqlite3_step(statement);
        if (code == SQLITE_ROW) {
            int state = sqlite3_column_int(statement, 0);
            int64_t number = sqlite3_column_int64(statement, 2);

            if (state >= 0 && state < QUEUE_STATES)
                queue->counts.recipients[state] = sqlite3_column_int64(statement, 1);
            if (number > queue->newest_number)
                queue->newest_number = number;
        }
    }
    sqlite3_finalize(statement);
    return database_status(&queue->database, code, err);
}

static bool hold_body(struct sqlite_queue *queue, int64_t id, struct span body)
{
    struct journal_place place;

    for (size_t at = 0; at + sizeof place <= body.len; at += sizeof place) {
        memcpy(&place, body.data + at, sizeof place);
        if (!journal_hold(queue->journal, place, id))
            return false;
    }
    return true;
}

static enum queue_status count_messages(struct sqlite_queue *queue, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    bool has_memory = true;
    int64_t id;
    int code = sqlite3_prepare_v2(queue->database.connection, "SELECT size, body, id FROM message",
                                  -1, &statement, NULL);

    while (has_memory && (code == SQLITE_OK || code == SQLITE_ROW)) {
        code = sqlite3_step(statement);
        if (code != SQLITE_ROW)
            continue;
        id = sqlite3_column_int64(statement, 2);
        queue->counts.messages++;
        queue->counts.body_bytes += sqlite3_column_int64(statement, 0);
        if (id > queue->newest_id)
            queue->newest_id = id;
        has_memory = hold_body(queue, id, database_borrow(statement, 1));
    }
    sqlite3_finalize(statement);
    if (has_memory)
        return database_status(&queue->database, code, err);
    error_set(err, ERROR_MEMORY, "no memory for what is in the queue");
    return QUEUE_FAILED;
}

/* What is in the queue, and which places in the journal it needs. */
static enum queue_status count_all(struct sqlite_queue *queue, struct error *err)
{
    enum queue_status status;

    queue->counts = (struct queue_counts){ 0 };
    queue->dropped.count = 0;
    journal_release_all(queue->journal);
    status = count_recipients(queue, err);
    if (status == QUEUE_OK)
        status = count_messages(queue, err);
    if (status != QUEUE_OK || sqlite_bodies_hold_uploads(queue))
        return status;
    error_set(err, ERROR_MEMORY, "no memory for what is in the queue");
    return QUEUE_FAILED;
}

static enum queue_status run(struct sqlite_queue *queue, size_t sql, struct error *err)
{
    return database_do(&queue->database, database_use(&queue->database, sql), err);
}

/* Out of the transaction, whatever is left of it. */
static void lose_transaction(struct sqlite_queue *queue)
{
    for (size_t i = 0; i < SQL_STATEMENTS; i++)
        sqlite3_reset(queue->database.statements[i]);
    /* Some failures have rolled back already: SQLite then is out of the transaction. */
    if (!sqlite3_get_autocommit(queue->database.connection))
        sqlite3_exec(queue->database.connection, "ROLLBACK", NULL, NULL, NULL);
    queue->is_open = false;
    queue->is_behind = true;
}

static enum queue_status commit_up_to(struct sqlite_queue *queue, struct journal_point point,
                                      struct error *err)
{
    sqlite3_stmt *statement = database_use(&queue->database, SQL_SET_PROGRESS);
    enum queue_status status;

    sqlite3_bind_int64(statement, 1, queue->newest_id);
    sqlite3_bind_int64(statement, 2, point.file);
    sqlite3_bind_int64(statement, 3, point.offset);
    sqlite3_bind_int64(statement, 4, point.group);
    status = database_do(&queue->database, statement, err);
    if (status == QUEUE_OK)
        status = run(queue, SQL_COMMIT, err);
    if (status != QUEUE_OK) {
        lose_transaction(queue);
        return status;
    }
    queue->folded = point;
    queue->is_open = false;
    queue->changes = 0;
    return QUEUE_OK;
}

/* It may be the log that finds no room: by a limit it ends long before it is large. */
static void empty_log(struct sqlite_queue *queue)
{
    if (queue->checkpoint != NULL)
        sqlite_checkpoint_wait(queue->checkpoint);
    database_empty_log(&queue->database);
}

/* What was promised since the last commit and is not in the database: at the start, and where a
 * commit failed. */
static enum queue_status catch_up(struct sqlite_queue *queue, bool at_start, struct error *err)
{
    struct journal_point point = queue->folded;
    enum queue_status status;

    empty_log(queue);
    status = run(queue, SQL_BEGIN, err);
    if (status != QUEUE_OK)
        return status;
    queue->replayed = QUEUE_FAILED; /* unless a record says otherwise */
    if (!journal_replay(queue->journal, &point, sqlite_queue_replay, queue, err))
        status = queue->replayed == QUEUE_OK ? QUEUE_FAILED : queue->replayed;
    if (status == QUEUE_OK && at_start)
        status = run(queue, SQL_GIVE_BACK_LEASES, err);
    if (status != QUEUE_OK) {
        lose_transaction(queue);
        return status;
    }
    if (at_start && point.group == queue->folded.group &&
        sqlite3_total_changes(queue->database.connection) == 0)
        status = run(queue, SQL_COMMIT, err); /* of nothing: no disk is waited for */
    else
        status = commit_up_to(queue, point, err);
    if (status == QUEUE_OK)
        status = count_all(queue, err);
    if (status == QUEUE_OK)
        queue->is_behind = false;
    return status;
}

static bool read_progress(struct sqlite_queue *queue, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    int code =
        sqlite3_prepare_v2(queue->database.connection,
                           "SELECT newest, file, place, batch FROM progress", -1, &statement, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        queue->newest_id = sqlite3_column_int64(statement, 0);
        queue->folded = (struct journal_point){ sqlite3_column_int64(statement, 1),
                                                sqlite3_column_int64(statement, 2),
                                                sqlite3_column_int64(statement, 3) };
    }
    sqlite3_finalize(statement);
    if (code == SQLITE_ROW)
        return true;
    if (code == SQLITE_DONE)
        return error_set(err, ERROR_FORMAT, "%s does not say how far it is", queue->database.path);
    return database_status(&queue->database, code, err) == QUEUE_OK;
}

bool sqlite_queue_begin_work(struct sqlite_queue *queue, struct error *err)
{
    if (!database_prepare(&queue->database, texts, SQL_STATEMENTS, err) ||
        !read_progress(queue, err) || catch_up(queue, true, err) != QUEUE_OK)
        return false;
    queue->page_bytes = database_number(&queue->database, "PRAGMA page_size", 4096);
    journal_start(queue->journal, queue->folded);
    journal_drop_dead(queue->journal, queue->folded);
    journal_drop_old_spares(queue->journal);
    return true;
}

/* What a checkpoint left, which is what was committed during it, takes little time; then the next
 * commit begins the log anew. */
static void look_after_log(struct sqlite_queue *queue)
{
    int64_t log_bytes = queue->log_pages * queue->page_bytes;

    if (log_bytes >= LOG_BYTES_MOST)
        sqlite_checkpoint_wait(queue->checkpoint);
    if (sqlite_checkpoint_take_end(queue->checkpoint))
        sqlite3_wal_checkpoint_v2(queue->database.connection, "main", SQLITE_CHECKPOINT_PASSIVE,
                                  NULL, NULL);
    else if (log_bytes >= LOG_BYTES)
        sqlite_checkpoint_start(queue->checkpoint);
}

/* What the journal has, for certain into the database; between two batches. */
static enum queue_status fold(struct sqlite_queue *queue, struct error *err)
{
    enum queue_status status;

    if (!queue->is_open)
        return QUEUE_OK;
    status = commit_up_to(queue, journal_end(queue->journal), err);
    if (status == QUEUE_OK)
        journal_drop_dead(queue->journal, queue->folded);
    return status;
}

/* What was held before a group that found no room would be tried again with each that follows, in a file that
 * takes no more. Leases are in the database for certain by now, and were promised to nobody: only the parts of
 * bodies go on, in another file. What the log had may be the room that is wanted. */
static void leave_full_file(struct sqlite_queue *queue)
{
    empty_log(queue);
    sqlite_bodies_hold_anew(queue);
    queue->found_no_room = false;
}

/* Whatever a batch needs before it begins. */
static enum queue_status open_transaction(struct sqlite_queue *queue, struct error *err)
{
    enum queue_status status = QUEUE_OK;

    if (queue->is_open && (queue->changes >= CHANGES_MOST || queue->found_no_room))
        status = fold(queue, err);
    if (status == QUEUE_OK && queue->is_behind)
        status = catch_up(queue, false, err);
    if (status == QUEUE_OK && queue->found_no_room)
        leave_full_file(queue);
    if (status != QUEUE_OK || queue->is_open)
        return status;
    look_after_log(queue);
    status = run(queue, SQL_BEGIN, err);
    queue->is_open = status == QUEUE_OK;
    return status;
}

static enum queue_status begin(void *object, struct error *err)
{
    struct sqlite_queue *queue = object;
    enum queue_status status = sqlite_queue_open_again(queue, err);

    if (status == QUEUE_OK)
        status = open_transaction(queue, err);
    if (status != QUEUE_OK)
        return status;
    queue->counts_before = queue->counts;
    queue->newest_id_before = queue->newest_id;
    queue->newest_number_before = queue->newest_number;
    queue->mark = journal_mark(queue->journal);
    queue->is_promising = false;
    return run(queue, SQL_BEGIN_BATCH, err);
}

enum queue_status sqlite_queue_check(struct sqlite_queue *queue, struct error *err)
{
    if (!sqlite3_get_autocommit(queue->database.connection))
        return QUEUE_OK;
    error_set(err, ERROR_SYSTEM, "%s: an earlier failure has undone what was under way",
              queue->database.path);
    return QUEUE_FAILED;
}

enum queue_status sqlite_queue_tell(struct sqlite_queue *queue, enum journal_kind kind,
                                    bool was_formatted, bool durable, struct error *err)
{
    struct journal_place place;
    bool is_told =
        was_formatted && journal_append(queue->journal, kind, buffer_span(&queue->record),
                                        (struct span){ 0 }, &place);

    queue->record.len = 0;
    queue->changes++;
    queue->is_promising |= durable;
    if (is_told)
        return QUEUE_OK;
    error_set(err, ERROR_MEMORY, "no memory for the journal");
    return QUEUE_FAILED;
}

/* What nobody was promised may wait for the next that is, if it is not too much. */
static enum queue_status commit(void *object, struct error *err)
{
    struct sqlite_queue *queue = object;
    enum queue_status status = QUEUE_OK;

    if (queue->is_promising || journal_mark(queue->journal) > QUEUE_COMMIT_BYTES) {
        status = journal_sync(queue->journal, err);
        queue->found_no_room = status == QUEUE_FULL;
    }
    if (status != QUEUE_OK)
        return status;
    sqlite_bodies_keep(queue);
    /* It is durable, whatever happens here. */
    if (sqlite3_get_autocommit(queue->database.connection) ||
        run(queue, SQL_KEEP_BATCH, NULL) != QUEUE_OK)
        lose_transaction(queue);
    return QUEUE_OK;
}

static void rollback(void *object, enum queue_status why)
{
    struct sqlite_queue *queue = object;

    sqlite_bodies_undo(queue, why);
    journal_cut(queue->journal, queue->mark);
    queue->counts = queue->counts_before;
    queue->newest_id = queue->newest_id_before;
    queue->newest_number = queue->newest_number_before;
    for (size_t i = 0; i < SQL_STATEMENTS; i++)
        sqlite3_reset(queue->database.statements[i]);
    if (sqlite3_get_autocommit(queue->database.connection) ||
        run(queue, SQL_UNDO_BATCH, NULL) != QUEUE_OK ||
        run(queue, SQL_KEEP_BATCH, NULL) != QUEUE_OK)
        lose_transaction(queue);
}

/* What was promised goes into the database, if it can: else the next start replays it. */
void sqlite_queue_end_work(struct sqlite_queue *queue)
{
    (void)fold(queue, NULL);
}

static int64_t newest_id(const void *object)
{
    const struct sqlite_queue *queue = object;

    return queue->is_shut ? -1 : queue->newest_id;
}

static void count(const void *object, struct queue_counts *counts)
{
    *counts = ((const struct sqlite_queue *)object)->counts;
}

/* Folds what waits for that; then what nobody needs goes back to the file system: bodies, and free
 * pages beyond some to spare. */
static bool tidy(void *object)
{
    struct sqlite_queue *queue = object;
    struct database *database = &queue->database;
    char sql[64];

    if (queue->is_shut)
        return false;
    if (queue->is_behind && catch_up(queue, false, NULL) != QUEUE_OK)
        return true;
    if (fold(queue, NULL) != QUEUE_OK || sqlite_bodies_give_back(queue))
        return true;
    if (database_number(database, "PRAGMA freelist_count", 0) <= SPARE_PAGES)
        return false;
    snprintf(sql, sizeof sql, "PRAGMA incremental_vacuum(%d)", TIDY_PAGES);
    return database_run(database, sql, NULL);
}

void sqlite_queue_count(struct sqlite_queue *queue, enum queue_state from, enum queue_state to)
{
    queue->counts.recipients[from]--;
    queue->counts.recipients[to]++;
}

void sqlite_queue_read_envelope(sqlite3_stmt *statement, struct arena *arena,
                                struct queue_envelope *envelope)
{
    *envelope = (struct queue_envelope){
        .id = sqlite3_column_int64(statement, 0),
        .sender = database_text(statement, 1, arena),
        .envid = database_text(statement, 2, arena),
        .message_id = database_text(statement, 3, arena),
        .returns = (enum queue_return)sqlite3_column_int(statement, 4),
        .is_8bit = sqlite3_column_int(statement, 5) != 0,
        .is_smtputf8 = sqlite3_column_int(statement, 6) != 0,
        .received_at_s = sqlite3_column_int64(statement, 7),
        .size_bytes = sqlite3_column_int64(statement, 8),
        .origin = { .client_address = database_text(statement, 9, arena),
                    .helo = database_text(statement, 10, arena),
                    .user = database_text(statement, 11, arena),
                    .tls_version = database_text(statement, 12, arena),
                    .tls_cipher = database_text(statement, 13, arena) },
        .requires_tls = sqlite3_column_int(statement, 14) != 0,
        .tls_optional = sqlite3_column_int(statement, 15) != 0,
    };
}

void sqlite_queue_read_recipient(sqlite3_stmt *statement, struct arena *arena,
                                 struct queue_recipient *recipient)
{
    *recipient = (struct queue_recipient){
        .number = sqlite3_column_int64(statement, 0),
        .address = database_text(statement, 2, arena),
        .orcpt = database_text(statement, 3, arena),
        .notify = (unsigned)sqlite3_column_int(statement, 4),
        .state = (enum queue_state)sqlite3_column_int(statement, 5),
        .due_at_s = sqlite3_column_int64(statement, 6),
        .attempts = sqlite3_column_int64(statement, 7),
        .has_warned = sqlite3_column_int(statement, 8) != 0,
        .last_code = database_text(statement, 9, arena),
        .last_reply = database_text(statement, 10, arena),
        .last_finding = database_text(statement, 11, arena),
    };
}

const struct queue_backend queue_sqlite = {
    .open = sqlite_queue_open,
    .close = sqlite_queue_close,
    .newest_id = newest_id,
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .append = sqlite_queue_append,
    .find_loss = sqlite_queue_find_loss,
    .put = sqlite_queue_put,
    .drop = sqlite_queue_drop,
    .lease = sqlite_queue_lease,
    .settle = sqlite_queue_settle,
    .read = sqlite_queue_read,
    .change = sqlite_queue_change,
    .list = sqlite_queue_list,
    .count = count,
    .tidy = tidy,
};
