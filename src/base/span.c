#include "base/span.h"

#include <assert.h>

#include "base/text.h"

char span_take(struct span *span)
{
    assert(span->len > 0);
    span->len--;
    return *span->data++;
}

struct span span_take_front(struct span *span, size_t len)
{
    struct span front = span_part(*span, 0, len);

    if (front.len > 0) {
        span->data += front.len;
        span->len -= front.len;
    }
    return front;
}

struct span span_take_until(struct span *span, char separator)
{
    size_t at = span_find(*span, separator);
    struct span front = span_take_front(span, at);

    span_take_front(span, 1);
    return front;
}

static struct span without_last(struct span span, char byte)
{
    if (span.len > 0 && span.data[span.len - 1] == byte)
        span.len--;
    return span;
}

struct span span_take_line(struct span *span)
{
    return without_last(span_take_until(span, '\n'), '\r');
}

struct span span_without_line_end(struct span span)
{
    return without_last(without_last(span, '\n'), '\r');
}

struct span span_part(struct span span, size_t start, size_t len)
{
    if (start >= span.len)
        return (struct span){ span.data, 0 };
    return (struct span){ span.data + start, len < span.len - start ? len : span.len - start };
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct span span_trim(struct span span)
{
    while (span.len > 0 && is_blank(span.data[0])) {
        span.data++;
        span.len--;
    }
    while (span.len > 0 && is_blank(span.data[span.len - 1]))
        span.len--;
    return span;
}

struct span span_without_final_dot(struct span name)
{
    return name.len > 1 ? without_last(name, '.') : name;
}

bool span_equal(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool span_equal_nocase(struct span a, struct span b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (text_lower(a.data[i]) != text_lower(b.data[i]))
            return false;
    return true;
}

bool span_starts_with(struct span span, const char *prefix)
{
    return span_equal(span_part(span, 0, strlen(prefix)), span_of(prefix));
}

bool span_starts_with_nocase(struct span span, const char *prefix)
{
    return span_equal_nocase(span_part(span, 0, strlen(prefix)), span_of(prefix));
}

size_t span_find(struct span span, char byte)
{
    const char *found = span.len == 0 ? NULL : memchr(span.data, byte, span.len);

    return found == NULL ? span.len : (size_t)(found - span.data);
}
