/* trust/tlsrpt.h - where a domain wants reports on TLS to go: the TXT record of _smtp._tls.DOMAIN (RFC 8460 section 3).
 *
 * Strict, as trust/mta_sts.h. Each field "rua" counts. A URI of another scheme than mailto and https is passed
 * over where one that can be used stands beside it. Pure, bounded by the input.
 */
#pragma once

#include <stddef.h>

#include "base/arena.h"
#include "base/span.h"
#include "trust/txt_record.h"

enum { TLSRPT_URIS_MOST = 32 }; /* taken of one record */

struct tlsrpt_record {
    const char *const *uris; /* "mailto:..." and "https://...", as they stand there */
    size_t count;            /* at least 1 of a valid record */
};

extern const struct txt_record_kind tlsrpt_record_kind;

/* All TXT records of the name, the strings of each joined. *record with VALID alone; *flaw in words unless VALID or NONE,
 * else NULL. All of it lives in the arena. */
enum txt_record_status tlsrpt_record_read(const struct span *texts, size_t count,
                                          struct arena *arena, struct tlsrpt_record *record,
                                          const char **flaw);
