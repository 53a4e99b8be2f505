/* queue/store_sqlite_schema.c - the tables of the queue, and how older ones become these. */
#include "queue/store_sqlite_internal.h"

#include <stdio.h>

enum { SCHEMA = 4, OLDEST = 2 };

/* The rows of a message stand together and at the end: ids grow with time. `body`: its places in the
 * journal, one behind the other. `progress`: up to where in the journal these tables go, and its
 * secret. */
static const char tables[] =
    "CREATE TABLE message("
    "id INTEGER PRIMARY KEY, sender TEXT NOT NULL, envid TEXT NOT NULL, message_id TEXT NOT NULL,"
    "returns INTEGER NOT NULL, is_8bit INTEGER NOT NULL, is_smtputf8 INTEGER NOT NULL,"
    "received_at INTEGER NOT NULL, size INTEGER NOT NULL, client_address TEXT NOT NULL,"
    "helo TEXT NOT NULL, user TEXT NOT NULL, tls_version TEXT NOT NULL, tls_cipher TEXT NOT NULL,"
    "open INTEGER NOT NULL, body BLOB NOT NULL,"
    "requires_tls INTEGER NOT NULL DEFAULT 0, tls_optional INTEGER NOT NULL DEFAULT 0);"
    "CREATE TABLE recipient("
    "message INTEGER NOT NULL, number INTEGER NOT NULL, address TEXT NOT NULL,"
    "orcpt TEXT NOT NULL, notify INTEGER NOT NULL, state INTEGER NOT NULL DEFAULT 0,"
    "due_at INTEGER NOT NULL, lease INTEGER NOT NULL DEFAULT 0,"
    "attempts INTEGER NOT NULL DEFAULT 0, has_warned INTEGER NOT NULL DEFAULT 0,"
    "code TEXT NOT NULL DEFAULT '', reply TEXT NOT NULL DEFAULT '',"
    "finding TEXT NOT NULL DEFAULT '', PRIMARY KEY (message, number)) WITHOUT ROWID;"
    "CREATE INDEX recipient_due ON recipient(due_at) WHERE " IS_DUE ";"
    "CREATE TABLE progress(newest INTEGER NOT NULL, file INTEGER NOT NULL,"
    "place INTEGER NOT NULL, batch INTEGER NOT NULL, secret INTEGER NOT NULL);"
    "INSERT INTO progress VALUES (0, 0, 0, 1, random());"
    "PRAGMA user_version = 4;";

/* Version 3 knew nothing of RFC 8689. */
static const char wishes[] =
    "ALTER TABLE message ADD COLUMN requires_tls INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE message ADD COLUMN tls_optional INTEGER NOT NULL DEFAULT 0;"
    "PRAGMA user_version = 4;";

/* Version 2 had bodies in the database: whole in `body`, or in parts in `part`. */
static const char old_names[] = "ALTER TABLE message RENAME TO old_message;"
                                "ALTER TABLE recipient RENAME TO old_recipient;"
                                "DROP INDEX recipient_message;"
                                "DROP INDEX recipient_due;";
static const char copies[] =
    "INSERT INTO recipient SELECT message, number, address, orcpt, notify, state, due_at, lease,"
    "attempts, has_warned, code, reply, finding FROM old_recipient ORDER BY message, number;"
    "UPDATE progress SET newest = (SELECT id FROM newest);"
    "DROP TABLE old_message; DROP TABLE old_recipient;"
    "DROP TABLE body; DROP TABLE part; DROP TABLE newest;";
static const char old_messages[] = "SELECT * FROM old_message ORDER BY id";
static const char old_parts[] = "SELECT bytes FROM body WHERE id = ?1";
static const char old_more_parts[] = "SELECT bytes FROM part WHERE message = ?1 ORDER BY number";
static const char new_message[] =
    "INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0)";
enum { MESSAGE_COLUMNS = 15 };

struct migration {
    struct database *database;
    struct journal *journal;
    sqlite3_stmt *messages, *parts, *more_parts, *insert;
    struct buffer places; /* of the message at hand */
};

static bool is_well(struct migration *migration, int code, struct error *err)
{
    return database_status(migration->database, code, err) == QUEUE_OK;
}

static bool copy_part(struct migration *migration, struct span bytes, struct error *err)
{
    struct journal_place place;

    if (!journal_append(migration->journal, JOURNAL_PART, (struct span){ 0 }, bytes, &place) ||
        !buffer_append(&migration->places, (struct span){ (const char *)&place, sizeof place }))
        return error_set(err, ERROR_MEMORY, "no memory to migrate the queue");
    return journal_mark(migration->journal) < QUEUE_COMMIT_BYTES ||
           journal_sync(migration->journal, err) == QUEUE_OK;
}

