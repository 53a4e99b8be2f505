#include "gateway/tls_report_file.h"

#include <stdio.h>

#include "gateway/tls_report_file_parts.h"
#include "queue/state_file.h"

enum { SCHEMA = 1, BUSY_MS = 5000, PAUSE_S = 600, PAUSE_MOST_S = 4 * 3600 };

#define POLICY_KEY                                                                                 \
    "day = ?1 AND domain = ?2 AND type = ?3 AND base = ?4 AND strings = ?5 AND hosts = ?6"
#define FAILURE_COLUMNS "policy, result, sender, host, helo, address, uri, reason"
#define FAILURE_KEY                                                                                \
    "policy = ?1 AND result = ?2 AND sender = ?3 AND host = ?4 AND helo = ?5 AND address = ?6 "    \
    "AND uri = ?7 AND reason = ?8"
#define REPORT_COLUMNS "r.day, r.domain, r.state, r.next_at_s, r.until_s, r.attempts, r.said"

static const char *const statements[] = {
    [TLS_FILE_DO_ADD_POLICY] =
        "UPDATE policy SET successes = successes + ?7, failures = failures + ?8 WHERE " POLICY_KEY,
    [TLS_FILE_DO_COUNT_POLICIES] = "SELECT count(*) FROM policy WHERE day = ?1 AND domain = ?2",
    [TLS_FILE_DO_MAKE_POLICY] =
        "INSERT INTO policy (day, domain, type, base, strings, hosts, successes, failures)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [TLS_FILE_DO_FIND_POLICY] = "SELECT id FROM policy WHERE " POLICY_KEY,
    [TLS_FILE_DO_ADD_FAILURE] = "UPDATE failure SET sessions = sessions + ?9 WHERE " FAILURE_KEY,
    [TLS_FILE_DO_COUNT_FAILURES] = "SELECT count(*) FROM failure WHERE policy = ?1",
    [TLS_FILE_DO_MAKE_FAILURE] =
        "INSERT INTO failure (" FAILURE_COLUMNS ", sessions) VALUES (?1, ?2, ?3, ?4, ?5,"
        " ?6, ?7, ?8, ?9)",
    [TLS_FILE_DO_KNOWS_REPORT] = "SELECT 1 FROM report WHERE day = ?1 AND domain = ?2",
    [TLS_FILE_DO_COUNT_DOMAIN] =
        "INSERT INTO day (day, domains) VALUES (?1, 1) ON CONFLICT (day) DO UPDATE SET"
        " domains = domains + 1 WHERE domains < ?2",
    /* RFC 8460 section 4.1: some random time after the day. */
    [TLS_FILE_DO_MAKE_REPORT] =
        "INSERT INTO report (day, domain, state, next_at_s, until_s, attempts, said)"
        " VALUES (?1, ?2, 0, (?1 + 1) * 86400 + abs(random() % 86400), 0, 0, '')",
    [TLS_FILE_DO_LIST] =
        "SELECT " REPORT_COLUMNS ", coalesce(sum(p.successes), 0), coalesce(sum(p.failures), 0)"
        " FROM report r LEFT JOIN policy p ON p.day = r.day AND p.domain = r.domain"
        " WHERE (?1 < 0 OR r.day = ?1) AND (?2 = '' OR r.domain = ?2)"
        " GROUP BY r.day, r.domain ORDER BY r.day, r.domain LIMIT ?3",
    [TLS_FILE_DO_COPIES] =
        "SELECT uri, state, at_s, said FROM copy WHERE day = ?1 AND domain = ?2 ORDER BY uri",
    [TLS_FILE_DO_POLICIES] =
        "SELECT id, type, base, strings, hosts, successes, failures FROM policy"
        " WHERE day = ?1 AND domain = ?2 ORDER BY type, base, id",
    [TLS_FILE_DO_FAILURES] =
        "SELECT result, sender, host, helo, address, uri, reason, sessions FROM failure"
        " WHERE policy = ?1 ORDER BY sessions DESC, result, reason, host, address, helo",
    [TLS_FILE_DO_DUE] =
        "SELECT " REPORT_COLUMNS ", 0, 0 FROM report r WHERE r.state = 0 AND r.next_at_s <= ?1"
        " AND (r.day + 1) * 86400 <= ?1 ORDER BY r.next_at_s LIMIT ?2",
    [TLS_FILE_DO_BEGIN] =
        "UPDATE report SET attempts = attempts + 1, until_s = CASE until_s WHEN 0 THEN ?3"
        " ELSE until_s END WHERE day = ?1 AND domain = ?2",
    [TLS_FILE_DO_LOSE_COPIES] =
        "UPDATE copy SET state = 4, said = 'the gateway ended while it was being handed over'"
        " WHERE day = ?1 AND domain = ?2 AND state = 1",
    [TLS_FILE_DO_MAKE_COPY] = "INSERT OR IGNORE INTO copy (day, domain, uri, state, at_s, said)"
                              " VALUES (?1, ?2, ?3, 0, 0, '')",
    [TLS_FILE_DO_TAKE_COPY] =
        "UPDATE copy SET state = 1, at_s = ?4 WHERE day = ?1 AND domain = ?2 AND uri = ?3"
        " AND state = 0",
    [TLS_FILE_DO_SETTLE_COPY] =
        "UPDATE copy SET state = ?4, at_s = ?5, said = ?6 WHERE day = ?1 AND domain = ?2"
        " AND uri = ?3",
    [TLS_FILE_DO_SETTLE] =
        "UPDATE report SET state = ?3, next_at_s = ?4, said = ?5 WHERE day = ?1 AND domain = ?2",
    [TLS_FILE_DO_HURRY] =
        "UPDATE report SET next_at_s = ?3 WHERE state = 0 AND (?1 < 0 OR day = ?1)"
        " AND (?2 = '' OR domain = ?2) AND (day + 1) * 86400 <= ?3",
};

