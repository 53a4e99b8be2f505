#include "cli/terminal.h"

#include <langinfo.h>
#include <locale.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buffer.h"
#include "diagnose/page.h"

enum { TOLD_BYTES = 1 << 20, TOLD_HANG = 4 };
enum { NARROWEST = 40, WIDEST = 100, USUAL = 80 };

static int columns_of(int descriptor)
{
    struct winsize size;

    if (ioctl(descriptor, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return USUAL;
    if (size.ws_col < NARROWEST)
        return NARROWEST;
    return size.ws_col > WIDEST ? WIDEST : size.ws_col;
}

static const struct span nul = { "", 1 };

/* The locale is asked and never put in force: what letters are alike would depend on it, in names and in SMTP. */
static bool speaks_utf8(void)
{
    locale_t named = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
    bool is_utf8 = named != (locale_t)0 && strcmp(nl_langinfo_l(CODESET, named), "UTF-8") == 0;

    if (named != (locale_t)0)
        freelocale(named);
    return is_utf8;
}

/* One that knows no sequences of control characters, such as a shell within an editor. */
static bool is_dumb(void)
{
    const char *kind = getenv("TERM");

    return kind != NULL && strcmp(kind, "dumb") == 0;
}

struct report_style terminal_style(bool with_transcript)
{
    const char *no_colour = getenv("NO_COLOR");
    bool is_terminal = isatty(STDOUT_FILENO) == 1;

    return (struct report_style){
        .with_colour = is_terminal && (no_colour == NULL || *no_colour == '\0') && !is_dumb(),
        .with_transcript = with_transcript,
        .with_utf8 = speaks_utf8(),
        .columns = columns_of(STDOUT_FILENO),
    };
}

void terminal_progress(const char *text)
{
    static int shown = -1;

    if (shown < 0)
        shown = isatty(STDERR_FILENO) == 1 && !is_dumb();
    if (shown == 0)
        return;
    fprintf(stderr, "\r\033[K%.*s", columns_of(STDERR_FILENO) - 1, text == NULL ? "" : text);
    fflush(stderr);
}

static bool fold(struct span line, size_t columns, struct buffer *out)
{
    AUTO(buffer_clear) struct buffer where, what;
    struct page page;

    page_init(&page, out, (int)columns, false);
    buffer_init(&where, TOLD_BYTES);
    buffer_init(&what, TOLD_BYTES);
    if (!buffer_append(&where, span_take_until(&line, ' ')) || !buffer_append(&where, nul) ||
        !buffer_append(&what, line) || !buffer_append(&what, nul))
        return false;
    page_item(&page, 0, where.data, TOLD_HANG, PAGE_PLAIN, what.data);
    return !page.has_failed;
}

void terminal_tell(struct span lines)
{
    size_t columns = isatty(STDERR_FILENO) == 1 ? (size_t)columns_of(STDERR_FILENO) : SIZE_MAX;

    while (lines.len > 0) {
        AUTO(buffer_clear) struct buffer folded;
        struct span line = span_take_until(&lines, '\n');

        buffer_init(&folded, TOLD_BYTES);
        if (line.len > columns && fold(line, columns, &folded))
            fwrite(folded.data, 1, folded.len, stderr);
        else
            fprintf(stderr, "%.*s\n", (int)line.len, line.data);
    }
}
