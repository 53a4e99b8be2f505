#include "smtp/mime.h"

#include <stdint.h>

#include "smtp/header.h"

/* ---- values with parameters: RFC 2045 section 5.1 ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Takes blanks, line ends and comments (RFC 5322 section 3.2.2) off the front. */
static void skip_space(struct span *text)
{
    unsigned depth = 0;

    while (text->len > 0) {
        char c = text->data[0];

        if (c == '(')
            depth++;
        else if (depth == 0 && !is_space(c))
            return;
        else if (c == ')')
            depth--;
        else if (c == '\\' && text->len > 1)
            span_take(text);
        span_take(text);
    }
}

/* Up to what cannot be in a token, a slash belonging to it. */
static struct span take_token(struct span *text)
{
    size_t len = 0;

    while (len < text->len && !is_space(text->data[len]) &&
           strchr("()<>@,;:\\\"[]?=", text->data[len]) == NULL)
        len++;
    return span_take_front(text, len);
}

/* Octets up to the quote that ends it, or to the end. */
static size_t quoted_len(struct span text)
{
    size_t len = 0;

    while (len < text.len && text.data[len] != '"')
        len += text.data[len] == '\\' ? 2 : 1;
    return len < text.len ? len : text.len;
}

/* A quoted string without its quotes and escapes. */
static struct span take_quoted(struct span *text, struct arena *arena)
{
    char *plain;
    size_t len = 0;

    span_take(text);
    plain = arena_new(arena, quoted_len(*text) + 1, 1);
    while (text->len > 0) {
        char c = span_take(text);

        if (c == '"' || plain == NULL)
            break;
        if (c == '\\' && text->len > 0)
            c = span_take(text);
        if (c != '\r' && c != '\n')
            plain[len++] = c;
    }
    return (struct span){ plain, plain == NULL ? 0 : len };
}

/* Many write what has to be quoted without: up to the next semicolon or blank it is the value. */
static struct span take_value(struct span *text, struct arena *arena)
{
    size_t len = 0;

    if (text->len > 0 && text->data[0] == '"')
        return take_quoted(text, arena);
    while (len < text->len && text->data[len] != ';' && !is_space(text->data[len]))
        len++;
    return span_take_front(text, len);
}

/* Takes the next "; name=value"; false: there is none. */
static bool take_parameter(struct span *text, struct span *name, struct span *value,
                           struct arena *arena)
{
    while (text->len > 0) {
        skip_space(text);
        *name = take_token(text);
        skip_space(text);
        if (name->len > 0 && text->len > 0 && text->data[0] == '=') {
            span_take(text);
            skip_space(text);
            *value = take_value(text, arena);
            return true;
        }
        if (text->len > 0)
            span_take(text);
    }
    return false;
}

/* ---- the header of a part ---- */

static void read_type(struct smtp_mime *mime, struct span value, struct arena *arena)
{
    struct span name, of;

    skip_space(&value);
    mime->type = take_token(&value);
    if (mime->type.len == 0) /* one that says nothing is none: RFC 2045 section 5.2 */
        mime->type = span_of("text/plain");
    while (take_parameter(&value, &name, &of, arena)) {
        if (span_equal_nocase(name, span_of("boundary")) && of.len > 0 &&
            of.len <= SMTP_MIME_BOUNDARY_MOST)
            mime->boundary = arena_copy(arena, of);
        else if (span_equal_nocase(name, span_of("name")) && mime->name[0] == '\0')
            mime->name = arena_copy(arena, of);
    }
}

static void read_disposition(struct smtp_mime *mime, struct span value, struct arena *arena)
{
    struct span name, of;

    skip_space(&value);
    (void)take_token(&value);
    while (take_parameter(&value, &name, &of, arena))
        if (span_equal_nocase(name, span_of("filename")))
            mime->name = arena_copy(arena, of);
}

