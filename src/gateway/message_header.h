/* gateway/message_header.h - what the gateway wants to know of a message's header (pure).
 *
 * RFC 5322 section 3.6.4 (Message-ID), RFC 5321 section 6.3 (loops), RFC 8689 section 3
 * (TLS-Required). The header is read by smtp/header.
 */
#pragma once

#include <stdbool.h>

#include "base/span.h"

struct message_header {
    struct span message_id; /* with its angle brackets as it stands there; empty: none */
    unsigned hops;          /* Received fields */
    bool has_8bit;          /* an octet above 0x7f */
    bool tls_optional;      /* TLS-Required: No, once */
    bool is_whole;          /* the empty line behind it is there */
};

/* `message`: its beginning; what is cut off is not looked at. */
struct message_header message_header_read(struct span message);
