/* tests/unit/queue/store_sqlite_people_test.c - promises of queue/store.h about what people ask of the queue */
#include <stdio.h>

#include "../test.h"
#include "one_queue.h"

enum { LATER_S = ASKING_NOW_S + 300 };

static void what_is_held_waits_for_a_release(void **state)
{
    struct queue_selection all = { 0 };
    struct queue_lease lease;

    (void)state;
    asking_put_some(&asking, "a@example.org,b@EXAMPLE.com");
    assert_int_equal(asking_change(&asking, QUEUE_HOLD,
                                   (struct queue_selection){ .domain = span_of("example.COM") },
                                   ASKING_NOW_S)
                         .changed,
                     1);
    lease = asking_lease(&asking, LATER_S, 10, &arena);
    assert_int_equal(lease.messages[0].recipient_count, 1);
    assert_true(span_equal(lease.messages[0].recipients[0].address, span_of("a@example.org")));
    assert_int_equal(asking_change(&asking, QUEUE_RELEASE, all, LATER_S).changed, 1);
    lease = asking_lease(&asking, LATER_S, 10, &arena);
    assert_true(span_equal(lease.messages[0].recipients[0].address, span_of("b@EXAMPLE.com")));
}

static void holding_what_is_under_way_lets_it_end(void **state)
{
    struct queue_selection all = { 0 };
    struct queue_lease lease;

    (void)state;
    asking_put_some(&asking, "a@example.org,b@example.org");
    lease = asking_lease(&asking, ASKING_NOW_S, 10, &arena);
    assert_int_equal(asking_change(&asking, QUEUE_HOLD, all, ASKING_NOW_S).changed, 2);
    assert_int_equal(asking_settle(&asking, &lease, 0, 0, QUEUE_DONE, 0), 1);
    assert_int_equal(asking_settle(&asking, &lease, 0, 1, QUEUE_DEFERRED, LATER_S), 0);
    assert_int_equal(asking_count(&asking, QUEUE_DONE), 1);
    assert_int_equal(asking_count(&asking, QUEUE_HELD), 1);
}

static void a_retry_makes_due_what_waits(void **state)
{
    struct queue_selection all = { 0 };
    struct queue_lease lease;

    (void)state;
    asking_put_some(&asking, "a@example.org");
    lease = asking_lease(&asking, ASKING_NOW_S, 10, &arena);
    asking_settle(&asking, &lease, 0, 0, QUEUE_DEFERRED, LATER_S);
    assert_int_equal(asking_change(&asking, QUEUE_RETRY, all, ASKING_NOW_S + 1).changed, 1);
    lease = asking_lease(&asking, ASKING_NOW_S + 1, 10, &arena);
    assert_int_equal(lease.message_count, 1);
    assert_int_equal(lease.messages[0].recipients[0].attempts, 1);
}

static void what_is_deleted_is_gone_and_nothing_else(void **state)
{
    int64_t id = asking_put_some(&asking, "a@example.org"),
            other = asking_put_some(&asking, "a@example.org,b@example.com");
    struct queue_lease lease = asking_lease(&asking, ASKING_NOW_S, 10, &arena);

    (void)state;
    assert_int_equal(
        asking_change(&asking, QUEUE_DELETE, (struct queue_selection){ .id = id }, ASKING_NOW_S)
            .changed,
        1);
    assert_true(asking_has_body(&asking, id, 0));
    assert_true(asking_has_body(&asking, other, 1000));
    assert_int_equal(asking_settle(&asking, &lease, 0, 0, QUEUE_DONE, 0), 0);
    assert_int_equal(asking_settle(&asking, &lease, 1, 0, QUEUE_DONE, 0), 1);
    asking_change(&asking, QUEUE_DELETE,
                  (struct queue_selection){ .domain = span_of("example.com") }, ASKING_NOW_S);
    assert_int_equal(asking_stats(&asking).messages, 0);
}

static void a_change_goes_through_more_than_one_round(void **state)
{
    enum { MESSAGES = 30, EACH = 100 };
    struct queue_selection all = { 0 };
    char recipients[EACH * 20] = "";
    size_t used = 0;

    (void)state;
    for (int i = 0; i < EACH; i++)
        used += (size_t)snprintf(recipients + used, sizeof recipients - used, "%sr%d@example.org",
                                 i == 0 ? "" : ",", i);
    for (int i = 0; i < MESSAGES; i++)
        asking_put_some(&asking, recipients);
    assert_int_equal(asking_change(&asking, QUEUE_HOLD, all, ASKING_NOW_S).changed,
                     MESSAGES * EACH);
    assert_int_equal(asking_count(&asking, QUEUE_HELD), MESSAGES * EACH);
    assert_int_equal(asking_change(&asking, QUEUE_DELETE, all, ASKING_NOW_S).changed,
                     MESSAGES * EACH);
    assert_int_equal(asking_stats(&asking).messages, 0);
}

static void a_list_shows_whole_messages_page_by_page(void **state)
{
    struct queue_list list = { .most = 2, .arena = &arena };
    int64_t ids[5], seen[5];
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < 5; i++)
        ids[i] = asking_put_some(&asking, "a@example.org,b@example.com");
    do {
        queue_list(asking.door, &list, asking_answered, &asking);
        asking_wait(&asking, 1);
        assert_int_equal(list.request.status, QUEUE_OK);
        for (size_t i = 0; i < list.message_count; i++) {
            assert_int_equal(list.messages[i].recipient_count, 2);
            seen[count++] = list.messages[i].envelope.id;
        }
    } while (list.has_more);
    assert_int_equal(count, 5);
    assert_memory_equal(ids, seen, sizeof ids);
}

static void a_list_shows_only_what_was_asked_for(void **state)
{
    struct queue_list list = { .most = 10, .arena = &arena, .by_state = true };
    int64_t id = asking_put_some(&asking, "a@example.org,b@example.com");

    (void)state;
    asking_put_some(&asking, "a@example.org");
    list.selection.domain = span_of("Example.Com");
    list.state = QUEUE_WAITING;
    queue_list(asking.door, &list, asking_answered, &asking);
    asking_wait(&asking, 1);
    assert_int_equal(list.message_count, 1);
    assert_int_equal(list.messages[0].envelope.id, id);
    list.state = QUEUE_HELD;
    list.after = 0;
    queue_list(asking.door, &list, asking_answered, &asking);
    asking_wait(&asking, 1);
    assert_int_equal(list.message_count, 0);
    assert_int_equal(
        asking_list(&asking, (struct queue_selection){ .id = 5 }, &arena).message_count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, one_queue_open, one_queue_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_held_waits_for_a_release),
        TEST(holding_what_is_under_way_lets_it_end),
        TEST(a_retry_makes_due_what_waits),
        TEST(what_is_deleted_is_gone_and_nothing_else),
        TEST(a_change_goes_through_more_than_one_round),
        TEST(a_list_shows_whole_messages_page_by_page),
        TEST(a_list_shows_only_what_was_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
