/* tests/unit/queue/tracking_test.c - promises of queue/tracking.h and queue/tracking_days.h */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../test.h"
#include "asking.h"
#include "file_limit.h"
#include "queue/id.h"
#include "queue/tracking.h"
#include "queue/tracking_days.h"

enum { NOW_S = 1795219200 /* 2026-11-21 */, DAY_S = 86400 };

static char folder[64];
static struct tracking *tracking;
static struct arena arena;

static int open_one(void **state)
{
    struct error err = { 0 };

    (void)state;
    snprintf(folder, sizeof folder, "/tmp/postern-tracking-XXXXXX");
    assert_non_null(mkdtemp(folder));
    arena_init(&arena, 8 * 1024 * 1024);
    assert_true(tracking_open(folder, 30, &tracking, &err));
    return 0;
}

static int close_one(void **state)
{
    (void)state;
    tracking_close(&tracking);
    assert_null(tracking);
    assert_true(tracking_days_expire(folder, INT64_MAX / DAY_S, NULL));
    arena_clear(&arena);
    return rmdir(folder);
}

static void begin(int64_t now_s)
{
    struct error err = { 0 };

    if (!tracking_begin(tracking, now_s, &err))
        fail_msg("%s", err.text);
}

static void add_event(enum tracking_kind kind, int64_t id, const char *recipient, int64_t at_s)
{
    struct tracking_event event = { .kind = kind,
                                    .id = id,
                                    .recipient = span_of(recipient),
                                    .attempt = { .at_s = at_s,
                                                 .milliseconds = 77,
                                                 .relay = span_of("mx.example.org[192.0.2.9]:25"),
                                                 .tls = span_of("dane:TLSv1.3"),
                                                 .code = span_of("4.7.5"),
                                                 .reply = span_of("454 no"),
                                                 .finding = span_of("tlsa-mismatch") } };

    assert_true(tracking_add_event(tracking, &event, NULL));
}

static int64_t accept(int64_t now_s, unsigned lane, const char *sender, const char *recipient,
                      const char *message_id)
{
    struct queue_envelope envelope = {
        .sender = span_of(sender),
        .message_id = span_of(message_id),
        .received_at_s = now_s,
        .size_bytes = 4711,
        .origin = { .client_address = span_of("192.0.2.1"), .tls_version = span_of("TLSv1.3") },
    };
    struct queue_id_maker maker;

    queue_id_init(&maker, lane, 0);
    envelope.id = queue_id_next(&maker, now_s);
    begin(now_s);
    assert_true(tracking_add_message(tracking, &envelope, NULL));
    add_event(TRACKING_ACCEPTED, envelope.id, recipient, now_s);
    assert_true(tracking_commit(tracking, NULL));
    return envelope.id;
}

static void attempt(int64_t now_s, enum tracking_kind kind, int64_t id, const char *recipient)
{
    begin(now_s);
    add_event(kind, id, recipient, now_s);
    assert_true(tracking_commit(tracking, NULL));
}

static struct tracking_story *find(struct tracking_query query, size_t *count)
{
    struct tracking_story *stories = NULL;
    struct error err = { 0 };

    if (query.most == 0)
        query.most = 100;
    if (!tracking_find(folder, &query, &arena, &stories, count, &err))
        fail_msg("%s", err.text);
    return stories;
}

