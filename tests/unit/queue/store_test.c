/* tests/unit/queue/store_test.c - promises of queue/store.h that no database can keep alone: grouping, failures, bounds */
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "../test.h"
#include "asking.h"
#include "queue/backend.h"

enum { PUTS_MOST = 200 };

/* A database that counts, stops in a commit until it may go on, and fails when told to. */
static struct fake {
    sem_t has_reached, may_go, has_dropped;
    atomic_bool stops;
    _Atomic int begins, commits, rollbacks, puts, drops;
    _Atomic int begin_status, put_status, commit_status, loss_status;
    _Atomic int64_t newest_id; /* negative: nobody knows */
} fake;

static atomic_llong fake_now_ms;

static bool open_fake(const char *folder, int64_t patience_ms, void **queue, struct error *err)
{
    (void)folder;
    (void)patience_ms;
    (void)err;
    *queue = &fake;
    return true;
}

static int64_t newest_id_fake(const void *queue)
{
    (void)queue;
    return fake.newest_id;
}

static void close_fake(void **queue)
{
    *queue = NULL;
}

static enum queue_status fail_as(int status, struct error *err)
{
    if (status != QUEUE_OK)
        error_set(err, ERROR_SYSTEM, "told to fail as %d", status);
    return (enum queue_status)status;
}

static enum queue_status begin_fake(void *queue, struct error *err)
{
    (void)queue;
    fake.begins++;
    return fail_as(fake.begin_status, err);
}

static enum queue_status commit_fake(void *queue, struct error *err)
{
    (void)queue;
    if (fake.stops) {
        sem_post(&fake.has_reached);
        sem_wait(&fake.may_go);
    }
    fake.commits++;
    return fail_as(fake.commit_status, err);
}

static void rollback_fake(void *queue, enum queue_status why)
{
    (void)queue;
    (void)why;
    fake.rollbacks++;
}

static enum queue_status append_fake(void *queue, int64_t id, int64_t number, struct span bytes,
                                     struct error *err)
{
    (void)queue;
    (void)id;
    (void)number;
    (void)bytes;
    return fail_as(fake.put_status, err);
}

static enum queue_status find_loss_fake(void *queue, const struct queue_put *put, struct error *err)
{
    (void)queue;
    (void)put;
    return fail_as(fake.loss_status, err);
}

static enum queue_status put_fake(void *queue, const struct queue_put *put, struct error *err)
{
    (void)queue;
    (void)put;
    fake.puts++;
    return fail_as(fake.put_status, err);
}

static enum queue_status drop_fake(void *queue, int64_t id, struct error *err)
{
    int status = fake.put_status; /* may change as soon as it is told */

    (void)queue;
    (void)id;
    fake.drops++;
    sem_post(&fake.has_dropped);
    return fail_as(status, err);
}

static enum queue_status settle_fake(void *queue, int64_t lease,
                                     const struct queue_settlement *settlement, bool *was_settled,
                                     struct error *err)
{
    (void)queue;
    (void)lease;
    (void)settlement;
    (void)err;
    *was_settled = true;
    return QUEUE_OK;
}

static void count_fake(const void *queue, struct queue_counts *counts)
{
    (void)queue;
    *counts = (struct queue_counts){ 0 };
}

static bool tidy_fake(void *queue)
{
    (void)queue;
    return false;
}

static const struct queue_backend backend = { .open = open_fake,
                                              .newest_id = newest_id_fake,
                                              .close = close_fake,
                                              .begin = begin_fake,
                                              .commit = commit_fake,
                                              .rollback = rollback_fake,
                                              .append = append_fake,
                                              .find_loss = find_loss_fake,
                                              .put = put_fake,
                                              .drop = drop_fake,
                                              .settle = settle_fake,
                                              .count = count_fake,
                                              .tidy = tidy_fake };

static int64_t read_wall_s(const struct clock *clock)
{
    (void)clock;
    return ASKING_NOW_S;
}

static int64_t read_monotonic_ms(const struct clock *clock)
{
    (void)clock;
    return fake_now_ms;
}

