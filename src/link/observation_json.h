/* link/observation_json.h - saves an observation as JSON and reads it back.
 *
 * Schema 1: fields may be added, never renamed. Bytes are base64, enums are their words. What is
 * read is a stranger's text: every number is checked, every list bounded.
 */
#pragma once

#include <jansson.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "link/observation.h"

/* A new reference; NULL: no memory. */
MUST_CHECK json_t *observation_to_json(const struct observation *observation);

/* False: err names the field that is wrong. Texts live in the arena. */
MUST_CHECK bool observation_from_json(const json_t *json, struct arena *arena,
                                      struct observation *observation, struct error *err);

/* A copy whose texts are the arena's: of what is saved, by way of it. False: no memory, or what is saved cannot be
 * read back. */
MUST_CHECK bool observation_copy(const struct observation *observation, struct arena *arena,
                                 struct observation *copy, struct error *err);
