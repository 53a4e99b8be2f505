/* tests/unit/gateway/inbound_history_test.c - promises of gateway/inbound_history.h */
#include "../queue/file_limit.h"
#include "../test.h"
#include "gateway/inbound_history.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

enum { NOW_S = 1795219200, DAY_S = 86400 };

static char folder[64];
static struct loop *loop;
static struct clock now;
static struct arena arena;
static struct inbound_history *history;

static int open_folder(void **state)
{
    struct error err;

    (void)state;
    snprintf(folder, sizeof folder, "/tmp/inbound_history_test.XXXXXX");
    assert_non_null(mkdtemp(folder));
    now = clock_fixed(NOW_S, 0);
    arena_init(&arena, 64 << 20);

    return loop_open(&loop, &err) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char command[128];

    (void)state;
    loop_close(&loop);
    arena_clear(&arena);

    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static void open_history(void)
{
    const struct inbound_history_settings settings = {
        .loop = loop, .state_dir = folder, .clock = &now, .write_after_ms = 1
    };
    struct error err;

    if (!inbound_history_open(&settings, &history, &err))
        fail_msg("%s", err.text);
}

static void stop(void *owner)
{
    (void)owner;
    loop_stop(loop);
}

static void close_history(void)
{
    inbound_history_drain(history, stop, NULL);
    loop_run(loop);
    inbound_history_close(&history);
}

static void tell(const char *client, const char *finding, int64_t at_s)
{
    struct inbound_observation observation;
    const struct finding cause = { .code = finding,
                                   .cause = "It rejects our certificate with the alert "
                                            "certificate_expired" };

    inbound_observation_init(&observation);
    observation.address = client;
    observation.name = "mail.sender.example";
    observation.host = "mx1.example.org";
    observation.port = 25;
    observation.wall_s = at_s;
    inbound_history_tell(history, &observation, &cause);
}

static struct inbound_failures failures(int64_t since_s, int64_t until_s)
{
    struct inbound_failures found;
    struct error err;

    if (!inbound_history_failures(folder, since_s, until_s, &arena, &found, &err))
        fail_msg("%s", err.text);
    return found;
}

static void counts_by_day_client_and_finding(void **state)
{
    struct inbound_failures found;

    (void)state;
    open_history();
    tell("192.0.2.1", "inbound-certificate-rejected", NOW_S + 10);
    tell("192.0.2.1", "inbound-certificate-rejected", NOW_S + 5);
    tell("192.0.2.1", "inbound-closed", NOW_S + 6);
    tell("192.0.2.2", "inbound-certificate-rejected", NOW_S + 7);
    tell("192.0.2.1", "inbound-certificate-rejected", NOW_S + DAY_S);
    close_history();
    found = failures(NOW_S, NOW_S + 1);
    assert_int_equal(found.count, 3);
    assert_string_equal(found.items[0].client, "192.0.2.1");
    assert_string_equal(found.items[0].finding, "inbound-certificate-rejected");
    assert_string_equal(found.items[0].helo, "mail.sender.example");
    assert_string_equal(found.items[0].host, "mx1.example.org");
    assert_int_equal(found.items[0].port, 25);
    assert_int_equal(found.items[0].count, 2);
    assert_int_equal(found.items[0].first_s, NOW_S + 5);
    assert_int_equal(found.items[0].last_s, NOW_S + 10);
    assert_non_null(strstr(found.items[0].cause, "certificate_expired"));
    assert_string_equal(found.items[1].finding, "inbound-closed");
    assert_string_equal(found.items[2].client, "192.0.2.2");
    assert_int_equal(failures(NOW_S, NOW_S + DAY_S).count, 4);
    assert_int_equal(failures(NOW_S - 2 * DAY_S, NOW_S - DAY_S).count, 0);
}

static void goes_on_counting_after_a_restart(void **state)
{
    (void)state;
    open_history();
    tell("192.0.2.1", "inbound-closed", NOW_S);
    close_history();
    open_history();
    tell("192.0.2.1", "inbound-closed", NOW_S + 1);
    close_history();
    assert_int_equal(failures(NOW_S, NOW_S).items[0].count, 2);
}

static void tells_for_how_long_it_would_have_seen_failures(void **state)
{
    (void)state;
    open_history();
    now.fixed_wall_s = NOW_S + 1000;
    close_history();
    now.fixed_wall_s = NOW_S + 2000;
    open_history();
    now.fixed_wall_s = NOW_S + 2500;
    close_history();
    assert_int_equal(failures(NOW_S - 100, NOW_S + 9000).kept_s, 1500);
    assert_int_equal(failures(NOW_S + 500, NOW_S + 2100).kept_s, 600);
    assert_int_equal(failures(NOW_S + 1100, NOW_S + 1200).kept_s, 0);
}

static void a_flood_of_addresses_costs_one_row(void **state)
{
    struct inbound_failures found;
    int64_t all = 0;
    char client[40];

    (void)state;
    open_history();
    for (int i = 0; i < INBOUND_HISTORY_ROWS_MOST + 50; i++) {
        snprintf(client, sizeof client, "2001:db8::%x", i);
        tell(client, "inbound-closed", NOW_S);
    }
    close_history();
    open_history();
    tell("192.0.2.1", "inbound-closed", NOW_S);
    close_history();
    found = failures(NOW_S, NOW_S);
    assert_int_equal(found.count, INBOUND_HISTORY_ROWS_MOST + 1);
    for (size_t i = 0; i < found.count; i++)
        all += found.items[i].count;
    assert_int_equal(all, INBOUND_HISTORY_ROWS_MOST + 51);
    assert_string_equal(found.items[0].client, "");
    assert_int_equal(found.items[0].count, 51);
}

static void forgets_days_that_are_too_old(void **state)
{
    (void)state;
    open_history();
    tell("192.0.2.1", "inbound-closed", NOW_S);
    close_history();
    now.fixed_wall_s = NOW_S + (INBOUND_HISTORY_DAYS + 1) * (int64_t)DAY_S;
    open_history();
    close_history();
    assert_int_equal(failures(NOW_S, NOW_S).count, 0);
    assert_int_equal(failures(NOW_S, NOW_S).kept_s, 0);
}

static void *tell_many(void *argument)
{
    (void)argument;
    for (int i = 0; i < 1000; i++)
        tell("192.0.2.1", "inbound-closed", NOW_S);
    return NULL;
}

static void is_told_by_any_thread(void **state)
{
    pthread_t threads[4];

    (void)state;
    open_history();
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, tell_many, NULL), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    close_history();
    assert_int_equal(failures(NOW_S, NOW_S).items[0].count, 4000);
}

