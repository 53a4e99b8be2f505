/* base/span.h - borrowed bytes: a pointer and a length, never owned, never changed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct span {
    const char *data; /* may be NULL where len is 0 */
    size_t len;
};

static inline struct span span_of(const char *text)
{
    return (struct span){ text, text == NULL ? 0 : strlen(text) };
}

/* Takes the first byte off; the span must not be empty. */
char span_take(struct span *span);

/* Takes `len` bytes off the front, or all there are. */
struct span span_take_front(struct span *span, size_t len);

/* Takes what stands before `separator` and drops the separator; all where there is none. */
struct span span_take_until(struct span *span, char separator);

/* Takes a line and its end, LF or CRLF; gives the line without it. */
struct span span_take_line(struct span *span);

/* Without the LF or CRLF at its end, if there is one. */
struct span span_without_line_end(struct span span);

/* The part from `start` on, at most `len` bytes; both are cut to what is there. */
struct span span_part(struct span span, size_t start, size_t len);

/* Without the spaces and tabs at either end. */
struct span span_trim(struct span span);

/* A name of the DNS without the dot that ends a full one; the root, ".", stays as it is. */
struct span span_without_final_dot(struct span name);

bool span_equal(struct span a, struct span b);
bool span_equal_nocase(struct span a,
                       struct span b); /* ASCII letters only, whatever the locale; NULs, too */
bool span_starts_with(struct span span, const char *prefix);
bool span_starts_with_nocase(struct span span, const char *prefix);

/* Index of the first `byte`, or span.len where there is none. */
size_t span_find(struct span span, char byte);
