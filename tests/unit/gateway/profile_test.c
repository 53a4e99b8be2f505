/* tests/unit/gateway/profile_test.c - promises of gateway/profile.h */
#include "../test.h"
#include "gateway/profile.h"

#include <pthread.h>

#include "base/compiler.h"

enum { THREADS = 4, ROUNDS = 2000 };

/* A profile that says whether it was released, and would show a race over what its users did. */
struct counted {
    struct gateway_profile profile;
    int released;
};

static void count_release(void *owner)
{
    struct counted *counted = owner;

    counted->released++;
}

static void begin(struct counted *counted)
{
    *counted = (struct counted){ .released = 0 };
    counted->profile.references = 1;
    counted->profile.release = count_release;
    counted->profile.owner = counted;
}

static void lives_until_the_last_reference_is_dropped(void **state)
{
    struct counted counted;
    struct gateway_profile *first = &counted.profile, *second;

    (void)state;
    begin(&counted);
    second = gateway_profile_hold(first);
    assert_ptr_equal(second, &counted.profile);
    gateway_profile_release(&first);
    assert_null(first);
    assert_int_equal(counted.released, 0);
    gateway_profile_release(&second);
    assert_int_equal(counted.released, 1);
}

static void releasing_nothing_is_nothing(void **state)
{
    struct gateway_profile *none = NULL;

    (void)state;
    gateway_profile_release(&none);
    assert_null(none);
}

static void *hold_and_release(void *argument)
{
    struct gateway_profile *held = argument;

    for (int i = 0; i < ROUNDS; i++) {
        struct gateway_profile *again = gateway_profile_hold(held);

        gateway_profile_release(&again);
    }
    gateway_profile_release(&held);
    return NULL;
}

static void is_released_once_however_many_threads_hold_it(void **state)
{
    struct counted counted;
    struct gateway_profile *ours = &counted.profile;
    pthread_t threads[THREADS];

    (void)state;
    begin(&counted);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, hold_and_release, gateway_profile_hold(ours)), 0);
    gateway_profile_release(&ours);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(counted.released, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lives_until_the_last_reference_is_dropped),
        cmocka_unit_test(releasing_nothing_is_nothing),
        cmocka_unit_test(is_released_once_however_many_threads_hold_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