static void read_encoding(struct smtp_mime *mime, struct span value)
{
    static const struct {
        const char *name;
        enum smtp_mime_encoding encoding;
    } encodings[] = {
        { "7bit", SMTP_MIME_PLAIN },
        { "8bit", SMTP_MIME_PLAIN },
        { "binary", SMTP_MIME_PLAIN },
        { "base64", SMTP_MIME_BASE64 },
        { "quoted-printable", SMTP_MIME_QUOTED_PRINTABLE },
    };

    skip_space(&value);
    mime->encoding_name = take_token(&value);
    mime->encoding = SMTP_MIME_UNKNOWN;
    for (size_t i = 0; i < sizeof encodings / sizeof encodings[0]; i++)
        if (span_equal_nocase(mime->encoding_name, span_of(encodings[i].name)))
            mime->encoding = encodings[i].encoding;
}

struct smtp_mime smtp_mime_read(struct span entity, struct arena *arena)
{
    struct smtp_mime mime = { .type = span_of("text/plain"), .name = "" };
    bool has_type = false, has_encoding = false;
    struct smtp_field field;

    mime.body = entity;
    while (smtp_header_next(&mime.body, &field)) {
        if (smtp_field_is(&field, "Content-Type") && !has_type) {
            has_type = true;
            read_type(&mime, field.value, arena);
        } else if (smtp_field_is(&field, "Content-Transfer-Encoding") && !has_encoding) {
            has_encoding = true;
            read_encoding(&mime, field.value);
        } else if (smtp_field_is(&field, "Content-Disposition")) {
            read_disposition(&mime, field.value, arena);
        }
    }
    mime.header = span_part(entity, 0, entity.len - mime.body.len);
    smtp_header_take_end(&mime.body);
    return mime;
}

bool smtp_mime_is(const struct smtp_mime *mime, const char *type)
{
    return span_equal_nocase(mime->type, span_of(type));
}

bool smtp_mime_is_multipart(const struct smtp_mime *mime)
{
    return mime->boundary != NULL && span_starts_with_nocase(mime->type, "multipart/");
}

/* ---- parts: RFC 2046 section 5.1.1 ---- */

enum line { LINE_TEXT, LINE_BETWEEN, LINE_LAST };

/* Is that line (without its LF) one of the multipart's own? */
static enum line look_at_line(const struct smtp_mime *mime, struct span line)
{
    struct span boundary = span_of(mime->boundary);
    bool is_last;

    if (!span_starts_with(line, "--") || !span_equal(span_part(line, 2, boundary.len), boundary))
        return LINE_TEXT;
    line = span_part(line, 2 + boundary.len, SIZE_MAX);
    is_last = span_starts_with(line, "--");
    if (is_last)
        span_take_front(&line, 2);
    while (line.len > 0)
        if (!is_space(span_take(&line)))
            return LINE_TEXT; /* a longer boundary: that of a part inside */
    return is_last ? LINE_LAST : LINE_BETWEEN;
}

/* Takes lines up to the next boundary, and it; gives what came before it. */
static struct span take_to_boundary(const struct smtp_mime *mime, struct span *rest,
                                    enum line *which)
{
    struct span start = *rest;

    *which = LINE_TEXT;
    while (rest->len > 0) {
        size_t before = start.len - rest->len;

        *which = look_at_line(mime, span_take_until(rest, '\n'));
        if (*which != LINE_TEXT)
            return span_without_line_end(span_part(start, 0, before));
    }
    return start;
}

struct span smtp_mime_parts(const struct smtp_mime *mime)
{
    struct span rest = mime->body;
    enum line which = LINE_TEXT;

    if (mime->boundary != NULL)
        (void)take_to_boundary(mime, &rest, &which);
    return which == LINE_BETWEEN ? rest : (struct span){ NULL, 0 };
}

bool smtp_mime_next(const struct smtp_mime *mime, struct span *rest, struct span *part)
{
    enum line which;

    if (rest->len == 0)
        return false;
    *part = take_to_boundary(mime, rest, &which);
    if (which == LINE_LAST)
        *rest = (struct span){ NULL, 0 };
    return true;
}

/* ---- encodings ---- */

static const char *too_large(const struct buffer *out, struct arena *arena)
{
    return arena_format(arena, "it has more than the %zu octets that are allowed", out->limit);
}