static struct asking asking;
static struct queue_put given[PUTS_MOST];
static struct queue_envelope envelopes[PUTS_MOST];
static const struct queue_recipient recipient = { .address = { "a@example.org", 13 } };
static char bytes[QUEUE_PART_BYTES];

static int open_one(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof fake);
    memset(given, 0, sizeof given);
    sem_init(&fake.has_reached, 0, 0);
    sem_init(&fake.may_go, 0, 0);
    sem_init(&fake.has_dropped, 0, 0);
    fake_now_ms = 1000;
    asking = (struct asking){ .settings = queue_store_defaults("/nowhere") };
    asking.settings.backend = &backend;
    asking.settings.tracking_days = 0;
    asking.settings.waiting_most = 1000;
    asking.settings.clock.wall_s = read_wall_s;
    asking.settings.clock.monotonic_ms = read_monotonic_ms;
    asking_start(&asking);
    return 0;
}

static int close_one(void **state)
{
    (void)state;
    asking_stop(&asking);
    sem_destroy(&fake.has_reached);
    sem_destroy(&fake.may_go);
    sem_destroy(&fake.has_dropped);
    return 0;
}

static void start_commit(size_t index)
{
    struct queue_put *put = &given[index];

    put->envelope = &envelopes[index];
    put->recipients = &recipient;
    put->recipient_count = 1;
    envelopes[index] = (struct queue_envelope){ .id = put->id };
    queue_put_commit(asking.door, put, asking_answered, &asking);
}

static void start_put(size_t index, size_t len)
{
    given[index].id = queue_door_id(asking.door);
    given[index].bytes = (struct span){ bytes, len };
    start_commit(index);
}

/* Gives the store one put and waits until its commit is under way. */
static void stop_in_a_commit(void)
{
    fake.stops = true;
    start_put(0, 10);
    sem_wait(&fake.has_reached);
    fake.stops = false;
}

static void what_came_while_a_commit_was_under_way_is_one_commit(void **state)
{
    (void)state;
    stop_in_a_commit();
    for (size_t i = 1; i < 50; i++)
        start_put(i, 10);
    sem_post(&fake.may_go);
    asking_wait(&asking, 50);
    for (size_t i = 0; i < 50; i++)
        assert_int_equal(given[i].request.status, QUEUE_OK);
    assert_int_equal(fake.commits, 2);
    assert_int_equal(fake.puts, 50);
}

static void a_commit_is_bounded_in_bytes(void **state)
{
    enum { PER_COMMIT = QUEUE_COMMIT_BYTES / QUEUE_PART_BYTES };

    (void)state;
    stop_in_a_commit();
    for (size_t i = 1; i <= 2 * PER_COMMIT + 1; i++)
        start_put(i, QUEUE_PART_BYTES);
    sem_post(&fake.may_go);
    asking_wait(&asking, 2 * PER_COMMIT + 2);
    assert_int_equal(fake.commits, 4);
}

static void a_commit_that_fails_fails_all_that_waited_for_it_and_nobody_after(void **state)
{
    (void)state;
    fake.commit_status = QUEUE_FULL;
    stop_in_a_commit();
    start_put(1, 10);
    sem_post(&fake.may_go);
    asking_wait(&asking, 2);
    assert_int_equal(given[0].request.status, QUEUE_FULL);
    assert_int_equal(given[1].request.status, QUEUE_FULL);
    assert_int_equal(fake.rollbacks, 2);
    assert_int_equal(asking_stats(&asking).puts, 0);
    fake.commit_status = QUEUE_OK;
    start_put(2, 10);
    asking_wait(&asking, 1);
    assert_int_equal(given[2].request.status, QUEUE_OK);
    assert_int_equal(asking_stats(&asking).puts, 1);
    assert_string_equal(asking_stats(&asking).last_failure, "told to fail as 1");
}

static void a_database_that_is_held_by_somebody_else_is_answered_busy(void **state)
{
    (void)state;
    fake.begin_status = QUEUE_BUSY;
    start_put(0, 10);
    asking_wait(&asking, 1);
    assert_int_equal(given[0].request.status, QUEUE_BUSY);
    assert_int_equal(fake.puts, 0);
    fake.begin_status = QUEUE_OK;
    start_put(1, 10);
    asking_wait(&asking, 1);
    assert_int_equal(given[1].request.status, QUEUE_OK);
}

