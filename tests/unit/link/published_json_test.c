/* tests/unit/link/published_json_test.c - promises of link/published_json.h */
#include "../test.h"

#include "link/published_json.h"
#include "records.h"

#include <string.h>

enum { ARENA_BYTES = 4 * 1024 * 1024, ROUNDS = 40 };

static void gives_back_every_field_that_was_saved(void **state)
{
    struct error err = { .kind = ERROR_NONE };

    (void)state;
    for (uint64_t round = 1; round < ROUNDS; round++) {
        struct observed_published saved, *loaded;
        struct arena arena;
        json_t *json;

        arena_init(&arena, ARENA_BYTES);
        observed_published_init(&saved);
        records_seed = round;
        records_fill(&arena, &published_record, &saved);
        for (size_t i = 0; i < saved.verdict.flaw_count; i++)
            saved.verdict.flaws[i].sent_index = -1;
        saved.domain = "example.org";
        saved.sts_id = "1";
        json = records_print_and_parse(published_to_json(&saved));
        if (!published_from_json(json, &arena, &loaded, &err))
            fail_msg("round %u: %s", (unsigned)round, err.text);
        else
            records_compare(&published_record, &saved, loaded);
        json_decref(json);
        arena_clear(&arena);
    }
}

static void names_every_field(void **state)
{
    (void)state;
    records_check_coverage("observed_published", &published_record);
}

static void refuses_what_nobody_can_publish(void **state)
{
    static const struct {
        const char *json, *named;
    } cases[] = {
        { "[]", "object" },
        { "{}", "schema" },
        { "{\"schema\":1}", "domain is missing" },
        { "{\"schema\":1,\"domain\":\"a\",\"sts_record\":\"valid\"}", "sts_id is missing" },
        { "{\"schema\":1,\"domain\":\"a\",\"sts_record\":\"perhaps\"}", "sts_record" },
        { "{\"schema\":1,\"domain\":\"a\",\"policy\":{\"max_age_s\":31557601}}", "max_age_s" },
        { "{\"schema\":1,\"domain\":\"a\",\"policy\":{\"max_age_s\":-1}}", "max_age_s" },
        { "{\"schema\":1,\"domain\":\"a\",\"policy\":{\"mx\":[1]}}", "mx" },
        { "{\"schema\":1,\"domain\":\"a\",\"fetch_outcome\":\"odd\"}", "fetch_outcome" },
        { "{\"schema\":1,\"domain\":\"a\",\"verdict\":{\"flaws\":[{\"kind\":\"expired\","
          "\"sent_index\":0}]}}",
          "sent_index" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct observed_published *loaded;
        struct error err = { .kind = ERROR_NONE };
        struct arena arena;
        json_t *json = json_loads(cases[i].json, 0, NULL);

        assert_non_null(json);
        arena_init(&arena, ARENA_BYTES);
        assert_false(published_from_json(json, &arena, &loaded, &err));
        if (strstr(err.text, cases[i].named) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", err.text, cases[i].named);
        json_decref(json);
        arena_clear(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_back_every_field_that_was_saved),
        cmocka_unit_test(names_every_field),
        cmocka_unit_test(refuses_what_nobody_can_publish),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
