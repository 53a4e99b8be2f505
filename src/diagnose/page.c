#include "diagnose/page.h"

#include <string.h>

static const char *const escapes[] = {
    [PAGE_PLAIN] = "",         [PAGE_BOLD] = "\033[1m",      [PAGE_DIM] = "\033[2m",
    [PAGE_RED] = "\033[1;31m", [PAGE_YELLOW] = "\033[1;33m", [PAGE_GREEN] = "\033[1;32m",
};

void page_init(struct page *page, struct buffer *out, int columns, bool with_colour)
{
    *page = (struct page){ out, (size_t)columns, with_colour, false };
}

static void append(struct page *page, struct span bytes)
{
    if (!buffer_append(page->out, bytes))
        page->has_failed = true;
}

static void append_coloured(struct page *page, enum page_colour colour, struct span bytes)
{
    bool is_coloured = page->with_colour && colour != PAGE_PLAIN;

    if (is_coloured)
        append(page, span_of(escapes[colour]));
    append(page, bytes);
    if (is_coloured)
        append(page, span_of("\033[0m"));
}

void page_put(struct page *page, enum page_colour colour, const char *text)
{
    append_coloured(page, colour, span_of(text));
}

void page_end_line(struct page *page)
{
    append(page, span_of("\n"));
}

static void indent_by(struct page *page, size_t columns)
{
    while (columns-- > 0)
        append(page, span_of(" "));
}

/* Columns that a text takes: continuation bytes of UTF-8 take none. */
static size_t width_of(struct span text)
{
    size_t width = 0;

    for (size_t i = 0; i < text.len; i++)
        width += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    return width;
}

/* The longest front of the text of at most `columns`, never cut inside a code point. */
static size_t cut_at(struct span text, size_t columns)
{
    size_t at = 0;

    while (at < text.len && columns > 0) {
        at++;
        while (at < text.len && ((unsigned char)text.data[at] & 0xc0) == 0x80)
            at++;
        columns--;
    }
    return at;
}

static struct span first_word(struct span text)
{
    return span_take_until(&text, ' ');
}

/* What of the text goes on one line of `columns`; the rest without the blank stays in *text. */
static struct span take_line(struct span *text, size_t columns)
{
    struct span line;
    size_t at = cut_at(*text, columns), break_at = at;

    if (at < text->len) {
        while (break_at > 0 && text->data[break_at] != ' ')
            break_at--;
        if (break_at > 0)
            at = break_at;
    }
    line = span_take_front(text, at);
    while (text->len > 0 && text->data[0] == ' ')
        span_take(text);
    return line;
}

/* Where the line that begins with this word begins: at `hang`, but for one that is whole only further left. */
static size_t indent_of(const struct page *page, size_t hang, size_t word_width)
{
    bool is_helped = hang + word_width > page->columns && word_width <= page->columns;

    return is_helped ? page->columns - word_width : hang;
}

/* The cursor stands at `at`, which is not behind `hang`. */
static void wrap(struct page *page, size_t at, size_t hang, enum page_colour colour,
                 struct span text)
{
    size_t columns = page->columns > hang + 10 ? page->columns - hang : 10;

    do {
        struct span paragraph = span_take_until(&text, '\n');

        do {
            size_t word_width = width_of(first_word(paragraph));
            size_t indent = indent_of(page, hang, word_width);

            if (at > indent || (at == indent && indent < hang)) { /* a label would touch it */
                page_end_line(page);
                at = 0;
            }
            indent_by(page, indent - at);
            append_coloured(page, colour,
                            take_line(&paragraph, indent < hang ? word_width : columns));
            page_end_line(page);
            at = 0;
        } while (paragraph.len > 0);
    } while (text.len > 0);
}

void page_item(struct page *page, size_t indent, const char *label, size_t hang,
               enum page_colour colour, const char *text)
{
    size_t at = indent + width_of(span_of(label));

    indent_by(page, indent);
    page_put(page, PAGE_BOLD, label);
    if (at >= hang) {
        page_end_line(page);
        at = 0;
    }
    wrap(page, at, hang, colour, span_of(text));
}

void page_paragraph(struct page *page, size_t indent, enum page_colour colour, const char *text)
{
    wrap(page, 0, indent, colour, span_of(text));
}
