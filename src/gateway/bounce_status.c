/* gateway/bounce_status.c - the fields that tell programs what became of a message. */
#include "gateway/bounce_parts.h"

#include <string.h>

#include "base/text.h"

enum { LINE_MOST = 76, WORD_MOST = 900, DECODED_MOST = QUEUE_ADDRESS_BYTES };

/* ---- texts ---------------------------------------------------------------------------------- */

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* What an xtext stands for (RFC 3461 section 4); the text itself where that is not printable ASCII. */
static struct span decode_xtext(struct arena *arena, struct span text)
{
    char decoded[DECODED_MOST];
    size_t len = 0;

    for (size_t i = 0; i < text.len && len < sizeof decoded; i++) {
        char c = text.data[i];

        if (c == '+') {
            int high = i + 2 < text.len ? digit_of(text.data[i + 1]) : -1;
            int low = i + 2 < text.len ? digit_of(text.data[i + 2]) : -1;

            if (high < 0 || low < 0)
                return text;
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (c < ' ' || c > '~')
            return text;
        decoded[len++] = c;
    }
    return arena_copy_bytes(arena, (struct span){ decoded, len });
}

/* The code point at the front of *text, which is UTF-8. */
static uint32_t take_code_point(struct span *text)
{
    unsigned char first = (unsigned char)span_take(text);
    uint32_t point = first;
    int more = 0;

    if (first >= 0xf0) {
        point = first & 0x07U;
        more = 3;
    } else if (first >= 0xe0) {
        point = first & 0x0fU;
        more = 2;
    } else if (first >= 0xc0) {
        point = first & 0x1fU;
        more = 1;
    }
    while (more-- > 0 && text->len > 0)
        point = point << 6 | ((unsigned char)span_take(text) & 0x3fU);
    return point;
}

/* RFC 6533 section 3: what is not ASCII, and each of `also`, as \x{HEX}; controls as "?". */
static const char *escape(struct arena *arena, struct span text, const char *also)
{
    struct buffer out;
    const char *escaped;
    bool fits = true;

    buffer_init(&out, text.len * 10 + 1);
    if (!text_is_utf8(text))
        text = span_of(text_printable(arena, text, false));
    while (fits && text.len > 0) {
        uint32_t point = take_code_point(&text);

        if (point > '~' || (point != 0 && strchr(also, (int)point) != NULL))
            fits = buffer_format(&out, "\\x{%02X}", point);
        else
            fits = buffer_format(&out, "%c", point < ' ' ? '?' : (int)point);
    }
    escaped = arena_copy(arena, buffer_span(&out));
    buffer_clear(&out);
    return escaped;
}

const char *bounce_line(struct arena *arena, struct span text)
{
    char *line;

    if (!text_is_utf8(text))
        return text_printable(arena, text, false);
    line = arena_new(arena, text.len + 1, 1);
    for (size_t i = 0; line != NULL && i < text.len; i++)
        line[i] = (unsigned char)text.data[i] < ' ' || text.data[i] == '\x7f' ? '?' : text.data[i];
    return line == NULL ? "" : line;
}

struct span bounce_peer_of(struct span relay)
{
    size_t at = 0;

