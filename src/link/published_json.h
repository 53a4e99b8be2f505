/* link/published_json.h - saves what a domain publishes as JSON and reads it back; as link/observation_json.h. */
#pragma once

#include <jansson.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "link/published.h"

/* A new reference; NULL: no memory. */
MUST_CHECK json_t *published_to_json(const struct observed_published *published);

/* False: err names the field that is wrong. All of it lives in the arena. */
MUST_CHECK bool published_from_json(const json_t *json, struct arena *arena,
                                    struct observed_published **published, struct error *err);
