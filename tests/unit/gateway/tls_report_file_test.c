/* tests/unit/gateway/tls_report_file_test.c - promises of gateway/tls_report_file.h */
#include "gateway/tls_report_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../test.h"

enum { DAY = 20778 }; /* 21 November 2026 */

static const int64_t over_s = (DAY + 1) * (int64_t)TLS_FILE_DAY_S; /* the day is */

static const char *const lines[] = { "version: STSv1", "mode: enforce" };
static const char *const hosts[] = { "mx.a.example", "*.b.example" };
static const char *const uris[] = { "mailto:t@a.example", "https://a.example/t" };

static struct arena arena;
static struct database database;
static struct error err;
static char folder[64];

static bool open_file(bool *was_put_aside)
{
    return tls_file_open(&database, folder, was_put_aside, &err);
}

static int setup(void **state)
{
    bool was_put_aside;

    (void)state;
    arena_init(&arena, 64 << 20);
    snprintf(folder, sizeof folder, "/tmp/postern-reports-XXXXXX");
    assert_non_null(mkdtemp(folder));
    assert_true(open_file(&was_put_aside));
    assert_false(was_put_aside);
    return 0;
}

static int teardown(void **state)
{
    static const char *const endings[] = { "", "-wal", "-shm", ".damaged" };
    char name[128];

    (void)state;
    database_close(&database);
    for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
        snprintf(name, sizeof name, "%s/reports.db%s", folder, endings[i]);
        unlink(name);
    }
    assert_int_equal(rmdir(folder), 0);
    assert_false(arena.exhausted);
    arena_clear(&arena);
    return 0;
}

static struct tls_report_failure failure_of(const char *host)
{
    return (struct tls_report_failure){ .result_type = "certificate-expired",
                                        .sending_mta_ip = "192.0.2.1",
                                        .receiving_mx_hostname = host,
                                        .receiving_ip = "198.51.100.1",
                                        .failure_reason_code = "certificate-expired",
                                        .failed_sessions = 1 };
}

static struct tls_file_count count_of(const char *domain, const struct tls_report_failure *failure)
{
    return (struct tls_file_count){ .day = DAY,
                                    .domain = domain,
                                    .policy = { .type = TLS_REPORT_STS,
                                                .strings = lines,
                                                .string_count = 2,
                                                .domain = domain,
                                                .mx_hosts = hosts,
                                                .mx_count = 2,
                                                .successes = failure == NULL,
                                                .failures = failure != NULL,
                                                .details = failure,
                                                .detail_count = failure != NULL } };
}

static void add(const struct tls_file_count *counts)
{
    int64_t left_out;

    if (!tls_file_add(&database, counts, &left_out, &err))
        fail_msg("%s", err.text);
    assert_int_equal(left_out, 0);
}

static void add_domain(const char *domain)
{
    struct tls_file_count count = count_of(domain, NULL);

    add(&count);
}

static struct tls_report load(const char *domain)
{
    struct tls_report report;

    if (!tls_file_load(&database, DAY, domain, &arena, &report, &err))
        fail_msg("%s", err.text);
    return report;
}

static struct tls_file_entry *list(const char *domain, size_t expected)
{
    struct tls_file_entry *entries;
    size_t count;

    if (!tls_file_list(&database, -1, domain, 1000, &arena, &entries, &count, &err))
        fail_msg("%s", err.text);
    assert_int_equal(count, expected);
    return entries;
}

static size_t count_due(int64_t now_s)
{
    struct tls_file_entry *entries;
    size_t count;

    if (!tls_file_due(&database, now_s, 1000, &arena, &entries, &count, &err))
        fail_msg("%s", err.text);
    return count;
}

