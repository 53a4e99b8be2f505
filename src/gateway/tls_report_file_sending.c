/* gateway/tls_report_file_sending.c - what became of TLS reports, and what is to become of them. */
#include "gateway/tls_report_file_parts.h"

static void read_entry(sqlite3_stmt *statement, struct arena *arena, struct tls_file_entry *entry)
{
    *entry = (struct tls_file_entry){
        .day = sqlite3_column_int64(statement, 0),
        .domain = tls_file_text(statement, 1, arena),
        .state = sqlite3_column_int64(statement, 2) == TLS_FILE_WAITING ? TLS_FILE_WAITING
                                                                        : TLS_FILE_ENDED,
        .next_at_s = sqlite3_column_int64(statement, 3),
        .until_s = sqlite3_column_int64(statement, 4),
        .attempts = sqlite3_column_int64(statement, 5),
        .said = tls_file_text(statement, 6, arena),
        .successes = sqlite3_column_int64(statement, 7),
        .failures = sqlite3_column_int64(statement, 8),
    };
}

static bool read_entries(struct database *database, sqlite3_stmt *statement, size_t most,
                         struct arena *arena, struct tls_file_entry **entries, size_t *count,
                         struct error *err)
{
    int code;

    *count = 0;
    *entries = arena_new(arena, most, sizeof **entries);
    if (*entries == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the list of reports");
    while ((code = sqlite3_step(statement)) == SQLITE_ROW && *count < most)
        read_entry(statement, arena, &(*entries)[(*count)++]);
    sqlite3_reset(statement);
    return database_status(database, code, err) == QUEUE_OK;
}

static bool read_copies(struct database *database, struct arena *arena,
                        struct tls_file_entry *entry, struct error *err)
{
    enum { MOST = 100 };
    sqlite3_stmt *statement = tls_file_use(database, TLS_FILE_DO_COPIES, entry->day, entry->domain);
    int code;

    entry->copy_count = 0;
    entry->copies = arena_new(arena, MOST, sizeof *entry->copies);
    if (entry->copies == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the list of reports");
    while ((code = sqlite3_step(statement)) == SQLITE_ROW && entry->copy_count < MOST) {
        int64_t state = sqlite3_column_int64(statement, 1);

        entry->copies[entry->copy_count++] = (struct tls_file_copy){
            .uri = tls_file_text(statement, 0, arena),
            .state = state >= 0 && state < TLS_COPY_STATES ? (enum tls_copy_state)state
                                                           : TLS_COPY_UNKNOWN,
            .at_s = sqlite3_column_int64(statement, 2),
            .said = tls_file_text(statement, 3, arena),
        };
    }
    sqlite3_reset(statement);
    return database_status(database, code, err) == QUEUE_OK;
}

bool tls_file_list(struct database *database, int64_t day, const char *domain, size_t most,
                   struct arena *arena, struct tls_file_entry **entries, size_t *count,
                   struct error *err)
{
    sqlite3_stmt *statement = tls_file_use(database, TLS_FILE_DO_LIST, day, domain);

    sqlite3_bind_int64(statement, 3, (int64_t)most);
    if (!read_entries(database, statement, most, arena, entries, count, err))
        return false;
    for (size_t i = 0; i < *count; i++)
        if (!read_copies(database, arena, &(*entries)[i], err))
            return false;
    return !arena->exhausted || error_set(err, ERROR_MEMORY, "no memory for the list of reports");
}

bool tls_file_due(struct database *database, int64_t now_s, size_t most, struct arena *arena,
                  struct tls_file_entry **entries, size_t *count, struct error *err)
{
    sqlite3_stmt *statement = database_use(database, TLS_FILE_DO_DUE);