static const char making[] =
    "DROP TABLE IF EXISTS policy; DROP TABLE IF EXISTS failure; DROP TABLE IF EXISTS report;"
    "DROP TABLE IF EXISTS copy; DROP TABLE IF EXISTS day; DROP TABLE IF EXISTS identity;"
    "CREATE TABLE policy (id INTEGER PRIMARY KEY, day INTEGER NOT NULL, domain TEXT NOT NULL,"
    " type INTEGER NOT NULL, base TEXT NOT NULL, strings TEXT NOT NULL, hosts TEXT NOT NULL,"
    " successes INTEGER NOT NULL, failures INTEGER NOT NULL,"
    " UNIQUE (day, domain, type, base, strings, hosts));"
    "CREATE TABLE failure (policy INTEGER NOT NULL, result TEXT NOT NULL, sender TEXT NOT NULL,"
    " host TEXT NOT NULL, helo TEXT NOT NULL, address TEXT NOT NULL, uri TEXT NOT NULL,"
    " reason TEXT NOT NULL, sessions INTEGER NOT NULL, PRIMARY KEY (" FAILURE_COLUMNS "))"
    " WITHOUT ROWID;"
    "CREATE TABLE report (day INTEGER NOT NULL, domain TEXT NOT NULL, state INTEGER NOT NULL,"
    " next_at_s INTEGER NOT NULL, until_s INTEGER NOT NULL, attempts INTEGER NOT NULL,"
    " said TEXT NOT NULL, PRIMARY KEY (day, domain)) WITHOUT ROWID;"
    "CREATE INDEX report_due ON report (next_at_s) WHERE state = 0;"
    "CREATE TABLE copy (day INTEGER NOT NULL, domain TEXT NOT NULL, uri TEXT NOT NULL,"
    " state INTEGER NOT NULL, at_s INTEGER NOT NULL, said TEXT NOT NULL,"
    " PRIMARY KEY (day, domain, uri)) WITHOUT ROWID;"
    "CREATE TABLE day (day INTEGER PRIMARY KEY, domains INTEGER NOT NULL);"
    "CREATE TABLE identity (name TEXT NOT NULL);"
    "INSERT INTO identity VALUES (lower(hex(randomblob(6))))";

