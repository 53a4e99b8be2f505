/* tests/unit/queue/store_sqlite_bodies_test.c - promises of queue/store.h about bodies, and about the room that they take */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../test.h"
#include "file_limit.h"
#include "one_queue.h"
#include "queue/backend.h"
#include "queue/journal.h"

enum { LATER_S = ASKING_NOW_S + 300, TRIES_MOST = 600 };

static void a_body_of_any_size_and_in_any_parts_comes_back_byte_for_byte(void **state)
{
    static const struct {
        size_t size, part;
    } cases[] = { { 0, 1 },
                  { 1, 1 },
                  { 10, 3 },
                  { QUEUE_PART_BYTES, QUEUE_PART_BYTES },
                  { QUEUE_PART_BYTES + 1, QUEUE_PART_BYTES },
                  { 10 * 1024 * 1024, QUEUE_PART_BYTES },
                  { 100000, 1024 } };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t id;

        assert_int_equal(
            asking_put(&asking, "", "a@example.org", cases[i].size, cases[i].part, &id), QUEUE_OK);
        assert_true(asking_has_body(&asking, id, cases[i].size));
    }
    asking_reopen(&asking);
    assert_int_equal(asking_stats(&asking).messages, 7);
    assert_int_equal(asking_stats(&asking).body_bytes,
                     12 + 2 * QUEUE_PART_BYTES + 10 * 1024 * 1024 + 100000);
}

static void a_put_that_is_aborted_leaves_nothing(void **state)
{
    static char bytes[1000];
    struct queue_put put = { .id = queue_door_id(asking.door), .bytes = { bytes, sizeof bytes } };

    (void)state;
    queue_put_append(asking.door, &put, asking_answered, &asking);
    asking_wait(&asking, 1);
    assert_int_equal(put.request.status, QUEUE_OK);
    queue_put_abort(asking.door, &put, asking_answered, &asking);
    asking_wait(&asking, 1);
    assert_int_equal(put.request.status, QUEUE_OK);
    assert_true(asking_has_body(&asking, put.id, 0));
    assert_int_equal(asking_stats(&asking).messages, 0);
}

static void parts_that_never_became_a_message_are_gone_after_a_restart(void **state)
{
    static char bytes[1000];
    struct queue_put put = { .id = queue_door_id(asking.door), .bytes = { bytes, sizeof bytes } };

    (void)state;
    queue_put_append(asking.door, &put, asking_answered, &asking);
    asking_wait(&asking, 1);
    asking_reopen(&asking);
    assert_true(asking_has_body(&asking, put.id, 0));
}

/* A part, and in the same commit a lease that fails and takes the part with it. */
static void append_in_vain(struct queue_put *put)
{
    static char bytes[1000];
    struct arena small;
    struct queue_lease lease = {
        .now_s = ASKING_NOW_S, .until_s = LATER_S, .most = 10, .arena = &small
    };

    arena_init(&small, 64);
    put->bytes = (struct span){ bytes, sizeof bytes };
    queue_put_append(asking.door, put, asking_answered, &asking);
    queue_lease(asking.door, &lease, asking_answered, &asking);
    asking_wait(&asking, 2);
    assert_int_equal(put->request.status, QUEUE_OK);
    assert_int_equal(lease.request.status, QUEUE_FAILED);
    arena_clear(&small);
}

static void a_message_that_lost_a_part_to_a_failed_commit_is_refused(void **state)
{
    struct queue_recipient recipient = { .address = span_of("a@example.org") };
    bool was_refused = false;

    (void)state;
    asking_put_some(&asking, "a@example.org"); /* for the lease to stumble over */
    /* On a busy machine the part may be committed before the lease comes: then it is kept. */
    for (int i = 0; i < 1000 && !was_refused; i++) {
        struct queue_envelope envelope = { .id = queue_door_id(asking.door) };
        struct queue_put one = { .id = envelope.id, .envelope = &envelope };

        one.recipients = &recipient;
        one.recipient_count = 1;
        append_in_vain(&one);
        one.bytes = span_of("the end");
        queue_put_commit(asking.door, &one, asking_answered, &asking);
        asking_wait(&asking, 1);
        was_refused = one.request.status == QUEUE_FAILED;
        assert_true(was_refused || one.request.status == QUEUE_OK);
        assert_int_equal(
            asking_list(&asking, (struct queue_selection){ .id = one.id }, &arena).message_count,
            was_refused ? 0 : 1);
    }
    assert_true(was_refused);
}

/* What the journal and the database take on the disk. */
static int64_t size_of_the_files(void)
{
    char command[128], answer[64] = "";
    FILE *pipe;

    snprintf(command, sizeof command, "du -s -B1 %s", asking.folder);
    pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_non_null(fgets(answer, sizeof answer, pipe));
    pclose(pipe);
    return strtoll(answer, NULL, 10);
}

