/* tests/unit/settings/loads.h - settings from a text, and what was said of it. */
#pragma once

#include <stdbool.h>

#include "settings/settings.h"

struct loaded {
    struct settings *settings; /* NULL: it has faults */
    struct settings_faults faults;
    struct buffer said; /* every fault, a line each; ends with a NUL */
    struct error err;
};

/* "t.conf"; the files that it names are not looked at. */
struct loaded load_text(const char *text);
struct loaded load_span(struct span text);
void loaded_clear(struct loaded *loaded);

/* Fails the test, and shows what was said, where the text has any fault or warning. */
struct loaded load_sound(const char *text);
/* Fails the test unless exactly these lines are said. */
void expect_faults(const char *text, const char *said);
