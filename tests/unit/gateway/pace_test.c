/* tests/unit/gateway/pace_test.c - promises of gateway/pace.h */
#include "../test.h"
#include "gateway/pace.h"

static const struct pace_settings settings = { .first = 4, .most = 8, .rests = true };
static struct pace pace;

static int set_up(void **state)
{
    (void)state;
    pace_init(&pace, &settings);
    return 0;
}

static void take(size_t messages)
{
    for (size_t i = 0; i < messages; i++)
        pace_take_success(&pace, 0, 1);
}

static void opens_more_connections_while_messages_are_taken(void **state)
{
    (void)state;
    assert_int_equal(pace_connections(&pace), 4);
    take(4);
    assert_int_equal(pace_connections(&pace), 5);
    take(4);
    assert_int_equal(pace_connections(&pace), 5);
    take(1000);
    assert_int_equal(pace_connections(&pace), 8);
}

static void halves_them_where_it_is_too_much_and_never_stops(void **state)
{
    (void)state;
    pace_take_throttle(&pace, 0);
    assert_int_equal(pace_connections(&pace), 2);
    for (int i = 0; i < 100; i++)
        pace_take_throttle(&pace, 0);
    assert_int_equal(pace_connections(&pace), 1);
}

static void keeps_a_distance_where_one_connection_is_too_much(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        pace_take_throttle(&pace, 1000);
    assert_int_equal(pace_begin(&pace, 1000), PACE_DISTANCE_FIRST_MS);
    assert_int_equal(pace_begin(&pace, 1000 + PACE_DISTANCE_FIRST_MS), 0);
    assert_int_equal(pace_begin(&pace, 1000 + PACE_DISTANCE_FIRST_MS), PACE_DISTANCE_FIRST_MS);
    for (int i = 0; i < 100; i++)
        pace_take_throttle(&pace, 1000);
    assert_int_equal(pace_begin(&pace, 1000), PACE_DISTANCE_MOST_MS);
    take(1000);
    assert_int_equal(pace_begin(&pace, 1000), 0);
    assert_int_equal(pace_begin(&pace, 1000), 0);
}

static void leaves_alone_what_fails_longer_each_time(void **state)
{
    (void)state;
    assert_false(pace_rests(&pace, 0));
    pace_take_failure(&pace, 0, PACE_REST_MOST_MS, 0);
    assert_true(pace_rests(&pace, PACE_REST_FIRST_MS - 1));
    assert_false(pace_rests(&pace, PACE_REST_FIRST_MS));
    pace_take_failure(&pace, 0, PACE_REST_MOST_MS, 0);
    assert_true(pace_rests(&pace, 2 * PACE_REST_FIRST_MS - 1));
    for (int i = 0; i < 100; i++)
        pace_take_failure(&pace, 0, PACE_REST_MOST_MS, 0);
    assert_true(pace_rests(&pace, PACE_REST_MOST_MS - 1));
    assert_false(pace_rests(&pace, PACE_REST_MOST_MS));
}

static void rests_no_longer_than_its_messages_wait(void **state)
{
    (void)state;
    pace_take_failure(&pace, 0, 500, 0);
    assert_true(pace_rests(&pace, 499));
    assert_false(pace_rests(&pace, 500));
}

static void spreads_the_end_of_rests(void **state)
{
    struct pace other;

    (void)state;
    pace_init(&other, &settings);
    pace_take_failure(&pace, 0, PACE_REST_MOST_MS, 0);
    pace_take_failure(&other, 0, PACE_REST_MOST_MS, 1023);
    assert_true(other.rests_until_ms < pace.rests_until_ms);
    assert_true(other.rests_until_ms >= pace.rests_until_ms - PACE_REST_FIRST_MS / 8);
}

static void tries_with_one_connection_behind_a_failure(void **state)
{
    (void)state;
    pace_take_failure(&pace, 0, PACE_REST_MOST_MS, 0);
    assert_int_equal(pace_connections(&pace), 1);
    take(1);
    assert_int_equal(pace_connections(&pace), 4);
    assert_false(pace_rests(&pace, 0));
}

static void asks_a_server_of_our_own_house_each_time(void **state)
{
    const struct pace_settings of_house = { .first = 4, .most = 4 };

    (void)state;
    pace_init(&pace, &of_house);
    pace_take_failure(&pace, 0, PACE_REST_MOST_MS, 0);
    assert_false(pace_rests(&pace, 0));
    assert_int_equal(pace_connections(&pace), 1);
}

static void is_tried_at_once_where_somebody_wants_that(void **state)
{
    (void)state;
    pace_take_failure(&pace, 0, PACE_REST_MOST_MS, 0);
    pace_forget(&pace);
    assert_false(pace_rests(&pace, 0));
}

static void opens_one_more_where_many_wait_for_each(void **state)
{
    (void)state;
    assert_true(pace_wants_connection(&pace, 1, 0));
    assert_false(pace_wants_connection(&pace, PACE_MESSAGES, 1));
    assert_true(pace_wants_connection(&pace, PACE_MESSAGES + 1, 1));
    assert_false(pace_wants_connection(&pace, 1000, 4));
    assert_false(pace_wants_connection(&pace, 0, 0));
}

static void opens_one_more_the_sooner_the_longer_messages_take(void **state)
{
    (void)state;
    pace_take_success(&pace, 0, PACE_WAIT_MS / 50);
    assert_false(pace_wants_connection(&pace, 50, 1));
    assert_true(pace_wants_connection(&pace, 51, 1));
    pace_take_success(&pace, 0, PACE_WAIT_MS / 2);
    assert_false(pace_wants_connection(&pace, 2, 1));
    assert_true(pace_wants_connection(&pace, 3, 1));
    pace_take_success(&pace, 0, PACE_WAIT_MS * 100);
    assert_true(pace_wants_connection(&pace, 1, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(opens_more_connections_while_messages_are_taken, set_up),
        cmocka_unit_test_setup(halves_them_where_it_is_too_much_and_never_stops, set_up),
        cmocka_unit_test_setup(keeps_a_distance_where_one_connection_is_too_much, set_up),
        cmocka_unit_test_setup(leaves_alone_what_fails_longer_each_time, set_up),
        cmocka_unit_test_setup(rests_no_longer_than_its_messages_wait, set_up),
        cmocka_unit_test_setup(spreads_the_end_of_rests, set_up),
        cmocka_unit_test_setup(tries_with_one_connection_behind_a_failure, set_up),
        cmocka_unit_test_setup(asks_a_server_of_our_own_house_each_time, set_up),
        cmocka_unit_test_setup(is_tried_at_once_where_somebody_wants_that, set_up),
        cmocka_unit_test_setup(opens_one_more_where_many_wait_for_each, set_up),
        cmocka_unit_test_setup(opens_one_more_the_sooner_the_longer_messages_take, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
