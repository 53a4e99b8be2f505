/* tests/unit/gateway/delivery_test.c - promises of gateway/delivery.h about leases, waking, reload, drain */
#include "../test.h"
#include "delivering.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lmtp_server.h"
#include "queue/backend.h"

static const char body[] = "Subject: one\r\n\r\ntext\r\n";

static struct delivering delivering;
static struct lmtp_server server;

static int open_all(void **state)
{
    (void)state;
    server = (struct lmtp_server){ .greeting = NULL };
    delivering_open(&delivering);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    if (delivering.delivery != NULL)
        delivering_stop(&delivering);
    lmtp_server_stop(&server);
    delivering_close(&delivering);
    return 0;
}

static int64_t attempts_of(int64_t id)
{
    AUTO(arena_clear) struct arena arena = { .limit = 64 * 1024 * 1024 };
    struct queue_list list =
        asking_list(&delivering.asking, (struct queue_selection){ .id = id }, &arena);

    assert_int_equal(list.message_count, 1);
    return list.messages[0].recipients[0].attempts;
}

static void turn_often(void)
{
    for (int i = 0; i < 100; i++)
        delivering_turn(&delivering);
}

static int64_t put(const char *recipients)
{
    return delivering_put(&delivering, "from@example.net", recipients, span_of(body));
}

static void delivers_what_was_there_before_and_what_comes_later(void **state)
{
    (void)state;
    put("before@box.example");
    delivering_start(&delivering);
    delivering_empty(&delivering);
    put("after@box.example");
    delivering_empty(&delivering);
    assert_int_equal(delivering_files(&delivering, "box.example/before", "new", NULL), 1);
    assert_int_equal(delivering_files(&delivering, "box.example/after", "new", NULL), 1);
}

static void divides_a_message_among_mailboxes_servers_and_the_far(void **state)
{
    AUTO(arena_clear) struct arena arena = { .limit = 4 * 1024 * 1024 };
    const char *const words[] = { " deferred id=", " to=<d@elsewhere.example>", " code=4.4.3",
                                  "no resolver" };
    int64_t id;

    (void)state;
    lmtp_server_start(&server, delivering.asking.loop);
    delivering.domains[DELIVERING_ONE].address = server.address;
    id = put("a@box.example,b@one.example,c@far.example,d@elsewhere.example,e@[127.0.0.1]");
    delivering_start(&delivering);
    delivering_settle(&delivering);
    assert_int_equal(delivering_end_of(&delivering, id, "a@box.example"), TRACKING_DONE);
    assert_int_equal(delivering_end_of(&delivering, id, "b@one.example"), TRACKING_DONE);
    assert_int_equal(delivering_end_of(&delivering, id, "c@far.example"), TRACKING_DEFERRED);
    assert_int_equal(delivering_end_of(&delivering, id, "d@elsewhere.example"), TRACKING_DEFERRED);
    assert_int_equal(delivering_end_of(&delivering, id, "e@[127.0.0.1]"), TRACKING_DEFERRED);
    assert_true(span_equal(delivering_story(&delivering, id, "c@far.example", &arena).attempt.code,
                           span_of("4.4.1")));
    assert_true(delivering_logged(&delivering, words, ARRAY_SIZE(words)));
}

static void delivers_more_than_it_ever_has_in_hand(void **state)
{
    enum { MESSAGES = DELIVERING_IN_HAND + 150 };

    (void)state;
    for (int i = 0; i < MESSAGES; i++)
        put("user@box.example");
    delivering_start(&delivering);
    delivering_empty(&delivering);
    assert_int_equal(delivering_files(&delivering, "box.example/user", "new", NULL), MESSAGES);
}