static bool copy_parts(struct migration *migration, sqlite3_stmt *parts, int64_t id,
                       struct error *err)
{
    bool is_copied = true;
    int code = SQLITE_DONE;

    sqlite3_reset(parts);
    sqlite3_bind_int64(parts, 1, id);
    while (is_copied && (code = sqlite3_step(parts)) == SQLITE_ROW)
        is_copied = copy_part(migration, database_borrow(parts, 0), err);
    return is_copied && is_well(migration, code, err);
}

static bool copy_message(struct migration *migration, struct error *err)
{
    int64_t id = sqlite3_column_int64(migration->messages, 0);
    int code;

    migration->places.len = 0;
    if (!copy_parts(migration, migration->parts, id, err) ||
        !copy_parts(migration, migration->more_parts, id, err))
        return false;
    sqlite3_reset(migration->insert);
    for (int i = 0; i < MESSAGE_COLUMNS; i++)
        sqlite3_bind_value(migration->insert, i + 1, sqlite3_column_value(migration->messages, i));
    database_bind_bytes(migration->insert, MESSAGE_COLUMNS + 1, buffer_span(&migration->places));
    code = sqlite3_step(migration->insert);
    return is_well(migration, code, err);
}

static bool copy_messages(struct migration *migration, struct error *err)
{
    int code;

    while ((code = sqlite3_step(migration->messages)) == SQLITE_ROW)
        if (!copy_message(migration, err))
            return false;
    return is_well(migration, code, err) &&
           journal_sync(migration->journal, err) == QUEUE_OK; /* before who refers to it */
}

static bool prepare(struct migration *migration, const char *sql, sqlite3_stmt **statement,
                    struct error *err)
{
    return is_well(migration,
                   sqlite3_prepare_v2(migration->database->connection, sql, -1, statement, NULL),
                   err);
}

static bool set_progress(struct migration *migration, struct error *err)
{
    struct journal_point end = journal_end(migration->journal);
    char sql[160];

    snprintf(sql, sizeof sql, "UPDATE progress SET file = %lld, place = %lld, batch = %lld",
             (long long)end.file, (long long)end.offset, (long long)end.group);
    return database_run(migration->database, sql, err);
}

/* As new tables have it, or those that were there. */
static bool take_secret(struct database *database, struct journal *journal, struct error *err)
{
    int64_t secret = database_number(database, "SELECT secret FROM progress", 0);

    journal_set_secret(journal, (uint64_t)secret);
    return secret != 0 || error_set(err, ERROR_FORMAT,
                                    "%s: the secret of its journal cannot be read", database->path);
}

static bool migrate(struct database *database, struct journal *journal, struct error *err)
{
    struct migration migration = { .database = database, .journal = journal };
    bool is_done;

    buffer_init(&migration.places, JOURNAL_GROUP_BYTES);
    journal_start(journal, (struct journal_point){ .group = 1 });
    is_done = database_run(database, old_names, err) && database_run(database, tables, err) &&
              take_secret(database, journal, err) &&
              prepare(&migration, old_messages, &migration.messages, err) &&
              prepare(&migration, old_parts, &migration.parts, err) &&
              prepare(&migration, old_more_parts, &migration.more_parts, err) &&
              prepare(&migration, new_message, &migration.insert, err) &&
              copy_messages(&migration, err) && set_progress(&migration, err);
    sqlite3_finalize(migration.messages);
    sqlite3_finalize(migration.parts);
    sqlite3_finalize(migration.more_parts);
    sqlite3_finalize(migration.insert);
    buffer_clear(&migration.places);
    return is_done && database_run(database, copies, err);
}

/* As they are now, from what they are. */
static bool make_tables(struct database *database, struct journal *journal, int64_t version,
                        struct error *err)
{
    if (version == OLDEST)
        return migrate(database, journal, err);
    return database_run(database, version == 0 ? tables : wishes, err) &&
           take_secret(database, journal, err);
}

static bool change_tables(struct database *database, struct journal *journal, int64_t version,
                          struct error *err)
{
    if (!database_run(database, "BEGIN IMMEDIATE", err))
        return false;
    if (make_tables(database, journal, version, err) && database_run(database, "COMMIT", err))
        return true;
    sqlite3_exec(database->connection, "ROLLBACK", NULL, NULL, NULL);
    return false;
}

bool sqlite_queue_make_tables(struct database *database, struct journal *journal, struct error *err)
{
    int64_t version = database_number(database, "PRAGMA user_version", -1);

    if (version == SCHEMA)
        return take_secret(database, journal, err);
    if (version == 0 || (version >= OLDEST && version < SCHEMA))
        return change_tables(database, journal, version, err);
    return error_set(err, ERROR_FORMAT, "%s is not a queue of this version (%lld)", database->path,
                     (long long)version);
}