static void the_same_is_added_up(void **state)
{
    const struct tls_report_failure failure = failure_of("mx.a.example");
    struct tls_file_count counts[3] = { count_of("a.example", NULL),
                                        count_of("a.example", &failure),
                                        count_of("a.example", NULL) };
    struct tls_report report;

    (void)state;
    counts[0].next = &counts[1];
    counts[1].next = &counts[2];
    add(counts);
    add(counts);
    report = load("a.example");
    assert_int_equal(report.start_s, DAY * (int64_t)TLS_FILE_DAY_S);
    assert_int_equal(report.end_s, over_s - 1);
    assert_int_equal(report.policy_count, 1);
    assert_int_equal(report.policies[0].type, TLS_REPORT_STS);
    assert_int_equal(report.policies[0].successes, 4);
    assert_int_equal(report.policies[0].failures, 2);
    assert_int_equal(report.policies[0].string_count, 2);
    assert_string_equal(report.policies[0].strings[1], lines[1]);
    assert_int_equal(report.policies[0].mx_count, 2);
    assert_string_equal(report.policies[0].mx_hosts[1], hosts[1]);
    assert_int_equal(report.policies[0].detail_count, 1);
    assert_int_equal(report.policies[0].details[0].failed_sessions, 2);
    assert_string_equal(report.policies[0].details[0].receiving_mx_hostname, "mx.a.example");
}

static void what_differs_stays_apart(void **state)
{
    const struct tls_report_failure failures[] = { failure_of("mx1.a.example"),
                                                   failure_of("mx2.a.example") };
    struct tls_file_count counts[2] = { count_of("a.example", &failures[0]),
                                        count_of("a.example", &failures[1]) };
    struct tls_file_count other = count_of("a.example", NULL);
    struct tls_report report;

    (void)state;
    counts[0].next = &counts[1];
    add(counts);
    other.policy.string_count = 1;
    add(&other);
    other.day++;
    add(&other);
    add_domain("b.example");
    report = load("a.example");
    assert_int_equal(report.policy_count, 2);
    assert_int_equal(report.policies[0].detail_count, 2);
    assert_int_equal(report.policies[1].failures, 0);
    assert_int_equal(load("b.example").policy_count, 1);
    assert_int_equal(load("c.example").policy_count, 0);
}

static void too_many_policies_and_failures_are_counted_without_particulars(void **state)
{
    struct tls_report report;
    int64_t successes = 0, failures = 0;
    char text[64];

    (void)state;
    for (int i = 0; i < TLS_FILE_POLICIES + 10; i++) {
        const char *const changed[] = { text };
        struct tls_file_count count = count_of("a.example", NULL);

        snprintf(text, sizeof text, "max_age: %d", i);
        count.policy.strings = changed;
        count.policy.string_count = 1;
        add(&count);
    }
    for (int i = 0; i < TLS_FILE_FAILURES + 10; i++) {
        struct tls_report_failure failure = failure_of(text);
        struct tls_file_count count = count_of("b.example", &failure);

        snprintf(text, sizeof text, "mx%d.b.example", i);
        add(&count);
    }
    report = load("a.example");
    assert_int_equal(report.policy_count, TLS_FILE_POLICIES + 1);
    for (size_t i = 0; i < report.policy_count; i++)
        successes += report.policies[i].successes;
    assert_int_equal(successes, TLS_FILE_POLICIES + 10);
    report = load("b.example");
    assert_int_equal(report.policies[0].detail_count, TLS_FILE_FAILURES + 1);
    assert_string_equal(report.policies[0].details[0].receiving_mx_hostname, "");
    for (size_t i = 0; i < report.policies[0].detail_count; i++)
        failures += report.policies[0].details[i].failed_sessions;
    assert_int_equal(failures, TLS_FILE_FAILURES + 10);
}

static void domains_beyond_the_bound_are_left_out_and_told(void **state)
{
    struct tls_file_count known = count_of("a.example", NULL), fresh = count_of("b.example", NULL);
    char sql[64];
    int64_t left_out;

    (void)state;
    add(&known);
    snprintf(sql, sizeof sql, "UPDATE day SET domains = %d", TLS_FILE_DOMAINS);
    assert_true(database_run(&database, sql, &err));
    known.next = &fresh;
    assert_true(tls_file_add(&database, &known, &left_out, &err));
    assert_int_equal(left_out, 1);
    assert_int_equal(load("a.example").policies[0].successes, 2);
    assert_int_equal(load("b.example").policy_count, 0);
}

