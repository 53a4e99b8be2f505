/* settings/outline.h - the shape of a settings file: which words stand where, on which line (pure).
 *
 * libconfuse stops at the first fault, keeps no lines, and its scanner has traps (doc/decisions,
 * "A settings file is outlined before it is parsed"). So this goes first: it names every fault of
 * shape, goes on behind each, and writes out what is sound, without comments, for libconfuse to read.
 *
 *     file      = *(statement)
 *     statement = key "=" (value / "{" [value *("," value) [","]] "}") / section [title] "{" *(statement) "}"
 *     value     = word / string      ; '...' or "...", on one line; \ only before \ and the quote
 *     comment   = "#" or "//" to the end of the line, or between "/ *" and "* /"
 *
 * Sections are not nested. At most SETTINGS_STATEMENTS_MOST statements and SETTINGS_SECTIONS_MOST
 * sections.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/span.h"
#include "settings/fault.h"
#include "settings/options.h"

enum { SETTINGS_STATEMENTS_MOST = 100000, SETTINGS_SECTIONS_MOST = 20000 };

struct settings_outline_section {
    enum settings_section kind;
    size_t ordinal; /* the n-th of its kind, from 0 */
    unsigned line;
    const char *title; /* NULL: none */
    size_t
        first_statement; /* index, not at the top level, whose statements stand between others' */
    bool is_damaged;     /* something in it was left out for its fault */
};

struct settings_outline_statement {
    size_t section; /* index; 0 is the top level */
    const struct settings_option *option;
    unsigned line;
    bool is_refused; /* a value of it is a fault, so that its default stands in for it */
};

/* What is sound; borrowed from the arena. */
struct settings_outline {
    struct settings_outline_section *sections;
    size_t section_count; /* at least 1 */
    struct settings_outline_statement *statements;
    size_t statement_count;
    struct span clean; /* ends with a NUL that is not counted */
};

/* Adds each fault of shape. False: our own failure, no memory. */
MUST_CHECK bool settings_outline_read(struct span text, struct arena *arena,
                                      struct settings_outline *outline,
                                      struct settings_faults *faults, struct error *err);

/* Line of a key in a section; 0: it is not there. */
unsigned settings_outline_line(const struct settings_outline *outline, size_t section,
                               const char *key);

/* Whether what the file says there is a fault already: what follows from the default in its place is
 * none of the reader's. False also where the key is not there. */
bool settings_outline_is_refused(const struct settings_outline *outline, size_t section,
                                 const char *key);