static void a_story_goes_over_several_days(void **state)
{
    int64_t id = accept(NOW_S, 0, "s@example.net", "r@example.org", "<1@x>");
    struct tracking_story *story;
    size_t count;

    (void)state;
    attempt(NOW_S + 10, TRACKING_DEFERRED, id, "r@example.org");
    attempt(NOW_S + DAY_S, TRACKING_DEFERRED, id, "r@example.org");
    attempt(NOW_S + 2 * DAY_S, TRACKING_DONE, id, "r@example.org");
    story = find((struct tracking_query){ .id = id }, &count);
    assert_int_equal(count, 1);
    assert_int_equal(story->envelope.id, id);
    assert_int_equal(story->envelope.size_bytes, 4711);
    assert_true(span_equal(story->envelope.sender, span_of("s@example.net")));
    assert_true(span_equal(story->envelope.origin.client_address, span_of("192.0.2.1")));
    assert_true(span_equal(story->envelope.origin.tls_version, span_of("TLSv1.3")));
    assert_int_equal(story->event_count, 4);
    assert_int_equal(story->events[0].kind, TRACKING_ACCEPTED);
    assert_int_equal(story->events[1].kind, TRACKING_DEFERRED);
    assert_int_equal(story->events[2].attempt.at_s, NOW_S + DAY_S);
    assert_int_equal(story->events[3].kind, TRACKING_DONE);
    assert_true(span_equal(story->events[3].recipient, span_of("r@example.org")));
    assert_true(
        span_equal(story->events[3].attempt.relay, span_of("mx.example.org[192.0.2.9]:25")));
    assert_true(span_equal(story->events[3].attempt.tls, span_of("dane:TLSv1.3")));
    assert_true(span_equal(story->events[3].attempt.code, span_of("4.7.5")));
    assert_true(span_equal(story->events[3].attempt.reply, span_of("454 no")));
    assert_true(span_equal(story->events[3].attempt.finding, span_of("tlsa-mismatch")));
    assert_int_equal(story->events[3].attempt.milliseconds, 77);
}

static void messages_are_found_by_each_of_their_facts(void **state)
{
    int64_t one = accept(NOW_S, 0, "Alice@example.net", "r@example.org", "<1@x>");
    int64_t other = accept(NOW_S + 5, 1, "bob@example.net", "R@Example.org", "<2@x>");
    int64_t later = accept(NOW_S + DAY_S, 2, "bob@example.net", "q@example.org", "<3@x>");
    struct tracking_story *stories;
    size_t count;

    (void)state;
    stories = find((struct tracking_query){ .sender = span_of("alice@EXAMPLE.net") }, &count);
    assert_int_equal(count, 1);
    assert_int_equal(stories[0].envelope.id, one);
    stories = find((struct tracking_query){ .recipient = span_of("r@example.org") }, &count);
    assert_int_equal(count, 2);
    assert_int_equal(stories[0].envelope.id, one);
    assert_int_equal(stories[1].envelope.id, other);
    stories = find((struct tracking_query){ .message_id = span_of("<3@x>") }, &count);
    assert_int_equal(count, 1);
    assert_int_equal(stories[0].envelope.id, later);
    find((struct tracking_query){ .sender = span_of("bob@example.net"),
                                  .recipient = span_of("q@example.org") },
         &count);
    assert_int_equal(count, 1);
    find((struct tracking_query){ .sender = span_of("bob@example.ne") }, &count);
    assert_int_equal(count, 0);
}

static void only_the_time_that_was_asked_for_is_shown(void **state)
{
    size_t count;

    (void)state;
    for (int i = 0; i < 4; i++)
        accept(NOW_S + i * DAY_S, (unsigned)i, "s@example.net", "r@example.org", "<1@x>");
    find((struct tracking_query){ .since_s = NOW_S + DAY_S }, &count);
    assert_int_equal(count, 3);
    find((struct tracking_query){ .since_s = NOW_S + DAY_S, .until_s = NOW_S + DAY_S }, &count);
    assert_int_equal(count, 1);
    find((struct tracking_query){ .since_s = NOW_S + 1, .until_s = NOW_S + DAY_S - 1 }, &count);
    assert_int_equal(count, 0);
    find((struct tracking_query){ .most = 2 }, &count);
    assert_int_equal(count, 2);
}

static void a_session_that_failed_is_a_note_of_its_own(void **state)
{
    struct queue_origin origin = { .client_address = span_of("192.0.2.7"),
                                   .helo = span_of("old.example.net") };
    struct queue_attempt attempted = { .at_s = NOW_S,
                                       .finding = span_of("handshake-no-common-version") };
    struct tracking_story *stories;
    size_t count;

    (void)state;
    accept(NOW_S, 0, "s@example.net", "r@example.org", "<1@x>");
    begin(NOW_S);
    assert_true(tracking_add_note(tracking, &origin, &attempted, NULL));
    assert_true(tracking_commit(tracking, NULL));
    stories = find((struct tracking_query){ .notes = true }, &count);
    assert_int_equal(count, 1);
    assert_int_equal(stories[0].envelope.id, 0);
    assert_true(span_equal(stories[0].envelope.origin.helo, span_of("old.example.net")));
    assert_int_equal(stories[0].event_count, 1);
    assert_int_equal(stories[0].events[0].kind, TRACKING_NOTED);
    assert_true(
        span_equal(stories[0].events[0].attempt.finding, span_of("handshake-no-common-version")));
}

