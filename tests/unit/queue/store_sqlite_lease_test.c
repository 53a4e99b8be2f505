/* tests/unit/queue/store_sqlite_lease_test.c - promises of queue/store.h about leases and what becomes of them */
#include "../test.h"
#include "one_queue.h"

enum { LATER_S = ASKING_NOW_S + 300 };

static void a_lease_takes_what_is_due_and_nobody_else_gets_it(void **state)
{
    struct queue_lease first, second;
    int64_t id = asking_put_some(&asking, "a@example.org,b@example.com");

    (void)state;
    first = asking_lease(&asking, ASKING_NOW_S, 10, &arena);
    assert_int_equal(first.message_count, 1);
    assert_int_equal(first.messages[0].envelope.id, id);
    assert_int_equal(first.messages[0].recipient_count, 2);
    assert_int_equal(first.next_due_at_s, first.until_s);
    second = asking_lease(&asking, ASKING_NOW_S, 10, &arena);
    assert_int_equal(second.message_count, 0);
    assert_int_equal(asking_count(&asking, QUEUE_LEASED), 2);
}

static void a_lease_that_ends_gives_back(void **state)
{
    struct queue_lease first, second;

    (void)state;
    asking_put_some(&asking, "a@example.org");
    first = asking_lease(&asking, ASKING_NOW_S, 10, &arena);
    second = asking_lease(&asking, first.until_s, 10, &arena);
    assert_int_equal(second.message_count, 1);
    /* The first holder comes late: a deferral counts no more, a delivery does. */
    assert_int_equal(asking_settle(&asking, &first, 0, 0, QUEUE_DEFERRED, LATER_S), 0);
    assert_int_equal(asking_settle(&asking, &first, 0, 0, QUEUE_DONE, 0), 1);
    assert_int_equal(asking_settle(&asking, &second, 0, 0, QUEUE_DONE, 0), 0);
    assert_int_equal(asking_stats(&asking).messages, 0);
}

static void a_restart_gives_leases_back_at_once(void **state)
{
    struct queue_lease lease;

    (void)state;
    asking_put_some(&asking, "a@example.org");
    asking_lease(&asking, ASKING_NOW_S, 10, &arena);
    asking_reopen(&asking);
    assert_int_equal(asking_count(&asking, QUEUE_WAITING), 1);
    lease = asking_lease(&asking, ASKING_NOW_S, 10, &arena);
    assert_int_equal(lease.message_count, 1);
}

static void a_lease_is_no_larger_than_asked_and_says_when_more_is_due(void **state)
{
    struct queue_lease lease;

    (void)state;
    for (int i = 0; i < 5; i++)
        asking_put_some(&asking, "a@example.org,b@example.org");
    lease = asking_lease(&asking, ASKING_NOW_S, 3, &arena);
    assert_int_equal(lease.message_count, 2);
    assert_int_equal(lease.messages[0].recipient_count, 2);
    assert_int_equal(lease.messages[1].recipient_count, 1);
    assert_true(lease.messages[0].envelope.id < lease.messages[1].envelope.id);
    assert_int_equal(lease.next_due_at_s, ASKING_NOW_S);
}

static bool has_leased_body(const struct queue_message *message, size_t size)
{
    if (message->body.len != size)
        return false;
    for (size_t i = 0; i < size; i++)
        if (message->body.data[i] != asking_byte(message->envelope.id, i))
            return false;
    return true;
}

static void a_lease_with_bodies_brings_the_small_ones_whole(void **state)
{
    static const struct {
        size_t size, part, brought;
    } cases[] = { { 0, 1, 0 },
                  { 1, 1, 1 },
                  { 5000, 1000, 5000 },
                  { QUEUE_LEASED_BODY, QUEUE_PART_BYTES, QUEUE_LEASED_BODY },
                  { QUEUE_LEASED_BODY + 1, QUEUE_PART_BYTES, 0 },
                  { 100000, QUEUE_PART_BYTES, 0 } };
    enum { CASES = sizeof cases / sizeof cases[0] };
    struct queue_lease lease = {
        .now_s = ASKING_NOW_S, .until_s = LATER_S, .most = 10, .with_bodies = true, .arena = &arena
    };

    (void)state;
    for (size_t i = 0; i < CASES; i++)
        assert_int_equal(
            asking_put(&asking, "", "a@example.org", cases[i].size, cases[i].part, NULL), QUEUE_OK);
    queue_lease(asking.door, &lease, asking_answered, &asking);
    asking_wait(&asking, 1);
    assert_int_equal(lease.request.status, QUEUE_OK);
    assert_int_equal(lease.message_count, CASES);
    for (size_t i = 0; i < CASES; i++)
        assert_true(has_leased_body(&lease.messages[i], cases[i].brought));
}

