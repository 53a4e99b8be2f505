/* tests/unit/queue/schedule_test.c - promises of queue/schedule.h */
#include "../test.h"
#include "base/compiler.h"
#include "queue/schedule.h"

enum { CAME_S = 1795219200, MINUTE = 60, HOUR = 3600, DAY = 86400 };

static struct queue_schedule_decision decide(int64_t attempts, bool has_warned, int64_t now_s,
                                             uint32_t chance)
{
    struct queue_schedule_settings settings = queue_schedule_defaults();
    struct queue_schedule_history history = { CAME_S, attempts, has_warned };

    return queue_schedule_decide(&settings, &history, now_s, chance);
}

static void waits_grow_as_the_list_says_and_the_last_goes_on(void **state)
{
    static const int64_t waits_s[] = { 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR,
                                       2 * HOUR,   4 * HOUR,    4 * HOUR,    4 * HOUR };

    (void)state;
    for (int i = 0; i < 8; i++)
        assert_int_equal(decide(i + 1, false, CAME_S + HOUR, 0).next_at_s,
                         CAME_S + HOUR + waits_s[i]);
    assert_int_equal(decide(INT64_MAX, false, CAME_S, 0).next_at_s, CAME_S + 4 * HOUR);
}

static void chance_adds_at_most_an_eighth(void **state)
{
    int64_t least = INT64_MAX, most = 0;

    (void)state;
    for (uint32_t chance = 0; chance < 5000; chance++) {
        int64_t wait_s = decide(6, false, CAME_S, chance * 2654435761U).next_at_s - CAME_S;

        least = wait_s < least ? wait_s : least;
        most = wait_s > most ? wait_s : most;
    }
    assert_in_range(least, 4 * HOUR, 4 * HOUR + MINUTE);
    assert_in_range(most, 4 * HOUR + 25 * MINUTE, 4 * HOUR + 30 * MINUTE);
    assert_in_range(decide(1, false, CAME_S, UINT32_MAX).next_at_s, CAME_S + 5 * MINUTE,
                    CAME_S + 5 * MINUTE + 38);
}

static void the_last_attempt_is_at_the_end_of_the_lifetime(void **state)
{
    struct queue_schedule_decision decision = decide(9, true, CAME_S + 5 * DAY - HOUR, 77);

    (void)state;
    assert_false(decision.gives_up);
    assert_int_equal(decision.next_at_s, CAME_S + 5 * DAY);
    assert_true(decide(10, true, CAME_S + 5 * DAY, 0).gives_up);
    assert_true(decide(10, true, CAME_S + 50 * DAY, 0).gives_up);
}

static void the_sender_is_warned_once(void **state)
{
    struct queue_schedule_settings never = queue_schedule_defaults();
    struct queue_schedule_history history = { CAME_S, 3, false };

    (void)state;
    assert_false(decide(3, false, CAME_S + 4 * HOUR - 1, 0).warns);
    assert_true(decide(3, false, CAME_S + 4 * HOUR, 0).warns);
    assert_false(decide(4, true, CAME_S + 5 * HOUR, 0).warns);
    never.warn_after_s = 0;
    assert_false(queue_schedule_decide(&never, &history, CAME_S + DAY, 0).warns);
}

static void a_message_that_is_given_up_warns_of_nothing(void **state)
{
    (void)state;
    assert_false(decide(1, false, CAME_S + 6 * DAY, 0).warns);
}

static void a_clock_gone_back_gives_nothing_up(void **state)
{
    struct queue_schedule_decision decision = decide(1, false, CAME_S - DAY, 0);

    (void)state;
    assert_false(decision.gives_up);
    assert_false(decision.warns);
    assert_int_equal(decision.next_at_s, CAME_S - DAY + 5 * MINUTE);
}

static bool may_go_clear(int64_t after_s, int64_t received_at_s, int64_t now_s)
{
    struct queue_schedule_settings settings = queue_schedule_defaults();

    settings.in_the_clear_after_s = after_s;
    return received_at_s <= queue_schedule_clear_since_s(&settings, now_s);
}

/* The clock gives whole seconds: what came at 0.999 and is looked at at 1.000 reads as one old. */
static void no_message_goes_in_the_clear_a_part_of_a_second_early(void **state)
{
    enum { MS = 1000 };
    static const int64_t waits_s[] = { 1, 2, 5 * MINUTE, 30 * DAY };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(waits_s); i++)
        for (int64_t came_ms = 0; came_ms < MS; came_ms += 37)
            for (int64_t age_ms = waits_s[i] * MS - 2 * MS; age_ms < waits_s[i] * MS + 3 * MS;
                 age_ms += 41) {
                int64_t now_s = CAME_S + (came_ms + age_ms) / MS;

                if (age_ms < waits_s[i] * MS)
                    assert_false(may_go_clear(waits_s[i], CAME_S, now_s));
                if (age_ms >= waits_s[i] * MS + MS)
                    assert_true(may_go_clear(waits_s[i], CAME_S, now_s));
            }
}

static void a_clock_gone_back_lets_nothing_into_the_clear(void **state)
{
    (void)state;
    assert_false(may_go_clear(5 * MINUTE, CAME_S, CAME_S - DAY));
    assert_false(may_go_clear(1, CAME_S, CAME_S - 1));
}

static void where_nobody_waits_for_tls_all_may_go_without_at_once(void **state)
{
    (void)state;
    assert_true(may_go_clear(0, CAME_S, CAME_S));
    assert_true(may_go_clear(0, CAME_S, CAME_S - DAY));
}

static void no_attempt_comes_just_short_of_the_time_in_the_clear(void **state)
{
    struct queue_schedule_settings settings = queue_schedule_defaults();
    struct queue_schedule_history history = { .received_at_s = CAME_S, .attempts = 1 };
    int64_t next_at_s;

    (void)state;
    for (int64_t failed_s = CAME_S; failed_s < CAME_S + 3; failed_s++) {
        next_at_s = queue_schedule_decide(&settings, &history, failed_s, 0).next_at_s;
        assert_true(may_go_clear(5 * MINUTE, CAME_S, next_at_s));
        assert_in_range(next_at_s, failed_s + 5 * MINUTE, failed_s + 5 * MINUTE + 1);
    }
    settings.in_the_clear_after_s = settings.lifetime_s; /* the end stays the end */
    assert_int_equal(queue_schedule_decide(&settings, &history, CAME_S + 5 * DAY - 1, 0).next_at_s,
                     CAME_S + 5 * DAY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_grow_as_the_list_says_and_the_last_goes_on),
        cmocka_unit_test(chance_adds_at_most_an_eighth),
        cmocka_unit_test(the_last_attempt_is_at_the_end_of_the_lifetime),
        cmocka_unit_test(the_sender_is_warned_once),
        cmocka_unit_test(a_message_that_is_given_up_warns_of_nothing),
        cmocka_unit_test(a_clock_gone_back_gives_nothing_up),
        cmocka_unit_test(no_message_goes_in_the_clear_a_part_of_a_second_early),
        cmocka_unit_test(a_clock_gone_back_lets_nothing_into_the_clear),
        cmocka_unit_test(where_nobody_waits_for_tls_all_may_go_without_at_once),
        cmocka_unit_test(no_attempt_comes_just_short_of_the_time_in_the_clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
