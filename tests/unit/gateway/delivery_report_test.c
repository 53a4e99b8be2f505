/* tests/unit/gateway/delivery_report_test.c - promises of gateway/delivery_report.c: the report first */
#include "../test.h"
#include "delivering.h"

#include <stdatomic.h>
#include <string.h>

#include "lmtp_server.h"
#include "queue/backend.h"

static const char body[] = "Subject: one\r\n\r\ntext\r\n";

static struct delivering delivering;
static struct lmtp_server server;
static struct buffer report;

/* SQLite, but that it refuses reports, or to take anything down, as often as the test says. */
static struct queue_backend failing;
static atomic_int reports_to_refuse, settlements_to_refuse, parts_to_refuse, reports_kept;
static bool has_report, has_settlement, kept_report_first;

static enum queue_status note_report(void *queue, const struct queue_put *put, struct error *err)
{
    has_report |= put->envelope->sender.len == 0;
    return queue_sqlite.put(queue, put, err);
}

static enum queue_status note_settlement(void *queue, int64_t lease,
                                         const struct queue_settlement *settlement,
                                         bool *was_settled, struct error *err)
{
    has_settlement = true;
    if (settlement->result == QUEUE_BOUNCED)
        kept_report_first = atomic_load(&reports_kept) > 0;
    return queue_sqlite.settle(queue, lease, settlement, was_settled, err);
}

static bool takes_one(atomic_int *count)
{
    if (atomic_load(count) <= 0)
        return false;
    atomic_fetch_sub(count, 1);
    return true;
}

static enum queue_status append_or_fail(void *queue, int64_t id, int64_t number, struct span bytes,
                                        struct error *err)
{
    if (!takes_one(&parts_to_refuse))
        return queue_sqlite.append(queue, id, number, bytes, err);
    error_set(err, ERROR_SYSTEM, "no room");
    return QUEUE_FULL;
}

static enum queue_status commit_or_fail(void *queue, struct error *err)
{
    bool is_report = has_report, is_settlement = has_settlement;
    enum queue_status status;

    has_report = has_settlement = false;
    if ((is_report && takes_one(&reports_to_refuse)) ||
        (is_settlement && takes_one(&settlements_to_refuse))) {
        error_set(err, ERROR_SYSTEM, "no room");
        return QUEUE_FULL;
    }
    status = queue_sqlite.commit(queue, err);
    if (is_report && status == QUEUE_OK)
        atomic_fetch_add(&reports_kept, 1);
    return status;
}

static int open_all(void **state)
{
    (void)state;
    server = (struct lmtp_server){ .greeting = NULL };
    delivering_open(&delivering);
    failing = queue_sqlite;
    failing.put = note_report;
    failing.append = append_or_fail;
    failing.settle = note_settlement;
    failing.commit = commit_or_fail;
    reports_to_refuse = settlements_to_refuse = parts_to_refuse = reports_kept = 0;
    has_report = has_settlement = kept_report_first = false;
    delivering.asking.settings.backend = &failing;
    asking_reopen(&delivering.asking);
    lmtp_server_start(&server, delivering.asking.loop);
    delivering.domains[DELIVERING_ONE].address = server.address;
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    if (delivering.delivery != NULL)
        delivering_stop(&delivering);
    lmtp_server_stop(&server);
    delivering_close(&delivering);
    buffer_clear(&report);
    return 0;
}

static int64_t put(const char *recipients)
{
    return delivering_put(&delivering, "from@box.example", recipients, span_of(body));
}

/* The reports that came; the text of one of them in `report`. */
static size_t count_reports(void)
{
    size_t count = delivering_files(&delivering, "box.example/from", "new", &report);

    if (count > 0)
        assert_true(buffer_append(&report, (struct span){ "", 1 }));
    return count;
}

static void check_report(const char *words)
{
    if (report.data == NULL || strstr(report.data, words) == NULL)
        fail_msg("\"%s\" is not in:\n%s", words, report.data == NULL ? "" : report.data);
}

