#include "trust/tlsrpt.h"

#include <stdbool.h>
#include <string.h>

#include "base/compiler.h"
#include "base/text.h"

const struct txt_record_kind tlsrpt_record_kind = { "v=TLSRPTv1", "tlsrptv", "rua" };

struct reading {
    struct arena *arena;
    const char *uris[TLSRPT_URIS_MOST];
    size_t count;
    bool has_field;
    const char *flaw;
};

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* RFC 3986 section 2, without "!", "," and ";", which RFC 8460 section 3 wants written as %21, %2C, %3B. */
static bool has_uri_characters(struct span uri)
{
    for (size_t i = 0; i < uri.len; i++) {
        if (uri.data[i] == '%') {
            if (i + 2 >= uri.len || !is_hex(uri.data[i + 1]) || !is_hex(uri.data[i + 2]))
                return false;
            i += 2;
        } else if (!text_is_letter_or_digit(uri.data[i]) &&
                   (uri.data[i] == '\0' || strchr("-._~:/?#[]@$&'()*+=", uri.data[i]) == NULL))
            return false;
    }
    return true;
}

/* RFC 3986 section 3.1 */
static bool has_scheme(struct span uri)
{
    size_t colon = span_find(uri, ':');

    if (colon == uri.len || colon == 0 || !text_is_letter_or_digit(uri.data[0]) ||
        (uri.data[0] >= '0' && uri.data[0] <= '9'))
        return false;
    for (size_t i = 1; i < colon; i++)
        if (!text_is_letter_or_digit(uri.data[i]) && strchr("+-.", uri.data[i]) == NULL)
            return false;
    return true;
}

/* Can a report be sent there at all? */
static bool leads_somewhere(struct span uri, const char **flaw)
{
    struct span rest = span_part(uri, span_find(uri, ':') + 1, uri.len);
    size_t at = span_find(rest, '@');

    if (span_starts_with_nocase(uri, "mailto:")) {
        *flaw = "is no address of mail";
        return at > 0 && at + 1 < span_find(rest, '?');
    }
    *flaw = "names no host";
    return span_starts_with(rest, "//") && rest.len > 2 && strchr("/?#:@", rest.data[2]) == NULL;
}

static bool refuse(struct reading *reading, struct span uri, const char *why)
{
    reading->flaw =
        arena_format(reading->arena, "the rua %s %s", txt_record_quote(reading->arena, uri), why);
    return false;
}

static bool read_uri(struct reading *reading, struct span uri)
{
    const char *flaw;

    if (uri.len == 0) {
        reading->flaw = "a rua is empty";
        return false;
    }
    if (!has_scheme(uri))
        return refuse(reading, uri, "does not begin with mailto: or https:");
    if (!has_uri_characters(uri))
        return refuse(reading, uri, "has a character that no URI may have there");
    if (!span_starts_with_nocase(uri, "mailto:") && !span_starts_with_nocase(uri, "https:"))
        return true; /* of no use to us */
    if (!leads_somewhere(uri, &flaw))
        return refuse(reading, uri, flaw);
    if (reading->count < TLSRPT_URIS_MOST)
        reading->uris[reading->count++] = arena_copy(reading->arena, uri);
    return true;
}

static bool read_uris(struct reading *reading, struct span value)
{
    reading->has_field = true;
    for (;;) {
        size_t comma = span_find(value, ',');

        if (!read_uri(reading, span_trim(span_part(value, 0, comma))))
            return false;
        if (comma == value.len)
            return true;
        value = span_part(value, comma + 1, value.len);
    }
}

static bool read_fields(struct reading *reading, struct span record)
{
    struct span rest = txt_record_begin(&tlsrpt_record_kind, record), name, value;

    for (;;) {
        if (!txt_record_next(&tlsrpt_record_kind, &rest, reading->arena, &name, &value,
                             &reading->flaw))
            return false;
        if (name.len == 0)
            break;
        if (span_equal(name, span_of("rua")) && !read_uris(reading, value))
            return false;
    }
    if (!reading->has_field)
        reading->flaw = "it has no rua";
    else if (reading->count == 0)
        reading->flaw = "no rua begins with mailto: or https:";
    return reading->count > 0;
}

static bool keep_uris(const struct reading *reading, struct tlsrpt_record *record)
{
    const char **uris = arena_new(reading->arena, reading->count, sizeof *uris);

    if (uris == NULL)
        return false;
    memcpy(uris, reading->uris, reading->count * sizeof *uris);
    *record = (struct tlsrpt_record){ uris, reading->count };
    return true;
}

enum txt_record_status tlsrpt_record_read(const struct span *texts, size_t count,
                                          struct arena *arena, struct tlsrpt_record *record,
                                          const char **flaw)
{
    struct reading reading = { .arena = arena };
    struct span picked;
    size_t found = txt_record_choose(&tlsrpt_record_kind, texts, count, arena, &picked, flaw);

    *record = (struct tlsrpt_record){ NULL, 0 };
    if (found == 0)
        return *flaw == NULL ? TXT_RECORD_NONE : TXT_RECORD_INVALID;
    if (found > 1)
        return TXT_RECORD_SEVERAL;
    if (read_fields(&reading, picked) && keep_uris(&reading, record))
        return TXT_RECORD_VALID;
    *flaw = reading.flaw == NULL ? "there is no memory to read it" : reading.flaw;
    return TXT_RECORD_INVALID;
}