    sqlite3_bind_int64(statement, 1, now_s);
    sqlite3_bind_int64(statement, 2, (int64_t)most);
    return read_entries(database, statement, most, arena, entries, count, err) &&
           (!arena->exhausted || error_set(err, ERROR_MEMORY, "no memory for the list of reports"));
}

static bool take_copies(struct database *database, const struct tls_file_entry *entry,
                        const char *const *uris, size_t uri_count, int64_t now_s, struct error *err)
{
    for (size_t i = 0; i < uri_count && i < TLS_FILE_COPIES; i++) {
        sqlite3_stmt *statement =
            tls_file_use(database, TLS_FILE_DO_MAKE_COPY, entry->day, entry->domain);

        tls_file_bind(statement, 3, uris[i]);
        if (database_do(database, statement, err) != QUEUE_OK)
            return false;
        statement = tls_file_use(database, TLS_FILE_DO_TAKE_COPY, entry->day, entry->domain);
        tls_file_bind(statement, 3, uris[i]);
        sqlite3_bind_int64(statement, 4, now_s);
        if (database_do(database, statement, err) != QUEUE_OK)
            return false;
    }
    return true;
}

static bool begin_attempt(struct database *database, const struct tls_file_entry *entry,
                          int64_t now_s, struct error *err)
{
    sqlite3_stmt *statement = tls_file_use(database, TLS_FILE_DO_BEGIN, entry->day, entry->domain);

    sqlite3_bind_int64(statement, 3, now_s + TLS_FILE_TRIES_S);
    return database_do(database, statement, err) == QUEUE_OK &&
           database_do(database,
                       tls_file_use(database, TLS_FILE_DO_LOSE_COPIES, entry->day, entry->domain),
                       err) == QUEUE_OK;
}

bool tls_file_take(struct database *database, struct tls_file_entry *entry, const char *const *uris,
                   size_t uri_count, int64_t now_s, struct arena *arena, struct error *err)
{
    if (!database_run(database, "BEGIN IMMEDIATE", err))
        return false;
    if (!tls_file_end(database,
                      begin_attempt(database, entry, now_s, err) &&
                          take_copies(database, entry, uris, uri_count, now_s, err),
                      err))
        return false;
    entry->attempts++;
    entry->until_s = entry->until_s == 0 ? now_s + TLS_FILE_TRIES_S : entry->until_s;
    return read_copies(database, arena, entry, err);
}

static bool settle_copies(struct database *database, const struct tls_file_entry *entry,
                          struct error *err)
{
    for (size_t i = 0; i < entry->copy_count; i++) {
        const struct tls_file_copy *copy = &entry->copies[i];
        sqlite3_stmt *statement =
            tls_file_use(database, TLS_FILE_DO_SETTLE_COPY, entry->day, entry->domain);

        tls_file_bind(statement, 3, copy->uri);
        sqlite3_bind_int64(statement, 4, copy->state);
        sqlite3_bind_int64(statement, 5, copy->at_s);
        tls_file_bind(statement, 6, copy->said);
        if (database_do(database, statement, err) != QUEUE_OK)
            return false;
    }
    return true;
}

bool tls_file_settle(struct database *database, const struct tls_file_entry *entry,
                     struct error *err)
{
    sqlite3_stmt *statement;

    if (!database_run(database, "BEGIN IMMEDIATE", err))
        return false;
    statement = tls_file_use(database, TLS_FILE_DO_SETTLE, entry->day, entry->domain);
    sqlite3_bind_int64(statement, 3, entry->state);
    sqlite3_bind_int64(statement, 4, entry->next_at_s);
    tls_file_bind(statement, 5, entry->said);
    return tls_file_end(database,
                        database_do(database, statement, err) == QUEUE_OK &&
                            settle_copies(database, entry, err),
                        err);
}

bool tls_file_hurry(struct database *database, int64_t day, const char *domain, int64_t now_s,
                    int64_t *found, struct error *err)
{
    sqlite3_stmt *statement = tls_file_use(database, TLS_FILE_DO_HURRY, day, domain);

    sqlite3_bind_int64(statement, 3, now_s);
    if (database_do(database, statement, err) != QUEUE_OK)
        return false;
    *found = sqlite3_changes(database->connection);
    return true;
}
