/* queue/database.h - a thin layer over SQLite: files, statements bound and read as spans, errors as a status.
 *
 * One connection belongs to one thread at a time. Internal to queue/, and to what gateway/ keeps in files of
 * its own (queue/state_file.h).
 */
#pragma once

#include <sqlite3.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/span.h"
#include "queue/store.h"

enum { DATABASE_STATEMENTS = 32 };

struct database {
    sqlite3 *connection; /* NULL: not open */
    sqlite3_stmt *statements[DATABASE_STATEMENTS];
    const char *const *sql; /* their texts, borrowed */
    char path[4096];
    bool is_alone; /* nobody else can open it: there was no room for that (queue/state_file.h) */
};

enum database_access {
    DATABASE_OWN,  /* read and write, made if missing */
    DATABASE_LOOK, /* read what others write */
};

/* Waits at most `busy_ms` for others. */
MUST_CHECK bool database_open(struct database *database, const char *path,
                              enum database_access access, int busy_ms, struct error *err);

/* Renames a file that nobody has open and nobody can read: PATH.damaged. Its other files go. */
void database_put_aside(const char *path);

/* Also where it is not open. */
void database_close(struct database *database);

/* Several statements without parameters. */
MUST_CHECK bool database_run(struct database *database, const char *sql, struct error *err);

/* Rolls a transaction back; where SQLite has done so by itself, nothing is left to do. */
void database_undo(struct database *database);

/* Outside of a transaction: what the log has goes to its place, and its room back to the file system. A log that
 * finds no room to grow, on the disk or by a limit, begins anew. Where it fails all stays as it is. */
void database_empty_log(struct database *database);

/* Prepares each of `count` texts; database_use then takes its index. */
MUST_CHECK bool database_prepare(struct database *database, const char *const *sql, size_t count,
                                 struct error *err);

/* The statement, fresh: reset and without parameters. */
sqlite3_stmt *database_use(struct database *database, size_t index);

/* What a result code means to whoever asked, and in words: "writing PATH: database or disk is full". */
enum queue_status database_status(struct database *database, int code, struct error *err);

/* Steps a statement that gives no row. */
MUST_CHECK enum queue_status database_do(struct database *database, sqlite3_stmt *statement,
                                         struct error *err);

/* The span must outlive the step. */
void database_bind(sqlite3_stmt *statement, int parameter, struct span text);
void database_bind_bytes(sqlite3_stmt *statement, int parameter, struct span bytes);

/* A copy in the arena. */
struct span database_text(sqlite3_stmt *statement, int column, struct arena *arena);

/* Borrowed until the next step. */
struct span database_borrow(sqlite3_stmt *statement, int column);

/* Calls `found` with each row of a query, and an arena that has `arena_bytes` and lives until it returns. */
MUST_CHECK bool database_each(struct database *database, const char *sql, size_t arena_bytes,
                              void (*found)(void *owner, sqlite3_stmt *row, struct arena *arena),
                              void *owner, struct error *err);

/* The answer of a query for one number; `otherwise` where it gives no row, and with a failure. */
MUST_CHECK bool database_ask(struct database *database, const char *sql, int64_t otherwise,
                             int64_t *number, struct error *err);

/* The same for who can go on without: `otherwise` where it gives no row or fails. */
int64_t database_number(struct database *database, const char *sql, int64_t otherwise);
