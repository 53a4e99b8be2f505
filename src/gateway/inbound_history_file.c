/* gateway/inbound_history_file.c - the inbound history as a file: failures by day, the times that it knows of, reports. */
#include "gateway/inbound_history_parts.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/gzip.h"
#include "base/text.h"
#include "queue/state_file.h"

enum {
    SCHEMA = 1,
    BUSY_MS = 5000,
    DAY_S = 86400,
    ROWS_READ_MOST = 100000,
    SHA256_BYTES = 32,
};

enum { RAISE, INSERT, KEEP, NOTE, STATEMENTS };

static const char *const statements[] = {
    [RAISE] = "UPDATE failure SET count = count + ?6, first_s = min(first_s, ?7),"
              " last_s = max(last_s, ?8), helo = ?9, cause = ?10"
              " WHERE day = ?1 AND client = ?2 AND host = ?3 AND port = ?4 AND finding = ?5",
    [INSERT] =
        "INSERT INTO failure (day, client, host, port, finding, count, first_s, last_s, helo,"
        " cause) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    [KEEP] = "INSERT OR IGNORE INTO report (organization, id, received_s, start_s, end_s, packed)"
             " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [NOTE] = "INSERT INTO run (since_s, until_s) VALUES (?1, ?2)"
             " ON CONFLICT (since_s) DO UPDATE SET until_s = max(until_s, excluded.until_s)",
};

static const char making[] =
    "DROP TABLE IF EXISTS failure;"
    "DROP TABLE IF EXISTS run;"
    "DROP TABLE IF EXISTS report;"
    "CREATE TABLE failure (day INTEGER NOT NULL, client TEXT NOT NULL, host TEXT NOT NULL,"
    " port INTEGER NOT NULL, finding TEXT NOT NULL, count INTEGER NOT NULL,"
    " first_s INTEGER NOT NULL, last_s INTEGER NOT NULL, helo TEXT NOT NULL, cause TEXT NOT NULL,"
    " PRIMARY KEY (day, client, host, port, finding)) WITHOUT ROWID;"
    "CREATE TABLE run (since_s INTEGER PRIMARY KEY, until_s INTEGER NOT NULL);"
    "CREATE TABLE report (number INTEGER PRIMARY KEY, organization TEXT NOT NULL, id TEXT NOT NULL,"
    " received_s INTEGER NOT NULL, start_s INTEGER NOT NULL, end_s INTEGER NOT NULL,"
    " packed BLOB NOT NULL, UNIQUE (organization, id))";

static const struct state_file state_file = {
    .name = "inbound.db",
    .schema = SCHEMA,
    .busy_ms = BUSY_MS,
    .tuning = "PRAGMA synchronous = NORMAL",
    .making = making,
    .statements = statements,
    .statement_count = STATEMENTS,
};

/* ---- the file ---- */

bool inbound_file_open(struct inbound_file *file, const char *state_dir, bool *was_put_aside,
                       struct error *err)
{
    *file = (struct inbound_file){ .day = -1 };
    return state_file_open(&state_file, state_dir, NULL, &file->database, was_put_aside, err);
}

void inbound_file_close(struct inbound_file *file)
{
    database_close(&file->database);
}

/* ---- writing ---- */

bool inbound_file_begin(struct inbound_file *file, struct error *err)
{
    file->day = -1;
    return database_run(&file->database, "BEGIN IMMEDIATE", err);
}

void inbound_file_undo(struct inbound_file *file)
{
    database_undo(&file->database);
}

static void bind_failure(sqlite3_stmt *statement, const struct inbound_failure *failure,
                         const char *client)
{
    sqlite3_bind_int64(statement, 1, failure->day);
    database_bind(statement, 2, span_of(client));
    database_bind(statement, 3, span_of(failure->host));
    sqlite3_bind_int(statement, 4, failure->port);
    database_bind(statement, 5, span_of(failure->finding));
    sqlite3_bind_int64(statement, 6, failure->count);
    sqlite3_bind_int64(statement, 7, failure->first_s);
    sqlite3_bind_int64(statement, 8, failure->last_s);
    database_bind(statement, 9, span_of(failure->helo));
    database_bind(statement, 10, span_of(failure->cause));
}

