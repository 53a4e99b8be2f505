/* settings/reader.h - libconfuse: the values of a settings file whose shape was found sound. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/span.h"
#include "settings/outline.h"

struct settings_reader;

/* Parses outline->clean. What libconfuse objects to all the same becomes a fault. False: our own
 * failure. One at a time in a process: its scanner has one state for all. */
MUST_CHECK bool settings_reader_open(const struct settings_outline *outline,
                                     struct settings_faults *faults,
                                     struct settings_reader **reader, struct error *err);
void settings_reader_close(struct settings_reader **reader);

/* How many values the key has in its section; 0: it is not there, or it is an empty list. */
size_t settings_reader_count(const struct settings_reader *reader,
                             const struct settings_outline_section *section, const char *key);
/* Borrowed until the reader is closed. */
struct span settings_reader_value(const struct settings_reader *reader,
                                  const struct settings_outline_section *section, const char *key,
                                  size_t index);