static void room_that_is_free_goes_back_to_the_file_system(void **state)
{
    enum { LARGE = 160 * 1024 * 1024, SPARE = 72 * 1024 * 1024 };
    struct queue_selection all = { 0 };

    (void)state;
    assert_int_equal(asking_put(&asking, "", "a@example.org", LARGE, QUEUE_PART_BYTES, NULL),
                     QUEUE_OK);
    asking_reopen(&asking);
    assert_true(size_of_the_files() > LARGE);
    asking_change(&asking, QUEUE_DELETE, all, ASKING_NOW_S);
    for (int i = 0; i < TRIES_MOST && size_of_the_files() > SPARE; i++)
        usleep(100 * 1000); /* after any work it looks for room to give back */
    assert_true(size_of_the_files() <= SPARE);
    asking_put_some(&asking, "a@example.org");
}

static void one_message_that_stays_does_not_keep_the_room_of_all(void **state)
{
    enum { LARGE = 100 * 1024, COUNT = 400, STAYS = 150, SPARE = 26 * 1024 * 1024 };
    struct queue_lease lease;
    int64_t ids[COUNT];

    (void)state;
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(asking_put(&asking, "", "a@example.org", LARGE, QUEUE_PART_BYTES, &ids[i]),
                         QUEUE_OK);
    lease = asking_lease(&asking, ASKING_NOW_S, COUNT, &arena);
    for (size_t i = 0; i < COUNT; i++)
        asking_settle(&asking, &lease, i, 0, i % STAYS == 0 ? QUEUE_DEFERRED : QUEUE_DONE, LATER_S);
    for (int i = 0; i < TRIES_MOST && size_of_the_files() > SPARE; i++)
        usleep(100 * 1000);
    assert_true(size_of_the_files() <= SPARE);
    asking_reopen(&asking);
    for (int i = 0; i < COUNT; i += STAYS)
        assert_true(asking_has_body(&asking, ids[i], LARGE));
}

/* ---- files that may not grow ---- */

enum { FILE_MOST = 256 * 1024, THIRD = 100 * 1024 };

static void *alone;
static struct error why;

/* Only what nobody else asks for in between tells what is in which batch. */
static void open_alone(void)
{
    if (asking.store != NULL)
        asking_stop(&asking);
    if (!queue_sqlite.open(asking.folder, 0, &alone, &why))
        fail_msg("%s", why.text);
}

static void close_alone(void)
{
    queue_sqlite.close(&alone);
    asking_start(&asking);
}

/* What was done since begin: its end. */
static enum queue_status end_batch(enum queue_status status)
{
    if (status == QUEUE_OK)
        status = queue_sqlite.commit(alone, &why);
    if (status != QUEUE_OK)
        queue_sqlite.rollback(alone, status);
    return status;
}

static struct span body_of(int64_t id, size_t from, size_t len)
{
    static char bytes[QUEUE_PART_BYTES];

    for (size_t i = 0; i < len; i++)
        bytes[i] = asking_byte(id, from + i);
    return (struct span){ bytes, len };
}

static enum queue_status append_alone(int64_t id, size_t from, size_t len)
{
    enum queue_status status = queue_sqlite.begin(alone, &why);

    return status != QUEUE_OK
               ? status
               : end_batch(queue_sqlite.append(alone, id, 0, body_of(id, from, len), &why));
}

/* A message of which so many octets were appended in that many parts, and `len` are its last; in a batch. */
static enum queue_status commit_alone(int64_t id, int64_t parts, size_t appended, size_t len)
{
    const struct queue_recipient recipient = { .address = span_of("a@example.org") };
    const struct queue_envelope envelope = { .id = id, .received_at_s = ASKING_NOW_S };
    const struct queue_put put = { .id = id,
                                   .bytes = body_of(id, appended, len),
                                   .parts = parts,
                                   .size_bytes = (int64_t)appended,
                                   .envelope = &envelope,
                                   .recipients = &recipient,
                                   .recipient_count = 1 };

    return queue_sqlite.put(alone, &put, &why);
}

static enum queue_status put_alone(int64_t id, int64_t parts, size_t appended, size_t len)
{
    enum queue_status status = queue_sqlite.begin(alone, &why);

    return status != QUEUE_OK ? status : end_batch(commit_alone(id, parts, appended, len));
}

