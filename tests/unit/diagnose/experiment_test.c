/* tests/unit/diagnose/experiment_test.c - promises of diagnose/experiment.h */
#include "samples.h"

#include <stdarg.h>
#include <string.h>

/* What makes a peer work: it is dialled as the planner says until nothing more is to be learned. */
typedef bool works_if(enum dial dial);

static bool never(enum dial dial)
{
    (void)dial;
    return false;
}

static bool without_sni(enum dial dial)
{
    return dial == DIAL_WITHOUT_SNI;
}

static bool without_tickets(enum dial dial)
{
    return dial == DIAL_WITHOUT_TICKETS || dial == DIAL_SMALL_HELLO;
}

static bool everything(enum dial dial)
{
    return dial == DIAL_RAW_OBSOLETE;
}

static bool small(enum dial dial)
{
    return dial == DIAL_SMALL_HELLO;
}

static bool not_tls13(enum dial dial)
{
    return dial == DIAL_SMALL_HELLO || dial == DIAL_TLS12_ONLY || dial == DIAL_OLD_VERSIONS;
}

static bool old(enum dial dial)
{
    return dial == DIAL_OLD_VERSIONS;
}

static bool lax(enum dial dial)
{
    return dial == DIAL_SECURITY_LEVEL_0 || dial == DIAL_OLD_VERSIONS;
}

static bool tls_first(enum dial dial)
{
    return dial == DIAL_PLAIN_TLS;
}

static size_t play(const struct observation *first, works_if *works, struct experiments *made)
{
    enum dial dial;

    made->count = 0;
    while (experiment_next(first, made, &dial)) {
        assert_true(made->count < EXPERIMENTS_MOST);
        assert_null(experiment_find(made, dial)); /* none twice */
        if (dial == DIAL_RAW_OBSOLETE && works(dial))
            sample_raw_answer(made, first, HELLO_ANSWERED,
                              (struct hello_answer){ .version = TLS_VERSION_1_2,
                                                     .cipher = works == everything ? 5 : 0xc02f });
        else
            (void)sample_experiment(made, first, dial, works(dial));
    }
    return made->count;
}

static void costs_a_healthy_server_one_connection(void **state)
{
    struct observation seen;
    struct experiments made = { .count = 0 };
    enum dial dial;

    (void)state;
    sample_healthy(&seen);
    assert_false(experiment_next(&seen, &made, &dial));
    seen.verdict.is_trusted = false; /* a flaw that the chain itself tells */
    seen.verdict.flaws[0] = (struct chain_flaw){ .kind = CHAIN_EXPIRED, .is_fatal = true };
    seen.verdict.flaw_count = 1;
    assert_false(experiment_next(&seen, &made, &dial));
}

/* RFC 6066 section 3: a server that says it used the name may have another certificate for those
 * who give none. */
static void asks_without_a_name_where_the_name_was_used(void **state)
{
    struct observation seen;
    struct experiments made = { .count = 0 };

    (void)state;
    sample_healthy(&seen);
    seen.tls.sni_was_used = true;
    assert_int_equal(play(&seen, never, &made), 1);
    assert_int_equal(made.items[0]->dial, DIAL_WITHOUT_SNI);
}

static void dials_at_most_five_times_more(void **state)
{
    static const enum ending endings[] = { ENDING_CLOSED, ENDING_RESET, ENDING_TIMEOUT };
    struct observation seen;
    struct experiments made;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
        sample_no_handshake(&seen, endings[i]);
        assert_in_range(play(&seen, never, &made), 2, 5);
    }
    for (int description = 0; description < 256; description++) {
        sample_no_handshake(&seen, ENDING_TLS);
        sample_alert(&seen, (uint8_t)description, false);
        assert_in_range(play(&seen, never, &made), 1, 5);
    }
}

static void stops_when_one_cause_is_left(void **state)
{
    static const struct {
        enum ending ending;
        uint8_t alert; /* with ENDING_TLS */
        works_if *works;
        enum dial last;
        size_t most;
    } cases[] = {
        { ENDING_CLOSED, 0, without_sni, DIAL_AS_CONFIGURED, 5 },
        { ENDING_RESET, 0, without_tickets, DIAL_AS_CONFIGURED, 5 },
        { ENDING_CLOSED, 0, everything, DIAL_RAW_OBSOLETE, 3 },
        { ENDING_TIMEOUT, 0, small, DIAL_WITHOUT_SNI, 4 },
        { ENDING_CLOSED, 0, not_tls13, DIAL_AS_CONFIGURED, 4 },
        { ENDING_CLOSED, 0, old, DIAL_OLD_VERSIONS, 5 },
        { ENDING_TLS, 40, old, DIAL_AS_CONFIGURED, 2 },
        { ENDING_TLS, 70, old, DIAL_AS_CONFIGURED, 2 },
        { ENDING_TLS, 70, lax, DIAL_AS_CONFIGURED, 2 },
        { ENDING_TLS, 40, without_sni, DIAL_AS_CONFIGURED, 4 },
        { ENDING_TLS, 112, without_sni, DIAL_WITHOUT_SNI, 1 },
        { ENDING_TLS, 80, without_sni, DIAL_AS_CONFIGURED, 3 },
    };
    struct observation seen;
    struct experiments made;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        sample_no_handshake(&seen, cases[i].ending);
        if (cases[i].ending == ENDING_TLS)
            sample_alert(&seen, cases[i].alert, false);
        assert_in_range(play(&seen, cases[i].works, &made), 1, cases[i].most);
        assert_int_equal(made.items[made.count - 1]->dial, cases[i].last);
    }
}

