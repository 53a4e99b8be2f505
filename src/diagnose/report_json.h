/* diagnose/report_json.h - a checkup as JSON (schema 1: fields may be added, never renamed). */
#pragma once

#include <jansson.h>

#include "base/compiler.h"
#include "diagnose/checkup.h"
#include "diagnose/finding.h"

/* New references; NULL: no memory. */
MUST_CHECK json_t *report_json_checkup(const struct checkup *checkup);
MUST_CHECK json_t *report_json_findings(const struct findings *findings);
MUST_CHECK json_t *report_json_chain(const struct chain_verdict *verdict);
