/* base/buffer.h - owned bytes that grow up to a hard limit. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/span.h"

struct buffer {
    char *data; /* NULL until the first byte comes */
    size_t len, size, limit;
};

/* Allocates nothing yet. `limit` is the most bytes that it will ever hold. */
void buffer_init(struct buffer *buffer, size_t limit);

/* Frees the bytes; the buffer is empty and usable again with the same limit. */
void buffer_clear(struct buffer *buffer);

/* Room for so many more bytes, so that they move no others. False: as below. */
MUST_CHECK bool buffer_reserve(struct buffer *buffer, size_t more);

/* Each false: the limit or the memory was reached, and nothing was added. */
MUST_CHECK bool buffer_append(struct buffer *buffer, struct span bytes);
MUST_CHECK bool buffer_append_text(struct buffer *buffer, const char *text);
MUST_CHECK bool buffer_format(struct buffer *buffer, const char *format, ...) PRINTF_LIKE(2, 3);

/* Drops the first `len` bytes (at most all). */
void buffer_drop(struct buffer *buffer, size_t len);

/* Borrowed until the next change of the buffer. */
struct span buffer_span(const struct buffer *buffer);