static void parts_under_way_do_not_tie_the_journal_to_a_file_that_is_full(void **state)
{
    (void)state;
    open_alone();
    limit_files_to(FILE_MOST);
    assert_int_equal(put_alone(1, 0, 0, THIRD), QUEUE_OK);
    assert_int_equal(append_alone(2, 0, THIRD),
                     QUEUE_OK); /* it waits for who is promised something */
    assert_int_equal(append_alone(3, 0, 1000), QUEUE_OK);
    assert_int_equal(append_alone(2, THIRD, 1000), QUEUE_OK);
    assert_int_equal(put_alone(4, 0, 0, THIRD), QUEUE_FULL);
    assert_int_equal(put_alone(5, 0, 0, THIRD), QUEUE_OK);
    assert_int_equal(append_alone(2, THIRD + 1000, 1000), QUEUE_OK);
    assert_int_equal(put_alone(3, 1, 1000, 1000), QUEUE_OK);
    assert_int_equal(put_alone(2, 3, THIRD + 2000, 1000), QUEUE_OK);
    limit_files_to(0);
    close_alone();
    assert_int_equal(asking_stats(&asking).messages, 4);
    assert_true(asking_has_body(&asking, 1, THIRD));
    assert_true(asking_has_body(&asking, 2, THIRD + 3000));
    assert_true(asking_has_body(&asking, 3, 2000));
    assert_true(asking_has_body(&asking, 5, THIRD));
}

static enum queue_status put_with_a_part_of_another(int64_t id, int64_t other)
{
    enum queue_status status = queue_sqlite.begin(alone, &why);

    if (status == QUEUE_OK)
        status = queue_sqlite.append(alone, other, 0, body_of(other, 0, 1000), &why);
    return status != QUEUE_OK ? status : end_batch(commit_alone(id, 0, 0, THIRD));
}

static void parts_that_a_full_disk_took_are_known_for_that(void **state)
{
    const struct queue_put other = { .id = 2, .parts = 1, .size_bytes = 1000 };

    (void)state;
    open_alone();
    limit_files_to(THIRD);
    assert_int_equal(put_with_a_part_of_another(1, 2), QUEUE_FULL);
    limit_files_to(0);
    assert_int_equal(queue_sqlite.find_loss(alone, &other, &why), QUEUE_FULL);
    assert_int_equal(put_with_a_part_of_another(3, 4), QUEUE_OK);
    assert_int_equal(put_alone(4, 1, 1000, 1000), QUEUE_OK);
    assert_int_equal(queue_sqlite.find_loss(alone, &other, &why), QUEUE_FULL);
    close_alone();
    assert_int_equal(asking_stats(&asking).messages, 2);
    assert_true(asking_has_body(&asking, 4, 2000));
}

/* More than one group of the journal holds: memory comes to its end. */
static enum queue_status append_too_much(int64_t id, int64_t last)
{
    enum queue_status status = queue_sqlite.begin(alone, &why);

    for (int i = 0; status == QUEUE_OK && i < JOURNAL_GROUP_BYTES / QUEUE_PART_BYTES - 1; i++)
        status = queue_sqlite.append(alone, id, i, body_of(id, 0, QUEUE_PART_BYTES), &why);
    assert_int_equal(status, QUEUE_OK);
    status = queue_sqlite.append(alone, last, 0, body_of(last, 0, QUEUE_PART_BYTES), &why);
    return end_batch(status);
}

static void of_a_body_whose_first_part_fails_nothing_is_left(void **state)
{
    const struct queue_put never_begun = { .id = 2, .parts = 1 };

    (void)state;
    open_alone();
    assert_int_equal(append_too_much(1, never_begun.id), QUEUE_FAILED);
    assert_int_equal(queue_sqlite.find_loss(alone, &never_begun, &why), QUEUE_FAILED);
    assert_int_equal(append_alone(never_begun.id, 0, 1000), QUEUE_OK);
    assert_int_equal(queue_sqlite.find_loss(alone, &never_begun, &why), QUEUE_OK);
    close_alone();
}

static void a_log_that_may_not_grow_begins_anew(void **state)
{
    enum { COUNT = 200 };

    (void)state;
    open_alone();
    limit_files_to(FILE_MOST);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(put_alone(i + 1, 0, 0, 100), QUEUE_OK);
        queue_sqlite.tidy(alone); /* writes the index */
    }
    limit_files_to(0);
    close_alone();
    assert_int_equal(asking_stats(&asking).messages, COUNT);
    assert_true(asking_has_body(&asking, COUNT, 100));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, one_queue_open, one_queue_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_body_of_any_size_and_in_any_parts_comes_back_byte_for_byte),
        TEST(a_put_that_is_aborted_leaves_nothing),
        TEST(parts_that_never_became_a_message_are_gone_after_a_restart),
        TEST(a_message_that_lost_a_part_to_a_failed_commit_is_refused),
        TEST(room_that_is_free_goes_back_to_the_file_system),
        TEST(one_message_that_stays_does_not_keep_the_room_of_all),
        TEST(parts_under_way_do_not_tie_the_journal_to_a_file_that_is_full),
        TEST(parts_that_a_full_disk_took_are_known_for_that),
        TEST(of_a_body_whose_first_part_fails_nothing_is_left),
        TEST(a_log_that_may_not_grow_begins_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