static void settles_in_groups(void **state)
{
    enum { MESSAGES = 200 };
    int64_t commits;

    (void)state;
    for (int i = 0; i < MESSAGES; i++)
        put("user@box.example");
    commits = asking_stats(&delivering.asking).commits;
    delivering_start(&delivering);
    delivering_empty(&delivering);
    assert_int_equal(asking_stats(&delivering.asking).settled, MESSAGES);
    /* a lease, a read and a settlement each would be 600 */
    assert_true(asking_stats(&delivering.asking).commits - commits < 3 * MESSAGES);
}

static void *wake_it(void *argument)
{
    (void)argument;
    for (int i = 0; i < 100; i++)
        delivery_wake(delivering.delivery);
    return NULL;
}

static void is_woken_from_any_thread(void **state)
{
    pthread_t threads[2];
    struct delivery *kept;

    (void)state;
    delivering_start(&delivering);
    for (int i = 0; i < 20; i++)
        delivering_turn(&delivering);
    kept = delivering.delivery;
    delivering.delivery = NULL; /* so that putting does not wake it */
    put("user@box.example");
    delivering.delivery = kept;
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, wake_it, NULL), 0);
    delivering_empty(&delivering);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(delivering_files(&delivering, "box.example/user", "new", NULL), 1);
}

/* SQLite, but for leases that take as long as the test says. */
static atomic_bool holds_leases;

static enum queue_status lease_when_let(void *queue, struct queue_lease *lease, struct error *err)
{
    while (atomic_load(&holds_leases))
        usleep(1000);
    return queue_sqlite.lease(queue, lease, err);
}

static void use_slow_store(void)
{
    static struct queue_backend slow;

    slow = queue_sqlite;
    slow.lease = lease_when_let;
    delivering.asking.settings.backend = &slow;
    asking_reopen(&delivering.asking);
}

/* A lease of what is put here is asked for when this returns, and not answered. */
static void put_and_hold_the_lease(const char *recipient)
{
    struct delivery *kept = delivering.delivery;

    delivering.delivery = NULL; /* so that putting does not wake it */
    put(recipient);
    delivering.delivery = kept;
    atomic_store(&holds_leases, true);
    delivery_wake(delivering.delivery);
    for (int i = 0; i < 20; i++)
        delivering_turn(&delivering);
}

static void goes_by_a_new_profile_after_a_reload(void **state)
{
    struct gateway_profile_domain domains[DELIVERING_DOMAINS];
    struct gateway_profile other;
    char elsewhere[128];

    (void)state;
    put("first@box.example");
    delivering_start(&delivering);
    delivering_empty(&delivering);
    memcpy(domains, delivering.domains, sizeof domains);
    other = delivering.profile;
    other.references = 1;
    other.domains = domains;
    snprintf(elsewhere, sizeof elsewhere, "%s/{user}", delivering.root);
    domains[DELIVERING_BOX].path = elsewhere;
    delivery_reload(delivering.delivery, &other);
    put("second@box.example");
    delivering_empty(&delivering);
    assert_int_equal(delivering.profile.references, 1);
    assert_int_equal(other.references, 2);
    assert_int_equal(delivering_files(&delivering, "box.example/first", "new", NULL), 1);
    assert_int_equal(delivering_files(&delivering, "second", "new", NULL), 1);
    delivering_stop(&delivering);
    assert_int_equal(other.references, 1);
}

static void goes_by_a_new_profile_with_what_was_leased_before(void **state)
{
    struct gateway_profile_domain domains[DELIVERING_DOMAINS];
    struct gateway_profile other;
    char elsewhere[128];

    (void)state;
    use_slow_store();
    delivering_start(&delivering);
    for (int i = 0; i < 20; i++)
        delivering_turn(&delivering);
    put_and_hold_the_lease("user@box.example");
    memcpy(domains, delivering.domains, sizeof domains);
    other = delivering.profile;
    other.references = 1;
    other.domains = domains;
    snprintf(elsewhere, sizeof elsewhere, "%s/{user}", delivering.root);
    domains[DELIVERING_BOX].path = elsewhere;
    delivery_reload(delivering.delivery, &other);
    assert_int_equal(delivering.profile.references, 2); /* of the lease */
    atomic_store(&holds_leases, false);
    delivering_empty(&delivering);
    assert_int_equal(delivering.profile.references, 1);
    assert_int_equal(delivering_files(&delivering, "user", "new", NULL), 1);
    delivering_stop(&delivering);
    assert_int_equal(other.references, 1);
}

