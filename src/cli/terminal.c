#include "cli/terminal.h"

#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

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

struct report_style terminal_style(bool with_transcript)
{
    const char *no_colour = getenv("NO_COLOR"), *kind = getenv("TERM");
    bool is_terminal = isatty(STDOUT_FILENO) == 1;

    setlocale(LC_CTYPE, "");
    return (struct report_style){
        .with_colour = is_terminal && (no_colour == NULL || *no_colour == '\0') &&
                       (kind == NULL || strcmp(kind, "dumb") != 0),
        .with_transcript = with_transcript,
        .with_utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
        .columns = columns_of(STDOUT_FILENO),
    };
}

void terminal_progress(const char *text)
{
    static int shown = -1;

    if (shown < 0)
        shown = isatty(STDERR_FILENO) == 1;
    if (shown == 0)
        return;
    fprintf(stderr, "\r\033[K%.*s", columns_of(STDERR_FILENO) - 1, text == NULL ? "" : text);
    fflush(stderr);
}
