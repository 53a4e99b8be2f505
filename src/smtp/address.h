/* smtp/address.h - mailboxes as SMTP carries them.
 *
 * Grammar: RFC 5321 section 4.1.2 (Path, Mailbox) with RFC 6531 section 3.3 (UTF-8) and RFC 5321
 * section 4.1.3 (address literals). Lengths: section 4.5.3.1 (local part 64, domain 255, path 256).
 * Obsolete forms (source routes, RFC 5322 comments and folding) are refused.
 */
#pragma once

#include <stdbool.h>

#include "base/compiler.h"
#include "base/span.h"

struct smtp_address {
    struct span local_part; /* as written, quotes included; borrowed from the text */
    struct span domain;     /* as written, or the literal with its brackets */
    bool is_quoted, is_literal, is_utf8;
};

/* What keeps a text from being a mailbox; NULL text means it is one. */
struct smtp_address_flaw {
    const char *text; /* "the local part is longer than 64 octets"; static */
    size_t at;        /* index of the offending byte */
};

/* A Mailbox without angle brackets. False: *flaw says why. */
MUST_CHECK bool smtp_address_parse(struct span text, struct smtp_address *address,
                                   struct smtp_address_flaw *flaw);

/* A domain alone (letters, digits, hyphens, dots; UTF-8 labels), or an address literal. */
MUST_CHECK bool smtp_domain_parse(struct span text, struct smtp_address_flaw *flaw);
