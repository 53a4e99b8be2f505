#include "link/record_json.h"

#include "base/text.h"
#include "link/observation.h"

#include <stdio.h>
#include <string.h>

enum {
    TEXT_BYTES_MOST = 64 * 1024,
    BYTES_MOST = 256 * 1024, /* of one span, such as a certificate */
    SCRATCH_BYTES_MOST = 16 * 1024 * 1024,
};

/* Years 1 and 9999, between which every date can be shown. */
static const int64_t time_least = -62135596800, time_most = 253402300799;

static size_t item_size(const struct field *item)
{
    switch ((int)item->kind) {
    case FIELD_RECORD: return item->record->size_bytes;
    case FIELD_BYTES: return sizeof(struct span);
    default: return sizeof(const char *);
    }
}

/* Items of `kind` lie in the struct itself, or in the arena. */
static const char *list_items(const struct field *field, const char *base)
{
    const char *items = base + field->offset;

    if (field->kind == FIELD_LIST)
        memcpy(&items, base + field->offset, sizeof items);
    return items;
}

/* ---- writing ---- */

static json_t *write_record(const struct record *record, const char *base, struct arena *scratch);

/* Of a container that lacks a part nothing is left: a half observation would be judged wrongly. */
static json_t *keep_if(bool is_complete, json_t *container)
{
    if (is_complete)
        return container;
    json_decref(container);
    return NULL;
}

/* What is not UTF-8, or could upset a terminal, is written escaped. */
static json_t *write_text(const struct field *field, const char *text, struct arena *scratch)
{
    json_t *value;

    if (text == NULL)
        return field->kind == FIELD_TEXT ? json_string("") : json_null();
    value = json_string(text);
    return value != NULL ? value : json_string(text_printable(scratch, span_of(text), true));
}

static json_t *write_u64(uint64_t number)
{
    char text[32];

    if (number <= INT64_MAX)
        return json_integer((json_int_t)number);
    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    return json_string(text);
}

static json_t *write_version(uint16_t version)
{
    char text[16];

    if (version == 0)
        return json_null();
    if (version >= TLS_VERSION_SSL3 && version <= TLS_VERSION_1_3)
        return json_string(tls_version_name(version));
    snprintf(text, sizeof text, "0x%04x", version);
    return json_string(text);
}

static json_t *write_bits(const struct words *words, uint32_t bits)
{
    json_t *list = json_array();
    bool is_complete = list != NULL;

    for (unsigned i = 0; i < words->count; i++) {
        const char *word = words_find(words, i);

        if ((bits & 1U << i) != 0 && word != NULL)
            is_complete &= json_array_append_new(list, json_string(word)) == 0;
    }
    return keep_if(is_complete, list);
}

static json_t *write_steps(const int64_t *step_ms)
{
    json_t *object = json_object();
    bool is_complete = object != NULL;

    for (unsigned i = 0; i < STEP_COUNT; i++)
        if (step_ms[i] >= 0)
            is_complete &=
                json_object_set_new(object, step_name((enum step)i), json_integer(step_ms[i])) == 0;
    return keep_if(is_complete, object);
}

static json_t *write_field(const struct field *field, const char *base, struct arena *scratch);

static json_t *write_list(const struct field *field, const char *base, struct arena *scratch)
{
    json_t *list = json_array();
    const char *items = list_items(field, base);
    bool is_complete = list != NULL;
    size_t count;

    memcpy(&count, base + field->count_offset, sizeof count);
    for (size_t i = 0; i < count && is_complete; i++) {
        const char *item = items + i * item_size(field->item);

        is_complete = json_array_append_new(list, write_field(field->item, item, scratch)) == 0;
    }
    return keep_if(is_complete, list);
}

/* The value of an integer of any kind. */
static int64_t read_integer(const struct field *field, const void *from)
{
    switch ((int)field->kind) {
    case FIELD_U8: return *(const uint8_t *)from;
    case FIELD_U16: return *(const uint16_t *)from;
    case FIELD_U32: return *(const uint32_t *)from;
    case FIELD_INT: return *(const int *)from;
    default: return *(const int64_t *)from;
    }
}

