/* tests/unit/link/route_json_test.c - promises of link/route_json.h */
#include "../test.h"

#include "link/route_json.h"
#include "records.h"

#include <string.h>

enum { ARENA_BYTES = 4 * 1024 * 1024, ROUNDS = 40 };

static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, ARENA_BYTES);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

static void gives_back_every_field_that_was_saved(void **state)
{
    struct error err = { .kind = ERROR_NONE };

    (void)state;
    for (uint64_t round = 1; round < ROUNDS; round++) {
        struct route saved = { .domain = "" }, *loaded;
        json_t *json;

        records_seed = round;
        records_fill(&arena, &route_record, &saved);
        json = records_print_and_parse(route_to_json(&saved));
        if (!route_from_json(json, &arena, &loaded, &err))
            fail_msg("round %u: %s", (unsigned)round, err.text);
        else
            records_compare(&route_record, &saved, loaded);
        json_decref(json);
    }
}

static void names_every_field_of_a_route(void **state)
{
    (void)state;
    records_check_coverage("route", &route_record);
}

static void refuses_what_no_route_can_be(void **state)
{
    static const struct {
        const char *json, *named;
    } cases[] = {
        { "[]", "object" },
        { "{}", "schema" },
        { "{\"schema\":1}", "outcome is missing" },
        { "{\"schema\":1,\"outcome\":\"lost\"}", "outcome: \"lost\"" },
        { "{\"schema\":1,\"outcome\":\"found\",\"hosts\":[{\"addresses\":[{\"address\":\"1.2.3\"}]}]}",
          "hosts: [0]: addresses: [0]: address: is not an IP address" },
        { "{\"schema\":1,\"outcome\":\"found\",\"lookups\":[{\"type\":\"SRV\"}]}", "\"SRV\"" },
        { "{\"schema\":1,\"outcome\":\"found\",\"lookups\":[{}]}", "type is missing" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct error err = { .kind = ERROR_NONE };
        struct route *loaded;
        json_t *json = json_loads(cases[i].json, 0, NULL);

        assert_non_null(json);
        assert_false(route_from_json(json, &arena, &loaded, &err));
        assert_null(loaded);
        if (strstr(err.text, cases[i].named) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", err.text, cases[i].named);
        json_decref(json);
    }
}

static void refuses_more_hosts_than_a_route_has(void **state)
{
    struct error err = { .kind = ERROR_NONE };
    struct route *loaded;
    json_t *json = json_pack("{s:i,s:s,s:[]}", "schema", 1, "outcome", "found", "hosts");

    (void)state;
    for (int i = 0; i <= ROUTE_HOSTS_MOST; i++)
        assert_int_equal(json_array_append_new(json_object_get(json, "hosts"), json_object()), 0);
    assert_false(route_from_json(json, &arena, &loaded, &err));
    assert_non_null(strstr(err.text, "hosts: has more than 32 items"));
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(gives_back_every_field_that_was_saved, set_up, tear_down),
        cmocka_unit_test(names_every_field_of_a_route),
        cmocka_unit_test_setup_teardown(refuses_what_no_route_can_be, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_more_hosts_than_a_route_has, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