static int base64_value(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c == '\0' ? NULL : strchr(digits, c);

    return at == NULL ? -1 : (int)(at - digits);
}

/* Four digits are three octets. */
struct base64 {
    uint32_t bits;
    unsigned digits, padding; /* of the group at hand */
    bool has_ended;
};

static bool end_group(struct base64 *state, struct buffer *out)
{
    const char octets[3] = { (char)(state->bits >> 16), (char)(state->bits >> 8),
                             (char)state->bits };
    size_t len = 3 - state->padding;

    state->has_ended = state->padding > 0;
    state->bits = 0;
    state->digits = state->padding = 0;
    return buffer_append(out, (struct span){ octets, len });
}

/* False: that octet does not belong there. */
static bool take_digit(struct base64 *state, char c)
{
    int value = base64_value(c);

    if (state->has_ended || (value < 0 && (c != '=' || state->digits < 2)) ||
        (value >= 0 && state->padding > 0))
        return false;
    state->bits = state->bits << 6 | (value < 0 ? 0 : (uint32_t)value);
    state->padding += value < 0;
    state->digits++;
    return true;
}

/* RFC 2045 section 6.8. It would have other octets skipped; what they stand for was lost on the way. */
static bool decode_base64(struct span text, struct buffer *out, struct arena *arena,
                          const char **flaw)
{
    struct base64 state = { .bits = 0 };
    size_t line = 1;

    while (text.len > 0) {
        char c = span_take(&text);

        line += c == '\n';
        if (is_space(c))
            continue;
        if (!take_digit(&state, c)) {
            *flaw = arena_format(arena,
                                 "line %zu of its base64 has \"%c\", which does not belong there",
                                 line, c > ' ' && c <= '~' ? c : '?');
            return false;
        }
        if (state.digits == 4 && !end_group(&state, out)) {
            *flaw = too_large(out, arena);
            return false;
        }
    }
    if (state.digits > 0)
        *flaw = arena_format(arena, "its base64 is cut off in line %zu", line);
    return state.digits == 0;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One line without its line end; *is_soft: and the line end is not of the text. */
static bool decode_quoted_line(struct span line, struct buffer *out, bool *is_soft)
{
    *is_soft = false;
    while (line.len > 0 && is_space(line.data[line.len - 1]))
        line.len--;
    while (line.len > 0) {
        char c = span_take(&line);
        int high, low;

        if (c == '=' && line.len == 0) {
            *is_soft = true;
            return true;
        }
        high = c == '=' && line.len >= 2 ? hex_value(line.data[0]) : -1;
        low = high >= 0 ? hex_value(line.data[1]) : -1;
        if (low >= 0) {
            span_take_front(&line, 2);
            c = (char)(high << 4 | low);
        }
        if (!buffer_append(out, (struct span){ &c, 1 }))
            return false;
    }
    return true;
}

/* RFC 2045 section 6.7; an escape that is none stands for itself. */
static bool decode_quoted(struct span text, struct buffer *out, struct arena *arena,
                          const char **flaw)
{
    while (text.len > 0) {
        bool is_soft, has_end = span_find(text, '\n') < text.len;

        if (!decode_quoted_line(span_take_until(&text, '\n'), out, &is_soft) ||
            (has_end && !is_soft && !buffer_append_text(out, "\r\n"))) {
            *flaw = too_large(out, arena);
            return false;
        }
    }
    return true;
}

bool smtp_mime_decode(const struct smtp_mime *mime, struct buffer *out, struct arena *arena,
                      const char **flaw)
{
    *flaw = NULL;
    switch (mime->encoding) {
    case SMTP_MIME_BASE64: return decode_base64(mime->body, out, arena, flaw);
    case SMTP_MIME_QUOTED_PRINTABLE: return decode_quoted(mime->body, out, arena, flaw);
    case SMTP_MIME_PLAIN:
        if (buffer_append(out, mime->body))
            return true;
        *flaw = too_large(out, arena);
        return false;
    case SMTP_MIME_UNKNOWN: break;
    }
    *flaw = "its Content-Transfer-Encoding is none that is known";
    return false;
}
