/* tests/unit/queue/thread_test.c - promises of queue/thread.h */
#include <signal.h>

#include "../test.h"
#include "queue/thread.h"

static void *take_mask(void *argument)
{
    pthread_sigmask(SIG_SETMASK, NULL, argument);
    return NULL;
}

static void no_signal_reaches_it_and_whoever_starts_it_has_them_as_before(void **state)
{
    struct error err = { .text = "" };
    sigset_t before, after, inside;
    pthread_t thread;

    (void)state;
    sigemptyset(&inside);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_int_equal(sigismember(&before, SIGTERM), 0);
    assert_true(queue_thread_start(&thread, take_mask, &inside, "the test", &err));
    pthread_join(thread, NULL);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_int_equal(sigismember(&inside, SIGTERM), 1);
    assert_int_equal(sigismember(&inside, SIGHUP), 1);
    assert_int_equal(sigismember(&after, SIGTERM), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_signal_reaches_it_and_whoever_starts_it_has_them_as_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
