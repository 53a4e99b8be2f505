/* tests/unit/net/loop_test.c - promises of net/loop.h */
#include "../test.h"

#include <string.h>

#include "net/loop.h"

struct note {
    struct loop *loop;
    struct loop_timer *timer;
    char *log;
    const char *word;
    int left; /* how often it starts itself again */
    bool stops, closes;
};

static void expire(void *owner)
{
    struct note *note = owner;

    strncat(note->log, note->word, 8);
    if (note->left-- > 0)
        loop_timer_start(note->timer, 1);
    if (note->stops)
        loop_stop(note->loop);
    if (note->closes)
        loop_timer_close(&note->timer);
}

static char log_text[256];

static struct note open_note(struct loop *loop, const char *word)
{
    return (struct note){ .loop = loop, .log = log_text, .word = word };
}

static struct loop *open_loop(void)
{
    struct loop *loop = NULL;

    log_text[0] = '\0';
    assert_true(loop_open(&loop, NULL));
    return loop;
}

static void runs_timers_in_order_and_ends_when_none_is_left(void **state)
{
    struct loop *loop = open_loop();
    struct note late = open_note(loop, "late "), soon = open_note(loop, "soon ");

    (void)state;
    assert_true(loop_timer_open(loop, expire, &late, &late.timer, NULL));
    assert_true(loop_timer_open(loop, expire, &soon, &soon.timer, NULL));
    loop_timer_start(late.timer, 30);
    loop_timer_start(soon.timer, 1);
    loop_run(loop);
    assert_string_equal(log_text, "soon late ");
    loop_close(&loop);
    assert_null(loop);
}

static void starts_again_replaces_and_stops(void **state)
{
    struct loop *loop = open_loop();
    struct note again = open_note(loop, "again "), never = open_note(loop, "never ");

    (void)state;
    again.left = 2;
    assert_true(loop_timer_open(loop, expire, &again, &again.timer, NULL));
    assert_true(loop_timer_open(loop, expire, &never, &never.timer, NULL));
    loop_timer_start(again.timer, 100000);
    loop_timer_start(again.timer, -5);
    loop_timer_start(never.timer, 1);
    loop_timer_stop(never.timer);
    loop_run(loop);
    assert_string_equal(log_text, "again again again ");
    loop_close(&loop);
}

static void may_be_stopped_and_closed_in_a_callback(void **state)
{
    struct loop *loop = open_loop();
    struct note stops = open_note(loop, "stop "), never = open_note(loop, "never ");
    int64_t now_ms = loop_now_ms(loop);

    (void)state;
    stops.stops = stops.closes = true;
    assert_true(loop_timer_open(loop, expire, &stops, &stops.timer, NULL));
    assert_true(loop_timer_open(loop, expire, &never, &never.timer, NULL));
    loop_timer_start(stops.timer, 1);
    loop_timer_start(never.timer, 100000);
    loop_run(loop);
    assert_string_equal(log_text, "stop ");
    assert_null(stops.timer);
    assert_true(loop_now_ms(loop) >= now_ms);
    loop_close(&loop); /* closes the timer that is left */
}

static void may_be_closed_before_it_ran(void **state)
{
    struct loop *loop = open_loop();
    struct note never = open_note(loop, "never ");

    (void)state;
    assert_true(loop_timer_open(loop, expire, &never, &never.timer, NULL));
    loop_timer_start(never.timer, 0);
    loop_close(&loop);
    assert_string_equal(log_text, "");
    loop_close(&loop); /* nothing there */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_timers_in_order_and_ends_when_none_is_left),
        cmocka_unit_test(starts_again_replaces_and_stops),
        cmocka_unit_test(may_be_stopped_and_closed_in_a_callback),
        cmocka_unit_test(may_be_closed_before_it_ran),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
