#include "trust/txt_record.h"

#include "base/text.h"

enum { NAME_MOST = 32 };

const char *txt_record_status_name(enum txt_record_status status)
{
    static const char *const names[TXT_RECORD_STATUS_COUNT] = {
        [TXT_RECORD_NONE] = "none",
        [TXT_RECORD_VALID] = "valid",
        [TXT_RECORD_INVALID] = "invalid",
        [TXT_RECORD_SEVERAL] = "several",
    };

    return status < TXT_RECORD_STATUS_COUNT ? names[status] : NULL;
}

const char *txt_record_quote(struct arena *arena, struct span text)
{
    const char *rest = text.len > TXT_RECORD_FLAW_TEXT ? "..." : "";

    return arena_format(arena, "\"%s%s\"",
                        text_printable(arena, span_part(text, 0, TXT_RECORD_FLAW_TEXT), false),
                        rest);
}

struct span txt_record_join(struct arena *arena, struct span rdata)
{
    char *text = arena_new(arena, rdata.len + 1, 1);
    size_t len = 0;

    while (text != NULL && rdata.len > 0) {
        struct span part = span_part(rdata, 1, (unsigned char)rdata.data[0]);

        memcpy(text + len, part.data, part.len);
        len += part.len;
        rdata = span_part(rdata, 1 + part.len, rdata.len);
    }
    return (struct span){ text, len };
}

struct span txt_record_begin(const struct txt_record_kind *kind, struct span text)
{
    return span_part(text, strlen(kind->version), text.len);
}

static bool begins(const struct txt_record_kind *kind, struct span text)
{
    struct span rest;

    if (!span_starts_with(text, kind->version))
        return false;
    rest = span_trim(txt_record_begin(kind, text));
    return rest.len > 0 && rest.data[0] == ';';
}

static bool contains(struct span text, const char *word)
{
    for (; text.len > 0; text = span_part(text, 1, text.len))
        if (span_starts_with_nocase(text, word))
            return true;
    return false;
}

size_t txt_record_pick(const struct txt_record_kind *kind, const struct span *texts, size_t count,
                       struct span *picked)
{
    size_t found = 0;

    *picked = (struct span){ NULL, 0 };
    for (size_t i = 0; i < count; i++)
        if (begins(kind, texts[i]) && found++ == 0)
            *picked = texts[i];
    for (size_t i = 0; i < count && picked->len == 0; i++)
        if (contains(texts[i], kind->word))
            *picked = texts[i];
    return found;
}

size_t txt_record_choose(const struct txt_record_kind *kind, const struct span *texts, size_t count,
                         struct arena *arena, struct span *picked, const char **flaw)
{
    size_t found = txt_record_pick(kind, texts, count, picked);

    *flaw = NULL;
    if (found > 1)
        *flaw = arena_format(arena, "there are %zu records that begin with \"%s;\"", found,
                             kind->version);
    else if (found == 0 && span_equal(*picked, span_of(kind->version)))
        *flaw = arena_format(arena, "it has no %s", kind->field);
    else if (found == 0 && picked->len > 0)
        *flaw = arena_format(arena, "it does not begin with \"%s;\", but with %s", kind->version,
                             txt_record_quote(arena, span_part(*picked, 0, 24)));
    return found;
}

bool txt_record_is_name(struct span name)
{
    if (name.len == 0 || name.len > NAME_MOST || !text_is_letter_or_digit(name.data[0]))
        return false;
    for (size_t i = 1; i < name.len; i++)
        if (!text_is_letter_or_digit(name.data[i]) && strchr("_-.", name.data[i]) == NULL)
            return false;
    return memchr(name.data, '\0', name.len) == NULL;
}

/* Of a field that nobody knows. */
static bool is_value(struct span value)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.data[i] <= ' ' || value.data[i] > '~' || value.data[i] == '=' ||
            value.data[i] == ';')
            return false;
    return value.len > 0;
}

static bool read_field(const struct txt_record_kind *kind, struct span field, struct arena *arena,
                       struct span *name, struct span *value, const char **flaw)
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
    else if (!span_equal(*name, span_of(kind->field)) && !is_value(*value))
        *flaw =
            arena_format(arena, "the value of the field %s has a character that no value may have",
                         txt_record_quote(arena, *name));
    else
        return true;
    return false;
}

bool txt_record_next(const struct txt_record_kind *kind, struct span *rest, struct arena *arena,
                     struct span *name, struct span *value, const char **flaw)
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
    return read_field(kind, span_trim(span_part(left, 0, span_find(left, ';'))), arena, name, value,
                      flaw);
}
