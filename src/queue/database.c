#include "queue/database.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static pthread_once_t is_configured = PTHREAD_ONCE_INIT;

/* For its owner alone, whatever the umask: SQLite gives its other files the same mode. One that is
 * there is not opened here, for closing it would drop SQLite's locks. */
static void make_private(const char *path)
{
    int made = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);

    if (made >= 0)
        close(made);
}

/* SQLite counts its memory in one place for all threads, under a lock, unless it is told not to before it
 * begins. Nobody asks for that count. Where somebody in the process was faster it stays as it is. */
static void count_no_memory(void)
{
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

bool database_open(struct database *database, const char *path, enum database_access access,
                   int busy_ms, struct error *err)
{
    int flags =
        SQLITE_OPEN_NOMUTEX | (access == DATABASE_OWN ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                                                      : SQLITE_OPEN_READONLY);
    int code;

    pthread_once(&is_configured, count_no_memory);
    *database = (struct database){ 0 };
    if ((size_t)snprintf(database->path, sizeof database->path, "%s", path) >=
        sizeof database->path)
        return error_set(err, ERROR_USAGE, "the path %.100s... is too long", path);
    if (access == DATABASE_OWN)
        make_private(path);
    code = sqlite3_open_v2(path, &database->connection, flags, NULL);
    if (code == SQLITE_OK) {
        sqlite3_extended_result_codes(database->connection, 1);
        sqlite3_busy_timeout(database->connection, busy_ms);
        return true;
    }
    error_set(err, ERROR_SYSTEM, "opening %s: %s", path,
              database->connection == NULL ? "no memory" : sqlite3_errmsg(database->connection));
    database_close(database);
    return false;
}

void database_put_aside(const char *path)
{
    static const char *const endings[] = { "-wal", "-shm" };
    char name[sizeof((struct database *)NULL)->path + 16];

    for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
        snprintf(name, sizeof name, "%s%s", path, endings[i]);
        unlink(name);
    }
    snprintf(name, sizeof name, "%s.damaged", path);
    rename(path, name);
}

void database_close(struct database *database)
{
    for (size_t i = 0; i < DATABASE_STATEMENTS; i++)
        sqlite3_finalize(database->statements[i]);
    sqlite3_close(database->connection);
    database->connection = NULL;
    memset(database->statements, 0, sizeof database->statements);
}

bool database_run(struct database *database, const char *sql, struct error *err)
{
    int code = sqlite3_exec(database->connection, sql, NULL, NULL, NULL);

    if (code == SQLITE_OK)
        return true;
    (void)database_status(database, code, err);
    return false;
}

void database_undo(struct database *database)
{
    sqlite3_exec(database->connection, "ROLLBACK", NULL, NULL, NULL);
}

void database_empty_log(struct database *database)
{
    sqlite3_wal_checkpoint_v2(database->connection, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}

bool database_prepare(struct database *database, const char *const *sql, size_t count,
                      struct error *err)
{
    assert(count <= DATABASE_STATEMENTS);
    database->sql = sql;
    for (size_t i = 0; i < count; i++) {
        int code = sqlite3_prepare_v3(database->connection, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                                      &database->statements[i], NULL);

        if (code != SQLITE_OK) {
            (void)database_status(database, code, err);
            return false;
        }
    }
    return true;
}

sqlite3_stmt *database_use(struct database *database, size_t index)
{
    sqlite3_stmt *statement = database->statements[index];

    assert(statement != NULL);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return statement;
}

/* What the file last failed with; SQLite keeps it, errno may be somebody else's by now. */
static int reason_of(sqlite3_file *file)
{
    int reason = 0;

    if (file != NULL && file->pMethods != NULL)
        file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &reason);
    return reason;
}

/* A file that may not grow, by quota or by limit, is as full as a disk; SQLite takes only ENOSPC
 * for that. Of its -shm file it says no more than that it did not become as long as it has to be. */
