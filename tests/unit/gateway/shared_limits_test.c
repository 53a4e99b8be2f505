/* tests/unit/gateway/shared_limits_test.c - promises of gateway/shared_limits.h */
#include "../test.h"
#include "gateway/shared_limits.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 4, ROUNDS = 5000, PER_CLIENT = 3 };

static const uint8_t secret[GATEWAY_LIMITS_SECRET_BYTES] = "0123456789abcde";

struct shared {
    struct gateway_shared_limits *limits;
    struct net_address client;
    atomic_int open, most, taken;
};

static void note_most(struct shared *shared, int open)
{
    int most = atomic_load(&shared->most);

    while (open > most && !atomic_compare_exchange_weak(&shared->most, &most, open))
        continue;
}

static void *come_and_go(void *owner)
{
    struct shared *shared = owner;

    for (int i = 0; i < ROUNDS; i++) {
        struct gateway_limits_session session;
        struct smtp_answer answer;

        if (!gateway_shared_limits_open(shared->limits, &shared->client, i, &session, &answer))
            continue;
        note_most(shared, atomic_fetch_add(&shared->open, 1) + 1);
        atomic_fetch_add(&shared->taken, 1);
        atomic_fetch_sub(&shared->open, 1);
        gateway_shared_limits_close(shared->limits, &session);
    }
    return NULL;
}

static void hold_for_all_threads_together(void **state)
{
    struct gateway_limits_settings settings = { .per_client = PER_CLIENT, .clients_known = 64 };
    struct shared shared = { .most = 0 };
    pthread_t threads[THREADS];
    struct error err;

    (void)state;
    assert_true(net_address_parse(span_of("192.0.2.1"), &shared.client));
    assert_true(gateway_shared_limits_new(&settings, secret, &shared.limits, &err));
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, &shared), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_in_range(atomic_load(&shared.most), 1, PER_CLIENT);
    assert_true(atomic_load(&shared.taken) >= ROUNDS);
    assert_int_equal(gateway_shared_limits_connections(shared.limits), 0);
    gateway_shared_limits_free(&shared.limits);
    assert_null(shared.limits);
}

static void answer_as_the_limits_do(void **state)
{
    struct gateway_limits_settings settings = { .connections_per_minute = 1,
                                                .messages_per_minute = 1,
                                                .failures_per_minute = 1,
                                                .session_errors = 1,
                                                .ban_ms = 1000,
                                                .clients_known = 64 };
    struct gateway_shared_limits *limits;
    struct gateway_limits_session session;
    struct net_address client;
    struct smtp_answer answer = { 0 };
    struct error err;
    uint32_t untold;

    (void)state;
    assert_true(net_address_parse(span_of("192.0.2.1"), &client));
    assert_true(gateway_shared_limits_new(&settings, secret, &limits, &err));
    assert_true(gateway_shared_limits_open(limits, &client, 0, &session, &answer));
    assert_int_equal(gateway_shared_limits_connections(limits), 1);
    assert_true(gateway_shared_limits_take_connection(limits, &session, 0, &answer));
    assert_false(gateway_shared_limits_take_connection(limits, &session, 0, &answer));
    assert_true(gateway_shared_limits_may_tell(limits, &client, 0, &untold));
    assert_false(gateway_shared_limits_may_tell(limits, &client, 0, &untold));
    assert_true(gateway_shared_limits_take_message(limits, &session, 0, &answer));
    assert_false(gateway_shared_limits_take_message(limits, &session, 0, &answer));
    assert_int_equal(answer.code, 452);
    assert_true(gateway_shared_limits_take_failure(limits, &session, 0));
    assert_false(gateway_shared_limits_take_failure(limits, &session, 0));
    settings.messages_per_minute = 0;
    gateway_shared_limits_set(limits, &settings);
    assert_true(gateway_shared_limits_take_message(limits, &session, 0, &answer));
    assert_false(gateway_shared_limits_take_error(limits, &session, 0, &answer));
    assert_int_equal(answer.code, 421);
    gateway_shared_limits_close(limits, &session);
    assert_false(gateway_shared_limits_open(limits, &client, 10, &session, &answer));
    gateway_shared_limits_free(&limits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hold_for_all_threads_together),
        cmocka_unit_test(answer_as_the_limits_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
