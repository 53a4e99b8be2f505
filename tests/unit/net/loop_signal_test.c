/* tests/unit/net/loop_signal_test.c - promises of signals in net/loop.h */
#include <signal.h>

#include "../test.h"
#include "net/loop.h"

static int arrived;

static void note(void *owner)
{
    arrived++;
    loop_stop(owner);
}

static void raise_one(void *owner)
{
    (void)owner;
    raise(SIGUSR2);
}

static void a_signal_is_an_event_of_the_loop_and_kills_nobody(void **state)
{
    struct loop *loop = NULL;
    struct loop_signal *on = NULL;
    struct loop_timer *timer = NULL;
    struct error err = { 0 };

    (void)state;
    assert_true(loop_open(&loop, &err));
    assert_true(loop_on_signal(loop, SIGUSR2, note, loop, &on, &err));
    assert_true(loop_timer_open(loop, raise_one, NULL, &timer, &err));
    loop_timer_start(timer, 0);
    loop_run(loop);
    assert_int_equal(arrived, 1);
    loop_timer_start(timer, 0);
    loop_run(loop);
    assert_int_equal(arrived, 2);
    loop_signal_close(&on);
    assert_null(on);
    loop_timer_close(&timer);
    loop_close(&loop);
}

static void a_signal_that_cannot_be_waited_for_is_an_error(void **state)
{
    struct loop *loop = NULL;
    struct loop_signal *on = NULL;
    struct error err = { 0 };

    (void)state;
    assert_true(loop_open(&loop, &err));
    assert_false(loop_on_signal(loop, SIGKILL, note, loop, &on, &err));
    assert_null(on);
    loop_close(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signal_is_an_event_of_the_loop_and_kills_nobody),
        cmocka_unit_test(a_signal_that_cannot_be_waited_for_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
