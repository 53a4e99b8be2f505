/* tests/unit/link/observation_json_test.c - promises of link/observation_json.h */
#include "../test.h"

#include "link/observation_json.h"
#include "records.h"

#include <string.h>

enum { ARENA_BYTES = 8 * 1024 * 1024, ROUNDS = 40 };

/* A value at random, but one that a link could have written. */
static void make_observation(struct arena *arena, struct observation *observation)
{
    observation_init(observation);
    records_fill(arena, &observation_record, (char *)observation);
    for (size_t i = 0; i < observation->verdict.flaw_count; i++)
        observation->verdict.flaws[i].sent_index = -1;
    if (observation->verdict.tlsa == CHAIN_TLSA_MATCHED && observation->tlsa_count == 0)
        observation->verdict.tlsa = CHAIN_TLSA_NONE;
}

/* ---- promises ---- */

static void gives_back_every_field_that_was_saved(void **state)
{
    static struct observation saved, loaded;
    struct error err = { .kind = ERROR_NONE };

    (void)state;
    for (records_seed = 1; records_seed < ROUNDS; records_seed += 1) {
        uint64_t round = records_seed;
        struct arena arena;
        json_t *json;

        arena_init(&arena, ARENA_BYTES);
        make_observation(&arena, &saved);
        json = records_print_and_parse(observation_to_json(&saved));
        if (!observation_from_json(json, &arena, &loaded, &err))
            fail_msg("round %u: %s", (unsigned)round, err.text);
        records_compare(&observation_record, (char *)&saved, (char *)&loaded);
        json_decref(json);
        arena_clear(&arena);
        records_seed = round;
    }
}

static void copies_all_that_is_saved(void **state)
{
    static struct observation made, copy;
    struct error err = { .kind = ERROR_NONE };
    struct arena arena, small;

    (void)state;
    records_seed = 5;
    arena_init(&arena, ARENA_BYTES);
    make_observation(&arena, &made);
    assert_true(observation_copy(&made, &arena, &copy, &err));
    records_compare(&observation_record, (char *)&made, (char *)&copy);
    arena_init(&small, 16);
    assert_false(observation_copy(&made, &small, &copy, &err));
    arena_clear(&small);
    arena_clear(&arena);
}

static void names_every_field_of_an_observation(void **state)
{
    (void)state;
    records_check_coverage("observation", &observation_record);
}

static json_t *minimal(void)
{
    return json_pack("{s:i,s:s,s:s}", "schema", 1, "reached", "ehlo", "ending", "stopped");
}

static void takes_what_an_older_version_saved(void **state)
{
    static struct observation loaded;
    struct arena arena;
    json_t *json = minimal();

    (void)state;
    arena_init(&arena, ARENA_BYTES);
    assert_true(observation_from_json(json, &arena, &loaded, NULL));
    assert_int_equal(loaded.reached, STEP_EHLO);
    assert_int_equal(loaded.ending, ENDING_STOPPED);
    assert_int_equal(loaded.preference, -1);
    assert_int_equal(loaded.step_ms[STEP_CONNECT], -1);
    assert_int_equal(loaded.tls.last_message_received, 0xff);
    assert_string_equal(loaded.host, "");
    assert_string_equal(loaded.verdict.tlsa_detail, "");
    json_decref(json);
    arena_clear(&arena);
}

/* Puts `value` at a path of keys and indexes, "tls.alerts.0.description". */
static void set_at(json_t *json, const char *path, json_t *value)
{
    char key[64];
    size_t len = strcspn(path, ".");

    memcpy(key, path, len);
    key[len] = '\0';
    if (path[len] == '\0') {
        assert_int_equal(json_object_set_new(json, key, value), 0);
        return;
    }
    if (json_object_get(json, key) == NULL)
        assert_int_equal(json_object_set_new(json, key, json_object()), 0);
    set_at(json_object_get(json, key), path + len + 1, value);
}

