/* tests/unit/queue/tracking_shadow_test.c - promises of queue/tracking_shadow.h */
#include "stories.h"

#include "queue/tracking_shadow.h"

static unsigned lane;

static int open_empty(void **state)
{
    lane = 0;
    return open_stories(state);
}

static void tell(int64_t now_s, const char *destination, const char *would)
{
    tell_session(now_s, (struct queue_session){ .id = make_id(now_s, lane++),
                                                .destination = span_of(destination),
                                                .would = span_of(would) });
}

static struct tracking_shadow count(const char *level, struct tracking_query query)
{
    struct tracking_shadow shadow;
    struct error err = { 0 };

    if (!tracking_shadow_find(folder, level, &query, &arena, &shadow, &err))
        fail_msg("%s", err.text);
    return shadow;
}

static void sessions_that_a_level_would_have_refused_are_counted_by_cause(void **state)
{
    static const char both[] = "encrypt=starttls-not-offered verify=starttls-not-offered";
    struct tracking_shadow shadow;

    (void)state;
    for (int i = 0; i < 5; i++)
        tell(NOW_S + i, "example.org", "");
    for (int i = 0; i < 3; i++)
        tell(NOW_S + DAY_S, "example.org", "verify=certificate-name-mismatch");
    tell(NOW_S + DAY_S, "Example.org", both);
    tell(NOW_S - 5, "example.org", "unknown");
    shadow = count("verify", (struct tracking_query){ .destination = span_of("example.org") });
    assert_int_equal(shadow.all.sessions, 9);
    assert_int_equal(shadow.all.refused, 4);
    assert_int_equal(shadow.all.cause_count, 2);
    expect_text(shadow.all.causes[0].finding, "certificate-name-mismatch");
    assert_int_equal(shadow.all.causes[0].sessions, 3);
    expect_text(shadow.all.causes[1].finding, "starttls-not-offered");
    assert_int_equal(shadow.all.causes[1].sessions, 1);
    assert_int_equal(shadow.first_s, NOW_S);
    assert_int_equal(shadow.seen, 1);
    shadow = count("encrypt", (struct tracking_query){ .destination = span_of("example.org") });
    assert_int_equal(shadow.all.refused, 1);
    shadow = count("secure", (struct tracking_query){ .destination = span_of("example.org") });
    assert_int_equal(shadow.all.sessions, 9);
    assert_int_equal(shadow.all.refused, 0);
}

static void the_worst_destinations_come_first(void **state)
{
    struct tracking_shadow shadow;

    (void)state;
    tell(NOW_S, "a.example", "verify=certificate-expired");
    tell(NOW_S, "well.example", "");
    for (int i = 0; i < 2; i++)
        tell(NOW_S, "b.example", "verify=certificate-self-signed");
    tell(NOW_S, "b.example", "");
    shadow = count("verify", (struct tracking_query){ .most = 1 });
    assert_int_equal(shadow.seen, 3);
    assert_int_equal(shadow.destination_count, 2);
    expect_text(shadow.destinations[0].destination, "b.example");
    assert_int_equal(shadow.destinations[0].sessions, 3);
    assert_int_equal(shadow.destinations[0].refused, 2);
    expect_text(shadow.destinations[0].causes[0].finding, "certificate-self-signed");
    expect_text(shadow.destinations[1].destination, "a.example");
}

static void only_the_time_and_the_destination_that_were_asked_for_count(void **state)
{
    (void)state;
    tell(NOW_S, "a.example", "");
    tell(NOW_S + DAY_S, "x.a.example", "");
    tell(NOW_S + 2 * DAY_S, "b.example", "");
    assert_int_equal(count("verify", (struct tracking_query){ .since_s = NOW_S + 1 }).all.sessions,
                     2);
    assert_int_equal(
        count("verify", (struct tracking_query){ .since_s = NOW_S + 1, .until_s = NOW_S + DAY_S })
            .all.sessions,
        1);
    assert_int_equal(count("verify", (struct tracking_query){ .destination = span_of("A.example") })
                         .all.sessions,
                     1);
    assert_int_equal(
        count("verify", (struct tracking_query){ .destination = span_of(".example") }).all.sessions,
        3);
    assert_int_equal(
        count("verify", (struct tracking_query){ .destination = span_of(".a.example") })
            .all.sessions,
        1);
}

static void a_diagnosis_is_no_session_of_its_own(void **state)
{
    (void)state;
    tell(NOW_S, "a.example", "");
    tell_session(NOW_S, (struct queue_session){ .id = make_id(NOW_S, 99),
                                                .of_session = make_id(NOW_S, 0),
                                                .destination = span_of("a.example") });
    assert_int_equal(count("verify", (struct tracking_query){ .most = 1 }).all.sessions, 1);
}

static void nothing_is_counted_where_nothing_was_told(void **state)
{
    struct tracking_shadow shadow = count("verify", (struct tracking_query){ .most = 1 });

    (void)state;
    assert_int_equal(shadow.all.sessions, 0);
    assert_int_equal(shadow.destination_count, 0);
    assert_int_equal(shadow.first_s, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_empty, close_stories)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sessions_that_a_level_would_have_refused_are_counted_by_cause),
        TEST(the_worst_destinations_come_first),
        TEST(only_the_time_and_the_destination_that_were_asked_for_count),
        TEST(a_diagnosis_is_no_session_of_its_own),
        TEST(nothing_is_counted_where_nothing_was_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