static void what_is_rolled_back_was_never_told(void **state)
{
    int64_t id = accept(NOW_S, 0, "s@example.net", "r@example.org", "<1@x>");
    struct tracking_story *story;
    size_t count;

    (void)state;
    begin(NOW_S);
    add_event(TRACKING_DONE, id, "r@example.org", NOW_S);
    tracking_rollback(tracking);
    story = find((struct tracking_query){ .id = id }, &count);
    assert_int_equal(story->event_count, 1);
}

static bool note_again(void)
{
    struct queue_origin origin = { .client_address = span_of("192.0.2.1") };
    struct queue_attempt what = { .at_s = NOW_S };

    begin(NOW_S);
    if (tracking_add_note(tracking, &origin, &what, NULL) && tracking_commit(tracking, NULL))
        return true;
    tracking_rollback(tracking);
    return false;
}

static void a_log_that_may_not_grow_begins_anew(void **state)
{
    int lost = 0;

    (void)state;
    assert_true(note_again());
    limit_files_to(256 * 1024);
    for (int i = 0; i < 300; i++) {
        bool was_kept = note_again() || note_again();

        if (!was_kept)
            lost++;
    }
    limit_files_to(0);
    assert_int_equal(lost, 0);
}

static void old_days_are_unlinked_and_late_stories_keep_what_is_left(void **state)
{
    int64_t id = accept(NOW_S, 0, "s@example.net", "r@example.org", "<1@x>");
    struct tracking_story *story;
    int64_t *days;
    size_t count;

    (void)state;
    attempt(NOW_S + DAY_S, TRACKING_DEFERRED, id, "r@example.org");
    begin(NOW_S + 30 * DAY_S);
    assert_true(tracking_commit(tracking, NULL));
    assert_true(tracking_days_list(folder, &arena, &days, &count, NULL));
    assert_int_equal(count, 2);
    assert_int_equal(days[0], tracking_day_of(NOW_S + DAY_S));
    story = find((struct tracking_query){ .id = id }, &count);
    assert_int_equal(count, 1);
    assert_int_equal(story->envelope.id, id);
    assert_int_equal(story->envelope.sender.len, 0);
    assert_int_equal(story->event_count, 1);
}

static void an_id_that_nobody_knows_has_no_story(void **state)
{
    size_t count;

    (void)state;
    find((struct tracking_query){ .id = 12345 }, &count);
    assert_int_equal(count, 0);
    accept(NOW_S, 0, "s@example.net", "r@example.org", "<1@x>");
    find((struct tracking_query){ .id = 12345 }, &count);
    assert_int_equal(count, 0);
}

static void a_folder_that_is_not_there_has_no_stories(void **state)
{
    struct tracking_query query = { .most = 1 };
    struct tracking_story *stories;
    size_t count = 1;

    (void)state;
    assert_true(tracking_find("/proc/none", &query, &arena, &stories, &count, NULL));
    assert_int_equal(count, 0);
}

static void a_day_that_is_only_begun_has_no_stories(void **state)
{
    struct tracking_query notes = { .notes = true };
    char path[128];
    size_t count = 1;

    (void)state;
    snprintf(path, sizeof path, "%s/2026-11-21.db", folder);
    fclose(fopen(path, "w")); /* as SQLite leaves it until the tables are there */
    find(notes, &count);
    assert_int_equal(count, 0);
    find((struct tracking_query){ .id = 12345 }, &count);
    assert_int_equal(count, 0);
}

