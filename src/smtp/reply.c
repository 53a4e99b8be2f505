#include "smtp/reply.h"

enum {
    IN_CODE,      /* the three digits */
    AT_SEPARATOR, /* behind them */
    IN_TEXT,
    AFTER_CR,   /* in the text */
    IN_SPOILED, /* a line that breaks the reply is read to its end: it is the evidence */
    COMPLETE,
    BROKEN,
};

void smtp_reply_init(struct smtp_reply_parser *parser, char *storage, size_t size)
{
    *parser = (struct smtp_reply_parser){ .storage = storage, .size = size };
}

static size_t line_len(const struct smtp_reply_parser *parser)
{
    return parser->used - parser->line_start;
}

static bool is_control(char c)
{
    return (unsigned char)c < ' ' || c == '\x7f';
}

/* What a text line may not carry, yet does not keep us from understanding it. */
static void note_byte(struct smtp_reply_parser *parser, char c)
{
    if (c == '\0')
        parser->flaws |= SMTP_REPLY_FLAW_NUL;
    else if ((unsigned char)c >= 0x80)
        parser->flaws |= SMTP_REPLY_FLAW_EIGHT_BIT;
    else if (is_control(c) && c != '\t')
        parser->flaws |= SMTP_REPLY_FLAW_CONTROL;
}

/* A line of text without sense is read to its end so that the report can show it; from bytes
 * that are no text at all (TLS, perhaps) there is nothing more to learn. */
static void take_spoiled(struct smtp_reply_parser *parser, char c)
{
    bool is_text = !is_control(c) || c == '\t' || c == '\r';

    if (c != '\r' && c != '\n')
        note_byte(parser, c);
    parser->state = is_text && line_len(parser) < SMTP_REPLY_LINE_LIMIT ? IN_SPOILED : BROKEN;
}

static void spoil(struct smtp_reply_parser *parser, enum smtp_reply_flaw flaw, char c)
{
    parser->flaws |= flaw;
    take_spoiled(parser, c);
}

static void end_line(struct smtp_reply_parser *parser)
{
    if (line_len(parser) > SMTP_REPLY_LINE_LIMIT)
        parser->flaws |= SMTP_REPLY_FLAW_LONG_LINE;
    parser->line_start = parser->used;
    parser->digits = 0;
    parser->line_count++;
    parser->state = parser->more_lines ? IN_CODE : COMPLETE;
    if (parser->more_lines && parser->line_count == SMTP_REPLY_LINES_MOST) {
        parser->flaws |= SMTP_REPLY_FLAW_TOO_LARGE;
        parser->state = BROKEN;
    }
}

/* Reply-code = %x32-35 %x30-35 %x30-39 (RFC 5321 section 4.2). Servers do send codes such as
 * 571: they are understood by their first digit, which section 4.3.2 lets a client rely on. */
static void take_code_digit(struct smtp_reply_parser *parser, char c)
{
    static const char first[] = "25", later[] = "09";
    const char *range = parser->digits == 0 ? first : later;

    if (c < range[0] || c > range[1]) {
        spoil(parser, SMTP_REPLY_FLAW_NOT_A_CODE, c);
        return;
    }
    if (parser->digits == 1 && c > '5')
        parser->flaws |= SMTP_REPLY_FLAW_UNKNOWN_CODE;
    parser->line_code = (uint16_t)((parser->digits == 0 ? 0 : parser->line_code * 10) + (c - '0'));
    if (++parser->digits == 3)
        parser->state = AT_SEPARATOR;
}

static void take_separator(struct smtp_reply_parser *parser, char c)
{
    if (c != ' ' && c != '-' && c != '\r' && c != '\n') {
        spoil(parser, SMTP_REPLY_FLAW_SEPARATOR, c);
        return;
    }
    if (parser->line_count > 0 && parser->line_code != parser->code)
        parser->flaws |= SMTP_REPLY_FLAW_CODE_CHANGE;
    parser->code = parser->line_code;
    parser->more_lines = c == '-';
    if (c == ' ' || c == '-') {
        parser->state = IN_TEXT;
        return;
    }
    /* clients must accept a code with no text: RFC 5321 section 4.2.1 */
    parser->flaws |= SMTP_REPLY_FLAW_NO_TEXT;
    parser->state = AFTER_CR;
    if (c == '\n') {
        parser->flaws |= SMTP_REPLY_FLAW_BARE_LF;
        end_line(parser);
    }
}

