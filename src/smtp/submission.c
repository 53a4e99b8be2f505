#include "smtp/submission.h"

#include <stdint.h>

#include "base/text.h"
#include "smtp/address_list.h"
#include "smtp/header.h"

/* What is done with a field of that name. */
enum treatment {
    KEEP,
    DROP,
    ADDRESSES,
    RECIPIENTS,
    DROPPED_RECIPIENTS,
    FROM,
    DATE,
    MESSAGE_ID,
    HOP,
};

static const struct row {
    const char *name;
    enum treatment treatment;
    bool is_resent;
} rows[] = {
    { "From", FROM, false },
    { "Sender", ADDRESSES, false },
    { "Reply-To", ADDRESSES, false },
    { "To", RECIPIENTS, false },
    { "Cc", RECIPIENTS, false },
    { "Bcc", DROPPED_RECIPIENTS, false },
    { "Date", DATE, false },
    { "Message-ID", MESSAGE_ID, false },
    { "Received", HOP, false },
    { "Return-Path", DROP, false }, /* is for the last host to add: RFC 5321 section 4.4 */
    { "Resent-From", ADDRESSES, true },
    { "Resent-Sender", ADDRESSES, true },
    { "Resent-To", RECIPIENTS, true },
    { "Resent-Cc", RECIPIENTS, true },
    { "Resent-Bcc", DROPPED_RECIPIENTS, true },
};

/* One making of a message. */
struct making {
    const struct smtp_submission_settings *settings;
    struct smtp_submission *submission;
    struct arena *arena;
    struct error *err;
    bool is_resent, has_from, has_date;
    size_t hops;
};

static bool fail_for_size(struct error *err)
{
    return error_set(err, ERROR_MEMORY, "the message is too large");
}

static struct row row_of(const struct smtp_field *field)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (smtp_field_is(field, rows[i].name))
            return rows[i];
    return (struct row){ "", KEEP, false };
}

/* ---- lines -------------------------------------------------------------------------------- */

/* A CR that no LF follows could be a line end to somebody: it becomes a blank. */
static void mend(struct smtp_submission *submission, size_t from)
{
    for (size_t i = from; i < submission->lines.len; i++) {
        submission->is_8bit |= (unsigned char)submission->lines.data[i] >= 0x80;
        if (submission->lines.data[i] != '\r')
            continue;
        submission->lines.data[i] = ' ';
        submission->mended++;
    }
}

/* `line` is without its line end. */
static bool add_line(struct making *making, struct span line, size_t number)
{
    struct buffer *lines = &making->submission->lines;
    size_t from = lines->len;

    if (span_find(line, '\0') < line.len)
        return error_set(making->err, ERROR_FORMAT,
                         "line %zu holds a NUL, which no mail may (RFC 5322 section 3.5): encode "
                         "the content as quoted-printable or base64",
                         number);
    if (!buffer_append(lines, line))
        return fail_for_size(making->err);
    mend(making->submission, from);
    return buffer_append_text(lines, "\r\n") || fail_for_size(making->err);
}

static bool add_lines(struct making *making, struct span input)
{
    for (size_t number = 1; input.len > 0; number++) {
        struct span line = span_take_line(&input);
        bool is_mailbox_line =
            number == 1 && (span_starts_with(line, "From ") || span_starts_with(line, ">From "));

        if (span_equal(line, span_of(".")) && !making->settings->ignores_dots)
            break;
        if (!is_mailbox_line && !add_line(making, line, number))
            return false;
    }
    return true;
}

/* ---- addresses ---------------------------------------------------------------------------- */

static bool is_among(const char *address, const char *const *recipients, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(recipients[i], address) == 0)
            return true;
    return false;
}

static const char *qualify(struct arena *arena, const struct smtp_listed *listed,
                           const char *hostname)
{
    return arena_format(arena, "%s%s%s", listed->text, listed->has_domain ? "" : "@",
                        listed->has_domain ? "" : hostname);
}

static bool refuse_list(const struct smtp_address_list *list, struct arena *arena,
                        struct error *err)
{
    const char *shown =
        text_printable(arena, text_front(span_part(list->text, list->flaw_at, SIZE_MAX), 40), true);

    return error_set(err, ERROR_FORMAT, "%s, at \"%s\"", list->flaw, shown);
}

bool smtp_submission_add_recipients(struct span list, const char *hostname, struct arena *arena,
                                    const char **recipients, size_t most, size_t *count,
                                    struct error *err)
{
    enum smtp_address_list_status status;
    struct smtp_address_list addresses;
    struct smtp_listed listed;

    smtp_address_list_init(&addresses, list);
    while ((status = smtp_address_list_next(&addresses, &listed)) == SMTP_LISTED_ADDRESS) {
        const char *address = qualify(arena, &listed, hostname);

        if (listed.len == 0)
            return error_set(err, ERROR_FORMAT, "<> is an address to send from, not to");
        if (is_among(address, recipients, *count))
            continue;
        if (*count == most)
            return error_set(err, ERROR_FORMAT, "there are more than %zu recipients", most);
        recipients[(*count)++] = address;
    }
    return status == SMTP_LISTED_END || refuse_list(&addresses, arena, err);
}

