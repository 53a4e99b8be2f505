#include "gateway/received_report.h"

#include "base/buffer.h"
#include "base/gzip.h"
#include "base/text.h"
#include "smtp/header.h"
#include "smtp/mime.h"

enum { WORD_MOST = 60, TYPES_MOST = 240 };

/* ---- JSON, packed or not ---- */

static struct span without_mark(struct span text)
{
    if (span_starts_with(text,
                         "\xef\xbb\xbf")) /* of UTF-8: RFC 8259 section 8.1 lets it be skipped */
        span_take_front(&text, 3);
    return text;
}

static bool looks_like_json(struct span text)
{
    text = without_mark(text);
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t' || text.data[0] == '\r' ||
                            text.data[0] == '\n'))
        span_take(&text);
    return text.len > 0 && text.data[0] == '{';
}

static bool read_json(struct span text, struct arena *arena, struct received_report *received,
                      struct error *err)
{
    struct error flaw = { .kind = ERROR_NONE };

    received->json = arena_copy_bytes(arena, without_mark(text));
    if (tls_report_read(received->json, arena, &received->report, &flaw))
        return true;
    return error_set(err, flaw.kind, "%s", /* which may cite what was sent */
                     text_printable(arena, span_of(flaw.text), false));
}

static bool read_packed(struct span bytes, struct arena *arena, struct received_report *received,
                        struct error *err)
{
    struct buffer unpacked;
    bool is_read;

    buffer_init(&unpacked, TLS_REPORT_BYTES_MOST);
    is_read = gzip_read(bytes, &unpacked, err) &&
              (looks_like_json(buffer_span(&unpacked)) ||
               error_set(err, ERROR_FORMAT, "what its gzip data unpack to is no JSON")) &&
              read_json(buffer_span(&unpacked), arena, received, err);
    buffer_clear(&unpacked);
    return is_read;
}

/* ---- a message ---- */

enum fitness { FIT_FOR_NOTHING, FIT_BY_NAME, FIT_BY_TYPE };

struct search {
    struct arena *arena;
    struct error *err;
    size_t parts;
    enum fitness fitness; /* of the best part so far */
    struct smtp_mime best;
    const char *place;
    const char *types; /* of the others, for words */
};

static const char *printable(struct arena *arena, struct span word)
{
    return text_printable(arena, span_part(word, 0, WORD_MOST), false);
}

static bool ends_with_nocase(const char *text, const char *ending)
{
    struct span whole = span_of(text), end = span_of(ending);

    return whole.len >= end.len &&
           span_equal_nocase(span_part(whole, whole.len - end.len, end.len), end);
}

/* Senders name it in many ways; these are what mail programs make of the file's name. */
static enum fitness fitness_of(const struct smtp_mime *part)
{
    static const char *const types[] = { "application/gzip", "application/x-gzip",
                                         "application/x-gzip-compressed", "application/gzipped",
                                         "application/json" };
    if (smtp_mime_is(part, "application/tlsrpt+gzip") ||
        smtp_mime_is(part, "application/tlsrpt+json"))
        return FIT_BY_TYPE;
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (smtp_mime_is(part, types[i]))
            return FIT_BY_NAME;
    return ends_with_nocase(part->name, ".json.gz") || ends_with_nocase(part->name, ".json")
               ? FIT_BY_NAME
               : FIT_FOR_NOTHING;
}

static void note_type(struct search *search, const struct smtp_mime *part)
{
    if (strlen(search->types) < TYPES_MOST)
        search->types =
            arena_format(search->arena, "%s%s%s", search->types, *search->types == '\0' ? "" : ", ",
                         printable(search->arena, part->type));
}

static void look_at_leaf(struct search *search, const struct smtp_mime *part, const char *number)
{
    enum fitness fitness = fitness_of(part);

    if (fitness == FIT_FOR_NOTHING)
        note_type(search, part);
    if (fitness <= search->fitness)
        return;
    search->fitness = fitness;
    search->best = *part;
    search->place = arena_format(search->arena, "%s%s (%s)", *number == '\0' ? "its body" : "part ",
                                 number, printable(search->arena, part->type));
}

static bool look_at(struct search *search, struct span entity, const char *number, unsigned depth);

