/* settings/load.h - a load on its way: the parts of settings/settings.h share it.
 *
 * settings/load.c fills the structs value by value; settings/check.c then looks at what only shows
 * when values are seen together, and at what the files hold that they name.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "settings/outline.h"
#include "settings/reader.h"
#include "settings/settings.h"

struct settings_load {
    const struct settings_source *source;
    struct settings *settings;
    struct settings_faults *faults;
    struct arena scratch; /* until the load ends */
    struct settings_outline outline;
    struct settings_reader *reader;
};

/* Sorts what is looked up by name, and adds what is contradictory or useless to the faults. */
void settings_check(struct settings_load *load);
/* settings/check_next_keys.c: of one listener. */
void settings_check_next_keys(struct settings_load *load, size_t section,
                              const struct settings_listener *listener);
/* settings/check_reports.c */
void settings_check_reports(struct settings_load *load);