static bool take_recipients(struct making *making, const struct smtp_field *field,
                            const struct row *row)
{
    struct smtp_submission *submission = making->submission;

    if (!making->settings->takes_recipients || row->is_resent != making->is_resent)
        return true;
    if (submission->recipients == NULL)
        submission->recipients = arena_new(making->arena, making->settings->recipients_most,
                                           sizeof *submission->recipients);
    if (submission->recipients == NULL)
        return error_set(making->err, ERROR_MEMORY, "no memory for the recipients");
    if (smtp_submission_add_recipients(field->value, making->settings->hostname, making->arena,
                                       submission->recipients, making->settings->recipients_most,
                                       &submission->recipient_count, making->err))
        return true;
    return error_wrap(making->err, "the %s field", row->name);
}

/* The field with "@hostname" where an address has no domain. One that is broken stays as it is. */
static bool add_qualified(struct making *making, const struct smtp_field *field)
{
    struct buffer *header = &making->submission->header;
    struct span whole = field->whole;
    size_t value_at = (size_t)(field->value.data - whole.data), done = 0;
    struct smtp_address_list list;
    struct smtp_listed listed;

    smtp_address_list_init(&list, field->value);
    while (smtp_address_list_next(&list, &listed) == SMTP_LISTED_ADDRESS) {
        size_t at = value_at + listed.end;

        if (listed.has_domain || listed.len == 0)
            continue;
        if (!buffer_append(header, span_part(whole, done, at - done)) ||
            !buffer_format(header, "@%s", making->settings->hostname))
            return fail_for_size(making->err);
        done = at;
    }
    return buffer_append(header, span_part(whole, done, SIZE_MAX)) || fail_for_size(making->err);
}

/* ---- fields ------------------------------------------------------------------------------- */

static bool add_whole(struct making *making, const struct smtp_field *field)
{
    return buffer_append(&making->submission->header, field->whole) || fail_for_size(making->err);
}

/* One of those that are added where they are missing, which an empty one is. */
static bool add_needed(struct making *making, const struct smtp_field *field,
                       enum treatment treatment)
{
    struct span value = span_trim(field->value);

    if (value.len == 0)
        return true;
    making->has_from |= treatment == FROM;
    making->has_date |= treatment == DATE;
    if (treatment == MESSAGE_ID)
        making->submission->message_id = arena_copy(making->arena, value);
    return treatment == FROM ? add_qualified(making, field) : add_whole(making, field);
}

static bool add_field(struct making *making, const struct smtp_field *field)
{
    struct row row = row_of(field);

    switch (row.treatment) {
    case KEEP: return add_whole(making, field);
    case DROP: return true;
    case HOP: making->hops++; return add_whole(making, field);
    case ADDRESSES: return add_qualified(making, field);
    case RECIPIENTS: return take_recipients(making, field, &row) && add_qualified(making, field);
    case DROPPED_RECIPIENTS: return take_recipients(making, field, &row);
    case FROM:
    case DATE:
    case MESSAGE_ID: return add_needed(making, field, row.treatment);
    }
    return false;
}

static bool is_resent(struct span message)
{
    struct smtp_field field;

    while (smtp_header_next(&message, &field))
        if (row_of(&field).is_resent)
            return true;
    return false;
}

static bool add_missing(struct making *making)
{
    const struct smtp_submission_settings *settings = making->settings;
    struct buffer *header = &making->submission->header;
    bool has_room = true;

    if (!making->has_from)
        has_room &= buffer_format(header, "From: %s\r\n", settings->from);
    if (!making->has_date)
        has_room &= buffer_format(header, "Date: %s\r\n", settings->date);
    if (making->submission->message_id == NULL) {
        making->submission->message_id = settings->message_id;
        has_room &= buffer_format(header, "Message-ID: %s\r\n", settings->message_id);
    }
    has_room &= buffer_append_text(header, "\r\n");
    return has_room || fail_for_size(making->err);
}

static bool add_header(struct making *making)
{
    struct span rest = buffer_span(&making->submission->lines);
    struct smtp_field field;

    making->is_resent = is_resent(rest);
    while (smtp_header_next(&rest, &field))
        if (!add_field(making, &field))
            return false;
    smtp_header_take_end(&rest);
    making->submission->body = rest;
    if (making->hops >= SMTP_SUBMISSION_HOPS)
        return error_set(making->err, ERROR_FORMAT,
                         "the message has %zu Received fields: it goes in a circle", making->hops);
    return add_missing(making);
}

bool smtp_submission_make(const struct smtp_submission_settings *settings, struct span input,
                          size_t size_most, struct arena *arena, struct smtp_submission *submission,
                          struct error *err)
{
    struct making making = {
        .settings = settings, .submission = submission, .arena = arena, .err = err
    };

    *submission = (struct smtp_submission){ 0 };
    buffer_init(&submission->header, size_most);
    buffer_init(&submission->lines, size_most);
    if (!add_lines(&making, input) || !add_header(&making))
        return false;
    if (submission->header.len + submission->body.len > size_most)
        return fail_for_size(err);
    return !arena->exhausted || error_set(err, ERROR_MEMORY, "no memory for the recipients");
}

void smtp_submission_clear(struct smtp_submission *submission)
{
    buffer_clear(&submission->header);
    buffer_clear(&submission->lines);
}