static void refuses_values_out_of_range_and_names_the_field(void **state)
{
    static const struct {
        const char *path, *value, *named;
    } cases[] = {
        { "schema", "2", "schema" },
        { "port", "65536", "port: 65536" },
        { "port", "-1", "port" },
        { "port", "\"25\"", "port: is not a whole number" },
        { "preference", "65536", "preference" },
        { "reached", "\"nowhere\"", "reached: \"nowhere\"" },
        { "reached", "7", "reached: is not a word" },
        { "ending", "\"\\u001b[2J\"", "ending: \"\\x1b[2J\"" },
        { "wall_s", "253402300800", "wall_s" },
        { "has_verdict", "1", "has_verdict" },
        { "greeting.code", "1000", "greeting: code" },
        { "greeting.raw", "\"%%%\"", "greeting: raw: is not base64" },
        { "greeting.flaws", "[\"bare-lf\",\"odd\"]", "greeting: flaws: \"odd\"" },
        { "greeting", "[]", "greeting: is not an object" },
        { "tls.alerts", "[{\"description\":256}]", "tls: alerts: [0]: description" },
        { "tls.alerts", "[{},{},{},{},{},{},{},{},{}]", "tls: alerts: has more than 8" },
        { "tls.version", "\"TLSv9\"", "tls: version" },
        { "tls.version", "\"0x03zz\"", "tls: version" },
        { "tls.chain", "[1]", "tls: chain: [0]" },
        { "verdict.flaws", "[{\"kind\":\"expired\",\"sent_index\":0}]", "sent_index" },
        { "verdict.tlsa", "\"matched\"", "tlsa_index" },
        { "verdict.certificates", "{}", "verdict: certificates: is not a list" },
        { "step_ms", "{\"dns\":1.5}", "step_ms: dns" },
        { "step_ms", "{\"dns\":9223372036854775807}", "step_ms: dns" },
        { "capabilities.size_most", "\"18446744073709551616\"", "capabilities: size_most" },
        { "domain", "17", "domain: is not a text" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        static struct observation loaded;
        struct error err = { .kind = ERROR_NONE };
        struct arena arena;
        json_t *json = minimal(), *value = json_loads(cases[i].value, JSON_DECODE_ANY, NULL);

        assert_non_null(value);
        arena_init(&arena, ARENA_BYTES);
        set_at(json, cases[i].path, value);
        if (observation_from_json(json, &arena, &loaded, &err))
            fail_msg("%s: %s was taken", cases[i].path, cases[i].value);
        assert_int_equal(err.kind, ERROR_FORMAT);
        if (strstr(err.text, cases[i].named) == NULL)
            fail_msg("%s: \"%s\" does not say \"%s\"", cases[i].path, err.text, cases[i].named);
        json_decref(json);
        arena_clear(&arena);
    }
}

static void lets_no_control_character_in(void **state)
{
    static struct observation loaded;
    struct arena arena;
    json_t *json = minimal();

    (void)state;
    arena_init(&arena, ARENA_BYTES);
    set_at(json, "host", json_stringn("mx\x1b[2J\nx", 8));
    set_at(json, "tls.library_reason",
           json_string("a\xe2\x80\xae"
                       "b"));
    assert_true(observation_from_json(json, &arena, &loaded, NULL));
    assert_string_equal(loaded.host, "mx\\x1b[2J\\nx");
    assert_string_equal(loaded.tls.library_reason, "a\\xe2\\x80\\xaeb");
    json_decref(json);
    arena_clear(&arena);
}

static void saves_a_text_that_is_not_utf8(void **state)
{
    static struct observation saved;
    json_t *json;

    (void)state;
    observation_init(&saved);
    saved.failure = "no \xff file";
    json = observation_to_json(&saved);
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "failure")), "no \\xff file");
    json_decref(json);
}

static void says_when_the_arena_is_too_small(void **state)
{
    static struct observation saved, loaded;
    struct error err = { .kind = ERROR_NONE };
    struct arena arena, small;
    json_t *json;

    (void)state;
    records_seed = 99;
    arena_init(&arena, ARENA_BYTES);
    arena_init(&small, 64);
    make_observation(&arena, &saved);
    json = observation_to_json(&saved);
    assert_false(observation_from_json(json, &small, &loaded, &err));
    assert_int_equal(err.kind, ERROR_MEMORY);
    json_decref(json);
    arena_clear(&small);
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_back_every_field_that_was_saved),
        cmocka_unit_test(copies_all_that_is_saved),
        cmocka_unit_test(names_every_field_of_an_observation),
        cmocka_unit_test(takes_what_an_older_version_saved),
        cmocka_unit_test(refuses_values_out_of_range_and_names_the_field),
        cmocka_unit_test(lets_no_control_character_in),
        cmocka_unit_test(saves_a_text_that_is_not_utf8),
        cmocka_unit_test(says_when_the_arena_is_too_small),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
