/* gateway/tls_report_file_count.c - sessions go into the file of TLS reports, within its bounds. */
#include "base/buffer.h"
#include "gateway/tls_report_file_parts.h"

static const char *join(const char *const *texts, size_t count, struct arena *arena)
{
    AUTO(buffer_clear) struct buffer joined;

    buffer_init(&joined, TLS_FILE_STRINGS);
    for (size_t i = 0; i < count; i++)
        if ((i > 0 && !buffer_append_text(&joined, "\n")) || !buffer_append_text(&joined, texts[i]))
            return ""; /* too long to be kept */
    return arena_copy(arena, buffer_span(&joined));
}

/* One policy as its row has it. */
struct policy_row {
    int64_t day;
    const char *domain, *base, *strings, *hosts;
    enum tls_report_policy_type type;
    int64_t successes, failures;
};

static sqlite3_stmt *use_with_key(struct database *database, size_t index,
                                  const struct policy_row *row)
{
    sqlite3_stmt *statement = database_use(database, index);

    sqlite3_bind_int64(statement, 1, row->day);
    tls_file_bind(statement, 2, row->domain);
    sqlite3_bind_int64(statement, 3, row->type);
    tls_file_bind(statement, 4, row->base);
    tls_file_bind(statement, 5, row->strings);
    tls_file_bind(statement, 6, row->hosts);
    return statement;
}

static bool run_policy(struct database *database, size_t index, const struct policy_row *row,
                       struct error *err)
{
    sqlite3_stmt *statement = use_with_key(database, index, row);

    sqlite3_bind_int64(statement, 7, row->successes);
    sqlite3_bind_int64(statement, 8, row->failures);
    return database_do(database, statement, err) == QUEUE_OK;
}

static bool count_policies(struct database *database, const struct policy_row *row, int64_t *count,
                           struct error *err)
{
    sqlite3_stmt *statement = database_use(database, TLS_FILE_DO_COUNT_POLICIES);

    sqlite3_bind_int64(statement, 1, row->day);
    tls_file_bind(statement, 2, row->domain);
    return tls_file_ask(database, statement, 0, count, err);
}

static bool has_changed(const struct database *database)
{
    return sqlite3_changes(database->connection) > 0;
}

/* Where the domain has too many policies, under one of the same type without its particulars. */
static bool add_policy(struct database *database, struct policy_row *row, int64_t *id,
                       struct error *err)
{
    int64_t count;

    if (!run_policy(database, TLS_FILE_DO_ADD_POLICY, row, err))
        return false;
    if (!has_changed(database)) {
        if (!count_policies(database, row, &count, err))
            return false;
        if (count >= TLS_FILE_POLICIES) {
            row->base = row->domain;
            row->strings = row->hosts = "";
        }
        if (!run_policy(database, TLS_FILE_DO_ADD_POLICY, row, err) ||
            (!has_changed(database) && !run_policy(database, TLS_FILE_DO_MAKE_POLICY, row, err)))
            return false;
    }
    return tls_file_ask(database, use_with_key(database, TLS_FILE_DO_FIND_POLICY, row), 0, id, err);
}

static bool run_failure(struct database *database, size_t index, int64_t policy,
                        const struct tls_report_failure *failure, struct error *err)
{
    sqlite3_stmt *statement = database_use(database, index);

    sqlite3_bind_int64(statement, 1, policy);
    tls_file_bind(statement, 2, failure->result_type);
    tls_file_bind(statement, 3, failure->sending_mta_ip);
    tls_file_bind(statement, 4, failure->receiving_mx_hostname);
    tls_file_bind(statement, 5, failure->receiving_mx_helo);
    tls_file_bind(statement, 6, failure->receiving_ip);
    tls_file_bind(statement, 7, failure->additional_information);
    tls_file_bind(statement, 8, failure->failure_reason_code);
    sqlite3_bind_int64(statement, 9, failure->failed_sessions);
    return database_do(database, statement, err) == QUEUE_OK;
}

static bool count_failures(struct database *database, int64_t policy, int64_t *count,
                           struct error *err)
{
    sqlite3_stmt *statement = database_use(database, TLS_FILE_DO_COUNT_FAILURES);

    sqlite3_bind_int64(statement, 1, policy);
    return tls_file_ask(database, statement, 0, count, err);
}

/* Result types and reasons are words of ours: there are so many and no more. */
static bool add_failure(struct database *database, int64_t policy,
                        const struct tls_report_failure *failure, struct error *err)
{
    struct tls_report_failure row = *failure;
    int64_t count;

    if (!run_failure(database, TLS_FILE_DO_ADD_FAILURE, policy, &row, err))
        return false;
    if (has_changed(database))
        return true;
    if (!count_failures(database, policy, &count, err))
        return false;
    if (count >= TLS_FILE_FAILURES)
        row.sending_mta_ip = row.receiving_mx_hostname = row.receiving_mx_helo = row.receiving_ip =
            row.additional_information = "";
    return run_failure(database, TLS_FILE_DO_ADD_FAILURE, policy, &row, err) &&
           (has_changed(database) ||
            run_failure(database, TLS_FILE_DO_MAKE_FAILURE, policy, &row, err));
}

/* False with *has_room: our failure; without it: the day has too many domains. */
static bool plan_report(struct database *database, const struct tls_file_count *count,
                        bool *has_room, struct error *err)
{
    sqlite3_stmt *statement =
        tls_file_use(database, TLS_FILE_DO_KNOWS_REPORT, count->day, count->domain);
    int64_t known;

    *has_room = true;
    if (!tls_file_ask(database, statement, 0, &known, err))
        return false;
    if (known)
        return true;
    statement = database_use(database, TLS_FILE_DO_COUNT_DOMAIN);
    sqlite3_bind_int64(statement, 1, count->day);
    sqlite3_bind_int64(statement, 2, TLS_FILE_DOMAINS);
    if (database_do(database, statement, err) != QUEUE_OK)
        return false;
    *has_room = has_changed(database);
    return *has_room &&
           database_do(database,
                       tls_file_use(database, TLS_FILE_DO_MAKE_REPORT, count->day, count->domain),
                       err) == QUEUE_OK;
}

static bool add_count(struct database *database, const struct tls_file_count *count,
                      int64_t *left_out, struct error *err)
{
    AUTO(arena_clear) struct arena arena;
    const struct tls_report_policy *policy = &count->policy;
    struct policy_row row = { .day = count->day,
                              .domain = count->domain,
                              .type = policy->type,
                              .base = policy->domain,
                              .successes = policy->successes,
                              .failures = policy->failures };
    bool has_room;
    int64_t id;

    arena_init(&arena, TLS_FILE_STRINGS * 4);
    row.strings = join(policy->strings, policy->string_count, &arena);
    row.hosts = join(policy->mx_hosts, policy->mx_count, &arena);
    if (!plan_report(database, count, &has_room, err)) {
        *left_out += has_room ? 0 : policy->successes + policy->failures;
        return !has_room;
    }
    if (!add_policy(database, &row, &id, err))
        return false;
    for (size_t i = 0; i < policy->detail_count; i++)
        if (!add_failure(database, id, &policy->details[i], err))
            return false;
    return true;
}

bool tls_file_add(struct database *database, const struct tls_file_count *counts, int64_t *left_out,
                  struct error *err)
{
    bool is_good = true;

    *left_out = 0;
    if (!database_run(database, "BEGIN IMMEDIATE", err))
        return false;
    for (const struct tls_file_count *count = counts; is_good && count != NULL; count = count->next)
        is_good = add_count(database, count, left_out, err);
    return tls_file_end(database, is_good, err);
}
