#include "gateway/bounce.h"

#include <assert.h>

#include "base/text.h"
#include "gateway/bounce_parts.h"
#include "smtp/header.h"

enum {
    ARENA_BYTES = 4 * 1024 * 1024,
    SUBJECT_ADDRESS_MOST = 50, /* octets; a longer address is not in the subject */
    MESSAGE_ID_MOST = 250,
    ADDRESS_LINE_MOST = 900,
    QUOTED_MOST = 76, /* columns: RFC 2045 section 6.7 */
};

const char *bounce_action_name(enum bounce_action action)
{
    static const char *const names[] = { [BOUNCE_FAILED] = "failed",
                                         [BOUNCE_DELAYED] = "delayed",
                                         [BOUNCE_DELIVERED] = "delivered",
                                         [BOUNCE_RELAYED] = "relayed" };

    assert((size_t)action < ARRAY_SIZE(names));
    return names[action];
}

bool bounce_is_wanted(const struct queue_envelope *envelope,
                      const struct queue_recipient *recipient, enum bounce_action action)
{
    static const enum queue_notify bits[] = { [BOUNCE_FAILED] = QUEUE_NOTIFY_FAILURE,
                                              [BOUNCE_DELAYED] = QUEUE_NOTIFY_DELAY,
                                              [BOUNCE_DELIVERED] = QUEUE_NOTIFY_SUCCESS,
                                              [BOUNCE_RELAYED] = QUEUE_NOTIFY_SUCCESS };
    unsigned notify = recipient->notify;

    if (notify == 0) /* RFC 3461 section 4.1 */
        notify = QUEUE_NOTIFY_FAILURE | QUEUE_NOTIFY_DELAY;
    return envelope->sender.len > 0 && !(notify & QUEUE_NOTIFY_NEVER) && (notify & bits[action]);
}

/* RET speaks of failures alone (RFC 3461 section 4.3), and where it is not said the header does. What asks for
 * REQUIRETLS never comes back whole: RFC 8689 section 5. */
static bool returns_all(enum bounce_action action, const struct queue_envelope *envelope)
{
    return action == BOUNCE_FAILED && envelope->returns == QUEUE_RETURN_FULL &&
           !envelope->requires_tls && envelope->size_bytes <= BOUNCE_RETURNED_MOST;
}

size_t bounce_returned_len(enum bounce_action action, const struct queue_envelope *envelope)
{
    if (!returns_all(action, envelope) && envelope->size_bytes > BOUNCE_HEADER_MOST)
        return BOUNCE_HEADER_MOST;
    return (size_t)envelope->size_bytes;
}

/* ---- the header --------------------------------------------------------------------------- */

static const char *format_subject(const struct bounce *bounce, struct arena *arena)
{
    static const char *const words[] = { [BOUNCE_FAILED] = "Not delivered",
                                         [BOUNCE_DELAYED] = "Delayed",
                                         [BOUNCE_DELIVERED] = "Delivered",
                                         [BOUNCE_RELAYED] = "Passed on" };
    const char *what = words[bounce->action];
    struct span address = bounce->recipients[0].recipient->address;

    if (bounce->count > 1)
        return arena_format(arena, "%s: your message to %zu recipients", what, bounce->count);
    if (address.len > SUBJECT_ADDRESS_MOST || !text_is_ascii(address))
        return arena_format(arena, "%s: your message to one recipient", what);
    return arena_format(arena, "%s: your message to %s", what, bounce_line(arena, address));
}

/* So that the report stands beside the message: RFC 3834 section 3.1.6. */
static bool write_thread(const struct bounce *bounce, struct arena *arena, struct buffer *out)
{
    struct span id = bounce->envelope->message_id;
    const char *line = bounce_line(arena, id);

    if (id.len < 3 || id.len > MESSAGE_ID_MOST || id.data[0] != '<' || id.data[id.len - 1] != '>' ||
        !text_is_ascii(id))
        return true;
    return buffer_format(out, "In-Reply-To: %s\r\nReferences: %s\r\n", line, line);
}

/* What is too long for a line is not told; nobody could reply to it anyway. */
static const char *format_to(const struct bounce *bounce, struct arena *arena)
{
    struct span line = span_of(bounce_line(arena, bounce->envelope->sender));

    return line.len > ADDRESS_LINE_MOST ? "undisclosed-recipients:;"
                                        : arena_format(arena, "<%s>", line.data);
}

static bool write_header(const struct bounce *bounce, struct arena *arena, struct buffer *out)
{
    return buffer_format(out,
                         "Date: %s\r\n"
                         "From: Mail Delivery System <MAILER-DAEMON@%s>\r\n"
                         "To: %s\r\n"
                         "Message-ID: <%s.report@%s>\r\n",
                         text_mail_date(arena, bounce->now_s), bounce->hostname,
                         format_to(bounce, arena), bounce->id, bounce->hostname) &&
           write_thread(bounce, arena, out) &&
           buffer_format(out,
                         "Subject: %s\r\n"
                         "Auto-Submitted: auto-replied\r\n"
                         "MIME-Version: 1.0\r\n"
                         "Content-Type: multipart/report; report-type=delivery-status;\r\n"
                         "\tboundary=\"%s\"\r\n"
                         "\r\n"
                         "This is a report in several parts: RFC 3464.\r\n",
                         format_subject(bounce, arena), bounce->boundary);
}