/* ---- reports ---- */

struct answer {
    enum inbound_history_fate fate;
    char words[1024];
    unsigned times;
};

static bool is_waiting; /* for that answer, and not for the end */

static void take_answer(void *owner, const struct inbound_history_outcome *outcome)
{
    struct answer *answer = owner;

    answer->times++;
    answer->fate = outcome->fate;
    snprintf(answer->words, sizeof answer->words, "%s",
             outcome->received != NULL ? outcome->received->report.id : outcome->err.text);
    if (is_waiting)
        loop_stop(loop);
}

static const char *json_of(const char *organization, const char *id, int64_t start_s)
{
    return arena_format(&arena,
                        "{\"organization-name\":\"%s\",\"report-id\":\"%s\",\"date-range\":"
                        "{\"start-datetime\":\"%s\",\"end-datetime\":\"%s\"},\"policies\":[]}",
                        organization, id, text_time(&arena, start_s),
                        text_time(&arena, start_s + DAY_S - 1));
}

static struct answer take(const char *message)
{
    struct answer answer = { .times = 0 };

    assert_true(inbound_history_take(history, span_of(message), take_answer, &answer));
    assert_int_equal(answer.times, 0); /* not inside the call */
    is_waiting = true;
    loop_run(loop);
    is_waiting = false;
    assert_int_equal(answer.times, 1);
    return answer;
}

static bool count_reports(void *owner, const struct inbound_kept_report *report)
{
    assert_true(report->json.len > 0);
    ++*(size_t *)owner;
    return true;
}

static size_t kept(int64_t since_s, int64_t until_s)
{
    struct error err;
    size_t count = 0;

    if (!inbound_history_reports(folder, since_s, until_s, count_reports, &count, &err))
        fail_msg("%s", err.text);
    return count;
}

static void keeps_a_report_once(void **state)
{
    struct answer answer;

    (void)state;
    open_history();
    answer = take(json_of("A", "one", NOW_S));
    assert_int_equal(answer.fate, INBOUND_HISTORY_KEPT);
    assert_string_equal(answer.words, "one");
    assert_int_equal(take(json_of("A", "one", NOW_S)).fate, INBOUND_HISTORY_KNOWN);
    assert_int_equal(take(json_of("B", "one", NOW_S)).fate, INBOUND_HISTORY_KEPT);
    assert_int_equal(take(json_of("A", "", NOW_S)).fate, INBOUND_HISTORY_KEPT);
    assert_int_equal(take(json_of("A", "", NOW_S)).fate, INBOUND_HISTORY_KNOWN);
    assert_int_equal(take(json_of("A", "", NOW_S + DAY_S)).fate, INBOUND_HISTORY_KEPT);
    close_history();
    open_history();
    assert_int_equal(take(json_of("A", "one", NOW_S)).fate, INBOUND_HISTORY_KNOWN);
    close_history();
    assert_int_equal(kept(NOW_S, NOW_S + DAY_S), 4);
    assert_int_equal(kept(NOW_S + DAY_S, NOW_S + 2 * DAY_S), 1);
    assert_int_equal(kept(NOW_S - DAY_S, NOW_S - 1), 0);
}

