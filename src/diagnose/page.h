/* diagnose/page.h - lays text out for a terminal: wraps words, hangs indents, colours.
 *
 * Columns are counted in code points. A word too long for its place stands further left, so that
 * it can be copied; one longer than a whole line is cut. Like an arena, a page
 * never fails in the middle of things: `has_failed` is looked at once, at the end.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

enum page_colour { PAGE_PLAIN, PAGE_BOLD, PAGE_DIM, PAGE_RED, PAGE_YELLOW, PAGE_GREEN };

struct page {
    struct buffer *out;
    size_t columns;
    bool with_colour, has_failed;
};

void page_init(struct page *page, struct buffer *out, int columns, bool with_colour);

/* Text as it is, without a line end. */
void page_put(struct page *page, enum page_colour colour, const char *text);
void page_end_line(struct page *page);

/* `label` at `indent`, then `text` from column `hang` on, wrapped there; line ends in the text are
 * kept. A label that does not fit gets a line of its own. */
void page_item(struct page *page, size_t indent, const char *label, size_t hang,
               enum page_colour colour, const char *text);

/* Text wrapped at `indent`. */
void page_paragraph(struct page *page, size_t indent, enum page_colour colour, const char *text);
