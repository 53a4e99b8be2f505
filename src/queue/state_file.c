#include "queue/state_file.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Whoever begins at the same time waits, and then finds it made. What fails is rolled back by closing. */
static bool make_tables(const struct state_file *file, struct database *database, struct error *err)
{
    char version[48];
    int64_t found;

    snprintf(version, sizeof version, "PRAGMA user_version = %d; COMMIT", file->schema);
    return database_run(database, "BEGIN IMMEDIATE", err) &&
           database_ask(database, "PRAGMA user_version", 0, &found, err) &&
           (found == file->schema || database_run(database, file->making, err)) &&
           database_run(database, version, err);
}

static bool begin(const struct state_file *file, void *owner, struct database *database,
                  struct error *err)
{
    int64_t version;

    return database_run(database, "PRAGMA journal_mode = WAL", err) &&
           database_run(database, file->tuning, err) &&
           database_ask(database, "PRAGMA user_version", 0, &version, err) &&
           (version == file->schema || make_tables(file, database, err)) &&
           database_prepare(database, file->statements, file->statement_count, err) &&
           (file->read == NULL || file->read(database, owner, err));
}

/* SQLITE_ERROR: its tables are not those of the schema that it says. */
static bool is_content(int code)
{
    return code == SQLITE_CORRUPT || code == SQLITE_NOTADB || code == SQLITE_ERROR;
}

static bool try_once(const struct state_file *file, const char *path, bool alone, void *owner,
                     struct database *database, bool *is_damaged, struct error *err)
{
    *is_damaged = false;
    if (!database_open(database, path, DATABASE_OWN, file->busy_ms, err))
        return false;
    database->is_alone = alone;
    if ((!alone || database_run(database, "PRAGMA locking_mode = EXCLUSIVE", err)) &&
        begin(file, owner, database, err))
        return true;
    *is_damaged = is_content(sqlite3_errcode(database->connection) & 0xff);
    database_close(database);
    return false;
}

/* Even to read SQLite makes a file, -shm, for those who share the other. Where the disk has no room for it, what
 * we have to know is read all the same, and nobody shares the file until it is opened anew. */
static bool open_and_begin(const struct state_file *file, const char *path, void *owner,
                           struct database *database, bool *is_damaged, struct error *err)
{
    struct error why = { ERROR_NONE, "" };
    bool is_open = try_once(file, path, false, owner, database, is_damaged, &why);

    if (!is_open && why.kind == ERROR_FULL && file->read != NULL)
        is_open = try_once(file, path, true, owner, database, is_damaged, &why);
    return is_open || error_set(err, why.kind, "%s", why.text);
}

bool state_file_path(const struct state_file *file, const char *state_dir, char *path, size_t size,
                     struct error *err)
{
    return (size_t)snprintf(path, size, "%s/%s", state_dir, file->name) < size ||
           error_set(err, ERROR_USAGE, "the path of the state directory is too long");
}

bool state_file_open(const struct state_file *file, const char *state_dir, void *owner,
                     struct database *database, bool *was_put_aside, struct error *err)
{
    char path[sizeof database->path];
    bool is_damaged;

    assert(file->schema > 0);
    if (was_put_aside != NULL)
        *was_put_aside = false;
    if (!state_file_path(file, state_dir, path, sizeof path, err))
        return false;
    if (open_and_begin(file, path, owner, database, &is_damaged, err))
        return true;
    if (!is_damaged || was_put_aside == NULL)
        return false;
    database_put_aside(path);
    *was_put_aside = true;
    return open_and_begin(file, path, owner, database, &is_damaged, err);
}

bool state_file_open_again(const struct state_file *file, struct database *database,
                           struct error *err)
{
    struct state_file unread = *file;
    char path[sizeof database->path];
    bool is_damaged;

    if (database->connection != NULL && !database->is_alone)
        return true;
    memcpy(path, database->path, sizeof path);
    database_close(database);
    unread.read = NULL;
    return open_and_begin(&unread, path, NULL, database, &is_damaged, err);
}

bool state_file_look(const struct state_file *file, const char *state_dir,
                     struct database *database, bool *is_absent, struct error *err)
{
    char path[sizeof database->path];
    int64_t version;

    *is_absent = false;
    if (!state_file_path(file, state_dir, path, sizeof path, err))
        return false;
    *is_absent = access(path, F_OK) != 0 && errno == ENOENT;
    if (*is_absent)
        return true;
    if (!database_open(database, path, DATABASE_LOOK, file->busy_ms, err))
        return false;
    if (database_ask(database, "PRAGMA user_version", 0, &version, err)) {
        *is_absent = version == 0;
        if (!*is_absent)
            return true;
    }
    database_close(database);
    return *is_absent;
}
