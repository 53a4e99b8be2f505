/* link/route_json.h - saves a route as JSON and reads it back, for a checkup that is judged again.
 *
 * Schema 1, as link/observation_json.h.
 */
#pragma once

#include <jansson.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "link/route.h"

/* A new reference; NULL: no memory. */
MUST_CHECK json_t *route_to_json(const struct route *route);

/* False: err names the field that is wrong. *route lives in the arena. */
MUST_CHECK bool route_from_json(const json_t *json, struct arena *arena, struct route **route,
                                struct error *err);