static bool raise_row(struct inbound_file *file, const struct inbound_failure *failure,
                      const char *client, bool *was_there, struct error *err)
{
    sqlite3_stmt *statement = database_use(&file->database, RAISE);

    bind_failure(statement, failure, client);
    if (database_do(&file->database, statement, err) != QUEUE_OK)
        return false;
    *was_there = sqlite3_changes(file->database.connection) > 0;
    return true;
}

static void count_rows(struct inbound_file *file, int64_t day)
{
    char sql[80];

    if (file->day == day)
        return;
    snprintf(sql, sizeof sql, "SELECT count(*) FROM failure WHERE day = %lld", (long long)day);
    file->day = day;
    file->rows = database_number(&file->database, sql, 0);
}

bool inbound_file_add(struct inbound_file *file, const struct inbound_failure *failure,
                      struct error *err)
{
    const char *client = failure->client;
    sqlite3_stmt *statement;
    bool was_there;

    count_rows(file, failure->day);
    if (!raise_row(file, failure, client, &was_there, err))
        return false;
    if (!was_there && file->rows >= INBOUND_HISTORY_ROWS_MOST) {
        client = ""; /* of these there are as many as there are listeners and findings */
        if (!raise_row(file, failure, client, &was_there, err))
            return false;
    }
    if (was_there)
        return true;
    file->rows++;
    statement = database_use(&file->database, INSERT);
    bind_failure(statement, failure, client);
    return database_do(&file->database, statement, err) == QUEUE_OK;
}

bool inbound_file_note(struct inbound_file *file, int64_t since_s, int64_t until_s,
                       struct error *err)
{
    sqlite3_stmt *statement = database_use(&file->database, NOTE);

    sqlite3_bind_int64(statement, 1, since_s);
    sqlite3_bind_int64(statement, 2, until_s);
    return database_do(&file->database, statement, err) == QUEUE_OK;
}

/* One that has no id is known by what it says. */
static const char *id_of(const struct received_report *received, struct arena *arena)
{
    unsigned char digest[SHA256_BYTES];

    if (*received->report.id != '\0')
        return received->report.id;
    if (EVP_Digest(received->json.data, received->json.len, digest, NULL, EVP_sha256(), NULL) != 1)
        return "";
    return arena_format(arena, "sha256:%s",
                        text_hex(arena, (struct span){ (const char *)digest, sizeof digest }));
}

static bool insert_report(struct inbound_file *file, const struct received_report *received,
                          const char *id, int64_t now_s, struct error *err)
{
    sqlite3_stmt *statement = database_use(&file->database, KEEP);
    struct buffer packed;
    bool is_done;

    buffer_init(&packed, (size_t)2 * TLS_REPORT_BYTES_MOST);
    is_done = gzip_write(received->json, &packed, err);
    if (is_done) {
        database_bind(statement, 1, span_of(received->report.organization));
        database_bind(statement, 2, span_of(id));
        sqlite3_bind_int64(statement, 3, now_s);
        sqlite3_bind_int64(statement, 4, received->report.start_s);
        sqlite3_bind_int64(statement, 5, received->report.end_s);
        database_bind_bytes(statement, 6, buffer_span(&packed));
        is_done = database_do(&file->database, statement, err) == QUEUE_OK;
    }
    buffer_clear(&packed);
    return is_done;
}

bool inbound_file_keep(struct inbound_file *file, const struct received_report *received,
                       int64_t now_s, bool *is_new, struct error *err)
{
    AUTO(arena_clear) struct arena arena;

    arena_init(&arena, 1024);
    *is_new = false;
    if (!insert_report(file, received, id_of(received, &arena), now_s, err))
        return false;
    *is_new = sqlite3_changes(file->database.connection) > 0;
    return true;
}