static void takes_a_failure_down_only_when_its_report_is_kept(void **state)
{
    const char *const words[] = { " reported id=", " to=<from@box.example>", " action=failed",
                                  " recipients=2" };
    int64_t id;

    (void)state;
    id = put("gone@one.example,user@one.example,gone2@one.example");
    delivering_start(&delivering);
    delivering_empty(&delivering);
    assert_true(kept_report_first);
    assert_int_equal(count_reports(), 1);
    check_report("Final-Recipient: rfc822; gone@one.example\n");
    check_report("Final-Recipient: rfc822; gone2@one.example\n");
    assert_int_equal(delivering_end_of(&delivering, id, "gone@one.example"), TRACKING_BOUNCED);
    assert_int_equal(delivering_end_of(&delivering, id, "user@one.example"), TRACKING_DONE);
    assert_true(delivering_logged(&delivering, words, ARRAY_SIZE(words)));
}

static void tries_again_where_the_report_cannot_be_kept(void **state)
{
    AUTO(arena_clear) struct arena arena = { .limit = 4 * 1024 * 1024 };
    const char *const words[] = { " warn report-deferred id=", " status=full" };
    struct tracking_event story;
    int64_t id;

    (void)state;
    reports_to_refuse = 1;
    id = put("gone@one.example");
    delivering_start(&delivering);
    delivering_settle(&delivering);
    story = delivering_story(&delivering, id, "gone@one.example", &arena);
    assert_int_equal(story.kind, TRACKING_DEFERRED);
    assert_true(span_equal(story.attempt.code, span_of("4.3.1")));
    assert_true(delivering_logged(&delivering, words, ARRAY_SIZE(words)));
    assert_int_equal(count_reports(), 0);
    delivering.clock.fixed_wall_s += delivering.profile.schedule.retry_s[0];
    delivery_wake(delivering.delivery);
    delivering_empty(&delivering);
    assert_int_equal(count_reports(), 1);
    assert_int_equal(delivering_end_of(&delivering, id, "gone@one.example"), TRACKING_BOUNCED);
}

static void tells_again_what_a_crash_left_unsettled(void **state)
{
    (void)state;
    settlements_to_refuse = 1000000;
    delivering.drain_ms = 20;
    put("gone@one.example");
    delivering_start(&delivering);
    while (atomic_load(&reports_kept) == 0)
        delivering_turn(&delivering);
    delivering_stop(&delivering);
    settlements_to_refuse = 0;
    lmtp_server_stop(&server);
    asking_reopen(&delivering.asking); /* as after a restart: what was leased is due again */
    lmtp_server_start(&server, delivering.asking.loop);
    delivering.domains[DELIVERING_ONE].address = server.address;
    delivering_start(&delivering);
    delivering_empty(&delivering);
    assert_int_equal(atomic_load(&reports_kept), 2);
    assert_true(count_reports() >= 2);
}

static void tells_of_what_is_given_up(void **state)
{
    int64_t id = put("later@one.example");

    (void)state;
    delivering.clock.fixed_wall_s += delivering.profile.schedule.lifetime_s;
    delivering_start(&delivering);
    delivering_empty(&delivering);
    assert_int_equal(delivering_end_of(&delivering, id, "later@one.example"), TRACKING_BOUNCED);
    assert_int_equal(count_reports(), 1);
    check_report("Action: failed\nStatus: 4.4.7\n");
    check_report("Diagnostic-Code: smtp; 450 ");
}

static void warns_of_a_delay_once(void **state)
{
    const struct queue_schedule_settings *schedule = &delivering.profile.schedule;

    (void)state;
    put("later@one.example");
    delivering.clock.fixed_wall_s += schedule->warn_after_s;
    delivering_start(&delivering);
    for (int i = 0; i < 3; i++) {
        delivering_settle(&delivering);
        assert_int_equal(count_reports(), 1);
        delivering.clock.fixed_wall_s += 2 * schedule->retry_s[i];
        delivery_wake(delivering.delivery);
    }
    check_report("Action: delayed\n");
}

