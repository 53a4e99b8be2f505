/* tests/unit/queue/id_test.c - promises of queue/id.h */
#include <string.h>

#include "../test.h"
#include "queue/id.h"

enum { NOW_S = 1795219200 };

static void each_id_is_greater_than_the_one_before_whatever_the_clock_does(void **state)
{
    static const int64_t times[] = { NOW_S, NOW_S, NOW_S + 1, NOW_S - 3600, 0, -5, NOW_S + 7200 };
    struct queue_id_maker maker;
    int64_t last = 0;

    (void)state;
    queue_id_init(&maker, 3, 0);
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        for (int n = 0; n < 1000; n++) {
            int64_t id = queue_id_next(&maker, times[i]);

            assert_true(id > last);
            last = id;
        }
    }
    assert_int_equal(queue_id_time_s(last), NOW_S + 7200);
}

static void a_second_that_is_used_up_runs_ahead(void **state)
{
    struct queue_id_maker maker;
    int64_t id = 0;

    (void)state;
    queue_id_init(&maker, 0, 0);
    for (long n = 0; n <= 1 << 21; n++)
        id = queue_id_next(&maker, NOW_S);
    assert_int_equal(queue_id_time_s(id), NOW_S + 1);
}

static void two_lanes_never_give_the_same(void **state)
{
    struct queue_id_maker one, other;

    (void)state;
    queue_id_init(&one, 0, 0);
    queue_id_init(&other, QUEUE_ID_LANES - 1, 0);
    for (int n = 0; n < 1000; n++) {
        int64_t a = queue_id_next(&one, NOW_S), b = queue_id_next(&other, NOW_S);

        assert_true(a < b); /* the lane is the last of an id: order is that of time */
        assert_true(b < queue_id_next(&one, NOW_S));
        queue_id_next(&other, NOW_S);
    }
}

static void a_restart_goes_on_behind_the_newest_even_with_a_clock_gone_back(void **state)
{
    struct queue_id_maker before, after;
    int64_t newest;

    (void)state;
    queue_id_init(&before, 511, 0);
    newest = queue_id_next(&before, NOW_S);
    queue_id_init(&after, 0, newest);
    assert_true(queue_id_next(&after, NOW_S - 86400) > newest);
}

static void texts_sort_as_ids_do_and_read_back(void **state)
{
    static const int64_t ids[] = { 0, 1, 31, 32, INT64_C(1927601912381243392), INT64_MAX };
    char last[QUEUE_ID_TEXT + 1] = "";

    (void)state;
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        char text[QUEUE_ID_TEXT + 1];
        int64_t back = -1;

        queue_id_format(ids[i], text);
        assert_int_equal(strlen(text), QUEUE_ID_TEXT);
        assert_true(strcmp(last, text) < 0);
        assert_true(queue_id_parse(span_of(text), &back));
        assert_int_equal(back, ids[i]);
        memcpy(last, text, sizeof last);
    }
}

static void what_is_no_id_is_refused(void **state)
{
    static const char *const texts[] = { "",
                                         "0",
                                         "000000000000",
                                         "00000000000000",
                                         "8000000000000",
                                         "000000000000i",
                                         "000000000000u",
                                         "00000000000-0",
                                         "00000000000 0" };
    int64_t id;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_false(queue_id_parse(span_of(texts[i]), &id));
    assert_false(queue_id_parse((struct span){ "000000\000000000", 13 }, &id));
    assert_true(queue_id_parse(span_of("000000000000Z"), &id));
    assert_int_equal(id, 31);
}

static void a_clock_that_is_out_of_range_gives_ids_too(void **state)
{
    struct queue_id_maker maker;

    (void)state;
    queue_id_init(&maker, 7, 0);
    assert_int_equal(queue_id_time_s(queue_id_next(&maker, -1)), 0);
    assert_int_equal(queue_id_time_s(queue_id_next(&maker, INT64_MAX)), (INT64_C(1) << 33) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_id_is_greater_than_the_one_before_whatever_the_clock_does),
        cmocka_unit_test(a_second_that_is_used_up_runs_ahead),
        cmocka_unit_test(two_lanes_never_give_the_same),
        cmocka_unit_test(a_restart_goes_on_behind_the_newest_even_with_a_clock_gone_back),
        cmocka_unit_test(texts_sort_as_ids_do_and_read_back),
        cmocka_unit_test(what_is_no_id_is_refused),
        cmocka_unit_test(a_clock_that_is_out_of_range_gives_ids_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
