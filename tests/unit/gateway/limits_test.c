/* tests/unit/gateway/limits_test.c - promises of gateway/limits.h */
#include "../test.h"
#include "gateway/limits.h"

#include <string.h>

enum { MINUTE_MS = 60000, FLOOD = 200000 };

static const uint8_t secret[GATEWAY_LIMITS_SECRET_BYTES] = "0123456789abcde";

static struct net_address address_of(const char *text)
{
    struct net_address address = { .port = 40000 };

    assert_true(net_address_parse(span_of(text), &address));
    return address;
}

/* The n-th of many /64, each another client. */
static struct net_address flood_address(uint32_t number)
{
    struct net_address address = address_of("2001:db8::1");

    for (size_t i = 0; i < 4; i++)
        address.bytes[4 + i] = (uint8_t)(number >> (24 - 8 * i));
    return address;
}

static struct gateway_limits *limits_of(const struct gateway_limits_settings *settings)
{
    struct gateway_limits *limits;
    struct error err;

    assert_true(gateway_limits_new(settings, secret, &limits, &err));
    return limits;
}

/* The code of the answer; 0: taken. */
static unsigned come(struct gateway_limits *limits, const char *client, int64_t now_ms,
                     struct gateway_limits_session *session)
{
    struct net_address address = address_of(client);
    struct smtp_answer answer = { 0 };

    if (gateway_limits_open(limits, &address, now_ms, session, &answer))
        return 0;
    assert_true(answer.code == 421 && answer.enhanced[0] == '4' && answer.text[0] != '\0');
    return answer.code;
}

static void connections_are_bounded_in_all(void **state)
{
    struct gateway_limits_settings settings = { .connections = 3 };
    AUTO(gateway_limits_free) struct gateway_limits *limits = limits_of(&settings);
    struct gateway_limits_session sessions[3], more;
    struct net_address other = address_of("192.0.2.9");
    struct smtp_answer answer;

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(come(limits, i == 0 ? "192.0.2.1" : "::1", 0, &sessions[i]), 0);
    assert_false(gateway_limits_open(limits, &other, 0, &more, &answer));
    assert_string_equal(answer.enhanced, "4.3.2");
    assert_int_equal(gateway_limits_connections(limits), 3);
    gateway_limits_close(limits, &sessions[1]);
    assert_int_equal(come(limits, "192.0.2.9", 0, &sessions[1]), 0);
    assert_int_equal(come(limits, "192.0.2.9", 0, &more), 421);
}

static void connections_are_bounded_for_each_client(void **state)
{
    static const struct {
        const char *second;
        bool is_same; /* as the client below */
    } cases[][3] = {
        { { "192.0.2.1", true }, { "::ffff:192.0.2.1", true }, { "192.0.2.2", false } },
        { { "2001:db8:0:1::1", true },
          { "2001:db8:0:1:ffff:ffff:ffff:ffff", true },
          { "2001:db8:0:2::1", false } },
        { { "::c000:201", false }, { "::1", false }, { "c000:201::", false } },
    };
    static const char *const firsts[] = { "192.0.2.1", "2001:db8:0:1::2", "192.0.2.1" };

    (void)state;
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 3; j++) {
            struct gateway_limits_settings settings = { .per_client = 1 };
            AUTO(gateway_limits_free) struct gateway_limits *limits = limits_of(&settings);
            struct gateway_limits_session first, second;

            assert_int_equal(come(limits, firsts[i], 0, &first), 0);
            assert_int_equal(come(limits, cases[i][j].second, 0, &second),
                             cases[i][j].is_same ? 421 : 0);
            gateway_limits_close(limits, &first);
            if (cases[i][j].is_same)
                assert_int_equal(come(limits, cases[i][j].second, 0, &second), 0);
        }
}

/* Lets the client make errors until it is cut off, and go. */
static void misbehave(struct gateway_limits *limits, const char *client, int64_t now_ms)
{
    struct gateway_limits_session session;
    struct smtp_answer answer = { 0 };

    assert_int_equal(come(limits, client, now_ms, &session), 0);
    for (int i = 1; i < 20; i++)
        assert_true(gateway_limits_take_error(limits, &session, now_ms, &answer));
    assert_false(gateway_limits_take_error(limits, &session, now_ms, &answer));
    assert_int_equal(answer.code, 421);
    assert_string_equal(answer.enhanced, "4.7.0");
    gateway_limits_close(limits, &session);
}