static bool drop_too_many_reports(struct inbound_file *file, struct error *err)
{
    struct database *database = &file->database;

    while (database_number(database, "SELECT count(*) FROM report", 0) >
               INBOUND_HISTORY_REPORTS_MOST ||
           database_number(database, "SELECT sum(length(packed)) FROM report", 0) >
               INBOUND_HISTORY_BYTES_MOST)
        if (!database_run(database,
                          "DELETE FROM report WHERE number IN"
                          " (SELECT number FROM report ORDER BY number LIMIT 20)",
                          err))
            return false;
    return true;
}

static bool drop_old_days(struct inbound_file *file, int64_t now_s, struct error *err)
{
    char sql[160];
    int64_t first_day = now_s / DAY_S - INBOUND_HISTORY_DAYS;

    snprintf(sql, sizeof sql,
             "DELETE FROM failure WHERE day < %lld; DELETE FROM run WHERE until_s < %lld",
             (long long)first_day, (long long)first_day * DAY_S);
    return database_run(&file->database, sql, err);
}

bool inbound_file_end(struct inbound_file *file, int64_t now_s, struct error *err)
{
    return drop_old_days(file, now_s, err) && drop_too_many_reports(file, err) &&
           database_run(&file->database, "COMMIT", err);
}

/* ---- looking ---- */

static const char *text_at(sqlite3_stmt *row, int column, struct arena *arena)
{
    return arena_copy(arena, database_borrow(row, column));
}

static void read_failure(sqlite3_stmt *row, struct arena *arena, struct inbound_failure *failure)
{
    *failure = (struct inbound_failure){ .day = sqlite3_column_int64(row, 0),
                                         .client = text_at(row, 1, arena),
                                         .host = text_at(row, 2, arena),
                                         .port = (uint16_t)sqlite3_column_int(row, 3),
                                         .finding = text_at(row, 4, arena),
                                         .count = sqlite3_column_int64(row, 5),
                                         .first_s = sqlite3_column_int64(row, 6),
                                         .last_s = sqlite3_column_int64(row, 7),
                                         .helo = text_at(row, 8, arena),
                                         .cause = text_at(row, 9, arena) };
}

static bool prepare(struct database *database, const char *sql, int64_t first, int64_t last,
                    sqlite3_stmt **statement, struct error *err)
{
    int code = sqlite3_prepare_v2(database->connection, sql, -1, statement, NULL);

    if (code != SQLITE_OK) {
        (void)database_status(database, code, err);
        return false;
    }
    sqlite3_bind_int64(*statement, 1, first);
    sqlite3_bind_int64(*statement, 2, last);
    return true;
}

static bool read_failures(struct database *database, int64_t first_day, int64_t last_day,
                          struct arena *arena, struct inbound_failures *failures, struct error *err)
{
    sqlite3_stmt *row = NULL;
    int code = SQLITE_ROW;

    failures->items = arena_new(arena, ROWS_READ_MOST, sizeof *failures->items);
    if (failures->items == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for what failed inbound");
    if (!prepare(database,
                 "SELECT day, client, host, port, finding, count, first_s, last_s, helo, cause"
                 " FROM failure WHERE day >= ?1 AND day <= ?2",
                 first_day, last_day, &row, err))
        return false;
    while (failures->count < ROWS_READ_MOST && (code = sqlite3_step(row)) == SQLITE_ROW)
        read_failure(row, arena, &failures->items[failures->count++]);
    sqlite3_finalize(row);
    return code == SQLITE_ROW || database_status(database, code, err) == QUEUE_OK;
}

/* Runs do not overlap: one process has the queue. */
static bool read_runs(struct database *database, int64_t since_s, int64_t until_s, int64_t *kept_s,
                      struct error *err)
{
    sqlite3_stmt *row = NULL;
    int code;