static void files_that_are_not_ours_are_left_alone(void **state)
{
    static const char *const names[] = { "2026-11-21.db-wal", "2026-11-2.db", "readme.db",
                                         "0000-99-99.db", "2026.11.21.db" };
    char path[128];
    int64_t *days;
    size_t count;

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        fclose(fopen(path, "w"));
    }
    assert_true(tracking_days_list(folder, &arena, &days, &count, NULL));
    assert_int_equal(count, 0);
    assert_true(tracking_days_expire(folder, INT64_MAX / DAY_S, NULL));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        assert_int_equal(unlink(path), 0);
    }
}

static void the_store_tells_the_whole_story(void **state)
{
    static const enum tracking_kind kinds[] = { TRACKING_ACCEPTED, TRACKING_HELD,
                                                TRACKING_RELEASED, TRACKING_DEFERRED,
                                                TRACKING_RETRIED,  TRACKING_DONE };
    struct asking asking;
    struct queue_selection all = { 0 };
    struct queue_lease lease;
    struct tracking_query query = { .most = 10 };
    struct tracking_story *stories;
    char stories_folder[128];
    size_t count;

    (void)state;
    asking_open(&asking);
    asking_put(&asking, "s@example.net", "r@example.org", 2000, 500, &query.id);
    asking_change(&asking, QUEUE_HOLD, all, ASKING_NOW_S);
    asking_change(&asking, QUEUE_RELEASE, all, ASKING_NOW_S);
    lease = asking_lease(&asking, ASKING_NOW_S, 10, &arena);
    asking_settle(&asking, &lease, 0, 0, QUEUE_DEFERRED, ASKING_NOW_S + 300);
    asking_change(&asking, QUEUE_RETRY, all, ASKING_NOW_S);
    lease = asking_lease(&asking, ASKING_NOW_S, 10, &arena);
    asking_settle(&asking, &lease, 0, 0, QUEUE_DONE, 0);
    assert_int_equal(asking_stats(&asking).tracking_lost, 0);
    snprintf(stories_folder, sizeof stories_folder, "%s/tracking", asking.folder);
    assert_true(tracking_find(stories_folder, &query, &arena, &stories, &count, NULL));
    assert_int_equal(count, 1);
    assert_int_equal(stories[0].envelope.size_bytes, 2000);
    assert_int_equal(stories[0].event_count, sizeof kinds / sizeof kinds[0]);
    for (size_t i = 0; i < stories[0].event_count; i++)
        assert_int_equal(stories[0].events[i].kind, kinds[i]);
    asking_close(&asking);
}

static void a_note_goes_through_the_store(void **state)
{
    struct asking asking;
    struct queue_note note = { .origin.helo = span_of("old.example.net"),
                               .attempt.at_s = ASKING_NOW_S };
    struct tracking_query query = { .notes = true, .most = 10 };
    struct tracking_story *stories;
    char stories_folder[128];
    size_t count;

    (void)state;
    asking_open(&asking);
    queue_note(asking.door, &note, asking_answered, &asking);
    asking_wait(&asking, 1);
    assert_int_equal(note.request.status, QUEUE_OK);
    assert_int_equal(asking_stats(&asking).tracking_lost, 0);
    snprintf(stories_folder, sizeof stories_folder, "%s/tracking", asking.folder);
    assert_true(tracking_find(stories_folder, &query, &arena, &stories, &count, NULL));
    assert_int_equal(count, 1);
    asking_close(&asking);
}

static void tell(struct asking *asking, struct queue_session session)
{
    struct queue_tell told = { .session = session };

    queue_tell(asking->door, &told, asking_answered, asking);
    asking_wait(asking, 1);
    assert_int_equal(told.request.status, QUEUE_OK);
}

static void a_session_is_told_beside_the_queue(void **state)
{
    struct asking asking;
    int64_t commits;

    (void)state;
    asking_open(&asking);
    commits = asking_stats(&asking).commits;
    tell(&asking, (struct queue_session){ .id = queue_door_id(asking.door),
                                          .at_s = ASKING_NOW_S,
                                          .relay = span_of("mx.example.org[192.0.2.1]:25") });
    assert_int_equal(asking_stats(&asking).commits, commits);
    assert_int_equal(asking_stats(&asking).tracking_lost, 0);
    asking_close(&asking);
}