static void too_many_errors_ban_the_client_for_a_time(void **state)
{
    struct gateway_limits_settings settings = gateway_limits_defaults();
    AUTO(gateway_limits_free) struct gateway_limits *limits = limits_of(&settings);
    struct gateway_limits_session session;

    (void)state;
    misbehave(limits, "192.0.2.1", 1000);
    assert_int_equal(come(limits, "192.0.2.1", 1000, &session), 421);
    assert_int_equal(come(limits, "::ffff:192.0.2.1", 1000 + 5 * MINUTE_MS - 1, &session), 421);
    assert_int_equal(come(limits, "192.0.2.2", 1000, &session), 0);
    assert_int_equal(come(limits, "192.0.2.1", 1000 + 5 * MINUTE_MS, &session), 0);
}

static unsigned count_messages(struct gateway_limits *limits,
                               const struct gateway_limits_session *session, int64_t now_ms)
{
    struct smtp_answer answer = { 0 };
    unsigned count = 0;

    while (gateway_limits_take_message(limits, session, now_ms, &answer))
        count++;
    assert_int_equal(answer.code, 452);
    assert_string_equal(answer.enhanced, "4.7.0");
    return count;
}

static void messages_of_a_client_are_bounded_however_it_connects(void **state)
{
    struct gateway_limits_settings settings = { .messages_per_minute = 7 };
    AUTO(gateway_limits_free) struct gateway_limits *limits = limits_of(&settings);
    struct gateway_limits_session first, again, other;

    (void)state;
    assert_int_equal(come(limits, "192.0.2.1", 0, &first), 0);
    assert_int_equal(count_messages(limits, &first, 0), 7);
    gateway_limits_close(limits, &first);
    assert_int_equal(come(limits, "192.0.2.1", 0, &again), 0); /* coming back pays nothing off */
    assert_int_equal(count_messages(limits, &again, 0), 0);
    assert_int_equal(come(limits, "192.0.2.2", 0, &other), 0);
    assert_int_equal(count_messages(limits, &other, 0), 7);
    assert_int_equal(count_messages(limits, &again, MINUTE_MS / 7 + 1), 1);
    assert_int_equal(count_messages(limits, &again, 3 * MINUTE_MS), 7);
    assert_int_equal(count_messages(limits, &again, 0), 0); /* a clock gone back gives nothing */
}

/* From many clients, each with a message and gone again; how many of them were taken. */
static unsigned flood(struct gateway_limits *limits, int64_t now_ms)
{
    unsigned taken = 0;

    for (uint32_t i = 0; i < FLOOD; i++) {
        struct net_address address = flood_address(i);
        struct gateway_limits_session session;
        struct smtp_answer answer;

        if (!gateway_limits_open(limits, &address, now_ms, &session, &answer))
            continue;
        taken += gateway_limits_take_message(limits, &session, now_ms, &answer);
        gateway_limits_close(limits, &session);
    }
    return taken;
}

/* Comes and goes until it is refused; how often it was taken. */
static unsigned count_connections(struct gateway_limits *limits, const char *client, int64_t now_ms)
{
    struct gateway_limits_session session;
    struct smtp_answer answer = { 0 };
    unsigned count = 0;
    bool is_taken = true;

    while (is_taken) {
        assert_int_equal(come(limits, client, now_ms, &session), 0);
        is_taken = gateway_limits_take_connection(limits, &session, now_ms, &answer);
        count += is_taken;
        gateway_limits_close(limits, &session);
    }
    assert_int_equal(answer.code, 421);
    assert_string_equal(answer.enhanced, "4.7.0");
    return count;
}

static void connections_of_a_client_in_a_minute_are_bounded(void **state)
{
    struct gateway_limits_settings settings = { .connections_per_minute = 5, .clients_known = 64 };
    AUTO(gateway_limits_free) struct gateway_limits *limits = limits_of(&settings);

    (void)state;
    assert_int_equal(count_connections(limits, "192.0.2.1", 0), 5);
    flood(limits, 0);
    assert_int_equal(count_connections(limits, "192.0.2.1", 0), 0);
    assert_int_equal(count_connections(limits, "192.0.2.1", MINUTE_MS / 5), 1);
    assert_int_equal(count_connections(limits, "192.0.2.1", 10 * MINUTE_MS), 5);
    assert_int_equal(count_connections(limits, "192.0.2.2", 10 * MINUTE_MS), 5);
}