static bool is_full(struct database *database, int code)
{
    sqlite3_file *file = NULL, *log = NULL;

    if ((code & 0xff) == SQLITE_FULL || code == SQLITE_IOERR_SHMSIZE)
        return true;
    if (code != SQLITE_IOERR_WRITE)
        return false;
    sqlite3_file_control(database->connection, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    sqlite3_file_control(database->connection, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
    return error_kind_of(reason_of(file)) == ERROR_FULL ||
           error_kind_of(reason_of(log)) == ERROR_FULL;
}

enum queue_status database_status(struct database *database, int code, struct error *err)
{
    int primary = code & 0xff;
    bool found_no_room;

    if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE)
        return QUEUE_OK;
    found_no_room = is_full(database, code);
    error_set(err,
              found_no_room             ? ERROR_FULL
              : primary == SQLITE_NOMEM ? ERROR_MEMORY
                                        : ERROR_SYSTEM,
              "%s: %s (%d)", database->path, sqlite3_errmsg(database->connection),
              sqlite3_extended_errcode(database->connection));
    if (found_no_room)
        return QUEUE_FULL;
    return primary == SQLITE_BUSY || primary == SQLITE_LOCKED ? QUEUE_BUSY : QUEUE_FAILED;
}

enum queue_status database_do(struct database *database, sqlite3_stmt *statement, struct error *err)
{
    enum queue_status status = database_status(database, sqlite3_step(statement), err);

    sqlite3_reset(statement);
    return status;
}

void database_bind(sqlite3_stmt *statement, int parameter, struct span text)
{
    /* NULL would be the SQL NULL; every column of ours is a text. */
    sqlite3_bind_text(statement, parameter, text.len == 0 ? "" : text.data, (int)text.len,
                      SQLITE_STATIC);
}

void database_bind_bytes(sqlite3_stmt *statement, int parameter, struct span bytes)
{
    sqlite3_bind_blob(statement, parameter, bytes.len == 0 ? "" : bytes.data, (int)bytes.len,
                      SQLITE_STATIC);
}

struct span database_borrow(sqlite3_stmt *statement, int column)
{
    const char *data = sqlite3_column_blob(statement, column);

    return (struct span){ data, (size_t)sqlite3_column_bytes(statement, column) };
}

struct span database_text(sqlite3_stmt *statement, int column, struct arena *arena)
{
    return arena_copy_bytes(arena, database_borrow(statement, column));
}

bool database_each(struct database *database, const char *sql, size_t arena_bytes,
                   void (*found)(void *owner, sqlite3_stmt *row, struct arena *arena), void *owner,
                   struct error *err)
{
    sqlite3_stmt *row = NULL;
    int code = sqlite3_prepare_v2(database->connection, sql, -1, &row, NULL);
    enum queue_status status;

    while ((code == SQLITE_OK || code == SQLITE_ROW) && (code = sqlite3_step(row)) == SQLITE_ROW) {
        AUTO(arena_clear) struct arena arena;

        arena_init(&arena, arena_bytes);
        found(owner, row, &arena);
    }
    status = database_status(database, code, err);
    sqlite3_finalize(row);
    return status == QUEUE_OK;
}

bool database_ask(struct database *database, const char *sql, int64_t otherwise, int64_t *number,
                  struct error *err)
{
    sqlite3_stmt *row = NULL;
    int code = sqlite3_prepare_v2(database->connection, sql, -1, &row, NULL);
    enum queue_status status;

    *number = otherwise;
    if (code == SQLITE_OK)
        code = sqlite3_step(row);
    if (code == SQLITE_ROW)
        *number = sqlite3_column_int64(row, 0);
    status = database_status(database, code, err);
    sqlite3_finalize(row);
    return status == QUEUE_OK;
}

int64_t database_number(struct database *database, const char *sql, int64_t otherwise)
{
    struct error ignored;
    int64_t number;

    (void)!database_ask(database, sql, otherwise, &number, &ignored);
    return number;
}
