/* tests/unit/link/records.c - records with a value in every field, and whether two are the same. */
#include "../test.h"

#include "records.h"

#include "link/observation.h"
#include "link/route.h"

#include <stdlib.h>
#include <string.h>

uint64_t records_seed = 1;

static uint64_t next_number(void)
{
    records_seed = records_seed * 6364136223846793005U + 1442695040888963407U;
    return records_seed >> 16;
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
    case FIELD_ADDRESS: return offsetof(struct net_address, is_ipv6) + sizeof(bool);
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
    case FIELD_ADDRESS:
        assert_true(net_address_parse(span_of(number % 2 ? "192.0.2.7" : "2001:db8::7"), to));
        break;
    case FIELD_WORD: *(unsigned *)to = make_word(field->words); break;
    case FIELD_BITS: *(uint32_t *)to = 1U << make_word(field->words); break;
    case FIELD_TLS_VERSION: *(uint16_t *)to = (uint16_t)(0x0300 + number % 8); break;
    case FIELD_STEPS:
        for (size_t i = 0; i < STEP_COUNT; i++)
            ((int64_t *)to)[i] = (int64_t)(next_number() % 100) - 1;
        break;
    case FIELD_RECORD: records_fill(arena, field->record, to); break;
    case FIELD_ARRAY:
    case FIELD_LIST: fill_list(arena, field, base); break;
    }
}

void records_fill(struct arena *arena, const struct record *record, void *base)
{
    for (size_t i = 0; i < record->count; i++)
        fill_field(arena, &record->fields[i], base);
}

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
    case FIELD_RECORD: records_compare(field->record, left, right); break;
    case FIELD_ARRAY:
    case FIELD_LIST: compare_lists(field, a, b); break;
    default: assert_memory_equal(left, right, size_of(field)); break;
    }
}

void records_compare(const struct record *record, const void *a, const void *b)
{
    for (size_t i = 0; i < record->count; i++)
        compare_fields(&record->fields[i], a, b);
}

/* Bytes that no field covers can only be padding, which is shorter than a pointer; the DER of a
 * certificate is that of the chain and saved there. */
void records_check_coverage(const char *name, const struct record *record)
{
    static const size_t der = offsetof(struct certificate, der);
    bool *covered = test_calloc(record->size_bytes, sizeof *covered);
    size_t run = 0;

    for (size_t i = 0; i < record->count; i++) {
        const struct field *field = &record->fields[i];
        const struct field *inner = field->item != NULL ? field->item : field;
        bool is_list = field->kind == FIELD_ARRAY || field->kind == FIELD_LIST;

        if (inner->kind == FIELD_RECORD)
            records_check_coverage(field->name, inner->record);
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

json_t *records_print_and_parse(json_t *json)
{
    json_error_t where;
    json_t *parsed;
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