static void each_report_is_due_at_some_time_of_the_day_after(void **state)
{
    bool all_alike = true;
    const struct tls_file_entry *entries;
    char name[32];

    (void)state;
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "%02d.example", i);
        add_domain(name);
    }
    entries = list(NULL, 20);
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(entries[i].state, TLS_FILE_WAITING);
        assert_in_range(entries[i].next_at_s, over_s, over_s + TLS_FILE_DAY_S - 1);
        all_alike &= entries[i].next_at_s == entries[0].next_at_s;
    }
    assert_false(all_alike);
    assert_int_equal(count_due(over_s - 1), 0);
    assert_int_equal(count_due(over_s + TLS_FILE_DAY_S), 20);
}

static void only_a_day_that_is_over_can_be_hurried(void **state)
{
    int64_t found;

    (void)state;
    add_domain("a.example");
    add_domain("b.example");
    assert_true(tls_file_hurry(&database, DAY, "a.example", over_s - 1, &found, &err));
    assert_int_equal(found, 0);
    assert_true(tls_file_hurry(&database, DAY, "a.example", over_s, &found, &err));
    assert_int_equal(found, 1);
    assert_true(tls_file_hurry(&database, -1, NULL, over_s, &found, &err));
    assert_int_equal(found, 2);
    assert_int_equal(count_due(over_s), 2);
}

/* Takes the copies of the only report in hand. */
static struct tls_file_entry *take(size_t uri_count, int64_t now_s)
{
    struct tls_file_entry *entry = list("a.example", 1);

    if (!tls_file_take(&database, entry, uris, uri_count, now_s, &arena, &err))
        fail_msg("%s", err.text);
    return entry;
}

static void a_copy_that_was_handed_over_is_never_taken_again(void **state)
{
    struct tls_file_entry *entry;

    (void)state;
    add_domain("a.example");
    entry = take(2, over_s);
    assert_int_equal(entry->copy_count, 2);
    assert_int_equal(entry->copies[0].state, TLS_COPY_IN_HAND);
    assert_int_equal(entry->until_s, over_s + TLS_FILE_TRIES_S);
    entry->copies[0].state = TLS_COPY_SENT;
    entry->copies[0].said = "201";
    entry->copies[1].state = TLS_COPY_WAITING;
    entry->next_at_s = over_s + 60;
    entry->said = "";
    assert_true(tls_file_settle(&database, entry, &err));
    entry = take(2, over_s + 60);
    assert_int_equal(entry->attempts, 2);
    assert_int_equal(entry->until_s, over_s + TLS_FILE_TRIES_S);
    assert_int_equal(entry->copies[0].state, TLS_COPY_SENT);
    assert_string_equal(entry->copies[0].said, "201");
    assert_int_equal(entry->copies[1].state, TLS_COPY_IN_HAND);
}

static void what_was_in_hand_at_a_crash_is_unknown_and_not_taken_again(void **state)
{
    bool was_put_aside;

    (void)state;
    add_domain("a.example");
    assert_int_equal(take(1, over_s)->copies[0].state, TLS_COPY_IN_HAND);
    database_close(&database);
    assert_true(open_file(&was_put_aside));
    assert_int_equal(take(1, over_s)->copies[0].state, TLS_COPY_UNKNOWN);
}

static void a_report_that_has_ended_is_not_due(void **state)
{
    struct tls_file_entry *entry;
    int64_t found;

    (void)state;
    add_domain("a.example");
    entry = take(0, over_s);
    entry->state = TLS_FILE_ENDED;
    entry->said = "nobody asks";
    assert_true(tls_file_settle(&database, entry, &err));
    assert_int_equal(count_due(INT64_MAX), 0);
    assert_true(tls_file_hurry(&database, DAY, NULL, over_s, &found, &err));
    assert_int_equal(found, 0);
    assert_string_equal(list("a.example", 1)->said, "nobody asks");
}

