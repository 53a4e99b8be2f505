/* tests/unit/diagnose/observations_test.c - every saved observation is judged as it was before.
 *
 * usage: observations_test FOLDER (tests/observations; tools/save-observations makes the files)
 */
#include "../test.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "diagnose/saved_checkup.h"

static const char *folder;

static void expect_codes(const char *name, const struct checkup *checkup, const json_t *expected)
{
    size_t at = 0;

    for (size_t i = 0; i < checkup->host_count; i++) {
        const struct findings *findings = &checkup->hosts[i]->findings;

        for (size_t k = 0; k < findings->count; k++) {
            const char *code = json_string_value(json_array_get(expected, at++));

            if (code == NULL || strcmp(code, findings->items[k].code) != 0)
                fail_msg("%s: %s where %s is expected", name, findings->items[k].code,
                         code == NULL ? "nothing more" : code);
        }
    }
    if (at != json_array_size(expected))
        fail_msg("%s: %zu findings where %zu are expected", name, at, json_array_size(expected));
}

static void judge_file(const char *name)
{
    struct arena arena;
    struct checkup *checkup;
    struct error err = { .kind = ERROR_NONE };
    char path[1024];
    json_t *json;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    json = json_load_file(path, 0, NULL);
    assert_non_null(json);
    arena_init(&arena, 16 << 20);
    if (!saved_checkup_from_json(json_array_get(json_object_get(json, "checkups"), 0), &arena,
                                 &checkup, &err))
        fail_msg("%s: %s", name, err.text);
    expect_codes(name, checkup, json_object_get(json, "expected"));
    arena_clear(&arena);
    json_decref(json);
}

static void judges_each_as_it_was_judged_before(void **state)
{
    DIR *directory = opendir(folder);
    const struct dirent *entry;
    size_t count = 0;

    (void)state;
    assert_non_null(directory);
    while ((entry = readdir(directory)) != NULL) {
        size_t len = strlen(entry->d_name);

        if (len > 5 && strcmp(entry->d_name + len - 5, ".json") == 0) {
            judge_file(entry->d_name);
            count++;
        }
    }
    closedir(directory);
    assert_true(count > 80);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(judges_each_as_it_was_judged_before) };

    folder = argc > 1 ? argv[1] : "tests/observations";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
