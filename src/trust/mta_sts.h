/* trust/mta_sts.h - what a domain publishes for MTA-STS (RFC 8461): its TXT record, its policy file, the hosts listed.
 *
 * Strict: what the grammar of section 3 does not know is a flaw, and a record or policy with a flaw counts as
 * none (sections 3.1 and 3.2). One thing more than the grammar is let pass: empty lines at the end of the
 * file, which change nothing. Of a field that stands twice the first counts (section 3.2). Pure, bounded by the input.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/span.h"
#include "trust/txt_record.h"

enum {
    MTA_STS_BODY_MOST = 64 * 1024, /* octets of a policy file: RFC 8461 section 3.3 */
    MTA_STS_MX_MOST = 1024,        /* patterns taken of one policy */
    MTA_STS_AGE_MOST_S = 31557600, /* RFC 8461 section 3.2 */
    MTA_STS_ID_MOST = 32,          /* characters */
};

enum mta_sts_mode {
    MTA_STS_MODE_NONE,
    MTA_STS_MODE_TESTING,
    MTA_STS_MODE_ENFORCE,
    MTA_STS_MODE_COUNT
};
const char *mta_sts_mode_name(enum mta_sts_mode mode); /* "enforce" */

struct mta_sts_policy {
    enum mta_sts_mode mode;
    int64_t max_age_s;
    const char *const *mx; /* "mx.example.org", "*.example.org", in lower case */
    size_t mx_count;       /* at least 1 unless the mode is none */
};

extern const struct txt_record_kind mta_sts_record_kind;

/* All TXT records of _mta-sts.DOMAIN, the strings of each joined. *id with VALID alone, else NULL; *flaw in words unless
 * VALID or NONE, else NULL. Both live in the arena. */
enum txt_record_status mta_sts_record_read(const struct span *texts, size_t count,
                                           struct arena *arena, const char **id, const char **flaw);

/* The policy file as it was served. False: *flaw names the line, such as "line 2: the mode is \"doubt\", ...". */
MUST_CHECK bool mta_sts_policy_read(struct span body, struct arena *arena,
                                    struct mta_sts_policy *policy, const char **flaw);

/* Is a file of this Content-Type a policy? text/plain with any parameters: RFC 8461 section 3.2. */
MUST_CHECK bool mta_sts_is_plain_text(struct span content_type);

/* Does the pattern stand for the host? A "*." stands for exactly one label: RFC 8461 section 4.1. */
MUST_CHECK bool mta_sts_match(const char *pattern, const char *host);
MUST_CHECK bool mta_sts_policy_lists(const struct mta_sts_policy *policy, const char *host);