    if (!prepare(
            database,
            "SELECT coalesce(sum(min(max(until_s, since_s + 1), ?2) - max(since_s, ?1)), 0) FROM run"
            " WHERE since_s < ?2 AND max(until_s, since_s + 1) > ?1",
            since_s, until_s, &row, err))
        return false;
    code = sqlite3_step(row);
    if (code == SQLITE_ROW)
        *kept_s = sqlite3_column_int64(row, 0);
    sqlite3_finalize(row);
    return code == SQLITE_ROW || database_status(database, code, err) == QUEUE_OK;
}

bool inbound_history_failures(const char *state_dir, int64_t since_s, int64_t until_s,
                              struct arena *arena, struct inbound_failures *failures,
                              struct error *err)
{
    struct database database;
    bool is_absent, is_read;

    *failures = (struct inbound_failures){ .count = 0 };
    if (!state_file_look(&state_file, state_dir, &database, &is_absent, err))
        return false;
    if (is_absent)
        return true;
    is_read = read_failures(&database, since_s / DAY_S, until_s / DAY_S, arena, failures, err) &&
              read_runs(&database, since_s, until_s, &failures->kept_s, err);
    database_close(&database);
    return is_read &&
           (!arena->exhausted || error_set(err, ERROR_MEMORY, "no memory for what failed inbound"));
}

static bool tell_report(sqlite3_stmt *row,
                        bool (*found)(void *owner, const struct inbound_kept_report *report),
                        void *owner)
{
    struct inbound_kept_report report = { .received_s = sqlite3_column_int64(row, 0) };
    struct span packed = { sqlite3_column_blob(row, 1), (size_t)sqlite3_column_bytes(row, 1) };
    struct buffer json;
    bool goes_on = true;

    buffer_init(&json, TLS_REPORT_BYTES_MOST);
    if (gzip_read(packed, &json, NULL)) {
        report.json = buffer_span(&json);
        goes_on = found(owner, &report);
    }
    buffer_clear(&json);
    return goes_on;
}

bool inbound_history_reports(const char *state_dir, int64_t since_s, int64_t until_s,
                             bool (*found)(void *owner, const struct inbound_kept_report *report),
                             void *owner, struct error *err)
{
    struct database database;
    sqlite3_stmt *row = NULL;
    bool is_absent, goes_on = true, is_read;
    int code = SQLITE_ROW;

    if (!state_file_look(&state_file, state_dir, &database, &is_absent, err))
        return false;
    if (is_absent)
        return true;
    is_read = prepare(&database,
                      "SELECT received_s, packed FROM report WHERE end_s >= ?1 AND start_s <= ?2"
                      " ORDER BY start_s, number",
                      since_s, until_s, &row, err);
    while (is_read && goes_on && (code = sqlite3_step(row)) == SQLITE_ROW)
        goes_on = tell_report(row, found, owner);
    sqlite3_finalize(row);
    is_read = is_read && (code == SQLITE_ROW || database_status(&database, code, err) == QUEUE_OK);
    database_close(&database);
    return is_read;
}

/* ---- from outside ---- */

/* The gateway has to be able to write what root makes here. */
static void make_for_owner(const char *path, const char *state_dir)
{
    struct stat folder;
    int made;

    if (geteuid() != 0 || stat(state_dir, &folder) != 0)
        return;
    made = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (made < 0)
        return;
    if (fchown(made, folder.st_uid, folder.st_gid) != 0)
        unlink(path);
    close(made);
}

bool inbound_history_keep(const char *state_dir, const struct received_report *received,
                          int64_t now_s, bool *is_new, struct error *err)
{
    struct inbound_file file;
    char path[sizeof file.database.path];
    bool is_kept;

    *is_new = false;
    if (!state_file_path(&state_file, state_dir, path, sizeof path, err))
        return false;
    make_for_owner(path, state_dir);
    if (!inbound_file_open(&file, state_dir, NULL, err))
        return false;
    is_kept = inbound_file_begin(&file, err);
    if (is_kept && !(inbound_file_keep(&file, received, now_s, is_new, err) &&
                     inbound_file_end(&file, now_s, err))) {
        inbound_file_undo(&file);
        is_kept = false;
    }
    inbound_file_close(&file);
    return is_kept;
}