static void says_why_a_message_is_no_report(void **state)
{
    struct answer answer;

    (void)state;
    open_history();
    answer = take("Subject: hello\r\n\r\nhello\r\n");
    assert_int_equal(answer.fate, INBOUND_HISTORY_UNREADABLE);
    assert_string_equal(answer.words, "the message has no TLS report, but text/plain");
    close_history();
    assert_int_equal(kept(0, INT64_MAX), 0);
}

static void reads_several_that_come_at_once(void **state)
{
    struct answer answers[20] = { { .times = 0 } };

    (void)state;
    open_history();
    for (int i = 0; i < 20; i++)
        assert_true(inbound_history_take(
            history, span_of(json_of("A", arena_format(&arena, "%d", i), NOW_S)), take_answer,
            &answers[i]));
    close_history();
    for (int i = 0; i < 20; i++) {
        assert_int_equal(answers[i].times, 1);
        assert_int_equal(answers[i].fate, INBOUND_HISTORY_KEPT);
    }
    assert_int_equal(kept(NOW_S, NOW_S), 20);
}

static void keeps_reports_of_other_processes_too(void **state)
{
    struct received_report received;
    struct error err;
    bool is_new;

    (void)state;
    open_history();
    assert_int_equal(take(json_of("A", "one", NOW_S)).fate, INBOUND_HISTORY_KEPT);
    for (int i = 0; i < 2; i++) {
        assert_true(received_report_read(span_of(json_of("A", i == 0 ? "one" : "two", NOW_S)),
                                         &arena, &received, &err));
        assert_true(inbound_history_keep(folder, &received, NOW_S, &is_new, &err));
        assert_int_equal(is_new, i == 1);
    }
    close_history();
    assert_int_equal(kept(NOW_S, NOW_S), 2);
}

/* ---- the disk ---- */

static void a_folder_without_the_file_has_nothing(void **state)
{
    (void)state;
    assert_int_equal(failures(0, NOW_S).count, 0);
    assert_int_equal(kept(0, INT64_MAX), 0);
}

static void write_file(const char *name, const char *text)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void puts_a_damaged_file_aside(void **state)
{
    struct received_report received;
    struct error err;
    char path[128];
    bool is_new;

    (void)state;
    write_file("inbound.db",
               "this is no database, and long enough that it is looked at as one.....");
    assert_true(received_report_read(span_of(json_of("A", "one", NOW_S)), &arena, &received, &err));
    assert_false(inbound_history_keep(folder, &received, NOW_S, &is_new, &err)); /* not its own */
    open_history();
    tell("192.0.2.1", "inbound-closed", NOW_S);
    close_history();
    assert_int_equal(failures(NOW_S, NOW_S).count, 1);
    snprintf(path, sizeof path, "%s/inbound.db.damaged", folder);
    assert_int_equal(access(path, F_OK), 0);
}

/* Nobody waits for it, and who asked is told. */
static void says_that_it_cannot_write(void **state)
{
    char path[128];
    struct answer answer;

    (void)state;
    snprintf(path, sizeof path, "%s/inbound.db", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    open_history();
    tell("192.0.2.1", "inbound-closed", NOW_S);
    answer = take(json_of("A", "one", NOW_S));
    assert_int_equal(answer.fate, INBOUND_HISTORY_FAILED);
    assert_string_equal(answer.words, "one");
    assert_int_equal(take("no report").fate, INBOUND_HISTORY_UNREADABLE);
    close_history();
}

static void counts_on_where_its_file_could_not_be_opened_at_the_start(void **state)
{
    (void)state;
    limit_files_to(4096); /* less than SQLite needs to make it */
    open_history();
    limit_files_to(0);
    tell("192.0.2.1", "inbound-closed", NOW_S);
    close_history();
    assert_int_equal(failures(NOW_S, NOW_S + 1).count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(counts_by_day_client_and_finding, open_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(goes_on_counting_after_a_restart, open_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(tells_for_how_long_it_would_have_seen_failures, open_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_flood_of_addresses_costs_one_row, open_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(forgets_days_that_are_too_old, open_folder, remove_folder),
        cmocka_unit_test_setup_teardown(is_told_by_any_thread, open_folder, remove_folder),
        cmocka_unit_test_setup_teardown(keeps_a_report_once, open_folder, remove_folder),
        cmocka_unit_test_setup_teardown(says_why_a_message_is_no_report, open_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(reads_several_that_come_at_once, open_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(keeps_reports_of_other_processes_too, open_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_folder_without_the_file_has_nothing, open_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(puts_a_damaged_file_aside, open_folder, remove_folder),
        cmocka_unit_test_setup_teardown(says_that_it_cannot_write, open_folder, remove_folder),
        cmocka_unit_test_setup_teardown(counts_on_where_its_file_could_not_be_opened_at_the_start,
                                        open_folder, remove_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