static void take_text(struct smtp_reply_parser *parser, char c)
{
    if (c == '\n') {
        parser->flaws |= SMTP_REPLY_FLAW_BARE_LF;
        end_line(parser);
    } else if (c == '\r') {
        parser->state = AFTER_CR;
    } else {
        note_byte(parser, c);
    }
}

static void take_after_cr(struct smtp_reply_parser *parser, char c)
{
    if (c == '\n') {
        end_line(parser);
        return;
    }
    parser->flaws |= SMTP_REPLY_FLAW_BARE_CR;
    parser->state = IN_TEXT;
    take_text(parser, c);
}

static void take_byte(struct smtp_reply_parser *parser, char c)
{
    parser->storage[parser->used++] = c;
    switch (parser->state) {
    case IN_CODE: take_code_digit(parser, c); break;
    case AT_SEPARATOR: take_separator(parser, c); break;
    case IN_TEXT: take_text(parser, c); break;
    case AFTER_CR: take_after_cr(parser, c); break;
    default: take_spoiled(parser, c); break;
    }
    if (parser->state >= COMPLETE)
        return;
    if (line_len(parser) >= SMTP_REPLY_LINE_REFUSED)
        parser->flaws |= SMTP_REPLY_FLAW_ENDLESS_LINE;
    else if (parser->used == parser->size)
        parser->flaws |= SMTP_REPLY_FLAW_TOO_LARGE;
    else
        return;
    parser->state = BROKEN;
}

enum smtp_reply_status smtp_reply_feed(struct smtp_reply_parser *parser, struct span *input,
                                       struct smtp_reply *reply)
{
    while (parser->state < COMPLETE && input->len > 0)
        take_byte(parser, span_take(input));
    if (parser->state < COMPLETE)
        return SMTP_REPLY_PARTIAL;
    *reply = (struct smtp_reply){ parser->code,
                                  (uint16_t)(parser->line_count + (line_len(parser) > 0)),
                                  parser->flaws,
                                  { parser->storage, parser->used } };
    if (parser->state == BROKEN)
        return SMTP_REPLY_BROKEN;
    smtp_reply_init(parser, parser->storage, parser->size);
    return SMTP_REPLY_WHOLE;
}

struct span smtp_reply_unfinished(const struct smtp_reply_parser *parser)
{
    return (struct span){ parser->storage, parser->used };
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

struct span smtp_reply_line(const struct smtp_reply *reply, size_t index)
{
    struct span rest = reply->raw, line = { NULL, 0 };
    bool is_ended = true;

    for (size_t i = 0; i <= index; i++) {
        if (rest.len == 0)
            return (struct span){ NULL, 0 };
        is_ended = span_find(rest, '\n') < rest.len;
        line = span_take_until(&rest, '\n');
    }
    if (is_ended && line.len > 0 && line.data[line.len - 1] == '\r')
        line.len--;
    if (line.len < 3 || !is_digit(line.data[0]) || !is_digit(line.data[1]) ||
        !is_digit(line.data[2]))
        return line;
    span_take_front(&line, 3);
    if (line.len > 0 && (line.data[0] == ' ' || line.data[0] == '-'))
        span_take_front(&line, 1);
    return line;
}

static size_t count_digits(struct span text)
{
    size_t count = 0;

    while (count < text.len && is_digit(text.data[count]))
        count++;
    return count;
}

/* status-code = class "." subject "." detail (RFC 3463 section 2) */
struct span smtp_reply_enhanced_status(const struct smtp_reply *reply)
{
    static const struct span none = { NULL, 0 };
    struct span line = smtp_reply_line(reply, 0), rest = line;

    if (line.len == 0 || line.data[0] != '0' + reply->code / 100 || line.data[0] == '3')
        return none;
    span_take_front(&rest, 1);
    for (int part = 0; part < 2; part++) {
        if (rest.len == 0 || span_take(&rest) != '.')
            return none;
        size_t digits = count_digits(rest);

        if (digits < 1 || digits > 3)
            return none;
        span_take_front(&rest, digits);
    }
    if (rest.len > 0 && rest.data[0] != ' ' && rest.data[0] != '\t')
        return none;
    return span_part(line, 0, line.len - rest.len);
}
