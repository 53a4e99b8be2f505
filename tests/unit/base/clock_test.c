/* tests/unit/base/clock_test.c - promises of base/clock.h */
#include "../test.h"

#include <time.h>

#include "base/clock.h"

static void system_clock_tells_the_time_of_the_day(void **state)
{
    struct clock clock = clock_system();
    int64_t before = (int64_t)time(NULL), told = clock.wall_s(&clock), after = (int64_t)time(NULL);

    (void)state;
    assert_true(before <= told && told <= after);
}

static void monotonic_clock_never_goes_back(void **state)
{
    struct clock clock = clock_system();
    int64_t last = clock.monotonic_ms(&clock);

    (void)state;
    for (int i = 0; i < 10000; i++) {
        int64_t now = clock.monotonic_ms(&clock);

        assert_true(now >= last);
        last = now;
    }
}

static void fixed_clock_stands_still_until_it_is_set(void **state)
{
    struct clock clock = clock_fixed(1700000000, 42);

    (void)state;
    assert_int_equal(clock.wall_s(&clock), 1700000000);
    assert_int_equal(clock.monotonic_ms(&clock), 42);
    assert_int_equal(clock.wall_s(&clock), 1700000000);
    clock.fixed_wall_s++;
    clock.fixed_monotonic_ms += 1000;
    assert_int_equal(clock.wall_s(&clock), 1700000001);
    assert_int_equal(clock.monotonic_ms(&clock), 1042);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(system_clock_tells_the_time_of_the_day),
        cmocka_unit_test(monotonic_clock_never_goes_back),
        cmocka_unit_test(fixed_clock_stands_still_until_it_is_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