static void keeps_the_profile_of_a_conversation_that_outlives_it(void **state)
{
    struct gateway_profile other;

    (void)state;
    server.is_silent = true;
    delivering.drain_ms = 20;
    lmtp_server_start(&server, delivering.asking.loop);
    delivering.domains[DELIVERING_ONE].address = server.address;
    put("a@one.example");
    delivering_start(&delivering);
    for (int i = 0; i < 5000 && server.messages == 0; i++)
        delivering_turn(&delivering);
    other = delivering.profile;
    other.references = 1;
    delivery_reload(delivering.delivery, &other);
    assert_true(delivering.profile.references > 1);
    delivering_stop(&delivering);
    assert_int_equal(delivering.profile.references, 1);
    assert_int_equal(other.references, 1);
}

static void gives_back_what_waits_when_it_drains(void **state)
{
    enum { MESSAGES = 90 };
    struct queue_stats stats;
    size_t delivered;

    (void)state;
    for (int i = 0; i < MESSAGES; i++)
        put("user@box.example");
    delivering_start(&delivering);
    while (asking_stats(&delivering.asking).recipients[QUEUE_LEASED] == 0)
        delivering_turn(&delivering);
    delivering_stop(&delivering);
    stats = asking_stats(&delivering.asking);
    delivered = delivering_files(&delivering, "box.example/user", "new", NULL);
    assert_int_equal(stats.recipients[QUEUE_LEASED], 0);
    assert_int_equal(stats.recipients[QUEUE_WAITING] + (int64_t)delivered, MESSAGES);
    delivering_start(&delivering);
    delivering_empty(&delivering);
    assert_int_equal(delivering_files(&delivering, "box.example/user", "new", NULL), MESSAGES);
}

static void lets_a_conversation_end_well_though_a_lease_comes_while_it_drains(void **state)
{
    int64_t id;

    (void)state;
    use_slow_store();
    server.is_silent = true;
    lmtp_server_start(&server, delivering.asking.loop);
    delivering.domains[DELIVERING_ONE].address = server.address;
    id = put("a@one.example");
    delivering_start(&delivering);
    for (int i = 0; i < 5000 && server.messages == 0; i++)
        delivering_turn(&delivering);
    put_and_hold_the_lease("user@box.example");
    delivering_drain(&delivering);
    atomic_store(&holds_leases, false);
    for (int i = 0; i < 400; i++) /* longer than any pause between leases */
        delivering_turn(&delivering);
    assert_false(delivering.was_drained);
    lmtp_server_speak(&server);
    delivering_stop(&delivering);
    assert_int_equal(delivering_end_of(&delivering, id, "a@one.example"), TRACKING_DONE);
    assert_int_equal(asking_stats(&delivering.asking).recipients[QUEUE_WAITING], 1);
}

static void drains_at_once_where_nothing_is_under_way(void **state)
{
    (void)state;
    delivering_start(&delivering);
    delivering_stop(&delivering);
    delivering_start(&delivering);
    for (int i = 0; i < 20; i++)
        delivering_turn(&delivering);
    delivering_stop(&delivering);
}

static void gives_back_what_finds_a_line_full_and_serves_others_meanwhile(void **state)
{
    (void)state;
    server.is_silent = true;
    delivering.drain_ms = 20;
    lmtp_server_start(&server, delivering.asking.loop);
    delivering.domains[DELIVERING_ONE].address = server.address;
    for (int i = 0; i < DELIVERING_IN_HAND + 2 * DELIVERY_LEASED_AT_ONCE; i++)
        put("a@one.example");
    delivering_start(&delivering);
    put("user@box.example");
    for (int i = 0; i < 20000; i++) {
        delivering_turn(&delivering);
        if (delivering_files(&delivering, "box.example/user", "new", NULL) == 1)
            break;
    }
    assert_int_equal(delivering_files(&delivering, "box.example/user", "new", NULL), 1);
}

