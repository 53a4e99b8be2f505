/* gateway/tls_report_mail.h - one TLS report as it is handed over: its file, and the mail around it (pure).
 *
 * RFC 8460 sections 5.1 to 5.3. The mail asks for delivery whatever the state of TLS (TLS-Required: No, RFC 8689 section
 * 5), for a report about broken TLS could not come through else; it is not signed here.
 */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/compiler.h"
#include "base/error.h"
#include "trust/tls_report.h"

enum { TLS_REPORT_MAIL_MOST = 32 << 20 };

#define TLS_REPORT_MEDIA_TYPE "application/tlsrpt+gzip"

/* Borrowed. */
struct tls_report_mail {
    const struct tls_report *report;
    const char *domain;    /* that it is about */
    const char *submitter; /* our domain */
    const char *instance;  /* letters and digits: which of our gateways */
    const char *from, *to; /* mailboxes */
    const char *boundary;
    int64_t now_s;
    struct span file; /* the JSON, gzipped */
};

/* The JSON, gzipped, appended to *out. */
MUST_CHECK bool tls_report_pack(const struct tls_report *report, struct arena *arena,
                                struct buffer *out, struct error *err);

/* The whole message, all ASCII, its lines with CRLF. False: no memory. */
MUST_CHECK bool tls_report_compose(const struct tls_report_mail *mail, struct arena *arena,
                                   struct buffer *out);

/* The mailbox of a mailto: URI (RFC 6068 section 2); NULL: none that can be sent to. What stands behind a ? does not
 * count. */
const char *tls_report_mailbox(const char *uri, struct arena *arena);
