/* tests/unit/diagnose/judge_connect_test.c - causes found before EHLO */
#include "samples.h"

#include <errno.h>
#include <string.h>

static void before_tls(struct observation *seen, enum step step, enum ending ending)
{
    sample_healthy(seen);
    seen->reached = step;
    seen->ending = ending;
    seen->timeout_ms = 5000;
    seen->greeting = seen->ehlo = seen->starttls = (struct observed_reply){ .came = false };
    seen->ehlo_after_tls = seen->quit = (struct observed_reply){ .came = false };
    seen->has_capabilities = seen->has_verdict = seen->host_named = false;
    seen->tls = (struct tls_facts){ .was_started = false };
}

static void names_the_way_a_connection_fails(void **state)
{
    static const struct {
        enum ending ending;
        int error_number;
        const char *code;
        enum fault fault;
    } cases[] = {
        { ENDING_REFUSED, ECONNREFUSED, "connect-refused", FAULT_SERVER },
        { ENDING_NO_CONNECT, 0, "connect-timeout", FAULT_NETWORK },
        { ENDING_UNREACHABLE, EHOSTUNREACH, "connect-unreachable", FAULT_NETWORK },
        { ENDING_UNREACHABLE, ENETUNREACH, "connect-unreachable", FAULT_CLIENT },
        { ENDING_RESET, ECONNRESET, "connect-reset", FAULT_SERVER },
    };
    struct observation seen;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        before_tls(&seen, STEP_CONNECT, cases[i].ending);
        seen.error_number = cases[i].error_number;
        expect_first(sample_judge(&seen, NULL), cases[i].code, cases[i].fault, SEVERITY_FATAL);
    }
}

static void blames_nobody_for_our_own_failure(void **state)
{
    struct observation seen;

    (void)state;
    before_tls(&seen, STEP_CONNECT, ENDING_FAILED);
    seen.failure = "no file descriptor is left";
    assert_int_equal(sample_judge(&seen, NULL)->count, 0);
}

static void tells_a_reset_from_a_hang_up_before_the_greeting(void **state)
{
    struct observation seen;

    (void)state;
    before_tls(&seen, STEP_GREETING, ENDING_RESET);
    expect_first(sample_judge(&seen, NULL), "connect-reset", FAULT_SERVER, SEVERITY_FATAL);
    before_tls(&seen, STEP_GREETING, ENDING_CLOSED);
    expect_first(sample_judge(&seen, NULL), "greeting-closed", FAULT_SERVER, SEVERITY_FATAL);
    seen.unfinished = span_of("220 mx");
    expect_first(sample_judge(&seen, NULL), "greeting-closed", FAULT_SERVER, SEVERITY_FATAL);
    assert_non_null(strstr(sample_judge(&seen, NULL)->items[0].evidence[0], "220 mx"));
    before_tls(&seen, STEP_GREETING, ENDING_TIMEOUT);
    expect_first(sample_judge(&seen, NULL), "greeting-timeout", FAULT_SERVER, SEVERITY_FATAL);
    seen.unfinished = span_of("220-please wait\r\n"); /* a tarpit */
    assert_non_null(strstr(sample_judge(&seen, NULL)->items[0].cause, "begins a greeting"));
}

static void says_what_speaks_where_smtp_should(void **state)
{
    static const char *const cases[][2] = {
        { "SSH-2.0-OpenSSH_9.2p1\r\n", "SSH server" },
        { "HTTP/1.1 400 Bad Request\r\n", "web server" },
        { "* OK [CAPABILITY IMAP4rev1] ready\r\n", "IMAP server" },
        { "+OK POP3 ready\r\n", "POP3 server" },
        { "what?\r\n", "three digits" },
    };
    struct observation seen;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        before_tls(&seen, STEP_GREETING, ENDING_BROKEN);
        seen.greeting = sample_reply(0, cases[i][0]);
        seen.greeting.is_broken = true;
        seen.greeting.flaws = SMTP_REPLY_FLAW_NOT_A_CODE;
        expect_first(sample_judge(&seen, NULL), "greeting-malformed", FAULT_SERVER, SEVERITY_FATAL);
        assert_non_null(strstr(sample_judge(&seen, NULL)->items[0].cause, cases[i][1]));
    }
}

static void passes_on_the_words_of_a_rejection(void **state)
{
    struct observation seen;

    (void)state;
    before_tls(&seen, STEP_GREETING, ENDING_STOPPED);
    seen.greeting = sample_reply(554, "554-5.7.1 You are\r\n554 5.7.1 on our list\r\n");
    expect_first(sample_judge(&seen, NULL), "greeting-rejected", FAULT_SERVER, SEVERITY_FATAL);
    assert_non_null(
        strstr(sample_judge(&seen, NULL)->items[0].cause, "554-5.7.1 You are 5.7.1 on our list"));
    seen.greeting = sample_reply(421, "421 too busy\r\n");
    expect_first(sample_judge(&seen, NULL), "greeting-rejected", FAULT_SERVER, SEVERITY_FATAL);
}

static void tells_implicit_tls_by_bytes_or_by_experiment(void **state)
{
    struct observation seen;
    struct experiments made = { .count = 0 };

    (void)state;
    before_tls(&seen, STEP_GREETING, ENDING_BROKEN);
    seen.greeting = sample_reply(0, "\x15\x03\x01");
    seen.greeting.is_broken = true;
    expect_first(sample_judge(&seen, NULL), "greeting-expects-tls", FAULT_CLIENT, SEVERITY_FATAL);
    before_tls(&seen, STEP_GREETING, ENDING_TIMEOUT);
    (void)sample_experiment(&made, &seen, DIAL_PLAIN_TLS, true);
    expect_first(sample_judge(&seen, &made), "greeting-expects-tls", FAULT_CLIENT, SEVERITY_FATAL);
    made.count = 0;
    (void)sample_experiment(&made, &seen, DIAL_PLAIN_TLS, false);
    expect_first(sample_judge(&seen, &made), "greeting-timeout", FAULT_SERVER, SEVERITY_FATAL);
}

static void only_warns_of_another_code_and_notes_utf8(void **state)
{
    struct observation seen;

    (void)state;
    sample_healthy(&seen);
    seen.greeting = sample_reply(250, "250 mx\r\n");
    expect_first(sample_judge(&seen, NULL), "greeting-malformed", FAULT_SERVER, SEVERITY_WARNING);
    seen.greeting = sample_reply(220, "220 b\xc3\xbc\r\n");
    seen.greeting.flaws = SMTP_REPLY_FLAW_EIGHT_BIT;
    expect_first(sample_judge(&seen, NULL), "greeting-malformed", FAULT_SERVER, SEVERITY_NOTICE);
    seen.greeting = sample_reply(220, "220 b\xfc\r\n");
    seen.greeting.flaws = SMTP_REPLY_FLAW_EIGHT_BIT;
    expect_first(sample_judge(&seen, NULL), "greeting-malformed", FAULT_SERVER, SEVERITY_WARNING);
}

SAMPLES_RUN(cmocka_unit_test(names_the_way_a_connection_fails),
            cmocka_unit_test(blames_nobody_for_our_own_failure),
            cmocka_unit_test(tells_a_reset_from_a_hang_up_before_the_greeting),
            cmocka_unit_test(says_what_speaks_where_smtp_should),
            cmocka_unit_test(passes_on_the_words_of_a_rejection),
            cmocka_unit_test(only_warns_of_another_code_and_notes_utf8),
            cmocka_unit_test(tells_implicit_tls_by_bytes_or_by_experiment))