static void leaves_what_is_under_way_alone_when_its_lease_ends(void **state)
{
    (void)state;
    server.is_silent = true;
    delivering.drain_ms = 20;
    lmtp_server_start(&server, delivering.asking.loop);
    delivering.domains[DELIVERING_ONE].address = server.address;
    put("a@one.example");
    delivering_start(&delivering);
    for (int i = 0; i < 5000 && server.messages == 0; i++)
        delivering_turn(&delivering);
    delivering.clock.fixed_wall_s += 2 * 3600;
    put("user@box.example");
    turn_often();
    assert_int_equal(delivering_files(&delivering, "box.example/user", "new", NULL), 1);
    assert_int_equal(server.messages, 1);
    assert_int_equal(server.accepted, 1);
}

/* Nobody wakes it, and no lease tells of what the lease itself brought. */
static void tries_again_when_that_is_due(void **state)
{
    int64_t id;

    (void)state;
    delivering.profile.schedule.retry_s[0] = 1;
    id = put("c@far.example");
    delivering_start(&delivering);
    delivering_settle(&delivering);
    assert_int_equal(delivering_end_of(&delivering, id, "c@far.example"), TRACKING_DEFERRED);
    delivering.clock.fixed_wall_s += 2;
    for (int i = 0; i < 5000 && attempts_of(id) < 2; i++)
        delivering_turn(&delivering);
    assert_int_equal(attempts_of(id), 2);
}

/* SQLite, but for commits that hold a settlement and are to fail. */
static struct queue_backend failing;
static atomic_int commits_to_fail;
static bool has_settlement;

static enum queue_status note_settlement(void *queue, int64_t lease,
                                         const struct queue_settlement *settlement,
                                         bool *was_settled, struct error *err)
{
    has_settlement = true;
    return queue_sqlite.settle(queue, lease, settlement, was_settled, err);
}

static enum queue_status commit_or_fail(void *queue, struct error *err)
{
    bool fails = has_settlement && atomic_load(&commits_to_fail) > 0;

    has_settlement = false;
    if (!fails)
        return queue_sqlite.commit(queue, err);
    atomic_fetch_sub(&commits_to_fail, 1);
    error_set(err, ERROR_SYSTEM, "no room");
    return QUEUE_FULL;
}

static void use_failing_store(int commits)
{
    failing = queue_sqlite;
    failing.settle = note_settlement;
    failing.commit = commit_or_fail;
    atomic_store(&commits_to_fail, commits);
    delivering.asking.settings.backend = &failing;
    asking_reopen(&delivering.asking);
}

static atomic_int leases_to_fail;

static enum queue_status lease_or_fail(void *queue, struct queue_lease *lease, struct error *err)
{
    if (atomic_load(&leases_to_fail) == 0)
        return queue_sqlite.lease(queue, lease, err);
    atomic_fetch_sub(&leases_to_fail, 1);
    error_set(err, ERROR_SYSTEM, "the disk cannot be read");
    return QUEUE_FAILED;
}

static void leases_again_where_the_store_could_not(void **state)
{
    const char *const words[] = { " error leasing-failed status=failed" };
    int64_t id;

    (void)state;
    failing = queue_sqlite;
    failing.lease = lease_or_fail;
    atomic_store(&leases_to_fail, 1);
    delivering.asking.settings.backend = &failing;
    asking_reopen(&delivering.asking);
    id = put("user@box.example");
    delivering_start(&delivering);
    delivering_empty(&delivering);
    assert_int_equal(atomic_load(&leases_to_fail), 0);
    assert_int_equal(delivering_end_of(&delivering, id, "user@box.example"), TRACKING_DONE);
    assert_int_equal(delivering_files(&delivering, "box.example/user", "new", NULL), 1);
    assert_true(delivering_logged(&delivering, words, ARRAY_SIZE(words)));
}

