/* tests/unit/queue/store_sqlite_open_test.c - promises of a queue that is opened where there is no room */
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../test.h"
#include "file_limit.h"
#include "one_queue.h"

enum { SIZE = 1000, FILE_MOST = 4096 };

static enum queue_status put(int64_t *id)
{
    return asking_put(&asking, "sender@example.net", "a@example.org", SIZE, SIZE, id);
}

static enum queue_status ask_for_mail(size_t *count)
{
    struct queue_lease lease = {
        .now_s = ASKING_NOW_S, .until_s = ASKING_NOW_S + 300, .most = 10, .arena = &arena
    };

    queue_lease(asking.door, &lease, asking_answered, &asking);
    asking_wait(&asking, 1);
    *count = lease.message_count;
    return lease.request.status;
}

/* No file of it may have more than one page, and then all may. */
static void find_it_shut_until_there_is_room(int64_t promised)
{
    size_t count;
    int64_t id;

    limit_files_to(FILE_MOST);
    asking_start(&asking);
    assert_true(queue_door_id(asking.door) > promised);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(put(&id), QUEUE_FULL);
        assert_int_equal(ask_for_mail(&count), QUEUE_FULL);
    }
    limit_files_to(0);
    assert_int_equal(ask_for_mail(&count), QUEUE_OK);
    assert_int_equal(count, 1);
    assert_true(asking_has_body(&asking, promised, SIZE));
    assert_int_equal(put(&id), QUEUE_OK);
    assert_true(id > promised);
    assert_true(asking_has_body(&asking, id, SIZE));
    assert_int_equal(asking_stats(&asking).messages, 2);
}

static void where_there_is_no_room_it_is_full_and_opens_by_itself_when_there_is(void **state)
{
    int64_t promised;

    (void)state;
    assert_int_equal(put(&promised), QUEUE_OK);
    asking_stop(&asking);
    find_it_shut_until_there_is_room(promised);
}

/* Only the journal has it; nobody but the child had the queue open. */
static void what_a_crash_left_in_the_journal_waits_for_room_and_is_kept(void **state)
{
    int64_t promised = 0;
    int ends[2], status;
    pid_t child;

    (void)state;
    asking_stop(&asking);
    assert_int_equal(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        asking_start(&asking);
        if (put(&promised) != QUEUE_OK ||
            write(ends[1], &promised, sizeof promised) != (ssize_t)sizeof promised)
            _exit(1);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(read(ends[0], &promised, sizeof promised), (ssize_t)sizeof promised);
    close(ends[0]);
    close(ends[1]);
    find_it_shut_until_there_is_room(promised);
}

static void a_file_that_is_kept_for_another_use_gives_its_room(void **state)
{
    struct stat facts;
    size_t count;
    char path[96];
    FILE *spare;

    (void)state;
    asking_stop(&asking);
    snprintf(path, sizeof path, "%s/journal/spare", asking.folder);
    spare = fopen(path, "w");
    assert_non_null(spare);
    assert_int_equal(fclose(spare), 0);
    limit_files_to(FILE_MOST);
    asking_start(&asking);
    assert_int_not_equal(stat(path, &facts), 0);
    assert_int_equal(ask_for_mail(&count), QUEUE_FULL);
}

static void a_queue_that_was_never_open_is_closed_as_it_was(void **state)
{
    int64_t promised;
    size_t count;

    (void)state;
    assert_int_equal(put(&promised), QUEUE_OK);
    asking_stop(&asking);
    limit_files_to(FILE_MOST);
    asking_start(&asking);
    assert_int_equal(ask_for_mail(&count), QUEUE_FULL);
    asking_stop(&asking);
    limit_files_to(0);
    asking_start(&asking);
    assert_true(asking_has_body(&asking, promised, SIZE));
    assert_int_equal(asking_stats(&asking).messages, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, one_queue_open, one_queue_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(where_there_is_no_room_it_is_full_and_opens_by_itself_when_there_is),
        TEST(what_a_crash_left_in_the_journal_waits_for_room_and_is_kept),
        TEST(a_file_that_is_kept_for_another_use_gives_its_room),
        TEST(a_queue_that_was_never_open_is_closed_as_it_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
