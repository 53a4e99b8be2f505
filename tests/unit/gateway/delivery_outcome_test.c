/* tests/unit/gateway/delivery_outcome_test.c - promises of gateway/delivery_outcome.h */
#include "../test.h"
#include "base/text.h"
#include "gateway/delivery_outcome.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { NOW_S = 1795219200 };

static struct arena arena;

static int open_arena(void **state)
{
    (void)state;
    arena_init(&arena, 256 * 1024);
    return 0;
}

static int clear_arena(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

static struct delivery_outcome of_wire(const char *wire)
{
    static char storage[16 * 1024];
    struct span input = span_of(wire);
    struct smtp_reply_parser parser;
    struct smtp_reply reply;

    smtp_reply_init(&parser, storage, sizeof storage);
    assert_int_equal(smtp_reply_feed(&parser, &input, &reply), SMTP_REPLY_WHOLE);
    return delivery_outcome_of_reply(&reply, &arena);
}

static void takes_fate_code_and_words_from_a_reply(void **state)
{
    static const struct {
        const char *wire;
        enum delivery_fate fate;
        const char *code, *words;
    } cases[] = {
        { "250 2.1.5 Saved\r\n", DELIVERY_DELIVERED, "2.1.5", "250 2.1.5 Saved" },
        { "250 Saved\r\n", DELIVERY_DELIVERED, "2.0.0", "250 Saved" },
        { "452 4.2.2 Full\r\n", DELIVERY_DEFERRED, "4.2.2", "452 4.2.2 Full" },
        { "450 Later\r\n", DELIVERY_DEFERRED, "4.0.0", "450 Later" },
        { "421 4.3.2 Bye\r\n", DELIVERY_DEFERRED, "4.3.2", "421 4.3.2 Bye" },
        { "550 5.1.1 Nobody\r\n", DELIVERY_REFUSED, "5.1.1", "550 5.1.1 Nobody" },
        { "554 No\r\n", DELIVERY_REFUSED, "5.0.0", "554 No" },
        { "354 Odd here\r\n", DELIVERY_DEFERRED, "4.0.0", "354 Odd here" },
        { "550 4.2.2 Of two minds\r\n", DELIVERY_REFUSED, "5.0.0", "550 4.2.2 Of two minds" },
        { "550-5.1.1 One\r\n550 5.1.1 two\r\n", DELIVERY_REFUSED, "5.1.1",
          "550 5.1.1 One 5.1.1 two" },
        { "550 5.7.1 a\033[2Jb\r\n", DELIVERY_REFUSED, "5.7.1", "550 5.7.1 a\\x1b[2Jb" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct delivery_outcome outcome = of_wire(cases[i].wire);

        assert_int_equal(outcome.fate, cases[i].fate);
        assert_true(span_equal(outcome.code, span_of(cases[i].code)));
        assert_true(span_equal(outcome.said, outcome.words));
        if (!span_equal(outcome.words, span_of(cases[i].words)))
            fail_msg("%s gives %.*s", cases[i].wire, (int)outcome.words.len, outcome.words.data);
    }
}

static void cuts_the_words_of_an_endless_reply(void **state)
{
    char wire[12 * 1024] = "";

    (void)state;
    for (int i = 0; i < 40; i++)
        snprintf(wire + strlen(wire), sizeof wire - strlen(wire), "550-%0200d\r\n", i);
    snprintf(wire + strlen(wire), sizeof wire - strlen(wire), "550 5.7.1 end\r\n");
    assert_true(of_wire(wire).words.len <= DELIVERY_WORDS_MOST + 3);
}

static void takes_code_and_fate_from_a_mailbox(void **state)
{
    struct gateway_maildir_failure failure = { .enhanced = "4.2.2", .err = { .text = "full\nup" } };
    struct delivery_outcome outcome = delivery_outcome_of_maildir(&failure, &arena);

    (void)state;
    assert_int_equal(outcome.fate, DELIVERY_DEFERRED);
    assert_true(span_equal(outcome.code, span_of("4.2.2")));
    assert_true(span_equal(outcome.words, span_of("full\\nup")));
    failure.is_permanent = true;
    assert_int_equal(delivery_outcome_of_maildir(&failure, &arena).fate, DELIVERY_REFUSED);
}

static void defers_whatever_ends_a_conversation(void **state)
{
    static const struct {
        enum ending ending;
        int error_number;
        const char *code;
    } cases[] = {
        { ENDING_REFUSED, 0, "4.4.1" },     { ENDING_UNREACHABLE, ENOENT, "4.4.1" },
        { ENDING_NO_CONNECT, 0, "4.4.1" },  { ENDING_TIMEOUT, 0, "4.4.2" },
        { ENDING_CLOSED, 0, "4.4.2" },      { ENDING_RESET, 0, "4.4.2" },
        { ENDING_STOPPED, 0, "4.4.2" },     { ENDING_QUIT, 0, "4.4.2" },
        { ENDING_BROKEN, 0, "4.5.0" },      { ENDING_TLS, 0, "4.7.5" },
        { ENDING_NOT_TLS, 0, "4.7.5" },     { ENDING_INJECTED, 0, "4.7.5" },
        { ENDING_FAILED, EMFILE, "4.3.0" }, { ENDING_FAILED, EACCES, "4.3.5" },
        { ENDING_BARRED, 0, "4.7.0" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct observation observation;
        struct delivery_outcome outcome;

        observation_init(&observation);
        observation.ending = cases[i].ending;
        observation.error_number = cases[i].error_number;
        observation.failure = "our own socket failed";
        outcome = delivery_outcome_of_ending(&observation, "the data", &arena);
        assert_int_equal(outcome.fate, DELIVERY_DEFERRED);
        if (!span_equal(outcome.code, span_of(cases[i].code)))
            fail_msg("%s gives %.*s", ending_name(cases[i].ending), (int)outcome.code.len,
                     outcome.code.data);
        assert_true(outcome.words.len > 0);
    }
}

static void defers_where_a_greeting_refuses_for_good(void **state)
{
    struct delivery_outcome outcome;
    struct observation observation;

    (void)state;
    observation_init(&observation);
    observation.greeting = (struct observed_reply){ .came = true,
                                                    .code = 554,
                                                    .raw = span_of("554 5.3.2 Closed\r\n") };
    observation.ending = ENDING_QUIT;
    outcome = delivery_outcome_of_ending(&observation, "greeting", &arena);
    assert_int_equal(outcome.fate, DELIVERY_DEFERRED);
    assert_true(span_equal(outcome.code, span_of("4.3.2")));
    assert_true(
        span_equal(outcome.words, span_of("the server takes no mail now: 554 5.3.2 Closed")));
}

static void refuses_what_a_server_cannot_be_given(void **state)
{
    (void)state;
    for (int why = SMTP_CLIENT_UNSENT_NONE; why <= SMTP_CLIENT_UNSENT_BODY; why++) {
        struct delivery_outcome outcome = delivery_outcome_of_unsent((enum smtp_client_unsent)why);

        assert_int_equal(outcome.fate, DELIVERY_REFUSED);
        assert_int_equal(outcome.code.data[0], '5');
        assert_true(outcome.words.len > 0);
    }
}

static struct queue_settlement settle(enum delivery_fate fate, int64_t age_s, int64_t attempts)
{
    struct queue_schedule_settings settings = queue_schedule_defaults();
    const struct delivery_schedule schedule = { &settings, NOW_S, 7 };
    const struct queue_envelope envelope = { .id = 99, .received_at_s = NOW_S - age_s };
    static struct queue_recipient recipient;
    struct delivery_outcome outcome = delivery_outcome_of(fate, "4.2.2", "452 full");

    recipient = (struct queue_recipient){ .attempts = attempts };
    return delivery_outcome_settle(&outcome, &envelope, &recipient, &schedule, &arena);
}

static void settles_by_fate_and_schedule(void **state)
{
    struct queue_settlement settlement;

    (void)state;
    settlement = settle(DELIVERY_DELIVERED, 0, 0);
    assert_int_equal(settlement.result, QUEUE_DONE);
    assert_int_equal(settlement.id, 99);
    assert_int_equal(settlement.attempt.at_s, NOW_S);
    assert_int_equal(settle(DELIVERY_REFUSED, 0, 0).result, QUEUE_BOUNCED);
    settlement = settle(DELIVERY_DEFERRED, 0, 0);
    assert_int_equal(settlement.result, QUEUE_DEFERRED);
    assert_int_equal(settlement.due_at_s, NOW_S + 300 + 7);
    assert_true(span_equal(settlement.attempt.code, span_of("4.2.2")));
    assert_int_equal(settle(DELIVERY_DEFERRED, 600, 1).due_at_s, NOW_S + 900 + 7);
}

static void gives_up_at_the_end_of_the_lifetime_and_says_for_what(void **state)
{
    struct queue_settlement settlement = settle(DELIVERY_DEFERRED, 5 * 86400, 40);

    (void)state;
    assert_int_equal(settlement.result, QUEUE_BOUNCED);
    assert_true(span_equal(settlement.attempt.code, span_of("4.4.7")));
    assert_true(span_equal(settlement.attempt.reply,
                           span_of("given up after 5 days; at last 4.2.2 452 full")));
}

static void tells_the_reason_from_a_flaw_by_its_code(void **state)
{
    static const struct finding expired = { .code = "certificate-expired",
                                            .enhanced_status = "4.7.5" };
    struct delivery_outcome failed = delivery_outcome_of(DELIVERY_DEFERRED, "4.7.5", "it expired");
    struct delivery_outcome refused = delivery_outcome_of(DELIVERY_REFUSED, "5.1.1", "nobody");

    (void)state;
    assert_true(delivery_outcome_is_of(&failed, &expired));
    assert_false(delivery_outcome_is_of(&refused, &expired));
    assert_false(delivery_outcome_is_of(&failed, NULL));
}

static void a_finding_has_a_code_of_the_class_that_its_fate_is_of(void **state)
{
    struct finding rejected = { .code = "ehlo-rejected", .enhanced_status = "5.3.2" };
    struct span deferred = delivery_outcome_code(&rejected, DELIVERY_DEFERRED, &arena);
    struct span refused = delivery_outcome_code(&rejected, DELIVERY_REFUSED, &arena);
    struct delivery_outcome outcome = { .fate = DELIVERY_DEFERRED, .code = deferred };

    (void)state;
    assert_true(span_equal(deferred, span_of("4.3.2")));
    assert_true(span_equal(refused, span_of("5.3.2")));
    assert_true(delivery_outcome_is_of(&outcome, &rejected));
}

static void asks_for_a_warning_once_it_is_late(void **state)
{
    (void)state;
    assert_false(settle(DELIVERY_DEFERRED, 600, 1).has_warned);
    assert_true(settle(DELIVERY_DEFERRED, 86400, 9).has_warned);
}

static void stands_without_memory(void **state)
{
    struct delivery_outcome outcome;

    (void)state;
    arena_clear(&arena);
    arena_init(&arena, 0);
    outcome = of_wire("452 4.2.2 Full\r\n");
    assert_int_equal(outcome.fate, DELIVERY_DEFERRED);
    assert_int_equal(settle(DELIVERY_DEFERRED, 5 * 86400, 40).result, QUEUE_BOUNCED);
}

#define WITH_ARENA(test) cmocka_unit_test_setup_teardown(test, open_arena, clear_arena)

/* Half of a character would be shown as \xc3. */
static void cuts_the_words_of_a_reply_between_two_characters(void **state)
{
    char wire[1024], text[DELIVERY_WORDS_MOST + 1] = "";

    (void)state;
    for (size_t i = 0; i + 2 < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xa9", 3);
    for (int shift = 0; shift < 2; shift++) {
        struct span words;

        snprintf(wire, sizeof wire, "550-%.60s\r\n550 %.*s%.460s\r\n", text, shift, "x", text);
        words = of_wire(wire).words;
        assert_true(words.len > DELIVERY_WORDS_MOST - 3);
        assert_true(text_is_utf8(words));
        assert_int_equal(span_find(words, '\\'), words.len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(takes_fate_code_and_words_from_a_reply),
        WITH_ARENA(cuts_the_words_of_an_endless_reply),
        WITH_ARENA(cuts_the_words_of_a_reply_between_two_characters),
        WITH_ARENA(takes_code_and_fate_from_a_mailbox),
        WITH_ARENA(defers_whatever_ends_a_conversation),
        WITH_ARENA(defers_where_a_greeting_refuses_for_good),
        WITH_ARENA(refuses_what_a_server_cannot_be_given),
        WITH_ARENA(settles_by_fate_and_schedule),
        WITH_ARENA(gives_up_at_the_end_of_the_lifetime_and_says_for_what),
        WITH_ARENA(tells_the_reason_from_a_flaw_by_its_code),
        WITH_ARENA(a_finding_has_a_code_of_the_class_that_its_fate_is_of),
        WITH_ARENA(asks_for_a_warning_once_it_is_late),
        WITH_ARENA(stands_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
