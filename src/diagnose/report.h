/* diagnose/report.h - a checkup as text for people: cause first, 80 columns. */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/compiler.h"
#include "diagnose/checkup.h"
#include "diagnose/finding.h"

struct report_style {
    bool with_colour;     /* a terminal, and NO_COLOR is not set */
    bool with_transcript; /* -v */
    bool with_utf8;       /* the locale can show it */
    int columns;          /* at least 60; 80 where unknown */
};

/* False: no memory. */
MUST_CHECK bool report_checkup(const struct checkup *checkup, const struct report_style *style,
                               struct buffer *out);
/* One finding: cause, evidence, remedy. Also used by `postern cert`. */
MUST_CHECK bool report_finding(const struct finding *finding, const struct report_style *style,
                               struct buffer *out);
/* The chain, as subject and issuer lines with dates. */
MUST_CHECK bool report_chain(const struct chain_verdict *verdict, int64_t now_s,
                             const struct report_style *style, struct buffer *out);
