#include "net/dns_anchor.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { RECORD_MOST = 4096 };

/* A record as it grows over lines. */
struct record {
    char text[RECORD_MOST];
    size_t len;
    int depth; /* of parentheses */
    unsigned first_line;
    bool is_too_long;
};

static void put(struct record *record, char c)
{
    if (record->len + 1 >= sizeof record->text)
        record->is_too_long = true;
    else
        record->text[record->len++] = c;
}

/* Copies one line up to its comment; parentheses become blanks. */
static void take_line(struct record *record, struct span line)
{
    line = span_part(line, 0, span_find(line, ';'));
    for (size_t i = 0; i < line.len; i++) {
        char c = line.data[i];

        if (c == '(')
            record->depth++;
        else if (c == ')')
            record->depth--;
        put(record, c == '(' || c == ')' || c == '\t' || c == '\r' ? ' ' : c);
    }
    put(record, ' ');
}

static struct span take_field(struct span *rest)
{
    *rest = span_trim(*rest);
    return span_take_until(rest, ' ');
}

static bool is_number(struct span field, unsigned most)
{
    unsigned number = 0;

    for (size_t i = 0; i < field.len; i++) {
        if (field.data[i] < '0' || field.data[i] > '9' || number > most)
            return false;
        number = number * 10 + (unsigned)(field.data[i] - '0');
    }
    return field.len > 0 && number <= most;
}

static bool holds_only(struct span text, const char *allowed)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] == '\0' || strchr(allowed, text.data[i]) == NULL)
            return false;
    return text.len > 0;
}

/* Both kinds begin with three numbers: RFC 4034 sections 2.2 and 5.3. */
static bool is_rdata(struct span rest, bool is_ds)
{
    struct span first = take_field(&rest), second = take_field(&rest), third = take_field(&rest);

    return is_number(first, 65535) && is_number(second, 255) && is_number(third, 255) &&
           holds_only(span_trim(rest), is_ds ? "0123456789abcdefABCDEF "
                                             : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstu"
                                               "vwxyz0123456789+/= ");
}

/* owner [ttl] [class] type rdata, in either order of ttl and class. */
static bool is_anchor(struct span record)
{
    struct span rest = record, field = take_field(&rest);

    if (field.len == 0)
        return false;
    for (int i = 0; i < 3; i++) {
        field = take_field(&rest);
        if (span_equal_nocase(field, span_of("DS")))
            return is_rdata(rest, true);
        if (span_equal_nocase(field, span_of("DNSKEY")))
            return is_rdata(rest, false);
        if (!is_number(field, 2147483647) && !span_equal_nocase(field, span_of("IN")))
            return false;
    }
    return false;
}

static bool finish_record(struct record *record, bool (*take)(void *owner, const char *record),
                          void *owner, struct error *err)
{
    struct span text = span_trim((struct span){ record->text, record->len });
    unsigned line = record->first_line;

    record->text[record->len] = '\0';
    record->len = 0;
    if (text.len == 0)
        return true;
    if (record->is_too_long || record->depth != 0 || !is_anchor(text))
        return error_set(err, ERROR_FORMAT, "line %u is no DS or DNSKEY record", line);
    return take(owner, text.data) ||
           error_set(err, ERROR_FORMAT, "line %u cannot be used as a trust anchor", line);
}

bool dns_anchor_parse(struct span text, bool (*take)(void *owner, const char *record), void *owner,
                      struct error *err)
{
    struct record record = { .len = 0 };
    unsigned number = 0;

    while (text.len > 0) {
        struct span line = span_take_until(&text, '\n');

        number++;
        if (record.depth == 0 && line.len > 0 && line.data[0] == '$')
            continue; /* $TTL and the like */
        if (record.len == 0)
            record.first_line = number;
        take_line(&record, line);
        if (record.depth > 0 && !record.is_too_long)
            continue;
        if (!finish_record(&record, take, owner, err))
            return false;
    }
    return record.depth == 0 ||
           error_set(err, ERROR_FORMAT, "line %u: a parenthesis is never closed",
                     record.first_line);
}

bool dns_anchor_read(const char *path, struct buffer *text, bool *is_missing, struct error *err)
{
    FILE *file = fopen(path, "re");
    char bytes[4096];
    size_t count;
    bool is_fine = true;

    *is_missing = file == NULL && errno == ENOENT;
    if (file == NULL)
        return error_set(err, ERROR_SYSTEM, "opening %s: %s", path, strerror(errno));
    while (is_fine && (count = fread(bytes, 1, sizeof bytes, file)) > 0)
        if (!buffer_append(text, (struct span){ bytes, count }))
            is_fine = error_set(err, ERROR_FORMAT, "%s is too large for trust anchors", path);
    if (is_fine && ferror(file) != 0)
        is_fine = error_set(err, ERROR_SYSTEM, "reading %s: %s", path, strerror(errno));
    fclose(file);
    return is_fine;
}
