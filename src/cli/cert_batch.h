/* cli/cert_batch.h - judges chains that come as JSON lines, thousands a second.
 *
 * A line is {"id", "chain": [base64 DER, leaf first], "roots": [...], "name" or "names", "at":
 * seconds since 1970, "tlsa": ["3 1 1 HEX"], "crls": [...], "max_depth"}; all but the chain may be
 * absent. An answer is {"id", "trusted", "findings": [codes]} (and "other_path": true where
 * OpenSSL's own search misses the path), or {"id", "error"}.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "base/compiler.h"
#include "base/error.h"
#include "trust/anchors.h"
#include "trust/chain.h"

struct cert_batch_rules {
    enum chain_profile profile;
    struct anchors *anchors;       /* for lines without "roots"; borrowed */
    struct anchors *intermediates; /* known, not trusted; borrowed; may be NULL */
    int64_t now_s;                 /* for lines without "at" */
};

/* Usable TLSA records decide alone; else it takes a trusted path and the right name. */
MUST_CHECK bool cert_is_trusted(const struct chain_verdict *verdict);

/* Reads to the end. *bad_lines counts the lines that could not be judged; each got an answer with
 * "error" and a line on stderr with its number. False: our own failure. */
MUST_CHECK bool cert_batch_run(FILE *in, FILE *out, const struct cert_batch_rules *rules,
                               size_t *bad_lines, struct error *err);
