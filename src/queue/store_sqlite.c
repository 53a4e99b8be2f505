/* queue/store_sqlite.c - the queue in one SQLite file: opening, the schema, transactions, counts.
 *
 * WAL with synchronous=FULL: a commit is one write and one fsync of the log. After a failed fsync
 * the same connection writes the same frames again, so that nothing counts on pages that the kernel
 * has given up. All keys grow with time; the only index over what changes is the partial one of
 * what is due.
 */
#include "queue/store_sqlite_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "queue/lock.h"

enum { SCHEMA = 2, BUSY_MS = 250, TIDY_PAGES = 250, SPARE_PAGES = 1024 };
enum {
    LOG_PAGES = 512,       /* 8 MB: the log is to begin anew */
    LOG_PAGES_MOST = 1024, /* commits wait for that: a disk may be small, and needs room for both */
};

#define ENVELOPE_COLUMNS                                                                           \
    "id, sender, envid, message_id, returns, is_8bit, is_smtputf8, received_at, size, "            \
    "client_address, helo, user, tls_version, tls_cipher"
#define RECIPIENT_COLUMNS                                                                          \
    "number, message, address, orcpt, notify, state, due_at, attempts, has_warned, code, reply, "  \
    "finding"
/* Those that are due at a time are the first three states; the partial index has the same words. */
#define IS_DUE "state < 3"

static const char *const texts[SQL_STATEMENTS] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ADD_PART] = "INSERT INTO part(message, number, bytes) VALUES (?, ?, ?)",
    [SQL_SUM_PARTS] = "SELECT count(*), sum(length(bytes)) FROM part WHERE message = ?",
    [SQL_DROP_PARTS] = "DELETE FROM part WHERE message = ?",
    [SQL_ADD_BODY] = "INSERT INTO body(id, bytes) VALUES (?, ?)",
    [SQL_DROP_BODY] = "DELETE FROM body WHERE id = ?",
    [SQL_ADD_MESSAGE] = "INSERT INTO message(" ENVELOPE_COLUMNS ", open) "
                        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [SQL_ADD_RECIPIENT] = "INSERT INTO recipient(message, address, orcpt, notify, due_at) "
                          "VALUES (?, ?, ?, ?, ?)",
    [SQL_SET_NEWEST] = "UPDATE newest SET id = ?",
    [SQL_FIND_MESSAGE] = "SELECT " ENVELOPE_COLUMNS " FROM message WHERE id = ?",
    [SQL_DROP_MESSAGE] = "DELETE FROM message WHERE id = ?",
    [SQL_DROP_RECIPIENTS] = "DELETE FROM recipient WHERE message = ? RETURNING state",
    [SQL_CLOSE_RECIPIENT] = "UPDATE message SET open = open - 1 WHERE id = ? RETURNING open, size",
    [SQL_FIND_DUE] = "SELECT " RECIPIENT_COLUMNS " FROM recipient WHERE " IS_DUE
                     " AND due_at <= ? ORDER BY due_at LIMIT ?",
    [SQL_FIND_NEXT_DUE] = "SELECT min(due_at) FROM recipient WHERE " IS_DUE,
    [SQL_LEASE_RECIPIENT] =
        "UPDATE recipient SET state = 2, lease = ?, due_at = ? WHERE number = ?",
    [SQL_FIND_RECIPIENT] = "SELECT state, lease FROM recipient WHERE number = ? AND message = ?",
    [SQL_SETTLE_RECIPIENT] =
        "UPDATE recipient SET state = ?, due_at = ?, has_warned = ?, attempts = attempts + 1, "
        "lease = 0, code = ?, reply = ?, finding = ? WHERE number = ?",
    [SQL_GIVE_BACK_RECIPIENT] =
        "UPDATE recipient SET state = attempts > 0, due_at = ?, lease = 0 WHERE number = ? "
        "RETURNING state",
    [SQL_READ_PART] = "SELECT bytes FROM part WHERE message = ? AND number = ?",
    [SQL_READ_BODY] = "SELECT bytes FROM body WHERE id = ?",
    [SQL_LIST_MESSAGES] =
        "SELECT " ENVELOPE_COLUMNS " FROM message WHERE id > ? ORDER BY id LIMIT ?",
    [SQL_LIST_RECIPIENTS] =
        "SELECT " RECIPIENT_COLUMNS " FROM recipient WHERE message = ? ORDER BY number",
    [SQL_SCAN_RECIPIENTS] = "SELECT number, message, address, state FROM recipient "
                            "WHERE number > ? ORDER BY number LIMIT ?",
    [SQL_SCAN_MESSAGE_RECIPIENTS] = "SELECT number, message, address, state FROM recipient "
                                    "WHERE number > ? AND message = ? ORDER BY number LIMIT ?",
    [SQL_CHANGE_RECIPIENT] = "UPDATE recipient SET state = iif(?1 = 0, attempts > 0, ?1), "
                             "due_at = ?2, lease = 0 WHERE number = ?3 RETURNING state",
    [SQL_DROP_RECIPIENT] = "DELETE FROM recipient WHERE number = ?",
};