static void more_addresses_than_the_bound_get_nothing(void **state)
{
    const char *many[TLS_FILE_COPIES + 5];
    struct tls_file_entry *entry;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(many); i++)
        many[i] = arena_format(&arena, "mailto:%zu@a.example", i);
    add_domain("a.example");
    entry = list("a.example", 1);
    assert_true(tls_file_take(&database, entry, many, ARRAY_SIZE(many), over_s, &arena, &err));
    assert_int_equal(entry->copy_count, TLS_FILE_COPIES);
}

static void old_days_go_and_others_stay(void **state)
{
    const struct tls_report_failure failure = failure_of("mx");
    struct tls_file_count count = count_of("a.example", &failure);

    (void)state;
    add(&count);
    count.day++;
    add(&count);
    assert_true(tls_file_expire(&database, DAY + TLS_FILE_DAYS, &err));
    list(NULL, 2);
    assert_true(tls_file_expire(&database, DAY + TLS_FILE_DAYS + 1, &err));
    assert_int_equal(list(NULL, 1)->day, DAY + 1);
    assert_int_equal(database_number(&database, "SELECT count(*) FROM failure", -1), 1);
    assert_int_equal(database_number(&database, "SELECT count(*) FROM day", -1), 1);
}

static void it_keeps_its_name_and_counts_over_restarts(void **state)
{
    const char *before = load("a.example").id;
    bool was_put_aside;

    (void)state;
    add_domain("a.example");
    database_close(&database);
    assert_true(open_file(&was_put_aside));
    assert_false(was_put_aside);
    assert_string_equal(load("a.example").id, before);
    assert_int_equal(load("a.example").policies[0].successes, 1);
}

static void a_damaged_file_is_put_aside(void **state)
{
    char path[128];
    bool was_put_aside;
    FILE *file;

    (void)state;
    database_close(&database);
    snprintf(path, sizeof path, "%s/reports.db", folder);
    file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < 1000; i++)
        fputs("this is no database", file);
    fclose(file);
    assert_true(open_file(&was_put_aside));
    assert_true(was_put_aside);
    add_domain("a.example");
}

static void who_only_looks_makes_and_changes_nothing(void **state)
{
    struct tls_file_count count = count_of("b.example", NULL);
    char path[128];
    int64_t left_out;

    (void)state;
    add_domain("a.example");
    database_close(&database);
    assert_true(tls_file_look(&database, folder, &err));
    list("a.example", 1);
    assert_false(tls_file_add(&database, &count, &left_out, &err));
    database_close(&database);
    snprintf(path, sizeof path, "%s/reports.db", folder);
    unlink(path);
    assert_false(tls_file_look(&database, folder, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void pauses_double_up_to_four_hours(void **state)
{
    (void)state;
    assert_int_equal(tls_file_pause_s(0), 600);
    assert_int_equal(tls_file_pause_s(1), 600);
    assert_int_equal(tls_file_pause_s(2), 1200);
    assert_int_equal(tls_file_pause_s(5), 9600);
    assert_int_equal(tls_file_pause_s(6), 14400);
    assert_int_equal(tls_file_pause_s(INT64_MAX), 14400);
}

#define PROMISE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(the_same_is_added_up),
        PROMISE(what_differs_stays_apart),
        PROMISE(too_many_policies_and_failures_are_counted_without_particulars),
        PROMISE(domains_beyond_the_bound_are_left_out_and_told),
        PROMISE(each_report_is_due_at_some_time_of_the_day_after),
        PROMISE(only_a_day_that_is_over_can_be_hurried),
        PROMISE(a_copy_that_was_handed_over_is_never_taken_again),
        PROMISE(what_was_in_hand_at_a_crash_is_unknown_and_not_taken_again),
        PROMISE(a_report_that_has_ended_is_not_due),
        PROMISE(more_addresses_than_the_bound_get_nothing),
        PROMISE(old_days_go_and_others_stay),
        PROMISE(it_keeps_its_name_and_counts_over_restarts),
        PROMISE(a_damaged_file_is_put_aside),
        PROMISE(who_only_looks_makes_and_changes_nothing),
        PROMISE(pauses_double_up_to_four_hours),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
