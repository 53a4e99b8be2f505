/* diagnose/saved_checkup.h - a checkup as a file, to be judged again without a network.
 *
 * {"schema": 1, "target", "domain", "level", "route": {...} or null, "hosts": [{"observation": {...},
 * "experiments": [...]}]}. Findings are not saved: reading judges anew.
 */
#pragma once

#include <jansson.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "diagnose/checkup.h"

/* A new reference; NULL: no memory. */
MUST_CHECK json_t *saved_checkup_to_json(const struct checkup *checkup);

/* False: err names the field that is wrong. *checkup lives in the arena. */
MUST_CHECK bool saved_checkup_from_json(const json_t *json, struct arena *arena,
                                        struct checkup **checkup, struct error *err);