static json_t *write_field(const struct field *field, const char *base, struct arena *scratch)
{
    const void *from = base + field->offset;
    char text[NET_ADDRESS_TEXT];

    switch (field->kind) {
    case FIELD_BOOL: return json_boolean(*(const bool *)from);
    case FIELD_U8:
    case FIELD_U16:
    case FIELD_U32:
    case FIELD_INT:
    case FIELD_I64:
    case FIELD_TIME: return json_integer(read_integer(field, from));
    case FIELD_U64: return write_u64(*(const uint64_t *)from);
    case FIELD_SIZE: return write_u64(*(const size_t *)from);
    case FIELD_TEXT:
    case FIELD_TEXT_OR_NULL: return write_text(field, *(const char *const *)from, scratch);
    case FIELD_BYTES: return json_string(text_base64(scratch, *(const struct span *)from));
    case FIELD_ADDRESS: return json_string(net_address_text(from, text));
    case FIELD_WORD: return json_string(words_find(field->words, *(const unsigned *)from));
    case FIELD_BITS: return write_bits(field->words, *(const uint32_t *)from);
    case FIELD_TLS_VERSION: return write_version(*(const uint16_t *)from);
    case FIELD_STEPS: return write_steps(from);
    case FIELD_RECORD: return write_record(field->record, from, scratch);
    case FIELD_ARRAY:
    case FIELD_LIST: return write_list(field, base, scratch);
    }
    return NULL;
}

static json_t *write_record(const struct record *record, const char *base, struct arena *scratch)
{
    json_t *object = json_object();
    bool is_complete = object != NULL;

    for (size_t i = 0; i < record->count && is_complete; i++) {
        json_t *value = write_field(&record->fields[i], base, scratch);

        is_complete = json_object_set_new(object, record->fields[i].name, value) == 0;
    }
    return keep_if(is_complete, object);
}

json_t *record_to_json(const struct record *record, const void *base)
{
    struct arena scratch;
    json_t *json;

    arena_init(&scratch, SCRATCH_BYTES_MOST);
    json = write_record(record, base, &scratch);
    if (json != NULL)
        json = keep_if(json_object_set_new(json, "schema", json_integer(RECORD_SCHEMA)) == 0 &&
                           !scratch.exhausted,
                       json);
    arena_clear(&scratch);
    return json;
}

/* ---- reading ---- */

struct reader {
    struct arena *arena; /* of the observation */
    struct error *err;
};

static bool load_record(struct reader *reader, const struct record *record, const json_t *json,
                        char *base);

static bool refuse(struct reader *reader, const char *why)
{
    return error_set(reader->err, ERROR_FORMAT, "%s", why);
}

/* The value range of a field, which its row may narrow. */
static void find_bounds(const struct field *field, int64_t *least, int64_t *most)
{
    *least = 0;
    *most = INT64_MAX;
    switch ((int)field->kind) {
    case FIELD_U8: *most = UINT8_MAX; break;
    case FIELD_U16: *most = UINT16_MAX; break;
    case FIELD_U32: *most = UINT32_MAX; break;
    case FIELD_INT: *least = INT32_MIN, *most = INT32_MAX; break;
    case FIELD_I64: *least = -1, *most = INT64_C(1) << 53; break;
    case FIELD_TIME: *least = time_least, *most = time_most; break;
    }
    if (field->least != 0 || field->most != 0) {
        *least = field->least;
        *most = field->most;
    }
}

static void store_integer(const struct field *field, int64_t number, void *to)
{
    switch ((int)field->kind) {
    case FIELD_U8: *(uint8_t *)to = (uint8_t)number; break;
    case FIELD_U16: *(uint16_t *)to = (uint16_t)number; break;
    case FIELD_U32: *(uint32_t *)to = (uint32_t)number; break;
    case FIELD_INT: *(int *)to = (int)number; break;
    default: *(int64_t *)to = number; break;
    }
}

static bool load_integer(struct reader *reader, const struct field *field, const json_t *json,
                         void *to)
{
    int64_t number = json_integer_value(json), least, most;

    find_bounds(field, &least, &most);
    if (!json_is_integer(json))
        return refuse(reader, "is not a whole number");
    if (field->kind == FIELD_TIME && (number == INT64_MIN || number == INT64_MAX))
        least = INT64_MIN, most = INT64_MAX; /* what an unreadable date is kept as */
    if (number < least || number > most)
        return error_set(reader->err, ERROR_FORMAT, "%lld is not between %lld and %lld",
                         (long long)number, (long long)least, (long long)most);
    store_integer(field, number, to);
    return true;
}

static bool load_u64(struct reader *reader, const json_t *json, uint64_t *number)
{
    if (json_is_integer(json) && json_integer_value(json) >= 0) {
        *number = (uint64_t)json_integer_value(json);
        return true;
    }
    if (json_is_string(json) &&
        text_to_number(span_of(json_string_value(json)), UINT64_MAX, number))
        return true;
    return refuse(reader, "is not a whole number from 0 to 18446744073709551615");
}

static bool load_size(struct reader *reader, const json_t *json, size_t *size)
{
    uint64_t number = 0;

    if (!load_u64(reader, json, &number))
        return false;
    *size = (size_t)number;
    return true;
}

