#include "queue/tracking.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "queue/database.h"
#include "queue/tracking_days.h"

enum { BUSY_MS = 250, NO_DAY = -1 };

enum { ADD_MESSAGE, ADD_EVENT, ADD_NOTE, ADD_SESSION, BEGIN, COMMIT, STATEMENTS };

struct tracking {
    struct database database; /* of `day` */
    int64_t day, days;
    char folder[TRACKING_PATH_BYTES];
};

static const char *const texts[STATEMENTS] = {
    [ADD_MESSAGE] = "INSERT OR REPLACE INTO message(id, sender, envid, message_id, is_8bit, "
                    "is_smtputf8, received_at, size, client_address, helo, user, tls_version, "
                    "tls_cipher, requires_tls, tls_optional) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [ADD_EVENT] = "INSERT INTO event(kind, message, recipient, at, milliseconds, relay, tls, code, "
                  "reply, finding, session) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [ADD_NOTE] = "INSERT INTO note(at, milliseconds, relay, tls, code, reply, finding, "
                 "client_address, helo, user, tls_version, tls_cipher) "
                 "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [ADD_SESSION] =
        "INSERT OR REPLACE INTO session(id, at, of_session, destination, relay, level, rule, tls, "
        "decision, why_clear, findings, would, changes, told, observation) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
};

/* NORMAL: a commit waits for no disk; the file stays whole. */
static const char schema[] =
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = NORMAL;"
    "PRAGMA temp_store = MEMORY;"
    "PRAGMA wal_autocheckpoint = 4096;"
    "BEGIN IMMEDIATE;"
    "CREATE TABLE IF NOT EXISTS message("
    "id INTEGER PRIMARY KEY, sender TEXT NOT NULL COLLATE NOCASE, envid TEXT NOT NULL,"
    "message_id TEXT NOT NULL, is_8bit INTEGER NOT NULL, is_smtputf8 INTEGER NOT NULL,"
    "received_at INTEGER NOT NULL, size INTEGER NOT NULL, client_address TEXT NOT NULL,"
    "helo TEXT NOT NULL, user TEXT NOT NULL, tls_version TEXT NOT NULL,"
    "tls_cipher TEXT NOT NULL, requires_tls INTEGER NOT NULL DEFAULT 0,"
    "tls_optional INTEGER NOT NULL DEFAULT 0);"
    "CREATE INDEX IF NOT EXISTS message_sender ON message(sender);"
    "CREATE INDEX IF NOT EXISTS message_message_id ON message(message_id);"
    "CREATE TABLE IF NOT EXISTS event("
    "number INTEGER PRIMARY KEY, kind INTEGER NOT NULL, message INTEGER NOT NULL,"
    "recipient TEXT NOT NULL COLLATE NOCASE, at INTEGER NOT NULL, milliseconds INTEGER NOT NULL,"
    "relay TEXT NOT NULL, tls TEXT NOT NULL, code TEXT NOT NULL, reply TEXT NOT NULL,"
    "finding TEXT NOT NULL, session INTEGER NOT NULL DEFAULT 0);"
    "CREATE INDEX IF NOT EXISTS event_message ON event(message);"
    "CREATE INDEX IF NOT EXISTS event_recipient ON event(recipient) WHERE kind = 0;"
    "CREATE TABLE IF NOT EXISTS note("
    "number INTEGER PRIMARY KEY, at INTEGER NOT NULL, milliseconds INTEGER NOT NULL,"
    "relay TEXT NOT NULL, tls TEXT NOT NULL, code TEXT NOT NULL, reply TEXT NOT NULL,"
    "finding TEXT NOT NULL, client_address TEXT NOT NULL, helo TEXT NOT NULL, user TEXT NOT NULL,"
    "tls_version TEXT NOT NULL, tls_cipher TEXT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS session("
    "id INTEGER PRIMARY KEY, at INTEGER NOT NULL, of_session INTEGER NOT NULL,"
    "destination TEXT NOT NULL COLLATE NOCASE, relay TEXT NOT NULL, level TEXT NOT NULL,"
    "rule TEXT NOT NULL, tls TEXT NOT NULL, decision TEXT NOT NULL, why_clear TEXT NOT NULL,"
    "findings TEXT NOT NULL, would TEXT NOT NULL, changes TEXT NOT NULL, told TEXT NOT NULL,"
    "observation TEXT NOT NULL);"
    "CREATE INDEX IF NOT EXISTS session_of ON session(of_session) WHERE of_session <> 0;"
    "COMMIT;";

/* A day that was begun before attempts named their sessions. */
static const char has_session[] =
    "SELECT count(*) FROM pragma_table_info('event') WHERE name = 'session'";
static const char add_session[] = "ALTER TABLE event ADD COLUMN session INTEGER NOT NULL DEFAULT 0";
/* One that was begun before messages said what they ask of TLS. */
static const char has_wishes[] =
    "SELECT count(*) FROM pragma_table_info('message') WHERE name = 'tls_optional'";
static const char add_wishes[] =
    "BEGIN IMMEDIATE;"
    "ALTER TABLE message ADD COLUMN requires_tls INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE message ADD COLUMN tls_optional INTEGER NOT NULL DEFAULT 0;"
    "COMMIT;";

const char *tracking_kind_name(enum tracking_kind kind)
{
    static const char *const names[TRACKING_KINDS] = {
        [TRACKING_ACCEPTED] = "accepted", [TRACKING_DONE] = "done",
        [TRACKING_DEFERRED] = "deferred", [TRACKING_BOUNCED] = "bounced",
        [TRACKING_HELD] = "held",         [TRACKING_RELEASED] = "released",
        [TRACKING_RETRIED] = "retried",   [TRACKING_DELETED] = "deleted",
        [TRACKING_NOTED] = "noted",
    };

    assert((unsigned)kind < TRACKING_KINDS);
    return names[kind];
}

bool tracking_open(const char *folder, int64_t days, struct tracking **tracking, struct error *err)
{
    struct tracking *made = memory_new(1, sizeof *made);

    *tracking = NULL;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for tracking");
    made->day = NO_DAY;
    made->days = days;
    snprintf(made->folder, sizeof made->folder, "%s", folder);
    if (strlen(folder) < sizeof made->folder && (mkdir(folder, 0700) == 0 || errno == EEXIST)) {
        *tracking = made;
        return true;
    }
    memory_free(made);
    return error_set(err, ERROR_SYSTEM, "making the folder %.300s: %s", folder, strerror(errno));
}

static void close_day(struct tracking *tracking)
{
    database_close(&tracking->database);
    tracking->day = NO_DAY;
}

void tracking_close(struct tracking **tracking)
{
    if (*tracking == NULL)
        return;
    close_day(*tracking);
    memory_free(*tracking);
    *tracking = NULL;
}

static bool open_day(struct tracking *tracking, int64_t day, struct error *err)
{
    char path[TRACKING_PATH_BYTES];

    close_day(tracking);
    if (!tracking_days_expire(tracking->folder, day - tracking->days + 1, err) ||
        !tracking_day_path(tracking->folder, day, path, err))
        return false;
    if (!database_open(&tracking->database, path, DATABASE_OWN, BUSY_MS, err) ||
        !database_run(&tracking->database, schema, err) ||
        (database_number(&tracking->database, has_session, 0) == 0 &&
         !database_run(&tracking->database, add_session, err)) ||
        (database_number(&tracking->database, has_wishes, 0) == 0 &&
         !database_run(&tracking->database, add_wishes, err)) ||
        !database_prepare(&tracking->database, texts, STATEMENTS, err)) {
        close_day(tracking);
        return false;
    }
    tracking->day = day;
    return true;
}

static bool run(struct tracking *tracking, size_t index, struct error *err)
{
    struct database *database = &tracking->database;

    return database_do(database, database_use(database, index), err) == QUEUE_OK;
}

bool tracking_begin(struct tracking *tracking, int64_t now_s, struct error *err)
{
    int64_t day = tracking_day_of(now_s);

    if (day != tracking->day && !open_day(tracking, day, err))
        return false;
    return run(tracking, BEGIN, err);
}

static void bind_origin(sqlite3_stmt *statement, int first, const struct queue_origin *origin)
{
    database_bind(statement, first, origin->client_address);
    database_bind(statement, first + 1, origin->helo);
    database_bind(statement, first + 2, origin->user);
    database_bind(statement, first + 3, origin->tls_version);
    database_bind(statement, first + 4, origin->tls_cipher);
}

static void bind_attempt(sqlite3_stmt *statement, int first, const struct queue_attempt *attempt)
{
    sqlite3_bind_int64(statement, first, attempt->at_s);
    sqlite3_bind_int64(statement, first + 1, attempt->milliseconds);
    database_bind(statement, first + 2, attempt->relay);
    database_bind(statement, first + 3, attempt->tls);
    database_bind(statement, first + 4, attempt->code);
    database_bind(statement, first + 5, attempt->reply);
    database_bind(statement, first + 6, attempt->finding);
}

bool tracking_add_message(struct tracking *tracking, const struct queue_envelope *envelope,
                          struct error *err)
{
    sqlite3_stmt *statement = database_use(&tracking->database, ADD_MESSAGE);

    sqlite3_bind_int64(statement, 1, envelope->id);
    database_bind(statement, 2, envelope->sender);
    database_bind(statement, 3, envelope->envid);
    database_bind(statement, 4, envelope->message_id);
    sqlite3_bind_int(statement, 5, envelope->is_8bit);
    sqlite3_bind_int(statement, 6, envelope->is_smtputf8);
    sqlite3_bind_int64(statement, 7, envelope->received_at_s);
    sqlite3_bind_int64(statement, 8, envelope->size_bytes);
    bind_origin(statement, 9, &envelope->origin);
    sqlite3_bind_int(statement, 14, envelope->requires_tls);
    sqlite3_bind_int(statement, 15, envelope->tls_optional);
    return database_do(&tracking->database, statement, err) == QUEUE_OK;
}

bool tracking_add_event(struct tracking *tracking, const struct tracking_event *event,
                        struct error *err)
{
    sqlite3_stmt *statement = database_use(&tracking->database, ADD_EVENT);

    assert(event->kind != TRACKING_NOTED);
    sqlite3_bind_int(statement, 1, (int)event->kind);
    sqlite3_bind_int64(statement, 2, event->id);
    database_bind(statement, 3, event->recipient);
    bind_attempt(statement, 4, &event->attempt);
    sqlite3_bind_int64(statement, 11, event->attempt.session);
    return database_do(&tracking->database, statement, err) == QUEUE_OK;
}

bool tracking_add_note(struct tracking *tracking, const struct queue_origin *origin,
                       const struct queue_attempt *attempt, struct error *err)
{
    sqlite3_stmt *statement = database_use(&tracking->database, ADD_NOTE);

    bind_attempt(statement, 1, attempt);
    bind_origin(statement, 8, origin);
    return database_do(&tracking->database, statement, err) == QUEUE_OK;
}

bool tracking_add_session(struct tracking *tracking, const struct queue_session *session,
                          struct error *err)
{
    sqlite3_stmt *statement = database_use(&tracking->database, ADD_SESSION);

    sqlite3_bind_int64(statement, 1, session->id);
    sqlite3_bind_int64(statement, 2, session->at_s);
    sqlite3_bind_int64(statement, 3, session->of_session);
    database_bind(statement, 4, session->destination);
    database_bind(statement, 5, session->relay);
    database_bind(statement, 6, session->level);
    database_bind(statement, 7, session->rule);
    database_bind(statement, 8, session->tls);
    database_bind(statement, 9, session->decision);
    database_bind(statement, 10, session->why_clear);
    database_bind(statement, 11, session->findings);
    database_bind(statement, 12, session->would);
    database_bind(statement, 13, session->changes);
    database_bind(statement, 14, session->told);
    database_bind(statement, 15, session->observation);
    return database_do(&tracking->database, statement, err) == QUEUE_OK;
}

bool tracking_commit(struct tracking *tracking, struct error *err)
{
    return run(tracking, COMMIT, err);
}

void tracking_rollback(struct tracking *tracking)
{
    if (tracking->day == NO_DAY)
        return;
    for (size_t i = 0; i < STATEMENTS; i++)
        sqlite3_reset(tracking->database.statements[i]);
    if (!sqlite3_get_autocommit(tracking->database.connection))
        database_undo(&tracking->database);
    database_empty_log(&tracking->database);
}
