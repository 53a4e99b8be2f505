/* tests/unit/link/observation_json_test.c - promises of link/observation_json.h */
#include "../test.h"

#include "link/observation_fields.h"
#include "link/observation_json.h"

#include <stdlib.h>
#include <string.h>

enum { ARENA_BYTES = 8 * 1024 * 1024, ROUNDS = 40 };

/* ---- observations in which every field has a value ---- */

static uint64_t seed;

static uint64_t next_number(void)
{
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    return seed >> 16;
}

static const char *make_text(struct arena *arena)
{
    static const char *const texts[] = { "mx.example.org", "back\\\\slash", "\\x1b[2J",
                                         "b\xc3\xbc" };

    return arena_format(arena, "%s %u", texts[next_number() % ARRAY_SIZE(texts)],
                        (unsigned)(next_number() % 1000));
}

static struct span make_bytes(struct arena *arena)
{
    char bytes[40];
    size_t len = next_number() % sizeof bytes;

    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)next_number();
    return arena_copy_bytes(arena, (struct span){ bytes, len });
}

static unsigned make_word(const struct words *words)
{
    unsigned value;

    do
        value = (unsigned)(next_number() % words->count);
    while (words_find(words, value) == NULL);
    return value;
}

static int64_t make_number(const struct field *field)
{
    int64_t span = 1 << 20, least = field->least;

    switch ((int)field->kind) {
    case FIELD_U8: span = 256; break;
    case FIELD_U16: span = 65536; break;
    case FIELD_TIME: return next_number() % 3 == 0 ? INT64_MAX : (int64_t)next_number() % span;
    }
    if (field->most != 0)
        span = field->most - least + 1;
    return least + (int64_t)(next_number() % (uint64_t)span);
}

static size_t size_of(const struct field *field)
{
    switch (field->kind) {
    case FIELD_BOOL:
    case FIELD_U8: return 1;
    case FIELD_U16:
    case FIELD_TLS_VERSION: return 2;
    case FIELD_U32:
    case FIELD_INT:
    case FIELD_WORD:
    case FIELD_BITS: return 4;
    case FIELD_BYTES: return sizeof(struct span);
    case FIELD_STEPS: return sizeof(int64_t) * STEP_COUNT;
    case FIELD_RECORD: return field->record->size_bytes;
    case FIELD_ARRAY: return size_of(field->item) * (size_t)field->most;
    case FIELD_I64:
    case FIELD_U64:
    case FIELD_SIZE:
    case FIELD_TIME:
    case FIELD_TEXT:
    case FIELD_TEXT_OR_NULL:
    case FIELD_LIST: break;
    }
    return 8;
}

static void fill_record(struct arena *arena, const struct record *record, char *base);

static void fill_field(struct arena *arena, const struct field *field, char *base);

static void fill_list(struct arena *arena, const struct field *field, char *base)
{
    size_t most = field->most < 4 ? (size_t)field->most : 4, count = next_number() % (most + 1);
    char *items = base + field->offset;

    if (field->kind == FIELD_LIST) {
        items = arena_new(arena, most, size_of(field->item));
        memcpy(base + field->offset, &items, sizeof items);
    }
    memcpy(base + field->count_offset, &count, sizeof count);
    for (size_t i = 0; i < count; i++)
        fill_field(arena, field->item, items + i * size_of(field->item));
}

static void fill_field(struct arena *arena, const struct field *field, char *base)
{
    void *to = base + field->offset;
    int64_t number = make_number(field);
    uint64_t large = next_number() % 2 == 0 ? UINT64_MAX - next_number() : next_number();

    switch (field->kind) {
    case FIELD_BOOL: *(bool *)to = number % 2; break;
    case FIELD_U8: *(uint8_t *)to = (uint8_t)number; break;
    case FIELD_U16: *(uint16_t *)to = (uint16_t)number; break;
    case FIELD_U32:
    case FIELD_INT: *(int32_t *)to = (int32_t)number; break;
    case FIELD_I64:
    case FIELD_TIME: *(int64_t *)to = number; break;
    case FIELD_U64: *(uint64_t *)to = large; break;
    case FIELD_SIZE: *(size_t *)to = 0; break; /* an index into what may be empty */
    case FIELD_TEXT: *(const char **)to = make_text(arena); break;
    case FIELD_TEXT_OR_NULL: *(const char **)to = number % 2 ? make_text(arena) : NULL; break;
    case FIELD_BYTES: *(struct span *)to = make_bytes(arena); break;
    case FIELD_WORD: *(unsigned *)to = make_word(field->words); break;
    case FIELD_BITS: *(uint32_t *)to = 1U << make_word(field->words); break;
    case FIELD_TLS_VERSION: *(uint16_t *)to = (uint16_t)(0x0300 + number % 8); break;
    case FIELD_STEPS:
        for (size_t i = 0; i < STEP_COUNT; i++)
            ((int64_t *)to)[i] = (int64_t)(next_number() % 100) - 1;
        break;
    case FIELD_RECORD: fill_record(arena, field->record, to); break;
    case FIELD_ARRAY:
    case FIELD_LIST: fill_list(arena, field, base); break;
    }
}

static void fill_record(struct arena *arena, const struct record *record, char *base)
{
    for (size_t i = 0; i < record->count; i++)
        fill_field(arena, &record->fields[i], base);
}