static void warns_after_the_next_attempt_where_the_warning_cannot_be_kept(void **state)
{
    const struct queue_schedule_settings *schedule = &delivering.profile.schedule;

    (void)state;
    reports_to_refuse = 1;
    put("later@one.example");
    delivering.clock.fixed_wall_s += schedule->warn_after_s;
    delivering_start(&delivering);
    delivering_settle(&delivering);
    assert_int_equal(count_reports(), 0);
    delivering.clock.fixed_wall_s += 2 * schedule->retry_s[0];
    delivery_wake(delivering.delivery);
    while (count_reports() == 0)
        delivering_turn(&delivering);
    check_report("Action: delayed\n");
}

static int64_t put_with_notify(const char *address, unsigned notify)
{
    struct queue_door *door = delivering.asking.door;
    struct queue_recipient recipient = { .address = span_of(address), .notify = notify };
    struct queue_envelope envelope = { .id = queue_door_id(door),
                                       .sender = span_of("from@box.example"),
                                       .received_at_s = ASKING_NOW_S };
    struct queue_put request = { .id = envelope.id,
                                 .bytes = span_of(body),
                                 .envelope = &envelope,
                                 .recipients = &recipient,
                                 .recipient_count = 1 };

    queue_put_commit(door, &request, asking_answered, &delivering.asking);
    asking_wait(&delivering.asking, 1);
    assert_int_equal(request.request.status, QUEUE_OK);
    return envelope.id;
}

static void tells_of_success_where_that_is_asked_for(void **state)
{
    int64_t id = put_with_notify("user@box.example", QUEUE_NOTIFY_SUCCESS);

    (void)state;
    put_with_notify("other@box.example", QUEUE_NOTIFY_FAILURE);
    delivering_start(&delivering);
    delivering_empty(&delivering);
    assert_int_equal(delivering_end_of(&delivering, id, "user@box.example"), TRACKING_DONE);
    assert_int_equal(count_reports(), 1);
    check_report("Final-Recipient: rfc822; user@box.example\nAction: delivered\n");
}

/* Another try would deliver it twice. */
static void settles_what_was_delivered_though_its_report_is_lost(void **state)
{
    const char *const words[] = { " error report-lost id=", " action=delivered", " status=full" };
    int64_t id;

    (void)state;
    reports_to_refuse = 1;
    id = put_with_notify("user@box.example", QUEUE_NOTIFY_SUCCESS);
    delivering_start(&delivering);
    delivering_empty(&delivering);
    assert_int_equal(delivering_end_of(&delivering, id, "user@box.example"), TRACKING_DONE);
    assert_int_equal(delivering_files(&delivering, "box.example/user", "new", NULL), 1);
    assert_int_equal(count_reports(), 0);
    assert_true(delivering_logged(&delivering, words, ARRAY_SIZE(words)));
}

/* More than two parts of a queue's body, which comes back with its report. */
static int64_t put_large(const char *recipients)
{
    static const char line[] = "a line that comes back with all of the others, as it was sent\r\n";
    struct buffer text;
    int64_t id;

    buffer_init(&text, 1 << 20);
    assert_true(buffer_append_text(&text, "Subject: large\r\n\r\n"));
    while (text.len < 2 * QUEUE_PART_BYTES + QUEUE_PART_BYTES / 2)
        assert_true(buffer_append_text(&text, line));
    assert_true(buffer_append_text(&text, "the last line\r\n"));
    delivering.returns = QUEUE_RETURN_FULL;
    id = delivering_put(&delivering, "from@box.example", recipients, buffer_span(&text));
    buffer_clear(&text);
    return id;
}

