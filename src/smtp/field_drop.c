#include "smtp/field_drop.h"

#include <assert.h>

#include "base/text.h"

enum state {
    AT_LINE,   /* at the front of a line of the header */
    IN_NAME,   /* what is held has been the name so far */
    IN_OTHER,  /* a name, and not that one */
    IN_BLANKS, /* behind the name, whichever: the colon is due */
    IN_VALUE,  /* to the end of the line */
    IN_BODY,   /* nothing is looked at any more */
};

enum { NAME_MOST = 32 };

void smtp_field_drop_init(struct smtp_field_drop *drop, const char *name)
{
    assert(strlen(name) <= NAME_MOST);
    *drop = (struct smtp_field_drop){ .name = name, .state = AT_LINE };
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* ftext of RFC 5322 section 3.6.8. */
static bool is_of_name(char c)
{
    return c > ' ' && c <= '~' && c != ':';
}

struct span smtp_field_drop_end(struct smtp_field_drop *drop)
{
    struct span held = { drop->held, drop->held_len };

    drop->held_len = 0;
    return held;
}

/* Whether what is held is the whole name, with or without blanks. */
static bool has_name(const struct smtp_field_drop *drop)
{
    return drop->held_len >= strlen(drop->name);
}

static bool goes_on_as_name(const struct smtp_field_drop *drop, char c)
{
    if (drop->held_len == sizeof drop->held)
        return false;
    if (drop->state == IN_BLANKS)
        return is_blank(c) && has_name(drop);
    return has_name(drop) ? is_blank(c) : text_lower(c) == text_lower(drop->name[drop->held_len]);
}

/* The state behind an octet of a line's front, up to the colon. */
static enum state behind(const struct smtp_field_drop *drop, char c)
{
    if (c == ':' && drop->state != AT_LINE)
        return IN_VALUE;
    if (is_blank(c))
        return IN_BLANKS;
    if (drop->state == IN_BLANKS || !is_of_name(c))
        return IN_BODY; /* this is no field, so the header was over before it */
    return drop->state == AT_LINE ? IN_NAME : (enum state)drop->state;
}

static void begin_value(struct smtp_field_drop *drop)
{
    drop->has_field = true;
    drop->is_dropping = drop->held_len > 0 && has_name(drop);
    if (drop->is_dropping)
        drop->held_len = 0;
}

/* One octet in front of the colon. False: it is none of the name's, and what was held goes first. */
static bool take_front(struct smtp_field_drop *drop, char c)
{
    enum state next = behind(drop, c);

    if (next == IN_VALUE) {
        begin_value(drop);
    } else if (next != IN_BODY && drop->state != IN_OTHER && goes_on_as_name(drop, c)) {
        drop->held[drop->held_len++] = c;
        drop->state = (uint8_t)next;
        return true;
    }
    drop->state = (uint8_t)(next == IN_NAME ? IN_OTHER : next);
    return false;
}

/* To the end of the line, as far as it came. */
static struct span take_value(struct smtp_field_drop *drop, struct span *input)
{
    size_t at = span_find(*input, '\n');
    struct span part = span_take_front(input, at < input->len ? at + 1 : at);

    if (part.data[part.len - 1] == '\n')
        drop->state = AT_LINE;
    return drop->is_dropping ? (struct span){ NULL, 0 } : part;
}

static struct span take_line_front(struct smtp_field_drop *drop, struct span *input)
{
    struct span kept = { input->data, 0 };

    if (drop->state == AT_LINE &&
        is_blank(input->data[0])) { /* a fold, where a field is in front */
        drop->state = drop->has_field ? IN_VALUE : IN_BODY;
        return kept;
    }
    while (input->len > 0 && drop->state != IN_VALUE && drop->state != IN_BODY) {
        if (take_front(drop, input->data[0])) {
            span_take(input);
        } else if (drop->held_len > 0) {
            kept = smtp_field_drop_end(drop);
            break;
        } else if (drop->state == IN_VALUE) {
            break;
        } else {
            span_take(input);
            kept.len++;
        }
    }
    return kept;
}

struct span smtp_field_drop_next(struct smtp_field_drop *drop, struct span *input)
{
    if (input->len == 0 || drop->state == IN_BODY)
        return span_take_front(input, input->len);
    if (drop->state == IN_VALUE)
        return take_value(drop, input);
    return take_line_front(drop, input);
}
