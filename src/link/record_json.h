/* link/record_json.h - writes any record (link/record.h) as JSON and reads it back.
 *
 * What is read is a stranger's text: every number is checked against its range, every list against
 * its longest, and what could upset a terminal is escaped.
 */
#pragma once

#include <jansson.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "link/record.h"

enum { RECORD_SCHEMA = 1 };

/* A new reference; NULL: no memory. */
MUST_CHECK json_t *record_to_json(const struct record *record, const void *base);

/* Fills the struct at `base`; fields that are missing keep what they have. False: err names the
 * field that is wrong. */
MUST_CHECK bool record_from_json(const struct record *record, const json_t *json,
                                 struct arena *arena, void *base, struct error *err);