static void who_is_turned_away_is_told_once_a_minute(void **state)
{
    struct gateway_limits_settings settings = gateway_limits_defaults();
    AUTO(gateway_limits_free) struct gateway_limits *limits = limits_of(&settings);
    struct net_address one = address_of("192.0.2.1"), other = address_of("192.0.2.2");
    uint32_t untold;

    (void)state;
    assert_true(gateway_limits_may_tell(limits, &one, 0, &untold));
    assert_int_equal(untold, 0);
    for (int64_t i = 0; i < 1000; i++)
        assert_false(gateway_limits_may_tell(limits, &one, i, &untold));
    assert_true(gateway_limits_may_tell(limits, &other, 1000, &untold));
    assert_int_equal(untold, 0);
    assert_false(gateway_limits_may_tell(limits, &one, MINUTE_MS - 1, &untold));
    assert_true(gateway_limits_may_tell(limits, &one, MINUTE_MS, &untold));
    assert_int_equal(untold, 1001);
    assert_true(gateway_limits_may_tell(limits, &one, 9 * MINUTE_MS, &untold));
    assert_int_equal(untold, 0);
}

static void failures_of_tls_and_messages_are_counted_apart(void **state)
{
    struct gateway_limits_settings settings = { .messages_per_minute = 7,
                                                .failures_per_minute = 3 };
    AUTO(gateway_limits_free) struct gateway_limits *limits = limits_of(&settings);
    struct gateway_limits_session first, again, other;

    (void)state;
    assert_int_equal(come(limits, "192.0.2.1", 0, &first), 0);
    for (int i = 0; i < 3; i++)
        assert_true(gateway_limits_take_failure(limits, &first, 0));
    assert_false(gateway_limits_take_failure(limits, &first, 0));
    assert_int_equal(count_messages(limits, &first, 0), 7);
    gateway_limits_close(limits, &first);
    assert_int_equal(come(limits, "192.0.2.1", 0, &again), 0); /* coming back pays nothing off */
    assert_false(gateway_limits_take_failure(limits, &again, 0));
    assert_true(gateway_limits_take_failure(limits, &again, MINUTE_MS / 3 + 1));
    assert_false(gateway_limits_take_failure(limits, &again, MINUTE_MS / 3 + 1));
    assert_int_equal(come(limits, "192.0.2.2", 0, &other), 0);
    assert_true(gateway_limits_take_failure(limits, &other, 0));
}

static void no_limit_is_none(void **state)
{
    struct gateway_limits_settings settings = { 0 };
    AUTO(gateway_limits_free) struct gateway_limits *limits = limits_of(&settings);
    struct gateway_limits_session session;
    struct smtp_answer answer;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(come(limits, "192.0.2.1", 0, &session), 0);
        assert_true(gateway_limits_take_error(limits, &session, 0, &answer));
        assert_true(gateway_limits_take_message(limits, &session, 0, &answer));
        assert_true(gateway_limits_take_failure(limits, &session, 0));
        assert_true(gateway_limits_take_connection(limits, &session, 0, &answer));
    }
    assert_int_equal(gateway_limits_connections(limits), 1000);
}

static void no_flood_of_addresses_lifts_a_ban_or_a_debt(void **state)
{
    struct gateway_limits_settings settings = gateway_limits_defaults();
    struct gateway_limits_session banned, debtor;
    struct gateway_limits *limits;

    (void)state;
    settings.clients_known = 64;
    settings.messages_per_minute = 10;
    limits = limits_of(&settings);
    misbehave(limits, "192.0.2.1", 0);
    assert_int_equal(come(limits, "192.0.2.2", 0, &debtor), 0);
    assert_int_equal(count_messages(limits, &debtor, 0), 10);
    gateway_limits_close(limits, &debtor);
    flood(limits, 0);
    assert_int_equal(come(limits, "192.0.2.1", 5 * MINUTE_MS - 1, &banned), 421);
    assert_int_equal(come(limits, "192.0.2.2", 0, &debtor), 0);
    assert_int_equal(count_messages(limits, &debtor, 0), 0);
    gateway_limits_free(&limits);
}

/* 64 rows that owe one message each, and four crowds that may send what one client may. */
static void what_a_flood_gets_through_is_bounded_by_the_table(void **state)
{
    struct gateway_limits_settings settings = gateway_limits_defaults();
    AUTO(gateway_limits_free) struct gateway_limits *limits = NULL;

    (void)state;
    settings.clients_known = 64;
    settings.messages_per_minute = 10;
    limits = limits_of(&settings);
    assert_int_equal(flood(limits, 0), 64 + 4 * 10);
    assert_int_equal(gateway_limits_connections(limits), 0);
    assert_int_equal(flood(limits, 10 * MINUTE_MS), 64 + 4 * 10); /* rows were free again */
}