static atomic_int reads_to_give, reads_to_fail;

/* Some go well, and then some fail. */
static enum queue_status read_or_fail(void *queue, struct queue_read *request, struct error *err)
{
    if (atomic_load(&reads_to_give) > 0) {
        atomic_fetch_sub(&reads_to_give, 1);
        return queue_sqlite.read(queue, request, err);
    }
    if (atomic_load(&reads_to_fail) == 0)
        return queue_sqlite.read(queue, request, err);
    atomic_fetch_sub(&reads_to_fail, 1);
    error_set(err, ERROR_SYSTEM, "the disk cannot be read");
    return QUEUE_FAILED;
}

/* Of a message of two parts, the first or the second cannot be read. */
static void check_unread(int given)
{
    static char large[QUEUE_PART_BYTES + 1000];
    AUTO(arena_clear) struct arena arena = { .limit = 4 * 1024 * 1024 };
    struct tracking_event story;
    struct buffer content = { .limit = 1 << 20 };
    int64_t id;

    memset(large, 'x', sizeof large);
    for (size_t i = 70; i + 1 < sizeof large; i += 72)
        memcpy(large + i, "\r\n", 2);
    memcpy(large, "Subject: x\r\n\r\n", 14);
    memcpy(large + sizeof large - 10, "\r\nthe end", 9);
    failing = queue_sqlite;
    failing.read = read_or_fail;
    atomic_store(&reads_to_give, given);
    atomic_store(&reads_to_fail, 1);
    delivering.asking.settings.backend = &failing;
    asking_reopen(&delivering.asking);
    id = delivering_put(&delivering, "from@example.net", "user@box.example",
                        (struct span){ large, sizeof large - 1 });
    delivering_start(&delivering);
    delivering_settle(&delivering);
    story = delivering_story(&delivering, id, "user@box.example", &arena);
    assert_int_equal(story.kind, TRACKING_DEFERRED);
    assert_true(span_equal(story.attempt.code, span_of("4.3.0")));
    assert_int_equal(delivering_files(&delivering, "box.example/user", "new", NULL), 0);
    assert_int_equal(delivering_files(&delivering, "box.example/user", "tmp", NULL), 0);
    delivering.clock.fixed_wall_s += 2 * delivering.profile.schedule.retry_s[0];
    delivery_wake(delivering.delivery);
    delivering_empty(&delivering);
    assert_int_equal(delivering_end_of(&delivering, id, "user@box.example"), TRACKING_DONE);
    assert_int_equal(delivering_files(&delivering, "box.example/user", "new", &content), 1);
    assert_true(buffer_append(&content, (struct span){ "", 1 }));
    assert_non_null(strstr(content.data, "\nthe end"));
    buffer_clear(&content);
}

static void keeps_a_message_whose_body_cannot_be_read_now(void **state)
{
    (void)state;
    check_unread(0);
}

static void keeps_a_message_whose_body_cannot_be_read_to_its_end_now(void **state)
{
    (void)state;
    check_unread(1);
}

static void bounces_an_address_without_a_domain_and_delivers_the_others(void **state)
{
    const char *const words[] = { "bounced", "to=<nobody@a..b>", "code=5.1.3" };
    int64_t id;

    (void)state;
    id = delivering_put(&delivering, "", "nobody,nobody@a..b,user@box.example", span_of(body));
    delivering_start(&delivering);
    delivering_empty(&delivering);
    assert_int_equal(delivering_end_of(&delivering, id, "nobody"), TRACKING_BOUNCED);
    assert_int_equal(delivering_end_of(&delivering, id, "nobody@a..b"), TRACKING_BOUNCED);
    assert_int_equal(delivering_end_of(&delivering, id, "user@box.example"), TRACKING_DONE);
    assert_true(delivering_logged(&delivering, words, ARRAY_SIZE(words)));
}