static void where_too_much_waits_puts_are_refused_and_settlements_are_not(void **state)
{
    struct queue_recipient leased = { .address = recipient.address };
    struct queue_settlement settlement = { .id = 1, .recipient = &leased, .result = QUEUE_DONE };
    struct queue_settle settle = { .settlements = &settlement, .count = 1 };

    (void)state;
    asking_stop(&asking);
    asking.settings.waiting_most = 3;
    asking_start(&asking);
    stop_in_a_commit();
    for (size_t i = 1; i <= 5; i++)
        start_put(i, 10);
    queue_settle(asking.door, &settle, asking_answered, &asking);
    asking_wait(&asking, 2); /* the refusals come while the commit is still under way */
    assert_int_equal(given[4].request.status, QUEUE_BUSY);
    assert_int_equal(given[5].request.status, QUEUE_BUSY);
    sem_post(&fake.may_go);
    asking_wait(&asking, 5);
    assert_int_equal(given[3].request.status, QUEUE_OK);
    assert_int_equal(settle.request.status, QUEUE_OK);
    assert_int_equal(settle.settled, 1);
    assert_int_equal(asking_stats(&asking).busy, 2);
}

static void a_put_that_waited_too_long_is_answered_busy_undone(void **state)
{
    (void)state;
    stop_in_a_commit();
    start_put(1, 10);
    fake_now_ms += asking.settings.patience_ms + 1;
    start_put(2, 10);
    sem_post(&fake.may_go);
    asking_wait(&asking, 3);
    assert_int_equal(given[0].request.status, QUEUE_OK);
    assert_int_equal(given[1].request.status, QUEUE_BUSY);
    assert_int_equal(given[2].request.status, QUEUE_OK);
    assert_int_equal(fake.puts, 2);
}

static void append(size_t index)
{
    given[index].bytes = (struct span){ bytes, 100 };
    queue_put_append(asking.door, &given[index], asking_answered, &asking);
    asking_wait(&asking, 1);
}

static void parts_of_a_message_that_failed_are_dropped_as_soon_as_that_works(void **state)
{
    (void)state;
    given[0].id = queue_door_id(asking.door);
    append(0);
    assert_int_equal(given[0].request.status, QUEUE_OK);
    assert_int_equal(given[0].parts, 1);
    assert_int_equal(given[0].size_bytes, 100);
    fake.put_status = QUEUE_FULL;
    start_commit(0);
    asking_wait(&asking, 1);
    assert_int_equal(given[0].request.status, QUEUE_FULL);
    sem_wait(&fake.has_dropped); /* in vain */
    fake.put_status = QUEUE_OK;
    sem_wait(&fake.has_dropped);
}

/* However many there are: each would hold its room on the disk until the next start. */
static void every_body_that_is_given_up_while_nothing_can_be_written_is_dropped_later(void **state)
{
    enum { MANY = 1000 };
    static struct queue_put many[MANY];

    (void)state;
    memset(many, 0, sizeof many);
    for (size_t i = 0; i < MANY; i++)
        many[i] = (struct queue_put){ .id = queue_door_id(asking.door), .parts = 1 };
    fake.begin_status = QUEUE_FULL;
    for (size_t i = 0; i < MANY; i++)
        queue_put_abort(asking.door, &many[i], asking_answered, &asking);
    asking_wait(&asking, MANY);
    assert_int_equal(fake.drops, 0);
    fake.begin_status = QUEUE_OK;
    start_put(0, 10); /* behind any work it looks after them */
    asking_wait(&asking, 1);
    for (size_t i = 0; i < MANY; i++)
        sem_wait(&fake.has_dropped);
}

static void a_part_that_fails_is_told_at_once(void **state)
{
    (void)state;
    given[0].id = queue_door_id(asking.door);
    fake.put_status = QUEUE_FAILED;
    append(0);
    assert_int_equal(given[0].request.status, QUEUE_FAILED);
    assert_int_equal(given[0].parts, 0);
    assert_int_equal(fake.rollbacks, 1);
}

