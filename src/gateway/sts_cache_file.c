/* gateway/sts_cache_file.c - the cache of policies as a file: one row for each domain. */
#include "gateway/sts_cache_parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SCHEMA = 1, BUSY_MS = 2000, ROW_ARENA = 256 * 1024 };
enum { PUT, DROP, STATEMENTS };

#define COLUMNS "domain, id, policy, fetched_at_s, ends_at_s"

static const char *const statements[] = {
    [PUT] = "INSERT OR REPLACE INTO policy (" COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5)",
    [DROP] = "DELETE FROM policy WHERE domain = ?1",
};

static const char making[] =
    "BEGIN;"
    "DROP TABLE IF EXISTS policy;"
    "CREATE TABLE policy (domain TEXT PRIMARY KEY, id TEXT NOT NULL, policy TEXT NOT NULL,"
    " fetched_at_s INTEGER NOT NULL, ends_at_s INTEGER NOT NULL) WITHOUT ROWID;"
    "PRAGMA user_version = 1;"
    "COMMIT";

/* ---- reading ---- */

static void read_row(sqlite3_stmt *statement, struct arena *arena, struct sts_row *row)
{
    *row = (struct sts_row){
        .domain = arena_copy(arena, database_borrow(statement, 0)),
        .id = arena_copy(arena, database_borrow(statement, 1)),
        .policy = arena_copy(arena, database_borrow(statement, 2)),
        .fetched_at_s = sqlite3_column_int64(statement, 3),
        .ends_at_s = sqlite3_column_int64(statement, 4),
    };
}

static bool read_rows(struct database *database,
                      void (*found)(void *owner, const struct sts_row *row), void *owner,
                      struct error *err)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(database->connection,
                                  "SELECT " COLUMNS " FROM policy ORDER BY fetched_at_s", -1,
                                  &statement, NULL);

    while (code == SQLITE_OK || code == SQLITE_ROW) {
        AUTO(arena_clear) struct arena arena;
        struct sts_row row;

        arena_init(&arena, ROW_ARENA);
        code = sqlite3_step(statement);
        if (code != SQLITE_ROW)
            break;
        read_row(statement, &arena, &row);
        if (!arena.exhausted)
            found(owner, &row);
    }
    sqlite3_finalize(statement);
    return database_status(database, code, err) == QUEUE_OK;
}

static bool begin_file(struct database *database, const char *path,
                       void (*found)(void *owner, const struct sts_row *row), void *owner,
                       struct error *err)
{
    if (!database_open(database, path, DATABASE_OWN, BUSY_MS, err))
        return false;
    if (database_run(database,
                     "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
                     "PRAGMA cache_size = -512",
                     err) &&
        (database_number(database, "PRAGMA user_version", 0) == SCHEMA ||
         database_run(database, making, err)) &&
        database_prepare(database, statements, STATEMENTS, err) &&
        read_rows(database, found, owner, err))
        return true;
    database_close(database);
    return false;
}

static bool make_path(char *path, size_t size, const char *state_dir, struct error *err)
{
    return (size_t)snprintf(path, size, "%s/sts.db", state_dir) < size ||
           error_set(err, ERROR_USAGE, "the path of the state directory is too long");
}

static void put_aside(const char *path)
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

bool sts_file_open(struct database *database, const char *state_dir,
                   void (*found)(void *owner, const struct sts_row *row), void *owner,
                   bool *was_put_aside, struct error *err)
{
    char path[sizeof database->path];

    *was_put_aside = false;
    if (!make_path(path, sizeof path, state_dir, err))
        return false;
    if (begin_file(database, path, found, owner, err))
        return true;
    if (access(path, F_OK) != 0)
        return false;
    put_aside(path);
    *was_put_aside = true;
    return begin_file(database, path, found, owner, err);
}

static bool read_one(struct database *database, const char *domain, struct arena *arena,
                     struct sts_cached *cached, bool *found, struct error *err)
{
    static const char *const select[] = { "SELECT " COLUMNS " FROM policy WHERE domain = ?1" };
    sqlite3_stmt *statement;
    struct sts_row row;
    int code;

    if (!database_prepare(database, select, ARRAY_SIZE(select), err))
        return false;
    statement = database_use(database, 0);
    database_bind(statement, 1, span_of(domain));
    code = sqlite3_step(statement);
    *found = code == SQLITE_ROW;
    if (!*found)
        return database_status(database, code, err) == QUEUE_OK;
    read_row(statement, arena, &row);
    *cached = (struct sts_cached){ row.id, row.policy, row.fetched_at_s, row.ends_at_s };
    return true;
}

bool sts_keeper_look(const char *state_dir, const char *domain, struct arena *arena,
                     struct sts_cached *cached, bool *found, struct error *err)
{
    AUTO(database_close) struct database database = { .connection = NULL };
    char path[sizeof database.path];

    *found = false;
    if (!make_path(path, sizeof path, state_dir, err))
        return false;
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return true;
    if (!database_open(&database, path, DATABASE_LOOK, BUSY_MS, err))
        return false;
    return database_number(&database, "PRAGMA user_version", 0) == 0 || /* it is just being made */
           read_one(&database, domain, arena, cached, found, err);
}

/* ---- writing ---- */

static bool put_row(struct database *database, const struct sts_row *row, struct error *err)
{
    sqlite3_stmt *statement = database_use(database, PUT);

    database_bind(statement, 1, span_of(row->domain));
    database_bind(statement, 2, span_of(row->id));
    database_bind(statement, 3, span_of(row->policy));
    sqlite3_bind_int64(statement, 4, row->fetched_at_s);
    sqlite3_bind_int64(statement, 5, row->ends_at_s);
    return database_do(database, statement, err) == QUEUE_OK;
}

static bool drop_row(struct database *database, const struct sts_row *row, struct error *err)
{
    sqlite3_stmt *statement = database_use(database, DROP);

    database_bind(statement, 1, span_of(row->domain));
    return database_do(database, statement, err) == QUEUE_OK;
}

static bool write_rows(struct database *database, const struct sts_row *rows, bool is_anew,
                       struct error *err)
{
    if (is_anew && !database_run(database, "DELETE FROM policy", err))
        return false;
    for (const struct sts_row *row = rows; row != NULL; row = row->next)
        if (!(row->id == NULL ? drop_row(database, row, err) : put_row(database, row, err)))
            return false;
    return database_run(database, "COMMIT", err);
}

bool sts_file_write(struct database *database, const struct sts_row *rows, bool is_anew,
                    struct error *err)
{
    struct error ignored;

    if (!database_run(database, "BEGIN IMMEDIATE", err))
        return false;
    if (write_rows(database, rows, is_anew, err))
        return true;
    if (!database_run(database, "ROLLBACK", &ignored))
        return false; /* SQLite has rolled back by itself */
    return false;
}
