/* fuzz/observation.c - a saved observation that was tampered with is refused or read, never more.
 *
 * What is read can be judged, saved and read again, and gives the same record; no text in it can
 * upset a terminal.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "link/observation_fields.h"
#include "link/observation_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_BYTES = 16 * 1024 * 1024 };

static void insist(bool claim)
{
    if (!claim)
        abort();
}

/* The words and texts of what was read, as they would be printed. */
static void check_texts(const json_t *json)
{
    const char *key;
    json_t *value;
    size_t index;

    if (json_is_string(json))
        for (const char *text = json_string_value(json); *text != '\0'; text++)
            insist((unsigned char)*text >= 0x20 && *text != 0x7f);
    json_array_foreach(json, index, value) check_texts(value);
    json_object_foreach((json_t *)(uintptr_t)json, key, value) check_texts(value);
}

static void check_round_trip(const struct observation *first)
{
    static struct observation second;
    struct error err = { .kind = ERROR_NONE };
    json_t *saved = observation_to_json(first), *again;
    struct arena arena;

    insist(saved != NULL);
    check_texts(saved);
    arena_init(&arena, ARENA_BYTES);
    insist(observation_from_json(saved, &arena, &second, &err));
    again = observation_to_json(&second);
    insist(again != NULL && json_equal(saved, again));
    json_decref(again);
    json_decref(saved);
    arena_clear(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct observation observation;
    struct error err = { .kind = ERROR_NONE };
    json_t *json = json_loadb((const char *)data, size, 0, NULL);
    struct arena arena;

    if (json == NULL)
        return 0;
    arena_init(&arena, ARENA_BYTES);
    if (observation_from_json(json, &arena, &observation, &err)) {
        struct policy_session session = observation_session(&observation);

        for (int i = 0; i < POLICY_LEVEL_COUNT; i++)
            insist(policy_decide((enum policy_level)i, &session).decision < POLICY_DECISION_COUNT);
        check_round_trip(&observation);
    } else {
        insist(err.kind != ERROR_NONE && err.text[0] != '\0');
    }
    arena_clear(&arena);
    json_decref(json);
    return 0;
}