static void a_part_that_an_earlier_batch_lost_fails_its_message_and_no_other(void **state)
{
    (void)state;
    given[1].id = queue_door_id(asking.door);
    append(1);
    stop_in_a_commit();
    fake.loss_status = QUEUE_FULL;
    start_commit(1);
    start_put(2, 10);
    sem_post(&fake.may_go);
    asking_wait(&asking, 3);
    assert_int_equal(given[1].request.status, QUEUE_FULL);
    assert_int_equal(given[2].request.status, QUEUE_OK);
    assert_int_equal(fake.rollbacks, 0);
    assert_int_equal(fake.puts, 2);
    sem_wait(&fake.has_dropped); /* what is left of it */
}

static void a_message_that_lost_a_part_is_told_at_the_next(void **state)
{
    (void)state;
    given[0].id = queue_door_id(asking.door);
    append(0);
    fake.loss_status = QUEUE_FULL;
    append(0);
    assert_int_equal(given[0].request.status, QUEUE_FULL);
    assert_int_equal(given[0].parts, 1);
    assert_int_equal(fake.rollbacks, 0);
}

static void an_id_that_was_given_unawares_is_refused_where_an_earlier_message_has_it(void **state)
{
    (void)state;
    asking_stop(&asking);
    fake.newest_id = -1;
    asking_start(&asking);
    given[0].id = queue_door_id(asking.door);
    given[1].id = queue_door_id(asking.door);
    fake.newest_id = given[0].id;
    start_commit(0);
    start_commit(1);
    start_put(2, 10);
    asking_wait(&asking, 3);
    assert_int_equal(given[0].request.status, QUEUE_FULL);
    assert_int_equal(given[1].request.status, QUEUE_OK);
    assert_int_equal(given[2].request.status, QUEUE_OK);
    assert_true(given[2].id > given[1].id);
    assert_int_equal(fake.rollbacks, 0);
    assert_int_equal(fake.puts, 2);
}

static void parts_alone_are_committed_too(void **state)
{
    (void)state;
    given[0].id = queue_door_id(asking.door);
    fake.stops = true;
    append(0);
    sem_wait(&fake.has_reached); /* nobody waits for it, and it comes all the same */
    fake.stops = false;
    sem_post(&fake.may_go);
}

static void close_the_door(void *owner)
{
    queue_door_close(&asking.door);
    asking_answered(owner);
}

static void the_door_may_be_closed_with_the_last_answer(void **state)
{
    struct queue_stats stats = { 0 };

    (void)state;
    queue_stats(asking.door, &stats, close_the_door, &asking);
    asking_wait(&asking, 1);
    assert_null(asking.door);
}

static void each_status_has_its_name(void **state)
{
    (void)state;
    assert_string_equal(queue_status_name(QUEUE_OK), "ok");
    assert_string_equal(queue_status_name(QUEUE_FULL), "full");
    assert_string_equal(queue_status_name(QUEUE_BUSY), "busy");
    assert_string_equal(queue_status_name(QUEUE_FAILED), "failed");
    assert_string_equal(queue_status_name(QUEUE_ABSENT), "absent");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_one, close_one)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_came_while_a_commit_was_under_way_is_one_commit),
        TEST(a_commit_is_bounded_in_bytes),
        TEST(a_commit_that_fails_fails_all_that_waited_for_it_and_nobody_after),
        TEST(a_database_that_is_held_by_somebody_else_is_answered_busy),
        TEST(where_too_much_waits_puts_are_refused_and_settlements_are_not),
        TEST(a_put_that_waited_too_long_is_answered_busy_undone),
        TEST(parts_of_a_message_that_failed_are_dropped_as_soon_as_that_works),
        TEST(every_body_that_is_given_up_while_nothing_can_be_written_is_dropped_later),
        TEST(a_part_that_fails_is_told_at_once),
        TEST(a_part_that_an_earlier_batch_lost_fails_its_message_and_no_other),
        TEST(a_message_that_lost_a_part_is_told_at_the_next),
        TEST(an_id_that_was_given_unawares_is_refused_where_an_earlier_message_has_it),
        TEST(parts_alone_are_committed_too),
        TEST(the_door_may_be_closed_with_the_last_answer),
        cmocka_unit_test(each_status_has_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
