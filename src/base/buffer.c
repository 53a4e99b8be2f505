#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/memory.h"

enum { SMALLEST = 256 };

void buffer_init(struct buffer *buffer, size_t limit)
{
    *buffer = (struct buffer){ .limit = limit };
}

void buffer_clear(struct buffer *buffer)
{
    memory_free(buffer->data);
    buffer_init(buffer, buffer->limit);
}

static bool make_room(struct buffer *buffer, size_t more)
{
    size_t wanted = buffer->size < SMALLEST ? SMALLEST : buffer->size;
    char *grown;

    if (more > buffer->limit - buffer->len)
        return false;
    if (buffer->data != NULL && more <= buffer->size - buffer->len)
        return true;
    while (wanted - buffer->len < more)
        wanted *= 2;
    grown = memory_grow(buffer->data, wanted);
    if (grown == NULL)
        return false;
    buffer->data = grown;
    buffer->size = wanted;
    return true;
}

bool buffer_reserve(struct buffer *buffer, size_t more)
{
    return make_room(buffer, more);
}

bool buffer_append(struct buffer *buffer, struct span bytes)
{
    if (bytes.len == 0)
        return true;
    if (!make_room(buffer, bytes.len))
        return false;
    memcpy(buffer->data + buffer->len, bytes.data, bytes.len);
    buffer->len += bytes.len;
    return true;
}

bool buffer_append_text(struct buffer *buffer, const char *text)
{
    return buffer_append(buffer, span_of(text));
}

bool buffer_format(struct buffer *buffer, const char *format, ...)
{
    va_list arguments, again;
    int needed;
    bool fits;

    va_start(arguments, format);
    va_copy(again, arguments);
    needed = vsnprintf(NULL, 0, format, arguments);
    fits = needed >= 0 && make_room(buffer, (size_t)needed + 1);
    if (fits) {
        vsnprintf(buffer->data + buffer->len, (size_t)needed + 1, format, again);
        buffer->len += (size_t)needed;
    }
    va_end(again);
    va_end(arguments);
    return fits;
}

void buffer_drop(struct buffer *buffer, size_t len)
{
    if (len >= buffer->len) {
        buffer->len = 0;
        return;
    }
    memmove(buffer->data, buffer->data + len, buffer->len - len);
    buffer->len -= len;
}

struct span buffer_span(const struct buffer *buffer)
{
    return (struct span){ buffer->data, buffer->len };
}
