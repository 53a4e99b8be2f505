/* tests/unit/queue/story_writer_test.c - promises of queue/story_writer.h */
#include <sched.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../test.h"
#include "queue/story_writer.h"
#include "queue/tracking_days.h"

enum { NOW_S = 1767225600, ARENA_BYTES = 1024 * 1024 };

static char folder[64];
static struct story_writer *writer;
static struct arena arena;
static struct error err;

/* In the place of SQLite's: whoever finds the database locked waits till it is not. */
static atomic_bool has_waited;

static int wait_on(void *owner, int times)
{
    (void)owner;
    (void)times;
    atomic_store(&has_waited, true);
    sched_yield();
    return 1;
}

int sqlite3_busy_timeout(sqlite3 *connection, int ms)
{
    (void)ms;
    return sqlite3_busy_handler(connection, wait_on, NULL);
}

static int open_writer(void **state)
{
    struct tracking *tracking;

    (void)state;
    snprintf(folder, sizeof folder, "/tmp/postern-stories-XXXXXX");
    assert_non_null(mkdtemp(folder));
    arena_init(&arena, ARENA_BYTES);
    assert_true(tracking_open(folder, 30, &tracking, &err));
    assert_true(story_writer_open(tracking, &writer, &err));
    return 0;
}

static int close_writer(void **state)
{
    char command[128];

    (void)state;
    story_writer_close(&writer);
    assert_null(writer);
    arena_clear(&arena);
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static const struct story *story_of(int64_t id)
{
    struct story *story = arena_new(&arena, 1, sizeof *story);

    assert_non_null(story);
    story->kind = STORY_OF_EVENT;
    story->event = (struct tracking_event){ .kind = TRACKING_ACCEPTED,
                                            .id = id,
                                            .recipient = arena_copy_bytes(&arena, span_of("r@x")),
                                            .attempt.at_s = NOW_S };
    return story;
}

static bool give(int64_t id)
{
    return story_writer_give(writer, story_of(id), &arena, NOW_S);
}

static size_t count_events(int64_t id)
{
    struct tracking_query query = { .id = id, .most = 10 };
    struct tracking_story *stories;
    struct arena found;
    size_t count, events;

    arena_init(&found, ARENA_BYTES);
    assert_true(tracking_find(folder, &query, &found, &stories, &count, &err));
    events = count == 0 ? 0 : stories[0].event_count;
    arena_clear(&found);
    return events;
}

static void what_it_was_given_is_written_when_it_was_waited_for(void **state)
{
    (void)state;
    assert_true(give(7));
    assert_int_equal(arena.used, 0); /* another's from here on */
    story_writer_wait(writer);
    assert_int_equal(count_events(7), 1);
    assert_true(give(7));
    story_writer_wait(writer);
    assert_int_equal(count_events(7), 2);
    assert_int_equal(story_writer_lost(writer), 0);
}

static void it_takes_nothing_while_it_writes_and_who_gives_need_not_wait(void **state)
{
    char path[TRACKING_PATH_BYTES];
    sqlite3 *other;

    (void)state;
    assert_true(give(1));
    story_writer_wait(writer);
    assert_true(tracking_day_path(folder, tracking_day_of(NOW_S), path, &err));
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    atomic_store(&has_waited, false);
    assert_true(give(2));
    while (!atomic_load(&has_waited))
        sched_yield();
    assert_false(give(3));
    assert_true(arena.used > 0); /* still the giver's */
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
    story_writer_wait(writer);
    assert_int_equal(count_events(2), 1);
    assert_int_equal(count_events(3), 0);
}

static void what_cannot_be_written_is_lost_and_counted_and_the_next_is_written(void **state)
{
    (void)state;
    assert_int_equal(rmdir(folder), 0);
    assert_true(give(1));
    story_writer_wait(writer);
    assert_int_equal(story_writer_lost(writer), 1);
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_true(give(2));
    story_writer_wait(writer);
    assert_int_equal(story_writer_lost(writer), 1);
    assert_int_equal(count_events(1), 0);
    assert_int_equal(count_events(2), 1);
}

static void what_did_not_fit_its_arena_is_lost_and_counted(void **state)
{
    (void)state;
    arena.limit = 16 * 1024;
    while (!arena.exhausted)
        (void)!arena_new(&arena, 1, 1024);
    assert_true(story_writer_give(writer, NULL, &arena, NOW_S));
    story_writer_wait(writer);
    assert_int_equal(story_writer_lost(writer), 1);
}

static void closing_writes_what_it_was_given(void **state)
{
    (void)state;
    assert_true(give(9));
    story_writer_close(&writer);
    assert_int_equal(count_events(9), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_writer, close_writer)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_it_was_given_is_written_when_it_was_waited_for),
        TEST(it_takes_nothing_while_it_writes_and_who_gives_need_not_wait),
        TEST(what_cannot_be_written_is_lost_and_counted_and_the_next_is_written),
        TEST(what_did_not_fit_its_arena_is_lost_and_counted),
        TEST(closing_writes_what_it_was_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
