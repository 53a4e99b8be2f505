/* gateway/sts_cache_file.c - the cache of policies as a file: one row for each domain. */
#include "gateway/sts_cache_parts.h"

#include "queue/state_file.h"

enum { SCHEMA = 1, BUSY_MS = 2000, ROW_ARENA = 256 * 1024 };
enum { PUT, DROP, STATEMENTS };

#define COLUMNS "domain, id, policy, fetched_at_s, ends_at_s"

static const char *const statements[] = {
    [PUT] = "INSERT OR REPLACE INTO policy (" COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5)",
    [DROP] = "DELETE FROM policy WHERE domain = ?1",
};

static const char making[] =
    "DROP TABLE IF EXISTS policy;"
    "CREATE TABLE policy (domain TEXT PRIMARY KEY, id TEXT NOT NULL, policy TEXT NOT NULL,"
    " fetched_at_s INTEGER NOT NULL, ends_at_s INTEGER NOT NULL) WITHOUT ROWID";

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

/* Whom each row is told. */
struct finder {
    void (*found)(void *owner, const struct sts_row *row);
    void *owner;
};

static void tell_row(void *owner, sqlite3_stmt *statement, struct arena *arena)
{
    const struct finder *finder = owner;
    struct sts_row row;

    read_row(statement, arena, &row);
    if (!arena->exhausted)
        finder->found(finder->owner, &row);
}

static bool read_rows(struct database *database, void *owner, struct error *err)
{
    return database_each(database, "SELECT " COLUMNS " FROM policy ORDER BY fetched_at_s",
                         ROW_ARENA, tell_row, owner, err);
}

static const struct state_file file = {
    .name = "sts.db",
    .schema = SCHEMA,
    .busy_ms = BUSY_MS,
    .tuning = "PRAGMA synchronous = NORMAL; PRAGMA cache_size = -512",
    .making = making,
    .statements = statements,
    .statement_count = STATEMENTS,
    .read = read_rows,
};

bool sts_file_open(struct database *database, const char *state_dir,
                   void (*found)(void *owner, const struct sts_row *row), void *owner,
                   bool *was_put_aside, struct error *err)
{
    struct finder finder = { found, owner };

    return state_file_open(&file, state_dir, &finder, database, was_put_aside, err);
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
    bool is_absent;

    *found = false;
    return state_file_look(&file, state_dir, &database, &is_absent, err) &&
           (is_absent || read_one(&database, domain, arena, cached, found, err));
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
    if (!state_file_open_again(&file, database, err) ||
        !database_run(database, "BEGIN IMMEDIATE", err))
        return false;
    if (write_rows(database, rows, is_anew, err))
        return true;
    database_undo(database);
    return false;
}
