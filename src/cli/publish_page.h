/* cli/publish_page.h - what a domain of ours is to publish, as zone lines and a policy file, beside what is live. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/compiler.h"
#include "diagnose/publication.h"
#include "diagnose/report.h"

/* For people: the findings, then lines that can be pasted into a zone (what else stands among them begins with ;),
 * then the policy file. False: no memory. */
MUST_CHECK bool publish_page_put(const struct publication *publication,
                                 const struct findings *findings, const struct report_style *style,
                                 struct arena *arena, struct buffer *out);

/* For programs. A new reference; NULL: no memory. */
MUST_CHECK json_t *publish_page_json(const struct publication *publication,
                                     const struct findings *findings, struct arena *arena);