static void a_client_with_a_connection_keeps_its_row(void **state)
{
    struct gateway_limits_settings settings = { .per_client = 2, .clients_known = 64 };
    AUTO(gateway_limits_free) struct gateway_limits *limits = limits_of(&settings);
    struct gateway_limits_session first, second, third;

    (void)state;
    assert_int_equal(come(limits, "192.0.2.1", 0, &first), 0);
    assert_int_equal(come(limits, "192.0.2.1", 0, &second), 0);
    flood(limits, 100 * MINUTE_MS);
    assert_int_equal(come(limits, "192.0.2.1", 100 * MINUTE_MS, &third), 421);
    gateway_limits_close(limits, &first);
    gateway_limits_close(limits, &second);
    assert_int_equal(gateway_limits_connections(limits), 0);
}

/* One of a crowd misbehaves: the others did nothing. */
static void no_crowd_is_banned(void **state)
{
    struct gateway_limits_settings settings = { .clients_known = 64,
                                                .session_errors = 1,
                                                .ban_ms = 5 * MINUTE_MS };
    AUTO(gateway_limits_free) struct gateway_limits *limits = limits_of(&settings);
    struct gateway_limits_session session;
    struct smtp_answer answer;

    (void)state;
    for (uint32_t i = 0; i < 1000; i++) { /* they stay, so that every row is taken */
        struct net_address address = flood_address(i);

        assert_true(gateway_limits_open(limits, &address, 0, &session, &answer));
    }
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(come(limits, "192.0.2.1", 0, &session), 0);
        assert_false(gateway_limits_take_error(limits, &session, 0, &answer));
        gateway_limits_close(limits, &session);
    }
}

/* Which clients meet in one crowd, as seen by how many messages they share. */
static void the_secret_decides_who_shares_a_crowd(void **state)
{
    struct gateway_limits_settings settings = { .messages_per_minute = 1, .clients_known = 64 };
    bool is_taken[2][1000] = { { false } };
    uint8_t other[GATEWAY_LIMITS_SECRET_BYTES] = { 1 };

    (void)state;
    for (int run = 0; run < 2; run++) {
        AUTO(gateway_limits_free) struct gateway_limits *limits = NULL;
        struct error err;

        assert_true(gateway_limits_new(&settings, run == 0 ? secret : other, &limits, &err));
        for (uint32_t i = 0; i < 1000; i++) {
            struct net_address address = flood_address(i);
            struct gateway_limits_session session;
            struct smtp_answer answer;

            assert_true(gateway_limits_open(limits, &address, 0, &session, &answer));
            is_taken[run][i] = gateway_limits_take_message(limits, &session, 0, &answer);
        }
    }
    assert_memory_not_equal(is_taken[0], is_taken[1], sizeof is_taken[0]);
}

static void new_settings_hold_for_what_is_counted_already(void **state)
{
    struct gateway_limits_settings settings = { .per_client = 5 };
    AUTO(gateway_limits_free) struct gateway_limits *limits = limits_of(&settings);
    struct gateway_limits_session session;

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(come(limits, "192.0.2.1", 0, &session), 0);
    settings.per_client = 3;
    gateway_limits_set(limits, &settings);
    assert_int_equal(come(limits, "192.0.2.1", 0, &session), 421);
    settings.per_client = 4;
    gateway_limits_set(limits, &settings);
    assert_int_equal(come(limits, "192.0.2.1", 0, &session), 0);
}

static void a_table_beyond_reason_is_refused(void **state)
{
    struct gateway_limits_settings settings = { .clients_known = UINT32_MAX };
    struct gateway_limits *limits;
    struct error err;

    (void)state;
    assert_false(gateway_limits_new(&settings, secret, &limits, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_null(limits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_are_bounded_in_all),
        cmocka_unit_test(connections_are_bounded_for_each_client),
        cmocka_unit_test(too_many_errors_ban_the_client_for_a_time),
        cmocka_unit_test(messages_of_a_client_are_bounded_however_it_connects),
        cmocka_unit_test(connections_of_a_client_in_a_minute_are_bounded),
        cmocka_unit_test(who_is_turned_away_is_told_once_a_minute),
        cmocka_unit_test(failures_of_tls_and_messages_are_counted_apart),
        cmocka_unit_test(no_limit_is_none),
        cmocka_unit_test(no_flood_of_addresses_lifts_a_ban_or_a_debt),
        cmocka_unit_test(what_a_flood_gets_through_is_bounded_by_the_table),
        cmocka_unit_test(a_client_with_a_connection_keeps_its_row),
        cmocka_unit_test(no_crowd_is_banned),
        cmocka_unit_test(the_secret_decides_who_shares_a_crowd),
        cmocka_unit_test(new_settings_hold_for_what_is_counted_already),
        cmocka_unit_test(a_table_beyond_reason_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
