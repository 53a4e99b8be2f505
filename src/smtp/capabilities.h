/* smtp/capabilities.h - what a server's EHLO reply says that it can do.
 *
 * Grammar: RFC 5321 section 4.1.1.1, ehlo-ok-rsp; keywords are matched without case. The first
 * line is the greeting and never a keyword: a keyword that stands there is lost to strict
 * clients and recorded as such.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "smtp/reply.h"

/* Bits. */
enum smtp_extension {
    SMTP_EXTENSION_STARTTLS = 1 << 0,            /* RFC 3207 */
    SMTP_EXTENSION_PIPELINING = 1 << 1,          /* RFC 2920 */
    SMTP_EXTENSION_SIZE = 1 << 2,                /* RFC 1870 */
    SMTP_EXTENSION_8BITMIME = 1 << 3,            /* RFC 6152 */
    SMTP_EXTENSION_SMTPUTF8 = 1 << 4,            /* RFC 6531 */
    SMTP_EXTENSION_DSN = 1 << 5,                 /* RFC 3461 */
    SMTP_EXTENSION_ENHANCEDSTATUSCODES = 1 << 6, /* RFC 2034 */
    SMTP_EXTENSION_CHUNKING = 1 << 7,            /* RFC 3030 */
    SMTP_EXTENSION_BINARYMIME = 1 << 8,          /* RFC 3030 */
    SMTP_EXTENSION_REQUIRETLS = 1 << 9,          /* RFC 8689 */
    SMTP_EXTENSION_LIMITS = 1 << 10,             /* RFC 9422 */
    SMTP_EXTENSION_AUTH = 1 << 11,               /* RFC 4954 */
};

struct smtp_capabilities {
    uint32_t extensions;       /* enum smtp_extension: what a strict client may use */
    uint32_t on_greeting_line; /* keywords found on the first line, where they do not count */
    uint64_t size_most;        /* bytes; 0: no limit given */
    /* RFC 9422 section 4; 0: none said. RCPT in one transaction, MAIL in one session, and domains of
     * recipients in one session; commands that are refused count as well. */
    uint32_t limit_recipients, limit_mails, limit_domains;
    uint16_t masked_line;        /* index of a line that looks overwritten (XXXXXXXA), else 0 */
    uint16_t starttls_line;      /* index of the line that offers STARTTLS, else 0 */
    bool starttls_has_parameter; /* RFC 3207 section 4: it takes none */
    bool is_lower_case;          /* legal; some clients stumble over it */
};

/* Reads a whole 250 reply to EHLO. */
void smtp_capabilities_parse(struct smtp_capabilities *capabilities,
                             const struct smtp_reply *reply);

/* "STARTTLS" and so on, for one bit. */
const char *smtp_extension_name(enum smtp_extension extension);
