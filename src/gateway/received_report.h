/* gateway/received_report.h - the TLS report in what others sent: JSON, gzip, or a mail message that has one (pure).
 *
 * RFC 8460 section 5.3 (reports by mail). In a message it is the part of type application/tlsrpt+gzip or
 * application/tlsrpt+json; where there is none, one that looks like it by its type or name, also in a message that
 * was forwarded as an attachment. Nothing is believed: all sizes, the depth and the number of parts are bounded, and
 * gzip data that unpack to far more than text ever does are refused (base/gzip.h).
 */
#pragma once

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/span.h"
#include "trust/tls_report.h"

enum {
    RECEIVED_REPORT_BYTES_MOST = 8 * 1024 * 1024, /* of a file, or of a message */
    RECEIVED_REPORT_DEPTH_MOST = 8,               /* of parts in parts */
    RECEIVED_REPORT_PARTS_MOST = 100,
    RECEIVED_REPORT_ARENA_BYTES = 64 * 1024 * 1024, /* what the largest of them needs */
};

struct received_report {
    struct tls_report report;
    struct span json;  /* as it came, unpacked */
    const char *place; /* "part 2 (application/tlsrpt+gzip)"; "" where all of it is the report */
};

/* All of it lives in the arena. ERROR_FORMAT says where and what is wrong: "part 2 (application/tlsrpt+gzip): its
 * gzip data are cut off"; what of that was sent is printable. */
MUST_CHECK bool received_report_read(struct span bytes, struct arena *arena,
                                     struct received_report *received, struct error *err);