/* Without asking for anything that would write what waits. */
static size_t wait_for_events(const char *stories_folder, int64_t id, size_t wanted)
{
    struct tracking_query query = { .id = id, .most = 1 };
    struct tracking_story *stories = NULL;
    size_t count = 0, found = 0;

    for (int i = 0; i < 2000 && found < wanted; i++) {
        usleep(5000);
        assert_true(tracking_find(stories_folder, &query, &arena, &stories, &count, NULL));
        found = count == 0 ? 0 : stories[0].event_count;
    }
    return found;
}

static void a_story_is_written_by_itself_also_where_a_session_is_told_behind_it(void **state)
{
    struct asking asking;
    struct queue_lease lease;
    struct queue_tell told = { .request = { .may_be_refused = false } };
    struct queue_settle settle;
    struct queue_settlement settlement = { .result = QUEUE_DONE };
    char stories_folder[128];
    int64_t id;

    (void)state;
    asking_open(&asking);
    snprintf(stories_folder, sizeof stories_folder, "%s/tracking", asking.folder);
    asking_put(&asking, "s@example.net", "r@example.org", 100, 100, &id);
    assert_int_equal(wait_for_events(stories_folder, id, 1), 1);
    lease = asking_lease(&asking, ASKING_NOW_S, 10, &arena);
    settlement.id = id;
    settlement.recipient = &lease.messages[0].recipients[0];
    settlement.attempt.at_s = ASKING_NOW_S;
    told.session.id = settlement.attempt.session = queue_door_id(asking.door);
    settle = (struct queue_settle){ .lease = lease.number, .settlements = &settlement, .count = 1 };
    queue_settle(asking.door, &settle, asking_answered, &asking);
    queue_tell(asking.door, &told, asking_answered, &asking); /* in the same batch */
    asking_wait(&asking, 2);
    assert_int_equal(wait_for_events(stories_folder, id, 2), 2);
    asking_close(&asking);
}

static void no_session_gets_an_id_that_another_had_before(void **state)
{
    struct asking asking;
    int64_t before;

    (void)state;
    asking_open(&asking);
    before = queue_door_id(asking.door);
    tell(&asking, (struct queue_session){ .id = before });
    asking_reopen(&asking); /* within the same second */
    assert_true(queue_door_id(asking.door) > before);
    asking_close(&asking);
}

static void mail_goes_on_where_no_story_can_be_written(void **state)
{
    struct asking asking;
    char path[128];

    (void)state;
    asking_open(&asking);
    snprintf(path, sizeof path, "%s/tracking", asking.folder);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(asking_put(&asking, "s@example.net", "r@example.org", 100, 100, NULL),
                     QUEUE_OK);
    assert_int_equal(asking_stats(&asking).messages, 1);
    assert_true(asking_stats(&asking).tracking_lost > 0);
    asking_close(&asking);
}

static void each_kind_has_its_name(void **state)
{
    (void)state;
    assert_string_equal(tracking_kind_name(TRACKING_ACCEPTED), "accepted");
    for (unsigned i = 0; i < TRACKING_KINDS; i++)
        assert_true(strlen(tracking_kind_name((enum tracking_kind)i)) > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_one, close_one)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_story_goes_over_several_days),
        TEST(messages_are_found_by_each_of_their_facts),
        TEST(only_the_time_that_was_asked_for_is_shown),
        TEST(a_session_that_failed_is_a_note_of_its_own),
        TEST(what_is_rolled_back_was_never_told),
        TEST(a_log_that_may_not_grow_begins_anew),
        TEST(old_days_are_unlinked_and_late_stories_keep_what_is_left),
        TEST(an_id_that_nobody_knows_has_no_story),
        TEST(a_folder_that_is_not_there_has_no_stories),
        TEST(a_day_that_is_only_begun_has_no_stories),
        TEST(files_that_are_not_ours_are_left_alone),
        TEST(the_store_tells_the_whole_story),
        TEST(a_note_goes_through_the_store),
        TEST(a_session_is_told_beside_the_queue),
        TEST(a_story_is_written_by_itself_also_where_a_session_is_told_behind_it),
        TEST(no_session_gets_an_id_that_another_had_before),
        TEST(mail_goes_on_where_no_story_can_be_written),
        cmocka_unit_test(each_kind_has_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