/* A value at random, but one that a link could have written. */
static void make_observation(struct arena *arena, struct observation *observation)
{
    observation_init(observation);
    fill_record(arena, &observation_record, (char *)observation);
    for (size_t i = 0; i < observation->verdict.flaw_count; i++)
        observation->verdict.flaws[i].sent_index = -1;
    if (observation->verdict.tlsa == CHAIN_TLSA_MATCHED && observation->tlsa_count == 0)
        observation->verdict.tlsa = CHAIN_TLSA_NONE;
}

/* ---- comparing ---- */

static void compare_records(const struct record *record, const char *a, const char *b);

static void compare_fields(const struct field *field, const char *a, const char *b);

static void compare_lists(const struct field *field, const char *a, const char *b)
{
    const char *left = a + field->offset, *right = b + field->offset;
    size_t count, other_count;

    memcpy(&count, a + field->count_offset, sizeof count);
    memcpy(&other_count, b + field->count_offset, sizeof other_count);
    assert_int_equal(count, other_count);
    if (field->kind == FIELD_LIST) {
        memcpy(&left, (const void *)left, sizeof left);
        memcpy(&right, (const void *)right, sizeof right);
    }
    for (size_t i = 0; i < count; i++)
        compare_fields(field->item, left + i * size_of(field->item),
                       right + i * size_of(field->item));
}

static void compare_fields(const struct field *field, const char *a, const char *b)
{
    const char *left = a + field->offset, *right = b + field->offset;
    const char *text = NULL, *other_text = NULL;
    struct span bytes = { NULL, 0 }, other_bytes = { NULL, 0 };

    switch ((int)field->kind) {
    case FIELD_TEXT:
    case FIELD_TEXT_OR_NULL:
        memcpy(&text, left, sizeof text);
        memcpy(&other_text, right, sizeof other_text);
        if (text == NULL || other_text == NULL)
            assert_ptr_equal(text, other_text);
        else
            assert_string_equal(text, other_text);
        break;
    case FIELD_BYTES:
        memcpy(&bytes, left, sizeof bytes);
        memcpy(&other_bytes, right, sizeof other_bytes);
        assert_true(span_equal(bytes, other_bytes));
        break;
    case FIELD_RECORD: compare_records(field->record, left, right); break;
    case FIELD_ARRAY:
    case FIELD_LIST: compare_lists(field, a, b); break;
    default: assert_memory_equal(left, right, size_of(field)); break;
    }
}

static void compare_records(const struct record *record, const char *a, const char *b)
{
    for (size_t i = 0; i < record->count; i++)
        compare_fields(&record->fields[i], a, b);
}

/* ---- promises ---- */

static json_t *save_and_parse(const struct observation *observation)
{
    json_t *json = observation_to_json(observation), *parsed;
    json_error_t where;
    char *text;

    assert_non_null(json);
    text = json_dumps(json, 0);
    assert_non_null(text);
    parsed = json_loads(text, 0, &where);
    assert_non_null(parsed);
    assert_true(json_equal(json, parsed));
    free(text); /* jansson's own allocation */
    json_decref(json);
    return parsed;
}

static void gives_back_every_field_that_was_saved(void **state)
{
    static struct observation saved, loaded;
    struct error err = { .kind = ERROR_NONE };

    (void)state;
    for (seed = 1; seed < ROUNDS; seed += 1) {
        uint64_t round = seed;
        struct arena arena;
        json_t *json;

        arena_init(&arena, ARENA_BYTES);
        make_observation(&arena, &saved);
        json = save_and_parse(&saved);
        if (!observation_from_json(json, &arena, &loaded, &err))
            fail_msg("round %u: %s", (unsigned)round, err.text);
        compare_records(&observation_record, (char *)&saved, (char *)&loaded);
        json_decref(json);
        arena_clear(&arena);
        seed = round;
    }
}

/* Bytes that no field covers can only be padding, which is shorter than a pointer; the DER of a
 * certificate is that of the chain and saved there. */
static void check_coverage(const char *name, const struct record *record)
{
    static const size_t der = offsetof(struct certificate, der);
    bool *covered = test_calloc(record->size_bytes, sizeof *covered);
    size_t run = 0;

    for (size_t i = 0; i < record->count; i++) {
        const struct field *field = &record->fields[i];
        const struct field *inner = field->item != NULL ? field->item : field;
        bool is_list = field->kind == FIELD_ARRAY || field->kind == FIELD_LIST;

        if (inner->kind == FIELD_RECORD)
            check_coverage(field->name, inner->record);
        for (size_t k = 0; k < size_of(field); k++) {
            assert_false(covered[field->offset + k]); /* two fields at one place */
            covered[field->offset + k] = true;
        }
        for (size_t k = 0; is_list && k < sizeof(size_t); k++)
            covered[field->count_offset + k] = true;
        if (strcmp(field->name, "is_readable") == 0)
            memset(covered + der, true, sizeof(struct span));
    }
    for (size_t i = 0; i < record->size_bytes; i++) {
        run = covered[i] ? 0 : run + 1;
        if (run >= sizeof(void *))
            fail_msg("%s: the bytes before offset %zu belong to no field", name, i + 1);
    }
    test_free(covered);
}

static void names_every_field_of_an_observation(void **state)
{
    (void)state;
    check_coverage("observation", &observation_record);
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
    seed = 99;
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
        cmocka_unit_test(names_every_field_of_an_observation),
        cmocka_unit_test(takes_what_an_older_version_saved),
        cmocka_unit_test(refuses_values_out_of_range_and_names_the_field),
        cmocka_unit_test(lets_no_control_character_in),
        cmocka_unit_test(saves_a_text_that_is_not_utf8),
        cmocka_unit_test(says_when_the_arena_is_too_small),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
