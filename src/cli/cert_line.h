/* cli/cert_line.h - judges one chain that comes as a line of JSON.
 *
 * A line is {"id", "chain": [base64 DER, leaf first], "roots": [...], "name" or "names", "at":
 * seconds since 1970, "tlsa": ["3 1 1 HEX"], "crls": [...], "max_depth"}; all but the chain may be
 * absent. An answer is {"id", "trusted", "findings": [codes]} (and "other_path": true where
 * OpenSSL's own search misses the path), or {"id", "error"}.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/span.h"
#include "trust/anchors.h"
#include "trust/chain.h"

struct cert_rules {
    enum chain_profile profile;
    struct anchors *anchors;       /* for lines without "roots" */
    struct anchors *intermediates; /* known, not trusted */
    int64_t now_s;                 /* for lines without "at" */
};

/* Keeps the trust stores that lines bring along, for the next line that brings the same. */
struct cert_judge;

/* Copies the stores of the rules, so that each thread has its own. NULL: no memory. */
MUST_CHECK struct cert_judge *cert_judge_new(const struct cert_rules *rules);
void cert_judge_free(struct cert_judge **judge);

/* Appends the answer, its line end too. False: it is one with "error", and err says the same. */
MUST_CHECK bool cert_line_judge(struct cert_judge *judge, struct span text, struct buffer *out,
                                struct error *err);
/* Appends an answer with "error" for a line that was not even read. */
MUST_CHECK bool cert_line_refuse(const char *why, struct buffer *out);

/* Usable TLSA records decide alone; else it takes a trusted path and the right name. */
MUST_CHECK bool cert_is_trusted(const struct chain_verdict *verdict);
