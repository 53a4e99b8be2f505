/* tests/unit/queue/errand_test.c - promises of queue/errand.h */
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "../test.h"
#include "queue/errand.h"

static struct errand errand;
static struct error err;
static int given, taken; /* never at once: that is promised */
static atomic_int begun;
static atomic_bool may_end;

static void take(void *owner)
{
    assert_ptr_equal(owner, &given);
    atomic_fetch_add(&begun, 1);
    while (!atomic_load(&may_end))
        sched_yield();
    taken += given;
}

static int open_errand(void **state)
{
    (void)state;
    given = taken = 0;
    atomic_store(&begun, 0);
    atomic_store(&may_end, true);
    assert_true(errand_open(&errand, take, &given, "the test", &err));
    return 0;
}

static int close_errand(void **state)
{
    (void)state;
    atomic_store(&may_end, true);
    errand_close(&errand);
    return 0;
}

static void what_is_given_is_taken_once_each_time_that_it_is_asked(void **state)
{
    (void)state;
    errand_wait(&errand);
    assert_int_equal(taken, 0);
    for (given = 1; given <= 100; given++) {
        errand_start(&errand);
        errand_wait(&errand);
    }
    assert_int_equal(taken, 5050);
    assert_int_equal(atomic_load(&begun), 100);
}

static void whoever_asks_need_not_wait_and_one_thing_is_done_at_a_time(void **state)
{
    (void)state;
    assert_false(errand_is_under_way(&errand));
    atomic_store(&may_end, false);
    given = 1;
    errand_start(&errand);
    assert_true(errand_is_under_way(&errand));
    while (atomic_load(&begun) == 0)
        sched_yield();
    errand_start(&errand);
    assert_true(errand_is_under_way(&errand));
    atomic_store(&may_end, true);
    while (errand_is_under_way(&errand))
        sched_yield();
    assert_int_equal(taken, 1);
    assert_int_equal(atomic_load(&begun), 1);
}

static void closing_waits_for_what_was_asked_for(void **state)
{
    (void)state;
    given = 7;
    errand_start(&errand);
    errand_close(&errand);
    assert_int_equal(taken, 7);
}

static void one_that_was_not_opened_may_be_closed(void **state)
{
    struct errand none;

    (void)state;
    memset(&none, 0, sizeof none);
    errand_close(&none);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_errand, close_errand)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_given_is_taken_once_each_time_that_it_is_asked),
        TEST(whoever_asks_need_not_wait_and_one_thing_is_done_at_a_time),
        TEST(closing_waits_for_what_was_asked_for),
        cmocka_unit_test(one_that_was_not_opened_may_be_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