static void settles_again_until_the_store_takes_it_down(void **state)
{
    const char *const words[] = { " error settling-failed status=full" };
    int64_t id;

    (void)state;
    use_failing_store(2);
    id = put("user@box.example");
    delivering_start(&delivering);
    delivering_empty(&delivering);
    assert_int_equal(atomic_load(&commits_to_fail), 0);
    assert_int_equal(delivering_end_of(&delivering, id, "user@box.example"), TRACKING_DONE);
    assert_int_equal(delivering_files(&delivering, "box.example/user", "new", NULL), 1);
    assert_true(delivering_logged(&delivering, words, ARRAY_SIZE(words)));
}

static void drains_though_the_store_takes_nothing_down_and_delivers_again(void **state)
{
    const char *const words[] = { " error settlements-lost recipients=1" };

    (void)state;
    use_failing_store(1000000);
    delivering.drain_ms = 20;
    put("user@box.example");
    delivering_start(&delivering);
    while (delivering_files(&delivering, "box.example/user", "new", NULL) == 0)
        delivering_turn(&delivering);
    delivering_stop(&delivering);
    assert_true(delivering_logged(&delivering, words, ARRAY_SIZE(words)));
    atomic_store(&commits_to_fail, 0);
    asking_reopen(&delivering.asking); /* as after a restart: what was leased is due again */
    delivering_start(&delivering);
    delivering_empty(&delivering);
    assert_int_equal(delivering_files(&delivering, "box.example/user", "new", NULL), 2);
}

static void delivers_nothing_of_a_message_that_was_deleted_meanwhile(void **state)
{
    int64_t id;

    (void)state;
    id = put("user@box.example");
    delivering_start(&delivering);
    asking_change(&delivering.asking, QUEUE_DELETE, (struct queue_selection){ .id = id },
                  ASKING_NOW_S);
    delivering_empty(&delivering);
    delivering_stop(&delivering);
    assert_int_equal(delivering_files(&delivering, "box.example/user", "tmp", NULL), 0);
}

#define DELIVERS(test) cmocka_unit_test_setup_teardown(test, open_all, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DELIVERS(delivers_what_was_there_before_and_what_comes_later),
        DELIVERS(divides_a_message_among_mailboxes_servers_and_the_far),
        DELIVERS(delivers_more_than_it_ever_has_in_hand),
        DELIVERS(settles_in_groups),
        DELIVERS(is_woken_from_any_thread),
        DELIVERS(goes_by_a_new_profile_after_a_reload),
        DELIVERS(goes_by_a_new_profile_with_what_was_leased_before),
        DELIVERS(keeps_the_profile_of_a_conversation_that_outlives_it),
        DELIVERS(gives_back_what_waits_when_it_drains),
        DELIVERS(lets_a_conversation_end_well_though_a_lease_comes_while_it_drains),
        DELIVERS(drains_at_once_where_nothing_is_under_way),
        DELIVERS(gives_back_what_finds_a_line_full_and_serves_others_meanwhile),
        DELIVERS(leaves_what_is_under_way_alone_when_its_lease_ends),
        DELIVERS(tries_again_when_that_is_due),
        DELIVERS(leases_again_where_the_store_could_not),
        DELIVERS(keeps_a_message_whose_body_cannot_be_read_now),
        DELIVERS(keeps_a_message_whose_body_cannot_be_read_to_its_end_now),
        DELIVERS(bounces_an_address_without_a_domain_and_delivers_the_others),
        DELIVERS(settles_again_until_the_store_takes_it_down),
        DELIVERS(drains_though_the_store_takes_nothing_down_and_delivers_again),
        DELIVERS(delivers_nothing_of_a_message_that_was_deleted_meanwhile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
