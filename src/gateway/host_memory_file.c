/* gateway/host_memory_file.c - the memory of hosts as a file: one row for each address of a host. */
#include "gateway/host_memory_parts.h"

#include <string.h>

#include "queue/state_file.h"

enum { SCHEMA = 1, BUSY_MS = 2000, ROW_ARENA = 64 * 1024 };
enum { FIRST_ASPECT = 4, NEWS = FIRST_ASPECT + HOST_ASPECTS }; /* columns */
enum { PUT, DROP_FACE, DROP_HOST, STATEMENTS };

#define COLUMNS                                                                                    \
    "name, address, destination, at_s, issuer, key, version, keywords, keywords_inside, verdict, " \
    "organization, news"

static const char *const statements[] = {
    [PUT] = "INSERT OR REPLACE INTO host (" COLUMNS
            ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    [DROP_FACE] = "DELETE FROM host WHERE name = ?1 AND address = ?2",
    [DROP_HOST] = "DELETE FROM host WHERE name = ?1",
};

static const char making[] =
    "DROP TABLE IF EXISTS host;"
    "CREATE TABLE host (name TEXT NOT NULL, address TEXT NOT NULL, destination TEXT NOT NULL,"
    " at_s INTEGER NOT NULL, issuer TEXT, key TEXT, version TEXT, keywords TEXT,"
    " keywords_inside TEXT, verdict TEXT, organization TEXT, news BLOB,"
    " PRIMARY KEY (name, address)) WITHOUT ROWID";

/* ---- reading ---- */

static const char *text_or_null(sqlite3_stmt *statement, int column, struct arena *arena)
{
    if (sqlite3_column_type(statement, column) == SQLITE_NULL)
        return NULL;
    return arena_copy(arena, database_borrow(statement, column));
}

static void read_row(sqlite3_stmt *statement, struct arena *arena, struct host_row *row)
{
    struct span news = database_borrow(statement, NEWS);

    *row = (struct host_row){
        .name = arena_copy(arena, database_borrow(statement, 0)),
        .address = arena_copy(arena, database_borrow(statement, 1)),
        .destination = arena_copy(arena, database_borrow(statement, 2)),
        .at_s = sqlite3_column_int64(statement, 3),
    };
    if (news.len == sizeof row->news)
        memcpy(&row->news, news.data, sizeof row->news);
    for (int i = 0; i < HOST_ASPECTS; i++)
        row->look.shown[i] = text_or_null(statement, FIRST_ASPECT + i, arena);
}

/* Whom each row is told. */
struct finder {
    void (*found)(void *owner, const struct host_row *row);
    void *owner;
};

static void tell_row(void *owner, sqlite3_stmt *statement, struct arena *arena)
{
    const struct finder *finder = owner;
    struct host_row row;

    read_row(statement, arena, &row);
    if (!arena->exhausted)
        finder->found(finder->owner, &row);
}

static bool read_rows(struct database *database, void *owner, struct error *err)
{
    return database_each(database, "SELECT " COLUMNS " FROM host ORDER BY at_s, name, address",
                         ROW_ARENA, tell_row, owner, err);
}

static const struct state_file file = {
    .name = "hosts.db",
    .schema = SCHEMA,
    .busy_ms = BUSY_MS,
    .tuning = "PRAGMA synchronous = NORMAL",
    .making = making,
    .statements = statements,
    .statement_count = STATEMENTS,
    .read = read_rows,
};

bool host_file_open(struct database *database, const char *state_dir,
                    void (*found)(void *owner, const struct host_row *row), void *owner,
                    bool *was_put_aside, struct error *err)
{
    struct finder finder = { found, owner };

    return state_file_open(&file, state_dir, &finder, database, was_put_aside, err);
}

/* ---- writing ---- */

static void bind_text(sqlite3_stmt *statement, int parameter, const char *text)
{
    if (text != NULL) /* else it stays NULL */
        database_bind(statement, parameter, span_of(text));
}

static bool put_row(struct database *database, const struct host_row *row, struct error *err)
{
    sqlite3_stmt *statement = database_use(database, PUT);

    bind_text(statement, 1, row->name);
    bind_text(statement, 2, row->address);
    bind_text(statement, 3, row->destination);
    sqlite3_bind_int64(statement, 4, row->at_s);
    for (int i = 0; i < HOST_ASPECTS; i++)
        bind_text(statement, FIRST_ASPECT + 1 + i, row->look.shown[i]);
    database_bind_bytes(statement, NEWS + 1,
                        (struct span){ (const char *)&row->news, sizeof row->news });
    return database_do(database, statement, err) == QUEUE_OK;
}

static bool drop_row(struct database *database, const struct host_row *row, struct error *err)
{
    sqlite3_stmt *statement = database_use(database, row->address != NULL ? DROP_FACE : DROP_HOST);

    bind_text(statement, 1, row->name);
    if (row->address != NULL)
        bind_text(statement, 2, row->address);
    return database_do(database, statement, err) == QUEUE_OK;
}

static bool write_rows(struct database *database, const struct host_row *rows, bool is_anew,
                       struct error *err)
{
    if (is_anew && !database_run(database, "DELETE FROM host", err))
        return false;
    for (const struct host_row *row = rows; row != NULL; row = row->next)
        if (!(row->is_gone ? drop_row(database, row, err) : put_row(database, row, err)))
            return false;
    return database_run(database, "COMMIT", err);
}

bool host_file_write(struct database *database, const struct host_row *rows, bool is_anew,
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
