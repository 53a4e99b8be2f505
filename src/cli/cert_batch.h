/* cli/cert_batch.h - judges chains that come as JSON lines (cert_line.h), thousands a second.
 *
 * Every processor takes its share of the lines at hand; answers keep the order of the lines. What
 * was read is answered before more is waited for, so that a program may ask and listen in turn.
 */
#pragma once

#include <stddef.h>

#include "base/compiler.h"
#include "base/error.h"
#include "cli/cert_line.h"

/* Reads file descriptor 0 to its end and writes to stdout. *bad_lines counts the lines that could
 * not be judged; each got an answer with "error" and a line on stderr with its number. False: our
 * own failure. */
MUST_CHECK bool cert_batch_run(const struct cert_rules *rules, size_t *bad_lines,
                               struct error *err);
