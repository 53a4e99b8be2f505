/* tests/unit/queue/lock_test.c - promises of queue/lock.h */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../test.h"
#include "queue/lock.h"

static char folder[] = "/tmp/postern-lock-XXXXXX";
static char path[64];

static int make_folder(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/queue.lock", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void one_has_it_and_the_next_is_told_who(void **state)
{
    struct error err = { 0 };
    int first = -1, second = -1;
    char pid[32];

    (void)state;
    assert_false(queue_lock_is_held(path));
    assert_true(queue_lock_open(path, 0, &first, &err));
    assert_true(queue_lock_is_held(path));
    assert_false(queue_lock_open(path, 0, &second, &err));
    assert_int_equal(second, -1);
    assert_int_equal(err.kind, ERROR_BUSY);
    snprintf(pid, sizeof pid, "process %ld ", (long)getpid());
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, pid));
    queue_lock_close(&first);
    assert_int_equal(first, -1);
    assert_false(queue_lock_is_held(path));
    assert_true(queue_lock_open(path, 0, &second, &err));
    queue_lock_close(&second);
}

static void a_holder_that_left_no_number_is_still_a_holder(void **state)
{
    struct error err = { 0 };
    int first = -1, second = -1;

    (void)state;
    assert_true(queue_lock_open(path, 0, &first, &err));
    assert_int_equal(truncate(path, 0), 0);
    assert_false(queue_lock_open(path, 0, &second, &err));
    assert_non_null(strstr(err.text, "another process"));
    queue_lock_close(&first);
}

/* However short the holder's time is, and whoever only looks in between. */
static void who_has_patience_gets_it_when_it_is_free(void **state)
{
    struct error err = { 0 };
    int ours = -1, ready[2];
    char byte = 0;
    pid_t child;

    (void)state;
    assert_int_equal(pipe(ready), 0);
    child = fork();
    if (child == 0) {
        int theirs = -1;

        if (!queue_lock_open(path, 0, &theirs, &err) || write(ready[1], &byte, 1) != 1)
            _exit(1);
        usleep(100 * 1000);
        _exit(0); /* the kernel gives it up */
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_true(queue_lock_is_held(path));
    assert_true(queue_lock_open(path, 60 * 1000, &ours, &err));
    queue_lock_close(&ours);
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(ready[0]);
    close(ready[1]);
}

static void a_file_that_cannot_be_made_is_an_error(void **state)
{
    struct error err = { 0 };
    int descriptor = 7;

    (void)state;
    assert_false(queue_lock_open("/proc/none/queue.lock", 0, &descriptor, &err));
    assert_int_equal(descriptor, -1);
    assert_non_null(strstr(err.text, "/proc/none/queue.lock"));
    queue_lock_close(&descriptor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_has_it_and_the_next_is_told_who),
        cmocka_unit_test(a_holder_that_left_no_number_is_still_a_holder),
        cmocka_unit_test(who_has_patience_gets_it_when_it_is_free),
        cmocka_unit_test(a_file_that_cannot_be_made_is_an_error),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