/* ---- the parts ------------------------------------------------------------------------------ */

/* The line end before a boundary is the boundary's: RFC 2046 section 5.1.1. */
static bool begin_part(const struct bounce *bounce, const char *type, const char *encoding,
                       struct buffer *out)
{
    return buffer_format(out,
                         "\r\n--%s\r\n"
                         "Content-Type: %s\r\n"
                         "Content-Transfer-Encoding: %s\r\n"
                         "\r\n",
                         bounce->boundary, type, encoding);
}

/* One line without its end: RFC 2045 section 6.7. None begins with "-", as a boundary would. */
static bool write_quoted(struct span line, struct buffer *out)
{
    size_t column = 0;
    bool fits = true;

    for (size_t i = 0; fits && i < line.len; i++) {
        unsigned char byte = (unsigned char)line.data[i];
        bool is_blank = byte == ' ' || byte == '\t', is_plain;

        if (column + 3 >= QUOTED_MOST) {
            fits = buffer_append_text(out, "=\r\n");
            column = 0;
        }
        is_plain = (byte > ' ' && byte <= '~' && byte != '=' && (byte != '-' || column > 0)) ||
                   (is_blank && i + 1 < line.len);
        fits = fits && (is_plain ? buffer_append(out, span_part(line, i, 1))
                                 : buffer_format(out, "=%02X", byte));
        column += is_plain ? 1 : 3;
    }
    return fits;
}

/* May these lines stand as they are? Not what is more than ASCII, nor what could be a boundary. */
static bool is_plain_text(struct span text)
{
    bool is_plain = text_is_ascii(text);

    while (is_plain && text.len > 0)
        is_plain = !span_starts_with(span_take_until(&text, '\n'), "--");
    return is_plain;
}

/* Text that passes everywhere, whatever is in it; its lines end in LF or CRLF. */
static bool write_text(const struct bounce *bounce, const char *type, struct span text,
                       struct buffer *out)
{
    bool is_plain = is_plain_text(text);
    bool fits = begin_part(bounce, type, is_plain ? "7bit" : "quoted-printable", out);

    while (fits && text.len > 0) {
        struct span line = span_take_line(&text);

        fits = (is_plain ? buffer_append(out, line) : write_quoted(line, out)) &&
               buffer_append_text(out, "\r\n");
    }
    return fits;
}

static bool write_words(const struct bounce *bounce, struct arena *arena, struct buffer *out)
{
    struct buffer words;
    bool fits;

    buffer_init(&words, BOUNCE_BYTES_MOST);
    fits = bounce_words_write(bounce, arena, &words) &&
           write_text(bounce, "text/plain; charset=utf-8", buffer_span(&words), out);
    buffer_clear(&words);
    return fits;
}

static bool write_status(const struct bounce *bounce, struct arena *arena, struct buffer *out)
{
    return begin_part(bounce, "message/delivery-status", "7bit", out) &&
           bounce_status_write(bounce, arena, out);
}

/* The header, or as many whole fields of it as there is room for. */
static struct span header_of(struct span message)
{
    struct span rest = message;
    struct smtp_field field;
    size_t len = 0;

    while (smtp_header_next(&rest, &field))
        if (rest.len > 0 || message.len < BOUNCE_HEADER_MOST)
            len = message.len - rest.len;
    return span_part(message, 0, len);
}

/* A message whose header is more than ASCII is one of RFC 6532. */
static bool is_global(const struct bounce *bounce)
{
    struct span header = header_of(bounce->message);

    return !text_is_ascii(header) && text_is_utf8(header);
}

/* Nobody may encode a message/rfc822, so a whole message comes back as it is. */
static bool write_whole(const struct bounce *bounce, struct buffer *out)
{
    return begin_part(bounce, is_global(bounce) ? "message/global" : "message/rfc822",
                      text_is_ascii(bounce->message) ? "7bit" : "8bit", out) &&
           buffer_append(out, bounce->message);
}

static bool write_returned(const struct bounce *bounce, struct buffer *out)
{
    const char *type =
        is_global(bounce) ? "text/rfc822-headers; charset=utf-8" : "text/rfc822-headers";

    return returns_all(bounce->action, bounce->envelope)
               ? write_whole(bounce, out)
               : write_text(bounce, type, header_of(bounce->message), out);
}

bool bounce_compose(const struct bounce *bounce, struct buffer *out, struct bounce_form *form)
{
    struct arena arena;
    bool fits;

    assert(bounce->count > 0 && bounce->count <= BOUNCE_RECIPIENTS_MOST);
    arena_init(&arena, ARENA_BYTES);
    fits = write_header(bounce, &arena, out) && write_words(bounce, &arena, out) &&
           write_status(bounce, &arena, out) && write_returned(bounce, out) &&
           buffer_format(out, "\r\n--%s--\r\n", bounce->boundary) && !arena.exhausted;
    arena_clear(&arena);
    form->is_8bit = !text_is_ascii(buffer_span(out));
    form->is_smtputf8 =
        !text_is_ascii(bounce->envelope->sender) ||
        (bounce->envelope->is_smtputf8 && !text_is_ascii(header_of(bounce->message)));
    return fits;
}
