#include "trust/txt_record.h"

#include "base/text.h"

enum { NAME_MOST = 32 };

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

const char *txt_record_quote(struct arena *arena, struct span text)
{
    const char *rest = text.len > TXT_RECORD_FLAW_TEXT ? "..." : "";

    return arena_format(arena, "\"%s%s\"",
                        text_printable(arena, span_part(text, 0, TXT_RECORD_FLAW_TEXT), false),
                        rest);
}

struct span txt_record_begin(struct span text, const char *version)
{
    return span_part(text, strlen(version), text.len);
}

static bool begins(struct span text, const char *version)
{
    struct span rest;

    if (!span_starts_with(text, version))
        return false;
    rest = span_trim(txt_record_begin(text, version));
    return rest.len > 0 && rest.data[0] == ';';
}

static bool contains(struct span text, const char *word)
{
    for (; text.len > 0; text = span_part(text, 1, text.len))
        if (span_starts_with_nocase(text, word))
            return true;
    return false;
}

size_t txt_record_pick(const struct span *texts, size_t count, const char *version,
                       const char *word, struct span *picked)
{
    size_t found = 0;

    *picked = (struct span){ NULL, 0 };
    for (size_t i = 0; i < count; i++)
        if (begins(texts[i], version) && found++ == 0)
            *picked = texts[i];
    for (size_t i = 0; i < count && picked->len == 0; i++)
        if (contains(texts[i], word))
            *picked = texts[i];
    return found;
}

bool txt_record_is_name(struct span name)
{
    if (name.len == 0 || name.len > NAME_MOST || !is_letter_or_digit(name.data[0]))
        return false;
    for (size_t i = 1; i < name.len; i++)
        if (!is_letter_or_digit(name.data[i]) && strchr("_-.", name.data[i]) == NULL)
            return false;
    return memchr(name.data, '\0', name.len) == NULL;
}

bool txt_record_is_value(struct span value)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.data[i] <= ' ' || value.data[i] > '~' || value.data[i] == '=' ||
            value.data[i] == ';')
            return false;
    return value.len > 0;
}

static bool read_field(struct span field, struct arena *arena, struct span *name,
                       struct span *value, const char **flaw)
{
    size_t sign = span_find(field, '=');

    *name = span_part(field, 0, sign);
    *value = span_part(field, sign + 1, field.len);
    if (field.len == 0)
        *flaw = "there is nothing between two semicolons";
    else if (sign == field.len)
        *flaw = arena_format(arena, "%s is no field of the form name=value",
                             txt_record_quote(arena, field));
    else if (!txt_record_is_name(*name))
        *flaw = arena_format(arena, "%s is no name of a field", txt_record_quote(arena, *name));
    else if (value->len == 0)
        *flaw = arena_format(arena, "the field %s has no value", txt_record_quote(arena, *name));
    else if (span_trim(*value).len != value->len)
        *flaw = arena_format(arena, "a blank follows the = of the field %s",
                             txt_record_quote(arena, *name));
    else
        return true;
    return false;
}

bool txt_record_next(struct span *rest, struct arena *arena, struct span *name, struct span *value,
                     const char **flaw)
{
    struct span left = span_trim(*rest);

    *name = *value = (struct span){ NULL, 0 };
    if (left.len == 0)
        return true;
    if (left.data[0] != ';') { /* of the version alone: a field ends before its semicolon */
        *flaw = "no semicolon follows the version";
        return false;
    }
    left = span_trim(span_part(left, 1, left.len));
    *rest = span_part(left, span_find(left, ';'), left.len);
    if (left.len == 0)
        return true;
    return read_field(span_trim(span_part(left, 0, span_find(left, ';'))), arena, name, value,
                      flaw);
}
