/* lab/exam.h - judges a sender by what it did with the lab's servers (pure).
 *
 * Three levels are asked about: may (TLS where possible), encrypt (TLS always), verify (TLS with
 * whom we know). RFC 7435 is the measure for may.
 */
#pragma once

#include <stdbool.h>

#include "base/buffer.h"
#include "base/compiler.h"
#include "lab/fault_row.h"
#include "lab/fault_server.h"

enum exam_deed {
    EXAM_NOT_SEEN, /* it never came */
    EXAM_REFUSED,  /* it came, and delivered nothing */
    EXAM_IN_CLEAR, /* some mail in the clear, whatever else it did */
    EXAM_OVER_TLS,
};

enum exam_level { EXAM_MAY, EXAM_ENCRYPT, EXAM_VERIFY, EXAM_LEVEL_COUNT };

enum exam_mark {
    EXAM_NO_MARK, /* not seen */
    EXAM_RIGHT,
    EXAM_TOO_LAX,    /* mail went where it should not have gone */
    EXAM_TOO_STRICT, /* mail was held back for no reason that the level gives */
};

enum exam_deed exam_deed(const struct fault_tally *tally);
enum exam_mark exam_mark(enum fault_safety safety, enum exam_level level, enum exam_deed deed);

/* Heading and one line a server; the tallies stand in the order of the rows. False: no memory. */
MUST_CHECK bool exam_heading(struct buffer *out);
MUST_CHECK bool exam_line(const struct fault_row *row, const struct fault_tally *tally,
                          struct buffer *out);
