#include "smtp/header.h"

#include <stdint.h>

/* Length of the first line with its LF, or of all there is. */
static size_t line_len(struct span text)
{
    size_t at = span_find(text, '\n');

    return at < text.len ? at + 1 : at;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Length of a field's name at the front of the text, 0 where none stands there: ftext of RFC 5322
 * section 3.6.8, and RFC 6532 leaves it at that. */
static size_t name_len(struct span text)
{
    size_t len = 0, at;

    while (len < text.len && text.data[len] > ' ' && text.data[len] <= '~' && text.data[len] != ':')
        len++;
    for (at = len; at < text.len && is_blank(text.data[at]);)
        at++;
    return at < text.len && text.data[at] == ':' ? len : 0;
}

bool smtp_header_next(struct span *message, struct smtp_field *field)
{
    size_t len = name_len(*message), end;

    if (len == 0)
        return false;
    end = line_len(*message);
    while (end < message->len && is_blank(message->data[end]))
        end += line_len(span_part(*message, end, SIZE_MAX));
    field->whole = span_take_front(message, end);
    field->name = span_part(field->whole, 0, len);
    field->value =
        span_without_line_end(span_part(field->whole, span_find(field->whole, ':') + 1, SIZE_MAX));
    return true;
}

bool smtp_field_is(const struct smtp_field *field, const char *name)
{
    return span_equal_nocase(field->name, span_of(name));
}

bool smtp_header_take_end(struct span *message)
{
    size_t len = span_starts_with(*message, "\r\n") ? 2 : 1;

    if (len == 1 && !span_starts_with(*message, "\n"))
        return false;
    span_take_front(message, len);
    return true;
}

size_t smtp_header_len(struct span message)
{
    struct span rest = message;
    struct smtp_field field;

    while (smtp_header_next(&rest, &field))
        ;
    return message.len - rest.len;
}
