/* tests/unit/link/inbound_observation_test.c - promises of link/inbound_observation.h */
#include "../test.h"

#include "link/inbound_observation.h"
#include "records.h"

#include <string.h>

enum { ARENA_BYTES = 8 * 1024 * 1024, ROUNDS = 40 };

static void make_observation(struct arena *arena, struct inbound_observation *observation)
{
    inbound_observation_init(observation);
    records_fill(arena, &inbound_observation_record, (char *)observation);
    for (size_t i = 0; i < observation->self.verdict.flaw_count; i++)
        observation->self.verdict.flaws[i].sent_index = -1;
    if (observation->self.verdict.tlsa == CHAIN_TLSA_MATCHED)
        observation->self.verdict.tlsa = CHAIN_TLSA_NONE;
}

static void gives_back_every_field_that_was_saved(void **state)
{
    static struct inbound_observation saved, loaded;
    struct error err = { .kind = ERROR_NONE };

    (void)state;
    for (uint64_t round = 1; round < ROUNDS; round++) {
        struct arena arena;
        json_t *json;

        records_seed = round;
        arena_init(&arena, ARENA_BYTES);
        make_observation(&arena, &saved);
        json = records_print_and_parse(inbound_observation_to_json(&saved));
        if (!inbound_observation_from_json(json, &arena, &loaded, &err))
            fail_msg("round %u: %s", (unsigned)round, err.text);
        records_compare(&inbound_observation_record, (char *)&saved, (char *)&loaded);
        json_decref(json);
        arena_clear(&arena);
    }
}

static void names_every_field(void **state)
{
    (void)state;
    records_check_coverage("inbound_observation", &inbound_observation_record);
}

static void refuses_what_no_link_writes(void **state)
{
    static const struct {
        const char *json, *named;
    } cases[] = {
        { "{\"schema\":1}", "ending is missing" },
        { "{\"schema\":1,\"ending\":\"nowhere\"}", "ending: \"nowhere\"" },
        { "{\"schema\":1,\"ending\":\"tls\",\"port\":65536}", "port" },
        { "{\"schema\":1,\"ending\":\"tls\",\"self\":{\"verdict\":{\"tlsa\":\"matched\"}}}",
          "tlsa_index" },
        { "{\"schema\":1,\"ending\":\"tls\",\"self\":{\"verdict\":{\"flaws\":[{\"kind\":"
          "\"expired\",\"sent_index\":0}]}}}",
          "sent_index" },
        { "{\"schema\":1,\"ending\":\"tls\",\"tls\":{\"offer\":{\"ciphers\":\"all\"}}}",
          "tls: offer: ciphers" },
        { "{\"schema\":1,\"ending\":\"tls\",\"self\":{\"client_certificate\":\"maybe\"}}",
          "client_certificate" },
    };
    static struct inbound_observation loaded;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        json_t *json = json_loads(cases[i].json, 0, NULL);
        struct error err = { .kind = ERROR_NONE };
        struct arena arena;

        assert_non_null(json);
        arena_init(&arena, ARENA_BYTES);
        assert_false(inbound_observation_from_json(json, &arena, &loaded, &err));
        if (strstr(err.text, cases[i].named) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", err.text, cases[i].named);
        json_decref(json);
        arena_clear(&arena);
    }
}

static void takes_the_end_of_a_stream_for_its_ending(void **state)
{
    static const struct {
        enum stream_end end;
        enum ending ending;
    } cases[] = {
        { STREAM_CLOSED, ENDING_CLOSED },      { STREAM_RESET, ENDING_RESET },
        { STREAM_TLS_FAILED, ENDING_TLS },     { STREAM_NOT_TLS, ENDING_NOT_TLS },
        { STREAM_STILL_OPEN, ENDING_STOPPED }, { STREAM_FAILED, ENDING_FAILED },
    };
    struct inbound_observation seen;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        inbound_observation_init(&seen);
        inbound_observation_end(&seen, cases[i].end);
        assert_int_equal(seen.ending, cases[i].ending);
    }
    seen.ending = ENDING_TIMEOUT; /* we gave up, and then the peer closes */
    inbound_observation_end(&seen, STREAM_CLOSED);
    assert_int_equal(seen.ending, ENDING_TIMEOUT);
}

static void keeps_a_bounded_part_of_what_was_injected(void **state)
{
    static char many[OBSERVATION_STRAY_BYTES * 2];
    struct inbound_observation seen;
    struct arena arena;

    (void)state;
    arena_init(&arena, ARENA_BYTES);
    inbound_observation_init(&seen);
    inbound_observation_inject(&seen, span_of("RSET\r\n"), &arena);
    assert_true(span_equal(seen.injected, span_of("RSET\r\n")));
    inbound_observation_inject(&seen, (struct span){ many, sizeof many }, &arena);
    assert_int_equal(seen.injected.len, OBSERVATION_STRAY_BYTES);
    inbound_observation_end(&seen, STREAM_CLOSED);
    assert_int_equal(seen.ending, ENDING_INJECTED);
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_back_every_field_that_was_saved),
        cmocka_unit_test(names_every_field),
        cmocka_unit_test(refuses_what_no_link_writes),
        cmocka_unit_test(takes_the_end_of_a_stream_for_its_ending),
        cmocka_unit_test(keeps_a_bounded_part_of_what_was_injected),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