/* What an experiment cures may have cured itself: the first way to dial is tried once more, but not
 * where the server said that it is too old, nor where another stall is to be waited for. */
static void repeats_the_first_dial_before_it_blames_a_change(void **state)
{
    struct observation seen, *dialled;
    struct experiments made = { .count = 0 };
    enum dial dial;

    (void)state;
    sample_no_handshake(&seen, ENDING_TLS);
    sample_alert(&seen, 70, false);
    (void)sample_experiment(&made, &seen, DIAL_OLD_VERSIONS, true);
    assert_true(experiment_next(&seen, &made, &dial));
    assert_int_equal(dial, DIAL_AS_CONFIGURED);
    dialled = arena_new(&arena, 1, sizeof *dialled);
    *dialled = *made.items[0];
    dialled->tls.version = TLS_VERSION_1_0;
    made.items[0] = dialled;
    assert_false(experiment_next(&seen, &made, &dial));
}

static void needs_no_experiment_where_the_server_said_its_version(void **state)
{
    struct observation seen;
    struct experiments made;

    (void)state;
    sample_no_handshake(&seen, ENDING_TLS);
    seen.tls.has_server_hello = true;
    seen.tls.version = TLS_VERSION_1_0;
    seen.tls.library_reason = "unsupported protocol";
    sample_alert(&seen, 70, true);
    assert_int_equal(play(&seen, never, &made), 0);
}

static void asks_a_silent_port_for_implicit_tls(void **state)
{
    struct observation seen;
    struct experiments made;

    (void)state;
    sample_healthy(&seen);
    seen.reached = STEP_GREETING;
    seen.ending = ENDING_TIMEOUT;
    seen.greeting.came = false;
    seen.tls = (struct tls_facts){ .was_started = false };
    assert_int_equal(play(&seen, tls_first, &made), 1);
    assert_int_equal(made.items[0]->dial, DIAL_PLAIN_TLS);
}

static void changes_the_client_certificate_where_one_was_asked_for(void **state)
{
    struct observation seen;
    struct experiments made;

    (void)state;
    sample_no_handshake(&seen, ENDING_CLOSED);
    seen.tls.has_server_hello = seen.tls.client_certificate_requested = true;
    (void)play(&seen, never, &made);
    assert_int_equal(made.count, 1);
    assert_int_equal(made.items[0]->dial, DIAL_WITH_CLIENT_CERTIFICATE);
    seen.tls.client_certificate_sent = true;
    (void)play(&seen, never, &made);
    assert_int_equal(made.items[0]->dial, DIAL_WITHOUT_CLIENT_CERTIFICATE);
    seen.tls.version = TLS_VERSION_1_3; /* and it may be TLS 1.3 itself */
    assert_int_equal(play(&seen, never, &made), 2);
    assert_int_equal(made.items[1]->dial, DIAL_TLS12_ONLY);
    sample_alert(&seen, 116, false); /* unless it says what it is */
    assert_int_equal(play(&seen, never, &made), 1);
}

static void leaves_a_server_alone_that_has_had_enough(void **state)
{
    struct observation seen, busy;
    struct experiments made = { .count = 1 };
    enum dial dial;

    (void)state;
    sample_no_handshake(&seen, ENDING_RESET);
    sample_healthy(&busy);
    busy.dial = DIAL_SMALL_HELLO;
    busy.reached = STEP_GREETING;
    busy.greeting = sample_reply(421, "421 too many connections\r\n");
    busy.tls = (struct tls_facts){ .was_started = false };
    made.items[0] = &busy;
    assert_false(experiment_next(&seen, &made, &dial));
}

static void dials_as_others_only_what_went_well(void **state)
{
    struct observation seen;
    struct experiments made = { .count = 0 };
    enum dial dial;

    (void)state;
    sample_no_handshake(&seen, ENDING_CLOSED);
    assert_false(experiment_next_as_others(&seen, &made, &dial));
    sample_healthy(&seen);
    assert_true(experiment_next_as_others(&seen, &made, &dial));
    assert_int_equal(dial, DIAL_WITHOUT_SNI);
    (void)sample_experiment(&made, &seen, dial, true);
    assert_true(experiment_next_as_others(&seen, &made, &dial));
    assert_int_equal(dial, DIAL_TLS12_ONLY);
    (void)sample_experiment(&made, &seen, dial, false);
    assert_false(experiment_next_as_others(&seen, &made, &dial));
}

SAMPLES_RUN(cmocka_unit_test(dials_as_others_only_what_went_well),
            cmocka_unit_test(costs_a_healthy_server_one_connection),
            cmocka_unit_test(asks_without_a_name_where_the_name_was_used),
            cmocka_unit_test(dials_at_most_five_times_more),
            cmocka_unit_test(stops_when_one_cause_is_left),
            cmocka_unit_test(repeats_the_first_dial_before_it_blames_a_change),
            cmocka_unit_test(needs_no_experiment_where_the_server_said_its_version),
            cmocka_unit_test(asks_a_silent_port_for_implicit_tls),
            cmocka_unit_test(changes_the_client_certificate_where_one_was_asked_for),
            cmocka_unit_test(leaves_a_server_alone_that_has_had_enough))
