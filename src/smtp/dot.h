/* smtp/dot.h - dot-stuffing for a client's DATA (RFC 5321 section 4.5.2), streaming.
 *
 * Lines of the body end in CRLF. A bare CR or LF or a NUL in the content is never sent: the
 * encoder refuses, because a server that reads it as a line end could be made to see two
 * messages (SMTP smuggling).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/span.h"

enum smtp_dot_flaw {
    SMTP_DOT_FINE,
    SMTP_DOT_BARE_CR,
    SMTP_DOT_BARE_LF,
    SMTP_DOT_NUL,
};

struct smtp_dot_encoder {
    bool at_line_start, after_cr, is_started;
    enum smtp_dot_flaw flaw; /* final once set */
};

void smtp_dot_init(struct smtp_dot_encoder *encoder);

/* Takes bytes off *body and writes at most `size` of wire bytes to `out`; returns how many.
 * Stops early at a flaw (see encoder->flaw). Needs size of at least 2. */
MUST_CHECK size_t smtp_dot_feed(struct smtp_dot_encoder *encoder, struct span *body, char *out,
                                size_t size);

/* Ends the content: adds a final CRLF where the body lacks one, then ".\r\n". At most 5 bytes.
 * A body that ends in a bare CR sets the flaw and writes nothing. */
MUST_CHECK size_t smtp_dot_finish(struct smtp_dot_encoder *encoder, char out[5]);