static const struct state_file state_file = {
    .name = "reports.db",
    .schema = SCHEMA,
    .busy_ms = BUSY_MS,
    .tuning = "PRAGMA synchronous = FULL",
    .making = making,
    .statements = statements,
    .statement_count = TLS_FILE_DO_STATEMENTS,
};

static const char *const state_names[] = {
    [TLS_COPY_WAITING] = "waiting", [TLS_COPY_IN_HAND] = "in-hand", [TLS_COPY_SENT] = "sent",
    [TLS_COPY_FAILED] = "failed",   [TLS_COPY_UNKNOWN] = "unknown",
};

const char *tls_copy_state_name(enum tls_copy_state state)
{
    return state < TLS_COPY_STATES ? state_names[state] : "unknown";
}

int64_t tls_file_pause_s(int64_t attempts)
{
    int64_t pause_s = PAUSE_S;

    for (int64_t i = 1; i < attempts && pause_s < PAUSE_MOST_S; i++)
        pause_s *= 2;
    return pause_s < PAUSE_MOST_S ? pause_s : PAUSE_MOST_S;
}

/* ---- opening ---- */

bool tls_file_open(struct database *database, const char *state_dir, bool *was_put_aside,
                   struct error *err)
{
    return state_file_open(&state_file, state_dir, NULL, database, was_put_aside, err);
}

bool tls_file_look(struct database *database, const char *state_dir, struct error *err)
{
    bool is_absent;

    if (!state_file_look(&state_file, state_dir, database, &is_absent, err))
        return false;
    if (is_absent)
        return error_set(err, ERROR_USAGE, "%s/%s is not there: no gateway has counted yet",
                         state_dir, state_file.name);
    if (database_prepare(database, statements, TLS_FILE_DO_STATEMENTS, err))
        return true;
    database_close(database);
    return false;
}

bool tls_file_end(struct database *database, bool is_good, struct error *err)
{
    if (is_good && database_run(database, "COMMIT", err))
        return true;
    database_undo(database);
    return false;
}

/* ---- statements ---- */

void tls_file_bind(sqlite3_stmt *statement, int parameter, const char *text)
{
    database_bind(statement, parameter, span_of(text == NULL ? "" : text));
}

bool tls_file_ask(struct database *database, sqlite3_stmt *statement, int64_t otherwise,
                  int64_t *number, struct error *err)
{
    int code = sqlite3_step(statement);

    *number = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : otherwise;
    if (database_status(database, code, err) != QUEUE_OK)
        return false;
    sqlite3_reset(statement);
    return true;
}

sqlite3_stmt *tls_file_use(struct database *database, size_t index, int64_t day, const char *domain)
{
    sqlite3_stmt *statement = database_use(database, index);

    sqlite3_bind_int64(statement, 1, day);
    tls_file_bind(statement, 2, domain);
    return statement;
}

bool tls_file_expire(struct database *database, int64_t today, struct error *err)
{
    const long long first = (long long)(today - TLS_FILE_DAYS);
    char sql[512];

    snprintf(sql, sizeof sql,
             "BEGIN IMMEDIATE;"
             "DELETE FROM failure WHERE policy IN (SELECT id FROM policy WHERE day < %lld);"
             "DELETE FROM policy WHERE day < %lld; DELETE FROM report WHERE day < %lld;"
             "DELETE FROM copy WHERE day < %lld; DELETE FROM day WHERE day < %lld",
             first, first, first, first, first);
    return tls_file_end(database, database_run(database, sql, err), err);
}
