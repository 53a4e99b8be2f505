/* gateway/tls_report_file_read.c - what the file of TLS reports says of one day and domain. */
#include "gateway/tls_report_file_parts.h"

const char *tls_file_text(sqlite3_stmt *statement, int column, struct arena *arena)
{
    return arena_copy(arena, database_borrow(statement, column));
}

static size_t count_lines(struct span text)
{
    size_t count = text.len > 0;

    for (size_t i = 0; i < text.len; i++)
        count += text.data[i] == '\n';
    return count;
}

static const char *const *split(struct span text, size_t *count, struct arena *arena)
{
    size_t lines = count_lines(text);
    const char **texts = arena_new(arena, lines + 1, sizeof *texts);

    *count = 0;
    while (texts != NULL && *count < lines)
        texts[(*count)++] = arena_copy(arena, span_take_until(&text, '\n'));
    return texts;
}

static struct tls_report_failure failure_at(sqlite3_stmt *statement, struct arena *arena)
{
    return (struct tls_report_failure){
        .result_type = tls_file_text(statement, 0, arena),
        .sending_mta_ip = tls_file_text(statement, 1, arena),
        .receiving_mx_hostname = tls_file_text(statement, 2, arena),
        .receiving_mx_helo = tls_file_text(statement, 3, arena),
        .receiving_ip = tls_file_text(statement, 4, arena),
        .additional_information = tls_file_text(statement, 5, arena),
        .failure_reason_code = tls_file_text(statement, 6, arena),
        .failed_sessions = sqlite3_column_int64(statement, 7),
    };
}

static bool load_failures(struct database *database, int64_t id, struct arena *arena,
                          struct tls_report_policy *policy, struct error *err)
{
    enum { MOST = TLS_FILE_FAILURES * 2 };
    struct tls_report_failure *failures = arena_new(arena, MOST, sizeof *failures);
    sqlite3_stmt *statement = database_use(database, TLS_FILE_DO_FAILURES);
    int code;

    sqlite3_bind_int64(statement, 1, id);
    policy->details = failures;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW && failures != NULL &&
           policy->detail_count < MOST)
        failures[policy->detail_count++] = failure_at(statement, arena);
    sqlite3_reset(statement);
    return database_status(database, code, err) == QUEUE_OK;
}

static void read_policy(sqlite3_stmt *statement, struct arena *arena,
                        struct tls_report_policy *policy)
{
    int64_t type = sqlite3_column_int64(statement, 1);

    *policy = (struct tls_report_policy){
        .type = type >= 0 && type <= TLS_REPORT_NO_POLICY ? (enum tls_report_policy_type)type
                                                          : TLS_REPORT_NO_POLICY,
        .domain = tls_file_text(statement, 2, arena),
        .successes = sqlite3_column_int64(statement, 5),
        .failures = sqlite3_column_int64(statement, 6),
    };
    policy->strings = split(database_borrow(statement, 3), &policy->string_count, arena);
    policy->mx_hosts = split(database_borrow(statement, 4), &policy->mx_count, arena);
}

static bool load_policies(struct database *database, int64_t day, const char *domain,
                          struct arena *arena, struct tls_report *report, struct error *err)
{
    enum { MOST = TLS_FILE_POLICIES + TLS_REPORT_NO_POLICY + 1 };
    struct tls_report_policy *policies = arena_new(arena, MOST, sizeof *policies);
    sqlite3_stmt *statement = tls_file_use(database, TLS_FILE_DO_POLICIES, day, domain);
    bool is_good = true;
    int code;

    report->policies = policies;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW && is_good && policies != NULL &&
           report->policy_count < MOST) {
        struct tls_report_policy *policy = &policies[report->policy_count++];

        read_policy(statement, arena, policy);
        is_good = load_failures(database, sqlite3_column_int64(statement, 0), arena, policy, err);
    }
    sqlite3_reset(statement);
    return is_good && database_status(database, code, err) == QUEUE_OK;
}

bool tls_file_instance(struct database *database, struct arena *arena, const char **instance,
                       struct error *err)
{
    sqlite3_stmt *statement = NULL;
    int code =
        sqlite3_prepare_v2(database->connection, "SELECT name FROM identity", -1, &statement, NULL);

    *instance = "";
    if (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW)
        *instance = tls_file_text(statement, 0, arena);
    sqlite3_finalize(statement);
    return database_status(database, code, err) == QUEUE_OK;
}

bool tls_file_load(struct database *database, int64_t day, const char *domain, struct arena *arena,
                   struct tls_report *report, struct error *err)
{
    const char *instance;

    *report = (struct tls_report){ .start_s = day * TLS_FILE_DAY_S,
                                   .end_s = (day + 1) * TLS_FILE_DAY_S - 1 };
    if (!tls_file_instance(database, arena, &instance, err) ||
        !load_policies(database, day, domain, arena, report, err))
        return false;
    report->id = arena_format(arena, "%lld.%s.%s", (long long)report->start_s, instance, domain);
    return !arena->exhausted || error_set(err, ERROR_MEMORY, "no memory for a report");
}