/* page_size and auto_vacuum count only before the first table. Large pages: each costs four system
 * calls until it is in its place, and bodies fill many. temp_store because a sandbox has no /var/tmp. */
static const char preparation[] = "PRAGMA page_size = 16384;"
                                  "PRAGMA auto_vacuum = INCREMENTAL;"
                                  "PRAGMA journal_mode = WAL;"
                                  "PRAGMA synchronous = FULL;"
                                  "PRAGMA temp_store = MEMORY;"
                                  "PRAGMA cache_size = -16384;"
                                  "PRAGMA wal_autocheckpoint = 0;"
                                  "PRAGMA journal_size_limit = 67108864;";

/* A body that came whole with its message is in `body`; one in several parts is in `part`, where what
 * has no message yet is found after a crash. Each page that a commit touches is written twice: so
 * most messages touch as few as they can. */
static const char schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE IF NOT EXISTS message("
    "id INTEGER PRIMARY KEY, sender TEXT NOT NULL, envid TEXT NOT NULL, message_id TEXT NOT NULL,"
    "returns INTEGER NOT NULL, is_8bit INTEGER NOT NULL, is_smtputf8 INTEGER NOT NULL,"
    "received_at INTEGER NOT NULL, size INTEGER NOT NULL, client_address TEXT NOT NULL,"
    "helo TEXT NOT NULL, user TEXT NOT NULL, tls_version TEXT NOT NULL, tls_cipher TEXT NOT NULL,"
    "open INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS recipient("
    "number INTEGER PRIMARY KEY, message INTEGER NOT NULL, address TEXT NOT NULL,"
    "orcpt TEXT NOT NULL, notify INTEGER NOT NULL, state INTEGER NOT NULL DEFAULT 0,"
    "due_at INTEGER NOT NULL, lease INTEGER NOT NULL DEFAULT 0,"
    "attempts INTEGER NOT NULL DEFAULT 0, has_warned INTEGER NOT NULL DEFAULT 0,"
    "code TEXT NOT NULL DEFAULT '', reply TEXT NOT NULL DEFAULT '',"
    "finding TEXT NOT NULL DEFAULT '');"
    "CREATE INDEX IF NOT EXISTS recipient_message ON recipient(message);"
    "CREATE INDEX IF NOT EXISTS recipient_due ON recipient(due_at) WHERE " IS_DUE ";"
    "CREATE TABLE IF NOT EXISTS body(id INTEGER PRIMARY KEY, bytes BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS part("
    "message INTEGER NOT NULL, number INTEGER NOT NULL, bytes BLOB NOT NULL);"
    "CREATE UNIQUE INDEX IF NOT EXISTS part_message ON part(message, number);"
    "CREATE TABLE IF NOT EXISTS newest(id INTEGER NOT NULL);"
    "INSERT INTO newest SELECT 0 WHERE NOT EXISTS (SELECT * FROM newest);"
    "PRAGMA user_version = 2;"
    "COMMIT;";

/* What a crash may have left: leases of nobody, and bodies whose message never came. */
static const char recovery[] =
    "BEGIN IMMEDIATE;"
    "UPDATE recipient SET state = attempts > 0, due_at = 0, lease = 0 WHERE state = 2;"
    "DELETE FROM part WHERE message IN (SELECT message FROM part EXCEPT SELECT id FROM message);"
    "COMMIT;";

/* So that the folder's own name survives, without which all that is synced in it is lost. */
static bool sync_parent(const char *folder)
{
    int opened = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int parent = opened < 0 ? -1 : openat(opened, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_synced = parent >= 0 && fsync(parent) == 0;

    if (opened >= 0)
        close(opened);
    if (parent >= 0)
        close(parent);
    return is_synced;
}

/* Everybody may pass, to the control socket; the files are for their owner alone. */
static bool make_folder(const char *folder, struct error *err)
{
    bool is_new = mkdir(folder, 0711) == 0;

    if (is_new && chmod(folder, 0711) != 0) /* whatever the umask */
        return error_set(err, ERROR_SYSTEM, "setting the mode of %s: %s", folder, strerror(errno));
    if (!is_new && errno != EEXIST)
        return error_set(err, ERROR_SYSTEM, "making the folder %s: %s", folder, strerror(errno));
    if (sync_parent(folder) || !is_new) /* an old one too: a crash may have come in between */
        return true;
    return error_set(err, ERROR_SYSTEM, "syncing the folder above %s: %s", folder, strerror(errno));
}

static bool check_version(struct database *database, struct error *err)
{
    int64_t version = database_number(database, "PRAGMA user_version", -1);

    if (version >= 0 && version <= SCHEMA)
        return true;
    return error_set(err, ERROR_FORMAT, "%s is not a queue of this version (%lld)", database->path,
                     (long long)version);
}

static bool count_all(struct sqlite_queue *queue, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(queue->database.connection,
                                  "SELECT state, count(*) FROM recipient GROUP BY state", -1,
                                  &statement, NULL);

    while (code == SQLITE_OK || code == SQLITE_ROW) {
        code = sqlite3_step(statement);
        if (code == SQLITE_ROW) {
            int state = sqlite3_column_int(statement, 0);

            if (state >= 0 && state < QUEUE_STATES)
                queue->counts.recipients[state] = sqlite3_column_int64(statement, 1);
        }
    }
    sqlite3_finalize(statement);
    if (database_status(&queue->database, code, err) != QUEUE_OK)
        return false;
    queue->counts.messages = database_number(&queue->database, "SELECT count(*) FROM message", 0);
    queue->counts.body_bytes =
        database_number(&queue->database, "SELECT total(size) FROM message", 0);
    queue->newest_id_written = database_number(&queue->database, "SELECT id FROM newest", 0);
    queue->newest_id = database_number(&queue->database, "SELECT max(id) FROM message", 0);
    if (queue->newest_id < queue->newest_id_written)
        queue->newest_id = queue->newest_id_written;
    return true;
}

static int note_log_pages(void *object, sqlite3 *connection, const char *name, int pages)
{
    struct sqlite_queue *queue = object;

    (void)connection;
    (void)name;
    queue->log_pages = pages;
    return SQLITE_OK;
}

static bool open_checkpoint(struct sqlite_queue *queue, const char *path, struct error *err)
{
    sqlite3_wal_hook(queue->database.connection, note_log_pages, queue);
    return sqlite_checkpoint_open(path, &queue->checkpoint, err);
}

static bool open_files(struct sqlite_queue *queue, const char *folder, struct error *err)
{
    struct database *database = &queue->database;
    char path[4096];

    if (strlen(folder) + 16 > sizeof path)
        return error_set(err, ERROR_USAGE, "the folder's name %.100s... is too long", folder);
    if (!make_folder(folder, err))
        return false;
    snprintf(path, sizeof path, "%s/queue.lock", folder);
    if (!queue_lock_open(path, &queue->lock, err))
        return false;
    snprintf(path, sizeof path, "%s/queue.db", folder);
    return database_open(database, path, DATABASE_OWN, BUSY_MS, err) &&
           check_version(database, err) && database_run(database, preparation, err) &&
           database_run(database, schema, err) && database_run(database, recovery, err) &&
           database_prepare(database, texts, SQL_STATEMENTS, err) && count_all(queue, err) &&
           open_checkpoint(queue, path, err);
}

static void close_queue(void **closing)
{
    struct sqlite_queue *queue = *closing;

    *closing = NULL;
    if (queue == NULL)
        return;
    sqlite_checkpoint_close(&queue->checkpoint);
    database_close(&queue->database);
    queue_lock_close(&queue->lock); /* last: until here nobody else may open */
    memory_free(queue);
}

static bool open_queue(const char *folder, void **opened, int64_t *newest_id, struct error *err)
{
    struct sqlite_queue *queue = memory_new(1, sizeof *queue);

    *opened = queue;
    if (queue == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the queue");
    queue->lock = -1;
    if (!open_files(queue, folder, err)) {
        close_queue(opened);
        return error_wrap(err, "opening the queue %s", folder);
    }
    *newest_id = queue->newest_id;
    return true;
}

/* What a checkpoint left, which is what was committed during it, takes little time; then the next
 * commit begins the log anew. */
static void look_after_log(struct sqlite_queue *queue)
{
    if (queue->log_pages >= LOG_PAGES_MOST)
        sqlite_checkpoint_wait(queue->checkpoint);
    if (sqlite_checkpoint_take_end(queue->checkpoint))
        sqlite3_wal_checkpoint_v2(queue->database.connection, "main", SQLITE_CHECKPOINT_PASSIVE,
                                  NULL, NULL);
    else if (queue->log_pages >= LOG_PAGES)
        sqlite_checkpoint_start(queue->checkpoint);
}

static enum queue_status begin(void *object, struct error *err)
{
    struct sqlite_queue *queue = object;

    look_after_log(queue);
    queue->counts_before = queue->counts;
    queue->newest_id_before = queue->newest_id;
    queue->newest_dropped = 0;
    return database_do(&queue->database, database_use(&queue->database, SQL_BEGIN), err);
}

static enum queue_status commit(void *object, struct error *err)
{
    struct sqlite_queue *queue = object;
    bool is_to_be_written = queue->newest_dropped > queue->newest_id_written;
    enum queue_status status = QUEUE_OK;

    if (is_to_be_written) { /* as long as its message is there, that tells it */
        sqlite3_stmt *statement = database_use(&queue->database, SQL_SET_NEWEST);

        sqlite3_bind_int64(statement, 1, queue->newest_id);
        status = database_do(&queue->database, statement, err);
    }
    if (status == QUEUE_OK)
        status = database_do(&queue->database, database_use(&queue->database, SQL_COMMIT), err);
    if (status == QUEUE_OK && is_to_be_written)
        queue->newest_id_written = queue->newest_id;
    return status;
}

static void rollback(void *object)
{
    struct sqlite_queue *queue = object;

    queue->counts = queue->counts_before;
    queue->newest_id = queue->newest_id_before;
    for (size_t i = 0; i < SQL_STATEMENTS; i++)
        sqlite3_reset(queue->database.statements[i]);
    /* Some failures have rolled back already: SQLite then is out of the transaction. */
    if (!sqlite3_get_autocommit(queue->database.connection))
        sqlite3_exec(queue->database.connection, "ROLLBACK", NULL, NULL, NULL);
}

static void count(const void *object, struct queue_counts *counts)
{
    *counts = ((const struct sqlite_queue *)object)->counts;
}

/* Free pages beyond some to spare go back to the file system. */
static bool tidy(void *object)
{
    struct database *database = &((struct sqlite_queue *)object)->database;
    char sql[64];

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
    .open = open_queue,
    .close = close_queue,
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .append = sqlite_queue_append,
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