static void returns_a_large_message_whole(void **state)
{
    (void)state;
    put_large("gone@one.example");
    delivering_start(&delivering);
    delivering_empty(&delivering);
    assert_int_equal(count_reports(), 1);
    assert_true(report.len > 2 * QUEUE_PART_BYTES);
    check_report("Subject: large\n");
    check_report("\nthe last line\n");
}

static void tries_again_where_a_part_of_the_report_cannot_be_kept(void **state)
{
    const char *const words[] = { " warn report-deferred id=", " status=full" };
    int64_t id;

    (void)state;
    id = put_large("gone@one.example");
    parts_to_refuse = 1;
    delivering_start(&delivering);
    delivering_settle(&delivering);
    assert_int_equal(parts_to_refuse, 0);
    assert_true(delivering_logged(&delivering, words, ARRAY_SIZE(words)));
    assert_int_equal(count_reports(), 0);
    delivering.clock.fixed_wall_s += 2 * delivering.profile.schedule.retry_s[0];
    delivery_wake(delivering.delivery);
    delivering_empty(&delivering);
    assert_int_equal(delivering_end_of(&delivering, id, "gone@one.example"), TRACKING_BOUNCED);
    assert_int_equal(count_reports(), 1);
    check_report("\nthe last line\n");
}

static void respects_that_a_sender_wants_to_hear_nothing(void **state)
{
    const char *const words[] = { " warn bounced id=", " to=<gone@one.example>" };

    (void)state;
    put_with_notify("gone@one.example", QUEUE_NOTIFY_NEVER);
    delivering_start(&delivering);
    delivering_empty(&delivering);
    assert_int_equal(atomic_load(&reports_kept), 0);
    assert_true(delivering_logged(&delivering, words, ARRAY_SIZE(words)));
}

static void says_in_the_log_what_nobody_hears(void **state)
{
    const char *const words[] = { " error bounced id=", " from=<> to=<gone@one.example>" };

    (void)state;
    delivering_put(&delivering, "", "gone@one.example", span_of(body));
    delivering_start(&delivering);
    delivering_empty(&delivering);
    assert_true(delivering_logged(&delivering, words, ARRAY_SIZE(words)));
    assert_int_equal(atomic_load(&reports_kept), 1); /* it was one itself */
}

static void tells_of_many_messages_at_once(void **state)
{
    enum { MESSAGES = 60 };

    (void)state;
    for (int i = 0; i < MESSAGES; i++)
        put("gone@one.example");
    delivering_start(&delivering);
    delivering_empty(&delivering);
    assert_int_equal(count_reports(), MESSAGES);
}

static void tells_of_a_message_of_nothing(void **state)
{
    (void)state;
    delivering_put(&delivering, "from@box.example", "gone@one.example", (struct span){ "", 0 });
    delivering_start(&delivering);
    delivering_empty(&delivering);
    assert_int_equal(count_reports(), 1);
}

#define PROMISE(test) cmocka_unit_test_setup_teardown(test, open_all, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(takes_a_failure_down_only_when_its_report_is_kept),
        PROMISE(tries_again_where_the_report_cannot_be_kept),
        PROMISE(tells_again_what_a_crash_left_unsettled),
        PROMISE(tells_of_what_is_given_up),
        PROMISE(warns_of_a_delay_once),
        PROMISE(warns_after_the_next_attempt_where_the_warning_cannot_be_kept),
        PROMISE(tells_of_success_where_that_is_asked_for),
        PROMISE(settles_what_was_delivered_though_its_report_is_lost),
        PROMISE(returns_a_large_message_whole),
        PROMISE(tries_again_where_a_part_of_the_report_cannot_be_kept),
        PROMISE(respects_that_a_sender_wants_to_hear_nothing),
        PROMISE(says_in_the_log_what_nobody_hears),
        PROMISE(tells_of_many_messages_at_once),
        PROMISE(tells_of_a_message_of_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