    if (span_starts_with(relay, "lmtp:"))
        span_take_front(&relay, strlen("lmtp:"));
    if (span_starts_with(relay, "unix:") || span_starts_with(relay, "maildir") ||
        span_starts_with(relay, "/") || span_equal(relay, span_of("none")) ||
        span_equal(relay, span_of("lmtp")))
        return (struct span){ NULL, 0 };
    if (relay.len > 0 && relay.data[0] == '[') {
        at = span_find(relay, ']');
        return span_part(relay, 0, at + 1);
    }
    while (at < relay.len && relay.data[at] != '[' && relay.data[at] != ':')
        at++;
    return span_part(relay, 0, at);
}

/* ---- fields --------------------------------------------------------------------------------- */

/* No line of mail has more than 998 octets (RFC 5322 section 2.1.1), whatever that makes of a word. */
static bool add_word(struct buffer *out, struct span word)
{
    bool fits = buffer_append(out, span_take_front(&word, WORD_MOST));

    while (fits && word.len > 0)
        fits = buffer_append_text(out, "\r\n ") &&
               buffer_append(out, span_take_front(&word, WORD_MOST));
    return fits;
}

/* Folded where there is a blank: RFC 5322 section 2.2.3. */
static bool add_field(struct buffer *out, const char *name, const char *value)
{
    struct span rest = span_of(value);
    size_t at = strlen(name) + 2;
    bool fits = buffer_format(out, "%s: ", name), is_first = true;

    while (fits && rest.len > 0) {
        struct span word = span_take_until(&rest, ' ');

        if (!is_first && word.len > 0 && at + 1 + word.len > LINE_MOST) {
            fits = buffer_append_text(out, "\r\n ");
            at = 1;
        } else if (!is_first) {
            fits = buffer_append_text(out, " ");
            at++;
        }
        fits = fits && add_word(out, word);
        at += word.len;
        is_first = false;
    }
    return fits && buffer_append_text(out, "\r\n");
}

/* "rfc822; a@b", or "utf-8; ..." in ASCII: RFC 6533 section 3. */
static const char *format_address(struct arena *arena, struct span address)
{
    if (text_is_ascii(address))
        return arena_format(arena, "rfc822; %s", escape(arena, address, ""));
    return arena_format(arena, "utf-8; %s", escape(arena, address, "\\+= "));
}

/* ORCPT, as it was before it went through SMTP. */
static const char *format_original(struct arena *arena, struct span orcpt)
{
    struct span type = span_take_until(&orcpt, ';');

    if (span_equal_nocase(type, span_of("utf-8")))
        return arena_format(arena, "utf-8; %s", escape(arena, orcpt, ""));
    return arena_format(arena, "%s; %s", escape(arena, type, ""),
                        escape(arena, decode_xtext(arena, orcpt), ""));
}

static bool is_number(struct span text)
{
    if (text.len == 0 || text.len > 3)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    return true;
}

/* What is no code of RFC 3463 says no more than the class of what happened. */
static const char *format_status(const struct bounce *bounce, struct arena *arena, struct span code)
{
    static const char *const general[] = { [BOUNCE_FAILED] = "5.0.0",
                                           [BOUNCE_DELAYED] = "4.0.0",
                                           [BOUNCE_DELIVERED] = "2.0.0",
                                           [BOUNCE_RELAYED] = "2.0.0" };
    struct span rest = code, class = span_take_until(&rest, '.');
    struct span subject = span_take_until(&rest, '.');

    if (class.len != 1 || strchr("245", class.data[0]) == NULL || !is_number(subject) ||
        !is_number(rest))
        return general[bounce->action];
    return arena_copy(arena, code);
}

static bool write_message_fields(const struct bounce *bounce, struct arena *arena,
                                 struct buffer *out)
{
    const struct queue_envelope *envelope = bounce->envelope;

    if (envelope->envid.len > 0 &&
        !add_field(out, "Original-Envelope-Id",
                   escape(arena, decode_xtext(arena, envelope->envid), "")))
        return false;
    return add_field(out, "Reporting-MTA", arena_format(arena, "dns; %s", bounce->hostname)) &&
           add_field(out, "Arrival-Date", text_mail_date(arena, envelope->received_at_s));
}

static bool write_peer(const struct bounce_recipient *one, struct arena *arena, struct buffer *out)
{
    struct span peer = bounce_peer_of(one->attempt->relay);

    if (peer.len > 0 &&
        !add_field(out, "Remote-MTA", arena_format(arena, "dns; %s", escape(arena, peer, ""))))
        return false;
    return one->said.len == 0 ||
           add_field(out, "Diagnostic-Code",
                     arena_format(arena, "smtp; %s", escape(arena, one->said, "")));
}

static bool write_recipient_fields(const struct bounce *bounce, const struct bounce_recipient *one,
                                   struct arena *arena, struct buffer *out)
{
    struct span orcpt = one->recipient->orcpt;
    bool fits = buffer_append_text(out, "\r\n");

    if (orcpt.len > 0)
        fits = fits && add_field(out, "Original-Recipient", format_original(arena, orcpt));
    fits = fits &&
           add_field(out, "Final-Recipient", format_address(arena, one->recipient->address)) &&
           add_field(out, "Action", bounce_action_name(bounce->action)) &&
           add_field(out, "Status", format_status(bounce, arena, one->attempt->code)) &&
           write_peer(one, arena, out) &&
           add_field(out, "Last-Attempt-Date", text_mail_date(arena, one->attempt->at_s));
    if (bounce->action != BOUNCE_DELAYED)
        return fits;
    return fits &&
           add_field(out, "Will-Retry-Until", text_mail_date(arena, bounce->retries_until_s));
}

bool bounce_status_write(const struct bounce *bounce, struct arena *arena, struct buffer *out)
{
    if (!write_message_fields(bounce, arena, out))
        return false;
    for (size_t i = 0; i < bounce->count; i++)
        if (!write_recipient_fields(bounce, &bounce->recipients[i], arena, out))
            return false;
    return !arena->exhausted;
}
