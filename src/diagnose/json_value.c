#include "diagnose/json_value.h"

#include "base/arena.h"
#include "base/text.h"

json_t *json_value_text(const char *text)
{
    AUTO(arena_clear) struct arena arena = { 0 };

    if (text == NULL)
        return json_null();
    if (text_is_utf8(span_of(text)))
        return json_string(text);
    arena_init(&arena, SIZE_MAX);
    return json_string(text_printable(&arena, span_of(text), true));
}

json_t *json_value_texts(const char *const *texts, size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_value_text(texts[i]));
    return list;
}

json_t *json_value_time(int64_t seconds)
{
    AUTO(arena_clear) struct arena arena;

    if (seconds == INT64_MIN || seconds == INT64_MAX)
        return json_null();
    arena_init(&arena, 1024);
    return json_string(text_time(&arena, seconds));
}