static bool load_bool(struct reader *reader, const json_t *json, bool *to)
{
    if (!json_is_boolean(json))
        return refuse(reader, "is neither true nor false");
    *to = json_is_true(json);
    return true;
}

/* Escaping an escaped text again would change it: only what cannot be shown is escaped here. */
static bool is_safe(struct arena *arena, const char *text)
{
    const char *shown = text_printable(arena, span_of(text), true);

    for (; *text != '\0'; text++, shown++) {
        if (*text == '\\' && shown[0] == '\\' && shown[1] == '\\')
            shown++;
        else if (*text != *shown)
            return false;
    }
    return *shown == '\0';
}

static bool load_text(struct reader *reader, const struct field *field, const json_t *json,
                      const char **to)
{
    struct arena scratch;
    struct span text = { json_string_value(json), json_string_length(json) };

    *to = field->kind == FIELD_TEXT ? "" : NULL;
    if (json_is_null(json))
        return true;
    if (!json_is_string(json))
        return refuse(reader, "is not a text");
    if (text.len > TEXT_BYTES_MOST)
        return refuse(reader, "is too long a text");
    arena_init(&scratch, (size_t)TEXT_BYTES_MOST * 8);
    *to = strlen(text.data) == text.len && is_safe(&scratch, text.data)
              ? arena_copy(reader->arena, text)
              : text_printable(reader->arena, text, true);
    arena_clear(&scratch);
    return true;
}

static bool load_bytes(struct reader *reader, const struct field *field, const json_t *json,
                       struct span *to)
{
    struct span text = { json_string_value(json), json_string_length(json) };
    size_t most = field->most == 0 ? BYTES_MOST : (size_t)field->most;

    if (!json_is_string(json))
        return refuse(reader, "is not base64");
    if (text.len / 4 * 3 > most + 3)
        return error_set(reader->err, ERROR_FORMAT, "holds more than %zu bytes", most);
    if (!text_from_base64(reader->arena, text, to))
        return reader->arena->exhausted || refuse(reader, "is not base64");
    return true;
}

static bool load_address(struct reader *reader, const json_t *json, struct net_address *to)
{
    return (json_is_string(json) && net_address_parse(span_of(json_string_value(json)), to)) ||
           refuse(reader, "is not an IP address");
}

static bool find_word(const struct words *words, const json_t *json, unsigned *value)
{
    for (unsigned i = 0; json_is_string(json) && i < words->count; i++) {
        const char *word = words_find(words, i);

        if (word != NULL && strcmp(word, json_string_value(json)) == 0) {
            *value = i;
            return true;
        }
    }
    return false;
}

static bool load_word(struct reader *reader, const struct words *words, const json_t *json,
                      unsigned *to)
{
    if (find_word(words, json, to))
        return true;
    if (!json_is_string(json))
        return refuse(reader, "is not a word");
    return error_set(reader->err, ERROR_FORMAT, "\"%.40s\" is none of its words",
                     text_printable(reader->arena, span_of(json_string_value(json)), false));
}

static bool load_bits(struct reader *reader, const struct words *words, const json_t *json,
                      uint32_t *to)
{
    *to = 0;
    if (!json_is_array(json))
        return refuse(reader, "is not a list of words");
    for (size_t i = 0; i < json_array_size(json); i++) {
        unsigned bit = 0;

        if (!load_word(reader, words, json_array_get(json, i), &bit))
            return false;
        *to |= 1U << bit;
    }
    return true;
}

static bool load_version(struct reader *reader, const json_t *json, uint16_t *to)
{
    const char *text = json_string_value(json);
    struct span bytes;

    *to = 0;
    if (json_is_null(json))
        return true;
    for (uint16_t version = TLS_VERSION_SSL3; text != NULL && version <= TLS_VERSION_1_3; version++)
        if (strcmp(text, tls_version_name(version)) == 0) {
            *to = version;
            return true;
        }
    if (text == NULL || strlen(text) != 6 || !span_starts_with(span_of(text), "0x") ||
        !text_from_hex(reader->arena, span_of(text + 2), &bytes) || bytes.len != 2)
        return refuse(reader, "is no TLS version, such as \"TLSv1.2\" or \"0x0305\"");
    *to = (uint16_t)((uint8_t)bytes.data[0] << 8 | (uint8_t)bytes.data[1]);
    return true;
}

static bool load_steps(struct reader *reader, const json_t *json, int64_t *step_ms)
{
    static const struct field milliseconds = { .kind = FIELD_I64 };

    if (!json_is_object(json))
        return refuse(reader, "is not an object");
    for (unsigned i = 0; i < STEP_COUNT; i++) {
        const char *name = step_name((enum step)i);
        const json_t *value = json_object_get(json, name);

        if (value != NULL && !load_integer(reader, &milliseconds, value, &step_ms[i]))
            return error_wrap(reader->err, "%s", name);
    }
    return true;
}