/* `number`: "2.1", as IMAP counts; "" of the message. */
static bool look_at_parts(struct search *search, const struct smtp_mime *whole, const char *number,
                          unsigned depth)
{
    struct span rest = smtp_mime_parts(whole), part;

    for (unsigned n = 1; search->fitness < FIT_BY_TYPE && smtp_mime_next(whole, &rest, &part); n++)
        if (!look_at(search, part,
                     arena_format(search->arena, "%s%s%u", number, *number == '\0' ? "" : ".", n),
                     depth + 1))
            return false;
    return true;
}

static bool look_at(struct search *search, struct span entity, const char *number, unsigned depth)
{
    struct smtp_mime mime;

    if (depth > RECEIVED_REPORT_DEPTH_MOST)
        return error_set(search->err, ERROR_FORMAT,
                         "the message has parts in parts more than %d deep",
                         RECEIVED_REPORT_DEPTH_MOST);
    if (++search->parts > RECEIVED_REPORT_PARTS_MOST)
        return error_set(search->err, ERROR_FORMAT, "the message has more than %d parts",
                         RECEIVED_REPORT_PARTS_MOST);
    mime = smtp_mime_read(entity, search->arena);
    if (smtp_mime_is_multipart(&mime))
        return look_at_parts(search, &mime, number, depth);
    if (smtp_mime_is(&mime, "message/rfc822") && mime.encoding == SMTP_MIME_PLAIN)
        return look_at(search, mime.body, number, depth + 1);
    look_at_leaf(search, &mime, number);
    return true;
}

static bool read_decoded(struct span bytes, struct arena *arena, struct received_report *received,
                         struct error *err)
{
    if (gzip_is_begun(bytes))
        return read_packed(bytes, arena, received, err);
    if (bytes.len == 0)
        return error_set(err, ERROR_FORMAT, "it is empty");
    return looks_like_json(bytes)
               ? read_json(bytes, arena, received, err)
               : error_set(err, ERROR_FORMAT, "it is neither gzip data nor JSON");
}

static bool read_best(struct search *search, struct received_report *received)
{
    struct buffer decoded;
    const char *flaw;
    bool is_read;

    buffer_init(&decoded, RECEIVED_REPORT_BYTES_MOST);
    received->place = search->place;
    is_read = smtp_mime_decode(&search->best, &decoded, search->arena, &flaw)
                  ? read_decoded(buffer_span(&decoded), search->arena, received, search->err)
                  : error_set(search->err, ERROR_FORMAT, "%s", flaw);
    buffer_clear(&decoded);
    return is_read || error_wrap(search->err, "%s", search->place);
}

static bool read_message(struct span message, struct arena *arena, struct received_report *received,
                         struct error *err)
{
    struct search search = { .arena = arena, .err = err, .types = "" };

    if (!look_at(&search, message, "", 0))
        return false;
    if (search.fitness == FIT_FOR_NOTHING)
        return error_set(err, ERROR_FORMAT, "the message has no TLS report, but %s",
                         *search.types == '\0' ? "no parts at all" : search.types);
    return read_best(&search, received);
}

/* A mailbox's separator, which some programs leave in front of a message that they save. */
static struct span without_separator(struct span text)
{
    if (span_starts_with(text, "From "))
        (void)span_take_until(&text, '\n');
    return text;
}

static bool looks_like_message(struct span text)
{
    struct smtp_field field;

    return smtp_header_next(&text, &field);
}

bool received_report_read(struct span bytes, struct arena *arena, struct received_report *received,
                          struct error *err)
{
    bool is_read;

    *received = (struct received_report){ .place = "" };
    if (bytes.len > RECEIVED_REPORT_BYTES_MOST)
        return error_set(err, ERROR_FORMAT, "it is larger than %d MiB",
                         RECEIVED_REPORT_BYTES_MOST >> 20);
    if (bytes.len == 0 || gzip_is_begun(bytes) || looks_like_json(bytes))
        is_read = read_decoded(bytes, arena, received, err);
    else if (looks_like_message(without_separator(bytes)))
        is_read = read_message(without_separator(bytes), arena, received, err);
    else
        is_read = error_set(err, ERROR_FORMAT, "it is neither JSON, nor gzip data, nor a message");
    if (is_read && arena->exhausted)
        return error_set(err, ERROR_MEMORY, "no memory for the report");
    return is_read;
}