static void a_lease_without_bodies_brings_none(void **state)
{
    struct queue_lease lease;

    (void)state;
    asking_put_some(&asking, "a@example.org");
    lease = asking_lease(&asking, ASKING_NOW_S, 10, &arena);
    assert_int_equal(lease.messages[0].body.len, 0);
}

static void what_is_deferred_comes_back_when_it_is_due_with_its_last_attempt(void **state)
{
    struct queue_lease lease;
    const struct queue_recipient *recipient;

    (void)state;
    asking_put_some(&asking, "a@example.org");
    lease = asking_lease(&asking, ASKING_NOW_S, 10, &arena);
    assert_int_equal(asking_settle(&asking, &lease, 0, 0, QUEUE_DEFERRED, LATER_S), 1);
    assert_int_equal(asking_count(&asking, QUEUE_DEFERRED), 1);
    lease = asking_lease(&asking, LATER_S - 1, 10, &arena);
    assert_int_equal(lease.message_count, 0);
    assert_int_equal(lease.next_due_at_s, LATER_S);
    lease = asking_lease(&asking, LATER_S, 10, &arena);
    assert_int_equal(lease.message_count, 1);
    recipient = &lease.messages[0].recipients[0];
    assert_int_equal(recipient->attempts, 1);
    assert_true(recipient->has_warned);
    assert_true(span_equal(recipient->last_code, span_of("4.7.5")));
    assert_true(span_equal(recipient->last_reply, span_of("454 later")));
    assert_true(span_equal(recipient->last_finding, span_of("certificate-expired")));
}

static void what_is_given_back_untried_has_no_attempt(void **state)
{
    struct queue_lease lease;

    (void)state;
    asking_put_some(&asking, "a@example.org");
    lease = asking_lease(&asking, ASKING_NOW_S, 10, &arena);
    assert_int_equal(asking_settle(&asking, &lease, 0, 0, QUEUE_WAITING, LATER_S), 1);
    assert_int_equal(asking_count(&asking, QUEUE_WAITING), 1);
    lease = asking_lease(&asking, LATER_S, 10, &arena);
    assert_int_equal(lease.messages[0].recipients[0].attempts, 0);
}

static void a_message_goes_with_its_last_recipient_and_not_before(void **state)
{
    int64_t id = asking_put_some(&asking, "a@example.org,b@example.org,c@example.org");
    struct queue_lease lease = asking_lease(&asking, ASKING_NOW_S, 10, &arena);

    (void)state;
    asking_settle(&asking, &lease, 0, 0, QUEUE_DONE, 0);
    asking_settle(&asking, &lease, 0, 1, QUEUE_BOUNCED, 0);
    assert_int_equal(asking_count(&asking, QUEUE_DONE), 1);
    assert_int_equal(asking_count(&asking, QUEUE_BOUNCED), 1);
    assert_true(asking_has_body(&asking, id, 1000));
    asking_settle(&asking, &lease, 0, 2, QUEUE_DONE, 0);
    assert_int_equal(asking_stats(&asking).messages, 0);
    assert_int_equal(asking_stats(&asking).body_bytes, 0);
    for (unsigned i = 0; i < QUEUE_STATES; i++)
        assert_int_equal(asking_count(&asking, (enum queue_state)i), 0);
    assert_true(asking_has_body(&asking, id, 0));
}

static void memory_that_is_too_small_for_an_answer_is_an_error_and_leases_nothing(void **state)
{
    struct arena small;
    struct queue_lease lease = {
        .now_s = ASKING_NOW_S, .until_s = LATER_S, .most = 10, .arena = &small
    };

    (void)state;
    asking_put_some(&asking, "a@example.org");
    arena_init(&small, 64);
    queue_lease(asking.door, &lease, asking_answered, &asking);
    asking_wait(&asking, 1);
    assert_int_equal(lease.request.status, QUEUE_FAILED);
    assert_int_equal(asking_count(&asking, QUEUE_WAITING), 1);
    assert_int_equal(asking_stats(&asking).failures, 1);
    assert_true(strlen(asking_stats(&asking).last_failure) > 0);
    arena_clear(&small);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, one_queue_open, one_queue_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_lease_takes_what_is_due_and_nobody_else_gets_it),
        TEST(a_lease_that_ends_gives_back),
        TEST(a_restart_gives_leases_back_at_once),
        TEST(a_lease_is_no_larger_than_asked_and_says_when_more_is_due),
        TEST(a_lease_with_bodies_brings_the_small_ones_whole),
        TEST(a_lease_without_bodies_brings_none),
        TEST(what_is_deferred_comes_back_when_it_is_due_with_its_last_attempt),
        TEST(what_is_given_back_untried_has_no_attempt),
        TEST(a_message_goes_with_its_last_recipient_and_not_before),
        TEST(memory_that_is_too_small_for_an_answer_is_an_error_and_leases_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
