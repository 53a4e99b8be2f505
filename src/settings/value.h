/* settings/value.h - what one value of a settings file means: text into the struct that is read.
 *
 * A table of types; each says what it wanted where the text is something else. Only a value that
 * names a file looks at the disk, and only whether the file is there and may be read.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/span.h"
#include "net/address.h"
#include "settings/options.h"

struct settings_value_context {
    struct arena *arena; /* texts and lists go here */
    bool leaves_files_alone;
};

/* Stores all values of one option in the struct of its section. False: err says what is wrong with
 * values[*wrong]. */
MUST_CHECK bool settings_value_store(const struct settings_option *option,
                                     const struct span *values, size_t count, void *section,
                                     const struct settings_value_context *context, size_t *wrong,
                                     struct error *err);

/* Whether one value alone could be stored; it is not. */
MUST_CHECK bool settings_value_try(const struct settings_option *option, struct span value,
                                   const struct settings_value_context *context, struct error *err);

/* "5m", "64K": as it would be written, for the bounds in messages. */
const char *settings_value_text(const struct settings_option *option, uint64_t value,
                                struct arena *arena);

/* An address with its port, "192.0.2.1:25" or "[2001:db8::1]:25". */
MUST_CHECK bool settings_value_address(struct span text, struct net_address *address,
                                       struct error *err);

/* A domain name as names are compared; a leading dot stays. NULL: it is none, and *why says more, or nothing.
 * RFC 1123 section 2.1: no label begins or ends with a hyphen. What others have in their DNS is not held to it. */
const char *settings_value_name(struct span text, struct arena *arena, const char **why);

/* A domain, or with a leading dot all names below one, as names are compared. */
MUST_CHECK bool settings_value_pattern(struct span text,
                                       const struct settings_value_context *context,
                                       const char **pattern, struct error *err);

/* There, readable, and a file (or a directory): a pipe or a device would be waited for. */
MUST_CHECK bool settings_value_look_at_file(const char *path, bool may_be_directory,
                                            struct error *err);