static bool load_field(struct reader *reader, const struct field *field, const json_t *json,
                       char *base);

/* Memory that ran out leaves an empty list; the end of the reading sees it. */
static char *make_items(struct reader *reader, const struct field *field, size_t count, char *base)
{
    char *items = base + field->offset;

    if (field->kind == FIELD_LIST) {
        items = arena_new(reader->arena, count == 0 ? 1 : count, item_size(field->item));
        memcpy(base + field->offset, &items, sizeof items);
    }
    return items;
}

static bool load_list(struct reader *reader, const struct field *field, const json_t *json,
                      char *base)
{
    size_t count = json_array_size(json);
    char *items;

    if (!json_is_array(json))
        return refuse(reader, "is not a list");
    if (count > (size_t)field->most)
        return error_set(reader->err, ERROR_FORMAT, "has more than %lld items",
                         (long long)field->most);
    items = make_items(reader, field, count, base);
    if (items == NULL)
        return true;
    memcpy(base + field->count_offset, &count, sizeof count);
    for (size_t i = 0; i < count; i++)
        if (!load_field(reader, field->item, json_array_get(json, i),
                        items + i * item_size(field->item)))
            return error_wrap(reader->err, "[%zu]", i);
    return true;
}

static bool load_field(struct reader *reader, const struct field *field, const json_t *json,
                       char *base)
{
    char *to = base + field->offset;

    switch (field->kind) {
    case FIELD_BOOL: return load_bool(reader, json, (bool *)to);
    case FIELD_U8:
    case FIELD_U16:
    case FIELD_U32:
    case FIELD_INT:
    case FIELD_I64:
    case FIELD_TIME: return load_integer(reader, field, json, to);
    case FIELD_U64: return load_u64(reader, json, (void *)to);
    case FIELD_SIZE: return load_size(reader, json, (void *)to);
    case FIELD_TEXT:
    case FIELD_TEXT_OR_NULL: return load_text(reader, field, json, (void *)to);
    case FIELD_BYTES: return load_bytes(reader, field, json, (void *)to);
    case FIELD_ADDRESS: return load_address(reader, json, (void *)to);
    case FIELD_WORD: return load_word(reader, field->words, json, (void *)to);
    case FIELD_BITS: return load_bits(reader, field->words, json, (void *)to);
    case FIELD_TLS_VERSION: return load_version(reader, json, (void *)to);
    case FIELD_STEPS: return load_steps(reader, json, (void *)to);
    case FIELD_RECORD: return load_record(reader, field->record, json, to);
    case FIELD_ARRAY:
    case FIELD_LIST: return load_list(reader, field, json, base);
    }
    return false;
}

/* A text of a record that nothing was read into is "" all the same. */
static void fill_texts(const struct record *record, char *base)
{
    for (size_t i = 0; i < record->count; i++) {
        const struct field *field = &record->fields[i];
        char *to = base + field->offset;

        if (field->kind == FIELD_TEXT)
            *(const char **)(void *)to = "";
        else if (field->kind == FIELD_RECORD)
            fill_texts(field->record, to);
    }
}

/* A field that is missing keeps what it has: an older writer did not know it. */
static bool load_record(struct reader *reader, const struct record *record, const json_t *json,
                        char *base)
{
    if (!json_is_object(json))
        return refuse(reader, "is not an object");
    fill_texts(record, base);
    for (size_t i = 0; i < record->count; i++) {
        const struct field *field = &record->fields[i];
        const json_t *value = json_object_get(json, field->name);

        if (value != NULL && !load_field(reader, field, value, base))
            return error_wrap(reader->err, "%s", field->name);
    }
    return true;
}

bool record_from_json(const struct record *record, const json_t *json, struct arena *arena,
                      void *base, struct error *err)
{
    struct reader reader = { arena, err };
    const json_t *schema = json_object_get(json, "schema");
    bool is_read;

    if (!json_is_object(json))
        return error_set(err, ERROR_FORMAT, "it is not an object");
    if (!json_is_integer(schema) || json_integer_value(schema) != RECORD_SCHEMA)
        return error_set(err, ERROR_FORMAT, "schema: this version reads schema %d alone",
                         RECORD_SCHEMA);
    is_read = load_record(&reader, record, json, base);
    if (arena->exhausted) /* then what is missing says nothing of the JSON */
        return error_set(err, ERROR_MEMORY, "it is too large");
    return is_read;
}
